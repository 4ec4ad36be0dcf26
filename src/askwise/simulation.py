"""Replays known labels through real sessions, to compare query strategies."""

from __future__ import annotations

import copy
import csv
import json
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from askwise import encoders, learners, strategies
from askwise.core import Array, AskwiseError, AutoLabels, BadInput, Label, Matrix, Oracle, Rows, unknown
from askwise.pool import FeatureRows, Pool
from askwise.session import Session

if TYPE_CHECKING:
    from rich.console import Group

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
BASELINE = "random"
TARGETS = (("balanced_accuracy", 0.9), ("accuracy", 0.9))
CONFIDENCE = 0.95

Target = tuple[str, float]
"""A metric with the value to reach, 0..1."""


# ── measuring ───────────────────────────────────────────────────────────────────────────────


def score(truth: Array, guessed: Array, n_classes: int) -> dict[str, float]:
    """Accuracy, balanced accuracy, macro F1.

    Args:
        truth: (n,) class numbers.
        guessed: (n,) class numbers.
        n_classes: Numbers run from 0 to n_classes - 1.

    Returns:
        Metric → value, 0..1. Balanced accuracy is the mean recall over the classes that occur in `truth`; macro F1
        is the mean over the classes that occur in either (both as in scikit-learn).
    """
    table = np.bincount(truth * n_classes + guessed, minlength=n_classes**2).reshape(n_classes, n_classes)
    hits, actual, claimed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    present, either = actual > 0, (actual + claimed) > 0
    return {
        "accuracy": float(hits.sum() / table.sum()),
        "balanced_accuracy": float((hits[present] / actual[present]).mean()),
        "macro_f1": float((2 * hits[either] / (actual + claimed)[either]).mean()),
    }


def schedule(budget: int, batch: int | Literal["auto"] = 1) -> list[int]:
    """The numbers of labels at which the model is refreshed and measured; the same for every strategy.

    `batch` labels apart; "auto" is every label up to 50, then every 2 up to 100, 5 up to 300, 10 beyond.
    """
    if batch != "auto":
        grid = list(range(batch, budget + 1, batch))
    else:
        grid = [n for n in range(1, budget + 1) if n <= 50 or n % (2 if n <= 100 else 5 if n <= 300 else 10) == 0]
    return grid if grid and grid[-1] == budget else [*grid, budget]


@dataclass(frozen=True)
class Split:
    """One random division of labeled items into a pool to ask about and a part to measure on."""

    pool: Pool
    answers: tuple[Label, ...]
    """Per row of the pool the label that the simulated person gives."""
    X_test: Matrix
    y_test: Array
    """(n_test,) class numbers."""
    classes: tuple[Label, ...]


def split(
    contents: Sequence[Any] | Matrix,
    labels: Sequence[Label],
    classes: Sequence[Label],
    *,
    seed: int,
    test_share: float,
    encoder: Any = None,
) -> Split:
    """Divide at random.

    Args:
        contents: (n,) texts, for an encoder that learns from the pool (it then sees the pool's part only), or (n, d)
            features.
        labels: (n,) true labels.
        classes: The labels, in the order of their numbers.
        seed: Decides the division.
        test_share: Share held out, 0 < share < 1.
        encoder: Has `fit` and `encode`; only for texts.
    """
    order = np.random.default_rng([seed, 17]).permutation(len(labels))
    cut = max(1, round(test_share * len(labels)))
    test, rows = np.sort(order[:cut]), np.sort(order[cut:])
    if encoder is None:
        X, X_test = contents[rows], contents[test]  # type: ignore[call-overload]
    else:
        own = copy.deepcopy(encoder)
        texts = [contents[r] for r in rows]
        own.fit(texts)
        X, X_test = own.encode(texts), own.encode([contents[r] for r in test])
    numbers = {name: i for i, name in enumerate(classes)}
    return Split(
        pool=_feature_pool(X, rows),
        answers=tuple(labels[r] for r in rows),
        X_test=X_test,
        y_test=np.array([numbers[labels[r]] for r in test], np.intp),
        classes=tuple(classes),
    )


def contents_of(pool: Pool, rows: Sequence[int], encoder: Any = None) -> tuple[Any, Any]:
    """What `split` divides.

    Returns:
        (texts, encoder) where the encoder learns from texts, so that each split fits it on the pool's part alone;
        else (features, None), computed once for all splits.

    Raises:
        BadInput: An encoder for a pool that holds features already.
    """
    if pool.kind == "array":
        if encoder is not None:
            raise BadInput("encoder is for texts; this pool holds features already. Leave it out.")
        if pool.features is None:
            raise BadInput("This pool holds neither texts nor features.")
        return pool.features[np.asarray(rows, np.intp)], None
    chosen = encoders.get(encoder)
    texts = [str(pool.contents[row]) for row in rows]
    return (texts, chosen) if hasattr(chosen, "fit") else (chosen.encode(texts), None)


def _feature_pool(X: Matrix, rows: Rows) -> Pool:
    """A pool of feature rows; ids are the rows of the source, so two equal texts stay two items only if they were."""
    pool = Pool(
        ids=[str(r) for r in rows],
        contents=FeatureRows(X),
        kind="array",
        features=X,
        sources=[[int(r)] for r in rows],
    )
    pool.address = {"kind": "array", "fingerprint": pool.fingerprint, "rows": len(rows)}
    return pool


@dataclass(frozen=True)
class Point:
    """What the model of a session could do after some labels."""

    labels: int
    scores: Mapping[str, float]
    """Metric → value on the held-out part."""
    seconds: float
    """What the refresh took."""


def replay(
    split: Split,
    strategy: str,
    *,
    seed: int,
    grid: Sequence[int],
    audit_share: float | None = None,
    learner: Any = None,
) -> Generator[Point, None, None]:
    """Answer a session's questions from known labels; yields after each refresh.

    The loop is the one people use: ask, tell, refresh of `Session`, with its log in memory.

    Args:
        split: From `split`.
        strategy: Name of a query strategy.
        seed: Of the session.
        grid: Numbers of labels at which to refresh and measure, ascending.
        audit_share: None = the session's default for "auto", 0 for any other strategy, so that baselines are pure.
        learner: None = the default; else a scikit-learn classifier (cloned by deep copy).
    """
    model = learners.adapt(copy.deepcopy(learner))
    share = audit_share if audit_share is not None else None if strategy == "auto" else 0.0
    options: dict[str, Any] = {} if share is None else {"audit_share": share}
    numbers = {name: i for i, name in enumerate(split.classes)}
    with Session(split.pool, classes=split.classes, strategy=strategy, learner=model, seed=seed, **options) as session:
        told: list[int] = []
        for goal in grid:
            while len(told) < goal and (queries := session.ask(goal - len(told))):
                for query in queries:
                    answer = split.answers[query.row]
                    session.tell(query, answer)
                    told.append(numbers[answer])
            if len(told) < goal:
                return  # the pool is used up
            started = time.perf_counter()
            session.refresh()
            seconds = time.perf_counter() - started
            if len(set(told)) < 2:  # no model yet: the one class seen is the only sensible guess
                guessed = np.full(len(split.y_test), told[0], np.intp)
            else:
                proba = model.predict_proba(split.X_test)
                guessed = np.asarray(model.classes_, np.intp)[np.argmax(proba, axis=1)]
            yield Point(goal, score(split.y_test, guessed, len(split.classes)), seconds)


def work(session: Session, oracle: Oracle, *, step: int = 10) -> Iterator[AutoLabels | None]:
    """Do the whole job as the session advises: label, certify, let the model label, finish what is left by hand.

    Args:
        session: An open session; refreshed here, so its worker need not run.
        oracle: The simulated person.
        step: Labels between refreshes.

    Yields:
        After each step None; after each attempt to certify its outcome. Ends when nothing is left to ask.
    """
    while queries := session.ask(step):
        for query, answer in zip(queries, oracle(queries), strict=True):
            session.tell(query, answer)
        session.refresh()
        yield None
        if session.verdict().ready and session.counts()["open"]:
            yield session.autolabel(oracle=oracle)


# ── results ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Run:
    """One strategy with one seed."""

    strategy: str
    seed: int
    labels: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    """Metric → value at each number of labels."""
    seconds: float
    """Of all refreshes together."""

    def reaches(self, metric: str, value: float, hold: int = 1) -> float:
        """The first number of labels, on the grid, at which the metric is at least `value`; inf = never.

        With `hold` above 1 it must stay there for as many measurements in a row: a noisy curve that touches the value
        once does not count.
        """
        above = np.asarray(self.scores[metric]) >= value
        row = np.convolve(above, np.ones(hold, int), "valid") if len(above) >= hold else np.zeros(0)
        hits = np.flatnonzero(row == hold)
        return float(self.labels[int(hits[0])]) if len(hits) else math.inf


@dataclass(frozen=True)
class Reach:
    """Labels that a strategy needs to reach a target, over the seeds."""

    median: float
    """inf = more than half of the runs never got there."""
    low: float
    high: float
    """Distribution-free interval of the median from order statistics; NaN with fewer than 6 runs."""
    never: int
    runs: int


@dataclass(frozen=True)
class Saving:
    """Share of labels saved against the baseline, seed by seed on the same split."""

    median: float
    """1 - labels / the baseline's labels; -inf = more than half of the runs never reached the target."""
    low: float
    high: float
    wins: int
    losses: int
    ties: int
    p: float
    """Two-sided sign test; 1 with nothing to compare."""
    at_least: bool
    """Some baseline runs never reached the target, so their saving counts as the smallest it can be."""


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """The median with a distribution-free interval from order statistics (Thompson, 1936).

    Args:
        values: Numbers; inf and -inf are allowed, and only their order counts.
        confidence: The interval covers the true median with at least this probability.

    Returns:
        (median, low, high); low and high are NaN where so few values cannot give that confidence.
    """
    from scipy.stats import binom

    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    below, above = ordered[(n - 1) // 2], ordered[n // 2]
    # inf - inf is not a number, so the middle of two equal values is taken without arithmetic.
    median = below if below == above else (below + above) / 2
    k = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    while k > 0 and binom.cdf(k - 1, n, 0.5) > (1 - confidence) / 2:
        k -= 1
    if k < 1:
        return float(median), math.nan, math.nan
    return float(median), float(ordered[k - 1]), float(ordered[n - k])


@dataclass(frozen=True)
class Simulation:
    """Curves of several strategies over several seeds."""

    runs: tuple[Run, ...]
    targets: tuple[Target, ...]
    budget: int
    settings: Mapping[str, Any]
    hold: int = 1
    """Measurements in a row for which a target must be met to count as reached."""

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """In the order they were given."""
        return tuple(dict.fromkeys(run.strategy for run in self.runs))

    def of(self, strategy: str) -> list[Run]:
        """The runs of one strategy, by seed."""
        return sorted((run for run in self.runs if run.strategy == strategy), key=lambda run: run.seed)

    def curve(self, strategy: str, metric: str) -> tuple[Array, Array, Array, Array]:
        """(labels, mean, low, high), each (points,): mean over seeds with a pointwise 95 % t interval.

        Low and high are NaN with a single seed. Only numbers of labels that every run reached are given.
        """
        from scipy.stats import t

        runs = self.of(strategy)
        points = min(len(run.labels) for run in runs)
        values = np.array([run.scores[metric][:points] for run in runs])
        mean = values.mean(axis=0)
        if len(runs) < 2:
            nothing = np.full(points, np.nan)
            return np.array(runs[0].labels[:points]), mean, nothing, nothing
        half = t.ppf(0.5 + CONFIDENCE / 2, len(runs) - 1) * values.std(axis=0, ddof=1) / math.sqrt(len(runs))
        return np.array(runs[0].labels[:points]), mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1)

    def reach(self, strategy: str, target: Target) -> Reach:
        """Labels to the target. Runs that never got there count as more than the budget; none is dropped."""
        found = [run.reaches(*target, self.hold) for run in self.of(strategy)]
        return Reach(*median_interval(found), never=sum(math.isinf(v) for v in found), runs=len(found))

    def saving(self, strategy: str, target: Target, against: str = BASELINE) -> Saving | None:
        """Share of labels saved against another strategy, paired by seed; None where that strategy did not run."""
        from scipy.stats import binomtest

        base = {run.seed: run.reaches(*target, self.hold) for run in self.of(against)}
        pairs = [(run.reaches(*target, self.hold), base[run.seed]) for run in self.of(strategy) if run.seed in base]
        if not pairs or strategy == against:
            return None
        wins, losses = sum(mine < other for mine, other in pairs), sum(mine > other for mine, other in pairs)
        return Saving(
            *median_interval([self._saved(mine, other) for mine, other in pairs]),
            wins=wins,
            losses=losses,
            ties=len(pairs) - wins - losses,
            p=float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0,
            at_least=any(math.isinf(other) for _, other in pairs),
        )

    def _saved(self, mine: float, other: float) -> float:
        """1 - mine / other, at its least where one of them is only known to exceed the budget."""
        if math.isinf(mine):
            return 0.0 if math.isinf(other) else -math.inf
        return 1.0 - mine / (self.budget + 1 if math.isinf(other) else other)


# ── running ─────────────────────────────────────────────────────────────────────────────────


def simulate(
    pool: Pool,
    truth: Mapping[int, Label] | Sequence[Label],
    *,
    strategies: Sequence[str] = ("auto", "margin", "random"),
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
    `Session` from the known labels, and measures on the held-out part after each refresh. An encoder that learns
    from texts (TF-IDF) is fitted on the pool's part alone; any other encodes everything once.

    Args:
        pool: The items; exact duplicates are one item, so none is in both parts.
        truth: Row → label (rows without one are left out), or a label for each row.
        strategies: Names of query strategies.
        seeds: How many, or which.
        budget: Labels in each run; at most the size of the pool's part.
        test_share: Share held out, 0 < share < 1.
        batch: Labels between refreshes, see `schedule`.
        targets: What to count labels to: metric (accuracy, balanced_accuracy, macro_f1) and value in 0..1.
        encoder: For texts; None = the default.
        learner: None = the default; else a scikit-learn classifier.
        audit_share: Share of random check items; None = the default for "auto", none for other strategies.
        hold: Measurements in a row for which a target must be met to count as reached; 1 = the first crossing.
        processes: Worker processes; None = one a core. With more than one, the calling script needs the usual
            `if __name__ == "__main__":`. 1 runs here.
        progress: True = a progress bar; a function = called with each `Run` as it ends.

    Raises:
        BadInput: Fewer than two classes, too few items, or an option out of range.
        MissingExtra: The encoder needs something that is not installed.
    """
    names = _check(strategies, budget, batch, test_share, targets)
    rows, labels, classes = _labeled(pool, truth)
    which = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if hold < 1:
        raise BadInput(f"hold must be at least 1 measurement, got {hold}.")
    if not which:
        raise BadInput("seeds must be at least 1, got 0.")
    budget = min(budget, len(rows) - max(1, round(test_share * len(rows))))
    contents, fitted = contents_of(pool, rows.tolist(), encoder)
    tasks = [
        _Task(name, seed, contents, labels, classes, test_share, fitted, schedule(budget, batch), audit_share, learner)
        for seed in which
        for name in names
    ]
    workers = min(processes or os.cpu_count() or 1, len(tasks))
    runs = list(_observed(_run_all(tasks, workers), len(tasks), progress))
    place = {name: i for i, name in enumerate(names)}
    return Simulation(
        runs=tuple(sorted(runs, key=lambda run: (run.seed, place[run.strategy]))),
        targets=tuple(targets),
        budget=budget,
        hold=hold,
        settings={
            "items": len(rows),
            "classes": len(classes),
            "held_out": max(1, round(test_share * len(rows))),
            "seeds": which,
            "batch": batch,
            "audit_share": "10 % for auto, none otherwise" if audit_share is None else audit_share,
            "encoder": "given features" if pool.kind == "array" else encoders.get(encoder).name,
            "encoded": "pool part only" if fitted is not None else "all items at once",
            "learner": learners.describe(learners.adapt(copy.deepcopy(learner))),
        },
    )


@dataclass(frozen=True)
class _Task:
    """All that one run needs; travels to a worker process."""

    strategy: str
    seed: int
    contents: Any
    labels: list[Label]
    classes: list[Label]
    test_share: float
    encoder: Any
    grid: list[int]
    audit_share: float | None
    learner: Any


def _run(task: _Task) -> Run:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # comes with scikit-learn

    # Runs are parallel already; more threads in each would only fight for the cores.
    with threadpool_limits(1):
        parts = split(
            task.contents,
            task.labels,
            task.classes,
            seed=task.seed,
            test_share=task.test_share,
            encoder=task.encoder,
        )
        points = list(
            replay(
                parts,
                task.strategy,
                seed=task.seed,
                grid=task.grid,
                audit_share=task.audit_share,
                learner=task.learner,
            )
        )
    return Run(
        strategy=task.strategy,
        seed=task.seed,
        labels=tuple(p.labels for p in points),
        scores={metric: tuple(p.scores[metric] for p in points) for metric in METRICS},
        seconds=sum(p.seconds for p in points),
    )


def _run_all(tasks: Sequence[_Task], workers: int) -> Iterator[Run]:
    if workers <= 1:
        yield from map(_run, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures: list[Future[Run]] = [pool.submit(_run, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise AskwiseError(
                "A worker process ended before its run did. In a script, call simulate() under "
                'if __name__ == "__main__":, or pass processes=1.'
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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
    names: Sequence[str],
    budget: int,
    batch: int | Literal["auto"],
    test_share: float,
    targets: Sequence[Target],
) -> list[str]:
    if not names:
        raise BadInput("No strategy given. Name at least one, such as 'auto'.")
    if budget < 2:
        raise BadInput(f"budget must be at least 2 labels, got {budget}.")
    if batch != "auto" and batch < 1:
        raise BadInput(f"batch must be 'auto' or at least 1, got {batch}.")
    if not 0 < test_share < 1:
        raise BadInput(f"test_share must lie between 0 and 1, got {test_share}.")
    for metric, value in targets:
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
        if not 0 < value <= 1:
            raise BadInput(f"A target lies between 0 and 1, got {value} for {metric}.")
    # An alias counts as its strategy, so that nothing runs twice under two names.
    return list(dict.fromkeys(strategies.get(name).name for name in names))


def _labeled(pool: Pool, truth: Mapping[int, Label] | Sequence[Label]) -> tuple[Rows, list[Label], list[Label]]:
    """Rows that have a label, their labels, the classes."""
    known = dict(truth) if isinstance(truth, Mapping) else dict(enumerate(truth))
    strange = [row for row in known if not 0 <= row < len(pool)]
    if strange:
        raise BadInput(f"truth names row {strange[0]}, but the pool has {len(pool):,} items (0 to {len(pool) - 1:,}).")
    rows = np.array(sorted(known), np.intp)
    labels = [str(known[row]) for row in rows.tolist()]
    classes = sorted(set(labels))
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no label at all"
        raise BadInput(f"A simulation needs at least two classes; the labels hold {found}. Choose another column.")
    if len(rows) < 10:
        raise BadInput(f"A simulation needs at least 10 labeled items, got {len(rows)}.")
    return rows, labels, classes


# ── showing ─────────────────────────────────────────────────────────────────────────────────


def to_rich(result: Simulation) -> Group:
    """Curve table, labels to each target, share saved: for a rich console."""
    from rich.console import Group
    from rich.text import Text

    s = result.settings
    parts: list[Any] = [
        Text(
            f"{s['items']:,} items, {s['classes']} classes, {s['held_out']:,} held out, {len(s['seeds'])} seeds, "
            f"encoder {s['encoder']}, learner {s['learner']}"
        )
    ]
    for metric in dict.fromkeys(metric for metric, _ in result.targets):
        parts += [Text(""), _curve_table(result, metric)]
    parts += [Text(""), _target_table(result)]
    notes = ["Labels to a target: median over seeds with its 95 % interval; a run that never got there counts as more."]
    if result.hold > 1:
        notes.append(f"A target counts as reached when it is met at {result.hold} measurements in a row.")
    if len(s["seeds"]) < 6:
        notes.append("Fewer than 6 seeds give no 95 % interval of a median.")
    if BASELINE in result.strategies:
        notes.append(f"Saved: against {BASELINE}, seed by seed; ≥ where some {BASELINE} runs never got there.")
    notes.append(f"Random check items: {_percent_or_text(s['audit_share'])}.")
    parts.append(Text("\n".join(notes), style="dim"))
    return Group(*parts)


def _curve_table(result: Simulation, metric: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{metric.replace('_', ' ')} by labels (mean ± 95 % interval)", style="bold")
    table = Table(title=title, title_justify="left", header_style="dim", box=None, pad_edge=False)
    table.add_column("labels", justify="right")
    for name in result.strategies:
        table.add_column(Text(name), justify="right")
    curves = [result.curve(name, metric) for name in result.strategies]
    wanted = [10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, result.budget]
    grid = sorted({n for labels, *_ in curves for n in labels.tolist()} & set(wanted))
    for n in grid:
        cells = []
        for labels, mean, low, high in curves:
            at = np.flatnonzero(labels == n)
            cells.append("–" if len(at) == 0 else _with_half(mean[at[0]], (high[at[0]] - low[at[0]]) / 2))
        table.add_row(f"{n:,}", *cells)
    return table


def _target_table(result: Simulation) -> Any:
    from rich.table import Table
    from rich.text import Text

    title = Text("Labels to target", style="bold")
    table = Table(title=title, title_justify="left", header_style="dim", box=None, pad_edge=False)
    for column, justify in (("target", "left"), ("strategy", "left"), ("labels", "right"), ("95 %", "right"),
                            ("never", "right"), ("saved", "right"), ("95 %", "right"), ("p", "right")):  # fmt: skip
        table.add_column(column, justify="left" if justify == "left" else "right")
    for target in result.targets:
        for i, name in enumerate(result.strategies):
            table.add_row(_target_name(target) if i == 0 else "", Text(name), *_target_cells(result, name, target))
    return table


def _target_cells(result: Simulation, name: str, target: Target) -> list[str]:
    reach, saving = result.reach(name, target), result.saving(name, target)
    cells = [
        _count(reach.median, result.budget),
        _span(_count(reach.low, result.budget), _count(reach.high, result.budget)),
        f"{reach.never} of {reach.runs}" if reach.never else "",
    ]
    if saving is None:
        return [*cells, "", "", ""]
    sign = "≥ " if saving.at_least else ""
    return [*cells, sign + _share(saving.median), _span(_share(saving.low), _share(saving.high)), f"{saving.p:.2g}"]


def _target_name(target: Target) -> str:
    return f"{target[1]:.0%} {target[0].replace('_', ' ')}"


def _count(value: float, budget: int) -> str:
    return "" if math.isnan(value) else f"> {budget:,}" if math.isinf(value) else f"{value:,.4g}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else "none" if math.isinf(value) else f"{value:.0%}"


def _span(low: str, high: str) -> str:
    return f"{low} … {high}" if low and high else ""


def _with_half(mean: float, half: float) -> str:
    return f"{mean:.1%}" if math.isnan(half) else f"{mean:.1%} ± {100 * half:.1f}"


def _percent_or_text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.0%} for every strategy"


def to_dict(result: Simulation) -> dict[str, Any]:
    """Strict JSON: settings, targets with labels and savings, curves. Never reached is null with its count beside."""
    return {
        "settings": dict(result.settings),
        "budget": result.budget,
        "hold": result.hold,
        "targets": [
            {
                "metric": target[0],
                "value": target[1],
                "strategies": {
                    name: {
                        "labels": _finite(asdict(result.reach(name, target))),
                        "saving": None if (s := result.saving(name, target)) is None else _finite(asdict(s)),
                        "by_seed": {run.seed: _or_none(run.reaches(*target, result.hold)) for run in result.of(name)},
                    }
                    for name in result.strategies
                },
            }
            for target in result.targets
        ],
        "curves": {
            name: {
                "labels": result.curve(name, METRICS[0])[0].tolist(),
                **{
                    metric: dict(
                        zip(
                            ("mean", "low", "high"),
                            ([_or_none(v) for v in part.tolist()] for part in result.curve(name, metric)[1:]),
                            strict=True,
                        )
                    )
                    for metric in METRICS
                },
            }
            for name in result.strategies
        },
    }


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _or_none(value) if isinstance(value, float) else value for key, value in values.items()}


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write(result: Simulation, folder: Path | str) -> list[Path]:
    """Write simulation.json, runs.csv, and for each metric with a target a plot as .svg and .png; returns the paths.

    Raises:
        BadInput: The folder cannot be made.
    """
    from askwise import plots

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"Cannot make the folder {folder}: {error.strerror}. Choose another with --out.") from error
    paths = [folder / "simulation.json", folder / "runs.csv"]
    paths[0].write_text(json.dumps(to_dict(result), indent=1, allow_nan=False), encoding="utf-8")
    with paths[1].open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["strategy", "seed", "labels", *METRICS])
        for run in result.runs:
            writer.writerows(
                [run.strategy, run.seed, n, *(f"{run.scores[m][i]:.6f}" for m in METRICS)]
                for i, n in enumerate(run.labels)
            )
    for metric in dict.fromkeys(metric for metric, _ in result.targets):
        figure = plots.learning_curves(
            {name: result.curve(name, metric) for name in result.strategies},
            metric=metric,
            targets=[value for name, value in result.targets if name == metric],
        )
        paths += [plots.save(figure, folder / f"{metric}{suffix}") for suffix in (".svg", ".png")]
    return paths
