"""The verb `check`: how good labels are that exist already, and which may stay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from askwise import completion
from askwise.commands import asking
from askwise.commands.opening import check_writable, is_session, part, refuse_options
from askwise.commands.options import (
    ADDRESS,
    NOTHING_SAID,
    ByteOrderMark,
    EncoderName,
    NoBrowser,
    Port,
    Raw,
    Reading,
    TextColumns,
    flags,
    place,
    reads_file,
)
from askwise.commands.saying import aside, say

if TYPE_CHECKING:
    from askwise.checking import LabelCheck, LabelQuality
    from askwise.core import Interval

NONE = "none"
"""Encoder by which nothing is learned from texts or rows."""
MOST_LINES = 20
"""Classes, and slices, of which numbers are printed."""


@reads_file
def check(
    file: Annotated[
        Any,
        typer.Argument(
            metavar="[FILE]",
            parser=place,
            autocompletion=completion.data,
            help="A table with labels by a model or by anybody; or a check to go on with (*.check.askwise).",
        ),
    ] = None,
    guess: Annotated[
        list[str] | None,
        typer.Option("--guess", metavar="COLUMN", help="Column of the labels; again for other opinions on the rows."),
    ] = None,
    confidence: Annotated[
        list[str] | None,
        typer.Option("--confidence", metavar="COLUMN", help="Column of numbers, the higher the surer; again for more."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="COLUMN", help="Say the accuracy for each value of a column; again for more."),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            "--max-error",
            metavar="SHARE",
            help="Find out which labels may stay, at most this share of all wrong; default says how good they are.",
        ),
    ] = None,
    level: Annotated[float | None, typer.Option("--level", metavar="SHARE", help="How sure; default 0.95.")] = None,
    text: TextColumns = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,C", help="Further labels that people may give.")
    ] = None,
    wrong_first: Annotated[
        bool,
        typer.Option("--wrong-first", help="Without --max-error: half of the questions are the most doubtful."),
    ] = False,
    simulate: Annotated[
        str | None,
        typer.Option("--simulate", metavar="COLUMN", help="Nobody is asked: a column of true labels answers."),
    ] = None,
    most: Annotated[int | None, typer.Option("--most", metavar="N", min=1, help="Of --simulate: most answers.")] = None,
    rest: Annotated[bool, typer.Option("--rest", help="Go on with what is open, the most doubtful first.")] = False,
    only_say: Annotated[bool, typer.Option("--status", help="Ask nothing: say what is known.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the rows with what became of each label (.csv, .jsonl, …)."),
    ] = None,
    session_file: Annotated[
        Any,
        typer.Option(
            "--session", metavar="PATH", parser=place, help=f"Where it is kept, or {ADDRESS}; default beside FILE."
        ),
    ] = None,
    encoder: EncoderName = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of the random order and the coins; default drawn, so nobody knows it.")
    ] = None,
    how: Reading = NOTHING_SAID,
    raw: Raw = False,
    bom: ByteOrderMark = False,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Ask here instead of in the browser, as where keys come from a pipe.")
    ] = False,
    port: Port = None,
    no_browser: NoBrowser = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is known as JSON.")] = False,
) -> None:
    """Look at labels that exist already: how good are they, and which may stay without a person?

    Asks in the browser, or here with --terminal. Go on later with the same command.
    """
    from askwise.core import BadInput

    if file is None:
        raise BadInput("Which file? Give a table with labels: askwise check FILE --guess COLUMN")
    if out is not None:
        check_writable(out)
    if most is not None and simulate is None:
        raise BadInput("--most goes with --simulate, which answers by itself.")
    asks = simulate is None and not only_say
    way = {"--terminal": terminal or None, "--port": port, "--no-browser": no_browser or None}
    if not asks and (said_how := [name for name, value in way.items() if value is not None]):
        raise BadInput(f"{', '.join(said_how)} says where people are asked, and nobody is; leave it out.")
    # Keys from a pipe, or from nowhere, are for the terminal; who names a port means the page, which needs none.
    here = not asks or terminal or not (sys.stdin.isatty() or port is not None or no_browser)
    begun = {
        "--guess": guess, "--confidence": confidence, "--by": by, "--max-error": max_error, "--level": level,
        "--text": text, "--labels": labels, "--wrong-first": wrong_first or None, "--seed": seed,
        "--simulate": simulate, **flags(how),
    }  # fmt: skip
    given = [name for name, value in begun.items() if value is not None]
    known = is_session(file)
    where = file if known else session_file or _beside(file)
    if known and session_file is not None:
        raise BadInput(f"{file} is a check already; leave out --session.")
    ways: dict[str, Any] = {"terminal": here, "port": port, "no_browser": no_browser}
    with asking.meanwhile(**ways, what="Check labels", tell=aside) as waiting:
        if known or (simulate is None and not isinstance(where, str) and _exists(where)):
            one = _opened(where, {name: begun[name] for name in given}, encoder)
        else:
            one = _begun(
                file, guess, confidence, by, max_error, level, text, labels, wrong_first, simulate, encoder, seed, how,
                (session_file if simulate else where),
            )  # fmt: skip
    with one:
        if simulate is not None:
            one.simulate(most=most)
        elif asks:
            asking.look_at_labels(one, where, rest=rest, waiting=waiting, **ways)
        if out is not None:
            wrote = one.export(out, raw=raw, bom=bom)
            aside(f"{wrote:,} rows are in {out}.")
        if as_json:
            _print_json(one)
        else:
            _report(one)
            _next(one, where if simulate is None else session_file, out)


def _opened(where: Any, given: dict[str, Any], encoder: str | None) -> LabelCheck:
    """A check that exists; what is given with it must be what it began with."""
    from askwise.checking import LabelCheck

    one = LabelCheck.open(where, encoder=_encoder(encoder) if encoder else None)
    terms = one.state.terms
    same = {"--guess": terms["guess"], "--confidence": terms["confidence"], "--by": terms["by"],
            "--max-error": terms["max_error"], "--level": terms["level"]}  # fmt: skip
    same |= {"--text": given.get("--text")} if " + ".join(given.get("--text", ())) in terms["text"] else {}
    other = [name for name, value in given.items() if name not in same or same[name] != value]
    if other:
        one.close()
        refuse_options(where, other)
    aside(f"Goes on with {where}.")
    return one


def _begun(
    file: Any, guess: Any, confidence: Any, by: Any, max_error: float | None, level: float | None, text: Any,
    labels: str | None, wrong_first: bool, simulate: str | None, encoder: str | None, seed: int | None, how: Reading,
    where: Any,
) -> LabelCheck:  # fmt: skip
    from askwise.checking import LabelCheck
    from askwise.core import BadInput
    from askwise.store import discard, place

    if not guess:
        raise BadInput(f"Which column holds the labels that are to be checked? askwise check {file} --guess COLUMN")
    fresh = where is not None and not _exists(where)
    options: dict[str, Any] = {"level": level} if level is not None else {}
    try:
        one = LabelCheck(
            file, guess, confidence, by=by, max_error=max_error, text=text or None, labels=_several(labels),
            wrong_first=wrong_first, encoder=_encoder(encoder), truth=simulate, seed=seed, store=where, how=how,
            **options,
        )  # fmt: skip
    except BaseException:
        if fresh:
            discard(place(where))
        raise
    for note in one.notes:
        aside(note)
    if where is not None:
        aside(f"Kept in {where}, which knows what is checked and the coins: not for those who look.")
    return one


def _beside(file: Path) -> Path:
    """`mail.csv` → `mail.check.askwise`."""
    from askwise.commands.opening import session_path
    from askwise.recent import CHECK

    return session_path(file).with_suffix(CHECK)


def _exists(where: Any) -> bool:
    from askwise.store import exists, place

    return exists(place(where))


def _encoder(name: str | None) -> Any:
    return False if name == NONE else part("encoder", name)


def _several(labels: str | None) -> list[str]:
    import csv

    return [label.strip() for label in next(csv.reader([labels]))] if labels else []


# ── what is said ────────────────────────────────────────────────────────────────────────────


def _report(one: LabelCheck) -> None:
    now, good = one.status(), one.quality()
    say(now.sentence)
    if now.unsaid:
        say("Said of all of them together, and not of each label:")
        say(*(f"  {line}" for line in now.unsaid[:MOST_LINES]), *_more(len(now.unsaid)))
    say("", good.sentence)
    if not (good.drawn or good.swept):
        return
    say(f"Cohen's kappa: {_shown(good.kappa)}", "Each line holds by itself:")
    for c, (name, truly) in list(zip(good.classes, good.shares, strict=True))[:MOST_LINES]:
        say(
            f"  {c.label}: precision {_shown(c.precision)}, recall {_shown(c.recall)}, F1 {_shown(c.f1)}",
            f"  share that people would call {name}: {_shown(truly)}",
        )
    say(*_more(len(good.classes)), *_slices(good))
    for name, accuracy in good.others:
        say(f"  labels of {name}: accuracy {_shown(accuracy)}")


def _slices(good: LabelQuality) -> list[str]:
    lines = [f"  {s.column} = {s.value} ({s.size:,} labels): accuracy {_shown(s.accuracy)}" for s in good.slices]
    return lines[: 3 * MOST_LINES]


def _more(many: int) -> list[str]:
    return [f"  … and {many - MOST_LINES:,} more; --json has all"] if many > MOST_LINES else []


def _shown(value: Interval) -> str:
    from askwise.core import between, chance

    about = "" if value.estimate is None else f"about {chance(value.estimate)}, "
    return f"{about}between {between(value.low, value.high)}"


def _next(one: LabelCheck, where: Any, out: Path | None) -> None:
    if where is None:
        return
    now = one.status()
    lines = [f"askwise verify {where}"]
    if out is None:
        lines.insert(0, f"askwise check {where} --status --out checked.csv")
    if now.phase != "done":
        lines.insert(0, f"askwise check {where}")
    elif now.open:
        lines.insert(0, f"askwise check {where} --rest   ({now.open:,} are open)")
    say(*(f"{'Next:' if not place else '     '}  {line}" for place, line in enumerate(lines)))


def _print_json(one: LabelCheck) -> None:
    import json

    typer.echo(json.dumps(one.summary(), ensure_ascii=False, indent=2))
