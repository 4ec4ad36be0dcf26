"""A check of labels that somebody gave: asks people, says how good they are, and which may stay."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from askwise.audit import Plan, audit_plan, expected_cost, share_of, sweep_plan
from askwise.audit.sweep import DOUBTED
from askwise.checking.doubt import Doubt, design
from askwise.checking.given import Given, Names, given
from askwise.checking.numbers import CheckStatus, LabelQuality, quality, status, truths
from askwise.checking.state import (
    DOUBTFUL,
    FORMAT,
    KIND,
    ORDER,
    RANDOM,
    REASONS,
    REST,
    SWEEP,
    CheckState,
    chances,
    row_events,
)
from askwise.core import FINGERPRINT_DIGITS, Array, BadInput, BadStore, Conflict, Event, Label, Query, Store
from askwise.encoders import get as get_encoder
from askwise.export import COLUMNS, names_beside, write_table
from askwise.options import named, option
from askwise.store import Place, open_store
from askwise.values import label_name, why_no_label, written

PILOT = 60
"""Labels drawn at random before anything else …"""
PILOT_SHARE = 0.03
"""… or this share of the file, where that is less …"""
LEAST_PILOT = 20
"""… but so many at least, where there are so many."""
BATCH = 0.08
"""Share of the file that is asked at once while the most doubtful are labeled, before the model learns again."""
BLOCK = 1 / 16
"""Share of the file that is swept before the model learns again."""
BEYOND = 1.4
"""While more is open than so many times what the sweep would reach, the most doubtful are labeled: people owe them
anyway, and the model learns from them for nothing."""
SPARE = 0.02
"""Besides, this share of the file is left to the sweep."""
ORDER_SHARE = 0.8
"""Of the chance of a false promise a random order of all that is left may spend so much; a sweep that follows where it
does not certify gets the rest."""
LOOKS = 10
"""Questions in a batch where no limit was given."""


class LabelCheck:
    """Labels that somebody gave already, looked at by people: a few at random, the doubtful ones, and by coins.

    Every answer is in the log before the next question; a check in a file is gone on with by `LabelCheck.open`.

    Args:
        source: Path of a table, a pandas or polars frame, or a list of texts; or what `checking.given` has read of one:
            then the columns are said already.
        guess: Column of the labels that are checked; of several the first is checked, and the others are signals of
            doubt. With texts, a list of labels.
        confidence: Column, or columns, of numbers, the higher the surer: any numbers, they are only compared and
            learned from. With texts, a list of numbers.
        by: Column, or columns, for each of whose values the accuracy is said.
        max_error: Share of wrong labels that the file may keep, in (0, 1): then it is found out which labels may stay.
            None = only how good they are.
        level: How sure of each statement, in (0, 1).
        text: Column, or columns, of the text that people see; default as `load_pool` chooses, [] = none: people see the
            whole row but for what is named here.
        labels: Further labels that people may give.
        wrong_first: Without `max_error`: every other ten questions are the most doubtful labels, so that wrong ones are
            found early; the numbers come from the ten at random.
        encoder: How texts or rows become numbers for the model of doubt: as for `Session`, or a callable. False = it
            learns from labels and confidences alone.
        truth: Column of known labels, shown to nobody; `simulate` answers by it.
        seed: Whole number from which the random order and the coins follow; None = drawn, so that nobody knows it.
        store: File or store of the log; None = memory.
        how: How a file is read; see `load_pool`.

    Raises:
        BadInput: See `checking.given`, or an argument that is out of range.
        BadStore: Something lies in `store` already.
    """

    def __init__(
        self,
        source: Any,
        guess: Any = None,
        confidence: Any = None,
        *,
        by: Names = None,
        max_error: float | None = None,
        level: float = 0.95,
        text: Names = None,
        labels: Sequence[str] = (),
        wrong_first: bool = False,
        encoder: Any = None,
        truth: str | None = None,
        seed: int | None = None,
        store: Store | str | Place | None = None,
        how: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value in (("max_error", max_error), ("level", level)):
            if value is not None and not (isinstance(value, int | float) and 0 < value < 1):
                raise BadInput(f"{named(name)} must lie strictly between 0 and 1, got {value!r}. 0.05 is 5%.")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise BadInput(f"seed must be a whole number, or None to draw one, got {seed!r}.")
        if wrong_first and max_error is not None:
            raise BadInput(
                f"{named('wrong_first')} goes without {named('max_error')}: with a limit the most doubtful come "
                "early anyway."
            )
        found = source
        if not isinstance(source, Given):
            found = given(source, guess=guess, confidence=confidence, by=by, text=text, truth=truth, how=how)
        more = [_label(label) for label in labels]
        self._begin(store)
        size = sum(label != "" for label in found.labels[0])
        terms = {
            "format": FORMAT,
            "version": _version(),
            "guess": found.guesses,
            "confidence": found.confidences,
            "by": found.by,
            "text": found.text,
            "columns": found.columns,
            "truth": found.truth,
            "labels": more,
            "notes": found.notes,
            "title": found.title,
            "n": len(found.cells),
            "max_error": max_error,
            "errors": None if max_error is None else math.floor(max_error * size + 1e-9),
            "level": level,
            "alpha": round(1 - level, 12),
            "pilot": min(size, max(LEAST_PILOT, min(PILOT, round(PILOT_SHARE * size)))),
            "wrong_first": wrong_first,
            "encoder": encoder if isinstance(encoder, str | bool | None) else "given",
            "seed": secrets.token_hex(16) if seed is None else str(int(seed)),
        }
        self._encoder = encoder
        self._truths = found.truths
        events = row_events(found.cells, found.labels, found.numbers)
        self._commit([Event(KIND, terms), *events])

    def _begin(self, store: Store | str | Place | None) -> None:
        self.store = open_store(store)
        if self.store.read():
            self.store.close()
            raise BadStore("There is a log already, and it is not written over. Open it: LabelCheck.open(…).")
        self._settle()

    def _settle(self) -> None:
        self.state = CheckState()
        self._lock, self._making = threading.RLock(), threading.Lock()
        self._doubt: Doubt | None = None
        self._doubts: tuple[int, Array] | None = None
        self._later: list[int] = []

    @classmethod
    def open(cls, place: str | Place | Store, *, encoder: Any = None) -> LabelCheck:
        """Go on with a check.

        Args:
            place: Its file, or store.
            encoder: Needed again where it was no name.

        Raises:
            BadStore: No such file, no check, or damaged.
            BadInput: The encoder is missing.
        """
        self = cls.__new__(cls)
        self.store = open_store(place, must_exist=True)
        self._settle()
        events = self.store.read()
        if not events:
            self.store.close()
            raise BadStore(
                "The log is empty: there is no check in it. Begin one with `askwise check FILE --guess COLUMN`."
            )
        try:
            for event in events:
                self.state.apply(event)
        except BadStore:
            self.store.close()
            raise
        kept = self.state.terms["encoder"]
        if kept == "given" and encoder is None:
            self.store.close()
            raise BadInput(
                "This check began with an encoder of your own. Give it again: LabelCheck.open(…, encoder=…)."
            )
        self._encoder = encoder if kept == "given" else kept
        self._truths = []
        return self

    def _commit(self, events: Sequence[Event]) -> bool:
        """Append, and take in what is there now.

        Returns:
            Whether it was appended. Where another process has written meanwhile nothing is, and what comes next is
            decided anew.
        """
        appended = False
        with suppress(Conflict):
            self.store.append(events, after=self.state.seq)
            appended = True
        self._take_in()
        return appended

    def _take_in(self) -> None:
        for event in self.store.read(self.state.seq):
            self.state.apply(event)

    # ── questions and answers ───────────────────────────────────────────────────────────────

    @property
    def classes(self) -> tuple[Label, ...]:
        """Labels that can be given."""
        with self._lock:
            told = [label for label in self.state.answers.values() if label is not None]
            return tuple(dict.fromkeys([*self.state.names, *self.state.terms["labels"], *sorted(set(told))]))

    @property
    def looked(self) -> int:
        """Labels that people have looked at."""
        with self._lock:
            return sum(bool(self.state.there[row]) for row in self.state.answers)

    @property
    def notes(self) -> list[str]:
        """What was decided on the user's behalf while the file was read."""
        return list(self.state.terms["notes"])

    def ask(self, k: int = 1, *, rest: bool = False) -> list[Query]:
        """The next questions, without any guess; fewer where others must be answered first, [] where none is left.

        What a question is may depend on all answers before it, so those that are asked stay asked until they are
        answered.

        Args:
            k: How many at most.
            rest: Once it is known which labels stay, go on with what is open, the most doubtful first.

        Raises:
            BadInput: k is no positive whole number.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise BadInput(f"ask takes a whole number from 1 on, got {k!r}.")
        with self._lock:
            return [self.question(row) for row in self.queue(rest=rest)[:k]]

    def queue(self, *, rest: bool = False) -> list[int]:
        """The rows that wait for a person, in the order in which they are asked; [] where none is left.

        Where none waits it is worked out first what comes next, which takes a while where a model learns.

        Args:
            rest: As for `ask`.
        """
        with self._lock:
            self._take_in()
            while not (waiting := self.state.waiting()):
                if (self.state.extra is not None and not rest) or not self._advance():
                    return []
            self._later = [row for row in self._later if row in waiting]
            return [row for row in waiting if row not in self._later] + self._later

    def question(self, row: int) -> Query:
        """What a person sees of a row that waits, and why it is asked now."""
        reason = REASONS[self.state.batches[-1].what]
        return Query(str(row), row, self.content(row), reason, audit=True)

    def tell(self, row: int, label: Any, *, seconds: float | None = None, first: bool = False) -> None:
        """What a person who has not seen the guess says of a row; told again it is corrected.

        Args:
            row: 0-based row of the file.
            label: Any label; None = it cannot be decided, and counts as wrong.
            seconds: That it took.
            first: It is to be the first answer to the row; else nothing is recorded.

        Raises:
            BadInput: No such row, or no label.
            Conflict: Somebody has answered it, and it was to be the first answer.
        """
        with self._lock:
            if isinstance(row, bool) or not isinstance(row, int | np.integer) or not 0 <= row < self.state.n:
                raise BadInput(f"No row {row!r}: rows are 0 to {self.state.n - 1:,}.")
            name = None if label is None else _label(label)
            data: dict[str, Any] = {"row": int(row), "label": name}
            if seconds is not None:
                data["seconds"] = round(float(seconds), 2)
            self._take_in()
            told = False
            while not told:
                if first and row in self.state.answers:
                    raise Conflict(f"Row {row + 1:,} has an answer already, which stands.")
                told = self._commit([Event("answered", data)])

    def later(self, row: int) -> None:
        """Put a question behind the others that wait."""
        with self._lock:
            self._later = [one for one in self._later if one != row] + [row]

    def content(self, row: int) -> Any:
        """What a person sees of a row: its text, or its cells without what is checked."""
        cells, terms = self.state.cells[row], self.state.terms
        if terms["text"]:
            return written(cells[terms["text"][0]])
        hidden = {*terms["guess"], *terms["confidence"], terms["truth"]}
        return {name: cells[name] for name in terms["columns"] if name not in hidden}

    # ── what comes next ─────────────────────────────────────────────────────────────────────

    def _advance(self) -> bool:
        """Decide what comes next, and write it down; False where nothing does."""
        state = self.state
        errors = state.terms["errors"]
        if errors is None:
            return self._measure()
        if not state.batches:
            return self._take(RANDOM, state.order[: state.terms["pilot"]].tolist())
        if state.extra is not None:
            return self._rest()
        if state.certified:
            return self._finish()
        if state.plan is None:
            return self._prepare(errors)
        free = np.flatnonzero(~state.taken())
        if state.sweep().ended or not len(free):
            return self._finish()
        return self._take(SWEEP, self._sorted(free)[: max(1, round(BLOCK * state.size))])

    def _take(self, what: str, rows: Sequence[int]) -> bool:
        if not len(rows):
            return False
        self._commit([Event("batch", {"what": what, "rows": [int(row) for row in rows]})])
        return True

    def _measure(self) -> bool:
        state = self.state
        free = ~state.taken()
        learned = state.terms["wrong_first"] and len(state.answers) >= LEAST_PILOT
        if learned and state.batches[-1].what == RANDOM:
            return self._take(DOUBTFUL, self._sorted(np.flatnonzero(free))[::-1][:LOOKS])
        return self._take(RANDOM, state.order[free[state.order]][:LOOKS].tolist())

    def _prepare(self, errors: int) -> bool:
        """Label more of what is too doubtful to be swept, or freeze the plan."""
        state = self.state
        free = self._sorted(np.flatnonzero(~state.taken()))
        alpha, doubts = state.terms["alpha"], self.doubts()[free]
        if state.whole is None and errors and len(free) > errors:
            whole, gain = self._whole(doubts, errors, ORDER_SHARE * alpha)
            if gain > sweep_plan(doubts, errors, alpha)[2]:
                rows = np.array(free)[np.argsort(chances(state.terms["seed"], "whole", state.n)[free], kind="stable")]
                frozen = {"method": ORDER, "n": whole.n, "errors": errors, "alpha": whole.alpha}
                frozen |= {"needed": list(whole.needed), "expected": float(doubts.mean())}
                taken = {"what": ORDER, "rows": [int(row) for row in rows]}
                self._commit([Event("planned", frozen), Event("batch", taken)])
                return True
        if state.whole is not None:
            alpha *= 1 - ORDER_SHARE
        plan, reach, _ = sweep_plan(doubts, errors, alpha)
        over = int(len(free) - BEYOND * reach - SPARE * state.size)
        if over > 0:
            return self._take(DOUBTFUL, free[::-1][: min(over, math.ceil(BATCH * state.size))])
        frozen = {"method": SWEEP, "errors": errors, "alpha": plan.alpha}
        frozen |= {"allowance": plan.allowance, "rate": plan.rate}
        self._commit([Event("planned", frozen)])
        return True

    def _whole(self, doubts: Array, errors: int, alpha: float) -> tuple[Plan, float]:
        """The exact plan of a random order of all that is left, and how many labels should stay by it."""
        n = len(doubts)
        plan = audit_plan(n, share_of(errors, n), alpha, "dataset")
        gain = 0.0
        for more in DOUBTED:
            checks, chance = expected_cost(plan, min(float(doubts.mean() * more), 1.0))
            gain += chance * (n - checks) / len(DOUBTED)
        return plan, gain

    def _finish(self) -> bool:
        """So few that they cannot hold too many errors stay in any case; write that down, and the end."""
        state = self.state
        if state.certified:
            self._commit([Event("finished", {"extra": []})])
            return True
        kept = {state.swept_rows()[place] for place in state.sweep().kept.tolist()}
        unseen = [row for row in np.flatnonzero(state.there).tolist() if row not in kept and row not in state.answers]
        besides = self._sorted(np.array(unseen, int))[: max(0, state.terms["errors"] - len(kept))]
        self._commit([Event("finished", {"extra": [int(row) for row in besides]})])
        return True

    def _rest(self) -> bool:
        """What is left open when the sweep has ended, the most doubtful first."""
        state = self.state
        open_ = state.there & ~state.known()
        open_[state.kept()] = False
        return self._take(REST, self._sorted(np.flatnonzero(open_))[::-1][: max(1, round(BLOCK * state.size))])

    # ── doubt ───────────────────────────────────────────────────────────────────────────────

    def doubts(self) -> Array:
        """(n,) believed chance that each label is wrong, learned from what people said so far; it proves nothing."""
        with self._lock:
            if self._doubts is None or self._doubts[0] != self.state.seq:
                doubt = self._doubt or self.get_ready()
                truth, _ = truths(self.state)
                rows = np.array([row for row in self.state.answers if self.state.there[row]], int)
                random = np.zeros(self.state.n, bool)
                for batch in self.state.batches:
                    random[list(batch.rows)] |= batch.what == RANDOM
                self._doubts = (self.state.seq, doubt(rows, np.maximum(truth[rows], -1), random[rows]))
            return self._doubts[1]

    @property
    def doubts_matter(self) -> bool:
        """Whether it depends on a model of doubt what is asked."""
        return self.state.terms["errors"] is not None or self.state.terms["wrong_first"]

    @property
    def doubts_next(self) -> bool:
        """Whether the model of doubt works out what comes next: nothing waits, and those at random were asked."""
        with self._lock:
            return self.doubts_matter and bool(self.state.batches) and not self.state.waiting()

    def get_ready(self) -> Doubt:
        """What the model of doubt learns from, made once: it takes a while where texts are encoded.

        It depends on what was given alone, so it can be made while people answer, and nobody waits for it later.
        """
        with self._making:
            if self._doubt is None:
                self._doubt = self._model()
            return self._doubt

    def _model(self) -> Doubt:
        state = self.state
        confidences, guesses = state.confidences, state.guesses
        # The rank of each confidence, and agreement, before anything is learned.
        trust = np.zeros(state.n)
        for column in confidences.T:
            trust += np.argsort(np.argsort(np.where(np.isfinite(column), column, -np.inf), kind="stable")) / state.n
        trust += (guesses[:, 1:] == guesses[:, :1]).sum(axis=1)
        return Doubt(design(guesses, confidences, self._features()), guesses[:, 0], trust)

    def _features(self) -> Array | None:
        if self._encoder is False:
            return None
        items = [self.content(row) for row in range(self.state.n)]
        rows = not self.state.terms["text"]
        if rows and not any(items):
            return None  # nothing but labels and confidences
        encoder = get_encoder(self._encoder, kind="table" if rows else "text")
        if hasattr(encoder, "fit"):
            encoder.fit(items)
        found = encoder.encode(items)
        dense = np.asarray(found.todense() if hasattr(found, "todense") else found, float)
        longest = np.linalg.norm(dense, axis=1, keepdims=True)
        return dense / np.where(longest > 0, longest, 1)

    def _sorted(self, rows: Array) -> list[int]:
        """Rows from the least doubtful on."""
        doubts = self.doubts()[rows]
        return [int(row) for row in rows[np.lexsort((rows, doubts))]]

    # ── what is known ───────────────────────────────────────────────────────────────────────

    def status(self) -> CheckStatus:
        """Which labels stay, and what is promised of them."""
        with self._lock:
            return status(self.state)

    def quality(self) -> LabelQuality:
        """How good the given labels are; bounds hold at every look."""
        with self._lock:
            return quality(self.state, self.state.terms["level"])

    def summary(self) -> dict[str, Any]:
        """All that is known, JSON-able: `status` and `quality` with their sentences, and the log's fingerprint."""
        with self._lock:
            now, good = self.status(), self.quality()
            return {
                "sentence": now.sentence,
                "unsaid": list(now.unsaid),
                "status": asdict(now),
                "quality": {"sentence": good.sentence, **asdict(good)},
                "fingerprint": self.fingerprint,
            }

    def rows(self) -> list[dict[str, Any]]:
        """One record for each row of the input: its columns, then ours.

        Ours are those of `Session.to_records`, so that the file is known again as ours when it is loaded: a label that
        stays unseen has the source "model", one that a person gave "human", what is open has neither. `check` says
        kept, confirmed, corrected, undecided or open; `model_guess` is the label that was checked.
        """
        with self._lock:
            state, now = self.state, status(self.state)
            columns = list(dict.fromkeys([*state.terms["columns"]]))
            names = names_beside(columns, [*COLUMNS, "check"])
            kept = set(state.kept())
            audited, rate = state.audited()
            drawn = set(audited)
            sure = state.terms["confidence"][:1]
            found = []
            for row, cells in enumerate(state.cells):
                guess, answer = state.guess(row), state.answers.get(row)
                what, label, source = "open", None, ""
                if row in state.answers:
                    label, source = (answer, "human") if answer is not None else (None, "unsure")
                    what = "undecided" if answer is None else "confirmed" if answer == guess else "corrected"
                elif row in kept:
                    what, label, source = "kept", guess, "model"
                own = dict.fromkeys(COLUMNS)
                own |= {"item": str(row + 1), "label": label, "source": source, "model_guess": guess or None}
                own["model_confidence"] = state.numbers[row][0] if sure else None
                own["confidence"] = own["model_confidence"] if source == "model" else None
                own["certificate"] = now.fingerprint or None if source == "model" else None
                own["probability"] = rate if row in drawn else None
                found.append(
                    {name: cells[name] for name in columns}
                    | {names[k]: own[k] for k in COLUMNS}
                    | {names["check"]: what}
                )
            return found

    def export(self, path: str | Path, *, raw: bool = False, bom: bool = False) -> int:
        """Write `rows` as .csv, .tsv, .jsonl, .parquet or .xlsx; the file appears whole or not at all.

        Returns:
            How many rows.

        Raises:
            BadInput: Another ending.
            CannotWrite: No room, no permission, no such folder.
            MissingExtra: The format needs a package.
        """
        return write_table(self.rows(), path, raw=raw, bom=bom)

    def simulate(
        self, truth: Sequence[Any] | None = None, *, most: int | None = None, look: Callable[[], None] | None = None
    ) -> CheckStatus:
        """Answer the questions by known labels, until it is known which labels stay.

        Args:
            truth: (n,) labels; None = of the column `truth`.
            most: Answers at most; None = as many as are asked for.
            look: Called after every batch.

        Raises:
            BadInput: There are no such labels.
        """
        told = [_label(one) for one in truth] if truth is not None else self._truths
        if len(told) != self.state.n:
            raise BadInput(
                f"A simulation needs the true label of each of the {self.state.n:,} rows, got {len(told):,}. Name "
                f"their column: {option('truth')}."
            )
        left = self.state.n if most is None else most
        while left > 0 and (asked := self.ask(left)):
            sweeping = self.state.batches[-1].what == SWEEP
            ordered = self.state.batches[-1].what == ORDER
            for query in asked:
                left -= 1
                self.tell(query.row, told[query.row])
                if (sweeping and self.state.sweep().ended) or (ordered and self.state.ordered().status != "checking"):
                    break
            if look is not None:
                look()
        return self.status()

    def close(self) -> None:
        """Release the file; the log stays."""
        self.store.close()

    def __enter__(self) -> LabelCheck:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        now = self.status()
        return f"<LabelCheck of {now.size:,} labels: {now.looked:,} looked at, {now.kept:,} stay>"

    def _repr_html_(self) -> str:
        return self.status()._repr_html_()

    @property
    def fingerprint(self) -> str:
        """Of the log as it is now, 16 hex digits."""
        return self.state.digest[:FINGERPRINT_DIGITS]


def _label(value: Any) -> Label:
    name = label_name(value)
    if not name:
        raise BadInput(f"A label is a text or a number; got one {why_no_label(value) if value else 'that is empty'}.")
    return name


def _version() -> str:
    from askwise import __version__

    return __version__
