"""What a pool is: unique items with stable ids, and what each of them is to the log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from askwise import display
from askwise.core import Matrix, frame
from askwise.media import Archive, File, Folder, Source
from askwise.tables import (
    Problem,
)
from askwise.values import written

Kind = Literal["text", "array", "image", "audio", "table", "pair"]
KINDS = ("text", "image", "audio", "table", "pair")
"""What the rows of a table may be taken for; an array is an array."""


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
    withdrawn: frozenset[int] = frozenset()
    """Rows of items that were withdrawn from a session: each keeps its place, and nothing is left of what it held."""

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


def content_digest(content: Any) -> bytes:
    """SHA-256 of what an item shows, 32 bytes; of a file that of its bytes."""
    if isinstance(content, File):
        return bytes.fromhex(content.sha256)
    text = content if isinstance(content, str) else json.dumps(content)
    return hashlib.sha256(text.encode()).digest()


def pool_digest(contents: Sequence[Any]) -> str:
    """`Pool.digest` of these contents."""
    return digest_of(content_digests(contents))


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


def digest_of(contents: Iterable[bytes]) -> str:
    """The digest of all items, out of the digest of each."""
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()


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


BLOCK = 1 << 24
"""Matrix elements checked at a time, so that a memory map never has to fit in memory."""


def row_digests(matrix: Matrix) -> list[bytes]:
    """SHA-256 of each row of an (n, d) matrix of finite numbers, 32 bytes: `content_digest` of such items."""
    digests = sparse_digests(matrix) if hasattr(matrix, "tocsr") else dense_digests(matrix)
    return [digest for _, digest in digests]


def dense_digests(array: Any) -> Iterator[tuple[bool, bytes]]:
    """For each row whether it is finite, and its digest."""
    # The hash depends on the values alone: neither on byte order, nor on the sign of a zero, nor on the block.
    dtype = array.dtype.newbyteorder("<") if array.dtype.itemsize <= 8 else np.dtype("<f8")
    for block in _blocks(array):
        dense = np.ascontiguousarray(array[block], dtype=dtype)
        finite = np.isfinite(dense).all(axis=1)
        dense = dense + dtype.type(0) if dtype.kind == "f" else dense
        for good, row in zip(finite.tolist(), dense, strict=True):
            yield good, hashlib.sha256(row.tobytes()).digest()


def sparse_digests(matrix: Any) -> Iterator[tuple[bool, bytes]]:
    """The same of a CSR matrix without zeros and duplicates."""
    for start, stop in zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True):
        values = matrix.data[start:stop]
        places = matrix.indices[start:stop].astype("<i8").tobytes()
        content = places + values.astype(values.dtype.newbyteorder("<")).tobytes()
        yield bool(np.isfinite(values).all()), hashlib.sha256(content).digest()


def _blocks(array: Any) -> Iterator[slice]:
    step = max(1, BLOCK // array.shape[1])
    for start in range(0, array.shape[0], step):
        yield slice(start, start + step)


def source_of(address: Mapping[str, Any]) -> Source | None:
    """Where the files of a pool lie, by its address; None where its items are no files."""
    if "files" not in address:
        return None
    kind, path = address["files"]
    return Archive(Path(path)) if kind == "zip" else Folder(Path(path))
