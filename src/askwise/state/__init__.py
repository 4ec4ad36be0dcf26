"""The state of a session, and how it lies in the log."""

from askwise.state.in_log import (
    ITEMS_PER_EVENT,
    LOG_FORMAT,
    READS_FORMAT,
    ByRow,
    pack,
    packed_dropped,
    packed_items,
    pool_events,
    pool_from_log,
    read_dropped,
    read_items,
    salt,
    too_new,
    unpack,
)
from askwise.state.records import BY_CONFIDENCE, DOUBTED, OVERLAP, QUARTER, Ask, Attempt, Draw, Lease, Ranking, Word
from askwise.state.state import State

__all__ = [
    "BY_CONFIDENCE",
    "DOUBTED",
    "ITEMS_PER_EVENT",
    "LOG_FORMAT",
    "OVERLAP",
    "QUARTER",
    "READS_FORMAT",
    "Ask",
    "Attempt",
    "ByRow",
    "Draw",
    "Lease",
    "Ranking",
    "State",
    "Word",
    "pack",
    "packed_dropped",
    "packed_items",
    "pool_events",
    "pool_from_log",
    "read_dropped",
    "read_items",
    "salt",
    "too_new",
    "unpack",
]  # fmt: skip
