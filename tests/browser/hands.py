"""What a person does at the labeling page."""

from __future__ import annotations

from typing import Any


def text_of(page: Any) -> str:
    """What is on the card."""
    text: str = page.text_content("#text")
    return text


def settled(page: Any) -> None:
    """Past the moment in which a second press counts as a bounce."""
    page.wait_for_timeout(100)


def press(page: Any, key: str) -> str:
    """Press a key that moves to the next question; returns what was on the card."""
    settled(page)
    before = text_of(page)
    page.keyboard.press(key)
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=before)
    return before
