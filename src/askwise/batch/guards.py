"""Batch rules that walk a ranking, best first, leaving rows out."""

from __future__ import annotations

import math

import numpy as np

from askwise.batch.distances import BLOCK
from askwise.core import Array, Rows


def apart(embedding: Array, labeled: Array, k: int, closest: float = 0.95) -> Rows:
    """The first k rows without near-duplicates: none with a cosine above `closest` to a labeled or picked row.

    Where there are fewer, rows that were passed over fill up, first come first.

    Args:
        embedding: (n, d), most useful row first.
        labeled: (m, d) labeled and pending rows.
        k: Rows wanted.
        closest: Largest cosine allowed.
    """
    E, L = _unit(embedding), _unit(labeled)
    near = np.zeros(len(E), bool)
    for start in range(0, len(L), BLOCK):
        near |= (E @ L[start : start + BLOCK].T).max(1) > closest
    picked: list[int] = []
    while len(picked) < k and not near.all():
        i = int(near.argmin())
        picked.append(i)
        near |= E @ E[i] > closest
        near[i] = True
    return _fill(np.asarray(picked, np.intp), len(E), k)


def quota(proba: Array, k: int, share: float | None = None) -> Rows:
    """The first k rows with at most ceil(k * share) of one predicted class.

    Where there are fewer, rows that were passed over fill up, first come first.

    Args:
        proba: (n, classes), most useful row first.
        k: Rows wanted.
        share: Largest share of the batch for one class; default an equal one, 1 / classes.
    """
    P = np.asarray(proba)
    n, classes = P.shape
    # rounded, so that equals stay equals whatever the shard they were computed in
    guess = np.round(P, 5).argmax(1)
    order = np.argsort(guess, kind="stable")
    place = np.empty(n, np.intp)
    first = np.searchsorted(guess[order], guess[order])
    place[order] = np.arange(n) - first
    most = math.ceil(k * (1 / classes if share is None else share) - 1e-9)
    return _fill(np.flatnonzero(place < most)[:k], n, k)


def _fill(picked: Rows, n: int, k: int) -> Rows:
    """The picked rows, then the first others."""
    if len(picked) >= k:
        return picked[:k]
    return np.concatenate([picked, np.setdiff1d(np.arange(n), picked)[: k - len(picked)]])


def _unit(rows: Array) -> Array:
    """Rows of length 1, float32; rows of zeros stay zeros."""
    E = np.asarray(rows, np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", E, E))
    return np.asarray(E / np.where(length > 0, length, 1)[:, None])
