"""What people do: ask, answer, take back, flag, add and withdraw items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

import numpy as np

from askwise import answers, corrections, evidence, growing, handover, searching, withdrawing
from askwise.core import Array, BadInput, Conflict, Event, Label, Query, Unreachable
from askwise.pool import Pool
from askwise.reasons import reason_for
from askwise.session.learning import Learning
from askwise.state import DOUBTED, OVERLAP


class Labeling(Learning):
    """Asks, and takes in what people say."""

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

    def find(self, text: str, n: int = 5, *, annotator: str = "me", most: int | None = None) -> list[Query]:
        """Ask about items that somebody searches for: those that hold all the words, then those most like them.

        What people search for, they choose: such questions are no check items, and the estimate does not rest on them.
        The log says that an item was searched for, and not the words: who searches for a name to take that person's
        items out would leave it there.

        Args:
            text: Words, at most 10,000 characters.
            n: How many items, 1 to 20; fewer where fewer are open. Only texts are found by likeness, and only once
                their features are made.
            annotator: Who searches.
            most: See `ask`.

        Returns:
            The questions, leased to the annotator; their `strategy` says which hold the words (`search`) and which are
            only like them (`search by likeness`). Those that the annotator has in hand stay as they were asked.

        Raises:
            BadInput: There are no words, n is out of range, or blind checks are under way.
        """
        words = searching.wanted(text, n)
        like = self._trainer.like(words)
        with self._lock:
            self._expire()
            pool, free = self.pool, answers.may_be_searched(self._state, annotator)
        hits = searching.holding(
            np.flatnonzero(free).tolist(),
            lambda row: [pool.ids[row], *pool.item_kind.texts(pool.contents[row])],
            words,
        )
        found = searching.chosen(hits, like, free, n)
        rows = self._ledger.commit(lambda s: answers.searched(s, found, annotator, most))
        with self._lock:
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

    def _expire(self) -> None:
        self._ledger.write(answers.expired)

    def _judge(self) -> None:
        """Close the attempt under way when its answers decide it."""
        self._ledger.write(handover.verdict)
