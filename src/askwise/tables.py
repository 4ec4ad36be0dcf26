"""Tables of any origin as plain columns, with what is wrong in each row."""

from __future__ import annotations

import codecs
import contextlib
import csv
import difflib
import gzip
import io
import json
import zipfile
import zlib
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, overload

from askwise import budget
from askwise.core import BadInput, MissingExtra, unknown

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
FORMATS = ("csv", "tsv", "jsonl", "parquet", "xlsx")
MAX_KEYS = 1000
"""A JSONL file with more different keys than this is no table."""

# What a file is by its first bytes. Such files are named and refused; nothing is ever unpickled.
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (an Excel workbook is one too: name it .xlsx; images in one: .zip)"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls, .doc)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x93NUMPY", "a NumPy array (load it with numpy.load and give the array)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x7fELF", "a program"),
    *((b"\x80" + bytes([protocol]), "a Python pickle, which is never opened") for protocol in range(2, 6)),
)
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

MARK_BROKEN = "askwise.mark_broken"
codecs.register_error(MARK_BROKEN, lambda error: ("\udcff", error.end))  # type: ignore[attr-defined]
"""Bytes that cannot be decoded become half a surrogate pair, which no decoded text holds."""


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

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def problem(self, row: int, what: str) -> Problem:
        """What is wrong with a 0-based row, in the numbers a person counts in."""
        return Problem(row + 1, None if self.lines is None else self.lines[row], what)


# ── files ───────────────────────────────────────────────────────────────────────────────────


def find_file(source: str | Path) -> Path:
    """The path of a file that exists and is a file, or `BadInput` with the nearest name."""
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            raise BadInput(
                f"{str(path)!r} is a folder. Give one file: .csv, .tsv, .jsonl, .parquet, .xlsx (or .csv.gz …)."
            )
        if path.exists() and not path.is_file():
            raise BadInput(f"{str(path)!r} is a pipe or a device, which cannot be read twice. Save it to a file first.")
        if path.exists():
            return path.resolve()
    except (OSError, ValueError, RuntimeError):  # a text too long for a file name, a NUL in it, an unknown ~user
        raise BadInput(
            f"{str(source)[:60]!r} is not the name of a file. Texts go in a list: load_pool([text, …])."
        ) from None
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    hint = f" Did you mean {str(path.parent / close[0])!r}?" if close else " Texts themselves go in a list."
    raise BadInput(f"No file {str(path)!r}.{hint}")


def file_format(path: Path, given: str | None) -> str:
    """One of `FORMATS`, as given or by the suffix (before .gz)."""
    if given is not None:
        if given not in FORMATS:
            raise unknown("format", given, FORMATS)
        return given
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in SUFFIXES:
        looks = _looks_like(_head(path))
        if looks:
            raise BadInput(f"{path.name!r} looks like {looks}. Give a CSV, TSV, JSONL, Parquet or XLSX file.")
        raise BadInput(
            f"Cannot tell the format of {path.name!r} from its suffix {suffix!r}. "
            f"Known: {', '.join(SUFFIXES)} (text formats also with .gz); or name it: format='csv'."
        )
    return SUFFIXES[suffix]


def read_file(path: Path, form: str, *, encoding: str | None = None) -> Table:
    """Read a file of one of `FORMATS`.

    Args:
        path: The file; text formats may be gzip-compressed (seen by content, whatever the name).
        form: "csv", "tsv", "jsonl", "parquet" or "xlsx" (the first sheet).
        encoding: Of a text format; default UTF-8, or UTF-16/32 where a byte order mark says so.

    Raises:
        BadInput: Not such a file, damaged as a whole, empty, or with two columns of one name.
        MissingExtra: Parquet without pyarrow, XLSX without openpyxl.
    """
    try:
        if form == "parquet":
            budget.check_parquet(path)
            return _read_parquet(path)
        if form == "xlsx":
            budget.check_workbook(path)
            return _read_xlsx(path)
        with _open(path, cells=form != "jsonl") as stream:
            lines = _Lines(stream, path, encoding)
            if form == "jsonl":
                return _read_jsonl(lines, path)
            return _read_csv(lines, path, "\t" if form == "tsv" else None)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(f"{path.name!r} is a damaged gzip file ({error}). Fetch or compress it again.") from None
    except PermissionError:
        raise BadInput(f"No permission to read {str(path)!r}. Change its owner or mode (chmod u+r).") from None


def _head(path: Path, size: int = 8192) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size)


def _open(path: Path, *, cells: bool) -> BinaryIO:
    packed = _head(path, 2) == b"\x1f\x8b"
    stream: Any = gzip.open(path, "rb") if packed else path.open("rb")  # noqa: SIM115 - closed below
    size = path.stat().st_size if packed else 0
    return budget.Bounded(stream, path.name, packed=size, cells=cells)  # type: ignore[return-value]


def _looks_like(head: bytes) -> str | None:
    """What binary thing a file is, by its first bytes; None for text."""
    for signature, what in SIGNATURES:
        if head.startswith(signature):
            return what
    if any(head.startswith(mark) for mark, _ in BYTE_ORDER_MARKS):
        return None
    if len(head) >= 4 and max(head[::2].count(0), head[1::2].count(0)) > 0.4 * (len(head) // 2):
        return "UTF-16 text without a byte order mark (save it as UTF-8, or pass encoding='utf-16-le')"
    control = sum(byte < 32 and byte not in b"\t\n\r\f\v\x1b" for byte in head)
    return "a binary file" if control > 0.3 * len(head) else None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Lines:
    """The lines of a text file, each with its number and what is wrong with its bytes."""

    def __init__(self, stream: BinaryIO, path: Path, encoding: str | None) -> None:
        buffered = io.BufferedReader(stream, 1 << 16)  # type: ignore[type-var]
        head = buffered.peek(8192)[:8192]
        if not head:
            raise BadInput(f"{path.name!r} is empty. Give a file with at least one row.")
        looks = None if encoding else _looks_like(head)
        if looks:
            raise BadInput(f"{path.name!r} looks like {looks}, not like a text table. Export it as CSV or JSONL.")
        found = next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), "utf-8")
        self.encoding = encoding or found
        self.shown = "UTF-8" if self.encoding == "utf-8-sig" else self.encoding.upper()
        try:
            self.text = io.TextIOWrapper(buffered, encoding=self.encoding, errors=MARK_BROKEN, newline="")
        except LookupError:
            raise BadInput(
                f"No text encoding named {encoding!r}. Usual ones: 'utf-8', 'cp1252', 'latin-1', 'utf-16'."
            ) from None
        self.undecodable = 0
        self.count = 0
        self.path = path

    def __iter__(self) -> Iterator[tuple[int, str, str | None]]:
        try:
            for line in self.text:
                self.count += 1
                yield self.count, line, self._damage(line)
        except UnicodeError as error:
            raise BadInput(
                f"{self.path.name!r} cannot be read as {self.shown} after line {self.count}: {error}. Save it as UTF-8."
            ) from None

    def _damage(self, line: str) -> str | None:
        if "\0" in line:
            return "holds a NUL byte"
        if not line.isascii() and not _is_encodable(line):
            self.undecodable += 1
            return f"holds bytes that are not {self.shown}"
        return None

    def notes(self) -> list[str]:
        """How to get at the rows that could not be decoded, where there are many of them."""
        if self.undecodable * 20 >= self.count:
            return [
                f"{self.undecodable:,} lines are not {self.shown}; the file is probably in another encoding. "
                "Save it as UTF-8, or pass encoding='cp1252' (Western European Windows) or what it is."
            ]
        return []


# ── CSV and TSV ─────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _huge_cells() -> Iterator[None]:
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Feed:
    """Hands lines to `csv.reader`, remembers those of the current row, and takes some back."""

    def __init__(self, lines: Iterable[tuple[int, str, str | None]]) -> None:
        self.lines = iter(lines)
        self.again: deque[tuple[int, str, str | None]] = deque()
        self.taken: list[tuple[int, str, str | None]] = []
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


def _rows(feed: _Feed, delimiter: str) -> Iterator[tuple[int, list[str], str | None]]:
    """(line, cells, what is wrong) for each row; a quote that is never closed costs its own row only.

    A row that fails after several lines has swallowed rows that may be good. The lines between are read again, each as
    a row of its own, and reading goes on as usual at the line that failed: linear whatever the quotes.
    """
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
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
                    cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
                except csv.Error:
                    yield number, [], "has a quote that is not closed on its line, after an earlier unclosed quote"
                else:
                    if cells:
                        yield number, cells, damage
            if closed and len(taken) > 1:
                feed.again.append(taken[-1])
            continue
        if cells:  # blank lines are no rows
            yield feed.taken[0][0], cells, next((damage for _, _, damage in feed.taken if damage), None)


def _sniff(first: str) -> str:
    """The delimiter of a .csv by its header: the comma unless ';' or a tab gives more columns (European exports)."""

    def width(delimiter: str) -> int:
        return len(next(csv.reader([first], delimiter=delimiter), []))

    return max((",", ";", "\t"), key=width)


def _read_csv(lines: _Lines, path: Path, delimiter: str | None) -> Table:
    with _huge_cells():
        entries = iter(lines)
        first = next((entry for entry in entries if entry[1].strip()), None)
        if first is None:
            raise BadInput(f"{path.name!r} holds only blank lines. Give a file with a header and at least one row.")
        notes = []
        if delimiter is None:
            delimiter = _sniff(first[1])
            if delimiter != ",":
                shown = {"\t": "a tab", ";": "';'"}[delimiter]
                notes.append(f"{path.name}: the columns are separated by {shown}, not by commas.")
        feed = _Feed(entries)
        feed.again.append(first)
        rows = _rows(feed, delimiter)
        _, header, damage = next(rows)
        if damage:
            raise BadInput(f"The header of {path.name!r} {damage}. Mend the first line{_encoding_hint(damage)}.")
        names = _unique([name.strip() for name in header], path.name)
        columns: list[list[str | None]] = [[] for _ in names]
        numbers = array("q")
        bad: dict[int, str] = {}
        for number, cells, wrong in rows:
            if wrong is None and len(cells) != len(names):
                wrong = f"has {len(cells)} cell{'s' * (len(cells) != 1)}, the header has {len(names)}"
            if wrong is not None:
                bad[len(numbers)] = wrong
            for column, cell in zip(columns, [None] * len(names) if wrong else cells, strict=True):
                column.append(cell)
            numbers.append(number)
    if not numbers:
        raise BadInput(f"{path.name!r} has a header ({', '.join(map(repr, names))}) but no rows.")
    return Table(dict(zip(names, columns, strict=True)), bad, numbers, notes + lines.notes())


def _encoding_hint(damage: str) -> str:
    return ", or pass its encoding, as in encoding='cp1252'" if "bytes" in damage else ""


def _unique(names: Sequence[str], where: str) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        shown = ", ".join(repr(name) if name else "columns without a name" for name in twice)
        raise BadInput(f"{where!r} has several columns of one name: {shown}. Give each column its own name.")
    return list(names)


# ── JSONL and Parquet ───────────────────────────────────────────────────────────────────────


def _read_jsonl(lines: _Lines, path: Path) -> Table:
    columns: dict[str, list[Any]] = {}
    numbers = array("q")
    bad: dict[int, str] = {}
    for number, line, damage in lines:
        if not line.strip():
            continue
        row, wrong = ({}, damage) if damage else _json_object(line)
        if wrong:
            bad[len(numbers)] = wrong
        for key in row:
            if key not in columns:
                if len(columns) >= MAX_KEYS:
                    raise BadInput(f"{path.name!r} has over {MAX_KEYS:,} different keys: it is no table of rows.")
                columns[key] = [None] * len(numbers)
        budget.check_cells(len(numbers) + 1, len(columns), path.name)
        for key, column in columns.items():
            column.append(row.get(key))
        numbers.append(number)
    if not columns:
        first = f" Row 1 {bad[0]}." if bad else ""
        raise BadInput(
            f'{path.name!r} holds no JSON object.{first} JSONL is one object a line, as in {{"text": "hello"}}.'
        )
    return Table(columns, bad, numbers, lines.notes())


def _json_object(line: str) -> tuple[dict[str, Any], str | None]:
    try:
        value = json.loads(line)
    except RecursionError:
        return {}, "is JSON nested too deeply"
    except ValueError as error:
        return {}, f"is not valid JSON ({error})"
    if not isinstance(value, dict):
        return {}, f"is a JSON {type(value).__name__}, not an object"
    return value, None


def _read_parquet(path: Path) -> Table:
    head = _head(path)
    if head[:4] != b"PAR1":
        raise BadInput(f"{path.name!r} is no Parquet file; it looks like {_looks_like(head) or 'text'}.")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra(
            "Parquet files need pyarrow, which is not installed. Install it: pip install 'askwise[parquet]'"
        ) from None
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name!r} is a damaged Parquet file ({error}).") from None
    names = _unique(table.column_names, path.name)
    columns = {}
    for name, column in zip(names, table.columns, strict=True):
        try:
            columns[name] = column.to_pylist()
        except (UnicodeDecodeError, pyarrow.ArrowException, ValueError) as error:
            raise BadInput(f"Column {name!r} of {path.name!r} cannot be read ({error}).") from None
    if table.num_rows == 0:
        raise BadInput(f"{path.name!r} has columns ({', '.join(map(repr, names))}) but no rows.")
    return Table(columns)


def _read_xlsx(path: Path) -> Table:
    """The first sheet: its first row that is not empty names the columns; formulas as the values last computed."""
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
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its own size may be wrong
            rows = [
                (number, cells)
                for number, cells in enumerate(sheet.iter_rows(values_only=True), 1)
                if any(map(_filled, cells))
            ]
            notes = [f"{path.name}: the sheet {sheet.title!r} is read, the first of {len(book.worksheets)}."]
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
    if not rows:
        raise BadInput(f"The first sheet of {path.name!r} is empty.")
    header = list(rows[0][1])
    while header and not _filled(header[-1]):
        header.pop()
    names = _unique(["" if name is None else str(name).strip() for name in header], path.name)
    if len(rows) == 1:
        raise BadInput(f"{path.name!r} has a header ({', '.join(map(repr, names))}) but no rows.")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    bad: dict[int, str] = {}
    for at, (_, cells) in enumerate(rows[1:]):
        if any(map(_filled, cells[len(names) :])):
            bad[at] = f"has cells beyond the {len(names)} columns of the header"
        for place, name in enumerate(names):
            value = cells[place] if place < len(cells) and at not in bad else None
            columns[name].append(value if value is None or isinstance(value, str | int | float | bool) else str(value))
    return Table(columns, bad, [number for number, _ in rows[1:]], notes[: len(book.worksheets) > 1])


def _filled(value: object) -> bool:
    return value is not None and str(value).strip() != ""


# ── data frames ─────────────────────────────────────────────────────────────────────────────


def is_frame(source: object) -> bool:
    """True for a pandas or polars frame (and whatever behaves alike), without importing either."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__") and hasattr(source, "to_dict")


def read_frame(source: Any) -> Table:
    """The columns of a pandas or polars frame; the index is left out."""
    keys = list(source.columns)
    names = _unique([str(key) for key in keys], type(source).__name__)
    if not names or len(source) == 0:
        raise BadInput(f"The {type(source).__name__} has {len(names)} columns but no rows: nothing to label.")
    return Table({name: list(source[key].to_list()) for name, key in zip(names, keys, strict=True)})
