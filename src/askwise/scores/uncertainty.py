"""Scores from class probabilities: where one model is unsure."""

from __future__ import annotations

from askwise.core import Array
from askwise.scores.arrays import array_namespace, largest, shannon


def random(noise: Array) -> Array:
    """Uniform random numbers; the baseline to beat, and the only draw with a known probability."""
    return noise


def least_confidence(proba: Array) -> Array:
    """One minus the probability of the likeliest class, in [0, 1) (Lewis & Gale, 1994; Culotta & McCallum, 2005)."""
    doubt: Array = 1 - largest(proba)
    return doubt


def margin(proba: Array) -> Array:
    """One minus the gap between the two likeliest classes, in [0, 1] (Scheffer et al., 2001)."""
    xp = array_namespace(proba)
    first = proba[..., 0]
    second = xp.zeros_like(first)
    for c in range(1, proba.shape[-1]):
        second = xp.maximum(second, xp.minimum(first, proba[..., c]))
        first = xp.maximum(first, proba[..., c])
    doubt: Array = 1 - (first - second)
    return doubt


def entropy(proba: Array) -> Array:
    """Shannon entropy of the class probabilities, in nats (Settles & Craven, 2008)."""
    return shannon(proba)
