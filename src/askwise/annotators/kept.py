"""Replies of models, kept in a file by what was asked: nothing is paid for twice, and all can be read later."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askwise.core import BadStore

LAYOUT = """CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, asked TEXT NOT NULL, answer TEXT NOT NULL, tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL, logprob REAL, at REAL NOT NULL)"""


@dataclass(frozen=True)
class Reply:
    """What came back from a model."""

    answer: str
    tokens_in: int
    tokens_out: int
    logprob: float | None
    """Natural logarithm of the probability of the whole answer, where the endpoint says it."""
    at: float
    """Seconds since 1970."""


def key_of(asked: Mapping[str, Any]) -> str:
    """The name of a request: 64 hex digits of all that the answer depends on."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class Replies:
    """A SQLite file of requests and replies; None keeps them in memory. Several threads may use it.

    Raises:
        BadStore: The file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self._lock = path, threading.Lock()
        try:
            self._file = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=30)
            with self._file:
                self._file.execute(LAYOUT)
        except sqlite3.Error as error:
            raise BadStore(f"{path} cannot keep replies ({error}). Move it away, or name another file.") from error

    def get(self, key: str) -> Reply | None:
        """What came back to a request, if it was made before."""
        with self._lock:
            row = self._file.execute(
                "SELECT answer, tokens_in, tokens_out, logprob, at FROM replies WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else Reply(*row)

    def put(self, key: str, asked: Mapping[str, Any], reply: Reply) -> None:
        """Keep a reply; on the disk when this returns."""
        text = json.dumps(asked, sort_keys=True, ensure_ascii=False)
        row = (key, text, reply.answer, reply.tokens_in, reply.tokens_out, reply.logprob, reply.at)
        with self._lock, self._file:
            self._file.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def __len__(self) -> int:
        with self._lock:
            return int(self._file.execute("SELECT count(*) FROM replies").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()
