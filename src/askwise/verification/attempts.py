"""Certification attempts, looked at: regions, plans, budget, decisions, blindness, labels by the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from askwise import audit
from askwise.core import Array, BadStore, Event
from askwise.state import Attempt, State, unpack
from askwise.verification import weighted
from askwise.verification.findings import CLOSE, CLOSE_RISK, same
from askwise.verification.witnesses import NO_PLAN, WITNESSES, witness

if TYPE_CHECKING:
    from askwise.verification.walk import Look, Walk


def _frozen(w: Walk, e: Event) -> None:
    s, d = w.state, e.data
    number, group, label = d["attempt"], int(d.get("group", d["attempt"])), d.get("label")
    together = w.last is not None and w.last.kind == "frozen" and group == s.groups
    if not together:
        w.freeze_seq = s.seq
        w.expect("regions", s.open_attempt is None, e, "is frozen while another attempt is under way.")
        w.expect("regions", group == s.groups + 1, e, f"is freeze {group}, expected {s.groups + 1}.")
    w.expect("regions", number == len(s.attempts) + 1, e, f"is attempt {number}, expected {len(s.attempts) + 1}.")
    if s.predictions is None or s.ranking is None:
        raise BadStore("a region was frozen before there was a model.")
    w.expect("regions", d["round"] == s.ranking.round, e, f"freezes model {d['round']}, not the current one.")
    order = np.frombuffer(unpack(d["order"]), np.int64)
    w.rows(order.tolist())
    w.frozen[number] = witness(d["target"]).handed_over(s, s.predictions)
    w.done["regions"] += 1
    w.done["plans"] += 1
    levels = weighted.read(d["levels"], len(order)) if "levels" in d else None
    _region(w, e, order, label, levels)
    _plan(w, e, len(order), levels)
    _share_of_budget(w, e, group, label)


def _region(w: Walk, e: Event, order: Array, label: str | None, levels: Array | None) -> None:
    """The region held open items only, and its checks come in the order that the seed draws, with weights by these."""
    s, of = w.state, witness(e.data["target"])
    closed = np.setdiff1d(order, of.open_rows(s))
    w.expect("regions", len(closed) == 0, e, f"row {closed[:1]} of the region was not open at the freeze.")
    elsewhere = [r for a in s.attempts if a.outcome == "open" for r in order.tolist() if r in a.position]
    w.expect("regions", not elsewhere, e, f"rows {elsewhere[:3]} are in another region under way.")
    # As in `handover.freeze`, where the order is drawn.
    entropy = [int(s.opened["seed"]), 3, len(s.attempts), w.freeze_seq]
    if levels is None:
        due = np.random.default_rng(entropy).permutation(np.unique(order))
    else:
        due = weighted.order_due(order, levels, entropy)
    w.expect("regions", np.array_equal(order, due), e, "the order of the checks is not the one that the seed draws.")
    w.expect(
        "regions", of.is_whole(s, order), e,
        "a search is finished on everything unread, and this region is not all of that.",
    )  # fmt: skip
    sure = np.frombuffer(unpack(e.data["confidences"]), np.float32)
    w.expect("regions", len(sure) == len(order), e, f"{len(sure)} confidences for {len(order)} items.")
    if label is not None:
        alike = bool((w.frozen[e.data["attempt"]][order] == s.class_number(label)).all())
        w.expect("regions", alike, e, f"holds items that the model does not take for {label!r}.")


def _plan(w: Walk, e: Event, n: int, levels: Array | None) -> None:
    """The plan has the risk it says, and that is at most what the attempt spends."""
    d = e.data
    needed, alpha = d["needed"], float(d["alpha"])
    if (levels is None) == (needed == []):
        raise BadStore(NO_PLAN)
    steps = all(type(m) is int for m in needed) and needed == sorted(needed)
    if not (steps and all(1 <= m <= n for m in needed) and d["target"] in tuple(WITNESSES)):
        raise BadStore(NO_PLAN)
    if not (0 < d["max_error"] < 1 and 0 < d["confidence"] < 1):
        raise BadStore(f"an error of {d['max_error']!r} with a confidence of {d['confidence']!r}.")
    if levels is None:
        risk = witness(d["target"]).risk(w, e, n)
    else:  # the proof holds for any weights, with the whole of what the attempt spends
        risk = alpha
        max_error, counts = witness(d["target"]).terms(w, e, n)
        w.terms[d["attempt"]] = weighted.Terms(weighted.weights(levels), max_error, counts == "auto", alpha)
        w.expect("plans", d.get("format") == 5, e, "has weights, and is not marked as of format 5.")
    w.expect("plans", risk <= alpha, e, f"the plan risks a false certificate with {risk:.6g}, allowed are {alpha:.6g}.")
    same = math.isclose(risk, d["risk"], rel_tol=CLOSE_RISK, abs_tol=CLOSE**2)
    w.expect("plans", same, e, f"says its risk is {d['risk']:.6g}; computed again it is {risk:.6g}.")


def _share_of_budget(w: Walk, e: Event, group: int, label: str | None) -> None:
    """What attempts frozen together spend is an equal part of what their freeze may spend."""
    d, used = e.data, group - 1
    if not 0 < float(d["alpha"]) < 1:
        raise BadStore(f"a risk of {d['alpha']!r}.")
    share = (1 - float(d["confidence"])) * audit.SPEND[used] if 0 <= used < len(audit.SPEND) else 0.0
    beside = [a for a in w.state.attempts if a.group == group]
    parts = share / float(d["alpha"])
    equal = math.isclose(parts, round(parts), rel_tol=1e-6) and all(same(a.alpha, d["alpha"]) for a in beside)
    fits = 0 < len(beside) + 1 <= round(parts) and (label is not None or round(parts) == 1)
    w.expect("budget", equal and fits, e, f"spends {d['alpha']:.6g}; freeze {group} may spend {share:.6g} in all.")
    alike = all((a.confidence, a.target) == (d["confidence"], d["target"]) and a.label != label for a in beside)
    w.expect("budget", alike, e, "does not go with the attempts frozen beside it.")


def _closed(w: Walk, e: Event) -> None:
    s, d = w.state, e.data
    attempt = _attempt(w, d["attempt"])
    w.expect("decisions", attempt.outcome == "open", e, f"attempt {attempt.number} had ended before.")
    w.done["decisions"] += 1
    outcomes = _outcomes(s, attempt, w.frozen[attempt.number])
    checks, wrong, outcome = d["checks"], d["wrong"], d["outcome"]
    terms = w.terms.get(attempt.number)
    if terms is None:
        accepted = _accepted(attempt, outcomes)
    else:
        accepted = terms.accepted(outcomes, checks if outcome == "certified" else None)
    if outcome == "certified":
        got = f"{checks} checks with {wrong} wrong"
        found = "not certified" if accepted is None else f"{accepted[0]} checks with {accepted[1]} wrong"
        w.expect("decisions", accepted == (checks, wrong), e, f"says {got}; by the answers it is {found}.")
        w.labels_due = attempt.number
        _blind(w, e, attempt, int(checks))
        return
    known = type(checks) is int and 0 <= checks <= len(outcomes) and sum(outcomes[:checks]) == wrong
    w.expect("decisions", known, e, f"says {wrong} of {checks} wrong; {sum(outcomes)} of {len(outcomes)} are.")
    open_end = outcome == "refused" or checks == len(outcomes)
    w.expect("decisions", outcome in ("refused", "cancelled") and open_end, e, f"{outcome!r} after {checks} checks.")
    w.expect("decisions", accepted is None or accepted[0] > checks, e, "the answers certify, but it says otherwise.")


def _attempt(w: Walk, number: Any) -> Attempt:
    if not (type(number) is int and 1 <= number <= len(w.state.attempts)):
        raise BadStore(f"there is no attempt {number!r}.")
    return w.state.attempts[number - 1]


def _outcomes(s: State, attempt: Attempt, guesses: Array) -> list[bool]:
    """Whether the model was wrong, in the order of the checks, up to the first without an answer."""
    found = []
    for row in attempt.order.tolist():
        if row in s.withdrawn or row in attempt.blown:  # before the decision: then it counts as wrong
            found.append(True)
            continue
        answer = s.answers.get(row)
        if answer is None or answer.kind == "skip" or answer.seen:
            break
        told = None if answer.label is None else s.class_number(answer.label)
        found.append(told is None or s.task.is_wrong(int(guesses[row]), told, s.classes))
    return found


def _accepted(attempt: Attempt, outcomes: Sequence[bool]) -> tuple[int, int] | None:
    """(checks, wrong) where the plan accepts first; a search ends also where everything is read."""
    wrong, needed, all_read = 0, attempt.needed, witness(attempt.target).last(attempt)
    for checks, outcome in enumerate(outcomes, 1):
        wrong += outcome
        if (wrong < len(needed) and checks >= needed[wrong]) or checks == all_read:
            return checks, wrong
    return None


def _blind(w: Walk, e: Event, attempt: Attempt, checks: int) -> None:
    """The answers that certify were given after the freeze, to questions without the guess."""
    w.done["blindness"] += checks
    for place, row in enumerate(attempt.order[:checks].tolist(), 1):
        if row in w.state.withdrawn or row in attempt.blown:
            continue  # it counts as wrong, whoever answered it
        answer = w.state.answers.get(row)
        if answer is None:
            w.expect("blindness", False, e, f"check {place} (row {row}) has no answer.")
            continue
        w.expect("blindness", answer.seq > attempt.seq, e, f"check {place} (row {row}) was answered before the freeze.")
        w.expect(
            "blindness", answer.audit, e,
            f"check {place} (row {row}) was answered in event {answer.seq} without having been asked blind.",
        )  # fmt: skip
        w.expect(
            "blindness", not answer.seen, e,
            f"check {place} (row {row}) was answered by somebody to whom the guess had been shown.",
        )  # fmt: skip


def _autolabeled(w: Walk, e: Event) -> None:
    attempt, s = _attempt(w, e.data["attempt"]), w.state
    directly = w.last is not None and w.last.kind == "closed" and w.last.data["attempt"] == attempt.number
    right = attempt.outcome == "certified" and directly
    w.expect("labels", right, e, f"attempt {attempt.number} was not certified just before.")
    guesses, rows = s.guesses_of(attempt), attempt.order[attempt.checks :]
    same = np.array_equal(guesses[rows], w.frozen[attempt.number][rows])
    w.expect("labels", same, e, "what the model labels is not what it guessed at the freeze.")
    w.done["labels"] += len(rows)


def _taken_back(w: Walk, e: Event) -> None:
    attempt = _attempt(w, e.data["attempt"])
    right = attempt.outcome == "certified" and not attempt.taken_back
    w.expect("events", right, e, f"attempt {attempt.number} has no labels to take back.")


def _resumed(w: Walk, e: Event) -> None:
    """Nothing is promised twice: only what has ended goes on, a refused attempt only while nothing was frozen after it.

    Whether its answers ask for it does not matter: the plan holds however often one looks.
    """
    s, attempt = w.state, _attempt(w, e.data["attempt"])
    ended = attempt.outcome == "certified" and not attempt.taken_back
    ended |= attempt.outcome == "refused" and attempt.group == s.groups
    w.expect("regions", ended, e, f"attempt {attempt.number} had not ended so that its checks could go on.")
    beside = [a.number for a in s.attempts if a.outcome == "open" and a.group != attempt.group]
    w.expect("regions", not beside, e, f"goes on while attempt {beside} is under way.")


LOOKS: dict[str, Look] = {
    "frozen": _frozen,
    "closed": _closed,
    "autolabeled": _autolabeled,
    "taken_back": _taken_back,
    "resumed": _resumed,
}
"""What is looked at in each kind of event."""
