"""Spans in a text: words are selected one after the other, keys mark them, Enter answers."""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING

from askwise import spans
from askwise.core import Label, Query
from askwise.labelsets import DIGITS
from askwise.report import printable
from askwise.spans import Span, Token
from askwise.terminal.widgets import ENTER, Keys
from askwise.terminal.widgets.one import OneLabel

if TYPE_CHECKING:
    from rich.text import Text

COLORS = ("cyan", "magenta", "green", "yellow", "blue", "red")


class MarkSpans(OneLabel):
    """Begins with nothing, or with what the model suggests, and corrects it."""

    help = (
        (". ,", "select the next word, or the one before; a marked span is one step"),
        ("> <", "select one word more, or one fewer"),
        ("1 … 9, 0", "mark the selected words with the label that has this key"),
        ("d", "take the mark off the selected words"),
        ("p", "mark all that the model suggests; then correct it"),
        ("Enter", "answer with what is marked"),
        ("x", "nothing is to be marked"),
        ("/", "find a label by name (or add a new one)"),
    )
    enters = True
    hint = "Enter answers · . , select · > < more, fewer · d takes off · x nothing to mark · "

    def begin(self, query: Query) -> None:
        """With nothing marked, and the first word selected."""
        self.text = str(query.content)
        self.at = spans.tokens(self.text)
        self.marked: list[Span] = []
        self.first = self.last = 0

    def key(self, query: Query, key: str, keys: Keys) -> bool | None:
        """See `help`."""
        if key in ENTER:
            if not self.marked:
                self.desk.message = "Nothing is marked yet. Mark words, or press x if there is nothing to mark."
                return False
            return self._give(query)
        if key == "x":
            self.marked = []
            return self._give(query)
        if key in ".,><" and key:
            self._move(key)
            return False
        if key == "d":
            before, chosen = len(self.marked), self._chosen()
            self.marked = [span for span in self.marked if not _overlap(span, chosen)]
            if len(self.marked) == before:
                self.desk.message = "The selected words have no mark."
            return False
        return super().key(query, key, keys) if key in (*DIGITS, "/") else None

    def choose(self, query: Query, name: Label) -> bool:
        """Mark the selected words; what overlaps them gives way."""
        if self.at:
            chosen = self._chosen()
            kept = [span for span in self.marked if not _overlap(span, chosen)]
            self.marked = sorted([*kept, Span(chosen.start, chosen.end, name)])
            self.first = self.last = min(self.last + 1, len(self.at) - 1)
        return False

    def accept(self, query: Query) -> bool:
        """Mark what is suggested, beside what is marked already."""
        found = spans.parse(str(query.suggestion))
        if not found:
            self.desk.message = "The model marks nothing here: x says so."
        more = [span for span in found if not any(_overlap(span, Token(*one[:2])) for one in self.marked)]
        self.marked = sorted([*self.marked, *more])
        return False

    def said(self, label: Label) -> str:
        """Words and labels, where the text is at hand."""
        found = spans.parse(label)
        text = getattr(self, "text", "")
        return printable(", ".join(f"{text[s:e]} {name}" for s, e, name in found)) or "nothing marked"

    def body(self, query: Query) -> Text | None:
        """The text with what is marked (label in brackets behind it), suggested (…?) and selected."""
        from rich.text import Text

        hints = spans.parse(query.suggestion) if query.suggestion and not query.audit else ()
        shown = [(span, "") for span in self.marked]
        shown += [(hint, "?") for hint in hints if not any(_overlap(hint, Token(*s[:2])) for s in self.marked)]
        style = dict(zip(self.desk.session.classes, cycle(COLORS)))
        line, done = Text(), 0
        chosen = self._chosen()
        for (start, end, name), doubt in sorted(shown):
            self._plain(line, done, start, chosen, "")
            color = style.get(name, "white")
            self._plain(line, start, end, chosen, f"{color} {'underline' if doubt else 'bold'}")
            line.append(f" [{printable(name)}{doubt}]", style=f"{color} dim")
            done = end
        self._plain(line, done, len(self.text), chosen, "")
        return line

    def is_chosen(self, name: Label) -> bool:
        """Whether the selected words are marked with it."""
        return any(span.label == name and _overlap(span, self._chosen()) for span in self.marked)

    def _plain(self, line: Text, start: int, end: int, chosen: Token, style: str) -> None:
        """A piece of the text; what of it is selected is reversed."""
        cuts = sorted({start, end, *(place for place in chosen if start < place < end)})
        for a, b in pairwise(cuts):
            inside = chosen.start <= a and b <= chosen.end and chosen.end > chosen.start
            line.append(printable(self.text[a:b]), style=f"{style} reverse".strip() if inside else style)

    def _chosen(self) -> Token:
        if not self.at:
            return Token(0, 0)
        return Token(self.at[self.first].start, self.at[self.last].end)

    def _move(self, key: str) -> None:
        end = len(self.at) - 1
        if key in "><":
            self.last = max(self.first, min(end, self.last + (1 if key == ">" else -1)))
            return
        place = max(0, min(end, self.last + 1 if key == "." else self.first - 1))
        self.first = self.last = place
        for span in self.marked:
            if self.at and _overlap(span, self.at[place]):
                inside = [n for n, token in enumerate(self.at) if _overlap(span, token)]
                self.first, self.last = inside[0], inside[-1]

    def _give(self, query: Query) -> bool:
        written = spans.write(self.marked)
        return self.desk.tell(query, written, self.said(written))


def _overlap(span: Span, at: Token) -> bool:
    return span.start < at.end and at.start < span.end
