"""Batch rules on the graph of nearest neighbors."""

from __future__ import annotations

import numpy as np

from askwise.batch.distances import distances, places
from askwise.core import Array, Rows

BLOCK = 1024
"""Rows compared with all others at a time."""
NODES = 10_000
"""Rows of the graph at most; finding neighbors takes time in proportion to the square."""


def graph_density(
    embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator, *, neighbors: int = 10
) -> Rows:
    """Rows in the thick of the neighbor graph, the graph thinned around each pick (Ebert, Fritz & Schiele, 2012).

    Two rows are joined when one is among the other's 10 nearest; an edge weighs exp(-|x - y|² / (2 s²)), s² the median
    squared length of the edges (the paper takes Manhattan distances, and s by hand). A row's density is the mean weight
    of its edges; each labeled or picked row takes its own density away from its neighbors. Of larger pools, `NODES`
    random rows are candidates; at most as many labeled ones count.
    """
    n = len(noise)
    rows = np.arange(n) if n <= NODES else np.sort(rng.choice(n, max(k, NODES), replace=False))
    m = min(len(labeled), NODES)
    # labeled rows first
    E = places(embedding)
    E = np.concatenate([E.move(labeled[len(labeled) - m :]), E[rows]])
    if len(E) < 2:
        return rows[:k]
    start, end, weight = neighbor_graph(E, min(neighbors, len(E) - 1))
    first = np.searchsorted(start, np.arange(len(E) + 1))
    density = np.bincount(start, weight, len(E)) / np.bincount(start, minlength=len(E))
    tie = np.append(np.zeros(m), noise[rows])
    free = np.ones(len(E), bool)

    def thin(i: int) -> None:
        density[end[first[i] : first[i + 1]]] -= density[i]
        free[i] = False

    for i in range(m):
        thin(i)
    picked = []
    for _ in range(min(k, n)):
        value = np.where(free, np.round(density, 6), -np.inf)
        best = np.flatnonzero(value == value.max())
        i = int(best[tie[best].argmax()])
        picked.append(i - m)
        thin(i)
    return rows[picked]


def neighbor_graph(E: Array, neighbors: int) -> tuple[Array, Array, Array]:
    """Start, end and weight of every edge in both directions, ordered by start."""
    start = np.repeat(np.arange(len(E)), neighbors)
    ends, squares = [], []
    for at in range(0, len(E), BLOCK):
        D = distances(E[at : at + BLOCK], E)
        own = np.arange(len(D))
        D[own, at + own] = np.inf
        near = np.argpartition(D, neighbors - 1, axis=1)[:, :neighbors]
        ends.append(near.ravel())
        squares.append(np.take_along_axis(D, near, axis=1).ravel())
    end, square = np.concatenate(ends), np.concatenate(squares).astype(np.float64)
    both = np.concatenate([start * len(E) + end, end * len(E) + start])
    both, first = np.unique(both, return_index=True)
    square = np.concatenate([square, square])[first]
    width = float(np.median(square)) or 1.0
    return both // len(E), both % len(E), np.exp(-square / (2 * width))
