"""Labels that somebody else gave, a language model, a vendor, last year's model, as features of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from askwise.core import Array

NAME = "guesses"


class GuessEncoder:
    """What was guessed of a text, looked up: (k,) numbers of each text that is known, else none.

    It stands beside an encoder of texts (`JoinedEncoder`), last, as what knows most of the classes: a learner that
    learns from each block by itself finds within a few labels what the guesses are worth, and all together where not.

    Args:
        known: Text → (k,) float32.
        named: Label, in words → (k,) as of a text that is guessed to be of it: so items are found of labels that have
            no example yet (`hints`). A text of the pool that reads like a label's name is what it is.
        width: k, at least 1.
    """

    name = NAME
    version = "1"

    def __init__(self, known: Mapping[str, Array], named: Mapping[str, Array], width: int) -> None:
        self.known, self.named, self.width = known, named, width

    def encode(self, items: Sequence[Any]) -> Array:
        """(n, k) float32; zeros of texts that nobody has guessed about."""
        found = np.zeros((len(items), self.width), np.float32)
        for row, item in enumerate(items):
            vector = self.known.get(item)
            vector = self.named.get(item) if vector is None else vector
            if vector is not None:
                found[row] = vector
        return found
