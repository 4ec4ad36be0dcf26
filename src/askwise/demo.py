"""The spam challenge end to end on real messages, answered by a simulated person."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askwise import datasets, report, simulation
from askwise.core import AutoLabels, BadInput, Certificate, Label, Query
from askwise.datasets import Dataset
from askwise.pool import Pool, load_pool
from askwise.session import Session
from askwise.terminal import progress_bar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

RACERS = {"auto": "default", "margin": "margin", "random": "random"}
"""Strategy → how the demo calls it."""

TARGETS: tuple[simulation.Target, ...] = (("balanced_accuracy", 0.9), ("accuracy", 0.9))
HOLD = 3
"""Measurements in a row that must meet a target: touching it once on a noisy curve is luck."""
ENCODER = "tfidf"
"""Needs no download, and tells spam by its digits, which a sentence encoder reads over."""
BUDGET = 400
TEST_SHARE = 0.3
MAX_ERROR, CONFIDENCE = 0.02, 0.95
_BARS = "▁▂▃▄▅▆▇█"


@dataclass
class Lane:
    """How one strategy is doing."""

    name: str
    labels: int = 0
    scores: list[float] = field(default_factory=list)
    """Balanced accuracy after each refresh."""
    reached: dict[simulation.Target, int] = field(default_factory=dict)
    """Target → labels at the first of `HOLD` measurements in a row that meet it."""
    since: dict[simulation.Target, list[int]] = field(default_factory=dict)
    """Target → labels at the measurements that meet it now, without a break."""
    running: bool = True


@dataclass(frozen=True)
class Outcome:
    """What the demo found, for tests and for scripts."""

    items: int
    human: int
    checks: int
    model: int
    model_wrong: int
    certificates: tuple[Certificate, ...]
    lanes: tuple[Lane, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether what was certified is true: the share of wrong model labels is at most the bound."""
        return self.model_wrong <= MAX_ERROR * self.model


def run(
    out: Path | str = "demo",
    *,
    seed: int = 0,
    console: Console | None = None,
    data: Dataset | None = None,
    encoder: Any = ENCODER,
) -> Outcome:
    """Race the strategies, then certify and label everything; writes labeled.csv and report.html.

    Args:
        out: Folder for the two files; made when absent.
        seed: Every random draw derives from it.
        console: Where to draw; default standard output.
        data: A labeled data set; None = `datasets.spam()`.
        encoder: For texts; None = the best installed.

    Raises:
        BadInput: The folder cannot be made.
    """
    from rich.console import Console

    started = time.perf_counter()
    console = console or Console(highlight=False)
    folder = _folder(out)
    found = data if data is not None else datasets.spam()
    for line in _headline(found):
        _say(console, line, style="bold")
    pool = load_pool(found.texts)
    encoder = encoder if pool.kind == "text" else None
    truth = [str(found.labels[rows[0]]) for rows in pool.sources]
    _say(console, f"{found.source}. {len(pool):,} are different. A simulated person answers: it looks the label up.")

    _say(console, "\n1. How few labels does it take?", style="bold")
    lanes = _race(pool, truth, encoder, seed, console)
    _conclude(lanes, console)

    _say(console, "\n2. Label everything, certified", style="bold")
    with Session(
        pool,
        classes=sorted(set(truth)),
        encoder=encoder,
        seed=seed,
        max_error=MAX_ERROR,
        confidence=CONFIDENCE,
        title=found.name,
    ) as session:
        attempts = _label_everything(session, truth, console)
        outcome = _judge(session, truth, attempts, lanes, time.perf_counter() - started)
        session.export(folder / "labeled.csv")
        page = replace(session.report(), truth=_comparison(outcome))
    report.write_html(page, folder / "report.html")
    _totals(outcome, folder, console)
    return outcome


def _folder(out: Path | str) -> Path:
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"Cannot make the folder {folder}: {error.strerror}. Choose another with --out.") from error
    return folder


def _say(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def _headline(found: Dataset) -> list[str]:
    counts = {name: found.labels.count(name) for name in sorted(set(found.labels))}
    what = ", ".join(f"{n:,} {name}" for name, n in counts.items())
    if found.note:
        return [f"NOT the spam challenge but a stand-in: {found.name} ({what}).", found.note]
    return [f"The spam challenge: {len(found.labels):,} real text messages ({what})."]


# ── the race ────────────────────────────────────────────────────────────────────────────────


def _race(pool: Pool, truth: Sequence[Label], encoder: Any, seed: int, console: Console) -> tuple[Lane, ...]:
    """All strategies on one split, side by side; a lane ends when it has reached both targets."""
    contents, fitted = simulation.contents_of(pool, range(len(pool)), encoder)
    parts = simulation.split(contents, truth, sorted(set(truth)), seed=seed, test_share=TEST_SHARE, encoder=fitted)
    grid = simulation.schedule(min(BUDGET, len(parts.pool)), "auto")
    lanes = tuple(Lane(name) for name in RACERS)
    replays = [simulation.replay(parts, lane.name, seed=seed, grid=grid) for lane in lanes]
    with _live(console) as show:
        for _ in grid:
            for lane, points in zip(lanes, replays, strict=True):
                if lane.running:
                    _advance(lane, next(points, None))
            show(_race_table(lanes))
            if not any(lane.running for lane in lanes):
                break
    for points in replays:
        points.close()
    if not console.is_terminal:
        console.print(_race_table(lanes))
    return lanes


def _advance(lane: Lane, point: simulation.Point | None) -> None:
    if point is None:
        lane.running = False
        return
    lane.labels = point.labels
    lane.scores.append(point.scores["balanced_accuracy"])
    for target in TARGETS:
        row = lane.since.setdefault(target, [])
        if point.scores[target[0]] >= target[1]:
            row.append(point.labels)
        else:
            row.clear()
        if len(row) == HOLD:
            lane.reached.setdefault(target, row[0])
    lane.running = len(lane.reached) < len(TARGETS)


@contextmanager
def _live(console: Console) -> Iterator[Any]:
    """A part of the screen that is drawn over; nothing where the output is no terminal."""
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        yield lambda shown: live.update(shown, refresh=True)


def _race_table(lanes: Sequence[Lane]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("asks by")
    table.add_column("labels", justify="right")
    table.add_column("balanced accuracy", justify="right")
    table.add_column("", no_wrap=True, min_width=16)
    for target in TARGETS:
        table.add_column(f"to {_target(target)}", justify="right")
    for lane in lanes:
        score = f"{lane.scores[-1]:.1%}" if lane.scores else ""
        cells = [_reached(lane, target) for target in TARGETS]
        table.add_row(Text(RACERS[lane.name], style="bold"), str(lane.labels), score, sparkline(lane.scores), *cells)
    return table


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Values between 0.5 and 1 as a line of bars, the whole series squeezed into `width` characters."""
    if not values:
        return ""
    n = min(width, len(values))
    picked = [values[min(len(values) - 1, math.ceil((i + 1) * len(values) / n) - 1)] for i in range(n)]
    return "".join(_BARS[min(len(_BARS) - 1, max(0, int((v - 0.5) * 2 * len(_BARS))))] for v in picked)


def _target(target: simulation.Target) -> str:
    return f"{target[1]:.0%} {target[0].replace('_', ' ')}"


def _reached(lane: Lane, target: simulation.Target) -> str:
    if target in lane.reached:
        return f"{lane.reached[target]} labels"
    return "…" if lane.running else f"> {lane.labels}"


def _conclude(lanes: Sequence[Lane], console: Console) -> None:
    by_name = {lane.name: lane for lane in lanes}
    mine, other = by_name["auto"], by_name["random"]
    target = TARGETS[0]
    if target not in mine.reached:
        _say(console, f"This time the default did not reach {_target(target)} within {mine.labels} labels.")
        return
    against = f"{other.reached[target]}" if target in other.reached else f"more than {other.labels}"
    _say(
        console,
        f"{_target(target)} on items it never saw: {mine.reached[target]} labels, where random choice needs {against}. "
        "One run; benchmarks/spam.py repeats it over 20 seeds.",
    )


# ── the whole job ───────────────────────────────────────────────────────────────────────────


def _label_everything(session: Session, truth: Sequence[Label], console: Console) -> list[AutoLabels]:
    def oracle(queries: Sequence[Query]) -> list[Label]:
        return [truth[q.row] for q in queries]

    attempts: list[AutoLabels] = []
    with _live(console) as show:
        for outcome in simulation.work(session, oracle):
            if outcome is not None and (not attempts or outcome.reason != attempts[-1].reason):
                attempts.append(outcome)
                _say(console, f"After {session.counts()['labeled']:,} labels: {outcome.reason}")
            show(_progress(session))
    return attempts


def _progress(session: Session) -> RenderableType:
    from rich.text import Text

    counts = session.counts()
    words = f" {counts['labeled']:,} by the person, {counts['auto']:,} by the model, {counts['open']:,} open"
    return Text("\n").join([progress_bar(counts) + words, Text(session.estimate().sentence, style="dim")])


def _judge(
    session: Session,
    truth: Sequence[Label],
    attempts: Sequence[AutoLabels],
    lanes: tuple[Lane, ...],
    seconds: float,
) -> Outcome:
    """Compare with the hidden truth; only here is it looked at for more than answering."""
    rows = {item: row for row, item in enumerate(session.pool.ids)}
    labels = {item: name for attempt in attempts for item, name in attempt.labels.items()}
    found = session.report()
    return Outcome(
        items=found.items,
        human=found.human,
        checks=sum(int(a["checks"]) for a in found.attempts),
        model=found.auto,
        model_wrong=sum(name != truth[rows[item]] for item, name in labels.items()),
        certificates=found.certificates,
        lanes=lanes,
        seconds=seconds,
    )


def _comparison(outcome: Outcome) -> dict[str, Any]:
    share = outcome.model_wrong / outcome.model if outcome.model else 0.0
    return {
        "labels given by the model": outcome.model,
        "of these wrong": outcome.model_wrong,
        "share wrong": f"{share:.2%}",
        "allowed": f"{MAX_ERROR:.1%}",
        "what was certified is true": outcome.holds,
    }


def _totals(outcome: Outcome, folder: Path, console: Console) -> None:
    _say(console, "\n3. Against the hidden truth", style="bold")
    if outcome.model:
        share = outcome.model_wrong / outcome.model
        true = "true" if outcome.holds else "NOT true this time, which a 95 % statement may be 1 time in 20"
        _say(
            console,
            f"Of {outcome.model:,} labels given by the model {outcome.model_wrong:,} are wrong ({share:.2%}); "
            f"certified was at most {MAX_ERROR:.0%}: {true}.",
        )
    else:
        _say(console, "Nothing could be certified, so the model labeled nothing; the person labeled it all.")
    _say(
        console,
        f"The person gave {outcome.human:,} labels for {outcome.items:,} items ({outcome.human / outcome.items:.0%}), "
        f"{outcome.checks:,} of them blind checks. {outcome.seconds:.0f} s in all.",
    )
    _say(console, f"\nWrote {folder / 'labeled.csv'} and {folder / 'report.html'}.")
    _say(console, "Now your own file:", style="bold")
    _say(console, "  askwise label yourfile.csv --text COLUMN --labels yes,no")
