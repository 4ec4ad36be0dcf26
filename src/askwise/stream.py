"""Deciding item by item whether to ask, where items pass by once and a budget limits the questions."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal, get_args

import numpy as np

from askwise.core import Array, BadInput

Kind = Literal["random", "fixed", "variable", "randomized", "split", "density", "quantile"]
STEP = 0.01
"""Share by which the threshold of a variable strategy moves after each item (Zliobaite et al., 2014)."""
RANDOM_SHARE = 0.1
"""Share of the items that `split` asks about at random, whatever the model says."""
TOLERANCE = 50
"""Questions saved up or overdrawn that move the threshold of `quantile` by the whole range of the window."""


class Stream:
    """Says of one item after the other whether its label is worth asking for.

    >>> stream = Stream("variable", budget=0.2, seed=0)
    >>> [stream.ask([p, 1 - p]) for p in (0.6, 0.97, 0.55, 1.0)]
    [True, True, True, False]
    >>> stream.seen, stream.asked, stream.spent
    (4, 3, 0.75)

    Strategies, by what they ask about (p the probability of the likeliest class):

    - random: any item, with probability `budget`.
    - fixed: p < `threshold`.
    - variable: p < θ, where θ shrinks by a hundredth after each question and grows by one after each item left alone,
      so that questions keep coming when the model has become surer, or the world another.
    - randomized: p < θη, η normal around 1 with deviation 1, so that no part of the stream is closed to questions.
    - split: random for a tenth of the items, variable for the others (all five: Zliobaite, Bifet, Pfahringer & Holmes,
      2014).
    - density: the margin p - p₂ < θη for items that are the nearest neighbor of an item in the window; needs `x`
      (DBALStream; Ienco, Pfahringer & Zliobaite, 2014).
    - quantile: usefulness among the best `budget` share of the window, the threshold lowered where questions were saved
      up and raised where overdrawn (balanced incremental quantile filter; Kottke, Krempl & Spiliopoulou, 2015). With
      `probabilistic_gain` as `score` it is their probabilistic strategy.

    The budget is a share of all items, and it holds for every stream: after n items at most
    `budget * (n + window)` were asked about. As in Zliobaite et al. (2014) what is spent is forgotten at the rate
    1 / window, so a saved question cannot be spent much later; unlike there, a question that would exceed the budget is
    not asked.

    Args:
        strategy: See above.
        budget: Share of the items asked about, 0 < budget <= 1.
        threshold: Of `fixed`: ask where the likeliest class is less probable than that.
        window: Items over which spending is averaged, and that `density` and `quantile` remember; at least 1 / budget.
        seed: Decides random draws.

    Attributes:
        seen: Items so far.
        asked: Items it said should be asked about.

    Raises:
        BadInput: an unknown strategy, or a number out of range.
    """

    def __init__(
        self, strategy: Kind = "split", *, budget: float = 0.1, threshold: float = 0.9, window: int = 100, seed: int = 0
    ) -> None:
        if strategy not in get_args(Kind):
            raise BadInput(f"The stream strategies are {', '.join(get_args(Kind))}; got {strategy!r}.")
        if not 0 < budget <= 1 or not 0 < threshold <= 1:
            raise BadInput(f"budget and threshold must be above 0 and at most 1, got {budget!r} and {threshold!r}.")
        if window * budget < 1:
            raise BadInput(
                f"A window of {window} items holds no whole question at a budget of {budget:g}; "
                f"make it {int(np.ceil(1 / budget))} or more."
            )
        self.strategy, self.budget, self.threshold, self.window = strategy, budget, threshold, window
        self.seen = self.asked = 0
        self._rng = np.random.default_rng(seed)
        self._theta = 1.0
        self._recent = 0.0  # questions of about the last `window` items
        self._scores: deque[float] = deque(maxlen=window)
        # items, and how far their nearest neighbors among the later and earlier ones are
        self._items: deque[tuple[Array, float]] = deque(maxlen=window)

    @property
    def spent(self) -> float:
        """Share of the items that were asked about; 0 before the first."""
        return self.asked / max(1, self.seen)

    def ask(self, proba: Any = None, *, x: Any = None, score: float | None = None) -> bool:
        """Whether to ask for the label of the next item.

        Args:
            proba: (classes,) probabilities of one item; None = no model yet, where any question is a good one.
            x: (d,) features, for `density`.
            score: Usefulness, for `quantile`; None = one minus the margin.

        Raises:
            BadInput: no probabilities of one item, no x where it is needed, numbers that are not finite.
        """
        p = None if proba is None else _check("proba", proba)
        item = None if x is None else _check("x", x)
        if score is not None and not np.isfinite(score):
            raise BadInput(f"score must be a finite number, got {score!r}.")
        if self.strategy == "density" and item is None:
            raise BadInput("The strategy 'density' compares items: give their features, ask(proba, x=...).")
        kept = self._recent * (1 - 1 / self.window)
        near = self._nearest_of(item) if self.strategy == "density" and item is not None else 0
        usual = self._standing(p, score) if self.strategy == "quantile" else False
        affordable = kept + 1 <= self.budget * self.window * (1 + 1e-12)
        if not affordable:
            wanted = False  # nor does a threshold move, as in the paper
        elif self.strategy == "quantile":
            wanted = usual
        else:
            wanted = p is None or self._worth(p, near)
        self.seen += 1
        self.asked += wanted
        self._recent = kept + wanted
        return wanted

    def _worth(self, p: Array, near: int) -> bool:
        top = float(p.max())
        if self.strategy == "random" or (self.strategy == "split" and self._rng.random() < RANDOM_SHARE):
            return bool(self._rng.random() < self.budget)
        if self.strategy == "fixed":
            return top < self.threshold
        if self.strategy == "density":
            return near > 0 and self._below(_margin(p), self._rng.normal(1, 1))
        return self._below(top, self._rng.normal(1, 1) if self.strategy == "randomized" else 1.0)

    def _below(self, sureness: float, factor: float) -> bool:
        """Compare with the threshold, then move it."""
        below = bool(sureness < self._theta * factor)
        self._theta *= 1 - STEP if below else 1 + STEP
        return below

    def _nearest_of(self, x: Array) -> int:
        """How many items of the window have x as their nearest neighbor; remembers x."""
        count, nearest = 0, np.inf
        for place, (other, distance) in enumerate(self._items):
            if len(other) != len(x):
                raise BadInput(f"x has {len(x)} features, earlier items had {len(other)}; give all alike.")
            apart = float(np.linalg.norm(other - x))
            nearest = min(nearest, apart)
            if apart < distance:
                self._items[place] = other, apart
                count += 1
        self._items.append((x, nearest))
        return count

    def _standing(self, p: Array | None, score: float | None) -> bool:
        """Whether the usefulness reaches the balanced quantile of the window; remembers it."""
        if score is None:
            if p is None:
                return True
            score = 1 - _margin(p)
        self._scores.append(score)
        values = np.asarray(self._scores)
        saved = self.budget * (self.seen + 1) - self.asked
        quantile = float(np.quantile(values, 1 - self.budget))
        return score >= quantile - float(np.ptp(values)) * saved / TOLERANCE


def _margin(p: Array) -> float:
    if len(p) == 1:
        return 1.0
    second, first = np.partition(p, -2)[-2:]
    return float(first - second)


def _check(name: str, value: Any) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise BadInput(
            f"{name} must be the finite numbers of one item, one dimension, got shape {array.shape}. "
            "A stream decides for one item at a time."
        )
    return array
