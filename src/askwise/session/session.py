"""A labeling session: the verbs of the loop over one log, wing by wing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from askwise import answers, evidence, growing, opening, plots, results, screening, strategies
from askwise.core import BadInput, BadStore, Conflict, Event, Label, Report, Store, Target
from askwise.export import write_table
from askwise.ledger import Ledger
from askwise.notices import progress, say
from askwise.session.handing import Handing
from askwise.store import Place, open_store, place
from askwise.tasks import Task
from askwise.tasks import chosen as chosen_task
from askwise.trainer import Trainer

if TYPE_CHECKING:
    from askwise.model import Model


class Session(Handing):
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
        examples: Label → words that its items may hold, such as {"spam": "win cash now"}: while no item has the label,
            some most like these are asked. Of texts with one label each; names and descriptions do the same.
        guesses: What a language model, a vendor or an earlier model has said of texts: columns of the data, (rows,)
            labels, or (rows, classes) probabilities. They are features to learn from, never truth, and shown to nobody.
        guess_confidence: How sure each is: columns, or (rows,) numbers of any scale, the higher the surer.
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
        examples: Mapping[Label, str | Sequence[str]] = MappingProxyType({}),
        guesses: Any = None,
        guess_confidence: Any = None,
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
            guidelines=guidelines, examples=examples, guesses=guesses, guess_confidence=guess_confidence,
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

    def search(
        self,
        relevant: Label,
        *,
        store: Store | str | Place | None = None,
        recall: float = 0.95,
        confidence: float = 0.95,
        audit_share: float = 0.05,
        apart: bool = False,
    ) -> Session:
        """A search for nearly all items of one label, begun with these items and what people have said of them.

        For a rare class: a certificate bounds the errors among all labels together, so that all of a rare class may be
        hidden among the others; a search reads on, the likeliest first, until a share of that class is proved to be
        found. This session is not changed.

        Args:
            relevant: The label; all others are irrelevant.
            store: Where the search is kept; default in memory.
            recall: Share of the items of that label to find, in (0, 1).
            confidence: Of what is said about it, in (0, 1).
            audit_share: Share of random check items while searching, in [0, 1).
            apart: Learn in a process of its own; see `start`.

        Raises:
            BadInput: As `screening.pile`; a share out of range.
            BadStore: As for a new session.
        """
        pool, names = self.look(lambda s: screening.pile(s, self.pool, relevant))
        return Session(
            pool, classes=names, recall=recall, relevant=names[0], confidence=confidence, audit_share=audit_share,
            store=store, title=self.title, guidelines=self.guidelines, seed=self.seed, apart=apart,
        )  # fmt: skip

    def close(self) -> None:
        """Stop the worker, close the store; nothing is lost when this is never called."""
        self.stop()
        self._store.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
