"""The seed that every random draw derives from."""

from __future__ import annotations

import numpy as np

from askwise.core.errors import BadInput


def seed_of(seed: object) -> int:
    """The seed as a number; None draws one.

    Raises:
        BadInput: anything else than a whole number.
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise BadInput(f"seed must be a whole number, or None to draw one, got {seed!r}.")
    return int(seed)
