"""Whether the forecasts are what they say: the comparison with random sampling, and the labels left.

    python benchmarks/control.py compare                   # sessions to 800 labels beside random learning curves
    python benchmarks/control.py forecast                  # whole jobs, forecasts at 10, 25, 50 and 75 %
    python benchmarks/control.py tables                    # what docs/control.md shows

Writes a line a run to out/control_<section>.jsonl; runs that are there are not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from askwise import Session, control, simulation
from askwise.learners import SoftmaxRegression
from certificate_pools import TASKS, task

LABELS = (100, 200, 400, 800)
STEP = 20
PARTS = (0.1, 0.25, 0.5, 0.75)


def out(section: str) -> Path:
    return Path(f"out/control_{section}.jsonl")


def compare(name: str, seed: int) -> dict[str, Any]:
    """One session: what it says at `LABELS`, and how many guesses are wrong there; and one random learning curve."""
    t = task(name)
    classes, n = sorted(set(t.truth)), len(t.pool)
    y = np.searchsorted(classes, t.truth)
    X = t.pool.features
    sizes = np.unique(np.round(np.geomspace(20, 0.97 * n, 26)).astype(int))
    order = np.random.default_rng([seed, 99]).permutation(n)
    model, curve = SoftmaxRegression(calibrate=False), []
    for size in sizes.tolist():
        sample, rest = order[:size], order[size:]
        fitted = len(np.unique(y[sample])) > 1
        curve.append(int((model.fit(X[sample], y[sample]).predict(X[rest]) != y[rest]).sum()) if fitted else None)
    says = []
    with Session(t.pool, classes=classes, seed=seed) as session:
        for goal in range(STEP, max(LABELS) + 1, STEP):
            for query in session.ask(STEP):
                session.tell(query, t.truth[query.row])
            session.refresh()
            if goal in LABELS and goal < 0.85 * n:
                names, _ = session.predictions()
                wrong = sum(names[r] != t.truth[r] for r in set(range(n)) - set(session.answers()))
                started = time.process_time()
                found = session.control()
                if found is not None:
                    spent = round(time.process_time() - started, 3)
                    says.append([goal, wrong, found.needed, found.low, found.high, found.checks, spent])
    return {"pool": name, "seed": seed, "items": n, "sizes": sizes.tolist(), "curve": curve, "says": says}


def forecast(name: str, seed: int) -> dict[str, Any]:
    """One whole job: (labels given, forecast, its range) after each step, and the labels that it took."""
    t = task(name)
    series = []
    with Session(t.pool, classes=sorted(set(t.truth)), seed=seed, max_error=t.max_error) as session:
        for ended in simulation.work(session, lambda asked: [t.truth[q.row] for q in asked]):
            verdict = session.verdict()
            if ended is None and verdict.labels_left is not None:
                low, high = verdict.labels_left_range or (verdict.labels_left,) * 2
                series.append([session.counts()["labeled"], verdict.labels_left, low, high])
        took = session.counts()["labeled"]
    return {"pool": name, "seed": seed, "items": len(t.pool), "took": took, "series": series}


# ── tables ──────────────────────────────────────────────────────────────────────────────────


def read(section: str) -> dict[str, list[dict[str, Any]]]:
    """Pool → its runs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in out(section).read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        found.setdefault(run["pool"], []).append(run)
    return found


def compare_lines() -> Iterator[str]:
    yield (
        "| pool | labels | truth: random would need | said, median (90 % interval) | cannot tell | intervals that hold "
        "the truth | said more or fewer, rightly |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, runs in read("compare").items():
        n, sizes = runs[0]["items"], np.array(runs[0]["sizes"])
        curve = np.nanmean(np.array([run["curve"] for run in runs], dtype=float), axis=0)
        for labels in LABELS:
            says = [s for run in runs for s in run["says"] if s[0] == labels]
            if not says:
                continue
            truth = control.labels_at(sizes, curve, np.array([s[1] + 0.5 for s in says]), n)
            told = [(t, s) for t, s in zip(truth, says, strict=True) if s[2] is not None]
            apart = [(t, s) for t, s in told if not s[3] <= labels <= s[4]]
            middle = "–"
            if told:
                middle = "{:,.0f} ({:,.0f}–{:,.0f})".format(*(np.median([s[i] for _, s in told]) for i in (2, 3, 4)))
            holds = sum(s[3] <= round(t) <= s[4] for t, s in told)
            right = sum((t > labels) == (s[3] > labels) for t, s in apart)
            yield (
                f"| {task(name).title} | {labels} | {np.median(truth):,.0f} | {middle} | "
                f"{len(says) - len(apart)} of {len(says)} | {holds} of {len(told)} | {right} of {len(apart)} |"
            )


def forecast_lines() -> Iterator[str]:
    yield "| pool | done | left, median | forecast, median (range) | ranges that hold the truth | too low / too high |"
    yield "|---|---|---|---|---|---|"
    for name, runs in read("forecast").items():
        for part in PARTS:
            found = []
            for run in runs:
                made = [s for s in run["series"] if s[0] <= part * run["took"]]
                if made:  # the last one by then: during the checks of a certificate there is no other
                    found.append((run["took"] - made[-1][0], *made[-1][1:]))
            left, said, low, high = (np.array(column, dtype=float) for column in zip(*found, strict=True))
            holds = (low <= left) & (left <= high)
            middle = "{:,.0f} ({:,.0f}–{:,.0f})".format(*(np.median(column) for column in (said, low, high)))
            yield (
                f"| {task(name).title} | {part:.0%} | {np.median(left):,.0f} | {middle} | "
                f"{holds.sum()} of {len(found)} | {sum(high < left)} / {sum(low > left)} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("section", choices=("compare", "forecast", "tables"))
    parser.add_argument("--pools", nargs="+", choices=sorted(TASKS), default=["digits", "sms", "trec"])
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    if options.section == "tables":
        for section, lines in (("compare", compare_lines), ("forecast", forecast_lines)):
            if out(section).exists():
                print("\n".join(lines()), end="\n\n")
        return
    path = out(options.section)
    path.parent.mkdir(exist_ok=True)
    done = read(options.section) if path.exists() else {}
    measure = compare if options.section == "compare" else forecast
    with path.open("a", encoding="utf-8") as file:
        for seed in range(options.seeds):
            for name in options.pools:
                if all(run["seed"] != seed for run in done.get(name, [])):
                    file.write(json.dumps(measure(name, seed)) + "\n")
                    file.flush()


if __name__ == "__main__":
    main()
