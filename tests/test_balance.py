"""The balance benchmark and its table, in small."""

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


def test_a_small_run_gives_the_whole_document(balance, monkeypatch):
    monkeypatch.setitem(balance.DATA, "digits", lambda: groups())
    balance.load.cache_clear()
    runs = balance.everything(["digits"], ["entropy", "auto"], seeds=range(2), budget=20, batch=10, rows=100)
    balance.load.cache_clear()
    assert len(runs) == 2 * 2 * 5
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
    assert text.count("digits,") == 4
    assert text.count("| strategy |") == 2


def test_the_cost_of_coin_flips_is_taken_apart(balance):
    plain = balance.Run("d", "s", "none", 0, 0.0, 0.9, 0.9, (0.5, 0.7, 0.8, 0.9))
    flips = balance.Run("d", "s", "ambiguous", 0, 0.375, 0.75, 0.6, (0.4, 0.5, 0.7, 0.75))
    found = balance.split([plain, flips], "d", "s", budget=40, batch=10)
    assert found.lost == pytest.approx(15)
    assert found.fewer == pytest.approx(15)  # 25 labels on the plain pool: between 0.7 and 0.8
    assert found.flips == pytest.approx(0)
    assert found.without == pytest.approx(30)


def test_a_run_without_trouble_has_nothing_to_leave_out(balance, monkeypatch):
    monkeypatch.setitem(balance.DATA, "digits", lambda: groups())
    balance.load.cache_clear()
    one = balance.run("digits", "margin", "none", 0, budget=25, batch=10, rows=100)
    balance.load.cache_clear()
    assert len(one.curve) == 3
    assert one.curve[-1] == one.accuracy
    assert one.without == pytest.approx(one.accuracy, abs=0.02)  # fitted from scratch: the same up to the tolerance


def test_coin_flips_that_are_moved_out_are_as_far_from_the_mean_as_the_real_items():
    from askwise import testing

    X, y = groups()
    length = np.linalg.norm(X - X.mean(0), axis=1)
    for shrink in (True, False):
        pool, _, planted = testing.plant_coin_flips(X, y, 0.2, np.random.default_rng(1), shrink=shrink)
        far = np.linalg.norm(pool[planted] - X.mean(0), axis=1)
        assert shrink == (far.mean() < 0.8 * length.mean())
        assert far.min() >= (0 if shrink else 0.99 * length.min())
    at = testing.plant_coin_flips(X, y, 0.2, np.random.default_rng(1))[0] - X.mean(0)
    out = testing.plant_coin_flips(X, y, 0.2, np.random.default_rng(1), shrink=False)[0] - X.mean(0)
    cosine = (at * out).sum(1) / np.linalg.norm(at, axis=1) / np.linalg.norm(out, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-4)
