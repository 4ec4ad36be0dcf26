"""What is checked, and what came out."""

from __future__ import annotations

import binascii
import math
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from askwise.core import BadInput, BadStore, Certificate

CLOSE = 1e-9
"""Bounds that are computed again on another machine may differ in their last digits."""
CLOSE_RISK = 1e-6
"""… and so may risks, relatively: they are sums of exponentials of differences of large log-factorials."""

# What reading a mangled event may raise; State, NumPy and the decoders check nothing twice.
UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, BadInput,
               BadStore, zlib.error, binascii.Error)  # fmt: skip

CHECKS = {
    "chain": "Events ({n:,}): none is missing, and each has the digest of all before it.",
    "fingerprint": "",
    "events": "Events ({n:,}): each can be read, and refers to what was there.",
    "items": "Items ({n:,}): those that the session was started with, and those that were added, none of them twice.",
    "draws": "Questions ({n:,}): random check items came when they were due, and are those that the seed draws.",
    "guesses": "Rankings ({n:,}): each holds a guess of the model for every item that it knows.",
    "consensus": "Consensus ({n:,}): computed again from everybody's answers, the labels are the same.",
    "estimates": "Estimates ({n:,}): computed again, the bounds that were shown come out.",
    "regions": "Frozen regions ({n:,}): open items only, their checks in the order that the seed draws.",
    "plans": "Plans ({n:,}): computed again, the exact risk of a false certificate is within what the attempt spends.",
    "budget": "Attempts ({n:,}): together they spend no more than 1 - confidence.",
    "decisions": "Decisions ({n:,}): counted again in the frozen order, the answers say the same.",
    "blindness": "Checks ({n:,}): answered after the freeze, by people to whom the guess had not been shown.",
    "withdrawn": "Items that were withdrawn ({n:,}): nothing is left of them, and nothing was said of them since.",
    "labels": "Labels by the model ({n:,}): its frozen guesses, on items of the region that were not checked.",
}
"""What is checked, in the order shown, with the sentence that says it holds."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, or one way in which it failed."""

    check: str
    """A key of `CHECKS`, or "certificate"."""
    ok: bool | None
    """None: this log cannot tell, or a person should know."""
    sentence: str
    event: int | None = None
    """`seq` of the event where it failed."""


@dataclass(frozen=True)
class Verification:
    """What came out when a log was recomputed."""

    findings: tuple[Finding, ...]
    certificates: tuple[Certificate, ...]
    """Every certificate given and not taken back, as recomputed."""
    events: int
    fingerprint: str
    """Digest of the whole log as it is now, computed anew, 64 hex digits."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(f.ok is not False for f in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def shown(self, most: int = 5) -> Iterator[Finding]:
        """The findings, of each check at most so many failures: one missing event shifts all that follow."""
        failed: Counter[str] = Counter()
        for place, finding in enumerate(self.findings):
            failed[finding.check] += finding.ok is False
            if finding.ok is not False or failed[finding.check] <= most:
                yield finding
            elif not any(f.check == finding.check and f.ok is False for f in self.findings[place + 1 :]):
                more = failed[finding.check] - most
                yield Finding(finding.check, False, f"… and {more:,} more such findings.")


def same(one: Any, other: Any) -> bool:
    """Whether two numbers, or None, are the same but for the last digits."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
