"""The verb `benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from askwise import completion
from askwise.commands.opening import check_writable
from askwise.commands.saying import console, say

if TYPE_CHECKING:
    from askwise.benchmark import Benchmark

RESULTS = ".parquet"


def benchmark(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            autocompletion=completion.benchmarks,
            help="A TOML file that says what is compared, or results (*.parquet) to be shown again.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PATH", help="Results, as Parquet; default a file of FILE's name in this folder."
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option("--report", metavar="PATH", help="Write the tables, .html, .md or .txt; again for more."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Three seeds and fifty labels: does all of it run?")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again, whatever is there already.")] = False,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay", metavar="RESULTS", help="Recompute each curve of these results from its queries, and compare."
        ),
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Default: one a core.")] = None,
) -> None:
    """Compare learners and strategies on sets with known labels."""
    from askwise import benchmark as room
    from askwise.benchmark.report import SUFFIXES
    from askwise.core import BadInput

    for path in report or []:
        check_writable(path)
        if path.suffix not in SUFFIXES:
            raise BadInput(f"A report is written as {', '.join(SUFFIXES)}, got {path.name!r}. Name the file so.")
    if file.suffix == RESULTS:
        given = {"--out": out, "--quick": quick, "--fresh": fresh, "--replay": replay, "--processes": processes}
        wrong = [name for name, value in given.items() if value]
        if wrong:
            raise BadInput(f"{', '.join(wrong)} is for a benchmark that runs; {file} holds results. Leave it out.")
        _show(room.open_results(file), report)
        return
    spec = room.read(file)
    if replay is not None:
        said = room.check(spec, replay, processes=processes)
        for sentence in said:
            say(sentence)
        if said:
            raise typer.Exit(1)
        say(f"Every curve of {replay} follows from its queries.")
        return
    path = out or Path(f"{file.stem}{'-quick' if quick else ''}{RESULTS}")
    check_writable(path)
    result = room.benchmark(spec, path, quick=quick, fresh=fresh, processes=processes)
    _show(result, report)
    say(f"wrote {path}")


def _show(result: Benchmark, report: list[Path] | None) -> None:
    from askwise import benchmark as room

    console().print(room.to_rich(result))
    for path in report or []:
        for one in room.write(result, path):
            say(f"wrote {one}")
