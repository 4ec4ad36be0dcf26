"""Recall: exact plans against enumeration and simulation, under peeking, for every number of relevant items."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import audit
from askwise.audit.recall import MISS_BETS, MISS_WEIGHTS
from askwise.core import BadInput

SHARES = st.sampled_from([0.5, 0.8, 0.9, 0.95])
ALPHAS = st.sampled_from([0.01, 0.03, 0.05, 0.2])


def falsely_stopped(plan: audit.RecallPlan, relevant: int, boost: np.ndarray | None = None) -> float:
    """Probability of a false stop, step by step: the slow and obvious way.

    `boost` (n,) lifts the chance of a relevant item at each step towards 1: 0 = random order.
    """
    n = plan.n
    chance = {0: 1.0}  # relevant items so far → probability of being there, not stopped
    false = 0.0
    for m in range(1, n + 1):
        after: dict[int, float] = {}
        for k, p in chance.items():
            hit = (relevant - k) / (n - m + 1)
            if boost is not None and hit > 0:
                hit += boost[m - 1] * (1 - hit)
            if n - m + 1 == relevant - k:
                hit = 1.0
            for step, q in ((1, hit), (0, 1 - hit)):
                if q > 0:
                    after[k + step] = after.get(k + step, 0.0) + p * q
        chance = {}
        for k, p in after.items():
            if k < len(plan.needed) and m >= plan.needed[k]:
                missed = relevant - k
                recall_is_low = (plan.found + k) < Fraction(str(plan.recall)) * (plan.found + relevant)
                assert recall_is_low == (missed > audit.may_miss(plan.found + k, plan.recall))
                false += p * recall_is_low
            else:
                chance[k] = p
    return false


@given(st.integers(1, 40), st.integers(0, 120), SHARES, ALPHAS)
@settings(max_examples=60, deadline=None)
def test_risk_is_exact_and_below_alpha_for_every_number_of_relevant_items(n, found, recall, alpha):
    plan = audit.recall_plan(n, found, recall, alpha)
    risks = [falsely_stopped(plan, relevant) for relevant in range(n + 1)]
    assert max(risks) <= alpha + 1e-9
    assert max(risks) == pytest.approx(plan.risk, abs=1e-9)


@given(st.integers(2, 30), st.integers(5, 150), SHARES, st.data())
@settings(max_examples=40, deadline=None)
def test_a_ranking_no_worse_than_random_keeps_the_promise(n, found, recall, data):
    plan = audit.recall_plan(n, found, recall, 0.05)
    boost = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.0, 0.05, 0.5, 1.0]), min_size=n, max_size=n)))
    for relevant in range(n + 1):
        assert falsely_stopped(plan, relevant, boost) <= 0.05 + 1e-9


def test_every_order_of_a_small_pool():
    plan = audit.recall_plan(9, 9, 0.8, 0.25)
    assert 0 < plan.risk <= 0.25
    for relevant in range(10):
        orders = list(itertools.combinations(range(9), relevant))
        false = 0
        for places in orders:
            z = [i in places for i in range(9)]
            state = plan.judge(z)
            if state.status == "certified":
                found = 9 + state.wrong
                false += found < 0.8 * (9 + relevant) - 1e-12
        assert false / len(orders) <= 0.25


def test_a_false_stop_can_happen_so_the_tests_above_can_fail():
    tight = audit.recall_plan(40, 19, 0.95, 0.2)
    eager = audit.RecallPlan(40, 19, 0.95, 0.2, (10,), 0.0)
    assert falsely_stopped(eager, 2) > 0.2 > falsely_stopped(tight, 2) > 0
    assert audit.false_stop_risk(40, 19, 0.95, (10,)) == pytest.approx(
        max(falsely_stopped(eager, k) for k in range(41))
    )


@pytest.mark.parametrize(("found", "recall", "missed"), [(95, 0.95, 5), (94, 0.95, 4), (0, 0.9, 0), (70, 0.7, 30)])
def test_may_miss_is_exact(found, recall, missed):
    assert audit.may_miss(found, recall) == missed


def test_the_plan_is_near_what_one_look_would_need():
    plan = audit.recall_plan(1000, 100, 0.95, 0.05)
    one_look = next(m for m in range(1001) if math.comb(1000 - m, 6) / math.comb(1000, 6) <= 0.05)
    assert one_look <= plan.first <= 1.15 * one_look
    assert list(plan.needed) == sorted(plan.needed)


def test_large_pools_are_planned_too():
    plan = audit.recall_plan(100_000, 1000, 0.95, 0.03)
    assert plan.first < 10_000
    assert plan.risk <= 0.03


@pytest.mark.parametrize("bad", [(0, 5, 0.9, 0.05), (5, -1, 0.9, 0.05), (5, 5, 1.0, 0.05), (5, 5, 0.9, 0.0)])
def test_numbers_out_of_range_are_refused(bad):
    with pytest.raises(BadInput, match="Recall is a share"):
        audit.recall_plan(*bad)


# ── judging ─────────────────────────────────────────────────────────────────────────────────


def test_judging_counts_in_order_up_to_the_first_gap():
    plan = audit.recall_plan(200, 60, 0.9, 0.05)
    assert plan.judge([]).left == plan.first
    state = plan.judge([False] * 20 + [None] + [True] * 30)
    assert (state.status, state.audits, state.wrong, state.left) == ("checking", 20, 0, plan.first - 20)
    done = plan.judge([False] * plan.first)
    assert (done.status, done.audits) == ("certified", plan.first)
    assert "prove" in done.reason
    one = plan.judge([True] + [False] * (plan.needed[1] - 1))
    assert (one.status, one.audits, one.wrong) == ("certified", plan.needed[1], 1)
    with pytest.raises(BadInput, match="200 items"):
        plan.judge([False] * 201)


def test_unsure_counts_as_relevant_and_only_delays():
    plan = audit.recall_plan(200, 60, 0.9, 0.05)
    sure = plan.judge([False] * plan.needed[1])
    unsure = plan.judge(["unsure"] + [False] * (plan.needed[1] - 1))
    assert unsure.status == "certified"
    assert unsure.audits > sure.audits


def test_reading_everything_misses_nothing():
    plan = audit.recall_plan(30, 3, 0.95, 0.05)
    state = plan.judge([False] * 30)
    assert state.status == "certified"
    assert state.audits >= 28


def test_checks_are_given_up_where_relevant_items_keep_turning_up():
    plan = audit.recall_plan(400, 60, 0.95, 0.05)
    outcomes = [i % 10 == 0 for i in range(300)]
    state = plan.judge(outcomes, 0.0)
    assert state.status == "refused"
    assert state.audits < 150
    assert "ranking" in state.reason
    assert plan.judge(outcomes[: state.audits]).status == "checking"


# ── in ranked order ─────────────────────────────────────────────────────────────────────────


def test_ranked_stops_in_random_order_keep_the_promise_over_all_attempts():
    """The worst ranking that is allowed is a random one: then every attempt is at its full risk."""
    rng = np.random.default_rng(0)
    for n, found, relevant in ((120, 38, 4), (120, 38, 12), (150, 19, 3)):
        false = 0
        for _ in range(300):
            z = np.zeros(n, bool)
            z[rng.permutation(n)[:relevant]] = True
            stop = audit.ranked_stop(z, n, found, 0.95, 0.2).stopped
            assert stop is not None
            false += found + z[:stop].sum() < 0.95 * (found + relevant)
        assert false / 300 <= 0.2 + 3 * math.sqrt(0.2 * 0.8 / 300)


def test_a_good_ranking_stops_early_and_says_the_same_at_every_look():
    n = 600
    z = np.zeros(n, bool)
    z[[*range(0, 90, 2), 100, 120, 150]] = True
    full = audit.ranked_stop(z, n, 10, 0.9, 0.05)
    assert full.stopped is not None
    assert full.stopped < 0.6 * n
    for t in (0, 5, 160, 250, full.stopped - 1):
        early = audit.ranked_stop(z[:t], n, 10, 0.9, 0.05)
        assert early.stopped is None
        assert set(early.starts) <= set(full.starts)
        if early.left is not None and not z[t : t + early.left].any():
            assert full.stopped == t + early.left
    assert audit.ranked_stop(z[: full.stopped], n, 10, 0.9, 0.05).stopped == full.stopped


def test_the_wait_before_an_attempt_goes_with_its_cost():
    assert audit.dry_run(1200, 100, 0.95, 0.05) == 100  # a twelfth
    assert audit.dry_run(100_000, 2000, 0.95, 0.05) < 1000  # many may be missed: an attempt is cheap
    assert audit.dry_run(50, 100, 0.95, 0.05) == 20


def test_ranked_stop_wants_no_more_answers_than_items():
    with pytest.raises(BadInput, match="3 answers for 2"):
        audit.ranked_stop([True, False, False], 2, 0, 0.9, 0.05)


# ── the bound ───────────────────────────────────────────────────────────────────────────────


@given(st.integers(2, 7), st.data())
@settings(max_examples=40, deadline=None)
def test_evidence_at_the_truth_has_mean_one_over_all_orders(n, data):
    """Every order of the pool: the mixture of bets against the true number has mean at most one, exactly one for r > 0
    while something irrelevant is left."""
    relevant = data.draw(st.integers(0, n - 1))
    length = data.draw(st.integers(1, n - 1))
    total, count = 0.0, 0
    for places in itertools.combinations(range(n), relevant):
        z = np.array([i in places for i in range(n)])
        product = np.ones(len(MISS_BETS))
        for i in range(length):
            q = (relevant - z[:i].sum()) / (n - i)
            product = product * np.where(z[i], MISS_BETS, 1) / np.maximum(1 - (1 - MISS_BETS) * q, 1e-300)
        total, count = total + float(product @ MISS_WEIGHTS), count + 1
    assert total / count <= 1 + 1e-9


def test_the_bound_fails_no_more_often_than_promised_looked_at_always():
    """Checks by chance among a search that finds by other means; the adversary shows the irrelevant ones first."""
    rng = np.random.default_rng(1)
    n, relevant, runs, ever = 200, 12, 150, 0
    for _ in range(runs):
        y = np.zeros(n, bool)
        y[:relevant] = True
        unread = np.ones(n, bool)
        hits, sizes, found_at = [], [], []
        found, wrong = 0, False
        for step in range(80):
            rows = np.flatnonzero(unread)
            if step % 2:
                row = int(rng.choice(rows))
                hits.append(bool(y[row]))
                sizes.append(len(rows))
                found_at.append(found)
            else:
                row = int(rows[np.argmin(y[rows])])  # the worst ranking there is
            unread[row] = False
            found += int(y[row])
            if hits:
                later = [found - f for f in found_at]
                most = audit.most_missed(hits, sizes, later, int(unread.sum()), 0.1)
                wrong |= most < (y & unread).sum()
        ever += wrong
    assert ever / runs <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / runs)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 50), ALPHAS)
@settings(max_examples=60, deadline=None)
def test_the_bound_is_the_largest_number_that_is_not_refuted(hits, rest, alpha):
    t = len(hits)
    sizes = rest + np.arange(t, 0, -1)
    later = np.cumsum(hits[::-1])[::-1]

    def evidence(missed: int) -> float:
        value = np.ones(len(MISS_BETS))
        for z, size, h in zip(hits, sizes, later, strict=True):
            q = min(1.0, (missed + h) / size)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = value * np.where(z, MISS_BETS, 1) / np.maximum(1 - (1 - MISS_BETS) * q, 1e-300)
        return 0.5 * float(value @ MISS_WEIGHTS) + 0.5

    alive = [k for k in range(rest + 1) if evidence(k) < 1 / alpha]
    assert audit.most_missed(hits, sizes, later, rest, alpha) == (max(alive) if alive else rest)


def test_the_bound_knows_its_parts():
    irrelevant = [False] * 60
    sizes = np.arange(200, 140, -1)
    nothing = np.zeros(60)
    bound = audit.most_missed(irrelevant, sizes, nothing, 140, 0.05)
    assert bound < audit.most_missed(irrelevant[:30], sizes[:30], nothing[:30], 170, 0.05)
    assert audit.most_missed(irrelevant, sizes, nothing, 140, 0.05, advantage=3) < bound
    fresh = audit.most_missed([True] * 20 + irrelevant, [*range(220, 200, -1), *sizes], [0] * 80, 140, 0.05)
    begun = audit.most_missed(
        [True] * 20 + irrelevant, [*range(220, 200, -1), *sizes], [0] * 80, 140, 0.05, starts=[20]
    )
    assert begun < fresh
    assert audit.most_missed([], [], [], 9, 0.05) == 9
    with pytest.raises(BadInput, match="for each of 1 draws"):
        audit.most_missed([True], [1, 2], [0], 5, 0.05)
    with pytest.raises(BadInput, match="alpha in"):
        audit.most_missed([True], [1], [0], 5, 1.5)


def test_recall_from_what_is_missed():
    assert audit.recall_at_least(95, 5) == 0.95
    assert audit.recall_at_least(0, 0) == 0
