"""Whether what is claimed is true: intervals watched after every label, certificates, and what naive ways would claim.

    python benchmarks/certificate_coverage.py                              # every pool, 300 seeds each
    python benchmarks/certificate_coverage.py --pools digits --seeds 20 --processes 2

Every pool is labeled by a session as a person would: check items among chosen questions, an estimate after every
answer. When the labels are spent, it is handed over until no attempt is left or none pays; at the first such moment the
naive ways judge the same model. Writes out/certificate_coverage.jsonl (a line a run; runs that are there are not done
again). `benchmarks/certificate.py --docs` makes the tables.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from scipy.stats import beta

from askwise import Session, audit, evidence
from askwise.core import Array
from askwise.encoders.tfidf import TfidfEncoder
from askwise.learners import SoftmaxRegression

SHARED = Path(os.environ.get("ASKWISE_SHARED", Path(__file__).parents[2] / "shared")) / "data"
OUT = Path("out/certificate_coverage.jsonl")
TOLERANCE = 1e-9


# ── pools ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Cell:
    """A pool for one seed, and how it is labeled."""

    X: Array
    y: Array
    """(n,) class codes."""
    max_error: float = 0.05
    labels: int = 150
    learner: Callable[[], Any] | None = None
    known: int = 0
    """So many items of the last class are known at the start."""
    daring: bool = True
    """Attempts are made on all of the rest, whatever the plan says: the worst case for the certificate."""


def digits(rng: np.random.Generator) -> Cell:
    """scikit-learn's digits."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    order = rng.permutation(len(X))
    return Cell((X[order] / 16).astype(np.float32), y[order], labels=250, daring=False)


@cache
def _sms() -> tuple[Array, Array]:
    import csv

    with gzip.open(SHARED / "spam_sms" / "sms_spam.csv.gz") as stream:
        rows = list(csv.DictReader(io.TextIOWrapper(stream, "utf-8-sig", newline="")))
    found = {row["text"]: row["label"] for row in rows if row["label"] in ("ham", "spam")}
    texts = list(found)
    X = np.asarray(TfidfEncoder().fit(texts).encode(texts), np.float32)
    _, rows = np.unique(X, axis=0, return_index=True)  # a session asks about equal rows once
    return X[rows], np.array([found[text] == "spam" for text in texts]).astype(int)[rows]


def sms(rng: np.random.Generator) -> Cell:
    """The spam messages, 2,500 of them."""
    X, y = _sms()
    rows = rng.permutation(len(X))[:2500]
    return Cell(X[rows], y[rows], daring=False)


def _blobs(rng: np.random.Generator, n: int, shares: Sequence[float], distance: float = 4.0) -> tuple[Array, Array]:
    y = rng.choice(len(shares), n, p=np.array(shares) / sum(shares))
    X = rng.normal(size=(n, 8)).astype(np.float32)
    X[np.arange(n), y] += distance
    return X, y


def one_class(rng: np.random.Generator) -> Cell:
    """All errors in one class: a fifth of the items that look like class 1 are of class 0."""
    X, y = _blobs(rng, 1500, (0.7, 0.3))
    y[(y == 1) & (rng.random(len(y)) < 0.2)] = 0
    return Cell(X, y)


def hidden(rng: np.random.Generator) -> Cell:
    """A tight group, 6 % of the pool, deep inside class 0, labeled 1: what is chosen says nothing of it."""
    X, y = _blobs(rng, 1500, (0.6, 0.4), 6.0)
    rows = rng.permutation(len(y))[: round(0.06 * len(y))]
    X[rows] = np.eye(8, dtype=np.float32)[0] * 8 + 0.1 * rng.normal(size=(len(rows), 8)).astype(np.float32)
    y[rows] = 1
    return Cell(X, y)


def shift(rng: np.random.Generator) -> Cell:
    """What is far from the boundary, and so never chosen, is labeled the other way round in 8 % of the pool."""
    X, y = _blobs(rng, 1500, (0.5, 0.5))
    far = np.argsort(-np.abs(X[:, 0] - X[:, 1]))[: round(0.08 * len(y))]
    y[far] = 1 - y[far]
    return Cell(X, y)


def rare(rng: np.random.Generator) -> Cell:
    """1 % positives, hard to tell: calling everything negative errs in 1 %."""
    X, y = _blobs(rng, 3000, (0.99, 0.01), 3.0)
    return Cell(X, y, max_error=0.02, known=3)


def duplicates(rng: np.random.Generator) -> Cell:
    """Forty copies of each item: one error is forty."""
    X, y = _blobs(rng, 40, (0.6, 0.4), 2.5)
    X = np.repeat(X, 40, axis=0) + 1e-4 * rng.normal(size=(1600, 8)).astype(np.float32)
    return Cell(X.astype(np.float32), np.repeat(y, 40))


def noise(rng: np.random.Generator) -> Cell:
    """5.5 % of the labels are wrong at random: every certificate of 5 % on everything is false."""
    X, y = _blobs(rng, 1500, (0.5, 0.5), 6.0)
    wrong = rng.permutation(len(y))[: round(0.055 * len(y))]
    y[wrong] = 1 - y[wrong]
    return Cell(X, y)


class Overconfident(SoftmaxRegression):
    """Says 1 where it means 0.7."""

    def predict_proba(self, X: Any) -> Array:  # noqa: D102
        P = super().predict_proba(X) ** 8
        return P / P.sum(1, keepdims=True)


def overconfident(rng: np.random.Generator) -> Cell:
    """A hard pool and a learner that is always sure."""
    X, y = _blobs(rng, 1500, (0.5, 0.5), 1.8)
    return Cell(X, y, learner=Overconfident)


class Constant:
    """Says class 0 of everything, 99 % sure."""

    classes_: Array = np.arange(2)

    def fit(self, X: Any, y: Any) -> Constant:  # noqa: ARG002, D102
        return self

    def predict_proba(self, X: Any) -> Array:  # noqa: D102
        return np.tile(np.array([0.99, 0.01], np.float32), (X.shape[0], 1))


def constant(rng: np.random.Generator) -> Cell:
    """A learner that says the same of everything, and is wrong on 6 %."""
    X, y = _blobs(rng, 1500, (0.94, 0.06))
    return Cell(X, y, learner=Constant)


POOLS: dict[str, Callable[[np.random.Generator], Cell]] = {
    f.__name__: f for f in (digits, sms, one_class, hidden, shift, rare, duplicates, noise, overconfident, constant)
}


# ── one run ─────────────────────────────────────────────────────────────────────────────────


@dataclass
class Run:
    """What was claimed in one run, and what was true."""

    pool: str
    seed: int
    looks: int = 0
    too_low: int = 0
    """Looks at which the true accuracy was below the interval: overstated."""
    too_high: int = 0
    class_missed: int = 0
    """Looks at the metrics at which some class interval or balanced accuracy missed."""
    gap: float = 0.0
    """True accuracy minus the lower bound when the labels are spent."""
    issued: int = 0
    false: int = 0
    labels: int = 0
    """By people, when nothing more could be handed over."""
    auto: float = 0.0
    """Share of the pool labeled by the model."""
    naive: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Way → (share of the rest it would label, share of these that are wrong), at the first hand-over."""


def run(pool: str, seed: int) -> Run:
    rng = np.random.default_rng([seed, 7])
    cell = POOLS[pool](rng)
    n, names = len(cell.y), [str(c) for c in range(int(cell.y.max()) + 1)]
    found = Run(pool, seed)
    session = Session(
        cell.X, classes=names, seed=seed, max_error=cell.max_error,
        learner=cell.learner() if cell.learner is not None else None,
    )  # fmt: skip
    state = session._state
    for row in np.flatnonzero(cell.y == cell.y.max())[: cell.known].tolist():
        session.tell(session.pool.ids[row], names[-1])
    while session.counts()["labeled"] < cell.labels:
        for query in session.ask(5):
            session.tell(query, names[cell.y[query.row]])
            _look(found, session, cell)
        session.refresh()
        _look(found, session, cell)
        if session.counts()["labeled"] % 50 == 0:
            _look_at_classes(found, session, cell)
    rest = state.rest()
    if state.predictions is not None and rest.any():
        found.gap = float(np.mean(state.predictions[rest] == cell.y[rest])) - session.estimate().low
    found.naive = naive(session, cell)
    with mock.patch.object(evidence.Planning, "region", _dare) if cell.daring else nullcontext():
        _hand_over(found, session, cell, names)
    found.auto = session.counts()["auto"] / n
    found.labels = n - session.counts()["auto"]
    session.close()
    return found


def _dare(planning: evidence.Planning, *arguments: Any, **options: Any) -> audit.Region | None:
    """The whole rest, with confidence."""
    found = PLANNED(planning, *arguments, **options)
    if found is None or not found.size:
        return found
    rows = np.argsort(-planning.confidence, kind="stable")
    return replace(found, rows=rows, worth=True, error=min(found.error, 0.01))


PLANNED = evidence.Planning.region


def _hand_over(found: Run, session: Session, cell: Cell, names: list[str]) -> None:
    """Until no attempt is left or none pays."""
    while True:
        result = session.autolabel(oracle=lambda queries: [names[cell.y[q.row]] for q in queries])
        if result.status != "certified":
            if session.counts()["groups"] >= len(audit.SPEND) or result.checks_done == 0:
                break
            continue
        rows = [session._rows[item] for item in result.labels]
        wrong = np.mean([result.labels[session.pool.ids[r]] != names[cell.y[r]] for r in rows]) if rows else 0.0
        found.issued += 1
        found.false += bool(wrong > cell.max_error + TOLERANCE)


def _look(found: Run, session: Session, cell: Cell) -> None:
    state = session._state
    rest = state.rest()
    if state.predictions is None or not rest.any():
        return
    shown = session.estimate()
    actual = float(np.mean(state.predictions[rest] == cell.y[rest]))
    found.looks += 1
    found.too_low += actual < shown.low - TOLERANCE
    found.too_high += actual > shown.high + TOLERANCE


def _look_at_classes(found: Run, session: Session, cell: Cell) -> None:
    state, shown = session._state, session.metrics()
    if shown is None:
        return
    rest = state.rest()
    guess, y = state.predictions[rest], cell.y[rest]
    recalls = [float(np.mean(guess[y == c] == c)) for c in np.unique(y)]
    missed = not shown.balanced_accuracy.low - TOLERANCE <= np.mean(recalls) <= shown.balanced_accuracy.high + TOLERANCE
    found.class_missed += missed


def naive(session: Session, cell: Cell) -> dict[str, tuple[float, float]]:
    """What other ways would let the same model label, each at the same limit: (share of the rest, share wrong)."""
    state = session._state
    rest = np.flatnonzero(state.rest())
    sure = session._trainer.confidences()
    if sure is None or not len(rest):
        return {}
    right = state.predictions[rest] == cell.y[rest]
    order = np.argsort(-sure[rest], kind="stable")
    rng = np.random.default_rng([session.seed, 11])
    limit = cell.max_error
    found = {"all of it": _outcome(right, order, len(order))}
    believed = np.cumsum(1 - sure[rest][order]) / np.arange(1, len(order) + 1)
    found["own confidence"] = _outcome(right, order, _last(believed <= limit))
    labeled = np.flatnonzero(state.labeled_mask)
    confidence, hit = _cross_validated(cell, labeled, rng)
    found["cross-validation"] = _outcome(right, order, _above(sure[rest][order], confidence, ~hit, limit))
    for size in (100, 200):  # as in SageMaker Ground Truth: a threshold from a random validation set
        rows = rng.permutation(len(rest))[:size]
        size_found = _above(sure[rest][order], sure[rest][rows], ~right[rows], limit)
        found[f"validation set of {size}"] = _outcome(right, order, size_found)
    checks = rng.permutation(len(rest))
    wrong = np.cumsum(~right[checks])
    m = np.arange(1, len(rest) + 1)
    passed = np.flatnonzero(beta.ppf(0.95, wrong + 1, np.maximum(m - wrong, 1e-9))[: len(rest) // 2] <= limit)
    found["Clopper-Pearson, looking after every check"] = _outcome(right, order, len(order) if len(passed) else 0)
    return found


def _outcome(right: Array, order: Array, size: int) -> tuple[float, float]:
    kept = right[order[:size]]
    return float(size / len(order)), float(1 - kept.mean()) if size else 0.0


def _last(good: Array) -> int:
    hits = np.flatnonzero(good)
    return int(hits[-1]) + 1 if len(hits) else 0


def _above(sure: Array, confidence: Array, wrong: Array, limit: float) -> int:
    """How many of `sure` (descending) lie above the lowest threshold at which the sample's errors keep to the limit."""
    order = np.argsort(-confidence, kind="stable")
    share = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    size = _last(share <= limit)
    return int(np.count_nonzero(sure >= confidence[order[size - 1]])) if size else 0


def _cross_validated(cell: Cell, labeled: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Confidence of, and whether right, held-out guesses of the chosen labels, in five folds."""
    fold = rng.permutation(len(labeled)) % 5
    sure, hit = np.zeros(len(labeled)), np.zeros(len(labeled), bool)
    for f in range(5):
        train, test = labeled[fold != f], labeled[fold == f]
        model = cell.learner() if cell.learner is not None else SoftmaxRegression()
        if len(np.unique(cell.y[train])) < 2:
            continue
        model.fit(cell.X[train], cell.y[train])
        P = np.asarray(model.predict_proba(cell.X[test]))
        sure[fold == f] = P.max(1)
        hit[fold == f] = np.asarray(model.classes_)[P.argmax(1)] == cell.y[test]
    return sure, hit


# ── tables ──────────────────────────────────────────────────────────────────────────────────


def tables(path: Path = OUT) -> str:
    """The tables for docs/certificate.md."""
    runs = [Run(**json.loads(line)) for line in path.read_text().splitlines()]
    by_pool = {name: [r for r in runs if r.pool == name] for name in POOLS if any(r.pool == name for r in runs)}
    lines = [
        "| pool | runs | interval ever missed (overstated) | balanced accuracy missed | certificates | false | "
        "runs with a false one | auto-labeled, median |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in by_pool.items():
        missed = np.mean([r.too_low + r.too_high > 0 for r in found])
        over = np.mean([r.too_low > 0 for r in found])
        classes = np.mean([r.class_missed > 0 for r in found])
        false = np.mean([r.false > 0 for r in found])
        lines.append(
            f"| `{name}`: {_what(name)} | {len(found)} | {missed:.1%} ({over:.1%}) | {classes:.1%} | "
            f"{sum(r.issued for r in found)} | {sum(r.false for r in found)} | {false:.1%} | "
            f"{np.median([r.auto for r in found]):.0%} |"
        )
    ways = list(dict.fromkeys(way for r in runs for way in r.naive))
    lines += [
        "",
        "| pool | Askwise | " + " | ".join(ways) + " |",
        "|---" * (len(ways) + 2) + "|",
    ]
    for name, found in by_pool.items():
        limit = POOLS[name](np.random.default_rng(0)).max_error
        cells = [f"{np.mean([r.false > 0 for r in found]):.0%} of {np.mean([r.auto for r in found]):.0%}"]
        for way in ways:
            known = [r.naive[way] for r in found if way in r.naive]
            broken = np.mean([wrong > limit + TOLERANCE for _, wrong in known])
            bold = "**" if broken > 0.05 else ""
            cells.append(f"{bold}{broken:.0%}{bold} of {np.mean([share for share, _ in known]):.0%}")
        lines.append(f"| `{name}` ({limit:.0%}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _what(name: str) -> str:
    return str(POOLS[name].__doc__).rstrip(".").split("\n")[0][0].lower() + str(POOLS[name].__doc__).rstrip(".")[1:]


# ── the command ─────────────────────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", nargs="+", choices=list(POOLS), default=list(POOLS))
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    pools = [p for p in options.pools if p != "sms" or (SHARED / "spam_sms").exists()]
    for absent in set(options.pools) - set(pools):
        print(f"{absent}: its data is not here, left out")
    OUT.parent.mkdir(exist_ok=True)
    known = {(r["pool"], r["seed"]) for r in map(json.loads, OUT.read_text().splitlines())} if OUT.exists() else set()
    jobs = [(p, s) for s in range(options.seeds) for p in pools if (p, s) not in known]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as workers, OUT.open("a") as stream:
        for found in _show(workers.map(run, *zip(*jobs, strict=True)) if jobs else (), len(jobs)):
            stream.write(json.dumps(asdict(found)) + "\n")
            stream.flush()
    print(tables())


def _show(runs: Iterable[Run], total: int) -> Iterable[Run]:
    from rich.progress import track

    yield from track(runs, total=total, description="runs")


if __name__ == "__main__":
    main()
