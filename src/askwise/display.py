"""What a notebook shows of our objects: short pieces of HTML that stand in a page which is not ours.

Functions of plain values; whoever has an object (`_repr_html_`) hands in what may be seen of it. A cell of a notebook
is light or dark, wide or narrow, trusted or not, and none of it is known here. Therefore: no script, no style sheet, no
picture and no address; colors only for bars, everything else in the color of the page's own text; and what a stranger
may have written (item texts, labels, titles, names of files and of plug-ins) is text, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PEOPLE, MODEL, GIVEN = "#3f83e0", "#1f9d7c", "#8c7ae6"
"""Told apart on white and on black alike (contrast 3:1 and more on both)."""
REST = "rgba(128,128,128,.28)"
"""What nothing is known of: a grey that lets the page through."""

LONGEST = 300
"""Characters of one text that are shown."""
MOST = 10
"""Lines of one list that are shown; below it is said how many more there are."""

_STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, turns of the writing direction, and halves of characters, which no notebook's file can hold."""
_MATH = re.compile(r"[$\\]")
"""Notebooks set what stands between these as mathematics, in HTML too; alone in an element they are plain signs."""

_QUIET = "opacity:.72;font-size:.88em"
_CELL = "text-align:left;vertical-align:top;padding:.1em 1em .1em 0;border:0;background:none;max-width:34em"
_CELL += ";white-space:normal;overflow-wrap:break-word"  # a narrow cell scrolls its table rather than cut its words


def _escaped(text: str) -> str:
    from html import escape  # with every entity there is, which who shows nothing does not wait for

    return escape(text, quote=True)


def _plain(value: object) -> str:
    return _STRANGE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def text(value: object, most: int = LONGEST) -> str:
    """A value as text of a page: escaped, cut after `most` characters, steering nothing.

    >>> text("<b>win $5</b>")
    '&lt;b&gt;win <span>$</span>5&lt;/b&gt;'
    """
    shown = _plain(value)
    shown = shown if len(shown) <= most else shown[: most - 1] + "…"
    return _MATH.sub(lambda sign: f"<span>{sign[0]}</span>", _escaped(shown))


def card(kicker: object, sentences: Iterable[object], *parts: str) -> str:
    """One object: a quiet line that says what it is, sentences of which the first is in bold, then `parts`.

    Args:
        kicker: What it is.
        sentences: Each a paragraph; empty ones are left out. They are ours and never cut, but may quote labels.
        parts: HTML made by the functions of this module.
    """
    said = [text(sentence, 10_000) for sentence in sentences if sentence]
    paragraphs = [f"<div><b>{one}</b></div>" if i == 0 else f"<div>{one}</div>" for i, one in enumerate(said)]
    return (
        '<div style="max-width:44em;overflow-wrap:anywhere;line-height:1.45">'
        f'<div style="{_QUIET}">{text(kicker)}</div>{"".join(paragraphs)}{"".join(parts)}</div>'
    )


def note(sentence: object) -> str:
    """A quiet sentence at the end."""
    return f'<div style="{_QUIET}">{text(sentence, 10_000)}</div>' if sentence else ""


def table(columns: Sequence[object], rows: Iterable[Sequence[object]], *, more: int = 0) -> str:
    """A table of a few rows; `more` = so many rows are left out, which is said below it."""
    head = "".join(f'<th style="{_CELL};font-weight:normal;opacity:.72">{text(one)}</th>' for one in columns)
    head = f"<thead><tr>{head}</tr></thead>" if columns else ""
    body = "".join(
        "<tr>" + "".join(f'<td style="{_cell(value)}">{text(value)}</td>' for value in row) + "</tr>" for row in rows
    )
    if not body:
        return ""
    left = note(f"… and {more:,} more") if more > 0 else ""
    style = "border-collapse:collapse;margin:.3em 0;font-size:.94em"
    return f'<div style="overflow-x:auto"><table style="{style}">{head}<tbody>{body}</tbody></table></div>{left}'


def _cell(value: object) -> str:
    return _CELL if len(str(value)) > 20 else f"{_CELL};white-space:nowrap"  # an interval stays in one line


def bar(parts: Sequence[tuple[object, int, str]], whole: int, *, beside: Iterable[str] = ()) -> str:
    """A stacked bar of `whole` things, with its legend.

    Args:
        parts: (name, how many, color) of each; what is left stays grey.
        whole: How many things there are.
        beside: What the legend says besides.
    """
    kept = [(name, n, color) for name, n, color in parts if n > 0]
    pieces = "".join(
        f'<span style="display:inline-block;height:100%;vertical-align:top;background:{color};'
        f'width:{100 * n / max(whole, 1):.3f}%"></span>'
        for _, n, color in kept
    )
    words = _escaped(", ".join(f"{_plain(name)} {n:,}" for name, n, _ in kept) or "nothing yet")
    legend = [f'<span style="color:{color}">■</span> {text(name)} {n:,}' for name, n, color in kept]
    return _strip(words, pieces) + f'<div style="{_QUIET}">{" · ".join([*legend, *map(text, beside)])}</div>'


def interval(low: float, high: float, point: float | None, words: str) -> str:
    """A scale from 0 to 100 %: the proved range in color, the plain estimate as a mark.

    Args:
        low: 0..1.
        high: 0..1, at least `low`.
        point: 0..1; None = no mark.
        words: The same in words, for who cannot see it.
    """
    piece = _span(100 * low, 100 * max(high - low, 0.004), PEOPLE + "88")
    if point is not None:
        piece += _span(100 * min(point, 0.994), 0.6, "currentColor")
    return _strip(_escaped(_plain(words)), piece)


def _span(left: float, width: float, color: str) -> str:
    place = f"position:absolute;top:0;height:100%;left:{left:.2f}%;width:{width:.2f}%"
    return f'<span style="{place};background:{color}"></span>'


def _strip(words: str, pieces: str) -> str:
    style = "position:relative;height:.7em;max-width:26em;margin:.35em 0;border-radius:3px;overflow:hidden"
    return f'<div role="img" aria-label="{words}" style="{style};white-space:nowrap;background:{REST}">{pieces}</div>'


def listed(lines: Sequence[object], of: int, *, most: int = 3, longest: int = 90) -> str:
    """The first of `of` texts, each cut to one line, and how many more there are."""
    shown = [" ".join(_plain(line)[: 4 * longest].split()) for line in lines[:most]]
    cut = [[line if len(line) <= longest else line[: longest - 1] + "…"] for line in shown]
    return table((), cut, more=of - len(cut))


def number(n: int, what: str, plural: str = "") -> str:
    """`1 item`, `2 items`."""
    return f"{n:,} {what if n == 1 else plural or what + 's'}"
