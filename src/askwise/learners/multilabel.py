"""Learners for items that may have several labels."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Matrix
from askwise.learners.adapters import adapt
from askwise.learners.committees import fresh
from askwise.learners.softmax import SoftmaxRegression
from askwise.learners.whitening import Whitening


class MultiLabel:
    """Says for each label on its own how likely it is: `predict_proba` is (n, labels, 2).

    `predict_committee` is (members, n, labels, 2).

    Args:
        estimator: None = one `SoftmaxRegression` for each label. A scikit-learn classifier that takes a matrix of
            labels (`MultiOutputClassifier`, `OneVsRestClassifier`, `ClassifierChain`, forests, neighbors, networks) is
            used as it is. With `each=True` a plain classifier is copied for each label.
        each: See above.

    Attributes:
        classes_: (labels,) the numbers of the labels.
        notes: What was added, one sentence each, for the report.
    """

    classes_: Array
    is_adapted = True

    def __init__(self, estimator: Any = None, *, each: bool = False) -> None:
        self.estimator, self.each = estimator, each
        self.notes = ("one model for each label",) if estimator is None or each else ()
        self._models: list[Any] = []
        self._constant: Array = np.zeros(0)
        self._count = SoftmaxRegression()
        self._seen: Matrix | None = None
        self._told: Array = np.zeros((0, 0), np.int64)
        self._refits: dict[tuple[int, int], list[MultiLabel]] = {}
        self._whitening: Whitening | None = None

    def __repr__(self) -> str:
        return f"MultiLabel({'' if self.estimator is None else repr(self.estimator)}{', each=True' * self.each})"

    def for_prediction(self) -> MultiLabel:
        """A copy that predicts as this one does and holds nothing of the rows that it learned from."""
        other = copy.copy(self)
        other._seen, other._told, other._refits, other._whitening = None, self._told[:0], {}, None
        other._models, other._count = [model.for_prediction() for model in self._models], self._count.for_prediction()
        if self.estimator is not None:  # the next round fits the one here again
            other.estimator = fresh(self.estimator) if self.each else copy.deepcopy(self.estimator)
        return other

    def fit(self, X: Matrix, Y: Any) -> MultiLabel:
        """Learn from (m, d) features and (m, labels) zeros and ones. A label that never varied is predicted as seen.

        Raises:
            BadInput: Y is no matrix of zeros and ones with a row for each row of X.
        """
        Y = np.asarray(Y.toarray() if hasattr(Y, "toarray") else Y)
        if Y.ndim != 2 or len(Y) != X.shape[0] or not Y.size or not np.isin(Y, (0, 1)).all():
            raise BadInput(
                f"A multi-label fit needs a matrix of zeros and ones, one row for each of {X.shape[0]} rows and at "
                f"least one of each, got {Y.dtype} of shape {Y.shape}."
            )
        Y = Y.astype(np.int64)
        again = len(self._constant) == Y.shape[1]
        self.classes_ = np.arange(Y.shape[1])
        # -1: both values were seen
        self._constant = np.where(Y.min(0) == Y.max(0), Y[0], -1)
        varied = np.flatnonzero(self._constant < 0)
        if self.estimator is None or self.each:
            if not again or self.each:
                self._models = [self._new() for _ in self.classes_]
            for label in varied:
                self._models[label].fit(X, Y[:, label])
        elif len(varied):
            # a single column twice, since many classifiers read one column as ordinary classes
            self.estimator.fit(X, Y[:, varied if len(varied) > 1 else np.repeat(varied, 2)])
        self._seen, self._told, self._whitening, self._refits = X, Y, None, {}
        self._count.fit(_count_features(self.predict_proba(X)), Y.sum(1))
        return self

    def _new(self) -> Any:
        if self.estimator is None:
            return SoftmaxRegression()
        return adapt(fresh(self.estimator))

    def predict_proba(self, X: Matrix) -> Array:
        """(n, labels, 2) probabilities that each label is off and on."""
        n = X.shape[0]
        on = np.tile(np.maximum(self._constant, 0).astype(np.float64), (n, 1))
        varied = np.flatnonzero(self._constant < 0)
        if n and len(varied):
            if self.estimator is None or self.each:
                on[:, varied] = np.stack([self._models[label].predict_proba(X)[:, 1] for label in varied], axis=1)
            else:
                on[:, varied] = _matrix(self.estimator.predict_proba(X))[:, : len(varied)]
        return np.stack([1 - on, on], axis=-1)

    def predict_committee(self, X: Matrix, members: int = 10, seed: int = 0) -> Array:
        """(members, n, labels, 2) probabilities of several models.

        Those of the committees of each label's model where each label has one, drawn apart; else of bootstrap refits
        (Efron, 1979), which predict a label that never varied in their sample as seen there.

        Raises:
            BadInput: not fitted.
        """
        if self._seen is None:
            raise BadInput("predict_committee needs a fitted learner; call fit first.")
        n, labels = X.shape[0], len(self.classes_)
        if self.estimator is not None and not self.each:
            if (members, seed) not in self._refits:
                rng, m = np.random.default_rng(seed), len(self._told)
                draws = [rng.integers(0, m, m) for _ in range(members)]
                refits = [MultiLabel(fresh(self.estimator)).fit(self._seen[r], self._told[r]) for r in draws]
                self._refits = {(members, seed): refits}
            return np.stack([refit.predict_proba(X) for refit in self._refits[members, seed]])
        on = np.tile(np.maximum(self._constant, 0).astype(np.float64), (members, n, 1))
        for label in np.flatnonzero(self._constant < 0) if n else ():
            # a seed of its own, or all labels would be drawn in the same direction
            P = self._models[label].predict_committee(X, members, seed * labels + int(label))
            on[: len(P), :, label] = P[..., 1]
            on[len(P) :, :, label] = P[..., 1].mean(0)
        return np.stack([1 - on, on], axis=-1)

    def predict_count(self, X: Matrix) -> Array:
        """(n,) likeliest number of labels, learned from the sorted probabilities (Yang, Sun, Wang & Chen, 2009)."""
        return np.asarray(self._count.predict(_count_features(self.predict_proba(X))))

    def whiten(self, X: Matrix) -> Array:
        """(n, r) rows F with F_x · F_u = x' H⁻¹ u, H the mean curvature of the labels: one Newton step of each label.

        Of a linear model on the features with our default penalty, whatever the estimator is.
        """
        if self._seen is None:
            raise BadInput("whiten needs a fitted learner; call fit first.")
        if self._whitening is None:
            on = self.predict_proba(self._seen)[..., 1]
            self._whitening = Whitening(self._seen, (on * (1 - on)).mean(1), 1 / self._count.C)
        return self._whitening(X)


def _matrix(P: Any) -> Array:
    """(n, labels) probabilities that a label is on: from such a matrix, or from a list of (n, 2) for each label."""
    return np.stack([np.asarray(p)[:, -1] for p in P], axis=1) if isinstance(P, list) else np.asarray(P)


def _count_features(proba: Array) -> Array:
    """(n, labels) probabilities of a row, largest first, divided by their sum."""
    p = -np.sort(-proba[..., 1], axis=1)
    return np.asarray(p / np.maximum(p.sum(1, keepdims=True), 1e-12))


def adapt_multilabel(estimator: Any = None) -> MultiLabel:
    """A learner of sets of labels: a `MultiLabel` as it is, what takes a matrix of labels inside one, else a copy of
    the classifier for each label; None is a softmax regression for each.

    Raises:
        BadInput: As for `adapt`.
    """
    if estimator is None or isinstance(estimator, MultiLabel):
        return MultiLabel() if estimator is None else estimator
    adapt(estimator)  # says what is wrong with it
    tags = estimator.__sklearn_tags__() if hasattr(estimator, "__sklearn_tags__") else None
    takes = tags is not None and (getattr(tags.classifier_tags, "multi_label", False) or tags.target_tags.multi_output)
    return MultiLabel(estimator, each=not takes)
