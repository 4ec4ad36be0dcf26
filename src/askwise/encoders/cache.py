"""Embeddings kept on disk by content hash, so that no text is embedded twice."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from askwise.core import Array
from askwise.fetch import cache_dir
from askwise.notices import say

ASK_AT_ONCE = 500
SCHEMA = """CREATE TABLE IF NOT EXISTS embedding (
    encoder TEXT NOT NULL, content BLOB NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (encoder, content)
) WITHOUT ROWID"""


def content_key(text: str) -> bytes:
    """SHA-256 of a text, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


class EmbeddingCache:
    """Vectors by encoder version with content hash, in one SQLite file that several processes may use at once.

    A damaged file is thrown away and begun anew; one that cannot be opened is not used. Both are said.

    Args:
        path: The file; default `embeddings.sqlite` in the cache folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_dir("embeddings.sqlite")

    def get(self, encoder: str, keys: Sequence[bytes]) -> dict[bytes, Array]:
        """Key → (d,) float32 vector, for those of the keys that are known."""
        found: dict[bytes, Array] = {}
        with self._guarded(), self._open() as connection:
            for start in range(0, len(keys), ASK_AT_ONCE):
                part = keys[start : start + ASK_AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT content, vector FROM embedding WHERE encoder = ? AND content IN ({marks})"  # noqa: S608
                for key, blob in connection.execute(query, (encoder, *part)):
                    vector = np.frombuffer(blob, dtype="<f4") if len(blob) % 4 == 0 else np.empty(0)
                    if vector.size and np.isfinite(vector).all():  # a vector that was damaged is made again
                        found[key] = vector
        return found

    def known(self, encoder: str, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys that have a vector, read or not."""
        found: set[bytes] = set()
        with self._guarded(), self._open() as connection:
            for start in range(0, len(keys), ASK_AT_ONCE):
                part = keys[start : start + ASK_AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT content FROM embedding WHERE encoder = ? AND content IN ({marks})"  # noqa: S608
                found.update(key for (key,) in connection.execute(query, (encoder, *part)))
        return found

    def put(self, encoder: str, keys: Sequence[bytes], vectors: Array) -> None:
        """Keep (n, d) vectors under their n keys."""
        rows = [(encoder, key, np.asarray(row, dtype="<f4").tobytes()) for key, row in zip(keys, vectors, strict=True)]
        with self._guarded(), self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)", rows)
            connection.commit()

    def forget(self, texts: Sequence[str]) -> None:
        """Drop what is known of texts, whichever encoder made it, so that no byte of it stays in the file."""
        if not self.path.is_file():
            return
        keys = [(content_key(text),) for text in texts]
        with self._guarded(), self._open() as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.executemany("DELETE FROM embedding WHERE content = ?", keys)
            connection.commit()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.execute(SCHEMA)
            yield connection

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            say(f"the embedding cache {str(self.path)!r} cannot be used ({error}); going on without it.")
        except sqlite3.DatabaseError as error:
            say(f"the embedding cache {str(self.path)!r} is damaged ({error}); it is begun anew.")
            self.path.unlink(missing_ok=True)
