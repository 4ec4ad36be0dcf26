"""Verbs that give what a session holds: `report`, `export`, `copy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from askwise.commands.opening import check_writable, is_session, needed, open_session
from askwise.commands.options import ADDRESS, ByteOrderMark, Raw, SessionFile, place
from askwise.commands.saying import console, say


def report(
    session_file: SessionFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write one self-contained HTML file here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    price_per_hour: Annotated[
        float | None,
        typer.Option("--price-per-hour", metavar="MONEY", help="Of people's time: what the labels left will cost."),
    ] = None,
    price_of_error: Annotated[
        float | None,
        typer.Option("--price-of-error", metavar="MONEY", help="Of a wrong label: whether the next labels pay."),
    ] = None,
) -> None:
    """Show what is labeled, how good the model is, what is proved, what it cost."""
    from askwise import report as reports

    session_file = needed(session_file, "report SESSION")
    with open_session(session_file) as session:
        found = session.report(price_per_hour=price_per_hour, price_of_error=price_of_error)
    if out is not None:
        check_writable(out)
        say(f"wrote {reports.write_html(found, out)}")
    if as_json:
        typer.echo(reports.to_json(found))
    elif out is None:
        console().print(reports.to_rich(found))


def export(
    session_file: SessionFile = None,
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="Ends in .csv, .tsv, .jsonl, .parquet or .xlsx; spans also .conll, .spacy."),
    ] = None,
    guesses: Annotated[
        bool,
        typer.Option(
            "--guesses",
            help="Also what the model guesses of items that nobody labeled; no certificate can hand these over then.",
        ),
    ] = False,
    raw: Raw = False,
    bom: ByteOrderMark = False,
) -> None:
    """Write every row of the data with its label, who gave it, and how sure that is."""
    from askwise.core import BadInput

    if out is None and session_file is not None and is_session(session_file):
        raise BadInput(f"Where to? Give a file to write: askwise export {session_file} labeled.csv")
    if out is None or session_file is None:  # nothing was given, or only the file to write
        needed(None, "export SESSION labeled.csv")
        return
    with open_session(session_file) as session:
        rows = session.export(out, guesses=guesses, raw=raw, bom=bom)
    say(f"wrote {rows:,} rows to {out}")


def copy(
    source: SessionFile = None,
    target: Annotated[
        Any, typer.Argument(metavar="TARGET", parser=place, help=f"A new file (*.askwise), or {ADDRESS}.")
    ] = None,
) -> None:
    """Copy a session with its whole log, from a file into a database or back. Never overwrites."""
    from askwise.core import BadInput
    from askwise.store import copy_log

    source = needed(source, "copy SESSION TARGET")
    if target is None:
        raise BadInput(f"Where to? Give a new file, or {ADDRESS}: askwise copy {source} TARGET")
    events, fingerprint = copy_log(source, target)
    say(
        f"Copied {events:,} events from {source} to {target}.",
        f"Fingerprint of both logs: {fingerprint}",
        f"Answers given from now on are in the one they are given to. Go on:  askwise label {target}",
    )
