"""The log: append-only, durable, refusing what it should refuse."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from askwise.core import BadStore, Conflict, Event
from askwise.store import FORMAT, MemoryStore, SQLiteStore, open_store


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
