"""Several text encoders side by side: words where words tell classes apart, sentences where their meaning does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from askwise.core import Array, BadInput, Encoder, Matrix

BESIDE = "+"
"""Between the names of the parts."""


class JoinedEncoder:
    """The features of several encoders, one block of columns after the other.

    Rows of each block have length 1 (or 0), so that no block speaks louder than another, however many columns it has:
    the product of two rows is the sum of their likenesses by each encoder, a sum of kernels (Joachims, Cristianini &
    Shawe-Taylor, 2001).

    Args:
        parts: At least two encoders that give dense features, each with a name of its own; the one that knows most of
            what items mean comes last.

    Raises:
        BadInput: Fewer than two, or two of one name.
    """

    def __init__(self, parts: Sequence[Encoder]) -> None:
        self.parts: list[Any] = list(parts)
        names = [str(part.name) for part in self.parts]
        self.name = BESIDE.join(names)
        if len(names) < 2 or len(set(names)) < len(names):
            raise BadInput(
                f"Side by side stand two encoders or more, each once, as tfidf{BESIDE}minilm; got {self.name!r}."
            )
        self.version = BESIDE.join(str(getattr(part, "version", "")) for part in self.parts)
        self.waiting = False
        """Whether `encode` leaves parts out whose vectors of the pool are not made yet."""
        self.blocks: dict[str, int] = {}
        """Name of each part that was used last → its columns, in their order."""
        self._late: list[Any] = []

    def fit(self, items: Sequence[Any]) -> JoinedEncoder:
        """Let those parts that learn do so from (n,) items, n ≥ 1."""
        self._parted()
        for part in self.parts:
            if hasattr(part, "fit"):
                part.fit(items)
        return self

    def fit_encode(self, items: Sequence[Any], fit: int | None = None, *, patience: int | None = None) -> Matrix:
        """What `fit` with the first `fit` of the items and then `encode` with all give, in one go where that can be.

        Args:
            items: (n,) items, n ≥ 1.
            fit: How many of them to learn from; None = all.
            patience: Put parts off that would have to make so many vectors anew, or more: until `encode_on` has made
                them, features are those of the others. None = nothing is put off.
        """
        self._parted()
        self.waiting = False
        if patience is not None:
            late = [part for part in self.parts if len(self._unknown(part, items)) >= patience]
            self.waiting = 0 < len(late) < len(self.parts)
            self._late = late if self.waiting else []

        def made(part: Any) -> Matrix:
            both: Callable[..., Matrix] | None = getattr(part, "fit_encode", None)
            if both is not None:
                return both(items, fit)
            if hasattr(part, "fit"):
                part.fit(items[:fit])
            return cast("Matrix", part.encode(items))

        return self._beside([made(part) for part in self.used])

    def encode(self, items: Sequence[Any]) -> Matrix:
        """(n, d) float32 features, dense; `BadInput` where a part gives sparse ones."""
        return self._beside([part.encode(items) for part in self.used])

    def encode_on(self, items: Sequence[Any], X: Matrix, most: int) -> Matrix | None:
        """Make some of the vectors that were put off.

        Args:
            items: (n,) those of `fit_encode`, and what came since.
            X: (n, d) their features so far.
            most: How many to make now, for each part.

        Returns:
            None while more are to be made; then the features by all parts.
        """
        left = False
        for part in self._late:
            unknown = self._unknown(part, items)
            part.encode(unknown[:most])
            left |= len(unknown) > most
        if left:
            return None
        columns = np.split(np.asarray(X), np.cumsum(list(self.blocks.values()))[:-1], axis=1)
        had = dict(zip(map(id, self.used), columns, strict=True))
        self.waiting = False
        return self._beside([had[id(part)] if id(part) in had else part.encode(items) for part in self.used])

    @property
    def used(self) -> list[Any]:
        """The parts whose features `encode` gives now."""
        return [part for part in self.parts if not (self.waiting and part in self._late)]

    def _parted(self) -> None:
        """A copy of this one made before goes on as it was."""
        self.parts = [copy.copy(part) if hasattr(part, "fit") else part for part in self.parts]

    @staticmethod
    def _unknown(part: Any, items: Sequence[Any]) -> list[Any]:
        unknown: Callable[..., list[Any]] | None = getattr(part, "unknown", None)
        return [] if unknown is None else unknown(items)

    def _beside(self, features: list[Matrix]) -> Array:
        for part, X in zip(self.used, features, strict=True):
            if hasattr(X, "tocsr"):
                raise BadInput(
                    f"The encoder {part.name!r} gives sparse features; side by side only dense ones can stand."
                )
        self.blocks = {part.name: int(X.shape[1]) for part, X in zip(self.used, features, strict=True)}
        return np.concatenate([_of_length_one(np.asarray(X, np.float32)) for X in features], axis=1)


def _of_length_one(X: Array) -> Array:
    length = np.linalg.norm(X, axis=1, keepdims=True)
    found: Array = X / np.where(length > 0, length, 1)
    return found
