"""Scores of items made of parts, against loops written from the papers."""

from __future__ import annotations

from math import exp, log, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import Strategy, select
from askwise.core import BadInput
from askwise.scores import sequence


def problem(seed, lengths, classes=3):
    P = np.random.default_rng(seed).dirichlet(np.ones(classes), sum(lengths))
    return P.astype(np.float32), np.append(0, np.cumsum(lengths, dtype=int))


LENGTHS = st.lists(st.integers(0, 6), max_size=8)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), LENGTHS, st.integers(1, 4))
def test_scores_are_the_papers_formulas(seed, lengths, classes):
    tokens, offsets = problem(seed, lengths, classes)
    entropy = sequence.token_entropy(tokens, offsets)
    mnlp = sequence.maximum_normalized_log_probability(tokens, offsets)
    least = sequence.least_confident_sequence(tokens, offsets)
    assert entropy.shape == mnlp.shape == least.shape == (len(lengths),)
    for i, length in enumerate(lengths):
        item = tokens[offsets[i] : offsets[i + 1]].astype(float).tolist()
        if not length:
            assert entropy[i] == mnlp[i] == least[i] == 0
            continue
        assert entropy[i] == pytest.approx(-sum(p * log(p) for t in item for p in t if p > 0) / length, abs=1e-9)
        best = prod(max(token) for token in item)
        assert mnlp[i] == pytest.approx(-log(best) / length, abs=1e-9)
        assert exp(-mnlp[i] * length) == pytest.approx(best)
        assert least[i] == pytest.approx(1 - best)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), LENGTHS, st.integers(1, 7))
def test_aggregates_are_what_they_say(seed, lengths, k):
    rng = np.random.default_rng(seed)
    values, offsets = rng.integers(-3, 4, sum(lengths)) / 2, np.append(0, np.cumsum(lengths, dtype=int))
    before = values.copy()
    found = {how: sequence.aggregate(values, offsets, how, k=k) for how in ("mean", "max", "sum", "top")}
    for i, length in enumerate(lengths):
        own = sorted(values[offsets[i] : offsets[i + 1]].tolist(), reverse=True)
        expected = {"mean": sum(own) / max(1, length), "max": max(own, default=0), "sum": sum(own)}
        expected["top"] = sum(own[:k]) / max(1, min(k, length))
        assert {how: float(score[i]) for how, score in found.items()} == pytest.approx(expected)
    assert np.array_equal(values, before)


def test_equal_items_have_equal_scores_wherever_they_stand():
    tokens, _ = problem(0, [7])
    many = np.concatenate([tokens] * 50)
    offsets = np.arange(51) * 7
    for score in (sequence.token_entropy, sequence.maximum_normalized_log_probability):
        assert len(set(score(many, offsets).tolist())) == 1


def test_only_least_confidence_prefers_long_items():
    tokens = np.tile([0.9, 0.1], (12, 1))
    offsets = np.array([0, 2, 12])
    assert np.ptp(sequence.maximum_normalized_log_probability(tokens, offsets)) < 1e-12
    short, long = sequence.least_confident_sequence(tokens, offsets)
    assert (short, long) == (pytest.approx(1 - 0.9**2), pytest.approx(1 - 0.9**10))


def test_an_impossible_token_is_finite():
    assert np.isfinite(sequence.maximum_normalized_log_probability(np.zeros((1, 1)), np.array([0, 1]))).all()


def test_select_takes_the_score_as_doubt():
    tokens, offsets = problem(1, [3, 9, 1, 5])
    doubt = sequence.maximum_normalized_log_probability(tokens, offsets)
    picked = select(np.zeros((4, 1)), None, None, Strategy("mnlp", lambda doubt: doubt), k=4, given={"doubt": doubt})
    assert picked.rows.tolist() == np.argsort(-doubt).tolist()
    with pytest.raises(BadInput, match="'doubt', which only the caller can give"):
        select(np.zeros((4, 1)), None, None, Strategy("mnlp", lambda doubt: doubt), k=4)


@pytest.mark.parametrize("offsets", [[], [0, 2], [1, 3], [0, 4], [0, 2, 1, 3], [0.0, 3.0], [[0, 3]]])
def test_offsets_are_checked(offsets):
    with pytest.raises(BadInput, match="ascending from 0 to 3"):
        sequence.token_entropy(np.full((3, 2), 0.5), np.array(offsets))


def test_arguments_are_checked():
    at = np.array([0, 3])
    with pytest.raises(BadInput, match="how must be"):
        sequence.aggregate(np.ones(3), at, "median")
    with pytest.raises(BadInput, match="k must be 1"):
        sequence.aggregate(np.ones(3), at, "top", k=0)
    with pytest.raises(BadInput, match="one score for each part"):
        sequence.aggregate(np.ones((3, 1)), at)
    with pytest.raises(BadInput, match=r"\(parts, classes\)"):
        sequence.token_entropy(np.ones(3), at)
