"""Batch rules that set labeled rows against the rest."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import BLOCK, framed, mean_row, nearest
from askwise.core import Array, Rows

SAMPLE = 5000
"""Unlabeled rows at most that the discriminator learns from."""
PARTS = 10
"""Parts of a batch between which the discriminator learns anew (Gissin & Shalev-Shwartz use 10 to 20)."""


def falcun(score: Array, proba: Array, k: int, rng: np.random.Generator, *, power: float = 10.0) -> Rows:
    """Draws with chance (doubt + distance)^10, both in [0, 1] (FALCUN, Gilhuber et al., 2024).

    The score is the doubt (one minus margin). The distance of a row is its doubt at first, then the smaller of that and
    its absolute distance from the probabilities of the last pick, scaled to [0, 1] after each pick. Where all chances
    are zero they are equal.
    """
    n = len(score)
    # products round the last bits differently in different shards
    P = np.round(proba.astype(np.float64), 5)
    distance = score.copy()
    free = np.ones(n)
    picked: list[int] = []
    for _ in range(min(k, n)):
        if picked:
            distance = np.minimum(distance, np.abs(P - P[picked[-1]]).sum(1))
            distance -= distance.min()
            distance /= distance.max() or 1.0
        chance = (score + distance) ** power * free
        total = np.cumsum(chance if chance.sum() > 0 else free)
        i = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
        picked.append(i)
        free[i] = 0
    return np.asarray(picked, np.intp)


def discriminative(embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """What a classifier of labeled against unlabeled finds most surely unlabeled (Gissin & Shalev-Shwartz, 2019).

    The classifier is a logistic regression with both sides weighing the same, on at most `SAMPLE` unlabeled rows; the
    batch comes in `PARTS` parts, each picked row counting as labeled for the next. Without labels the row nearest the
    mean comes first.
    """
    embedding, labeled = framed(embedding, labeled)
    n, m = len(noise), len(labeled)
    k = min(k, n)
    known = np.asarray(labeled, np.float32)
    picked: list[int] = []
    if not m:
        picked.append(int(nearest(embedding, mean_row(embedding)[None]).argmin()))
        known = np.asarray(embedding[picked], np.float32)
    if len(picked) == k:
        return np.asarray(picked, np.intp)
    sample = np.arange(n) if n <= SAMPLE else np.sort(rng.choice(n, SAMPLE, replace=False))
    first = len(known)
    # the rows in between wait for what will be picked
    rows = np.zeros((first + k + len(sample), known.shape[1]), np.float32)
    rows[:first], rows[first + k :] = known, embedding[sample]
    side = np.zeros(len(rows), np.int8)
    side[:first], side[first + k :] = -1, ~np.isin(sample, picked)
    learner = Discriminator(rows, side)
    while len(picked) < k:
        surely = np.round(_project(embedding, learner.fit(side)[:-1]), 6)
        surely[picked] = -np.inf
        more = top_k(surely, noise, min(-(-k // PARTS), k - len(picked)))
        here = slice(first + len(picked), first + len(picked) + len(more))
        learner.put(here, np.asarray(embedding[more], np.float32))
        side[here] = -1
        picked.extend(int(i) for i in more)
        side[first + k :][np.isin(sample, more)] = 0
    return np.asarray(picked, np.intp)


def _project(embedding: Array, w: Array) -> Array:
    """(n,) products, scaled to a spread of one so that rounding treats every classifier alike."""
    out = np.empty(len(embedding))
    for start in range(0, len(out), BLOCK):
        out[start : start + BLOCK] = np.asarray(embedding[start : start + BLOCK], np.float32) @ w.astype(np.float32)
    return out / (float(out.std()) or 1.0)


class Discriminator:
    """Logistic regression of labeled (-1) against unlabeled (1) rows that learns on from its last weights.

    Minimizes the mean loss of each side, added, plus ridge/2 |w|² for features scaled to mean square one; the intercept
    is left free. L-BFGS works in units in which the rows are uncorrelated, where it needs a tenth of the steps.

    Args:
        rows: (n, d) float32.
        side: (n,) -1, 1, or 0 for rows that do not count.
    """

    def __init__(self, rows: Array, side: Array, *, ridge: float = 1e-3) -> None:
        from scipy.linalg import solve_triangular

        free = rows[side > 0]
        self._scale = np.float32(np.sqrt(np.mean(np.square(free), dtype=np.float64)) if free.any() else 1)
        self._A = np.append(rows / self._scale, np.ones((len(rows), 1), np.float32), axis=1)
        self._ridge = np.full(self._A.shape[1], ridge)
        self._ridge[-1] = 0
        # four rows for each column know the correlations well enough
        seen = np.flatnonzero(side)
        some = self._A[seen[:: max(1, len(seen) // (4 * len(self._ridge)))]]
        H = (some.T @ some).astype(np.float64) / (2 * max(1, len(some)))
        H[np.diag_indices_from(H)] += self._ridge + 1e-4
        # H = L L', so v = L' w has curvature about one
        self._back = solve_triangular(np.linalg.cholesky(H), np.eye(len(H)), lower=True).T
        self._v = np.zeros(len(H))

    def put(self, at: slice, rows: Array) -> None:
        """Replace some of the rows."""
        self._A[at, :-1] = rows / self._scale

    def fit(self, side: Array) -> Array:
        """(d + 1,) weights and intercept; zeros where one side is empty."""
        from scipy.optimize import minimize

        counts = np.array([(side < 0).sum(), (side > 0).sum()])
        if not counts.all():
            return np.zeros(len(self._v))
        weight = np.select([side < 0, side > 0], 1 / counts, 0.0)
        sign = np.where(side < 0, -1.0, 1.0)

        def loss(v: Array) -> tuple[float, Array]:
            w = self._back @ v
            z = sign * (self._A @ w.astype(np.float32))
            small = np.exp(-np.abs(z))
            pull = (-sign * weight * np.where(z > 0, small, 1) / (1 + small)).astype(np.float32)
            value = weight @ (np.log1p(small) - np.minimum(z, 0)) + 0.5 * (self._ridge * w) @ w
            return float(value), (pull @ self._A + self._ridge * w) @ self._back

        found = minimize(loss, self._v, jac=True, method="L-BFGS-B", options={"maxiter": 200, "gtol": 1e-4})
        self._v = np.asarray(found.x)
        w = self._back @ self._v
        w[:-1] /= self._scale
        return np.asarray(w)
