"""Table rows as features: numbers scaled, names one-hot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from askwise.core import Array, Matrix

LARGEST = 1e30
"""A number as large as this is none: its square would be near the end of what a float holds."""
NAMES = 30
"""Different names of a column that get a feature each; rarer ones share one."""


class TableEncoder:
    """Numbers are imputed by their median, marked where missing, and scaled; names become one-hot.

    A column holds numbers where every value of the pool that is there reads as a finite one. Learned from the pool by
    `fit`; a name never seen there counts as a rare one. Free text is seen only as the name that it is.
    """

    name = "table"
    version = "table-1"

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._numeric: list[bool] = []
        self._transform: Any = None

    def fit(self, items: Sequence[Mapping[str, Any]]) -> TableEncoder:
        """Learn columns, medians, scales and names from (n,) rows, n ≥ 1."""
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        self._columns = list(items[0])
        self._numeric = [all_numbers([row.get(name) for row in items]) for name in self._columns]
        numbers = [at for at, numeric in enumerate(self._numeric) if numeric]
        names = [at for at, numeric in enumerate(self._numeric) if not numeric]
        scale = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
        )
        one_hot = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=2,
            max_categories=NAMES,
            sparse_output=False,
            dtype=np.float32,
        )
        self._transform = ColumnTransformer(
            [("numbers", scale, numbers), ("names", one_hot, names)], sparse_threshold=0
        )
        self._transform.fit(self._cells(items))
        return self

    def encode(self, items: Sequence[Mapping[str, Any]]) -> Matrix:
        """(n, d) float32 features, dense. Fits itself to `items` where `fit` was not called."""
        if self._transform is None:
            self.fit(items)
        features: Array = np.asarray(self._transform.transform(self._cells(items)), dtype=np.float32)
        return features

    def _cells(self, items: Sequence[Mapping[str, Any]]) -> Array:
        cells = np.empty((len(items), len(self._columns)), dtype=object)
        for at, (name, numeric) in enumerate(zip(self._columns, self._numeric, strict=True)):
            values = [row.get(name) for row in items]
            cells[:, at] = [number(v) if numeric else str("" if v is None else v).strip() for v in values]
        return cells


def number(value: Any) -> float:
    """NaN where no number is there, or none to reckon with."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
    return found if abs(found) < LARGEST else float("nan")


def all_numbers(values: Sequence[Any]) -> bool:
    """Whether there are values, and each that is there reads as a finite number."""
    there = [value for value in values if value is not None and value != ""]
    return bool(there) and all(number(value) == number(value) for value in there)
