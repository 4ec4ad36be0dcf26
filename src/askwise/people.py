"""Who answered what, how well they agree, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from askwise import agreement
from askwise.core import Agreement, Annotator, Array, Event
from askwise.state import State


def votes(state: State, rows: Sequence[int]) -> tuple[list[str], Array]:
    """(people in alphabetical order, (rows, people) class codes of their labels, `agreement.MISSING` where none)."""
    people = sorted({name for row in rows for name, a in state.votes[row].items() if a.kind == "label"})
    column = {name: i for i, name in enumerate(people)}
    code = {label: i for i, label in enumerate(state.classes)}
    V = np.full((len(rows), len(people)), agreement.MISSING)
    for i, row in enumerate(rows):
        for name, answer in state.votes[row].items():
            if answer.kind == "label":
                V[i, column[name]] = code[answer.label or ""]
    return people, V


def consensus(state: State) -> list[Event]:
    """The event that settles what several people labeled, by Dawid & Skene (1979); none where nothing is new.

    Only labels that somebody gave are considered; of equally likely ones the newest wins.
    """
    if not state.unsettled or len(state.classes) < 2:
        return []
    rows = sorted(state.several)
    if not rows:
        return []
    people, V = votes(state, rows)
    found = agreement.dawid_skene(V, len(state.classes))
    labels = {}
    for i, row in enumerate(rows):
        answers = [a for a in state.votes[row].values() if a.kind == "label"]
        weight = {a.seq: round(float(found.posterior[i, state.class_number(a.label or "")]), 9) for a in answers}
        labels[str(row)] = max(answers, key=lambda a: (weight[a.seq], a.seq)).label
    return [Event("consensus", {"labels": labels, "people": len(people), "method": "Dawid & Skene 1979"})]


def annotators(state: State) -> list[Annotator]:
    """What each person has done, in alphabetical order; quality where others answered the same items."""
    rows = sorted(state.several)
    names, V = votes(state, rows)
    quality: dict[str, float] = {}
    if len(names) > 1 and len(state.classes) > 1:
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
