"""The event log in a PostgreSQL database, for several processes and people at once."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote

from askwise.core import BadInput, BadStore, Conflict, Event, MissingExtra, Unreachable
from askwise.store.chain import as_read, canonical, seal

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

T = TypeVar("T")

SCHEMA = 1
"""Version of the tables; a database of a newer one is refused."""
PATIENCE = 15.0
"""Seconds for which a lost connection is sought again before the caller hears of it."""
BETWEEN = 2.0
"""Once it was sought in vain: seconds between two more tries, so that callers do not wait one behind the other."""
DEFAULTS = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    "application_name": "askwise",
}
"""Of a connection, where the address says nothing else: a server that is gone is noticed within the half minute."""
_AGAIN = ("40001", "40P01", "25006", "25P03")
"""Serialization failure, deadlock; the server has become a standby; it ended a transaction that was idle too long."""
_SURROUNDINGS = ("08", "40", "53", "55", "57", "58", "25006", "25P03")
"""How codes begin that are about the server and its machine, not about what was asked of it: connections, conflicts,
no room, memory or connection left, locks, an operator's stop, disk faults, a standby."""
_MAKING = 0x41736B57  # "AskW": the advisory lock under which the tables are made

_TABLES = """
CREATE TABLE askwise_schema (version integer NOT NULL);
CREATE TABLE askwise_sessions (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE askwise_events (
    session integer NOT NULL REFERENCES askwise_sessions ON DELETE CASCADE,
    seq bigint NOT NULL CHECK (seq > 0),
    at double precision NOT NULL,
    kind text NOT NULL,
    data text NOT NULL,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (session, seq)
);
COMMENT ON COLUMN askwise_events.data IS 'canonical JSON, byte for byte what the digest was computed from';
CREATE FUNCTION askwise_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('askwise.remove', true) = 'yes' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the log is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON askwise_events
    FOR EACH ROW EXECUTE FUNCTION askwise_append_only();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON askwise_events
    FOR EACH STATEMENT EXECUTE FUNCTION askwise_append_only();
"""

# What a lost client left behind must not hold up the others for as long as TCP takes to notice; and an acknowledged
# answer survives a power cut whatever the server's default is ('local' is on the disk of the server, so it stays).
_MANNERS = """
SET idle_in_transaction_session_timeout = '20s';
SET lock_timeout = '60s';
SET tcp_keepalives_idle = 20;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 4;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""

# Locks of one session; the table's number tells apart the sessions of two schemas. Who waits gets it in turn.
_WRITE = "'askwise_events'::regclass::oid::int4, %s"
_ONE = "INSERT INTO askwise_events (session, seq, at, kind, data, digest) VALUES (%s, %s, %s, %s, %s, %s)"
_AT_ONCE = """
INSERT INTO askwise_events (session, seq, at, kind, data, digest)
SELECT %s, new.* FROM unnest(%s::bigint[], %s::double precision[], %s::text[], %s::text[], %s::text[]) AS new
WHERE EXISTS (SELECT FROM askwise_events WHERE session = %s AND seq = %s AND digest = %s)
    AND NOT EXISTS (SELECT FROM askwise_events WHERE session = %s AND seq > %s)
"""
_LEAD = "'askwise_events'::regclass::oid::int4, -%s"


# ── addresses ───────────────────────────────────────────────────────────────────────────────

_SCHEME = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_USER = re.compile(r"([^@/:]*)(?::([^@/]*))?@")  # libpq ends the password at the first @, whatever is in between
_HOSTS = re.compile(r"(?:(?:\[[^\]]*\]|[^:\[\]/?#@,]*)(?::\d*)?(?:,|$))*")
_SECRET = re.compile(r"password|secret|token", re.IGNORECASE)
_NAME = re.compile(r"\w[\w.-]{0,99}")


@dataclass(frozen=True)
class Address:
    """Where a session lies in a database; as text it is the address again, without what is secret.

    Attributes:
        server: The connection URI as libpq takes it, the password included.
        session: The session's name.
        shown: To be printed and copied; a password comes from `PGPASSWORD` or `~/.pgpass` then.
    """

    server: str = field(repr=False)
    session: str
    shown: str

    def __str__(self) -> str:
        return self.shown

    @classmethod
    def of(cls, text: str) -> Address:
        """Read `postgresql://user@host:port/database?options#session`.

        What is before the `#` is a connection URI of PostgreSQL, options and all; after it comes the session's name:
        letters, digits, `_`, `.` and `-`, at most 100.

        Raises:
            BadInput: It is no such address. The message repeats nothing of it, for it may hold a password.
        """
        scheme = _SCHEME.match(text)
        if scheme is None:
            raise BadInput(f"A database's address begins with postgresql://. {_FORM}")
        rest = text[scheme.end() :]
        user = _USER.match(rest)
        place, hash_, session = rest[user.end() if user else 0 :].partition("#")
        if not hash_:
            raise BadInput(f"The address of the database names no session. {_FORM}")
        if not _NAME.fullmatch(session):
            raise BadInput(
                "The session's name after the # of the address has 1 to 100 letters, digits, _, . or -, and begins "
                f"with none of the last two. {_FORM}"
            )
        place, mark, options = place.partition("?")
        hosts = place.partition("/")[0]
        if not _HOSTS.fullmatch(hosts):
            raise BadInput(
                "The address of the database has something that is no host:port after the user. Write @ : / ? # % "
                f"inside a password as %40 %3A %2F %3F %23 %25. {_FORM}"
            )
        kept = [pair for pair in options.split("&") if pair and not _SECRET.search(unquote(pair.partition("=")[0]))]
        shown = f"postgresql://{user[1] + '@' if user else ''}{place}"
        shown += f"?{'&'.join(kept)}" if kept else ""
        server = f"postgresql://{user[0] if user else ''}{place}{mark}{options}"
        return cls(server, session, f"{shown}#{session}")


_FORM = "The form is postgresql://user@host/database#session."


def is_address(text: object) -> bool:
    """Whether this is meant as the address of a session in a database."""
    return isinstance(text, Address) or (isinstance(text, str) and _SCHEME.match(text) is not None)


# ── the store ───────────────────────────────────────────────────────────────────────────────


class PostgresStore:
    """A log in a PostgreSQL database that any number of processes share: what `append` returned for is on its disk.

    One database holds many sessions; its tables are made on first use. A lost connection is sought again for
    `PATIENCE` seconds: reads are repeated; an append that may have been committed or not is looked for first.

    Args:
        address: `Address`, or its text; see `Address.of`.
        must_exist: Refuse where no such session is; makes no tables then.

    Raises:
        BadInput: The address is none.
        BadStore: No such session (with `must_exist`), tables of a newer version, or the database refuses.
        Unreachable: Nobody answers there.
        MissingExtra: psycopg is not installed.
    """

    def __init__(self, address: Address | str, *, must_exist: bool = False) -> None:
        self.address = Address.of(address) if isinstance(address, str) else address
        self._sql = _psycopg()
        self._lock = threading.RLock()
        self._leading = self._closed = False
        self._session: int | None = None
        self._newest_known: tuple[int, str] | None = None  # (seq, digest) of the newest event read or written here
        self._latest: list[tuple[Event, str]] = []  # what was appended last, with its data as JSON
        self._missed: tuple[float, BadStore] | None = None  # when the last call gave up, and with what
        self._db: Connection | None = None
        try:
            self._db = self._connect()
            with self._db.transaction():
                self._prepare(self._db, make=not must_exist)
                if must_exist and self._find(self._db) is None:
                    raise BadStore(self._none())
        except self._sql.Error as error:
            trouble = self._trouble(error)
            self.close()
            raise trouble from None
        except BaseException:
            self.close()
            raise

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""

        def work(db: Connection) -> Sequence[Event]:
            if self._find(db) is None:
                return []
            # binary: a time comes back as exactly the number that was written, whatever the server's settings
            found = db.cursor(binary=True).execute(
                "SELECT kind, data, at, seq, digest FROM askwise_events WHERE session = %s AND seq > %s ORDER BY seq",
                (self._session, after),
            )
            events = [Event(kind, json.loads(data), at, seq, own) for kind, data, at, seq, own in found]
            if events:
                self._newest_known = events[-1].seq, events[-1].digest
            return events

        return self._do(work)

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all or none in one transaction, durable when this returns; a stale `after` raises `Conflict`.

        Writers of one session take turns in the order in which they came.
        """
        sealed: list[tuple[Event, str]] = []
        sent = False  # whether a commit without an answer may have left these as the newest events

        def work(db: Connection) -> int:
            nonlocal sealed, sent
            known = self._newest_known
            if events and not sent and known is not None and known[0] == after:
                sealed, sent = list(seal(events, *known)), True
                if self._append_at_once(db, sealed, known):
                    return sealed[-1][0].seq
                sent = False
            with db.transaction():
                session = self._hold(db, make=bool(events))
                if sent and self._digest(db, session, sealed[-1][0].seq) == sealed[-1][0].digest:
                    return sealed[-1][0].seq
                last, previous = self._newest(db, session)
                if after is not None and after != last:
                    raise Conflict(f"The log has moved on: {last} events where {after} were expected. Read again.")
                sealed = list(seal(events, last, previous))
                if not sealed:
                    return last
                db.cursor().executemany(
                    _ONE,
                    [(session, e.seq, e.at, e.kind, data, e.digest) for e, data in sealed],
                )
                sent = True
            return sealed[-1][0].seq

        last = self._do(work)
        self._latest = sealed
        if sealed:
            self._newest_known = last, sealed[-1][0].digest
        return last

    def redact(self, left: Mapping[int, Mapping[str, Any]], event: Event, *, after: int) -> int:
        """See `Store`: one transaction. Old versions of the rows lie in the database's files until it vacuums them."""
        sealed: list[tuple[Event, str]] = []

        def work(db: Connection) -> int:
            nonlocal sealed
            with db.transaction():
                session = self._hold(db, make=False)
                if sealed and self._digest(db, session, sealed[0][0].seq) == sealed[0][0].digest:
                    return sealed[0][0].seq  # the connection was lost behind the commit
                last, previous = self._newest(db, session)
                if after != last:
                    raise Conflict(f"The log has moved on: {last} events where {after} were expected. Read again.")
                sealed = list(seal([event], last, previous))
                # The tables let nothing be changed: a row is removed, as with its session, and written again.
                db.execute("SET LOCAL askwise.remove = 'yes'")
                for seq, data in left.items():
                    row = (
                        db.cursor(binary=True)
                        .execute(
                            "DELETE FROM askwise_events WHERE session = %s AND seq = %s RETURNING at, kind, digest",
                            (session, seq),
                        )
                        .fetchone()
                    )
                    at, kind, own = cast("tuple[float, str, str]", row)  # it was read, and nobody else writes now
                    db.execute(_ONE, (session, seq, at, kind, canonical(data), own))
                said, data_ = sealed[0]
                db.execute(_ONE, (session, said.seq, said.at, said.kind, data_, said.digest))
            return sealed[0][0].seq

        last = self._do(work)
        self._latest, self._newest_known = [], (last, sealed[0][0].digest)
        return last

    def latest(self, after: int, last: int) -> Sequence[Event] | None:
        """The events after+1..last as `read` would give them, where this store has just appended these; else None."""
        return as_read(self._latest, after, last)

    def _append_at_once(self, db: Connection, sealed: list[tuple[Event, str]], known: tuple[int, str]) -> bool:
        """Append behind the event that was the newest, in one round trip; False = it is not the newest any more."""
        session = self._find(db)
        events = [event for event, _ in sealed]
        with db.pipeline(), db.transaction():
            db.execute(f"SELECT pg_advisory_xact_lock({_WRITE})", (session,))
            done = db.execute(_AT_ONCE, (
                session, [e.seq for e in events], [e.at for e in events], [e.kind for e in events],
                [data for _, data in sealed], [e.digest for e in events], session, *known, session, known[0],
            ))  # fmt: skip
        return done.rowcount > 0

    def lead(self) -> bool:
        """Whether this store is the one of all on this session whose worker refreshes.

        The first to ask is, until it steps down or its connection is gone; then the next to ask.
        """

        def work(db: Connection) -> bool:
            if self._leading:  # a lost connection, and the lock with it, would be noticed by this
                db.execute("SELECT 1")
            elif self._find(db) is not None:
                row = db.execute(f"SELECT pg_try_advisory_lock({_LEAD})", (self._session,)).fetchone()
                self._leading = bool(row and row[0])
            return self._leading

        return self._do(work)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else appends meanwhile, so that who decides slowly is not outrun by others for ever.

        A turn that takes longer than 20 seconds between two calls, or loses its connection, ends.
        """

        def begin(db: Connection) -> None:
            if self._find(db) is not None:
                db.execute("SET idle_session_timeout = '20s'")
                db.execute(f"SELECT pg_advisory_lock({_WRITE})", (self._session,))

        def end(db: Connection) -> None:
            db.execute(f"SELECT pg_advisory_unlock({_WRITE})", (self._session,))
            db.execute("SET idle_session_timeout = DEFAULT")

        self._do(begin)
        held = self._db
        try:
            yield
        finally:
            if self._db is held:  # else the lock went with its connection
                self._do(end)

    def step_down(self) -> None:
        """Let another one lead; does nothing where this one does not."""
        with self._lock:
            if self._leading and self._db is not None:
                self._leading = False
                try:
                    self._db.execute(f"SELECT pg_advisory_unlock({_LEAD})", (self._session,))
                except self._sql.Error:  # the connection is lost, and the lock with it
                    self._db.close()

    def close(self) -> None:
        """Close the connection; another one leads then."""
        with self._lock:
            self._leading, self._closed = False, True
            if self._db is not None:
                self._db.close()

    def sessions(self) -> list[str]:
        """The names of all sessions in this database, sorted."""
        return self._do(lambda db: [name for (name,) in db.execute("SELECT name FROM askwise_sessions ORDER BY name")])

    def remove(self) -> None:
        """Erase this session with its log, as when its beginning went wrong."""

        def work(db: Connection) -> None:
            with db.transaction():
                db.execute("SET LOCAL askwise.remove = 'yes'")
                db.execute("DELETE FROM askwise_sessions WHERE name = %s", (self.address.session,))
            self._session = None

        self._do(work)

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _do(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns; on a new connection, from its beginning, where the old one was lost."""
        until: float | None = None
        with self._lock:
            if self._closed:
                raise BadStore(f"{self.address} was closed here; open it again.")
            if self._missed is not None and time.monotonic() < self._missed[0] + BETWEEN:
                raise self._missed[1]
            while True:
                try:
                    if self._db is None:
                        self._db = self._connect()
                        self._prepare(self._db, make=False)
                    done = work(self._db)
                except self._sql.Error as error:
                    if self._db is not None and not self._lost(error) and error.sqlstate not in _AGAIN:
                        raise self._trouble(error) from None
                    self._drop()
                    until = until or time.monotonic() + (PATIENCE if self._missed is None else 0)
                    if time.monotonic() >= until:
                        trouble = self._trouble(error)
                        self._missed = time.monotonic(), trouble
                        raise trouble from None
                    time.sleep(0.2)
                else:
                    self._missed = None
                    return done

    def _connect(self) -> Connection:
        from psycopg.conninfo import conninfo_to_dict

        known: dict[str, Any] = conninfo_to_dict(self.address.server)
        db: Connection = self._sql.connect(**DEFAULTS | known | {"client_encoding": "UTF8"}, autocommit=True)
        try:
            db.isolation_level = self._sql.IsolationLevel.READ_COMMITTED  # who waited for a lock sees what is new
            db.execute(_MANNERS)
        except BaseException:
            db.close()
            raise
        return db

    def _lost(self, error: psycopg.Error) -> bool:
        severity = error.diag.severity_nonlocalized
        # Without a code it is not the server that speaks: the client noticed the end in the middle of something.
        cut = isinstance(error, self._sql.OperationalError) and error.sqlstate is None
        return self._db is None or self._db.closed or cut or severity in ("FATAL", "PANIC")

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db, self._leading, self._session, self._newest_known = None, False, None, None

    def _prepare(self, db: Connection, *, make: bool) -> None:
        """See that the tables are there and of a version that we know."""
        if db.info.parameter_status("server_encoding") != "UTF8":
            raise BadStore(
                f"The database of {self.address} stores text as {db.info.parameter_status('server_encoding')}; it must "
                "be UTF8. Make one with: createdb --encoding=UTF8 --template=template0 NAME"
            )
        if not _made(db):
            if not make:
                raise BadStore(self._none())
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            if not _made(db):  # nobody was first
                db.execute(_TABLES)
                db.execute("INSERT INTO askwise_schema VALUES (%s)", (SCHEMA,))
        row = db.execute("SELECT max(version) FROM askwise_schema").fetchone()
        version = row[0] if row else None
        if version is None or version > SCHEMA:
            raise BadStore(
                f"The tables of {self.address} were made by a newer Askwise (version {version}; this one knows up to "
                f"{SCHEMA}). Upgrade with `pip install --upgrade askwise`."
            )

    def _find(self, db: Connection) -> int | None:
        if self._session is None:
            row = db.execute("SELECT id FROM askwise_sessions WHERE name = %s", (self.address.session,)).fetchone()
            self._session = row[0] if row else None
        return self._session

    def _hold(self, db: Connection, *, make: bool) -> int | None:
        """The session's number; nobody else appends to it until the transaction ends."""
        session = self._find(db)
        if session is None and make:
            name = (self.address.session,)
            db.execute("INSERT INTO askwise_sessions (name) VALUES (%s) ON CONFLICT DO NOTHING", name)
            session = self._find(db)
            self._session = None  # it may be rolled back
        db.execute(f"SELECT pg_advisory_xact_lock({_WRITE})", (session,))
        return session

    def _newest(self, db: Connection, session: int | None) -> tuple[int, str]:
        row = db.execute(
            "SELECT seq, digest FROM askwise_events WHERE session = %s ORDER BY seq DESC LIMIT 1", (session,)
        ).fetchone()
        return (row[0], row[1]) if row else (0, "")

    def _digest(self, db: Connection, session: int | None, seq: int) -> str:
        row = db.execute("SELECT digest FROM askwise_events WHERE session = %s AND seq = %s", (session, seq)).fetchone()
        return row[0] if row else ""

    def _none(self) -> str:
        return f"There is no session at {self.address}. Start one with `askwise label FILE --session {self.address}`."

    def _trouble(self, error: psycopg.Error) -> BadStore:
        if isinstance(error, self._sql.ProgrammingError) and error.sqlstate is None:
            # libpq could not read the address and may quote the password
            return BadStore(f"PostgreSQL does not accept the address {self.address} or an option in it. {_FORM}")
        said = " ".join(str(error).split())
        if self._db is None or self._lost(error):
            return Unreachable(
                f"The database of {self.address} cannot be reached: {said}. What was saved is safe; start the "
                "database, or check the address, the password and the network."
            )
        if (error.sqlstate or "").startswith(_SURROUNDINGS):
            return Unreachable(
                f"The database of {self.address} takes nothing now: {said}. What was saved is safe; make room on its "
                "disk, or see to what holds it up, and it goes on by itself."
            )
        return BadStore(f"The database refuses the session {self.address}: {said}.")


def _made(db: Connection) -> bool:
    # to_regclass would remember what it did not find before another process made it
    row = db.execute(
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'askwise_schema' AND pg_table_is_visible(oid))"
    ).fetchone()
    return bool(row and row[0])


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra('Sessions in PostgreSQL need psycopg: `pip install "askwise[postgres]"`.') from error
    return psycopg
