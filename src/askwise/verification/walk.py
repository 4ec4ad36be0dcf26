"""Recomputes what a session claims from its log alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from askwise import __version__, evidence, growing
from askwise.checking.state import KIND as CHECK
from askwise.core import FINGERPRINT_DIGITS, Array, BadInput, BadStore, Certificate, Event, Store
from askwise.events import Damaged
from askwise.notices import each
from askwise.pool.kinds import recorded
from askwise.state import State, pool_from_log
from askwise.store import Place, digest, read_log
from askwise.store.chain import amended
from askwise.store.postgres import Address
from askwise.verification import answers, attempts, draws, guesses, items, weighted, withdrawals
from askwise.verification.findings import CHECKS, CLOSE, UNREADABLE, Finding, Verification


def verify(
    source: str | Place | Store | list[Event] | tuple[Event, ...], *, fingerprint: str | None = None
) -> Verification:
    """Recompute everything that a session claims from its log alone.

    Checked is the chain of digests; that check items and the order of checks are what the seed draws; that the plan of
    each attempt has the risk it may have; that each attempt ended as its answers say; that what the model labeled are
    its frozen guesses; and that the displayed estimates come out again. The choice of questions and regions is free
    and not checked: nothing that is claimed depends on it.

    Whoever has the file can write a whole other log with a chain of its own, or cut off its end. Only comparing
    `fingerprint` with a report from before shows that.

    Args:
        source: A session file (opened for reading only), a database's address, a store, or the events themselves.
        fingerprint: 16 to 64 hex digits from a certificate, a report or an earlier verification, to compare.

    Raises:
        BadInput: The fingerprint is none.
        BadStore: The file is missing, not a session, damaged beyond reading, or of a newer version.
    """
    wanted = None if fingerprint is None else fingerprint.strip().lower()
    if wanted is not None and not re.fullmatch(rf"[0-9a-f]{{{FINGERPRINT_DIGITS},64}}", wanted):
        raise BadInput(
            f"A fingerprint has {FINGERPRINT_DIGITS} to 64 hex digits, got {fingerprint!r}. Copy it from the "
            "certificate or the report."
        )
    events = _events(source)
    if events and events[0].kind == CHECK and isinstance(events[0].data, Mapping):
        from askwise.checking.recompute import verify_check  # which says it in the same words as this package

        return verify_check(events, wanted)
    if not events or events[0].kind != "opened" or not isinstance(events[0].data, Mapping):
        raise BadStore("This holds no session: its log does not begin with `opened`. Give a file of `askwise label`.")
    walk = Walk(events)
    walk.chain()
    if wanted is not None:
        walk.compare(wanted)
    walk.items()
    walk.events()
    return walk.result()


def _events(source: str | Place | Store | list[Event] | tuple[Event, ...]) -> Sequence[Event]:
    if isinstance(source, str | Path | Address):
        return read_log(source)
    return source if isinstance(source, list | tuple) else source.read()


class Walk:
    """Folds the log once more, and compares each event with what the state before it allows."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.log = events
        self.digests: list[str] = []
        """Computed anew, one for each event."""
        self.state = State()
        self.done: Counter[str] = Counter()
        self.failures: list[Finding] = []
        self.remarks: list[Finding] = []
        self.frozen: dict[int, Array] = {}
        """Attempt → (n,) class numbers guessed by the model at the freeze."""
        self.terms: dict[int, weighted.Terms] = {}
        """Attempt → what it claims, where its checks are drawn by weights."""
        self.labels_due: int | None = None
        """Attempt that the event before certified."""
        self.known: growing.Known | None = None
        """What the items are so far; None of an array, whose features the log does not hold."""
        self.gone = withdrawals.rows_gone(events)
        """Rows that are withdrawn in the end."""
        self.freeze_seq = 0
        """`seq` before the newest group of attempts was frozen."""
        self.last: Event | None = None
        self.broken = False
        """Whether an event could not be read, so that nothing can be said of what the log has come to."""

    def expect(self, check: str, right: bool, event: Event | None, said: str) -> bool:
        """Note a failure where something is not right; returns whether it is."""
        if not right:
            where = "" if event is None else f"Event {event.seq} ({event.kind}): "
            self.failures.append(Finding(check, False, where + said, None if event is None else event.seq))
        return right

    # ── the chain ───────────────────────────────────────────────────────────────────────────

    def chain(self) -> None:
        """Each event has the `seq` after the one before, and the digest that stands for all before it."""
        stored = anew = ""
        sealed = 0
        old = self.log[0].data.get("format") == 1
        left = amended(self.log)
        for place, event in enumerate(self.log, 1):
            self.expect("chain", event.seq == place, event, f"expected event {place} here; one is missing or added.")
            own = digest(stored, event)
            if event.seq in left and event.digest and withdrawals.is_left(self, event, left[event.seq]):
                own = event.digest  # what it was computed from is gone
            anew = own if stored == anew else digest(anew, event)
            self.digests.append(anew)
            if event.digest or sealed or not old:
                self.expect(
                    "chain", event.digest == own, event,
                    f"was altered, or one before it: its digest is {event.digest[:16] or 'missing'}, by its content "
                    f"it would be {own[:16]}.",
                )  # fmt: skip
                sealed += 1
                stored = event.digest or own
            else:
                stored = own
        self.done["chain"] = len(self.log)
        unsealed = len(self.log) - sealed
        if unsealed:
            since = f" before event {unsealed + 1:,} was written" if sealed else ""
            said = (
                f"Events ({len(self.log):,}): {unsealed:,} were written before digests existed. Whether one of these "
                f"was altered{since}, the log cannot tell."
            )
            self.remarks.append(Finding("chain", None, said))

    def compare(self, wanted: str) -> None:
        """The log, up to some event, is the one with this fingerprint."""
        place = next((i for i, own in enumerate(self.digests, 1) if own.startswith(wanted)), None)
        if self.expect(
            "fingerprint", place is not None, None,
            f"No event has the fingerprint {wanted[:FINGERPRINT_DIGITS]}: this is not the log it was taken from, or it "
            "was altered since.",
        ):  # fmt: skip
            event = self.log[(place or 1) - 1]
            what = f"event {place:,} ({event.kind})"
            if event.kind == "closed" and isinstance(event.data, Mapping):
                what = f"the decision on attempt {event.data.get('attempt')}, {event.data.get('outcome')}"
            after = len(self.log) - (place or 0)
            more = f"; events since: {after:,}" if after else ", the last"
            self.remarks.append(Finding("fingerprint", True, f"The fingerprint is that of {what}{more}."))

    # ── the events ──────────────────────────────────────────────────────────────────────────

    def items(self) -> None:
        """The items of a text session are those it began with."""
        opened = self.log[0]
        try:
            if recorded(opened.data["kind"]).features:
                self.remarks.append(
                    Finding(
                        "items", None, "The items are an array, which the file does not hold; only its fingerprint."
                    )
                )
                return
            pool = pool_from_log(opened.data, self.log)
            count = len(pool) if pool else 0
            self.expect(
                "items", count == int(opened.data["n"]), opened, f"says {opened.data['n']} items, {count} found."
            )
            self.done["items"] = count
            if pool is not None and any(event.kind == "added" for event in self.log):
                self.known = growing.Known.of(pool)
        except UNREADABLE as error:
            self.expect("items", False, None, f"The items cannot be verified: {_said(error)}")

    def events(self) -> None:
        """Every event, against the state before it."""
        for event, own in each("verifying events", list(zip(self.log, self.digests, strict=True))):
            try:
                self._follows(event)
                look = LOOKS.get(event.kind)
                if look is not None:
                    look(self, event)
                self.state.apply(replace(event, digest=own))
                self.done["events"] += 1
            except UNREADABLE as error:
                self.expect("events", False, event, f"cannot be read, so nothing after it is verified: {_said(error)}")
                self.broken = True
                return
            self.last = event
        self._finish()

    def _follows(self, event: Event) -> None:
        """What a certificate hands over comes in the same breath."""
        if self.labels_due is None:
            return
        right = event.kind == "autolabeled" and event.data["attempt"] == self.labels_due
        self.expect("labels", right, event, f"expected the labels of attempt {self.labels_due}, just certified.")
        self.labels_due = None

    def _finish(self) -> None:
        if self.labels_due is not None:
            self.expect("labels", False, None, f"Attempt {self.labels_due} was certified, but its labels are missing.")
        attempts = self.state.attempts
        for confidence in sorted({a.confidence for a in attempts}):
            # A certificate that promises less takes nothing from one that promises more.
            spent = sum(a.alpha for a in attempts if a.confidence >= confidence)
            self.done["budget"] = len(attempts)
            self.expect(
                "budget", spent <= (1 - confidence) * (1 + CLOSE), None,
                f"The attempts with a confidence of {confidence:.6g} or more spend {spent:.6g}, more than "
                f"{1 - confidence:.6g}.",
            )  # fmt: skip

    def rows(self, rows: Sequence[Any], n: int | None = None) -> None:
        """Rows that an event names exist."""
        n = self.state.n if n is None else n
        wrong = next((row for row in rows if not (type(row) is int and 0 <= row < n)), None)
        if wrong is not None:
            raise BadStore(f"there is no row {wrong!r} among {n:,}.")

    def result(self) -> Verification:
        """All findings, in the order of `CHECKS`, and the certificates."""
        self.remarks += [] if self.broken else withdrawals.remarks(self.log)
        failed = {f.check for f in self.failures}
        version = str(self.log[0].data.get("version"))
        if "estimates" in failed and version != __version__:
            self.remarks.append(
                Finding(
                    "estimates", None,
                    f"Askwise {version} wrote this, and this is {__version__}, which may compute bounds otherwise: "
                    "verify with the version that wrote it.",
                )
            )  # fmt: skip
        findings: list[Finding] = []
        for check, sentence in CHECKS.items():
            findings += [f for f in self.failures if f.check == check]
            findings += [f for f in self.remarks if f.check == check]
            told = any(f.check == check for f in findings)  # failed, or there is more to say
            if sentence and not told and self.done[check]:
                findings.append(Finding(check, True, sentence.format(n=self.done[check])))
        given: tuple[Certificate, ...] = ()
        try:
            given = () if self.broken else tuple(evidence.certificates(self.state))
        except UNREADABLE as error:
            self.broken = True
            findings.append(Finding("certificate", False, f"The certificates cannot be recounted: {_said(error)}"))
        findings += self._certificates(given, bool(failed))
        return Verification(tuple(findings), given, len(self.log), self.digests[-1])

    def _certificates(self, given: Sequence[Certificate], failed: bool) -> Iterator[Finding]:
        for certificate in given:
            what = f"Attempt {certificate.attempt}: {certificate.sentence}"
            if failed:
                yield Finding("certificate", False, f"Not confirmed, as something failed. {what}")
            else:
                yield Finding("certificate", None if certificate.void else True, what)
        if not given and not self.broken:
            yield Finding("certificate", None, "No certificate is claimed.")


def _said(error: Exception) -> str:
    if isinstance(error, Damaged):
        return f"{error.what}."
    return f"no {error}" if isinstance(error, KeyError) else f"{error}"


Look = Callable[[Walk, Event], None]
"""Compares one event with what the state before it allows."""
LOOKS: dict[str, Look] = {
    **items.LOOKS,
    **draws.LOOKS,
    **answers.LOOKS,
    **guesses.LOOKS,
    **attempts.LOOKS,
    **withdrawals.LOOKS,
}
