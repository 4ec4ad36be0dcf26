"""The balance benchmark: planting and its table, in small."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "balance.py"


@pytest.fixture(scope="module")
def balance():
    spec = importlib.util.spec_from_file_location("balance", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["balance"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["balance"]


def groups(n=200, d=6):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return (5 * np.eye(3, d)[y] + rng.normal(size=(n, d))).astype(np.float32), np.array(list("abc"))[y]


@pytest.mark.parametrize("trouble", ["outliers", "ambiguous", "duplicates"])
def test_planting_keeps_the_pool_and_adds_the_share(balance, trouble):
    X, y = groups()
    pool, answers, planted = balance.plant(X, y, trouble, 0.2, np.random.default_rng(1))
    assert planted.mean() == pytest.approx(0.2, abs=0.005)
    assert len(pool) == len(answers) == len(planted)
    assert {tuple(row) for row in pool[~planted]} == {tuple(row) for row in X}
    assert set(answers) <= {"a", "b", "c"}


def test_what_is_planted_is_what_it_says(balance):
    X, y = groups()
    rng = np.random.default_rng
    pool, _, planted = balance.plant(X, y, "outliers", 0.2, rng(1))
    apart = np.linalg.norm(pool[:, None] - pool[None], axis=2) + 1e9 * np.eye(len(pool))
    assert np.median(apart.min(1)[planted]) > 2 * np.median(apart.min(1)[~planted])
    pool, answers, planted = balance.plant(X, y, "duplicates", 0.2, rng(1))
    for row, label in zip(pool[planted], answers[planted], strict=True):
        apart = np.linalg.norm(X - row, axis=1)
        assert apart.min() < 0.01 * np.linalg.norm(row)
        assert y[apart.argmin()] == label
    pool, answers, planted = balance.plant(X, y, "ambiguous", 0.2, rng(1))
    middles = {tuple(np.round(0.5 * (X[i] + X[j]), 4)) for i in range(200) for j in range(200) if y[i] != y[j]}
    assert {tuple(np.round(row, 4)) for row in pool[planted]} <= middles
    with pytest.raises(ValueError, match="No trouble"):
        balance.plant(X, y, "nothing", 0.2, rng(1))


def test_a_small_run_gives_the_whole_document(balance, monkeypatch):
    monkeypatch.setitem(balance.DATA, "digits", lambda: groups())
    balance.load.cache_clear()
    runs = balance.everything(["digits"], ["entropy", "auto"], seeds=2, budget=20, batch=10, rows=100)
    balance.load.cache_clear()
    assert len(runs) == 2 * 2 * 4
    assert all(0 <= r.spent <= 1 and 0.3 < r.accuracy <= 1 for r in runs)
    assert {r.spent for r in runs if r.trouble == "none"} == {0.0}
    assert runs == sorted(
        runs,
        key=lambda r: (
            r.strategy == "auto",
            list(balance.TROUBLES).index(r.trouble) + 1 if r.trouble != "none" else 0,
            r.seed,
        ),
    )
    found = balance.cost(runs, "digits", "auto", "outliers")
    mine = {(r.trouble, r.seed): r.accuracy for r in runs if r.strategy == "auto"}
    losses = [100 * (mine["none", s] - mine["outliers", s]) for s in (0, 1)]
    assert found.loss == pytest.approx(np.mean(losses))
    assert found.error == pytest.approx(np.std(losses, ddof=1) / 2**0.5)
    balance.DATA["digits"].__doc__ = "Groups."
    text = balance.document(runs, 20, 10, 100)
    assert "| `auto` |" in text
    assert text.count("digits,") == 3
