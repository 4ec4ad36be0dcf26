"""Screening for a review: Ferdinands et al. (Systematic Reviews 12:100, 2023) on two of their six sets.

Each of 15 runs draws one relevant and one irrelevant record to begin with (seed 42 + run); the model learns anew after
every answer and asks the likeliest, until all relevant ones are found. Text is title and abstract. WSS@95 is
95 - 100 k/N, k the records read until 95 % of the relevant ones that were not known are found, N the records without
these two; RRF@10 the share found in the first tenth; ATD the mean rank of a relevant record over N. All in %.
"""

from __future__ import annotations

import functools
import json
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import screening as reviews
from askwise import select
from askwise.screening import Goal, LinearScreener, WordsEncoder
from reproduce_help import SHARED, by, mean_of

FOLDER = SHARED / "screening"
PUBLISHED = SHARED / "published_results" / "ferdinands2023_per_run_json.tgz"
OURS, PEER = "askwise screen", "asreview"
WAYS = (OURS, PEER)
QUICK = 1
MODELS = {"BCTD": "NB + TF-IDF", "LCTD": "LR + TF-IDF", "LCDD": "LR + doc2vec", "SCDD": "SVM + doc2vec",
          "SCTD": "SVM + TF-IDF", "RCTD": "RF + TF-IDF", "RCDD": "RF + doc2vec"}  # fmt: skip
MEASURES = ("WSS@95", "RRF@10", "ATD")
CLASSES = ("1", "0")


def sets() -> tuple[str, ...]:
    """Those that are here."""
    return reviews.SETS


def missing() -> str | None:
    """What is not there."""
    absent = [path for path in (FOLDER, PUBLISHED) if not path.exists()]
    return f"no {absent[0]}" if absent else None


def seeds(name: str, way: str) -> int:
    """As in the paper."""
    del name, way
    return 15


@functools.cache
def load(name: str, most: int | None) -> tuple[list[str], list[str], Any]:
    """Titles, abstracts and (n,) 1 for relevant; of at most so many records, drawn at random."""
    titles, abstracts, y = reviews.load(FOLDER, name)
    rows = range(len(y)) if most is None else np.sort(np.random.default_rng(0).permutation(len(y))[:most])
    return [titles[row] for row in rows], [abstracts[row] for row in rows], y[list(rows)]


@functools.cache
def features(name: str, most: int | None) -> Any:
    """(n, d) those of a search."""
    titles, abstracts, _ = load(name, most)
    texts = [f"{title} {abstract}" for title, abstract in zip(titles, abstracts, strict=True)]
    return WordsEncoder().fit(texts).encode(texts)


def priors(y: Any, run: int) -> list[int]:
    """One relevant and one irrelevant record."""
    rng = np.random.default_rng(42 + run)
    return [int(rng.choice(np.flatnonzero(y == c))) for c in (1, 0)]


def run(name: str, way: str, seed: int, quick: bool) -> dict[str, Any]:
    """The three measures of one run."""
    most = 200 if quick else None
    titles, abstracts, y = load(name, most)
    start = priors(y, seed)
    if way == OURS:
        order = ask(features(name, most), y, start)
    else:
        question = {"title": titles, "abstract": abstracts, "label": y.tolist(), "priors": [start]}
        with tempfile.TemporaryDirectory() as folder:
            answer = reviews.in_asreview(question, Path(folder), "orders", "every")
        if answer is None:
            return {"left out": "asreview cannot be installed here"}
        order = answer["runs"][0]["order"]
    found = reviews.quality(order, len(y) - 2, int(y.sum()) - 1)
    return {"WSS@95": found["WSS@95"], "RRF@10": found["recall at 10 %"], "ATD": found["ATD"]}


def ask(X: Any, y: Any, start: Sequence[int]) -> list[int]:
    """Labels in the order in which a search of ours asks, until the last relevant one; it learns after every answer."""
    goal = Goal.of(0.95, "1", CLASSES, ())
    strategy, learner = goal.strategy(CLASSES), LinearScreener(goal.number(CLASSES))
    codes = 1 - y  # number of the class: relevant is the first
    labeled, order, none = list(start), list[int](), np.zeros((len(y), 1), np.float32)
    free = np.ones(len(y), bool)
    free[labeled] = False
    while sum(order) < y.sum() - 1:
        learner.fit(X[labeled], codes[labeled])
        told = {"labeled_rows": labeled, "embedding": none, "proba": learner.predict_proba(X)}
        row = int(select(X, np.flatnonzero(free), learner, strategy, k=1, given=told).rows[0])
        labeled.append(row)
        order.append(int(y[row]))
        free[row] = False
    return order


# ── the page ────────────────────────────────────────────────────────────────────────────────


@functools.cache
def published() -> dict[tuple[str, str], list[dict[str, float]]]:
    """(set, model) → the measures of each of their runs."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tarfile.open(PUBLISHED) as archive:
        for member in archive:
            parts = member.name.split("/")
            if len(parts) != 4 or not parts[-1].startswith("results_") or parts[1] not in MODELS:
                continue
            file = archive.extractfile(member)
            assert file is not None
            one = json.load(file)
            measures = {"WSS@95": one["wss"]["95"], "RRF@10": one["rrf"]["10"], "ATD": 100 * one["loss"]}
            found.setdefault((parts[2], parts[1]), []).append(measures)
    return found


def tables(runs: Sequence[dict[str, Any]]) -> str:
    """Ours, ASReview's present engine and the published models."""
    lines = []
    for name in sets():
        lines += ["", f"**{name}**", "", "| model | runs | WSS@95 | RRF@10 | ATD |", "|---|---|---|---|---|"]
        for way, label in ((OURS, "Askwise screen"), (PEER, "ASReview 3, ELAS u4")):
            columns = [by(runs, key).get((name, way), {}) for key in MEASURES]
            if columns[0]:
                cells = " | ".join(mean_of(column, ".1f") for column in columns)
                lines.append(f"| {label} | {len(columns[0])} of 15 | {cells} |")
        for model, label in MODELS.items():
            some = published().get((name, model), [])
            if some:
                cells = " | ".join(mean_of(dict(enumerate(one[key] for one in some)), ".1f") for key in MEASURES)
                lines.append(f"| {label}, published | {len(some)} | {cells} |")
    return "\n".join(lines).strip()
