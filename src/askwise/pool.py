"""The pool: unique items with stable ids, made from a file, a frame, a list or a matrix."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast, overload

import numpy as np

from askwise import display
from askwise.core import BadInput, Matrix, frame, unknown
from askwise.export import exported
from askwise.labelsets import NONE, SEPARATOR
from askwise.media import SUFFIXES, Archive, File, Folder, Source, folders, of_kind, wrong_with
from askwise.notices import each, progress
from askwise.options import Sentence, marked, option
from askwise.tables import (
    Problem,
    Records,
    Table,
    file_format,
    find_file,
    holds_objects,
    is_frame,
    members,
    names_that_look_like_data,
    nested,
    packed_table,
    paths,
    read_file,
    read_frame,
)
from askwise.values import Spelling, fold, id_name, label_name, missing, plain, why_no_label, written

__all__ = ["Dropped", "Pool", "Problem", "load_pool"]

Kind = Literal["text", "array", "image", "audio", "table", "pair"]
KINDS = ("text", "image", "audio", "table", "pair")
"""What the rows of a table may be taken for; an array is an array."""

TEXT_NAMES = (
    *("text", "texts", "message", "messages", "body", "content", "sentence", "utterance"),
    *("comment", "review", "tweet", "document", "question"),
)
"""Column names that say that they hold the text."""
MAX_TEXT = 1_000_000
"""Characters of one text; nobody reads more to give a label."""
WESTERN = "cp1252"
"""The one encoding that is recognised by what it makes of the bytes."""
SAMPLE = 1000
"""Values looked at to tell a column of texts from one of numbers."""
BLOCK = 1 << 24
"""Matrix elements checked at a time, so that a memory map never has to fit in memory."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that could not be loaded, kept for the export."""

    cells: dict[str, Any]
    """Column → value, JSON-able; of a row with too few or too many cells the first ones."""
    why: str
    """What is wrong with it, and what of it fits into no column."""


@dataclass
class Pool:
    """Unique items; row numbers of the pool are positions in `ids`."""

    ids: list[str]
    """Stable names: from a column, else the first 16 hex digits of the SHA-256 of the content."""
    contents: Sequence[Any]
    """What is shown. text: strings; array: feature rows, (d,) or (1, d) CSR; image, audio: `File`; table: column →
    value; pair: two strings."""
    kind: Kind
    features: Matrix | None = None
    """(n, d) features of an array pool; None for the others (an encoder makes them)."""
    sources: list[list[int]] = field(default_factory=list)
    """For each item the 0-based source rows that are this item; more than one for exact duplicates."""
    given: dict[int, str] = field(default_factory=dict)
    """Item row → label that came with the data; several labels as one text, such as "a|b"."""
    problems: list[Problem] = field(default_factory=list)
    """Rows that did not load, and labels that were not taken."""
    address: dict[str, Any] = field(default_factory=dict)
    """Where the pool came from, JSON-able: kind ("file", "frame", "list", "array"), path, text, id, label, format,
    encoding, fingerprint, rows; where they were given also delimiter, header, sheet; for images and recordings files:
    ["folder" or "zip", path]."""
    record: Sequence[Mapping[str, Any]] | None = None
    """The original rows with all columns, by source row; None for lists and matrices."""
    notes: list[str] = field(default_factory=list)
    """What was decided on the user's behalf: delimiter, text column, an encoding that looks wrong."""
    digest: str = ""
    """SHA-256 over the contents in order, hex: ids from a column say nothing about them."""
    sets: bool = False
    """Whether some labels came as lists of several: they go with multi-label sessions only."""
    columns: list[str] = field(default_factory=list)
    """Of the input, in their order; empty for matrices, and in sessions of earlier versions."""
    dropped: dict[int, Dropped] = field(default_factory=dict)
    """Source row → what stood there, of the rows that could not be loaded."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the ids and the contents in order, hex: the same pool gives the same on every run."""
        return hashlib.sha256("\n".join([*self.ids, self.digest]).encode()).hexdigest()

    def names(self) -> list[str]:
        """The columns of the input; empty for lists and matrices."""
        if self.columns or self.record is None:
            return self.columns
        return list(self.record[self.sources[0][0]])  # a session of an earlier version does not know their order

    def beside(self, row: int) -> dict[str, str]:
        """What is shown with an item and not learned from: column → text, of the columns named by `show`."""
        names = self.address.get("show") or []
        if not names or self.record is None:
            return {}
        record = self.record[self.sources[row][0]]
        return {name: written(record.get(name)) for name in names}

    def to_frame(self) -> Any:
        """A pandas frame, one line an item: item (its id), content (None in an array pool), label (that came with
        the data, else None), rows (of the input that are this item).

        Raises:
            MissingExtra: pandas is not installed.
        """
        n = len(self)
        shown = [None] * n if self.kind == "array" else [self._as_text(row) for row in range(n)]
        columns = {
            "item": self.ids,
            "content": shown,
            "label": [self.given.get(row) for row in range(n)],
            "rows": [len(found) for found in self.sources] or [1] * n,
        }
        return frame(columns, "the same lies in .ids, .contents, .given and .sources")

    def _as_text(self, row: int) -> str:
        content = self.contents[row]
        if isinstance(content, Mapping):
            return " · ".join(f"{name}: {written(value)}" for name, value in content.items())
        return " · ".join(map(str, content)) if self.kind == "pair" else str(content)

    def __repr__(self) -> str:
        return f"<Pool of {len(self):,} items, {self.kind}>"

    def _repr_html_(self) -> str:
        n, rows = len(self), sum(map(len, self.sources))
        where = f", from {Path(str(path)).name}" if (path := self.address.get("path")) else ""
        says = [f"{display.number(n, 'item')} ({self.kind}){where}."]
        if rows > n:
            says.append(f"They stand in {rows:,} rows: exact duplicates are one item, and asked once.")
        if self.given:
            says.append(f"{display.number(len(self.given), 'item')} came with a label.")
        if self.problems:
            says.append(f"{display.number(len(self.problems), 'row or label', 'rows or labels')} could not be used:")
        wrong = [f"row {p.row}: {p.what}" for p in self.problems[:3]]
        # a text may be a million characters long
        few = [] if self.kind == "array" else [self._as_text(row)[:1000] for row in range(min(n, 3))]
        return display.card(
            "Pool", says, display.listed(wrong, len(self.problems)), display.listed(few, n if few else 0),
            *map(display.note, self.notes),
        )  # fmt: skip


def load_pool(
    source: Any,
    *,
    kind: str | None = None,
    text: str | Sequence[str] | None = None,
    id: str | Sequence[Any] | None = None,  # noqa: A002 - the word of the data, not the builtin
    label: str | Sequence[Any] | None = None,
    show: str | Sequence[str] | None = None,
    format: str | None = None,  # noqa: A002
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool = True,
    sheet: str | int | None = None,
) -> Pool:
    """Load items to label; bad rows are reported in `problems`, the good ones load.

    Args:
        source: Path of a CSV, TSV, JSONL, JSON, Parquet or XLSX file, or of references as RIS, PubMed (NBIB) or EndNote
            XML (text formats also packed by gzip, bzip2, xz, Zstandard, or alone in a ZIP archive); a folder or a ZIP
            archive of images or recordings; a pandas or polars frame; strings in a list, tuple, series or iterator; an
            (n, d) NumPy array or memory map, or an (n, d) SciPy sparse matrix, of finite numbers.
        kind: What an item is: "text" (default); "image" or "audio", where `text` is a column of paths below the
            table's own folder; "table", a row with all its columns; "pair", two texts to compare in the two columns of
            `text`. A folder or an archive holds "image" or "audio", whatever there is more of; its columns are `file`
            and `folder`.
        text: Column that holds the text. Default: the only column, the one with a usual name (text, message, …), or
            the only one that does not hold numbers; `notes` says which was taken. Several columns, such as title and
            abstract, are joined to one text in the order given. What lies in objects has a path: `message.body`,
            `turns.0.text`; so for `id` and `label`.
        id: Column of unique names, or one value for each row. Default: a hash of the content.
        label: Column of labels that are already known, or one value for each row; blank, None and NaN mean open. For a
            multi-label session a value is a list of labels, or a text such as "a|b"; an empty list, or "(none)", says
            that none applies.
        show: Column, or columns, that people see with an item, and that are not learned from.
        format: "csv", "tsv", "jsonl", "json", "parquet", "xlsx", "ris", "nbib" or "endnote" where the suffix does not
            say.
        encoding: Text encoding of a file; default UTF-8, UTF-16/32 where a byte order mark says so, and Windows-1252
            where the bytes are not UTF-8 and make sense as that; `notes` says so.
        delimiter: Between the cells of a CSV: one sign, or "tab"; default the comma, ";", tab or "|", by its first
            lines.
        header: Whether the first row of a CSV or a sheet names the columns; else they are column_1, column_2, …
        sheet: Of a workbook, by name or number from 1; default the first.

    Raises:
        BadInput: No such file or column, a binary file, nothing that loads, a matrix with NaN or infinity.
        MissingExtra: A package that reads this format is not installed.
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if isinstance(source, Pool):
        raise BadInput("This is a Pool already; load_pool takes what a pool is made from.")
    how: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter, "header": header, "sheet": sheet}
    plain = {"format": None, "encoding": None, "delimiter": None, "header": True, "sheet": None}
    given = [name for name, value in {"format": format, **how}.items() if value != plain[name]]
    if given and not isinstance(source, str | Path):
        shown = " and ".join(map(option, given))
        raise BadInput(f"{shown} {'goes' if len(given) == 1 else 'go'} with a file, not with {_a(source)}.")
    if is_frame(source):  # its columns may be named by what is no text
        text, show = (_as_written(name, source, several=True) for name in (text, show))
        id, label = (_as_written(name, source) for name in (id, label))  # noqa: A001
    address: dict[str, Any] = {
        "kind": "list",
        "path": None,
        "text": None,
        "id": id if isinstance(id, str) else None,
        "label": label if isinstance(label, str) else None,
        "format": None,
        "encoding": encoding,
    }
    if show:
        address["show"] = [show] if isinstance(show, str) else list(show)
    if isinstance(source, str | Path):
        if place := _files_at(source, kind):
            if given:
                raise BadInput(f"{option(given[0])} goes with a table, not with a folder or an archive of files.")
            return _from_files(place, kind, id, label, address)
        path = find_file(source)
        form = file_format(path, format)
        address |= {"kind": "file", "path": str(path), "format": form}
        address |= {name: how[name] for name in ("delimiter", "header", "sheet") if name in given}
        with progress(f"reading {path.name}"):
            table = read_file(path, form, **how)
        if encoding is None and table.read_as.get("encoding") == WESTERN:
            address["encoding"] = WESTERN  # so that the same is read again
        return _from_table(table, kind, text, id, label, address)
    if is_frame(source):
        return _from_table(read_frame(source), kind, text, id, label, address | {"kind": "frame"})
    if kind not in (None, "text"):
        raise BadInput(f"{option('kind', kind)} goes with a file or a frame; the source is a {type(source).__name__}.")
    for name, value in (("text", text), ("id", id), ("label", label), ("show", show)):
        if isinstance(value, str) or (value is not None and name == "show"):
            raise BadInput(
                f"{option(name, value)} names a column, but a {type(source).__name__} has no columns."
                + ("" if name in ("text", "show") else f" Give one {name} for each row: {option(name)}[…].")
            )
    if hasattr(source, "tocsr"):
        return _from_sparse(source, id, label, address | {"kind": "array"})
    if hasattr(source, "__array__") and not hasattr(source, "to_list"):
        if isinstance(source, np.ma.MaskedArray):
            raise BadInput("Got a masked array. Fill it in (array.filled(…)) or drop the masked rows first.")
        array = source if isinstance(source, np.memmap) else np.asarray(source)
        if array.ndim != 1 or array.dtype.kind not in "UOTS":
            return _from_array(array, id, label, address | {"kind": "array"})
        source = array.tolist()
    if isinstance(source, Mapping | bytes) or not isinstance(source, Iterable):
        raise BadInput(
            f"Cannot make a pool from a {type(source).__name__}. Give a file (CSV, TSV, JSONL, Parquet), a pandas or "
            "polars frame, a list of strings, or an (n, d) array."
        )
    return _from_values(Table({"text": list(source)}), "text", id, label, address)


# ── tables ──────────────────────────────────────────────────────────────────────────────────


def _as_written(name: Any, frame: Any, *, several: bool = False) -> Any:
    """The name of a column as text, where a frame has columns named by numbers, dates or tuples."""
    if name is None or isinstance(name, str):
        return name
    names = {key: str(key) for key in frame.columns}
    try:
        if name in names:
            return names[name]
    except TypeError:  # a list
        pass
    if several and isinstance(name, list | tuple):
        return [_as_written(one, frame) for one in name]
    return str(name) if several or not isinstance(name, Iterable) else name  # which there is not, or values


def _from_table(
    table: Table,
    kind: str | None,
    text: str | Sequence[str] | None,
    ids: str | Sequence[Any] | None,
    labels: str | Sequence[Any] | None,
    address: dict[str, Any],
) -> Pool:
    if text is None and not isinstance(ids, str) and not isinstance(labels, str):
        table.notes += [note] if (note := names_that_look_like_data(table, TEXT_NAMES)) else []
    known = exported(table.columns)
    columns = list(table.columns)  # as they were before an export escaped their names
    text = _column(table, "text", text) if text is None or isinstance(text, str) else _several(table, "text", text)
    ids, labels = _column(table, "id", ids), _column(table, "label", labels)
    apart = {name for name in (ids, labels) if isinstance(name, str)} | _shown_beside(table, address)
    address |= {"id": ids if isinstance(ids, str) else None, "label": labels if isinstance(labels, str) else None}
    if text is None and kind in (None, "text") and table.texts:
        text = list(table.texts)
        table.notes.append(
            Sentence(f"The texts are {' and '.join(text)} of each record; {option('text')} names other columns.")
        )
    if known is not None:
        apart |= known.ours
        table.bad |= known.problems
        if ids is None or ids == known.item:
            ids = address["id"] = known.item
            table.fill_ids = True
        if labels is None or labels == known.label:
            labels, address["label"] = known.labels, known.label
            table.notes.append(_taken_over(known.labels, known.by_model))
    if kind in ("table", "pair"):
        named = [text] if isinstance(text, str) else list(text or ())
        if kind == "pair":
            pool = _from_pairs(table, named, ids, labels, address)
        else:
            rest = [name for name in table.columns if name not in apart]
            pool = _from_rows(table, named or rest, ids, labels, address)
    elif kind in ("image", "audio"):
        pool = _from_paths(table, cast("Kind", kind), text, ids, labels, address, apart)
    else:
        if text is not None and not isinstance(text, str):
            text = _join(table, list(text))
        if text is None:
            text, why = _choose_text(table, apart)
            table.notes.append(
                Sentence(f"The texts are taken from column {text!r} ({why}); {option('text')} names another.")
            )
        pool = _from_values(table, text, ids, labels, address | {"text": text})
        pool.record = Records(table.columns)
    pool.columns = columns
    return pool


def _taken_over(labels: Sequence[Any], by_model: int) -> str:
    kept = sum(not missing(label) and label != "" for label in labels)
    left = f"; those of {by_model:,} rows were given by a model, and are left open" if by_model else ""
    return f"This is an export of Askwise: the ids and {kept:,} labels by people are taken over{left}."


def _shown_beside(table: Table, address: dict[str, Any]) -> set[str]:
    """The columns that are shown and not learned from, by their exact names from now on."""
    if "show" not in address:
        return set()
    address["show"] = _several(table, "show", address["show"])
    return set(address["show"])


def _several(table: Table, what: str, names: Iterable[Any]) -> list[str]:
    return [cast("str", _column(table, what, name)) for name in names]


def _column(table: Table, what: str, name: Any) -> Any:
    """The column of this name, if need be but for signs that cannot be seen; what is no name as it is.

    What lies in objects becomes a column that is named by its path.

    Raises:
        BadInput: There is no such column.
    """
    if not isinstance(name, str) or name in table.columns:
        return name
    alike = [known for known in table.columns if fold(known) == fold(name)]
    if len(alike) == 1:
        return alike[0]
    cells = nested(table.columns, name)
    if cells is None:
        raise _no_column(what, name, table)
    table.columns[name] = cells
    return name


def _join(table: Table, names: list[str]) -> str:
    """The name of a column that holds the texts of these, one below the other; made where they are several."""
    if not names:
        raise BadInput(f"{option('text', [])} names no column. Name one or several, or leave it out.")
    joined = " + ".join(names)
    while len(names) > 1 and joined in table.columns:
        joined += " "
    if len(names) > 1:
        parts = zip(*(table.columns[name] for name in names), strict=True)
        flaws = {row: what for name in names for row, what in table.flaws.get(name, {}).items()}
        table.flaws |= {joined: flaws} if flaws else {}
        table.columns[joined] = [
            "\n\n".join(written(cell).strip() for cell in row if not missing(cell)).strip() for row in parts
        ]
    return joined


def _check_columns(table: Table, *wanted: tuple[str, Any]) -> None:
    for what, name in wanted:
        if isinstance(name, str) and name not in table.columns:
            raise _no_column(what, name, table)


def _no_column(what: str, name: str, table: Table) -> BadInput:
    names = [*table.columns, *paths(table.columns)]
    close = difflib.get_close_matches(name, names, n=1)
    if not close:
        close = [known for known in names if known.lower() == name.strip().lower()]
    hint = f" Did you mean {close[0]!r}?" if close else f" Name one of them with {option(what)}."
    shown = ", ".join(map(repr, names[:40])) + (", …" if len(names) > 40 else "")
    return BadInput(f"No column {name!r} for {what}. The columns are {shown}.{hint}{_maybe_data(table)}")


def _maybe_data(table: Table) -> str:
    note = names_that_look_like_data(table, TEXT_NAMES)
    return f" {note.marked}" if note else ""


def _choose_text(table: Table, taken: set[str]) -> tuple[str, str]:
    """The obvious text column with the reason, or `BadInput` where none is obvious."""
    free = [name for name in table.columns if name not in taken and not holds_objects(table.columns[name])]
    if len(free) == 1:
        return free[0], "the only column" + (" left" if taken else "")
    named = [name for name in free if name.lower() in TEXT_NAMES]
    if len(named) == 1:
        return named[0], "by its name"
    wordy = [name for name in free if _holds_words(table.columns[name])]
    if not named and len(wordy) == 1:
        return wordy[0], "the only one that does not hold numbers"
    names = [*table.columns, *paths(table.columns)]
    shown = ", ".join(map(repr, names[:40])) + (", …" if len(names) > 40 else "")
    raise BadInput(
        f"Which column holds the text? The columns are {shown}. Name it with {option('text')}.{_maybe_data(table)}"
    )


def _holds_words(values: Sequence[Any]) -> bool:
    seen = [value for value in values[:SAMPLE] if value is not None and value != ""]
    return bool(seen) and all(isinstance(value, str) for value in seen) and not all(map(_is_number, seen))


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _from_values(
    table: Table,
    text: str,
    ids: str | Sequence[Any] | None,
    labels: str | Sequence[Any] | None,
    address: dict[str, Any],
) -> Pool:
    texts = list(map(_decoded, table.columns[text]))
    return _build(table, "text", len(texts), lambda row: _wrong_text(texts[row]) or (texts[row],), ids, labels, address)


def _build(
    table: Table,
    kind: Kind,
    rows: int,
    item: Callable[[int], str | tuple[Any]],
    ids: str | Sequence[Any] | None,
    labels: str | Sequence[Any] | None,
    address: dict[str, Any],
) -> Pool:
    """A pool of what `item` makes of each row: (content,), or what is wrong with the row."""
    build = _Builder(table, _values(table, "id", ids, rows), _values(table, "label", labels, rows))
    contents: list[Any] = []
    shown = [address["text"]] if isinstance(address["text"], str) else list(address["text"] or ())
    needed = [*([] if kind == "table" else shown), *([ids] if isinstance(ids, str) else [])]
    for row in each("loading rows", range(rows)):
        made = table.bad.get(row) or table.flaw(row, needed) or item(row)
        if isinstance(made, str):
            build.drop(row, made)
            continue
        if kind == "table" and (flaw := table.flaw(row, shown)):
            build.refuse(row, f"{flaw}; the cell is taken as empty")
        if isinstance(labels, str) and (flaw := table.flaw(row, [labels])):
            build.refuse(row, f"{flaw}; the item is left open")
        if build.add(row, content_digest(made[0])):
            contents.append(made[0])
    return build.pool(contents, kind, None, rows, address)


def _from_pairs(table: Table, names: list[str], ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    if len(names) != 2:
        raise BadInput(f"A pair is two texts: name their two columns, as in {option('text', ['a', 'b'])}; got {names}.")
    left, right = (table.columns[name] for name in names)

    def item(row: int) -> str | tuple[Any]:
        return _wrong_text(left[row]) or _wrong_text(right[row]) or ((left[row], right[row]),)

    pool = _build(table, "pair", len(table), item, ids, labels, address | {"text": names})
    pool.record = Records(table.columns)
    return pool


def _from_rows(table: Table, names: list[str], ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    def item(row: int) -> str | tuple[Any]:
        cells = {name: plain(table.columns[name][row]) for name in names}
        if all(value is None or value == "" for value in cells.values()):
            return "is empty"
        for name, value in cells.items():
            if isinstance(value, str) and value.strip() and (wrong := _wrong_text(value)):
                return f"{wrong} in column {name!r}"
        return ({name: _flat(value) for name, value in cells.items()},)

    pool = _build(table, "table", len(table), item, ids, labels, address | {"text": names})
    pool.record = Records(table.columns)
    return pool


def _flat(value: Any) -> Any:
    """A cell of an item as one scalar: a nested one as JSON text."""
    return written(value) if isinstance(value, dict | list) else value


# ── images and recordings ───────────────────────────────────────────────────────────────────


def _files_at(source: str | Path, kind: str | None) -> Source | None:
    """A folder or a ZIP archive of files, or None where the source is neither (or the archive is a packed table)."""
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            return Folder(path.resolve())
        if path.suffix.lower() != ".zip" or not path.is_file():
            return None
        return None if is_packed_table(path, kind) else Archive(path.resolve())
    except (OSError, ValueError, RuntimeError):  # no name of a file at all: find_file says so
        return None


def is_packed_table(path: Path, kind: str | None = None) -> bool:
    """Whether a ZIP archive holds a table, and neither images nor recordings.

    Args:
        path: A file.
        kind: What its items shall be; None = by what it holds.
    """
    if path.suffix.lower() != ".zip" or kind in ("image", "audio"):
        return False
    names = members(path)
    return not any(PurePosixPath(name).suffix.lower() in SUFFIXES for name in names) and packed_table(path) is not None


def source_of(address: Mapping[str, Any]) -> Source | None:
    """Where the files of a pool lie, by its address; None where its items are no files."""
    if "files" not in address:
        return None
    kind, path = address["files"]
    return Archive(Path(path)) if kind == "zip" else Folder(Path(path))


def _from_files(place: Source, kind: str | None, ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    if kind in ("text", "table", "pair"):
        raise BadInput(f"A folder or an archive holds images or recordings; {option('kind', kind)} goes with a table.")
    kind, names, note = of_kind(place.names(), kind)
    table = Table({"file": names, "folder": folders(names, packed=isinstance(place, Archive))})
    table.notes += [note] * bool(note)
    where = place.path if isinstance(place, Archive) else cast("Folder", place).root
    if not names:
        what = "an archive" if isinstance(place, Archive) else "a folder"
        raise BadInput(
            f"{str(where)!r} is {what} without images (JPEG, PNG, GIF, WebP) or recordings (WAV, MP3, OGG). Give one "
            "with such files, or with one table (.csv, .jsonl, …), or one file: .csv, .tsv, .jsonl, .parquet, "
            ".xlsx."
        )
    address |= {
        "kind": "file",
        "path": str(where),
        "files": ["zip" if isinstance(place, Archive) else "folder", str(where)],
    }
    ids, labels = _column(table, "id", ids), _column(table, "label", labels)
    _shown_beside(table, address)
    loose = sum(not folder for folder in table.columns["folder"])
    if labels == "folder" and 0 < loose < len(names):
        table.notes.append(f"{loose:,} of {len(names):,} files lie in no folder of their own: they are open.")
    pool = _from_media(table, cast("Kind", kind), "file", place, ids, labels, address)
    pool.columns = list(table.columns)
    return pool


def _from_paths(
    table: Table,
    kind: Kind,
    text: str | Sequence[str] | None,
    ids: Any,
    labels: Any,
    address: dict[str, Any],
    apart: set[str],
) -> Pool:
    if address["path"] is None:
        raise BadInput(
            f"{option('kind', kind)} goes with a file: the paths of a frame belong to no folder. Save it as a CSV."
        )
    named = [text] if isinstance(text, str) else list(text or ())
    if not named:
        named = [name for name in table.columns if name not in apart and holds_paths(table.columns[name]) == kind]
    if len(named) != 1:
        raise BadInput(
            f"Which column holds the paths? The columns are {', '.join(map(repr, table.columns))}. Name it with "
            f"{option('text')}."
        )
    root = Path(address["path"]).parent
    return _from_media(table, kind, named[0], Folder(root), ids, labels, address | {"files": ["folder", str(root)]})


def holds_paths(values: Sequence[Any]) -> str | None:
    """The kind ("image", "audio") of the files that a column names; None where it names none."""
    seen = [value for value in values[:SAMPLE] if value is not None and value != ""]
    kinds = {SUFFIXES.get("." + str(value).lower().rpartition(".")[2]) for value in seen}
    return kinds.pop() if len(kinds) == 1 else None


def _from_media(
    table: Table, kind: Kind, column: str, place: Source, ids: Any, labels: Any, address: dict[str, Any]
) -> Pool:
    names = table.columns[column]

    def item(row: int) -> str | tuple[Any]:
        if wrong := _wrong_text(names[row]):
            return wrong
        name = names[row].strip().replace("\\", "/")
        try:
            data = place.read(name)
        except BadInput as error:
            return f"cannot be used: {error}"
        if wrong := wrong_with(data, kind):
            return f"names {name[:200]!r}, which {wrong}"
        return (File(name, hashlib.sha256(data).hexdigest(), place),)

    pool = _build(table, kind, len(names), item, ids, labels, address | {"text": column})
    pool.record = Records(table.columns)
    return pool


# ── values ──────────────────────────────────────────────────────────────────────────────────


def _wrong_text(value: object) -> str | None:
    if missing(value):
        return "has an empty text"
    if not isinstance(value, str):
        return f"has a text that is no string but {_shown(value)}"
    if not value.strip():
        return "has an empty text"
    if len(value) > MAX_TEXT:
        return f"has a text of {len(value):,} characters; {MAX_TEXT:,} are the limit"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "has a text with half a surrogate pair, which is no character"
    return None


def _shown(value: object) -> str:
    return f"{_a(value)} ({str(value)[:40]})"


def _a(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


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
    if not texts & NAN or not numbers or not all(map(_is_number, numbers)):
        return values
    table.notes.append(
        f"Among the numbers of the column {column!r} 'nan' stands for a missing one: those rows are open."
    )
    return [None if isinstance(value, str) and value in NAN else value for value in values]


def _values(table: Table, what: str, given: str | Sequence[Any] | None, rows: int) -> Sequence[Any] | None:
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


class _Builder:
    """Merges exact duplicates, hands out ids, takes over labels."""

    def __init__(self, table: Table, ids: Sequence[Any] | None, labels: Sequence[Any] | None) -> None:
        self.table = table
        self.raw_ids = ids
        self.raw_labels = labels
        self.ids: list[str] = []
        self.sources: list[list[int]] = []
        self.given: dict[int, str] = {}
        self.labeled_by: dict[int, int] = {}
        self.conflicting: set[int] = set()
        self.problems: list[Problem] = []
        self.dropped: dict[int, Dropped] = {}
        self.spelling = Spelling()
        self.by_content: dict[bytes, int] = {}
        self.by_id: dict[str, int] = {}
        self.sets = False

    def refuse(self, row: int, why: str) -> None:
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
        if not label or item in self.conflicting:
            return
        label = self.spelling.of(label)
        before = self.given.setdefault(item, label)
        first = self.labeled_by.setdefault(item, row)
        if before != label:
            self.conflicting.add(item)
            del self.given[item]
            self.refuse(
                row, f"is labeled {label!r}, but the same item is {before!r} in row {first + 1}; it is left open"
            )

    def pool(
        self,
        contents: Sequence[Any],
        kind: Kind,
        features: Matrix | None,
        rows: int,
        address: dict[str, Any],
    ) -> Pool:
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
            digest=_digest(self.by_content),
            sets=self.sets,
            dropped=self.dropped,
        )
        pool.address = address | {"fingerprint": pool.fingerprint, "rows": rows}
        return pool


def content_digest(content: Any) -> bytes:
    """SHA-256 of what an item shows, 32 bytes; of a file that of its bytes."""
    if isinstance(content, File):
        return bytes.fromhex(content.sha256)
    text = content if isinstance(content, str) else json.dumps(content)
    return hashlib.sha256(text.encode()).digest()


def pool_digest(contents: Sequence[Any]) -> str:
    """`Pool.digest` of these contents."""
    return _digest(content_digests(contents))


def packed(content: Any) -> Any:
    """An item as JSON, for the log: the text itself, the cells; of a file its name and SHA-256."""
    return [content.name, content.sha256] if isinstance(content, File) else content


def unpacked(kind: str, kept: Any, source: Source | None) -> Any:
    """The inverse of `packed`; `source` is where the files of the pool lie."""
    if source is not None:
        return File(kept[0], kept[1], source)
    return tuple(kept) if kind == "pair" else kept


def columns_of(content: Any, text: Any) -> dict[str, Any]:
    """What the columns that are shown hold: the part of a row's record that its content tells.

    Args:
        content: Of an item.
        text: `Pool.address["text"]`: the column, or the columns.
    """
    if isinstance(content, Mapping):
        return dict(content)
    if isinstance(content, tuple):
        return dict(zip(text, content, strict=True))
    return {text: str(content)} if text else {}


def content_digests(contents: Sequence[Any]) -> list[bytes]:
    """`content_digest` of each item; of an array pool, whose contents are rows, `row_digests`."""
    return row_digests(contents.matrix) if isinstance(contents, FeatureRows) else list(map(content_digest, contents))


def _digest(contents: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()


def _nothing(problems: Sequence[Problem], notes: Sequence[str], rows: int) -> BadInput:
    if rows == 0:
        return BadInput("The pool is empty. Give at least one item.")
    kinds = Counter(problem.what for problem in problems).most_common(3)
    shown = "; ".join(f"{count:,} × {marked(what)}" for what, count in kinds)
    way_out = " ".join(map(marked, notes)) or "Check the columns and the encoding."
    return BadInput(f"None of the {rows:,} rows can be used ({shown}). First: {problems[0]}. {way_out}")


# ── matrices ────────────────────────────────────────────────────────────────────────────────


class FeatureRows(Sequence[Any]):
    """The rows of a matrix as a sequence, dense or sparse, without a copy."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return FeatureRows(self.matrix[index])
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.matrix[index if index >= 0 else index + len(self)]


def _from_array(array: Any, ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    shape = " × ".join(map(str, array.shape))
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise BadInput(
            f"Got a NumPy array of {array.dtype} with shape ({shape}). An array pool is (n, d) numbers, one row an "
            "item (reshape images with X.reshape(len(X), -1)); texts go in a list."
        )
    _check_shape(array, shape)
    return _from_matrix(array, _dense_digests(array), ids, labels, address)


def row_digests(matrix: Matrix) -> list[bytes]:
    """SHA-256 of each row of an (n, d) matrix of finite numbers, 32 bytes: `content_digest` of such items."""
    digests = _sparse_digests(matrix) if hasattr(matrix, "tocsr") else _dense_digests(matrix)
    return [digest for _, digest in digests]


def _dense_digests(array: Any) -> Iterator[tuple[bool, bytes]]:
    """For each row whether it is finite, and its digest."""
    # The hash depends on the values alone: neither on byte order, nor on the sign of a zero, nor on the block.
    dtype = array.dtype.newbyteorder("<") if array.dtype.itemsize <= 8 else np.dtype("<f8")
    for block in _blocks(array):
        dense = np.ascontiguousarray(array[block], dtype=dtype)
        finite = np.isfinite(dense).all(axis=1)
        dense = dense + dtype.type(0) if dtype.kind == "f" else dense
        for good, row in zip(finite.tolist(), dense, strict=True):
            yield good, hashlib.sha256(row.tobytes()).digest()


def _sparse_digests(matrix: Any) -> Iterator[tuple[bool, bytes]]:
    """The same of a CSR matrix without zeros and duplicates."""
    for start, stop in zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True):
        values = matrix.data[start:stop]
        places = matrix.indices[start:stop].astype("<i8").tobytes()
        content = places + values.astype(values.dtype.newbyteorder("<")).tobytes()
        yield bool(np.isfinite(values).all()), hashlib.sha256(content).digest()


def _from_sparse(source: Any, ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    if len(source.shape) != 2 or source.dtype.kind not in "biuf":
        raise BadInput(f"Got a sparse {source.dtype} matrix of shape {source.shape}. Give (n, d) real numbers.")
    _check_shape(source, " × ".join(map(str, source.shape)))
    matrix = source.tocsr(copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return _from_matrix(matrix, _sparse_digests(matrix), ids, labels, address)


def _check_shape(matrix: Any, shape: str) -> None:
    if 0 in matrix.shape:
        raise BadInput(f"The matrix is empty ({shape}). Give at least one row and one column.")


def _blocks(array: Any) -> Iterator[slice]:
    step = max(1, BLOCK // array.shape[1])
    for start in range(0, array.shape[0], step):
        yield slice(start, start + step)


def _from_matrix(
    matrix: Matrix, digests: Iterable[tuple[bool, bytes]], ids: Any, labels: Any, address: dict[str, Any]
) -> Pool:
    rows = int(matrix.shape[0])
    nowhere = Table({})
    build = _Builder(nowhere, _values(nowhere, "id", ids, rows), _values(nowhere, "label", labels, rows))
    bad = []
    for row, (finite, digest) in enumerate(digests):
        if not finite:
            bad.append(row + 1)
        build.add(row, digest)
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
        raise BadInput(
            f"{len(bad):,} of {rows:,} rows hold NaN or infinity (rows {shown}). "
            "Fill them in (sklearn.impute.SimpleImputer) or drop them first."
        )
    if 0 < len(build.ids) < rows:  # only then is the matrix copied
        matrix = matrix[np.asarray([source[0] for source in build.sources], dtype=np.intp)]
        nowhere.notes.append(f"{rows - len(build.ids):,} of {rows:,} rows are exact duplicates or were refused.")
    return build.pool(cast("Sequence[Any]", FeatureRows(matrix)), "array", matrix, rows, address)
