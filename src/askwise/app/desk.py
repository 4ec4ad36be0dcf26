"""The questions that lie open in the browser's tabs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from askwise.core import Query

if TYPE_CHECKING:
    from askwise.session import Session

MOST_HELD = 50
"""Questions that a person may have in hand at once, over all tabs and programs: nobody takes the whole pool."""
REMEMBERED = 2_000
"""Answers whose reply is kept, so that one sent twice is logged once."""


class Desk:
    """Deals questions to the tabs of each annotator, and does each thing a tab asks for once.

    A tab names itself by a random id that survives a reload, so a reload finds the same questions again instead of
    leaving them leased to nobody.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.checking = False
        """Whether what the tabs hold are blind checks."""
        self._held: dict[tuple[str, str], dict[str, Query]] = {}  # (annotator, tab) → item → question
        self._dealt: dict[str, set[str]] = {}  # annotator → items that this process ever dealt to them
        self._replies: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()
        self._lock = threading.RLock()

    def deal(self, annotator: str, tab: str, have: list[str], want: int) -> list[Query]:
        """Questions until the tab holds `want`: first those it lost in a reload, then the best new ones."""
        with self._lock:
            if not self.session.shared and annotator not in self._dealt and not have and want:
                # A page that was just opened: what an earlier process had dealt to them lies in no tab. A page that
                # outlived the process goes on with what it has.
                self.session.release(annotator=annotator)
            lost = self._lost(annotator, tab, have, want)
            more = want - len(have) - len(lost)
            fresh = self.session.ask(more, annotator=annotator, most=MOST_HELD) if more > 0 else []
            return lost + self._took(annotator, tab, have, fresh)

    def hand_in(
        self,
        annotator: str,
        tab: str,
        have: list[str],
        want: int,
        item: str,
        kind: Literal["label", "skip", "unsure"],
        label: str | list[str] | None,
        seconds: float | None,
    ) -> list[Query]:
        """An answer of the annotator; then as `deal`, in one step of the session."""
        with self._lock:
            lost = [q for q in self._lost(annotator, tab, have, want + 1) if q.item != item][: max(0, want - len(have))]
            more = max(0, want - len(have) - len(lost))
            fresh = self.session.hand_in(
                item, kind, label, ask=more, annotator=annotator, seconds=seconds, most=MOST_HELD
            )
            self.clear(annotator, item)
            return lost + self._took(annotator, tab, have, fresh)

    def _lost(self, annotator: str, tab: str, have: list[str], want: int) -> list[Query]:
        """What the tab lost in a reload, of what it wants."""
        held = self._held.setdefault((annotator, tab), {})
        for item in [item for item, q in held.items() if q.row in self.session.pool.withdrawn]:
            del held[item]
        return [q for item, q in held.items() if item not in have][: max(0, want - len(have))]

    def _took(self, annotator: str, tab: str, have: list[str], fresh: list[Query]) -> list[Query]:
        """The tab holds these new questions, too; those of them that it lacks."""
        self._held[annotator, tab].update({q.item: q for q in fresh})
        self._dealt.setdefault(annotator, set()).update(q.item for q in fresh)
        return [q for q in fresh if q.item not in have]

    def dealt(self, annotator: str, item: str) -> bool:
        """Whether this process ever dealt the item to the annotator."""
        with self._lock:
            return item in self._dealt.get(annotator, ())

    def holds(self, annotator: str, item: str) -> bool:
        """Whether the item lies open in one of the annotator's tabs."""
        with self._lock:
            return any(item in held for (name, _), held in self._held.items() if name == annotator)

    def put(self, annotator: str, tab: str, question: Query) -> None:
        """A question that went back to this tab, to the front: one whose answer was taken back."""
        with self._lock:
            held = self._held.setdefault((annotator, tab), {})
            held.pop(question.item, None)
            self._held[annotator, tab] = {question.item: question, **held}

    def clear(self, annotator: str, item: str) -> None:
        """The annotator holds this item no more, in whatever tab; another may still be asked about it."""
        with self._lock:
            for (name, _), held in self._held.items():
                if name == annotator:
                    held.pop(item, None)

    def drop(self) -> None:
        """The rules of asking change: every tab gives its questions back."""
        with self._lock:
            for held in self._held.values():
                held.clear()
            for annotator in {name for name, _ in self._held}:
                self.session.release(annotator=annotator)

    def forget(self) -> None:
        """Items were withdrawn: nothing of them stays in what tabs hold and in replies that may be repeated."""
        gone = self.session.pool.withdrawn
        with self._lock:
            for held in self._held.values():
                for item in [item for item, q in held.items() if q.row in gone]:
                    del held[item]
            for reply in self._replies.values():
                if "next" in reply:
                    reply["next"] = [one for one in reply["next"] if one["row"] not in gone]
                if reply.get("query") and reply["query"]["row"] in gone:
                    reply["query"] = None

    def once(self, annotator: str, key: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do it, unless the annotator did the same key before: then only repeat the reply."""
        with self._lock:
            if (annotator, key) not in self._replies:
                self._replies[annotator, key] = act()  # an error is not remembered: a retry may succeed
                if len(self._replies) > REMEMBERED:
                    self._replies.popitem(last=False)
            return self._replies[annotator, key]
