"""Rows as the parts of a portfolio see them: moved to the middle of the pool, and scaled in one of two ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from askwise.core import Array, Matrix

FAR = 6.0
"""Standard deviations at which a scaled feature is cut off: one odd cell must not speak for a whole row."""
ALIKE = 3.0
"""Columns whose standard deviations differ by less than this factor need no scaling one by one."""


@dataclass(frozen=True)
class Scaling:
    """Where rows lie, and how far apart.

    Attributes:
        center: (d,) float64 means.
        spread: (d,) float64 standard deviations, 1 where a column does not vary.
        common: One number for all columns: the root of their mean variance.
        alike: Whether columns are of one unit, so that both views are the plain one.
    """

    center: Array
    spread: Array
    common: float
    alike: bool

    @classmethod
    def of(cls, X: Matrix) -> Scaling:
        """Of (n, d) rows, n > 0."""
        A = np.asarray(X, np.float64)
        deviation = A.std(0)
        varies = deviation > 1e-9 * np.maximum(np.abs(A).max(0, initial=0), 1e-9)
        some = deviation[varies] if varies.any() else np.ones(1)
        return cls(
            A.mean(0),
            np.where(varies, deviation, 1.0),
            float(np.sqrt((some**2).sum() / max(1, A.shape[1]))),
            bool(some.max() < ALIKE * some.min()),
        )


@dataclass(frozen=True)
class Block:
    """Neighboring columns that one encoder made, where several stand side by side.

    Attributes:
        columns: The first, and the first that is none of it any more.
        scaling: Of these.
    """

    columns: tuple[int, int]
    scaling: Scaling


class Views:
    """Some rows in all views, each made when it is asked for.

    Args:
        X: (n, d) dense rows.
        scaling: Of the pool.
        blocks: Of the columns, by name.
    """

    def __init__(self, X: Matrix, scaling: Scaling, blocks: Mapping[str, Block] | None = None) -> None:
        self._X, self._scaling, self._blocks = X, scaling, blocks or {}
        self._parted: dict[str, Array] = {}

    @cached_property
    def plain(self) -> Array:
        """(n, d) float32, all columns divided by one number: distances are those of the rows given."""
        found: Array = ((self._X - self._scaling.center) / self._scaling.common).astype(np.float32)
        return found

    @cached_property
    def scaled(self) -> Array:
        """(n, d) float32, each column divided by its standard deviation, and cut off at `FAR`."""
        if self._scaling.alike:
            return self.plain
        Z = ((self._X - self._scaling.center) / self._scaling.spread).astype(np.float32)
        np.clip(Z, -FAR, FAR, out=Z)
        return np.asarray(Z)

    def of(self, scaled: bool, block: str | None = None) -> Array:
        """One of both, or of one block the plain one."""
        if block is None:
            return self.scaled if scaled else self.plain
        if block not in self._parted:
            of = self._blocks[block]
            self._parted[block] = Views(self._X[:, slice(*of.columns)], of.scaling).plain
        return self._parted[block]
