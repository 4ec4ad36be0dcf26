"""What the labels say of each part: probabilities held out, their power, the weights of a mixture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from askwise.core import Array

LEAST = 0.02
"""Share of every probability that is spread over all classes: nobody is ever certain."""
POWERS = np.exp(np.linspace(np.log(0.2), np.log(5.0), 15))
"""Exponents of probabilities that are tried."""
STEADY = 0.02
"""What an exponent far from 1 costs, in nats for each label and squared logarithm."""
ROUNDS = 60
"""Of expectation-maximization; weights change by less than 0.01 long before."""


def folds_of(y: Array, folds: int) -> Array:
    """(m,) which fold holds each row out: classes spread evenly, rows of each in an order of chance that is fixed."""
    order = np.lexsort((np.random.default_rng(0).random(len(y)), y))
    fold = np.empty(len(y), np.intp)
    fold[order] = np.arange(len(y)) % min(folds, len(y))
    return fold


def held_out(fit: Callable[[Array], Callable[[Array], Array]], y: Array, fold: Array, classes: int) -> Array:
    """(m, classes) probabilities of each row by a model that has not seen it; alike where none could be fitted.

    Args:
        fit: Rows to learn from → a function of rows that gives their probabilities.
        y: (m,) class numbers.
        fold: (m,) from `folds_of`.
        classes: How many.
    """
    P = np.full((len(y), classes), 1 / classes, np.float32)
    for number in np.unique(fold):
        rest = np.flatnonzero(fold != number)
        if len(np.unique(y[rest])) > 1:
            out = np.flatnonzero(fold == number)
            P[out] = fit(rest)(out)
    return P


def powered(P: Array, power: float) -> Array:
    """(…, classes) probabilities to a power, after a little of each was spread over all."""
    Q: Array = ((1 - LEAST) * P + LEAST / P.shape[-1]) ** power
    Q /= Q.sum(-1, keepdims=True)
    return Q


def power_of(P: Array, y: Array, weight: Array) -> float:
    """The exponent that makes labels likeliest, with a pull to 1.

    Args:
        P: (m, classes) held-out probabilities.
        y: (m,) class numbers.
        weight: (m,) of each label, 1 on average.
    """
    rows = np.arange(len(y))

    def cost(power: float) -> float:
        loss = -np.log(powered(P, power)[rows, y]) @ weight / len(y)
        return float(loss + STEADY * np.log(power) ** 2)

    return float(min(POWERS, key=cost))


def mixture(likely: Array, weight: Array, prior: Array, strength: float) -> Array:
    """(parts,) weights of the mixture that makes the labels likeliest, by expectation-maximization.

    Args:
        likely: (m, parts) held-out probability of each label.
        weight: (m,) of each label, 1 on average.
        prior: (parts,) where weights come from without evidence; sums to 1.
        strength: How many labels that counts for.
    """
    L, w = np.maximum(likely.astype(np.float64), 1e-6), prior.copy()
    for _ in range(ROUNDS):
        R = w * L
        R /= R.sum(1, keepdims=True)
        w = (weight @ R + strength * prior) / (weight.sum() + strength)
    return w
