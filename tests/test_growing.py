"""A pool that grows while people label it: nothing lost, nothing doubled, nothing claimed of what came later."""

from __future__ import annotations

import csv
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from askwise import Session, audit, cli, evidence, rounds, verify
from askwise.commands import beginning
from askwise.core import BadInput, BadStore, Event
from askwise.growing import learned_from
from askwise.state import READS_FORMAT, State
from askwise.store import MemoryStore, SQLiteStore, read_log, seal

pytestmark = pytest.mark.usefixtures("linear")

WORDS = {"spam": ["free prize", "win cash", "urgent claim"], "ham": ["see you", "running late", "call me"]}


def texts(n: int, seed: int = 0, mark: str = "") -> dict[str, str]:
    """Text → label."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(n):
        label = "spam" if rng.random() < 0.4 else "ham"
        found[f"{rng.choice(WORDS[label])} {rng.choice(WORDS[label])} {mark}{i}"] = label
    return found


def begun(first: dict[str, str], **more: Any) -> Session:
    return Session(
        list(first), **{"classes": ["ham", "spam"], "encoder": "tfidf", "seed": 3, "audit_share": 0.3} | more
    )


def label(session: Session, truth: dict[str, str], rounds_: int, n: int = 5, who: str = "me") -> None:
    for _ in range(rounds_):
        for query in session.ask(n, annotator=who):
            session.tell(query, truth[query.text], annotator=who)
        session.refresh()


def log_of(session: Session) -> list[Event]:
    return list(session._store.read())


def sound(session: Session) -> None:
    found = verify(log_of(session))
    assert found.ok, [f.sentence for f in found.findings if f.ok is False]


# ── what is new ─────────────────────────────────────────────────────────────────────────────


def test_new_items_join_and_known_ones_are_recognised() -> None:
    first, more = texts(40), texts(10, 1, "later ")
    session = begun(first)
    found = session.add([*more, *list(first)[:3], next(iter(more))])
    assert (found.items, found.known, found.problems) == (10, 3, ())
    assert found.sentence == "10 new items; left out: 3 that the session has already."
    assert session.counts()["items"] == 50 == len(session.pool)
    assert session.pool.ids == begun({**first, **more}).pool.ids
    again = session.add(list(more))
    assert again.sentence == "Nothing is new: 10 that the session has already."
    assert log_of(session)[-1].kind != "added" or log_of(session)[-1].data["n"] == 10
    sound(session)


def test_ids_bad_rows_and_labels_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,label\n1,free prize,spam\n2,see you,ham\n3,call me,\n")
    session = Session(tmp_path / "a.csv", id="id", label="label", text="text", encoder="tfidf", classes=["ham", "spam"])
    (tmp_path / "b.csv").write_text(
        "id,text,label,from\n1,free prize,spam,x\n2,another text,ham,x\n4,,ham,x\n5,win cash,spam,x\n6,late,other,x\n"
        "3,call me,ham,x\n"
    )
    found = session.add(tmp_path / "b.csv")
    assert (found.items, found.known, found.labels) == (2, 2, 1)
    said = "\n".join(found.problems)
    assert "row 2: has the id '2', which the session has already with another content" in said
    assert "row 3: has an empty text" in said
    assert "row 5: has the label 'other', which the session does not know; the item is left open" in said
    assert "1 item that the session has without a label came with one, which is not taken" in said
    assert session.counts()["given"] == 3
    assert session.pool.ids == ["1", "2", "3", "5", "6"]
    assert "(in b.csv, added later)" in session.problems[-1]
    session.export(tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == ["1", "2", "3", "2", "4", "5", "6"]
    assert [row["from"] for row in rows] == ["", "", "", "x", "x", "x", "x"]
    assert [bool(row["askwise_problem"]) for row in rows] == [False] * 3 + [True] * 2 + [False] * 2
    sound(session)


def test_labels_that_are_new_become_classes_where_they_are_discovered() -> None:
    pool = {"text": ["free prize", "see you"], "label": ["spam", "ham"]}
    import pandas as pd

    session = Session(pd.DataFrame(pool), label="label", encoder="tfidf")
    session.add(pd.DataFrame({"text": ["lunch?", "win cash"], "label": ["invitation", None]}))
    assert session.classes == ("ham", "spam", "invitation")
    assert session.counts()["given"] == 3
    sound(session)


def test_sets_of_labels_come_with_new_items() -> None:
    import pandas as pd

    session = Session(
        pd.DataFrame({"text": ["one", "two"], "label": ["a|b", "(none)"]}),
        label="label",
        multilabel=True,
        encoder="tfidf",
    )
    session.add(pd.DataFrame({"text": ["three", "four"], "label": ["b|a", "c|a"]}))
    assert session.classes == ("a", "b", "c")
    assert [session.answers()[row].label for row in (2, 3)] == ["a|b", "a|c"]
    sound(session)


def test_what_does_not_go_together_is_refused_in_a_sentence(tmp_path: Path) -> None:
    session = begun(texts(20))
    with pytest.raises(BadInput, match="kind 'text'; what is to be added is 'array'"):
        session.add(np.zeros((3, 2), np.float32) + np.arange(3)[:, None])
    with pytest.raises(BadInput, match="No file"):
        session.add(tmp_path / "missing.csv")
    with pytest.raises(BadInput, match="empty"):
        session.add([])
    rng = np.random.default_rng(0)
    numbers = Session(rng.normal(size=(20, 4)).astype(np.float32), classes=["a", "b"])
    with pytest.raises(BadInput, match="float32 with 4 columns; those to be added are float64 with 4 columns"):
        numbers.add(rng.normal(size=(3, 4)))
    search = Session(list(texts(30)), classes=["ham", "spam"], recall=0.9, relevant="spam")
    with pytest.raises(BadInput, match="A search does not grow"):
        search.add(["new"])
    assert all(e.kind != "added" for s in (session, numbers, search) for e in log_of(s))


# ── asking ──────────────────────────────────────────────────────────────────────────────────


def test_new_items_are_asked_after_the_next_ranking_and_not_before() -> None:
    first, more = texts(30), texts(40, 1, "later ")
    truth = first | more
    session = begun(first)
    label(session, truth, 2)
    session.add(list(more))
    assert not session.look(lambda s: s.eligible_mask[30:].any())
    for query in session.ask(20):
        assert query.row < 30
        session.tell(query, truth[query.text])
    assert session.refresh()
    assert session.look(lambda s: s.eligible_mask[30:].all())
    label(session, truth, 10)
    assert session.counts()["open"] == 0
    assert session.predictions()[0].count("") == 0
    sound(session)


def test_before_the_first_model_new_items_are_covered_too() -> None:
    session = begun(texts(5))
    session.add(list(texts(20, 1, "later ")))
    session.refresh()
    asked = {query.row for query in session.ask(25)}
    assert asked == set(range(25))
    sound(session)


def test_where_no_model_can_be_fitted_any_more_new_items_are_asked_all_the_same() -> None:
    first, more = texts(12), texts(8, 1, "later ")
    session = begun(first)
    label(session, first, 4)
    assert session.counts()["open"] == 0
    for item in session.pool.ids:
        session.tell(item, "ham")  # one class: nothing to learn from
    session.refresh()
    session.add(list(more))
    session.refresh()
    assert {query.row for query in session.ask(8)} == set(range(12, 20))
    assert session.predictions()[0][12:] == ["ham"] * 8
    sound(session)


def test_items_that_come_while_the_model_learns_wait_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    first, more, third = texts(60), texts(20, 1, "later "), texts(20, 2, "last ")
    truth = first | more | third
    session = begun(first)
    label(session, truth, 3)
    learn, batches = rounds.learn, [list(more), list(third)]

    def slow(*args: Any, **named: Any) -> rounds.Learned:
        found = learn(*args, **named)
        if batches:
            session.add(batches.pop(0))
        return found

    monkeypatch.setattr(rounds, "learn", slow)
    label(session, truth, 1)
    assert session.look(lambda s: (s.n, s.ranked)) == (80, 60)
    assert session._trainer.stale()
    assert session.refresh()  # during this one the third lot comes
    assert session.look(lambda s: (s.n, s.ranked)) == (100, 80)
    assert np.isnan(session.predictions()[1][80:]).all()
    label(session, truth, 12)
    assert session.look(lambda s: (s.n, s.ranked)) == (100, 100)
    sound(session)


def test_answers_to_new_items_can_be_taken_back_and_flagged() -> None:
    session = begun(texts(20))
    label(session, texts(20), 2)
    session.add(["brand new"])
    item = session.pool.ids[20]
    session.tell(item, "ham")  # by its name, before any model has seen it
    assert session.answers()[20].label == "ham"
    session.retract(item)
    session.flag(item, "odd")
    assert 20 not in session.answers()
    assert session.nearest(20) == []
    session.refresh()
    assert session.nearest(20)
    sound(session)


# ── what is claimed ─────────────────────────────────────────────────────────────────────────


def test_a_certificate_says_nothing_of_what_came_later() -> None:
    first, more = texts(400), texts(60, 1, "later ")
    truth = first | more
    session = begun(first, max_error=0.1)
    label(session, truth, 6)
    oracle = lambda queries: [truth[query.text] for query in queries]  # noqa: E731
    done = session.autolabel(target="file", oracle=oracle)
    assert done.status == "certified"
    (before,) = session.certificates()
    assert (before.whole, before.later) == (400, 0)
    session.add(list(more))
    (after,) = session.certificates()
    assert dataclasses.replace(after, later=0) == before
    assert "of all 400 items there were then" in after.sentence
    assert "Of the 60 items added since it says nothing." in after.sentence
    assert session.counts()["auto"] == before.certified
    assert all(row < 400 for row in session.look(lambda s: list(s.auto)))
    session.refresh()
    assert all(row < 400 for row in session.look(lambda s: list(s.auto)))
    rows = session.rows()
    assert all(row["certificate"] is None for row in rows[400:])
    label(session, truth, 3)
    # Another certificate for the whole file counts what the first allowed, over all there are now.
    allowance = session.look(lambda s: evidence.allowance(s, 0.1))
    assert allowance == 46 - before.allowed
    sound(session)


def test_no_region_holds_what_no_model_has_guessed() -> None:
    first, more = texts(300), texts(50, 1, "later ")
    truth = first | more
    session = begun(first, max_error=0.1)
    label(session, truth, 6)
    session.add(list(more))
    assert not set(session.look(lambda s: evidence.certifiable(s).tolist())) & set(range(300, 350))
    sure = session.look(lambda s: np.ones(s.n))
    region = session.look(lambda s: evidence.planning(s, sure[: s.ranked]).rows)
    assert region.max() < 300
    session.refresh()
    assert session.look(lambda s: evidence.certifiable(s).max()) == 349


def test_a_log_that_freezes_what_no_model_has_guessed_is_found() -> None:
    first = texts(300)
    session = begun(first, max_error=0.1)
    label(session, first, 6)
    assert session.autolabel().status == "checking"
    events = log_of(session)
    place = next(i for i, e in enumerate(events) if e.kind == "frozen")
    donor = begun(first)
    donor.add(["came later"])
    added = next(e for e in log_of(donor) if e.kind == "added")
    frozen = dict(events[place].data)
    from askwise.state import pack, unpack

    order = np.frombuffer(unpack(frozen["order"]), np.int64).copy()
    order[0] = 300
    frozen["order"] = pack(order.tobytes())
    made = [*events[:place], added, Event("frozen", frozen)]
    again = [event for event, _ in seal([Event(e.kind, e.data, e.at) for e in made], 0, "")]
    found = verify(again)
    assert any("was not open at the freeze" in f.sentence for f in found.findings if f.ok is False)


@pytest.mark.parametrize("hard", [False, True])
def test_bounds_hold_when_other_items_come(hard: bool) -> None:
    """New items that the model has all wrong, or all right: whatever they are, the bounds hold them."""
    outside = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(260, 5)).astype(np.float32)
        y = (X[:, 0] > 0).astype(int)
        late = rng.normal(size=(120, 5)).astype(np.float32)
        told = (late[:, 0] > 0).astype(int)
        told = 1 - told if hard else told
        truth = np.where(np.concatenate([y, told]) == 1, "b", "a")
        session = Session(X, classes=["a", "b"], audit_share=0.5, seed=seed)

        def look(session: Session = session, truth: Any = truth) -> bool:
            guesses = np.array(session.predictions()[0])
            rest = session.look(lambda s: s.rest())
            known = guesses[rest] != ""
            right = (guesses[rest] == truth[: len(guesses)][rest])[known].sum()
            found = session.estimate()
            # What has no guess yet may turn out either way.
            low, high = right / rest.sum(), (right + (~known).sum()) / rest.sum()
            return bool(found.low > high or found.high < low)

        wrong = False
        for round_ in range(24):
            if round_ == 12:
                session.add(late)
                wrong |= look()
            for query in session.ask(4):
                session.tell(query, str(truth[query.row]))
            session.refresh()
            wrong |= look()
        outside += wrong
    assert outside <= 1  # each session keeps its promise at all looks with 95 %


def test_new_items_count_for_the_worst_until_they_are_checked() -> None:
    first, more = texts(300), texts(200, 1, "later ")
    truth = first | more
    session = begun(first, audit_share=0.5)
    label(session, truth, 12)
    before = session.estimate()
    session.add(list(more))
    after = session.estimate()
    assert (after.rest, after.unchecked) == (before.rest + 200, 200)
    # Slowly: at most as many errors as proved before, plus every new item; at least as many as before.
    most, least = round((1 - before.low) * before.rest), round((1 - before.high) * before.rest)
    assert round((1 - after.low) * after.rest) == most + 200
    assert round((1 - after.high) * after.rest) == least
    assert "200 of these came later and are in no check yet" in after.sentence
    metrics = session.metrics()
    assert metrics is not None
    assert sum(one.guessed for one in metrics.classes) == before.rest  # what has no guess is in no class
    label(session, truth, 12)
    later = session.estimate()
    assert later.unchecked == 0
    assert later.low > after.low
    assert "came later" not in later.sentence
    sound(session)


# ── again ───────────────────────────────────────────────────────────────────────────────────


def same(one: Session, other: Session) -> None:
    assert one.pool.ids == other.pool.ids
    assert list(one.pool.contents) == list(other.pool.contents)
    assert one.pool.sources == other.pool.sources
    assert one.pool.fingerprint == other.pool.fingerprint
    assert one.pool.problems == other.pool.problems
    assert one.pool.dropped == other.pool.dropped
    assert one.counts() == other.counts()
    assert one.answers() == other.answers()
    assert one.rows() == other.rows() or np.isnan(other.predictions()[1]).any()
    np.testing.assert_allclose(one.features(), other.features(), atol=1e-6)


def test_reopened_it_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("".join(["text,note\n", *(f"{t},n{i}\n" for i, t in enumerate(texts(30)))]))
    (tmp_path / "b.csv").write_text(
        "".join(["text,more\n", *(f"{t},m{i}\n" for i, t in enumerate(texts(12, 1, "later ")))]) + ",empty\n"
    )
    truth = texts(30) | texts(12, 1, "later ") | texts(90, 2, "last ")
    session = Session(
        tmp_path / "a.csv", text="text", classes=["ham", "spam"], encoder="tfidf", store=tmp_path / "s.askwise"
    )
    label(session, truth, 2)
    session.add(tmp_path / "b.csv")
    label(session, truth, 2)
    session.add(list(texts(90, 2, "last ")))
    label(session, truth, 2)
    again = Session.open(tmp_path / "s.askwise")
    same(session, again)
    assert again.report().rows == session.report().rows == 132
    assert [row["text"] for row in again.rows()][-1] == list(texts(90, 2, "last "))[-1]
    again.refresh()
    asked = [[query.item for query in one.ask(5)] for one in (again,)]
    again.close()
    session.close()
    third = Session.open(tmp_path / "s.askwise")
    assert set(asked[0]) <= set(third.pool.ids)
    assert verify(tmp_path / "s.askwise").ok
    third.close()


def test_an_encoder_learns_anew_when_there_is_twice_as_much() -> None:
    assert learned_from(100, []) == 100
    assert learned_from(100, [50, 49]) == 100
    assert learned_from(100, [50, 50]) == 200
    assert learned_from(100, [500, 10, 10, 700]) == 1320
    first, more, third = texts(40), texts(20, 1, "later "), texts(60, 2, "last ")
    session = begun(first)
    before = session.features()
    session.add(list(more))
    grown = session.features()
    assert np.array_equal(grown[:40], before)
    session.add(list(third))
    assert session.features().shape[0] == 120
    assert session.features().shape[1] > grown.shape[1]  # twice as many: all words, learned anew
    np.testing.assert_allclose(session.features(), begun(first | more | third).features(), atol=1e-6)


@pytest.mark.parametrize("thin", [False, True])
def test_an_array_grows_and_is_given_again_as_a_whole(tmp_path: Path, thin: bool) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    y = np.where(X[:, 0] > 0, "b", "a")
    made: Callable[[Any], Any] = sparse.csr_matrix if thin else np.asarray
    store = tmp_path / "s.askwise"
    with Session(made(X[:40]), classes=["a", "b"], store=store) as session:
        for _ in range(3):
            for query in session.ask(4):
                session.tell(query, str(y[query.row]))
            session.refresh()
        assert session.add(made(X[30:50])).sentence == "10 new items; left out: 10 that the session has already."
        session.refresh()
        session.add(made(X[50:]))
        session.refresh()
        assert session.features().shape == (60, 4)
        counts = session.counts()
    with Session.open(store, pool=made(X)) as again:
        assert again.counts() == counts
        assert again.features().shape == (60, 4)
        again.refresh()
        assert again.autolabel().status in ("checking", "refused")
    assert verify(store).ok
    with pytest.raises(BadInput, match=r"began with 40 items and has 60 by now, and 40 are given"):
        Session.open(store, pool=made(X[:40]))
    other = X.copy()
    other[55] += 1
    with pytest.raises(BadStore, match="do not match the fingerprint"):
        Session.open(store, pool=made(other))


def test_another_process_without_the_features_says_so(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    store = tmp_path / "s.askwise"
    one = Session(X[:30], classes=["a", "b"], store=store)
    other = Session.open(store, pool=X[:30])
    one.add(X[30:])
    with pytest.raises(BadStore, match="added to this session in another process, which has their features"):
        other.flag(other.pool.ids[0])
    assert other.counts()["items"] == 30


def test_learning_apart_goes_on_with_more(monkeypatch: pytest.MonkeyPatch) -> None:
    first, more, third = texts(60), texts(30, 1, "later "), texts(60, 2, "last ")
    truth = first | more | third
    here, there = begun(first), begun(first, apart=True)
    with there:
        for session in (here, there):
            label(session, truth, 3)
            session.add(list(more))
            label(session, truth, 2)
            if session._trainer.apart is not None and session._trainer.apart._process is not None:
                session._trainer.apart._process.kill()  # the next one has an encoder that has learned nothing
                session._trainer.apart._end()
            session.add(list(third))
            label(session, truth, 2)
        assert there._trainer.apart is not None
        np.testing.assert_allclose(there.features(), here.features(), atol=1e-6)
        assert there.predictions()[0] == here.predictions()[0]
        found = there.guesses_of(["free prize"])
        assert found is not None
    numbers = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    with Session(numbers[:30], classes=["a", "b"], apart=True) as session:
        for query in session.ask(8):
            session.tell(query, "b" if numbers[query.row, 0] > 0 else "a")
        session.add(numbers[30:])
        session.refresh()
        assert session.look(lambda s: s.ranked) == 50
        assert np.array_equal(session.features(), numbers)


@pytest.mark.parametrize("apart", [False, True])
def test_a_model_taken_from_a_pool_that_grew_says_what_the_session_says(apart: bool) -> None:
    first, more = texts(60), texts(20, 1, "later strange words ")
    truth = first | more
    with begun(first, apart=apart) as session:
        label(session, truth, 3)
        session.add(list(more))
        label(session, truth, 3)
        model = session.model()
        assert model.predict(list(session.pool.contents)).tolist() == session.predictions()[0]


def test_a_session_that_never_grew_writes_what_it_always_wrote() -> None:
    session = begun(texts(60))
    label(session, texts(60), 3)
    events = log_of(session)
    assert events[0].data["format"] == 3
    assert all("known" not in e.data for e in events)
    session.add(["new"])
    added = log_of(session)[-1]
    assert (added.kind, added.data["format"]) == ("added", 4)
    state = State()
    for event in events:
        state.apply(event)
    with pytest.raises(BadStore, match=f"format {READS_FORMAT + 1}; this one reads up to {READS_FORMAT}"):
        state.apply(Event("something", {"format": READS_FORMAT + 1}, 0.0, len(events) + 1))


def test_a_pool_of_ones_own_stays_as_it_is() -> None:
    from askwise.pool import load_pool

    pool = load_pool(list(texts(20)))
    session = Session(pool, classes=["ham", "spam"], encoder="tfidf")
    session.add(["new"])
    assert (len(pool), len(session.pool)) == (20, 21)


def test_items_of_a_log_that_was_altered_are_found(tmp_path: Path) -> None:
    first = texts(20)
    session = begun(first, store=tmp_path / "s.askwise")
    session.add(["one more", "and another"])
    events = log_of(session)
    place = next(i for i, e in enumerate(events) if e.kind == "added")
    twice = [*events, Event("added", events[place].data | {"start": 22})]
    again = [event for event, _ in seal([Event(e.kind, e.data, e.at) for e in twice], 0, "")]
    assert any("adds items that are there already" in f.sentence for f in verify(again).findings if f.ok is False)
    for change in ({"n": 3}, {"start": 19}, {"packed": ""}, {"fingerprint": "0" * 64}, {"given": {"3": "ham"}}):
        altered = [*events]
        altered[place] = Event("added", events[place].data | change)
        again = [event for event, _ in seal([Event(e.kind, e.data, e.at) for e in altered], 0, "")]
        assert not verify(again).ok
        store = MemoryStore()
        store.append(again)
        with pytest.raises(BadStore, match="damaged"):
            Session.open(store)


# ── everybody at once ───────────────────────────────────────────────────────────────────────


def together(sessions: dict[str, Session], adder: Session, lots: list[dict[str, str]], truth: dict[str, str]) -> None:
    """Everybody labels in a thread of their own while somebody adds lot after lot."""
    done, failures = threading.Event(), []

    def person(name: str, session: Session) -> None:
        try:
            while not done.is_set() or session.counts()["open"] > 0:
                queries = session.ask(2, annotator=name)
                for query in queries:
                    session.tell(query, truth[query.text], annotator=name)
                if not queries:
                    time.sleep(0.01)
                    session.release(annotator=name)
                    session.refresh()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=person, args=one) for one in sessions.items()]
    for thread in threads:
        thread.start()
    for lot in lots:
        assert adder.add(list(lot)).items == len(lot)
        time.sleep(0.02)
    done.set()
    for thread in threads:
        thread.join(120)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)


def all_is_there(session: Session, truth: dict[str, str]) -> None:
    session.refresh()
    assert sorted(session.pool.contents) == sorted(truth)
    assert len(set(session.pool.ids)) == len(truth)
    events = log_of(session)
    assert sum(e.kind == "added" for e in events) == 20
    told = Counter(e.data["row"] for e in events if e.kind == "told")
    assert set(told) == set(range(len(truth)))
    assert set(told.values()) == {1}
    labels = {session.pool.contents[row]: answer.label for row, answer in session.answers().items()}
    assert labels == truth
    sound(session)


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_two_people_label_while_twenty_lots_come(where: str, tmp_path: Path) -> None:
    first = texts(30)
    lots = [texts(6, seed, f"lot {seed} ") for seed in range(1, 21)]
    truth = dict(first)
    for lot in lots:
        truth |= lot
    store = MemoryStore() if where == "memory" else SQLiteStore(tmp_path / "s.askwise")
    session = begun(first, store=store, audit_share=0.1)
    session.start()
    together({"ann": session, "bob": session}, session, lots, truth)
    session.stop()
    all_is_there(session, truth)
    if where == "sqlite":
        session.close()
        store.close()
        with Session.open(tmp_path / "s.askwise") as again:
            all_is_there(again, truth)


def test_two_servers_and_twenty_lots_in_a_database(server: Any) -> None:
    first = texts(30)
    lots = [texts(6, seed, f"lot {seed} ") for seed in range(1, 21)]
    truth = dict(first)
    for lot in lots:
        truth |= lot
    address = server.address("growing")
    with begun(first, store=address, audit_share=0.1) as one, Session.open(address) as other:
        both = threading.Thread(target=lambda: [other.add(list(lot)) for lot in lots])  # the same, at the same time
        both.start()
        for lot in lots:
            one.add(list(lot))
        both.join()
        assert one.counts()["items"] == len(truth)
        one.start()
        together({"ann": one, "bob": other}, other, [], truth)
        one.stop()
        all_is_there(one, truth)
    assert verify(read_log(address)).ok


def test_slow_reference_of_the_bound_when_the_pool_grows() -> None:
    """Item by item: what the packed bits of draws from before count as outside, known and different."""
    first, more = texts(150), texts(40, 1, "later ")
    truth = first | more
    session = begun(first, audit_share=0.5)
    label(session, truth, 6)
    session.add(list(more))
    label(session, truth, 4)

    def slowly(s: State) -> Any:
        draws, wrong = s.draw_outcomes()
        guesses, rest, codes = s.predictions, s.rest(), s.truth()
        assert guesses is not None
        counts = []
        for draw in draws:
            members = np.unpackbits(draw.eligible)[: s.n].astype(bool)
            then = s.predictions_of(draw.round)
            counts.append(
                (
                    sum(bool(m) for m in members),
                    sum(1 for i in range(s.n) if members[i] and not rest[i] and codes[i] != -1 and codes[i] != then[i]),
                    sum(1 for i in range(s.n) if rest[i] and not members[i]),
                    sum(1 for i in range(s.n) if rest[i] and members[i] and then[i] != guesses[i]),
                )
            )
        size, known, outside, disagree = zip(*counts, strict=True)
        return audit.accuracy_on_rest(wrong, size, known, outside, disagree, int(rest.sum()))

    slow = session.look(slowly)
    fast = session.estimate()
    assert (slow.low, slow.high) == (fast.low, fast.high)


# ── the doors ───────────────────────────────────────────────────────────────────────────────


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    """Exit code and what was said."""
    try:
        cli.main(list(map(str, args)))
        code: Any = 0
    except SystemExit as ended:
        code = ended.code or 0
    said = capsys.readouterr()
    return int(code), said.out + said.err


def table(path: Path, found: dict[str, str], *, labels: bool = False) -> Path:
    lines = [f"{text},{label}" if labels else text for text, label in found.items()]
    path.write_text("\n".join(["text,label" if labels else "text", *lines]) + "\n")
    return path


def test_the_command_line_adds_and_a_longer_file_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, more = texts(30), texts(10, 1, "later ")
    mail, session = table(tmp_path / "mail.csv", first), tmp_path / "mail.askwise"
    with Session(mail, classes=["ham", "spam"], encoder="tfidf", store=session) as begun_:
        label(begun_, first, 2)
    table(mail, first | more)
    code, said = run(capsys, "label", mail, "--terminal")
    assert code == 2
    assert f"10 of the 40 items are new: the session {session} has the other 30. Add them:  askwise add" in said
    code, said = run(capsys, "add", session, mail)
    assert (code, said.splitlines()[0]) == (0, "10 new items; left out: 30 that the session has already.")
    code, said = run(capsys, "add", session, mail)
    assert (code, said.splitlines()) == (0, ["Nothing is new: 40 that the session has already."])
    with Session.open(session) as again:
        assert again.counts()["items"] == 40
    table(mail, first)  # the file that it began with is one that it is about, too
    other = table(tmp_path / "other.csv", texts(30, 7, "other "))
    with Session.open(session) as again:
        from askwise.pool import load_pool

        assert beginning.grows(again, session, load_pool(mail))
        assert not beginning.grows(again, session, load_pool(other))
    assert run(capsys, "add", session)[0] == 2
    code, said = run(capsys, "add", session, tmp_path / "missing.csv")
    assert (code, "No file" in said) == (2, True)
    code, said = run(capsys, "add", session, mail, "--text", "nothing")
    assert code == 2
    assert "No column 'nothing' for text" in said
    assert verify(session).ok


def test_a_file_is_added_through_the_page(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from askwise.app.server import create_app

    first, more = texts(30), texts(10, 1, "later ")
    mail = table(tmp_path / "mail.csv", dict.fromkeys(first, ""), labels=True)
    session = Session(mail, text="text", label="label", classes=["ham", "spam"], encoder="tfidf")
    door = TestClient(create_app(session, token="a-token-of-some-length"), base_url="http://127.0.0.1")
    door.headers["x-askwise-token"] = "a-token-of-some-length"
    assert door.get("/api/v1/items/add").json()["refused"] == ""
    place = door.get("/api/v1/state").json()["session"]
    sent = table(tmp_path / "more.csv", more | {next(iter(first)): "ham"}).read_bytes() + b'"",\n'
    reply = door.put("/api/v1/items/add", params={"name": "more.csv"}, content=sent)
    assert reply.status_code == 200, reply.text
    assert reply.json()["sentence"].startswith("10 new items; left out: 1 that the session has already.")
    assert door.get("/api/v1/items").json()["total"] == 40
    assert door.get("/api/v1/state").json()["session"] == place  # what waits in browsers belongs to it still
    added = next(e for e in log_of(session) if e.kind == "added")
    assert added.data["pool"]["path"] == "more.csv"
    for name, content in (
        ("more.csv", b""),
        ("more.exe", b"x"),
        ("more.csv", b"other\n1\n"),
        ("more.zip", b"PK\x03\x04"),
    ):
        reply = door.put("/api/v1/items/add", params={"name": name}, content=content)
        assert reply.status_code == 400, (name, reply.text)
        assert reply.json()["error"]
    sound(session)
