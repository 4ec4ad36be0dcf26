"""Batch rules that maximize a generalized coverage of the pool (Bae, Noh & Sutherland, 2024).

The coverage of a set S is Σ_u w(u) max_{s in S} similarity(s, u): with a ball of a radius for similarity it is the
objective of ProbCover, with a Gaussian that of MaxHerding, with weights that of uncertainty herding, with the cosine
facility location. Greedy choice is within 1 - 1/e of the best set; only the similarity differs from rule to rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from askwise.batch.distances import distances, framed, places, unit
from askwise.batch.lazy import lazy_greedy
from askwise.core import Array, Rows

REFERENCES = 4096
"""Coverage is counted over all rows, of larger pools over this many random ones: never (n, n)."""
BLOCK = 1024
"""Rows compared with the references at a time."""
SETTLED = 2.0**20
"""Gains count to one part in this of all weight, so that equal rows tie whatever the rounding of products."""

NARROW = 0.01
"""Squared distance of the farthest directions below which cosines are counted from the smallest there can be."""

Similarity = Callable[[Array], Array]
"""Squared distances, which may be overwritten -> similarities in [0, 1]."""


def max_herding(embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """Greedy coverage under a Gaussian (Bae, Noh & Sutherland, 2024).

    Each pick maximizes mean_u max(K(x, u) - max_{l in L} K(l, u), 0), K(x, u) = exp(-|x - u|² / width²). The squared
    width is the median squared distance of rows, which for unit vectors is close to the paper's 1.
    """
    embedding, labeled = framed(embedding, labeled)
    refs = _references(embedding, rng)
    R = embedding[refs]
    return _cover(embedding, R, np.ones(len(R)), labeled, _gaussian(_median(R)), noise, k)


def uncertainty_herding(
    score: Array, embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator
) -> Rows:
    """Greedy coverage of what the score calls doubtful (Bae, Oliveira & Sutherland, 2025).

    MaxHerding with row u weighted by its score, at least zero. The width is the smallest distance of two different
    labeled rows: it shrinks as labels grow, and coverage turns into plain uncertainty. With fewer than two such rows it
    is that of `max_herding`. The paper also calibrates the model by temperature; give calibrated probabilities.
    """
    embedding, labeled = framed(embedding, labeled)
    refs = _references(embedding, rng)
    R = embedding[refs]
    weight = np.maximum(score[refs], 0)
    if not weight.any():
        weight = np.ones(len(R))
    closest = _closest(labeled)
    return _cover(embedding, R, weight, labeled, _gaussian(closest or _median(R)), noise, k)


def prob_cover(
    embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator, *, radius: float | None = None
) -> Rows:
    """Most rows within a radius that nothing labeled or picked covers yet (ProbCover, Yehuda et al., 2022).

    A covered row counts for nobody any more: its incoming edges are gone. Once all is covered, noise decides.

    Args:
        embedding: (n, d) candidates.
        labeled: (m, d) labeled and pending rows, which cover already.
        noise: (n,) numbers for ties.
        k: Rows wanted.
        rng: Draws references.
        radius: Default the median distance of a row to its (n / (m + k))-th neighbor, so that as many balls as there
            are labels would just hold the pool. The paper's own heuristic, balls pure in k-means clusters, needs the
            number of classes and reached fewer right answers with the first 10 to 100 labels of digits.
    """
    embedding, labeled = framed(embedding, labeled)
    refs = _references(embedding, rng)
    R = embedding[refs]
    square = _fair_square(R, len(labeled) + k) if radius is None else radius**2

    def inside(D: Array) -> Array:
        return (square * (1 + 1e-6) >= D).astype(np.float32)

    return _cover(embedding, R, np.ones(len(R)), labeled, inside, noise, min(k, len(noise)))


def facility_location(embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """Every row has a picked one like it: greedy max of Σ_u max_{s in S} cos(s, u) (Wei, Iyer & Bilmes, 2015).

    Labeled rows count as picked, negative cosines as zero. On a shortlist of doubtful rows this is the paper's filtered
    active submodular selection.
    """
    E = places(embedding, directions=True)
    refs = _references(E, rng)
    R, L = E[refs], E.move(unit(labeled, np.float64))
    # within a narrow cone all cosines are nearly 1; what is left of them to the widest angle there tells rows apart
    out = max((float(np.einsum("ij,ij->i", A, A).max(initial=0)) for A in (R, L, E[:])), default=0.0)
    width = 4 * out if E.center is not None and 4 * out < NARROW else 2.0
    return _cover(E, R, np.ones(len(refs)), L, functools.partial(_cosine, width=width or 2.0), noise, k)


# ── the one greedy ──────────────────────────────────────────────────────────────────────────


def _cover(
    embedding: Array, refs: Array, weight: Array, labeled: Array, similarity: Similarity, noise: Array, k: int
) -> Rows:
    """Greedy weighted coverage of the references; labeled rows cover from the start."""
    weight = (weight / weight.sum()).astype(np.float32)
    covered = np.zeros(len(refs), np.float32)
    for start in range(0, len(labeled), BLOCK):
        covered = np.maximum(covered, similarity(distances(labeled[start : start + BLOCK], refs)).max(0))
    minus_twice, squares = -2 * refs.T, np.einsum("ij,ij->i", refs, refs)

    def alike(rows: Array | slice) -> Array:
        block = embedding[rows]
        D = block @ minus_twice
        D += squares
        D += np.einsum("ij,ij->i", block, block)[:, None]
        return similarity(D)

    def gains(rows: Array | slice) -> Array:
        more = alike(rows)
        more -= covered
        np.maximum(more, 0, out=more)
        return np.round((more @ weight).astype(np.float64) * SETTLED) / SETTLED

    def refresh(rows: Rows) -> None:
        for start in range(0, len(rows), BLOCK):
            value[rows[start : start + BLOCK]] = gains(rows[start : start + BLOCK])

    def take(i: int) -> None:
        nonlocal covered, minus_twice, squares, weight
        covered = np.maximum(covered, alike(slice(i, i + 1))[0])
        left = covered < 1 - 1e-5
        if left.sum() < 0.9 * len(left):
            # what is covered wholly adds nothing to anybody
            covered, squares, weight = covered[left], squares[left], weight[left]
            minus_twice = np.ascontiguousarray(minus_twice[:, left])

    n = len(embedding)
    value = np.empty(n)
    for start in range(0, n, BLOCK):
        value[start : start + BLOCK] = gains(slice(start, start + BLOCK))
    return lazy_greedy(lambda: value, refresh, take, noise, min(k, n))


def _references(embedding: Array, rng: np.random.Generator) -> Rows:
    n = len(embedding)
    return np.arange(n) if n <= REFERENCES else np.sort(rng.choice(n, REFERENCES, replace=False))


# ── similarities, their widths ──────────────────────────────────────────────────────────────


def _gaussian(square: float) -> Similarity:
    def similarity(D: Array) -> Array:
        np.multiply(D, -1 / square, out=D)
        value: Array = np.exp(D, out=D)
        return value

    return similarity


def _cosine(D: Array, width: float = 2.0) -> Array:
    """Of rows of length one, what is beyond `1 - width / 2`, as a share of what can be."""
    value: Array = np.maximum(1 - D / width, 0)
    return value


def _median(R: Array, most: int = 1000) -> float:
    """Median squared distance of two rows, from every so-many-th row; 1 where they coincide."""
    R = R[:: max(1, len(R) // most)]
    if len(R) < 2:
        return 1.0
    D = distances(R, R)
    return float(np.median(D[np.triu_indices(len(R), 1)])) or 1.0


def _closest(E: Array, most: int = 4096) -> float:
    """Smallest squared distance of two different rows among the last `most`; 0 = there is none."""
    E = np.unique(E[-most:], axis=0).astype(np.float64)
    best, same = np.inf, 1e-12 * float(np.einsum("ij,ij->i", E, E).max(initial=0))
    for start in range(0, len(E), BLOCK):
        D = distances(E[start : start + BLOCK], E)
        D[np.arange(len(D)), start + np.arange(len(D))] = np.inf
        best = min(best, float(D[same < D].min(initial=np.inf)))
    return best if np.isfinite(best) else 0.0


def _fair_square(R: Array, balls: int, most: int = 1000) -> float:
    """Median squared distance of a row to its (rows / balls)-th neighbor: so many balls would just hold the pool."""
    some = R[:: max(1, len(R) // most)]
    near = min(len(R) - 1, max(1, round(len(R) / balls)))
    return float(np.median(np.partition(distances(some, R), near, axis=1)[:, near])) if near else 0.0
