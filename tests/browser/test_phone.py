"""Every page on a phone: nothing scrolls sideways but what says so, and every button is within reach."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise import notices
from askwise.app.guard import Guard
from askwise.app.progress import tell_progress
from askwise.app.projects import Intake, create_new
from askwise.app.roles import OWNER, Routes, Who
from askwise.app.server import build, create_app
from askwise.session import Session
from help.hands import let_in

TOKEN = "a-token-of-some-length"
CLASSES = [
    "delivery", "refund and cancellation", "account", "question about a product", "complaint", "other",
    "Donaudampfschifffahrtsgesellschaft", "praise",
]  # fmt: skip
WIDTHS = [390, 320, 1280]
SCHEMES = ["light", "dark"]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A session with a model, checks that it had wrong, an attempt that was given up, and a certificate."""
    texts = [f"{CLASSES[i % 8]} message {i} {'word ' * (i % 5)}" for i in range(320)]
    with Session(texts, classes=CLASSES, encoder="tfidf", audit_share=0.4, title="Messages", seed=2) as session:
        for i in range(120):
            [query] = session.ask(1)
            right = CLASSES[texts.index(query.content) % 8]
            session.tell(query, CLASSES[(i * 3) % 8] if i % 9 == 0 else right, seconds=2.0)
            if i in (20, 60):  # check items are drawn once there is a model
                session.refresh()
        session.refresh()
        right = {item: CLASSES[i % 8] for i, item in enumerate(session.pool.ids)}
        session.autolabel(max_error=0.2, oracle=lambda queries: [right[q.item] for q in queries])
        session.refresh()
        yield session


@pytest.fixture
def visit(run: Any, new_page: Any) -> Callable[..., Any]:
    def open_(app: Any, path: str, width: int) -> Any:
        url = run(app).url
        page = new_page(
            url,
            viewport={"width": width, "height": 800},
            color_scheme=SCHEMES[0],
            has_touch=width < 500,
            reduced_motion="reduce",
        )
        if path:
            let_in(page, url, TOKEN)
        page.goto(url + path if path else f"{url}?token={TOKEN}")
        return page

    return open_


def check(page: Any, width: int, name: str, request: Any) -> None:
    """Nothing wider than the screen, and no control outside of it, in light and in dark."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        picture(page, f"{name}-{width}-{scheme}", request)
        fits(page, width)
    page.emulate_media(color_scheme=SCHEMES[0])


def fits(page: Any, width: int) -> None:
    wide = page.evaluate(
        """width => [...document.querySelectorAll('body *')].filter(node => {
            const box = node.getBoundingClientRect();
            if (!box.width || box.right <= width + 0.5 || getComputedStyle(node).position === 'fixed') return false;
            for (let up = node; up; up = up.parentElement) {
                const inside = up !== node && ['auto', 'scroll', 'hidden'].includes(getComputedStyle(up).overflowX);
                if (up.matches('.sr') || inside) return false;
            }
            return true;
        }).map(node => node.outerHTML.slice(0, 120))""",
        width,
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    lost = page.evaluate(
        """width => [...document.querySelectorAll('button, select, input, textarea, a.button')].filter(node => {
            const box = node.getBoundingClientRect();
            if (!box.width || node.closest('.sr') || node.matches('.sr')) return false;
            for (let up = node.parentElement; up; up = up.parentElement) { // a strip that scrolls by itself
                if (['auto', 'scroll'].includes(getComputedStyle(up).overflowX)) return false;
            }
            const small = box.height < 16 && !node.matches('[type=radio], [type=checkbox]');
            return small || box.left < -0.5 || box.right > width + 0.5;
        }).map(node => node.outerHTML.slice(0, 120))""",
        width,
    )
    assert lost == []


def picture(page: Any, name: str, request: Any) -> None:
    """Where a person asks for pictures: `ASKWISE_TEST_PICTURES=1 pytest --basetemp=… -k phone`, then look below it."""
    if os.environ.get("ASKWISE_TEST_PICTURES"):
        page.screenshot(path=request.getfixturevalue("tmp_path") / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["", "dashboard", "review", "data", "models", "finish"])
def test_no_page_scrolls_sideways(visit: Any, session: Session, request: Any, path: str, width: int) -> None:
    page = visit(create_app(session, token=TOKEN), path, width)
    page.wait_for_load_state("networkidle")
    if path == "dashboard":
        page.wait_for_selector(".confusion")
    if path == "finish":
        page.wait_for_selector(".certificate")
        page.get_by_text("Working it out").first.wait_for(state="hidden")
    check(page, width, path or "label", request)
    if path == "dashboard":
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            the_confusion_table_scrolls_inside(page, width)


def the_confusion_table_scrolls_inside(page: Any, width: int) -> None:
    box = page.locator(".scroll:has(.confusion)")
    inner, outer = box.evaluate("node => [node.scrollWidth, node.clientWidth]")
    assert outer <= width
    if inner > outer:  # which answer a cell is about must stay in sight
        box.evaluate("node => node.scrollTo(node.scrollWidth, 0)")
        left = page.locator(".confusion tbody th").first.evaluate("node => node.getBoundingClientRect().left")
        assert left >= 0
        assert box.evaluate("node => node.scrollLeft") > 0
        box.evaluate("node => node.scrollTo(0, 0)")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_new_project_fits(visit: Any, tmp_path: Path, request: Any, width: int) -> None:
    data = tmp_path / "a file with a rather long name, as they are in practice.csv"
    rows = [f"{CLASSES[i % 8]} message {i},{CLASSES[i % 8]},{'x' * 60}{i},{i}" for i in range(40)]
    data.write_text("\n".join(["text,category of the message,averylongcolumnnamewithoutanyspaceinit,number", *rows]))
    (tmp_path / "projects").mkdir()
    app = create_new(Intake(tmp_path / "projects"), token=TOKEN, started=lambda *_: None)
    page = visit(app, "", width)
    check(page, width, "empty", request)
    page.set_input_files("#file", str(data))
    page.wait_for_selector(".columns")
    page.locator("#seen").get_by_text("40 items").wait_for()
    check(page, width, "new", request)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_that_waits_fits(visit: Any, request: Any, width: int) -> None:
    app = build({}, lambda _: Who("me", OWNER), more=(tell_progress(Routes()),), pages={"/": "team/waiting.html"})
    app.add_middleware(Guard, token=TOKEN)
    with notices.progress("encoding", 30_000) as advance:
        advance(12_000)
        page = visit(app, "", width)
        page.get_by_text("12,000 of 30,000").wait_for()
        check(page, width, "waiting", request)
        assert page.locator("progress").evaluate("node => node.value") == pytest.approx(0.4)
