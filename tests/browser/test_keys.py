"""Changing keys on the labeling page, and the advice to finish, in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.session import Session
from help.hands import press, taken, text_of, until

TOKEN = "a-token-of-some-length"


@pytest.fixture
def session() -> Iterator[Session]:
    with Session([f"thing {i}" for i in range(60)], classes=["fruit", "tool"], encoder="tfidf") as session:
        yield session


@pytest.fixture
def page(session: Session, run: Any, new_page: Any) -> Any:
    """The page of the session."""
    served = run(create_app(session, token=TOKEN))
    page = new_page(served.url)
    page.goto(f"{served.url}?token={TOKEN}")
    page.wait_for_selector("#why:not(:empty)")
    return page


def change(page: Any, action: str, key: str) -> str:
    """Give an action another key in the open list; returns what is said."""
    if page.text_content(f"[data-change={action}]") == "Change":
        page.click(f"[data-change={action}]")
    if key.isascii():
        page.keyboard.press(key)
    else:  # as another keyboard layout sends it
        event = "key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
        page.evaluate(event, key)
    return page.text_content(".keys-foot [role=status]")


def key_of(page: Any, action: str) -> str:
    return page.locator(f"tr:has([data-change={action}]) kbd").first.text_content()


def test_a_changed_key_works_is_printed_and_survives_a_reload(page: Any, session: Session) -> None:
    page.keyboard.press("?")
    assert change(page, "skip", "d") == "The key is d now."
    assert change(page, "undo", "Delete") == "The key is Delete now."
    assert change(page, "accept", "ш") == "The key is ш now."
    assert (key_of(page, "skip"), key_of(page, "undo")) == ("d", "Delete")
    assert page.evaluate("document.activeElement.dataset.change") == "accept", "the focus stays where it was"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.text_content("[data-act=skip] kbd") == "d"
    question = text_of(page)
    page.wait_for_timeout(100)
    page.keyboard.press(" ")
    page.keyboard.press("Backspace")
    page.wait_for_timeout(200)
    assert text_of(page) == question, "the old keys do nothing"
    assert press(page, "D") == question
    assert page.text_content("#toasts .link") == "Undo (Delete)"
    until(lambda: session.counts()["skipped"] == 1, page)
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    assert page.text_content("[data-act=undo] kbd") == "Delete"
    press(page, "Delete")
    assert text_of(page) == question
    press(page, "1")
    page.keyboard.press("Control+z")  # always, whatever the key is
    page.wait_for_function("t => document.getElementById('text').textContent === t", arg=question)


def test_keys_that_are_taken_or_not_ours_are_refused(page: Any, session: Session) -> None:
    page.keyboard.press("?")
    assert change(page, "skip", "u") == "u is taken: “Unsure”. Give that another key first."
    assert change(page, "skip", "3") == "Digits choose labels. Press another key."
    assert change(page, "skip", "Shift+Digit3").startswith(("Digits", "# is")), "the eleventh label and on"
    for key in ("Tab", "F5", "PageDown", "ArrowDown"):
        assert change(page, "skip", key).startswith(f"{key} belongs to the browser.")
    for key in ("Control+k", "Alt+k", "Meta+k"):
        assert change(page, "skip", key).startswith("Keys with Ctrl, Alt or ⌘ belong to the browser.")
    assert page.text_content("[data-change=skip]") == "Press a key…", "it waits for a better one"
    assert change(page, "skip", "Escape") == "Left as it is."
    assert page.locator("dialog").count() == 1, "Escape has left the change, not the list"
    assert key_of(page, "skip") == "Space"
    assert page.locator("[data-change=escape]").count() == 0
    # Two actions change places by way of a third key.
    assert change(page, "unsure", "q") == "The key is q now."
    assert change(page, "skip", "u") == "The key is u now."
    assert change(page, "unsure", " ") == "The key is Space now."
    page.click("#b-reset-keys")
    assert (key_of(page, "skip"), key_of(page, "unsure")) == ("Space", "u")
    assert page.evaluate("localStorage.getItem('askwise-keys')") is None
    assert session.counts()["skipped"] == session.counts()["unsure"] == 0


@pytest.mark.parametrize(
    ("kept", "skip", "unsure"),
    [
        ("{broken", "Space", "u"),
        ('{"skip": "5", "unsure": 7, "gone": "k", "undo": "F5", "escape": "e"}', "Space", "u"),
        ('{"skip": "u"}', "u", ""),  # a later default that a changed key has taken
        ("null", "Space", "u"),
    ],
)
def test_what_lies_in_the_browser_is_checked(page: Any, kept: str, skip: str, unsure: str) -> None:
    page.evaluate("kept => localStorage.setItem('askwise-keys', kept)", kept)
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    assert page.text_content("[data-act=skip] kbd") == skip
    assert page.text_content("[data-act=unsure] kbd") == unsure
    assert page.text_content("[data-act=undo] kbd") == "Backspace"
    press(page, "1")


# ── the advice to finish ────────────────────────────────────────────────────────────────────


class Advice:
    """Replies in which the advice is as set here."""

    def __init__(self, page: Any) -> None:
        self.ready = False
        page.route("**/api/v1/*", self.answer)

    def answer(self, route: Any) -> None:
        if not any(route.request.url.endswith(verb) for verb in ("/tell", "/pulse", "/ask", "/skip", "/state")):
            route.continue_()
            return
        reply = route.fetch()
        body = reply.json()
        pulse = body.get("pulse", body)
        pulse["verdict"] |= {
            "ready": self.ready,
            "reason": "Good enough: at most 2 % are wrong." if self.ready else "Go on.",
        }
        route.fulfill(status=reply.status, body=json.dumps(body), content_type="application/json")


def answer(page: Any, n: int) -> None:
    for _ in range(n):
        press(page, "1")
        taken(page)
        if page.locator("dialog").count():
            return


def test_the_advice_to_finish_is_given_once(page: Any, session: Session) -> None:
    advice = Advice(page)
    answer(page, 2)
    assert page.locator("dialog").count() == 0
    advice.ready = True
    press(page, "1")
    page.wait_for_selector("dialog >> text=Good enough: at most 2 % are wrong.")
    before = session.counts()
    for key in ("1", " ", "Enter", "u"):  # of somebody who is labeling fast
        page.keyboard.press(key)
    assert page.locator("dialog").count() == 1
    assert page.locator("dialog footer button").all_text_contents() == ["Label 20 more", "Go on", "Finish…"]
    page.click("text=Label 20 more")
    page.wait_for_selector("dialog", state="detached")
    until(lambda: session.counts()["labeled"] == 3, page)
    assert session.counts()["skipped"] == before["skipped"] == 0
    answer(page, 19)
    assert page.locator("dialog").count() == 0
    press(page, "1")
    page.wait_for_selector("dialog")
    page.keyboard.press("Escape")
    answer(page, 3)
    assert page.locator("dialog").count() == 0, "it was dismissed, and the advice is the same"
    advice.ready = False
    answer(page, 1)
    advice.ready = True
    answer(page, 1)
    assert page.locator("dialog").count() == 0, "an advice that wavers does not nag"
    answer(page, 20)
    page.wait_for_selector("dialog")
    page.unroute_all(behavior="wait")
    page.click("dialog >> text=Finish…")
    page.wait_for_url("**/finish")


def test_a_page_that_opens_with_the_advice_does_not_ask(page: Any) -> None:
    advice = Advice(page)
    advice.ready = True
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    page.wait_for_timeout(2500)  # a look at the server lies in between
    assert page.locator("dialog").count() == 0
    assert page.text_content("#verdict-head") == "Ready to finish"
