"""Combinators, stochastic batches, and what the engine offers them."""

from __future__ import annotations

import itertools
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from askwise import batch, signals, strategies, testing
from askwise.batch import guards
from askwise.batch.stochastic import gumbel, stratified
from askwise.batch.stochastic import stochastic as draw
from askwise.core import BadInput, Selection
from askwise.engine import SAMPLE, select
from askwise.learners import SoftmaxRegression
from askwise.strategies import (
    Combinator,
    Strategy,
    blend,
    class_quota,
    mix,
    must_include,
    narrow,
    no_duplicates,
    per_cost,
    stochastic,
    subsample,
    within_budget,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
LABELED, FREE = np.arange(40), np.arange(40, 400)
LEARNER = SoftmaxRegression().fit(X[LABELED], Y[LABELED])
P = LEARNER.predict_proba(X)
COST = RNG.uniform(1, 5, 400)
GIVEN = {"labeled_rows": LABELED, "cost": COST}


def by(name, values):
    """A strategy and what to give, so that it scores rows by those values."""
    return Strategy(name, lambda cost: cost), {"cost": np.asarray(values, float)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: blend(("margin", 0.7), ("bald", 0.3)),
        lambda: blend(("margin", 1), ("entropy", 1), scale="range"),
        lambda: blend((per_cost("margin"), 1), ("random", 2)),
        lambda: per_cost("margin"),
        lambda: per_cost("diverse_margin"),
        lambda: stochastic("margin", "power", 3),
        lambda: stochastic(blend(("margin", 1), ("bald", 1)), "rank"),
        lambda: narrow("margin", "k_center"),
        lambda: subsample("margin", 30),
        lambda: class_quota("margin"),
        lambda: class_quota("k_center", 0.5),
        lambda: no_duplicates("margin"),
        lambda: no_duplicates(mix(("margin", 1), ("typiclust", 1)), 0.5),
        lambda: must_include([50, 3, 17], "margin"),
        lambda: within_budget(per_cost("margin"), 1e9),
        lambda: must_include([60], no_duplicates(class_quota(blend(("margin", 1), ("random", 1))))),
    ],
)
def test_combinators_pass_the_kit(make):
    strategy = make()
    testing.check_strategy(strategy)
    assert strategy.summary.endswith(".")
    assert strategies.get(strategy) is strategy


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: blend(), "weights above 0"),
        (lambda: blend(("margin", -1)), "weights above 0"),
        (lambda: blend(("margin", 1), scale="z"), "'rank' or 'range'"),
        (lambda: blend(("k_center", 1)), "goes by a score"),
        (lambda: blend(("auto", 1)), "goes by a score"),
        (lambda: stochastic("batch_bald"), "goes by a score"),
        (lambda: stochastic("margin", "cold"), "'power'"),
        (lambda: stochastic("margin", beta=-1), "beta"),
        (lambda: per_cost("typiclust"), "goes by a score"),
        (lambda: narrow("margin", "entropy", 0), "keep"),
        (lambda: subsample("margin", 0), "most"),
        (lambda: class_quota("margin", 0), "share"),
        (lambda: no_duplicates("margin", 1.0), "cosine"),
        (lambda: within_budget("margin", -1), "budget"),
        (lambda: blend(("margn", 1)), "Did you mean 'margin'"),
    ],
)
def test_mistakes_have_a_message(make, words):
    with pytest.raises(BadInput, match=words):
        make()


def test_before_the_first_model_the_pool_is_covered():
    for strategy in (
        blend(("random", 1), (per_cost("margin"), 1)), per_cost("margin"), narrow("margin", "entropy"),
        class_quota("margin"), no_duplicates("margin"), subsample("margin", 30), "power_margin", "epig",
    ):  # fmt: skip
        found = select(X, None, None, strategy, k=4, spare=2, given={"cost": COST})
        assert found.parts[:4] == ("cold_cover",) * 4
        assert len(set(found.rows.tolist())) == 6


# ── combined scores ─────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 9), st.booleans())
def test_blend_is_the_weighted_mean(values, weight, by_rank):
    n = len(values)
    first, giving = by("first", values)
    noise = signals.noise(np.arange(n), 3)
    other = Strategy("other", lambda noise: noise)

    def scaled(score):
        if by_rank:
            return [(sum(v < s for v in score) + sum(v == s for v in score) / 2) / n for s in score]
        width = max(score) - min(score)
        return [(s - min(score)) / width if width else 0.0 for s in score]

    expected = [(weight * a + b) / (weight + 1) for a, b in zip(scaled(values), scaled(noise.tolist()), strict=True)]
    strategy = blend((first, weight), (other, 1), scale="rank" if by_rank else "range")
    found = select(np.zeros((n, 1)), None, None, strategy, k=n, seed=3, chunk=4, given=giving)
    assert found.scores == pytest.approx(sorted(expected, reverse=True), abs=1e-4)
    assert [expected[row] for row in found.rows] == pytest.approx(sorted(expected, reverse=True), abs=1e-4)


def test_per_cost_is_score_over_cost():
    found = select(X, FREE, LEARNER, per_cost("margin"), k=5, given=GIVEN, chunk=50)
    top = np.sort(P, axis=1)
    value = (1 - (top[:, -1] - top[:, -2])) / COST
    assert found.rows.tolist() == sorted(FREE, key=lambda row: -value[row])[:5]
    assert found.parts == ("margin per cost",) * 5


def test_per_cost_refuses_what_it_cannot_divide():
    for cost, words in ((COST - 3, "above 0"), (np.where(np.arange(400) == 77, np.inf, COST), "row 77")):
        with pytest.raises(BadInput, match=words):
            select(X, FREE, LEARNER, per_cost("margin"), given={"cost": cost})
    with pytest.raises(BadInput, match="only the caller can give"):
        select(X, FREE, LEARNER, per_cost("margin"))
    with pytest.raises(BadInput, match="scores of 0 or more"):
        select(X, FREE, LEARNER, per_cost(Strategy("below", lambda noise: noise - 1)), given=GIVEN)


def test_a_budget_is_filled_best_first():
    full = select(X, FREE, LEARNER, per_cost("margin"), k=len(FREE), given=GIVEN).rows
    left, expected = 9.0, []
    for row in full:
        if COST[row] <= left and len(expected) < 6:
            left -= COST[row]
            expected.append(row)
    found = select(X, FREE, LEARNER, within_budget(per_cost("margin"), 9), k=6, spare=4, given=GIVEN)
    assert found.rows.tolist() == expected
    assert COST[found.rows].sum() <= 9
    assert len(select(X, FREE, LEARNER, within_budget("margin", 0.5), k=6, given=GIVEN).rows) == 0


# ── at random, by score ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["power", "softmax", "rank"])
def test_the_chance_of_a_pair_is_that_of_drawing_one_after_the_other(kind):
    score = np.array([0.5, 0.25, 0.25, 1.0, 0.0])
    beta = 1.5
    weight = {
        "power": score**beta, "softmax": np.exp(beta * score), "rank": np.array([2, 3.5, 3.5, 1, 5]) ** -beta,
    }[kind]  # fmt: skip
    draws = 6000
    count = np.zeros((5, 5))
    for seed in range(draws):
        a, b = draw(score, signals.noise(np.arange(5), seed), 2, kind=kind, beta=beta)
        count[a, b] += 1
    chi = 0.0
    for a, b in itertools.permutations(range(5), 2):
        rest = weight.sum() - weight[a]
        expected = draws * weight[a] / weight.sum() * weight[b] / rest
        chi += (count[a, b] - expected) ** 2 / max(expected, 1e-9) if expected > 1 else 0.0
        assert expected > 1 or count[a, b] <= 3
    assert chi < 60  # at most 19 degrees of freedom: exceeded with probability 4e-6


def test_beta_leads_from_chance_to_the_best():
    for kind in ("power", "softmax", "rank"):
        best = select(X, FREE, LEARNER, stochastic("margin", kind, 1e6), k=8).rows
        assert best.tolist() == select(X, FREE, LEARNER, "margin", k=8).rows.tolist()
        rows = [select(X, FREE, LEARNER, stochastic("margin", kind, 0), k=8, seed=s).rows for s in range(3)]
        assert len({tuple(r) for r in rows}) == 3


def test_a_draw_sees_every_candidate_not_a_shortlist():
    a, b = (select(X, FREE, LEARNER, stochastic(name, beta=0), k=5).rows for name in ("margin", "diverse_margin"))
    assert a.tolist() == b.tolist()


def test_a_power_of_a_negative_score_is_refused():
    with pytest.raises(BadInput, match="scores of 0 or more"):
        select(X, FREE, LEARNER, stochastic(Strategy("below", lambda noise: noise - 1)), k=3)


def test_gumbel_noise_is_gumbel_and_unrelated_to_ties():
    noise = signals.noise(np.arange(20000), 5)
    g = np.sort(gumbel(noise))
    assert np.abs(np.exp(-np.exp(-g)) - np.linspace(0, 1, 20000)).max() < 0.02
    assert abs(np.corrcoef(gumbel(noise), noise)[0, 1]) < 0.035
    assert np.isfinite(gumbel(np.array([0.0, 1 - 2.0**-53, 0.5]))).all()


@pytest.mark.parametrize("name", ["power_bald", "softmax_entropy", "rank_margin"])
def test_registered_draws_run_in_a_loop(name):
    """Elsewhere these fail as soon as an active learning loop calls them."""
    labeled = LABELED
    for _ in range(3):
        rows = np.setdiff1d(np.arange(400), labeled)
        learner = SoftmaxRegression().fit(X[labeled], Y[labeled])
        labeled = np.concatenate([labeled, select(X, rows, learner, name, k=5, given={"labeled_rows": labeled}).rows])
    assert len(np.unique(labeled)) == 55
    assert strategies.get(name).family in ("uncertainty", "committee")


def test_strata_are_drawn_in_proportion_and_rows_alike():
    E = np.repeat(np.eye(3), [60, 30, 10], axis=0)
    hits = np.zeros(100)
    for seed in range(300):
        rows = stratified(E, signals.noise(np.arange(100), seed), 10, np.random.default_rng(seed))
        assert np.bincount(E[rows].argmax(1)).tolist() == [6, 3, 1]
        hits[rows] += 1
    # chi-square with 99 degrees of freedom, below by design; above 180 with probability 1e-6
    assert ((hits - 30) ** 2 / 30).sum() < 180


def test_a_stratum_of_one_row_has_its_turn():
    E = np.repeat(np.eye(2) * 5, [1, 6], axis=0)
    draws = 350
    lone = sum(
        0 in stratified(E, signals.noise(np.arange(7), seed), 2, np.random.default_rng(seed)) for seed in range(draws)
    )
    assert abs(lone - draws * 2 / 7) < 45  # five standard deviations


# ── narrowed candidates ─────────────────────────────────────────────────────────────────────


def test_narrow_chooses_among_the_best():
    best = np.sort(select(X, FREE, LEARNER, "margin", k=20).rows)
    found = select(X, FREE, LEARNER, narrow("margin", "entropy", keep=4), k=5)
    assert found.rows.tolist() == select(X, best, LEARNER, "entropy", k=5).rows.tolist()
    assert found.parts == ("entropy",) * 5


def test_subsample_looks_at_some():
    seen = set()
    for seed in range(40):
        found = select(X, FREE, LEARNER, subsample("margin", 50), k=50, seed=seed)
        assert len(found.rows) == 50
        seen |= set(found.rows[:5].tolist())
        half = select(X, FREE, LEARNER, subsample("margin", 50), k=5, seed=seed)
        assert set(half.rows.tolist()) <= set(found.rows.tolist())
    assert len(seen) > 40  # without a sample they would be five
    assert len(select(X, FREE, LEARNER, subsample("margin", 5), k=20, spare=3).rows) == 23


# ── guarded batches ─────────────────────────────────────────────────────────────────────────


def slow_apart(E, labeled, k, closest):
    def near(a, b):
        size = math.sqrt(float(a @ a) * float(b @ b))
        return size > 0 and float(a @ b) / size > closest

    picked = []
    for i in range(len(E)):
        if len(picked) < k and not any(near(E[i], other) for other in [*labeled, *(E[j] for j in picked)]):
            picked.append(i)
    return [*picked, *(i for i in range(len(E)) if i not in picked)][:k]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 4), st.integers(0, 14), st.integers(0, 999))
def test_apart_is_a_walk_down_the_ranking(n, m, k, seed):
    rng = np.random.default_rng(seed)
    E, L = rng.integers(-2, 3, (n, 2)).astype(float), rng.integers(-2, 3, (m, 2)).astype(float)
    assert guards.apart(E, L, min(k, n), 0.9).tolist() == slow_apart(E, L, min(k, n), 0.9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=15), st.integers(1, 15), st.floats(0.05, 1))
def test_quota_is_a_walk_down_the_ranking(guesses, k, share):
    k = min(k, len(guesses))
    hot = np.eye(3)[guesses]
    for given_share, most in ((share, math.ceil(k * share - 1e-9)), (None, math.ceil(k / 3 - 1e-9))):
        picked, count = [], [0, 0, 0]
        for i, g in enumerate(guesses):
            if count[g] < most and len(picked) < k:
                picked.append(i)
                count[g] += 1
        expected = [*picked, *(i for i in range(len(guesses)) if i not in picked)][:k]
        assert guards.quota(hot, k, given_share).tolist() == expected


def test_a_quota_evens_out_the_predicted_classes():
    plain = select(X, FREE, LEARNER, "least_confidence", k=12).rows
    even = select(X, FREE, LEARNER, class_quota("least_confidence"), k=12, spare=5)
    assert np.bincount(P[plain].argmax(1), minlength=3).max() > 4
    assert np.bincount(P[even.rows[:12]].argmax(1), minlength=3).tolist() == [4, 4, 4]
    assert even.parts == ("least_confidence",) * 17
    left = [row for row in select(X, FREE, LEARNER, "least_confidence", k=200).rows if row not in even.rows[:12]]
    assert even.rows[12:].tolist() == left[:5]


def test_no_twins_in_a_batch_nor_of_what_is_pending():
    twins = np.repeat(X[:60], 3, axis=0)
    pending = np.array([0, 3])
    free = np.setdiff1d(np.arange(180), pending)
    plain = select(twins, free, LEARNER, "margin", k=12, given={"labeled_rows": pending}).rows
    found = select(twins, free, LEARNER, no_duplicates("margin", 0.999), k=12, given={"labeled_rows": pending}).rows
    assert len(set(plain // 3)) < 12
    assert len(set(found // 3)) == 12
    assert not set(found // 3) & {0, 1}
    in_mix = select(twins, free, LEARNER, mix((no_duplicates("margin", 0.999), 1), ("random", 1)), k=6)
    margins = [row // 3 for row, part in zip(in_mix.rows, in_mix.parts, strict=True) if part == "margin"]
    assert len(set(margins)) == len(margins)


def test_what_must_be_in_comes_first_and_counts_as_pending():
    found = select(X, FREE, LEARNER, must_include([300, 7, 100, 300], "margin"), k=5, given=GIVEN)
    assert found.rows[:2].tolist() == [300, 100]  # row 7 is labeled already
    assert found.parts[2:] == ("margin",) * 3
    assert select(X, FREE, LEARNER, must_include([300, 100], "margin"), k=1, spare=2).rows[0] == 300
    E = np.repeat(np.eye(5, dtype=np.float32), 2, axis=0)
    spread = select(E, None, None, must_include([0], "k_center"), k=5)
    assert {row // 2 for row in spread.rows} == set(range(5))


def test_guards_pick_from_a_ranking_of_all_rows_in_its_own_order():
    """A whole pool in another order must not be taken for the pool itself."""
    E = np.array([[1, 0], [1, 0.01], [0, 1], [1, 0.02]], np.float32)
    strategy, giving = by("by_cost", [1, 2, 3, 4])
    found = select(E, None, None, no_duplicates(strategy), k=2, given=giving)
    assert found.rows.tolist() == [3, 2]


# ── what the engine offers ──────────────────────────────────────────────────────────────────


def one(function):
    return Strategy("mine", function)


def test_inputs_of_the_labeled_rows_follow_their_order():
    order = np.random.default_rng(1).permutation(LABELED)
    seen = []

    def score(proba, labeled, labeled_y, labeled_proba, labeled_committee, classes):
        seen.append((labeled, labeled_y, labeled_proba, labeled_committee, classes))
        return proba[:, 0]

    given = {"labeled_rows": order, "labeled_y": Y[order]}
    select(X, FREE, LEARNER, one(score), k=3, given=given, chunk=100)
    assert len(seen) == 4
    for labeled, y, proba, committee, classes in seen:
        assert np.array_equal(labeled, X[LABELED])
        assert np.array_equal(y, Y[LABELED])
        assert proba == pytest.approx(P[LABELED], abs=1e-6)
        assert committee.shape == (10, 40, 3)
        assert classes.tolist() == [0, 1, 2]
    true = np.eye(3)[Y[order]]
    select(X, FREE, LEARNER, one(score), k=3, given=given | {"labeled_proba": lambda: true})
    assert np.array_equal(seen[-1][2], np.eye(3)[Y[LABELED]])


def test_without_labels_there_are_no_rows_of_them():
    def score(proba, labeled, labeled_proba, labeled_committee):
        assert labeled.shape == (0, 6)
        assert labeled_proba.shape == (0, 3)
        assert labeled_committee.shape == (10, 0, 3)
        return proba[:, 0]

    assert len(select(X, FREE, LEARNER, one(score), k=3).rows) == 3


def test_rows_chosen_by_a_part_have_no_answer_yet():
    seen = []

    def pick(score, labeled, labeled_y, labeled_proba, k):
        seen.append((labeled, labeled_y, labeled_proba))
        return np.arange(k)

    part = Strategy("part", pick=pick)
    true = np.eye(3)[Y[LABELED]]
    for y, none in ((Y[LABELED], -1), (Y[LABELED] * 1.0, np.nan)):
        given = {"labeled_rows": LABELED, "labeled_y": y, "labeled_proba": true}
        first = select(X, FREE, LEARNER, mix((part, 1), (Strategy("two", pick=pick), 1)), k=4, given=given).rows
        labeled, labeled_y, labeled_proba = seen[-1]
        assert len(labeled) == len(labeled_y) == len(labeled_proba) == 42
        assert np.array_equal(labeled_y[40:], [none] * 2, equal_nan=True)
        assert np.array_equal(labeled_proba[:40], true)
        taken = [row for row in first if (X[row] == labeled[40]).all()]
        assert labeled_proba[40] == pytest.approx(P[taken[0]], abs=1e-6)


def test_the_sample_is_of_the_candidates_and_the_same_for_all():
    big = np.random.default_rng(2).normal(size=(3000, 6)).astype(np.float32)
    seen = []

    def score(proba, sample_embedding, sample_proba, pool_mean):
        seen.append((sample_embedding, sample_proba, pool_mean))
        return proba[:, 0]

    rows = np.arange(500, 3000)
    strategy = one(score)
    for options in ({}, {"chunk": 70}, {"executor": ThreadPoolExecutor(2)}):
        select(big, rows, LEARNER, mix((strategy, 1), ("random", 1)), k=4, **options)
    unit = big[rows] / np.linalg.norm(big[rows], axis=1, keepdims=True)
    for E, proba, mean in seen:
        assert np.array_equal(E, seen[0][0])
        assert len(E) == len(proba) == SAMPLE
        assert {row.tobytes() for row in E} <= {row.tobytes() for row in big[rows]}
        assert proba == pytest.approx(LEARNER.predict_proba(E), abs=1e-6)
        assert mean == pytest.approx(unit.mean(0), abs=1e-6)
    # not those that `random` asks about
    asked = select(big, rows, None, "random", k=1000).rows
    assert len({row.tobytes() for row in seen[0][0]} & {row.tobytes() for row in big[asked]}) < 550
    select(big, rows, LEARNER, strategy, k=2, given={"sample": big[:9]})
    assert seen[-1][1] == pytest.approx(LEARNER.predict_proba(big[:9]), abs=1e-6)


def test_a_few_candidates_are_the_sample_themselves():
    def score(proba, sample_embedding):
        assert np.array_equal(sample_embedding, X[FREE])
        return proba[:, 0]

    select(X, FREE[::-1], LEARNER, one(score), k=1, chunk=50)


def test_the_mean_of_a_sparse_pool():
    S = sparse.random(50, 8, density=0.3, format="csr", random_state=0, dtype=np.float32)
    D = S.toarray()
    length = np.linalg.norm(D, axis=1, keepdims=True)

    def score(embedding, pool_mean):
        assert pool_mean == pytest.approx((D / np.where(length > 0, length, 1)).mean(0), abs=1e-6)
        return embedding[:, 0]

    select(S, None, None, one(score), k=1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"labeled_rows": LABELED, "labeled_y": Y[:3]}, "one entry for each labeled row"),
        ({"labeled_y": Y[:3]}, "got 3 for no rows"),
        ({"labeled": X[:3], "labeled_proba": P[:4]}, "got 4 for 3 rows"),
        ({"labeled_proab": P}, "No signal named 'labeled_proab'"),
        ({"labeled_rows": LABELED}, "only the caller can give"),
    ],
)
def test_what_is_given_of_the_labeled_rows_is_checked(given, words):
    with pytest.raises(BadInput, match=words):
        select(X, FREE, LEARNER, one(lambda proba, labeled_y: proba[:, 0]), given=given)


def test_the_decision_a_user_writes_has_what_it_needs():
    class Newest(Combinator):
        def choose(self, engine, rows, k, spare):
            last = rows[::-1][: k + spare]
            assert engine.scores(strategies.get("margin"), rows).shape == (len(rows),)
            assert engine.shared("labeled").shape == (40, 6)
            return Selection(last, np.zeros(len(last)), self.name, (self.name,) * len(last))

    found = select(X, FREE, LEARNER, must_include([50], Newest("newest")), k=3, given={"labeled_rows": LABELED[:39]})
    assert found.rows.tolist() == [50, 399, 398]


def test_combinators_travel_to_other_processes():
    for strategy in (stochastic("margin"), class_quota("margin"), blend(("margin", 1))):
        again = pickle.loads(pickle.dumps(strategy))
        here, there = (select(X, FREE, LEARNER, s, k=4).rows.tolist() for s in (strategy, again))
        assert here == there


def test_candidates_named_twice_count_once():
    found = select(X, [300, 77, 300, 77, 300], LEARNER, "margin", k=5)
    assert sorted(found.rows) == [77, 300]


def test_a_combinator_has_no_score_of_its_own():
    class Asks(Combinator):
        def choose(self, engine, rows, k, spare):
            return Selection(rows[:k], engine.scores(mix(("margin", 1)), rows)[:k], self.name, (self.name,) * k)

    with pytest.raises(BadInput, match="no score of its own"):
        select(X, FREE, LEARNER, Asks("asks"), k=2)


def test_a_signal_may_not_be_named_like_a_shared_input():
    for name in ("labeled_proba", "sample_embedding", "classes", "pool_mean"):
        with pytest.raises(BadInput, match="already"):
            signals.register(name, lambda learner, X: X)


def test_top_k_is_still_the_rule_behind_plain_scores():
    assert strategies.get("margin").pick is batch.top_k
