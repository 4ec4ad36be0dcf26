"""What the command line says, and what it calls an option."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from askwise.commands.app import app, running

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """Where it is said: standard output, or standard error."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def say(*lines: object) -> None:
    """Print plain lines, unbroken, so that commands and paths can be copied and piped."""
    from rich.text import Text

    from askwise.report import printable

    out = console()
    for line in lines:
        out.print(line if isinstance(line, Text) else Text(printable(said(line))), soft_wrap=True)


def said(text: object) -> str:
    """A sentence or an error as this command line says it: `--text COLUMN`, where Python says `text=`."""
    from askwise.options import render

    return render(text, in_command)


def aside(line: object) -> None:
    """Say something that must not get among what is printed."""
    from rich.text import Text

    from askwise.report import printable

    console(stderr=True).print(Text(printable(said(line))), soft_wrap=True)


def in_command(name: str, value: Any, advice: bool) -> str:
    """What the command that runs calls an option, or where else it can be given."""
    if name in _VERBS:
        return _VERBS[name]
    flags = [*_FLAGS.get(name, ()), f"--{name.replace('_', '-')}"]
    offered = {flag: param for param in _options(running[-1:]) for flag in param.opts}
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
    "examples": ("--example",),
    "guesses": ("--guess",),
    "audit_share": ("--checks",),
    "trusted": ("--trust",),
}
"""Options that the command line calls otherwise than Python does."""
_VERBS = {
    "autolabel()": "askwise autolabel SESSION",
    "cancel_autolabel()": "askwise autolabel SESSION --cancel",
    "resume_autolabel()": "askwise autolabel SESSION --resume",
    "tell()": "askwise label SESSION",
}


def _commands() -> list[str]:
    found = [str(info.name or getattr(info.callback, "__name__", "")) for info in app.registered_commands]
    return found + [str(info.name) for info in app.registered_groups]


def _options(names: Sequence[str]) -> list[Any]:
    """The options of these commands, and of the verbs below them."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    found = [commands[name] for name in names if name in commands]
    found += [verb for one in found for verb in getattr(one, "commands", {}).values()]
    return [param for one in found for param in one.params]
