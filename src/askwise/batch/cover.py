"""Batch rules that cover the pool."""

from __future__ import annotations

import numpy as np

from askwise.batch.cluster import lloyd
from askwise.batch.distances import BLOCK, assign, distances, framed, mean_row, nearest
from askwise.core import Array, Rows

TYPICAL = 20
"""Labels after which `cold` asks about no typical row any more; 10 to 30 find rare ones equally soon."""
FAR = 1.5
"""Medians of the distance at which distance counts no more, as in `cluster`, for the same reason."""


def k_center(embedding: Array, labeled: Array, noise: Array, k: int) -> Rows:
    """Greedy k-center: again and again the row farthest from everything labeled or picked (Sener & Savarese, 2018).

    Exact, yet lazy: distances to the nearest center only ever shrink, so an old one is an upper bound, and only the
    block of rows with the largest bounds is brought up to date. Without labels the row nearest the mean comes first.
    """
    embedding, labeled = framed(embedding, labeled)
    n = len(embedding)
    k = min(k, n)
    centers = list(labeled)
    picked: list[int] = []
    if not centers and k:
        picked.append(int(nearest(embedding, mean_row(embedding)[None]).argmin()))
        centers.append(embedding[picked[0]])
    if len(picked) == k:
        return np.asarray(picked, np.intp)
    # of a pool that is one block no row could stay behind
    first = len(centers) if n <= BLOCK else min(8, len(centers))
    bound = nearest(embedding, np.stack(centers[:first]))
    known = np.full(n, first)
    bound[picked] = -1
    while len(picked) < k:
        size = min(BLOCK, n)
        rows = np.sort(np.argpartition(-bound, size - 1)[:size])
        block = embedding[rows]
        _catch_up(block, rows, bound, known, centers)
        inside = bound[rows].copy()
        bound[rows] = -1
        outside = bound.max()
        while len(picked) < k and inside.max() >= max(outside, 0):
            best = np.flatnonzero(inside == inside.max())
            i = best[noise[rows[best]].argmax()]
            picked.append(int(rows[i]))
            if len(picked) == k:
                return np.asarray(picked, np.intp)
            centers.append(block[i])
            inside = np.minimum(inside, distances(block, block[i][None])[:, 0])
            inside[np.isin(rows, picked)] = -1
        bound[rows] = inside
        known[rows] = len(centers)
    return np.asarray(picked, np.intp)


def _catch_up(block: Array, rows: Rows, bound: Array, known: Array, centers: list[Array]) -> None:
    """Bring the bounds of a block's rows up to date with the centers they have not seen; picked rows (-1) stay out."""
    stale = np.flatnonzero((known[rows] < len(centers)) & (bound[rows] >= 0))
    if len(stale):
        since = int(known[rows[stale]].min())
        fresh = nearest(block[stale], np.stack(centers[since:]))
        bound[rows[stale]] = np.minimum(bound[rows[stale]], fresh)
        known[rows[stale]] = len(centers)


def around(embedding: Array, labeled: Array, k: int, *, neighbors: int = 100) -> Rows:
    """Ascending rows that are among the nearest neighbors of a labeled row (SEALS, Coleman et al., 2022).

    Where fewer than k are found, more neighbors count. Only candidates come back, never a labeled row.

    Args:
        embedding: (n, d) candidates.
        labeled: (m, d), m >= 1.
        k: Rows needed at least (all, if there are fewer).
        neighbors: Of each labeled row.
    """
    embedding, labeled = framed(embedding, labeled)
    n, m = len(embedding), len(labeled)
    near = max(neighbors, -(-k // m))
    while near < n:
        found, apart = np.zeros((m, 0), np.intp), np.zeros((m, 0), np.float32)
        for start in range(0, n, BLOCK):
            D = distances(labeled, embedding[start : start + BLOCK])
            found = np.hstack([found, np.broadcast_to(np.arange(start, start + D.shape[1]), D.shape)])
            apart = np.hstack([apart, D])
            if apart.shape[1] > near:
                best = np.argpartition(apart, near - 1, axis=1)[:, :near]
                found, apart = np.take_along_axis(found, best, 1), np.take_along_axis(apart, best, 1)
        rows = np.unique(found)
        if len(rows) >= k:
            return rows
        near *= 2
    return np.arange(n)


def drawn_apart(embedding: Array, labeled: Array, k: int, rng: np.random.Generator, *, far: float = FAR) -> Rows:
    """Rows drawn one after the other, with chances as their squared distance to the nearest row labeled or drawn.

    That is the seeding of k-means++ (Arthur & Vassilvitskii, 2007) with squared distances capped at far² times their
    median: an outlier is at most so many times as likely as a middling row, so junk does not take all questions, no row
    that differs from all labeled ones is out of reach, and a copy of a labeled one is never drawn while others are
    left. Where all distances are alike (long texts) it is a uniform draw without near-copies.

    Args:
        embedding: (n, d) candidates.
        labeled: (m, d), m >= 0.
        k: Rows to draw.
        rng: Draws.
        far: In medians of the distance.
    """
    embedding, labeled = framed(embedding, labeled)
    n = len(embedding)
    near = nearest(embedding, labeled).astype(np.float64) if len(labeled) else np.ones(n)
    free, picked, known = np.ones(n, bool), list[int](), bool(len(labeled))
    while len(picked) < min(k, n):
        rows = np.flatnonzero(free)
        weight = near[rows]
        middle = float(np.median(weight))
        if middle > 0:
            weight = np.minimum(weight, far**2 * middle)
        total = weight.sum()
        if not total > 0:
            weight, total = np.ones(len(rows)), float(len(rows))
        row = int(rows[rng.choice(len(rows), p=weight / total)])
        picked.append(row)
        free[row] = False
        apart = distances(embedding, embedding[row][None])[:, 0]
        near, known = np.minimum(near, apart) if known else apart.astype(np.float64), True
    return np.asarray(picked, np.intp)


def cold(embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """Which rows are asked while fewer than two classes are known: `typical` ones and `drawn_apart` in turns.

    Typical rows show common classes within a few questions, where each has a region of its own. Where one lies all
    around another, or is rare and like nothing else, typical rows never meet it; the draws do. After `TYPICAL` rows of
    one class more typical ones tell nothing, and all are drawn (docs/default.md has what was measured).
    """
    m, n = len(labeled), len(embedding)
    k = min(k, n)
    turns = sum(at % 2 == 0 and at < TYPICAL for at in range(m, m + k))
    typically = typical(embedding, labeled, noise, turns, rng) if turns else np.zeros(0, np.intp)
    rest = np.setdiff1d(np.arange(n), typically)
    known = np.concatenate([np.asarray(labeled).reshape(m, embedding.shape[1]), embedding[typically]])
    apart = iter(rest[drawn_apart(embedding[rest], known, k - turns, rng)].tolist())
    first = iter(typically.tolist())
    return np.array([next(first) if at % 2 == 0 and at < TYPICAL else next(apart) for at in range(m, m + k)], np.intp)


def typical(embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """TypiClust: the most typical row of the largest clusters without a label (Hacohen, Dekel & Weinshall, 2022).

    Pool and labeled rows are cut into min(labeled + k, 500) clusters; those with the fewest labeled rows, the largest
    first, each give the row with the smallest mean distance to its 20 nearest neighbors in the cluster. Of clusters
    above 1,000 rows a random 1,000 are compared; centers are learned from at most 64 rows a cluster.
    """
    embedding, labeled = framed(embedding, labeled)
    n, m = len(embedding), len(labeled)
    k = min(k, n)
    clusters = min(m + k, 500, n + m)
    centers = lloyd(embedding, clusters, rng)
    home = assign(embedding, centers)
    taken = np.bincount(assign(labeled, centers), minlength=clusters) if m else np.zeros(clusters, np.intp)
    free = np.ones(n, bool)
    picked: list[int] = []
    while len(picked) < k:
        size = np.bincount(home[free], minlength=clusters)
        usable = np.flatnonzero(size)
        for c in usable[np.lexsort((-size[usable], taken[usable]))][: k - len(picked)]:
            rows = np.flatnonzero(free & (home == c))
            i = int(rows[_most_typical(embedding, rows, noise, rng)])
            picked.append(i)
            free[i] = False
            taken[c] += 1
    return np.asarray(picked, np.intp)


def _most_typical(embedding: Array, rows: Rows, noise: Array, rng: np.random.Generator, neighbors: int = 20) -> int:
    chosen = np.arange(len(rows)) if len(rows) <= 1000 else np.sort(rng.choice(len(rows), 1000, replace=False))
    E = embedding[rows[chosen]]
    near = min(neighbors, len(chosen) - 1)
    if near < 1:
        return int(chosen[0])
    D = distances(E, E)
    np.fill_diagonal(D, 0)  # what rounding leaves there differs from row to row
    apart = np.sqrt(np.partition(D, near, axis=1)[:, : near + 1]).sum(1)
    best = np.flatnonzero(apart <= apart.min() * (1 + 1e-5))
    return int(chosen[best[noise[rows[chosen[best]]].argmax()]])
