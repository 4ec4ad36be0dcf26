"""Regression in batches: LCMD beside random questions and the largest variances (Holzmüller et al., JMLR 2023).

They have 15 large tables, 256 labels and 16 batches of 256, and nets on a GPU. Here, on what scikit-learn holds or
makes, 32 labels and 8 batches of 16; a net of two layers of 64 ReLU, whose last layer is where LCMD groups and a
Gaussian gives the variance; and our ridge regression on the columns. The measure is theirs: the logarithm of the root
mean square error, its mean over the batches, against random.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise import select
from askwise.learners import RidgeRegression
from regression import TABLES, error, table
from reproduce_help import by, interval, paired

FIRST, STEP, BATCHES = 32, 16, 8
STRATEGIES = ("random", "largest_cluster", "predictive_std")
MODELS = ("net", "ridge")
WAYS = tuple(f"{strategy}, {model}" for model in MODELS for strategy in STRATEGIES)
QUICK = 2


class Net:
    """scikit-learn's net with its last layer for distances, and a Gaussian on it for deviations."""

    RIDGE = 1e-2

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.is_fitted = False

    def fit(self, X: Any, y: Any) -> Net:
        """Learn from (m, d) features and (m,) numbers."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        self.center, self.spread = float(np.mean(y)), float(np.std(y)) or 1.0
        self.net = MLPRegressor(
            hidden_layer_sizes=(64, 64), solver="lbfgs", alpha=0.1, max_iter=150, random_state=self.seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early as nets are
            self.net.fit(np.asarray(X, float), (y - self.center) / self.spread)
        F = self.embed(X)
        self.precision = F.T @ F + self.RIDGE * np.eye(F.shape[1])
        self.is_fitted = True
        return self

    def embed(self, X: Any) -> Any:
        """(n, 64) activations of the last layer."""
        F = np.asarray(X, float)
        for W, b in zip(self.net.coefs_[:-1], self.net.intercepts_[:-1], strict=True):
            F = np.maximum(F @ W + b, 0)
        return F

    def predict(self, X: Any) -> Any:
        """(n,) numbers."""
        return self.net.predict(np.asarray(X, float)) * self.spread + self.center

    def predict_std(self, X: Any) -> Any:
        """(n,) deviations, up to the scale of the noise."""
        F = self.embed(X)
        return np.sqrt(np.einsum("ij,ij->i", F, np.linalg.solve(self.precision, F.T).T))


def sets() -> tuple[str, ...]:
    """Diabetes, Friedman's three, digits."""
    return TABLES


def missing() -> str | None:
    """Nothing: scikit-learn brings them."""
    return None


def seeds(name: str, way: str) -> int:
    """As many as they have splits."""
    del name, way
    return 20


def run(name: str, way: str, seed: int, quick: bool) -> dict[str, Any]:
    """The error after the first labels and after each batch."""
    X, y, X_apart, y_apart = table(name, seed)
    strategy, model = way.split(", ")
    learner: Any = Net(seed) if model == "net" else RidgeRegression()
    labeled = np.sort(np.random.default_rng([seed, 7]).permutation(len(X))[:FIRST])
    errors = [error(learner.fit(X[labeled], y[labeled]), X_apart, y_apart)]
    for _ in range(1 if quick else BATCHES):
        free = np.setdiff1d(np.arange(len(X)), labeled)
        told = {"labeled_rows": labeled, "labeled_y": y[labeled]}
        asked = select(X, free, learner, strategy, k=STEP, seed=seed, given=told).rows
        labeled = np.sort(np.append(labeled, asked))
        errors.append(error(learner.fit(X[labeled], y[labeled]), X_apart, y_apart))
    return {"errors": errors}


def tables(runs: Sequence[dict[str, Any]]) -> str:
    """By how much the error is over random's, geometric mean over the batches, and over the tables."""
    found = {key: {seed: float(np.mean(np.log(e[1:]))) for seed, e in some.items()}
             for key, some in by(runs, "errors").items()}  # fmt: skip
    names = [name for name in TABLES if all((name, way) in found for way in WAYS)]
    counts = [min(len(found[name, way]) for way in WAYS) for name in names]
    lines = [
        "Root mean square error against random questions to the same model at equal labels, in %; below 0 is better.",
        "",
        f"| way | {' | '.join(names)} | all tables |",
        "|---" * (len(names) + 2) + "|",
        f"| seeds, of 20 | {' | '.join(map(str, counts))} | {min(counts, default=0)} |",
    ]
    for way in WAYS:
        strategy, model = way.split(", ")
        if strategy == "random" or not names:
            continue
        away = [paired(found[name, way], found[name, f"random, {model}"]) for name in names]
        cells = [
            interval(100 * np.expm1(one), "+.1f")
            for one in [*away, np.mean([one[: min(counts)] for one in away], axis=0)]
        ]
        lines.append(f"| `{strategy}`, {model} | {' | '.join(cells)} |")
    return "\n".join(lines)
