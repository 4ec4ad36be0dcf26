"""Batch rules for more of what some rows are examples of."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import BLOCK, unit
from askwise.core import Array, Rows

EXAMPLES = 500
"""Examples that count, the last: work grows with rows x examples x rows wanted."""
DIGITS = 5
"""Of a gain: what shards round differently lies below."""


def targeted(
    score: Array,
    embedding: Array,
    labeled: Array,
    labeled_y: Array,
    noise: Array,
    k: int,
    *,
    relevance: float = 1.0,
    column: int | None = None,
) -> Rows:
    """Facility location mutual information with the labeled rows of a class (SIMILAR, Kothawade et al., 2021).

    Greedy for Σ_q max_a s(q, a) + relevance Σ_a max_q s(a, q) over examples q and picked rows a: every example has a
    picked row like it, and every picked row is like some example. s = (1 + cos) / 2. The paper's s are those of
    gradient embeddings. Pending rows are no examples and cover none. Without examples the best scores are taken.

    Args:
        score: (n,) decides while there is no example.
        embedding: (n, d).
        labeled: (m, d) labeled and pending rows.
        labeled_y: (m,) class numbers, below 0 for pending rows.
        noise: (n,) for ties.
        k: Rows wanted.
        relevance: η: 0 = cover the examples, large = resemble any of them.
        column: Number of the class; None = the one with the fewest labels, the first of equals.
    """
    y = np.asarray(labeled_y)
    known = y[y >= 0]
    if column is None and len(known):
        met, count = np.unique(known, return_counts=True)
        column = int(met[count.argmin()])
    examples = np.flatnonzero(y == column)[-EXAMPLES:] if column is not None else np.zeros(0, np.intp)
    if not len(examples):
        return top_k(score, noise, k)
    S = _similarity(embedding, np.asarray(labeled)[examples])
    alike = relevance * S.max(1).astype(np.float64)
    covered = np.zeros(len(examples), np.float32)
    free = np.ones(len(S), bool)
    picked: list[int] = []
    while len(picked) < min(k, len(S)):
        gain = alike + np.maximum(S - covered, 0).sum(1, dtype=np.float64)
        gain = np.where(free, np.round(gain, DIGITS), -np.inf)
        best = np.flatnonzero(gain == gain.max())
        i = int(best[noise[best].argmax()])
        picked.append(i)
        free[i] = False
        covered = np.maximum(covered, S[i])
    return np.asarray(picked, np.intp)


def _similarity(embedding: Array, examples: Array) -> Array:
    """(n, examples) float32 (1 + cos) / 2."""
    Q = unit(examples)
    S = np.empty((len(embedding), len(Q)), np.float32)
    for start in range(0, len(S), BLOCK):
        S[start : start + BLOCK] = (1 + unit(embedding[start : start + BLOCK]) @ Q.T) / 2
    return S
