"""What a certificate costs: human labels until a whole pool is decided, where they go, and what an oracle would need.

    python benchmarks/certificate_cost.py                                  # every pool and arm, 20 seeds
    python benchmarks/certificate_cost.py --pools digits --arms auto oracle --seeds 50

Arms: `auto`, the job as a session does it by default; `dataset` and `file`, the same with the cheaper targets;
`random`, the same with randomly chosen questions; `alike`, the same with checks that no item is likelier to get than
another; `oracle`, which knows every error and picks the best moment and the
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
BEFORE = Path("out/certificate_cost_before.jsonl")
"""The same by an earlier version (`--before`, with the source of that version on PYTHONPATH)."""
ARMS = ("auto", "dataset", "file", "random", "oracle", "alike")
STEP = 10
"""Labels between refreshes."""
SHARES = getattr(region, "SHARES", ())


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
    learner: str = ""
    """A learner of ours by name; "" is that of a new session."""
    believed: float | None = None
    """Share of errors that was expected of the region of the first attempt, in units of the limit."""
    true: float | None = None
    """What it was."""
    weighted: int = 0
    """Attempts whose checks were drawn where the doubt is."""


def run(name: str, arm: str, seed: int, learner: str = "") -> Run:
    """One job, simulated."""
    return oracle(name, seed) if arm == "oracle" else job(name, arm, seed, learner)


def job(name: str, arm: str, seed: int, learner: str = "") -> Run:
    """The whole job as the session advises."""
    if hasattr(region, "SHARES"):  # before there were weights all were alike
        region.SHARES = () if arm == "alike" else SHARES
    t = task(name)
    truth = np.array(t.truth)
    target = arm if arm in ("dataset", "file") else "auto"
    strategy = "random" if arm == "random" else "auto"
    own = {"learner": learner} if learner else {}
    with Session(
        t.pool, classes=sorted(set(t.truth)), seed=seed, max_error=t.max_error, strategy=strategy, target=target, **own
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
        attempts = session.look(lambda s: list(s.attempts))
        names = np.array(session.look(lambda s: list(s.classes)))
        believed = true = None
        if attempts:
            one = attempts[0]
            believed = one.expected_error / t.max_error
            true = float(np.mean(names[one.guesses[one.order]] != truth[one.order])) / t.max_error
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
        learner=learner,
        believed=believed,
        true=true,
        weighted=sum(getattr(one, "levels", None) is not None for one in attempts),
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
    known = [r for r in runs(path) if not r.learner]
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


def before_and_after(path: Path = OUT, earlier: Path = BEFORE, learner: str = "linear") -> str:
    """The table that compares the planner with that of an earlier version, for docs/certificate.md."""
    old, new = ([r for r in runs(p) if r.learner == learner] if p.exists() else [] for p in (earlier, path))
    lines = [
        "| pool, limit | pairs | labels in all, before | after | paired: after − before, mean (95 %), p "
        "| first attempts that succeed, before / after | true error of the first region, in beliefs, before / after "
        "| checks, before / after | attempts by doubt | certificates, false, before / after |",
        "|" + "---|" * 10,
    ]
    for name in TASKS:
        was, now = _of(old, name, "auto"), _of(new, name, "auto")
        both = sorted({r.seed for r in was} & {r.seed for r in now})
        if len(both) < 3:
            continue
        was, now = ([r for r in found if r.seed in both] for found in (was, now))
        gap = np.array([b.human - a.human for a, b in zip(was, now, strict=True)], dtype=float)
        half = 1.96 * gap.std(ddof=1) / math.sqrt(len(gap))
        p = f"{wilcoxon(gap).pvalue:.2g}" if np.any(gap) and len(gap) > 5 else "–"
        t = task(name)
        attempts = sum(r.attempts for r in now)
        lines.append(
            f"| {t.title}, {t.max_error:.0%} | {len(both)} | {_spread([r.human for r in was])} of {len(t.pool):,} "
            f"| {_spread([r.human for r in now])} | {gap.mean():+,.0f} (± {half:,.0f}), {p} "
            f"| {_firsts(was)} / {_firsts(now)} | {_off(was)} / {_off(now)} "
            f"| {np.mean([r.checks for r in was]):,.0f} / {np.mean([r.checks for r in now]):,.0f} "
            f"| {sum(r.weighted for r in now)} of {attempts} | {_issued(was)} / {_issued(now)} |"
        )
    return "\n".join(lines)


def _firsts(found: Sequence[Run]) -> str:
    tried = [r.first for r in found if r.attempts]
    return f"{sum(tried)} of {len(tried)}"


def _off(found: Sequence[Run]) -> str:
    ratios = [(r.true + 0.01) / (r.believed + 0.01) for r in found if r.true is not None and r.believed is not None]
    return f"{np.median(ratios):.1f}" if ratios else "–"


def _issued(found: Sequence[Run]) -> str:
    return f"{sum(r.issued for r in found)}, {sum(r.false for r in found)}"


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
    parser.add_argument("--learner", default="", help="one of ours by name; without, that of a new session")
    parser.add_argument("--before", action="store_true", help="note the runs as those of an earlier version")
    options = parser.parse_args(arguments)
    more = (options.learner,) if options.learner else ()
    jobs = [(p, a, s, *more) for s in range(options.seeds) for p in options.pools for a in options.arms]
    measure(run, BEFORE if options.before else OUT, jobs, options)
    print(before_and_after() if options.learner else tables())


def measure(what: Any, out: Path, jobs: Sequence[tuple[str, Any, int]], options: argparse.Namespace) -> None:
    """Run what is not in the file yet, and add it there, a line a run."""
    from rich.progress import track

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    out.parent.mkdir(exist_ok=True)
    lines = out.read_text().splitlines() if out.exists() else []
    done = {
        (
            r["pool"],
            r.get("arm", r.get("share", r.get("limit"))),
            r["seed"],
            *([r["learner"]] if r.get("learner") else ()),
        )
        for r in map(json.loads, lines)
    }
    left = [job for job in jobs if job not in done]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as workers, out.open("a") as stream:
        found = workers.map(what, *zip(*left, strict=True)) if left else iter(())
        for one in track(found, total=len(left), description=out.stem):
            stream.write(json.dumps(asdict(one)) + "\n")
            stream.flush()


if __name__ == "__main__":
    main()
