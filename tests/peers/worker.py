"""What other libraries answer to the problems of `tests/test_peers.py`, in their own environment.

    .venv-peers/bin/python tests/peers/worker.py FOLDER

FOLDER holds problem-*.npz; for each, answers-*.npz is written: one array per question, or the text of the error. A
question is a function below, named library_strategy. Nothing of ours is imported here.
"""

from __future__ import annotations

import collections
import collections.abc
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

warnings.filterwarnings("ignore")
# ALiPy and part of modAL stop at these names that Python and NumPy dropped; what they compute is asked all the same
collections.Iterable = collections.abc.Iterable
if not hasattr(np, "float"):
    setattr(np, "float", float)  # noqa: B010

Problem = dict[str, np.ndarray]
QUESTIONS: dict[str, Callable[[Problem], Any]] = {}


def question(ask: Callable[[Problem], Any]) -> Callable[[Problem], Any]:
    QUESTIONS[ask.__name__] = ask
    return ask


# ── models that are given, not learned ──────────────────────────────────────────────────────


class Linear(ClassifierMixin, BaseEstimator):
    """Softmax of X W; `fit` learns nothing but the classes."""

    def __init__(self, W: Any = None) -> None:
        self.W = W

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Linear:
        self.classes_ = np.arange(np.shape(self.W)[1])
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        Z = np.asarray(X) @ self.W
        E = np.exp(Z - Z.max(1, keepdims=True))
        return E / E.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        return self.predict_proba(X).argmax(1)


class Slope(RegressorMixin, BaseEstimator):
    """X w; `fit` learns nothing."""

    def __init__(self, w: Any = None) -> None:
        self.w = w

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Slope:
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> np.ndarray:
        return np.asarray(X) @ self.w


class FlipsWhenDropped(ClassifierMixin, BaseEstimator):
    """Class 1 for positive rows that are whole, else 0: those change their label when features are missing."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FlipsWhenDropped:
        self.classes_ = np.arange(2)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        whole = (np.asarray(X) > 0).all(1).astype(float)
        return np.stack([1 - whole, whole], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        return self.predict_proba(X).argmax(1)


class Fixed:
    """Probabilities of a whole pool, for libraries that only ask for them."""

    def __init__(self, P: np.ndarray) -> None:
        self.P = P

    def predict_proba(self, _data: Any = None, **_: Any) -> np.ndarray:
        return self.P


def some(p: Problem, what: str = "y") -> np.ndarray:
    """Answers where rows are labeled, else NaN."""
    y = np.full(len(p["X"]), np.nan)
    y[p["labeled"]] = p[what][p["labeled"]]
    return y


def unlabeled(p: Problem) -> np.ndarray:
    return np.setdiff1d(np.arange(len(p["X"])), p["labeled"])


def proba(p: Problem) -> np.ndarray:
    """(n, classes) of all rows."""
    return Linear(p["W"]).predict_proba(p["X"])


def committee(p: Problem) -> np.ndarray:
    """(members, n, classes) of all rows."""
    return np.stack([Linear(W).predict_proba(p["X"]) for W in p["Ws"]])


# ── scikit-activeml ─────────────────────────────────────────────────────────────────────────


def wrapped(model: Any, p: Problem, classes: int = 3) -> Any:
    from skactiveml.classifier import SklearnClassifier

    return SklearnClassifier(model, classes=range(classes)).fit(p["X"][p["labeled"]], p["y"][p["labeled"]] % classes)


def activeml(strategy: str, p: Problem, k: int = 1, options: Any = None, y: str = "y", **more: Any) -> Any:
    """(k,) rows and (k, n) utilities."""
    from skactiveml import pool

    query = getattr(pool, strategy)(random_state=0, **(options or {}))
    return query.query(p["X"], some(p, y), batch_size=k, return_utilities=True, **more)


@question
def activeml_uncertainty(p: Problem) -> Any:
    from skactiveml.pool import uncertainty_scores

    kinds = ("least_confident", "margin_sampling", "entropy")
    return np.stack([uncertainty_scores(proba(p), method=kind) for kind in kinds])


@question
def activeml_expected_cost(p: Problem) -> Any:
    from skactiveml.pool import uncertainty_scores

    return uncertainty_scores(proba(p), cost_matrix=p["costs"], method="least_confident")


@question
def activeml_votes(p: Problem) -> Any:
    from skactiveml.pool import variation_ratios, vote_entropy

    votes = committee(p).argmax(2).T
    return np.stack([vote_entropy(votes, classes=np.arange(3)), variation_ratios(votes)])


@question
def activeml_kl(p: Problem) -> Any:
    from skactiveml.pool import average_kl_divergence

    return average_kl_divergence(committee(p))


@question
def activeml_batch_bald(p: Problem) -> Any:
    from skactiveml.pool import batch_bald

    return batch_bald(committee(p), batch_size=3, n_MC_samples=100, random_state=0)


@question
def activeml_batch_bald_twice(p: Problem) -> Any:
    """Two rows asked for with 20 seeds."""
    from skactiveml.pool import BatchBALD

    X = np.arange(len(p["ties"][0]), dtype=float)[:, None]
    found = []
    for seed in range(20):
        rule = BatchBALD(random_state=seed, sample_predictions_method_name="sample_members")
        ensemble = wrapped(Linear(p["W"]), p)
        type(ensemble).sample_members = lambda self, X: p["ties"].copy()
        found.append(rule.query(X, np.full(len(X), np.nan), ensemble=ensemble, fit_ensemble=False, batch_size=2))
    return np.array(found)


@question
def activeml_k_center(p: Problem) -> Any:
    rows, far = activeml("CoreSet", p, 5)
    return np.vstack([rows, far.T])


@question
def activeml_max_herding(p: Problem) -> Any:
    options = {"normalize_samples": False, "metric_dict": {"gamma": float(p["gamma"])}}
    return activeml("MaxHerding", p, 5, options)[0]


@question
def activeml_contrastive(p: Problem) -> Any:
    options = {"nearest_neighbors_dict": {"n_neighbors": 4}}
    return activeml("ContrastiveAL", p, 1, options, clf=wrapped(Linear(p["W"]), p), fit_clf=False)[1][0]


@question
def activeml_typiclust(p: Problem) -> Any:
    q = {"X": p["blobs"], "y": p["blob_y"], "labeled": p["blob_labeled"]}
    return activeml("TypiClust", q, 3, {"k": 20, "cluster_algo_dict": {"n_init": 20, "random_state": 0}})[0]


@question
def activeml_prob_cover(p: Problem) -> Any:
    rows, count = activeml("ProbCover", p, 4, {"n_classes": 3, "deltas": [float(p["radius"])]})
    return np.vstack([rows, count.T])


@question
def activeml_prob_cover_again(p: Problem) -> Any:
    """The same object asked about a second pool."""
    from skactiveml.pool import ProbCover

    rule = ProbCover(random_state=0, n_classes=3, deltas=[float(p["radius"])])
    y = some(p)
    rule.query(p["X"], y)
    return rule.query(p["X"][::-1] * np.linspace(0.1, 3, len(y))[:, None], y, return_utilities=True)[1][0]


@question
def activeml_badge(p: Problem) -> Any:
    rows, chance = activeml("Badge", p, 3, clf=wrapped(Linear(p["W"]), p), fit_clf=False)
    return np.vstack([rows, chance.T])


@question
def activeml_falcun(p: Problem) -> Any:
    rows, chance = activeml("Falcun", p, 4, {"gamma": 10}, clf=wrapped(Linear(p["W"]), p), fit_clf=False)
    return np.vstack([rows, chance.T])


@question
def activeml_discriminative(p: Problem) -> Any:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=2 / (1e-3 * len(p["X"])), class_weight="balanced", tol=1e-9, max_iter=10_000)
    options = {"greedy_selection": False}
    return activeml("DiscriminativeAL", p, 4, options, discriminator=SklearnClassifier(model, classes=[0, 1]))[0]


@question
def activeml_clue(p: Problem) -> Any:
    q = {"X": p["blobs"], "y": p["blob_y"], "labeled": p["blob_labeled"]}
    options = {"method": "entropy", "cluster_algo_dict": {"n_init": 20, "random_state": 0}}
    model = wrapped(Linear(p["blob_W"]), q)
    return activeml("Clue", q, 6, options, estimator=model, fit_estimator=False)[0]


@question
def activeml_drop_query(p: Problem) -> Any:
    q = {"X": p["drops"], "y": np.arange(len(p["drops"])) % 2, "labeled": np.arange(2)}
    options = {"dropout_rate": 0.75, "n_dropout_samples": 5, "cluster_algo_dict": {"n_init": 20, "random_state": 0}}
    return activeml("DropQuery", q, 3, options, clf=wrapped(FlipsWhenDropped(), q, 2), fit_clf=False)[0]


@question
def activeml_expected_error(p: Problem) -> Any:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    model = SklearnClassifier(LogisticRegression(C=5.0, tol=1e-8, max_iter=10_000), classes=range(3))
    free = unlabeled(p)
    return np.stack([
        activeml(
            "MonteCarloEER", p, 1, {"method": loss}, clf=model, candidates=free[:20], X_eval=p["X"][free],
        )[1][0][free[:20]]
        for loss in ("log_loss", "misclassification_loss")
    ])  # fmt: skip


@question
def activeml_value_of_information(p: Problem) -> Any:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    model = SklearnClassifier(LogisticRegression(C=5.0, tol=1e-8, max_iter=10_000), classes=range(3))
    options = {"consider_labeled": False, "candidate_to_labeled": False, "normalize": True}
    few = unlabeled(p)[:20]
    return activeml("ValueOfInformationEER", p, 1, options, clf=model, candidates=few)[1][0][few]


@question
def activeml_variance_reduction(p: Problem) -> Any:
    """A Gaussian process with a linear kernel is Bayesian linear regression."""
    from skactiveml.regressor import SklearnNormalRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import DotProduct

    linear = DotProduct(sigma_0=1.0, sigma_0_bounds="fixed")
    model = SklearnNormalRegressor(GaussianProcessRegressor(linear, alpha=1.0, optimizer=None))
    options, free = {"integration_dict": {"method": "assume_linear"}}, unlabeled(p)
    return activeml("ExpectedModelVarianceReduction", p, 1, options, "t", reg=model, X_eval=p["X"][free])[1][0][free]


@question
def activeml_quire(p: Problem) -> Any:
    options = {"classes": [0, 1], "metric": "rbf", "metric_dict": {"gamma": float(p["quire_gamma"])}}
    return activeml("Quire", p, 1, options, "y2")[1][0]


@question
def activeml_greedy(p: Problem) -> Any:
    """Rows by features, by outputs, by both."""
    from skactiveml.regressor import SklearnRegressor

    model = SklearnRegressor(Slope(p["w"])).fit(p["X"][p["labeled"]], p["t"][p["labeled"]])
    found = [activeml("GreedySamplingX", p, 5, y="t")[0]]
    for method in ("GSy", "GSi"):
        options = {"method": method}
        found.append(activeml("GreedySamplingTarget", p, 5, options, "t", reg=model, fit_reg=False)[0])
    return np.stack(found)


@question
def activeml_model_change(p: Problem) -> Any:
    """Utilities, then the predictions of the members that were drawn."""
    from skactiveml.pool import _expected_model_change_maximization as source
    from skactiveml.regressor import SklearnRegressor
    from sklearn.linear_model import LinearRegression

    model = SklearnRegressor(LinearRegression()).fit(p["X"][p["labeled"]], p["t"][p["labeled"]])
    drawn: list[Any] = []
    plain = source._bootstrap_estimators
    source._bootstrap_estimators = lambda *a, **b: drawn.extend(plain(*a, **b)) or drawn
    found = activeml("ExpectedModelChangeMaximization", p, 1, {"bootstrap_size": 4}, "t", reg=model, fit_reg=False)
    return np.vstack([found[1][0], model.predict(p["X"]), *(m.predict(p["X"]) for m in drawn)])


@question
def activeml_committee_std(p: Problem) -> Any:
    from skactiveml.regressor import SklearnRegressor

    members = [SklearnRegressor(Slope(w)).fit(p["X"], p["t"]) for w in p["ws"]]
    return activeml("QueryByCommittee", p, 1, y="t", ensemble=members, fit_ensemble=False)[1][0]


@question
def activeml_epistemic(p: Problem) -> Any:
    from skactiveml.pool._epistemic_uncertainty_sampling import _epistemic_uncertainty_pwc

    return _epistemic_uncertainty_pwc(p["counts"][:, :2], None)[0]


@question
def activeml_probabilistic(p: Problem) -> Any:
    from skactiveml.pool import cost_reduction

    return cost_reduction(p["counts"], C=None, m_max=2, prior=1)


# ── modAL ───────────────────────────────────────────────────────────────────────────────────


def learner(model: Any, p: Problem, **more: Any) -> Any:
    from modAL.models import ActiveLearner

    return ActiveLearner(model, X_training=p["X"][p["labeled"]], y_training=p["y"][p["labeled"]], **more)


@question
def modal_uncertainty(p: Problem) -> Any:
    from modAL import uncertainty

    kinds = ("classifier_uncertainty", "classifier_margin", "classifier_entropy")
    return np.stack([getattr(uncertainty, kind)(Linear(p["W"]), p["X"]) for kind in kinds])


@question
def modal_vote_entropy(p: Problem) -> Any:
    from modAL.disagreement import vote_entropy
    from modAL.models import Committee

    return vote_entropy(Committee([learner(Linear(W), p) for W in p["Ws"]]), p["X"])


@question
def modal_ranked_batch(p: Problem) -> Any:
    from modAL.batch import uncertainty_batch_sampling

    free = unlabeled(p)
    return free[uncertainty_batch_sampling(learner(Linear(p["W"]), p), p["X"][free], n_instances=6)[0]]


@question
def modal_density(p: Problem) -> Any:
    from modAL.density import information_density

    return information_density(p["X"], "cosine")


@question
def modal_expected_error(p: Problem) -> Any:
    from modAL.expected_error import expected_error_reduction
    from sklearn.linear_model import LogisticRegression

    model = learner(LogisticRegression(C=5.0, tol=1e-8, max_iter=10_000), p)
    few = p["X"][unlabeled(p)[:10]]
    kinds = ("log", "binary")
    return np.stack([expected_error_reduction(model, few, loss, n_instances=9)[1] for loss in kinds])


@question
def modal_two_rows(p: Problem) -> Any:
    """A strategy that returns the rows 3 and 7, and one that returns 3, 7 and 9."""
    out = []
    for rows in ([3, 7], [3, 7, 9]):
        asked = learner(Linear(p["W"]), p, query_strategy=lambda _model, _pool, rows=rows: np.array(rows))
        out.append(np.atleast_1d(asked.query(p["X"])[0]).tolist())
    return np.array([len(rows) for rows in out])


@question
def modal_binary_minimum(p: Problem) -> Any:
    """The row asked about, then ten times with ties broken at random."""
    from modAL.multilabel import SVM_binary_minimum

    class Side:
        def __init__(self, w: np.ndarray) -> None:
            self.w = w

        def decision_function(self, X: np.ndarray) -> np.ndarray:
            return X @ self.w

    class Sides:
        estimator = type("Sides", (), {"estimators_": [Side(w) for w in p["sides"].T]})

    draws = [np.ravel(SVM_binary_minimum(Sides, p["X"], random_tie_break=True)[0])[0] for _ in range(10)]
    return np.array([SVM_binary_minimum(Sides, p["X"]), *draws])


# ── cardinal ────────────────────────────────────────────────────────────────────────────────


@question
def cardinal_uncertainty(p: Problem) -> Any:
    from cardinal import uncertainty

    kinds = ("confidence_score", "margin_score", "entropy_score")
    return np.stack([getattr(uncertainty, kind)("precomputed", proba(p)) for kind in kinds])


@question
def cardinal_k_center(p: Problem) -> Any:
    from cardinal.clustering import KCenterGreedy

    free = unlabeled(p)
    rule = KCenterGreedy(lambda X: X, batch_size=5).fit(p["X"][p["labeled"]])
    return free[rule.select_samples(p["X"][free])]


@question
def cardinal_ranked_batch(p: Problem) -> Any:
    from cardinal.batch import RankedBatchSampler

    free = unlabeled(p)
    rule = RankedBatchSampler(batch_size=6).fit(p["X"][p["labeled"]])
    return free[rule.select_samples(p["X"][free], 1 - proba(p)[free].max(1))]


@question
def cardinal_k_means(p: Problem) -> Any:
    from cardinal.clustering import KMeansSampler

    return np.sort(KMeansSampler(6, n_init=20, random_state=0).fit(p["blobs"]).select_samples(p["blobs"]))


@question
def cardinal_two_step(p: Problem) -> Any:
    from cardinal.zhdanov2019 import TwoStepKMeansSampler

    rule = TwoStepKMeansSampler(20, Linear(p["blob_W"]), batch_size=6, assume_fitted=True, random_state=0, n_init=20)
    return rule.fit(p["blobs"], p["blob_y"]).select_samples(p["blobs"])


# ── small-text ──────────────────────────────────────────────────────────────────────────────


@question
def smalltext_uncertainty(p: Problem) -> Any:
    from small_text.query_strategies import BreakingTies, LeastConfidence, PredictionEntropy

    kinds = (LeastConfidence, BreakingTies, PredictionEntropy)
    return np.stack([kind().get_confidence(Fixed(proba(p)), None, None, None, None) for kind in kinds])


@question
def smalltext_bald(p: Problem) -> Any:
    from small_text.query_strategies.bayesian import _bald

    return _bald(committee(p).transpose(1, 0, 2))


@question
def smalltext_k_means(p: Problem) -> Any:
    from small_text.query_strategies import EmbeddingKMeans

    np.random.seed(0)  # noqa: NPY002 -- it draws from the global one
    at = np.arange(len(p["blobs"]))
    found = [EmbeddingKMeans(normalize=n).sample(None, None, at, at[:0], None, 6, p["blobs"]) for n in (False, True)]
    return np.sort(found, axis=1)


@question
def smalltext_k_center(p: Problem) -> Any:
    from small_text.query_strategies import greedy_coreset

    free = unlabeled(p)
    return free[greedy_coreset(p["X"], free, p["labeled"], 5, distance_metric="euclidean")]


@question
def smalltext_contrastive(p: Problem) -> Any:
    from small_text import SklearnDataset
    from small_text.query_strategies import ContrastiveActiveLearning

    rule, P, free = ContrastiveActiveLearning(k=4, normalize=False, pbar=None), proba(p), unlabeled(p)
    order = np.concatenate([free, p["labeled"]])
    data = SklearnDataset(p["X"][order], p["y"][order])
    at = np.arange(len(free))
    return free[rule.sample(None, data, at, at[:0], None, 5, p["X"][order], embeddings_proba=P[order])]


@question
def smalltext_cvirs(p: Problem) -> Any:
    """Scores, inconsistency, share of rows ranked behind."""
    from scipy.sparse import csr_matrix
    from small_text.query_strategies import CategoryVectorInconsistencyAndRanking

    rule, free = CategoryVectorInconsistencyAndRanking(pbar=None), unlabeled(p)
    known, on = csr_matrix(p["sets"][p["labeled"]]), p["on"][free]
    guess = (on > 0.5).astype(int)
    return np.stack([
        rule._compute_scores(free, known, on), rule._compute_vector_inconsistency(known, guess, on.shape[1]),
        rule._compute_ranking(free, on),
    ])  # fmt: skip


# ── ALiPy ───────────────────────────────────────────────────────────────────────────────────


@question
def alipy_uncertainty(p: Problem) -> Any:
    """The best five by least confidence, margin, entropy."""
    from alipy.query_strategy import QueryInstanceUncertainty

    kinds = ("least_confident", "margin", "entropy")
    every = np.arange(len(p["X"]))
    return np.stack([
        QueryInstanceUncertainty(p["X"], p["y"], kind).select_by_prediction_mat(every, proba(p), 5) for kind in kinds
    ])  # fmt: skip


@question
def alipy_decision_boundary(p: Problem) -> Any:
    from alipy.query_strategy import QueryInstanceUncertainty

    rule = QueryInstanceUncertainty(p["X"], p["y"], "distance_to_boundary")
    return rule.select_by_prediction_mat(np.arange(len(p["X"])), p["X"] @ p["sides"][:, 0], 5)


@question
def alipy_committee(p: Problem) -> Any:
    from alipy.query_strategy import QueryInstanceQBC

    P = committee(p)
    return np.stack([
        QueryInstanceQBC.calc_vote_entropy(list(P.argmax(2))), QueryInstanceQBC.calc_avg_KL_divergence(list(P)),
    ])  # fmt: skip


@question
def alipy_k_center(p: Problem) -> Any:
    from alipy.query_strategy import QueryInstanceCoresetGreedy

    rule = QueryInstanceCoresetGreedy(p["X"], p["y"], np.arange(len(p["X"])))
    return np.asarray(rule.select(p["labeled"], unlabeled(p), batch_size=5))


@question
def alipy_expected_error(p: Problem) -> Any:
    from alipy.query_strategy import QueryExpectedErrorReduction
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=5.0, tol=1e-8, max_iter=10_000).fit(p["X"][p["labeled"]], p["y"][p["labeled"]])
    return QueryExpectedErrorReduction(p["X"], p["y"]).select(p["labeled"], unlabeled(p)[:10], model, 3)


@question
def alipy_density(p: Problem) -> Any:
    from alipy.query_strategy.query_labels import QueryInstanceDensityWeighted

    rule = QueryInstanceDensityWeighted(p["blobs"], p["blob_y"])
    every = np.arange(len(p["blobs"]))
    return rule.select(None, every, batch_size=1, proba_prediction=np.full((len(every), 2), 0.5))


@question
def alipy_quire(p: Problem) -> Any:
    from alipy.query_strategy import QueryInstanceQUIRE

    rule = QueryInstanceQUIRE(p["X"], 2 * p["y2"] - 1, np.arange(len(p["X"])), gamma=float(p["quire_gamma"]))
    return rule.select(p["labeled"], unlabeled(p))


@question
def alipy_mmc(p: Problem) -> Any:
    """The row asked about, then (labels, n) probabilities of its model."""
    from alipy.query_strategy.multi_label import QueryMultiLabelMMC, _BinaryRelevance
    from sklearn.linear_model import LogisticRegression

    # every row has two labels, so that the number of labels is not a matter of its second model
    two = (p["on"].argsort(1).argsort(1) >= p["on"].shape[1] - 2).astype(int)
    rule = QueryMultiLabelMMC(p["X"], two, base_clf=LogisticRegression(), logreg_param={}, random_state=0)
    model = _BinaryRelevance(LogisticRegression()).train(p["X"][p["labeled"]], two[p["labeled"]])
    row = rule.sequential_select(p["labeled"], unlabeled(p))
    return np.concatenate([[row], model.predict_proba(p["X"]).T.ravel()])


@question
def alipy_adaptive_parts(p: Problem) -> Any:
    """The rows of the two measures alone (beta 1 and 0), then (labels, n) decision values of its model."""
    from alipy.query_strategy.multi_label import QueryMultiLabelAdaptive, _BinaryRelevance
    from sklearn.linear_model import LogisticRegression

    rows = [
        QueryMultiLabelAdaptive(p["X"], p["sets"], LogisticRegression(), [beta], 0).sequential_select(
            p["labeled"], unlabeled(p)
        )
        for beta in (1.0, 0.0)
    ]
    model = _BinaryRelevance(LogisticRegression()).train(p["X"][p["labeled"]], p["sets"][p["labeled"]])
    return np.concatenate([rows, model.predict_real(p["X"]).T.ravel()])


def main() -> None:
    """Answer every problem of a folder."""
    folder = Path(sys.argv[1])
    for path in sorted(folder.glob("problem-*.npz")):
        with np.load(path) as file:
            given = {name: file[name] for name in file.files}
        answers: dict[str, np.ndarray] = {}
        for name, ask in QUESTIONS.items():
            try:
                answers[name] = np.asarray(ask({key: value.copy() for key, value in given.items()}))
            except Exception as error:  # noqa: BLE001 -- a peer that breaks is an answer too
                answers[name] = np.asarray(f"{type(error).__name__}: {error}")
        np.savez(folder / path.name.replace("problem", "answers"), **answers)


if __name__ == "__main__":
    main()
