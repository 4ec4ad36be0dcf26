"""What a withdrawal does to the state: its items are asked, taught and handed over no more; the evidence stays.

Rows keep their numbers, so that earlier events still point right. Of what was proved nothing gets better by it: a
random check item counts from then on as one that is not answered, which is the worst in either direction; a blind check
of an attempt under way counts as wrong. A certificate that was given keeps the outcomes of its checks, which were known
when it was given.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from askwise.core import BadInput, Event

if TYPE_CHECKING:
    from askwise.state.state import State


def on_withdrawn(s: State, e: Event) -> None:
    """Take a `withdrawn` event in."""
    rows = [int(row) for row in e.data["rows"]]
    if not rows or len(set(rows)) < len(rows) or len(e.data["ids"]) != len(rows):
        raise ValueError("it names no rows, some twice, or not a new id for each")
    if again := s.withdrawn.keys() & set(rows):
        raise ValueError(f"row {min(again)} was withdrawn before")
    _keep_outcomes(s, rows)
    for row in rows:
        s.withdrawn[row] = s.answers.get(row)
    gone = set(rows)
    for row in rows:
        _forget(s, row)
    s.trail = {who: [one for one in told if one[1] not in gone] for who, told in s.trail.items()}
    s.batches = {number: [one for one in told if one[1] not in gone] for number, told in s.batches.items()}
    s.rewound = {number: [one for one in told if one[0].row not in gone] for number, told in s.rewound.items()}
    s.rows -= int(e.data["lines"])
    s.last_answer = e.seq


def _keep_outcomes(s: State, rows: Collection[int]) -> None:
    """What the checks of a certificate came to stays known: it was when it was given."""
    for attempt in s.attempts:
        if attempt.outcome != "certified":
            continue
        guesses = s.guesses_of(attempt)
        checked = [row for row in rows if attempt.position.get(row, len(attempt.order)) < attempt.checks]
        now = {row: None if s.seen(row) else s.wrong(row, int(guesses[row]), attempt) for row in checked}
        attempt.kept = attempt.kept | now


def _forget(s: State, row: int) -> None:
    for names in (s.given, s.rulings, s.flags, s.skips, s.leases, s.auto):
        names.pop(row, None)
    for annotator in list(s.votes.get(row, ())):
        s._vote(row, annotator, None)
    s.votes.pop(row, None)
    s._settle(row)
    s.late.discard(row)
    s.doubted.discard(row)
    if row in s.story:  # what was answered stays; notes are free text, perhaps of the item's
        s.story[row] = [
            (seq, at, kind, who, "" if kind == "flagged" else what) for seq, at, kind, who, what in s.story[row]
        ]


def refuse(s: State, events: Sequence[Event]) -> None:
    """See that nothing is said of an item that is no more.

    Raises:
        BadInput: An event is about an item that was withdrawn.
    """
    if s.withdrawn and any(event.data.get("row") in s.withdrawn for event in events):
        raise BadInput("This item was withdrawn meanwhile: it is asked and answered no more. Go on with the next.")
