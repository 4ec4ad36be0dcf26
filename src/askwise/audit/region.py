"""Guesses of what a certificate would cost, never evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from askwise.audit.plan import PATIENCE, Floats, Plan, Target, _survivable, audit_plan
from askwise.core import Array, BadInput, share

REGIONS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Shares of the rest, most confident first, that are considered for auto-labeling."""
SMALLEST = 150
"""Smaller regions are not considered."""
PRIOR = 30
"""Weight, in checks, of the model's own confidence in the expected error of a region."""
MARGIN = 0.15
"""Share of max_error added to the expected error, for safety of the plan."""
WORTH = 0.9
"""A region is worth certifying when finishing with it costs less than this share of labeling everything by hand."""
RATES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
"""Error rates, in units of max_error, at which costs are tabulated."""
SIZE_STEP = 1.5
"""Region sizes at which costs are tabulated grow by this factor."""


def expected_cost(plan: Plan, error_rate: float) -> tuple[float, float]:
    """Expected checks until an attempt ends, and the chance that it certifies, for a true share of errors.

    Exact for n * error_rate errors in random order, giving up included (with the same expected error).
    """
    audits, passes = _walk(plan, (error_rate,))
    return float(audits[0]), float(passes[0])


def _walk(plan: Plan, rates: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Dynamic program over (checks, errors) for several (r,) true rates at once: expected checks, chance to certify."""
    needed = np.array(plan.needed)
    k = np.arange(len(needed))
    errors = np.array(rates)[:, None] * plan.n
    survivable = _survivable(plan, rates)
    reached = np.zeros((len(rates), len(needed)))
    reached[:, 0] = 1.0
    audits, passes = np.zeros(len(rates)), np.zeros(len(rates))
    for m in range(1, int(needed[-1]) + 1):
        alive = reached.sum(axis=1)
        if alive.max() < 1e-9:
            break
        audits += alive
        hit = reached * np.clip((errors - k) / (plan.n - m + 1), 0, 1)
        reached -= hit
        reached[:, 1:] += hit[:, :-1]  # beyond the last k there is no certificate: that mass leaves as refused
        certified = plan.limit(m) + 1
        passes += reached[:, :certified].sum(axis=1)
        reached[:, :certified] = 0
        if m >= PATIENCE:
            reached[k > survivable[m][:, None]] = 0
    return audits, passes


@lru_cache(maxsize=256)
def _costs(n: int, max_error: float, alpha: float, target: Target) -> tuple[Floats, Floats]:
    """Expected checks and chance to certify at RATES * max_error."""
    return _walk(audit_plan(n, max_error, alpha, target), tuple(rate * max_error for rate in RATES))


def _interpolated_cost(n: int, rate: float, max_error: float, alpha: float, target: Target) -> tuple[float, float]:
    """`expected_cost` from tables at neighboring sizes and rates; good to a few percent."""
    position = math.log(n) / math.log(SIZE_STEP)
    below = math.floor(position)
    part = position - below
    result = []
    for size in (below, below + 1):
        audits, passes = _costs(max(1, round(SIZE_STEP**size)), max_error, alpha, target)
        x = min(rate / max_error, RATES[-1])
        result.append((float(np.interp(x, RATES, audits)), float(np.interp(x, RATES, passes))))
    (a, p), (b, q) = result
    return min(n, (1 - part) * a + part * b), (1 - part) * p + part * q


@dataclass(frozen=True, eq=False)
class Region:
    """The part of the rest that is projected to be cheapest to certify; a plan, not evidence."""

    rows: Array
    """(size,) positions in the given confidences, most confident first."""
    error: float
    """Expected share of errors; freeze it with the region for `Plan.judge`."""
    audits: float
    """Expected checks of the attempt."""
    passes: float
    """Chance that it certifies, if the expectation is right."""
    cost: float
    """Projected human labels to finish the pool from here: checks, items outside, and inside if it fails."""
    worth: bool
    """Whether that is clearly less than labeling everything by hand."""
    reason: str
    """One sentence with the numbers."""

    @property
    def size(self) -> int:
        """Items in the region; 0 when none was large enough."""
        return len(self.rows)


def choose_region(
    confidence: Array,
    audit_confidence: Array,
    audit_wrong: Array,
    max_error: float,
    alpha: float,
    *,
    target: Target = "auto",
) -> Region:
    """The most confident part of the rest whose certificate is projected to leave the fewest labels to people.

    Expected error of a region A (empirical Bayes): p(A) = (wrong checks in A + PRIOR * mean of 1 - confidence in A) /
    (checks in A + PRIOR), a check being in A when its confidence was. Cost in human labels, with E and P of
    `expected_cost` at p(A) + MARGIN * max_error: E + items outside A + 0.9 (1 - P) * items in A.

    Args:
        confidence: (n,) of the current model on the rest, calibrated as well as possible, 0..1.
        audit_confidence: (a,) of the models that were checked, on their uniformly drawn items; the last 150 or so.
        audit_wrong: (a,) bool, whether they were wrong.
        max_error: As for `audit_plan`.
        alpha: Of the attempt that would be started: (1 - confidence level) * `SPEND[attempt - 1]`.
        target: As for `audit_plan`.

    Returns:
        The cheapest region, also when it is not worth it; with fewer than `SMALLEST` items an empty one.

    Raises:
        BadInput: confidences outside 0..1, lengths that differ, or numbers out of range for `audit_plan`.
    """
    confidence = np.asarray(confidence, dtype=float)
    checked = np.asarray(audit_confidence, dtype=float)
    wrong = np.asarray(audit_wrong, dtype=bool)
    if checked.shape != wrong.shape:
        raise BadInput(f"{checked.size} confidences of checks but {wrong.size} outcomes; give one of each a check.")
    for values in (confidence, checked):
        if values.ndim != 1 or not np.all((values >= 0) & (values <= 1)):
            raise BadInput("Confidences must be one-dimensional and in 0..1; one is outside, or not a number.")
    n = len(confidence)
    if n < SMALLEST:
        reason = f"Only {n:,} items are left: too few to certify, quicker to label (a region needs {SMALLEST} or more)."
        return Region(np.arange(0), 0.0, 0.0, 0.0, float(n), False, reason)
    order = np.argsort(-confidence, kind="stable")
    doubt = np.cumsum(1 - confidence[order])
    regions = []
    for size in (round(part * n) for part in REGIONS):
        if size < SMALLEST:
            break
        inside = checked >= confidence[order[size - 1]]
        error = (np.count_nonzero(wrong & inside) + PRIOR * doubt[size - 1] / size) / (np.count_nonzero(inside) + PRIOR)
        audits, passes = _interpolated_cost(size, error + MARGIN * max_error, max_error, alpha, target)
        cost = audits + (n - size) + 0.9 * (1 - passes) * size
        regions.append(Region(order[:size], float(error), audits, passes, min(cost, float(n)), cost < WORTH * n, ""))
    best = min(regions, key=lambda region: region.cost)
    return replace(best, reason=_explain(best, n, max_error, alpha, target))


def _explain(region: Region, n: int, max_error: float, alpha: float, target: Target) -> str:
    """One sentence on a region, with the numbers."""
    if region.worth:
        return (
            f"By projection about {region.audits:,.0f} checks certify the {region.size:,} most confident of {n:,} "
            f"items, with a chance of {region.passes:.0%}."
        )
    if region.error <= max_error:
        first = audit_plan(region.size, max_error, alpha, target).first
        return (
            f"Certifying the {region.size:,} most confident of {n:,} items takes {first:,} checks or more, and "
            f"finishing about {region.cost:,.0f} human labels: hardly fewer than labeling all {n:,} by hand."
        )
    return (
        f"The model is expected to be wrong on {region.error:.1%} of the {region.size:,} most confident of {n:,} "
        f"items: too many to certify at most {share(max_error, 1)}. Label more, or allow more errors."
    )
