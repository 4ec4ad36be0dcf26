"""What Askwise asks of arrays, learners, encoders, executors and stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""A NumPy array; scores also accept any array that follows the Python array API."""
Matrix: TypeAlias = Any
"""Features, (n, d): a dense float array or a SciPy CSR matrix; sparse stays sparse."""
Rows: TypeAlias = npt.NDArray[np.intp]
"""Row numbers of the pool, (k,) integers."""
Label: TypeAlias = str


# ── the log ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log.

    `data` is JSON-able, its keys are strings; `at` is Unix seconds. The store sets `seq` (1, 2, …) and `digest`, which
    stands for the log up to here (`store.digest`; "" in events written before digests existed).
    """

    kind: str
    data: Mapping[str, Any]
    at: float = 0.0
    seq: int = 0
    digest: str = ""


class Store(Protocol):
    """An append-only log of events.

    Optional powers are looked up by name, for a log that several processes share: `lead()` → bool, whether this one's
    worker refreshes, and `step_down()`; `turn()`, a context in which nobody else appends. `still`, a sentence that says
    why nothing can be appended at all, makes its session one to be looked at. `redact(left, event, after=…)` → the last
    `seq`: all or nothing, the data of the events `left` (seq → what is left of it) take the place of what was there,
    whose bytes are gone for good then, their digests stay, and `event` is appended, which says so.
    """

    def read(self, after: int = 0) -> Sequence[Event]:
        """Events with `seq > after`, oldest first."""
        ...

    def append(self, events: Sequence[Event], *, after: int | None = None) -> int:
        """Append all or none, durably; returns the last `seq`. A stale `after` raises `Conflict`."""
        ...

    def close(self) -> None:
        """Release the file or connection; the log stays."""
        ...


# ── models ──────────────────────────────────────────────────────────────────────────────────


@runtime_checkable
class Learner(Protocol):
    """Any scikit-learn classifier or pipeline with `predict_proba` already is one.

    Optional powers are looked up by name: `predict_committee(X)` → (members, n, classes), `embed(X)` → (n, d),
    `held_out()`, asked after each `fit` for ((r,) rows of it, (r, classes) probabilities by models that had not seen
    them) or None, `know_pool(X)`, told the (n, d) features of the pool before each `fit`, `know_blocks(blocks)`, told
    before that how many columns each of several encoders side by side made, `for_comparison()` → a quicker unfitted one
    whose guesses are alike, `standing()` → what the log says of it. `fit` may start from where it was.
    """

    classes_: Any

    def fit(self, X: Matrix, y: Any) -> Any:
        """Learn from (m, d) features and (m,) labels."""
        ...

    def predict_proba(self, X: Matrix) -> Array:
        """(n, classes) probabilities, columns in the order of `classes_`."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns items into features. A plain `encode(list) -> array` callable is accepted as well."""

    name: str

    def encode(self, items: Sequence[Any]) -> Matrix:
        """(n, d) features, float32, dense or CSR, one row an item, in order."""
        ...


class Executor(Protocol):
    """`concurrent.futures`, Dask's `Client.get_executor()`, Ray's pool, MPI: as they are."""

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> Iterable[Any]:
        """Like the builtin `map`, in order."""
        ...
