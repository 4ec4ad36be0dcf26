"""Pools of features that are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from askwise.core import BadInput, Matrix
from askwise.pool.build import Builder, values_of
from askwise.pool.items import Pool
from askwise.pool.matrices import FeatureRows, dense_digests, sparse_digests
from askwise.tables import (
    Table,
)


def from_array(array: Any, ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    """A pool of a dense matrix."""
    shape = " × ".join(map(str, array.shape))
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise BadInput(
            f"Got a NumPy array of {array.dtype} with shape ({shape}). An array pool is (n, d) numbers, one row an "
            "item (reshape images with X.reshape(len(X), -1)); texts go in a list."
        )
    _check_shape(array, shape)
    return _from_matrix(array, dense_digests(array), ids, labels, address)


def from_sparse(source: Any, ids: Any, labels: Any, address: dict[str, Any]) -> Pool:
    """A pool of a sparse matrix."""
    if len(source.shape) != 2 or source.dtype.kind not in "biuf":
        raise BadInput(f"Got a sparse {source.dtype} matrix of shape {source.shape}. Give (n, d) real numbers.")
    _check_shape(source, " × ".join(map(str, source.shape)))
    matrix = source.tocsr(copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return _from_matrix(matrix, sparse_digests(matrix), ids, labels, address)


def _check_shape(matrix: Any, shape: str) -> None:
    if 0 in matrix.shape:
        raise BadInput(f"The matrix is empty ({shape}). Give at least one row and one column.")


def _from_matrix(
    matrix: Matrix, digests: Iterable[tuple[bool, bytes]], ids: Any, labels: Any, address: dict[str, Any]
) -> Pool:
    rows = int(matrix.shape[0])
    nowhere = Table({})
    build = Builder(nowhere, values_of(nowhere, "id", ids, rows), values_of(nowhere, "label", labels, rows))
    bad = []
    for row, (finite, digest) in enumerate(digests):
        if not finite:
            bad.append(row + 1)
        build.add(row, digest)
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
        raise BadInput(
            f"{len(bad):,} of {rows:,} rows hold NaN or infinity (rows {shown}). "
            "Fill them in (sklearn.impute.SimpleImputer) or drop them first."
        )
    if 0 < len(build.ids) < rows:  # only then is the matrix copied
        matrix = matrix[np.asarray([source[0] for source in build.sources], dtype=np.intp)]
        nowhere.notes.append(f"{rows - len(build.ids):,} of {rows:,} rows are exact duplicates or were refused.")
    return build.pool(cast("Sequence[Any]", FeatureRows(matrix)), "array", matrix, rows, address)
