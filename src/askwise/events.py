"""What each kind of event holds: a log that somebody or something has altered is told in one sentence.

The log is JSON that anybody can edit, and everything a session says is read from it. So that a change of one value does
not end somewhere else as an error of Python, each event is looked at once, before the fold takes it in. Keys that are
not named here may come in newer or older versions and are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from askwise.audit import EDGES
from askwise.core import PROMISES, TARGETS, BadStore, Control, CurvePoint, Event, one_of
from askwise.state.records import BY_CONFIDENCE

MOST_ITEMS = 50_000_000
"""More items than any session has: what says more is no number of items."""
LATEST = 32_503_680_000.0
"""Seconds to the year 3000: beyond, calendars give up."""
SHOWN = 60
"""Characters of a wrong value that are shown."""

Test = Callable[[Any, int], bool]
"""(value, items of the session) -> whether it may be so."""


@dataclass(frozen=True)
class Field:
    """One key of an event."""

    what: str
    """In words, after "must be"."""
    test: Test
    needed: bool = True


def _int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _row(value: Any, n: int) -> bool:
    return _int(value) and 0 <= value < n


def _rows(value: Any, n: int) -> bool:
    return isinstance(value, list | tuple) and all(_row(row, n) for row in value)


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_text, value))


def _labels_by_row(value: Any, n: int) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(row, str) and row.isascii() and row.isdigit() and len(row) < 12 and int(row) < n and _text(label)
        for row, label in value.items()
    )


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _inner(value: Any) -> bool:
    return _number(value) and 0 < value < 1


def _time(value: Any) -> bool:
    return _number(value) and 0 <= value < LATEST


def _optional(test: Test) -> Test:
    return lambda value, n: value is None or test(value, n)


def _of(test: Callable[[Any], bool]) -> Test:
    return lambda value, _: test(value)


ROW = Field("a row of the session", _row)
PARTS = {"learner", "encoder", "strategy"}
WHO = Field("a name", _of(_text))
MAYBE_WHO = Field("a name", _of(_text), needed=False)
COUNT = Field("a number, 0 or more", lambda v, _: _int(v) and v >= 0)
ATTEMPT = Field("the number of an attempt", lambda v, _: _int(v) and v >= 1)
PLACE = Field("the number of an event", lambda v, _: _int(v) and v >= 0, needed=False)


ROWS = Field("rows of the session", _rows)
LABEL = Field("a label", lambda v, _: _text(v) and bool(v))
TEXT = Field("a text", _of(_text))
LATER = Field("the version of the format", lambda v, _: _int(v) and v >= 4)


def _left(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(seq, str) and seq.isascii() and seq.isdigit() and len(seq) < 12 and _text(own) and len(own) == 64
        for seq, own in value.items()
    )


def _optional_field(what: str, test: Test) -> Field:
    return Field(what, test, needed=False)


SECONDS = _optional_field("seconds", _optional(lambda v, _: _number(v) and v >= 0))


LATE = _optional_field("true or false", _of(lambda v: isinstance(v, bool)))


SALT = _optional_field("a salt", _of(_text))


def _problem(value: Any) -> bool:
    numbers = (None, int)
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(any(one is None if kind is None else _int(one) for kind in numbers) for one in value[:2])
        and _text(value[2])
    )


def _pairs(value: Any, n: int) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and _row(pair[0], n) and _number(pair[1]) for pair in value
    )


def _bins(value: Any, n: int) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, list | tuple)
        and len(one) == 2
        and all(map(_int, one))
        and 0 <= one[0] <= len(EDGES)
        and 0 < one[1] <= n
        for one in value
    )


def _held(value: Any, n: int) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, list | tuple)
        and len(one) == 3
        and _row(one[0], n)
        and _int(one[1])
        and one[1] >= 0
        and _share(one[2])
        for one in value
    )


def _goal(value: Any, n: int) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) <= {"recall", "relevant", "irrelevant", "first"}
        and _inner(value.get("recall"))
        and _text(value.get("relevant"))
        and _text(value.get("irrelevant"))
        and value.get("relevant") != value.get("irrelevant")
        and _rows(value.get("first"), n)
    )


def _asked_items(value: Any, n: int) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(q, Mapping)
        and _row(q.get("row"), n)
        and all(isinstance(q.get(key, True), bool) for key in ("audit", "check", "drawn", "decoy"))
        and all(q.get(key) is None or _number(q[key]) for key in ("probability", "score", "confidence"))
        and (q.get("probability") is None or 0 < q["probability"] <= 1)
        and _text(q.get("strategy", ""))
        for q in value
    )


def _record(kind: type, *known: str) -> Callable[[Any], bool]:
    """Whether a mapping holds the numbers of a record of ours; what it does not name has a default there."""
    names = {f.name for f in fields(kind)}
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}

    def test(value: Any) -> bool:
        if not isinstance(value, Mapping) or not needed <= set(value) <= names:
            return False
        return (
            all(one is None or _number(one) for one in value.values())
            and all(value[key] is not None for key in known)
            and ("at" not in value or _time(value["at"]))
        )

    return test


_curve_point = _record(CurvePoint, "labels", "low", "high", "audits", "at", "seconds")


def _point(value: Any) -> bool:
    shares = ("low", "high")
    counts = ("labels", "audits", "seconds")
    return (
        _curve_point(value)
        and all(_share(value[key]) for key in shares)
        and all(_number(value[key]) and value[key] >= 0 for key in counts)
        and (value["accuracy"] is None or _share(value["accuracy"]))
        and (value.get("doubt") is None or None not in (value.get("doubt_most"), value.get("rest")))
        and (value.get("changed") is None) == (value.get("kappa") is None)
    )


def _cost(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) in (3, 4) and all(map(_number, value))


def _standing(value: Any) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"weights", "since", "right", "base"}:
        return False
    weights = value["weights"]
    shares = isinstance(weights, Mapping) and bool(weights) and all(map(_text, weights)) and _shares(weights)
    tested = all(value[name] is None or _share(value[name]) for name in ("right", "base"))
    return shares and tested and _int(value["since"]) and value["since"] >= 0


def _shares(value: Mapping[str, Any]) -> bool:
    return all(map(_share, value.values()))


def _task(value: Any) -> bool:
    options = value.get("options", {}) if isinstance(value, Mapping) else None
    return (
        isinstance(options, Mapping)
        and set(value) <= {"name", "options"}
        and _text(value.get("name"))
        and all(one is None or isinstance(one, str | int | float | bool | list) for one in options.values())
    )


def _needed(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_int(m) and m >= 0 for m in value)


FIELDS: dict[str, dict[str, Field]] = {
    "opened": {
        "format": Field("the version of the format", lambda v, _: _int(v) and v >= 1),
        "version": Field("the version of Askwise", _of(_text)),
        "title": Field("a text", _of(_text)),
        "guidelines": _optional_field("a text", _optional(_of(_text))),
        "seed": Field("a whole number, 0 or more", lambda v, _: _int(v) and v >= 0),
        "strategy": Field("the name of a strategy", _of(_text)),
        "audit_share": Field("a share, 0 to 1", _of(_share)),
        "overlap": _optional_field("a share, 0 to 1", _of(_share)),
        "people_per_item": _optional_field("a number, 1 or more", lambda v, _: _int(v) and v >= 1),
        "target": _optional_field(one_of(TARGETS), lambda v, _: v in TARGETS),
        "max_error": Field("a share between 0 and 1", _of(_inner)),
        "confidence": Field("a share between 0 and 1", _of(_inner)),
        "classes": Field("a list of different labels", lambda v, _: _texts(v) and len(set(v)) == len(v)),
        "estimate": _optional_field(one_of((BY_CONFIDENCE,)), lambda v, _: v == BY_CONFIDENCE),
        "multilabel": _optional_field("true or false", _of(lambda v: isinstance(v, bool))),
        "task": _optional_field("a task: its name and its options", _of(_task)),
        "declared": Field("true or false", _of(lambda v: isinstance(v, bool))),
        "pool": Field("where the items came from", _of(lambda v: isinstance(v, Mapping))),
        "problems": Field(
            "a list of [row, line, text]", _of(lambda v: isinstance(v, list | tuple) and all(map(_problem, v)))
        ),
        "given": Field("labels by row", _labels_by_row),
        "kind": Field("the kind of the items", _of(_text)),
        "fingerprint": Field("a fingerprint", _of(_text)),
        "notes": Field("a list of texts", _of(_texts)),
        "n": Field(f"a number of items, 1 to {MOST_ITEMS:,}", lambda v, _: _int(v) and 1 <= v <= MOST_ITEMS),
        "rows": Field("a number of rows", lambda v, _: _int(v) and v >= 1),
        "guesses": _optional_field("what was guessed of the items", _of(lambda v: isinstance(v, dict))),
        "examples": _optional_field(
            "a list of [label, text]",
            _of(lambda v: isinstance(v, list | tuple) and all(_texts(one) and len(one) == 2 for one in v)),
        ),
        "encoder": Field("the name of an encoder", _of(_text)),
        "encoder_source": Field("the name of an encoder", _optional(_of(_text))),
        "learner": Field("the name of a learner", _of(_text)),
        "late": LATE,
        "own_learner": Field("true or false", _of(lambda v: isinstance(v, bool))),
        "sources": _optional_field(
            "names of parts", _of(lambda v: isinstance(v, Mapping) and set(v) <= PARTS and _texts(list(v.values())))
        ),
        "goal": _optional_field("what is searched for", _optional(_goal)),
        "salt": SALT,
    },
    "items": {
        "start": _optional_field("a number, 0 or more", lambda v, _: _int(v) and v >= 0),
        "packed": Field("packed items", _of(_text)),
        "salt": SALT,
        "columns": _optional_field("a list of names", _of(_texts)),
        "dropped": _optional_field("packed rows", _of(_text)),
    },
    "added": {
        "format": LATER,
        "annotator": WHO,
        "start": COUNT,
        "n": Field(f"a number of items, 1 to {MOST_ITEMS:,}", lambda v, _: _int(v) and 1 <= v <= MOST_ITEMS),
        "rows": Field("a number of rows", lambda v, _: _int(v) and v >= 1),
        "packed": Field("packed items", _of(_text)),
        "salt": SALT,
        "fingerprint": Field("a fingerprint", _of(_text)),
        "pool": Field("where the items came from", _of(lambda v: isinstance(v, Mapping))),
        "given": Field("labels by row", lambda v, _: _labels_by_row(v, MOST_ITEMS)),
        "problems": Field(
            "a list of [row, line, text]", _of(lambda v: isinstance(v, list | tuple) and all(map(_problem, v)))
        ),
        "columns": _optional_field("a list of names", _of(_texts)),
        "dropped": _optional_field("packed rows", _of(_text)),
    },
    "withdrawn": {
        "format": LATER,
        "annotator": WHO,
        "rows": ROWS,
        "ids": Field("a list of new names", _of(_texts)),
        "lines": COUNT,
        "reason": TEXT,
        "amended": Field("what is left of events, by number", _of(_left)),
        "salted": Field("true or false", _of(lambda v: isinstance(v, bool))),
        "unsealed": COUNT,
    },
    "class_added": {"name": LABEL, "undoes": PLACE},
    "class_renamed": {"format": LATER, "annotator": WHO, "name": LABEL, "to": LABEL, "undoes": PLACE},
    "class_merged": {"format": LATER, "annotator": WHO, "name": LABEL, "into": LABEL, "undoes": PLACE},
    "class_split": {"format": LATER, "annotator": WHO, "name": LABEL, "undoes": PLACE},
    "class_removed": {"format": LATER, "annotator": WHO, "name": LABEL, "undoes": PLACE},
    "class_described": {"format": LATER, "annotator": WHO, "name": LABEL, "text": TEXT, "undoes": PLACE},
    "reordered": {"format": LATER, "annotator": WHO, "labels": Field("a list of labels", _of(_texts)), "undoes": PLACE},
    "retitled": {"format": LATER, "annotator": WHO, "text": TEXT, "undoes": PLACE},
    "guidelines": {"format": LATER, "annotator": WHO, "text": TEXT, "undoes": PLACE},
    "asked": {
        "annotator": WHO,
        "round": COUNT,
        "until": Field("a time", _of(_time)),
        "items": Field("a list of questions about rows of the session", _asked_items),
    },
    "released": {"rows": Field("rows of the session", _rows)},
    "told": {
        "row": ROW,
        "annotator": WHO,
        "label": Field("a label", _of(_text)),
        "seconds": SECONDS,
        "batch": PLACE,
        "late": LATE,
    },
    "skipped": {"row": ROW, "annotator": WHO, "seconds": SECONDS, "late": LATE},
    "unsure": {"row": ROW, "annotator": WHO, "seconds": SECONDS, "late": LATE},
    "consensus": {"labels": Field("labels by row", _labels_by_row)},
    "flagged": {"row": ROW, "note": _optional_field("a text", _of(_text)), "annotator": MAYBE_WHO},
    "unflagged": {"row": ROW, "annotator": MAYBE_WHO},
    "adjudicated": {"row": ROW, "label": Field("a label or null", _optional(_of(_text))), "annotator": WHO},
    "retracted": {
        "row": ROW,
        "of": Field("the number of an event", lambda v, _: _int(v) and v >= 0),
        "annotator": WHO,
        "rewind": PLACE,
    },
    "ranked": {
        "round": COUNT,
        "trained_on": COUNT,
        "queue": Field("rows of the session", _rows),
        "scores": Field("a list of numbers", _of(lambda v: isinstance(v, list | tuple) and all(map(_number, v)))),
        "parts": Field("a list of names", _of(_texts)),
        "planned": COUNT,
        "known": _optional_field("a number of items", lambda v, n: _int(v) and 0 <= v <= n),
        "strategy": Field("the name of a strategy", _of(_text)),
        "predictions": _optional_field("packed guesses", _optional(_of(_text))),
        "sets": _optional_field("a list of sets of labels", _of(_texts)),
        "again": _optional_field("rows with scores", _pairs),
        "quality": _optional_field("a share by name", _of(lambda v: isinstance(v, Mapping) and _shares(v))),
        "point": _optional_field("the numbers of the round", _of(_point)),
        "control": _optional_field(
            "a comparison with random sampling", _optional(_of(_record(Control, "labels", "checks")))
        ),
        "cost": _optional_field("three or four numbers", _optional(_of(_cost))),
        "sure": _optional_field("counts of confidences by bin", _bins),
        "held": _optional_field("rows with a class number and a confidence", _held),
        "learner": _optional_field("weights of the parts of a learner, and since when", _of(_standing)),
    },
    "frozen": {
        "attempt": ATTEMPT,
        "group": _optional_field("the number of an attempt", lambda v, _: _int(v) and v >= 1),
        "label": _optional_field("a label or null", _optional(_of(_text))),
        "alpha": Field("a share between 0 and 1", _of(_inner)),
        "max_error": Field("a share between 0 and 1", _of(_inner)),
        "confidence": Field("a share between 0 and 1", _of(_inner)),
        "target": Field(one_of(tuple(PROMISES)), lambda v, _: v in tuple(PROMISES)),
        "round": COUNT,
        "order": Field("a packed order", _of(_text)),
        "confidences": Field("packed confidences", _of(_text)),
        "needed": Field("a list of numbers of checks", _of(_needed)),
        "risk": Field("a share, 0 to 1", _of(_share)),
        "expected_error": Field("a share, 0 to 1", _of(_share)),
        "allowed": _optional_field("a number, 0 or more", lambda v, _: _int(v) and v >= 0),
        "found": _optional_field("a number, 0 or more", lambda v, _: _int(v) and v >= 0),
        "format": _optional_field("the version of the format", LATER.test),
        "levels": _optional_field("packed levels of weights", _of(_text)),
        "share": _optional_field("a share of 0 or more, below 1", _of(lambda v: _share(v) and v < 1)),
    },
    "closed": {
        "attempt": ATTEMPT,
        "outcome": Field("certified, refused or cancelled", lambda v, _: v in ("certified", "refused", "cancelled")),
        "checks": COUNT,
        "wrong": COUNT,
        "reason": Field("a text", _of(_text)),
    },
    "autolabeled": {"attempt": ATTEMPT},
    "taken_back": {"attempt": ATTEMPT},
    "resumed": {"attempt": ATTEMPT, "format": LATER},
    "shown": {
        "annotator": WHO,
        "rows": Field('rows of the session, or "rest"', lambda v, n: v == "rest" or _rows(v, n)),
    },
    "stopped": {},
    "exported": {"file": _optional_field("a name", _of(_text)), "rows": _optional_field("a number", _of(_int))},
}
"""Kind → key → what it must be."""


def check(event: Event, n: int) -> None:
    """Look at one event before it is taken in; a kind that is not known here is not looked at.

    Args:
        event: From a store.
        n: Items of the session; of no meaning for `opened`.

    Raises:
        BadStore: a key is missing or holds what it cannot; names event, kind and key.
    """
    data = event.data
    if not isinstance(data, Mapping):
        raise damaged(event, f"its data must be an object, got {_short(data)}")
    if not _time(event.at):
        raise damaged(event, f"its time must be seconds since 1970, got {_short(event.at)}")
    if event.kind == "opened":
        n = data["n"] if _int(data.get("n")) else 0
    for key, field in FIELDS.get(event.kind, {}).items():
        if key not in data:
            if field.needed:
                raise damaged(event, f"{key!r} is missing")
        elif not field.test(data[key], n):
            raise damaged(event, f"{key!r} must be {field.what}, got {_short(data[key])}")


class Damaged(BadStore):
    """An event that cannot be."""

    def __init__(self, event: Event, what: str) -> None:
        self.what = what
        super().__init__(
            f"This session is damaged: event {event.seq} ({str(event.kind)[:SHOWN]}) cannot be read: {what}. "
            "`askwise verify` says what else is wrong; go on with a copy from before."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return BadStore, (str(self),)


def damaged(event: Event, what: str) -> Damaged:
    """The error for an event that cannot be."""
    return Damaged(event, what)


def _short(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        said = repr(value)
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        said = type(value).__name__
    return said if len(said) <= SHOWN else said[: SHOWN - 1] + "…"
