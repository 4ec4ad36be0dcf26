"""Runs the page of a check of given labels."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from askwise.app import serve
from askwise.app.checks.app import create_check_app, prepare
from askwise.app.checks.desk import CheckDesk
from askwise.app.guard import Codes
from askwise.checking import LabelCheck


def serve_check(
    check: LabelCheck,
    *,
    rest: bool = False,
    port: int | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None],
    token: str | None = None,
    codes: Codes | None = None,
) -> int:
    """Serve the page of a check until Ctrl+C or SIGTERM.

    Args:
        check: An open check; it is left open.
        rest: Once it is known which labels stay, go on with what is open.
        port: See `serve.serve`, as the following.
        open_browser: See there.
        announce: See there.
        token: See there.
        codes: See there.

    Returns:
        How many answers were recorded.

    Raises:
        BadInput: If the given port is taken or not allowed.
    """
    token, codes = token or secrets.token_urlsafe(24), codes or Codes()
    listener = serve._listen("127.0.0.1", port)
    desk = CheckDesk(check, rest=rest)
    with ExitStack() as after:
        after.callback(listener.close)
        ready = partial(serve.show, listener, token, codes, announce, after if open_browser else None)
        prepare(check)
        serve._run(create_check_app(desk, token=token, codes=codes), listener, ready)
    return desk.given
