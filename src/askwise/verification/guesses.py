"""Rankings, looked at: their guesses, and the estimates and the consensus computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from askwise import evidence, growing, people
from askwise.core import BadStore, Event
from askwise.state import unpack
from askwise.verification.findings import same

if TYPE_CHECKING:
    from askwise.verification.walk import Look, Walk


def _ranked(w: Walk, e: Event) -> None:
    s, d = w.state, e.data
    due = s.ranking.round + 1 if s.ranking else 0
    w.expect("guesses", d["round"] == due, e, f"is ranking {d['round']!r}, expected {due}.")
    w.rows(d["queue"])
    w.rows([row for row, _ in d.get("again", ())])
    w.expect("guesses", d["trained_on"] <= s.last_answer, e, f"trained on event {d['trained_on']}, which came later.")
    guesses = s.predictions
    if d.get("predictions") is not None:
        change = np.frombuffer(unpack(d["predictions"]), np.int32)
        known = int(d.get("known", s.n))
        if len(change) != known or not s.ranked <= known <= s.n:
            raise BadStore(f"{len(change):,} guesses for {known:,} of {s.n:,} items, {s.ranked:,} of which had some.")
        change = growing.filled(change, s.n)
        guesses = change if guesses is None else guesses ^ change
        new = d.get("sets", [])
        fresh = not (s.task.closed and new)
        fresh = fresh and all(s.task.is_written(name, s.labels) and name not in s.numbers for name in new)
        w.expect("guesses", fresh and len(set(new)) == len(new), e, "guesses what is no new set of labels.")
        classes = len(s.classes) + len(new)
        w.expect("guesses", bool(((guesses >= 0) & (guesses < classes)).all()), e, "guesses no such class.")
        w.done["guesses"] += 1
    point = d.get("point")
    w.expect("estimates", (point is None) == (guesses is None), e, "an estimate goes with a model, and the reverse.")
    if point is None or guesses is None:
        return
    w.done["estimates"] += 1
    if "sure" in d:
        rest = int(np.count_nonzero(s.rest()[: int(d.get("known", s.n))]))
        said = sum(count for _, count in d["sure"])
        w.expect("estimates", said == rest, e, f"says how sure the model is of {said:,} items, of a rest of {rest:,}.")
    if "held" in d:
        checks = {draw.row for draw in s.draws}
        strange = [row for row, *_ in d["held"] if row not in checks]
        w.expect(
            "estimates", not strange, e, f"row {strange[:1]} is held out as a check item, but was never drawn as one."
        )
    found = evidence.estimate(s, guesses, d.get("sets", ()), evidence.word_in(s, d))
    anew = {"labels": s.human, "accuracy": found.accuracy, "low": found.low, "high": found.high, "audits": found.audits}
    for name, value in anew.items():
        w.expect("estimates", same(point[name], value), e, f"showed {name} {point[name]}, computed again {value}.")


def _consensus(w: Walk, e: Event) -> None:
    w.rows([int(row) for row in e.data["labels"]])
    w.done["consensus"] += 1
    due = people.consensus(w.state)
    same = bool(due) and due[0].data["labels"] == e.data["labels"]
    w.expect("consensus", same, e, "the labels are not what the answers of several people come to.")


LOOKS: dict[str, Look] = {
    "ranked": _ranked,
    "consensus": _consensus,
}
"""What is looked at in each kind of event."""
