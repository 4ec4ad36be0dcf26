"""What a person does at the labeling page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def let_in(page: Any, url: str, token: str) -> None:
    """Give a page the key that the link of one person's server gives, so that it can begin at any page."""
    name = f"askwise_key_{url.rstrip('/').rpartition(':')[2]}"
    page.context.add_cookies([{"name": name, "value": token, "url": url, "httpOnly": True, "sameSite": "Strict"}])


def text_of(page: Any) -> str:
    """What is on the card."""
    text: str = page.text_content("#text")
    return text


def settled(page: Any) -> None:
    """Past the moment in which a second press counts as a bounce."""
    page.wait_for_timeout(100)


def press(page: Any, *keys: str) -> str:
    """Press keys of which the last moves to the next question; returns what was on the card."""
    settled(page)
    before = text_of(page)
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=before)
    return before


def until(true: Callable[[], Any], page: Any) -> None:
    """Wait for something that is not on the page; the page goes on meanwhile."""
    for _ in range(500):
        if true():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it never came")


def taken(page: Any) -> None:
    """Wait until the server has all that was done, and the page shows what came back."""
    page.wait_for_function("() => !Object.keys(localStorage).some((name) => name.startsWith('askwise-outbox-'))")
