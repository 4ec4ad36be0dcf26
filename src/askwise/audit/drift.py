"""Whether what was proved of old items still holds of new ones, at every look: bets on checks, bets on ranks.

Two kinds of evidence, each a test supermartingale: capital that starts at one and cannot be expected to grow while its
null hypothesis is true. By Ville (1939) it ever reaches 1/a with probability at most a, however often one looks.

*Checks* (`holds_evidence`, `at_most`, `at_least`, `first_alarm`). New items pass by; each is drawn as a check with a
fixed probability q > 0, independently of everything, before anything of it is known. Let w_i be 1 if the model's label
of item i is wrong. w_i may depend on the past in any way, not on whether i is drawn. Of N items K are wrong; m were
drawn, k of these wrong. With a bet r > 0 and a limit p put a = r / (1 + (r - 1) p), b = 1 / (1 + (r - 1) p), so that
p a + (1 - p) b = 1. Then

    M = a^k b^(m-k) / [(1 + (a-1) q)^K (1 + (b-1) q)^(N-K)]

is a martingale with mean one, for every sequence of items: each draw multiplies it by a number with mean one. By the
inequality between the arithmetic and the geometric mean (1 + (a-1) q)^p (1 + (b-1) q)^(1-p) <= 1 + q (pa + (1-p)b - 1)
= 1. So where r > 1 and K <= p N, and likewise where r < 1 and K >= p N, the denominator is at most 1, and

    E = a^k b^(m-k) = r^k / (1 + (r - 1) p)^m

is at most M. E needs neither q nor K nor N. So with r < 1 a large E refutes "more than p of these N labels are wrong",
and with r > 1 "at most p", of the items that were seen and at all N at once. Nothing is assumed about the items: not
that they are independent, nor that they are like each other. (Where each item is wrong with conditional probability at
most p, given the past, E with r > 1 is a supermartingale as well, so such a stream raises no alarm either.) A fixed
mixture of bets is as good, and so is a window that begins after any check: items before it are left out of the product.

A check that is not answered yet, or that nobody can decide, is counted against whatever is to be shown. That makes E
smaller than with its answer, so order and delay of answers do not matter.

*Ranks* (`Ranks`, `look`). Null hypothesis: the reference items and the new ones are exchangeable, that is, all orders
of the lot are equally likely. Each new item gets its rank among the reference and the new items before it, ties broken
at random, as p in (0, 1); under the null these are independent and uniform (Vovk, Gammerman & Shafer, 2005), so that
the product of betting functions with mean one, f(p_1) f(p_2) ..., is a martingale. Ranks are taken in several channels,
each of which pays its own share of the error: nothing is assumed about how they depend on each other. This says that
items look different. It knows no labels, and does not say that any is wrong; nor does silence say that none is.

Sources: J. Ville, Étude critique de la notion de collectif, 1939. I. Waudby-Smith & A. Ramdas, "Estimating means of
bounded random variables by betting", JRSS-B 2024. V. Vovk, A. Gammerman & G. Shafer, Algorithmic Learning in a Random
World, 2005. V. Vovk, I. Petej, I. Nouretdinov, E. Ahlberg, L. Carlsson & A. Gammerman, "Retrain or not retrain:
conformal test martingales for change-point detection", COPA 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from askwise.audit.bounds import BETS, Floats, _first
from askwise.core import Array, BadInput

SMALL_BETS: Floats = np.array([0.002, 0.01, 0.02, 0.06, 0.12, 0.2, 0.3, 0.45, 0.6, 0.75, 0.88])
"""What a wrong check multiplies the odds with, where it is to be shown that few are wrong."""
USUAL: Floats = np.array([2, 2, 2, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]) / 12
"""How the capital is laid on them where nothing is known before: seldom wrong is what matters."""
LARGE_BETS: Floats = 1 / BETS
"""The same where it is to be shown that many are wrong."""
EACH = 16
"""Windows of checks, and of ranks, that begin in each octave of their number."""
LONGEST = 1 << 20
"""Right checks beyond which it is not said how many are missing."""
BLOCK = 128
"""New items that are ranked together."""


# ── checks ──────────────────────────────────────────────────────────────────────────────────


def holds_evidence(checks: int, wrong: int, max_error: float, weights: Floats = USUAL) -> float:
    """Log of the evidence against "more than `max_error` of the labels are wrong"; see the top of this file.

    Args:
        checks: m >= 0, those drawn.
        wrong: k of them, with those that are not known to be right.
        max_error: In (0, 1).
        weights: (11,) of `SMALL_BETS`, summing to one, chosen before the first item; see `planned_weights`.
    """
    return _evidence(checks, wrong, max_error, SMALL_BETS, weights)


def planned_weights(checks: int, wrong: int, max_error: float) -> Floats:
    """(11,) weights of `SMALL_BETS` that need few checks, should labels be wrong as often as they were before.

    Half of the capital is laid out as always, half as the old checks advise (Bayes). They are a plan and no evidence:
    whatever they say, the evidence of new checks stays a martingale, because its weights are fixed before these.

    Args:
        checks: Old ones; 0 = nothing is known.
        wrong: … of these.
        max_error: In (0, 1): each bet is the best one if a certain share is wrong.
    """
    if not 0 <= wrong <= checks:
        raise BadInput(
            f"Of {checks} old checks {wrong} cannot be wrong: give how many there were and how many of these."
        )
    share = SMALL_BETS * max_error / (1 - max_error + SMALL_BETS * max_error)
    likely = np.log(USUAL) + wrong * np.log(share) + (checks - wrong) * np.log1p(-share)
    likely = np.exp(likely - likely.max())
    found: Floats = USUAL / 2 + likely / likely.sum() / 2
    return found


def right_needed(
    checks: int, wrong: int, max_error: float, alpha: float, weights: Floats = USUAL, *, waiting: int = 0
) -> int | None:
    """How many further answers would have to be right, and none wrong, for evidence of 1/alpha; None = beyond reach.

    Args:
        checks: m, those that wait for an answer included.
        wrong: k, those that wait not included.
        max_error: In (0, 1).
        alpha: In (0, 1).
        weights: As in `holds_evidence`.
        waiting: Checks without an answer, which count as wrong until they have one; they are answered first.
    """

    def enough(more: int) -> bool:
        beyond, open_ = max(0, more - waiting), max(0, waiting - more)
        return holds_evidence(checks + beyond, wrong + open_, max_error, weights) >= -math.log(alpha)

    missing = _first(enough, 0, LONGEST)
    return missing if missing < LONGEST else None


def at_most(checks: int, wrong: int, alpha: float, weights: Floats = USUAL) -> float:
    """The least share p on a grid of 2^-20 such that "more than p are wrong" is refuted, else 1.

    With probability at least 1 - alpha no such share is ever too small, at all looks.
    """
    limit, steps = -math.log(alpha), 1 << 20
    return _first(lambda p: p > 0 and holds_evidence(checks, wrong, p / steps, weights) >= limit, 0, steps) / steps


def at_least(checks: int, wrong: int, alpha: float) -> float:
    """The largest share p on a grid of 2^-20 such that "at most p are wrong" is refuted, else 0; cf. `at_most`."""
    limit, steps = -math.log(alpha), 1 << 20
    uniform = np.full(len(LARGE_BETS), 1 / len(LARGE_BETS))
    stands = lambda p: _evidence(checks, wrong, p / steps, LARGE_BETS, uniform) < limit  # noqa: E731
    return (_first(stands, 1, steps) - 1) / steps


@dataclass(frozen=True)
class Alarm:
    """A window of checks in which so many were wrong that more than the limit are."""

    start: int
    """Checks before the window, which begins with the item after the last of them."""
    end: int
    """Checks up to its end, which is the item of the last of them."""
    wrong: int
    """Of the end - start checks."""
    evidence: float
    """Log of the evidence, with what the choice of the window costs already taken off."""


def strongest_alarm(
    wrong: Sequence[bool] | Array, max_error: float, *, ends: Sequence[int] | Array | None = None
) -> Alarm | None:
    """The window with the most evidence that more than `max_error` of its labels are wrong; None = no check is wrong.

    Windows begin after 0, 16, 17, …, 31, 32, 34, … checks (`start_weights`) and end at any later check. In each window,
    and at all ends together, "at most `max_error` are wrong" has evidence of 1/alpha or more with probability at most
    alpha times the weight of its start, if it is true. So the evidence is counted times that weight, and the chance
    that a window is ever named of which it is not true is alpha at most.

    Args:
        wrong: (m,) in the order of the draws; those without an answer count as right.
        max_error: In (0, 1).
        ends: Numbers of checks at which to look; None = after each wrong one, where evidence is largest.
    """
    z = np.asarray(wrong, dtype=bool)
    looks = np.flatnonzero(z) + 1 if ends is None else np.asarray(ends, dtype=int)
    if not len(looks) or not z.any():
        return None
    positions, weights = _starts(int(looks.max()))
    total = np.concatenate([[0], np.cumsum(z)])
    best: Alarm | None = None
    for look_at in np.array_split(looks, math.ceil(len(looks) / 64)):
        m = look_at[:, None] - positions
        k = total[look_at][:, None] - total[positions]
        inside = m > 0
        logs = k[..., None] * np.log(LARGE_BETS) - m[..., None] * np.log1p((LARGE_BETS - 1) * max_error)
        found = np.logaddexp.reduce(logs, axis=-1) - math.log(len(LARGE_BETS)) + np.log(weights)
        found = np.where(inside, found, -np.inf)
        at, start = np.unravel_index(int(found.argmax()), found.shape)
        if best is None or found[at, start] > best.evidence:
            best = Alarm(int(positions[start]), int(look_at[at]), int(k[at, start]), float(found[at, start]))
    return best


def start_weights(at: Array) -> Floats:
    """(n,) how much of the capital is laid on a window that begins at these numbers; of all numbers together it is one.

    Half of it on 0. Then octave l = 1, 2, … holds 16 starts, equally far apart, from 16 · 2^(l-1) on, with
    1 / ((l + 1) (l + 2)) together: so a change is near a start, wherever it comes, at a price that hardly grows.
    """
    at = np.asarray(at, dtype=np.int64)
    octave = np.frexp(np.maximum(at, EACH) / EACH)[1]  # 1 from EACH on, 2 from twice as many on
    begins = (at >= EACH) & (at % (1 << (octave.astype(np.int64) - 1)) == 0)
    found: Floats = np.where(at == 0, 0.5, np.where(begins, 1 / ((octave + 1.0) * (octave + 2.0) * EACH), 0.0))
    return found


def _starts(n: int) -> tuple[Array, Floats]:
    """Numbers below n at which a window begins, with their weights."""
    weights = start_weights(np.arange(n))
    positions = np.flatnonzero(weights)
    return positions, weights[positions]


def _evidence(m: int, k: int, p: float, bets: Floats, weights: Floats) -> float:
    logs = np.log(weights) + k * np.log(bets) - m * np.log1p((bets - 1) * p)
    return float(np.logaddexp.reduce(logs))


# ── ranks ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Betting:
    """A betting function on (0, 1), mean one: 1 + slope (2p - 1), or 1 - part + part / width within (low, high)."""

    slope: float = 0.0
    part: float = 0.0
    low: float = 0.0
    high: float = 1.0
    inside: bool = True
    """Whether the bet is on what lies within, not on what lies without."""

    def __call__(self, p: Array) -> Floats:
        """(n,) what each p multiplies the capital with."""
        width = self.high - self.low if self.inside else 1 - (self.high - self.low)
        hit = ((p >= self.low) & (p < self.high)) == self.inside
        found: Floats = (1 + self.slope * (2 * p - 1)) * np.where(hit, 1 - self.part + self.part / width, 1 - self.part)
        return found


BETTINGS: tuple[Betting, ...] = (
    *(Betting(slope=slope) for slope in (-0.9, -0.4, 0.4, 0.9)),
    *(Betting(part=part, high=width) for width in (0.01, 0.05, 0.2) for part in (0.15, 0.6)),
    *(Betting(part=part, low=1 - width) for width in (0.01, 0.05, 0.2) for part in (0.15, 0.6)),
    Betting(part=0.3, low=0.1, high=0.9, inside=False),
    Betting(part=0.5, low=0.25, high=0.75),
)
"""On ranks that have become larger, smaller, extreme, or all alike."""
_SLOPES = [i for i, bet in enumerate(BETTINGS) if bet.slope]
_EDGES = np.unique([edge for bet in BETTINGS for edge in (bet.low, bet.high)])[1:-1]
_STEPS = np.log(
    np.stack([bet(np.append(_EDGES, 1) - np.diff(_EDGES, prepend=0, append=1) / 2) for bet in BETTINGS], axis=-1)
)
"""(cells, bets) log of the bets without a slope, between any two places where one of them changes."""


def gains(p: Array) -> Floats:
    """(…, bets) log of what each of `BETTINGS` makes of p."""
    found: Floats = _STEPS[np.searchsorted(_EDGES, p, side="right")]
    for i in _SLOPES:
        found[..., i] = np.log(BETTINGS[i](p))
    return found


@dataclass(frozen=True)
class Ranks:
    """How far ranking has come; begins with `Ranks.of`, goes on with `look`."""

    counts: Array
    """(channels, bins) reference items and new items so far."""
    capital: Floats
    """(channels, bets) log of the capital that is being bet."""
    asleep: float
    """Share of the capital that waits for later starts."""
    items: int = 0
    """New ones so far."""

    @classmethod
    def of(cls, bins: Array, width: int) -> Ranks:
        """Before the first new item.

        Args:
            bins: (m, channels) bin 0..width-1 of each reference item. Bins are made by a rule that was fixed without
                these items: else they are not exchangeable with new ones.
            width: Bins.
        """
        bins = np.asarray(bins, dtype=np.int64)
        counts = np.stack([np.bincount(column, minlength=width) for column in bins.T])
        return cls(counts, np.full((bins.shape[1], len(BETTINGS)), -np.inf), 1.0)


def look(ranks: Ranks, bins: Array, noise: Array) -> tuple[Ranks, Floats]:
    """Rank new items, and bet on their ranks.

    The capital of a channel is Σ_s w_s Π_{t >= s} f(p_t), averaged over the betting functions f, with w_s of
    `start_weights`, plus what waits for later starts: a mixture of martingales.

    Args:
        ranks: So far.
        bins: (n, channels) of the new items, in their order.
        noise: (n, channels) independent uniform numbers in [0, 1), which break ties.

    Returns:
        Ranks after these items, and (n, channels) the log of the evidence of each channel after each of them.
    """
    bins = np.asarray(bins, dtype=np.int64)
    found = [np.zeros((0, len(ranks.counts)))]
    for start in range(0, len(bins), BLOCK):
        part = slice(start, start + BLOCK)
        p, counts = ranked(ranks.counts, bins[part], noise[part])
        n = len(p)
        weights = start_weights(np.arange(ranks.items, ranks.items + n))
        asleep = np.maximum(ranks.asleep - np.cumsum(weights), 0.0)
        won = gains(p)
        sums = np.cumsum(won, axis=0)
        with np.errstate(divide="ignore"):
            laid = np.log(weights)[:, None, None] - (sums - won)
            waiting = np.log(asleep)[:, None]
        capital = sums + np.logaddexp.accumulate(np.concatenate([ranks.capital[None], laid]), axis=0)[1:]
        mean = np.logaddexp.reduce(capital, axis=-1) - math.log(len(BETTINGS))
        found.append(np.logaddexp(mean, waiting))
        ranks = Ranks(counts, capital[-1], float(asleep[-1]), ranks.items + n)
    return ranks, np.concatenate(found)


def ranked(counts: Array, bins: Array, noise: Array) -> tuple[Floats, Array]:
    """Smoothed ranks of items among all before them and themselves: (n, channels) in (0, 1), and the counts after them.

    p = (those in lower bins + noise · those in the same bin, itself included) / all.
    """
    n, channels = bins.shape
    earlier = np.tri(n, k=-1, dtype=bool)
    below = np.cumsum(counts, axis=1) - counts
    lower, same = np.empty((n, channels)), np.empty((n, channels))
    counts = counts.copy()
    for c in range(channels):
        b = bins[:, c]
        lower[:, c] = below[c, b] + np.count_nonzero(earlier & (b[None] < b[:, None]), axis=1)
        same[:, c] = counts[c, b] + np.count_nonzero(earlier & (b[None] == b[:, None]), axis=1) + 1
        counts[c] += np.bincount(b, minlength=counts.shape[1])
    before = counts[0].sum() - n
    return (lower + noise * same) / (before + np.arange(1, n + 1))[:, None], counts


@cache
def look_limit(alpha: float, channels: int) -> float:
    """Log of the evidence at which a channel says that items look different; all channels together spend alpha."""
    return math.log(channels / alpha)
