"""TREC-6 with 32 to 128 labels from nothing: what PATRON (Yu et al., 2023) tells of a fine-tuned model.

Here the texts are sentence embeddings (all-MiniLM-L6-v2, 384 numbers of length one) and the model that asks and is
measured is logistic regression with C=10, unless another is named. 5,452 questions to choose from, 500 apart, six
classes; 32 at a time. Accuracy on those apart after 32, 64, 96 and 128.
"""

from __future__ import annotations

import csv
import functools
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askwise import select
from askwise.learners import Portfolio, SoftmaxRegression, adapt, named
from reproduce_help import SHARED, by, interval, mean_of, paired

FOLDER = SHARED / "text_trec6"
SIZES = (32, 64, 96, 128)
QUICK = 1


def logistic() -> Any:
    """The model of the measurements beside."""
    from sklearn.linear_model import LogisticRegression

    return adapt(LogisticRegression(C=10, max_iter=1000))


def linears() -> Any:
    """The learner of texts where nothing is chosen."""
    return named("linears")


@dataclass(frozen=True)
class Way:
    """What asks, with what model, how many at a time."""

    strategy: str
    learner: Callable[[], Any] = logistic
    first: str = ""
    """The strategy of the first 32, where it is another."""
    step: int = 32


KINDS = {
    "random": Way("random"),
    "typiclust": Way("typiclust"),
    "k_means, then diverse_margin": Way("diverse_margin", first="k_means"),
    "auto": Way("auto"),
    "auto, 8 at a time": Way("auto", step=8),
    "random, linear": Way("random", SoftmaxRegression),
    "auto, linear": Way("auto", SoftmaxRegression),
    "random, linears": Way("random", linears),
    "auto, linears": Way("auto", linears),
    "random, portfolio": Way("random", Portfolio),
    "auto, portfolio": Way("auto", Portfolio),
}
WAYS = tuple(KINDS)
BESIDE = (
    ("random (5 seeds, measured before)", ".504", ".628", ".672", ".703"),
    ("k-means, then k-means among the 400 smallest margins (likewise)", ".465", ".638", ".701", ".740"),
)


def sets() -> tuple[str, ...]:
    """The one."""
    return ("trec-6",)


def missing() -> str | None:
    """What is not there."""
    absent = [FOLDER / name for name in ("trec6.csv.gz", "minilm.npy") if not (FOLDER / name).exists()]
    return f"no {absent[0]}" if absent else None


def seeds(name: str, way: str) -> int:
    """20 of each."""
    del name, way
    return 20


@functools.cache
def load() -> tuple[Any, Any, Any, Any]:
    """(pool, its labels, test, its labels)."""
    with gzip.open(FOLDER / "trec6.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    X = np.load(FOLDER / "minilm.npy").astype(np.float32)
    y, train = np.array([int(row["label"]) for row in rows]), np.array([row["split"] == "train" for row in rows])
    return X[train], y[train], X[~train], y[~train]


def run(name: str, way: str, seed: int, quick: bool) -> dict[str, Any]:
    """Accuracy after each of the sizes."""
    del name
    pool, y, test, truth = load()
    if quick:
        pool, y = pool[:600], y[:600]
    kind = KINDS[way]
    learner, labeled, found = kind.learner(), np.zeros(0, np.intp), list[float]()
    know_pool = getattr(learner, "know_pool", None)
    if know_pool is not None:
        know_pool(pool)
    for goal in SIZES[: 2 if quick else None]:
        while len(labeled) < goal:
            strategy = kind.first if kind.first and not len(labeled) else kind.strategy
            known = len(np.unique(y[labeled])) > 1
            told = {"labeled_rows": labeled, "labeled_y": np.unique(y[labeled], return_inverse=True)[1]}
            free = np.setdiff1d(np.arange(len(pool)), labeled)
            asked = select(pool, free, learner if known else None, strategy, k=kind.step, seed=seed, given=told).rows
            labeled = np.sort(np.append(labeled, asked))
            learner.fit(pool[labeled], y[labeled])
        guess = np.asarray(learner.classes_)[np.argmax(learner.predict_proba(test), axis=1)]
        found.append(float(np.mean(guess == truth)))
    return {"accuracy": found, "classes": len(np.unique(y[labeled]))}


def tables(runs: Sequence[dict[str, Any]]) -> str:
    """Accuracy of each way, and how far it is over random questions to the same model."""
    found = by(runs, "accuracy")
    lines = [
        f"| way | seeds | {' | '.join(map(str, SIZES))} | over random at 128 |",
        "|---" * (len(SIZES) + 3) + "|",
    ]
    for way, kind in KINDS.items():
        some = found.get(("trec-6", way), {})
        if not some or len(next(iter(some.values()))) < len(SIZES):
            continue
        cells = [mean_of({seed: a[at] for seed, a in some.items()}, ".3f") for at in range(len(SIZES))]
        same = next(
            name for name, other in KINDS.items() if (other.learner, other.strategy) == (kind.learner, "random")
        )
        base = found.get(("trec-6", same), {})
        away = paired({seed: a[-1] for seed, a in some.items()}, {seed: a[-1] for seed, a in base.items()})
        over = interval(away, "+.3f") if way != same and len(away) else ""
        lines.append(f"| `{way}` | {len(some)} of 20 | {' | '.join(cells)} | {over} |")
    lines += [f"| {name} | | {' | '.join(cells)} | |" for name, *cells in BESIDE]
    return "\n".join(lines)
