"""Who answered what, how well they agree, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from askwise import agreement, evidence
from askwise.core import Agreement, Annotator, Answer, Array, Event, Label
from askwise.state import DOUBTED, State
from askwise.tasks import Opinion, Votes

DOUBTS_KEPT = 200
"""Doubtful labels that a ranking holds."""
USUAL_QUALITY = 0.9
"""Share of right labels taken for somebody as long as nobody's labels have been compared."""


def votes(
    state: State, rows: Sequence[int], people: Sequence[str] | None = None, *, fair: bool = False
) -> tuple[list[str], Array]:
    """(people in alphabetical order, (rows, people) class codes of their labels, `agreement.MISSING` where none).

    Args:
        state: Not changed.
        rows: Which.
        people: Their order, if not that of all who labeled these rows.
        fair: Without answers that were asked for because a label was doubtful; see `compared`.
    """
    given = [{a.annotator: a.label or "" for a in state.counted(row) if _counts(a, fair)} for row in rows]
    if people is None:
        people = sorted({name for labels in given for name in labels})
    column = {name: i for i, name in enumerate(people)}
    V = np.full((len(rows), len(people)), agreement.MISSING)
    for i, labels in enumerate(given):
        for name, label in labels.items():
            V[i, column[name]] = state.class_number(label)
    return list(people), V


def _counts(answer: Answer, fair: bool) -> bool:
    return not (fair and answer.strategy == DOUBTED)


def compared(state: State) -> list[int]:
    """Rows with fair labels by several people, in order: they say how good people are, and how well they agree.

    Not fair are answers that were asked for because a label was doubtful: there people differ more often than
    elsewhere, and where that is, the model chose.
    """
    return [row for row in sorted(state.several) if sum(_counts(a, True) for a in state.counted(row)) > 1]


def consensus(state: State) -> list[Event]:
    """The event that settles what several people labeled, by Dawid & Skene (1979); none where nothing is new.

    Only labels that somebody gave are considered; of equally likely ones the newest wins. How good people are is told
    from the rows of `compared` alone, so that whose label the model doubted moves the consensus of no other item.
    """
    if not state.unsettled or len(state.classes) < 2:
        return []
    rows = sorted(state.several)
    if not rows:
        return []
    people, _ = votes(state, rows)
    fair = compared(state)
    asked_again = [row for row in rows if not all(_counts(a, True) for a in state.counted(row))]
    fair_votes = votes(state, fair, people, fair=True)[1]
    again_votes = votes(state, asked_again, people)[1]

    found, method = state.task.settled(
        Votes(
            rows, fair, asked_again, fair_votes, again_votes, {row: state.counted(row) for row in rows},
            state.classes, state.labels,
        )
    )  # fmt: skip
    labels = {str(row): found[row] for row in rows}
    return [Event("consensus", {"labels": labels, "people": len(people), "method": method})]


def again(state: State, opinion: Opinion | None, guesses: Array | None, new: Sequence[Label] = ()) -> dict[str, Any]:
    """What a `ranked` event says of labels to ask another person about: the most doubtful, and how good people are.

    Doubtful after ActiveLab (Goh & Mueller, 2023). Check items are never among them: see docs/guarantee.md.

    Args:
        state: Not changed.
        opinion: What the model says; None = no model.
        guesses: (n,) its guesses.
        new: As for `evidence.estimate`.

    Returns:
        `again`, rows with scores 0..1, at most `DOUBTS_KEPT`, the most doubtful first; `quality` of people where
        others answered the same items. Empty where the session asks nobody twice, and in a search, whose every answer
        is evidence.
    """
    if not state.opened.get("overlap") or "goal" in state.opened or opinion is None or guesses is None:
        return {}
    most, checks = int(state.opened.get("people_per_item", 2)), state.checks()
    known = set(state.classes[: opinion.width])
    rows = [
        row
        for row in sorted(state.votes)
        if 0 < sum(a.kind == "label" for a in state.votes[row].values()) < most
        and row not in checks
        and row not in state.rulings
        and row < len(opinion)  # what came meanwhile has no guess yet
        and state.label_of(row) in known
    ]
    quality = _quality(state)
    if rows:
        names, V = votes(state, rows)
        usual = float(np.mean(list(quality.values()))) if quality else USUAL_QUALITY
        right = evidence.estimate(state, guesses, new).accuracy
        labels = np.array([state.class_number(state.label_of(row) or "") for row in rows])
        labels, V, P = state.task.doubted(opinion, rows, V, labels, state.classes, state.labels)
        scores = agreement.doubts(
            labels,
            V,
            np.array([quality.get(name, usual) for name in names]),
            P,
            usual if right is None else right,
        )
        best = np.argsort(-scores, kind="stable")[:DOUBTS_KEPT]
        found = [[rows[i], round(float(scores[i]), 6)] for i in best]
    else:
        found = []
    return {"again": found, "quality": {name: round(value, 6) for name, value in quality.items()}}


def _quality(state: State) -> dict[str, float]:
    """Annotator → expected share of right labels, of those who labeled items that others labeled, too."""
    names, V = votes(state, compared(state), fair=True)
    if len(names) < 2 or len(state.classes) < 2:
        return {}
    found = state.task.quality(V, state.classes, state.labels)
    return {name: float(found[i]) for i, name in enumerate(names)}


def annotators(state: State) -> list[Annotator]:
    """What each person has done, in alphabetical order; quality where others answered the same items."""
    names, V = votes(state, compared(state), fair=True)
    quality = _quality(state)
    everyone = sorted({name for given in state.votes.values() for name in given})
    return [
        Annotator(
            name=name,
            labels=sum(a.kind == "label" for a in mine),
            unsure=sum(a.kind == "unsure" for a in mine),
            skipped=sum(a.kind == "skip" for a in mine),
            seconds=sum(a.seconds or 0.0 for a in mine),
            shared=int((V[:, names.index(name)] != agreement.MISSING).sum()) if name in names else 0,
            quality=quality.get(name),
            timed=len(took),
            pace=float(np.median(took)) if took else None,
        )
        for name in everyone
        for mine in [[given[name] for given in state.votes.values() if name in given]]
        for took in [[a.seconds for a in mine if a.kind == "label" and a.seconds is not None]]
    ]


def agreed(state: State) -> Agreement:
    """How well people agree on the items that several of them labeled; answers asked for out of doubt left out."""
    rows = compared(state)
    names, V = votes(state, rows, fair=True)

    def known(value: float) -> float | None:
        return None if np.isnan(value) else value

    task, told = state.task, [row[row != agreement.MISSING] for row in V]
    same = [not task.wrong(codes[:, None], codes[None, :], state.classes).any() for codes in told]
    alpha, fleiss, pairs = task.agreement(V, state.classes)
    return Agreement(
        items=len(rows),
        same=sum(same),
        alpha=known(alpha),
        fleiss=known(fleiss),
        cohen={
            (names[a], names[b]): value
            for a, b in combinations(range(len(names)), 2)
            if pairs and (value := known(agreement.cohen_kappa(V[:, a], V[:, b]))) is not None
        },
    )
