"""How far "estimated 94 % right" is from the truth, in whole sessions: as it is made now, and as it was.

    python benchmarks/estimate.py                          # 20 seeds on the sets of benchmarks/learners.toml (hours)
    python benchmarks/estimate.py --seeds 5 --sets digits sms heart
    python benchmarks/estimate.py --tables                 # what docs/guarantee.md shows

Sessions with the default learner and strategy on at most 2,000 random items of a set, ten questions at a time. At 100,
200 and 300 labels three numbers of the same session are compared with the share of right guesses on the rest: the
estimate, the mean of the last 50 check items as each was scored when it was drawn (the estimate before), and the proved
bound. A line a session in out/estimate.jsonl; sessions that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from askwise import Session, audit
from askwise.benchmark import data
from askwise.benchmark.spec import read
from askwise.pool import load_pool

OUT = Path("out/estimate.jsonl")
LABELS = (100, 200, 300)
ITEMS, STEP = 2_000, 10


def measure(loaded: data.Loaded, seed: int, encoder: str) -> list[dict[str, Any]]:
    """One session: what it says at `LABELS`, what it would have said, and the truth."""
    rows = np.random.default_rng([seed, 11]).permutation(len(loaded.labels))[:ITEMS]
    labels = [loaded.labels[row] for row in rows.tolist()]
    source = loaded.pool
    places = loaded.rows[rows]
    items = source.features[places] if source.features is not None else [source.contents[r] for r in places.tolist()]
    pool = load_pool(items)
    found = []
    terms = {} if source.features is not None else {"encoder": encoder}
    with Session(pool, classes=sorted(set(labels)), seed=seed, **terms) as session:
        truth = _truth(session, items, labels)
        for goal in range(STEP, max(LABELS) + 1, STEP):
            for query in session.ask(STEP):
                session.tell(query, truth[query.row])
            session.refresh()
            if goal in LABELS and goal < 0.8 * len(truth):
                names, _ = session.predictions()
                left = [row for row in range(len(truth)) if row not in session.answers()]
                now = session.estimate()
                _, wrong = session.look(lambda s: s.draw_outcomes())
                recent = [bool(w) for w in wrong if w is not None][-audit.RECENT :]
                before = 1 - (sum(recent) + 0.5) / (len(recent) + 1) if len(recent) >= audit.FEWEST else None
                found.append({
                    "labels": goal,
                    "true": float(np.mean([names[row] == truth[row] for row in left])),
                    "now": now.accuracy,
                    "before": None if before is None else min(max(before, now.low), now.high),
                    "low": now.low,
                    "high": now.high,
                    "checks": now.audits,
                })  # fmt: skip
    return found


def _truth(session: Session, items: Any, labels: list[str]) -> list[str]:
    """The label of each item of the pool: of equal ones the first that was given."""
    known: dict[Any, str] = {}
    for item, label in zip(items, labels, strict=True):
        known.setdefault(item if isinstance(item, str) else np.asarray(item).tobytes(), label)
    return [known[c if isinstance(c, str) else np.asarray(c).tobytes()] for c in session.pool.contents]


def lines(runs: list[dict[str, Any]]) -> Iterator[str]:
    """The tables: over all sets, and set by set."""
    cells: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for at in run["says"]:
            if at["now"] is not None and at["before"] is not None:
                cells[run["set"], at["labels"]].append(at)
    yield (
        "| labels | sets | mean \\|bias\\|, now | before | root mean square, now | before | "
        "more than 3 points above, now | before |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for labels in LABELS:
        some = [cell for (_, at), cell in cells.items() if at == labels]
        if not some:
            continue
        row = [f"{labels}", f"{len(some)}"]
        off = {name: [[100 * (one[name] - one["true"]) for one in cell] for cell in some] for name in ("now", "before")}
        for measure_ in (
            lambda each: f"{np.mean([abs(np.mean(one)) for one in each]):.1f}",
            lambda each: f"{np.mean([np.mean(np.square(one)) for one in each]) ** 0.5:.1f}",
            lambda each: f"{100 * np.mean([np.mean(np.array(one) > 3) for one in each]):.0f} %",
        ):
            row += [measure_(off["now"]), measure_(off["before"])]
        yield f"| {' | '.join(row)} |"
    yield ""
    yield "| set | labels | right | bias now | before | standard deviation now | before |"
    yield "|---|---|---|---|---|---|---|"
    for (name, labels), cell in sorted(cells.items()):
        now, before = ([100 * (one[which] - one["true"]) for one in cell] for which in ("now", "before"))
        right = 100 * np.mean([one["true"] for one in cell])
        yield (
            f"| {name} | {labels} | {right:.0f} | {np.mean(now):+.1f} | {np.mean(before):+.1f} | {np.std(now):.1f} | "
            f"{np.std(before):.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--spec", type=Path, default=Path(__file__).with_name("learners.toml"))
    parser.add_argument("--sets", nargs="+", help="names of its sets; default all")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tables", action="store_true", help="show what is there")
    options = parser.parse_args()
    runs = [json.loads(line) for line in OUT.read_text("utf-8").splitlines()] if OUT.exists() else []
    if not options.tables:
        spec, done = read(options.spec), {(run["set"], run["seed"]) for run in runs}
        OUT.parent.mkdir(exist_ok=True)
        wanted = [entry for entry in spec.data if options.sets is None or entry.name in options.sets]
        loaded = {entry.name: data.load(entry, spec) for entry in wanted}
        for seed in range(options.seeds):
            for name, one in loaded.items():
                if (name, seed) not in done:
                    runs.append({"set": name, "seed": seed, "says": measure(one, seed, spec.encoder or "tfidf")})
                    with OUT.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(runs[-1]) + "\n")
    print("\n".join(lines(runs)))


if __name__ == "__main__":
    main()
