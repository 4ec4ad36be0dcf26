"""Features as everything else may take them: real numbers in a dense array or in CSR, all of them finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Matrix, Rows

LARGEST = 1e18
"""Larger numbers are refused: the squared length of some columns of these is still far from float32's end, 3e38."""
BLOCK = 2**20
"""Numbers looked at together: they stay in the cache."""


def as_features(X: Any, name: str = "X") -> Matrix:
    """(n, d) features out of what people have: an array, nested lists, a frame, a sparse matrix of any format.

    Sparse ones come back as CSR, never dense; arrays and memory maps of numbers as they are, nothing copied; columns of
    a frame and numbers written as objects as float64.

    Raises:
        BadInput: not two dimensions, or not real numbers.
    """
    if hasattr(X, "tocsr"):
        if getattr(X, "ndim", 2) != 2:
            raise BadInput(f"{name} must have two dimensions (rows, columns), got shape {X.shape}.")
        return _real_sparse(X.tocsr(), name)
    if np.ma.isMaskedArray(X):
        raise BadInput(f"{name} is a masked array. Fill it in, {name}.filled(…), or drop the masked rows first.")
    detach = getattr(X, "detach", None)
    try:
        given = X.to_numpy() if hasattr(X, "to_numpy") else X if detach is None else detach().cpu()
        A = given if isinstance(given, np.ndarray) and not isinstance(given, np.matrix) else np.asarray(given)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} must be (n, d) numbers, one row an item, each with as many: {error}.") from error
    if A.ndim != 2:
        raise BadInput(
            f"{name} must have two dimensions (rows, columns), got shape {A.shape}."
            + (" Of a single column write X[:, None]; of a single row X[None]." if A.ndim == 1 else "")
        )
    if A.dtype.kind == "O":
        return _numbers(A, name)
    if A.dtype.kind not in "biuf":
        raise BadInput(f"{name} must hold real numbers, got {A.dtype}. {_way_out(A.dtype)}")
    if A.dtype.kind == "f" and A.dtype.itemsize > 8:
        return A.astype(np.float64)
    return A if A.dtype.isnative else A.astype(A.dtype.newbyteorder("="))


def computable(block: Matrix) -> Matrix:
    """Rows in a type to compute in: whole numbers overflow and float16 loses the order of scores."""
    kind, size = block.dtype.kind, block.dtype.itemsize
    if kind == "f" and 4 <= size <= 8:
        return block
    return block.astype(np.float32 if size <= 2 else np.float64)


def check_finite(X: Matrix, rows: Rows | None = None, name: str = "X", *, missing: bool = False) -> None:
    """Look at every number once.

    Args:
        X: (n, d) from `as_features`.
        rows: Ascending rows to look at; None = all.
        name: What it is called.
        missing: NaN is allowed.

    Raises:
        BadInput: NaN, infinity, or numbers so large that their squares overflow; names row and column.
    """
    n, d = X.shape
    sparse = hasattr(X, "tocsr")
    if X.dtype.kind in "bu" or n == 0 or d == 0 or (X.dtype.kind == "i" and X.dtype.itemsize <= 4):
        return  # none of these can be too large
    whole = rows is None or len(rows) == n
    if sparse:
        found = X if whole else X[rows]
        if not _fine(found.data, missing):
            at = int(np.flatnonzero(_bad(found.data, missing))[0])
            row = int(np.searchsorted(found.indptr, at, side="right")) - 1
            _refuse(name, row if rows is None or whole else int(rows[row]), int(found.indices[at]), found.data[at])
        return
    step = max(1, BLOCK // d)
    count = n if rows is None else len(rows)
    for start in range(0, count, step):
        part = slice(start, start + step)
        numbers: Any = slice(start, min(start + step, count)) if rows is None or whole else _stretch(rows[part])
        block = X[numbers]
        if not _fine(block, missing):
            exact = rows[part] if rows is not None else np.arange(start, min(start + step, count))
            bad = np.argwhere(_bad(X[exact], missing))
            if len(bad):
                row, column = bad[0]
                _refuse(name, int(exact[row]), int(column), X[exact[row], column])


def _stretch(rows: Rows) -> Any:
    """The rows, as a slice where nearly all in between are among them: nothing is copied then."""
    first, end = int(rows[0]), int(rows[-1]) + 1
    return slice(first, end) if end - first <= 1.25 * len(rows) else rows


def _fine(values: Array, missing: bool) -> bool:
    """Whether all numbers surely are good: one pass, and a closer look only where that is in doubt."""
    if not values.size:
        return True
    if missing or values.dtype.kind != "f":
        return not bool(_bad(values, missing).any())
    flat = values.reshape(-1) if values.flags.c_contiguous else values.T.reshape(-1)
    if values.dtype == np.float16:
        flat = flat.astype(np.float32)
    # NaN and infinity stay in a sum of squares, and too large a number shows in it; a long sum is no error
    with np.errstate(all="ignore"):
        total = float(flat @ flat)
    return total <= LARGEST**2 or (not math.isnan(total) and not bool(_bad(values, missing).any()))


def _bad(values: Array, missing: bool) -> Array:
    with np.errstate(invalid="ignore"):
        good = np.abs(values.astype(np.float64, copy=False)) <= LARGEST
    return np.asarray(~(good | np.isnan(values)) if missing else ~good)


def _refuse(name: str, row: int, column: int, value: Any) -> None:
    where = f"{name} holds {value:.6g} in row {row}, column {column}"
    if math.isnan(value) or math.isinf(value):
        raise BadInput(f"{where}; features must be finite numbers. Fill such cells in, or leave the rows out.")
    raise BadInput(f"{where}; squares of numbers beyond {LARGEST:g} overflow. Divide the column by its largest value.")


def _real_sparse(X: Any, name: str) -> Matrix:
    if X.dtype.kind == "O":
        try:
            X = X.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise BadInput(f"{name} must hold real numbers: {error}.") from error
    if X.dtype.kind not in "biuf":
        raise BadInput(f"{name} must hold real numbers, got {X.dtype}. {_way_out(X.dtype)}")
    return X.astype(np.float64) if X.dtype.kind == "f" and X.dtype.itemsize > 8 else X


def _numbers(A: Array, name: str) -> Array:
    """Numbers out of objects; texts, even of digits, are none."""
    for at, value in np.ndenumerate(A):
        if isinstance(value, (str, bytes, complex)) and not isinstance(value, (float, int)):
            row, column = at
            raise BadInput(
                f"{name} holds {value!r} in row {row}, column {column}; features must be real numbers. Encode other "
                "columns first, say with scikit-learn's OneHotEncoder, or give the frame to load_pool."
            )
    try:
        return A.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} must hold real numbers: {error}.") from error


def _way_out(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "c":
        return "Give real and imaginary part as columns of their own."
    if dtype.kind in "USOT":
        return "Encode texts first (askwise.load_pool and Session do), or change numbers with X.astype(float)."
    return "Change it with X.astype(float)."


def joined(first: Matrix, more: Matrix) -> Matrix:
    """(n + k, d) features of a pool, and of items that came later, one below the other; dense or CSR as the first."""
    if hasattr(first, "tocsr"):
        from scipy import sparse

        return sparse.vstack([first, more], format="csr", dtype=first.dtype)
    return np.concatenate([first, np.asarray(more, dtype=first.dtype)])
