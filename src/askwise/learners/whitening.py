"""Features in the units of a linear model's posterior."""

from __future__ import annotations

import numpy as np

from askwise import signals
from askwise.core import Array, Matrix

FREE = 1e-2
"""Penalty on the intercept: it has none in the model, but a posterior needs a finite prior."""


class Whitening:
    """Maps rows x to F(x) with F(x) · F(u) = x' H⁻¹ u, H = Σ_i w_i x_i x_i' + ridge I over the labeled rows x_i.

    What is meant by x: the row (a sparse one projected, `signals.project`) minus the mean of the labeled rows, a one
    appended for the intercept.

    Args:
        X: (m, d) labeled features, dense or CSR; m may be 0.
        weight: (m,) curvature of each labeled row, >= 0.
        ridge: Penalty on the weights, > 0.
    """

    def __init__(self, X: Matrix, weight: Array, ridge: float) -> None:
        from scipy.linalg import cholesky, solve_triangular

        A = _dense(X).astype(np.float64)
        center = A.mean(0) if len(A) else np.zeros(A.shape[1])
        A = np.append(A - center, np.ones((len(A), 1)), axis=1)
        H = (A * weight[:, None]).T @ A
        penalty = np.full(len(H), ridge)
        penalty[-1] = min(ridge, FREE)
        H[np.diag_indices_from(H)] += penalty
        # H = L L', so H⁻¹ = R R' with R = L'⁻¹
        R = solve_triangular(cholesky(H, lower=True), np.eye(len(H)), lower=True).T
        self._center = center
        self._slope, self._offset = R[:-1].astype(np.float32), R[-1].astype(np.float32)

    def __call__(self, X: Matrix) -> Array:
        """(n, d + 1) float32 rows F(x)."""
        away = np.subtract(_dense(X), self._center, dtype=np.float64).astype(np.float32)
        F: Array = away @ self._slope
        F += self._offset
        return F


def softmax_curvature(P: Array) -> Array:
    """(m,) curvature of the softmax loss on each row, shared by the classes: the mean eigenvalue of diag(p) - p p'.

    One of the eigenvalues is always zero (adding a constant to all logits changes nothing) and does not count.
    """
    curvature: Array = (1 - np.einsum("ij,ij->i", P, P, dtype=np.float64)) / max(1, P.shape[1] - 1)
    return np.maximum(curvature, 0)


def _dense(X: Matrix) -> Array:
    return signals.project(X) if hasattr(X, "tocsr") else np.asarray(X)
