"""Append-only event logs, chained by digests."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from askwise.core import BadInput, BadStore, Conflict, Event, Store, Unreachable
from askwise.notices import progress

if TYPE_CHECKING:
    from askwise.postgres import Address

Place: TypeAlias = "Path | Address"
"""Where a session lies: a file, or in a database."""

FORMAT = 2
"""Version of the log's format (2: events carry digests); a store written by a newer one is refused."""
_APPLICATION_ID = 0x41736B57  # "AskW": tells our files from any other SQLite database
# A version that knows no digests may have the file open while this one migrates it; it must not go on without them.
_DIGESTS_ONLY = """
CREATE TRIGGER IF NOT EXISTS digests_only BEFORE INSERT ON events WHEN length(coalesce(new.digest, '')) != 64
BEGIN SELECT raise(ABORT, 'a newer Askwise has opened this session: open it with that one'); END
"""


_TRIGGERS = (
    *(
        f"CREATE TRIGGER append_only_{verb} BEFORE {verb} ON events "
        "BEGIN SELECT raise(ABORT, 'the log is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ),
    _DIGESTS_ONLY,
)
"""Those that a session file may have."""
_COLUMNS = ["seq", "at", "kind", "data", "digest"]


# ── the chain, the same for every store ─────────────────────────────────────────────────────


def canonical(data: Mapping[str, Any]) -> str:
    """The one spelling of an event's data: JSON with sorted keys, without spaces; a store keeps this text.

    Raises:
        TypeError: Something in it is not JSON.
    """
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(previous: str, event: Event) -> str:
    """SHA-256 over the digest of the event before and this event's `at`, `data`, `kind` and `seq`, as 64 hex digits.

    Hashed is the previous digest, a line feed, and the canonical JSON of an object with these four keys, in UTF-8. So
    the digest of an event stands for the whole log up to it.

    Args:
        previous: Digest of the event with the `seq` before; "" for the first.
        event: Its own `digest` plays no part.
    """
    return _digest(previous, event.seq, event.at, event.kind, canonical(event.data))


def _digest(previous: str, seq: int, at: float, kind: str, data: str) -> str:
    # Spelled out, because `data` is the large part and is canonical text already.
    line = f'{{"at":{json.dumps(float(at))},"data":{data},"kind":{json.dumps(kind, ensure_ascii=False)},"seq":{seq}}}'
    return hashlib.sha256(f"{previous}\n{line}".encode("utf-8", "surrogatepass")).hexdigest()


def chain(events: Iterable[Event], previous: str = "") -> Iterator[str]:
    """The digest of each event, computed anew from the events alone (their own `digest` plays no part).

    Args:
        events: In the order of the log.
        previous: Digest of the event before the first of them.
    """
    for event in events:
        previous = digest(previous, event)
        yield previous


def seal(events: Iterable[Event], last: int, previous: str) -> Iterator[tuple[Event, str]]:
    """What a store appends: the events with `seq`, `at` and `digest` filled in, each with its data as canonical JSON.

    Args:
        events: To be appended; `at` is kept where it is not 0.
        last: `seq` of the newest event in the store; 0 where it is empty.
        previous: Its digest; "" where it is empty.

    Raises:
        TypeError: Data that is not JSON.
        BadInput: Text that no file can keep.
    """
    for seq, event in enumerate(events, last + 1):
        at, data = float(event.at or time.time()), canonical(event.data)
        if not data.isascii():
            _check_text(data)
        previous = _digest(previous, seq, at, event.kind, data)
        yield Event(event.kind, event.data, at, seq, previous), data


def _check_text(data: str) -> None:
    try:
        data.encode()
    except UnicodeEncodeError as error:
        around = data[max(0, error.start - 20) : error.end + 20].encode("ascii", "backslashreplace").decode()
        raise BadInput(
            f"This text cannot be saved: it holds half of a character (a lone surrogate), in …{around}…. Leave that "
            "out, or write the whole character."
        ) from None


def as_read(sealed: Sequence[tuple[Event, str]], after: int, last: int) -> Sequence[Event] | None:
    """The events after+1..last as `read` would give them, where they are those that `seal` has made; else None."""
    if not sealed or sealed[0][0].seq != after + 1 or sealed[-1][0].seq != last:
        return None
    return [replace(event, data=json.loads(data)) for event, data in sealed]


# ── the stores ──────────────────────────────────────────────────────────────────────────────


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
            previous = self._events[-1].digest if last else ""
            self._events += [event for event, _ in seal(events, last, previous)]
            return len(self._events)

    def close(self) -> None:
        """Nothing to release."""


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
            _inspect(self.path)
            if not os.access(self.path, os.W_OK):  # SQLite would notice at the first answer
                raise CannotBeWritten(f"The session file {str(path)!r} is read-only. {_READ_ONLY}")
            _check_schema(self.path)
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
            raise trouble(_named(self.path), error) from error

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        with self._lock:
            self._find()
            try:
                return _events(self._db, self.path, after)
            except sqlite3.Error as error:
                raise trouble(_named(self.path), error) from error

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all or none in one transaction, on the disk when this returns; a stale `after` raises `Conflict`."""
        with self._lock:
            self._find()
            with self._writing():
                newest = self._db.execute("SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1").fetchone()
                last, previous = newest or (0, "")
                _check(after, last)
                if events and last and not previous:  # all of it was written before digests existed
                    *_, previous = chain(_events(self._db, self.path, 0))
                sealed = list(seal(events, last, previous or ""))
                self._insert(sealed)
            if self._strayed():  # the disk has it, but perhaps under no name: it is not acknowledged
                raise Unreachable(_lost(self.path))
            self._latest = sealed
            return int(last) + len(sealed)

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
        self._beside = [_identity(path) for path in _beside(self.path)]
        self._size = _size(self.path)

    def _strayed(self) -> bool:
        """Whether another file than the open one lies at the path, or beside it, or none.

        Only what a file is counts, not its times, which network drives make up.
        """
        if _identity(self.path) != self._file or [_identity(path) for path in _beside(self.path)] != self._beside:
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
                known = _events(self._db, self.path, 0)  # of the open file, which may have no name any more
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
            raise trouble(_named(self.path), error) from error

    def _check_beside(self) -> None:
        """The file is ours and what was beside it is not: it must be gone, not another's, to be made anew."""
        if _identity(_beside(self.path)[0]) not in (None, self._beside[0]):
            raise Unreachable(_lost(self.path))

    def _check_same(self, known: Sequence[Event]) -> None:
        """Look at what lies at the path without touching it: it must be this log, older or newer."""
        _inspect(self.path)
        # A WAL of our own that lies beside another file is not of that file.
        own = _identity(_beside(self.path)[0]) in (None, self._beside[0])
        quiet = "&immutable=1" if own else ""
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro{quiet}", uri=True, timeout=10)) as db:
            theirs = _events(db, self.path, 0)
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
            *_, previous = chain(known[: row[0]]) if row[0] else ("",)
            self._insert(list(seal(lacking, row[1] or 0, previous)))

    def _leave(self) -> None:
        """Close the open file; SQLite removes by name what lies beside it, which must not be another's."""
        wal = _identity(_beside(self.path)[0])
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
                raise trouble(_named(self.path), error) from error
            raise

    def _create(self) -> None:
        self._db.executescript(
            f"""
            BEGIN;
            PRAGMA application_id={_APPLICATION_ID};
            PRAGMA user_version={FORMAT};
            CREATE TABLE IF NOT EXISTS events (
                seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL, digest TEXT
            );
            CREATE TRIGGER IF NOT EXISTS append_only_update BEFORE UPDATE ON events
                BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
            CREATE TRIGGER IF NOT EXISTS append_only_delete BEFORE DELETE ON events
                BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
            {_DIGESTS_ONLY};
            COMMIT;
            """
        )

    def _migrate(self) -> None:
        """Give a file of format 1 room for digests; its events stay without, the next one stands for all before it."""
        if self._version() >= FORMAT:
            return
        with self._writing():
            if self._version() < FORMAT:  # no other process was first
                self._db.execute("ALTER TABLE events ADD COLUMN digest TEXT")
                self._db.execute(_DIGESTS_ONLY)
                self._db.execute(f"PRAGMA user_version={FORMAT}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])


def read_log(path: str | Place) -> Sequence[Event]:
    """All events of a session, oldest first, without opening it for writing: nothing is migrated or left behind.

    Events written before digests existed have none.

    Raises:
        BadStore: The file is missing, not a session file, damaged, or from a newer version.
    """
    path = place(path)
    if not isinstance(path, Path):
        with closing(open_store(path, must_exist=True)) as store:
            return store.read()
    if not path.is_file():
        raise BadStore(f"No session file at {str(path)!r}.")
    _inspect(path)
    try:
        return _looked_at(path)
    except sqlite3.Error as error:
        if not _beside(path)[0].exists():
            raise trouble(_named(path), error) from error
        # What is beside it cannot be read where nothing can be written, as in a read-only folder.
        return _of_a_copy(path)


def _looked_at(path: Path) -> Sequence[Event]:
    # Where nobody writes, SQLite need not look for anything beside the file, whose folder may be read-only.
    quiet = not _beside(path)[0].exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"
    with closing(sqlite3.connect(address, uri=True, timeout=10)) as db:
        _only_ours(db, path)
        migrated = any(name == "digest" for _, name, *_ in db.execute("PRAGMA table_info(events)"))
        return _events(db, path, 0, sealed=migrated)


def _of_a_copy(path: Path) -> Sequence[Event]:
    try:
        with tempfile.TemporaryDirectory(prefix="askwise-read-") as folder:
            copy = Path(folder) / "session"
            shutil.copyfile(path, copy)
            shutil.copyfile(_beside(path)[0], _beside(copy)[0])
            return _looked_at(copy)
    except sqlite3.Error as error:
        raise trouble(_named(path), error) from error
    except OSError as error:
        raise Unreachable(
            f"{_named(path)} can be read only as a copy, for which there is no room: {error.strerror}. Free some "
            "space in the folder for temporary files."
        ) from error


def _events(db: sqlite3.Connection, path: Path, after: int, *, sealed: bool = True) -> Sequence[Event]:
    digests = "coalesce(digest, '')" if sealed else "''"
    found = db.execute(
        f"SELECT seq, at, kind, data, {digests} FROM events WHERE seq > ? ORDER BY seq",  # noqa: S608 - one of two constants
        (after,),
    ).fetchall()
    try:
        return [Event(str(kind), json.loads(data), float(at), seq, str(own)) for seq, at, kind, data, own in found]
    except (TypeError, ValueError, RecursionError) as error:
        raise BadStore(f"{str(path)!r} is damaged: an event is not JSON ({error}).") from error


def _inspect(path: Path) -> None:
    """Look before opening, so that a refusal leaves the file as it was."""
    # The header answers without SQLite, which would leave -wal and -shm files beside a file that we refuse.
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise BadStore(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    if head[:16] != b"SQLite format 3\x00" or len(head) < 100:
        raise BadStore(f"{str(path)!r} is not an Askwise session file. Give a file that `askwise label` made.")
    if int.from_bytes(head[68:72], "big") != _APPLICATION_ID:
        raise BadStore(f"{str(path)!r} is a SQLite database, but not an Askwise session.")
    version = int.from_bytes(head[60:64], "big")
    if version > FORMAT:
        raise BadStore(
            f"{str(path)!r} was written by a newer Askwise (format {version}; this one reads up to {FORMAT}). "
            "Upgrade with `pip install --upgrade askwise`."
        )


def _check_schema(path: Path) -> None:
    """Refuse what somebody has added to the file, before anything is written to it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            _only_ours(db, path)
    except sqlite3.Error as error:
        raise trouble(_named(path), error) from error


def _only_ours(db: sqlite3.Connection, path: Path) -> None:
    """A trigger could change what is written, a view what is read; tables of others have no business here.

    Raises:
        BadStore: the file holds more than the log and the triggers that keep it append-only.
    """
    found = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    ours = {_words(sql) for sql in _TRIGGERS}
    for kind, name, table, sql in found:
        known = (
            (kind, name) == ("table", "events")
            or (kind == "trigger" and table == "events" and _words(str(sql)) in ours)
            or (kind == "table" and str(name).startswith("sqlite_stat"))  # what ANALYZE leaves behind
        )
        if not known:
            raise BadStore(
                f"{str(path)!r} holds a {kind} {str(name)[:60]!r} that no Askwise has made, which could change what is "
                "written or read. It is not opened; go on with a copy from before."
            )
    columns = [(name, hidden) for _, name, *_, hidden in db.execute("PRAGMA table_xinfo(events)")]
    if [name for name, _ in columns] not in (_COLUMNS, _COLUMNS[:-1]) or any(hidden for _, hidden in columns):
        names = ", ".join(str(name) for name, _ in columns) or "none"
        raise BadStore(f"{str(path)!r} is damaged: its log should have the columns {', '.join(_COLUMNS)}, got {names}.")


def _words(sql: str) -> str:
    """SQL in one spelling."""
    plain = " ".join(sql.replace(";", " ; ").split()).lower()
    return plain.replace("if not exists ", "").removesuffix(" ;")


# ── what can go wrong with a file ───────────────────────────────────────────────────────────


class CannotBeWritten(Unreachable):
    """A session file that can be looked at, perhaps, but not written."""


_READ_ONLY = (
    "It can be looked at (report, export, verify); to label, give yourself the right to write the file and its folder, "
    "or copy it elsewhere: askwise copy FROM TO."
)
_ADVICE = {
    sqlite3.SQLITE_FULL: (CannotBeWritten, "The disk is full: free some space; it goes on by itself then."),
    sqlite3.SQLITE_BUSY: (Unreachable, "Another program holds it: close that one, or wait until it is done."),
    sqlite3.SQLITE_LOCKED: (Unreachable, "Another program holds it: close that one, or wait until it is done."),
    sqlite3.SQLITE_READONLY: (CannotBeWritten, _READ_ONLY),
    sqlite3.SQLITE_PERM: (CannotBeWritten, _READ_ONLY),
    sqlite3.SQLITE_CANTOPEN: (
        CannotBeWritten,
        "Check that its folder is there and may be written, that the disk is not full, and how many files this "
        "program may have open (ulimit -n).",
    ),
    sqlite3.SQLITE_IOERR: (CannotBeWritten, "The disk or the network drive fails: check it, and its free space."),
    sqlite3.SQLITE_PROTOCOL: (Unreachable, "Its locks do not work: move it from the network drive to a local disk."),
    sqlite3.SQLITE_NOMEM: (Unreachable, "The machine is out of memory: end something else."),
    sqlite3.SQLITE_INTERRUPT: (Unreachable, "It was interrupted: try again."),
}
"""What of SQLite's errors is about the surroundings of a file, not about what is in it: class, and what to do."""


def trouble(what: str, error: sqlite3.Error) -> BadStore:
    """What an error of SQLite means: the one place that tells a fault of the surroundings from a bad file.

    Args:
        what: The file, as the beginning of a sentence.
        error: What SQLite said.
    """
    code = getattr(error, "sqlite_errorcode", None)
    kind, advice = _ADVICE.get(-1 if code is None else code & 0xFF, (BadStore, ""))
    if not advice:
        advice = "It may be damaged: `askwise verify` says more; else check the disk and the file's permissions."
    return kind(f"{what} cannot be used: {error}. {advice}")


def _named(path: Path) -> str:
    return f"The session file {str(path)!r}"


def _lost(path: Path) -> str:
    return (
        f"The session file {str(path)!r} was deleted, moved, cut short or replaced while it was open, so nothing more "
        "is saved. Put it back as it was (also what is named the same with -wal at the end), or end this program and "
        "start it on the right file; pages keep what they could not hand in and hand it in then."
    )


def _beside(path: Path) -> tuple[Path, Path]:
    """SQLite's files of an open session: the newest events, and the index of them."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


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


class StillStore:
    """A log to be looked at, of a file that cannot be written.

    Args:
        events: The log.
        still: Why nothing can be written, to be shown.
    """

    def __init__(self, events: Sequence[Event], still: str) -> None:
        self._events = events
        self.still = still

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        return [event for event in self._events if event.seq > after]

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:  # noqa: ARG002 - as every store
        """Refuses."""
        raise Unreachable(self.still)

    def close(self) -> None:
        """Nothing to release."""


def is_session_file(path: Path) -> bool:
    """Whether a session lies there, whatever the file's name."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError:  # whoever uses the path says what is wrong with it
        return False
    return head[:16] == b"SQLite format 3\x00" and int.from_bytes(head[68:72], "big") == _APPLICATION_ID


def place(text: str | Place) -> Place:
    """Text as the place it means: `postgresql://…` is a session in a database, all else a path.

    Raises:
        BadInput: It begins like a database's address and is none.
    """
    from askwise import postgres

    if isinstance(text, str) and postgres.is_address(text):
        return postgres.Address.of(text)
    if isinstance(text, Path) and str(text).startswith(("postgresql:", "postgres:")):
        raise BadInput("The address of a database is passed as text; as a path it has lost a slash.")
    return Path(text) if isinstance(text, str) else text


def open_store(store: Store | str | Place | None, *, must_exist: bool = False) -> Store:
    """None → memory; a path → a SQLite file; `postgresql://…#name` → that database; a store → itself.

    Args:
        store: See above.
        must_exist: Refuse a file or a name where no session is; one that cannot be written is opened to be looked at
            (`StillStore`).
    """
    from askwise import postgres

    if store is None:
        return MemoryStore()
    if isinstance(store, str | Path | postgres.Address):
        where = place(store)
        if isinstance(where, Path):
            return _open_file(where, must_exist=must_exist)
        return postgres.PostgresStore(where, must_exist=must_exist)
    return store


def _open_file(path: Path, *, must_exist: bool) -> Store:
    try:
        return SQLiteStore(path, must_exist=must_exist)
    except CannotBeWritten as error:
        if not must_exist or not is_session_file(path):
            raise
        return StillStore(read_log(path), str(error))


def exists(where: Place) -> bool:
    """Whether something lies at a place where a session is to be.

    Raises:
        BadStore: The database does not answer, or refuses.
    """
    if isinstance(where, Path):
        return where.exists()
    from askwise import postgres

    with closing(postgres.PostgresStore(where)) as store:
        return where.session in store.sessions()


def discard(where: Place) -> None:
    """Erase a session whose beginning went wrong."""
    if isinstance(where, Path):
        for path in (where, where.with_name(where.name + "-wal"), where.with_name(where.name + "-shm")):
            path.unlink(missing_ok=True)
        return
    from askwise import postgres

    with closing(postgres.PostgresStore(where)) as store:
        store.remove()


def copy_log(source: str | Place, target: str | Place) -> tuple[int, str]:
    """Copy a session from one place to another, all of it or nothing; files and databases in both directions.

    The copy has the same digests; events written before digests existed get theirs. What is appended to the source
    afterwards is not in the copy.

    Returns:
        How many events, and the digest of the newest, which stands for the whole log.

    Raises:
        BadInput: There is a session at the target already.
        BadStore: The source is no session, or was altered: a digest does not come out.
    """
    events = read_log(source)
    if not events or events[0].kind != "opened":
        raise BadStore(f"{str(place(source))!r} holds no session: its log does not begin with `opened`.")
    digests = list(chain(events))
    odd = next((e.seq for e, own in zip(events, digests, strict=True) if e.digest not in ("", own)), None)
    if odd is not None or [e.seq for e in events] != list(range(1, len(events) + 1)):
        raise BadStore(
            f"{str(place(source))!r} was altered{'' if odd is None else f' at event {odd} or before'}: its digests do "
            "not come out, so it is not copied. `askwise verify` says more."
        )
    with progress(f"copying {len(events):,} events"), closing(open_store(target)) as store:
        try:
            store.append(events, after=0)
        except Conflict:
            raise BadInput(
                f"There is a session at {place(target)} already, and nothing is overwritten. Give another place."
            ) from None
        copied = store.read()
    if [e.digest for e in copied] != digests:
        raise BadStore(f"What was written to {place(target)} came back as something else. Do not use it.")
    return len(events), digests[-1]


def _check(after: int | None, last: int) -> None:
    if after is not None and after != last:
        raise Conflict(f"The log has moved on: {last} events where {after} were expected. Read again and retry.")
