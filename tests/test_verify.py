"""Recomputing a session from its log: an honest one passes, an altered one does not."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import askwise
from askwise import Session, audit, cli, opening, report, verification
from askwise.core import BadInput, BadStore, Event
from askwise.state import fold, pack, unpack
from askwise.store import MemoryStore, SQLiteStore, chain, read_log, seal
from askwise.verification import Verification, verify

pytestmark = pytest.mark.usefixtures("linear")

WORDS = {"spam": ["free prize", "win cash", "urgent claim"], "ham": ["see you", "running late", "call me"]}


def texts(n: int) -> tuple[list[str], dict[str, str]]:
    rng = np.random.default_rng(5)
    truth = {}
    for i in range(n):
        label = "spam" if rng.random() < 0.35 else "ham"
        truth[f"{rng.choice(WORDS[label])} {rng.choice(WORDS[label])} {i}"] = label
    return list(truth), truth


def live(session: Session, truth: dict[str, str]) -> Session:
    """A session with everything in it: undo, skip, unsure, a flag, two people, a cancelled and a certified attempt."""

    def tell(query, who: str = "me") -> None:
        session.tell(query, truth[query.text], annotator=who)

    for round_ in range(6):
        for query in session.ask(2):
            tell(query)
        for query in session.ask(2, annotator="bob"):
            tell(query, "bob")
        if round_ == 1:
            one, two, three = session.ask(3)
            session.skip(one)
            session.unsure(two)
            session.flag(three, "odd")
            session.release()
        if round_ == 2:
            session.retract()
            tell(session.ask()[0])
            session.release()
        session.refresh()
    assert session.autolabel().status == "checking"
    for query in session.ask(3):
        tell(query)
    session.cancel_autolabel()
    assert session.autolabel().status == "checking"
    one, two, three = session.ask(3)
    tell(two)
    session.skip(one)
    tell(three, "bob")
    session.tell(two, "ham" if truth[two.text] == "spam" else "spam")
    session.retract()
    tell(one)
    while session.autolabel_status().status == "checking":
        for query in session.ask(4):
            tell(query)
    assert session.autolabel_status().status == "certified"
    for query in session.ask(2):
        tell(query)
    session.refresh()
    return session


@pytest.fixture(scope="module")
def session_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "mail.askwise"
    found, truth = texts(200)
    live(Session(found, seed=2, max_error=0.2, audit_share=0.6, store=path), truth).close()
    return path


@pytest.fixture(scope="module")
def log(session_file: Path) -> list[Event]:
    return list(read_log(session_file))


def forged(log: list[Event], change: Callable[[list[dict[str, Any]]], object]) -> list[Event]:
    """The log with something changed and a new, consistent chain: what somebody with the file can write."""
    events = [{"kind": e.kind, "data": copy.deepcopy(dict(e.data)), "at": e.at} for e in log]
    change(events)
    return [event for event, _ in seal([Event(**e) for e in events], 0, "")]


def places(log: list[Event], *kinds: str) -> list[int]:
    return [i for i, e in enumerate(log) if e.kind in kinds]


def failed(found: Verification) -> set[str]:
    return {f.check for f in found.findings if f.ok is False}


def statements(found: Verification) -> list[dict[str, Any]]:
    return [asdict(replace(c, fingerprint="")) for c in found.certificates]


# ── honest sessions ─────────────────────────────────────────────────────────────────────────


def test_an_honest_session_passes_and_every_check_had_something_to_check(session_file: Path, log: list[Event]) -> None:
    kinds = {e.kind for e in log}
    assert kinds >= {"retracted", "skipped", "unsure", "flagged", "released", "class_added", "autolabeled"}
    assert {e.data["outcome"] for e in log if e.kind == "closed"} == {"cancelled", "certified"}
    found = askwise.verify(session_file)
    assert found.ok
    assert bool(found)
    confirmed = {f.check for f in found.findings if f.ok}
    assert confirmed == verification.CHECKS.keys() - {"fingerprint", "consensus", "withdrawn"} | {"certificate"}
    with Session.open(session_file) as session:
        assert list(found.certificates) == session.certificates()
        assert found.certificates[0].fingerprint == next(e.digest for e in log if e.data.get("outcome") == "certified")


def test_every_beginning_of_an_honest_log_passes(log: list[Event]) -> None:
    for end in range(2, len(log) + 1, 3):  # the items are appended together with the beginning
        found = verify(log[:end])
        assert found.ok or log[end - 1].kind == "closed", found.findings


def test_verifying_leaves_the_file_as_it_was(session_file: Path) -> None:
    before = session_file.read_bytes()
    verify(session_file)
    assert session_file.read_bytes() == before
    assert [p.name for p in session_file.parent.iterdir()] == [session_file.name]


def test_a_session_goes_on_while_it_is_verified(session_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(session_file, tmp_path / "open.askwise"))
    with Session.open(path) as session:
        session.tell(session.pool.ids[0], "ham")
        assert verify(path).events == len(read_log(session_file)) + 1
        assert verify(path).ok


def test_labels_taken_back_and_reopening_pass(session_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(session_file, tmp_path / "back.askwise"))
    with Session.open(path) as session:
        session.undo_autolabel()
        session.refresh()
        session.tell(session.ask()[0], "ham")
        session.refresh()
        session.export(tmp_path / "out.csv")
    found = verify(path)
    assert found.ok
    assert not found.certificates


def test_changed_evidence_is_said_although_nothing_failed(session_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(session_file, tmp_path / "changed.askwise"))
    with Session.open(path) as session:
        checks = [a.row for a in session.answers().values() if a.strategy == "check"]
        for row in checks:
            was = session.answers()[row].label
            session.tell(session.pool.ids[row], "ham" if was == "spam" else "spam")
    found = verify(path)
    assert found.ok
    certificate = found.findings[-1]
    assert certificate.ok is None
    assert "no longer holds" in certificate.sentence


def test_an_array_session_says_what_it_cannot_see() -> None:
    rng = np.random.default_rng(0)
    session = Session(rng.normal(size=(40, 3)), classes=["a", "b"], store=(store := MemoryStore()))
    for i, query in enumerate(session.ask(6)):
        session.tell(query, "ab"[i % 2])
    session.refresh()
    found = verify(store)
    assert found.ok
    assert next(f.ok for f in found.findings if f.check == "items") is None
    assert "No certificate" in found.findings[-1].sentence


@pytest.mark.parametrize("seed", range(9))
def test_whatever_people_do_the_log_passes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 260)
    X = (rng.normal(size=(260, 3)) + 3 * np.eye(3)[y]).astype(np.float32)
    y[rng.random(260) < 0.03] ^= 1
    overlap, most = 0.4 * (seed >= 4), 2 + seed % 2
    session = Session(
        X,
        seed=seed,
        audit_share=0.2,
        max_error=0.2,
        overlap=overlap,
        people_per_item=most,
        store=(store := MemoryStore()),
    )
    asked: list[Any] = []
    odds = {"ask": 0.2, "tell": 0.45, "skip": 0.04, "unsure": 0.02, "undo": 0.05, "again": 0.04, "release": 0.02,
            "refresh": 0.08, "certify": 0.06, "cancel": 0.02, "back": 0.02}  # fmt: skip
    for _ in range(160):
        who = str(rng.choice(["ann", "bob"]))
        verb = rng.choice(list(odds), p=list(odds.values()))
        status = session.autolabel_status()
        if verb == "ask":
            asked += session.ask(int(rng.integers(1, 6)), annotator=who)
        elif verb in ("tell", "skip", "unsure") and asked:
            query = asked.pop(int(rng.integers(len(asked))))
            if query.row in session._state.leases:
                args = (f"class {y[query.row]}",) if verb == "tell" else ()
                getattr(session, verb)(query, *args, annotator=who)
        elif verb == "undo":
            query = session.retract(annotator=who)
            asked += [query] if query else []
        elif verb == "again" and (history := session.history(5, annotator=who)):
            session.tell(session.pool.ids[history[-1].row], f"class {y[history[-1].row]}", annotator=who)
        elif verb == "release":
            session.release(annotator=who)
        elif verb == "refresh":
            session.refresh()
        elif verb == "certify" and len(session.classes) > 1:
            session.autolabel()
        elif verb == "cancel" and status and status.status == "checking":
            session.cancel_autolabel()
        elif verb == "back" and session.certificates():
            session.undo_autolabel()
    found = verify(store)
    assert found.ok, [f for f in found.findings if f.ok is False]
    again = {q["strategy"] for e in store.read() if e.kind == "asked" for q in e.data["items"]} & {"overlap", "doubted"}
    assert overlap or not again
    assert again or seed not in (4, 6), "some of these seeds ask people twice"


def test_certificates_for_each_class_pass_and_a_foreign_item_in_one_is_found() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 700)
    X = (rng.normal(size=(700, 2)) + 8 * np.eye(2)[y]).astype(np.float32)
    session = Session(X, classes=["a", "b"], store=(store := MemoryStore()))

    def oracle(queries: Any) -> list[str]:
        return ["ab"[y[q.row]] for q in queries]

    for query in session.ask(30):
        session.tell(query, "ab"[y[query.row]])
    assert session.autolabel(max_error={"a": 0.2, "b": 0.1}, oracle=oracle).status == "certified"
    log = list(store.read())
    found = verify(log)
    assert found.ok, [f for f in found.findings if f.ok is False]
    assert {c.label for c in found.certificates} == {"a", "b"}
    assert "regions" in failed(verify(forged(log, field("frozen", "label", "a"))))
    assert "budget" in failed(verify(forged(log, field("frozen", "alpha", lambda a: 2 * a))))
    assert "budget" in failed(verify(forged(log, field("frozen", "label", None))))


def test_answers_of_several_people_pass_and_a_changed_consensus_is_found() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 80)
    X = (rng.normal(size=(80, 2)) + 3 * np.eye(2)[y]).astype(np.float32)
    session = Session(X, classes=["a", "b"], store=(store := MemoryStore()))
    for who, wrong in (("ann", 0.0), ("bob", 0.1), ("eve", 0.5)):
        for row in range(30):
            session.tell(session.pool.ids[row], "ab"[y[row] ^ int(rng.random() < wrong)], annotator=who)
        session.refresh()
    session.retract(annotator="bob")
    session.refresh()
    log = list(store.read())
    assert places(log, "consensus"), "several people labeled the same items"
    assert verify(log).ok, verify(log).findings

    def flip(labels: dict[str, str]) -> dict[str, str]:
        return labels | {"3": "a" if labels["3"] == "b" else "b"}

    assert "consensus" in failed(verify(forged(log, field("consensus", "labels", flip))))


def test_a_finished_search_passes_and_what_it_counted_is_recounted() -> None:
    rng = np.random.default_rng(3)
    y = rng.random(400) < 0.1
    X = np.column_stack([6 * y + rng.normal(size=400), rng.normal(size=400)]).astype(np.float32)
    session = Session(X, classes=["no", "yes"], recall=0.8, relevant="yes", store=(store := MemoryStore()))

    def oracle(queries: Any) -> list[str]:
        return ["yes" if y[q.row] else "no" for q in queries]

    for _ in range(8):
        queries = session.ask(10)
        for query, label in zip(queries, oracle(queries), strict=True):
            session.tell(query, label)
        session.refresh()
    assert session.autolabel(oracle=oracle).status == "certified"
    log = list(store.read())
    found = verify(log)
    assert found.ok, [f for f in found.findings if f.ok is False]
    assert found.certificates[0].target == "recall"
    assert "plans" in failed(verify(forged(log, field("frozen", "found", lambda k: k + 1))))
    assert "plans" in failed(verify(forged(log, field("frozen", "max_error", 0.1))))
    assert "regions" in failed(verify(forged(log, field("frozen", "order", _order(lambda o: o[:-1])))))
    assert "decisions" in failed(verify(forged(log, field("closed", "wrong", lambda k: k + 1))))


def test_every_kind_of_event_is_looked_at_or_claims_nothing() -> None:
    assert fold.HANDLERS.keys() - verification.walk.LOOKS.keys() == {"stopped", "exported"}
    assert verification.walk.LOOKS.keys() <= fold.HANDLERS.keys()


# ── altered without a new chain ─────────────────────────────────────────────────────────────


def other(value: Any) -> Any:
    """Something else of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return [other(value[0]), *value[1:]] if value else [0]
    if isinstance(value, dict):
        return {k: other(v) for k, v in value.items()} if value else {"x": 1}
    return 0


def alterations(event: Event) -> Iterator[Event]:
    """The event with each of its parts altered, left out or added."""
    yield replace(event, kind="flagged" if event.kind != "flagged" else "released")
    yield replace(event, at=event.at + 1e-6)
    yield replace(event, seq=event.seq + 1)
    yield replace(event, digest="0" * 64)
    yield replace(event, digest="")
    yield replace(event, data={**event.data, "more": None})
    for key, value in event.data.items():
        yield replace(event, data={**event.data, key: other(value)})
        yield replace(event, data={k: v for k, v in event.data.items() if k != key})


def test_every_altered_part_of_every_event_is_found(log: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    # The chain alone finds all of it.
    for name in ("items", "events"):
        monkeypatch.setattr(verification.walk.Walk, name, lambda self: None)
    tried = 0
    for i, event in enumerate(log):
        if i == 0:
            continue  # below: some of these leave no session
        for changed in alterations(event):
            # Cut behind the event: what the chain finds does not need the rest.
            found = verify([*log[:i], changed, *log[i + 1 : i + 2]])
            assert "chain" in failed(found), (changed, found.findings)
            tried += 1
    assert tried > 1000


def test_an_altered_beginning_is_found(log: list[Event]) -> None:
    for changed in alterations(log[0]):
        try:
            found = verify([changed, *log[1:]])
        except BadStore:
            assert changed.kind != "opened"
            continue
        assert "chain" in failed(found)


def test_missing_swapped_doubled_and_added_events_are_found(log: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("items", "events"):
        monkeypatch.setattr(verification.walk.Walk, name, lambda self: None)
    for i in range(1, len(log) - 1):
        swapped = [*log[:i], log[i + 1], log[i], *log[i + 2 : i + 3]]
        for events in (log[:i] + log[i + 1 : i + 3], swapped, [*log[: i + 1], *log[i : i + 2]]):
            assert "chain" in failed(verify(events))
        added = replace(Event("flagged", {"row": 0, "note": "", "annotator": "me"}, 1.0, i + 1), digest="ab" * 32)
        assert "chain" in failed(verify([*log[:i], added, *log[i : i + 2]]))


def test_a_chain_without_digests_is_only_believed_of_old_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LOG_FORMAT", 2)  # from before it was told to whom guesses were shown
    found_texts, truth = texts(200)
    live(Session(found_texts, seed=2, max_error=0.2, audit_share=0.6, store=tmp_path / "old.askwise"), truth).close()
    log = list(read_log(tmp_path / "old.askwise"))
    bare = [replace(e, digest="") for e in log]
    assert "chain" in failed(verify(bare))
    old = [replace(e, digest="") for e in forged(log, lambda events: events[0]["data"].update(format=1))]
    found = verify(old)
    assert found.ok
    assert next(f for f in found.findings if f.ok is None).sentence.startswith(f"Events ({len(log)}): {len(log)} were")
    assert found.certificates[0].fingerprint, "it is computed, although it was not stored"
    half = [*old[:40], *(replace(e, digest=own) for e, own in zip(old[40:], list(chain(old))[40:], strict=True))]
    assert verify(half).ok
    for i in (20, 60):
        altered = [*half[:i], replace(half[i], at=1.0), *half[i + 1 :]]
        assert "chain" in failed(verify(altered)), "the first digest stands for all before it"
    assert "chain" in failed(verify([*half[:70], replace(half[70], digest=""), *half[71:]]))


# ── altered with a new chain ────────────────────────────────────────────────────────────────


def field(kind: str, name: str, value: Any, which: int = -1) -> Callable[[list[dict[str, Any]]], None]:
    """Sets one field of the first, second, … or last event of a kind; a function gets what was there."""

    def change(events: list[dict[str, Any]]) -> None:
        data = [e for e in events if e["kind"] == kind][which]["data"]
        data[name] = value(data[name]) if callable(value) else value

    return change


def _order(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[str], str]:
    return lambda packed: pack(np.ascontiguousarray(change(np.frombuffer(unpack(packed), np.int64).copy())).tobytes())


def _swap(order: np.ndarray) -> np.ndarray:
    order[[0, 1]] = order[[1, 0]]
    return order


def _looser(events: list[dict[str, Any]]) -> None:
    """A plan that accepts earlier, with its true risk and an alpha to match."""
    data = [e for e in events if e["kind"] == "frozen"][-1]["data"]
    n = len(unpack(data["order"])) // 8
    data["needed"] = [m - 8 for m in data["needed"]]
    data["risk"] = audit.false_certificate_risk(n, data["max_error"], data["target"], data["needed"])
    data["alpha"] = data["risk"] * 1.01


def _point(name: str, value: float) -> Callable[[list[dict[str, Any]]], None]:
    return field("ranked", "point", lambda point: point | {name: (point[name] or 0) + value})


def _sure(change: Callable[[list[Any]], list[Any]]) -> Callable[[list[dict[str, Any]]], None]:
    """Alters how sure the model is in every ranking that says so."""

    def every(events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["data"].get("sure"):
                event["data"]["sure"] = change(event["data"]["sure"])

    return every


def _unseen(events: list[dict[str, Any]]) -> None:
    """The model's unseen guesses are said to be of another item."""
    data = next(e for e in reversed(events) if e["data"].get("held"))["data"]
    asked = {q["row"] for e in events if e["kind"] == "asked" for q in e["data"]["items"] if q.get("audit")}
    _, *rest = data["held"][0]
    data["held"] = [[next(row for row in range(10**6) if row not in asked), *rest], *data["held"][1:]]


FORGERIES: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "order swapped": (field("frozen", "order", _order(_swap)), "regions"),
    "order sorted": (field("frozen", "order", _order(np.sort)), "regions"),
    "item left out of the region": (field("frozen", "order", _order(lambda o: o[:-1])), "regions"),
    "item twice in the region": (field("frozen", "order", _order(lambda o: np.append(o[:-1], o[0]))), "regions"),
    "plan accepts earlier": (field("frozen", "needed", lambda n: [m - 1 for m in n]), "plans"),
    "plan accepts more errors": (field("frozen", "needed", lambda n: [n[0], *n]), "plans"),
    "plan accepts fewer errors": (field("frozen", "needed", lambda n: n[1:]), "plans"),
    "plan that is none": (field("frozen", "needed", lambda n: n[::-1]), "events"),
    "looser plan with its true risk": (_looser, "budget"),
    "risk": (field("frozen", "risk", lambda r: r / 2), "plans"),
    "alpha up": (field("frozen", "alpha", lambda a: a * 1.5), "budget"),
    "alpha down": (field("frozen", "alpha", lambda a: a / 1.5), "plans"),
    "alpha of the first attempt": (field("frozen", "alpha", 0.01, 0), "budget"),
    "max_error down": (field("frozen", "max_error", 0.1), "plans"),
    "max_error up": (field("frozen", "max_error", 0.25), "plans"),
    "confidence up": (field("frozen", "confidence", 0.99), "budget"),
    "target": (field("frozen", "target", "dataset"), "plans"),
    "one class": (field("frozen", "label", "spam"), "regions"),
    "model of the freeze": (field("frozen", "round", lambda r: r - 1), "regions"),
    "number of the attempt": (field("frozen", "attempt", 1), "regions"),
    "group of the attempt": (field("frozen", "group", 1), "budget"),
    "fewer checks": (field("closed", "checks", lambda c: c - 1), "decisions"),
    "errors": (field("closed", "wrong", lambda w: w + 1), "decisions"),
    "certified is called refused": (field("closed", "outcome", "refused"), "decisions"),
    "cancelled is called certified": (field("closed", "outcome", "certified", 0), "decisions"),
    "fewer checks of a cancelled attempt": (field("closed", "checks", lambda c: c - 1, 0), "decisions"),
    "labels of another attempt": (field("autolabeled", "attempt", 1), "labels"),
    "seed": (field("opened", "seed", 3), "regions"),
    "share of check items": (field("opened", "audit_share", 0.5), "draws"),
    "confidence of the bounds": (field("opened", "confidence", 0.8), "estimates"),
    "bound up": (_point("low", 0.01), "estimates"),
    "bound down": (_point("high", -0.001), "estimates"),
    "estimate": (_point("accuracy", 0.001), "estimates"),
    "labels of an estimate": (_point("labels", 1), "estimates"),
    "check items of an estimate": (_point("audits", 1), "estimates"),
    "how sure of more items": (_sure(lambda s: [*s[:-1], [s[-1][0], s[-1][1] + 1]]), "estimates"),
    "less sure of all items": (_sure(lambda s: [[5, sum(count for _, count in s)]]), "estimates"),
    "an unseen guess of no check item": (_unseen, "estimates"),
    "no estimate": (lambda events: [e["data"].pop("point", 0) for e in events], "estimates"),
    "number of a ranking": (field("ranked", "round", lambda r: r + 1), "guesses"),
    "items": (field("opened", "fingerprint", "0" * 64), "items"),
    "an unknown event": (lambda events: events.append({"kind": "miracle", "data": {}, "at": 1.0}), "events"),
    "a row that is not there": (field("told", "row", 10**6), "events"),
    "a row counted from the end": (field("told", "row", -1), "events"),
    "an answer to another question": (field("told", "asked", 5), "events"),
    "an answer taken back by another": (field("retracted", "annotator", "eve"), "events"),
    "two beginnings": (lambda events: events.insert(1, events[0]), "events"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_found_by_what_they_break(log: list[Event], name: str) -> None:
    change, check = FORGERIES[name]
    events = forged(log, change)
    assert [e.digest for e in events] == list(chain(events)), "its chain is consistent"
    found = verify(events)
    assert check in failed(found), found.findings
    assert "chain" not in failed(found)
    assert not any(f.ok for f in found.findings if f.check == "certificate")


def _checks(log: list[Event]) -> tuple[list[int], dict[int, int]]:
    """The rows of the checks that certified, in order, and row → place of the answer that counts."""
    start, end = places(log, "frozen")[-1], places(log, "autolabeled")[0]
    order = np.frombuffer(unpack(log[start].data["order"]), np.int64)[: log[end - 1].data["checks"]].tolist()
    answers = {e.data["row"]: i for i, e in enumerate(log[:end]) if e.kind == "told" and i > start}
    return order, answers


def test_every_changed_answer_of_every_check_is_found(log: list[Event]) -> None:
    order, answers = _checks(log)
    restored = {e.data["row"] for e in log if e.kind == "retracted"}  # there an earlier answer counts
    for row in set(order) - restored:
        place = answers[row]

        def flip(events: list[dict[str, Any]], place: int = place) -> None:
            was = events[place]["data"]["label"]
            events[place]["data"]["label"] = "ham" if was == "spam" else "spam"

        def unsure(events: list[dict[str, Any]], place: int = place) -> None:
            events[place]["kind"] = "unsure"
            del events[place]["data"]["label"]

        def elsewhere(events: list[dict[str, Any]], place: int = place) -> None:
            events[place]["data"] |= {"row": 0, "asked": None}

        for change in (flip, unsure, elsewhere):
            assert failed(verify(forged(log, change))) & {"decisions", "events"}
        assert "decisions" in failed(verify(forged(log, flip)))


def test_every_changed_guess_on_a_check_is_found(log: list[Event]) -> None:
    order, _ = _checks(log)
    current = [i for i in places(log, "ranked") if i < places(log, "frozen")[-1]][-1]
    for row in order:

        def turn(events: list[dict[str, Any]], row: int = row) -> None:
            guesses = np.frombuffer(unpack(events[current]["data"]["predictions"]), np.int32).copy()
            guesses[row] ^= 1
            events[current]["data"]["predictions"] = pack(guesses.tobytes())

        assert "decisions" in failed(verify(forged(log, turn)))


def test_every_check_that_was_not_blind_is_found(log: list[Event]) -> None:
    order, answers = _checks(log)
    for row in order:
        asked = log[answers[row]].data["asked"] - 1
        k = next(k for k, item in enumerate(log[asked].data["items"]) if item["row"] == row)

        def show(events: list[dict[str, Any]], asked: int = asked, k: int = k) -> None:
            del events[asked]["data"]["items"][k]["check"]

        assert "blindness" in failed(verify(forged(log, show)))


def test_every_exchanged_check_item_is_found(log: list[Event]) -> None:
    for i in places(log, "asked"):
        for k, item in enumerate(log[i].data["items"]):
            if not item.get("audit") or not item.get("drawn", True):
                continue
            for name, value in (("row", lambda r: (r + 1) % 200), ("audit", False), ("probability", 0.5)):

                def change(
                    events: list[dict[str, Any]], i: int = i, k: int = k, name: str = name, to: Any = value
                ) -> None:
                    item = events[i]["data"]["items"][k]
                    item[name] = to(item[name]) if callable(to) else to

                assert "draws" in failed(verify(forged(log, change))), (i, item, name)


def test_every_event_missing_before_the_freeze_is_found(log: list[Event]) -> None:
    note = {"kind": "flagged", "data": {"row": 0, "note": "", "annotator": "me"}, "at": 1.0}
    for i in range(1, places(log, "frozen")[-1]):
        assert not verify(forged(log, lambda events, i=i: events.pop(i))).ok
        assert "regions" in failed(verify(forged(log, lambda events, i=i: events.insert(i + 1, note))))


def test_labels_that_go_missing_or_come_from_nowhere_are_found(log: list[Event]) -> None:
    given = places(log, "autolabeled")[0]
    assert "labels" in failed(verify(forged(log, lambda events: events.pop(given))))
    assert "labels" in failed(verify(forged(log[: given + 1], lambda events: events.pop(given))))
    twice = forged(log, lambda events: events.insert(given, events[given]))
    assert "labels" in failed(verify(twice))
    cancelled = places(log, "closed")[0]
    more = {"kind": "autolabeled", "data": {"attempt": 1}, "at": 1.0}
    assert "labels" in failed(verify(forged(log, lambda events: events.insert(cancelled + 1, more))))


def test_changed_items_are_found(log: list[Event]) -> None:
    def rewrite(events: list[dict[str, Any]]) -> None:
        chunk = json.loads(unpack(events[1]["data"]["packed"]))
        chunk[7][1] += "!"
        events[1]["data"]["packed"] = pack(json.dumps(chunk).encode())

    assert "items" in failed(verify(forged(log, rewrite)))


def test_an_answer_that_was_volunteered_does_not_count_and_its_item_is_asked_blind() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 260)
    X = (rng.normal(size=(260, 2)) + 6 * np.eye(2)[y]).astype(np.float32)
    session = Session(X, classes=["0", "1"], max_error=0.2, store=(store := MemoryStore()))
    for query in session.ask(30):
        session.tell(query, str(y[query.row]))
    assert session.autolabel().status == "checking"
    first = int(session._state.open_attempt.order[0])
    session.tell(session.pool.ids[first], str(y[first]))
    assert session.autolabel_status().checks_done == 0
    asked = set()
    while session.autolabel_status().status == "checking":
        for query in session.ask(5):
            asked.add(query.row)
            assert query.suggestion is None
            session.tell(query, str(y[query.row]))
    assert first in asked
    assert verify(store).ok


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for i in range(min(len(value), 4)):
            yield from leaves(value[i], (*path, i))


def test_nothing_forged_anywhere_changes_a_statement_unseen(log: list[Event]) -> None:
    """A strange value anywhere, a new chain: it is found, or every certificate says what it said; nothing crashes."""
    rng = np.random.default_rng(0)
    strange = [None, True, False, 0, 1, 2, -1, 0.5, float("nan"), 10**30, "", "spam", [], {}, [0], pack(b""), 150]
    honest, found_out = statements(verify(log)), 0
    for _ in range(200):
        i = int(rng.integers(len(log)))
        paths = [p for p in leaves(dict(log[i].data)) if p]
        path, value = paths[int(rng.integers(len(paths)))], strange[int(rng.integers(len(strange)))]

        def change(events: list[dict[str, Any]], i: int = i, path: Any = path, value: Any = value) -> None:
            inner = events[i]["data"]
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = copy.deepcopy(value)

        found = verify(forged(log, change))
        assert not found.ok or statements(found) == honest, (i, path, value)
        found_out += not found.ok
    assert found_out > 60


# ── fingerprints ────────────────────────────────────────────────────────────────────────────


def test_a_log_written_anew_is_found_by_the_fingerprint_alone(log: list[Event]) -> None:
    shown = verify(log).certificates[0].short_fingerprint
    assert len(shown) == 16
    rewritten = forged(log, field("flagged", "note", "never said"))
    assert verify(rewritten).ok, "nobody can tell from the log alone"
    assert "fingerprint" in failed(verify(rewritten, fingerprint=shown))
    found = verify(log, fingerprint=f" {shown.upper()} ")
    assert found.ok
    assert "decision on attempt 2, certified" in next(f for f in found.findings if f.check == "fingerprint").sentence


def test_the_fingerprint_of_the_whole_log_shows_an_end_cut_off(log: list[Event]) -> None:
    whole = verify(log).fingerprint
    assert verify(log, fingerprint=whole).ok
    assert verify(log[:-1]).ok
    assert not verify(log[:-1], fingerprint=whole).ok


@pytest.mark.parametrize("nonsense", ["", "abc", "g" * 16, "a" * 65])
def test_what_is_no_fingerprint_is_refused(log: list[Event], nonsense: str) -> None:
    with pytest.raises(BadInput, match="hex digits"):
        verify(log, fingerprint=nonsense)


def test_certificate_report_and_export_show_the_fingerprint(session_file: Path, log: list[Event]) -> None:
    with Session.open(session_file) as session:
        shown = session.certificates()[0].short_fingerprint
        assert shown in session.autolabel_status().reason
        rows = session.rows()
        numbers = session.report()
    assert {row["certificate"] for row in rows if row["source"] == "model"} == {shown}
    assert {row["certificate"] for row in rows if row["source"] != "model"} == {None}
    assert f"--fingerprint {shown}" in report.to_html(numbers)
    assert shown in report.to_text(numbers)
    assert json.loads(report.to_json(numbers))["certificates"][0]["fingerprint"].startswith(shown)


# ── files and the command line ──────────────────────────────────────────────────────────────


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["verify", *map(str, args)])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_command_confirms(session_file: Path, log: list[Event], capsys: pytest.CaptureFixture[str]) -> None:
    shown = verify(log).certificates[0].short_fingerprint
    code, out, _ = run(capsys, session_file, "--fingerprint", shown)
    assert code == 0
    assert "✗" not in out
    assert "decision on attempt 2, certified" in out
    assert log[-1].digest in out
    code, out, _ = run(capsys, session_file, "--json")
    body = json.loads(out)
    assert (code, body["ok"], body["fingerprint"]) == (0, True, log[-1].digest)
    assert body["certificates"][0]["fingerprint"].startswith(shown)


def test_command_finds_one_altered_event_in_the_file(
    session_file: Path, log: list[Event], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(session_file, tmp_path / "altered.askwise"))
    order, answers = _checks(log)
    seq = log[answers[order[-1]]].seq
    db = sqlite3.connect(path)
    db.execute("DROP TRIGGER append_only_update")
    db.execute('UPDATE events SET data = replace(data, \'"label":"\', \'"label":"no \') WHERE seq = ?', (seq,))
    db.commit()
    db.close()
    code, out, _ = run(capsys, path)
    assert code == 1
    assert f"Event {seq} (told): was altered" in out
    assert "does not prove what it claims" in out
    code, out, _ = run(capsys, path, "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False


def test_command_shortens_what_follows_from_one_missing_event(
    session_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(session_file, tmp_path / "missing.askwise"))
    db = sqlite3.connect(path)
    db.execute("DROP TRIGGER append_only_delete")
    db.execute("DELETE FROM events WHERE seq = 30")
    db.commit()
    db.close()
    code, out, _ = run(capsys, path)
    assert code == 1
    assert "Event 31" in out
    assert "more such findings" in out
    assert len(out.splitlines()) < 50


def test_a_user_s_mistake_ends_with_two(tmp_path: Path, session_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other_file = tmp_path / "mail.csv"
    other_file.write_text("text\nhello\n")
    empty = tmp_path / "empty.askwise"
    SQLiteStore(empty).close()
    for args in ([tmp_path / "none"], [other_file], [empty], [session_file, "--fingerprint", "xyz"]):
        code, _, err = run(capsys, *args)
        assert code == 2
        assert "Error" in err
