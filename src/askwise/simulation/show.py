"""A simulation as tables for a terminal, as JSON, as files."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from askwise import display, plots
from askwise.core import BadInput, unknown
from askwise.export import whole
from askwise.options import option
from askwise.simulation.terms import BASELINE, METRICS, Target

MOST = 6
"""Classes that are warned of by name."""

if TYPE_CHECKING:
    from rich.console import Group

    from askwise.simulation.results import Simulation


def to_rich(result: Simulation) -> Group:
    """Curve table, labels to each target, share saved: for a rich console."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [Text(_setting(result))]
    for metric in dict.fromkeys(metric for metric, _ in result.targets):
        title = f"{metric.replace('_', ' ')} by labels (mean ± 95 % interval)"
        parts += [Text(f"\n{title}", style="bold"), _curve_table(result, metric)]
    parts += [Text("\nLabels to target", style="bold"), _target_table(result)]
    warnings = [*contradictions(result.settings.get("contradicting", 0)), *lacking(result)]
    if warnings:
        parts.append(Text("\n" + "\n".join(warnings), style="yellow"))
    parts.append(Text("\n".join(_caveats(result)), style="dim"))
    return Group(*parts)


def _setting(result: Simulation) -> str:
    s = result.settings
    return (
        f"{s['items']:,} items, {s['classes']} classes, {s['held_out']:,} held out, "
        f"{len(s['seeds'])} seed{'s' if len(s['seeds']) > 1 else ''}, "
        f"encoder {s['encoder']}, learner {s['learner']}"
    )


def to_html(result: Simulation) -> str:
    """Labels to each target, share saved, and what to read them with: for a notebook."""
    compared = ("saved", "95 %", "p") if BASELINE in result.strategies else ()
    columns = ["target", "strategy", "labels", "95 %", "never", *compared]
    rows = [
        [_target_name(target) if i == 0 else "", name, *_target_cells(result, name, target)[: 3 + len(compared)]]
        for target in result.targets
        for i, name in enumerate(result.strategies)
    ]
    return display.card(
        f"Simulation · {_setting(result)}",
        [f"Labels to each target, {result.budget:,} at most."],
        display.table(columns, rows),
        *map(
            display.note,
            [*contradictions(result.settings.get("contradicting", 0)), *lacking(result), " ".join(_caveats(result))],
        ),
    )


def picture(result: Simulation, metric: str | None = None) -> plots.Picture:
    """The learning curves of a metric; None = that of the first target. See `Simulation.plot`."""
    metric = metric or next((metric for metric, _ in result.targets), METRICS[0])
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    curves = {name: result.curve(name, metric) for name in result.strategies}
    figure = plots.learning_curves(
        curves, metric=metric, targets=[value for name, value in result.targets if name == metric]
    )
    ends = ", ".join(f"{name} {mean[-1]:.1%} with {labels[-1]:,} labels" for name, (labels, mean, *_) in curves.items())
    what = f"Mean {metric.replace('_', ' ')} on the held-out part by labels from people: {ends}."
    return plots.Picture(figure, what)


def _caveats(result: Simulation) -> list[str]:
    """What the table of labels to target must be read with."""
    s = result.settings
    notes = ["Labels to a target: median over seeds with its 95 % interval; a run that never got there counts as more."]
    if result.hold > 1:
        notes.append(f"A target counts as reached when it is met at {result.hold} measurements in a row.")
    if len(s["seeds"]) < 6:
        notes.append("Fewer than 6 seeds give no 95 % interval of a median.")
    if BASELINE in result.strategies:
        notes.append(f"Saved: against {BASELINE}, seed by seed; ≥ where some {BASELINE} runs never got there.")
    return [*notes, f"Random check items: {_percent_or_text(s['audit_share'])}."]


def lacking(result: Simulation) -> list[str]:
    """What must be known of classes that some divisions cannot test, or learn: a sentence each."""
    seeds = len(result.settings["seeds"])
    said = []
    for name, times in result.settings.get("untested", {}).items():
        said.append(
            f"{name!r} has no item in the held-out part of {_of(times, seeds)}: nothing shows there that it is "
            "recognised, and it counts as 0 in balanced accuracy and macro F1. Accuracy leaves it out."
        )
    for name, times in result.settings.get("unlearned", {}).items():
        said.append(f"{name!r} has no item to learn from in {_of(times, seeds)}: it cannot be recognised there.")
    if len(said) > MOST:
        said = [*said[:MOST], f"… and {len(said) - MOST} more such classes; see settings in simulation.json."]
    if said:
        said.append("Such classes have too few labeled items; more of them, or a larger part held out, would help.")
    return said


def contradictions(items: int) -> list[str]:
    """What must be known of items whose equal rows have different labels: a sentence, or none where there are none."""
    if not items:
        return []
    some = f"{items:,} items stand" if items > 1 else "1 item stands"
    return [
        f"{some} in the data with different labels and {'are' if items > 1 else 'is'} left out. Published tables keep "
        "such rows; so do `askwise simulate --duplicates keep` and `simulation.kept`."
    ]


def _of(times: int, seeds: int) -> str:
    return "the only division" if seeds == 1 else f"{times} of {seeds} divisions"


def _curve_table(result: Simulation, metric: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="dim", box=None, pad_edge=False)
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

    table = Table(header_style="dim", box=None, pad_edge=False)
    table.add_column("target")
    table.add_column("strategy")
    compared = ("saved", "95 %", "p") if BASELINE in result.strategies else ()
    for column in ("labels", "95 %", "never", *compared):
        table.add_column(column, justify="right")
    for target in result.targets:
        for i, name in enumerate(result.strategies):
            cells = _target_cells(result, name, target)[: 3 + len(compared)]
            table.add_row(_target_name(target) if i == 0 else "", Text(name), *cells)
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
    return "" if math.isnan(value) else "–" if math.isinf(value) else f"{value:.0%}"


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
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"Cannot make the folder {folder}: {error.strerror}. Choose another with {option('out')}."
        ) from error
    paths = [folder / "simulation.json", folder / "runs.csv"]
    with whole(paths[0]) as file:
        file.write(json.dumps(to_dict(result), indent=1, allow_nan=False))
    with whole(paths[1]) as file:
        writer = csv.writer(file)
        writer.writerow(["strategy", "seed", "labels", *METRICS])
        for run in result.runs:
            writer.writerows(
                [run.strategy, run.seed, n, *(f"{run.scores[m][i]:.6f}" for m in METRICS)]
                for i, n in enumerate(run.labels)
            )
    for metric in dict.fromkeys(metric for metric, _ in result.targets):
        drawn = picture(result, metric)
        paths += [drawn.save(folder / f"{metric}{suffix}") for suffix in (".svg", ".png")]
    return paths
