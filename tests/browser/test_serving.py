"""`askwise serve` as a process, and people at it in a real Chromium: two at once, and one whose server is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("argon2", reason="the extra `team` is not installed")

from askwise.app.accounts import Accounts
from askwise.app.roles import ANNOTATOR
from askwise.app.serve import ACCOUNTS
from askwise.session import Session
from askwise.store import read_log
from askwise.verification import verify
from help.hands import press, settled, text_of

PASSWORD = "four words in a row"
TEXTS = [f"{'apple' if i % 2 else 'hammer'} number {i}" for i in range(300)]


def key_for(text: str) -> str:
    return "1" if text.startswith("apple") else "2"


class Process:
    """A team's server of one session, that can be killed and started again at the same place."""

    def __init__(self, folder: Path, overlap: float) -> None:
        self.folder, self.port = folder, 0
        self.session = folder / "things.askwise"
        Session(TEXTS, classes=["fruit", "tool"], encoder="tfidf", store=self.session, overlap=overlap).close()
        accounts = Accounts(folder / ACCOUNTS)
        self.links = {name: accounts.invite(ANNOTATOR, by="test")[1] for name in ("ann", "ben")}
        accounts.close()
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "askwise", "serve", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"NO_COLOR": "1"}
        )
        assert self.process.stdout is not None
        said = ""
        while "Ctrl+C" not in said:
            line = self.process.stdout.readline()
            assert line, said
            said += line
        self.port = int(said.partition("127.0.0.1:")[2].partition("/")[0])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def told(self) -> list[tuple[str, str, str]]:
        """(who, text, label) of all answers in the log, in order."""
        return [
            (e.data["annotator"], TEXTS[e.data["row"]], e.data["label"])
            for e in read_log(self.session)
            if e.kind == "told"
        ]

    def wait(self, answers: int) -> None:
        end = time.monotonic() + 30
        while len(self.told()) < answers:
            assert time.monotonic() < end, self.told()
            time.sleep(0.05)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def start(overlap: float = 0.0) -> Process:
        running.append(Process(tmp_path, overlap))
        return running[-1]

    yield start
    for one in running:
        one.kill()


def come(new_page: Any, process: Process, name: str) -> Any:
    """A person joins with their link and opens the project."""
    page = new_page(process.url)
    page.goto(f"{process.url}join#{process.links[name]}")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("#go")
    page.click(".projects a")
    page.wait_for_selector("#why:not(:empty)")
    return page


@pytest.mark.parametrize("overlap", [0.0, 0.4])
def test_two_people_at_once_never_answer_the_same_item(served: Any, new_page: Any, overlap: float) -> None:
    process = served(overlap)
    pages = {name: come(new_page, process, name) for name in ("ann", "ben")}
    seen: list[tuple[str, str]] = []
    for _ in range(15):
        for name, page in pages.items():
            seen.append((name, press(page, key_for(text_of(page)))))
    process.wait(len(seen))
    said = process.told()
    assert sorted(said) == sorted((who, text, "fruit" if key_for(text) == "1" else "tool") for who, text in seen)
    assert max(Counter((who, text) for who, text, _ in said).values()) == 1, "nobody twice"
    both = {text for text, times in Counter(text for _, text, _ in said).items() if times > 1}
    again = {
        TEXTS[q["row"]]
        for e in read_log(process.session)
        if e.kind == "asked"
        for q in e.data["items"]
        if q["strategy"] in ("overlap", "doubted")
    }
    assert both <= again
    assert bool(both) == (overlap > 0)
    for name, page in pages.items():
        pills = page.locator("#history .pill")
        assert pills.count() == 15, f"{name} sees their own answers, and only these"
    process.kill()
    assert verify(process.session).ok


def test_a_server_killed_before_it_has_the_answer(served: Any, new_page: Any) -> None:
    process = served()
    page = come(new_page, process, "ann")
    first = press(page, key_for(text_of(page)))
    process.wait(1)
    process.process.send_signal(signal.SIGSTOP)  # it holds its breath: what comes now, it never reads
    second = press(page, key_for(text_of(page)))
    settled(page)
    process.kill()
    page.wait_for_selector("#banner >> text=waiting")  # one, or two where the first reply was still on its way
    third = press(page, key_for(text_of(page)))
    process.start()
    page.wait_for_selector("#banner", state="hidden")
    process.wait(3)
    fourth = press(page, key_for(text_of(page)))
    process.wait(4)
    settled(page)
    assert [text for _, text, _ in process.told()] == [first, second, third, fourth], "each once, in order"
    assert page.locator("#history .pill").count() == 4
    process.kill()
    assert verify(process.session).ok


def test_a_server_killed_after_it_wrote_the_answer_down(served: Any, new_page: Any) -> None:
    process = served()
    page = come(new_page, process, "ann")
    first = press(page, key_for(text_of(page)))
    process.wait(1)

    def killed(route: Any) -> None:
        route.fetch()  # it is in the log
        process.kill()  # and the reply is not on its way
        route.abort()

    page.route("**/api/v1/tell", killed, times=1)  # the page tries again by itself, and finds nobody
    second = press(page, key_for(text_of(page)))
    page.wait_for_selector("#banner >> text=waiting")
    page.unroute("**/api/v1/tell")
    assert len(process.told()) == 2
    process.start()
    page.wait_for_selector("#banner", state="hidden")
    third = press(page, key_for(text_of(page)))
    process.wait(3)
    settled(page)
    assert [text for _, text, _ in process.told()] == [first, second, third], "once, although it was sent twice"
    press(page, "Backspace")
    assert text_of(page) == third
    press(page, "Backspace")
    assert text_of(page) == second
    process.kill()
    assert verify(process.session).ok
