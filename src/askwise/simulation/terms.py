"""What simulations are measured by and compared with."""

from __future__ import annotations

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
BASELINE = "random"
Target = tuple[str, float]
"""A metric with the value to reach, 0..1."""
