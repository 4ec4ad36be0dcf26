"""Which strategy needs the fewest labels where an answer is a number, and which learner errs least on them.

    python benchmarks/regression.py                 # 20 seeds, 5 strategies, 5 tables
    python benchmarks/regression.py --docs          # also write the tables into docs/tasks.md

The tables are those that scikit-learn holds or makes: diabetes, Friedman's three, and the pictures of digits with the
digit as the number. Three tenths of a table, others for each seed, are kept apart, and the root mean square error is
measured there; features have mean 0 and deviation 1. A session asks ten at a time from nothing, without check items, up
to 200 labels. A strategy has arrived where its error is at most 1.1 times that of the same learner on all labels, and
stays so. Writes out/regression.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tasks.md"
TABLES = ("diabetes", "friedman1", "friedman2", "friedman3", "digits")
STRATEGIES = ("random", "greedy_both", "largest_cluster", "committee_variance", "predictive_std")
LEARNERS = ("ridge", "forest", "gaussian process")
LABELS, STEP, NEAR = 200, 10, 1.1
SIZES = (50, 100, 200)


def table(name: str, seed: int) -> tuple[Any, Any, Any, Any]:
    """(features, numbers, features kept apart, numbers kept apart)."""
    from sklearn import datasets

    rng = np.random.default_rng(seed)
    if name.startswith("friedman"):
        X, y = getattr(datasets, f"make_{name}")(1000, noise=0.0, random_state=seed)
        y = y + 0.2 * y.std() * rng.standard_normal(len(y))
    else:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = rng.permutation(len(y))
    apart, pool = order[: 3 * len(y) // 10], order[3 * len(y) // 10 :]
    spread = X[pool].std(0)
    X = (X - X[pool].mean(0)) / np.where(spread > 0, spread, 1)
    return X[pool], y[pool].astype(float), X[apart], y[apart]


def error(learner: Any, X: Any, y: Any) -> float:
    """Root mean square error."""
    return float(np.sqrt(np.mean((learner.predict(X) - y) ** 2)))


def run(job: tuple[str, str, int]) -> dict[str, Any]:
    """One strategy on one table and seed: the error after every ten labels, beside that of all labels."""
    from askwise import Session
    from askwise.learners import RidgeRegression

    name, strategy, seed = job
    X, y, X_apart, y_apart = table(name, seed)
    learner, errors, seconds = RidgeRegression(), [], 0.0
    with threadpool_limits(1):
        whole = error(RidgeRegression().fit(X, y), X_apart, y_apart)
        task = f"number:tolerance={0.5 * y.std():.3g}"
        session = Session(X, task=task, strategy=strategy, learner=learner, audit_share=0.0, seed=seed)
        for _ in range(LABELS // STEP):
            for query in session.ask(STEP):
                session.tell(query, float(y[query.row]))
            started = time.perf_counter()
            session.refresh()
            seconds += time.perf_counter() - started
            errors.append(error(learner, X_apart, y_apart))
    return {"table": name, "strategy": strategy, "seed": seed, "errors": errors, "whole": whole, "seconds": seconds}


def learned(job: tuple[str, str, int]) -> dict[str, Any]:
    """One learner on random labels: its error, in deviations of the numbers, by how many there are."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    from askwise.learners import RidgeRegression

    name, kind, seed = job
    X, y, X_apart, y_apart = table(name, seed)
    kernel = ConstantKernel() * RBF(np.sqrt(X.shape[1])) + WhiteKernel()
    makes = {
        "ridge": RidgeRegression,
        "forest": lambda: RandomForestRegressor(100, random_state=seed),
        "gaussian process": lambda: GaussianProcessRegressor(kernel, normalize_y=True),
    }
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length scale at its bound is no matter here
        errors = [error(makes[kind]().fit(X[:m], y[:m]), X_apart, y_apart) / y_apart.std() for m in SIZES]
    return {"table": name, "learner": kind, "seed": seed, "errors": errors}


def arrived(one: dict[str, Any]) -> float:
    """Labels from which on the error stays near that of all labels; one step more than there were where it never is."""
    far = np.flatnonzero(np.array(one["errors"]) > NEAR * one["whole"])
    return float(STEP * (far[-1] + 2 if len(far) else 1))


def mean(values: Any, form: str = ".0f", sign: bool = False) -> str:
    """Mean and 95 % interval of it."""
    values = np.asarray(values, float)
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{'+' if sign else ''}{form}} ± {half:{form}}"


def tables(found: dict[str, Any]) -> str:
    """The results as Markdown, each strategy beside random on the same seeds."""
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in sorted(found["runs"], key=lambda one: one["seed"]):
        runs.setdefault((one["table"], one["strategy"]), []).append(one)
    seeds = len(next(iter(runs.values())))
    lines = [
        f"Measured {found['when']} on {found['machine']}, {seeds} seeds. Labels until the error on items kept apart",
        f"stays within {NEAR:g} times that of all labels; for others than random the difference from it on the same",
        f"seeds, with its 95 % interval, so below 0 is better. Never within {LABELS} labels counts as {LABELS + STEP}.",
        "",
        f"| strategy | {' | '.join(TABLES)} | labels, all tables | error, all tables | a refresh |",
        "|---" * (len(TABLES) + 4) + "|",
    ]
    base = {name: np.array([arrived(one) for one in runs[name, "random"]]) for name in TABLES}
    curve = {key: np.array([np.mean(one["errors"]) / one["whole"] for one in some]) for key, some in runs.items()}
    for strategy in STRATEGIES:
        asked = np.array([[arrived(one) for one in runs[name, strategy]] for name in TABLES])
        away = asked - np.array([base[name] for name in TABLES])
        own = strategy == "random"
        cells = [mean(labels) for labels in asked] if own else [mean(one, sign=True) for one in away]
        cells.append(mean(asked.mean(0)) if own else mean(away.mean(0), sign=True))
        over = np.mean([curve[name, strategy] / curve[name, "random"] - 1 for name in TABLES], axis=0) * 100
        cells.append("" if own else mean(over, ".1f", sign=True) + " %")
        pace = np.median([one["seconds"] for name in TABLES for one in runs[name, strategy]]) / (LABELS // STEP)
        lines.append(f"| `{strategy}` | {' | '.join(cells)} | {pace * 1000:.0f} ms |")
    lines += [
        "",
        "The learners on random labels: root mean square error on items kept apart, in standard deviations of the",
        "numbers there (1 = no better than the mean), with its 95 % interval.",
        "",
        f"| learner | labels | {' | '.join(TABLES)} |",
        "|---" * (len(TABLES) + 2) + "|",
    ]
    for kind in LEARNERS:
        for at, size in enumerate(SIZES):
            some = [[o["errors"][at] for o in found["learned"] if (o["table"], o["learner"]) == (name, kind)]
                    for name in TABLES]  # fmt: skip
            lines.append(f"| {kind} | {size} | {' | '.join(mean(one, '.2f') for one in some)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/tasks.md")
    parser.add_argument("--again", action="store_true", help="make the tables anew from what was measured")
    options = parser.parse_args()
    kept = options.out / "regression.json"
    if options.again:
        show(json.loads(kept.read_text(encoding="utf-8")), options.docs)
        return
    jobs = [(name, one, seed) for seed in range(options.seeds) for name in TABLES for one in STRATEGIES]
    others = [(name, one, seed) for seed in range(options.seeds) for name in TABLES for one in LEARNERS]
    with ProcessPoolExecutor(options.processes) as pool:
        runs, learners = list(pool.map(run, jobs)), list(pool.map(learned, others))
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    found = {"when": time.strftime("%Y-%m-%d"), "machine": machine, "runs": runs, "learned": learners}
    options.out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found) + "\n", encoding="utf-8")
    show(found, options.docs)


def show(found: dict[str, Any], docs: bool) -> None:
    """Print the tables, and put them into the page where that is asked for."""
    print(tables(found))
    if docs:
        page = PAGE.read_text(encoding="utf-8")
        new = re.sub(r"(<!-- table -->\n).*?(\n<!-- end -->)", lambda m: m[1] + tables(found) + m[2], page, flags=re.S)
        PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
