"""Batch rules that know how little a short row teaches a linear model.

Where features are small every linear model is in doubt, and an answer there moves its weights little: the gradient of
the loss is as long as the row (Settles, Craven & Ray, 2007). Mixtures of several items are short, and being short they
are close to everything, so by distance they also look typical. Rows of one length, such as those of the encoders here,
are treated as by `typical` and `diverse`.
"""

from __future__ import annotations

import numpy as np

from askwise.batch.cluster import diverse
from askwise.batch.cover import typical
from askwise.batch.distances import places, unit
from askwise.core import Array, Rows

STEPS = 64.0
"""Squared lengths count to one part in this, so that rows of one length tie, stored as float16 too."""


def typical_direction(embedding: Array, labeled: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """`typical` of rows scaled to length one, as the paper's own features are: TypiClust by direction.

    By plain distance, items halfway between two others are the most typical ones: where such items were a fifth of the
    questions of trec, nine in ten of the first 30 answers went to them.

    Args:
        embedding: (n, d) candidates; rows of zeros stay zero.
        labeled: (m, d) labeled and pending rows.
        noise: (n,) decides ties.
        k: Rows wanted.
        rng: Starts the clusters.
    """
    return typical(places(embedding, directions=True), unit(labeled, np.float64), noise, k, rng)


def diverse_telling(score: Array, embedding: Array, noise: Array, k: int, rng: np.random.Generator) -> Rows:
    """`diverse` by score times squared length: doubt that an answer can settle.

    Args:
        score: (n,) 0 or more.
        embedding: (n, d).
        noise: (n,) decides ties.
        k: Rows wanted; a single one is the best by score alone.
        rng: Starts the clusters.
    """
    E = np.asarray(embedding, np.float64)
    weight = np.einsum("ij,ij->i", E, E)
    most = float(weight.max(initial=0))
    if k > 1 and most > 0:
        score = score * (np.round(weight / most * STEPS) / STEPS)
    return diverse(score, embedding, noise, k, rng)
