"""Scores from several models: where they disagree."""

from __future__ import annotations

from askwise.core import Array
from askwise.scores.arrays import array_namespace, shannon


def vote_entropy(committee: Array) -> Array:
    """Entropy of the members' votes, in nats (Dagan & Engelson, 1995)."""
    xp = array_namespace(committee)
    votes = xp.argmax(committee, axis=-1)
    counts = [xp.sum(xp.where(votes == c, 1.0, 0.0), axis=0) for c in range(committee.shape[-1])]
    share = xp.stack(counts, axis=-1) / committee.shape[0]
    return shannon(share)


def consensus_kl(committee: Array) -> Array:
    """Mean Kullback-Leibler divergence of the members from their mean, in nats (McCallum & Nigam, 1998).

    The same number as BALD (Houlsby et al., 2011): entropy of the mean minus mean entropy.
    """
    xp = array_namespace(committee)
    divergence: Array = shannon(xp.mean(committee, axis=0)) - xp.mean(shannon(committee), axis=0)
    return divergence
