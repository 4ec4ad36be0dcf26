"""The owner's part of the Data page: more items, other labels, a way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise import Session, verify
from askwise.app.roles import ANNOTATOR, Who
from askwise.app.server import create_app
from help.hands import press, text_of, until

TOKEN = "a-token-of-some-length"


@pytest.fixture
def opened(run: Any, new_page: Any, tmp_path: Path) -> Iterator[tuple[Any, Session]]:
    """The Data page of a session whose labels hold a slip."""
    rows = [(name, i) for name, count in (("Billing", 20), ("shipping", 15), ("biling", 1)) for i in range(count)]
    lines = [*(f"text of {name} number {i},{name}" for name, i in rows), *(f"open text {i}," for i in range(10))]
    (tmp_path / "mail.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    session = Session(tmp_path / "mail.csv", text="text", label="label", encoder="tfidf")
    running = run(create_app(session, token=TOKEN))
    page = new_page(running.url, viewport={"width": 1280, "height": 900})
    page.goto(f"{running.url}?token={TOKEN}")
    page.wait_for_selector("#rail a")
    page.goto(running.url + "data")
    page.wait_for_selector("table.items")
    yield page, session
    running.stop()
    session.close()


def said(page: Any, text: str) -> Callable[[], Any]:
    return lambda: page.wait_for_selector(f"#toasts :text('{text}')")


def test_items_of_a_file_join(opened: tuple[Any, Session]) -> None:
    page, session = opened
    # Where the server took more than the seconds for which a press counts, the dialog comes with the next press.
    page.evaluate("Object.defineProperty(navigator, 'userActivation', {value: {isActive: false}, configurable: true})")
    page.click("#b-more")
    page.wait_for_selector("#more-said:text('Press once more')")
    page.evaluate("delete navigator.userActivation")
    with page.expect_file_chooser() as chosen:
        page.click("#b-more")
    data = "text,label\nopen text 3,\n" + "".join(f"more {i},\n" for i in range(5)) + '"",\n'
    chosen.value.set_files({"name": "more.csv", "mimeType": "text/csv", "buffer": data.encode()})
    page.wait_for_selector("#more-said :text('5 new items; left out: 1 that the session has already.')")
    page.wait_for_selector("#total:text('51 items')")
    page.click("#more-said summary")
    assert "has an empty text" in page.text_content("#more-said li")
    assert session.counts()["items"] == 51


def test_labels_change_and_come_back(opened: tuple[Any, Session]) -> None:
    page, session = opened
    page.click("#relabel-panel > summary")
    page.get_by_role("button", name="Merge them").click()
    said(page, "biling counts as Billing now.")()
    assert session.classes == ("Billing", "shipping")
    page.locator("#toasts .link").click()
    said(page, "Taken back.")()
    assert session.classes == ("Billing", "biling", "shipping")
    page.get_by_role("button", name="Rename").last.click()
    page.locator("dialog input[type=text]").fill("parcels")
    page.keyboard.press("Enter")
    said(page, "shipping is called parcels now.")()
    assert page.locator("#f-label option").all_text_contents() == ["all", "Billing", "biling", "parcels"]
    page.get_by_role("button", name="Move parcels up").click()
    said(page, "The order has changed")()
    assert session.classes == ("Billing", "parcels", "biling")
    page.get_by_role("button", name="Title …").click()
    page.locator("dialog input[type=text]").fill("Our mail")
    page.locator("dialog .primary").click()
    said(page, "Saved.")()
    assert session.title == "Our mail"


def test_two_people_label_while_twenty_lots_come(run: Any, new_page: Any, tmp_path: Path) -> None:
    words = {"good": "lovely day number", "bad": "awful noise number"}
    truth = {f"{words[label]} {n}": label for n in range(20) for label in words}
    session = Session(list(truth), classes=list(words), encoder="tfidf", store=tmp_path / "days.askwise")
    app = create_app(session, token=TOKEN)
    app.state.whose = lambda request: Who(request.headers["x-person"], ANNOTATOR)
    running = run(app)
    session.start()
    people = {}
    for name in ("ann", "bob"):
        people[name] = page = new_page(running.url)
        page.set_extra_http_headers({"x-person": name})
        page.goto(f"{running.url}?token={TOKEN}")
        page.wait_for_selector("#why:not(:empty)")
    given: dict[str, str] = {}
    for lot in range(20):
        more = {f"{words[label]} {n} of lot {lot}": label for n in range(2) for label in words}
        truth |= more
        assert session.add(list(more)).items == 4
        for name, page in people.items():
            label = truth[text_of(page)]
            given[press(page, "1" if label == "good" else "2")] = name
    assert len(given) == 40, "nobody was asked what the other one had in hand"
    until(lambda: session.counts()["labeled"] == 40, page)
    running.stop()
    session.stop()
    answers = {session.pool.contents[row]: answer for row, answer in session.answers().items()}
    assert {text: answer.annotator for text, answer in answers.items()} == given
    assert {text: answer.label for text, answer in answers.items()} == {text: truth[text] for text in given}
    assert sorted(session.pool.contents) == sorted(truth)
    session.refresh()
    assert session.look(lambda s: s.ranked) == 120, "the next ranking knows all of them"
    session.close()
    assert verify(tmp_path / "days.askwise").ok
