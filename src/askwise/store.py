"""Append-only event logs, chained by digests."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from askwise.core import BadInput, BadStore, Conflict, Event, Store

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
    """
    for seq, event in enumerate(events, last + 1):
        at, data = float(event.at or time.time()), canonical(event.data)
        previous = _digest(previous, seq, at, event.kind, data)
        yield Event(event.kind, event.data, at, seq, previous), data


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
            _inspect(self.path)
            _check_schema(self.path)
        elif not self.path.parent.is_dir():
            raise BadStore(f"Cannot create {str(path)!r}: the folder {str(self.path.parent)!r} does not exist.")
        self._lock = threading.Lock()
        self._latest: list[tuple[Event, str]] = []  # what was appended last, with its data as JSON
        try:
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA busy_timeout=10000")
            if not existed:
                self._create()
            self._db.execute("PRAGMA journal_mode=WAL")
            # FULL: an acknowledged answer survives a power cut, not only a killed process.
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate()
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        with self._lock:
            try:
                return _events(self._db, self.path, after)
            except sqlite3.Error as error:
                raise _trouble(self.path, error) from error

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all or none in one transaction, on the disk when this returns; a stale `after` raises `Conflict`."""
        with self._lock, self._writing():
            newest = self._db.execute("SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1").fetchone()
            last, previous = newest or (0, "")
            _check(after, last)
            if events and last and not previous:  # all of it was written before digests existed
                *_, previous = chain(_events(self._db, self.path, 0))
            sealed = list(seal(events, last, previous or ""))
            lines = [(e.seq, e.at, e.kind, data, e.digest) for e, data in sealed]
            self._db.executemany("INSERT INTO events (seq, at, kind, data, digest) VALUES (?, ?, ?, ?, ?)", lines)
        self._latest = sealed
        return int(last) + len(sealed)

    def latest(self, after: int, last: int) -> Sequence[Event] | None:
        """The events after+1..last as `read` would give them, where this store has just appended these; else None."""
        return as_read(self._latest, after, last)

    def close(self) -> None:
        """Close the file; folds the WAL back, so that the session is one file that can be copied."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error
        try:
            yield
        except BaseException as error:
            self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise _trouble(self.path, error) from error
            raise
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error

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
    # Where nobody writes, SQLite need not look for anything beside the file, whose folder may be read-only.
    quiet = not path.with_name(path.name + "-wal").exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as db:
            _only_ours(db, path)
            migrated = any(name == "digest" for _, name, *_ in db.execute("PRAGMA table_info(events)"))
            return _events(db, path, 0, sealed=migrated)
    except sqlite3.Error as error:
        raise _trouble(path, error) from error


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
        raise _trouble(path, error) from error


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


def _trouble(path: Path, error: sqlite3.Error) -> BadStore:
    return BadStore(
        f"The session file {str(path)!r} cannot be used: {error}. "
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
        must_exist: Refuse a file or a name where no session is.
    """
    from askwise import postgres

    if store is None:
        return MemoryStore()
    if isinstance(store, str | Path | postgres.Address):
        where = place(store)
        if isinstance(where, Path):
            return SQLiteStore(where, must_exist=must_exist)
        return postgres.PostgresStore(where, must_exist=must_exist)
    return store


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
    with closing(open_store(target)) as store:
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
