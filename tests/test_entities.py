"""Bounds on entities: against a slow reference, and true as often as they say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from askwise.audit import entities
from askwise.audit.bounds import window_starts
from askwise.core import BadInput


def slow_least(part: list[int], whole: list[int], most: int, alpha: Fraction) -> float:
    """The definition, in whole fractions: the largest ratio whose tail of capitals reaches the limit."""
    j = next(j for j in range(20) if most <= 2**j)
    ratios = [Fraction(k, 100) for k in range(1, 100)]
    stakes = [Fraction(s).limit_denominator(100) for s in entities.STAKES]
    capital = {}
    for p in ratios:
        total = Fraction(0)
        for c in stakes:
            product = Fraction(1)
            for n, d in zip(part, whole, strict=True):
                product *= 1 + c * (n / p - d) / 2**j
            total += product
        capital[p] = total
    limit = len(ratios) * len(stakes) * (j + 1) * (j + 2) / alpha
    refuted = [p for p in ratios if sum(capital[q] for q in ratios if q >= p) >= limit]
    return float(max(refuted, default=Fraction(0)))


@pytest.mark.parametrize("seed", range(4))
def test_bounds_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 4, 40)
    part = rng.binomial(whole, [0.9, 0.5, 1.0, 0.05][seed])
    low, high = entities.ratio_bounds(part, whole, 3, 0.1)
    assert low == slow_least(part.tolist(), whole.tolist(), 3, Fraction(8, 100))
    assert high == 1 - slow_least((whole - part).tolist(), whole.tolist(), 3, Fraction(2, 100))
    assert 0 <= low < high <= 1
    if seed < 3:
        assert low > 0, "these many checks say something"


def test_a_precision_that_is_higher_has_higher_bounds_and_more_checks_tell_more() -> None:
    whole = np.full(300, 2)
    bounds = [
        entities.ratio_bounds(np.minimum(2, (np.arange(300) % 10 >= bad) * 2), whole, 2, 0.05) for bad in (1, 3, 5)
    ]
    assert bounds[0][0] > bounds[1][0] > bounds[2][0]
    few = entities.ratio_bounds((np.arange(60) % 10 >= 1) * 2, whole[:60], 2, 0.05)
    assert few[0] < bounds[0][0] < 0.9 < bounds[0][1] < few[1]
    assert entities.ratio_bounds(np.ones(7), np.ones(7), 1, 0.05) == (0, 1)


def test_counts_are_exact_in_bounds_and_label() -> None:
    found = entities.entity_counts(
        ['[[0,3,"PER"],[4,8,"LOC"]]', '[[0,3,"PER"]]', "[]"],
        ['[[0,3,"PER"],[4,8,"ORG"]]', '[[0,5,"PER"]]', '[[0,1,"new"]]'],
        ["PER", "LOC", "ORG"],
    )
    assert found.right.tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert found.said.tolist() == [[1, 1, 0, 2], [1, 0, 0, 1], [0, 0, 0, 0]]
    assert found.there.tolist() == [[1, 0, 1, 2], [1, 0, 0, 1], [0, 0, 0, 1]]


def test_metrics_by_label() -> None:
    rng = np.random.default_rng(0)
    there = rng.integers(0, 3, (400, 2))
    right = rng.binomial(there, 0.8)
    said = np.minimum(right + rng.binomial(1, 0.1, right.shape), 3)
    counts = entities.Counts(
        *(np.append(part, part.sum(1, keepdims=True), 1) for part in (right, said, there)), np.zeros(400, bool)
    )
    lines = entities.entity_metrics(counts, ["a", "b"], 6, 6)
    assert [line.label for line in lines] == ["a", "b", ""]
    for column, line in enumerate(lines):
        t, s, g = (part[:, column].sum() for part in (counts.right, counts.said, counts.there))
        assert line.precision.estimate == pytest.approx(t / s)
        assert line.recall.estimate == pytest.approx(t / g)
        assert line.f1.estimate == pytest.approx(2 * t / (s + g))
        for interval in (line.precision, line.recall, line.f1):
            assert 0.2 < interval.low < interval.estimate < interval.high
    late = entities.entity_metrics(counts, ["a", "b"], 6, 6, start=80)
    assert late[2].f1.low < lines[2].f1.low


def test_a_check_without_an_answer_counts_as_it_is_worst() -> None:
    answers = ['[[0,1,"a"]]'] * 60
    known = entities.entity_counts(['[[0,1,"a"]]'] * 60, answers, ["a"])
    some = entities.entity_counts(['[[0,1,"a"]]'] * 60, [*answers[:50], *[None] * 10], ["a"])
    all_, less = (entities.entity_metrics(counts, ["a"], 1, 4)[0] for counts in (known, some))
    assert less.precision.estimate == less.recall.estimate == less.f1.estimate == 1
    assert less.precision.low < all_.precision.low
    assert less.recall.low < all_.recall.low
    assert less.precision.high == less.recall.high == 1
    wrong = entities.entity_counts(['[[0,1,"a"]]'] * 60, [*["[]"] * 50, *[None] * 10], ["a"])
    sure = entities.entity_counts(['[[0,1,"a"]]'] * 60, ["[]"] * 60, ["a"])
    upper = [entities.entity_metrics(counts, ["a"], 1, 4)[0].precision.high for counts in (wrong, sure)]
    assert upper[0] > upper[1]


def test_what_cannot_be_is_refused() -> None:
    one = entities.Counts(*np.ones((3, 20, 1), int), np.zeros(20, bool))
    with pytest.raises(BadInput, match=r"start must be one of 0, 10, got 3"):
        entities.entity_metrics(one, [], 1, 1, start=3)
    with pytest.raises(BadInput, match="Confidence"):
        entities.entity_metrics(one, [], 1, 1, confidence=1)
    with pytest.raises(BadInput, match="part <= whole <= 0"):
        entities.entity_metrics(one, [], 0, 1)
    with pytest.raises(BadInput, match="part <= whole"):
        entities.ratio_bounds(np.array([2]), np.array([1]), 3, 0.05)


def test_no_window_is_left_without_a_share_of_the_chance() -> None:
    weights = [1 / ((i + 1) * (i + 2)) for i in range(len(window_starts(10**6)))]
    assert 0.9 < sum(weights) < 1


def test_bounds_are_true_at_every_look_while_the_model_learns() -> None:
    """Precision rises from 30 % to 90 %; what the models checked have together is rarely missed at any look."""
    missed = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        p = np.linspace(0.3, 0.9, 120)
        whole = rng.choice([0, 1, 3], 120)
        part = rng.binomial(whole, p)
        target = np.cumsum(p) / np.arange(1, 121)  # the expected number said is the same for all
        looks = [entities.ratio_bounds(part[:m], whole[:m], 3, 0.2) for m in range(10, 121, 10)]
        missed += any(
            not low <= target[m - 1] <= high for m, (low, high) in zip(range(10, 121, 10), looks, strict=True)
        )
    assert missed <= 300 * 0.2
