"""The command line: one command a verb."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from askwise.commands import (
    about,
    annotate,
    benchmark,
    certify,
    changing,
    check,
    label,
    model,
    monitor,
    results,
    screen,
    serve,
    simulate,
    withdraw,
)
from askwise.commands.app import app, running
from askwise.commands.saying import console, said

# Nothing heavy is imported up here, nor by the commands: `askwise --help` must answer at once.
if TYPE_CHECKING:
    from askwise.core import AskwiseError

__all__ = ["app", "main"]


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with 0, 1 (refused), or 2 (something given cannot be used).

    Args:
        args: Arguments without the program's name; None = those of this process.
    """
    running.clear()
    try:
        app(args=None if args is None else list(args), prog_name="askwise")
    except SystemExit:
        raise  # before the next line, which imports NumPy when it is looked at
    except _our_errors() as error:
        from rich.text import Text

        from askwise.report import printable

        sentence = printable(said(error))
        console(stderr=True).print(Text.assemble(("Error: ", "bold red"), sentence), soft_wrap=True)
        sys.exit(2)


def _our_errors() -> type[AskwiseError]:
    from askwise.core import AskwiseError

    return AskwiseError


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
        running.append(context.invoked_subcommand)


# In the order of the help.
app.command()(label.label)
app.command()(changing.add)
app.command()(withdraw.withdraw)
app.command()(changing.labels)
app.command()(serve.serve)
app.command()(screen.screen)
app.command()(check.check)
app.command()(simulate.simulate)
app.command()(benchmark.benchmark)
app.command()(certify.autolabel)
app.command()(results.report)
app.command()(results.export)
app.command()(model.model)
app.command()(model.predict)
app.add_typer(monitor.verbs, name="monitor")
app.command()(annotate.annotate)
app.command()(certify.verify)
app.command()(results.copy)
app.command(name="strategies")(about.list_strategies)
app.command()(about.demo)


if __name__ == "__main__":
    main()
