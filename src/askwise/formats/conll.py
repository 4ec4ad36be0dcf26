"""Sentences with tags, one token a line and a blank line between sentences, as in CoNLL 2003."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO

from askwise import spans
from askwise.budget import check_cells
from askwise.core import BadInput, unknown
from askwise.formats.table import Table
from askwise.formats.text import Lines
from askwise.spans import Span, Token

SCHEMES = ("bio", "bioes", "io")
"""bio: also IOB1 and files that begin spans with I-. bioes: also BILOU and BMES. io: I-label, or the bare label."""
_ENDS = "ELSU"
_KINDS = "BIESLUM"
_USUAL = {"S": "B", "U": "B", "E": "I", "L": "I", "M": "I"}
TEXT, SPANS, TOKENS = "text", "spans", "tokens"
"""The columns of the table: the tokens joined by blanks, the written answer, the tokens as they stand."""


@dataclass
class _Sentence:
    line: int
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    wrong: str | None = None
    raw: list[str] = field(default_factory=list)


def read_conll(lines: Lines, scheme: str | None = None) -> Table:
    """The sentences of a file with one token a line: the token first, its tag last, anything between.

    Columns are divided by tabs, or by blanks in a line that has no tab. Lines that begin with "# " before the first
    token of a sentence are comments unless they end with a tag, and -DOCSTART- is left out.

    Args:
        lines: Of the file.
        scheme: One of `SCHEMES`; None = by the tags that occur.

    Returns:
        A table with the columns `TEXT`, `SPANS` (written) and `TOKENS`, one row a sentence; a sentence with a bad line
        is a bad row.

    Raises:
        BadInput: No sentence at all, or an unknown scheme.
    """
    if scheme is not None and scheme not in SCHEMES:
        raise unknown("scheme", scheme, SCHEMES)
    sentences = list(_sentences(lines))
    if not any(one.words for one in sentences):
        first = f" Line {sentences[0].line} {sentences[0].wrong}." if sentences else ""
        raise BadInput(
            f"{lines.name!r} holds no sentence with tags.{first} A line is a token and its tag, as in 'Paris B-LOC'; "
            "an empty line ends the sentence."
        )
    found = scheme or scheme_of(tag for one in sentences for tag in one.tags)
    table = Table({TEXT: [], SPANS: [], TOKENS: []}, lines=array("q", [one.line for one in sentences]))
    for row, one in enumerate(sentences):
        check_cells(row + 1, 3, lines.name)
        text, at = spans.join(one.words)
        answer = None
        if one.wrong is None:
            try:
                answer = spans.read(spans.from_tags(usual(one.tags, found), at), text)
            except BadInput as error:
                one.wrong = f"has tags that cannot be used: {error}"
        if one.wrong is not None:
            table.bad[row], table.raw[row] = one.wrong, " ".join(one.raw)
        bad = one.wrong is not None
        for name, cell in ((TEXT, text), (SPANS, answer), (TOKENS, one.words)):
            table.columns[name].append(None if bad else cell)
    table.texts = (TEXT,)
    table.read_as |= {"scheme": found, "marked": SPANS}
    table.notes.append(_said(found))
    return table


def _said(found: str) -> str:
    what = {
        "bio": "BIO: B- begins a span, I- goes on with it, and one that goes on with nothing begins",
        "bioes": "BIOES: B- begins, I- goes on, E- ends, S- is a span of one token",
        "io": "IO: tokens of one label in a row are one span",
    }[found]
    return f"The tags are read as {what}."


def _sentences(lines: Lines) -> Iterable[_Sentence]:
    open_: _Sentence | None = None
    for number, line, damage in lines:
        line = line.rstrip("\r\n")
        if damage is None and not line.strip():
            if open_ is not None:
                yield open_
            open_ = None
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        cells = [cell.strip() for cell in cells]
        if open_ is None and damage is None and (line.startswith("# ") and not _tag(cells[-1])):
            continue
        if damage is None and cells[0] == "-DOCSTART-":
            continue
        open_ = open_ or _Sentence(number)
        open_.raw.append(line)
        wrong = damage or _wrong(cells)
        if wrong is None:
            open_.words.append(cells[0])
            open_.tags.append(cells[-1])
        elif open_.wrong is None:
            at = "" if number == open_.line else f"in line {number} "
            open_.wrong = f"{at}{wrong}"
    if open_ is not None:
        yield open_


def _wrong(cells: Sequence[str]) -> str | None:
    if len(cells) < 2:
        return f"holds one column ({cells[0][:40]!r}); a token and its tag are needed"
    if not cells[0]:
        return "holds a tag without a token"
    return None if cells[-1] else f"holds no tag for the token {cells[0][:40]!r}"


def _tag(cell: str) -> bool:
    return cell == spans.OUTSIDE or (len(cell) > 2 and cell[0] in _KINDS and cell[1] == "-")


def scheme_of(tags: Iterable[str]) -> str:
    """Which of `SCHEMES` tags are written in, by the kinds that occur: any of E, L, S, U, M; else any B; else io.

    Where no tag has a kind before a hyphen, they are bare labels: io.
    """
    seen = set(tags) - {spans.OUTSIDE}
    kinds = {tag[0] for tag in seen if _tag(tag)}
    return "bioes" if kinds & set("ELSUM") else "bio" if "B" in kinds or not seen else "io"


def usual(tags: Sequence[str], scheme: str) -> list[str]:
    """The tags of a sentence as BIO.

    Raises:
        BadInput: A tag that the scheme does not know.
    """
    found = []
    ended = False
    for tag in tags:
        if scheme == "io" and not _tag(tag):
            tag = f"I-{tag}"
        kind, label = spans.split_tag(tag, _KINDS if scheme == "bioes" else "BI")
        if kind == spans.OUTSIDE:
            found.append(kind)
        else:
            begins = kind in "BSU" or (ended and scheme == "bioes")
            found.append(f"{'B' if begins and scheme != 'io' else 'I'}-{label}")
        ended = kind in _ENDS
    return found


def from_bio(tags: Sequence[str], scheme: str) -> list[str]:
    """BIO tags of a sentence in one of `SCHEMES`; io cannot tell apart spans of one label that touch.

    Raises:
        BadInput: An unknown scheme.
    """
    if scheme not in SCHEMES:
        raise unknown("scheme", scheme, SCHEMES)
    if scheme == "bio":
        return list(tags)
    if scheme == "io":
        return [tag if tag == spans.OUTSIDE else f"I-{tag[2:]}" for tag in tags]
    found = []
    for at, tag in enumerate(tags):
        goes_on = at + 1 < len(tags) and tags[at + 1] == f"I-{tag[2:]}"
        single = {"B": "B" if goes_on else "S", "I": "I" if goes_on else "E"}
        found.append(tag if tag == spans.OUTSIDE else f"{single[tag[0]]}-{tag[2:]}")
    return found


def words_of(text: str, answer: Sequence[Span], given: Sequence[str] | None = None) -> tuple[list[str], list[Token]]:
    """The tokens of a text that its answer can be said with, and where they lie.

    Args:
        text: The text.
        answer: Its spans.
        given: Tokens that it came with; they are used if it is made of them and no span divides one.
    """
    if given and all(isinstance(word, str) for word in given):
        joined, at = spans.join(given)
        starts, ends = {token.start for token in at}, {token.end for token in at}
        if joined == text and all(span.start in starts and span.end in ends for span in answer):
            return list(given), at
    at = spans.tokens(text)
    return [text[start:end] for start, end in at], at


def write_conll(
    file: IO[str],
    rows: Iterable[tuple[str, str, Sequence[str] | None]],
    *,
    scheme: str = "bio",
) -> int:
    """Write sentences, a token, a tab and its tag a line; returns how many.

    Args:
        file: Text stream.
        rows: (text, written answer, the tokens it came with or None); texts without tokens are left out.
        scheme: One of `SCHEMES`.

    Raises:
        BadInput: An unknown scheme, or a label that holds a tab or a line break.
    """
    count = 0
    for text, written, given in rows:
        answer = spans.parse(written)
        words, at = words_of(text, answer, given)
        if not words:
            continue
        for word, tag in zip(words, from_bio(spans.to_tags(answer, at), scheme), strict=True):
            if any(sign in word + tag for sign in "\t\r\n"):
                raise BadInput(f"The token {word[:40]!r} with the tag {tag[:40]!r} cannot be written as a line.")
            file.write(f"{word}\t{tag}\n")
        file.write("\n")
        count += 1
    return count
