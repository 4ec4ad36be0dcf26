"""Batch rules for items that may have several labels."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.core import Array, Rows

BITS = 18
"""Bits of a product that count, as in the engine: shards round the last bits differently."""


def by_label_ranks(score: Array, proba: Array, noise: Array, k: int) -> Rows:
    """CVIRS: the k best products of score and label ranks (Reyes, Morell & Ventura, 2018).

    For each label the rows are ranked by |p_on - p_off|, the smallest first; a row's Borda count is the mean over
    labels of the share of rows ranked behind it. Equal margins share the mean of their ranks.

    Args:
        score: (n,) category vector inconsistency.
        proba: (n, labels, 2).
        noise: (n,) for ties.
        k: Rows wanted.
    """
    mantissa, exponent = np.frexp(score * borda(proba))
    return top_k(np.ldexp(np.round(mantissa * 2**BITS), exponent - BITS), noise, k)


def borda(proba: Array) -> Array:
    """(n,) mean over labels of the share of rows with a larger margin, in [0, 1]; 1 for a single row."""
    from scipy.stats import rankdata

    n, labels = proba.shape[:2]
    if n < 2:
        return np.ones(n)
    total = np.zeros(n)
    for label in range(labels):
        margin = np.abs(proba[:, label, 1].astype(np.float64) - proba[:, label, 0])
        total += n - rankdata(np.round(margin, 5))
    share: Array = total / (labels * (n - 1))
    return share
