"""Excel workbooks, by openpyxl: a sheet, its formulas as the values last computed, its merged cells divided."""

from __future__ import annotations

import datetime
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from askwise.core import BadInput, MissingExtra
from askwise.formats.table import Reading, Table, clean_name, numbered, unique, without_names
from askwise.options import Sentence, option

NOT_COMPUTED = "a formula without a computed value (open the workbook in Excel, and save it there)"

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def read_xlsx(path: Path, how: Reading) -> Table:
    """One sheet: its first row that is not empty names the columns.

    Raises:
        BadInput: No workbook, too large, no such sheet, nothing in it.
        MissingExtra: openpyxl is not installed.
    """
    try:
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise MissingExtra(
            "Excel workbooks need openpyxl, which is not installed. Install it: pip install 'askwise[xlsx]'"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheets = [sheet.title for sheet in book.worksheets]
            at = _chosen(sheets, how.sheet, path.name)
            sheet = book.worksheets[at]
            sheet.reset_dimensions()  # what the file says of its own size may be wrong
            with sheet._get_source() as source:  # the sheet as XML: openpyxl does not tell these when it reads a stream
                marks = _marks(source)
            rows = _rows(sheet.iter_rows(values_only=True), marks, how.header)
        finally:
            book.close()
    except (
        zipfile.BadZipFile,
        zlib.error,
        InvalidFileException,
        KeyError,
        IndexError,
        OSError,
        ValueError,
        SyntaxError,
        AttributeError,
    ) as error:
        raise BadInput(f"{path.name!r} is no Excel workbook that can be read ({error}). Save it as CSV.") from None
    others = ", ".join(map(repr, [*sheets[:at], *sheets[at + 1 :]][:10]))
    if not rows:
        another = f" It also has {others}: {option('sheet', _next(sheets, at))} reads that." if others else ""
        which = "first sheet" if how.sheet is None else f"sheet {sheets[at]!r}"
        raise BadInput(f"The {which} of {path.name!r} is empty.{another}")
    table = _table(rows, marks, path.name, how)
    if others and how.sheet is None:
        table.notes.insert(
            0,
            Sentence(
                f"{path.name}: the sheet {sheets[at]!r} is read, the first of {len(sheets)} (others: {others}); "
                f"{option('sheet', _next(sheets, at))} reads another."
            ),
        )
    table.read_as |= {"sheet": sheets[at], "sheets": sheets}
    return table


def _next(sheets: Sequence[str], at: int) -> str:
    return sheets[at + 1] if at + 1 < len(sheets) else sheets[0]


def _chosen(sheets: Sequence[str], wanted: str | int | None, where: str) -> int:
    """The place of a sheet by its name, or by its number from 1."""
    if not sheets:
        raise BadInput(f"{where!r} is a workbook without sheets of cells.")
    if wanted is None:
        return 0
    name = str(wanted).strip()
    if name in sheets:
        return sheets.index(name)
    alike = [at for at, title in enumerate(sheets) if title.casefold().strip() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    if name.isascii() and name.isdigit() and 0 < int(name) <= len(sheets):
        return int(name) - 1
    shown = ", ".join(map(repr, sheets[:20])) + (", …" if len(sheets) > 20 else "")
    raise BadInput(f"{where!r} has no sheet {wanted!r}. Its sheets are {shown}; a number from 1 names one, too.")


# ── what only the XML says ──────────────────────────────────────────────────────────────────


@dataclass
class _Marks:
    """Rows and columns count from 1."""

    uncomputed: set[tuple[int, int]] = field(default_factory=set)
    """Formulas without a value."""
    errors: set[tuple[int, int]] = field(default_factory=set)
    """Cells that hold an error, such as #N/A; a text may read the same."""
    merged: dict[tuple[int, int], int] = field(default_factory=dict)
    """The first cell of a merged range → its last row."""


def _marks(source: BinaryIO) -> _Marks:
    """Formulas without a value, and merged cells; one pass without building anything."""
    from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries
    from openpyxl.xml.functions import iterparse  # that of defusedxml where it is installed

    found = _Marks()
    row = column = 0
    formula = value = False
    for event, element in iterparse(source, events=("start", "end")):
        tag = element.tag.rpartition("}")[2]
        if event == "start":
            if tag == "row":
                row, column = int(element.get("r") or row + 1), 0
            elif tag == "c":
                place = element.get("r")
                row, column = coordinate_to_tuple(place) if place else (row, column + 1)
                formula, value = False, element.get("t") == "str"  # of a text even nothing is a value
            continue
        if tag == "f":
            formula = True
        elif tag == "v":
            value = value or bool(element.text)
        elif tag == "c":
            if formula and not value:
                found.uncomputed.add((row, column))
            if element.get("t") == "e":
                found.errors.add((row, column))
        elif tag == "mergeCell":
            left, top, _, bottom = range_boundaries(element.get("ref") or "")
            if bottom > top:
                found.merged[top, left] = bottom
        if tag in ("row", "mergeCell"):
            element.clear()
    return found


# ── cells ───────────────────────────────────────────────────────────────────────────────────


def _rows(cells: Iterator[Sequence[Any]], marks: _Marks, header: bool) -> list[tuple[int, list[Any]]]:
    """(number, cells) of the rows that are not empty, with the values of merged cells in each of their rows.

    Merged cells of the header are left as they are: what is below a name is no value.
    """
    rows: list[tuple[int, list[Any]]] = []
    uncomputed = {row for row, _ in marks.uncomputed}
    starts: dict[int, list[int]] = {}
    for row, column in marks.merged:
        starts.setdefault(row, []).append(column)
    reaching: dict[int, tuple[int, int, Any]] = {}  # column → (first row, last row, value)
    for number, line in enumerate(cells, 1):
        if number not in uncomputed and not any(map(_filled, line)):
            continue
        here = starts.get(number, []) if rows or not header else []
        filled = list(line)
        for column in here:
            value = line[column - 1] if column <= len(line) else None
            reaching[column] = (number, marks.merged[number, column], value)
        for column, (first, last, value) in list(reaching.items()):
            if number > last:
                del reaching[column]
            elif number > first:
                filled.extend([None] * (column - len(filled)))
                filled[column - 1] = value
                for places in (marks.uncomputed, marks.errors):
                    if (first, column) in places:
                        places.add((number, column))
        rows.append((number, filled))
    return rows


def _table(rows: list[tuple[int, list[Any]]], marks: _Marks, where: str, how: Reading) -> Table:
    first, header = rows[0]
    if how.header:
        names = ["" if name is None else clean_name(str(_plain(name))) for name in header]
        while names and not names[-1]:
            names.pop()
        unique([name for name in names if name], where)
        if len(rows) == 1:
            shown = ", ".join(map(repr, names))
            raise BadInput(f"{where!r} has a header ({shown}) but no rows. If it is data: {option('header', False)}.")
        rows = rows[1:]
    else:
        names = numbered(max(len(cells) for _, cells in rows))
    columns: list[list[Any]] = [[] for _ in names]
    flaws: dict[str, dict[int, str]] = {}
    bad: dict[int, str] = {}
    for at, (number, cells) in enumerate(rows):
        if any(map(_filled, cells[len(names) :])):
            bad[at] = f"has cells beyond the {len(names)} columns of the header"
        for place, name in enumerate(names):
            value = _plain(cells[place]) if place < len(cells) and at not in bad else None
            flaw = NOT_COMPUTED if value is None and (number, place + 1) in marks.uncomputed else None
            if value is not None and (number, place + 1) in marks.errors:
                flaw, value = f"an error of Excel ({value})", None
            if flaw is not None:
                flaws.setdefault(name, {})[at] = flaw
            columns[place].append(value)
    if not how.header:
        while len(names) > 1 and not any(map(_filled, columns[len(names) - 1])):
            names.pop()
    table = Table(
        without_names(columns[: len(names)], names, where), bad, [number for number, _ in rows], flaws=flaws,
        first=first if how.header else None,
    )  # fmt: skip
    below = sum(top > first or not how.header for top, _ in marks.merged)
    if below:
        ranges = "cells that are merged" if below == 1 else f"{below:,} ranges of merged cells"
        table.notes.append(f"{where}: each row of {ranges} has their value.")
    return table


def _plain(value: Any) -> Any:
    """A cell as text, number or truth; dates as ISO 8601, without a time where it is midnight."""
    if isinstance(value, str):
        return _unescaped(value)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)


def _unescaped(text: str) -> str:
    """Text with `_xHHHH_` as the sign it stands for; `_x005F_` is how a `_` is written that begins no such sign."""
    if "_x" not in text:
        return text
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # halves of a sign become one


def _filled(value: object) -> bool:
    return value is not None and str(value).strip() != ""
