"""Spans on the labeling page in a real Chromium: by keyboard, mouse and touch."""

from __future__ import annotations

import json
import random
import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from askwise import spans
from askwise.app.server import create_app
from askwise.session import Session
from help.hands import press, settled, until

pytest.importorskip("pycrfsuite", reason="python-crfsuite is not installed: pip install 'askwise[spans]'")

TOKEN = "a-token-of-some-length"
PEOPLE = ["Ada Lovelace", "Bob", "Grace Hopper", "李明"]
PLACES = ["Paris", "New York", "São Paulo", "東京"]


def sentences(n: int) -> dict[str, list[list[Any]]]:
    """Text → spans; with emoji before some, so that characters are not units of JavaScript."""
    rng, found = random.Random(3), {}
    while len(found) < n:
        who, where = rng.choice(PEOPLE), rng.choice(PLACES)
        text = f"{rng.choice(['😀 ', '', '👨‍👩‍👧 🇩🇪 '])}{who} was in {where} {rng.randrange(900)}"
        place = text.index(where)
        found[text] = [
            [text.index(who), text.index(who) + len(who), "PER"], [place, place + len(where), "LOC"]
        ]  # fmt: skip
    return found


@pytest.fixture
def serve(run: Any) -> Iterator[Callable[..., Any]]:
    opened: list[Session] = []

    def start(items: list[str], **more: Any) -> Any:
        settings = {"classes": ["PER", "LOC"], "task": "spans", "encoder": "tfidf", "title": "Names"} | more
        session = Session(items, **settings)
        opened.append(session)
        served = run(create_app(session, token=TOKEN))
        served.session = session
        return served

    yield start
    for session in opened:
        session.close()


@pytest.fixture
def visit(new_page: Any) -> Callable[..., Any]:
    def open_page(served: Any, **settings: Any) -> Any:
        page = new_page(served.url, **settings)
        page.goto(f"{served.url}?token={TOKEN}")
        page.wait_for_selector(".spans .word")
        return page

    return open_page


def answers(session: Session) -> dict[str, str]:
    return {session.pool.contents[row]: answer.label for row, answer in session.answers().items()}


def saved(session: Session, n: int) -> None:
    deadline = time.monotonic() + 10
    while session.counts()["labeled"] < n:
        assert time.monotonic() < deadline, session.counts()
        time.sleep(0.02)


def marked(page: Any, kind: str = "mark") -> list[list[str]]:
    return page.eval_on_selector_all(f".spans .{kind}", "all => all.map(n => [n.textContent, n.dataset.label])")


def select(page: Any, first: int, last: int) -> None:
    """Select tokens with the keyboard, from wherever the selection is."""
    page.keyboard.press("Home")
    for _ in range(first):
        page.keyboard.press("ArrowRight")
    for _ in range(last - first):
        page.keyboard.press("Shift+ArrowRight")


def on_tokens(text: str, wanted: list[list[Any]]) -> list[tuple[int, int, str]]:
    at = spans.tokens(text)
    starts, ends = [token.start for token in at], [token.end for token in at]
    return [(starts.index(start), ends.index(end), label) for start, end, label in wanted]


def test_a_whole_project_by_keyboard(serve: Any, visit: Any) -> None:
    truth = sentences(14)
    served = serve(list(truth))
    page = visit(served)
    for n in range(14):
        text = page.text_content("#text")
        assert text in truth
        # Later ones come suggested: what is there is taken over with one key, and only what is wrong is marked anew.
        if page.is_visible("#b-accept"):
            page.keyboard.press("p")
        have = sorted(map(tuple, marked(page)))
        want = sorted((text[start:end], label) for start, end, label in truth[text])
        if have != want:
            for _ in have:  # take off what is wrong
                page.keyboard.press("Home")
                while page.is_disabled("#b-clear"):
                    page.keyboard.press("ArrowRight")
                page.keyboard.press("Delete")
            for first, last, label in reversed(on_tokens(text, truth[text])):
                select(page, first, last)
                page.keyboard.press("1" if label == "PER" else "2")
        settled(page)
        page.keyboard.press("Enter")
        saved(served.session, n + 1)
        if n < 13:
            page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=text)
    page.wait_for_selector("text=All done")
    assert answers(served.session) == {
        text: spans.write(spans.Span(*one) for one in found) for text, found in truth.items()
    }


def test_the_tokens_of_the_page_are_those_of_the_server(serve: Any, visit: Any) -> None:
    page = visit(serve(["one two"]))
    rng = random.Random(0)
    signs = "aZé9_ \t\n.,-'’°東京ー서\u0301\u093e\u00ad\u200c\u200d\u200e\ufeffßж१😀👍🏽🇩🇪👨❤️"
    signs += "\u0e01\u0e31\u0e2d\u1780\x1c\x85\u3000"
    texts = ["".join(rng.choices(signs, k=rng.randrange(1, 14))) for _ in range(1500)]
    # Signs that this Python does not know yet may be marks to a newer browser.
    known = [chr(n) for n in (*range(0x20, 0xD7FF), *range(0x10000, 0x1FAFF)) if unicodedata.category(chr(n)) != "Cn"]
    texts += ["".join(rng.choices(known, k=8)) for _ in range(3000)]
    module = "/static/any/lib/spans.js"
    found = page.evaluate(
        f"async (texts) => {{ const m = await import('{module}'); return texts.map((t) => m.tokens(t)); }}", texts
    )
    for text, at in zip(texts, found, strict=True):
        assert [(start, end) for _, _, start, end in at] == [tuple(token) for token in spans.tokens(text)], repr(text)
        units = text.encode("utf-16-le", "surrogatepass")
        for first, last, start, end in at:
            assert units[2 * first : 2 * last].decode("utf-16-le") == text[start:end]


def test_mouse_marks_changes_and_takes_off(serve: Any, visit: Any) -> None:
    served = serve(["😀 Ada Lovelace was in Paris today", "zzz"])
    page = visit(served)
    if page.text_content("#text") == "zzz":
        press(page, "x")
    word = lambda n: page.locator(f".word[data-at='{n}']")  # noqa: E731
    word(1).hover()
    page.mouse.down()
    word(2).hover()
    page.mouse.up()
    page.click(".label:has-text('PER')")
    assert marked(page) == [["Ada Lovelace", "PER"]]
    word(5).click()
    page.keyboard.press("1")
    word(5).click()
    page.keyboard.press("2")  # changed
    assert marked(page) == [["Ada Lovelace", "PER"], ["Paris", "LOC"]]
    word(1).click()  # all of its span is selected
    page.click("#b-clear")
    assert marked(page) == [["Paris", "LOC"]]
    word(1).click()
    word(2).click(modifiers=["Shift"])
    page.keyboard.press("1")
    assert page.text_content("#b-submit span") == "Submit 2 spans"
    settled(page)
    page.click("#b-submit")
    until(lambda: '[[2,14,"PER"],[22,27,"LOC"]]' in answers(served.session).values(), page)


def test_touch_takes_the_first_and_the_last_word(serve: Any, visit: Any) -> None:
    served = serve(["Ada Lovelace was in Paris"])
    page = visit(served, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.tap(".word[data-at='0']")
    page.tap(".word[data-at='1']")
    page.tap(".label:has-text('PER')")
    page.tap(".word[data-at='4']")
    page.tap(".label:has-text('LOC')")
    assert marked(page) == [["Ada Lovelace", "PER"], ["Paris", "LOC"]]
    settled(page)
    page.tap("#b-submit")
    saved(served.session, 1)
    assert list(answers(served.session).values()) == ['[[0,12,"PER"],[20,25,"LOC"]]']


def test_suggestions_are_outlines_and_one_key_takes_them(serve: Any, visit: Any) -> None:
    truth = sentences(60)
    served = serve(list(truth), audit_share=0.0)
    for text in list(truth)[:40]:
        served.session.tell(served.session.pool.ids[list(truth).index(text)], truth[text])
    served.session.refresh()
    page = visit(served)
    text = page.text_content("#text")
    assert marked(page) == []
    hints = marked(page, "hint")
    assert hints
    page.keyboard.press("p")
    assert marked(page) == hints
    assert marked(page, "hint") == []
    settled(page)
    page.keyboard.press("Enter")
    until(lambda: text in answers(served.session), page)
    assert [[text[s:e], label] for s, e, label in json.loads(answers(served.session)[text])] == hints


def test_empty_answers_undo_and_looking_back(serve: Any, visit: Any) -> None:
    served = serve(["Ada sang", "Bob sang", "nobody sang"])
    page = visit(served)
    settled(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Mark words, or say that there is nothing to mark")
    first = press(page, "x")
    saved(served.session, 1)
    assert answers(served.session) == {first: "[]"}
    press(page, "Backspace")
    assert page.text_content("#text") == first
    press(page, "1", "Enter")
    saved(served.session, 1)
    assert answers(served.session)[first].endswith('"PER"]]')
    press(page, ",")
    assert [label for _, label in marked(page)] == ["PER"]
    page.keyboard.press("Home")
    page.keyboard.press("2")
    press(page, "Enter")
    until(lambda: answers(served.session)[first].endswith('"LOC"]]'), page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barriers(serve: Any, visit: Any, serious_findings: Any, scheme: str) -> None:
    served = serve(["Ada Lovelace was in Paris with Bob"])
    page = visit(served, color_scheme=scheme)
    select(page, 0, 1)
    page.keyboard.press("1")
    assert serious_findings(page) == []
