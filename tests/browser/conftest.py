"""What every browser test needs: Chromium, an app behind a real server, pages that tell on themselves."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from help import warm

try:
    from playwright.sync_api import sync_playwright
except ModuleNotFoundError:
    sync_playwright = None  # type: ignore[assignment]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
"""The shell is the same Chromium without the window around a page, which nobody sees here: a fifth less computing."""
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic",
    "--no-first-run", "--disable-component-update", "--disable-sync",
    # One process draws all pages of a context, and is still there for the next: starting it is most of a short test.
    "--renderer-process-limit=1", "--disable-site-isolation-trials",
]  # fmt: skip
TIMEOUT = 20_000
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them where there is nothing to drive."""
    why = "playwright is not installed" if sync_playwright is None else "no Chromium on this machine's PATH"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(sync_playwright is None or CHROMIUM is None, reason=why))


class Running:
    """An app behind a real server on the loopback; can be stopped and started again at the same place."""

    def __init__(self, app: Any) -> None:
        self.port = 0
        self.start(app)

    def start(self, app: Any) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(app, access_log=False, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    warm.there()  # some seconds, which no request is to wait for that starts a program
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def run() -> Iterator[Callable[[Any], Running]]:
    """Puts an app behind a server; all are stopped at the end."""
    running: list[Running] = []

    def start(app: Any) -> Running:
        running.append(Running(app))
        return running[-1]

    yield start
    for one in running:
        one.stop()


class Contexts:
    """Contexts of the browser, each for one person at a time; the next test has it when this one is done.

    A new one costs a new process that draws. What a person leaves behind lies with the address of the server, whose
    port no other test has, or is cleared here.
    """

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.free: dict[str, list[Any]] = {}

    def take(self, **settings: Any) -> Any:
        like = repr(sorted(settings.items()))
        if kept := self.free.get(like):
            return kept.pop()
        context = self.browser.new_context(**settings)
        context.like = like
        context.anchor = context.new_page()  # without any page the process would end
        context.storage = context.new_cdp_session(context.anchor)
        return context

    def give_back(self, context: Any, urls: list[str]) -> None:
        for page in context.pages:
            if page != context.anchor:
                page.close()
        context.set_offline(False)
        context.clear_cookies()
        for url in urls:
            where = {"origin": url.rstrip("/"), "storageTypes": "all"}
            context.storage.send("Storage.clearDataForOrigin", where)
        self.free.setdefault(context.like, []).append(context)


@pytest.fixture(scope="session")
def contexts(browser: Any) -> Contexts:
    return Contexts(browser)


@pytest.fixture
def new_page(contexts: Contexts) -> Iterator[Callable[..., Any]]:
    """A page in a context of its own, that is a person of their own.

    Nothing moves on it unless a test wants it to: each step of a motion is a picture to draw.
    The test fails when the page complains, runs what an item holds, breaks its policy, or calls another host.
    """
    taken: list[tuple[Any, str]] = []
    troubles: list[str] = []

    def make(url: str, **settings: Any) -> Any:
        context = contexts.take(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | settings)
        taken.append((context, url))
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda m: "Content Security Policy" in m.text and troubles.append(m.text))
        page.on("request", lambda r: r.url.startswith((url, "data:")) or troubles.append(r.url))
        return page

    yield make
    for context, _ in taken:
        contexts.give_back(context, sorted({url for _, url in taken}))
    assert troubles == []


SERIOUS = """axe.run({resultTypes: ["violations"]}).then(({violations}) => violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => [found.id, found.nodes.slice(0, 3).map((node) => node.html.slice(0, 150))]))"""


@pytest.fixture
def serious_findings() -> Callable[[Any], list[Any]]:
    """What axe finds on a page that is serious or worse: (rule, places)."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")

    def find(page: Any) -> list[Any]:
        if page.evaluate("typeof axe") == "undefined":  # half a megabyte of script, once for each document
            page.evaluate(axe.AXE_SCRIPT)
        return [(rule, places) for rule, places in page.evaluate(SERIOUS)]

    return find
