"""The sessions of a database that a team's server serves: owners begin new ones, other processes find them."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING

from askwise.core import AskwiseError, Conflict, Event, Store, Unreachable
from askwise.store.postgres import Address, PostgresStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from askwise.plugins import Offered
    from askwise.session import Session

LOOK_EVERY = 5.0
"""Seconds after which a process has found what another one began."""
log = logging.getLogger("askwise.app")


class Shelf:
    """A database of sessions.

    Args:
        store: `postgresql://USER@HOST/DATABASE`, without a session's name.
        named: What makes the name in the address of a session's page out of its name in the database.
        known: Names in the database that are served already, or are not to be.
        whole: Whether every session of the database is served; else only those known and those begun here.
        parts: Code that they may be opened with, see `open_team`.
    """

    def __init__(
        self,
        store: str,
        named: Callable[[str], str],
        known: Iterable[str],
        *,
        whole: bool,
        parts: Mapping[str, Offered] = MappingProxyType({}),
    ) -> None:
        self.store = store
        self.parts = parts
        self.named = named
        self.whole = whole
        self._known = set(known)
        self._lock = threading.Lock()  # held while one is begun, so that it is not found before it is taken in
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, wanted: str, make: Callable[[Store], Session], take: Callable[[str, Session], str]) -> str:
        """Make a session under a name that nothing in the database has; what fails leaves nothing behind.

        Args:
            wanted: Its name, if free; else with a number behind it.
            make: Makes the session in an empty store.
            take: Takes the session in under its name; what it gives is returned.
        """
        with self._lock:
            while True:
                with closing(PostgresStore(Address.of(f"{self.store}#accounts"))) as database:
                    taken = {self.named(name) for name in database.sessions()}
                numbered = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
                name = next(name for name in numbered if self.named(name) not in taken)
                store = _Empty(Address.of(f"{self.store}#{name}"))
                try:
                    session = make(store)
                except BaseException:
                    with closing(store):
                        if store.written:
                            store.remove()
                    if store.lost:  # another process was first with this name
                        continue
                    raise
                self._known.add(name)
                return take(name, session)

    def look(self) -> Mapping[str, Session]:
        """Open the sessions that other processes began since the last look: name in the database → session.

        One that cannot be opened is said in the terminal once, and left alone.

        Raises:
            BadStore: The database refuses, or does not answer.
        """
        from askwise.session import Session

        found: dict[str, Session] = {}
        with self._lock:
            with closing(PostgresStore(Address.of(f"{self.store}#accounts"))) as database:
                names = [name for name in database.sessions() if name not in self._known]
            for name in names:
                place = Address.of(f"{self.store}#{name}")
                try:
                    found[name] = Session.open(place, **self.parts)
                except Unreachable:
                    raise  # the next look finds it
                except AskwiseError as error:
                    log.error("The session %s is not served: %s", place, error)
                self._known.add(name)
        return found

    def start(self, take: Callable[[str, Session], str], every: float = LOOK_EVERY) -> None:
        """Look for new sessions in the background and take them in, where the whole database is served."""
        if not self.whole:
            return

        def work() -> None:
            while not self._stop.wait(every):
                try:
                    for name, session in self.look().items():
                        take(name, session)
                except Unreachable:
                    continue  # the database is away: what wants to answer says so
                except AskwiseError as error:
                    log.error("New sessions cannot be looked for: %s", error)

        self._thread = threading.Thread(target=work, name="askwise-shelf", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


class _Empty(PostgresStore):
    """A store that knows whether what is in it is its own beginning."""

    written = lost = False

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        try:
            last = super().append(events, after=after)
        except Conflict:
            self.lost = not self.written
            raise
        self.written = True
        return last
