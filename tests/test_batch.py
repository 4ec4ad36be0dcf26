"""Batch rules against slow, obvious references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import batch
from askwise.batch import cluster, cover, distances

SMALL = st.integers(0, 10_000)


def points(seed, n, d=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 40), SMALL)
def test_top_k_sorts_by_score_then_noise(values, k, seed):
    score, noise = np.array(values, float), np.random.default_rng(seed).random(len(values))
    expected = sorted(range(len(values)), key=lambda i: (-score[i], -noise[i]))[:k]
    assert batch.top_k(score, noise, k).tolist() == expected


def greedy_k_center(E, labeled, k):
    """The textbook loop over an (n, centers) matrix of distances."""
    E, centers, picked = E.astype(float), [row.astype(float) for row in labeled], []
    if not centers:
        picked.append(int(((E - E.mean(0)) ** 2).sum(1).argmin()))
        centers.append(E[picked[0]])
    while len(picked) < k:
        D = np.min([((E - c) ** 2).sum(1) for c in centers], axis=0)
        D[picked] = -1
        picked.append(int(D.argmax()))
        centers.append(E[picked[-1]])
    return picked


@pytest.mark.parametrize("block", [4, 4096])
@given(SMALL, st.integers(3, 40), st.integers(0, 15), st.integers(1, 12))
def test_lazy_k_center_is_exact(block, seed, n, m, k):
    E, labeled = points(seed, n), points(seed + 1, m)
    k = min(k, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cover, "BLOCK", block)
        patch.setattr(distances, "BLOCK", block)
        assert batch.k_center(E, labeled, np.zeros(n), k).tolist() == greedy_k_center(E, labeled, k)


def test_k_center_leaves_twins_of_labeled_rows_for_last():
    E = np.repeat(points(0, 10), 2, axis=0)
    picked = batch.k_center(E, E[:6], np.zeros(20), 20)
    assert {i // 2 for i in picked[:7]} == set(range(3, 10))


def test_k_center_never_holds_all_pairs(monkeypatch):
    sizes = []
    plain = distances.distances
    for module in (cover, distances):
        monkeypatch.setattr(module, "distances", lambda A, B: sizes.append(len(A) * len(B)) or plain(A, B))
    E = points(0, 20_000, 2)
    batch.k_center(E, E[:5], np.zeros(len(E)), 30)
    assert max(sizes) < 50 * distances.BLOCK


def test_typical_asks_in_every_group_and_the_largest_first():
    rng = np.random.default_rng(0)
    centers = np.array([[0, 0], [50, 0], [0, 50], [50, 50.0]])
    group = np.repeat([0, 1, 2, 3], [400, 200, 100, 50])
    E = (centers[group] + rng.normal(size=(750, 2))).astype(np.float32)
    for seed in range(5):
        none = np.zeros((0, 2), np.float32)
        picked = batch.typical(E, none, np.zeros(750), 4, np.random.default_rng(seed))
        assert len(set(picked.tolist())) == 4
    # with three groups labeled the fourth is asked about
    fourth = batch.typical(E, E[[0, 400, 600]], np.zeros(750), 1, np.random.default_rng(1))
    assert group[fourth[0]] == 3


def test_typical_row_is_the_one_with_the_nearest_neighbors():
    E = points(3, 60, 2)
    i = cover._most_typical(E, np.arange(60), np.zeros(60), np.random.default_rng(0))
    near = [np.sort(np.linalg.norm(E - row, axis=1))[1:21].mean() for row in E.astype(float)]
    assert i == int(np.argmin(near))


def test_typical_gives_every_row_of_a_pool_of_twins():
    E = np.zeros((7, 3), np.float32)
    assert sorted(batch.typical(E, E[:2], np.arange(7.0), 7, np.random.default_rng(0)).tolist()) == list(range(7))


@given(SMALL, st.integers(1, 40))
def test_diverse_gives_k_rows_by_score(seed, k):
    rng = np.random.default_rng(seed)
    E, score, noise = points(seed, 40), rng.random(40), rng.random(40)
    picked = batch.diverse(score, E, noise, k, rng)
    assert len(set(picked.tolist())) == k
    assert (np.diff(score[picked]) <= 0).all()
    if k in (1, 40):
        assert picked.tolist() == batch.top_k(score, noise, k).tolist()


@given(SMALL, st.integers(2, 8))
def test_diverse_leaves_out_rows_far_from_all_others_but_no_group(seed, k):
    rng = np.random.default_rng(seed)
    # 80 rows together, a group of six elsewhere, eight outliers in directions of their own
    E = rng.normal(size=(94, 20)).astype(np.float32)
    E[80:86] = 30 + 0.5 * E[80:86]
    E[86:] = 100 * np.eye(8, 20)
    score, noise = rng.random(94), rng.random(94)
    score[86:] += 2
    score[80] += 0.9
    picked = batch.diverse(score, E, noise, k, rng)
    assert picked.max() < 86
    # the best of what is left comes first
    assert picked[0] == score[:86].argmax()
    assert batch.diverse(score, E, noise, 1, rng)[0] >= 86


def test_diverse_fills_up_where_copies_are_most_of_the_rows():
    rng = np.random.default_rng(0)
    E = rng.normal(size=(100, 5)).astype(np.float32)
    E[:60] = E[0] + 1e-4 * rng.normal(size=(60, 5))
    picked = batch.diverse(np.ones(100), E, rng.random(100), 7, rng)
    assert len(set(picked.tolist())) == 7
    assert np.count_nonzero(picked < 60) <= 3


def test_diverse_compares_large_shortlists_with_a_sample():
    rng = np.random.default_rng(0)
    E = rng.normal(size=(3000, 20)).astype(np.float32)
    E[::100] *= 30
    picked = batch.diverse(rng.random(3000) + (np.arange(3000) % 100 == 0), E, rng.random(3000), 300, rng)
    assert len(set(picked.tolist())) == 300
    assert (picked % 100 != 0).all()


def test_diverse_takes_one_row_of_each_group():
    group = np.repeat([0, 1, 2], 30)
    E = (np.eye(3)[group] * 100 + np.random.default_rng(0).normal(size=(90, 3))).astype(np.float32)
    score = np.where(group == 0, 0.9, 0.5) + np.linspace(0, 0.01, 90)
    hits = [
        len({group[i] for i in batch.diverse(score, E, np.zeros(90), 3, np.random.default_rng(s))}) for s in range(20)
    ]
    assert np.mean(hits) > 2
    assert len({group[i] for i in batch.top_k(score, np.zeros(90), 3)}) == 1


def test_k_means_starts_no_center_at_an_outlier():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        E = rng.normal(size=(400, 10)).astype(np.float32)
        E[::20] = 50 * rng.normal(size=(20, 10))
        centers = batch.k_means(E, 5, rng)
        apart = np.linalg.norm(centers[:, None] - E[::20][None], axis=2)
        # only the first row is drawn blindly
        assert np.count_nonzero(apart.min(1) < 1) <= 1


def test_k_means_of_single_rows_has_them_all():
    E = 100 * np.eye(8, dtype=np.float32)
    for k in (2, 7, 8, 10):
        centers = batch.k_means(E, k, np.random.default_rng(k))
        assert len(np.unique(centers, axis=0)) == min(k, 8)


def test_k_means_starts_anywhere_where_all_rows_are_alone(monkeypatch):
    asked = []
    E = np.eye(400, dtype=np.float32)
    monkeypatch.setattr(cluster, "PATIENCE", 3)
    real = np.count_nonzero
    monkeypatch.setattr(cluster.np, "count_nonzero", lambda a: asked.append(real(a)) or asked[-1])
    rows = cluster._spread_out(E, np.ones(400, np.float32), 5, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 5
    # eight passed over, four taken
    assert asked == [1] * 12


def test_k_means_finds_separate_groups_and_heeds_weights():
    E = np.array([[0.0], [1.0], [100.0], [101.0]], np.float32)
    found = {tuple(sorted(batch.k_means(E, 2, np.random.default_rng(s)).ravel().tolist())) for s in range(10)}
    assert (0.5, 100.5) in found
    heavy = batch.k_means(E, 1, np.random.default_rng(0), weight=np.array([3.0, 1, 1e-9, 1e-9]))
    assert heavy[0, 0] == pytest.approx(0.25, abs=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.booleans())
def test_k_means_that_keeps_distances_is_the_plain_one(seed, k, weighted):
    rng = np.random.default_rng(seed)
    E = rng.normal(size=(300, 6)).astype(np.float32)
    weight = rng.random(300) + 0.1 if weighted else None
    found = cluster.k_means(E, k, np.random.default_rng(seed), weight=weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "KEPT", 0)
        plain = cluster.k_means(E, k, np.random.default_rng(seed), weight=weight)
    assert found == pytest.approx(plain, abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_kept_distances_follow_centers_wherever_they_go(seed):
    rng = np.random.default_rng(seed)
    E = rng.normal(size=(100, 4)).astype(np.float32)
    centers = rng.normal(size=(9, 4)).astype(np.float32)
    homes = cluster._Homes(E)
    for moving in (9, 1, 4, 0, 9, 2):
        centers[rng.permutation(9)[:moving]] = rng.normal(size=(moving, 4))
        expected = ((E[:, None] - centers) ** 2).sum(2).argmin(1)
        assert np.array_equal(homes(centers), expected)
