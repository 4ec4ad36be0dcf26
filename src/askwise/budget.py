"""How much a file may ask of whoever reads it: cells and bytes, counted before they are there."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

from askwise.core import BadInput

MAX_CELLS = 50_000_000
"""Cells of a table, empty ones included: each takes 8 bytes at least, most take 60."""
MAX_COLUMNS = 100_000
MAX_LINE = 64 << 20
"""Bytes of one line of a file that has lines."""
MAX_UNPACKED = 2 << 30
"""Bytes of a file when unpacked."""
MAX_RATIO = 200
"""Bytes, or cells, that one byte of a file may become; tables reach 10 to 50."""
HONEST = 8 << 20
"""Bytes up to which nobody asks how well they were packed."""
FEW_CELLS = 1_000_000
SHEET_ROWS, SHEET_COLUMNS = 1_048_576, 16_384
"""What a sheet of a workbook can have."""


def check_cells(rows: int, columns: int, name: str) -> None:
    """Refuse a table that has become too large.

    Raises:
        BadInput: More than `MAX_COLUMNS`, or `MAX_CELLS` in all.
    """
    if columns > MAX_COLUMNS:
        raise BadInput(
            f"{name!r} has over {MAX_COLUMNS:,} columns, the most that a table may have ({columns:,} at least). Keep "
            "those that are needed; features go in as an array."
        )
    if rows * columns > MAX_CELLS:
        raise BadInput(
            f"{name!r} has {rows:,} rows of {columns:,} columns or more, over {MAX_CELLS:,} cells, the most that is "
            "read. Leave columns out that are not needed, or divide the file."
        )


class Bounded(io.RawIOBase):
    """A stream of bytes that ends with a sentence where it becomes too much.

    Args:
        stream: What is read.
        name: Of the file, for the sentence.
        packed: Bytes of the file as it lies there; 0 where it is not packed.
        lines: Whether it has lines, of which none may be endless.
        cells: Whether these are rows of cells: then columns and cells are counted by the first line.
    """

    def __init__(
        self, stream: BinaryIO, name: str, *, packed: int = 0, lines: bool = True, cells: bool = False
    ) -> None:
        self.stream = stream
        self.name = name
        self.packed = packed
        self.lines = lines
        self.cells = cells
        self.size = 0
        self._ended = 0  # lines
        self._open = 0  # bytes of the line that has not ended
        self._columns = dict.fromkeys(b",;\t|", 0)

    def readable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Close what is read, too."""
        self.stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Some more bytes.

        Raises:
            BadInput: Too many, or too many of them are one line.
        """
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        self.size += len(data)
        self._check_size()
        if self.lines and data:
            self._check_lines(data)
        return len(data)

    def _check_size(self) -> None:
        if self.size > MAX_UNPACKED:
            raise BadInput(
                f"{self.name!r} holds over {MAX_UNPACKED >> 30} GB when unpacked, the most that is read. Divide it."
            )
        if self.packed and self.size > max(HONEST, MAX_RATIO * self.packed):
            raise BadInput(
                f"{self.name!r} looks like a bomb: {self.packed:,} bytes become over {self.size:,}; {MAX_RATIO} times "
                "as many are the limit. If it is none, unpack it first."
            )

    def _check_lines(self, data: bytes) -> None:
        if self.cells and not self._ended:
            head = data.partition(b"\n")[0]
            for sign in self._columns:
                self._columns[sign] += head.count(sign)
        self._ended += data.count(b"\n")
        last = data.rfind(b"\n")
        self._open = len(data) - 1 - last if last >= 0 else self._open + len(data)
        if self._open > MAX_LINE:
            raise BadInput(
                f"{self.name!r} has a line of over {MAX_LINE >> 20} MB (after line {self._ended:,}), the most that is "
                "read. Rows end with a line break: save it with those."
            )
        if self.cells:
            check_cells(self._ended, 1 + max(self._columns.values()), self.name)


# ── workbooks ───────────────────────────────────────────────────────────────────────────────


def check_workbook(path: Path) -> None:
    """Refuse a workbook whose rows, columns or merged cells say that they are more than a sheet can have.

    What a workbook says of its own size may be wrong, and a few bytes name a cell that is far away: readers fill all
    before it. So the cells are counted as they would be filled. Whatever else is wrong with it, its reader says.

    Raises:
        BadInput: It is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MAX_UNPACKED // 2:
                raise BadInput(
                    f"{path.name!r} holds {size / 2**20:,.0f} MB of cells; {MAX_UNPACKED >> 21} MB are the limit. Save "
                    "it as CSV."
                )
            for entry in archive.infolist():
                if entry.filename.lower().endswith((".xml", ".xlsx")) or "sheet" in entry.filename.lower():
                    with archive.open(entry) as part:
                        _Sheet(path.name).count(Bounded(part, path.name, packed=path.stat().st_size, lines=False))  # type: ignore[arg-type]
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, RuntimeError):
        return


class _Sheet:
    """Counts the cells of a sheet in its XML, which is read as it comes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cells = self.row = self.width = 0

    def count(self, stream: BinaryIO) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EntityDeclHandler = self._entity
        try:
            parser.ParseFile(stream)
        except expat.ExpatError:
            return  # no XML: whoever needs it says so

    def _entity(self, *_: Any) -> None:
        raise BadInput(f"{self.name!r} declares XML entities, which no workbook needs. Save it anew, or as CSV.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "row":
            number = attributes.get("r", "")
            self.row = int(number[:20]) if number.isdecimal() else self.row + 1  # of more digits the first are enough
            self._end_row()
            self._fits(self.row, 1)
        elif tag == "c":
            _, column = _place(attributes.get("r", ""))
            self.width = max(self.width, column)
            self._fits(1, self.width)
        elif tag == "mergeCell":
            first, _, last = attributes.get("ref", "").partition(":")
            (top, left), (bottom, right) = _place(first), _place(last or first)
            self._fits(bottom, right)
            self._add(max(0, bottom - top + 1) * max(0, right - left + 1))

    def _end_row(self) -> None:
        self._add(self.width)
        self.width = 0

    def _add(self, cells: int) -> None:
        self.cells += cells
        if self.cells > MAX_CELLS:
            raise BadInput(
                f"{self.name!r} has over {MAX_CELLS:,} cells, the most that is read, counted from the first column to "
                "the last that is used in each row. Delete far-off cells and merged ranges, or save it as CSV."
            )

    def _fits(self, row: int, column: int) -> None:
        if row > SHEET_ROWS or column > SHEET_COLUMNS:
            raise BadInput(
                f"{self.name!r} names a cell in row {row:,}, column {column:,}; a sheet has {SHEET_ROWS:,} rows and "
                f"{SHEET_COLUMNS:,} columns at most. Save it anew, or as CSV."
            )


def _place(reference: str) -> tuple[int, int]:
    """(row, column) of a reference such as BC12, from 1; 0 where it names none."""
    letters = reference.replace("$", "").rstrip("0123456789")
    digits = reference.replace("$", "")[len(letters) :]
    column = 0
    for letter in letters.upper()[:8]:
        column = 26 * column + max(0, ord(letter) - 64)
    return int(digits[:20] or 0), column


# ── Parquet ─────────────────────────────────────────────────────────────────────────────────


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file that becomes too many cells or bytes: a value that repeats takes next to nothing in it.

    Whatever else is wrong with it, its reader says.

    Raises:
        BadInput: It is too large.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return
    try:
        file = pyarrow.parquet.ParquetFile(path)
        meta = file.metadata
        groups = [meta.row_group(at) for at in range(meta.num_row_groups)]
        chunks = [group.column(at) for group in groups for at in range(group.num_columns)]
        # Of nested columns there are more values than rows.
        cells = max(meta.num_rows * meta.num_columns, sum(chunk.num_values for chunk in chunks))
        size = sum(max(chunk.total_uncompressed_size, 0) for chunk in chunks)
        _check_spread(path, cells, size)
        texts = sorted({c.path_in_schema for c in chunks if c.physical_type == "BYTE_ARRAY" and c.has_dictionary_page})
        if texts:
            _check_repeated(path, pyarrow.parquet.ParquetFile(path, read_dictionary=texts), texts)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError):
        return


def _check_spread(path: Path, cells: int, size: int) -> None:
    check_cells(cells, 1, path.name)
    if size > MAX_UNPACKED:
        raise BadInput(
            f"{path.name!r} holds {size / 2**30:.1f} GB when unpacked; {MAX_UNPACKED >> 30} GB are the most that is "
            "read. Divide it, or leave columns out."
        )
    packed = path.stat().st_size
    if cells > FEW_CELLS and cells > MAX_RATIO * packed:
        raise BadInput(
            f"{path.name!r} looks like a bomb: {packed:,} bytes become {cells:,} cells; {MAX_RATIO} times as many are "
            "the limit. If it is none, save it as CSV."
        )


def _check_repeated(path: Path, file: Any, columns: list[str]) -> None:
    """Refuse texts that are long and repeat: each row would get a copy of its own."""
    import pyarrow
    import pyarrow.compute

    size = 0
    for batch in file.iter_batches(batch_size=65_536, columns=columns):
        for column in batch.columns:
            if not pyarrow.types.is_dictionary(column.type) or len(column.dictionary) == 0:
                continue  # inside a list or a struct: as many values as were counted
            lengths = pyarrow.compute.binary_length(column.dictionary)
            size += pyarrow.compute.sum(lengths.take(column.indices)).as_py() or 0
            if size > MAX_UNPACKED:
                raise BadInput(
                    f"{path.name!r} looks like a bomb: its texts, which repeat, become over {MAX_UNPACKED >> 30} GB. "
                    "If it is none, divide it."
                )
