"""The page of labels that exist already, in a real Chromium: keys, blind, two tabs, a server that is away, numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from askwise import LabelCheck
from askwise.app.checks.app import create_check_app
from askwise.app.checks.desk import CheckDesk
from askwise.app.projects import Intake, create_new
from help.hands import press, settled, text_of, until

TOKEN = "a-token-of-some-length"
LOOKS = pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])


def made(n: int = 90, *, turned: bool = False, **options: Any) -> LabelCheck:
    """Every fourth label is wrong; what an item is stands in its text."""
    texts = [f"item {i} is {truth(i)}" for i in range(n)]
    labels = [("b" if truth(i) == "a" else "a") if (i % 4 == 0) ^ turned else truth(i) for i in range(n)]
    sure = [((i * 7) % 10) * (1 - 2 * turned) for i in range(n)]
    return LabelCheck(texts, labels, sure, **{"seed": 1, "encoder": False} | options)


def truth(i: int) -> str:
    return "a" if i % 3 else "b"


class Served:
    def __init__(self, check: LabelCheck, running: Any) -> None:
        self.check, self.running = check, running
        self.url: str = running.url

    def again(self) -> None:
        """A server that was started anew."""
        self.running.start(create_check_app(CheckDesk(self.check), token=TOKEN))


@pytest.fixture
def serve(run: Any) -> Iterator[Callable[..., Served]]:
    served: list[Served] = []

    def start(check: LabelCheck | None = None, **options: Any) -> Served:
        check = check or made(**options)
        served.append(Served(check, run(create_check_app(CheckDesk(check), token=TOKEN))))
        return served[-1]

    yield start
    for one in served:
        one.running.stop()
        one.check.close()


@pytest.fixture
def visit(new_page: Any) -> Callable[..., Any]:
    def open_page(served: Served, **settings: Any) -> Any:
        page = new_page(served.url, **settings)
        page.goto(f"{served.url}?token={TOKEN}")
        page.wait_for_selector("#why:not(:empty)")
        return page

    return open_page


def row_of(text: str) -> int:
    return int(text.split()[1])


def key_for(text: str) -> str:
    return {"a": "1", "b": "2"}[text.split()[-1]]


def look(page: Any) -> None:
    """Open the numbers, past what is said before."""
    page.keyboard.press("s")
    page.locator("dialog .primary").click()
    page.wait_for_selector("#quality-says")


def test_one_key_answers_and_the_answer_is_saved_before_the_next_question(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    assert "token" not in page.url
    assert page.evaluate("document.activeElement.id") == "card"
    answers = served.check.state.answers
    rows = []
    for key, label in (("1", "a"), ("2", "b"), ("u", None), ("1", "a")):
        rows.append(row_of(press(page, key)))
        assert answers[rows[-1]] == label
    assert page.text_content("#facts") == "4 of 90 looked at"
    assert page.get_attribute("#progress", "aria-valuetext") == "4 of 90"
    assert page.text_content("#toasts span") == "Answered a"
    assert "Row " in page.text_content("#live")
    put_off = row_of(press(page, " "))
    assert put_off not in answers
    here = text_of(page)
    assert row_of(press(page, "Backspace")) == row_of(here)
    assert row_of(text_of(page)) == rows[-1]
    assert "You answered “a”" in page.text_content("#why")
    assert page.locator("#labels .chosen .name").all_text_contents() == ["a"]
    press(page, "2")
    assert answers[rows[-1]] == "b"
    assert text_of(page) == here
    press(page, "Backspace")
    press(page, "Escape")  # left as it is
    assert answers[rows[-1]] == "b"
    assert all(0.05 < e.data["seconds"] < 30 for e in served.check.store.read() if e.kind == "answered")


def test_a_bounce_or_a_held_key_is_one_answer(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    settled(page)
    page.evaluate(
        """() => { for (const repeat of [false, true, false, true])
        dispatchEvent(new KeyboardEvent("keydown", { key: "1", code: "Digit1", repeat, cancelable: true })) }"""
    )
    page.wait_for_timeout(400)
    assert len(served.check.state.answers) == 1


def test_a_label_that_nobody_has_given_is_added_by_name(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    before = text_of(page)
    settled(page)
    page.keyboard.press("/")
    page.keyboard.type("c & <b>")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=before)
    assert served.check.state.answers == {row_of(before): "c & <b>"}
    assert page.locator("#labels .label:not(.new) .name").all_text_contents() == ["a", "b", "c & <b>"]
    assert row_of(press(page, "3")) in served.check.state.answers
    settled(page)
    page.click("#labels .label >> nth=0")
    until(lambda: len(served.check.state.answers) == 3, page)


def shown(page: Any) -> list[str]:
    """All that a person or a script finds on the page."""
    return [page.evaluate("document.documentElement.outerHTML"), page.title()]


def test_the_page_is_the_same_whatever_the_labels_that_are_checked(serve: Any, visit: Any) -> None:
    """While one is asked nothing on the page, nor in any reply, depends on a guess or on whether an answer agreed."""
    seen: list[list[Any]] = []
    for turned in (False, True):
        served = serve(turned=turned, max_error=0.05)
        page = visit(served)
        replies: list[str] = []
        page.on("response", lambda reply, kept=replies: "/api/" in reply.url and kept.append(reply.text()))
        seen.append([*shown(page)])
        for key in ("1", "2", "1", "u", " ", "2", "Backspace", "1", "Backspace", "2"):
            press(page, key)
            page.wait_for_function("() => !document.querySelector('#labels button:disabled')")
            seen[-1] += shown(page)
        page.keyboard.press("?")
        page.wait_for_selector("dialog .keys")
        seen[-1] += [*shown(page), *replies, str(page.evaluate("JSON.stringify(localStorage)"))]
        seen[-1].append((served.check.status().corrected, served.check.status().confirmed))
    assert seen[0].pop() != seen[1].pop(), "one agreed more often than the other"
    assert seen[0] == seen[1]


def test_two_tabs_share_the_questions_and_a_closed_one_gives_its_own_back(serve: Any, visit: Any) -> None:
    served = serve(n=8)
    one, two = visit(served), visit(served)
    assert text_of(one) != text_of(two)
    asked = [press(page, key_for(text_of(page))) for page in (one, two) * 2]
    held = text_of(two)
    two.close()
    while "item" in text_of(one):
        asked.append(text_of(one))
        settled(one)
        one.keyboard.press(key_for(asked[-1]))
        one.wait_for_function("t => document.getElementById('text').textContent !== t", arg=asked[-1])
    assert held in asked
    assert len(asked) == len(set(asked)) == 8
    assert len([e for e in served.check.store.read() if e.kind == "answered"]) == 8
    one.wait_for_selector("#quality-says")


def test_an_answer_waits_for_a_server_that_is_away_and_is_saved_once(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    press(page, "1")
    question = text_of(page)
    served.running.stop()
    settled(page)
    page.keyboard.press("2")
    page.wait_for_selector("#banner:not([hidden])")
    assert "may not be saved yet, and is sent again" in page.text_content("#banner")
    assert text_of(page) == question, "the next question comes only when it is saved"
    page.keyboard.press("1")  # nothing is to be answered now
    assert served.check.state.answers.keys() != {row_of(question)}
    served.again()
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=question)
    page.wait_for_selector("#banner[hidden]", state="attached")
    assert served.check.state.answers[row_of(question)] == "b"
    assert len(served.check.state.answers) == 2
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    assert text_of(page) != question


def test_the_numbers_come_to_who_asks_and_end_the_way_back(serve: Any, visit: Any) -> None:
    served = serve(n=200)
    served.check.simulate([truth(i) for i in range(200)], most=60)
    page = visit(served)
    assert not page.locator("#numbers *").count()
    press(page, key_for(text_of(page)))
    page.keyboard.press("s")
    page.wait_for_selector("dialog")
    assert "can no longer be changed on this page" in page.text_content("dialog")
    page.keyboard.press("Escape")
    assert page.is_visible("#card")
    assert not page.locator("#numbers *").count()
    look(page)
    assert not page.is_visible("#card"), "no question stands beside numbers"
    good = served.check.quality()
    assert page.text_content("#quality-says") == good.sentence
    assert page.text_content("#stay-says") == served.check.status().sentence
    bar = page.get_attribute("#overall .span-bar >> nth=0", "aria-label")
    assert bar.startswith(f"Accuracy: {round(100 * good.accuracy.estimate)} %, proved ")
    assert page.locator("#classes .span-bar").count() == 6, "precision, recall and F1 of two labels"
    page.locator("#classes summary").first.click()
    assert page.locator("#classes table tbody th").all_text_contents() == ["a", "b"]
    assert page.locator("#shares .span-bar").count() == 2
    before = len(served.check.state.answers)
    page.keyboard.press("1")  # no question, no answer
    with page.expect_download() as loaded:
        page.click("#take a >> nth=0")
    rows = list(csv.DictReader(io.StringIO(loaded.value.path().read_text())))
    assert len(rows) == 200
    assert sum(row["check"] != "open" for row in rows) == before == len(served.check.state.answers)
    page.go_back()
    page.wait_for_selector("#card:visible")
    assert page.locator("[data-act=undo]").is_disabled()
    here = text_of(page)
    settled(page)
    page.keyboard.press("Backspace")
    assert page.text_content("#toasts span") == "There is no answer to go back to."
    assert text_of(page) == here
    press(page, "1")
    assert page.locator("[data-act=undo]").is_enabled()
    page.reload()
    page.wait_for_selector("#why:not(:empty)")


@LOOKS
def test_from_a_limit_to_what_stays_and_on_with_what_is_open(
    serve: Any, visit: Any, serious_findings: Any, width: int, scheme: str
) -> None:
    served = serve(n=160, max_error=0.05)
    page = visit(served, viewport={"width": width, "height": 800}, color_scheme=scheme, has_touch=width < 500)
    assert serious_findings(page) == [], "a question"
    for _ in range(2):
        press(page, key_for(text_of(page)))
    assert serious_findings(page) == [], "answered"
    press(page, "Backspace")
    assert serious_findings(page) == [], "an earlier answer"
    press(page, "Escape")
    page.keyboard.press("?")
    page.wait_for_selector("dialog .keys")
    assert serious_findings(page) == [], "the list of keys"
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.wait_for_selector("dialog")
    assert serious_findings(page) == [], "before a look"
    page.keyboard.press("Enter")
    page.wait_for_selector("#quality-says")
    assert serious_findings(page) == [], "the first numbers"
    page.keyboard.press("s")
    page.wait_for_selector("#card:visible")
    check, told = served.check, [truth(i) for i in range(160)]
    while len(check.queue()) > 1 or check.status().phase != "sweep":  # up to the last question of a block
        row = check.queue()[-1]
        check.tell(row, told[row])
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    while page.is_visible("#card"):
        before = text_of(page)
        settled(page)
        page.keyboard.press(key_for(before))
        page.wait_for_function(
            "t => document.getElementById('text').textContent !== t && !document.querySelector('.spinner')", arg=before
        )
    page.wait_for_selector("#quality-says")
    now = check.status()
    assert now.phase == "done"
    assert page.text_content("#stay-says") == now.sentence
    assert now.open > 0
    page.click("#unsaid summary")
    assert page.locator("#unsaid li").all_text_contents() == list(now.unsaid)
    for foot in page.locator(".figure summary").all():
        foot.click()
    assert serious_findings(page) == [], "all numbers"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"
    page.locator("#next .primary").click()
    page.wait_for_selector("#card:visible")
    assert "left open" in page.text_content("#why")
    press(page, key_for(text_of(page)))
    assert check.status().open == now.open - 1


def test_rows_of_columns_are_shown_and_can_be_scrolled_by_keys(serve: Any, visit: Any, tmp_path: Any) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("what,llm,city\n" + "".join(f"item {i} <i>,a,القاهرة {i}\n" for i in range(30)))
    served = serve(LabelCheck(path, "llm", text=[], encoder=False, seed=1))
    page = visit(served)
    assert page.locator("#text th").all_text_contents() == ["what", "city"]
    assert page.get_attribute("#text", "tabindex") == "0"
    assert "<i>" in page.text_content("#text td >> nth=0")
    assert "llm" not in page.content()


# ── begun from the page of a new project ────────────────────────────────────────────────────


@LOOKS
def test_a_dropped_file_becomes_a_check_by_keyboard(
    run: Any, new_page: Any, serious_findings: Any, tmp_path: Any, width: int, scheme: str
) -> None:
    made_here: list[Any] = []
    intake = Intake(tmp_path)
    running = run(create_new(intake, token=TOKEN, started=lambda one, _: made_here.append(one)))
    page = new_page(running.url, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(f"{running.url}?token={TOKEN}")
    page.wait_for_selector("#b-choose:focus")
    assert not page.is_visible("#given")
    data = "message,llm,sure,team\n" + "".join(f"see you there {i},{'ab'[i % 2]},0.{i},{i % 3}\n" for i in range(40))
    with page.expect_file_chooser() as chooser:
        page.press("#b-choose", "Enter")
    chooser.value.set_files({"name": "mail.csv", "mimeType": "text/csv", "buffer": data.encode()})
    page.wait_for_selector("#given:visible")
    page.focus("#given summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#g-guess:visible")
    assert page.input_value("#g-guess") == "llm", "the column with the fewest values"
    assert page.input_value("#g-text") == "message"
    assert serious_findings(page) == [], "what is what"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"
    page.select_option("#g-confidence", "message")
    page.fill("#g-limit", "much")
    page.press("#g-limit", "Enter")
    page.wait_for_selector("#given-error .error")
    assert "between 0 and 100 %" in page.text_content("#given-error")
    page.fill("#g-limit", "10 %")
    page.press("#g-limit", "Enter")
    page.wait_for_selector("#given-error :text('A confidence is a number')")
    assert serious_findings(page) == [], "an error"
    page.select_option("#g-confidence", "sure")
    page.select_option("#g-by", "team")
    page.focus("#b-given")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why:not(:empty)")
    (check,) = made_here
    try:
        assert check.state.terms["max_error"] == 0.1
        assert "at most 10% of them all are wrong" in page.text_content("#aim")
        assert row_of_message(press(page, "1")) in check.state.answers
        look(page)
        assert page.locator("#slices-0 .span-bar").count() == 3
    finally:
        running.stop()
        check.close()


def row_of_message(text: str) -> int:
    return int(text.split()[-1])
