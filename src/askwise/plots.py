"""Figures drawn once that serve a file, a terminal user's report, or an inline SVG in light or dark."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from askwise.core import Array, Certificate, CurvePoint, share

INK = "#1d2433"
MUTED = "#667085"
GRID = "#d9dee7"
PEOPLE = "#2f6fd0"
MODEL = "#12906f"
WRONG = "#c8352b"
TRUTH = "#b56a00"

VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PEOPLE: "people", MODEL: "model", WRONG: "wrong", TRUTH: "truth"}
"""Colors of the palette that become CSS variables in an inline SVG, so that one picture follows the page's theme."""

LINES = (PEOPLE, TRUTH, MUTED, MODEL, WRONG, "#7a4fc4", "#0b7f93", "#8a6d3b")
"""Line colors of strategies, in order; told apart by line style too."""

IN_A_NOTEBOOK = {
    INK: "currentColor", MUTED: "currentColor", GRID: "rgba(128,128,128,.35)",
    PEOPLE: "#3f83e0", MODEL: "#1f9d7c", WRONG: "#e0564a", TRUTH: "#c07a1a",
}  # fmt: skip
"""The same where nothing is known of the page, light or dark: the page's own ink, and colors that stand on both."""

STYLES = ("-", "--", ":", "-.")

_RC: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, scaled, read aloud
    "svg.hashsalt": "askwise",  # the same numbers give the same bytes
}
_rc_lock = threading.Lock()  # rcParams are global to matplotlib; a server may render two reports at once


def _figure(width: float, height: float) -> Any:
    """A figure outside pyplot's global state; inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0.0)
    return figure


def _plain(axes: Any) -> None:
    """Only what carries information: two spines, pale grid, quiet ticks."""
    axes.patch.set_alpha(0.0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(GRID)
    axes.grid(visible=True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelcolor=MUTED, length=3)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def _percent(axes: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def inline_svg(figure: Any, name: str, description: str) -> str:
    """The figure as an `<svg>` element for a page; ids start with `name`, palette colors are CSS variables.

    Args:
        figure: A matplotlib figure drawn with the palette of this module.
        name: Prefix that keeps ids apart when a page holds several figures.
        description: What the picture says, for people who cannot see it; must be plain text.

    Returns:
        One element, no XML preamble, no reference to anything outside it.
    """
    import html

    import matplotlib as mpl

    buffer = io.StringIO()
    with _rc_lock, mpl.rc_context(_RC):
        figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}, dpi=72
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, -apple-system, 'Segoe UI', sans-serif", text)
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var(--{variable})")
    # matplotlib's style sheet is for every element of a page (`*`); said of the picture, its parts inherit it.
    text = re.sub(r"<style[^>]*>\s*\*\{([^}]*)\}\s*</style>", "", text)
    text = text.replace("<svg ", '<svg style="stroke-linejoin:round;stroke-linecap:butt" ', 1)
    label = html.escape(description, quote=True)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r"<svg([^>]*)>", rf'<svg\1 role="img" aria-label="{label}">', text, count=1)
    return text.strip()


def save(figure: Any, path: FilePath | str) -> FilePath:
    """Write the figure as .svg or .png by suffix (white ground); returns the path."""
    import matplotlib as mpl

    path = FilePath(path)
    with _rc_lock, mpl.rc_context(_RC):
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=150, facecolor="white", metadata=metadata)
    return path


@dataclass(frozen=True)
class Picture:
    """A figure with its description: a notebook shows it in its own colors, `save` writes it to a file."""

    figure: Any
    """The matplotlib figure, to change or to place elsewhere; it belongs to no pyplot window."""
    description: str
    """What it says, in words."""

    def save(self, path: FilePath | str) -> FilePath:
        """Write it as .svg or .png by suffix, on white ground; returns the path."""
        return save(self.figure, path)

    def __repr__(self) -> str:
        return f"<Picture: {self.description}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The SVG for a notebook that trusts its outputs; the PNG for one that does not, and for paper."""
        raster = io.BytesIO()
        with _rc_lock:
            self.figure.savefig(raster, format="png", dpi=110, facecolor="white", metadata={"Software": None})
        png = base64.b64encode(raster.getvalue()).decode()
        return {"text/html": self._repr_html_(), "image/png": png, "text/plain": repr(self)}

    def _repr_html_(self) -> str:
        # Ids must differ from those of other figures in the same notebook, and be the same for the same figure.
        name = "askwise-" + hashlib.sha256(inline_svg(self.figure, "x", "").encode()).hexdigest()[:8]
        text = inline_svg(self.figure, name, self.description)
        for color, variable in VARIABLES.items():
            text = text.replace(f"var(--{variable})", IN_A_NOTEBOOK[color])
        return f'<div style="max-width:44em">{text}</div>'


def estimate_curve(points: Sequence[CurvePoint]) -> Any:
    """Estimated accuracy on the rest by human labels given, with the band that holds at every look."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(8.2, 3.3)
    axes = figure.subplots()
    _plain(axes)
    labels = np.array([p.labels for p in points], dtype=float)
    low = np.array([p.low for p in points], dtype=float)
    high = np.array([p.high for p in points], dtype=float)
    plain = np.array([np.nan if p.accuracy is None else p.accuracy for p in points], dtype=float)
    truth = np.array([np.nan if p.truth is None else p.truth for p in points], dtype=float)
    # Steps: between two refreshes nothing new is known, and a slope would claim otherwise.
    axes.fill_between(labels, low, high, step="post", color=PEOPLE, alpha=0.16, linewidth=0, label="proved range")
    axes.plot(labels, plain, drawstyle="steps-post", color=PEOPLE, linewidth=1.8, label="plain estimate")
    if len(points) == 1:
        axes.errorbar(labels, plain, yerr=[plain - low, high - plain], color=PEOPLE, marker="o", capsize=4)
    if not np.isnan(truth).all():
        axes.plot(
            labels, truth, drawstyle="steps-post", color=TRUTH, linewidth=1.5, linestyle="--", label="hidden truth"
        )
    axes.set_ylim(0.0, 1.02)
    axes.set_xlim(left=0.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _percent(axes)
    axes.set_xlabel("labels from people")
    axes.set_ylabel("right on the rest")
    _legend(axes)
    return figure


def certificate(certified: Certificate) -> Any:
    """The evidence as a picture: one square a blind check, and where the proved bound lies."""
    from matplotlib.patches import PathPatch, Rectangle

    columns = 60 if certified.audits > 300 else 40
    rows = max(1, -(-certified.audits // columns))
    figure = _figure(8.2, 1.25 + 0.2 * rows * 40 / columns)
    squares, scale = figure.subplots(2, 1, height_ratios=[max(0.2 * rows * 40 / columns, 0.2), 0.75])
    squares.patch.set_alpha(0.0)
    squares.set_axis_off()
    squares.set_xlim(0, columns)
    squares.set_ylim(rows, 0)
    right = certified.audits - certified.wrong
    for first, last, color in ((0, right, MODEL), (right, certified.audits, WRONG)):
        if last > first:
            path = _squares(range(first, last), columns)
            squares.add_patch(PathPatch(path, facecolor=color, edgecolor="none"))

    _plain(scale)
    scale.grid(visible=False)
    scale.spines["left"].set_visible(False)
    scale.set_yticks([])
    seen = certified.wrong / certified.audits if certified.audits else 0.0
    top = max(1.5 * certified.max_error, 1.2 * seen)
    scale.set_xlim(0.0, top)
    scale.set_ylim(0.0, 1.0)
    scale.add_patch(Rectangle((0.0, 0.1), certified.max_error, 0.5, facecolor=MODEL, alpha=0.22, linewidth=0))
    scale.plot([certified.max_error] * 2, [0.0, 0.75], color=INK, linewidth=1.6)
    scale.plot([seen], [0.35], marker="D", color=WRONG if certified.wrong else MODEL, markersize=6, clip_on=False)
    scale.text(
        certified.max_error,
        0.82,
        f"proved: at most {share(certified.max_error, 1)}",
        color=INK,
        ha="center",
        va="bottom",
    )
    where = " (more where it doubted)" * bool(certified.by_doubt)
    scale.annotate(
        f"seen in the checks{where}: {certified.wrong} of {certified.audits}",
        (seen, 0.35),
        xytext=(10, 0),
        textcoords="offset points",
        color=INK,
        va="center",
    )
    scale.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    scale.set_xlabel("share of wrong labels among what the model labeled")
    return figure


def _squares(numbers: range, columns: int) -> Any:
    """One compound path of unit squares, filled row by row; a path each would make the file large."""
    from matplotlib.path import Path

    corners = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9], [0.1, 0.1]])
    vertices = np.concatenate([corners + np.array([n % columns, n // columns]) for n in numbers])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(numbers)
    return Path(vertices, codes)


def learning_curves(
    curves: Mapping[str, tuple[Array, Array, Array, Array]], *, metric: str, targets: Sequence[float] = ()
) -> Any:
    """Mean of a metric by number of labels, a line a strategy, with its interval as a band.

    Args:
        curves: Strategy → (labels, mean, low, high), each (points,); values in 0..1, NaN where unknown.
        metric: Name for the axis.
        targets: Horizontal marks, 0..1.
    """
    figure = _figure(8.2, 4.2)
    axes = figure.subplots()
    _plain(axes)
    for i, (name, (labels, mean, low, high)) in enumerate(curves.items()):
        color, style = LINES[i % len(LINES)], STYLES[i % len(STYLES)]
        axes.fill_between(labels, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(labels, mean, color=color, linewidth=1.8, linestyle=style, label=name)
    for target in targets:
        axes.axhline(target, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
    _percent(axes)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("labels from people")
    axes.set_ylabel(metric.replace("_", " ") + ", held-out part")
    _legend(axes)
    return figure


def _legend(axes: Any) -> None:
    legend = axes.legend(loc="lower right", frameon=False)
    for entry in legend.get_texts():
        entry.set_color(INK)
        entry.set_parse_math(False)  # a name may hold a dollar sign
