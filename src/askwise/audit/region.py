"""Guesses of what a certificate would cost, never evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import expit

from askwise.audit import course
from askwise.audit.plan import KEEP, PATIENCE, Floats, Plan, Target, _survivable, audit_plan, share_of
from askwise.audit.weighted import LONGEST
from askwise.audit.weights import WEIGHTS, levels_of
from askwise.core import Array, BadInput, about, chance, told_apart

REGIONS = (1.0, 0.98, 0.95, 0.92, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Shares of the rest, most confident first, that are considered for auto-labeling."""
SMALLEST = 150
"""Smaller regions are not considered."""
SURER: tuple[float, float] = (0.25, 0.6)
"""Middle and scale of the offset in `choose_region`: usually a model is right a little more often than it says."""
FLATTER: tuple[float, float] = (-0.2, 0.4)
"""The same of the logarithm of its slope: usually its sure guesses are wrong more often than it says."""
TAILS = 4
"""Degrees of freedom of the distribution of the offset (Student's t): some models are far surer than they should be."""
OFFSETS: Floats = np.repeat(np.linspace(-3, 5, 25), 13)
SLOPES: Floats = np.tile(np.exp(np.linspace(-1.6, 0.8, 13)), 25)
"""(b,) the beliefs that are considered."""
SUREST = 1e-4
"""No confidence counts as closer to 0 or 1 than this."""
POINTS = 400
"""Confidences are taken at so many places of their order, from the surest on."""
SUPPOSED = 9
"""Weighted checks are planned for so many suppositions about the errors, equally likely ones."""
SHARES: tuple[float, ...] = (0.3, 0.5, 0.7)
"""Of all weight, what may go by doubt."""
LARGER = 4
"""Weighted checks are considered for the region that is cheapest without, and so many larger ones."""
HARD = 0.35
"""Weighted checks are planned where the believed share of errors is at least this share of the limit …"""
GAIN = 0.95
"""… and leave less than this share of what checks that are all alike leave to people."""
BEYOND = 1.3
"""An attempt that takes this many times the checks that pay is as likely to be given up as not."""
FAILURE = 0.1
"""What a failed attempt is taken to cost beyond labels, as a share of the rest: nobody likes to check for nothing."""
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
    doubt: Floats
    """(size,) believed chance that the guess on each of `rows` is wrong."""
    share: float = 0.0
    """Of all weight by which checks are to be drawn, what goes by doubt; 0: all items are as likely to be next."""

    @property
    def size(self) -> int:
        """Items in the region; 0 when none was large enough."""
        return len(self.rows)


def choose_region(
    confidence: Array,
    checks: Sequence[tuple[float, bool]],
    max_error: float,
    alpha: float,
    *,
    retry: float | None = None,
    target: Target = "auto",
    allowed: int | None = None,
) -> Region:
    """The most confident part of the rest whose certificate is projected to leave the fewest labels to people.

    Errors. A guess of confidence c is taken to be right with probability 1 / (1 + exp(-a - b logit c)): confidences are
    learned on answers to hard questions, and may be too low or too high throughout (a) or at their ends (b). A priori a
    has Student's t distribution (`SURER`, `TAILS`) and log b a normal one (`FLATTER`): before any check the model's own
    confidence nearly stands. Checks update both; each was right or wrong with the confidence of its time, before its
    answer was learned. Only checks count, as answers to chosen questions would mislead (Platt, 1999, with a prior).

    Cost of a part A in human labels, averaged over a and b, with E and P of `expected_cost`: E + P * items outside A +
    (1 - P) * (cost of the next attempt, for which they would be known, + `FAILURE` n). None is above that of labeling
    all by hand. Where errors come near the limit, the same is projected for checks drawn by weights (`course`), and
    these are planned where they leave fewer labels.

    Args:
        confidence: (n,) of the current model on the rest, 0..1.
        checks: (confidence then, whether the model was wrong) of each random check.
        max_error: As for `audit_plan`.
        alpha: Of the attempt that would be started: (1 - confidence level) * `SPEND[attempt - 1]`.
        retry: `alpha` of the attempt after that; None: there is none.
        target: As for `audit_plan`.
        allowed: Not None: so many errors are allowed in a region of any size, instead of `max_error` of it.

    Returns:
        The cheapest region, also when it is not worth it; with fewer than `SMALLEST` items an empty one.

    Raises:
        BadInput: confidences outside 0..1, or numbers out of range for `audit_plan`.
    """
    confidence = np.asarray(confidence, dtype=float)
    then = np.array([c for c, _ in checks], dtype=float)
    if confidence.ndim != 1 or not np.all((confidence >= 0) & (confidence <= 1)):
        raise BadInput("Confidences must be one-dimensional and in 0..1; one is outside, or not a number.")
    if not np.all((then >= 0) & (then <= 1)):
        raise BadInput("A check is the confidence of its time, in 0..1, and whether the model was wrong.")
    n = len(confidence)
    if n < SMALLEST:
        reason = f"Only {n:,} items are left: too few to certify, quicker to label (a region needs {SMALLEST} or more)."
        return Region(np.arange(0), 0.0, 0.0, 0.0, float(n), float(n), False, reason, np.zeros(0))
    order = np.argsort(-confidence, kind="stable")
    belief = believed(then, np.array([wrong for _, wrong in checks], bool))
    step = -(-n // POINTS)
    curves = _wrong(_logit(confidence[order[step // 2 :: step]]))  # (b, points)
    sizes = sorted({size for part in REGIONS if (size := round(part * n)) >= SMALLEST}, reverse=True)
    mean = np.cumsum(curves, axis=1) / np.arange(1, curves.shape[1] + 1)
    rates = np.array([mean[:, min(max(round(size / step), 1), mean.shape[1]) - 1] for size in sizes])  # (sizes, b)

    def costs(level: float, otherwise: Floats) -> tuple[Floats, Floats, Floats]:
        """(sizes, b) checks, chance to certify and human labels in all, where `otherwise` follows a failure."""
        pairs = [_interpolated_cost(size, rates[i], max_error, level, target, allowed) for i, size in enumerate(sizes)]
        audits, passes = np.array([a for a, _ in pairs]), np.array([p for _, p in pairs])
        outside = n - np.array(sizes, dtype=float)[:, None]
        return audits, passes, np.minimum(audits + passes * outside + (1 - passes) * otherwise, n)

    by_hand = np.full(len(belief), float(n))
    otherwise = by_hand if retry is None else costs(retry, by_hand)[2].min(axis=0) + FAILURE * n
    audits, passes, total = (values @ belief for values in costs(alpha, otherwise))
    best = int(total.argmin())
    doubt = curves.T @ belief  # (points,)
    plan = _Weighted(float(audits[best]), float(passes[best]), float(total[best]), sizes[best], 0.0)
    tried = [(i, SHARES[len(SHARES) // 2]) for i in range(best, max(best - LARGER, 0) - 1, -1)] if SHARES else []
    for place, (i, share) in enumerate(tried):  # larger ones at one share; then that size at the others
        limit = max_error if allowed is None else share_of(allowed, sizes[i])
        if HARD * limit <= rates[i] @ belief <= 3 * limit:
            found = _weighted(sizes[i], n, step, curves, rates[i], belief, limit, alpha, target, share, otherwise)
            if found.cost < (plan.cost if plan.share else GAIN * plan.cost):
                plan = found
        if place == min(LARGER, best) and plan.share:
            tried += [(sizes.index(plan.size), other) for other in SHARES if other != plan.share]
    rows = order[: plan.size]
    error = float(rates[sizes.index(plan.size)] @ belief)
    floor = float(_interpolated_cost(n, np.zeros(1), max_error, alpha, target, allowed)[0][0])
    found_ = Region(
        rows=rows,
        error=min(error, 1.0),
        audits=plan.audits,
        passes=plan.passes,
        cost=plan.cost,
        floor=floor,
        worth=bool(plan.cost < WORTH * n),
        reason="",
        doubt=np.interp(np.arange(plan.size), step // 2 + step * np.arange(len(doubt)), doubt),
        share=plan.share,
    )
    limit = max_error if allowed is None else share_of(allowed, found_.size)
    return replace(found_, reason=_explain(found_, n, limit, alpha, target))


@dataclass(frozen=True)
class _Weighted:
    """What an attempt is projected to cost."""

    audits: float
    passes: float
    cost: float
    size: int
    share: float


def _weighted(
    size: int,
    n: int,
    step: int,
    curves: Floats,
    rates: Floats,
    belief: Floats,
    limit: float,
    alpha: float,
    target: Target,
    share: float,
    otherwise: Floats,
) -> _Weighted:
    """An attempt at the `size` surest with weighted checks; the arguments as in `choose_region`."""
    points = min(max(round(size / step), 1), curves.shape[1])
    curves = curves[:, :points]
    level = levels_of(curves.T @ belief, share)
    counts = np.bincount(level, minlength=len(WEIGHTS)) * (size / points)
    # Equally likely suppositions about the errors, from few to many.
    by_rate = np.argsort(rates, kind="stable")
    part = np.minimum((np.cumsum(belief[by_rate]) * SUPPOSED).astype(int), SUPPOSED - 1)
    chance_of = np.bincount(part, belief[by_rate], SUPPOSED)
    some = np.flatnonzero(chance_of > 0)
    member = np.zeros((SUPPOSED, len(belief)))
    member[part, by_rate] = belief[by_rate]
    member = member[some] / chance_of[some, None]
    items = np.bincount(level, minlength=len(WEIGHTS))
    errors = np.stack([np.bincount(level, row, len(WEIGHTS)) for row in member @ curves]) / np.maximum(items, 1)

    def allowed(m: Array) -> Array:
        return np.floor(limit * (size - m if target == "auto" else np.full(len(m), size)) + 1e-9)

    ends = course.checks_until(counts, errors, allowed, -math.log(alpha))
    # A certificate that takes longer is given up.
    pays = min((KEEP * size + PATIENCE) / (1 + KEEP), LONGEST * size)
    passes = 1 / (1 + (ends / (BEYOND * pays)) ** 4)
    audits = passes * np.minimum(ends, BEYOND * pays) + (1 - passes) * 2 * PATIENCE
    cost = np.minimum(audits + passes * (n - size) + (1 - passes) * (member @ otherwise), n)
    weight = chance_of[some] / chance_of[some].sum()
    return _Weighted(float(weight @ audits), float(weight @ passes), float(weight @ cost), size, share)


def _logit(confidence: Array) -> Floats:
    p = np.clip(np.asarray(confidence, dtype=float), SUREST, 1 - SUREST)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=float)


def _wrong(x: Floats) -> Floats:
    """(b, k) chance by each belief that guesses of these (k,) logarithms of the odds of their confidence are wrong."""
    return np.asarray(expit(-OFFSETS[:, None] - SLOPES[:, None] * x), dtype=float)


def believed(then: Array, wrong: Array) -> Floats:
    """(b,) posterior weights of `OFFSETS` and `SLOPES`; see `choose_region`.

    Args:
        then: (m,) confidence of each random check at its time.
        wrong: (m,) bool.
    """
    log_weight = -(TAILS + 1) / 2 * np.log1p(((OFFSETS - SURER[0]) / SURER[1]) ** 2 / TAILS)
    log_weight -= 0.5 * ((np.log(SLOPES) - FLATTER[0]) / FLATTER[1]) ** 2
    if len(then):
        odds = OFFSETS[:, None] + SLOPES[:, None] * _logit(then)
        log_weight -= np.logaddexp(0, np.where(wrong, odds, -odds)).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum(), dtype=float)


def _explain(region: Region, n: int, max_error: float, alpha: float, target: Target) -> str:
    """One sentence on a region, with the numbers."""
    if region.worth:
        first = audit_plan(region.size, max_error, alpha, target).first
        where = ", more of them where the model doubts," * bool(region.share)
        return (
            f"By projection {about(region.audits, first, 'check')}{where} certify the {region.size:,} most confident "
            f"of {n:,} items, with a chance of {chance(region.passes)}."
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
