"""Handing items over to the model: what is frozen, how an attempt stands, how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from askwise import aims, audit, evidence
from askwise.core import Array, AutoLabels, BadInput, Event, Label, Target, share, unknown
from askwise.options import named
from askwise.state import Attempt, State, pack

WEIGHTED = 5
"""The version of the format from which checks may be drawn by weights."""
RESUMED = 6
"""The version from which the checks of an attempt that had ended may go on."""
Limits: TypeAlias = Mapping[Label | None, float]
"""Class → largest share of errors among the items that the model labels so; under None, among all that it labels."""


def limits(max_error: float | Mapping[Label, float], classes: Sequence[Label]) -> Limits:
    """The limits asked for, checked.

    Raises:
        BadInput: a share outside (0, 1), an unknown class, or no class at all.
    """
    if not isinstance(max_error, Mapping):
        return {None: _share(max_error, named("max_error"))}
    for name in max_error:
        if name not in classes:
            raise unknown("class", name, classes)
    if not max_error:
        raise BadInput(
            f"{named('max_error')} names no class. Give one share for all, or a share for each class to hand over."
        )
    return {name: _share(value, f"{named('max_error')} of {name!r}") for name, value in max_error.items()}


def limits_from_costs(costs: Any, max_cost: float, classes: Sequence[Label]) -> dict[Label, float]:
    """For each class the share of errors that keeps the mean cost of the labels given so at or below `max_cost`.

    An error on an item labeled c costs at most the largest entry of column c, whatever its true class. With a share of
    errors of `max_cost` / that entry, the mean cost of the items labeled c, and of all, is at most `max_cost`. Exact
    with two classes, careful with more.

    Args:
        costs: (c, c), costs[true][given] >= 0, zero on the diagonal, in the order of `classes`.
        max_cost: Largest mean cost of a label given by the model, > 0.
        classes: The labels.

    Raises:
        BadInput: another shape, negative or infinite costs, costs of right labels, or no cost at all.
    """
    C = np.asarray(costs, dtype=float)
    if C.shape != (len(classes),) * 2 or not np.all(np.isfinite(C)) or np.any(C < 0) or np.any(np.diag(C)):
        raise BadInput(
            f"{named('costs')} is a square of {len(classes)} x {len(classes)} numbers >= 0, costs[true][given] in the "
            f"order {', '.join(map(str, classes))}, with zeros where both are the same; got shape {C.shape}."
        )
    if not (np.isfinite(max_cost) and max_cost > 0):
        raise BadInput(f"{named('max_cost')} is the largest mean cost of a label, above 0; got {max_cost!r}.")
    worst = C.max(axis=0)
    if not np.any(worst > max_cost):
        raise BadInput(
            f"No single error costs more than {max_cost:g}, so any labels keep to it. Lower {named('max_cost')}, or "
            "export the model's guesses as they are."
        )
    # A share of one half or more is no promise about a label; where errors are that cheap, still keep the better half.
    return {name: min(0.5, max_cost / cost) if cost else 0.5 for name, cost in zip(classes, worst, strict=True)}


def _share(value: Any, name: str) -> float:
    if not (isinstance(value, int | float | np.number) and 0 < value < 1):
        raise BadInput(f"{name} must lie between 0 and 1, got {value!r}.")
    return float(value)


def freeze(
    state: State, sure: Array | None, wanted: Limits, confidence: float, target: Target, by_doubt: float = 0.0
) -> list[Event] | AutoLabels:
    """The events that start an attempt for each limit, or the refusal that says why none can be started.

    Attempts that start together share what one may spend of 1 - confidence, in equal parts.

    Args:
        state: Not changed; no attempt is under way.
        sure: (n,) calibrated confidences of the current guesses; None when this process has no model.
        wanted: From `limits`.
        confidence: Of the certificates, together, in (0, 1).
        target: Share of what.
        by_doubt: Of all weight by which checks are drawn, the share that goes by doubt, 0 (all are alike) to below 1.
    """
    open_items = int(state.rest().sum())

    def refuse(reason: str) -> AutoLabels:
        return AutoLabels("refused", reason, deferred=open_items)

    if state.predictions is None:
        return refuse("There is no model yet: it takes at least two different answers.")
    used = state.groups
    if used >= len(audit.SPEND):
        return refuse(
            f"All {used} attempts are spent: one more could not be counted against {share(confidence)}. "
            f"The {open_items:,} open items are for people."
        )
    if sure is None or state.ranking is None:
        return refuse("The model moved on meanwhile; try again.")
    aim = aims.SHARES[target]
    if why := aim.refusal(evidence.standing(state), wanted.values(), confidence):
        return refuse(why)
    if open_items and not np.any(state.rest() & ~state.shown_mask):
        return refuse(
            f"The model's guesses on all {open_items:,} open items have been shown or exported, so nobody could check "
            "them blind: they are for people."
        )
    found, reasons = [], []
    for label, max_error in wanted.items():
        known = evidence.planning(state, sure, label)
        region = known.region(max_error, confidence, target, parts=len(wanted))
        if region is None or not region.worth or region.size == 0:
            why = "no attempt is left" if region is None else region.reason
            reasons.append(why if label is None else f"{label}: {why}")
        else:
            found.append((label, max_error, known, region))
    if not found:
        return refuse(" ".join(reasons))
    events: list[Event] = []
    for label, max_error, known, region in found:
        number = len(state.attempts) + len(events)
        entropy = [int(state.opened["seed"]), 3, number, state.seq]
        allowed = aim.errors(evidence.allowance(state, max_error))
        alpha = known.alpha(confidence) / len(wanted)
        rows = np.sort(known.rows[region.rows])
        plan: audit.Plan | audit.WeightedPlan
        if by_doubt:
            doubt = audit.doubts(known.confidence)[np.searchsorted(known.rows, rows)]
            levels = audit.levels_of(doubt, by_doubt)
            turns = audit.order_of(levels, entropy)
            order = rows[turns].astype(np.int64)
            plan = aim.weighted(levels[turns], by_doubt, max_error, alpha, allowed)
        else:
            order = np.random.default_rng(entropy).permutation(rows).astype(np.int64)
            plan = aim.plan(len(order), max_error, alpha, allowed)
        data: dict[str, Any] = {
            "attempt": number + 1,
            "group": used + 1,
            "label": label,
            "alpha": plan.alpha,
            "max_error": max_error,
            "confidence": confidence,
            "target": target,
            "round": state.ranking.round,
            "order": pack(order.tobytes()),
            "confidences": pack(sure[order].astype(np.float32).tobytes()),
            "needed": list(plan.needed) if isinstance(plan, audit.Plan) else [],
            "risk": plan.risk,
            "expected_error": region.error,
            "allowed": 0 if allowed is None else allowed,
        }
        if isinstance(plan, audit.WeightedPlan):  # earlier versions would judge by the numbers needed alone
            data |= {"format": WEIGHTED, "levels": pack(plan.levels.tobytes()), "share": plan.share}
        events.append(Event("frozen", data))
    return events


def verdict(state: State) -> list[Event]:
    """The events that close the attempts under way which their answers decide."""
    events = []
    for attempt in state.attempts:
        if attempt.outcome != "open":
            continue
        found = evidence.judge(state, attempt)
        if found.status == "checking":
            continue
        events.append(_closed(attempt, found.status, found.audits, found.wrong, found.reason))
        if found.status == "certified":
            events.append(Event("autolabeled", {"attempt": attempt.number}))
    return events


def resumable(state: State) -> list[tuple[Attempt, int]]:
    """The attempts that had ended and whose checks may go on, by the answers as they are now, those frozen together.

    Their order was fixed at the freeze and their plan holds however often one looks, so that a changed answer counts as
    if it had been said at once. A refused attempt may go on once changed answers no longer refuse it; one that
    certified, where they no longer certify at the check where it did.

    Args:
        state: Not changed.

    Returns:
        (attempt, checks still needed if all of them go well, 0 where the answers decide already), of the group that was
        frozen last among those that may go on.
    """
    found = list[tuple[Attempt, int]]()
    for attempt in reversed(state.attempts):
        if found and found[0][0].group != attempt.group:
            break
        if state.why_not_resumed(attempt) or (
            attempt.outcome == "certified" and not evidence.certificate(state, attempt).void
        ):
            continue
        if aims.of(attempt).void(attempt, aims.of(attempt).found(state, attempt)):
            continue  # other answers than those of its checks have to be mended
        now = plan_again(state, attempt)
        if now.status != "refused":
            found.insert(0, (attempt, now.left or 0))
    return found


def plan_again(state: State, attempt: Attempt) -> audit.Certification:
    """Where an attempt would stand if its checks went on now."""
    now = evidence.judge(state, attempt)
    if now.status == "refused":  # and what was seen since would only make it worse
        return now
    outcomes = state.outcomes(replace(attempt, outcome="open", blown=state.unblind(attempt), kept={}))
    return evidence.plan_of(attempt).judge(outcomes, attempt.expected_error)


def resume(state: State) -> list[Event]:
    """The events that let the checks of attempts go on that had ended; see `resumable`.

    Raises:
        BadInput: There is none, with the reason.
    """
    found = resumable(state)
    if not found:
        raise BadInput(f"No attempt that has ended can go on: {_why_none(state)}.")
    return [Event("resumed", {"attempt": attempt.number, "format": RESUMED}) for attempt, _ in found]


def _why_none(state: State) -> str:
    """Why no attempt can go on."""
    last = state.last_group
    if not last:
        return "nothing was frozen yet"
    attempt = last[-1]
    if why := state.why_not_resumed(attempt):
        return f"of attempt {attempt.number}, {why}"
    if attempt.outcome == "certified" and not evidence.certificate(state, attempt).void:
        return f"attempt {attempt.number} certified, and its answers still do"
    hidden = len(state.unblind(attempt))
    told = f"; {hidden:,} of its items count as wrong, as their guesses have been shown since" if hidden else ""
    return f"with the answers as they are, attempt {attempt.number} would be refused{told}"


def cancel(state: State) -> list[Event]:
    """The events that give up every attempt under way."""
    events = []
    for attempt in state.attempts:
        if attempt.outcome == "open":
            checks, wrong = evidence.progress(state, attempt)
            events.append(_closed(attempt, "cancelled", checks, wrong, f"Cancelled after {checks} checks."))
    return events


def _closed(attempt: Attempt, outcome: str, checks: int, wrong: int, reason: str) -> Event:
    data = {"attempt": attempt.number, "outcome": outcome, "checks": checks, "wrong": wrong, "reason": reason}
    return Event("closed", data)


def status(state: State, ids: Sequence[str]) -> AutoLabels | None:
    """The attempts under way, or how those frozen last have ended; None before the first.

    Args:
        state: Not changed.
        ids: (n,) item ids.
    """
    group = state.last_group
    if not group:
        return None
    open_items = int(state.rest().sum())
    checks = sum(evidence.progress(state, a)[0] for a in group)
    under_way = [(a, evidence.judge(state, a)) for a in group if a.outcome == "open"]
    if under_way:
        left = sum(found.left or 0 for _, found in under_way)
        reason = under_way[0][1].reason
        if under_way[0][0].label is not None:  # which class comes next is the guess that the checks hide
            more = "" if any(found.left is None for _, found in under_way) else f" At least {left:,} more are needed."
            reason = f"{checks:,} blind checks so far, of single classes, which are mixed and not told apart.{more}"
        return AutoLabels("checking", reason, checks_done=checks, checks_left=left, deferred=open_items)
    given = [a for a in group if a.outcome == "certified" and not a.taken_back]
    again = resumable(state)
    going_on = sum(left for _, left in again) if again else None
    if not given:
        taken = any(a.taken_back for a in group)
        reason = "The model's labels were taken back." if taken else _joined([(a, a.reason) for a in group])
        return AutoLabels("refused", reason, checks_done=checks, deferred=open_items, resumable=going_on)
    certificates = tuple(evidence.certificate(state, a) for a in given)
    labels = {
        ids[row]: state.classes[state.auto[row][0]]
        for attempt in given
        for row in attempt.order[attempt.checks :].tolist()
        if row in state.auto and state.label_of(row) is None
    }
    refused = [(a, a.reason) for a in group if a not in given]
    sentence = " ".join([*(c.sentence for c in certificates), *([_joined(refused)] if refused else [])])
    return AutoLabels("certified", sentence, labels, certificates[0], certificates, checks, None, open_items, going_on)


def _joined(reasons: Sequence[tuple[Attempt, str]]) -> str:
    return " ".join(reason if a.label is None else f"{a.label}: {reason}" for a, reason in reasons)
