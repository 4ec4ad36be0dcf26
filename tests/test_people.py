"""Several people's answers to the same items: what holds, what is undone, what a certificate then says."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import Session, agreement, evidence, people, questions, verify
from askwise.core import BadInput, Event
from askwise.store import MemoryStore, seal

pytestmark = pytest.mark.usefixtures("linear")

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


def test_the_time_of_a_label_is_the_median_of_those_measured():
    session = Session(TEXTS, classes=["ham", "spam"])
    for row, seconds in enumerate([2.0, None, 400.0, 3.0]):
        session.tell(session.pool.ids[row], "ham", annotator="ann", seconds=seconds)
    session.skip(session.pool.ids[5], annotator="ann", seconds=60.0)
    session.tell(session.pool.ids[6], "ham", annotator="bob")
    ann, bob = session.annotators()
    assert (ann.labels, ann.timed, ann.pace, ann.seconds) == (4, 3, 3.0, 465.0)
    assert (bob.labels, bob.timed, bob.pace, bob.seconds) == (1, 0, None, 0.0)


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
    again = [(who, q) for who, q in asked if q.strategy in ("overlap", "doubted")]
    assert len(again) == pytest.approx(0.3 * len(asked), abs=8)
    assert all(q.suggestion is None and q.guesses == () and q.audit for _who, q in again)
    assert {q.strategy for _who, q in again} == {"overlap", "doubted"}
    assert "second opinion" in next(q.reason for _who, q in again if q.strategy == "overlap")
    seen = Counter((who, q.row) for who, q in asked)
    assert max(seen.values()) == 1  # nobody twice
    assert max(Counter(q.row for _who, q in asked).values()) <= 3
    at_random = {q.row for _who, q in again if q.strategy == "overlap"}
    assert 0 < session.agreement().items <= len(at_random), "doubtful labels say nothing of the others"
    assert len(session._state.several) == len({q.row for _who, q in again})
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


# ── whose label is doubted ──────────────────────────────────────────────────────────────────


def team(seed=0, most=2, store=None, rounds=8, overlap=0.2):
    """Three people, of whom the last is careless, have worked on an easy pool; the truth, and what everybody says."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 1500)
    X = rng.normal(size=(1500, 5)).astype(np.float32)
    X[:, 0] += 6 * truth
    said = {
        name: np.where(rng.random(1500) < right, truth, 1 - truth)
        for name, right in zip(("ann", "bob", "cid"), (0.97, 0.97, 0.65), strict=True)
    }
    session = Session(
        X, classes=["no", "yes"], overlap=overlap, people_per_item=most, audit_share=0.2, seed=seed, store=store,
        learner="linear",
    )  # fmt: skip
    for _ in range(rounds):
        for who in said:
            answered(session, said[who], who, 10)
        session.refresh()
    return session, truth, said


def test_another_opinion_goes_to_labels_that_are_wrong():
    doubted, others = [], []
    for seed in range(4):
        session, truth, said = team(seed)
        for _ in range(6):
            for who in ("ann", "bob"):
                for _question in range(6):
                    (query,) = session.ask(1, annotator=who)
                    wrong = session._state.label_of(query.row) != ["no", "yes"][truth[query.row]]
                    if query.strategy == "doubted":
                        doubted.append(wrong)
                    elif query.strategy == "overlap":
                        others.append(wrong)
                    session.tell(query, ["no", "yes"][said[who][query.row]], annotator=who)
            session.refresh()
    assert len(doubted) > 15
    assert np.mean(doubted) > 2 * np.mean(others), "checks at random hit wrong labels as often as there are any"


def test_who_is_measurably_worse_is_not_asked_to_settle_it():
    session, _truth, said = team(rounds=14)
    quality = session._state.ranking.quality
    assert quality["cid"] < min(quality["ann"], quality["bob"]) - 0.1
    asked = answered(session, said["cid"], "cid", 60)
    doubted = [q for q in asked if q.strategy == "doubted"]
    votes = session._state.votes
    assert not [q for q in doubted if {"ann", "bob"} & set(votes[q.row])], "of good people nothing is settled by cid"
    assert [q for q in asked if q.strategy == "overlap"], "their quality goes on being measured"
    new = answered(session, said["ann"], "dan", 30)
    assert [q for q in new if q.strategy == "doubted"], "of whom nothing is known may be asked"


def test_the_reason_says_that_people_differ_and_not_how():
    session, truth, _said = team(most=3)
    s = session._state
    plain = [row for row in s.votes if row not in s.checks() and set(s.votes[row]) == {"ann"}]
    for i, row in enumerate(plain):  # dan agrees with most, not with all
        session.tell(session.pool.ids[row], ["no", "yes"][truth[row] ^ (i % 4 == 0)], annotator="dan")
    session.refresh()
    reasons = {}
    for _ in range(500):
        (query,) = session.ask(1, annotator="eve")
        if query.strategy == "doubted":
            reasons[query.row] = query.reason
            assert query.audit, "blind"
            assert (query.suggestion, query.guesses, query.confidence) == (None, (), None)
        session.tell(query, ["no", "yes"][truth[query.row]], annotator="eve")
    assert set(reasons.values()) == {
        "Others answered this one differently: your opinion may settle it.",
        "Somebody else has labeled this one, and another opinion is worth most here.",
    }
    for row, reason in reasons.items():
        differ = len({a.label for name, a in s.votes[row].items() if name != "eve"}) > 1
        assert differ == reason.startswith("Others")


@pytest.fixture(scope="module")
def worked():
    session, _truth, _said = team(3)
    return session._state


@pytest.mark.parametrize("seed", range(30))
def test_whether_a_check_item_is_asked_again_depends_on_no_label_and_on_no_guess(worked, seed):
    """With other labels, guesses, doubts and qualities the same check items come back, at the same questions."""
    rng = np.random.default_rng(seed)
    who = ["ann", "bob", "cid", "dan", "eve"][seed % 5]
    checks = worked.checks()

    def asked(state, number):
        state.handed = Counter({who: number})
        (found,) = questions.next_questions(state, 1, lambda row: None, who)
        assert not (found["strategy"] == "doubted" and found["row"] in checks)
        return found["row"] if found["strategy"] == "overlap" and found["row"] in checks else None

    other = {"no": "yes", "yes": "no"}
    state = copy.copy(worked)
    state.votes, state.answers, state.several = dict(state.votes), dict(state.answers), set(state.several)
    state.labeled_mask, state.eligible_mask = state.labeled_mask.copy(), state.eligible_mask.copy()
    state.consensus = {}
    for row in list(state.votes):
        state.votes[row] = {
            name: replace(a, label=other[a.label]) if a.label and rng.random() < 0.5 else a
            for name, a in state.votes[row].items()
        }
        state._settle(row)
    state.predictions = rng.integers(0, 2, state.n).astype(np.int32)
    doubts = [(int(row), 1.0) for row in rng.permutation(list(state.votes))]
    state.ranking = replace(state.ranking, again=doubts, quality={name: rng.random() for name in ("ann", "bob", "cid")})
    before = [asked(worked, number) for number in range(60)]
    assert [asked(state, number) for number in range(60)] == before
    assert seed % 5 < 3 or any(row is not None for row in before), "somebody new may be asked about every one"


def test_check_items_are_asked_again_as_often_when_the_model_was_wrong(worked):
    wrong = {d.row: w for d, w in zip(*worked.draw_outcomes(), strict=True)}
    drawn = Counter()
    for number in range(4000):
        drawn[questions.drawn_again(worked, "dan", 2, (), number)[0]] += 1
    free = [row for row in wrong if questions.may_ask_again(worked, row, "dan", 2)]
    hit = {w: [drawn[row] for row in free if wrong[row] is w] for w in (True, False)}
    assert min(map(len, hit.values())) >= 3
    each = 4000 / len(drawn)
    for counts in hit.values():
        assert np.mean(counts) == pytest.approx(each, abs=4 * np.sqrt(each / len(counts)))


def test_a_label_that_was_doubted_makes_no_bound_better():
    session, _truth, _said = team(1)
    s = session._state
    assert s.doubted
    assert not s.doubted & s.checks()
    now = session.estimate()
    s.doubted = set()
    believed = evidence.estimate(s, s.predictions)
    assert now.low <= believed.low
    assert now.high >= believed.high
    assert (now.low, now.high) != (believed.low, believed.high)


def test_whose_label_was_doubted_moves_no_other_consensus():
    session, _truth, _said = team(4, most=3)
    s = session._state
    assert s.several - s.doubted
    assert s.several & s.doubted

    def settled(state):
        state.unsettled = True
        return people.consensus(state)[0].data["labels"]

    before = settled(s)
    for row in s.several & s.doubted:  # the opposite of what was said when it was doubted
        for name, a in list(s.votes[row].items()):
            if a.strategy == "doubted":
                s.votes[row][name] = replace(a, label="no" if a.label == "yes" else "yes")
    after = settled(s)
    assert {r: v for r, v in before.items() if int(r) not in s.doubted} == {
        r: v for r, v in after.items() if int(r) not in s.doubted
    }
    assert before != after


def test_asking_again_is_confirmed_from_the_log_and_a_check_item_asked_for_its_doubt_is_found(tmp_path):
    session, _truth, said = team(2, store=(store := MemoryStore()))
    answered(session, said["ann"], "ann", 20)
    log = list(store.read())
    assert verify(log).ok, verify(log).findings

    def forged(change):
        events = [{"kind": e.kind, "data": copy.deepcopy(dict(e.data)), "at": e.at} for e in log]
        change(events)
        found = verify([e for e, _ in seal([Event(**e) for e in events], 0, "")])
        return {f.check for f in found.findings if f.ok is False}

    def items(events, strategy):
        return [q for e in events if e["kind"] == "asked" for q in e["data"]["items"] if q["strategy"] == strategy]

    assert not forged(lambda events: None)
    assert "draws" in forged(lambda events: items(events, "overlap")[-1].update(strategy="doubted"))
    assert "draws" in forged(lambda events: items(events, "doubted")[-1].update(strategy="overlap"))
    drawn = next(iter(session._state.checks()))
    assert "draws" in forged(lambda events: items(events, "doubted")[-1].update(row=drawn))
    ranked = max(i for i, e in enumerate(log) if e.kind == "ranked")
    assert len(log[ranked].data["again"]) > 5
    assert "events" in forged(lambda events: events[ranked]["data"].update(again=[[1500, 1.0]]))

    def bare(events):  # as it was written before doubts were recorded
        for event in events:
            if event["kind"] == "ranked":
                event["data"] = {k: v for k, v in event["data"].items() if k not in ("again", "quality")}

    assert not forged(bare)
    events = [{"kind": e.kind, "data": dict(e.data), "at": e.at} for e in log]
    bare(events)
    old = MemoryStore()
    old.append([Event(**e) for e in events])
    again = Session.open(old, pool=session.pool)
    assert again._state.ranking.again == []
    assert not [q for q in answered(again, said["ann"], "ann", 10) if q.strategy == "doubted"]
    again.refresh()
    assert again._state.ranking.again


def test_a_search_and_a_session_without_overlap_doubt_nobody():
    rng = np.random.default_rng(3)
    y = rng.random(200) < 0.2
    X = np.column_stack([6 * y + rng.normal(size=200), rng.normal(size=200)]).astype(np.float32)
    for more in ({"overlap": 0.0}, {"overlap": 0.5, "recall": 0.8, "relevant": "yes"}):
        session = Session(X, classes=["no", "yes"], store=(store := MemoryStore()), **more)
        for who in ("ann", "bob") * 3:
            asked = answered(session, y.astype(int), who, 6)
            assert "doubted" not in {q.strategy for q in asked}
            session.refresh()
        assert not [e for e in store.read() if e.data.get("again")]


@pytest.mark.parametrize("wrong", [{"overlap": 1.0}, {"overlap": -0.1}, {"people_per_item": 1}])
def test_overlap_out_of_range_is_refused(wrong):
    with pytest.raises(BadInput):
        Session(TEXTS, classes=["ham", "spam"], **wrong)
