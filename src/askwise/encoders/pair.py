"""Pairs of texts as the difference of their encodings."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from askwise.core import Encoder, Matrix


class PairEncoder:
    """Encodes both texts of a pair with the same text encoder and takes the first minus the second.

    With a linear model on these differences, "the first is better" and "the second is better" are two sides of one
    plane: the model of Bradley & Terry (1952) with features.

    Args:
        texts: The encoder of one text.
    """

    def __init__(self, texts: Encoder) -> None:
        self.texts: Any = texts
        self.name = f"pair:{texts.name}"
        self.version = str(getattr(texts, "version", ""))

    def fit(self, items: Sequence[tuple[str, str]]) -> PairEncoder:
        """Learn from all texts of (n,) pairs, where the encoder learns at all."""
        if hasattr(self.texts, "fit"):
            self.texts = copy.copy(self.texts)  # a copy of this one made before goes on as it was
            self.texts.fit([text for pair in items for text in pair])
        return self

    def encode(self, items: Sequence[tuple[str, str]]) -> Matrix:
        """(n, d) float32 differences; zero where both texts are encoded alike."""
        left = self.texts.encode([first for first, _ in items])
        return left - self.texts.encode([second for _, second in items])
