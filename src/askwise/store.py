"""Append-only event logs."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from askwise.core import BadStore, Conflict, Event, Store

FORMAT = 1
"""Version of the log's format; a store written by a newer one is refused."""
_APPLICATION_ID = 0x41736B57  # "AskW": tells our files from any other SQLite database


class MemoryStore:
    """A log in memory, for notebooks and simulations."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._lock = threading.Lock()

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        with self._lock:
            return self._events[after:]

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all; a stale `after` raises `Conflict`."""
        with self._lock:
            last = len(self._events)
            _check(after, last)
            for event in events:
                last += 1
                self._events.append(Event(event.kind, event.data, event.at or time.time(), last))
            return last

    def close(self) -> None:
        """Nothing to release."""


class SQLiteStore:
    """A log in one SQLite file (WAL): what `append` returned for is on the disk.

    Args:
        path: The file; created when absent.
        must_exist: Refuse a path where no session file is.

    Raises:
        BadStore: The file is missing (with `must_exist`), not a session file, damaged, or from a newer version.
            Nothing is written in any of these cases.
    """

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self.path = Path(path)
        existed = self.path.exists() and self.path.stat().st_size > 0
        if must_exist and not existed:
            raise BadStore(f"No session file at {str(path)!r}. Start one with `askwise label FILE`.")
        if existed:
            self._inspect()
        elif not self.path.parent.is_dir():
            raise BadStore(f"Cannot create {str(path)!r}: the folder {str(self.path.parent)!r} does not exist.")
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA busy_timeout=10000")
            if not existed:
                self._create()
            self._db.execute("PRAGMA journal_mode=WAL")
            # FULL: an acknowledged answer survives a power cut, not only a killed process.
            self._db.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        with self._lock:
            try:
                found = self._db.execute(
                    "SELECT seq, at, kind, data FROM events WHERE seq > ? ORDER BY seq", (after,)
                ).fetchall()
            except sqlite3.Error as error:
                raise self._trouble(error) from error
        try:
            return [Event(kind, json.loads(data), at, seq) for seq, at, kind, data in found]
        except json.JSONDecodeError as error:
            raise BadStore(f"{str(self.path)!r} is damaged: an event is not JSON ({error}).") from error

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all or none in one transaction, on the disk when this returns; a stale `after` raises `Conflict`."""
        lines = [(e.at or time.time(), e.kind, json.dumps(e.data, ensure_ascii=False)) for e in events]
        with self._lock, self._writing():
            last = int(self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
            _check(after, last)
            self._db.executemany(
                "INSERT INTO events (seq, at, kind, data) VALUES (?, ?, ?, ?)",
                [(last + i, *line) for i, line in enumerate(lines, 1)],
            )
            return last + len(lines)

    def close(self) -> None:
        """Close the file; folds the WAL back, so that the session is one file that can be copied."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        try:
            yield
        except BaseException as error:
            self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._trouble(error) from error
            raise
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def _create(self) -> None:
        self._db.executescript(
            f"""
            BEGIN;
            PRAGMA application_id={_APPLICATION_ID};
            PRAGMA user_version={FORMAT};
            CREATE TABLE IF NOT EXISTS events (
                seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL
            );
            CREATE TRIGGER IF NOT EXISTS append_only_update BEFORE UPDATE ON events
                BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
            CREATE TRIGGER IF NOT EXISTS append_only_delete BEFORE DELETE ON events
                BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
            COMMIT;
            """
        )

    def _inspect(self) -> None:
        """Look before opening for writing, so that a refusal leaves the file as it was."""
        # The header answers without SQLite, which would leave -wal and -shm files beside a file that we refuse.
        try:
            with self.path.open("rb") as file:
                head = file.read(100)
        except OSError as error:
            raise BadStore(f"Cannot read {str(self.path)!r}: {error.strerror}.") from error
        if head[:16] != b"SQLite format 3\x00" or len(head) < 100:
            raise BadStore(f"{str(self.path)!r} is not an Askwise session file. Give a file that `askwise label` made.")
        if int.from_bytes(head[68:72], "big") != _APPLICATION_ID:
            raise BadStore(f"{str(self.path)!r} is a SQLite database, but not an Askwise session.")
        version = int.from_bytes(head[60:64], "big")
        if version > FORMAT:
            raise BadStore(
                f"{str(self.path)!r} was written by a newer Askwise (format {version}; this one reads up to {FORMAT}). "
                "Upgrade with `pip install --upgrade askwise`."
            )

    def _trouble(self, error: sqlite3.Error) -> BadStore:
        return BadStore(
            f"The session file {str(self.path)!r} cannot be used: {error}. "
            "If another program holds it, close that one; else check the disk and the file's permissions."
        )


def is_session_file(path: Path) -> bool:
    """Whether a session lies there, whatever the file's name."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError:  # whoever uses the path says what is wrong with it
        return False
    return head[:16] == b"SQLite format 3\x00" and int.from_bytes(head[68:72], "big") == _APPLICATION_ID


def open_store(store: Store | str | Path | None) -> Store:
    """None → memory; a path → a SQLite file; a store → itself."""
    if store is None:
        return MemoryStore()
    if isinstance(store, str | Path):
        return SQLiteStore(store)
    return store


def _check(after: int | None, last: int) -> None:
    if after is not None and after != last:
        raise Conflict(f"The log has moved on: {last} events where {after} were expected. Read again and retry.")
