"""What runs of several strategies say together: curves, labels to a target, shares saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from askwise.core import Array, frame
from askwise.simulation.terms import BASELINE, METRICS, Target

if TYPE_CHECKING:
    from askwise.plots import Picture

CONFIDENCE = 0.95


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
    asked: tuple[int, ...] = ()
    """The items in the order in which they were asked, by number from 0 of those with a label, in the pool's order."""
    times: tuple[float, ...] = ()
    """Seconds of the refresh at each number of labels."""

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
    """1 - labels / the baseline's labels; -inf = more than half of the runs never reached the target: not known."""
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

    def to_frame(self) -> Any:
        """A pandas frame, one line a measurement: strategy, seed, labels, and the metrics on the held-out part, 0..1.

        Raises:
            MissingExtra: pandas is not installed.
        """
        lines = [(run, i) for run in self.runs for i in range(len(run.labels))]
        columns: dict[str, list[Any]] = {
            "strategy": [run.strategy for run, _ in lines],
            "seed": [run.seed for run, _ in lines],
            "labels": [run.labels[i] for run, i in lines],
        }
        columns |= {metric: [run.scores[metric][i] for run, i in lines] for metric in METRICS}
        return frame(columns, "simulation.write(result, folder) writes the same to runs.csv")

    def plot(self, metric: str | None = None) -> Picture:
        """Mean of a metric by number of labels, a line a strategy, with its 95 % interval over the seeds as a band.

        Args:
            metric: "accuracy", "balanced_accuracy" or "macro_f1"; None = that of the first target.

        Raises:
            BadInput: No such metric.
        """
        from askwise.simulation.show import picture

        return picture(self, metric)

    def __repr__(self) -> str:
        seeds = len({run.seed for run in self.runs})
        return (
            f"<Simulation of {', '.join(self.strategies)}: {len(self.runs)} runs, {seeds} seeds, {self.budget} labels>"
        )

    def _repr_html_(self) -> str:
        from askwise.simulation.show import to_html

        return to_html(self)

    def _saved(self, mine: float, other: float) -> float:
        """1 - mine / other, at its least where one of them is only known to exceed the budget."""
        if math.isinf(mine):
            return -math.inf
        return 1.0 - mine / (self.budget + 1 if math.isinf(other) else other)
