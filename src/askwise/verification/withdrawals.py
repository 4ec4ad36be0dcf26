"""What was withdrawn, looked at: what is left of the events that held it, and what the log cannot tell any more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from askwise.core import Event
from askwise.store.chain import amended, of_data
from askwise.verification.findings import Finding

if TYPE_CHECKING:
    from askwise.verification.walk import Look, Walk

MAY_LOSE = ("opened", "items", "added", "flagged")
"""Kinds of events that hold what an item holds, or say what is in it: out of these it may be withdrawn."""


def rows_gone(log: Sequence[Event]) -> set[int]:
    """Rows that are withdrawn in the end: of these nothing is there from the beginning."""
    said = [event.data for event in log if event.kind == "withdrawn" and isinstance(event.data, Mapping)]
    return {row for data in said for row in data.get("rows", ()) if type(row) is int}


def is_left(w: Walk, event: Event, own: str) -> bool:
    """Whether an event out of which something was withdrawn is as it was left then.

    Args:
        w: Notes it where it is not.
        event: Of the log.
        own: `of_data` of what was left of it.
    """
    may = event.kind in MAY_LOSE and isinstance(event.data, Mapping)
    if not w.expect("chain", may, event, "says nothing of items, and content was withdrawn from it."):
        return False
    said = "is not as the last withdrawal left it: it was altered, or what was withdrawn was put back."
    return w.expect("chain", of_data(event.data) == own, event, said)


def remarks(log: Sequence[Event]) -> Iterator[Finding]:
    """What was withdrawn, when, by whom; and of what nothing can be said any more."""
    said = [event for event in log if event.kind == "withdrawn"]
    if not said:
        return
    for e in said:
        many, unsealed = len(e.data["rows"]), int(e.data["unsealed"])
        when = time.strftime("%Y-%m-%d", time.gmtime(e.at))
        why = f" ({e.data['reason']})" if e.data["reason"] else ""
        sentence = (
            f"{many:,} item{'s were' if many > 1 else ' was'} withdrawn on {when} by {e.data['annotator']!r}{why}"
        )
        sentence += "; nothing of what was in them is left."
        if unsealed:
            sentence += f" {unsealed:,} events, from before digests existed, got theirs only then."
        yield Finding("withdrawn", True, sentence, e.seq)
    touched = len(amended(log))
    yield Finding(
        "withdrawn", None,
        f"Of {touched:,} event{'s' if touched > 1 else ''}, which held what was withdrawn, the digest is taken as it "
        "stands: whether what is left there is what stood there before, only a copy from before could tell. It is as "
        "the withdrawal left it, and all other events are recomputed.",
    )  # fmt: skip
    if not all(e.data["salted"] for e in said):
        yield Finding(
            "withdrawn", None,
            "This log was begun by an earlier version: whoever guesses exactly what was withdrawn, and knows all that "
            "stood around it, could confirm the guess by the digests.",
        )  # fmt: skip


def _withdrawn(w: Walk, e: Event) -> None:
    """What goes is there, and only earlier events are said to have lost something."""
    rows = e.data["rows"]
    w.rows(rows)
    w.expect("withdrawn", len(rows) < w.state.there, e, "withdraws all items there are.")
    seqs = [int(seq) for seq in e.data["amended"]]
    w.expect("withdrawn", all(1 <= seq < e.seq for seq in seqs), e, "says of later events what is left of them.")
    w.done["withdrawn"] += len(rows)


LOOKS: dict[str, Look] = {"withdrawn": _withdrawn}
"""What is looked at in each kind of event."""
