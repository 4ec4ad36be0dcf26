"""Labeling in a terminal: every key, a pipe, a real pseudo-terminal."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
import time

import pytest
from rich.console import Console

from askwise import terminal
from askwise.core import Query
from askwise.session import Session
from askwise.store import open_store

pytestmark = pytest.mark.usefixtures("linear")

GOOD = ["lovely", "wonderful", "great", "happy", "sunny", "bright", "pleasant", "kind"]
BAD = ["awful", "terrible", "bad", "sad", "gloomy", "nasty", "horrid", "cruel"]


def texts(n=60):
    """Distinct texts of two kinds, told apart by their words."""
    words = [GOOD if i % 2 == 0 else BAD for i in range(n)]
    return [f"{w[i % 8]} {w[(i // 8) % 8]} thing number {i}" for i, w in enumerate(words)]


def kind(text):
    return "good" if any(word in GOOD for word in text.split()) else "bad"


@pytest.fixture
def session():
    with Session(texts(), classes=["good", "bad"], encoder="tfidf", seed=1) as found:
        yield found


class Screen:
    """A console that is no terminal, and what was drawn on it."""

    def __init__(self, width=100):
        self.file = io.StringIO()
        self.console = Console(file=self.file, width=width, highlight=False, force_terminal=False)

    @property
    def text(self):
        return self.file.getvalue()


def press(session, keys, **options):
    """Press these keys; returns (answers recorded, what the screen showed)."""
    waiting = list(keys)
    screen = Screen()
    given = terminal.label(session, keys=lambda: waiting.pop(0) if waiting else "", console=screen.console, **options)
    return given, screen.text


class Person:
    """Answers as asked; remembers the question through the session's own `ask`."""

    def __init__(self, session, monkeypatch, *, first="", stop=None):
        self.session, self.first, self.stop, self.asked = session, list(first), stop, []
        ask = session.ask

        def remember(n=1, **options):
            found = ask(n, **options)
            self.asked += found
            return found

        monkeypatch.setattr(session, "ask", remember)

    def __call__(self):
        if self.first:
            return self.first.pop(0)
        if self.stop is not None and self.stop():
            return "q"
        return "1" if kind(self.asked[-1].text) == "good" else "2"


def test_a_digit_labels_and_goes_on(session):
    given, shown = press(session, "121q")
    assert given == 3
    assert [a.label for a in session.history()] == ["good", "bad", "good"]
    assert len({a.row for a in session.history()}) == 3
    assert "3 of 60 labeled" in shown


def test_the_end_of_the_input_ends_it(session):
    given, _ = press(session, "12")
    assert given == 2


def test_every_question_says_why_and_every_label_shows_its_key(session):
    _, shown = press(session, "q")
    assert "Why: " in shown
    assert " 1  good" in shown
    assert " 2  bad" in shown


def test_skip_unsure_flag(session):
    given, shown = press(session, " ufodd one\nu1q")
    assert given == 4
    counts = session.counts()
    assert (counts["skipped"], counts["unsure"], counts["labeled"]) == (1, 2, 1)
    assert session.report().flagged[0][1] == "odd one"
    assert "flagged" in shown


def test_a_search_puts_what_it_finds_first(session):
    wanted = session.pool.contents[37]
    given, shown = press(session, f"s{wanted}\n1q")
    assert given == 1
    assert session.answers()[37].label == "good"
    assert "found" in shown
    assert "You searched for it" in shown


def test_a_search_without_words_or_finds_says_so(session):
    _, shown = press(session, "s\nq")
    assert "needs words" in shown
    _, shown = press(session, "sqqqzzz\nq")
    assert "No open item" in shown
    given, _ = press(session, "sx\x1bq")
    assert given == 0


def test_escape_leaves_a_note_unsaved(session):
    press(session, "fodd\x1bq")
    assert session.report().flagged == ()


@pytest.mark.parametrize("key", terminal.desk.UNDO)
def test_undo_brings_the_same_question_back_then_the_one_put_aside(session, key, monkeypatch):
    person = Person(session, monkeypatch)
    given, _ = press(session, f"1{key}21q")
    assert given == 2
    first, second = person.asked[0], person.asked[1]
    answers = session.answers()
    assert answers[first.row].label == "bad", "the question came back and got another label"
    assert answers[second.row].label == "good", "the question that undo put aside came next"


def test_undo_repeats_and_knows_its_end(session):
    given, shown = press(session, "12\x7f\x7f\x7fq")
    assert given == 0
    assert session.counts()["labeled"] == 0
    assert "Nothing to undo" in shown


def test_what_means_nothing_changes_nothing(session):
    given, shown = press(session, "9x\x01pq")
    assert given == 0
    assert "There is no label 9; 2 are known." in shown
    assert "'x' means nothing here" in shown
    assert "There is no guess to accept here." in shown
    assert "\x01" not in shown


def test_line_ends_of_a_script_are_no_keys(session):
    given, shown = press(session, "1\n2\r\nq\n")
    assert given == 2
    assert "means nothing" not in shown


def trained(session):
    for row in range(24):
        session.tell(session.pool.ids[row], kind(session.pool.contents[row]))
    session.refresh()


def test_a_guess_is_shown_accepted_and_hidden(session, monkeypatch):
    trained(session)
    person = Person(session, monkeypatch)
    _, shown = press(session, "q")
    query = person.asked[-1]
    if query.audit:  # the very next may be a check item; the one after it is not
        press(session, "1q")
        _, shown = press(session, "q")
        query = person.asked[-1]
    assert not query.audit
    assert "Guess: " + query.suggestion in shown
    assert f"{query.confidence:.0%}" in shown
    _, shown = press(session, "gq")
    assert shown.count("Guess: ") == 1, "shown first, hidden after g"
    unwrapped = re.sub(r"[│\s]+", " ", shown)
    assert unwrapped.count(query.reason) == 1, "nor does the reason tell it then"
    assert "g shows it" in shown
    press(session, "pq")
    assert session.history(1)[0].label == query.suggestion


def test_no_guess_on_a_check_item():
    with Session(texts(), classes=["good", "bad"], encoder="tfidf", seed=1, audit_share=1.0) as session:
        trained(session)
        _, shown = press(session, "1212q")
        assert session.counts()["audits"] == 5
        assert "Guess: " not in shown
        given, shown = press(session, "pq")
        assert given == 0
        assert "no guess" in shown


def test_a_guess_on_a_check_item_is_hidden_even_if_the_session_leaks_one(session):
    desk = terminal.desk.LabelingDesk(session, Screen().console, "")
    leaked = Query("i", 0, "text", "why", audit=True, suggestion="good", confidence=0.9)
    assert desk._guess(leaked) is None


def test_many_labels_are_found_by_name():
    names = [f"intent {i}" for i in range(30)] + ["refund", "Refund status"]
    with Session(texts(), classes=names, encoder="tfidf") as session:
        given, shown = press(session, "/intent 17\n0/REFUND S\n/tus\n/xx\x7f\x7f\nq")
        assert [a.label for a in session.history()][::-1] == [
            "intent 17", "intent 9", "Refund status", "Refund status", "intent 0",
        ]  # fmt: skip
        assert given == 5
        assert "find one of 32 labels" in shown


def test_a_new_label_is_added_only_when_confirmed():
    with Session(texts(), encoder="tfidf", classes=["good", "bad"]) as session:
        given, _ = press(session, "/neutral\nn/neutral\ny3q")
        assert session.classes == ("good", "bad", "neutral")
        assert [a.label for a in session.history()] == ["neutral", "neutral"]
        assert given == 2


def test_guidelines_and_help(session):
    _, shown = press(session, "h?q", guidelines="Good is what [bold]cheers[/bold].")
    assert "Good is what [bold]cheers[/bold]." in shown
    assert "freeze what the model is sure of" in shown


def test_content_cannot_steer_the_terminal():
    store = open_store(None)
    append = store.append

    def by_an_earlier_version(events, **more):  # which took such labels
        for event in events:
            if event.kind == "opened":
                event.data["classes"] = ["a\x1b]0;b", "c"]
        return append(events, **more)

    store.append = by_an_earlier_version
    hostile = ["\x1b[2J\x07evil\x9b", "[red]x[/]", *texts(4)]
    with Session(hostile, classes=["a", "c"], encoder="tfidf", store=store) as session:
        assert session.classes[0] == "a\x1b]0;b"
        _, shown = press(session, "111111")
        assert not {"\x1b", "\x07", "\x9b"} & set(shown)
        assert "[red]x[/]" in shown


def test_it_ends_when_nothing_is_left(session):
    given, shown = press(session, "1" * 100)
    assert given == 60
    assert "Nothing is left to ask" in shown


def test_a_long_text_is_cut_to_the_screen_and_shown_whole_on_v():
    class Tall(io.StringIO):
        def isatty(self):
            return True

    with Session([" ".join(f"w{i}" for i in range(3000)), "short one"], classes=["a", "b"], encoder="tfidf") as session:
        file = Tall()
        console = Console(file=file, width=80, height=24, force_terminal=True, highlight=False)
        desk = terminal.desk.LabelingDesk(session, console, "")
        query = Query("i", 0, session.pool.contents[0], "why")
        lines, cut = desk._body(query)
        assert cut > 100
        assert len(lines.plain.splitlines()) + 16 <= 24
        desk.whole = True
        assert desk._body(query)[1] == 0


def test_certify_from_the_terminal_ends_with_the_outcome(monkeypatch):
    pool = [f"{t} {i}" for i, t in enumerate(texts(600))]
    with Session(pool, classes=["good", "bad"], encoder="tfidf", max_error=0.1, confidence=0.9) as session:
        for row in range(60):
            session.tell(session.pool.ids[row], kind(pool[row]))
        session.refresh()
        person = Person(session, monkeypatch, first="cnc" + "y", stop=lambda: session.counts()["auto"] > 0)
        screen = Screen()
        terminal.label(session, keys=person, console=screen.console)
        assert "Nothing was frozen." in screen.text
        assert session.counts()["auto"] > 300
        assert session.autolabel_status().certificate.sentence in " ".join(screen.text.split())
        checks = [q for q in person.asked if q.strategy == "check"]
        assert len(checks) >= 20
        assert all(q.suggestion is None and q.guesses == () for q in checks), "checks are blind"
        assert "blind checks: " in screen.text


def test_the_bar_is_as_long_as_the_work_done():
    def parts(**counts):
        bar = terminal.progress_bar(counts, 20)
        lengths = {str(span.style): span.end - span.start for span in bar.spans}
        assert len(bar) == 20
        return [lengths.get(name, 0) for name in ("blue", "green", "dim")]

    assert parts(items=100, open=100, auto=0) == [0, 0, 20]
    assert parts(items=100, open=50, auto=25) == [5, 5, 10]
    assert parts(items=100, open=0, auto=70) == [6, 14, 0]
    assert parts(items=3, open=0, auto=0) == [20, 0, 0]


# ── real input ──────────────────────────────────────────────────────────────────────────────


def test_a_pipe_is_read_to_its_end():
    with terminal.keyboard(io.StringIO("1ü")) as keys:
        assert [keys(), keys(), keys()] == ["1", "ü", ""]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_raw_keys_join_what_arrives_in_pieces():
    reader, writer = os.pipe()
    keys = terminal.desk._raw_keys(reader)
    umlaut = "ü".encode()
    os.write(writer, b"1" + umlaut[:1])
    assert keys() == "1"
    os.write(writer, umlaut[1:])
    assert keys() == "ü"
    os.write(writer, b"\x1b[A")
    assert keys() == terminal.desk.ESCAPE
    os.write(writer, b"ab")
    assert keys() + keys() == "ab"
    os.close(writer)
    assert keys() == ""
    os.close(reader)


TAKE_THE_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl+C arrives as it does from a keyboard
from askwise.cli import main
main(sys.argv[1:])
"""


class Pty:
    """The command line in a pseudo-terminal, as a person sits before it."""

    def __init__(self, *args, cwd):
        import pty

        self.fd, inner = pty.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_THE_TERMINAL, *args],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
        self.inner = inner
        self.seen = ""

    def until(self, words, timeout=60):
        end = time.monotonic() + timeout
        while words not in self.seen:
            assert time.monotonic() < end, f"{words!r} never appeared in {self.seen[-2000:]!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 65536).decode("utf-8", "replace")
            else:
                assert self.process.poll() is None, f"ended before {words!r}: {self.seen[-2000:]!r}"

    def press(self, keys):
        self.seen = ""
        os.write(self.fd, keys.encode())

    def wait(self):
        code = self.process.wait(60)
        os.close(self.inner)
        os.close(self.fd)
        return code


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("leave", ["q", "\x03"])
def test_in_a_pseudo_terminal(tmp_path, leave):
    import csv
    import termios

    with (tmp_path / "mini.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([t] for t in texts())])
    options = ["--text", "text", "--labels", "good,bad", "--encoder", "tfidf", "--terminal"]
    door = Pty("label", "mini.csv", *options, cwd=tmp_path)
    before = termios.tcgetattr(door.fd)
    door.until("0 of 60 labeled")
    assert not termios.tcgetattr(door.fd)[3] & termios.ECHO, "keys are read one by one"
    door.press("1")
    door.until("1 of 60 labeled")
    door.press("2")
    door.until("2 of 60 labeled")
    door.press(leave)
    door.until("2 answers recorded, saved in mini.askwise")
    door.until("askwise label mini.askwise")
    after = termios.tcgetattr(door.fd)
    assert after[3] == before[3], "the terminal is as it was"
    assert door.wait() == 0
    with Session.open(tmp_path / "mini.askwise") as session:
        assert [a.label for a in session.history()] == ["bad", "good"]
