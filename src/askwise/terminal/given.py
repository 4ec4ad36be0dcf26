"""Labels that somebody gave, looked at in a terminal: one after the other and blind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from askwise import tasks
from askwise.core import BadInput, Label, Query
from askwise.report import printable
from askwise.terminal.desk import LabelingDesk, with_keys
from askwise.terminal.widgets import UNDO, Keys, widget_of
from askwise.values import written

if TYPE_CHECKING:
    from rich.console import Console, Group

    from askwise.checking import LabelCheck
    from askwise.session import Session

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


class _GivenDesk(LabelingDesk):
    """What lies before the person: one row, without its label."""

    def __init__(self, check: LabelCheck, rest: bool, console: Console, said: Callable[[object], str]) -> None:
        self.check, self.rest, self.console, self.said = check, rest, console, said
        self.session = cast("Session", _Labels(check))  # a widget asks no more of a session
        self.given, self.message, self.whole, self.extra = 0, "", False, None
        self.before: list[Query] = []
        self.back = False
        self.widget = widget_of(self.session)(self)

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

    def _act(self, query: Query, key: str, keys: Keys) -> bool:
        done = self.widget.key(query, key, keys)
        if done is not None:
            return done
        if key == " ":
            self.check.later(query.row)
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
            self.check.tell(query.row, label, seconds=self._seconds())
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

        now = self.check.status()
        title = str(self.check.state.terms["title"])
        head = f"{title}  " if title else ""
        body, cut = self._body(query)
        note = Text(f" {cut} more lines, v shows them " if cut else "")
        # Nothing that changes with an answer being right or wrong: it would tell the label that is checked.
        counts = f"row {query.row + 1:,} · {now.looked:,} of {now.size:,} looked at"
        parts: list[Any] = [
            Text.assemble((printable(head), "bold"), counts),
            Panel(body, subtitle=note, subtitle_align="right", padding=(1, 2)),
            Text.assemble(("Why: ", "dim"), query.reason),
            Text(""),
            self.widget.drawn(),
            Text(self.widget.hint + "space later · u undecided · Backspace back · ? all keys · q quit", style="dim"),
        ]
        if self.extra is not None:
            parts += [Text(""), self.extra]
        if self.message:
            parts.append(Text(printable(self.message), style="bold"))
        return Group(*parts)


def _shown(content: Any) -> str:
    if isinstance(content, Mapping):
        return "\n".join(f"{name}: {written(value)}" for name, value in content.items())
    return str(content)


def _help(own: Any) -> Any:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, what in (*own, *HELP):
        table.add_row(key, what)
    return table
