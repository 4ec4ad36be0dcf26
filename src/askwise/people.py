"""Who answered what, how well they agree, and what they agree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from askwise import agreement
from askwise.core import Agreement, Annotator, Array, Event
from askwise.labelsets import write_set
from askwise.state import State


def votes(state: State, rows: Sequence[int]) -> tuple[list[str], Array]:
    """(people in alphabetical order, (rows, people) class codes of their labels, `agreement.MISSING` where none)."""
    people = sorted({name for row in rows for name, a in state.votes[row].items() if a.kind == "label"})
    column = {name: i for i, name in enumerate(people)}
    V = np.full((len(rows), len(people)), agreement.MISSING)
    for i, row in enumerate(rows):
        for name, answer in state.votes[row].items():
            if answer.kind == "label":
                V[i, column[name]] = state.class_number(answer.label or "")
    return people, V


def _label_by_label(state: State, V: Array) -> Iterator[tuple[int, agreement.Consensus]]:
    """In a multi-label session: what the people make of each label that somebody gave; class 1 = it applies.

    One model for each label, as in binary relevance: of sets as a whole there are too many to know anybody's errors.

    Args:
        state: Not changed.
        V: (rows, people) from `votes`.
    """
    holds = state.membership()
    for label in np.flatnonzero(holds[np.unique(V[V != agreement.MISSING])].any(0)).tolist():
        W = np.where(V == agreement.MISSING, agreement.MISSING, holds[V, label].astype(V.dtype))
        yield label, agreement.dawid_skene(W, 2)


def consensus(state: State) -> list[Event]:
    """The event that settles what several people labeled, by Dawid & Skene (1979); none where nothing is new.

    Only labels that somebody gave are considered; of equally likely ones the newest wins. In a multi-label session each
    label is settled by itself, so the set may be one that nobody gave as a whole.
    """
    if not state.unsettled or len(state.classes) < 2:
        return []
    rows = sorted(state.several)
    if not rows:
        return []
    people, V = votes(state, rows)
    if state.multilabel:
        sets = _settled_sets(state, rows, V)
        return [Event("consensus", {"labels": sets, "people": len(people), "method": "Dawid & Skene 1979, by label"})]
    found = agreement.dawid_skene(V, len(state.classes))
    labels = {}
    for i, row in enumerate(rows):
        answers = [a for a in state.votes[row].values() if a.kind == "label"]
        weight = {a.seq: round(float(found.posterior[i, state.class_number(a.label or "")]), 9) for a in answers}
        labels[str(row)] = max(answers, key=lambda a: (weight[a.seq], a.seq)).label
    return [Event("consensus", {"labels": labels, "people": len(people), "method": "Dawid & Skene 1979"})]


def _settled_sets(state: State, rows: Sequence[int], V: Array) -> dict[str, str]:
    holds = state.membership()
    newest = [max((a for a in state.votes[row].values() if a.kind == "label"), key=lambda a: a.seq) for row in rows]
    said = holds[[state.class_number(a.label or "") for a in newest]]
    applies = np.zeros_like(said)
    for label, found in _label_by_label(state, V):
        yes, no = np.round(found.posterior[:, 1], 9), np.round(found.posterior[:, 0], 9)
        applies[:, label] = (yes > no) | ((yes == no) & said[:, label])
    return {
        str(row): write_set([state.labels[label] for label in np.flatnonzero(one)], state.labels)
        for row, one in zip(rows, applies, strict=True)
    }


def annotators(state: State) -> list[Annotator]:
    """What each person has done, in alphabetical order; quality where others answered the same items."""
    rows = sorted(state.several)
    names, V = votes(state, rows)
    quality: dict[str, float] = {}
    if len(names) > 1 and len(state.classes) > 1:
        if state.multilabel:  # how often one is right on a label, over the labels that occur
            found = np.mean([one.quality for _, one in _label_by_label(state, V)] or [np.ones(len(names))], axis=0)
        else:
            found = agreement.dawid_skene(V, len(state.classes)).quality
        quality = {name: float(found[i]) for i, name in enumerate(names)}
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
        )
        for name in everyone
        for mine in [[given[name] for given in state.votes.values() if name in given]]
    ]


def agreed(state: State) -> Agreement:
    """How well people agree on the items that several of them labeled."""
    rows = sorted(state.several)
    names, V = votes(state, rows)

    def known(value: float) -> float | None:
        return None if np.isnan(value) else value

    same = [len(set(row[row != agreement.MISSING].tolist())) == 1 for row in V]
    return Agreement(
        items=len(rows),
        same=sum(same),
        alpha=known(agreement.krippendorff_alpha(V)),
        fleiss=known(agreement.fleiss_kappa(V)),
        cohen={
            (names[a], names[b]): value
            for a, b in combinations(range(len(names)), 2)
            if (value := known(agreement.cohen_kappa(V[:, a], V[:, b]))) is not None
        },
    )
