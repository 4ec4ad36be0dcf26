"""What a certificate costs: human labels until a whole pool is decided, where they go, and what an oracle would need.

    python benchmarks/certificate_cost.py                                  # every pool and arm, 20 seeds
    python benchmarks/certificate_cost.py --pools digits --arms auto oracle --seeds 50

Arms: `auto`, the job as a session does it by default; `dataset` and `file`, the same with the cheaper targets;
`random`, the same with randomly chosen questions; `oracle`, which knows every error and picks the best moment and the
best region for one attempt, people labeling the rest. Writes out/certificate_cost.jsonl (a line a run; runs that are
there are not done again). `benchmarks/certificate.py --docs` makes the tables.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from askwise import Session, audit, simulation
from askwise.audit import region
from askwise.core import Array, AutoLabels
from certificate_pools import TASKS, task

OUT = Path("out/certificate_cost.jsonl")
ARMS = ("auto", "dataset", "file", "random", "oracle")
STEP = 10
"""Labels between refreshes."""


@dataclass(frozen=True)
class Run:
    """One pool from the first question to the last decision."""

    pool: str
    arm: str
    seed: int
    items: int
    human: float
    """Labels given by people in all."""
    before: int
    """… of these before the first attempt."""
    checks: float
    """… in attempts; what is neither was labeled between and after them."""
    attempts: int
    first: bool
    """Whether the first attempt succeeded."""
    issued: int
    false: int
    """Certificates that promised too much."""
    auto: float
    """Labels given by the model."""
    wrong: int
    """… that are wrong."""


def run(name: str, arm: str, seed: int) -> Run:
    """One job, simulated."""
    return oracle(name, seed) if arm == "oracle" else job(name, arm, seed)


def job(name: str, arm: str, seed: int) -> Run:
    """The whole job as the session advises."""
    t = task(name)
    truth = np.array(t.truth)
    target = arm if arm in ("dataset", "file") else "auto"
    strategy = "random" if arm == "random" else "auto"
    with Session(
        t.pool, classes=sorted(set(t.truth)), seed=seed, max_error=t.max_error, strategy=strategy, target=target
    ) as session:
        row_of = {item: row for row, item in enumerate(t.pool.ids)}
        ends: list[AutoLabels] = []
        before, false, wrong = None, 0, 0
        work = simulation.work(session, lambda asked: [t.truth[q.row] for q in asked], step=STEP)
        for outcome in work:
            if outcome is None:
                continue
            ends.append(outcome)
            if before is None:
                before = session.counts()["labeled"] - outcome.checks_done
            if outcome.certificate is not None:
                mistakes = sum(label != truth[row_of[item]] for item, label in outcome.labels.items())
                wrong += mistakes
                of, counted = outcome.certificate.certified, mistakes
                if target == "dataset":
                    of = outcome.certificate.region
                elif target == "file":  # all labels by the model so far, of all items
                    of, counted = len(t.pool), wrong
                false += counted > t.max_error * of + 1e-9
        counts = session.counts()
    human = counts["labeled"]
    return Run(
        pool=name,
        arm=arm,
        seed=seed,
        items=len(t.pool),
        human=human,
        before=human if before is None else before,
        checks=sum(end.checks_done for end in ends),
        attempts=len(ends),
        first=bool(ends) and ends[0].status == "certified",
        issued=sum(end.status == "certified" for end in ends),
        false=false,
        auto=len(t.pool) - human,
        wrong=wrong,
    )


def oracle(name: str, seed: int) -> Run:
    """The least expected labels over all moments and regions for one attempt whose errors are known."""
    t = task(name)
    truth = np.array(t.truth)
    alpha = 0.05 * audit.SPEND[0]
    best: tuple[float, int, float, float] = (math.inf, 0, 0.0, 0.0)
    with Session(t.pool, classes=sorted(set(t.truth)), seed=seed, max_error=t.max_error) as session:
        while (labels := session.counts()["labeled"]) < min(t.most, best[0]):
            for query in session.ask(STEP):
                session.tell(query, t.truth[query.row])
            session.refresh()
            guessed, sure = session.predictions()
            rest = np.ones(len(t.pool), bool)
            rest[list(session.answers())] = False
            if not guessed[0]:
                continue
            labels = session.counts()["labeled"]
            cost, checks, size = _cheapest(sure[rest], (np.array(guessed) != truth)[rest], t.max_error, alpha)
            best = min(best, (labels + cost, labels, checks, size))
    human, before, checks, size = best
    return Run(name, "oracle", seed, len(t.pool), human, before, checks, 1, True, 1, 0, size - checks, 0)


def _cheapest(sure: Array, wrong: Array, max_error: float, alpha: float) -> tuple[float, float, float]:
    """(human labels to finish, checks, size) of the best region when every error is known."""
    order = np.argsort(-sure, kind="stable")
    errors, n = np.cumsum(wrong[order]), len(order)
    found = [(float(n), 0.0, 0.0)]
    for part in np.linspace(0.3, 1, 36):
        size = round(part * n)
        if size < region.SMALLEST:
            continue
        rate = np.array([errors[size - 1] / size])
        (checks,), (passes,) = region._interpolated_cost(size, rate, max_error, alpha, "auto")
        found.append((float(checks + passes * (n - size) + (1 - passes) * n), float(checks), float(size)))
    return min(found)


# ── tables ──────────────────────────────────────────────────────────────────────────────────


def runs(path: Path = OUT) -> list[Run]:
    """What has been measured."""
    return [Run(**json.loads(line)) for line in path.read_text().splitlines()]


def tables(path: Path = OUT) -> str:
    """The tables for docs/certificate.md."""
    known = runs(path)
    lines = [
        "| pool, limit | seeds | human labels in all: median (10 % to 90 % of runs) | before any attempt | checks "
        "| between and after | first attempts that succeed | certificates, false | oracle | aim |",
        "|" + "---|" * 10,
    ]
    pools = [name for name in TASKS if any(r.pool == name for r in known)]
    for name in pools:
        found = _of(known, name, "auto")
        best = _of(known, name, "oracle")
        rest = [r.human - r.before - r.checks for r in found]
        t = task(name)
        lines.append(
            f"| {t.title}, {t.max_error:.0%} | {len(found)} | {_spread([r.human for r in found])} of {len(t.pool):,} "
            f"| {_middle([r.before for r in found])} | {_middle([r.checks for r in found])} | {_middle(rest)} "
            f"| {np.mean([r.first for r in found if r.attempts]):.0%} "
            f"| {sum(r.issued for r in found)}, {sum(r.false for r in found)} "
            f"| {_middle([r.human for r in best]) if best else '–'} | {f'{t.aim:,}' if t.aim else '–'} |"
        )
    lines += [
        "",
        "| pool | default | target `dataset` | target `file` | random questions, same certificate "
        "| paired: default − random (p) |",
        "|---|---|---|---|---|---|",
    ]
    for name in pools:
        cells = [_spread([r.human for r in _of(known, name, arm)]) for arm in ("auto", "dataset", "file", "random")]
        lines.append(f"| {task(name).title} | {' | '.join(cells)} | {_paired(known, name)} |")
    return "\n".join(lines)


def _of(known: Sequence[Run], pool: str, arm: str) -> list[Run]:
    return sorted((r for r in known if r.pool == pool and r.arm == arm), key=lambda r: r.seed)


def _middle(values: Sequence[float]) -> str:
    return f"{np.median(values):,.0f}" if values else "–"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"**{np.median(values):,.0f}** ({np.quantile(values, 0.1):,.0f} to {np.quantile(values, 0.9):,.0f})"


def _paired(known: Sequence[Run], pool: str) -> str:
    ours, theirs = ({r.seed: r.human for r in _of(known, pool, arm)} for arm in ("auto", "random"))
    both = sorted(ours.keys() & theirs.keys())
    if len(both) < 6:
        return "–"
    difference = np.array([ours[s] - theirs[s] for s in both])
    return f"{np.median(difference):+,.0f} ({wilcoxon(difference).pvalue:.1g}, {len(both)} pairs)"


# ── the command ─────────────────────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--pools", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    measure(run, OUT, [(p, a, s) for p in options.pools for a in options.arms for s in range(options.seeds)], options)
    print(tables())


def measure(what: Any, out: Path, jobs: Sequence[tuple[str, Any, int]], options: argparse.Namespace) -> None:
    """Run what is not in the file yet, and add it there, a line a run."""
    from rich.progress import track

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    out.parent.mkdir(exist_ok=True)
    lines = out.read_text().splitlines() if out.exists() else []
    done = {(r["pool"], r.get("arm", r.get("share", r.get("limit"))), r["seed"]) for r in map(json.loads, lines)}
    left = [job for job in jobs if job not in done]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as workers, out.open("a") as stream:
        found = workers.map(what, *zip(*left, strict=True)) if left else iter(())
        for one in track(found, total=len(left), description=out.stem):
            stream.write(json.dumps(asdict(one)) + "\n")
            stream.flush()


if __name__ == "__main__":
    main()
