"""The routes of one project: one verb of Session each."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Query as Given
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

from askwise import audit
from askwise.app import shapes, wire
from askwise.app.desk import MOST_HELD
from askwise.app.roles import REVIEWER, Here, Place, Routes
from askwise.core import Answer, BadInput, Query

if TYPE_CHECKING:
    pass

TARGETS = (0.01, 0.02, 0.05, 0.1)
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
routes = Routes()


# ── asking and answering ────────────────────────────────────────────────────────────────────


def _hand(at: Place, body: shapes.Hand, dealt: list[Query] | None = None) -> dict[str, Any]:
    """How things stand, and questions: those dealt already unless the rules of asking have changed, or new ones."""
    session, desk = at.session, at.project.desk
    pulse = wire.pulse(session, at.project.figures)
    checking = (pulse["autolabel"] or {}).get("status") == "checking"
    if checking != desk.checking:
        desk.drop()
        desk.checking, dealt = checking, None
    if dealt is None:
        dealt = desk.deal(at.who.name, body.tab, body.have, body.want)
    return {"next": [wire.query(session, q) for q in dealt], "pulse": pulse}


def _asked_of_them(at: Place, item: str) -> None:
    """An annotator works on what was asked of them; who reviews, on anything."""
    if at.who.role < REVIEWER and not at.project.may_answer(at.who.name, item):
        raise HTTPException(403, "This item was not asked of you, or somebody else has it now. Reviewers answer any.")


def _answered(at: Place, body: shapes.Act, kind: Literal["label", "skip", "unsure"]) -> dict[str, Any]:
    """An answer to a question, and the next ones in the same reply."""
    desk, name = at.project.desk, at.who.name

    def act() -> dict[str, Any]:
        _asked_of_them(at, body.item)
        label = None if kind != "label" else body.label if body.labels is None else body.labels
        if body.again and _arrived(at, body):
            desk.clear(name, body.item)
            return _hand(at, body)
        checking = at.session.look(lambda s: s.open_attempt is not None)
        want = 0 if checking or desk.checking else body.want  # whether checks go on is known after the answer
        dealt = desk.hand_in(name, body.tab, body.have, want, body.item, kind, label, body.seconds)
        reply = _hand(at, body) if not want else _hand(at, body, dealt)
        return reply | {"note": LATE if kind == "label" and _came_late(at, body.item) else ""}

    return desk.once(name, body.key, act)


LATE = "Somebody else labeled this item while you had it. Their answer stands; yours is kept beside it, for review."


def _own(at: Place, item: str) -> Answer | None:
    """The person's own answer to an item, whether it holds or not."""
    row = at.session._rows.get(item)
    return None if row is None else at.session.look(lambda s: s.votes.get(row, {}).get(at.who.name))


def _came_late(at: Place, item: str) -> bool:
    own = _own(at, item)
    return own is not None and own.late


def _arrived(at: Place, body: shapes.Act) -> bool:
    """Whether the log already holds this answer, given after its question was asked."""
    earlier = _own(at, body.item)
    if earlier is None:
        return False
    told = None if earlier.label is None else set(at.session.parts(earlier.label))
    said = body.labels if body.label is None else at.session.parts(body.label)
    return bool(told == (None if said is None else set(said)) and earlier.seq > body.asked > 0)


@routes.get("/api/v1/state", response_model=shapes.State, tags=["labeling"])
def state(at: Here) -> dict[str, Any]:
    """What a page starts with: the project, oneself, one's last answers, how things stand."""
    session, me = at.session, at.who
    return {
        "title": session.title,
        "kind": session.pool.kind,
        "session": session.look(lambda s: str(s.opened["fingerprint"]))[:16] + (f"-{me.account}" if me.account else ""),
        "guidelines": at.project.guidelines,
        "descriptions": session.look(lambda s: {name: text for name, text in s.descriptions.items() if text}),
        "max_error": session.settings.get("max_error"),
        "confidence": session.settings.get("confidence"),
        "me": {"name": me.name, "role": me.role.word},
        "team": at.project.team,
        "history": [wire.answer(session, a) for a in session.history(20, annotator=me.name)],
        "pulse": wire.pulse(session, at.project.figures),
    }


@routes.get("/api/v1/pulse", response_model=shapes.Pulse, tags=["labeling"])
def pulse(at: Here) -> dict[str, Any]:
    """How things stand: classes, counts, estimate, verdict."""
    return wire.pulse(at.session, at.project.figures)


@routes.post("/api/v1/ask", response_model=shapes.Dealt, tags=["labeling"])
def ask(at: Here, body: shapes.Hand) -> dict[str, Any]:
    """Questions until the tab holds as many as it wants; each is leased for ten minutes.

    A person has at most 50 in hand, over all tabs and programs: then there are fewer; where there would be none, 429.
    """
    reply = _hand(at, body)
    if not reply["next"] and body.want and not body.have:
        held = at.session.look(lambda s: s.held(at.who.name))
        if held >= MOST_HELD:
            raise HTTPException(
                429,
                f"You have {held} questions in hand already, in other tabs or programs; {MOST_HELD} is the most. "
                "Answer some of them there; what is not answered is free again ten minutes after it was asked.",
                {"Retry-After": "60"},
            )
    return reply


@routes.post("/api/v1/find", response_model=shapes.Dealt, tags=["labeling"])
def find(at: Here, body: shapes.Find) -> dict[str, Any]:
    """Be asked about open items that hold some words, or are like them: best first, before the other questions."""
    session, name = at.session, at.who.name
    found = session.find(body.text, body.n, annotator=name, most=MOST_HELD)  # takes a while: not under the desk's lock
    for question in reversed(found):
        at.project.desk.put(name, body.tab, question)
    return {"next": [wire.query(session, q) for q in found], "pulse": wire.pulse(session, at.project.figures)}


@routes.post("/api/v1/tell", response_model=shapes.Dealt, tags=["labeling"])
def tell(at: Here, body: shapes.Act) -> dict[str, Any]:
    """Answer with a label: on the disk when the reply comes. The next questions are in the reply."""
    if body.label is None and body.labels is None:
        task = at.session.task
        one = f"one of: {', '.join(at.session.classes)}" if task.named else f"{task.asks} as `label`"
        raise BadInput(f"An answer needs a label. Send {one}.")
    if body.labels is not None and at.session.task.closed:
        raise BadInput("An item of this project has one label: send `label`, not `labels`.")
    return _answered(at, body, "label")


@routes.post("/api/v1/skip", response_model=shapes.Dealt, tags=["labeling"])
def skip(at: Here, body: shapes.Act) -> dict[str, Any]:
    """Put an item off; it comes back later."""
    return _answered(at, body, "skip")


@routes.post("/api/v1/unsure", response_model=shapes.Dealt, tags=["labeling"])
def unsure(at: Here, body: shapes.Act) -> dict[str, Any]:
    """Say that one cannot tell; not asked again."""
    return _answered(at, body, "unsure")


@routes.post("/api/v1/flag", response_model=shapes.Dealt, tags=["labeling"])
def flag(at: Here, body: shapes.Act) -> dict[str, Any]:
    """Mark an item for a second look, with a note; the question stays open."""

    def act() -> dict[str, Any]:
        _asked_of_them(at, body.item)
        at.session.flag(body.item, body.note, annotator=at.who.name)
        return _hand(at, body)

    return at.project.desk.once(at.who.name, f"flag {body.key}", act)


@routes.post("/api/v1/retract", response_model=shapes.Retracted, tags=["labeling"])
def retract(at: Here, body: shapes.Act) -> dict[str, Any]:
    """Take one's own answer to the item back; its question is open again."""
    desk, name = at.project.desk, at.who.name

    def act() -> dict[str, Any]:
        question = at.session.retract(body.item, annotator=name)
        if question is not None:
            desk.put(name, body.tab, question)
        return {"query": wire.query(at.session, question) if question else None, **_hand(at, body)}

    return desk.once(name, f"retract {body.key}", act)


@routes.get("/api/v1/nearest", response_model=list[shapes.Neighbor], tags=["labeling"])
def nearest(at: Here, row: int) -> list[dict[str, Any]]:
    """The three labeled items most like that of a row, nearest first."""
    session = at.session
    if not 0 <= row < len(session.pool):
        raise BadInput(f"No row {row}; rows are 0 to {len(session.pool) - 1}.")
    return [
        {
            "row": r,
            "text": wire.shown(session.pool.contents[r])[:300],
            "view": wire.view(session.pool.contents[r]),
            "label": label,
            "labels": list(session.parts(label)),
            "similarity": s,
        }
        for r, label, s in session.nearest(row, 3)
    ]


@routes.post("/api/v1/classes", response_model=shapes.Pulse, tags=["labeling"])
def add_class(at: Here, body: shapes.NewClass) -> dict[str, Any]:
    """Add a class."""
    at.session.add_class(body.name)
    return wire.pulse(at.session)


# ── everybody's work ────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/answers", response_model=shapes.Votes, tags=["review"])
def answers(
    at: Here,
    offset: Annotated[int, Given(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Given(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The current answers of everybody, in the order of the rows."""
    found = at.session.answers()
    ids = at.session.pool.ids
    return {
        "total": len(found),
        "answers": [
            {
                "item": ids[row],
                "row": row,
                "kind": a.kind,
                "label": a.label,
                "annotator": a.annotator,
                "at": a.at,
                "seconds": a.seconds,
                "audit": a.audit,
                "flag": a.flag,
            }
            for row, a in sorted(found.items())[offset : offset + limit]
        ],
    }


@routes.get("/api/v1/metrics", response_model=shapes.Numbers, tags=["review"])
def metrics(at: Here) -> dict[str, Any]:
    """Precision, recall and F1 of each class on the rest, with bounds; of numbers how far off the guesses are."""
    found = at.session.metrics()
    errors = at.session.errors()
    return {"metrics": None if found is None else plain(found), "errors": None if errors is None else plain(errors)}


@routes.get("/api/v1/annotators", response_model=list[dict[str, Any]], tags=["review"])
def annotators(at: Here) -> list[dict[str, Any]]:
    """What each person has done, and how good their labels are where others labeled the same items."""
    return [plain(one) for one in at.session.annotators()]


@routes.get("/api/v1/agreement", response_model=dict[str, Any], tags=["review"])
def agreement(at: Here) -> dict[str, Any]:
    """How well people agree on the items that several of them labeled."""
    found: dict[str, Any] = plain(at.session.agreement())
    return found


def plain(value: Any) -> Any:
    """A record as JSON: dataclasses as dicts, pairs as keys joined by " / ", what is no number as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {" / ".join(map(str, k)) if isinstance(k, tuple) else str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# ── handing over, taking out ────────────────────────────────────────────────────────────────


@routes.get("/api/v1/checks", response_model=dict[str, int], tags=["finishing"])
def checks(at: Here) -> dict[str, int]:
    """For each offered share of errors the fewest blind checks that could prove it."""
    session = at.session
    counts = session.counts()
    used = counts["groups"]
    region = session.verdict().region or counts["rest"]
    if used >= len(audit.SPEND) or at.session.recall():
        return {}  # no attempt is left
    alpha = (1 - session.settings["confidence"]) * audit.SPEND[used]
    shares = {*TARGETS, session.settings["max_error"]}
    return {str(share): audit.audit_plan(region, share, alpha).first for share in shares} if region else {}


@routes.post("/api/v1/autolabel", response_model=shapes.AutoLabelReply, tags=["finishing"])
def autolabel(at: Here, body: shapes.Target) -> dict[str, Any]:
    """Freeze what the model is sure about and start blind checks, or say what is missing."""
    at.project.desk.drop()  # what a tab holds could not be part of the region
    limit = None if at.session.recall() else body.max_error
    result = at.session.autolabel(max_error=limit, by_doubt=body.by_doubt)
    return {"result": wire.autolabels(result), "pulse": wire.pulse(at.session)}


@routes.post("/api/v1/autolabel/cancel", response_model=shapes.JustPulse, tags=["finishing"])
def cancel_autolabel(at: Here) -> dict[str, Any]:
    """Give up the blind checks under way."""
    at.session.cancel_autolabel()
    return {"pulse": wire.pulse(at.session)}


@routes.post("/api/v1/autolabel/resume", response_model=shapes.AutoLabelReply, tags=["finishing"])
def resume_autolabel(at: Here) -> dict[str, Any]:
    """Go on with the checks of an attempt that had ended, as answers were changed since."""
    at.project.desk.drop()
    result = at.session.resume_autolabel()
    return {"result": wire.autolabels(result), "pulse": wire.pulse(at.session)}


@routes.post("/api/v1/autolabel/undo", response_model=shapes.JustPulse, tags=["finishing"])
def undo_autolabel(at: Here) -> dict[str, Any]:
    """Take the last batch of model labels back."""
    at.session.undo_autolabel()
    return {"pulse": wire.pulse(at.session)}


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": XLSX,
    "conll": "text/plain",
    "spacy": "application/octet-stream",
    "doccano": "application/x-ndjson",
    "prodigy": "application/x-ndjson",
}
"""Formats of the export, with their media types."""
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {} for kind in (*KINDS.values(), "application/jsonl")}, "description": "The table"}
}


@routes.get("/api/v1/export", response_class=Response, responses=FILES, tags=["finishing"])
def export(
    at: Here,
    format: Annotated[  # noqa: A002 - the name in the address
        Literal["csv", "tsv", "jsonl", "parquet", "xlsx", "conll", "spacy", "doccano", "prodigy"],
        Given(description="The last four: labeled texts with spans, and nothing else; without guesses."),
    ] = "csv",
    guesses: Annotated[
        bool, Given(description="Also guesses on open items, which nobody can check blind then.")
    ] = False,
    bom: Annotated[bool, Given(description="CSV and TSV: with a byte order mark, by which Excel knows UTF-8.")] = False,
    raw: Annotated[
        bool, Given(description="CSV and TSV: no apostrophe before cells that a spreadsheet would run as formulas.")
    ] = False,
) -> Response:
    """One record for each row of the data."""
    folder = tempfile.TemporaryDirectory(prefix="askwise-")
    ending = f"{format}.jsonl" if format in ("doccano", "prodigy") else format
    path = Path(folder.name) / f"labels.{ending}"
    try:
        at.session.export(path, guesses=guesses, raw=raw, bom=bom)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, filename=path.name, media_type=KINDS[format], background=BackgroundTask(folder.cleanup))


@routes.get("/report", response_class=HTMLResponse, include_in_schema=False)
def report(at: Here) -> Response:
    """The report, as a page without scripts."""
    from askwise import report as pages

    return HTMLResponse(pages.to_html(at.session.report()), headers={"Content-Security-Policy": REPORT_POLICY})
