"""Batch rules on gradients of a linear last layer, kept as their two factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import BLOCK, places
from askwise.core import Array, Rows

ROUNDING = 4e-6
"""Squared distances below this part of the squared lengths are float32's rounding: the rows coincide."""
FINE = 1e-13
"""The same for float64."""


def badge(proba: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """BADGE: k-means++ on the gradients that the model's own answers would cause (Ash et al., 2020).

    The gradient of a row is g = a ⊗ x, a = p - e_ŷ, so |g - h|² = |a|²|x|² + |b|²|z|² - 2 (a · b)(x · z) needs no
    gradient. The longest comes first, each further row is drawn with probability proportional to the squared
    distance D² to the rows picked (Arthur & Vassilvitskii, 2007). Distances only shrink, so an old D² is an upper
    bound: a row drawn by it and kept with probability new / old follows the same law, and the pool is read again only
    when less than half are kept. Rows whose distance is zero come last, by noise.

    Args:
        proba: (n, classes).
        embedding: (n, d) dense rows before the last layer.
        noise: (n,) decides ties.
        k: Rows wanted.
        rng: Draws.
    """
    g = _Gradients(proba, embedding)
    n, k = len(noise), min(k, len(noise))
    picked = [int(i) for i in top_k(g.squares, noise, min(k, 1))]
    bound = np.full(n, np.inf, g.dtype)
    seen = 0  # centers that `bound` knows
    while len(picked) < k:
        g.approach(bound, picked[seen:])
        bound[picked] = 0
        seen = len(picked)
        total = np.cumsum(bound, dtype=np.float64)
        if total[-1] <= 0:
            break
        kept = drawn = 0
        while len(picked) < k and (drawn < 64 or 2 * kept >= drawn):
            tries = np.minimum(np.searchsorted(total, rng.random(64) * total[-1], side="right"), n - 1)
            luck = rng.random(64)
            now = np.minimum(bound[tries], g.between(tries, picked[seen:]).min(1, initial=np.inf))
            apart = g.between(tries, tries)
            for i, row in enumerate(tries):
                drawn += 1
                if luck[i] * bound[row] < now[i]:
                    kept += 1
                    picked.append(int(row))
                    now = np.minimum(now, apart[:, i])
                    now[tries == row] = 0
                    if len(picked) == k:
                        break
    return fill(picked, noise, k)


class _Gradients:
    """The rank-one gradients of the pool; `embedding` is read by blocks and may be a memory map."""

    def __init__(self, proba: Array, embedding: Array) -> None:
        # far from the origin gradients differ by less than float32 sees of them
        far = places(embedding).center is not None
        self.dtype: type[np.floating[Any]] = np.float32 if not far else np.float64
        self.a: Array = np.array(proba, self.dtype)
        self.a[np.arange(len(self.a)), self.a.argmax(1)] -= 1
        self.x = embedding
        self.squares = np.einsum("ij,ij->i", self.a, self.a)
        for part in _blocks(len(self.a)):
            x: Array = np.asarray(embedding[part], self.dtype)
            self.squares[part] *= np.einsum("ij,ij->i", x, x)

    def between(self, rows: Rows | slice, centers: Rows | list[int]) -> Array:
        """(rows, centers) squared distances."""
        centers = np.asarray(centers, np.intp)
        x: Array = np.asarray(self.x[rows], self.dtype)
        z: Array = np.asarray(self.x[centers], self.dtype)
        D: Array = (x @ z.T) * (self.a[rows] @ self.a[centers].T)
        D *= -2
        lengths = self.squares[rows][:, None] + self.squares[centers]
        D += lengths
        D[lengths * (ROUNDING if self.dtype is np.float32 else FINE) >= D] = 0
        return D

    def approach(self, bound: Array, centers: list[int]) -> None:
        """Lower the bounds to the distances from these centers."""
        for part in _blocks(len(bound)):
            np.minimum(bound[part], self.between(part, centers).min(1), out=bound[part])


def bait(proba: Array, whitened: Array, sample_proba: Array, sample_whitened: Array, noise: Array, k: int) -> Rows:
    """BAIT: the rows whose Fisher information settles most of the pool's, forward then backward (Ash et al., 2021).

    Minimises Σ_c tr(H_c⁻¹ M_c), H_c = S + Σ_picked w_c x x', M_c = mean_u w_c u u' on the sample, w_c = p_c (1 - p_c).
    This is by classes: what lies between two classes is left out. 2k rows are taken greedily, then the k least missed
    are dropped.
    With F in units of S every H_c starts as I and each pick is an update of rank one.

    Args:
        proba: (n, classes).
        whitened: (n, r) rows F.
        sample_proba: (m, classes) of a sample of the pool.
        sample_whitened: (m, r).
        noise: (n,) decides ties.
        k: Rows wanted.
    """
    return _forward_backward(
        proba * (1 - proba), whitened, sample_proba * (1 - sample_proba), sample_whitened, noise, k
    )


def bait_regression(whitened: Array, sample_whitened: Array, noise: Array, k: int) -> Rows:
    """BAIT for a linear regressor: the batch that lowers the mean variance on the pool (Ash et al., 2021).

    As `bait` with one class and all weights one: H = S + Σ_picked x x'. Answers do not matter, so the choice is the
    same before and after they are known.
    """
    ones = np.ones((len(whitened), 1), whitened.dtype), np.ones((len(sample_whitened), 1), whitened.dtype)
    return _forward_backward(ones[0], whitened, ones[1], sample_whitened, noise, k)


def _forward_backward(W: Array, F: Array, V: Array, G: Array, noise: Array, k: int) -> Rows:
    n = len(F)
    k = min(k, n)
    state = _Information(W, F, V, G)
    picked: list[int] = []
    free = np.ones(n, bool)
    for _ in range(min(2 * k, n)):
        rows = np.flatnonzero(free)
        i = int(rows[first(state.change(rows, +1), noise[rows])])
        picked.append(i)
        free[i] = False
        state.add(i, +1)
    while len(picked) > k:
        i = picked.pop(first(-state.change(picked, -1), -noise[picked]))
        state.add(i, -1)
    return np.asarray(picked, np.intp)


class _Information:
    """tr(H_c⁻¹ M_c) for every class while rows come and go, H_c⁻¹ = I - Σ_j s_j v_j v_j' never built."""

    def __init__(self, W: Array, F: Array, V: Array, G: Array) -> None:
        """(n, classes) weights and (n, r) rows of the candidates, (m, classes) and (m, r) of the sample."""
        # float64: what is left of a row's variance after picks is a difference of nearly equal numbers
        self.W, self.F, self.G = (np.asarray(A, np.float64) for A in (W, F, G))
        self.V = np.asarray(V, np.float64) / len(G)
        self.classes = W.shape[1]
        self.own = np.repeat(np.einsum("ij,ij->i", self.F, self.F)[:, None], self.classes, axis=1)
        """x' H_c⁻¹ x"""
        self.spread = np.zeros(W.shape)
        """x' H_c⁻¹ M_c H_c⁻¹ x"""
        for part in _blocks(len(self.F)):
            self.spread[part] = np.square(self.F[part] @ self.G.T) @ self.V
        self.updates = np.zeros((0, self.classes, F.shape[1]))
        self.signs = np.zeros(0)

    def change(self, rows: Rows | list[int], sign: int) -> Array:
        """How far the trace falls when one of these rows comes (+1), rises when it goes (-1)."""
        W = self.W[rows]
        # w x'H⁻¹x is below 1 for a row that is in, up to rounding
        change: Array = (W * self.spread[rows] / np.maximum(1 + sign * W * self.own[rows], 1e-9)).sum(1)
        return change

    def add(self, i: int, sign: int) -> None:
        w = self.W[i]
        v = self._solve(np.repeat(self.F[i][None], self.classes, axis=0))
        v *= np.sqrt(w / np.maximum(1 + sign * w * self.own[i], 1e-9))[:, None]
        # M_c v_c, by way of the sample
        Mv = ((self.G @ v.T) * self.V).T @ self.G
        q = self._solve(Mv)
        middle = np.einsum("cr,cr->c", v, Mv)
        for part in _blocks(len(self.F)):
            t = self.F[part] @ v.T
            self.spread[part] += t * (t * middle - 2 * sign * (self.F[part] @ q.T))
            self.own[part] -= sign * t * t
        self.updates = np.concatenate([self.updates, v[None]])
        self.signs = np.append(self.signs, sign)

    def _solve(self, X: Array) -> Array:
        """(classes, r) H_c⁻¹ x_c."""
        along = np.einsum("jcr,cr->jc", self.updates, X) * self.signs[:, None]
        solved: Array = X - np.einsum("jc,jcr->cr", along, self.updates)
        return solved


# ── determinants ────────────────────────────────────────────────────────────────────────────


def max_det(score: Array, embedding: Array, noise: Array, k: int) -> Rows:
    """Greedy mode of a determinantal point process: good rows that differ (Bıyık et al., 2019).

    Again and again the row that enlarges det(L_B) most, L_ij = q_i q_j cos(x_i, x_j), found by pivoted Cholesky in
    O(n k (d + k)) (Chen, Zhang & Zhou, 2018). q is the score moved to (0, 1]. Rows that add nothing come last.
    """
    U, quality = _unit(embedding), _quality(score)
    n, k = len(score), min(k, len(score))
    left = quality**2
    rows = np.zeros((k, n))
    picked: list[int] = []
    for step in range(k):
        i = first(left, noise)
        if left[i] <= ROUNDING * quality[i] ** 2:
            break
        column = (U @ U[i]) * quality * quality[i] - rows[:step].T @ rows[:step, i]
        rows[step] = column / np.sqrt(left[i])
        left = np.maximum(left - rows[step] ** 2, 0)
        picked.append(i)
        left[picked] = -1
    return fill(picked, noise, k)


def k_dpp(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """A batch drawn with probability proportional to det(L_B), L_ij = q_i q_j cos(x_i, x_j) (Kulesza & Taskar, 2011).

    For active learning: Bıyık et al. (2019). Exact, through the (d, d) dual of L, in O(n d² + n k³); q is the score
    moved to (0, 1]. Where the rows span fewer than k dimensions, the rest comes by noise.
    """
    k = min(k, len(score))
    B = _unit(embedding) * _quality(score)[:, None]
    values, vectors = np.linalg.eigh(B.T @ B)
    good = values > 1e-10 * max(values.max(initial=0), 1e-300)
    values, vectors = values[good], vectors[:, good]
    size = min(k, len(values))
    chosen = _draw_eigenvectors(values, size, rng)
    # orthonormal eigenvectors of L itself
    basis = B @ (vectors[:, chosen] / np.sqrt(values[chosen]))
    picked: list[int] = []
    for _ in range(size):
        chance = np.einsum("ij,ij->i", basis, basis)
        chance[picked] = 0
        total = np.cumsum(chance)
        i = min(int(np.searchsorted(total, rng.random() * total[-1], side="right")), len(chance) - 1)
        picked.append(i)
        # leave the part of the span that vanishes at row i
        j = int(np.abs(basis[i]).argmax())
        basis = np.delete(basis - np.outer(basis[:, j] / basis[i, j], basis[i]), j, axis=1)
        basis = np.linalg.qr(basis)[0]
    return fill(picked, noise, k)


def _draw_eigenvectors(values: Array, size: int, rng: np.random.Generator) -> list[int]:
    """Which eigenvectors span the batch: `size` of them, likely in proportion to the product of their values."""
    scaled = values / max(values.max(initial=0), 1e-300)
    E = np.zeros((size + 1, len(scaled) + 1))  # elementary symmetric polynomials
    E[0] = 1
    for n, value in enumerate(scaled, start=1):
        E[1:, n] = E[1:, n - 1] + value * E[:-1, n - 1]
    chosen: list[int] = []
    for n in range(len(scaled), 0, -1):
        left = size - len(chosen)
        if left and rng.random() * E[left, n] < scaled[n - 1] * E[left - 1, n - 1]:
            chosen.append(n - 1)
    return chosen


def _unit(embedding: Array) -> Array:
    X = np.asarray(embedding, np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", X, X))[:, None]
    unit: Array = X / np.where(length > 0, length, 1)
    return unit


def _quality(score: Array) -> Array:
    """Scores moved to (0, 1]; all alike gives ones."""
    low, high = float(score.min(initial=np.inf)), float(score.max(initial=-np.inf))
    return (score - low) / (high - low) * 0.999 + 1e-3 if high > low else np.ones(len(score))


# ── shared ──────────────────────────────────────────────────────────────────────────────────


def first(value: Array, noise: Array) -> int:
    """Position of the largest value; what differs by rounding alone is a tie, and the largest noise wins it."""
    best = float(value.max())
    tied = np.flatnonzero(value >= best - ROUNDING * abs(best))
    return int(tied[noise[tied].argmax()])


def fill(picked: list[int], noise: Array, k: int) -> Rows:
    """Rows that a rule found no reason for, by noise."""
    if len(picked) < k:
        rest = np.setdiff1d(np.arange(len(noise)), picked)
        picked = [*picked, *rest[top_k(np.zeros(len(rest)), noise[rest], k - len(picked))]]
    return np.asarray(picked, np.intp)


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
