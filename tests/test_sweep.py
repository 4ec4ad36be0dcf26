"""The sweep with coins: its risk is exact, whatever the order; and the numbers of a fixed list of labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import audit
from askwise.audit import SweepPlan, audit_rate, fixed, sweep_plan, sweep_risk, swept
from askwise.core import BadInput


def worst_of_all_orders(wrong: int, right: int, errors: int, allowance: int, rate: float) -> float:
    """The best that an adversary can do who sees everything and chooses what is swept next, or ends; by recursion."""

    @cache
    def chance(wrong: int, right: int, missed: int, caught: int) -> float:
        if missed > errors and caught <= allowance:
            return 1.0
        if caught > allowance:
            return 0.0
        best = 0.0  # end here
        if wrong:
            found = chance(wrong - 1, right, missed, caught + 1)
            best = max(best, rate * found + (1 - rate) * chance(wrong - 1, right, missed + 1, caught))
        if right:
            best = max(best, chance(wrong, right - 1, missed, caught))
        return best

    return chance(wrong, right, 0, 0)


@pytest.mark.parametrize("errors", [0, 1, 3, 6])
@pytest.mark.parametrize("allowance", [0, 1, 4])
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_no_order_of_any_file_beats_the_bound_and_one_attains_it(errors: int, allowance: int, rate: float) -> None:
    bound = sweep_risk(errors, allowance, rate)
    found = [worst_of_all_orders(wrong, 2, errors, allowance, rate) for wrong in range(errors + allowance + 4)]
    assert max(found) == pytest.approx(bound, rel=1e-9)
    assert found == sorted(found), "more errors help the adversary, up to E + k + 1"
    assert found[errors] == 0, "so many may stay"


@given(st.integers(0, 3000), st.integers(0, 300), st.floats(0.001, 0.5))
def test_the_rate_keeps_the_level_and_hardly_more(errors: int, allowance: int, alpha: float) -> None:
    rate = audit_rate(errors, allowance, alpha)
    assert 0 < rate <= 1
    assert sweep_risk(errors, allowance, rate) <= alpha
    assert sweep_risk(errors, allowance, rate * (1 - 1e-6)) > alpha * (1 - 1e-3)


def test_the_rate_without_an_allowance_is_the_textbook_one() -> None:
    assert audit_rate(99, 0, 0.05) == pytest.approx(1 - 0.05 ** (1 / 100))


@pytest.mark.parametrize(("errors", "allowance", "alpha"), [(-1, 0, 0.05), (0, -1, 0.05), (0, 0, 0.0), (0, 0, 1.0)])
def test_numbers_that_cannot_be_are_refused(errors: int, allowance: int, alpha: float) -> None:
    with pytest.raises(BadInput):
        audit_rate(errors, allowance, alpha)


Chooser = Callable[[list[int], dict[int, bool], np.random.Generator], int]


def simulated(next_one: Chooser, wrong: np.ndarray, plan: SweepPlan, seed: int) -> int:
    """The most wrong labels that would stay at any look, when a rule that sees the outcomes chooses the next one."""
    rng = np.random.default_rng(seed)
    left: list[int] = list(range(len(wrong)))
    seen: dict[int, bool] = {}
    caught = missed = 0
    while left and caught <= plan.allowance:
        row = next_one(left, seen, rng)
        left.remove(row)
        if rng.random() < plan.rate:
            seen[row] = bool(wrong[row])
            caught += bool(wrong[row])
        else:
            missed += bool(wrong[row])
    return missed


@pytest.mark.parametrize("which", ["errors first", "errors last", "by what was caught", "at random"])
def test_hostile_orders_that_see_the_outcomes_stay_within_the_level(which: str) -> None:
    plan = SweepPlan(10, 0.1, 3, audit_rate(10, 3, 0.1))
    wrong = np.arange(120) < 40

    def next_one(left: list[int], seen: dict[int, bool], rng: np.random.Generator) -> int:
        if which == "errors first":
            return left[0]
        if which == "errors last":
            return left[-1]
        if which == "by what was caught":  # hides while it is being caught
            return left[0] if sum(seen.values()) < 2 else left[-1]
        return left[int(rng.integers(len(left)))]

    runs = 1500
    false = sum(simulated(next_one, wrong, plan, seed) > plan.errors for seed in range(runs))
    assert false <= 0.1 * runs + 3 * (0.09 * runs) ** 0.5
    if which == "errors first":
        assert false >= 0.1 * runs - 3 * (0.09 * runs) ** 0.5, "the level is used up, so the test sees something"


def test_a_sweep_is_read_up_to_the_error_that_ends_it() -> None:
    plan = SweepPlan(5, 0.05, 1, 0.5)
    audited = [False, True, False, True, True, False, True, False]
    wrong: list[bool | None] = [None, False, None, True, False, None, True, None]
    found = swept(audited, wrong, plan)
    assert found.kept.tolist() == [0, 2, 5]
    assert (found.caught, found.audits, found.reach, found.ended) == (1, 3, 6, True)
    waits = swept(audited, [*wrong[:4], None, *wrong[5:]], plan)
    assert (waits.kept.tolist(), waits.reach, waits.ended) == ([0, 2], 4, False)
    assert swept([], [], plan).kept.tolist() == []
    with pytest.raises(BadInput, match="One outcome"):
        swept([True], [], plan)


def test_what_is_read_plays_no_part_for_labels_that_were_not_audited() -> None:
    plan = SweepPlan(0, 0.5, 0, 0.5)
    assert swept([False, False], [True, True], plan).kept.tolist() == [0, 1]


def test_the_plan_audits_little_where_little_is_doubted_and_nothing_beyond_reach() -> None:
    sure, _, stays = sweep_plan(np.full(2000, 0.002), 100, 0.05)
    assert stays > 1800
    assert sure.risk <= 0.05
    half, reach, stays = sweep_plan(np.sort(np.linspace(0, 0.6, 2000)), 100, 0.05)
    assert 200 < stays < reach < 1200
    assert half.allowance > sure.allowance


# ── how many are wrong ──────────────────────────────────────────────────────────────────────


def reached(size: int, many: int, alpha: float) -> float:
    """The chance that the bounds are wrong at any look, by going through all ways that a random order can begin."""

    @cache
    def chance(drawn: int, counted: int) -> float:
        low, high = audit.count_in_file(size, drawn, counted, alpha)
        if not low <= many <= high:
            return 1.0
        if drawn == size:
            return 0.0
        hit = (many - counted) / (size - drawn)
        found = hit * chance(drawn + 1, counted + 1) if hit > 0 else 0.0
        return found + ((1 - hit) * chance(drawn + 1, counted) if hit < 1 else 0.0)

    return chance(0, 0)


@pytest.mark.parametrize("size", [12, 60])
@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_bounds_hold_at_all_looks_together_for_every_number(size: int, alpha: float) -> None:
    risks = [reached(size, many, alpha) for many in range(size + 1)]
    assert max(risks) <= alpha
    assert max(risks) > alpha / 20, "they are not so wide that the test sees nothing"


def test_bounds_of_a_tiny_file_by_all_its_orders() -> None:
    wrong = [1, 1, 0, 0, 0, 0]
    false = orders = 0
    for order in set(permutations(wrong)):
        orders += 1
        bounds = [audit.count_in_file(6, m, sum(order[:m]), 0.4) for m in range(7)]
        false += any(not low <= 2 <= high for low, high in bounds)
    assert orders == 15
    assert false / orders <= 0.4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_what_is_known_elsewhere_moves_the_bounds_to_the_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 50
    trait, order = rng.random(n) < 0.3, rng.permutation(n)
    members = rng.random(n) < 0.7
    known = rng.random(n) < 0.5
    known[order[:10]] = True
    found = audit.count_of(trait, known, order, members, 0.05)
    assert (members & known & trait).sum() <= found.least <= found.most
    assert found.most <= members.sum() - (members & known & ~trait).sum()
    whole = audit.count_of(trait, np.ones(n, bool), order, members, 0.05)
    assert whole.least == whole.most == (members & trait).sum()
    if whole.estimate is not None:
        assert whole.estimate == whole.most


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInput, match="counted <= drawn"):
        audit.count_in_file(10, 3, 4, 0.05)


# ── how many, told by strata ────────────────────────────────────────────────────────────────


def plainly(sizes: list[int], strata: list[int], trait: list[bool], k: int, sign: int) -> float:
    """What the bets against k items have won, one item after the other."""
    won = np.ones(len(fixed.STRATUM_BETS))
    for t in range(len(trait)):
        seen = list(zip(strata[:t], trait[:t], strict=True))
        pooled = (1 + sum(z for _, z in seen)) / (2 + t)
        guess = [
            (fixed.POOLED * pooled + sum(z for s, z in seen if s == one))
            / (fixed.POOLED + sum(s == one for s, _ in seen))
            for one in range(len(sizes))
        ]
        left = [size - sum(s == one for s, _ in seen) for one, size in enumerate(sizes)]
        mean = sum(n * p for n, p in zip(left, guess, strict=True)) / sum(left)
        due = (k - sum(z for _, z in seen)) / sum(left)
        won *= 1 + sign * fixed.STRATUM_BETS * ((trait[t] - guess[strata[t]]) - (due - mean))
    return float(won.mean())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bounds_by_strata_are_what_the_bets_leave(data: st.DataObject) -> None:
    items = data.draw(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=14))
    m, alpha = data.draw(st.integers(0, len(items))), data.draw(st.sampled_from([0.05, 0.3, 0.6]))
    strata, trait = [s for s, _ in items], [z for _, z in items]
    sizes = [strata.count(one) for one in range(3)]
    found = fixed.count_by_strata(np.array(sizes), np.array(strata[:m], int), np.array(trait[:m], bool), alpha)
    seen = sum(trait[:m])
    left = [
        k
        for k in range(seen, len(items) - (m - seen) + 1)
        if all(plainly(sizes, strata[:m], trait[:m], k, sign) < 2 / alpha for sign in (1, -1))
    ]
    if left:
        assert (found.least, found.most) == (left[0], left[-1])
    assert seen <= found.least <= found.most <= len(items) - (m - seen)
    assert (found.estimate is None) == (m == 0)


@pytest.mark.parametrize("strata", [(0, 0, 0, 1, 1), (0, 1, 2, 0, 1)])
def test_bounds_by_strata_hold_at_every_look_of_every_order(strata: tuple[int, ...]) -> None:
    """Of all orders of five items no more than alpha ever leave the truth outside, whichever have the trait."""
    sizes, alpha, most = np.bincount(strata, minlength=3), 0.7, 0.0
    orders = [list(order) for order in permutations(range(5))]
    for trait in product([False, True], repeat=5):
        outside = 0
        for order in orders:
            s, z = np.array(strata)[order], np.array(trait)[order]
            looks = [fixed.count_by_strata(sizes, s[:m], z[:m], alpha) for m in range(1, 5)]
            outside += any(not one.least <= sum(trait) <= one.most for one in looks)
        most = max(most, outside / len(orders))
    assert most <= alpha


def test_bounds_by_strata_hold_in_long_files_however_often_one_looks() -> None:
    alpha, outside, runs = 0.2, 0, 150
    for seed in range(runs):
        rng = np.random.default_rng([seed, 8])
        strata = rng.integers(3, size=80)
        z = rng.random(80) < np.array([0.1, 0.5, 0.9])[strata]
        sizes = np.bincount(strata, minlength=3)
        looks = [fixed.count_by_strata(sizes, strata[:m], z[:m], alpha) for m in range(1, 80, 3)]
        outside += any(not one.least <= z.sum() <= one.most for one in looks)
    assert outside <= alpha * runs + 3 * (alpha * (1 - alpha) * runs) ** 0.5


def test_a_judge_that_knows_something_makes_the_bounds_tighter() -> None:
    widths = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        z = rng.random(600) < 0.5
        strata = np.where(rng.random(600) < 0.85, z, ~z).astype(int)
        sizes = np.bincount(strata, minlength=2)
        told = fixed.count_by_strata(sizes, strata[:150], z[:150], 0.05)
        untold = audit.count_in_file(600, 150, int(z[:150].sum()), 0.05)
        widths.append((told.most - told.least, untold[1] - untold[0]))
    told, untold = np.mean(widths, axis=0)
    assert told < 0.75 * untold


def test_strata_that_cannot_be_are_refused() -> None:
    for sizes, strata, trait, alpha in (([1], [0, 0], [1, 1], 0.05), ([2], [0], [1, 1], 0.05), ([2], [0], [1], 0)):
        with pytest.raises(BadInput, match="known of a stratum"):
            fixed.count_by_strata(np.array(sizes), np.array(strata), np.array(trait, bool), alpha)
