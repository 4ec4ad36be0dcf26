"""Checks that go on in their frozen order where answers were changed after an attempt had ended."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from askwise import Session, evidence, verify
from askwise.core import BadInput, Event
from askwise.handover import resumable
from askwise.state import State
from askwise.store import MemoryStore, SQLiteStore, seal

pytestmark = pytest.mark.usefixtures("linear")

N = 1500
LIMIT = 0.05


def begun(store=None, *, seed=4, apart=5.0, **options):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, N)
    X = rng.normal(size=(N, 5)).astype(np.float32)
    X[:, 0] += apart * truth
    session = Session(X, classes=["a", "b"], audit_share=0.2, store=store, **({"max_error": LIMIT} | options))
    for _ in range(5):
        for query in session.ask(20):
            session.tell(query, "ab"[truth[query.row]])
        session.refresh()
    return session, truth


def right(truth):
    return lambda queries: ["ab"[truth[query.row]] for query in queries]


def put(session, row, code):
    session.tell(session.pool.ids[row], "ab"[code], annotator="oracle")


def changed(session, truth, count=1):
    """Answers to the first checks become wrong ones; their rows."""
    rows = session._state.attempts[-1].order[:count].tolist()
    for row in rows:
        put(session, row, 1 - truth[row])
    return rows


def ok(events):
    return {finding.check for finding in verify(events).findings if finding.ok is False}


def test_a_void_certificate_gets_the_checks_that_it_lacks(tmp_path):
    session, truth = begun(tmp_path / "s.askwise")
    given = session.autolabel(oracle=right(truth)).certificate
    assert given is not None
    assert session.autolabel_status().resumable is None, "nothing was changed"
    with pytest.raises(BadInput, match="attempt 1 certified, and its answers still do"):
        session.resume_autolabel()
    wrong = changed(session, truth)
    status = session.autolabel_status()
    assert status.certificate.void
    more = status.resumable
    assert more is not None
    assert more > 0
    labeled = session.counts()["auto"]
    going = session.resume_autolabel()
    assert (going.status, going.checks_left) == ("checking", more)
    assert session.counts()["auto"] == 0, "what is not certified is open"
    with pytest.raises(BadInput, match="is open"):
        session.resume_autolabel()
    session.close()

    session = Session.open(tmp_path / "s.askwise", pool=np.stack(list(begun()[0].pool.contents)))
    attempt = session._state.attempts[0]
    asked = session.ask(3)
    assert [query.row for query in asked] == attempt.order[given.audits : given.audits + 3].tolist()
    session.release()
    again = session.autolabel(oracle=right(truth))
    assert again.status == "certified"
    assert again.certificate.audits == given.audits + more
    assert again.certificate.wrong == given.wrong + len(wrong)
    assert again.certificate.alpha == given.alpha, "nothing more is spent"
    assert not again.certificate.void
    assert again.certificate.changed == len(wrong)
    assert session.counts()["auto"] == labeled - more
    assert len(session._state.attempts) == 1
    session.close()
    assert ok(str(tmp_path / "s.askwise")) == set()


def test_a_refused_attempt_goes_on_when_its_answers_are_put_right():
    session, truth = begun()
    mistaken = iter([True] * 12)
    spoiled = []

    def careless(queries):
        said = []
        for query in queries:
            bad = next(mistaken, False)
            spoiled.extend([query.row] if bad else [])
            said.append("ab"[truth[query.row] ^ bad])
        return said

    assert session.autolabel(oracle=careless).status == "refused"
    assert session.autolabel_status().resumable is None
    with pytest.raises(BadInput, match="with the answers as they are, attempt 1 would be refused"):
        session.resume_autolabel()
    session.refresh()
    for row in spoiled:
        put(session, row, truth[row])
    assert session.autolabel_status().resumable is not None
    done = session.resume_autolabel(oracle=right(truth))
    assert done.status == "certified"
    assert session._state.groups == 1
    assert ok(session._store.read()) == set()


def test_put_right_at_once_the_answers_decide_without_another_check():
    session, truth = begun()
    before = session.autolabel(oracle=right(truth)).certificate
    [row] = changed(session, truth)
    assert session.resume_autolabel().status == "checking"
    put(session, row, truth[row])
    status = session.autolabel_status()
    assert status.status == "certified"
    assert status.certificate.audits == before.audits
    assert ok(session._store.read()) == set()


def test_guesses_that_were_shown_count_as_wrong_and_are_never_asked():
    session, truth = begun()
    given = session.autolabel(oracle=right(truth)).certificate
    attempt = session._state.attempts[0]
    shown = [int(attempt.order[given.audits + place]) for place in (1, 4)]
    session.show_guesses([session.pool.ids[row] for row in shown], annotator="eve")
    changed(session, truth)
    left = session.resume_autolabel().checks_left
    asked = []
    while session.autolabel_status().status == "checking":
        [query] = session.ask(1)
        asked.append(query.row)
        session.tell(query, "ab"[truth[query.row]])
    assert not set(shown) & set(asked)
    again = session.autolabel_status().certificate
    assert again.wrong == given.wrong + 1 + len(shown)
    assert len(asked) > left - len(shown), "each of them costs checks, as a mistake does"
    assert all(session._state.answers.get(row) is None for row in shown)
    assert session.counts()["auto"] == attempt.order.size - again.audits
    assert ok(session._store.read()) == set()


def test_after_an_export_nobody_can_check_blind(tmp_path):
    session, truth = begun()
    session.autolabel(oracle=right(truth))
    session.export(tmp_path / "out.csv")
    changed(session, truth)
    assert session.autolabel_status().resumable is None
    with pytest.raises(BadInput, match=r"of its items count as wrong, as their guesses have been shown since"):
        session.resume_autolabel()


def test_what_cannot_go_on_says_why():
    session, truth = begun()
    with pytest.raises(BadInput, match="nothing was frozen yet"):
        session.resume_autolabel()
    session.autolabel()
    session.cancel_autolabel()
    with pytest.raises(BadInput, match="it is cancelled"):
        session.resume_autolabel()
    session.refresh()
    session.autolabel(oracle=right(truth))
    changed(session, truth)
    session.undo_autolabel()
    with pytest.raises(BadInput, match="its labels were taken back"):
        session.resume_autolabel()


def test_a_refused_attempt_does_not_go_on_once_something_was_frozen_after_it():
    session, truth = begun()

    def careless(queries):
        return ["ab"[1 - truth[query.row]] for query in queries]

    assert session.autolabel(oracle=careless).status == "refused"
    first = session._state.attempts[0]
    for row in first.order[: first.checks].tolist():
        put(session, row, truth[row])
    assert resumable(session._state)
    session.refresh()
    assert session.autolabel().status == "checking"
    session.cancel_autolabel()
    assert evidence.judge(session._state, first).status != "refused"
    assert resumable(session._state) == []


def test_attempts_frozen_together_go_on_together():
    session, truth = begun()
    result = session.autolabel(max_error={"a": LIMIT, "b": LIMIT}, oracle=right(truth))
    assert len(result.certificates) == 2
    for attempt in session._state.attempts:
        row = int(attempt.order[0])
        put(session, row, 1 - truth[row])
    assert all(one.void for one in session.certificates())
    done = session.resume_autolabel(oracle=right(truth))
    assert [one.void for one in done.certificates] == ["", ""]
    assert [e.data["attempt"] for e in session._store.read() if e.kind == "resumed"] == [1, 2]
    assert ok(session._store.read()) == set()


@pytest.mark.parametrize("by_doubt", [0.0, 0.5])
def test_it_is_as_if_the_answers_had_been_right_from_the_start(by_doubt):
    """The end is that of the same session without the mistake: same order, same number of checks, same labels."""
    plain, truth = begun()
    plain.autolabel(by_doubt=by_doubt, oracle=right(truth))
    session, _ = begun()
    session.autolabel(by_doubt=by_doubt, oracle=right(truth))
    first = int(session._state.attempts[0].order[0])
    put(session, first, 1 - truth[first])
    session.resume_autolabel()
    [query] = session.ask(1)
    session.tell(query, "ab"[truth[query.row]])
    put(session, first, truth[first])
    mine, others = session.certificates()[0], plain.certificates()[0]
    assert (mine.audits, mine.wrong, mine.region, mine.by_doubt) == (
        others.audits, others.wrong, others.region, others.by_doubt,
    )  # fmt: skip
    assert ok(session._store.read()) == set()


def test_forged_logs_are_found():
    session, truth = begun()
    session.autolabel(oracle=right(truth))
    changed(session, truth)
    session.resume_autolabel(oracle=right(truth))
    log = session._store.read()
    assert ok(log) == set()
    place = next(i for i, e in enumerate(log) if e.kind == "resumed")

    def sealed(events):
        return [e for e, _ in seal([Event(e.kind, copy.deepcopy(dict(e.data)), e.at) for e in events], 0, "")]

    closed = next(i for i, e in enumerate(log) if e.kind == "closed")
    for forged in (
        [*log[:closed], log[place], *log[closed:]],  # goes on while it is under way
        [*log[: place + 1], log[place], *log[place + 1 :]],  # twice
        [e for i, e in enumerate(log) if i != place],  # decided twice without having gone on
    ):
        assert not verify(sealed(forged)).ok


def test_older_programs_refuse_such_a_log(tmp_path, monkeypatch):
    session, truth = begun(SQLiteStore(tmp_path / "s.askwise"))
    session.autolabel(oracle=right(truth))
    changed(session, truth)
    session.resume_autolabel()
    session.close()
    monkeypatch.setattr("askwise.state.state.READS_FORMAT", 5)
    with pytest.raises(Exception, match="written by a newer Askwise"):
        Session.open(tmp_path / "s.askwise", pool=np.stack(list(begun()[0].pool.contents)))


def test_the_promise_holds_when_answers_are_put_right_after_the_end():
    """The plan holds for the answers that stand in the end, also of who errs, looks at the outcome and corrects."""
    false = given = 0
    for seed in range(60):
        session, truth = begun(MemoryStore(), seed=seed, apart=2.6, max_error=0.1)
        rng = np.random.default_rng(seed)
        sloppy = []

        def oracle(queries, rng=rng, sloppy=sloppy, truth=truth):
            bad = rng.random(len(queries)) < 0.04
            sloppy.extend(query.row for query, one in zip(queries, bad, strict=True) if one)
            return ["ab"[truth[query.row] ^ one] for query, one in zip(queries, bad, strict=True)]

        session.autolabel(oracle=oracle)
        for row in sloppy:
            put(session, row, truth[row])
        if resumable(session._state):
            session.resume_autolabel(oracle=right(truth))
        standing = [one for one in session.certificates() if not one.void]
        given += bool(standing)
        state: State = session._state
        wrong = [state.auto[row][0] != truth[row] for row in state.auto]
        false += bool(standing) and sum(wrong) > 0.1 * len(wrong)
    assert given >= 15
    assert false <= 5  # each fails with 3 %: more than five of 60 has a chance of 1 %
