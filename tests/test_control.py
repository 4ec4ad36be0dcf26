"""The comparison with random sampling, the recorded series, and the advice drawn from them."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from askwise import Session, advice, control, report, stopping
from askwise.core import BadInput, Control, CurvePoint, Event, Verdict
from askwise.learners import SoftmaxRegression
from askwise.state import State
from askwise.state.fold import HANDLERS

pytestmark = pytest.mark.usefixtures("linear")


def blobs(n=600, classes=3, spread=1.2, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    X = rng.normal(size=(n, 8)) * spread + 3 * np.eye(8)[y]
    return X.astype(np.float32), [f"c{k}" for k in y]


def labeled(labels=120, store=None, strategy="auto", **options):
    X, y = blobs()
    session = Session(X, classes=["c0", "c1", "c2"], store=store, strategy=strategy, **options)
    for _ in range(labels // 20):
        for query in session.ask(20):
            session.tell(query, y[query.row], seconds=2.0 + query.row % 3)
        session.refresh()
    return session, X, y


# ── the random curve ────────────────────────────────────────────────────────────────────────


class Parrot:
    """Says the class that was most frequent in what it was fitted on, and remembers that."""

    def __init__(self):
        self.seen = []

    def fit(self, X, y):
        self.classes_, count = np.unique(y, return_counts=True)
        self.best = int(count.argmax())
        self.seen.append((np.asarray(X)[:, 0].astype(int).tolist(), np.asarray(y).tolist()))
        return self

    def predict_proba(self, X):
        return np.eye(len(self.classes_))[np.full(X.shape[0], self.best)]


def test_the_curve_counts_wrong_guesses_outside_nested_random_samples():
    n = 50
    X, y = np.arange(n)[:, None].astype(float), (np.arange(n) % 5 == 0).astype(int)
    parrot = Parrot()
    got = control.random_curve(X, y, np.array([20, 30]), parrot, seed=1, repeats=3)
    wrong = []
    for rows, labels in parrot.seen:
        assert labels == y[rows].tolist()
        rest = np.setdiff1d(np.arange(n), rows)
        wrong.append((y[rest] != np.bincount(labels).argmax()).sum())
    assert got == pytest.approx(np.mean(np.reshape(wrong, (3, 2)), axis=0))
    samples = [set(rows) for rows, _ in parrot.seen]
    assert samples[0] < samples[1], "the larger sample of one order holds the smaller"
    assert samples[0] != samples[2], "each repeat has its own order"


def test_the_curve_is_scaled_up_where_not_all_rows_are_tested(monkeypatch):
    monkeypatch.setattr(control, "TESTED", 400)
    X, y = blobs(2000)
    codes = np.unique(y, return_inverse=True)[1]
    part = control.random_curve(X, codes, np.array([30]), SoftmaxRegression(), seed=0, repeats=8)
    monkeypatch.setattr(control, "TESTED", 10_000)
    whole = control.random_curve(X, codes, np.array([30]), SoftmaxRegression(), seed=0, repeats=8)
    assert part != whole
    assert part == pytest.approx(whole, rel=0.25)


def test_samples_of_one_class_are_left_out():
    y = np.array([1] + [0] * 99)
    got = control.random_curve(np.arange(100.0)[:, None], y, np.array([2, 99]), Parrot(), seed=0, repeats=1)
    assert np.isnan(got[0])


@pytest.mark.parametrize("sizes", [[], [0, 5], [10]])
def test_sizes_that_leave_nothing_are_refused(sizes):
    with pytest.raises(BadInput, match="10 rows"):
        control.random_curve(np.zeros((10, 1)), np.arange(10) % 2, np.array(sizes, int), Parrot(), seed=0)


@given(st.integers(1, 10_000), st.integers(2, 10_000))
def test_sample_sizes_are_below_the_pool(labels, n):
    sizes = control.sample_sizes(labels, n)
    assert (np.diff(sizes) > 0).all()
    assert sizes[0] >= 1
    assert sizes[-1] < n


# ── what is uncertain ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("doubted", "wrong"), [(0.0, 0.0), (4.0, 2.0), (30.0, 6.5), (3.0, 11.0)])
def test_error_scales_are_the_posterior_of_poisson_checks(doubted, wrong):
    scales, weight = control.error_scales(doubted, wrong)
    assert weight.sum() == pytest.approx(1)

    def density(log):
        prior = stats.t.pdf((log - control.USUAL) / control.SPREAD, control.TAILS)
        return prior * np.exp(wrong * log - doubted * np.exp(log))

    total = integrate.quad(density, -5, 3, points=[-2, 0, 1])[0]
    mean = integrate.quad(lambda log: log * density(log), -5, 3, points=[-2, 0, 1])[0] / total
    assert weight @ np.log(scales) == pytest.approx(mean, abs=0.02)


def test_error_scales_refuse_negative_counts():
    with pytest.raises(BadInput, match="-1"):
        control.error_scales(-1, 0)


def test_labels_at_inverts_a_power_law():
    sizes = np.array([50, 100, 200, 400, 800])
    wrong = 20_000 / sizes - 0.5
    assert control.labels_at(sizes, wrong, 20_000 / np.array([50, 75, 300, 799]), 10**6) == pytest.approx(
        [50, 75, 300, 799]
    )


def test_labels_at_the_ends():
    found = control.labels_at(np.array([50, 100]), np.array([30.0, 10.0]), np.array([1000.0, 0.0]), 700)
    assert found == pytest.approx([50, 700])


@given(
    st.lists(st.floats(0, 1000) | st.just(float("nan")), min_size=5, max_size=5),
    st.lists(st.floats(0, 2000), min_size=2, max_size=9),
)
def test_fewer_errors_never_take_fewer_labels(wrong, targets):
    targets = np.sort(targets)
    found = control.labels_at(np.array([10, 20, 40, 80, 160]), np.array(wrong), targets, 200)
    assert (np.diff(found) <= 1e-9).all()
    assert ((found >= 10 - 1e-9) & (found <= 200 + 1e-9)).all()


def compared(labels=400, **changes):
    sizes = control.sample_sizes(labels, 20_000)
    given = {"doubt": 300.0, "doubted": 6.0, "mistakes": 4.0, "checks": 40} | changes
    return control.compare(labels, 20_000, sizes, 200_000 / sizes, **given)


def test_the_interval_is_that_of_random_draws():
    found = compared()
    rng = np.random.default_rng(0)
    scales, weight = control.error_scales(6.0, 4.0)
    share = control.SHARED * np.exp(control.SHARED_SPREAD * rng.standard_normal(200_000))
    sizes = control.sample_sizes(400, 20_000)
    drawn = control.labels_at(sizes, 200_000 / sizes, rng.choice(scales, p=weight, size=200_000) * 300 * share, 20_000)
    assert (found.low, found.needed, found.high) == pytest.approx(np.quantile(drawn, [0.05, 0.5, 0.95]), rel=0.1)


def test_more_checks_narrow_the_interval():
    few, many = compared(), compared(doubted=60.0, mistakes=40.0, checks=400)
    assert few.low < many.low <= many.needed <= many.high < few.high


def test_it_says_when_it_cannot_tell(monkeypatch):
    assert compared(labels=control.LEAST_LABELS - 1).needed is None
    assert compared(checks=control.LEAST_CHECKS - 1).needed is None
    sizes = control.sample_sizes(400, 20_000)
    nothing = np.full(len(sizes), np.nan)
    assert control.compare(400, 20_000, sizes, nothing, doubt=300, doubted=6, mistakes=4, checks=40).needed is None
    assert compared().needed is not None
    monkeypatch.setattr(control, "WIDEST", 1.5)
    assert compared().needed is None


@pytest.mark.parametrize(
    ("found", "says", "apart"),
    [
        (Control(200, 800, 300, 1500, 20), "would have taken about 800 labels (300 to 1,500)", True),
        (Control(200, 80, 30, 150, 20), "only about 80 labels (30 to 150)", True),
        (Control(200, 300, 150, 900, 20), "cannot be told yet: with random sampling about 300", False),
        (Control(200, None, None, None, 3), "cannot be told yet: too few", False),
    ],
)
def test_sentences(found, says, apart):
    assert says in found.sentence
    assert found.told_apart is apart


# ── in a session ────────────────────────────────────────────────────────────────────────────


def test_a_session_compares_itself_and_remembers():
    session, X, y = labeled(200, audit_share=0.2)
    with session:
        fitted = session._parts.learner.predict_proba(X)
        events = len(session._store.read())
        found = session.control()
        assert found.labels == 200
        assert found.checks >= 20
        assert len(session._store.read()) == events, "comparing writes nothing"
        assert np.array_equal(session._parts.learner.predict_proba(X), fitted), "the session's own model is not touched"
        assert session.control() is found, "once for each ranking"
        again, *_ = labeled(200, audit_share=0.2)
        with again:
            assert again.control() == found, "deterministic"
        for query in session.ask(20):
            session.tell(query, y[query.row])
        assert session.control(compute=False) is found
        session.refresh()
        assert session.control().labels == 220


def test_what_was_found_is_in_the_log(tmp_path):
    session, _, y = labeled(120, store=tmp_path / "s.askwise")
    with session:
        found = session.control()
        query = session.ask()[0]
        session.tell(query, y[query.row])
        session.refresh()
    X, _ = blobs()
    with Session.open(tmp_path / "s.askwise", pool=X) as again:
        assert again.control() == found, "the model is not at hand, so what was found last"
        assert report.to_text(again.report(), width=400).count(found.sentence) == 1


def test_the_worker_compares_now_and_then(monkeypatch):
    session, _, y = labeled(60)
    with session:
        made = []
        compare = advice.Sample.compare
        monkeypatch.setattr(advice.Sample, "compare", lambda self, *a: made.append(self.labels) or compare(self, *a))
        for _ in range(30):
            for query in session.ask(2):
                session.tell(query, y[query.row])
            session._trainer._learn_on()
        assert made[0] >= 1.25 * control.LEAST_LABELS
        assert all(b >= 1.25 * a for a, b in itertools.pairwise(made))
        assert len(made) >= 2


def test_no_model_no_comparison():
    X, _ = blobs()
    with Session(X, classes=["c0", "c1", "c2"]) as session:
        assert session.control() is None
        assert session.report().control is None


def test_any_learner_and_sparse_features():
    from scipy import sparse
    from sklearn.naive_bayes import GaussianNB, MultinomialNB

    X, y = blobs()
    for features, learner in ((X, GaussianNB()), (sparse.csr_matrix(np.maximum(X, 0)), MultinomialNB())):
        with Session(features, classes=["c0", "c1", "c2"], learner=learner, audit_share=0.2) as session:
            for query in session.ask(30):
                session.tell(query, y[query.row])
            session.refresh()
            for query in session.ask(50):
                session.tell(query, y[query.row])
            session.refresh()
            assert session.control().labels == 80


# ── recorded series, advice ─────────────────────────────────────────────────────────────────


def test_series_are_what_the_rankings_say():
    session, _, y = labeled(60)
    with session:
        before, _ = session.predictions()
        for query in session.ask(20):
            session.tell(query, y[query.row])
        session.refresh()
        after, sure = session.predictions()
        point, series = session.report().curve[-1], session.series()
        rest = session._state.rest()
        assert point.rest == rest.sum() == series["rest"][-1]
        assert point.doubt == pytest.approx((1 - sure[rest]).mean(), abs=1e-5)
        assert point.doubt_most == pytest.approx((1 - sure[rest]).max(), abs=1e-5)
        assert point.changed == sum(a != b for a, b in zip(before, after, strict=True)) == series["changed"][-1]
        assert series["kappas"][-1] == pytest.approx(stopping.kappa(np.array(before), np.array(after)), abs=1e-5)
        assert len(series["doubts"]) == len(series["labels"]) == len(series["changed"]) + 1


def test_old_logs_have_shorter_series():
    old = {"labels": 10, "accuracy": None, "low": 0.0, "high": 1.0, "audits": 0, "at": 1.0, "seconds": 0.1}
    new = old | {"labels": 20, "rest": 5, "doubt": 0.2, "doubt_most": 0.5, "changed": 2, "kappa": 0.9}
    series = advice.series([CurvePoint(**old), CurvePoint(**new)])
    assert series["labels"].tolist() == [20]
    assert series["kappas"].tolist() == [0.9]
    assert series["change_labels"].tolist() == [20]
    assert next(v.ready for _, v in advice.all_criteria(advice.series([]), Verdict(True, "stop")))


def test_advice_names_each_criterion():
    session, *_ = labeled(120)
    with session:
        names = [name for name, _ in session.advice()]
        assert names == ["bargain", "stable", "unchanged", "confident", "peaked"]
        assert session.advice()[0][1] == session.verdict()
        priced = dict(session.advice(price_per_hour=30, price_of_error=5))
        assert "a label costs" in priced["pays"].reason
        each = stopping.pace(session._seconds())[0]
        assert f"{30 * each / 3600:,.3g}" in priced["pays"].reason
        assert priced["bargain"].money_left == pytest.approx(priced["bargain"].minutes_left / 60 * 30)
        with pytest.raises(BadInput, match="both prices"):
            session.advice(price_of_error=5)
        with pytest.raises(BadInput, match="-1"):
            session.verdict(price_per_hour=-1)
        shown = session.report(price_per_hour=30, price_of_error=5)
        body = json.loads(report.to_json(shown))
        assert body["control"]["labels"] == 120
        assert body["verdict"]["money_left"] == shown.verdict.money_left
        for text in (report.to_text(shown, width=400), report.to_html(shown)):
            assert "money to go" in text
            assert "a label costs" in text
            assert shown.control.sentence in text


def test_untimed_answers_have_no_price():
    X, y = blobs()
    with Session(X, classes=["c0", "c1", "c2"]) as session:
        for query in session.ask(20):
            session.tell(query, y[query.row])
        session.refresh()
        assert session.verdict().minutes_left is None
        assert "timed" in dict(session.advice(price_per_hour=30, price_of_error=5))["pays"].reason


def test_a_comparison_in_the_log_is_read():
    state = State()
    state.opened, state.n = {}, 0
    ranked = {"round": 0, "trained_on": 0, "queue": [], "scores": [], "parts": [], "strategy": "x", "planned": 0}
    found = Control(100, 300, 150, 700, 12)
    HANDLERS["ranked"](state, Event("ranked", ranked | {"control": asdict(found)}, 0.0, 1))
    assert state.control == found


def test_the_command_line_takes_prices(tmp_path, capsys):
    from askwise import cli

    path = tmp_path / "mail.askwise"
    texts = [f"{word} number {i}" for i in range(100) for word in ("apple", "stone")]
    with Session(texts, classes=["a", "s"], store=path, encoder="tfidf") as session:
        for query in session.ask(40):
            session.tell(query, query.text[0], seconds=3.0)
        session.refresh()
    with pytest.raises(SystemExit):
        cli.main(["report", str(path), "--json", "--price-per-hour", "36", "--price-of-error", "5"])
    body = json.loads(capsys.readouterr().out)
    assert {name: verdict["reason"] for name, verdict in body["advice"]}["pays"]
    verdict = body["verdict"]
    assert verdict["minutes_left"] == pytest.approx(verdict["labels_left"] * 3 / 60), "of the log, without a model"
    assert verdict["money_left"] == pytest.approx(verdict["minutes_left"] / 60 * 36)
    with pytest.raises(SystemExit) as end:
        cli.main(["report", str(path), "--price-of-error", "5"])
    assert end.value.code == 2
    assert "both prices" in capsys.readouterr().err
