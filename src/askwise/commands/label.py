"""The verb `label`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from askwise import completion
from askwise.commands import asking, beginning
from askwise.commands.opening import (
    examples_in,
    is_code,
    is_session,
    load,
    open_session,
    part,
    read_text,
    refuse_options,
    session_path,
    setting,
)
from askwise.commands.options import (
    NOTHING_SAID,
    EncoderName,
    FirstSeed,
    Guidelines,
    IdColumn,
    LabelColumn,
    LearnerName,
    NewSession,
    NoBrowser,
    Port,
    Reading,
    ShownColumns,
    TargetName,
    TextColumns,
    TheStrategy,
    flags,
    place,
    reads_file,
)
from askwise.commands.saying import say


@reads_file
def label(
    file: Annotated[
        Any,
        typer.Argument(
            metavar="[FILE]",
            parser=place,
            autocompletion=completion.data,
            help="Data to label, or a session to go on with; default asks in the browser.",
        ),
    ] = None,
    text: TextColumns = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            autocompletion=completion.kinds,
            help="An item is a text (default), image, audio, table (row) or pair.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="A,B,C", help='The labels, as one line of a CSV: one with a comma in "…".'),
    ] = None,
    multilabel: Annotated[
        bool, typer.Option("--multilabel", help="An item may have several labels, or none of them.")
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="TASK",
            autocompletion=completion.tasks,
            help="What an answer is: one (label, default), sets (as --multilabel), or another with its options, as in "
            "number:tolerance=0.5,low=0,high=10.",
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option("--scheme", metavar="NAME", help="Of the tags of spans: bio, bioes or io; default by the tags."),
    ] = None,
    example: Annotated[
        list[str] | None,
        typer.Option(
            "--example",
            metavar="TEXT=LABEL",
            help="Words that items of a label may hold: asked first, while none has it; again for more.",
        ),
    ] = None,
    guess: Annotated[
        list[str] | None,
        typer.Option(
            "--guess",
            metavar="COLUMN",
            help="Labels that a model gave: learned from as hints, never truth, shown to nobody; again for more.",
        ),
    ] = None,
    guess_confidence: Annotated[
        list[str] | None,
        typer.Option("--guess-confidence", metavar="COLUMN", help="How sure each --guess is: any numbers."),
    ] = None,
    id_column: IdColumn = None,
    label_column: LabelColumn = None,
    show: ShownColumns = None,
    how: Reading = NOTHING_SAID,
    session_file: NewSession = None,
    strategy: TheStrategy = None,
    learner: LearnerName = None,
    encoder: EncoderName = None,
    overlap: Annotated[
        float | None,
        typer.Option("--overlap", metavar="SHARE", help="Of the questions, that others have answered; default 0."),
    ] = None,
    people_per_item: Annotated[
        int | None, typer.Option("--people-per-item", metavar="N", help="Who label an item at most; default 2.")
    ] = None,
    max_error: Annotated[
        float | None, typer.Option("--max-error", help="Share of wrong labels to plan for; default 0.02.")
    ] = None,
    target: TargetName = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Label here instead of in the browser.")] = False,
    port: Port = None,
    no_browser: NoBrowser = False,
    guidelines: Guidelines = None,
    seed: FirstSeed = None,
    no_recent: Annotated[
        bool, typer.Option("--no-recent", help="Do not note that this session was opened, and list none.")
    ] = False,
) -> None:
    """Label FILE: in the browser, or here with --terminal. Go on later with the same command.

    Without FILE it lists the sessions of this folder and those opened lately, and opens the page of a new project.
    """
    if no_recent:
        os.environ["ASKWISE_NO_RECENT"] = "1"
    advice = read_text(guidelines) if guidelines else ""
    from askwise.labelsets import labels_in_line
    from askwise.store import exists
    from askwise.tasks import get

    text, show = text or None, show or None
    fixed = {"--overlap": overlap, "--people-per-item": people_per_item, "--max-error": max_error, "--target": target,
             "--multilabel": multilabel or None, "--task": None if task is None else repr(get(task))}  # fmt: skip
    beside = {"--guess": guess or None, "--guess-confidence": guess_confidence or None}
    if file is None:
        given = {"--text": text, "--labels": labels, "--id": id_column, "--label": label_column, "--kind": kind,
                 "--session": session_file, "--strategy": strategy, "--learner": learner, "--encoder": encoder,
                 "--seed": seed, "--show": show, "--guidelines": guidelines, "--terminal": terminal or None,
                 "--scheme": scheme, "--example": example, **beside, **flags(how), **fixed}  # fmt: skip
        _new_project([name for name, value in given.items() if value is not None], port, no_browser)
        return
    if is_session(file):
        given = {"--kind": kind, "--text": text, "--labels": labels, "--id": id_column, "--label": label_column,
                 "--session": session_file, "--strategy": None if is_code(strategy) else strategy, "--seed": seed,
                 "--show": show, "--scheme": scheme, "--example": example, **beside, **flags(how), **fixed}  # fmt: skip
        refuse_options(file, [name for name, value in given.items() if value is not None])
    path = file if is_session(file) else session_file or session_path(file)
    where: dict[str, Any] = {"terminal": terminal, "port": port, "no_browser": no_browser}
    with asking.meanwhile(**where) as waiting:
        if path is file:
            session = open_session(path, encoder=encoder, learner=learner, strategy=strategy)
        else:
            answers = get(task or "one").answers
            marks = {"answers": answers, "scheme": scheme} if answers != "labels" or scheme else {}
            reading = {**how, **marks}
            pool = load(
                file, kind=kind, text=text, id_column=id_column, label_column=label_column, show=show, how=reading
            )
            if terminal:
                asking.check_terminal(pool)
            wanted = None if labels is None else labels_in_line(labels, "--labels", get(task or "one").fewest)
            examples = examples_in(example or ())
            if exists(path):
                refuse_options(path, [name for name, one in {"--example": example, **beside}.items() if one])
                session = beginning.go_on(
                    path, pool, wanted, strategy=strategy, learner=learner, encoder=encoder, seed=seed, fixed=fixed
                )
            else:
                begin: dict[str, Any] = {setting(name): value for name, value in fixed.items() if value is not None}
                begin |= {"guidelines": advice, "strategy": part("strategy", strategy) or "auto", "seed": seed or 0}
                begin |= {
                    "examples": examples,
                    "guesses": guess or None,
                    "guess_confidence": guess_confidence or None,
                    "learner": part("learner", learner),
                    "encoder": part("encoder", encoder),
                    "apart": not terminal,  # the page is served: what learns stands back from it
                }
                session = beginning.begin(path, pool, wanted, **begin)
    for slip, meant in session.change.alike()[:5]:  # typed into the data, or by somebody since
        merge = shlex.join(["askwise", "labels", str(path), "merge", slip, meant])
        say(f"The labels {slip!r} and {meant!r} look alike. If they are one:  {merge}")
    asking.ask_person(
        session, path, terminal=terminal, guidelines=advice, port=port, no_browser=no_browser, waiting=waiting
    )


def _new_project(given: Sequence[str], port: int | None, no_browser: bool) -> None:
    """Let the person choose a file in the browser, then label it."""
    from askwise import recent
    from askwise.core import BadInput

    listed = recent.sentences(Path.cwd())
    say(*listed)
    if listed and list(given) == ["--terminal"]:
        return
    if given:
        raise BadInput(f"{', '.join(given)} goes with a FILE; without one, everything is chosen in the browser.")
    from askwise.app.serve import serve_new

    made = serve_new(
        Path.cwd(),
        port=port,
        open_browser=not no_browser,
        announce=lambda url: say(f"New project at {url}", f"Projects are put in {Path.cwd()}. Ctrl+C ends."),
    )
    if made is not None:
        session, path = made
        session.close()
        if path.name.endswith(recent.CHECK):
            say(f"Go on:   askwise check {path}", f"Numbers: askwise check {path} --status --out checked.csv")
            return
        recent.remember(path)
        say(*asking.ways_on(path))
