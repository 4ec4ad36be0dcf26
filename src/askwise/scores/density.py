"""Scores that weigh doubt by the company a row keeps."""

from __future__ import annotations

import numpy as np

from askwise.core import Array
from askwise.scores.arrays import shannon

TINY = 1e-7
"""Probabilities are raised to this before a ratio of them is taken."""


def information_density(proba: Array, embedding: Array, pool_mean: Array, *, power: float = 1.0) -> Array:
    """Entropy times the mean similarity to the candidates (Settles & Craven, 2008): doubt about what is common.

    s(x) · (mean_u sim(x, u))^power with sim = (1 + cos) / 2, in [0, 1] whatever the signs of the features. The mean of
    cosines is one product with the mean of the unit vectors: mean_u cos(x, u) = x / |x| · mean_u u / |u|.

    Args:
        proba: (n, classes).
        embedding: (n, d).
        pool_mean: (d,) mean of the candidates' embeddings, each scaled to length one.
        power: Weight of density against doubt.
    """
    doubt = np.asarray(shannon(proba))
    value: Array = doubt * similarity_to_pool(embedding, pool_mean) ** power
    return value


def similarity_to_pool(embedding: Array, pool_mean: Array) -> Array:
    """(n,) mean over the candidates u of (1 + cos(x, u)) / 2, in [0, 1]; rows of zeros are at 1/2."""
    E = np.asarray(embedding)
    E = E if E.dtype.kind == "f" else E.astype(np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", E, E))
    cosine = (E @ pool_mean.astype(E.dtype)) / np.where(length > 0, length, 1)
    value: Array = np.clip((1 + cosine) / 2, 0, 1)
    return value


def contrastive(
    proba: Array, embedding: Array, labeled: Array, labeled_proba: Array, *, neighbors: int | None = None
) -> Array:
    """Mean KL(p(n) ; p(x)) over the nearest labeled rows n: where alike rows are told apart (Margatina et al., 2021).

    With the neighbors' means of p and of Σ_c p_c log p_c it is mean(Σ p log p) - Σ_c mean(p)_c log p_c(x): no matrix of
    pairs but that of distances. Without labeled rows every score is zero.

    Args:
        proba: (n, classes).
        embedding: (n, d).
        labeled: (m, d) embeddings of the labeled rows.
        labeled_proba: (m, classes) what the model says of them.
        neighbors: Nearest labeled rows that count, all if there are fewer. None = the paper's 10, but at most a tenth
            of the labeled rows: ten neighbors among a few dozen labels belong to all classes, and what differs from
            their mean is what the model is sure of (on digits with 10 to 110 labels: 71 % accuracy; with one, 86 %).
    """
    m = len(labeled)
    if not m:
        return np.zeros(len(proba))
    near = min(neighbors or min(10, max(1, m // 10)), m)
    L = np.asarray(labeled, np.float64)
    center = L.mean(0)  # what all rows have in common would drown what tells them apart
    L = (L - center).astype(np.float32)
    P = np.maximum(np.asarray(labeled_proba, np.float64), TINY)
    P /= P.sum(1, keepdims=True)
    told = np.column_stack([P, (P * np.log(P)).sum(1)])
    half = 0.5 * np.einsum("ij,ij->i", L, L)
    closeness = np.subtract(embedding, center, dtype=np.float64).astype(np.float32) @ L.T - half
    if near < m:
        # labeled rows as near as the last of the nearest count too: which of them came first must not matter
        chosen = closeness >= np.partition(closeness, m - near, axis=1)[:, m - near, None]
        mean = (chosen @ told) / chosen.sum(1, keepdims=True)
    else:
        mean = np.broadcast_to(told.mean(0), (len(proba), told.shape[1]))
    doubt = np.maximum(np.asarray(proba, np.float64), TINY)
    doubt /= doubt.sum(1, keepdims=True)
    # where neighbors and row agree, what is left of the difference is rounding
    value: Array = np.round(mean[:, -1] - (mean[:, :-1] * np.log(doubt)).sum(1), 6)
    return value


def unsteady(flips: Array) -> Array:
    """Share of predictions from mostly dropped features that change the label (DropQuery, Gupte et al., 2024)."""
    return flips
