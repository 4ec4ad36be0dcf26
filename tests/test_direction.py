"""Directions and lengths in batch rules, and what they do against items that are halfway between classes."""

from __future__ import annotations

import numpy as np
import pytest

from askwise import batch, select, testing
from askwise.batch import cover, direction
from askwise.learners import SoftmaxRegression
from askwise.strategies import switch
from askwise.strategies.catalog import enough_labels


def classes(seed, n=600, d=24):
    """Six wide groups, each along an axis of its own."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 6, n)
    return (3 * np.eye(6, d)[y] + 0.7 * rng.normal(size=(n, d))).astype(np.float32), np.array(list("abcdef"))[y]


def reference(E):
    return (E / np.linalg.norm(E, axis=1)[:, None]).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_typical_direction_is_typical_of_the_scaled_rows(seed):
    E, _ = classes(seed)
    noise = np.random.default_rng(seed).random(len(E))
    scaled = reference(E)
    labeled = np.arange(0, 40, 5)
    E.flags.writeable = False
    found = direction.typical_direction(E, E[labeled], noise, 9, np.random.default_rng(seed))
    assert found.tolist() == cover.typical(scaled, scaled[labeled], noise, 9, np.random.default_rng(seed)).tolist()


def test_typical_direction_works_without_labels_and_without_directions():
    none = np.zeros((0, 3), np.float32)
    for flat in (np.ones((8, 3), np.float32), np.zeros((8, 3), np.float32)):
        found = direction.typical_direction(flat, none, np.arange(8.0), 3, np.random.default_rng(0))
        assert len(set(found.tolist())) == 3


def test_a_coin_flip_that_looks_typical_is_not_by_direction():
    def share(rule):
        found = []
        for seed in range(10):
            X, y = classes(seed)
            X, _, planted = testing.plant_coin_flips(X, y, 0.2, np.random.default_rng(seed))
            rng = np.random.default_rng(seed)
            found.append(planted[rule(X, X[:0], rng.random(len(X)), 12, rng)].mean())
        return np.mean(found)

    assert share(direction.typical_direction) < 0.1
    assert share(batch.typical) > 0.4


def test_doubt_far_out_is_asked_about_before_doubt_in_the_middle():
    rng = np.random.default_rng(0)
    side = np.where(np.arange(80) < 40, 1.0, -1.0)
    E = np.column_stack([side, rng.normal(size=(80, 5)) * 0.01]).astype(np.float32)
    E[::2] *= 10  # half of each side lies far out
    for seed in range(5):
        found = direction.diverse_telling(np.ones(80), E, rng.random(80), 2, np.random.default_rng(seed))
        assert (found % 2 == 0).all()
        assert set(side[found]) == {1.0, -1.0}


@pytest.mark.parametrize("k", [1, 5, 600])
def test_rows_of_one_length_are_chosen_as_by_diverse(k):
    E, _ = classes(1)
    rng = np.random.default_rng(2)
    score, noise = rng.random(len(E)), rng.random(len(E))
    for rows in (reference(E), np.ones_like(E), np.zeros_like(E)):
        expected = batch.diverse(score, rows, noise, k, np.random.default_rng(3)).tolist()
        assert direction.diverse_telling(score, rows, noise, k, np.random.default_rng(3)).tolist() == expected


def test_one_question_is_the_best_score_however_short():
    E, _ = classes(1)
    score = np.random.default_rng(2).random(len(E))
    E[score.argmax()] *= 0.01
    assert direction.diverse_telling(score, E, score, 1, np.random.default_rng(3)).tolist() == [score.argmax()]


def label(strategy, X, y, seed, budget=60):
    """Row numbers in the order they were asked, ten at a time."""
    labeled, model = np.zeros(0, np.intp), None
    while len(labeled) < budget:
        free = np.setdiff1d(np.arange(len(X)), labeled)
        given = {"labeled_rows": np.sort(labeled), "n_labeled": len(labeled)}
        chosen = select(X, free, model, strategy, k=10, seed=seed, given=given).rows
        labeled = np.concatenate([labeled, chosen])
        model = SoftmaxRegression().fit(X[labeled], y[labeled])
    return labeled


def test_on_rows_of_one_length_telling_is_what_it_is_made_of():
    plain = switch("typiclust", "diverse_margin", enough_labels)
    for seed in range(3):
        X, y = classes(seed)
        X = reference(X)
        assert label("telling", X, y, seed).tolist() == label(plain, X, y, seed).tolist()


def test_telling_spends_less_than_their_share_on_coin_flips():
    def share(strategy):
        found = []
        for seed in range(6):
            X, y = classes(seed)
            X, y, planted = testing.plant_coin_flips(X, y, 0.2, np.random.default_rng(seed))
            found.append(planted[label(strategy, X, y, seed)].mean())
        return np.mean(found)

    ours, entropy = share("telling"), share("entropy")
    assert ours < 0.2 < entropy
