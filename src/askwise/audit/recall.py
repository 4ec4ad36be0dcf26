"""Recall of a search for rare items: exact plans for stopping, and bounds that hold at every look."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from askwise.audit.plan import PATIENCE, SPEND, Certification, Outcome, _arrivals, _best_within, _log_choose
from askwise.core import Array, BadInput, share

Floats: TypeAlias = npt.NDArray[np.float64]

CANDIDATES = 400
"""At most this many numbers of checks are candidates for stopping; any subset is valid."""
HITS = 60
"""A plan allows at most this many relevant items among its checks; then it is better to go on by ranking."""
FALL = 0.8
"""The pointwise level of `recall_plan` for k + 1 relevant checks, as a share of that for k."""
HOPELESS = 0.95
"""Checks are given up when, at their present rate of relevant ones, they would end behind this share of all."""
MISS_BETS: Floats = np.array([0.0, 0.05, 0.15, 0.3, 0.6])
"""Bets of `most_missed`: what a relevant item multiplies the evidence with."""
MISS_WEIGHTS: Floats = np.array([0.4, 0.15, 0.15, 0.15, 0.15])
"""Weights of `MISS_BETS`."""
GAP_SHARE = 1 / 12
"""An attempt begins after a run of irrelevant items of this share of the unseen …"""
GAP_OF_COST = 0.22
"""… or of this share of what the attempt will take, where that is less …"""
GAP = 20
"""… and at least of this length."""


def may_miss(found: int, recall: float) -> int:
    """The most relevant items that may be missed when `found` are: the recall found / (found + missed) still holds.

    Computed in exact decimal arithmetic: 95 found at 0.95 may miss 5, not 4.9999.

    >>> may_miss(95, 0.95), may_miss(94, 0.95)
    (5, 4)
    """
    target = Fraction(str(recall))
    return math.floor(found * (1 - target) / target)


# ── the exact plan ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class RecallPlan:
    """When to stop: with k relevant among the first m checks, as soon as m >= `needed[k]`. Made by `recall_plan`."""

    n: int
    """Unseen items when the plan was made."""
    found: int
    """Relevant items found before."""
    recall: float
    alpha: float
    """Bound on the probability of stopping with a lower recall."""
    needed: tuple[int, ...]
    """`needed[k]` checks are enough although k of them were relevant; non-decreasing. More than listed: never."""
    risk: float
    """Exact probability of a false stop in the worst case over all numbers of relevant items; <= `alpha`."""

    @property
    def first(self) -> int:
        """Fewest checks that can be enough: none of them relevant. `n` where only reading everything is."""
        return self.needed[0] if self.needed else self.n

    def limit(self, m: int) -> int:
        """The most relevant ones with which `m` checks are enough; -1 when even none are too many."""
        return bisect_right(self.needed, m) - 1

    def judge(self, outcomes: Sequence[Outcome], expected_error: float | None = None) -> Certification:
        """Decide from the answers, strictly in the order that was fixed when the plan was made.

        Only answers before the first missing one count. An item that the person was unsure about counts as a relevant
        one: that can only delay the stop (see `recall_plan`).

        Args:
            outcomes: Of the unseen items in their order, as far as known: relevant (True), irrelevant (False), human
                unsure ("unsure"), no answer yet (None).
            expected_error: The expected share of relevant items, steers only when to give up. None: give up only where
                no number of checks would do, which is enough to verify a stop.

        Returns:
            "certified" = the recall is reached; `wrong` counts the relevant ones among the checks.

        Raises:
            BadInput: more outcomes than items.
        """
        if len(outcomes) > self.n:
            raise BadInput(f"{len(outcomes)} outcomes for {self.n} items; pass each checked item once.")
        m = k = 0
        for outcome in outcomes:
            if outcome is None:
                break
            m += 1
            k += bool(outcome)  # "unsure" is true
            if k <= self.limit(m) or m == self.n:
                return Certification("certified", m, k, None, self._reached(m, k))
            hopeless = expected_error is not None and m >= PATIENCE and self._projected(m, k) > HOPELESS * self.n
            if k >= len(self.needed) or hopeless:
                return Certification("refused", m, k, None, self._refused(m, k))
        left = (self.needed[k] if k < len(self.needed) else self.n) - m
        reason = f"{m:,} checks in random order, {k:,} relevant; {left:,} more are needed if none of them is relevant."
        return Certification("checking", m, k, left, reason)

    def _projected(self, m: int, k: int) -> float:
        """Checks at which the plan would end if relevant ones came on at the rate so far; inf = never."""
        ahead = np.array(self.needed[k:])
        fits = np.flatnonzero(k / m * (ahead - m) <= np.arange(len(ahead)))
        return float(ahead[fits[0]]) if len(fits) else math.inf

    def _reached(self, m: int, k: int) -> str:
        if m == self.n:
            return f"All {self.n:,} items left were read, {k:,} of them relevant: nothing is missed."
        return (
            f"{self.found + k:,} relevant items are found; {m:,} checks with {k:,} relevant prove that these are at "
            f"least {share(self.recall)} of all, with {self.n - m:,} items unread."
        )

    def _refused(self, m: int, k: int) -> str:
        return (
            f"{k:,} of {m:,} checks in random order were relevant: too many are still unread to prove a recall of "
            f"{share(self.recall)} this way. Go on by ranking, and try again when nothing more turns up."
        )


@lru_cache(maxsize=512)
def recall_plan(n: int, found: int, recall: float, alpha: float) -> RecallPlan:
    """The plan of a stop at a recall: exact, looked at after every check, for `n` unseen items.

    Setting. `found` = F relevant items are known, K of n unseen ones are relevant, K unknown. People read the unseen
    items in a uniformly random order; k_m of the first m are relevant, and they are found by that. Stopping after m
    checks says that of the relevant items at least the share `recall` is found, which is so when at most
    A(k) = floor((F + k) (1 - recall) / recall) are missed: K - k_m <= A(k_m).

    Claim 1. For every K, the probability of stopping at a lower recall is at most `alpha`. Nothing is assumed about the
    model, how the first F were found, or why the person began to check: all of that came before the order was
    drawn.

    Proof. As for `audit_plan`: k never decreases, so a path can be stopped only at points (needed[j], j), with
    probability g_j C(n - needed[j], K - j) / C(n, K). The risk at K is the sum over the points where K > j + A(j):
    exact, computed for every K that matters. j + A(j) grows with j: with K up to A(0) no stop is false, and from
    J + A(J) + 1 on, J the last point, every stop is, and adding a relevant item only raises k_m and delays the stop.

    Claim 2. The same holds for any order in which the next item is, given everything before, at least as likely to be
    relevant as an unread item drawn at random: a ranking that is *no worse than random*.

    Proof. Its count k' and the count k of a random order can be built on one probability space with k'_m >= k_m
    always: where k' = k, the chance of a step of k' is at least (K - k) / (n - m), that of k; where k' > k, one
    step cannot reverse the order. If k' is stopped falsely, needed[k'_m] <= m and K > k'_m + A(k'_m), then k_m <= k'_m
    gives needed[k_m] <= m: k was stopped by then, with no more relevant ones, j <= k'_m, and K > j + A(j): falsely.

    Claim 3. Counting an unsure item as relevant is careful: if it is not, the path stops no earlier than the path of
    the true count, which when stopped later misses no more, as long as the unsure one is no miss (it was read).

    Choice of the plan (free, validity does not depend on it). pv(m, k) is the probability of at most k relevant in m
    checks when the least bad K is true. k are acceptable at m when pv(m, k') <= a FALL^k' for all k' <= k. a is raised
    by bisection while the exact risk stays at or below `alpha`.

    Args:
        n: Unseen items, >= 1.
        found: Relevant items found so far, >= 0.
        recall: To reach, in (0, 1).
        alpha: Largest acceptable probability of a false stop, in (0, 1).

    Raises:
        BadInput: a number out of range.
    """
    if not (n >= 1 and found >= 0 and 0 < recall < 1 and 0 < alpha < 1):
        raise BadInput(
            f"A stop needs n >= 1, found >= 0, 0 < recall < 1 and 0 < alpha < 1; got {n!r}, {found!r}, {recall!r}, "
            f"{alpha!r}. Recall is a share: 0.95 is 95 %."
        )
    checks, levels = _stop_levels(n, found, recall)
    needed, risk = _best_within(
        alpha, checks, levels, lambda points: false_stop_risk(n, found, recall, points), halvings=16
    )
    return RecallPlan(n, found, recall, alpha, needed, risk)


def _stop_levels(n: int, found: int, recall: float) -> tuple[Array, Floats]:
    """Candidate numbers of checks (c,) and, (c, k), the smallest a of `recall_plan` at which k are acceptable."""
    even, early = np.linspace(1, n, min(n, CANDIDATES // 2)), np.geomspace(1, n, min(n, CANDIDATES // 2))
    checks = np.unique(np.concatenate([even, early]).round().astype(np.int64))
    hits = np.arange(min(n, 4 * may_miss(found, recall) + 20, HITS) + 1)
    m, k = checks[:, None], hits[None, :]
    missed = np.array([may_miss(found + int(j), recall) for j in hits])[None, :] + 1  # the fewest that are too many
    relevant = k + missed
    # Where k is at or above its mean it is no evidence of few: never acceptable. Where so many cannot be left, always.
    harmless = missed > n - m
    sampled = (k <= m) & ~harmless & (k * n < m * relevant)
    top = np.where(sampled, relevant, 0)
    whole = _log_choose(n, m)
    at_most = np.zeros(sampled.shape)
    for x in hits:  # P(x relevant in m checks), for all m and k at once
        at_most += np.where(x <= k, np.exp(_log_choose(top, x) + _log_choose(n - top, m - x) - whole), 0)
    pv = np.where(sampled, at_most, np.where(harmless & (k <= m), 0, np.inf))
    return checks, pv / FALL**k


def false_stop_risk(n: int, found: int, recall: float, needed: Sequence[int] | Array) -> float:
    """Largest probability, over all numbers of relevant items K = 0..n, that the plan `needed` stops falsely."""
    points = np.asarray(needed)
    if len(points) == 0:
        return 0.0
    j = np.arange(len(points))
    allowed = np.array([may_miss(found + int(k), recall) for k in j])
    relevant = np.arange(allowed[0] + 1, min(j[-1] + int(allowed[-1]) + 1, n) + 1)[:, None]
    if relevant.size == 0:
        return 0.0
    logs = _log_choose(points, j) + _log_choose(n - points, relevant - j) - _log_choose(n, relevant)
    return float((np.exp(logs) * _arrivals(points) * (relevant - j > allowed)).sum(axis=1).max())


def dry_run(unread: int, found: int, recall: float, alpha: float) -> int:
    """Irrelevant items in a row after which an attempt probably pays; a guess that no proof rests on.

    Waiting costs answers, beginning too early costs an attempt. What an attempt takes is estimated by one look at a
    random sample with nothing relevant in it: 1 - alpha^(1 / (missed + 1)) of the unread.

    Args:
        unread: Items left, >= 0.
        found: Relevant items so far.
        recall: To reach, in (0, 1).
        alpha: Of all attempts together, in (0, 1).
    """
    cost: float = 1 - (alpha * SPEND[0]) ** (1 / (may_miss(found, recall) + 1))
    return max(GAP, math.ceil(unread * min(GAP_SHARE, GAP_OF_COST * cost)))


# ── stopping in ranked order ────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class RankedStop:
    """Where a search in ranked order stands. It rests on the ranking: see Claim 2 of `recall_plan`."""

    stopped: int | None
    """Answers after which the recall was reached; None = not yet."""
    left: int | None
    """Further answers that would do if none of them is relevant; None = no attempt is under way, or stopped."""
    starts: tuple[int, ...]
    """Answers before each attempt."""


def ranked_stop(hits: Sequence[bool] | Array, n: int, found: int, recall: float, alpha: float) -> RankedStop:
    """Stop in ranked order with no further labels, if the ranking is no worse than a random order.

    Precisely: assumed is that the next item is, given all answers before, at least as likely relevant as an unread one
    drawn at random. Then the probability of ever stopping below `recall` is at most `alpha`, looked at after every
    answer. Nothing checks the assumption: a model that never ranks some kind of relevant items breaks it.

    Attempt j is a `recall_plan` for the items then unread and spends SPEND[j] of `alpha` (union bound). It begins
    after a run of irrelevant items (`dry_run`), and later ones only where they could end sooner than those
    under way. When to begin is decided from past answers alone, so each plan is valid given its past.

    Args:
        hits: (t,) answers in the order in which items were read: relevant (also where unsure) or not.
        n: Items unread before the first of them, >= t.
        found: Relevant items known before.
        recall: To reach, in (0, 1).
        alpha: Largest acceptable probability of stopping below it, in (0, 1).

    Raises:
        BadInput: more answers than items, or a number out of range.
    """
    z = np.asarray(hits, bool)
    if len(z) > n:
        raise BadInput(f"{len(z)} answers for {n} items; pass each item once.")
    total = np.concatenate([[0], np.cumsum(z)])
    attempts: list[tuple[int, RecallPlan]] = []
    run, left, tried = 0, None, False  # tried: in this run of irrelevant items
    for t in range(len(z) + 1):
        if t:
            run, tried = (0, False) if z[t - 1] else (run + 1, tried)
        if t == n:
            return RankedStop(t, None, tuple(s for s, _ in attempts))
        known = found + int(total[t])
        due = known > 0 and len(attempts) < len(SPEND) and not tried and run >= dry_run(n - t, known, recall, alpha)
        ends = [_end(plan, start, t, int(total[t] - total[start])) for start, plan in attempts]
        if due and min(ends, default=n) > t + 0.5 * (n - t):  # those under way have gone badly, if there are any
            tried = True
            plan = recall_plan(n - t, known, recall, alpha * SPEND[len(attempts)])
            if t + plan.first < min(ends, default=n):
                attempts.append((t, plan))
                ends.append(t + plan.first)
        if min(ends, default=n) <= t:
            return RankedStop(t, None, tuple(s for s, _ in attempts))
        left = min(ends) - t if ends and min(ends) < n else None
    return RankedStop(None, left, tuple(s for s, _ in attempts))


def _end(plan: RecallPlan, start: int, t: int, k: int) -> int:
    """The answer at which an attempt stops if nothing relevant follows; `start` + n where only reading all does."""
    return max(start + plan.needed[k], t) if k < len(plan.needed) else start + plan.n


# ── a bound on what is missed, at every look ────────────────────────────────────────────────


def most_missed(
    hits: Sequence[bool] | Array,
    sizes: Sequence[int] | Array,
    later: Sequence[int] | Array,
    rest: int,
    alpha: float,
    *,
    starts: Sequence[int] = (),
    advantage: float = 1.0,
) -> int:
    """Upper confidence bound, at every look, for the relevant items among the `rest` unread ones.

    Setting. Draw i was one of N_i unread items, of which L_i were relevant; given everything before, the chance p_i
    that it was relevant is at least `advantage` L_i / N_i: equal to it, with `advantage` 1, for uniformly random
    checks. If K relevant items are unread now, L_i is at least K + h_i - o_i, with h_i the relevant ones found among
    the N_i since, and o_i the items unread now that draw i could not have chosen.

    Proof. For a bet 0 <= r < 1, the product of r^z_i / (1 - (1 - r) q_i) with q_i = advantage L_i / N_i <= p_i has
    factors of conditional mean (1 - (1 - r) p_i) / (1 - (1 - r) q_i) <= 1: a supermartingale. So is its mixture over
    bets and over starts chosen from the past (one that has not begun counts as 1); by Ville (1939) it reaches 1 / alpha
    at any time with probability at most alpha. Putting K + h_i - o_i for L_i can only shrink it, and it grows with K,
    so the true K is, but for that event, at most the largest K whose evidence stays below 1 / alpha.

    Args:
        hits: (t,) whether draw i was relevant; True also where nobody answered yet or the person was unsure.
        sizes: (t,) N_i >= 1.
        later: (t,) h_i - o_i: relevant items found among the N_i from draw i on (itself included), less o_i.
        rest: Items unread now.
        alpha: Chance that the bound is ever too small, in (0, 1).
        starts: Draws before each attempt, ascending, at most len(SPEND): there the evidence begins afresh. Half of the
            weight is on the evidence of all draws, half on these, by `SPEND`.
        advantage: How many times likelier than at random the next item is to be relevant. Above 1 it is an assumption
            about the ranking that nothing checks.

    Returns:
        0 .. rest.

    Raises:
        BadInput: arrays of different lengths, or a number out of range.
    """
    z = np.asarray(hits, bool)
    size, h = np.asarray(sizes, float), np.asarray(later, float)
    if not (z.shape == size.shape == h.shape and z.ndim == 1) or np.any(size < 1):
        raise BadInput(f"Give one size >= 1 and one count for each of {z.size} draws; got {size.size} and {h.size}.")
    if not (0 < alpha < 1 and advantage > 0 and rest >= 0):
        raise BadInput(f"alpha in (0, 1), advantage > 0, rest >= 0; got {alpha!r}, {advantage!r}, {rest!r}.")
    begins = [0, *[s for s in starts if s < len(z)]]
    weights = np.array([0.5, *(0.5 * np.array(SPEND))])[: len(begins)]

    def refuted(missed: int) -> bool:
        q = np.clip(advantage * (missed + h) / size, 0, 1)
        return _miss_evidence(z, q, begins, weights) >= 1 / alpha

    low, high = 0, rest + 1  # the smallest refuted number lies in low .. high
    while low < high:
        middle = (low + high) // 2
        if refuted(middle):
            high = middle
        else:
            low = middle + 1
    return max(0, low - 1) if low else rest  # where even 0 is refuted, an event of chance alpha, nothing is claimed


def _miss_evidence(z: Array, q: Floats, begins: Sequence[int], weights: Floats) -> float:
    """Mixture over starts and bets of the products of r^z_i / (1 - (1 - r) q_i); z and q are (t,)."""
    if not len(z):
        return 1.0
    bets = MISS_BETS
    steps = -np.log(np.maximum(1 - (1 - bets) * q[:, None], 1e-300))
    steps += np.where(z[:, None], np.where(bets > 0, np.log(np.maximum(bets, 1e-300)), -np.inf), 0)
    sums = np.cumsum(steps[::-1], axis=0)[::-1]
    logs = np.stack([sums[b] for b in begins])
    begun = float(weights @ (np.exp(np.minimum(logs, 600)) @ MISS_WEIGHTS))
    return begun + 1 - float(weights.sum())


def recall_at_least(found: int, missed: int) -> float:
    """Recall when `found` relevant items are known and at most `missed` are not; 0 while none is known.

    >>> recall_at_least(95, 5)
    0.95
    """
    return found / (found + missed) if found else 0.0
