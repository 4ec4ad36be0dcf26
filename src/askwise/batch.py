"""Batch rules: a shortlist in, the positions of k rows out.

A batch rule is a pure function whose parameter names are signals of the shortlisted rows, `score`, `k`, `noise` (one
number per row, for ties) or `rng` (a generator seeded by the caller). It returns min(k, n) distinct positions in the
shortlist, most useful first. `labeled` holds labeled and pending rows alike.
"""

from __future__ import annotations

import numpy as np

from askwise.core import Array, Rows

BLOCK = 4096
"""Rows of a distance block: large enough for the matrix product, small enough for the cache."""


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


def k_center(embedding: Array, labeled: Array, noise: Array, k: int) -> Rows:
    """Greedy k-center: again and again the row farthest from everything labeled or picked (Sener & Savarese, 2018).

    Exact, yet lazy: distances to the nearest center only ever shrink, so an old one is an upper bound, and only the
    block of rows with the largest bounds is brought up to date. Without labels the row nearest the mean comes first.
    """
    n = len(embedding)
    k = min(k, n)
    centers = [np.asarray(row, np.float32) for row in labeled]
    picked: list[int] = []
    if not centers and k:
        picked.append(int(_distances(embedding, _mean(embedding)[None])[:, 0].argmin()))
        centers.append(np.asarray(embedding[picked[0]], np.float32))
    if len(picked) == k:
        return np.asarray(picked, np.intp)
    bound = _nearest(embedding, np.stack(centers[:8]))
    known = np.full(n, min(8, len(centers)))
    bound[picked] = -1
    while len(picked) < k:
        size = min(BLOCK, n)
        rows = np.sort(np.argpartition(-bound, size - 1)[:size])
        block = np.asarray(embedding[rows], np.float32)
        _catch_up(block, rows, bound, known, centers)
        inside = bound[rows].copy()
        bound[rows] = -1
        outside = bound.max()
        while len(picked) < k and inside.max() >= max(outside, 0):
            best = np.flatnonzero(inside == inside.max())
            i = best[noise[rows[best]].argmax()]
            picked.append(int(rows[i]))
            centers.append(block[i])
            inside = np.minimum(inside, _distances(block, block[i][None])[:, 0])
            inside[np.isin(rows, picked)] = -1
        bound[rows] = inside
        known[rows] = len(centers)
    return np.asarray(picked, np.intp)


def _catch_up(block: Array, rows: Rows, bound: Array, known: Array, centers: list[Array]) -> None:
    """Bring the bounds of a block's rows up to date with the centers they have not seen; picked rows (-1) stay out."""
    stale = np.flatnonzero((known[rows] < len(centers)) & (bound[rows] >= 0))
    if len(stale):
        since = int(known[rows[stale]].min())
        fresh = _nearest(block[stale], np.stack(centers[since:]))
        bound[rows[stale]] = np.minimum(bound[rows[stale]], fresh)
        known[rows[stale]] = len(centers)


def typical(embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """TypiClust: the most typical row of the largest clusters without a label (Hacohen, Dekel & Weinshall, 2022).

    Pool and labeled rows are cut into min(labeled + k, 500) clusters; those with the fewest labeled rows, the largest
    first, each give the row with the smallest mean distance to its 20 nearest neighbors in the cluster. Of clusters
    above 1,000 rows a random 1,000 are compared; centers are learned from at most 64 rows a cluster.
    """
    n, m = len(embedding), len(labeled)
    k = min(k, n)
    clusters = min(m + k, 500, n + m)
    centers = k_means(embedding, clusters, rng)
    home = _assign(embedding, centers)
    taken = np.bincount(_assign(labeled, centers), minlength=clusters) if m else np.zeros(clusters, np.intp)
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
    E = np.asarray(embedding[rows[chosen]], np.float32)
    near = min(neighbors, len(chosen) - 1)
    if near < 1:
        return int(chosen[0])
    apart = np.sqrt(np.partition(_distances(E, E), near, axis=1)[:, : near + 1]).sum(1)
    best = np.flatnonzero(apart <= apart.min() * (1 + 1e-5))
    return int(chosen[best[noise[rows[chosen[best]]].argmax()]])


def diverse(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """The best row of each of k clusters of the shortlist, clustered by score-weighted k-means (after Zhdanov, 2019).

    Zhdanov asks about the row nearest to each center; the best score in the cluster keeps the overall best row in
    every batch, so that k = 1 is `top_k`. Ordered by score.
    """
    n = len(score)
    if k == 1 or k >= n:
        return top_k(score, noise, k)
    low, high = float(score.min()), float(score.max())
    weight = (score - low) / (high - low) + 1e-3 if high > low else np.ones(n)
    home = _assign(embedding, k_means(embedding, k, rng, weight=weight))
    order = top_k(score, noise, n)
    _, first = np.unique(home[order], return_index=True)
    # where rows coincide there are fewer clusters than k: what follows by score fills up
    chosen = np.zeros(n, bool)
    chosen[np.sort(first)] = True
    chosen[np.flatnonzero(~chosen)[: k - int(chosen.sum())]] = True
    return order[chosen][:k]


def k_means(
    embedding: Array, k: int, rng: np.random.Generator, *, weight: Array | None = None, rounds: int = 10
) -> Array:
    """(k, d) float32 centers by Lloyd's algorithm (1982) on at most 64 * k rows, started as k-means++.

    The first center is a random row, each further one a row drawn with probability proportional to its squared
    distance from the centers so far (Arthur & Vassilvitskii, 2007).

    Args:
        embedding: (n, d), n >= 1; where n < k, some centers coincide.
        k: Number of centers.
        rng: Draws the rows and the start.
        weight: (n,) positive weights of the rows.
        rounds: Iterations at most.
    """
    n = len(embedding)
    rows = np.arange(n) if n <= 64 * k else np.sort(rng.choice(n, 64 * k, replace=False))
    E = np.asarray(embedding[rows], np.float32)
    w = np.ones(len(rows), np.float32) if weight is None else weight[rows].astype(np.float32)
    centers = E[_spread_out(E, w, k, rng)]
    home = np.full(len(E), -1)
    for _ in range(rounds):
        before, home = home, _assign(E, centers)
        if np.array_equal(before, home):
            break
        order = np.argsort(home, kind="stable")
        found, first = np.unique(home[order], return_index=True)
        sums = np.add.reduceat(E[order] * w[order, None], first, axis=0)
        centers[found] = sums / np.add.reduceat(w[order], first)[:, None]
    return centers


def _spread_out(E: Array, weight: Array, k: int, rng: np.random.Generator) -> Rows:
    """(k,) rows by D² sampling; where fewer than k differ, rows repeat."""
    rows = [int(rng.choice(len(E), p=weight / weight.sum(dtype=np.float64)))]
    squares = np.einsum("ij,ij->i", E, E)
    nearest = np.full(len(E), np.inf, np.float32)
    for _ in range(k - 1):
        last = rows[-1]
        nearest = np.minimum(nearest, np.maximum(squares - 2 * (E @ E[last]) + squares[last], 0))
        nearest[last] = 0
        chance = np.cumsum(nearest * weight, dtype=np.float64)
        rows.append(min(int(np.searchsorted(chance, rng.random() * chance[-1], side="right")), len(E) - 1))
    return np.asarray(rows, np.intp)


def _assign(embedding: Array, centers: Array) -> Array:
    """(n,) number of the nearest center."""
    half = 0.5 * np.einsum("ij,ij->i", centers, centers)
    home = np.empty(len(embedding), np.intp)
    for start in range(0, len(home), BLOCK):
        block = np.asarray(embedding[start : start + BLOCK], np.float32)
        home[start : start + BLOCK] = (block @ centers.T - half).argmax(1)
    return home


def _nearest(embedding: Array, centers: Array) -> Array:
    """(n,) squared distance to the nearest center, by blocks: never (n, n)."""
    out = np.empty(len(embedding), np.float32)
    for start in range(0, len(out), BLOCK):
        block = np.asarray(embedding[start : start + BLOCK], np.float32)
        out[start : start + BLOCK] = _distances(block, centers).min(1)
    return out


def _distances(A: Array, B: Array) -> Array:
    """(n, m) squared Euclidean distances."""
    A, B = np.asarray(A, np.float32), np.asarray(B, np.float32)
    D: Array = A @ B.T
    D *= -2
    D += np.einsum("ij,ij->i", A, A)[:, None]
    D += np.einsum("ij,ij->i", B, B)
    np.maximum(D, 0, out=D)
    return D


def _mean(embedding: Array) -> Array:
    total = np.zeros(embedding.shape[1])
    for start in range(0, len(embedding), BLOCK):
        total += np.asarray(embedding[start : start + BLOCK], np.float32).sum(0)
    return (total / max(1, len(embedding))).astype(np.float32)
