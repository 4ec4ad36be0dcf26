"""Regressors that know how sure they are."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Literal, TypeAlias

import numpy as np

from askwise.core import Array, BadInput, Matrix
from askwise.features import as_features
from askwise.learners import committees
from askwise.learners.foreign import as_given, check_kind, fitted
from askwise.learners.softmax import as_matrix, center_of, is_sparse, placed
from askwise.learners.whitening import Whitening

WEAKEST, STRONGEST = 1e-6, 1e7
"""Range of the penalty that is searched, in mean squared lengths of a row: below, float32 loses the rest."""


class RidgeRegression:
    """Linear regression whose penalty and noise follow from the labels; it gives a standard deviation and draws.

    `y = w · x + b + noise` with w ~ N(0, s²/penalty) and noise ~ N(0, s²): the posterior mean of w is ridge regression
    (Hoerl & Kennard, 1970), penalty and s² maximise the likelihood of the labels with the intercept integrated out
    (evidence; MacKay, 1992). A fit costs one eigendecomposition of size (m, m); dense or CSR features. Of sparse
    features the predictions are exact, standard deviations and draws are those of a projection (`signals.project`).

    Args:
        penalty: Strength of the ridge, > 0; None = found from the labels.

    Attributes:
        coef_: (d,) weights.
        intercept_: The intercept.
        penalty_: The penalty in use.
        noise_: s, the standard deviation of the noise in units of the target; 1 while one label says nothing of it.
    """

    coef_: Array
    intercept_: float

    def __init__(self, penalty: float | None = None) -> None:
        if penalty is not None and not penalty > 0:
            raise BadInput(f"penalty must be above 0 or None, got {penalty!r}. None finds it from the labels.")
        self.penalty = penalty
        self.penalty_, self.noise_ = 1.0, 1.0
        self._seen: Matrix = None
        self._center: Array | None = None
        self._base = 0.0
        self._whitening: Whitening | None = None
        self._committee: dict[tuple[int, int], Array] = {}

    def __repr__(self) -> str:
        return f"RidgeRegression(penalty={self.penalty!r})"

    def fit(self, X: Matrix, y: Any) -> RidgeRegression:
        """Learn from (m, d) features and (m,) targets.

        Raises:
            BadInput: no rows, unequal lengths, or numbers that are not finite.
        """
        X, t = as_features(X), _targets(y)
        self._center = center_of(X)
        A = placed(X, self._center)
        m = A.shape[0]
        if m != len(t) or m == 0:
            raise BadInput(f"fit needs one target per row and at least one row, got {m} rows, {len(t)} targets.")
        gram = _centered_gram(A)
        if not np.isfinite(gram).all():
            raise BadInput("The features hold NaN or infinity; fill or drop those rows before fitting.")
        values, vectors = np.linalg.eigh(gram)
        values = np.maximum(values, 0)
        turned = vectors.T @ (t - t.mean())
        self.penalty_ = self.penalty or _likeliest_penalty(values, turned, float(np.trace(gram)) / m)
        # the eigenvector of ones belongs to the intercept: its value is 0, and so is its part of the target
        variance = float((turned**2 / (values / self.penalty_ + 1)).sum()) / max(1, m - 1)
        self.noise_ = float(np.sqrt(variance)) if m > 1 else 1.0
        dual = vectors @ (turned / (values + self.penalty_))
        self.coef_ = np.asarray(A.T @ (dual - dual.mean())).astype(np.float64)
        self._base = float(t.mean() - np.asarray(A @ self.coef_).mean())
        self.intercept_ = self._base - (0.0 if self._center is None else float(self._center @ self.coef_))
        self._seen, self._whitening, self._committee = A, None, {}
        return self

    @property
    def is_fitted(self) -> bool:
        """Whether it has learned something."""
        return hasattr(self, "coef_")

    def for_prediction(self) -> RidgeRegression:
        """A copy that goes on its own, without the rows that it learned from."""
        found = copy.copy(self)
        if self._seen is not None:
            self.whiten(self._seen[:0])  # found while the rows are there
            found._whitening, found._seen, found._committee = self._whitening, self._seen[:0], {}
        return found

    def predict(self, X: Matrix) -> Array:
        """(n,) predictions."""
        return np.asarray(placed(X, self._center) @ self.coef_.astype(np.float32), np.float64) + self._base

    def predict_std(self, X: Matrix) -> Array:
        """(n,) standard deviations of what is predicted, in units of the target, without the noise of an answer."""
        F = self.whiten(X)
        return np.asarray(self.noise_ * np.sqrt(np.einsum("ij,ij->i", F, F, dtype=np.float64)))

    def whiten(self, X: Matrix) -> Array:
        """(n, r) float32 rows F; F_x · F_u is the covariance of the predictions at x and u in units of `noise_`²."""
        if self._seen is None:
            raise BadInput("whiten needs a fitted learner; call fit first.")
        if self._whitening is None:
            self._whitening = Whitening(self._seen, np.ones(self._seen.shape[0]), self.penalty_)
        return self._whitening(placed(X, self._center))

    def predict_committee(self, X: Matrix, members: int = 10, seed: int = 0) -> Array:
        """(members, n) predictions of weights drawn from the posterior; the same seed gives the same members."""
        F = self.whiten(X)
        if (members, seed) not in self._committee:
            draws = np.random.default_rng(seed).standard_normal((F.shape[1], members))
            self._committee = {(members, seed): self.noise_ * draws.astype(np.float32)}
        return self.predict(X) + (F @ self._committee[members, seed]).T.astype(np.float64)


def _centered_gram(A: Matrix) -> Array:
    """(m, m) products of the rows minus their mean: the intercept takes up the mean."""
    if not is_sparse(A):
        B = A.astype(np.float64)
        B -= B.mean(0)
        return np.asarray(B @ B.T)
    gram = np.asarray((A @ A.T).toarray(), np.float64)
    side = gram.mean(0)
    return np.asarray(gram - side - side[:, None] + side.mean())


def _likeliest_penalty(values: Array, turned: Array, scale: float) -> float:
    """Maximum of the marginal likelihood, the noise profiled out; `scale` where there is nothing to go by."""
    from scipy.optimize import minimize_scalar

    m = len(values)
    scale = scale or 1.0
    if m < 3 or (turned**2).sum() <= 1e-12 * m:
        return scale

    def minus_log_likelihood(log_penalty: float) -> float:
        spread = values / (scale * np.exp(log_penalty)) + 1
        return float((m - 1) * np.log((turned**2 / spread).sum()) + np.log(spread).sum())

    grid = np.linspace(np.log(WEAKEST), np.log(STRONGEST), 33)
    best = grid[int(np.argmin([minus_log_likelihood(g) for g in grid]))]
    step = grid[1] - grid[0]
    found = minimize_scalar(minus_log_likelihood, bounds=(max(best - step, grid[0]), best + step), method="bounded").x
    return float(scale * np.exp(found))


# ── anybody's regressor ─────────────────────────────────────────────────────────────────────

Kind: TypeAlias = Literal["own", "trees", "std", "bootstrap"]
NOTES: dict[Kind, str] = {
    "own": "",
    "trees": "the standard deviation is that of the single models of the ensemble",
    "std": "a committee is drawn from the predicted mean and standard deviation, row by row",
    "bootstrap": "standard deviation and committee are those of bootstrap refits (Efron, 1979)",
}
FOLDS = 5
"""Parts of the labels that are held out in turn."""
MEMBERS = 10
"""Models that a committee has unless asked otherwise."""


class AdaptedRegressor:
    """A regressor, pipeline or search with what it lacked: a standard deviation, a committee, a posterior stand-in.

    Forests and bagging ask their single models, Gaussian processes and Bayesian linear models have a standard deviation
    of their own, anything else is refitted on bootstrap samples. `notes` says which.

    Attributes:
        estimator: The regressor as given; fitted by `fit`.
        notes: What was added, one sentence each, for the report.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self._kind: Kind = _kind_of(estimator)
        self.notes = tuple(note for note in (NOTES[self._kind],) if note)
        self._data: tuple[Matrix, Array] | None = None
        self._noise: float | None = None
        self._members: dict[tuple[int, int], list[Any]] = {}
        self._whitening: Whitening | None = None

    def __repr__(self) -> str:
        return f"AdaptedRegressor({' '.join(repr(self.estimator).split())})"

    def fit(self, X: Matrix, y: Any) -> AdaptedRegressor:
        """Learn from (m, d) features and (m,) targets."""
        self._data = _as_given(X), _targets(y)
        self._members, self._whitening, self._noise = {}, None, None
        fitted(self.estimator, *self._data)
        return self

    @property
    def is_fitted(self) -> bool:
        """Whether it has learned something."""
        return self._data is not None

    def for_prediction(self) -> AdaptedRegressor:
        """A copy that goes on its own."""
        self.noise_  # noqa: B018 - found while the data are there
        return copy.copy(self)

    @property
    def noise_(self) -> float:
        """Standard deviation of an answer around what is predicted, in units of the target.

        What is left of the mean square error on held-out fifths of the labels when the predicted variance is taken off;
        of few labels, the standard deviation of the labels.
        """
        if self._noise is None:
            self._noise = self._held_out()
        return self._noise

    def _held_out(self) -> float:
        if self._data is None:
            raise BadInput("noise_ needs a fitted learner; call fit first.")
        A, y = self._data
        m = len(y)
        if m < 2 * FOLDS:
            return float(y.std()) if m > 1 else 1.0
        fold = np.random.default_rng(m).permutation(m) % FOLDS
        square = np.zeros(m)
        for f in range(FOLDS):
            held = np.flatnonzero(fold == f)
            fresh = committees.fresh(self.estimator)
            fitted(fresh, A[np.flatnonzero(fold != f)], y[fold != f])
            square[held] = (_predict(fresh, A[held]) - y[held]) ** 2
        variance = float(square.mean()) - float(np.mean(self.predict_std(A) ** 2))
        return float(np.sqrt(max(variance, 1e-3 * float(square.mean()), 1e-24)))

    def predict(self, X: Matrix) -> Array:
        """(n,) predictions."""
        return _predict(self.estimator, _as_given(X))

    def predict_std(self, X: Matrix) -> Array:
        """(n,) standard deviations of the prediction."""
        if self._data is None:
            raise BadInput("predict_std needs a fitted learner; call fit first.")
        if X.shape[0] == 0:  # scikit-learn refuses to predict for no rows
            return np.zeros(0)
        if self._kind == "own":
            return np.asarray(self.estimator.predict_std(X), np.float64)
        if self._kind == "std":
            return np.asarray(self.estimator.predict(_as_given(X), return_std=True)[1], np.float64)
        every = None if self._kind == "trees" else MEMBERS
        return np.asarray(self._committee(*self._data, _as_given(X), every, 0).std(0))

    def predict_committee(self, X: Matrix, members: int = MEMBERS, seed: int = 0) -> Array:
        """(members, n) predictions of several models; an ensemble of fewer models gives fewer members."""
        if self._data is None:
            raise BadInput("predict_committee needs a fitted learner; call fit first.")
        if X.shape[0] == 0:
            return np.zeros((members, 0))
        if self._kind == "own" and hasattr(self.estimator, "predict_committee"):
            return np.asarray(self.estimator.predict_committee(X))
        if self._kind in ("own", "std"):
            # quantiles of the normal distribution, the same for every row: members differ, rows stay comparable
            from scipy.stats import norm

            levels = norm.ppf((np.arange(members) + 0.5) / members)
            return np.asarray(self.predict(X) + levels[:, None] * self.predict_std(X))
        return self._committee(*self._data, _as_given(X), members, seed)

    def whiten(self, X: Matrix) -> Array:
        """(n, r) rows F of a ridge regression on the same features, penalty from the labels: a stand-in."""
        if self._data is None:
            raise BadInput("whiten needs a fitted learner; call fit first.")
        if self._whitening is None:
            A = self._data[0]
            self._whitening = Whitening(A, np.ones(A.shape[0]), RidgeRegression().fit(*self._data).penalty_)
        return self._whitening(X)

    def _committee(self, A: Matrix, y: Array, X: Matrix, members: int | None, seed: int) -> Array:
        if self._kind == "trees":
            return _single_models(self.estimator, X, members, seed)
        count = members or MEMBERS
        if (count, seed) not in self._members:
            rng = np.random.default_rng(seed)
            samples = [np.sort(rng.integers(0, len(y), len(y))) for _ in range(count)]
            self._members = {(count, seed): [committees.fresh(self.estimator).fit(A[s], y[s]) for s in samples]}
        return np.stack([_predict(member, X) for member in self._members[count, seed]])


def adapt_regressor(estimator: Any = None) -> Any:
    """A regressor for strategies of task "regression": None = `RidgeRegression()`, ours as it is, others wrapped.

    Raises:
        BadInput: a class instead of an instance, a classifier, or something without `fit` and `predict`.
    """
    if estimator is None:
        return RidgeRegression()
    if isinstance(estimator, type):
        raise BadInput(
            f"A learner must be an instance, got the class {estimator.__name__}; write {estimator.__name__}()."
        )
    if isinstance(estimator, (RidgeRegression, AdaptedRegressor)):
        return estimator
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict")) or hasattr(estimator, "predict_proba"):
        raise BadInput(
            f"A regressor needs fit(X, y) and predict(X) that returns numbers; {type(estimator).__name__} is none. "
            "For a classifier use adapt(estimator)."
        )
    check_kind(estimator, "regressor")
    return AdaptedRegressor(estimator)


def _kind_of(estimator: Any) -> Kind:
    if hasattr(estimator, "predict_std"):
        return "own"
    from sklearn.ensemble import BaggingRegressor
    from sklearn.ensemble._forest import ForestRegressor

    last = committees.final(estimator)
    if isinstance(last, (ForestRegressor, BaggingRegressor)):
        return "trees"
    if "return_std" in inspect.signature(last.predict).parameters and not committees.searches(estimator):
        return "std"
    return "bootstrap"


def _single_models(estimator: Any, X: Matrix, members: int | None, seed: int) -> Array:
    """(members, n) predictions of single models of an ensemble, all of them for None."""
    ensemble, X = committees.split_pipeline(estimator, X)
    models = ensemble.estimators_
    columns = getattr(ensemble, "estimators_features_", None)
    chosen = np.arange(len(models))
    if members is not None and members < len(models):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(models))[:members])
    if columns is None:
        X = as_matrix(X)  # what the forest itself converts to, once instead of once a tree
    return np.stack([_predict(models[i], X if columns is None else X[:, columns[i]]) for i in chosen])


def _predict(model: Any, X: Matrix) -> Array:
    """(n,) predictions."""
    if X.shape[0] == 0:
        return np.zeros(0)
    return np.asarray(model.predict(X), np.float64).reshape(X.shape[0])


def _targets(y: Any) -> Array:
    """(m,) finite float64 numbers."""
    try:
        t = np.asarray(y, np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise BadInput(f"The targets of a regression must be numbers ({error}).") from error
    if not np.isfinite(t).all():
        raise BadInput("The targets hold NaN or infinity; leave those rows out of the labeled ones.")
    return t


def _as_given(X: Matrix) -> Matrix:
    """Float16 is for storage; scikit-learn does not compute in it."""
    return as_given(X)
