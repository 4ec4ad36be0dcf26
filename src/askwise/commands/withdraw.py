"""The verb `withdraw`: items out of a session for good."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from askwise.commands.opening import needed, open_session
from askwise.commands.options import SessionFile
from askwise.commands.saying import say


def withdraw(
    session_file: SessionFile = None,
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
    from askwise.withdrawing import rows_of

    session_file = needed(session_file, "withdraw SESSION ID …")
    if ids and listed is not None:
        raise BadInput("Give the ids, or --from a file of them, not both.")
    wanted = list(ids or []) if listed is None else _read(listed)
    with open_session(session_file) as session:
        count = len(rows_of(wanted, {name: row for row, name in enumerate(session.pool.ids)}))
        if not yes:
            _confirm(count, session_file)
        found = session.withdraw(wanted, annotator=by, reason=reason)
    say(found.sentence)


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
    say(f"{items} of {where} would be gone for good: what they hold, and what people said of them teaches no more.")
    if not typer.confirm("This cannot be undone. Withdraw?", default=False):
        raise typer.Exit(1)
