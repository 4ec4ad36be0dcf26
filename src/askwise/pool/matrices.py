"""The rows of a matrix as items: a sequence without a copy, and the digest of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from askwise.core import Matrix


class FeatureRows(Sequence[Any]):
    """The rows of a matrix as a sequence, dense or sparse, without a copy."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return FeatureRows(self.matrix[index])
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.matrix[index if index >= 0 else index + len(self)]


BLOCK = 1 << 24
"""Matrix elements checked at a time, so that a memory map never has to fit in memory."""


def row_digests(matrix: Matrix) -> list[bytes]:
    """SHA-256 of each row of an (n, d) matrix of finite numbers, 32 bytes: `ItemKind.digest` of such items."""
    digests = sparse_digests(matrix) if hasattr(matrix, "tocsr") else dense_digests(matrix)
    return [digest for _, digest in digests]


def dense_digests(array: Any) -> Iterator[tuple[bool, bytes]]:
    """For each row whether it is finite, and its digest."""
    # The hash depends on the values alone: neither on byte order, nor on the sign of a zero, nor on the block.
    dtype = array.dtype.newbyteorder("<") if array.dtype.itemsize <= 8 else np.dtype("<f8")
    for block in _blocks(array):
        dense = np.ascontiguousarray(array[block], dtype=dtype)
        finite = np.isfinite(dense).all(axis=1)
        dense = dense + dtype.type(0) if dtype.kind == "f" else dense
        for good, row in zip(finite.tolist(), dense, strict=True):
            yield good, hashlib.sha256(row.tobytes()).digest()


def sparse_digests(matrix: Any) -> Iterator[tuple[bool, bytes]]:
    """The same of a CSR matrix without zeros and duplicates."""
    for start, stop in zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True):
        values = matrix.data[start:stop]
        places = matrix.indices[start:stop].astype("<i8").tobytes()
        content = places + values.astype(values.dtype.newbyteorder("<")).tobytes()
        yield bool(np.isfinite(values).all()), hashlib.sha256(content).digest()


def _blocks(array: Any) -> Iterator[slice]:
    step = max(1, BLOCK // array.shape[1])
    for start in range(0, array.shape[0], step):
        yield slice(start, start + step)
