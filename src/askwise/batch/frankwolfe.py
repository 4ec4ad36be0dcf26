"""Batch rules that stand for the whole pool in the eyes of a posterior."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.core import Array, Rows

TINY = 1e-12
NEGLIGIBLE = 1e-5
"""Part of the sum of all lengths that counts as nothing missing: float32 has no more to say."""
PATIENCE = 10
"""Steps for each row wanted before the rest is filled up: a step may return to a row that is in already."""
DIGITS = 6
"""Of an alignment, in parts of the largest: what shards round differently lies below."""


def sparse_posterior(committee: Array, noise: Array, k: int) -> Rows:
    """ACS-FW: few weighted rows whose expected log likelihood is that of the pool (Pinsler et al., 2019).

    For a committee of M posterior draws a row is the vector L of E_y log p_m(y) + H(y) over the members m, over √M,
    with y from the mean probabilities. Frank-Wolfe steps bring the weighted sum of few rows near the sum of all: next
    comes the row best aligned with what is missing, <missing, L / |L|>, its weight by line search. In the order in
    which rows come in; the longest vectors fill up where no step leads to a new row.

    Args:
        committee: (members, n, classes).
        noise: (n,) for ties.
        k: Rows wanted.
    """
    L = log_likelihoods(committee)
    n, k = len(L), min(k, len(L))
    length = np.sqrt((L * L).sum(1))
    budget, whole = float(length.sum()), L.sum(0)
    reached = np.zeros(L.shape[1])
    direction = L / np.where(length > 0, length, 1)[:, None]
    picked: dict[int, None] = {}
    for _ in range(PATIENCE * k):
        if len(picked) == k:
            break
        missing = whole - reached
        fit = direction @ missing
        scale = float(np.abs(fit).max())
        if not scale > NEGLIGIBLE * budget:
            break
        fit = np.where(length > 0, np.round(fit / scale, DIGITS), -np.inf)
        best = np.flatnonzero(fit == fit.max())
        i = int(best[noise[best].argmax()])
        step = budget * direction[i] - reached
        share = min(max(float(step @ missing) / max(float(step @ step), TINY), 0.0), 1.0)
        if not share > 0:
            break
        reached += share * step
        picked[i] = None
    rows = np.array(list(picked), np.intp)
    rest = np.setdiff1d(np.arange(n), rows)
    return np.concatenate([rows, rest[top_k(np.round(length[rest], DIGITS), noise[rest], k - len(rows))]])


def log_likelihoods(committee: Array) -> Array:
    """(n, members) Σ_y p̄_y (log p_m(y) - log p̄_y) / √members, p̄ the mean over the members."""
    P = np.asarray(committee, np.float64)
    mean = P.mean(0)
    log_mean = np.log(np.maximum(mean, TINY))
    members = [(mean * (np.log(np.maximum(p, TINY)) - log_mean)).sum(1) for p in P]
    L: Array = np.stack(members, axis=1) / np.sqrt(len(P))
    return L
