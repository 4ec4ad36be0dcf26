"""Batch rules that set labeled rows against the rest."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import BLOCK, mean_row, nearest
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
    n, m = len(noise), len(labeled)
    k = min(k, n)
    known = np.asarray(labeled, np.float32)
    picked: list[int] = []
    if not m:
        picked.append(int(nearest(embedding, mean_row(embedding)[None]).argmin()))
        known = np.asarray(embedding[picked], np.float32)
    sample = np.arange(n) if n <= SAMPLE else np.sort(rng.choice(n, SAMPLE, replace=False))
    U = np.asarray(embedding[sample], np.float32)
    w: Array | None = None
    while len(picked) < k:
        w = discriminator(known, U[~np.isin(sample, picked)], w)
        surely = np.round(_project(embedding, w[:-1]), 6)
        surely[picked] = -np.inf
        more = top_k(surely, noise, min(-(-k // PARTS), k - len(picked)))
        picked.extend(int(i) for i in more)
        known = np.concatenate([known, np.asarray(embedding[more], np.float32)])
    return np.asarray(picked, np.intp)


def _project(embedding: Array, w: Array) -> Array:
    """(n,) products, scaled to a spread of one so that rounding treats every classifier alike."""
    out = np.empty(len(embedding))
    for start in range(0, len(out), BLOCK):
        out[start : start + BLOCK] = np.asarray(embedding[start : start + BLOCK], np.float32) @ w.astype(np.float32)
    return out / (float(out.std()) or 1.0)


def discriminator(labeled: Array, unlabeled: Array, start: Array | None = None, *, ridge: float = 1e-3) -> Array:
    """(d + 1,) weights and intercept of a logistic regression, 1 = unlabeled.

    Minimizes the mean loss of each side, added, plus ridge/2 |w|² for features scaled to mean square one; the intercept
    is left free.
    """
    from scipy.optimize import minimize

    if not len(unlabeled):
        return np.zeros(labeled.shape[1] + 1)
    scale = float(np.sqrt(np.mean(np.square(unlabeled, dtype=np.float64)))) or 1.0
    A = np.concatenate([labeled, unlabeled]) / np.float32(scale)
    side = np.repeat([-1.0, 1.0], [len(labeled), len(unlabeled)])
    weight = np.where(side < 0, 1 / len(labeled), 1 / len(unlabeled))
    back = np.append(np.full(A.shape[1], scale), 1.0)

    def loss(w: Array) -> tuple[float, Array]:
        z = side * (A @ w[:-1].astype(np.float32) + w[-1])
        pull = -side * weight / (1 + np.exp(np.clip(z, -500, 500)))
        gradient = np.append(pull.astype(np.float32) @ A + ridge * w[:-1], pull.sum())
        return float(weight @ np.logaddexp(0, -z) + 0.5 * ridge * w[:-1] @ w[:-1]), gradient

    begin = np.zeros(len(back)) if start is None else start * back
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200, "gtol": 1e-5})
    return np.asarray(found.x / back)
