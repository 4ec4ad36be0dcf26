"""What is taken back, and given again: pure decisions over the state of a session (`ledger.Decision`)."""

from __future__ import annotations

from typing import Any

from askwise.answers import ANSWERED, about, leased
from askwise.core import Answer, BadInput, Event
from askwise.ledger import Decision
from askwise.state import State


def retracted(s: State, row: int | None, annotator: str) -> Decision[int | None]:
    """An annotator's answer (row None: their last) is undone and its question leased again; its row, None = nothing."""
    trail = s.trail.get(annotator, [])
    hit = next(((seq, r) for seq, r in reversed(trail) if row is None or r == row), None)
    if hit is None:
        return [], None
    seq, found = hit
    ask = s.asks.get(found)
    again: dict[str, Any] = {"row": found, "drawn": False, "strategy": "volunteered"}
    if ask is not None:
        again |= {
            "audit": ask.audit, "check": ask.check, "probability": ask.probability,
            "score": ask.score, "strategy": ask.strategy,
        }  # fmt: skip
    taken = Event("retracted", {"row": found, "of": seq, "annotator": annotator})
    return [taken, leased(s, [again], annotator)], found


def batch_retracted(s: State, number: int) -> Decision[int]:
    """What stands of one bulk labeling is taken back; how many answers.

    Raises:
        BadInput: There is nothing of that number to take back.
    """
    standing = [
        (seq, row, who)
        for seq, row, who in reversed(s.batches.get(number, []))
        if (mine := s.votes.get(row, {}).get(who)) is not None and mine.seq == seq
    ]
    if not standing:
        raise BadInput(f"Bulk labeling {number} does not exist, or was taken back or changed since.")
    taken = [Event("retracted", {"row": row, "of": seq, "annotator": who}) for seq, row, who in standing]
    return taken, len(taken)


def rewound(s: State, version: int, annotator: str | None) -> Decision[int]:
    """Every answer since a version of the model is taken back; the number of the rewind.

    Raises:
        BadInput: No such version, nothing was answered since, or blind checks are under way.
    """
    first = (s.ranking.round if s.ranking else 0) - len(s.points) + 1
    if not first <= version < first + len(s.points):
        raise BadInput(f"There is no version {version} of the model; versions are {first} and later.")
    if s.open_attempt is not None:
        raise BadInput("Blind checks are under way. Finish them, or give them up first.")
    since = s.learned[version - first]
    given = sorted(
        ((seq, row, who) for who, trail in s.trail.items() for seq, row in trail if seq > since), reverse=True
    )
    given = [one for one in given if annotator is None or one[2] == annotator]
    if not given:
        raise BadInput(f"Nothing was answered since version {version}.")
    number = s.seq + 1
    return [
        Event("retracted", {"row": row, "of": seq, "annotator": who, "rewind": number}) for seq, row, who in given
    ], number


def replayed(s: State, number: int) -> Decision[int]:
    """The answers that a rewind took back are given once more; how many.

    Raises:
        BadInput: There is nothing of that number to give again.
    """
    latest: dict[tuple[int, str], tuple[Answer, int]] = {}
    for answer, asked in s.rewound.get(number, []):  # newest first
        latest.setdefault((answer.row, answer.annotator), (answer, asked))
    again: list[Event] = []
    for answer, asked in sorted(latest.values(), key=lambda one: one[0].seq):
        ask = s.asks.get(answer.row)
        mine = s.votes[answer.row].get(answer.annotator)
        if (ask.seq if ask else 0) != asked or (mine is not None and mine.seq > number):
            continue
        data = about(s, answer.row, answer.annotator, answer.seconds)
        if answer.label:
            data |= {"label": answer.label}
            labeled = [e.data for e in again if e.kind == "told"]
            before = [d["annotator"] for d in labeled if d["row"] == answer.row]
            data |= {"late": True} if s.is_late(answer.row, answer.annotator, before) else {}
        again.append(Event(ANSWERED[answer.kind], data))
    if not again:
        raise BadInput(f"There is nothing of the rewind {number} to give again.")
    return again, len(again)
