"""How an attempt with weighted checks is likely to go, if errors are where the doubt is: a guess, never evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from askwise.audit.plan import Floats
from askwise.audit.weights import LEAST, RARE_BETS, WEIGHTS
from askwise.core import Array

BETS: Floats = RARE_BETS[1::3]
"""Of the bets so many are enough to guess by."""
NODES = 28
"""Numbers of checks at which the course is computed, each the same factor more than the last."""
FIRST = 16
"""Not before so many further checks."""
COARSE = 4
"""Levels that are taken together."""
BINS = 24
"""The checks so far are taken together in so many stretches."""
FAINT = 0.02
"""Share of the mean doubt that every item is given."""


@dataclass(frozen=True, eq=False)
class Past:
    """The checks so far."""

    wrong: Array
    """(t,) bool, in their order."""
    weights: Array
    """(t,) of the items checked."""
    mass: Array
    """(t,) weight of all that was not yet checked before each check."""


def doubts_by_level(counts: Array, share: float) -> Floats:
    """(64,) doubt of the items of each level, as a multiple of the mean, by the weights that were made of them.

    Args:
        counts: (64,) items of each level.
        share: As `weights.levels_of` was given it; 0: all are alike.
    """
    if share <= 0:
        return np.ones(len(WEIGHTS))
    mean = float(counts @ WEIGHTS) / float(counts.sum())
    found = np.maximum((WEIGHTS / mean - (1 - share)) / share, FAINT)
    return np.asarray(found / (counts @ found / counts.sum()), dtype=float)


def checks_until(
    left: Array,
    errors: Floats,
    allowed: Callable[[Array], Array],
    limit: float,
    *,
    past: Past | None = None,
) -> Floats:
    """(s,) checks in all after which the mean course of the evidence certifies; all items where it never does.

    Items of one level are drawn at a rate of their weight, errors are found in proportion, and the logarithm of the
    evidence grows by its mean; chance is left out (a fluid limit).

    Args:
        left: (64,) items of each level that are not yet checked, one at least.
        errors: (s, 64) chance that the guess on an item of a level is wrong, 0..1, for each of s suppositions.
        allowed: Numbers of checks (t,) -> errors that may then remain (t,).
        limit: -log(alpha).
        past: The checks so far; None: none.
    """
    groups = np.arange(len(WEIGHTS)) // COARSE
    size = np.bincount(groups, left)
    some = size > 0
    weight = (np.bincount(groups, left * WEIGHTS)[some] / size[some]).astype(float)
    bad = np.stack([np.bincount(groups, left * row)[some] for row in errors])  # (s, g)
    size = size[some]
    before, total = 0 if past is None else len(past.wrong), float(size.sum())
    known = 0 if past is None else int(np.count_nonzero(past.wrong))
    # Times at which about FIRST, … checks have been made, and the share of each group that is checked by then.
    rates = np.geomspace(0.05 / weight.max() / total, 12 / weight.min(), 240)
    drawn_by = (size * -np.expm1(-rates[:, None] * weight)).sum(axis=1)
    wanted = np.geomspace(min(FIRST, 0.5 * total), 0.995 * total, NODES)
    times = np.exp(np.interp(np.log(wanted), np.log(drawn_by), np.log(rates)))
    checked = -np.expm1(-times[:, None] * weight)  # (j, g)
    t = (size * checked).sum(axis=1)
    mass = (size * weight * (1 - checked)).sum(axis=1)
    found = bad @ checked.T  # (s, j)
    may_stay = allowed(np.minimum(np.rint(before + t), before + total).astype(np.int64))
    least_bad = known + found + may_stay + 1  # (s, j)
    # The stretches: those of the past, then one up to each node; of each its checks, LEAST / mass, and errors before.
    steps = np.diff(t, prepend=0.0)
    rate = LEAST / ((mass + np.concatenate([[size @ weight], mass[:-1]])) / 2)
    errors_before = known + (found + np.concatenate([np.zeros((len(bad), 1)), found[:, :-1]], axis=1)) / 2
    a = 1 - BETS
    log_found = (bad[:, None, :] * checked[None]) @ np.log1p(-a[:, None] * (LEAST / weight)).T  # (s, j, bets)
    due = (least_bad[:, :, None] - errors_before[:, None, :]) * rate  # (s, j, stretch)
    ahead = np.tril(np.ones((NODES, NODES)))
    cost = np.zeros_like(log_found)
    for place, bet in enumerate(a):
        cost[:, :, place] = (np.log1p(-bet * np.clip(due, 0, 1)) * ahead) @ steps
    if past is not None and before:
        edges = np.unique(np.linspace(0, before, min(BINS, before) + 1).astype(int))
        width = np.diff(edges)
        c = np.add.reduceat(LEAST / past.mass, edges[:-1]) / width
        k = np.add.reduceat(np.cumsum(past.wrong) - past.wrong, edges[:-1]) / width
        due = np.clip((least_bad[:, :, None] - k) * c, 0, 1)
        for place, bet in enumerate(a):
            cost[:, :, place] += np.log1p(-bet * due) @ width
            log_found[:, :, place] += np.log1p(-bet * LEAST / past.weights[past.wrong]).sum()
    evidence = logsumexp(log_found - cost, axis=2) - np.log(len(BETS))
    reached = (evidence >= limit) | (may_stay + 1 > total - t)
    ends = np.full(len(bad), before + total)
    for row, hit in enumerate(reached):
        if hit.any():
            first = int(hit.argmax())
            ends[row] = before + t[first]
            if first and evidence[row, first] > evidence[row, first - 1]:  # between two nodes
                low, high = evidence[row, first - 1], evidence[row, first]
                part = min(max((limit - low) / (high - low), 0.0), 1.0)
                ends[row] = before + t[first - 1] + part * steps[first]
    return ends
