"""When to stop asking: pure functions of recorded series that return advice with a reason.

Every criterion here is advice. None of them proves that a model is right; `askwise.audit` does that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from askwise.core import Array, BadInput, Verdict

WORTH = 0.9
"""Stopping must promise to finish with less than this share of labeling the whole rest by hand."""
GAIN = 0.01
"""The projected total must still fall by more than this share within the patience window."""
PATIENCE = 30
"""Human labels to wait for an improvement, at least …"""
PATIENCE_SHARE = 0.15
"""… or this share of the labels given so far."""


def bargain(labels: Sequence[int], costs: Sequence[float], rest: int, *, region: int = 0, refusal: str = "") -> Verdict:
    """The default: stop to certify when the projected total of human labels no longer falls.

    At every refresh t the projected total is T(t) = labels so far + cost of finishing from there, smoothed by the
    median of the last three. Ready when finishing costs less than `WORTH` of labeling the rest by hand and the running
    minimum of T has not improved by more than `GAIN` over the last w = max(`PATIENCE`, `PATIENCE_SHARE` * labels)
    labels. In the spirit of the cost optimum of Pullar-Strecker et al., 2022.

    Args:
        labels: (t,) human labels given at each refresh, non-decreasing.
        costs: (t,) projected human labels to finish from there, checks included, at each refresh
            (`audit.choose_region(...).cost`).
        rest: Items without a human label now.
        region: Items that could be handed to the model now; 0 when no region is worth certifying.
        refusal: Why no region is worth it, one sentence; shown when `region` is 0.

    Raises:
        BadInput: series of different lengths, or labels that decrease.
    """
    given, total = _totals(labels, costs)
    if rest == 0:
        return Verdict(True, "Every item has a human label; nothing is left to do.", 0, (0, 0))
    if not len(given):
        return Verdict(False, "There is no model yet; give some labels first.")
    left, spread = forecast(labels, costs, rest)
    if region == 0 or costs[-1] >= WORTH * rest:
        reason = (
            refusal or f"Certifying would leave about {costs[-1]:,.0f} of {rest:,} items to people: too little gain."
        )
        return Verdict(False, reason, left, spread)
    patience = _patience(given)
    before = total[given <= given[-1] - patience]
    if not len(before):
        waited = int(given[-1] - given[0])
        reason = (
            f"The projection is {waited} labels old; it should be watched for {patience} before advice on stopping."
        )
        return Verdict(False, reason, left, spread, region)
    best_before, best_now = before.min(), total.min()
    if best_now < (1 - GAIN) * best_before:
        saved = (best_before - best_now) / patience
        reason = f"Each of the last {patience} labels has saved about {saved:.1f} others; more are still worth giving."
        return Verdict(False, reason, left, spread, region)
    reason = (
        f"The last {patience} labels have not lowered the projected total of {total[-1]:,.0f} human labels: stop here, "
        f"and let {region:,} items be certified and labeled by the model."
    )
    return Verdict(True, reason, left, spread, region)


def forecast(labels: Sequence[int], costs: Sequence[float], rest: int) -> tuple[int | None, tuple[int, int] | None]:
    """Human labels still to give until the pool is done, and a plausible range.

    The forecast is the smoothed projected total minus the labels given. The range is what the projections of the
    last w labels (see `bargain`) and another gain or loss of that size would leave. It is no confidence interval.

    Args:
        labels: As for `bargain`.
        costs: As for `bargain`.
        rest: Items without a human label now; no forecast exceeds it.

    Returns:
        (labels left, (low, high)), or (None, None) before the first projection.
    """
    given, total = _totals(labels, costs)
    if not len(given):
        return None, None
    recent = total[given >= given[-1] - _patience(given)]
    swing = float(recent.max() - recent.min())
    left, low, high = (
        round(min(max(value - float(given[-1]), 0.0), float(rest)))
        for value in (total[-1], recent.min() - swing, recent.max() + swing)
    )
    return left, (low, high)


def _totals(labels: Sequence[int], costs: Sequence[float]) -> tuple[Array, Array]:
    """Labels (t,) and projected totals (t,), each the median of itself and up to two before it."""
    given, cost = np.asarray(labels, dtype=float), np.asarray(costs, dtype=float)
    if given.shape != cost.shape or given.ndim != 1 or np.any(np.diff(given) < 0):
        raise BadInput(
            f"Labels and costs are one number a refresh, labels never decreasing; got {given.size} and {cost.size}."
        )
    raw = given + cost
    return given, np.array([np.median(raw[max(0, t - 2) : t + 1]) for t in range(len(raw))])


def _patience(given: Array) -> int:
    return max(PATIENCE, round(PATIENCE_SHARE * float(given[-1])))


def budget(labels: int, limit: int) -> Verdict:
    """Stop after a fixed number of human labels.

    Args:
        labels: Human labels given.
        limit: Labels the person wants to give at most.
    """
    if labels >= limit:
        return Verdict(True, f"The budget of {limit:,} labels is spent.", 0, (0, 0))
    left = limit - labels
    return Verdict(False, f"{left:,} of {limit:,} labels of the budget are left.", left, (left, left))


def kappa(before: Array, after: Array) -> float:
    """Cohen's kappa between two (n,) arrays of predicted classes: agreement beyond chance, at most 1 (Cohen, 1960).

    When both name one and the same class everywhere, they agree perfectly and kappa is 1.

    Raises:
        BadInput: no predictions, or arrays of different lengths.
    """
    a, b = np.asarray(before), np.asarray(after)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise BadInput(f"Kappa compares two equally long lists of predictions; got shapes {a.shape} and {b.shape}.")
    agree = float(np.mean(a == b))
    chance = sum(float(np.mean(a == c)) * float(np.mean(b == c)) for c in np.unique(a))
    return 1.0 if agree == 1 else (agree - chance) / (1 - chance)


def stable(kappas: Sequence[float], threshold: float = 0.99, rounds: int = 3) -> Verdict:
    """Stop when predictions have stopped changing (Bloodgood & Vijay-Shanker, 2009).

    A stable model need not be a right one: on a pool with a hidden wrong cluster, auto-labeling at this point broke a
    2 % error limit in 88 % of simulated runs. Use it as advice only.

    Args:
        kappas: (t,) `kappa` between the predictions of successive models on the same items.
        threshold: The mean of the last `rounds` values must reach it.
        rounds: Values to average, >= 1.
    """
    if len(kappas) < rounds:
        return Verdict(False, f"Only {len(kappas)} of {rounds} comparisons of successive models so far.")
    mean = float(np.mean(kappas[-rounds:]))
    if mean >= threshold:
        return Verdict(True, f"Predictions hardly change any more (kappa {mean:.3f} over {rounds} rounds).")
    return Verdict(False, f"Predictions still change (kappa {mean:.3f} over {rounds} rounds, {threshold} is stable).")
