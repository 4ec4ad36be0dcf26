"""Distances by blocks, never (n, n)."""

from __future__ import annotations

from typing import Any

import numpy as np

from askwise.core import Array

BLOCK = 4096
"""Rows of a distance block: large enough for the matrix product, small enough for the cache."""
PROBED = 256
"""Rows that tell where the rows lie and how close together."""
OFFSET = 16.0
"""Times the rows' spread that their center may lie from the origin, both squared, before it is taken away."""
FAR = 1e4
"""The same for linear models and for angles, of all columns together or of one: float32 holds a hundredfold."""
RESOLUTION = 2.0**-14
"""Of the largest squared length: rows nearer to each other than this share are told apart in float64 only."""

HUGE = 1e30
"""Squared lengths above this are too near to the end of float32."""


class Places:
    """(n, d) rows as distances want them, made as they are asked for: never a copy of the pool.

    |x|² + |z|² - 2 x·z loses what tells rows apart where all are far from the origin (coordinates of one town, Unix
    times) or in far groups. Distances do not change when a center is taken away from every row, so it is, in float64,
    wherever that matters; what is left is float32 unless float32 could not tell neighbors apart.

    Args:
        rows: (n, d) array, or anything with a length that gives an array for an index.
        center: (d,) float64, or None to leave the rows where they are.
        dtype: Of what is given out.
    """

    def __init__(self, rows: Any, center: Array | None, dtype: type[np.floating[Any]]) -> None:
        self._rows, self.center, self.dtype = rows, center, dtype

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self._rows), int(self._rows.shape[1])

    def __getitem__(self, rows: Any) -> Array:
        return self.move(self._rows[rows])

    def move(self, rows: Any) -> Array:
        """Other rows of the same space, moved alike."""
        if self.center is None:
            return np.asarray(rows, self.dtype)
        moved: Array = np.subtract(rows, self.center, dtype=np.float64).astype(self.dtype, copy=False)
        return moved


def places(embedding: Any, directions: bool = False) -> Any:
    """The rows as distances want them; see `Places`. Rows that are so already stay as they are.

    Args:
        embedding: (n, d) rows.
        directions: Scale each to length one first; rows of zeros stay zero.
    """
    if isinstance(embedding, Places) or not len(embedding):
        return embedding if isinstance(embedding, Places) else Places(np.asarray(embedding), None, np.float32)
    some = np.asarray(embedding[:: max(1, len(embedding) // PROBED)], np.float64)
    center, dtype = _frame(unit(some, np.float64) if directions else some)
    if not directions:
        return Places(embedding, center, dtype)
    return Places(_Directions(embedding, np.float32 if center is None else np.float64), center, dtype)


def framed(embedding: Any, labeled: Any) -> tuple[Any, Array]:
    """The candidates as `places` has them, and the labeled rows moved alike."""
    E = places(embedding)
    return E, E.move(labeled)


class _Directions:
    """(n, d) rows scaled to length one as they are asked for."""

    def __init__(self, embedding: Array, dtype: type[np.floating[Any]]) -> None:
        self._embedding, self._dtype = embedding, dtype
        self.shape = embedding.shape

    def __len__(self) -> int:
        return len(self._embedding)

    def __getitem__(self, rows: Any) -> Array:
        return unit(self._embedding[rows], self._dtype)


def _frame(some: Array) -> tuple[Array | None, type[np.floating[Any]]]:
    """The center to take away, None where float32 does without, and the type for what is left, by some rows.

    The median: one row far out would draw a mean away from all others.
    """
    center = np.median(some, axis=0)
    S = some - center
    squares = np.einsum("ij,ij->i", S, S)
    D = squares[:, None] + squares - 2 * (S @ S.T)
    D[1e-14 * (squares[:, None] + squares) >= D] = np.inf  # the row itself and its copies
    near = D.min(1)
    near = near[np.isfinite(near)]
    closest = float(np.median(near)) if len(near) else np.inf
    spread = float(np.median(squares)) or float(squares.mean())
    whole = float(np.einsum("ij,ij->i", some, some).max())
    close = closest < RESOLUTION * float(squares.max()) or whole > HUGE
    dtype: type[np.floating[Any]] = np.float64 if close else np.float32
    if dtype is np.float32 and float(center @ center) <= OFFSET * spread and closest >= RESOLUTION * whole:
        return None, np.float32
    return center, dtype


def middle(rows: Any) -> Array | None:
    """(d,) float64, what to take away from dense rows before float32 sees them; None where that does not matter."""
    if not len(rows):
        return None
    some = np.asarray(rows[:: max(1, len(rows) // PROBED)], np.float64)
    mean, spread = some.mean(0), some.var(0)
    far = (mean * mean > FAR * spread) & (spread > 0)
    total = float(spread.sum())
    if not total > 0 or (float(mean @ mean) <= FAR * total and not far.any()):
        return None
    return np.asarray(np.median(some, axis=0))


def real(rows: Any) -> Array:
    """As float32, or float64 where they are that."""
    A = np.asarray(rows)
    return A if A.dtype in (np.float32, np.float64) else A.astype(np.float32)


def assign(embedding: Any, centers: Array) -> Array:
    """(n,) number of the nearest center."""
    half = 0.5 * np.einsum("ij,ij->i", centers, centers)
    home = np.empty(len(embedding), np.intp)
    for start in range(0, len(home), BLOCK):
        block = np.asarray(embedding[start : start + BLOCK], centers.dtype)
        home[start : start + BLOCK] = (block @ centers.T - half).argmax(1)
    return home


def nearest(embedding: Any, centers: Array) -> Array:
    """(n,) squared distance to the nearest center, by blocks: never (n, n)."""
    out = np.empty(len(embedding), real(centers).dtype)
    for start in range(0, len(out), BLOCK):
        out[start : start + BLOCK] = distances(embedding[start : start + BLOCK], centers).min(1)
    return out


def distances(A: Any, B: Any) -> Array:
    """(n, m) squared Euclidean distances, float64 where both are that."""
    A, B = real(A), real(B)
    if A.dtype != B.dtype:
        A, B = A.astype(np.float32, copy=False), B.astype(np.float32, copy=False)
    D: Array = A @ B.T
    D *= -2
    D += np.einsum("ij,ij->i", A, A)[:, None]
    D += np.einsum("ij,ij->i", B, B)
    np.maximum(D, 0, out=D)
    return D


def cosines(A: Any, B: Any) -> Array:
    """(n, m) float32 cosines of rows; where all are far from the origin, as seen from the middle of B.

    From far away all directions are the same, and a cosine of 1 says nothing of who is like whom. Sparse rows stay so.
    """
    if hasattr(B, "tocsr"):
        a, b = (M.astype(np.float64) if M.dtype.kind != "f" or M.dtype.itemsize < 4 else M for M in (A, B))
        product = a @ b.T
        dots = np.asarray(product.todense() if hasattr(product, "todense") else product, np.float64)
        lengths = [np.sqrt(np.asarray(M.multiply(M).sum(axis=1), np.float64)).reshape(-1) for M in (a, b)]
        scale = np.outer(*lengths)
        return np.asarray(np.divide(dots, scale, out=np.zeros_like(dots), where=scale > 0), np.float32)
    center = middle(B)
    if center is not None:
        A, B = (np.subtract(M, center, dtype=np.float64) for M in (A, B))
    found: Array = unit(A) @ unit(B).T
    return found


def mean_row(embedding: Any) -> Array:
    """(d,) mean of the rows, of their type."""
    total = np.zeros(embedding.shape[1])
    for start in range(0, len(embedding), BLOCK):
        total += real(embedding[start : start + BLOCK]).sum(0, dtype=np.float64)
    return (total / max(1, len(embedding))).astype(real(embedding[:1]).dtype)


def unit(embedding: Any, dtype: type[np.floating[Any]] = np.float32) -> Array:
    """(n, d) rows scaled to length one; rows of zeros stay zero."""
    E = np.array(embedding, dtype)
    length = np.sqrt(np.einsum("...j,...j->...", E, E, dtype=np.float64)).astype(dtype)
    E /= np.where(length > 0, length, 1)[..., None]
    return E
