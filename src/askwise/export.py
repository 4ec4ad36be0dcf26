"""Labeled rows to a file, and such a file read back as what it was."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, cast

from askwise.core import BadInput, CannotWrite, MissingExtra
from askwise.values import plain, written

Rows = Sequence[Mapping[str, Any]]

COLUMNS = (
    *("item", "label", "source", "confidence", "certificate", "model_guess", "model_confidence"),
    *("annotator", "round", "probability", "model_version", "flag"),
)
"""What an export adds to the columns of the input, in this order."""
PROBLEM = "problem"
"""A further column where rows could not be loaded: why not. It never stands without its prefix."""
ESCAPED = "escaped"
"""A further column of a CSV with cells that a spreadsheet would run: "true" in their rows. Never without its prefix."""
_TELLING = frozenset({"item", "label", "source", "annotator", "round", "probability", "flag"})
"""A table with all of these columns is an export."""
_PEOPLE = ("human", "given")
"""Sources whose labels are the truth of people; all others are guesses, or no labels."""
ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")
MOST_IN_CELL, MOST_ROWS, MOST_COLUMNS = 32_767, 1_048_576, 16_384
"""Of an Excel sheet: characters of a cell, rows with the header, columns."""


# ── the names of the columns ────────────────────────────────────────────────────────────────


def names_beside(columns: Iterable[str], wanted: Iterable[str], *, prefixed: bool = False) -> dict[str, str]:
    """For each name we want one that is free beside the columns of the input: label, askwise_label, askwise_2_label, …

    Always the next after the highest of its kind: so what is ours can be told in a file that was exported before.

    Args:
        columns: Of the input.
        wanted: Ours.
        prefixed: Never without the prefix.
    """
    taken = list(columns)
    found = {}
    for name in wanted:
        level = max(_levels(name, taken), default=-1) + 1
        found[name] = _at_level(name, max(level, int(prefixed)))
    return found


def _levels(name: str, columns: Iterable[str]) -> dict[int, str]:
    """Level → the column that has it: 0 for the name itself, 1 for askwise_name, n for askwise_n_name."""
    found = {}
    for column in columns:
        match = re.fullmatch(rf"(askwise_(?:([0-9]{{1,9}})_)?)?{name}", column.strip())
        if match:
            found[int(match[2]) if match[2] else int(match[1] is not None)] = column
    return found


def _at_level(name: str, level: int) -> str:
    return name if level == 0 else f"askwise_{name}" if level == 1 else f"askwise_{level}_{name}"


# ── what was exported, read back ────────────────────────────────────────────────────────────


@dataclass
class Exported:
    """What the columns of an export say of its rows."""

    ours: frozenset[str]
    """The columns that the export added: nothing to learn from."""
    item: str
    """The column of ids."""
    label: str
    """The column of labels."""
    labels: list[Any]
    """(n,) labels by people or of the data; None where the model gave it, or nobody."""
    by_model: int
    """Rows whose label the model gave."""
    problems: dict[int, str]
    """Row → why it could not be loaded."""


def exported(columns: dict[str, list[Any]]) -> Exported | None:
    """What an export of ours says in its columns; None for any other table.

    Cells that were escaped for spreadsheets are as they were afterwards, in the columns given, and the column that
    marked them is gone.
    """
    ours = {name: own_column(name, columns) for name in COLUMNS}
    if any(ours[name] is None for name in _TELLING):
        return None
    _restore(columns)
    item, label, source = (str(ours[name]) for name in ("item", "label", "source"))
    ours = {name: own_column(name, columns) for name in (*COLUMNS, PROBLEM)}
    told = [written(value).strip().lower() for value in columns[source]]
    labels = [value if by in _PEOPLE else None for value, by in zip(columns[label], told, strict=True)]
    problem = ours[PROBLEM]
    return Exported(
        ours=frozenset(name for name in ours.values() if name is not None),
        item=item,
        label=label,
        labels=labels,
        by_model=told.count("model"),
        problems={} if problem is None else {i: why for i, v in enumerate(columns[problem]) if (why := written(v))},
    )


def own_column(name: str, columns: Iterable[str]) -> str | None:
    """The column of an export that is ours: the highest of its kind; None where there is none."""
    levels = _levels(name, columns)
    return levels[max(levels)] if levels else None


def _restore(columns: dict[str, list[Any]]) -> None:
    mark = own_column(ESCAPED, columns)
    if mark is None:
        return
    rows = [row for row, value in enumerate(columns.pop(mark)) if written(value).strip().lower() == "true"]
    for name, values in list(columns.items()):
        cells = list(values)
        for row in rows:
            cells[row] = _unescaped(cells[row])
        del columns[name]
        columns[_unescaped(name)] = cells


# ── what spreadsheets would run ─────────────────────────────────────────────────────────────

_RUN = re.compile(r"'*(?:[\t\r\n=+\-@＝＋－＠]|\s+[=+\-@＝＋－＠])")
_NUMBER = re.compile(r"'*[+-]?(?:[0-9][0-9.,]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?\s?%?")


def runs(text: str) -> bool:
    """Whether a spreadsheet may take a cell for a formula: it begins with = + - @, a tab or a line break, and is no
    number; apostrophes before it do not count.
    """
    first = text[:1]
    if first.isalnum() or not first:  # quick, and true of nearly all
        return False
    return _RUN.match(text) is not None and _NUMBER.fullmatch(text) is None


def _escaped(text: str) -> str:
    """An apostrophe before what would run. Also before what already has one: so that taking one away is the inverse."""
    return f"'{text}" if runs(text) else text


def _unescaped(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value.startswith("'") and runs(value) else value


# ── writing ─────────────────────────────────────────────────────────────────────────────────


def ending(path: Path) -> str:
    """One of `ENDINGS`, before .gz.

    Raises:
        BadInput: Another one.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    found = (suffixes[-2:-1] if packed else suffixes[-1:]) or [""]
    if found[0] not in ENDINGS or (packed and found[0] in (".parquet", ".xlsx")):
        raise BadInput(
            f"Cannot export to {path.name!r}: allowed endings are {', '.join(ENDINGS)}, the first three also with .gz."
        )
    return found[0]


def write_table(rows: Rows, path: str | Path, *, raw: bool = False, bom: bool = False) -> int:
    """Write rows as .csv, .tsv, .jsonl, .parquet or .xlsx, by suffix; the file appears whole or not at all.

    Args:
        rows: Records; the columns are all of their keys, in the order of first sight.
        path: Where to; text formats are compressed where it ends in .gz.
        raw: CSV and TSV: write cells as they are that a spreadsheet would run as formulas.
        bom: CSV and TSV: begin with a byte order mark, by which Excel sees that it is UTF-8.

    Returns:
        The number of rows written.

    Raises:
        BadInput: Unknown suffix, or a value that the format cannot hold.
        CannotWrite: No room, no permission, no such folder.
        MissingExtra: Parquet without pyarrow, XLSX without openpyxl.
    """
    path = Path(path)
    suffix = ending(path)
    if bom and suffix not in (".csv", ".tsv"):
        raise BadInput(f"A byte order mark is for .csv and .tsv; {path.name!r} needs none. Leave bom out.")
    with whole(path, binary=True) as file:
        if path.suffix.lower() == ".gz":
            with gzip.GzipFile(path.stem, "wb", fileobj=file) as packed:
                write_rows(rows, cast("IO[bytes]", packed), suffix[1:], raw=raw, bom=bom)
        else:
            write_rows(rows, file, suffix[1:], raw=raw, bom=bom)
    return len(rows)


def write_rows(rows: Rows, file: IO[bytes], form: str, *, raw: bool = False, bom: bool = False) -> None:
    """Write rows to an open stream.

    Args:
        rows: As for `write_table`.
        file: Stays open.
        form: csv, tsv, jsonl, parquet or xlsx.
        raw: As for `write_table`.
        bom: As for `write_table`.

    Raises:
        BadInput, MissingExtra: As `write_table`.
    """
    writers: dict[str, Callable[[Rows, IO[bytes]], None]] = {
        "csv": lambda r, f: _delimited(r, f, ",", raw=raw, bom=bom),
        "tsv": lambda r, f: _delimited(r, f, "\t", raw=raw, bom=bom),
        "jsonl": _jsonl,
        "parquet": _parquet,
        "xlsx": _xlsx,
    }
    if form not in ("csv", "tsv") and _levels(ESCAPED, columns := _columns(rows)):
        # The input has a column of this name: ours comes last, and says that nothing was escaped.
        rows = [{**row, **dict.fromkeys(names_beside(columns, [ESCAPED], prefixed=True).values())} for row in rows]
    writers[form](rows, file)


@contextmanager
def whole(path: str | Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """A file to write that appears under its name when all of it is on the disk, or not at all.

    It is written beside its place under another name; what was there before stays until then.

    Raises:
        CannotWrite: No room, no permission, no such folder.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    # The system takes off what the umask says: asking for the mask means changing it, for every thread.
    made = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(draft, "wb", opener=lambda name, _: os.open(name, made, 0o666)) as raw:
            file: IO[Any] = raw if binary else TextIOWrapper(raw, encoding="utf-8", newline="", write_through=True)
            yield file
            file.flush()
            os.fsync(raw.fileno())
        draft.replace(path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _MACHINE:
            raise CannotWrite(
                f"Cannot write {str(path)!r}: {error.strerror}. Free some space there, or choose another folder."
            ) from error
        raise


_MACHINE = frozenset(
    number
    for number, name in errno.errorcode.items()
    if name in {"ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "ENOENT", "ENOTDIR", "EISDIR"}
    or name in {"EIO", "EMFILE", "ENFILE", "ENAMETOOLONG", "ESTALE"}
)
"""Of the errors of writing, those that are about the place, not about what is written."""


def _columns(rows: Rows) -> list[str]:
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return list(seen)


def _cannot_hold(what: str, place: str, form: str, way_out: str = ".jsonl") -> BadInput:
    return BadInput(f"{place} holds {what}, which {form} cannot hold. Export to {way_out}.")


def _delimited(rows: Rows, file: IO[bytes], delimiter: str, *, raw: bool, bom: bool) -> None:
    columns = _columns(rows)
    form = "a TSV" if delimiter == "\t" else "a CSV"
    table = [[written(row.get(name)) for name in columns] for row in rows]
    for number, cells in enumerate([columns, *table]):
        for name, cell in zip(columns, cells, strict=True):
            if not cell.isprintable():  # quick, and true of nearly all
                _check_text(cell, f"The column {name!r} of row {number}" if number else "The header", form)
    header = list(columns)
    if not raw:
        marked = [any(map(runs, cells)) for cells in table]
        table = [list(map(_escaped, cells)) if run else cells for run, cells in zip(marked, table, strict=True)]
        header = list(map(_escaped, columns))
        if any(marked) or header != columns:
            header += names_beside(columns, [ESCAPED], prefixed=True).values()
            table = [[*cells, "true" if run else ""] for run, cells in zip(marked, table, strict=True)]
    if len(header) == len(columns) and _levels(ESCAPED, columns):
        # The input has a column of this name: ours comes last, and says that nothing was escaped.
        header += names_beside(columns, [ESCAPED], prefixed=True).values()
        table = [[*cells, ""] for cells in table]
    text = io.TextIOWrapper(file, encoding="utf-8-sig" if bom else "utf-8", newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(table)
    text.detach()  # writes what is left; the file is closed by who opened it


def _check_text(cell: str, place: str, form: str) -> None:
    if "\0" in cell:
        raise _cannot_hold("a NUL character", place, form)
    if not _encodable(cell):
        raise _cannot_hold("half a surrogate pair, which is no character", place, form)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _jsonl(rows: Rows, file: IO[bytes]) -> None:
    for row in rows:
        cells = {name: plain(value) for name, value in row.items()}
        line = json.dumps(cells, ensure_ascii=False)
        if not _encodable(line):
            line = json.dumps(cells)  # halves of surrogate pairs as \udxxx
        file.write(line.encode() + b"\n")


def _parquet(rows: Rows, file: IO[bytes]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra('Parquet needs pyarrow: `pip install "askwise[parquet]"`, or export to .csv.') from error
    names = _columns(rows)
    arrays = {}
    for name in names:
        values = [plain(row.get(name)) for row in rows]
        try:
            arrays[name] = _typed(pa, values)
        except UnicodeEncodeError:
            raise _cannot_hold(
                "half a surrogate pair, which is no character", f"The column {name!r}", "Parquet"
            ) from None
    try:
        pq.write_table(pa.table(arrays), file)
    except UnicodeEncodeError:
        raise _cannot_hold("half a surrogate pair, which is no character", "The header", "Parquet") from None


def _typed(pa: Any, values: list[Any]) -> Any:
    """A column as Parquet's own type where that gives the same values back; else as text, nested ones as JSON."""
    array = None
    if _uniform(values):
        try:
            array = pa.array(values)
        except (pa.ArrowException, OverflowError):  # an integer of more than 64 bits
            array = None
    if array is not None and array.to_pylist() == values:
        return array
    return pa.array([None if value is None else written(value) for value in values], pa.string())


def _uniform(values: list[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {list}:
        return _uniform([one for value in values if value is not None for one in value] or [""])
    return dict not in kinds and list not in kinds and (len(kinds) <= 1 or kinds == {int, float})


# ── Excel ───────────────────────────────────────────────────────────────────────────────────

_NOT_IN_XML = re.compile("_(?=x[0-9A-Fa-f]{4}_)|[\0-\x08\x0b-\x1f\ufffe\uffff]")
"""Characters that a workbook holds as _xHHHH_, and the underscore of what would be read as one."""


def _xlsx(rows: Rows, file: IO[bytes]) -> None:
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as error:
        raise MissingExtra('Workbooks need openpyxl: `pip install "askwise[xlsx]"`, or export to .csv.') from error
    columns = _columns(rows)
    for what, count, most in (("rows", len(rows) + 1, MOST_ROWS), ("columns", len(columns), MOST_COLUMNS)):
        if count > most:
            raise BadInput(
                f"An Excel sheet holds {most:,} {what} at most, its header included; this export has {count:,}. "
                "Export to .csv or .parquet."
            )
    # All of it is looked at before the first cell is written: a sheet that is given up half-way leaves files behind.
    table = [[_for_excel(name, f"The name of column {number}") for number, name in enumerate(columns, 1)]]
    for number, row in enumerate(rows, 1):
        table.append([_for_excel(row.get(name), f"The column {name!r} of row {number}") for name in columns])
    book = Workbook(write_only=True)
    sheet = book.create_sheet("labels")

    def cell(value: str | int | float | bool | None) -> Any:
        if not isinstance(value, str) or value[0] not in "=#":
            return value
        made = WriteOnlyCell(sheet)  # set behind the back of what takes "=1+1" for a formula, and "#N/A" for an error
        made._value, made.data_type = value, "s"
        return made

    for cells in table:
        sheet.append(list(map(cell, cells)))
    book.save(file)


def _for_excel(value: Any, place: str) -> str | int | float | bool | None:
    """A cell as Excel holds it: text stays text, numbers that it would round become text."""
    value = plain(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 10**15:
        return value
    if isinstance(value, float) and abs(value) < float("inf"):
        return value
    text = written(value)
    if not text:
        return None
    if not _encodable(text):
        raise _cannot_hold("half a surrogate pair, which is no character", place, "a workbook")
    text = _NOT_IN_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    if len(text.encode("utf-16-le")) // 2 > MOST_IN_CELL:
        raise BadInput(
            f"{place} holds {len(text):,} characters; a cell of Excel holds {MOST_IN_CELL:,}. Export to .csv or .jsonl."
        )
    return text
