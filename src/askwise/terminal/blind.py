"""What a person is asked blind in a terminal, one after the other: checks of a monitor, labels that somebody gave."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from askwise.core import BadInput, Label, Query
from askwise.report import printable
from askwise.tasks import Task
from askwise.terminal.desk import LabelingDesk
from askwise.terminal.widgets import UNDO, Keys, widget_of

if TYPE_CHECKING:
    from rich.console import Console, Group

    from askwise.session import Session


class Labels(Protocol):
    """What a widget asks of a session; it asks no more."""

    task: Task

    @property
    def classes(self) -> tuple[Label, ...]:
        """Labels that can be given."""
        ...

    def parts(self, label: Label) -> tuple[Label, ...]:
        """The labels of a set."""
        ...

    def add_class(self, name: Label) -> None:
        """One that nobody has given yet."""
        ...


class BlindDesk(LabelingDesk):
    """What lies before the person: one item, without any guess; the answer goes to whoever asked.

    Args:
        labels: What can be answered.
        console: Where to draw.
        said: How errors name options.
    """

    HELP: ClassVar[Sequence[tuple[str, str]]]
    SAYS_WHY: ClassVar[bool] = False
    """Whether it stands below the item how it was chosen."""

    def __init__(self, labels: Labels, console: Console, said: Callable[[object], str]) -> None:
        self.console, self.said = console, said
        self.session = cast("Session", labels)
        self.given, self.message, self.whole, self.extra = 0, "", False, None
        self.back = False
        self.before: list[Any] = []
        self.widget = widget_of(self.session)(self)

    @abstractmethod
    def later(self, query: Query) -> None:
        """Put it off."""

    @abstractmethod
    def record(self, query: Query, label: Any) -> None:
        """Take in an answer; None = it cannot be decided."""

    @abstractmethod
    def heading(self, query: Query) -> tuple[str, str]:
        """(what this is about, how far it is)."""

    def _act(self, query: Query, key: str, keys: Keys) -> bool:
        done = self.widget.key(query, key, keys)
        if done is not None:
            return done
        if key == " ":
            self.later(query)
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
            self.extra = self._help()
        else:
            self.message = f"{printable(key)!r} means nothing here; ? shows the keys."
        return False

    def tell(self, query: Query, label: Any, words: str = "") -> bool:
        """Record an answer."""
        try:
            self.record(query, label)
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

        title, counts = self.heading(query)
        body, cut = self._body(query)
        note = Text(f" {cut} more lines, v shows them " if cut else "")
        parts: list[Any] = [
            Text.assemble((printable(f"{title}  " if title else ""), "bold"), counts),
            Panel(body, subtitle=note, subtitle_align="right", padding=(1, 2)),
            *([Text.assemble(("Why: ", "dim"), query.reason)] if self.SAYS_WHY else []),
            Text(""),
            self.widget.drawn(),
            Text(self.widget.hint + "space later · u undecided · Backspace back · ? all keys · q quit", style="dim"),
        ]
        if self.extra is not None:
            parts += [Text(""), self.extra]
        if self.message:
            parts.append(Text(printable(self.message), style="bold"))
        return Group(*parts)

    def _help(self) -> Any:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False)
        for key, what in (*self.widget.help, *self.HELP):
            if key != "p":  # there is no guess here
                table.add_row(key, what)
        return table
