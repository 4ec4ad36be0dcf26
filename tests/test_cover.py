"""Rules that cover the pool, against slow greedy loops written from the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import batch, strategies
from askwise.batch import cluster, contrast, cover, graph, herding, lazy
from askwise.batch.distances import unit
from askwise.core import BadInput
from askwise.engine import select

SEEDS = st.integers(0, 10_000)


def points(seed, n, d=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def squares(A, B):
    return ((A.astype(float)[:, None] - B.astype(float)[None]) ** 2).sum(2)


def check_greedy(K, K_labeled, picked, weight=None, tolerance=1e-5):
    """Each pick's gain in Σ_u w(u) max_s K(s, u) is the largest there is, by the full (n, n) matrix."""
    n = len(K)
    weight = np.ones(n) if weight is None else weight
    covered = K_labeled.max(0) if len(K_labeled) else np.zeros(n)
    free = np.ones(n, bool)
    for i in picked:
        gain = (np.maximum(K - covered, 0) * weight).sum(1) / weight.sum()
        assert free[i]
        assert gain[i] >= gain[free].max() - tolerance
        covered, free[i] = np.maximum(covered, K[i]), False


@pytest.mark.parametrize("fresh", [1, 128])
@settings(deadline=None)
@given(SEEDS, st.integers(1, 30), st.integers(1, 30))
def test_lazy_greedy_is_the_plain_greedy(fresh, seed, n, k):
    """On set cover with ties: rows are sets, values are what they add."""
    rng = np.random.default_rng(seed)
    sets, noise, k = rng.random((n, 12)) < 0.3, rng.random(n), min(k, n)

    def plain():
        done, picked = np.zeros(12, bool), []
        while len(picked) < k:
            left = [i for i in range(n) if i not in picked]
            picked.append(max(left, key=lambda i: ((sets[i] & ~done).sum(), noise[i])))
            done |= sets[picked[-1]]
        return picked

    done, value = np.zeros(12, bool), sets.sum(1).astype(float)

    def refresh(rows):
        value[rows] = (sets[rows] & ~done).sum(1)

    def take(i):
        done[:] |= sets[i]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "FRESH", fresh)
        assert lazy.lazy_greedy(lambda: value, refresh, take, noise, k).tolist() == plain()


# ── generalized coverage ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("block", [2, 1024])
@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(0, 6), st.integers(1, 10))
def test_max_herding_is_greedy(block, seed, n, m, k):
    E, L, k = points(seed, n), points(seed + 1, m), min(k, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(herding, "BLOCK", block)
        picked = herding.max_herding(E, L, np.zeros(n), k, np.random.default_rng(0))
    width = np.median(squares(E, E)[np.triu_indices(n, 1)])
    check_greedy(np.exp(-squares(E, E) / width), np.exp(-squares(L, E) / width), picked)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(0, 6), st.integers(1, 10))
def test_facility_location_is_greedy(seed, n, m, k):
    E, L, k = points(seed, n), points(seed + 1, m), min(k, n)
    picked = herding.facility_location(E, L, np.zeros(n), k, np.random.default_rng(0))
    U, V = unit(E).astype(float), unit(L).astype(float)
    check_greedy(np.maximum(U @ U.T, 0), np.maximum(V @ U.T, 0), picked)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(0, 6), st.integers(1, 10))
def test_uncertainty_herding_weighs_by_the_score(seed, n, m, k):
    E, L, k = points(seed, n), points(seed + 1, m), min(k, n)
    score = np.random.default_rng(seed).random(n)
    picked = herding.uncertainty_herding(score, E, L, np.zeros(n), k, np.random.default_rng(0))
    among = squares(L, L)[np.triu_indices(m, 1)] if m > 1 else squares(E, E)[np.triu_indices(n, 1)]
    width = among.min() if m > 1 else np.median(among)
    check_greedy(np.exp(-squares(E, E) / width), np.exp(-squares(L, E) / width), picked, score, 1e-4)


def test_uncertainty_herding_ends_up_asking_where_doubt_is():
    """With close labels the width is small, and each row covers itself only: plain uncertainty."""
    E = points(0, 30)
    L = np.array([[9, 9, 9], [9, 9, 9.01], [9, 9, 9.01]], np.float32)
    score = np.random.default_rng(1).random(30)
    picked = herding.uncertainty_herding(score, E, L, np.zeros(30), 5, np.random.default_rng(0))
    assert picked.tolist() == np.argsort(-score)[:5].tolist()


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(0, 6), st.integers(1, 12), st.floats(0.1, 3))
def test_prob_cover_is_greedy_maximum_coverage(seed, n, m, k, radius):
    E, L, k = points(seed, n), points(seed + 1, m), min(k, n)
    noise = np.random.default_rng(seed).random(n)
    picked = herding.prob_cover(E, L, noise, k, np.random.default_rng(0), radius=radius)
    reach = (np.sqrt(squares(E, E)) <= radius).astype(float)
    check_greedy(reach, (np.sqrt(squares(L, E)) <= radius).astype(float), picked)


def test_prob_cover_asks_once_in_a_cluster():
    """Another library keeps the edges into covered rows: three picks fall into the cluster of three."""
    E = np.array([[0, 0], [0, 0.1], [0.1, 0], [10, 0], [0, 10], [10, 10]], np.float32)
    for seed in range(5):
        noise = np.random.default_rng(seed).random(6)
        none = np.zeros((0, 2), np.float32)
        picked = herding.prob_cover(E, none, noise, 4, np.random.default_rng(0), radius=0.5)
        assert sorted(picked[1:].tolist()) == [3, 4, 5]
        assert picked[0] < 3
        # a labeled row covers its cluster from the start
        assert set(herding.prob_cover(E, E[:1] + 0.05, noise, 3, np.random.default_rng(0), radius=0.5)) == {3, 4, 5}


@settings(deadline=None)
@given(SEEDS, st.integers(2, 60), st.integers(1, 70))
def test_prob_cover_radius_lets_as_many_balls_hold_the_pool(seed, n, balls):
    E = points(seed, n)
    near = np.sort(squares(E, E), axis=1)[:, min(n - 1, max(1, round(n / balls)))]
    assert herding._fair_square(E, balls) == pytest.approx(np.median(near), rel=1e-4, abs=1e-5)


def test_large_pools_are_counted_on_a_sample(monkeypatch):
    """Every group is covered, and no block is larger than rows by references."""
    monkeypatch.setattr(herding, "REFERENCES", 200)
    monkeypatch.setattr(herding, "BLOCK", 100)
    rng = np.random.default_rng(0)
    group = rng.integers(0, 6, 3000)
    E = (20 * np.eye(6)[group] + rng.normal(size=(3000, 6))).astype(np.float32)
    none = np.zeros((0, 6), np.float32)
    for rule in (herding.max_herding, herding.facility_location, herding.prob_cover):
        picked = rule(E, none, rng.random(3000), 6, np.random.default_rng(0))
        assert set(group[picked]) == set(range(6)), rule.__name__


@pytest.mark.parametrize("name", ["max_herding", "facility_location", "prob_cover", "k_means"])
def test_covering_asks_in_every_group(name):
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(4), [50, 30, 20, 10])
    E = (30 * np.eye(4)[group] + rng.normal(size=(110, 4))).astype(np.float32)
    hits = [len(set(group[select(E, None, None, name, k=4, seed=s).rows])) for s in range(5)]
    assert np.mean(hits) > (3.4 if name == "k_means" else 3.9)


def test_labeled_groups_are_not_asked_about_again():
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(4), 20)
    E = (30 * np.eye(4)[group] + rng.normal(size=(80, 4))).astype(np.float32)
    for name in ("max_herding", "facility_location", "prob_cover", "k_center", "discriminative"):
        free = np.setdiff1d(np.arange(80), [0, 20, 40])
        found = select(E, free, None, name, k=1, given={"labeled_rows": [0, 20, 40]})
        assert group[found.rows[0]] == 3, name


# ── clusters, graphs, neighbors ─────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(SEEDS, st.integers(1, 12))
def test_central_rows_are_the_nearest_of_their_clusters(seed, k):
    E = points(seed, 60)
    picked = cluster.central(E, np.zeros(60), k, np.random.default_rng(1))
    centers = batch.k_means(E, k, np.random.default_rng(1))
    home = squares(E, centers).argmin(1)
    apart = squares(E, centers).min(1)
    first = picked[: len(set(home))]
    assert set(home[first]) == set(home)
    for i in first:
        assert apart[i] == pytest.approx(apart[home == home[i]].min(), rel=1e-4, abs=1e-6)
    assert len(set(picked.tolist())) == k
    assert (np.diff(np.bincount(home)[home[first]]) <= 0).all()


def test_weighted_centers_go_where_doubt_is():
    """CLUE: rows without doubt do not move a center."""
    E = np.array([[0.0], [1], [2], [50], [51], [52]], np.float32)
    score = np.array([0, 0, 1, 0, 0, 1.0])
    for seed in range(5):
        picked = cluster.weighted_central(score, E, np.zeros(6), 2, np.random.default_rng(seed))
        assert set(picked.tolist()) == {2, 5}
    assert len(set(cluster.weighted_central(np.zeros(6), E, np.zeros(6), 4, np.random.default_rng(0)).tolist())) == 4


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(3, 40), st.integers(0, 6), st.integers(1, 8))
def test_graph_density_is_the_paper_s_loop(seed, n, m, k):
    E, L, k = points(seed, n), points(seed + 1, m), min(k, n)
    picked = graph.graph_density(E, L, np.zeros(n), k, np.random.default_rng(0), neighbors=4)
    A = np.concatenate([L, E]).astype(float)
    D = squares(A, A)
    np.fill_diagonal(D, np.inf)
    joined = np.zeros_like(D, bool)
    for i, row in enumerate(D):
        joined[i, np.argsort(row)[:4]] = True
    joined &= np.isfinite(D)
    joined |= joined.T
    W = np.where(joined, np.exp(-D / (2 * np.median(D[joined]))), 0)
    density, free = W.sum(1) / joined.sum(1), np.ones(len(A), bool)
    for i in [*range(m), *(picked + m)]:
        if i >= m:
            assert density[i] >= density[m:][free[m:]].max() - 1e-4
        density[joined[i]] -= density[i]
        free[i] = False


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 60), st.integers(1, 6), st.integers(1, 10), st.integers(1, 20))
def test_around_is_the_union_of_the_neighbors(seed, n, m, neighbors, k):
    E, L = points(seed, n), points(seed + 1, m)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cover, "BLOCK", 7)
        found = set(cover.around(E, L, k, neighbors=neighbors).tolist())
    near = np.argsort(squares(L, E), axis=1)
    size = max(neighbors, -(-k // m))
    while size < n and len(np.unique(near[:, :size])) < k:
        size *= 2
    assert found == set(near[:, :size].ravel().tolist())
    assert len(found) >= min(k, n)


def test_seals_scores_only_neighbors_and_never_returns_a_labeled_row():
    """Another library removes labeled rows by stale positions, and may return one."""
    E = points(0, 400, 2)
    P = np.full((400, 2), 0.5)
    labeled = np.array([3, 5, 300, 301])
    free = np.setdiff1d(np.arange(400), labeled)
    near = strategies.hybrid.nearby("margin", neighbors=6)
    for k in (1, 10, 24, 100, 396):
        found = select(E, free, None, near, k=k, given={"proba": P, "labeled_rows": labeled}).rows
        assert len(set(found.tolist())) == k
        assert not set(found) & set(labeled)
    scored = []

    def counting(proba):
        scored.append(len(proba))
        return proba[:, 0]

    slow = strategies.hybrid.nearby(strategies.Strategy("slow", counting), neighbors=6)
    select(E, free, None, slow, k=5, given={"proba": P, "labeled_rows": labeled})
    assert sum(scored) <= 24


def test_nearby_refuses_nonsense():
    with pytest.raises(BadInput, match="neighbors"):
        strategies.hybrid.nearby("margin", neighbors=0)


def test_k_center_takes_in_several_new_centers_at_once():
    """Another library takes the minimum of an (n, 1) and an (n, k) array: an (n, k) one, whose argmax is no row."""
    E = points(1, 50)
    labeled = points(2, 30)
    picked = batch.k_center(E, labeled, np.zeros(50), 5)
    apart = squares(E, labeled).min(1)
    for i in picked:
        assert apart[i] == pytest.approx(apart.max(), rel=1e-5)
        apart = np.minimum(apart, squares(E, E[[i]])[:, 0])


# ── labeled against unlabeled ───────────────────────────────────────────────────────────────


def slow_discriminator(L, U, ridge=1e-3):
    from scipy.optimize import minimize

    scale = np.sqrt(np.mean(U.astype(float) ** 2))

    def loss(w):
        return (
            np.logaddexp(0, L / scale @ w[:-1] + w[-1]).mean()
            + np.logaddexp(0, -(U / scale @ w[:-1] + w[-1])).mean()
            + ridge / 2 * w[:-1] @ w[:-1]
        )

    w = minimize(loss, np.zeros(L.shape[1] + 1), options={"gtol": 1e-7}).x
    return np.append(w[:-1] / scale, w[-1])


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_discriminator_is_the_balanced_logistic_regression(seed):
    L, U = points(seed, 8) * 2, points(seed + 1, 40) * 2 + 1
    rows, side = np.concatenate([L, U]), np.repeat([-1, 1], [len(L), len(U)])
    found, slow = contrast.Discriminator(rows, side).fit(side), slow_discriminator(L, U)
    assert U @ found[:-1] == pytest.approx(U @ slow[:-1], abs=0.02 * np.ptp(U @ slow[:-1]))


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_discriminator_learns_on_to_where_it_would_learn_anew(seed):
    L, U = points(seed, 8) * 2, points(seed + 1, 40) * 2 + 1
    rows, side = np.concatenate([L, np.zeros((1, 3), np.float32), U]), np.repeat([-1, 0, 1], [8, 1, 40])
    learner = contrast.Discriminator(rows, side)
    learner.fit(side)
    learner.put(slice(8, 9), U[[4]])
    side[[8, 9 + 4]] = -1, 0
    slow = slow_discriminator(np.concatenate([L, U[[4]]]), np.delete(U, 4, axis=0))
    assert U @ learner.fit(side)[:-1] == pytest.approx(U @ slow[:-1], abs=0.02 * np.ptp(U @ slow[:-1]))


def test_discriminative_learns_between_parts():
    """Two far groups without a label: after the first is asked about, the second is less labeled than it."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 40)
    E = (np.array([[0, 0], [30, 0], [0, 9.0]])[group] + rng.normal(size=(120, 2))).astype(np.float32)
    picked = contrast.discriminative(E, E[:20], np.zeros(120), 10, np.random.default_rng(0))
    assert set(group[picked]) == {1, 2}
    assert group[contrast.discriminative(E, E[:20], np.zeros(120), 1, np.random.default_rng(0))[0]] == 1


# ── before two classes are known ────────────────────────────────────────────────────────────


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 30), st.integers(0, 4), st.integers(1, 12))
def test_rows_are_drawn_apart_by_the_law_of_capped_distances(seed, n, m, k):
    """Against a loop with the full matrix that draws with the same generator."""
    X, labeled = points(seed, n), points(seed + 1, m)
    picked = cover.drawn_apart(X, labeled, k, np.random.default_rng(seed))
    rng, expected = np.random.default_rng(seed), []
    for _ in range(min(k, n)):
        free = [i for i in range(n) if i not in expected]
        centers = np.concatenate([labeled, X[expected]])
        near = squares(X[free], centers).min(1) if len(centers) else np.ones(len(free))
        weight = np.minimum(near, cover.FAR**2 * np.median(near)) if np.median(near) > 0 else near
        weight = weight if weight.sum() > 0 else np.ones(len(free))
        expected.append(free[rng.choice(len(free), p=weight / weight.sum())])
    assert picked.tolist() == expected


def test_a_copy_of_what_was_asked_is_drawn_last():
    X = np.repeat(points(0, 6), 20, axis=0)
    picked = cover.drawn_apart(X, X[:1], 5, np.random.default_rng(0))
    assert {int(row) // 20 for row in picked} == {1, 2, 3, 4, 5}


def test_junk_does_not_take_all_questions():
    """Nine in ten rows lie close together, one in ten is far from everything: it gets 2.25 / 0.9 times its share."""
    X = np.concatenate([points(1, 900), 100 * points(2, 100) + 1000])
    far = [cover.drawn_apart(X, X[:200], 1, np.random.default_rng(seed))[0] >= 900 for seed in range(400)]
    assert 0.1 < np.mean(far) < 0.35


def test_cold_asks_typical_rows_and_draws_in_turns():
    X = points(3, 300)
    noise = np.random.default_rng(4).random(300)
    at_first = cover.cold(X, X[:0], noise, 10, np.random.default_rng(5))
    assert at_first[::2].tolist() == cover.typical(X, X[:0], noise, 5, np.random.default_rng(5)).tolist()
    assert len(set(at_first.tolist())) == 10
    one = [cover.cold(X, X[:m], noise, 1, np.random.default_rng(5)).tolist() for m in range(22)]
    for m in range(22):
        rule = cover.typical if m % 2 == 0 and m < 20 else None
        rng = np.random.default_rng(5)
        expected = rule(X, X[:m], noise, 1, rng) if rule else cover.drawn_apart(X, X[:m], 1, rng)
        assert one[m] == expected.tolist()
    later = cover.cold(X, X[:25], noise, 10, np.random.default_rng(5))
    assert later.tolist() == cover.drawn_apart(X, X[:25], 10, np.random.default_rng(5)).tolist()
    both = cover.cold(X, X[:0], noise, 40, np.random.default_rng(5))
    assert len(set(both.tolist())) == 40
    assert both[:20:2].tolist() == cover.typical(X, X[:0], noise, 10, np.random.default_rng(5)).tolist()
    assert len(set(cover.cold(X[:30] * 0, X[:25] * 0, noise[:30], 40, np.random.default_rng(5)).tolist())) == 30


def test_a_class_all_around_another_is_met_at_once():
    """Typical rows lie in the middle, where the other class is not: with these alone 20 labels knew one class."""
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = rng.integers(2, size=900)
        X = (rng.normal(size=(900, 12)) * np.where(y, 0.5, 1.0)[:, None]).astype(np.float32)
        asked: list[int] = []
        while len(set(y[asked].tolist())) < 2 and len(asked) < 40:
            left = np.setdiff1d(np.arange(900), asked)
            asked.append(
                int(select(X, left, None, "auto", seed=seed, given={"labeled_rows": np.array(asked, int)}).rows[0])
            )
        found.append(len(asked))
    assert np.median(found) <= 4


def test_rare_rows_far_from_everything_are_found_before_two_classes_are_known():
    """One in a hundred lies somewhere else, each by itself: typical rows never meet them."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(800, 8)).astype(np.float32)
        rare = rng.choice(800, 8, replace=False)
        X[rare] += 8 * rng.normal(size=(8, 8)).astype(np.float32)
        asked: list[int] = []
        while not set(asked) & set(rare.tolist()) and len(asked) < 300:
            left = np.setdiff1d(np.arange(800), asked)
            picked = select(X, left, None, "auto", k=5, seed=seed, given={"labeled_rows": np.array(asked, np.intp)})
            asked += picked.rows.tolist()
        found.append(len(asked))
    assert np.median(found) <= 50  # a random order: 71 in the median
