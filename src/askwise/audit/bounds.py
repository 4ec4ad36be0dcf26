"""Bounds on the accuracy of a changing model that hold at every look."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from askwise.core import Array, BadInput, Estimate

Floats: TypeAlias = npt.NDArray[np.float64]


UNKNOWN = -1
"""Code in `truth` of an item without a human label."""
UNSURE = -2
"""Code in `truth` of an item a human could not decide: no model is right about it."""

BETS: Floats = np.array([0.02, 0.06, 0.12, 0.2, 0.3, 0.45, 0.6, 0.75, 0.88])
"""Bets of the evidence: what an error multiplies it with. Small ones win where errors are rare."""
SURE_BETS: Floats = np.array([0.01, 0.01, 0.01, 0.01, 0.06, 0.06, 0.15, 0.3, 0.5, 0.75])
"""Those of the lower bound of accuracy. It matters where a model is nearly good enough to be trusted, that is, seldom
wrong; so small bets are listed, and weigh, several times."""
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
    clash: int | None = None
    """Of these those where both cannot be right; None = all, as where right is the same answer."""


class Change:
    """What became of every item since a model was checked: the same for all checks of that model.

    Args:
        predicted: (n,) integer class codes >= 0, predictions of the model that was current at the draw.
        truth: (n,) integer class codes of human labels, `UNKNOWN` or `UNSURE`.
        current: (n,) integer class codes >= 0, predictions of today's model.
        rest: (n,) bool, items without a human label today.
        wrong: (n,) bool, where `predicted` is wrong by `truth`; None = where they differ. Equal codes must be right or
            wrong together.
        clash: (n,) bool, where `predicted` and `current` cannot both be right; None = where they differ.
    """

    def __init__(
        self,
        predicted: Array,
        truth: Array,
        current: Array,
        rest: Array,
        wrong: Array | None = None,
        clash: Array | None = None,
    ) -> None:
        answered, left = truth != UNKNOWN, ~rest
        self._rest, self._count = rest, int(np.count_nonzero(rest))
        self._known_errors = left & answered & (predicted != truth if wrong is None else wrong)
        self._unknown = left & ~answered
        self._disagree = rest & (predicted != current)
        self._clash = None if clash is None else rest & clash
        self._packed: list[Array] | None = None

    def slack(self, members: Array) -> Slack:
        """Count what `accuracy_on_rest` needs to know about one check.

        Args:
            members: (n,) bool, the items this check was drawn from: all that were free at that moment.
        """
        return self.slacks(np.packbits(members)[None])[0]

    def slacks(self, members: Array) -> list[Slack]:
        """As `slack`, of several checks at once.

        Args:
            members: (checks, ⌈n/8⌉) packed bits, as of `np.packbits`, those beyond n zero.
        """
        if self._packed is None:
            parts = [self._known_errors, self._unknown, self._rest, self._disagree]
            self._packed = [np.packbits(part) for part in parts + ([] if self._clash is None else [self._clash])]
        size, known, unknown, inside, disagree, *clash = (
            _ones(members if part is None else members & part) for part in (None, *self._packed)
        )
        outside = [self._count - n for n in inside]
        return [Slack(*counts) for counts in zip(size, known, unknown, outside, disagree, *clash, strict=True)]


_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


def _ones(packed: Array) -> list[int]:
    """Bits set in each row."""
    # NumPy before 2 cannot count them
    counts = np.bitwise_count(packed) if hasattr(np, "bitwise_count") else _ONES[packed]
    found: list[int] = counts.sum(axis=1, dtype=np.int64).tolist()
    return found


def slack(members: Array, predicted: Array, truth: Array, current: Array, rest: Array) -> Slack:
    """`Change.slack` of a single check."""
    return Change(predicted, truth, current, rest).slack(members)


def accuracy_on_rest(
    wrong: Sequence[bool | None],
    rest_sizes: Sequence[int] | Array,
    known_errors: Sequence[int] | Array,
    outside: Sequence[int] | Array,
    disagree: Sequence[int] | Array,
    rest: int,
    *,
    unknown: Sequence[int] | Array | int = 0,
    clash: Sequence[int] | Array | None = None,
    finer: Sequence[bool] | Array | None = None,
    coarser: Sequence[bool] | Array | None = None,
    confidence: float = 0.95,
    plain: float | None = None,
) -> Estimate:
    """Bounds on the accuracy of the *current* model on the *current* rest, without any assumption about either.

    Setting. Check i was drawn uniformly from R_i, N_i items, when model f_i was current, and f_i was fixed before the
    draw; e_i is the share of R_i on which f_i is wrong. Now the model is f, the rest R, and K = errors of f on R.

    Counting. Of the N_i e_i errors of f_i, some were on items that have left the rest: h_i (`known_errors`) for sure,
    h_i + u_i (`unknown`) at most. So G_i, its errors on R ∩ R_i, is between N_i e_i - h_i - u_i and N_i e_i - h_i.
    With d_i disagreements there: where both predict the same, both are right or both wrong. Where they differ, at
    least one is wrong, whatever the number of classes, if right is the same answer; with a tolerance both may be right,
    and this holds of the c_i <= d_i that are too far apart (`clash`). Hence on R ∩ R_i the errors of f are at most
    G_i + d_i, at least G_i - d_i, and at least c_i - G_i. The o_i items of R outside R_i add between 0 and o_i errors.
    So

        e_i >= (K + h_i - o_i - d_i) / N_i      (1)
        e_i <= (K + h_i + u_i + d_i) / N_i      (2)
        e_i >= (c_i + h_i - K) / N_i            (3)

    Evidence. For bets r < 1, the product over i of r^z_i / (1 - (1 - r) e_i) is a martingale with mean one, and so is
    M, its fixed mixture over bets and over look-back windows (a window that has not begun counts as 1). By Ville (1939)
    M reaches 1/a at any time with probability at most a. For a candidate K, replacing each e_i by its lower
    bound (1), at least 0, can only shrink M. So on that event's complement the true K is never among the candidates
    whose shrunken evidence reaches 1/a: it is at most the largest candidate left. The shrunken evidence grows
    with K, so bisection finds that candidate. (3), in the same martingale and at no extra cost, bounds K from
    below; (2), at most 1, does so with the reciprocal bets and its own martingale. Nothing is averaged, so checks with
    little slack count fully and old ones fade by themselves.

    The statement holds simultaneously at all times. `LOW_SHARE` = 80 % of 1 - confidence is spent on the martingale of
    bets below 1 (`SURE_BETS`), from which `low` comes, and 20 % on the one of bets above 1 (reciprocals of `BETS`).

    Args:
        wrong: (m,) in the order of the *draws*: f_i wrong (True; also where the human was unsure) or right (False) on
            its item; None = shown but not answered yet, counted as wrong for `low` and as right for `high`.
        rest_sizes: (m,) N_i >= 1.
        known_errors: (m,) h_i.
        outside: (m,) o_i.
        disagree: (m,) d_i, counted on R ∩ R_i; counting on all of R is valid too, only looser.
        rest: Items in R.
        unknown: (m,) u_i, or 0 when nothing has left the rest without a human label.
        clash: (m,) c_i, counted as `disagree`; None = d_i.
        finer: (m,) whether the classes that check i is scored by tell apart at least what those of the counts do: then
            what is wrong by these is wrong by those, and (1) and (3) hold; else they are not used. None = all.
        coarser: (m,) whether they tell apart at most that: then (2) holds; else it is not used. None = all.
        confidence: In (0, 1).
        plain: The plain estimate, of `share_right`; None = the smoothed mean of the last `RECENT` checks (Jeffreys).

    Returns:
        An `Estimate` with `low` <= `accuracy` <= `high`. The plain estimate is not covered by the guarantee; it is
        moved into the bounds. Without a model, or with fewer than `FEWEST` answers, `accuracy` is None and the bounds
        are 0 and 1.

    Raises:
        BadInput: arrays of different lengths, or numbers that no pool can produce.
    """
    if not 0 < confidence < 1:
        raise BadInput(f"Confidence must be strictly between 0 and 1, got {confidence!r}; 0.95 is usual.")
    m = len(wrong)
    gone = [unknown] * m if isinstance(unknown, int) else unknown
    apart = disagree if clash is None else clash
    counts = [_counts(x, m) for x in (rest_sizes, known_errors, gone, outside, disagree, apart)]
    if np.any(counts[0] < 1) or rest < 0:
        raise BadInput("Every check is drawn from at least one item, and the rest is not negative; check the counts.")
    answered = [bool(w) for w in wrong if w is not None]
    audits, errors = len(answered), sum(answered)
    if audits < FEWEST or rest == 0:
        return Estimate(None, 0.0, 1.0, confidence, audits, errors, rest)

    unfit_low = np.zeros(m, bool) if finer is None else ~np.asarray(finer, bool)
    unfit_high = np.zeros(m, bool) if coarser is None else ~np.asarray(coarser, bool)

    def rates(k: int) -> tuple[Floats, Floats, Floats]:
        at_least, at_most, also = _implied_rates(k, *counts)
        return np.where(unfit_low, 0, at_least), np.where(unfit_high, 1, at_most), np.where(unfit_low, 0, also)

    z_most = np.array([w is None or bool(w) for w in wrong], dtype=float)
    z_least = np.array([w is not None and bool(w) for w in wrong], dtype=float)
    enough_low = 1 / (LOW_SHARE * (1 - confidence))
    enough_high = 1 / ((1 - LOW_SHARE) * (1 - confidence))

    def too_many(k: int) -> bool:
        at_least, _, _ = rates(k)
        return _evidence(SURE_BETS, z_most, at_least) >= enough_low

    def too_few(k: int) -> bool:
        _, at_most, at_least = rates(k)
        if _evidence(1 / BETS, z_least, at_most) >= enough_high:
            return True
        return _evidence(SURE_BETS, z_most, at_least) >= enough_low

    most = _first(too_many, 0, rest + 1) - 1
    least = _first(lambda k: not too_few(k), 0, rest + 1)
    if most < least:  # every candidate is refuted: an event of probability below alpha; claim nothing then
        most, least = rest, 0
    low, high = 1 - most / rest, 1 - least / rest
    recent = answered[-RECENT:]
    if plain is None:
        plain = 1 - (sum(recent) + 0.5) / (len(recent) + 1)
    return Estimate(min(max(plain, low), high), low, high, confidence, audits, errors, rest)


def _implied_rates(
    k: int, size: Floats, known: Floats, unknown: Floats, outside: Floats, disagree: Floats, clash: Floats
) -> tuple[Floats, Floats, Floats]:
    """What k errors on the rest imply for the (m,) error rates e_i: at least (1), at most (2), at least (3)."""
    # Where differences were counted on all of the rest, at least this many are among the items of the draw.
    inside = np.maximum(clash - outside, 0)
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
