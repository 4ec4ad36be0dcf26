"""Recomputes what a session claims from its log alone: `askwise verify` for a stranger with the file."""

from __future__ import annotations

import binascii
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from askwise import __version__, audit, evidence, growing, people, relabeling
from askwise.core import FINGERPRINT_DIGITS, Array, BadInput, BadStore, Certificate, Event, Store
from askwise.events import Damaged
from askwise.notices import each
from askwise.pool import content_digests
from askwise.questions import drawn_again, is_audit_slot, may_ask_again
from askwise.state import DOUBTED, OVERLAP, Attempt, State, pool_from_log, unpack
from askwise.store import Place, digest, read_log
from askwise.store.postgres import Address
from askwise.tasks import recorded

CLOSE = 1e-9
"""Bounds that are computed again on another machine may differ in their last digits."""
CLOSE_RISK = 1e-6
"""… and so may risks, relatively: they are sums of exponentials of differences of large log-factorials."""

# What reading a mangled event may raise; State, NumPy and the decoders check nothing twice.
_UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, BadInput,
               BadStore, zlib.error, binascii.Error)  # fmt: skip

CHECKS = {
    "chain": "Events ({n:,}): none is missing, and each has the digest of all before it.",
    "fingerprint": "",
    "events": "Events ({n:,}): each can be read, and refers to what was there.",
    "items": "Items ({n:,}): those that the session was started with, and those that were added, none of them twice.",
    "draws": "Questions ({n:,}): random check items came when they were due, and are those that the seed draws.",
    "guesses": "Rankings ({n:,}): each holds a guess of the model for every item that it knows.",
    "consensus": "Consensus ({n:,}): computed again from everybody's answers, the labels are the same.",
    "estimates": "Estimates ({n:,}): computed again, the bounds that were shown come out.",
    "regions": "Frozen regions ({n:,}): open items only, their checks in the order that the seed draws.",
    "plans": "Plans ({n:,}): computed again, the exact risk of a false certificate is within what the attempt spends.",
    "budget": "Attempts ({n:,}): together they spend no more than 1 - confidence.",
    "decisions": "Decisions ({n:,}): counted again in the frozen order, the answers say the same.",
    "blindness": "Checks ({n:,}): answered after the freeze, by people to whom the guess had not been shown.",
    "labels": "Labels by the model ({n:,}): its frozen guesses, on items of the region that were not checked.",
}
"""What is checked, in the order shown, with the sentence that says it holds."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, or one way in which it failed."""

    check: str
    """A key of `CHECKS`, or "certificate"."""
    ok: bool | None
    """None: this log cannot tell, or a person should know."""
    sentence: str
    event: int | None = None
    """`seq` of the event where it failed."""


@dataclass(frozen=True)
class Verification:
    """What came out when a log was recomputed."""

    findings: tuple[Finding, ...]
    certificates: tuple[Certificate, ...]
    """Every certificate given and not taken back, as recomputed."""
    events: int
    fingerprint: str
    """Digest of the whole log as it is now, computed anew, 64 hex digits."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(f.ok is not False for f in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def shown(self, most: int = 5) -> Iterator[Finding]:
        """The findings, of each check at most so many failures: one missing event shifts all that follow."""
        failed: Counter[str] = Counter()
        for place, finding in enumerate(self.findings):
            failed[finding.check] += finding.ok is False
            if finding.ok is not False or failed[finding.check] <= most:
                yield finding
            elif not any(f.check == finding.check and f.ok is False for f in self.findings[place + 1 :]):
                more = failed[finding.check] - most
                yield Finding(finding.check, False, f"… and {more:,} more such findings.")


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
    if not events or events[0].kind != "opened" or not isinstance(events[0].data, Mapping):
        raise BadStore("This holds no session: its log does not begin with `opened`. Give a file of `askwise label`.")
    walk = _Walk(events)
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


class _Walk:
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
        self.labels_due: int | None = None
        """Attempt that the event before certified."""
        self.known: growing.Known | None = None
        """What the items are so far; None of an array, whose features the log does not hold."""
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
        for place, event in enumerate(self.log, 1):
            self.expect("chain", event.seq == place, event, f"expected event {place} here; one is missing or added.")
            own = digest(stored, event)
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
            if opened.data["kind"] == "array":
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
        except _UNREADABLE as error:
            self.expect("items", False, None, f"The items cannot be verified: {_said(error)}")

    def events(self) -> None:
        """Every event, against the state before it."""
        for event, own in each("verifying events", list(zip(self.log, self.digests, strict=True))):
            try:
                self._follows(event)
                look = _LOOKS.get(event.kind)
                if look is not None:
                    look(self, event)
                self.state.apply(replace(event, digest=own))
                self.done["events"] += 1
            except _UNREADABLE as error:
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
        except _UNREADABLE as error:
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


# ── one look for each kind of event, before it is applied ───────────────────────────────────


def _opened(w: _Walk, e: Event) -> None:
    w.expect("events", w.last is None, e, "a session begins once.")
    d = e.data
    if not (type(d["n"]) is int and d["n"] > 0):
        raise BadStore(f"a session of {d['n']!r} items.")
    for name in ("confidence", "max_error"):
        w.expect("events", 0 < d[name] < 1, e, f"{name} is {d[name]!r}, which is no share.")
    w.expect("events", 0 <= d["audit_share"] <= 1, e, f"audit_share is {d['audit_share']!r}, which is no share.")
    w.rows([int(row) for row in d["given"]], d["n"])
    task, given = recorded(d), set(d["given"].values())
    strange = sorted(name for name in given if not task.is_written(name, d["classes"]))
    w.expect("events", not strange, e, f"the data came with labels that are no class: {strange[:3]}.")


def _items(w: _Walk, e: Event) -> None:
    w.expect("events", w.last is not None and w.last.kind in ("opened", "items"), e, "items come at the start only.")


def _added(w: _Walk, e: Event) -> None:
    """Items that came later are new, are those of the fingerprint, and take nothing from what was there."""
    s, d = w.state, e.data
    items = growing.unpacked_items(s.opened["kind"], d)
    w.expect("items", d["start"] == s.n, e, f"adds items behind {d['start']:,}; {s.n:,} are there.")
    w.rows([int(row) for row in d["given"]], s.n + d["n"])
    strange = sorted({name for name in d["given"].values() if not _is_class(s, name)})
    w.expect("events", not strange, e, f"gives labels that are no class: {strange[:3]}.")
    w.expect("events", all(int(row) >= s.n for row in d["given"]), e, "gives a label to an item that was there before.")
    w.expect("events", not s.opened.get("goal"), e, "adds items to a search, which speaks of all that it began with.")
    w.done["items"] += len(items)
    if w.known is None:
        return
    ids, digests = [name for name, _, _, _ in items], content_digests([content for _, content, _, _ in items])
    same = growing.fingerprint(ids, digests) == d["fingerprint"]
    w.expect("items", same, e, "holds other items than those of its fingerprint.")
    twice = [name for name, own in zip(ids, digests, strict=True) if name in w.known.by_id or own in w.known.by_content]
    fresh = not twice and len(set(ids)) == len(ids) == len(set(digests))
    w.expect("items", fresh, e, f"adds items that are there already: {twice[:3]}.")
    w.known.extend(ids, digests)


def _class_added(w: _Walk, e: Event) -> None:
    name = e.data["name"]
    w.expect("events", isinstance(name, str) and not w.state.may_be(name), e, f"{name!r} is a class already.")


def _relabeled(w: _Walk, e: Event) -> None:
    """A change of labels is about labels that there are, alters no answer, and comes between attempts."""
    s, d = w.state, e.data
    there = s.shown_labels()
    own = [s.classes[number] for number in s.merged] if e.kind == "class_split" else there
    for key in ("name", "into"):
        w.expect("events", key not in d or d[key] in own, e, f"changes {d.get(key)!r}, which is no class.")
    taken = e.kind == "class_renamed" and d["to"] in s.labels
    w.expect("events", not taken, e, f"gives the name {d.get('to')!r}, which another class has.")
    if e.kind == "class_removed":
        held = relabeling.holders(s, d["name"]) if d["name"] in there else 0
        w.expect("events", not held, e, f"removes {d['name']!r}, which {held} answers hold.")
    if e.kind == "reordered":
        same = sorted(d["labels"]) == sorted(there)
        w.expect("events", same, e, "orders other labels than those there are.")
    if e.kind in ("class_renamed", "class_merged", "class_split", "class_removed"):
        w.expect("decisions", s.open_attempt is None, e, "changes classes while blind checks are under way.")
        single = e.kind == "class_renamed" or s.task.merges
        w.expect("events", single and not s.opened.get("goal"), e, "changes classes that are fixed here.")
    last = s.reversals[-1][0] if s.reversals else None
    w.expect("events", d.get("undoes") in (None, last), e, f"takes back event {d.get('undoes')}, not the last change.")


def _is_class(s: State, name: object) -> bool:
    return s.task.is_written(name, s.labels) and (not s.task.closed or s.may_be(str(name)))


def _released(w: _Walk, e: Event) -> None:
    w.rows(e.data["rows"])


def _flagged(w: _Walk, e: Event) -> None:
    w.rows([e.data["row"]])


def _asked(w: _Walk, e: Event) -> None:
    s, items = w.state, e.data["items"]
    w.rows([q["row"] for q in items])
    now = s.ranking.round if s.ranking else 0
    w.expect("draws", e.data["round"] == now, e, f"says model {e.data['round']}, but {now} was the current one.")
    open_mask = s.eligible_mask.copy()
    slot = s.slots
    for place, q in enumerate(items):
        row = int(q["row"])
        w.done["draws"] += 1
        if not q.get("drawn", True):
            _asked_again(w, e, q)
            if q.get("strategy") in (OVERLAP, DOUBTED):
                _second_opinion(w, e, q, place)
        elif q.get("check"):
            _blind_check(w, e, q)
        else:
            _drawn(w, e, q, slot, open_mask)
            slot += 1
        open_mask[row] = False


def _asked_again(w: _Walk, e: Event, q: Mapping[str, Any]) -> None:
    """A check item that comes back is the one that was drawn."""
    row, before = int(q["row"]), w.state.asks.get(int(q["row"]))
    drawn = not q.get("audit") or any(d.row == row for d in w.state.draws)
    w.expect("draws", drawn, e, f"asks row {row} again as a check item, but it was never drawn as one.")
    blind = not q.get("check") or (before is not None and before.check)
    w.expect("draws", blind, e, f"asks row {row} again as a blind check, but it was none.")
    if q.get("audit") or q.get("check"):
        same = q.get("probability") == (before.probability if before else None)
        w.expect("draws", same, e, f"asks row {row} again with another probability, {q.get('probability')}.")


def _second_opinion(w: _Walk, e: Event, q: Mapping[str, Any], place: int) -> None:
    """Whose answer to a check item is asked for anew, the seed draws: neither the model nor a label has a say."""
    s, row, who = w.state, int(q["row"]), e.data["annotator"]
    last = w.last
    if last is not None and last.kind == "retracted" and last.data["row"] == row:
        return  # a question that came back to whoever took their answer back
    people = int(s.opened.get("people_per_item", 2))
    taken = {int(before["row"]) for before in e.data["items"][:place]}
    drawn, doubt = drawn_again(s, who, people, taken, s.handed[who] + place)
    if q["strategy"] == OVERLAP:
        w.expect("draws", row == drawn, e, f"the seed draws row {drawn} for another opinion of {who!r}, got {row}.")
        return
    free = doubt and row not in s.checks() and may_ask_again(s, row, who, people)
    w.expect("draws", free, e, f"doubts the label of row {row}, which is a check item, or where a random one was due.")


def _blind_check(w: _Walk, e: Event, q: Mapping[str, Any]) -> None:
    """A check belongs to a region whose checks are under way."""
    row = int(q["row"])
    attempt = next((a for a in w.state.attempts if a.outcome == "open" and row in a.position), None)
    if q.get("decoy"):  # stands among the checks of single classes, and counts for none
        fits = attempt is None and any(a.outcome == "open" and a.label is not None for a in w.state.attempts)
        w.expect("draws", fits, e, f"row {row} stands among blind checks, but no class is checked, or its region is.")
        return
    if attempt is None:
        w.expect("draws", False, e, f"row {row} is asked as a blind check, but no open region holds it.")
        return
    due, got = 1 / (len(attempt.order) - attempt.position[row]), q.get("probability")
    w.expect("draws", _same(got, due), e, f"row {row} has the probability {due:.6g}, got {got}.")


def _drawn(w: _Walk, e: Event, q: Mapping[str, Any], slot: int, open_mask: Array) -> None:
    """While learning, a check item comes when it is due, and is the one that the seed draws."""
    s, row = w.state, int(q["row"])
    region = next((a.number for a in s.attempts if a.outcome == "open" and row in a.position), None)
    w.expect("blindness", region is None, e, f"row {row} of the region of attempt {region} is asked, not as a check.")
    seed = int(s.opened["seed"])
    due = s.model and is_audit_slot(slot, seed, float(s.opened["audit_share"]))
    is_audit = bool(q.get("audit"))
    if not w.expect(
        "draws", is_audit == due or not open_mask.any(), e,
        f"question {slot + 1} is {'' if is_audit else 'not '}a random check item; it should{'' if due else ' not'} be.",
    ):  # fmt: skip
        return
    if not is_audit and q.get("probability") is None:
        return  # chosen by the strategy, which is free
    rows = np.flatnonzero(open_mask)
    if not w.expect("draws", len(rows) > 0, e, f"row {row} was drawn although nothing was open."):
        return
    # As in `questions.next_questions`, where the draw is made.
    due_row = int(rows[np.random.default_rng([seed, 2, slot, s.seq]).integers(len(rows))])
    w.expect("draws", row == due_row, e, f"the seed draws row {due_row} for question {slot + 1}, got {row}.")
    right = _same(q["probability"], 1 / len(rows))
    w.expect("draws", right, e, f"row {row} was one of {len(rows)}, not drawn with probability {q['probability']}.")


def _answer(w: _Walk, e: Event) -> None:
    row, s = e.data["row"], w.state
    w.rows([row])
    ask = s.asks.get(row)
    refers = e.data["asked"] == (ask.seq if ask else None)
    w.expect("events", refers, e, f"answers question {e.data['asked']}, but {ask.seq if ask else None} was asked last.")
    if e.kind == "told":
        w.expect("events", _is_class(s, e.data["label"]), e, f"the label {e.data['label']!r} is no class.")
        late, due = e.data.get("late", False), "batch" not in e.data and s.is_late(row, e.data["annotator"])
        unsaid = due and not late and not s.opened.get("late")  # written before such answers were told apart
        w.expect("events", late is due or unsaid, e, f"{'is' if due else 'is not'} late, but says {late!r}.")
    else:
        w.expect("events", e.data.get("label") is None, e, f"holds a label, {e.data.get('label')!r}.")


def _shown(w: _Walk, e: Event) -> None:
    w.rows([] if e.data["rows"] == "rest" else e.data["rows"])
    w.expect("events", isinstance(e.data["annotator"], str), e, "does not say to whom guesses were shown.")


def _retracted(w: _Walk, e: Event) -> None:
    row, of = e.data["row"], e.data["of"]
    w.rows([row])
    known = (of, row) in w.state.trail.get(e.data["annotator"], [])
    w.expect("events", known, e, f"takes back event {of}, which is no standing answer of {e.data['annotator']!r}.")


def _unflagged(w: _Walk, e: Event) -> None:
    w.rows([e.data["row"]])
    w.expect("events", e.data["row"] in w.state.flags, e, f"takes a flag off row {e.data['row']}, which has none.")


def _adjudicated(w: _Walk, e: Event) -> None:
    row, label, s = e.data["row"], e.data["label"], w.state
    w.rows([row])
    labeled = s.label_of(row) is not None
    w.expect("events", labeled, e, f"decides on row {row}, which nobody has labeled.")
    known = row in s.rulings if label is None else _is_class(s, label)
    w.expect("events", known, e, f"takes back what was not decided, or decides on {label!r}, which is no class.")


def _ranked(w: _Walk, e: Event) -> None:
    s, d = w.state, e.data
    due = s.ranking.round + 1 if s.ranking else 0
    w.expect("guesses", d["round"] == due, e, f"is ranking {d['round']!r}, expected {due}.")
    w.rows(d["queue"])
    w.rows([row for row, _ in d.get("again", ())])
    w.expect("guesses", d["trained_on"] <= s.last_answer, e, f"trained on event {d['trained_on']}, which came later.")
    guesses = s.predictions
    if d.get("predictions") is not None:
        change = np.frombuffer(unpack(d["predictions"]), np.int32)
        known = int(d.get("known", s.n))
        if len(change) != known or not s.ranked <= known <= s.n:
            raise BadStore(f"{len(change):,} guesses for {known:,} of {s.n:,} items, {s.ranked:,} of which had some.")
        change = growing.filled(change, s.n)
        guesses = change if guesses is None else guesses ^ change
        new = d.get("sets", [])
        fresh = not (s.task.closed and new)
        fresh = fresh and all(s.task.is_written(name, s.labels) and name not in s.numbers for name in new)
        w.expect("guesses", fresh and len(set(new)) == len(new), e, "guesses what is no new set of labels.")
        classes = len(s.classes) + len(new)
        w.expect("guesses", bool(((guesses >= 0) & (guesses < classes)).all()), e, "guesses no such class.")
        w.done["guesses"] += 1
    point = d.get("point")
    w.expect("estimates", (point is None) == (guesses is None), e, "an estimate goes with a model, and the reverse.")
    if point is None or guesses is None:
        return
    w.done["estimates"] += 1
    found = evidence.estimate(s, guesses)
    anew = {"labels": s.human, "accuracy": found.accuracy, "low": found.low, "high": found.high, "audits": found.audits}
    for name, value in anew.items():
        w.expect("estimates", _same(point[name], value), e, f"showed {name} {point[name]}, computed again {value}.")


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)


def _consensus(w: _Walk, e: Event) -> None:
    w.rows([int(row) for row in e.data["labels"]])
    w.done["consensus"] += 1
    due = people.consensus(w.state)
    same = bool(due) and due[0].data["labels"] == e.data["labels"]
    w.expect("consensus", same, e, "the labels are not what the answers of several people come to.")


def _frozen(w: _Walk, e: Event) -> None:
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
    w.frozen[number] = s.predictions
    if d["target"] == "recall":  # what a search leaves unread is irrelevant
        w.frozen[number] = np.full(s.n, s.class_number(s.opened["goal"]["irrelevant"]), np.int32)
    w.done["regions"] += 1
    w.done["plans"] += 1
    _region(w, e, order, label)
    _plan(w, e, len(order))
    _share_of_budget(w, e, group, label)


def _region(w: _Walk, e: Event, order: Array, label: str | None) -> None:
    """The region held open items only, and its checks come in the order that the seed draws."""
    s = w.state
    search = e.data["target"] == "recall"
    closed = np.setdiff1d(order, np.flatnonzero(s.rest()) if search else evidence.certifiable(s))
    w.expect("regions", len(closed) == 0, e, f"row {closed[:1]} of the region was not open at the freeze.")
    elsewhere = [r for a in s.attempts if a.outcome == "open" for r in order.tolist() if r in a.position]
    w.expect("regions", not elsewhere, e, f"rows {elsewhere[:3]} are in another region under way.")
    # As in `handover.freeze`, where the order is drawn.
    rng = np.random.default_rng([int(s.opened["seed"]), 3, len(s.attempts), w.freeze_seq])
    due = rng.permutation(np.unique(order))
    w.expect("regions", np.array_equal(order, due), e, "the order of the checks is not the one that the seed draws.")
    whole = not search or len(np.unique(order)) == int(s.rest().sum())
    w.expect("regions", whole, e, "a search is finished on everything unread, and this region is not all of that.")
    sure = np.frombuffer(unpack(e.data["confidences"]), np.float32)
    w.expect("regions", len(sure) == len(order), e, f"{len(sure)} confidences for {len(order)} items.")
    if label is not None:
        alike = bool((w.frozen[e.data["attempt"]][order] == s.class_number(label)).all())
        w.expect("regions", alike, e, f"holds items that the model does not take for {label!r}.")


def _plan(w: _Walk, e: Event, n: int) -> None:
    """The plan has the risk it says, and that is at most what the attempt spends."""
    d = e.data
    needed, alpha = d["needed"], float(d["alpha"])
    steps = all(type(m) is int for m in needed) and needed == sorted(needed)
    if not (steps and all(1 <= m <= n for m in needed) and d["target"] in ("auto", "dataset", "file", "recall")):
        raise BadStore("the numbers of checks that certify are not a plan.")
    if not (0 < d["max_error"] < 1 and 0 < d["confidence"] < 1):
        raise BadStore(f"an error of {d['max_error']!r} with a confidence of {d['confidence']!r}.")
    if d["target"] == "recall":
        goal = w.state.opened["goal"]
        found = sum(a.label == goal["relevant"] for a in w.state.answers.values())
        w.expect("plans", d["found"] == found, e, f"counts {d['found']} relevant items; {found} were found.")
        risk = audit.false_stop_risk(n, found, round(1 - float(d["max_error"]), 9), needed)
    elif d["target"] == "file":
        due = evidence.allowance(w.state, d["max_error"])
        w.expect(
            "plans", d["allowed"] == due, e, f"allows {d['allowed']} errors; for the whole file it may allow {due}."
        )
        w.expect("plans", not evidence.finer_now(w.state), e, "a certificate that stands is about fewer classes.")
        sure = all(a.confidence >= d["confidence"] for a in w.state.attempts if a.outcome == "certified")
        w.expect("plans", sure, e, "an earlier certificate has less confidence than is claimed for the whole file.")
        risk = audit.false_certificate_risk(n, audit.share_of(due, n), "dataset", needed)
    else:
        risk = audit.false_certificate_risk(n, float(d["max_error"]), d["target"], needed)
    w.expect("plans", risk <= alpha, e, f"the plan risks a false certificate with {risk:.6g}, allowed are {alpha:.6g}.")
    same = math.isclose(risk, d["risk"], rel_tol=CLOSE_RISK, abs_tol=CLOSE**2)
    w.expect("plans", same, e, f"says its risk is {d['risk']:.6g}; computed again it is {risk:.6g}.")


def _share_of_budget(w: _Walk, e: Event, group: int, label: str | None) -> None:
    """What attempts frozen together spend is an equal part of what their freeze may spend."""
    d, used = e.data, group - 1
    share = (1 - float(d["confidence"])) * audit.SPEND[used] if 0 <= used < len(audit.SPEND) else 0.0
    beside = [a for a in w.state.attempts if a.group == group]
    parts = share / float(d["alpha"])
    equal = math.isclose(parts, round(parts), rel_tol=1e-6) and all(_same(a.alpha, d["alpha"]) for a in beside)
    fits = 0 < len(beside) + 1 <= round(parts) and (label is not None or round(parts) == 1)
    w.expect("budget", equal and fits, e, f"spends {d['alpha']:.6g}; freeze {group} may spend {share:.6g} in all.")
    alike = all((a.confidence, a.target) == (d["confidence"], d["target"]) and a.label != label for a in beside)
    w.expect("budget", alike, e, "does not go with the attempts frozen beside it.")


def _closed(w: _Walk, e: Event) -> None:
    s, d = w.state, e.data
    attempt = _attempt(w, d["attempt"])
    w.expect("decisions", attempt.outcome == "open", e, f"attempt {attempt.number} had ended before.")
    w.done["decisions"] += 1
    outcomes = _outcomes(s, attempt, w.frozen[attempt.number])
    accepted = _accepted(attempt, outcomes)
    checks, wrong, outcome = d["checks"], d["wrong"], d["outcome"]
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


def _attempt(w: _Walk, number: Any) -> Attempt:
    if not (type(number) is int and 1 <= number <= len(w.state.attempts)):
        raise BadStore(f"there is no attempt {number!r}.")
    return w.state.attempts[number - 1]


def _outcomes(s: State, attempt: Attempt, guesses: Array) -> list[bool]:
    """Whether the model was wrong, in the order of the checks, up to the first without an answer."""
    found = []
    for row in attempt.order.tolist():
        answer = s.answers.get(row)
        if answer is None or answer.kind == "skip" or answer.seen:
            break
        told = None if answer.label is None else s.class_number(answer.label)
        found.append(told is None or s.task.is_wrong(int(guesses[row]), told, s.classes))
    return found


def _accepted(attempt: Attempt, outcomes: Sequence[bool]) -> tuple[int, int] | None:
    """(checks, wrong) where the plan accepts first; a search ends also where everything is read."""
    wrong, needed, all_read = 0, attempt.needed, len(attempt.order) if attempt.target == "recall" else None
    for checks, outcome in enumerate(outcomes, 1):
        wrong += outcome
        if (wrong < len(needed) and checks >= needed[wrong]) or checks == all_read:
            return checks, wrong
    return None


def _blind(w: _Walk, e: Event, attempt: Attempt, checks: int) -> None:
    """The answers that certify were given after the freeze, to questions without the guess."""
    w.done["blindness"] += checks
    for place, row in enumerate(attempt.order[:checks].tolist(), 1):
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


def _autolabeled(w: _Walk, e: Event) -> None:
    attempt, s = _attempt(w, e.data["attempt"]), w.state
    directly = w.last is not None and w.last.kind == "closed" and w.last.data["attempt"] == attempt.number
    right = attempt.outcome == "certified" and directly
    w.expect("labels", right, e, f"attempt {attempt.number} was not certified just before.")
    guesses, rows = s.guesses_of(attempt), attempt.order[attempt.checks :]
    same = np.array_equal(guesses[rows], w.frozen[attempt.number][rows])
    w.expect("labels", same, e, "what the model labels is not what it guessed at the freeze.")
    w.done["labels"] += len(rows)


def _taken_back(w: _Walk, e: Event) -> None:
    attempt = _attempt(w, e.data["attempt"])
    right = attempt.outcome == "certified" and not attempt.taken_back
    w.expect("events", right, e, f"attempt {attempt.number} has no labels to take back.")


_LOOKS: dict[str, Callable[[_Walk, Event], None]] = {
    "opened": _opened,
    "items": _items,
    "added": _added,
    "class_added": _class_added,
    **dict.fromkeys(relabeling.KINDS, _relabeled),
    "asked": _asked,
    "released": _released,
    "told": _answer,
    "skipped": _answer,
    "unsure": _answer,
    "flagged": _flagged,
    "unflagged": _unflagged,
    "adjudicated": _adjudicated,
    "retracted": _retracted,
    "consensus": _consensus,
    "ranked": _ranked,
    "frozen": _frozen,
    "closed": _closed,
    "autolabeled": _autolabeled,
    "taken_back": _taken_back,
    "shown": _shown,
}
