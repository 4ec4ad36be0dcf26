"""What `askwise predict` does: a file or standard input in, labels with confidence out."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from askwise import budget, export
from askwise.core import BadInput
from askwise.model import Model, Said, beside, load, through
from askwise.model.card import NEW_ITEMS
from askwise.model.said import say_of
from askwise.options import option
from askwise.pool import Pool, kinds, load_pool

if TYPE_CHECKING:
    from askwise.session import Session

INPUT = "-"
"""Instead of a file: what comes in on standard input."""
TO = ("csv", "tsv", "jsonl")
"""What can be written to standard output."""
Tell = Callable[[object], None]


def predict(
    source: Session | Path,
    file: str,
    *,
    out: Path | None = None,
    to: str = "csv",
    text: Sequence[str] | None = None,
    how: Mapping[str, Any] | None = None,
    trusted: Sequence[str] = (),
    raw: bool = False,
    bom: bool = False,
    tell: Tell,
) -> None:
    """Write each row of the data with what a model says of it, to a file or to standard output.

    Args:
        source: An open session, or a saved model.
        file: Data, as `load_pool` takes it, or "-": lines, each a text, or what `how` says of their format.
        out: Ends as an export does; None = standard output.
        to: One of `TO`, for standard output.
        text: Columns of the items; default those that the model learned from, where the data has them.
        how: Further arguments for `load_pool`.
        trusted: Names of types that the model's file may hold, see `model.load`.
        raw: CSV: leave cells as they are that a spreadsheet would run as formulas.
        bom: CSV: begin with a byte order mark.
        tell: Is told what a person should know; not written among the labels.

    Raises:
        BadInput: Data, options or a model that cannot be used.
    """
    if out is not None:
        export.ending(out)
        if not out.parent.is_dir():
            raise BadInput(f"The folder {out.parent} does not exist; make it first, or choose another.")
        if file != INPUT and out.resolve() == Path(file).resolve():
            raise BadInput(f"{str(out)!r} is the data, which stays as it is. Write to another file.")
    model: Model | None = None
    if trusted and not isinstance(source, Path):
        raise BadInput(f"{option('trusted')} goes with a saved model; a session loads no such types. Leave it out.")
    if isinstance(source, Path):
        model = load(source, trusted=trusted)
        kind, columns = model.kind, list(model.card.columns) if model.card else []
    else:
        kind, columns = source.pool.kind, source.pool.made_of()
    if kinds.get(kind).features:
        raise BadInput("This model takes rows of features, not a file. Call model.predict(X) from Python.")
    with opened(file, how or {}) as (place, more):
        pool = items_of(place, kind, list(text or ()), columns, more)
        for note in pool.notes:
            tell(note)
        if pool.problems:
            first = pool.problems[0]
            tell(f"{len(pool.problems):,} problems in {file}; the first is in row {first.row}: {first.what}")
        if isinstance(source, Path):
            assert model is not None  # noqa: S101 - for the type checker
            said = say_of(model, pool.contents)
        else:
            said = through(source, list(pool.contents))
    rows = beside(pool, said)
    if out is not None:
        export.write_table(rows, out, raw=raw, bom=bom)
    else:
        export.write_rows(rows, output(), to, raw=raw, bom=bom)
    _summary(said, len(rows), out, tell)


def _summary(said: Said, rows: int, out: Path | None, tell: Tell) -> None:
    ask, hidden = int(said.ask.sum()), int(said.hidden.sum())
    where = "" if out is None else f" to {out}"
    tell(
        f"Wrote {rows:,} rows{where}: of {len(said.labels):,} different items, {len(said.labels) - ask:,} as sure as "
        f"items that were certified, {ask:,} for a person."
    )
    if said.noted:
        tell(
            f"The session notes that the guesses on {said.noted:,} of its items may have been seen: no certificate can "
            "hand over those of them that are open."
        )
    if hidden:
        tell(f"On {hidden:,} items nothing is said: they are like items of the session that wait for a blind check.")
    tell(NEW_ITEMS)


def items_of(place: Any, kind: str, text: list[str], columns: list[str], how: Mapping[str, Any]) -> Pool:
    """The data as items of the model's kind.

    Args:
        place: As `opened` gives it.
        kind: Of the items that the model takes.
        text: Columns of the items that were named; [] = those of `columns` that the data has.
        columns: Those that the model learned from.
        how: As `opened` gives it.

    Raises:
        BadInput: Data that cannot be used.
    """
    if isinstance(place, list):
        if kind != "text":
            raise BadInput(
                f"Lines on standard input are texts; this model takes items of the kind {kind!r}. Say their format: "
                f"{option('format', 'csv')}."
            )
        return load_pool(place)
    asked: dict[str, Any] = {"kind": kind, **how}
    if text or isinstance(kinds.get(kind), kinds.OfColumns):
        return load_pool(place, text=text or columns or None, **asked)
    try:
        return load_pool(place, **asked) if not columns else load_pool(place, text=_several(columns), **asked)
    except BadInput as error:
        if not columns or "No column" not in str(error):
            raise
        return load_pool(place, **asked)  # the data has other columns than those that the model learned from


def _several(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


@contextlib.contextmanager
def opened(file: str, how: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """(where the data is, or the lines themselves; how to read it).

    Args:
        file: A file, or "-".
        how: Arguments for `load_pool`, as far as they were said.

    Raises:
        BadInput: Standard input is empty, too large, or in no format that was named.
    """
    if file != INPUT:
        yield Path(file), how
        return
    came = _input()
    if "format" not in how:
        if how:
            raise BadInput(f"{option(next(iter(how)))} goes with a format: {option('format', 'csv')}.")
        try:
            yield [line for line in came.decode("utf-8-sig").splitlines() if line.strip()], {}
        except UnicodeDecodeError as error:
            raise BadInput(
                f"Standard input is not UTF-8 ({error.reason} at byte {error.start:,}). Say what it is: "
                f"{option('format', 'csv')} {option('encoding', 'cp1252')}."
            ) from None
        return
    with tempfile.TemporaryDirectory(prefix="askwise-") as folder:
        path = Path(folder) / f"standard-input.{how['format']}"
        path.write_bytes(came)
        yield path, how


def _input() -> bytes:
    """All of standard input."""
    stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
    came = stream.read(budget.MAX_UNPACKED + 1)
    came = came if isinstance(came, bytes) else came.encode()
    if len(came) > budget.MAX_UNPACKED:
        raise BadInput(f"Over {budget.MAX_UNPACKED >> 30} GB on standard input, the most that is read. Divide it.")
    if not came.strip():
        raise BadInput("Standard input is empty. Give at least one line.")
    return came


def output() -> IO[bytes]:
    """Standard output, for bytes."""
    return cast("IO[bytes]", getattr(sys.stdout, "buffer", None) or _Text())


class _Text(io.RawIOBase):
    """Standard output that takes text only, as in a notebook."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return sys.stdout.write(bytes(data).decode())
