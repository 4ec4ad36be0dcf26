"""The one way in: `load_pool`, whatever it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from askwise.core import BadInput, unknown
from askwise.export import exported
from askwise.formats.conll import SCHEMES, SPANS, TEXT, TOKENS
from askwise.formats.marked import marked
from askwise.media import Archive, Folder, Source, folders
from askwise.notices import progress
from askwise.options import Sentence, option
from askwise.pool import kinds
from askwise.pool.arrays import from_array, from_sparse
from askwise.pool.build import WESTERN, build_pool, from_values
from askwise.pool.columns import (
    SAMPLE,
    TEXT_NAMES,
    choose_text_column,
    column_of,
    join_columns,
    several_columns,
    shown_beside,
    taken_over_note,
)
from askwise.pool.items import Pool
from askwise.pool.kinds import KINDS, Files, OfColumns, with_article
from askwise.tables import (
    Records,
    Table,
    file_format,
    find_file,
    is_frame,
    members,
    names_that_look_like_data,
    packed_table,
    read_file,
    read_frame,
)


def load_pool(
    source: Any,
    *,
    kind: str | None = None,
    text: str | Sequence[str] | None = None,
    id: str | Sequence[Any] | None = None,  # noqa: A002 - the word of the data, not the builtin
    label: str | Sequence[Any] | None = None,
    show: str | Sequence[str] | None = None,
    format: str | None = None,  # noqa: A002
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool = True,
    sheet: str | int | None = None,
    answers: str = "labels",
    scheme: str | None = None,
) -> Pool:
    """Load items to label; bad rows are reported in `problems`, the good ones load.

    Args:
        source: Path of a CSV, TSV, JSONL, JSON, Parquet or XLSX file, or of references as RIS, PubMed (NBIB) or EndNote
            XML (text formats also packed by gzip, bzip2, xz, Zstandard, or alone in a ZIP archive); a folder or a ZIP
            archive of images or recordings; a pandas or polars frame; strings in a list, tuple, series or iterator; an
            (n, d) NumPy array or memory map, or an (n, d) SciPy sparse matrix, of finite numbers.
        kind: What an item is: "text" (default); "image" or "audio", where `text` is a column of paths below the
            table's own folder; "table", a row with all its columns; "pair", two texts to compare in the two columns of
            `text`. A folder or an archive holds "image" or "audio", whatever there is more of; its columns are `file`
            and `folder`.
        text: Column that holds the text. Default: the only column, the one with a usual name (text, message, …), or
            the only one that does not hold numbers; `notes` says which was taken. Several columns, such as title and
            abstract, are joined to one text in the order given. What lies in objects has a path: `message.body`,
            `turns.0.text`; so for `id` and `label`.
        id: Column of unique names, or one value for each row. Default: a hash of the content.
        label: Column of labels that are already known, or one value for each row; blank, None and NaN mean open. For a
            multi-label session a value is a list of labels, or a text such as "a|b"; an empty list, or "(none)", says
            that none applies.
        show: Column, or columns, that people see with an item, and that are not learned from.
        format: "csv", "tsv", "jsonl", "json", "parquet", "xlsx", "ris", "nbib" or "endnote" where the suffix does not
            say.
        encoding: Text encoding of a file; default UTF-8, UTF-16/32 where a byte order mark says so, and Windows-1252
            where the bytes are not UTF-8 and make sense as that; `notes` says so.
        delimiter: Between the cells of a CSV: one sign, or "tab"; default the comma, ";", tab or "|", by its first
            lines.
        header: Whether the first row of a CSV or a sheet names the columns; else they are column_1, column_2, …
        sheet: Of a workbook, by name or number from 1; default the first.
        answers: What the labels are: "labels", or "spans" in the texts, as doccano, Prodigy, files with a token a line
            and lists of `tokens` and `tags` hold them; see docs/spans.md. Then `label` names the column that holds the
            spans; default the first that does.
        scheme: With spans, how tags are written: "bio", "bioes" or "io"; default by the tags that occur.

    Raises:
        BadInput: No such file or column, a binary file, nothing that loads, a matrix with NaN or infinity.
        MissingExtra: A package that reads this format is not installed.
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if answers not in ("labels", "spans"):
        raise unknown("kind of answers", answers, ("labels", "spans"))
    if scheme is not None and answers != "spans":
        raise BadInput(f"{option('scheme', scheme)} is how the tags of spans are written; these answers are labels.")
    if scheme is not None and scheme not in SCHEMES:
        raise unknown("scheme", scheme, SCHEMES)
    if isinstance(source, Pool):
        raise BadInput("This is a Pool already; load_pool takes what a pool is made from.")
    how: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter, "header": header, "sheet": sheet}
    plain = {"format": None, "encoding": None, "delimiter": None, "header": True, "sheet": None}
    given = [name for name, value in {"format": format, **how}.items() if value != plain[name]]
    if given and not isinstance(source, str | Path):
        shown = " and ".join(map(option, given))
        raise BadInput(f"{shown} {'goes' if len(given) == 1 else 'go'} with a file, not with {with_article(source)}.")
    if is_frame(source):  # its columns may be named by what is no text
        text, show = (_as_written(name, source, several=True) for name in (text, show))
        id, label = (_as_written(name, source) for name in (id, label))  # noqa: A001
    address: dict[str, Any] = {
        "kind": "list",
        "path": None,
        "text": None,
        "id": id if isinstance(id, str) else None,
        "label": label if isinstance(label, str) else None,
        "format": None,
        "encoding": encoding,
    }
    if answers != "labels":
        address |= {"answers": answers} | ({"scheme": scheme} if scheme else {})
    if show:
        address["show"] = [show] if isinstance(show, str) else list(show)
    if isinstance(source, str | Path):
        if place := _files_at(source, kind):
            if given:
                raise BadInput(f"{option(given[0])} goes with a table, not with a folder or an archive of files.")
            return _from_files(place, kind, id, label, address)
        path = find_file(source)
        form = file_format(path, format)
        address |= {"kind": "file", "path": str(path), "format": form}
        address |= {name: how[name] for name in ("delimiter", "header", "sheet") if name in given}
        with progress(f"reading {path.name}"):
            table = read_file(path, form, **how, scheme=scheme)
        if encoding is None and table.read_as.get("encoding") == WESTERN:
            address["encoding"] = WESTERN  # so that the same is read again
        return _from_table(table, kind, text, id, label, address)
    if is_frame(source):
        return _from_table(read_frame(source), kind, text, id, label, address | {"kind": "frame"})
    if kind not in (None, "text"):
        raise BadInput(f"{option('kind', kind)} goes with a file or a frame; the source is a {type(source).__name__}.")
    for name, value in (("text", text), ("id", id), ("label", label), ("show", show)):
        if isinstance(value, str) or (value is not None and name == "show"):
            raise BadInput(
                f"{option(name, value)} names a column, but a {type(source).__name__} has no columns."
                + ("" if name in ("text", "show") else f" Give one {name} for each row: {option(name)}[…].")
            )
    if hasattr(source, "tocsr"):
        return from_sparse(source, id, label, address | {"kind": "array"})
    if hasattr(source, "__array__") and not hasattr(source, "to_list"):
        if isinstance(source, np.ma.MaskedArray):
            raise BadInput("Got a masked array. Fill it in (array.filled(…)) or drop the masked rows first.")
        array = source if isinstance(source, np.memmap) else np.asarray(source)
        if array.ndim != 1 or array.dtype.kind not in "UOTS":
            return from_array(array, id, label, address | {"kind": "array"})
        source = array.tolist()
    if isinstance(source, Mapping | bytes) or not isinstance(source, Iterable):
        raise BadInput(
            f"Cannot make a pool from a {type(source).__name__}. Give a file (CSV, TSV, JSONL, Parquet), a pandas or "
            "polars frame, a list of strings, or an (n, d) array."
        )
    return from_values(Table({"text": list(source)}), "text", id, label, address)


def _as_written(name: Any, frame: Any, *, several: bool = False) -> Any:
    """The name of a column as text, where a frame has columns named by numbers, dates or tuples."""
    if name is None or isinstance(name, str):
        return name
    names = {key: str(key) for key in frame.columns}
    try:
        if name in names:
            return names[name]
    except TypeError:  # a list
        pass
    if several and isinstance(name, list | tuple):
        return [_as_written(one, frame) for one in name]
    return str(name) if several or not isinstance(name, Iterable) else name  # which there is not, or values


def _from_table(
    table: Table,
    kind: str | None,
    text: str | Sequence[str] | None,
    ids: str | Sequence[Any] | None,
    labels: str | Sequence[Any] | None,
    address: dict[str, Any],
) -> Pool:
    if text is None and not isinstance(ids, str) and not isinstance(labels, str):
        table.notes += [note] if (note := names_that_look_like_data(table, TEXT_NAMES)) else []
    known = exported(table.columns)
    if address.get("answers") == "spans" and known is None:
        table, text, labels = _with_spans(table, text, labels, address.get("scheme"))
    columns = list(table.columns)  # as they were before an export escaped their names
    text = (
        column_of(table, "text", text)
        if text is None or isinstance(text, str)
        else several_columns(table, "text", text)
    )
    ids, labels = column_of(table, "id", ids), column_of(table, "label", labels)
    apart = {name for name in (ids, labels) if isinstance(name, str)} | shown_beside(table, address)
    address |= {"id": ids if isinstance(ids, str) else None, "label": labels if isinstance(labels, str) else None}
    if address.get("answers") == "spans" and isinstance(labels, str) and table.read_as.get("marked"):
        address["label"] = table.read_as["marked"]  # so that a longer file is read as this one
    if text is None and kind in (None, "text") and table.texts:
        text = list(table.texts)
        table.notes.append(
            Sentence(f"The texts are {' and '.join(text)} of each record; {option('text')} names other columns.")
        )
    if known is not None:
        apart |= known.ours
        table.bad |= known.problems
        if ids is None or ids == known.item:
            ids = address["id"] = known.item
            table.fill_ids = True
        if labels is None or labels == known.label:
            labels, address["label"] = known.labels, known.label
            table.notes.append(taken_over_note(known.labels, known.by_model))
    items = kinds.get(kind or kinds.TEXT.name)
    if isinstance(items, OfColumns):
        pool = _from_columns(table, items, text, ids, labels, address, apart)
    elif isinstance(items, Files):
        pool = _from_paths(table, items, text, ids, labels, address, apart)
    else:
        if text is not None and not isinstance(text, str):
            text = join_columns(table, list(text))
        if text is None:
            text, why = choose_text_column(table, apart)
            table.notes.append(
                Sentence(f"The texts are taken from column {text!r} ({why}); {option('text')} names another.")
            )
        pool = from_values(table, text, ids, labels, address | {"text": text})
        pool.record = Records(table.columns)
    pool.columns = columns
    return pool


def _with_spans(
    table: Table, text: Any, labels: Any, scheme: str | None
) -> tuple[Table, str | Sequence[str] | None, Any]:
    """(the table with written answers in a column, the column of texts, that of the answers)."""
    text = text[0] if isinstance(text, list | tuple) and len(text) == 1 else text
    if not isinstance(text, str | None):
        raise BadInput(f"Spans lie in one text; {option('text')} names several columns. Give one.")
    name = text or next((name for name in (*table.texts, *TEXT_NAMES) if name in table.columns), None)
    if name is None and TOKENS not in table.columns:
        name, _ = choose_text_column(table, {labels} if isinstance(labels, str) else set())
    own = labels is not None and not isinstance(labels, str)
    found = marked(table, text=name or TEXT, answer=None if own else labels, scheme=scheme)
    return found, name or TEXT, labels if own else SPANS


def _from_columns(
    table: Table,
    kind: OfColumns,
    text: str | Sequence[str] | None,
    ids: Any,
    labels: Any,
    address: dict[str, Any],
    apart: set[str],
) -> Pool:
    named = [text] if isinstance(text, str) else list(text or ())
    names = kind.chosen(named, [name for name in table.columns if name not in apart])
    read = kind.reader(table.columns, names)
    pool = build_pool(table, kind, len(table), read, ids, labels, address | {"text": names})
    pool.record = Records(table.columns)
    return pool


def _files_at(source: str | Path, kind: str | None) -> Source | None:
    """A folder or a ZIP archive of files, or None where the source is neither (or the archive is a packed table)."""
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            return Folder(path.resolve())
        if path.suffix.lower() != ".zip" or not path.is_file():
            return None
        return None if is_packed_table(path, kind) else Archive(path.resolve())
    except (OSError, ValueError, RuntimeError):  # no name of a file at all: find_file says so
        return None


def is_packed_table(path: Path, kind: str | None = None) -> bool:
    """Whether a ZIP archive holds a table, and neither images nor recordings.

    Args:
        path: A file.
        kind: What its items shall be; None = by what it holds.
    """
    if path.suffix.lower() != ".zip" or kinds.are_files(kind):
        return False
    names = members(path)
    return not any(map(kinds.of_suffix, names)) and packed_table(path) is not None


def _from_files(place: Source, kind: str | None, ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    if kind is not None and not kinds.are_files(kind):
        raise BadInput(f"A folder or an archive holds images or recordings; {option('kind', kind)} goes with a table.")
    files, names, note = _of_one_kind(place.names(), kind)
    table = Table({"file": names, "folder": folders(names, packed=isinstance(place, Archive))})
    table.notes += [note] * bool(note)
    where = place.path if isinstance(place, Archive) else cast("Folder", place).root
    if not names:
        what = "an archive" if isinstance(place, Archive) else "a folder"
        raise BadInput(
            f"{str(where)!r} is {what} without images (JPEG, PNG, GIF, WebP) or recordings (WAV, MP3, OGG). Give one "
            "with such files, or with one table (.csv, .jsonl, …), or one file: .csv, .tsv, .jsonl, .parquet, "
            ".xlsx."
        )
    address |= {
        "kind": "file",
        "path": str(where),
        "files": ["zip" if isinstance(place, Archive) else "folder", str(where)],
    }
    ids, labels = column_of(table, "id", ids), column_of(table, "label", labels)
    shown_beside(table, address)
    loose = sum(not folder for folder in table.columns["folder"])
    if labels == "folder" and 0 < loose < len(names):
        table.notes.append(f"{loose:,} of {len(names):,} files lie in no folder of their own: they are open.")
    pool = _from_media(table, files, "file", place, ids, labels, address)
    pool.columns = list(table.columns)
    return pool


def _of_one_kind(names: list[str], kind: str | None) -> tuple[Files, list[str], str]:
    """The files of one kind.

    Args:
        names: All files.
        kind: A kind of files; None = whatever there is most of, the first where there is as much of others.

    Returns:
        (kind, names of that kind, a note on what was left out or "").
    """
    found = [kinds.of_suffix(name) for name in names]
    counts = Counter(found)
    every = [one for one in kinds.REGISTRY.values() if isinstance(one, Files)]
    chosen = max((one for one in every if kind in (None, one.name)), key=lambda one: counts[one.name])
    left = [name for name, one in zip(names, found, strict=True) if one != chosen.name]
    other = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in left)
    shown = ", ".join(f"{count:,} {suffix}" for suffix, count in other.most_common(5))
    note = f"Files that are no {chosen.plural} are left out: {shown}." if other else ""
    return chosen, [name for name, one in zip(names, found, strict=True) if one == chosen.name], note


def _from_paths(
    table: Table,
    kind: Files,
    text: str | Sequence[str] | None,
    ids: Any,
    labels: Any,
    address: dict[str, Any],
    apart: set[str],
) -> Pool:
    if address["path"] is None:
        raise BadInput(
            f"{option('kind', kind.name)} goes with a file: the paths of a frame belong to no folder. Save it as a CSV."
        )
    named = [text] if isinstance(text, str) else list(text or ())
    if not named:
        named = [name for name in table.columns if name not in apart and holds_paths(table.columns[name]) == kind.name]
    if len(named) != 1:
        raise BadInput(
            f"Which column holds the paths? The columns are {', '.join(map(repr, table.columns))}. Name it with "
            f"{option('text')}."
        )
    root = Path(address["path"]).parent
    return _from_media(table, kind, named[0], Folder(root), ids, labels, address | {"files": ["folder", str(root)]})


def holds_paths(values: Sequence[Any]) -> str | None:
    """The kind ("image", "audio") of the files that a column names; None where it names none."""
    seen = [value for value in values[:SAMPLE] if value is not None and value != ""]
    found = {kinds.SUFFIXES.get("." + str(value).lower().rpartition(".")[2]) for value in seen}
    return found.pop() if len(found) == 1 else None


def _from_media(
    table: Table, kind: Files, column: str, place: Source, ids: Any, labels: Any, address: dict[str, Any]
) -> Pool:
    names = table.columns[column]
    pool = build_pool(table, kind, len(names), kind.reader(place, names), ids, labels, address | {"text": column})
    pool.record = Records(table.columns)
    return pool
