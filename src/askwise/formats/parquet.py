"""Parquet files, by pyarrow."""

from __future__ import annotations

from pathlib import Path

from askwise.core import BadInput, MissingExtra
from askwise.formats.packed import head_of
from askwise.formats.table import Table, clean_name, unique
from askwise.formats.text import looks_like


def read_parquet(path: Path) -> Table:
    """The columns of a Parquet file.

    Raises:
        BadInput: No such file, damaged, without rows.
        MissingExtra: pyarrow is not installed.
    """
    head = head_of(path)
    if head[:4] != b"PAR1":
        raise BadInput(f"{path.name!r} is no Parquet file; it looks like {looks_like(head) or 'text'}.")
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
    names = unique([clean_name(name) for name in table.column_names], path.name)
    columns = {}
    for name, column in zip(names, table.columns, strict=True):
        try:
            columns[name] = column.to_pylist()
        except (UnicodeDecodeError, pyarrow.ArrowException, ValueError) as error:
            raise BadInput(f"Column {name!r} of {path.name!r} cannot be read ({error}).") from None
    if table.num_rows == 0:
        raise BadInput(f"{path.name!r} has columns ({', '.join(map(repr, names))}) but no rows.")
    return Table(columns)
