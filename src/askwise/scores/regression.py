"""Scores for regressors: where the predicted number is least sure."""

from __future__ import annotations

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
