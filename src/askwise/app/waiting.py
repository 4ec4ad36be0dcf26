"""The page that is there while a session gets ready: what goes on, how far it is, how long it will take."""

from __future__ import annotations

import atexit
import contextlib
import secrets
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from askwise.app.guard import Codes, Guard
from askwise.app.progress import tell_progress
from askwise.app.roles import OWNER, Routes, Who

SOON = 1.5
"""Seconds in which most sessions are ready, so that no page need say that they are not."""


class Waiting:
    """While inside, a page says how far things are, from some moments on; then it gives its port to what comes.

    Args:
        port: See `serve`.
        open_browser: See `serve`.
        announce: Called with the address once the page is there.
    """

    def __init__(self, *, port: int | None, open_browser: bool, announce: Callable[[str], None]) -> None:
        self.port = port
        self.token, self.codes = secrets.token_urlsafe(24), Codes()
        self.opened = False
        """Whether the page was opened, so that the next one need not be."""
        self._open_browser, self._announce = open_browser, announce
        self._timer = threading.Timer(SOON, self._open)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._over = False
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Waiting:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()

    def _open(self) -> None:
        from askwise.app import serve
        from askwise.app.server import build
        from askwise.core import BadInput

        me = Who("me", OWNER)
        app = build(
            {}, lambda _: me, more=(tell_progress(Routes(tags=["new project"])),), pages={"/": "team/waiting.html"}
        )
        app.add_middleware(Guard, token=self.token, codes=self.codes)
        with self._lock, contextlib.suppress(BadInput):  # a port that cannot be had: `serve` will say so
            if self._over:
                return
            listener = serve._listen("127.0.0.1", self.port)
            self.port = int(listener.getsockname()[1])
            self._server = serve.quiet_server(app)
            self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
            self._thread.start()
            self.opened = True
            # The file that leads a browser here may be read when this page has given way to the next one.
            until = contextlib.ExitStack()
            atexit.register(until.close)
            serve.show(listener, self.token, self.codes, self._announce, until if self._open_browser else None)
