"""Which columns of a table are the text, the id and the label."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, cast

from askwise.core import BadInput
from askwise.options import option
from askwise.tables import (
    Table,
    holds_objects,
    names_that_look_like_data,
    nested,
    paths,
)
from askwise.values import fold, missing, written

TEXT_NAMES = (
    *("text", "texts", "message", "messages", "body", "content", "sentence", "utterance"),
    *("comment", "review", "tweet", "document", "question"),
)
"""Column names that say that they hold the text."""
SAMPLE = 1000
"""Values looked at to tell a column of texts from one of numbers."""


def taken_over_note(labels: Sequence[Any], by_model: int) -> str:
    """What is said of labels that an export of ours brings."""
    kept = sum(not missing(label) and label != "" for label in labels)
    left = f"; those of {by_model:,} rows were given by a model, and are left open" if by_model else ""
    return f"This is an export of Askwise: the ids and {kept:,} labels by people are taken over{left}."


def shown_beside(table: Table, address: dict[str, Any]) -> set[str]:
    """The columns that are shown and not learned from, by their exact names from now on."""
    if "show" not in address:
        return set()
    address["show"] = several_columns(table, "show", address["show"])
    return set(address["show"])


def several_columns(table: Table, what: str, names: Iterable[Any]) -> list[str]:
    """The names of several columns, each of which is there."""
    return [cast("str", column_of(table, what, name)) for name in names]


def column_of(table: Table, what: str, name: Any) -> Any:
    """The column of this name, if need be but for signs that cannot be seen; what is no name as it is.

    What lies in objects becomes a column that is named by its path.

    Raises:
        BadInput: There is no such column.
    """
    if not isinstance(name, str) or name in table.columns:
        return name
    alike = [known for known in table.columns if fold(known) == fold(name)]
    if len(alike) == 1:
        return alike[0]
    cells = nested(table.columns, name)
    if cells is None:
        raise _no_column(what, name, table)
    table.columns[name] = cells
    return name


def join_columns(table: Table, names: list[str]) -> str:
    """The name of a column that holds the texts of these, one below the other; made where they are several."""
    if not names:
        raise BadInput(f"{option('text', [])} names no column. Name one or several, or leave it out.")
    joined = " + ".join(names)
    while len(names) > 1 and joined in table.columns:
        joined += " "
    if len(names) > 1:
        parts = zip(*(table.columns[name] for name in names), strict=True)
        flaws = {row: what for name in names for row, what in table.flaws.get(name, {}).items()}
        table.flaws |= {joined: flaws} if flaws else {}
        table.columns[joined] = [
            "\n\n".join(written(cell).strip() for cell in row if not missing(cell)).strip() for row in parts
        ]
    return joined


def _check_columns(table: Table, *wanted: tuple[str, Any]) -> None:
    for what, name in wanted:
        if isinstance(name, str) and name not in table.columns:
            raise _no_column(what, name, table)


def _no_column(what: str, name: str, table: Table) -> BadInput:
    names = [*table.columns, *paths(table.columns)]
    close = difflib.get_close_matches(name, names, n=1)
    if not close:
        close = [known for known in names if known.lower() == name.strip().lower()]
    hint = f" Did you mean {close[0]!r}?" if close else f" Name one of them with {option(what)}."
    shown = ", ".join(map(repr, names[:40])) + (", …" if len(names) > 40 else "")
    return BadInput(f"No column {name!r} for {what}. The columns are {shown}.{hint}{_maybe_data(table)}")


def _maybe_data(table: Table) -> str:
    note = names_that_look_like_data(table, TEXT_NAMES)
    return f" {note.marked}" if note else ""


def choose_text_column(table: Table, taken: set[str]) -> tuple[str, str]:
    """The obvious text column with the reason, or `BadInput` where none is obvious."""
    free = [name for name in table.columns if name not in taken and not holds_objects(table.columns[name])]
    if len(free) == 1:
        return free[0], "the only column" + (" left" if taken else "")
    named = [name for name in free if name.lower() in TEXT_NAMES]
    if len(named) == 1:
        return named[0], "by its name"
    wordy = [name for name in free if _holds_words(table.columns[name])]
    if not named and len(wordy) == 1:
        return wordy[0], "the only one that does not hold numbers"
    names = [*table.columns, *paths(table.columns)]
    shown = ", ".join(map(repr, names[:40])) + (", …" if len(names) > 40 else "")
    raise BadInput(
        f"Which column holds the text? The columns are {shown}. Name it with {option('text')}.{_maybe_data(table)}"
    )


def _holds_words(values: Sequence[Any]) -> bool:
    seen = [value for value in values[:SAMPLE] if value is not None and value != ""]
    return bool(seen) and all(isinstance(value, str) for value in seen) and not all(map(is_number, seen))


def is_number(value: str) -> bool:
    """Whether a text is a number."""
    try:
        float(value)
    except ValueError:
        return False
    return True
