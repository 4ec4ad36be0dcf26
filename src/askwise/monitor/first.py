"""The first new items of a monitor, until they are enough to be what later ones are compared with."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from askwise.core import Array, BadInput

FEWEST = 40
"""Reference items; with fewer a difference could hardly be seen."""


class First:
    """The first new items, until they are enough to be the reference: features and confidences, and no items."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.features = np.zeros((0, 0))
        self.sure = np.zeros(0)

    def add(self, features: Array, sure: Array) -> None:
        """(n, d) and (n,) more.

        Raises:
            BadInput: Those that are there have another width: they were read from a file that is damaged.
        """
        if len(self.sure) and self.features.shape[1] != features.shape[1]:
            raise BadInput("The monitor's first items are not of its model. The file is damaged.")
        self.features = features if not len(self.sure) else np.concatenate([self.features, features])
        self.sure = np.concatenate([self.sure, np.asarray(sure, np.float64)])

    def data(self) -> dict[str, Any]:
        """As JSON-able data; numbers to the last bit."""
        packed = base64.b85encode(self.features.astype("<f8").tobytes()).decode()
        return {"wanted": self.wanted, "width": self.features.shape[1], "features": packed, "sure": self.sure.tolist()}

    @classmethod
    def of(cls, data: Any) -> First:
        """As it was."""
        self = cls(int(data["wanted"]))
        self.sure = np.array(data["sure"], float)
        features = np.frombuffer(base64.b85decode(data["features"]), "<f8").astype(np.float64)
        self.features = features.reshape(len(self.sure), int(data["width"]))
        fits = (
            FEWEST <= self.wanted < 1 << 31
            and data["width"] >= 0
            and self.sure.ndim == 1
            and len(self.sure) < self.wanted
        )
        if not (fits and np.isfinite(self.features).all() and (self.sure >= 0).all() and (self.sure <= 1).all()):
            raise ValueError("first")
        return self
