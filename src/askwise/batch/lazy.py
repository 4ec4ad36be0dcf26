"""Lazy greedy choice where values only shrink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from askwise.core import Array, Rows

FRESH = 128
"""Rows brought up to date at a time; doubled while that does not decide the pick."""


def lazy_greedy(
    bound: Callable[[], Array],
    refresh: Callable[[Rows], None],
    take: Callable[[int], None],
    noise: Array,
    k: int,
    first: tuple[int, ...] = (),
) -> Rows:
    """Again and again the row of the largest value, the values of few rows computed (Minoux, 1978).

    Equal values are decided by noise. The choice is that of the plain greedy loop.

    Args:
        bound: () -> (n,) values, too large where they are out of date.
        refresh: Brings the values of these rows up to date.
        take: Told each picked row, after which no value has grown more than `bound` shows.
        noise: (n,) numbers for ties.
        k: Rows wanted, at most n.
        first: Rows picked and taken already; they lead the answer.
    """
    n = len(noise)
    free = np.ones(n, bool)
    picked = list(first)
    free[picked] = False
    while len(picked) < k:
        fresh = np.zeros(n, bool)
        size = FRESH
        while True:
            value = np.where(free, bound(), -np.inf)
            best = np.flatnonzero(value == value.max())
            i = int(best[noise[best].argmax()])
            if fresh[i]:
                break
            size = min(size, n)
            rows = np.union1d(np.argpartition(-value, size - 1)[:size], [i])
            rows = rows[free[rows] & ~fresh[rows]]
            refresh(rows)
            fresh[rows] = True
            size *= 2
        picked.append(i)
        free[i] = False
        take(i)
    return np.asarray(picked, np.intp)
