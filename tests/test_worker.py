"""The background thread outlives what a learner, a machine or a store does to it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from askwise import Session, worker
from askwise.core import Unreachable
from askwise.learners import SoftmaxRegression


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    "error",
    [ValueError("these labels"), OSError(24, "Too many open files"), MemoryError(), SystemExit(3), RecursionError()],
    ids=repr,
)
def test_a_learner_that_fails_now_and_then(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.1)

    class Moody(SoftmaxRegression):
        failing = False

        def fit(self, X: Any, y: Any) -> Any:
            if self.failing:
                raise error
            return super().fit(X, y)

    texts = [f"{'nice' if i % 2 else 'not'} thing {i}" for i in range(100)]
    moody = Moody()
    with Session(texts, classes=["nice", "not"], encoder="tfidf", learner=moody) as session:
        moody.failing = True
        session.start()
        for query in session.ask(10):
            session.tell(query, query.content.split()[0])
        until(lambda: session.worker_error is not None)
        assert isinstance(session.worker_error, Exception)
        (query,) = session.ask(1)
        session.tell(query, query.content.split()[0])
        assert session.counts()["labeled"] == 11, "answers are taken meanwhile"
        moody.failing = False
        until(lambda: session.worker_error is None and not session._trainer.stale())


def test_errors_in_a_row_are_told_apart_from_a_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back less and less often, however often it is nudged."""
    monkeypatch.setattr(worker, "PAUSE", 0.05)
    times: list[float] = []

    def fail() -> bool:
        times.append(time.monotonic())
        raise ValueError("always")

    one = worker.Worker(fail, lambda: True)
    one.start()
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        one.nudge()
        time.sleep(0.01)
    with pytest.raises(ValueError, match="always"):
        one.stop()
    assert 3 <= len(times) <= 6
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == sorted(gaps)


def test_a_store_that_is_away_is_asked_again_at_the_same_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.05)
    back = threading.Event()

    def refresh() -> bool:
        if not back.is_set():
            raise Unreachable("away")
        return False

    one = worker.Worker(refresh, lambda: False)
    one.start()
    until(lambda: isinstance(one.error, Unreachable))
    back.set()
    until(lambda: one.error is None)
    one.stop()
