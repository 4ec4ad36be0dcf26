"""The spam challenge over many seeds: labels to target by strategy, and whether the certificate is true.

    python benchmarks/spam.py                      # the demo's messages, 20 seeds
    python benchmarks/spam.py --data FILE --text text --label label --seeds 5 --encoder minilm

Writes out/spam.json and out/spam.md (the tables for docs/spam.md).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from askwise import datasets, simulation
from askwise.pool import Pool, load_pool
from askwise.session import Session

STRATEGIES = ("auto", "margin", "random")
TARGETS: tuple[simulation.Target, ...] = (
    ("balanced_accuracy", 0.9),
    ("balanced_accuracy", 0.95),
    ("accuracy", 0.9),
)
MAX_ERROR, CONFIDENCE = 0.02, 0.95


@dataclass(frozen=True)
class Job:
    """One seed of the whole job: label, certify, let the model label the rest."""

    seed: int
    items: int
    human: int
    """Labels given by the person until every item had one, checks included."""
    checks: int
    first: int | None
    """Labels given when the first certificate was issued, checks included."""
    certificates: int
    false: int
    """Certificates whose own batch holds more wrong labels than certified."""
    model: int
    wrong: int
    seconds: float

    @property
    def true(self) -> bool:
        """Every certificate of this seed is true; so is a seed that issued none."""
        return self.false == 0


def whole_job(pool: Pool, truth: list[str], seed: int, encoder: str | None) -> Job:
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    first, false, model, wrong, certificates = None, 0, 0, 0, 0
    with (
        threadpool_limits(1),
        Session(
            pool,
            classes=sorted(set(truth)),
            encoder=encoder,
            seed=seed,
            max_error=MAX_ERROR,
            confidence=CONFIDENCE,
        ) as session,
    ):
        row_of = {item: row for row, item in enumerate(pool.ids)}
        for outcome in simulation.work(session, lambda queries: [truth[q.row] for q in queries]):
            if outcome is None or outcome.status != "certified" or outcome.certificate is None:
                continue
            mistakes = sum(name != truth[row_of[item]] for item, name in outcome.labels.items())
            certificates += 1
            false += mistakes > MAX_ERROR * outcome.certificate.certified
            model, wrong = model + outcome.certificate.certified, wrong + mistakes
            first = first if first is not None else session.counts()["labeled"]
        report = session.report()
    checks = sum(int(a["checks"]) for a in report.attempts)
    seconds = time.perf_counter() - started
    return Job(seed, report.items, report.human, checks, first, certificates, false, model, wrong, seconds)


def jobs(pool: Pool, truth: list[str], seeds: int, encoder: str | None, processes: int) -> list[Job]:
    arguments = ([pool] * seeds, [truth] * seeds, range(seeds), [encoder] * seeds)
    if processes == 1:
        return list(map(whole_job, *arguments))
    with ProcessPoolExecutor(min(processes, seeds), mp_context=get_context("spawn")) as workers:
        return list(workers.map(whole_job, *arguments))


def race_lines(result: simulation.Simulation) -> list[str]:
    what = "first reached" if result.hold == 1 else f"held for {result.hold} measurements"
    header = [
        f"| target on the held-out part, {what} | " + " | ".join(STRATEGIES) + " |",
        "|---|" + "---|" * len(STRATEGIES),
    ]
    lines = []
    for target in TARGETS:
        cells = []
        for name in STRATEGIES:
            reach, saving = result.reach(name, target), result.saving(name, target)
            cell = f"**{number(reach.median, result.budget)}** ({span(reach.low, reach.high, result.budget)})"
            if saving is not None:
                sign = "≥ " if saving.at_least else ""
                cell += f", {sign}{share(saving.median)} saved, p {saving.p:.1g}"
            cells.append(cell + (f", {reach.never} of {reach.runs} never" if reach.never else ""))
        lines.append(f"| {target[1]:.0%} {target[0].replace('_', ' ')} | " + " | ".join(cells) + " |")
    return header + lines


def job_lines(found: Sequence[Job]) -> list[str]:
    n = found[0].items
    human = simulation.median_interval([j.human for j in found])
    first = simulation.median_interval([math.inf if j.first is None else j.first for j in found])
    issued, false = sum(j.certificates for j in found), sum(j.false for j in found)
    model, wrong = sum(j.model for j in found), sum(j.wrong for j in found)
    return [
        f"| certificate of ≤ {MAX_ERROR:.0%} wrong at {CONFIDENCE:.0%} | |",
        "|---|---|",
        f"| seeds in which everything certified is true | **{sum(j.true for j in found)} of {len(found)}** |",
        f"| certificates issued / false | {issued} / {false} |",
        f"| seeds without any certificate | {sum(j.certificates == 0 for j in found)} |",
        f"| labels when the first is issued, median | {number(first[0], n)} ({span(first[1], first[2], n)}) of {n:,} |",
        f"| labels until every item has one, median | **{number(human[0], n)}** ({span(human[1], human[2], n)}) |",
        f"| of these blind checks, median | {simulation.median_interval([j.checks for j in found])[0]:,.0f} |",
        f"| labels given by the model, share wrong | {model:,}, {wrong / model if model else 0:.2%} |",
        f"| seconds of computing, median | {simulation.median_interval([j.seconds for j in found])[0]:.0f} |",
    ]


def number(value: float, limit: int) -> str:
    return "–" if math.isnan(value) else f"> {limit:,}" if math.isinf(value) else f"{value:,.6g}"


def span(low: float, high: float, limit: int) -> str:
    return f"{number(low, limit)}–{number(high, limit)}"


def share(value: float) -> str:
    return "–" if math.isinf(value) else f"{value:.0%}"


def load(arguments: argparse.Namespace) -> tuple[Pool, list[str], str]:
    if arguments.data is None:
        found = datasets.spam()
        if found.note:
            raise SystemExit(f"This benchmark is about spam messages. {found.note}")
        pool = load_pool(found.texts)
        return pool, [str(found.labels[rows[0]]) for rows in pool.sources], found.source
    pool = load_pool(arguments.data, text=arguments.text, label=arguments.label)
    if len(pool.given) < len(pool):
        raise SystemExit(f"{len(pool) - len(pool.given)} items have no label; this benchmark needs them all.")
    return pool, [pool.given[row] for row in range(len(pool))], Path(arguments.data).name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--test-share", type=float, default=0.3)
    parser.add_argument("--encoder", default="tfidf")
    parser.add_argument("--data", default=None)
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=("race", "certificate"), default=None)
    parser.add_argument("--out", type=Path, default=Path("out"))
    arguments = parser.parse_args()
    pool, truth, source = load(arguments)
    body: dict[str, Any] = {"source": source, "items": len(pool), "seeds": arguments.seeds}
    lines = [f"{source}; {len(pool):,} different messages, {arguments.seeds} seeds.", ""]
    if arguments.only != "certificate":
        result = simulation.simulate(
            pool,
            truth,
            strategies=STRATEGIES,
            seeds=arguments.seeds,
            budget=arguments.budget,
            test_share=arguments.test_share,
            targets=TARGETS,
            encoder=arguments.encoder,
            processes=arguments.processes,
            progress=True,
        )
        body["race"] = simulation.to_dict(result)
        lines += [f"Encoder {result.settings['encoder']}, learner {result.settings['learner']}.", ""]
        held = replace(result, hold=3)
        body["race_held"] = simulation.to_dict(held)["targets"]
        lines += [*race_lines(result), "", *race_lines(held), ""]
    if arguments.only != "race":
        found = jobs(pool, truth, arguments.seeds, arguments.encoder, arguments.processes)
        body["jobs"] = [asdict(job) for job in found]
        lines += job_lines(found)
    print("\n".join(lines))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "spam.json").write_text(json.dumps(body, indent=1), encoding="utf-8")
    (arguments.out / "spam.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
