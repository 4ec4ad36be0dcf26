"""What `askwise monitor` does with files: new items in, labels and checks out, answers in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from askwise import export
from askwise.core import BadInput
from askwise.export import PROBLEM, names_beside, own_column
from askwise.model.card import ASK
from askwise.model.said import COLUMNS
from askwise.monitor import Check, Kept, Lot
from askwise.options import Sentence, marked, option
from askwise.pool import Pool, kinds
from askwise.predict import INPUT, items_of, opened, output
from askwise.tables import file_format, find_file, read_file
from askwise.values import missing, plain

CHECK, LABEL, UNSURE = "check", "label", "unsure"
"""Columns of a file of checks: their number, and the two that a person fills in."""
Tell = Callable[[object], None]


def reference(file: str, of: Any, text: Sequence[str], how: Mapping[str, Any]) -> list[Any]:
    """Items of a file, each as often as it stands there, for `Monitor`.

    Args:
        file: See `predict`.
        of: The model, or the pool of the session, whose kind and columns they have.
        text: See `predict`.
        how: See `predict`.

    Raises:
        BadInput: Data that cannot be used.
    """
    with opened(file, how) as (place, more):
        columns = of.made_of() if isinstance(of, Pool) else columns_of(of)
        pool = items_of(place, of.kind, list(text), columns, more)
        return [pool.contents[row] for _, row in _in_order(pool)]


def columns_of(model: Any) -> list[str]:
    """Columns of the data that a model learned from."""
    return list(model.card.columns) if model.card else []


def take(
    kept: Kept,
    file: str,
    *,
    out: Path | None = None,
    to: str = "csv",
    checks: Path | None = None,
    text: Sequence[str] = (),
    how: Mapping[str, Any] | None = None,
    again: bool = False,
    raw: bool = False,
    bom: bool = False,
    tell: Tell,
) -> None:
    """Take the rows of a file into a monitor, and write each with what the model says of it.

    What is written is on the disk before the monitor counts it: who is killed in between does the same once more, and
    gets the same labels and the same checks.

    Args:
        kept: The monitor.
        file: See `predict`.
        out: See `predict`.
        to: See `predict`.
        checks: A file for all checks that wait then; see `write_checks`.
        text: See `predict`.
        how: See `predict`.
        again: Count the file anew, though it was taken before.
        raw: See `predict`.
        bom: See `predict`.
        tell: Is told what a person should know.

    Raises:
        BadInput: Data or options that cannot be used.
        Unreachable: Another process is changing the monitor.
        CannotWrite: No room, no permission.
    """
    given = None if file == INPUT else Path(file).resolve()
    if out is not None and checks is not None and out.resolve() == checks.resolve():
        raise BadInput(f"{str(out)!r} cannot hold both the labels and the checks. Give two files.")
    for path in (out, checks):
        if path is not None:
            export.ending(path)
            if path.resolve() in (given, kept.place.resolve()):
                raise BadInput(f"{str(path)!r} is the data, or the monitor, which stay as they are. Give another file.")
    with opened(file, how or {}) as (place, more):
        pool = items_of(place, kept.model.kind, list(text), columns_of(kept.model), more)
    for note in pool.notes:
        tell(note)
    if pool.problems:
        first = pool.problems[0]
        tell(f"{len(pool.problems):,} problems in {file}; the first is in row {first.row}: {first.what}")
    order = _in_order(pool)
    rows = _rows(pool)
    with kept.changing():
        lot = kept.take([pool.contents[row] for _, row in order], [rows[at] for at, _ in order], file, again=again)
        written = _beside(pool, [at for at, _ in order], rows, lot)
        if out is not None:
            export.write_table(written, out, raw=raw, bom=bom)
        else:
            export.write_rows(written, output(), to, raw=raw, bom=bom)
        if checks is not None:
            _write(kept.waiting(), checks, raw=raw)
    new = sum(number is not None for number in lot.checks)
    doubtful = int(np.count_nonzero(lot.ask)) - new
    tell(
        f"Wrote {len(written):,} rows{'' if out is None else f' to {out}'}: {len(order) - doubtful - new:,} labeled by "
        f"the model, {new:,} wait for a check, {doubtful:,} for a person because the model is not sure."
    )
    if lot.again:
        tell(f"{file} was taken before, and is not counted again. {option('again', True)} takes it as new items.")


def write_checks(kept: Kept, out: Path | None, *, to: str = "csv", raw: bool = False) -> int:
    """Write the checks that wait, to be filled in: the number, the row that it came in, no label; gives how many.

    Args:
        kept: The monitor.
        out: Ends as an export does; None = standard output.
        to: One of `predict.TO`, for standard output.
        raw: See `predict`.
    """
    return _write(kept.waiting(), out, to=to, raw=raw)


def _write(waiting: Sequence[Check], out: Path | None, *, to: str = "csv", raw: bool = False) -> int:
    columns = list(dict.fromkeys(name for check in waiting for name in check.row))
    names = names_beside(columns, (CHECK, LABEL, UNSURE))
    rows = [
        {names[CHECK]: check.number}
        | {name: check.row.get(name) for name in columns}
        | {names[LABEL]: None, names[UNSURE]: None}
        for check in waiting
    ]
    if not rows:
        if out is not None:
            with export.whole(out):
                pass  # an empty file, whatever the format: there is nothing to fill in
    elif out is None:
        export.write_rows(rows, output(), to, raw=raw)
    else:
        export.write_table(rows, out, raw=raw)
    return len(rows)


def answers(
    kept: Kept, file: Path, how: Mapping[str, Any], *, new: bool = False, tell: Tell
) -> tuple[int, list[Sentence]]:
    """Take the answers of a file of checks: (how many, what is wrong with the others).

    A row without a label, and without a mark in the column `unsure`, is still open. Answers that were taken before and
    are the same change nothing; others are corrections.

    Args:
        kept: The monitor.
        file: In any format that is read elsewhere, with a column `check` and a column `label`.
        how: Arguments for `read_file`, and the format.
        new: Labels that the model does not know are answers, too: it is wrong then.
        tell: Is told what a person should know.

    Raises:
        BadInput: The file cannot be read, or has no such columns.
        Unreachable: Another process is changing the monitor.
    """
    path = find_file(file)
    if not path.stat().st_size:  # as it is written where no check waits
        return 0, []
    options = dict(how)
    table = read_file(path, file_format(path, options.pop("format", None)), **options)
    for note in table.notes:
        tell(note)
    found = {name: own_column(name, table.columns) for name in (CHECK, LABEL, UNSURE)}
    if found[CHECK] is None or found[LABEL] is None:
        lacking = CHECK if found[CHECK] is None else LABEL
        raise BadInput(
            f"{file} has no column {lacking!r}, and answers are told by {CHECK!r} and {LABEL!r}: write the "
            "checks with `askwise monitor checks`, fill in the labels, and keep the other columns."
        )
    taken, wrong = 0, []
    with kept.changing():
        for row in range(len(table)):
            if row in table.bad:
                wrong.append(Sentence(f"row {row + 1}: {table.bad[row]}"))
                continue
            number, label, unsure = (None if name is None else table.columns[name][row] for name in found.values())
            if _empty(label) and _empty(unsure):
                continue
            try:
                if not _empty(label) and not _empty(unsure):
                    raise BadInput("It has a label, and a mark that it cannot be decided. Leave one of them out.")
                kept.tell(_number(number), None if _empty(label) else plain(label), new=new)
                taken += 1
            except BadInput as error:
                wrong.append(Sentence(f"row {row + 1}: {marked(error)}"))
    return taken, wrong


def _empty(cell: Any) -> bool:
    return missing(cell) or (isinstance(cell, str) and not cell.strip())


def _number(value: Any) -> int:
    try:
        return int(str(value).strip())
    except ValueError:
        raise BadInput(f"{value!r:.60} is no number of a check.") from None


# ── rows of the data ────────────────────────────────────────────────────────────────────────


def _in_order(pool: Pool) -> list[tuple[int, int]]:
    """(row of the data, row of the pool) of all that can be used, as they stand in the data."""
    return sorted((source, row) for row, sources in enumerate(pool.sources) for source in sources)


def _rows(pool: Pool) -> dict[int, dict[str, Any]]:
    """Row of the data → its cells, JSON-able; of lines, and of files, what stands for the item."""
    found = {}
    columns = pool.names()
    for source, row in _in_order(pool):
        if pool.record is not None and columns:
            cells = pool.record[source]
            found[source] = {name: plain(cells.get(name)) for name in columns}
        else:
            name = "text" if kinds.get(pool.kind) is kinds.TEXT else "item"
            found[source] = {name: kinds.get(pool.kind).as_text(pool.contents[row])}
    return found


def _beside(
    pool: Pool, sources: Sequence[int], rows: Mapping[int, Mapping[str, Any]], lot: Lot
) -> list[dict[str, Any]]:
    """A record for each row of the data with what is said of it."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    names = names_beside(columns, (*COLUMNS, CHECK))
    if pool.dropped:
        names |= names_beside(columns, [PROBLEM], prefixed=True)
    found: dict[int, dict[str, Any]] = {}
    for at, source in enumerate(sources):
        sure = float(lot.confidence[at])
        told = {
            "label": lot.labels[at] or None,
            "confidence": None if np.isnan(sure) else float(str(np.float32(sure))),  # the shortest that is the same
            "advice": ASK if lot.ask[at] else "",
            CHECK: lot.checks[at],
            PROBLEM: "",
        }
        found[source] = dict(rows[source]) | {name: told[what] for what, name in names.items()}
    for source, dropped in pool.dropped.items():
        told = {"label": None, "confidence": None, "advice": ASK, CHECK: None, PROBLEM: dropped.why}
        cells = {name: dropped.cells.get(name) for name in columns}
        found[source] = cells | {name: told[what] for what, name in names.items()}
    return [found[source] for source in sorted(found)]
