"""Handing items over to the model: what is frozen, how an attempt stands, how it ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from askwise import audit, evidence
from askwise.core import Array, AutoLabels, Event
from askwise.evidence import Target
from askwise.state import Attempt, State, pack


def freeze(state: State, sure: Array | None, max_error: float, confidence: float, target: Target) -> Event | AutoLabels:
    """The event that starts an attempt, or the refusal that says why none can be started.

    Args:
        state: Not changed; no attempt is under way.
        sure: (n,) calibrated confidences of the current guesses; None when this process has no model.
        max_error: Largest share of wrong labels, in (0, 1).
        confidence: Of the certificate, in (0, 1).
        target: Share of what.
    """
    open_items = int(state.rest().sum())

    def refuse(reason: str) -> AutoLabels:
        return AutoLabels("refused", reason, deferred=open_items)

    if state.predictions is None:
        return refuse("There is no model yet: answer questions of at least two classes first.")
    used = len(state.attempts)
    if used >= len(audit.SPEND):
        return refuse(
            f"All {used} attempts are spent: one more could not be counted against {confidence:.0%}. "
            f"The {open_items:,} open items are for people."
        )
    region = None if sure is None else evidence.planning(state, sure).region(max_error, confidence, target)
    if region is None or sure is None or state.ranking is None:
        return refuse("The model moved on meanwhile; try again.")
    if not region.worth or region.size == 0:
        return refuse(region.reason)
    rows = evidence.certifiable(state)[region.rows]
    rng = np.random.default_rng([int(state.opened["seed"]), 3, used, state.seq])
    order = rng.permutation(np.sort(rows)).astype(np.int64)
    alpha = (1 - confidence) * audit.SPEND[used]
    plan = audit.audit_plan(len(order), max_error, alpha, target)
    return Event(
        "frozen",
        {
            "attempt": used + 1,
            "alpha": alpha,
            "max_error": max_error,
            "confidence": confidence,
            "target": target,
            "round": state.ranking.round,
            "order": pack(order.tobytes()),
            "confidences": pack(sure[order].astype(np.float32).tobytes()),
            "needed": list(plan.needed),
            "risk": plan.risk,
            "expected_error": region.error,
        },
    )


def verdict(state: State) -> list[Event]:
    """The events that close the attempt under way, when its answers decide it; else none."""
    attempt = state.open_attempt
    if attempt is None:
        return []
    found = evidence.judge(state, attempt)
    if found.status == "checking":
        return []
    events = [_closed(attempt, found.status, found.audits, found.wrong, found.reason)]
    if found.status == "certified":
        events.append(Event("autolabeled", {"attempt": attempt.number}))
    return events


def cancel(state: State, attempt: Attempt) -> Event:
    """The event that gives an attempt up."""
    checks, wrong = evidence.progress(state, attempt)
    return _closed(attempt, "cancelled", checks, wrong, f"Cancelled after {checks} checks.")


def _closed(attempt: Attempt, outcome: str, checks: int, wrong: int, reason: str) -> Event:
    data = {"attempt": attempt.number, "outcome": outcome, "checks": checks, "wrong": wrong, "reason": reason}
    return Event("closed", data)


def status(state: State, ids: Sequence[str]) -> AutoLabels | None:
    """The attempt under way, or how the last one ended; None before the first.

    Args:
        state: Not changed.
        ids: (n,) item ids.
    """
    if not state.attempts:
        return None
    attempt = state.attempts[-1]
    open_items = int(state.rest().sum())
    if attempt.outcome == "open":
        found = evidence.judge(state, attempt)
        return AutoLabels(
            "checking", found.reason, checks_done=found.audits, checks_left=found.left, deferred=open_items
        )
    if attempt.outcome == "certified" and not attempt.taken_back:
        certificate = evidence.certificate(state, attempt)
        labels = {
            ids[row]: state.classes[state.auto[row][0]]
            for row in attempt.order[attempt.checks :].tolist()
            if row in state.auto and state.label_of(row) is None
        }
        return AutoLabels("certified", certificate.sentence, labels, certificate, attempt.checks, deferred=open_items)
    reason = "The model's labels were taken back." if attempt.taken_back else attempt.reason
    return AutoLabels("refused", reason, checks_done=attempt.checks, deferred=open_items)
