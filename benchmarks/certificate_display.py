"""What is shown while learning: how far "proves at least" is under the truth, and whether it is ever above.

    python benchmarks/certificate_display.py          # every pool, shares 0.1, 0.2 and 0.3, 20 seeds

A session learns with the given share of random check items; after every 10 labels its estimate is held against the
truth on the rest. Writes out/certificate_display.jsonl (a line a run; runs that are there are not done again).
`benchmarks/certificate.py --docs` makes the tables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from askwise import Session
from certificate_cost import STEP, measure
from certificate_pools import TASKS, task

OUT = Path("out/certificate_display.jsonl")
SHARES = (0.1, 0.2, 0.3)
LABELS = 400
LOOKS = (100, 200, 300, 400)


@dataclass(frozen=True)
class Run:
    """One session, watched while it learns."""

    pool: str
    share: float
    """Of random check items among the questions."""
    seed: int
    too_low: int
    """Looks at which the accuracy was above the interval."""
    too_high: int
    """Looks at which less was right than was said to be proved."""
    looks: list[tuple[int, float, float, float]]
    """(labels, accuracy on the rest, proved at least, proved at most) at `LOOKS`."""


def run(name: str, share: float, seed: int) -> Run:
    """One session."""
    t = task(name)
    truth = np.array(t.truth)
    low, high, looks = 0, 0, []
    with Session(t.pool, classes=sorted(set(t.truth)), seed=seed, max_error=t.max_error, audit_share=share) as session:
        while session.counts()["labeled"] < LABELS:
            for query in session.ask(STEP):
                session.tell(query, t.truth[query.row])
            session.refresh()
            guessed, _ = session.predictions()
            if not guessed[0]:
                continue
            rest = np.ones(len(t.pool), bool)
            rest[list(session.answers())] = False
            right, shown = float(np.mean((np.array(guessed) == truth)[rest])), session.estimate()
            low, high = low + (right > shown.high + 1e-9), high + (right < shown.low - 1e-9)
            labels = session.counts()["labeled"]
            if labels in LOOKS:
                looks.append((labels, right, float(shown.low), float(shown.high)))
    return Run(name, share, seed, low, high, looks)


def tables(path: Path = OUT) -> str:
    """The tables for docs/certificate.md."""
    known = [Run(**json.loads(line)) for line in path.read_text().splitlines()]
    lines = [
        "| pool | check items | seeds | points under the truth at " + " / ".join(map(str, LOOKS)) + " labels, median "
        f"| accuracy on the rest at {LOOKS[-2]}, mean | runs ever overstated | runs ever understated |",
        "|" + "---|" * 7,
    ]
    for name in TASKS:
        for share in sorted({r.share for r in known if r.pool == name}):
            found = [r for r in known if r.pool == name and r.share == share]
            gaps = [np.median([100 * (x[1] - x[2]) for r in found for x in r.looks if x[0] == look]) for look in LOOKS]
            right = np.mean([x[1] for r in found for x in r.looks if x[0] == LOOKS[-2]])
            lines.append(
                f"| {task(name).title} | {share:.0%} | {len(found)} | " + " / ".join(f"{gap:.1f}" for gap in gaps)
                + f" | {right:.2%} | {np.mean([r.too_high > 0 for r in found]):.1%} "
                f"| {np.mean([r.too_low > 0 for r in found]):.1%} |"
            )  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--pools", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    measure(run, OUT, [(p, x, s) for p in options.pools for x in options.shares for s in range(options.seeds)], options)
    print(tables())


if __name__ == "__main__":
    main()
