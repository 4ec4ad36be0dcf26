"""The event log in one SQLite file."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from askwise.core import BadStore, Event, Unreachable
from askwise.store.chain import as_read, canonical, chain, check_after, newest, seal
from askwise.store.files import (
    APPLICATION_ID,
    DIGESTS_ONLY,
    FORMAT,
    READ_ONLY,
    SCRUB_DUE,
    TRIGGERS,
    CannotBeWritten,
    beside,
    check_schema,
    events_in,
    inspect,
    named_file,
    trouble,
)

PATIENCE = 10.0
"""Seconds for which others that read the file are waited for before what was withdrawn is overwritten another time."""


class SQLiteStore:
    """A log in one SQLite file (WAL): what `append` returned for is on the disk, in the file that lies at the path.

    Where the file is deleted, moved away or replaced meanwhile, nothing is appended any more: what would be written
    then goes into a file that nobody finds. It goes on when the file is back, or one with the same log.

    Args:
        path: The file; created when absent.
        must_exist: Refuse a path where no session file is.

    Raises:
        BadStore: The file is missing (with `must_exist`), not a session file, damaged, or from a newer version.
            Nothing is written in any of these cases.
        Unreachable: It is locked by another program, read-only, or the disk does not let it be used.
    """

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self.path = Path(path)
        existed = self.path.exists() and self.path.stat().st_size > 0
        if must_exist and not existed:
            raise BadStore(f"No session file at {str(path)!r}. Start one with `askwise label FILE`.")
        if existed:
            inspect(self.path)
            if not os.access(self.path, os.W_OK):  # SQLite would notice at the first answer
                raise CannotBeWritten(f"The session file {str(path)!r} is read-only. {READ_ONLY}")
            check_schema(self.path)
        elif not self.path.parent.is_dir():
            raise BadStore(f"Cannot create {str(path)!r}: the folder {str(self.path.parent)!r} does not exist.")
        self._lock = threading.Lock()
        self._latest: list[tuple[Event, str]] = []  # what was appended last, with its data as JSON
        self._kept: Sequence[Event] | None = None  # the log, between two files
        try:
            self._db = self._connect()
            if not existed:
                self._create()
            self._settle()
            self._migrate()
        except sqlite3.Error as error:
            raise trouble(named_file(self.path), error) from error

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        with self._lock:
            self._find()
            try:
                return events_in(self._db, self.path, after)
            except sqlite3.Error as error:
                raise trouble(named_file(self.path), error) from error

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all or none in one transaction, on the disk when this returns; a stale `after` raises `Conflict`."""
        with self._lock:
            self._find()
            with self._writing():
                last, previous = self._newest()
                check_after(after, last)
                if events and last and not previous:  # all of it was written before digests existed
                    previous = newest(events_in(self._db, self.path, 0))
                sealed = list(seal(events, last, previous or ""))
                self._insert(sealed)
            if self._strayed():  # the disk has it, but perhaps under no name: it is not acknowledged
                raise Unreachable(_lost(self.path))
            self._latest = sealed
            return int(last) + len(sealed)

    def redact(self, left: Mapping[int, Mapping[str, Any]], event: Event, *, after: int) -> int:
        """See `Store`: one transaction; then every byte that SQLite uses no more is overwritten.

        Killed before the transaction is on the disk, the file is the old one; after it the new one, and what is left to
        overwrite is overwritten when the file is opened next (`SCRUB_DUE`).

        Raises:
            Conflict: The log has moved on.
            Unreachable: It cannot be written; or it is, and old bytes could not be overwritten yet.
        """
        with self._lock:
            self._find()
            self._db.execute("PRAGMA secure_delete=ON")
            with self._writing():
                last, previous = self._newest()
                check_after(after, last)
                self._db.execute("DROP TRIGGER IF EXISTS append_only_update")
                if not previous:  # from before digests existed: what is taken out now could not be computed later
                    old = events_in(self._db, self.path, 0)
                    own = list(chain(old))
                    digests = [(digest, one.seq) for one, digest in zip(old, own, strict=True)]
                    self._db.executemany("UPDATE events SET digest = ? WHERE seq = ?", digests)
                    previous = own[-1]
                self._db.executemany(
                    "UPDATE events SET data = ? WHERE seq = ?", [(canonical(data), seq) for seq, data in left.items()]
                )
                self._db.execute(TRIGGERS[0])
                self._insert(list(seal([event], last, previous)))
                self._db.execute(f"PRAGMA user_version={SCRUB_DUE}")
            self._latest = []
            self._scrub()
            return last + 1

    def latest(self, after: int, last: int) -> Sequence[Event] | None:
        """The events after+1..last as `read` would give them, where this store has just appended these; else None."""
        return as_read(self._latest, after, last)

    def close(self) -> None:
        """Close the file; folds the WAL back, so that the session is one file that can be copied."""
        with self._lock:
            self._leave()

    # ── which file is open ──────────────────────────────────────────────────────────────────

    def _connect(self) -> sqlite3.Connection:
        while True:
            before = _identity(self.path)
            db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=10)
            db.execute("PRAGMA busy_timeout=10000")
            self._file = _identity(self.path)
            if before in (None, self._file):  # else it was replaced in this moment, and which one is open is not known
                return db
            db.close()

    def _settle(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        # FULL: an acknowledged answer survives a power cut, not only a killed process.
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from now on the files beside it are there
        self._beside = [_identity(path) for path in beside(self.path)]
        self._size = _size(self.path)

    def _strayed(self) -> bool:
        """Whether another file than the open one lies at the path, or beside it, or none.

        Only what a file is counts, not its times, which network drives make up.
        """
        if _identity(self.path) != self._file or [_identity(path) for path in beside(self.path)] != self._beside:
            return True
        size, self._size = self._size, _size(self.path)
        if self._size < size:  # the log only grows
            self._size = size
            return True
        return False

    def _find(self) -> None:
        """See that the open file is the one at the path; else open what lies there, where it is the same log.

        Raises:
            Unreachable: Nothing lies there, or something else.
        """
        if self._kept is None and not self._strayed():
            return
        found = _identity(self.path)
        if found is None or _size(self.path) < 100 or (found == self._file and _size(self.path) < self._size):
            raise Unreachable(_lost(self.path))
        try:
            if self._kept is None:
                known = events_in(self._db, self.path, 0)  # of the open file, which may have no name any more
                if found == self._file:
                    self._check_beside()
                else:
                    self._check_same(known)
                self._leave()
                self._kept = known
            self._db = self._connect()
            self._settle()
            self._complete(self._kept)
            self._kept = None
        except sqlite3.Error as error:
            raise trouble(named_file(self.path), error) from error

    def _check_beside(self) -> None:
        """The file is ours and what was beside it is not: it must be gone, not another's, to be made anew."""
        if _identity(beside(self.path)[0]) not in (None, self._beside[0]):
            raise Unreachable(_lost(self.path))

    def _check_same(self, known: Sequence[Event]) -> None:
        """Look at what lies at the path without touching it: it must be this log, older or newer."""
        inspect(self.path)
        # A WAL of our own that lies beside another file is not of that file.
        own = _identity(beside(self.path)[0]) in (None, self._beside[0])
        quiet = "&immutable=1" if own else ""
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro{quiet}", uri=True, timeout=10)) as db:
            theirs = events_in(db, self.path, 0)
        common = min(len(known), len(theirs))  # 0 where a copy was made without the -wal that held all of it
        if common and list(chain(known[:common]))[-1] != list(chain(theirs[:common]))[-1]:
            raise Unreachable(
                f"Another session has been put at {str(self.path)!r} while it was open here, so nothing more is saved "
                "into it. Put the right file back, or end this program and start it on the file you want."
            )

    def _complete(self, known: Sequence[Event]) -> None:
        """What was acknowledged and is not in the file that was put here (a copy made earlier) is written again."""
        with self._writing():
            row = self._db.execute("SELECT count(*), max(seq) FROM events").fetchone()
            lacking = known[row[0] :]
            self._insert(list(seal(lacking, row[1] or 0, newest(known[: row[0]]))))

    def _leave(self) -> None:
        """Close the open file; SQLite removes by name what lies beside it, which must not be another's."""
        wal = _identity(beside(self.path)[0])
        cut = _identity(self.path) == self._file and _size(self.path) < self._size
        if wal in (None, self._beside[0]) and not cut:
            self._db.close()
            return
        if sys.version_info >= (3, 12):
            self._db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            self._db.close()
        else:  # left open till the process ends, also when the interpreter takes its objects apart
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._db))

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _newest(self) -> tuple[int, str]:
        """(seq, digest) of the newest event; (0, "") of an empty log, "" also where it has no digest."""
        seq, own = self._db.execute("SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1").fetchone() or (0, "")
        return int(seq), own or ""

    def _scrub(self) -> None:
        """Leave no byte of what was taken out: not in free pages, not between rows, not in the file beside it."""
        try:
            self._fold_back()  # first, so that what is rewritten is what was left
            self._db.execute("VACUUM")
            self._db.execute(f"PRAGMA user_version={FORMAT}")
            self._fold_back()
        except (sqlite3.Error, Unreachable) as error:
            with suppress(sqlite3.Error):  # until it is done, the file says that it is due
                self._db.execute(f"PRAGMA user_version={SCRUB_DUE}")
            raise Unreachable(
                f"What was withdrawn is out of the log in {str(self.path)!r}, but its old bytes could not be "
                f"overwritten yet: {error} Close other programs that have the file open and make room on the disk (as "
                "much as the file is large); it is done when the session is opened next."
            ) from error
        finally:
            self._size = _size(self.path)

    def _fold_back(self) -> None:
        """What is in the file beside it comes into the file, and that one is emptied."""
        until = time.monotonic() + PATIENCE
        while self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > until:
                raise Unreachable("another program reads it all the time.")
            time.sleep(0.05)

    def _insert(self, sealed: Sequence[tuple[Event, str]]) -> None:
        lines = [(e.seq, e.at, e.kind, data, e.digest) for e, data in sealed]
        self._db.executemany("INSERT INTO events (seq, at, kind, data, digest) VALUES (?, ?, ?, ?, ?)", lines)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            # On a full disk SQLite may have rolled back by itself, or not even be able to.
            with suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise trouble(named_file(self.path), error) from error
            raise

    def _create(self) -> None:
        self._db.executescript(
            f"""
            BEGIN;
            PRAGMA application_id={APPLICATION_ID};
            PRAGMA user_version={FORMAT};
            CREATE TABLE IF NOT EXISTS events (
                seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL, digest TEXT
            );
            CREATE TRIGGER IF NOT EXISTS append_only_update BEFORE UPDATE ON events
                BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
            CREATE TRIGGER IF NOT EXISTS append_only_delete BEFORE DELETE ON events
                BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
            {DIGESTS_ONLY};
            COMMIT;
            """
        )

    def _migrate(self) -> None:
        """Give a file of format 1 room for digests; its events stay without, the next one stands for all before it."""
        if self._version() == SCRUB_DUE:  # killed while what was withdrawn was overwritten
            self._db.execute("PRAGMA secure_delete=ON")
            self._scrub()
        if self._version() >= FORMAT:
            return
        with self._writing():
            if self._version() < FORMAT:  # no other process was first
                self._db.execute("ALTER TABLE events ADD COLUMN digest TEXT")
                self._db.execute(DIGESTS_ONLY)
                self._db.execute(f"PRAGMA user_version={FORMAT}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])


def _lost(path: Path) -> str:
    return (
        f"The session file {str(path)!r} was deleted, moved, cut short or replaced while it was open, so nothing more "
        "is saved. Put it back as it was (also what is named the same with -wal at the end), or end this program and "
        "start it on the right file; pages keep what they could not hand in and hand it in then."
    )


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path; None where none does."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
