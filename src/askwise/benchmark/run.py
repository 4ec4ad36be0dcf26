"""Runs a benchmark: every run in parallel, each noted as it ends, so that a kill loses those under way alone."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askwise import encoders, learners, plugins, strategies
from askwise.benchmark import practitioner
from askwise.benchmark.data import Loaded, load, told_of
from askwise.benchmark.results import (
    PRACTITIONER,
    RANDOM,
    Benchmark,
    Record,
    by_key,
    from_plain,
    open_results,
    parquet,
    plain,
    save,
)
from askwise.benchmark.spec import Spec
from askwise.core import BadInput, Label
from askwise.export import whole
from askwise.notices import progress, say
from askwise.options import option
from askwise.session import Session
from askwise.simulation import (
    METRICS,
    Split,
    contents_of,
    parallel,
    play_back,
    replay,
    run_of,
    schedule,
    score,
    split,
)
from askwise.simulation.loop import Point
from askwise.sources import learner_of

VERSION = 1
"""Goes up when the same settings give other figures, so that what was kept is not taken for them."""


@dataclass(frozen=True)
class Job:
    """One run, but for the items."""

    key: str
    data: str
    learner: str
    strategy: Any
    seed: int
    grid: tuple[int, ...]
    families: tuple[str, ...] = ()
    """Of the practitioner; empty for a session."""


@dataclass(frozen=True)
class Work:
    """A job with all it needs; travels to a worker process."""

    job: Job
    source: str
    """What the division depends on, with the seed: two jobs of one source and seed divide alike."""
    contents: Any
    labels: list[Label]
    classes: list[Label]
    test_share: float
    encoder: Any
    ours: str
    """The learner of ours for such items."""
    learner: Any
    audit_share: float | None
    scaled: bool
    asked: tuple[int, ...] | None = None
    """Play back these questions instead of asking."""


@dataclass(frozen=True, eq=False)
class _Plan:
    """All jobs, and what turns one into work."""

    spec: Spec
    sets: Mapping[str, Loaded]
    jobs: tuple[Job, ...]
    learners: Mapping[str, Any]

    def described(self, name: str, found: Loaded) -> str:
        """What a learner is on a set."""
        given = self.learners[name]
        if given is None:
            return learners.describe(learners.named(found.pool.item_kind.learner))
        return learners.describe(learners.adapt(copy.deepcopy(given)))

    def parts(self, data: str, learner: str) -> tuple[Any, Any, str]:
        """(encoder, learner, its name where it begins with raw items and so has features of its own)."""
        found, given = self.sets[data], self.learners.get(learner)
        encoder, model = encoders.divided(plugins.source_of(found.encoder)[0], given, found.pool.kind)
        return encoder, model, "" if model is given else learner

    @functools.lru_cache(maxsize=4)  # noqa: B019 - a plan lives as long as its benchmark
    def _contents(self, data: str, own: str) -> tuple[Any, Any]:
        """(contents, encoder to fit) of a set."""
        found = self.sets[data]
        return contents_of(found.pool, found.rows.tolist(), self.parts(data, own)[0])

    def work(self, job: Job, asked: tuple[int, ...] | None = None) -> Work:
        """A job with its items."""
        found = self.sets[job.data]
        _, model, own = self.parts(job.data, job.learner)
        contents, encoder = self._contents(job.data, own)
        return Work(
            job, f"{found.digest} {found.encoder} {own}", contents, found.labels, found.classes, self.spec.test_share,
            encoder, found.pool.item_kind.learner, model, self.spec.audit_share, found.scaled, asked,
        )  # fmt: skip


def benchmark(
    spec: Spec,
    out: Path | str,
    *,
    quick: bool = False,
    fresh: bool = False,
    processes: int | None = None,
) -> Benchmark:
    """Run what a benchmark asks for, and write it to one Parquet file.

    Each run is noted beside the file as it ends (`OUT.runs`, a small file each). Called again, after a kill or with a
    longer list of sets, learners or seeds, only what is missing runs: a run is known by its items, labels and settings.

    Args:
        spec: From `read`.
        out: The Parquet file.
        quick: Three seeds and fifty labels.
        fresh: Run everything again, whatever is there: after a change to code, which nothing else tells.
        processes: Worker processes; None = one a core.

    Raises:
        BadInput: A set cannot be read, a name is not known, or the file holds runs that this benchmark would drop.
        MissingExtra: pyarrow, or what an encoder needs, is not installed.
    """
    out = Path(out)
    parquet()
    plan = _plan(spec.quick() if quick else spec)
    journal = out.with_name(out.name + ".runs")
    wanted = {job.key for job in plan.jobs}
    done = {} if fresh else _known(out, journal, wanted)
    if fresh:  # what lies there as well: after a kill nobody could tell it from the new
        shutil.rmtree(journal, ignore_errors=True)
        out.unlink(missing_ok=True)
    left = [job for job in plan.jobs if job.key not in done]
    for found in plan.sets.values():
        _warn(found)
    if done:
        say(f"{len(done):,} of {len(plan.jobs):,} runs are there already; {len(left):,} to go.")
    if left:
        try:
            journal.mkdir(exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"Cannot make the folder {str(journal)!r}: {error.strerror}. Choose another file."
            ) from error
        workers = min(processes or os.cpu_count() or 1, len(left))
        with progress("benchmark", len(left), whole=True) as advance:
            for records in parallel(carry_out, _Lazy(plan, left), workers):
                with whole(journal / f"{records[0].key}.json") as file:
                    file.write(json.dumps([plain(record) for record in records]))
                done[records[0].key] = records
                advance(1)
    result = _result(plan, quick, done, out)
    save(result, out)
    shutil.rmtree(journal, ignore_errors=True)  # all of it lies in the file now
    return result


class _Lazy(Sequence[Work]):
    """Jobs that get their items when they are looked at."""

    def __init__(self, plan: _Plan, jobs: Sequence[Job]) -> None:
        self.plan, self.jobs = plan, jobs

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, place: Any) -> Any:
        return self.plan.work(self.jobs[place])


def _result(plan: _Plan, quick: bool, done: Mapping[str, list[Record]], out: Path) -> Benchmark:
    sets = {}
    for name, found in plan.sets.items():
        features = found.pool.item_kind.features
        encoder = (
            "given features" if features else encoders.get(plugins.source_of(found.encoder)[0], found.pool.kind).name
        )
        sets[name] = told_of(found, encoder)
    some = next(iter(plan.sets.values()))
    told = {name: "default" if plan.learners[name] is None else plan.described(name, some) for name in plan.learners}
    records = tuple(record for job in plan.jobs for record in done[job.key])
    return Benchmark(plan.spec, quick, records, sets, told, out)


def _warn(found: Loaded) -> None:
    stand = "1 item is" if found.contradicting == 1 else f"{found.contradicting:,} items are"
    if found.contradicting and found.duplicates == "merge":
        say(
            f"{found.name}: {stand} in the data with different labels, and left out. "
            'Published tables keep such rows; so does duplicates = "keep".'
        )
    elif found.contradicting:
        say(f"{found.name}: {stand} in the data with different labels, and kept.")


def _plan(spec: Spec) -> _Plan:
    chosen = [_strategy(name) for name in spec.strategies]
    given = {name: _learner(what) for name, what in spec.learners.items()}
    sets = {entry.name: load(entry, spec) for entry in spec.data}
    plan = _Plan(spec, sets, (), given)
    jobs = []
    for found in sets.values():
        for name in given:
            plan.parts(found.name, name)  # what does not go together is refused before the first run
        points = tuple(sorted({n for n in (*spec.points, *spec.cells) if n < found.budget} | {found.budget}))
        grid = tuple(sorted({*schedule(found.budget, spec.batch), *points}))
        same = [VERSION, found.digest, spec.test_share, _version(found)]
        for seed in spec.seeds:
            for name in given:
                for strategy in chosen:
                    what = [*same, plan.described(name, found), strategy.name, seed, grid, spec.audit_share]
                    jobs.append(Job(_key(found.name, name, *what), found.name, name, strategy.name, seed, grid))
            if found.practitioner:
                what = [*same, found.practitioner, seed, points]
                key = _key(found.name, PRACTITIONER, *what)
                jobs.append(Job(key, found.name, PRACTITIONER, RANDOM, seed, points, found.practitioner))
    # Code by module:object is no name that a worker could look up.
    by_name = {s.name: s for s in chosen}
    known = strategies.available()
    jobs = [job if job.strategy in known else Job(**{**vars(job), "strategy": by_name[job.strategy]}) for job in jobs]
    return _Plan(spec, sets, tuple(jobs), given)


def _version(found: Loaded) -> str:
    if found.pool.item_kind.features:
        return ""
    encoder = encoders.get(plugins.source_of(found.encoder)[0], found.pool.kind)
    return f"{encoder.name} {getattr(encoder, 'version', '')}"


def _key(*what: Any) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def _strategy(name: str) -> strategies.Strategy:
    given = plugins.code("strategy", name).part if plugins.is_code(name) else name
    found = strategies.get(given)
    if found.task not in ("classification", ""):
        raise BadInput(f"The strategy {name!r} is for {found.task}; a benchmark is of classes. Name another.")
    return found


def _learner(name: str) -> Any:
    """None for the default of the items."""
    if name == "default":
        return None
    given = plugins.code("learner", name) if plugins.is_code(name) else learner_of(name)
    return plugins.source_of(given)[0]


def _known(out: Path, journal: Path, wanted: set[str]) -> dict[str, list[Record]]:
    """Key → records that are there already, of those that are wanted."""
    found: dict[str, list[Record]] = {}
    if out.exists():
        there = by_key(open_results(out).records)
        extra = there.keys() - wanted
        if extra:
            raise BadInput(
                f"{str(out)!r} holds {len(extra):,} runs that this benchmark does not ask for, and would lose them. "
                f"Choose another file with {option('out')}, or drop them with {option('fresh', True)}."
            )
        found |= there
    for path in sorted(journal.glob("*.json")) if journal.is_dir() else []:
        if path.stem in wanted:
            found[path.stem] = [from_plain(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    return found


# ── one run ─────────────────────────────────────────────────────────────────────────────────


_last: tuple[Any, Split] | None = None
"""The division of the last run in this process: the next is often of the same, and encoding texts takes long."""


def _divided(work: Work) -> Split:
    global _last
    which = (work.source, work.job.seed, work.test_share)
    if _last is None or _last[0] != which:
        parts = split(
            work.contents, work.labels, work.classes, seed=work.job.seed, test_share=work.test_share,
            encoder=work.encoder, learner=work.ours,
        )  # fmt: skip
        _last = (which, parts)
    return _last[1]


def carry_out(work: Work) -> list[Record]:
    """The records of one job."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # comes with scikit-learn

    with threadpool_limits(1):  # runs are parallel already
        parts, job = _divided(work), work.job
        if job.families:
            return _practitioner(work, parts)
        if work.asked is None:
            points = list(
                replay(
                    parts, job.strategy, seed=job.seed, grid=job.grid, audit_share=work.audit_share,
                    learner=work.learner,
                )
            )  # fmt: skip
        else:
            points = list(play_back(parts, work.asked, grid=job.grid, seed=job.seed, learner=work.learner))
    name = job.strategy if isinstance(job.strategy, str) else job.strategy.name
    return [Record(job.key, job.data, job.learner, run_of(name, job.seed, points))]


def _practitioner(work: Work, parts: Split) -> list[Record]:
    """His curve, and that of each of his classifiers."""
    job, most = work.job, max(work.job.grid)
    if work.asked is None:
        # The very rows that random questions ask for with this seed, so that both learn from the same sample.
        with Session(parts.pool, classes=parts.classes, strategy=RANDOM, seed=job.seed, audit_share=0.0) as session:
            sample = np.array([query.row for query in session.ask(most)], np.intp)
    else:
        places = {sources[0]: row for row, sources in enumerate(parts.pool.sources)}
        sample = np.array([places[item] for item in work.asked], np.intp)
    numbers = {name: i for i, name in enumerate(parts.classes)}
    y = np.array([numbers[parts.answers[row]] for row in sample], np.intp)
    X: Any = parts.pool.features
    points: dict[str, list[Point]] = {name: [] for name in ("", *job.families)}
    chosen, before = [], 0
    for n in job.grid:
        began = time.perf_counter()
        choice = practitioner.choose(
            X[sample[:n]], y[:n], parts.X_test, families=job.families, seed=job.seed, scaled=work.scaled
        )
        seconds = time.perf_counter() - began
        chosen.append(choice.family)
        asked = tuple(parts.pool.sources[row][0] for row in sample[before:n])
        before = n
        for name in points:
            guesses = choice.guesses[name or choice.family]
            scores = score(parts.y_test, guesses, len(parts.classes), every=True)
            points[name].append(Point(n, scores, 0.0 if name else seconds, asked))
    return [
        Record(
            job.key, job.data, f"{PRACTITIONER}: {name}" if name else PRACTITIONER, run_of(RANDOM, job.seed, found),
            () if name else tuple(chosen),
        )
        for name, found in points.items()
    ]  # fmt: skip


# ── played back ─────────────────────────────────────────────────────────────────────────────


def check(spec: Spec, path: Path | str, *, processes: int | None = None) -> list[str]:
    """Recompute the curve of every run of a results file from its queries.

    Args:
        spec: The benchmark that the file came from; code that it names is run, none that the file names.
        path: The Parquet file.
        processes: As in `benchmark`.

    Returns:
        A sentence for each run whose curve is another, or that the benchmark does not ask for; none = all equal.

    Raises:
        BadInput: As `open_results` and `benchmark`.
    """
    kept = open_results(path)
    plan = _plan(spec.quick() if kept.quick else spec)
    jobs = {job.key: job for job in plan.jobs}
    stored = by_key(kept.records)
    said = [
        f"{_told(records[0])} is of other items or settings than this benchmark's."
        for key, records in stored.items()
        if key not in jobs
    ]
    known = [key for key in stored if key in jobs]
    works = [plan.work(jobs[key], asked=stored[key][0].run.asked) for key in known]
    with progress("playing back", len(known), whole=True) as advance:
        for records in parallel(carry_out, works, min(processes or os.cpu_count() or 1, max(len(works), 1))):
            said += _compared(stored[records[0].key], records)
            advance(1)
    return said


def _compared(before: Sequence[Record], now: Sequence[Record]) -> list[str]:
    again = {record.learner: record for record in now}
    said = []
    for record in before:
        other = again.get(record.learner)
        if other is None or _points(record) != _points(other):
            said.append(f"{_told(record)} has other points than its queries give.")
            continue
        mine, theirs = record.run, other.run
        gap = max(
            abs(a - b) for metric in METRICS for a, b in zip(mine.scores[metric], theirs.scores[metric], strict=True)
        )
        if gap > 0:
            said.append(f"{_told(record)} differs by up to {gap:.2g} from what its queries give.")
    return said


def _points(record: Record) -> tuple[Any, ...]:
    return record.run.labels, record.run.asked, record.chosen


def _told(record: Record) -> str:
    return f"{record.data}, {record.learner}, {record.run.strategy}, seed {record.run.seed}"
