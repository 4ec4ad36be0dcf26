"""The pool: unique items with stable ids, made from a file, a frame, a list or a matrix."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np

from askwise.core import BadInput, Matrix
from askwise.tables import Problem, Records, Table, file_format, find_file, is_frame, read_file, read_frame

__all__ = ["Pool", "Problem", "load_pool"]

TEXT_NAMES = (
    *("text", "texts", "message", "messages", "body", "content", "sentence", "utterance"),
    *("comment", "review", "tweet", "document", "question"),
)
"""Column names that say that they hold the text."""
SAMPLE = 1000
"""Values looked at to tell a column of texts from one of numbers."""
BLOCK = 1 << 24
"""Matrix elements checked at a time, so that a memory map never has to fit in memory."""


@dataclass
class Pool:
    """Unique items; row numbers of the pool are positions in `ids`."""

    ids: list[str]
    """Stable names: from a column, else the first 16 hex digits of the SHA-256 of the content."""
    contents: Sequence[Any]
    """Texts, or feature rows: (d,) arrays, (1, d) CSR rows of a sparse matrix."""
    kind: Literal["text", "array"]
    features: Matrix | None = None
    """(n, d) features of an array pool; None for texts (an encoder makes them)."""
    sources: list[list[int]] = field(default_factory=list)
    """For each item the 0-based source rows that are this item; more than one for exact duplicates."""
    given: dict[int, str] = field(default_factory=dict)
    """Item row → label that came with the data."""
    problems: list[Problem] = field(default_factory=list)
    """Rows that did not load, and labels that were not taken."""
    address: dict[str, Any] = field(default_factory=dict)
    """Where the pool came from, JSON-able: kind ("file", "frame", "list", "array"), path, text, id, label, format,
    encoding, fingerprint, rows."""
    record: Sequence[Mapping[str, Any]] | None = None
    """The original rows with all columns, by source row; None for lists and matrices."""
    notes: list[str] = field(default_factory=list)
    """What was decided on the user's behalf: delimiter, text column, an encoding that looks wrong."""
    digest: str = ""
    """SHA-256 over the contents in order, hex: ids from a column say nothing about them."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the ids and the contents in order, hex: the same pool gives the same on every run."""
        return hashlib.sha256("\n".join([*self.ids, self.digest]).encode()).hexdigest()


def load_pool(
    source: Any,
    *,
    text: str | None = None,
    id: str | Sequence[Any] | None = None,  # noqa: A002 - the word of the data, not the builtin
    label: str | Sequence[Any] | None = None,
    format: str | None = None,  # noqa: A002
    encoding: str | None = None,
) -> Pool:
    """Load items to label; bad rows are reported in `problems`, the good ones load.

    Args:
        source: Path of a CSV, TSV, JSONL or Parquet file (text formats also gzip-compressed); a pandas or polars
            frame; strings in a list, tuple, series or iterator; an (n, d) NumPy array or memory map, or an (n, d)
            SciPy sparse matrix, of finite numbers.
        text: Column that holds the text. Default: the only column, the one with a usual name (text, message, …), or
            the only one that does not hold numbers; `notes` says which was taken.
        id: Column of unique names, or one value for each row. Default: a hash of the content.
        label: Column of labels that are already known, or one value for each row; blank, None and NaN mean open.
        format: "csv", "tsv", "jsonl" or "parquet" where the suffix does not say.
        encoding: Text encoding of a file; default UTF-8, or UTF-16/32 where a byte order mark says so.

    Raises:
        BadInput: No such file or column, a binary file, nothing that loads, a matrix with NaN or infinity.
        MissingExtra: Parquet without pyarrow.
    """
    if isinstance(source, Pool):
        raise BadInput("This is a Pool already; load_pool takes what a pool is made from.")
    if not (isinstance(source, str | Path)) and (format is not None or encoding is not None):
        raise BadInput("format= and encoding= go with a file; the source is a " + type(source).__name__ + ".")
    address: dict[str, Any] = {
        "kind": "list",
        "path": None,
        "text": None,
        "id": id if isinstance(id, str) else None,
        "label": label if isinstance(label, str) else None,
        "format": None,
        "encoding": encoding,
    }
    if isinstance(source, str | Path):
        path = find_file(source)
        form = file_format(path, format)
        address |= {"kind": "file", "path": str(path), "format": form}
        return _from_table(read_file(path, form, encoding=encoding), text, id, label, address)
    if is_frame(source):
        return _from_table(read_frame(source), text, id, label, address | {"kind": "frame"})
    for option, value in (("text", text), ("id", id), ("label", label)):
        if isinstance(value, str):
            raise BadInput(
                f"{option}={value!r} names a column, but a {type(source).__name__} has no columns."
                + ("" if option == "text" else f" Give one {option} for each row: {option}=[…].")
            )
    if hasattr(source, "tocsr"):
        return _from_sparse(source, id, label, address | {"kind": "array"})
    if hasattr(source, "__array__") and not hasattr(source, "to_list"):
        if isinstance(source, np.ma.MaskedArray):
            raise BadInput("Got a masked array. Fill it in (array.filled(…)) or drop the masked rows first.")
        array = source if isinstance(source, np.memmap) else np.asarray(source)
        if array.ndim != 1 or array.dtype.kind not in "UOT":
            return _from_array(array, id, label, address | {"kind": "array"})
        source = array.tolist()
    if isinstance(source, Mapping | bytes) or not isinstance(source, Iterable):
        raise BadInput(
            f"Cannot make a pool from a {type(source).__name__}. Give a file (CSV, TSV, JSONL, Parquet), a pandas or "
            "polars frame, a list of strings, or an (n, d) array."
        )
    return _from_values(Table({"text": list(source)}), "text", id, label, address)


# ── texts ───────────────────────────────────────────────────────────────────────────────────


def _from_table(
    table: Table,
    text: str | None,
    ids: str | Sequence[Any] | None,
    labels: str | Sequence[Any] | None,
    address: dict[str, Any],
) -> Pool:
    for option, name in (("text", text), ("id", ids), ("label", labels)):
        if isinstance(name, str) and name not in table.columns:
            raise _no_column(option, name, table)
    if text is None:
        text, why = _choose_text(table, {name for name in (ids, labels) if isinstance(name, str)})
        table.notes.append(f"The texts are taken from column {text!r} ({why}); text= names another.")
    pool = _from_values(table, text, ids, labels, address | {"text": text})
    pool.record = Records(table.columns)
    return pool


def _no_column(option: str, name: str, table: Table) -> BadInput:
    names = list(table.columns)
    close = difflib.get_close_matches(name, names, n=1)
    if not close:
        close = [known for known in names if known.lower() == name.strip().lower()]
    hint = f" Did you mean {close[0]!r}?" if close else f" Name one of them with {option}=."
    shown = ", ".join(map(repr, names[:40])) + (", …" if len(names) > 40 else "")
    return BadInput(f"No column {name!r} for {option}. The columns are {shown}.{hint}")


def _choose_text(table: Table, taken: set[str]) -> tuple[str, str]:
    """The obvious text column with the reason, or `BadInput` where none is obvious."""
    free = [name for name in table.columns if name not in taken]
    if len(free) == 1:
        return free[0], "the only column" + (" left" if taken else "")
    named = [name for name in free if name.lower() in TEXT_NAMES]
    if len(named) == 1:
        return named[0], "by its name"
    wordy = [name for name in free if _holds_words(table.columns[name])]
    if not named and len(wordy) == 1:
        return wordy[0], "the only one that does not hold numbers"
    shown = ", ".join(map(repr, table.columns))
    raise BadInput(f"Which column holds the text? The columns are {shown}. Name it with text=.")


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
    texts = table.columns[text]
    build = _Builder(table, _values(table, "id", ids, len(texts)), _values(table, "label", labels, len(texts)))
    contents: list[str] = []
    for row, value in enumerate(texts):
        wrong = table.bad.get(row) or _wrong_text(value)
        if wrong:
            build.refuse(row, wrong)
            continue
        digest = hashlib.sha256(value.encode()).digest()
        if build.add(row, digest):
            contents.append(value)
    return build.pool(contents, "text", None, len(texts), address)


def _wrong_text(value: object) -> str | None:
    if _missing(value):
        return "has an empty text"
    if not isinstance(value, str):
        return f"has a text that is no string but {_shown(value)}"
    if not value.strip():
        return "has an empty text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "has a text with half a surrogate pair, which is no character"
    return None


def _shown(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name} ({str(value)[:40]})"


def _missing(value: object) -> bool:
    """None, NaN, and the missing marks of data frames."""
    return (
        value is None
        or (isinstance(value, float | np.floating) and bool(value != value))
        or type(value).__name__ in ("NAType", "NaTType")
    )


def _values(table: Table, option: str, given: str | Sequence[Any] | None, rows: int) -> Sequence[Any] | None:
    """One value for each source row, from a column or as given."""
    if given is None:
        return None
    if isinstance(given, str):
        return table.columns[given]
    values = list(given)
    if len(values) != rows:
        raise BadInput(f"{option}= holds {len(values):,} values for {rows:,} rows. Give one for each row.")
    return values


def label_name(value: object) -> str | None:
    """An id or a label as text, "" where it is missing, None where it is neither text nor a number."""
    if _missing(value):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)  # frames turn integers with gaps into floats
    if not isinstance(value, str | int | float | np.generic):
        return None
    name = str(value).strip()
    try:
        name.encode()
    except UnicodeEncodeError:
        return None
    return name


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
        self.by_content: dict[bytes, int] = {}
        self.by_id: dict[str, int] = {}

    def refuse(self, row: int, why: str) -> None:
        self.problems.append(self.table.problem(row, why))

    def add(self, row: int, digest: bytes) -> bool:
        """Take over a source row whose content has this SHA-256; True where it is a new item."""
        name = digest.hex()[:16] if self.raw_ids is None else label_name(self.raw_ids[row])
        if not name:
            self.refuse(row, "has an empty id" if name == "" else f"has an id that is {_shown(self._raw_id(row))}")
            return False
        item = self.by_content.get(digest)
        owner = self.by_id.get(name)
        if owner is not None and owner != item:
            first = self.sources[owner][0] + 1
            self.refuse(row, f"has the id {name!r}, which row {first} has already with another content")
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
        if label is None:
            self.refuse(row, f"has a label that is {_shown(value)}; the item is left open")
        if not label or item in self.conflicting:
            return
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
        kind: Literal["text", "array"],
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
        )
        pool.address = address | {"fingerprint": pool.fingerprint, "rows": rows}
        return pool


def text_digest(contents: Iterable[str]) -> str:
    """`Pool.digest` of these texts."""
    return _digest(hashlib.sha256(text.encode()).digest() for text in contents)


def _digest(contents: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()


def _nothing(problems: Sequence[Problem], notes: Sequence[str], rows: int) -> BadInput:
    if rows == 0:
        return BadInput("The pool is empty. Give at least one item.")
    kinds = Counter(problem.what for problem in problems).most_common(3)
    shown = "; ".join(f"{count:,} × {what}" for what, count in kinds)
    way_out = " ".join(notes) or "Check the columns and the encoding."
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
    # The hash depends on the values alone: neither on byte order, nor on the sign of a zero, nor on the block.
    dtype = array.dtype.newbyteorder("<") if array.dtype.itemsize <= 8 else np.dtype("<f8")

    def digests() -> Iterator[tuple[bool, bytes]]:
        for block in _blocks(array):
            dense = np.ascontiguousarray(array[block], dtype=dtype)
            finite = np.isfinite(dense).all(axis=1)
            dense = dense + dtype.type(0) if dtype.kind == "f" else dense
            for good, row in zip(finite.tolist(), dense, strict=True):
                yield good, hashlib.sha256(row.tobytes()).digest()

    return _from_matrix(array, digests(), ids, labels, address)


def _from_sparse(source: Any, ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    if len(source.shape) != 2 or source.dtype.kind not in "biuf":
        raise BadInput(f"Got a sparse {source.dtype} matrix of shape {source.shape}. Give (n, d) real numbers.")
    _check_shape(source, " × ".join(map(str, source.shape)))
    matrix = source.tocsr(copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()

    def digests() -> Iterator[tuple[bool, bytes]]:
        for start, stop in zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True):
            values = matrix.data[start:stop]
            places = matrix.indices[start:stop].astype("<i8").tobytes()
            content = places + values.astype(values.dtype.newbyteorder("<")).tobytes()
            yield bool(np.isfinite(values).all()), hashlib.sha256(content).digest()

    return _from_matrix(matrix, digests(), ids, labels, address)


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
