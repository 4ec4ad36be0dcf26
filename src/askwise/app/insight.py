"""The routes of the pages beside Label: Dashboard, Review, Data, Models, Finish."""

from __future__ import annotations

import bisect
import dataclasses
import importlib.util
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from fastapi import Query as Given
from pydantic import BaseModel, Field

from askwise import audit, evidence, insight
from askwise.app import wire
from askwise.app.labeling import plain
from askwise.app.roles import Here, Place, Routes
from askwise.app.shapes import Name, Text
from askwise.core import BadInput, Target, unknown
from askwise.labelsets import write_set
from askwise.learners.portfolio import in_charge
from askwise.values import written

if TYPE_CHECKING:
    from askwise.core import Array
    from askwise.session import Session
    from askwise.state import State

T = TypeVar("T")
MOST_POINTS = 400
"""Points of a curve that are sent; more cannot be told apart on a screen."""
SHOWN = 400
"""Characters of an item in a list."""
LISTED = 200
"""Entries of a list of findings, at most."""
routes = Routes(tags=["insight"])
Offset = Annotated[int, Given(ge=0, le=2**31)]
Limit = Annotated[int, Given(ge=1, le=200)]

_kept: WeakKeyDictionary[Session, dict[str, tuple[Any, Any]]] = WeakKeyDictionary()
_keeping = threading.Lock()
_working: WeakKeyDictionary[Session, dict[str, threading.Lock]] = WeakKeyDictionary()


def _once(session: Session, name: str, key: Any, compute: Callable[[], T]) -> T:
    """What takes long, computed once until the key moves on, by one request at a time."""
    with _keeping:
        kept = _kept.setdefault(session, {})
        working = _working.setdefault(session, {}).setdefault(name, threading.Lock())
    with working:
        if name not in kept or kept[name][0] != key:
            kept[name] = key, compute()
        found: T = kept[name][1]
        return found


def _thin(points: Sequence[T]) -> list[T]:
    """At most `MOST_POINTS` of the points, evenly, the last one among them."""
    step = -(-len(points) // MOST_POINTS) or 1
    return list(points[::-1][::step][::-1])


def _text(session: Session, row: int) -> str:
    shown = wire.shown(session.pool.contents[row])
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + " …"


# ── dashboard ───────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/dashboard", response_model=dict[str, Any])
def dashboard(at: Here) -> dict[str, Any]:
    """Accuracy over time, forecast, class balance, precision and recall, confusion, people."""
    session = at.session
    verdict, counts = session.verdict(), session.counts()

    def read(s: State) -> dict[str, Any]:
        return {
            "curve": [dataclasses.asdict(point) for point in _thin(s.points)],
            "costs": [list(cost) for cost in _thin(s.costs)],
            "balance": insight.balance(s),
            "confusion": insight.confusion(s).tolist() if s.task.named else None,
            "seconds": s.seconds,
        }

    found = session.look(read)
    metrics, errors, recall = session.metrics(), session.errors(), session.recall()
    control = session.control(compute=False)
    pace = found["seconds"] / counts["labeled"] if counts["labeled"] else None
    return found | {
        "title": session.title,
        "classes": list(session.classes),
        "multilabel": session.task.named and not session.task.closed,
        "named": session.task.named,
        "errors": None if errors is None else plain(errors) | {"sentence": errors.sentence},
        "counts": counts,
        "estimate": plain(session.estimate()) | {"sentence": session.estimate().sentence},
        "verdict": plain(verdict),
        "pace": pace,
        "control": None if control is None else plain(control) | {"sentence": control.sentence},
        "metrics": None if metrics is None else plain(metrics),
        "annotators": plain(session.annotators()),
        "agreement": plain(session.agreement()),
        "recall": None if recall is None else plain(recall),
        "confidence": session.settings["confidence"],
        "max_error": session.settings["max_error"],
    }


def _sure(session: Session) -> Array | None:
    """(n,) confidences of the current guesses; None where this process has no model."""
    sure = session.predictions()[1]
    return None if np.isnan(sure).any() else sure


def _no_model(session: Session) -> str:
    """Why there are no confidences of all items."""
    if session.look(lambda s: s.model and s.ranked < s.n):
        return "Items were added, and the model looks at them now; try again in a moment."
    return "There is no model yet: it takes at least two different answers."


def _target(session: Session) -> Target:
    """What the session's share of errors is a share of."""
    return session.look(evidence.target)


@routes.get("/api/v1/coverage", response_model=dict[str, Any])
def coverage(at: Here, max_error: Annotated[float | None, Given(gt=0, lt=1)] = None) -> dict[str, Any]:
    """How much could be handed to the model at a share of errors, projected; without one, the shares to ask for."""
    session = at.session
    own = session.settings["max_error"]
    nothing = {"shares": [], "own": own, "target": _target(session), "rest": 0, "offer": None}
    if session.recall() is not None:
        return nothing | {"why": "A search is finished by reading the rest in random order; see Finish."}
    sure, counts = _sure(session), session.counts()
    if sure is None:
        return nothing | {"why": _no_model(session)}
    if counts["groups"] >= len(audit.SPEND):
        return nothing | {"why": "All attempts are spent; the rest is for people."}
    found, shares = None, sorted({*insight.SHARES, own})
    if max_error is not None and max_error not in shares:
        raise BadInput(f"A share of {max_error:g} is not offered. Choose one of {', '.join(map(str, shares))}.")
    if max_error is not None:
        confidence = session.settings["confidence"]

        def compute() -> insight.Offer | None:
            known = session.look(partial(evidence.planning, sure=sure))
            return insight.offer(known, max_error, confidence, _target(session))

        key = (counts["round"], counts["groups"], counts["auto"])
        found = _once(session, f"coverage {max_error}", key, compute)
    offer = None if found is None else dataclasses.asdict(found)
    return nothing | {"shares": shares, "rest": counts["rest"], "offer": offer, "why": ""}


@routes.get("/api/v1/map", response_model=dict[str, Any])
def pool_map(at: Here) -> dict[str, Any]:
    """Items as points of a plane, at most 5,000 of them, with what is known of each."""
    session = at.session
    states, labeled, gone = session.look(
        lambda s: (insight.map_states(s), np.flatnonzero(s.labeled_mask), list(s.withdrawn))
    )
    # Those that came meanwhile have places, too.
    places = _once(session, "map", len(states), lambda: insight.flat(session.features(), session.seed))
    rows = np.setdiff1d(insight.sampled(len(states), labeled, insight.MAPPED, session.seed), gone)
    return {
        "items": len(states) - len(gone),
        "states": list(insight.MAP_STATES),
        "rows": rows.tolist(),
        "x": np.round(places[rows, 0], 4).tolist(),
        "y": np.round(places[rows, 1], 4).tolist(),
        "state": states[rows].tolist(),
        "counts": np.bincount(np.delete(states, gone), minlength=len(insight.MAP_STATES)).tolist(),
    }


@routes.get("/api/v1/map/item", response_model=dict[str, Any])
def map_item(at: Here, row: Offset) -> dict[str, Any]:
    """The item of a point of the map."""
    session = at.session
    if row >= len(session.pool):
        raise BadInput(f"No row {row}; rows are 0 to {len(session.pool) - 1}.")
    if row in session.pool.withdrawn:
        raise BadInput("This item was withdrawn.")
    label = session.look(lambda s: insight.label(s, row))
    _note_shown(at, [row])
    return _shown(session, row) | {"label": label}


# ── review ──────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/review/disagreements", response_model=dict[str, Any])
def disagreements(at: Here, offset: Offset = 0, limit: Limit = 20) -> dict[str, Any]:
    """Items that several people labeled differently; undecided ones first."""
    session = at.session

    def read(s: State) -> tuple[int, int, list[dict[str, Any]]]:
        rows = insight.disputed(s)
        shown = [
            {
                "row": row,
                "label": s.label_of(row),
                "decided": s.rulings[row].annotator if row in s.rulings else None,
                "votes": [
                    {"annotator": a.annotator, "label": a.label, "at": a.at, "late": a.late}
                    for a in sorted(s.votes[row].values(), key=lambda a: a.seq)
                    if a.kind == "label"
                ],
            }
            for row in rows[offset : offset + limit]
        ]
        return len(rows), sum(row not in s.rulings for row in rows), shown

    total, open_, found = session.look(read)
    return {"total": total, "undecided": open_, "items": _with_items(session, found)}


def _with_items(session: Session, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_shown(session, e["row"]) | e for e in entries]


def _shown(session: Session, row: int) -> dict[str, Any]:
    """An item as a list shows it."""
    return {
        "item": session.pool.ids[row],
        "row": row,
        "text": _text(session, row),
        "view": wire.view(session.pool.contents[row]),
    }


def _labeled(s: State) -> tuple[Array, Array, set[int]]:
    """(rows with a label by people or the data, newest last; their class numbers; rows that must stay blind)."""
    answers = sorted((a for a in s.answers.values() if a.label is not None), key=lambda a: (a.seq, a.row))
    rows = np.array([a.row for a in answers], np.intp)
    return rows, np.array([s.class_number(a.label or "") for a in answers], np.intp), insight.blind(s)


@routes.get("/api/v1/review/suspects", response_model=dict[str, Any])
def suspects(at: Here) -> dict[str, Any]:
    """Labels that a model which did not see them takes for wrong, the most suspicious first."""
    session = at.session
    (rows, y, blind), last, answers = session.look(lambda s: (_labeled(s), s.last_answer, dict(s.answers)))
    names, labels, decided = session.look(lambda s: (list(s.classes), list(s.labels), set(s.rulings)))
    size, holds = len(names), session.look(lambda s: s.membership())
    X = session.features()  # after the labels: of items that came meanwhile there are more of these

    def compute() -> list[tuple[insight.Suspect, str]]:
        if session.task.closed:
            return [(one, names[one.likely]) for one in insight.suspects(X[rows], y, size, session.seed)]
        found: list[tuple[insight.Suspect, str]] = []
        for one, label in insight.suspect_labels(X[rows], holds[y], session.seed):
            likely = holds[y[one.at]].copy()
            likely[label] = one.likely
            found.append((one, write_set([labels[i] for i in np.flatnonzero(likely)], labels)))
        return found

    looked = session.task.closed or session.task.family == "multilabel"  # others have no labels of their own
    shown, hidden = [], 0
    for one, rather in _once(session, "suspects", (last, size), compute) if looked else ():
        row = int(rows[one.at])
        if row in blind:
            hidden += 1
        elif row not in decided:
            shown.append(
                {
                    "row": row,
                    "label": names[int(y[one.at])],
                    "likely": rather,
                    "annotator": answers[row].annotator,
                    "own": round(one.own, 4),
                    "other": round(one.other, 4),
                }
            )
    found = {"total": len(shown), "checks": hidden, "labeled": len(rows), "looked": looked}
    return found | {"items": _with_items(session, shown[:LISTED])}


@routes.get("/api/v1/review/duplicates", response_model=dict[str, Any])
def duplicates(at: Here) -> dict[str, Any]:
    """Pairs of nearly equal items with different labels, the most alike first."""
    session = at.session
    names = session.look(lambda s: list(s.classes))
    (rows, y, _), last, answers = session.look(lambda s: (_labeled(s), s.last_answer, dict(s.answers)))
    rows, y = rows[-insight.MOST_COMPARED :], y[-insight.MOST_COMPARED :]
    decided = session.look(lambda s: set(s.rulings))
    X = session.features()

    def differ(one: Array, other: Array) -> Array:
        return session.task.wrong(one, other, names)

    pairs = _once(session, "duplicates", last, lambda: insight.contradictions(X[rows], y, differ=differ))
    shown = []
    for a, b, similarity in pairs:
        one, other = int(rows[a]), int(rows[b])
        if one in decided and other in decided:
            continue
        pieces = insight.differing(*(wire.shown(session.pool.contents[row]) for row in (one, other)))
        shown.append(
            {
                "similarity": round(similarity, 4),
                "items": [
                    {
                        **_shown(session, row),
                        "label": names[int(y[at_])],
                        "pieces": text,
                        "annotator": answers[row].annotator,
                    }
                    for row, at_, text in ((one, a, pieces[0]), (other, b, pieces[1]))
                ],
            }
        )
        if len(shown) == LISTED:
            break
    return {"total": len(shown), "compared": len(rows), "items": shown}


@routes.get("/api/v1/review/deferred", response_model=dict[str, Any])
def deferred(at: Here, offset: Offset = 0, limit: Limit = 20) -> dict[str, Any]:
    """Items that still need a person, the most useful first; in a search and during blind checks in their own order."""
    session = at.session

    def waiting(s: State) -> tuple[Array, bool, int, dict[int, str]]:
        """(n,) open rows that are no blind checks now; whether checks are under way; check items; flags."""
        left = s.rest()
        left[list(s.checks_waiting())] = False
        return left, s.open_attempt is not None, len(s.draws), dict(s.flags)

    left, checking, draws, flags = session.look(waiting)
    if checking or session.recall() is not None:  # their order must not tell what the model thinks of one
        rows = np.flatnonzero(left)[offset : offset + limit].tolist()
    else:
        ordered = (session._rows[item] for item in session.deferred(offset + limit + draws))
        rows = [row for row in ordered if left[row]][offset : offset + limit]
    found = _with_items(session, [{"row": row, "flag": flags.get(row)} for row in rows])
    return {"total": int(np.count_nonzero(left)), "items": found}


@routes.get("/api/v1/review/spot", response_model=dict[str, Any])
def spot(at: Here, limit: Limit = 10) -> dict[str, Any]:
    """Labels of the model to look at, in a random order, and what came out so far."""
    session = at.session

    def read(s: State) -> dict[str, Any]:
        rows, looked, wrong = insight.spot_checks(s)
        shown = [{"row": row, "label": s.classes[s.auto[row][0]], "confidence": s.auto[row][2]} for row in rows[:limit]]
        return {"left": len(rows), "looked": looked, "wrong": wrong, "total": len(s.auto), "items": shown}

    found = session.look(read)
    _note_shown(at, [one["row"] for one in found["items"]])
    return found | {"items": _with_items(session, found["items"])}


class Decision(BaseModel):
    """A label that stands whatever others said."""

    item: Name
    label: Name | None = Field(default=None, description="One of the classes; without any label a decision falls.")
    labels: list[Name] | None = Field(default=None, max_length=1000, description="Instead: the set of labels.")


@routes.post("/api/v1/review/decide", response_model=dict[str, Any])
def decide(at: Here, body: Decision) -> dict[str, Any]:
    """Decide on the label of an item: over the answers of others, or the first answer where there is none."""
    session, row = at.session, at.session._row(body.item)
    label = body.label if body.labels is None else body.labels
    if label is None or session.look(lambda s: s.label_of(row)) is not None:
        session.adjudicate(body.item, label, annotator=at.who.name)
        return {"number": None, "item": body.item}
    return {"number": session.tell_many([body.item], label, annotator=at.who.name), "item": body.item}


# ── data ────────────────────────────────────────────────────────────────────────────────────


class Chosen(BaseModel):
    """Which items; empty = all."""

    text: Annotated[Text, Field(max_length=500, description="Contained in the item or its id, whatever the case.")] = ""
    source: Literal["", "human", "given", "model", "unsure", "skip", "open"] = ""
    label: Annotated[Text, Field(max_length=500)] = ""
    annotator: Annotated[Text, Field(max_length=500)] = ""
    flagged: bool = False


def _matching(session: Session, chosen: Chosen) -> Array:
    """Rows that match, ascending."""
    where = insight.Where(**chosen.model_dump(include=set(Chosen.model_fields)))
    rows = np.flatnonzero(session.look(lambda s: insight.find(s, where)))
    return insight.containing(session.pool, rows, chosen.text, wire.shown)


class Table(Chosen):
    """A page of the table of items."""

    sort: Literal["row", "label", "source", "annotator", "seconds", "at"] = "row"
    down: bool = False
    offset: Annotated[int, Field(ge=0, le=2**31)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    column: Annotated[list[Name], Field(max_length=50, description="Of the data, to see with each item; repeat.")] = []


@routes.get("/api/v1/items", response_model=dict[str, Any])
def items(at: Here, query: Annotated[Table, Given()]) -> dict[str, Any]:
    """Items with their labels: filtered, sorted, one page. The guesses on open items are not shown."""
    session = at.session
    rows = _matching(session, query)

    def read(s: State) -> list[dict[str, Any]]:
        page = insight.ordered(s, rows, query.sort, down=query.down)[query.offset : query.offset + query.limit]
        return [_entry(s, row) for row in page.tolist()]

    people = [one.name for one in session.annotators()]
    known = session.pool.names()
    if strange := [name for name in query.column if name not in known]:
        raise unknown("column", strange[0], known)
    entries = session.look(read)
    listed = query.label or query.sort == "label"  # then place and number tell the labels of rows on other pages
    _note_shown(at, rows.tolist() if listed else [one["row"] for one in entries])
    found = [entry | {"cells": _cells(session, entry["row"], query.column)} for entry in entries]
    shown = session.pool.address.get("show") or []
    return {
        "total": len(rows), "people": people, "columns": known, "shown": shown, "items": _with_items(session, found),
    }  # fmt: skip


def _note_shown(at: Place, rows: list[int]) -> None:
    """Labels by the model are on a page: should they be taken back, this person is not blind to them."""
    ids = at.session.pool.ids
    by_model = at.session.look(lambda s: [ids[row] for row in rows if s.auto_mask[row]])
    at.session.show_guesses(by_model, annotator=at.who.name)


def _cells(session: Session, row: int, columns: Sequence[str]) -> list[str]:
    """What columns of the data hold for an item, as text: of exact duplicates the first row."""
    pool = session.pool
    record = {} if pool.record is None or not columns else pool.record[pool.sources[row][0]]
    cells = [written(record.get(name)) for name in columns]
    return [cell if len(cell) <= SHOWN else cell[:SHOWN] + " …" for cell in cells]


def _entry(s: State, row: int) -> dict[str, Any]:
    answer = s.answers.get(row)
    by_people = answer is not None and answer.kind != "given"
    return {
        "row": row,
        "label": insight.label(s, row),
        "source": insight.source(s, row),
        "annotator": answer.annotator if answer is not None and by_people else "",
        "people": sum(a.kind == "label" for a in s.votes.get(row, {}).values()),
        "decided": row in s.rulings,
        "seconds": answer.seconds if answer is not None else None,
        "at": answer.at if answer is not None and by_people else None,
        "flag": s.flags.get(row),
    }


@routes.get("/api/v1/item", response_model=dict[str, Any])
def item(at: Here, item: Name) -> dict[str, Any]:
    """One item with all that people did to it, oldest first."""
    session, row = at.session, at.session._row(item)

    def read(s: State) -> dict[str, Any]:
        told = [
            dict(zip(("seq", "at", "kind", "annotator", "what"), one, strict=True)) for one in insight.history(s, row)
        ]
        return _entry(s, row) | {"history": told}

    _note_shown(at, [row])
    pool = session.pool
    columns = {} if pool.record is None else {k: written(v) for k, v in pool.record[pool.sources[row][0]].items()}
    return _shown(session, row) | {"text": wire.shown(pool.contents[row]), "columns": columns, **session.look(read)}


class Bulk(BaseModel):
    """One label for many items: those named, or those that match."""

    label: Name | None = None
    labels: list[Name] | None = Field(default=None, max_length=1000, description="Instead: the set of labels.")
    items: list[Name] = Field(default_factory=list, max_length=5_000)
    where: Chosen | None = Field(default=None, description="Instead of `items`: all that match.")
    count: int | None = Field(default=None, ge=0, le=2**31, description="How many match; refused where it has changed.")


@routes.post("/api/v1/items/label", response_model=dict[str, Any])
def label_many(at: Here, body: Bulk) -> dict[str, Any]:
    """Label many items at once; `number` takes all of it back."""
    session, chosen, label = at.session, body.items, body.label if body.labels is None else body.labels
    if label is None:
        raise BadInput("Which label? Send one of: " + ", ".join(session.classes) + ".")
    if body.where is not None:
        chosen = [session.pool.ids[row] for row in _matching(session, body.where).tolist()]
        if body.count is not None and len(chosen) != body.count:
            raise BadInput(f"Meanwhile {len(chosen):,} items match, no longer {body.count:,}. Look again.")
    number = session.tell_many(chosen, label, annotator=at.who.name)
    return {"number": number, "count": len(set(chosen))}


class Number(BaseModel):
    """The number of a bulk labeling."""

    number: int = Field(ge=0, le=2**53)


@routes.post("/api/v1/items/undo", response_model=dict[str, int])
def undo_many(at: Here, body: Number) -> dict[str, int]:
    """Take a bulk labeling back as one."""
    return {"count": at.session.untell(body.number)}


class OneItem(BaseModel):
    """An item."""

    item: Name


@routes.post("/api/v1/items/unflag", response_model=dict[str, str])
def unflag(at: Here, body: OneItem) -> dict[str, str]:
    """Take the flag off an item."""
    at.session.unflag(body.item, annotator=at.who.name)
    return {"item": body.item}


# ── models ──────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/models", response_model=dict[str, Any])
def models(at: Here, offset: Offset = 0, limit: Limit = 50) -> dict[str, Any]:
    """Every version of the model, the newest first: labels, accuracy, how many guesses changed, time."""
    session = at.session

    def read(s: State) -> dict[str, Any]:
        first = (s.ranking.round if s.ranking else 0) - len(s.points) + 1
        seqs = sorted(seq for trail in s.trail.values() for seq, _ in trail)
        versions = [
            {"version": first + i, "since": len(seqs) - bisect.bisect_right(seqs, learned), "learner": in_charge(one)}
            | dataclasses.asdict(point)
            for i, (point, learned, one) in enumerate(zip(s.points, s.learned, s.standings, strict=True))
        ]
        handed = [
            {"attempt": a.number, "version": a.round, "outcome": a.outcome, "taken_back": a.taken_back}
            for a in s.attempts
        ]
        return {"total": len(versions), "versions": versions[::-1][offset : offset + limit], "attempts": handed}

    keys = ("strategy", "encoder", "learner", "seed", "version")
    return session.look(read) | {
        "items": len(session.pool),
        "people": [one.name for one in session.annotators()],
        "settings": {key: session.settings[key] for key in keys},
        "training": session.training,
    }


class Rewind(BaseModel):
    """Back to what a version knew."""

    version: int = Field(ge=0, le=2**31)
    annotator: Annotated[Text, Field(max_length=500, description="Only their answers; empty = everybody's.")] = ""


@routes.post("/api/v1/models/rewind", response_model=dict[str, int])
def rewind(at: Here, body: Rewind) -> dict[str, int]:
    """Take back every answer given since a version of the model; `number` undoes it."""
    at.project.desk.drop()
    return {"number": at.session.rewind(body.version, annotator=body.annotator or None)}


@routes.post("/api/v1/models/replay", response_model=dict[str, int])
def replay(at: Here, body: Number) -> dict[str, int]:
    """Give the answers that a rewind took back once more."""
    return {"count": at.session.replay(body.number)}


# ── finish ──────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/finish", response_model=dict[str, Any])
def finish(at: Here) -> dict[str, Any]:
    """Where handing over stands: attempts, certificates, what is left."""
    session = at.session
    recall = session.recall()
    certificates = [
        plain(one) | {"sentence": one.sentence, "short": one.short_fingerprint, "unsaid": one.unsaid}
        for one in session.certificates()
    ]

    def read(s: State) -> list[dict[str, Any]]:
        return [
            {
                "number": a.number, "label": a.label, "max_error": a.max_error, "target": a.target,
                "region": len(a.order), "outcome": a.outcome, "reason": a.reason, "taken_back": a.taken_back,
                **dict(zip(("checks", "wrong"), evidence.progress(s, a), strict=True)),
            }
            for a in s.attempts
        ]  # fmt: skip

    return {
        "pulse": wire.pulse(session),
        "certificates": certificates,
        "attempts": session.look(read),
        "recall": None if recall is None else plain(recall),
        "max_error": session.settings["max_error"],
        "confidence": session.settings["confidence"],
        "shares": list(insight.SHARES),
        "target": _target(session),
        "workbooks": importlib.util.find_spec("openpyxl") is not None,
        "docbins": importlib.util.find_spec("spacy") is not None,
    }


class Limits(BaseModel):
    """What the blind checks shall prove."""

    max_error: float | None = Field(default=None, gt=0, lt=1, description="Largest share of wrong labels, of all.")
    classes: dict[Name, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=dict, max_length=1000, description="Instead: largest share for each class to be handed over."
    )
    target: Target | None = Field(
        default=None,
        description="Share of what: of the labels given by the model (auto), of the region that is checked (dataset), "
        "of the whole file (file); default: the session's. Shares for each class are always of the model's labels.",
    )

    def of(self, session: Session) -> Target:
        """Share of what."""
        return "auto" if self.classes else self.target or _target(session)


def _counts(s: State, rows: list[int]) -> list[int]:
    guesses = np.zeros(0, np.int32) if s.predictions is None else s.predictions[rows]
    found: list[int] = np.bincount(guesses, minlength=len(s.classes)).tolist()
    return found


def _by_label(s: State, guesses: list[int]) -> dict[str, int]:
    found = np.array(guesses, np.int64) @ s.membership()[: len(guesses)]
    return dict(zip(s.labels, found.tolist(), strict=True))


@routes.post("/api/v1/finish/plan", response_model=dict[str, Any])
def plan(at: Here, body: Limits) -> dict[str, Any]:
    """What would be handed over, without starting: how many, of which class, some of them. Nothing is spent."""
    session = at.session
    sure = _sure(session)
    if session.recall() is not None:
        rest = session.counts()["rest"]
        return {"parts": [], "by_class": {}, "sample": [], "size": rest, "rest": rest}
    if sure is None:
        raise BadInput(_no_model(session))
    for name in body.classes:
        if name not in session.classes:
            raise BadInput(f"{name!r} is no class. Choose from {', '.join(session.classes)}.")
    wanted: dict[str | None, float] = {None: body.max_error or session.settings["max_error"]}
    if body.classes and not session.task.closed:
        raise BadInput("Items with several labels are right or wrong as a whole: give one share of errors for all.")
    if body.classes:
        wanted = {name: share for name, share in body.classes.items()}  # noqa: C416 - its keys may be None
    confidence, target = session.settings["confidence"], body.of(session)
    parts: list[dict[str, Any]] = []
    chosen: list[int] = []
    for label, share in wanted.items():
        known = session.look(partial(evidence.planning, sure=sure, label=label))
        offer = insight.offer(known, share, confidence, target, parts=len(wanted))
        region = known.region(share, confidence, target, parts=len(wanted))
        if offer is not None and region is not None:
            parts.append({"label": label, **dataclasses.asdict(offer)})
            rows = known.rows[region.rows].tolist() if offer.size else []
            chosen += rows
            if rows:
                parts[-1]["unsaid"] = session.look(partial(insight.left_unsaid, offer=offer, rows=rows))
    guesses = session.look(lambda s: _counts(s, chosen))
    rng = np.random.default_rng([session.seed, 8])
    # Any of these may become a blind check, so its guess stays hidden: none are shown where all have the same.
    hidden = sum(n > 0 for n in guesses) > 1
    some = sorted(rng.choice(chosen, min(8, len(chosen)), replace=False).tolist()) if hidden else []
    return {
        "parts": parts,
        "by_class": session.look(lambda s: _by_label(s, guesses)),
        "sample": [_shown(session, row) for row in some],
        "size": len(chosen),
        "rest": session.counts()["rest"],
    }


@routes.post("/api/v1/finish/start", response_model=dict[str, Any])
def start(at: Here, body: Limits) -> dict[str, Any]:
    """Freeze what the model is sure about and start the blind checks, or say what is missing."""
    session = at.session
    at.project.desk.drop()  # what a tab holds could not be part of the region
    wanted = None if session.recall() is not None else (body.classes or body.max_error)
    result = session.autolabel(max_error=wanted, target=body.of(session))
    return {"result": wire.autolabels(result), "pulse": wire.pulse(session)}
