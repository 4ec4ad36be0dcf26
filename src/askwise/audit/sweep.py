"""Which of the labels that a model gave may stay: a sweep from the least doubtful on, with a coin for each label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincinv, gammaincinv

from askwise.core import Array, BadInput

Floats: TypeAlias = npt.NDArray[np.float64]

QUANTILES = 9
"""Of the number of errors at which a sweep ends, for the projection."""
DOUBTED: Floats = np.array([0.6, 0.8, 1.0, 1.25, 1.6])
"""How many times more errors there may be than the doubts say, for the projection: each as likely as the others."""
MOST_ALLOWED = 40
"""Allowances above 12 that are tried, in equal ratios."""


@dataclass(frozen=True)
class SweepPlan:
    """Fixed before the first coin: how often labels are audited, and how many errors may be caught. By `sweep_plan`."""

    errors: int
    """E >= 0: more wrong labels than that must not stay."""
    alpha: float
    """Chance that more stay, at most."""
    allowance: int
    """k >= 0: the sweep ends just before the error that is caught after these."""
    rate: float
    """f in (0, 1]: the probability with which each swept label is audited."""

    @property
    def risk(self) -> float:
        """`sweep_risk` of the plan."""
        return sweep_risk(self.errors, self.allowance, self.rate)


def sweep_risk(errors: int, allowance: int, rate: float) -> float:
    """The chance that more than `errors` wrong labels stay, in the worst case over files, orders and models.

    Setting. Labels are swept one after the other. Before each the next one is chosen in any way that depends on the
    past alone: on the labels that people gave, on which were audited, on a model learned from these. Then a coin that
    is independent of all else says with probability f whether a person looks. A wrong label that is looked at is
    *caught* and corrected, one that is not is *missed*. Labels that people look at without a coin are never swept.

    Theorem. P(at some time more than E are missed while at most k are caught) <= I_{1-f}(E + 1, k + 1), the regularized
    incomplete beta function, and some file attains it.

    Proof. Count wrong labels in the order in which they are swept. Given everything before it, each is missed with
    probability 1 - f. So the outcomes of the first, second, … swept error are independent coins, whatever the order,
    and if the file ran out of errors we may toss the coins that are left over. The number caught when the (E + 1)-th is
    missed is then negative binomial, and P(it is <= k) = I_{1-f}(E + 1, k + 1). Both counts only rise: if at any time
    more than E are missed and at most k are caught, then at most k were caught when the (E + 1)-th was missed. A file
    of more than E + k wrong labels that is swept to the end attains the bound. ∎

    So nothing is paid for looking, for stopping early, or for an order that is learned on the way.

    Args:
        errors: E >= 0.
        allowance: k >= 0.
        rate: f in (0, 1].

    Returns:
        A probability.
    """
    return float(betainc(errors + 1, allowance + 1, 1 - rate))


def audit_rate(errors: int, allowance: int, alpha: float) -> float:
    """The smallest rate with which `sweep_risk` is at most alpha.

    Raises:
        BadInput: An argument is out of range.
    """
    if errors < 0 or allowance < 0:
        raise BadInput(f"Numbers of errors are 0 or more, got {errors} and {allowance}.")
    if not 0 < alpha < 1:
        raise BadInput(f"The chance of a false statement must lie in (0, 1); got {alpha!r}. 0.05 is usual.")
    rate = 1 - float(betaincinv(errors + 1, allowance + 1, alpha))
    while sweep_risk(errors, allowance, rate) > alpha:  # the root from the safe side
        rate = min(1.0, rate + max(1e-12, 4 * math.ulp(rate)))
    return rate


@lru_cache(maxsize=256)
def _candidates(errors: int, alpha: float) -> tuple[Array, Floats, Floats]:
    """(c,) allowances, (c,) rates, (c, q) numbers of errors swept, scaled by the rate, when the sweep ends."""
    more = np.geomspace(13, max(14.0, 1.2 * errors + 20), MOST_ALLOWED)
    allowed = np.unique(np.concatenate([np.arange(13), more.astype(int)]))
    rates = np.array([audit_rate(errors, int(k), alpha) for k in allowed])
    ends: Floats = np.asarray(gammaincinv(allowed[:, None] + 1, (np.arange(QUANTILES) + 0.5) / QUANTILES))
    return allowed, rates, ends


def sweep_plan(doubts: Array, errors: int, alpha: float) -> tuple[SweepPlan, int, float]:
    """The plan with which most labels should stay without a person. A forecast: any allowance is valid.

    Args:
        doubts: (n,) believed chances that a label is wrong, in the order of the sweep.
        errors: E >= 0, the most wrong labels that may stay.
        alpha: Chance that more stay, in (0, 1).

    Returns:
        The plan, how many labels it would sweep, and how many of these would stay.
    """
    allowed, rates, ends = _candidates(errors, alpha)
    so_far = np.cumsum(np.asarray(doubts, float))
    wanted = ends[:, :, None] / rates[:, None, None] / DOUBTED
    reach = np.searchsorted(so_far, wanted).reshape(len(allowed), -1).mean(axis=1)
    best = int(np.argmax((1 - rates) * reach))
    plan = SweepPlan(errors, alpha, int(allowed[best]), float(rates[best]))
    return plan, round(float(reach[best])), float((1 - plan.rate) * reach[best])


@dataclass(frozen=True)
class Swept:
    """How a sweep stands."""

    kept: Array
    """(m,) integers, places in the order of the sweep: labels that stay although nobody looked."""
    caught: int
    """Errors that audits found before the end; at most the allowance."""
    audits: int
    """People looked at so many of the labels before the end."""
    reach: int
    """Labels before the end: the first that is audited and not answered, or the error after those that are allowed."""
    ended: bool
    """The error that ends the sweep was caught."""


def swept(audited: Sequence[bool] | Array, wrong: Sequence[bool | None], plan: SweepPlan) -> Swept:
    """Read a sweep: everything before the error that ends it, and before the first audit without an answer.

    Args:
        audited: (t,) in the order of the sweep, by coins of `plan.rate`.
        wrong: (t,) what people found; None = nobody has looked. Of labels that were not audited it plays no part.
        plan: The plan.

    Returns:
        How it stands. At all times together at most `plan.errors` of `kept` are wrong, but for a chance of `plan.alpha`
        (`sweep_risk`).

    Raises:
        BadInput: Lengths differ.
    """
    if len(audited) != len(wrong):
        raise BadInput(f"One outcome for each label: got {len(wrong)} for {len(audited)}.")
    looked = np.asarray(audited, bool)
    caught = np.array([bool(a and w) for a, w in zip(looked, wrong, strict=True)], bool)
    waits = np.array([bool(a and w is None) for a, w in zip(looked, wrong, strict=True)], bool)
    over = np.cumsum(caught) > plan.allowance
    stop = np.flatnonzero(over | waits)
    reach = int(stop[0]) if len(stop) else len(looked)
    ended = bool(len(stop)) and bool(over[reach])
    before = looked[:reach]
    return Swept(np.flatnonzero(~before), int(caught[:reach].sum()), int(before.sum()), reach, ended)
