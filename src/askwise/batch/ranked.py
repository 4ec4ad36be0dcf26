"""Batch rules that trade the score against closeness to what is labeled or picked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import framed, mean_row, nearest, places, unit
from askwise.batch.lazy import lazy_greedy
from askwise.core import Array, Rows

EAGER = 8
"""Labeled rows that every row is compared with at the start; the rest only where it matters."""


def ranked(score: Array, embedding: Array, labeled: Array, noise: Array, k: int) -> Rows:
    """Ranked batch mode (Cardoso et al., 2017): greedy max of a (1 - max_l similarity(x, l)) + (1 - a) score.

    a = |U| / (|U| + |L|) falls as rows are labeled or picked, similarity = 1 / (1 + distance), l runs over labeled and
    picked rows. Scores should lie in [0, 1]. Without labels the row nearest the mean comes first.
    """
    embedding, labeled = framed(embedding, labeled)
    n, m = len(score), len(labeled)
    start = int(nearest(embedding, mean_row(embedding)[None]).argmin()) if not m else None

    def share(picked: int) -> float:
        return (n - picked) / (n + m)

    return _spread(score, embedding, labeled, noise, k, start, share, lambda D: 1 / (1 + np.sqrt(D)))


def mmr(score: Array, embedding: Array, labeled: Array, noise: Array, k: int, *, diversity: float = 0.5) -> Rows:
    """Maximal marginal relevance (Carbonell & Goldstein, 1998): greedy max of (1 - d) score - d max_l cos(x, l).

    l runs over labeled and picked rows; scores are scaled to [0, 1] over the shortlist. Without labels the best score
    comes first.
    """
    low, high = float(score.min()), float(score.max())
    value = (score - low) / (high - low) if high > low else np.zeros(len(score))
    start = int(top_k(score, noise, 1)[0]) if not len(labeled) else None
    # squared distances of unit vectors are 2 - 2 cos
    E = places(embedding, directions=True)
    return _spread(
        value, E, E.move(unit(labeled, np.float64)), noise, k, start, lambda _: diversity, lambda D: 1 - 0.5 * D
    )


def _spread(
    score: Array, embedding: Array, labeled: Array, noise: Array, k: int, start: int | None,
    share: Callable[[int], float], similarity: Callable[[Array], Array],
) -> Rows:  # fmt: skip
    """Greedy max of share(picked) (1 - max similarity to a center) + (1 - share(picked)) score.

    The similarity to the nearest center only ever grows, so an old one is a bound, and only rows that may be the best
    are compared with the centers they have not seen. `start` is the first pick where nothing is labeled.
    """
    n, m = embedding.shape[0], len(labeled)
    k = min(k, n)
    centers = np.empty((m + k, embedding.shape[1]), labeled.dtype)
    centers[:m] = labeled
    first: tuple[int, ...] = ()
    if start is not None:
        first, centers[m] = (start,), embedding[start]
    filled = m + len(first)
    near = nearest(embedding, centers[: min(EAGER, filled)])
    close = similarity(near)
    seen = np.full(n, min(EAGER, filled))

    def bound() -> Array:
        a = share(filled - m)
        return a * (1 - close) + (1 - a) * score

    def refresh(rows: Rows) -> None:
        rows = rows[seen[rows] < filled]
        if len(rows):
            near[rows] = np.minimum(near[rows], nearest(embedding[rows], centers[seen[rows].min() : filled]))
            close[rows] = similarity(near[rows])
            seen[rows] = filled

    def take(i: int) -> None:
        nonlocal filled
        centers[filled] = embedding[i]
        filled += 1

    return lazy_greedy(bound, refresh, take, noise, k, first)
