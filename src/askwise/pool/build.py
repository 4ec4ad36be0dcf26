"""Items one by one: ids, labels, what is refused or there already."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from askwise.core import BadInput, Matrix
from askwise.labelsets import NONE, SEPARATOR
from askwise.notices import each
from askwise.options import marked, option
from askwise.pool.columns import is_number
from askwise.pool.items import Dropped, Pool, digest_of
from askwise.pool.kinds import TEXT, ItemKind, Reader, with_article
from askwise.tables import (
    Problem,
    Table,
)
from askwise.values import Spelling, id_name, label_name, plain, why_no_label, written

WESTERN = "cp1252"
"""The one encoding that is recognised by what it makes of the bytes."""


def _shown(value: object) -> str:
    return f"{with_article(value)} ({str(value)[:40]})"


def _decoded(value: object) -> object:
    """A text out of bytes, where these are UTF-8."""
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    return value


NAN = frozenset({"nan", "NaN", "<NA>"})
"""How programs write into a text file that a number is missing."""


def _without_nan(table: Table, column: str) -> Sequence[Any]:
    """The values of a label column; where all others are numbers, "nan" is none."""
    values = table.columns[column]
    texts = {value for value in values if isinstance(value, str)}
    numbers = texts - NAN - {""}
    if not texts & NAN or not numbers or not all(map(is_number, numbers)):
        return values
    table.notes.append(
        f"Among the numbers of the column {column!r} 'nan' stands for a missing one: those rows are open."
    )
    return [None if isinstance(value, str) and value in NAN else value for value in values]


def values_of(table: Table, what: str, given: str | Sequence[Any] | None, rows: int) -> Sequence[Any] | None:
    """One value for each source row, from a column or as given."""
    if given is None:
        return None
    if isinstance(given, str):
        return _without_nan(table, given) if what == "label" else table.columns[given]
    if isinstance(given, Mapping | set | frozenset):  # their order says nothing of the rows
        raise BadInput(f"{option(what)} is a {type(given).__name__}; give a list with one value for each row.")
    values = list(given)
    if len(values) != rows:
        raise BadInput(f"{option(what)} holds {len(values):,} values for {rows:,} rows. Give one for each row.")
    return values


def _written(values: Iterable[object]) -> str | None:
    """Several labels as one text, in alphabetical order; None where one of them is no name."""
    names = {label_name(value) for value in values}
    if None in names or "" in names or any(SEPARATOR in str(name) for name in names):
        return None
    return SEPARATOR.join(sorted(map(str, names))) or NONE


def _readable(text: str) -> str:
    """A cell of a row that could not be read, for a file: without NUL and without bytes that are no characters."""
    return re.sub(r"[\0\ud800-\udfff]", "\ufffd", text)


class Builder:
    """Merges exact duplicates, hands out ids, takes over labels."""

    def __init__(self, table: Table, ids: Sequence[Any] | None, labels: Sequence[Any] | None) -> None:
        self.table = table
        self.raw_ids = ids
        self.raw_labels = labels
        self.ids: list[str] = []
        self.sources: list[list[int]] = []
        self.given: dict[int, str] = {}
        self.labeled_by: dict[int, int] = {}
        self.contradicting: dict[int, dict[int, str]] = {}
        self.problems: list[Problem] = []
        self.dropped: dict[int, Dropped] = {}
        self.spelling = Spelling()
        self.by_content: dict[bytes, int] = {}
        self.by_id: dict[str, int] = {}
        self.sets = False

    def refuse(self, row: int, why: str) -> None:
        """Note what is wrong with a row whose item stays."""
        self.problems.append(self.table.problem(row, why))

    def drop(self, row: int, why: str) -> None:
        """Leave a row out, and keep for the export what stood there."""
        self.refuse(row, why)
        raw = self.table.raw.get(row)
        cells = {name: plain(values[row]) for name, values in self.table.columns.items()}
        if isinstance(raw, list):
            whole = list(map(_readable, raw))
            cells = dict(zip(self.table.columns, whole, strict=False))
            if beyond := whole[len(cells) :]:
                why += f"; beyond the columns: {written(beyond)}"
        elif raw is not None:
            why += f": {_readable(raw)}"
        self.dropped[row] = Dropped(cells, why)

    def add(self, row: int, digest: bytes) -> bool:
        """Take over a source row whose content has this SHA-256; True where it is a new item."""
        name = None if self.raw_ids is None else id_name(self.raw_ids[row])
        if self.raw_ids is None or (name == "" and self.table.fill_ids):
            name = digest.hex()[:16]
        if not name:
            self.drop(row, "has an empty id" if name == "" else f"has an id that is {_shown(self._raw_id(row))}")
            return False
        item = self.by_content.get(digest)
        owner = self.by_id.get(name)
        if owner is not None and owner != item:
            first = self.sources[owner][0] + 1
            self.drop(row, f"has the id {name!r}, which row {first} has already with another content")
            return False
        new = item is None
        if item is None:
            item = len(self.ids)
            self.by_content[digest] = item
            self.ids.append(name)
            self.sources.append([])
        self.by_id[name] = item
        self.sources[item].append(row)
        if self.raw_labels is not None:
            self._label(row, item, self.raw_labels[row])
        return new

    def _raw_id(self, row: int) -> object:
        return None if self.raw_ids is None else self.raw_ids[row]

    def _label(self, row: int, item: int, value: object) -> None:
        label = label_name(value)
        if label is None and isinstance(value, list | tuple | set | frozenset | np.ndarray):
            self.sets = True
            label = _written(value)
        if label is None:
            self.refuse(row, f"has a label {why_no_label(value)}; the item is left open")
        if not label:
            return
        label = self.spelling.of(label)
        if item in self.contradicting:
            self.contradicting[item][row] = label
            return
        before = self.given.setdefault(item, label)
        first = self.labeled_by.setdefault(item, row)
        if before != label:
            given = self.raw_labels or ()
            alike = [r for r in self.sources[item] if r != row and label_name(given[r])]
            self.contradicting[item] = dict.fromkeys(alike, before) | {row: label}
            del self.given[item]
            self.refuse(
                row, f"is labeled {label!r}, but the same item is {before!r} in row {first + 1}; it is left open"
            )

    def pool(
        self,
        contents: Sequence[Any],
        kind: str,
        features: Matrix | None,
        rows: int,
        address: dict[str, Any],
    ) -> Pool:
        """All items that were added, as a pool."""
        if not self.ids:
            raise _nothing(self.problems, self.table.notes, rows)
        pool = Pool(
            ids=self.ids,
            contents=contents,
            kind=kind,
            features=features,
            sources=self.sources,
            given=self.given,
            problems=self.problems,
            notes=self.table.notes,
            digest=digest_of(self.by_content),
            sets=self.sets,
            dropped=self.dropped,
            contradicting=self.contradicting,
        )
        pool.address = address | {"fingerprint": pool.fingerprint, "rows": rows}
        return pool


def _nothing(problems: Sequence[Problem], notes: Sequence[str], rows: int) -> BadInput:
    if rows == 0:
        return BadInput("The pool is empty. Give at least one item.")
    kinds = Counter(problem.what for problem in problems).most_common(3)
    shown = "; ".join(f"{count:,} × {marked(what)}" for what, count in kinds)
    way_out = " ".join(map(marked, notes)) or "Check the columns and the encoding."
    return BadInput(f"None of the {rows:,} rows can be used ({shown}). First: {problems[0]}. {way_out}")


def from_values(
    table: Table,
    text: str,
    ids: str | Sequence[Any] | None,
    labels: str | Sequence[Any] | None,
    address: dict[str, Any],
) -> Pool:
    """A pool of plain values."""
    texts = list(map(_decoded, table.columns[text]))
    return build_pool(table, TEXT, len(texts), TEXT.reader(texts), ids, labels, address)


def build_pool(
    table: Table,
    kind: ItemKind,
    rows: int,
    item: Reader,
    ids: str | Sequence[Any] | None,
    labels: str | Sequence[Any] | None,
    address: dict[str, Any],
) -> Pool:
    """A pool of what `item` makes of each row: (content,), or what is wrong with the row."""
    build = Builder(table, values_of(table, "id", ids, rows), values_of(table, "label", labels, rows))
    contents: list[Any] = []
    shown = [address["text"]] if isinstance(address["text"], str) else list(address["text"] or ())
    needed = [*([] if kind.cells else shown), *([ids] if isinstance(ids, str) else [])]
    for row in each("loading rows", range(rows)):
        made = table.bad.get(row) or table.flaw(row, needed) or item(row)
        if isinstance(made, str):
            build.drop(row, made)
            continue
        if kind.cells and (flaw := table.flaw(row, shown)):
            build.refuse(row, f"{flaw}; the cell is taken as empty")
        if isinstance(labels, str) and (flaw := table.flaw(row, [labels])):
            build.refuse(row, f"{flaw}; the item is left open")
        if build.add(row, kind.digest(made[0])):
            contents.append(made[0])
    return build.pool(contents, kind.name, None, rows, address)
