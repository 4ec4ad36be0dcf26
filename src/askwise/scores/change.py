"""Scores of how much an answer would change the model."""

from __future__ import annotations

from askwise.core import Array
from askwise.scores.arrays import array_namespace


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
