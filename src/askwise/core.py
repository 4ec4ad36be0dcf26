"""The nouns of Askwise: records, protocols, errors. Imports nothing else of ours."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""A NumPy array; scores also accept any array that follows the Python array API."""
Matrix: TypeAlias = Any
"""Features, (n, d): a dense float array or a SciPy CSR matrix; sparse stays sparse."""
Rows: TypeAlias = npt.NDArray[np.intp]
"""Row numbers of the pool, (k,) integers."""
Label: TypeAlias = str


# ── errors ──────────────────────────────────────────────────────────────────────────────────


class AskwiseError(Exception):
    """The one base class. The message says what, what was got, what is allowed, and a way out."""


class BadInput(AskwiseError):
    """Something a user gave cannot be used (CLI exit code 2, HTTP 4xx)."""


class BadStore(AskwiseError):
    """A session file cannot be opened: not ours, damaged, or from a newer version."""


class Conflict(AskwiseError):
    """Somebody else appended to the log first; read again and retry."""


class ContractError(AskwiseError):
    """A plug-in (strategy, learner, encoder, store) broke its contract; names the row if there is one."""


class MissingExtra(AskwiseError):
    """An optional dependency is not installed; the message holds the command that installs it."""


def unknown(kind: str, name: object, known: Iterable[str]) -> BadInput:
    """The error for a name that is not in a list, with the nearest known name as the way out."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(names[:40]) + (", …" if len(names) > 40 else "")
    return BadInput(f"No {kind} named {name!r}. {hint}Known: {shown}.")


# ── the log ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `data` is JSON-able; `at` is Unix seconds; `seq` (1, 2, …) is set by the store."""

    kind: str
    data: Mapping[str, Any]
    at: float = 0.0
    seq: int = 0


class Store(Protocol):
    """An append-only log of events."""

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        ...

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all or none, durably; returns the last `seq`. A stale `after` raises `Conflict`."""
        ...

    def close(self) -> None:
        """Release the file or connection; the log stays."""
        ...


# ── models ──────────────────────────────────────────────────────────────────────────────────


@runtime_checkable
class Learner(Protocol):
    """Any scikit-learn classifier or pipeline with `predict_proba` already is one.

    Optional powers are looked up by name: `predict_committee(X)` → (members, n, classes),
    `embed(X)` → (n, d). `fit` may start from where it was.
    """

    classes_: Any

    def fit(self, X: Matrix, y: Any) -> Any:
        """Learn from (m, d) features and (m,) labels."""
        ...

    def predict_proba(self, X: Matrix) -> Array:
        """(n, classes) probabilities, columns in the order of `classes_`."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns items into features. A plain `encode(list) -> array` callable is accepted as well."""

    name: str

    def encode(self, items: Sequence[Any]) -> Matrix:
        """(n, d) features, float32, dense or CSR, one row an item, in order."""
        ...


class Executor(Protocol):
    """`concurrent.futures`, Dask's `Client.get_executor()`, Ray's pool, MPI: as they are."""

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> Iterable[Any]:
        """Like the builtin `map`, in order."""
        ...


# ── asking ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Selection:
    """What `select` returns: rows to ask about, most useful first."""

    rows: Rows
    """(k,) row numbers."""
    scores: Array
    """(k,) acquisition scores; higher = ask sooner."""
    strategy: str
    """The strategy that chose (the inner one, where a combinator delegated)."""
    parts: tuple[str, ...] = ()
    """For each row the name of the strategy that chose it."""


@dataclass(frozen=True)
class Query:
    """One question to an oracle or an annotator."""

    item: str
    """Item id."""
    row: int
    """Row number in the pool."""
    content: Any
    """What is shown: the text, or the feature row of an array pool."""
    reason: str
    """Why it was asked, one sentence."""
    strategy: str = ""
    probability: float | None = None
    """Sampling probability of this draw where it was random (audit items), else None."""
    audit: bool = False
    """A uniformly random check item: its answer is evidence, so the model's guess must not be shown."""
    score: float | None = None
    round: int = 0
    """The ranking (model version) this question came from; 0 before the first model."""
    suggestion: Label | None = None
    """The model's guess, None for audit items and before the first model."""
    confidence: float | None = None
    """Calibrated probability of the guess."""
    guesses: tuple[tuple[Label, float], ...] = ()
    """The likeliest classes with their probabilities, likeliest first (empty for audit items)."""
    asked: int = 0
    """`seq` of the `asked` event in the log."""

    @property
    def text(self) -> str:
        """The content as text."""
        return str(self.content)


Oracle: TypeAlias = Callable[[Sequence[Query]], Sequence[Label]]
"""Simulated or programmatic annotator: one label for each query, in order."""


# ── honesty ─────────────────────────────────────────────────────────────────────────────────


def share(value: float, digits: int = 0) -> str:
    """A promised share in percent, with as many digits as it has: 0.0125 is 1.25%, which 1.2% would overstate."""
    shown = f"{100 * value:.6f}".rstrip("0")
    whole, _, fraction = shown.partition(".")
    return f"{whole}.{fraction.ljust(digits, '0')}".rstrip(".") + "%"


def between(low: float, high: float, digits: int = 0) -> str:
    """Proved bounds in percent, rounded outwards: what is shown holds because what was computed does."""
    scale = 10.0**digits
    down, up = math.floor(100 * scale * low + 1e-6) / scale, math.ceil(100 * scale * high - 1e-6) / scale
    return f"{down:.{digits}f}% and {up:.{digits}f}%"


@dataclass(frozen=True)
class Estimate:
    """How good the current model is on the rest of the pool. True at every look."""

    accuracy: float | None
    """Plain estimate (0..1), marked as such; None before there is a model with check items."""
    low: float
    """With `confidence`, the accuracy on the rest is at least this, however often one looks."""
    high: float
    """… and at most this."""
    confidence: float
    audits: int
    """Random check items that count."""
    wrong: int
    """… of which the model had wrong, before learning from them."""
    rest: int
    """Items still to be decided: no human label, not marked unsure, not labeled by the model."""

    @property
    def sentence(self) -> str:
        """One sentence for the person."""
        if self.rest == 0:
            return "Every item has an answer or a label by the model; nothing is left to estimate."
        if self.accuracy is None:
            return f"No estimate yet for the remaining {self.rest:,}: too few random check items answered."
        return (
            f"Estimated {self.accuracy:.0%} right on the remaining {self.rest:,}; {self.audits} blind check items "
            f"({self.wrong} wrong) prove between {between(self.low, self.high)} "
            f"({share(self.confidence)} sure, however often you look)."
        )


@dataclass(frozen=True)
class Verdict:
    """Advice on whether to go on; never a lock."""

    ready: bool
    """True when stopping to certify and auto-label is the better bargain, or nothing is left."""
    reason: str
    """One sentence that says why."""
    labels_left: int | None = None
    """Forecast of human labels still to give until the pool is done (checks included); None = cannot tell yet."""
    labels_left_range: tuple[int, int] | None = None
    """A plausible range for the forecast."""
    region: int = 0
    """Items that could be handed to the model now, by projection."""


@dataclass(frozen=True)
class Certificate:
    """A proof that at most `max_error` of `certified` auto-labeled items are wrong."""

    max_error: float
    confidence: float
    attempt: int
    """1, 2, …: each attempt spends its own share of 1 - confidence."""
    alpha: float
    """The share spent by this attempt."""
    region: int
    """Items in the frozen region."""
    audits: int
    """Checked blind, in a random order fixed at the freeze."""
    wrong: int
    """… of which the model had wrong."""
    certified: int
    """Items labeled by the model under this certificate: region - audits."""
    target: Literal["auto", "dataset"] = "auto"
    void: str = ""
    """Not empty: the evidence was changed afterwards, and how; the certificate no longer holds."""

    @property
    def sentence(self) -> str:
        """One sentence for the person."""
        if self.void:
            return f"This certificate no longer holds: {self.void}"
        bound = f"at most {share(self.max_error, 1)} of them are wrong"
        if self.target == "dataset":  # among the model's labels alone the share may be larger
            bound = (
                f"the wrong ones are at most {share(self.max_error, 1)} of the whole region of {self.region:,} items"
            )
        return (
            f"{self.certified:,} items are labeled by the model; with {share(self.confidence)} confidence {bound} "
            f"({self.audits} blind checks, {self.wrong} wrong)."
        )


@dataclass(frozen=True)
class AutoLabels:
    """The answer of `Session.autolabel`."""

    status: Literal["certified", "checking", "refused"]
    """`checking`: the region is frozen and blind checks are still to be answered."""
    reason: str
    """What was proved, or what is missing and what to do."""
    labels: Mapping[str, Label] = field(default_factory=dict)
    """Item id → label, for what the model labeled (only when certified)."""
    certificate: Certificate | None = None
    checks_done: int = 0
    checks_left: int | None = None
    """Checks still needed if all go well; None when nothing is pending."""
    deferred: int = 0
    """Items that stay with people."""

    def __bool__(self) -> bool:
        return self.status == "certified"


@dataclass(frozen=True)
class Answer:
    """The current answer to one item, as folded from the log."""

    row: int
    kind: Literal["label", "skip", "unsure", "given"]
    """`given`: came with the data."""
    label: Label | None
    annotator: str
    seq: int
    at: float
    seconds: float | None = None
    round: int = 0
    probability: float | None = None
    audit: bool = False
    strategy: str = ""
    flag: str | None = None


@dataclass(frozen=True)
class CurvePoint:
    """The state of knowledge after some number of human labels."""

    labels: int
    accuracy: float | None
    low: float
    high: float
    audits: int
    at: float
    seconds: float
    """What the refresh took."""
    truth: float | None = None
    """Accuracy against hidden truth, in simulations only."""


@dataclass(frozen=True)
class Report:
    """Everything a report shows, as numbers; `askwise.report` renders it."""

    title: str
    created: float
    items: int
    rows: int
    """Rows of the input, exact duplicates included."""
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    """Class → {"human": …, "model": …}."""
    human: int
    given: int
    auto: int
    open: int
    """Items without any label."""
    unsure: int
    skipped: int
    flagged: tuple[tuple[str, str], ...]
    """(item, note)."""
    estimate: Estimate
    verdict: Verdict
    curve: tuple[CurvePoint, ...]
    attempts: tuple[Mapping[str, Any], ...]
    """Certification attempts: number, region, checks, wrong, alpha, outcome."""
    certificates: tuple[Certificate, ...]
    asked: Mapping[str, int]
    """Strategy → questions answered."""
    seconds: float
    """Human seconds spent answering, as far as they were measured."""
    settings: Mapping[str, Any]
    """Strategy, encoder, learner, seed, audit share, version …"""
    problems: tuple[str, ...] = ()
    """Rows of the input that could not be loaded."""
    truth: Mapping[str, Any] | None = None
    """Comparison with hidden truth, in simulations and the demo only."""
