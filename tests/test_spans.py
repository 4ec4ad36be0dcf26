"""Spans: tokens, tags and the written answer, against slow references."""

from __future__ import annotations

import itertools
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import spans
from askwise.core import BadInput
from askwise.spans import Span, Token

LABELS = ["LOC", "ORG", "B-x", "per son"]
TEXT = "Ada Lovelace met 😀 Babbage in 東京, on 3 May."


def pieces(text: str) -> list[str]:
    return [text[start:end] for start, end in spans.tokens(text)]


def slow_tokens(text: str) -> list[tuple[int, int]]:
    """Sign by sign, for texts of letters, marks, punctuation, Han and blanks: no emoji that are joined."""
    found: list[list[int]] = []
    word = False
    for at, sign in enumerate(text):
        category = unicodedata.category(sign)
        if sign.isspace():
            word = False
        elif (category[0] == "M" or category in ("Cf", "Cc")) and found and found[-1][1] == at:
            found[-1][1] = at + 1
        elif category in ("Cf", "Cc"):
            word = False
        else:
            letter = (sign.isalnum() or sign == "_") and not "一" <= sign <= "鿿"
            if letter and word and found[-1][1] == at:
                found[-1][1] = at + 1
            else:
                found.append([at, at + 1])
            word = letter
    return [(start, end) for start, end in found]


@given(st.text(st.sampled_from("abZé9_ \t\n.,-'’°東京\u0301\u093e\u00ad\u200c\u200eßж१"), max_size=30))
def test_tokens_are_those_of_the_slow_reference(text: str) -> None:
    assert [tuple(token) for token in spans.tokens(text)] == slow_tokens(text)


@given(st.text(max_size=60))
def test_tokens_of_any_text_ascend_and_hold_all_that_can_be_seen(text: str) -> None:
    at = spans.tokens(text)
    assert all(0 <= token.start < token.end <= len(text) for token in at)
    assert all(one.end <= other.start for one, other in itertools.pairwise(at))
    covered = {place for token in at for place in range(*token)}
    for place, sign in enumerate(text):
        if place not in covered:
            assert sign.isspace() or unicodedata.category(sign) in ("Cf", "Cc", "Cs"), repr(sign)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("3.5km @us_er", ["3", ".", "5km", "@", "us_er"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("서울에서", ["서", "울", "에", "서"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("👨‍👩‍👧 👍🏽🇩🇪🇫🇷 ❤️x", ["👨‍👩‍👧", "👍🏽", "🇩🇪", "🇫🇷", "❤️", "x"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("\ufeff \n", []),
        ("", []),
    ],
    ids=["punctuation", "digits", "han", "korean", "hindi", "persian", "emoji", "marks", "unseen", "empty"],
)
def test_tokens(text: str, wanted: list[str]) -> None:
    assert pieces(text) == wanted


@st.composite
def marked(draw: st.DrawFn) -> tuple[list[Token], list[Span]]:
    """Some tokens and spans on them."""
    _, at = spans.join(draw(st.lists(st.text("abc", min_size=1, max_size=4), max_size=12)))
    found, place = [], 0
    while place < len(at):
        place += draw(st.integers(0, 2))
        last = place + draw(st.integers(0, 3))
        if last < len(at):
            found.append(Span(at[place].start, at[last].end, draw(st.sampled_from(LABELS))))
        place = last + 1
    return at, found


@given(marked())
def test_tags_and_spans_are_inverse(case: tuple[list[Token], list[Span]]) -> None:
    at, found = case
    tags = spans.to_tags(found, at)
    assert list(spans.from_tags(tags, at)) == found
    assert spans.to_tags(spans.from_tags(tags, at), at) == tags
    assert spans.parse(spans.write(reversed(found))) == tuple(found)


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), max_size=12))
def test_any_bio_tags_say_the_spans_of_the_slow_reference(tags: list[str]) -> None:
    _, at = spans.join(["w"] * len(tags))
    wanted = []
    for number, tag in enumerate(tags):
        before = tags[number - 1] if number else "O"
        if tag != "O" and (tag[0] == "B" or before[2:] != tag[2:]):
            last = number
            while last + 1 < len(tags) and tags[last + 1] == f"I-{tag[2:]}":
                last += 1
            wanted.append(Span(at[number].start, at[last].end, tag[2:]))
    assert list(spans.from_tags(tags, at)) == wanted


def test_tags_that_are_none_are_refused() -> None:
    at = [Token(0, 1)]
    for tag in ("X-a", "B", "B-", "", "o", "BI-a"):
        with pytest.raises(BadInput, match="is no tag"):
            spans.from_tags([tag], at)
    with pytest.raises(BadInput, match="2 tags for 1 token"):
        spans.from_tags(["O", "O"], at)
    with pytest.raises(BadInput, match="begin and end with a token"):
        spans.to_tags([Span(0, 2, "a")], [Token(0, 3)])


def test_equal_answers_are_equal_texts() -> None:
    wanted = '[[0,12,"PER"],[19,26,"PER"],[30,32,"LOC"]]'
    forms = [
        wanted,
        ' [[30, 32, "LOC"], [0, 12.0, "PER"], [19,26,"PER"], [0,12,"PER"]] ',
        [(30, 32, "LOC"), (19, 27, " PER "), (0, 13, "PER")],
        [{"start": 19, "end": 26, "label": "PER", "token_start": 3}, {"start": 0, "end": 12, "label": "PER"},
         Span(30, 32, "LOC")],
    ]  # fmt: skip
    assert [spans.read(form, TEXT, ["PER", "LOC"]) for form in forms] == [wanted] * 4
    assert spans.read("[]", TEXT) == spans.NONE == spans.read((), "")
    assert TEXT[19:26] == "Babbage"
    assert "\n" not in wanted
    assert json.loads(wanted)[2] == [30, 32, "LOC"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("PER", "no list of spans"),
        ("{}", "no list of spans"),
        ("[" * 9999, "no list of spans"),
        (7, "no list of spans"),
        (None, "no list of spans"),
        ([[0, 3]], "no span"),
        ([[0, 3, None]], "no span"),
        ([[0.5, 3, "PER"]], "no span"),
        ([[True, 3, "PER"]], "no span"),
        ("[[0, Infinity, \"PER\"]]", "no span"),
        ([{"start": 0, "end": 3}], "no span"),
        ([[0, 3, " "]], "no label"),
        ([[0, 3, "a\nb"]], "control character"),
        ([[0, 3, "PERS"]], "Did you mean 'PER'"),
        ([[-1, 3, "PER"]], "does not lie in its text"),
        ([[3, 3, "PER"]], "does not lie in its text"),
        ([[4, 99, "PER"]], "UTF-16"),
        ([[3, 4, "PER"]], "nothing that can be seen"),
        ([[0, 2, "PER"]], r"'Ad' in 'Ada'. The nearest that fits is \[0, 3, 'PER'\]"),
        ([[0, 12, "PER"], [4, 12, "LOC"]], "overlap"),
        ([[0, 3, "PER"], [0, 3, "LOC"]], "overlap"),
    ],
    ids=range(21),
)  # fmt: skip
def test_what_is_no_answer_is_refused_in_a_sentence(raw: object, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        spans.read(raw, TEXT, ["PER", "LOC"])


@given(marked())
def test_what_is_written_is_read_as_itself(case: tuple[list[Token], list[Span]]) -> None:
    at, found = case
    text = " ".join("x" * (token.end - token.start) for token in at)
    assert spans.read(spans.write(found), text) == spans.write(found)


def test_tokens_of_a_file_are_bounds_of_ours_too() -> None:
    text, at = spans.join(["U.S.", "don't", "東京", "😀"])
    assert text == "U.S. don't 東京 😀"
    starts, ends = {t.start for t in spans.tokens(text)}, {t.end for t in spans.tokens(text)}
    assert all(token.start in starts and token.end in ends for token in at)
