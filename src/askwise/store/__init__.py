"""The event log, chained by digests: in memory, in a SQLite file, in PostgreSQL."""

from askwise.store.chain import as_read, canonical, chain, digest, seal
from askwise.store.files import FORMAT, CannotBeWritten, is_session_file, trouble
from askwise.store.memory import MemoryStore, StillStore
from askwise.store.places import Place, copy_log, discard, exists, open_store, place, read_log
from askwise.store.sqlite import SQLiteStore

__all__ = [
    "FORMAT", "CannotBeWritten", "MemoryStore", "Place", "SQLiteStore", "StillStore", "as_read", "canonical", "chain",
    "copy_log", "digest", "discard", "exists", "is_session_file", "open_store", "place", "read_log", "seal", "trouble",
]  # fmt: skip
