"""Numbers as answers in a real Chromium: digits, arrows and slider, a whole project by keyboard, looks."""

from __future__ import annotations

import csv
import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from askwise.app.projects import Intake, create_new
from askwise.app.server import create_app
from askwise.session import Session
from askwise.tasks.number import Number
from help.hands import press, settled, text_of, until

TOKEN = "a-token-of-some-length"
LOOKS = pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])


def rooms(n: int) -> list[str]:
    return [f"a room of {i} square metres" for i in range(1, n + 1)]


def size(text: str) -> int:
    return int(text.split()[3])


@pytest.fixture
def visit(new_page: Any, run: Any) -> Callable[..., Any]:
    """Serves a session and opens its page."""

    def open_page(session: Session, **settings: Any) -> Any:
        url = run(create_app(session, token=TOKEN)).url
        page = new_page(url, **settings)
        page.goto(f"{url}?token={TOKEN}")
        page.wait_for_selector("#why:not(:empty)")
        return page

    return open_page


def begin(task: str = "number:tolerance=2.5,low=0,high=100,step=0.5,unit=m²", n: int = 60, **more: Any) -> Session:
    return Session(rooms(n), task=task, encoder="tfidf", seed=3, title="Rooms", **{"audit_share": 0.0, **more})


def known(session: Session) -> dict[str, str | None]:
    return {session.pool.contents[row]: answer.label for row, answer in session.answers().items()}


def taught(**more: Any) -> Session:
    """With a model, so that there are guesses."""
    session = begin(**more)
    for query in session.ask(12, annotator="other"):
        session.tell(query, size(query.text), annotator="other")
    session.refresh()
    return session


def test_digits_arrows_guess_and_slider(visit: Any) -> None:
    session = taught()
    page = visit(session)
    page.wait_for_selector("#b-accept:visible")
    # digits typed anywhere; Backspace takes one back; a comma is a point; Enter answers
    settled(page)
    page.keyboard.type("127")
    page.keyboard.press("Backspace")
    page.keyboard.type(",5")
    assert page.input_value("#number") == "12.5"
    assert page.text_content("#b-submit span") == "Answer 12.5 m²"
    first = press(page, "Enter")
    until(lambda: known(session).get(first) == "12.5", page)
    # arrows begin at what the model expects, and move by a step
    settled(page)
    expected = page.text_content("#b-accept span").removeprefix("The model expects ").removesuffix(" m²")
    page.keyboard.press("ArrowUp")
    assert page.input_value("#number") == expected
    page.keyboard.press("ArrowUp")
    assert float(page.input_value("#number")) == float(expected) + 0.5
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert float(page.input_value("#number")) == float(expected) - 0.5
    second = press(page, "Enter")
    until(lambda: known(session).get(second) == f"{float(expected) - 0.5:g}", page)
    # p takes the guess
    settled(page)
    expected = page.text_content("#b-accept span").removeprefix("The model expects ").removesuffix(" m²")
    third = press(page, "p")
    until(lambda: known(session).get(third) == expected, page)
    # the slider has the same number, and keys of its own
    page.focus(".slider")
    settled(page)
    page.keyboard.press("End")
    assert page.input_value("#number") == "100"
    assert page.get_attribute(".slider", "aria-valuetext") == "100 m²"
    page.keyboard.press("ArrowLeft")
    assert page.input_value("#number") == "99.5"
    fourth = press(page, "Enter")
    until(lambda: known(session).get(fourth) == "99.5", page)
    # in the field it is typed as anywhere else
    page.focus("#number")
    page.keyboard.type("7")
    fifth = press(page, "Enter")
    until(lambda: known(session).get(fifth) == "7", page)
    session.close()


def test_what_is_no_answer_is_said_and_nothing_is_sent(visit: Any) -> None:
    session = begin()
    page = visit(session)
    before = text_of(page)
    for typed, words in (
        ("", "Type a number first"),
        ("101", "outside the numbers there are: 0 to 100"),
        ("7.3", "not on the scale"),
    ):
        settled(page)
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#toasts:has-text('{words}')")
        assert page.get_attribute("#number", "aria-invalid") == str(bool(typed)).lower()
        for _ in typed:
            page.keyboard.press("Backspace")
    assert text_of(page) == before
    assert session.counts()["labeled"] == 0
    page.keyboard.press("-")  # below 0 there is nothing
    assert page.input_value("#number") == ""
    session.close()


def test_an_answer_is_taken_back_and_changed(visit: Any) -> None:
    session = begin("number:tolerance=1")
    page = visit(session)
    assert page.is_hidden(".slider")
    settled(page)
    page.keyboard.type("-3.50")
    first = press(page, "Enter")
    until(lambda: known(session) == {first: "-3.5"}, page)
    press(page, "Backspace")
    assert text_of(page) == first
    until(lambda: known(session) == {}, page)
    assert page.input_value("#number") == "-3.5"  # what was said stands there again
    page.keyboard.press("Backspace")
    page.keyboard.type("25")
    press(page, "Enter")
    until(lambda: known(session) == {first: "-3.25"}, page)
    settled(page)
    page.keyboard.press("ArrowLeft")  # look back, and change it
    page.wait_for_selector(".card.earlier")
    assert page.input_value("#number") == "-3.25"
    for _ in range(5):
        page.keyboard.press("Backspace")
    page.keyboard.type("4")
    settled(page)
    page.keyboard.press("Enter")
    until(lambda: known(session) == {first: "4"}, page)
    session.close()


def test_the_page_writes_numbers_as_the_server_does(visit: Any) -> None:
    """Reading, ends and scale of the page's script against `Number.read`."""
    page = visit(begin())
    rng = random.Random(5)
    tasks = [{"tolerance": "0.5"}, {"tolerance": "0.25", "low": "-1.5", "high": "3", "step": "0.25"},
             {"tolerance": "3", "low": "10"}, {"tolerance": "0.1", "high": "-0.3"},
             {"tolerance": "1", "step": "0.3"}]  # fmt: skip
    texts = ["", "-", ".", "1.", ".5", "-.5", "-0", "007", "1e3", "0.10", "+3", "1234567890123456", "0.30",
             "999999999999", "1000000000000", "-0.3", "-0.30001", "3,5", "x"]  # fmt: skip
    texts += [f"{rng.randint(-20, 20)}.{rng.randint(0, 99):02d}" for _ in range(60)]
    line = """async (given) => {
        const main = document.querySelector('script[type=module]').src;
        const m = await import(main.replace('label/main.js', 'lib/decimals.js'));
        return given.tasks.map((options) => given.texts.map((text) => {
            const numbers = new m.Numbers(options);
            return numbers.problem(text) ? null : m.written(m.decimal(text));
        }));
    }"""
    found = page.evaluate(line, {"tasks": tasks, "texts": texts})
    for options, row in zip(tasks, found, strict=True):
        for text, said in zip(texts, row, strict=True):
            try:
                expected = Number.of(options).read(text.replace(",", "."), str)[0]
            except Exception:  # noqa: BLE001
                expected = None
            if text in ("1e3", "1234567890123456"):  # the page is stricter: what is typed there has no exponent
                assert said is None
            else:
                assert said == expected, (options, text)


def test_a_whole_project_by_keyboard(new_page: Any, run: Any, tmp_path: Path) -> None:
    from browser.test_new_project import drop, tab_to

    sessions: list[Session] = []
    folder = tmp_path / "projects"
    folder.mkdir()
    url = run(create_new(Intake(folder), token=TOKEN, started=lambda session, _: sessions.append(session))).url
    page = new_page(url)
    page.goto(f"{url}?token={TOKEN}")
    page.wait_for_selector("#b-choose:focus")
    drop(page, "rooms.csv", ("text\n" + "\n".join(rooms(16)) + "\n").encode())
    page.wait_for_selector("#seen b")
    tab_to(page, "#task")
    page.keyboard.type("A number")
    page.wait_for_selector("#numbers:visible")
    assert page.is_hidden("#classes")
    tab_to(page, "#n-tolerance")
    page.keyboard.type("0,5")
    for name, value in (("low", "0"), ("high", "40"), ("step", "1"), ("unit", "m²")):
        tab_to(page, f"#n-{name}")
        page.keyboard.type(value)
    tab_to(page, "#b-start")
    page.wait_for_selector("#seen b")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why:not(:empty)")
    (session,) = sessions
    try:
        assert repr(session.task) == "number:tolerance=0.5,low=0,high=40,step=1,unit=m²"
        for _ in range(15):
            settled(page)
            page.keyboard.type(str(size(text_of(page))))
            press(page, "Enter")
        settled(page)
        page.keyboard.type(str(size(text_of(page))))
        page.keyboard.press("Enter")
        page.wait_for_selector(".empty h2:has-text('All done')")
        page.keyboard.press("Tab")
        tab_to(page, ".empty .primary, #b-finish")
        page.keyboard.press("Enter")
        page.wait_for_selector("a[href*='export']")
        with page.expect_download() as download:
            for _ in range(40):
                if page.evaluate("() => (document.activeElement.href ?? '').includes('export')"):
                    break
                page.keyboard.press("Tab")
            page.keyboard.press("Enter")
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
        assert [row["label"] for row in rows] == [str(size(row["text"])) for row in rows]
        assert len(rows) == 16
    finally:
        session.close()


def test_the_new_project_page_says_what_a_tolerance_is_for(new_page: Any, run: Any, tmp_path: Path) -> None:
    from browser.test_new_project import drop

    folder = tmp_path / "projects"
    folder.mkdir()
    url = run(create_new(Intake(folder), token=TOKEN, started=lambda *_: None)).url
    page = new_page(url)
    page.goto(f"{url}?token={TOKEN}")
    drop(page, "rooms.csv", ("text\n" + "\n".join(rooms(16)) + "\n").encode())
    page.wait_for_selector("#seen b")
    page.select_option("#task", "number")
    page.fill("#n-tolerance", "-1")
    page.click("#b-start")
    page.wait_for_selector("#start-error:has-text('tolerance of numbers must be above 0')")
    page.select_option("#task", "labels")
    assert page.is_visible("#classes")


@LOOKS
def test_no_serious_finding_on_any_page(visit: Any, serious_findings: Any, width: int, scheme: str) -> None:
    session = taught(audit_share=0.9, overlap=0.1)
    ids = session.pool.ids
    for row in range(20):
        session.tell(ids[row], row + 1, annotator="ann")
        session.tell(ids[row], row + (9 if row == 3 else 1), annotator="bob")
    for _ in range(3):
        for query in session.ask(8):
            session.tell(query, size(query.text))
        session.refresh()
    page = visit(session, viewport={"width": width, "height": 844}, color_scheme=scheme)
    pictures = os.environ.get("ASKWISE_PICTURES")
    for name in ("", "dashboard", "review", "data", "finish"):
        if name:
            page.goto(page.url.split("?")[0].rsplit("/", 1)[0] + f"/{name}")
            page.wait_for_load_state("networkidle")
        else:
            settled(page)
            page.keyboard.type("12.5")
        assert serious_findings(page) == [], name
        if pictures:
            page.screenshot(path=f"{pictures}/number-{name or 'label'}-{width}-{scheme}.png", full_page=True)
        words = page.text_content("body")
        if name == "dashboard":
            page.wait_for_selector("h2:has-text('How far off')")
            words = page.text_content("main")
            for wrong in (
                "Confusion",
                "Class balance",
                "Precision and recall",
                "Errors of each label",
                "classes appear",
            ):
                assert wrong not in words
            assert "root mean square error" in words
    session.close()
