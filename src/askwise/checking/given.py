"""What is given to a check: rows with labels by somebody, from a file, a frame or lists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from askwise.core import BadInput
from askwise.notices import progress
from askwise.options import named, option
from askwise.pool.columns import TEXT_NAMES, choose_text_column, column_of, join_columns, several_columns
from askwise.tables import (
    Table,
    file_format,
    find_file,
    is_frame,
    names_that_look_like_data,
    read_file,
    read_frame,
)
from askwise.values import Spelling, label_name, missing, plain, why_no_label, written

Names = str | Sequence[str] | None
MOST_SLICES = 50
"""Values of one column of `by`: a number for each of more says nothing."""


@dataclass
class Given:
    """Rows with labels, one item each."""

    cells: list[dict[str, Any]]
    """(n,) column → value, JSON-able."""
    columns: list[str]
    """Of the input, in their order."""
    text: list[str]
    """Columns that are shown and learned from; with none of them the row is shown, without what else is named here."""
    guesses: list[str]
    """Columns of labels, the one that is checked first."""
    confidences: list[str]
    by: list[str]
    truth: str | None = None
    """A column that is not shown, and read by who simulates."""
    labels: list[list[str]] = field(default_factory=list)
    """Of each column in `guesses` (n,) labels in one spelling; "" = none."""
    numbers: list[list[float | None]] = field(default_factory=list)
    """Of each column in `confidences` (n,) numbers; None = none."""
    truths: list[str] = field(default_factory=list)
    """(n,) of the column `truth`; empty without one."""
    notes: list[str] = field(default_factory=list)
    title: str = ""
    """Name of the file."""


def given(
    source: Any,
    *,
    guess: Any,
    confidence: Any = None,
    by: Names = None,
    text: Names = None,
    truth: str | None = None,
    how: Mapping[str, Any] | None = None,
) -> Given:
    """Read what is to be checked.

    Args:
        source: Path of a table, a pandas or polars frame, or a list of texts.
        guess: Column of the labels that are there; several = the first is checked, the others are signals. With texts,
            a list of labels.
        confidence: Column, or columns, of numbers: the higher, the surer. With texts, a list of numbers.
        by: Column, or columns, by whose values the accuracy is said, too.
        text: Column, or columns, of the text; default as `load_pool` chooses. [] = none, the row is shown.
        truth: Column of known labels, which nobody is shown.
        how: How a file is read; see `load_pool`.

    Raises:
        BadInput: No such file or column, no labels, or a confidence that is no number.
    """
    how, title = dict(how or {}), ""
    if isinstance(source, str | Path):
        path = find_file(source)
        title = path.name
        form = file_format(path, how.pop("format", None))
        with progress(f"reading {path.name}"):
            table = read_file(path, form, **how)
        if text is None and (note := names_that_look_like_data(table, TEXT_NAMES)):
            table.notes.append(note)
    elif is_frame(source):
        table = read_frame(source)
    else:
        table, guess, confidence = _of_lists(source, guess, confidence)
        text = "text"
    found = _of_table(table, guess, confidence, by, text, truth)
    found.title = title
    return found


def _of_lists(source: Any, guess: Any, confidence: Any) -> tuple[Table, str, str | None]:
    if isinstance(source, Mapping | bytes) or not hasattr(source, "__iter__"):
        raise BadInput(
            f"Cannot check a {type(source).__name__}. Give a file, a pandas or polars frame, or a list of texts."
        )
    texts = list(source)
    columns: dict[str, list[Any]] = {"text": texts}
    for name, values in (("guess", guess), ("confidence", confidence)):
        if values is None and name == "confidence":
            continue
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise BadInput(f"Texts in a list have no columns: {named(name)} is a list with one value for each text.")
        columns[name] = list(values)
        if len(columns[name]) != len(texts):
            raise BadInput(f"{named(name)} holds {len(columns[name]):,} values for {len(texts):,} texts.")
    return Table(columns), "guess", None if confidence is None else "confidence"


def _of_table(table: Table, guess: Any, confidence: Any, by: Names, text: Names, truth: str | None) -> Given:
    columns = list(table.columns)
    guesses = several_columns(table, "guess", _listed(guess))
    if not guesses:
        raise BadInput(f"Which column holds the labels that are to be checked? Name it with {option('guess')}.")
    confidences = several_columns(table, "confidence", _listed(confidence))
    slices = several_columns(table, "by", _listed(by))
    known = None if truth is None else column_of(table, "truth", str(truth))
    apart = {*guesses, *confidences, *slices, *([known] if known else [])}
    if known in guesses:
        raise BadInput(
            f"{known!r} is the column of labels to be checked, and cannot be the truth that they are held to."
        )
    shown = _text_of(table, text, apart)
    for name in slices:
        values = {written(value) for value in table.columns[name]}
        if len(values) > MOST_SLICES:
            raise BadInput(
                f"The column {name!r} has {len(values):,} values; {named('by')} takes {MOST_SLICES} at most."
            )
    names = list(dict.fromkeys([*columns, *shown, *apart]))
    found = Given(
        cells=[{name: plain(table.columns[name][row]) for name in names} for row in range(len(table))],
        columns=columns,
        text=shown,
        guesses=guesses,
        confidences=confidences,
        by=slices,
        truth=known,
        numbers=[_numbers(table, name) for name in confidences],
    )
    _spell(found, table)
    found.notes = [*map(str, table.notes), *found.notes]
    return found


def _listed(names: Any) -> list[Any]:
    """Names of columns as text: those of a frame may be numbers."""
    if names is None:
        return []
    return [str(name) for name in names] if isinstance(names, list | tuple) else [str(names)]


def _text_of(table: Table, text: Names, apart: set[str]) -> list[str]:
    if text is not None:
        names = several_columns(table, "text", _listed(text))
        return [join_columns(table, names)] if len(names) > 1 else names
    if all(name in apart for name in table.columns):
        return []
    name, why = choose_text_column(table, apart)
    table.notes.append(f"The texts are taken from column {name!r} ({why}).")
    return [name]


def _numbers(table: Table, name: str) -> list[float | None]:
    found: list[float | None] = []
    for row, value in enumerate(table.columns[name]):
        if missing(value) or value == "":
            found.append(None)
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise BadInput(
                f"A confidence is a number, the higher the surer; row {row + 1} of {name!r} has {str(value)[:40]!r}. "
                "Mend it, leave the cell empty, or name another column."
            )
        found.append(number)
    return found


def _spell(given: Given, table: Table) -> None:
    """Labels in one spelling; what can be none is left out, and said."""
    spelling = Spelling()
    for name in given.guesses:
        column = []
        for row, value in enumerate(table.columns[name]):
            label = "" if row in table.bad else label_name(value)
            if label is None:
                given.notes.append(f"Row {row + 1} has in {name!r} a label {why_no_label(value)}; it counts as none.")
            column.append(spelling.of(label) if label else "")
        given.labels.append(column)
    if table.bad:
        row, why = next(iter(table.bad.items()))
        given.notes.append(
            f"{len(table.bad):,} rows could not be read, and are left open; the first is row {row + 1}: {why}."
        )
    without = given.labels[0].count("")
    if without == len(given.cells):
        raise BadInput(f"The column {given.guesses[0]!r} holds no labels. Name another with {option('guess')}.")
    if without:
        given.notes.append(
            f"{without:,} rows have no label in {given.guesses[0]!r}; they are left open, and not counted."
        )
    if given.truth is not None:
        for row, value in enumerate(table.columns[given.truth]):
            label = label_name(value)
            if not label:
                raise BadInput(
                    f"The column {given.truth!r} has no label in row {row + 1}. A simulation needs all of them."
                )
            given.truths.append(spelling.of(label))
