"""A log and the state that follows from it: one lock, one way to write, one cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeAlias, TypeVar

from askwise.core import Conflict, Event, Store
from askwise.state import State
from askwise.state.withdrawn import refuse

T = TypeVar("T")

Decision: TypeAlias = tuple[Sequence[Event], T]
"""Events to append, none of them if there is nothing to say, and what the caller is told."""
MOST_LOST = 3
"""How often other processes may be first before this one asks the store for its turn."""


class Ledger:
    """What a session knows, and the only one who writes it down.

    Args:
        store: Holds the log; what is in it is taken in.
        arrives: Called with the state and each event before the state takes it in, for what is kept beside the state.

    Attributes:
        lock: Guards everything here; held for moments, and while the store writes.
        state: The fold of the log; only events change it.
        store: The log.
    """

    def __init__(self, store: Store, arrives: Callable[[State, Event], None] | None = None) -> None:
        self.lock = threading.RLock()
        self.state = State()
        self.store = store
        self._arrives = arrives
        self._kept: dict[str, tuple[Any, Any]] = {}
        self.catch_up()

    def commit(self, decide: Callable[[State], Decision[T]]) -> T:
        """Append what `decide` says of the state and give what else it says.

        Where somebody else was first the state catches up and it decides anew, so it must change nothing.

        Raises:
            BadStore: The log cannot be written.
            BadInput: It is about an item that was withdrawn.
        """
        lost = 0
        with self.lock, ExitStack() as turn:
            while True:
                events, said = decide(self.state)
                if not events:
                    return said
                refuse(self.state, events)
                try:
                    news = self._append(events)
                except Conflict:
                    lost += 1
                    if lost == MOST_LOST and hasattr(self.store, "turn"):
                        turn.enter_context(self.store.turn())
                    if not self.catch_up():
                        raise
                    continue
                self._take(news)
                return said

    def write(self, decide: Callable[[State], Sequence[Event]]) -> None:
        """`commit` where there is nothing else to say."""
        self.commit(lambda s: (decide(s), None))

    def _append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Append behind what is known; what is in the log since then."""
        after = self.state.seq
        last = self.store.append(events, after=after)
        latest: Callable[[int, int], Sequence[Event] | None] | None = getattr(self.store, "latest", None)
        news = None if latest is None else latest(after, last)  # saves reading what was written a moment ago
        return self.store.read(after) if news is None else news

    def catch_up(self) -> int:
        """Take in what others wrote; returns how many events."""
        with self.lock:
            news = self.store.read(self.state.seq)
            self._take(news)
            return len(news)

    def _take(self, news: Sequence[Event]) -> None:
        for event in news:
            if self._arrives is not None:
                self._arrives(self.state, event)
            self.state.apply(event)

    def look(self, read: Callable[[State], T]) -> T:
        """What `read` makes of the state, while nobody changes it."""
        with self.lock:
            return read(self.state)

    def once(self, name: str, compute: Callable[[State], T], key: Any = None) -> T:
        """A value that holds until the key (default: the log) moves on."""
        with self.lock:
            key = self.state.seq if key is None else key
            if name not in self._kept or self._kept[name][0] != key:
                self._kept[name] = key, compute(self.state)
            found: T = self._kept[name][1]
            return found

    def from_still(self, name: str, compute: Callable[[State], T]) -> T:
        """As `once`, for what takes long: computed from a still, while others go on answering."""
        with self.lock:
            if name in self._kept and self._kept[name][0] == self.state.seq:
                found: T = self._kept[name][1]
                return found
            still = self.state.still()
        found = compute(still)
        with self.lock:
            if self._kept.get(name, (-1, None))[0] < still.seq:
                self._kept[name] = still.seq, found
        return found

    def lead(self) -> bool:
        """Look for what other processes did; whether this is the one of all on the store that refreshes."""
        self.catch_up()
        lead: Callable[[], bool] | None = getattr(self.store, "lead", None)
        return lead is None or lead()

    def step_down(self) -> None:
        """Let another process refresh."""
        step_down: Callable[[], None] | None = getattr(self.store, "step_down", None)
        if step_down is not None:
            step_down()
