"""Streams: budgets that hold, and decisions as the papers describe them."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise.core import BadInput
from askwise.stream import Kind, Stream

KINDS = get_args(Kind)


def feed(stream, rows, **more):
    return [stream.ask(p, **{name: values[i] for name, values in more.items()}) for i, p in enumerate(rows)]


def items(seed, n, classes=3, sureness=1.0):
    rng = np.random.default_rng(seed)
    Z = np.exp(sureness * rng.normal(size=(n, classes)) * 2)
    return Z / Z.sum(1, keepdims=True), rng.normal(size=(n, 2))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(KINDS), st.integers(0, 10**6), st.floats(0.02, 1), st.integers(50, 120), st.integers(1, 400),
    st.sampled_from(["mixed", "sure", "torn", "nothing known"]),
)  # fmt: skip
def test_the_budget_holds_on_every_stream(kind, seed, budget, window, n, world):
    P, X = items(seed, n)
    if world == "sure":
        P[:] = [1, 0, 0]
    if world == "torn":
        P[:] = 1 / 3
    rows = [None] * n if world == "nothing known" else P
    stream = Stream(kind, budget=budget, window=window, seed=seed)
    asked = np.cumsum(feed(stream, rows, x=X))
    assert (asked <= budget * (np.arange(1, n + 1) + window) + 1e-6).all()
    assert (stream.seen, stream.asked) == (n, asked[-1])
    assert stream.spent == asked[-1] / n


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [0.05, 0.3])
def test_the_budget_is_used_where_items_are_doubtful(kind, budget):
    P, X = items(0, 5000, sureness=0.3)
    stream = Stream(kind, budget=budget, seed=1)
    feed(stream, P, x=X)
    # less where chance alone asks: what it asks for twice within a short time is refused
    assert (0.65 if kind == "random" else 0.8) * budget < stream.spent < 1.05 * budget


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_decides_alike(kind):
    P, X = items(1, 300)
    once, again = (feed(Stream(kind, seed=4), P, x=X) for _ in range(2))
    assert once == again
    assert len({tuple(feed(Stream(kind, seed=s), P, x=X)) for s in range(4)}) == (
        1 if kind in ("fixed", "variable", "quantile") else 4
    )


def affordable(told, budget, window):
    """Spending as the paper sums it up, the newest item first."""
    kept = sum((1 - 1 / window) ** (age + 1) for age, t in enumerate(reversed(told)) if t)
    return kept + 1 <= budget * window + 1e-9


def reference(kind, P, X, budget, window, threshold, rng, tolerance=50):
    """Written from the papers, item by item, remembering everything."""
    theta, told, standing = 1.0, [], []
    for t, p in enumerate(P):
        top, second = sorted(p)[-1], sorted(p)[-2]
        earlier = range(max(0, t - window), t)
        dense = False
        for i in earlier:
            met = [j for j in range(max(0, i - window), t) if j != i]
            dense |= all(math.dist(X[i], X[t]) < math.dist(X[i], X[j]) for j in met)
        standing.append(1 - (top - second))
        recent = standing[-window:]
        ask = False
        if affordable(told, budget, window):
            if kind == "quantile":
                saved = budget * (t + 1) - sum(told)
                bar = np.quantile(recent, 1 - budget) - (max(recent) - min(recent)) * saved / tolerance
                ask = standing[-1] >= bar
            elif kind == "random" or (kind == "split" and rng.random() < 0.1):
                ask = rng.random() < budget
            elif kind == "fixed":
                ask = top < threshold
            elif kind != "density" or dense:
                factor = rng.normal(1, 1) if kind in ("randomized", "density") else 1
                ask = (top - second if kind == "density" else top) < theta * factor
                theta *= 0.99 if ask else 1.01
        told.append(bool(ask))
    return told


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.floats(0.1, 0.8), st.integers(10, 30))
def test_decisions_are_the_papers(kind, seed, budget, window):
    P, X = items(seed, 60)
    found = feed(Stream(kind, budget=budget, window=window, threshold=0.7, seed=seed), P, x=X)
    assert found == reference(kind, P, X, budget, window, 0.7, np.random.default_rng(seed))


def test_thresholds_follow_a_model_that_grows_sure():
    """A fixed threshold falls silent where everything is above it; a variable one does not."""
    P = np.tile([0.95, 0.05], (3000, 1)) + np.linspace(0, 0.04, 3000)[:, None] * [1, -1]
    silent, adapting = Stream("fixed", threshold=0.9), Stream("variable")
    feed(silent, P)
    feed(adapting, P)
    assert silent.asked == 0
    assert adapting.spent > 0.05


def test_quantile_asks_for_the_useful_whatever_they_are():
    rng = np.random.default_rng(0)
    score = rng.random(2000)
    stream = Stream("quantile", budget=0.1)
    asked = np.array([stream.ask(score=s) for s in score])
    assert score[asked].mean() > 0.85
    assert score[~asked].mean() < 0.5


def test_an_item_without_a_neighbor_is_left_alone_by_density():
    stream = Stream("density", budget=1.0, seed=0)
    for i in range(40):
        stream.ask([0.5, 0.5], x=[0.01 * (i % 7), 0.01 * (i % 5)])
    before = stream.asked
    assert before > 10
    assert not any(stream.ask([0.5, 0.5], x=[10.0 + i * 50, 0]) for i in range(3))


def test_one_class_is_no_doubt_and_no_model_is():
    assert not Stream("fixed").ask([1.0])
    assert Stream("quantile").ask([1.0])  # the best of a window of one
    assert Stream("fixed").ask()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strategy": "splitt"}, "random, fixed, variable"), ({"budget": 0}, "budget"), ({"budget": 1.1}, "budget"),
        ({"threshold": 0}, "threshold"), ({"budget": 0.01, "window": 60}, "make it 100"),
    ],
)  # fmt: skip
def test_settings_are_checked(arguments, words):
    with pytest.raises(BadInput, match=words):
        Stream(**arguments)


def test_items_are_checked():
    for bad in ([[0.5, 0.5]], [], [np.nan, 1]):
        with pytest.raises(BadInput, match="proba must be the finite numbers of one item"):
            Stream().ask(bad)
    with pytest.raises(BadInput, match="finite number"):
        Stream("quantile").ask(score=math.inf)
    stream = Stream("density")
    with pytest.raises(BadInput, match="give their features"):
        stream.ask([1.0])
    stream.ask([0.5, 0.5], x=[1, 2])
    with pytest.raises(BadInput, match="3 features, earlier items had 2"):
        stream.ask([0.5, 0.5], x=[1, 2, 3])
    assert stream.seen == 1
