"""Other libraries beside ours: the same division, features, first labels, budget and classifier; who asks what.

scikit-activeml, small-text and modAL run in .venv-peers (`make peers`), each by its own loop: it learns, it asks for
one row by the smallest margin (modAL `margin_sampling`, small-text `BreakingTies`, scikit-activeml
`UncertaintySampling`) or at random, it is told. The classifier is scikit-learn's logistic regression everywhere. 3
in 10 rows are held out; 10 first labels, at random with every class among them; then 60 questions.
"""

from __future__ import annotations

import atexit
import csv
import functools
import gzip
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import reproduce_lu
from askwise import select
from askwise.learners import adapt
from reproduce_help import SHARED, by, interval, mean_of, paired

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
LIBRARIES = ("askwise", "scikit-activeml", "small-text", "modAL")
WAYS = (*(f"margin, {library}" for library in LIBRARIES), *(f"random, {library}" for library in LIBRARIES[:3]),
        "auto, askwise")  # fmt: skip
SETS = ("spam", "vehicle", "wdbc")
QUICK = 1
FIRST, QUESTIONS, ROWS, TERMS = 10, 60, 1500, 300
HOLD = 3


def sets() -> tuple[str, ...]:
    """Text messages with TF-IDF, and two tables."""
    return SETS


def missing() -> str | None:
    """What is not there."""
    if not PYTHON.exists():
        return "the other libraries are not installed; `make peers` does it"
    absent = [path for path in (SHARED / "spam_sms", reproduce_lu.FOLDER) if not path.exists()]
    return f"no {absent[0]}" if absent else None


def seeds(name: str, way: str) -> int:
    """20 of each."""
    del name, way
    return 20


@functools.cache
def load(name: str) -> tuple[Any, Any]:
    """Texts or (n, d) features, and (n,) class numbers."""
    if name == "spam":
        with gzip.open(SHARED / "spam_sms" / "sms_spam.csv.gz", "rt", encoding="utf-8-sig", newline="") as file:
            rows = {row["text"]: row["label"] for row in list(csv.DictReader(file))[1:]}
        return np.array(list(rows), object), np.array([label == "spam" for label in rows.values()], int)
    from sklearn.datasets import load_svmlight_file

    X, y = load_svmlight_file(str(reproduce_lu.FOLDER / f"{name}.libsvm.gz"))
    return X.toarray(), np.unique(y, return_inverse=True)[1]


def division(name: str, seed: int) -> dict[str, Any]:
    """Pool, test and the rows that are labeled to begin with; features come from the pool alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import StandardScaler

    X, y = load(name)
    rng = np.random.default_rng([seed, 5])
    order = rng.permutation(len(y))[:ROWS]
    test, pool = order[: 3 * len(order) // 10], order[3 * len(order) // 10 :]
    maker = TfidfVectorizer(max_features=TERMS, sublinear_tf=True) if name == "spam" else StandardScaler()
    P, T = maker.fit_transform(X[pool]), maker.transform(X[test])
    if name == "spam":
        P, T = P.toarray(), T.toarray()
    classes = y.max() + 1
    mixed = rng.permutation(len(pool))
    one_each = [int(mixed[y[pool[mixed]] == c][0]) for c in range(classes)]
    start = [*one_each, *[int(row) for row in mixed if row not in one_each]][:FIRST]
    return {"X": P, "y": y[pool], "T": T, "t": y[test], "start": np.array(start)}


def run(name: str, way: str, seed: int, quick: bool) -> dict[str, Any]:
    """Rows asked, and accuracy on what is held out before the first answer and after each."""
    strategy, library = way.split(", ")
    data = division(name, seed)
    questions = 5 if quick else QUESTIONS
    if library == "askwise":
        return ask(data, strategy, seed, questions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        return worker().ask([str(path), library, strategy, seed, questions])


def ask(data: dict[str, Any], strategy: str, seed: int, questions: int) -> dict[str, Any]:
    """Our loop."""
    from sklearn.linear_model import LogisticRegression

    X, y = data["X"], data["y"]
    learner, labeled = adapt(LogisticRegression(max_iter=1000)), data["start"]
    asked, accuracy = list[int](), list[float]()
    for step in range(questions + 1):
        learner.fit(X[labeled], y[labeled])
        guess = np.asarray(learner.classes_)[learner.predict_proba(data["T"]).argmax(1)]
        accuracy.append(float(np.mean(guess == data["t"])))
        if step < questions:
            told = {"labeled_rows": labeled, "labeled_y": y[labeled]}
            free = np.setdiff1d(np.arange(len(y)), labeled)
            asked.append(int(select(X, free, learner, strategy, k=1, seed=seed, given=told).rows[0]))
            labeled = np.append(labeled, asked[-1])
    return {"asked": asked, "accuracy": accuracy}


class Worker:
    """The other libraries' process: a line of JSON in, one out."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        script = Path(__file__).with_name("reproduce_peers_worker.py")
        self.process = subprocess.Popen(
            [str(PYTHON), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | threads,
        )  # fmt: skip
        atexit.register(self.process.terminate)

    def ask(self, job: list[Any]) -> dict[str, Any]:
        """What it found.

        Raises:
            RuntimeError: it ended; its error is above.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The process of the other libraries ended while it ran {job[1]}, {job[2]}.")
        return dict(json.loads(line))


worker = functools.cache(Worker)


# ── the page ────────────────────────────────────────────────────────────────────────────────


def reached(curve: Any, goal: float) -> int | None:
    """Labels from which the mean curve holds the goal for three measurements."""
    good = np.asarray(curve) >= goal
    for at in range(len(good) - HOLD + 1):
        if good[at : at + HOLD].all():
            return FIRST + at
    return None


def tables(runs: Sequence[dict[str, Any]]) -> str:
    """Area, labels to what random reaches in the end, and how much of what was asked is the same as ours."""
    curves, asked = by(runs, "accuracy"), by(runs, "asked")
    lines = []
    for name in SETS:
        base = curves.get((name, "random, askwise"))
        ours = curves.get((name, "margin, askwise"), {})
        if base is None:
            continue
        goal = float(np.mean([curve[-1] for curve in base.values()]))
        lines += [
            "", f"**{name}**; random has {goal:.3f} in the end", "",
            "| way | seeds | mean accuracy | against our margin | labels to random's end | same questions as ours |",
            "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for way in WAYS:
            some = curves.get((name, way), {})
            if not some:
                continue
            areas = {seed: float(np.mean(curve)) for seed, curve in some.items()}
            away = paired(areas, {seed: float(np.mean(curve)) for seed, curve in ours.items()})
            beside = "" if way == "margin, askwise" or not len(away) else interval(away, "+.4f")
            labels = reached(np.mean(list(some.values()), axis=0), goal)
            same = alike(asked, name, way) if way.startswith("margin") and way != "margin, askwise" else ""
            lines.append(
                f"| {way} | {len(some)} of 20 | {mean_of(areas, '.4f')} | {beside} | {labels or 'not'} | {same} |"
            )
    return "\n".join(lines).strip()


def alike(asked: dict[tuple[str, str], dict[int, list[int]]], name: str, way: str) -> str:
    """How many questions are ours, at the same place."""
    ours, theirs = asked.get((name, "margin, askwise"), {}), asked[name, way]
    pairs = [(a, b) for seed in set(ours) & set(theirs) for a, b in zip(ours[seed], theirs[seed], strict=True)]
    return f"{sum(a == b for a, b in pairs)} of {len(pairs)}"
