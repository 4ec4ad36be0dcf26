"""An answer and the next questions in one step: however many do so at once, nothing is lost, doubled or asked twice."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise import Session
from askwise.core import BadInput, Event
from askwise.results import counts
from askwise.state import QUARTER, State
from askwise.store import MemoryStore, SQLiteStore, chain, open_store, read_log
from askwise.store import place as parse
from askwise.store.postgres import PostgresStore
from askwise.verification import verify
from help.postgres import Server

pytestmark = pytest.mark.usefixtures("linear")

TEXTS = [f"{'nice' if i % 2 else 'not'} thing number {i}" for i in range(400)]


def label_of(query: Any) -> str:
    return str(query.content.split()[0])


@pytest.fixture(params=["file", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a session can be put that several open."""
    if request.param == "file":
        return str(tmp_path / "s.askwise")
    server: Server = request.getfixturevalue("server")
    return server.address(re.sub(r"\W", "-", request.node.name)[:90])


def start(**more: Any) -> Session:
    return Session(TEXTS, classes=["nice", "not"], encoder="tfidf", **more)


# ── one at a time ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("store", [None, "file"], ids=["a store of two methods", "a file"])
def test_answer_and_questions_are_one_commit(store: str | None, tmp_path: Path) -> None:
    appended: list[list[str]] = []

    class Watched(MemoryStore):
        def append(self, events: Any, *, after: int | None = None) -> int:
            appended.append([event.kind for event in events])
            return super().append(events, after=after)

    class WatchedFile(SQLiteStore):
        def append(self, events: Any, *, after: int | None = None) -> int:
            appended.append([event.kind for event in events])
            return super().append(events, after=after)

    with start(store=WatchedFile(tmp_path / "s.askwise") if store else Watched()) as session:
        (one,) = session.ask()
        appended.clear()
        two, three = session.hand_in(one, "label", label_of(one), ask=2, seconds=1.5)
        assert appended == [["asked", "told"]]
        assert len({one.row, two.row, three.row}) == 3
        answer = session.answers()[one.row]
        assert (answer.label, answer.seconds) == (label_of(one), 1.5)
        (four,) = session.hand_in(two, "skip", ask=1)
        assert session.hand_in(three, "unsure", ask=0) == []
        assert appended[1:] == [["asked", "skipped"], ["unsure"]]
        assert {q.item for q in session.ask(3)}.isdisjoint({one.item, two.item, three.item, four.item})


def test_what_is_not_in_hand_is_answered_before_the_next_is_asked() -> None:
    with start() as session:
        volunteered = session.pool.ids[7]
        asked = session.hand_in(volunteered, "label", "not", ask=400)
        assert len(asked) == 399, "it is not asked itself"
        kinds = [event.kind for event in session._store.read()[-2:]]
        assert kinds == ["told", "asked"]


def test_a_new_class_comes_with_the_answer() -> None:
    with Session(TEXTS, encoder="tfidf") as session:
        (query,) = session.ask()
        (after,) = session.hand_in(query, "label", "odd", ask=1)
        assert session.classes == ("odd",)
        session.hand_in(after, "label", "even", ask=0)
        assert session.classes == ("odd", "even")


def test_what_makes_no_sense_is_refused_and_nothing_is_logged() -> None:
    with start() as session:
        (query,) = session.ask()
        before = len(session._store.read())
        for wrong in (
            {"kind": "label"},
            {"kind": "skip", "label": "nice"},
            {"kind": "given", "label": "nice"},
            {"kind": "label", "label": "strange"},
            {"kind": "label", "label": "nice", "ask": -1},
            {"kind": "label", "label": "nice", "seconds": -1.0},
        ):
            with pytest.raises(BadInput):
                session.hand_in(query, **{"ask": 1} | wrong)  # type: ignore[arg-type]
        assert len(session._store.read()) == before
        assert session.counts()["labeled"] == 0


def test_a_blind_check_decides_before_the_next_question() -> None:
    with start(seed=4, audit_share=0.2) as session:
        for query in session.ask(120):
            session.tell(query, label_of(query))
        session.refresh()
        assert session.autolabel(max_error=0.1).status == "checking"
        (query,) = session.ask()
        for _ in range(100):
            assert session._state.asks[query.row].check
            wrong = "nice" if label_of(query) == "not" else "not"
            (query,) = session.hand_in(query, "label", wrong, ask=1)
            status = session.autolabel_status()
            assert status is not None
            if status.status != "checking":
                break
        assert [e.kind for e in session._store.read()[-3:]] == ["told", "closed", "asked"]
        assert not session._state.asks[query.row].check, "asked after the refusal"
        assert failed(session._store) == []


def failed(source: Any) -> list[str]:
    """What does not come out when everything is computed anew."""
    return [finding.sentence for finding in verify(source).findings if finding.ok is False]


# ── many at once ────────────────────────────────────────────────────────────────────────────


def work(session: Session, name: str, answers: int) -> list[tuple[str, str]]:
    """One person, who holds three questions as the page does; gives what was acknowledged."""
    rng = random.Random(name)
    held = session.ask(3, annotator=name)
    said = []
    for _ in range(answers):
        if not held:
            break
        one = held.pop(0)
        kind = "label" if rng.random() < 0.9 else "unsure"
        held += session.hand_in(
            one, kind, label_of(one) if kind == "label" else None, ask=3 - len(held), annotator=name
        )  # fmt: skip
        said.append((one.item, kind))
    return said


def check(events: Any, ids: list[str], said: dict[str, list[tuple[str, str]]]) -> None:
    """The log against what was acknowledged."""
    kinds = {"told": "label", "unsure": "unsure"}
    held = Counter((e.data["annotator"], ids[e.data["row"]], kinds[e.kind]) for e in events if e.kind in kinds)
    assert held == Counter((name, *one) for name, given in said.items() for one in given)
    assert set(held.values()) == {1}
    leased: dict[int, str] = {}
    for event in events:
        if event.kind == "asked":
            for row in (one["row"] for one in event.data["items"]):
                assert row not in leased, f"row {row} is asked twice"
                leased[row] = event.data["annotator"]
        elif event.kind in kinds:
            assert leased[event.data["row"]] == event.data["annotator"]


def test_many_threads(place: str) -> None:
    with start(store=place, seed=3) as session:
        names = [f"person {i}" for i in range(10)]
        session.start(apart=True)
        with ThreadPoolExecutor(10) as pool:
            said = dict(zip(names, pool.map(lambda name: work(session, name, 25), names), strict=True))
        session.stop()
        assert sum(map(len, said.values())) == 250
        check(session._store.read(), session.pool.ids, said)
        known = session._state
    assert failed(place) == []
    again = State()
    for event in read_log(parse(place)):
        again.apply(event)
    assert (again.seq, again.answers, again.leases.keys()) == (known.seq, known.answers, known.leases.keys())


def test_two_sessions_on_one_log(place: str) -> None:
    with start(store=place, seed=3) as one, Session.open(place) as two:
        names = [f"person {i}" for i in range(6)]
        with ThreadPoolExecutor(6) as pool:
            jobs = [pool.submit(work, (one, two)[i % 2], name, 20) for i, name in enumerate(names)]
            said = {name: job.result() for name, job in zip(names, jobs, strict=True)}
        assert sum(map(len, said.values())) == 120
        for session in (one, two):
            session._ledger.lead()
        check(one._store.read(), one.pool.ids, said)
        assert one.answers() == two.answers()
        assert one.counts() == two.counts()
    assert failed(place) == []


# ── what was just appended ──────────────────────────────────────────────────────────────────


def test_a_store_knows_what_it_has_just_appended_as_it_reads_it(place: str) -> None:
    store: Any = open_store(place)
    awkward = {"b": (1, 2), "a": {"é": 0.1 + 0.2, "n": None}, "c": "\u2028\U0001f600", "d": 1e-300}
    assert store.append([Event("x", awkward), Event("y", {"z": True}, at=1.0000000000000002)], after=0) == 2
    assert list(store.latest(0, 2)) == list(store.read())
    assert store.latest(0, 2)[0].data["b"] == [1, 2]
    assert store.latest(1, 2) is None
    assert store.latest(0, 1) is None
    assert store.append([], after=2) == 2
    assert store.latest(2, 2) is None
    other: Any = open_store(place)
    assert other.append([Event("z", {})], after=2) == 3
    store.append([Event("w", {})])
    assert store.latest(2, 4) is None, "the third is not its own"
    assert [e.kind for e in store.latest(3, 4)] == ["w"]
    assert list(store.latest(3, 4)) == list(other.read(3))
    store.close()
    other.close()


def test_postgresql_appends_in_one_round_trip_what_follows_what_it_knows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore(server.address("at-once"))
    slow: list[int] = []
    real = PostgresStore._hold
    monkeypatch.setattr(PostgresStore, "_hold", lambda self, *a, **k: slow.append(1) or real(self, *a, **k))
    store.append([Event("a", {})], after=0)
    assert len(slow) == 1
    for i in range(1, 20):
        assert store.append([Event("b", {"i": i})], after=i) == i + 1
    assert len(slow) == 1
    other = PostgresStore(server.address("at-once"))
    other.append([Event("c", {})])
    with pytest.raises(Exception, match="The log has moved on: 21 events where 20 were expected"):
        store.append([Event("d", {})], after=20)
    with pytest.raises(BadInput, match="half of a character"):
        store.append([Event("d", {"text": "\ud800"})], after=21)
    assert store.append([Event("d", {})], after=21) == 22
    assert [e.seq for e in store.read()] == list(range(1, 23))
    events = store.read()
    assert [e.digest for e in events] == list(chain(events))
    store.close()
    other.close()


def test_only_one_of_many_appends_behind_the_same_event(server: Server) -> None:
    stores = [PostgresStore(server.address("one-of-many")) for _ in range(6)]
    stores[0].append([Event("a", {})], after=0)
    for store in stores:
        store.read()
    ready, won = threading.Barrier(6), []

    def append(store: PostgresStore) -> None:
        ready.wait()
        try:
            won.append(store.append([Event("b", {})], after=1))
        except Exception as error:  # noqa: BLE001 - which one is told below
            won.append(type(error).__name__)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(append, stores))
    assert Counter(won) == {2: 1, "Conflict": 5}
    for store in stores:
        store.close()


# ── numbers that are kept ───────────────────────────────────────────────────────────────────


def test_numbers_that_are_kept_are_those_counted_anew() -> None:
    rng = random.Random(1)
    with start(store=MemoryStore(), audit_share=0.2, seed=4) as session:
        ids = session.pool.ids
        for query in session.ask(120):
            session.tell(query, label_of(query))
        session.refresh()
        assert session.autolabel(max_error=0.1, oracle=lambda qs: [label_of(q) for q in qs]).status == "certified"
        for step in range(300):
            item, name = ids[rng.randrange(len(ids))], rng.choice("ab")
            what = rng.choice(["tell", "tell", "skip", "unsure", "retract", "adjudicate", "undo"])
            try:
                if what == "tell":
                    session.tell(item, rng.choice(["nice", "not"]), annotator=name)
                elif what == "retract":
                    session.retract(item, annotator=name)
                elif what == "adjudicate":
                    session.adjudicate(item, rng.choice(["nice", "not", None]), annotator=name)
                elif what == "undo" and step == 200:
                    session.undo_autolabel()
                elif what in ("skip", "unsure"):
                    getattr(session, what)(item, annotator=name)
            except BadInput:
                continue
            if step % 20 == 0 or step > 290:
                compare(session._state)


def compare(s: State) -> None:
    """Masks and counts from the answers alone."""
    answered = {row: a.kind for row, a in s.answers.items()}
    decided = [row in s.auto or answered.get(row) in ("label", "given", "unsure") for row in range(s.n)]
    assert s.rest().tolist() == [not one for one in decided]
    assert s.auto_mask.tolist() == [row in s.auto for row in range(s.n)]
    assert s.eligible_mask.tolist() == [not one and row not in s.leases for row, one in enumerate(decided)]
    kinds = Counter(a.kind for row, a in s.answers.items() if a.label is not None or row not in s.auto)
    found = counts(s)
    assert (found["labeled"], found["skipped"], found["unsure"]) == (kinds["label"], kinds["skip"], kinds["unsure"])
    assert found["auto"] == sum(not s.labeled_mask[row] for row in s.auto)
    assert found["rest"] == int(np.sum(s.rest()))
    assert sum(s.given_at.values()) == found["today"] == kinds["label"]
    assert all(n >= 0 for n in s.given_at.values())
    assert found["today"] == sum(a.kind == "label" and a.at // QUARTER in s.given_at for a in s.answers.values())
