"""What is recomputed of an attempt, target by target.

Nothing here asks an aim (`askwise.aims`) for a plan or a decision, because these are what is looked at. What a target
says of itself is written here once more, so that a mistake in one of the two places is found. One number is shared:
what certificates that stand allow of the whole file (`evidence.allowance`), which follows from their frozen plans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from askwise import audit, evidence
from askwise.core import Array, BadStore, Event
from askwise.state import Attempt, State

if TYPE_CHECKING:
    from askwise.verification.walk import Walk

NO_PLAN = "the numbers of checks that certify are not a plan."


class Witness:
    """One target. What is not known is looked at as any other, until its plan is: then it is refused."""

    def handed_over(self, s: State, guesses: Array) -> Array:
        """(n,) class numbers that the attempt would hand over.

        Args:
            s: At the freeze.
            guesses: (n,) class numbers guessed by the model.
        """
        return guesses

    def open_rows(self, s: State) -> Array:
        """(k,) rows that the region may hold."""
        return evidence.certifiable(s)

    def is_whole(self, s: State, order: Array) -> bool:
        """Whether the region holds all that it must."""
        return True

    def terms(self, w: Walk, e: Event, n: int) -> tuple[float, audit.Target]:
        """The share of errors that the frozen plan allows, and of what; notes where numbers are not those of the log.

        Args:
            w: At the freeze.
            e: `frozen`.
            n: Items in the region.

        Raises:
            BadStore: there is no such target, or it hands over no guesses of a model.
        """
        raise BadStore(NO_PLAN)

    def risk(self, w: Walk, e: Event, n: int) -> float:
        """The exact risk of the frozen plan, where checks are drawn alike; otherwise as `terms`."""
        return audit.false_certificate_risk(n, *self.terms(w, e, n), e.data["needed"])

    def last(self, attempt: Attempt) -> int | None:
        """Checks with which it is accepted whatever they say; None: with none."""
        return None


class OfLabels(Witness):
    """A share of the labels given by the model."""

    def terms(self, w: Walk, e: Event, n: int) -> tuple[float, audit.Target]:
        """Of the labels."""
        return float(e.data["max_error"]), "auto"


class OfRegion(Witness):
    """A share of the region."""

    def terms(self, w: Walk, e: Event, n: int) -> tuple[float, audit.Target]:
        """Of the region."""
        return float(e.data["max_error"]), "dataset"


class OfFile(Witness):
    """A share of all items, less what earlier certificates allow."""

    def terms(self, w: Walk, e: Event, n: int) -> tuple[float, audit.Target]:
        """By the errors that are left of all items; earlier certificates must promise no less."""
        d = e.data
        due = evidence.allowance(w.state, d["max_error"])
        w.expect(
            "plans", d["allowed"] == due, e, f"allows {d['allowed']} errors; for the whole file it may allow {due}."
        )
        w.expect("plans", not evidence.finer_now(w.state), e, "a certificate that stands is about fewer classes.")
        sure = all(a.confidence >= d["confidence"] for a in w.state.attempts if a.outcome == "certified")
        w.expect("plans", sure, e, "an earlier certificate has less confidence than is claimed for the whole file.")
        return audit.share_of(due, n), "dataset"


class OfRelevant(Witness):
    """A share of the relevant items; a search ends also where everything is read."""

    def handed_over(self, s: State, guesses: Array) -> Array:
        """What a search leaves unread is irrelevant."""
        return np.full(s.n, s.class_number(s.opened["goal"]["irrelevant"]), np.int32)

    def open_rows(self, s: State) -> Array:
        """All that is unread."""
        return np.flatnonzero(s.rest())

    def is_whole(self, s: State, order: Array) -> bool:
        """All that is unread, again."""
        return len(np.unique(order)) == int(s.rest().sum())

    def risk(self, w: Walk, e: Event, n: int) -> float:
        """Of stopping with a lower recall, by the relevant items counted anew."""
        d, goal = e.data, w.state.opened["goal"]
        found = sum(a.label == goal["relevant"] for a in w.state.answers.values())
        w.expect("plans", d["found"] == found, e, f"counts {d['found']} relevant items; {found} were found.")
        return audit.false_stop_risk(n, found, round(1 - float(d["max_error"]), 9), d["needed"])

    def last(self, attempt: Attempt) -> int | None:
        """All of them: then nothing is unread."""
        return len(attempt.order)


WITNESSES: dict[str, Witness] = {
    "auto": OfLabels(),
    "dataset": OfRegion(),
    "file": OfFile(),
    "recall": OfRelevant(),
}
"""Target → what is recomputed."""


def witness(target: str) -> Witness:
    """What is recomputed of an attempt at a target, which may be none."""
    return next((own for name, own in WITNESSES.items() if name == target), Witness())  # no text, maybe: not hashed
