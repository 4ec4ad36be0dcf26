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
WHAT: Mapping[str, str] = {
    "portfolio": "Linear, kernel and Gaussian models and a forest, mixed by what labels held out say of each.",
    "linears": "A linear model with a weak and one with a strong penalty, mixed by what labels held out say of each.",
    "linear": "One straight border between labels. The quickest, and hard to beat on texts.",
    "kernel": "Curved borders: items that are alike get the same label.",
    "gaussians": "A cloud around the middle of each label. Good with few labels where a label is one lump.",
    "forest": "Many decision trees. Good where a few columns decide, by thresholds.",
}
"""Name → what it is good for, in a sentence or two, for who has to choose."""


def named(name: str) -> Any:
    """A new learner of ours."""
    return LEARNERS[name]()


def again(description: str) -> Any:
    """The learner of ours that `describe` described so in a log; None for one with settings of its own."""
    for make in LEARNERS.values():
        if repr(make()) == description:
            return make()
    return None
