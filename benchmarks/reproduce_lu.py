"""Lu, Li & Lin, "Re-Benchmarking Pool-Based Active Learning for Binary Classification" (2023), to the letter.

Labels are -1 and 1. For seed k the rows are shuffled, the first 60 % are the pool and the rest is the test; the pool
is shuffled anew with the same seed, and its first 20 are labeled. A seed whose 20 miss a class is passed over. Features
are standardised on the pool. The model that asks is the model that is measured: SVC(rbf, gamma="auto", C=1). One
question a step until the pool is empty; test accuracy after each. The area is that of the trapezoids divided by the
number of questions, as theirs. Published are means of the first 100 valid seeds, of 10 on large sets.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise import select
from askwise.learners import Portfolio, adapt
from askwise.simulation.loop import schedule
from reproduce_help import SHARED, by, half_width, interval, mean_of, paired

FOLDER = SHARED / "tabular_lu2023"
PUBLISHED = SHARED / "published_results" / "lu2023_table.csv"
SMALL = ("appendicitis", "heart", "ionosphere", "wdbc")
LARGE = ("australian", "diabetes", "german", "checkerboard", "spambase", "banana", "phishing")
WAYS = ("uniform", "margin", "auto, their SVM", "uniform, portfolio", "auto, portfolio")
FIRST = 20
QUICK = 1
STEPS = 12
"""Questions of a quick run."""
COLUMNS = {"uniform": "Uniform", "margin": "US-C"}
ALIKE = 2e-5
"""What decisions may differ by and still tie: `select` compares 17 bits of a score near 1, whose slope is a half."""


def sets() -> tuple[str, ...]:
    """Those of the paper that are here."""
    return SMALL + LARGE


def missing() -> str | None:
    """What is not there."""
    absent = [path for path in (FOLDER, PUBLISHED) if not path.exists()]
    return f"no {absent[0]}" if absent else None


def seeds(name: str, way: str) -> int:
    """Seeds in the paper; ours with another model cost a hundred times as much."""
    return 100 if name in SMALL and way in COLUMNS else 20 if name in SMALL else 10


@functools.cache
def load(name: str) -> tuple[Any, Any]:
    """(n, d) features and (n,) labels -1 and 1."""
    from sklearn.datasets import load_svmlight_file

    X, y = load_svmlight_file(str(FOLDER / f"{name}.libsvm.gz"))
    return X.toarray(), np.where(y > 0, 1, -1)


def shuffled(n: int, seed: int) -> tuple[Any, Any]:
    """(rows of the pool, the first 20 are labeled; rows of the test) of one of their seeds, valid or not."""
    order = np.arange(n)
    np.random.default_rng(seed).shuffle(order)
    pool, test = order[: int(n * 0.6)], order[int(n * 0.6) :]
    np.random.default_rng(seed).shuffle(pool)
    return pool, test


def division(name: str, number: int) -> tuple[Any, Any, Any, Any]:
    """(pool, its labels, test, its labels) of the valid seed of this number, from 0; the first 20 are labeled."""
    from sklearn.preprocessing import StandardScaler

    X, y = load(name)
    left = number
    for seed in range(10_000):
        pool, test = shuffled(len(y), seed)
        if len(np.unique(y[pool[:FIRST]])) < 2:
            continue
        if left == 0:
            scaler = StandardScaler().fit(X[pool])
            return scaler.transform(X[pool]), y[pool], scaler.transform(X[test]), y[test]
        left -= 1
    raise ValueError(f"{name} has no valid seed of number {number}.")


def area(accuracy: Sequence[float], questions: int) -> float:
    """Their AUBC: trapezoids over the questions, divided by how many there are, five digits."""
    a = np.asarray(accuracy)
    return round(float(((a[1:] + a[:-1]) / 2).sum() / questions), 5)


def run(name: str, way: str, seed: int, quick: bool) -> dict[str, Any]:
    """The area of one way, and for `margin` whether its choices are those of the obvious loop."""
    pool, y, test, truth = division(name, seed)
    steps = len(pool) - FIRST if not quick else min(STEPS, len(pool) - FIRST)
    with_ours = "portfolio" in way
    follow = ours if with_ours else theirs
    return follow(way, pool, y, test, truth, steps)


def theirs(way: str, pool: Any, y: Any, test: Any, truth: Any, steps: int) -> dict[str, Any]:
    """Their SVM asks and is measured after every answer."""
    import sklearn
    from sklearn.svm import SVC

    def svm() -> Any:
        return SVC(kernel="rbf", gamma="auto", C=1)

    # a softmax of the decision orders rows as the decision does; calibrated, the boundary would be another one
    learner = adapt(svm(), calibrate=False if way == "margin" else None)
    model, labeled, free = svm(), np.arange(FIRST), np.arange(FIRST, len(pool))
    accuracy, ties, others = [], 0, 0
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        model.fit(pool[labeled], y[labeled])
        for _ in range(steps):
            if way == "uniform":
                row = int(free[0])
            else:
                learner.fit(pool[labeled], y[labeled])
                told = {"labeled_rows": labeled, "labeled_y": (y[labeled] > 0).astype(int)}
                found = select(pool, free, learner, "margin" if way == "margin" else "auto", k=1, given=told)
                row = int(found.rows[0])
            if way == "margin":
                doubt = np.abs(model.decision_function(pool[free]))
                best = int(free[np.argsort(doubt, kind="stable")[0]])
                far = float(doubt[np.searchsorted(free, row)] - doubt.min())
                ties, others = ties + (row != best and far <= ALIKE), others + (far > ALIKE)
            labeled, free = np.sort(np.append(labeled, row)), free[free != row]
            model.fit(pool[labeled], y[labeled])
            accuracy.append(float(np.mean(model.predict(test) == truth)))
    return {"area": area(accuracy, steps), "questions": steps, "ties": ties, "others": others}


def ours(way: str, pool: Any, y: Any, test: Any, truth: Any, steps: int) -> dict[str, Any]:
    """The portfolio asks and is measured, refreshed as in a session: after each of 50 answers, then more rarely."""
    learner, labeled, free = Portfolio(), np.arange(FIRST), np.arange(FIRST, len(pool))
    learner.know_pool(pool)
    learner.fit(pool[labeled], y[labeled])
    accuracy: list[float] = []
    for goal in schedule(steps, "auto"):
        k = goal - len(accuracy)
        if way.startswith("uniform"):
            rows = free[:k]
        else:
            told = {"labeled_rows": labeled, "labeled_y": (y[labeled] > 0).astype(int)}
            rows = select(pool, free, learner, "auto", k=k, given=told).rows
        labeled, free = np.sort(np.append(labeled, rows)), np.setdiff1d(free, rows)
        # what was answered since the model learned changes nothing until it learns again
        accuracy += [accuracy[-1] if accuracy else float(np.mean(learner.predict(test) == truth))] * (k - 1)
        learner.fit(pool[labeled], y[labeled])
        accuracy.append(float(np.mean(learner.predict(test) == truth)))
    return {"area": area(accuracy, steps), "questions": steps}


# ── the page ────────────────────────────────────────────────────────────────────────────────


@functools.cache
def published() -> dict[str, dict[str, float]]:
    """Set → column → mean area."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["data"].lower(): {name: float(value) for name, value in row.items() if name != "data" and value}
        for row in rows
    }  # fmt: skip


def best_other(row: dict[str, float]) -> tuple[str, float]:
    """The best strategy of the paper but for uniform, the oracle and those that are US-C."""
    others = {name: value for name, value in row.items() if name not in ("Uniform", "US-C", "InfoDiv", "BSO")}
    name = max(others, key=lambda key: others[key])
    return name, others[name]


def tables(runs: Sequence[dict[str, Any]]) -> str:
    """Ours beside theirs, whether the choices are the same, and the place of our default among their strategies."""
    found = by(runs, "area")
    whole = published()
    lines = [
        "| set | seeds | Uniform, ours | published | margin, ours | US-C, published | best other | oracle |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in sets():
        row = whole[name]
        other, value = best_other(row)
        cells = []
        count = [len(found.get((name, way), {})) for way in COLUMNS]
        if not any(count):
            continue
        for way, column in COLUMNS.items():
            cells += [mean_of(found.get((name, way), {}), ".4f"), f"{row[column]:.4f}"]
        shown = f"{min(count)} of {seeds(name, 'margin')}"
        oracle = f"{row['BSO']:.4f}" if "BSO" in row else ""
        lines.append(f"| {name} | {shown} | {' | '.join(cells)} | {other} {value:.4f} | {oracle} |")
    lines += ["", choices(runs), "", *standing(found)]
    return "\n".join(lines)


def choices(runs: Sequence[dict[str, Any]]) -> str:
    """In words, how often `margin` asked what the obvious loop asks."""
    some = [one for one in runs if one["way"] == "margin"]
    steps, ties, others = (sum(one[key] for one in some) for key in ("questions", "ties", "others"))
    return (
        f"Of {steps:,} questions in {len(some)} runs, `margin` asked {steps - ties - others:,} times the row that "
        f"`argsort(abs(decision_function))` has first, {ties} times one that ties with it (decisions no further apart "
        f"than {ALIKE:g}), and **{others}** times another."
    )


def standing(found: dict[tuple[str, str], dict[int, float]]) -> list[str]:
    """Our default beside US-C on the same divisions, and the place it would have in their table."""
    whole = published()
    ways = [way for way in WAYS if way not in COLUMNS and any(key[1] == way for key in found)]
    lines = [
        f"| set | seeds | {' | '.join(f'{way}: area over margin; place' for way in ways)} | US-C's place |",
        "|---" * (3 + len(ways)) + "|",
    ]
    for name in sets():
        base = found.get((name, "margin"), {})
        shared = [len(set(found.get((name, way), {})) & set(base)) for way in ways]
        if not ways or min(shared) == 0:
            continue
        row = {key: value for key, value in whole[name].items() if key != "BSO"}
        cells = [
            f"{interval(away, '+.4f')}; {place(row, away)}" for away in (paired(found[name, w], base) for w in ways)
        ]
        lines.append(f"| {name} | {min(shared)} | {' | '.join(cells)} | {place(row, np.zeros(1))} |")
    return lines if len(lines) > 2 else []


def place(row: dict[str, float], away: Any) -> str:
    """That of a way so far over US-C, by the mean and at both ends of its interval."""
    middle, half = float(np.mean(away)), half_width(away)
    best, mean, worst = (
        1 + sum(v > row["US-C"] + at for v in row.values()) for at in (middle + half, middle, middle - half)
    )
    return f"{mean}" if best == worst else f"{mean} ({best} to {worst})"
