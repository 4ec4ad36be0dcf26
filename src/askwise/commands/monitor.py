"""The verbs of `askwise monitor`: whether a certificate still holds of items that come later."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from askwise import completion
from askwise.commands.model import is_saved_model
from askwise.commands.opening import check_writable, needed, open_session
from askwise.commands.options import (
    ADDRESS,
    NOTHING_SAID,
    BeganEncoder,
    BeganLearner,
    BeganStrategy,
    ByteOrderMark,
    Raw,
    Reading,
    Trust,
    place,
    reads_file,
)
from askwise.commands.saying import aside, said, say

if TYPE_CHECKING:
    from askwise.monitor import Kept

FIRST = 300
"""Of the new items, so many are what later ones are compared with, where nothing else is said."""
NO_LONGER, CANNOT_TELL = 1, 3
"""How verbs end."""
verbs = typer.Typer(
    help="Whether a certificate still holds of items that come later: still holds, cannot tell, no longer.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
MonitorFile = Annotated[
    Path,
    typer.Argument(
        metavar="MONITOR", autocompletion=completion.monitors, help="The file that `askwise monitor begin` made."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what is known as JSON.")]


@verbs.command()
@reads_file
def begin(
    source: Annotated[
        Any,
        typer.Argument(
            metavar="SESSION|MODEL",
            parser=place,
            autocompletion=completion.models,
            help=f"A session, {ADDRESS}, whose model is saved beside MONITOR; or a saved model (.skops).",
        ),
    ] = None,
    monitor: Annotated[
        Path | None, typer.Argument(metavar="MONITOR", help="The file to keep it in: name.json.")
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option("--max-error", metavar="SHARE", help="Of the model's labels; default as certified, or 0.02."),
    ] = None,
    confidence: Annotated[float, typer.Option("--confidence", metavar="SHARE", help="Of what is said.")] = 0.95,
    check_share: Annotated[
        float, typer.Option("--check-share", metavar="SHARE", help="Of the new items a person checks.")
    ] = 0.1,
    least: Annotated[
        float | None,
        typer.Option(
            "--least", metavar="SHARE", help="How sure the model must be to label an item; default as certified."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", metavar="FILE", help="Items of the usual kind that were held back before the session began."
        ),
    ] = None,
    first: Annotated[
        int,
        typer.Option("--first", metavar="N", help="Without a reference: compare with the first N new items; 0: none."),
    ] = FIRST,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="COLUMN", help="Column of the texts in the reference.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Decides which items are checks; default drawn, and kept in MONITOR.")
    ] = None,
    how: Reading = NOTHING_SAID,
    trust: Trust = None,
    as_json: AsJson = False,
    strategy: BeganStrategy = None,
    learner: BeganLearner = None,
    encoder: BeganEncoder = None,
) -> None:
    """Begin to watch a model. Nobody is blind to it any more: no certificate can hand over what is open now."""
    import secrets

    from askwise import monitor as monitors
    from askwise import watching
    from askwise.core import BadInput
    from askwise.model import load
    from askwise.options import option

    source = needed(source, "monitor begin SESSION MONITOR")
    if monitor is None:
        raise BadInput(f"Where is it to be kept? Give a file: askwise monitor begin {source} monitor.json")
    if monitor.suffix.lower() != ".json":
        raise BadInput(f"A monitor is kept in a JSON file; got {monitor.name!r}. Name it {monitor.stem}.json.")
    check_writable(monitor)
    monitors.free(monitor)
    if reference is None and (text or how):
        raise BadInput(f"How a file is read goes with one: {option('reference')}.")
    terms: dict[str, Any] = {
        "confidence": confidence, "check_share": check_share, "least": least,
        "seed": secrets.randbelow(1 << 32) if seed is None else seed,
    }  # fmt: skip
    if is_saved_model(source):
        model = load(source, trusted=trust or ())
        compared = watching.reference(reference, model, text or (), how) if reference else first or None
        if max_error is None:
            max_error = 0.02
        kept = monitors.Kept.begin(monitor, model, _seen_from(source, monitor), compared, max_error=max_error, **terms)
    else:
        with open_session(source, strategy=strategy, learner=learner, encoder=encoder) as session:
            compared = first or None
            if reference:
                compared = watching.reference(reference, session.pool, text or (), how)
            kept = monitors.of_session(session, monitor, compared, max_error=max_error, trusted=trust or (), **terms)
    if as_json:
        _print(kept)
        return
    terms = kept.monitor.terms
    say(
        f"Watches {kept.model_file}: of its labels of new items at most {terms['max_error']:.6g} may be wrong, and it "
        + ("labels what it is as sure of as of items that were certified." if terms["least"] is None
           else f"labels what it is {terms['least']:.6g} sure of."),
        f"Kept in {monitor}, which knows the guesses on checks: not for those who answer them.",
        f"Next:  askwise monitor take {monitor} FILE --out labeled.csv",
    )  # fmt: skip


@verbs.command()
@reads_file
def take(
    monitor: MonitorFile,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="New items, as for `askwise predict`; - for standard input.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Ends in .csv, .tsv, .jsonl, .parquet or .xlsx; default prints."),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="What to print: csv, tsv or jsonl.")] = "csv",
    checks: Annotated[
        Path | None,
        typer.Option("--checks", metavar="FILE", help="Write all checks that wait here, to be filled in."),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COLUMN", help="Column of the texts (or paths); again for more."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Count a file anew that was taken before.")] = False,
    how: Reading = NOTHING_SAID,
    raw: Raw = False,
    bom: ByteOrderMark = False,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Label new items, draw checks among them, and say the verdict. Ends with 1 where it is "no longer"."""
    from askwise import predict, watching
    from askwise.core import BadInput, unknown

    if to not in predict.TO:
        raise unknown("format for --to", to, predict.TO)
    if as_json and out is None:
        raise BadInput("--json prints what is known, so the labels need a file: give --out FILE with it.")
    for path in (out, checks):
        if path is not None:
            check_writable(path)
    kept = _opened(monitor, trust)
    watching.take(
        kept, file, out=out, to=to, checks=checks, text=text or (), how=how, again=again, raw=raw, bom=bom, tell=aside
    )
    _end(kept, as_json=as_json, tell=aside)


@verbs.command()
def checks(
    monitor: MonitorFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Ends in .csv, .tsv, .jsonl, .parquet or .xlsx; default prints."),
    ] = None,
    raw: Raw = False,
    trust: Trust = None,
) -> None:
    """Write the checks that wait for a person, to be filled in and given to `askwise monitor answer`."""
    from askwise import watching

    if out is not None:
        check_writable(out)
    wrote = watching.write_checks(_opened(monitor, trust), out, raw=raw)
    aside(f"{wrote:,} wait. Fill in the column label, or anything in unsure where it cannot be decided.")


@verbs.command()
@reads_file
def answer(
    monitor: MonitorFile,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `askwise monitor checks` wrote it, filled in.")],
    new: Annotated[bool, typer.Option("--new", help="Labels may be ones that the model does not know.")] = False,
    how: Reading = NOTHING_SAID,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Take the answers to checks from a file; a number told again is corrected."""
    from askwise import watching

    kept = _opened(monitor, trust)
    taken, wrong = watching.answers(kept, file, how, new=new, tell=aside)
    aside(f"{taken:,} answers are in {monitor}.")
    for one in wrong[:5]:
        aside(f"  {said(one)}")
    if wrong:
        aside(f"{len(wrong):,} rows of {file} were not taken; the others are. Mend them, and give the file again.")
    _end(kept, as_json=as_json, tell=say, code=2 if wrong else None)


@verbs.command()
def check(monitor: MonitorFile, trust: Trust = None, as_json: AsJson = False) -> None:
    """Answer the checks that wait, in the terminal, one key an answer; every answer is saved at once."""
    from askwise import terminal
    from askwise.core import BadInput

    kept = _opened(monitor, trust)
    if kept.model.item_kind.files:
        raise BadInput("A terminal shows no images and plays no recordings. Use askwise monitor checks, and answer.")
    given = terminal.check(kept, said=said)
    kept.look()
    aside(f"{given:,} answers recorded, saved in {monitor}.")
    _end(kept, as_json=as_json, tell=say)


@verbs.command()
def status(monitor: MonitorFile, trust: Trust = None, as_json: AsJson = False) -> None:
    """Say the verdict. Ends with 0 where it still holds, 3 where one cannot tell, 1 where it is "no longer"."""
    kept = _opened(monitor, trust)
    _end(kept, as_json=as_json, tell=say, cannot_tell=CANNOT_TELL)


def _opened(monitor: Path, trust: list[str] | None) -> Kept:
    from askwise.monitor import Kept

    return Kept.open(monitor, trusted=trust or ())


def _seen_from(model: Path, monitor: Path) -> str:
    """The model's place as seen from the folder of the monitor, so that both can be moved together."""
    import os

    try:
        return Path(os.path.relpath(model.resolve(), monitor.resolve().parent)).as_posix()
    except ValueError:  # on another drive
        return str(model.resolve())


def _print(kept: Kept) -> None:
    import json

    status = kept.monitor.status()
    data = {"monitor": str(kept.place), "title": kept.title, "model": kept.model_file, **asdict(status)}
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _end(kept: Kept, *, as_json: bool, tell: Any, code: int | None = None, cannot_tell: int = 0) -> None:
    """Say what is known, and end with what it is."""
    status = kept.monitor.status()
    if as_json:
        _print(kept)
    else:
        tell(status.sentence)
        if status.waiting:
            tell(f"{status.waiting:,} checks wait:  askwise monitor check {kept.place}")
        if status.reference_left:
            tell(f"Looks are compared after {status.reference_left:,} more items.")
        if status.verdict == "no longer":
            tell("The model is to learn anew: label some of the new items in a session, certify, begin a new monitor.")
    ends = {"still holds": 0, "cannot tell": cannot_tell, "no longer": NO_LONGER}
    raise typer.Exit(ends[status.verdict] if code is None else code)
