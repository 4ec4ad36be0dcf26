"""Weighted checks in whole sessions: frozen in the log, judged from it, recomputed, and found where altered."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from askwise import Session, aims, audit, evidence, verify
from askwise.core import TARGETS, BadInput, BadStore, Event, promise
from askwise.state import State, pack, unpack
from askwise.store import MemoryStore, SQLiteStore, seal

pytestmark = pytest.mark.usefixtures("linear")

N = 1500


@pytest.fixture(autouse=True)
def by_doubt(monkeypatch):
    """Every attempt draws half of the weight by doubt, unless told otherwise."""
    plain = Session.autolabel
    monkeypatch.setattr(Session, "autolabel", lambda self, **options: plain(self, **({"by_doubt": 0.5} | options)))


def begun(store, *, max_error=0.1, **options):
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, N)
    X = rng.normal(size=(N, 5)).astype(np.float32)
    X[:, 0] += 3.2 * truth  # some are on the wrong side
    session = Session(X, classes=["a", "b"], max_error=max_error, audit_share=0.2, store=store, **options)
    for _ in range(6):
        for query in session.ask(20):
            session.tell(query, "ab"[truth[query.row]])
        session.refresh()
    return session, truth


def oracle(truth):
    return lambda queries: ["ab"[truth[query.row]] for query in queries]


def failed(events):
    return {finding.check for finding in verify(events).findings if finding.ok is False}


def forged(log, change):
    """The log with its events' data changed, and a chain that fits."""
    data = [{"kind": e.kind, "at": e.at, "data": copy.deepcopy(dict(e.data))} for e in log]
    change(data)
    return [event for event, _ in seal([Event(d["kind"], d["data"], d["at"]) for d in data], 0, "")]


def frozen_of(events):
    return next(e for e in events if (e["kind"] if isinstance(e, dict) else e.kind) == "frozen")


@pytest.mark.parametrize("target", TARGETS)
def test_from_the_freeze_to_a_certificate_that_is_recomputed(target):
    session, truth = begun(store := MemoryStore(), target=target)
    done = session.autolabel(oracle=oracle(truth))
    assert done.status == "certified", done.reason
    found = verify(store)
    assert found.ok, list(found.shown())
    assert found.certificates == tuple(session.certificates())
    event = frozen_of(store.read())
    assert (event.data["format"], event.data["needed"]) == (5, [])
    state = session._state
    (attempt,) = state.attempts
    plan = evidence.plan_of(attempt)
    assert isinstance(plan, audit.WeightedPlan)
    assert plan.decided(np.array(state.outcomes(attempt)[: attempt.checks], bool)) == attempt.checks
    assert done.certificate.allowed == plan.allowed(attempt.checks)
    assert "blind checks, more where it doubted, " in done.certificate.sentence
    assert "50% of the weight goes by doubt" in promise(target).note(done.certificate)
    wrong = sum(label != "ab"[truth[session.pool.ids.index(item)]] for item, label in done.labels.items())
    assert wrong <= done.certificate.allowed


def test_by_doubt_is_a_share_fixed_with_the_region():
    session, _ = begun(MemoryStore())
    for nonsense in (-0.1, 1, "half", float("nan")):
        with pytest.raises(BadInput, match="by_doubt"):
            session.autolabel(by_doubt=nonsense)
    assert session.autolabel(by_doubt=0.3).status == "checking"
    with pytest.raises(BadInput, match="30% of the weight"):
        session.autolabel(by_doubt=0.7)
    assert session.autolabel(by_doubt=0).status == "checking"  # asks how it stands
    session.cancel_autolabel()
    session.autolabel(by_doubt=0)
    assert session._state.open_attempt.levels is None


def test_what_is_doubtful_is_checked_sooner():
    session, _ = begun(MemoryStore())
    session.autolabel()
    attempt = session._state.open_attempt
    assert np.mean(attempt.confidences[:100]) < np.mean(attempt.confidences) - 0.03
    weights = audit.WEIGHTS[attempt.levels]
    by_confidence = weights[np.argsort(attempt.confidences, kind="stable")]
    assert np.all(np.diff(by_confidence) <= 0)
    one, two = session.ask(2)
    for place, query in enumerate((one, two)):
        assert query.suggestion is None
        assert attempt.order[place] == query.row
        assert session._state.asks[query.row].probability == pytest.approx(weights[place] / weights[place:].sum())


def test_a_session_goes_on_where_it_was(tmp_path):
    path = tmp_path / "s.askwise"
    session, truth = begun(path)
    pool = session.pool
    session.autolabel()
    for _ in range(25):
        for query in session.ask(1):
            session.tell(query, oracle(truth)([query])[0])
    before = session.autolabel_status()
    session.close()
    with Session.open(path, pool=pool) as session:
        assert session.autolabel_status() == before
        assert session.autolabel(oracle=oracle(truth)).status == "certified"
    assert verify(path).ok


def test_every_altered_weight_is_found():
    session, truth = begun(store := MemoryStore())
    assert session.autolabel(oracle=oracle(truth)).status == "certified"
    log = store.read()
    levels = np.frombuffer(unpack(frozen_of(log).data["levels"]), np.uint8)
    rng = np.random.default_rng(0)
    for place in [0, len(levels) - 1, *rng.integers(len(levels), size=10).tolist()]:

        def change(events, place=place):
            other = levels.copy()
            other[place] ^= 1
            frozen_of(events)["data"]["levels"] = pack(other.tobytes())

        assert "regions" in failed(forged(log, change)), place


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda d: d.update(order=pack(np.frombuffer(unpack(d["order"]), np.int64)[::-1].tobytes())), "regions"),
        (lambda d: d.update(risk=d["risk"] / 2), "plans"),
        (lambda d: d.update(format=4), "plans"),
        (lambda d: d.update(alpha=2 * d["alpha"], risk=2 * d["risk"]), "budget"),
        (lambda d: d.update(max_error=0.2), "decisions"),
        (lambda d: d.update(needed=[1]), "events"),
        (lambda d: d.pop("levels"), "events"),
        (lambda d: d.pop("share"), "events"),
        (lambda d: d.update(levels=pack(b"\0")), "events"),
        (lambda d: d.update(levels=pack(b"\x40" * 3)), "events"),
        (lambda d: d.update(levels="x"), "events"),
    ],
    ids=["order", "risk", "format", "alpha", "limit", "numbers", "no levels", "no share", "few", "strange", "text"],
)
def test_other_alterations_are_found(change, check):
    session, truth = begun(store := MemoryStore())
    assert session.autolabel(oracle=oracle(truth)).status == "certified"
    assert check in failed(forged(store.read(), lambda events: change(frozen_of(events)["data"])))


def test_an_altered_answer_to_any_check_is_found():
    session, truth = begun(store := MemoryStore())
    assert session.autolabel(oracle=oracle(truth)).status == "certified"
    log = store.read()
    frozen = next(i for i, e in enumerate(log) if e.kind == "frozen")
    told = [i for i, e in enumerate(log) if i > frozen and e.kind == "told"]
    for place in told[:: max(1, len(told) // 12)]:

        def change(events, place=place):
            events[place]["data"]["label"] = {"a": "b", "b": "a"}[events[place]["data"]["label"]]

        assert "decisions" in failed(forged(log, change))


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_aim_is_found_by_the_witness(target, monkeypatch):
    session, truth = begun(store := MemoryStore(), target=target)
    honest = aims.Share.weighted

    def looser(self, levels, share, max_error, alpha, allowed):
        plan = honest(self, levels, share, max_error, alpha, allowed)
        return audit.WeightedPlan(plan.n, 2 * plan.max_error, plan.alpha, plan.target, plan.levels, plan.share)

    monkeypatch.setattr(aims.Share, "weighted", looser)
    assert session.autolabel(oracle=oracle(truth)).status == "certified"
    assert failed(store.read()) == {"decisions", "certificate"}


def test_earlier_versions_refuse_the_log_in_a_sentence(monkeypatch):
    session, _ = begun(store := MemoryStore())
    session.autolabel()
    monkeypatch.setattr("askwise.state.state.READS_FORMAT", 4)
    state, log = State(), store.read()
    place = next(i for i, e in enumerate(log) if e.kind == "frozen")
    for event in log[:place]:
        state.apply(event)
    with pytest.raises(BadStore, match="newer Askwise"):
        state.apply(log[place])


def test_limits_for_each_class_and_several_people():
    session, truth = begun(store := MemoryStore(), overlap=0.2)
    done = session.autolabel(max_error={"a": 0.15, "b": 0.15})
    assert done.status == "checking"
    rng, people = np.random.default_rng(0), ["ann", "bob"]
    while session.autolabel_status().status == "checking":
        who = people[int(rng.integers(2))]
        for query in session.ask(2, annotator=who):
            session.tell(query, "ab"[truth[query.row]], annotator=who)
    assert [c.label for c in session.certificates()] == ["a", "b"]
    assert all(attempt.levels is not None for attempt in session._state.attempts)
    assert verify(store).ok, list(verify(store).shown())


def test_unsure_counts_as_wrong_and_a_changed_answer_withdraws_the_certificate():
    session, truth = begun(store := MemoryStore())
    session.autolabel()
    session.unsure(session.ask(1)[0])
    assert evidence.progress(session._state, session._state.open_attempt) == (1, 1)
    assert session.autolabel(oracle=oracle(truth)).status == "certified"
    (certificate,) = session.certificates()
    assert not certificate.void
    attempt = session._state.attempts[0]
    for row in attempt.order[: attempt.checks].tolist()[5:]:  # right ones become wrong ones
        guess = session._state.classes[int(session._state.guesses_of(attempt)[row])]
        session.tell(session.pool.ids[row], {"a": "b", "b": "a"}[guess], annotator="oracle")
    assert session.certificates()[0].void
    assert verify(store).ok


def test_a_withdrawn_check_counts_as_wrong(tmp_path):
    rng = np.random.default_rng(1)
    texts = [f"{'good news' if i % 3 else 'bad luck'} number {i} {rng.integers(9)}" for i in range(700)]
    path = tmp_path / "s.askwise"
    session = Session(texts, classes=["good", "bad"], encoder="tfidf", max_error=0.1, store=SQLiteStore(path))
    right = lambda queries: ["good" if q.row % 3 else "bad" for q in queries]  # noqa: E731
    for query in session.ask(30):
        session.tell(query, right([query])[0])
    session.refresh()
    assert session.autolabel().status == "checking"
    attempt = session._state.open_attempt
    session.withdraw([session.pool.ids[int(attempt.order[0])]], annotator="me", reason="asked for")
    assert evidence.progress(session._state, session._state.open_attempt) == (1, 1)
    assert session.autolabel(oracle=right).status == "certified"
    session.close()
    assert verify(path).ok


def test_a_failed_attempt_tells_the_planner_by_its_weights():
    """Its checks met doubtful items, so more of them should have been wrong than of as many checks drawn alike."""
    session, truth = begun(MemoryStore())
    session.autolabel()
    for query in session.ask(60):
        session.tell(query, oracle(truth)([query])[0])
    session.cancel_autolabel()
    session.refresh()
    state, (_, sure) = session._state, session.predictions()
    (attempt,) = state.attempts
    assert (attempt.outcome, attempt.checks) == ("cancelled", 60)
    found = evidence.planning(state, sure)
    doubt = dict(zip(found.rows.tolist(), audit.doubts(found.confidence).tolist(), strict=True))
    weight = dict(zip(attempt.order.tolist(), audit.WEIGHTS[attempt.levels].tolist(), strict=True))
    left = [row for row in attempt.order.tolist() if row in doubt]
    expected = sum(weight[row] * doubt[row] for row in left) / sum(weight[row] for row in left)
    alike = sum(doubt.values()) / len(doubt)
    answered = sum(wrong is not None for wrong in state.draw_outcomes()[1])
    assert expected > 1.2 * alike
    assert found.doubted == pytest.approx(answered * alike + 60 * expected, rel=1e-4)


def test_verification_decides_as_the_plan_does():
    """Both say the same of many attempts, at every length."""
    from askwise.verification.weighted import Terms, order_due, weights

    rng = np.random.default_rng(2)
    for seed in range(30):
        n = int(rng.integers(30, 300))
        doubt = rng.beta(0.6, 3, n)
        levels = audit.levels_of(doubt, (0.0, 0.3, 0.5, 0.7)[seed % 4])
        rows = np.sort(rng.choice(1000, n, replace=False))
        turns = audit.order_of(levels, [1, seed])
        order = rows[turns]
        shuffled = rng.permutation(n)
        again = order_due(order[shuffled], levels[turns][shuffled], [1, seed])
        assert np.array_equal(order, again)
        assert np.array_equal(weights(levels), audit.WEIGHTS[levels])
        target, limit = ("auto", "dataset")[seed % 2], (0.05, 0.1, 0.2)[seed % 3]
        plan = audit.WeightedPlan(n, limit, 0.1, target, levels[turns], 0.5)
        terms = Terms(weights(levels[turns]), limit, target == "auto", 0.1)
        wrong = (rng.random(n) < 0.6 * doubt * (seed % 5 > 0))[turns]
        decided = plan.decided(wrong)
        accepted = terms.accepted(wrong.tolist(), decided)
        assert accepted == (None if decided is None else (decided, int(wrong[:decided].sum())))
