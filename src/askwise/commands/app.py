"""The program that the verbs are commands of, and which of them runs."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="askwise",
    help="Label the few items that teach a model most, know how good it is, let it label the rest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


running: list[str] = []
"""The command that runs."""
