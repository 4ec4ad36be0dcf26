"""The errors of Askwise, whose messages are sentences for a person."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from askwise.options import Sentence


class AskwiseError(Exception):
    """The one base class. The message says what, what was got, what is allowed, and a way out.

    Options in it are named by `options.option`: `str(error)` says them as Python does, other doors render `marked`.
    """

    @property
    def marked(self) -> str:
        """The message with its marks, for `options.render`."""
        return str(getattr(self.args[0], "marked", self.args[0])) if len(self.args) == 1 else super().__str__()

    def __str__(self) -> str:
        return Sentence(self.marked)


class BadInput(AskwiseError):
    """Something a user gave cannot be used (CLI exit code 2, HTTP 4xx)."""


class BadStore(AskwiseError):
    """A session file cannot be opened: not ours, damaged, or from a newer version."""


class CannotWrite(BadInput):
    """A file cannot be written where it was wanted: no room, read-only, no permission (HTTP 503)."""


class Unreachable(BadStore):
    """The store takes nothing now: it does not answer, its disk is full, its file is locked, gone or read-only.

    What was saved is safe, and trying again later may help (HTTP 503, so that who has something to hand in keeps it).
    """


class Conflict(AskwiseError):
    """Somebody else appended to the log first; read again and retry."""


class ContractError(AskwiseError):
    """A plug-in (strategy, learner, encoder, store) broke its contract; names the row if there is one."""


class MissingExtra(AskwiseError):
    """An optional dependency is not installed; the message holds the command that installs it."""


def unknown(kind: str, name: object, known: Iterable[str]) -> BadInput:
    """The error for a name that is not in a list, with the nearest known name as the way out."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(names[:40]) + (", …" if len(names) > 40 else "")
    return BadInput(f"No {kind} named {name!r}. {hint}Known: {shown}.")
