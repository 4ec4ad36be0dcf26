"""What the parts of reproduce.py share: where data lie, and means with their spread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

SHARED = Path(os.environ.get("ASKWISE_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


def by(runs: Sequence[Mapping[str, Any]], key: str) -> dict[tuple[str, str], dict[int, Any]]:
    """(set, way) → seed → what was found under this key."""
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for one in sorted(runs, key=lambda one: one["seed"]):
        found.setdefault((one["set"], one["way"]), {})[one["seed"]] = one[key]
    return found


def mean_of(values: Mapping[int, float], form: str) -> str:
    """Mean ± standard deviation over the seeds."""
    if not values:
        return "not run"
    some = np.array(list(values.values()))
    return f"{some.mean():{form}}" + (f" ± {some.std(ddof=1):{form.lstrip('+')}}" if len(some) > 1 else "")


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> Any:
    """(seeds,) differences on the seeds that both have."""
    return np.array([one[seed] - other[seed] for seed in sorted(set(one) & set(other))])


def half_width(values: Any) -> float:
    """Half of the 95 % interval of the mean; 0 of a single one, of which it is not known."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return 0.0
    return float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def interval(values: Any, form: str) -> str:
    """Mean and the half width of its 95 % interval; of a single one only itself."""
    shown = f"{np.mean(values):{form}}"
    return shown if len(values) < 2 else f"{shown} ± {half_width(values):{form.lstrip('+')}}"
