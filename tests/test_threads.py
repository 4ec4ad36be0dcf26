"""The same rows whatever the number of threads that multiply matrices."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from askwise import strategies
from askwise.engine import select
from askwise.learners import MultiLabel, RidgeRegression, SoftmaxRegression
from askwise.signals import OF_PARTS
from askwise.strategies import learning

LABELED, FREE = np.arange(20), np.arange(20, 500)


@functools.cache
def problem(task):
    """Features wide enough that products are shared among threads, answers, an unfitted learner.

    Every candidate is there four times: were last bits to count, they would decide which of the four is asked.
    """
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 8, 500)
    X = (0.6 * rng.normal(size=(8, 128))[truth] + rng.normal(size=(500, 128))).astype(np.float32)
    X[FREE], truth[FREE] = X[FREE[0] + FREE % 120], truth[FREE[0] + FREE % 120]
    if task == "multilabel":
        return X, (X[:, :4] > 0).astype(np.int64), MultiLabel
    if task == "regression":
        return X, (X[:, 0] - X[:, 1] + np.sin(X[:, 2])).astype(np.float64), RidgeRegression
    return X, truth, SoftmaxRegression


def chosen(name, threads, learner=None, **options):
    X, answers, new = problem(strategies.get(name).task)
    told = {"labeled_rows": LABELED, "labeled_y": answers[LABELED], "cost": np.linspace(1, 2, len(X))}
    if strategies.get(name).task == "spans":
        told |= {signal: np.abs(X[:, at]) for at, signal in enumerate(OF_PARTS)}
    learning._memory.clear()
    with threadpool_limits(threads):
        assert all(one["num_threads"] == threads for one in threadpool_info() if one["user_api"] == "blas")
        learner = learner or new().fit(X[LABELED], answers[LABELED])
        options = {"candidates": FREE} | options
        found = select(X, learner=learner, strategy=name, k=6, seed=1, given=told, **options)
    return learner, found.rows.tolist()


@pytest.mark.parametrize("name", strategies.available())
def test_two_threads_choose_what_one_does(name):
    learner, expected = chosen(name, 1)
    assert chosen(name, 2, learner)[1] == expected
    # trained by two threads too, the candidates in another order and other chunks
    assert chosen(name, 2, candidates=FREE[::-1], chunk=150)[1] == expected
