"""A labeling session: the verbs of the loop over one log."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from askwise import audit, encoders, engine, evidence, handover, learners, results, signals, stopping, strategies
from askwise.core import (
    Answer,
    Array,
    AutoLabels,
    BadInput,
    BadStore,
    Certificate,
    Conflict,
    ContractError,
    Encoder,
    Estimate,
    Event,
    Label,
    Learner,
    Matrix,
    Oracle,
    Query,
    Report,
    Store,
    Verdict,
    unknown,
)
from askwise.evidence import Target
from askwise.export import write_table
from askwise.pool import Pool, label_name, load_pool
from askwise.questions import CHECKS_AHEAD, next_checks, next_questions
from askwise.reasons import reason_for
from askwise.state import State, pack, pool_events, pool_from_log
from askwise.store import FORMAT, SQLiteStore, open_store
from askwise.worker import Worker

T = TypeVar("T")

LEASE_SECONDS = 600.0
"""A question not answered in this time goes back to the pool."""
QUEUE = 100
"""Rows ranked ahead, so that questions never wait for the model."""


class Session:
    """Asks, learns, says how good the model is, and hands over what can be trusted to it.

    Args:
        pool: A `Pool`, or anything `load_pool` accepts: a path, a list of strings, a data frame, a matrix.
        classes: The labels that may be given; None = discovered from the answers.
        strategy: Name of a query strategy, or a `Strategy`.
        learner: None = our softmax regression; else any scikit-learn classifier with `predict_proba`.
        encoder: None = the default; else a name, an `Encoder` or a callable `encode(list) -> array`.
        store: None = in memory; a path = a SQLite file that survives; or a `Store`.
        seed: Every random draw derives from it.
        audit_share: Share of the questions that are uniformly random check items, 0 ≤ share ≤ 1.
        max_error: The share of wrong auto-labels to plan for, 0 < max_error < 1.
        confidence: Of every statement, 0 < confidence < 1.
        title: Shown in the app and the report.
        text, id, label: Column names (or, for `label`, a sequence) when `pool` is a source to load.

    Raises:
        BadInput: The pool is empty, or an argument is out of range.
        BadStore: The store holds a session already, or cannot be used.
    """

    def __init__(
        self,
        pool: Any,
        *,
        classes: Sequence[Label] | None = None,
        strategy: str | strategies.Strategy = "auto",
        learner: Any = None,
        encoder: Any = None,
        store: Store | str | Path | None = None,
        seed: int = 0,
        audit_share: float = 0.1,
        max_error: float = 0.02,
        confidence: float = 0.95,
        title: str = "",
        text: str | None = None,
        id: str | None = None,  # noqa: A002 - the column's usual name
        label: Any = None,
    ) -> None:
        loaded = pool if isinstance(pool, Pool) else load_pool(pool, text=text, id=id, label=label)
        _check_share("audit_share", audit_share, low_open=False, high_open=False)
        _check_share("max_error", max_error)
        _check_share("confidence", confidence)
        declared = _declared(classes)
        given = {row: str(name) for row, name in loaded.given.items()}
        if declared is not None and (strange := sorted(set(given.values()) - set(declared))):
            raise BadInput(
                f"The data already holds the label {strange[0]!r}, which is not in the list: {', '.join(declared)}. "
                "Add it to the list, or mend the label column."
            )
        names = declared if declared is not None else sorted(set(given.values()))
        if encoder is not None and loaded.kind == "array":
            raise BadInput("encoder= goes with texts; an array pool brings its own features. Leave it out.")
        chosen = strategies.get(strategy)
        if chosen.task != "classification":
            raise BadInput(
                f"The strategy {chosen.name!r} is for {chosen.task}; a session asks for one label an item. Choose one "
                "for classification (`askwise strategies`), or use askwise.select()."
            )
        self._start_up(loaded, encoder, learner, chosen)
        opened = {
            "format": FORMAT,
            "version": _version(),
            "title": title,
            "seed": int(seed),
            "strategy": chosen.name,
            "audit_share": float(audit_share),
            "max_error": float(max_error),
            "confidence": float(confidence),
            "classes": names,
            "declared": declared is not None,
            "pool": dict(loaded.address),
            "problems": [[p.row, p.line, p.what] for p in loaded.problems],
            "given": {str(row): name for row, name in given.items()},
            "kind": loaded.kind,
            "fingerprint": loaded.fingerprint,
            "notes": list(loaded.notes),
            "n": len(loaded),
            "rows": sum(len(s) for s in loaded.sources),
            "encoder": self._encoder_name,
            "encoder_source": _encoder_source(encoder, self._encoder_name),
            "learner": self._learner_name,
            "own_learner": learner is None,
        }
        self._store = open_store(store)
        try:
            self._store.append([Event("opened", opened), *pool_events(loaded)], after=0)
        except Conflict:
            self._store.close()
            raise BadStore("This store holds a session already; open it with `Session.open`.") from None
        self._read()
        self.refresh()

    @classmethod
    def open(
        cls,
        path: str | Path | Store,
        *,
        pool: Any = None,
        encoder: Any = None,
        learner: Any = None,
        strategy: strategies.Strategy | None = None,
    ) -> Session:
        """Reopen a session. Text sessions hold their items; an array pool must be given again.

        Raises:
            BadStore: Not a session file, damaged, or written by a newer version.
            BadInput: The pool is missing, or not the one this session was started with.
        """
        store = path if not isinstance(path, str | Path) else SQLiteStore(path, must_exist=True)
        events = store.read()
        if not events or events[0].kind != "opened":
            raise BadStore(
                f"{str(path)!r} holds no session: its log does not begin with `opened`. "
                "If this is a copy, copy it again when nothing has the session open."
            )
        opened = events[0].data
        if int(opened["format"]) > FORMAT:
            raise BadStore(
                f"{str(path)!r} was written by a newer Askwise (format {opened['format']}; this one reads up to "
                f"{FORMAT}). "
                "Upgrade with `pip install --upgrade askwise`."
            )
        found = pool_from_log(opened, events)
        if found is None:
            if pool is None:
                raise BadInput(
                    "This session is about an array, which its file does not hold: pass it again as `pool=`."
                )
            found = pool if isinstance(pool, Pool) else load_pool(pool)
            if found.fingerprint != opened["fingerprint"]:
                raise BadInput(
                    f"This is not the pool that the session was started with: {len(found):,} items given, "
                    f"{opened['n']:,} expected, or their content differs."
                )
        self = cls.__new__(cls)
        missing = []
        if encoder is None and found.kind == "text":
            encoder = opened["encoder_source"]
            if encoder is None:
                missing.append(f"encoder= (it was {opened['encoder']})")
        if learner is None and not opened["own_learner"]:
            missing.append(f"learner= (it was {opened['learner']})")
        if strategy is None and opened["strategy"] not in strategies.available():
            missing.append(f"strategy= (it was {opened['strategy']})")
        chosen = strategy or strategies.get("auto" if missing else opened["strategy"])
        self._start_up(found, encoder, learner, chosen, reopened=True)
        if missing:  # looking, reporting and exporting need none of it; learning on with something else would mislead
            self._missing = (
                f"This session learned with what its file cannot hold. To go on learning, open it from Python with "
                f"{', '.join(missing)}."
            )
        for what, given, name in (("encoder", encoder, self._encoder_name), ("learner", learner, self._learner_name)):
            same = _without_address(name) == _without_address(str(opened[what]))
            if given is not None and not same:  # every figure of the report would be put down to another
                raise BadInput(
                    f"This session was started with the {what} {opened[what]}, and {name} is given. Leave {what} out, "
                    "give the same, or start a new session."
                )
        self._store = store
        self._read()
        self._judge()
        if self._state.ranking is None and not missing:
            self.refresh()
        return self

    def _start_up(
        self, pool: Pool, encoder: Any, learner: Any, strategy: strategies.Strategy, *, reopened: bool = False
    ) -> None:
        self.pool = pool
        self._rows = {item: row for row, item in enumerate(pool.ids)}
        self._strategy = strategy
        self._missing = ""
        known = pool.kind == "text" and (encoder is not None or not reopened)
        self._encoder: Encoder | None = encoders.get(encoder) if known else None
        self._encoder_name = self._encoder.name if self._encoder is not None else "given features"
        self._learner: Learner = learners.adapt(learner)
        self._learner_name = learners.describe(self._learner)
        self._X: Matrix | None = pool.features
        self._Z: Array | None = None
        self._proba: Array | None = None
        self._sure: Array | None = None
        self._region: audit.Region | None = None
        self._region_auto = 0  # items handed over when the region was planned
        self._proba_round = -1
        self._lock = threading.RLock()  # guards state; held for moments
        self._refreshing = threading.Lock()  # one refresh at a time; held while training
        self._encoding = threading.Lock()
        self._worker = Worker(self.refresh, self._stale)
        self._asked_since_ranking = 1
        self._cached: dict[str, tuple[Any, Any]] = {}

    def _read(self) -> None:
        self._state = State()
        self._catch_up()

    # ── what is known ───────────────────────────────────────────────────────────────────────

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels, in the order declared or discovered."""
        with self._lock:
            return tuple(self._state.classes)

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
        return {key: self._state.opened[key] for key in keys} | {"rows": self._state.opened["rows"]}

    @property
    def title(self) -> str:
        """Title given at the start, else the file's name."""
        return str(self._state.opened["title"] or Path(str(self.pool.address.get("path") or "Untitled")).stem)

    @property
    def seed(self) -> int:
        """The seed that every random draw derives from."""
        return int(self._state.opened["seed"])

    @property
    def training(self) -> bool:
        """Whether a refresh is running now."""
        return self._refreshing.locked()

    @property
    def problems(self) -> list[str]:
        """Rows of the input that could not be loaded, one sentence each."""
        return [f"row {p.row}: {p.what}" for p in self.pool.problems]

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
            names = [s.classes[c] for c in s.predictions.tolist()]
            sure = self._confidences()
            return names, np.full(s.n, np.nan, np.float32) if sure is None else sure.copy()

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
        if len(labeled) == 0 or self._X is None:
            return []
        X = self._X
        them, me = X[labeled], X[[row]]
        product = them @ me.T
        dots = np.asarray(product.todense() if hasattr(product, "todense") else product, float).ravel()
        norms = signals.norm(None, them) * signals.norm(None, me)[0]
        similar = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
        best = np.argsort(-similar, kind="stable")[:k]
        return [(int(labeled[i]), names[int(labeled[i])], float(similar[i])) for i in best]

    # ── asking and telling ──────────────────────────────────────────────────────────────────

    def ask(self, n: int = 1, *, annotator: str = "me") -> list[Query]:
        """Lease the next n questions; never trains, never blocks. Fewer, or none, when nothing is left to ask.

        Raises:
            BadInput: n is not positive.
        """
        if n < 1:
            raise BadInput(f"ask(n) needs n ≥ 1, got {n}.")
        with self._lock:
            self._expire()
            rows: list[int] = []

            def decide() -> list[Event]:
                s = self._state
                attempt = s.open_attempt
                items = next_checks(s, attempt, n) if attempt else next_questions(s, n, self._sure_of)
                rows[:] = [int(q["row"]) for q in items]
                return [self._asked(items, annotator)] if items else []

            self._commit(decide)
            self._asked_since_ranking += len(rows)
            return [self._query(row) for row in rows]

    def _asked(self, items: list[dict[str, Any]], annotator: str) -> Event:
        round_ = self._state.ranking.round if self._state.ranking else 0
        until = time.time() + LEASE_SECONDS
        return Event("asked", {"annotator": annotator, "round": round_, "until": until, "items": items})

    def _sure_of(self, row: int) -> float | None:
        sure = self._confidences()
        return None if sure is None else round(float(sure[row]), 6)

    def _query(self, row: int) -> Query:
        s = self._state
        ask = s.asks[row]
        blind = ask.audit or ask.check or not s.model
        guesses = () if blind else self._guesses(row)
        suggestion = None if blind or s.predictions is None else s.classes[int(s.predictions[row])]
        confidence = next((p for name, p in guesses if name == suggestion), None)
        attempt = s.open_attempt
        return Query(
            item=self.pool.ids[row],
            row=row,
            content=self.pool.contents[row],
            reason=reason_for(
                ask,
                guesses=guesses,
                trained_on=s.points[-1].labels if s.points else 0,
                check=(attempt.position[row] + 1, evidence.judge(s, attempt).left) if ask.check and attempt else None,
            ),
            strategy=ask.strategy,
            probability=ask.probability,
            audit=ask.audit or ask.check,
            score=ask.score,
            round=ask.round,
            suggestion=suggestion,
            confidence=confidence,
            guesses=guesses,
            asked=ask.seq,
        )

    def _guesses(self, row: int, most: int = 5) -> tuple[tuple[Label, float], ...]:
        proba, s = self._proba, self._state
        if proba is None or s.ranking is None or self._proba_round != s.ranking.round:
            return ()
        best = np.argsort(-proba[row], kind="stable")[:most]
        return tuple((s.classes[int(c)], float(proba[row, c])) for c in best)

    def tell(self, query: Query | str, label: Label, *, annotator: str = "me", seconds: float | None = None) -> None:
        """Record a label; on the disk when this returns. Late, out-of-order and changed answers are fine.

        Args:
            query: The query, or an item id (any item, asked or not).
            label: One of the classes; a new one is added where the classes are discovered.
            annotator: Who answered.
            seconds: Time the answer took, if measured.

        Raises:
            BadInput: The item or the label is not known.
        """
        row = self._row(query)
        name = label_name(label) or ""  # as labels that come with the data are read
        if not name:
            raise BadInput(f"The label {label!r} is empty or no name of a class. Give a class, or use skip or unsure.")
        with self._lock:

            def decide() -> list[Event]:
                news = []
                if name not in self._state.classes:
                    if self._state.opened["declared"]:
                        raise unknown("label", name, self._state.classes)
                    news.append(Event("class_added", {"name": name}))
                return [*news, Event("told", self._answered(row, annotator, seconds) | {"label": name})]

            self._commit(decide)
            self._judge()
        self._worker.nudge()

    def skip(self, query: Query | str, *, annotator: str = "me", seconds: float | None = None) -> None:
        """Put an item off; it comes back later."""
        self._put("skipped", query, annotator, seconds)

    def unsure(self, query: Query | str, *, annotator: str = "me", seconds: float | None = None) -> None:
        """Record that the person cannot tell; not asked again. As a check item it counts as wrong."""
        self._put("unsure", query, annotator, seconds)

    def _put(self, kind: str, query: Query | str, annotator: str, seconds: float | None) -> None:
        row = self._row(query)
        with self._lock:
            self._commit(lambda: [Event(kind, self._answered(row, annotator, seconds))])
            self._judge()
        self._worker.nudge()

    def flag(self, query: Query | str, note: str = "", *, annotator: str = "me") -> None:
        """Mark an item for later, with a note; the question stays open."""
        row = self._row(query)
        with self._lock:
            self._commit(lambda: [Event("flagged", {"row": row, "note": str(note), "annotator": annotator})])

    def retract(self, query: Query | str | None = None, *, annotator: str = "me") -> Query | None:
        """Undo an answer (default: the annotator's last); returns its question, leased again, or None."""
        row = None if query is None else self._row(query)
        with self._lock:
            undone: list[int] = []

            def decide() -> list[Event]:
                undone.clear()
                trail = self._state.trail.get(annotator, [])
                hit = next(((seq, r) for seq, r in reversed(trail) if row is None or r == row), None)
                if hit is None:
                    return []
                seq, found = hit
                undone.append(found)
                ask = self._state.asks.get(found)
                again: dict[str, Any] = {"row": found, "drawn": False, "strategy": "volunteered"}
                if ask is not None:
                    again |= {
                        "audit": ask.audit, "check": ask.check, "probability": ask.probability,
                        "score": ask.score, "strategy": ask.strategy,
                    }  # fmt: skip
                return [
                    Event("retracted", {"row": found, "of": seq, "annotator": annotator}),
                    self._asked([again], annotator),
                ]

            self._commit(decide)
            if not undone:
                return None
            query_again = self._query(undone[0])
        self._worker.nudge()
        return query_again

    def release(self, *, annotator: str = "me") -> int:
        """Give back the questions that an annotator has in hand, as after a reload of the page; returns how many."""
        with self._lock:
            held: list[int] = []

            def decide() -> list[Event]:
                held[:] = [row for row, lease in self._state.leases.items() if lease.annotator == annotator]
                return [Event("released", {"rows": held})] if held else []

            self._commit(decide)
            return len(held)

    def add_class(self, name: Label) -> None:
        """Add a class on the fly.

        Raises:
            BadInput: The name is empty or already a class.
        """
        name = str(name).strip()
        with self._lock:
            if not name or name in self._state.classes:
                raise BadInput(f"Cannot add the class {name!r}: it is {'empty' if not name else 'one already'}.")
            self._commit(lambda: [Event("class_added", {"name": name})])

    def _answered(self, row: int, annotator: str, seconds: float | None) -> dict[str, Any]:
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise BadInput(f"seconds is the time an answer took, 0 or more; got {seconds!r}. Leave it out if unknown.")
        ask = self._state.asks.get(row)
        return {"row": row, "annotator": annotator, "seconds": seconds, "asked": ask.seq if ask else None}

    def _row(self, query: Query | str) -> int:
        if isinstance(query, Query):
            if not (0 <= query.row < len(self.pool) and self.pool.ids[query.row] == query.item):
                raise BadInput(f"The query for item {query.item!r} does not belong to this session.")
            return query.row
        row = self._rows.get(str(query))
        if row is None:
            raise BadInput(
                f"No item with the id {query!r} in this session. Pass a query from ask(), or an id of the pool."
            )
        return row

    def _expire(self) -> None:
        now = time.time()
        late = [row for row, lease in self._state.leases.items() if lease.until < now]
        if late:
            self._commit(lambda: [Event("released", {"rows": [r for r in late if r in self._state.leases]})])

    # ── learning ────────────────────────────────────────────────────────────────────────────

    def features(self) -> Matrix:
        """(n, d) features of the pool; encodes on the first call."""
        with self._encoding:
            if self._X is None:
                if self._encoder is None:
                    raise BadInput("This pool has neither features nor texts to encode.")
                texts = list(self.pool.contents)
                fit = getattr(self._encoder, "fit", None)
                if fit is not None:
                    fit(texts)
                self._X = self._encoder.encode(texts)
            return self._X

    def _dense(self) -> Array:
        """(n, d) dense rows for distances where the features are sparse."""
        if self._Z is None:
            self._Z = signals.project(self.features())
        return self._Z

    def refresh(self) -> bool:
        """Fit, score, rank: the slow verb. Returns whether there is a new ranking (False: nothing new was told).

        Raises:
            BadInput: The session was reopened without the encoder, learner or strategy that it was started with.
        """
        if self._missing:
            raise BadInput(self._missing)
        with self._refreshing:
            started = time.perf_counter()
            with self._lock:
                s = self._state
                if not self._stale():
                    return False
                seen = s.last_answer
                labeled = np.flatnonzero(s.labeled_mask)
                y = np.array([s.class_number(s.label_of(int(r)) or "") for r in labeled], np.intp)
                candidates = np.flatnonzero(s.eligible_mask)
                known = np.union1d(labeled, np.fromiter(s.leases, np.intp, len(s.leases)))
                n_classes = len(s.classes)
                batch = int(np.clip(self._asked_since_ranking, 1, QUEUE))
                self._asked_since_ranking = 0
            X = self.features()
            proba = None
            if len(np.unique(y)) >= 2:
                self._learner.fit(X[labeled], y)
                proba = np.zeros((len(self.pool), n_classes), np.float32)
                columns = np.asarray(self._learner.classes_, int)
                for rows in engine.blocks(len(self.pool)):
                    proba[rows][:, columns] = self._learner.predict_proba(X[rows])
            known_y = np.full(len(known), -1)
            known_y[np.searchsorted(known, labeled)] = y
            queue, planned, strategy = self._rank(candidates, known, known_y, proba, batch)
            region = None
            if proba is not None:
                with self._lock:
                    planning = evidence.planning(self._state, proba.max(1))
                region = planning.region(*self._terms)  # up to a second the first time, so not under the lock
            with self._lock:
                self._publish(seen, queue, planned, strategy, proba, region, started)
            return True

    def _rank(
        self, candidates: Array, known: Array, known_y: Array, proba: Array | None, batch: int
    ) -> tuple[list[tuple[int, float, str]], int, str]:
        """The queue: what the strategy picks together, then what follows by score."""
        X = self.features()
        given: dict[str, Any] = {
            "labeled_rows": known,
            "labeled_y": known_y,
            "n_labeled": int((known_y >= 0).sum()),
        }
        if hasattr(X, "tocsr"):
            given["embedding"] = self._dense
        if proba is not None:
            given["proba"] = proba
        learner = self._learner if proba is not None else None  # without a model `select` covers the pool
        found = engine.select(X, candidates, learner, self._strategy, k=batch, seed=self.seed, given=given, spare=QUEUE)
        queue = list(zip(found.rows.tolist(), found.scores.tolist(), found.parts, strict=True))
        return queue, min(batch, len(queue)), found.strategy

    def _publish(
        self,
        seen: int,
        queue: list[tuple[int, float, str]],
        planned: int,
        strategy: str,
        proba: Array | None,
        region: audit.Region | None,
        started: float,
    ) -> None:
        """Write the new ranking to the log, with the numbers of the round."""
        if proba is not None:
            self._proba, self._sure, self._region = proba, proba.max(1), region
            self._region_auto = len(self._state.auto)

        def decide() -> list[Event]:
            s = self._state
            guesses, change = s.predictions, None
            if proba is not None:
                guesses = proba.argmax(1).astype(np.int32)
                base = s.predictions if s.predictions is not None else np.zeros(s.n, np.int32)
                change = pack((base ^ guesses).tobytes())
            self._proba_round = s.ranking.round + 1 if s.ranking else 0
            data: dict[str, Any] = {
                "round": self._proba_round,
                "trained_on": seen,
                "queue": [row for row, _, _ in queue],
                "scores": [round(score, 6) for _, score, _ in queue],
                "parts": [part for _, _, part in queue],
                "planned": planned,
                "strategy": strategy,
                "predictions": change,
            }
            if guesses is not None:
                now = evidence.estimate(s, guesses)
                data["point"] = {
                    "labels": s.human,
                    "accuracy": now.accuracy,
                    "low": now.low,
                    "high": now.high,
                    "audits": now.audits,
                    "at": time.time(),
                    "seconds": round(time.perf_counter() - started, 4),
                }
            if region is not None:
                data["cost"] = [s.human, round(region.cost, 2), int(s.rest().sum())]
            return [Event("ranked", data)]

        self._commit(decide)

    def _stale(self) -> bool:
        """Whether the ranking in the log is older than the answers, or this process has no model at all."""
        with self._lock:
            ranking = self._state.ranking
            if ranking is None or ranking.trained_on < self._state.last_answer:
                return True
            return self._state.model and self._proba_round < 0

    def start(self) -> None:
        """Start the background worker: it refreshes whenever answers have come in."""
        self._worker.start()

    def stop(self) -> None:
        """Stop the background worker, after a refresh that is under way; raises what had stopped it before, if any."""
        self._worker.stop()

    @property
    def worker_error(self) -> Exception | None:
        """What stopped the background worker, to be shown; None while all is well."""
        return self._worker.error

    # ── honesty ─────────────────────────────────────────────────────────────────────────────

    def estimate(self) -> Estimate:
        """How good the current model is on the rest, from random check items alone; true at every look.

        See docs/guarantee.md for what exactly is claimed.
        """
        with self._lock:
            return self._once("estimate", lambda: evidence.estimate(self._state, self._state.predictions))

    def _confidences(self) -> Array | None:
        """(n,) calibrated confidence of the current guesses, where the model is in this process."""
        ranking = self._state.ranking
        return self._sure if ranking is not None and self._proba_round == ranking.round else None

    def verdict(self) -> Verdict:
        """Good enough? Why, and about how many labels to go? Advice, never a lock."""
        with self._lock:
            s = self._state
            done = not s.rest().any()
            # A forecast moves with the rankings; only blind checks move it with every answer.
            key = s.seq if s.open_attempt else (s.ranking and s.ranking.round, len(s.attempts), done)
            return self._once("verdict", self._verdict, key)

    def _verdict(self) -> Verdict:
        s = self._state
        left = int(s.rest().sum())
        if left == 0:
            unsure = results.counts(s)["unsure"]
            without = f" {unsure:,} marked unsure without a label." if unsure else ""
            return Verdict(True, f"Every item has an answer or a label by the model.{without}", 0, (0, 0))
        attempt = s.open_attempt
        if attempt is not None:
            needed = evidence.judge(s, attempt).left
            return Verdict(
                False, f"Blind checks for a certificate are under way: {needed} more if all go well.", needed,
                (needed or 0, left), len(attempt.order),
            )  # fmt: skip
        if s.predictions is None:
            return Verdict(False, "No model yet: it takes answers of at least two classes.")
        # A plan from before items were handed over still counts them.
        fresh = self._confidences() is not None and len(s.auto) <= self._region_auto
        region = self._region if fresh else None
        if region is None and len(s.attempts) >= len(audit.SPEND):
            return Verdict(False, "All certification attempts are spent; the rest is for people.", left, (left, left))
        if region is None or not s.costs:
            return Verdict(False, "No forecast until the model has been refreshed.")
        return stopping.bargain(
            [labels for labels, _, _ in s.costs],
            [cost for _, cost, _ in s.costs],
            left,
            region=region.size if region.worth else 0,
            refusal="" if region.worth else region.reason,
        )

    @property
    def _terms(self) -> tuple[float, float]:
        return float(self._state.opened["max_error"]), float(self._state.opened["confidence"])

    # ── taking over ─────────────────────────────────────────────────────────────────────────

    def autolabel(
        self,
        *,
        max_error: float | None = None,
        confidence: float | None = None,
        target: Target = "auto",
        oracle: Oracle | None = None,
    ) -> AutoLabels:
        """Certify a region of the pool and label it, or refuse and say what is missing.

        The first call freezes predictions, region and a random order of blind checks (status "checking"); `ask` then
        hands out the checks, and the answers decide. Call again for the outcome. With an oracle the checks are
        answered at once. The rest goes back to people, and another region may be tried later: each attempt spends its
        own part of 1 - confidence.

        Args:
            max_error: Largest share of wrong labels among those given by the model; default: the session's.
            confidence: Probability that this holds; default: the session's.
            target: "auto": share among the auto-labeled; "dataset": auto-label errors as a share of the whole region,
                corrected checks included (cheaper; the auto-labeled part alone may exceed `max_error`).
            oracle: Answers the checks.

        Raises:
            BadInput: Out-of-range numbers, or other numbers than those of the attempt under way.
        """
        with self._lock:
            s = self._state
            attempt = s.open_attempt
            wanted_error = float(s.opened["max_error"] if max_error is None else max_error)
            wanted_confidence = float(s.opened["confidence"] if confidence is None else confidence)
        _check_share("max_error", wanted_error)
        _check_share("confidence", wanted_confidence)
        if target not in ("auto", "dataset"):
            raise unknown("target", target, ("auto", "dataset"))
        if attempt is not None:
            same = attempt.max_error == wanted_error and attempt.confidence == wanted_confidence
            if (max_error is not None or confidence is not None) and not (same and attempt.target == target):
                raise BadInput(
                    f"An attempt at an error of at most {attempt.max_error:.2%} with {attempt.confidence:.0%} "
                    "confidence is under way. Answer its checks, or call cancel_autolabel() first."
                )
        else:
            self.refresh()  # certify the model that knows every answer
            refusal = self._freeze(wanted_error, wanted_confidence, target)
            if refusal is not None:
                return refusal
        if oracle is not None:
            self._answer_checks(oracle)
        status = self.autolabel_status()
        if status is None:
            raise ContractError("The attempt that was just frozen is not in the log; the store dropped an event.")
        return status

    def _freeze(self, max_error: float, confidence: float, target: Target) -> AutoLabels | None:
        """Start an attempt; an answer only where none can be started."""
        with self._lock:
            refused: list[AutoLabels] = []

            def decide() -> list[Event]:
                refused.clear()
                if self._state.open_attempt is not None:
                    return []  # somebody else was first
                found = handover.freeze(self._state, self._confidences(), max_error, confidence, target)
                if isinstance(found, AutoLabels):
                    refused.append(found)
                    return []
                return [found]

            self._commit(decide)
            return refused[0] if refused else None

    def _answer_checks(self, oracle: Oracle) -> None:
        while True:
            with self._lock:
                attempt = self._state.open_attempt
                if attempt is None:
                    return
                # No more than could decide at the earliest: what is answered beyond that would be wasted.
                left = evidence.judge(self._state, attempt).left or 1
                queries = self.ask(min(CHECKS_AHEAD, left), annotator="oracle")
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
        self._commit(lambda: handover.verdict(self._state))

    def autolabel_status(self) -> AutoLabels | None:
        """The attempt under way, or how the last one ended; None before the first. Changes nothing."""
        with self._lock:
            return handover.status(self._state, self.pool.ids)

    def certificates(self) -> list[Certificate]:
        """Every certificate given and not taken back, recounted from the answers as they are now."""
        with self._lock:
            return evidence.certificates(self._state)

    def cancel_autolabel(self) -> None:
        """Give up the attempt under way; its part of the error budget stays spent.

        Raises:
            BadInput: No attempt is under way.
        """
        with self._lock:
            attempt = self._state.open_attempt
            if attempt is None:
                raise BadInput("No certification attempt is under way; start one with autolabel().")
            self._commit(lambda: [handover.cancel(self._state, attempt)])

    def undo_autolabel(self) -> None:
        """Take the last batch of model labels back, as a whole.

        Raises:
            BadInput: There is none.
        """
        with self._lock:
            given = [a for a in self._state.attempts if a.outcome == "certified" and not a.taken_back]
            if not given:
                raise BadInput("There are no model labels to take back.")
            self._commit(lambda: [Event("taken_back", {"attempt": given[-1].number})])

    # ── results ─────────────────────────────────────────────────────────────────────────────

    def report(self) -> Report:
        """Everything a report shows, as numbers; `askwise.report` renders it."""
        with self._lock:
            return results.report(self._state, self.title, self.verdict(), self.settings, self.problems, self.pool)

    def rows(self) -> list[dict[str, Any]]:
        """One record for each row of the input that loaded; see `results.table` for the columns."""
        with self._lock:
            return results.table(self._state, self.pool, *self.predictions())

    def export(self, path: str | Path) -> int:
        """Write `rows()` as .csv, .tsv, .jsonl or .parquet, by suffix; returns how many.

        Raises:
            BadInput: Unknown suffix, the folder cannot be written, or the path is the data that was labeled.
            MissingExtra: Parquet without pyarrow.
        """
        source = self.pool.address.get("path")
        if source is not None and Path(path).resolve() == Path(source).resolve():
            raise BadInput(
                f"{str(path)!r} is the data that was labeled; rows of it that could not be loaded would be lost. "
                "Export to another file."
            )
        written = write_table(self.rows(), path)
        with self._lock:
            self._commit(lambda: [Event("exported", {"file": Path(path).name, "rows": written})])
        return written

    # ── the log ─────────────────────────────────────────────────────────────────────────────

    def _commit(self, decide: Callable[[], Sequence[Event]]) -> None:
        """Append what `decide` says of the current state; when somebody else was first, look again and decide anew."""
        with self._lock:
            while True:
                events = decide()
                if not events:
                    return
                try:
                    self._store.append(events, after=self._state.seq)
                except Conflict:
                    if not self._catch_up():
                        raise
                    continue
                self._catch_up()
                return

    def _catch_up(self) -> int:
        news = self._store.read(self._state.seq)
        for event in news:
            self._state.apply(event)
        return len(news)

    def _once(self, name: str, compute: Callable[[], T], key: Any = None) -> T:
        """A value that holds until the key (default: the log) moves on."""
        key = self._state.seq if key is None else key
        if name not in self._cached or self._cached[name][0] != key:
            self._cached[name] = key, compute()
        found: T = self._cached[name][1]
        return found

    def close(self) -> None:
        """Stop the worker, close the store; nothing is lost when this is never called."""
        self.stop()
        self._store.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _without_address(name: str) -> str:
    """A name without the place in memory that Python's own repr puts there."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", name)


def _declared(classes: Sequence[Label] | None) -> list[Label] | None:
    if classes is None:
        return None
    if isinstance(classes, str):
        raise BadInput(f"classes is a list of labels, not one string: got {classes!r}.")
    names = [str(c).strip() for c in classes]
    if len(names) < 2 or len(set(names)) < len(names) or not all(names):
        raise BadInput(f"Give at least two different, non-empty classes; got {names}.")
    return names


def _check_share(name: str, value: float, *, low_open: bool = True, high_open: bool = True) -> None:
    low = value > 0 if low_open else value >= 0
    high = value < 1 if high_open else value <= 1
    if not (low and high):
        raise BadInput(f"{name} must lie between 0 and 1, got {value!r}.")


def _encoder_source(given: Any, name: str) -> str | None:
    """What `encoders.get` finds the encoder by when the session is reopened; None for an object of the caller's."""
    if given is None:
        return name
    return str(given) if isinstance(given, str | Path) else None


def _version() -> str:
    from askwise import __version__

    return __version__
