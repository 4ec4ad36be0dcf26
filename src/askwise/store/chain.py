"""The chain of digests, the same for every store."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from askwise.core import BadInput, Conflict, Event


def canonical(data: Mapping[str, Any]) -> str:
    """The one spelling of an event's data: JSON with sorted keys, without spaces; a store keeps this text.

    Raises:
        TypeError: Something in it is not JSON.
    """
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(previous: str, event: Event) -> str:
    """SHA-256 over the digest of the event before and this event's `at`, `data`, `kind` and `seq`, as 64 hex digits.

    Hashed is the previous digest, a line feed, and the canonical JSON of an object with these four keys, in UTF-8. So
    the digest of an event stands for the whole log up to it.

    Args:
        previous: Digest of the event with the `seq` before; "" for the first.
        event: Its own `digest` plays no part.
    """
    return link(previous, event.seq, event.at, event.kind, canonical(event.data))


def link(previous: str, seq: int, at: float, kind: str, data: str) -> str:
    """`digest` of data that are canonical text already."""
    # Spelled out, because `data` is the large part and is canonical text already.
    line = f'{{"at":{json.dumps(float(at))},"data":{data},"kind":{json.dumps(kind, ensure_ascii=False)},"seq":{seq}}}'
    return hashlib.sha256(f"{previous}\n{line}".encode("utf-8", "surrogatepass")).hexdigest()


def chain(events: Iterable[Event], previous: str = "") -> Iterator[str]:
    """The digest of each event, computed anew from the events alone (their own `digest` plays no part).

    Of events whose content was withdrawn (see `amended`) it is the one they have: what it was computed from is gone.

    Args:
        events: In the order of the log.
        previous: Digest of the event before the first of them.
    """
    events = list(events)
    gone = amended(events)
    for event in events:
        previous = event.digest if event.seq in gone and event.digest else digest(previous, event)
        yield previous


WITHDRAWN = "withdrawn"
"""Kind of the event that says that content was taken out of earlier events."""


def of_data(data: Mapping[str, Any]) -> str:
    """SHA-256 of an event's data alone, 64 hex digits: a `withdrawn` event binds by it what it left of earlier ones."""
    return hashlib.sha256(canonical(data).encode("utf-8", "surrogatepass")).hexdigest()


def amended(events: Iterable[Event]) -> dict[int, str]:
    """`seq` of each event that had content taken out → `of_data` of what was left of it.

    Args:
        events: Of a log; those of other kinds than `withdrawn` play no part.
    """
    found: dict[int, str] = {}
    for event in events:
        left = event.data.get("amended") if event.kind == WITHDRAWN and isinstance(event.data, Mapping) else None
        if isinstance(left, Mapping):
            found |= {int(seq): str(own) for seq, own in left.items() if str(seq).isdecimal()}
    return found


def seal(events: Iterable[Event], last: int, previous: str) -> Iterator[tuple[Event, str]]:
    """What a store appends: the events with `seq`, `at` and `digest` filled in, each with its data as canonical JSON.

    Args:
        events: To be appended; `at` is kept where it is not 0.
        last: `seq` of the newest event in the store; 0 where it is empty. Then this may be the copy of a log out of
            which content was withdrawn: the digests of these events are taken over.
        previous: Its digest; "" where it is empty.

    Raises:
        TypeError: Data that is not JSON.
        BadInput: Text that no file can keep.
    """
    gone = {} if last else amended(events := list(events))
    for seq, event in enumerate(events, last + 1):
        at, data = float(event.at or time.time()), canonical(event.data)
        if not data.isascii():
            _check_text(data)
        kept = event.digest if seq in gone else ""
        previous = kept or link(previous, seq, at, event.kind, data)
        yield Event(event.kind, event.data, at, seq, previous), data


def _check_text(data: str) -> None:
    try:
        data.encode()
    except UnicodeEncodeError as error:
        around = data[max(0, error.start - 20) : error.end + 20].encode("ascii", "backslashreplace").decode()
        raise BadInput(
            f"This text cannot be saved: it holds half of a character (a lone surrogate), in …{around}…. Leave that "
            "out, or write the whole character."
        ) from None


def as_read(sealed: Sequence[tuple[Event, str]], after: int, last: int) -> Sequence[Event] | None:
    """The events after+1..last as `read` would give them, where they are those that `seal` has made; else None."""
    if not sealed or sealed[0][0].seq != after + 1 or sealed[-1][0].seq != last:
        return None
    return [replace(event, data=json.loads(data)) for event, data in sealed]


def newest(events: Iterable[Event]) -> str:
    """The digest of the last event, as the log has it; computed where it has none. "" of no events."""
    previous = ""
    for event in events:
        previous = event.digest or digest(previous, event)
    return previous


def check_after(after: int | None, last: int) -> None:
    """Raise `Conflict` where the log ends elsewhere than its writer believes."""
    if after is not None and after != last:
        raise Conflict(f"The log has moved on: {last} events where {after} were expected. Read again and retry.")
