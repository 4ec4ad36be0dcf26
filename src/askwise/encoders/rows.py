"""Table rows as features: each column is read as what it holds, and weighs about as much as any other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Matrix
from askwise.encoders.blocks import BLOCKS, Block, Lacking, Measure, Parts, Pieces, Words
from askwise.encoders.cells import NUMBERS, distinct, moments, numbers, read_by, reading_of
from askwise.notices import each

SAMPLE = 20_000
"""Rows that columns are learned from; of a larger pool every k-th."""
READ = 0.9
"""Share of a column's cells that must be numbers, or dates, where more than a few words stand among them."""
MARKS = 3
"""Different words among numbers that may be marks (`?`, `unknown`) whatever their share, up to half of the cells."""
MANY = 0.95
"""Share of different cells from which on a column may be an identifier."""
FEWEST = 20
"""Rows from which on anything can be said about that."""
COUNTER = 1.5
"""How far numbers that rise from row to row may reach, for each row, and still only count the rows."""
PROSE = 3.0
"""Words in a cell from which on a column, most of whose cells differ, is free text."""
LETTERS = re.compile(r"[^\W\d_]{3,}")


class RowsEncoder:
    """Numbers, dates, categories and free text of a table as float32 features; learned from the cells alone.

    A number column is scaled, after a logarithm where its own shape asks for one; dates become days and the turns of
    year, week and day; words become a feature each, names that share words also what they share; free text its TF-IDF
    by latent semantic analysis. Missing cells and words among numbers have features of their own. Columns that say the
    same everywhere, count the rows or name them are left out. What a cell becomes depends on it
    alone, and any cell becomes something. Deterministic.
    """

    name = "rows"
    version = "rows-1"

    def __init__(self) -> None:
        self._columns: dict[str, list[Block]] | None = None
        self._taken: dict[str, str] = {}

    @property
    def taken(self) -> dict[str, str]:
        """Column → what it was taken for, in a few words: "numbers", "dates, day first", "left out: …"."""
        return dict(self._taken)

    def fit(self, items: Sequence[Mapping[str, Any]]) -> RowsEncoder:
        """Learn from (n,) rows, n ≥ 1."""
        if not len(items):
            raise BadInput("A table needs at least one row to learn its columns from.")
        rows = items[:: -(-len(items) // SAMPLE)]
        names = dict.fromkeys(name for row in rows for name in row)
        columns: dict[str, list[Block]] = {}
        taken: dict[str, str] = {}
        counters: dict[str, list[Block]] = {}
        absent: set[bytes] = set()
        for name in each("reading the columns", list(names)):
            cells, codes = distinct(rows, name)
            blocks, taken[name] = _learned(cells, codes, len(items))
            where = np.array([one == "" for one in cells])[codes]
            if 0 < where.sum() < len(where) and (mark := np.packbits(where).tobytes()) not in absent:
                absent.add(mark)  # columns that lack the same rows say so once
                blocks = [*blocks, Lacking()]
            (counters if taken[name] == COUNTS else columns)[name] = blocks
        if not any(columns.values()):
            columns |= counters
            taken |= dict.fromkeys(counters, "numbers")
        self._columns, self._taken = {name: blocks for name, blocks in columns.items() if blocks}, taken
        return self

    def encode(self, items: Sequence[Mapping[str, Any]]) -> Matrix:
        """(n, d) float32 features, dense, d ≥ 1. Fits itself to `items` where `fit` was not called."""
        if self._columns is None:
            self.fit(items)
        found = [np.zeros((len(items), 0), np.float32)]
        for name, blocks in (self._columns or {}).items():
            cells, codes = distinct(items, name)
            found += [block.encode(cells)[codes] for block in blocks]
        features = np.concatenate(found, axis=1)
        return features if features.shape[1] else np.zeros((len(items), 1), np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Plain data, without a line of code to import."""
        kept = self._columns
        columns = None if kept is None else {name: [b.state() for b in blocks] for name, blocks in kept.items()}
        return {"columns": columns, "taken": self._taken}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._taken = {str(name): str(what) for name, what in state["taken"].items()}
        self._columns = None
        if state["columns"] is not None:
            self._columns = {
                str(name): [BLOCKS[one["block"]].restored(one) for one in blocks]
                for name, blocks in state["columns"].items()
            }


COUNTS = "left out: it counts the rows"


def _learned(cells: list[str], codes: Array, n: int) -> tuple[list[Block], str]:
    """(what becomes of a column, what it was taken for).

    Args:
        cells: Its k different ones.
        codes: (m,) which of them each row that is learned from holds.
        n: Rows that there are.
    """
    counts = np.bincount(codes, minlength=len(cells))
    there = [at for at, one in enumerate(cells) if one]
    if not there:
        return [], "left out: it is empty"
    if len(there) == 1 and len(cells) == 1:
        return [], "left out: it says the same everywhere"
    words, often = [cells[at] for at in there], counts[there]
    reading = reading_of(words, often, MARKS, READ)
    if reading in NUMBERS:
        return _numbers(cells, codes, words, often, reading, n)
    if reading is not None:
        return _dates(cells, codes, words, often, reading)
    length = float(np.dot([len(word.split()) for word in words], often) / often.sum())
    if often.sum() >= FEWEST and len(words) > 0.5 * often.sum() and length >= PROSE:
        return [Pieces.of(cells, codes, prose=True)], "text"
    speak = len(words) > Words.MOST and _speak(words)
    if often.sum() >= FEWEST and len(words) >= MANY * often.sum() and not speak:
        return [], "left out: it names the rows"
    found: list[Block] = [Words.of(words, often)]
    if speak:
        found.append(Pieces.of(cells, codes, prose=False))
    return found, "names" if speak else "words"


def _numbers(
    cells: list[str], codes: Array, words: list[str], often: Array, reading: str, n: int
) -> tuple[list[Block], str]:
    values = numbers(cells, reading)[codes]
    known = values[np.isfinite(values)]
    marks = _marks(words, often, reading)
    if (known == known[0]).all():
        return marks, "numbers, all the same"
    rises = len(known) == len(values) >= 50 and (np.diff(values) > 0).all() and (values == np.floor(values)).all()
    what = "numbers" if reading == NUMBERS[0] else "numbers, with a decimal comma"
    if rises and values[-1] - values[0] <= COUNTER * n:
        what = COUNTS
    return [Measure.of(values, reading), *marks], what


def _dates(cells: list[str], codes: Array, words: list[str], often: Array, reading: str) -> tuple[list[Block], str]:
    days, hours = (found[codes] for found in moments(cells, reading))
    found: list[Block] = []
    if len(np.unique(days[np.isfinite(days)])) > 1:
        found.append(Measure.of(days, reading))
    if parts := Parts.of(days, hours, reading):
        found.append(parts)
    found += _marks(words, often, reading)
    return found, f"dates, {reading}" if reading != "time" else "hours"


def _marks(words: list[str], often: Array, reading: str) -> list[Block]:
    """Words among numbers or dates."""
    rest = ~read_by(words, reading)
    if not rest.any():
        return []
    return [Words.of([word for word, one in zip(words, rest, strict=True) if one], often[rest], reading)]


def _speak(words: Sequence[str]) -> bool:
    """Whether most of some different cells have a word that others have as well, but not most of them."""
    said = [set(LETTERS.findall(word.lower())) for word in words]
    cells_with = Counter(word for one in said for word in one)
    telling = {word for word, count in cells_with.items() if 1 < count < len(words) / 2}
    return sum(bool(one & telling) for one in said) > len(words) / 2
