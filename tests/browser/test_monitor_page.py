"""New items on the page Models: the verdict, and checks that a person answers blind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise import Session
from askwise.app.server import create_app
from askwise.monitor import Kept

pytest.importorskip("skops")
TOKEN = "a-token-of-some-length"


def text(number: int) -> str:
    return f"{'win a cash prize' if number % 2 else 'see you at lunch'} number {number}"


def truth(item: str) -> str:
    return "spam" if "prize" in item else "ham"


@pytest.fixture
def opened(run: Any, new_page: Any, tmp_path: Path) -> Iterator[Any]:
    session = Session(
        list(map(text, range(200))), classes=["ham", "spam"], encoder="tfidf", store=tmp_path / "mail.askwise"
    )
    for _ in range(6):
        for query in session.ask(5):
            session.tell(query, truth(query.text))
        session.refresh()
    running = run(create_app(session, token=TOKEN))
    page = new_page(running.url, viewport={"width": 1280, "height": 900})
    page.goto(f"{running.url}?token={TOKEN}")
    page.wait_for_selector("#rail a")
    page.goto(running.url + "models")
    page.wait_for_selector("#watched")
    yield page
    running.stop()
    session.close()


def test_new_items_are_watched_and_checks_answered_blind(opened: Any, tmp_path: Path) -> None:
    page = opened
    page.get_by_role("button", name="Watch new items …").click()
    page.fill("#monitor-limit", "20")
    page.fill("#monitor-share", "50")
    page.locator("dialog .danger").click()
    page.wait_for_selector("#verdict:text('cannot tell')")
    place = tmp_path / "mail.monitor.json"
    with Kept.open(place).changing():
        pass
    kept = Kept.open(place)
    assert kept.monitor.terms["max_error"] == 0.2
    new = [text(number) for number in range(1000, 1050)]
    with kept.changing():  # as the command line does beside the server
        kept.take(new, [{} for _ in new])
    page.reload()
    page.wait_for_selector("#checks .case")
    waiting = [check.item for check in kept.waiting()]
    for number, item in enumerate(waiting):
        page.wait_for_selector(f"#checks .case-text:text-is('{item}')")
        assert not page.locator("#checks .case .verdict").count()
        if number:
            assert page.evaluate("document.activeElement.closest('#checks') !== null"), "keys go on with the next one"
        if number == 1:
            page.get_by_role("button", name="Cannot be decided").click()
        else:
            page.locator("#checks .choices").get_by_role("button", name=truth(item), exact=True).click()
    page.wait_for_selector("#watched :text('0 waiting')")
    status = Kept.open(place).monitor.status()
    assert (status.unsure, status.wrong, status.waiting) == (1, 0, 0)
    assert page.text_content("#monitor-says") == status.sentence
    page.get_by_role("button", name="End this monitor …").click()
    page.locator("dialog .danger").click()
    page.wait_for_selector("#watched :text('Watch new items')")
    assert not place.exists()
    assert (tmp_path / "mail.monitor.1.json").exists()
