"""How a pool, and long lists of numbers, lie in the log."""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from askwise.core import BadStore, Event
from askwise.pool import Dropped, ItemKind, Pool, Problem, digest_of, source_of
from askwise.pool.kinds import recorded
from askwise.state.records import MANGLED
from askwise.values import plain

ITEMS_PER_EVENT = 5_000
LOG_FORMAT = 3
"""Written in `opened`. 2: events have digests. 3: an answer counts as a blind check only where the model's guess had
not been shown to whoever gave it."""
READS_FORMAT = 6
"""The newest format that this program reads. 6: a session learns from guesses, or the checks of an attempt that had
ended go on (`resumed`). 5: checks are drawn by weights; the `frozen` event of such an attempt carries the number.
4: items come later, and labels are changed. A session begun as 3 says so with the first event of such a kind, which
carries the number; programs before it know no such kind and refuse the log for that, so a session that never grew
stays readable for them."""


def pack(data: bytes) -> str:
    """Bytes as compressed text for an event."""
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


def salt() -> str:
    """What an event with items holds beside them, 32 hex digits: without it nothing can be guessed by the digest."""
    return secrets.token_hex(16)


def unpack(text: str) -> bytes:
    """The inverse of `pack`."""
    return zlib.decompress(base64.b64decode(text))


def pool_events(pool: Pool) -> Iterator[Event]:
    """The items as `items` events: texts and cells as they are, of a file its name and SHA-256; an array pool travels
    as its fingerprint alone. The first one also holds the order of the columns and the rows that could not be loaded.
    """
    if pool.item_kind.features:
        return
    for start in range(0, len(pool), ITEMS_PER_EVENT):
        rows = range(start, min(start + ITEMS_PER_EVENT, len(pool)))
        data: dict[str, Any] = {"start": start, "packed": packed_items(pool, rows), "salt": salt()}
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
    kind = pool.item_kind
    chunk = []
    for row in rows:
        extras: list[dict[str, Any]] = []
        if pool.record is not None:
            told = _told(kind, pool.address, pool.ids[row], pool.contents[row])
            extras = [_untold(pool.record[source], told) for source in pool.sources[row]]
        kept = extras if any(extras) else None
        content = None if kind.features else kind.packed(pool.contents[row])
        chunk.append([pool.ids[row], content, [source + later for source in pool.sources[row]], kept])
    return pack(_json(chunk))


def packed_dropped(dropped: Mapping[int, Dropped], *, later: int = 0) -> str:
    """Rows that could not be loaded as an event holds them."""
    return pack(_json([[row + later, one.cells, one.why] for row, one in dropped.items()]))


def read_dropped(text: str) -> dict[int, Dropped]:
    """The inverse of `packed_dropped`."""
    return {int(row): Dropped(dict(cells), str(why)) for row, cells, why in json.loads(unpack(text))}


def _told(kind: ItemKind, address: Mapping[str, Any], item: str, content: Any) -> dict[str, Any]:
    """What an item and its id say of the columns of its rows."""
    told = kind.columns_of(content, address.get("text"))
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
    if recorded(opened["kind"]).features:
        return None
    try:
        pool = _pool_of(opened, events)
    except MANGLED as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise BadStore(f"This session is damaged: its items cannot be read ({said}). Go on with a copy.") from error
    if pool.fingerprint != opened["fingerprint"]:
        raise BadStore("This session file is damaged: its items do not match the fingerprint written at the start.")
    if len(pool) != opened["n"]:
        raise BadStore(f"This session is damaged: it began with {opened['n']} items, and {len(pool)} are there.")
    return pool


def read_items(
    kind: ItemKind, address: Mapping[str, Any], text: str
) -> Iterator[tuple[str, Any, list[int], list[Any]]]:
    """(id, content, source rows, cells of each source row) of the items in an event; content is None for an array."""
    files = source_of(address)
    for item, kept, rows, extras in json.loads(unpack(text)):
        content = kind.unpacked(kept, files)
        told = {} if kind.features else _told(kind, address, item, content)
        yield item, content, rows, [told | extra for extra in extras or [{}] * len(rows)]


def _pool_of(opened: Mapping[str, Any], events: Sequence[Event]) -> Pool:
    kind = recorded(opened["kind"])
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
        kind=kind.name,
        features=None,
        sources=sources,
        given={int(row): label for row, label in opened["given"].items()},
        problems=[Problem(*problem) for problem in opened["problems"]],
        address=address,
        record=ByRow(record) if address.get("text") else None,
        notes=list(opened["notes"]),
        digest=digest_of(kind.digests(contents)),
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
