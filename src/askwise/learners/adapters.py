"""Adapters that make any classifier a learner."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise.core import Array, AskwiseError, BadInput, ContractError, Learner, Matrix
from askwise.learners import committees
from askwise.learners.calibration import Calibration, fit_calibration, held_out_logits
from askwise.learners.foreign import (
    answered,
    as_given,
    check_kind,
    fitted,
    per_class,
    positive_weight,
    translated,
    weighs_places,
)
from askwise.learners.softmax import SoftmaxRegression
from askwise.learners.whitening import Whitening, softmax_curvature
from askwise.values import label_name

OVERSURE = ("sklearn.tree", "sklearn.ensemble", "xgboost", "lightgbm", "catboost")
"""Where trees and boosting live: what they call a probability is far from one (Niculescu-Mizil & Caruana, 2005)."""


class Adapted:
    """A classifier, pipeline or search with what it lacked: one-class fits, probabilities, a committee.

    Whatever is added is named in `notes`, and by `describe` in every log and report:

    - Without `predict_proba` (most SVMs), a softmax of `decision_function` is calibrated on cross-validated decisions:
      Platt's slope and shift for two classes, a temperature for more. Trees and boosting get a temperature as well.
      Below 10 held-out labels nothing is calibrated; later it is done again whenever the number of labels has changed
      by a tenth.
    - Without `predict_committee`, single trees of a forest, Laplace draws of a logistic regression, or bootstrap
      refits of anything else. A search (`GridSearchCV`) is not repeated for them: what it found is refitted.
    - While there are fewer labels than the classifier needs (neighbors, folds of a search), a softmax regression
      stands in; `standing_in` says so.

    Attributes:
        estimator: The classifier as given; fitted by `fit`.
        notes: What was added, one sentence each, for the report.
        classes_: (classes,) sorted labels seen.
        standing_in: Whether the last fit had too few labels for the estimator.
    """

    classes_: Array

    def __init__(self, estimator: Any, *, calibrate: bool | None = None) -> None:
        self.estimator = estimator
        self.standing_in = False
        last = committees.final(estimator)
        self._decides = not hasattr(estimator, "predict_proba")
        oversure = any(kind.__module__.startswith(OVERSURE) for kind in type(last).__mro__)
        self._calibrates = (self._decides or oversure) if calibrate is None else calibrate
        self._committee = committees.kind_of(estimator)
        self.notes = tuple(note for note in self._notes() if note)
        self._calibration, self._calibrated_at = Calibration(), 0
        self._own: Any = None  # what answers: the estimator, or its stand-in
        self._data: tuple[Matrix, Array] | None = None
        self._learned_from = 0  # labels
        self._members: Any = None  # of the committee, once asked for
        self._whitening: Whitening | None = None
        self._names: tuple[str, ...] | None = None  # of class numbers, where a session says so
        self._told: Array | None = None  # what the estimator is told for each class
        self._settings: dict[str, Any] = {}  # its settings for each class, in these words

    def _notes(self) -> list[str]:
        probabilities = ""
        if self._decides:
            how = "calibrated by cross-validation from 10 labels on" if self._calibrates else "not calibrated"
            probabilities = f"probabilities are a softmax of decision_function, {how}"
        elif self._calibrates:
            probabilities = "probabilities are calibrated by a cross-validated temperature from 10 labels on"
        few = ""
        labels, per_class = _least_labels(self.estimator)
        if labels or per_class:
            few = f"below {labels} labels" if labels else f"below {per_class} labels of a class"
            few += " a softmax regression stands in"
        positive = ""
        if positive_weight(self.estimator) is not None:
            positive = "scale_pos_weight counts for the second of two labels in alphabetical order"
        return [probabilities, committees.NOTES[self._committee], few, positive]

    def fresh(self) -> Adapted:
        """An unfitted adapter of an unfitted estimator with the same settings."""
        other = Adapted(unfitted(self.estimator), calibrate=self._calibrates)
        other._names = self._names
        return other

    def for_prediction(self) -> Adapted:
        """A copy that predicts as this one does and holds none of the rows that it learned from, but for those that
        the classifier itself keeps (neighbors, support vectors).
        """
        other = copy.copy(self)
        other._data, other._members, other._whitening = None, None, None
        slim = getattr(self._own, "for_prediction", None)
        other._own = copy.deepcopy(self._own) if slim is None else slim()  # the next round fits the one here again
        other.estimator = unfitted(self.estimator)
        return other

    # ── fitting ─────────────────────────────────────────────────────────────────────────────

    def fit(self, X: Matrix, y: Any) -> Adapted:
        """Learn from (m, d) features and (m,) labels; with one class, remember it.

        Raises:
            BadInput: sparse features that the classifier does not take.
        """
        X, y = as_given(X), _labels(y, X)
        classes, codes = np.unique(y, return_inverse=True)
        self._told = None
        if not hasattr(self, "classes_") or not np.array_equal(classes, self.classes_):
            self._calibrated_at = 0
        self.classes_ = classes
        self._data, self._members, self._whitening = (X, codes), None, None
        self._learned_from = len(codes)
        self._own, self.standing_in = None, False
        if len(classes) == 1:
            return self
        self.standing_in = _too_few(self.estimator, codes)
        if self.standing_in:
            self._own, self._calibrated_at = SoftmaxRegression().fit(X, codes), 0
            return self
        self._own = self._fit(self.estimator, X, codes)
        self._logits(self._own, X[:1])  # what it cannot answer is told here, where it is known what it learned
        m = len(codes)
        if self._calibrates and not (self._calibrated_at and abs(m - self._calibrated_at) < 0.1 * self._calibrated_at):
            Z, truth = held_out_logits(self._refit, self._logits, X, codes)
            self._calibration, self._calibrated_at = fit_calibration(Z, truth, platt=self._decides), m
        return self

    def _fit(self, estimator: Any, X: Matrix, codes: Array) -> Any:
        """Fit on the labels as this estimator takes them; see `_tell`."""
        if self._told is None:
            self._told, settings = self._tell(names=True)
            estimator = self._set(estimator, settings)
            try:
                return fitted(estimator, X, self._told[codes])
            except ContractError:
                ranks, settings = self._tell(names=False)
                if np.array_equal(ranks, self._told):
                    raise
                # some boosting wants numbers 0, 1, … whatever the labels are; what else is wrong stays wrong with them
                try:
                    found = fitted(self._set(committees.fresh(self.estimator), settings), X, ranks[codes])
                except AskwiseError:
                    found = None
                if found is None:
                    raise
                self._told, self._settings = ranks, settings
                return found
        return fitted(self._set(estimator, self._settings), X, self._told[codes])

    def _set(self, estimator: Any, settings: dict[str, Any]) -> Any:
        """The estimator itself where nothing changes, so that it is fitted as given; else a copy with the settings."""
        self._settings = settings
        return committees.fresh(estimator).set_params(**settings) if settings else estimator

    def _tell(self, *, names: bool) -> tuple[Array, dict[str, Any]]:
        """What the estimator is told for each class, and its settings in these words.

        Numbers 0, 1, … as far as it does not matter; the labels themselves where they were given to `fit`, or where a
        setting goes by class; else (`names=False`) their places in alphabetical order.
        """
        classes = self.classes_
        texts = [str(label_name(c)) for c in classes] if self._names is None else [self._names[int(c)] for c in classes]
        ranks = np.empty(len(texts), np.intp)
        ranks[np.argsort(texts if self._names is not None else classes, kind="stable")] = np.arange(len(texts))
        settings = per_class(self.estimator) or positive_weight(self.estimator) is not None
        settings = settings or weighs_places(self.estimator)
        if settings:
            told: Array = ranks
            if names and self._names is None:
                told = classes
            every = None if self._names is None else self._names
            return told, translated(self.estimator, told.tolist(), texts, every)
        if not names:
            return np.arange(len(classes)), {}
        gaps = not np.array_equal(classes, np.arange(len(classes)))
        return (np.arange(len(classes)) if gaps and classes.dtype.kind in "iu" else classes), {}

    def name_classes(self, names: Sequence[str], *, declared: bool = False) -> None:
        """What class numbers given to `fit` stand for, so that settings for each class go by label.

        Args:
            names: Name of each number.
            declared: These are all classes there are: settings are checked now.

        Raises:
            BadInput: a setting names a class that there is not.
        """
        self._names = tuple(names)
        if declared and len(names) > 1:
            translated(self.estimator, list(names), list(names), list(names))

    def _refit(self, X: Matrix, codes: Array) -> Any:
        return self._fit(committees.fresh(self.estimator), X, codes)

    # ── predicting ──────────────────────────────────────────────────────────────────────────

    def predict_proba(self, X: Matrix) -> Array:
        """(n, classes) probabilities, columns in the order of `classes_`."""
        if self._own is None or X.shape[0] == 0:  # scikit-learn refuses to predict for no rows
            return np.ones((X.shape[0], len(self.classes_)))
        return self._proba(self._own, as_given(X))

    def predict_committee(self, X: Matrix, members: int = 10, seed: int = 0) -> Array:
        """(members, n, classes) probabilities of several models; a forest with fewer trees gives fewer members."""
        if self._data is None:
            raise BadInput("predict_committee needs a fitted learner; call fit first.")
        X = as_given(X)
        if self._own is None or X.shape[0] == 0:
            return np.ones((members, X.shape[0], len(self.classes_)))
        if self.standing_in:
            return np.asarray(self._own.predict_committee(X, members, seed))
        if self._committee == "own":
            return self._ordered(self._own, np.asarray(self._own.predict_committee(X)))
        if self._committee == "trees":
            return self._ordered(self._own, committees.trees(self._own, X, members, seed))
        if self._committee == "laplace":
            if not isinstance(self._members, SoftmaxRegression):
                self._members = committees.posterior(self._own, *self._data)
            _, seen = committees.split_pipeline(self._own, X)
            return self._ordered(self._own, self._members.predict_committee(seen, members, seed))
        keep = max(1, _least_labels(committees.fresh(self._own))[1])
        if not isinstance(self._members, dict) or (members, seed) not in self._members:
            self._members = {(members, seed): committees.bootstrap(self._refit, *self._data, members, seed, keep)}
        # disagreement is what a committee is for, and calibrating every tree would take most of it away
        calibrated = self._decides
        return np.stack([self._proba(member, X, calibrated) for member in self._members[members, seed]])

    def decision_function(self, X: Matrix) -> Array:
        """(n, classes) decisions, 0 on each boundary: the classifier's, else log odds. Of two classes (n,)."""
        if self._own is not None and self._decides and not self.standing_in and X.shape[0]:
            D = self._logits(self._own, as_given(X))
        else:
            P = np.clip(np.asarray(self.predict_proba(X), np.float64), 1e-12, 1 - 1e-12)
            D = np.log(P) - np.log1p(-P)
            D = D / 2 if D.shape[1] == 2 else D
        return D[:, 1] - D[:, 0] if D.shape[1] == 2 else D

    def whiten(self, X: Matrix) -> Array:
        """(n, r) float32 rows F(x) whose products stand for how far a label at one row moves another.

        A stand-in for what only linear models know: those of a linear model on the same features with penalty 1 and
        with the curvature of this classifier's probabilities; see `SoftmaxRegression.whiten`.
        """
        if self._data is None:
            raise BadInput("whiten needs a fitted learner; call fit first.")
        if self._whitening is None:
            A, _ = self._data
            self._whitening = Whitening(A, softmax_curvature(self.predict_proba(A)), 1.0)
        return self._whitening(as_given(X))

    def _proba(self, estimator: Any, X: Matrix, calibrated: bool = True) -> Array:
        if self._calibrates and calibrated and not self.standing_in:
            return self._calibration(self._logits(estimator, X))
        if hasattr(estimator, "predict_proba"):
            return self._ordered(estimator, answered(estimator, "predict_proba", X))
        return Calibration()(self._logits(estimator, X))

    def _logits(self, estimator: Any, X: Matrix) -> Array:
        """(n, classes) decisions, or logarithms of probabilities kept away from 0 as far as the labels tell."""
        if not self._decides:
            P = self._ordered(estimator, answered(estimator, "predict_proba", X).astype(np.float64))
            return np.asarray(np.log(np.maximum(P, 1 / (self._learned_from + P.shape[1]))))
        D = answered(estimator, "decision_function", X).astype(np.float64)
        if D.ndim == 1:
            D = np.stack([-D / 2, D / 2], axis=1)
        if (
            D.shape[1] != len(self.classes_)
            or getattr(committees.final(estimator), "decision_function_shape", "") == "ovo"
        ):
            raise BadInput(
                f"decision_function of {type(committees.final(estimator)).__name__} compares pairs of classes; "
                "set decision_function_shape='ovr'."
            )
        return self._ordered(estimator, D)

    def _ordered(self, estimator: Any, P: Array) -> Array:
        """Columns (last axis) in the order of `classes_`; 0 for a class that the estimator does not know."""
        if estimator is self._own and self.standing_in:
            return P
        classes = getattr(estimator, "classes_", None)
        if classes is None or self._told is None:
            raise ContractError(f"{type(committees.final(estimator)).__name__} has no classes_ after fit.")
        place = {told: code for code, told in enumerate(self._told.tolist())}
        order = [place.get(told, -1) for told in np.asarray(classes).tolist()]
        if -1 in order or len(order) != P.shape[-1]:
            raise ContractError(
                f"{type(committees.final(estimator)).__name__} gives {P.shape[-1]} probabilities a row for the classes "
                f"{', '.join(map(str, np.asarray(classes).tolist()[:10]))}; it was told "
                f"{', '.join(map(str, self._told.tolist()[:10]))}."
            )
        if order == list(range(len(self._told))):
            return P
        out = np.zeros((*P.shape[:-1], len(self._told)), P.dtype)
        out[..., order] = P
        return out


def adapt(estimator: Any = None, *, calibrate: bool | None = None) -> Any:
    """A learner from anything: None = `SoftmaxRegression()`, ours as it is, any classifier wrapped in `Adapted`.

    Args:
        estimator: A classifier, pipeline or search with `fit` and `predict_proba` or `decision_function`.
        calibrate: Whether to calibrate its probabilities by cross-validation, which costs five more fits now and then;
            None = trees, boosting, and whatever has only a `decision_function`.

    Raises:
        BadInput: a class instead of an instance, or something that can neither give probabilities nor decisions.
    """
    if estimator is None:
        return SoftmaxRegression()
    if isinstance(estimator, type):
        raise BadInput(
            f"A learner must be an instance, got the class {estimator.__name__}; write {estimator.__name__}()."
        )
    if isinstance(estimator, (SoftmaxRegression, Adapted)) or getattr(estimator, "is_adapted", False):
        return estimator
    check_kind(estimator, "classifier")
    able = any(hasattr(estimator, power) for power in ("predict_proba", "decision_function"))
    if not hasattr(estimator, "fit") or not able:
        raise BadInput(
            "A learner needs fit(X, y) with predict_proba(X) or decision_function(X); "
            f"{type(estimator).__name__} does not have them. "
            "Any scikit-learn classifier or pipeline does; regressors do not."
        )
    return Adapted(estimator, calibrate=calibrate)


def unfitted(learner: Any) -> Any:
    """A learner of the same kind and settings that has learned nothing.

    From its `fresh()`, else as scikit-learn clones; of a learner with neither a copy, which may remember what it
    learned.
    """
    if hasattr(learner, "fresh"):
        return learner.fresh()
    if hasattr(learner, "get_params"):
        from sklearn.base import clone

        return clone(learner)
    return copy.deepcopy(learner)


def describe(learner: Learner) -> str:
    """One line for logs and reports: class, settings, and what an adapter added."""
    notes = getattr(learner, "notes", ())
    shown = learner.estimator if isinstance(learner, Adapted) else learner
    return " ".join(repr(shown).split()) + (f" ({'; '.join(notes)})" if notes else "")


def _least_labels(estimator: Any) -> tuple[int, int]:
    """(labels, labels of a class) below which the classifier cannot be fitted or cannot predict; 0 = no such limit."""
    neighbors = getattr(committees.final(estimator), "n_neighbors", 0)
    folds = 0
    for part in (estimator, committees.final(estimator)):
        if hasattr(part, "cv"):
            folds = max(folds, part.cv if isinstance(part.cv, int) else getattr(part.cv, "n_splits", 5))
    return (neighbors if isinstance(neighbors, int) else 0), folds


def _too_few(estimator: Any, codes: Array) -> bool:
    labels, per_class = _least_labels(estimator)
    # a search drops folds without a class, so its commonest class decides, and no class may be alone
    count = np.bincount(codes)
    lenient = committees.searches(estimator)
    return bool(
        len(codes) < labels or (lenient and count.min() < 2) or (count.max() if lenient else count.min()) < per_class
    )


def _labels(y: Any, X: Matrix) -> Array:
    """(m,) labels of one kind."""
    labels = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise BadInput(
            f"fit needs one label for each row, got labels of shape {labels.shape}. For several labels of an item take "
            "adapt_multilabel(estimator)."
        )
    if len(labels) != X.shape[0] or not len(labels):
        raise BadInput(
            f"fit needs one label per row and at least one row, got {X.shape[0]} rows, {len(labels)} labels."
        )
    if labels.dtype.kind == "O":  # columns of frames; of one kind they are as good as an array of it
        kinds = {type(label) for label in labels.tolist()}
        if kinds <= {str} or kinds <= {int, float, np.float64, np.int64} or kinds <= {bool}:
            labels = np.array(labels.tolist())
    strange = labels.dtype.kind == "O" or (labels.dtype.kind == "f" and bool(np.isnan(labels).any()))
    if strange or labels.dtype.kind not in "biufSUOT":
        raise BadInput("The labels must all be texts or all be numbers, none missing; leave out rows without a label.")
    return labels
