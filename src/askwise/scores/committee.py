"""Scores from several models: where they disagree, what an answer would settle."""

from __future__ import annotations

import numpy as np

from askwise.core import Array
from askwise.scores.arrays import TINY, array_namespace, largest, shannon

CELLS = 2**21
"""Numbers of an intermediate block: 8 MiB of float32."""


# ── disagreement ────────────────────────────────────────────────────────────────────────────


def vote_entropy(committee: Array) -> Array:
    """Entropy of the members' votes, in nats (Dagan & Engelson, 1995)."""
    return shannon(_votes(committee))


def variation_ratio(committee: Array) -> Array:
    """Share of the members that do not vote for the most voted class, in [0, 1) (Freeman, 1965)."""
    dissent: Array = 1 - largest(_votes(committee))
    return dissent


def consensus_kl(committee: Array) -> Array:
    """Mean Kullback-Leibler divergence of the members from their mean, in nats (McCallum & Nigam, 1998).

    The same number as BALD (Houlsby et al., 2011): entropy of the mean minus mean entropy.
    """
    xp = array_namespace(committee)
    divergence: Array = shannon(xp.mean(committee, axis=0)) - xp.mean(shannon(committee), axis=0)
    return divergence


def mean_std(committee: Array) -> Array:
    """Standard deviation over the members, mean over the classes, in [0, ½] (Kampffmeyer et al., 2016)."""
    xp = array_namespace(committee)
    spread = committee - xp.mean(committee, axis=0)[None]
    deviation: Array = xp.mean(xp.sqrt(xp.mean(spread * spread, axis=0)), axis=-1)
    return deviation


def _votes(committee: Array) -> Array:
    """(n, classes) share of the members whose likeliest class it is."""
    xp = array_namespace(committee)
    # `argmax` along short rows takes several times as long
    top = largest(committee)
    free, counts = top >= 0, []
    for c in range(committee.shape[-1]):
        hit = free & (committee[..., c] == top)
        free = free & ~hit
        counts.append(xp.sum(xp.where(hit, 1.0, 0.0), axis=0))
    share: Array = xp.stack(counts, axis=-1) / committee.shape[0]
    return share


# ── what an answer would say about other rows ───────────────────────────────────────────────
# Both read the members as equally likely draws from a posterior. With a_m = p_m(y|x) - p̄(y|x) and
# b_m = p_m(c|u) - p̄(c|u), the joint probability of answer y at x and c at u is p̄(y|x) p̄(c|u) + mean_m a_m b_m.


def epig(committee: Array, sample_committee: Array) -> Array:
    """Expected predictive information gain, in nats: mean over u of I(y; c | x, u) (Bickford Smith et al., 2023).

    How much the answer at x would say, on average, about the answers of the sample. BEMPS with the logarithmic score
    (Tan, Du & Buntine, 2021) is the same number. Work grows as n * classes * sample * classes.

    Args:
        committee: (members, n, classes).
        sample_committee: (members, sample, classes) of the inputs that the model is meant for.
    """
    a, p = _centered(committee)
    b, q = _centered(sample_committee)
    members, n, classes = a.shape
    A = np.ascontiguousarray(a.transpose(1, 2, 0)).reshape(-1, members) / np.float32(members)
    B, p, q = b.reshape(members, -1), np.maximum(p, TINY).reshape(-1, 1), np.maximum(q, TINY).reshape(1, -1)
    information = np.empty(n * classes)
    step = max(1, CELLS // q.size)
    for start in range(0, n * classes, step):
        lift = A[start : start + step] @ B
        lift /= q
        lift /= p[start : start + step]
        np.maximum(lift, np.float32(1e-7 - 1), out=lift)
        # the joint over the product of the marginals is 1 + lift; subtracting lift, whose mean is 0, keeps rows >= 0
        terms = np.log1p(lift)
        terms *= 1 + lift
        terms -= lift
        information[start : start + step] = (terms @ q[0]) * p[start : start + step, 0]
    gain: Array = information.reshape(n, classes).sum(1) / sample_committee.shape[1]
    return gain


def epig_quadratic(committee: Array, sample_committee: Array) -> Array:
    """The second-order term of `epig`, in nats: mean over u of ½ Σ_y,c (joint - product)² / product.

    The sample enters through one (members, members) matrix, so that work grows as n * classes * members².
    """
    b, q = _centered(sample_committee)
    return 0.5 * _expected_change(committee, b / np.sqrt(np.maximum(q, TINY)))


def mean_proper_score(committee: Array, sample_committee: Array) -> Array:
    """Expected gain in the Brier score over the sample, the CoreMSE of BEMPS (Tan, Du & Buntine, 2021), in [0, 2].

    Mean over u and E_y of Σ_c (p(c|u, answer y at x) - p(c|u))². The sample enters through one (members, members)
    matrix, so that work grows as n * classes * members².
    """
    return _expected_change(committee, _centered(sample_committee)[0])


def _expected_change(committee: Array, effect: Array) -> Array:
    """(n,) mean over the sample of Σ_y (1 / p̄_y) Σ_c (mean_m a_m effect_m)²."""
    a, p = _centered(committee)
    members, sample = effect.shape[:2]
    B = effect.reshape(members, -1).astype(np.float64)
    G = B @ B.T / (members**2 * max(1, sample))
    A = a.reshape(members, -1)
    square = np.maximum((A * (G.astype(np.float32) @ A)).sum(0, dtype=np.float64), 0).reshape(p.shape)
    gain: Array = (square / np.maximum(p, TINY)).sum(1)
    return gain


def _centered(committee: Array) -> tuple[Array, Array]:
    """(members, n, classes) differences from the mean, and the (n, classes) mean, float32."""
    P = np.asarray(committee, np.float32)
    mean = P.mean(0)
    return P - mean, mean
