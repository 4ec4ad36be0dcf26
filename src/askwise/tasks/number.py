"""A number an item: a measured value, or a rating on a scale; right is what lies within a tolerance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation, localcontext
from typing import Any

import numpy as np

from askwise import agreement, audit, learners
from askwise.core import Array, BadInput, ContractError, Errors, Label, Learner, Matrix, Metrics, chance
from askwise.options import named
from askwise.tasks.task import Checks, Opinion, Said, Spell, Task, Votes

MAGNITUDE = 12
"""Digits of a number before the point, at most: float64 tells those of a scale apart then."""
DIGITS = 15
"""Digits of a number, and of those behind the point, at most: as many as float64 keeps whatever they are."""
FINE = 12
"""Digits behind the point of an option, at most."""
CLOSE = 1e-9
"""Relative distance from a limit within which float64 does not say on which side of it a difference lies."""
RESAMPLES = 2000
"""Of the bootstrap."""
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
    auto = "random"
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
        self._far = min(
            Decimal(10) ** MAGNITUDE, Decimal(10) ** (DIGITS - max(_decimals(self._grid), _decimals(self._zero)))
        )
        for end in (self._low, self._high):
            if end is not None and abs(end) >= self._far:
                raise BadInput(
                    f"Guesses in steps of {_plain(self._grid)} have too many digits at {_plain(end)}: {DIGITS} are "
                    "kept. Give a larger tolerance or step, or another unit."
                )
        if not isinstance(unit, str) or len(unit) > 20 or not unit.isprintable() or any(c in unit for c in ",:="):
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
        if options.get("tolerance") is None:
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
        """A number as a person or a program gives it: 3, "3.50", 3e2; rounded to `DIGITS` digits."""
        try:
            if isinstance(raw, bool | np.bool_) or (isinstance(raw, str) and "_" in raw):
                raise InvalidOperation
            value = Decimal(str(raw.item() if isinstance(raw, np.generic) else raw).strip())
        except (InvalidOperation, ValueError):
            comma = isinstance(raw, str) and raw.count(",") == 1 and raw.replace(",", "").strip("-+ ").isdigit()
            hint = f" Write {raw.strip().replace(',', '.')}." if comma else ""
            raise BadInput(f"{raw!r:.60} is no number, and an answer is one: 3, 3.5, -2.{hint}") from None
        if not value.is_finite() or (value and value.adjusted() >= MAGNITUDE):
            raise BadInput(
                f"{raw!r:.60} is no number that can be an answer: those are between -1e{MAGNITUDE} and 1e{MAGNITUDE}."
            )
        value = _rounded(value)
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

    def from_data(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """As `read`; the error says where it stands."""
        try:
            return self.read(raw, spell, item)
        except BadInput as error:
            raise BadInput(f"The label column: {error.marked} Mend it, or leave the cell empty.") from None

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
        return self._apart(guesses, answers, classes, 1) | (np.asarray(answers) < 0)

    def clash(self, guesses: Array, others: Array, classes: Sequence[Label]) -> Array:
        """Farther apart than twice the tolerance: nothing is within it of both."""
        return self._apart(guesses, others, classes, 2)

    def _apart(self, one: Array, other: Array, classes: Sequence[Label], times: int) -> Array:
        """Whether numbers lie farther apart than so many times the tolerance, exactly."""
        values = np.array([float(name) for name in classes] or [0.0])
        a, b = np.broadcast_arrays(np.maximum(one, 0), np.maximum(other, 0))
        reach = times * self.tolerance
        off = np.abs(values[a] - values[b])
        found = np.array(off > reach)
        # 0.3 is within 0.1 of 0.2, and float64 says it is not
        near = np.abs(off - reach) <= CLOSE * reach + 1e-15 * (np.abs(values[a]) + np.abs(values[b]))
        exact = times * self._given["tolerance"]
        pairs, which = np.unique(np.stack([a[near], b[near]]), axis=1, return_inverse=True)
        far = [abs(Decimal(classes[i]) - Decimal(classes[j])) > exact for i, j in pairs.T.tolist()]
        found[near] = np.array(far, bool)[which.ravel()]
        return found

    # ── learning and guessing ───────────────────────────────────────────────────────────────

    def steps(self, values: Array) -> Array:
        """(n,) whole steps from `low`, or from 0, nearest to some values, within the numbers there are."""
        far = (self._far - 1).quantize(Decimal(1), ROUND_FLOOR)
        least = (max(-far, -far if self._low is None else self._low) - self._zero) / self._grid
        most = (min(far, far if self._high is None else self._high) - self._zero) / self._grid
        found = np.rint((np.clip(values, -1e300, 1e300) - float(self._zero)) / float(self._grid))
        ends = [int(least.to_integral_value(ROUND_CEILING)), int(most.to_integral_value(ROUND_FLOOR))]
        inside: Array = np.clip(found, float(ends[0]), float(ends[1])).astype(np.int64)
        return inside

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
        if not (np.isfinite(mean).all() and np.isfinite(std).all()):
            row = int(np.argmin(np.isfinite(mean) & np.isfinite(std)))
            raise ContractError(
                f"The learner {learner!r:.80} predicts {mean[row]} ± {std[row]} for row {row}: no number."
            )
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
                found[person] = float(np.mean(off <= self.tolerance * (1 + CLOSE)))  # a mean is rounded anyway
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

    def errors(self, said: Sequence[Label], answered: Sequence[Label], confidence: float) -> Errors | None:
        """Mean absolute and root mean square error of the last `audit.RECENT`, with bootstrap intervals (Efron, 1979).

        None before there are `audit.FEWEST`.
        """
        off = np.array([abs(float(a) - float(b)) for a, b in zip(said, answered, strict=True)])[-audit.RECENT :]
        if len(off) < audit.FEWEST:
            return None
        again = off[np.random.default_rng(0).integers(0, len(off), (RESAMPLES, len(off)))]
        ends = ((1 - confidence) / 2, (1 + confidence) / 2)
        mean, square = (np.quantile(one, ends).tolist() for one in (again.mean(1), np.sqrt((again**2).mean(1))))
        return Errors(
            len(off), float(off.mean()), (mean[0], mean[1]), float(np.sqrt((off**2).mean())), (square[0], square[1]),
            confidence, self.unit,
        )  # fmt: skip


def _decimal(name: str, value: float | str) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite() or (found and found.adjusted() >= MAGNITUDE) or isinstance(value, bool):
        raise BadInput(f"{named('task')}: {name} is a number below 1e{MAGNITUDE}, got {value!r:.60}.")
    if found != _rounded(found) or _decimals(found) > FINE:
        raise BadInput(f"{named('task')}: {name} has at most {FINE} digits behind the point, got {value!r:.60}.")
    return _rounded(found)


def _rounded(value: Decimal) -> Decimal:
    """The nearest number with at most `DIGITS` digits, and of these behind the point."""
    with localcontext() as exact:
        exact.prec = max(28, len(value.as_tuple().digits) + DIGITS)
        last = max(-DIGITS, value.adjusted() - DIGITS + 1)
        # Rounding up may make a digit more, a zero, which the shortest form has not.
        return value.quantize(Decimal(1).scaleb(last)) if last > int(value.as_tuple().exponent) else value


def _decimals(value: Decimal) -> int:
    """Digits behind the point."""
    return max(0, -int(value.normalize().as_tuple().exponent))


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
