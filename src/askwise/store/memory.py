"""Logs in memory: of a session that is not saved, and of a file that can only be looked at."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from askwise.core import Event, Unreachable
from askwise.store.chain import check_after, seal


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
            check_after(after, last)
            previous = self._events[-1].digest if last else ""
            self._events += [event for event, _ in seal(events, last, previous)]
            return len(self._events)

    def redact(self, left: Mapping[int, Mapping[str, Any]], event: Event, *, after: int) -> int:
        """See `Store`."""
        with self._lock:
            last = len(self._events)
            check_after(after, last)
            sealed = [one for one, _ in seal([event], last, self._events[-1].digest if last else "")]
            kept = [replace(one, data=dict(left[one.seq])) if one.seq in left else one for one in self._events]
            self._events = kept + sealed
            return len(self._events)

    def close(self) -> None:
        """Nothing to release."""


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
