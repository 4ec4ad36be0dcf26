"""Exact certificates from checks that are drawn where the doubt is, for a frozen model on a frozen region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from askwise.audit import course
from askwise.audit.plan import KEEP, PATIENCE, Certification, Floats, Outcome, Target, accepted_as, counted, hopeless_as
from askwise.audit.weights import LEAST, RARE_BETS, WEIGHTS, Levels
from askwise.core import Array, BadInput

SLACK = 1e-9
"""By so much the logarithm of the evidence must pass its limit: more than the rounding of all sums together."""
HOPE = 1.5
"""Of the errors seen so many standard deviations are put down to bad luck before an attempt is given up."""
BLOCK = 32
"""Looks that are bounded together where the evidence is close to its limit."""
GROWTH = 1.08
"""Whether to give up is asked when the number of checks has grown by this factor."""


def log_evidence(errors: int, wrong: Array, weights: Array, mass: Array) -> Floats:
    """(t,) logarithm of the evidence after each check against so many errors in the region; see `WeightedPlan`.

    Args:
        errors: In the whole region, those found included; more than were found.
        wrong: (t,) bool, of the checks in their order.
        weights: (t,) of the items checked.
        mass: (t,) weight of all that was not yet checked before each check.
    """
    by_bet = _by_bet(errors, wrong, weights, mass)
    return np.asarray(logsumexp(np.cumsum(by_bet, axis=1), axis=0) - math.log(len(RARE_BETS)), dtype=float)


def _by_bet(errors: int, wrong: Array, weights: Array, mass: Array) -> Floats:
    """(bets, t) logarithm of the factor of each check."""
    wrong = np.asarray(wrong, bool)
    before = np.cumsum(wrong) - wrong
    a = 1 - RARE_BETS[:, None]
    due = np.minimum((errors - before) * (LEAST / mass), 1.0)
    factors = -np.log1p(-a * due)
    factors[:, wrong] += np.log1p(-a * (LEAST / weights[wrong]))
    return np.asarray(factors, dtype=float)


@dataclass(frozen=True, eq=False)
class WeightedPlan:
    """When to accept, where checks are drawn by weights that were fixed before the first of them.

    Setting. The model's labels on n items are frozen, K of them wrong, K unknown. Item i has a weight w_i >= w, a whole
    number fixed before the order is drawn; w is `LEAST`. People check the items in random order, each next one with
    probability w_i / W among what is left, W the weight that is left. After t checks k_t were wrong. A certificate then
    says that of the others at most `allowed(t)` are wrong: K - k_t <= allowed(t).

    Claim. For every K, and whichever items are wrong, the probability that a false certificate is ever issued is at
    most `alpha`, however often one looks. Nothing is assumed about the model, the weights, or what has to do with what.

    Proof. Let x_s = w / w_i in (0, 1] if check s finds item i wrong, else 0. Given all before, its mean is the sum
    over the wrong items that are left of (w_i / W_s) (w / w_i) = (K - k_{s-1}) w / W_s =: e_s(K): it is known up to K,
    wherever the errors are. For a bet r in (0, 1) the product M_t(K; r) of (1 - (1-r) x_s) / (1 - (1-r) e_s(K)) over
    s <= t is positive and a martingale of mean one at the true K; so is its mean over r, M_t(K). By Ville's inequality
    (1939) it ever reaches 1 / alpha with probability at most alpha.

    e_s grows with K, so M_t(K') <= M_t(K) for all K' <= K: the evidence against fewer errors is never larger. A
    certificate is issued after t checks only if M_t(K') >= 1 / alpha for K' = k_t + allowed(t) + 1, the fewest errors
    that would make it false, or if so many cannot be left. If it is false, K >= K', hence M_t(K) >= M_t(K') >= 1 /
    alpha. So the true martingale has reached 1 / alpha, which has probability alpha at most. (e_s <= 1 up to the true
    K, as each wrong item that is left weighs w at least; a K' beyond it claims nothing false.) An error on an item that
    is rarely drawn counts more, as its x is larger. (Waudby-Smith & Ramdas 2024: betting without replacement; Shekhar
    et al. 2023: weights in audits; Stark 2020.)

    Made with the weights in the order of the checks; `levels_of` and `order_of` make both.
    """

    n: int
    """Items in the frozen region."""
    max_error: float
    alpha: float
    """Bound on the probability of a false certificate."""
    target: Target
    levels: Levels
    """(n,) level of each item's weight, in the order of the checks."""
    share: float
    """What `levels_of` was given: only the guess when to give up needs it."""
    _past: dict[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)
    """What was found of the same answers before: only a short cut."""

    def __post_init__(self) -> None:
        if not (self.n >= 1 and 0 < self.max_error < 1 and 0 < self.alpha < 1):
            raise BadInput(
                "A certificate needs n >= 1, 0 < max_error < 1 and 0 < alpha < 1; got "
                f"{self.n!r}, {self.max_error!r}, {self.alpha!r}. Errors are shares: 0.02 is 2 %."
            )
        if self.target not in ("auto", "dataset"):
            raise BadInput(f"Unknown target {self.target!r}; known: 'auto' (share of the model's labels), 'dataset'.")
        if len(self.levels) != self.n or not np.all(self.levels < len(WEIGHTS)):
            raise BadInput(f"{self.n} items need as many levels of 0 to {len(WEIGHTS) - 1}; got {len(self.levels)}.")

    @cached_property
    def total(self) -> int:
        """Weight of all items."""
        return int(self._counts @ WEIGHTS)

    @property
    def risk(self) -> float:
        """Largest probability of a false certificate that the proof leaves open."""
        return self.alpha

    @cached_property
    def first(self) -> int:
        """Fewest checks that can certify: all of them right."""
        return self._first_if_right(np.zeros(0, bool))

    def allowed(self, m: int) -> int:
        """Errors that may remain among the n - m items not checked."""
        return int(self._allowed(np.array([m]))[0])

    def _allowed(self, m: Array) -> Array:
        """(t,) the same for several numbers of checks, in exact decimal arithmetic."""
        of = self.n - m if self.target == "auto" else np.full(len(m), self.n)
        share = Fraction(str(self.max_error))
        if share.numerator * self.n < 2**62 and share.denominator < 2**62:
            return np.asarray(share.numerator * of // share.denominator, dtype=np.int64)
        return np.array([math.floor(share * int(one)) for one in of], np.int64)

    def weights(self, t: int) -> tuple[Array, Array]:
        """((t,) weights of the first t items, (t,) the weight that was left before each), exact."""
        weights = WEIGHTS[self.levels[:t]]
        return weights, self.total - (np.cumsum(weights) - weights)

    def probability(self, place: int) -> float:
        """Of the item at this place (0, 1, …) of the order: its chance to come next, given those before."""
        weights, mass = self.weights(place + 1)
        return float(weights[-1] / mass[-1])

    def judge(self, outcomes: Sequence[Outcome], expected_error: float | None = None) -> Certification:
        """Decide from the answers, strictly in the order that was fixed when the region was frozen; as `Plan.judge`.

        Args:
            outcomes: For the items of the region in the order of the checks, as far as known: model wrong (True), right
                (False), human unsure ("unsure", counts as wrong), no answer yet (None).
            expected_error: The error rate expected when the region was frozen; steers only when to give up.

        Raises:
            BadInput: more outcomes than items, or an outcome of another kind.
        """
        wrong = counted(outcomes, self.n)
        certified = self.decided(wrong)
        before = wrong if certified is None else wrong[: certified - 1]
        given_up = None if expected_error is None else self._given_up(before, expected_error)
        m = given_up or certified or len(wrong)
        k = int(np.count_nonzero(wrong[:m]))
        if given_up is not None:
            return Certification("refused", m, k, None, hopeless_as(self.max_error, m, k))
        if certified is not None:
            return Certification("certified", m, k, None, accepted_as(self.n, self.max_error, self.target, m, k))
        left = self._first_if_right(wrong) - m
        reason = f"{m:,} checks done, {k:,} wrong; {left:,} more are needed if all of them are right."
        return Certification("checking", m, k, left, reason)

    def decided(self, wrong: Array, start: int = 0) -> int | None:
        """The fewest of these checks that certify; None if none do.

        Args:
            wrong: (t,) bool, of the checks in their order.
            start: After so many checks it is known not to certify.
        """
        t = len(wrong)
        if not t:
            return None
        known, upto = self._past.get("decided", (b"", 0))
        packed = np.asarray(wrong, bool).tobytes()
        if packed.startswith(known):
            start = max(start, upto)
        m = np.arange(1, t + 1)
        allowed = self._allowed(m)
        least_bad = np.cumsum(wrong) + allowed + 1
        harmless = allowed + 1 > self.n - m  # so many cannot remain
        weights, mass = self.weights(t)
        limit = -math.log(self.alpha) + SLACK

        def path(errors: int, end: int) -> Array:
            """(end,) whether the evidence against this many errors has reached its limit, after each check."""
            return np.asarray(log_evidence(errors, wrong[:end], weights[:end], mass[:end]) >= limit)

        while start < t:
            # Against more errors there is more evidence: where that against the most is too little, all is.
            rough = harmless.copy()
            rough[start:] |= path(int(least_bad[start:].max()), t)[start:]
            near = np.flatnonzero(rough[start:])
            if not len(near):
                break
            begin = start + int(near[0])
            start = min(begin + BLOCK, t)
            close = harmless[:start] | path(int(least_bad[begin:start].max()), start)
            for one in (begin + np.flatnonzero(close[begin:start])).tolist():
                if harmless[one] or path(int(least_bad[one]), one + 1)[one]:
                    return int(one) + 1
        self._past["decided"] = packed, t
        return None

    def most_left(self, wrong: Array) -> int:
        """The most errors that may be left in the region after these checks, with 1 - alpha, at every look.

        Args:
            wrong: (t,) bool, of the checks in their order.
        """
        t, k = len(wrong), int(np.count_nonzero(wrong))
        weights, mass = self.weights(t)
        limit = -math.log(self.alpha) + SLACK
        low, high = 0, self.n - t + 1  # `high` errors are excluded, or cannot be left
        while high - low > 1:
            middle = (low + high) // 2
            if t and log_evidence(k + middle, wrong, weights, mass)[-1] >= limit:
                high = middle
            else:
                low = middle
        return low

    def _first_if_right(self, wrong: Array) -> int:
        """Checks after which it is certified if all further ones are right."""
        more = 2 * BLOCK
        while True:
            end = min(len(wrong) + more, self.n)
            found = _without_memory(self).decided(np.concatenate([wrong, np.zeros(end - len(wrong), bool)]), len(wrong))
            if found is not None or end == self.n:
                return self.n if found is None else found
            more *= 2

    def _given_up(self, wrong: Array, expected_error: float) -> int | None:
        """The fewest of these checks after which going on would probably take more labels than it saves; None: none."""
        t = len(wrong)
        key = f"given up {expected_error!r}"
        known, upto = self._past.get(key, (b"", 0))
        packed = np.asarray(wrong, bool).tobytes()
        if not packed.startswith(known):
            upto = 0
        look = float(PATIENCE)
        while (m := math.ceil(look)) <= t:
            look *= GROWTH
            if m > upto and not self._worth(wrong[:m], expected_error):
                return m
        self._past[key] = packed, t
        return None

    def _worth(self, wrong: Array, expected_error: float) -> bool:
        """Whether going on is likely to save labels, by the expected course from here.

        Errors are taken to be where the doubt is, as many as expected at the freeze: that guess counts like 0.5 /
        `max_error` checks, and what was seen may be bad luck. Giving up never makes a certificate wrong, so this may
        be, and is, a guess.
        """
        m = len(wrong)
        if m >= self.n:
            return False
        weights, mass = self.weights(m)
        doubts = self._doubts * expected_error  # (64,) by level
        drawn = float(doubts[self.levels[:m]].sum())
        usual = 0.5 / self.max_error * float((self._counts * WEIGHTS) @ doubts) / self.total
        seen = np.count_nonzero(wrong) + usual
        scale = max(seen - HOPE * math.sqrt(seen), 0.0) / max(drawn + usual, 1e-12)
        left = self._counts - np.bincount(self.levels[:m], minlength=len(WEIGHTS))
        ends = course.checks_until(
            left, np.minimum(scale * doubts, 1.0)[None, :], self._allowed, -math.log(self.alpha),
            past=course.Past(wrong, weights, mass),
        )[0]  # fmt: skip
        return bool(ends - m < KEEP * (self.n - ends))

    @cached_property
    def _counts(self) -> Array:
        return np.bincount(self.levels, minlength=len(WEIGHTS))

    @cached_property
    def _doubts(self) -> Floats:
        """(64,) doubt of each level, as a multiple of the mean; where weights do not tell doubts all are alike."""
        return course.doubts_by_level(self._counts, self.share)


def _without_memory(plan: WeightedPlan) -> WeightedPlan:
    """The same plan, which notes nothing of answers that were only supposed."""
    other = WeightedPlan(plan.n, plan.max_error, plan.alpha, plan.target, plan.levels, plan.share)
    other.__dict__["total"] = plan.total
    return other
