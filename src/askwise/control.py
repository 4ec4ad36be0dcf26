"""Is asking cleverly worth it: how many labels random sampling would have needed for the same.

The question is about a pool: were the model to label all that is left, after how many labels in random order would as
few labels be wrong as now? Nobody labels a second time to find out. Three things answer it, none of them a proof:

* The *shape* of random sampling's learning curve: models that learn from random rows, taking today's guesses for the
  truth where no person has labeled. That costs fits, not labels.
* The *number of errors now*, of which the model's doubts say something and the random check items more.
* What the two have to do with each other: a model that makes as many errors as today's differs from today's guesses on
  somewhat fewer items than that, as both are wrong alike on hard ones.

The last two are uncertain by known amounts; the interval holds 90 % of what they leave. docs/control.md says how
often it was right.
"""

from __future__ import annotations

import numpy as np

from askwise.core import Array, BadInput, Control, Learner, Matrix

STEPS = tuple(2.0 ** (step / 2) for step in range(-3, 8))
"""Sizes of the random samples, in labels given."""
MOST = 0.97
"""No sample is larger than this share of the pool."""
TESTED = 10_000
"""Rows that each model guesses; the count is scaled up."""
USUAL = -0.5
"""Logarithm of errors / doubts, usually: models asked about hard items doubt more than they err."""
SPREAD = 0.7
"""Scale of that logarithm, of Student's t distribution with `TAILS` degrees of freedom …"""
TAILS = 4
"""… as a model may be far surer, or far less sure, than it should."""
SHARED = 0.68
"""Guesses that differ, in errors now, where a random sample's model makes as many; the middle …"""
SHARED_SPREAD = 0.3
"""… and standard deviation of its logarithm."""
LEAST_LABELS, LEAST_CHECKS = 50, 5
"""With fewer labels or answered check items nothing is said."""
WIDEST = 16.0
"""An interval whose ends differ by more than this factor says nothing."""
_SCALES = np.exp(np.linspace(-5, 3, 81))
_NORMAL = np.linspace(-2.5, 2.5, 41)


def sample_sizes(labels: int, n: int) -> Array:
    """(t,) sizes of random samples to try for a pool of n items with so many labels, ascending, without repeats."""
    return np.unique(np.clip(labels * np.array(STEPS), 1, max(MOST * n, 1)).astype(int))


def random_curve(X: Matrix, y: Array, sizes: Array, learner: Learner, *, seed: int, repeats: int = 2) -> Array:
    """(t,) mean number of wrong guesses on the rows outside a random sample that the learner was fitted on.

    Args:
        X: (n, d) features, dense or CSR.
        y: (n,) class numbers that count as the truth.
        sizes: (t,) sizes of the samples, each below n. Larger samples of one repeat hold the smaller ones.
        learner: Fitted anew for each sample; the caller's own is not to be given.
        seed: Decides the samples.
        repeats: Over so many random orders it is averaged, >= 1.

    Returns:
        NaN where a sample held a single class in every repeat.

    Raises:
        BadInput: a size that leaves nothing outside.
    """
    n = len(y)
    if not (len(sizes) and np.min(sizes) > 0 and np.max(sizes) < n):
        raise BadInput(f"Samples hold at least one of {n} rows and leave one; got sizes {np.asarray(sizes).tolist()}.")
    wrong = np.full((repeats, len(sizes)), np.nan)
    for r in range(repeats):
        order = np.random.default_rng([seed, r]).permutation(n)
        for t, size in enumerate(np.asarray(sizes).tolist()):
            sample, rest = order[:size], order[size : size + TESTED]
            if len(np.unique(y[sample])) < 2:
                continue
            learner.fit(X[sample], y[sample])
            guess = np.asarray(learner.classes_)[np.asarray(learner.predict_proba(X[rest])).argmax(1)]
            wrong[r, t] = np.mean(guess != y[rest]) * (n - size)
    known = np.isfinite(wrong)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, wrong, 0).sum(0) / np.maximum(count, 1), np.nan)


def error_scales(doubted: float, wrong: float) -> tuple[Array, Array]:
    """What errors / doubts may be, and (with weights that sum to one) how likely, given the check items.

    A priori the logarithm has Student's t distribution (`USUAL`, `SPREAD`, `TAILS`). Checks, `wrong` of them wrong
    where today's confidences expected `doubted`, update it by a Poisson likelihood.

    Raises:
        BadInput: a negative count.
    """
    if not (doubted >= 0 and wrong >= 0):
        raise BadInput(f"Checks are counts, 0 or more; got {doubted!r} and {wrong!r}.")
    logs = np.log(_SCALES)
    log_weight = wrong * logs - doubted * _SCALES - (TAILS + 1) / 2 * np.log1p(((logs - USUAL) / SPREAD) ** 2 / TAILS)
    weight = np.exp(log_weight - log_weight.max())
    return _SCALES, weight / weight.sum()


def labels_at(sizes: Array, wrong: Array, target: Array, n: int) -> Array:
    """Labels at which a falling curve of wrong guesses reaches each target.

    Interpolated between logarithms; where all n items are labeled nothing is wrong.

    Args:
        sizes: (t,) labels, ascending.
        wrong: (t,) wrong guesses; made to fall, NaN left out.
        target: (…,) wrong guesses to reach.
        n: Items of the pool.

    Returns:
        (…,) labels, from the first of `sizes` (also where fewer would do) to n.
    """
    known = np.isfinite(wrong)
    height = np.append(np.minimum.accumulate(np.asarray(wrong, dtype=float)[known]), 0.0) + 0.5
    x = np.append(np.asarray(sizes, dtype=float)[known], n)
    # the first of equal heights counts: no sooner is a target reached
    first = np.append(True, np.diff(height) < 0)
    found = np.interp(-np.log(np.maximum(target, 0.5)), -np.log(height[first]), np.log(x[first]))
    return np.asarray(np.exp(found), dtype=float)


def compare(
    labels: int, n: int, sizes: Array, wrong: Array, *, doubt: float, doubted: float, mistakes: float, checks: int
) -> Control:
    """How many labels random sampling would have needed, with what is uncertain.

    Args:
        labels: Given so far.
        n: Items of the pool.
        sizes: (t,) from `sample_sizes`.
        wrong: (t,) from `random_curve`.
        doubt: Sum of 1 - confidence of today's guesses on the items without a label.
        doubted: As for `error_scales`.
        mistakes: As `wrong` there.
        checks: Check items answered.
    """
    if labels < LEAST_LABELS or checks < LEAST_CHECKS or not np.isfinite(wrong).any():
        return Control(labels, None, None, None, checks)
    scales, weight = error_scales(doubted, mistakes)
    share = SHARED * np.exp(SHARED_SPREAD * _NORMAL)
    both = weight[:, None] * np.exp(-(_NORMAL**2) / 2)
    needed = labels_at(sizes, wrong, scales[:, None] * doubt * share, n).ravel()
    order = np.argsort(needed, kind="stable")
    total = np.cumsum(both.ravel()[order])
    low, middle, high = (needed[order][np.searchsorted(total, q * total[-1])] for q in (0.05, 0.5, 0.95))
    if high > WIDEST * low:
        return Control(labels, None, None, None, checks)
    return Control(labels, round(middle), round(low), round(high), checks)
