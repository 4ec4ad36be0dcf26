"""The command line: one command a verb."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# Nothing heavy is imported up here: `askwise --help` must answer at once.
if TYPE_CHECKING:
    from rich.console import Console

    from askwise.core import AskwiseError
    from askwise.pool import Pool
    from askwise.session import Session

SESSION_SUFFIX = ".askwise"
_PACKED = {".gz", ".bz2", ".xz", ".zst", ".zip"}

app = typer.Typer(
    name="askwise",
    help="Label the few items that teach a model most, know how good it is, let it label the rest.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# ── shared options ──────────────────────────────────────────────────────────────────────────

DataFile = Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSONL or Parquet.")]
SessionFile = Annotated[Path, typer.Argument(metavar="SESSION", help="A session file (*.askwise).")]
TextColumn = Annotated[str | None, typer.Option("--text", metavar="COLUMN", help="Column that holds the texts.")]
IdColumn = Annotated[
    str | None, typer.Option("--id", metavar="COLUMN", help="Column that names the rows; default a hash of the text.")
]
EncoderName = Annotated[
    str | None, typer.Option("--encoder", metavar="NAME", help="How texts become numbers; default the best installed.")
]
Seed = Annotated[int, typer.Option("--seed", help="Every random draw derives from it.")]


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with 0, 1 (refused), or 2 (something given cannot be used).

    Args:
        args: Arguments without the program's name; None = those of this process.
    """
    try:
        app(args=None if args is None else list(args), prog_name="askwise")
    except SystemExit:
        raise  # before the next line, which imports NumPy when it is looked at
    except _our_errors() as error:
        from rich.text import Text

        from askwise.report import printable

        _console(stderr=True).print(Text.assemble(("Error: ", "bold red"), printable(error)), soft_wrap=True)
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
        console.print(line if isinstance(line, Text) else Text(printable(line)), soft_wrap=True)


def _version(wanted: bool) -> None:
    if wanted:
        from askwise import __version__

        typer.echo(f"askwise {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


# ── label ───────────────────────────────────────────────────────────────────────────────────


@app.command()
def label(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Data to label, or a session file to go on with.")],
    text: TextColumn = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,C", help="The labels, separated by commas.")
    ] = None,
    id_column: IdColumn = None,
    label_column: Annotated[
        str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels that some rows have already.")
    ] = None,
    session_file: Annotated[
        Path | None, typer.Option("--session", metavar="PATH", help="Session file; default next to FILE.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="How questions are chosen; default auto.")
    ] = None,
    encoder: EncoderName = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Label here instead of in the browser.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port of the page; default a free one.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
    guidelines: Annotated[
        Path | None, typer.Option("--guidelines", metavar="FILE", help="Text or Markdown shown to the person.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Every random draw derives from it; default 0.")] = None,
) -> None:
    """Label FILE: in the browser, or here with --terminal. Go on later with the same command."""
    advice = _read_text(guidelines) if guidelines else ""
    from askwise.store import is_session_file

    if file.suffix == SESSION_SUFFIX or is_session_file(file):
        given = {"--text": text, "--labels": labels, "--id": id_column, "--label": label_column,
                 "--session": session_file, "--strategy": strategy, "--seed": seed}  # fmt: skip
        _refuse_options(file, [name for name, value in given.items() if value is not None])
        path = file
        session = _open(path, encoder=encoder)
    else:
        pool = _load(file, text=text, id_column=id_column, label_column=label_column)
        path = session_file or _session_path(file)
        wanted = None if labels is None else _parse_labels(labels)
        if path.exists():
            session = _go_on(path, pool, wanted, strategy=strategy, encoder=encoder, seed=seed)
        else:
            session = _begin(path, pool, wanted, strategy=strategy or "auto", encoder=encoder, seed=seed or 0)
    with session:
        if terminal:
            from askwise import terminal as door

            given_now = door.label(session, guidelines=advice)
            _say(f"{given_now:,} answers recorded, saved in {path}.")
        else:
            from askwise.app.serve import serve

            serve(
                session,
                guidelines=advice,
                port=port,
                open_browser=not no_browser,
                announce=lambda url: _say(f"Label at {url}", f"Saved in {path} at every answer. Ctrl+C ends."),
            )
    _say(f"Go on:   askwise label {path}", f"Report:  askwise report {path}", f"Export:  askwise export {path} out.csv")


def _begin(
    path: Path, pool: Pool, wanted: list[str] | None, *, strategy: str, encoder: str | None, seed: int
) -> Session:
    from askwise.core import BadInput, ContractError, MissingExtra
    from askwise.session import Session

    if wanted is None and len(set(pool.given.values())) < 2:
        found = f"the label column holds {len(set(pool.given.values()))}" if pool.given else "none is given"
        raise BadInput(f"At least two labels are needed, and {found}. Name them: --labels a,b,c")
    try:
        return Session(pool, classes=wanted, strategy=strategy, encoder=encoder, store=path, seed=seed)
    except (BadInput, ContractError, MissingExtra):
        # The caller has seen that there was no such file, so what lies there now is this command's own beginning.
        for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            name.unlink(missing_ok=True)
        raise


def _go_on(
    path: Path, pool: Pool, wanted: list[str] | None, *, strategy: str | None, encoder: str | None, seed: int | None
) -> Session:
    """The session that an earlier command left next to the file, if it is about the same items."""
    from askwise.core import BadInput

    session = _open(path, encoder=encoder)
    try:
        if session.pool.fingerprint != pool.fingerprint:
            raise BadInput(
                f"{path} is a session about other items ({len(session.pool):,} there, {len(pool):,} here, or their "
                f"content differs). Start a new one with --session OTHER{SESSION_SUFFIX}, or go on with the old one: "
                f"askwise label {path}"
            )
        strange = [name for name in wanted or [] if name not in session.classes]
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
        if pool.given and pool.given != session.pool.given:
            raise BadInput(
                f"The session {path} was started with {len(session.pool.given):,} labels from the data; the column of "
                f"--label holds {len(pool.given):,}, or others. Leave --label out, or start a new session with "
                f"--session OTHER{SESSION_SUFFIX}"
            )
    except BadInput:
        session.close()
        raise
    return session


def _parse_labels(text: str) -> list[str]:
    from askwise.core import BadInput

    names = [name.strip() for name in text.split(",") if name.strip()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"--labels names {twice!r} twice.")
    if len(names) < 2:
        raise BadInput(
            f"At least two labels are needed, got {len(names)} in --labels {text!r}. Example: --labels yes,no"
        )
    return names


def _session_path(file: Path) -> Path:
    """`mail.csv.gz` → `mail.askwise`, in the same folder."""
    name = file.with_suffix("") if file.suffix.lower() in _PACKED else file
    return name.with_suffix(SESSION_SUFFIX)


def _load(file: Path, *, text: str | None, id_column: str | None, label_column: str | None) -> Pool:
    from askwise.pool import load_pool

    pool = load_pool(file, text=text, id=id_column, label=label_column)
    for note in pool.notes:
        _say(note)
    if pool.problems:
        shown = [f"  row {p.row}: {p.what}" for p in pool.problems[:5]]
        more = [f"  … and {len(pool.problems) - 5:,} more"] if len(pool.problems) > 5 else []
        _say(f"{len(pool.problems):,} problems in {file}; the rest is loaded ({len(pool):,} items):", *shown, *more)
    return pool


def _open(path: Path, *, encoder: str | None = None) -> Session:
    from askwise.session import Session

    return Session.open(path, encoder=encoder)


def _refuse_options(path: Path, names: Sequence[str]) -> None:
    from askwise.core import BadInput

    if names:
        raise BadInput(f"{', '.join(names)} cannot change a session that exists ({path}); leave it out.")


def _read_text(path: Path) -> str:
    from askwise.core import BadInput

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"Cannot read the guidelines {path}: {error}. Give a UTF-8 text file.") from error


# ── simulate ────────────────────────────────────────────────────────────────────────────────


@app.command()
def simulate(
    file: DataFile,
    labels_from: Annotated[str, typer.Option("--labels-from", metavar="COLUMN", help="Column of the true labels.")],
    text: TextColumn = None,
    id_column: IdColumn = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", metavar="NAME", help="Repeat for several; default auto, margin, random."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each strategy.")] = 10,
    target: Annotated[
        list[float] | None, typer.Option("--target", help="Value to reach, 0..1; repeat for several; default 0.9.")
    ] = None,
    metric: Annotated[str, typer.Option("--metric", help="accuracy, balanced_accuracy or macro_f1.")] = (
        "balanced_accuracy"
    ),
    budget: Annotated[int, typer.Option("--budget", min=2, help="Labels in each run.")] = 300,
    test_share: Annotated[float, typer.Option("--test-share", help="Share held out to measure on.")] = 0.3,
    encoder: EncoderName = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write plot, CSV and JSON here.")] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Default: one a core.")] = None,
) -> None:
    """Replay known labels: how many would each strategy have needed?"""
    from askwise import simulation

    pool = _load(file, text=text, id_column=id_column, label_column=labels_from)
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
    session_file: SessionFile,
    max_error: Annotated[
        float | None, typer.Option("--max-error", help="Largest share of wrong labels to allow, such as 0.02.")
    ] = None,
    confidence: Annotated[float | None, typer.Option("--confidence", help="Such as 0.95.")] = None,
    target: Annotated[
        str, typer.Option("--target", help="auto: of the model's labels; dataset: of the whole checked region.")
    ] = "auto",
    again: Annotated[bool, typer.Option("--again", help="Try another region after an attempt that has ended.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the model's labels back.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Give up the attempt that is being checked.")] = False,
) -> None:
    """Certify what the model is sure of, then let it label that. Ends with 1 when refused."""
    from askwise.core import BadInput

    if target not in ("auto", "dataset"):
        raise BadInput(f"--target is auto or dataset, got {target!r}.")
    if undo and cancel:
        raise BadInput("--undo and --cancel are two things; give one.")
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
                max_error=max_error, confidence=confidence, target="dataset" if target == "dataset" else "auto"
            )
    _say(result.reason)
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


# ── report, export ──────────────────────────────────────────────────────────────────────────


@app.command()
def report(
    session_file: SessionFile,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write one self-contained HTML file here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is labeled, how good the model is, what is proved, what it cost."""
    from askwise import report as reports

    with _open(session_file) as session:
        found = session.report()
    if out is not None:
        _check_writable(out)
        _say(f"wrote {reports.write_html(found, out)}")
    if as_json:
        typer.echo(reports.to_json(found))
    elif out is None:
        _console().print(reports.to_rich(found))


@app.command()
def export(
    session_file: SessionFile,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Ends in .csv, .tsv, .jsonl or .parquet.")],
) -> None:
    """Write every row that loaded with its label, who gave it, and how sure that is."""
    with _open(session_file) as session:
        rows = session.export(out)
    _say(f"wrote {rows:,} rows to {out}")


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
