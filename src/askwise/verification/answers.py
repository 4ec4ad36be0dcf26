"""Answers and what became of them, looked at: they refer to what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askwise.core import Event
from askwise.verification.items import is_class

if TYPE_CHECKING:
    from askwise.verification.walk import Look, Walk


def _answer(w: Walk, e: Event) -> None:
    row, s = e.data["row"], w.state
    w.rows([row])
    ask = s.asks.get(row)
    refers = e.data["asked"] == (ask.seq if ask else None)
    w.expect("events", refers, e, f"answers question {e.data['asked']}, but {ask.seq if ask else None} was asked last.")
    if e.kind == "told":
        w.expect("events", is_class(s, e.data["label"]), e, f"the label {e.data['label']!r} is no class.")
        late, due = e.data.get("late", False), "batch" not in e.data and s.is_late(row, e.data["annotator"])
        unsaid = due and not late and not s.opened.get("late")  # written before such answers were told apart
        w.expect("events", late is due or unsaid, e, f"{'is' if due else 'is not'} late, but says {late!r}.")
    else:
        w.expect("events", e.data.get("label") is None, e, f"holds a label, {e.data.get('label')!r}.")


def _shown(w: Walk, e: Event) -> None:
    w.rows([] if e.data["rows"] == "rest" else e.data["rows"])
    w.expect("events", isinstance(e.data["annotator"], str), e, "does not say to whom guesses were shown.")


def _retracted(w: Walk, e: Event) -> None:
    row, of = e.data["row"], e.data["of"]
    w.rows([row])
    known = (of, row) in w.state.trail.get(e.data["annotator"], [])
    w.expect("events", known, e, f"takes back event {of}, which is no standing answer of {e.data['annotator']!r}.")


def _unflagged(w: Walk, e: Event) -> None:
    w.rows([e.data["row"]])
    w.expect("events", e.data["row"] in w.state.flags, e, f"takes a flag off row {e.data['row']}, which has none.")


def _adjudicated(w: Walk, e: Event) -> None:
    row, label, s = e.data["row"], e.data["label"], w.state
    w.rows([row])
    labeled = s.label_of(row) is not None
    w.expect("events", labeled, e, f"decides on row {row}, which nobody has labeled.")
    known = row in s.rulings if label is None else is_class(s, label)
    w.expect("events", known, e, f"takes back what was not decided, or decides on {label!r}, which is no class.")


def _flagged(w: Walk, e: Event) -> None:
    w.rows([e.data["row"]])


LOOKS: dict[str, Look] = {
    "told": _answer,
    "skipped": _answer,
    "unsure": _answer,
    "flagged": _flagged,
    "unflagged": _unflagged,
    "adjudicated": _adjudicated,
    "retracted": _retracted,
    "shown": _shown,
}
"""What is looked at in each kind of event."""
