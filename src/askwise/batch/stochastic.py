"""Batch rules that draw at random."""

from __future__ import annotations

from typing import Literal

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.cluster import lloyd
from askwise.batch.distances import assign, places
from askwise.core import Array, BadInput, Rows

Kind = Literal["power", "softmax", "rank"]
STRATA = 100
ROUNDING = 1e-5
"""How far below 0 a score that cannot be negative may come out: differences of entropies in float32 do."""


def stochastic(score: Array, noise: Array, k: int, kind: Kind = "power", beta: float = 1.0) -> Rows:
    """K rows drawn without replacement, likelier the better their score (Kirsch et al., 2023).

    A row's chance of coming next is proportional to score^beta ("power"; scores of 0 or more), exp(beta * score)
    ("softmax") or rank^-beta ("rank", the best row is 1, equals share their mean rank). Drawn as the k largest of the
    logarithm of that weight plus Gumbel noise, which gives that law (Kool, van Hoof & Welling, 2019).

    Args:
        score: (n,) of every candidate, not of a shortlist.
        noise: (n,) uniform in [0, 1); its lower bits make the Gumbel noise, its upper ones break ties as ever.
        k: Rows wanted.
        kind: The law.
        beta: Coldness: 0 = uniform, large = the best scores.

    Raises:
        BadInput: "power" with a score below 0.
    """
    if kind == "power":
        if len(score) and score.min() < -ROUNDING * max(1.0, float(score.max())):
            raise BadInput(f"'power' needs scores of 0 or more, got {score.min():g}; use 'softmax' or 'rank'.")
        weight = np.log(np.maximum(score, 1e-300))
    elif kind == "softmax":
        weight = score
    else:
        _, place, count = np.unique(-score, return_inverse=True, return_counts=True)
        weight = -np.log((np.cumsum(count) - (count - 1) / 2)[place])
    return top_k(beta * weight + gumbel(noise), noise, k)


def gumbel(noise: Array) -> Array:
    """(n,) standard Gumbel numbers from the lower 26 of the 53 bits of uniform ones, independent of the upper 27."""
    lower = np.mod(noise * 2.0**27, 1.0)
    drawn: Array = -np.log(-np.log(lower + 2.0**-27))
    return drawn


def stratified(embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """K random rows spread over min(k, 100) k-means strata in proportion to their sizes; every row is equally likely.

    Systematic sampling: rows lined up by stratum, in random order within, and every n/k-th taken from a random start
    (Madow & Madow, 1944).
    """
    n = len(embedding)
    k = min(k, n)
    E = places(embedding)
    home = assign(E, lloyd(E, min(k, STRATA), rng)) if k > 1 else np.zeros(n, np.intp)
    line = np.lexsort((noise, home))
    at = ((rng.random() + np.arange(k)) * (n / max(1, k))).astype(np.intp)
    rows = line[np.minimum(at, n - 1)]
    return np.asarray(rows[np.argsort(-noise[rows], kind="stable")], np.intp)
