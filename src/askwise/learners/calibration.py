"""Calibration of any classifier's outputs on cross-validated ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from askwise.core import Array, Matrix

FOLDS = 5
ENOUGH = 10
"""Held-out rows below which nothing is fitted: two numbers cannot be learned from a handful of rows."""


@dataclass(frozen=True)
class Calibration:
    """Logits to probabilities: softmax(slope * logits + shift).

    `shift` belongs to the second of two classes and is 0 for more.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, Z: Array) -> Array:
        """(n, classes) probabilities of (n, classes) logits."""
        Z = self.slope * np.asarray(Z, dtype=np.float64)
        if self.shift:
            Z = Z + self.shift * np.array([0.0, 1.0])
        P = np.exp(Z - Z.max(1, keepdims=True))
        P /= P.sum(1, keepdims=True)
        return np.asarray(P)


def fit_calibration(Z: Array, truth: Array, *, platt: bool = False) -> Calibration:
    """The calibration that makes held-out labels likeliest.

    Args:
        Z: (n, classes) held-out logits.
        truth: (n,) column of the true class.
        platt: Two classes only: fit slope and shift to targets smoothed by one row each way (Platt, 1999); else the
            slope alone, the inverse of a temperature (Guo et al., 2017), with a standard normal prior on its logarithm
            that keeps it finite where every held-out row is right.
    """
    from scipy.optimize import minimize

    if len(truth) < ENOUGH:
        return Calibration()
    Z = np.asarray(Z, dtype=np.float64)
    rows = np.arange(len(truth))
    targets = np.zeros(Z.shape)
    targets[rows, truth] = 1
    platt = platt and Z.shape[1] == 2
    if platt:
        ones = truth.sum()
        positive, negative = (ones + 1) / (ones + 2), 1 / (len(truth) - ones + 2)
        targets[:, 1] = np.where(truth == 1, positive, negative)
        targets[:, 0] = 1 - targets[:, 1]
    # decisions of an unknown scale: start where they are of the size of logits
    start = 0.0 if not platt else -float(np.log(max(np.abs(Z[:, 1] - Z[:, 0]).mean(), 1e-6)))

    def loss(theta: Array) -> float:
        slope = np.exp(theta[0])
        S = slope * Z
        if platt:
            S = S + theta[1] * np.array([0.0, 1.0])
        top = S.max(1, keepdims=True)
        log_p = S - top - np.log(np.exp(S - top).sum(1, keepdims=True))
        return float(-(targets * log_p).sum() + 0.5 * (theta[0] - start) ** 2)

    bounds = [(start - 5.0, start + 5.0), (-20.0, 20.0)][: 1 + platt]
    found = minimize(loss, np.array([start, 0.0])[: 1 + platt], method="L-BFGS-B", bounds=bounds).x
    return Calibration(float(np.exp(found[0])), float(found[1]) if platt else 0.0)


def held_out_logits(
    fit: Callable[[Matrix, Array], Any], logits: Callable[[Any, Matrix], Array], X: Matrix, codes: Array
) -> tuple[Array, Array]:
    """Logits of each row from a model that has not seen it, with the codes of those rows.

    Folds hold the classes evenly; the only row of a class is never held out.

    Args:
        fit: `fit(X, codes)` returns a fitted model.
        logits: `logits(model, X)` → (n, classes).
        X: (m, d) features.
        codes: (m,) class numbers.
    """
    fold = np.full(len(codes), -1)
    offset = 0
    for c in np.unique(codes):
        rows = np.flatnonzero(codes == c)
        if len(rows) > 1:
            fold[rows] = (offset + np.arange(len(rows))) % min(FOLDS, len(rows))
            offset += len(rows)
    Z, truth = [np.zeros((0, len(np.unique(codes))))], [codes[:0]]
    for f in range(FOLDS):
        held = np.flatnonzero(fold == f)
        if len(held):
            rest = np.flatnonzero(fold != f)
            Z.append(logits(fit(X[rest], codes[rest]), X[held]))
            truth.append(codes[held])
    return np.concatenate(Z), np.concatenate(truth)
