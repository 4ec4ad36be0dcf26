"""What curves of several seeds and sets say: areas, labels saved, differences in pairs, ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askwise.core import Array

CONFIDENCE = 0.95
DRAWS = 10_000
LEAST = 6
"""Seeds that an interval of a ratio needs: with fewer, resampling is far too sure."""


@dataclass(frozen=True)
class Difference:
    """A mean difference in pairs, with Student's interval."""

    mean: float
    low: float
    """NaN with one pair."""
    high: float
    pairs: int


@dataclass(frozen=True)
class Saved:
    """Share of labels saved, with an interval by resampling the seeds in pairs."""

    share: float
    """1 - labels spent here / labels spent there, both until the target or the budget."""
    low: float
    """NaN with fewer than `LEAST` seeds."""
    high: float
    never: int
    """Runs here that never got there: they count as the whole budget."""
    never_other: int
    seeds: int


@dataclass(frozen=True)
class Ranks:
    """Mean ranks over several sets, with what tells them apart."""

    mean: Array
    """(k,) mean rank of each, 1 = best."""
    p: float
    """Friedman's test that all are alike; NaN where it cannot be made."""
    distance: float
    """Nemenyi's critical difference of two mean ranks; NaN likewise."""
    pairwise: Array
    """(k,) Wilcoxon's signed ranks against the best, two-sided, after Holm; 1 for the best itself, NaN likewise."""
    sets: int


def area(labels: Sequence[float] | Array, values: Sequence[float] | Array) -> float:
    """The mean height of a curve by trapezoids, 0..1 of values in 0..1; its value where it has one point.

    Args:
        labels: (n,) ascending.
        values: (n,).
    """
    x, y = np.asarray(labels, float), np.asarray(values, float)
    if len(x) == 1:
        return float(y[0])
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / (x[-1] - x[0]))


def difference(mine: Sequence[float] | Array, other: Sequence[float] | Array) -> Difference:
    """Mean of mine - other, seed by seed, with Student's 95 % interval (1908)."""
    from scipy.stats import t

    gaps = np.asarray(mine, float) - np.asarray(other, float)
    mean, n = float(gaps.mean()), len(gaps)
    if n < 2:
        return Difference(mean, math.nan, math.nan, n)
    half = float(t.ppf(0.5 + CONFIDENCE / 2, n - 1) * gaps.std(ddof=1) / math.sqrt(n))
    return Difference(mean, mean - half, mean + half, n)


def saved(mine: Sequence[float] | Array, other: Sequence[float] | Array, budget: float) -> Saved:
    """Share of labels saved until a target, seed by seed.

    The ratio is that of the sums: what a person spends over many projects. Its interval resamples whole pairs (Efron,
    1979; percentiles). A run that never reached the target has spent the budget, so the share is of labels spent within
    the budget, and is towards 0 where many runs do not get there.

    Args:
        mine: (seeds,) labels to the target, inf = never.
        other: (seeds,) the same of the other on the same divisions.
        budget: Of both.
    """
    a, b = np.asarray(mine, float), np.asarray(other, float)
    never, never_other = int(np.isinf(a).sum()), int(np.isinf(b).sum())
    a, b = np.minimum(a, budget), np.minimum(b, budget)
    low = high = math.nan
    if len(a) >= LEAST:
        drawn = np.random.default_rng(0).integers(len(a), size=(DRAWS, len(a)))
        shares = 1 - a[drawn].sum(axis=1) / b[drawn].sum(axis=1)
        low, high = (float(q) for q in np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return Saved(float(1 - a.sum() / b.sum()), low, high, never, never_other, len(a))


def ranks(table: Array) -> Ranks:
    """Ranks of k ways on N sets (Demšar, 2006): Friedman's test, Nemenyi's distance, Wilcoxon-Holm against the best.

    Args:
        table: (N, k) values, higher = better.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range, wilcoxon

    sets, k = table.shape
    placed = rankdata(-np.round(table, 12), axis=1)  # what differs by rounding alone is a tie
    mean = placed.mean(axis=0)
    nothing = Ranks(mean, math.nan, math.nan, np.full(k, math.nan), sets)
    if sets < 3 or k < 2:
        return nothing
    distance = float(studentized_range.ppf(CONFIDENCE, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * sets)))
    p = math.nan
    if k > 2:
        p = 1.0 if (placed == placed[:, :1]).all() else float(friedmanchisquare(*placed.T).pvalue)
    best = int(np.argmin(mean))
    raw = np.ones(k)
    for i in range(k):
        gaps = np.round(table[:, i] - table[:, best], 12)
        if i != best and gaps.any():
            raw[i] = wilcoxon(gaps[gaps != 0]).pvalue
    others = [i for i in range(k) if i != best]
    corrected = np.ones(k)
    corrected[others] = holm(raw[others])
    return Ranks(mean, p, distance, corrected, sets)


def holm(p: Sequence[float] | Array) -> Array:
    """P values of several tests at once (Holm, 1979).

    Args:
        p: (m,) of each test alone.

    Returns:
        (m,) corrected, at most 1.
    """
    raw = np.asarray(p, float)
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate((len(raw) - np.arange(len(raw))) * raw[order])
    found = np.empty(len(raw))
    found[order] = np.minimum(stepped, 1.0)
    return found
