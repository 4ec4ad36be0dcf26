"""What is handed over to the model: certificates, and the labels that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from askwise import aims, answers, evidence, handover, opening, screening
from askwise.core import AutoLabels, BadInput, Certificate, ContractError, Event, Label, Oracle, Target, share
from askwise.options import named
from askwise.questions import CHECKS_AHEAD
from askwise.session.labeling import Labeling
from askwise.state import State


class Handing(Labeling):
    """Certifies, and lets the model label what is certified."""

    def autolabel(
        self,
        *,
        max_error: float | Mapping[Label, float] | None = None,
        confidence: float | None = None,
        target: Target | None = None,
        costs: Any = None,
        max_cost: float | None = None,
        by_doubt: float = 0.0,
        oracle: Oracle | None = None,
    ) -> AutoLabels:
        """Certify a region of the pool and label it, or refuse and say what is missing.

        The first call freezes predictions, region and a random order of blind checks (status "checking"); `ask` then
        hands out the checks, and the answers decide. Call again for the outcome. With an oracle the checks are
        answered at once. The rest goes back to people, and another region may be tried later: each attempt spends its
        own part of 1 - confidence.

        Args:
            max_error: Largest share of wrong labels among those given by the model; default: the session's. With a
                share for each class, such as {"benign": 0.001, "malignant": 0.05}, the items that the model labels so
                are certified class by class, and those of classes not named stay with people.
            confidence: Probability that all of this holds; default: the session's.
            target: "auto": share among the auto-labeled; "dataset": auto-label errors as a share of the whole region,
                corrected checks included (cheaper; the auto-labeled part alone may exceed `max_error`); "file": all
                auto-label errors as a share of the whole pool (cheapest); default: the session's.
            costs: What errors cost instead, (classes, classes): `costs[true][given]`, zeros on the diagonal. For each
                class the share of errors is limited such that the mean cost is at most `max_cost`, whatever the true
                class.
            max_cost: Largest mean cost of a label given by the model, in the unit of `costs`.
            by_doubt: The checks are drawn where the doubt is: this share of their weight goes by the model's doubt, the
                rest is the same for every item; 0 (every item is as likely to be next) to below 1. It takes fewer
                checks where errors come near the limit (0.3 to 0.7), more where they are rare; docs/guarantee.md.
            oracle: Answers the checks.

        Raises:
            BadInput: Out-of-range numbers, or other numbers than those of the attempt under way.
        """
        with self._lock:
            s = self._state
            attempt = s.open_attempt
            if self._goal is not None and not (max_error is costs is confidence is None):
                raise BadInput(
                    f"This is a search: its recall and confidence were set at the start. Leave {named('max_error')}, "
                    f"{named('costs')} and {named('confidence')} out."
                )
            if not s.task.closed and (costs is not None or isinstance(max_error, Mapping)):
                raise BadInput(
                    f"With {s.task.asks} an item, an answer is right or wrong {s.task.whole}, so there is one share of "
                    f"errors, not one for each label. Give {named('max_error')} as a number."
                )
            if (costs is None) != (max_cost is None) or (costs is not None and max_error is not None):
                raise BadInput(
                    f"Give either {named('max_error')}, or {named('costs')} together with {named('max_cost')}."
                )
            if isinstance(max_error, Mapping):
                max_error = {answers.spelled(s, name): share for name, share in max_error.items()}
            if costs is not None and max_cost is not None:
                max_error = handover.limits_from_costs(costs, max_cost, s.shown_labels())
            share_ = float(s.opened["max_error"]) if max_error is None else max_error
            wanted = handover.limits(share_, s.shown_labels())
            wanted_confidence = float(s.opened["confidence"] if confidence is None else confidence)
        opening.check_share("confidence", wanted_confidence)
        target = evidence.target(self._state) if target is None else target
        opening.check_target(target)
        if not (isinstance(by_doubt, int | float) and 0 <= by_doubt < 1):
            raise BadInput(
                f"{named('by_doubt')} is a share of 0 or more and below 1, got {by_doubt!r}; 0.5 is a start."
            )
        if by_doubt and self._goal is not None:
            raise BadInput(
                f"A search has a plan of its own, whose checks are all alike; leave {named('by_doubt')} out."
            )
        if not aims.SHARES[target].by_class and list(wanted) != [None]:
            raise BadInput(
                f"A limit for each class is about labels of that class; leave {named('target')} out, or the classes."
            )
        if attempt is not None:
            # Of the classes asked for, some may not have been worth an attempt.
            same = all(wanted.get(a.label) == a.max_error for a in s.last_group)
            same = same and attempt.confidence == wanted_confidence and attempt.target == target
            if (max_error is not None or confidence is not None) and not same:
                raise BadInput(
                    f"An attempt at an error of at most {share(attempt.max_error, 1)} with {share(attempt.confidence)} "
                    f"confidence is under way. Answer its checks, or give it up first: {named('cancel_autolabel()')}."
                )
            if by_doubt and by_doubt != attempt.share:
                raise BadInput(
                    f"The attempt under way draws {share(attempt.share)} of the weight of its checks by doubt, fixed "
                    f"before the first of them. Answer its checks, or give it up first: {named('cancel_autolabel()')}."
                )
        else:
            self.refresh()  # certify the model that knows every answer
            with self._lock:
                elsewhere = self._trainer.round >= 0 and self._trainer.confidences() is None
                if elsewhere:  # another process ranked last, and the model of that ranking is there
                    self._trainer.round = -1
            if elsewhere:
                self.refresh()
            refusal = self._freeze(wanted, wanted_confidence, target, float(by_doubt))
            if refusal is not None:
                return refusal
        if oracle is not None:
            self._answer_checks(oracle)
        status = self.autolabel_status()
        if status is None:
            raise ContractError("The attempt that was just frozen is not in the log; the store dropped an event.")
        return status

    def resume_autolabel(self, *, oracle: Oracle | None = None) -> AutoLabels:
        """Let the checks of an attempt that had ended go on, where its answers were changed since.

        The frozen order and the plan are the same, and nothing more of 1 - confidence is spent: the plan holds however
        often one looks. A certificate that changed answers made void gets the checks that it lacks now; what it had
        labeled is open till then. An attempt that was refused may turn out better with answers put right. Items whose
        guesses have been shown or exported since cannot be checked blind, so each counts as wrong when it is its turn.

        Args:
            oracle: Answers the checks.

        Raises:
            BadInput: No attempt that has ended can go on; the reason is said.
        """
        with self._lock:
            self._expire()
            self._ledger.write(handover.resume)
            self._judge()
        if oracle is not None:
            self._answer_checks(oracle)
        status = self.autolabel_status()
        if status is None:
            raise ContractError("The attempt that was just resumed is not in the log; the store dropped an event.")
        return status

    def _freeze(self, wanted: handover.Limits, confidence: float, target: Target, by_doubt: float) -> AutoLabels | None:
        """Start an attempt; an answer only where none can be started."""

        def decide(s: State) -> tuple[Sequence[Event], AutoLabels | None]:
            if s.open_attempt is not None:
                return [], None  # somebody else was first
            if (goal := self._goal) is not None:
                fresh = self._trainer.confidences() is not None
                found = screening.freeze(s, goal, self._trainer.opinion if fresh else None)
            else:
                found = handover.freeze(s, self._trainer.confidences(), wanted, confidence, target, by_doubt)
            return ([], found) if isinstance(found, AutoLabels) else (found, None)

        return self._ledger.commit(decide)

    def _answer_checks(self, oracle: Oracle) -> None:
        while True:
            with self._lock:
                attempt = self._state.open_attempt
                if attempt is None:
                    return
                # No more than could decide at the earliest: what is answered beyond that would be wasted.
                # The checks of single classes come mixed, and any of them may decide.
                left = (evidence.judge(self._state, attempt).left or 1) if attempt.label is None else 1
                queries = self._ask(min(CHECKS_AHEAD, left), "oracle")
            if not queries:
                return  # somebody else holds the next checks
            labels = oracle(queries)
            if len(labels) != len(queries):
                raise ContractError(
                    f"The oracle gave {len(labels)} labels for {len(queries)} queries; one each is needed."
                )
            for query, label in zip(queries, labels, strict=True):
                self.tell(query, label, annotator="oracle")
            self.release(annotator="oracle")

    def autolabel_status(self) -> AutoLabels | None:
        """The attempt under way, or how the last one ended; None before the first. Changes nothing."""
        with self._lock:
            return handover.status(self._state, self.pool.ids)

    def certificates(self) -> list[Certificate]:
        """Every certificate given and not taken back, recounted from the answers as they are now."""
        with self._lock:
            return evidence.certificates(self._state)

    def deferred(self, k: int | None = None) -> list[str]:
        """Items that still need a person, most useful first: as the strategy ranks them, then by the model's doubt.

        Args:
            k: At most so many; None = all.
        """
        with self._lock:
            s = self._state
            rest = s.rest()
            ranked = [row for row in (s.ranking.queue if s.ranking else []) if rest[row]]
            others = rest.copy()
            others[ranked] = False
            rows = np.flatnonzero(others)
            sure = self._trainer.confidences()
            if sure is not None:
                rows = rows[np.argsort(sure[rows], kind="stable")]
            return [self.pool.ids[row] for row in [*ranked, *rows.tolist()][:k]]

    def cancel_autolabel(self) -> None:
        """Give up the attempt under way; its part of the error budget stays spent.

        Raises:
            BadInput: No attempt is under way.
        """
        with self._lock:
            if self._state.open_attempt is None:
                raise BadInput(f"No certification attempt is under way; start one with {named('autolabel()')}.")
            self._ledger.write(handover.cancel)

    def undo_autolabel(self) -> None:
        """Take the last batch of model labels back, as a whole.

        Raises:
            BadInput: There is none.
        """
        with self._lock:
            given = [a for a in self._state.attempts if a.outcome == "certified" and not a.taken_back]
            if not given:
                raise BadInput("There are no model labels to take back.")
            batch = [a.number for a in given if a.group == given[-1].group]
            self._ledger.write(lambda _: [Event("taken_back", {"attempt": number}) for number in batch])
