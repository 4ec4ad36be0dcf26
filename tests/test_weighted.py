"""Certificates from weighted checks: the proof by enumeration, against a slow reference, and against adversaries."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from askwise import audit
from askwise.audit import course, weighted
from askwise.core import BadInput

# ── slow references, written from the definitions ───────────────────────────────────────────


def slow_evidence(errors, wrong, weights, rest_weights):
    """The mixture of products, term by term; `rest_weights`: of the items that were never checked."""
    total = 0.0
    for bet in audit.RARE_BETS:
        value, found = 1.0, 0
        for s, is_wrong in enumerate(wrong):
            mass = sum(weights[s:]) + sum(rest_weights)
            x = 64 / weights[s] if is_wrong else 0.0
            mean = min((errors - found) * 64 / mass, 1.0)
            value *= (1 - (1 - bet) * x) / (1 - (1 - bet) * mean)
            found += is_wrong
        total += value / len(audit.RARE_BETS)
    return total


def may_remain(n, m, max_error, target):
    share, whole = Fraction(str(max_error)), n - m if target == "auto" else n
    return max(x for x in range(whole + 1) if Fraction(x) <= share * whole)


def slow_decision(plan, wrong):
    """The first look that certifies, every look from the beginning."""
    weights = audit.WEIGHTS[plan.levels].tolist()
    for t in range(1, len(wrong) + 1):
        allowed = may_remain(plan.n, t, plan.max_error, plan.target)
        if allowed + 1 > plan.n - t:
            return t
        errors = sum(wrong[:t]) + allowed + 1
        if math.log(slow_evidence(errors, wrong[:t], weights[:t], weights[t:])) >= math.log(1 / plan.alpha) + 1e-9:
            return t
    return None


def orders(levels):
    """(order, probability) of every order of the items."""
    weights = audit.WEIGHTS[levels].tolist()
    for order in itertools.permutations(range(len(levels))):
        probability, left = 1.0, sum(weights)
        for item in order:
            probability *= weights[item] / left
            left -= weights[item]
        yield order, probability


def plan_for(levels, max_error=0.1, alpha=0.05, target="auto", share=0.5):
    levels = np.asarray(levels, np.uint8)
    return audit.WeightedPlan(len(levels), max_error, alpha, target, levels, share)


# ── the proof, by enumeration ───────────────────────────────────────────────────────────────

POOLS = {
    "all alike": [0, 0, 0, 0, 0],
    "two heavy": [0, 0, 0, 24, 24],
    "one light": [0, 30, 30, 30, 30],
    "all different": [0, 5, 11, 22, 47],
    "extreme": [0, 0, 63, 63, 63],
}


@pytest.mark.parametrize("levels", POOLS.values(), ids=POOLS)
def test_at_the_true_number_of_errors_the_evidence_has_mean_exactly_one_at_every_look(levels):
    levels = np.array(levels)
    weights = audit.WEIGHTS[levels]
    for bad in itertools.product((False, True), repeat=len(levels)):
        if not any(bad):
            continue  # against no error at all there is no evidence to have
        mean = np.zeros(len(levels))
        for order, probability in orders(levels):
            order = list(order)
            mass = np.cumsum(weights[order][::-1])[::-1]
            path = weighted.log_evidence(sum(bad), np.array(bad)[order], weights[order], mass)
            mean += probability * np.exp(path)
        assert mean == pytest.approx(np.ones(len(levels)), abs=1e-9)


def chance_of_a_false_certificate(light, heavy, weight, max_error, alpha, target):
    """(false, issued before everything is checked), exactly: every order of `light` = (right, wrong) items of weight 64
    and `heavy` of another, by a recursion that knows nothing of `WeightedPlan`.
    """
    n, bets = sum(light) + sum(heavy), 1 - audit.RARE_BETS
    errors = np.arange(1, n + 2)[:, None]  # every supposition at once
    found = [0.0, 0.0]

    def go(probability, left, k, t, products):
        if t:
            allowed = may_remain(n, t, max_error, target)
            sure = allowed + 1 > n - t or products[k + allowed].mean() >= 1 / alpha  # against k + allowed + 1 errors
            if sure:
                wrong = left[1] + left[3]
                found[0] += probability * (wrong > allowed)
                found[1] += probability * (t < n)
                return
        mass = 64 * (left[0] + left[1]) + weight * (left[2] + left[3])
        rate = np.clip((errors - k) * 64 / mass, 0, 1)
        for kind, count in enumerate(left):
            if count:
                own, is_wrong = (64, 64, weight, weight)[kind], kind in (1, 3)
                factor = (1 - bets * (64 / own if is_wrong else 0)) / (1 - bets * rate)
                after = (*left[:kind], count - 1, *left[kind + 1 :])
                go(probability * count * own / mass, after, k + is_wrong, t + 1, products * factor)

    go(1.0, (*light, *heavy), 0, 0, np.ones((n + 1, len(bets))))
    return found


@pytest.mark.parametrize("target", ["auto", "dataset"])
@pytest.mark.parametrize("level", [0, 8, 40])
@pytest.mark.parametrize(("max_error", "alpha"), [(0.25, 0.5), (0.12, 0.7), (0.25, 0.2)])
def test_no_set_of_errors_makes_a_false_certificate_likelier_than_alpha(max_error, alpha, level, target):
    """Every order of pools of eight, wherever the errors are; alpha so large that there are false certificates."""
    worst = issued = 0.0
    for light, heavy in itertools.product(range(5), repeat=2):
        false, early = chance_of_a_false_certificate(
            (4 - light, light), (4 - heavy, heavy), int(audit.WEIGHTS[level]), max_error, alpha, target
        )
        assert false <= alpha + 1e-12, (light, heavy)
        worst, issued = max(worst, false), max(issued, early)
    assert issued > 0 or alpha < 0.5, "some are given before everything is checked"
    assert worst > 0 or alpha < 0.5, "and some of these are false: this test can fail"


@st.composite
def attempts(draw, most=40):
    n = draw(st.integers(1, most))
    kind = draw(st.sampled_from(["any", "two", "same"]))
    one = st.integers(0, 63) if kind == "any" else st.sampled_from([0, 40]) if kind == "two" else st.just(0)
    levels = draw(st.lists(one, min_size=n, max_size=n))
    wrong = draw(st.lists(st.booleans() if draw(st.booleans()) else st.just(False), min_size=n, max_size=n))
    plan = plan_for(
        levels, draw(st.sampled_from([0.01, 0.1, 0.3, 0.5])), draw(st.sampled_from([0.05, 0.3])),
        draw(st.sampled_from(["auto", "dataset"])),
    )  # fmt: skip
    return plan, wrong[: draw(st.integers(0, n))]


@settings(deadline=None)
@given(attempts())
def test_decisions_are_those_of_the_slow_reference(attempt):
    plan, wrong = attempt
    assert plan.decided(np.array(wrong, bool)) == slow_decision(plan, wrong)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_decisions_are_those_of_the_slow_reference_on_a_real_region(share):
    rng = np.random.default_rng(3)
    doubt = rng.beta(0.6, 6, 260)
    levels = audit.levels_of(doubt, share)
    for seed in range(2):
        order = audit.order_of(levels, [seed])
        wrong = (rng.random(260) < 0.4 * doubt)[order]
        plan = plan_for(levels[order], 0.1, 0.05)
        t = plan.decided(wrong)
        assert t == slow_decision(plan, wrong.tolist())
        assert t is not None
        assert t < 260 or share < 0.5


@settings(deadline=None)
@given(attempts(), st.integers(0, 40))
def test_judging_on_the_way_is_judging_at_once(attempt, changed):
    """What a plan remembers of earlier answers changes nothing, also where an answer was changed since."""
    plan, wrong = attempt

    def new():
        return audit.WeightedPlan(plan.n, plan.max_error, plan.alpha, plan.target, plan.levels, plan.share)

    for t in range(len(wrong) + 1):
        assert plan.judge(wrong[:t], 0.05) == new().judge(wrong[:t], 0.05)
    if changed < len(wrong):
        other = [*wrong[:changed], not wrong[changed], *wrong[changed + 1 :]]
        assert plan.judge(other, 0.05) == new().judge(other, 0.05)


@given(st.integers(1, 300), st.sampled_from([0.02, 0.05, 0.1, 0.3, 1 / 3, 0.1 + 0.2]), st.data())
def test_what_may_remain_is_counted_in_exact_decimals(n, max_error, data):
    m, target = data.draw(st.integers(0, n)), data.draw(st.sampled_from(["auto", "dataset"]))
    assert plan_for([0] * n, max_error, target=target).allowed(m) == may_remain(n, m, max_error, target)


# ── the weights and the order ───────────────────────────────────────────────────────────────


def test_weights_are_whole_and_grow_by_an_eighth_of_a_doubling():
    for level, weight in enumerate(audit.WEIGHTS.tolist()):
        # |weight - 64 * 2^(level / 8)| <= 1 / 2, in whole numbers: both to the eighth power
        assert (2 * weight - 1) ** 8 <= 2 ** (7 * 8 + level) <= (2 * weight + 1) ** 8


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.99]))
def test_levels_follow_the_doubt(doubt, share):
    doubt = np.array(doubt)
    levels = audit.levels_of(doubt, share)
    assert levels.dtype == np.uint8
    assert levels.min() == 0
    order = np.argsort(doubt, kind="stable")
    assert np.all(np.diff(levels[order].astype(int)) >= 0)
    same = np.flatnonzero(np.diff(doubt[order]) == 0)
    assert np.all(np.diff(levels[order].astype(int))[same] == 0), "equal doubts have equal weights"
    if share == 0:
        assert not levels.any()


def test_a_share_of_the_mass_goes_by_doubt():
    rng = np.random.default_rng(1)
    doubt = rng.beta(0.6, 6, 5000)
    for share in (0.3, 0.5, 0.7):
        weights = audit.WEIGHTS[audit.levels_of(doubt, share)]
        wanted = (1 - share) / len(doubt) + share * doubt / doubt.sum()
        assert weights / weights.sum() == pytest.approx(wanted, rel=0.06)


def test_every_order_has_the_probability_of_its_weights():
    levels, runs = np.array([0, 8, 24, 24], np.uint8), 6000
    seen = dict.fromkeys(itertools.permutations(range(4)), 0)
    for seed in range(runs):
        seen[tuple(audit.order_of(levels, [7, seed]).tolist())] += 1
    expected = [runs * probability for _, probability in orders(levels)]
    assert chisquare(list(seen.values()), expected).pvalue > 1e-4


def test_whoever_changes_one_weight_gets_another_order():
    rng = np.random.default_rng(2)
    levels = audit.levels_of(rng.beta(0.6, 6, 80), 0.5)
    order = audit.order_of(levels, [1, 2])
    assert np.array_equal(order, audit.order_of(levels.copy(), [1, 2]))
    for item in range(80):
        other = levels.copy()
        other[item] ^= 1
        assert not np.array_equal(order, audit.order_of(other, [1, 2]))


# ── adversaries ─────────────────────────────────────────────────────────────────────────────


def hidden_errors(kind, doubt, errors, rng):
    """(n,) bool: where somebody who wants a false certificate puts the errors."""
    n, wrong = len(doubt), np.zeros(len(doubt), bool)
    by_doubt = np.argsort(doubt, kind="stable")
    if kind == "least doubt":
        wrong[by_doubt[:errors]] = True
    elif kind == "most doubt":
        wrong[by_doubt[-errors:]] = True
    elif kind == "against doubt":
        chance = 1 / (doubt + 0.01)
        wrong[rng.choice(n, errors, replace=False, p=chance / chance.sum())] = True
    elif kind == "one by one":  # half of the errors where nobody looks, half where everybody does
        wrong[by_doubt[: errors // 2]] = wrong[by_doubt[errors // 2 - errors :]] = True
    else:
        wrong[rng.choice(n, errors, replace=False)] = True
    return wrong


def doubts_of(kind, n, rng):
    if kind == "ties":
        return rng.choice([0.001, 0.2], n, p=[0.8, 0.2])
    if kind == "copies":  # each item ten times
        return np.repeat(rng.beta(0.6, 6, n // 10), 10)
    return rng.beta(0.6, 6, n)


@pytest.mark.parametrize("target", ["auto", "dataset"])
@pytest.mark.parametrize("place", ["least doubt", "most doubt", "against doubt", "one by one", "anywhere"])
@pytest.mark.parametrize("kind", ["smooth", "ties", "copies"])
def test_adversaries_get_a_false_certificate_in_no_more_than_alpha_of_the_runs(kind, place, target):
    n, max_error, alpha, runs = 240, 0.1, 0.2, 60
    rng, false = np.random.default_rng(5), 0
    for seed in range(runs):
        doubt = doubts_of(kind, n, rng)
        errors = int(max_error * n) + 1 + int(rng.integers(4))
        wrong = hidden_errors(place, doubt, errors, rng)
        levels = audit.levels_of(doubt, (0.3, 0.5, 0.7)[seed % 3])
        order = audit.order_of(levels, [11, seed])
        plan = plan_for(levels[order], max_error, alpha, target)
        t = plan.decided(wrong[order])
        if t is not None:
            whole = n - t if target == "auto" else n
            false += wrong[order][t:].sum() > max_error * whole + 1e-9
    assert false <= binom.ppf(0.999, runs, alpha)


def test_the_bound_on_what_is_left_holds_at_every_look_and_is_the_inversion():
    n, alpha, runs, misses = 200, 0.3, 80, 0
    rng = np.random.default_rng(8)
    for seed in range(runs):
        doubt = rng.beta(0.6, 6, n)
        wrong = rng.random(n) < 0.15
        levels = audit.levels_of(doubt, 0.5)
        order = audit.order_of(levels, [3, seed])
        plan = plan_for(levels[order], 0.1, alpha)
        found = wrong[order]
        misses += any(found[t:].sum() > plan.most_left(found[:t]) for t in range(0, n + 1, 5))
        if seed < 3:
            weights = audit.WEIGHTS[plan.levels].tolist()
            for t in (0, 7, 60, 190):
                k = int(found[:t].sum())
                excluded = [
                    left
                    for left in range(1, n - t + 1)
                    if slow_evidence(k + left, found[:t], weights[:t], weights[t:]) >= 1 / alpha
                ]
                assert plan.most_left(found[:t]) == (min(excluded) - 1 if excluded else n - t)
    assert misses <= binom.ppf(0.999, runs, alpha)
    assert misses > 0, "the bound is not so wide that this test cannot fail"


# ── judging ─────────────────────────────────────────────────────────────────────────────────


def test_how_many_more_are_needed_if_all_are_right_is_exact():
    rng = np.random.default_rng(4)
    levels = audit.levels_of(rng.beta(0.6, 6, 900), 0.5)
    plan = plan_for(levels[audit.order_of(levels, [1])], 0.05, 0.03)
    assert plan.judge([False] * (plan.first - 1)).left == 1
    assert plan.judge([False] * plan.first).status == "certified"
    some = [False] * 30 + [True] + [False] * 9
    left = plan.judge(some).left
    assert plan.judge(some + [False] * (left - 1)).status == "checking"
    done = plan.judge(some + [False] * left)
    assert (done.status, done.audits, done.wrong) == ("certified", 40 + left, 1)


def test_open_and_unsure_answers():
    plan = plan_for([0] * 50, 0.2, 0.3)
    assert plan.judge([None, False]).audits == 0
    found = plan.judge([False, "unsure", None, False])
    assert (found.audits, found.wrong) == (2, 1)
    assert plan.judge(np.array([False, True])).wrong == 1


def test_a_hopeless_attempt_is_given_up_and_a_good_one_is_not():
    rng = np.random.default_rng(6)
    doubt = rng.beta(0.6, 6, 2000)
    levels = audit.levels_of(doubt, 0.5)
    outcomes = {"bad": [], "good": []}
    for seed in range(12):
        order = audit.order_of(levels, [seed])
        plan = plan_for(levels[order], 0.05, 0.03)
        for name, mean in (("bad", 0.15), ("good", 0.02)):
            wrong = rng.random(2000) < mean * doubt / doubt.mean()
            outcomes[name].append(plan.judge(wrong[order], 0.03))
    assert {found.status for found in outcomes["bad"]} == {"refused"}
    assert np.mean([found.audits for found in outcomes["bad"]]) < 150
    assert sum(found.status == "certified" for found in outcomes["good"]) >= 11
    assert "would probably take more checks than it saves" in outcomes["bad"][0].reason
    assert plan.judge([True] * 100, None).status == "checking", "who only verifies never gives up"


def test_weighted_checks_need_fewer_where_errors_are_near_the_limit_and_doubt_tells():
    """The reason for all this: 4 % wrong where 5 % is allowed."""
    rng = np.random.default_rng(0)
    doubt = rng.beta(0.6, 6, 1500)
    took = {}
    for share in (0.0, 0.5):
        levels, took[share] = audit.levels_of(doubt, share), []
        for seed in range(8):
            wrong = np.zeros(1500, bool)
            wrong[rng.choice(1500, 60, replace=False, p=doubt / doubt.sum())] = True
            order = audit.order_of(levels, [seed])
            took[share].append(plan_for(levels[order], 0.05, 0.05).decided(wrong[order]))
    assert np.mean(took[0.5]) < 0.6 * np.mean(took[0.0])


def test_the_guess_of_the_course_is_near_the_mean_of_many_runs():
    rng = np.random.default_rng(1)
    doubt = rng.beta(0.6, 6, 3000)
    levels = audit.levels_of(doubt, 0.5)
    counts = np.bincount(levels, minlength=64)
    for errors in (0, 30, 75):
        took = []
        for seed in range(10):
            wrong = np.zeros(3000, bool)
            wrong[rng.choice(3000, errors, replace=False, p=doubt / doubt.sum())] = True
            order = audit.order_of(levels, [seed])
            took.append(plan_for(levels[order], 0.05, 0.03).decided(wrong[order]))
        rates = errors / 3000 * course.doubts_by_level(counts, 0.5)
        guess = course.checks_until(counts, rates[None], plan_for(levels, 0.05, 0.03)._allowed, -math.log(0.03))
        assert guess[0] == pytest.approx(np.mean(took), rel=0.25)


@pytest.mark.parametrize(
    "call",
    [
        lambda: audit.levels_of(np.array([]), 0.5),
        lambda: audit.levels_of(np.array([0.1, np.nan]), 0.5),
        lambda: audit.levels_of(np.array([0.1, -1]), 0.5),
        lambda: audit.levels_of(np.array([0.1]), 1.0),
        lambda: plan_for([0, 1], max_error=0),
        lambda: plan_for([0, 1], alpha=1),
        lambda: plan_for([0, 64]),
        lambda: plan_for([0, 1], target="file"),
        lambda: audit.WeightedPlan(3, 0.1, 0.1, "auto", np.zeros(2, np.uint8), 0.5),
        lambda: plan_for([0, 1]).judge([True] * 3),
        lambda: plan_for([0, 1]).judge(["no"]),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(call):
    with pytest.raises(BadInput, match=r"[.;]"):
        call()
