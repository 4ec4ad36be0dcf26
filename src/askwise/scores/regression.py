"""Scores for regressors: where the predicted number is least sure, or may be the largest."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from askwise.core import Array
from askwise.scores.arrays import array_namespace


def predictive_std(std: Array) -> Array:
    """Standard deviation of the prediction, in units of the target (MacKay, 1992)."""
    return std


def committee_variance(members: Array) -> Array:
    """Variance of the members' predictions (Krogh & Vedelsby, 1995; Burbidge, Rowland & King, 2007)."""
    xp = array_namespace(members)
    centered = members - xp.mean(members, axis=1)[:, None]
    variance: Array = xp.mean(centered * centered, axis=1)
    return variance


def expected_model_change(members: Array, mean: Array, norm: Array) -> Array:
    """Expected length of the gradient that the answer would cause (EMCM; Cai, Zhang & Zhou, 2013).

    The gradient of the squared error of a linear model is (f(x) - y) x, the committee stands in for the unknown answer:
    mean_m |f(x) - f_m(x)| |x|.
    """
    xp = array_namespace(members)
    expected: Array = xp.mean(xp.abs(members - mean[:, None]), axis=1) * norm
    return expected


# ── in search of the largest number ─────────────────────────────────────────────────────────


def predicted(mean: Array, sample_mean: Array) -> Array:
    """The prediction above that of an average candidate, in units of the target.

    Measured from there because scores are rounded to some digits, which an offset of the target would use up.
    """
    above: Array = np.asarray(mean, np.float64) - float(np.mean(sample_mean, dtype=np.float64))
    return above


def upper_confidence_bound(mean: Array, std: Array, sample_mean: Array, *, deviations: float = 2.0) -> Array:
    """Prediction plus some standard deviations (Cox & John, 1992; Srinivas et al., 2010), measured as `predicted`."""
    bound: Array = predicted(mean, sample_mean) + deviations * std
    return bound


def expected_improvement(mean: Array, std: Array, labeled_y: Array, *, margin: float = 0.0) -> Array:
    """E max(y - best - margin, 0), y normal (Mockus et al., 1978; Jones, Schonlau & Welch, 1998).

    Args:
        mean: (n,) predictions.
        std: (n,) their standard deviations, 0 or more.
        labeled_y: (m,) measured numbers, of which the largest is `best`; pending rows (NaN) say nothing. Without any,
            the deviation decides.
        margin: What an improvement has to exceed, in units of the target.
    """
    best = _largest_known(labeled_y)
    if best is None:
        return std
    gap, s = np.asarray(mean, np.float64) - best - margin, np.asarray(std, np.float64)
    z = gap / np.where(s > 0, s, 1)
    spread = gap * ndtr(z) + s * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    # far below the best both terms cancel but for rounding
    value: Array = np.where(s > 0, np.maximum(spread, 0), np.maximum(gap, 0))
    return value


def probability_of_improvement(mean: Array, std: Array, labeled_y: Array, *, margin: float = 0.0) -> Array:
    """P(y > best + margin), y normal, in [0, 1] (Kushner, 1964); arguments as `expected_improvement`."""
    best = _largest_known(labeled_y)
    if best is None:
        return std
    gap, s = np.asarray(mean, np.float64) - best - margin, np.asarray(std, np.float64)
    value: Array = np.where(s > 0, ndtr(gap / np.where(s > 0, s, 1)), gap > 0)
    return value


def _largest_known(labeled_y: Array) -> float | None:
    known = np.asarray(labeled_y, np.float64)
    known = known[np.isfinite(known)]
    return float(known.max()) if len(known) else None
