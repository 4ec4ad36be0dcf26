"""Learners of ours by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from askwise.learners.portfolio import Portfolio
from askwise.learners.softmax import SoftmaxRegression

LEARNERS: Mapping[str, Callable[[], Any]] = {
    "portfolio": Portfolio,
    "linears": lambda: Portfolio(["linear", "firm linear"]),
    "linear": SoftmaxRegression,
    "kernel": lambda: Portfolio(["kernel", "scaled kernel"]),
    "gaussians": lambda: Portfolio(["Gaussians"]),
    "forest": lambda: Portfolio(["forest"]),
}
"""Name → a new learner of classes."""
NAMES = tuple(LEARNERS)


def named(name: str) -> Any:
    """A new learner of ours."""
    return LEARNERS[name]()


def again(description: str) -> Any:
    """The learner of ours that `describe` described so in a log; None for one with settings of its own."""
    for make in LEARNERS.values():
        if repr(make()) == description:
            return make()
    return None
