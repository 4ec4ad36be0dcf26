"""A labeling session: the verbs of the loop over one log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import numpy as np

from askwise import (
    advice,
    answers,
    control,
    corrections,
    evidence,
    growing,
    handover,
    opening,
    people,
    plots,
    results,
    screening,
    stopping,
    strategies,
    withdrawing,
)
from askwise.batch.distances import cosines
from askwise.changes import Changes
from askwise.core import (
    Agreement,
    Annotator,
    Answer,
    Array,
    AutoLabels,
    BadInput,
    BadStore,
    Certificate,
    Conflict,
    ContractError,
    Control,
    Estimate,
    Event,
    Label,
    Matrix,
    Metrics,
    Oracle,
    Query,
    Recall,
    Report,
    Store,
    Unreachable,
    Verdict,
    share,
)
from askwise.evidence import Target
from askwise.export import write_table
from askwise.ledger import Ledger
from askwise.notices import progress, say
from askwise.options import named, only_python
from askwise.pool import Pool
from askwise.questions import CHECKS_AHEAD
from askwise.reasons import reason_for
from askwise.state import DOUBTED, OVERLAP, State
from askwise.store import Place, open_store, place
from askwise.tasks import Opinion, Task
from askwise.tasks import chosen as chosen_task
from askwise.tasks import get as get_task
from askwise.trainer import Trainer

if TYPE_CHECKING:
    from askwise.model import Model

T = TypeVar("T")


class Session:
    """Asks, learns, says how good the model is, and hands over what can be trusted to it.

    Args:
        pool: A `Pool`, or anything `load_pool` accepts: a path, a list of strings, a data frame, a matrix.
        classes: The labels that may be given; None = discovered from the answers.
        multilabel: An item has a set of labels, perhaps an empty one, instead of one label. Right is the whole set:
            every estimate and certificate counts an item as wrong where one label is missing or too much.
        task: What an answer is: "one" label an item, "sets" (as `multilabel=True`), or another of `tasks.available()`
            with its options, such as "number:tolerance=0.5,low=0,high=10"; or a `tasks.Task`. See docs/tasks.md.
        strategy: Name of a query strategy, or a `Strategy`.
        learner: None = our softmax regression (in a multi-label session one for each label); else a plug-in's name, any
            classifier with `predict_proba`, or a pipeline from raw items (`TfidfVectorizer`, a `ColumnTransformer` that
            names columns) to one: its steps before the last learn from the whole pool, once, and are the encoder.
        encoder: None = the default; else a name, an `Encoder` or a callable `encode(list) -> array`.
        store: None = in memory; a path = a SQLite file that survives; `postgresql://…#name` = in that database, see
            docs/team-store.md; or a `Store`.
        seed: Every random draw derives from it; None draws one, which the log then knows.
        audit_share: Share of the questions that are uniformly random check items, 0 ≤ share ≤ 1.
        overlap: Share of each annotator's questions that are items which others have labeled, 0 ≤ share < 1.
        people_per_item: So many people label an item at most, >= 2.
        max_error: The share of wrong auto-labels to plan for, 0 < max_error < 1.
        confidence: Of every statement, 0 < confidence < 1.
        target: What `max_error` is a share of: "auto", the labels given by the model; "dataset", each region handed
            over, checks included; "file", the whole pool, labels by people included.
        recall: Makes this a search for the rare items labeled `relevant`, until this share of them is found,
            0 < recall < 1; see docs/screening.md. Then strategy, encoder and learner have defaults of their own.
        relevant: The class to find, one of two.
        first: Rows to ask first in a search.
        title: Shown in the app and the report.
        guidelines: For the people who label, shown in the app: headings, lists, **bold**, `code`.
        text, id, label, show: Column names (or, for `label`, a sequence) when `pool` is a source to load.
        apart: Learn in a process of its own from the beginning, until `stop` or `close`; see `start`.
        kind, format, encoding, delimiter, header, sheet, scheme: How to load `pool`, see `load_pool`.

    Raises:
        BadInput: The pool is empty, or an argument is out of range.
        BadStore: The store holds a session already, or cannot be used.
    """

    def __init__(
        self,
        pool: Any,
        *,
        classes: Sequence[Label] | None = None,
        multilabel: bool = False,
        task: str | Task = "one",
        strategy: str | strategies.Strategy = "auto",
        learner: Any = None,
        encoder: Any = None,
        store: Store | str | Place | None = None,
        seed: int | None = 0,
        audit_share: float = 0.1,
        overlap: float = 0.0,
        people_per_item: int = 2,
        target: Target = "auto",
        max_error: float = 0.02,
        confidence: float = 0.95,
        recall: float | None = None,
        relevant: Label | None = None,
        first: Sequence[int] = (),
        title: str = "",
        guidelines: str = "",
        text: str | Sequence[str] | None = None,
        id: str | None = None,  # noqa: A002 - the column's usual name
        label: Any = None,
        show: str | Sequence[str] | None = None,
        apart: bool = False,
        kind: str | None = None,
        format: str | None = None,  # noqa: A002
        encoding: str | None = None,
        delimiter: str | None = None,
        header: bool = True,
        sheet: str | int | None = None,
        scheme: str | None = None,
    ) -> None:
        chosen = chosen_task(task, multilabel)
        columns = {"text": text, "id": id, "label": label, "show": show}
        reading: dict[str, Any] = {"kind": kind, "format": format, "encoding": encoding, "delimiter": delimiter}
        reading |= {"header": header, "sheet": sheet, "scheme": scheme}
        parts, events = opening.begin(
            opening.loaded_pool(pool, columns, reading, chosen.answers),
            classes=classes, task=chosen, strategy=strategy, learner=learner, encoder=encoder,
            seed=seed, audit_share=audit_share, overlap=overlap, people_per_item=people_per_item, target=target,
            max_error=max_error, confidence=confidence, recall=recall, relevant=relevant, first=first, title=title,
            guidelines=guidelines,
        )  # fmt: skip
        opened = open_store(store)
        try:
            opened.append(events, after=0)
        except Conflict:
            opened.close()
            raise BadStore("This store holds a session already; open it with `Session.open`.") from None
        try:
            self._start_up(parts, opened)
            if apart:
                self._trainer.go_apart()
            self.refresh()
        except BaseException:
            if hasattr(self, "_trainer") and self._trainer.apart is not None:
                self._trainer.apart.close()
            if opened is not store:
                opened.close()
            raise

    @classmethod
    def open(
        cls,
        path: str | Place | Store,
        *,
        pool: Any = None,
        encoder: Any = None,
        learner: Any = None,
        strategy: Any = None,
    ) -> Session:
        """Reopen a session. Text sessions hold their items; an array pool must be given again.

        Raises:
            BadStore: Not a session file, damaged, or written by a newer version.
            BadInput: The pool is missing, or not the one this session was started with.
        """
        name = str(place(path) if isinstance(path, str | Path) else path)
        store = open_store(path, must_exist=True)
        try:
            self = cls.__new__(cls)
            self._start_up(opening.resume(store.read(), name, pool, encoder, learner, strategy), store)
            if not self.still:  # else it is looked at as it is
                self._judge()
                if self._state.ranking is None and not self._parts.missing:
                    self.refresh()
        except BaseException:
            if store is not path:
                store.close()
            raise
        return self

    def _start_up(self, parts: opening.Parts, store: Store) -> None:
        self._items = growing.Items(parts.pool, parts.later)
        self._parts = parts
        self._ledger = Ledger(store, self._items.take)
        self._trainer = Trainer(self._ledger, self._items, parts)

    @property
    def pool(self) -> Pool:
        """The items, those that were added included."""
        return self._items.pool

    @property
    def _rows(self) -> dict[str, int]:
        return self._items.rows

    @property
    def _lock(self) -> threading.RLock:
        return self._ledger.lock

    @property
    def _state(self) -> State:
        return self._ledger.state

    @property
    def _store(self) -> Store:
        return self._ledger.store

    # ── what is known ───────────────────────────────────────────────────────────────────────

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels that may be given, in the order declared or discovered."""
        with self._lock:
            return tuple(self._state.shown_labels())

    @property
    def task(self) -> Task:
        """What an answer is."""
        return self._state.task

    @property
    def multilabel(self) -> bool:
        """Whether an item has a set of labels instead of one."""
        return self.task.name == "sets"

    @property
    def still(self) -> str:
        """Why this session can be looked at only, where its file cannot be written; else empty."""
        return str(getattr(self._store, "still", ""))

    @property
    def settings(self) -> dict[str, Any]:
        """How the session was opened: strategy, encoder, learner, seed, shares, version."""
        keys = (
            "strategy",
            "encoder",
            "learner",
            "seed",
            "audit_share",
            "max_error",
            "confidence",
            "version",
            "declared",
        )
        found = {key: self._state.opened[key] for key in keys} | {"rows": self._state.rows}
        return found | ({} if self.task == get_task("one") else {"task": repr(self.task)})

    @property
    def title(self) -> str:
        """Title given at the start or since, else the file's name."""
        return str(self._state.title or Path(str(self.pool.address.get("path") or "Untitled")).stem)

    @property
    def guidelines(self) -> str:
        """For the people who label, as given at the start or since; "" where none were."""
        return self._state.guidelines

    @property
    def change(self) -> Changes:
        """To change labels, title and guidelines; each change can be undone."""
        return Changes(self._ledger, self._trainer.worker.nudge)

    @property
    def seed(self) -> int:
        """The seed that every random draw derives from."""
        return int(self._state.opened["seed"])

    @property
    def model_age(self) -> float | None:
        """Seconds since the current model was trained, whichever process did; None before the first."""
        with self._lock:
            points = self._state.points
            return max(0.0, time.time() - points[-1].at) if points else None

    @property
    def training(self) -> bool:
        """Whether a refresh is running now."""
        return self._trainer.refreshing.locked()

    @property
    def problems(self) -> list[str]:
        """Rows of the input that could not be loaded, one sentence each."""
        return [f"row {p.row}: {p.what}" for p in self.pool.problems]

    @property
    def shared(self) -> bool:
        """Whether the store is one that several processes serve from, each with pages of its own."""
        return hasattr(self._store, "lead")

    def parts(self, label: Label) -> tuple[Label, ...]:
        """The labels in an answer or a guess: itself, or those of a set."""
        return self._state.parts(label)

    def answers(self) -> dict[int, Answer]:
        """Row → current answer (labels that came with the data included)."""
        with self._lock:
            return dict(self._state.answers)

    def history(self, n: int = 20, *, annotator: str = "me") -> list[Answer]:
        """The current answers that an annotator gave last, newest first, at most n."""
        with self._lock:
            s, found, seen = self._state, [], set()
            for seq, row in reversed(s.trail.get(annotator, [])):
                answer = s.answers.get(row)
                if row not in seen and answer is not None and answer.seq == seq:
                    seen.add(row)
                    found.append(answer)
                if len(found) >= n:
                    break
            return found

    def predictions(self) -> tuple[list[Label], Array]:
        """Per row the current model's label ("" before the first model) and its calibrated confidence (n,), 0..1.

        Confidences are NaN after reopening until the first refresh.
        """
        with self._lock:
            s = self._state
            if s.predictions is None:
                return [""] * s.n, np.full(s.n, np.nan, np.float32)
            names = [s.classes[c] for c in s.predictions[: s.ranked].tolist()] + [""] * (s.n - s.ranked)
            mine = s.ranking is not None and self._trainer.round == s.ranking.round
            sure = np.full(s.n, np.nan, np.float32)  # also of what came since the model was trained
            if mine and self._trainer.sure is not None:
                sure[: len(self._trainer.sure)] = self._trainer.sure
            return names, sure

    def counts(self) -> dict[str, int]:
        """How many items, answers of each kind, check items, open items and so on."""
        with self._lock:
            return results.counts(self._state)

    def nearest(self, row: int, k: int = 3) -> list[tuple[int, Label, float]]:
        """The k nearest items with a human label: (row, label, cosine similarity), nearest first."""
        with self._lock:
            labeled = np.flatnonzero(self._state.labeled_mask)
            names = {int(r): self._state.label_of(int(r)) or "" for r in labeled}
        labeled = labeled[labeled != row]
        X = self._trainer.kept.X
        labeled = labeled[labeled < (0 if X is None else X.shape[0])]  # what came just now has none yet
        if X is None or len(labeled) == 0 or row >= X.shape[0]:
            return []
        similar = cosines(X[[row]], X[labeled])[0]
        best = np.argsort(-similar, kind="stable")[:k]
        return [(int(labeled[i]), names[int(labeled[i])], float(similar[i])) for i in best]

    # ── asking and telling ──────────────────────────────────────────────────────────────────

    def ask(self, n: int = 1, *, annotator: str = "me", most: int | None = None) -> list[Query]:
        """Lease the next n questions. Fewer, or none, when nothing is left to ask.

        Never trains. Where the last ranking planned fewer questions together and no worker runs (`start`), a strategy
        that chooses batches chooses the n now, by what the model said last; where one runs, `ask` never waits, and its
        next ranking plans as many as were asked for since the last.

        Args:
            n: How many, 1 or more.
            annotator: Who asks.
            most: Questions that they may have in hand at once, these included; None = any number.

        Raises:
            BadInput: n is not positive.
        """
        if n < 1:
            raise BadInput(f"ask(n) needs n ≥ 1, got {n}.")
        return self._ask(n, annotator, most, self._trainer.planned(n))

    def _ask(
        self, n: int, annotator: str, most: int | None = None, plan: Sequence[tuple[int, float, str]] = ()
    ) -> list[Query]:
        with self._lock:
            self._expire()
            rows = self._ledger.commit(lambda s: answers.asked(s, n, annotator, most, self._trainer.sure_of, plan))
            self._trainer.asked += len(rows)
            return [self._query(row) for row in rows]

    def _query(self, row: int) -> Query:
        s = self._state
        ask = s.asks[row]
        hidden = ask.audit or ask.check or ask.strategy in (OVERLAP, DOUBTED)
        blind = hidden or not s.model
        guesses = () if blind else self._trainer.guesses(row)
        known = not blind and s.predictions is not None and row < s.ranked
        suggestion = s.classes[int(cast(Array, s.predictions)[row])] if known else None
        confidence = next((p for name, p in guesses if name == suggestion), None)
        if not s.task.closed and guesses:
            confidence = self._trainer.sure_of(row)
        attempt = next((a for a in s.attempts if a.outcome == "open" and row in a.position), s.open_attempt)
        check: tuple[int | None, int | None] | None = None
        if ask.check and attempt is not None and attempt.label is not None:
            check = (None, None)  # its number would tell the class, and with it the guess
        elif ask.check and attempt is not None and row in attempt.position:  # one in hand may outlive its attempt
            check = (attempt.position[row] + 1, evidence.judge(s, attempt).left)
        return Query(
            item=self.pool.ids[row],
            row=row,
            content=self.pool.contents[row],
            reason=reason_for(
                ask,
                guesses=guesses,
                version=s.ranking.round if s.ranking else 0,
                trained_on=s.model_labels,
                task=s.task,
                check=check,
                differ=len({s.current(a.label or "") for a in s.votes.get(row, {}).values() if a.kind == "label"}) > 1,
            ),
            strategy=ask.strategy,
            probability=ask.probability,
            audit=hidden,
            score=ask.score,
            round=ask.round,
            suggestion=suggestion,
            confidence=confidence,
            guesses=guesses,
            asked=ask.seq,
        )

    def tell(
        self,
        query: Query | str,
        label: Label | Iterable[Label],
        *,
        annotator: str = "me",
        seconds: float | None = None,
    ) -> None:
        """Record a label; on the disk when this returns. Late, out-of-order and changed answers are fine.

        Args:
            query: The query, or an item id (any item, asked or not).
            label: One of the classes; a new one is added where the classes are discovered. In a multi-label session
                all labels that apply, as a list or as a text such as "a|b"; an empty list says that none does.
            annotator: Who answered.
            seconds: Time the answer took, if measured.

        Raises:
            BadInput: The item or the label is not known.
        """
        self._hand_in(query, "label", label, annotator, seconds)

    def skip(self, query: Query | str, *, annotator: str = "me", seconds: float | None = None) -> None:
        """Put an item off; it comes back later."""
        self._hand_in(query, "skip", None, annotator, seconds)

    def unsure(self, query: Query | str, *, annotator: str = "me", seconds: float | None = None) -> None:
        """Record that the person cannot tell; not asked again. As a check item it counts as wrong."""
        self._hand_in(query, "unsure", None, annotator, seconds)

    def hand_in(
        self,
        query: Query | str,
        kind: Literal["label", "skip", "unsure"],
        label: Label | Iterable[Label] | None = None,
        *,
        ask: int,
        annotator: str = "me",
        seconds: float | None = None,
        most: int | None = None,
    ) -> list[Query]:
        """`tell`, `skip` or `unsure`, and `ask`, in one step of the log: for many people at once that is half the work.

        Where the question is in hand, the next ones are drawn before the answer is taken in; a check item can
        therefore not depend on it.

        Args:
            query: The query, or an item id.
            kind: What the answer is.
            label: As for `tell`; None for the other kinds.
            ask: Questions wanted, 0 or more.
            annotator: Who answered, and asks.
            seconds: Time the answer took, if measured.
            most: See `ask`.

        Returns:
            The next questions: fewer, or none, when nothing is left to ask.

        Raises:
            BadInput: The item or the label is not known, or `ask` is negative.
        """
        if ask < 0 or kind not in answers.ANSWERED or (label is None) == (kind == "label"):
            raise BadInput(
                f"hand_in takes a kind of answer ({', '.join(answers.ANSWERED)}), a label with the first, and ask >= 0;"
                f" got {kind!r}, {label!r}, {ask}."
            )
        return self._hand_in(query, kind, label, annotator, seconds, ask, most)

    def _hand_in(
        self,
        query: Query | str,
        kind: str,
        label: Label | Iterable[Label] | None,
        annotator: str,
        seconds: float | None,
        ask: int = 0,
        most: int | None = None,
    ) -> list[Query]:
        row = self._row(query)
        with self._lock:
            names = None if kind != "label" else answers.spelled_of(self._state, label, self.pool.contents[row])
            if ask:
                self._expire()
            rows = self._ledger.commit(
                lambda s: answers.handed_in(s, row, kind, names, annotator, seconds, ask, most, self._trainer.sure_of)
            )
            self._judge()
            self._trainer.asked += len(rows)
            found = [self._query(row) for row in rows]
            if len(found) < ask:
                found += self._ask(ask - len(found), annotator, most)  # a plan would wait for a refresh
        self._trainer.worker.nudge()
        return found

    def flag(self, query: Query | str, note: str = "", *, annotator: str = "me") -> None:
        """Mark an item for later, with a note; the question stays open."""
        row = self._row(query)
        self._ledger.write(lambda _: [Event("flagged", {"row": row, "note": str(note), "annotator": annotator})])

    def unflag(self, query: Query | str, *, annotator: str = "me") -> None:
        """Take the flag off an item.

        Raises:
            BadInput: It has none.
        """
        row = self._row(query)
        self._ledger.write(lambda s: answers.flag_lifted(s, row, self.pool.ids[row], annotator))

    def show_guesses(self, items: Iterable[Query | str], *, annotator: str = "") -> None:
        """Note that somebody is being shown what the model takes items for; call it before they are.

        An answer of theirs to one of these items is no blind check from then on, and while it is open no certificate
        hands it over. Questions that carry a guess, and exports, are noted by themselves; what a program reads in
        `predictions` or `rows`, and shows to people, is not.

        Args:
            items: Ids, or queries.
            annotator: Who sees them; "" = it is not known who.

        Raises:
            BadInput: An item is not known, or its blind check is under way.
        """
        rows = [self._row(item) for item in items]
        self._ledger.write(lambda s: answers.shown(s, rows, self.pool.ids, annotator))

    def adjudicate(self, query: Query | str, label: Label | Iterable[Label] | None, *, annotator: str = "me") -> None:
        """Decide on the label of an item that people have labeled; it stands whatever they said.

        Everybody's answers stay in the log and count in the agreement. The decision is lifted by `label=None`, or by a
        later answer of whoever decided.

        Args:
            query: The item, or its id.
            label: One of the classes (in a multi-label session a set, as for `tell`); None = take the decision back.
            annotator: Who decides.

        Raises:
            BadInput: The item or the label is not known, nobody has labeled the item, or nothing was decided.
        """
        row = self._row(query)
        with self._lock:
            names = None if label is None else answers.spelled_of(self._state, label, self.pool.contents[row])
            self._ledger.write(lambda s: answers.adjudicated(s, row, names, self.pool.ids[row], annotator))
            self._judge()
        self._trainer.worker.nudge()

    def tell_many(self, items: Sequence[str], label: Label | Iterable[Label], *, annotator: str = "me") -> int:
        """Record one label for many items at once; returns the number by which `untell` takes all of them back.

        Args:
            items: Item ids, `answers.MOST_AT_ONCE` at most.
            label: One of the classes; in a multi-label session a set, as for `tell`.
            annotator: Who answers.

        Raises:
            BadInput: An item or the label is not known, there are none or too many, or some of them wait for a blind
                check.
        """
        rows = list(dict.fromkeys(self._row(item) for item in items))
        if not 0 < len(rows) <= answers.MOST_AT_ONCE:
            raise BadInput(f"Label 1 to {answers.MOST_AT_ONCE:,} items at once, got {len(rows):,}.")
        with self._lock:
            names = answers.spelled_of(self._state, label)
            number = self._ledger.commit(lambda s: answers.told_together(s, rows, names, annotator))
        self._trainer.worker.nudge()
        return number

    def untell(self, number: int) -> int:
        """Take everything of one `tell_many` back; returns how many answers that were.

        Raises:
            BadInput: There is nothing of that number to take back.
        """
        with self._lock:
            taken = self._ledger.commit(lambda s: corrections.batch_retracted(s, number))
            self._judge()
        self._trainer.worker.nudge()
        return taken

    def rewind(self, version: int, *, annotator: str | None = None) -> int:
        """Take back every answer given since a version of the model; returns the number by which `replay` undoes it.

        The next version learns from what that version knew. A reviewer's decision stays where other answers to the
        item do. Check items stay drawn: until they are answered again they count against both bounds, and certificates
        are recounted without them.

        Args:
            version: Number of the version: of the ranking that it made.
            annotator: Only theirs; None = everybody's.

        Raises:
            BadInput: No such version, nothing was answered since, or blind checks are under way.
        """
        with self._lock:
            number = self._ledger.commit(lambda s: corrections.rewound(s, version, annotator))
            self._judge()
        self._trainer.worker.nudge()
        return number

    def replay(self, number: int) -> int:
        """Give the answers that a `rewind` took back once more; returns how many.

        Left out are items that the same person has answered since, or that have been asked since: the answer belongs
        to the question of then.

        Raises:
            BadInput: There is nothing of that number to give again.
        """
        with self._lock:
            again = self._ledger.commit(lambda s: corrections.replayed(s, number))
            self._judge()
        self._trainer.worker.nudge()
        return again

    def look(self, read: Callable[[State], T]) -> T:
        """What `read` makes of the state, while nobody changes it; it must neither change it nor keep parts of it."""
        return self._ledger.look(read)

    def retract(self, query: Query | str | None = None, *, annotator: str = "me") -> Query | None:
        """Undo an answer (default: the annotator's last); returns its question, leased again, or None."""
        row = None if query is None else self._row(query)
        with self._lock:
            undone = self._ledger.commit(lambda s: corrections.retracted(s, row, annotator))
            if undone is None:
                return None
            query_again = self._query(undone)
        self._trainer.worker.nudge()
        return query_again

    def release(self, *, annotator: str = "me") -> int:
        """Give back the questions that an annotator has in hand, as after a reload of the page; returns how many."""
        return self._ledger.commit(lambda s: answers.given_back(s, annotator))

    def add_class(self, name: Label) -> None:
        """Add a class on the fly.

        Raises:
            BadInput: The name is empty or already a class.
        """
        self._ledger.write(lambda s: answers.class_added(s, name))

    def add(self, source: Any, *, annotator: str = "me", **how: Any) -> growing.Added:
        """Add items while the session runs: what is new joins, what it has already is recognised by content and id.

        New items are asked after the next ranking. Estimates speak of all that is open, and certificates of what they
        covered. See docs/growing.md.

        Args:
            source: Anything that `load_pool` accepts, or a `Pool`, of the same kind of items; features of an array
                pool have the same columns and type.
            annotator: Who adds.
            how: Columns and format, as for `load_pool`; default: as the session's own items were read, where the
                source has such columns.

        Raises:
            BadInput: The source cannot be read, holds other items, or this is a search.
        """
        added = self._items.add(self._ledger, source, annotator=annotator, options=how)
        self._trainer.worker.nudge()
        return added

    def would_add(self, pool: Pool) -> growing.Added:
        """What `add` would do with a pool; nothing is written."""
        return self._items.preview(self._ledger, pool)

    def withdraw(self, ids: Sequence[str], *, annotator: str = "me", reason: str = "") -> withdrawing.Withdrawn:
        """Take items out for good, as after a privacy request; it cannot be undone. See docs/withdrawing.md.

        Nothing of what they held is left in the session's file; the log still verifies. They are asked no more, teach
        no more, and stand in no export. Where a worker runs, the next model is learned without them by itself, else
        with the next `refresh`.

        Args:
            ids: Of the items, as in `Pool.ids`; they get new ones, which say nothing.
            annotator: Who withdraws.
            reason: Why; it stays in the log, so it should name nobody.

        Raises:
            BadInput: An id is no item's, the item was withdrawn before, these are all items, or the store cannot.
            Unreachable: The log cannot be written; or it is, and old bytes could not be overwritten yet.
        """
        if self.still:
            raise Unreachable(self.still)
        with self._lock:
            while True:
                self._ledger.catch_up()
                rows = withdrawing.rows_of(ids, self._rows)
                try:
                    said = withdrawing.withdraw(self._ledger, self.pool, rows, annotator=annotator, reason=str(reason))
                    break
                except Conflict:  # somebody else was first
                    continue
            self._judge()
        self._trainer.worker.nudge()
        return said

    def _row(self, query: Query | str) -> int:
        if isinstance(query, Query):
            if query.row in self.pool.withdrawn:
                raise BadInput("This item was withdrawn meanwhile: it is asked and answered no more.")
            if not (0 <= query.row < len(self.pool) and self.pool.ids[query.row] == query.item):
                raise BadInput(f"The query for item {query.item!r} does not belong to this session.")
            return query.row
        row = self._rows.get(str(query))
        if row is None:
            gone = len(self.pool.withdrawn)
            raise BadInput(
                f"No item with the id {query!r} in this session."
                + f" Perhaps it was withdrawn: {gone:,} of its items were." * (gone > 0)
                + only_python(" Pass a query from ask(), or an id of the pool.")
            )
        return row

    def _expire(self) -> None:
        self._ledger.write(answers.expired)

    # ── learning ────────────────────────────────────────────────────────────────────────────

    def features(self) -> Matrix:
        """(n, d) features of the pool; encodes on the first call."""
        return self._trainer.features()

    def refresh(self) -> bool:
        """Fit, score, rank: the slow verb. Returns whether there is a new ranking (False: nothing new was told).

        Raises:
            BadInput: The session was reopened without the encoder, learner or strategy that it was started with.
        """
        return self._trainer.refresh()

    def start(self, *, apart: bool = False) -> None:
        """Start the background worker: it refreshes whenever answers have come in.

        Args:
            apart: Encode, fit and rank in a process of its own, as the servers do: a thread that computes holds up
                those that answer people. Where encoder, learner or strategy cannot be sent there, they are used here,
                and a notice says so.

        Raises:
            Unreachable: The session's file cannot be written.
        """
        if self.still:
            raise Unreachable(self.still)
        self._trainer.start(apart=apart)

    def stop(self) -> None:
        """Stop the background worker, after a refresh that is under way; raises what had stopped it before, if any."""
        self._trainer.stop()

    def guesses_of(self, contents: Sequence[Any]) -> Opinion | None:
        """What the newest model says of items of any kind that it can encode.

        None where there is no model here, or no encoder. Not to be called while a refresh runs.
        """
        return self._trainer.guesses_of(contents)

    @property
    def worker_error(self) -> Exception | None:
        """What stopped the background worker, to be shown; None while all is well."""
        return self._trainer.worker.error

    # ── honesty ─────────────────────────────────────────────────────────────────────────────

    def estimate(self) -> Estimate:
        """How good the current model is on the rest, from random check items alone; true at every look.

        See docs/guarantee.md for what exactly is claimed.
        """
        return self._ledger.from_still("estimate", lambda s: evidence.estimate(s, s.predictions))

    def metrics(self) -> Metrics | None:
        """Precision, recall, F1 of each class, balanced accuracy and AUROC on the rest; None before the first model.

        From random check items alone; the bounds are true at every look. See docs/guarantee.md.
        """
        return self._ledger.from_still("metrics", lambda s: evidence.metrics(s, s.predictions))

    def annotators(self) -> list[Annotator]:
        """What each person has done, and how good their labels are where others labeled the same items."""
        return self._ledger.once("annotators", people.annotators)

    def agreement(self) -> Agreement:
        """How well people agree on the items that several of them labeled."""
        return self._ledger.once("agreement", people.agreed)

    def verdict(self, *, price_per_hour: float | None = None) -> Verdict:
        """Good enough? Why, and about how many labels, minutes and how much money to go? Advice, never a lock.

        Args:
            price_per_hour: Of the people's time, > 0, in any currency; None = no money is forecast.

        Raises:
            BadInput: a price that is not above 0.
        """
        with self._lock:
            return stopping.in_time(self._advised(), self._seconds(), price_per_hour)

    def series(self) -> dict[str, Array]:
        """What was recorded with each model, for the criteria of `askwise.stopping`; see `advice.series`."""
        with self._lock:
            return advice.series(self._state.points)

    def advice(
        self, *, price_per_hour: float | None = None, price_of_error: float | None = None
    ) -> list[tuple[str, Verdict]]:
        """(criterion, what it says) of each criterion for stopping; the first is the session's own. Never a lock.

        Args:
            price_per_hour: Of the people's time, > 0, in any currency. With `price_of_error` and measured answers, the
                last criterion says whether the next labels pay.
            price_of_error: Of one wrong label in the end, >= 0, in the same currency.

        Raises:
            BadInput: prices out of range.
        """
        if price_of_error is not None and price_per_hour is None:
            raise BadInput("What an error costs goes with what an hour of people costs; give both prices.")
        verdict = self.verdict(price_per_hour=price_per_hour)
        with self._lock:
            s = self._state
            each = stopping.pace(self._seconds())
            price_of_label = None if price_per_hour is None or each is None else price_per_hour * each[0] / 3600
            recorded = advice.series(s.points)
            scale = 1.0
            if len(recorded["doubts"]):
                outcomes = [wrong for wrong in s.draw_outcomes()[1] if wrong is not None]
                scales, weight = control.error_scales(len(outcomes) * float(recorded["doubts"][-1]), sum(outcomes))
                scale = float(weight @ scales)
        return advice.all_criteria(
            recorded, verdict, price_of_label=price_of_label, price_of_error=price_of_error, errors_by_doubt=scale
        )

    def _seconds(self) -> list[float]:
        """What recent answers took, as of the last ranking: forecasts move with the rankings."""
        ranking = self._state.ranking
        return self._ledger.once("seconds", advice.seconds, ranking and ranking.round)

    def control(self, *, compute: bool = True) -> Control | None:
        """How many labels random sampling would have needed for as few errors; a forecast, never a proof.

        It fits some twenty models on random samples, once for each ranking; the background worker does so whenever a
        quarter more labels are there. What was found is written to the log with the next ranking. See docs/control.md.

        Args:
            compute: False = what was found last.

        Returns:
            What was found last where the model is not at hand (after reopening, until `refresh`); None in a search, in
            a multi-label session and before the first model.
        """
        return self._trainer.control(compute=compute)

    def _advised(self) -> Verdict:
        """The verdict in labels."""
        with self._lock:
            s, trainer = self._state, self._trainer
            done = not s.rest_mask.any()
            # A plan from before items were handed over still counts them.
            fresh = trainer.confidences() is not None and len(s.auto) <= trainer.region_auto
            region = trainer.region if fresh else None
            # A forecast moves with the rankings; only blind checks move it with every answer.
            key = (
                s.seq
                if s.open_attempt or "goal" in s.opened
                else (s.ranking and s.ranking.round, len(s.attempts), done)
            )
            return self._ledger.once("verdict", lambda s: advice.verdict(s, region, self.recall()), key)

    @property
    def _goal(self) -> screening.Goal | None:
        return screening.goal_of(self._state.opened)

    def recall(self) -> Recall | None:
        """Where a search stands: found, and what is proved of the share found; None where `recall=` was not given."""
        with self._lock:
            goal = self._goal
            return None if goal is None else self._ledger.once("recall", lambda s: screening.recall(s, goal))

    # ── taking over ─────────────────────────────────────────────────────────────────────────

    def autolabel(
        self,
        *,
        max_error: float | Mapping[Label, float] | None = None,
        confidence: float | None = None,
        target: Target | None = None,
        costs: Any = None,
        max_cost: float | None = None,
        oracle: Oracle | None = None,
    ) -> AutoLabels:
        """Certify a region of the pool and label it, or refuse and say what is missing.

        The first call freezes predictions, region and a random order of blind checks (status "checking"); `ask` then
        hands out the checks, and the answers decide. Call again for the outcome. With an oracle the checks are
        answered at once. The rest goes back to people, and another region may be tried later: each attempt spends its
        own part of 1 - confidence.

        Args:
            max_error: Largest share of wrong labels among those given by the model; default: the session's. With a
                share for each class, such as {"benign": 0.001, "malignant": 0.05}, the items that the model labels so
                are certified class by class, and those of classes not named stay with people.
            confidence: Probability that all of this holds; default: the session's.
            target: "auto": share among the auto-labeled; "dataset": auto-label errors as a share of the whole region,
                corrected checks included (cheaper; the auto-labeled part alone may exceed `max_error`); "file": all
                auto-label errors as a share of the whole pool (cheapest); default: the session's.
            costs: What errors cost instead, (classes, classes): `costs[true][given]`, zeros on the diagonal. For each
                class the share of errors is limited such that the mean cost is at most `max_cost`, whatever the true
                class.
            max_cost: Largest mean cost of a label given by the model, in the unit of `costs`.
            oracle: Answers the checks.

        Raises:
            BadInput: Out-of-range numbers, or other numbers than those of the attempt under way.
        """
        with self._lock:
            s = self._state
            attempt = s.open_attempt
            if self._goal is not None and not (max_error is costs is confidence is None):
                raise BadInput(
                    f"This is a search: its recall and confidence were set at the start. Leave {named('max_error')}, "
                    f"{named('costs')} and {named('confidence')} out."
                )
            if not s.task.closed and (costs is not None or isinstance(max_error, Mapping)):
                raise BadInput(
                    f"With {s.task.asks} an item, an answer is right or wrong as a whole, so there is one share of "
                    f"errors, not one for each label. Give {named('max_error')} as a number."
                )
            if (costs is None) != (max_cost is None) or (costs is not None and max_error is not None):
                raise BadInput(
                    f"Give either {named('max_error')}, or {named('costs')} together with {named('max_cost')}."
                )
            if isinstance(max_error, Mapping):
                max_error = {answers.spelled(s, name): share for name, share in max_error.items()}
            if costs is not None and max_cost is not None:
                max_error = handover.limits_from_costs(costs, max_cost, s.shown_labels())
            share_ = float(s.opened["max_error"]) if max_error is None else max_error
            wanted = handover.limits(share_, s.shown_labels())
            wanted_confidence = float(s.opened["confidence"] if confidence is None else confidence)
        opening.check_share("confidence", wanted_confidence)
        target = evidence.target(self._state) if target is None else target
        opening.check_target(target)
        if target == "file" and list(wanted) != [None]:
            raise BadInput(
                f"A limit for each class is about labels of that class; leave {named('target')} out, or the classes."
            )
        if attempt is not None:
            # Of the classes asked for, some may not have been worth an attempt.
            same = all(wanted.get(a.label) == a.max_error for a in s.last_group)
            same = same and attempt.confidence == wanted_confidence and attempt.target == target
            if (max_error is not None or confidence is not None) and not same:
                raise BadInput(
                    f"An attempt at an error of at most {share(attempt.max_error, 1)} with {share(attempt.confidence)} "
                    f"confidence is under way. Answer its checks, or give it up first: {named('cancel_autolabel()')}."
                )
        else:
            self.refresh()  # certify the model that knows every answer
            with self._lock:
                elsewhere = self._trainer.round >= 0 and self._trainer.confidences() is None
                if elsewhere:  # another process ranked last, and the model of that ranking is there
                    self._trainer.round = -1
            if elsewhere:
                self.refresh()
            refusal = self._freeze(wanted, wanted_confidence, target)
            if refusal is not None:
                return refusal
        if oracle is not None:
            self._answer_checks(oracle)
        status = self.autolabel_status()
        if status is None:
            raise ContractError("The attempt that was just frozen is not in the log; the store dropped an event.")
        return status

    def _freeze(self, wanted: handover.Limits, confidence: float, target: Target) -> AutoLabels | None:
        """Start an attempt; an answer only where none can be started."""

        def decide(s: State) -> tuple[Sequence[Event], AutoLabels | None]:
            if s.open_attempt is not None:
                return [], None  # somebody else was first
            if (goal := self._goal) is not None:
                fresh = self._trainer.confidences() is not None
                found = screening.freeze(s, goal, self._trainer.opinion if fresh else None)
            else:
                found = handover.freeze(s, self._trainer.confidences(), wanted, confidence, target)
            return ([], found) if isinstance(found, AutoLabels) else (found, None)

        return self._ledger.commit(decide)

    def _answer_checks(self, oracle: Oracle) -> None:
        while True:
            with self._lock:
                attempt = self._state.open_attempt
                if attempt is None:
                    return
                # No more than could decide at the earliest: what is answered beyond that would be wasted.
                # The checks of single classes come mixed, and any of them may decide.
                left = (evidence.judge(self._state, attempt).left or 1) if attempt.label is None else 1
                queries = self._ask(min(CHECKS_AHEAD, left), "oracle")
            if not queries:
                return  # somebody else holds the next checks
            labels = oracle(queries)
            if len(labels) != len(queries):
                raise ContractError(
                    f"The oracle gave {len(labels)} labels for {len(queries)} queries; one each is needed."
                )
            for query, label in zip(queries, labels, strict=True):
                self.tell(query, label, annotator="oracle")
            self.release(annotator="oracle")

    def _judge(self) -> None:
        """Close the attempt under way when its answers decide it."""
        self._ledger.write(handover.verdict)

    def autolabel_status(self) -> AutoLabels | None:
        """The attempt under way, or how the last one ended; None before the first. Changes nothing."""
        with self._lock:
            return handover.status(self._state, self.pool.ids)

    def certificates(self) -> list[Certificate]:
        """Every certificate given and not taken back, recounted from the answers as they are now."""
        with self._lock:
            return evidence.certificates(self._state)

    def deferred(self, k: int | None = None) -> list[str]:
        """Items that still need a person, most useful first: as the strategy ranks them, then by the model's doubt.

        Args:
            k: At most so many; None = all.
        """
        with self._lock:
            s = self._state
            rest = s.rest()
            ranked = [row for row in (s.ranking.queue if s.ranking else []) if rest[row]]
            others = rest.copy()
            others[ranked] = False
            rows = np.flatnonzero(others)
            sure = self._trainer.confidences()
            if sure is not None:
                rows = rows[np.argsort(sure[rows], kind="stable")]
            return [self.pool.ids[row] for row in [*ranked, *rows.tolist()][:k]]

    def cancel_autolabel(self) -> None:
        """Give up the attempt under way; its part of the error budget stays spent.

        Raises:
            BadInput: No attempt is under way.
        """
        with self._lock:
            if self._state.open_attempt is None:
                raise BadInput(f"No certification attempt is under way; start one with {named('autolabel()')}.")
            self._ledger.write(handover.cancel)

    def undo_autolabel(self) -> None:
        """Take the last batch of model labels back, as a whole.

        Raises:
            BadInput: There is none.
        """
        with self._lock:
            given = [a for a in self._state.attempts if a.outcome == "certified" and not a.taken_back]
            if not given:
                raise BadInput("There are no model labels to take back.")
            batch = [a.number for a in given if a.group == given[-1].group]
            self._ledger.write(lambda _: [Event("taken_back", {"attempt": number}) for number in batch])

    # ── results ─────────────────────────────────────────────────────────────────────────────

    def report(self, *, price_per_hour: float | None = None, price_of_error: float | None = None) -> Report:
        """Everything a report shows, as numbers; `askwise.report` renders it.

        Args:
            price_per_hour: As for `advice`.
            price_of_error: As for `advice`.
        """
        with progress("comparing with random sampling"):
            compared = self.control()
        with progress("working out the report"), self._lock:
            says = [] if self._goal else self.advice(price_per_hour=price_per_hour, price_of_error=price_of_error)
            verdict = self.verdict(price_per_hour=price_per_hour)
            found = results.report(self._state, self.title, verdict, self.settings, self.problems, self.pool)
            return replace(found, recall=self.recall(), control=compared, advice=tuple(says))

    def model(self, *, shown: bool = True) -> Model:
        """The current model as an object that outlives the session; see docs/model.md.

        It learns what was answered since the last ranking first. Whoever has it can ask it about items of the session,
        so nobody is blind to these any more: no certificate can hand over those that are open now.

        Args:
            shown: False = you see to it that nobody who answers questions of the session learns from it what the model
                takes open items for, as with `predictions`; then nothing is noted.

        Raises:
            BadInput: No model yet, the session was reopened without what it learned with, or (unless `shown` is
                False) blind checks are under way.
            Unreachable: The session's file cannot be written.
        """
        from askwise import model  # it loads scikit-learn

        return model.of(self, shown=shown)

    def rows(self) -> list[dict[str, Any]]:
        """One record for each row of the input; see `results.table` for the columns."""
        with self._lock:
            return results.table(self._state, self.pool, *self.predictions())

    def _shown(self, guesses: bool) -> list[dict[str, Any]]:
        """`rows()` for people: what the model guesses of open items only where asked for, which the log then says."""
        with self._lock:
            if guesses:
                self._ledger.write(answers.rest_shown)  # before anybody can see them
            names, sure = self.predictions()
            if not guesses:
                hidden = ~self._state.auto_mask
                names, sure = [*np.where(hidden, "", np.array(names, object))], np.where(hidden, np.nan, sure)
            return results.table(self._state, self.pool, names, sure)

    def to_frame(self, *, guesses: bool = False) -> Any:
        """The labeled table as a pandas frame: what `export` writes, one line for each row of the input.

        Args:
            guesses: As for `export`: with the guesses on open items, to which nobody is blind from then on.

        Raises:
            BadInput: Guesses are asked for while blind checks are under way.
            MissingExtra: pandas is not installed.
        """
        return results.to_frame(lambda: self._shown(guesses))

    def plot(self, what: Literal["estimate", "certificate"] = "estimate") -> plots.Picture:
        """A picture that a notebook shows, and that `save` writes to a file.

        Args:
            what: "estimate": what was known of the accuracy on the rest, by labels from people. "certificate": the
                evidence of the last certificate, a square for each blind check.

        Raises:
            BadInput: There is nothing of that to draw, or the certificate no longer holds.
        """
        with self._lock:
            return results.picture(self._state, what)

    def __repr__(self) -> str:
        with self._lock:
            return f"<Session {self.title!r}: {self._state.human:,} of {self._state.n:,} items labeled by people>"

    def _repr_html_(self) -> str:
        """What a report begins with, and nothing of what the model guesses of single items."""
        search, verdict = self.recall(), self.verdict()
        says = self.estimate().sentence if search is None else search.sentence
        with self._lock:
            counted, given = results.counts(self._state), evidence.certificates(self._state)
        return results.to_html(self.title, counted, says, verdict, given, self.still)

    def export(self, path: str | Path, *, guesses: bool = False, raw: bool = False, bom: bool = False) -> int:
        """Write `rows()` as .csv, .tsv, .jsonl, .parquet or .xlsx, by suffix; returns how many.

        Args:
            path: Where to; .csv, .tsv and .jsonl also with .gz. Labeled texts with spans also as .conll, .spacy,
                .doccano.jsonl or .prodigy.jsonl; then nothing else of what follows applies.
            guesses: Write also what the model guesses of items that it did not label. Nobody is blind to these any
                more, so no certificate can hand over those that are open now.
            raw: CSV and TSV: leave cells as they are that a spreadsheet would run as formulas. Without it they get an
                apostrophe, which `load_pool` takes away again.
            bom: CSV and TSV: begin with a byte order mark, by which Excel knows UTF-8.

        Raises:
            BadInput: Unknown suffix, the folder cannot be written, a value that the format cannot hold, the path is the
                data that was labeled, or guesses are asked for while blind checks are under way.
            MissingExtra: Parquet without pyarrow, XLSX without openpyxl.
        """
        source = self.pool.address.get("path")
        if source is not None and Path(path).resolve() == Path(source).resolve():
            raise BadInput(f"{str(path)!r} is the data that was labeled, which stays as it is. Export to another file.")
        if results.marked_file(Path(path)):
            with self._lock:
                written = results.write_marked(self._state, self.pool, Path(path))
        else:
            rows = self._shown(guesses)
            with progress(f"writing {Path(path).name}"):
                written = write_table(rows, path, raw=raw, bom=bom)
        try:
            if not self.still:
                self._ledger.write(lambda _: [Event("exported", {"file": Path(path).name, "rows": written})])
        except BadStore as error:  # the table is whole; that the log knows of it is worth less than the table
            say(f"{str(path)!r} is written, but the session's log does not say so: {error}")
        return written

    # ── the log ─────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Stop the worker, close the store; nothing is lost when this is never called."""
        self.stop()
        self._store.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
