"""Spans: entities in a text as offsets, as tags of its tokens, and as the one line that is an answer."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from askwise.core import BadInput, unknown
from askwise.values import label_name, why_no_label

NONE = "[]"
"""The empty answer: somebody looked, and there is nothing to mark."""
OUTSIDE = "O"
"""The tag of a token that belongs to no span."""
SHOWN = 40
"""Characters of a text that a message repeats."""


class Span(NamedTuple):
    """A piece of a text with a label. Offsets count characters (code points), as Python's strings do, `end` excluded.

    JavaScript counts UTF-16 units, in which an emoji is two: pages convert, nothing else in the project does.
    """

    start: int
    end: int
    label: str


class Token(NamedTuple):
    """Where a token begins and ends in its text, in characters, `end` excluded."""

    start: int
    end: int


# ── tokens ──────────────────────────────────────────────────────────────────────────────────

_BY_CHARACTER = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46"  # Thai
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6"  # Lao
    "\u1000-\u102a\u1780-\u17b3"  # Burmese, Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"  # Chinese, Japanese
    "\uac00-\ud7a3"  # Korean
)
"""Letters of scripts that put no blanks between words, or particles behind them without one (Korean)."""
_FLAG = "[\U0001f1e6-\U0001f1ff]"
_SKIN = "\U0001f3fb-\U0001f3ff"


@cache
def _pattern() -> re.Pattern[str]:
    """What one token is. Python's word signs are no marks, and without them words of many scripts would fall apart."""
    signs = list(map(chr, (*range(0x20000), *range(0xE0000, 0xE0200))))  # no marks lie elsewhere
    marks = _ranges(sign for sign in signs if unicodedata.category(sign)[0] == "M")
    unseen = _ranges(sign for sign in signs if unicodedata.category(sign) in ("Cf", "Cc", "Cs") and not sign.isspace())
    behind = f"[{marks}{unseen}{_SKIN}]*"
    sign = f"[^\\s{unseen}]{behind}"
    return re.compile(
        f"[{_BY_CHARACTER}]{behind}"
        f"|(?:(?![{_BY_CHARACTER}])\\w{behind})+"
        f"|{_FLAG}{_FLAG}"
        f"|{sign}(?:(?<=\u200d){sign})*"  # pictures that are joined to one, such as a family
    )


def _ranges(signs: Iterable[str]) -> str:
    """The signs, which ascend, as the inside of a character class."""
    found: list[list[str]] = []
    for sign in signs:
        if found and ord(found[-1][1]) + 1 == ord(sign):
            found[-1][1] = sign
        else:
            found.append([sign, sign])
    return "".join(f"{re.escape(first)}-{re.escape(last)}" for first, last in found)


def tokens(text: str) -> list[Token]:
    """The tokens of a text, in order: words, and each other visible sign by itself.

    A word is a run of letters, digits and underscores with their marks, in any script; of Chinese, Japanese, Korean,
    Thai, Lao, Burmese and Khmer each character is a token, since blanks do not divide their words. A flag or an emoji
    made of several is one sign. Blanks, and signs that cannot be seen unless they follow a token, belong to none. The
    text stays as it is. The same text has the same tokens everywhere; only signs that Unicode has added since a
    version of Python was made may be divided otherwise by it.
    """
    return [Token(*match.span()) for match in _pattern().finditer(text)]


def join(words: Sequence[str]) -> tuple[str, list[Token]]:
    """A text made of tokens with one blank between them, and where each of them lies in it."""
    found, at = [], 0
    for word in words:
        found.append(Token(at, at + len(word)))
        at += len(word) + 1
    return " ".join(words), found


# ── tags ────────────────────────────────────────────────────────────────────────────────────


def to_tags(spans: Iterable[Span], at: Sequence[Token]) -> list[str]:
    """A BIO tag for each token: B- begins a span, I- goes on with it (Ramshaw & Marcus, 1995; the variant IOB2).

    Args:
        spans: Not overlapping, on the bounds of the tokens.
        at: The tokens, ascending.

    Raises:
        BadInput: A span that begins or ends within a token or between tokens.
    """
    starts = {token.start: number for number, token in enumerate(at)}
    ends = {token.end: number for number, token in enumerate(at)}
    tags = [OUTSIDE] * len(at)
    for span in spans:
        first, last = starts.get(span.start), ends.get(span.end)
        if first is None or last is None or last < first:
            raise BadInput(f"The span {list(span)} does not begin and end with a token.")
        tags[first : last + 1] = [f"B-{span.label}"] + [f"I-{span.label}"] * (last - first)
    return tags


def from_tags(tags: Sequence[str], at: Sequence[Token]) -> tuple[Span, ...]:
    """The spans that BIO tags say; an I- that continues nothing begins a span, as in the script of CoNLL 2000.

    Args:
        tags: One for each token: O, B-label or I-label.
        at: The tokens, ascending.

    Raises:
        BadInput: Another number of tags, or other ones.
    """
    if len(tags) != len(at):
        raise BadInput(f"Each token needs one tag; got {len(tags)} tags for {len(at)} tokens.")
    found: list[Span] = []
    open_ = None
    for tag, token in zip(tags, at, strict=True):
        kind, label = split_tag(tag)
        if kind == "I" and label == open_:
            found[-1] = found[-1]._replace(end=token.end)
        elif kind != OUTSIDE:
            found.append(Span(token.start, token.end, label))
        open_ = label if kind != OUTSIDE else None
    return tuple(found)


def split_tag(tag: str, kinds: str = "BI") -> tuple[str, str]:
    """("B", "PER") of "B-PER", ("O", "") of "O".

    Raises:
        BadInput: Neither O nor one of `kinds`, a hyphen and a label.
    """
    kind, hyphen, label = tag.partition("-")
    if tag == OUTSIDE:
        return OUTSIDE, ""
    if len(kind) != 1 or kind not in kinds or not hyphen or not label:
        shown = ", ".join(f"{kind}-label" for kind in kinds)
        raise BadInput(f"{tag[:SHOWN]!r} is no tag. Tags are O, {shown}.")
    return kind, label


# ── the written answer ──────────────────────────────────────────────────────────────────────


def write(spans: Iterable[Span]) -> str:
    """The answer as one line of JSON: `[[0,5,"PER"],[9,12,"ORG"]]`, ascending, without blanks; equal = equal text."""
    return json.dumps(sorted(set(spans)), ensure_ascii=False, separators=(",", ":"))


def parse(written: str) -> tuple[Span, ...]:
    """The spans of an answer that `write` wrote; nothing is checked but its form.

    Raises:
        BadInput: It is no list of [start, end, label].
    """
    try:
        return _parts(json.loads(written))
    except (ValueError, RecursionError):
        raise BadInput(f"{_cut(written)!r} is no list of spans. {_FORM}") from None


_FORM = 'Spans are written [[start, end, "label"], …] in characters from 0, end excluded; [] marks nothing.'


def read(
    raw: Any, text: str, labels: Sequence[str] | None = None, *, spelled: Callable[[str], str] | None = None
) -> str:
    """Any form of an answer about a text, checked, as `write` writes it.

    Blanks and invisible signs at the ends of a span are cut off. A span that then begins or ends inside a token is
    refused, not moved: to move it would put words into the mouth of who marked it, and would make answers equal that
    were not.

    Args:
        raw: Written, or a list of [start, end, label], of `Span`, or of objects with `start`, `end` and `label`.
        text: What it is about.
        labels: The labels there are; None = any.
        spelled: Gives the spelling of a label that counts, see `values.Spelling`; None = as it is.

    Raises:
        BadInput: Another form, a span outside the text, empty, within a token or over another, an unknown label.
    """
    spans = parse(raw) if isinstance(raw, str) else _parts(raw)
    at = tokens(text)
    found: set[Span] = set()
    for span in spans:
        name = label_name(span.label)
        if not name:
            raise BadInput(f"The span {list(span[:2])} has a label {why_no_label(span.label)}." if name is None else
                           f"The span {list(span[:2])} has no label. {_FORM}")  # fmt: skip
        name = spelled(name) if spelled else name
        if labels is not None and name not in labels:
            raise unknown("label", name, labels)
        found.add(_fitted(Span(span.start, span.end, name), text, at))
    ordered = sorted(found)
    for one, other in pairwise(ordered):
        if other.start < one.end:
            raise BadInput(
                f"The spans {list(one)} and {list(other)} of {_cut(text)!r} overlap. A piece of a text has one label: "
                "keep one of them, or make them end where the next begins."
            )
    return write(ordered)


def _parts(value: Any) -> tuple[Span, ...]:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | dict):
        raise BadInput(f"{_cut(value)} is no list of spans. {_FORM}")
    found = []
    for part in value:
        whole = [part.get(key) for key in Span._fields] if isinstance(part, dict) else part
        if not isinstance(whole, list | tuple) or len(whole) != 3:
            raise BadInput(f"{_cut(part)} is no span. {_FORM}")
        start, end, label = whole
        if not _whole(start) or not _whole(end) or not isinstance(label, str):
            raise BadInput(f"{_cut(part)} is no span. {_FORM}")
        found.append(Span(int(start), int(end), label))
    return tuple(found)


def _whole(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def _fitted(span: Span, text: str, at: Sequence[Token]) -> Span:
    if not 0 <= span.start < span.end <= len(text):
        raise BadInput(
            f"The span {list(span)} does not lie in its text, which has {len(text)} characters from 0, end excluded. "
            "Offsets count characters, not bytes and not UTF-16 units (in which an emoji is two)."
        )
    inside = [token for token in at if token.end > span.start and token.start < span.end]
    if not inside:
        raise BadInput(f"The span {list(span)} of {_cut(text)!r} holds nothing that can be seen.")
    whole = span._replace(start=inside[0].start, end=inside[-1].end)
    if whole.start < span.start or whole.end > span.end:
        raise BadInput(
            f"The span {list(span)} ends within a word: {text[span.start : span.end][:SHOWN]!r} in "
            f"{text[whole.start : whole.end][:SHOWN]!r}. The nearest that fits is {list(whole)}."
        )
    return whole


def _cut(value: object) -> str:
    shown = value if isinstance(value, str) else repr(value)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
