"""Session files that somebody has altered: every door ends in one sentence, whatever was changed, and at once."""

from __future__ import annotations

import copy
import io
import itertools
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise import Session, cli
from askwise.core import BadStore, Event
from askwise.events import FIELDS
from askwise.state import State
from askwise.state.fold import HANDLERS
from askwise.store import SQLiteStore, read_log, seal
from askwise.store.chain import amended
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

WORDS = {"spam": ["free prize", "win cash", "urgent claim"], "ham": ["see you", "running late", "call me"]}
DROPPED = object()
VALUES: tuple[Any, ...] = (
    DROPPED, None, True, -1, 10**12, 10**400, 0.5, float("nan"), float("inf"), "", "x", "\ud800", [], [None], ["x"], {},
    {"x": None}, [[[[]]]],
)  # fmt: skip


def texts(n: int) -> tuple[list[str], dict[str, str]]:
    rng = np.random.default_rng(5)
    truth = {}
    for i in range(n):
        label = "spam" if rng.random() < 0.35 else "ham"
        truth[f"{rng.choice(WORDS[label])} {rng.choice(WORDS[label])} {i}"] = label
    return list(truth), truth


def live(path: Path) -> None:
    """A session in which everything has happened."""
    found, truth = texts(200)
    session = Session(
        found, classes=["ham", "spam", "other"], seed=2, max_error=0.2, audit_share=0.6, overlap=0.15, encoder="tfidf",
        store=path,
    )  # fmt: skip

    def tell(query: Any, who: str = "me", wrong: bool = False) -> None:
        label = truth[query.text]
        session.tell(query, {"ham": "spam", "spam": "ham"}[label] if wrong else label, annotator=who, seconds=1.5)

    for round_ in range(6):
        for query in session.ask(3):
            tell(query)
        for query in session.ask(3, annotator="bob"):
            tell(query, "bob", wrong=round_ == 0 and query.row % 2 == 0)
        if round_ == 1:
            one, two, three = session.ask(3)
            session.skip(one)
            session.unsure(two)
            session.flag(three, "odd")
            session.unflag(three)
            session.flag(two, "odd")
            session.release()
        if round_ == 2:
            session.retract()
            session.release()
            session.add_class("late")
        if round_ == 3:
            disputed = next(row for row in session.look(lambda s: sorted(s.several)))
            session.adjudicate(session.pool.ids[disputed], truth[found[disputed]], annotator="carol")
        if round_ == 3:
            more, known = texts(230)
            truth.update(known)
            session.add(more[200:] + found[:2])
        if round_ == 4:
            session.show_guesses(session.pool.ids[:3], annotator="dora")
        session.refresh()
    assert session.autolabel().status == "checking", session.autolabel().reason
    session.cancel_autolabel()
    for _ in range(3):
        session.autolabel()
        while (now := session.autolabel_status()) is not None and now.status == "checking":
            for query in session.ask(4):
                tell(query)
        if now is not None and now.status == "certified":
            break
        for query in session.ask(20):
            tell(query)
        session.refresh()
    row = int(session.look(lambda s: s.attempts[-1].order[0]))
    session.tell(session.pool.ids[row], "spam" if truth[session.pool.contents[row]] == "ham" else "ham")
    session.unsure(session.pool.ids[int(session.look(lambda s: s.attempts[-1].order[1]))])
    going_on = session.resume_autolabel()
    while going_on is not None and going_on.status == "checking":
        for query in session.ask(4):
            tell(query)
        going_on = session.autolabel_status()
    assert going_on is not None
    assert going_on.status == "certified", going_on.reason
    session.undo_autolabel()
    session.change.merge("late", "other")
    session.change.rename("other", "rest")
    session.change.split("late")
    session.change.remove("late")
    session.change.describe("rest", "neither")
    session.change.reorder(["spam"])
    session.change.title("Mail")
    session.change.guidelines("Look twice.")
    session.export(path.with_suffix(".csv"))
    session.withdraw([session.pool.ids[row] for row in (2, 205)], annotator="carol", reason="asked for")
    session.refresh()
    session.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    path = tmp_path_factory.mktemp("crafted") / "mail.askwise"
    live(path)
    return list(read_log(path))


def written(path: Path, lines: list[tuple[Any, ...]], more: str = "") -> Path:
    """A session file with these (seq, at, kind, data, digest), as somebody with sqlite3 can write it."""
    path.unlink(missing_ok=True)
    SQLiteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER digests_only")
        db.executemany("INSERT INTO events (seq, at, kind, data, digest) VALUES (?, ?, ?, ?, ?)", lines)
        db.executescript(more)
    db.close()
    return path


def dumped(data: Any) -> str:
    return json.dumps(data, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def crafted(path: Path, log: list[Event], place: int, data: Any, *, chained: bool) -> Path:
    """The log with the data of one event exchanged, with or without a chain that fits."""
    events = list(log)
    old = events[place]
    events[place] = Event(old.kind, data, old.at, old.seq, old.digest)
    if chained:
        events = [event for event, _ in seal([Event(e.kind, e.data, e.at) for e in events], 0, "")]
    return written(path, [(e.seq, e.at, e.kind, dumped(e.data), e.digest) for e in events])


def run(*args: str) -> tuple[int, str]:
    """Exit code and what was said; anything but an exit fails the test."""
    sys.set_int_max_str_digits(4300)
    said, old = io.StringIO(), (sys.stdout, sys.stderr, sys.stdin)
    sys.stdout = sys.stderr = said
    sys.stdin = io.StringIO("q")
    try:
        cli.main(args)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return code, said.getvalue()
    finally:
        sys.stdout, sys.stderr, sys.stdin = old
    return 0, said.getvalue()


DOORS = ("verify", "report", "export", "label")


def sound(path: Path, *names: str) -> list[int]:
    """Each door ends with 0 or a sentence and 2; `verify` may also say what it found, with 1."""
    codes = []
    out = path.with_suffix(".csv")
    more = {"export": (str(out),), "label": ("--terminal",)}
    for name in names or DOORS:
        out.unlink(missing_ok=True)
        code, said = run(name, str(path), *more.get(name, ()))
        assert "Traceback" not in said, (name, said)
        assert code in ((0, 1, 2) if name == "verify" else (0, 2)), (name, code, said)
        if code == 2:
            sentence = said.strip()
            assert sentence.startswith("Error: "), (name, said)
            assert len(sentence) < 700, (name, said)
        codes.append(code)
    return codes


def folded(events: list[Event]) -> str:
    """What is said of the first event that cannot be; empty where all can."""
    state = State()
    try:
        for event in events:
            state.apply(event)
    except BadStore as error:
        return str(error)
    return ""


def first_of(log: list[Event]) -> dict[str, int]:
    return {e.kind: i for i, e in reversed(list(enumerate(log)))}


def test_the_log_holds_every_kind_and_each_kind_is_described(log: list[Event]) -> None:
    assert set(FIELDS) == set(HANDLERS)
    assert {e.kind for e in log} == set(FIELDS) - {"stopped"}
    for event in log:
        assert set(event.data) - set(FIELDS[event.kind]) <= {"people", "method", "asked", "seen"}, event.kind


def test_as_it_was_it_passes_every_door(log: list[Event], tmp_path: Path) -> None:
    path = written(tmp_path / "a.askwise", [(e.seq, e.at, e.kind, dumped(e.data), e.digest) for e in log])
    assert sound(path) == [0, 0, 0, 0]


KEYS = [(kind, key) for kind, keys in FIELDS.items() if kind != "stopped" for key in keys]


@pytest.mark.parametrize(("kind", "key"), KEYS, ids=[f"{kind}-{key}" for kind, key in KEYS])
def test_a_field_changed_dropped_or_retyped(log: list[Event], tmp_path: Path, kind: str, key: str) -> None:
    """The fold of every variant in memory; one of each sort through every door, with and without a chain that fits."""
    place = next((i for i, e in enumerate(log) if e.kind == kind and key in e.data), None)
    if place is None:
        pytest.skip("this session has none")
    refused: dict[bool, tuple[Any, bool]] = {}
    count = 0
    for value in VALUES:
        data = altered(log[place].data, (key,), value)
        said = folded([*log[:place], Event(kind, data, log[place].at, place + 1), *log[place + 1 :]])
        assert len(said) < 700
        count += bool(said)
        refused.setdefault(bool(said), (data, value is not DROPPED))
    assert count >= 5, "most of these values can be no such thing"
    path = tmp_path / "a.askwise"
    for bad, (data, chained) in refused.items():
        made = crafted(path, log, place, data, chained=chained)
        codes = sound(made, *(DOORS if bad else ("report", "export")))
        assert not bad or codes[1:] == [2, 2, 2]


def altered(data: Any, way: tuple[Any, ...], value: Any) -> Any:
    """A copy of the data of an event with one value exchanged or dropped."""
    found = copy.deepcopy(dict(data))
    at: Any = found
    for step in way[:-1]:
        at = at[step]
    if value is DROPPED:
        del at[way[-1]]
    else:
        at[way[-1]] = value
    return found


def inner(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Ways to every value inside a value, of lists the first alone."""
    if isinstance(data, dict):
        for key, value in itertools.islice(data.items(), 12):
            yield (*path, key)
            yield from inner(value, (*path, key))
    elif isinstance(data, list) and data:
        yield (*path, 0)
        yield from inner(data[0], (*path, 0))


def test_what_lies_deeper_inside(log: list[Event], tmp_path: Path) -> None:
    for kind in first_of(log):
        place = max((i for i, e in enumerate(log) if e.kind == kind), key=lambda i: len(str(log[i].data)))
        for way in inner(log[place].data):
            if len(way) < 2:
                continue
            for value in (DROPPED, None, -1, "x", [[]], 1e300, {"x": 1}):
                data = altered(log[place].data, way, value)
                events = [*log[:place], Event(kind, data, log[place].at, place + 1), *log[place + 1 :]]
                if not folded(events) and value is DROPPED:  # then what reads it later must bear it
                    sound(crafted(tmp_path / "a.askwise", log, place, data, chained=True), "report", "export")


OTHERWISE: dict[str, Callable[[list[Any]], None]] = {
    "kind nobody knows": lambda line: line.__setitem__(2, "dreamt"),
    "kind of another": lambda line: line.__setitem__(2, "ranked"),
    "kind a number": lambda line: line.__setitem__(2, 7),
    "data no object": lambda line: line.__setitem__(3, "[1]"),
    "data null": lambda line: line.__setitem__(3, "null"),
    "data no JSON": lambda line: line.__setitem__(3, "{"),
    "data empty": lambda line: line.__setitem__(3, ""),
    "data bytes": lambda line: line.__setitem__(3, b"\xff\xfe"),
    "data nested deep": lambda line: line.__setitem__(3, '{"row":' + "[" * 200_000 + "]" * 200_000 + "}"),
    "a long number": lambda line: line.__setitem__(3, '{"row":' + "9" * 6000 + "}"),
    "time a text": lambda line: line.__setitem__(1, "noon"),
    "time infinite": lambda line: line.__setitem__(1, float("inf")),
    "time far": lambda line: line.__setitem__(1, 1e18),
    "time before": lambda line: line.__setitem__(1, -1e18),
    "number jumps": lambda line: line.__setitem__(0, line[0] + 10_000_000),
    "number negative": lambda line: line.__setitem__(0, -5),
    "digest a number": lambda line: line.__setitem__(4, 5),
    "digest missing": lambda line: line.__setitem__(4, None),
    "digest bytes": lambda line: line.__setitem__(4, b"\xff" * 64),
}


@pytest.mark.parametrize("what", OTHERWISE)
@pytest.mark.parametrize("kind", ["opened", "items", "told", "ranked", "closed"])
def test_an_event_altered_as_a_whole(log: list[Event], tmp_path: Path, what: str, kind: str) -> None:
    lines = [[e.seq, e.at, e.kind, dumped(e.data), e.digest] for e in log]
    OTHERWISE[what](lines[first_of(log)[kind]])
    sound(written(tmp_path / "a.askwise", [tuple(line) for line in lines]), "verify", "report")


@pytest.mark.parametrize("kind", [kind for kind in FIELDS if kind != "stopped"])
def test_an_event_dropped_or_twice(log: list[Event], tmp_path: Path, kind: str) -> None:
    place = first_of(log)[kind]
    for events in (log[:place] + log[place + 1 :], log[: place + 1] + log[place:], log[place:] + log[:place]):
        again = [event for event, _ in seal([Event(e.kind, e.data, e.at) for e in events], 0, "")]
        lines = [(e.seq, e.at, e.kind, dumped(e.data), e.digest) for e in again]
        sound(written(tmp_path / "a.askwise", lines), "report")
        verify(again) if again[0].kind == "opened" else None


def test_a_refusal_names_event_kind_and_key(log: list[Event], tmp_path: Path) -> None:
    place = first_of(log)["told"]
    data = {**log[place].data, "row": "three"}
    path = crafted(tmp_path / "a.askwise", log, place, data, chained=True)
    code, said = run("report", str(path))
    assert code == 2
    assert f"event {place + 1} (told)" in said
    assert "'row' must be a row of the session, got 'three'" in said
    code, said = run("verify", str(path))
    assert code == 1
    assert f"Event {place + 1} (told)" in said


def test_items_of_a_kind_that_nobody_knows(log: list[Event], tmp_path: Path) -> None:
    path = crafted(tmp_path / "a.askwise", log, 0, {**log[0].data, "kind": "vido"}, chained=True)
    for door in ("report", "export", "verify"):
        code, said = run(door, str(path), *([str(tmp_path / "out.csv")] if door == "export" else []))
        assert code == (1 if door == "verify" else 2)
        assert "of items of the kind 'vido', which this version does not know" in " ".join(said.split())


def test_keys_that_nobody_knows_are_left_alone(log: list[Event], tmp_path: Path) -> None:
    left = amended(log)  # of what is left of these, the log holds a digest of its own
    more = {"of a later version": [1, {"a": None}]}
    events = [Event(e.kind, dict(e.data) if e.seq in left else {**e.data, **more}, e.at) for e in log]
    again = [event for event, _ in seal(events, 0, "")]
    path = written(tmp_path / "a.askwise", [(e.seq, e.at, e.kind, dumped(e.data), e.digest) for e in again])
    assert sound(path, "verify", "report", "export") == [0, 0, 0]


# ── what else may lie in the file ───────────────────────────────────────────────────────────

ADDED = {
    "a trigger that alters": "CREATE TRIGGER quiet AFTER INSERT ON events BEGIN SELECT 1; END;",
    "one with the name of ours": "DROP TRIGGER append_only_update; CREATE TRIGGER append_only_update AFTER INSERT ON "
    "events BEGIN UPDATE events SET data = '{}' WHERE seq = new.seq; END;",
    "a view": "CREATE VIEW answers AS SELECT * FROM events;",
    "a view in the place of the log": "DROP TRIGGER append_only_update; DROP TRIGGER append_only_delete; ALTER TABLE "
    "events RENAME TO hidden; CREATE VIEW events AS SELECT * FROM hidden;",
    "a table": "CREATE TABLE more (x);",
    "an index": "CREATE INDEX more ON events (kind);",
    "a column": "ALTER TABLE events ADD COLUMN more TEXT;",
    "a computed column": "ALTER TABLE events ADD COLUMN more TEXT AS (kind) VIRTUAL;",
    "no log": "DROP TRIGGER append_only_update; DROP TRIGGER append_only_delete; DROP TABLE events;",
}


@pytest.mark.parametrize("what", ADDED)
def test_what_others_put_into_the_file_is_refused_and_nothing_is_written(
    log: list[Event], tmp_path: Path, what: str
) -> None:
    lines = [(e.seq, e.at, e.kind, dumped(e.data), e.digest) for e in log]
    path = written(tmp_path / "a.askwise", lines, ADDED[what])
    before = path.read_bytes()
    assert sound(path) == [2, 2, 2, 2]
    assert path.read_bytes() == before
    with pytest.raises(BadStore, match=r"no Askwise has made|should have the columns"):
        SQLiteStore(path)


def test_what_sqlite_itself_leaves_in_a_file_is_no_stranger(log: list[Event], tmp_path: Path) -> None:
    lines = [(e.seq, e.at, e.kind, dumped(e.data), e.digest) for e in log]
    assert sound(written(tmp_path / "a.askwise", lines, "ANALYZE;"), "report", "export") == [0, 0]
