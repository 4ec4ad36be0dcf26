"""Batch rules by clusters of the shortlist."""

from __future__ import annotations

import functools

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import BLOCK, Places, assign, distances, places
from askwise.core import Array, Rows

LINKED = 5000
"""Rows at most that hierarchical clustering sees; its work grows with their square."""
COMPANY = 5
"""Nearest rows whose mean distance says whether a row has company: six alike are a group, fewer may be outliers."""
FAR = 1.5
"""Times the median of these mean distances beyond which a row is an outlier; items of digits, SMS and TREC are not."""
STRIDE = 1 / 32
"""By how much the interpolation of ALFA-Mix grows at a time."""
PATIENCE = 64
"""Rows, and one for each center, that the start of k-means passes over at most: where all are alone, none is odd."""
COMPARED = 1000
"""Rows at most that each row of a shortlist is compared with for that."""
KEPT = 2**22
"""Distances at most that k-means keeps from one round to the next: 16 MiB."""


def diverse(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """The best row of each of k clusters of the shortlist, clustered by score-weighted k-means (after Zhdanov, 2019).

    Zhdanov asks about the row nearest to each center. The best score in the cluster instead keeps the best row of all
    in the batch, so that k = 1 is `top_k`. Rows far from all others of the shortlist stay out (see `_with_company`): an
    outlier is a cluster of its own, so on digits with 5 % planted outliers these took a fifth of all labels.
    Ordered by score.
    """
    n = len(score)
    if k == 1 or k >= n:
        return top_k(score, noise, k)
    embedding = places(embedding)[:]
    kept = _with_company(embedding, max(k, -(-2 * n // 3)), rng)
    return kept[_best_of_clusters(score[kept], embedding[kept], noise[kept], k, rng)]


def _best_of_clusters(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """The best row of each of k score-weighted clusters, by score; k <= n."""
    n = len(score)
    low, high = float(score.min()), float(score.max())
    weight = (score - low) / (high - low) + 1e-3 if high > low else np.ones(n)
    home = assign(embedding, lloyd(embedding, k, rng, weight=weight))
    order = top_k(score, noise, n)
    _, first = np.unique(home[order], return_index=True)
    # where rows coincide there are fewer clusters than k: what follows by score fills up
    chosen = np.zeros(n, bool)
    chosen[np.sort(first)] = True
    chosen[np.flatnonzero(~chosen)[: k - int(chosen.sum())]] = True
    return order[chosen][:k]


def central(embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """The row nearest to each of k k-means centers, of the largest cluster first; noise has no say but in ties."""
    return _central(places(embedding), None, noise, k, rng)


def weighted_central(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """The row nearest to each of k centers of k-means weighted by the score (CLUE, Prabhu et al., 2021).

    The centers are drawn toward doubtful rows; the rows beside them stand for many such. Negative scores weigh nothing.
    """
    weight = np.maximum(score, 0)
    return _central(places(embedding), weight + 1e-6 * weight.max() if weight.any() else None, noise, k, rng)


def unsteady_central(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """`central` among the rows that score above one half, filled up to k with the next best (Gupte et al., 2024)."""
    kept = np.sort(top_k(score, noise, max(k, int(np.count_nonzero(score > 0.5)))))
    return kept[_central(places(embedding)[kept], None, noise[kept], k, rng)]


def flipping_central(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """`central`, by direction, among the rows whose label the least interpolation changes (Parvaneh et al., 2022).

    The interpolation (minus the score) may grow in steps of `STRIDE` until k rows change their label, but not above 1;
    where fewer do, those that come nearest to it fill up. Clusters are those of rows scaled to length one.
    """
    needed = -score
    k = min(k, len(score))
    enough = STRIDE * np.ceil(np.partition(needed, k - 1)[k - 1] / STRIDE) if k else 0.0
    kept = np.flatnonzero(needed <= min(enough, 1))
    if len(kept) < k:
        return top_k(score, noise, k)
    return kept[_central(places(embedding, directions=True)[kept], None, noise[kept], k, rng)]


def cluster_margin(score: Array, embedding: Array, noise: Array, k: int) -> Rows:
    """Best scores taken in turn from clusters, the smallest first (Citovsky et al., 2021).

    The paper clusters the whole pool once, by average linkage; here the best `LINKED` rows of the shortlist are, into
    clusters of ten rows on average. The best 10 k of them fall into their clusters; rounds take one row from each that
    has any left, smallest clusters first. Within a cluster the best score goes first where the paper draws at random.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    order = top_k(score, noise, max(k, min(len(score), LINKED)))
    if len(order) <= max(k, 2):
        return order[:k]
    E = places(embedding)[order]
    apart = np.sqrt(distances(E, E))
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average")
    home = fcluster(tree, max(1, len(order) // 10), "maxclust")[: max(k, min(len(order), 10 * k))]
    size = np.bincount(home)
    best = np.unique(home, return_index=True)[1]
    age = np.empty(len(size), np.intp)
    age[home[best]] = best
    turn = _rank_within(home)
    return order[np.lexsort((age[home], size[home], turn))[:k]]


def k_means(
    embedding: Array, k: int, rng: np.random.Generator, *, weight: Array | None = None, rounds: int = 10
) -> Array:
    """(k, d) centers by Lloyd's algorithm (1982) on at most 64 * k rows, started as k-means++.

    The first center is a random row, each further one a row drawn with probability proportional to its squared
    distance from the centers so far (Arthur & Vassilvitskii, 2007). An outlier would be drawn first and keep a center
    to itself, so a row starts a center only if `COMPANY` rows are closer to it than to the centers so far (fewer where
    clusters are small), as TypiClust asks of its clusters (Hacohen, Dekel & Weinshall, 2022).

    Args:
        embedding: (n, d), n >= 1; where n < k, some centers coincide.
        k: Number of centers.
        rng: Draws the rows and the start.
        weight: (n,) positive weights of the rows.
        rounds: Iterations at most.

    Returns:
        Centers in float32; float64 where the rows are far from the origin or hard to tell apart.
    """
    E = places(embedding)
    centers = lloyd(E, k, rng, weight=weight, rounds=rounds)
    return centers if E.center is None else centers + E.center


def lloyd(
    embedding: Array | Places, k: int, rng: np.random.Generator, *, weight: Array | None = None, rounds: int = 10
) -> Array:
    """`k_means` of rows that are as distances want them, and so are the centers."""
    n = len(embedding)
    rows = np.arange(n) if n <= 64 * k else np.sort(rng.choice(n, 64 * k, replace=False))
    E = embedding[rows]
    w = np.ones(len(rows), np.float32) if weight is None else weight[rows].astype(np.float32)
    centers = E[_spread_out(E, w, k, rng)]
    find = _Homes(E) if len(E) * k <= KEPT else functools.partial(assign, E)
    home = np.full(len(E), -1)
    for _ in range(rounds):
        before, home = home, find(centers)
        changed = np.flatnonzero(before != home)
        if not len(changed):
            break
        touched = np.zeros(k + 1, bool)  # the last stands for -1
        touched[before[changed]] = touched[home[changed]] = True
        order = np.flatnonzero(touched[home])
        order = order[np.argsort(home[order].astype(np.min_scalar_type(k)), kind="stable")]
        size = np.bincount(home[order], minlength=k)
        found = np.flatnonzero(size)
        first = (np.cumsum(size) - size)[found]
        members = E[order] if weight is None else E[order] * w[order, None]
        centers[found] = np.add.reduceat(members, first, axis=0) / np.add.reduceat(w[order], first)[:, None]
    return centers


class _Homes:
    """Nearest centers of the same (n, d) rows time and again: `assign`, at the cost of the centers that moved."""

    def __init__(self, E: Array) -> None:
        self.E, self.rows = E, np.arange(len(E))
        self.centers = np.zeros((0, E.shape[1]), E.dtype)
        self.home, self.best = self.rows, np.zeros(0, E.dtype)

    def __call__(self, centers: Array) -> Array:
        """(n,) number of the nearest of the (k, d) centers, as many as last time."""
        home: Array
        if len(centers) != len(self.centers):
            self.near = self._near(centers)
            home = self.near.argmax(0)
        else:
            moved = (centers != self.centers).any(1)
            fresh = self._near(centers[moved])
            self.near[moved] = fresh
            # a row looks at all centers again where another came nearer than its own, or its own went away
            own = self.near[self.home, self.rows]
            again = np.flatnonzero((fresh.max(0, initial=-np.inf) > own) | (own < self.best))
            home = self.home.copy()
            home[again] = self.near[:, again].argmax(0)
        self.centers, self.home, self.best = centers.copy(), home, self.near[home, self.rows]
        return home

    def _near(self, centers: Array) -> Array:
        """(k, n) half the squared length of each row less half its squared distance to each center."""
        near: Array = centers @ self.E.T
        near -= 0.5 * np.einsum("ij,ij->i", centers, centers)[:, None]
        return near


def _central(embedding: Array | Places, weight: Array | None, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """Nearest row of each cluster, then second nearest, until there are k; larger clusters first."""
    k = min(k, len(noise))
    centers = lloyd(embedding, k, rng, weight=weight)
    home = assign(embedding, centers)
    apart = np.empty(len(home), np.float32)
    for start in range(0, len(home), BLOCK):
        away = embedding[start : start + BLOCK] - centers[home[start : start + BLOCK]]
        apart[start : start + BLOCK] = np.einsum("ij,ij->i", away, away)
    order = np.lexsort((-noise, apart))
    size = np.bincount(home, minlength=k)
    best = np.lexsort((home[order], -size[home[order]], _rank_within(home[order])))
    return order[best[:k]]


def _with_company(embedding: Array, least: int, rng: np.random.Generator) -> Rows:
    """Ascending rows that are no outliers among these, the `least` closest to others in any case.

    An outlier's mean distance to its `COMPANY` nearest rows is more than `FAR` times the median of these. `least`
    matters where copies make up half of the rows, so that everything else looks far.

    Args:
        embedding: (n, d), n >= 2.
        least: Rows to keep at least, at most n.
        rng: Draws `COMPARED` rows to compare with where there are more.
    """
    n = len(embedding)
    others = np.arange(n) if n <= COMPARED else np.sort(rng.choice(n, COMPARED, replace=False))
    near = min(COMPANY, len(others) - 1)
    apart = np.empty(n)
    for start in range(0, n, BLOCK):
        D = distances(embedding[start : start + BLOCK], embedding[others])
        D[np.arange(start, start + len(D))[:, None] == others] = np.inf  # nobody is their own company
        apart[start : start + BLOCK] = np.sqrt(np.partition(D, near - 1, axis=1)[:, :near]).mean(1)
    limit = max(FAR * float(np.median(apart)), np.partition(apart, least - 1)[least - 1])
    return np.flatnonzero(apart <= limit)


def _rank_within(home: Array) -> Array:
    """(n,) how many rows of the same cluster come before each."""
    order = np.argsort(home, kind="stable")
    _, first, size = np.unique(home[order], return_index=True, return_counts=True)
    rank = np.empty(len(home), np.intp)
    rank[order] = np.arange(len(home)) - np.repeat(first, size)
    return rank


def _spread_out(E: Array, weight: Array, k: int, rng: np.random.Generator) -> Rows:
    """(k,) rows by D² sampling that passes over outliers; where fewer than k differ, rows repeat."""
    squares = np.einsum("ij,ij->i", E, E)

    def apart(i: int) -> Array:
        away: Array = E.dot(E[i])
        away *= -2
        away += squares
        away += squares[i]
        return np.maximum(away, 0, out=away)

    rows = [int(rng.choice(len(E), p=weight / weight.sum(dtype=np.float64)))]
    nearest = apart(rows[0])
    nearest[rows[0]] = 0
    allowed = weight
    needed = min(COMPANY, len(E) // (4 * k))
    patience = PATIENCE + k
    while len(rows) < k:
        chance = np.cumsum(nearest * allowed, dtype=np.float64)
        if needed and not chance[-1] > 0:
            allowed, needed = weight, 0
            continue
        i = min(int(np.searchsorted(chance, rng.random() * chance[-1], side="right")), len(E) - 1)
        closer = apart(i)
        if np.count_nonzero(closer < nearest) < needed:
            allowed = np.where(np.arange(len(E)) == i, 0, allowed)
            patience -= 1
            needed = needed if patience else 0
            continue
        rows.append(i)
        np.minimum(nearest, closer, out=nearest)
        nearest[i] = 0
    return np.asarray(rows, np.intp)
