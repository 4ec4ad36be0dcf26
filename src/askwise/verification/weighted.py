"""Attempts whose checks were drawn by weights, looked at: the weights, the order, the decision, computed once more.

Nothing here asks `audit.weighted` or `audit.weights`: the definitions are written down again, slowly, so that a mistake
there is found. The proof is in `audit.WeightedPlan`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.special import logsumexp

from askwise.core import Array, BadStore
from askwise.state import unpack

LEVELS = 64
BETS = np.array([-0.25 * math.log1p(-(i + 0.5) / 16 * (1 - math.exp(-4.0))) for i in range(16)])[:, None]
"""(16, 1) what an error of the smallest weight multiplies the evidence by, each bet with the same stake."""
ROUNDED = 1e-9
"""A decision may hang on the rounding of the version that made it by twice this, of the logarithm of the evidence."""


@dataclass(frozen=True, eq=False)
class Terms:
    """What an attempt with weights claims, as frozen."""

    weights: Array
    """(n,) whole numbers, in the order of the checks."""
    max_error: float
    of_left: bool
    """The share is of the items not checked; else of the region."""
    alpha: float

    def may_remain(self, m: int) -> int:
        """Errors that may remain after m checks."""
        n = len(self.weights)
        return math.floor(Fraction(str(self.max_error)) * (n - m if self.of_left else n))

    def accepted(self, outcomes: Sequence[bool], claimed: int | None) -> tuple[int, int] | None:
        """(checks, wrong) where it certifies first, looked at after every check; None where it does not.

        Args:
            outcomes: Whether the model was wrong, in the order of the checks.
            claimed: After so many checks it is said to have certified: there, what rounding decides is believed.
        """
        n, m = len(self.weights), len(outcomes)
        weight = self.weights[:m]
        wrong = np.array(outcomes, bool)
        left = (int(self.weights.sum()) - np.concatenate([[0], np.cumsum(weight)]))[:m]
        before = np.cumsum(wrong) - wrong
        count = np.where(wrong, 64 / weight, 0.0)
        for t in range(1, m + 1):
            k, allowed = int(before[t - 1] + wrong[t - 1]), self.may_remain(t)
            if allowed + 1 > n - t:
                return t, k
            mean = np.minimum((k + allowed + 1 - before[:t]) * (64 / left[:t]), 1)
            logs = np.log1p((BETS - 1) * count[:t]) - np.log1p((BETS - 1) * mean)
            over = float(logsumexp(logs.sum(axis=1)) - math.log(len(BETS))) + math.log(self.alpha)
            if over >= (0 if t == claimed else 2 * ROUNDED):
                return t, k
        return None


def read(text: Any, n: int) -> Array:
    """(n,) level of each item's weight, in the order of the checks.

    Raises:
        BadStore: they are none.
    """
    levels = np.frombuffer(unpack(text), np.uint8)
    if len(levels) != n or levels.max(initial=0) >= LEVELS:
        raise BadStore(f"{len(levels)} levels of weights for {n} items, or one that there is not.")
    return levels


def weights(levels: Array) -> Array:
    """(n,) the weight of each level: 64, and twice as much every eight levels, rounded."""
    return np.array([round(64 * 2 ** (level / 8)) for level in range(LEVELS)], np.int64)[levels]


def order_due(order: Array, levels: Array, entropy: Sequence[int]) -> Array:
    """(n,) the order that seed and weights draw of the rows in `order`, whose levels are given in the same order."""
    place = np.argsort(order, kind="stable")
    ascending = levels[place]
    words = np.frombuffer(hashlib.sha256(ascending.tobytes()).digest()[:16], "<u4").tolist()
    times = np.random.default_rng([*entropy, *words]).standard_exponential(len(order)) / weights(ascending)
    return np.asarray(order)[place][np.argsort(times, kind="stable")]
