"""Learners of other people: what they say of classes goes by label, and what is no classifier is told so."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import BaggingClassifier, IsolationForest, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDOneClassSVM
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM

from askwise import Session, select
from askwise.core import AskwiseError, BadInput, ContractError
from askwise.learners import SoftmaxRegression, adapt, adapt_regressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 3))
HARD = X[:, 0] + RNG.normal(size=160)
FREE = np.arange(30, 160)


def guessed(classes: list[str], learner: Any, names: tuple[str, str] = ("0", "1")) -> int:
    """How many rows the model of a session takes for the second name, whatever order the classes have."""
    session = Session(X, classes=classes, learner=learner, strategy="random", seed=0)
    for q in session.ask(60):
        session.tell(q, names[int(HARD[q.row] > 1.2)])
    session.refresh()
    return sum(row["model_guess"] == names[1] for row in session.rows())


NESTED = {
    "plain": lambda w: LogisticRegression(class_weight=w),
    "svm": lambda w: SVC(class_weight=w),
    "forest": lambda w: RandomForestClassifier(20, class_weight=w, random_state=0, max_depth=3),
    "pipeline": lambda w: make_pipeline(StandardScaler(), LogisticRegression(class_weight=w)),
    "search": lambda w: GridSearchCV(LogisticRegression(class_weight=w), {"C": [1.0]}, cv=2),
    "calibrated": lambda w: CalibratedClassifierCV(SVC(class_weight=w), cv=2, ensemble=False),
    "bagging": lambda w: BaggingClassifier(LogisticRegression(class_weight=w), 5, random_state=0),
    "voting": lambda w: VotingClassifier([("a", LogisticRegression(class_weight=w))], voting="soft"),
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("names", [("0", "1"), ("no", "yes")])
def test_weights_follow_the_labels_whatever_their_order(kind: str, names: tuple[str, str]) -> None:
    weights: dict[Any, float] = {names[0]: 1, names[1]: 50}
    there = guessed(list(names), NESTED[kind](weights), names)
    back = guessed(list(names[::-1]), NESTED[kind](weights), names)
    plain = guessed(list(names), NESTED[kind](None), names)
    assert abs(there - back) <= 12
    if kind not in ("svm", "calibrated"):  # decisions are calibrated on the answers, which takes the weights back
        assert min(there, back) > plain


def test_labels_that_are_numbers_may_be_written_as_numbers() -> None:
    counts = [
        guessed(order, LogisticRegression(class_weight=weights))
        for order in (["0", "1"], ["1", "0"])
        for weights in ({0: 1, 1: 50}, {"0": 1, "1": 50}, {0.0: 1, 1.0: 50}, {np.int64(1): 50})
    ]
    assert max(counts) - min(counts) <= 2
    assert min(counts) > guessed(["0", "1"], LogisticRegression())


def test_priors_follow_the_labels() -> None:
    there, back = (guessed(order, GaussianNB(priors=[0.05, 0.95])) for order in (["0", "1"], ["1", "0"]))
    assert there == back > guessed(["0", "1"], GaussianNB(priors=[0.95, 0.05]))


def test_priors_of_classes_without_a_label_yet_are_left_out() -> None:
    session = Session(X, classes=["c", "a", "b"], learner=GaussianNB(priors=[0.5, 0.3, 0.2]), strategy="random")
    for q in session.ask(20):
        session.tell(q, "ac"[int(X[q.row, 0] > 0)])
    session.refresh()
    assert {row["model_guess"] for row in session.rows()} == {"a", "c"}


@pytest.mark.parametrize(
    ("learner", "words"),
    [
        (LogisticRegression(class_weight={"maybe": 3}), "'maybe'"),
        (LogisticRegression(class_weight={0: 1, 1: 5}), "names '0', '1', but the classes are 'yes', 'no'"),
        (make_pipeline(StandardScaler(), SVC(class_weight={"YES": 2})), "svc__class_weight"),
        (GaussianNB(priors=[0.2, 0.3, 0.5]), "3 numbers, but there are 2 classes"),
    ],
)
def test_a_class_that_there_is_not_is_refused_at_the_door(learner: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Session(X, classes=["yes", "no"], learner=learner)


def test_inside_one_against_the_rest_weights_are_for_rest_and_class() -> None:
    weights = {0: 1, 1: 50}
    there, back = (
        guessed(order, OneVsRestClassifier(LogisticRegression(class_weight=weights)))
        for order in (["0", "1"], ["1", "0"])
    )
    assert there == back  # scikit-learn's own meaning: no label is named


def test_the_weights_given_are_not_changed_and_what_is_logged_is_as_given() -> None:
    weights = {"no": 1, "yes": 50}
    learner = LogisticRegression(class_weight=weights)
    session = Session(X, classes=["yes", "no"], learner=learner, strategy="random")
    for q in session.ask(30):
        session.tell(q, ("no", "yes")[int(HARD[q.row] > 0)])
    session.refresh()
    assert learner.class_weight is weights
    assert weights == {"no": 1, "yes": 50}
    assert "'yes': 50" in session.settings["learner"]


def test_adapted_alone_takes_weights_by_text_or_number() -> None:
    y = np.where(HARD > 1.2, "1", "0")
    P = [
        adapt(LogisticRegression(class_weight=w)).fit(X, y).predict_proba(X)[:, 1].mean()
        for w in ({0: 1, 1: 50}, {"0": 1, "1": 50})
    ]
    assert P[0] == pytest.approx(P[1], abs=1e-6)
    assert P[0] > adapt(LogisticRegression()).fit(X, y).predict_proba(X)[:, 1].mean() + 0.2


def test_positive_weight_says_which_label_it_is_for() -> None:
    class Boosting(LogisticRegression):
        def __init__(self, scale_pos_weight: float = 1.0) -> None:
            super().__init__()
            self.scale_pos_weight = scale_pos_weight

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            if not np.array_equal(np.unique(y), np.arange(len(np.unique(y)))):
                raise ValueError("Invalid classes inferred from unique values of `y`.")
            return super().fit(X, y, np.where(np.asarray(y) == 1, self.scale_pos_weight, 1.0))

    assert any("alphabetical" in note for note in adapt(Boosting(50.0)).notes)
    there, back = (guessed(order, Boosting(50.0)) for order in (["0", "1"], ["1", "0"]))
    assert there == back > guessed(["0", "1"], Boosting())


# ── what is no classifier ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "estimator",
    [
        IsolationForest(), OneClassSVM(), LocalOutlierFactor(novelty=True), SGDOneClassSVM(), KMeans(2),
        GaussianMixture(2), Ridge(), make_pipeline(StandardScaler(), IsolationForest()), LogisticRegression, object(),
    ],
    ids=lambda e: getattr(e, "__name__", type(e).__name__),
)  # fmt: skip
def test_what_learns_no_classes_is_refused(estimator: Any) -> None:
    for door in (
        lambda: adapt(estimator),
        lambda: Session(X, classes=["a", "b"], learner=estimator),
        lambda: select(X, FREE, estimator, "margin", k=3),
    ):
        with pytest.raises(AskwiseError):
            door()


def test_a_regressor_must_be_one() -> None:
    for estimator in (IsolationForest(), KMeans(2), LogisticRegression()):
        with pytest.raises(BadInput):
            adapt_regressor(estimator)


@pytest.mark.parametrize("strategy", ["margin", "badge", "bald", "expected_gradient_length", "entropy"])
def test_an_unfitted_classifier_is_told_so(strategy: str) -> None:
    with pytest.raises(AskwiseError, match=r"fit|has no|only the caller"):
        select(X, FREE, LogisticRegression(), strategy, k=3, given={"labeled_rows": np.arange(30)})


@pytest.mark.parametrize("learner", [RandomForestClassifier(5), MultiOutputClassifier(LogisticRegression())])
def test_several_outputs_are_told_so(learner: Any) -> None:
    with pytest.raises(BadInput, match="adapt_multilabel"):
        select(X, FREE, learner.fit(X[:30], (X[:30] > 0).astype(int)), "margin", k=3)
    with pytest.raises(BadInput, match="one label for each row"):
        adapt(RandomForestClassifier(5)).fit(X[:30], (X[:30] > 0).astype(int))


# ── what classifiers want ───────────────────────────────────────────────────────────────────


class OnlyNumbers(LogisticRegression):
    """Wants 0, 1, … without a gap, as XGBoost does."""

    def fit(self, X: Any, y: Any) -> Any:  # type: ignore[override]
        if not np.array_equal(np.unique(y), np.arange(len(np.unique(y)))):
            raise ValueError("Invalid classes inferred from unique values of `y`.")
        return super().fit(X, y)


class OnlyTexts(LogisticRegression):
    """Wants the names."""

    def fit(self, X: Any, y: Any) -> Any:  # type: ignore[override]
        assert np.asarray(y).dtype.kind == "U"
        return super().fit(X, y)


@pytest.mark.parametrize("labels", [("p", "q"), (3, 7), (1.0, 2.0), (False, True)])
def test_a_classifier_that_wants_numbers_from_zero_gets_them(labels: tuple[Any, Any]) -> None:
    y = np.array(labels)[(X[:, 0] > 0).astype(int)]
    ours, plain = adapt(OnlyNumbers()).fit(X[:40], y[:40]), adapt(LogisticRegression()).fit(X[:40], y[:40])
    np.testing.assert_allclose(ours.predict_proba(X), plain.predict_proba(X), atol=1e-6)
    assert ours.predict_committee(X).shape == (10, 160, 2)
    assert ours.classes_.tolist() == list(labels)


def test_labels_of_a_frame_are_labels() -> None:
    y = pd.Series(np.where(X[:, 0] > 0, "q", "p"))
    for told in (y, y.astype("category"), y.tolist(), y.to_frame(), y.to_numpy()[:, None]):
        learner = adapt(OnlyTexts()).fit(pd.DataFrame(X), told)
        assert (learner.predict_proba(pd.DataFrame(X)).argmax(1) == (X[:, 0] > 0)).mean() > 0.95
        assert learner.classes_.tolist() == ["p", "q"]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1], "one label per row"),
        ([None, *["a"] * 29], "all be texts"),
        ([np.nan, *[1.0] * 29], "none missing"),
        ([["a"], *["a"] * 29], "label"),
    ],
)
def test_labels_that_are_none_are_refused(y: list[Any], words: str) -> None:
    with pytest.raises((BadInput, ContractError), match=words):
        adapt(LogisticRegression()).fit(X[:30], np.array(y, dtype=object))


def test_a_training_set_of_one_class_is_remembered() -> None:
    learner = adapt(LogisticRegression()).fit(X[:10], ["a"] * 10)
    assert learner.predict_proba(X).tolist() == [[1.0]] * 160


class Failing(ClassifierMixin, BaseEstimator):
    """Learns nothing."""

    def fit(self, X: Any, y: Any) -> Any:
        raise RuntimeError("out of luck")

    def predict_proba(self, X: Any) -> Any:
        raise RuntimeError("out of luck")


class Odd(ClassifierMixin, BaseEstimator):
    """Answers what was set."""

    def __init__(self, answer: Any = None, classes: Any = None) -> None:
        self.answer, self.classes = answer, classes

    def fit(self, X: Any, y: Any) -> Any:
        self.classes_ = np.unique(y) if self.classes is None else self.classes
        return self

    def predict_proba(self, X: Any) -> Any:
        return self.answer(X)


@pytest.mark.parametrize(
    "learner",
    [
        Failing(),
        Odd(lambda X: None),
        Odd(lambda X: np.ones(len(X))),
        Odd(lambda X: np.full((len(X), 2), np.nan)),
        Odd(lambda X: np.full((len(X), 3), 1 / 3)),
        Odd(lambda X: np.full((len(X) + 1, 2), 0.5)),
        Odd(lambda X: [["a", "b"]] * len(X)),
        Odd(lambda X: 1 / 0),
        Odd(lambda X: np.full((len(X), 2), 0.5), classes=np.array(["x", "y"])),
    ],
    ids=["failing", "nothing", "a column", "nan", "too wide", "too long", "letters", "error", "its classes"],
)
def test_errors_of_a_learner_are_told_in_a_sentence(learner: Any) -> None:
    y = np.arange(30) % 2

    def alone() -> Any:
        return select(X, FREE, adapt(learner).fit(X[:30], y), "margin", k=3)

    def in_a_session() -> None:
        session = Session(X, classes=["a", "b"], learner=learner, strategy="margin")
        for q in session.ask(10):
            session.tell(q, "ab"[q.row % 2])
        session.refresh()

    for door in (alone, in_a_session):
        with pytest.raises(AskwiseError) as told:
            door()
        assert len(str(told.value)) < 1000


def test_a_frame_of_probabilities_is_an_array_of_them() -> None:
    learner = Odd(lambda A: pd.DataFrame({"a": np.linspace(0, 1, len(A)), "b": 1 - np.linspace(0, 1, len(A))}))
    assert len(select(X, FREE, learner.fit(X[:30], np.arange(30) % 2), "margin", k=3).rows) == 3


def test_a_worker_in_a_thread_keeps_the_error_of_a_learner() -> None:
    session = Session(X, classes=["a", "b"], learner=Failing(), strategy="margin")
    session.start()
    for q in session.ask(10):
        session.tell(q, "ab"[q.row % 2])
    end = time.monotonic() + 60
    while session.worker_error is None and time.monotonic() < end:
        time.sleep(0.02)
    assert isinstance(session.worker_error, ContractError)
    assert "out of luck" in str(session.worker_error)


# ── batches ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", ["k_center", "typiclust", "k_means", "prob_cover", "margin", "badge", "auto"])
def test_the_first_questions_are_one_batch_by_the_rule(strategy: str) -> None:
    session = Session(X, classes=["a", "b"], strategy=strategy, audit_share=0)
    assert [q.row for q in session.ask(5)] == select(X, None, None, strategy, k=5).rows.tolist()


@pytest.mark.parametrize("strategy", ["k_center", "typiclust", "badge", "diverse_margin"])
def test_later_questions_are_one_batch_too_however_many(strategy: str) -> None:
    session = Session(X, classes=["a", "b"], strategy=strategy, audit_share=0, learner="linear")
    for size in (4, 9, 3):
        queries = session.ask(size)
        assert {q.strategy for q in queries} <= {strategy, "cold_cover"}
        for q in queries:
            session.tell(q, "ab"[int(X[q.row, 0] > 0)])
        session.refresh()
    labeled = np.array(sorted(session.answers()))
    free = np.setdiff1d(np.arange(160), labeled)
    learner = SoftmaxRegression().fit(X[labeled], (X[labeled, 0] > 0).astype(int))
    said = session._trainer.opinion.signals()["proba"]
    told = select(
        X, free, learner, strategy, k=12,
        given={"labeled_rows": labeled, "labeled_y": (X[labeled, 0] > 0).astype(int), "proba": said},
    )  # fmt: skip
    assert [q.row for q in session.ask(12)] == told.rows.tolist()


def test_while_a_worker_runs_asking_never_ranks() -> None:
    session = Session(X, classes=["a", "b"], strategy="k_center", audit_share=0)
    first = session.ask(1)[0].row
    session.start()
    try:
        assert len(session.ask(5)) == 5
    finally:
        session.close()
    assert first == select(X, None, None, "k_center", k=1).rows[0]
