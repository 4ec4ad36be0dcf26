"""What is recomputed of an attempt, target by target.

Nothing here asks an aim (`askwise.aims`) for a plan or a decision, because these are what is looked at. What a target
says of itself is written here once more, so that a mistake in one of the two places is found. One number is shared: what
certificates that stand allow of the whole file (`evidence.allowance`), which follows from their frozen plans.
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

    def risk(self, w: Walk, e: Event, n: int) -> float:
        """The exact risk of the frozen plan; notes where it rests on numbers that are not those of the log.

        Args:
            w: At the freeze.
            e: `frozen`.
            n: Items in the region.

        Raises:
            BadStore: there is no such target.
        """
        raise BadStore(NO_PLAN)

    def last(self, attempt: Attempt) -> int | None:
        """Checks with which it is accepted whatever they say; None: with none."""
        return None


class OfLabels(Witness):
    """A share of the labels given by the model."""

    def risk(self, w: Walk, e: Event, n: int) -> float:
        return audit.false_certificate_risk(n, float(e.data["max_error"]), "auto", e.data["needed"])


class OfRegion(Witness):
    """A share of the region."""

    def risk(self, w: Walk, e: Event, n: int) -> float:
        return audit.false_certificate_risk(n, float(e.data["max_error"]), "dataset", e.data["needed"])


class OfFile(Witness):
    """A share of all items, less what earlier certificates allow."""

    def risk(self, w: Walk, e: Event, n: int) -> float:
        d = e.data
        due = evidence.allowance(w.state, d["max_error"])
        w.expect(
            "plans", d["allowed"] == due, e, f"allows {d['allowed']} errors; for the whole file it may allow {due}."
        )
        w.expect("plans", not evidence.finer_now(w.state), e, "a certificate that stands is about fewer classes.")
        sure = all(a.confidence >= d["confidence"] for a in w.state.attempts if a.outcome == "certified")
        w.expect("plans", sure, e, "an earlier certificate has less confidence than is claimed for the whole file.")
        return audit.false_certificate_risk(n, audit.share_of(due, n), "dataset", d["needed"])


class OfRelevant(Witness):
    """A share of the relevant items; a search ends also where everything is read."""

    def handed_over(self, s: State, guesses: Array) -> Array:  # what a search leaves unread is irrelevant
        return np.full(s.n, s.class_number(s.opened["goal"]["irrelevant"]), np.int32)

    def open_rows(self, s: State) -> Array:
        return np.flatnonzero(s.rest())

    def is_whole(self, s: State, order: Array) -> bool:
        return len(np.unique(order)) == int(s.rest().sum())

    def risk(self, w: Walk, e: Event, n: int) -> float:
        d, goal = e.data, w.state.opened["goal"]
        found = sum(a.label == goal["relevant"] for a in w.state.answers.values())
        w.expect("plans", d["found"] == found, e, f"counts {d['found']} relevant items; {found} were found.")
        return audit.false_stop_risk(n, found, round(1 - float(d["max_error"]), 9), d["needed"])

    def last(self, attempt: Attempt) -> int | None:
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
