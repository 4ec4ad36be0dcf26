"""Batch rules that weigh doubt by the density of the pool."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.batch.distances import BLOCK, mean_row, places
from askwise.core import Array, Rows

BITS = 17
"""Bits of a product that count, as in the engine: shards round the last bits differently."""


def dense(score: Array, embedding: Array, noise: Array, k: int, *, power: float = 1.0) -> Rows:
    """The k best products of score and Gaussian density (Settles & Craven, 2008): doubt about what is common.

    The density of a row is its mean similarity exp(-|x - u|² / (2 s²)) to all candidates u, s² their mean squared
    distance from each other; see `gaussian_density`.

    Args:
        score: (n,) doubt, 0 or more.
        embedding: (n, d) of every candidate.
        noise: (n,) for ties.
        k: Rows wanted.
        power: Weight of density against doubt.
    """
    mantissa, exponent = np.frexp(score * gaussian_density(embedding) ** power)
    return top_k(np.ldexp(np.round(mantissa * 2**BITS), exponent - BITS), noise, k)


def gaussian_density(embedding: Array) -> Array:
    """(n,) mean over the rows u of exp(-γ |x - u|²), from moments of the rows: never (n, n), O(n d²).

    With D = |x - u|² it is expanded to the second order around the mean of D: exp(-γ m) (1 + γ² v / 2), where
    m = |z|² + tr S and v = 4 z' S z - 4 z' c + var |u|² are mean and variance of D over u, z the row and u the rows
    minus their mean, S the covariance and c the covariance of u and |u|². γ = 1 / (2 s²) makes the mean of γ D one
    half, so that little is left of higher orders. Rank correlation with the mean over all pairs: .9999 on digits and on
    six overlapping groups, .998 with heavy tails; but .91 for three groups far apart and of very different sizes.

    Args:
        embedding: (n, d), n >= 1.
    """
    embedding = places(embedding)
    n, d = embedding.shape
    mean = mean_row(embedding)
    S, c, fourth, spread = np.zeros((d, d)), np.zeros(d), 0.0, 0.0
    for start in range(0, n, BLOCK):
        Z = embedding[start : start + BLOCK] - mean
        squares = np.einsum("ij,ij->i", Z, Z, dtype=np.float64)
        S += Z.T @ Z
        c += Z.T @ squares
        fourth += float(squares @ squares)
        spread += float(squares.sum())
    S, c, fourth, spread = S / n, c / n, fourth / n, spread / n
    if not spread > 0:
        return np.ones(n)
    gamma = 1 / (4 * spread)
    S32 = S.astype(mean.dtype)
    out = np.empty(n)
    for start in range(0, n, BLOCK):
        Z = embedding[start : start + BLOCK] - mean
        squares = np.einsum("ij,ij->i", Z, Z, dtype=np.float64)
        v = 4 * np.einsum("ij,ij->i", Z @ S32, Z, dtype=np.float64) - 4 * (Z @ c) + fourth - spread * spread
        # rounding may leave a variance just below zero
        out[start : start + BLOCK] = np.exp(-gamma * (squares + spread)) * (1 + gamma**2 * np.maximum(v, 0) / 2)
    return out
