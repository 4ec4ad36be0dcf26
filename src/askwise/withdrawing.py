"""Items that are withdrawn: what goes out of the log and the pool, what is left, and the event that says so.

The log stays the chain that it was. An event that held what is withdrawn keeps its digest and loses the content; the
`withdrawn` event, which is in the chain, holds a digest of what is left of it. So every fingerprint ever printed is
still found, all events since are recomputed, and only of the few that lost something it is taken as it stands.

A digest that stays could confirm a guess of a short text, by whoever knows everything around it. So the events that
hold items hold a random salt, which goes with the first item; logs begun before that have none, and it is said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from askwise.core import BadInput, Event
from askwise.ledger import Ledger
from askwise.options import named
from askwise.pool import Dropped, Pool, Problem
from askwise.state import ByRow, State, pack, salt, unpack
from askwise.store.chain import of_data
from askwise.values import written

FORMAT = 4
"""Of a log that holds what this room writes."""
GONE = "it was withdrawn"
"""What a problem says whose row was withdrawn."""
NOTHING = bytes(32)
"""In the place of the digest of an array's row that was withdrawn: the array is the caller's, who may put anything."""
SHORTEST = 4
"""Characters of an id or a text that are looked for in sentences; shorter ones would be found in any."""


@dataclass(frozen=True)
class Withdrawn:
    """What became of items that were withdrawn."""

    items: int
    """How many."""
    answered: int
    """Of these, with an answer or a label."""
    checks: int
    """Of these, random check items, which count for the worst from now on."""
    certified: int
    """Of these, in the region of a certificate that stands."""
    learned: bool
    """Whether a model had learned from some of them; the next ranking is without them."""
    salted: bool
    """Whether even an exact guess of what they held cannot be confirmed by the log's digests."""
    elsewhere: str = ""
    """What of them lies where Askwise does not reach, in a sentence."""

    @property
    def sentence(self) -> str:
        """What happened, for the person."""
        said = [f"{_items(self.items)} withdrawn, for good."]
        if self.learned:
            said.append(
                "The model learned from them; the next ranking is learned without. Models saved before are yours."
            )
        if self.checks:
            were = (
                "1 was a check item, which counts"
                if self.checks == 1
                else f"{self.checks:,} were check items, which count"
            )
            said.append(f"{were} for the worst in every bound from now on.")
        if self.certified:
            said.append(f"Certificates that spoke of {self.certified:,} of them say so from now on.")
        if not self.salted:
            said.append(
                "This session was begun by an earlier version: whoever knows everything else in it and guesses exactly "
                "what was withdrawn could confirm that by its digests. To rule this out, begin a new session with an "
                "export of this one."
            )
        return " ".join([*said, *([self.elsewhere] if self.elsewhere else [])])


def _items(count: int) -> str:
    return "1 item is" if count == 1 else f"{count:,} items are"


# ── the verb ────────────────────────────────────────────────────────────────────────────────


def withdraw(ledger: Ledger, pool: Pool, rows: Sequence[int], *, annotator: str, reason: str) -> Withdrawn:
    """`Session.withdraw`; the caller holds the ledger's lock, so `pool` is what the state speaks of.

    Args:
        ledger: The session's.
        pool: Its items.
        rows: Which.
        annotator: Who withdraws.
        reason: Why.

    Raises:
        BadInput: Some are withdrawn already, all would be, or the store cannot take content out.
    """
    redact: Any = getattr(ledger.store, "redact", None)
    if redact is None:
        raise BadInput(
            f"A store of the kind {type(ledger.store).__name__} takes nothing out of its log: it has no `redact`. "
            "Copy the session to a file first (askwise copy), and withdraw there."
        )
    s = ledger.state
    if twice := [row for row in rows if row in s.withdrawn]:
        raise BadInput(f"The item {pool.ids[twice[0]]!r} was withdrawn before. Leave it out.")
    if len(rows) == s.there:
        raise BadInput("These are all items of the session, and nothing would be left of it. Delete it as a whole.")
    ids = new_ids(pool, rows)
    left = without(pool, ids)
    log = ledger.store.read()
    amended = what_is_left(log, pool, left, ids)
    had = {event.seq: event.data for event in log}
    salted = all("salt" in had[seq] and _salted_before(log, seq) for seq in amended if "salt" in amended[seq])
    data = {
        "format": FORMAT,
        "annotator": annotator,
        "rows": [int(row) for row in rows],
        "ids": [ids[row] for row in rows],
        "lines": sum(len(pool.sources[row]) for row in rows) if pool.sources else len(rows),
        "reason": reason,
        "amended": {str(seq): of_data(one) for seq, one in amended.items()},
        "salted": salted,
        "unsealed": sum(not event.digest for event in log),
    }
    said = _said(s, pool, rows, salted=salted)
    try:
        redact(amended, Event("withdrawn", data), after=s.seq)
    finally:
        ledger.catch_up()  # also where it is done and only old bytes are still to be overwritten
    _forget_embeddings(pool, rows)
    return said


def new_ids(pool: Pool, rows: Sequence[int]) -> dict[int, str]:
    """Row → the id that it has from now on: an id may be a name, or an address."""
    taken, found = set(pool.ids), {}
    for row in rows:
        name = f"withdrawn-{row + 1}"
        while name in taken:
            name += "-"
        taken.add(name)
        found[int(row)] = name
    return found


def _salted_before(log: Sequence[Event], seq: int) -> bool:
    """Whether an event had a salt from the beginning: one from which something was withdrawn before has one since."""
    return all(e.data["salted"] for e in log if e.kind == "withdrawn" and str(seq) in e.data["amended"])


def _said(s: State, pool: Pool, rows: Sequence[int], *, salted: bool) -> Withdrawn:
    gone, learned = set(rows), s.ranking.trained_on if s.ranking and s.model else 0
    answers = {row: s.answers[row] for row in rows if row in s.answers}
    given = {row for a in s.attempts if a.outcome == "certified" and not a.taken_back for row in a.position}
    return Withdrawn(
        items=len(gone),
        answered=len(answers),
        checks=len({draw.row for draw in s.draws} & gone),
        certified=len(given & gone),
        learned=any(a.label is not None and (a.kind == "given" or a.seq <= learned) for a in answers.values())
        and s.model,
        salted=salted,
        elsewhere=pool.item_kind.elsewhere,
    )


def _forget_embeddings(pool: Pool, rows: Sequence[int]) -> None:
    """Vectors of the texts, which the cache keeps beside a hash of each."""
    from askwise.encoders.cache import EmbeddingCache  # brings what fetches models

    EmbeddingCache().forget([text for row in rows for text in pool.item_kind.texts(pool.contents[row])])


# ── the pool ────────────────────────────────────────────────────────────────────────────────


def without(pool: Pool, ids: Mapping[int, str]) -> Pool:
    """The pool with nothing left of some items but their places; the pool itself stays as it is.

    Args:
        pool: The items.
        ids: Row → its new id, of those that go.
    """
    gone = {row: name for row, name in ids.items() if row < len(pool)}
    look = _Traces(pool, gone)
    new = list(pool.ids)
    contents: Any = pool.contents
    kind = pool.item_kind
    if not kind.features:
        contents = list(pool.contents)
    for row, name in gone.items():
        new[row] = name
        if not kind.features:
            contents[row] = kind.blank(pool.contents[row])
    record = pool.record
    if record is not None:
        sources = {source for row in gone for source in pool.sources[row]}
        empty = {source: dict.fromkeys(record[source]) for source in sources}
        base = record if isinstance(record, ByRow) else ByRow({}, record)
        record = ByRow({**base.rows, **empty}, _emptied(base.first, sources))
    found = replace(
        pool,
        ids=new,
        contents=contents,
        record=record,
        given={row: label for row, label in pool.given.items() if row not in gone},
        problems=[Problem(*look.problem([p.row, p.line, p.what])) for p in pool.problems],
        notes=[note for note in pool.notes if not look.told(note)],
        dropped={source: look.dropped(one) for source, one in pool.dropped.items()},
        address={key: value for key, value in pool.address.items() if key != "fingerprint"},
        withdrawn=pool.withdrawn | frozenset(ids),
    )
    found.digest = hashlib.sha256(b"".join(digests_of(found))).hexdigest()
    return found


def _emptied(first: Sequence[Mapping[str, Any]], sources: set[int]) -> Sequence[Mapping[str, Any]]:
    """The rows of a table without some of them; as it is where it has none of these."""
    if not any(source < len(first) for source in sources):
        return first
    return [dict.fromkeys(one) if row in sources else one for row, one in enumerate(first)]


def digests_of(pool: Pool, start: int = 0, stop: int | None = None) -> list[bytes]:
    """`ItemKind.digests` of some items of a pool; of an array's rows that were withdrawn `NOTHING`."""
    stop = len(pool) if stop is None else stop
    found = pool.item_kind.digests(pool.contents[start:stop])
    if not pool.item_kind.features:
        return found
    for row in pool.withdrawn:
        if start <= row < stop:
            found[row - start] = NOTHING
    return found


def fingerprint(pool: Pool, start: int, stop: int) -> str:
    """As `Pool.fingerprint`, of some of its items."""
    digest = hashlib.sha256(b"".join(digests_of(pool, start, stop))).hexdigest()
    return hashlib.sha256("\n".join([*pool.ids[start:stop], digest]).encode()).hexdigest()


class _Traces:
    """Finds what tells of items that go in what is kept beside: rows that did not load, sentences about them.

    Args:
        pool: The items, all still there.
        gone: The rows that go.
    """

    def __init__(self, pool: Pool, gone: Mapping[int, str]) -> None:
        self._column = pool.address.get("id")
        self._ids = {pool.ids[row] for row in gone}
        self._rows = {source + 1 for row in gone for source in (pool.sources[row] if pool.sources else ())}
        kind = pool.item_kind
        whole = [pool.contents[row] for row in gone] if kind.prose else []  # the cells of a table, others may have, too
        texts = {text for content in whole for text in kind.texts(content)}
        self._cells = {text for text in texts if len(text) >= SHORTEST} | (self._ids if self._column else set())
        self._quoted = {repr(name) for name in self._ids} | {text for text in texts if len(text) >= SHORTEST}
        self._quoted |= {name for name in self._ids if len(name) >= SHORTEST}

    def told(self, sentence: str) -> bool:
        """Whether a sentence quotes one of them."""
        return any(quoted in sentence for quoted in self._quoted)

    def problem(self, one: Sequence[Any]) -> list[Any]:
        """[row, line, sentence], the last without what it quotes."""
        row, line, what = one
        return [row, line, GONE] if row in self._rows or self.told(what) else [row, line, what]

    def dropped(self, one: Dropped) -> Dropped:
        """A row that did not load, emptied where it is about the same: its id, or the same text."""
        same = any(written(cell) in self._cells for cell in one.cells.values() if cell is not None)
        return Dropped(dict.fromkeys(one.cells), GONE) if same or self.told(one.why) else one


# ── the log ─────────────────────────────────────────────────────────────────────────────────


def what_is_left(log: Sequence[Event], pool: Pool, left: Pool, ids: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """`seq` → the data of each event that holds something of the items, without it.

    Args:
        log: All events.
        pool: The items, all still there.
        left: What `without` makes of it.
        ids: Row → its new id.
    """
    look, found = _Traces(pool, ids), {}
    opened = log[0].data
    sizes = [int(opened["n"]), *(int(e.data["n"]) for e in log if e.kind == "added")]
    starts, start, addition = [0, *accumulate(sizes)], 0, 0
    for event in log:
        data = dict(event.data)
        if event.kind == "opened":
            if any(row < starts[1] for row in ids):
                data |= {"fingerprint": fingerprint(left, 0, starts[1])}
                data["pool"] = {key: value for key, value in data["pool"].items() if key != "fingerprint"}
            data |= _beside(look, data)
        elif event.kind == "items":
            data["packed"], start = _emptied_items(data["packed"], start, left, ids)
            data |= _beside(look, data)
        elif event.kind == "added":
            addition += 1
            data["packed"], end = _emptied_items(data["packed"], starts[addition], left, ids)
            if data["packed"] != event.data["packed"]:
                data["fingerprint"] = fingerprint(left, starts[addition], end)
            data |= _beside(look, data)
        elif event.kind == "flagged" and int(data["row"]) in ids:
            data["note"] = ""
        if data != event.data:
            if event.kind != "flagged":
                data["salt"] = salt()  # another one: by the digest of what is left, too, nothing can be guessed later
            found[event.seq] = data
    return found


def _emptied_items(text: str, start: int, left: Pool, ids: Mapping[int, str]) -> tuple[str, int]:
    """The items of an event, as it packs them, with nothing left of some; and the row behind the last."""
    items = json.loads(unpack(text))
    stop = start + len(items)
    here = [row for row in ids if start <= row < stop]
    for row in here:
        _, _, sources, cells = items[row - start]
        cells = None if cells is None else [dict.fromkeys(one) for one in cells]
        content = left.item_kind.packed(left.contents[row])
        items[row - start] = [ids[row], content, sources, cells]
    return (pack(json.dumps(items, ensure_ascii=False).encode("utf-8", "surrogatepass")) if here else text), stop


def _beside(look: _Traces, data: Mapping[str, Any]) -> dict[str, Any]:
    """Problems, notes and rows that did not load, without what they tell of the items."""
    found: dict[str, Any] = {}
    if "problems" in data:
        found["problems"] = [look.problem(one) for one in data["problems"]]
    if "notes" in data:
        found["notes"] = [note for note in data["notes"] if not look.told(note)]
    if "dropped" in data:
        rows = json.loads(unpack(data["dropped"]))
        kept = [(row, look.dropped(Dropped(dict(cells), str(why)))) for row, cells, why in rows]
        told = [[row, one.cells, one.why] for row, one in kept]
        if told != rows:
            found["dropped"] = pack(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return found


# ── who the ids are ─────────────────────────────────────────────────────────────────────────


def rows_of(ids: Sequence[str], rows: Mapping[str, int]) -> list[int]:
    """The rows of ids, each once.

    Raises:
        BadInput: There are none, or one is no item's.
    """
    if isinstance(ids, str):
        raise BadInput(f"{named('ids')} is a list of ids, not one text: got {ids!r}.")
    wanted = [str(one) for one in ids]
    if not wanted:
        raise BadInput("Name the items to withdraw by their ids; got none.")
    strange = [one for one in dict.fromkeys(wanted) if one not in rows]
    if strange:
        more = f" and {len(strange) - 1:,} more" if len(strange) > 1 else ""
        raise BadInput(f"No item of the session has the id {strange[0]!r}{more}. Nothing was withdrawn.")
    return sorted({rows[one] for one in wanted})
