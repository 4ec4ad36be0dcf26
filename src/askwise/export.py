"""Writing labeled rows to a file."""

from __future__ import annotations

import csv
import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from askwise.core import BadInput, CannotWrite, MissingExtra


def write_table(rows: Sequence[Mapping[str, Any]], path: str | Path) -> int:
    """Write rows as .csv, .tsv, .jsonl or .parquet, by suffix; the file appears whole or not at all.

    Returns:
        The number of rows written.

    Raises:
        BadInput: Unknown suffix.
        CannotWrite: No room, no permission, no such folder.
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
    with whole(path, binary=path.suffix.lower() == ".parquet") as file:
        writer(rows, file)
    return len(rows)


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
