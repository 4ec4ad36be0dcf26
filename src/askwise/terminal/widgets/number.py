"""A number an item: digits type it, Enter answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askwise.core import BadInput, Label, Query
from askwise.report import printable
from askwise.terminal.widgets import ENTER, ESCAPE, UNDO, Keys, Widget

if TYPE_CHECKING:
    from rich.text import Text

DIGITS = "0123456789"
MOST = 24
"""Characters of a number that are taken."""
WIDE = 40
"""Characters of the scale."""


class ANumber(Widget):
    """Takes digits, a point (or a comma, which is one) and a minus."""

    help = (
        ("0 … 9 . -", "type the number; Backspace takes a digit back, Esc all of them"),
        ("Enter", "answer with it"),
        ("p", "answer with the model's guess"),
    )
    enters = True
    hint = "digits, then Enter · "
    typed = ""

    def begin(self, query: Query) -> None:
        """With nothing typed."""
        self.typed = ""

    def key(self, query: Query, key: str, keys: Keys) -> bool | None:
        """A part of a number, Enter, or what takes back typing."""
        if key in ENTER:
            return self._submit(query)
        if key in UNDO and self.typed:
            self.typed = self.typed[:-1]
            return False
        if key == ESCAPE:
            self.typed = ""
            return False
        if key not in DIGITS and key not in ".,-":
            return None
        more = self.typed + key.replace(",", ".")
        if len(more) > MOST or more.count(".") > 1 or "-" in more[1:]:
            self.desk.message = f"{more!r:.40} is no number. Backspace takes back what was typed."
            return False
        self.typed = more
        return False

    def accept(self, query: Query) -> bool:
        """Answer with the guess."""
        return self.desk.tell(query, query.suggestion, self.said(str(query.suggestion)))

    def said(self, label: Label) -> str:
        """With its unit."""
        unit = self.desk.session.task.options().get("unit", "")
        return printable(f"{label} {unit}".rstrip())

    def drawn(self) -> Text:
        """What is typed, and what may be."""
        from rich.text import Text

        line = Text(" Answer: ").append(f" {self.typed or ' '}▏", style="reverse bold")
        line.append(f" {self.said('').strip()}   ").append(
            f"right is what lies{self.desk.session.task.right_as}", "dim"
        )
        scale = self._scale()
        return line.append("\n ").append(scale, style="dim") if scale else line

    def _submit(self, query: Query) -> bool:
        if not self.typed:
            self.desk.message = "Nothing is typed yet: type a number, then Enter."
            return False
        try:
            written = self.desk.session.task.read(self.typed, str)[0]
        except BadInput as error:
            self.desk.message = str(error)
            return False
        return self.desk.tell(query, written, self.said(written))

    def _scale(self) -> str:
        """Which numbers there are, with the typed one on them."""
        options = self.desk.session.task.options()
        low, high, step = (options.get(name) for name in ("low", "high", "step"))
        steps = "" if step is None else f" in steps of {step}"
        if low is None or high is None:
            ends = [f"{word} {end}" for word, end in (("from", low), ("up to", high)) if end is not None]
            return " ".join(["numbers", *ends]) + steps if ends or steps else ""
        try:
            place = round((float(self.typed) - float(low)) / (float(high) - float(low)) * (WIDE - 1))
        except ValueError:  # not a number yet
            place = -1
        bar = "".join("●" if at == place else "─" for at in range(WIDE))
        return f"{low} ├{bar}┤ {high}{steps}"
