"""Several labels an item, or none: an answer is a set of labels, right or wrong as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from askwise import agreement, audit, learners
from askwise.core import Array, BadInput, Label, Learner, Matrix, Metrics, chance
from askwise.labelsets import NONE, SEPARATOR, check_label, labels_of, write_set
from askwise.tasks.task import Checks, Opinion, Said, Spell, Task, Votes, membership
from askwise.values import why_no_label

SETTLED = 0.45
"""Distance of a label's probability from one half at which nobody would call it unsettled."""


class Each(Opinion):
    """Probabilities of labels, each for itself; a set takes them for independent, as the learner does.

    Where they are not, confidences are off; they only order items and plans.

    Args:
        proba: (n, labels) float32.
    """

    def __init__(self, proba: Array) -> None:
        self.proba = proba

    def __len__(self) -> int:
        return len(self.proba)

    def certainty(self) -> Array:
        """(n,) of the likeliest set as a whole."""
        found: Array = np.maximum(self.proba, 1 - self.proba).prod(1)
        return found

    def written(self, labels: Sequence[Label]) -> tuple[list[Label], Array]:
        """The likeliest sets: of independent labels those with a probability above one half."""
        packed = np.packbits(self.proba > 0.5, axis=1)
        sets, which = np.unique(packed, axis=0, return_inverse=True)
        holds = np.unpackbits(sets, axis=1, count=self.proba.shape[1]).astype(bool)
        return [write_set([labels[i] for i in np.flatnonzero(one).tolist()], labels) for one in holds], which.ravel()

    def top(self, row: int, labels: Sequence[Label], most: int) -> list[tuple[Label, float]]:
        """All that are likely to apply, however many."""
        most = max(most, int((self.proba[row] > 0.5).sum()))
        best = np.argsort(-self.proba[row], kind="stable")[:most].tolist()
        return [(labels[c], float(self.proba[row, c])) for c in best]

    def joined(self, others: Sequence[Any]) -> Each:
        """See `Opinion`."""
        return Each(np.concatenate([self.proba, *(other.proba for other in others)]))

    def holds(self, rows: Sequence[int], answers: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(k,) of the sets as a whole."""
        P = self.proba[rows]
        names = [labels_of(answer) for answer in answers]
        members = np.array([[label in some for label in labels[: P.shape[1]]] for some in names], bool)
        found: Array = np.where(members.reshape(P.shape), P, 1 - P).prod(1)
        return found

    def signals(self) -> dict[str, Any]:
        """(n, labels, 2) probabilities."""
        return {"proba": np.stack([1 - self.proba, self.proba], axis=-1)}


class Sets(Task):
    """An item has a set of labels, perhaps an empty one; right is the whole set."""

    name = "sets"
    asks = "a set of labels"
    right_as = " as whole sets"
    whole = "as a whole set"
    strict = "A set with one label missing or too much counts as wrong."
    family = "multilabel"
    auto = "cvirs"
    closed = False

    def read(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """All labels that apply, as a list or as a text such as "a|b"."""
        if isinstance(raw, str):
            names: Iterable[Any] = labels_of(raw) or ([] if raw.strip() == NONE else [""])
        else:
            names = raw if isinstance(raw, Iterable) else [""]
        return list(dict.fromkeys(check_label(spell(name, raw)) for name in names))

    def from_data(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """As `read`; a cell with nothing but separators is the empty set."""
        names = [spell(part) for part in (labels_of(raw) if isinstance(raw, str) else [raw])]
        if not all(names):
            raise BadInput(f"The data holds a label {why_no_label(raw)}. Mend the label column.")
        return list(dict.fromkeys(names))

    def write(self, said: Said, labels: Sequence[Label]) -> Label:
        """In the order of the labels, `|` between them."""
        return write_set(said, labels)

    def parts(self, written: Label) -> tuple[Label, ...]:
        """Those of the set."""
        return labels_of(written)

    def renamed(self, written: Label, name: Label, to: Label) -> Label:
        """The set with the label under its other name."""
        return SEPARATOR.join(to if part == name else part for part in labels_of(written)) or NONE

    def check_label(self, name: Label) -> Label:
        """See `labelsets.check_label`."""
        return check_label(name)

    def is_written(self, text: object, labels: Sequence[Label]) -> bool:
        """Whether it is a set of these, in their order."""
        parts = labels_of(text) if isinstance(text, str) else ()
        return set(parts) <= set(labels) and text == write_set(parts, labels)

    def no_answer(self, whole: Any) -> BadInput:
        """See `Task`."""
        return BadInput(
            f"The labels {whole!r} are no list of labels. Give all that apply, [] where none does, or use skip."
        )

    def learner(self, given: Any = None) -> Learner:
        """See `learners.adapt_multilabel`."""
        return learners.adapt_multilabel(given)

    def targets(self, codes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(m, labels) zeros and ones."""
        return membership(self, classes, labels)[codes].astype(np.intp)

    def ask(self, learner: Any, X: Matrix, labels: int, blocks: Sequence[slice]) -> Each:
        """See `Task`."""
        proba = np.zeros((int(X.shape[0]), labels), np.float32)
        columns = np.asarray(learner.classes_, int)
        for rows in blocks:
            proba[rows][:, columns] = np.asarray(learner.predict_proba(X[rows]))[..., 1]
        return Each(proba)

    # People are modelled for each label by itself: of sets as a whole there are too many to know anybody's errors.

    def settled(self, votes: Votes) -> tuple[dict[int, Label], str]:
        """Each label by itself, so the set may be one that nobody gave as a whole."""
        holds = membership(self, votes.classes, votes.labels)
        applies: dict[int, list[str]] = {row: [] for row in votes.rows}
        for number in _given(holds, votes.fair_votes, votes.again_votes):
            name = votes.labels[number]
            likely = votes.likely(partial(_yes_or_no, holds, label=number), 2)
            for row in votes.rows:
                no, yes = np.round(likely[row], 9).tolist()
                if yes > no or (yes == no and name in labels_of(votes.answers[row][-1].label or "")):
                    applies[row].append(name)
        return {row: write_set(names, votes.labels) for row, names in applies.items()}, "Dawid & Skene 1979, by label"

    def quality(self, votes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """How often one is right on a label, over the labels that occur."""
        holds = membership(self, classes, labels)
        each = [agreement.dawid_skene(_yes_or_no(holds, votes, one), 2).quality for one in _given(holds, votes)]
        found: Array = np.mean(each or [np.ones(votes.shape[1])], axis=0)
        return found

    def reason(self, family: str, guesses: Sequence[tuple[Label, float]], model: str) -> str:
        """Which label is least settled."""
        name, p = min(guesses, key=lambda guess: abs(guess[1] - 0.5))
        if abs(p - 0.5) > SETTLED:
            return f"The model is fairly sure of each label; as a set they are unlike those it knows ({model})."
        return f"The model is least settled whether {name} applies: {chance(p)} ({model})."

    def predicted(self, written: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(n, labels) zeros and ones."""
        some = [set(labels_of(one)) for one in written]
        return np.array([[label in one for label in labels] for one in some], np.int64).reshape(len(some), len(labels))

    def metrics(self, checks: Checks) -> Metrics | None:
        """Precision, recall and F1 of each label; see `audit.metrics_by_label`."""
        c, holds = checks, membership(self, checks.classes, checks.labels)
        moved = [
            audit.moves_by_label(m, old, c.truth, c.guesses, c.rest, holds)
            for m, old in zip(c.members, c.then, strict=True)
        ]
        return audit.metrics_by_label(
            c.said, c.answered, moved, c.guesses, c.rest, holds, c.labels, confidence=c.confidence
        )


def _given(holds: Array, *votes: Array) -> list[int]:
    """Numbers of the labels in these votes."""
    codes = np.concatenate([V[V != agreement.MISSING] for V in votes])
    found: list[int] = np.flatnonzero(holds[np.unique(codes)].any(0)).tolist()
    return found


def _yes_or_no(holds: Array, V: Array, label: int) -> Array:
    """Votes on one label; class 1 = it applies."""
    found: Array = np.where(V == agreement.MISSING, agreement.MISSING, holds[V, label].astype(V.dtype))
    return found
