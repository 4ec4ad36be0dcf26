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
