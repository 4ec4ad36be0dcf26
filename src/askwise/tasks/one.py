"""One label an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise import agreement, audit, learners
from askwise.core import Array, Label, Learner, Matrix, Metrics, chance
from askwise.tasks.task import Checks, Opinion, Task, Votes

CLEAR = 0.8
"""Distance of the two likeliest classes at which nobody would call the model unsettled between them."""


class Classes(Opinion):
    """Probabilities of classes.

    Args:
        proba: (n, classes) float32.
    """

    def __init__(self, proba: Array) -> None:
        self.proba = proba
        self.width = int(proba.shape[1])

    def __len__(self) -> int:
        return len(self.proba)

    def certainty(self) -> Array:
        """(n,) of the likeliest class."""
        found: Array = self.proba.max(1)
        return found

    def written(self, labels: Sequence[Label]) -> tuple[list[Label], Array]:
        """See `Opinion`."""
        return list(labels), self.proba.argmax(1)

    def top(self, row: int, labels: Sequence[Label], most: int) -> list[tuple[Label, float]]:
        """See `Opinion`."""
        best = np.argsort(-self.proba[row], kind="stable")[:most].tolist()
        return [(labels[c], float(self.proba[row, c])) for c in best]

    def joined(self, others: Sequence[Any]) -> Classes:
        """See `Opinion`."""
        return Classes(np.concatenate([self.proba, *(other.proba for other in others)]))

    def holds(self, rows: Sequence[int], answers: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(k,) of the classes."""
        number = {name: at for at, name in enumerate(labels)}
        found: Array = self.proba[rows, [number[name] for name in answers]]
        return found

    def signals(self) -> dict[str, Any]:
        """The probabilities."""
        return {"proba": self.proba}


class One(Task):
    """An item has one label; right is the same label."""

    name = "one"
    merges = True
    compares = True
    searches = True
    hinted = True

    def learner(self, given: Any = None) -> Learner:
        """See `learners.adapt`."""
        found: Learner = learners.adapt(given)
        return found

    def ask(self, learner: Any, X: Matrix, labels: int, blocks: Sequence[slice]) -> Classes:
        """See `Task`."""
        proba = np.zeros((int(X.shape[0]), labels), np.float32)
        columns = np.asarray(learner.classes_, int)
        for rows in blocks:
            proba[rows][:, columns] = learner.predict_proba(X[rows])
        return Classes(proba)

    def settled(self, votes: Votes) -> tuple[dict[int, Label], str]:
        """Only labels that somebody gave are considered; of equally likely ones the newest wins."""
        likely = votes.likely(lambda V: V, len(votes.classes))
        number = {name: at for at, name in enumerate(votes.classes)}
        found = {}
        for row in votes.rows:
            weight = {a.seq: round(float(likely[row][number[a.label or ""]]), 9) for a in votes.answers[row]}
            found[row] = max(votes.answers[row], key=lambda a: (weight[a.seq], a.seq)).label or ""
        return found, "Dawid & Skene 1979"

    def quality(self, votes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """By Dawid & Skene (1979)."""
        return agreement.dawid_skene(votes, len(classes)).quality

    def doubted(
        self,
        opinion: Opinion,
        rows: Sequence[int],
        votes: Array,
        standing: Array,
        classes: Sequence[Label],
        labels: Sequence[Label],
    ) -> tuple[Array, Array, Array]:
        """Which class it is."""
        return standing, votes, opinion.signals()["proba"][rows]

    def reason(self, family: str, guesses: Sequence[tuple[Label, float]], model: str) -> str:
        """Between which labels."""
        name, p = guesses[0]
        if len(guesses) == 1:
            return f"The model gives {name} {chance(p)} ({model})."
        other, q = guesses[1]
        both = f"{name} {chance(p)}, {other} {chance(q)} ({model})"
        if family == "committee":
            return f"Models that fit your labels equally well disagree here: {both}."
        if family == "change":
            return f"Your answer would change the model most: {both}."
        if p - q > CLEAR:
            return f"The model doubts others hardly more than this one, though it is fairly sure: {both}."
        torn = "is torn between" if p - q < 0.25 else "is least settled between"
        return f"The model {torn} {name} {chance(p)} and {other} {chance(q)} ({model})."

    def metrics(self, checks: Checks) -> Metrics | None:
        """Precision, recall and F1 of each class; see `audit.metrics_on_rest`."""
        c, classes = checks, len(checks.classes)
        moved = [
            audit.moves(m, old, c.truth, c.guesses, c.rest, classes) for m, old in zip(c.members, c.then, strict=True)
        ]
        return audit.metrics_on_rest(c.said, c.answered, moved, c.guesses, c.rest, c.classes, confidence=c.confidence)
