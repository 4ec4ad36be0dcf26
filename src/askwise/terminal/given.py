"""Labels that somebody gave, looked at in a terminal: one after the other and blind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from askwise import tasks
from askwise.core import Label, Query
from askwise.terminal.blind import BlindDesk
from askwise.terminal.desk import with_keys
from askwise.terminal.widgets import Keys
from askwise.values import written

if TYPE_CHECKING:
    from rich.console import Console

    from askwise.checking import LabelCheck

HELP = (
    ("space", "later: comes again behind the others that wait"),
    ("u", "cannot be decided; counts as wrong"),
    ("Backspace", "back to the one before, to answer it anew"),
    ("v", "show the whole text"),
    ("q", "quit; everything is saved"),
)


class _Labels:
    """What a widget asks of a session."""

    def __init__(self, check: LabelCheck) -> None:
        self.check = check
        self.task = tasks.get("one")
        self.more: tuple[Label, ...] = ()

    @property
    def classes(self) -> tuple[Label, ...]:
        return tuple(dict.fromkeys([*self.check.classes, *self.more]))

    def parts(self, label: Label) -> tuple[Label, ...]:
        """The labels of a set."""
        return self.task.parts(label)

    def add_class(self, name: Label) -> None:
        """One that nobody has given yet."""
        self.more = (*self.more, self.task.check_label(name))


def look(
    check: LabelCheck,
    *,
    rest: bool = False,
    keys: Keys | None = None,
    console: Console | None = None,
    said: Callable[[object], str] = str,
) -> int:
    """Ask until the person quits, the input ends, or it is known which labels stay.

    Each answer is in the log before the next question is shown.

    Args:
        check: An open check.
        rest: Go on with what is left open.
        keys: Where keys come from; default the keyboard, or standard input when that is a pipe.
        console: Where to draw; default standard output.
        said: How errors name options; see `options.render`.

    Returns:
        How many answers were recorded.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    desk = _GivenDesk(check, rest, console, said)
    with_keys(desk.go, keys, console)
    return desk.given


class _GivenDesk(BlindDesk):
    """What lies before the person: one row, without its label."""

    HELP = HELP
    SAYS_WHY = True

    def __init__(self, check: LabelCheck, rest: bool, console: Console, said: Callable[[object], str]) -> None:
        self.check, self.rest = check, rest
        super().__init__(_Labels(check), console, said)

    def go(self, keys: Keys) -> None:
        """One row after the other."""
        again: Query | None = None
        while (query := again or self._following()) is not None:
            self.back = False
            if not self._answer(query, keys):
                return
            again = None
            if self.back:
                again = self.before.pop()
            elif query.row in self.check.state.answers and (not self.before or self.before[-1].row != query.row):
                self.before.append(query)

    def _following(self) -> Query | None:
        asked = self.check.ask(1, rest=self.rest)
        return replace(asked[0], content=_shown(asked[0].content)) if asked else None

    def later(self, query: Query) -> None:
        """Behind the others that wait."""
        self.check.later(query.row)

    def record(self, query: Query, label: Any) -> None:
        """Into the log of the check."""
        self.check.tell(query.row, label, seconds=self._seconds())

    def heading(self, query: Query) -> tuple[str, str]:
        """Nothing that changes with an answer being right or wrong: it would tell the label that is checked."""
        now = self.check.status()
        title = str(self.check.state.terms["title"])
        return title, f"row {query.row + 1:,} · {now.looked:,} of {now.size:,} looked at"


def _shown(content: Any) -> str:
    if isinstance(content, Mapping):
        return "\n".join(f"{name}: {written(value)}" for name, value in content.items())
    return str(content)
