"""The results of a benchmark as tables and pictures: for a terminal, as Markdown, as one HTML file."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from askwise import plots
from askwise.benchmark import statistics
from askwise.benchmark.results import PRACTITIONER, RANDOM, Benchmark
from askwise.benchmark.spec import Target
from askwise.core import BadInput
from askwise.export import whole
from askwise.simulation import METRICS, median_interval

if TYPE_CHECKING:
    from rich.console import Group

SUFFIXES = (".html", ".md", ".txt")
NEAR = 0.01
"""A cell counts as level with the practitioner's where it is behind by no more than this."""


@dataclass(frozen=True)
class Section:
    """A heading with sentences, a table, and perhaps a picture."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    picture: str | None = None
    """The set whose curves are shown."""


def sections(result: Benchmark) -> list[Section]:
    """All that is told, in order."""
    found = [
        _sets(result),
        *_over_all(result),
        _alone(result),
        _ranks(result),
        _never_worse(result),
        _time(result),
        _reading(result),
    ]
    for data in result.sets:
        found += _of_set(result, data)
    return [section for section in found if section is not None]


def _sets(result: Benchmark) -> Section:
    rows = []
    for name, told in result.sets.items():
        several = told["contradicting"]
        what = "" if not several else f"{several:,} {'kept' if told['duplicates'] == 'keep' else 'left out'}"
        cells = (f"{told['items']:,}", str(told["classes"]), told["encoder"], f"{told['budget']:,}", what)
        rows.append((name, *cells))
    spec = result.spec
    learned = "; ".join(name if name == what else f"{name} = {what}" for name, what in result.learners.items())
    notes = [
        f"{len(spec.seeds)} seeds; {spec.test_share:.0%} of the items are held out, by each seed anew and for all ways "
        f"alike. Learners: {learned}.",
        "Contradicting: items that stand in the data with different labels.",
    ]
    single = [f"{name} ({told['single']})" for name, told in result.sets.items() if told["single"]]
    if single:
        notes.append(
            f"Classes with a single item, which is either never learned or never tested: {', '.join(single)}. An "
            "untested class counts as 0 in balanced accuracy and macro F1."
        )
    if result.quick:
        notes.insert(0, "A quick run: it shows that all works, and says nothing of what is better.")
    if any(way[0] == PRACTITIONER for way in result.ways):
        notes.append(
            "The practitioner labels a random sample, the same as that of random questions, and takes the best of "
            f"{', '.join(spec.practitioner)} by cross-validation on it."
        )
    return Section(
        "Sets", ("set", "items", "classes", "features", "labels at most", "contradicting"), tuple(rows), tuple(notes)
    )


def _references(result: Benchmark, way: tuple[str, str]) -> list[tuple[str, tuple[str, str]]]:
    """(what it is called, way) that a way is compared with."""
    found = [] if way[1] == RANDOM or (way[0], RANDOM) not in result.ours else [("random", (way[0], RANDOM))]
    return [*found, *((name, (name, RANDOM)) for name, _ in result.ways if name == PRACTITIONER)]


def _over_all(result: Benchmark) -> list[Section | None]:
    """Median share saved over the sets, for each target that all of them share."""
    shared: list[Target] = [t for t in result.spec.targets if all(t in result.spec.targets_of(s) for s in result.sets)]
    return [_saved_over_all(result, target) for target in shared] if len(result.sets) > 1 else []


def _saved_over_all(result: Benchmark, target: Target) -> Section | None:
    rows = []
    for way in result.ours:
        for called, other in _references(result, way):
            found = [result.saved(data, way, target, other) for data in result.sets]
            known = [one for one in found if one is not None and (one.never < one.seeds or one.never_other < one.seeds)]
            if not known:
                continue
            median, low, high = median_interval([one.share for one in known])
            better, worse = sum(one.low > 0 for one in known), sum(one.high < 0 for one in known)
            span = "" if math.isnan(low) else f"{_share(low)} … {_share(high)}"
            cells = (called, _share(median), span, str(better), str(worse), f"{len(known)} of {len(found)}")
            rows.append((result.name(way), *cells))
    if not rows:
        return None
    columns = ("way", "against", "saved", "95 %", "better on", "worse on", "sets")
    notes = (
        "Median over the sets with its interval from order statistics. Better, worse: sets on which the whole interval "
        "of the share lies above, below zero. Sets where nobody got there are not counted.",
    )
    return Section(f"Labels saved until {_target(target)}, over the sets", columns, tuple(rows), notes)


def _alone(result: Benchmark) -> Section | None:
    """The learner alone: random rows, beside the practitioner and the best of his in hindsight."""
    him = (PRACTITIONER, RANDOM)
    if him not in result.ways or RANDOM not in result.spec.strategies:
        return None
    rows, notes = [], []
    cells = [n for n in result.spec.cells if any(n in result.common(data) for data in result.sets)]
    for learner in result.spec.learners:
        near: list[bool] = []
        gaps: list[tuple[float, str]] = []
        regrets: list[float] = []
        for data in result.sets:
            row = []
            for n in cells:
                gap = result.gap(data, (learner, RANDOM), him, n)
                row.append("" if gap is None else _points(gap))
                if gap is not None:
                    near.append(gap.mean >= -NEAR)
                    gaps.append((gap.mean, f"{data} at {n:,}: {_points(gap)}"))
                    regrets += [] if n < 50 else [_regret(result, data, learner, n)]
            rows.append((data, learner, *row))
        if near:
            said = f"{learner}: within 1 point of the practitioner or ahead in {sum(near)} of {len(near)} cells"
            if regrets:
                said += (
                    f"; from 50 labels on behind the best of his in hindsight by {100 * np.mean(regrets):.1f} points"
                )
            notes.append(f"{said}. Farthest behind, or least ahead: {min(gaps)[1]}.")
    if not cells:
        return None
    notes.insert(
        0, f"Points of {_words(result.spec.metric)} ahead of him on the same random rows, with its 95 % interval."
    )
    return Section(
        "The learner alone", ("set", "learner", *(f"{n:,} labels" for n in cells)), tuple(rows), tuple(notes)
    )


def _regret(result: Benchmark, data: str, learner: str, n: int) -> float:
    """How far the mean is behind that of the best of the practitioner's classifiers, 0 where it is ahead."""
    best = max(
        _mean_at(result, data, name, n) for name in {r.learner for r in result.records if r.data == data}
        if name.startswith(f"{PRACTITIONER}: ")
    )  # fmt: skip
    return max(0.0, best - _mean_at(result, data, learner, n))


def _mean_at(result: Benchmark, data: str, learner: str, n: int) -> float:
    runs = [record.run for record in result.of(data, learner, RANDOM)]
    return float(np.mean([run.scores[result.spec.metric][run.labels.index(n)] for run in runs]))


def _ranks(result: Benchmark) -> Section | None:
    sets = [data for data in result.sets if all(result.of(data, *way) for way in result.ways)]
    if len(result.ways) < 2 or not sets:
        return None
    him = any(way[0] == PRACTITIONER for way in result.ways)
    table = np.array(
        [[np.mean(list(result.areas(data, way, common=him).values())) for way in result.ways] for data in sets]
    )
    found = statistics.ranks(table)
    rows = [
        (result.name(way), f"{found.mean[i]:.2f}", f"{100 * table[:, i].mean():.1f}", _p(found.pairwise[i]))
        for i, way in sorted(enumerate(result.ways), key=lambda pair: found.mean[pair[0]])
    ]
    notes = [
        f"Mean rank by area under the curve of {_words(result.spec.metric)}; 1 is best. p: Wilcoxon's signed ranks "
        "against the first, corrected by Holm."
    ]
    if math.isnan(found.distance):
        notes.append("Fewer than 3 sets: nothing is tested.")
    else:
        notes.append(f"Nemenyi: ranks that differ by less than {found.distance:.2f} are not told apart at 5 %.")
        if not math.isnan(found.p):
            notes.append(f"Friedman's test that all are alike: p {_p(found.p)} on {found.sets} sets.")
    return Section("Ranks", ("way", "rank", "area", "p"), tuple(rows), tuple(notes))


def _never_worse(result: Benchmark) -> Section | None:
    """Whether a strategy is behind random questions with the same learner, beyond the interval."""
    rows = []
    for way in result.ours:
        if way[1] == RANDOM or (way[0], RANDOM) not in result.ours:
            continue
        behind, looked = [], 0
        for data, told in result.sets.items():
            for n in sorted({20, 50, int(told["budget"])}):
                gap = result.gap(data, way, (way[0], RANDOM), n)
                looked += gap is not None
                if gap is not None and gap.high < 0:
                    behind.append(f"{data} at {n:,}: {_points(gap)}")
        rows.append((result.name(way), f"{len(behind)} of {looked}", "; ".join(behind)))
    if not rows:
        return None
    notes = (
        f"Sets and numbers of labels (20, 50, all) at which {_words(result.spec.metric)} is behind that of random "
        "questions with the same learner by more than its 95 % interval. By chance alone one in forty is.",
    )
    return Section("Never worse than random?", ("way", "behind", "where"), tuple(rows), notes)


def _time(result: Benchmark) -> Section:
    rows = []
    for way in result.ways:
        runs = [record.run for data in result.sets for record in result.of(data, *way)]
        every = np.array([seconds for run in runs for seconds in run.times])
        if len(every):
            cells = (f"{np.median(every):.3f}", f"{every.max():.2f}", f"{sum(run.seconds for run in runs):,.0f}")
            rows.append((result.name(way), *cells))
    notes = ("Seconds to learn anew after an answer and to rank what is open; of the practitioner, of one choice.",)
    return Section("Compute time", ("way", "median", "longest", "all runs"), tuple(rows), notes)


def _of_set(result: Benchmark, data: str) -> list[Section]:
    """Areas, labels to each target, and the curves of one set."""
    metric, budget = result.spec.metric, int(result.sets[data]["budget"])
    ways = [way for way in result.ways if result.of(data, *way)]
    rows = []
    for way in ways:
        area = list(result.areas(data, way).values())
        ends = [record.run.scores[metric][-1] for record in result.of(data, *way)]
        rows.append((result.name(way), _mean(area), _mean(ends)))
    title = f"{data}: {_words(metric)}"
    found = [Section(title, ("way", "area", f"at {budget:,} labels"), tuple(rows), picture=data)]
    for target in result.spec.targets_of(data):
        found += [_to_target(result, data, target, ways)]
    return found


def _to_target(result: Benchmark, data: str, target: Target, ways: Sequence[tuple[str, str]]) -> Section:
    budget, level = int(result.sets[data]["budget"]), result.level(data, target)
    rows = []
    for way in ways:
        needed = list(result.labels_to(data, way, target, common=False).values())
        never = sum(map(math.isinf, needed))
        spent = float(np.mean(np.minimum(needed, budget)))
        cells = [f"{spent:,.0f}", f"{never} of {len(needed)}" if never else ""]
        compared = dict(_references(result, way))
        for name in ("random", PRACTITIONER):
            other = compared.get(name)
            saved = None if other is None else result.saved(data, way, target, other)
            cells.append("" if saved is None else _saved(saved))
        rows.append((result.name(way), *cells))
    value = f" ({level:.1%})" if isinstance(target[1], str) and not math.isnan(level) else ""
    columns = ("way", "labels", "never", "saved against random", "saved against the practitioner")
    return Section(f"{data}: labels until {_target(target)}{value}", columns, tuple(rows))


def _reading(result: Benchmark) -> Section:
    """What the tables of each set must be read with."""
    notes = [
        "Area: the mean height of the curve. ± is half of a 95 % interval of the mean over the seeds.",
        "Labels: mean until the target or the budget; never: runs that did not get there, which count as the budget. "
        "Saved: 1 - labels / the other's labels, with its 95 % interval, by resampling the seeds in pairs.",
    ]
    if any(way[0] == PRACTITIONER for way in result.ways):
        notes.append("Against the practitioner only the numbers of labels count at which he was measured.")
    if len(result.spec.seeds) < statistics.LEAST:
        notes.append(f"Fewer than {statistics.LEAST} seeds give no interval of a share.")
    return Section("How to read the tables of each set", notes=tuple(notes))


def _saved(saved: statistics.Saved) -> str:
    if saved.never == saved.seeds and saved.never_other == saved.seeds:
        return "–"  # nobody got there
    span = "" if math.isnan(saved.low) else f" ({_share(saved.low)} … {_share(saved.high)})"
    return _share(saved.share) + span


def _share(value: float) -> str:
    return f"{value:.0%}"


def _points(gap: statistics.Difference) -> str:
    span = "" if math.isnan(gap.low) else f" ({100 * gap.low:+.1f} … {100 * gap.high:+.1f})"
    return f"{100 * gap.mean:+.1f}{span}"


def _mean(values: Sequence[float]) -> str:
    found = statistics.difference(values, [0.0] * len(values))
    half = "" if math.isnan(found.low) else f" ± {100 * (found.high - found.mean):.1f}"
    return f"{100 * found.mean:.1f}{half}"


def _p(value: float) -> str:
    return "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _target(target: Target) -> str:
    metric, value = target
    if not isinstance(value, str):
        return f"{100 * value:g} % {_words(metric)}"
    return f"the end of {'the practitioner' if value == PRACTITIONER else 'random'} in {_words(metric)}"


# ── pictures ────────────────────────────────────────────────────────────────────────────────


def picture(result: Benchmark, data: str, metric: str | None = None) -> plots.Picture:
    """The learning curves of one set: means over the seeds with pointwise 95 % intervals.

    Raises:
        BadInput: No such set or metric.
    """
    metric = metric or result.spec.metric
    if data not in result.sets or metric not in METRICS:
        raise BadInput(f"There are no curves of {metric!r} on {data!r}. Sets: {', '.join(result.sets)}.")
    curves = {}
    for way in result.ways:
        runs = [record.run for record in result.of(data, *way)]
        if not runs:
            continue
        points = min(len(run.labels) for run in runs)
        values = np.array([run.scores[metric][:points] for run in runs])
        found = [statistics.difference(column, np.zeros(len(runs))) for column in values.T]
        mean, low, high = (np.array([getattr(one, part) for one in found]) for part in ("mean", "low", "high"))
        curves[result.name(way)] = (np.array(runs[0].labels[:points]), mean, np.clip(low, 0, 1), np.clip(high, 0, 1))
    targets = [result.level(data, target) for target in result.spec.targets_of(data) if target[0] == metric]
    figure = plots.learning_curves(curves, metric=metric, targets=[level for level in targets if not math.isnan(level)])
    ends = ", ".join(f"{name} {mean[-1]:.1%} with {labels[-1]:,} labels" for name, (labels, mean, *_) in curves.items())
    return plots.Picture(figure, f"{data}: mean {_words(metric)} on the held-out part by labels: {ends}.")


# ── as a terminal, a page or a file has it ──────────────────────────────────────────────────


def to_rich(result: Benchmark) -> Group:
    """All sections for a rich console."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Any] = []
    for section in sections(result):
        parts.append(Text(f"\n{section.title}", style="bold"))
        if section.rows:
            table = Table(header_style="dim", box=None, pad_edge=False)
            for i, column in enumerate(section.columns):
                table.add_column(Text(column), overflow="fold", justify="left" if i == 0 else "right")
            for row in section.rows:
                table.add_row(*map(Text, row))
            parts.append(table)
        parts += [Text(note, style="dim") for note in section.notes]
    return Group(*parts)


def render(result: Benchmark, suffix: str, pictures: dict[str, str] | None = None) -> str:
    """The report as a text.

    Args:
        result: What came out.
        suffix: ".html", ".md" or ".txt".
        pictures: For Markdown, set → address of its picture; without, there are none.

    Raises:
        BadInput: No such suffix.
    """
    if suffix == ".html":
        return _html(result)
    if suffix == ".md":
        return _markdown(result, pictures or {})
    if suffix == ".txt":
        import io

        from rich.console import Console

        buffer = io.StringIO()
        Console(file=buffer, width=160, no_color=True).print(to_rich(result))
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
    raise BadInput(f"A report is written as {', '.join(SUFFIXES)}, got {suffix!r}. Name the file so.")


def write(result: Benchmark, path: Path | str) -> list[Path]:
    """Write the report by the suffix of the file; Markdown has its pictures beside it, as `NAME-SET.svg`.

    Returns:
        The files.

    Raises:
        BadInput: No such suffix.
        CannotWrite: No room, no permission, no such folder.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise BadInput(f"A report is written as {', '.join(SUFFIXES)}, got {path.name!r}. Name the file so.")
    drawn = {}
    if path.suffix == ".md":
        for data in result.sets:
            drawn[data] = path.with_name(f"{path.stem}-{_plain(data)}.svg")
            picture(result, data).save(drawn[data])
    with whole(path) as file:
        file.write(render(result, path.suffix, {data: where.name for data, where in drawn.items()}))
    return [path, *drawn.values()]


def _plain(name: str) -> str:
    return re.sub(r"\W+", "-", name).strip("-") or "set"


def _markdown(result: Benchmark, pictures: dict[str, str]) -> str:
    lines = ["# Benchmark"]
    for section in sections(result):
        lines += ["", f"## {_escaped(section.title)}"]
        if section.picture in pictures:
            lines += ["", f"![{_escaped(picture(result, section.picture).description)}]({pictures[section.picture]})"]
        if section.rows:
            lines += ["", _line(section.columns), "|" + "---|" * len(section.columns), *map(_line, section.rows)]
        lines += [line for note in section.notes for line in ("", _escaped(note))]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


_STYLE = """
:root{color-scheme:light dark;--ink:#1d2433;--muted:#667085;--grid:#d9dee7;--people:#2f6fd0;--model:#12906f;
--wrong:#c8352b;--truth:#b56a00;--ground:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9f0;--muted:#98a2b3;--grid:#344054;--people:#7aaaf5;--model:#4cc9a4;
--wrong:#f47a70;--truth:#e0a04a;--ground:#161b26}}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--ink);background:var(--ground);margin:0}
main{max-width:64em;margin:0 auto;padding:1.5em}svg{width:100%;height:auto;max-width:52em}
h2{font-size:1.15em;margin:2em 0 .4em}.wide{overflow-x:auto}table{border-collapse:collapse}
th,td{padding:.2em .9em .2em 0;text-align:right;border-bottom:1px solid var(--grid);font-variant-numeric:tabular-nums}
th{color:var(--muted);font-weight:normal}th:first-child,td:first-child{text-align:left}p{color:var(--muted)}
"""


def _html(result: Benchmark) -> str:
    parts = []
    for i, section in enumerate(sections(result)):
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        if section.picture is not None:
            drawn = picture(result, section.picture)
            parts.append(plots.inline_svg(drawn.figure, f"s{i}", drawn.description))
        if section.rows:
            head = "".join(f"<th>{html.escape(column)}</th>" for column in section.columns)
            body = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in section.rows
            )
            parts.append(f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')
        parts += [f"<p>{html.escape(note)}</p>" for note in section.notes]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Benchmark</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>Benchmark</h1>{''.join(parts)}</main></body></html>\n"
    )
