"""The log: append-only, durable, refusing what it should refuse."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise.core import BadStore, Conflict, Event
from askwise.store import (
    FORMAT,
    MemoryStore,
    SQLiteStore,
    canonical,
    chain,
    digest,
    open_store,
    read_log,
)


def test_path_opens_a_file_and_none_opens_memory(tmp_path: Path) -> None:
    assert isinstance(open_store(None), MemoryStore)
    store = open_store(tmp_path / "a.askwise")
    assert isinstance(store, SQLiteStore)
    store.close()
    memory = MemoryStore()
    assert open_store(memory) is memory


def test_reopened_file_holds_what_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "a.askwise"
    store = SQLiteStore(path)
    assert store.append([Event("a", {"text": "ü 🙂"}), Event("b", {"n": 1})]) == 2
    store.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.askwise"], "closed, a session is one file"
    again = SQLiteStore(path)
    assert [(e.seq, e.kind, dict(e.data)) for e in again.read()] == [(1, "a", {"text": "ü 🙂"}), (2, "b", {"n": 1})]
    assert [e.seq for e in again.read(after=1)] == [2]
    again.close()


@pytest.mark.parametrize(
    "make", [lambda p: MemoryStore(), lambda p: SQLiteStore(p / "a.askwise")], ids=["memory", "sqlite"]
)
def test_stale_append_conflicts_and_leaves_nothing(make, tmp_path: Path) -> None:
    store = make(tmp_path)
    store.append([Event("a", {})], after=0)
    with pytest.raises(Conflict, match="moved on"):
        store.append([Event("b", {}), Event("c", {})], after=0)
    assert [e.kind for e in store.read()] == ["a"]
    store.close()


def test_failing_event_leaves_nothing(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "a.askwise")
    with pytest.raises(TypeError):
        store.append([Event("a", {}), Event("b", {"x": object()})])
    assert list(store.read()) == []
    store.close()


def test_events_cannot_be_altered(tmp_path: Path) -> None:
    path = tmp_path / "a.askwise"
    store = SQLiteStore(path)
    store.append([Event("a", {})])
    store.close()
    db = sqlite3.connect(path)
    for statement in ("UPDATE events SET kind='x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


# ── the chain ───────────────────────────────────────────────────────────────────────────────


def reference(previous: str, event: Event) -> str:
    whole = {"kind": event.kind, "data": event.data, "at": float(event.at), "seq": event.seq}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous + "\n" + text).encode("utf-8", "surrogatepass")).hexdigest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.text(), st.dictionaries(st.text(), JSON, max_size=4), st.floats(1, 2e9)), max_size=4))
def test_digests_are_those_of_the_definition_and_survive_json(lines: list[tuple[str, dict[str, Any], float]]) -> None:
    previous, events = "", []
    for seq, (kind, data, at) in enumerate(lines, 1):
        event = Event(kind, data, at, seq)
        assert digest(previous, event) == reference(previous, event)
        again = Event(kind, json.loads(canonical(data)), at, seq)
        assert digest(previous, again) == digest(previous, event)
        previous = digest(previous, event)
        events.append(event)
    assert [*chain(events)][-1:] == [previous][: len(events)]
    store = MemoryStore()
    store.append(events)
    assert [e.digest for e in store.read()] == list(chain(events))


def test_the_digest_is_written_down() -> None:
    # A later version that computed another one would call every older session altered.
    event = Event("told", {"row": 3, "label": "gr\u00fcn", "seconds": 1.5, "asked": None}, 1700000000.25, 7)
    line = '{"at":1700000000.25,"data":{"asked":null,"label":"gr\u00fcn","row":3,"seconds":1.5},"kind":"told","seq":7}'
    assert digest("ab" * 32, event) == hashlib.sha256(("ab" * 32 + "\n" + line).encode()).hexdigest()


def old_file(path: Path, events: list[tuple[str, str]]) -> sqlite3.Connection:
    """A file as format 1 had it, and a connection that has it open."""
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        """
        PRAGMA application_id=1098083159;
        PRAGMA user_version=1;
        CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL);
        CREATE TRIGGER append_only_update BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
        PRAGMA journal_mode=WAL;
        """  # noqa: E501
    )
    lines = [(i, 100.0 + i, kind, data) for i, (kind, data) in enumerate(events, 1)]
    db.executemany("INSERT INTO events (seq, at, kind, data) VALUES (?, ?, ?, ?)", lines)
    return db


def test_a_file_without_digests_is_read_as_it_is_and_goes_on_with_them(tmp_path: Path) -> None:
    path = tmp_path / "old.askwise"
    old_file(path, [("opened", '{"n": 1}'), ("told", '{"b": 1, "a": 2}')]).close()
    before = path.read_bytes()
    assert [(e.kind, e.digest) for e in read_log(path)] == [("opened", ""), ("told", "")]
    assert path.read_bytes() == before, "reading migrates nothing"
    for more in (1, 2):
        store = SQLiteStore(path)
        store.append([Event("told", {"i": more}), Event("told", {"i": -more})])
        events = list(store.read())
        store.close()
        assert [e.digest for e in events[:2]] == ["", ""], "what was written without stays without"
        assert [e.digest for e in events[2:]] == list(chain(events))[2:], "the first one stands for all before it"
    assert list(read_log(path)) == events
    assert int.from_bytes(path.read_bytes()[60:64], "big") == FORMAT


def test_an_older_version_cannot_write_without_digests(tmp_path: Path) -> None:
    path = tmp_path / "old.askwise"
    older = old_file(path, [("opened", "{}")])
    store = SQLiteStore(path)
    store.append([Event("told", {})])
    with pytest.raises(sqlite3.IntegrityError, match="newer Askwise"):
        older.execute("INSERT INTO events (seq, at, kind, data) VALUES (3, 1.0, 'told', '{}')")
    older.close()
    assert len(store.read()) == 2
    store.close()


def test_reading_a_log_leaves_nothing_behind_and_sees_what_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "a.askwise"
    store = SQLiteStore(path)
    store.append([Event("a", {})])
    assert [e.kind for e in read_log(path)] == ["a"]
    store.append([Event("b", {})])
    assert list(read_log(path)) == list(store.read())
    store.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.askwise"]
    assert [e.kind for e in read_log(path)] == ["a", "b"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.askwise"]
    with pytest.raises(BadStore, match="No session file"):
        read_log(tmp_path / "none")
    odd = tmp_path / "a #1?mode=rw.askwise"
    path.rename(odd)
    assert len(read_log(odd)) == 2, "a name is not read as an address"


def test_an_event_that_is_not_json_is_named_damaged(tmp_path: Path) -> None:
    path = tmp_path / "old.askwise"
    old_file(path, [("opened", "{not json")]).close()
    with pytest.raises(BadStore, match="damaged"):
        read_log(path)


def test_newer_foreign_and_broken_files_are_refused_untouched(tmp_path: Path) -> None:
    newer = tmp_path / "newer.askwise"
    SQLiteStore(newer).close()
    db = sqlite3.connect(newer)
    db.execute(f"PRAGMA user_version={FORMAT + 1}")
    db.close()
    foreign = tmp_path / "foreign.askwise"
    db = sqlite3.connect(foreign)
    db.execute("CREATE TABLE t (x)")
    db.close()
    text = tmp_path / "text.askwise"
    text.write_text("message,label\n" * 50)
    for path, said in ((newer, "newer Askwise"), (foreign, "not an Askwise session"), (text, "not an Askwise session")):
        before = path.read_bytes()
        with pytest.raises(BadStore, match=said):
            SQLiteStore(path)
        assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"newer.askwise", "foreign.askwise", "text.askwise"}


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadStore, match="No session file"):
        SQLiteStore(tmp_path / "none.askwise", must_exist=True)
    with pytest.raises(BadStore, match="does not exist"):
        SQLiteStore(tmp_path / "no" / "folder.askwise")


def _append_many(path: Path, name: str, count: int) -> None:
    store = SQLiteStore(path)
    for i in range(count):
        store.append([Event(name, {"i": i})])
    store.close()


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.askwise"
    SQLiteStore(path).close()
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_append_many, args=(path, name, 40)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    store = SQLiteStore(path)
    events = store.read()
    store.close()
    assert [e.seq for e in events] == list(range(1, 81))
    for name in "ab":
        assert [e.data["i"] for e in events if e.kind == name] == list(range(40))
