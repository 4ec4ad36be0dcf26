"""Which rows are asked next: pure decisions over the state of a session."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from askwise.state import Attempt, State

SKIP_DISTANCE = 20
"""A skipped item comes back after this many further answers, or when nothing else is left."""
CHECKS_AHEAD = 10
"""Blind checks handed out beyond the first unanswered one."""


def next_checks(state: State, attempt: Attempt, n: int) -> list[dict[str, Any]]:
    """The next n blind checks of a frozen region, as items of an `asked` event, in the order fixed at the freeze."""
    first = next((i for i, wrong in enumerate(state.outcomes(attempt)) if wrong is None), len(attempt.order))
    window = [int(r) for r in attempt.order[first : first + CHECKS_AHEAD + n] if int(r) not in state.leases]
    fresh = [r for r in window if r not in state.answers or state.seen(r)]
    # A check may be put off but not left out: the order of the checks is what makes them random.
    put_off = [r for r in window if r in state.answers and state.answers[r].kind == "skip"]
    size = len(attempt.order)
    return [
        {"row": r, "check": True, "probability": 1 / (size - attempt.position[r]), "strategy": "check"}
        for r in (fresh + put_off)[:n]
    ]


OVERLAP = "overlap"
"""Strategy of a question that somebody else has answered already."""


def next_questions(
    state: State, n: int, sure: Callable[[int], float | None], annotator: str = "me"
) -> list[dict[str, Any]]:
    """The next n questions while learning, as items of an `asked` event: check items among the ranking's best.

    A share of the questions, if the session wants that, are items that others have labeled and this annotator has not.

    Args:
        state: Not changed.
        n: How many; fewer where nothing is left.
        sure: Row → confidence of the current guess, recorded with a check item for planning.
        annotator: Who asks.
    """
    taken: set[int] = set()
    found: list[dict[str, Any]] = []

    def free(row: int, *, also_skipped: bool = False) -> bool:
        recent = row in state.skips and state.told - state.skips[row] < SKIP_DISTANCE
        return bool(state.eligible_mask[row]) and row not in taken and (also_skipped or not recent)

    def add(row: int, **more: Any) -> None:
        taken.add(row)
        found.append({"row": row, **more})

    def draw(slot: int) -> tuple[int, float] | None:
        """One row, uniformly from all that may be asked, with its probability."""
        mask = state.eligible_mask.copy()
        mask[list(taken)] = False
        rows = np.flatnonzero(mask)
        if len(rows) == 0:
            return None
        chosen = np.random.default_rng([_seed(state), 2, slot, state.seq]).integers(len(rows))
        return int(rows[chosen]), 1 / len(rows)

    # A check item that was drawn stays drawn until it is answered.
    drawn_rows = np.fromiter((drawn.row for drawn in state.draws), np.intp, len(state.draws))
    for place in np.flatnonzero(state.eligible_mask[drawn_rows]).tolist():  # most are answered
        drawn = state.draws[place]
        if len(found) < n and free(drawn.row) and state.label_of(drawn.row) is None:
            probability = state.asks[drawn.row].probability
            add(drawn.row, audit=True, drawn=False, strategy="audit", probability=probability)
    overlap, people = float(state.opened.get("overlap", 0)), int(state.opened.get("people_per_item", 2))
    ranking = state.ranking
    queue = iter(zip(ranking.queue, ranking.scores, ranking.parts, strict=True) if ranking else ())
    while len(found) < n:
        mine = state.handed[annotator] + len(found)
        if overlap and is_audit_slot(mine, zlib.crc32(annotator.encode(), _seed(state)), overlap):
            row = _shared(state, annotator, people, taken, mine)
            if row is not None:
                before = state.asks.get(row)
                # Blind for this annotator as well; a check stays a check, whoever answers it last.
                kept = (
                    {"audit": before.audit, "check": before.check, "probability": before.probability} if before else {}
                )
                add(row, drawn=False, strategy=OVERLAP, **kept)
                continue
        slot = state.slots + sum(q.get("drawn", True) for q in found)
        if state.model and is_audit_slot(slot, _seed(state), float(state.opened["audit_share"])):
            drawn_now = draw(slot)
            if drawn_now is not None:
                row, probability = drawn_now
                add(row, audit=True, strategy="audit", probability=probability, confidence=sure(row))
                continue
        best = next((q for q in queue if free(q[0])), None)
        if best is not None:
            add(best[0], score=best[1], strategy=best[2])
            continue
        # The ranking is used up and the next is not there yet: a random item, and it says so.
        spare = draw(slot)
        if spare is None:
            break
        add(spare[0], strategy="random", probability=spare[1], score=None)
    return found


def _shared(state: State, annotator: str, people: int, taken: set[int], mine: int) -> int | None:
    """An item for this annotator's opinion, at random among those that fewer than `people` others have labeled."""
    rows = sorted(
        row
        for row, votes in state.votes.items()
        if annotator not in votes
        and 0 < sum(a.kind == "label" for a in votes.values()) < people
        and row not in state.leases
        and row not in taken
    )
    if not rows:
        return None
    rng = np.random.default_rng([_seed(state), 4, zlib.crc32(annotator.encode()), mine])
    return rows[int(rng.integers(len(rows)))]


def is_audit_slot(slot: int, seed: int, share: float) -> bool:
    """Whether the question number `slot` is a random check item: one in each block of 1 / share, at a random place."""
    if share <= 0:
        return False
    block = math.floor(slot * share + 1e-9)
    first, end = math.ceil(block / share - 1e-9), math.ceil((block + 1) / share - 1e-9)
    return slot == first + int(np.random.default_rng([seed, 1, block]).integers(end - first))


def _seed(state: State) -> int:
    return int(state.opened["seed"])
