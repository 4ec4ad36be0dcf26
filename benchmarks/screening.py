"""Screening for a review: recall reached, share read, broken promises, beside ASReview and BUSCAR in the same run.

    python benchmarks/screening.py --data ../shared/data/screening            # 20 seeds, both sets

Needs files `nudging.csv.gz` and `virus.csv.gz` (columns title, abstract, label_included; Ferdinands et al., 2023) and
makes the environment .venv-screening with asreview and buscarpy where there is none; what is missing is skipped and
named. Writes out/screening.json and out/screening.md (the tables for docs/screening.md).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from askwise import audit
from askwise.encoders.tfidf import TfidfEncoder
from askwise.learners import SoftmaxRegression
from askwise.session import Session
from askwise.simulation.loop import schedule

ROOT = Path(__file__).resolve().parents[1]
ENV = ROOT / ".venv-screening"
SETS = ("nudging", "virus")
RECALL, ALPHA = 0.95, 0.05
ORDERS = 5
"""Random orders of the finish for each seed."""


def load(folder: Path, name: str) -> tuple[list[str], list[str], np.ndarray]:
    """Titles, abstracts and (n,) labels, records of the same text once."""
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        records = list(csv.DictReader(file))
    once = {(r["title"], r["abstract"]): int(r["label_included"]) for r in records}
    return [t for t, _ in once], [a for _, a in once], np.array(list(once.values()))


def priors(y: np.ndarray, seed: int) -> list[int]:
    """One relevant and one irrelevant record to begin with."""
    rng = np.random.default_rng([seed, 23])
    return [int(rng.choice(np.flatnonzero(y == c))) for c in (1, 0)]


# ── ours ────────────────────────────────────────────────────────────────────────────────────


def replay(pool: Any, y: np.ndarray, start: Sequence[int], seed: int, learner: Any = None) -> dict[str, Any]:
    """A session answered from the known labels until the last relevant record is found."""
    labels: list[str | None] = [None] * len(y)
    for row in start:
        labels[row] = str(y[row])
    began = time.perf_counter()
    shown: list[int] = []
    quant: list[tuple[int, float]] = []
    options = {} if learner is None else {"learner": learner}
    with Session(
        pool, classes=["1", "0"], recall=RECALL, relevant="1", label=labels, seed=seed, audit_share=0, **options
    ) as session:
        for goal in schedule(len(y), "auto"):
            while len(shown) < goal and (queries := session.ask(goal - len(shown))):
                for query in queries:
                    session.tell(query, str(y[query.row]))
                    shown.append(query.row)
            if sum(y[shown]) == y.sum() - 1:
                break
            session.refresh()
            names, sure = session.predictions()
            p = np.where(np.array(names) == "1", sure, 1 - sure)
            read = np.zeros(len(y), bool)
            read[[*shown, *start]] = True
            quant.append((len(shown), float(p[read].sum() / p.sum())))
    return {"order": y[shown].tolist(), "seconds": time.perf_counter() - began, "quant": quant}


# ── rules: (labels in order, padded to the end; n) → records read ───────────────────────────


def run_of(length: int) -> Callable[[np.ndarray], int]:
    """So many irrelevant in a row: what reviewers do, and ASReview's NConsecutiveIrrelevant."""

    def stop(z: np.ndarray) -> int:
        run = 0
        for t, hit in enumerate(z, 1):
            run = 0 if hit else run + 1
            if run == length:
                return t
        return len(z)

    return stop


def share_read(share: float) -> Callable[[np.ndarray], int]:
    """A fixed share of the records: ASReview's QuantileLabeled."""
    return lambda z: int(np.ceil(share * len(z)))


def knee(z: np.ndarray) -> int:
    """Cormack & Grossman, 2016: slopes before and after the knee of the curve differ by 156 - min(relevant, 150)."""
    total = np.concatenate([[0], np.cumsum(z)])
    for s in range(100, len(z), 10):
        t = np.arange(1, s)
        i = int(t[np.argmax(total[1:s] - total[s] / s * t)])
        ratio = (total[i] / i) / ((1 + total[s] - total[i]) / (s - i))
        if ratio >= 156 - min(int(total[s]), 150):
            return s
    return len(z)


def naive_hypergeometric(z: np.ndarray) -> int:
    """A one-look hypergeometric test of the last hundred and more, repeated every hundred records from each start."""
    from scipy.stats import hypergeom

    n, total = len(z), np.concatenate([[0], np.cumsum(z)])
    for t in range(100, n, 100):
        missed = audit.may_miss(int(total[t]) + 1, RECALL) + 1
        for start in range(0, t, 100):
            k = int(total[t] - total[start])
            if hypergeom.cdf(k, n - start, k + missed, t - start) < ALPHA:
                return t
    return n


def ranked(z: np.ndarray) -> int:
    """Ours, if the ranking is no worse than random: no label beyond the search."""
    return audit.ranked_stop(z, len(z), 1, RECALL, ALPHA).stopped or len(z)


def with_advantage(times: float) -> Callable[[np.ndarray], int]:
    """Ours, if the next record is this many times likelier relevant than a random one: an assumption."""

    def stop(z: np.ndarray) -> int:
        n = len(z)
        starts = audit.ranked_stop(z, n, 1, RECALL, ALPHA).starts
        for t in range(100, n, max(10, n // 50)):
            found = 1 + int(z[:t].sum())
            later = np.cumsum(z[:t][::-1])[::-1]
            begun = [s for s in starts if s < t]
            if not begun:
                continue
            most = audit.most_missed(z[:t], n - np.arange(t), later, n - t, ALPHA, starts=begun, advantage=times)
            if most <= audit.may_miss(found, RECALL):
                return t
        return n

    return stop


def finish(z: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Ours, assumption-free: by ranking until nothing turns up, then checks in random order. (read, found)."""
    left, found, read = list(range(len(z))), 1, 0
    for share in audit.SPEND:
        run = 0
        while left and run < audit.dry_run(len(left), found, RECALL, ALPHA):
            hit = z[left.pop(0)]
            read, found, run = read + 1, found + int(hit), 0 if hit else run + 1
        if not left:
            break
        plan = audit.recall_plan(len(left), found, RECALL, ALPHA * share)
        order = rng.permutation(left)
        state = plan.judge([bool(z[i]) for i in order], 0.0)
        read, found = read + state.audits, found + state.wrong
        if state.status == "certified":
            return read, found
        checked = set(order[: state.audits].tolist())
        left = [i for i in left if i not in checked]
    return len(z), int(z.sum()) + 1


# ── measuring ───────────────────────────────────────────────────────────────────────────────


def quality(order: Sequence[int], n: int, relevant: int) -> dict[str, float]:
    """WSS@95, recall after 10, 25 and 50 %, and the mean rank of a relevant record, all in %."""
    places = np.flatnonzero(order) + 1
    k95 = places[int(np.ceil(0.95 * relevant)) - 1]
    found = {f"recall at {s} %": 100 * float(np.mean(places <= s / 100 * n)) for s in (10, 25, 50)}
    return {"WSS@95": 95 - 100 * k95 / n, **found, "ATD": 100 * float(places.mean()) / n}


def environment() -> Path | None:
    """The Python of an environment with asreview and buscarpy, made where there is none; None if it cannot be."""
    python = ENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(ENV, with_pip=True)
        if subprocess.run([python, "-m", "pip", "install", "-q", "asreview>=3,<4", "buscarpy"], check=False).returncode:
            return None
    return python


def in_asreview(task: dict[str, Any], out: Path, *args: str) -> Any:
    """What benchmarks/screening_asreview.py answers, or None where its environment cannot be had."""
    python = environment()
    if python is None:
        print("asreview and buscarpy cannot be installed; their rows are left out")
        return None
    question = out / "question.json"
    question.write_text(json.dumps(task))
    script = ROOT / "benchmarks" / "screening_asreview.py"
    # In the folder of results, as the library behind ASReview's data sets leaves a cache where it is run.
    done = subprocess.run([python, script, question, out / "answer.json", *args], cwd=out, check=False)
    return None if done.returncode else json.loads((out / "answer.json").read_text())


def measure(folder: Path, name: str, seeds: int, out: Path) -> dict[str, Any]:
    titles, abstracts, y = load(folder, name)
    texts = [f"{t} {a}" for t, a in zip(titles, abstracts, strict=True)]
    starts = [priors(y, seed) for seed in range(seeds)]
    n, relevant = len(y) - 2, int(y.sum()) - 1
    engines: dict[str, list[dict[str, Any]]] = {}
    task = {"title": titles, "abstract": abstracts, "label": y.tolist(), "priors": starts}
    theirs = in_asreview(task, out, "orders")
    if theirs is not None:
        engines[f"ASReview {theirs['version']}, ELAS u4"] = theirs["runs"]
    engines["Askwise screen"] = [replay(texts, y, s, i) for i, s in enumerate(starts)]
    X = TfidfEncoder().fit(texts).encode(texts)
    engines["Askwise, default encoder and learner"] = [
        replay(X, y, s, i, SoftmaxRegression()) for i, s in enumerate(starts)
    ]
    found: dict[str, Any] = {"records": len(y), "relevant": int(y.sum()), "seeds": seeds, "ranking": {}, "rules": {}}
    for engine, runs in engines.items():
        rows = [quality(run["order"], n, relevant) for run in runs]
        found["ranking"][engine] = {
            "seconds": float(np.mean([run["seconds"] for run in runs])),
            **{key: [r[key] for r in rows] for key in rows[0]},
        }
        print(name, engine, {k: round(float(np.mean(v)), 2) for k, v in found["ranking"][engine].items()}, flush=True)
        if "default" not in engine:
            found["rules"][engine] = rules(runs, n, relevant, out)
    return found


def planted(name: str, count: int) -> list[dict[str, Any]]:
    """Orders of 1,000 records, 100 relevant, made up: at random, or with a fifth of the relevant ones never ranked."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng([seed, 41])
        z = np.zeros(999, int)
        if name == "worthless":
            z[rng.permutation(999)[:99]] = 1
        else:
            z[rng.permutation(200)[:79]] = 1
            z[700 + rng.permutation(299)[:20]] = 1
        found.append({"order": z.tolist()})
    return found


PLANTED = {
    "worthless": "a ranking worth nothing (random order)",
    "hidden": "a ranking that never finds a fifth of the relevant records (they come in the last 30 %)",
}


def rules(runs: Sequence[dict[str, Any]], n: int, relevant: int, out: Path) -> dict[str, list[list[float]]]:
    """Rule → (recall, share read) of each run."""
    orders = [np.array(run["order"] + [0] * (n - len(run["order"])), bool) for run in runs]

    def at(z: np.ndarray, t: int) -> list[float]:
        return [float(z[:t].sum() + 1) / (relevant + 1), t / n]

    plain: dict[str, Callable[[np.ndarray], int]] = {
        "ours, ranking no worse than random": ranked,
        "ours, advantage 2 assumed": with_advantage(2),
        "ours, advantage 5 assumed": with_advantage(5),
        "50 irrelevant in a row": run_of(50),
        "100 irrelevant in a row": run_of(100),
        "200 irrelevant in a row": run_of(200),
        "half of the records": share_read(0.5),
        "knee (Cormack & Grossman 2016)": knee,
        "hypergeometric test, repeated": naive_hypergeometric,
    }
    found: dict[str, list[list[float]]] = {
        "ours, checks in random order": [
            [f / (relevant + 1), t / n]
            for i, z in enumerate(orders)
            for t, f in (finish(z, np.random.default_rng([i, j])) for j in range(ORDERS))
        ]
    }
    found |= {rule: [at(z, stop(z)) for z in orders] for rule, stop in plain.items()}
    if "quant" in runs[0]:
        stops = [next((t for t, share in run["quant"] if share >= RECALL), n) for run in runs]
        found["Quant (Yang, Lewis & Frieder 2021)"] = [at(z, t) for z, t in zip(orders, stops, strict=True)]
    task = {"orders": [z.astype(int).tolist() for z in orders], "n": n, "recall": RECALL, "alpha": ALPHA}
    stops = in_asreview(task, out, "buscar")
    if stops is not None:
        found["BUSCAR (Callaghan & Müller-Hansen 2020)"] = [at(z, t) for z, t in zip(orders, stops, strict=True)]
    return found


def markdown(results: dict[str, Any]) -> str:
    """The tables for docs/screening.md."""
    lines = []
    for name, r in results.items():
        if name in PLANTED:
            lines += [f"### {PLANTED[name]}: 1,000 records, 100 relevant, {r['seeds']} orders", *table(r["rules"]), ""]
            continue
        lines += [f"### {name}: {r['records']:,} records, {r['relevant']} relevant, {r['seeds']} seeds", ""]
        lines += [
            "| ranking | WSS@95 | recall at 10 % | 25 % | 50 % | ATD | seconds a run |",
            "|---|---|---|---|---|---|---|",
        ]
        for engine, q in r["ranking"].items():
            cells = [_spread(q[k]) for k in ("WSS@95", "recall at 10 %", "recall at 25 %", "recall at 50 %", "ATD")]
            lines.append(f"| {engine} | {' | '.join(cells)} | {q['seconds']:.0f} |")
        for engine, found in r["rules"].items():
            lines += ["", f"Stopping, order of {engine}:", *table(found)]
        lines.append("")
    return "\n".join(lines)


def table(found: dict[str, list[list[float]]]) -> list[str]:
    """A row for each rule."""
    lines = ["", "| rule | read | mean recall | worst | runs below 95 % |", "|---|---|---|---|---|"]
    for rule, runs in found.items():
        recall, read = np.array(runs).T
        low = int(np.count_nonzero(recall < RECALL - 1e-9))
        lines.append(
            f"| {rule} | {read.mean():.2f} ± {read.std():.2f} | {recall.mean():.3f} | {recall.min():.3f} | "
            f"{low} of {len(runs)} |"
        )
    return lines


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "screening")
    parser.add_argument("--sets", nargs="+", default=[*SETS, *PLANTED], help="only these; others keep their results")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=ROOT / "out")
    args = parser.parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(exist_ok=True)
    done = args.out / "screening.json"
    results = json.loads(done.read_text()) if done.exists() else {}
    for name in args.sets:
        if name in PLANTED:
            count = 5 * args.seeds
            runs = planted(name, count)
            results[name] = {"seeds": count, "rules": rules(runs, 999, 99, args.out)}
            continue
        if not (args.data / f"{name}.csv.gz").exists():
            print(f"{name}: no {args.data / name}.csv.gz, skipped", file=sys.stderr)
            continue
        results[name] = measure(args.data, name, args.seeds, args.out)
        done.write_text(json.dumps(results))
    done.write_text(json.dumps(results))
    (args.out / "screening.md").write_text(markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    main()
