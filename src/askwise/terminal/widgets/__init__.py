"""How an answer is given with keys: one file for each widget, by the name that a task gives (`Task.widget`)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from askwise.core import Label, Query
from askwise.report import printable

if TYPE_CHECKING:
    from rich.text import Text

    from askwise.session import Session

Keys = Callable[[], str]
"""Returns the next key as one character; the empty string when there will be no more."""
ENTER = ("\r", "\n")
UNDO = ("\x7f", "\x08")
ESCAPE = "\x1b"

WIDGETS = {
    "one": "askwise.terminal.widgets.one:OneLabel",
    "sets": "askwise.terminal.widgets.sets:SetOfLabels",
    "number": "askwise.terminal.widgets.number:ANumber",
    "spans": "askwise.terminal.widgets.spans:MarkSpans",
}
"""Name of a widget → where it lies: its registration."""


class Desk(Protocol):
    """What a widget may ask of the desk that it stands on."""

    session: Session
    message: str
    """What the person reads next."""

    def tell(self, query: Query, label: Any, words: str = "") -> bool:
        """Record an answer, in words for the person; True."""

    def line(self, prompt: str, keys: Keys) -> str | None:
        """A line of text; None when the person pressed Escape."""

    def find(self, keys: Keys) -> Label | None:
        """A label by a part of its name, perhaps a new one."""


class Widget:
    """Gives one kind of answer.

    Args:
        desk: Where it stands.
    """

    help: ClassVar[tuple[tuple[str, str], ...]] = ()
    """(key, what it does), first among all keys."""
    hint: ClassVar[str] = ""
    """Keys that are always in sight, before the usual ones; ends with " · "."""

    enters: ClassVar[bool] = False
    """Whether Enter is a key of it; else it is passed over, as the line ends of a pipe are."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def begin(self, query: Query) -> None:
        """A question is shown."""

    def key(self, query: Query, key: str, keys: Keys) -> bool | None:
        """What one key does: True = the question is answered, False = not yet, None = it is no key of this one."""
        raise NotImplementedError

    def accept(self, query: Query) -> bool:
        """Take over the model's guess; True = that was the answer."""
        raise NotImplementedError

    def said(self, label: Label) -> str:
        """An answer or a guess, for people."""
        return printable(label)

    def body(self, query: Query) -> Text | None:
        """The item, where the answer is shown in it; None = as usual."""
        return None

    def drawn(self) -> Text:
        """What can be answered, and what is chosen so far."""
        raise NotImplementedError


def widget_of(session: Session) -> type[Widget]:
    """The widget of a session's task.

    Raises:
        KeyError: There is none of that name.
    """
    task = session.task
    module, _, name = WIDGETS[task.widget or task.name].partition(":")
    found: type[Widget] = getattr(import_module(module), name)
    return found
