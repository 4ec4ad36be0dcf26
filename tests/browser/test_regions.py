"""What in an image speaks for a label, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise.app.server import create_app
from askwise.pool import load_pool
from askwise.session import Session

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
TOKEN = "a-token-of-some-length"


@pytest.fixture
def visit(run: Any, new_page: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a trained session of images with one bright patch: upper left or lower right."""
    sessions: list[Session] = []

    def open_page(audit_share: float = 0.0, **settings: Any) -> Any:
        for at in range(40):
            pixels = np.random.default_rng(at).integers(60, 90, (56, 70, 3), dtype=np.uint8)
            y, x = (8, 10) if at % 2 else (40, 50)
            pixels[y : y + 8, x : x + 10] = 250
            Image.fromarray(pixels).save(tmp_path / f"{at:02}.png")
        session = Session(load_pool(tmp_path), classes=["right", "left"], audit_share=audit_share, title="Spots")
        sessions.append(session)
        for row in range(20):
            session.tell(session.pool.ids[row], "left" if row % 2 else "right")
        session.refresh()
        served = run(create_app(session, token=TOKEN))
        page = new_page(served.url, **settings)
        page.goto(f"{served.url}?token={TOKEN}")
        page.wait_for_selector("#why:not(:empty)")
        page.wait_for_function("() => document.querySelector('.stage img').naturalWidth === 70")
        return page

    yield open_page
    for session in sessions:
        session.close()


INK = """() => {
  const canvas = document.querySelector(".stage canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const middle = (i, size) => Math.round((i + 0.5) * size / 7);
  const at = (y, x) => data[4 * (middle(y, canvas.height) * canvas.width + middle(x, canvas.width)) + 3];
  return Array.from({ length: 7 }, (_, y) => Array.from({ length: 7 }, (_, x) => at(y, x)));
}"""
BOXES = """() => ["img", "canvas"].map((name) => {
  const node = document.querySelector(`.stage ${name}`);
  const { x, y, width, height } = node.getBoundingClientRect();
  const ratio = name === "img" ? node.naturalWidth / node.naturalHeight : node.width / node.height;
  return [x, y, width, height, ratio, getComputedStyle(node).objectFit];
})"""


def corner(page: Any) -> str:
    """Where the ink on the image is."""
    ink = np.array(page.evaluate(INK))
    y, x = np.unravel_index(np.argmax(ink), ink.shape)
    return "upper left" if max(y, x) < 3 else "lower right" if min(y, x) > 3 else f"{y} {x}"


def told(page: Any) -> dict[str, str]:
    page.wait_for_selector(".regions button")
    names = page.locator(".regions button span:not(.sr)").all_text_contents()
    return dict(zip(names, page.locator(".regions li > span").all_text_contents(), strict=True))


def test_a_button_for_each_label_lays_it_over_the_image(visit: Any) -> None:
    page = visit()
    page.keyboard.press("w")
    where = told(page)
    likely = next(iter(where))
    place = {"left": "upper left", "right": "lower right"}[likely]
    assert where[likely].split(", ")[0] == place
    assert page.locator(".stage canvas").count() == 0, "nothing lies over the image before it is asked for"
    button = page.locator(".regions button").first
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert corner(page) == place
    assert place in page.get_attribute(".stage canvas", "aria-label")
    image, cells = page.evaluate(BOXES)
    assert image[:4] == cells[:4], "they lie on each other"
    assert image[4] == pytest.approx(cells[4], rel=0.01)
    assert image[5] == cells[5] == "contain"
    page.keyboard.press("+")
    image, cells = page.evaluate(BOXES)
    assert image[:4] == cells[:4]
    assert page.text_content("#zoom-now") == "140 %"
    page.keyboard.press("Enter")
    assert page.locator(".stage canvas").count() == 0


def test_one_key_goes_through_the_labels(visit: Any) -> None:
    page = visit()
    page.keyboard.press("r")
    page.wait_for_selector(".stage canvas")
    pressed = page.locator(".regions button[aria-pressed=true]")
    assert pressed.count() == 1
    n = page.locator(".regions button").count()
    for _ in range(n - 1):
        page.keyboard.press("r")
        assert pressed.count() == 1
    page.keyboard.press("r")
    assert page.locator(".stage canvas").count() == pressed.count() == 0
    page.keyboard.press("r")
    assert page.locator(".stage canvas").count() == 1
    before = page.text_content("#live")
    page.keyboard.press("1")
    page.wait_for_function("t => document.getElementById('live').textContent !== t", arg=before)
    assert page.locator(".stage canvas").count() == 0, "the next image is bare"


def test_never_on_a_blind_check_nor_where_the_guess_is_hidden(visit: Any) -> None:
    page = visit(audit_share=1.0)
    asked = []
    page.on("request", lambda request: "/regions" in request.url and asked.append(request.url))
    assert page.locator(".why.check").count() == 1
    page.keyboard.press("r")
    page.wait_for_selector("text=On a blind check the model's guess stays hidden")
    page.keyboard.press("r")
    page.wait_for_timeout(200)
    assert page.locator(".regions, .stage canvas").count() == 0
    assert asked == []


def test_axe_finds_nothing_serious(visit: Any, serious_findings: Any) -> None:
    page = visit(color_scheme="dark", reduced_motion="reduce")
    page.keyboard.press("r")
    page.wait_for_selector(".stage canvas")
    assert serious_findings(page) == []


def test_hidden_guess_on_a_phone(visit: Any) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.tap("#b-guess")
    page.tap("#b-more")
    page.wait_for_selector("text=The model's guess is hidden (g shows it).")
    assert page.locator(".regions").count() == 0
    page.tap("#b-guess")
    page.tap("#b-guess")
    told(page)
    page.tap(".regions button >> nth=0")
    assert page.locator(".stage canvas").count() == 1
    box = page.locator(".stage").bounding_box()
    assert -1 < box["y"] < 844, "the image is brought into sight"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
