"""Scores by a kernel between candidates and labeled rows."""

from __future__ import annotations

import numpy as np

from askwise.core import Array


def quire(embedding: Array, labeled: Array, labeled_proba: Array) -> Array:
    """QUIRE: informative for the labeled, representative of the unlabeled rows (Huang, Jin & Zhou, 2010).

    The paper minimises over s the worst value, over the label of s and free labels of the other unlabeled rows a, of
    y' L y with L = (K + I)⁻¹. With Q = L_uu⁻¹ and block inversion all L_aa⁻¹ (each a downdate Q_aa - Q_as Q_sa / Q_ss)
    cancel: up to a constant that value is (1 + |μ_s|)² / v_s, where μ is the mean and v = Q_ss the variance that kernel
    ridge regression gives s. So no (n, n) matrix is built. K is Gaussian with the labeled rows' mean squared distance
    as its width; more than two classes are taken one against the rest and averaged.

    Args:
        embedding: (n, d).
        labeled: (m, d).
        labeled_proba: (m, classes) what is known of the labeled rows: one-hot answers, or the model's predictions.

    Returns:
        (n,) minus the mean over the classes of (1 + |μ|)² / v.
    """
    from scipy.linalg import cho_factor, cho_solve

    X = np.asarray(embedding, np.float64)
    L = np.asarray(labeled, np.float64)
    if not len(L):
        return np.full(len(X), -1 / 2.0)
    Y = 2 * np.asarray(labeled_proba, np.float64) - 1
    center = L.mean(0)
    L, X = L - center, X - center
    width = 2 * np.einsum("ij,ij->", L, L) / len(L)
    gamma = 1 / width if width > 0 else 1.0
    factor = cho_factor(_gaussian(L, L, gamma) + np.eye(len(L)))
    K = _gaussian(X, L, gamma)
    solved = cho_solve(factor, K.T)
    mean = solved.T @ Y
    variance = 2 - np.einsum("ij,ji->i", K, solved)
    score: Array = -((1 + np.abs(mean)) ** 2).mean(1) / variance
    return score


def _gaussian(A: Array, B: Array, gamma: float) -> Array:
    D = np.einsum("ij,ij->i", A, A)[:, None] + np.einsum("ij,ij->i", B, B) - 2 * (A @ B.T)
    kernel: Array = np.exp(-gamma * np.maximum(D, 0))
    return kernel
