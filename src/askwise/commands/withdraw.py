"""The verb `withdraw`: items out of a session for good."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from askwise import completion


def _place(text: str) -> Any:
    from askwise.store import place

    return place(text)


def withdraw(
    session_file: Annotated[
        Any,  # a `Place`, whose type is not loaded here, or None
        typer.Argument(
            metavar="SESSION",
            parser=_place,
            autocompletion=completion.sessions,
            help="A session file (*.askwise), or postgresql://USER@HOST/DATABASE#NAME.",
        ),
    ] = None,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Of the items, as in an export.")] = None,
    listed: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="A file with one id a line; - for standard input.")
    ] = None,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who withdraws them, for the log.")] = "me",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> None:
    """Take items out of a session for good, as after a privacy request. It cannot be undone; the log still verifies."""
    from askwise.core import BadInput
    from askwise.options import on_page, render
    from askwise.report import printable
    from askwise.session import Session
    from askwise.withdrawing import rows_of

    if session_file is None:
        raise BadInput("Which session? askwise withdraw SESSION ID …")
    if ids and listed is not None:
        raise BadInput("Give the ids, or --from a file of them, not both.")
    wanted = list(ids or []) if listed is None else _read(listed)
    with Session.open(session_file) as session:
        count = len(rows_of(wanted, {name: row for row, name in enumerate(session.pool.ids)}))
        if not yes:
            _confirm(count, session_file)
        found = session.withdraw(wanted, annotator=by, reason=reason)
    typer.echo(printable(render(found.sentence, on_page)))


def _read(path: Path) -> list[str]:
    from askwise.core import BadInput

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"Cannot read the ids in {path}: {error}. Give a UTF-8 text file, one id a line.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _confirm(count: int, where: Any) -> None:
    from askwise.core import BadInput

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(
            "Nothing was withdrawn: it cannot be undone, and nobody is there who could be asked. Give --yes."
        )
    items = "1 item" if count == 1 else f"{count:,} items"
    typer.echo(
        f"{items} of {where} would be gone for good: what they hold, and what people said of them teaches no more."
    )
    if not typer.confirm("This cannot be undone. Withdraw?", default=False):
        raise typer.Exit(1)
