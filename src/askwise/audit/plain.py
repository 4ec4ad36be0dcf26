"""The plain estimate: how many guesses are right, from how sure the model is and how its checks came out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from askwise.core import Array

LEAST, MOST = 1e-4, 1 - 1e-4
"""Confidences are taken as no less and no more."""
EDGES: Array = np.linspace(-6.0, 9.25, 62)
"""Of the bins in which the log counts confidences, as log-odds; what lies beyond is in the outermost."""
PRIOR = 1.0
"""Variance, beforehand, of the offset and of the logarithm of the slope."""


def log_odds(confidence: Array | Sequence[float]) -> Array:
    """(n,) log-odds of confidences in [0, 1]."""
    p = np.clip(np.asarray(confidence, np.float64), LEAST, MOST)
    found: Array = np.log(p / (1 - p))
    return found


def counted(confidence: Array) -> list[list[int]]:
    """(bin, how many) of the bins of `EDGES` that hold any of the (n,) confidences, bins ascending."""
    bins = np.bincount(np.digitize(log_odds(confidence), EDGES), minlength=len(EDGES) + 1)
    return [[int(at), int(bins[at])] for at in np.flatnonzero(bins)]


def share_right(confidence: Sequence[float], right: Sequence[bool], rest: Sequence[Sequence[int]]) -> float | None:
    """The estimated share of right guesses on the rest, in [0, 1]; None where the rest is empty.

    How sure the model is tells how many guesses are right, but for two numbers: it may be too sure (slope), and too
    sure or not sure enough of all alike (offset). These are fitted to random checks with a normal prior at 0 for both
    the offset and the logarithm of the slope, so that without checks the model's own word stands, and with some tens it
    is mended (Platt, 1999, on held-out confidences). Only random checks may enter: labels that were chosen as doubtful
    say less of the rest.

    Args:
        confidence: (m,) of each check's guess, by a model that had not seen it, in [0, 1].
        right: (m,) whether that guess was right.
        rest: (bin, how many) of the confidences on the rest now, as `counted` gives them.
    """
    if not rest:
        return None
    offset, slope = fitted(log_odds(confidence), np.asarray(right, np.float64))
    bins, counts = np.array(rest, np.int64).T
    centers = np.concatenate([EDGES[:1], (EDGES[:-1] + EDGES[1:]) / 2, EDGES[-1:]])
    chances = _chance(offset + slope * centers[bins])
    return float(counts @ chances / counts.sum())


def fitted(x: Array, z: Array) -> tuple[float, float]:
    """Offset a and slope exp(b) > 0 of z ~ Bernoulli(sigmoid(a + exp(b) x)), the likeliest under the prior.

    Args:
        x: (m,) log-odds.
        z: (m,) outcomes, 0 or 1.
    """
    t = np.zeros(2)

    def loss(t: Array) -> float:
        u = t[0] + np.exp(t[1]) * x
        return float(np.logaddexp(0, u).sum() - z @ u + t @ t / (2 * PRIOR))

    value = loss(t)
    for _ in range(200):
        along = np.stack([np.ones_like(x), np.exp(t[1]) * x])
        p = _chance(t[0] + along[1])
        gradient = along @ (p - z) + t / PRIOR
        step = np.linalg.solve((along * (p * (1 - p))) @ along.T + np.eye(2) / PRIOR, gradient)
        length = 1.0
        while (after := loss(t - length * step)) > value - 1e-4 * length * gradient @ step and length > 1e-9:
            length /= 2
        t, value = t - length * step, after
        if np.abs(length * step).max() < 1e-12:
            break
    return float(t[0]), float(np.exp(t[1]))


def _chance(u: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-np.clip(u, -60, 60)))
    return found
