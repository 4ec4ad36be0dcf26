"""Limits for each class and for costs: what is frozen, how it is decided, what is promised."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from typer.testing import CliRunner

from askwise import Session, audit, handover, verify
from askwise.cli import app
from askwise.core import BadInput
from askwise.store import MemoryStore

pytestmark = pytest.mark.usefixtures("linear")

NAMES = ["benign", "malignant", "odd"]


def made(seed=0, n=2600, wrong=0.0, store=None, rounds=6):
    """A pool of two easy classes and some odd ones; a share `wrong` of the second is really of the first."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.6, 0.35, 0.05])
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[np.arange(n), truth] += 8
    truth[(truth == 1) & (rng.random(n) < wrong)] = 0
    session = Session(X, classes=NAMES, seed=seed, audit_share=0.2, store=store)
    for _ in range(rounds):
        for query in session.ask(20):
            session.tell(query, NAMES[truth[query.row]])
        session.refresh()
    return session, truth


def oracle(truth):
    return lambda queries: [NAMES[truth[q.row]] for q in queries]


def test_each_class_gets_its_own_certificate_and_the_others_stay_with_people():
    session, truth = made()
    result = session.autolabel(max_error={"benign": 0.03, "malignant": 0.05}, oracle=oracle(truth))
    assert result.status == "certified"
    assert [c.label for c in result.certificates] == ["benign", "malignant"]
    assert result.certificate is result.certificates[0]
    assert [c.max_error for c in result.certificates] == [0.03, 0.05]
    assert sum(c.alpha for c in result.certificates) == pytest.approx(0.05 * audit.SPEND[0])
    assert set(result.labels.values()) == {"benign", "malignant"}
    assert len(result.labels) == sum(c.certified for c in result.certificates)
    rows = {item: row for row, item in enumerate(session.pool.ids)}
    for certificate in result.certificates:
        given_so = [rows[item] for item, label in result.labels.items() if label == certificate.label]
        assert len(given_so) == certificate.certified
        share = np.mean([NAMES[truth[r]] != certificate.label for r in given_so])
        assert share <= certificate.max_error
        assert f"labeled '{certificate.label}' by the model" in certificate.sentence
    odd = [r for r in range(len(truth)) if truth[r] == 2 and session.rows()[r]["source"] == "model"]
    assert len(odd) <= 0.05 * len(result.labels)
    assert result.deferred == len(session.deferred())
    assert {a["class"] for a in session.report().attempts} == {"benign", "malignant"}


def test_errors_in_one_class_refuse_that_class_alone():
    """An error rate that an average over everything would hide."""
    session, truth = made(wrong=0.12, rounds=12)
    result = session.autolabel(max_error={"benign": 0.05, "malignant": 0.05}, oracle=oracle(truth))
    assert [c.label for c in result.certificates] == ["benign"]
    assert set(result.labels.values()) == {"benign"}
    assert "malignant" in result.reason or len(session.report().attempts) == 1


def test_a_group_counts_as_one_attempt_and_is_taken_back_as_one_batch():
    session, truth = made()
    session.autolabel(max_error={"benign": 0.05, "malignant": 0.05}, oracle=oracle(truth))
    assert session.counts()["auto"] > 0
    session.undo_autolabel()
    assert session.counts()["auto"] == 0
    assert session.certificates() == []
    again = session.autolabel(max_error=0.05, oracle=oracle(truth))
    assert again.certificates[0].alpha == pytest.approx(0.05 * audit.SPEND[1])
    assert again.certificates[0].label is None


def test_checks_of_classes_come_mixed_and_survive_a_reopening(tmp_path):
    store = tmp_path / "s.askwise"
    session, truth = made(store=store)
    X = session.pool
    first = session.autolabel(max_error={"malignant": 0.05, "benign": 0.05})
    assert first.status == "checking"
    assert "not told apart" in first.reason
    assert not any(name in first.reason for name in NAMES), "the class would be the guess"
    with pytest.raises(BadInput, match="under way"):
        session.autolabel(max_error={"malignant": 0.04})
    seen = []
    while session.autolabel_status().status == "checking":
        for query in session.ask(3):
            assert query.suggestion is None
            seen.append(int(session._state.predictions_of(session._state.attempts[0].round)[query.row]))
            session.tell(query, NAMES[truth[query.row]])
        if len(seen) == 30:
            session.close()
            session = Session.open(store, pool=X)
    runs = 1 + int(np.count_nonzero(np.diff(seen)))
    assert runs > len(seen) / 4  # one by one and mixed, with items that the model takes for the third among them
    assert set(seen) == {0, 1, 2}
    assert [c.label for c in session.autolabel_status().certificates] == ["malignant", "benign"]
    session.close()


def test_cancelling_gives_up_all_that_are_under_way():
    session, _ = made()
    session.autolabel(max_error={"malignant": 0.05, "benign": 0.05})
    session.cancel_autolabel()
    assert [a["outcome"] for a in session.report().attempts] == ["cancelled"] * 2
    with pytest.raises(BadInput, match="No certification attempt"):
        session.cancel_autolabel()


def test_costs_become_limits():
    C = [[0, 10, 1], [2, 0, 0], [4, 0, 0]]  # true, given
    assert handover.limits_from_costs(C, 0.1, NAMES) == pytest.approx({"benign": 0.025, "malignant": 0.01, "odd": 0.1})


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.01, 0.9))
def test_limits_from_costs_keep_the_mean_cost(seed, classes, most):
    rng = np.random.default_rng(seed)
    C = rng.integers(0, 9, (classes, classes)) * (1 - np.eye(classes))
    if not np.any(most < C):
        return
    names = [str(c) for c in range(classes)]
    limits = handover.limits_from_costs(C, most, names)
    for c, name in enumerate(names):
        assert 0 < limits[name] <= 0.5
        worst = max(C[true][c] for true in range(classes))
        assert limits[name] * worst <= most + 1e-12  # were every allowed error the dearest


def test_costs_are_certified():
    session, truth = made()
    C = np.array([[0, 1, 1], [20, 0, 1], [20, 1, 0]], float)  # missing a malignant one is dear
    result = session.autolabel(costs=C, max_cost=1.0, oracle=oracle(truth))
    assert {c.label: c.max_error for c in result.certificates}["benign"] == pytest.approx(0.05)
    rows = {item: row for row, item in enumerate(session.pool.ids)}
    paid = [C[truth[rows[item]], NAMES.index(label)] for item, label in result.labels.items()]
    assert np.mean(paid) <= 1


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"max_error": {"benin": 0.1}}, "Did you mean|known"),
        ({"max_error": {}}, "names no class"),
        ({"max_error": {"benign": 1.0}}, "max_error of 'benign' must lie between 0 and 1"),
        ({"max_error": {"benign": "much"}}, "between 0 and 1"),
        ({"max_error": 0}, "max_error must lie between 0 and 1"),
        ({"costs": np.eye(3), "max_cost": 1}, "zeros where both are the same"),
        ({"costs": [[0, 1], [1, 0]], "max_cost": 0.1}, "square of 3 x 3"),
        ({"costs": 1 - np.eye(3), "max_cost": 0}, "above 0"),
        ({"costs": 1 - np.eye(3), "max_cost": 1}, "No single error costs more"),
        ({"costs": 1 - np.eye(3)}, "together with max_cost"),
        ({"max_cost": 1}, "together with max_cost"),
        ({"costs": 1 - np.eye(3), "max_cost": 0.1, "max_error": 0.1}, "Give either"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_nothing_is_spent(wanted, message):
    session, _ = made(n=400)
    with pytest.raises(BadInput, match=message):
        session.autolabel(**wanted)
    assert session.report().attempts == ()


def test_false_certificates_of_a_class_are_rare():
    """Every limit of one class is just broken: any certificate for it is false."""
    runs, false = 60, 0
    for seed in range(runs):
        rng = np.random.default_rng(1000 + seed)
        n, errors = 700, 71  # the fewest that break 10 % whatever the number of checks
        plan = audit.audit_plan(n, 0.1, 0.2 * audit.SPEND[0] / 2)
        outcome = plan.judge((rng.permutation(n) < errors).tolist(), None)
        false += outcome.status == "certified" and errors - outcome.wrong > 0.1 * (n - outcome.audits)
    assert false <= binom.ppf(0.9999, runs, plan.alpha)


def test_from_the_command_line(tmp_path):
    data = tmp_path / "mail.csv"
    data.write_text("text,label\n" + "".join(f"cash prize {i},spam\nsee you at {i},ham\n" for i in range(20)))
    path = tmp_path / "mail.askwise"
    Session(str(data), text="text", label="label", store=path).close()
    run = CliRunner().invoke
    refused = run(app, ["autolabel", str(path), "--max-error", "spam=0.01", "--max-error", "ham=0.1"])
    assert refused.exit_code == 1
    assert "spam: Only 0 items are left" in refused.output
    assert "ham: Only 0 items are left" in refused.output
    from askwise.commands.certify import _limits

    assert _limits(["a=b=0.5", "c=0.1"]) == {"a=b": 0.5, "c": 0.1}
    assert _limits(["0.02"]) == 0.02
    assert _limits(None) is None
    for bad in (["x"], ["0.1", "0.2"], ["a=0.1", "a=0.2"], ["0.1", "a=0.1"]):
        with pytest.raises(BadInput, match="--max-error"):
            _limits(bad)


# ── the whole file ──────────────────────────────────────────────────────────────────────────


def answers(truth, queries):
    return ["ab"[truth[q.row]] for q in queries]


def test_the_whole_file_is_cheaper_and_its_certificates_add_up():
    costs = {}
    for target in ("auto", "file"):
        rng = np.random.default_rng(4)
        truth = rng.integers(0, 2, 2000)
        X = rng.normal(size=(2000, 5)).astype(np.float32)
        X[:, 0] += 4.2 * truth  # a few are on the wrong side
        store = MemoryStore()
        session = Session(
            X, classes=["a", "b"], max_error=0.03, target=target, audit_share=0.2, store=store,
            learner="portfolio",
        )  # fmt: skip
        for _ in range(6):
            for query in session.ask(20):
                session.tell(query, "ab"[truth[query.row]])
            session.refresh()
        result = session.autolabel(oracle=partial(answers, truth))
        assert result.status == "certified"
        costs[target] = result.checks_done
        wrong = sum(label != "ab"[truth[session._rows[item]]] for item, label in result.labels.items())
        if target == "file":
            assert wrong <= 0.03 * 2000
            assert result.certificate.whole == 2000
            assert "3.0% of all 2,000 items" in result.certificate.sentence
            first = session._state.attempts[0]
            assert first.allowed == 60
            session.undo_autolabel()
            again = session.autolabel(max_error=0.05)
            assert again.status in ("checking", "refused")
            if again.status == "checking":
                assert session._state.attempts[1].allowed == 100  # what was taken back allows nothing any more
        assert verify(store).ok
    assert costs["file"] < costs["auto"]


def test_what_a_certificate_allows_is_taken_from_the_next():
    session, truth = made(n=3000)
    first = session.autolabel(max_error={"benign": 0.05}, oracle=oracle(truth))
    assert first.status == "certified"
    granted = int(0.05 * first.certificate.certified)
    result = session.autolabel(max_error=0.05, target="file")
    assert result.status == "checking"
    assert session._state.attempts[-1].allowed == 150 - granted


def test_a_file_is_not_certified_with_more_confidence_than_its_parts():
    session, truth = made(n=3000)
    assert session.autolabel(max_error={"benign": 0.05}, confidence=0.8, oracle=oracle(truth)).status == "certified"
    refused = session.autolabel(max_error=0.05, confidence=0.95, target="file")
    assert refused.status == "refused"
    assert "80% confidence only" in refused.reason
    with pytest.raises(BadInput, match="limit for each class"):
        session.autolabel(max_error={"malignant": 0.05}, target="file")
    with pytest.raises(BadInput, match="target"):
        session.autolabel(target="all")


def test_a_file_that_may_hold_more_errors_already_is_refused():
    session, truth = made(n=3000)
    assert session.autolabel(max_error={"benign": 0.05}, oracle=oracle(truth)).status == "certified"
    refused = session.autolabel(max_error=0.01, target="file")
    assert refused.status == "refused"
    assert "more than is asked for of all 3,000 items" in refused.reason


@given(st.integers(0, 500), st.integers(1, 4000))
def test_a_number_of_errors_as_a_share_allows_just_these(allowed, n):
    share = audit.share_of(allowed, n)
    plan = audit.Plan(n, share, 0.05, "dataset", (1,), 0.0)
    for m in {0, 1, n // 2, n}:
        assert plan.allowed(m) == min(allowed, n // 2)
