"""How a session learns, and how good it says that the model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from askwise import advice, control, evidence, people, screening, stopping
from askwise.core import (
    Agreement,
    Annotator,
    Array,
    BadInput,
    Control,
    Errors,
    Estimate,
    Matrix,
    Metrics,
    Recall,
    Unreachable,
    Verdict,
)
from askwise.session.known import Known
from askwise.tasks import Opinion


class Learning(Known):
    """Learns, and says how good the model is."""

    def features(self) -> Matrix:
        """(n, d) features of the pool; encodes on the first call."""
        return self._trainer.features()

    def refresh(self) -> bool:
        """Fit, score, rank: the slow verb. Returns whether there is a new ranking (False: nothing new was told).

        Raises:
            BadInput: The session was reopened without the encoder, learner or strategy that it was started with.
        """
        return self._trainer.refresh()

    def start(self, *, apart: bool = False) -> None:
        """Start the background worker: it refreshes whenever answers have come in.

        Args:
            apart: Encode, fit and rank in a process of its own, as the servers do: a thread that computes holds up
                those that answer people. Where encoder, learner or strategy cannot be sent there, they are used here,
                and a notice says so.

        Raises:
            Unreachable: The session's file cannot be written.
        """
        if self.still:
            raise Unreachable(self.still)
        self._trainer.start(apart=apart)

    def stop(self) -> None:
        """Stop the background worker, after a refresh that is under way; raises what had stopped it before, if any."""
        self._trainer.stop()

    def guesses_of(self, contents: Sequence[Any]) -> Opinion | None:
        """What the newest model says of items of any kind that it can encode.

        None where there is no model here, or no encoder. Not to be called while a refresh runs.
        """
        return self._trainer.guesses_of(contents)

    @property
    def worker_error(self) -> Exception | None:
        """What stopped the background worker, to be shown; None while all is well."""
        return self._trainer.worker.error

    # ── honesty ─────────────────────────────────────────────────────────────────────────────

    def estimate(self) -> Estimate:
        """How good the current model is on the rest, from random check items alone; true at every look.

        See docs/guarantee.md for what exactly is claimed.
        """
        return self._ledger.from_still("estimate", lambda s: evidence.estimate(s, s.predictions))

    def metrics(self) -> Metrics | None:
        """Precision, recall, F1 of each class, balanced accuracy and AUROC on the rest; None before the first model.

        From random check items alone; the bounds are true at every look. See docs/guarantee.md.
        """
        return self._ledger.from_still("metrics", lambda s: evidence.metrics(s, s.predictions))

    def errors(self) -> Errors | None:
        """How far off the guesses were on the last blind check items, where answers are numbers; else None.

        Plain estimates with bootstrap intervals, which nothing guarantees; None also before there are enough checks.
        """
        return self._ledger.once("errors", evidence.errors)

    def annotators(self) -> list[Annotator]:
        """What each person has done, and how good their labels are where others labeled the same items."""
        return self._ledger.once("annotators", people.annotators)

    def agreement(self) -> Agreement:
        """How well people agree on the items that several of them labeled."""
        return self._ledger.once("agreement", people.agreed)

    def verdict(self, *, price_per_hour: float | None = None) -> Verdict:
        """Good enough? Why, and about how many labels, minutes and how much money to go? Advice, never a lock.

        Args:
            price_per_hour: Of the people's time, > 0, in any currency; None = no money is forecast.

        Raises:
            BadInput: a price that is not above 0.
        """
        with self._lock:
            return stopping.in_time(self._advised(), self._seconds(), price_per_hour)

    def series(self) -> dict[str, Array]:
        """What was recorded with each model, for the criteria of `askwise.stopping`; see `advice.series`."""
        with self._lock:
            return advice.series(self._state.points)

    def advice(
        self, *, price_per_hour: float | None = None, price_of_error: float | None = None
    ) -> list[tuple[str, Verdict]]:
        """(criterion, what it says) of each criterion for stopping; the first is the session's own. Never a lock.

        Args:
            price_per_hour: Of the people's time, > 0, in any currency. With `price_of_error` and measured answers, the
                last criterion says whether the next labels pay.
            price_of_error: Of one wrong label in the end, >= 0, in the same currency.

        Raises:
            BadInput: prices out of range.
        """
        if price_of_error is not None and price_per_hour is None:
            raise BadInput("What an error costs goes with what an hour of people costs; give both prices.")
        verdict = self.verdict(price_per_hour=price_per_hour)
        with self._lock:
            s = self._state
            each = stopping.pace(self._seconds())
            price_of_label = None if price_per_hour is None or each is None else price_per_hour * each[0] / 3600
            recorded = advice.series(s.points)
            scale = 1.0
            if len(recorded["doubts"]):
                outcomes = [wrong for wrong in s.draw_outcomes()[1] if wrong is not None]
                scales, weight = control.error_scales(len(outcomes) * float(recorded["doubts"][-1]), sum(outcomes))
                scale = float(weight @ scales)
        found = advice.all_criteria(
            recorded, verdict, price_of_label=price_of_label, price_of_error=price_of_error, errors_by_doubt=scale
        )
        with self._lock:
            return [(name, advice.not_before(self._state, one)) for name, one in found]

    def _seconds(self) -> list[float]:
        """What recent answers took, as of the last ranking: forecasts move with the rankings."""
        ranking = self._state.ranking
        return self._ledger.once("seconds", advice.seconds, ranking and ranking.round)

    def control(self, *, compute: bool = True) -> Control | None:
        """How many labels random sampling would have needed for as few errors; a forecast, never a proof.

        It fits some twenty models on random samples, once for each ranking; the background worker does so whenever a
        quarter more labels are there. What was found is written to the log with the next ranking. See docs/control.md.

        Args:
            compute: False = what was found last.

        Returns:
            What was found last where the model is not at hand (after reopening, until `refresh`); None in a search, in
            a multi-label session and before the first model.
        """
        return self._trainer.control(compute=compute)

    def _advised(self) -> Verdict:
        """The verdict in labels."""
        with self._lock:
            s, trainer = self._state, self._trainer
            done = not s.rest_mask.any()
            # A plan from before items were handed over still counts them.
            fresh = trainer.confidences() is not None and len(s.auto) <= trainer.region_auto
            region = trainer.region if fresh else None
            # A forecast moves with the rankings; only blind checks move it with every answer.
            key = (
                s.seq
                if s.open_attempt or "goal" in s.opened
                else (s.ranking and s.ranking.round, len(s.attempts), done)
            )
            return self._ledger.once("verdict", lambda s: advice.verdict(s, region, self.recall()), key)

    @property
    def _goal(self) -> screening.Goal | None:
        return screening.goal_of(self._state.opened)

    def recall(self) -> Recall | None:
        """Where a search stands: found, and what is proved of the share found; None where `recall=` was not given."""
        with self._lock:
            goal = self._goal
            return None if goal is None else self._ledger.once("recall", lambda s: screening.recall(s, goal))
