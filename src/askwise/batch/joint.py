"""Batch rules that weigh what the rows of a batch say together."""

from __future__ import annotations

import numpy as np

from askwise.batch.best import top_k
from askwise.core import Array, Rows

CONFIGURATIONS = 4096
"""Answers to the batch so far that are told apart; more possible ones are sampled."""
BLOCK = 64
NEGLIGIBLE = 1e-5
"""Nats that count as nothing: what float32 leaves of a difference of entropies."""


def batch_bald(committee: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """Greedy mutual information between the answers of the batch and the model (Kirsch, van Amersfoort & Gal, 2019).

    Next comes the row with the largest H(y | answers of the batch so far) - mean_m H(p_m). Each configuration of
    answers so far keeps its probability and the posterior over the members; all of them are kept while there are at
    most 4,096, beyond that a systematic sample. Gains only shrink as the batch grows, so old ones are upper bounds and
    only blocks of rows with the largest ones are brought up to date. Once the members are told apart, nothing is
    left to gain: the other rows follow by BALD alone. A batch holds at most log(members) nats, so long
    batches want large committees.

    Args:
        committee: (members, n, classes).
        noise: (n,) for ties.
        k: Rows wanted.
        rng: Draws configurations.
    """
    P = np.ascontiguousarray(np.asarray(committee, np.float32).transpose(1, 2, 0))
    n, _, members = P.shape
    k = min(k, n)
    posterior, weight = np.full((1, members), 1 / members, np.float32), np.ones(1)
    doubt = np.concatenate([_own_doubt(P[at : at + 1024]) for at in range(0, n, 1024)]) if n else np.zeros(0)
    gain = np.concatenate(
        [_conditional(P[at : at + 1024], posterior, weight) for at in range(0, n, 1024)] or [np.zeros(0)]
    )
    gain -= doubt
    alone = np.round(gain / NEGLIGIBLE)
    known = np.zeros(n, np.intp)
    free = np.ones(n, bool)
    picked: list[int] = []
    while len(picked) < k and _entropy(posterior).dot(weight) > NEGLIGIBLE:
        step = len(picked)
        while True:
            fresh = gain[free & (known == step)]
            best = fresh.max() if len(fresh) else -np.inf
            stale = np.flatnonzero(free & (known < step) & (gain >= best - NEGLIGIBLE))
            if not len(stale):
                break
            if len(stale) > BLOCK:
                stale = stale[np.argpartition(-gain[stale], BLOCK)[:BLOCK]]
            gain[stale] = _conditional(P[stale], posterior, weight) - doubt[stale]
            known[stale] = step
        equals = np.flatnonzero(free & (gain >= best - NEGLIGIBLE))
        chosen = int(equals[noise[equals].argmax()])
        picked.append(chosen)
        free[chosen] = False
        posterior, weight = _extend(posterior, weight, P[chosen], rng)
    rest = np.flatnonzero(free)
    rest = rest[top_k(alone[rest], noise[rest], k - len(picked))]
    return np.concatenate([np.asarray(picked, np.intp), rest])


def _own_doubt(P: Array) -> Array:
    """(b,) mean over the members of the entropy of each one's probabilities, (b, classes, members) given."""
    return np.asarray(_plogp(P).sum(1).mean(1, dtype=np.float64))


def _conditional(P: Array, posterior: Array, weight: Array) -> Array:
    """(b,) entropy of each row's answer once the answers of the batch are known."""
    predictive = P.reshape(-1, P.shape[2]) @ posterior.T
    return np.asarray((_plogp(predictive) @ weight).reshape(P.shape[:2]).sum(1))


def _extend(posterior: Array, weight: Array, p: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Posterior over the members and weight of each configuration, after one more row with (classes, members) p."""
    joint = (weight[:, None] * (posterior @ p.T)).ravel()
    kept = np.flatnonzero(joint > 1e-12)
    share = joint[kept]
    if len(kept) > CONFIGURATIONS:
        marks = (np.arange(CONFIGURATIONS) + rng.random()) * (share.sum() / CONFIGURATIONS)
        drawn, count = np.unique(np.searchsorted(np.cumsum(share), marks, side="right"), return_counts=True)
        drawn = np.minimum(drawn, len(kept) - 1)
        kept, share = kept[drawn], count.astype(np.float64)
    before, answer = np.divmod(kept, len(p))
    posterior = posterior[before] * p[answer]
    posterior /= posterior.sum(1, keepdims=True)
    return posterior, share / share.sum()


def _entropy(P: Array) -> Array:
    """(rows,) entropy of each row."""
    return np.asarray(_plogp(P).sum(1, dtype=np.float64))


def _plogp(P: Array) -> Array:
    """-p log p, elementwise."""
    out: Array = np.log(np.maximum(P, 1e-30))
    out *= P
    np.negative(out, out=out)
    return out
