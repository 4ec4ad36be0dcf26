"""What the checks of a region are drawn by: weights that rise with the doubt, and the order that follows from them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from askwise.audit.plan import Floats
from askwise.core import Array, BadInput

Levels = npt.NDArray[np.uint8]

STEPS = 8
"""Weights grow by a factor of 2 in so many levels."""
WEIGHTS: npt.NDArray[np.int64] = np.array([round(64 * 2 ** (level / STEPS)) for level in range(64)], np.int64)
"""(64,) the weight of each level: whole numbers, so that what is left of them is known exactly."""
LEAST = int(WEIGHTS[0])
"""The smallest weight that there is."""
STEEPEST = 40.0
"""A doubt counts as so many mean doubts at most."""
RARE_BETS: Floats = -0.25 * np.log1p(-(np.arange(16) + 0.5) / 16 * (1 - math.exp(-4.0)))
"""(16,) what an error of the smallest weight multiplies the evidence by; most bets are for few errors."""


def levels_of(doubt: Array, share: float) -> Levels:
    """(n,) level of each item's weight: `share` of the mass goes by doubt, the rest is the same for all.

    Args:
        doubt: (n,) how doubtful the guess on each item is, in any unit, >= 0 and finite.
        share: 0 (every item alike) to less than 1.

    Raises:
        BadInput: no items, a doubt that is negative or not finite, or a share out of range.
    """
    doubt = np.asarray(doubt, dtype=float)
    if doubt.ndim != 1 or not len(doubt) or not np.all(np.isfinite(doubt) & (doubt >= 0)):
        raise BadInput("Doubts are a finite number of 0 or more for each item of a region; one is missing or is not.")
    if not 0 <= share < 1:
        raise BadInput(f"The share of the checks that goes by doubt lies in 0..1, and below 1; got {share!r}.")
    mean = float(doubt.mean())
    by_doubt = np.minimum(doubt / mean, STEEPEST) if mean > 0 else np.ones(len(doubt))
    weight = (1 - share) + share * by_doubt / by_doubt.mean()
    level = np.rint(STEPS * np.log2(weight / weight.min()))
    return np.asarray(np.minimum(level, len(WEIGHTS) - 1), dtype=np.uint8)


def order_of(levels: Levels, entropy: Sequence[int]) -> Array:
    """(n,) the order of the checks: one after the other, each with the chance of its weight among what is left.

    An item's turn comes after an exponentially distributed time with its weight as rate (Efraimidis & Spirakis, 2006).
    The generator's seed contains a digest of the levels: whoever changes one weight afterwards gets another order.

    Args:
        levels: (n,) from `levels_of`.
        entropy: Whole numbers >= 0, of which no other draw has the same.
    """
    digest = hashlib.sha256(np.ascontiguousarray(levels, np.uint8).tobytes()).digest()
    words = np.frombuffer(digest[:16], "<u4").tolist()
    turns = np.random.default_rng([*entropy, *words]).standard_exponential(len(levels)) / WEIGHTS[levels]
    return np.argsort(turns, kind="stable")
