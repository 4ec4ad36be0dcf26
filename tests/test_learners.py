"""Our learner against scikit-learn, and adapters for everybody else's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from askwise import learners, testing
from askwise.core import BadInput
from askwise.learners import Adapted, SoftmaxRegression, adapt, describe
from askwise.learners.softmax import COLD, _folds, _temperature


def groups(seed, m, d, classes, spread=1.0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, m - classes)])
    X = rng.normal(size=(classes, d))[y] * spread + rng.normal(size=(m, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def reference(C, class_weight, X, y):
    """scikit-learn's optimum; with two classes its one weight vector costs twice what our pair costs."""
    C = C if len(np.unique(y)) > 2 else 2 * C
    return LogisticRegression(C=C, class_weight=class_weight, tol=1e-8, max_iter=20_000).fit(X, y)


@pytest.mark.parametrize("class_weight", ["balanced", None])
@pytest.mark.parametrize(("m", "d", "classes"), [(12, 4, 2), (40, 200, 2), (60, 5, 3), (150, 40, 7), (300, 30, 10)])
@pytest.mark.parametrize("C", [0.3, 30.0])
def test_the_optimum_is_scikit_learns(m, d, classes, C, class_weight):
    X, y = groups(m + classes, m, d, classes)
    mine = SoftmaxRegression(C, class_weight=class_weight, calibrate=False, tol=1e-5).fit(X, y)
    expected = reference(C, class_weight, X, y).predict_proba(X)
    assert mine.predict_proba(X) == pytest.approx(expected, abs=3e-3)
    S = sparse.csr_matrix(X)
    assert SoftmaxRegression(C, class_weight=class_weight, calibrate=False, tol=1e-5).fit(S, y).predict_proba(
        S
    ) == pytest.approx(expected, abs=3e-3)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_scale_of_the_features_does_not_matter_to_the_solver(scale):
    X, y = groups(5, 120, 12, 3)
    X = X * scale * np.linspace(0.1, 3, 12)
    expected = LogisticRegression(C=1, tol=1e-9, max_iter=9999, solver="newton-cg").fit(X, y)
    mine = SoftmaxRegression(1, class_weight=None, calibrate=False).fit(X, y)
    assert mine.predict_proba(X) == pytest.approx(expected.predict_proba(X), abs=2e-3)
    assert mine.n_iter_ < mine.max_iter


def test_a_refit_after_one_more_label_is_short_but_happens():
    X, y = groups(0, 301, 20, 4)
    warm = SoftmaxRegression(calibrate=False).fit(X[:300], y[:300])
    cold = SoftmaxRegression(calibrate=False).fit(X, y)
    warm.fit(X, y)
    assert 1 <= warm.n_iter_ < cold.n_iter_
    assert warm.predict_proba(X) == pytest.approx(cold.predict_proba(X), abs=1e-3)


def test_sqrt_weights_are_what_they_say():
    X, y = groups(0, 80, 6, 3)
    counts = np.bincount(y)
    weight = 1 / np.sqrt(counts[y])
    expected = LogisticRegression(C=3, tol=1e-8, max_iter=9999).fit(X, y, sample_weight=weight * 80 / weight.sum())
    mine = SoftmaxRegression(calibrate=False, tol=1e-5).fit(X, y)
    assert mine.predict_proba(X) == pytest.approx(expected.predict_proba(X), abs=3e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 30), st.booleans(), st.integers(2, 4))
def test_a_warm_refit_ends_where_a_cold_fit_does(seed, classes, d, is_sparse, steps):
    X, y = groups(seed, 60, d, classes, spread=0.5)
    names = np.array(["ham", "spam", "égal", "x", "0"])[y]
    F = sparse.csr_matrix(X) if is_sparse else X
    warm = SoftmaxRegression(calibrate=False)
    cuts = np.random.default_rng(seed).integers(1, 61, steps)
    for m in [*cuts.tolist(), 60]:
        rows = np.random.default_rng(m).permutation(60)[:m]
        warm.fit(F[rows], names[rows])
        cold = SoftmaxRegression(calibrate=False).fit(F[rows], names[rows])
        assert warm.classes_.tolist() == cold.classes_.tolist() == sorted(set(names[rows]))
        assert warm.predict_proba(F) == pytest.approx(cold.predict_proba(F), abs=4e-3)


def test_a_separable_pair_of_rows_and_a_lone_class_member():
    learner = SoftmaxRegression().fit(np.eye(2), ["a", "b"])
    assert learner.predict(np.eye(2)).tolist() == ["a", "b"]
    assert learner.temperature_ == 1
    X, y = groups(1, 50, 4, 2)
    y = y.copy()
    y[0] = 2
    learner = SoftmaxRegression().fit(X, y)
    assert np.isfinite(learner.predict_proba(X)).all()
    assert learner.predict(X[:1]).tolist() == [2]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_float_type_and_the_given_features_stay_as_they_are(dtype):
    X, y = groups(0, 40, 5, 3)
    X = X.astype(dtype)
    X.flags.writeable = False
    got = SoftmaxRegression().fit(X, y).predict_proba(X)
    assert got.dtype == np.float32
    assert got == pytest.approx(SoftmaxRegression().fit(X.astype(np.float64), y).predict_proba(X), abs=2e-3)


def test_one_sparse_layout_is_as_good_as_another():
    X, y = groups(0, 40, 30, 3)
    X[np.abs(X) < 0.15] = 0
    expected = SoftmaxRegression().fit(X, y).predict_proba(X)
    for layout in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array):
        assert SoftmaxRegression().fit(layout(X), y).predict_proba(layout(X)) == pytest.approx(expected, abs=3e-3)


def test_weights_of_unused_columns_stay_zero():
    X = sparse.random(30, 1000, density=0.01, format="csr", random_state=0)
    learner = SoftmaxRegression().fit(X, np.arange(30) % 3)
    unused = np.setdiff1d(np.arange(1000), X.indices)
    assert not learner.coef_[unused].any()
    assert learner.coef_.shape == (1000, 3)


def test_another_width_starts_afresh():
    learner = SoftmaxRegression().fit(*groups(0, 30, 4, 3))
    X, y = groups(0, 30, 6, 3)
    assert learner.fit(X, y).predict_proba(X) == pytest.approx(SoftmaxRegression().fit(X, y).predict_proba(X), abs=3e-3)


def test_the_temperature_is_the_likeliest():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(400, 3)) * 2
    P = np.exp(Z / 2.5)
    P /= P.sum(1, keepdims=True)
    truth = np.array([rng.choice(3, p=p) for p in P])
    found = _temperature(Z, truth)

    def loss(t):
        S = Z / t
        return -(S[np.arange(400), truth] - np.log(np.exp(S).sum(1))).sum() + 0.5 * np.log(t) ** 2

    grid = np.exp(np.linspace(-2, 3, 2001))
    assert found == pytest.approx(grid[np.argmin([loss(t) for t in grid])], rel=0.01)
    assert found == pytest.approx(2.5, rel=0.3)


def test_calibration_lowers_the_log_loss_and_keeps_the_answers():
    X, y = groups(3, 1200, 20, 4, spread=0.35)
    plain = SoftmaxRegression(100, calibrate=False).fit(X[:200], y[:200])
    tuned = SoftmaxRegression(100).fit(X[:200], y[:200])
    loss = [-np.log(m.predict_proba(X[200:])[np.arange(1000), y[200:]]).mean() for m in (plain, tuned)]
    assert loss[1] < 0.95 * loss[0]
    assert tuned.temperature_ > 1.1
    assert np.array_equal(plain.predict(X), tuned.predict(X))


def test_the_temperature_is_kept_until_the_labels_have_grown_by_a_tenth():
    X, y = groups(0, 230, 8, 3, spread=0.4)
    learner = SoftmaxRegression().fit(X[:200], y[:200])
    first = learner.temperature_
    assert learner.fit(X[:215], y[:215]).temperature_ == first
    assert learner.fit(X[:230], y[:230]).temperature_ != first


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("class_weight", ["sqrt", None])
def test_the_temperature_is_that_of_folds_fitted_one_by_one(class_weight, is_sparse):
    X, y = groups(4, 90, 12, 4, spread=0.4)
    y[:2] = 4, 5  # lone rows are never held out
    F = sparse.csr_matrix(X) if is_sparse else X
    found = SoftmaxRegression(30, class_weight=class_weight).fit(F, y).temperature_
    fold, Z, truth = _folds(y, 5), [], []
    for f in range(5):
        fitted = SoftmaxRegression(30, class_weight=class_weight, calibrate=False, tol=1e-6).fit(
            X[fold != f], y[fold != f]
        )
        assert fitted.classes_.tolist() == list(range(6))
        Z.append(X[fold == f] @ fitted.coef_ + fitted.intercept_)
        truth.append(y[fold == f])
    assert found == pytest.approx(_temperature(np.concatenate(Z), np.concatenate(truth)), rel=0.01)
    assert abs(found - 1) > 0.05


def test_a_chain_of_refits_stays_at_the_optimum():
    """The tolerance of a step is not added up over the steps."""
    X, y = groups(7, 260, 40, 6, spread=0.4)
    learner = SoftmaxRegression(calibrate=False)
    for m in range(30, 261):
        learner.fit(X[:m], y[:m])
        if m % 23 == 0:
            exact = SoftmaxRegression(calibrate=False, tol=1e-7).fit(X[:m], y[:m])
            assert learner.predict_proba(X) == pytest.approx(exact.predict_proba(X), abs=1e-3)


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("d", [5, 90])
def test_committee_draws_have_the_laplace_covariance(d, temperature, is_sparse):
    """Of the calibrated model: weights V = W / T, whose penalty is T² / C and whose deviations are cold."""
    X, y = groups(0, 40, d, 3, spread=0.3)
    y[:15] = 0  # so that rows weigh differently
    F = sparse.csr_matrix(X.astype(np.float32)) if is_sparse else X.astype(np.float32)
    learner = SoftmaxRegression(2.0, calibrate=False).fit(F, y)
    learner.temperature_ = temperature
    W, _ = learner._draw(3000, 0)
    noise = (W - np.tile(learner.coef_, 3000)).astype(float) / temperature / COLD
    P = learner.predict_proba(F).astype(float)
    weight = 1 / np.sqrt(np.bincount(y)[y])
    weight *= 40 / weight.sum()
    curvature = weight * [np.linalg.eigvalsh(np.diag(p) - np.outer(p, p))[1:].mean() for p in P]
    H = (X * (np.sqrt(curvature) + 1e-4)[:, None] ** 2).T @ X + temperature**2 * np.eye(d) / 2.0
    along = np.linalg.eigh(np.linalg.inv(H))
    for at in (0, -1):
        assert (along.eigenvectors[:, at] @ noise).var() == pytest.approx(along.eigenvalues[at], rel=0.1)
    assert abs(noise.mean()) < 0.05 / temperature


def test_committee_is_seeded_and_in_doubt_where_nothing_is_labeled():
    X, y = groups(0, 40, 6, 2)
    X[:, 5] = 0
    learner = SoftmaxRegression().fit(X, y)
    a = learner.predict_committee(X, members=7, seed=1)
    assert a.shape == (7, 40, 2)
    learner.predict_committee(X, seed=2)
    assert np.array_equal(a, learner.predict_committee(X, members=7, seed=1))
    assert not np.allclose(a, learner.predict_committee(X, members=7, seed=2))
    unseen = learner.predict_committee(3 * np.eye(6)[[5]], members=50)[:, 0, 0]
    seen = learner.predict_committee(X, members=50)[:, :, 0]
    assert unseen.std() > seen.std(0).mean()


@pytest.mark.parametrize(
    "arguments", [{"C": 0}, {"C": -1.0}, {"C": float("nan")}, {"class_weight": "equal"}]
)  # fmt: skip
def test_settings_are_checked(arguments):
    with pytest.raises(BadInput, match=r"C must be|class_weight must be"):
        SoftmaxRegression(**arguments)


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.zeros((0, 2)), [], "at least one row"),
        (np.zeros((3, 2)), [1, 2], "3 rows, 2 labels"),
        (np.array([[np.nan], [1]]), [0, 1], "NaN"),
        (sparse.csr_matrix([[np.inf], [1]]), [0, 1], "infinity"),
        (np.zeros(3), [0, 1, 0], "two dimensions"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(X, y, words):
    with pytest.raises(BadInput, match=words):
        SoftmaxRegression().fit(X, y)


def test_no_committee_before_a_fit():
    for learner in (SoftmaxRegression(), adapt(GaussianNB())):
        with pytest.raises(BadInput, match="call fit first"):
            learner.predict_committee(np.eye(2))


# ── adapters ────────────────────────────────────────────────────────────────────────────────

OTHERS = {
    "softmax": SoftmaxRegression,
    "softmax plain": lambda: SoftmaxRegression(10, class_weight=None, calibrate=False),
    "logistic": lambda: adapt(LogisticRegression()),
    "pipeline": lambda: adapt(make_pipeline(StandardScaler(), LogisticRegression(C=10))),
    "linear svc": lambda: adapt(LinearSVC()),
    "svc": lambda: adapt(SVC()),
    "forest": lambda: adapt(RandomForestClassifier(10, random_state=0)),
    "bayes": lambda: adapt(GaussianNB()),
    "tree": lambda: adapt(DecisionTreeClassifier(random_state=0)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_learner_passes_the_kit(name):
    testing.check_learner(OTHERS[name])


def test_adapt_leaves_ours_alone_and_wraps_others_once():
    assert isinstance(adapt(), SoftmaxRegression)
    mine = SoftmaxRegression()
    assert adapt(mine) is mine
    wrapped = adapt(GaussianNB())
    assert adapt(wrapped) is wrapped
    assert isinstance(wrapped, Adapted)


@pytest.mark.parametrize("what", [LinearRegression(), "margin", GaussianNB, object()])
def test_adapt_refuses_what_cannot_classify(what):
    with pytest.raises(BadInput):
        adapt(what)


def test_what_was_added_is_said():
    assert any("decision_function" in note for note in adapt(LinearSVC()).notes)
    assert not any("decision_function" in note for note in adapt(GaussianNB()).notes)
    assert "softmax of decision_function" in describe(adapt(LinearSVC(C=0.5)))
    assert "C=0.5" in describe(adapt(LinearSVC(C=0.5)))
    assert describe(SoftmaxRegression(2)) == "SoftmaxRegression(C=2, class_weight='sqrt', calibrate=True)"
    assert describe(learners.adapt(None)) == describe(SoftmaxRegression())


class Shuffled:
    """A classifier whose columns come in an order of its own."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)[::-1]
        return self

    def predict_proba(self, X):
        return np.tile(np.linspace(0, 1, len(self.classes_)) / np.linspace(0, 1, len(self.classes_)).sum(), (len(X), 1))


def test_columns_are_put_in_the_order_of_the_labels():
    learner = adapt(Shuffled()).fit(np.zeros((3, 1)), ["c", "a", "b"])
    assert learner.classes_.tolist() == ["a", "b", "c"]
    assert learner.predict_proba(np.zeros((1, 1)))[0] == pytest.approx([2 / 3, 1 / 3, 0])


def test_bootstrap_members_differ_know_every_class_and_leave_the_estimator_alone():
    X, y = groups(0, 40, 4, 3, spread=0.3)
    y[y == 2] = 1
    y[0] = 2
    learner = adapt(DecisionTreeClassifier(random_state=0)).fit(X, y)
    before = learner.predict_proba(X)
    committee = learner.predict_committee(X, members=6, seed=3)
    assert committee.shape == (6, 40, 3)
    assert committee.std(0).max() > 0.2
    assert (committee[:, 0, 2] == 1).all()
    assert np.array_equal(committee, learner.predict_committee(X, members=6, seed=3))
    assert np.array_equal(before, learner.predict_proba(X))


def test_a_committee_of_the_estimators_own_is_used():
    class Own(GaussianNB):
        def predict_committee(self, X):
            return np.stack([self.predict_proba(X)] * 2)

    X, y = groups(0, 20, 3, 2)
    learner = adapt(Own()).fit(X, y)
    assert not learner.notes
    assert learner.predict_committee(X).shape == (2, 20, 2)
