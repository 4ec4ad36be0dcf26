"""Scores from class probabilities: where one model is unsure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from askwise.core import Array
from askwise.scores.arrays import array_namespace, largest, places, shannon


def random(noise: Array) -> Array:
    """Uniform random numbers; the baseline to beat, and the only draw with a known probability."""
    return noise


def least_confidence(proba: Array) -> Array:
    """One minus the probability of the likeliest class, in [0, 1) (Lewis & Gale, 1994; Culotta & McCallum, 2005)."""
    doubt: Array = 1 - largest(proba)
    return doubt


def margin(proba: Array) -> Array:
    """One minus the gap between the two likeliest classes, in [0, 1] (Scheffer et al., 2001)."""
    first, second = _top_two(proba)
    doubt: Array = 1 - (first - second)
    return doubt


def confidence_ratio(proba: Array) -> Array:
    """The second largest probability over the largest, in [0, 1] (the ratio of confidence of Monarch, 2021)."""
    first, second = _top_two(proba)
    doubt: Array = second / first
    return doubt


def entropy(proba: Array) -> Array:
    """Shannon entropy of the class probabilities, in nats (Settles & Craven, 2008)."""
    return shannon(proba)


def decision_boundary(decision: Array) -> Array:
    """Nearness to the nearest decision boundary, 1 / (1 + min_c |f_c|), in (0, 1] (Tong & Koller, 2001).

    Args:
        decision: (n, classes) decision values, zero on the boundary of a class.
    """
    xp = array_namespace(decision)
    nearness: Array = 1 / (1 - largest(-xp.abs(decision)))
    return nearness


def expected_cost(
    proba: Array,
    classes: Array,
    costs: Sequence[Sequence[float]] | None = None,
    names: Sequence[str] | None = None,
) -> Array:
    """What the cheapest answer is expected to cost, min_y' Σ_y p_y C[y, y'] (Margineantu, 2005; Chen & Lin, 2013).

    Args:
        proba: (n, classes).
        classes: (classes,) what the columns of `proba` stand for.
        costs: Costs C[y][y'] of answering y' where y is true, in the order of `names`; None = 1 for every mistake.
        names: Labels of the rows and columns of `costs`.

    Raises:
        BadInput: a class without costs.
    """
    if costs is None or names is None:
        return least_confidence(proba)
    order = places(names, classes)
    xp = array_namespace(proba)
    C = xp.asarray(np.asarray(costs, np.float64)[np.ix_(order, order)], dtype=proba.dtype)
    expected: Array = -largest(-(proba @ C))
    return expected


def _top_two(proba: Array) -> tuple[Array, Array]:
    """(n,) largest and second largest value of each row; the second of a single class is 0."""
    xp = array_namespace(proba)
    first = proba[..., 0]
    second = xp.zeros_like(first)
    for c in range(1, proba.shape[-1]):
        second = xp.maximum(second, xp.minimum(first, proba[..., c]))
        first = xp.maximum(first, proba[..., c])
    return first, second
