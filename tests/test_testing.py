"""The conformance kits: ours pass, culprits do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from askwise import testing
from askwise.core import Conflict, ContractError
from askwise.encoders.tfidf import TfidfEncoder
from askwise.learners import SoftmaxRegression
from askwise.store import MemoryStore, SQLiteStore


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
