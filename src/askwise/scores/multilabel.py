"""Scores for items that may have several labels.

`proba` is (n, labels, 2): for each row and label the probability that the label is off and that it is on.
`labeled_proba` (m, labels, 2) holds the same for labeled rows: the true 0 and 1 where the caller gives them, else what
the learner says of those rows. A label counts as predicted where it is more likely on than off. NumPy arrays only.
"""

from __future__ import annotations

import numpy as np

from askwise.core import Array, BadInput
from askwise.scores.arrays import TINY
from askwise.scores.committee import consensus_kl, vote_entropy

BLOCK = 2048
"""Rows compared with all labeled rows at a time."""
NARROW = 1e-6
"""Smallest separation margin; its inverse must stay finite."""


def binary_minimum(proba: Array) -> Array:
    """One minus the distance of the closest label to its boundary, in [0, 1]: 1 - min_l |2 p_l - 1| (Brinker, 2006)."""
    distance = np.abs(_decision(proba)).min(1)
    doubt: Array = 1 - distance
    return doubt


def maximum_loss_reduction(proba: Array, label_count: Array) -> Array:
    """MMC: the loss that the likeliest label set would take away, ½ Σ_l (1 - ŷ_l f_l) (Yang, Sun, Wang & Chen, 2009).

    f_l = 2 p_l - 1 stands for the decision of label l; ŷ_l is 1 for the `label_count` likeliest labels of the row, else
    -1. A label that is predicted by its rank but not by its probability, or the reverse, counts more than a half.

    Args:
        proba: (n, labels, 2).
        label_count: (n,) how many labels a row is predicted to have.
    """
    f = -np.sort(-_decision(proba), axis=1)
    likeliest = np.arange(f.shape[1]) < np.round(label_count)[:, None]
    loss: Array = 0.5 * (1 - np.where(likeliest, f, -f)).sum(1)
    return loss


def label_cardinality_inconsistency(proba: Array, labeled_proba: Array) -> Array:
    """LCI: how far the number of predicted labels is from the usual number, |Σ_l ŷ_l - mean| (Li & Guo, 2013)."""
    usual = float(_on(labeled_proba).sum(1).mean()) if len(labeled_proba) else 0.0
    gap: Array = np.abs(_on(proba).sum(1) - usual)
    return gap


def separation_uncertainty(proba: Array) -> Array:
    """Inverse of the gap between predicted and other labels, 1 / (min_on f - max_off f) (Li & Guo, 2013).

    f_l = 2 p_l - 1. Where all labels are on, or none is, the gap is the one to the boundary at 0.
    """
    f = _decision(proba)
    on = f > 0
    least_on = np.where(on, f, np.inf).min(1)
    most_off = np.where(on, -np.inf, f).max(1)
    gap = np.where(np.isfinite(least_on), least_on, 0) - np.where(np.isfinite(most_off), most_off, 0)
    doubt: Array = 1 / np.maximum(gap, NARROW)
    return doubt


def category_vector_inconsistency(proba: Array, labeled_proba: Array) -> Array:
    """Mean distance of the predicted label set to the label sets known, in [0, 1] (Reyes, Morell & Ventura, 2018).

    The distance of two sets is their normalized entropy distance (2 H(a, b) - H(a) - H(b)) / H(a, b) over the four
    kinds of label (in both, in one, in the other, in neither), and 1 for complementary sets, which that formula would
    call equal. Without labeled rows it is 1 everywhere.
    """
    known = _on(labeled_proba).astype(np.float32)
    out = np.ones(len(proba))
    if not len(known):
        return out
    known, times = np.unique(known, axis=0, return_counts=True)  # few label sets differ
    for start in range(0, len(proba), BLOCK):
        guess = _on(proba[start : start + BLOCK]).astype(np.float32)
        out[start : start + BLOCK] = _set_distance(guess, known) @ (times / times.sum())
    return out


def label_vote_entropy(committee: Array) -> Array:
    """Entropy of the members' votes on each label, mean over the labels, in [0, ln 2] (Dagan & Engelson, 1995).

    Args:
        committee: (members, n, labels, 2).
    """
    _check(committee[0])
    doubt: Array = vote_entropy(committee).mean(-1)
    return doubt


def label_consensus_kl(committee: Array) -> Array:
    """Mean over members and labels of the divergence from their consensus, in nats (McCallum & Nigam, 1998).

    Of labels that are independent given the model, BALD (Houlsby et al., 2011) of the label set is at most the sum.

    Args:
        committee: (members, n, labels, 2).
    """
    _check(committee[0])
    doubt: Array = consensus_kl(committee).mean(-1)
    return doubt


def _set_distance(A: Array, B: Array) -> Array:
    """(n, m) distances between label sets given as rows of 0 and 1."""
    size = A.shape[1]
    both = (A @ B.T).astype(np.float64)
    a, b = A.sum(1, dtype=np.float64)[:, None], B.sum(1, dtype=np.float64)[None]
    joint = _surprise(both, size) + _surprise(a - both, size)
    joint += _surprise(b - both, size) + _surprise(size - a - b + both, size)
    alone = _surprise(a, size) + _surprise(size - a, size) + _surprise(b, size) + _surprise(size - b, size)
    distance = np.where(joint > TINY, (2 * joint - alone) / np.maximum(joint, TINY), 0)
    complementary = a + b - 2 * both == size
    result: Array = np.where(complementary, 1, np.clip(distance, 0, 1))
    return result


def _surprise(count: Array, size: int) -> Array:
    """-q log q of q = count / size."""
    q = count / size
    value: Array = -q * np.log(np.where(q > 0, q, 1))
    return value


def _decision(proba: Array) -> Array:
    """(n, labels) in [-1, 1], above 0 where the label is predicted."""
    _check(proba)
    f: Array = np.asarray(proba[..., 1] - proba[..., 0], dtype=np.float64)
    return f


def _on(proba: Array) -> Array:
    _check(proba)
    return np.asarray(proba[..., 1] > proba[..., 0])


def _check(proba: Array) -> None:
    if proba.ndim != 3 or proba.shape[2] != 2:
        raise BadInput(
            "This strategy is for items with several labels and needs probabilities of shape (rows, labels, 2), got "
            f"{tuple(proba.shape)}. Use the learner askwise.learners.MultiLabel, or a strategy for classes."
        )
