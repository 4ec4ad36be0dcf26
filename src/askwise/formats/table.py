"""Columns of equal length, with what is wrong in each row."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from askwise.core import BadInput

INVISIBLE = dict.fromkeys(
    [0x00AD, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A),
     0xFEFF]
)  # fmt: skip
"""Signs of no width that make two names differ which look the same. Joiners are not among them: some scripts need them
inside words."""
JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that did not load, or that loaded without its label."""

    row: int
    """1-based data row of the source; the header is not counted."""
    line: int | None
    """1-based line of the file where the row begins; None where there are no lines."""
    what: str

    def __str__(self) -> str:
        where = f"row {self.row}" if self.line is None else f"row {self.row} (line {self.line})"
        return f"{where}: {self.what}"


class Records(Sequence[Mapping[str, Any]]):
    """The original rows of a table as mappings, made on demand from its columns."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(index, slice):
            return Records({name: values[index] for name, values in self.columns.items()})
        return {name: values[index] for name, values in self.columns.items()}


@dataclass(frozen=True)
class Reading:
    """How a file is to be read where that cannot be seen, or was seen wrongly."""

    encoding: str | None = None
    """Of a text format; None = by a byte order mark, else UTF-8, else Windows-1252 where it looks like that."""
    delimiter: str | None = None
    """Of a CSV; None = by its first lines."""
    header: bool = True
    """Whether the first row names the columns."""
    sheet: str | int | None = None
    """Of a workbook: name, or number from 1; None = the first."""
    scheme: str | None = None
    """Of tags: how they are written; None = by those that occur."""


@dataclass
class Table:
    """Columns of equal length; the cells of a bad row are None."""

    columns: dict[str, list[Any]]
    bad: dict[int, str] = field(default_factory=dict)
    """0-based row → why it cannot be used."""
    lines: Sequence[int] | None = None
    """1-based line of the file where each row begins."""
    notes: list[str] = field(default_factory=list)
    """What was decided on the user's behalf."""
    raw: dict[int, list[str] | str] = field(default_factory=dict)
    """0-based bad row → its cells as they were read, or its line: an export keeps them."""
    fill_ids: bool = False
    """A row without an id gets the hash of its content."""
    flaws: dict[str, dict[int, str]] = field(default_factory=dict)
    """Column → 0-based row → why the cell holds nothing, where it should; the row can be used without it."""
    texts: tuple[str, ...] = ()
    """The columns that hold the text by the rules of the format; none where it has no such rules."""
    first: int | None = None
    """1-based line (row of a sheet) that was taken for the names of the columns; None where they came otherwise."""
    read_as: dict[str, Any] = field(default_factory=dict)
    """What was found out about the file: "encoding", "delimiter", "sheet", "sheets"."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def problem(self, row: int, what: str) -> Problem:
        """What is wrong with a 0-based row, in the numbers a person counts in."""
        return Problem(row + 1, None if self.lines is None else self.lines[row], what)

    def flaw(self, row: int, names: Sequence[str]) -> str | None:
        """Why one of these columns holds nothing in a 0-based row, where it should; None where all is well."""
        for name in names:
            if what := self.flaws.get(name, {}).get(row):
                return f"has {what} in column {name!r}"
        return None


def clean_name(name: str) -> str:
    """The name of a column without what cannot be seen: composed (NFC), no signs of no width, no blanks around."""
    name = unicodedata.normalize("NFC", name.translate(INVISIBLE)).strip()
    kept = name.strip(JOINERS).strip()
    return kept if kept.isascii() or not set(kept) & set(JOINERS) else _joined(kept)


def _joined(name: str) -> str:
    """Joiners between letters that need them stay; beside ASCII they are dust."""
    around = zip(name, " " + name[:-1], name[1:] + " ", strict=True)
    return "".join(sign for sign, a, b in around if sign not in JOINERS or not (a.isascii() or b.isascii()))


def unique(names: Sequence[str], where: str) -> list[str]:
    """These names, if all are different.

    Raises:
        BadInput: Two columns have one name.
    """
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        shown = ", ".join(repr(name) if name else "columns without a name" for name in twice)
        raise BadInput(f"{where!r} has several columns of one name: {shown}. Give each column its own name.")
    return list(names)


def without_names(columns: Sequence[list[Any]], names: Sequence[str], where: str) -> dict[str, list[Any]]:
    """The columns by name; those without a name that hold nothing are left out (trailing delimiters make such).

    Raises:
        BadInput: Several columns without a name hold something.
    """
    kept = [at for at, name in enumerate(names) if name or any(cell is not None and cell != "" for cell in columns[at])]
    unique([names[at] for at in kept], where)
    return {names[at]: columns[at] for at in kept}


def numbered(count: int) -> list[str]:
    """Names for columns that have none."""
    return [f"column_{number}" for number in range(1, count + 1)]
