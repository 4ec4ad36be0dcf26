"""What a cell of a table says: nothing, a number, a day or an hour, or a word. One reading for a whole column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from askwise.core import Array
from askwise.encoders.table import number
from askwise.values import written

LONG = 512
"""Bits of an integer above which it is no number to reckon with, and Python may refuse to write it in digits."""

_MONEY = "€$£¥₹"
_BARE = re.compile(rf"([+\-−]?)\s*[{_MONEY}]?\s*([+\-−]?)(\d[\d.,'’\s]*)\s*[{_MONEY}%]?")
_POINT = re.compile(r"(\d{1,3}(?:[,'’\s]\d{3})+|\d+)(?:\.(\d+))?")
_COMMA = re.compile(r"(\d{1,3}(?:[.'’\s]\d{3})+|\d+)(?:,(\d+))?")
_NO_DIGIT = re.compile(r"\D")
_TRUTH = {"true": 1.0, "false": 0.0}

_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?\s*(?P<half>[ap]m)?"
    r"\s*(?:z|utc|gmt|[+-]\d{2}:?\d{2})?"
)
_AT = rf"(?:(?:t|,?\s+)\s*{_TIME})?"
_DAY, _MONTH, _YEAR = r"(?P<day>\d{1,2})", r"(?P<month>\d{1,2})", r"(?P<year>\d{4})"
_NAMED = r"(?P<name>[a-z]{3,9})"
DATES: Mapping[str, re.Pattern[str]] = {
    "year first": re.compile(rf"{_YEAR}(?P<sep>[-/.]){_MONTH}(?:(?P=sep){_DAY}{_AT})?"),
    "day first": re.compile(rf"{_DAY}(?P<sep>[-/.]){_MONTH}(?P=sep){_YEAR}{_AT}"),
    "month first": re.compile(rf"{_MONTH}(?P<sep>[-/.]){_DAY}(?P=sep){_YEAR}{_AT}"),
    "month by name": re.compile(
        rf"(?:[a-z]{{3,9}},\s*)?(?:{_DAY}[-\s.]+{_NAMED}|(?P<name2>[a-z]{{3,9}})\.?\s+(?P<day2>\d{{1,2}}))"
        rf"[-\s.,]+{_YEAR}{_AT}"
    ),
    "time": re.compile(_TIME),
}
"""How a column may write days and hours, each of its cells in the same way; texts in lower case are matched."""
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_OF_NAME = {name[:n]: at + 1 for at, name in enumerate(_MONTHS) for n in (3, len(name))} | {"sept": 9}
NUMBERS = ("number", "number with a decimal comma")
"""How a column may write numbers."""


def cell(value: Any) -> str:
    """A cell as text: "" where nothing is there, a number as Python writes it, all else without space around it."""
    if type(value) is str:
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > LONG:
        return hex(value)
    return written(value).strip()


def distinct(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[list[str], Array]:
    """(the k different cells of a column as text, (n,) which of them each row holds)."""
    known: dict[str, int] = {}
    codes = np.empty(len(rows), np.intp)
    for at, row in enumerate(rows):
        codes[at] = known.setdefault(cell(row.get(name)), len(known))
    return list(known), codes


# ── numbers ─────────────────────────────────────────────────────────────────────────────────


def numbers(cells: Sequence[str], reading: str) -> Array:
    """(k,) float64 numbers of some cells; NaN where none is there, or none to reckon with.

    A number is what `float` reads, true and false as 1 and 0, and digits with thousands marked, a sign of currency on
    either side, or a percent sign, which are left away: "1,234.5", "€ 5.20", "12 %".

    Args:
        cells: As `cell` gives them.
        reading: Of `NUMBERS`: whether a comma stands before the decimals, or marks thousands.
    """
    comma = reading == NUMBERS[1]
    return np.array([_number(one, comma) for one in cells], np.float64)


def _number(text: str, comma: bool) -> float:
    if not (comma and "." in text) and "_" not in text:
        found = number(text)
        if found == found:
            return found
    bare = _BARE.fullmatch(text)
    if bare and not (bare[1] and bare[2]) and (digits := (_COMMA if comma else _POINT).fullmatch(bare[3].strip())):
        found = number(f"{_NO_DIGIT.sub('', digits[1])}.{digits[2] or '0'}")
        return -found if {bare[1], bare[2]} & {"-", "−"} else found
    return _TRUTH.get(text.lower(), float("nan"))


# ── days and hours ──────────────────────────────────────────────────────────────────────────


def moments(cells: Sequence[str], reading: str) -> tuple[Array, Array]:
    """((k,) days since the beginning of the year 1, (k,) hours of the day) of some cells, NaN where none is told.

    Time zones are left away: an hour is one where it was written.

    Args:
        cells: As `cell` gives them.
        reading: A name out of `DATES`.
    """
    match = DATES[reading].fullmatch
    both = np.array([_moment(match(one.lower())) for one in cells], np.float64).reshape(len(cells), 2)
    return both[:, 0], both[:, 1]


def _moment(found: re.Match[str] | None) -> tuple[float, float]:
    if found is None:
        return np.nan, np.nan
    parts = found.groupdict()
    hour = np.nan
    if parts["hour"] is not None:
        at, half = int(parts["hour"]), parts["half"]
        if half:
            at = at % 12 + 12 * (half == "pm") if 1 <= at <= 12 else 24
        minute, second = int(parts["minute"]), int(parts["second"] or 0)
        if at > 23 or minute > 59 or second > 60:
            return np.nan, np.nan
        hour = at + minute / 60 + second / 3600
    if "year" not in parts:
        return np.nan, hour
    name = parts.get("name") or parts.get("name2")
    month = _OF_NAME.get(name, 0) if name else int(parts["month"])
    try:
        days = date(int(parts["year"]), month, int(parts.get("day") or parts.get("day2") or 1)).toordinal()
    except ValueError:
        return np.nan, np.nan
    return days + (0.0 if hour != hour else hour / 24), hour


# ── a column ────────────────────────────────────────────────────────────────────────────────


def read_by(cells: Sequence[str], reading: str) -> Array:
    """(k,) bool: which cells are numbers, or days or hours, in a way of `NUMBERS` or `DATES`."""
    if reading in NUMBERS:
        return np.isfinite(numbers(cells, reading))
    return np.asarray(np.isfinite(moments(cells, reading)).any(axis=0))


def reading_of(cells: Sequence[str], counts: Array, words: int, share: float) -> str | None:
    """How most cells of a column are to be read: a name of `NUMBERS` or of `DATES`; None = as words.

    A column is read in one way. Where its dates read as well with the day first as with the month first, nothing
    tells which is meant, and they stay words.

    Args:
        cells: (k,) different ones, as `cell` gives them, none empty.
        counts: (k,) how often each stands there.
        words: Different cells that may be something else, where at least half of all are read.
        share: Of the cells that must be read where more different ones are something else.
    """
    if not cells:
        return None

    def fits(read: Array) -> bool:
        there = counts[read].sum() / counts.sum()
        return bool(there >= share or (there >= 0.5 and (~read).sum() <= words))

    for names in (NUMBERS, tuple(DATES)):
        found = {name: read_by(cells, name) for name in names}
        read = {name: int(counts[one].sum()) for name, one in found.items()}
        best = max(names, key=lambda name: read[name])  # the first of equals
        if fits(found[best]):
            unclear = names != NUMBERS and read["day first"] == read["month first"] == read[best]
            return None if unclear else best
    return None
