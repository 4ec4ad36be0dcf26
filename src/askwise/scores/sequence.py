"""Scores for items made of parts: tokens of a sequence, boxes or pixels of an image.

Parts lie one after the other, those of item i from `offsets[i]` to `offsets[i + 1]`, as the rows of a CSR matrix do.
No signal holds them, since every row of a signal has the same shape: compute the score of each item with a function
from here and hand it to `select` as the signal "doubt". An item without parts has score 0. NumPy arrays only.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from askwise.core import Array, BadInput
from askwise.scores.arrays import largest, shannon


def token_entropy(tokens: Array, offsets: Array) -> Array:
    """Mean entropy of an item's tokens, in nats (token entropy over the length; Settles & Craven, 2008).

    Args:
        tokens: (parts, classes) probabilities of each token.
        offsets: (n + 1,) where each item begins, ascending from 0 to parts.

    Returns:
        (n,) float64.
    """
    return aggregate(shannon(_probabilities(tokens)), offsets)


def maximum_normalized_log_probability(tokens: Array, offsets: Array) -> Array:
    """MNLP: minus the mean logarithm of the probability of each token's likeliest class (Shen et al., 2018).

    Unlike `least_confident_sequence` it does not prefer long items. Tokens are taken as independent given the item;
    for a decoder that chooses them jointly, hand in the probabilities along its best sequence as (parts, 1). Arguments
    and result are those of `token_entropy`; in nats, at most `log(1e12)`.
    """
    return aggregate(-_log_best(tokens), offsets)


def least_confident_sequence(tokens: Array, offsets: Array) -> Array:
    """One minus the probability of the likeliest sequence, in [0, 1] (Culotta & McCallum, 2005).

    Tokens are taken as independent given the item, so that long items have high scores. Arguments and result are those
    of `token_entropy`.
    """
    logs = _log_best(tokens)
    starts, length = _spans(len(logs), offsets)
    doubt: Array = -np.expm1(_sums(logs, starts, length))
    return doubt


def aggregate(parts: Array, offsets: Array, how: Literal["mean", "max", "sum", "top"] = "mean", *, k: int = 1) -> Array:
    """One score for each item from those of its parts (boxes: Brust, Käding & Denzler, 2019).

    Args:
        parts: (parts,) scores, such as the entropy of each box or pixel.
        offsets: (n + 1,) where each item begins, ascending from 0 to parts.
        how: "mean"; "max", the most doubtful part; "sum", which prefers items of many parts; "top", the mean of the k
            largest, of all parts where there are fewer.
        k: Of "top", 1 or more.

    Returns:
        (n,) float64, 0 for an item without parts.

    Raises:
        BadInput: offsets that do not fit, an unknown `how`, k below 1.
    """
    values = np.asarray(parts, dtype=np.float64)
    if values.ndim != 1:
        raise BadInput(f"aggregate needs one score for each part, got shape {values.shape}.")
    starts, length = _spans(len(values), offsets)
    if how == "max":
        how, k = "top", 1
    if how == "top":
        if k < 1:
            raise BadInput(f"k must be 1 or more, got {k}.")
        item = np.repeat(np.arange(len(length)), length)
        values = values[np.lexsort((-values, item))]
        values[np.arange(len(values)) - starts[item] >= k] = 0
        best: Array = _sums(values, starts, length) / np.clip(length, 1, k)
        return best
    if how not in ("mean", "sum"):
        raise BadInput(f"how must be 'mean', 'max', 'sum' or 'top', got {how!r}.")
    total = _sums(values, starts, length)
    return total if how == "sum" else total / np.maximum(length, 1)


def _sums(values: Array, starts: Array, length: Array) -> Array:
    """(n,) sums over the parts of each item, each added up on its own: equal items have equal sums."""
    out = np.zeros(len(length))
    full = length > 0
    if full.any():
        out[full] = np.add.reduceat(values, starts[full])
    return out


def _spans(parts: int, offsets: Array) -> tuple[Array, Array]:
    """(n,) first part and number of parts of each item."""
    at = np.asarray(offsets)
    fits = at.ndim == 1 and len(at) > 0 and at.dtype.kind in "iu" and at[0] == 0 and at[-1] == parts
    if not fits or (at[1:] < at[:-1]).any():
        raise BadInput(
            f"offsets must be whole numbers ascending from 0 to {parts}, the number of parts, one more than there are "
            f"items; got {at.dtype} of shape {at.shape}. For lengths write np.append(0, np.cumsum(lengths))."
        )
    at = at.astype(np.intp)
    return at[:-1], np.diff(at)


def _log_best(tokens: Array) -> Array:
    """(parts,) logarithm of the largest probability, kept finite."""
    return np.asarray(np.log(np.maximum(largest(_probabilities(tokens)), 1e-12)))


def _probabilities(tokens: Array) -> Array:
    P = np.asarray(tokens, dtype=np.float64)
    if P.ndim != 2 or not P.shape[1]:
        raise BadInput(f"tokens must be probabilities of shape (parts, classes), got shape {P.shape}.")
    return P
