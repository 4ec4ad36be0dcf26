"""The best scores."""

from __future__ import annotations

import numpy as np

from askwise.core import Array, Rows


def top_k(score: Array, noise: Array, k: int) -> Rows:
    """The k best scores, best first; equal scores in the order of their noise."""
    n = len(score)
    k = min(k, n)
    if 0 < k < n:
        threshold = np.partition(score, n - k)[n - k]
        above = np.flatnonzero(score > threshold)
        tied = np.flatnonzero(score == threshold)
        left = k - len(above)
        if left < len(tied):
            tied = tied[np.argpartition(-noise[tied], left)[:left]]
        rows = np.concatenate([above, tied])
    else:
        rows = np.arange(n if k else 0)
    return rows[np.lexsort((rows, -noise[rows], -score[rows]))]
