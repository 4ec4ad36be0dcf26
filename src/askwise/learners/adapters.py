"""Adapters that make any classifier a learner."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Learner, Matrix
from askwise.learners.softmax import SoftmaxRegression


class Adapted:
    """A classifier or pipeline with what it lacked: one-class fits, `predict_proba`, a committee.

    Attributes:
        estimator: The classifier as given; fitted by `fit`.
        notes: What was added, one sentence each, for the report.
        classes_: (classes,) sorted labels seen.
    """

    classes_: Array

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        notes = []
        if not hasattr(estimator, "predict_proba"):
            notes.append("probabilities are a softmax of decision_function, not calibrated")
        if not hasattr(estimator, "predict_committee"):
            notes.append("a committee is made by bootstrap refits (Efron, 1979)")
        self.notes = tuple(notes)
        self._data: tuple[Matrix, Array] | None = None
        self._members: dict[tuple[int, int], list[Any]] = {}

    def fit(self, X: Matrix, y: Any) -> Adapted:
        """Learn from (m, d) features and (m,) labels; with one class, remember it."""
        y = np.asarray(y)
        self.classes_ = np.unique(y)
        self._data, self._members = (_float(X), y), {}
        if len(self.classes_) > 1:
            self.estimator.fit(*self._data)
        return self

    def predict_proba(self, X: Matrix) -> Array:
        """(n, classes) probabilities, columns in the order of `classes_`."""
        return self._proba(self.estimator, _float(X), fitted=len(self.classes_) > 1)

    def predict_committee(self, X: Matrix, members: int = 10, seed: int = 0) -> Array:
        """(members, n, classes) probabilities of refits on bootstrap samples that keep every class."""
        own = getattr(self.estimator, "predict_committee", None)
        if own is not None and len(self.classes_) > 1:
            return np.asarray(own(X))
        if self._data is None:
            raise BadInput("predict_committee needs a fitted learner; call fit first.")
        if len(self.classes_) == 1:
            return np.ones((members, X.shape[0], 1))
        if (members, seed) not in self._members:
            rng = np.random.default_rng(seed)
            self._members = {(members, seed): [self._refit(*self._data, rng) for _ in range(members)]}
        return np.stack([self._proba(member, _float(X)) for member in self._members[members, seed]])

    def _refit(self, X: Matrix, y: Array, rng: np.random.Generator) -> Any:
        # one row of each class is kept, so that every member knows every class
        kept = [rng.choice(np.flatnonzero(y == c)) for c in self.classes_]
        rows = np.concatenate([kept, rng.integers(0, len(y), len(y) - len(kept))]).astype(np.intp)
        return _fresh(self.estimator).fit(X[rows], y[rows])

    def _proba(self, estimator: Any, X: Matrix, *, fitted: bool = True) -> Array:
        if not fitted or X.shape[0] == 0:  # scikit-learn refuses to predict for no rows
            return np.ones((X.shape[0], len(self.classes_)))
        if hasattr(estimator, "predict_proba"):
            P = np.asarray(estimator.predict_proba(X))
        else:
            D = np.asarray(estimator.decision_function(X), dtype=np.float64)
            D = np.stack([-D / 2, D / 2], axis=1) if D.ndim == 1 else D
            P = np.exp(D - D.max(1, keepdims=True))
            P /= P.sum(1, keepdims=True)
        order = np.searchsorted(self.classes_, estimator.classes_)
        if np.array_equal(order, np.arange(len(self.classes_))):
            return P
        out = np.zeros((len(P), len(self.classes_)), P.dtype)
        out[:, order] = P
        return out


def adapt(estimator: Any = None) -> Any:
    """A learner from anything: None = `SoftmaxRegression()`, ours as it is, any classifier wrapped in `Adapted`.

    Raises:
        BadInput: a class instead of an instance, or something that can neither give probabilities nor decisions.
    """
    if estimator is None:
        return SoftmaxRegression()
    if isinstance(estimator, type):
        raise BadInput(
            f"A learner must be an instance, got the class {estimator.__name__}; write {estimator.__name__}()."
        )
    if isinstance(estimator, (SoftmaxRegression, Adapted)):
        return estimator
    able = any(hasattr(estimator, power) for power in ("predict_proba", "decision_function"))
    if not hasattr(estimator, "fit") or not able:
        raise BadInput(
            "A learner needs fit(X, y) with predict_proba(X) or decision_function(X); "
            f"{type(estimator).__name__} does not have them. "
            "Any scikit-learn classifier or pipeline does; regressors do not."
        )
    return Adapted(estimator)


def describe(learner: Learner) -> str:
    """One line for logs and reports: class, settings, and what an adapter added."""
    if isinstance(learner, Adapted):
        added = f" ({'; '.join(learner.notes)})" if learner.notes else ""
        return f"{' '.join(repr(learner.estimator).split())}{added}"
    return " ".join(repr(learner).split())


def _fresh(estimator: Any) -> Any:
    """An unfitted copy."""
    if hasattr(estimator, "get_params"):
        from sklearn.base import clone

        return clone(estimator)
    return copy.deepcopy(estimator)


def _float(X: Matrix) -> Matrix:
    return X.astype(np.float32) if getattr(X, "dtype", None) == np.float16 else X
