"""What scores share, on any array library."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise.core import Array, BadInput

TINY = 1e-12
"""Probabilities are clipped here before a logarithm; below what float32 resolves around any entropy."""


def array_namespace(array: Any) -> Any:
    """The module whose functions fit this array: its array API namespace, PyTorch, or NumPy."""
    if isinstance(array, np.ndarray):
        return np
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def shannon(p: Any) -> Array:
    """Entropy over the last axis, in nats."""
    xp = array_namespace(p)
    value: Array = -xp.sum(p * xp.log(xp.where(p > TINY, p, xp.ones_like(p))), axis=-1)
    return value


def largest(p: Any) -> Array:
    """Maximum over the last axis; PyTorch's `max` returns a pair, its `amax` does not."""
    xp = array_namespace(p)
    value: Array = (xp.amax if hasattr(xp, "amax") else xp.max)(p, axis=-1)
    return value


def places(names: Sequence[str], classes: Array) -> list[int]:
    """Where each class stands among the names that costs are given for.

    Raises:
        BadInput: a class that is not among them.
    """
    place = {name: i for i, name in enumerate(names)}
    known = np.asarray(classes).tolist()
    missing = [name for name in known if name not in place]
    if missing:
        raise BadInput(f"The costs name {list(names)}, but the model also knows {missing}; give costs for those too.")
    return [place[name] for name in known]
