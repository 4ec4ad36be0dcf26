"""Tables of any origin as plain columns, with what is wrong in each row."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from askwise import budget
from askwise.core import BadInput, unknown
from askwise.formats.objects import holds_objects, nested, paths
from askwise.formats.packed import PACKED, head_of, members, table_inside, unpacked
from askwise.formats.table import Problem, Reading, Records, Table, clean_name, unique
from askwise.formats.text import Lines, looks_like, read_lines
from askwise.options import Sentence, named, only_python, option

__all__ = [
    "FORMATS", "PACKED", "SUFFIXES", "Problem", "Reading", "Records", "Table", "clean_name", "file_format", "find_file",
    "holds_objects", "is_frame", "members", "names_that_look_like_data", "nested", "packed_table", "paths", "read_file",
    "read_frame",
]  # fmt: skip

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".ris": "ris",
    ".nbib": "nbib",
    ".xml": "endnote",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".bioes": "conll",
    ".spacy": "spacy",
}
FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "xlsx", "ris", "nbib", "endnote", "conll", "spacy")
TEXT_FORMATS = ("csv", "tsv", "jsonl", "json", "ris", "nbib", "conll")
"""Those with lines in some encoding; XML says its own."""
PACKABLE = {suffix: form for suffix, form in SUFFIXES.items() if form not in ("parquet", "xlsx", "spacy")}
"""Suffixes of what may be compressed, or lie in a ZIP archive."""
GIVEN = ".csv, .tsv, .jsonl, .json, .parquet, .xlsx, .ris, .nbib, .xml, .conll, .spacy (or .csv.gz …)"

# ── files ───────────────────────────────────────────────────────────────────────────────────


def find_file(source: str | Path) -> Path:
    """The path of a file that exists and is a file, or `BadInput` with the nearest name."""
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            raise BadInput(f"{str(path)!r} is a folder. Give one file: {GIVEN}.")
        if path.exists() and not path.is_file():
            raise BadInput(f"{str(path)!r} is a pipe or a device, which cannot be read twice. Save it to a file first.")
        if path.exists():
            return path.resolve()
    except (OSError, ValueError, RuntimeError):  # a text too long for a file name, a NUL in it, an unknown ~user
        raise BadInput(
            f"{str(source)[:60]!r} is not the name of a file."
            + only_python(" Texts go in a list: load_pool([text, …]).")
        ) from None
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    hint = (
        f" Did you mean {str(path.parent / close[0])!r}?" if close else only_python(" Texts themselves go in a list.")
    )
    raise BadInput(f"No file {str(path)!r}.{hint}")


def file_format(path: Path, given: str | None) -> str:
    """One of `FORMATS`, as given or by the suffix (before .gz and the like)."""
    if given is not None:
        if given not in FORMATS:
            raise unknown("format", given, FORMATS)
        return given
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".zip"]:
        inside = packed_table(path)
        if inside is not None:
            return SUFFIXES[Path(inside).suffix.lower()]
    if suffixes[-1:] and suffixes[-1] in PACKED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    head = head_of(path)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:5] in _BEGINNINGS:  # both are often saved as .txt
        return _BEGINNINGS[head.removeprefix(b"\xef\xbb\xbf").lstrip()[:5]]
    looks = looks_like(head)
    if looks:
        raise BadInput(f"{path.name!r} looks like {looks}. Give a CSV, TSV, JSONL, JSON, Parquet or XLSX file.")
    raise BadInput(
        f"Cannot tell the format of {path.name!r} from its suffix {suffix!r}. Known: {', '.join(SUFFIXES)} (text "
        f"formats also with {', '.join(PACKED)}); or name it: {option('format', 'csv')}."
    )


_BEGINNINGS = {b"TY  -": "ris", b"PMID-": "nbib"}


def packed_table(path: Path) -> str | None:
    """The name of the one table in a ZIP archive; None where it holds none, or `path` is no ZIP archive.

    Raises:
        BadInput: Several tables, or a damaged archive.
    """
    return table_inside(path, PACKABLE) if path.suffix.lower() == ".zip" else None


def read_file(
    path: Path,
    form: str,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool = True,
    sheet: str | int | None = None,
    scheme: str | None = None,
) -> Table:
    """Read a file of one of `FORMATS`.

    Args:
        path: The file; text formats may be packed by gzip, bzip2, xz or Zstandard (seen by content, whatever the name),
            or lie alone in a ZIP archive.
        form: One of `FORMATS`.
        encoding: Of a text format; default UTF-8, UTF-16/32 where a byte order mark says so, and Windows-1252 where the
            bytes are not UTF-8 and make sense as that.
        delimiter: Of a CSV or TSV: one sign, or "tab"; default by the first lines.
        header: Whether the first row of a CSV, TSV or sheet names the columns; else they are column_1, column_2, …
        sheet: Of a workbook, by name or number from 1; default the first.
        scheme: How the tags of a file with a token a line are written, one of `conll.SCHEMES`; default by the tags.

    Raises:
        BadInput: Not such a file, damaged as a whole, empty, or with two columns of one name; an option that does not
            go with the format.
        MissingExtra: A package that reads this format is not installed.
    """
    how = Reading(encoding, delimiter, header, sheet, scheme)
    _check_options(how, form)
    try:
        return _read(path, form, how)
    except PermissionError:
        raise BadInput(f"No permission to read {str(path)!r}. Change its owner or mode (chmod u+r).") from None


def _check_options(how: Reading, form: str) -> None:
    """Refuse what would change nothing."""
    rules = (
        ("encoding", how.encoding is not None, TEXT_FORMATS),
        ("delimiter", how.delimiter is not None, ("csv", "tsv")),
        ("header", not how.header, ("csv", "tsv", "xlsx")),
        ("sheet", how.sheet is not None, ("xlsx",)),
    )
    for name, given, forms in rules:
        if given and form not in forms:
            what = named(name) if name != "header" else "A table without a header"
            raise BadInput(f"{what} goes with {', '.join(forms)}; this file is read as {form}. Leave it out.")


def _read(path: Path, form: str, how: Reading) -> Table:
    """Each reader is loaded where it is needed, with the library that it may need."""
    if form == "parquet":
        from askwise.formats.parquet import read_parquet

        budget.check_parquet(path)
        return read_parquet(path)
    if form == "xlsx":
        from askwise.formats.workbook import read_xlsx

        budget.check_workbook(path)
        return read_xlsx(path, how)
    if form == "spacy":
        from askwise.formats.docbin import read_docbin

        return read_docbin(path)
    opened = partial(unpacked, path, PACKABLE, lines=form not in ("json", "endnote"), cells=form in ("csv", "tsv"))
    if form == "endnote":
        from askwise.formats.references import read_endnote

        with opened() as stream:
            return read_endnote(stream, path)
    if form in ("csv", "tsv"):
        from askwise.formats.delimited import read_csv

        usual = "\t" if form == "tsv" else None
        return read_lines(opened, path.name, how.encoding, partial(read_csv, how=how, usual=usual))
    from askwise.formats import conll, objects, references

    readers: dict[str, Callable[[Lines], Table]] = {
        "jsonl": objects.read_jsonl,
        "json": objects.read_json,
        "ris": references.read_ris,
        "nbib": references.read_nbib,
        "conll": partial(conll.read_conll, scheme=how.scheme),
    }
    return read_lines(opened, path.name, how.encoding, readers[form])


# ── a first line that is no header ──────────────────────────────────────────────────────────


def names_that_look_like_data(table: Table, usual: Sequence[str]) -> Sentence | None:
    """What to do where the line that was taken for the header looks like a row; None where it does not.

    Args:
        table: Read with a header.
        usual: Names of columns that are never taken for data.
    """
    if table.first is None:
        return None
    names = [name for name in table.columns if name.lower() not in usual]
    alone = len(table.columns) == 1
    odd = next((name for name in names if alone or _like_data(name, table.columns[name])), None)
    if odd is None:
        return None
    return Sentence(
        f"Line {table.first} was taken as the header ({_short(odd)} names a column). If it is data: "
        f"{option('header', False)}."
    )


def _like_data(name: str, cells: list[Any]) -> bool:
    """A value of its own column, a sentence, or a number that is no year."""
    if name in map(str, cells[:1000]) or len(name) > 60 or len(name.split()) > 4 or name.endswith((".", "!", "…")):
        return True
    try:
        return not 1500 <= float(name) < 2200
    except ValueError:
        return False


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:39] + "…")


# ── data frames ─────────────────────────────────────────────────────────────────────────────


def is_frame(source: object) -> bool:
    """True for a pandas or polars frame (and whatever behaves alike), without importing either."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__") and hasattr(source, "to_dict")


def read_frame(source: Any) -> Table:
    """The columns of a pandas or polars frame; the index is left out."""
    keys = list(source.columns)
    names = unique([clean_name(str(key)) for key in keys], type(source).__name__)
    if not names or len(source) == 0:
        raise BadInput(f"The {type(source).__name__} has {len(names)} columns but no rows: nothing to label.")
    return Table({name: list(source[key].to_list()) for name, key in zip(names, keys, strict=True)})
