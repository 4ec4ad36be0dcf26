"""Bounds on precision, recall and F1 of entities that hold at every look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askwise import spans
from askwise.audit.bounds import FEWEST, LOW_SHARE, Floats, window_starts
from askwise.core import Array, BadInput, ClassMetrics, Interval

RATIOS: Floats = np.arange(1, 100) / 100
"""Ratios that are bet against."""
STAKES: Floats = np.array([0.05, 0.15, 0.3, 0.5, 0.7, 0.9])
"""Shares of the capital that one check can lose at most."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What was checked of each sentence, by label; the last column counts all labels together."""

    right: Array
    """(m, labels + 1) entities that the model marked and the person, too: same bounds, same label."""
    said: Array
    """(m, labels + 1) entities that the model marked."""
    there: Array
    """(m, labels + 1) entities that the person marked."""
    open_: Array
    """(m,) bool: drawn, and not answered yet; `right` and `there` are 0."""


def entity_counts(guesses: Sequence[str], answers: Sequence[str | None], labels: Sequence[str]) -> Counts:
    """Count entities that are right, exact in bounds and label (Tjong Kim Sang & De Meulder, 2003: CoNLL 2003).

    Args:
        guesses: (m,) written answers of the models.
        answers: (m,) written answers of people; None = none yet.
        labels: Their labels; spans of other labels count in the last column only.
    """
    place = {label: at for at, label in enumerate(labels)}
    found = np.zeros((3, len(guesses), len(labels) + 1), np.int64)
    for row, (guess, answer) in enumerate(zip(guesses, answers, strict=True)):
        said, there = set(spans.parse(guess)), set(spans.parse(answer or spans.NONE))
        for which, part in enumerate((said & there, said, there)):
            for span in part:
                found[which, row, -1] += 1
                if span.label in place:
                    found[which, row, place[span.label]] += 1
    return Counts(found[0], found[1], found[2], np.array([answer is None for answer in answers], bool))


def entity_metrics(
    counts: Counts, labels: Sequence[str], most_said: int, most_there: int, *, start: int = 0, confidence: float = 0.95
) -> tuple[ClassMetrics, ...]:
    """Precision, recall and F1 of entities, label by label and (named "") all together, by checks drawn at random.

    Of which models it speaks: check i was drawn uniformly from the sentences that were open then, and its guess was
    fixed before the draw by the model of that moment. The bounds are on what these models together would reach: with
    T, S and G the sums over the checks of the expected numbers of right, said and present entities of a sentence so
    drawn, precision is T / S, recall T / G, F1 2 T / (S + G). With one model and one pool throughout these are its
    precision, recall and F1 there (micro-averaged, as in CoNLL 2003). While a model learns they are an average of it
    over the time of the checks, weighted by the entities; `start` leaves out the oldest. Nothing is said of models that
    came after the last check.

    Each line holds by itself: all its bounds together, at every look, with probability `confidence`; not all lines at
    once. Precision and recall each spend half, `LOW_SHARE` of it on the lower bound. F1 is the harmonic mean of the
    two, so its bounds follow.

    Args:
        counts: Of all checks in the order of their draws, from `entity_counts`. One without an answer counts as it is
            worst for each bound: who could leave out checks could choose the result.
        labels: (labels,) names of the columns.
        most_said: No sentence has more entities by any of the models so far; what they say of the pool is known.
        most_there: No sentence has more entities.
        start: One of `window_starts(m)`: the checks before it are left out.
        confidence: In (0, 1).

    Returns:
        One line for each label, then one for all. Without `FEWEST` checks from `start` on the bounds are 0 and 1.

    Raises:
        BadInput: Counts beyond the limits, another `start`, or confidence out of range.
    """
    starts = window_starts(len(counts.right))
    if not 0 < confidence < 1:
        raise BadInput(f"Confidence must be strictly between 0 and 1, got {confidence!r}; 0.95 is usual.")
    if start not in (starts or [0]):
        raise BadInput(f"start must be one of {', '.join(map(str, starts))}, got {start!r}.")
    i = starts.index(start) if starts else 0
    alpha = (1 - confidence) / 2 / ((i + 1) * (i + 2)) * (2 if len(starts) <= 1 else 1)
    found = []
    open_ = counts.open_[start:]
    for column, label in enumerate([*labels, ""]):
        right, said, there = (part[start:, column].astype(float) for part in (counts.right, counts.said, counts.there))
        best = np.where(open_, said, right)
        precision = ratio_bounds(right, said, most_said, alpha, best=(best, said))
        worst = np.where(open_, float(most_there), there)
        recall = ratio_bounds(right, worst, most_there, alpha, best=(best, np.where(open_, best, there)))
        found.append(
            ClassMetrics(
                label,
                int(said.sum()),
                Interval.around(_share(right, said * ~open_), *precision),
                Interval.around(_share(right, there), *recall),
                Interval.around(
                    _share(2 * right, said * ~open_ + there),
                    *(_harmonic(a, b) for a, b in zip(precision, recall, strict=True)),
                ),
            )
        )
    return tuple(found)


def _share(part: Array, whole: Array) -> float | None:
    return float(part.sum() / whole.sum()) if whole.sum() else None


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def ratio_bounds(
    part: Array, whole: Array, most: int, alpha: float, *, best: tuple[Array, Array] | None = None
) -> tuple[float, float]:
    """Bounds on a ratio of two sums of expectations that hold at every look, by betting.

    Setting. Draw i gives numbers 0 <= n_i <= d_i, and a limit of d_i is known before it; given everything before it
    their expectations are N_i and D_i, which may change in any way. The ratio is
    R_m = (N_1 + … + N_m) / (D_1 + … + D_m).

    Evidence. For a ratio p, a stake c in (0, 1) and a size s let x_i = c (n_i / p - d_i) / s while all limits so far
    are at most s, so that 1 + x_i >= 1 - c > 0, and let u_i be its expectation. The product of (1 + x_i) / (1 + u_i) is
    a martingale with mean one; where a limit exceeds s it goes to 0 and stays there. So the average M of these, over
    the fixed sets `RATIOS` and `STAKES` and the sizes 1, 2, 4, … with weights 1 / ((j + 1) (j + 2)), is a
    nonnegative supermartingale. By concavity of the logarithm the product of (1 + u_i) is at most (1 + ū)^m with ū the
    mean of the u_i, and ū <= 0 where R_m <= p. So, K(p, c) being the product of (1 + x_i) at the smallest
    size that still holds, the sum of K(p, c) over all p >= R_m, times the weight of the size and divided by the
    number of pairs (p, c), is at most M. By Ville (1939) it reaches 1 / a at any time with probability at most a. The
    sum shrinks as R grows, so the ratios that it refutes are those up to a limit: the lower bound. The upper bound is
    one minus the lower bound on (d - n) / d. With one p and c this is betting on a mean (Waudby-Smith & Ramdas, 2024);
    the p are mixed so that one process serves all of them while R_m moves.

    Args:
        part: (m,) n_i, in the order of the draws.
        whole: (m,) d_i.
        most: The largest of the limits so far.
        alpha: Chance that the true ratio is ever outside, in (0, 1); `LOW_SHARE` of it is the lower bound's.
        best: The (n_i, d_i) for the upper bound, where some draws are not known yet; None = the same.

    Returns:
        (low, high), 0 <= low <= high <= 1; (0, 1) with fewer than `FEWEST` draws.

    Raises:
        BadInput: Numbers that do not keep to these limits.
    """
    sides = [(np.asarray(n, float), np.asarray(d, float)) for n, d in ((part, whole), best or (part, whole))]
    for n, d in sides:
        wrong = n.shape != d.shape or n.ndim != 1 or np.any(n < 0) or np.any(n > d) or np.any(d > most)
        if wrong or not 0 < alpha < 1:
            raise BadInput(
                f"Ratios need 0 <= part <= whole <= {most} for each draw and a chance in (0, 1); got {len(n)} parts, "
                f"{len(d)} wholes up to {d.max(initial=0):g}, and {alpha!r}."
            )
    if len(sides[0][0]) < FEWEST or most == 0:
        return 0.0, 1.0
    (n, d), (n_best, d_best) = sides
    low = _least(n, d, most, LOW_SHARE * alpha)
    high = 1 - _least(d_best - n_best, d_best, most, (1 - LOW_SHARE) * alpha)
    return (low, high) if low <= high else (0.0, 1.0)  # an event of probability below alpha


def _least(n: Floats, d: Floats, most: int, alpha: float) -> float:
    """The lower bound: the largest of `RATIOS` down to which the evidence reaches 1 / alpha, else 0."""
    j = (most - 1).bit_length()
    pairs, often = np.unique(np.stack([n, d]), axis=1, return_counts=True)
    x = STAKES[:, None, None] * (pairs[0] / RATIOS[:, None] - pairs[1]) / 2**j  # (stakes, ratios, pairs)
    capital = np.logaddexp.reduce(np.log1p(x) @ often, axis=0)  # (ratios,)
    above = np.logaddexp.accumulate(capital[::-1])[::-1]
    enough = np.log(len(RATIOS) * len(STAKES) * (j + 1) * (j + 2) / alpha)
    refuted = np.flatnonzero(above >= enough)
    return float(RATIOS[refuted[-1]]) if len(refuted) else 0.0
