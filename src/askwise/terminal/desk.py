"""Labeling in a terminal, one key an answer, for people over ssh."""

from __future__ import annotations

import codecs
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from askwise.core import BadInput, Query, chance, share
from askwise.report import printable
from askwise.terminal.widgets import ENTER, ESCAPE, UNDO, Keys, Widget, widget_of

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

    from askwise.session import Session

BESIDE = 300
"""Characters of a column that is shown with an item."""
AWAY = 300.0
"""Seconds after which the person is taken to have left: the time of that answer is not counted."""

HELP = (
    ("p", "accept the model's guess"),
    ("space", "skip: comes back later"),
    ("u", "unsure: recorded, not asked again"),
    ("f", "flag, with a note"),
    ("Backspace", "undo the last answer; again for the one before"),
    ("s", "search: be asked about items with some words, or like them"),
    ("g", "hide or show the model's guess"),
    ("v", "show the whole text"),
    ("h", "guidelines"),
    ("c", "certify: freeze what the model is sure of, check it blind, let the model label the rest"),
    ("q", "quit; everything is saved"),
)


@contextmanager
def keyboard(stream: TextIO | None = None) -> Iterator[Keys]:
    """Single keys from a terminal, or characters from a pipe or file when the input is not a terminal."""
    stream = stream or sys.stdin
    if not stream.isatty():
        yield lambda: stream.read(1)
        return
    if sys.platform == "win32":
        import msvcrt

        yield lambda: msvcrt.getwch()
        return
    import termios
    import tty

    handle = stream.fileno()
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle)
    try:
        yield _raw_keys(handle)
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _raw_keys(handle: int) -> Keys:
    """One character at a time from a file descriptor; an arrow or function key counts as one Escape."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    waiting: list[str] = []

    def read() -> str:
        while not waiting:
            data = os.read(handle, 1024)
            if not data:
                return ""
            text = decoder.decode(data)
            # A terminal sends a function key in one piece that starts with Escape.
            waiting.extend([ESCAPE] if text.startswith(ESCAPE) else text)
        return waiting.pop(0)

    return read


def with_keys(run: Callable[[Keys], object], keys: Keys | None, console: Console) -> None:
    """Run a desk with the keys that are given, or with those of the keyboard, then on a screen of its own.

    Args:
        run: What the keys are for.
        keys: None = the keyboard, or standard input when that is a pipe.
        console: Where it draws.
    """
    with suppress(KeyboardInterrupt):  # as good a way out as q: every answer is saved when its key is pressed
        if keys is not None:
            run(keys)
            return
        with keyboard() as typed:
            if console.is_terminal and sys.stdin.isatty():
                with console.screen(hide_cursor=True):
                    run(typed)
            else:
                run(typed)


def label(
    session: Session,
    *,
    guidelines: str = "",
    keys: Keys | None = None,
    console: Console | None = None,
    said: Callable[[object], str] = str,
) -> int:
    """Ask and record until the person quits, the input ends, or nothing is left to ask.

    Args:
        session: An open session; its background worker runs meanwhile. It is left open.
        guidelines: Text behind the key `h`.
        keys: Where keys come from; default the keyboard, or standard input when that is a pipe.
        console: Where to draw; default standard output.
        said: How errors name options; see `options.render`.

    Returns:
        How many answers were recorded (an undone one counts as not given; one of an earlier day does not count).
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    desk = LabelingDesk(session, console, guidelines, said)
    session.start()
    try:
        with_keys(desk.run, keys, console)
    finally:
        session.release()  # the question on the screen goes back, so that it comes first next time
        try:
            session.stop()
        except BadInput as error:  # what it cannot learn with; every answer is saved
            console.print(said(error), soft_wrap=True, markup=False)
    return max(0, desk.given)


class LabelingDesk:
    """What lies before the person: one question, and what happened last."""

    def __init__(
        self, session: Session, console: Console, guidelines: str, said: Callable[[object], str] = str
    ) -> None:
        self.said = said
        self.session = session
        self.console = console
        self.guidelines = guidelines
        self.given = 0
        self.message = ""
        self.show_guess = True
        self.whole = False
        self.extra: Any = None
        self.waiting: list[Query] = []  # questions put aside by an undo
        self.shown = 0.0
        self.checking = False
        self.widget = widget_of(session)(self)

    def run(self, keys: Keys) -> None:
        """One question after the other."""
        while True:
            query = self._next()
            if query is None:
                self.console.print(self._nothing_left())
                return
            if not self._answer(query, keys):
                return

    def _next(self) -> Query | None:
        if self.waiting:
            return self.waiting.pop()
        asked = self.session.ask(1)
        return asked[0] if asked else None

    def _answer(self, query: Query, keys: Keys) -> bool:
        """Show one question until it has an answer; False when the person wants to stop."""
        self.shown = time.monotonic()
        self.whole = False
        self.widget.begin(query)
        while True:
            self._draw(query)
            self.extra = None
            key = keys()
            while key in ENTER and not self.widget.enters:
                key = keys()
            if key in ("", "q", "\x04"):
                return False
            self.message = ""
            if self._act(query, key, keys):
                return True

    def _act(self, query: Query, key: str, keys: Keys) -> bool:
        """One key; True when the question is done with."""
        done = self.widget.key(query, key, keys)
        if done is not None:
            return done
        if key == "p":
            if query.suggestion is None:
                self.message = "There is no guess to accept here."
                return False
            return self.widget.accept(query)
        if key == " ":
            self.session.skip(query, seconds=self._seconds())
            return self._done("skipped")
        if key == "u":
            self.session.unsure(query, seconds=self._seconds())
            return self._done("unsure")
        if key in UNDO:
            return self._undo(query)
        if key == "f":
            note = self.line("Why flag it? (Enter to save, Esc to leave it)", keys)
            if note is not None:
                self.session.flag(query, note)
                self.message = "flagged"
        elif key == "s":
            return self._search(query, keys)
        elif key == "g":
            self.show_guess = not self.show_guess
        elif key == "v":
            self.whole = not self.whole
        elif key == "h":
            self.extra = _plain(self.guidelines or "There are no guidelines (give them with --guidelines FILE).")
        elif key == "?":
            self.extra = _help(self.widget)
        elif key == "c":
            return self._certify(query, keys)
        else:
            self.message = f"{printable(key)!r} means nothing here; ? shows the keys."
        return False

    def tell(self, query: Query, label: Any, words: str = "") -> bool:
        """Record an answer."""
        try:
            self.session.tell(query, label, seconds=self._seconds())
        except BadInput as error:
            self.message = str(error)
            return False
        return self._done(words or str(label))

    def _done(self, what: str) -> bool:
        self.given += 1
        self.message = f"{what} · Backspace takes it back"
        if self.checking and not self._is_checking():
            status = self.session.autolabel_status()
            self.message = "" if status is None else status.reason
        return True

    def _is_checking(self) -> bool:
        """Whether blind checks are being answered; remembered, to tell when the last one has decided."""
        status = self.session.autolabel_status()
        self.checking = status is not None and status.status == "checking"
        return self.checking

    def _undo(self, query: Query) -> bool:
        last = self.session.retract()
        if last is None:
            self.message = "Nothing to undo."
            return False
        self.given -= 1
        self.waiting += [query, last]
        self.message = "taken back"
        return True

    def _search(self, query: Query, keys: Keys) -> bool:
        """Put items with some words before the question that is open; whether there were any."""
        words = self.line("Items with these words (Enter to search, Esc to leave it):", keys)
        if words is None:
            return False
        try:
            found = self.session.find(words)
        except BadInput as error:
            self.message = str(error)
            return False
        items = {one.item for one in found}
        open_ = [one for one in [*self.waiting, query] if one.item not in items]
        self.waiting = [*open_, *reversed(found)]
        self.message = f"{len(found)} found" if found else "No open item has these words, or is like them."
        return bool(found)

    def _seconds(self) -> float | None:
        spent = time.monotonic() - self.shown
        return spent if spent < AWAY else None

    # Certifying.

    def _certify(self, query: Query, keys: Keys) -> bool:
        if self._is_checking():
            self.message = "The blind checks are under way: answer them, the outcome follows by itself."
            return False
        limit = share(self.session.settings["max_error"], 1)
        search = self.session.recall()
        status = self.session.autolabel_status()
        more = None if status is None else status.resumable
        if more is not None:
            self.message = (
                "Answers to the checks of the last attempt were changed. Go on with them "
                f"({more:,} more if all go well)? y / n"
            )
        elif search:
            self.message = (
                f"Check the {search.unread:,} unread in random order, to prove that at least {share(search.target)} of "
                "the relevant ones are found? One attempt is spent. y / n"
            )
        else:
            self.message = (
                f"Prove that at most {limit} of the model's labels are wrong? Its answers are frozen, one attempt is "
                "spent, blind checks follow. y / n"
            )
        self._draw(query)
        if keys() != "y":
            self.message = "Nothing was frozen."
            return False
        result = self.session.autolabel() if more is None else self.session.resume_autolabel()
        self.message = result.reason
        if result.status == "refused":
            return False
        self._is_checking()
        self.waiting.clear()  # what comes next are the checks; questions put aside come back in their turn
        self.session.release()
        return True

    # Entering text.

    def line(self, prompt: str, keys: Keys) -> str | None:
        """A line of text; None when the person pressed Escape."""
        text = ""
        while True:
            self._prompt(f"{prompt} {text}")
            key = keys()
            if key == ESCAPE:
                return None
            if key in ENTER or key == "":
                return text
            text = text[:-1] if key in UNDO else text + key

    def find(self, keys: Keys) -> str | None:
        """A label by the beginning of its name, or by any part of it; an unknown one is offered as new."""
        text = ""
        while True:
            found = _matches(text, self.session.classes)
            names = ", ".join(printable(n) for n in found[:12]) + (", …" if len(found) > 12 else "")
            self._prompt(f"label: {text}   {names or 'no label like that; Enter adds it as a new one'}")
            key = keys()
            if key in (ESCAPE, ""):
                return None
            if key not in ENTER:
                text = text[:-1] if key in UNDO else text + key
            elif found:
                return found[0]
            elif text.strip():
                return self._new_class(text.strip(), keys)

    def _new_class(self, name: str, keys: Keys) -> str | None:
        self._prompt(f"Add {name!r} as a new label? y / n")
        if keys() != "y":
            return None
        try:
            self.session.add_class(name)
        except BadInput as error:
            self.message = self.said(error)
            return None
        return name

    def _prompt(self, text: str) -> None:
        from rich.text import Text

        end = "\r" if self.console.is_terminal else "\n"
        if self.console.is_terminal:
            self.console.file.write("\x1b[2K")
        line = Text(printable(text))
        line.truncate(max(10, self.console.width - 1))
        self.console.print(line, end=end)

    # Drawing.

    def _draw(self, query: Query) -> None:
        if self.console.is_terminal:
            self.console.clear()
        self.console.print(self._view(query))

    def _view(self, query: Query) -> Group:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        parts: list[Any] = [self._header()]
        body, cut = self._body(query)
        note = Text(f" {cut} more lines, v shows them " if cut else "")
        parts.append(Panel(body, subtitle=note, subtitle_align="right", padding=(1, 2)))
        parts += [
            Text.assemble((f"{printable(name)}: ", "dim"), printable(value[:BESIDE]))
            for name, value in self.session.pool.beside(query.row).items()
        ]
        parts.append(Text.assemble(("Why: ", "dim"), printable(self._reason(query))))
        guess = self._guess(query)
        if guess is not None:
            parts.append(guess)
        parts += [Text(""), self.widget.drawn()]
        usual = "space skip · u unsure · f flag · Backspace undo · g guess · ? all keys · q quit"
        parts.append(Text(self.widget.hint + usual, style="dim"))
        search = self.session.recall()
        parts.append(Text((search or self.session.estimate()).sentence, style="dim"))
        if self.extra is not None:
            parts += [Text(""), self.extra]
        if self.message:
            parts.append(Text(printable(self.message), style="bold"))
        return Group(*parts)

    def _reason(self, query: Query) -> str:
        if self.show_guess or not query.guesses:
            return query.reason
        return f"chosen by {query.strategy}; the whole reason would tell the guess, which is hidden (g shows it)"

    def _header(self) -> Text:
        from rich.text import Text

        counts = self.session.counts()
        words = [f"{counts['labeled']:,} of {counts['items']:,} labeled"]
        if counts["given"]:
            words.append(f"{counts['given']:,} came labeled with the data")
        status = self.session.autolabel_status()
        if self._is_checking() and status is not None:
            left = "" if status.checks_left is None else f", about {status.checks_left:,} to go if all are right"
            words.append(f"blind checks: {status.checks_done:,} done{left}")
        else:
            words.append(self._forecast())
        if counts["auto"]:
            words.append(f"{counts['auto']:,} by the model")
        if self.session.worker_error is not None:
            words.append(f"THE MODEL STOPPED LEARNING: {self.said(self.session.worker_error)}")
        elif self.session.training:
            words.append("training")
        title = printable(self.session.title)
        line = Text.assemble((f"{title}  " if title else "", "bold"), printable(" · ".join(w for w in words if w)))
        return Text("\n").join([line, progress_bar(counts, min(60, self.console.width - 2))])

    def _forecast(self) -> str:
        verdict = self.session.verdict()
        if verdict.ready:
            return f"{verdict.reason} (c certifies)"
        if verdict.labels_left is None:
            return ""
        span = verdict.labels_left_range
        return f"about {verdict.labels_left:,} to go" + (f" ({span[0]:,}–{span[1]:,})" if span else "")

    def _body(self, query: Query) -> tuple[Text, int]:
        """The content, cut so that the keys stay in sight; and how many lines were cut."""
        from rich.text import Text

        text = self.widget.body(query) or Text(printable(query.text), overflow="fold")
        if self.whole or not self.console.is_terminal:
            return text, 0
        lines = text.wrap(self.console, max(10, self.console.width - 6))
        room = max(3, self.console.height - 16)
        if len(lines) <= room:
            return text, 0
        return Text("\n").join(lines[:room]), len(lines) - room

    def _guess(self, query: Query) -> Text | None:
        from rich.text import Text

        if query.audit or query.suggestion is None or not self.show_guess:
            return None
        line = Text.assemble(("Guess: ", "dim"), (self.widget.said(query.suggestion), "bold"), " ")
        if query.confidence is None:  # reopened: the guesses are in the log, how sure they are only in a model
            line.append(" how sure it is, the next training tells", style="dim")
        else:
            filled = round(20 * query.confidence)
            line.append("━" * filled, style="green").append("─" * (20 - filled), style="dim")
            line.append(f" {chance(query.confidence)}")
        return line.append("  p accepts", style="dim")

    def _nothing_left(self) -> Text:
        from rich.text import Text

        message = f"{printable(self.message)}\n" if self.message else ""
        return Text(f"{message}Nothing is left to ask. {self.session.verdict().reason}")


def progress_bar(counts: Mapping[str, int], width: int = 30) -> Text:
    """Who has labeled how much: people blue, the model green, the rest dim; from `Session.counts()`."""
    from rich.text import Text

    items = max(1, counts["items"])
    done = round(width * (counts["items"] - counts["open"]) / items)
    people = min(done, round(width * (counts["items"] - counts["open"] - counts["auto"]) / items))
    return Text.assemble(("━" * people, "blue"), ("━" * (done - people), "green"), ("─" * (width - done), "dim"))


def _matches(text: str, names: tuple[str, ...]) -> list[str]:
    """Names that start with the text first, then names that contain it; upper and lower case are one."""
    wanted = unicodedata.normalize("NFC", text).casefold()  # as labels are
    starts = [n for n in names if n.casefold().startswith(wanted)]
    return starts + [n for n in names if wanted in n.casefold() and n not in starts]


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(printable(text))


def _help(widget: Widget) -> Any:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, what in (*widget.help, *HELP):
        table.add_row(key, what)
    return table
