"""The questions of a check that lie open in the browser's tabs: each in one tab, and answered once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from askwise import notices
from askwise.app.wire import shown, view
from askwise.checking import LabelCheck
from askwise.core import BadInput, Conflict
from askwise.values import label_name

LEASE = 180.0
"""Seconds after which a question is free again whose tab was not heard of: the page says every 30 that it is there."""
SOON = 0.5
"""Seconds that a reply waits for what comes next to be worked out."""
REMEMBERED = 2_000
"""Acts whose keys are kept, so that one sent twice is done once."""
NO_WAY_BACK = (
    "There is no answer of this tab to go back to: this is the first, or somebody has looked at the numbers since, "
    "which may tell whether it agreed."
)


@dataclass
class _Held:
    """The question in a tab."""

    row: int
    seen: float
    """When the tab was last heard of."""
    again: bool = False
    """It was answered before, and is asked anew."""


class _Queue(threading.Thread):
    """Works out what waits, for as long as it takes; nobody waits for it at the end of the program."""

    def __init__(self, check: LabelCheck, rest: bool) -> None:
        super().__init__(name="askwise-check", daemon=True)
        self.check, self.rest = check, rest
        self.rows: list[int] = []
        self.encodes = False
        """Whether what the model of doubt learns from is waited for."""
        self.error: Exception | None = None

    def run(self) -> None:
        """What is encoded is encoded outside of the check's lock: answers are taken in meanwhile."""
        try:
            if self.check.doubts_next:
                self.encodes = True
                self.check.get_ready()
                self.encodes = False
            self.rows = self.check.queue(rest=self.rest)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to: the next reply does
            self.error = error


class CheckDesk:
    """Deals the questions of a check to tabs, and does each thing a tab asks for once.

    A tab names itself by a random id that survives a reload, so a reload finds the same question again. Nothing that it
    gives depends on the labels that are checked, but for which question comes next.

    Args:
        check: An open check; it is left open.
        rest: Once it is known which labels stay, go on with what is open.
        clock: Seconds.
    """

    def __init__(self, check: LabelCheck, *, rest: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.check, self.rest = check, rest
        self.given = 0
        """Answers that were recorded here."""
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._before: dict[str, list[int]] = {}  # tab → rows it has answered since somebody looked at the numbers
        self._keys: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._working: _Queue | None = None
        self._figures: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._count()

    # ── what a tab does ─────────────────────────────────────────────────────────────────────

    def ask(self, tab: str, *, rest: bool = False) -> dict[str, Any]:
        """The question of a tab: the one that it has, else the next that lies in no other."""
        with self._lock:
            self.rest = self.rest or rest
            return self._turn(tab)

    def answer(self, tab: str, key: str, row: int, label: str | None, seconds: float | None) -> dict[str, Any]:
        """Record an answer; then as `ask`.

        Raises:
            BadInput: The row was not asked, or there is none, or it is no label.
            Conflict: Somebody else has answered it meanwhile.
        """

        def act() -> None:
            held = self._held.get(tab)
            mine = held if held is not None and held.row == row else None
            if mine is None and row not in self._waiting():  # where it waits, it was dealt before a server ended
                answers = self.check.state.answers
                if row in answers and answers[row] == (None if label is None else label_name(label)):
                    return  # it arrived at a server that ended before it could say so
                if row not in answers:
                    raise BadInput(f"Row {row + 1:,} was not asked of this tab. Ask first: POST /api/v1/check/ask.")
            try:
                self.check.tell(row, label, seconds=seconds, first=mine is None or not mine.again)
            except Conflict as error:
                self._drop(tab, row)
                raise Conflict(
                    f"Row {row + 1:,} was answered elsewhere while it lay here: that answer stands, and yours is not "
                    "counted. Go on with the next question."
                ) from error
            self.given += 1
            self._count()
            self._drop(tab, row)
            self._before.setdefault(tab, []).append(row)

        return self._once(tab, key, act)

    def later(self, tab: str, key: str, row: int) -> dict[str, Any]:
        """Put the tab's question behind the others that wait, or leave an earlier answer as it is; then as `ask`."""

        def act() -> None:
            held = self._held.get(tab)
            if held is None or held.row != row:
                return  # it lies here no more
            self._drop(tab, row)
            if held.again:
                self._before.setdefault(tab, []).append(row)
            else:
                self.check.later(row)

        return self._once(tab, key, act)

    def back(self, tab: str, key: str) -> dict[str, Any]:
        """The answer that the tab gave last is asked anew; it stands until there is another.

        Raises:
            BadInput: There is none.
        """

        def act() -> None:
            before = self._before.get(tab)
            if not before:
                raise BadInput(NO_WAY_BACK)
            self._held[tab] = _Held(before.pop(), self._clock(), again=True)

        return self._once(tab, key, act)

    def leave(self, tab: str) -> None:
        """The tab was closed: its question is free."""
        with self._lock:
            self._held.pop(tab, None)

    def looked(self) -> None:
        """Somebody is shown numbers: what was answered before can be told from them, and is not asked anew."""
        with self._lock:
            self._before.clear()
            for tab in [tab for tab, held in self._held.items() if held.again]:
                del self._held[tab]

    # ── what is said to it ──────────────────────────────────────────────────────────────────

    def _once(self, tab: str, key: str, act: Callable[[], None]) -> dict[str, Any]:
        """Do it, unless the tab did the same key before; then the tab's question."""
        with self._lock:
            if (tab, key) not in self._keys:
                act()  # an error is not remembered: a retry may succeed
                self._keys[tab, key] = None
                if len(self._keys) > REMEMBERED:
                    self._keys.popitem(last=False)
            return self._turn(tab)

    def _drop(self, tab: str, row: int) -> None:
        held = self._held.get(tab)
        if held is not None and held.row == row:
            del self._held[tab]

    def _turn(self, tab: str) -> dict[str, Any]:
        queue = self._queue()
        held = self._deal(tab, queue or [])
        if queue is not None:  # else a thread has the check's lock, for as long as a model learns
            self._count()
        return {
            "question": None if held is None else self._question(held),
            **self._figures,
            "size": self.check.state.size,
            "busy": self._busy() if held is None and queue is None else "",
            "done": queue == [] and held is None,
            "back": bool(self._before.get(tab)),
        }

    def _count(self) -> None:
        self._figures = {"looked": self.check.looked, "classes": list(self.check.classes)}

    def _waiting(self) -> list[int]:
        """The rows that wait now; none does while that is being worked out."""
        return [] if self._working is not None else self.check.state.waiting()

    def _queue(self) -> list[int] | None:
        """The rows that wait; None while that is being worked out."""
        if self._working is not None:  # begun for an earlier reply: what it found may be out of date by now
            self._working.join(SOON)
            if self._working.is_alive():
                return None
            error, self._working = self._working.error, None
            if error is not None:
                raise error
        work = _Queue(self.check, self.rest)
        work.start()
        work.join(SOON)
        if work.is_alive():
            self._working = work
            return None
        if work.error is not None:
            raise work.error
        return work.rows

    def _busy(self) -> str:
        work = notices.now() if self._working is not None and self._working.encodes else None
        return work.sentence if work else "a moment"

    def _deal(self, tab: str, queue: list[int]) -> _Held | None:
        now = self._clock()
        held = self._held.get(tab)
        if held is None or not (held.again or held.row in queue):
            self._held.pop(tab, None)
            taken = {other.row for other in self._held.values() if not other.again and now - other.seen < LEASE}
            row = next((row for row in queue if row not in taken), None)
            if row is None:
                return None
            held = self._held[tab] = _Held(row, now)
        held.seen = now
        return held

    def _question(self, held: _Held) -> dict[str, Any]:
        asked = self.check.question(held.row)
        given = self.check.state.answers.get(held.row)
        return {
            "row": held.row,
            "text": shown(asked.content),
            "view": view(asked.content),
            "reason": asked.reason,
            "again": held.again,
            "given": given if held.again else None,
        }
