"""What an uploaded file is: whether it can be one, its columns, and what they may be for."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, Field

from askwise.budget import MAX_UNPACKED
from askwise.core import BadInput
from askwise.export import exported
from askwise.formats.conll import TEXT, TOKENS
from askwise.formats.marked import TAGS, marked
from askwise.media import Archive, check_archive, folders
from askwise.options import on_page, render
from askwise.pool import TEXT_NAMES, holds_paths, is_packed_table, kinds
from askwise.tables import (
    PACKED,
    SUFFIXES,
    Table,
    file_format,
    holds_objects,
    names_that_look_like_data,
    nested,
    paths,
    read_file,
)

MAX_UPLOAD = 500 << 20
"""Bytes of one upload."""
SHOWN = 50
"""Problems, classes and columns that are listed one by one; beyond, only their number."""
EXAMPLES = 3
LONGEST = 120
"""Characters of an example."""
ACCEPTED = (*SUFFIXES, ".txt", *PACKED, ".zip")
"""Last suffixes; what a .txt or a .gz holds is seen when it is read."""
LOOKED_AT = 200
"""Rows by which it is seen whether spans are marked in them."""
PATHS = 50
"""Paths into objects that are listed beside the columns."""


class Sent(BaseModel):
    """A file that is sent, and how it is to be read where that cannot be seen."""

    name: str = Field(min_length=1, max_length=1000, description="Of the file.")
    format: str | None = Field(default=None, max_length=20, description="Such as csv or jsonl; null = by its name.")
    encoding: str | None = Field(default=None, max_length=40, description="Such as cp1252; null = find out.")
    delimiter: str | None = Field(default=None, max_length=20, description="One sign, or tab; null = find out.")
    sheet: str | None = Field(default=None, max_length=100, description="Name or number; null = the first.")
    header: bool = Field(default=True, description="Whether the first row names the columns.")

    def how(self) -> dict[str, Any]:
        """What was said, for `load_pool`."""
        told = self.model_dump(include={"format", "encoding", "delimiter", "sheet"})
        said = {name: value for name, value in told.items() if value}
        return said if self.header else said | {"header": False}


def check_upload(path: Path) -> None:
    """Refuse what is made to fill memory or disk, before anything of it is unpacked.

    Raises:
        BadInput: It would become too large, or grows as no honest file does.
    """
    name = path.name
    with path.open("rb") as stream:
        head = stream.read(4)
    if head[:2] == b"PK":
        try:
            with zipfile.ZipFile(path) as archive:
                check_archive(archive, name, most=MAX_UNPACKED)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
            raise BadInput(f"{name!r} is a damaged ZIP archive: {error}.") from None


def describe(path: Path, *, format: str | None = None, **how: Any) -> dict[str, Any]:  # noqa: A002
    """What an upload holds, as `Upload` without its name.

    Args:
        path: The file.
        format: As for `load_pool`.
        how: As for `read_file`.
    """
    form = "zip"
    if path.suffix.lower() == ".zip" and not is_packed_table(path):
        names = Archive(path).names()
        if not names:
            raise BadInput(f"{path.name!r} is an archive without files.")
        where = folders(names, packed=True)
        table = Table({"file": list(names), "folder": where})
        grouped = 2 <= len(set(where)) <= max(2, len(names) // 2)
        kind = kinds.SUFFIXES.get(Counter(map(_ending, names)).most_common(1)[0][0], "image")
        proposal = {"kind": kind, "text": ["file"], "label": "folder" if grouped else None, "id": None}
    else:
        form = file_format(path, format)
        table = read_file(path, form, **how)
        table.notes += [note] if (note := names_that_look_like_data(table, TEXT_NAMES)) else []
        proposal = propose(table)
        if (spans := _with_spans(table, proposal)) is not None:
            proposal = spans
            table.notes.append("Spans are marked in these texts.")
    problems = [table.problem(row, what) for row, what in sorted(table.bad.items())]
    return {
        "rows": len(table),
        "columns": [_column(name, values) for name, values in list(_offered(table).items())[:1000]],
        "problems": [{"row": p.row, "line": p.line, "what": render(p.what, on_page)} for p in problems[:SHOWN]],
        "problems_in_all": len(problems),
        "notes": [render(note, on_page) for note in table.notes],
        "proposal": proposal,
        "read_as": {"format": form, **table.read_as},
    }


def _offered(table: Table) -> dict[str, Sequence[Any]]:
    """The columns, and what lies in objects by its path."""
    inside = {path: nested(table.columns, path) or [] for path in paths(table.columns)[:PATHS]}
    return {**table.columns, **inside}


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def propose(table: Table) -> dict[str, Any]:
    """Kind and columns by names and values; where nothing is obvious the first column of words."""
    known = exported(table.columns)
    if known is not None:  # what people said before is taken over, what the export added is not learned from
        found = propose(Table({n: values for n, values in table.columns.items() if n not in known.ours}))
        return found | {"label": known.label, "id": known.item}
    columns = {name: cells for name, cells in _offered(table).items() if not holds_objects(cells)}
    if table.texts:
        return {"kind": "text", "text": list(table.texts), "label": None, "id": None}
    label = next((n for n in columns if n.lower() in ("label", "labels", "class", "category", "target", "y")), None)
    name = next((n for n in columns if n.lower() in ("id", "uid", "uuid", "key", "item", "item_id")), None)
    if name is not None and len(set(map(str, columns[name]))) < len(columns[name]):
        name = None
    free = [n for n in columns if n not in (label, name)]
    paths = [(n, kind) for n in free if (kind := holds_paths(columns[n]))]
    if paths:
        return {"kind": paths[0][1], "text": [paths[0][0]], "label": label, "id": name}
    usual = [n for n in free if n.lower().rpartition(".")[2] in TEXT_NAMES]
    texts = usual or sorted(free, key=lambda n: -_letters(columns[n]))
    kind = "text" if usual or not texts or len(free) == 1 or _letters(columns[texts[0]]) >= 12 else "table"
    return {"kind": kind, "text": free if kind == "table" else texts[:1], "label": label, "id": name}


def _with_spans(table: Table, proposal: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is proposed where the answers are spans in texts; None where they are not."""
    few = Table({name: cells[:LOOKED_AT] for name, cells in table.columns.items()}, texts=table.texts)
    few.read_as = table.read_as
    named = next(iter(proposal["text"]), TEXT)
    text = TEXT if TEXT in few.columns or TOKENS in few.columns else named
    try:
        column = marked(few, text=text).read_as["marked"]
    except BadInput:  # neither texts nor tokens: an answer would have nothing to be about
        return None
    if column is None:
        known = exported(table.columns)
        written = few.columns.get(known.label or "", []) if known else []
        if not any(isinstance(cell, str) and cell.startswith("[[") for cell in written):
            return None
        return {**proposal, "task": "spans"}
    held = [cell for cell in few.columns.get(column, ()) if isinstance(cell, list) and cell]
    if column not in TAGS and any(not isinstance(cell[0], list | dict) for cell in held):  # several labels an item
        return None
    label = None if table.read_as.get("marked") else column
    texts = [text] if text in few.columns else []
    name = proposal["id"] if proposal["id"] not in (*texts, label) else None
    return {"kind": "text", "text": texts, "label": label, "id": name, "task": "spans"}


def _letters(values: Sequence[Any]) -> float:
    """Mean number of letters of a value; 0 for numbers."""
    seen = [str(value) for value in values[:200] if value is not None]
    return sum(sum(map(str.isalpha, value)) for value in seen) / max(1, len(seen))


def _column(name: str, values: Sequence[Any]) -> dict[str, Any]:
    filled = [value for value in values if value is not None and value != ""]
    examples = list(dict.fromkeys(str(value)[:LONGEST] for value in filled[:200]))[:EXAMPLES]
    return {"name": name, "examples": examples, "filled": len(filled), "different": len(set(map(str, filled)))}


def safe_name(name: str) -> str:
    """The last part of a file name as letters, digits, space and `._()-`; never empty, hidden, or a folder."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    kept = re.sub(r"[^\w .()-]", "_", last).strip(" .")
    stem, dot, suffix = kept.partition(".")
    return (stem[:80].strip() or "data") + dot + suffix[-20:]
