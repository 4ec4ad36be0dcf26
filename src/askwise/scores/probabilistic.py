"""Scores from label statistics around a row instead of a model's opinion."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import xlog1py, xlogy

from askwise.core import Array

LOOK_AHEAD = 2
"""Answers imagined at a row; more changed nothing in the paper."""


def probabilistic_gain(embedding: Array, labeled: Array, labeled_y: Array, sample_embedding: Array) -> Array:
    """Density times expected gain in accuracy around the row: McPAL (Kottke, Krempl, Lang et al., 2016).

    A Gaussian kernel counts the labels near x, k_c = sum of K(x, l) over labeled rows l of class c. The class
    probabilities at x are Dirichlet(k + 1); imagining m = 1, 2 answers there, the gain is how much the expected
    accuracy of the majority decision rises for each answer, the larger of the two. Where few labels are near, or they
    disagree, an answer teaches much; the density says how many rows that helps.

    Args:
        embedding: (n, d).
        labeled: (m, d) embeddings of labeled and pending rows.
        labeled_y: (m,) class numbers; pending rows (below 0) say nothing.
        sample_embedding: (s, d) random candidates that stand for the pool.
    """
    gamma = kernel_scale(sample_embedding)
    density = _kernel(embedding, sample_embedding, gamma).mean(1)
    value: Array = density * expected_gain(_label_counts(embedding, labeled, labeled_y, gamma))
    return value


def epistemic(embedding: Array, labeled: Array, labeled_y: Array, sample_embedding: Array) -> Array:
    """What more labels here could settle, in [0, 1]: epistemic uncertainty (Nguyen, Destercke & Hüllermeier, 2019).

    With p and n labels of two classes near x (kernel counts), a share t of the first has the relative likelihood
    R(t) = t^p (1 - t)^n / max. The plausibility of the one class is sup_t min(R(t), 2 t - 1), of the other
    sup_t min(R(t), 1 - 2 t); the score is the smaller: high where both are plausible because labels are few, low where
    labels are many, also if they disagree (no label can settle that doubt). Of more than two classes the two with the
    most labels near x count.

    Args:
        embedding: (n, d).
        labeled: (m, d) embeddings of labeled and pending rows.
        labeled_y: (m,) class numbers; pending rows (below 0) say nothing.
        sample_embedding: (s, d) random candidates, for the width of the kernel.
    """
    counts = np.sort(_label_counts(embedding, labeled, labeled_y, kernel_scale(sample_embedding)), axis=1)
    p, n = counts[:, -1], counts[:, -2]
    value: Array = np.round(np.minimum(_plausible(p, n), _plausible(n, p)), 9)
    return value


def _plausible(p: Array, n: Array) -> Array:
    """(n,) sup over t of min(R(t), 2 t - 1): beyond the likeliest share one falls, one rises, so they cross once."""
    total = np.maximum(p + n, 1e-300)
    likeliest = np.where(p + n > 0, p / total, 1.0)
    low, high = np.maximum(likeliest, 0.5), np.ones(len(p))
    peak = xlogy(p, p / total) + xlogy(n, n / total)
    for _ in range(50):
        middle = (low + high) / 2
        above = np.exp(xlogy(p, middle) + xlog1py(n, -middle) - peak) > 2 * middle - 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    found: Array = np.maximum(2 * low - 1, 0)
    return found


def _label_counts(embedding: Array, labeled: Array, labeled_y: Array, gamma: float) -> Array:
    """(n, classes) kernel counts of the labels near each row; at least two classes."""
    y = np.asarray(labeled_y)
    known = np.flatnonzero(y >= 0)
    classes = max(2, int(y[known].max()) + 1) if len(known) else 2
    counts = np.zeros((len(embedding), classes))
    if len(known):
        near = _kernel(embedding, np.asarray(labeled)[known], gamma)
        for c in np.unique(y[known]):
            counts[:, c] = near[:, y[known] == c].sum(1)
    return counts


def expected_gain(counts: Array) -> Array:
    """(n,) largest expected rise in accuracy for each imagined answer, from (n, classes) label counts."""
    alpha = np.asarray(counts, float) + 1
    total, best = alpha.sum(1), alpha.max(1)
    now = best / total
    one = np.zeros(len(alpha))
    two = np.zeros(len(alpha))
    for c in range(alpha.shape[1]):
        first = alpha[:, c] / total
        after = np.maximum(best, alpha[:, c] + 1)
        one += first * after / (total + 1)
        # the second answer: of the same class, or of another
        again = (alpha[:, c] + 1) / (total + 1)
        two += first * again * np.maximum(best, alpha[:, c] + 2) / (total + 2)
        other = np.maximum(after[:, None], alpha + 1)
        other[:, c] = 0
        two += first * (alpha / (total + 1)[:, None] * other).sum(1) / (total + 2)
    gain: Array = np.maximum(np.maximum(one - now, (two - now) / LOOK_AHEAD), 0)
    return np.round(gain, 12)  # where no answer can change the decision, what is left is rounding


def kernel_scale(sample: Array) -> float:
    """Gamma of exp(-gamma |x - u|²) by the mean criterion (Chaudhuri et al., 2017), from (s, d) rows."""
    s = len(sample)
    spread = float(np.asarray(sample, float).var(axis=0).sum()) if s > 1 else 0.0
    if spread == 0:
        return 1.0
    squared = 2 * s * spread / ((s - 1) * math.log((s - 1) / 2e-12))
    return 0.5 / squared


def _kernel(A: Array, B: Array, gamma: float) -> Array:
    """(n, m) Gaussian kernel."""
    A, B = np.asarray(A, np.float64), np.asarray(B, np.float64)
    if len(B):  # what all rows have in common would drown what tells them apart
        center = B.mean(0)
        A, B = A - center, B - center
    squares = np.einsum("ij,ij->i", A, A)[:, None] + np.einsum("ij,ij->i", B, B) - 2 * (A @ B.T)
    value: Array = np.exp(-gamma * np.maximum(squares, 0))
    return value
