"""Guesses of what a certificate would cost, never evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from askwise.audit.plan import PATIENCE, Floats, Plan, Target, _survivable, audit_plan, share_of
from askwise.core import Array, BadInput, about, chance, told_apart

REGIONS = (1.0, 0.98, 0.95, 0.92, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Shares of the rest, most confident first, that are considered for auto-labeling."""
SMALLEST = 150
"""Smaller regions are not considered."""
FLOOR = 0.03
"""Share of the mean doubt that even the surest items are given: some errors look like sure items."""
CHANGED = 0.4
"""How much of the logarithm of (guesses changed / doubts) is believed, in `choose_region`."""
USUAL = -0.7
"""Its value where changes are not known: models asked about hard items doubt about twice as much as they err."""
LOWEST = -2.5
"""It is not believed below this, nor above 0."""
FAILURE = 0.25
"""What a failed attempt is taken to cost beyond labels, as a share of the rest: nobody likes to check for nothing."""
SPREAD = 0.7
"""Scale of the logarithm of errors / doubts, beyond what the changes say."""
TAILS = 4
"""Degrees of freedom of its distribution (Student's t): a model may be far surer, or far less sure, than it should."""
SCALES: Floats = np.exp(np.linspace(-5, 6, 67))
"""Values of errors / doubts that are considered."""
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


def _interpolated_cost(
    n: int, rates: Floats, max_error: float, alpha: float, target: Target, allowed: int | None = None
) -> tuple[Floats, Floats]:
    """`expected_cost` at (r,) rates, from tables at neighboring sizes and rates; good to a few percent."""
    position = math.log(n) / math.log(SIZE_STEP)
    below = math.floor(position)
    part = position - below
    found = []
    for size in (max(1, round(SIZE_STEP**power)) for power in (below, below + 1)):
        limit = max_error if allowed is None else share_of(allowed, size)
        audits, passes = _costs(size, limit, alpha, target)
        x = np.minimum(rates / limit, RATES[-1])
        found.append((np.interp(x, RATES, audits), np.interp(x, RATES, passes)))
    (a, p), (b, q) = found
    return np.minimum(n, (1 - part) * a + part * b), (1 - part) * p + part * q


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
    """Chance that it certifies, over what the share of errors may be."""
    cost: float
    """Projected human labels to finish the pool from here: checks, items outside, and another attempt if it fails."""
    floor: float
    """Projected human labels to finish the pool if the model made no error: more learning could save the rest."""
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
    doubted: float,
    wrong: Sequence[tuple[float, float]],
    max_error: float,
    alpha: float,
    *,
    changed: float | None = None,
    retry: float | None = None,
    target: Target = "auto",
    allowed: int | None = None,
) -> Region:
    """The most confident part of the rest whose certificate is projected to leave the fewest labels to people.

    Errors. The share of errors in the top part A of the rest is taken to be s d(A), where d(A) is the mean of
    1 - confidence in A (mixed with `FLOOR` of that of the rest) and s one unknown number: confidences are learned on
    answers to hard questions, and rank the rest better than they count its errors. log s has Student's t distribution
    a priori (`SPREAD`, `TAILS`) around `CHANGED` log(changed / d): where further labels hardly change a guess, few
    guesses are wrong. Random checks update it by a Poisson likelihood: each expects s times the doubt of the rest, and
    the share of errors that have been mended since.

    Cost of A in human labels, averaged over s, with E and P of `expected_cost`: E + P * items outside A + (1 - P) *
    (cost of the next attempt, for which s would be known, + `FAILURE` n). None is above that of labeling all by hand.

    Args:
        confidence: (n,) of the current model on the rest, 0..1.
        doubted: How many of the checks answered would be wrong if today's confidences were true, >= 0.
        wrong: For each check that was wrong, the mean doubt (`doubts`) of the items left of its draw, > 0, and the
            share of its draw that the model then had wrong and people or learning have mended since, >= 0.
        max_error: As for `audit_plan`.
        alpha: Of the attempt that would be started: (1 - confidence level) * `SPEND[attempt - 1]`.
        changed: Share of the guesses on the rest that differ from those of a model that knew half the labels, 0..1;
            None: not known.
        retry: `alpha` of the attempt after that; None: there is none.
        target: As for `audit_plan`.
        allowed: Not None: so many errors are allowed in a region of any size, instead of `max_error` of it.

    Returns:
        The cheapest region, also when it is not worth it; with fewer than `SMALLEST` items an empty one.

    Raises:
        BadInput: confidences or changes outside 0..1, negative counts, or numbers out of range for `audit_plan`.
    """
    confidence = np.asarray(confidence, dtype=float)
    if confidence.ndim != 1 or not np.all((confidence >= 0) & (confidence <= 1)):
        raise BadInput("Confidences must be one-dimensional and in 0..1; one is outside, or not a number.")
    if not (doubted >= 0 and (changed is None or 0 <= changed <= 1)):
        raise BadInput(f"doubted is a count >= 0 and changed a share; got {doubted!r} and {changed!r}.")
    if not all(doubt > 0 and since >= 0 for doubt, since in wrong):
        raise BadInput("A wrong check is a mean doubt above 0 and a share of errors mended since, 0 or more.")
    n = len(confidence)
    if n < SMALLEST:
        reason = f"Only {n:,} items are left: too few to certify, quicker to label (a region needs {SMALLEST} or more)."
        return Region(np.arange(0), 0.0, 0.0, 0.0, float(n), float(n), False, reason)
    order = np.argsort(-confidence, kind="stable")
    doubt = doubts(confidence[order])
    mean = np.cumsum(doubt) / np.arange(1, n + 1)
    weight = _belief(float(mean[-1]), doubted, wrong, changed, n)
    sizes = sorted({size for part in REGIONS if (size := round(part * n)) >= SMALLEST}, reverse=True)

    def costs(level: float, otherwise: Floats) -> tuple[Floats, Floats, Floats]:
        """(sizes, scales) checks, chance to certify and human labels in all, where `otherwise` follows a failure."""
        pairs = [_interpolated_cost(size, SCALES * mean[size - 1], max_error, level, target, allowed) for size in sizes]
        audits, passes = np.array([a for a, _ in pairs]), np.array([p for _, p in pairs])
        outside = n - np.array(sizes, dtype=float)[:, None]
        return audits, passes, np.minimum(audits + passes * outside + (1 - passes) * otherwise, n)

    by_hand = np.full(len(SCALES), float(n))
    otherwise = by_hand if retry is None else costs(retry, by_hand)[2].min(axis=0) + FAILURE * n
    audits, passes, total = (values @ weight for values in costs(alpha, otherwise))
    best = int(total.argmin())
    found = Region(
        rows=order[: sizes[best]],
        error=float(min(weight @ SCALES * mean[sizes[best] - 1], 1)),
        audits=float(audits[best]),
        passes=float(passes[best]),
        cost=float(total[best]),
        floor=float(_interpolated_cost(n, np.zeros(1), max_error, alpha, target, allowed)[0][0]),
        worth=bool(total[best] < WORTH * n),
        reason="",
    )
    limit = max_error if allowed is None else share_of(allowed, found.size)
    return replace(found, reason=_explain(found, n, limit, alpha, target))


def doubts(confidence: Array) -> Floats:
    """(n,) 1 - confidence of the rest, with `FLOOR` of their mean mixed in; never all zero."""
    doubt = np.maximum(1 - np.asarray(confidence, dtype=float), 1e-6)
    return np.asarray((1 - FLOOR) * doubt + FLOOR * doubt.mean(), dtype=float)


def _belief(mean: float, doubted: float, wrong: Sequence[tuple[float, float]], changed: float | None, n: int) -> Floats:
    """Posterior weights of `SCALES`; see `choose_region`."""
    center = USUAL
    if changed is not None:  # no change at all is less than one in five pools of this size would show
        center = min(max(CHANGED * math.log((changed + 0.2 / n) / mean), LOWEST), 0.0)
    logs = np.log(SCALES)
    prior = -(TAILS + 1) / 2 * np.log1p(((logs - center) / SPREAD) ** 2 / TAILS)
    log_weight = prior - doubted * SCALES
    for doubt, since in wrong:
        log_weight += np.log(SCALES * doubt + since)
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum(), dtype=float)


def _explain(region: Region, n: int, max_error: float, alpha: float, target: Target) -> str:
    """One sentence on a region, with the numbers."""
    if region.worth:
        first = audit_plan(region.size, max_error, alpha, target).first
        return (
            f"By projection {about(region.audits, first, 'check')} certify the {region.size:,} most confident of {n:,} "
            f"items, with a chance of {chance(region.passes)}."
        )
    if region.error <= max_error:
        first = audit_plan(region.size, max_error, alpha, target).first
        cost = min(max(region.cost, first), n)
        return (
            f"Certifying the {region.size:,} most confident of {n:,} items takes {first:,} checks or more, and "
            f"finishing about {cost:,.0f} human labels: hardly fewer than labeling all {n:,} by hand."
        )
    error, limit = told_apart(region.error, max_error, 1)
    return (
        f"The model is expected to be wrong on {error} of the {region.size:,} most confident of {n:,} "
        f"items: too many to certify at most {limit}. Label more, or allow more errors."
    )
