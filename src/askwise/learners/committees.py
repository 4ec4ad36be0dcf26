"""Committees for classifiers that have none: a forest's trees, posterior draws, bootstrap refits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from askwise.core import Array, Matrix
from askwise.learners.softmax import SoftmaxRegression, as_matrix, center_of, placed

Kind: TypeAlias = Literal["own", "trees", "laplace", "bootstrap"]
NOTES: dict[Kind, str] = {
    "own": "",
    "trees": "the committee are single trees of the forest",
    "laplace": "a committee is drawn from a cold Laplace approximation around the weights (MacKay, 1992)",
    "bootstrap": "a committee is made by bootstrap refits (Efron, 1979)",
}
WEAKEST_PENALTY = 1e4
"""Largest inverse penalty of a Laplace draw: without any penalty the posterior has no width to draw from."""


def kind_of(estimator: Any) -> Kind:
    """How a committee is made for this classifier, pipeline or search; known before it is fitted."""
    if hasattr(estimator, "predict_committee"):
        return "own"
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    last = final(estimator)
    if isinstance(last, (ExtraTreesClassifier, RandomForestClassifier)):
        return "trees"
    if type(last) is LogisticRegression:  # a subclass may mean something else by its weights
        return "laplace"
    return "bootstrap"


def is_pipeline(estimator: Any) -> bool:
    """Whether it has steps as scikit-learn's pipelines have; a setting may be called `steps`, too."""
    return isinstance(getattr(estimator, "steps", None), list)


def final(estimator: Any) -> Any:
    """The classifier at the end of a pipeline or inside a search."""
    while True:
        if is_pipeline(estimator):
            estimator = estimator.steps[-1][1]
        elif searches(estimator):
            estimator = estimator.estimator
        else:
            return estimator


def searches(estimator: Any) -> bool:
    """Whether it is a search over settings, such as `GridSearchCV`."""
    return hasattr(estimator, "estimator") and hasattr(estimator, "refit") and hasattr(estimator, "cv")


def split_pipeline(estimator: Any, X: Matrix) -> tuple[Any, Matrix]:
    """The fitted classifier at the end, and the features as it sees them."""
    while is_pipeline(estimator) or searches(estimator):
        if searches(estimator):
            estimator = estimator.best_estimator_
        else:
            X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
            estimator = estimator.steps[-1][1]
    return estimator, X


def trees(estimator: Any, X: Matrix, members: int, seed: int) -> Array:
    """(members, n, classes) probabilities of single trees, at most as many as the forest has."""
    forest, X = split_pipeline(estimator, X)
    X = as_matrix(X)
    every = len(forest.estimators_)
    chosen = np.sort(np.random.default_rng(seed).permutation(every)[: min(members, every)])
    return np.stack([forest.estimators_[i].predict_proba(X) for i in chosen])


def posterior(estimator: Any, X: Matrix, y: Array) -> SoftmaxRegression:
    """A softmax regression with the weights of a fitted `LogisticRegression`; it can draw a committee.

    Two classes have one weight vector there and a pair of half its length here, so that the penalty here must be half
    as strong for the same optimum: see `SoftmaxRegression`.
    """
    logistic, X = split_pipeline(estimator, X)
    C = min(float(getattr(logistic, "C", 1.0)), WEAKEST_PENALTY)
    W: Array = np.asarray(logistic.coef_, np.float64)
    b: Array = np.asarray(logistic.intercept_, np.float64)
    center = center_of(X)
    b = b if center is None else b + W @ center
    if len(W) == 1:
        W, b, C = np.concatenate([-W, W]) / 2, np.concatenate([-b, b]) / 2, C / 2
    model = SoftmaxRegression(C, class_weight=None, calibrate=False)
    model.classes_, model.center_ = logistic.classes_, center
    model.coef_, model.intercept_ = W.T.astype(np.float32), b.astype(np.float32)
    model._seen = (
        placed(X, center),
        y,
    )  # what the weights were fitted on: their posterior is as narrow as these rows make it
    return model


def bootstrap(
    fit: Callable[[Matrix, Array], Any], X: Matrix, y: Array, members: int, seed: int, keep: int = 1
) -> list[Any]:
    """Models fitted on samples with replacement; of each class `keep` rows are sure, so that every member knows it."""
    rng = np.random.default_rng(seed)
    classes = np.unique(y)
    fitted = []
    for _ in range(members):
        kept = np.concatenate([rng.choice(np.flatnonzero(y == c), keep) for c in classes])
        rows = np.concatenate([kept, rng.integers(0, len(y), max(0, len(y) - len(kept)))]).astype(np.intp)
        fitted.append(fit(X[rows], y[rows]))
    return fitted


def fresh(estimator: Any) -> Any:
    """An unfitted copy; of a search that is done, of what it found."""
    if searches(estimator) and hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if hasattr(estimator, "get_params"):
        from sklearn.base import clone

        return clone(estimator)
    return copy.deepcopy(estimator)
