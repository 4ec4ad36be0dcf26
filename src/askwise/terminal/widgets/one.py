"""One label an item: one key an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from askwise.core import Label, Query
from askwise.labelsets import DIGITS, digit_keys
from askwise.report import printable
from askwise.terminal.widgets import Keys, Widget

if TYPE_CHECKING:
    from rich.text import Text


class OneLabel(Widget):
    """Chooses a label by its key or its name."""

    help: ClassVar[tuple[tuple[str, str], ...]] = (
        ("1 … 9, 0", "give the label with that key"),
        ("/", "find a label by name (or add a new one)"),
    )

    def key(self, query: Query, key: str, keys: Keys) -> bool | None:
        """A digit, or `/` for the name."""
        if key == "/":
            name = self.desk.find(keys)
            return name is not None and self.choose(query, name)
        if key not in DIGITS:
            return None
        known = self.desk.session.classes
        name = digit_keys(known).get(key)
        if name is None:
            self.desk.message = f"There is no label {key}; {len(known)} are known."
            return False
        return self.choose(query, name)

    def choose(self, query: Query, name: Label) -> bool:
        """Answer with it."""
        return self.desk.tell(query, name)

    def accept(self, query: Query) -> bool:
        """Answer with the guess."""
        return self.desk.tell(query, query.suggestion)

    def drawn(self) -> Text:
        """The labels with their keys."""
        from rich.text import Text

        line, known = Text(), self.desk.session.classes
        for digit, name in digit_keys(known).items():
            chosen = self.is_chosen(name)
            line.append(f" {digit} ", style="reverse")
            line.append(f" {'✓ ' if chosen else ''}{printable(name)}   ", style="bold" if chosen else "")
        if len(known) > len(DIGITS):  # not all have a key
            line.append(f" / find one of {len(known)} labels", style="dim")
        return line

    def is_chosen(self, name: Label) -> bool:
        """Whether it is part of the answer so far."""
        return False
