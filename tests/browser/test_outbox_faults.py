"""What the page does with answers that cannot be saved: it keeps them, says so, and hands them in."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.core import Unreachable
from askwise.session import Session
from askwise.store import read_log
from askwise.verification import verify
from help.hands import press, settled, text_of, until

TOKEN = "a-token-of-some-length"
TEXTS = [f"{'apple' if i % 2 else 'hammer'} number {i}" for i in range(80)]


def key_for(text: str) -> str:
    return "1" if text.startswith("apple") else "2"


class Served:
    """A session in a file behind a real server; can be started anew on the same file, as after Ctrl+C."""

    def __init__(self, path: Path, run: Callable[[Any], Any]) -> None:
        self.path = path
        Session(TEXTS, classes=["fruit", "tool"], encoder="tfidf", store=path).close()
        self.session = self._open()
        self.running = run(create_app(self.session, token=TOKEN))
        self.url = self.running.url

    def _open(self) -> Session:
        session = Session.open(self.path)
        session._store._db.execute("PRAGMA busy_timeout=200")  # type: ignore[attr-defined]
        return session

    def again(self) -> None:
        self.running.stop()
        self.session.close()
        self.session = self._open()
        self.running.start(create_app(self.session, token=TOKEN))

    def told(self) -> list[str]:
        return [TEXTS[e.data["row"]] for e in read_log(self.path) if e.kind == "told"]


@pytest.fixture
def served(run: Any, tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "in").mkdir()
    one = Served(tmp_path / "in" / "s.askwise", run)
    yield one
    one.session.close()


@pytest.fixture
def page(new_page: Any, served: Served) -> Any:
    made = new_page(served.url)
    made.goto(f"{served.url}?token={TOKEN}")
    made.wait_for_selector("#why:not(:empty)")
    return made


def answer(page: Any) -> str:
    return press(page, key_for(text_of(page)))


def moved(served: Served) -> Callable[[], None]:
    aside = served.path.with_name("aside")
    served.path.rename(aside)
    return lambda: aside.rename(served.path)


def replaced(served: Served) -> Callable[[], None]:
    other, aside = served.path.with_name("other"), served.path.with_name("aside")
    Session([*TEXTS, "more"], classes=["a", "b"], encoder="tfidf", store=other).close()
    served.path.rename(aside)
    other.replace(served.path)
    return lambda: os.replace(aside, served.path)  # noqa: PTH105 - what a person's tool does


def locked(served: Served) -> Callable[[], None]:
    other = sqlite3.connect(served.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def full(served: Served) -> Callable[[], None]:
    db = served.session._store._db  # type: ignore[attr-defined]
    (size,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={size}")
    return lambda: db.execute("PRAGMA max_page_count=1000000")


def use_up(session: Session) -> None:
    """Write until no page is left in the file, for a large event nor for a small one."""
    with contextlib.suppress(Unreachable):
        for _ in range(500):
            session.flag(session.pool.ids[0], "x" * 9000)
    for _ in range(500):
        session.flag(session.pool.ids[0], "")


FAULTS = {
    "moved": "deleted, moved",
    "replaced": "Another session",
    "locked": "Another program holds it",
    "full": "disk is full",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_page_keeps_what_is_not_saved_and_hands_it_in(served: Served, page: Any, fault: str) -> None:
    given = [answer(page)]
    until(lambda: len(served.told()) == 1, page)
    mend = globals()[fault](served)
    if fault == "full":
        with pytest.raises(Unreachable, match="disk is full"):
            use_up(served.session)
    given += [answer(page), answer(page)]
    page.wait_for_selector("#banner >> text=2 answers waiting")
    banner = page.text_content("#banner")
    assert "Nothing is saved now" in banner
    assert FAULTS[fault] in banner, "it says what to do"
    page.reload()
    page.wait_for_selector("text=answers waiting")
    mend()
    until(lambda: len(served.told()) == 3, page)
    assert served.told() == given, "in their order"
    page.wait_for_selector("#banner", state="hidden")
    page.wait_for_selector("#why:not(:empty)")
    given.append(answer(page))
    until(lambda: len(served.told()) == 4, page)
    served.session.close()
    assert served.told() == given
    assert verify(served.path).ok


def test_after_a_restart_on_the_right_file(served: Served, page: Any) -> None:
    """It was deleted; a copy of the moment before is put there and the server started anew."""
    given = [answer(page)]
    until(lambda: len(served.told()) == 1, page)
    copy = served.path.with_name("copy")
    with sqlite3.connect(served.path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    for one in served.path.parent.glob("s.askwise*"):
        one.unlink()
    given += [answer(page), answer(page)]
    page.wait_for_selector("#banner >> text=2 answers waiting")
    served.running.stop()
    copy.replace(served.path)
    served.again()
    until(lambda: len(served.told()) == 3, page)
    assert served.told() == given


def test_what_is_refused_for_good_does_not_hold_up_the_others(served: Served, page: Any) -> None:
    first = answer(page)
    until(lambda: len(served.told()) == 1, page)
    # Half of an emoji, as a slip of the keyboard or a cut by a program leaves it.
    page.keyboard.press("n")
    page.wait_for_selector("dialog textarea")
    page.evaluate("document.querySelector('dialog textarea').value = 'odd \\ud83d'")
    page.click("dialog .primary")
    page.wait_for_selector("#banner >> text=1 answer could not be saved")
    given = [first, answer(page), answer(page)]
    until(lambda: served.told() == given, page)
    page.reload()
    page.wait_for_selector("#banner >> text=1 answer could not be saved")
    page.click("#banner .link")
    page.wait_for_selector("dialog textarea")
    kept = page.input_value("dialog textarea")
    assert "note: odd" in kept
    assert "half of a character" in kept
    page.click("dialog >> text=Try again")
    page.wait_for_selector("#banner >> text=1 answer could not be saved")
    settled(page)
    page.click("#banner .link")
    page.click("dialog >> text=Forget them")
    page.wait_for_selector("#banner", state="hidden")
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    assert page.is_hidden("#banner")


@pytest.mark.parametrize("status", [429, 404, 408, 500, 503])
def test_refusals_that_end_by_themselves_are_waited_for(served: Served, page: Any, status: int) -> None:
    times = []

    def refuse(route: Any) -> None:
        times.append(status)
        if len(times) > 2:
            route.fallback()
            return
        route.fulfill(status=status, json={"error": "Not now."}, headers={"Retry-After": "1"})

    page.route("**/api/v1/tell", refuse)
    given = [answer(page), answer(page)]
    page.wait_for_selector("#banner >> text=2 answers waiting")
    until(lambda: served.told() == given, page)
    assert len(times) == 4
    page.wait_for_selector("#banner", state="hidden")


@pytest.mark.parametrize("status", [400, 403, 409, 413, 422])
def test_refusals_that_stay_are_set_aside(served: Served, page: Any, status: int) -> None:
    once = []

    def refuse(route: Any) -> None:
        if once:
            route.fallback()
            return
        once.append(status)
        route.fulfill(status=status, json={"error": "Never."})

    page.route("**/api/v1/tell", refuse)
    refused, later = answer(page), answer(page)
    until(lambda: served.told() == [later], page)
    page.wait_for_selector("#banner >> text=1 answer could not be saved")
    page.click("#banner .link")
    assert page.input_value("dialog textarea").startswith(f"{refused}\nLabel · ")
    page.click("dialog >> text=Try again")
    until(lambda: served.told() == [later, refused], page)
    page.wait_for_selector("#banner", state="hidden")


def test_two_tabs_keep_each_its_own(served: Served, page: Any) -> None:
    other = page.context.new_page()
    other.goto(served.url)
    other.wait_for_selector("#why:not(:empty)")
    served.running.stop()
    given = {answer(page), answer(other), answer(page)}
    for one in (page, other):
        one.wait_for_selector("text=waiting")
    kept = page.evaluate("Object.keys(localStorage).filter(k => k.startsWith('askwise-outbox')).length")
    assert kept == 3
    other.close()
    served.again()
    until(lambda: len(served.told()) >= 2, page)
    page.reload()
    until(lambda: set(served.told()) == given, page)
    assert len(served.told()) == 3
