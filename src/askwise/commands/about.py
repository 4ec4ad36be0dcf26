"""Verbs that need no session: `strategies`, `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askwise.commands.options import Seed
from askwise.commands.saying import console


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
    console().print(table)


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the labeled file and the report go.")] = Path(
        "demo"
    ),
    seed: Seed = 0,
) -> None:
    """The spam challenge on real messages, answered by a simulated person; about a minute."""
    from askwise import demo as show

    show.run(out, seed=seed, console=console())
