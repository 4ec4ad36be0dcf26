"""Items that come later: what is new in a source, the events that say so, and the pool and features that grow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from askwise import rounds
from askwise.core import Array, BadInput, BadStore, Encoder, Event, Label, Matrix
from askwise.events import check
from askwise.features import joined
from askwise.ledger import Ledger
from askwise.options import marked, option
from askwise.pool import Dropped, FeatureRows, ItemKind, Pool, Problem, load_pool
from askwise.pool.kinds import TEXT
from askwise.state import (
    ITEMS_PER_EVENT,
    ByRow,
    State,
    packed_dropped,
    packed_items,
    read_dropped,
    read_items,
    salt,
)  # fmt: skip
from askwise.values import Spelling, label_name, plain
from askwise.withdrawing import NOTHING, digests_of, without

if TYPE_CHECKING:
    from askwise.apart import Apart

FORMAT = 4
"""Of a log that holds what this room writes."""
REFIT = 2
"""An encoder that learns from the pool learns anew where there are so many times the items that it learned from."""
SHOWN = 5
"""Problems that a sentence names."""


@dataclass(frozen=True)
class Added:
    """What became of a source that was added to a session."""

    items: int
    """New items, which will be asked."""
    known: int
    """Items of the source that the session has already; they stay as they are."""
    labels: int
    """New items whose label came with them."""
    problems: tuple[str, ...] = ()
    """Rows that were not taken, and labels that were not, one sentence each, in the numbers of the source."""

    @property
    def sentence(self) -> str:
        """What happened, in one or two sentences."""
        here = f"{self.known:,} that the session has already" if self.known else ""
        if not self.items:
            said = f"Nothing is new: {here or 'no row could be used'}."
        else:
            labels = f", {self.labels:,} of them with a label" if self.labels else ""
            said = f"{_many(self.items, 'new item')}{labels}" + (f"; left out: {here}." if here else ".")
        if self.problems:
            said += f" {_many(len(self.problems), 'row')} with problems."
        return said


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@dataclass
class Known:
    """What a pool holds, so that what comes again is recognised."""

    digests: list[bytes] = field(default_factory=list)
    """(n,) of the contents, in the order of the rows."""
    by_content: dict[bytes, int] = field(default_factory=dict)
    by_id: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, pool: Pool) -> Known:
        """The index of a pool."""
        found = cls()
        found.extend(pool.ids, digests_of(pool))
        return found

    def extend(self, ids: Sequence[str], digests: Sequence[bytes]) -> None:
        """Take in items behind those that are there."""
        for row, (name, digest) in enumerate(zip(ids, digests, strict=True), len(self.digests)):
            self.by_content.setdefault(digest, row)
            self.by_id.setdefault(name, row)
        self.digests += digests

    def digest(self) -> str:
        """`Pool.digest` of all."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()


# ── the verb ────────────────────────────────────────────────────────────────────────────────


class Items:
    """The items of a session, which grow with its log.

    Args:
        pool: Those that it began with.
        later: Fingerprint of an addition → its features, of an array pool that was given whole.

    Attributes:
        pool: All items.
        rows: Id → row.
    """

    def __init__(self, pool: Pool, later: Mapping[str, Matrix]) -> None:
        self.pool = pool
        self.rows = {item: row for row, item in enumerate(pool.ids)}
        self._later = dict(later)
        self._known: Known | None = None  # made where something was added

    @property
    def known(self) -> Known:
        """What tells whether an item is there already."""
        if self._known is None:
            self._known = Known.of(self.pool)
        return self._known

    def take(self, state: State, event: Event) -> None:
        """Take in the items of an event that comes, before the state does (`Ledger`)."""
        if event.kind not in ("added", "withdrawn"):
            return
        check(event, state.n)
        if event.kind == "withdrawn":
            ids = dict(zip(map(int, event.data["rows"]), map(str, event.data["ids"]), strict=True))
            self.pool = without(self.pool, ids)
            self.rows = {item: row for row, item in enumerate(self.pool.ids)}
            self._known = None  # what was withdrawn is not recognised: nothing of it is left to know it by
            return
        grown = extended(self.pool, self.known, event.data, self._later.get(event.data["fingerprint"]))
        for row in range(len(self.pool), len(grown)):
            self.rows[grown.ids[row]] = row
        self.pool = grown

    def add(self, ledger: Ledger, source: Any, *, annotator: str, options: Mapping[str, Any]) -> Added:
        """`Session.add`."""
        refuse_search(ledger.look(lambda s: s.opened))
        more = load_more(self.pool, source, options)
        digests = more.item_kind.digests(more.contents)

        def decide(s: State) -> tuple[list[Event], Added]:
            events, said = decided(self.known, self.pool, s, more, digests, annotator)
            if more.item_kind.features:  # the log holds no features: `take` finds them here
                for event in events:
                    if event.kind == "added":
                        self._later[event.data["fingerprint"]] = _rows_of(more, event)
            return events, said

        added = ledger.commit(decide)
        self._later.clear()
        return added

    def preview(self, ledger: Ledger, more: Pool) -> Added:
        """What `add` would do with a pool; nothing is written."""
        digests = more.item_kind.digests(more.contents)
        return ledger.look(lambda s: decided(self.known, self.pool, s, more, digests, "")[1])


def refuse_search(opened: Mapping[str, Any]) -> None:
    """A search speaks of the share found of all relevant items, and its proofs of a fixed number of records.

    Raises:
        BadInput: This session is one.
    """
    if opened.get("goal"):
        raise BadInput(
            "A search does not grow: the share it proves is one of all the records it began with. Start a new search "
            "with the longer file; labels given here come along with an export of this one."
        )


def load_more(pool: Pool, source: Any, options: Mapping[str, Any], *, load: Callable[..., Pool] = load_pool) -> Pool:
    """A source as a pool, read as the session's own was: the same columns, where nothing else is said.

    Args:
        pool: The session's.
        source: Anything that `load_pool` takes, or a pool.
        options: For `load_pool`; None = as the session's.
        load: What reads it.

    Raises:
        BadInput: It cannot be read, or holds items of another kind.
    """
    given = {name: value for name, value in options.items() if value is not None and not (name == "header" and value)}
    if isinstance(source, Pool):
        if given:
            raise BadInput(f"{', '.join(given)} say how to load a file; this pool is loaded already. Leave them out.")
        more = source
    else:
        more = _loaded(pool.address, pool.item_kind, source, given, load)
    if more.kind != pool.kind:
        raise BadInput(
            f"The items of this session are of the kind {pool.kind!r}; what is to be added is {more.kind!r}."
        )
    if pool.item_kind.features:
        _check_alike(pool.features, more.features)
    elif not more.address.get("text"):  # a list: its items stand where those of the session do
        more.address |= {"text": pool.address.get("text"), "id": None}
        if pool.record is not None:
            more.record = ByRow({row: {} for rows in more.sources for row in rows})
    return more


def _loaded(
    address: Mapping[str, Any], kind: ItemKind, source: Any, given: Mapping[str, Any], load: Callable[..., Pool]
) -> Pool:
    """The source with the columns of the session, as far as it has them."""
    if kind.features or (isinstance(source, list | tuple) or not _has_columns(source)):
        return load(source, **given)
    usual: dict[str, Any] = {"text": address.get("text"), "id": address.get("id")}
    usual |= {name: address[name] for name in ("delimiter", "header", "sheet", "answers", "scheme") if name in address}
    if kind.files:
        usual |= {"text": None} if "files" in address and address.get("text") == "file" else {}
    usual |= {} if kind is TEXT else {"kind": kind.name}
    if not _is_file(source):
        usual = {name: value for name, value in usual.items() if name in ("text", "id")}
    usual = {name: value for name, value in (usual | dict(given)).items() if value is not None}
    # A file without the column of labels, or of what is shown beside, is usual: new rows have none yet.
    beside = {name: address[name] for name in ("label", "show") if address.get(name) and name not in given}
    joined = usual.get("text")
    texts = [joined] if "text" in given or not (isinstance(joined, str) and " + " in joined) else [
        joined, joined.strip().split(" + ")
    ]  # fmt: skip
    first: BadInput | None = None
    for text in texts:
        for left in ((), ("label",), ("show",), ("label", "show")):
            try:
                more = {name: value for name, value in beside.items() if name not in left}
                return load(source, **(usual | ({"text": text} if text is not None else {}) | more))
            except BadInput as error:
                first = first or error
                if "No column" not in str(error):
                    raise
    raise cast("BadInput", first)


def _is_file(source: Any) -> bool:
    return isinstance(source, str | Path)


def _has_columns(source: Any) -> bool:
    return _is_file(source) or hasattr(source, "columns")


def _check_alike(own: Any, more: Any) -> None:
    """Features can only be joined where they are numbers of the same things, written alike."""
    same = own.shape[1] == more.shape[1] and hasattr(own, "tocsr") == hasattr(more, "tocsr") and own.dtype == more.dtype

    def described(X: Any) -> str:
        return f"{'sparse ' if hasattr(X, 'tocsr') else ''}{X.dtype} with {X.shape[1]:,} columns"

    if not same:
        raise BadInput(f"The features of this session are {described(own)}; those to be added are {described(more)}.")


def _rows_of(more: Pool, event: Event) -> Matrix:
    """The features of the items of an event, out of the pool that they came with."""
    names = {name: row for row, name in enumerate(more.ids)}
    own = [names[name] for name, _, _, _ in read_items(more.item_kind, {}, event.data["packed"])]
    return cast("Any", more.features)[np.asarray(own, np.intp)]


# ── what the log says ───────────────────────────────────────────────────────────────────────


def decided(
    known: Known, pool: Pool, state: State, more: Pool, digests: Sequence[bytes], annotator: str
) -> tuple[list[Event], Added]:
    """The events that add what is new, none where nothing is; and what is said of it.

    Args:
        known: What the session has.
        pool: Its items.
        state: Not changed.
        more: What came.
        digests: Of its contents.
        annotator: Who adds.
    """
    refuse_search(state.opened)
    problems = list(more.problems)
    before = {_cells(one) for one in pool.dropped.values()}  # a longer version of the file has them once more
    dropped = {row: one for row, one in more.dropped.items() if _cells(one) not in before}
    new: list[int] = []
    seen, unheard = 0, 0
    for row, (name, digest) in enumerate(zip(more.ids, digests, strict=True)):
        if digest in known.by_content:
            seen += 1
            unheard += row in more.given and state.label_of(known.by_content[digest]) is None
        elif name in known.by_id:
            why = f"has the id {name!r}, which the session has already with another content"
            for source in more.sources[row]:
                problems.append(Problem(source + 1, None, why))
                cells = {} if more.record is None else dict(more.record[source])
                dropped[source] = Dropped({str(key): plain(value) for key, value in cells.items()}, why)
        else:
            new.append(row)
    labels, given, strange = _labels(state, more, new)
    problems += strange
    said = [f"row {p.row}: {marked(p.what)}" for p in problems]
    if unheard:
        said.append(f"{_many(unheard, 'item')} that the session has without a label came with one, which is not taken")
    result = Added(len(new), seen, len(given), tuple(said))
    if not new:
        return [], result
    later = source_rows(pool)
    where = (
        f"{Path(str(more.address['path'])).name}, added later" if more.address.get("path") else "what was added later"
    )
    events = [Event("class_added", {"name": name}) for name in labels]
    for at in range(0, len(new), ITEMS_PER_EVENT):
        part = new[at : at + ITEMS_PER_EVENT]
        start = state.n + at
        data: dict[str, Any] = {
            "format": FORMAT,
            "annotator": annotator,
            "start": start,
            "n": len(part),
            "rows": sum(len(more.sources[row]) for row in part),
            "packed": packed_items(more, part, later=later),
            "salt": salt(),
            "fingerprint": fingerprint([more.ids[row] for row in part], [digests[row] for row in part]),
            "pool": {key: value for key, value in more.address.items() if key != "fingerprint"},
            "given": {str(start + place): given[row] for place, row in enumerate(part) if row in given},
            "problems": [] if at else [[p.row, p.line, f"{marked(p.what)} (in {where})"] for p in problems],
        }
        if not at and more.columns:
            data["columns"] = more.columns
        if not at and dropped:
            data["dropped"] = packed_dropped(dropped, later=later)
        events.append(Event("added", data))
    return events, result


def _labels(state: State, more: Pool, new: Sequence[int]) -> tuple[list[Label], dict[int, Label], list[Problem]]:
    """(labels that are new, row of `more` → label as the session spells it, labels that cannot be taken)."""
    if more.sets and state.task.name == "one":
        raise BadInput(
            "Some labels in the data are lists, and an item of this session has one label. "
            f"Leave {option('label')} out."
        )
    spelling, fresh, given, strange = Spelling(state.labels), list[Label](), dict[int, Label](), list[Problem]()

    def spell(part: Any, _: Any = None) -> Label:
        return spelling.of(label_name(part) or "")

    for row in new:
        if row not in more.given:
            continue
        try:
            said = state.task.from_data(more.given[row], spell, more.contents[row])
        except BadInput as error:
            strange += [Problem(source + 1, None, f"is left open: {error.marked}") for source in more.sources[row]]
            continue
        names = state.task.labels_in(said)
        unknown = [name for name in names if name not in state.labels and name not in fresh]
        if unknown and state.opened["declared"]:
            why = f"has the label {unknown[0]!r}, which the session does not know; the item is left open"
            strange += [Problem(source + 1, None, why) for source in more.sources[row]]
            continue
        for name in unknown:
            state.task.check_label(name)
        fresh += list(dict.fromkeys(unknown))
        given[row] = state.task.write(said, [*state.labels, *fresh])
    return fresh, given, strange


def _cells(one: Dropped) -> str:
    return json.dumps([one.cells, one.why], sort_keys=True)


def source_rows(pool: Pool) -> int:
    """How many rows of sources a pool has used, those that could not be loaded included."""
    last = max((row for rows in pool.sources for row in rows), default=-1)
    return max(last, max(pool.dropped, default=-1), max((p.row - 1 for p in pool.problems), default=-1)) + 1


def fingerprint(ids: Sequence[str], digests: Sequence[bytes]) -> str:
    """SHA-256 over ids and contents, hex: as `Pool.fingerprint`, of the items of one event."""
    digest = hashlib.sha256(b"".join(digests)).hexdigest()
    return hashlib.sha256("\n".join([*ids, digest]).encode()).hexdigest()


# ── the pool ────────────────────────────────────────────────────────────────────────────────


def extended(pool: Pool, known: Known, data: Mapping[str, Any], rows: Matrix | None = None) -> Pool:
    """The pool with the items of an `added` event behind its own, which stays as it is.

    Args:
        pool: The items before.
        known: Its index; takes the new ones in.
        data: Of the event.
        rows: (k, d) features of the new items, of an array pool.

    Raises:
        BadStore: The event cannot be read, does not go with what is there, or its features are not to be had.
    """
    items = unpacked_items(pool.item_kind, data)
    if len(pool) != data["start"]:
        raise BadStore(
            f"This session is damaged: items were added behind {data['start']:,}, and {len(pool):,} are there."
        )
    ids = [name for name, _, _, _ in items]
    contents: Any
    if pool.item_kind.features:
        if rows is None:
            raise BadStore(
                f"{_many(len(items), 'row')} were added to this session in another process, which has their features: "
                "the log does not hold them. Open the session again with the whole array."
            )
        features = joined(pool.features, rows)
        contents = FeatureRows(features)
        digests = pool.item_kind.digests(FeatureRows(rows))
        for row in pool.withdrawn:
            if data["start"] <= row < data["start"] + len(digests):
                digests[row - data["start"]] = NOTHING
    else:
        features = None
        contents = [*pool.contents, *(content for _, content, _, _ in items)]
        digests = pool.item_kind.digests([content for _, content, _, _ in items])
    if fingerprint(ids, digests) != data["fingerprint"]:
        raise BadStore("This session is damaged: items that were added do not match the fingerprint written with them.")
    known.extend(ids, digests)
    record = pool.record
    if record is not None:
        base = record if isinstance(record, ByRow) else ByRow({}, record)
        cells = {source: one for _, _, sources, told in items for source, one in zip(sources, told, strict=True)}
        record = ByRow({**base.rows, **cells}, base.first)
    return replace(
        pool,
        ids=[*pool.ids, *ids],
        contents=contents,
        features=features,
        sources=[*pool.sources, *(sources for _, _, sources, _ in items)],
        given=pool.given | {int(row): label for row, label in data["given"].items()},
        problems=[*pool.problems, *(Problem(*problem) for problem in data["problems"])],
        record=record,
        digest=known.digest(),
        columns=list(dict.fromkeys([*pool.names(), *data.get("columns", [])])) if record is not None else pool.columns,
        dropped=pool.dropped | (read_dropped(data["dropped"]) if "dropped" in data else {}),
    )


def unpacked_items(kind: ItemKind, data: Mapping[str, Any]) -> list[tuple[str, Any, list[int], list[Any]]]:
    """The items of an `added` event: (id, content, source rows, cells of each).

    Raises:
        BadStore: There are not as many as it says, or they cannot be read.
    """
    try:
        items = list(read_items(kind, data["pool"], data["packed"]))
    except Exception as error:
        raise BadStore(f"This session is damaged: items that were added cannot be read ({error}).") from error
    whole = all(isinstance(name, str) and len(rows) == len(cells) > 0 for name, _, rows, cells in items)
    if len(items) != data["n"] or sum(len(rows) for _, _, rows, _ in items) != data["rows"] or not whole:
        raise BadStore(f"This session is damaged: {data['n']:,} items were added, and {len(items):,} are there.")
    return items


def split(whole: Pool, opened: Mapping[str, Any], events: Sequence[Event]) -> tuple[Pool, dict[str, Matrix]]:
    """An array pool that is given again, as the one that a session began with and the features that came later.

    Args:
        whole: Everything, in the order of the session.
        opened: Data of the first event.
        events: The log.

    Raises:
        BadInput: There are not as many items as the session has.
    """
    later = [event.data for event in events if event.kind == "added"]
    n = int(opened["n"])
    for event in events:
        if event.kind == "withdrawn" and whole.item_kind.features:
            whole = without(whole, dict(zip(map(int, event.data["rows"]), event.data["ids"], strict=True)))
    if not later or not whole.item_kind.features:
        return whole, {}
    total = n + sum(int(data["n"]) for data in later)
    if len(whole) != total:
        raise BadInput(
            f"This session began with {n:,} items and has {total:,} by now, and {len(whole):,} are given. Give the "
            "whole array: the first rows, then those that were added, in their order."
        )
    X = cast("Any", whole.features)
    first = replace(
        whole,
        ids=whole.ids[:n],
        contents=FeatureRows(X[:n]),
        features=X[:n],
        sources=whole.sources[:n],
        given={},
    )
    first.digest = hashlib.sha256(b"".join(digests_of(first))).hexdigest()
    return first, {data["fingerprint"]: X[data["start"] : data["start"] + data["n"]] for data in later}


# ── features ────────────────────────────────────────────────────────────────────────────────


def learned_from(n: int, added: Sequence[int]) -> int:
    """How many of the first items an encoder that learns from the pool has learned from.

    From those that the session began with, until there are `REFIT` times as many: then anew from all there are. So most
    additions encode the new items only, a session that begins small is not bound to the words of its first items,
    and one that is opened again has the same features. Nothing that is claimed rests on them.

    Args:
        n: Items at the start.
        added: How many came with each addition.
    """
    fit = total = n
    for more in added:
        total += more
        if total >= REFIT * fit:
            fit = total
    return fit


def to_encode(pool: Pool) -> Sequence[Any]:
    """What an encoder is given: the items; for each that was withdrawn another one, as nothing could be encoded.

    What comes of those nobody looks at: they are in no draw, no ranking and no lesson.
    """
    if not pool.withdrawn:
        return pool.contents
    other = next(row for row in range(len(pool)) if row not in pool.withdrawn)
    return [pool.contents[other if row in pool.withdrawn else row] for row in range(len(pool))]


class Features:
    """The features of a pool that grows: what is new is encoded, the rest stays.

    Args:
        encoder: None where the pool brings its features.
        X: (n, d) features, if they are there.
    """

    def __init__(self, encoder: Encoder | None, X: Matrix | None) -> None:
        self.encoder = encoder
        self.X = X
        self.waiting = False
        """Whether features are missing that the encoder has put off."""
        self.blocks: Mapping[str, int] = {}
        """Columns of each encoder, where several stand side by side."""
        self._fit = 0  # how many items the features are made with …
        self._knows = 0  # … and the encoder here has learned from

    def here(self, pool: Pool, fit: int, *, put_off: bool = False) -> Matrix:
        """(n, d) features of the pool, made in this process.

        Args:
            pool: The items as they are now.
            fit: From `learned_from`.
            put_off: As `rounds.encoded`. Without, what was put off is made up for.

        Raises:
            BadInput: There is neither an encoder nor features.
        """
        if self.encoder is None:
            if pool.features is None:
                raise BadInput("This pool has neither features nor texts to encode.")
            if self.X is None or self.X.shape[0] < len(pool):
                self.X = pool.features
            return self.X
        learns = hasattr(self.encoder, "fit")
        if self.X is None or (learns and self._fit != fit) or (self.waiting and not put_off):
            self.X = rounds.encoded(self.encoder, to_encode(pool), fit=fit, put_off=put_off)
            self._fit = self._knows = fit
            self.waiting = bool(getattr(self.encoder, "waiting", False))
            self.blocks = getattr(self.encoder, "blocks", {})
        elif self.X.shape[0] < len(pool):
            if learns and self._knows != fit:  # another process made the features so far
                cast("Any", self.encoder).fit(list(to_encode(pool)[:fit]))
                self._knows = fit
            self.X = joined(self.X, self.encoder.encode(list(to_encode(pool)[self.X.shape[0] :])))
        return self.X

    def on(self, pool: Pool) -> bool:
        """Make some of what was put off in this process; whether that was the last, and the features are others now."""
        made = cast("Any", self.encoder).encode_on(to_encode(pool), self.X, rounds.SLICE)
        if made is None:
            return False
        self.X, self.waiting, self.blocks = made, False, cast("Any", self.encoder).blocks
        return True

    def made(self, X: Matrix, fit: int, apart: Apart) -> Matrix:
        """Keep features that another process has made."""
        self.X, self._fit, self.waiting, self.blocks = X, fit, apart.waiting, apart.blocks
        return X


def features_apart(apart: Apart, own: Features, pool: Pool, fit: int) -> Matrix:
    """(n, d) features of the pool where another process learns: made there, or given to it.

    Raises:
        CannotTravel, Unreachable: As `Apart.features`.
    """
    if own.encoder is None or (own.X is not None and not apart.makes):  # it began with features from here
        before, X = own.X, own.here(pool, fit)
        if before is None or X is not before:
            apart.replace(X)
        own.X = apart.features(pool.contents)
        return own.X
    return own.made(apart.features(to_encode(pool), fit), fit, apart)


def filled(guesses: Array, n: int) -> Array:
    """(n,) guesses; of items that came later 0, which nobody looks at before they are ranked."""
    found = np.zeros(n, guesses.dtype)
    found[: len(guesses)] = guesses
    return found


def stand_in(state: State, known: int) -> Array:
    """(n,) guesses where nothing could be fitted: the last ones, and of newer items the most frequent label.

    Where all labels are of one class no model can be fitted, and items that came since need some guess to be asked and
    drawn as check items; this is the one that such labels suggest.
    """
    found = cast("Array", state.predictions).copy()
    codes = state.codes[state.labeled_mask]
    found[state.ranked : known] = np.bincount(codes).argmax() if len(codes) else 0
    return found
