"""What a column of a table becomes: blocks of features, each a function of one cell, and plain data when saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from askwise.core import Array, BadInput
from askwise.encoders.cells import DATES, NUMBERS, moments, numbers, read_by
from askwise.encoders.tfidf import TfidfEncoder

EVEN = 0.9
"""Correlation of a column's sorted values with those of a normal distribution (Filliben, 1975) from which on it stays
as it is: a uniform column has 0.98, an exponential one 0.90, a log-normal one 0.76."""
GAIN = 0.05
"""By so much a bend must bring a column nearer to a normal one."""
FAR = 8.0
"""Standard deviations at which a scaled value is cut off."""
TWO = np.float32(np.sqrt(2))
"""Of a feature that is there or not: rows that differ in it are as far apart as those with two different words."""


class Block:
    """Some features of a column."""

    name: ClassVar[str]

    def encode(self, cells: Sequence[str]) -> Array:
        """(k, d) float32 features of k cells, as `cells.cell` gives them."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Plain data, with its `name` as "block"."""
        return {"block": self.name, **vars(self)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Block:
        """The inverse of `state`; raises `BadInput`, `KeyError`, `TypeError` or `ValueError` for what `state` never
        gives.
        """
        raise NotImplementedError


class Lacking(Block):
    """Whether nothing is there."""

    name = "lacking"

    def encode(self, cells: Sequence[str]) -> Array:
        """See `Block`."""
        return np.array([[TWO if one == "" else 0] for one in cells], np.float32).reshape(len(cells), 1)

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Lacking:
        """See `Block`."""
        del state
        return cls()


# ── numbers ─────────────────────────────────────────────────────────────────────────────────


class Measure(Block):
    """A number, bent by a logarithm where the column's own shape asks for one, scaled to a variance of 1.

    Args:
        reading: Of `NUMBERS`, or of `DATES`, whose days are the number.
        bend: A name out of `BENDS`.
        center: Median of the column.
        width: Median distance to it, of those that differ.
        least: The smallest positive number.
        mean: Of the bent numbers.
        deviation: Of the bent numbers.
    """

    name = "measure"

    def __init__(
        self, reading: str, bend: str, center: float, width: float, least: float, mean: float, deviation: float
    ) -> None:
        self.reading, self.bend = reading, bend
        self.center, self.width, self.least, self.mean, self.deviation = center, width, least, mean, deviation

    @classmethod
    def of(cls, values: Array, reading: str) -> Measure:
        """Learn from (n,) float64 numbers, at least two of them different; NaN where there is none."""
        known = np.sort(values[np.isfinite(values)])
        center = float(np.median(known))
        away = np.abs(known - center)
        found = cls(
            reading, "as it is", center, float(np.median(away[away > 0])),
            float(known[known > 0][0]) if known[-1] > 0 else 1.0, 0.0, 1.0,
        )  # fmt: skip
        likeness = {name: _normal(bend(found, known)) for name, bend in BENDS.items() if name != "log" or known[0] >= 0}
        best = max(likeness, key=lambda name: likeness[name])
        if likeness["as it is"] < EVEN and likeness[best] >= likeness["as it is"] + GAIN:
            found.bend = best
        bent = BENDS[found.bend](found, known)
        found.mean, found.deviation = float(bent.mean()), float(bent.std()) or 1.0
        return found

    def encode(self, cells: Sequence[str]) -> Array:
        """See `Block`; the median where there is no number."""
        values = numbers(cells, self.reading) if self.reading in NUMBERS else moments(cells, self.reading)[0]
        bent = BENDS[self.bend](self, np.where(np.isfinite(values), values, self.center))
        scaled: Array = np.clip((bent - self.mean) / self.deviation, -FAR, FAR).astype(np.float32)
        return scaled.reshape(-1, 1)

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Measure:
        """See `Block`."""
        reading, bend = str(state["reading"]), str(state["bend"])
        figures = [float(state[name]) for name in ("center", "width", "least", "mean", "deviation")]
        if reading not in (*NUMBERS, *DATES) or bend not in BENDS or not np.isfinite(figures).all():
            raise BadInput("A column of numbers is described in a way that this version does not know.")
        return cls(reading, bend, *figures)


def _log(block: Measure, values: Array) -> Array:
    return np.asarray(np.log(np.maximum(values, 0) + block.least))


def _signed_log(block: Measure, values: Array) -> Array:
    return np.asarray(np.arcsinh((values - block.center) / block.width))


BENDS: Mapping[str, Callable[[Measure, Array], Array]] = {
    "as it is": lambda _, values: values,
    "log": _log,
    "signed log": _signed_log,
}
"""From the middle the signed log runs straight for the usual distance, and like a logarithm farther out, both ways."""


def _normal(values: Array) -> float:
    """How like a normal distribution sorted values are, 0 to 1: the correlation of the probability plot."""
    from scipy.special import ndtri

    if values[-1] == values[0]:
        return 0.0
    scores = ndtri((np.arange(len(values)) + 0.5) / len(values))
    scaled = (values - values.mean()) / (np.abs(values).max() or 1.0)
    spread = float(np.sqrt((scaled**2).sum()))
    return float(scaled @ scores / (spread * np.sqrt(scores @ scores))) if spread else 0.0


class Parts(Block):
    """Turns of a date: where in the year, the week, and the day it lies, as two features each; together as one column.

    Args:
        reading: A name out of `DATES`.
        turns: Names out of `TURNS`.
    """

    name = "parts"

    def __init__(self, reading: str, turns: Sequence[str]) -> None:
        self.reading, self.turns = reading, list(turns)

    @classmethod
    def of(cls, days: Array, hours: Array, reading: str) -> Parts | None:
        """Learn which turns a column takes; None = none. Args: as `moments` gives them, for (n,) rows."""
        there = np.isfinite(days) | np.isfinite(hours)
        turns = [name for name, turn in TURNS.items() if len(np.unique(_kept(turn(days, hours)[there]))) > 1]
        return cls(reading, turns) if turns else None

    def encode(self, cells: Sequence[str]) -> Array:
        """See `Block`; 0 where there is no date."""
        days, hours = moments(cells, self.reading)
        found = np.zeros((len(cells), 2 * len(self.turns)), np.float32)
        for at, name in enumerate(self.turns):
            angle = 2 * np.pi * TURNS[name](days, hours)
            found[:, 2 * at], found[:, 2 * at + 1] = np.sin(angle), np.cos(angle)
        return np.asarray(np.nan_to_num(found) / np.float32(np.sqrt(max(1, len(self.turns)))))

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Parts:
        """See `Block`."""
        reading, turns = str(state["reading"]), [str(name) for name in state["turns"]]
        if reading not in DATES or not set(turns) <= set(TURNS):
            raise BadInput("A column of dates is described in a way that this version does not know.")
        return cls(reading, turns)


def _kept(values: Array) -> Array:
    return np.asarray(values[np.isfinite(values)])


TURNS: Mapping[str, Callable[[Array, Array], Array]] = {
    "year": lambda days, _: np.floor(days) / 365.2425,
    "week": lambda days, _: np.floor(days) / 7,
    "day": lambda _, hours: hours / 24,
}
"""Turn → how many of it have passed since some beginning."""


# ── words ───────────────────────────────────────────────────────────────────────────────────


class Words(Block):
    """A feature for each of the words that stand there most often, and one for all rarer ones; no word has none.

    Args:
        words: That have a feature.
        rare: Whether there are others.
        reading: How cells are read that are no words but numbers or dates; "" = all are words.
    """

    name = "words"
    MOST: ClassVar[int] = 30

    def __init__(self, words: Sequence[str], rare: bool, reading: str = "") -> None:
        self.words, self.rare, self.reading = list(words), rare, reading
        self._at = {word: at for at, word in enumerate(self.words)}

    @classmethod
    def of(cls, words: Sequence[str], counts: Array, reading: str = "") -> Words:
        """Learn from k different words, and how often each stands there."""
        order = sorted(range(len(words)), key=lambda at: (-counts[at], words[at]))
        chosen = [words[at] for at in order[: cls.MOST] if counts[at] > 1]
        return cls(chosen, len(chosen) < len(words), reading)

    def encode(self, cells: Sequence[str]) -> Array:
        """See `Block`."""
        d = len(self.words)
        found = np.zeros((len(cells), d + 1), np.float32)
        for row, one in enumerate(cells):
            if one:
                found[row, self._at.get(one, d)] = 1
        if self.reading:
            found[read_by(cells, self.reading), d] = 0
        return found if self.rare else found[:, :d]

    def state(self) -> dict[str, Any]:
        """See `Block`."""
        return {"block": self.name, "words": json.dumps(self.words), "rare": self.rare, "reading": self.reading}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Words:
        """See `Block`."""
        words, reading = [str(word) for word in json.loads(state["words"])], str(state["reading"])
        if reading not in ("", *NUMBERS, *DATES) or len(set(words)) < len(words):
            raise BadInput("A column of words is described in a way that this version does not know.")
        return cls(words, bool(state["rare"]), reading)


class Pieces(Block):
    """What words and pieces of words cells have in common, by latent semantic analysis; together as one column, or few.

    Args:
        texts: Fitted.
        mean: (d,) of its features.
        scale: That gives them the variance that they are to have together.
    """

    name = "pieces"

    def __init__(self, texts: TfidfEncoder, mean: Array, scale: float) -> None:
        self.texts, self.mean, self.scale = texts, mean, scale

    @classmethod
    def of(cls, cells: Sequence[str], codes: Array, *, prose: bool) -> Pieces:
        """Learn from k different cells, as `cells.cell` gives them, and (n,) which of them each row holds.

        Args:
            cells: See above.
            codes: See above.
            prose: Whether they are free text, which has more directions, and counts for more columns, than names.
        """
        texts = TfidfEncoder(dims=32 if prose else 8)
        features = np.asarray(texts.fit_encode(cells))[codes]
        mean = features.mean(0)
        spread = float(np.sqrt(((features - mean) ** 2).sum(1).mean()))
        return cls(texts, mean, (2.0 if prose else 1.0) / spread if spread > 1e-6 else 0.0)

    def encode(self, cells: Sequence[str]) -> Array:
        """See `Block`."""
        found: Array = ((self.texts.encode(cells) - self.mean) * np.float32(self.scale)).astype(np.float32)
        found[[at for at, one in enumerate(cells) if not one]] = 0
        return found

    def state(self) -> dict[str, Any]:
        """See `Block`."""
        return {"block": self.name, **vars(self), "texts": self.texts.__getstate__()}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Pieces:
        """See `Block`."""
        texts = TfidfEncoder()
        texts.__setstate__(state["texts"])
        mean, scale = state["mean"], float(state["scale"])
        if not isinstance(mean, np.ndarray) or texts.encode(["a"]).shape[1:] != mean.shape or not np.isfinite(scale):
            raise BadInput("A column of texts is described in a way that this version does not know.")
        return cls(texts, mean, scale)


BLOCKS: Mapping[str, type[Any]] = {block.name: block for block in (Lacking, Measure, Parts, Words, Pieces)}
"""Blocks by their names in saved models."""
