"""Distances by blocks, never (n, n)."""

from __future__ import annotations

import numpy as np

from askwise.core import Array

BLOCK = 4096
"""Rows of a distance block: large enough for the matrix product, small enough for the cache."""


def assign(embedding: Array, centers: Array) -> Array:
    """(n,) number of the nearest center."""
    half = 0.5 * np.einsum("ij,ij->i", centers, centers)
    home = np.empty(len(embedding), np.intp)
    for start in range(0, len(home), BLOCK):
        block = np.asarray(embedding[start : start + BLOCK], np.float32)
        home[start : start + BLOCK] = (block @ centers.T - half).argmax(1)
    return home


def nearest(embedding: Array, centers: Array) -> Array:
    """(n,) squared distance to the nearest center, by blocks: never (n, n)."""
    out = np.empty(len(embedding), np.float32)
    for start in range(0, len(out), BLOCK):
        block = np.asarray(embedding[start : start + BLOCK], np.float32)
        out[start : start + BLOCK] = distances(block, centers).min(1)
    return out


def distances(A: Array, B: Array) -> Array:
    """(n, m) squared Euclidean distances."""
    A, B = np.asarray(A, np.float32), np.asarray(B, np.float32)
    D: Array = A @ B.T
    D *= -2
    D += np.einsum("ij,ij->i", A, A)[:, None]
    D += np.einsum("ij,ij->i", B, B)
    np.maximum(D, 0, out=D)
    return D


def mean_row(embedding: Array) -> Array:
    """(d,) float32 mean of the rows."""
    total = np.zeros(embedding.shape[1])
    for start in range(0, len(embedding), BLOCK):
        total += np.asarray(embedding[start : start + BLOCK], np.float32).sum(0)
    return (total / max(1, len(embedding))).astype(np.float32)


def unit(embedding: Array) -> Array:
    """(n, d) float32 rows scaled to length one; rows of zeros stay zero."""
    E = np.array(embedding, np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", E, E))
    E /= np.where(length > 0, length, 1)[:, None]
    return E
