"""Doubts of one model, and the hunt for a rare class, against slow references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from askwise import signals, strategies
from askwise.core import BadInput
from askwise.engine import select
from askwise.learners import SoftmaxRegression, adapt
from askwise.scores import rare, uncertainty
from askwise.strategies.uncertainty import expected_cost, relevance

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)).astype(np.float32)
NAMES = np.array(["cat", "dog", "eel"])
Y = NAMES[np.where(X[:, 2] > 1.6, 2, (X[:, 0] > 0).astype(int))]
LABELED, FREE = np.arange(60), np.arange(60, 300)
LEARNER = SoftmaxRegression().fit(X[LABELED], Y[LABELED])


@st.composite
def probabilities(draw):
    n, classes = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    # small integers make exact ties, zeros and certain rows likely
    weights = draw(arrays(np.int64, (n, classes), elements=st.integers(0, 4))).astype(float)
    weights[:, 0] += weights.sum(1) == 0
    return weights / weights.sum(1, keepdims=True)


@given(probabilities())
def test_confidence_ratio(P):
    expected = [sorted([0.0, *row])[-2] / max(row) for row in P]
    assert uncertainty.confidence_ratio(P) == pytest.approx(expected)


@given(probabilities(), st.randoms())
def test_expected_cost_is_that_of_the_cheapest_answer(P, chance):
    classes = [f"c{i}" for i in range(P.shape[1])]
    names = [*classes, "unmet"]
    chance.shuffle(names)
    C = np.array([[float(chance.randint(0, 9)) for _ in names] for _ in names])
    place = [names.index(c) for c in classes]
    expected = [
        min(sum(row[y] * C[place[y], place[answer]] for y in range(len(classes))) for answer in range(len(classes)))
        for row in P
    ]
    assert uncertainty.expected_cost(P, np.array(classes), C.tolist(), names) == pytest.approx(expected)


@given(probabilities())
def test_mistakes_that_all_cost_one_make_it_least_confidence(P):
    classes = np.arange(P.shape[1]).astype(str)
    one = 1 - np.eye(len(classes))
    expected = [1 - max(row) for row in P]
    assert uncertainty.expected_cost(P, classes, one, classes.tolist()) == pytest.approx(expected)
    assert uncertainty.expected_cost(P, classes) == pytest.approx(expected)


def test_a_cost_matrix_changes_what_is_asked():
    # a missed eel costs fifty mistakes: rows that may be one come first, however sure the model is
    dear = expected_cost([[0, 1, 1], [1, 0, 1], [50, 50, 0]], ["cat", "dog", "eel"])
    found = select(X, FREE, LEARNER, dear, k=8)
    P = LEARNER.predict_proba(X).astype(float)
    C = np.array([[0, 1, 1], [1, 0, 1], [50, 50, 0]])
    cost = (P @ C).min(1)
    assert found.rows.tolist() == sorted(FREE, key=lambda row: -cost[row])[:8]
    assert found.rows.tolist() != select(X, FREE, LEARNER, "expected_cost", k=8).rows.tolist()
    other = expected_cost([[0, 50, 50], [1, 0, 1], [1, 1, 0]], ["eel", "dog", "cat"])
    assert select(X, FREE, LEARNER, other, k=8).rows.tolist() == found.rows.tolist()


@pytest.mark.parametrize(
    ("costs", "classes"),
    [([[0, 1]], ["a", "b"]), ([[0, -1], [1, 0]], ["a", "b"]), ([[0, np.nan], [1, 0]], ["a", "b"]),
     ([[0, 1], [1, 0]], ["a", "a"])],
)  # fmt: skip
def test_a_wrong_cost_matrix_is_refused(costs, classes):
    with pytest.raises(BadInput, match="costs must be"):
        expected_cost(costs, classes)


def test_a_class_without_costs_is_named():
    with pytest.raises(BadInput, match="eel"):
        select(X, FREE, LEARNER, expected_cost([[0, 1], [1, 0]], ["cat", "dog"]))


# ── decision values ─────────────────────────────────────────────────────────────────────────


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-9, 9)))
def test_decision_boundary_falls_with_the_distance_to_the_nearest_boundary(D):
    assert uncertainty.decision_boundary(D) == pytest.approx([1 / (1 + min(abs(v) for v in row)) for row in D])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_support_vector_machine_is_asked_at_its_boundary(classes):
    from sklearn.svm import LinearSVC

    y = np.where(Y == "eel", "dog", Y) if classes == 2 else Y
    svm = LinearSVC().fit(X[LABELED], y[LABELED])
    D = np.abs(svm.decision_function(X).reshape(len(X), -1)).min(1)
    expected = sorted(FREE, key=lambda row: D[row])[:6]
    adapted = adapt(LinearSVC()).fit(X[LABELED], y[LABELED])
    for learner in (svm, adapted):
        assert select(X, FREE, learner, "decision_boundary", k=6).rows.tolist() == expected


def test_random_ties_at_the_boundary_do_not_turn_the_order_round():
    """Elsewhere breaking ties at random made the rule pick the rows farthest from the boundary."""
    D = np.array([[3.0, -3], [0.1, -0.1], [0.1, -0.1], [9, -9], [0.5, -0.5]])
    for seed in range(10):
        found = select(np.zeros((5, 1)), None, None, "decision_boundary", k=3, seed=seed, given={"decision": D})
        assert set(found.rows[:2]) == {1, 2}
        assert found.rows[2] == 4


def test_without_decision_function_log_odds_stand_in():
    P = np.clip(LEARNER.predict_proba(X).astype(float), 1e-12, 1 - 1e-12)
    assert signals.decision(LEARNER, X) == pytest.approx(np.log(P / (1 - P)), abs=1e-4)

    class Binary:
        def decision_function(self, X):
            return X[:, 0]

    assert signals.decision(Binary(), X[:3]).tolist() == np.stack([-X[:3, 0], X[:3, 0]], 1).tolist()


# ── a rare class ────────────────────────────────────────────────────────────────────────────


@given(probabilities())
def test_relevance_is_the_probability_of_the_rarest_class(P):
    means = [round(float(np.mean(P[:, c])), 5) for c in range(P.shape[1])]
    assert rare.relevance(P, P).tolist() == P[:, means.index(min(means))].tolist()


def test_relevance_hunts_the_rare_class():
    P = LEARNER.predict_proba(X)
    expected = sorted(FREE, key=lambda row: -P[row, 2])[:5]
    assert select(X, FREE, LEARNER, "relevance", k=5).rows.tolist() == expected
    assert select(X, FREE, LEARNER, relevance("eel"), k=5).rows.tolist() == expected
    assert select(X, FREE, LEARNER, relevance("cat"), k=5).rows.tolist() != expected
    mixed = select(X, FREE, LEARNER, "relevance_mix", k=20)
    assert {name: mixed.parts.count(name) for name in set(mixed.parts)} == {"relevance": 10, "margin": 8, "random": 2}


def test_a_class_the_model_has_not_met_leaves_it_to_chance():
    unmet = select(X, FREE, LEARNER, relevance("fox"), k=5, seed=4)
    assert unmet.rows.tolist() == select(X, FREE, None, "random", k=5, seed=4).rows.tolist()


def test_numbers_as_labels_are_found_too():
    learner = SoftmaxRegression().fit(X[LABELED], np.searchsorted(NAMES, Y[LABELED]))
    found = select(X, FREE, learner, relevance(2), k=5)
    assert found.rows.tolist() == select(X, FREE, LEARNER, relevance("eel"), k=5).rows.tolist()


def test_published_names_resolve():
    assert strategies.get("certainty_sampling").name == "relevance"
    assert strategies.get("simple_margin").name == "decision_boundary"


def test_tensors_stay_tensors():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    P = np.random.default_rng(0).dirichlet(np.ones(3), 7)
    T = torch.tensor(P)
    assert uncertainty.confidence_ratio(T).numpy() == pytest.approx(uncertainty.confidence_ratio(P))
    assert uncertainty.decision_boundary(T).numpy() == pytest.approx(uncertainty.decision_boundary(P))
    assert rare.relevance_of(T, NAMES, "fox").numpy() == pytest.approx(np.zeros(7))
    C = [[0, 1, 2], [3, 0, 4], [5, 6, 0]]
    got = uncertainty.expected_cost(T, NAMES, C, NAMES.tolist())
    assert got.numpy() == pytest.approx(uncertainty.expected_cost(P, NAMES, C, NAMES.tolist()))
