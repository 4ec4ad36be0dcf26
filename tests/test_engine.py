"""Selection: shards, ties, checks."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from askwise import engine, scores, signals, strategies
from askwise.core import BadInput, ContractError
from askwise.engine import select
from askwise.learners import SoftmaxRegression
from askwise.strategies import Strategy, mix

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 8)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
LABELED = np.arange(40)
FREE = np.arange(40, 500)
LEARNER = SoftmaxRegression().fit(X[LABELED], Y[LABELED])


def test_margin_is_what_sorting_everything_gives():
    P = np.sort(LEARNER.predict_proba(X), axis=1)
    gap = P[:, -1] - P[:, -2]
    expected = sorted(FREE, key=lambda row: gap[row])[:10]
    found = select(X, FREE, LEARNER, "margin", k=10)
    assert found.rows.tolist() == expected
    assert found.scores == pytest.approx(1 - gap[expected], rel=1e-5)
    assert found.parts == ("margin",) * 10


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(0, 3), min_size=1, max_size=60), k=st.integers(0, 70), chunk=st.integers(1, 70),
    seed=st.integers(0, 2**63), order=st.randoms(), spare=st.integers(0, 5),
)  # fmt: skip
def test_ties_fall_alike_whatever_the_shards(values, k, chunk, seed, order, spare):
    n = len(values)
    cost = np.array(values, float)
    rows = list(range(n))
    order.shuffle(rows)
    by_cost = Strategy("by_cost", lambda cost: cost)
    found = select(
        np.zeros((n, 1)), rows, None, by_cost, k=k, seed=seed, chunk=chunk, spare=spare, given={"cost": cost}
    )
    noise = signals.noise(np.arange(n), seed)
    assert found.rows.tolist() == sorted(range(n), key=lambda i: (-cost[i], -noise[i]))[: k + spare]


def test_ties_do_not_follow_the_row_number():
    first = [
        select(X, None, None, Strategy("flat", lambda cost: 0 * cost), k=1, seed=s, given={"cost": X[:, 0]}).rows[0]
        for s in range(50)
    ]
    assert len(set(first)) > 40


def test_rounding_in_a_shard_does_not_break_ties():
    twins = np.repeat(X[:100], 3, axis=0)
    rows = [select(twins, None, LEARNER, "entropy", k=30, chunk=c).rows.tolist() for c in (1, 2, 5, 31, 1000)]
    assert all(found == rows[0] for found in rows)


@pytest.mark.parametrize("name", ["margin", "consensus_kl", "diverse_margin", "expected_gradient_length"])
def test_processes_choose_what_one_process_does(name):
    expected = select(X, FREE, LEARNER, name, k=7)
    with ProcessPoolExecutor(1) as pool:
        found = select(X, FREE, LEARNER, name, k=7, executor=pool, chunk=200)
    assert found.rows.tolist() == expected.rows.tolist()


def test_threads_and_order_of_the_candidates():
    expected = select(X, FREE, LEARNER, "auto", k=7, given={"labeled_rows": LABELED})
    with ThreadPoolExecutor(3) as pool:
        found = select(
            X, RNG.permutation(FREE), LEARNER, "auto", k=7, executor=pool, chunk=9, given={"labeled_rows": LABELED}
        )
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.strategy == "diverse_margin"


def test_random_is_uniform_and_changes_with_the_seed():
    hits = np.zeros(20)
    for seed in range(600):
        hits[select(np.zeros((20, 1)), None, None, "random", k=2, seed=seed).rows] += 1
    assert hits.sum() == 1200
    # chi-square with 19 degrees of freedom: above 60 with probability 4e-6
    assert ((hits - 60) ** 2 / 60).sum() < 60


def test_diverse_margin_for_one_row_is_margin():
    for seed in range(5):
        a = select(X, FREE[seed::5], LEARNER, "diverse_margin", k=1, seed=seed)
        assert a.rows.tolist() == select(X, FREE[seed::5], LEARNER, "margin", k=1, seed=seed).rows.tolist()


def test_spare_rows_follow_by_score_alone():
    found = select(X, FREE, LEARNER, "diverse_margin", k=5, spare=6)
    alone = select(X, FREE, LEARNER, "diverse_margin", k=5)
    assert found.rows[:5].tolist() == alone.rows.tolist()
    ranking = select(X, FREE, LEARNER, "margin", k=30).rows
    assert found.rows[5:].tolist() == [row for row in ranking if row not in alone.rows][:6]
    assert len(select(X, FREE, LEARNER, "k_center", k=3, spare=9999, given={"labeled_rows": LABELED}).rows) == len(FREE)


def test_mix_holds_its_shares_in_every_stretch():
    mixture = mix(("margin", 0.75), ("random", 0.25))
    found = select(X, FREE, LEARNER, mixture, k=80, spare=3)
    assert len(set(found.rows.tolist())) == 83
    counts = np.cumsum([part == "random" for part in found.parts[:80]])
    assert abs(counts - 0.25 * np.arange(1, 81)).max() < 2
    # one row at a time, as a session does: shares hold over the rounds
    parts = [select(X, FREE, LEARNER, mixture, k=1, given={"n_labeled": n}).parts[0] for n in range(80)]
    assert abs(parts.count("random") - 20) <= 2
    margins = [row for row, part in zip(found.rows, found.parts, strict=True) if part == "margin"]
    assert margins[:20] == select(X, FREE, LEARNER, "margin", k=20).rows.tolist()


def test_parts_of_a_mix_do_not_choose_twins_of_each_other():
    E = np.repeat(np.eye(6, dtype=np.float32), 2, axis=0)
    found = select(
        E, None, None, mix(("k_center", 1), (Strategy("other", pick=strategies.get("k_center").pick), 1)), k=6
    )
    assert len({row // 2 for row in found.rows}) == 6


def test_before_the_first_model_the_pool_is_covered_and_the_result_says_so():
    for name in ("margin", "vote_entropy", "auto", mix(("entropy", 1))):
        found = select(X, None, None, name, k=3, given={"labeled_rows": lambda: LABELED[:2]})
        assert found.parts == ("cold_cover",) * 3
    assert select(X, None, None, "margin", k=3, given={"proba": LEARNER.predict_proba(X)}).strategy == "margin"


def test_what_the_caller_gives_is_not_computed():
    class Mute:
        classes_ = np.array([0, 1, 2])

    P = LEARNER.predict_proba(X)
    expected = select(X, FREE, LEARNER, "margin", k=9).rows.tolist()
    assert select(X, FREE, Mute(), "margin", k=9, given={"proba": P}).rows.tolist() == expected
    assert select(X, FREE, Mute(), "margin", k=9, given={"proba": lambda: P}, chunk=50).rows.tolist() == expected


def test_geometry_is_that_of_the_given_embedding():
    S = sparse.random(200, 3000, density=0.01, format="csr", random_state=0)
    E = RNG.normal(size=(200, 4))
    a = select(S, None, None, "k_center", k=8, given={"embedding": E, "labeled_rows": np.arange(3)})
    b = select(E, None, None, "k_center", k=8, given={"labeled": E[:3]})
    assert a.rows.tolist() == b.rows.tolist()


def test_sparse_is_never_dense_as_a_whole(monkeypatch):
    S = sparse.random(3000, 5000, density=0.002, format="csr", random_state=0, dtype=np.float32)
    learner = SoftmaxRegression().fit(S[:60], np.arange(60) % 3)
    largest = []
    dense = sparse.csr_matrix.toarray
    monkeypatch.setattr(
        sparse.csr_matrix, "toarray", lambda self, *a, **k: largest.append(np.prod(self.shape)) or dense(self, *a, **k)
    )
    told = {"labeled_rows": np.arange(60), "labeled_y": np.arange(60) % 3}
    for name in strategies.available():
        if strategies.get(name).task == "classification":
            assert len(select(S, None, learner, name, k=4, given=told).rows) == 4
    assert max(largest) <= 8192 * signals.SPARSE_DIMS


def test_a_read_only_float16_map_is_scored_in_float32(tmp_path):
    np.save(tmp_path / "pool.npy", X.astype(np.float16))
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    found = select(mapped, FREE, LEARNER, "margin", k=12, chunk=64)
    assert (
        found.rows.tolist()
        == select(X.astype(np.float16).astype(np.float32), FREE, LEARNER, "margin", k=12).rows.tolist()
    )


def test_gaps_in_the_candidates_do_not_matter():
    for rows in (FREE[::7], FREE[[0, 1, 2, -1]], np.delete(FREE, [5, 9, 200])):
        P = np.sort(LEARNER.predict_proba(X), axis=1)
        gap = P[:, -1] - P[:, -2]
        expected = sorted(rows, key=lambda row: gap[row])[:3]
        assert select(X, rows, LEARNER, "margin", k=3, chunk=50).rows.tolist() == expected


class Wrong:
    """A learner that errs at one row."""

    classes_ = np.array([0, 1])

    def __init__(self, value):
        self.value = value

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        P = np.full((len(X), 2), 0.5)
        P[X[:, 0] == 77] = self.value
        return P


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence", "diverse_margin"])
def test_nan_is_refused_with_its_row(name, value):
    pool = np.arange(100.0)[:, None]
    with pytest.raises(ContractError, match="row 77"):
        select(pool, None, Wrong(value), name, k=3, chunk=30)
    assert len(select(pool, np.delete(np.arange(100), 77), Wrong(value), name, k=3).rows) == 3


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (lambda cost: np.where(cost == 5, np.nan, cost), "nan at row 5"),
        (lambda cost: np.where(cost == 5, -np.inf, cost), "-inf at row 5"),
        (lambda cost: cost[:-1], "one number for each of 20 rows"),
        (lambda cost: cost[:, None], "one number for each"),
        (lambda cost: np.array(["x"] * len(cost)), "one number for each"),
        (lambda costs: costs, "Did you mean 'cost'"),
    ],
)
def test_a_broken_score_is_named(score, words):
    with pytest.raises(ContractError, match=words):
        select(np.zeros((20, 1)), None, None, Strategy("mine", score), k=3, given={"cost": np.arange(20.0)})


@pytest.mark.parametrize(
    "pick",
    [
        lambda score, k: np.zeros(k, int), lambda score, k: np.arange(k - 1), lambda score, k: np.arange(k) - 1,
        lambda score, k: np.arange(k) * 1.0, lambda score, k: np.arange(k) + len(score), lambda scores, k: np.arange(k),
    ],
)  # fmt: skip
def test_a_broken_batch_rule_is_named(pick):
    with pytest.raises(ContractError, match="batch rule of 'mine'"):
        select(X, None, None, Strategy("mine", pick=pick), k=3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"candidates": [500]}, "0 to 499"),
        ({"candidates": [-1]}, "0 to 499"),
        ({"candidates": [0.5]}, "integers"),
        ({"candidates": np.ones(500, bool)}, "flatnonzero"),
        ({"given": {"labeled_rows": [500]}}, "labeled_rows must be rows 0 to 499"),
        ({"k": -1}, "k=-1"),
        ({"given": {"prob": X}}, "Did you mean 'proba'"),
        ({"given": {"proba": X[:3]}}, "500 rows"),
        ({"given": {"noise": X[:, 0]}}, "noise"),
        ({"given": {"labeled": np.ones((2, 3))}, "strategy": "k_center"}, "3 columns"),
        ({"strategy": Strategy("by_cost", lambda cost: cost)}, "only the caller can give"),
        ({"strategy": "nope"}, "No strategy named"),
    ],
)
def test_a_users_mistake_has_a_message(change, words):
    arguments = {"candidates": FREE, "strategy": "margin"} | change
    with pytest.raises(BadInput, match=words):
        select(X, arguments.pop("candidates"), LEARNER, arguments.pop("strategy"), **arguments)


def test_flat_probabilities_are_refused():
    with pytest.raises(ContractError, match="2 dimensions"):
        select(X, None, None, "margin", given={"proba": X[:, 0]})


def test_a_learner_without_the_power_says_so():
    with pytest.raises(BadInput, match="predict_committee"):
        select(X, None, Wrong(0.5), "vote_entropy")


@given(st.integers(0, 50), st.integers(1, 60))
def test_blocks_cover_the_range(n, size):
    assert [i for part in engine.blocks(n, size) for i in range(n)[part]] == list(range(n))


def test_a_score_may_use_what_is_labeled():
    def farthest(embedding, labeled):
        return np.linalg.norm(embedding[:, None] - labeled[None], axis=2).min(1)

    found = select(X, FREE, None, Strategy("mine", farthest), k=1, given={"labeled_rows": LABELED}, chunk=33)
    D = np.linalg.norm(X[FREE][:, None] - X[LABELED][None], axis=2).min(1)
    assert found.rows.tolist() == [FREE[D.argmax()]]


def test_scores_keep_their_order_over_many_magnitudes():
    cost = np.array([1e-30, 3e-30, -2e-20, 5e10, 0.0, -1.0])
    found = select(np.zeros((6, 1)), None, None, Strategy("c", lambda cost: cost), k=6, given={"cost": cost})
    assert found.rows.tolist() == np.argsort(-cost).tolist()
    assert found.scores == pytest.approx(np.sort(cost)[::-1], rel=1e-5)
    assert scores.random is strategies.get("random").score


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_equal_rows_tie_even_at_an_edge_of_the_rounding(layout):
    """A BLAS may round a row otherwise in another shard, and the edge between two settled scores lie in between."""
    edge = 0.75 + 2.0**-18
    calls = itertools.count()

    def unlucky(proba):
        return edge * (1 + 1e-7 * np.sin(np.arange(len(proba)) + next(calls)))

    A = np.repeat(np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32), 3, axis=0)
    A[::2, 19] = -7.0
    learner = SoftmaxRegression().fit(A[::4], np.arange(45) % 3)
    groups = [np.flatnonzero((row == A).all(1)) for row in np.unique(A, axis=0)]
    assert max(map(len, groups)) == 2
    for chunk in (1, 7, 1000):
        found = select(layout(A), None, learner, Strategy("unlucky", unlucky), k=180, seed=3, chunk=chunk)
        scores = found.scores[np.argsort(found.rows)]
        assert all(len(set(scores[rows].tolist())) == 1 for rows in groups)
        assert len(set(scores.tolist())) == 2
    flat = layout(np.ones((300, 20), np.float32))
    picked = [select(flat, None, learner, Strategy("unlucky", unlucky), k=5, chunk=chunk).rows for chunk in (1, 7, 99)]
    assert picked[0].tolist() == picked[1].tolist() == picked[2].tolist()


def test_equal_rows_with_costs_of_their_own_keep_their_scores():
    learner = SoftmaxRegression().fit(np.eye(3), [0, 1, 2])
    found = select(
        np.ones((4, 3)),
        None,
        learner,
        Strategy("cheap", lambda proba, cost: proba.max(1) / cost),
        k=4,
        given={"cost": [4, 2, 1, 3]},
    )
    assert found.rows.tolist() == [2, 1, 3, 0]
