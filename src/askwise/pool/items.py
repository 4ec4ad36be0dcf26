"""What a pool is: unique items with stable ids, and what each of them is to the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from askwise import display
from askwise.core import Matrix, frame
from askwise.media import Archive, Folder, Source
from askwise.pool import kinds
from askwise.pool.kinds import ItemKind
from askwise.tables import (
    Problem,
)
from askwise.values import written


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
    kind: str
    """The name of an `ItemKind`."""
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
    contradicting: dict[int, dict[int, str]] = field(default_factory=dict)
    """Item row → source row → label, of items whose equal rows came with different labels; `given` has none of them."""
    withdrawn: frozenset[int] = frozenset()
    """Rows of items that were withdrawn from a session: each keeps its place, and nothing is left of what it held."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def item_kind(self) -> ItemKind:
        """What its items are."""
        return kinds.get(self.kind)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the ids and the contents in order, hex: the same pool gives the same on every run."""
        return hashlib.sha256("\n".join([*self.ids, self.digest]).encode()).hexdigest()

    def names(self) -> list[str]:
        """The columns of the input; empty for lists and matrices."""
        if self.columns or self.record is None:
            return self.columns
        return list(self.record[self.sources[0][0]])  # a session of an earlier version does not know their order

    def made_of(self) -> list[str]:
        """The columns that the items are made of; empty for lists and matrices."""
        if self.item_kind.cells:
            return list(self.contents[0])
        text = self.address.get("text")
        return [text] if isinstance(text, str) else list(text or ())

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
        shown = self._shown(n)
        columns = {
            "item": self.ids,
            "content": shown,
            "label": [self.given.get(row) for row in range(n)],
            "rows": [len(found) for found in self.sources] or [1] * n,
        }
        return frame(columns, "the same lies in .ids, .contents, .given and .sources")

    def _shown(self, n: int) -> list[Any]:
        """The first n items as text; None for rows of features."""
        kind = self.item_kind
        return [None] * n if kind.features else list(map(kind.as_text, self.contents[:n]))

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
        few = [text[:1000] for text in self._shown(min(n, 3)) if text is not None]
        return display.card(
            "Pool", says, display.listed(wrong, len(self.problems)), display.listed(few, n if few else 0),
            *map(display.note, self.notes),
        )  # fmt: skip


def digest_of(contents: Iterable[bytes]) -> str:
    """The digest of all items, out of the digest of each."""
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()


def source_of(address: Mapping[str, Any]) -> Source | None:
    """Where the files of a pool lie, by its address; None where its items are no files."""
    if "files" not in address:
        return None
    kind, path = address["files"]
    return Archive(Path(path)) if kind == "zip" else Folder(Path(path))
