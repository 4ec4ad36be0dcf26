"""Any estimator as a learner: calibration, committees, too few labels, sparse features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from askwise import testing
from askwise.core import BadInput, ContractError
from askwise.engine import select
from askwise.learners import SoftmaxRegression, adapt, describe
from askwise.learners.calibration import Calibration, fit_calibration, held_out_logits
from askwise.learners.softmax import COLD
from askwise.session import Session

ANY = {
    "linear svc": lambda: LinearSVC(),
    "svc": lambda: SVC(),
    "ridge": lambda: RidgeClassifier(),
    "forest": lambda: RandomForestClassifier(12, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(12, random_state=0),
    "hist boosting": lambda: HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=1),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0),
    "bagging": lambda: BaggingClassifier(n_estimators=3, random_state=0),
    "naive bayes": lambda: GaussianNB(),
    "neighbors": lambda: KNeighborsClassifier(3),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "pipeline of svc": lambda: make_pipeline(StandardScaler(), LinearSVC()),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [1, 10]}, cv=2),
    "search of svc": lambda: GridSearchCV(make_pipeline(StandardScaler(), LinearSVC()), {"linearsvc__C": [1, 5]}, cv=2),
    "calibrated": lambda: CalibratedClassifierCV(LinearSVC(), cv=2),
}


def groups(seed, m, d=5, classes=2, spread=1.0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, m - classes)])
    return rng.normal(size=(classes, d))[y] * spread + rng.normal(size=(m, d)), y


@pytest.mark.parametrize("name", ANY)
def test_any_classifier_passes_the_kit(name):
    testing.check_learner(lambda: adapt(ANY[name]()))


@pytest.mark.parametrize("name", ANY)
def test_any_classifier_serves_any_signal(name):
    X, y = groups(1, 60, classes=3, spread=2)
    learner = adapt(ANY[name]()).fit(X[:30], y[:30])
    for strategy in ("margin", "consensus_kl", "vote_entropy"):
        assert len(select(X, np.arange(30, 60), learner, strategy, k=5).rows) == 5
    assert learner.decision_function(X).shape == (60, 3)
    assert learner.whiten(X).shape[0] == 60


@pytest.mark.parametrize("name", ["linear svc", "hist boosting", "neighbors", "search of svc", "calibrated"])
def test_any_classifier_runs_a_session_from_the_second_label_on(name):
    """Sessions give class numbers, perhaps with a gap, from the first two labels on."""
    X, y = groups(2, 40, classes=3, spread=3)
    names = np.array(["a", "b", "c"])
    with Session(X, classes=["a", "never", "b", "c"], learner=ANY[name](), strategy="margin", audit_share=0) as session:
        for _ in range(14):
            for query in session.ask(1):
                session.tell(query, names[y[query.row]])
            session.refresh()
        labels, confidence = session.predictions()
    assert np.isfinite(confidence).all()
    assert np.mean(np.array(labels) == names[y]) > 0.6
    assert session.settings["learner"] == describe(adapt(ANY[name]()))


# ── notes ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("linear svc", ["softmax of decision_function", "calibrated by cross-validation", "bootstrap"]),
        ("pipeline of svc", ["softmax of decision_function", "bootstrap"]),
        ("forest", ["temperature", "single trees"]),
        ("hist boosting", ["temperature", "bootstrap"]),
        ("pipeline", ["Laplace"]),
        ("search", ["Laplace", "below 2 labels of a class a softmax regression stands in"]),
        ("neighbors", ["bootstrap", "below 3 labels a softmax regression stands in"]),
    ],
)
def test_what_is_added_is_in_the_log(name, words):
    learner = adapt(ANY[name]())
    assert len(learner.notes) == len(words) - (name == "linear svc")
    for word in words:
        assert any(word in note for note in learner.notes), (word, learner.notes)
        assert word in describe(learner)


def test_calibration_can_be_switched():
    assert "not calibrated" in describe(adapt(LinearSVC(), calibrate=False))
    assert "temperature" in describe(adapt(GaussianNB(), calibrate=True))
    X, y = groups(0, 40)
    raw = DecisionTreeClassifier(random_state=0).fit(X, y).predict_proba(X)
    plain = adapt(DecisionTreeClassifier(random_state=0), calibrate=False)
    assert np.array_equal(plain.fit(X, y).predict_proba(X), raw)


# ── calibration ─────────────────────────────────────────────────────────────────────────────


def log_loss(P, y):
    return -np.log(np.maximum(P[np.arange(len(y)), y], 1e-9)).mean()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", ["linear svc", "svc", "forest", "hist boosting", "boosting"])
def test_calibration_makes_unseen_labels_likelier(name, classes):
    gain, gap = [], []
    for seed in range(4):
        X, y = groups(seed, 750, classes=classes, spread=0.7)
        calibrated = adapt(ANY[name]()).fit(X[:150], y[:150])
        plain = adapt(ANY[name](), calibrate=False).fit(X[:150], y[:150])
        P, Q, truth = calibrated.predict_proba(X[150:]), plain.predict_proba(X[150:]), y[150:]
        if classes > 2:  # Platt's shift may move the boundary between two classes
            assert np.array_equal(P.argmax(1), Q.argmax(1))
        gain.append(log_loss(Q, truth) - log_loss(P, truth))
        gap.append(P.max(1).mean() - np.mean(P.argmax(1) == truth))
    assert np.mean(gain) > 0
    assert abs(np.mean(gap)) < 0.06


def test_an_overfitted_tree_learns_how_often_it_is_wrong():
    X, y = groups(4, 1200, spread=0.4)
    tree = adapt(DecisionTreeClassifier(random_state=0)).fit(X[:200], y[:200])
    P = tree.predict_proba(X[200:])
    assert P.max(1).mean() == pytest.approx(np.mean(P.argmax(1) == y[200:]), abs=0.06)


def test_platt_finds_slope_and_shift():
    rng = np.random.default_rng(0)
    d = rng.normal(size=20_000) * 0.01  # the scale of a decision function means nothing
    y = (rng.random(20_000) < 1 / (1 + np.exp(-(150 * d - 0.7)))).astype(int)
    found = fit_calibration(np.stack([-d / 2, d / 2], axis=1), y, platt=True)
    assert found.slope == pytest.approx(150, rel=0.1)
    assert found.shift == pytest.approx(-0.7, abs=0.1)


def test_a_temperature_is_found_and_stays_finite():
    rng = np.random.default_rng(1)
    Z = 2 * rng.normal(size=(20_000, 3))
    P = Calibration(0.4)(Z)
    y = (rng.random((20_000, 1)) > P.cumsum(1)).sum(1)
    assert fit_calibration(Z, y).slope == pytest.approx(0.4, rel=0.05)
    right = np.arange(30) % 3
    assert 1 < fit_calibration(5.0 * np.eye(3)[right], right).slope < 150
    assert fit_calibration(Z[:9], y[:9]) == Calibration()


def test_held_out_rows_are_held_out():
    codes = np.array([0] * 11 + [1] * 3 + [2])
    X = np.arange(15)[:, None]
    seen = []

    def fit(rows, y):
        assert set(y) == {0, 1, 2}, "every fold must know every class"
        return set(rows[:, 0])

    def logits(model, rows):
        assert not model & set(rows[:, 0])
        seen.extend(rows[:, 0])
        return np.zeros((len(rows), 3))

    Z, truth = held_out_logits(fit, logits, X, codes)
    assert sorted(seen) == list(range(14)), "the only row of its class is never held out"
    assert truth.tolist() == codes[seen].tolist()
    assert len(Z) == 14


class Counting(LinearSVC):
    fits = 0

    def fit(self, X, y):
        type(self).fits += 1
        return super().fit(X, y)


def test_calibration_is_not_repeated_for_every_label():
    X, y = groups(5, 120)
    learner = adapt(Counting())
    learner.fit(X[:100], y[:100])
    Counting.fits = 0
    for m in range(101, 110):
        learner.fit(X[:m], y[:m])
    assert Counting.fits == 9
    learner.fit(X[:110], y[:110])
    assert Counting.fits == 9 + 6


# ── committees ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: make_pipeline(StandardScaler(), e)])
def test_a_forests_committee_are_its_trees(wrap):
    X, y = groups(6, 60, classes=3)
    names = np.array(["z", "a", "m"])[y]
    forest = RandomForestClassifier(8, random_state=0)
    learner = adapt(wrap(forest)).fit(X, names)
    committee = learner.predict_committee(X, members=20)
    assert committee.shape == (8, 60, 3)
    fitted = learner.estimator
    A = X if fitted is forest else fitted[:-1].transform(X)
    trees = (fitted if fitted is forest else fitted[-1]).estimators_
    assert committee == pytest.approx(np.stack([t.predict_proba(A.astype(np.float32)) for t in trees]))
    few = learner.predict_committee(X, members=3, seed=5)
    assert few.shape == (3, 60, 3)
    assert all(any(np.array_equal(member, one) for one in committee) for member in few)


@pytest.mark.parametrize("classes", [2, 3])
def test_laplace_draws_scatter_around_a_logistic_regression_as_its_posterior_does(classes):
    X, y = groups(7, 400, d=3, classes=classes)
    far = np.array([[9.0, -9, 9], [0, 0, 0]])
    learner = adapt(LogisticRegression(C=2)).fit(X, y)
    committee = learner.predict_committee(X, members=400)
    assert committee.mean(0) == pytest.approx(learner.predict_proba(X), abs=0.02)
    refits = adapt(LogisticRegression(C=2))
    refits._committee = "bootstrap"
    bootstrap = refits.fit(X, y).predict_committee(X, members=100)
    assert committee.std(0).mean() == pytest.approx(COLD * bootstrap.std(0).mean(), rel=0.35)
    assert np.array_equal(committee, learner.predict_committee(X, members=400))
    assert learner.predict_committee(far, members=400)[:, 1].std() > 0


def test_bootstrap_of_a_search_refits_what_it_found():
    X, y = groups(8, 60)
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 7]}, cv=2)
    learner = adapt(search).fit(X, y)
    learner.predict_committee(X, members=3)
    (members,) = learner._members.values()
    assert [type(member) for member in members] == [KNeighborsClassifier] * 3
    assert {member.n_neighbors for member in members} == set(search.best_params_.values())


# ── what classifiers choke on ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["linear svc", "svc", "forest", "neighbors", "ridge", "calibrated"])
def test_sparse_stays_sparse(name, monkeypatch):
    X, y = groups(9, 60, spread=2)
    A = sparse.csr_matrix(np.where(np.abs(X) < 0.3, 0, X))
    learner = adapt(ANY[name]())
    dense = adapt(ANY[name]()).fit(A.toarray(), y)

    plain = sparse.csr_matrix.toarray

    def refuse(self, *arguments, **options):
        assert self.shape[1] != A.shape[1], "made dense"  # labels may be
        return plain(self, *arguments, **options)

    for kind in (sparse.csr_matrix, sparse.csr_array):
        monkeypatch.setattr(kind, "toarray", refuse)
        monkeypatch.setattr(kind, "todense", refuse)
    learner.fit(A, y)
    P = learner.predict_proba(A)
    committee = learner.predict_committee(A, members=2)
    monkeypatch.undo()
    assert np.abs(P - dense.predict_proba(A.toarray())).max() < 0.05
    assert committee.shape == (2, 60, 2)


def test_sparse_features_of_a_sparse_pipeline():
    X, y = groups(9, 60, spread=2)
    A = sparse.csr_matrix(np.abs(X))
    learner = adapt(make_pipeline(MaxAbsScaler(), MultinomialNB())).fit(A, y)
    assert learner.predict_proba(A).shape == (60, 2)


@pytest.mark.parametrize("name", ["naive bayes", "hist boosting", "pipeline"])
def test_who_cannot_take_sparse_features_says_what_to_do(name):
    X, y = groups(0, 20)
    with pytest.raises(BadInput, match=r"does not take sparse features.*TruncatedSVD"):
        adapt(ANY[name]()).fit(sparse.csr_matrix(X), y)


def test_another_type_error_is_told_as_what_it_is():
    class Wrong(GaussianNB):
        def fit(self, X, y):
            raise TypeError("my own")

    with pytest.raises(ContractError, match="Wrong could not learn from 10 rows: TypeError: my own") as told:
        adapt(Wrong()).fit(*groups(0, 10))
    assert isinstance(told.value.__cause__, TypeError)


@pytest.mark.parametrize("name", ["neighbors", "search", "calibrated"])
def test_a_softmax_regression_stands_in_until_there_are_labels_enough(name):
    X, y = groups(10, 40, spread=2)
    y[:12] = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    learner = adapt(ANY[name]())
    learner.fit(X[:2], y[:2])
    assert learner.standing_in
    expected = SoftmaxRegression().fit(X[:2], y[:2])
    assert learner.predict_proba(X) == pytest.approx(expected.predict_proba(X))
    assert learner.predict_committee(X).shape == (10, 40, 2)
    assert learner.decision_function(X).shape == (40,)
    learner.fit(X[:12], y[:12])
    assert not learner.standing_in
    assert np.array_equal(learner.predict_proba(X), learner.estimator.predict_proba(X))
    learner.fit(X[:1], y[:1])
    assert not learner.standing_in
    assert (learner.predict_proba(X) == 1).all()


def test_a_search_meets_a_rare_class_without_noise():
    X, y = groups(11, 30)
    y[:] = 0
    y[:2] = 1
    learner = adapt(GridSearchCV(LogisticRegression(), {"C": [1, 10]})).fit(X, y)
    assert not learner.standing_in


class Picky(GaussianNB):
    """Wants class numbers 0, 1, … without a gap, as XGBoost does."""

    def fit(self, X, y):
        if y.dtype.kind in "iu" and set(y) != set(range(len(set(y)))):
            raise ValueError(f"Invalid classes inferred from unique values of y: {set(y)}")
        return super().fit(X, y)


def test_class_numbers_with_gaps_are_closed_for_those_who_need_it():
    X, y = groups(12, 60, classes=3, spread=3)
    learner = adapt(Picky()).fit(X, 4 - 2 * y)
    assert learner.classes_.tolist() == [0, 2, 4]
    guess = learner.classes_[learner.predict_proba(X).argmax(1)]
    assert np.mean(guess == 4 - 2 * y) > 0.8
    assert learner.predict_committee(X, members=2).shape == (2, 60, 3)


def test_class_weights_by_name_keep_their_names():
    X, y = groups(13, 60)
    forest = RandomForestClassifier(3, class_weight={1: 1.0, 5: 3.0}, random_state=0)
    assert adapt(forest).fit(X, 4 * y + 1).estimator.classes_.tolist() == [1, 5]


def test_pairwise_decisions_are_refused():
    X, y = groups(14, 60, classes=3)
    with pytest.raises(BadInput, match="decision_function_shape='ovr'"):
        adapt(SVC(decision_function_shape="ovo")).fit(X, y)


def test_a_search_that_keeps_no_model_is_refused():
    with pytest.raises(BadInput, match="predict_proba"):
        adapt(GridSearchCV(LogisticRegression(), {"C": [1]}, refit=False))


def test_decisions_are_the_classifiers_own():
    X, y = groups(15, 60, classes=2)
    learner = adapt(LinearSVC()).fit(X, y)
    assert learner.decision_function(X) == pytest.approx(learner.estimator.decision_function(X))
    X, y = groups(15, 60, classes=3)
    learner = adapt(LinearSVC()).fit(X, y)
    assert learner.decision_function(X) == pytest.approx(learner.estimator.decision_function(X))
    forest = adapt(RandomForestClassifier(9, random_state=0)).fit(X, y)
    P = forest.predict_proba(X)
    assert forest.decision_function(X) == pytest.approx(np.log(P) - np.log1p(-P))
