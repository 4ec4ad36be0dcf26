"""Where sessions lie: memory, a file, a database; opened, read, copied, erased by their place."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from askwise.core import BadInput, BadStore, Conflict, Event, Store
from askwise.notices import progress
from askwise.store import postgres
from askwise.store.chain import amended, chain, of_data
from askwise.store.files import CannotBeWritten, is_session_file, read_file
from askwise.store.memory import MemoryStore, StillStore
from askwise.store.sqlite import SQLiteStore

Place: TypeAlias = Path | postgres.Address
"""Where a session lies: a file, or in a database."""


def place(text: str | Place) -> Place:
    """Text as the place it means: `postgresql://…` is a session in a database, all else a path.

    Raises:
        BadInput: It begins like a database's address and is none.
    """
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
    with closing(postgres.PostgresStore(where)) as store:
        return where.session in store.sessions()


def discard(where: Place) -> None:
    """Erase a session whose beginning went wrong."""
    if isinstance(where, Path):
        for path in (where, where.with_name(where.name + "-wal"), where.with_name(where.name + "-shm")):
            path.unlink(missing_ok=True)
        return
    with closing(postgres.PostgresStore(where)) as store:
        store.remove()


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
    return read_file(path)


def copy_log(source: str | Place, target: str | Place) -> tuple[int, str]:
    """Copy a session or a check from one place to another, all or nothing; files and databases in both directions.

    The copy has the same digests; events written before digests existed get theirs. What is appended to the source
    afterwards is not in the copy.

    Returns:
        How many events, and the digest of the newest, which stands for the whole log.

    Raises:
        BadInput: There is a session at the target already.
        BadStore: The source is no session, or was altered: a digest does not come out.
    """
    events = read_log(source)
    if not events or events[0].kind not in ("opened", "check"):
        raise BadStore(f"{str(place(source))!r} holds no session: its log does not begin with `opened`.")
    digests = list(chain(events))
    left = amended(events)
    odd = next(
        (
            e.seq
            for e, own in zip(events, digests, strict=True)
            if e.digest not in ("", own) or left.get(e.seq) not in (None, of_data(e.data))
        ),
        None,
    )
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
