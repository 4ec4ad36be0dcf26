"""The learners of a portfolio: each fits dense, scaled rows, and gives probabilities of all classes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from askwise.batch.distances import distances
from askwise.core import Array
from askwise.learners.portfolio.trees import Trees, quickly
from askwise.learners.softmax import SoftmaxRegression

LANDMARKS = 400
"""Labeled rows that the kernel compares with at most; of more, evenly spread ones."""
PULL = 5.0
"""Labels that the variances of all classes together count for in the variances of one."""
TREES = 60
"""Of a forest."""
MOST_TRIED = 40
"""Columns that a split of a tree chooses among, where their square root is not more."""


class Part(Protocol):
    """One learner of a portfolio."""

    heavy: bool
    """Whether a refit takes long enough to be put off until some more labels are there."""

    def fit(self, Z: Array, y: Array, classes: int) -> Any:
        """Learn from (m, d) float32 rows and (m,) class numbers 0 … classes - 1, each of which is there."""
        ...

    def proba(self, Z: Array) -> Array:
        """(n, classes) float32 probabilities."""
        ...

    def committee(self, Z: Array, members: int, seed: int) -> Array:
        """(members, n, classes) probabilities of models that fit the labels equally well."""
        ...

    def for_prediction(self) -> Any:
        """A copy that predicts the same, of plain data, without what it learned from."""
        ...


class Linear:
    """Softmax regression, see `SoftmaxRegression`.

    Args:
        C: Inverse strength of the penalty.
        each: Divide it by the number of columns: what a penalty of rows of length 1 would be.
    """

    heavy = False

    def __init__(self, C: float = 3.0, *, each: bool = False) -> None:
        self.C, self.each = C, each
        self.model = SoftmaxRegression(C, calibrate=False)

    def fit(self, Z: Array, y: Array, classes: int) -> Linear:
        """See `Part`."""
        if self.each:
            self.model.C = self.C / Z.shape[1]
        self.model.fit(Z, y)
        return self

    def turned(self, Z: Array) -> tuple[Array, Callable[[], Linear]]:
        """The rows with as few columns as hold all of them, and what makes a model that learns from these as this does.

        With a penalty on their length, weights are sums of the rows, so m columns hold all that m rows tell.

        Args:
            Z: (m, d) float32 rows.
        """
        make = partial(Linear, self.C / Z.shape[1] if self.each else self.C)
        if len(Z) >= Z.shape[1]:
            return Z, make
        root: Array = np.linalg.qr(Z.T, mode="r")  # type: ignore[assignment] # with this mode it is the matrix alone
        return np.ascontiguousarray(root.T), make

    def proba(self, Z: Array) -> Array:
        """See `Part`."""
        return self.model.predict_proba(Z)

    def committee(self, Z: Array, members: int, seed: int) -> Array:
        """Drawn from the posterior; see `SoftmaxRegression.predict_committee`."""
        return self.model.predict_committee(Z, members, seed)

    def for_prediction(self) -> Linear:
        """See `Part`."""
        other = copy.copy(self)
        other.model = self.model.for_prediction()
        return other


class Kernel:
    """Softmax regression on the Nyström features of a Gaussian kernel (Williams & Seeger, 2001).

    Args:
        width: Of the kernel, in medians of the squared distance between two rows, > 0.
        C: Inverse strength of the penalty.
    """

    heavy = False

    def __init__(self, width: float = 1.0, C: float = 10.0) -> None:
        self.width, self.model = width, SoftmaxRegression(C, calibrate=False)

    def fit(self, Z: Array, y: Array, classes: int) -> Kernel:
        """See `Part`."""
        at = np.unique(np.linspace(0, len(Z) - 1, min(len(Z), LANDMARKS)).astype(np.intp))
        self.landmarks = np.ascontiguousarray(Z[at], np.float32)
        D = distances(self.landmarks, self.landmarks)
        apart = D[np.triu_indices(len(D), 1)]
        middle = float(np.median(apart)) if len(apart) else 1.0
        self.scale = 1 / (self.width * middle) if middle > 0 else 1.0
        values, vectors = np.linalg.eigh(np.exp(-self.scale * D.astype(np.float64)))
        good = values > 1e-6 * values[-1]
        self.map = (vectors[:, good] / np.sqrt(values[good])).astype(np.float32)
        self.model = self.model.fresh().fit(self._features(Z), y)
        return self

    def _features(self, Z: Array) -> Array:
        found: Array = np.exp(-np.float32(self.scale) * distances(Z, self.landmarks)) @ self.map
        return found

    def proba(self, Z: Array) -> Array:
        """See `Part`."""
        return self.model.predict_proba(self._features(Z))

    def committee(self, Z: Array, members: int, seed: int) -> Array:
        """Drawn from the posterior in the features of the kernel."""
        return self.model.predict_committee(self._features(Z), members, seed)

    def for_prediction(self) -> Kernel:
        """See `Part`."""
        other = copy.copy(self)
        other.model = self.model.for_prediction()
        return other


class Quadratic:
    """A Gaussian for each class, its covariance pulled to a diagonal one (Friedman, 1989; Ledoit & Wolf, 2004)."""

    heavy = False

    def fit(self, Z: Array, y: Array, classes: int) -> Quadratic:
        """See `Part`."""
        from scipy.linalg import solve_triangular
        from sklearn.covariance import ledoit_wolf

        A, d = Z.astype(np.float64), Z.shape[1]
        inner = np.concatenate([A[y == c] - A[y == c].mean(0) for c in range(classes)])
        common = inner.var(0) + 0.05
        means, roots, offsets = [], [], []
        for c in range(classes):
            own = A[y == c]
            n, mean = len(own), own.mean(0)
            S = np.diag((((own - mean) ** 2).sum(0) + PULL * common) / (n + PULL))
            if n > 2:
                share = n / (n + d + PULL)
                S = share * (ledoit_wolf(own)[0] + 0.02 * np.eye(d)) + (1 - share) * S
            L = np.linalg.cholesky(S)
            roots.append(solve_triangular(L, np.eye(d), lower=True).T.astype(np.float32))
            means.append(mean)
            offsets.append(np.log(n / len(y)) - np.log(np.diag(L)).sum())
        self.means, self.roots, self.offsets = np.array(means), roots, np.array(offsets)
        # columns are not as independent as a Gaussian takes them for
        self.heat = max(1.0, (d / 4) ** 0.5)
        return self

    def proba(self, Z: Array) -> Array:
        """See `Part`."""
        logits = np.empty((len(Z), len(self.means)), np.float32)
        for at, (mean, root) in enumerate(zip(self.means, self.roots, strict=True)):
            U = (Z - mean.astype(np.float32)) @ root
            logits[:, at] = self.offsets[at] - np.einsum("ij,ij->i", U, U) / 2
        logits /= self.heat
        logits -= logits.max(1, keepdims=True)
        P = np.exp(logits)
        P /= P.sum(1, keepdims=True)
        return np.asarray(P)

    def committee(self, Z: Array, members: int, seed: int) -> Array:
        """All alike: who disagrees are the other parts."""
        P = self.proba(Z)
        return np.broadcast_to(P, (members, *P.shape))

    def for_prediction(self) -> Quadratic:
        """See `Part`."""
        return self


class Forest:
    """A random forest (Breiman, 2001), whose out-of-bag guesses are those held out.

    A split chooses among half of the columns: few labels leave few splits, and among the usual square root of many
    columns the few that tell anything are seldom. (Extremely randomized trees were behind by a point in the mean, and
    by fifteen where two of sixty columns decide.)
    """

    heavy = True
    trees: Trees
    grown: Any
    """The same trees as scikit-learn has them, which are quicker; None in a saved model."""
    out_of_bag: Array
    """(m, classes) float32 probabilities of the rows it learned from, each by the trees that have not seen it."""

    def fit(self, Z: Array, y: Array, classes: int) -> Forest:
        """See `Part`."""
        from sklearn.ensemble import RandomForestClassifier

        d = Z.shape[1]
        tried = max(1, round(max(d**0.5, min(d / 2, MOST_TRIED))))
        with warnings.catch_warnings():  # few labels of many classes are what it is here for
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            forest = RandomForestClassifier(TREES, max_features=tried, random_state=0).fit(Z, y)
        self.trees, self.grown = Trees(forest.estimators_), forest.estimators_
        self.out_of_bag = _out_of_bag(forest, Z, classes)
        return self

    def proba(self, Z: Array) -> Array:
        """See `Part`."""
        return self._said(Z, slice(None))

    def _said(self, Z: Array, which: slice) -> Array:
        return self.trees(Z, which) if self.grown is None else quickly(self.grown[which], Z)

    def committee(self, Z: Array, members: int, seed: int) -> Array:
        """Groups of trees."""
        every = min(members, TREES)
        return np.stack([self._said(Z, slice(at % every, None, every)) for at in range(members)])

    def for_prediction(self) -> Forest:
        """A copy that says the same out of plain arrays."""
        other = copy.copy(self)
        other.grown, other.out_of_bag = None, self.out_of_bag[:0]
        return other


def _out_of_bag(forest: Any, Z: Array, classes: int) -> Array:
    total, count = np.zeros((len(Z), classes)), np.zeros(len(Z))
    for tree, rows in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        out = np.ones(len(Z), bool)
        out[rows] = False
        if out.any():
            total[out] += tree.tree_.predict(Z[out]).reshape(-1, classes)
            count[out] += 1
    found: Array = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], 1 / classes)
    return found.astype(np.float32)
