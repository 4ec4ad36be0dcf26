"""Scores of how little it takes to change a prediction."""

from __future__ import annotations

import numpy as np

from askwise.core import Array

NEVER = 1e6
"""The share of the way, where no step along the gradient changes the label."""
LEAST = 1e-30
"""Probabilities are clipped here before their logarithm: float32 has nothing below 1e-38."""
DIGITS = 5
"""Of log odds: what shards round differently lies below."""
ROUNDING = 1e-10
"""Part of the largest eigenvalue, or gain, below which there is only rounding."""


def flip_distance(
    proba: Array,
    embedding: Array,
    labeled: Array,
    labeled_y: Array,
    sample_proba: Array,
    sample_embedding: Array,
) -> Array:
    """Minus the smallest interpolation that changes the predicted label (ALFA-Mix, Parvaneh et al., 2022).

    The paper mixes a row z with an anchor a, the mean of the labeled rows of a class, by (1 - α) z + α a, and chooses
    the vector α of length below ε that raises the loss of the predicted label most: α (a - z) = ε |a - z| g / |g|, g
    the gradient of that loss. So an anchor says only how far to go along g, and the farthest reaches most. With logits
    that are linear in z the ε at which the label changes follows: for the predicted class y and any other j it is
    gap_j / (|a - z| (w_j - w_y) · g / |g|), where the logits of j gain on y at all; the smallest counts.

    The last layer w is the linear fit to the log odds of a sample: it is the model's own where these are linear in
    `embedding`, and stands in for it elsewhere.

    Args:
        proba: (n, classes).
        embedding: (n, d) rows before the last layer.
        labeled: (m, d) labeled and pending rows.
        labeled_y: (m,) class numbers; pending rows (below 0) say nothing. Without labels all rows go a step of 1.
        sample_proba: (s, classes) of a sample of the candidates.
        sample_embedding: (s, d).

    Returns:
        (n,) minus ε, in [-NEVER, 0].
    """
    P, E = np.asarray(proba, np.float64), np.asarray(embedding, np.float64)
    n, classes = P.shape
    if classes < 2:  # nothing can change
        return np.full(n, -NEVER)
    W = _last_layer(np.asarray(sample_proba, np.float64), np.asarray(sample_embedding, np.float64))
    guess = np.round(P, 5).argmax(1)
    residual = P.copy()
    residual[np.arange(n), guess] -= 1
    gradient = residual @ W
    length = np.sqrt(np.einsum("ij,ij->i", gradient, gradient))
    direction = gradient / np.where(length > 0, length, 1)[:, None]
    gain = direction @ W.T
    gain -= gain[np.arange(n), guess][:, None]
    logits = np.log(np.maximum(P, LEAST))
    gap = np.round(np.maximum(logits[np.arange(n), guess][:, None] - logits, 0), DIGITS)
    rising = gain > ROUNDING * np.abs(W).max()
    # between equally likely classes no step is needed, even where none leads anywhere
    step = np.where(rising, gap / np.where(rising, gain, 1), np.where(gap > 0, np.inf, 0))
    step[np.arange(n), guess] = np.inf
    step = step.min(1)
    needed: Array = step / _farthest(E, _anchors(labeled, labeled_y))
    return -np.minimum(needed, NEVER)


def _last_layer(P: Array, E: Array) -> Array:
    """(classes, d) weights of the least squares fit to the log odds, each column of classes centered."""
    logits = np.log(np.maximum(P, LEAST))
    logits -= logits.mean(1, keepdims=True)
    Z = E - E.mean(0)
    values, vectors = np.linalg.eigh(Z.T @ Z)
    kept = values > ROUNDING * values[-1]
    inverse = np.where(kept, 1 / np.where(kept, values, 1), 0)
    W: Array = ((vectors * inverse) @ (vectors.T @ (Z.T @ logits))).T
    return W


def _anchors(labeled: Array, labeled_y: Array) -> Array:
    """(classes met, d) mean of the labeled rows of each class."""
    y = np.asarray(labeled_y)
    met = np.unique(y[y >= 0])
    L = np.asarray(labeled, np.float64)
    return np.stack([L[y == c].mean(0) for c in met]) if len(met) else np.zeros((0, L.shape[1]))


def _farthest(E: Array, anchors: Array) -> Array:
    """(n,) distance to the farthest anchor; 1 without any, and where all of them coincide with the row."""
    if not len(anchors):
        return np.ones(len(E))
    squares = np.zeros(len(E))
    for anchor in anchors:
        away = E - anchor
        squares = np.maximum(squares, np.einsum("ij,ij->i", away, away))
    return np.where(squares > 0, np.sqrt(squares), 1)
