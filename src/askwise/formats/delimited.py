"""CSV and TSV in the dialects that are met: the delimiter, blanks before quotes, delimiters at the ends of rows."""

from __future__ import annotations

import contextlib
import csv
import re
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from askwise.core import BadInput
from askwise.formats.table import Reading, Table, clean_name, numbered, unique, without_names
from askwise.formats.text import Lines
from askwise.options import option

DELIMITERS = {",": "commas", ";": "';'", "\t": "tabs", "|": "'|'"}
"""What is looked for, in this order, and how it is called."""
WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}
SAMPLE = 1000
"""Lines looked at to find the dialect."""
SAMPLE_SIGNS = 1 << 20
FITS = 0.5
"""Share of the rows that must have as many cells as the first."""

Line = tuple[int, str, str | None]

_SEP = re.compile(r'"?sep=(.)\1*"?\s*$', re.I | re.S)


@dataclass(frozen=True)
class Dialect:
    """How cells are written."""

    delimiter: str
    blanks: bool
    """Blanks may stand before a quoted cell."""
    spare: int
    """Empty cells that most rows have beyond those of the first row."""

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Rows of cells."""
        return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=self.blanks, strict=True)


def delimiter_of(given: str | None) -> str | None:
    """A delimiter as it was asked for: one sign, or its name.

    Raises:
        BadInput: Longer, or a sign that quotes cells or ends rows.
    """
    if given is None:
        return None
    sign = WORDS.get(given.strip().lower() or given, given)
    if len(sign) != 1 or sign in '"\r\n\0' or (not sign.isprintable() and sign != "\t"):
        raise BadInput(
            f"A delimiter is one sign, such as ';' or '|', or one of these words: {', '.join(WORDS)}; got {given!r}."
        )
    return sign


# ── which dialect ───────────────────────────────────────────────────────────────────────────


def find_dialect(sample: Sequence[Line], whole: bool, delimiter: str | None) -> Dialect:
    """The dialect by the first lines.

    The delimiter that divides the first row into most columns, if at least half of the rows have as many; so a comma
    inside a header of a ';' file, or a '|' in a text, is no delimiter.

    Args:
        sample: Lines.
        whole: Whether these are all lines of the file.
        delimiter: As asked for; None = find it.
    """
    fits = [
        max((_fit(sample, whole, Dialect(sign, blanks, 0)) for blanks in _blanks(sample, sign)), key=lambda fit: fit[0])
        for sign in ([delimiter] if delimiter else DELIMITERS)
    ]
    wide = [fit for fit in fits if fit[1] > 1] or fits[:1]
    good = [fit for fit in wide if fit[0] >= FITS] or wide
    return max(good, key=lambda fit: (fit[1], fit[0]))[2]


def _blanks(sample: Sequence[Line], delimiter: str) -> tuple[bool, ...]:
    """Whether blanks before quotes are to be tried: first, so that it wins where both fit.

    They are where some cell begins so; what stands inside a quoted cell, as `["a", "b"]` does, says nothing.
    """
    if delimiter == " ":
        return (False,)
    sign, text = re.escape(delimiter), "\n".join(line.rstrip("\r\n") for _, line, _ in sample)
    cells = re.finditer(rf'(?:\A|{sign}|\n)("(?:[^"]|"")*(?:"|\Z)|[^{sign}\n]*)', text)
    return (True, False) if any(re.match(' +"', cell[1]) for cell in cells) else (False,)


def _fit(sample: Sequence[Line], whole: bool, dialect: Dialect) -> tuple[float, int, Dialect]:
    """(share of rows with as many cells as the first, cells of the first that are not empty, dialect)."""
    rows = [cells for _, cells, _ in _rows(_Feed(sample, iter(())), dialect)]  # none where a quote is wrong
    if not whole and len(rows) > 2:
        rows.pop()  # may go on beyond the sample
    first, *rest = rows
    spare = Counter(len(row) - len(first) for row in rest if len(row) > len(first) and not any(row[len(first) :]))
    most, times = spare.most_common(1)[0] if spare else (0, 0)
    found = Dialect(dialect.delimiter, dialect.blanks, most if 2 * times > len(rest) else 0)
    fitting = sum(_cells(row, len(first), _named(first), found.spare) is not None for row in rest if row)
    filled = sum(bool(cell.strip()) for cell in first)
    return (fitting / len(rest) if rest else 1.0, filled, found)


def _named(first: Sequence[str]) -> int:
    """Cells up to the last that is not empty."""
    return max((at for at, cell in enumerate(first, 1) if cell.strip()), default=0)


def _cells(row: list[str], width: int, named: int, spare: int) -> list[str] | None:
    """A row of as many cells as the first, or None where it has other than these and empty ones at the end."""
    if len(row) == width:
        return row
    if named <= len(row) < width:
        return row + [""] * (width - len(row))
    if width < len(row) <= width + spare and not any(map(str.strip, row[width:])):
        return row[:width]
    return None


# ── reading ─────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _huge_cells() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Feed:
    """Hands lines to `csv.reader`, remembers those of the current row, and takes some back."""

    def __init__(self, first: Iterable[Line], lines: Iterator[Line]) -> None:
        self.lines = lines
        self.again: deque[Line] = deque(first)
        self.taken: list[Line] = []
        self.ended = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.again:
            entry = self.again.popleft()
        else:
            try:
                entry = next(self.lines)
            except StopIteration:
                self.ended = True
                raise
        self.taken.append(entry)
        return entry[1]


def _rows(feed: _Feed, dialect: Dialect) -> Iterator[tuple[int, list[str], str | None]]:
    """(line, cells, what is wrong) for each row; a quote that is never closed costs its own row only.

    A row that fails after several lines has swallowed rows that may be good. The lines between are read again, each as
    a row of its own, and reading goes on as usual at the line that failed: linear whatever the quotes.
    """
    reader = dialect.reader(feed)
    while True:
        feed.taken = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            taken = feed.taken
            closed = not feed.ended
            why = "has text after a closing quote" if closed else "opens a quote that is never closed"
            yield taken[0][0], [], f"{why} ({error})"
            between = taken[1:-1] if closed else taken[1:]
            for number, line, damage in between:
                try:
                    cells = next(dialect.reader([line]), [])
                except csv.Error:
                    yield number, [], "has a quote that is not closed on its line, after an earlier unclosed quote"
                else:
                    if cells:
                        yield number, cells, damage
            if closed and len(taken) > 1:
                feed.again.appendleft(taken[-1])
            continue
        if cells:  # blank lines are no rows
            yield feed.taken[0][0], cells, next((damage for _, _, damage in feed.taken if damage), None)


def _sample(first: Line, entries: Iterator[Line]) -> tuple[list[Line], bool]:
    """The first lines, and whether these are all."""
    taken, signs = [first], len(first[1])
    for entry in islice(entries, SAMPLE):
        taken.append(entry)
        signs += len(entry[1])
        if signs > SAMPLE_SIGNS:
            return taken, False
    return taken, len(taken) <= SAMPLE


def read_csv(lines: Lines, how: Reading, usual: str | None) -> Table:
    """The table of a CSV or TSV.

    Args:
        lines: Of the file.
        how: As asked for.
        usual: The delimiter of this format; None = find it.

    Raises:
        BadInput: Nothing in it, a header that cannot be read, two columns of one name.
    """
    asked = delimiter_of(how.delimiter)
    with _huge_cells():
        entries = iter(lines)
        filled = (entry for entry in entries if entry[1].strip(" \t\r\n\f\v,;|"))
        first = next(filled, None)
        said = _SEP.match(first[1]) if first is not None else None
        if said:
            first = next(filled, None)
        if first is None:
            raise BadInput(f"{lines.name!r} holds only blank lines. Give a file with a header and at least one row.")
        sample, whole = _sample(first, entries)
        dialect = find_dialect(sample, whole, asked or (said and said[1]) or usual)
        table = _table(lines, _rows(_Feed(sample, entries), dialect), dialect, how)
    sign = dialect.delimiter
    if asked is None and sign not in (",", usual):
        by = " as its first line says" if said else ""
        shown = "a tab" if sign == "\t" else repr(sign)
        table.notes.insert(0, f"{lines.name}: the columns are separated by {shown}, not by commas{by}.")
    table.read_as["delimiter"] = sign
    return table


def _table(lines: Lines, rows: Iterator[tuple[int, list[str], str | None]], dialect: Dialect, how: Reading) -> Table:
    name = lines.name
    line, header, damage = next(rows)
    if how.header:
        if damage:
            advice = f", or: {lines.advice()}" if "bytes" in damage else ""
            raise BadInput(f"The header of {name!r} {damage}. Mend line {line}{advice}.")
        names = [clean_name(cell) for cell in header]
        unique([n for n in names if n], name)
    else:
        names = numbered(len(header))
    columns: list[list[Any]] = [[] for _ in names]
    numbers = array("q")
    bad: dict[int, str] = {}
    raw: dict[int, list[str] | str] = {}
    nothing = [None] * len(names)

    def add(number: int, cells: list[str], wrong: str | None) -> None:
        fitting = None if wrong else _cells(cells, len(names), named, dialect.spare)
        if fitting is None:
            bad[len(numbers)] = wrong or _other_width(cells, len(names), how.header)
            raw[len(numbers)] = cells
        for column, cell in zip(columns, fitting or nothing, strict=True):
            column.append(cell)
        numbers.append(number)

    named = _named(header)
    if not how.header:
        add(line, header, damage)
    for number, cells, wrong in rows:
        add(number, cells, wrong)
    if not numbers:
        shown = ", ".join(map(repr, names))
        raise BadInput(f"{name!r} has a header ({shown}) but no rows. If it is data: {option('header', False)}.")
    if not how.header:
        names = _without_empty_end(names, columns)
    table = Table(without_names(columns, names, name), bad, numbers, raw=raw, first=line if how.header else None)
    if dialect.spare:
        shown = DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))
        table.notes.append(f"{name}: the rows end in {shown} that the first one lacks; the empty cells are left out.")
    return table


def _without_empty_end(names: list[str], columns: Sequence[list[Any]]) -> list[str]:
    """Names where the columns at the end that hold nothing have none."""
    kept = len(names)
    while kept > 1 and not any(columns[kept - 1]):
        kept -= 1
    return names[:kept] + [""] * (len(names) - kept)


def _other_width(cells: Sequence[str], width: int, header: bool) -> str:
    plural = "s" * (len(cells) != 1)
    return f"has {len(cells)} cell{plural}, the {'header' if header else 'first row'} has {width}"
