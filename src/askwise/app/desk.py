"""The questions that lie open in the browser's tabs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from askwise.core import Query

if TYPE_CHECKING:
    from askwise.session import Session

REMEMBERED = 2_000
"""Answers whose reply is kept, so that one sent twice is logged once."""


class Desk:
    """Deals questions to tabs, and does each thing a tab asks for once.

    A tab names itself by a random id that survives a reload, so a reload finds the same questions again instead of
    leaving them leased to nobody.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.checking = False
        """Whether what the tabs hold are blind checks."""
        self._held: dict[str, dict[str, Query]] = {}  # tab → item → question
        self._replies: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.RLock()

    def deal(self, tab: str, have: list[str], want: int) -> list[Query]:
        """Questions until the tab holds `want`: first those it lost in a reload, then the best new ones."""
        with self._lock:
            held = self._held.setdefault(tab, {})
            missing = want - len(have)
            lost = [q for item, q in held.items() if item not in have][: max(0, missing)]
            fresh = self.session.ask(missing - len(lost)) if missing > len(lost) else []
            held.update({q.item: q for q in fresh})
            return lost + [q for q in fresh if q.item not in have]

    def put(self, tab: str, question: Query) -> None:
        """A question that went back to this tab, to the front: one whose answer was taken back."""
        with self._lock:
            held = self._held.setdefault(tab, {})
            held.pop(question.item, None)
            self._held[tab] = {question.item: question, **held}

    def clear(self, item: str | None = None) -> None:
        """Nobody holds this item any more; without an item, nobody holds anything."""
        with self._lock:
            for held in self._held.values():
                if item is None:
                    held.clear()
                else:
                    held.pop(item, None)

    def once(self, key: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do it, unless the same key was done before: then only repeat the reply."""
        with self._lock:
            if key not in self._replies:
                self._replies[key] = act()  # an error is not remembered: a retry may succeed
                if len(self._replies) > REMEMBERED:
                    self._replies.popitem(last=False)
            return self._replies[key]
