"""What several people's answers to the same items say of the items and of the people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from askwise.core import Array, BadInput

MISSING = -1
"""Code of an answer that a person did not give."""


@dataclass(frozen=True, eq=False)
class Consensus:
    """What Dawid & Skene's model makes of the answers."""

    posterior: Array
    """(n, c) probability of each class for each item; rows sum to one."""
    confusion: Array
    """(people, c, c) probability of an answer (last axis) given the true class (middle axis), for each person."""
    prior: Array
    """(c,) share of each class."""
    steps: int
    """Steps of EM taken."""

    @property
    def labels(self) -> Array:
        """(n,) the likeliest class of each item; of equally likely ones the first."""
        found: Array = self.posterior.argmax(1)
        return found

    @property
    def quality(self) -> Array:
        """(people,) expected share of right answers, for classes as frequent as estimated."""
        found: Array = np.einsum("c,pcc->p", self.prior, self.confusion)
        return found


def dawid_skene(
    votes: Array, classes: int, *, smoothing: float = 1.0, steps: int = 100, tol: float = 1e-6
) -> Consensus:
    """True classes and each person's confusion matrix by expectation maximization (Dawid & Skene, 1979).

    Starts from the shares of the votes. Every person's row of the confusion matrix gets a Dirichlet prior: `smoothing`
    pseudo-counts, of which the right class has as many as all wrong ones together. So a person with one answer is not
    believed blindly, and no probability is zero.

    Args:
        votes: (n, people) class codes 0..classes-1, `MISSING` where there is no answer; one an item at least.
        classes: Number of classes, >= 2.
        smoothing: Pseudo-counts of a row, > 0.
        steps: Most steps of EM, >= 1.
        tol: Stop when no posterior moved by more.

    Raises:
        BadInput: no two-dimensional array of such codes, an item without an answer, or numbers out of range.
    """
    V = _votes(votes)
    if classes < 2 or V.max(initial=0) >= classes or smoothing <= 0 or steps < 1:
        raise BadInput(
            f"Consensus needs at least 2 classes, codes below their number, smoothing above 0 and a step; got "
            f"{classes} classes, codes up to {V.max(initial=0)}, smoothing {smoothing!r}, {steps} steps."
        )
    if not np.all((V != MISSING).any(1)):
        raise BadInput("Every item needs at least one answer; leave items without answers out.")
    given = _given(V, classes)
    pseudo = np.full((classes, classes), smoothing / 2 / (classes - 1))
    np.fill_diagonal(pseudo, smoothing / 2)
    T = given.sum(2).T / given.sum((0, 2))[:, None]
    taken = 0
    while True:
        taken += 1
        prior = (T.sum(0) + 1 / classes) / (len(T) + 1)
        counts = np.einsum("nk,cnp->pkc", T, given) + pseudo
        confusion = counts / counts.sum(2, keepdims=True)
        new = _posterior(given, prior, confusion)
        moved = float(np.abs(new - T).max(initial=0.0))
        T = new
        if moved < tol or taken == steps:
            break
    return Consensus(T, confusion, prior, taken)


def posterior(votes: Array, consensus: Consensus) -> Array:
    """(n, c) probability of each class for other items, by what a consensus found of the same people.

    Args:
        votes: (n, people) class codes 0..c-1, `MISSING` where there is no answer; people in the order of `consensus`.
        consensus: Found on items that were not chosen for what people said of them.

    Raises:
        BadInput: no such codes, or other people.
    """
    V, classes = _votes(votes), len(consensus.prior)
    if V.max(initial=0) >= classes or V.shape[1] != len(consensus.confusion):
        raise BadInput(
            f"Give votes of the same {len(consensus.confusion)} people, codes below {classes}; got shape {V.shape} "
            f"with codes up to {V.max(initial=0)}."
        )
    return _posterior(_given(V, classes), consensus.prior, consensus.confusion)


def _given(V: Array, classes: int) -> Array:
    """(answer, item, person) 1 where the person gave that answer."""
    found = np.zeros((classes, *V.shape))
    for c in range(classes):
        found[c] = c == V
    return found


def _posterior(given: Array, prior: Array, confusion: Array) -> Array:
    logs = np.log(prior) + np.einsum("cnp,pkc->nk", given, np.log(confusion))
    logs -= logs.max(1, keepdims=True)
    found: Array = np.exp(logs)
    found /= found.sum(1, keepdims=True)
    return found


def cohen_kappa(a: Array, b: Array) -> float:
    """Agreement of two people beyond chance on the items both answered, -1..1 (Cohen, 1960); NaN where undefined.

    Args:
        a: (n,) class codes of one person, `MISSING` where there is none.
        b: (n,) of the other.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.ndim != 1:
        raise BadInput(f"Kappa compares two equally long lists; got shapes {a.shape} and {b.shape}.")
    both = (a != MISSING) & (b != MISSING)
    a, b = a[both], b[both]
    if not len(a):
        return float("nan")
    chance = sum(float(np.mean(a == c)) * float(np.mean(b == c)) for c in np.unique(a))
    return float("nan") if chance == 1 else (float(np.mean(a == b)) - chance) / (1 - chance)


def fleiss_kappa(votes: Array) -> float:
    """Agreement of several people beyond chance, at most 1 (Fleiss, 1971); NaN where undefined.

    Every item counts whose number of answers is the most common one above 1; Fleiss' formula needs equal numbers.

    Args:
        votes: (n, people) class codes, `MISSING` where there is no answer.
    """
    table = _table(votes)
    sizes = table.sum(1)
    several = sizes[sizes > 1]
    if not len(several):
        return float("nan")
    values, how_often = np.unique(several, return_counts=True)
    r = values[how_often.argmax()]
    table = table[sizes == r]
    agree = float(np.mean((table * (table - 1)).sum(1) / (r * (r - 1))))
    chance = float(((table.sum(0) / table.sum()) ** 2).sum())
    return float("nan") if chance == 1 else (agree - chance) / (1 - chance)


def krippendorff_alpha(votes: Array) -> float:
    """Agreement of any number of people with any answers missing, at most 1 (Krippendorff, 2004, nominal); or NaN.

    Args:
        votes: (n, people) class codes, `MISSING` where there is no answer. Items with a single answer do not count.
    """
    table = _table(votes)
    table = table[table.sum(1) > 1]
    if not len(table):
        return float("nan")
    m = table.sum(1)
    total = m.sum()
    observed = float(((m**2 - (table**2).sum(1)) / (m - 1)).sum() / total)
    each = table.sum(0)
    expected = float((total**2 - (each**2).sum()) / (total * (total - 1)))
    return float("nan") if expected == 0 else 1 - observed / expected


def interval_alpha(values: Array) -> float:
    """Agreement of any number of people on numbers, at most 1 (Krippendorff, 2004, interval); NaN where undefined.

    Args:
        values: (n, people) float64, NaN where there is no answer. Items with a single answer do not count.
    """
    told = np.asarray(values, np.float64)
    known = ~np.isnan(told)
    told, known = told[known.sum(1) > 1], known[known.sum(1) > 1]
    m = known.sum(1)
    if not len(told):
        return float("nan")
    x = np.where(known, told - np.nanmean(told), 0.0)
    # the squares of all differences between m numbers add up to 2 (m Σx² - (Σx)²)
    within = 2 * (m * (x**2).sum(1) - x.sum(1) ** 2)
    total = int(m.sum())
    observed = float((within / (m - 1)).sum() / total)
    expected = float(2 * (total * (x**2).sum() - x.sum() ** 2) / (total * (total - 1)))
    return float("nan") if expected <= 0 else 1 - observed / expected


def worth_asking_again(consensus: Consensus, votes: Array, model: Array, model_quality: float) -> tuple[Array, Array]:
    """Whom another answer would help most: items answered already, and items nobody has answered.

    After ActiveLab (Goh & Mueller, 2023): the confidence in an item's label is the average of what each person's answer
    and the model say, weighted by how far each is better than chance; the less, the more another answer is worth. An
    answered item of an unreliable person can so come before a new one.

    Args:
        consensus: Of the answered items.
        votes: (n, people) their votes.
        model: (n + m, c) the model's probabilities of the answered items and of the m others.
        model_quality: Share of right guesses of the model, 0..1.

    Returns:
        (n,) and (m,) scores 0..1, larger = more worth asking.
    """
    n, c = consensus.posterior.shape
    P = np.asarray(model, dtype=float)
    if P.ndim != 2 or P.shape[1] != c or len(P) < n or len(_votes(votes)) != n or not 0 <= model_quality <= 1:
        raise BadInput(
            f"Give the model's (n + m, {c}) probabilities, the {n} answered items first, and its quality 0..1."
        )
    known = doubts(consensus.labels, votes, consensus.quality, P[:n], model_quality)
    people, mine = _weight(consensus.quality, c), float(_weight(model_quality, c))
    # A new item has the model alone; with the weight of an average person, who knows nothing of it yet.
    average = float(people.mean()) if len(people) else 1.0
    new = (mine * P[n:].max(1) + average / c) / (mine + average)
    return known, np.asarray(1 - new)


def doubts(labels: Array, votes: Array, quality: Array, model: Array, model_quality: float) -> Array:
    """How far each label is in doubt, by the people who answered and by the model; see `worth_asking_again`.

    Args:
        labels: (n,) class codes 0..c-1, the label that holds of each item.
        votes: (n, people) class codes, `MISSING` where there is no answer.
        quality: (people,) share of right answers of each, 0..1.
        model: (n, c) the model's probabilities.
        model_quality: Share of right guesses of the model, 0..1.

    Returns:
        (n,) one minus the confidence in the label, 0..1.

    Raises:
        BadInput: arrays that do not go together.
    """
    V, P, label, q = _votes(votes), np.asarray(model, dtype=float), np.asarray(labels), np.asarray(quality, dtype=float)
    if P.ndim != 2 or P.shape[1] < 2 or len(P) != len(V) or label.shape != V.shape[:1] or q.shape != V.shape[1:]:
        raise BadInput(
            "Give a label, votes and the model's probabilities of two or more classes for each item, and a quality for "
            f"each person; got shapes {label.shape}, {V.shape}, {P.shape} and {q.shape}."
        )
    c = P.shape[1]
    given, people, mine = V != MISSING, _weight(q, c), float(_weight(model_quality, c))
    share = np.take_along_axis(P, label[:, None], 1)[:, 0]
    # What a person's answer says of the label: their reliability where they agree, what is left of it where not.
    says = np.where(label[:, None] == V, q[None, :], (1 - q[None, :]) / (c - 1))
    known = (mine * share + (given * people * says).sum(1)) / (mine + (given * people).sum(1))
    return np.asarray(1 - known)


def _weight(quality: Array | float, classes: int) -> Array:
    """How far somebody is better than chance, above 0."""
    found: Array = np.maximum(1 - (1 - np.asarray(quality, dtype=float)) / (1 - 1 / classes), 1e-3)
    return found


def _votes(votes: Array) -> Array:
    V = np.asarray(votes)
    if V.ndim != 2 or not np.issubdtype(V.dtype, np.integer) or V.min(initial=0) < MISSING:
        raise BadInput(
            f"Votes are an (items, people) array of class codes, {MISSING} where there is none; got shape {V.shape} of "
            f"{V.dtype}."
        )
    return V


def _table(votes: Array) -> Array:
    """(n, c) how many people gave each answer."""
    V = _votes(votes)
    classes = int(V.max(initial=0)) + 1
    found: Array = np.stack([np.sum(c == V, axis=1) for c in range(classes)], axis=1).astype(float)
    return found
