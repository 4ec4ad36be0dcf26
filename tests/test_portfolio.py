"""The learner that chooses itself: what it is made of, what it says, and where it works."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from askwise import Session, learners, simulate
from askwise.core import BadInput
from askwise.learners import Portfolio, SoftmaxRegression, Standing
from askwise.learners.portfolio import PARTS, evidence
from askwise.learners.portfolio.parts import MOST_TRIED, TREES, Forest, Kernel, Quadratic
from askwise.learners.portfolio.portfolio import AT_LEAST, stratified
from askwise.learners.portfolio.views import FAR, Scaling, Views
from askwise.testing import check_learner


def rings(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two rings around one middle, which no line divides."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    turn, far = rng.uniform(0, 2 * np.pi, n), 1 + y + 0.1 * rng.normal(size=n)
    return np.c_[far * np.cos(turn), far * np.sin(turn)], y


def spreads(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Equal means, other spread."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    return rng.normal(size=(n, 8)) * np.where(y, 0.4, 1.0)[:, None], y


def steps(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two of thirty columns decide, by thresholds."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 30))
    return X, ((X[:, 0] > 0) & (X[:, 1] > -0.5)).astype(int)


def lines(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A line divides them, but for noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 20))
    return X, (X[:, :3].sum(1) + 0.5 * rng.normal(size=n) > 0).astype(int)


def right(learner, X, y, m: int) -> float:
    if hasattr(learner, "know_pool"):
        learner.know_pool(X)
    learner.fit(X[:m], y[:m])
    return float((learner.predict(X[m:]) == y[m:]).mean())


# ── what it learns ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("made", "m", "least"), [(rings, 60, 0.97), (spreads, 60, 0.85), (steps, 150, 0.88)])
def test_it_learns_what_no_line_divides(made, m, least) -> None:
    found = np.mean([right(Portfolio(), *made(900, seed), m) for seed in range(3)])
    line = np.mean([right(SoftmaxRegression(), *made(900, seed), m) for seed in range(3)])
    assert found >= least
    assert found > line + 0.05


def test_where_a_line_divides_it_is_as_good_as_one() -> None:
    both = [[right(make(), *lines(1200, seed), 80) for seed in range(4)] for make in (Portfolio, SoftmaxRegression)]
    assert np.mean(both[0]) > np.mean(both[1]) - 0.015


def test_the_parts_that_fit_are_in_charge() -> None:
    X, y = rings(800)
    learner = Portfolio()
    right(learner, X, y, 100)
    assert learner.standing_ is not None
    weights = learner.standing_.weights
    assert sum(weights.values()) == pytest.approx(1)
    assert not {"linear", "firm linear"} & set(weights)
    assert learner.standing_.since == 100
    assert learner.standing_.right > learner.standing_.base + 0.2


def test_classes_come_and_go() -> None:
    X, y = load_digits(return_X_y=True)
    learner = Portfolio()
    learner.know_pool(X)
    first = np.flatnonzero(y == 3)[:5]
    assert np.array_equal(learner.fit(X[first], y[first]).predict_proba(X[:4]), np.ones((4, 1)))
    assert learner.standing() is None
    some = np.concatenate([first, np.flatnonzero(y == 5)[:5]])
    assert list(learner.fit(X[some], y[some]).classes_) == [3, 5]
    learner.fit(X[:60], y[:60])
    assert list(learner.classes_) == list(range(10))
    P = learner.predict_proba(X[:200])
    assert P.shape == (200, 10)
    assert np.allclose(P.sum(1), 1, atol=1e-5)
    learner.fit(X[some], y[some])
    assert list(learner.classes_) == [3, 5]


def test_weights_stay_until_the_labels_have_grown() -> None:
    X, y = lines(400)
    learner = Portfolio()
    learner.know_pool(X)
    since = []
    for m in range(40, 60):
        learner.fit(X[:m], y[:m])
        since.append(learner.standing_.since)
    assert since == [40] * 8 + [48] * 10 + [58] * 2  # by a fifth: 8, then 9.6 labels
    learner.fit(X[:4], y[:4])
    for m in range(5, 4 + AT_LEAST):
        assert learner.fit(X[:m], y[:m]).standing_.since == 4


def test_a_corrected_label_is_learned_at_once_by_the_forest_too() -> None:
    X, y = steps(400)
    learner = Portfolio(["forest"])
    learner.know_pool(X)
    learner.fit(X[:100], y[:100])
    before = learner.predict_proba(X)
    learner.fit(X[:103], y[:103])
    assert np.array_equal(before, learner.predict_proba(X))  # three more labels are not worth a forest
    changed = y.copy()
    changed[:40] = 1 - changed[:40]
    learner.fit(X[:103], changed[:103])
    assert (learner.predict(X[:40]) == changed[:40]).mean() > 0.5
    again = Portfolio(["forest"])
    again.know_pool(X)
    again.fit(X[:103], changed[:103])
    assert np.array_equal(
        np.argsort(again._parts["forest"].proba(learner._views(X).scaled)[:, 0]),
        np.argsort(learner._parts["forest"].proba(learner._views(X).scaled)[:, 0]),
    )


def test_bad_input_is_refused() -> None:
    with pytest.raises(BadInput, match="No part 'magic'"):
        Portfolio(["magic"])
    with pytest.raises(BadInput, match="at least one part"):
        Portfolio([])
    with pytest.raises(BadInput, match="one label per row"):
        Portfolio().fit(np.zeros((3, 2)), [0, 1])
    with pytest.raises(BadInput, match="NaN or infinity"):
        Portfolio().fit(np.array([[np.nan], [1.0]]), [0, 1])
    with pytest.raises(BadInput, match="fitted learner"):
        Portfolio().whiten(np.zeros((2, 2)))


def test_sparse_rows_stay_sparse() -> None:
    X, y = lines(200)
    learner = Portfolio().fit(sparse.csr_matrix(X)[:50], y[:50])
    assert learner.standing() == {"weights": {"linear": 1.0}, "since": 50, "right": None, "base": None}
    line = SoftmaxRegression(calibrate=False).fit(sparse.csr_matrix(X)[:50], y[:50])
    assert np.array_equal(learner.predict(sparse.csr_matrix(X)), line.predict(sparse.csr_matrix(X)))


@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from([1e-6, 1.0, 1e9]))
def test_odd_columns_do_no_harm(seed: int, d: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, d)) * scale
    X[:, 0] = rng.choice([0.0, 7.0])  # does not vary
    y = np.arange(30) % 3
    learner = Portfolio(["linear", "firm linear", "scaled linear", "kernel", "scaled kernel", "Gaussians"])
    P = learner.fit(X, y).predict_proba(X)
    assert np.isfinite(P).all()
    assert np.allclose(P.sum(1), 1, atol=1e-5)


def test_the_kit_for_learners() -> None:
    check_learner(Portfolio)


# ── its parts ───────────────────────────────────────────────────────────────────────────────


def test_a_forest_is_that_of_scikit_learn() -> None:
    X, y = steps(300)
    Z = X.astype(np.float32)
    ours = Forest().fit(Z[:150], y[:150], 2)
    tried = round(min(30 / 2, MOST_TRIED))
    theirs = RandomForestClassifier(TREES, max_features=tried, random_state=0, oob_score=True).fit(Z[:150], y[:150])
    assert np.allclose(ours.proba(Z), theirs.predict_proba(Z), atol=1e-6)
    assert np.allclose(ours.out_of_bag, theirs.oob_decision_function_, atol=1e-6)
    plain = ours.for_prediction()
    assert plain.grown is None
    assert np.array_equal(plain.proba(Z), ours.proba(Z))  # to the last digit
    assert np.allclose(ours.committee(Z, 10, 0).mean(0), ours.proba(Z), atol=1e-5)


def test_a_kernel_is_a_kernel_machine() -> None:
    """With all rows as landmarks the inner products of the features are the kernel."""
    Z = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    part = Kernel().fit(Z, np.arange(40) % 2, 2)
    F = part._features(Z)
    D = ((Z[:, None] - Z[None]) ** 2).sum(-1)
    assert np.allclose(F @ F.T, np.exp(-D / np.median(D[np.triu_indices(40, 1)])), atol=1e-3)


def test_gaussians_know_their_own() -> None:
    """With many labels: the quadratic discriminant of the true means and spreads, cooled for the number of columns."""
    X, y = spreads(4000)
    part = Quadratic().fit(X[:3000].astype(np.float32), y[:3000], 2)
    squares = (X[3000:] ** 2).sum(1)
    truth = squares / 2 * (1 / 0.4**2 - 1) < -8 * np.log(0.4)
    assert (part.proba(X[3000:].astype(np.float32)).argmax(1) == truth).mean() > 0.97


def test_views_scale_as_they_say() -> None:
    X = np.c_[np.arange(10.0), 1000 * np.arange(10.0)[::-1], np.full(10, 3.0)]
    scaling = Scaling.of(X)
    assert not scaling.alike
    rows = Views(X, scaling)
    assert np.allclose(rows.scaled[:, :2].std(0), 1)
    assert np.array_equal(rows.scaled[:, 2], np.zeros(10, np.float32))
    assert np.allclose((rows.plain**2).mean(), 1)
    assert rows.plain[:, 1].std() > 100 * rows.plain[:, 0].std()
    far = Views(np.array([[1e6, 0, 3]]), scaling)
    assert far.scaled.max() == np.float32(FAR)
    rows = Views(X[:, :1], Scaling.of(X[:, :1]))
    assert rows.scaled is rows.plain  # one unit: nothing to scale


# ── evidence ────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.integers(2, 10))
def test_folds_spread_classes_evenly(labels: list[int], folds: int) -> None:
    y = np.array(labels)
    fold = evidence.folds_of(y, folds)
    for c in set(labels):
        counts = np.bincount(fold[y == c], minlength=min(folds, len(y)))
        assert counts.max() - counts.min() <= 1


def test_the_mixture_is_the_likeliest() -> None:
    """Against a fine grid over the weights of three parts, with the prior as pseudo-labels."""
    rng = np.random.default_rng(0)
    L = rng.uniform(0.05, 1, (25, 3))
    weight, prior = rng.uniform(0.2, 2, 25), np.array([0.5, 0.3, 0.2])
    weight *= 25 / weight.sum()

    def objective(w: np.ndarray) -> float:
        return float(weight @ np.log(L @ w) + 2 * prior @ np.log(w))

    best = max(
        (np.array([a, b, 1 - a - b]) for a in np.linspace(0.01, 0.98, 98) for b in np.linspace(0.01, 0.98, 98)
         if 1 - a - b > 0.005),
        key=objective,
    )  # fmt: skip
    found = evidence.mixture(L, weight, prior, 2.0)
    assert objective(found) >= objective(best) - 0.02
    assert np.abs(found - best).max() < 0.06


def test_a_power_undoes_a_power() -> None:
    rng = np.random.default_rng(1)
    P = rng.dirichlet(np.ones(3), 4000)
    y = np.array([rng.choice(3, p=p) for p in P])
    overdone = P**3 / (P**3).sum(1, keepdims=True)
    assert 0.25 < evidence.power_of(overdone, y, np.ones(4000)) < 0.6  # less than a third: some is spread first
    assert 0.8 < evidence.power_of(P, y, np.ones(4000)) < 1.25


def test_chosen_labels_count_as_if_drawn() -> None:
    """A model that is right where it is sure: among doubtful labels alone it looks bad, weighed it does not."""
    rng = np.random.default_rng(2)
    pool = rng.uniform(0.5, 1, 4000)
    doubtful = np.sort(pool[rng.permutation(4000)[:400]])
    chosen = np.concatenate([doubtful[:150], doubtful[150::5]])
    truth = rng.random(len(chosen)) < chosen
    weight = stratified(chosen, pool)
    assert weight.mean() == pytest.approx(1)
    plain, weighed = truth.mean(), truth @ weight / weight.sum()
    assert abs(weighed - 0.75) < abs(plain - 0.75)
    assert np.allclose(stratified(pool[:500], pool), 1, atol=0.35)


# ── in sessions ─────────────────────────────────────────────────────────────────────────────


def taught(X: np.ndarray, y: np.ndarray, rounds: int = 6, **more) -> Session:
    session = Session(X, classes=["a", "b"], seed=0, **more)
    for _ in range(rounds):
        for query in session.ask(10):
            session.tell(query, "ab"[y[query.row]])
        session.refresh()
    return session


def test_it_is_the_default_of_features_and_the_log_says_who_is_in_charge(tmp_path: Path) -> None:
    X, y = rings(300)
    path = tmp_path / "rings.askwise"
    with taught(X, y, store=path) as session:
        assert session.settings["learner"] == "Portfolio()"
        guesses, _ = session.predictions()
        truth = np.array(["ab"[c] for c in y])
        assert (np.array(guesses) == truth).mean() > 0.95
        standing = session.look(lambda s: s.standings[-1])
        assert Standing.of(standing).data() == standing
        assert standing["weights"] == dict(session._trainer.parts.learner.standing()["weights"])
    with Session.open(path, pool=X) as again:
        assert again.settings["learner"] == "Portfolio()"
        assert again.look(lambda s: s.standings[-1]) == standing
        again.refresh()
        more, _ = again.predictions()
        assert (np.array(more) == truth).mean() > 0.95
    from askwise.verification import verify

    assert verify(path).ok


def test_texts_are_learned_by_linear_ones() -> None:
    texts = [f"{'good' if i % 2 else 'bad'} thing {i}" for i in range(40)]
    assert Session(texts, classes=["a", "b"]).settings["learner"] == repr(learners.named("linears"))


@pytest.mark.parametrize("name", learners.NAMES)
def test_each_name_works_and_is_found_again(name: str, tmp_path: Path) -> None:
    X, y = lines(120)
    path = tmp_path / "s.askwise"
    with taught(X, y, 2, learner=name, store=path) as session:
        described = session.settings["learner"]
        assert described == learners.describe(learners.named(name))
    with Session.open(path, pool=X) as again:
        for query in again.ask(5):
            again.tell(query, "ab"[y[query.row]])
        assert again.refresh()
        assert again.settings["learner"] == described


def test_an_unknown_name_lists_ours() -> None:
    with pytest.raises(BadInput, match="portfolio"):
        Session(np.zeros((4, 2)), classes=["a", "b"], learner="florest")
    with pytest.raises(BadInput, match="learns one label an item"):
        Session(np.zeros((4, 2)), classes=["a", "b"], learner="forest", task="sets")


def test_a_sentence_says_who_is_in_charge() -> None:
    standing = Standing({"forest": 0.62, "kernel": 0.38}, 80, 0.91, 0.84)
    assert standing.sentence() == (
        "forest 62 %, kernel 38 % since label 80: 91 % of labels held out are right, of a linear model 84 %"
    )
    assert Standing({"linear": 1.0}, 5, None, None).sentence() == "linear since label 5"


def test_a_saved_model_says_the_same_to_the_last_digit(tmp_path: Path) -> None:
    from askwise import model

    X, y = steps(300)
    session = taught(X, y, 8)
    fitted = session.model()
    fitted.save(tmp_path / "m.skops")
    again = model.load(tmp_path / "m.skops")
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    guesses, _ = session.predictions()
    open_ = [row for row in range(300) if session.look(lambda s, r=row: not s.labeled_mask[r])]
    assert [str(g) for g in again.predict(X[open_])] == [guesses[row] for row in open_]
    assert again.learner_._seen is None


def test_it_travels_to_another_process() -> None:
    X, y = rings(200)
    learner = Portfolio()
    right(learner, X, y, 60)
    again = pickle.loads(pickle.dumps(learner))
    assert np.array_equal(again.predict_proba(X), learner.predict_proba(X))


def test_comparisons_keep_the_weights() -> None:
    X, y = rings(400)
    learner = Portfolio()
    right(learner, X, y, 80)
    quick = learner.for_comparison()
    quick.fit(X[:30], y[:30])
    assert dict(quick.standing_.weights) == dict(learner.standing_.weights)
    quick.fit(X[:1], y[:1])
    quick.fit(X[:50], y[:50])
    assert dict(quick.standing_.weights) == dict(learner.standing_.weights)
    assert (quick.predict(X) == y).mean() > 0.9


def test_simulate_takes_names_and_says_which() -> None:
    from askwise import load_pool

    X, y = rings(150)
    truth = ["ab"[c] for c in y]
    found = {
        name: simulate(
            load_pool(X), truth, strategies=["margin"], seeds=2, budget=40, batch=10, processes=1, learner=name
        )
        for name in (None, "linear")
    }
    assert found[None].settings["learner"] == "Portfolio()"
    assert found["linear"].settings["learner"].startswith("SoftmaxRegression(")
    last = {name: np.mean([run.scores["accuracy"][-1] for run in one.runs]) for name, one in found.items()}
    assert last[None] > last["linear"] + 0.2


def test_names_are_those_that_tab_offers() -> None:
    from askwise import completion

    assert completion.LEARNERS == learners.NAMES
    assert set(PARTS) >= {"linear", "forest"}


def test_a_pool_that_changes_is_scaled_anew() -> None:
    """As where items are withdrawn: as many rows as before, of which one is another."""
    X, y = rings(300)
    learner = Portfolio()
    learner.know_pool(X)
    learner.fit(X[:60], y[:60])
    since = learner.standing_
    learner.know_pool(X.copy())
    assert learner.standing_ is since
    changed = X.copy()
    changed[7] *= 50
    learner.know_pool(changed)
    assert learner.standing_ is None
    learner.fit(X[:60], y[:60])
    assert learner._scaling.center[0] == pytest.approx(changed[:, 0].mean())


def test_few_labels_of_many_classes_are_no_reason_to_warn() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), np.arange(40) % 30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Portfolio().fit(X, y).predict_proba(X)
