"""Exact certificates for a frozen model on a frozen region."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from askwise.core import Array, BadInput, share

Floats: TypeAlias = npt.NDArray[np.float64]
Target: TypeAlias = Literal["auto", "dataset"]
Outcome: TypeAlias = bool | Literal["unsure"] | None
"""Of one check: the model was wrong (True) or right (False), the human was unsure, or nobody answered yet (None)."""


SPEND = (0.6, 0.2, 0.1, 0.05, 0.05)
"""Share of 1 - confidence that attempt 1, 2, … at a certificate spends, successful or not; they sum to one."""
HORIZON = 40
"""Plans look at most HORIZON / max_error checks ahead."""
TILT = 0.5
"""How fast the pointwise level falls after the first possible certificate."""
GRID = 4000
"""At most this many numbers of checks are candidates for accepting; any subset is valid."""
PATIENCE = 60
"""An attempt is not given up before this many checks."""
TABLED = 2**20
"""Logarithms of the factorials below are kept: eight megabytes at most, and ten times as fast as working them out."""
KEEP = 0.5
"""Human labels that a certificate saves for each item it covers, over giving up now and trying again later."""


@dataclass(frozen=True)
class Certification:
    """Where one attempt at a certificate stands; a function of the plan and the answers only."""

    status: Literal["certified", "checking", "refused"]
    audits: int
    """Checks that counted: the answered ones at the head of the fixed order, up to the decision."""
    wrong: int
    """… of which the model had wrong (unsure counts as wrong)."""
    left: int | None
    """Checks still needed if the model has all of them right; None when decided."""
    reason: str
    """One sentence."""


@dataclass(frozen=True)
class Plan:
    """When to accept: with k wrong among the first m checks, as soon as m >= `needed[k]`. Made by `audit_plan`."""

    n: int
    """Items in the frozen region."""
    max_error: float
    alpha: float
    """Bound on the probability of a false certificate."""
    target: Target
    needed: tuple[int, ...]
    """`needed[k]` checks certify although k of them were wrong; non-decreasing. More errors than listed: never."""
    risk: float
    """Exact probability of a false certificate in the worst case over all numbers of errors; <= `alpha`."""

    @property
    def first(self) -> int:
        """Fewest checks that can certify: all of them right."""
        return self.needed[0]

    def limit(self, m: int) -> int:
        """The most errors with which `m` checks certify; -1 when even none are too many."""
        return bisect_right(self.needed, m) - 1

    def allowed(self, m: int) -> int:
        """Errors that may remain among the n - m items not checked."""
        return _allowed(self.n, m, self.max_error, self.target)

    def survivable(self, expected_error: float) -> Array:
        """(m,) the most errors with which going on pays, by number of checks 0, 1, …; see `_survivable`."""
        return _survivable(self, (expected_error,))[:, 0]

    def judge(self, outcomes: Sequence[Outcome], expected_error: float | None = None) -> Certification:
        """Decide from the answers, strictly in the order that was fixed when the region was frozen.

        Only answers before the first missing one count. The first m with k_m <= `limit(m)` certifies, the first m
        with more errors than `survivable` refuses; nothing after that matters. Anybody who has the log can recompute
        this.

        Args:
            outcomes: For the items of the region in the fixed random order, as far as known: model wrong (True), right
                (False), human unsure ("unsure", counts as wrong), no answer yet (None).
            expected_error: The error rate expected when the region was frozen (`Region.error`); steers only when to
                give up. None: never give up, which is enough to verify a certificate.

        Raises:
            BadInput: more outcomes than items, or an outcome of another kind.
        """
        if len(outcomes) > self.n:
            raise BadInput(f"{len(outcomes)} outcomes for a region of {self.n} items; pass each checked item once.")
        survivable = None if expected_error is None else self.survivable(expected_error)
        m = wrong = 0
        for outcome in outcomes:
            if outcome is None:
                break
            if outcome != "unsure" and not isinstance(outcome, (bool, np.bool_)):
                raise BadInput(f"Outcome {m + 1} is {outcome!r}; known: True (wrong), False (right), 'unsure', None.")
            m += 1
            wrong += bool(outcome)  # "unsure" is true: it counts as wrong
            if wrong <= self.limit(m):
                reason = accepted_as(self.n, self.max_error, self.target, m, wrong)
                return Certification("certified", m, wrong, None, reason)
            hopeless = survivable is not None and m >= PATIENCE and wrong > survivable[m]
            if hopeless or wrong >= len(self.needed):
                return Certification("refused", m, wrong, None, hopeless_as(self.max_error, m, wrong))
        left = self.needed[wrong] - m
        reason = f"{m:,} checks done, {wrong:,} wrong; {left:,} more are needed if all of them are right."
        return Certification("checking", m, wrong, left, reason)


def accepted_as(n: int, max_error: float, target: Target, m: int, wrong: int) -> str:
    """What m checks of a region of n items certify, in a sentence."""
    limit = f"at most {share(max_error, 1)} of the {n - m:,} others are wrong"
    if target == "dataset":
        limit = f"wrong model labels are at most {share(max_error, 1)} of all {n:,}"
    return f"{m:,} blind checks with {wrong:,} wrong certify that {limit}."


def hopeless_as(max_error: float, m: int, wrong: int) -> str:
    """Why checking is given up, and what is within reach, in a few sentences.

    With half as many errors as the limit allows nine attempts in ten succeed, so twice the share found is within reach.
    """
    reach = math.ceil(100 * 2 * (wrong + 0.5) / m) / 100
    could = f" About {share(reach)} is within reach as things are." if max_error < reach < 0.5 else ""
    return (
        f"{wrong:,} of {m:,} blind checks were wrong: proving at most {share(max_error, 1)} errors here would "
        f"probably take more checks than it saves.{could} Label more, choose a smaller region or allow more errors. A "
        "slip of a person counts as an error, too: where answers to these checks are put right, they may go on."
    )


def counted(outcomes: Sequence[Outcome], n: int) -> Array:
    """(t,) bool, which checks found the model wrong (unsure counts as wrong), up to the first without an answer.

    Raises:
        BadInput: more outcomes than the n items, or an outcome of another kind.
    """
    if len(outcomes) > n:
        raise BadInput(f"{len(outcomes)} outcomes for a region of {n} items; pass each checked item once.")
    found: list[bool] = []
    for outcome in outcomes:
        if outcome is None:
            break
        if outcome != "unsure" and not isinstance(outcome, (bool, np.bool_)):
            raise BadInput(
                f"Outcome {len(found) + 1} is {outcome!r}; known: True (wrong), False (right), 'unsure', None."
            )
        found.append(bool(outcome))
    return np.array(found, bool)


def _allowed(n: int, m: int, max_error: float, target: Target) -> int:
    """Errors that may remain after m of n checks, in exact decimal arithmetic: 2 % of 150 is 3, not 2.9999."""
    errors, of = _as_written(max_error)
    return errors * (n - m if target == "auto" else n) // of


@lru_cache(maxsize=256)
def _as_written(share: float) -> tuple[int, int]:
    """A share as its digits say it, a fraction in lowest terms."""
    return Fraction(str(share)).as_integer_ratio()


def share_of(allowed: int, n: int) -> float:
    """The share of a region of `n` items that stands for a number of errors, whatever the number of checks.

    With target "dataset" it allows exactly `allowed` errors; one half of the items at most, which is fewer.
    """
    return min((allowed + 0.5) / n, 0.5)


@lru_cache(maxsize=256)
def audit_plan(n: int, max_error: float, alpha: float, target: Target = "auto") -> Plan:
    """The plan of a certificate: exact, looked at after every check, for a frozen region of `n` items.

    Setting. The model's labels on n items are frozen, K of them are wrong, K unknown. People check the items in
    a uniformly random order; k_m of the first m are wrong. A certificate after m checks says that of the n - m others
    (labeled by the model) at most `max_error` are wrong: K - k_m <= floor(max_error (n - m)); for target "dataset",
    that they are at most floor(max_error n). Checked items carry the human label.

    Claim. For every K, the probability that a false certificate is issued is at most `alpha`. Nothing is assumed about
    the model, how it was trained, how the region was chosen, or why the person wanted to stop: all of that came before
    the order was drawn.

    Proof. Let needed[j] be the plan, non-decreasing. A path (k_1, k_2, …) is certified at the first m with
    needed[k_m] <= m. k never decreases, so this can happen only at points (needed[j], j). All 0/1 sequences with k
    ones among m have the same probability C(n - m, K - k) / C(n, K). So with g_j the number of sequences that arrive at
    (needed[j], j) without being certified before,

        P_K(certified at point j) = g_j C(n - needed[j], K - j) / C(n, K),

    and g_j = C(needed[j], j) - sum over i < j of g_i C(needed[j] - needed[i], j - i). The risk at K is the sum
    over the points where K - j exceeds the allowed errors: exact, computed for every K that matters. Below
    min_j (j + allowed_j) + 1 no certificate is false. From max_j (j + allowed_j) + 1 on every certificate is
    false, and adding an error to a pool only raises k_m, so the probability of a certificate does not grow with K.

    Choice of the plan (free, validity does not depend on it). pv(m, k) is the probability of at most k errors in m
    checks when the least bad K is true. k errors are acceptable at m when pv(m, k') <= a min(1, m1 / m)^TILT for all
    k' <= k, m1 = ln(1 / alpha) / max_error. a is raised by bisection while the exact risk stays at or below `alpha`.

    Args:
        n: Items in the region, >= 1.
        max_error: Largest acceptable share of errors, in (0, 1).
        alpha: Largest acceptable probability of a false certificate, in (0, 1).
        target: "auto": share among the items labeled by the model; "dataset": share of the region, checked items (which
            are right) included: cheaper, but among the model's labels alone the share may be larger.

    Raises:
        BadInput: a number out of range, or an unknown target.
    """
    if not (n >= 1 and 0 < max_error < 1 and 0 < alpha < 1):
        raise BadInput(
            f"A certificate needs n >= 1, 0 < max_error < 1 and 0 < alpha < 1; got {n!r}, {max_error!r}, {alpha!r}. "
            "Errors are shares: 0.02 is 2 %."
        )
    if target not in ("auto", "dataset"):
        raise BadInput(f"Unknown target {target!r}; known: 'auto' (share of the model's labels), 'dataset' (of all).")
    checks, levels = _pointwise_levels(n, max_error, alpha, target)
    needed, risk = _best_within(
        alpha, checks, levels, lambda points: false_certificate_risk(n, max_error, target, points), halvings=20
    )
    return Plan(n, max_error, alpha, target, needed, risk)


def _best_within(
    alpha: float, checks: Array, levels: Floats, risk_of: Callable[[Array], float], *, halvings: int
) -> tuple[tuple[int, ...], float]:
    """The plan with the highest pointwise level whose exact risk is at most `alpha`, and that risk.

    Args:
        alpha: Largest acceptable risk, in (0, 1).
        checks: (c,) candidate numbers of checks, ascending.
        levels: (c, k) smallest level at which k are acceptable after so many checks.
        risk_of: The exact risk of a plan, (k,) checks needed.
        halvings: Steps of the bisection over levels.
    """
    budget = alpha * (1 - 1e-6)  # leaves room for rounding in log-factorials
    highest = np.maximum.accumulate(levels, axis=1)
    risks: dict[tuple[int, ...], float] = {}  # the last steps find the same plan again and again

    def plan(a: float) -> tuple[tuple[int, ...], float]:
        acceptable = highest <= a
        most = int(np.count_nonzero(acceptable.any(axis=0)))
        points = checks[acceptable[:, :most].argmax(axis=0)]
        needed = tuple(points.tolist())
        if needed not in risks:
            risks[needed] = risk_of(points)
        return needed, risks[needed]

    low, high = math.log(alpha / 40), math.log(2 * alpha)
    needed, risk = plan(math.exp(low))
    while risk > budget:
        low -= 1
        needed, risk = plan(math.exp(low))
    for _ in range(halvings):
        middle = (low + high) / 2
        better, its_risk = plan(math.exp(middle))
        if its_risk <= budget:
            low, needed, risk = middle, better, its_risk
        else:
            high = middle
    return needed, risk


def _pointwise_levels(n: int, max_error: float, alpha: float, target: Target) -> tuple[Array, Floats]:
    """Candidate numbers of checks (c,) and, (c, k), the smallest a of `audit_plan` at which k errors are acceptable."""
    horizon = min(n, math.ceil(HORIZON / max_error))
    checks = np.unique(np.linspace(1, horizon, min(horizon, GRID)).astype(np.int64))
    m = checks[:, None].astype(float)
    k = np.arange(math.ceil(2 * max_error * horizon) + 12, dtype=float)[None, :]
    allowed = np.array([_allowed(n, int(c), max_error, target) for c in checks], dtype=float)[:, None]
    errors = k + allowed + 1  # the least bad number of errors in the region, given k were found
    harmless = (k <= m) & (allowed + 1 > n - m)  # so many cannot remain
    # Where k is at or above its mean it is no evidence of few errors: never acceptable.
    sampled = (k <= m) & ~harmless & (k < m * errors / n)
    pv = np.where(harmless, 0, np.inf)
    # One after the other, the largest k first: after x steps the sums of k <= x are complete.
    column, row = np.nonzero(sampled.T[::-1])
    column = k.size - 1 - column
    few, of, top = k[0, column], m[row, 0], errors[row, column]
    term = np.exp(_log_choose(top, few) + _log_choose(n - top, of - few) - _log_choose(n, of))
    total = term.copy()
    left = n - top - of
    longer = np.searchsorted(-few, -np.arange(k.size), side="left")
    for x in range(int(few[0]) if few.size else 0):  # P(few - x - 1) from P(few - x)
        on = slice(longer[x])
        now = few[on] - x
        term = term[on] * (now * (left[on] + now) / ((top[on] - now + 1) * (of[on] - now + 1)))
        total[on] += term
    pv[row, column] = total
    tilt = np.minimum(1, math.log(1 / alpha) / max_error / m) ** TILT
    return checks, pv / tilt


def _log_choose(n: Any, k: Any) -> Floats:
    """Logarithm of n over k, whole numbers; -inf where k is not in 0..n."""
    n, k = np.broadcast_arrays(np.asarray(n).astype(np.int64), np.asarray(k).astype(np.int64))
    inside = (k >= 0) & (k <= n)
    n, k = np.where(inside, n, 0), np.where(inside, k, 0)
    most = int(n.max(initial=0))
    if most >= TABLED:
        return np.where(inside, gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0), -np.inf)
    known = _log_factorials(most.bit_length())
    return np.where(inside, known[n] - known[k] - known[n - k], -np.inf)


@lru_cache(maxsize=4)
def _log_factorials(bits: int) -> Floats:
    """(2^bits,) logarithms of 0!, 1!, 2!, …"""
    return np.asarray(gammaln(np.arange(1.0, 2**bits + 1)), dtype=float)


def _arrivals(needed: Array) -> Floats:
    """(j,) probability of not having been certified before, given k = j after needed[j] checks; see `audit_plan`."""
    j = np.arange(len(needed))
    new: Floats = np.ones(len(needed))
    before = np.exp(
        _log_choose(needed, j)[:, None]
        + _log_choose(needed[None, :] - needed[:, None], j[None, :] - j[:, None])
        - _log_choose(needed, j)[None, :]
    )
    for i in range(1, len(needed)):
        new[i] = np.maximum(0, 1 - new[:i] @ before[:i, i])
    return new


def false_certificate_risk(n: int, max_error: float, target: Target, needed: Sequence[int] | Array) -> float:
    """Largest probability, over all numbers of errors K = 0..n, that the plan `needed` issues a false certificate."""
    points = np.asarray(needed)
    if len(points) == 0:
        return 0.0
    j = np.arange(len(points))
    allowed = np.array([_allowed(n, int(m), max_error, target) for m in points])
    errors = np.arange((j + allowed).min() + 1, min((j + allowed).max() + 1, n) + 1)[:, None]
    if errors.size == 0:
        return 0.0
    logs = _log_choose(points, j) + _log_choose(n - points, errors - j) - _log_choose(n, errors)
    return float((np.exp(logs) * _arrivals(points) * (errors - j > allowed)).sum(axis=1).max())


@lru_cache(maxsize=256)
def _survivable(plan: Plan, expected: tuple[float, ...]) -> Array:
    """(needed[-1] + 1, r) the most errors with which going on pays, by checks done and expected error; -1 = none.

    Optimal stopping by backward induction. A certificate after m checks is worth KEEP (n - m) human labels more than
    giving up (which leaves later attempts), a check costs one. The next check is wrong with probability
    (k + v q) / (m + v), q = `expected`, v = 0.5 / max_error (Beta prior). Giving up never makes a certificate
    wrong, so this may be, and is, a guess.
    """
    needed = np.array(plan.needed)
    k = np.arange(len(needed))
    v = 0.5 / plan.max_error
    prior = v * np.array(expected)[:, None]
    last = int(needed[-1])
    most = np.full((last + 1, len(expected)), len(needed) - 1)
    value = np.full((len(expected), len(needed) + 1), KEEP * (plan.n - last))
    value[:, -1] = 0  # more errors than any certificate allows
    for m in range(last - 1, -1, -1):
        p = np.minimum((k + prior) / (m + v), 1)
        value[:, :-1] = np.maximum(p * value[:, 1:] + (1 - p) * value[:, :-1] - 1, 0)
        value[:, : plan.limit(m) + 1] = KEEP * (plan.n - m)
        most[m] = np.count_nonzero(value > 0, axis=1) - 1
    return most
