"""Which rows are asked next: pure decisions over the state of a session."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import Any

import numpy as np

from askwise import aims
from askwise.core import Array
from askwise.state import DOUBTED, OVERLAP, Attempt, Ranking, State

SKIP_DISTANCE = 20
"""A skipped item comes back after this many further answers, or when nothing else is left."""
CHECKS_AHEAD = 10
"""Blind checks handed out beyond the first unanswered one."""


def next_checks(state: State, n: int, annotator: str = "me") -> list[dict[str, Any]]:
    """The next n blind checks of the frozen regions, as items of an `asked` event.

    Within a region in the order fixed at the freeze; those whose guess this annotator may have seen are left to others.
    A region of one class would tell the guess of every item in it. So the checks of several classes come mixed at
    random, and where the classes of the regions are not all there are, every other question is a decoy: an open item
    that the model takes for another class. People label these anyway.
    """
    under_way = [attempt for attempt in state.attempts if attempt.outcome == "open"]
    due = [_due(state, attempt, n, annotator) for attempt in under_way]
    if not under_way or under_way[0].label is None:
        return due[0][:n] if due else []
    rng = np.random.default_rng([_seed(state), 7, state.seq])
    decoys = iter(rng.permutation(_decoys(state, under_way)).tolist())
    found: list[dict[str, Any]] = []
    while len(found) < n and any(due):
        row = next(decoys, None) if rng.random() < 0.5 else None
        if row is None:
            some = [rows for rows in due if rows]
            found.append(some[int(rng.integers(len(some)))].pop(0))
        else:
            found.append({"row": row, "check": True, "decoy": True, "strategy": "check"})
    return found


def _due(state: State, attempt: Attempt, n: int, annotator: str) -> list[dict[str, Any]]:
    """The next n checks of one region."""
    first = next((i for i, wrong in enumerate(state.outcomes(attempt)) if wrong is None), len(attempt.order))
    window = [int(r) for r in attempt.order[first : first + CHECKS_AHEAD + n] if int(r) not in state.leases]
    window = [r for r in window if not state.was_shown(r, annotator)]
    fresh = [r for r in window if r not in state.answers or state.seen(r)]
    # A check may be put off but not left out: the order of the checks is what makes them random.
    put_off = [r for r in window if r in state.answers and state.answers[r].kind == "skip"]
    return [
        {"row": r, "check": True, "probability": aims.chance(attempt, attempt.position[r]), "strategy": "check"}
        for r in (fresh + put_off)[:n]
    ]


def _decoys(state: State, under_way: Sequence[Attempt]) -> Array:
    """(k,) open rows of no region that the model takes for a class of none; no rows where every class has a region."""
    classes = [state.class_number(attempt.label) for attempt in under_way if attempt.label is not None]
    if state.predictions is None or len(classes) == len(state.shown_labels()):
        return np.zeros(0, np.intp)
    mask = state.eligible_mask & ~np.isin(state.predictions, classes)
    for attempt in under_way:
        mask[attempt.order] = False
    return np.flatnonzero(mask)


AT_RANDOM = 0.5
"""Of the second opinions such a share is on items drawn at random; from these the agreement and everybody's quality
are told. The others are on the most doubtful labels."""
AS_GOOD = 0.05
"""People whose qualities differ by less count as equally good: these are estimates from some tens of items."""


def next_questions(
    state: State,
    n: int,
    sure: Callable[[int], float | None],
    annotator: str = "me",
    plan: Sequence[tuple[int, float, str]] = (),
) -> list[dict[str, Any]]:
    """The next n questions while learning, as items of an `asked` event: check items among the ranking's best.

    Before the first model there is no guess that a check item could check; the same share of the questions is drawn at
    random all the same, for what it proves of the pool. A share of the questions, if the session wants that, are items
    that others have labeled and this annotator has not.

    Args:
        state: Not changed.
        n: How many; fewer where nothing is left.
        sure: Row → confidence of the current guess, recorded with a check item for planning.
        annotator: Who asks.
        plan: (row, score, part of the strategy), best first, that go before the ranking.
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
        asked = free(drawn.row) and not state.was_shown(drawn.row, annotator)  # it would be no blind check
        if len(found) < n and asked and state.label_of(drawn.row) is None:
            probability = state.asks[drawn.row].probability
            add(drawn.row, audit=True, drawn=False, strategy="audit", probability=probability)
    overlap, people = float(state.opened.get("overlap", 0)), int(state.opened.get("people_per_item", 2))
    ranking = state.ranking
    early = not state.model and state.opened.get("goal") is None
    queue = chain(plan, zip(ranking.queue, ranking.scores, ranking.parts, strict=True) if ranking else ())
    while len(found) < n:
        mine = state.handed[annotator] + len(found)
        if overlap and is_audit_slot(mine, zlib.crc32(annotator.encode(), _seed(state)), overlap):
            row, doubt = drawn_again(state, annotator, people, taken, mine)
            doubtful = _doubtful(state, annotator, people, taken) if doubt else None
            if doubtful is not None:
                add(doubtful[0], drawn=False, score=doubtful[1], strategy=DOUBTED)
                continue
            if row is not None:
                before = state.asks.get(row)
                # Blind for this annotator as well; a check stays a check, whoever answers it last.
                kept = (
                    {"audit": before.audit, "check": before.check, "probability": before.probability} if before else {}
                )
                add(row, drawn=False, strategy=OVERLAP, **kept)
                continue
        slot = state.slots + sum(q.get("drawn", True) for q in found)
        if early or state.model:
            due = is_audit_slot(slot, _seed(state), float(state.opened["audit_share"]))
            drawn_now = draw(slot) if due else None
            if drawn_now is not None:
                row, probability = drawn_now
                if state.model:
                    add(row, audit=True, strategy="audit", probability=probability, confidence=sure(row))
                else:  # there is no guess to check, but it tells of labels that nobody has met
                    add(row, strategy="random", probability=probability, score=None)
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


def drawn_again(
    state: State, annotator: str, people: int, taken: Collection[int], mine: int
) -> tuple[int | None, bool]:
    """An item for this annotator's opinion, at random among those that fewer than `people` others have labeled.

    Neither anybody's label nor the model has a say in the draw. A check item that was drawn is asked, and none that was
    not: check items are revised at random only, as what people say of them is the evidence.

    Args:
        state: Not changed.
        annotator: Who asks.
        people: So many label an item at most.
        taken: Rows that are given out in the same breath.
        mine: Number of the annotator's question.

    Returns:
        (row, or None where there is none; whether a label that is doubtful may be asked about in its place).
    """
    rows = sorted(
        row
        for row in state.votes
        if may_ask_again(state, row, annotator, people) and row not in state.leases and row not in taken
    )
    if not rows:
        return None, False
    rng = np.random.default_rng([_seed(state), 4, zlib.crc32(annotator.encode()), mine])
    row = rows[int(rng.integers(len(rows)))]
    return row, bool(rng.random() >= AT_RANDOM) and row not in state.checks()


def may_ask_again(state: State, row: int, annotator: str, people: int) -> bool:
    """Whether somebody has labeled the row, fewer than `people`, and this annotator has not answered it."""
    votes = state.votes.get(row, {})
    if state.was_shown(row, annotator) and row in state.checks():
        return False  # their opinion would make it no blind check
    return annotator not in votes and 0 < sum(a.kind == "label" for a in votes.values()) < people


def _doubtful(state: State, annotator: str, people: int, taken: Collection[int]) -> tuple[int, float] | None:
    """(row, score) of the most doubtful label that this annotator may settle, never of a check item; None = none."""
    ranking, checks = state.ranking, state.checks()
    if ranking is None:
        return None
    return next(
        (
            (row, score)
            for row, score in ranking.again
            if row not in checks
            and row not in state.leases
            and row not in taken
            and may_ask_again(state, row, annotator, people)
            and _settles(state, ranking, row, annotator)
        ),
        None,
    )


def _settles(state: State, ranking: Ranking, row: int, annotator: str) -> bool:
    """Whether the score still holds, and this annotator's word has the weight to change what the others said."""
    labels = [a for a in state.votes[row].values() if a.kind == "label"]
    if any(a.seq > ranking.trained_on for a in labels):
        return False
    mine = ranking.quality.get(annotator)
    others = [ranking.quality[a.annotator] for a in labels if a.annotator in ranking.quality]
    return mine is None or mine >= max(others, default=0.0) - AS_GOOD


def is_audit_slot(slot: int, seed: int, share: float) -> bool:
    """Whether the question number `slot` is a random check item: one in each block of 1 / share, at a random place."""
    if share <= 0:
        return False
    block = math.floor(slot * share + 1e-9)
    first, end = math.ceil(block / share - 1e-9), math.ceil((block + 1) / share - 1e-9)
    return slot == first + int(np.random.default_rng([seed, 1, block]).integers(end - first))


def _seed(state: State) -> int:
    return int(state.opened["seed"])
