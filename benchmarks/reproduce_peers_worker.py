"""The loops of other libraries for reproduce_peers.py, in an environment of their own; nothing of ours is imported.

A line of JSON on standard input, [file, library, strategy, seed, questions], gives a line on standard output.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")


def model() -> Any:
    """The classifier of all."""
    return LogisticRegression(max_iter=1000)


def scikit_activeml(data: Any, strategy: str, seed: int, questions: int) -> Any:
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import RandomSampling, UncertaintySampling

    X, y, T, t = data["X"], data["y"], data["T"], data["t"]
    learner = SklearnClassifier(model(), classes=range(int(y.max()) + 1), random_state=seed)
    margin = strategy == "margin"
    query: Any = (
        UncertaintySampling("margin_sampling", random_state=seed) if margin else RandomSampling(random_state=seed)
    )
    more = {"clf": learner, "fit_clf": False} if margin else {}
    known = np.full(len(y), np.nan)
    known[data["start"]] = y[data["start"]]
    asked, accuracy = [], []
    for step in range(questions + 1):
        learner.fit(X, known)
        accuracy.append(float(np.mean(learner.predict(T) == t)))
        if step < questions:
            row = int(query.query(X, known, batch_size=1, **more)[0])
            asked.append(row)
            known[row] = y[row]
    return asked, accuracy


def small_text(data: Any, strategy: str, seed: int, questions: int) -> Any:
    from small_text import PoolBasedActiveLearner, SklearnClassifierFactory, SklearnDataset
    from small_text.query_strategies import BreakingTies, RandomSampling

    X, y, T, t = data["X"], data["y"], data["T"], data["t"]
    np.random.seed(seed)  # noqa: NPY002 - its random draws from the global generator
    factory = SklearnClassifierFactory(model(), int(y.max()) + 1)
    query = BreakingTies() if strategy == "margin" else RandomSampling()
    learner = PoolBasedActiveLearner(factory, query, SklearnDataset(X, y))
    learner.initialize_data(data["start"], y[data["start"]])
    test, asked, accuracy = SklearnDataset(T, t), [], []
    for step in range(questions + 1):
        accuracy.append(float(np.mean(learner.classifier.predict(test) == t)))
        if step < questions:
            row = int(learner.query(1)[0])
            asked.append(row)
            learner.update(y[[row]])
    return asked, accuracy


def modal(data: Any, strategy: str, seed: int, questions: int) -> Any:
    del strategy, seed  # it has no random of its own, and nothing random in this one
    from modAL.models import ActiveLearner
    from modAL.uncertainty import margin_sampling

    X, y, T, t, start = data["X"], data["y"], data["T"], data["t"], data["start"]
    learner = ActiveLearner(model(), query_strategy=margin_sampling, X_training=X[start], y_training=y[start])
    free, asked, accuracy = np.setdiff1d(np.arange(len(y)), start), [], []
    for step in range(questions + 1):
        accuracy.append(float(np.mean(learner.predict(T) == t)))
        if step < questions:
            at = int(np.asarray(learner.query(X[free])[0]).ravel()[0])
            asked.append(int(free[at]))
            learner.teach(X[free[[at]]], y[free[[at]]])
            free = np.delete(free, at)
    return asked, accuracy


LOOPS = {"scikit-activeml": scikit_activeml, "small-text": small_text, "modAL": modal}


def main() -> None:
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        path, library, strategy, seed, questions = json.loads(line)
        with np.load(path) as file:
            data = {name: file[name] for name in file.files}
        started = time.process_time()
        asked, accuracy = LOOPS[library](data, strategy, seed, questions)
        answer = {"asked": asked, "accuracy": accuracy, "spent": time.process_time() - started}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
