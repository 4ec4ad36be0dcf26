"""The web app of a check of given labels, for whoever started it on this machine."""

from __future__ import annotations

import threading

from fastapi import FastAPI

from askwise.app.checks.desk import CheckDesk
from askwise.app.checks.routes import routes
from askwise.app.guard import Codes, Guard
from askwise.app.roles import OWNER, Who
from askwise.app.server import build
from askwise.checking import LabelCheck
from askwise.notices import say


def create_check(desk: CheckDesk) -> FastAPI:
    """The web app of a check, without its door, which the caller adds as middleware."""
    me = Who("me", OWNER)
    return build({}, lambda _: me, more=(routes(desk),), pages={"/": "check/index.html"}, of_project=False)


def create_check_app(desk: CheckDesk, *, token: str, codes: Codes | None = None) -> FastAPI:
    """The same behind the door of one person on this machine; `token` and `codes` as of `server.create_app`."""
    app = create_check(desk)
    app.add_middleware(Guard, token=token, codes=codes)
    return app


def prepare(check: LabelCheck) -> None:
    """Encode what the model of doubt will learn from while people answer the first questions."""
    if check.doubts_matter:
        threading.Thread(target=_prepare, args=(check,), name="askwise-doubt", daemon=True).start()


def _prepare(check: LabelCheck) -> None:
    try:
        check.get_ready()
    except Exception as error:  # noqa: BLE001 - whatever an encoder raised: the first question that needs it says it, too
        say(f"what the model of doubt learns from could not be made: {type(error).__name__}: {error}")
