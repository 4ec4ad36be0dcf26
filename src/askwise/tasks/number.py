"""A number an item: a measured value, or a rating on a scale; right is what lies within a tolerance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from askwise import agreement, learners
from askwise.core import Array, BadInput, Label, Learner, Matrix, Metrics, chance
from askwise.options import named
from askwise.tasks.task import Checks, Opinion, Said, Spell, Task, Votes

FAR = 1e12
"""Numbers are smaller than this, so that float64 tells neighbors of their scale apart."""
CLOSE = 1e-9
"""Relative room for the rounding of binary fractions: 0.3 is within 0.1 of 0.2."""
ROUNDS = 20
"""Steps in which people's precision and the consensus are found together."""


class Values(Opinion):
    """What is expected, and how far off that may be, taken for normally distributed.

    Args:
        mean: (n,) float64.
        std: (n,) float64 standard deviations of the prediction, without the noise of an answer.
        noise: Standard deviation of an answer around what is predicted.
        task: Which numbers there are.
    """

    def __init__(self, mean: Array, std: Array, noise: float, task: Number) -> None:
        self.mean, self.std, self.noise, self.task = mean, std, noise, task

    def __len__(self) -> int:
        return len(self.mean)

    def written(self, labels: Sequence[Label]) -> tuple[list[Label], Array]:
        """The numbers of the scale nearest to what is expected."""
        different, which = np.unique(self.task.steps(self.mean), return_inverse=True)
        return [self.task.of_step(int(step)) for step in different], which.ravel()

    def certainty(self) -> Array:
        """(n,) probability that the answer lies within the tolerance of the guess."""
        return self._within(np.arange(len(self)), self.task.values_of_steps(self.task.steps(self.mean)))

    def top(self, row: int, labels: Sequence[Label], most: int) -> list[tuple[Label, float]]:
        """The guess."""
        value = self.task.steps(self.mean[row : row + 1])
        return [(self.task.of_step(int(value[0])), float(self._within([row], self.task.values_of_steps(value))[0]))]

    def holds(self, rows: Sequence[int], answers: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(k,) that the answer of a careful person lies within the tolerance of each."""
        return self._within(rows, np.array([float(answer) for answer in answers]))

    def joined(self, others: Sequence[Any]) -> Values:
        """See `Opinion`."""
        every = [self, *others]
        mean, std = (np.concatenate([getattr(one, name) for one in every]) for name in ("mean", "std"))
        return Values(mean, std, self.noise, self.task)

    def signals(self) -> dict[str, Any]:
        """Predictions and their standard deviations."""
        return {"mean": self.mean, "std": self.std}

    def _within(self, rows: Any, values: Array) -> Array:
        from scipy.special import ndtr

        spread = np.maximum(np.hypot(self.std[rows], self.noise), 1e-300)
        off, reach = values - self.mean[rows], self.task.tolerance
        found: Array = ndtr((off + reach) / spread) - ndtr((off - reach) / spread)
        return found.astype(np.float32)


class Number(Task):
    """An item has a number; right is what lies within `tolerance` of it.

    Args:
        tolerance: How far off a right guess may be, above 0, in the unit of the numbers.
        low: The least number there is; None = any.
        high: The largest; None = any.
        step: Distance of the numbers of a scale, from `low` or 0: answers are on it. None = any number is an answer,
            and the model guesses in steps of half the tolerance, so that a guess changes only when it means something.
        unit: For people, such as "°C".
    """

    name = "number"
    asks = "a number"
    family = "regression"
    auto = "greedy_both"
    closed = False
    named = False
    pending = math.nan

    def __init__(
        self,
        tolerance: float | str,
        low: float | str | None = None,
        high: float | str | None = None,
        step: float | str | None = None,
        unit: str = "",
    ) -> None:
        given = {"tolerance": tolerance, "low": low, "high": high, "step": step}
        self._given = {name: _decimal(name, value) for name, value in given.items() if value is not None}
        self._low, self._high = self._given.get("low"), self._given.get("high")
        for name in ("tolerance", "step"):
            if name in self._given and not self._given[name] > 0:
                raise BadInput(f"The {name} of numbers must be above 0, got {given[name]!r}.")
        if self._low is not None and self._high is not None and not self._low < self._high:
            raise BadInput(f"The numbers begin at {low} and end at {high}; low must be below high.")
        self.tolerance = float(self._given["tolerance"])
        self.scale = "step" in self._given
        self._grid = self._given["step"] if self.scale else self._given["tolerance"] / 2
        self._zero = self._low if self._low is not None else Decimal(0)
        if self.scale and self._low is not None and self._high is not None and (self._high - self._low) % self._grid:
            raise BadInput(f"From {low} in steps of {step} one does not come to {high}. Mend one of them.")
        if len(unit) > 20 or any(mark in unit for mark in ",:="):
            raise BadInput(f"The unit is a short text without , : and =, got {unit!r:.60}.")
        self.unit = unit
        around = f" within ±{_plain(self._given['tolerance'])}{f' {unit}' if unit else ''}"
        self.right_as = around
        self.strict = f"A number that is not{around} of the answer counts as wrong."

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Number:
        """See `Task`."""
        known = ("tolerance", "low", "high", "step", "unit")
        strange = [name for name in options if name not in known]
        if strange:
            raise BadInput(f"The task 'number' has no option {strange[0]!r}; it has {', '.join(known)}.")
        if "tolerance" not in options:
            raise BadInput(
                "With numbers, say how far off a right guess may be: number:tolerance=0.5. Nothing else tells right "
                "from wrong, and all that is proved is about that."
            )
        return cls(**options)

    def options(self) -> dict[str, Any]:
        """As decimal numbers in text, which no rounding changes."""
        found: dict[str, Any] = {name: _plain(value) for name, value in self._given.items()}
        return found | ({"unit": self.unit} if self.unit else {})

    # ── reading and writing ─────────────────────────────────────────────────────────────────

    def read(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """A number as a person or a program gives it: 3, "3.50", 3e2."""
        try:
            if isinstance(raw, bool | np.bool_):
                raise InvalidOperation
            value = Decimal(str(raw.item() if isinstance(raw, np.generic) else raw).strip())
        except (InvalidOperation, ValueError):
            comma = isinstance(raw, str) and raw.count(",") == 1 and raw.replace(",", "").strip("-+ ").isdigit()
            hint = f" Write {raw.strip().replace(',', '.')}." if comma else ""
            raise BadInput(f"{raw!r:.60} is no number, and an answer is one: 3, 3.5, -2.{hint}") from None
        if not value.is_finite() or abs(value) >= FAR or len(value.normalize().as_tuple().digits) > 15:
            raise BadInput(f"{raw!r:.60} is no number that can be an answer: below {FAR:.0e}, at most 15 digits.")
        low, high = self._low, self._high
        if (low is not None and value < low) or (high is not None and value > high):
            reach = " to ".join("any" if end is None else _plain(end) for end in (low, high))
            raise BadInput(f"{_plain(value)} lies outside the numbers there are: {reach}.")
        if self.scale and (value - self._zero) % self._grid:
            raise BadInput(
                f"{_plain(value)} is not on the scale: {_plain(self._zero)}, {_plain(self._zero + self._grid)}, … in "
                f"steps of {_plain(self._grid)}."
            )
        return [_plain(value)]

    def labels_in(self, said: Said) -> list[Label]:
        """None: a number has no labels."""
        return []

    def parts(self, written: Label) -> tuple[Label, ...]:
        """None, of what is a number as it is written."""
        if not self.is_written(written, ()):
            raise ValueError(f"{written!r} is no number of this session as it is written")
        return ()

    def renamed(self, written: Label, name: Label, to: Label) -> Label:
        """Itself."""
        return written

    def is_written(self, text: object, labels: Sequence[Label]) -> bool:
        """Whether it is a number of this task, in the one form that it has."""
        try:
            return isinstance(text, str) and self.read(text, str) == [text]
        except BadInput:
            return False

    # ── right and wrong ─────────────────────────────────────────────────────────────────────

    def wrong(self, guesses: Array, answers: Array, classes: Sequence[Label]) -> Array:
        """Farther apart than the tolerance."""
        return self._apart(guesses, answers, classes, self.tolerance) | (np.asarray(answers) < 0)

    def clash(self, guesses: Array, others: Array, classes: Sequence[Label]) -> Array:
        """Farther apart than twice the tolerance: nothing is within it of both."""
        return self._apart(guesses, others, classes, 2 * self.tolerance)

    def _apart(self, one: Array, other: Array, classes: Sequence[Label], reach: float) -> Array:
        values = np.array([float(name) for name in classes] or [0.0])
        a, b = values[np.maximum(one, 0)], values[np.maximum(other, 0)]
        found: Array = np.abs(a - b) > reach * (1 + CLOSE) + CLOSE * 1e-3 * np.maximum(np.abs(a), np.abs(b))
        return found

    # ── learning and guessing ───────────────────────────────────────────────────────────────

    def steps(self, values: Array) -> Array:
        """(n,) whole steps from `low`, or from 0, nearest to some values, within the numbers there are."""
        low, high = (math.inf if end is None else float(end) for end in (self._low, self._high))
        inside = np.clip(values, -FAR if self._low is None else low, FAR if self._high is None else high)
        found = np.rint((inside - float(self._zero)) / float(self._grid))
        if self._high is not None:
            found = np.minimum(found, float((self._high - self._zero) // self._grid))
        return found.astype(np.int64)

    def values_of_steps(self, steps: Array) -> Array:
        """(n,) the numbers there."""
        return np.asarray(float(self._zero) + steps * float(self._grid))

    def of_step(self, step: int) -> Label:
        """The number there, as it is written."""
        return _plain(self._zero + step * self._grid)

    def learner(self, given: Any = None) -> Learner:
        """See `learners.adapt_regressor`."""
        found: Learner = learners.adapt_regressor(given)
        return found

    def fitted(self, learner: Any) -> bool:
        """See `Task`."""
        return bool(learner.is_fitted)

    def targets(self, codes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(m,) float64."""
        return np.array([float(name) for name in classes] or [0.0])[codes]

    def ask(self, learner: Any, X: Matrix, labels: int, blocks: Sequence[slice]) -> Values:
        """See `Task`."""
        n = int(X.shape[0])
        mean, std = np.zeros(n), np.zeros(n)
        for rows in blocks:
            mean[rows], std[rows] = learner.predict(X[rows]), learner.predict_std(X[rows])
        return Values(mean, std, float(learner.noise_), self)

    def predicted(self, written: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(n,) float64."""
        return np.array([float(one) for one in written])

    # ── several people ──────────────────────────────────────────────────────────────────────

    def settled(self, votes: Votes) -> tuple[dict[int, Label], str]:
        """The number somebody gave that is nearest to the mean weighted by people's precision; of two the newest.

        Each person's precision is one over the mean square of how far they are from that mean, found with it (Raykar et
        al., 2010); how precise people are is told from the fair answers alone.
        """
        values = np.array([float(name) for name in votes.classes])
        weight = _precision(_values(votes.fair_votes, values))
        found = {}
        every = dict(zip(votes.fair, votes.fair_votes, strict=True))
        every |= dict(zip(votes.again, votes.again_votes, strict=True))
        for row in votes.rows:
            told = _values(every[row][None], values)[0]
            known = ~np.isnan(told)
            mean = float(np.average(told[known], weights=weight[known]))
            answers = [(answer.label or "", answer.seq) for answer in votes.answers[row]]
            found[row] = min(answers, key=lambda one: (round(abs(float(one[0]) - mean), 9), -one[1]))[0]
        return found, "Raykar et al. 2010, numbers"

    def quality(self, votes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """How often one lies within the tolerance of the weighted mean of the others."""
        told = _values(votes, np.array([float(name) for name in classes]))
        weight = _precision(told)
        found = np.ones(told.shape[1])
        for person in range(told.shape[1]):
            others = np.where(np.arange(told.shape[1]) == person, np.nan, told)
            rows = ~np.isnan(told[:, person]) & ~np.isnan(others).all(1)
            if rows.any():
                off = np.abs(_weighted(others[rows], weight) - told[rows, person])
                found[person] = float(np.mean(off <= self.tolerance * (1 + CLOSE)))
        return found

    def agreement(self, votes: Array, classes: Sequence[Label]) -> tuple[float, float, bool]:
        """Krippendorff's alpha of numbers; kappas are about classes."""
        told = _values(votes, np.array([float(name) for name in classes] or [0.0]))
        return agreement.interval_alpha(told), math.nan, False

    # ── saying ──────────────────────────────────────────────────────────────────────────────

    def reason(self, family: str, guesses: Sequence[tuple[Label, float]], model: str) -> str:
        """What the model expects."""
        value, p = guesses[0]
        unit = f" {self.unit}" if self.unit else ""
        expects = f"it expects {value}{unit}, {chance(p)} to be right{self.right_as} ({model})"
        if family == "committee":
            return f"Models that fit your answers equally well disagree here: {expects}."
        if family == "change":
            return f"Your answer would change the model most: {expects}."
        return f"Unlike what the model knows, in the item and in the number: {expects}."

    def metrics(self, checks: Checks) -> Metrics | None:
        """None: there are no labels."""
        return None


def _decimal(name: str, value: float | str) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite() or abs(found) >= FAR or isinstance(value, bool):
        raise BadInput(f"{named('task')}: {name} is a number below {FAR:.0e}, got {value!r:.60}.")
    return found


def _plain(value: Decimal) -> str:
    """A number in the one form that it is written in: no exponent, no zeros behind it, no minus before zero."""
    return format(value.normalize() + 0, "f")


def _values(votes: Array, values: Array) -> Array:
    """(rows, people) the numbers of votes, NaN where there is none."""
    return np.where(votes == agreement.MISSING, np.nan, values[np.maximum(votes, 0)])


def _weighted(told: Array, weight: Array) -> Array:
    """(rows,) means of the numbers there are, by people's weights."""
    known = ~np.isnan(told)
    found: Array = (np.where(known, told, 0) * weight).sum(1) / np.maximum((known * weight).sum(1), 1e-300)
    return found


def _precision(told: Array) -> Array:
    """(people,) one over the mean square of how far each is from the weighted mean; equal where nothing tells."""
    people = told.shape[1]
    weight = np.ones(people)
    rows = told[(~np.isnan(told)).sum(1) > 1]
    if not len(rows):
        return weight
    usual = float(np.nanmean((rows - _weighted(rows, weight)[:, None]) ** 2)) or 1.0
    for _ in range(ROUNDS):
        off = (rows - _weighted(rows, weight)[:, None]) ** 2
        count = (~np.isnan(off)).sum(0)
        # one observation of the usual square for each person, or who agrees by chance would count for everybody
        weight = (count + 1) / (np.nansum(off, axis=0) + usual)
    return weight
