"""The checks of a monitor, answered in a terminal, one after the other and blind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from askwise.core import BadInput, Label, Query
from askwise.report import printable
from askwise.terminal.desk import LabelingDesk, with_keys
from askwise.terminal.widgets import UNDO, Keys, widget_of

if TYPE_CHECKING:
    from rich.console import Console, Group

    from askwise.monitor import Check, Kept
    from askwise.session import Session
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


class _CheckDesk(LabelingDesk):
    """What lies before the person: one check."""

    def __init__(self, kept: Kept, console: Console, said: Callable[[object], str]) -> None:
        self.kept, self.console, self.said = kept, console, said
        self.session = cast("Session", _Labels(kept))  # a widget asks no more of a session
        self.given, self.message, self.whole, self.extra = 0, "", False, None
        self.later: set[int] = set()
        self.before: list[Check] = []
        self.widget = widget_of(self.session)(self)

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
        return next((one for one in waiting if one.number not in self.later), next(iter(waiting), None))

    def _act(self, query: Query, key: str, keys: Keys) -> bool:
        done = self.widget.key(query, key, keys)
        if done is not None:
            return done
        if key == " ":
            if query.row in self.later:
                self.later.clear()
            self.later.add(query.row)
            return True
        if key == "u":
            return self.tell(query, None, "cannot be decided")
        if key in UNDO:
            if not self.before:
                self.message = "This is the first one."
                return False
            self.back = True
            return True
        if key == "v":
            self.whole = not self.whole
        elif key == "?":
            self.extra = _help(self.widget.help)
        else:
            self.message = f"{printable(key)!r} means nothing here; ? shows the keys."
        return False

    def tell(self, query: Query, label: Any, words: str = "") -> bool:
        """Record an answer."""
        try:
            with self.kept.changing():
                self.kept.tell(query.row, label, new=True)  # a label that is new was asked about
        except BadInput as error:
            self.message = self.said(error)
            return False
        self.given += 1
        self.message = f"{words or label} · Backspace goes back to it"
        return True

    def _view(self, query: Query) -> Group:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        waiting = len(self.kept.waiting())
        head = f"{self.kept.title}  " if self.kept.title else ""
        body, cut = self._body(query)
        note = Text(f" {cut} more lines, v shows them " if cut else "")
        parts: list[Any] = [
            Text.assemble((printable(head), "bold"), f"check {query.row:,} · {waiting:,} wait"),
            Panel(body, subtitle=note, subtitle_align="right", padding=(1, 2)),
            Text(""),
            self.widget.drawn(),
            Text(self.widget.hint + "space later · u undecided · Backspace back · ? all keys · q quit", style="dim"),
        ]
        if self.extra is not None:
            parts += [Text(""), self.extra]
        if self.message:
            parts.append(Text(printable(self.message), style="bold"))
        return Group(*parts)


def _help(own: Sequence[tuple[str, str]]) -> Any:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, what in (*own, *HELP):
        if key != "p":  # there is no guess here
            table.add_row(key, what)
    return table
