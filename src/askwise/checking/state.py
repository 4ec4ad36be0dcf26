"""All that is known of a check, out of its log: what was given, what was asked, what people said, what is frozen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np

from askwise.audit import Certification, Plan, SweepPlan, Swept, false_certificate_risk, share_of, swept
from askwise.core import Array, BadStore, Event, Label
from askwise.state.in_log import pack, unpack
from askwise.state.records import MANGLED

FORMAT = 1
"""Of the log, written in its first event; rises when a program of today would misread it."""
KIND = "check"
"""Kind of the first event."""
ROWS_PER_EVENT = 5_000
RANDOM, DOUBTFUL, ORDER, SWEEP, REST = "random", "doubtful", "order", "sweep", "rest"
"""Why rows are asked: next in the random order; the most doubtful; next in a random order of all that is left, until
that certifies; coins in a sweep; left open in the end."""
REASONS = {
    RANDOM: "the next of a random order",
    DOUBTFUL: "one of those most likely to be wrong",
    ORDER: "the next of a random order of all that is left",
    SWEEP: "drawn by a coin",
    REST: "left open",
}


def chances(seed: str, what: str, n: int) -> Array:
    """(n,) numbers in [0, 1) that depend on the seed and the row alone: the same on every machine, for ever.

    Args:
        seed: Drawn before anything else, in the first event.
        what: What they are for; numbers for different things are independent.
        n: Rows.
    """
    begun = hashlib.sha256(f"{seed}|{what}|".encode())

    def one(row: int) -> int:
        own = begun.copy()
        own.update(str(row).encode())
        return int.from_bytes(own.digest()[:7], "big") >> 3  # 53 bits, as a float holds

    return np.array([one(row) for row in range(n)], float) / 2**53


@dataclass(frozen=True)
class Batch:
    """Rows that were taken up together, in this order."""

    what: str
    rows: tuple[int, ...]


class CheckState:
    """What the log says; `apply` takes in one event after the other."""

    def __init__(self) -> None:
        self.terms: Mapping[str, Any] = {}
        """Data of the first event."""
        self.cells: list[dict[str, Any]] = []
        self.labels: list[list[str]] = []
        """Of each row, one of each guess column."""
        self.numbers: list[list[float | None]] = []
        self.answers: dict[int, Label | None] = {}
        """Row → what a person said last; None = it cannot be decided."""
        self.changed: set[int] = set()
        """Rows whose answer was another before."""
        self.batches: list[Batch] = []
        self.plan: SweepPlan | None = None
        """Of the sweep; None before it."""
        self.whole: Plan | None = None
        """Of a random order of all that was left, tried before a sweep; None where none was."""
        self.expected = 0.0
        """Share of wrong labels that was believed in when that was frozen: says when it is given up."""
        self.extra: tuple[int, ...] | None = None
        """Rows that stay besides, written when the sweep has ended; None = it has not."""
        self.seq = 0
        self.digest = ""
        self.ended_with = ""
        """Digest of the event that ended the sweep."""
        self._swept: Swept | None = None
        self._ordered: Certification | None = None

    # ── what was given ──────────────────────────────────────────────────────────────────────

    @property
    def n(self) -> int:
        """Rows of the file."""
        return len(self.cells)

    @cached_property
    def names(self) -> list[str]:
        """Labels that occur in the guess columns, in the order of their names."""
        return sorted({label for row in self.labels for label in row if label})

    @cached_property
    def guesses(self) -> Array:
        """(n, g) codes in `names`; -1 = none."""
        code = {name: i for i, name in enumerate(self.names)} | {"": -1}
        return np.array([[code[label] for label in row] for row in self.labels], int).reshape(self.n, -1)

    @cached_property
    def confidences(self) -> Array:
        """(n, c) floats; NaN = none."""
        found = [[np.nan if value is None else value for value in row] for row in self.numbers]
        return np.array(found, float).reshape(self.n, -1)

    @cached_property
    def there(self) -> Array:
        """(n,) bool: rows that have a label to check."""
        return self.guesses[:, 0] >= 0

    @cached_property
    def size(self) -> int:
        """Labels that are checked."""
        return int(self.there.sum())

    @cached_property
    def order(self) -> Array:
        """The rows with a label, in the random order of the seed."""
        rows = np.argsort(chances(self.terms["seed"], "order", self.n), kind="stable")
        found: Array = rows[self.there[rows]]
        return found

    @cached_property
    def coins(self) -> Array:
        """(n,) in [0, 1): a row of the sweep is audited where it is below the rate."""
        return chances(self.terms["seed"], "coin", self.n)

    def guess(self, row: int) -> Label:
        """The label that is checked."""
        return self.labels[row][0]

    # ── what was said ───────────────────────────────────────────────────────────────────────

    def wrong(self, row: int) -> bool | None:
        """Whether people found the label wrong; what cannot be decided is; None = nobody has looked."""
        return self.answers[row] != self.guess(row) if row in self.answers else None

    def known(self) -> Array:
        """(n,) bool: rows that a person has looked at."""
        found = np.zeros(self.n, bool)
        found[list(self.answers)] = True
        return found

    def asked(self, batch: Batch) -> list[int]:
        """The rows of a batch that a person is asked about."""
        if batch.what == ORDER:
            now = self.ordered()
            return list(batch.rows[: now.audits + (now.left or 0)])
        if batch.what != SWEEP:
            return list(batch.rows)
        rate = self.plan.rate if self.plan else 1.0
        return [row for row in batch.rows if self.coins[row] < rate]

    def waiting(self) -> list[int]:
        """Rows that wait for a person, in the order in which they are asked."""
        found = [row for batch in self.batches[-1:] for row in self.asked(batch) if row not in self.answers]
        if self.batches and self.batches[-1].what == SWEEP and self.sweep().ended:
            return []
        return found

    def swept_rows(self) -> list[int]:
        """All rows of the sweep, in its order."""
        return [row for batch in self.batches if batch.what == SWEEP for row in batch.rows]

    def sweep(self) -> Swept:
        """How the sweep stands, by the answers of now.

        Raises:
            BadStore: There is none.
        """
        if self.plan is None:
            raise BadStore("This check has no plan yet, so nothing was swept.")
        if self._swept is None:
            rows = self.swept_rows()
            audited = self.coins[rows] < self.plan.rate if rows else np.zeros(0, bool)
            self._swept = swept(audited, [self.wrong(row) for row in rows], self.plan)
        return self._swept

    @property
    def certified(self) -> bool:
        """Whether a random order has certified all that it was of."""
        return self.whole is not None and self.ordered().status == "certified"

    def ordered(self) -> Certification:
        """How the random order of all that was left stands, by the answers of now.

        Raises:
            BadStore: There is none.
        """
        if self.whole is None or not self.in_order():
            raise BadStore("This check has no random order of what was left.")
        if self._ordered is None:
            known = takewhile(lambda row: row in self.answers, self.in_order())
            self._ordered = self.whole.judge([bool(self.wrong(row)) for row in known], self.expected)
        return self._ordered

    def in_order(self) -> tuple[int, ...]:
        """All that was left, in the random order by which it is checked; () without one."""
        return next((batch.rows for batch in self.batches if batch.what == ORDER), ())

    def audited(self) -> tuple[list[int], float]:
        """Rows drawn to be looked at among those that the promise is about, and how likely each was."""
        if self.certified:
            looked = self.ordered().audits
            return list(self.in_order()[:looked]), looked / len(self.in_order())
        if self.plan is None:
            return [], 1.0
        rows = self.swept_rows()[: self.sweep().reach]
        return [row for row in rows if self.coins[row] < self.plan.rate], self.plan.rate

    def kept(self) -> list[int]:
        """Rows whose label stays although nobody has looked, so far."""
        if self.certified:
            return [row for row in self.in_order() if row not in self.answers]
        if self.plan is None:
            return []
        rows = self.swept_rows()
        found = [rows[place] for place in self.sweep().kept.tolist()]
        # Those besides stay only as long as all together are too few to hold too many errors.
        besides = [row for row in self.extra or () if row not in set(found)][: max(0, self.plan.errors - len(found))]
        return [row for row in [*found, *besides] if row not in self.answers]

    def taken(self) -> Array:
        """(n,) bool: rows that were taken up by any batch, or have no label, or were answered.

        Those in a random order that did not certify are free again.
        """
        found = ~self.there
        for batch in self.batches:
            if batch.what != ORDER or self.ordered().status != "refused":
                found[list(batch.rows)] = True
        found[list(self.answers)] = True
        return found

    # ── the log ─────────────────────────────────────────────────────────────────────────────

    def apply(self, event: Event) -> None:
        """Take in the next event.

        Raises:
            BadStore: It is none of a check, is damaged, or a newer program wrote it.
        """
        if self.seq == 0 and event.kind != KIND:
            raise BadStore("This is no check: its log does not begin with `check`. Give a file of `askwise check`.")
        take = _TAKES.get(event.kind)
        if take is None:
            raise BadStore(
                f"The log holds an event {event.kind!r}, which this Askwise does not know. Upgrade: `pip install "
                "--upgrade askwise`."
            )
        try:
            take(self, event.data)
        except MANGLED as error:
            raise BadStore(f"This check is damaged at event {event.seq} ({event.kind}): {error}.") from error
        self.seq, self.digest = event.seq, event.digest
        self._swept = self._ordered = None
        if event.kind == "finished":
            self.ended_with = event.digest

    def _check(self, data: Mapping[str, Any]) -> None:
        if isinstance(data["format"], int) and data["format"] > FORMAT:
            raise BadStore("A newer Askwise wrote this check. Upgrade with `pip install --upgrade askwise`.")
        if self.terms:
            raise ValueError("it begins twice")
        for name, test in _TERMS.items():
            if not test(data[name]):
                raise ValueError(f"its {name!r} cannot be {str(data[name])[:40]!r}")
        self.terms = data

    def _rows(self, data: Mapping[str, Any]) -> None:
        for cells, labels, numbers in json.loads(unpack(data["packed"])):
            fits = isinstance(cells, dict) and all(name in cells for name in self.terms["columns"])
            fits &= len(labels) == len(self.terms["guess"]) and len(numbers) == len(self.terms["confidence"])
            if not fits or self.batches:
                raise ValueError("rows without the columns that it began with, or that come late")
            self.cells.append(cells)
            self.labels.append(labels)
            self.numbers.append(numbers)

    def _batch(self, data: Mapping[str, Any]) -> None:
        rows = tuple(int(row) for row in data["rows"])
        if data["what"] not in REASONS or any(not 0 <= row < self.n for row in rows):
            raise ValueError(f"no batch {data['what']!r} of rows below {self.n}")
        self.batches.append(Batch(data["what"], rows))

    def _planned(self, data: Mapping[str, Any]) -> None:
        if data["method"] == ORDER:
            n, allowed = int(data["n"]), int(data["errors"])
            needed = tuple(int(m) for m in data["needed"])
            limit, alpha = share_of(allowed, n), float(data["alpha"])
            risk = false_certificate_risk(n, limit, "dataset", needed)
            self.whole = Plan(n, limit, alpha, "dataset", needed, risk)
            self.expected = float(data["expected"])
            return
        if data["method"] != SWEEP:
            raise ValueError(f"no plan by {data['method']!r}")
        self.plan = SweepPlan(int(data["errors"]), float(data["alpha"]), int(data["allowance"]), float(data["rate"]))

    def _answered(self, data: Mapping[str, Any]) -> None:
        row, label = int(data["row"]), data["label"]
        if not 0 <= row < self.n or not isinstance(label, str | None):
            raise ValueError(f"no answer {label!r} to row {row}")
        if self.answers.get(row, label) != label:
            self.changed.add(row)
        self.answers[row] = label

    def _finished(self, data: Mapping[str, Any]) -> None:
        self.extra = tuple(int(row) for row in data["extra"])


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _share(value: Any) -> bool:
    return isinstance(value, float | int) and 0 < value < 1


_TERMS: dict[str, Callable[[Any], bool]] = {
    "format": lambda value: type(value) is int and value >= 1,
    **dict.fromkeys(("guess", "confidence", "by", "text", "columns", "labels", "notes"), _texts),
    "max_error": lambda value: value is None or _share(value),
    "errors": lambda value: value is None or (isinstance(value, int) and value >= 0),
    "level": _share,
    "alpha": _share,
    "pilot": lambda value: isinstance(value, int) and value >= 0,
    "wrong_first": lambda value: isinstance(value, bool),
    "encoder": lambda value: value is None or isinstance(value, str | bool),
    "truth": lambda value: value is None or isinstance(value, str),
    **dict.fromkeys(("seed", "title"), lambda value: isinstance(value, str)),
}
"""What the first event holds → whether it may be so."""
_TAKES: dict[str, Callable[[CheckState, Mapping[str, Any]], None]] = {
    KIND: CheckState._check,
    "rows": CheckState._rows,
    "batch": CheckState._batch,
    "planned": CheckState._planned,
    "answered": CheckState._answered,
    "finished": CheckState._finished,
}


def row_events(cells: Sequence[dict[str, Any]], labels: Sequence[Any], numbers: Sequence[Any]) -> list[Event]:
    """What was given, as events."""
    found = []
    for start in range(0, len(cells), ROWS_PER_EVENT):
        span = range(start, min(start + ROWS_PER_EVENT, len(cells)))
        chunk = [[cells[row], [one[row] for one in labels], [one[row] for one in numbers]] for row in span]
        found.append(Event("rows", {"packed": pack(json.dumps(chunk, ensure_ascii=False).encode())}))
    return found
