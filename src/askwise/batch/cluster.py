"""Batch rules by clusters of the shortlist."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import assign
from askwise.core import Array, Rows


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
    home = assign(embedding, k_means(embedding, k, rng, weight=weight))
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
        before, home = home, assign(E, centers)
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
