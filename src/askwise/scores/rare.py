"""Scores that hunt for a rare class."""

from __future__ import annotations

import numpy as np

from askwise.core import Array
from askwise.scores.arrays import array_namespace


def relevance(proba: Array, sample_proba: Array) -> Array:
    """Probability of the rarest class: certainty sampling (Lewis & Gale, 1994; Cormack & Grossman, 2014).

    Rarest is the class with the smallest mean probability over the sample, the first of equals.

    Args:
        proba: (n, classes).
        sample_proba: (sample, classes) of random candidates.
    """
    # rounded, so that classes which differ only by the order of a sum stay equals
    rarest = int(np.round(np.asarray(sample_proba, np.float64).mean(0), 5).argmin())
    return proba[..., rarest]


def relevance_of(proba: Array, classes: Array, positive: str) -> Array:
    """Probability of the class `positive`; 0 for a class that the model has not met, so that chance decides."""
    column = np.flatnonzero(np.asarray(classes).astype(str) == str(positive))
    if len(column):
        return proba[..., int(column[0])]
    xp = array_namespace(proba)
    none: Array = xp.zeros_like(proba[..., 0])
    return none
