"""Batch rules against slow, obvious references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import batch
from askwise.batch import cover, distances

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
def test_diverse_starts_with_the_best_row(seed, k):
    rng = np.random.default_rng(seed)
    E, score, noise = points(seed, 40), rng.random(40), rng.random(40)
    picked = batch.diverse(score, E, noise, k, rng)
    assert len(set(picked.tolist())) == k
    assert picked[0] == score.argmax()
    assert (np.diff(score[picked]) <= 0).all() or k >= 40


def test_diverse_takes_one_row_of_each_group():
    group = np.repeat([0, 1, 2], 30)
    E = (np.eye(3)[group] * 100 + np.random.default_rng(0).normal(size=(90, 3))).astype(np.float32)
    score = np.where(group == 0, 0.9, 0.5) + np.linspace(0, 0.01, 90)
    hits = [
        len({group[i] for i in batch.diverse(score, E, np.zeros(90), 3, np.random.default_rng(s))}) for s in range(20)
    ]
    assert np.mean(hits) > 2
    assert len({group[i] for i in batch.top_k(score, np.zeros(90), 3)}) == 1


def test_k_means_finds_separate_groups_and_heeds_weights():
    E = np.array([[0.0], [1.0], [100.0], [101.0]], np.float32)
    found = {tuple(sorted(batch.k_means(E, 2, np.random.default_rng(s)).ravel().tolist())) for s in range(10)}
    assert (0.5, 100.5) in found
    heavy = batch.k_means(E, 1, np.random.default_rng(0), weight=np.array([3.0, 1, 1e-9, 1e-9]))
    assert heavy[0, 0] == pytest.approx(0.25, abs=1e-5)
