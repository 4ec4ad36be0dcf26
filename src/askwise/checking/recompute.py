"""Recomputes what a check claims from its log alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from askwise.audit import false_certificate_risk, share_of, sweep_risk
from askwise.checking.numbers import quality, status
from askwise.checking.state import KIND, ORDER, RANDOM, REST, SWEEP, CheckState, chances
from askwise.core import FINGERPRINT_DIGITS, BadStore, Event
from askwise.store.chain import digest
from askwise.verification.findings import CLOSE_RISK, UNREADABLE, Finding, Verification

SAID = {
    "chain": "Events ({n:,}): none is missing, and each has the digest of all before it.",
    "events": "Events ({n:,}): each can be read, and came when it was due.",
    "random": "Rows drawn at random ({n:,}): those that come first in the order of the seed.",
    "plans": "Plans ({n:,}): computed again, the risk that more wrong labels stay is within what is allowed.",
    "coins": "Rows that were audited or passed over ({n:,}): written down before anybody was asked about them.",
    "labels": "Labels that stay ({n:,}): counted again from the coins and the answers.",
}
"""What is checked, in the order shown."""


def verify_check(events: Sequence[Event], wanted: str | None = None) -> Verification:
    """Go through a check's log, and compare each event with what the ones before it allow.

    Which rows were taken for doubtful, and in which order they were swept, is free: nothing that is claimed depends on
    it, as long as it was written down before the coins of these rows were answered.

    Args:
        events: The log.
        wanted: Hex digits of a fingerprint, to compare.

    Returns:
        The findings; among them what is promised of the labels that stay.
    """
    return _Again(events).result(wanted)


class _Again:
    def __init__(self, events: Sequence[Event]) -> None:
        self.log = events
        self.state = CheckState()
        self.failures: list[Finding] = []
        self.done = dict.fromkeys(SAID, 0)
        self.digests: list[str] = []
        self.broken = False
        self.spent = 0.0
        """Of the chance of a false promise, by plans so far."""

    def expect(self, check: str, right: bool, event: Event, said: str) -> None:
        if not right:
            self.failures.append(Finding(check, False, f"Event {event.seq} ({event.kind}): {said}", event.seq))

    def result(self, wanted: str | None) -> Verification:
        self._chain()
        for event in self.log:
            try:
                if self.state.seq or event.kind == KIND:
                    look = _LOOKS.get(event.kind)
                    if look is not None:
                        look(self, event, event.data)
                self.state.apply(event)
                self.done["events"] += 1
            except UNREADABLE as error:
                self.expect("events", False, event, f"cannot be read, so nothing after it is verified: {error}")
                self.broken = True
                break
        findings: list[Finding] = []
        if not self.broken and self.state.terms and self.state.n:
            terms, most = self.state.terms, self.state.terms["max_error"]
            due = None if most is None else math.floor(most * self.state.size + 1e-9)
            self.expect(
                "plans", terms["errors"] == due, self.log[0], f"allows {terms['errors']} wrong labels, not {due}."
            )
            same = math.isclose(terms["alpha"], 1 - terms["level"], rel_tol=CLOSE_RISK)
            self.expect(
                "plans", same, self.log[0], f"allows a chance of {terms['alpha']}, not {1 - terms['level']:.6g}."
            )
            self.done["labels"] = len(self.state.kept())
        for check, sentence in SAID.items():
            failed = [one for one in self.failures if one.check == check]
            findings += failed
            if not failed and self.done[check]:
                findings.append(Finding(check, True, sentence.format(n=self.done[check])))
        if wanted is not None:
            place = next((i for i, own in enumerate(self.digests, 1) if own.startswith(wanted)), None)
            said = f"No event has the fingerprint {wanted[:FINGERPRINT_DIGITS]}: this is not the log it was taken from."
            if place is not None:
                said = f"The fingerprint is that of event {place:,} ({self.log[place - 1].kind})."
            findings.insert(1, Finding("fingerprint", place is not None, said))
        if self.state.changed:
            findings.append(
                Finding("labels", None, f"{len(self.state.changed):,} answers were changed; the last counts.")
            )
        if not self.broken:
            try:
                findings += self._claims(all(one.ok is not False for one in findings))
            except UNREADABLE as error:
                findings.append(Finding("certificate", False, f"What is claimed cannot be counted: {error}"))
        return Verification(tuple(findings), (), len(self.log), self.digests[-1])

    def _claims(self, fine: bool) -> list[Finding]:
        now, good = status(self.state), quality(self.state, self.state.terms["level"])
        if not fine:
            return [Finding("certificate", False, f"Not confirmed, as something failed. {now.sentence}")]
        kept = bool(now.kept)
        return [Finding("certificate", True if kept else None, now.sentence), Finding("estimates", True, good.sentence)]

    def _chain(self) -> None:
        stored = ""
        for place, event in enumerate(self.log, 1):
            own = digest(stored, event)
            self.expect("chain", event.seq == place, event, f"expected event {place} here; one is missing or added.")
            self.expect("chain", event.digest == own, event, "was altered, or one before it: its digest is another.")
            self.digests.append(digest(self.digests[-1] if self.digests else "", event))
            stored = event.digest or own
        self.done["chain"] = len(self.log)

    # ── the looks ───────────────────────────────────────────────────────────────────────────

    def batch(self, event: Event, data: Mapping[str, Any]) -> None:
        state, what, rows = self.state, data["what"], [int(row) for row in data["rows"]]
        free = ~state.taken()
        self.expect("events", not state.waiting(), event, "came before the questions of the one before were answered.")
        twice = len(set(rows)) < len(rows) or not all(0 <= row < state.n for row in rows)
        odd = twice or (what != REST and not all(free[row] for row in rows))
        self.expect(
            "coins" if what == SWEEP else "events",
            not odd,
            event,
            "holds a row twice, or one that was taken up before.",
        )
        if what == RANDOM:
            due = [row for row in state.order.tolist() if free[row]][: len(rows)]
            self.expect("random", rows == due, event, "holds other rows than come next in the order of the seed.")
            self.done["random"] += len(rows)
        if what == ORDER:
            left = np.flatnonzero(free)
            left = left[np.argsort(chances(state.terms["seed"], "whole", state.n)[left], kind="stable")]
            self.expect("coins", rows == left.tolist(), event, "is not all that was left in the order of the seed.")
            planned = state.whole is not None and state.whole.n == len(rows) and not state.in_order()
            self.expect("coins", planned, event, "came without a plan for so many rows.")
            self.done["coins"] += len(rows)
        if what == SWEEP:
            begun = state.plan is not None and state.extra is None and not state.sweep().ended
            self.expect("coins", begun, event, "came before the plan, or after the end of the sweep.")
            self.done["coins"] += len(rows)
        if what == RANDOM and state.plan is not None:
            self.expect("events", False, event, "came after the plan.")

    def planned(self, event: Event, data: Mapping[str, Any]) -> None:
        terms, order = self.state.terms, data["method"] == ORDER
        second = self.state.plan is not None or (order and self.state.whole is not None)
        self.expect("plans", not second, event, "a second plan was made.")
        if self.state.whole is not None:
            refused = self.state.ordered().status == "refused"
            self.expect("plans", refused, event, "came before the random order of what was left had failed.")
        errors = math.floor(terms["max_error"] * self.state.size + 1e-9)
        self.expect("plans", data["errors"] == errors, event, f"allows {data['errors']} wrong labels, not {errors}.")
        if order:
            limit = share_of(int(data["errors"]), int(data["n"]))
            risk = false_certificate_risk(int(data["n"]), limit, "dataset", data["needed"])
            few = int(data["errors"]) < int(data["n"]) / 2
        else:
            risk = sweep_risk(int(data["errors"]), int(data["allowance"]), float(data["rate"]))
            few = 0 < data["rate"] <= 1
        self.spent += float(data["alpha"])
        allowed = 1 - terms["level"]
        right = few and risk <= data["alpha"] * (1 + CLOSE_RISK) and self.spent <= allowed * (1 + CLOSE_RISK)
        self.expect("plans", right, event, f"has a risk of {risk:.6g}; {allowed:.6g} is allowed in all.")
        self.done["plans"] += 1

    def finished(self, event: Event, data: Mapping[str, Any]) -> None:
        state = self.state
        if state.certified:
            self.expect("labels", not data["extra"], event, "labels stay besides those that are certified.")
            return
        if state.plan is None:
            raise BadStore("it ended before there was a plan")
        found = state.sweep()
        over = found.ended or not (~state.taken()).any()
        self.expect("coins", over and not state.waiting(), event, "came before the sweep was at its end.")
        kept = {state.swept_rows()[place] for place in found.kept.tolist()}
        extra = [int(row) for row in data["extra"]]
        fresh = len(set(extra)) == len(extra) and not any(row in kept or row in state.answers for row in extra)
        few = not extra or len(kept) + len(extra) <= state.plan.errors
        there = all(0 <= row < state.n and state.there[row] for row in extra)
        self.expect(
            "labels",
            fresh and few and there,
            event,
            "too many labels stay that were not swept.",
        )


_LOOKS: dict[str, Callable[[_Again, Event, Mapping[str, Any]], None]] = {
    "batch": _Again.batch,
    "planned": _Again.planned,
    "finished": _Again.finished,
}
