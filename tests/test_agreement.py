"""Consensus and agreement, against published examples, slow references and planted people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from askwise import agreement
from askwise.core import BadInput

_ = agreement.MISSING


@st.composite
def vote_tables(draw):
    n, people, classes = draw(st.integers(1, 8)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
    cells = st.integers(-1, classes - 1)
    V = np.array(draw(st.lists(st.lists(cells, min_size=people, max_size=people), min_size=n, max_size=n)))
    V[(_ == V).all(1), 0] = 0
    return V, classes


def slow_dawid_skene(V, classes, steps, smoothing):
    """The formulas of the paper, one number at a time."""
    n, people = V.shape
    T = [[sum(v == c for v in row) / sum(v != _ for v in row) for c in range(classes)] for row in V]
    for _step in range(steps):
        prior = [(sum(t[k] for t in T) + 1 / classes) / (n + 1) for k in range(classes)]
        confusion = {}
        for p in range(people):
            for k in range(classes):
                counts = [
                    sum(T[i][k] for i in range(n) if V[i][p] == c)
                    + (smoothing / 2 if c == k else smoothing / 2 / (classes - 1))
                    for c in range(classes)
                ]
                confusion[p, k] = [x / sum(counts) for x in counts]
        new = []
        for i in range(n):
            likelihood = [
                prior[k] * math.prod(confusion[p, k][V[i][p]] for p in range(people) if V[i][p] != _)
                for k in range(classes)
            ]
            new.append([x / sum(likelihood) for x in likelihood])
        T = new
    return T


@settings(max_examples=60)
@given(vote_tables(), st.integers(1, 6), st.sampled_from([0.5, 1.0, 4.0]))
def test_consensus_equals_the_paper(table, steps, smoothing):
    V, classes = table
    found = agreement.dawid_skene(V, classes, smoothing=smoothing, steps=steps, tol=0)
    assert found.steps == steps
    assert np.allclose(found.posterior, slow_dawid_skene(V, classes, steps, smoothing))
    assert np.allclose(found.confusion.sum(2), 1)


def test_consensus_finds_who_is_good_and_beats_the_majority():
    rng = np.random.default_rng(0)
    wins = []
    for _seed in range(20):
        truth = rng.choice(3, 400, p=[0.5, 0.3, 0.2])
        rights = [0.95, 0.9, 0.45, 0.45, 0.4]
        V = np.stack([np.where(rng.random(400) < r, truth, rng.integers(0, 3, 400)) for r in rights], axis=1)
        V[rng.random(V.shape) < 0.2] = _
        V[(_ == V).all(1), 0] = 0
        found = agreement.dawid_skene(V, 3)
        counts = np.stack([(c == V).sum(1) for c in range(3)], axis=1)
        wins.append(np.mean(found.labels == truth) - np.mean(counts.argmax(1) == truth))
        actual = [np.mean(V[V[:, p] != _, p] == truth[V[:, p] != _]) for p in range(5)]
        assert np.allclose(found.quality, actual, atol=0.1)
    assert np.mean(wins) > 0.02
    assert min(wins) > -0.01


def test_one_person_is_taken_at_their_word():
    V = np.array([[0], [1], [1], [2]])
    assert agreement.dawid_skene(V, 3).labels.tolist() == [0, 1, 1, 2]


def test_published_example_of_fleiss():
    # Fleiss 1971 as tabulated widely: ten items, fourteen raters, five categories; kappa 0.210
    counts = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    V = np.array([[c for c, k in enumerate(row) for _vote in range(k)] for row in counts])
    assert agreement.fleiss_kappa(V) == pytest.approx(0.210, abs=5e-4)
    more = np.vstack([V, np.where(np.arange(14) < 3, 1, _)])  # another number of raters: left out
    assert agreement.fleiss_kappa(more) == agreement.fleiss_kappa(V)


def test_published_example_of_krippendorff():
    # Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C without its ordering: nominal 0.743
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
    assert agreement.krippendorff_alpha(np.array(rows).T) == pytest.approx(0.743, abs=5e-4)


@given(vote_tables())
def test_alpha_equals_its_definition_by_pairs(table):
    V, _classes = table
    rows = [[v for v in row if v != _] for row in V.tolist()]
    rows = [row for row in rows if len(row) > 1]
    everything = [v for row in rows for v in row]
    n = len(everything)
    found = agreement.krippendorff_alpha(V)
    if not rows or len(set(everything)) == 1:
        assert math.isnan(found)
        return
    observed = sum(
        sum(a != b for i, a in enumerate(row) for j, b in enumerate(row) if i != j) / (len(row) - 1) for row in rows
    )
    expected = sum(a != b for i, a in enumerate(everything) for j, b in enumerate(everything) if i != j)
    assert found == pytest.approx(1 - (observed / n) / (expected / (n * (n - 1))))


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=30))
def test_kappa_equals_scikit_learn(pairs):
    a, b = np.array(pairs).T
    both = (a != _) & (b != _)
    found = agreement.cohen_kappa(a, b)
    if not both.any() or len({*a[both], *b[both]}) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(cohen_kappa_score(a[both], b[both]))


def test_ask_again_where_a_poor_annotator_contradicts_the_model():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 300)
    good = np.where(rng.random(300) < 0.97, truth, 1 - truth)
    poor = np.where(rng.random(300) < 0.6, truth, 1 - truth)
    third = np.where(rng.random(300) < 0.9, truth, 1 - truth)
    V = np.stack([good, poor, third], axis=1)
    V[100:200, [0, 2]] = _  # labeled by the poor one alone
    V[200:, [1, 2]] = _  # labeled by the good one alone
    consensus = agreement.dawid_skene(V, 2)
    P = np.eye(2)[truth] * 0.8 + 0.1
    model = np.vstack([P, [[0.5, 0.5], [0.95, 0.05]]])
    again, new = agreement.worth_asking_again(consensus, V, model, 0.9)
    wrong = consensus.labels[100:200] != truth[100:200]
    assert wrong.sum() > 10
    assert again[100:200][wrong].min() > again[100:200][~wrong].max()
    assert again[100:200].mean() > again[200:].mean()
    assert new[0] > new[1]
    assert again.min() >= 0
    assert max(again.max(), new.max()) <= 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: agreement.dawid_skene(np.array([[0, 3]]), 3),
        lambda: agreement.dawid_skene(np.array([[_, _]]), 2),
        lambda: agreement.dawid_skene(np.array([[0.5]]), 2),
        lambda: agreement.dawid_skene(np.array([0, 1]), 2),
        lambda: agreement.dawid_skene(np.array([[0]]), 1),
        lambda: agreement.dawid_skene(np.array([[0]]), 2, smoothing=0),
        lambda: agreement.cohen_kappa(np.array([0]), np.array([0, 1])),
        lambda: agreement.krippendorff_alpha(np.array([[-2]])),
        lambda: agreement.worth_asking_again(
            agreement.dawid_skene(np.array([[0]]), 2), np.array([[0]]), np.ones((1, 3)), 0.5
        ),
    ],
)
def test_what_cannot_be_is_refused(call):
    with pytest.raises(BadInput):
        call()


def test_nothing_to_compare_is_not_a_number():
    assert math.isnan(agreement.fleiss_kappa(np.array([[0, _], [1, _]])))
    assert math.isnan(agreement.krippendorff_alpha(np.array([[0, _]])))
    assert math.isnan(agreement.cohen_kappa(np.array([0]), np.array([_])))
