"""The labeling page's server: one verb of Session per route."""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from askwise import audit
from askwise.app import wire
from askwise.app.desk import Desk
from askwise.app.guard import Guard
from askwise.core import AskwiseError, BadInput, Conflict

if TYPE_CHECKING:
    from askwise.session import Session

TARGETS = (0.01, 0.02, 0.05, 0.1)
STATIC = Path(__file__).parent / "static"
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
Name = Annotated[str, Field(min_length=1, max_length=500)]
log = logging.getLogger("askwise.app")


class Hand(BaseModel):
    """What a tab holds, and how many questions it would like to hold."""

    tab: Name
    have: list[Name] = Field(default_factory=list, max_length=50)
    want: int = Field(default=3, ge=0, le=20)


class Act(Hand):
    """Something done to one item. `key` is made by the browser: the same key is done once."""

    key: Name
    item: Name
    asked: int = 0
    label: Name | None = None
    note: str = Field(default="", max_length=10_000)
    seconds: float | None = Field(default=None, ge=0, le=86_400, allow_inf_nan=False)
    again: bool = False
    """The browser does not know whether an earlier try arrived, perhaps at a server that was killed since."""


class NewClass(BaseModel):
    """A class to add."""

    name: Name


class Target(BaseModel):
    """What the blind checks shall prove."""

    max_error: float = Field(gt=0, lt=1)


def create_app(session: Session, *, token: str, guidelines: str = "") -> FastAPI:
    """The web app of one session.

    Args:
        session: An open session; its worker is started and stopped by the caller.
        token: The secret a browser must show, in the address once or in the header `x-askwise-token`.
        guidelines: Text of the guidelines panel (headings, lists, **bold**, `code`); empty hides the panel.

    Raises:
        BadInput: If the token is too short to be a secret.
    """
    if len(token) < 16:
        raise BadInput(f"The token has {len(token)} characters; give 16 or more, as secrets.token_urlsafe(24) makes.")
    app = FastAPI(title="Askwise", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, token=token)
    _errors(app)
    _files(app)
    desk = Desk(session)

    def drop_hands() -> None:
        """The rules of asking change: every tab gives its questions back."""
        desk.clear()
        session.release()

    def hand(body: Hand) -> dict[str, Any]:
        pulse = wire.pulse(session)
        checking = (pulse["autolabel"] or {}).get("status") == "checking"
        if checking != desk.checking:
            drop_hands()
            desk.checking = checking
        return {"next": [wire.query(q) for q in desk.deal(body.tab, body.have, body.want)], "pulse": pulse}

    def answered(body: Act, verb: Callable[[], None]) -> dict[str, Any]:
        """Run a verb that answers a question, then deal the next ones in the same reply."""

        def act() -> dict[str, Any]:
            if not (body.again and _arrived(session, body)):
                verb()
            desk.clear(body.item)
            return hand(body)

        return desk.once(body.key, act)

    @app.get("/api/state")
    def state() -> dict[str, Any]:
        return {
            "title": session.title,
            "kind": session.pool.kind,
            "session": session.pool.fingerprint[:16],
            "guidelines": guidelines,
            "max_error": session.settings.get("max_error"),
            "confidence": session.settings.get("confidence"),
            "history": [wire.answer(session, a) for a in session.history(20)],
            "pulse": wire.pulse(session),
        }

    @app.get("/api/pulse")
    def pulse() -> dict[str, Any]:
        return wire.pulse(session)

    @app.post("/api/ask")
    def ask(body: Hand) -> dict[str, Any]:
        return hand(body)

    @app.post("/api/tell")
    def tell(body: Act) -> dict[str, Any]:
        if body.label is None:
            raise BadInput("An answer needs a label. Send one of: " + ", ".join(session.classes) + ".")
        label = body.label
        return answered(body, lambda: session.tell(body.item, label, seconds=body.seconds))

    @app.post("/api/skip")
    def skip(body: Act) -> dict[str, Any]:
        return answered(body, lambda: session.skip(body.item, seconds=body.seconds))

    @app.post("/api/unsure")
    def unsure(body: Act) -> dict[str, Any]:
        return answered(body, lambda: session.unsure(body.item, seconds=body.seconds))

    @app.post("/api/flag")
    def flag(body: Act) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            session.flag(body.item, body.note)
            return hand(body)

        return desk.once(body.key, act)

    @app.post("/api/retract")
    def retract(body: Act) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            question = session.retract(body.item)
            if question is not None:
                desk.put(body.tab, question)
            return {"query": wire.query(question) if question else None, **hand(body)}

        return desk.once(body.key, act)

    @app.post("/api/classes")
    def add_class(body: NewClass) -> dict[str, Any]:
        session.add_class(body.name)
        return wire.pulse(session)

    @app.get("/api/nearest")
    def nearest(row: int) -> list[dict[str, Any]]:
        if not 0 <= row < len(session.pool):
            raise BadInput(f"No row {row}; rows are 0 to {len(session.pool) - 1}.")
        near = session.nearest(row, 3)
        return [
            {"text": wire.shown(session.pool.contents[r])[:300], "label": label, "similarity": s}
            for r, label, s in near
        ]

    @app.get("/api/checks")
    def checks() -> dict[str, int]:
        """For each offered share of errors the fewest blind checks that could prove it."""
        counts = session.counts()
        used = counts["attempts"]
        region = session.verdict().region or counts["rest"]
        if used >= len(audit.SPEND):
            return {}  # no attempt is left
        alpha = (1 - session.settings["confidence"]) * audit.SPEND[used]
        shares = {*TARGETS, session.settings["max_error"]}
        return {str(share): audit.audit_plan(region, share, alpha).first for share in shares} if region else {}

    @app.post("/api/autolabel")
    def autolabel(body: Target) -> dict[str, Any]:
        drop_hands()  # what a tab holds could not be part of the region
        result = session.autolabel(max_error=body.max_error)
        return {"result": wire.autolabels(result), "pulse": wire.pulse(session)}

    @app.post("/api/autolabel/cancel")
    def cancel_autolabel() -> dict[str, Any]:
        session.cancel_autolabel()
        return {"pulse": wire.pulse(session)}

    @app.post("/api/autolabel/undo")
    def undo_autolabel() -> dict[str, Any]:
        session.undo_autolabel()
        return {"pulse": wire.pulse(session)}

    @app.get("/api/export")
    def export(format: Literal["csv", "jsonl"] = "csv") -> Response:  # noqa: A002 - the name in the address
        folder = tempfile.TemporaryDirectory(prefix="askwise-")
        path = Path(folder.name) / f"labels.{format}"
        session.export(path)
        return FileResponse(path, filename=path.name, background=BackgroundTask(folder.cleanup))

    @app.get("/report")
    def report() -> Response:
        from askwise import report as pages

        return HTMLResponse(pages.to_html(session.report()), headers={"Content-Security-Policy": REPORT_POLICY})

    return app


def _arrived(session: Session, body: Act) -> bool:
    """Whether the log already holds this answer, given after its question was asked."""
    for earlier in session.history(50):
        if session.pool.ids[earlier.row] == body.item:
            return bool(earlier.label == body.label and earlier.seq > body.asked > 0)
    return False


def _files(app: FastAPI) -> None:
    """The page and its files, read once; their address holds a hash of them, so a browser may keep them for good."""
    files = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file()}
    version = hashlib.sha256(b"".join(name.encode() + data for name, data in files.items())).hexdigest()[:12]
    page = files.pop("index.html").decode().replace("{{version}}", version)

    @app.get("/")
    def index() -> Response:
        return HTMLResponse(page)

    @app.get("/static/{at}/{name}")
    def static(at: str, name: str) -> Response:
        if name not in files:
            raise HTTPException(404, f"No file {name!r} here.")
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        keep = "public, max-age=31536000, immutable" if at == version else "no-cache"
        return Response(files[name], media_type=kind, headers={"Cache-Control": keep})


def _errors(app: FastAPI) -> None:
    """Every error leaves as `{"error": sentence}`; the traceback stays in the terminal."""

    @app.exception_handler(AskwiseError)
    def ours(_: Request, error: AskwiseError) -> Response:
        return JSONResponse({"error": str(error)}, 409 if isinstance(error, Conflict) else 400)

    @app.exception_handler(RequestValidationError)
    def unreadable(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "body"
        return JSONResponse({"error": f"The request is not usable: {where}: {first['msg']}."}, 400)

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:
        sentence = "There is nothing at this address." if error.detail == "Not Found" else str(error.detail)
        return JSONResponse({"error": sentence}, error.status_code)

    @app.exception_handler(Exception)
    def broken(_: Request, error: Exception) -> Response:
        log.error("%s", type(error).__name__, exc_info=error)
        sentence = "Something broke inside askwise; the terminal shows what. Answers saved so far are safe."
        return JSONResponse({"error": sentence}, 500)
