"""Scores against slow, obvious references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from askwise import scores


@st.composite
def probabilities(draw, members=False):
    n, classes = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    shape = (draw(st.integers(1, 5)), n, classes) if members else (n, classes)
    # small integers make exact ties, zeros and certain rows likely
    weights = draw(arrays(np.int64, shape, elements=st.integers(0, 4))).astype(float)
    weights[..., 0] += weights.sum(-1) == 0
    return weights / weights.sum(-1, keepdims=True)


def entropy_of(p):
    return -sum(v * math.log(v) for v in p if v > 0)


@given(probabilities())
def test_margin(P):
    expected = [1 - (sorted([0.0, *row])[-1] - sorted([0.0, *row])[-2]) for row in P]
    assert scores.margin(P) == pytest.approx(expected)


@given(probabilities())
def test_least_confidence_and_entropy(P):
    assert scores.least_confidence(P) == pytest.approx([1 - max(row) for row in P])
    assert scores.entropy(P) == pytest.approx([entropy_of(row) for row in P], abs=1e-9)


@given(probabilities(members=True))
def test_committee_scores(M):
    members, n, classes = M.shape
    votes = [[sum(M[m, i].argmax() == c for m in range(members)) / members for c in range(classes)] for i in range(n)]
    assert scores.vote_entropy(M) == pytest.approx([entropy_of(v) for v in votes], abs=1e-9)
    kl = []
    for i in range(n):
        mean = M[:, i].mean(0)
        kl.append(
            np.mean(
                [sum(p * math.log(p / q) for p, q in zip(M[m, i], mean, strict=True) if p > 0) for m in range(members)]
            )
        )
    assert scores.consensus_kl(M) == pytest.approx(kl, abs=1e-9)


@given(probabilities(), st.integers(0, 99))
def test_expected_gradient_length_is_that_of_built_gradients(P, seed):
    n, classes = P.shape
    X = np.random.default_rng(seed).normal(size=(n, 4))
    expected = [
        sum(P[i, y] * np.linalg.norm(np.outer(P[i] - np.eye(classes)[y], X[i])) for y in range(classes))
        for i in range(n)
    ]
    assert scores.expected_gradient_length(P, np.linalg.norm(X, axis=1)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("score", [scores.margin, scores.least_confidence, scores.entropy])
def test_a_certain_row_scores_lowest_and_an_even_one_highest(score):
    P = np.array([[1.0, 0, 0], [0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3]])
    assert score(P).argsort().tolist() == [0, 1, 2]
    assert np.isfinite(score(P.astype(np.float32))).all()


def test_one_class_makes_all_rows_alike():
    P = np.ones((3, 1))
    for score in (scores.margin, scores.least_confidence, scores.entropy):
        assert score(P).tolist() == [0, 0, 0]


def test_array_api_arrays_stay_what_they_are():
    xp = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    P = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]])
    for score in (scores.margin, scores.least_confidence, scores.entropy):
        got = score(xp.asarray(P))
        assert isinstance(got, type(xp.asarray(P)))
        assert [float(v) for v in got] == pytest.approx(score(P).tolist())


def test_tensors_stay_tensors():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    M = np.random.default_rng(0).dirichlet(np.ones(4), (5, 7))
    for score in (scores.vote_entropy, scores.consensus_kl):
        assert score(torch.tensor(M)).numpy() == pytest.approx(score(M))
    for score in (scores.margin, scores.least_confidence, scores.entropy):
        assert score(torch.tensor(M[0])).numpy() == pytest.approx(score(M[0]))
