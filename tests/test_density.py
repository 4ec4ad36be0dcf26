"""Density and contrast scores against slow references written from the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from askwise import batch, scores, signals
from askwise.batch import cluster
from askwise.batch import density as by_density
from askwise.engine import select
from askwise.learners import SoftmaxRegression
from askwise.scores.density import similarity_to_pool

SEEDS = st.integers(0, 10_000)


def problem(seed, n=30, d=4, classes=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)).astype(np.float32), rng.dirichlet(np.ones(classes), n)


def cosine(a, b):
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths) if lengths else 0.0


def slow_density(X, P, power):
    """Settles & Craven (2008), equation by equation, over all pairs."""
    E = X.astype(float)
    similarity = np.array([np.mean([(1 + cosine(x, u)) / 2 for u in E]) for x in E])
    return np.array([-(p * np.log(p)).sum() for p in P]) * similarity**power


def pool_mean(X):
    E = X.astype(float)
    return (E / np.maximum(np.linalg.norm(E, axis=1), 1e-30)[:, None]).mean(0)


@settings(deadline=None)
@given(SEEDS, st.sampled_from([0.5, 1.0, 2.0]))
def test_information_density_is_the_formula_over_all_pairs(seed, power):
    X, P = problem(seed)
    X[3] = 0
    found = scores.information_density(P, X, pool_mean(X), power=power)
    assert found == pytest.approx(slow_density(X, P, power), rel=1e-4)


@settings(deadline=None)
@given(SEEDS)
def test_information_density_through_the_engine(seed):
    X, P = problem(seed)
    rows = np.arange(5, 30)
    found = select(X, rows, None, "information_density", k=4, given={"proba": P, "labeled_rows": np.arange(5)})
    slow = slow_density(X[rows], P[rows], 1.0)
    assert found.scores == pytest.approx(np.sort(slow)[::-1][:4], rel=1e-4)


def test_an_outlier_does_not_win():
    """Another library multiplies doubt with the mean distance: the outlier comes first."""
    rng = np.random.default_rng(0)
    X = (np.array([1.0, 0.2, 0.0]) + 0.1 * rng.normal(size=(50, 3))).astype(np.float32)
    X[7] = [-40, 3, 25]
    P = np.full((50, 2), 0.5)
    score = scores.information_density(P, X, pool_mean(X))
    assert score.argmin() == 7
    assert 7 not in select(X, None, None, "information_density", k=49, given={"proba": P}).rows


def test_similarity_stays_within_its_range():
    X = np.array([[0, 0], [1, 0], [-2, 0]], np.float32)
    assert similarity_to_pool(X, np.array([1.0, 0])).tolist() == [0.5, 1.0, 0.0]


# ── contrast ────────────────────────────────────────────────────────────────────────────────


def slow_contrast(X, P, L, Q, neighbors):
    """Margatina et al. (2021), algorithm 1."""
    out = []
    for x, p in zip(X.astype(float), P, strict=True):
        near = np.argsort([np.linalg.norm(x - row) for row in L.astype(float)], kind="stable")[:neighbors]
        out.append(np.mean([sum(q * np.log(q / c) for q, c in zip(Q[i], p, strict=True)) for i in near]))
    return np.array(out)


@settings(deadline=None)
@given(SEEDS, st.integers(1, 15), st.integers(1, 12))
def test_contrastive_is_the_mean_divergence_from_the_neighbors(seed, m, neighbors):
    X, P = problem(seed)
    L, Q = problem(seed + 1, m)
    found = scores.contrastive(P, X, L, Q, neighbors=neighbors)
    assert found == pytest.approx(slow_contrast(X, P, L, Q, neighbors), abs=2e-5)


@pytest.mark.parametrize(("m", "neighbors"), [(4, 1), (29, 2), (100, 10), (400, 10)])
def test_contrastive_looks_at_fewer_neighbors_while_there_are_few_labels(m, neighbors):
    X, P = problem(3)
    L, Q = problem(4, m)
    found = scores.contrastive(P, X, L, Q)
    assert found == pytest.approx(slow_contrast(X, P, L, Q, neighbors), abs=2e-5)


def test_contrastive_survives_certainty_and_no_labels():
    P = np.array([[1.0, 0.0], [0.0, 1.0]])
    X = np.zeros((2, 2), np.float32)
    found = scores.contrastive(P, X, X[:1], P[:1])
    assert found[0] == 0
    assert 10 < found[1] < 20
    assert scores.contrastive(P, X, X[:0], P[:0]).tolist() == [0, 0]


def test_contrastive_asks_about_the_look_alike():
    """One candidate lies among the labeled rows yet gets another prediction; the rest are consistent."""
    X = np.concatenate([np.zeros((10, 2)), np.full((10, 2), 5.0), [[0.1, 0], [5, 5.1], [0.1, 0.1]]]).astype(np.float32)
    P = np.concatenate(
        [np.tile([0.9, 0.1], (10, 1)), np.tile([0.1, 0.9], (10, 1)), [[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]]
    )
    found = select(X, [20, 21, 22], None, "contrastive", k=1, given={"proba": P, "labeled_rows": np.arange(20)})
    assert found.rows.tolist() == [22]


# ── input dropout ───────────────────────────────────────────────────────────────────────────


def fitted(seed=0, d=20):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, d)).astype(np.float32)
    return X, SoftmaxRegression().fit(X, np.where(X[:, :5].sum(1) > 0, "a", "b"))


def test_flips_are_the_same_for_a_row_alone_and_for_sparse_features():
    X, learner = fitted()
    whole = signals.compute("flips", learner, X)
    assert 0 < whole.mean() < 1
    assert set(np.round(whole * signals.FLIPS, 9)) <= set(range(signals.FLIPS + 1))
    assert np.array_equal(whole[7:9], signals.compute("flips", learner, X[7:9]))
    assert np.array_equal(whole, signals.compute("flips", learner, sparse.csr_matrix(X)))


def test_flips_drop_three_quarters_of_the_features():
    class Spy(SoftmaxRegression):
        def predict_proba(self, X):
            seen.append(np.asarray(X))
            return super().predict_proba(X)

    X, _ = fitted()
    learner, seen = Spy().fit(X, np.where(X[:, 0] > 0, "a", "b")), []
    signals.compute("flips", learner, X)
    plain, *dropped = seen
    assert np.array_equal(plain, X)
    assert len(dropped) == signals.FLIPS
    for D in dropped:
        assert (D != 0).any(0).sum() == 5
        assert np.allclose(D[D != 0], 4 * X[D != 0])


def test_rows_near_the_boundary_flip_more():
    X, learner = fitted()
    flips, doubt = signals.compute("flips", learner, X), scores.margin(learner.predict_proba(X))
    assert flips[doubt > np.median(doubt)].mean() > flips[doubt <= np.median(doubt)].mean() + 0.1


@settings(deadline=None)
@given(SEEDS, st.integers(1, 12))
def test_drop_query_stays_among_unsteady_rows_and_fills_up_with_the_next(seed, k):
    rng = np.random.default_rng(seed)
    score, noise = rng.integers(0, 6, 40) / 5, rng.random(40)
    E = rng.normal(size=(40, 3)).astype(np.float32)
    picked = cluster.unsteady_central(score, E, noise, k, np.random.default_rng(0))
    assert len(set(picked.tolist())) == k
    unsteady = np.flatnonzero(score > 0.5)
    if len(unsteady) >= k:
        assert set(picked) <= set(unsteady)
    else:
        assert set(picked) == set(batch.top_k(score, noise, k))


# ── Gaussian density ────────────────────────────────────────────────────────────────────────


def slow_expansion(X):
    """The second-order expansion of the mean kernel with mean and variance of all squared distances of a row."""
    E = X.astype(float)
    D = np.array([[((x - u) ** 2).sum() for u in E] for x in E])
    gamma = 1 / (2 * D.mean()) if D.any() else 0.0
    return np.exp(-gamma * D.mean(1)) * (1 + gamma**2 * D.var(axis=1) / 2), np.exp(-gamma * D).mean(1)


@settings(deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(1, 6), st.sampled_from([0.0, 1.0, 30.0]))
def test_gaussian_density_is_the_expansion_over_all_pairs(seed, n, d, offset):
    X = (np.random.default_rng(seed).normal(size=(n, d)) + offset).astype(np.float32)
    assert by_density.gaussian_density(X) == pytest.approx(slow_expansion(X)[0], rel=1e-4)


def test_gaussian_density_ranks_digits_as_the_mean_over_all_pairs_does():
    from scipy.stats import spearmanr
    from sklearn.datasets import load_digits

    X = load_digits().data.astype(np.float32)
    squares = (X**2).sum(1)
    D = np.maximum(squares[:, None] + squares - 2 * X @ X.T, 0).astype(float)
    exact = np.exp(-D / (2 * D.mean())).mean(1)
    found = by_density.gaussian_density(X)
    assert spearmanr(found, exact)[0] > 0.9999
    assert len(set(np.argsort(-found)[:100]) & set(np.argsort(-exact)[:100])) >= 98
    assert found == pytest.approx(exact, rel=0.02)


@settings(deadline=None)
@given(SEEDS, st.integers(1, 30), st.floats(0.5, 2))
def test_dense_rows_in_doubt_come_first(seed, k, power):
    X, P = problem(seed)
    doubt, noise = (1 - P.max(1)), np.zeros(30)
    found = by_density.dense(doubt, X, noise, k, power=power)
    value = doubt * slow_expansion(X)[0] ** power
    assert value[found] == pytest.approx(np.sort(value)[::-1][:k], rel=1e-3)
    flat = by_density.dense(doubt, np.ones_like(X), noise, k)
    # the 17 bits that count may make equals of neighbors
    assert doubt[flat] == pytest.approx(np.sort(doubt)[::-1][:k], rel=2.0**-16)
