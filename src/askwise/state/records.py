"""What the state of a session is made of."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from askwise.audit import Levels, WeightedPlan
from askwise.core import Array, Label, Rows

# What a handler may meet in an event whose values are of the right type, but not those that belong together.
MANGLED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, zlib.error)
OVERLAP = "overlap"
"""Strategy of a question that somebody else has answered already, drawn at random."""
DOUBTED = "doubted"
"""Strategy of a question that somebody else has answered, chosen because that answer is doubtful."""
QUARTER = 900
"""Seconds of a quarter of an hour: every time zone's midnight is the beginning of one."""


@dataclass
class Draw:
    """One uniformly random check item, as it was drawn."""

    row: int
    seq: int
    """The `asked` event."""
    round: int
    """The model whose guess it checks."""
    eligible: Array
    """(⌈n/8⌉,) packed bits: the rows it was drawn from."""
    confidence: float | None
    """Of the guess, at the draw; a planning number."""
    guesses: Array | None = None
    """(n,) class numbers that the model guessed; None before the first."""
    system: Array | None = None
    """What the classes counted as at the draw, by which the check is scored; see `relabeling`."""
    removed: frozenset[int] = frozenset()
    """Classes that were none then."""


BY_CONFIDENCE = "confidence"
"""How a session makes its plain estimate, in `opened`; where nothing is said, it is the mean of the last checks."""


@dataclass(frozen=True)
class Word:
    """How sure the model is of the rest, and of its check items: what the plain estimate is made of."""

    sure: tuple[tuple[int, int], ...]
    """(bin, how many) of the confidences on the rest, see `audit.plain.counted`."""
    held: Mapping[int, tuple[int, float]]
    """Row of a check item → class number that a model guesses which has not seen its label, and how sure it is."""
    system: Array | None
    """What the classes counted as when these were made."""
    removed: frozenset[int]
    """Classes that were none then."""

    @classmethod
    def after(
        cls, before: Word | None, ranked: Mapping[str, Any], system: Array | None, removed: frozenset[int]
    ) -> Word | None:
        """What is known after a ranking: where it has nothing new of the check items, what was known before.

        Args:
            before: What was known.
            ranked: Data of the `ranked` event.
            system: What the classes count as.
            removed: Classes that are none any more.
        """
        if "sure" not in ranked:
            return before
        sure = tuple((int(at), int(count)) for at, count in ranked["sure"])
        if "held" not in ranked:
            return cls(sure, {}, system, removed) if before is None else replace(before, sure=sure)
        held = {int(row): (int(code), float(confidence)) for row, code, confidence in ranked["held"]}
        return cls(sure, held, system, removed)


@dataclass
class Lease:
    """A question that somebody has in hand."""

    annotator: str
    until: float
    seq: int


@dataclass
class Ask:
    """How a row was last asked."""

    seq: int
    annotator: str
    round: int
    audit: bool
    probability: float | None
    score: float | None
    strategy: str
    check: bool


@dataclass
class Ranking:
    """The last ranking of the pool."""

    round: int
    trained_on: int
    """`seq` of the newest event the model had seen."""
    queue: list[int]
    scores: list[float]
    parts: list[str]
    strategy: str
    planned: int
    """How many of the queue the batch rule chose together; what follows is ordered by score alone."""
    again: list[tuple[int, float]] = field(default_factory=list)
    """(row, score) of labels that another opinion would help most, the most doubtful first; see `people.again`."""
    quality: dict[str, float] = field(default_factory=dict)
    """Annotator → expected share of right labels, of those whose labels others have checked."""


@dataclass
class Attempt:
    """One attempt to certify a frozen region."""

    number: int
    alpha: float
    max_error: float
    confidence: float
    target: str
    round: int
    order: Rows
    """The region in the random order of the checks, fixed at the freeze."""
    position: dict[int, int]
    seq: int
    needed: tuple[int, ...]
    """The plan: `needed[k]` checks certify although k of them were wrong."""
    risk: float
    expected_error: float
    confidences: Array
    """(region,) confidence of each guess, in the order of the checks."""
    group: int
    """Attempts frozen together, one for each class, are one group; it has one part of the error budget."""
    allowed: int = 0
    """For the target "file": errors that may remain in the region, whatever its size."""
    label: Label | None = None
    """The region holds only items that the model takes for this class; None = whatever it takes them for."""
    outcome: str = "open"
    """open, certified, refused or cancelled."""
    checks: int = 0
    wrong: int = 0
    reason: str = ""
    taken_back: bool = False
    fingerprint: str = ""
    """Digest of the log at the decision; "" before it, and where it was written before digests existed."""
    found: int = 0
    """Relevant items known at the freeze, where the target is a recall."""
    items: int = 0
    """Items of the session at the freeze: of what came later nothing is claimed."""
    guesses: Array | None = None
    """(n,) class numbers that are handed over, as they were at the freeze."""
    system: Array | None = None
    """What the classes counted as then."""
    removed: frozenset[int] = frozenset()
    """Classes that were none then."""
    names: tuple[Label, ...] = ()
    """What the labels were called then."""
    called: Label | None = None
    """What `label` was called then."""
    gone: int = 0
    """Items that had been withdrawn before the freeze: of `items` they are none any more."""
    levels: Levels | None = None
    """(region,) level of each item's weight, in the order of the checks; None: all are as likely to come next."""
    share: float = 0.0
    """Of all weight, what goes by doubt."""
    weighted: WeightedPlan | None = field(default=None, repr=False, compare=False)
    """The plan made of these, kept for what it remembers."""
    begun: int = 0
    """`seq` of the event that its checks began with: the freeze, or what made them go on."""
    blown: frozenset[int] = frozenset()
    """Rows that nobody can check blind any more since the checks went on: each counts as wrong, and none is asked."""
    kept: dict[int, bool | None] = field(default_factory=dict)
    """Row → outcome of its check, of a certificate given, for rows that were withdrawn since. Never changed, only
    exchanged."""
