"""Renders a `core.Report` as text, as JSON, or as one self-contained HTML file."""

from __future__ import annotations

import dataclasses
import html
import io
import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askwise import plots
from askwise.core import Certificate, Report, between, chance, promise, share, together
from askwise.export import whole

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

FORMAT = 1
"""Version of the JSON layout."""

_SHOWN = 200  # lists longer than this are cut in the page, and say so


def printable(text: object) -> str:
    """Text that cannot steer a terminal: control characters other than line end and tab become `�`."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_control(c) else c for c in str(text))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in "\n\t"


# ── sentences ───────────────────────────────────────────────────────────────────────────────


def headline(report: Report) -> str:
    """The one sentence that a reader takes away: who labeled how much, and what is proved."""
    people = report.human
    came = f" ({report.given:,} more came labeled with the data)" if report.given else ""
    if report.recall is not None:
        proofs = [c.sentence for c in report.certificates if promise(c.target).search and not c.void]
        return proofs[-1] if proofs else report.recall.sentence
    void = [c for c in report.certificates if c.void]
    if report.auto and report.certificates and not void:
        proof = (
            f"with {share(min(c.confidence for c in report.certificates))} confidence {together(report.certificates)}"
        )
        rest = f"; {report.open:,} are left for people" if report.open else ""
        return f"People labeled {people:,} of {report.items:,} items{came}, the model {report.auto:,}: {proof}{rest}."
    if report.auto:
        why = void[-1].void if void else "there is no valid certificate"
        what = (
            "not all of that is proved any more"
            if len(void) < len(report.certificates)
            else "nothing is proved about them"
        )
        return f"The model labeled {report.auto:,} items, but {what}: {why.rstrip('.')}."
    if report.items and people >= report.items:
        return f"People labeled all {report.items:,} items."
    if report.items and people + report.given >= report.items:
        return f"Every item has a label: {people:,} by people, {report.given:,} came with the data."
    return f"People labeled {people:,} of {report.items:,} items{came}. {report.estimate.sentence}"


def seconds_per_label(report: Report) -> float | None:
    """Mean seconds a person took for a label; None where nothing was measured."""
    return report.seconds / report.human if report.human and report.seconds > 0 else None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _costs(report: Report) -> list[tuple[str, str]]:
    each = seconds_per_label(report)
    rows = [("labels from people", f"{report.human:,}")]
    if report.given:
        rows.append(("labels that came with the data", f"{report.given:,}"))
    rows.append(("labels from the model", f"{report.auto:,}"))
    if each is None:
        rows.append(("time of people", "not measured"))
    else:
        rows += [("time of people", _duration(report.seconds)), ("seconds per label", f"{each:.1f}")]
        if report.auto:
            rows.append(("time the model's labels would have taken", _duration(each * report.auto)))
    if report.curve:
        slowest = max(p.seconds for p in report.curve)
        rows.append(("model refreshes", f"{len(report.curve):,} (slowest {slowest:.2f} s)"))
    return rows + _to_go(report)


def _remaining(report: Report) -> list[tuple[str, str]]:
    return [
        ("left for people (no label yet)", f"{report.open:,}"),
        ("marked unsure by a person", f"{report.unsure:,}"),
        ("skipped", f"{report.skipped:,}"),
        ("flagged", f"{len(report.flagged):,}"),
    ]


def _to_go(report: Report) -> list[tuple[str, str]]:
    """The forecast of what is left, with its ranges."""
    v, rows = report.verdict, []
    if v.labels_left is not None:
        low, high = v.labels_left_range or (v.labels_left, v.labels_left)
        rows.append(("labels to go, forecast", f"about {v.labels_left:,} ({low:,} to {high:,})"))
    more: list[tuple[str, float | None, tuple[float, float] | None, Callable[[float], str]]] = [
        ("time to go, forecast", v.minutes_left, v.minutes_left_range, lambda minutes: _duration(60 * minutes)),
        ("money to go, forecast", v.money_left, v.money_left_range, lambda money: f"{money:,.2f}"),
    ]
    for what, value, span, show in more:
        if value is not None and span is not None:
            rows.append((what, f"about {show(value)} ({show(span[0])} to {show(span[1])})"))
    return rows


def _advice(report: Report) -> list[tuple[str, str]]:
    return [(name, f"{'stop' if v.ready else 'go on'}: {v.reason}") for name, v in report.advice]


def _shown(value: Any) -> str:
    """A setting or a figure as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_shown(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(v) for v in value)
    return str(value)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Union of the keys, in order of first appearance."""
    return list(dict.fromkeys(str(key) for row in rows for key in row))


# ── JSON ────────────────────────────────────────────────────────────────────────────────────


def to_json(report: Report) -> str:
    """The report as strict JSON (numbers that are not finite become null), readable by other programs.

    The object holds `format` (layout version), `headline`, and every field of `core.Report` by its name.
    """
    body = {"format": FORMAT, "headline": headline(report), **dataclasses.asdict(report)}
    return json.dumps(_jsonable(body), ensure_ascii=False, indent=2, allow_nan=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a NumPy number
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


# ── text ────────────────────────────────────────────────────────────────────────────────────


def to_rich(report: Report) -> Group:
    """The report for a rich console; user content is never read as markup."""
    from rich.console import Group
    from rich.panel import Panel

    parts: list[Any] = [Panel(_text(headline(report)), title=_text(report.title or "Askwise"), title_align="left")]
    parts.append(_text(report.estimate.sentence))
    if report.errors is not None:
        parts.append(_text(report.errors.sentence))
    parts.append(_text(report.verdict.reason))
    if report.control is not None:
        parts.append(_text(report.control.sentence))
    for certificate in report.certificates:
        style = "red" if certificate.void else "green"
        parts.append(_text(f"Certificate of attempt {certificate.attempt}: {certificate.sentence}", style=style))
        if certificate.unsaid:
            parts.append(_text(certificate.unsaid))
    given = report.given > 0
    table = _rich_table(["class", "people", *["data"] * given, "model"])
    for name, count in report.counts.items():
        cells = [count.get("human", 0), *[count.get("given", 0)] * given, count.get("model", 0)]
        table.add_row(_text(name), *(f"{cell:,}" for cell in cells))
    parts += [_heading("Labels"), table] if report.counts else []  # numbers have none
    if report.attempts:
        columns = _columns(report.attempts)
        table = _rich_table(columns)
        for attempt in report.attempts:
            table.add_row(*(_text(_shown(attempt.get(c))) for c in columns))
        parts += [_heading("Certification attempts"), table]
    for title, pairs in (
        ("Asked by strategy", [(k, f"{v:,}") for k, v in report.asked.items()]),
        ("Costs", _costs(report)),
        ("With people", _remaining(report)),
        ("Stop? Advice, each from its own series", _advice(report)),
        ("Against the hidden truth", [(k, _shown(v)) for k, v in (report.truth or {}).items()]),
        ("Flagged", report.flagged[:20]),
        ("Settings", [(k, _shown(v)) for k, v in report.settings.items()]),
    ):
        if pairs:
            parts += [_heading(title), _rich_pairs(pairs)]
    if report.problems:
        more = len(report.problems) - 20
        shown = [*report.problems[:20], *([f"… and {more:,} more"] if more > 0 else [])]
        parts += [_heading("Rows of the input that could not be used"), _text("\n".join(shown))]
    return Group(*parts)


def _text(value: object, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(value), style=style)


def _heading(title: str) -> Text:
    return _text(f"\n{title}", style="bold")


def _rich_table(columns: Sequence[str]) -> Any:
    from rich.table import Table

    table = Table(header_style="dim", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(_text(column), justify="left" if i == 0 else "right", overflow="fold")
    return table


def _rich_pairs(pairs: Iterable[tuple[str, str]]) -> Any:
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(_text(name, style="dim"), _text(value))
    return table


def to_text(report: Report, *, width: int = 100) -> str:
    """The report as plain text, `width` characters wide at most."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True, highlight=False, force_terminal=False).print(to_rich(report))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


# ── HTML ────────────────────────────────────────────────────────────────────────────────────


class _Markup(str):
    """Text that is already HTML; everything else is escaped on its way into a page."""


def _e(value: object) -> str:
    return value if isinstance(value, _Markup) else html.escape(str(value), quote=True)


def _table(columns: Sequence[object], rows: Iterable[Sequence[object]], *, css: str = "") -> str:
    head = "".join(f"<th>{_e(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{_e(v)}</td>" for v in row) + "</tr>" for row in rows)
    head = f"<thead><tr>{head}</tr></thead>" if columns else ""
    return f'<div class="scroll"><table class="{css}">{head}<tbody>{body}</tbody></table></div>'


def _section(title: str, *parts: str, note: str = "") -> str:
    lead = f'<p class="note">{_e(note)}</p>' if note else ""
    return f"<section><h2>{_e(title)}</h2>{lead}{''.join(parts)}</section>"


def _bar(parts: Sequence[tuple[str, str, int]], *, total: int) -> _Markup:
    """A stacked bar; `parts` are (css class, name, count)."""
    pieces = "".join(
        f'<span class="{css}" style="width:{100 * count / max(total, 1):.3f}%" title="{_e(name)}: {count:,}"></span>'
        for css, name, count in parts
        if count
    )
    words = ", ".join(f"{name} {count:,}" for _, name, count in parts if count)
    return _Markup(f'<span class="bar" role="img" aria-label="{_e(words)}">{pieces}</span>')


def _who(report: Report) -> str:
    open_items = max(0, report.items - report.human - report.given - report.auto)
    parts = [
        ("people", "people", report.human),
        ("given", "came with the data", report.given),
        ("model", "model", report.auto),
        ("open", "no label yet", open_items),
    ]
    legend = "".join(
        f'<li><i class="{css}"></i>{_e(name)} <b>{count:,}</b></li>' for css, name, count in parts if count
    )
    return f'<div class="who">{_bar(parts, total=report.items)}</div><ul class="legend">{legend}</ul>'


def _curve(report: Report) -> str:
    says = [report.estimate.sentence, *([] if report.errors is None else [report.errors.sentence])]
    says.append(report.verdict.reason)
    if report.control is not None:
        says.append(report.control.sentence)
    sentence = "".join(f"<p>{_e(s)}</p>" for s in says)
    if not report.curve:
        return _section("How good is the model?", sentence, '<p class="note">No model has been fitted yet.</p>')
    last = report.curve[-1]
    known = "no plain estimate" if last.accuracy is None else f"estimated {chance(last.accuracy)}"
    picture = plots.inline_svg(
        plots.estimate_curve(report.curve),
        "curve",
        f"Accuracy on the rest by labels from people; at {last.labels} labels {known}, "
        f"proved between {between(last.low, last.high)}.",
    )
    has_truth = any(p.truth is not None for p in report.curve)
    columns = ["labels", "estimate", "at least", "at most", "check items", "refresh"] + ["truth"] * has_truth
    rows = [
        [
            f"{p.labels:,}",
            "–" if p.accuracy is None else chance(p.accuracy, 1),
            *between(p.low, p.high, 1).split(" and "),
            f"{p.audits:,}",
            f"{p.seconds:.2f} s",
        ]
        + (["–" if p.truth is None else chance(p.truth, 1)] if has_truth else [])
        for p in report.curve
    ]
    numbers = f"<details><summary>the numbers</summary>{_table(columns, rows, css='numbers')}</details>"
    note = (
        "The line is a plain estimate from random check items that were answered blind and scored before the model "
        "learned from them. The band is what they prove: it holds however often one looks."
    )
    return _section("How good is the model?", sentence, f"<figure>{picture}</figure>", numbers, note=note)


def _certificate(number: int, certificate: Certificate) -> str:
    if certificate.void:  # a picture of what is no longer proved would say that it is
        return f'<div class="certificate void"><p class="sentence">{_e(certificate.sentence)}</p></div>'
    said = promise(certificate.target)
    what = said.note(certificate)
    if said.unpictured:
        return (
            f'<div class="certificate valid"><p class="sentence">{_e(certificate.sentence)}</p>'
            f'<p class="note">{_e(what)}</p></div>'
        )
    picture = plots.inline_svg(
        plots.certificate(certificate),
        f"certificate{number}",
        f"{certificate.audits} blind checks, {certificate.wrong} wrong; "
        f"proved: at most {share(certificate.max_error, 1)}.",
    )
    if certificate.fingerprint:
        what += (
            " Whoever has the session's file can recompute it: askwise verify SESSION --fingerprint "
            f"{certificate.short_fingerprint}"
        )
    unsaid = f"<p>{_e(certificate.unsaid)}</p>" if certificate.unsaid else ""
    return (
        f'<div class="certificate valid"><p class="sentence">{_e(certificate.sentence)}</p>{unsaid}'
        f'<figure>{picture}</figure><p class="note">{_e(what)}</p></div>'
    )


def _certificates(report: Report) -> str:
    parts = [_certificate(i, c) for i, c in enumerate(report.certificates, 1)]
    if not parts:
        parts.append("<p>No certificate: nothing is proved about labels of the model yet.</p>")
    if report.attempts:
        columns = _columns(report.attempts)
        parts.append("<h3>Attempts</h3>")
        parts.append(_table(columns, [[_shown(a.get(c)) for c in columns] for a in report.attempts], css="numbers"))
    return _section("What is proved", *parts)


def _classes(report: Report) -> str:
    if not report.counts:  # numbers have none
        return ""
    given = report.given > 0
    total = max((sum(count.values()) for count in report.counts.values()), default=0)
    rows = []
    for name, count in report.counts.items():
        parts = [("people", "people", count.get("human", 0)), ("model", "model", count.get("model", 0))]
        if given:
            parts.insert(1, ("given", "came with the data", count.get("given", 0)))
        rows.append([name, *(f"{number:,}" for _, _, number in parts), _bar(parts, total=total)])
    columns = ["class", "people", *["with the data"] * given, "model", ""]
    return _section("Labels by class", _table(columns, rows, css="classes"))


def _asked(report: Report) -> str:
    if not report.asked:
        return ""
    most = max(report.asked.values())
    rows = [[name, f"{n:,}", _bar([("people", name, n)], total=most)] for name, n in report.asked.items()]
    return _section("Why items were asked", _table(["strategy", "answered", ""], rows, css="classes"))


def _pairs(title: str, pairs: Sequence[tuple[str, str]], note: str = "") -> str:
    return _section(title, _table([], pairs, css="pairs"), note=note) if pairs else ""


def _cut(rows: Sequence[Sequence[object]]) -> str:
    more = f'<p class="note">… and {len(rows) - _SHOWN:,} more.</p>' if len(rows) > _SHOWN else ""
    return _table([], rows[:_SHOWN], css="pairs") + more


def to_html(report: Report) -> str:
    """The report as one HTML page: no script, no font, no picture or style from elsewhere; light and dark."""
    created = datetime.fromtimestamp(report.created, UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = report.title or "Askwise report"
    duplicates = report.rows - report.items
    source = f"{report.items:,} items from {report.rows:,} rows" + (
        f" ({duplicates:,} exact duplicates asked once)" if duplicates > 0 else ""
    )
    flagged = _section("Flagged by people", _cut(report.flagged)) if report.flagged else ""
    problems = (
        _section("Rows of the input that could not be used", _cut([[p] for p in report.problems]))
        if report.problems
        else ""
    )
    sections = [
        _certificates(report),
        _pairs(
            "Against the hidden truth",
            [(k, _shown(v)) for k, v in (report.truth or {}).items()],
            note="Only a simulation or a demo knows the truth; nothing on this page was computed from it but this.",
        ),
        _curve(report),
        _classes(report),
        '<div class="two">' + _pairs("Costs", _costs(report)) + _pairs("With people", _remaining(report)) + "</div>",
        _pairs("Stop?", _advice(report), note="Advice, each from its own series; nothing of it is proved."),
        _asked(report),
        flagged,
        problems,
        _pairs("Settings", [(k, _shown(v)) for k, v in report.settings.items()]),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_e(title)}</title><style>{_CSS}</style></head><body><main>"
        f'<header><p class="kicker">{_e(title)} · {created} · {_e(source)}</p>'
        f"<h1>{_e(headline(report))}</h1>{_who(report)}</header>"
        + "\n".join(s for s in sections if s)
        + "</main></body></html>\n"
    )


def write_html(report: Report, path: Path | str) -> Path:
    """Write `to_html(report)` to `path`, all of it or nothing; returns the path.

    Raises:
        CannotWrite: The file cannot be written.
    """
    with whole(path) as file:
        file.write(to_html(report))
    return Path(path)


_CSS = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1d2433;--muted:#667085;--grid:#d9dee7;
--people:#2f6fd0;--given:#8fb3ea;--model:#12906f;--wrong:#c8352b;--truth:#b56a00;--open:#cfd5df}
@media(prefers-color-scheme:dark){:root{--page:#12151b;--card:#1a1f28;--ink:#e8ebf1;--muted:#9aa4b5;--grid:#333b49;
--people:#6fa3f2;--given:#3d5f96;--model:#3fc49d;--wrong:#ff7a6e;--truth:#e3a13f;--open:#3a4250}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:56rem;margin:0 auto;padding:2rem 1.25rem 4rem}
header{margin:0 0 1.5rem}
.kicker{color:var(--muted);margin:0 0 .4rem;font-size:.9rem;overflow-wrap:anywhere}
h1{font-size:1.55rem;line-height:1.3;font-weight:650;margin:0 0 1.1rem;letter-spacing:-.01em}
h2{font-size:1.08rem;margin:0 0 .6rem}h3{font-size:.95rem;margin:1.2rem 0 .4rem}
section{background:var(--card);border:1px solid var(--grid);border-radius:10px;padding:1.1rem 1.25rem;margin:0 0 1rem;
min-width:0}
p{margin:.2rem 0 .7rem}.note{color:var(--muted);font-size:.9rem}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));column-gap:1rem}
figure{margin:.4rem 0}svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.93rem}
th{color:var(--muted);font-weight:500;font-size:.85rem;text-align:left}
th,td{padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--grid);vertical-align:top}
tr:last-child td{border-bottom:0}
table.pairs td{overflow-wrap:anywhere}table.pairs td:first-child{color:var(--muted);min-width:7.5rem}
table.pairs td:last-child{font-variant-numeric:tabular-nums}
table.classes td:first-child{min-width:7rem}table.classes td:last-child{width:50%;vertical-align:middle;padding-right:0}
table.numbers td,table.classes td:not(:first-child){font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{display:flex;height:.75rem;border-radius:3px;overflow:hidden}
.who .bar{height:1.5rem;border-radius:6px}.bar span{display:block;min-width:1px}
.people{background:var(--people)}.given{background:var(--given)}.model{background:var(--model)}
.open{background:var(--open)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;margin:.5rem 0 0;padding:0;font-size:.9rem;
color:var(--muted)}
.legend b{color:var(--ink);font-weight:600}
.legend i{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin-right:.4rem}
.certificate{border-left:4px solid var(--model);padding-left:1rem;margin:0 0 1rem}
.certificate.void{border-color:var(--wrong)}
.sentence{font-size:1.08rem;font-weight:600}
summary{cursor:pointer;color:var(--muted);font-size:.9rem}
@media print{body{background:#fff}section{break-inside:avoid}}
""".replace("\n", "")
