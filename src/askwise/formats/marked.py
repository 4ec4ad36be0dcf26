"""Spans as other tools write them into objects: doccano, Prodigy, and lists of tokens and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from askwise import spans
from askwise.core import BadInput
from askwise.formats import conll
from askwise.formats.conll import SPANS, TEXT, TOKENS
from askwise.formats.table import Table
from askwise.spans import Span
from askwise.values import missing

TAGS = ("tags", "ner_tags")
OFFSETS = ("spans", "label", "labels", "entities")
"""Columns that hold lists of spans: Prodigy's and ours; doccano's, old and new; spaCy's and doccano's relations."""


def marked(table: Table, *, text: str = TEXT, answer: str | None = None, scheme: str | None = None) -> Table:
    """The same table with a column `SPANS` of written answers, and the text of rows that have only tokens.

    An answer that cannot be used leaves its row open, and is said (`flaws`). A row that was rejected or ignored in
    Prodigy is open. A list that is there and empty is an answer: nothing is to be marked.

    Args:
        table: Rows with a text and a list of spans, or with lists of `tokens` and `tags`; see `TAGS` and `OFFSETS`.
        text: The column of texts; where there is none it is made of `tokens`, joined by blanks.
        answer: The column of answers; None = the first of those that are there.
        scheme: Of tags, one of `conll.SCHEMES`; None = by the tags that occur.

    Raises:
        BadInput: Neither a text nor tokens, no such column, or tags that are numbers.
    """
    if SPANS in table.columns and table.read_as.get("marked"):
        return table
    columns = dict(table.columns)
    if text not in columns:
        if TOKENS not in columns:
            raise BadInput(f"The table has neither a column {text!r} nor one {TOKENS!r} that a text is made of.")
        columns[text] = [_joined(cell) for cell in columns[TOKENS]]
    name = answer or next(
        (name for name in (*OFFSETS, *TAGS) if name in columns and _holds_answers(columns[name], name in TAGS)), None
    )
    if name is not None and name not in columns:
        raise BadInput(f"No column {name!r}. Columns: {', '.join(map(repr, columns))}.")
    found: list[str | None] = [None] * len(table)
    flaws: dict[int, str] = {}
    if name is not None:
        tagged = name in TAGS
        ways = scheme or (conll.scheme_of(_all_tags(columns[name])) if tagged else "bio")
        for row in range(len(table)):
            cells = {key: column[row] for key, column in columns.items()}
            if row in table.bad or missing(cells[name]) or cells.get("answer") in ("reject", "ignore"):
                continue
            try:
                found[row] = _answer(cells, name, text, tagged, ways)
            except BadInput as error:
                flaws[row] = f"an answer that cannot be used: {error}"
    columns[SPANS] = found
    notes = [*table.notes, *_notes(found, name, columns)]
    return Table(
        columns, table.bad, table.lines, notes, table.raw, table.fill_ids, {**table.flaws, SPANS: flaws}, (text,),
        table.first, {**table.read_as, "marked": name},
    )  # fmt: skip


def _holds_answers(cells: Sequence[Any], tagged: bool) -> bool:
    """Whether a column holds lists of tags or of spans, or written ones; names, and lists of them, are something else.

    Args:
        cells: Of the column.
        tagged: Whether it is one of `TAGS`.
    """
    held = [cell for cell in cells if isinstance(cell, list) or (isinstance(cell, str) and cell[:2] in ("[[", "[]"))]
    return any(tagged or not cell or cell[:2] == "[[" or isinstance(cell[0], list | dict) for cell in held)


def _notes(found: Sequence[str | None], name: str | None, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    if name is None:
        return []
    empty = sum(one == spans.NONE for one in found)
    left = sum(cell in ("reject", "ignore") for cell in columns.get("answer", ()))
    said = [f"The spans are taken from column {name!r}."]
    if empty:
        said.append(
            f"In {empty:,} rows nothing is marked, which is taken for an answer. If nobody has looked at them, leave "
            f"the list in {name!r} out there."
        )
    return said + ([f"{left:,} rows were rejected or ignored in Prodigy: they are open."] if left else [])


def _joined(cell: Any) -> str | None:
    words = _words(cell)
    return None if words is None else spans.join(words)[0]


def _words(cell: Any) -> list[str] | None:
    """Tokens as texts: a list of them, or of Prodigy's objects."""
    if not isinstance(cell, list):
        return None
    found = [part.get("text") if isinstance(part, dict) else part for part in cell]
    words = [word for word in found if isinstance(word, str)]
    return words if words and len(words) == len(found) else None


def _all_tags(cells: Sequence[Any]) -> list[str]:
    return [tag for cell in cells if isinstance(cell, list) for tag in cell if isinstance(tag, str)]


def _answer(cells: Mapping[str, Any], name: str, text: str, tagged: bool, scheme: str) -> str:
    content, raw = cells[text], cells[name]
    if not isinstance(content, str):
        raise BadInput("there is no text that it could be about.")
    if not tagged:
        return spans.read([_offsets(part) for part in raw] if isinstance(raw, list) else raw, content)
    words = _words(cells.get(TOKENS))
    if words is None or not isinstance(raw, list):
        raise BadInput(f"tags need a list of {TOKENS!r} beside them.")
    if not all(isinstance(tag, str) for tag in raw):
        raise BadInput("its tags are numbers; write their names, as in 'B-PER', instead.")
    return spans.read(spans.from_tags(conll.usual(raw, scheme), _places(words, content)), content)


def _places(words: Sequence[str], text: str) -> list[spans.Token]:
    """Where tokens lie in a text, one after the other."""
    found, at = [], 0
    for word in words:
        start = text.find(word, at)
        if start < 0 or not word:
            raise BadInput(f"its token {word[:40]!r} is not found in its text.")
        at = start + len(word)
        found.append(spans.Token(start, at))
    return found


def _offsets(part: Any) -> Any:
    """A span as we read it, from doccano's names for its ends."""
    if isinstance(part, dict) and "start_offset" in part:
        return [part.get("start_offset"), part.get("end_offset"), part.get("label")]
    return part


def as_doccano(text: str, written: str) -> dict[str, Any]:
    """A row as doccano imports it: `label` holds [start, end, label] in characters."""
    return {TEXT: text, "label": [list(span) for span in spans.parse(written)]}


def as_prodigy(text: str, written: str, given: Sequence[str] | None = None) -> dict[str, Any]:
    """A row as Prodigy's `db-in` takes it: `tokens`, and `spans` with the numbers of their tokens (last included).

    Args:
        text: The text.
        written: Its answer.
        given: Tokens that it came with; see `conll.words_of`.
    """
    answer = spans.parse(written)
    words, at = conll.words_of(text, answer, given)
    starts, ends = {t.start: n for n, t in enumerate(at)}, {t.end: n for n, t in enumerate(at)}
    return {
        TEXT: text,
        TOKENS: [
            {"text": word, "start": token.start, "end": token.end, "id": number,
             "ws": text[token.end : token.end + 1] == " "}
            for number, (word, token) in enumerate(zip(words, at, strict=True))
        ],
        "spans": [_with_tokens(span, starts, ends) for span in answer],
        "answer": "accept",
    }  # fmt: skip


def _with_tokens(span: Span, starts: Mapping[int, int], ends: Mapping[int, int]) -> dict[str, Any]:
    return {**span._asdict(), "token_start": starts[span.start], "token_end": ends[span.end]}
