"""Advice on stopping: series of numbers in, a verdict with its reason out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from askwise import stopping
from askwise.core import BadInput


def series(costs, step=10):
    return [step * (i + 1) for i in range(len(costs))], costs


def test_while_learning_could_save_much_it_goes_on():
    labels, costs = series([1520.0 - 10 * (i + 1) for i in range(12)])
    verdict = stopping.bargain(labels, costs, 3000, region=2500, floor=200)
    assert not verdict.ready
    assert "save about 10.0 others" in verdict.reason  # (1,400 - 200) / 120
    assert verdict.region == 2500


def test_it_stops_when_a_label_saves_less_than_one():
    labels = [10 * (i + 1) for i in range(20)]

    def advice(cost):
        return stopping.bargain(labels, [cost + 200 - x for x in labels], 3000, region=2500, floor=300)

    assert advice(499.0).ready
    assert not advice(501.0).ready  # (501 - 300) / 200 labels
    verdict = advice(450.0)
    assert verdict.labels_left <= 450  # what finishing costs now, or a little less by learning on
    assert verdict.labels_left > 400
    assert "2,500 items" in verdict.reason
    assert "650 human labels in all" in verdict.reason


def test_labels_that_came_with_the_data_count_as_learned():
    labels, costs = series([900.0] * 10)
    assert not stopping.bargain(labels, costs, 3000, region=9).ready
    assert stopping.bargain(labels, costs, 3000, region=9, known=1000).ready


def test_one_lucky_projection_changes_nothing():
    labels = [10 * (i + 1) for i in range(20)]
    costs = [900.0 - x for x in labels]
    costs[-1] = 100.0
    verdict = stopping.bargain(labels, costs, 3000, region=2500)
    assert not verdict.ready  # the outlier is smoothed away
    steady = stopping.bargain(labels, [900.0 - x for x in labels[:-1]] + [700.0], 3000, region=2500)
    assert verdict.labels_left == pytest.approx(steady.labels_left, abs=10)


def test_a_young_projection_waits():
    verdict = stopping.bargain([20, 30, 40], [100, 100, 100], 1000, region=700, floor=90)
    assert not verdict.ready
    assert "knows 40 labels" in verdict.reason


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


def test_the_forecast_is_the_least_sum_of_labels_and_what_remains():
    labels, costs, floor = [100, 110, 120], [2020.0, 2010.0, 2000.0], 200.0
    m = np.linspace(120, 3000, 400_000)
    least = {p: float(np.min(m - 120 + floor + 1800 * (120 / m) ** p)) for p in (1, 2, 4)}
    left, (low, high) = stopping.forecast(labels, costs, 5000, floor=floor)
    assert left == pytest.approx(least[2], abs=1)
    assert low == pytest.approx(least[4] / 2.5, abs=1)
    assert high == pytest.approx(least[1] * 1.4, abs=1)


def test_where_learning_no_longer_pays_the_forecast_is_what_finishing_costs():
    left, _ = stopping.forecast([980, 990, 1000], [320.0, 310.0, 300.0], 5000, floor=200)
    assert left == 300


def test_the_forecast_of_a_young_model_is_that_of_one_that_is_old_enough():
    assert stopping.forecast([10], [900.0], 1000) == stopping.forecast([stopping.YOUNG], [900.0], 1000)


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


# ── other criteria ──────────────────────────────────────────────────────────────────────────


def test_a_budget_of_any_unit():
    assert stopping.budget(30, 30).ready
    assert stopping.budget(29, 30).labels_left == 1
    minutes = stopping.budget(12.5, 60, unit="minutes", each=0.25)
    assert not minutes.ready
    assert minutes.labels_left == 190
    assert minutes.reason == "47.5 of 60 minutes of the budget are left."
    assert "60 minutes" in stopping.budget(61, 60, unit="minutes").reason
    with pytest.raises(BadInput, match="more than nothing"):
        stopping.budget(1, 2, each=0)


def test_labels_pay_as_long_as_they_spare_dearer_errors():
    labels = list(range(0, 400, 10))
    errors = [max(50.0, 250 - x) for x in labels]  # one error less a label, until 200 are given
    early, late = labels.index(150), len(labels)
    prices = {"price_of_label": 0.2, "price_of_error": 0.5}
    assert not stopping.pays(labels[:early], errors[:early], **prices).ready
    assert stopping.pays(labels[:late], errors[:late], **prices).ready
    assert stopping.pays(labels[:early], errors[:early], price_of_label=0.6, price_of_error=0.5).ready
    assert "about 1.00 errors, worth 0.5" in stopping.pays(labels[:early], errors[:early], **prices).reason
    assert not stopping.pays([10, 20], [5, 4], **prices).ready  # too early to say
    assert not stopping.pays([], [], **prices).ready


@given(st.integers(0, 1000))
def test_what_a_label_is_worth_is_the_slope_of_a_least_squares_line(seed):
    rng = np.random.default_rng(seed)
    labels = np.cumsum(rng.integers(1, 9, 40)).tolist()
    errors = rng.uniform(0, 300, 40).tolist()
    window = max(30, round(0.15 * labels[-1]))
    recent = [i for i, x in enumerate(labels) if x >= labels[-1] - window]
    slope = np.polyfit([labels[i] for i in recent], [errors[i] for i in recent], 1)[0]
    if abs(-slope - 0.7) > 1e-6:
        verdict = stopping.pays(labels, errors, price_of_label=0.7, price_of_error=1.0)
        assert verdict.ready == (-slope < 0.7)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stopping.pays([1], [1, 2], price_of_label=1, price_of_error=1),
        lambda: stopping.pays([2, 1], [1, 2], price_of_label=1, price_of_error=1),
        lambda: stopping.pays([1], [1], price_of_label=0, price_of_error=1),
        lambda: stopping.pays([1], [1], price_of_label=1, price_of_error=-1),
        lambda: stopping.change_in_f(np.array([1]), np.array([1, 0]), 1),
        lambda: stopping.any_of(),
        lambda: stopping.all_of(),
    ],
)
def test_what_cannot_be_judged_is_refused(call):
    with pytest.raises(BadInput):
        call()


def test_predictions_that_no_longer_change():
    assert not stopping.unchanged([0, 0]).ready
    assert stopping.unchanged([4, 0, 0, 0]).ready
    assert not stopping.unchanged([0, 0, 2]).ready
    assert "2 predictions" in stopping.unchanged([0, 0, 2]).reason


def test_a_model_that_is_sure_or_past_its_peak():
    assert not stopping.confident([]).ready
    assert stopping.confident([0.2, 0.009]).ready
    assert not stopping.confident([0.009, 0.2]).ready
    assert not stopping.peaked([0.9, 0.8, 0.7]).ready  # two falls
    assert stopping.peaked([0.8, 0.9, 0.8, 0.7, 0.6]).ready
    assert not stopping.peaked([0.9, 0.8, 0.7, 0.7]).ready


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_change_in_f_is_one_minus_f_of_one_against_the_other(pairs):
    before, after = np.array(pairs).T
    expected = 1 - f1_score(before, after, zero_division=1.0)
    assert stopping.change_in_f(before, after, True) == pytest.approx(expected)


def test_verdicts_combine():
    yes, no = stopping.budget(5, 5), stopping.budget(4, 5)
    assert stopping.any_of(no, yes) == yes
    assert stopping.all_of(yes, no) == no
    assert not stopping.any_of(no, no).ready
    assert stopping.all_of(yes, stopping.unchanged([0, 0, 0])).reason.count(".") == 2


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1e6)), max_size=9))
def test_projections_are_smoothed_by_the_median_of_three(pairs):
    labels, costs = sorted(n for n, _ in pairs), [cost for _, cost in pairs]
    raw = [n + cost for n, cost in zip(labels, costs, strict=True)]
    _, total = stopping._totals(labels, costs)
    assert total.tolist() == [float(np.median(raw[max(0, t - 2) : t + 1])) for t in range(len(raw))]
