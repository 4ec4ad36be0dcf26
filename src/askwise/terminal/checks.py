"""The checks of a monitor, answered in a terminal, one after the other and blind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from askwise.core import Label, Query
from askwise.report import printable
from askwise.terminal.blind import BlindDesk
from askwise.terminal.desk import with_keys
from askwise.terminal.widgets import Keys

if TYPE_CHECKING:
    from rich.console import Console

    from askwise.monitor import Check, Kept
    from askwise.tasks import Task

HELP = (
    ("space", "later: comes again at the end"),
    ("u", "cannot be decided; counts against either claim"),
    ("Backspace", "back to the one before, to answer it anew"),
    ("v", "show the whole text"),
    ("q", "quit; everything is saved"),
)


class _Labels:
    """What a widget asks of a session."""

    def __init__(self, kept: Kept) -> None:
        self.task: Task = kept.model.task_
        gone = [str(name) for name in kept.model.gone_]
        self.classes = tuple(str(name) for name in kept.model.labels_ if str(name) not in gone)

    def parts(self, label: Label) -> tuple[Label, ...]:
        """The labels of a set."""
        return self.task.parts(label)

    def add_class(self, name: Label) -> None:
        """One that the model does not know."""
        self.classes = (*self.classes, self.task.check_label(name))


def check(
    kept: Kept,
    *,
    keys: Keys | None = None,
    console: Console | None = None,
    said: Callable[[object], str] = str,
) -> int:
    """Ask about the checks that wait until the person quits, the input ends, or none is left.

    Each answer is in the file before the next check is shown; other processes may take new items meanwhile.

    Args:
        kept: The monitor.
        keys: Where keys come from; default the keyboard, or standard input when that is a pipe.
        console: Where to draw; default standard output.
        said: How errors name options; see `options.render`.

    Returns:
        How many answers were recorded.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    desk = _CheckDesk(kept, console, said)
    with_keys(desk.go, keys, console)
    return desk.given


class _CheckDesk(BlindDesk):
    """What lies before the person: one check."""

    HELP = HELP

    def __init__(self, kept: Kept, console: Console, said: Callable[[object], str]) -> None:
        self.kept = kept
        self.put_off: set[int] = set()
        super().__init__(_Labels(kept), console, said)

    def go(self, keys: Keys) -> None:
        """One check after the other."""
        again: Check | None = None
        while (now := again or self._following()) is not None:
            query = Query(str(now.number), now.number, now.item, "a random check of new items", audit=True)
            self.back = False
            if not self._answer(query, keys):
                return
            again = None
            if self.back:
                again = self.before.pop()
            elif not self.before or self.before[-1] != now:
                self.before.append(now)
        self.console.print(f"{printable(self.message)}\n" * bool(self.message) + "No check waits.", markup=False)

    def _following(self) -> Check | None:
        self.kept.look()
        waiting = self.kept.waiting()
        return next((one for one in waiting if one.number not in self.put_off), next(iter(waiting), None))

    def later(self, query: Query) -> None:
        """At the end; where all were put off, they come again."""
        if query.row in self.put_off:
            self.put_off.clear()
        self.put_off.add(query.row)

    def record(self, query: Query, label: Any) -> None:
        """Into the monitor's file."""
        with self.kept.changing():
            self.kept.tell(query.row, label, new=True)  # a label that is new was asked about

    def heading(self, query: Query) -> tuple[str, str]:
        """Which check, and how many wait."""
        return self.kept.title, f"check {query.row:,} · {len(self.kept.waiting()):,} wait"
