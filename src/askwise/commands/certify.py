"""Verbs about what is proved: `autolabel`, `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from askwise.commands.opening import needed, open_session
from askwise.commands.options import BeganEncoder, BeganLearner, BeganStrategy, SessionFile, TargetName
from askwise.commands.saying import say

if TYPE_CHECKING:
    from askwise.core import Target


def autolabel(
    session_file: SessionFile = None,
    max_error: Annotated[
        list[str] | None,
        typer.Option(
            "--max-error",
            help="Largest share of wrong labels to allow, such as 0.02; or for a class, such as spam=0.001, again for "
            "each class to hand over.",
        ),
    ] = None,
    confidence: Annotated[float | None, typer.Option("--confidence", help="Such as 0.95.")] = None,
    target: TargetName = None,
    by_doubt: Annotated[
        float,
        typer.Option(
            "--by-doubt",
            metavar="SHARE",
            help="Draw so much of the checks' weight where the model doubts, such as 0.5: fewer checks on hard pools.",
        ),
    ] = 0.0,
    again: Annotated[bool, typer.Option("--again", help="Try another region after an attempt that has ended.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the model's labels back.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Give up the attempt that is being checked.")] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the checks of an attempt that had ended, as answers were changed."),
    ] = False,
    strategy: BeganStrategy = None,
    learner: BeganLearner = None,
    encoder: BeganEncoder = None,
) -> None:
    """Certify what the model is sure of, then let it label that. Ends with 1 when refused."""
    from askwise.core import TARGETS, BadInput, one_of

    if target not in (None, *TARGETS):
        raise BadInput(f"--target is {one_of(TARGETS)}, got {target!r}.")
    if undo + cancel + resume + again > 1:
        raise BadInput("--again, --undo, --cancel and --resume are different things; give one.")
    session_file = needed(session_file, "autolabel SESSION")
    with open_session(session_file, strategy=strategy, learner=learner, encoder=encoder) as session:
        if undo:
            session.undo_autolabel()
            say("The model's labels are taken back; those items are open again.")
            return
        if cancel:
            session.cancel_autolabel()
            say("The attempt is given up; its share of the allowed chance of error stays spent.")
            return
        last = session.autolabel_status()
        ended = last is not None and last.status != "checking"
        if resume:
            result = session.resume_autolabel()
        elif last is not None and ended and not again:
            # Attempts are few: asking how the last one ended must not begin the next.
            result = last
        else:
            result = session.autolabel(
                max_error=_limits(max_error),
                confidence=confidence,
                target=cast("Target | None", target),
                by_doubt=by_doubt,
            )
    say(result.reason, *(c.unsaid for c in result.certificates if c.unsaid))
    if ended and not again and not resume:
        say(f"That was the last attempt. Another region:  askwise autolabel {session_file} --again")
    if result.resumable is not None:
        more = f"{result.resumable:,} more if all go well" if result.resumable else "the answers decide already"
        say(f"Answers were changed, so its checks can go on ({more}):  askwise autolabel {session_file} --resume")
    if result.status == "certified":
        say(f"Next:  askwise export {session_file} labeled.csv", f"       askwise report {session_file}")
    elif result.status == "checking":
        say(
            f"Next:  askwise label {session_file}   (the next questions are the blind checks)",
        )
    else:
        say(f"Next:  askwise label {session_file}")
        raise typer.Exit(1)


def _limits(given: list[str] | None) -> float | dict[str, float] | None:
    """0.02, or class=0.02 for each class."""
    from askwise.core import BadInput

    if not given:
        return None
    way_out = "Give one share such as 0.02, or class=share for each class, such as --max-error spam=0.001."
    pairs = [text.rpartition("=") for text in given]
    try:
        values = [float(value) for _, _, value in pairs]
    except ValueError:
        raise BadInput(f"--max-error {' '.join(given)!r} holds something that is not a number. {way_out}") from None
    if len(given) == 1 and not pairs[0][1]:
        return values[0]
    if not all(equals for _, equals, _ in pairs) or len({name for name, _, _ in pairs}) < len(pairs):
        raise BadInput(f"--max-error {' '.join(given)!r}: a class twice, or a share without a class. {way_out}")
    return {name: value for (name, _, _), value in zip(pairs, values, strict=True)}


def verify(
    session_file: SessionFile = None,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="HEX", help="From a certificate or report: is this the same log?"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute every certificate from the log alone. Ends with 1 when something does not come out."""
    import dataclasses
    import json

    from rich.text import Text

    from askwise import verification
    from askwise.report import printable

    session_file = needed(session_file, "verify SESSION")
    found = verification.verify(session_file, fingerprint=fingerprint)
    if as_json:
        typer.echo(json.dumps({"ok": found.ok, **dataclasses.asdict(found)}, ensure_ascii=False, indent=2))
    else:
        marks = {True: ("✓ ", "green"), False: ("✗ ", "bold red"), None: ("· ", "yellow")}
        for line in found.shown():
            say(Text.assemble(marks[line.ok], printable(line.sentence)))
        say(f"Fingerprint of the log as it is now: {found.fingerprint}")
        if found.ok:
            say("Nothing failed. Somebody with the file could write another log; compare a fingerprint from before.")
        else:
            failed = sum(f.ok is False and f.check != "certificate" for f in found.findings)
            say(Text(f"{failed:,} findings: this log does not prove what it claims.", style="bold red"))
    if not found:
        raise typer.Exit(1)
