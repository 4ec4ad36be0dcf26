"""How many of a fixed list of labels are wrong: bounds from a random order that hold at every look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import betaln, gammaln

from askwise.core import Array, BadInput, Interval

PRIORS = ((0.5, 1.0, 1.0), (0.5, 1.0, 20.0))
"""(weight, a, b) of beta priors for the share of those that count: any share, and a small one. Bounds hold with any;
where the choice fits they are tighter."""


def count_in_file(size: int, drawn: int, counted: int, alpha: float) -> tuple[int, int]:
    """How many of `size` items have a trait, when the first `drawn` of a random order held `counted` of them.

    The bounds hold at all `drawn` together, but for a chance of `alpha`.

    Proof. Let K items have it, and let the order be uniform. The first m outcomes, in order, have the probability
    L_m(K) = K^(k) (size - K)^(m - k) / size^(m), falling factorials. Were K itself drawn from a beta-binomial prior
    with a and b, they would have the probability B(a + k, b + m - k) / B(a, b), and a mixture of priors the mixture of
    these, Q_m. Q_m / L_m(K) is a non-negative martingale of mean one at the true K, whatever it is, so it reaches
    1 / alpha at any time with probability at most alpha (Ville, 1939). What is returned are the K at which it has not.
    They are an interval, as L_m is log-concave in K. (Prior-posterior ratios: Waudby-Smith & Ramdas, 2020.)

    Args:
        size: Items, >= 0.
        drawn: m, the first of the random order, 0..size.
        counted: k of them have the trait, 0..drawn.
        alpha: In (0, 1).

    Returns:
        (least, most), 0 <= least <= most <= size.

    Raises:
        BadInput: Numbers that cannot be.
    """
    if not (0 <= counted <= drawn <= size and 0 < alpha < 1):
        raise BadInput(
            f"Got {counted} of {drawn} out of {size}, with a chance of {alpha!r}. Expected 0 <= counted <= drawn <= "
            "size, and a chance in (0, 1)."
        )
    return _count(size, drawn, counted, alpha)


@lru_cache(maxsize=65536)
def _count(size: int, drawn: int, counted: int, alpha: float) -> tuple[int, int]:
    if drawn == 0:
        return 0, size
    many = np.arange(counted, size - (drawn - counted) + 1, dtype=float)
    others = size - many
    likely = (
        gammaln(many + 1) - gammaln(many - counted + 1)
        + gammaln(others + 1) - gammaln(others - (drawn - counted) + 1)
        - gammaln(size + 1) + gammaln(size - drawn + 1)
    )  # fmt: skip
    mixed = np.logaddexp.reduce(
        [np.log(w) + betaln(a + counted, b + drawn - counted) - betaln(a, b) for w, a, b in PRIORS]
    )
    left = many[mixed - likely < -np.log(alpha)]
    # None is left only on an event of probability below alpha; the likeliest is said then.
    left = left if len(left) else many[[int(np.argmax(likely))]]
    return int(left[0]), int(left[-1])


@dataclass(frozen=True)
class Count:
    """How many of some items have a trait."""

    estimate: float | None
    """Covered by no guarantee; None where nothing was drawn."""
    least: int
    most: int

    def share(self, size: int, *, without: bool = False) -> Interval:
        """As a share of `size` items; `without`: of those that have it not."""
        if not size:
            return Interval(None, 0.0, 1.0)
        found = None if self.estimate is None else self.estimate / size
        low, high = self.least / size, self.most / size
        if without:
            return Interval.around(None if found is None else 1 - found, 1 - high, 1 - low)
        return Interval.around(found, low, high)


def count_of(trait: Array, known: Array, order: Array, members: Array, alpha: float) -> Count:
    """How many of some items have a trait, by what people found in a random order and elsewhere.

    A random order of a file is one of any part of it that was fixed beforehand. Of the part's items in that order, the
    first that are known without a gap are what `count_in_file` needs: how they became known plays no part, because what
    is known of an item never changes what it is. What is known of others moves the bounds where it refutes them.

    Args:
        trait: (n,) bool, whether an item has it; read where it is known.
        known: (n,) bool.
        order: (n,) the random order of all items, fixed before anything was known.
        members: (n,) bool, the part, which must not depend on what people found.
        alpha: Chance that the bounds are ever wrong, in (0, 1).

    Returns:
        Bounds that hold at every look.
    """
    own = order[members[order]]
    size = len(own)
    unknown = np.flatnonzero(~known[own])
    drawn = int(unknown[0]) if len(unknown) else size
    counted = int(trait[own[:drawn]].sum())
    least, most = count_in_file(size, drawn, counted, alpha)
    found = Count(size * counted / drawn if drawn else None, least, most)
    return known_elsewhere(found, trait, known, members)


def known_elsewhere(found: Count, trait: Array, known: Array, members: Array) -> Count:
    """Bounds moved by what is known of any item, however it became known.

    Args:
        found: Of the part, from a random order.
        trait: As in `count_of`, as the following.
        known: See there.
        members: See there.
    """
    has, has_not = int((members & known & trait).sum()), int((members & known & ~trait).sum())
    size = int(members.sum())
    least, most = max(found.least, has), min(found.most, size - has_not)
    if least > most:  # the bounds were wrong, which what is known shows
        least, most = has, size - has_not
    return Count(None if found.estimate is None else min(max(found.estimate, least), most), least, most)


STRATUM_BETS: Array = np.array([0.03, 0.07, 0.12, 0.18, 0.25, 0.33, 0.42, 0.49])
"""What is staked on one more item, each as likely: below 1/2, so that nothing is ever lost as a whole."""
POOLED = 4.0
"""Items that what is known of all strata counts for, in each."""


def count_by_strata(sizes: Array, strata: Array, trait: Array, alpha: float) -> Count:
    """How many items have a trait, when the first of a random order are known, and something tells where it is likely.

    The more the strata tell of the trait, the tighter than `count_in_file`, which is told nothing; where they tell
    nothing it is about as tight. The bounds hold at all m together, but for a chance of `alpha`, whatever the strata
    are, as long as they were fixed before the order was drawn.

    Proof. Let K of N items have the trait. Before item t + 1 is drawn, h of the first t had it, so its chance to have
    it is q = (K - h) / (N - t). Let p_s be any guess, made from the first t alone, of the chance in each stratum s, and
    r the mean of p_s over the items that are left. Y = z - p_s has the mean q - r, so for |b| < 1/2 the factor
    1 + b (Y - (q - r)) is above 0 (|Y| <= 1 and |q - r| <= 1) and has the mean 1: the product over t is a martingale,
    for each b, and so is the average over bets (Ville, 1939; betting: Waudby-Smith & Ramdas, 2020 and 2024; guesses as
    control variates: Zrnic & Candès, 2024). With bets above 0 it falls as K rises, with bets below 0 it rises. So the
    K at which neither average has reached 2 / alpha are an interval, and it holds K but for a chance of `alpha`.

    Args:
        sizes: (s,) items of each stratum; N of them together.
        strata: (m,) stratum of each of the first m items of the random order, m <= N.
        trait: (m,) bool, whether each has the trait.
        alpha: In (0, 1).

    Raises:
        BadInput: Numbers that cannot be.
    """
    sizes, z = np.asarray(sizes, np.int64), np.asarray(trait, float)
    drawn = np.bincount(np.asarray(strata, np.intp), minlength=len(sizes)) if len(strata) else 0 * sizes
    if len(drawn) > len(sizes) or len(strata) != len(z) or np.any(drawn > sizes) or not 0 < alpha < 1:
        raise BadInput("More items are known of a stratum than it has, or the chance is not in (0, 1).")
    size, m, found = int(sizes.sum()), len(z), int(z.sum())
    before, hits, guesses = _guesses(sizes, strata, z)
    rest = sizes - before  # of each stratum, before each draw and after the last
    left = size - np.arange(m)
    centered = z - guesses[np.arange(m), strata] + (rest[:m] * guesses[:m]).sum(1) / left

    def refuted(k: int, sign: int) -> bool:
        """Whether bets for more (sign 1) or fewer (-1) than k have won enough."""
        factor = 1 + sign * STRATUM_BETS[:, None] * (centered - (k - hits[:m]) / left)
        won = float(np.logaddexp.reduce(np.log(factor).sum(1))) - np.log(len(STRATUM_BETS))
        return bool(won >= np.log(2 / alpha))

    least, most = found, size - (m - found)
    estimate = float(found + (rest[m] * guesses[m]).sum()) if m else None
    low, high = least, most
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if refuted(middle, 1) else (low, middle)
    top, bottom = most, low
    while bottom < top:
        middle = (bottom + top + 1) // 2
        bottom, top = (bottom, middle - 1) if refuted(middle, -1) else (middle, top)
    return Count(None if estimate is None else min(max(estimate, float(low)), float(top)), low, top)


def _guesses(sizes: Array, strata: Array, z: Array) -> tuple[Array, Array, Array]:
    """Before each of m draws and after the last: (m + 1, s) drawn, (m + 1,) with the trait, (m + 1, s) the guess."""
    one = np.zeros((len(z) + 1, len(sizes)))
    one[np.arange(1, len(z) + 1), strata] = 1
    n, h = one.cumsum(0), (one * np.concatenate([[0.0], z])[:, None]).cumsum(0)
    pooled = (1 + h.sum(1)) / (2 + n.sum(1))
    return n, h.sum(1), (POOLED * pooled[:, None] + h) / (POOLED + n)
