"""Digits as labels, columns that are shown, and the export, in a real Chromium."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.session import Session
from help.hands import press, settled, text_of, until

TOKEN = "a-token-of-some-length"
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    rows = [{"who": f"{NASTY} {i}", "text": f"text number {i}", "n": i} for i in range(30)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = Session(tmp_path / "in.jsonl", text="text", show="who", classes=["0", "1", "spam", "10"], encoder="tfidf")
    yield made
    made.close()


@pytest.fixture
def visit(run: Any, new_page: Any, session: Session) -> Any:
    def open_page(name: str = "") -> Any:
        running = run(create_app(session, token=TOKEN))
        page = new_page(running.url, accept_downloads=True)
        page.goto(f"{running.url}?token={TOKEN}")
        page.wait_for_selector(".grid .label")
        settled(page)
        if name:
            page.goto(f"{running.url}{name}")
        return page

    return open_page


def test_where_labels_are_digits_the_key_is_the_label(session: Session, visit: Any) -> None:
    page = visit()
    shown = page.locator(".grid .label:not(.new)").evaluate_all(
        "all => all.map((b) => [b.querySelector('.name').textContent, b.querySelector('kbd').textContent])"
    )
    assert shown == [["0", "0"], ["1", "1"], ["spam", "2"], ["10", "3"]]
    for key, label in (("1", "1"), ("0", "0"), ("2", "spam"), ("3", "10")):
        text = text_of(page)
        press(page, key)
        row = int(text.split()[-1])
        until(lambda row=row: row in session.answers(), page)
        assert session.answers()[row].label == label
    page.keyboard.press("?")
    first = page.locator("table.keys tr").first
    assert first.locator("kbd").all_text_contents() == ["1", "2", "3", "0"]
    assert "shows this key" in first.text_content()


def test_columns_are_shown_with_the_item_and_in_the_table(session: Session, visit: Any) -> None:
    page = visit()
    number = text_of(page).split()[-1]
    assert page.locator("#beside dt").all_text_contents() == ["who"]
    assert page.locator("#beside dd").all_text_contents() == [f"{NASTY} {number}"]
    page.goto(page.url.split("?")[0] + "data")
    page.wait_for_selector("table.items th:has-text('who')")
    assert page.locator("table.items tbody tr").first.locator("td").all_text_contents()[2] == f"{NASTY} 0"
    page.click("#columns summary")
    page.check("#columns label:has-text('n') >> nth=-1")
    page.wait_for_selector("table.items th:text-is('n')")
    page.uncheck("#columns label:has-text('who')")
    page.wait_for_selector("table.items th:text-is('who')", state="detached")
    assert page.locator("table.items tbody tr").nth(3).locator("td").all_text_contents()[2] == "3"


def test_the_export_for_excel(session: Session, visit: Any) -> None:
    page = visit("finish")
    with page.expect_download() as waiting:
        page.click("a:has-text('CSV for Excel')")
    data = Path(waiting.value.path()).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert len(list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))) == 31
    pytest.importorskip("openpyxl")
    with page.expect_download() as waiting:
        page.click("a:has-text('Excel workbook')")
    assert waiting.value.suggested_filename == "labels.xlsx"
    assert Path(waiting.value.path()).read_bytes().startswith(b"PK")
