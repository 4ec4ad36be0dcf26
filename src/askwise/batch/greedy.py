"""Batch rules that add one row at a time where a regressor knows least."""

from __future__ import annotations

import numpy as np

from askwise.batch.distances import BLOCK, distances, framed, mean_row, nearest
from askwise.batch.gradient import FINE, ROUNDING, fill, first
from askwise.core import Array, Rows

OFFSET = 4e-7
"""Differences below this part of the largest prediction are float32's rounding."""


def largest_cluster(embedding: Array, labeled: Array, noise: Array, k: int) -> Rows:
    """LCMD: the farthest row of the largest cluster (Holzmüller, Zaverkin, Kästner & Steinwart, 2023).

    Every row belongs to the nearest labeled or picked row; the size of a cluster is the sum of its squared distances.
    A new center can only win rows that are farther from theirs than half the distance between the two centers, so
    the others are left alone. Without labels the row nearest the mean comes first.
    """
    embedding, labeled = framed(embedding, labeled)
    n, k = len(embedding), min(k, len(embedding))
    centers = list(labeled)
    picked: list[int] = []
    bound, home = np.full(n, np.inf, np.float32), np.zeros(n, np.intp)
    if not centers and k:
        picked.append(nearest_the_mean(embedding, noise))
        centers.append(embedding[picked[0]])
    if centers:
        _join(embedding, np.stack(centers), 0, np.arange(n), bound, home)
    while len(picked) < k:
        bound[picked] = 0
        size = np.bincount(home, weights=bound, minlength=len(centers))
        if size.max() <= 0:
            break
        rows = np.flatnonzero(home == size.argmax())
        picked.append(int(rows[first(bound[rows], noise[rows])]))
        center = embedding[picked[-1]][None]
        reach = distances(np.stack(centers), center)[:, 0] * np.float32(0.25 * (1 - 1e-4))
        _join(embedding, center, len(centers), np.flatnonzero(bound >= reach[home]), bound, home)
        centers.append(center[0])
    return fill(picked, noise, k)


def _join(embedding: Array, centers: Array, number: int, rows: Rows, bound: Array, home: Array) -> None:
    """Move rows to the nearest of new centers, numbered from `number`, where that is nearer than theirs."""
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        whole = part[-1] - part[0] + 1 == len(part)
        X = embedding[part[0] : part[-1] + 1] if whole else embedding[part]
        D = _apart(X, centers)
        best = D.argmin(1)
        near = D[np.arange(len(D)), best]
        closer = near < bound[part]
        bound[part[closer]], home[part[closer]] = near[closer], number + best[closer]


def greedy_outputs(mean: Array, labeled_mean: Array, noise: Array, k: int) -> Rows:
    """GSy: the row whose prediction is farthest from every known output (Wu, Lin & Huang, 2019).

    A picked row counts as known with its prediction. Without labels the median prediction comes first.
    """
    k = min(k, len(mean))
    far = _nearest_value(mean, labeled_mean)
    picked: list[int] = []
    while len(picked) < k:
        if np.isinf(far).all():
            i = first(-np.abs(mean - np.median(mean)), noise)
        else:
            far[picked] = 0
            if far.max() <= 0:
                break
            i = first(far, noise)
        picked.append(i)
        far = np.minimum(far, _zeroed(np.abs(mean - mean[i]), np.abs(mean) + abs(mean[i])))
    return fill(picked, noise, k)


def greedy_both(embedding: Array, labeled: Array, mean: Array, labeled_mean: Array, noise: Array, k: int) -> Rows:
    """iGS: the row with the largest min_l |x - x_l| |f(x) - y_l| over the known rows (Wu, Lin & Huang, 2019).

    Far in the features and in the output from every known row; a picked row counts as known with its prediction.
    Without labels the row nearest the mean comes first.

    Args:
        embedding: (n, d).
        labeled: (m, d) known rows.
        mean: (n,) predictions.
        labeled_mean: (m,) outputs of the known rows.
        noise: (n,) decides ties.
        k: Rows wanted.
    """
    embedding, labeled = framed(embedding, labeled)
    n, k = len(embedding), min(k, len(embedding))
    value = np.asarray(mean, np.float64)
    far = np.full(n, np.inf)
    picked: list[int] = []
    if len(labeled):
        _keep_away(far, embedding, value, labeled, np.asarray(labeled_mean, np.float64))
    while len(picked) < k:
        if np.isinf(far).all():
            i = nearest_the_mean(embedding, noise)
        else:
            far[picked] = 0
            if far.max() <= 0:
                break
            i = first(far, noise)
        picked.append(i)
        _keep_away(far, embedding, value, embedding[i][None], value[i][None])
    return fill(picked, noise, k)


def _keep_away(far: Array, embedding: Array, value: Array, known: Array, outputs: Array) -> None:
    for start in range(0, len(far), BLOCK):
        part = slice(start, start + BLOCK)
        apart = np.sqrt(_apart(embedding[part], known))
        here = value[part][:, None]
        gap = _zeroed(np.abs(here - outputs), np.abs(here) + np.abs(outputs))
        np.minimum(far[part], (apart * gap).min(1), out=far[part])


def nearest_the_mean(embedding: Array, noise: Array) -> int:
    """The row nearest the mean of all."""
    return first(-nearest(embedding, mean_row(embedding)[None]), noise)


def _nearest_value(values: Array, known: Array) -> Array:
    """(n,) distance of each value to the nearest known one, by binary search."""
    if not len(known):
        return np.full(len(values), np.inf)
    ordered = np.sort(np.asarray(known, np.float64))
    right = np.searchsorted(ordered, values)
    above = np.abs(ordered[np.minimum(right, len(ordered) - 1)] - values)
    below = np.abs(ordered[np.maximum(right - 1, 0)] - values)
    return _zeroed(np.minimum(above, below), np.abs(values))


def _apart(X: Array, centers: Array) -> Array:
    """Squared distances, those of coinciding rows exactly zero."""
    D = distances(X, centers)
    lengths = np.einsum("ij,ij->i", X, X)[:, None] + np.einsum("ij,ij->i", centers, centers)
    return _zeroed(D, lengths, ROUNDING if D.dtype == np.float32 else FINE)


def _zeroed(D: Array, scale: Array, rounding: float = ROUNDING) -> Array:
    D[scale * rounding >= D] = 0
    return D


def thompson(members: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """Thompson sampling: each row is the best by a regressor drawn from the committee (Thompson, 1933).

    Members are drawn without repeating one before all had their turn; a row that is picked already gives way to the
    member's next best.

    Args:
        members: (n, members) predictions of regressors that are draws from a posterior, or stand for such.
        noise: (n,) decides ties.
        k: Rows wanted.
        rng: Draws the members.
    """
    k = min(k, len(members))
    picked: list[int] = []
    free = np.ones(len(members), bool)
    while len(picked) < k:
        for member in rng.permutation(members.shape[1])[: k - len(picked)]:
            rows = np.flatnonzero(free)
            value = np.asarray(members[rows, member], np.float64)
            # what an offset of the target leaves to float32 decides nothing
            tied = np.flatnonzero(value >= value.max() - OFFSET * np.abs(value).max())
            picked.append(int(rows[tied[noise[rows[tied]].argmax()]]))
            free[picked[-1]] = False
    return np.asarray(picked, np.intp)
