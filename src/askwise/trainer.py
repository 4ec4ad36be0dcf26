"""What learns while people answer: features, the newest model and its guesses, the worker, a process apart.

Locks are taken in the order refreshing → encoding → ledger, never the other way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, cast

import numpy as np

from askwise import (
    advice,
    audit,
    control,
    evidence,
    growing,
    hints,
    learners,
    people,
    rounds,
    screening,
    signals,
    strategies,
)
from askwise.apart import Apart, CannotTravel
from askwise.core import Array, BadInput, Control, Encoder, Event, Label, Matrix
from askwise.ledger import Ledger
from askwise.notices import progress, say
from askwise.opening import Parts
from askwise.state import BY_CONFIDENCE, State, pack
from askwise.tasks import Opinion
from askwise.worker import Worker

QUEUE = 100
"""Rows ranked ahead, so that questions never wait for the model."""
PATIENT = 2.0
"""Seconds that a search waits for the features; without them only the words are looked for."""
COMPARE_EVERY = 1.25
"""The worker compares with random sampling when there are so many times the labels of the last comparison."""
ROOM = 20.0
"""The worker leaves people so many times the time for which a new ranking kept them waiting."""


class Trainer:
    """Fits, scores and ranks; what it finds goes into the log.

    Args:
        ledger: The session's.
        items: The session's.
        parts: What it learns with.

    Attributes:
        opinion: What the newest model fitted here says of the pool; None before the first.
        sure: (n,) its calibrated confidence in its guesses.
        round: The ranking that it made; -1 = none here.
        region: What could be certified, as planned with it.
        region_auto: Items handed over when the region was planned.
        asked: Questions asked since the last ranking, which says how many the next one plans together.
        apart: The process that learns, where it is not this one.
        refreshing: Held while training: one refresh at a time.
    """

    def __init__(self, ledger: Ledger, items: growing.Items, parts: Parts) -> None:
        self.ledger, self.items, self.parts = ledger, items, parts
        self.kept = growing.Features(parts.encoder, parts.pool.features)
        self.opinion: Opinion | None = None
        self.sure: Array | None = None
        self.round = -1
        self.region: audit.Region | None = None
        self.region_auto = 0
        self.asked = 1
        self.apart: Apart | None = None
        self.refreshing = threading.Lock()
        self._encoding = threading.Lock()
        self._gone = len(items.pool.withdrawn)  # how many items were withdrawn when the features were made
        self._projected: Array | None = None
        self._richer = False  # whether features are others since the last ranking
        self._nearest = hints.Nearest()
        self._held_up = 0.0  # seconds that the last ranking kept people waiting while it was written
        self._compared: tuple[tuple[int, int], Control] | None = None
        self.worker = Worker(
            self._learn_on, self.stale, ledger.lead, ledger.step_down, least_rest=lambda: ROOM * self._held_up
        )

    def features(self) -> Matrix:
        """(n, d) features of the pool; encodes on the first call."""
        with self._encoding:
            with self.ledger.lock:  # what is added meanwhile waits for the next call
                pool, fit = (
                    self.items.pool,
                    growing.learned_from(int(self.ledger.state.opened["n"]), self.ledger.state.additions),
                )
            if self.apart is not None:
                try:
                    return growing.features_apart(self.apart, self.kept, pool, fit)
                except CannotTravel as error:
                    self._stay(error)
            return self.kept.here(pool, fit, put_off=self.worker.running)

    def _encode_on(self) -> bool:
        """Make some of the features that were put off; whether there were any."""
        with self._encoding:
            if not self.kept.waiting:
                return False
            pool = self.items.pool
            if self.kept.on(pool) if self.apart is None else self.apart.encode_on():
                self._richer = True
        return True

    def _dense(self, n: int) -> Array:
        """(n, d) dense rows for distances where the features are sparse; of the first n items."""
        X = self.features()
        if self._projected is None or len(self._projected) != X.shape[0]:
            self._projected = signals.project(X)
        return self._projected[:n]

    def planned(self, n: int) -> list[tuple[int, float, str]]:
        """The n questions that the strategy would choose together, best first, where the ranking planned fewer."""
        n = min(n, QUEUE)
        if n == 1 or self.worker.running or self.parts.missing:
            return []
        with self.refreshing:
            with self.ledger.lock:
                s = self.ledger.state
                if s.ranking is None or s.open_attempt is not None or self.stale():
                    return []
                if not strategies.plans_batches(self.parts.strategy, s.model):
                    return []
                left = sum(bool(s.eligible_mask[row]) for row in s.ranking.queue[: s.ranking.planned])
                if left >= n:
                    return []
                task, opinion = self._round(n), self.opinion if s.model else None
                if opinion is not None and len(opinion) < s.ranked:
                    return []  # nothing could be fitted since: that model knows not all that may be asked
            X = self.features()
            X = (
                X[: self.ledger.state.ranked] if X.shape[0] > self.ledger.state.ranked else X
            )  # what came since has no guess
            dense = partial(self._dense, X.shape[0])
            near = partial(self._nearest, X=X, encode=self._encode)
            return rounds.rank(task, X, self.parts.learner, self.parts.strategy, opinion, dense, near).queue[:n]

    def _round(self, batch: int) -> rounds.Round:
        """What there is to learn from and to ask, as the state says."""
        s = self.ledger.state
        labeled = np.flatnonzero(s.labeled_mask)
        y = s.task.targets(s.codes[labeled], s.classes, s.labels)
        return rounds.Round(
            labeled, y,
            order=s.answer_rounds[labeled].astype(np.intp),
            known=np.union1d(labeled, np.fromiter(s.leases, np.intp, len(s.leases))),
            candidates=np.flatnonzero(s.eligible_mask | s.waiting()),
            classes=len(s.labels), seed=int(s.opened["seed"]), spare=QUEUE, batch=batch, names=tuple(s.labels),
            task=s.task, hints=self._hints(s, labeled),
        )  # fmt: skip

    def _hints(self, s: State, labeled: Array) -> tuple[hints.Hint, ...]:
        """What is known of labels without an example, where items and hints are texts."""
        if not s.task.hinted or not self.items.pool.item_kind.described or s.opened.get("goal") is not None:
            return ()
        seen = set(s.codes[labeled].tolist())
        given: dict[Label, list[str]] = {}
        for label, text in s.opened.get("examples", ()):
            given.setdefault(label, []).append(text)
        lacking = [name for name in s.shown_labels() if s.class_number(name) not in seen]
        return tuple(
            hint for name in lacking for hint in hints.of_label(name, s.descriptions.get(name, ""), given.get(name, ()))
        )

    def refresh(self) -> bool:
        """Fit, score, rank: the slow verb. Returns whether there is a new ranking (False: nothing new was told).

        Raises:
            BadInput: The session was reopened without the encoder, learner or strategy that it was started with.
        """
        if self.parts.missing:
            raise BadInput(self.parts.missing)
        with self.refreshing:
            started = time.perf_counter()
            self.ledger.catch_up()  # with what came in through other processes
            self.ledger.write(people.consensus)
            with self.ledger.lock:
                s = self.ledger.state
                if not self.stale():
                    return False
                if self._richer:
                    self._richer, self._nearest, self._projected = False, hints.Nearest(), None
                seen = s.last_answer
                task = self._round(int(np.clip(self.asked, 1, QUEUE)))
                self.asked = 0
            self._forget()
            if self._waited_for(task):
                return self._first_look(task, seen, started)
            X = self.features()
            task = replace(task, blocks=self.kept.blocks)
            with progress(f"training on {len(task.labeled):,} labels and ranking {len(task.candidates):,} items"):
                if self.apart is not None:
                    learned = self.apart.learn(task)
                else:
                    dense = partial(self._dense, X.shape[0])
                    reads = rounds.reads_items(self.parts.learner)
                    items = self.items.pool.contents[: int(X.shape[0])] if reads else ()
                    near = partial(self._nearest, X=X, encode=self._encode)
                    learned = rounds.learn(task, X, self.parts.learner, self.parts.strategy, dense, items, near)
            opinion = learned.opinion
            region = None
            if opinion is not None and screening.goal_of(self.ledger.state.opened) is None:
                with self.ledger.lock:
                    still = self.ledger.state.still()
                planning = evidence.planning(still, opinion.certainty())
                # Up to a second the first time, so not under the lock.
                compute = planning.region if self.apart is None else partial(self.apart.compute, planning.region)
                region = compute(*evidence.terms(s), evidence.target(s))
            with self.ledger.lock:
                locked = time.monotonic()
                self._publish(seen, learned, region, started, int(X.shape[0]))
                self._held_up = time.monotonic() - locked
            return True

    def _waited_for(self, task: rounds.Round) -> bool:
        """Whether people wait for the first question of all, and the features would take long."""
        with self.ledger.lock:
            first = self.ledger.state.ranking is None
        large = len(task.candidates) > rounds.LARGE and self.kept.X is None and self.parts.encoder is not None
        return first and large and (self.worker.running or self.apart is not None)

    def _first_look(self, task: rounds.Round, seen: int, started: float) -> bool:
        """Rank a part of the pool, so that there is something to ask while all of it is encoded."""
        contents, parts = growing.to_encode(self.items.pool), self.parts
        learned = rounds.first_look(task, contents, cast("Encoder", parts.encoder), parts.learner, parts.strategy)
        with self.ledger.lock:
            self._publish(seen, learned, None, started, self.ledger.state.n)
        self._richer = True  # all features are others than those of a part
        return True

    def _forget(self) -> None:
        """Where items were withdrawn since: features and words are made anew without them; `refreshing` is held."""
        with self._encoding, self.ledger.lock:
            pool, gone = self.items.pool, len(self.items.pool.withdrawn)
            if gone == self._gone:
                return
            self._gone = gone
            self.kept, self._projected = growing.Features(self.parts.encoder, pool.features), None
            old, self.apart = self.apart, None
        if old is not None:  # what it was given, and the files of it, end with it
            self.go_apart()
            old.close()

    def _publish(
        self, seen: int, learned: rounds.Learned, region: audit.Region | None, started: float, known: int
    ) -> None:
        """Write the new ranking to the log, with the numbers of the round."""
        opinion, queue = learned.opinion, learned.queue
        if opinion is not None:
            known = len(opinion)
            self.opinion, self.region = opinion, region
            self.sure = opinion.certainty()
            self.region_auto = len(self.ledger.state.auto)

        def decide(s: State) -> tuple[list[Event], int]:
            guesses, change, new = s.predictions, None, list[Label]()
            if opinion is not None:
                guesses, new = _guessed(s, opinion)
                guesses = growing.filled(guesses, s.n)
            elif guesses is not None and known > s.ranked:
                guesses = growing.stand_in(s, known)
            if guesses is not None and guesses is not s.predictions:
                base = s.predictions if s.predictions is not None else np.zeros(s.n, np.int32)
                change = pack((base ^ guesses)[:known].tobytes())
            number = s.ranking.round + 1 if s.ranking else 0
            data: dict[str, Any] = {
                "round": number,
                "trained_on": seen,
                "queue": [row for row, _, _ in queue],
                "scores": [round(score, 6) for _, score, _ in queue],
                "parts": [part for _, _, part in queue],
                "planned": learned.planned,
                "strategy": learned.strategy,
                "predictions": change,
            }
            data |= {"known": known} if s.grown else {}
            data |= ({} if s.task.closed else {"sets": new}) | people.again(s, opinion, guesses, new)
            if guesses is not None:
                word = None
                if self.sure is not None and opinion is not None and s.opened.get("estimate") == BY_CONFIDENCE:
                    data |= evidence.word_of(s, self.sure, learned.held)
                    word = evidence.word_in(s, data)
                now = evidence.estimate(s, guesses, new, word)
                data["point"] = {
                    "labels": s.human,
                    "accuracy": now.accuracy,
                    "low": now.low,
                    "high": now.high,
                    "audits": now.audits,
                    "at": time.time(),
                    "seconds": round(time.perf_counter() - started, 4),
                } | advice.numbers(s, guesses, None if opinion is None else self.sure)
            if self._compared is not None and self._compared[1] != s.control:
                data["control"] = asdict(self._compared[1])
            if learned.standing is not None:
                data["learner"] = dict(learned.standing)
            if region is not None:
                data["cost"] = [s.human, round(region.cost, 2), int(s.rest().sum()), round(region.floor, 2)]
            return [Event("ranked", data)], number

        self.round = self.ledger.commit(decide)

    def stale(self) -> bool:
        """Whether the ranking in the log is older than the answers, or this process has no model at all."""
        with self.ledger.lock:
            ranking = self.ledger.state.ranking
            if self._richer or ranking is None or ranking.trained_on < self.ledger.state.last_answer:
                return True
            return self.ledger.state.model and self.round < 0

    def start(self, *, apart: bool = False) -> None:
        """Start the background worker: it refreshes whenever answers have come in.

        Args:
            apart: Encode, fit and rank in a process of its own, as the servers do: a thread that computes holds up
                those that answer people. Where encoder, learner or strategy cannot be sent there, they are used here,
                and a notice says so.

        Raises:
            Unreachable: The session's file cannot be written.
        """
        if apart:
            self.go_apart()
        self.worker.start()

    def go_apart(self) -> None:
        """Learn in a process of its own from now on, where that can be."""
        if self.apart is None and not self.parts.missing:
            self.apart = Apart(
                self.parts.learner,
                self.parts.strategy,
                X=self.kept.X,
                encoder=self.parts.encoder,
                contents=growing.to_encode(self.items.pool),
            )

    def _stay(self, error: CannotTravel) -> None:
        """Learn in this process from now on."""
        if self.apart is not None:
            self.apart.close()
            self.apart = None
        say(f"the model is trained inside the server, which answers people more slowly meanwhile: {error}")

    def stop(self) -> None:
        """Stop the background worker, after a refresh that is under way; raises what had stopped it before, if any."""
        try:
            self.worker.stop()
        finally:
            with self.refreshing, self._encoding:
                if self.apart is not None:
                    self.apart.close()
                    self.apart = None

    def _encode(self, contents: list[Any]) -> Matrix:
        if self.apart is not None:
            return self.apart.encode(contents)
        if self.parts.encoder is None:
            raise BadInput("Items of this session are features, so nothing else can be made into such.")
        return self.parts.encoder.encode(contents)

    def guesses_of(self, contents: Sequence[Any]) -> Opinion | None:
        """See `Session.guesses_of`."""
        s = self.ledger.state
        if self.apart is not None:
            return self.apart.guess(contents, s.task, len(s.labels))
        if self.parts.encoder is None or not s.task.fitted(self.parts.learner):
            return None
        items = rounds.reads_items(self.parts.learner)
        given = rounds.Read(contents) if items else self.parts.encoder.encode(list(contents))
        return rounds.opinion_of(s.task, self.parts.learner, given, len(s.labels))

    def confidences(self) -> Array | None:
        """(n,) calibrated confidence of the current guesses, where the model is in this process."""
        ranking, sure = self.ledger.state.ranking, self.sure
        if ranking is None or sure is None or self.round != ranking.round or len(sure) != self.ledger.state.n:
            return None
        return sure

    def like(self, text: str) -> Array | None:
        """(m,) how much the first m items are like a text; None where nobody can tell now.

        That is where items are no texts, or the features are being made.
        """
        if self.parts.encoder is None or not self.items.pool.item_kind.described:
            return None
        if not self._encoding.acquire(timeout=PATIENT):
            return None
        try:
            X = self.kept.X
            if X is None:
                return None
            H = self._encode([text])
        finally:
            self._encoding.release()
        if X.shape[1] != H.shape[1]:  # slow features have come since the last ranking
            return None
        found: Array = hints.likeness(X, H)[:, 0]
        return found

    def sure_of(self, row: int) -> float | None:
        """The confidence in the guess on a row, where the model is in this process."""
        sure = self.confidences()
        return None if sure is None else round(float(sure[row]), 6)

    def guesses(self, row: int, most: int = 5) -> tuple[tuple[Label, float], ...]:
        """The likeliest labels of a row with their probabilities, best first, where the model is in this process."""
        opinion, s = self.opinion, self.ledger.state
        if opinion is None or s.ranking is None or self.round != s.ranking.round or row >= len(opinion):
            return ()
        found: dict[Label, float] = {}
        for name, p in opinion.top(row, s.labels, most):  # what was merged since the model was trained counts together
            name = s.current(name)
            found[name] = found.get(name, 0.0) + p
        return tuple(sorted(found.items(), key=lambda one: -one[1]))

    def control(self, *, compute: bool = True) -> Control | None:
        """See `Session.control`."""
        with self.ledger.lock:
            s, sure = self.ledger.state, self.confidences()
            known, last = self._compared, self._compared[1] if self._compared else s.control
            if (
                not compute
                or screening.goal_of(self.ledger.state.opened) is not None
                or not s.task.compares
                or s.predictions is None
                or sure is None
            ):
                return last
            key = (self.round, s.last_answer)
            if known is not None and known[0] == key:
                return last
            sample, seed = advice.sample(s, s.predictions, sure), int(s.opened["seed"])
        quick = getattr(self.parts.learner, "for_comparison", None)
        learner = learners.unfitted(self.parts.learner) if quick is None else quick()
        X = self.features()
        found = self.apart.compare(sample, learner, seed) if self.apart else sample.compare(X, learner, seed)
        with self.ledger.lock:
            self._compared = key, found
        return found

    def _learn_on(self) -> bool:
        """What the background worker does: refresh, and now and then compare with random sampling."""
        if not self.parts.missing:
            self.features()  # after a restart before anybody answers, not with the first answer
        done = self.refresh()
        last = self.control(compute=False)
        if done and self.ledger.state.human >= COMPARE_EVERY * (last.labels if last else control.LEAST_LABELS):
            self.control()
        return self._encode_on() or done


def _guessed(state: State, opinion: Opinion) -> tuple[Array, list[Label]]:
    """((n,) class numbers of the guesses, written answers among them that no class stands for yet)."""
    names, which = opinion.written(state.labels)
    new = [name for name in names if name not in state.numbers]
    numbers = state.numbers | {name: len(state.classes) + i for i, name in enumerate(new)}
    return np.array([numbers[name] for name in names], np.int32)[which], new
