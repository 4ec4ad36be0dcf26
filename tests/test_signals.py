"""Signals: the vocabulary, noise, and the dense view of sparse rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from askwise import signals
from askwise.core import BadInput
from askwise.learners import SoftmaxRegression


def test_noise_belongs_to_the_row():
    rows = np.arange(1000)
    whole = signals.noise(rows, 5)
    order = np.random.default_rng(0).permutation(1000)
    assert np.array_equal(whole[order], signals.noise(rows[order], 5))
    assert np.array_equal(whole[17:18], signals.noise(np.array([17], np.int32), 5))


@given(st.integers(-(2**70), 2**70))
def test_noise_is_uniform_for_any_seed(seed):
    u = signals.noise(np.arange(4000), seed)
    assert ((u >= 0) & (u < 1)).all()
    # Kolmogorov-Smirnov distance; 0.04 is exceeded with probability 5e-6 for 4,000 uniform numbers
    assert np.abs(np.sort(u) - np.linspace(0, 1, 4000)).max() < 0.04


def test_noise_of_seeds_and_neighbors_is_unrelated():
    a, b = signals.noise(np.arange(5000), 1), signals.noise(np.arange(5000), 2)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.07
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.07
    assert len(np.unique(a)) == 5000


def test_needs_are_the_parameters_without_default():
    def score(proba, cost, power=2):
        return proba[:, 0] / cost**power

    assert signals.needs(score) == ("proba", "cost")


def test_norm_is_the_row_length_dense_or_sparse():
    X = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    expected = [sum(float(v) ** 2 for v in row) ** 0.5 for row in X]
    assert signals.norm(None, X) == pytest.approx(expected)
    assert signals.norm(None, sparse.csr_matrix(X)) == pytest.approx(expected)


def test_embed_comes_before_the_features():
    class Deep:
        def embed(self, X):
            return X[:, :2] * 2

    X = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(signals.embedding(Deep(), X), X[:, :2] * 2)
    assert np.array_equal(signals.embedding(None, X), X)
    assert signals.norm(Deep(), X) == pytest.approx(np.linalg.norm(X[:, :2] * 2, axis=1))


def test_projection_keeps_distances_and_compares_rows_projected_apart():
    X = sparse.random(60, 5000, density=0.02, format="csr", random_state=0, dtype=np.float64)
    Z = signals.project(X)
    assert Z.shape == (60, signals.SPARSE_DIMS)
    assert Z.dtype == np.float32
    assert np.allclose(signals.project(X[10:20]), Z[10:20], atol=1e-6)
    D = X.toarray()
    true = ((D[:, None] - D[None]) ** 2).sum(-1)
    kept = ((Z[:, None] - Z[None]) ** 2).sum(-1)
    off = ~np.eye(60, dtype=bool)
    ratio = kept[off] / true[off]
    assert ratio.mean() == pytest.approx(1, abs=0.05)
    assert ratio.std() < 0.15


def test_narrow_sparse_rows_are_kept_exactly():
    X = sparse.csr_matrix(np.eye(4))
    assert np.array_equal(signals.project(X), np.eye(4))


def test_a_missing_power_says_the_way_out():
    class Plain:
        classes_ = np.array(["a"])

    with pytest.raises(BadInput, match=r"Plain has no predict_committee.*adapt"):
        signals.compute("committee", Plain(), np.zeros((2, 2)))
    with pytest.raises(BadInput, match="no fitted learner"):
        signals.compute("proba", None, np.zeros((2, 2)))


def test_register_a_word(monkeypatch):
    monkeypatch.setattr(signals, "_providers", dict(signals._providers))
    signals.register("width", lambda learner, X: X.max(1) - X.min(1))
    assert signals.compute("width", None, np.array([[1.0, 4.0]])) == pytest.approx([3.0])
    for name in ("proba", "noise", "score", "two words"):
        with pytest.raises(BadInput):
            signals.register(name, lambda learner, X: X)
    with pytest.raises(BadInput, match="Did you mean 'proba'"):
        signals.compute("probas", None, np.zeros((1, 1)))


def test_learner_signals_have_their_shapes():
    X = np.random.default_rng(0).normal(size=(30, 4))
    learner = SoftmaxRegression().fit(X, np.arange(30) % 3)
    assert signals.proba(learner, X).shape == (30, 3)
    committee = signals.committee(learner, X)
    assert committee.shape[signals.axis("committee")] == 30
