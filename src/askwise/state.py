"""The state of a session: a fold of its log."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from askwise import events as kinds
from askwise import relabeling
from askwise.audit import UNKNOWN, UNSURE
from askwise.core import Answer, Array, BadStore, Control, CurvePoint, Event, Label, Rows
from askwise.labelsets import labels_of
from askwise.pool import Dropped, Pool, Problem, columns_of, packed, pool_digest, source_of, unpacked
from askwise.values import plain

ITEMS_PER_EVENT = 5_000
LOG_FORMAT = 3
"""Written in `opened`. 2: events have digests. 3: an answer counts as a blind check only where the model's guess had
not been shown to whoever gave it."""
READS_FORMAT = 4
"""The newest format that this program reads. 4: items come later, and labels are changed. A session begun as 3 says so
with the first event of such a kind, which carries the number; programs before it know no such kind and refuse the log
for that, so a session that never grew stays readable for them."""
OVERLAP = "overlap"
"""Strategy of a question that somebody else has answered already, drawn at random."""
DOUBTED = "doubted"
"""Strategy of a question that somebody else has answered, chosen because that answer is doubtful."""
QUARTER = 900
"""Seconds of a quarter of an hour: every time zone's midnight is the beginning of one."""


def pack(data: bytes) -> str:
    """Bytes as compressed text for an event."""
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


def unpack(text: str) -> bytes:
    """The inverse of `pack`."""
    return zlib.decompress(base64.b64decode(text))


# ── the pool inside the log, so that a session is one file ──────────────────────────────────


def pool_events(pool: Pool) -> Iterator[Event]:
    """The items as `items` events: texts and cells as they are, of a file its name and SHA-256; an array pool travels
    as its fingerprint alone. The first one also holds the order of the columns and the rows that could not be loaded.
    """
    if pool.kind == "array":
        return
    for start in range(0, len(pool), ITEMS_PER_EVENT):
        rows = range(start, min(start + ITEMS_PER_EVENT, len(pool)))
        data: dict[str, Any] = {"start": start, "packed": packed_items(pool, rows)}
        if not start and pool.columns:
            data["columns"] = pool.columns
        if not start and pool.dropped:
            data["dropped"] = packed_dropped(pool.dropped)
        yield Event("items", data)


def packed_items(pool: Pool, rows: Iterable[int], *, later: int = 0) -> str:
    """Items as an event holds them; of an array pool without their features.

    Args:
        pool: The items.
        rows: Which.
        later: Added to the numbers of their source rows.
    """
    chunk = []
    for row in rows:
        extras: list[dict[str, Any]] = []
        if pool.record is not None:
            told = _told(pool.address, pool.ids[row], pool.contents[row])
            extras = [_untold(pool.record[source], told) for source in pool.sources[row]]
        kept = extras if any(extras) else None
        content = None if pool.kind == "array" else packed(pool.contents[row])
        chunk.append([pool.ids[row], content, [source + later for source in pool.sources[row]], kept])
    return pack(_json(chunk))


def packed_dropped(dropped: Mapping[int, Dropped], *, later: int = 0) -> str:
    """Rows that could not be loaded as an event holds them."""
    return pack(_json([[row + later, one.cells, one.why] for row, one in dropped.items()]))


def read_dropped(text: str) -> dict[int, Dropped]:
    """The inverse of `packed_dropped`."""
    return {int(row): Dropped(dict(cells), str(why)) for row, cells, why in json.loads(unpack(text))}


def _told(address: Mapping[str, Any], item: str, content: Any) -> dict[str, Any]:
    """What an item and its id say of the columns of its rows."""
    told = columns_of(content, address.get("text"))
    return told | {address["id"]: item} if address.get("id") else told


def _untold(record: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a row that are not told by its item: JSON-able."""
    cells = {name: plain(value) for name, value in record.items()}
    return {k: v for k, v in cells.items() if k not in told or type(v) is not type(told[k]) or v != told[k]}


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair, in a cell that is no text to label
        return json.dumps(value).encode()


def pool_from_log(opened: Mapping[str, Any], events: Sequence[Event]) -> Pool | None:
    """The pool that `pool_events` wrote, or None for an array pool."""
    if opened["kind"] == "array":
        return None
    try:
        pool = _pool_of(opened, events)
    except _MANGLED as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise BadStore(f"This session is damaged: its items cannot be read ({said}). Go on with a copy.") from error
    if pool.fingerprint != opened["fingerprint"]:
        raise BadStore("This session file is damaged: its items do not match the fingerprint written at the start.")
    if len(pool) != opened["n"]:
        raise BadStore(f"This session is damaged: it began with {opened['n']} items, and {len(pool)} are there.")
    return pool


def read_items(kind: str, address: Mapping[str, Any], text: str) -> Iterator[tuple[str, Any, list[int], list[Any]]]:
    """(id, content, source rows, cells of each source row) of the items in an event; content is None for an array."""
    files = source_of(address)
    for item, kept, rows, extras in json.loads(unpack(text)):
        content = None if kind == "array" else unpacked(kind, kept, files)
        told = {} if kind == "array" else _told(address, item, content)
        yield item, content, rows, [told | extra for extra in extras or [{}] * len(rows)]


def _pool_of(opened: Mapping[str, Any], events: Sequence[Event]) -> Pool:
    kind = opened["kind"]
    address = dict(opened["pool"])
    ids: list[str] = []
    contents: list[Any] = []
    sources: list[list[int]] = []
    record: dict[int, dict[str, Any]] = {}
    order: list[str] = []
    dropped: dict[int, Dropped] = {}
    for event in events:
        if event.kind != "items":
            continue
        order += event.data.get("columns", [])
        if "dropped" in event.data:
            dropped |= read_dropped(event.data["dropped"])
        for item, content, rows, cells in read_items(kind, address, event.data["packed"]):
            ids.append(item)
            contents.append(content)
            sources.append(rows)
            for source, one in zip(rows, cells, strict=True):
                record[source] = {name: one[name] for name in order if name in one} | one
    return Pool(
        ids=ids,
        contents=contents,
        kind=kind,
        features=None,
        sources=sources,
        given={int(row): label for row, label in opened["given"].items()},
        problems=[Problem(*problem) for problem in opened["problems"]],
        address=address,
        record=ByRow(record) if address.get("text") else None,
        notes=list(opened["notes"]),
        digest=pool_digest(contents),
        columns=order,
        dropped=dropped,
    )


class ByRow(Sequence[Mapping[str, Any]]):
    """Rows of the source that loaded, by their number there (bad rows leave holes).

    Args:
        rows: Number → cells.
        first: Where the rows are that are not among these.
    """

    def __init__(self, rows: Mapping[int, Mapping[str, Any]], first: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rows = rows
        self.first = first

    def __len__(self) -> int:
        return max(max(self.rows, default=-1) + 1, len(self.first))

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index] if index in self.rows else self.first[index]


def too_new(name: str, needs: int) -> BadStore:
    """The error for a log of a later format."""
    return BadStore(
        f"{name} was written by a newer Askwise (format {needs}; this one reads up to {READS_FORMAT}). "
        "Upgrade with `pip install --upgrade askwise`."
    )


# ── the fold ────────────────────────────────────────────────────────────────────────────────


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


@dataclass
class State:
    """Everything the log says. Only `apply` changes it."""

    seq: int = 0
    opened: Mapping[str, Any] = field(default_factory=dict)
    n: int = 0
    ranked: int = 0
    """Rows that the last ranking knew, the first ones; those behind came later: they wait for the next to be asked."""
    rows: int = 0
    """Rows of the input that are items."""
    additions: list[int] = field(default_factory=list)
    """How many items came with each addition."""
    labels: list[Label] = field(default_factory=list)
    """The labels that may be given, in the order declared or discovered."""
    multilabel: bool = False
    """Whether an item has a set of labels: an answer, a guess and a class are such a set then, written as one text."""
    classes: list[Label] = field(default_factory=list)
    """What an item is taken for, by number: the labels; in a multi-label session each set of labels met so far."""
    numbers: dict[Label, int] = field(default_factory=dict)
    """The same the other way round."""
    merged: dict[int, int] = field(default_factory=dict)
    """Number of a class → of the one that it was merged into."""
    removed: frozenset[int] = frozenset()
    """Numbers of classes that are none any more."""
    system: Array | None = None
    """(classes,) what each class counts as, by `merged`; None = as itself. Never changed, only exchanged."""
    systems: list[tuple[int, Array | None, frozenset[int]]] = field(default_factory=list)
    """(`seq` of the event, `system`, `removed`) of whatever changed these."""
    changes: list[tuple[int, str]] = field(default_factory=list)
    """(`seq`, in words) of what changed the classes."""
    reversals: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    """(`seq`, kind and data of the event that would take it back) of each change of labels or texts that stands."""
    former: dict[Label, Label] = field(default_factory=dict)
    """Name that a class had → its name now."""
    order: list[Label] = field(default_factory=list)
    """In which people see the labels, where somebody has said so."""
    descriptions: dict[Label, str] = field(default_factory=dict)
    """Label → what it means."""
    texts: dict[str, str] = field(default_factory=dict)
    """Title and guidelines, where they were changed."""
    written: Array | None = None
    """(n,) the guesses as the last ranking has them, before anything was merged since."""
    answers: dict[int, Answer] = field(default_factory=dict)
    """Row → what holds of it: the answer of the one who gave one, or the consensus of several."""
    votes: dict[int, dict[str, Answer]] = field(default_factory=dict)
    """Row → annotator → what they answered."""
    given: dict[int, Answer] = field(default_factory=dict)
    """Row → the label that came with the data."""
    consensus: dict[int, Label] = field(default_factory=dict)
    """Row → the label that the last `consensus` found for the answers as they still are."""
    several: set[int] = field(default_factory=set)
    """Rows with labels by several people."""
    unsettled: bool = False
    """Whether some of these have answers that the last `consensus` did not know."""
    flags: dict[int, str] = field(default_factory=dict)
    rulings: dict[int, Answer] = field(default_factory=dict)
    """Row → the label that a reviewer decided on; it stands whatever the votes say."""
    batches: dict[int, list[tuple[int, int, str]]] = field(default_factory=dict)
    """Number of a bulk labeling → (seq, row, annotator) of its answers."""
    rewound: dict[int, list[tuple[Answer, int]]] = field(default_factory=dict)
    """Number of a rewind → the standing answers that it took back, each with `seq` of the question then, 0 = none."""
    story: dict[int, list[tuple[int, float, str, str, str]]] = field(default_factory=dict)
    """Row → (seq, time, kind of event, person, label or note) of all that people did to it, oldest first."""
    trail: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Annotator → (seq, row) of the answers that can be taken back, oldest first."""
    before: dict[int, Answer | None] = field(default_factory=dict)
    """`seq` of an answer → the same annotator's answer that it replaced."""
    after: dict[int, int] = field(default_factory=dict)
    """`seq` of an answer → `seq` of the last answer that replaced it."""
    asks: dict[int, Ask] = field(default_factory=dict)
    shown: dict[str, set[int]] = field(default_factory=dict)
    """Annotator → rows whose guess by the model they have been shown; under "" those that anybody may have seen."""
    shown_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows whose guess somebody has been shown."""
    asked_of: dict[int, dict[str, int]] = field(default_factory=dict)
    """Row → annotator → `seq` of the event that asked them last."""
    late: set[int] = field(default_factory=set)
    """Rows with answers that came late; see `is_late`."""
    doubted: set[int] = field(default_factory=set)
    """Rows that were asked again because their label was doubtful; see docs/guarantee.md on what they count for."""
    leases: dict[int, Lease] = field(default_factory=dict)
    slots: int = 0
    """Questions handed out while learning; decides which are check items."""
    handed: Counter[str] = field(default_factory=Counter)
    """Annotator → questions handed to them while learning; decides which are asked of several people."""
    draws: list[Draw] = field(default_factory=list)
    ranking: Ranking | None = None
    predictions: Array | None = None
    """(n,) class numbers guessed by the current model; None before the first model."""
    past: dict[int, Array] = field(default_factory=dict)
    """Round → predictions, for rounds that a draw or an attempt refers to."""
    points: list[CurvePoint] = field(default_factory=list)
    learned: list[int] = field(default_factory=list)
    """For each of `points` the newest event that its model knew."""
    control: Control | None = None
    """The last comparison with random sampling that was made before a ranking."""
    costs: list[tuple[int, float, int]] = field(default_factory=list)
    """(human labels, projected labels to go, open items) at each ranking; labels never decrease."""
    floor: float = 0.0
    """Projected labels to go if the last model made no error; 0 in logs from before it was recorded."""
    attempts: list[Attempt] = field(default_factory=list)
    auto: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    """Row → (class number, round, confidence) of labels given by the model."""
    human: int = 0
    seconds: float = 0.0
    last_answer: int = 0
    """`seq` of the newest event that changes what a model would learn."""
    skips: dict[int, int] = field(default_factory=dict)
    """Row → number of answers at the time it was skipped."""
    told: int = 0
    """`told`, `skipped` or `unsure` events so far."""
    kinds: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in ("given", "skip", "unsure")})
    """Kind of answer, other than a label → the rows of which it holds."""
    given_at: Counter[int] = field(default_factory=Counter)
    """Quarter of an hour since 1970 → how many of the labels by people that hold are from then."""
    codes: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    """(n,) class numbers of the human labels; `audit.UNKNOWN` and `audit.UNSURE` where there is none."""
    answer_rounds: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    """(n,) round that the question came from which the current answer was given to; 0 = none."""
    labeled_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows with a human label."""
    auto_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows in `auto`."""
    rest_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows still to be decided: no human label, not unsure, not labeled by the model."""
    eligible_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows that may be asked: no human label, not leased, not unsure, not auto-labeled."""

    # Reading.

    def still(self) -> State:
        """What estimates, metrics and plans read of it, as it is now: what comes later does not change it."""
        return replace(
            self,
            labels=list(self.labels),
            classes=list(self.classes),
            numbers=dict(self.numbers),
            answers=dict(self.answers),
            leases=dict(self.leases),
            draws=list(self.draws),
            doubted=set(self.doubted),
            past=dict(self.past),
            attempts=[replace(attempt) for attempt in self.attempts],
            codes=self.codes.copy(),
            labeled_mask=self.labeled_mask.copy(),
            rest_mask=self.rest_mask.copy(),
            shown_mask=self.shown_mask.copy(),
        )  # what else evidence reads is never changed, only exchanged

    def shown_labels(self) -> list[Label]:
        """The labels that may be given, in the order in which people see them."""
        gone = set() if self.multilabel else {*self.merged, *self.removed}
        there = [name for number, name in enumerate(self.labels) if number not in gone]
        place = {name: at for at, name in enumerate(self.order)}
        return sorted(there, key=lambda name: place.get(name, len(place))) if place else there

    def may_be(self, label: Label) -> bool:
        """Whether an answer may say this label; what was merged stands for what it was merged into."""
        return label in self.labels and self.numbers.get(label) not in self.removed

    def current(self, label: Label) -> Label:
        """What a label counts as: itself, or what it was merged into."""
        return label if self.system is None else self.classes[relabeling.of(self.system, self.numbers[label])]

    def today(self, codes: Array) -> Array:
        """Class numbers as what they count as now."""
        return codes if self.system is None else relabeling.full(self.system, len(self.classes))[codes].astype(np.int32)

    @property
    def title(self) -> str:
        """As given at the start or later; "" where none was."""
        return self.texts.get("title", str(self.opened["title"]))

    @property
    def guidelines(self) -> str:
        """The same of the guidelines."""
        return self.texts.get("guidelines", str(self.opened.get("guidelines") or ""))

    @property
    def open_attempt(self) -> Attempt | None:
        """The attempt whose checks are being answered: of those frozen together, one after the other."""
        return next((a for a in self.attempts if a.outcome == "open"), None)

    @property
    def grown(self) -> bool:
        """Whether items came later."""
        return self.n > int(self.opened.get("n", 0))

    def waiting(self) -> Array:
        """(n,) rows that may be asked as soon as they are ranked."""
        found = self.rest_mask.copy()
        found[: self.ranked] = False
        found[[row for row in self.leases if row >= self.ranked]] = False
        return found

    @property
    def groups(self) -> int:
        """Times that something was frozen; each has spent its part of the error budget."""
        return self.attempts[-1].group if self.attempts else 0

    @property
    def last_group(self) -> list[Attempt]:
        """The attempts that were frozen last, together."""
        return [a for a in self.attempts if a.group == self.groups]

    @property
    def model(self) -> bool:
        """Whether a model with guesses exists."""
        return self.predictions is not None

    def class_number(self, label: Label) -> int:
        """Position of a label among the classes."""
        return self.numbers[label]

    def parts(self, label: Label) -> tuple[Label, ...]:
        """The labels in an answer: itself; in a multi-label session those of the set."""
        return labels_of(label) if self.multilabel else (label,)

    def membership(self) -> Array:
        """(classes, labels) bool: which labels each class holds; the identity where an item has one label."""
        found = np.zeros((len(self.classes), len(self.labels)), bool)
        column = {name: i for i, name in enumerate(self.labels)}
        for number, name in enumerate(self.classes):
            found[number, [column[part] for part in self.parts(name)]] = True
        return found

    @property
    def model_labels(self) -> int:
        """How many labels the current model learned, those that came with the data included; 0 before the first."""
        return self.points[-1].labels + len(self.kinds["given"]) if self.points else 0

    def label_of(self, row: int) -> Label | None:
        """The human label of a row."""
        answer = self.answers.get(row)
        return answer.label if answer is not None and answer.kind in ("label", "given") else None

    def held(self, annotator: str) -> int:
        """How many questions an annotator has in hand."""
        return sum(lease.annotator == annotator for lease in self.leases.values())

    def is_late(self, row: int, annotator: str, before: Collection[str] = ()) -> bool:
        """Whether a label of this annotator would come late: somebody else has labeled the row since they were asked.

        An item is asked of one person unless the session wants several opinions. Where a question was asked anew
        because no answer came, the first answer holds, and another one is no decision on it: who gives it has not seen
        it. Whoever answered first may change their answer, and an answer that nobody asked for is a correction.

        Args:
            row: Of the item.
            annotator: Who answers.
            before: Who labels the row just before, in the same breath.
        """
        votes = self.votes.get(row, {})
        mine, asked = votes.get(annotator), self.asked_of.get(row, {}).get(annotator)
        first = mine is not None and mine.kind != "skip" and not mine.late
        if float(self.opened.get("overlap", 0)) > 0 or asked is None or first:
            return False
        since = any(a.kind == "label" and a.seq > asked for name, a in votes.items() if name != annotator)
        return since or any(name != annotator for name in before)

    def counted(self, row: int) -> list[Answer]:
        """People's labels of a row that decide on it, oldest first: late ones only where there are no others."""
        labels = sorted((a for a in self.votes.get(row, {}).values() if a.kind == "label"), key=lambda a: a.seq)
        return [self._meant(a) for a in labels if not a.late] or [self._meant(a) for a in labels]

    def _meant(self, answer: Answer) -> Answer:
        """An answer as what it counts as now; what was said stays with it."""
        if self.system is None or answer.label is None:
            return answer
        now = self.current(answer.label)
        return answer if now == answer.label else replace(answer, label=now, said=answer.label)

    def checks(self) -> set[int]:
        """Rows that were or may be blind checks: drawn at random, or at the beginning of the order of an attempt."""
        rows = {draw.row for draw in self.draws}
        for attempt in self.attempts:
            answered = attempt.checks if attempt.outcome != "open" else len(attempt.order)
            rows |= set(attempt.order[:answered].tolist())
        return rows

    def checks_waiting(self) -> set[int]:
        """Rows whose blind check waits for an answer: drawn at random, or of a region whose checks are under way."""
        rows = {row for a in self.attempts if a.outcome == "open" for row in a.position if self.rest_mask[row]}
        return rows | {draw.row for draw in self.draws if self.rest_mask[draw.row]}

    def predictions_of(self, round_: int) -> Array:
        """(n,) class numbers that the model of a round guessed."""
        if self.ranking is not None and self.ranking.round == round_ and self.predictions is not None:
            return self.predictions
        return self.past[round_]

    def guessed_in(self, round_: int) -> bool:
        """Whether the guesses of a round are the current ones, or were kept."""
        current = self.ranking is not None and self.ranking.round == round_ and self.predictions is not None
        return current or round_ in self.past

    def guesses_of(self, attempt: Attempt) -> Array:
        """(n,) class numbers that an attempt would hand over: all irrelevant where the target is a recall."""
        if attempt.target == "recall":
            return np.full(self.n, self.class_number(self.opened["goal"]["irrelevant"]), np.int32)
        return self.predictions_of(attempt.round) if attempt.guesses is None else attempt.guesses

    def found_before(self, attempt: Attempt) -> int:
        """Items outside the region of an attempt at a recall that are labeled relevant now."""
        relevant = self.opened["goal"]["relevant"]
        return sum(a.label == relevant and row not in attempt.position for row, a in self.answers.items())

    def seen(self, row: int) -> bool:
        """Whether the answer was volunteered, or given by somebody who may have seen the guess: no blind check."""
        answer = self.answers.get(row)
        return answer is not None and answer.kind in ("label", "unsure") and (answer.seen or not answer.audit)

    @property
    def tells_shown(self) -> bool:
        """Whether this log tells to whom guesses were shown. A search has no blind checks, only a random order."""
        return int(self.opened.get("format", 1)) >= 3 and "goal" not in self.opened

    def was_shown(self, row: int, annotator: str) -> bool:
        """Whether somebody has, or may have, seen the model's guess on a row: their answer to it is no blind check."""
        return row in self.shown.get(annotator, ()) or row in self.shown.get("", ())

    def outcomes(self, attempt: Attempt) -> list[bool | None]:
        """Wrong (True), right (False) or unanswered (None), in the order of the checks, up to the first gap."""
        guesses = self.guesses_of(attempt)
        found: list[bool | None] = []
        for row in attempt.order.tolist():
            wrong = None if self.seen(row) else self._wrong(row, int(guesses[row]), attempt)
            found.append(wrong)
            if wrong is None:
                break
        return found

    def draw_outcomes(self) -> tuple[list[Draw], list[bool | None]]:
        """The check items up to the last answered one, with whether the model was wrong (None: passed over so far)."""
        wrong = [self._wrong(d.row, int(self.then(d)[d.row]), d) for d in self.draws]
        count = max((i for i, w in enumerate(wrong, 1) if w is not None), default=0)
        return self.draws[:count], wrong[:count]

    def then(self, draw: Draw) -> Array:
        """(n,) class numbers that the model guessed which a check item was drawn for."""
        return self.predictions_of(draw.round) if draw.guesses is None else draw.guesses

    def truth(self) -> Array:
        """(n,) class numbers of the human labels; `audit.UNKNOWN` and `audit.UNSURE` where there is none."""
        return self.codes.copy()

    def rest(self) -> Array:
        """(n,) the items still to be decided: no human label, not unsure, not labeled by the model."""
        return self.rest_mask.copy()

    def _wrong(self, row: int, guess: int, then: Draw | Attempt) -> bool | None:
        answer = self.answers.get(row)
        if answer is None or answer.kind == "skip" or answer.seen:
            return None
        if answer.label is None:
            return True  # unsure: not known to be right
        return relabeling.wrong(self, answer, guess, then.system, then.removed)

    # Writing.

    def _number(self, name: Label) -> None:
        self.numbers[name] = len(self.classes)
        self.classes.append(name)

    def _meet(self, name: Label) -> None:
        """In a multi-label session a set becomes a class when it first occurs."""
        if self.multilabel and name not in self.numbers:
            self._number(name)

    def apply(self, event: Event) -> None:
        """Take one event in."""
        needs = event.data.get("format") if isinstance(event.data, Mapping) else None
        if isinstance(needs, int) and needs > READS_FORMAT:
            raise too_new("This session", needs)
        handler = _HANDLERS.get(event.kind)
        if handler is None:
            raise BadStore(
                f"This session holds an event {event.kind!r} that this version does not know. Upgrade Askwise."
            )
        kinds.check(event, self.n)
        if self.opened and event.kind == "opened":
            raise kinds.damaged(event, "a session begins once")
        if not self.opened and event.kind != "opened":
            raise kinds.damaged(event, "a session begins with `opened`")
        try:
            handler(self, event)
        except _MANGLED as error:
            said = f"it names {error}, which there is not" if isinstance(error, KeyError) else str(error)
            raise kinds.damaged(event, said or type(error).__name__) from error
        if event.kind in _BY_PEOPLE:
            d = event.data
            what = str(d.get("label") or d.get("note") or "")
            told = (event.seq, event.at, event.kind, str(d.get("annotator", "")), what)
            self.story.setdefault(int(d["row"]), []).append(told)
        self.seq = event.seq

    def _show(self, rows: Iterable[int], annotator: str) -> None:
        if self.tells_shown:
            rows = list(rows)
            self.shown.setdefault(annotator, set()).update(rows)
            self.shown_mask[rows] = True

    def _refresh_eligible(self, row: int) -> None:
        answer = self.answers.get(row)
        self.auto_mask[row] = row in self.auto
        self.rest_mask[row] = (answer is None or answer.kind == "skip") and row not in self.auto
        self.eligible_mask[row] = self.rest_mask[row] and row not in self.leases and row < self.ranked

    def _vote(self, row: int, annotator: str, answer: Answer | None) -> None:
        """Put an annotator's answer in the place of their last one, or take it back."""
        votes = self.votes.setdefault(row, {})
        old = votes.pop(annotator, None)
        self.seconds += ((answer and answer.seconds) or 0.0) - ((old and old.seconds) or 0.0)
        if answer is not None:
            votes[annotator] = answer
        self.consensus.pop(row, None)
        self._settle(row)

    def _settle(self, row: int) -> None:
        """What holds of a row: a label before unsure before what the data said before skipped; of several labels the
        consensus, till one is computed the most frequent, of equally frequent ones the newest.
        """
        votes = sorted(self.votes.get(row, {}).values(), key=lambda answer: answer.seq)
        labels = self.counted(row)
        others = [*(a for a in votes if a.kind == "skip"), *(self._meant(a) for a in [self.given.get(row)] if a)]
        others += [a for a in votes if a.kind == "unsure"]
        (self.several.add if len(labels) > 1 else self.several.discard)(row)
        (self.late.add if any(answer.late for answer in votes) else self.late.discard)(row)
        if len(labels) > 1:
            self.unsettled |= row not in self.consensus
            count = Counter(answer.label for answer in labels)
            label = self.consensus.get(row) or max(labels, key=lambda a: (count[a.label], a.seq)).label or ""
            label = label if self.system is None else self.current(label)
            same = [answer for answer in labels if answer.label == label]
            labels = same or [replace(labels[-1], label=label)]  # label by label they may agree on a set nobody gave
        standing = labels or others
        ruling = self.rulings.get(row)
        if ruling is not None and standing and standing[-1].label is not None:
            standing = [self._meant(ruling)]
        holds = standing[-1] if standing else None
        if holds is not None and any(a.seen for a in self.counted(row)):  # one who knew the guess may have swayed it
            holds = replace(holds, seen=True)
        self._set_answer(row, holds)

    def _set_answer(self, row: int, answer: Answer | None) -> None:
        old = self.answers.get(row)
        if old is not None and old.kind == "label":
            self.human -= 1
            self.given_at[int(old.at // QUARTER)] -= 1
        elif old is not None:
            self.kinds[old.kind].discard(row)
        if answer is None:
            self.answers.pop(row, None)
        else:
            self.answers[row] = answer
        if answer is not None and answer.kind == "label":
            self.human += 1
            self.given_at[int(answer.at // QUARTER)] += 1
        elif answer is not None:
            self.kinds[answer.kind].add(row)
        self.labeled_mask[row] = answer is not None and answer.kind in ("label", "given")
        self.codes[row] = UNSURE if answer is not None and answer.kind == "unsure" else UNKNOWN
        if answer is not None and answer.label is not None:
            self.codes[row] = self.class_number(answer.label)
        self.answer_rounds[row] = 0 if answer is None else answer.round
        self._refresh_eligible(row)


def _on_opened(s: State, e: Event) -> None:
    s.opened = e.data
    s.n = s.ranked = int(e.data["n"])
    s.rows = int(e.data["rows"])
    s.multilabel = bool(e.data.get("multilabel", False))
    for name in e.data["classes"]:
        _add_label(s, name)
    s.labeled_mask, s.auto_mask = np.zeros(s.n, bool), np.zeros(s.n, bool)
    s.codes, s.answer_rounds = np.full(s.n, UNKNOWN, np.int32), np.zeros(s.n, np.int32)
    s.eligible_mask, s.rest_mask = np.ones(s.n, bool), np.ones(s.n, bool)
    s.shown_mask = np.zeros(s.n, bool)
    goal = e.data.get("goal")
    if goal is not None and not {goal["relevant"], goal["irrelevant"]} <= set(s.labels):
        raise ValueError("it searches for a class that there is not")
    for row, label in e.data["given"].items():
        s._meet(_known(s, label))
        s.given[int(row)] = Answer(int(row), "given", label, "", e.seq, e.at)
        s._settle(int(row))
    s.last_answer = e.seq


def _on_added(s: State, e: Event) -> None:
    """Items that came later: no check item could have been one of them, and no model has guessed them yet."""
    d, before, more = e.data, s.n, int(e.data["n"])
    if int(d["start"]) != before:
        raise ValueError(f"its items begin with row {d['start']}, and {before:,} are there")
    if s.opened.get("goal"):
        raise ValueError("a search does not grow")
    s.n, s.rows = before + more, s.rows + int(d["rows"])
    s.additions.append(more)
    s.labeled_mask, s.auto_mask = _longer(s.labeled_mask, s.n), _longer(s.auto_mask, s.n)
    s.shown_mask, s.eligible_mask = _longer(s.shown_mask, s.n), _longer(s.eligible_mask, s.n)
    s.rest_mask, s.codes = _longer(s.rest_mask, s.n, True), _longer(s.codes, s.n, UNKNOWN)
    s.answer_rounds = _longer(s.answer_rounds, s.n)
    # What stands for the guesses on them, 0, nobody looks at: they are in no draw, and in no region before a ranking.
    if s.predictions is not None:
        s.predictions = _longer(s.predictions, s.n)
    s.past = {round_: _longer(guesses, s.n) for round_, guesses in s.past.items()}
    if s.written is not None:
        s.written = _longer(s.written, s.n)
    models = {id(draw.guesses): draw.guesses for draw in s.draws if draw.guesses is not None}
    longer = {key: _longer(guesses, s.n) for key, guesses in models.items()}  # many draws share one
    s.draws = [
        replace(draw, eligible=_longer(draw.eligible, -(-s.n // 8)), guesses=longer.get(id(draw.guesses)))
        for draw in s.draws
    ]
    for row, label in d["given"].items():
        if not before <= int(row) < s.n:
            raise ValueError(f"it gives a label to row {row}, which is none of its own")
        s._meet(_known(s, label))
        s.given[int(row)] = Answer(int(row), "given", label, "", e.seq, e.at)
        s._settle(int(row))
    s.last_answer = e.seq


def _longer(values: Array, n: int, fill: Any = 0) -> Array:
    """A copy with n entries, the new ones as given: what a still has of the old one must not change."""
    found = np.full(n, fill, values.dtype)
    found[: len(values)] = values
    return found


def _add_label(s: State, name: Label) -> None:
    s.labels.append(name)
    if not s.multilabel:
        s._number(name)


def _on_class(s: State, e: Event) -> None:
    if s.numbers.get(e.data["name"]) in s.removed:
        relabeling.on_restored(s, e)
        return
    if e.data["name"] in s.labels:
        raise ValueError(f"there is a class {e.data['name']!r} already")
    _add_label(s, e.data["name"])


def _on_asked(s: State, e: Event) -> None:
    for q in e.data["items"]:
        row = int(q["row"])
        if q.get("audit") and q.get("drawn", True) and not s.guessed_in(int(e.data["round"])):
            raise ValueError(f"it draws a check item for model {e.data['round']}, which is not the current one")
        audit, check = bool(q.get("audit")), bool(q.get("check"))
        if audit and q.get("drawn", True):
            drawn = Draw(row, e.seq, int(e.data["round"]), np.packbits(s.eligible_mask), q.get("confidence"))
            s.draws.append(replace(drawn, guesses=s.predictions, system=s.system, removed=s.removed))
            if s.predictions is not None:
                s.past.setdefault(int(e.data["round"]), s.predictions)
        if q.get("strategy") == DOUBTED and not q.get("drawn", True):
            s.doubted.add(row)
        if s.model and not (audit or check or q.get("strategy") in (OVERLAP, DOUBTED)):
            s._show([row], e.data["annotator"])  # also where it goes back unanswered
        s.slots += not check and q.get("drawn", True)
        s.handed[e.data["annotator"]] += not check
        s.asks[row] = Ask(
            e.seq, e.data["annotator"], int(e.data["round"]), audit, q.get("probability"), q.get("score"),
            q.get("strategy", ""), check,
        )  # fmt: skip
        s.asked_of.setdefault(row, {})[e.data["annotator"]] = e.seq
        s.leases[row] = Lease(e.data["annotator"], float(e.data["until"]), e.seq)
        s._refresh_eligible(row)


def _on_released(s: State, e: Event) -> None:
    for row in e.data["rows"]:
        s.leases.pop(int(row), None)
        s._refresh_eligible(int(row))


_KINDS: dict[str, Literal["label", "skip", "unsure"]] = {"told": "label", "skipped": "skip", "unsure": "unsure"}


def _known(s: State, label: Label) -> Label:
    """The label, if it is one, or a set of such."""
    strange = next((part for part in s.parts(label) if part not in s.labels), None)
    if strange is None and s.removed and s.numbers.get(label) in s.removed:
        strange = label
    if strange is not None:
        raise ValueError(f"there is no class {strange!r}")
    return label


def _on_answer(s: State, e: Event) -> None:
    row, kind, annotator = int(e.data["row"]), _KINDS[e.kind], e.data["annotator"]
    ask = s.asks.get(row)
    old = s.before[e.seq] = s.votes.get(row, {}).get(annotator)
    if old is not None:
        s.after[old.seq] = e.seq
    s.trail.setdefault(annotator, []).append((e.seq, row))
    if "batch" in e.data:
        s.batches.setdefault(int(e.data["batch"]), []).append((e.seq, row, annotator))
    ruling = s.rulings.get(row)
    if ruling is not None and ruling.annotator == annotator and kind != "skip":
        del s.rulings[row]  # who decided has changed their mind
    s.leases.pop(row, None)
    s.told += 1
    if kind == "skip":
        s.skips[row] = s.told
    else:
        s.skips.pop(row, None)
    if kind == "label":
        s._meet(_known(s, e.data["label"]))
    answer = Answer(
        row=row,
        kind=kind,
        label=e.data.get("label"),
        annotator=annotator,
        seq=e.seq,
        at=e.at,
        seconds=e.data.get("seconds"),
        round=ask.round if ask else 0,
        probability=ask.probability if ask else None,
        audit=bool(ask and (ask.audit or ask.check)),
        strategy=ask.strategy if ask else "volunteered",
        flag=s.flags.get(row),
        seen=s.was_shown(row, annotator),
        late=bool(e.data.get("late")),
    )
    s._vote(row, annotator, answer)
    s.last_answer = e.seq


def _on_consensus(s: State, e: Event) -> None:
    """What `people.consensus` made of the answers: the labels of the rows that several people labeled."""
    s.unsettled = False
    for row, label in e.data["labels"].items():
        before = s.label_of(int(row))
        s._meet(_known(s, label))
        s.consensus[int(row)] = label
        s._settle(int(row))
        if s.label_of(int(row)) != before:
            s.last_answer = e.seq


def _on_flagged(s: State, e: Event) -> None:
    s.flags[int(e.data["row"])] = e.data.get("note", "")


def _on_unflagged(s: State, e: Event) -> None:
    s.flags.pop(int(e.data["row"]), None)


def _on_adjudicated(s: State, e: Event) -> None:
    row, label = int(e.data["row"]), e.data["label"]
    if label is None:
        s.rulings.pop(row, None)
    else:  # a blind check stays one: what was known when it was answered has not changed
        s._meet(_known(s, label))
        before, who = s.answers[row], e.data["annotator"]
        s.rulings[row] = replace(
            before, kind="label", label=label, annotator=who, seq=e.seq, at=e.at, seconds=None,
            seen=before.seen or s.was_shown(row, who),
        )  # fmt: skip
    s._settle(row)
    s.last_answer = e.seq


def _on_retracted(s: State, e: Event) -> None:
    row, of = int(e.data["row"]), int(e.data["of"])
    trail = s.trail.get(e.data["annotator"], [])
    place = next((i for i in range(len(trail) - 1, -1, -1) if trail[i] == (of, row)), None)
    if place is not None:
        del trail[place]
    current = s.votes.get(row, {}).get(e.data["annotator"])
    if current is not None and current.seq == of and "rewind" in e.data:
        ask = s.asks.get(row)
        s.rewound.setdefault(int(e.data["rewind"]), []).append((current, ask.seq if ask else 0))
    if current is not None and current.seq == of:
        s._vote(row, e.data["annotator"], s.before.get(of))
        s.skips.pop(row, None)
    later, earlier = s.after.pop(of, None), s.before.get(of)
    if later is not None:  # taking the later answer back must not bring this one back
        s.before[later] = earlier
        if earlier is not None:
            s.after[earlier.seq] = later
    s.last_answer = e.seq


def _on_ranked(s: State, e: Event) -> None:
    d = e.data
    ranking = Ranking(
        int(d["round"]), int(d["trained_on"]), [int(r) for r in d["queue"]], list(d["scores"]), list(d["parts"]),
        d["strategy"], int(d["planned"]), [(int(r), float(x)) for r, x in d.get("again", ())],
        {str(name): float(q) for name, q in d.get("quality", {}).items()},
    )  # fmt: skip
    if not len(ranking.queue) == len(ranking.scores) == len(ranking.parts) >= ranking.planned:
        raise ValueError("'queue', 'scores', 'parts' and 'planned' do not go together")
    for name in d.get("sets", ()):
        s._meet(_known(s, name))
    known = int(d.get("known", s.n))
    if not s.ranked <= known <= s.n:
        raise ValueError(f"it knows {known:,} items of {s.n:,}, and the last ranking knew {s.ranked:,}")
    if d.get("predictions") is None and s.predictions is not None and known > s.ranked:
        raise ValueError("there is a model, and it guesses nothing of the items that came later")
    if d.get("predictions") is not None:
        change = np.frombuffer(unpack(d["predictions"]), np.int32)
        if len(change) != known:
            raise ValueError(f"it guesses {len(change):,} items and knows {known:,}")
        change = _longer(change, s.n)
        base = s.predictions if s.predictions is not None else np.zeros(s.n, np.int32)
        guesses = base ^ change
        if not 0 <= guesses.min() <= guesses.max() < len(s.classes):
            raise ValueError("'predictions' names a class that there is not")
        s.predictions = s.written = guesses
    s.ranking = ranking
    if known > s.ranked:
        come = np.flatnonzero(s.waiting()[:known])
        s.ranked = known
        s.eligible_mask[come] = True
    if "point" in d:
        s.points.append(CurvePoint(**d["point"]))
        s.learned.append(ranking.trained_on)
    if d.get("control") is not None:
        s.control = Control(**d["control"])
    if d.get("cost") is not None:
        while s.costs and s.costs[-1][0] > int(d["cost"][0]):
            s.costs.pop()  # projected from answers that were taken back since
        s.costs.append((int(d["cost"][0]), float(d["cost"][1]), int(d["cost"][2])))
        s.floor = float(d["cost"][3]) if len(d["cost"]) > 3 else 0.0


def _on_frozen(s: State, e: Event) -> None:
    d = e.data
    order = np.frombuffer(unpack(d["order"]), np.int64).astype(np.intp)
    confidences = np.frombuffer(unpack(d["confidences"]), np.float32)
    if int(d["attempt"]) != len(s.attempts) + 1:
        raise ValueError(f"it is attempt {d['attempt']} after {len(s.attempts)}")
    if not len(order) or not 0 <= order.min() <= order.max() < s.n or len(np.unique(order)) < len(order):
        raise ValueError("'order' must be rows of the session, each once")
    if len(confidences) != len(order) or not np.isfinite(confidences).all():
        raise ValueError("'confidences' must be a number for each row of 'order'")
    if d.get("label") is not None:
        _known(s, d["label"])
    if d["target"] == "recall" and not s.opened.get("goal"):
        raise ValueError("its target is a recall, but nothing is searched for")
    s.attempts.append(
        Attempt(
            number=int(d["attempt"]),
            alpha=float(d["alpha"]),
            max_error=float(d["max_error"]),
            confidence=float(d["confidence"]),
            target=d["target"],
            round=int(d["round"]),
            order=order,
            position={int(r): i for i, r in enumerate(order)},
            seq=e.seq,
            needed=tuple(d["needed"]),
            risk=float(d["risk"]),
            expected_error=float(d["expected_error"]),
            confidences=confidences,
            group=int(d.get("group", d["attempt"])),
            label=d.get("label"),
            allowed=int(d.get("allowed", 0)),
            found=int(d.get("found", 0)),
            items=s.n,
            guesses=s.predictions,
            system=s.system,
            removed=s.removed,
            names=tuple(s.labels),
            called=d.get("label"),
        )
    )
    if s.predictions is None:
        raise BadStore("This session is damaged: a region was frozen before there was a model.")
    if not s.guessed_in(int(d["round"])):
        raise ValueError(f"it freezes the guesses of model {d['round']}, which is not the current one")
    s.past.setdefault(int(d["round"]), s.predictions)


def _on_closed(s: State, e: Event) -> None:
    attempt = s.attempts[int(e.data["attempt"]) - 1]
    if not int(e.data["wrong"]) <= int(e.data["checks"]) <= len(attempt.order):
        raise ValueError(
            f"it counts {e.data['checks']} checks, {e.data['wrong']} of them wrong, of {len(attempt.order)}"
        )
    attempt.outcome, attempt.reason = e.data["outcome"], e.data["reason"]
    attempt.checks, attempt.wrong = int(e.data["checks"]), int(e.data["wrong"])
    attempt.fingerprint = e.digest


def _on_autolabeled(s: State, e: Event) -> None:
    attempt = s.attempts[int(e.data["attempt"]) - 1]
    guesses = s.guesses_of(attempt)
    for position in range(attempt.checks, len(attempt.order)):
        row = int(attempt.order[position])
        s.auto[row] = (int(guesses[row]), attempt.round, float(attempt.confidences[position]))
        s._refresh_eligible(row)


def _on_taken_back(s: State, e: Event) -> None:
    attempt = s.attempts[int(e.data["attempt"]) - 1]
    attempt.taken_back = True
    for row in attempt.order.tolist():
        s.auto.pop(row, None)
        s._refresh_eligible(row)


def _on_shown(s: State, e: Event) -> None:
    rows = e.data["rows"]
    s._show(np.flatnonzero(s.rest_mask).tolist() if rows == "rest" else [int(row) for row in rows], e.data["annotator"])


def _on_exported(s: State, _: Event) -> None:
    """Who will read a file is not known; its labels by the model are guesses again if they are taken back."""
    s._show(s.auto, "")


def _on_nothing(s: State, e: Event) -> None:
    pass


# What a handler may meet in an event whose values are of the right type, but not those that belong together.
_MANGLED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, zlib.error)

_BY_PEOPLE = frozenset({"told", "skipped", "unsure", "flagged", "unflagged", "adjudicated", "retracted"})

_HANDLERS: dict[str, Callable[[State, Event], None]] = {
    "opened": _on_opened,
    "items": _on_nothing,  # read by pool_from_log
    "added": _on_added,  # its items are read by growing.extend
    "class_added": _on_class,
    **relabeling.HANDLERS,
    "asked": _on_asked,
    "released": _on_released,
    "told": _on_answer,
    "skipped": _on_answer,
    "unsure": _on_answer,
    "consensus": _on_consensus,
    "flagged": _on_flagged,
    "unflagged": _on_unflagged,
    "adjudicated": _on_adjudicated,
    "retracted": _on_retracted,
    "ranked": _on_ranked,
    "frozen": _on_frozen,
    "closed": _on_closed,
    "autolabeled": _on_autolabeled,
    "taken_back": _on_taken_back,
    "stopped": _on_nothing,
    "shown": _on_shown,
    "exported": _on_exported,
}
