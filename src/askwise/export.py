"""Writing labeled rows to a file."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from askwise.core import BadInput, MissingExtra


def write_table(rows: Sequence[Mapping[str, Any]], path: str | Path) -> int:
    """Write rows as .csv, .tsv, .jsonl or .parquet, by suffix; the file appears whole or not at all.

    Returns:
        The number of rows written.

    Raises:
        BadInput: Unknown suffix, or the folder cannot be written.
        MissingExtra: Parquet without pyarrow.
    """
    path = Path(path)
    writers: dict[str, Callable[[Sequence[Mapping[str, Any]], IO[Any]], None]] = {
        ".csv": lambda r, f: _delimited(r, f, ","),
        ".tsv": lambda r, f: _delimited(r, f, "\t"),
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise BadInput(f"Cannot export to {path.name!r}: allowed endings are {', '.join(writers)}.")
    binary = path.suffix.lower() == ".parquet"
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise BadInput(f"Cannot write {str(path)!r}: {error.strerror}. Choose another folder.") from error
    try:
        with open(handle, "wb") if binary else open(handle, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
            writer(rows, file)
        Path(draft).chmod(0o666 & ~_umask())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return len(rows)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return list(seen)


def _delimited(rows: Sequence[Mapping[str, Any]], file: IO[Any], delimiter: str) -> None:
    writer = csv.DictWriter(file, _columns(rows), delimiter=delimiter, restval="")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)


def _jsonl(rows: Sequence[Mapping[str, Any]], file: IO[Any]) -> None:
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _parquet(rows: Sequence[Mapping[str, Any]], file: IO[Any]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra('Parquet needs pyarrow: `pip install "askwise[parquet]"`, or export to .csv.') from error
    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    arrays = {}
    for name, values in columns.items():
        kinds = {type(v) for v in values if v is not None}
        # A column of mixed kinds has no Parquet type; text keeps what was there.
        uniform = len(kinds) <= 1 or kinds <= {int, float}
        arrays[name] = pa.array(values if uniform else [None if v is None else str(v) for v in values])
    pq.write_table(pa.table(arrays), file)
