"""Committees: disagreement, joint batches, what an answer tells about other rows."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from askwise import strategies
from askwise.batch import joint
from askwise.engine import select
from askwise.learners import SoftmaxRegression
from askwise.scores import committee

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.8)
LABELED, FREE = np.arange(30), np.arange(30, 400)
LEARNER = SoftmaxRegression().fit(X[LABELED], Y[LABELED])


@st.composite
def committees(draw, members=5, n=6, classes=4):
    shape = (draw(st.integers(1, members)), draw(st.integers(1, n)), draw(st.integers(1, classes)))
    weights = draw(arrays(np.int64, shape, elements=st.integers(0, 4))).astype(float)
    weights[..., 0] += weights.sum(-1) == 0
    return weights / weights.sum(-1, keepdims=True)


def some_committee(members, n, classes, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    Z = np.exp(rng.normal(size=(1, n, classes)) + spread * rng.normal(size=(members, n, classes)))
    return Z / Z.sum(-1, keepdims=True)


def entropy_of(p):
    return -sum(v * math.log(v) for v in p if v > 0)


# ── disagreement ────────────────────────────────────────────────────────────────────────────


@given(committees())
def test_variation_ratio_and_mean_std(P):
    members, n, classes = P.shape
    votes = [[sum(P[m, i].argmax() == c for m in range(members)) for c in range(classes)] for i in range(n)]
    assert committee.variation_ratio(P) == pytest.approx([1 - max(v) / members for v in votes])
    spread = [[math.sqrt(np.mean((P[:, i, c] - P[:, i, c].mean()) ** 2)) for c in range(classes)] for i in range(n)]
    assert committee.mean_std(P) == pytest.approx(np.mean(spread, axis=1), abs=1e-12)


def test_a_member_in_two_minds_votes_once_for_the_first():
    P = np.array([[[0.4, 0.4, 0.2]], [[0.1, 0.45, 0.45]], [[1, 0, 0]]])
    assert committee.variation_ratio(P) == pytest.approx([1 / 3])
    P = np.swapaxes(np.ascontiguousarray(np.swapaxes(P, 1, 2)), 1, 2)
    assert committee.vote_entropy(P) == pytest.approx([math.log(3) - 2 / 3 * math.log(2)])


def test_certain_members_give_finite_numbers():
    """Elsewhere an unclipped logarithm makes such rows NaN."""
    P = np.array([[[1.0, 0], [1, 0]], [[0, 1.0], [1, 0]]], np.float32)
    for score in (committee.consensus_kl, committee.variation_ratio, committee.mean_std, committee.vote_entropy):
        assert score(P)[0] > score(P)[1] >= 0
    for score in (committee.epig, committee.epig_quadratic, committee.mean_proper_score):
        assert score(P, P)[0] > score(P, P)[1] == pytest.approx(0, abs=1e-6)
    assert committee.epig(P, P[:, :1])[0] == pytest.approx(math.log(2), abs=1e-5)


# ── what an answer says about other rows ────────────────────────────────────────────────────


def slow_epig(P, S):
    """I(y; c) from the table of joint probabilities of each pair of rows."""
    members, n, _ = P.shape
    out = []
    for i in range(n):
        total = 0.0
        for u in range(S.shape[1]):
            table = sum(np.outer(P[m, i], S[m, u]) for m in range(members)) / members
            total += entropy_of(table.sum(1)) + entropy_of(table.sum(0)) - entropy_of(table.ravel())
        out.append(total / S.shape[1])
    return out


def slow_brier_gain(P, S):
    """Reweigh the members by each possible answer and predict again."""
    _, n, classes = P.shape
    out = []
    for i in range(n):
        total = 0.0
        for y in range(classes):
            chance = P[:, i, y].mean()
            if chance > 0:
                posterior = P[:, i, y] / P[:, i, y].sum()
                after = np.tensordot(posterior, S, axes=1)
                total += chance * ((after - S.mean(0)) ** 2).sum(1).mean()
        out.append(total)
    return out


@settings(max_examples=60, deadline=None)
@given(committees(), st.integers(1, 4), st.integers(0, 99))
def test_epig_is_the_mean_mutual_information(P, sample, seed):
    S = some_committee(P.shape[0], sample, P.shape[2], seed)
    assert committee.epig(P, S) == pytest.approx(slow_epig(P, S), abs=2e-6)


def test_epig_is_the_same_in_blocks(monkeypatch):
    P, S = some_committee(4, 30, 3), some_committee(4, 11, 3, seed=1)
    whole = committee.epig(P, S)
    monkeypatch.setattr(committee, "CELLS", 100)
    assert committee.epig(P, S) == pytest.approx(whole, rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(committees(), st.integers(1, 4), st.integers(0, 99))
def test_the_mean_proper_score_is_what_reweighing_the_members_gives(P, sample, seed):
    S = some_committee(P.shape[0], sample, P.shape[2], seed)
    assert committee.mean_proper_score(P, S) == pytest.approx(slow_brier_gain(P, S), abs=1e-6)


def test_the_quadratic_form_is_epig_where_members_differ_little():
    P, S = some_committee(6, 40, 3, spread=0.03), some_committee(6, 50, 3, seed=1, spread=0.03)
    assert committee.epig_quadratic(P, S) == pytest.approx(committee.epig(P, S), rel=0.02)


@pytest.mark.parametrize("m", [30, 120])
def test_the_screen_loses_none_of_the_best(m):
    learner = SoftmaxRegression().fit(X[:m], Y[:m])
    rows = np.arange(m, 400)
    found = select(X, rows, learner, "epig", k=10, given={"sample": X})
    score = committee.epig(learner.predict_committee(X[rows]), learner.predict_committee(X))
    best = np.sort(score)[::-1][:10]
    assert score[np.searchsorted(rows, found.rows)] == pytest.approx(best, rel=1e-4)
    assert found.scores == pytest.approx(best, rel=1e-4)
    assert found.strategy == "epig"


def test_epig_is_about_the_inputs_the_model_is_for_not_the_labeled_ones():
    """Elsewhere the target inputs are the training set."""
    right = np.flatnonzero(X[:, 3] > 1)
    a = select(X, FREE, LEARNER, "epig", k=10, given={"labeled_rows": LABELED})
    b = select(X, FREE, LEARNER, "epig", k=10, given={"labeled_rows": LABELED[:5]})
    c = select(X, FREE, LEARNER, "epig", k=10, given={"labeled_rows": LABELED, "sample": X[right]})
    assert a.rows.tolist() == b.rows.tolist()
    assert a.rows.tolist() != c.rows.tolist()
    P, S = LEARNER.predict_committee(X[FREE]), LEARNER.predict_committee(X[right])
    assert c.scores == pytest.approx(np.sort(committee.epig(P, S))[::-1][:10], rel=1e-4)


# ── joint batches ───────────────────────────────────────────────────────────────────────────


def joint_information(P, rows):
    """I(answers of the rows; member) over every configuration of answers."""
    members, _, classes = P.shape
    total = 0.0
    for answers in itertools.product(range(classes), repeat=len(rows)):
        given_member = [np.prod([P[m, row, y] for row, y in zip(rows, answers, strict=True)]) for m in range(members)]
        chance = np.mean(given_member)
        if chance > 0:
            total -= chance * math.log(chance)
    return total - sum(entropy_of(P[m, row]) for m in range(members) for row in rows) / members


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5), st.integers(2, 6), st.integers(2, 3), st.integers(1, 4), st.integers(0, 10**6))
def test_batch_bald_is_exhaustive_greedy(members, n, classes, k, seed):
    P = some_committee(members, n, classes, seed, spread=2)
    picked = joint.batch_bald(P, np.zeros(n), k, np.random.default_rng(0)).tolist()
    assert len(set(picked)) == len(picked) == min(k, n)
    for at, row in enumerate(picked):
        gains = {other: joint_information(P, [*picked[:at], other]) for other in set(range(n)) - set(picked[:at])}
        assert gains[row] >= max(gains.values()) - 1e-4


def test_batch_bald_is_lazy_without_losing_rows(monkeypatch):
    P = some_committee(12, 300, 3, spread=1.5)
    noise = np.random.default_rng(1).random(300)
    lazy = joint.batch_bald(P, noise, 5, np.random.default_rng(0))
    monkeypatch.setattr(joint, "BLOCK", 1000)
    assert joint.batch_bald(P, noise, 5, np.random.default_rng(0)).tolist() == lazy.tolist()


def test_sampled_configurations_stand_for_all_of_them(monkeypatch):
    P = some_committee(8, 40, 3, spread=0.8)
    exact = joint.batch_bald(P, np.zeros(40), 7, np.random.default_rng(0))
    monkeypatch.setattr(joint, "CONFIGURATIONS", 400)
    sampled = joint.batch_bald(P, np.zeros(40), 7, np.random.default_rng(0))
    whole = joint_information(P, exact)
    assert joint_information(P, sampled) == pytest.approx(whole, rel=0.03)
    alone = np.argsort(-committee.consensus_kl(P))[:7]
    assert joint_information(P, sampled) > joint_information(P, alone)


def test_extending_configurations_keeps_their_distribution(monkeypatch):
    monkeypatch.setattr(joint, "CONFIGURATIONS", 64)
    P = some_committee(5, 3, 4, spread=2).transpose(1, 2, 0).astype(np.float32)
    posterior, weight = np.full((1, 5), 0.2, np.float32), np.ones(1)
    for p in P:
        posterior, weight = joint._extend(posterior, weight, p, np.random.default_rng(0))
        assert posterior.sum(1) == pytest.approx(np.ones(len(posterior)), abs=1e-5)
        assert weight.sum() == pytest.approx(1)
        # averaged over the answers, what is believed of the members does not change
        assert weight @ posterior == pytest.approx(np.full(5, 0.2), abs=0.02)
        assert len(weight) <= 64


def test_likely_answers_keep_their_weight_when_configurations_are_sampled(monkeypatch):
    monkeypatch.setattr(joint, "CONFIGURATIONS", 16)
    p = np.array([[0.75, *[0.25 / 19] * 19]] * 2, np.float32).T
    _, weight = joint._extend(np.full((1, 2), 0.5, np.float32), np.ones(1), p, np.random.default_rng(0))
    assert weight.max() == pytest.approx(0.75, abs=1 / 16)
    assert 3 < len(weight) < 8


def test_a_twin_of_a_picked_row_waits():
    """Elsewhere ties are drawn twice: one row is returned, its twin is conditioned on."""
    one = some_committee(6, 5, 2, spread=3)
    sure = one.copy()
    sure[..., 0], sure[..., 1] = np.round(one[..., 0]), 1 - np.round(one[..., 0])
    sure[:, 1] = sure[::-1, 0]
    P = np.repeat(sure, 2, axis=1)
    for seed in range(8):
        noise = np.random.default_rng(seed).random(10)
        picked = joint.batch_bald(P, noise, 10, np.random.default_rng(0))
        assert sorted(picked) == list(range(10))
        gains = [joint_information(P, picked[: i + 1]) - joint_information(P, picked[:i]) for i in range(4)]
        assert all(a >= b - 1e-6 for a, b in itertools.pairwise(gains))
        if gains[1] > 1e-6:
            assert picked[0] // 2 != picked[1] // 2
        first = np.flatnonzero(np.isclose(committee.consensus_kl(P), committee.consensus_kl(P).max(), atol=1e-6))
        assert picked[0] == first[noise[first].argmax()]


def test_once_the_members_are_told_apart_the_rest_follows_by_bald():
    a = np.array([1.0, 0.5, 0.9, 0.6, 0.8, 0.7])
    P = np.stack([np.stack([a, 1 - a], -1), np.stack([1 - a, a], -1)])
    noise = np.random.default_rng(0).random(6)
    assert joint.batch_bald(P, noise, 6, np.random.default_rng(0)).tolist() == [0, 2, 4, 5, 3, 1]


def test_one_member_or_one_class_has_nothing_to_tell():
    for P in (some_committee(1, 9, 3), np.ones((4, 9, 1))):
        noise = np.random.default_rng(0).random(9)
        picked = joint.batch_bald(P, noise, 9, np.random.default_rng(0))
        assert picked.tolist() == np.argsort(-noise).tolist()


def test_the_batch_tells_more_than_the_best_rows_one_by_one():
    found = select(X, FREE, LEARNER, "batch_bald", k=5).rows
    alone = select(X, FREE, LEARNER, "bald", k=5).rows
    P = LEARNER.predict_committee(X)
    assert found[0] == alone[0]
    assert joint_information(P, found) >= joint_information(P, alone)


def test_published_names_resolve():
    assert strategies.get("core_mse").name == "bemps"
    assert strategies.get("core_log").name == "epig"
