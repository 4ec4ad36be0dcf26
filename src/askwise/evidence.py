"""What the log proves: estimates and certificates counted from the state of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from askwise import audit
from askwise.core import Array, Certificate, Estimate
from askwise.state import Attempt, State

Target: TypeAlias = Literal["auto", "dataset"]

PLANNING_CHECKS = 150
"""Check items that the choice of a region looks back on."""


def estimate(state: State, guesses: Array | None) -> Estimate:
    """How good a model with these guesses is on the items still to be decided, from random check items alone.

    Args:
        state: Not changed.
        guesses: (n,) class numbers; None before the first model.
    """
    confidence = float(state.opened["confidence"])
    rest = state.rest()
    if guesses is None:
        return Estimate(None, 0.0, 1.0, confidence, 0, 0, int(rest.sum()))
    draws, wrong = state.draw_outcomes()
    truth = state.truth()
    slack = [
        audit.slack(
            np.unpackbits(draw.eligible, count=state.n).view(bool),
            state.predictions_of(draw.round),
            truth,
            guesses,
            rest,
        )
        for draw in draws
    ]
    return audit.accuracy_on_rest(
        wrong,
        [k.size for k in slack],
        [k.known_errors for k in slack],
        [k.outside for k in slack],
        [k.disagree for k in slack],
        int(rest.sum()),
        unknown=np.array([k.unknown for k in slack], np.int64),
        confidence=confidence,
    )


def plan_of(attempt: Attempt) -> audit.Plan:
    """The plan as frozen in the log, so that a later version judges as the one that made the promise."""
    target: Target = "dataset" if attempt.target == "dataset" else "auto"
    return audit.Plan(len(attempt.order), attempt.max_error, attempt.alpha, target, attempt.needed, attempt.risk)


def judge(state: State, attempt: Attempt) -> audit.Certification:
    """Where an attempt stands, by the answers as they are now."""
    return plan_of(attempt).judge(state.outcomes(attempt), attempt.expected_error)


def progress(state: State, attempt: Attempt) -> tuple[int, int]:
    """(checks that counted, of these wrong), as of the decision, or so far."""
    if attempt.outcome != "open":
        return attempt.checks, attempt.wrong
    found = judge(state, attempt)
    return found.audits, found.wrong


def certificate(state: State, attempt: Attempt) -> Certificate:
    """The certificate of an attempt that succeeded, recounted: changed answers change what it is worth."""
    # Without an expectation nothing is given up early: only the acceptance itself is verified.
    found = plan_of(attempt).judge(state.outcomes(attempt), None)
    void = ""
    if found.status != "certified" or found.audits != attempt.checks:
        void = "answers to its checks were changed afterwards, and with these it would not have been given."
    return Certificate(
        max_error=attempt.max_error,
        confidence=attempt.confidence,
        attempt=attempt.number,
        alpha=attempt.alpha,
        region=len(attempt.order),
        audits=attempt.checks,
        wrong=attempt.wrong,
        certified=len(attempt.order) - attempt.checks,
        target="dataset" if attempt.target == "dataset" else "auto",
        void=void,
    )


def certificates(state: State) -> list[Certificate]:
    """Every certificate given and not taken back."""
    return [certificate(state, a) for a in state.attempts if a.outcome == "certified" and not a.taken_back]


def certifiable(state: State) -> Array:
    """(k,) rows that a region may hold: still to be decided, in nobody's hands."""
    mask = state.rest()
    mask[list(state.leases)] = False
    return np.flatnonzero(mask)


@dataclass(frozen=True)
class Planning:
    """What the choice of a region looks at, taken out of the state so that choosing needs no lock."""

    confidence: Array
    """(k,) of the current guesses on the `certifiable` rows, in their order."""
    checked: Array
    """(a,) confidences of the guesses that the last check items checked."""
    wrong: Array
    """(a,) whether they were wrong."""
    used: int
    """Attempts so far."""

    def region(self, max_error: float, confidence: float, target: Target = "auto") -> audit.Region | None:
        """The part of the rest that is cheapest to certify; None when no attempt is left."""
        if self.used >= len(audit.SPEND):
            return None
        alpha = (1 - confidence) * audit.SPEND[self.used]
        return audit.choose_region(self.confidence, self.checked, self.wrong, max_error, alpha, target=target)


def planning(state: State, sure: Array) -> Planning:
    """What is known for planning.

    Args:
        state: Not changed.
        sure: (n,) calibrated confidences of the current guesses, 0..1.
    """
    draws, wrong = state.draw_outcomes()
    known = [(d.confidence, w) for d, w in zip(draws, wrong, strict=True) if w is not None and d.confidence is not None]
    known = known[-PLANNING_CHECKS:]
    return Planning(
        np.clip(sure[certifiable(state)], 0, 1),
        np.array([c for c, _ in known], float),
        np.array([w for _, w in known], bool),
        len(state.attempts),
    )
