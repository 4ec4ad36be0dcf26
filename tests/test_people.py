"""Several people's answers to the same items: what holds, what is undone, what a certificate then says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import Session, agreement, verify
from askwise.core import BadInput

TEXTS = [f"cash prize {i}" if i % 2 else f"see you at {i}" for i in range(12)]


def holds(history):
    """What is known of one row by (annotator, kind, label) in order, one word at a time."""
    last = {}
    for annotator, kind, label in history:
        last.pop(annotator, None)
        last[annotator] = (kind, label)
    labels = [label for kind, label in last.values() if kind == "tell"]
    if labels:
        count = Counter(labels)
        most = max(count.values())
        return next(label for label in reversed(labels) if count[label] == most)
    return None


steps = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cid"]),
        st.sampled_from(["tell", "tell", "tell", "skip", "unsure", "undo"]),
        st.integers(0, 3),
        st.sampled_from(["ham", "spam"]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_most_frequent_label_holds_until_a_consensus_is_computed(plan):
    session = Session(TEXTS, classes=["ham", "spam"])
    told = []
    for annotator, verb, row, label in plan:
        item = session.pool.ids[row]
        if verb == "undo":
            undone = session.retract(annotator=annotator)
            mine = [i for i, (a, *_rest) in enumerate(told) if a == annotator]
            assert (undone is None) == (not mine)
            if mine:
                assert undone.row == told[mine[-1]][3]
                del told[mine[-1]]
        elif verb == "tell":
            session.tell(item, label, annotator=annotator)
            told.append((annotator, verb, label, row))
        else:
            getattr(session, verb)(item, annotator=annotator)
            told.append((annotator, verb, None, row))
    for row in range(4):
        expected = holds([(a, kind, label) for a, kind, label, r in told if r == row])
        assert session._state.label_of(row) == expected
    again = type(session._state)()
    for event in session._store.read():
        again.apply(event)
    assert again.answers == session._state.answers
    assert again.human == sum(session._state.label_of(r) is not None for r in range(len(TEXTS)))


def test_nobody_else_takes_a_label_away():
    session = Session(TEXTS, classes=["ham", "spam"])
    item = session.pool.ids[0]
    session.tell(item, "ham", annotator="ann")
    session.skip(item, annotator="bob")
    session.unsure(item, annotator="cid")
    assert session.counts()["labeled"] == 1
    session.retract(item, annotator="ann")
    assert session.counts()["labeled"] == 0
    assert session.counts()["unsure"] == 1
    session.retract(item, annotator="cid")
    assert session.counts()["skipped"] == 1


def test_given_labels_come_back_when_people_take_theirs_back():
    session = Session(TEXTS, label=["ham", *[None] * 11])
    item = session.pool.ids[0]
    session.tell(item, "spam", annotator="ann")
    assert session._state.label_of(0) == "spam"
    session.retract(annotator="ann")
    assert session._state.label_of(0) == "ham"


def crowd(seed=0, n=2400, rights=(0.98, 0.97, 0.7), store=None):
    """A pool of two easy classes that three people label."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    X[:, 0] += 8 * truth
    said = {
        name: np.where(rng.random(n) < right, truth, 1 - truth)
        for name, right in zip(("ann", "bob", "cid"), rights, strict=True)
    }
    return Session(X, classes=["no", "yes"], seed=seed, store=store), truth, said


def everybody(session, said, queries):
    for query in queries:
        for name, answers in said.items():
            session.tell(query, ["no", "yes"][answers[query.row]], annotator=name, seconds=2.0)


def test_a_consensus_settles_it_and_a_certificate_says_against_whom(tmp_path):
    session, truth, said = crowd(store=tmp_path / "c.askwise")
    for _ in range(8):
        everybody(session, said, session.ask(20))
        session.refresh()
    rows = [a.row for a in session._state.answers.values()]
    votes = np.stack([said[name][rows] for name in said], axis=1)
    expected = agreement.dawid_skene(votes[np.argsort(rows)], 2).labels
    found = [session._state.class_number(session._state.label_of(row)) for row in sorted(rows)]
    assert found == expected.tolist()
    assert np.mean(np.array(found) == truth[sorted(rows)]) > 0.94
    result = session.autolabel(max_error=0.05)
    while result.status == "checking":
        everybody(session, said, session.ask(5))
        result = session.autolabel_status()
    assert result.status == "certified"
    assert result.certificate.people == 3
    assert "what 3 annotators agree on" in result.certificate.sentence
    people = {p.name: p for p in session.annotators()}
    assert [people[n].quality for n in ("ann", "bob", "cid")] == pytest.approx([0.98, 0.97, 0.7], abs=0.06)
    assert people["ann"].seconds == 2.0 * people["ann"].labels
    agreed = session.agreement()
    assert agreed.items == people["ann"].shared == people["ann"].labels
    assert agreed.cohen["ann", "bob"] > 0.85 > agreed.cohen["ann", "cid"]
    assert 0.3 < agreed.alpha < 0.9
    session.close()
    again = Session.open(tmp_path / "c.askwise", pool=session.pool)
    assert again.certificates() == [result.certificate]
    again.close()


def test_a_consensus_that_moves_retrains_and_recounts():
    session, truth, said = crowd(rights=(0.99, 0.99, 0.99))
    for _ in range(6):
        for query in session.ask(20):
            session.tell(query, ["no", "yes"][said["ann"][query.row]], annotator="ann")
        session.refresh()
    result = session.autolabel(max_error=0.1, oracle=lambda queries: [["no", "yes"][truth[q.row]] for q in queries])
    assert result.status == "certified"
    assert result.certificate.people == 0
    checks = session._state.attempts[0].order[: result.certificate.audits].tolist()
    for row in checks:  # two others contradict every check
        for name in ("bob", "cid"):
            session.tell(session.pool.ids[row], ["yes", "no"][truth[row]], annotator=name)
    assert session.certificates()[0].void
    assert session.refresh()
    assert not session.refresh()


def test_one_person_alone_has_no_measured_quality():
    session = Session(TEXTS, classes=["ham", "spam"])
    session.tell(session.pool.ids[0], "ham", annotator="ann", seconds=3)
    session.tell(session.pool.ids[1], "spam", annotator="bob")
    assert [(a.name, a.labels, a.quality, a.shared) for a in session.annotators()] == [
        ("ann", 1, None, 0),
        ("bob", 1, None, 0),
    ]
    found = session.agreement()
    assert (found.items, found.same, found.alpha, found.fleiss, found.cohen) == (0, 0, None, None, {})


# ── items for several people ────────────────────────────────────────────────────────────────


def answered(session, truth, who, n):
    """What `who` was asked, n questions one by one."""
    asked = []
    for _ in range(n):
        for query in session.ask(1, annotator=who):
            asked.append(query)
            session.tell(query, ["no", "yes"][truth[query.row]], annotator=who)
    return asked


def test_without_overlap_nobody_gets_what_another_has():
    session, truth, _said = crowd()
    rows = [q.row for who in ("ann", "bob") * 3 for q in answered(session, truth, who, 15)]
    assert len(set(rows)) == len(rows)


def test_a_share_of_the_questions_is_for_a_second_opinion(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 1200)
    X = rng.normal(size=(1200, 5)).astype(np.float32)
    X[:, 0] += 6 * truth
    store = tmp_path / "o.askwise"
    session = Session(X, classes=["no", "yes"], overlap=0.3, people_per_item=3, audit_share=0.2, store=store)
    asked = []
    for _ in range(10):
        for who in ("ann", "bob", "cid"):
            asked += [(who, q) for q in answered(session, truth, who, 10)]
        session.refresh()
    again = [(who, q) for who, q in asked if q.strategy == "overlap"]
    assert len(again) == pytest.approx(0.3 * len(asked), abs=8)
    assert all(q.suggestion is None and q.guesses == () and q.audit for _who, q in again)
    assert "second opinion" in again[0][1].reason
    seen = Counter((who, q.row) for who, q in asked)
    assert max(seen.values()) == 1  # nobody twice
    assert max(Counter(q.row for _who, q in asked).values()) <= 3
    assert session.agreement().items == len({q.row for _who, q in again})
    assert verify(store).ok
    session.close()


def test_a_certificate_survives_second_opinions_on_its_checks():
    session, truth, _said = crowd()
    session = Session(session.pool, classes=["no", "yes"], overlap=0.5, seed=1)
    for _ in range(8):
        answered(session, truth, "ann", 10)
        session.refresh()
    result = session.autolabel(max_error={"no": 0.1})  # the others stay open
    while result.status == "checking":
        answered(session, truth, "ann", 10)
        result = session.autolabel_status()
    assert result.status == "certified"
    again = [q for q in answered(session, truth, "bob", 120) if q.strategy == "overlap"]
    checks = set(session._state.attempts[0].order[: result.certificate.audits].tolist())
    assert checks & {q.row for q in again}
    assert not session.certificates()[0].void


@pytest.mark.parametrize("wrong", [{"overlap": 1.0}, {"overlap": -0.1}, {"people_per_item": 1}])
def test_overlap_out_of_range_is_refused(wrong):
    with pytest.raises(BadInput):
        Session(TEXTS, classes=["ham", "spam"], **wrong)
