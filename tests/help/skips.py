"""What was skipped, by reason, and how to have it run."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ALIKE = (
    (re.compile(r"^Skipped: "), ""),
    (re.compile(r"^shared data '.*?' is not here"), "data that are not ours to ship are not here"),
    (re.compile(r"^could not import '([\w.]+)'.*", re.S), r"\1 is not installed"),
)
"""What differs from test to test within one reason, and what is said instead."""
WAYS = {
    "playwright": "pip install 'askwise[dev]'", "Chromium": "install chromium or chromium-headless-shell",
    "PostgreSQL server": "install postgresql",
    "extra `team`": "pip install 'askwise[team]'", "extra `client`": "pip install 'askwise[client]'",
    "[embed]": "pip install 'askwise[embed]'", "torch": "pip install torch", "openpyxl": "pip install openpyxl",
    "mount a small disk": "run as root",
}  # fmt: skip
"""How to have it, for reasons that do not say so themselves: what they hold → what to do."""


def by_reason(reasons: Iterable[str]) -> list[str]:
    """A line in all and one for each reason, the most frequent first; none where nothing was skipped."""
    counted = Counter(_plain(reason) for reason in reasons)
    if not counted:
        return []
    lines = [f"{number:>5}  {_with_a_way(reason)}" for reason, number in counted.most_common()]
    return [f"{counted.total()} skipped:", *lines]


def _plain(reason: str) -> str:
    for pattern, said in ALIKE:
        reason = pattern.sub(said, reason)
    return reason


def _with_a_way(reason: str) -> str:
    if re.search(r"pip install|`make |\bset |fetch", reason):
        return reason
    way = next((way for part, way in WAYS.items() if part.lower() in reason.lower()), None)
    if way is None and reason.endswith(" is not installed"):
        way = f"pip install {reason.removesuffix(' is not installed')}"
    return reason if way is None else f"{reason}: {way}"
