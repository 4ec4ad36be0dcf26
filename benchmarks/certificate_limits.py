"""What each limit costs, and what naive ways would have labeled at the same moment, with how many of them wrong.

    python benchmarks/certificate_limits.py                     # digits and SMS at 1, 2, 5 and 10 %, 50 seeds

A session learns until it advises to stop; there the naive ways judge the same model, and the job is done to its end.
Writes out/certificate_limits.jsonl (a line a run; runs that are there are not done again).
`benchmarks/certificate.py --docs` makes the tables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from askwise import Session, simulation
from certificate_cost import STEP, measure
from certificate_coverage import TOLERANCE, Cell, naive
from certificate_pools import task

OUT = Path("out/certificate_limits.jsonl")
POOLS = ("digits", "sms")
LIMITS = (0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Run:
    """One pool at one limit."""

    pool: str
    limit: float
    seed: int
    human: int
    """Labels given by people in all."""
    checks: int
    """… of these in attempts."""
    auto: float
    """Share of the pool labeled by the model."""
    false: int
    """Certificates that promised too much."""
    naive: dict[str, tuple[float, float]]
    """Way → (share of the rest it would label, share of these wrong), when the session first advised to stop."""


def run(pool: str, limit: float, seed: int) -> Run:
    t = task(pool)
    truth = np.array(t.truth)
    names = sorted(set(t.truth))
    cell = Cell(t.pool.features, np.searchsorted(names, truth), max_error=limit)
    with Session(t.pool, classes=names, seed=seed, max_error=limit) as session:
        while not session.verdict().ready:
            for query in session.ask(STEP):
                session.tell(query, t.truth[query.row])
            session.refresh()
        others = naive(session, cell)
        checks = false = 0
        for outcome in simulation.work(session, lambda asked: [t.truth[q.row] for q in asked], step=STEP):
            if outcome is None:
                continue
            checks += outcome.checks_done
            wrong = sum(label != truth[session._rows[item]] for item, label in outcome.labels.items())
            false += wrong > limit * len(outcome.labels) + TOLERANCE
        counts = session.counts()
    return Run(pool, limit, seed, counts["labeled"], checks, counts["auto"] / len(t.pool), false, others)


def tables(path: Path = OUT) -> str:
    """The tables for docs/certificate.md."""
    runs = [Run(**json.loads(line)) for line in path.read_text().splitlines()]
    lines = [
        "| pool | limit | seeds | human labels in all, median | checks, median | labeled by the model, median "
        "| runs with a false certificate |",
        "|" + "---|" * 7,
    ]
    groups = {(p, x): [r for r in runs if (r.pool, r.limit) == (p, x)] for p in POOLS for x in LIMITS}
    groups = {key: found for key, found in groups.items() if found}
    for (pool, limit), found in groups.items():
        lines.append(
            f"| {task(pool).title} | {limit:.0%} | {len(found)} | {np.median([r.human for r in found]):,.0f} of "
            f"{len(task(pool).pool):,} | {np.median([r.checks for r in found]):,.0f} "
            f"| {np.median([r.auto for r in found]):.0%} | {sum(r.false > 0 for r in found)} |"
        )
    ways = list(dict.fromkeys(way for r in runs for way in r.naive))
    lines += ["", "| pool, limit | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    for (pool, limit), found in groups.items():
        cells = []
        for way in ways:
            known = [r.naive[way] for r in found if way in r.naive]
            broken = np.mean([wrong > limit + TOLERANCE for _, wrong in known]) if known else 0.0
            bold = "**" if broken > 0.05 else ""
            share = np.mean([share for share, _ in known]) if known else 0.0
            cells.append(f"{bold}{broken:.0%}{bold} of {share:.0%}")
        lines.append(f"| {task(pool).title}, {limit:.0%} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    parser.add_argument("--limits", nargs="+", type=float, default=list(LIMITS))
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    jobs = [(p, x, s) for s in range(options.seeds) for p in options.pools for x in options.limits]
    measure(run, OUT, jobs, options)
    print(tables())


if __name__ == "__main__":
    main()
