"""Advice on stopping: series of numbers in, a verdict with its reason out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import stopping
from askwise.core import BadInput


def series(costs, step=10):
    return [step * (i + 1) for i in range(len(costs))], costs


def test_a_falling_projection_goes_on():
    labels, costs = series([2000 - 60 * i for i in range(12)])
    verdict = stopping.bargain(labels, costs, 3000, region=2500)
    assert not verdict.ready
    assert "saved about" in verdict.reason
    assert verdict.region == 2500


def test_the_savings_per_label_are_those_of_the_projection():
    labels = list(range(10, 210, 10))
    costs = [3000 - 4 * x for x in labels]  # total = 3000 - 3 * labels
    assert "about 3.0 others" in stopping.bargain(labels, costs, 3000, region=100).reason


def test_a_flat_projection_stops():
    labels = [10 * (i + 1) for i in range(20)]
    costs = [900 - x for x in labels]  # the total stays where it is
    verdict = stopping.bargain(labels, costs, 3000, region=2500)
    assert verdict.ready
    assert verdict.labels_left == 700
    assert "2,500 items" in verdict.reason
    assert verdict.labels_left_range == (700, 700)


def test_a_gain_of_one_percent_is_the_limit():
    labels = [10 * (i + 1) for i in range(20)]

    def falls_by(share):
        total = [1000.0] * 17 + [1000 * (1 - share)] * 3
        return stopping.bargain(labels, [t - x for t, x in zip(total, labels, strict=True)], 3000, region=9).ready

    assert falls_by(0.009)
    assert not falls_by(0.012)


def test_the_patience_grows_with_the_labels():
    labels = list(range(10, 1010, 10))
    drop = np.where(np.array(labels) > 900, 800.0, 1000.0)  # improved 100 labels ago; 15 % of 1,000 is 150
    costs = list(drop + 1000 - labels)
    assert not stopping.bargain(labels, costs, 5000, region=9).ready
    drop = np.where(np.array(labels) > 700, 800.0, 1000.0)
    assert stopping.bargain(labels, list(drop + 1000 - labels), 5000, region=9).ready


def test_one_lucky_projection_changes_nothing():
    labels = [10 * (i + 1) for i in range(20)]
    costs = [900.0 - x for x in labels]
    costs[-1] = 100.0
    verdict = stopping.bargain(labels, costs, 3000, region=2500)
    assert verdict.ready  # the outlier is smoothed away: no improvement is seen
    assert verdict.labels_left == 710 - 10


def test_a_young_projection_waits():
    verdict = stopping.bargain([20, 30, 40], [100, 100, 100], 1000, region=700)
    assert not verdict.ready
    assert "20 labels old" in verdict.reason


@pytest.mark.parametrize("region", [0, 600])
def test_too_little_gain_is_no_bargain(region):
    labels = [10 * (i + 1) for i in range(20)]
    costs = [950.0] * 20
    verdict = stopping.bargain(labels, costs, 1000, region=region, refusal="" if region else "The model is too weak.")
    assert not verdict.ready
    assert verdict.region == 0
    assert verdict.reason == (
        "Certifying would leave about 950 of 1,000 items to people: too little gain."
        if region
        else "The model is too weak."
    )


def test_nothing_left_and_no_model():
    assert stopping.bargain([10], [0.0], 0).ready
    nothing = stopping.bargain([], [], 100)
    assert not nothing.ready
    assert nothing.labels_left is None
    assert stopping.forecast([], [], 100) == (None, None)


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 5000)), min_size=1, max_size=60), st.integers(1, 6000))
def test_forecasts_are_inside_their_range_and_the_rest(steps, rest):
    labels = list(np.cumsum([step for step, _ in steps]))
    costs = [cost for _, cost in steps]
    left, (low, high) = stopping.forecast(labels, costs, rest)
    assert 0 <= low <= left <= high <= rest
    verdict = stopping.bargain(labels, costs, rest, region=5)
    assert (verdict.labels_left, verdict.labels_left_range) == (left, (low, high))
    assert verdict.reason.endswith(".")


def test_the_range_widens_with_the_swing_of_the_projection():
    labels = [10 * (i + 1) for i in range(10)]
    calm = stopping.forecast(labels, [500.0 - x for x in labels], 900)
    wild = stopping.forecast(labels, [500.0 - x + (80 if i % 6 < 3 else 0) for i, x in enumerate(labels)], 900)
    assert calm == (400, (400, 400))
    assert wild == (480, (320, 560))


def test_series_must_fit():
    for labels, costs in [([1, 2], [1.0]), ([2, 1], [1.0, 1.0])]:
        with pytest.raises(BadInput):
            stopping.bargain(labels, costs, 10)


def test_budget():
    assert stopping.budget(100, 100).ready
    going = stopping.budget(30, 100)
    assert not going.ready
    assert going.labels_left == 70


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_kappa_against_its_table(pairs):
    a, b = (np.array(column) for column in zip(*pairs, strict=True))
    n = len(a)
    table = np.zeros((4, 4))
    for x, y in pairs:
        table[x, y] += 1 / n
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    if chance < 1 - 1e-9:
        assert stopping.kappa(a, b) == pytest.approx((np.trace(table) - chance) / (1 - chance))
    else:
        assert stopping.kappa(a, b) == 1


def test_kappa_takes_names_and_refuses_nothing():
    assert stopping.kappa(np.array(["spam", "ham"]), np.array(["spam", "ham"])) == 1
    assert stopping.kappa(np.array(["spam", "ham"]), np.array(["ham", "spam"])) == -1
    for before, after in [([], []), ([1], [1, 2])]:
        with pytest.raises(BadInput):
            stopping.kappa(before, after)


def test_stable_needs_three_good_rounds():
    assert not stopping.stable([1.0, 1.0]).ready
    assert stopping.stable([0.2, 0.99, 0.995, 0.99]).ready
    assert not stopping.stable([1.0, 1.0, 0.96]).ready
    assert "hardly change" in stopping.stable([1.0] * 3).reason
