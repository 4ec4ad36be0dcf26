"""A session file as it lies there: whether it is one, what is in it, and what an error of SQLite says of it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from askwise.core import BadStore, Event, Unreachable

APPLICATION_ID = 0x41736B57  # "AskW": tells our files from any other SQLite database
FORMAT = 2
"""Version of the log's format (2: events carry digests); a store written by a newer one is refused."""
SCRUB_DUE = 1002
"""Version in the file's head while content that was withdrawn may still lie in bytes that SQLite uses no more."""
# A version that knows no digests may have the file open while this one migrates it; it must not go on without them.
DIGESTS_ONLY = """
CREATE TRIGGER IF NOT EXISTS digests_only BEFORE INSERT ON events WHEN length(coalesce(new.digest, '')) != 64
BEGIN SELECT raise(ABORT, 'a newer Askwise has opened this session: open it with that one'); END
"""
TRIGGERS = (
    *(
        f"CREATE TRIGGER append_only_{verb} BEFORE {verb} ON events "
        "BEGIN SELECT raise(ABORT, 'the log is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ),
    DIGESTS_ONLY,
)
"""Those that a session file may have."""
COLUMNS = ["seq", "at", "kind", "data", "digest"]


def is_session_file(path: Path) -> bool:
    """Whether a session lies there, whatever the file's name."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError:  # whoever uses the path says what is wrong with it
        return False
    return head[:16] == b"SQLite format 3\x00" and int.from_bytes(head[68:72], "big") == APPLICATION_ID


def inspect(path: Path) -> None:
    """Look before opening, so that a refusal leaves the file as it was."""
    # The header answers without SQLite, which would leave -wal and -shm files beside a file that we refuse.
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise BadStore(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    if head[:16] != b"SQLite format 3\x00" or len(head) < 100:
        raise BadStore(f"{str(path)!r} is not an Askwise session file. Give a file that `askwise label` made.")
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise BadStore(f"{str(path)!r} is a SQLite database, but not an Askwise session.")
    version = int.from_bytes(head[60:64], "big")
    if version > FORMAT and version != SCRUB_DUE:
        raise BadStore(
            f"{str(path)!r} was written by a newer Askwise (format {version}; this one reads up to {FORMAT}). "
            "Upgrade with `pip install --upgrade askwise`."
        )


def check_schema(path: Path) -> None:
    """Refuse what somebody has added to the file, before anything is written to it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            only_ours(db, path)
    except sqlite3.Error as error:
        raise trouble(named_file(path), error) from error


def only_ours(db: sqlite3.Connection, path: Path) -> None:
    """A trigger could change what is written, a view what is read; tables of others have no business here.

    Raises:
        BadStore: the file holds more than the log and the triggers that keep it append-only.
    """
    found = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    ours = {_words(sql) for sql in TRIGGERS}
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
    if [name for name, _ in columns] not in (COLUMNS, COLUMNS[:-1]) or any(hidden for _, hidden in columns):
        names = ", ".join(str(name) for name, _ in columns) or "none"
        raise BadStore(f"{str(path)!r} is damaged: its log should have the columns {', '.join(COLUMNS)}, got {names}.")


def _words(sql: str) -> str:
    """SQL in one spelling."""
    plain = " ".join(sql.replace(";", " ; ").split()).lower()
    return plain.replace("if not exists ", "").removesuffix(" ;")


def events_in(db: sqlite3.Connection, path: Path, after: int, *, sealed: bool = True) -> Sequence[Event]:
    """Events with `seq > after`, oldest first; `sealed`: the table has digests."""
    digests = "coalesce(digest, '')" if sealed else "''"
    found = db.execute(
        f"SELECT seq, at, kind, data, {digests} FROM events WHERE seq > ? ORDER BY seq",  # noqa: S608 - one of two constants
        (after,),
    ).fetchall()
    try:
        return [Event(str(kind), json.loads(data), float(at), seq, str(own)) for seq, at, kind, data, own in found]
    except (TypeError, ValueError, RecursionError) as error:
        raise BadStore(f"{str(path)!r} is damaged: an event is not JSON ({error}).") from error


def _looked_at(path: Path) -> Sequence[Event]:
    # Where nobody writes, SQLite need not look for anything beside the file, whose folder may be read-only.
    quiet = not beside(path)[0].exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"
    with closing(sqlite3.connect(address, uri=True, timeout=10)) as db:
        only_ours(db, path)
        migrated = any(name == "digest" for _, name, *_ in db.execute("PRAGMA table_info(events)"))
        return events_in(db, path, 0, sealed=migrated)


def _of_a_copy(path: Path) -> Sequence[Event]:
    try:
        with tempfile.TemporaryDirectory(prefix="askwise-read-") as folder:
            copy = Path(folder) / "session"
            shutil.copyfile(path, copy)
            shutil.copyfile(beside(path)[0], beside(copy)[0])
            return _looked_at(copy)
    except sqlite3.Error as error:
        raise trouble(named_file(path), error) from error
    except OSError as error:
        raise Unreachable(
            f"{named_file(path)} can be read only as a copy, for which there is no room: {error.strerror}. Free some "
            "space in the folder for temporary files."
        ) from error


def read_file(path: Path) -> Sequence[Event]:
    """As `read_log`, of a file."""
    if not path.is_file():
        raise BadStore(f"No session file at {str(path)!r}.")
    inspect(path)
    try:
        return _looked_at(path)
    except sqlite3.Error as error:
        if not beside(path)[0].exists():
            raise trouble(named_file(path), error) from error
        # What is beside it cannot be read where nothing can be written, as in a read-only folder.
        return _of_a_copy(path)


class CannotBeWritten(Unreachable):
    """A session file that can be looked at, perhaps, but not written."""


READ_ONLY = (
    "It can be looked at (report, export, verify); to label, give yourself the right to write the file and its folder, "
    "or copy it elsewhere: askwise copy FROM TO."
)
_ADVICE = {
    sqlite3.SQLITE_FULL: (CannotBeWritten, "The disk is full: free some space; it goes on by itself then."),
    sqlite3.SQLITE_BUSY: (Unreachable, "Another program holds it: close that one, or wait until it is done."),
    sqlite3.SQLITE_LOCKED: (Unreachable, "Another program holds it: close that one, or wait until it is done."),
    sqlite3.SQLITE_READONLY: (CannotBeWritten, READ_ONLY),
    sqlite3.SQLITE_PERM: (CannotBeWritten, READ_ONLY),
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


def named_file(path: Path) -> str:
    """The file, as the beginning of a sentence."""
    return f"The session file {str(path)!r}"


def beside(path: Path) -> tuple[Path, Path]:
    """SQLite's files of an open session: the newest events, and the index of them."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
