"""The conformance kits: ours pass, culprits do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from askwise import testing
from askwise.core import BadInput, Conflict, ContractError
from askwise.encoders.tfidf import TfidfEncoder
from askwise.learners import SoftmaxRegression
from askwise.store import MemoryStore, SQLiteStore, digest


def test_our_stores_pass(tmp_path):
    testing.check_store(MemoryStore)
    testing.check_store(lambda: SQLiteStore(tmp_path / "log"), lambda: SQLiteStore(tmp_path / "log"))


class Forgets(MemoryStore):
    def read(self, after=0):
        return super().read(after)[:2]


class NeverConflicts(MemoryStore):
    def append(self, events, *, after=None):
        return super().append(events)


class HalfAppends(MemoryStore):
    def append(self, events, *, after=None):
        try:
            return super().append(events, after=after)
        except Conflict:
            super().append(events[:1])
            raise


class Backwards(MemoryStore):
    def read(self, after=0):
        return list(reversed(super().read(after)))


class NoDigests(MemoryStore):
    def read(self, after=0):
        return [replace(e, digest="") for e in super().read(after)]


class LooseDigests(MemoryStore):
    def read(self, after=0):
        return [replace(e, digest=digest("", e)) for e in super().read(after)]


@pytest.mark.parametrize("culprit", [NoDigests, LooseDigests])
def test_stores_without_a_chain_fail(culprit):
    with pytest.raises(ContractError, match="digests"):
        testing.check_store(culprit)


@pytest.mark.parametrize("culprit", [Forgets, NeverConflicts, HalfAppends, Backwards])
def test_broken_stores_fail(culprit):
    with pytest.raises(ContractError, match="check failed"):
        testing.check_store(culprit)


def test_a_store_that_does_not_keep_fails():
    with pytest.raises(ContractError, match="reopened"):
        testing.check_store(MemoryStore, MemoryStore)


class Raw(SoftmaxRegression):
    def predict_proba(self, X):
        return 2 * super().predict_proba(X)


class Reversed(SoftmaxRegression):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


class Drifts(SoftmaxRegression):
    def predict_proba(self, X):
        self.intercept_ = self.intercept_ + np.arange(len(self.classes_), dtype=np.float32)
        return super().predict_proba(X)


class TwoOnly(SoftmaxRegression):
    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = self.classes_[:2]
        return self


class OtherCommittee(SoftmaxRegression):
    def predict_committee(self, X, members=10, seed=0):
        return super().predict_committee(X, members, seed)[:, :-1]


@pytest.mark.parametrize("culprit", [Raw, Reversed, Drifts, TwoOnly, OtherCommittee])
def test_broken_learners_fail(culprit):
    with pytest.raises(ContractError, match="check failed"):
        testing.check_learner(culprit)


def letters(items):
    return np.array([[text.count(c) for c in "abcdefgh"] for text in items], np.float32).reshape(len(items), 8)


def test_encoders_pass():
    testing.check_encoder(TfidfEncoder(dims=2))
    testing.check_encoder(letters)
    testing.check_encoder(lambda items: sparse.csr_matrix(letters(items)))
    testing.check_encoder(lambda items: np.array(items, np.float32)[:, None], [1, 2, 3])


@pytest.mark.parametrize(
    "culprit",
    [
        lambda items: letters(items)[1:],
        lambda items: letters(items).astype(np.float64),
        lambda items: np.full((len(items), 2), np.nan, np.float32),
        lambda items: letters(sorted(items)),
        lambda items: letters(items) / len(items),
        lambda items: letters(items)[:, 0],
        type("Nameless", (), {"encode": staticmethod(letters)})(),
    ],
)
def test_broken_encoders_fail(culprit):
    if hasattr(culprit, "encode"):
        culprit.name = ""
    with pytest.raises(ContractError, match="check failed"):
        testing.check_encoder(culprit)


# ── planted trouble ─────────────────────────────────────────────────────────────────────────

PLANTS = [testing.plant_outliers, testing.plant_coin_flips, testing.plant_near_duplicates]


def groups(n=200, d=6):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return (5 * np.eye(3, d)[y] + rng.normal(size=(n, d))).astype(np.float32), np.array(list("abc"))[y]


@pytest.mark.parametrize("plant", PLANTS)
def test_planting_keeps_the_pool_and_adds_the_share(plant):
    X, y = groups()
    pool, answers, planted = plant(X, y, 0.2, np.random.default_rng(1))
    assert planted.mean() == pytest.approx(0.2, abs=0.005)
    assert len(pool) == len(answers) == len(planted)
    kept = {(*row, label) for row, label in zip(pool[~planted].tolist(), answers[~planted], strict=True)}
    assert kept == {(*row, label) for row, label in zip(X.tolist(), y, strict=True)}
    assert set(answers) <= {"a", "b", "c"}
    assert pool.dtype == np.float32
    assert not plant(X, y, 0, np.random.default_rng(1))[2].any()
    assert planted[:100].any()
    assert planted[-100:].any()


def test_outliers_are_far_from_all_else_and_of_any_class():
    X, y = groups()
    pool, answers, planted = testing.plant_outliers(X, y, 0.2, np.random.default_rng(1))
    apart = np.linalg.norm(pool[:, None] - pool[None], axis=2) + 1e9 * np.eye(len(pool))
    assert np.median(apart.min(1)[planted]) > 2 * np.median(apart.min(1)[~planted])
    assert set(answers[planted]) == {"a", "b", "c"}


def test_coin_flips_are_halfway_between_two_classes():
    X, y = groups()
    pool, answers, planted = testing.plant_coin_flips(X, y, 0.2, np.random.default_rng(1))
    middles = {
        tuple(np.round(0.5 * (X[i] + X[j]), 4)): {y[i], y[j]} for i in range(200) for j in range(200) if y[i] != y[j]
    }
    for row, label in zip(np.round(pool[planted], 4), answers[planted], strict=True):
        assert label in middles[tuple(row)]


def test_near_duplicates_are_copies_with_the_label():
    X, y = groups()
    pool, answers, planted = testing.plant_near_duplicates(X, y, 0.2, np.random.default_rng(1), copies=10)
    sources = []
    for row, label in zip(pool[planted], answers[planted], strict=True):
        apart = np.linalg.norm(X - row, axis=1)
        assert 0 < apart.min() < 0.01 * np.linalg.norm(row)
        assert y[apart.argmin()] == label
        sources.append(int(apart.argmin()))
    assert set(np.bincount(sources)) == {0, 10}


@pytest.mark.parametrize("plant", PLANTS)
def test_planting_refuses_what_cannot_be(plant):
    X, y = groups()
    rng = np.random.default_rng(1)
    for bad in ((X, y, 1.0), (X, y, -0.1), (X[:0], y[:0], 0.1), (X, y[1:], 0.1)):
        with pytest.raises(BadInput, match="share"):
            plant(*bad, rng)
    with pytest.raises(BadInput, match="copies"):
        testing.plant_near_duplicates(X, y, 0.1, rng, copies=0)
    with pytest.raises(BadInput, match="two classes"):
        testing.plant_coin_flips(X, np.full(200, "a"), 0.1, rng)


def test_skips_are_said_by_reason_with_a_way_out() -> None:
    from help.skips import by_reason

    said = by_reason(
        [
            "Skipped: shared data 'a/b.csv' is not here (set ASKWISE_SHARED to the folder that holds data/)",
            "Skipped: shared data 'c.csv' is not here (set ASKWISE_SHARED to the folder that holds data/)",
            "Skipped: could not import 'polars': No module named 'polars'",
            "Skipped: the extra `team` is not installed",
            "Skipped: this session has none",
        ]
    )
    assert said == [
        "5 skipped:",
        "    2  data that are not ours to ship are not here (set ASKWISE_SHARED to the folder that holds data/)",
        "    1  polars is not installed: pip install polars",
        "    1  the extra `team` is not installed: pip install 'askwise[team]'",
        "    1  this session has none",
    ]
    assert by_reason([]) == []
