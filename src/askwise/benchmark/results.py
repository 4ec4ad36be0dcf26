"""Every query and curve of a benchmark, in one Parquet file."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from askwise.benchmark import statistics
from askwise.benchmark.spec import Spec, Target, parse
from askwise.core import BadInput, MissingExtra
from askwise.export import whole
from askwise.simulation import METRICS, Run

PRACTITIONER = "practitioner"
RANDOM = "random"
FORMAT = 1
_KEY = b"askwise.benchmark"


@dataclass(frozen=True)
class Record:
    """One run of one way on one set."""

    key: str
    """Digest of everything that decides it, but for code."""
    data: str
    learner: str
    """Its name in the spec; "practitioner" of his choice, "practitioner: forest" of what a forest alone would give."""
    run: Run
    chosen: tuple[str, ...] = ()
    """Of the practitioner: the family that he chose at each number of labels."""

    @property
    def way(self) -> tuple[str, str]:
        """(learner, strategy)."""
        return self.learner, self.run.strategy


@dataclass(frozen=True)
class Benchmark:
    """What came out."""

    spec: Spec
    quick: bool
    records: tuple[Record, ...]
    sets: Mapping[str, Mapping[str, Any]]
    """Set → what is known of it."""
    learners: Mapping[str, str]
    """Name in the spec → what it is."""
    path: Path | None = field(default=None, compare=False)

    @cached_property
    def _by_way(self) -> Mapping[tuple[str, str, str], list[Record]]:
        found: dict[tuple[str, str, str], list[Record]] = {}
        for record in self.records:
            found.setdefault((record.data, *record.way), []).append(record)
        return {key: sorted(records, key=lambda r: r.run.seed) for key, records in found.items()}

    def of(self, data: str, learner: str, strategy: str) -> list[Record]:
        """The runs of one way on one set, by seed; empty where there are none."""
        return self._by_way.get((data, learner, strategy), [])

    @property
    def ways(self) -> list[tuple[str, str]]:
        """(learner, strategy) of all that is compared, the practitioner last where he was asked."""
        ours = [(learner, strategy) for learner in self.spec.learners for strategy in self.spec.strategies]
        him = [(PRACTITIONER, RANDOM)] if any(record.learner == PRACTITIONER for record in self.records) else []
        return [*ours, *him]

    @property
    def ours(self) -> list[tuple[str, str]]:
        """The same without the practitioner."""
        return [way for way in self.ways if way[0] != PRACTITIONER]

    def name(self, way: tuple[str, str]) -> str:
        """What a table calls it."""
        learner, strategy = way
        if learner == PRACTITIONER:
            return PRACTITIONER
        return strategy if len(self.spec.learners) == 1 else f"{strategy}, {learner}"

    def common(self, data: str) -> tuple[int, ...]:
        """The numbers of labels at which every way was measured on this set."""
        grids = [set(record.run.labels) for record in self.records if record.data == data]
        return tuple(sorted(set.intersection(*grids))) if grids else ()

    def level(self, data: str, target: Target) -> float:
        """The value of a target, 0..1: as given, or the mean end of the curve that it names; NaN where it has none."""
        metric, value = target
        if not isinstance(value, str):
            return value
        way = (PRACTITIONER, RANDOM) if value == PRACTITIONER else (next(iter(self.spec.learners)), RANDOM)
        ends = [record.run.scores[metric][-1] for record in self.of(data, *way)]
        return float(np.mean(ends)) if ends else math.nan

    def labels_to(self, data: str, way: tuple[str, str], target: Target, *, common: bool) -> dict[int, float]:
        """Seed → labels until the target; inf = never.

        Args:
            data: The set.
            way: (learner, strategy).
            target: See `level`.
            common: Count only numbers of labels at which the practitioner was measured as well.
        """
        level, grid = self.level(data, target), self.common(data) if common else None
        return {
            record.run.seed: (record.run if grid is None else at(record.run, grid)).reaches(
                target[0], level, self.spec.hold
            )
            for record in self.of(data, *way)
        }

    def saved(
        self, data: str, way: tuple[str, str], target: Target, against: tuple[str, str]
    ) -> statistics.Saved | None:
        """Share of labels saved against another way, in pairs; None where one of them did not run."""
        common = PRACTITIONER in (way[0], against[0])
        mine, other = (self.labels_to(data, one, target, common=common) for one in (way, against))
        seeds = sorted(mine.keys() & other.keys())
        if not seeds or way == against or math.isnan(self.level(data, target)):
            return None
        budget = float(self.sets[data]["budget"])
        return statistics.saved([mine[s] for s in seeds], [other[s] for s in seeds], budget)

    def areas(self, data: str, way: tuple[str, str], *, common: bool = False) -> dict[int, float]:
        """Seed → area under the curve of `spec.metric`, 0..1."""
        grid = self.common(data) if common else None
        runs = [record.run if grid is None else at(record.run, grid) for record in self.of(data, *way)]
        return {run.seed: statistics.area(run.labels, run.scores[self.spec.metric]) for run in runs}

    def gap(
        self, data: str, way: tuple[str, str], against: tuple[str, str], labels: int
    ) -> statistics.Difference | None:
        """How far `spec.metric` is ahead of another way at a number of labels, in pairs; None where not measured."""
        mine, other = (
            {r.run.seed: r.run.scores[self.spec.metric][r.run.labels.index(labels)]
             for r in self.of(data, *one) if labels in r.run.labels}
            for one in (way, against)
        )  # fmt: skip
        seeds = sorted(mine.keys() & other.keys())
        return statistics.difference([mine[s] for s in seeds], [other[s] for s in seeds]) if seeds else None

    def __repr__(self) -> str:
        return f"<Benchmark of {', '.join(self.sets)}: {len(self.records):,} runs of {len(self.ways)} ways>"


def at(run: Run, labels: Sequence[int]) -> Run:
    """A run at some of its numbers of labels alone."""
    wanted = set(labels)
    places = [i for i, n in enumerate(run.labels) if n in wanted]
    return replace(
        run,
        labels=tuple(run.labels[i] for i in places),
        scores={metric: tuple(values[i] for i in places) for metric, values in run.scores.items()},
        times=tuple(run.times[i] for i in places if i < len(run.times)),
    )


def plain(record: Record) -> dict[str, Any]:
    """A record as JSON-able columns."""
    run = record.run
    return {
        "data": record.data,
        "learner": record.learner,
        "strategy": run.strategy,
        "seed": run.seed,
        "labels": list(run.labels),
        **{metric: list(run.scores[metric]) for metric in METRICS},
        "asked": list(run.asked),
        "chosen": list(record.chosen),
        "seconds": list(run.times),
        "key": record.key,
    }


def from_plain(row: Mapping[str, Any]) -> Record:
    """The inverse of `plain`."""
    times = tuple(row["seconds"])
    run = Run(
        strategy=row["strategy"],
        seed=row["seed"],
        labels=tuple(row["labels"]),
        scores={metric: tuple(row[metric]) for metric in METRICS},
        seconds=sum(times),
        asked=tuple(row["asked"]),
        times=times,
    )
    return Record(row["key"], row["data"], row["learner"], run, tuple(row["chosen"]))


def parquet() -> Any:
    """(pyarrow, pyarrow.parquet).

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra(
            "The results of a benchmark are a Parquet file, which needs pyarrow. Install it: "
            "pip install 'askwise[parquet]'"
        ) from None
    return pyarrow, pq


def save(result: Benchmark, path: Path) -> None:
    """Write the results: a row a run, all of them or nothing.

    Raises:
        CannotWrite: No room, no permission, no such folder.
        MissingExtra: pyarrow is not installed.
    """
    pa, pq = parquet()
    numbers = {metric: pa.list_(pa.float64()) for metric in METRICS}
    schema = pa.schema(
        {
            "data": pa.string(), "learner": pa.string(), "strategy": pa.string(), "seed": pa.int64(),
            "labels": pa.list_(pa.int32()), **numbers, "asked": pa.list_(pa.int32()), "chosen": pa.list_(pa.string()),
            "seconds": pa.list_(pa.float64()), "key": pa.string(),
        }
    )  # fmt: skip
    about = {
        "format": FORMAT, "spec": result.spec.text, "quick": result.quick, "sets": result.sets,
        "learners": result.learners,
    }  # fmt: skip
    table = pa.Table.from_pylist([plain(record) for record in result.records], schema=schema)
    with whole(path, binary=True) as file:
        pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(about).encode()}), file)


def open_results(path: Path | str) -> Benchmark:
    """The results of a file that `askwise benchmark` wrote.

    Raises:
        BadInput: No such file, or another.
        MissingExtra: pyarrow is not installed.
    """
    path = Path(path)
    pa, pq = parquet()
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(
            f"Cannot read the results {str(path)!r}: {error}. Give a file that a benchmark wrote."
        ) from error
    kept = (table.schema.metadata or {}).get(_KEY)
    if kept is None:
        raise BadInput(f"{path.name!r} holds no results of a benchmark. Give a file that a benchmark wrote.")
    about = json.loads(kept)
    if about["format"] != FORMAT:
        raise BadInput(f"{path.name!r} is of format {about['format']}; this version reads {FORMAT}. Run it again.")
    spec = parse(tomllib.loads(about["spec"]), path.parent, about["spec"])
    records = tuple(map(from_plain, table.to_pylist()))
    return Benchmark(
        spec.quick() if about["quick"] else spec, about["quick"], records, about["sets"], about["learners"], path
    )


def by_key(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Key → the records of one job."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.key, []).append(record)
    return found
