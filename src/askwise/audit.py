"""What uniformly random checks prove about a model: pure functions, arrays in, numbers out.

Three kinds of numbers live here and must not be confused:

* *Bounds* (`accuracy_on_rest`, `mean_error_bounds`) hold at every look, for any model, however questions are chosen.
* *Certificates* (`audit_plan`, `Plan.judge`) hold for a frozen model on a frozen region.
* *Plans* (`choose_region`, `expected_cost`) are guesses of cost. They steer, they are never evidence.

`docs/guarantee.md` explains all three; every proof is in the docstring of the function that needs it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from askwise.core import Array, BadInput, Estimate, share

Floats: TypeAlias = npt.NDArray[np.float64]
Target: TypeAlias = Literal["auto", "dataset"]
Outcome: TypeAlias = bool | Literal["unsure"] | None
"""Of one check: the model was wrong (True) or right (False), the human was unsure, or nobody answered yet (None)."""

UNKNOWN = -1
"""Code in `truth` of an item without a human label."""
UNSURE = -2
"""Code in `truth` of an item a human could not decide: no model is right about it."""

# ── bounds that hold at every look ──────────────────────────────────────────────────────────

BETS: Floats = np.array([0.02, 0.06, 0.12, 0.2, 0.3, 0.45, 0.6, 0.75, 0.88])
"""Bets of the evidence: what an error multiplies it with. Small ones win where errors are rare."""
FEWEST = 8
"""With fewer answered checks nothing is said: the bounds would be valid, but close to 0 and 1."""
LOW_SHARE = 0.8
"""Share of 1 - confidence spent on the lower bound of accuracy, the one people act on; the upper one gets the rest."""
RECENT = 50
"""Checks that enter the plain estimate."""


def window_starts(m: int) -> list[int]:
    """Look-back windows begin after 0, 10, 20, 40, 80, … checks: those below `m`, oldest first.

    Window i has weight 1 / ((i + 1) (i + 2)); the weights of all windows that may ever begin sum to one.
    """
    starts = [0] if m > 0 else []
    start = 10
    while start < m:
        starts.append(start)
        start *= 2
    return starts


@dataclass(frozen=True)
class Window:
    """Bounds on the mean error rate of the models that were checked in one look-back window."""

    start: int
    """Checks before the window."""
    audits: int
    wrong: int
    lower: float
    upper: float


def mean_error_bounds(wrong: Sequence[bool], alpha_low: float = 0.04, alpha_high: float = 0.01) -> list[Window]:
    """Confidence sequences for the mean of the error rates that uniform checks were drawn under.

    Check i is wrong with conditional probability e_i given everything before it; e_i may change in any way (the model
    learns, the pool shrinks), as long as it is fixed before the draw. In a window of m checks with k wrong let ē be the
    mean of its e_i. With probability at least 1 - `alpha_low`, ē <= `upper` for all windows at all times; with
    probability at least 1 - `alpha_high`, ē >= `lower` for all windows at all times.

    Proof. For a bet r > 0 the product of r^z_i / (1 + (r - 1) e_i) is a martingale with mean one. log(1 + (r - 1) p)
    is concave in p, so the product is at least E_r(ē) = r^k / (1 + (r - 1) ē)^m (Jensen). The average of E_r over
    a fixed set of bets is therefore below a martingale, and exceeds 1/a at some time with probability at most a
    (Ville, 1939). Bets r < 1 make E increase in ē and give `upper`; their reciprocals make it decrease and
    give `lower`. Window i pays alpha / ((i + 1) (i + 2)). Mixtures of bets: Robbins, 1970; betting confidence
    sequences: Waudby-Smith & Ramdas, 2024.

    Args:
        wrong: (m,) outcomes in the order of the draws, each scored before the model learned from it.
        alpha_low: Chance that some `upper` is ever too small, in (0, 1).
        alpha_high: Chance that some `lower` is ever too large, in (0, 1).

    Returns:
        One `Window` for each look-back window with at least `FEWEST` checks, oldest first.
    """
    z = np.asarray(wrong, dtype=bool)
    windows = []
    for i, start in enumerate(window_starts(len(z))):
        m, k = len(z) - start, int(z[start:].sum())
        if m < FEWEST:
            break
        weight = 1 / ((i + 1) * (i + 2))
        upper = _mean_bound(m, k, alpha_low * weight)
        lower = 1 - _mean_bound(m, m - k, alpha_high * weight)
        windows.append(Window(start, m, k, lower, upper))
    return windows


@lru_cache(maxsize=65536)
def _mean_bound(m: int, k: int, alpha: float) -> float:
    """Smallest p on a grid of 2^-20 (rounded up) whose evidence against a mean of p or more reaches 1/alpha, else 1."""
    limit = math.log(len(BETS) / alpha)

    def rejected(p: float) -> bool:
        return float(np.logaddexp.reduce(k * np.log(BETS) - m * np.log1p((BETS - 1) * p))) >= limit

    steps = 1 << 20
    return _first(lambda step: rejected(step / steps), 0, steps) / steps


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest x in low..high-1 for which the monotone `holds` (false, …, true) holds, else `high`."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True)
class Slack:
    """How far the pool and the model have moved since one check was drawn; see `accuracy_on_rest`."""

    size: int
    """Items the check was drawn from."""
    known_errors: int
    """… that have got a human label since, and on which the checked model was wrong."""
    unknown: int
    """… that have left the rest without a human label (labeled by the model)."""
    outside: int
    """Items of today's rest that the check could not have drawn."""
    disagree: int
    """Items of today's rest it could have drawn, where the checked model and the current one differ."""


def slack(members: Array, predicted: Array, truth: Array, current: Array, rest: Array) -> Slack:
    """Count what `accuracy_on_rest` needs to know about one check; every array has one entry for each item of the pool.

    Args:
        members: (n,) bool, the items this check was drawn from: all that were free at that moment.
        predicted: (n,) integer class codes >= 0, predictions of the model that was current at the draw.
        truth: (n,) integer class codes of human labels, `UNKNOWN` or `UNSURE`.
        current: (n,) integer class codes >= 0, predictions of today's model.
        rest: (n,) bool, items without a human label today.
    """
    left = members & ~rest
    stayed = members & rest
    answered = truth != UNKNOWN
    return Slack(
        size=int(np.count_nonzero(members)),
        known_errors=int(np.count_nonzero(left & answered & (predicted != truth))),
        unknown=int(np.count_nonzero(left & ~answered)),
        outside=int(np.count_nonzero(rest & ~members)),
        disagree=int(np.count_nonzero(stayed & (predicted != current))),
    )


def accuracy_on_rest(
    wrong: Sequence[bool | None],
    rest_sizes: Sequence[int] | Array,
    known_errors: Sequence[int] | Array,
    outside: Sequence[int] | Array,
    disagree: Sequence[int] | Array,
    rest: int,
    *,
    unknown: Sequence[int] | Array | int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Bounds on the accuracy of the *current* model on the *current* rest, without any assumption about either.

    Setting. Check i was drawn uniformly from R_i, N_i items, when model f_i was current, and f_i was fixed before the
    draw; e_i is the share of R_i on which f_i is wrong. Now the model is f, the rest R, and K = errors of f on R.

    Counting. Of the N_i e_i errors of f_i, some were on items that have left the rest: h_i (`known_errors`) for sure,
    h_i + u_i (`unknown`) at most. So G_i, its errors on R ∩ R_i, is between N_i e_i - h_i - u_i and N_i e_i - h_i.
    With d_i disagreements there: where both predict the same, both are right or both wrong; where they differ, at
    least one is wrong, whatever the number of classes. Hence on R ∩ R_i the errors of f are at most G_i + d_i, at
    least G_i - d_i, and at least d_i - G_i. The o_i items of R outside R_i add between 0 and o_i errors. So

        e_i >= (K + h_i - o_i - d_i) / N_i      (1)
        e_i <= (K + h_i + u_i + d_i) / N_i      (2)
        e_i >= (d_i + h_i - K) / N_i            (3)

    Evidence. For bets r < 1, the product over i of r^z_i / (1 - (1 - r) e_i) is a martingale with mean one, and so is
    M, its fixed mixture over bets and over look-back windows (a window that has not begun counts as 1). By Ville (1939)
    M reaches 1/a at any time with probability at most a. For a candidate K, replacing each e_i by its lower
    bound (1), at least 0, can only shrink M. So on that event's complement the true K is never among the candidates
    whose shrunken evidence reaches 1/a: it is at most the largest candidate left. The shrunken evidence grows
    with K, so bisection finds that candidate. (3), in the same martingale and at no extra cost, bounds K from
    below; (2), at most 1, does so with the reciprocal bets and its own martingale. Nothing is averaged, so checks with
    little slack count fully and old ones fade by themselves.

    The statement holds simultaneously at all times. `LOW_SHARE` = 80 % of 1 - confidence is spent on the martingale of
    bets below 1, from which `low` comes, and 20 % on the one of their reciprocals.

    Args:
        wrong: (m,) in the order of the *draws*: f_i wrong (True; also where the human was unsure) or right (False) on
            its item; None = shown but not answered yet, counted as wrong for `low` and as right for `high`.
        rest_sizes: (m,) N_i >= 1.
        known_errors: (m,) h_i.
        outside: (m,) o_i.
        disagree: (m,) d_i, counted on R ∩ R_i; counting on all of R is valid too, only looser.
        rest: Items in R.
        unknown: (m,) u_i, or 0 when nothing has left the rest without a human label.
        confidence: In (0, 1).

    Returns:
        An `Estimate` with `low` <= `accuracy` <= `high`. The point estimate is the smoothed mean of the last `RECENT`
        checks (Jeffreys), which describes recent models and is not covered by the guarantee. Without a model, or with
        fewer than `FEWEST` answers, `accuracy` is None and the bounds are 0 and 1.

    Raises:
        BadInput: arrays of different lengths, or numbers that no pool can produce.
    """
    if not 0 < confidence < 1:
        raise BadInput(f"Confidence must be strictly between 0 and 1, got {confidence!r}; 0.95 is usual.")
    m = len(wrong)
    gone = [unknown] * m if isinstance(unknown, int) else unknown
    counts = [_counts(x, m) for x in (rest_sizes, known_errors, gone, outside, disagree)]
    if np.any(counts[0] < 1) or rest < 0:
        raise BadInput("Every check is drawn from at least one item, and the rest is not negative; check the counts.")
    answered = [bool(w) for w in wrong if w is not None]
    audits, errors = len(answered), sum(answered)
    if audits < FEWEST or rest == 0:
        return Estimate(None, 0.0, 1.0, confidence, audits, errors, rest)

    z_most = np.array([w is None or bool(w) for w in wrong], dtype=float)
    z_least = np.array([w is not None and bool(w) for w in wrong], dtype=float)
    enough_low = 1 / (LOW_SHARE * (1 - confidence))
    enough_high = 1 / ((1 - LOW_SHARE) * (1 - confidence))

    def too_many(k: int) -> bool:
        at_least, _, _ = _implied_rates(k, *counts)
        return _evidence(BETS, z_most, at_least) >= enough_low

    def too_few(k: int) -> bool:
        _, at_most, at_least = _implied_rates(k, *counts)
        if _evidence(1 / BETS, z_least, at_most) >= enough_high:
            return True
        return _evidence(BETS, z_most, at_least) >= enough_low

    most = _first(too_many, 0, rest + 1) - 1
    least = _first(lambda k: not too_few(k), 0, rest + 1)
    if most < least:  # every candidate is refuted: an event of probability below alpha; claim nothing then
        most, least = rest, 0
    low, high = 1 - most / rest, 1 - least / rest
    recent = answered[-RECENT:]
    plain = 1 - (sum(recent) + 0.5) / (len(recent) + 1)
    return Estimate(min(max(plain, low), high), low, high, confidence, audits, errors, rest)


def _implied_rates(
    k: int, size: Floats, known: Floats, unknown: Floats, outside: Floats, disagree: Floats
) -> tuple[Floats, Floats, Floats]:
    """What k errors on the rest imply for the (m,) error rates e_i: at least (1), at most (2), at least (3)."""
    # Where differences were counted on all of the rest, at least this many are among the items of the draw.
    inside = np.maximum(disagree - outside, 0)
    rates = (
        (k + known - outside - disagree) / size,
        (k + known + unknown + disagree) / size,
        (inside + known - k) / size,
    )
    first, second, third = (np.clip(rate, 0, 1) for rate in rates)
    return first, second, third


def _counts(values: Any, m: int) -> Floats:
    """(m,) counts as floats, checked."""
    counts = np.asarray(values, dtype=float)
    if counts.shape != (m,) or not np.all(counts >= 0):
        raise BadInput(f"Expected {m} counts >= 0, one a check; got an array of shape {counts.shape}.")
    return counts


def _evidence(bets: Floats, z: Floats, rates: Floats) -> float:
    """Mixture over windows and bets of the products of r^z_i / (1 + (r - 1) rates_i); z and rates are (m,)."""
    starts = window_starts(len(z))
    steps = z[:, None] * np.log(bets) - np.log1p(rates[:, None] * (bets - 1))
    pieces = np.add.reduceat(steps, starts, axis=0)
    logs = np.cumsum(pieces[::-1], axis=0)[::-1]  # (windows, bets): each window reaches from its start to now
    i = np.arange(len(starts))
    weights = 1 / ((i + 1) * (i + 2))
    begun = float(weights @ np.exp(np.minimum(logs, 600)).mean(axis=1))  # clipped: never inf, and only ever smaller
    return begun + 1 / (len(starts) + 1)  # windows that have not begun: their weights sum to this, their value is 1


# ── certificates for a frozen model on a frozen region ──────────────────────────────────────

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
                return Certification("certified", m, wrong, None, self._accepted(m, wrong))
            hopeless = survivable is not None and m >= PATIENCE and wrong > survivable[m]
            if hopeless or wrong >= len(self.needed):
                return Certification("refused", m, wrong, None, self._hopeless(m, wrong))
        left = self.needed[wrong] - m
        reason = f"{m:,} checks done, {wrong:,} wrong; {left:,} more are needed if all of them are right."
        return Certification("checking", m, wrong, left, reason)

    def _accepted(self, m: int, wrong: int) -> str:
        limit = f"at most {share(self.max_error, 1)} of the {self.n - m:,} others are wrong"
        if self.target == "dataset":
            limit = f"wrong model labels are at most {share(self.max_error, 1)} of all {self.n:,}"
        return f"{m:,} blind checks with {wrong:,} wrong certify that {limit}."

    def _hopeless(self, m: int, wrong: int) -> str:
        return (
            f"{wrong:,} of {m:,} blind checks were wrong: proving at most {share(self.max_error, 1)} errors here would "
            "probably take more checks than it saves. Label more, choose a smaller region or allow more errors."
        )


def _allowed(n: int, m: int, max_error: float, target: Target) -> int:
    """Errors that may remain after m of n checks, in exact decimal arithmetic: 2 % of 150 is 3, not 2.9999."""
    return math.floor(Fraction(str(max_error)) * (n - m if target == "auto" else n))


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
    budget = alpha * (1 - 1e-6)  # leaves room for rounding in log-factorials

    def plan(a: float) -> tuple[tuple[int, ...], float]:
        acceptable = np.logical_and.accumulate(levels <= a, axis=1)
        errors = int(np.count_nonzero(acceptable.any(axis=0)))
        needed = checks[acceptable[:, :errors].argmax(axis=0)]
        return tuple(int(m) for m in needed), false_certificate_risk(n, max_error, target, needed)

    low, high = math.log(alpha / 40), math.log(2 * alpha)
    needed, risk = plan(math.exp(low))
    while risk > budget:
        low -= 1
        needed, risk = plan(math.exp(low))
    for _ in range(20):
        middle = (low + high) / 2
        better, its_risk = plan(math.exp(middle))
        if its_risk <= budget:
            low, needed, risk = middle, better, its_risk
        else:
            high = middle
    return Plan(n, max_error, alpha, target, needed, risk)


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
    top, few = np.where(sampled, errors, 1), np.where(sampled, k, 0)
    term = np.exp(_log_choose(top, few) + _log_choose(n - top, m - few) - _log_choose(n, m))
    total = term.copy()
    for _ in range(k.size):  # P(x - 1) from P(x), downwards from k
        term = term * (few * (n - top - m + few) / ((top - few + 1) * (m - few + 1)))
        total += term
        few = np.maximum(few - 1, 0)
    pv = np.where(sampled, total, np.where(harmless, 0, np.inf))
    tilt = np.minimum(1, math.log(1 / alpha) / max_error / m) ** TILT
    return checks, pv / tilt


def _log_choose(n: Any, k: Any) -> Floats:
    """Logarithm of n over k; -inf where k is not in 0..n."""
    n, k = np.broadcast_arrays(np.asarray(n, dtype=float), np.asarray(k, dtype=float))
    inside = (k >= 0) & (k <= n)
    n, k = np.where(inside, n, 0), np.where(inside, k, 0)
    return np.where(inside, gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), -np.inf)


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


# ── planning: guesses of cost, never evidence ───────────────────────────────────────────────

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
