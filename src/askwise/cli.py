"""The command line: one command a verb."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from askwise import completion
from askwise.commands import withdraw as _withdraw

# Nothing heavy is imported up here: `askwise --help` must answer at once.
if TYPE_CHECKING:
    from rich.console import Console

    from askwise.app.waiting import Waiting
    from askwise.core import AskwiseError
    from askwise.evidence import Target
    from askwise.pool import Pool
    from askwise.session import Session
    from askwise.store import Place

SESSION_SUFFIX = ".askwise"
_PACKED = {".gz", ".bz2", ".xz", ".zst", ".zip"}

app = typer.Typer(
    name="askwise",
    help="Label the few items that teach a model most, know how good it is, let it label the rest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# ── shared options ──────────────────────────────────────────────────────────────────────────


def _place(text: str) -> Place:
    from askwise.store import place

    return place(text)


ADDRESS = "postgresql://USER@HOST/DATABASE#NAME"
DataFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSONL, JSON, Parquet, Excel, RIS, PubMed, EndNote XML.")
]
FileFormat = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="Such as csv or jsonl; default by the name of FILE.")
]
FileEncoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="Of a text format, such as cp1252; default UTF-8.")
]
Delimiter = Annotated[
    str | None, typer.Option("--delimiter", metavar="SIGN", help="Between the cells of a CSV, such as ';' or tab.")
]
Sheet = Annotated[
    str | None, typer.Option("--sheet", metavar="NAME", help="Of an Excel workbook, name or number; default the first.")
]
NoHeader = Annotated[
    bool, typer.Option("--no-header", help="The first row is data; the columns are column_1, column_2, …")
]
SessionFile = Annotated[
    Any,  # a `Place`, whose type is not loaded here, or None
    typer.Argument(
        metavar="SESSION",
        parser=_place,
        autocompletion=completion.sessions,
        help=f"A session file (*.askwise), or {ADDRESS}.",
    ),
]
NewSession = Annotated[
    Any,
    typer.Option(
        "--session", metavar="PATH", parser=_place, help=f"Session file, or {ADDRESS}; default a file next to FILE."
    ),
]
TextColumn = Annotated[str | None, typer.Option("--text", metavar="COLUMN", help="Column that holds the texts.")]
IdColumn = Annotated[
    str | None, typer.Option("--id", metavar="COLUMN", help="Column that names the rows; default a hash of the text.")
]
ShownColumns = Annotated[
    list[str] | None,
    typer.Option("--show", metavar="COLUMN", help="Column to see with an item, not learned from; again for more."),
]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        autocompletion=completion.encoders,
        help="How texts become numbers; default the best installed.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Every random draw derives from it.")]
FirstSeed = Annotated[int | None, typer.Option("--seed", help="Every random draw derives from it; default 0.")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port of the page; default a free one.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")]
Guidelines = Annotated[
    Path | None, typer.Option("--guidelines", metavar="FILE", help="Text or Markdown shown to the person.")
]


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with 0, 1 (refused), or 2 (something given cannot be used).

    Args:
        args: Arguments without the program's name; None = those of this process.
    """
    _running.clear()
    try:
        app(args=None if args is None else list(args), prog_name="askwise")
    except SystemExit:
        raise  # before the next line, which imports NumPy when it is looked at
    except _our_errors() as error:
        from rich.text import Text

        from askwise.report import printable

        said = printable(_said(error))
        _console(stderr=True).print(Text.assemble(("Error: ", "bold red"), said), soft_wrap=True)
        sys.exit(2)


def _our_errors() -> type[AskwiseError]:
    from askwise.core import AskwiseError

    return AskwiseError


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _say(*lines: object) -> None:
    """Print plain lines, unbroken, so that commands and paths can be copied and piped."""
    from rich.text import Text

    from askwise.report import printable

    console = _console()
    for line in lines:
        console.print(line if isinstance(line, Text) else Text(printable(_said(line))), soft_wrap=True)


def _said(text: object) -> str:
    """A sentence or an error as this command line says it: `--text COLUMN`, where Python says `text=`."""
    from askwise.options import render

    return render(text, _in_command)


def _in_command(name: str, value: Any, advice: bool) -> str:
    """What the command that runs calls an option, or where else it can be given."""
    if name in _VERBS:
        return _VERBS[name]
    flags = [*_FLAGS.get(name, ()), f"--{name.replace('_', '-')}"]
    offered = {flag: param for param in _options(_running[-1:]) for flag in param.opts}
    flag = next((flag for flag in flags if flag in offered), None)
    if flag is None:
        elsewhere = {flag for param in _options(_commands()) for flag in param.opts}
        flag = next((flag for flag in flags if flag in elsewhere), None)
        if flag is None:
            return f"{name} (from Python)" if advice else name
        offered = {}
    if not advice:
        return flag
    if value is None:
        holds = flag in offered and not getattr(offered[flag], "is_flag", False)
        kind = getattr(getattr(offered.get(flag), "type", None), "name", "value")
        metavar = (offered[flag].metavar or kind.upper()) if holds else ""
        return f"{flag} {metavar}".rstrip()
    if isinstance(value, bool):
        return flag
    if isinstance(value, list):
        words = [",".join(map(str, value))] if name == "classes" else [str(one) for one in value]
        return " ".join(f"{flag} {shlex.quote(word)}" for word in words) or flag
    return f"{flag} {shlex.quote(str(value))}"


_FLAGS = {
    "header": ("--no-header",),
    "label": ("--label", "--labels-from"),
    "classes": ("--labels",),
    "audit_share": ("--checks",),
    "trusted": ("--trust",),
}
"""Options that the command line calls otherwise than Python does."""
_VERBS = {
    "autolabel()": "askwise autolabel SESSION",
    "cancel_autolabel()": "askwise autolabel SESSION --cancel",
    "tell()": "askwise label SESSION",
}
_running: list[str] = []
"""The command that runs."""


def _commands() -> list[str]:
    return [str(info.name or getattr(info.callback, "__name__", "")) for info in app.registered_commands]


def _options(names: Sequence[str]) -> list[Any]:
    """The options of these commands."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    return [param for name in names if name in commands for param in commands[name].params]


def _version(wanted: bool) -> None:
    if wanted:
        from askwise import __version__

        typer.echo(f"askwise {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    del version  # its callback has said it
    from askwise import notices

    notices.lines()
    if context.invoked_subcommand:
        _running.append(context.invoked_subcommand)


# ── label ───────────────────────────────────────────────────────────────────────────────────


@app.command()
def label(
    file: Annotated[
        Any,
        typer.Argument(
            metavar="[FILE]",
            parser=_place,
            autocompletion=completion.data,
            help="Data to label, or a session to go on with; default asks in the browser.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COLUMN", help="Column that holds the texts (or paths); again for more."),
    ] = None,
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
    id_column: IdColumn = None,
    label_column: Annotated[
        str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels that some rows have already.")
    ] = None,
    show: ShownColumns = None,
    file_format: FileFormat = None,
    encoding: FileEncoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    no_header: NoHeader = False,
    session_file: NewSession = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            metavar="NAME",
            autocompletion=completion.strategies,
            help="How questions are chosen; default auto.",
        ),
    ] = None,
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
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            autocompletion=completion.targets,
            help="Share of what: auto, the model's labels; dataset, the checked region; file, all items.",
        ),
    ] = None,
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
    advice = _read_text(guidelines) if guidelines else ""
    from askwise.labelsets import labels_in_line
    from askwise.store import exists

    text, show = text or None, show or None
    how = _how(file_format, encoding, delimiter, sheet, no_header)
    fixed = {"--overlap": overlap, "--people-per-item": people_per_item, "--max-error": max_error, "--target": target,
             "--multilabel": multilabel or None}  # fmt: skip
    if file is None:
        given = {"--text": text, "--labels": labels, "--id": id_column, "--label": label_column, "--kind": kind,
                 "--session": session_file, "--strategy": strategy, "--encoder": encoder, "--seed": seed,
                 "--show": show, "--guidelines": guidelines, "--terminal": terminal or None, **_flags(how),
                 **fixed}  # fmt: skip
        _new_project([name for name, value in given.items() if value is not None], port, no_browser)
        return
    if _is_session(file):
        given = {"--kind": kind, "--text": text, "--labels": labels, "--id": id_column, "--label": label_column,
                 "--session": session_file, "--strategy": strategy, "--seed": seed, "--show": show, **_flags(how),
                 **fixed}  # fmt: skip
        _refuse_options(file, [name for name, value in given.items() if value is not None])
    path = file if _is_session(file) else session_file or _session_path(file)
    with _meanwhile(terminal=terminal, port=port, no_browser=no_browser) as waiting:
        if path is file:
            session = _open(path, encoder=encoder)
        else:
            pool = _load(file, kind=kind, text=text, id_column=id_column, label_column=label_column, show=show, how=how)
            if terminal:
                _check_terminal(pool)
            wanted = None if labels is None else labels_in_line(labels, "--labels")
            if exists(path):
                session = _go_on(path, pool, wanted, strategy=strategy, encoder=encoder, seed=seed, fixed=fixed)
            else:
                begin: dict[str, Any] = {_setting(name): value for name, value in fixed.items() if value is not None}
                begin |= {"guidelines": advice, "strategy": strategy or "auto", "encoder": encoder, "seed": seed or 0}
                session = _begin(path, pool, wanted, **begin)
    for slip, meant in session.change.alike()[:5]:  # typed into the data, or by somebody since
        merge = shlex.join(["askwise", "labels", str(path), "merge", slip, meant])
        _say(f"The labels {slip!r} and {meant!r} look alike. If they are one:  {merge}")
    _ask_person(session, path, terminal=terminal, guidelines=advice, port=port, no_browser=no_browser, waiting=waiting)


def _meanwhile(*, terminal: bool, port: int | None, no_browser: bool) -> AbstractContextManager[Waiting | None]:
    """A page that says how far a session is while it gets ready; nothing where people label in the terminal."""
    if terminal:
        return nullcontext()
    from askwise.app.waiting import Waiting

    return Waiting(
        port=port,
        open_browser=not no_browser,
        announce=lambda url: _say(
            f"Label at {url}", "It says there how far it is; the first question comes by itself."
        ),
    )


def _new_project(given: Sequence[str], port: int | None, no_browser: bool) -> None:
    """Let the person choose a file in the browser, then label it."""
    from askwise import recent
    from askwise.core import BadInput

    listed = recent.sentences(Path.cwd())
    _say(*listed)
    if listed and list(given) == ["--terminal"]:
        return
    if given:
        raise BadInput(f"{', '.join(given)} goes with a FILE; without one, everything is chosen in the browser.")
    from askwise.app.serve import serve_new

    made = serve_new(
        Path.cwd(),
        port=port,
        open_browser=not no_browser,
        announce=lambda url: _say(f"New project at {url}", f"Projects are put in {Path.cwd()}. Ctrl+C ends."),
    )
    if made is not None:
        session, path = made
        session.close()
        recent.remember(path)
        _say(*_ways_on(path))


def _ask_person(
    session: Session,
    path: Place,
    *,
    terminal: bool,
    guidelines: str,
    port: int | None,
    no_browser: bool,
    waiting: Waiting | None = None,
) -> None:
    """Label until the person stops, then say how to go on; closes the session."""
    from askwise import notices, recent

    if isinstance(path, Path):
        recent.remember(path)
    notices.quiet()  # from here on a page, or the terminal's own, says what goes on
    with session:
        if terminal:
            from askwise import terminal as door

            _check_terminal(session.pool)

            given_now = door.label(session, guidelines=guidelines or session.guidelines)
            _say(f"{given_now:,} answers recorded, saved in {path}.")
        else:
            from askwise.app.serve import serve

            opened = waiting is not None and waiting.opened
            before = waiting if opened else None

            def announce(url: str) -> None:
                _say(*([] if opened else [f"Label at {url}"]), f"Saved in {path} at every answer. Ctrl+C ends.")

            serve(
                session,
                guidelines=guidelines,
                port=waiting.port if waiting is not None else port,
                open_browser=not no_browser and not opened,
                announce=announce,
                token=before.token if before else None,
                codes=before.codes if before else None,
            )
        search = session.verdict().reason if session.recall() else None
    notices.quiet(False)
    if search:
        _say(search)
    _say(*_ways_on(path))


def _check_terminal(pool: Pool) -> None:
    from askwise.core import BadInput

    if pool.kind in ("image", "audio"):
        raise BadInput("A terminal shows no images and plays no recordings. Leave --terminal out.")


def _ways_on(path: Place) -> list[str]:
    return [
        f"Go on:   askwise label {path}",
        f"Report:  askwise report {path}",
        f"Export:  askwise export {path} out.csv",
    ]


def _begin(
    path: Place,
    pool: Pool,
    wanted: list[str] | None,
    *,
    strategy: str,
    encoder: str | None,
    seed: int,
    **more: Any,
) -> Session:
    from askwise.core import BadInput, ContractError, MissingExtra
    from askwise.labelsets import labels_of
    from askwise.session import Session
    from askwise.store import discard

    names = set(pool.given.values())
    if more.get("multilabel"):
        names = {part for name in names for part in labels_of(name)}
    if wanted is None and len(names) < 2:
        found = f"the label column holds {len(names)}" if pool.given else "none is given"
        folders = pool.kind in ("image", "audio") and not pool.given and "folder" in pool.columns
        hint = ", or take the folders that the files lie in: --label folder" if folders else ""
        raise BadInput(f"At least two labels are needed, and {found}. Name them: --labels a,b,c{hint}")
    try:
        return Session(pool, classes=wanted, strategy=strategy, encoder=encoder, store=path, seed=seed, **more)
    except (BadInput, ContractError, MissingExtra):
        # The caller has seen that there was no such session, so what lies there now is this command's own beginning.
        discard(path)
        raise


def _go_on(
    path: Place,
    pool: Pool,
    wanted: list[str] | None,
    *,
    strategy: str | None,
    encoder: str | None,
    seed: int | None,
    fixed: Mapping[str, Any] = MappingProxyType({}),
) -> Session:
    """The session that an earlier command left next to the file, if it is about the same items."""
    from askwise.core import BadInput
    from askwise.labelsets import labels_of, write_set
    from askwise.values import Spelling

    session = _open(path, encoder=encoder)
    try:
        same = session.pool.fingerprint == pool.fingerprint or _grows(session, path, pool)
        if not same:
            raise BadInput(
                f"{path} is a session about other items ({len(session.pool):,} there, {len(pool):,} here, or their "
                f"content differs). Start a new one with --session OTHER{SESSION_SUFFIX}, or go on with the old one: "
                f"askwise label {path}"
            )
        whole = session.pool.fingerprint == pool.fingerprint
        if whole:
            session.pool.contents = pool.contents  # the same items; images may have moved
        if pool.address.get("show") not in (None, session.pool.address.get("show")):
            raise BadInput(
                f"The columns to show are chosen at the start, and the session {path} was begun with others, or none. "
                f"Leave --show out, or start a new session with --session OTHER{SESSION_SUFFIX}"
            )
        spelling = Spelling(session.classes)  # an earlier version may have spelled them otherwise
        strange = [name for name in wanted or [] if spelling.of(name) not in session.classes]
        if strange:
            raise BadInput(
                f"The label {strange[0]!r} is not in the session {path}, which knows: {', '.join(session.classes)}. "
                "Leave --labels out to go on; new labels can be added while labeling."
            )
        if strategy is not None and strategy != session.settings["strategy"]:
            raise BadInput(
                f"The session {path} asks by {session.settings['strategy']!r}; a strategy is chosen at the start. "
                f"Leave --strategy out, or start a new session with --session OTHER{SESSION_SUFFIX}"
            )
        if seed is not None and seed != session.seed:
            raise BadInput(f"The session {path} has the seed {session.seed}, which stays. Leave --seed out.")
        stands = session.look(lambda state: {name: state.opened.get(_setting(name)) for name in fixed})
        for name, value in fixed.items():
            if value is not None and value != stands[name]:
                was = "its default" if stands[name] is None else stands[name]
                raise BadInput(
                    f"{name} is chosen at the start, and the session {path} was begun with {was}. Leave {name} out, or "
                    f"start a new session with --session OTHER{SESSION_SUFFIX}"
                )
        given = {row: spelling.of(name) for row, name in pool.given.items()}
        if session.multilabel:
            sets = {row: map(spelling.of, labels_of(name)) for row, name in pool.given.items()}
            given = {row: write_set(names, session.classes) for row, names in sets.items()}
        if whole and given and given != session.pool.given:
            raise BadInput(
                f"The session {path} was started with {len(session.pool.given):,} labels from the data; the column of "
                f"--label holds {len(pool.given):,}, or others. Leave --label out, or start a new session with "
                f"--session OTHER{SESSION_SUFFIX}"
            )
    except BadInput:
        session.close()
        raise
    return session


def _grows(session: Session, path: Place, pool: Pool) -> bool:
    """Whether a session is about a file that has other items: it knows them all, or those that are new are added now.

    Raises:
        BadInput: Some are new, and nobody is there who could be asked.
    """
    from askwise.core import BadInput

    if pool.kind != session.pool.kind or pool.kind == "array" or session.recall() is not None:
        return False
    found = session.would_add(pool)
    if not found.items:
        return bool(found.known) and session.look(lambda s: s.grown)
    if 2 * found.known < len(session.pool):
        return False  # another file, with some of the same
    new = f"{found.items:,} of the {len(pool):,} items are new: the session {path} has the other {found.known:,}."
    if sys.stdin.isatty() and sys.stdout.isatty():
        _say(new)
        if typer.confirm("Add them?", default=True):
            _say(session.add(pool).sentence)
            return True
    raise BadInput(
        f"{new} Add them:  askwise add {path} {pool.address.get('path')}\nor go on without them:  askwise label {path}"
    )


def _setting(option: str) -> str:
    """`--max-error` → `max_error`."""
    return option.removeprefix("--").replace("-", "_")


def _is_session(where: Place) -> bool:
    from askwise.store import is_session_file

    return not isinstance(where, Path) or where.suffix == SESSION_SUFFIX or is_session_file(where)


def _session_path(file: Path) -> Path:
    """`mail.csv.gz` → `mail.askwise`, in the same folder; `.` → beside this folder, by its name."""
    from askwise.core import BadInput

    name = file if file.name else file.resolve()
    if not name.name:
        raise BadInput(f"{file} is the root of all files. Name a file, or a folder with images.")
    name = name.with_suffix("") if name.suffix.lower() in _PACKED else name
    return name.with_suffix(SESSION_SUFFIX)


def _how(
    file_format: str | None, encoding: str | None, delimiter: str | None, sheet: str | None, no_header: bool
) -> dict[str, Any]:
    """How a file is to be read, as far as it was said, for `load_pool`."""
    said = {"format": file_format, "encoding": encoding, "delimiter": delimiter, "sheet": sheet}
    return {name: value for name, value in said.items() if value is not None} | ({"header": False} if no_header else {})


def _flags(how: Mapping[str, Any]) -> dict[str, Any]:
    return {"--no-header" if name == "header" else f"--{name}": value for name, value in how.items()}


def _load(
    file: Path,
    *,
    text: str | Sequence[str] | None,
    id_column: str | None,
    label_column: str | None,
    kind: str | None = None,
    show: Sequence[str] | None = None,
    how: Mapping[str, Any] = MappingProxyType({}),
) -> Pool:
    from askwise.pool import load_pool

    pool = load_pool(file, kind=kind, text=text, id=id_column, label=label_column, show=show, **how)
    for note in pool.notes:
        _say(note)
    if pool.problems:
        shown = [f"  row {p.row}: {_said(p.what)}" for p in pool.problems[:5]]
        more = [f"  … and {len(pool.problems) - 5:,} more"] if len(pool.problems) > 5 else []
        _say(f"{len(pool.problems):,} problems in {file}; the rest is loaded ({len(pool):,} items):", *shown, *more)
    return pool


def _open(path: Place, *, encoder: str | None = None) -> Session:
    from askwise.session import Session

    return Session.open(path, encoder=encoder)


def _refuse_options(path: Place, names: Sequence[str]) -> None:
    from askwise.core import BadInput

    if names:
        raise BadInput(f"{', '.join(names)} cannot change a session that exists ({path}); leave it out.")


def _read_text(path: Path) -> str:
    from askwise.core import BadInput

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"Cannot read the guidelines {path}: {error}. Give a UTF-8 text file.") from error


# ── add ─────────────────────────────────────────────────────────────────────────────────────


@app.command()
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
    label_column: Annotated[
        str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels that some rows have already.")
    ] = None,
    file_format: FileFormat = None,
    encoding: FileEncoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    no_header: NoHeader = False,
) -> None:
    """Add what is new in FILE to a session. What it has already is recognised; certificates speak of what they did."""
    from askwise.core import BadInput

    session_file = _given(session_file, "add SESSION FILE")
    if file is None:
        raise BadInput(f"What is to be added? Give a file: askwise add {session_file} more.csv")
    how: dict[str, Any] = {"text": text or None, "id": id_column, "label": label_column}
    how |= _how(file_format, encoding, delimiter, sheet, no_header)
    with _open(session_file) as session:
        found = session.add(file, **how)
    _say(found.sentence, *(f"  {problem}" for problem in found.problems[:5]))
    if len(found.problems) > 5:
        _say(f"  … and {len(found.problems) - 5:,} more")
    if found.items:
        _say(f"Next:  askwise label {session_file}   (they are asked when the model has ranked them)")


app.command(name="withdraw")(_withdraw.withdraw)


# ── labels ──────────────────────────────────────────────────────────────────────────────────


@app.command()
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

    session_file = _given(session_file, "labels SESSION")
    with _open(session_file) as session:
        for line in changes.command(session.change, change or [], read=lambda name: _read_text(Path(name))):
            _say(line)
        for slip, meant in session.change.alike()[:5]:
            _say(
                f"{slip!r} looks like {meant!r}. Merge:  "
                + shlex.join(["askwise", "labels", str(session_file), "merge", slip, meant])
            )


# ── serve ───────────────────────────────────────────────────────────────────────────────────


@app.command()
def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SESSION",
            autocompletion=completion.sessions,
            help="Session files, or a folder of them; with --store their names.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="Database of the sessions, postgresql://USER@HOST/DATABASE."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Default 8321, or a free one.")] = None,
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", metavar="URL", help="Where people reach it, such as https://label.example.org."),
    ] = None,
    guidelines: Annotated[
        Path | None, typer.Option("--guidelines", metavar="FILE", help="Text or Markdown shown to the people.")
    ] = None,
    private_webhooks: Annotated[
        bool, typer.Option("--allow-private-webhooks", help="Let webhooks call this machine and its network.")
    ] = False,
) -> None:
    """Serve sessions to a team: accounts, roles, an API; see docs/team.md."""
    from askwise.app.serve import open_team, serve_team

    advice = _read_text(guidelines) if guidelines else ""

    def announce(url: str, first: str | None) -> None:
        _say(f"Serving {len(sessions)} project{'' if len(sessions) == 1 else 's'} at {url}")
        if first:
            _say(f"Become the owner (works once, for a day): {first}")
        if not url.startswith("https:") and host not in ("127.0.0.1", "localhost", "::1"):
            _say("Passwords travel unencrypted at this address; put a TLS proxy before it: docs/team.md.")
        _say("Ctrl+C ends.")

    sessions, accounts, folder, shelf = open_team(sources or ([] if store else ["."]), store)
    try:
        serve_team(
            sessions,
            accounts=accounts,
            folder=folder,
            shelf=shelf,
            host=host,
            port=port,
            public_url=public_url,
            private_webhooks=private_webhooks,
            guidelines=advice,
            announce=announce,
        )
    finally:
        for session in sessions.values():
            session.close()


# ── screen ──────────────────────────────────────────────────────────────────────────────────


@app.command()
def screen(
    file: Annotated[
        Any,
        typer.Argument(
            metavar="FILE",
            parser=_place,
            autocompletion=completion.data,
            help="Records to screen, or a session to go on with.",
        ),
    ],
    relevant: Annotated[
        str | None, typer.Option("--relevant", metavar="LABEL", help="The label of what is searched, such as 1.")
    ] = None,
    irrelevant: Annotated[
        str | None, typer.Option("--irrelevant", metavar="LABEL", help="The other label; default from --label.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COLUMN", help="Column of texts; again for more; default title, abstract."),
    ] = None,
    label_column: Annotated[
        str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels that some rows have already.")
    ] = None,
    id_column: IdColumn = None,
    show: ShownColumns = None,
    file_format: FileFormat = None,
    encoding: FileEncoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    no_header: NoHeader = False,
    recall: Annotated[
        float | None, typer.Option("--recall", help="Share of the relevant ones to find; default 0.95.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Of every statement about it; default 0.95.")
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="WORDS", help="Ask first what is most like these words.")
    ] = None,
    checks: Annotated[
        float | None, typer.Option("--checks", help="Share of random check items while searching; default 0.05.")
    ] = None,
    simulate_it: Annotated[
        bool, typer.Option("--simulate", help="Replay a file that --label knows completely; ask nobody.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="With --simulate: plot, CSV.")] = None,
    session_file: NewSession = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Screen here instead of in the browser.")] = False,
    port: Port = None,
    no_browser: NoBrowser = False,
    guidelines: Guidelines = None,
    seed: FirstSeed = None,
) -> None:
    """Find nearly all of the few relevant records in FILE, and say when enough are found."""
    from askwise import screening
    from askwise.store import exists

    advice = _read_text(guidelines) if guidelines else ""
    ask = partial(_ask_person, terminal=terminal, guidelines=advice, port=port, no_browser=no_browser)
    how = _how(file_format, encoding, delimiter, sheet, no_header)
    meanwhile = partial(_meanwhile, terminal=terminal, port=port, no_browser=no_browser)
    if _is_session(file):
        given = {"--relevant": relevant, "--irrelevant": irrelevant, "--text": text, "--label": label_column,
                 "--show": show or None, "--id": id_column, "--query": query, "--session": session_file,
                 "--seed": seed, "--recall": recall, "--confidence": confidence, "--checks": checks,
                 "--simulate": simulate_it or None, **_flags(how)}  # fmt: skip
        _refuse_options(file, [name for name, value in given.items() if value is not None])
        with meanwhile() as waiting:
            session = _open(file)
        ask(session, file, waiting=waiting)
        return
    columns = text or screening.text_columns(file, **how)
    pool = _load(file, text=columns, id_column=id_column, label_column=label_column, show=show or None, how=how)
    names = screening.two_classes(relevant, irrelevant, pool.given.values())
    terms = (
        0.95 if recall is None else recall,
        0.95 if confidence is None else confidence,
        0.05 if checks is None else checks,
    )
    if simulate_it:
        _simulate_screening(pool, names, *terms, query, seed or 0, out)
        return
    path = session_file or _session_path(file)
    with meanwhile() as waiting:
        if exists(path):
            session = _go_on(path, pool, list(names), strategy=None, encoder=None, seed=seed)
            given = {"--recall": recall, "--confidence": confidence, "--checks": checks, "--query": query}
            _same_search(session, path, {name: value for name, value in given.items() if value is not None})
        else:
            first = screening.closest([str(c) for c in pool.contents], query) if query else []
            session = _begin(
                path, pool, list(names), strategy="auto", encoder=None, seed=seed or 0, relevant=names[0], first=first,
                recall=terms[0], confidence=terms[1], audit_share=terms[2], guidelines=advice,
            )  # fmt: skip
    ask(session, path, waiting=waiting)


def _same_search(session: Session, path: str | Path, given: dict[str, Any]) -> None:
    """Refuse what cannot go on as asked for."""
    from askwise.core import BadInput

    search = session.recall()
    now: dict[str, Any] = {"--checks": session.settings["audit_share"]}
    if search is not None:
        now |= {"--recall": search.target, "--confidence": search.confidence}
    changed = [name for name, value in given.items() if now.get(name) != value]
    if search is not None and not changed:
        return
    session.close()
    if search is None:
        raise BadInput(
            f"{path} is a session of `askwise label`, no search. Start one with --session OTHER{SESSION_SUFFIX}"
        )
    raise BadInput(f"{', '.join(changed)} cannot change a search that was begun ({path}); leave it out.")


def _simulate_screening(
    pool: Pool,
    names: tuple[str, str],
    recall: float,
    confidence: float,
    checks: float,
    query: str | None,
    seed: int,
    out: Path | None,
) -> None:
    from askwise.simulation import screening as replays

    if out is not None:
        _check_writable(out)
    found = replays.replay(
        pool, names, recall=recall, confidence=confidence, audit_share=checks, query=query, seed=seed
    )
    _say(*replays.sentences(found))
    if out is not None:
        for path in replays.write(found, out):
            _say(f"wrote {path}")


# ── simulate ────────────────────────────────────────────────────────────────────────────────


@app.command()
def simulate(
    file: DataFile,
    labels_from: Annotated[str, typer.Option("--labels-from", metavar="COLUMN", help="Column of the true labels.")],
    text: TextColumn = None,
    id_column: IdColumn = None,
    file_format: FileFormat = None,
    encoding: FileEncoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    no_header: NoHeader = False,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            metavar="NAME",
            autocompletion=completion.strategies,
            help="Repeat for several; default auto, margin, random.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each strategy.")] = 10,
    target: Annotated[
        list[float] | None, typer.Option("--target", help="Value to reach, 0..1; repeat for several; default 0.9.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option("--metric", autocompletion=completion.metrics, help="accuracy, balanced_accuracy or macro_f1."),
    ] = ("balanced_accuracy"),
    budget: Annotated[int, typer.Option("--budget", min=2, help="Labels in each run.")] = 300,
    test_share: Annotated[float, typer.Option("--test-share", help="Share held out to measure on.")] = 0.3,
    encoder: EncoderName = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write plot, CSV and JSON here.")] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Default: one a core.")] = None,
) -> None:
    """Replay known labels: how many would each strategy have needed?"""
    from askwise import simulation

    how = _how(file_format, encoding, delimiter, sheet, no_header)
    pool = _load(file, text=text, id_column=id_column, label_column=labels_from, how=how)
    result = simulation.simulate(
        pool,
        pool.given,
        strategies=strategy or ("auto", "margin", "random"),
        seeds=seeds,
        budget=budget,
        test_share=test_share,
        targets=[(metric, value) for value in target or [0.9]],
        encoder=encoder,
        processes=processes,
        progress=True,
    )
    _console().print(simulation.to_rich(result))
    if out is not None:
        for path in simulation.write(result, out):
            _say(f"wrote {path}")


# ── autolabel ───────────────────────────────────────────────────────────────────────────────


@app.command()
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
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            autocompletion=completion.targets,
            help="Share of what: auto, the model's labels; dataset, the checked region; file, all items.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try another region after an attempt that has ended.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the model's labels back.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Give up the attempt that is being checked.")] = False,
) -> None:
    """Certify what the model is sure of, then let it label that. Ends with 1 when refused."""
    from askwise.core import BadInput

    if target not in (None, "auto", "dataset", "file"):
        raise BadInput(f"--target is auto, dataset or file, got {target!r}.")
    if undo and cancel:
        raise BadInput("--undo and --cancel are two things; give one.")
    session_file = _given(session_file, "autolabel SESSION")
    with _open(session_file) as session:
        if undo:
            session.undo_autolabel()
            _say("The model's labels are taken back; those items are open again.")
            return
        if cancel:
            session.cancel_autolabel()
            _say("The attempt is given up; its share of the allowed chance of error stays spent.")
            return
        last = session.autolabel_status()
        ended = last is not None and last.status != "checking"
        if last is not None and ended and not again:
            # Attempts are few: asking how the last one ended must not begin the next.
            result = last
        else:
            result = session.autolabel(
                max_error=_limits(max_error), confidence=confidence, target=cast("Target | None", target)
            )
    _say(result.reason, *(c.unsaid for c in result.certificates if c.unsaid))
    if ended and not again:
        _say(f"That was the last attempt. Another region:  askwise autolabel {session_file} --again")
    if result.status == "certified":
        _say(f"Next:  askwise export {session_file} labeled.csv", f"       askwise report {session_file}")
    elif result.status == "checking":
        _say(
            f"Next:  askwise label {session_file}   (the next questions are the blind checks)",
        )
    else:
        _say(f"Next:  askwise label {session_file}")
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


# ── report, export ──────────────────────────────────────────────────────────────────────────


@app.command()
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

    session_file = _given(session_file, "report SESSION")
    with _open(session_file) as session:
        found = session.report(price_per_hour=price_per_hour, price_of_error=price_of_error)
    if out is not None:
        _check_writable(out)
        _say(f"wrote {reports.write_html(found, out)}")
    if as_json:
        typer.echo(reports.to_json(found))
    elif out is None:
        _console().print(reports.to_rich(found))


@app.command()
def export(
    session_file: SessionFile = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Ends in .csv, .tsv, .jsonl, .parquet or .xlsx.")
    ] = None,
    guesses: Annotated[
        bool,
        typer.Option(
            "--guesses",
            help="Also what the model guesses of items that nobody labeled; no certificate can hand these over then.",
        ),
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV: no apostrophe before cells that a spreadsheet would run as formulas.")
    ] = False,
    bom: Annotated[
        bool, typer.Option("--bom", help="CSV: begin with a byte order mark, so that Excel reads it as UTF-8.")
    ] = False,
) -> None:
    """Write every row of the data with its label, who gave it, and how sure that is."""
    from askwise.core import BadInput

    if out is None and session_file is not None and _is_session(session_file):
        raise BadInput(f"Where to? Give a file to write: askwise export {session_file} labeled.csv")
    if out is None or session_file is None:  # nothing was given, or only the file to write
        _given(None, "export SESSION labeled.csv")
        return
    with _open(session_file) as session:
        rows = session.export(out, guesses=guesses, raw=raw, bom=bom)
    _say(f"wrote {rows:,} rows to {out}")


# ── the model ───────────────────────────────────────────────────────────────────────────────


@app.command()
def model(
    source: Annotated[
        Any,
        typer.Argument(
            metavar="SESSION",
            parser=_place,
            autocompletion=completion.models,
            help="Or a saved model: shows its card.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Ends in .skops; .onnx for rows of features.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Save the session's model with its card, to predict elsewhere.

    Nobody is blind to its guesses any more: no certificate can hand over what is open now.
    """
    import json

    from askwise import model as models
    from askwise.core import BadInput

    source = _given(source, "model SESSION out.skops")
    if _is_saved_model(source):
        if out is not None:
            raise BadInput(f"{source} is a saved model; copy it to have it elsewhere. Leave {out} out to see its card.")
        card = models.read_card(source)
    else:
        if out is None:
            raise BadInput(f"Where to? Give a file to write: askwise model {source} model.skops")
        with _open(source) as session:
            card = models.save(session, out)
    if as_json:
        typer.echo(json.dumps(card.data(), ensure_ascii=False, indent=2))
        return
    _say(*card.lines())
    if out is not None:
        _say(f"wrote {out}", f"Next:  askwise predict {out} FILE")


@app.command()
def predict(
    source: Annotated[
        Any,
        typer.Argument(
            metavar="SESSION|MODEL",
            parser=_place,
            autocompletion=completion.models,
            help=f"A session, {ADDRESS}, or a saved model (.skops).",
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Data as for `askwise label`; - for lines of text on standard input."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Ends in .csv, .tsv, .jsonl, .parquet or .xlsx; default prints."),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="What to print: csv, tsv or jsonl.")] = "csv",
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COLUMN", help="Column of the texts (or paths); again for more."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            "--trust", metavar="NAME", help="A type, or function, that the model's file may hold; again for more."
        ),
    ] = None,
    file_format: FileFormat = None,
    encoding: FileEncoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    no_header: NoHeader = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV: no apostrophe before cells that a spreadsheet would run as formulas.")
    ] = False,
    bom: Annotated[
        bool, typer.Option("--bom", help="CSV: begin with a byte order mark, so that Excel reads it as UTF-8.")
    ] = False,
) -> None:
    """Label new items: each row with the model's label, its confidence, and where a person should be asked."""
    from askwise import predict as door
    from askwise.core import BadInput, unknown

    source = _given(source, "predict SESSION FILE")
    if file is None:
        raise BadInput(f"What shall be labeled? Give a file, or - for standard input: askwise predict {source} FILE")
    if to not in door.TO:
        raise unknown("format for --to", to, door.TO)
    how = _how(file_format, encoding, delimiter, sheet, no_header)
    options: dict[str, Any] = {"out": out, "to": to, "text": text, "how": how, "raw": raw, "bom": bom, "tell": _aside}
    options["trusted"] = trust or []
    if _is_saved_model(source):
        door.predict(source, file, **options)
        return
    with _open(source) as session:
        door.predict(session, file, **options)


def _is_saved_model(source: Place) -> bool:
    """Whether it is no session; a file that is neither is refused.

    Raises:
        BadInput: See above.
    """
    from askwise.core import BadInput

    if not isinstance(source, Path) or (_is_session(source) and source.suffix != ".skops"):
        return False
    if source.suffix == ".onnx":
        raise BadInput(f"{source} is a model for other programs; Askwise predicts with a .skops file.")
    if source.suffix != ".skops":
        raise BadInput(f"{source} is neither a session (*{SESSION_SUFFIX}) nor a saved model (*.skops).")
    return True


def _aside(line: object) -> None:
    """Say something that must not get among what is printed."""
    from rich.text import Text

    from askwise.report import printable

    _console(stderr=True).print(Text(printable(_said(line))), soft_wrap=True)


@app.command()
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

    session_file = _given(session_file, "verify SESSION")
    found = verification.verify(session_file, fingerprint=fingerprint)
    if as_json:
        typer.echo(json.dumps({"ok": found.ok, **dataclasses.asdict(found)}, ensure_ascii=False, indent=2))
    else:
        marks = {True: ("✓ ", "green"), False: ("✗ ", "bold red"), None: ("· ", "yellow")}
        for line in found.shown():
            _say(Text.assemble(marks[line.ok], printable(line.sentence)))
        _say(f"Fingerprint of the log as it is now: {found.fingerprint}")
        if found.ok:
            _say("Nothing failed. Somebody with the file could write another log; compare a fingerprint from before.")
        else:
            failed = sum(f.ok is False and f.check != "certificate" for f in found.findings)
            _say(Text(f"{failed:,} findings: this log does not prove what it claims.", style="bold red"))
    if not found:
        raise typer.Exit(1)


@app.command()
def copy(
    source: SessionFile = None,
    target: Annotated[
        Any, typer.Argument(metavar="TARGET", parser=_place, help=f"A new file (*.askwise), or {ADDRESS}.")
    ] = None,
) -> None:
    """Copy a session with its whole log, from a file into a database or back. Never overwrites."""
    from askwise.core import BadInput
    from askwise.store import copy_log

    source = _given(source, "copy SESSION TARGET")
    if target is None:
        raise BadInput(f"Where to? Give a new file, or {ADDRESS}: askwise copy {source} TARGET")
    events, fingerprint = copy_log(source, target)
    _say(
        f"Copied {events:,} events from {source} to {target}.",
        f"Fingerprint of both logs: {fingerprint}",
        f"Answers given from now on are in the one they are given to. Go on:  askwise label {target}",
    )


def _given(session: Place | None, command: str) -> Place:
    """The session, or the error that says which there are."""
    if session is None:
        from askwise import recent
        from askwise.core import BadInput

        raise BadInput(recent.which(command, Path.cwd()))
    return session


def _check_writable(path: Path) -> None:
    from askwise.core import BadInput

    if not path.parent.is_dir():
        raise BadInput(f"The folder {path.parent} does not exist; make it first, or choose another.")


# ── strategies, demo ────────────────────────────────────────────────────────────────────────


@app.command(name="strategies")
def list_strategies(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/strategies.md instead.")] = False,
) -> None:
    """List the query strategies, with those of installed plug-ins."""
    from rich.table import Table
    from rich.text import Text

    from askwise import strategies
    from askwise.strategies import guide

    if markdown:
        typer.echo(guide.markdown(), nl=False)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("name", no_wrap=True)
    table.add_column("asks about")
    table.add_column("source")
    for name in strategies.available():
        found = strategies.get(name)
        also = f"\nalso {', '.join(found.aliases)}" if found.aliases else ""
        what = Text.assemble(found.summary, (also, "dim"))
        table.add_row(Text(found.name, style="bold"), what, Text(found.paper, style="dim"))
    _console().print(table)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the labeled file and the report go.")] = Path(
        "demo"
    ),
    seed: Seed = 0,
) -> None:
    """The spam challenge on real messages, answered by a simulated person; about a minute."""
    from askwise import demo as show

    show.run(out, seed=seed, console=_console())


if __name__ == "__main__":
    main()
