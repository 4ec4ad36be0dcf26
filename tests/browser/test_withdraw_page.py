"""The owner's button on the Data page that takes items out for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise import Session
from askwise.app.server import create_app

TOKEN = "a-token-of-some-length"
MARK = "zq-anna-4711"


@pytest.fixture
def opened(run: Any, new_page: Any, tmp_path: Path) -> Iterator[tuple[Any, Session]]:
    """The Data page of a session on a file."""
    texts = [f"{'win a prize' if i % 3 == 0 else 'see you'} number {i}" for i in range(20)]
    texts[1] = f"{MARK} is here"
    session = Session(texts, classes=["ham", "spam"], encoder="tfidf", store=tmp_path / "s.askwise")
    running = run(create_app(session, token=TOKEN))
    page = new_page(running.url, viewport={"width": 1280, "height": 900})
    page.goto(f"{running.url}?token={TOKEN}")
    page.wait_for_selector("#rail a")
    page.goto(running.url + "data")
    page.wait_for_selector("table.items")
    yield page, session
    running.stop()
    session.close()


def choose(page: Any, text: str) -> None:
    page.locator("table.items tbody tr", has_text=text).locator(".c-pick input").check()


def test_items_go_after_a_question(opened: tuple[Any, Session], tmp_path: Path) -> None:
    page, session = opened
    assert page.locator("#b-withdraw").count() == 0, "nothing is chosen"
    choose(page, MARK)
    choose(page, "number 5")
    page.click("#b-withdraw")
    page.wait_for_selector("dialog :text('Withdraw 2 items for good?')")
    assert "This cannot be undone." in page.text_content("dialog")
    page.locator("dialog button", has_text="Cancel").click()
    assert session.counts()["items"] == 20
    page.click("#b-withdraw")
    page.fill("#w-reason", "request 12")
    page.locator("dialog .danger").click()
    page.wait_for_selector("#toasts :text('2 items are withdrawn, for good.')")
    page.wait_for_selector("#total:text('18 items')")
    assert MARK not in page.content()
    assert page.locator("#b-withdraw").count() == 0
    last = session._store.read()[-1]
    assert (last.kind, last.data["reason"]) == ("withdrawn", "request 12")
    assert MARK.encode() not in (tmp_path / "s.askwise").read_bytes()


def test_what_is_refused_is_said(opened: tuple[Any, Session]) -> None:
    page, session = opened
    choose(page, MARK)
    session.withdraw([session.pool.ids[1]])  # somebody else was first
    page.click("#b-withdraw")
    page.locator("dialog .danger").click()
    page.wait_for_selector("#toasts :text('Nothing was withdrawn.')")
    page.wait_for_selector("#total:text('19 items')")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_question_fits(opened: tuple[Any, Session], tmp_path: Path, width: int, scheme: str) -> None:
    page, _ = opened
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    choose(page, MARK)
    page.locator("#b-withdraw").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / f"bar-{width}-{scheme}.png")
    page.click("#b-withdraw")
    page.screenshot(path=tmp_path / f"dialog-{width}-{scheme}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
