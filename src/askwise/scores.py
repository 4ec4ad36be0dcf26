"""Acquisition functions: signals in, one score for each row out.

A score is a pure function whose parameter names are the signals it needs. It returns one finite number for each row;
higher = ask sooner. Arrays may be NumPy's, PyTorch's, or of any library that follows the Python array API.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from askwise.core import Array

TINY = 1e-12
"""Probabilities are clipped here before a logarithm; below what float32 resolves around any entropy."""


def array_namespace(array: Any) -> Any:
    """The module whose functions fit this array: its array API namespace, PyTorch, or NumPy."""
    if isinstance(array, np.ndarray):
        return np
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def random(noise: Array) -> Array:
    """Uniform random numbers; the baseline to beat, and the only draw with a known probability."""
    return noise


def least_confidence(proba: Array) -> Array:
    """One minus the probability of the likeliest class, in [0, 1) (Lewis & Gale, 1994; Culotta & McCallum, 2005)."""
    doubt: Array = 1 - _largest(proba)
    return doubt


def margin(proba: Array) -> Array:
    """One minus the gap between the two likeliest classes, in [0, 1] (Scheffer et al., 2001)."""
    xp = array_namespace(proba)
    first = proba[..., 0]
    second = xp.zeros_like(first)
    for c in range(1, proba.shape[-1]):
        second = xp.maximum(second, xp.minimum(first, proba[..., c]))
        first = xp.maximum(first, proba[..., c])
    doubt: Array = 1 - (first - second)
    return doubt


def entropy(proba: Array) -> Array:
    """Shannon entropy of the class probabilities, in nats (Settles & Craven, 2008)."""
    return _entropy(proba)


def vote_entropy(committee: Array) -> Array:
    """Entropy of the members' votes, in nats (Dagan & Engelson, 1995)."""
    xp = array_namespace(committee)
    votes = xp.argmax(committee, axis=-1)
    counts = [xp.sum(xp.where(votes == c, 1.0, 0.0), axis=0) for c in range(committee.shape[-1])]
    share = xp.stack(counts, axis=-1) / committee.shape[0]
    return _entropy(share)


def consensus_kl(committee: Array) -> Array:
    """Mean Kullback-Leibler divergence of the members from their mean, in nats (McCallum & Nigam, 1998).

    The same number as BALD (Houlsby et al., 2011): entropy of the mean minus mean entropy.
    """
    xp = array_namespace(committee)
    divergence: Array = _entropy(xp.mean(committee, axis=0)) - xp.mean(_entropy(committee), axis=0)
    return divergence


def expected_gradient_length(proba: Array, norm: Array) -> Array:
    """Expected length of the gradient that the answer would cause (Settles, Craven & Ray, 2007).

    For a linear softmax model the gradient is (p - e_y) ⊗ x, so its length is |x| |p - e_y|, with
    |p - e_y|² = |p|² - 2 p_y + 1: no gradient is ever built.
    """
    xp = array_namespace(proba)
    squares = xp.sum(proba * proba, axis=-1)[..., None] - 2 * proba + 1
    # rounding can leave a square just below zero
    lengths = xp.sqrt(xp.where(squares > 0, squares, xp.zeros_like(squares)))
    expected: Array = norm * xp.sum(proba * lengths, axis=-1)
    return expected


def _entropy(p: Any) -> Array:
    xp = array_namespace(p)
    value: Array = -xp.sum(p * xp.log(xp.where(p > TINY, p, xp.ones_like(p))), axis=-1)
    return value


def _largest(p: Any) -> Array:
    """Maximum over the last axis; PyTorch's `max` returns a pair, its `amax` does not."""
    xp = array_namespace(p)
    value: Array = (xp.amax if hasattr(xp, "amax") else xp.max)(p, axis=-1)
    return value
