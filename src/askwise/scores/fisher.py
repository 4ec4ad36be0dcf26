"""Scores by Fisher information: how much of what is unknown about the pool an answer would settle."""

from __future__ import annotations

import numpy as np

from askwise.core import Array

BLOCK = 4096
"""Rows compared with the whole sample at a time."""


def variance_reduction(proba: Array, whitened: Array, sample_proba: Array, sample_whitened: Array) -> Array:
    """Fall of the summed variance of the predicted probabilities on the pool, a row (Schein & Ungar, 2007).

    The A-optimality tr(M_U H⁻¹) of multinomial logistic regression before and after x, M_U = mean_u (u ⊗ J_u)(u ⊗ J_u)'
    with J = diag(p) - pp'. With H = S ⊗ I (a curvature shared by the classes) x is an update of rank `classes`, and the
    fall is mean_u k(x, u)² tr(J_u² Q_x), Q_x = J_x (I + k(x, x) J_x)⁻¹, k(x, u) = F_x · F_u: no inverse, no look ahead.

    Args:
        proba: (n, classes).
        whitened: (n, r) rows F.
        sample_proba: (m, classes) of a sample of the pool.
        sample_whitened: (m, r).
    """
    P, Q = np.asarray(proba, np.float64), np.asarray(sample_proba, np.float64)
    n, classes = P.shape
    squares = _curvature(Q) @ _curvature(Q)
    flat = squares.reshape(len(Q), -1).astype(np.float32) / np.float32(len(Q))
    fall = np.empty(n)
    size = max(1, min(BLOCK, (1 << 21) // (classes * classes)))
    for start in range(0, n, size):
        part = slice(start, start + size)
        F = np.asarray(whitened[part], np.float32)
        K = F @ np.asarray(sample_whitened, np.float32).T
        np.square(K, out=K)
        T = (K @ flat).reshape(-1, classes, classes).astype(np.float64)
        own = np.einsum("ij,ij->i", F, F, dtype=np.float64)
        # J (I + kJ)⁻¹ by the Sherman-Morrison formula: with D = I + k diag(p) and s = p / D
        #   = diag(s) - s s' / Σ s
        s = P[part] / (1 + own[:, None] * P[part])
        fall[part] = np.einsum("ij,ijj->i", s, T) - np.einsum("ij,ijk,ik->i", s, T, s) / s.sum(1)
    return np.maximum(fall, 0)


def fisher_gain(proba: Array, whitened: Array, sample_proba: Array, sample_whitened: Array) -> Array:
    """Fall of tr(H⁻¹ M_U) by one row: what BAIT gains from it as the first of a batch (Ash et al., 2021).

    Fisher information by classes: H_c = S + Σ w_c x x' and M_c = mean_u w_c u u' with w_c = p_c (1 - p_c), what lies
    between two classes left out. With F in units of S the fall is Σ_c w_c mean_u w_c(u) k(x, u)² / (1 + w_c k(x, x)).
    """
    P, Q = np.asarray(proba, np.float64), np.asarray(sample_proba, np.float32)
    return _first_gain(P * (1 - P), whitened, Q * (1 - Q), sample_whitened)


def fisher_gain_regression(whitened: Array, sample_whitened: Array) -> Array:
    """Fall of the mean variance of a linear regressor's predictions on the pool, by one row (Cohn et al., 1996).

    mean_u k(x, u)² / (1 + k(x, x)) with k(x, u) = F_x · F_u, in units of the noise variance: what BAIT gains from the
    row as the first of a batch (Ash et al., 2021).
    """
    ones = np.ones((len(whitened), 1)), np.ones((len(sample_whitened), 1), np.float32)
    return _first_gain(ones[0], whitened, ones[1], sample_whitened)


def _first_gain(weight: Array, whitened: Array, sample_weight: Array, sample_whitened: Array) -> Array:
    n = len(whitened)
    G = np.asarray(sample_whitened, np.float32)
    gain = np.empty(n)
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        F = np.asarray(whitened[part], np.float32)
        K = F @ G.T
        np.square(K, out=K)
        spread = (K @ sample_weight).astype(np.float64) / len(G)
        own = np.einsum("ij,ij->i", F, F, dtype=np.float64)[:, None]
        w = weight[part]
        gain[part] = (w * spread / (1 + w * own)).sum(1)
    return gain


def _curvature(P: Array) -> Array:
    """(n, classes, classes) matrices diag(p) - pp'."""
    J: Array = -P[:, :, None] * P[:, None, :]
    diagonal = np.arange(P.shape[1])
    J[:, diagonal, diagonal] += P
    return J
