"""What is promised when items are handed over: one class for each target, with its plan, its terms and its count.

The words of a promise are in `core.promises`. What recomputes it from a log (`verification.witnesses`) asks for no plan
and no decision here, so that a mistake in this room is found.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from askwise import audit
from askwise.core import Promised, Target, share

if TYPE_CHECKING:
    from askwise.state import Attempt, State


@dataclass(frozen=True)
class Standing:
    """What the certificates that stand have promised, as the terms of another look at it."""

    confidence: float
    """The least of theirs; 1 where none stands."""
    granted: int
    """Wrong labels that they allow."""
    finer: bool
    """Whether one of them limits errors by classes that tell less apart than today's."""
    items: int
    """In the whole pool."""


class Aim(ABC):
    """One target of a certificate."""

    name: ClassVar[Promised]

    @abstractmethod
    def kept(self, attempt: Attempt) -> audit.Plan | audit.WeightedPlan | audit.RecallPlan:
        """The plan as frozen in the log, so that a later version judges as the one that made the promise."""

    @abstractmethod
    def allowed(self, attempt: Attempt) -> int | None:
        """Wrong labels that a certificate of this attempt allows; None where it hands over no guesses of a model."""

    def found(self, state: State, attempt: Attempt) -> int:
        """Relevant items known outside the region now; 0 where nothing is searched."""
        return 0

    def void(self, attempt: Attempt, found: int) -> str:
        """Why a certificate no longer holds although its checks do; "" where it holds.

        Args:
            attempt: Certified.
            found: From `found`.
        """
        return ""

    def whole(self, attempt: Attempt) -> int:
        """Items of the pool, where the share is of these; else 0."""
        return 0


class Share(Aim):
    """At most a share of something is wrong among labels by a model: what a person may ask for."""

    name: ClassVar[Target]
    counts: ClassVar[audit.Target]
    """What the plan counts errors as a share of."""
    by_class: ClassVar[bool] = True
    """Whether a limit may be given for single classes."""

    def errors(self, left: int) -> int | None:
        """Errors that may remain in a region of any size; None where the share of that region says how many.

        Args:
            left: Errors that the share leaves of all items after those granted; see `left_of_all`.
        """
        return None

    def limit(self, n: int, max_error: float, allowed: int | None) -> float:
        """The share of errors, as the plan counts them, in a region of `n` items.

        Args:
            n: At least 1.
            max_error: What is asked for, in (0, 1).
            allowed: From `errors`.
        """
        return max_error

    def plan(self, n: int, max_error: float, alpha: float, allowed: int | None) -> audit.Plan:
        """The plan for a region of `n` items whose checks are drawn alike.

        Args:
            n: At least 1.
            max_error: As for `audit.audit_plan`.
            alpha: Likewise.
            allowed: From `errors`.
        """
        return audit.audit_plan(n, self.limit(n, max_error, allowed), alpha, self.counts)

    def weighted(
        self, levels: audit.Levels, share: float, max_error: float, alpha: float, allowed: int | None
    ) -> audit.WeightedPlan:
        """The plan for a region whose checks are drawn by weights.

        Args:
            levels: (n,) in the order of the checks.
            share: Of all weight, what goes by doubt.
            max_error: As for `plan`.
            alpha: Likewise.
            allowed: Likewise.
        """
        limit = self.limit(len(levels), max_error, allowed)
        return audit.WeightedPlan(len(levels), limit, alpha, self.counts, levels, share)

    def refusal(self, standing: Standing, shares: Collection[float], confidence: float) -> str:
        """Why no certificate can be given beside those that stand, in a sentence; "" where one can.

        Args:
            standing: What these have promised.
            shares: Those asked for.
            confidence: Of the certificates asked for, together.
        """
        return ""

    def kept(self, attempt: Attempt) -> audit.Plan | audit.WeightedPlan:
        """By the share of errors that was frozen, or by their number."""
        if attempt.levels is not None:
            if attempt.weighted is None:
                attempt.weighted = self.weighted(
                    attempt.levels, attempt.share, attempt.max_error, attempt.alpha, attempt.allowed
                )
            return attempt.weighted
        limit = self.limit(len(attempt.order), attempt.max_error, attempt.allowed)
        return audit.Plan(len(attempt.order), limit, attempt.alpha, self.counts, attempt.needed, attempt.risk)

    def allowed(self, attempt: Attempt) -> int:
        """By its plan, at the number of checks that certified."""
        return self.kept(attempt).allowed(attempt.checks)


class OfLabels(Share):
    """At most `max_error` of the labels given by the model are wrong."""

    name = "auto"
    counts = "auto"


class OfRegion(Share):
    """Wrong labels are at most `max_error` of the region, checked items included."""

    name = "dataset"
    counts = "dataset"


class OfFile(Share):
    """All wrong labels by the model together are at most `max_error` of all items of the pool."""

    name = "file"
    counts = "dataset"
    by_class = False

    def errors(self, left: int) -> int:
        """All that is left."""
        return left

    def limit(self, n: int, max_error: float, allowed: int | None) -> float:
        """That allows just this many errors."""
        if allowed is None:
            raise ValueError("how many errors may remain is not said by the region's share")
        return audit.share_of(allowed, n)

    def refusal(self, standing: Standing, shares: Collection[float], confidence: float) -> str:
        """Labels that stand count for this promise, too: with their confidence, their errors and their classes."""
        if standing.confidence < confidence:
            return (
                f"Labels stand that were certified with {share(standing.confidence)} confidence only, so nothing can "
                f"be said of the whole file with {share(confidence)}. Take them back, or ask for "
                f"{share(standing.confidence)}."
            )
        if any(left_of_all(max_error, standing.items, standing.granted) < 0 for max_error in shares):
            return (
                f"The certificates that stand allow {standing.granted:,} wrong labels, more than is asked for of all"
                f" {standing.items:,} items. Take labels back, or allow more errors."
            )
        if standing.finer:
            return (
                "Labels stand that were certified while classes were merged which are told apart now, so nothing can "
                "be said of the whole file. Take these labels back, or merge the classes again."
            )
        return ""

    def whole(self, attempt: Attempt) -> int:
        """Those at the freeze."""
        return attempt.items - attempt.gone


class OfRelevant(Aim):
    """At most `max_error` of the relevant items are missed; what is frozen for it is `screening.freeze`."""

    name = "recall"

    def kept(self, attempt: Attempt) -> audit.RecallPlan:
        """By the relevant items known at the freeze."""
        recall = round(1 - attempt.max_error, 9)
        return audit.RecallPlan(len(attempt.order), attempt.found, recall, attempt.alpha, attempt.needed, attempt.risk)

    def allowed(self, attempt: Attempt) -> None:
        """None: it hands over no guesses of a model."""

    def found(self, state: State, attempt: Attempt) -> int:
        """By the answers as they are now."""
        return state.found_before(attempt)

    def void(self, attempt: Attempt, found: int) -> str:
        """Where fewer are known than the plan counted on."""
        if found >= attempt.found:
            return ""
        return "items that counted as found were changed afterwards, and with fewer it would not have been given."


SHARES: dict[str, Share] = {aim.name: aim for aim in (OfLabels(), OfRegion(), OfFile())}
"""Target → aim, of those that a person may ask for."""
AIMS: dict[str, Aim] = SHARES | {aim.name: aim for aim in (OfRelevant(),)}
"""Target → aim, of all that a certificate may be about."""


def of(attempt: Attempt) -> Aim:
    """What an attempt is to prove."""
    return AIMS[attempt.target]


def chance(attempt: Attempt, place: int) -> float:
    """That the check at this place (0, 1, …) of the order came next, given those before it."""
    plan = of(attempt).kept(attempt)
    if isinstance(plan, audit.WeightedPlan):
        return plan.probability(place)
    return 1 / (len(attempt.order) - place)


def left_of_all(max_error: float, items: int, granted: int) -> int:
    """Wrong labels that a share of all items leaves after those granted; negative where they are too many already."""
    return math.floor(Fraction(str(max_error)) * items) - granted
