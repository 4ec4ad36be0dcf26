"""How doubtful each given label is, learned from what people said of others. It steers, it is never evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from askwise.core import Array
from askwise.learners import SoftmaxRegression

MOST_CLASSES = 20
"""With more kinds of labels a label says too little by itself, and is no feature."""
PENALTIES = (0.2, 0.05, 0.02, 0.005)
"""Inverse strengths of the penalty that are tried."""
USUAL = 0.05
"""That one is taken before there are enough labels to try."""
ENOUGH = 40
"""Labels from which on penalties are tried."""
GROWN = 1.4
"""They are tried again when there are so many times more labels."""
FOLDS = 4
SPEAKS = 6.0
"""Length of an item's features beside the columns of standard deviation 1 that confidence and labels make."""
SLOPE_SD, OFFSET_SD, LEAST_SLOPE = 1.0, 1.0, 0.2
"""Of `calibrated`: how far from 1 and 0 slope and offset may well be; and the smallest slope, which keeps the order."""
ANCHOR_SD = 2.0
"""How far the offset of `anchored` may well be from 0."""
SURE = 1e-5
"""No label is believed to be wrong, or right, with a smaller chance."""


def design(guesses: Array, confidences: Array, features: Array | None = None) -> Array:
    """(n, columns) float32 inputs of the model of doubt.

    Args:
        guesses: (n, g) int codes of the labels that are checked (column 0) and of other opinions; -1 = none.
        confidences: (n, c) floats, the higher the surer; NaN = none.
        features: (n, d) of the items, rows of length 1 or so; None = nothing is known of them.
    """
    n = len(guesses)
    parts: list[Array] = []
    for column in confidences.T:
        there = np.isfinite(column)
        value = np.where(there, column, np.median(column[there]) if there.any() else 0.0)
        rank = rankdata(value) / n
        raw = np.log(np.clip(value, 1e-4, 1 - 1e-4) / (1 - np.clip(value, 1e-4, 1 - 1e-4)))
        in_unit = value.min() >= 0 and value.max() <= 1
        parts += [_standard(np.stack([raw if in_unit else rank**2, rank, rank**4], axis=1)), _standard(~there[:, None])]
    sure = parts[0][:, :2] if parts else np.zeros((n, 0))
    first = guesses[:, 0]
    if len(np.unique(first)) <= MOST_CLASSES:
        said = (first[:, None] == np.unique(first)).astype(float)
        parts += [said, *(said * column[:, None] for column in sure.T)]
    for other in guesses[:, 1:].T:
        agrees = (other == first)[:, None].astype(float)
        parts.append(_standard(agrees))
        if len(np.unique(other)) <= MOST_CLASSES:
            parts.append((other[:, None] == np.unique(other)).astype(float))
    if guesses.shape[1] > 2:
        parts.append(_standard((guesses[:, 1:] == first[:, None]).mean(axis=1)[:, None]))
    if features is not None:
        parts.append(SPEAKS * np.asarray(features, float))
    return np.hstack([part for part in parts if part.shape[1]] or [np.zeros((n, 1))]).astype(np.float32)


def _standard(columns: Array) -> Array:
    columns = np.asarray(columns, float)
    columns = columns[:, columns.std(axis=0) > 0]
    centered: Array = (columns - columns.mean(axis=0)) / columns.std(axis=0) if columns.shape[1] else columns
    return centered


class Doubt:
    """Two linear models, of what is wrong and of which label is right, mixed evenly in log-odds.

    Of GPT-4o's labels of stance the mixture ordered better than either (area under the curve .824, the parts .770 and
    .815, thirds held out); the second is left out where there are many kinds of labels.

    Args:
        inputs: (n, columns) from `design`.
        guess: (n,) int codes of the labels that are checked.
        trust: (n,) the higher the surer, before anything is learned: orders what the models find alike.
    """

    def __init__(self, inputs: Array, guess: Array, trust: Array) -> None:
        self.inputs, self.guess = inputs, guess
        self._tie = 1e-7 * rankdata(trust) / len(trust)
        self._tried: tuple[bytes, bytes] | None = None
        self._penalty = {"wrong": USUAL, "right": USUAL}
        self._line = 1.0, 0.0

    def __call__(self, rows: Array, labels: Array, drawn: Array) -> Array:
        """(n,) believed chance that each label is wrong, in (0, 1); no two alike whose trust differs.

        Args:
            rows: (m,) integers, items that people labeled, in the order of their answers.
            labels: (m,) int codes of what they said; -1 = undecided, or no code of its own.
            drawn: (m,) bool, which of them were drawn at random.
        """
        wrong = labels != self.guess[rows]
        if len(rows) == 0 or wrong.all() or not wrong.any():
            share = (wrong.sum() + 0.5) / (len(rows) + 1)
            return np.clip(np.full(len(self.guess), share) - self._tie, SURE, 1 - SURE)
        decided = labels >= 0
        kinds = len(np.unique(labels[decided]))
        both = 1 < kinds <= MOST_CLASSES
        if len(rows) >= ENOUGH:
            # By so many of the first ones, so that who goes on later comes to the same.
            self._try(
                rows, labels, wrong, int(ENOUGH * GROWN ** math.floor(math.log(len(rows) / ENOUGH, GROWN) + 1e-9))
            )
        parts = [_wrong(self.inputs[rows], wrong, self._penalty["wrong"], self.inputs)]
        if both:
            own, said = rows[decided], labels[decided]
            parts.append(_not_right(self.inputs[own], said, self._penalty["right"], self.inputs, self.guess))
        odds = np.mean([np.log(p / (1 - p)) for p in (np.clip(part, SURE, 1 - SURE) for part in parts)], axis=0)
        slope, offset = self._line
        odds = slope * odds + offset
        if drawn.any():
            odds = odds + anchored(odds[rows[drawn]], wrong[drawn])
        found: Array = np.clip(1 / (1 + np.exp(-odds)) - self._tie, SURE / 2, 1 - SURE / 2)
        return found

    def _try(self, rows: Array, labels: Array, wrong: Array, first: int) -> None:
        """Choose penalties by the log loss of labels held out."""
        rows, labels, wrong = rows[:first], labels[:first], wrong[:first]
        seen = rows.tobytes(), labels.tobytes()
        if self._tried == seen:
            return
        self._tried = seen
        both = 1 < len(np.unique(labels[labels >= 0])) <= MOST_CLASSES
        fold = np.arange(len(rows)) % FOLDS
        apart: dict[str, Array] = {}
        for which in ("wrong", "right") if both else ("wrong",):
            tried = {}
            for penalty in PENALTIES:
                if (p := self._held_out(which, penalty, rows, labels, wrong, fold)) is not None:
                    tried[penalty] = p, -float(np.log(np.where(wrong, p, 1 - p)).sum())
            if tried:
                self._penalty[which] = min(tried, key=lambda penalty: tried[penalty][1])
                apart[which] = tried[self._penalty[which]][0]
        if apart:
            odds = np.mean([np.log(p / (1 - p)) for p in apart.values()], axis=0)
            self._line = calibrated(odds, wrong)

    def _held_out(
        self, which: str, penalty: float, rows: Array, labels: Array, wrong: Array, fold: Array
    ) -> Array | None:
        """(m,) beliefs about labels that were held out; None where a part knows one kind only."""
        found = np.zeros(len(rows))
        for held in range(FOLDS):
            train, test = fold != held, fold == held
            train = train & (labels >= 0) if which == "right" else train
            if len(np.unique((labels if which == "right" else wrong)[train])) < 2:
                return None
            known, asked = self.inputs[rows[train]], self.inputs[rows[test]]
            if which == "right":
                found[test] = _not_right(known, labels[train], penalty, asked, self.guess[rows[test]])
            else:
                found[test] = _wrong(known, wrong[train], penalty, asked)
        return np.clip(found, 1e-3, 1 - 1e-3)


def calibrated(odds: Array, wrong: Array) -> tuple[float, float]:
    """Slope and offset that make log-odds of labels held out likeliest, drawn towards 1 and 0 (Platt, 1999).

    A penalty draws beliefs to the middle of what was labeled, and what was labeled is the doubtful part; so what is
    sure would be believed to be wrong far too often.
    """
    X = np.stack([odds, np.ones(len(odds))], axis=1)
    line, prior = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    tight = np.diag([1 / SLOPE_SD**2, 1 / OFFSET_SD**2])
    for _ in range(25):
        p = 1 / (1 + np.exp(-X @ line))
        step = np.linalg.solve((X * (p * (1 - p))[:, None]).T @ X + tight, X.T @ (p - wrong) + tight @ (line - prior))
        line = line - step
        if np.abs(step).max() < 1e-8:
            break
    return max(float(line[0]), LEAST_SLOPE), float(line[1])


def anchored(odds: Array, wrong: Array) -> float:
    """The offset of log-odds that makes labels drawn at random likeliest, drawn towards 0.

    All others were chosen, most of them because they were doubtful; only these tell how many of the file are wrong.
    """
    offset = 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-odds - offset))
        step = float(((p - wrong).sum() + offset / ANCHOR_SD**2) / ((p * (1 - p)).sum() + 1 / ANCHOR_SD**2))
        offset -= max(min(step, 1.0), -1.0)
        if abs(step) < 1e-8:
            break
    return offset


def _fit(X: Array, y: Sequence[int] | Array, penalty: float) -> SoftmaxRegression:
    return SoftmaxRegression(penalty, class_weight=None, calibrate=False, tol=1e-3).fit(X, y)


def _wrong(X: Array, wrong: Array, penalty: float, asked: Array) -> Array:
    # Of two classes each of the two weight vectors is penalised by itself: half the penalty, as elsewhere.
    found: Array = _fit(X, wrong.astype(int), penalty).predict_proba(asked)[:, 1]
    return found.astype(float)


def _not_right(X: Array, labels: Array, penalty: float, asked: Array, guess: Array) -> Array:
    model = _fit(X, labels, penalty)
    hit = model.classes_ == guess[:, None]
    p = model.predict_proba(asked).astype(float)
    return np.where(hit.any(axis=1), 1 - (p * hit).sum(axis=1), 0.99)
