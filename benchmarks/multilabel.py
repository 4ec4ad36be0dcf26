"""Which strategy needs the fewest labels where an item has several: real messages, two or three wishes in each.

    python benchmarks/multilabel.py                 # 20 seeds, 8 strategies
    python benchmarks/multilabel.py --docs          # also write the table into docs/multilabel.md

No corpus of the shared data has several labels an item, so messages of BANKING77 are joined: none to three of ten
intents in one message (those without one hold other intents). Asked ten at a time from nothing, without check items;
after each ten the model labels what is left, and an item is right if its whole set is. Writes out/multilabel.json.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import platform
import random
import re
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("ASKWISE_SHARED", ROOT.parent / "shared")) / "data"
STRATEGIES = (
    "random", "binary_minimum", "maximum_loss_reduction", "label_cardinality_inconsistency", "separation_margin",
    "adaptive_multilabel", "cvirs", "label_vote_entropy", "label_consensus_kl",
)  # fmt: skip
LABELS, STEP = 300, 10
MARKS = (100, 200, 300)
PAGE = ROOT / "docs" / "multilabel.md"


def messages(seed: int, n: int = 1500) -> tuple[list[str], list[list[str]], list[str]]:
    """(texts, their sets of labels, all labels): another choice of intents and messages for each seed."""
    with gzip.open(SHARED / "intent_banking77" / "banking77.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said: dict[str, list[str]] = {}
    for row in rows:
        said.setdefault(row["intent"], []).append(row["text"])
    rng = random.Random(seed)
    names = rng.sample(sorted(said), 40)
    labels, others = sorted(names[:10]), names[10:]
    found: dict[str, list[str]] = {}
    while len(found) < n:
        chosen = rng.sample(labels, rng.choice((0, 1, 1, 1, 2, 2, 3)))
        parts = [rng.choice(said[name]) for name in chosen or [rng.choice(others)]]
        rng.shuffle(parts)
        found[" ".join(parts)] = sorted(chosen)
    return list(found), list(found.values()), labels


def run(task: tuple[str, int]) -> dict[str, Any]:
    """One strategy on one seed: share of whole sets right, and mean F1 of the labels, on the rest after each step."""
    from sklearn.metrics import f1_score

    from askwise import Session
    from askwise.labelsets import labels_of

    strategy, seed = task
    texts, truth, labels = messages(seed)
    Y = np.array([[name in one for name in labels] for one in truth])
    right, f1, asking = [], [], 0.0
    with threadpool_limits(1):
        session = Session(
            texts, classes=labels, multilabel=True, strategy=strategy, encoder="tfidf", audit_share=0.0, seed=seed
        )
        for _ in range(LABELS // STEP):
            for query in session.ask(STEP):
                session.tell(query, truth[query.row])
            started = time.perf_counter()
            session.refresh()
            asking += time.perf_counter() - started
            guesses, _ = session.predictions()
            rest = [row for row in range(len(texts)) if row not in session.answers()]
            P = np.array([[name in set(labels_of(guesses[row])) for name in labels] for row in rest])
            right.append(float((Y[rest] == P).all(1).mean()) if guesses[0] else 0.0)
            f1.append(float(f1_score(Y[rest], P, average="macro", zero_division=0)) if guesses[0] else 0.0)
    return {"strategy": strategy, "seed": seed, "right": right, "f1": f1, "seconds": asking}


def table(found: dict[str, Any]) -> str:
    """The results as Markdown, each strategy beside random on the same seeds."""
    by = {name: [r for r in found["runs"] if r["strategy"] == name] for name in STRATEGIES}
    curves = {
        name: np.array([r["right"] for r in sorted(rs, key=lambda r: r["seed"])]) for name, rs in by.items() if rs
    }
    f1 = {name: np.array([r["f1"][-1] for r in sorted(rs, key=lambda r: r["seed"])]) for name, rs in by.items() if rs}
    seeds = len(next(iter(curves.values())))
    heads = [f"at {mark}" for mark in MARKS]
    lines = [
        f"Measured {found['when']} on {found['machine']}, {seeds} seeds; mean share of whole sets right on the",
        "rest, and the difference from random on the same seeds with its 95 % interval. F1: mean of the labels, last.",
        "",
        f"| strategy | {' | '.join(heads)} | mean of the curve, over random | F1 at {MARKS[-1]} | a refresh |",
        "|---" * (len(MARKS) + 4) + "|",
    ]
    base = curves["random"].mean(1)
    for name in sorted(curves, key=lambda name: -curves[name].mean()):
        gain = curves[name].mean(1) - base
        half = 2.093 * gain.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
        marks = [f"{curves[name][:, mark // STEP - 1].mean():.3f}" for mark in MARKS]
        pace = np.median([r["seconds"] for r in by[name]]) / (LABELS // STEP)
        over = "" if name == "random" else f"{gain.mean() * 100:+.1f} ± {half * 100:.1f} points"
        lines.append(f"| `{name}` | {' | '.join(marks)} | {over} | {f1[name].mean():.3f} | {pace * 1000:.0f} ms |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--docs", action="store_true", help="put the table into docs/multilabel.md")
    options = parser.parse_args()
    tasks = [(strategy, seed) for seed in range(options.seeds) for strategy in STRATEGIES]
    with ProcessPoolExecutor(options.processes) as pool:
        runs = list(pool.map(run, tasks))
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    found = {"when": time.strftime("%Y-%m-%d"), "machine": machine, "runs": runs}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "multilabel.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(table(found))
    if options.docs:
        page = PAGE.read_text(encoding="utf-8")
        new = re.sub(r"(<!-- table -->\n).*?(\n<!-- end -->)", lambda m: m[1] + table(found) + m[2], page, flags=re.S)
        PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
