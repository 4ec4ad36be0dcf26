"""When to stop asking: pure functions of recorded series that return advice with a reason.

Every criterion here is advice. None of them proves that a model is right; `askwise.audit` does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from askwise.core import Array, BadInput, Verdict, told_apart

WORTH = 0.9
"""Stopping must promise to finish with less than this share of labeling the whole rest by hand."""
LEARNING = 1.0
"""What better knowledge could save is taken to fall with the labels to the power of minus this."""
YOUNG = 60
"""Projections from fewer labels are not acted on."""
FALL, FALLS = 2.0, (1.0, 4.0)
"""What finishing costs is forecast to fall with the labels to the power of minus this, and plausibly minus these."""
STRETCH = (2.5, 1.4)
"""By so much the truth may lie below and above what these give."""
PATIENCE = 30
"""The slope of a series is taken over this many human labels, at least …"""
PATIENCE_SHARE = 0.15
"""… or this share of the labels given so far."""
CAP = 5.0
"""An answer counts as so many medians of their time at most."""
LEAST_TIMED = 10
"""Answers that must have been timed."""


def bargain(
    labels: Sequence[int],
    costs: Sequence[float],
    rest: int,
    *,
    region: int = 0,
    refusal: str = "",
    floor: float = 0.0,
    known: int | None = None,
) -> Verdict:
    """The default: stop to certify when the next label would save less than one other.

    Finishing from here costs c human labels (by the median of the last three projected totals). More learning could
    save all of it but `floor`. Learning curves are power laws: c - floor is taken to fall with the m labels `known` as
    m^-LEARNING, so that the next label saves LEARNING (c - floor) / m others. Ready when that is one or less, and c
    less than `WORTH` of labeling the rest by hand. In the spirit of the cost optimum of Pullar-Strecker et al., 2022;
    whether projections have stopped falling says little, as early ones hardly move until the first checks are in.

    Args:
        labels: (t,) human labels given at each refresh, non-decreasing.
        costs: (t,) projected human labels to finish from there, checks included, at each refresh
            (`audit.choose_region(...).cost`).
        rest: Items without a human label now.
        region: Items that could be handed to the model now; 0 when no region is worth certifying.
        refusal: Why no region is worth it, one sentence; shown when `region` is 0.
        floor: Projected human labels to finish if the model made no error (`audit.choose_region(...).floor`).
        known: Labels the model has learned from; None: those of the last refresh.

    Raises:
        BadInput: series of different lengths, or labels that decrease.
    """
    given, total = _totals(labels, costs)
    if rest == 0:
        return Verdict(True, "Every item has a human label; nothing is left to do.", 0, (0, 0))
    if not len(given):
        return Verdict(False, "There is no model yet; give some labels first.")
    left, spread = forecast(labels, costs, rest, floor=floor, known=known)
    if region == 0 or costs[-1] >= WORTH * rest:
        reason = (
            refusal or f"Certifying would leave about {costs[-1]:,.0f} of {rest:,} items to people: too little gain."
        )
        return Verdict(False, reason, left, spread)
    learned = int(given[-1]) if known is None else known
    if learned < YOUNG:
        reason = f"The model knows {learned} labels; what certifying will cost is projected from {YOUNG} on."
        return Verdict(False, reason, left, spread, region)
    saved = LEARNING * (total[-1] - given[-1] - floor) / learned
    if saved > 1:
        reason = f"Each further label is projected to save about {saved:.1f} others; more are still worth giving."
        return Verdict(False, reason, left, spread, region)
    reason = (
        f"Another label would no longer save one later on: about {total[-1]:,.0f} human labels in all. Stop here, "
        f"and let {region:,} items be certified and labeled by the model."
    )
    return Verdict(True, reason, left, spread, region)


def forecast(
    labels: Sequence[int],
    costs: Sequence[float],
    rest: int,
    *,
    floor: float = 0.0,
    known: int | None = None,
) -> tuple[int | None, tuple[int, int] | None]:
    """Human labels still to give until the pool is done, and a plausible range.

    Whoever follows the advice learns on until that no longer pays. So c, what finishing would cost now, is not what is
    left: c - floor is taken to fall as a power of the labels known, and the forecast is the least sum of further labels
    and what then remains, with the exponent `FALL`. The range takes the exponents `FALLS`, its ends stretched by the
    factors `STRETCH`. It is no confidence interval; docs/control.md says how often it was right.

    Args:
        labels: As for `bargain`.
        costs: As for `bargain`.
        rest: Items without a human label now; no forecast exceeds it.
        floor: As for `bargain`.
        known: As for `bargain`.

    Returns:
        (labels left, (low, high)), or (None, None) before the first projection.
    """
    given, total = _totals(labels, costs)
    if not len(given):
        return None, None
    cost = max(float(total[-1] - given[-1]), 0.0)
    learned = max(float(given[-1]) if known is None else known, YOUNG)
    fixed = min(floor, cost)

    def least(power: float) -> float:
        more = max((power * (cost - fixed) * learned**power) ** (1 / (power + 1)), learned)
        return float(more - learned + fixed + (cost - fixed) * (learned / more) ** power)

    values = least(FALLS[1]) / STRETCH[0], least(FALL), least(FALLS[0]) * STRETCH[1]
    low, left, high = (round(min(value, rest)) for value in values)
    return left, (low, high)


def _totals(labels: Sequence[int], costs: Sequence[float]) -> tuple[Array, Array]:
    """Labels (t,) and projected totals (t,), each the median of itself and up to two before it."""
    given, cost = np.asarray(labels, dtype=float), np.asarray(costs, dtype=float)
    if given.shape != cost.shape or given.ndim != 1 or np.any(np.diff(given) < 0):
        raise BadInput(
            f"Labels and costs are one number a refresh, labels never decreasing; got {given.size} and {cost.size}."
        )
    raw = given + cost
    total = raw.copy()
    if len(raw) > 1:
        total[1] = raw[:2].mean()
    if len(raw) > 2:
        total[2:] = np.median([raw[2:], raw[1:-1], raw[:-2]], axis=0)
    return given, total


def _patience(given: Array) -> int:
    return max(PATIENCE, round(PATIENCE_SHARE * float(given[-1])))


def budget(spent: float, limit: float, *, unit: str = "labels", each: float = 1.0) -> Verdict:
    """Stop when what one is willing to spend is spent: labels, minutes, money.

    Args:
        spent: So far, in `unit`.
        limit: At most this, in `unit`.
        unit: Its name, plural.
        each: What one label takes of it, > 0; with it the labels left are told.

    Raises:
        BadInput: `each` is not above 0.
    """
    if not each > 0:
        raise BadInput(f"A label takes more than nothing of a budget; got {each!r} {unit} each.")
    if spent >= limit:
        return Verdict(True, f"The budget of {limit:,.6g} {unit} is spent.", 0, (0, 0))
    labels = int((limit - spent) / each)
    reason = f"{limit - spent:,.6g} of {limit:,.6g} {unit} of the budget are left."
    return Verdict(False, reason, labels, (labels, labels))


def pays(labels: Sequence[int], errors: Sequence[float], *, price_of_label: float, price_of_error: float) -> Verdict:
    """Stop when the next labels cost more than the errors they are expected to spare.

    The cost optimum of Pullar-Strecker et al., 2022: labels * price + errors * price is least where its slope is zero.
    The slope is that of a least-squares line through the last w labels (see `bargain`), so a single lucky refresh does
    not decide.

    Args:
        labels: (t,) human labels given at each refresh, non-decreasing.
        errors: (t,) expected number of wrong labels in the end, were the rest labeled by the model now.
        price_of_label: What one label costs, > 0, in any unit of money or time.
        price_of_error: What one wrong label costs in the end, >= 0, in the same unit.

    Raises:
        BadInput: series of different lengths, labels that decrease, or prices out of range.
    """
    if not (price_of_label > 0 and price_of_error >= 0):
        raise BadInput(f"A label costs more than 0, an error 0 or more; got {price_of_label!r} and {price_of_error!r}.")
    given, wrong = np.asarray(labels, dtype=float), np.asarray(errors, dtype=float)
    if given.shape != wrong.shape or given.ndim != 1 or np.any(np.diff(given) < 0):
        raise BadInput(
            f"Labels and errors are one number a refresh, labels never decreasing; got {given.size} and {wrong.size}."
        )
    if not len(given):
        return Verdict(False, "There is no model yet; give some labels first.")
    patience = _patience(given)
    recent = given >= given[-1] - patience
    x, y = given[recent], wrong[recent]
    if given[-1] - given[0] < patience or x[0] == x[-1]:
        return Verdict(False, f"What labels are worth can be said after {patience} of them with a model.")
    slope = float(np.cov(x, y, bias=True)[0, 1] / x.var())
    spared = max(0.0, -slope)
    worth = spared * price_of_error
    what = f"Each of the last {int(x[-1] - x[0])} labels has spared about {spared:.2f} errors, worth {worth:,.3g}"
    if worth < price_of_label:
        return Verdict(True, f"{what}: less than the {price_of_label:,.3g} that a label costs.")
    return Verdict(False, f"{what}: more than the {price_of_label:,.3g} that a label costs.")


def in_time(verdict: Verdict, seconds: Sequence[float], price_per_hour: float | None = None) -> Verdict:
    """The verdict with its forecast in minutes of people, and in money.

    An answer takes the mean of those given, each counted as `CAP` medians at most: so a break counts as a slow answer,
    and long items do count. The range multiplies that of the labels by two standard errors of the mean either way.

    Args:
        verdict: With a forecast of labels; one without is returned as it is.
        seconds: (m,) that recent answers took, each >= 0; with fewer than `LEAST_TIMED` no time is forecast.
        price_per_hour: Of the people's time, > 0, in any currency.

    Raises:
        BadInput: a price that is not above 0.
    """
    if price_per_hour is not None and not price_per_hour > 0:
        raise BadInput(f"An hour costs more than 0; got {price_per_hour!r}. Leave the price out if it does not matter.")
    each = pace(seconds)
    if verdict.labels_left is None or each is None:
        return verdict
    mean, error = each
    least, most = verdict.labels_left_range or (verdict.labels_left, verdict.labels_left)
    left = verdict.labels_left * mean / 60
    spread = (least * max(mean - 2 * error, 0) / 60, most * (mean + 2 * error) / 60)
    found = replace(verdict, minutes_left=left, minutes_left_range=spread)
    if price_per_hour is None:
        return found
    low, high = (price_per_hour * minutes / 60 for minutes in spread)
    return replace(found, money_left=price_per_hour * left / 60, money_left_range=(low, high))


def pace(seconds: Sequence[float]) -> tuple[float, float] | None:
    """Seconds that an answer takes, and their standard error, as `in_time` says; None with too few measured."""
    took = np.asarray(seconds, dtype=float)
    if len(took) < LEAST_TIMED:
        return None
    took = np.minimum(took, CAP * np.median(took))
    return float(took.mean()), float(took.std(ddof=1) / len(took) ** 0.5)


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
    both = np.concatenate([a, b])
    codes = both if both.dtype.kind == "u" or (both.dtype.kind == "i" and both.min() >= 0) else None
    if codes is None:
        codes = np.unique(both, return_inverse=True)[1]
    size = int(codes.max()) + 1
    shares = np.stack([np.bincount(half, minlength=size) / len(a) for half in (codes[: len(a)], codes[len(a) :])])
    chance = float(shares[0] @ shares[1])
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


def unchanged(changed: Sequence[int], rounds: int = 3) -> Verdict:
    """Stop when no prediction changes any more (classification change; Zhu, Wang & Hovy, 2008). See `stable`.

    Args:
        changed: (t,) items whose predicted class differs between successive models.
        rounds: So many models in a row must agree everywhere, >= 1.
    """
    if len(changed) < rounds:
        return Verdict(False, f"Only {len(changed)} of {rounds} comparisons of successive models so far.")
    recent = list(changed[-rounds:])
    if not any(recent):
        return Verdict(True, f"No prediction has changed in the last {rounds} rounds.")
    return Verdict(False, f"{recent[-1]:,} predictions changed in the last round.")


def confident(doubts: Sequence[float], threshold: float = 0.01) -> Verdict:
    """Stop when the model is sure on average (overall uncertainty; Zhu, Wang & Hovy, 2008). Sure is not right.

    Args:
        doubts: (t,) mean of 1 - confidence, or of any uncertainty, on the rest at each refresh.
        threshold: The last one must be below.
    """
    if not len(doubts):
        return Verdict(False, "There is no model yet; give some labels first.")
    shown = told_apart(float(doubts[-1]), threshold, 2)
    if doubts[-1] < threshold:
        return Verdict(True, "The model's mean doubt on the rest, {}, is below {}.".format(*shown))
    return Verdict(False, "The model's mean doubt on the rest is {}; below {} it is sure.".format(*shown))


def peaked(confidences: Sequence[float], rounds: int = 3) -> Verdict:
    """Stop when the model's confidence has fallen several times in a row (Vlachos, 2008).

    What is asked last are the hardest items; from there on a model may only learn their noise.

    Args:
        confidences: (t,) mean confidence of successive models on the same items.
        rounds: Consecutive falls, >= 1.
    """
    if len(confidences) <= rounds:
        return Verdict(False, f"Only {len(confidences)} models so far; it takes {rounds + 1}.")
    recent = np.diff(np.asarray(confidences, dtype=float)[-rounds - 1 :])
    if np.all(recent < 0):
        return Verdict(True, f"The model's confidence has fallen {rounds} times in a row.")
    return Verdict(False, "The model's confidence still grows or wavers.")


def change_in_f(before: Array, after: Array, positive: int | str) -> float:
    """How much F1 of two successive models can differ, from their predictions alone, 0..1.

    1 - F1 of one against the other: 1 - 2 a / (2 a + b + c), a items called positive by both, b and c by one (delta-F;
    Altschuler & Bloodgood, 2019). 0 where neither calls anything positive.

    Args:
        before: (n,) predicted classes.
        after: (n,) predicted classes.
        positive: The class that F1 is about.

    Raises:
        BadInput: no predictions, or arrays of different lengths.
    """
    a, b = np.asarray(before) == positive, np.asarray(after) == positive
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise BadInput(f"Two equally long lists of predictions are compared; got shapes {a.shape} and {b.shape}.")
    whole = int(a.sum() + b.sum())
    return 1 - 2 * int((a & b).sum()) / whole if whole else 0.0


def any_of(*verdicts: Verdict) -> Verdict:
    """Ready when one of them is; the reason is that of the first that is ready, else of all.

    Raises:
        BadInput: nothing to combine.
    """
    return _combined(verdicts, next((v for v in verdicts if v.ready), None))


def all_of(*verdicts: Verdict) -> Verdict:
    """Ready when all of them are; the reason is that of the first that is not, else of all.

    Raises:
        BadInput: nothing to combine.
    """
    return _combined(verdicts, next((v for v in verdicts if not v.ready), None))


def _combined(verdicts: Sequence[Verdict], decisive: Verdict | None) -> Verdict:
    if not verdicts:
        raise BadInput("Nothing to combine; give one verdict at least.")
    if decisive is not None:
        return decisive
    return replace(verdicts[0], reason=" ".join(v.reason for v in verdicts))
