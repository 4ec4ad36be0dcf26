"""Bounds on precision, recall, F1, balanced accuracy and AUROC on the rest that hold at every look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askwise.audit.bounds import BETS, FEWEST, LOW_SHARE, UNKNOWN, Floats, _evidence, _first
from askwise.core import Array, BadInput, ClassMetrics, Interval, Metrics

POINT_CHECKS = 150
"""The newest checks, from which the plain estimates are counted."""


@dataclass(frozen=True, eq=False)
class Moves:
    """How far pool and model have moved since one check was drawn, class by class; see `moves`."""

    size: int
    """Items the check was drawn from."""
    stayed: Array
    """(c, c) items of today's rest that it could have drawn, by (class guessed then, class guessed now)."""
    outside: Array
    """(c,) items of today's rest that it could not have drawn, by the class guessed now."""
    left: Array
    """(c, c + 1) items that a person decided since, by (class guessed then, true class; the last column: unsure)."""
    unknown: Array
    """(c,) items that left the rest without a person's answer, by the class guessed then."""


def moves(members: Array, predicted: Array, truth: Array, current: Array, rest: Array, classes: int) -> Moves:
    """Count what `metrics_on_rest` needs to know about one check; arrays have one entry for each item of the pool.

    Args:
        members: (n,) bool, the items this check was drawn from.
        predicted: (n,) integer class codes 0..classes-1, guesses of the model that was current at the draw.
        truth: (n,) integer class codes of human labels, `UNKNOWN` or `UNSURE`.
        current: (n,) integer class codes 0..classes-1, guesses of today's model.
        rest: (n,) bool, items still to be decided.
        classes: How many classes there are today.
    """
    stay, gone = members & rest, members & ~rest
    answered = gone & (truth != UNKNOWN)
    actual = np.where(truth < 0, classes, truth)  # unsure: of no class

    def pairs(mask: Array, other: Array, width: int) -> Array:
        flat = predicted[mask].astype(np.int64) * width + other[mask]
        return np.bincount(flat, minlength=classes * width).reshape(classes, width)

    return Moves(
        size=int(np.count_nonzero(members)),
        stayed=pairs(stay, current, classes),
        outside=np.bincount(current[rest & ~members], minlength=classes),
        left=pairs(answered, actual, classes + 1),
        unknown=np.bincount(predicted[gone & (truth == UNKNOWN)], minlength=classes),
    )


def count_on_rest(
    happened: Sequence[bool | None],
    sizes: Floats,
    known: Floats,
    unknown: Floats,
    gained: Floats,
    lost: Floats,
    most: int,
    *,
    alpha_high: float,
    alpha_low: float,
) -> tuple[int, int]:
    """Bounds on how many items of the current rest have some trait under the current model.

    A trait is a property of (guess, truth), such as "guessed spam but is not". Setting. Check i was drawn uniformly
    from N_i items when model f_i was current; e_i is the share of them that had the trait under f_i. K items of
    the rest R have it under today's model.

    Counting. Of the N_i e_i items, h_i (`known`) have left the rest for sure and u_i (`unknown`) more at most. Of those
    of R, today's K are at most g_i (`gained`) more, and at least l_i (`lost`) fewer. Hence

        e_i >= (K + h_i - g_i) / N_i,   e_i <= (K + h_i + u_i + l_i) / N_i.

    Evidence and inversion are those of `bounds.accuracy_on_rest`: replacing e_i by its bound can only shrink a
    martingale of mean one, so by Ville (1939) the true K is ever excluded from above with probability at most
    `alpha_high`, from below with at most `alpha_low`, at all times together.

    Args:
        happened: (m,) whether the drawn item had the trait under f_i; None = may still turn out either way.
        sizes: (m,) N_i >= 1.
        known: (m,) h_i.
        unknown: (m,) u_i.
        gained: (m,) g_i: items of R that can have the trait now and could not, or were not there, at the draw.
        lost: (m,) l_i: items of R in the draw that could have the trait then and cannot now.
        most: No more than this many of R can have it.
        alpha_high: Chance that the upper bound is ever too small, in (0, 1).
        alpha_low: Chance that the lower bound is ever too large, in (0, 1).

    Returns:
        (least, most), 0 <= least <= most. (0, `most`) with fewer than `FEWEST` checks.
    """
    if not (0 < alpha_high < 1 and 0 < alpha_low < 1):
        raise BadInput(f"Chances of being wrong must lie in (0, 1); got {alpha_high!r} and {alpha_low!r}.")
    if sum(h is not None for h in happened) < FEWEST or most <= 0:
        return 0, max(most, 0)
    surely = np.array([h is not None and bool(h) for h in happened], float)
    perhaps = np.array([h is None or bool(h) for h in happened], float)

    def too_many(k: int) -> bool:
        return _evidence(BETS, perhaps, np.clip((k + known - gained) / sizes, 0, 1)) >= 1 / alpha_high

    def too_few(k: int) -> bool:
        return _evidence(1 / BETS, surely, np.clip((k + known + unknown + lost) / sizes, 0, 1)) >= 1 / alpha_low

    high = _first(too_many, 0, most + 1) - 1
    low = _first(lambda k: not too_few(k), 0, most + 1)
    return (low, high) if low <= high else (0, most)  # every count refuted: an event of probability below alpha


def metrics_on_rest(
    guesses: Sequence[int],
    truths: Sequence[int | None],
    moved: Sequence[Moves],
    current: Array,
    rest: Array,
    labels: Sequence[str],
    *,
    confidence: float = 0.95,
) -> Metrics:
    """Precision, recall and F1 of each class, balanced accuracy and AUROC of the current model on the current rest.

    For class c, two counts are bounded by `count_on_rest`: items guessed c that are not (FP), and items of c guessed
    otherwise (FN). The number guessed c, P, is known. So TP = P - FP, precision = TP / P, recall = TP / (TP + FN) and
    F1 = 2 TP / (2 TP + FP + FN), each monotone in FP and FN.

    The intervals of one class hold together, at every look, with probability `confidence`: each count may fail with
    half of the rest. Balanced accuracy (the mean recall of the classes that occur on the rest) is bounded from counts
    that hold for all classes together. AUROC (two classes): whatever the ranking, its curve passes through the point
    (x, y) = (1 - recall of one, recall of the other), so the area is between y (1 - x) and 1 - x (1 - y).

    Nothing is assumed about the model, the questions or the items. The plain estimates come from the last
    `POINT_CHECKS` checks and are covered by no guarantee.

    Args:
        guesses: (m,) class guessed for each drawn item by the model that was current at its draw.
        truths: (m,) its true class, -2 for unsure (of no class), None while unanswered.
        moved: (m,) from `moves`.
        current: (n,) guesses of the current model.
        rest: (n,) bool.
        labels: (c,) names of the classes.
        confidence: In (0, 1).

    Raises:
        BadInput: lengths differ, or confidence is out of range.
    """
    if not 0 < confidence < 1:
        raise BadInput(f"Confidence must be strictly between 0 and 1, got {confidence!r}; 0.95 is usual.")
    if not len(guesses) == len(truths) == len(moved):
        raise BadInput(f"One guess, truth and history a check: got {len(guesses)}, {len(truths)}, {len(moved)}.")
    size, guessed = len(labels), np.bincount(current[rest], minlength=len(labels))
    total = int(guessed.sum())
    answered = sum(t is not None for t in truths)
    alpha = (1 - confidence) / 2
    found, recalls, certain = [], [], []
    false, missed = _points(guesses, truths, guessed)
    for c in range(size):
        counts = [_counts_of(c, guesses, truths, moved, int(guessed[c]), total, a) for a in (alpha, alpha / size)]
        recalls.append(_recall(int(guessed[c]), *counts[1]))
        fp, fn = counts[1]
        certain.append(guessed[c] > fp[1] or fn[0] > 0)  # the class does occur on the rest
        found.append(_class(labels[c], int(guessed[c]), *counts[0], false[c], missed[c]))
    balanced = _balanced(found, recalls, certain)
    auroc = None
    if size == 2:
        (low0, high0), (low1, high1) = recalls
        auroc = Interval(None, low0 * low1, 1 - (1 - high0) * (1 - high1))
    return Metrics(tuple(found), balanced, auroc, confidence, answered, total)


def moves_by_label(
    members: Array, predicted: Array, truth: Array, current: Array, rest: Array, holds: Array
) -> list[Moves]:
    """As `moves`, where a class is a set of labels: for each label by itself, class 1 = the label is in the set.

    Args:
        members: (n,) bool, the items this check was drawn from.
        predicted: (n,) integer class codes, guesses of the model that was current at the draw.
        truth: (n,) integer class codes of human labels, `UNKNOWN` or `UNSURE`.
        current: (n,) integer class codes, guesses of today's model.
        rest: (n,) bool, items still to be decided.
        holds: (classes, labels) bool, which labels each class holds.
    """
    classes, labels = holds.shape
    stay, gone = members & rest, members & ~rest
    answered = gone & (truth != UNKNOWN)

    def pairs(one: Array, other: Array, width: int) -> tuple[Array, Array, Array]:
        """Pairs of codes that occur, and how often: of sets there are too many for a table."""
        both, often = np.unique(one.astype(np.int64) * width + other, return_counts=True)
        return both // width, both % width, often

    def crossed(often: Array, one: Array, other: Array) -> Array:
        """(labels, 2, 2) items by (label in the one set, label in the other)."""
        sides = [(~one, one), (~other, other)]
        return np.stack([[often @ (a & b) for b in sides[1]] for a in sides[0]]).transpose(2, 0, 1)

    def split(codes: Array) -> Array:
        """(labels, 2) items by whether the label is in the set."""
        often = np.bincount(codes, minlength=classes)
        on = often @ holds
        return np.stack([often.sum() - on, on], axis=1)

    before, after, often = pairs(predicted[stay], current[stay], classes)
    stayed = crossed(often, holds[before], holds[after])
    guess, actual, often = pairs(predicted[answered], np.where(truth < 0, classes, truth)[answered], classes + 1)
    known = actual < classes
    told = crossed(often[known], holds[guess[known]], holds[actual[known]])
    no = often[~known]
    unsure = np.stack([no @ ~holds[guess[~known]], no @ holds[guess[~known]]], axis=1)
    left = np.concatenate([told, unsure[:, :, None]], axis=2)
    outside, unknown = split(current[rest & ~members]), split(predicted[gone & (truth == UNKNOWN)])
    size = int(np.count_nonzero(members))
    return [Moves(size, stayed[i], outside[i], left[i], unknown[i]) for i in range(labels)]


def metrics_by_label(
    guesses: Sequence[int],
    truths: Sequence[int | None],
    moved: Sequence[Sequence[Moves]],
    current: Array,
    rest: Array,
    holds: Array,
    labels: Sequence[str],
    *,
    confidence: float = 0.95,
) -> Metrics:
    """As `metrics_on_rest`, where a class is a set of labels: precision, recall and F1 of each label.

    Each label is a yes or no of its own, so its bounds are those of a class among two. `balanced_accuracy` is the mean
    recall of the labels that occur on the rest (macro-averaged recall); AUROC is not defined.

    Args:
        guesses: (m,) class guessed for each drawn item by the model that was current at its draw.
        truths: (m,) its true class, -2 for unsure, None while unanswered.
        moved: (m,) from `moves_by_label`.
        current: (n,) guesses of the current model.
        rest: (n,) bool.
        holds: (classes, labels) bool, which labels each class holds.
        labels: (labels,) their names.
        confidence: In (0, 1).
    """
    if not 0 < confidence < 1:
        raise BadInput(f"Confidence must be strictly between 0 and 1, got {confidence!r}; 0.95 is usual.")
    often = np.bincount(current[rest], minlength=len(holds))
    total, alpha = int(often.sum()), (1 - confidence) / 2
    found, recalls, certain = [], [], []
    for i, name in enumerate(labels):
        said = [int(holds[g, i]) for g in guesses]
        true = [t if t is None or t < 0 else int(holds[t, i]) for t in truths]
        mine = [m[i] for m in moved]
        guessed = int(often @ holds[:, i])
        false, missed = _points(said, true, np.array([total - guessed, guessed]))
        counts = [_counts_of(1, said, true, mine, guessed, total, a) for a in (alpha, alpha / len(labels))]
        recalls.append(_recall(guessed, *counts[1]))
        certain.append(guessed > counts[1][0][1] or counts[1][1][0] > 0)
        found.append(_class(name, guessed, *counts[0], false[1], missed[1]))
    answered = sum(t is not None for t in truths)
    return Metrics(tuple(found), _balanced(found, recalls, certain), None, confidence, answered, total)


def _counts_of(
    c: int,
    guesses: Sequence[int],
    truths: Sequence[int | None],
    moved: Sequence[Moves],
    guessed: int,
    total: int,
    alpha: float,
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Bounds on (guessed c but is not), (is c but guessed otherwise)."""
    wrongly = [None if t is None and g == c else g == c and t != c for g, t in zip(guesses, truths, strict=True)]
    passed = [None if t is None and g != c else g != c and t == c for g, t in zip(guesses, truths, strict=True)]
    sizes = np.array([m.size for m in moved], float)
    came = np.array([m.stayed[:, c].sum() - m.stayed[c, c] for m in moved], float)
    went = np.array([m.stayed[c].sum() - m.stayed[c, c] for m in moved], float)
    new = np.array([m.outside[c] for m in moved], float)
    others = np.array([m.outside.sum() - m.outside[c] for m in moved], float)
    left_c = np.array([m.left[c].sum() - m.left[c, c] for m in moved], float)
    left_others = np.array([m.left[:, c].sum() - m.left[c, c] for m in moved], float)
    gone = np.array([m.unknown[c] for m in moved], float)
    gone_others = np.array([m.unknown.sum() - m.unknown[c] for m in moved], float)
    sides = {"alpha_high": LOW_SHARE * alpha, "alpha_low": (1 - LOW_SHARE) * alpha}
    return (
        count_on_rest(wrongly, sizes, left_c, gone, came + new, went, guessed, **sides),
        count_on_rest(passed, sizes, left_others, gone_others, went + others, came, total - guessed, **sides),
    )


def _recall(guessed: int, fp: tuple[int, int], fn: tuple[int, int]) -> tuple[float, float]:
    low = (guessed - fp[1]) / (guessed - fp[1] + fn[1]) if guessed > fp[1] else 0.0
    high = (guessed - fp[0]) / (guessed - fp[0] + fn[0]) if guessed > fp[0] or fn[0] else 1.0
    return low, high


def _class(
    label: str, guessed: int, fp: tuple[int, int], fn: tuple[int, int], false: float | None, missed: float | None
) -> ClassMetrics:
    precision = recall = f1 = None
    if false is not None:
        precision = 1 - false / guessed if guessed else None
        if missed is not None and guessed - false + missed > 0:
            recall = (guessed - false) / (guessed - false + missed)
            f1 = 2 * (guessed - false) / (2 * guessed - false + missed)
    low, high = _recall(guessed, fp, fn)

    def f1_at(wrong: int, passed: int) -> float:
        whole = 2 * guessed - wrong + passed
        return 2 * (guessed - wrong) / whole if whole else 1.0

    return ClassMetrics(
        label,
        guessed,
        Interval.around(precision, 1 - fp[1] / guessed if guessed else 0.0, 1 - fp[0] / guessed if guessed else 1.0),
        Interval.around(recall, low, high),
        Interval.around(f1, f1_at(fp[1], fn[1]) if guessed else 0.0, f1_at(fp[0], fn[0])),
    )


def _points(
    guesses: Sequence[int], truths: Sequence[int | None], guessed: Array
) -> tuple[list[float | None], list[float | None]]:
    """Plain estimates of FP and FN of each class, from recent checks stratified by guess; None where none was seen."""
    seen = [(g, t) for g, t in zip(guesses, truths, strict=True) if t is not None][-POINT_CHECKS:]
    classes = len(guessed)
    table = np.zeros((classes, classes + 1))
    for g, t in seen:
        table[g, t if t >= 0 else classes] += 1
    checks = table.sum(1)
    share = table / np.maximum(checks, 1)[:, None]
    false = [float(guessed[c] * (1 - share[c, c])) if checks[c] else None for c in range(classes)]
    missed: list[float | None] = []
    for c in range(classes):
        others = [b for b in range(classes) if b != c]
        known = all(checks[b] or not guessed[b] for b in others)
        missed.append(float(sum(guessed[b] * share[b, c] for b in others)) if known else None)
    return false, missed


def _balanced(
    found: Sequence[ClassMetrics], recalls: Sequence[tuple[float, float]], certain: Sequence[bool]
) -> Interval:
    """Mean recall of the classes that occur, from bounds that hold for all of them together."""
    return Interval(
        _mean([c.recall.estimate for c in found]),
        sum(low for low, _ in recalls) / len(recalls) if recalls else 0.0,
        _highest_mean([h for (_, h), sure in zip(recalls, certain, strict=True) if sure],
                      [h for (_, h), sure in zip(recalls, certain, strict=True) if not sure]),
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _highest_mean(certain: list[float], possible: list[float]) -> float:
    """Largest mean over the classes that occur for sure and any of those that may."""
    kept = list(certain)
    for value in sorted(possible, reverse=True):
        if not kept or value > sum(kept) / len(kept):
            kept.append(value)
    return sum(kept) / len(kept) if kept else 1.0
