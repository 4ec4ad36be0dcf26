"""Shares and numbers as sentences say them, rounded so that what is promised holds."""

from __future__ import annotations

import math


def share(value: float, digits: int = 0) -> str:
    """A promised share in percent, with as many digits as it has: 0.0125 is 1.25%, which 1.2% would overstate."""
    shown = f"{100 * value:.6f}".rstrip("0")
    whole, _, fraction = shown.partition(".")
    return f"{whole}.{fraction.ljust(digits, '0')}".rstrip(".") + "%"


def chance(value: float, digits: int = 0) -> str:
    """An estimated share in percent, rounded, but never to 0% or 100% where it is neither: <1% and >99%."""
    shown = f"{100 * value:.{digits}f}"
    least = 10.0**-digits
    if value > 0 and float(shown) == 0:
        return f"<{least:.{digits}f}%"
    if value < 1 and float(shown) == 100:
        return f">{100 - least:.{digits}f}%"
    return f"{shown}%"


def told_apart(value: float, limit: float, digits: int = 0) -> tuple[str, str]:
    """Two different shares in percent, with as many digits as it takes to tell them apart."""
    for more in range(digits, digits + 6):
        shown = chance(value, more), share(round(limit, 9), more)
        if float(shown[0].strip("<>%")) != float(shown[1].strip("%")) or value == limit:
            break
    return shown


def about(expected: float, least: int, what: str = "blind check") -> str:
    """A projected number of checks, which a success cannot undercut: an attempt that fails ends earlier."""
    number = round(expected)
    if number > least:
        return f"about {number:,} {what}s (at least {least:,})"
    return f"{least:,} {what}{'' if least == 1 else 's'} or more"


def between(low: float, high: float, digits: int = 0) -> str:
    """Proved bounds in percent, rounded outwards: what is shown holds because what was computed does."""
    scale = 10.0**digits
    down, up = math.floor(100 * scale * low + 1e-6) / scale, math.ceil(100 * scale * high - 1e-6) / scale
    return f"{down:.{digits}f}% and {up:.{digits}f}%"
