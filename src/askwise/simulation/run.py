"""Strategies × seeds, each with its own held-out part, in parallel processes."""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, get_context, parent_process
from typing import Any, Literal, TypeVar, cast

import numpy as np

from askwise import encoders, learners, plugins, strategies
from askwise.core import AskwiseError, BadInput, Label, Rows, seed_of, unknown
from askwise.options import named, only_python, option
from askwise.pool import Pool
from askwise.simulation.loop import Point, Split, contents_of, divide, replay, schedule, split
from askwise.simulation.results import Run, Simulation
from askwise.simulation.terms import METRICS, Target
from askwise.sources import learner_of
from askwise.strategies import Strategy
from askwise.values import Spelling, label_name, why_no_label

T = TypeVar("T")
R = TypeVar("R")

TARGETS: tuple[Target, ...] = (("balanced_accuracy", 0.9), ("accuracy", 0.9))
AHEAD = 2
"""So many pieces of work wait or run for each worker before another division is made."""


def simulate(
    pool: Pool,
    truth: Mapping[int, Label] | Sequence[Label],
    *,
    strategies: Sequence[str | Strategy] = ("auto", "margin", "random"),
    seeds: int | Sequence[int] = 20,
    budget: int = 300,
    test_share: float = 0.3,
    batch: int | Literal["auto"] = "auto",
    targets: Sequence[Target] = TARGETS,
    encoder: Any = None,
    learner: Any = None,
    audit_share: float | None = None,
    hold: int = 1,
    processes: int | None = None,
    progress: bool | Callable[[Run], None] = False,
) -> Simulation:
    """Replay known labels: strategies × seeds, each on its own held-out part.

    Every seed divides the items anew (the same division for each strategy), answers the questions of a real
    `Session` from the known labels, and measures on the held-out part after each refresh. Every class with two items
    or more has one in both parts, if these are large enough; `settings["untested"]` and `settings["unlearned"]` name
    those that have none in some divisions, and a class that is not tested counts as 0 in balanced accuracy and macro
    F1: a model that never met it must not look good. An encoder that learns
    from texts (TF-IDF) is fitted on the pool's part alone, once for all strategies; any other encodes everything once.

    Args:
        pool: The items; exact duplicates are one item, so none is in both parts.
        truth: Row → label (rows without one are left out), or a label for each row.
        strategies: Names of query strategies, or such. With more processes than one, functions of modules can go there.
        seeds: How many, or which.
        budget: Labels in each run; at most the size of the pool's part.
        test_share: Share held out, 0 < share < 1.
        batch: Labels between refreshes, see `schedule`.
        targets: What to count labels to: metric (accuracy, balanced_accuracy, macro_f1) and value in 0..1.
        encoder: For texts; None = the default.
        learner: None = the default of such items; else a scikit-learn classifier, or the name of one of ours
            (`learners.NAMES`) or of a plug-in's.
        audit_share: Share of random check items; None = the default for "auto", none for other strategies.
        hold: Measurements in a row for which a target must be met to count as reached; 1 = the first crossing.
        processes: Worker processes; None = one a core. With more than one, the calling script needs the usual
            `if __name__ == "__main__":`. 1 runs here.
        progress: True = a progress bar; a function = called with each `Run` as it ends.

    Raises:
        BadInput: Fewer than two classes, too few items, or an option out of range.
        MissingExtra: The encoder needs something that is not installed.
    """
    chosen = _check(strategies, budget, batch, test_share, targets)
    rows, labels, classes = labeled(pool, truth)
    which = _seeds(seeds)
    if hold < 1:
        raise BadInput(f"{named('hold')} must be at least 1 measurement, got {hold}.")
    if not which:
        raise BadInput(f"{named('seeds')} must be at least 1, got 0.")
    budget = min(budget, len(rows) - max(1, round(test_share * len(rows))))
    (learner, _), (encoder, _) = plugins.source_of(learner_of(learner)), plugins.source_of(encoder)
    encoder, learner = encoders.divided(encoder, learner, pool.kind)
    learner = learners.named(pool.item_kind.learner) if learner is None else learners.adapt(copy.deepcopy(learner))
    contents, fitted = contents_of(pool, rows.tolist(), encoder)
    grid = schedule(budget, batch)
    division = partial(_division, contents, labels, classes, test_share, fitted)
    plan = [_Task(strategy, seed, grid, audit_share, learner) for seed in which for strategy in chosen]
    workers = min(processes or os.cpu_count() or 1, len(plan))
    runs = list(_observed(_run_all(division, plan, workers), len(plan), progress))
    place = {_name(strategy): i for i, strategy in enumerate(chosen)}
    return Simulation(
        runs=tuple(sorted(runs, key=lambda run: (run.seed, place[run.strategy]))),
        targets=tuple(targets),
        budget=budget,
        hold=hold,
        settings={
            "items": len(rows),
            "classes": len(classes),
            "contradicting": len(pool.contradicting),
            **_lacking(labels, classes, which, test_share),
            "held_out": max(1, round(test_share * len(rows))),
            "seeds": which,
            "batch": batch,
            "audit_share": "10 % for auto, none otherwise" if audit_share is None else audit_share,
            "encoder": "given features" if pool.item_kind.features else encoders.get(encoder, pool.kind).name,
            "encoded": "pool part only" if fitted is not None else "all items at once",
            "learner": learners.describe(learner),
        },
    )


def _seeds(seeds: Any) -> list[int]:
    try:
        which = list(range(seeds)) if isinstance(seeds, int | np.integer) else [seed_of(seed) for seed in seeds]
    except TypeError:
        raise BadInput(f"seeds must be how many, or a list of whole numbers, got {seeds!r}.") from None
    if any(seed < 0 for seed in which):
        raise BadInput(f"seeds must be 0 or more, got {min(which)}.")
    return which


def _lacking(labels: list[Label], classes: list[Label], which: list[int], test_share: float) -> dict[str, Any]:
    """In how many of the divisions a class has no item to be tested on, or none to learn from."""
    found: dict[str, dict[str, int]] = {"untested": {}, "unlearned": {}}
    for seed in which:
        for name, part in zip(found, divide(labels, seed=seed, test_share=test_share), strict=True):
            for lacking in sorted(set(classes) - {labels[row] for row in part.tolist()}):
                found[name][lacking] = found[name].get(lacking, 0) + 1
    return found


@dataclass(frozen=True)
class _Task:
    """What one run needs beside its division; travels to a worker process."""

    strategy: str | Strategy
    seed: int
    grid: list[int]
    audit_share: float | None
    learner: Any


def _division(
    contents: Any, labels: list[Label], classes: list[Label], test_share: float, encoder: Any, seed: int
) -> Split:
    """The division of a seed, encoded: once for all strategies."""
    # Runs are parallel already; more threads in each would only fight for the cores.
    with _one_thread():
        return split(contents, labels, classes, seed=seed, test_share=test_share, encoder=encoder)


def _run(division: Split, task: _Task) -> Run:
    with _one_thread():
        points = list(
            replay(
                division,
                task.strategy,
                seed=task.seed,
                grid=task.grid,
                audit_share=task.audit_share,
                learner=task.learner,
            )
        )
    return run_of(_name(task.strategy), task.seed, points)


def run_of(strategy: str, seed: int, points: Sequence[Point]) -> Run:
    """The points of a replay as a run."""
    return Run(
        strategy=strategy,
        seed=seed,
        labels=tuple(p.labels for p in points),
        scores={metric: tuple(p.scores[metric] for p in points) for metric in METRICS},
        seconds=sum(p.seconds for p in points),
        asked=tuple(item for p in points for item in p.asked),
        times=tuple(p.seconds for p in points),
    )


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # comes with scikit-learn

    return threadpool_limits(1)


def parallel(function: Callable[[T], R], tasks: Sequence[T], workers: int) -> Iterator[R]:
    """What a function makes of tasks, in the order in which they end, in processes of their own.

    Args:
        function: One of a module.
        tasks: What it is called with.
        workers: Processes; 1 = all here.

    Raises:
        AskwiseError: A process was ended from outside.
    """
    if workers <= 1:
        yield from map(function, tasks)
        return
    with _processes(workers) as pool:
        for future in as_completed([pool.submit(function, task) for task in tasks]):
            yield future.result()


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise AskwiseError(
                "A worker process ended before its run did; perhaps memory ran out. Give "
                f"{option('processes', 1)}"
                + only_python(', or in a script call simulate() below `if __name__ == "__main__":`')
                + "."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run_all(division: Callable[[int], Split], plan: Sequence[_Task], workers: int) -> Iterator[Run]:
    by_seed: dict[int, list[_Task]] = {}
    for task in plan:
        by_seed.setdefault(task.seed, []).append(task)
    if workers <= 1:
        for seed, tasks in by_seed.items():
            divided = division(seed)
            yield from (_run(divided, task) for task in tasks)
        return
    with _processes(workers) as pool:
        yield from _spread(pool, division, by_seed, workers)


def _spread(
    pool: ProcessPoolExecutor, division: Callable[[int], Split], by_seed: Mapping[int, list[_Task]], workers: int
) -> Iterator[Run]:
    """The runs of all seeds, as they end. A division is made only when the runs of those before leave workers idle,
    so that few of them are in memory at a time.
    """
    waiting = list(by_seed)[::-1]
    divisions: dict[Future[Split], int] = {}
    runs: set[Future[Run]] = set()
    while waiting or divisions or runs:
        while waiting and len(divisions) + len(runs) < AHEAD * workers:
            seed = waiting.pop()
            divisions[pool.submit(division, seed)] = seed
        working: list[Future[Any]] = [*divisions, *runs]
        done, _ = wait(working, return_when=FIRST_COMPLETED)
        for future in done:
            if future in divisions:
                made = cast("Future[Split]", future)
                runs |= {pool.submit(_run, made.result(), task) for task in by_seed[divisions.pop(made)]}
            else:
                ended = cast("Future[Run]", future)
                runs.remove(ended)
                yield ended.result()


def _end_with_parent() -> None:
    """Let a worker process end when the one that began it is gone: killed, it could not tell its workers to."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, name="askwise-parent", daemon=True).start()


def _observed(runs: Iterable[Run], total: int, progress: bool | Callable[[Run], None]) -> Iterator[Run]:
    if callable(progress):
        for run in runs:
            progress(run)
            yield run
    elif progress:
        from rich.progress import track

        yield from track(runs, "Replaying", total=total, transient=True)
    else:
        yield from runs


def _check(
    names: Sequence[str | Strategy],
    budget: int,
    batch: int | Literal["auto"],
    test_share: float,
    targets: Sequence[Target],
) -> list[str | Strategy]:
    """The strategies, those that are known by their names."""
    if not names:
        raise BadInput("No strategy given. Name at least one, such as 'auto'.")
    if budget < 2:
        raise BadInput(f"{named('budget')} must be at least 2 labels, got {budget}.")
    if batch != "auto" and batch < 1:
        raise BadInput(f"{named('batch')} must be 'auto' or at least 1, got {batch}.")
    if not 0 < test_share < 1:
        raise BadInput(f"{named('test_share')} must lie between 0 and 1, got {test_share}.")
    for metric, value in targets:
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
        if not 0 < value <= 1:
            raise BadInput(f"A target lies between 0 and 1, got {value} for {metric}.")
    # An alias counts as its strategy, so that nothing runs twice under two names.
    chosen = {found.name: found for found in map(strategies.get, names)}
    known = strategies.available()
    return [name if name in known and strategies.get(name) is found else found for name, found in chosen.items()]


def _name(strategy: str | Strategy) -> str:
    return strategy if isinstance(strategy, str) else strategy.name


def labeled(pool: Pool, truth: Mapping[int, Label] | Sequence[Label]) -> tuple[Rows, list[Label], list[Label]]:
    """(rows that have a label, their labels, the classes), rows ascending and classes sorted.

    Args:
        pool: The items.
        truth: As in `simulate`.

    Raises:
        BadInput: Fewer than two classes, fewer than 10 labels, a row that is none, a label that is none.
    """
    known = dict(truth) if isinstance(truth, Mapping) else dict(enumerate(truth))
    strange = [row for row in known if not 0 <= row < len(pool)]
    if strange:
        raise BadInput(f"truth names row {strange[0]}, but the pool has {len(pool):,} items (0 to {len(pool) - 1:,}).")
    named = {row: label_name(label) for row, label in known.items()}
    refused = next((row for row, name in named.items() if name is None), None)
    if refused is not None:
        raise BadInput(f"truth holds for row {refused} a label {why_no_label(known[refused])}. Give texts or numbers.")
    spelling = Spelling()
    truths = {row: spelling.of(name) for row, name in named.items() if name}  # a missing one is no label
    rows = np.array(sorted(truths), np.intp)
    labels = [truths[row] for row in rows.tolist()]
    classes = sorted(set(labels))
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no label at all"
        raise BadInput(f"A simulation needs at least two classes; the labels hold {found}. Choose another column.")
    if len(rows) < 10:
        raise BadInput(f"A simulation needs at least 10 labeled items, got {len(rows)}.")
    return rows, labels, classes
