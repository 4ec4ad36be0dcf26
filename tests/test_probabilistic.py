"""McPAL against the expectation written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import select
from askwise.scores.probabilistic import epistemic, expected_gain, kernel_scale, probabilistic_gain


def accuracy_after(counts, m: int) -> float:
    """Expected accuracy of the majority after m answers at a point: all answers enumerated (Dirichlet-multinomial)."""
    alpha = np.asarray(counts, float) + 1
    total = 0.0
    for answers in itertools.product(range(len(alpha)), repeat=m):
        probability, a = 1.0, alpha.copy()
        for c in answers:
            probability *= a[c] / a.sum()
            a[c] += 1
        total += probability * a.max() / a.sum()
    return total


@given(st.lists(st.floats(0, 6), min_size=2, max_size=5))
def test_gain_is_the_expectation_over_all_answers(counts):
    now = accuracy_after(counts, 0)
    slow = max(accuracy_after(counts, 1) - now, (accuracy_after(counts, 2) - now) / 2, 0)
    assert expected_gain(np.array([counts]))[0] == pytest.approx(slow, abs=1e-9)


@given(st.integers(0, 50), st.integers(1, 6), st.integers(0, 8))
def test_score_is_density_times_gain(seed, n, m):
    rng = np.random.default_rng(seed)
    E, L, S = rng.normal(size=(n, 3)), rng.normal(size=(m, 3)), rng.normal(size=(9, 3))
    y = rng.integers(-1, 3, m)
    gamma = kernel_scale(S)
    slow = []
    for x in E:
        counts = np.zeros(max(2, y.max() + 1 if (y >= 0).any() else 2))
        for row, c in zip(L, y, strict=True):
            if c >= 0:
                counts[c] += math.exp(-gamma * ((x - row) ** 2).sum())
        density = np.mean([math.exp(-gamma * ((x - u) ** 2).sum()) for u in S])
        slow.append(density * expected_gain(counts[None])[0])
    assert probabilistic_gain(E, L, y, S) == pytest.approx(np.array(slow), abs=1e-9)


def test_an_outlier_is_not_asked_and_neither_is_what_is_known():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 0.3, (60, 2)), rng.normal(4, 0.3, (60, 2)), [[40.0, -40.0]]])
    picked = select(
        X, np.arange(10, 121), None, "mcpal", k=1, given={"labeled_rows": np.arange(10), "labeled_y": np.zeros(10, int)}
    )
    assert 60 <= picked.rows[0] < 120


def test_pool_of_twins_has_a_scale():
    assert kernel_scale(np.ones((5, 2))) == 1.0
    assert kernel_scale(np.ones((1, 2))) == 1.0


def plausibility(p: float, n: float, sign: int) -> float:
    """sup over a fine grid of shares of min(relative likelihood, sign * (2 t - 1))."""
    t = np.linspace(0, 1, 20_001)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(p > 0, p * np.log(t), 0) + np.where(n > 0, n * np.log1p(-t), 0)
    relative = np.exp(log - log.max())
    return float(np.minimum(relative, sign * (2 * t - 1)).max())


@given(st.integers(0, 60), st.integers(0, 9))
def test_epistemic_is_the_smaller_plausibility(seed, m):
    rng = np.random.default_rng(seed)
    E, L, S = rng.normal(size=(4, 2)), rng.normal(size=(m, 2)), rng.normal(size=(9, 2))
    y = rng.integers(-1, 3, m)
    gamma = kernel_scale(S)
    slow = []
    for x in E:
        counts = [sum(math.exp(-gamma * ((x - row) ** 2).sum()) for row in L[y == c]) for c in range(3)]
        p, n = sorted(counts)[-1], sorted(counts)[-2]
        slow.append(max(0.0, min(plausibility(p, n, 1), plausibility(p, n, -1))))
    assert epistemic(E, L, y, S) == pytest.approx(np.array(slow), abs=2e-4)


def test_epistemic_tells_ignorance_from_disagreement():
    far, both, one = np.array([[9.0, 9.0]]), np.array([[0.0, 0.0]]), np.array([[3.0, 0.0]])
    labeled = np.concatenate([np.repeat(both, 20, axis=0), np.repeat(one, 20, axis=0)])
    y = np.array([0, 1] * 10 + [1] * 20)
    sample = np.random.default_rng(0).normal(size=(200, 2)) * 0.1
    ignorant, disagreeing, sure = epistemic(np.concatenate([far, both, one]), labeled, y, sample)
    assert ignorant > 0.9
    assert disagreeing < 0.5
    assert sure < 0.2
