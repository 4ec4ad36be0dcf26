"""Verbs that change a session without asking: `add`, `labels`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from askwise.commands.opening import needed, open_session, read_text
from askwise.commands.options import NOTHING_SAID, IdColumn, LabelColumn, Reading, SessionFile, reads_file
from askwise.commands.saying import say


@reads_file
def add(
    session_file: SessionFile = None,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="More items, in any format that `askwise label` reads.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COLUMN", help="Column that holds the texts; default as the session has it."),
    ] = None,
    id_column: IdColumn = None,
    label_column: LabelColumn = None,
    how: Reading = NOTHING_SAID,
) -> None:
    """Add what is new in FILE to a session. What it has already is recognised; certificates speak of what they did."""
    from askwise.core import BadInput

    session_file = needed(session_file, "add SESSION FILE")
    if file is None:
        raise BadInput(f"What is to be added? Give a file: askwise add {session_file} more.csv")
    columns: dict[str, Any] = {"text": text or None, "id": id_column, "label": label_column, **how}
    with open_session(session_file) as session:
        found = session.add(file, **columns)
    say(found.sentence, *(f"  {problem}" for problem in found.problems[:5]))
    if len(found.problems) > 5:
        say(f"  … and {len(found.problems) - 5:,} more")
    if found.items:
        say(f"Next:  askwise label {session_file}   (they are asked when the model has ranked them)")


def labels(
    session_file: SessionFile = None,
    change: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHANGE]",
            help="rename A B, merge A B, split A, remove A, order A B …, describe A TEXT, title TEXT, guidelines FILE, "
            "undo; default lists them.",
        ),
    ] = None,
) -> None:
    """List the labels of a session, or change them, its title or its guidelines. Every change can be undone."""
    from askwise import changes

    session_file = needed(session_file, "labels SESSION")
    with open_session(session_file) as session:
        for line in changes.command(session.change, change or [], read=lambda name: read_text(Path(name))):
            say(line)
        for slip, meant in session.change.alike()[:5]:
            say(
                f"{slip!r} looks like {meant!r}. Merge:  "
                + shlex.join(["askwise", "labels", str(session_file), "merge", slip, meant])
            )
