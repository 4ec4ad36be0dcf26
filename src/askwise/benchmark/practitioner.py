"""What a good practitioner does without active learning: a random sample, and a model chosen by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askwise.core import Array, Matrix

FOLDS = 5


def _logistic(C: float) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=C, max_iter=1_000, random_state=seed)

    return make


def _svm(C: float) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        from sklearn.svm import SVC

        return SVC(C=C, random_state=seed)

    return make


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=seed)


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=seed)


CANDIDATES: Mapping[str, Sequence[Callable[[int], Any]]] = {
    "logistic": (_logistic(1.0), _logistic(10.0), _logistic(100.0)),
    "svm": (_svm(1.0), _svm(10.0)),
    "forest": (_forest,),
    "boosting": (_boosting,),
}
"""Family → its settings that are tried; all else is as scikit-learn has it. The plainest comes first and wins ties."""
FAMILIES = tuple(CANDIDATES)


@dataclass(frozen=True)
class Choice:
    """What he does with a sample."""

    family: str
    """The one he chooses."""
    right: Mapping[str, float]
    """Family → share of the sample that it gets right in cross-validation, 0..1."""
    guesses: Mapping[str, Array]
    """Family → (n,) class numbers of the rows that are held out, fitted on the whole sample."""


def choose(
    X: Matrix, y: Array, X_test: Matrix, *, families: Sequence[str] = FAMILIES, seed: int = 0, scaled: bool = True
) -> Choice:
    """Choose a family by stratified cross-validation on the sample alone, and fit each on all of it.

    Args:
        X: (m, d) features of the sample, finite; dense or CSR.
        y: (m,) class numbers.
        X_test: (n, d) rows to guess; they decide nothing.
        families: Out of `FAMILIES`.
        seed: Of the folds and of models that draw.
        scaled: Bring columns to mean 0 and variance 1 for logistic regression and SVM: what one does with measurements,
            and not with features of texts and images.
    """
    X, X_test = (np.asarray(M) if not hasattr(M, "tocsr") else M for M in (X, X_test))
    folds = _folds(y, seed)
    right: dict[str, float] = {}
    guesses: dict[str, Array] = {}
    for family in families:
        made = [_steps(make(seed), family, X, scaled) for make in CANDIDATES[family]]
        shares = [_share_right(model, X, y, folds) for model in made]
        best = int(np.argmax(shares))  # the first of equals
        right[family] = shares[best]
        guesses[family] = _guess(made[best], X, y, X_test)
    return Choice(max(families, key=lambda family: right[family]), right, guesses)


def _folds(y: Array, seed: int) -> list[tuple[Array, Array]]:
    """(rows to learn from, rows held out) of each fold; none where no class has two rows."""
    from sklearn.model_selection import StratifiedKFold

    most = int(np.bincount(y).max())
    if most < 2:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds is what small samples have
        splitter = StratifiedKFold(min(FOLDS, most), shuffle=True, random_state=seed)
        return list(splitter.split(np.zeros(len(y)), y))


def _share_right(model: Any, X: Matrix, y: Array, folds: Sequence[tuple[Array, Array]]) -> float:
    if not folds:
        return 0.0
    hits = sum(int((_guess(model, X[learn], y[learn], X[held]) == y[held]).sum()) for learn, held in folds)
    return hits / len(y)


def _guess(model: Any, X: Matrix, y: Array, X_test: Matrix) -> Array:
    """(n,) class numbers; the one class where the sample has no other."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    if (y == y[0]).all():
        return np.full(int(X_test.shape[0]), y[0], np.intp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is judged by what it guesses, as any other
        fitted = clone(model).fit(X, y)
    return np.asarray(fitted.predict(X_test), np.intp)


def _steps(model: Any, family: str, X: Matrix, scaled: bool) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    sparse = hasattr(X, "tocsr")
    if family == "boosting" and sparse:
        return make_pipeline(FunctionTransformer(_dense, accept_sparse=True), model)
    if family in ("logistic", "svm") and scaled:
        return make_pipeline(StandardScaler(with_mean=not sparse), model)
    return model


def _dense(X: Any) -> Array:
    return np.asarray(X.toarray())
