"""What a session knows: its items, labels, answers and guesses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from askwise import growing, opening, results
from askwise.batch.distances import cosines
from askwise.changes import Changes
from askwise.core import Answer, Array, BadInput, Label, Query, Store
from askwise.ledger import Ledger
from askwise.options import only_python
from askwise.pool import Pool
from askwise.state import State
from askwise.tasks import Task
from askwise.tasks import get as get_task
from askwise.trainer import Trainer

T = TypeVar("T")


class Known:
    """What is known of a session; nothing here changes it."""

    _items: growing.Items
    _parts: opening.Parts
    _ledger: Ledger
    _trainer: Trainer

    @property
    def pool(self) -> Pool:
        """The items, those that were added included."""
        return self._items.pool

    @property
    def _rows(self) -> dict[str, int]:
        return self._items.rows

    @property
    def _lock(self) -> threading.RLock:
        return self._ledger.lock

    @property
    def _state(self) -> State:
        return self._ledger.state

    @property
    def _store(self) -> Store:
        return self._ledger.store

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels that may be given, in the order declared or discovered."""
        with self._lock:
            return tuple(self._state.shown_labels())

    @property
    def task(self) -> Task:
        """What an answer is."""
        return self._state.task

    @property
    def multilabel(self) -> bool:
        """Whether an item has a set of labels instead of one."""
        return self.task.name == "sets"

    @property
    def still(self) -> str:
        """Why this session can be looked at only, where its file cannot be written; else empty."""
        return str(getattr(self._store, "still", ""))

    @property
    def settings(self) -> dict[str, Any]:
        """How the session was opened: strategy, encoder, learner, seed, shares, version."""
        keys = (
            "strategy",
            "encoder",
            "learner",
            "seed",
            "audit_share",
            "max_error",
            "confidence",
            "version",
            "declared",
        )
        found = {key: self._state.opened[key] for key in keys} | {"rows": self._state.rows}
        if self.task == get_task("one"):
            return found
        return found | ({"multilabel": True} if self.multilabel else {"task": repr(self.task)})

    @property
    def title(self) -> str:
        """Title given at the start or since, else the file's name."""
        return str(self._state.title or Path(str(self.pool.address.get("path") or "Untitled")).stem)

    @property
    def guidelines(self) -> str:
        """For the people who label, as given at the start or since; "" where none were."""
        return self._state.guidelines

    @property
    def change(self) -> Changes:
        """To change labels, title and guidelines; each change can be undone."""
        return Changes(self._ledger, self._trainer.worker.nudge)

    @property
    def seed(self) -> int:
        """The seed that every random draw derives from."""
        return int(self._state.opened["seed"])

    @property
    def model_age(self) -> float | None:
        """Seconds since the current model was trained, whichever process did; None before the first."""
        with self._lock:
            points = self._state.points
            return max(0.0, time.time() - points[-1].at) if points else None

    @property
    def training(self) -> bool:
        """Whether a refresh is running now."""
        return self._trainer.refreshing.locked()

    @property
    def problems(self) -> list[str]:
        """Rows of the input that could not be loaded, one sentence each."""
        return [f"row {p.row}: {p.what}" for p in self.pool.problems]

    @property
    def shared(self) -> bool:
        """Whether the store is one that several processes serve from, each with pages of its own."""
        return hasattr(self._store, "lead")

    def parts(self, label: Label) -> tuple[Label, ...]:
        """The labels in an answer or a guess: itself, or those of a set."""
        return self._state.parts(label)

    def answers(self) -> dict[int, Answer]:
        """Row → current answer (labels that came with the data included)."""
        with self._lock:
            return dict(self._state.answers)

    def history(self, n: int = 20, *, annotator: str = "me") -> list[Answer]:
        """The current answers that an annotator gave last, newest first, at most n."""
        with self._lock:
            s, found, seen = self._state, [], set()
            for seq, row in reversed(s.trail.get(annotator, [])):
                answer = s.answers.get(row)
                if row not in seen and answer is not None and answer.seq == seq:
                    seen.add(row)
                    found.append(answer)
                if len(found) >= n:
                    break
            return found

    def predictions(self) -> tuple[list[Label], Array]:
        """Per row the current model's label ("" before the first model) and its calibrated confidence (n,), 0..1.

        Confidences are NaN after reopening until the first refresh.
        """
        with self._lock:
            s = self._state
            if s.predictions is None:
                return [""] * s.n, np.full(s.n, np.nan, np.float32)
            names = [s.classes[c] for c in s.predictions[: s.ranked].tolist()] + [""] * (s.n - s.ranked)
            mine = s.ranking is not None and self._trainer.round == s.ranking.round
            sure = np.full(s.n, np.nan, np.float32)  # also of what came since the model was trained
            if mine and self._trainer.sure is not None:
                sure[: len(self._trainer.sure)] = self._trainer.sure
            return names, sure

    def counts(self) -> dict[str, int]:
        """How many items, answers of each kind, check items, open items and so on."""
        with self._lock:
            return results.counts(self._state)

    def nearest(self, row: int, k: int = 3) -> list[tuple[int, Label, float]]:
        """The k nearest items with a human label: (row, label, cosine similarity), nearest first."""
        with self._lock:
            labeled = np.flatnonzero(self._state.labeled_mask)
            names = {int(r): self._state.label_of(int(r)) or "" for r in labeled}
        labeled = labeled[labeled != row]
        X = self._trainer.kept.X
        labeled = labeled[labeled < (0 if X is None else X.shape[0])]  # what came just now has none yet
        if X is None or len(labeled) == 0 or row >= X.shape[0]:
            return []
        similar = cosines(X[[row]], X[labeled])[0]
        best = np.argsort(-similar, kind="stable")[:k]
        return [(int(labeled[i]), names[int(labeled[i])], float(similar[i])) for i in best]

    def look(self, read: Callable[[State], T]) -> T:
        """What `read` makes of the state, while nobody changes it; it must neither change it nor keep parts of it."""
        return self._ledger.look(read)

    def _row(self, query: Query | str) -> int:
        if isinstance(query, Query):
            if query.row in self.pool.withdrawn:
                raise BadInput("This item was withdrawn meanwhile: it is asked and answered no more.")
            if not (0 <= query.row < len(self.pool) and self.pool.ids[query.row] == query.item):
                raise BadInput(f"The query for item {query.item!r} does not belong to this session.")
            return query.row
        row = self._rows.get(str(query))
        if row is None:
            gone = len(self.pool.withdrawn)
            raise BadInput(
                f"No item with the id {query!r} in this session."
                + f" Perhaps it was withdrawn: {gone:,} of its items were." * (gone > 0)
                + only_python(" Pass a query from ask(), or an id of the pool.")
            )
        return row
