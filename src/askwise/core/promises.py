"""What a certificate promises, in words: one class for each target, and the registry of targets.

How a promise is planned and counted is in `askwise.aims`, how it is recomputed in `askwise.verification.witnesses`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from askwise.core.shares import share

if TYPE_CHECKING:
    from askwise.core.records import Certificate

Target: TypeAlias = Literal["auto", "dataset", "file"]
"""What a share of errors may be asked for of; see `TARGETS`."""
Promised: TypeAlias = Literal["auto", "dataset", "file", "recall"]
"""What a certificate may be about; see `PROMISES`."""


class Promise(ABC):
    """What certificates of one target say. Whatever a new target does not allow of itself it does not say."""

    name: ClassVar[Promised]
    asked: ClassVar[bool] = False
    """Whether a person may ask for it by name."""
    search: ClassVar[bool] = False
    """It speaks of what a search leaves unread, as irrelevant, and not of guesses of a model."""
    unpictured: ClassVar[str] = "Its sentence says all."
    """Why its checks are not drawn as in `plots.certificate`, in a sentence; "" where they are."""
    mixes: ClassVar[bool] = False
    """Whether labels under several certificates keep together to the loosest of these; see `together`."""
    of_region: ClassVar[bool] = False
    """Whether it counts checked items as part of the whole."""

    @abstractmethod
    def sentence(self, c: Certificate) -> str:
        """One sentence for the person, of a certificate that holds."""

    @abstractmethod
    def note(self, c: Certificate) -> str:
        """How it came about, for the report."""

    def bound_on_all(self, c: Certificate) -> str:
        """What it alone says of all labels by the model, those before it included; "" where it does not."""
        return ""


class _OfModel(Promise):
    """A bound on wrong labels of a model, from blind checks."""

    asked = True
    unpictured = ""
    counted: ClassVar[str] = ""
    """What the note says of the items that the share is of."""

    @abstractmethod
    def bound(self, c: Certificate) -> str:
        """What is bounded, as part of the sentence."""

    def sentence(self, c: Certificate) -> str:
        """How many the model labels, the bound, what it rests on, and what has changed since."""
        what = "by the model" if c.label is None else f"{c.label!r} by the model"
        return (
            f"{c.certified:,} items are labeled {what}; with {share(c.confidence)} confidence {self.bound(c)} "
            f"({c.audits} blind checks{', more where it doubted' * bool(c.by_doubt)}, {c.wrong} wrong{_mark(c)})."
            + (f" Right is what {c.people} annotators agree on (Dawid & Skene)." if c.people else "")
            + (f" {c.strict}" if c.strict else "")
            + (f" The answers to {c.changed:,} of the checks were changed after they were given." * (c.changed > 0))
            + f" Of the {c.later:,} items added since it says nothing." * (c.later > 0)
            + f" It speaks of the labels as they were: since then {'; '.join(c.since)}." * bool(c.since)
            + _withdrawn(c)
        )

    def note(self, c: Certificate) -> str:
        """The checks, the region, what was spent, and what the share is of."""
        return (
            "Each square is an item that a person checked without seeing the model's answer, in a random order fixed "
            f"before the first check.{_weights(c)} The region held {c.region:,} items when it was frozen; "
            f"{_spent(c)}{self.counted}"
        )


class OfLabels(_OfModel):
    """At most `max_error` of the labels given by the model are wrong."""

    name = "auto"
    mixes = True

    def bound(self, c: Certificate) -> str:
        """Of the labels."""
        return f"at most {share(c.max_error, 1)} of them are wrong"


class OfRegion(_OfModel):
    """Wrong labels are at most `max_error` of the region; among the model's labels alone the share may be larger."""

    name = "dataset"
    mixes = True
    of_region = True
    counted = " The bound counts the checked items, which people corrected, as part of the whole."

    def bound(self, c: Certificate) -> str:
        """Of the region."""
        return f"the wrong ones are at most {share(c.max_error, 1)} of the whole region of {c.region:,} items"


class OfFile(_OfModel):
    """All wrong labels by the model together are at most `max_error` of all items of the pool."""

    name = "file"
    counted = " The bound is on all labels by the model together, as a share of all items, those of people included."

    def bound(self, c: Certificate) -> str:
        """Of all items."""
        then = " there were then" * (c.later > 0)
        return f"the model's wrong labels are at most {share(c.max_error, 1)} of all {c.whole:,} items{then}"

    def bound_on_all(self, c: Certificate) -> str:
        """The same share: it counts what earlier certificates allow."""
        return f"the wrong ones are at most {share(c.max_error, 1)} of all {c.whole:,} items"


class OfRelevant(Promise):
    """At most `max_error` of the relevant items are missed by a search."""

    name = "recall"
    search = True
    unpictured = "That of a search has none; its sentence says all."

    def sentence(self, c: Certificate) -> str:
        """How many are found, of all at least which share, and how many are left unread."""
        return (
            f"{c.found + c.wrong:,} relevant items are found; with {share(c.confidence)} confidence these "
            f"are at least {share(round(1 - c.max_error, 9))} of all ({c.audits:,} checks in random order, "
            f"{c.wrong:,} of them relevant{_mark(c)}). {c.certified:,} unread items are left as irrelevant."
            + _withdrawn(c)
        )

    def note(self, c: Certificate) -> str:
        """The unread items, and what was spent."""
        return f"{c.region:,} items were unread when the order of the checks was drawn; {_spent(c)}"


PROMISES: dict[str, Promise] = {p.name: p for p in (OfLabels(), OfRegion(), OfFile(), OfRelevant())}
"""Target → what its certificates say."""
TARGETS: tuple[str, ...] = tuple(name for name, p in PROMISES.items() if p.asked)
"""Targets that a person may ask for."""


def promise(target: str) -> Promise:
    """What certificates of a target say.

    Args:
        target: A key of `PROMISES`.

    Raises:
        KeyError: there is no such target; the log is looked at before.
    """
    return PROMISES[target]


def one_of(names: Sequence[str]) -> str:
    """Two names or more as a sentence lists them: a, b or c."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def together(certificates: Sequence[Certificate]) -> str:
    """What certificates that hold prove of all labels by the model, as part of a sentence.

    Args:
        certificates: One or more, in the order in which they were given.
    """
    last = certificates[-1]
    alone = promise(last.target).bound_on_all(last)
    if alone:
        return alone
    kinds = [promise(c.target) for c in certificates]
    if not all(kind.mixes for kind in kinds):
        return "each batch of labels keeps to what its certificate says"
    # What holds for all of the model's labels together is what the loosest certificate says.
    limit = share(max(c.max_error for c in certificates), 1)
    if any(kind.of_region for kind in kinds):
        region = sum(c.region for c in certificates)
        return f"the wrong ones are at most {limit} of the {region:,} items that were frozen for it"
    return f"at most {limit} of those are wrong"


def _mark(c: Certificate) -> str:
    return f"; fingerprint {c.short_fingerprint}" if c.fingerprint else ""


def _weights(c: Certificate) -> str:
    """What a share of wrong checks means, where these were drawn by weights."""
    if not c.by_doubt:
        return ""
    return (
        f" Doubtful items were likelier to come early ({share(c.by_doubt)} of the weight goes by doubt), so more of "
        "the checks are wrong than of the rest; the proof counts each by its weight."
    )


def _spent(c: Certificate) -> str:
    return (
        f"this was attempt {c.attempt} and it spent {c.alpha:.3g} of the allowed chance of a wrong proof, "
        f"{1 - c.confidence:.3g} in all."
    )


def _withdrawn(c: Certificate) -> str:
    return f" {c.withdrawn:,} of the {c.region:,} items that it speaks of were withdrawn since." * (c.withdrawn > 0)
