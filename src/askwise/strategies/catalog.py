"""Every strategy of ours: a function and a line each."""

from __future__ import annotations

from askwise import batch, scores
from askwise.batch import direction
from askwise.strategies.registry import Strategy, mix, register, switch


def enough_labels(n_labeled: int, n_classes: int) -> bool:
    """Whether a model's doubts are worth asking about: two classes, and three labels for each class seen.

    With fewer labels, covering the pool teaches more than uncertainty (Hacohen, Dekel & Weinshall, 2022); on SMS spam,
    TREC and BANKING77 two to five labels a class did equally well.
    """
    return n_classes >= 2 and n_labeled >= 3 * n_classes


def two_classes(n_labeled: int, n_classes: int) -> bool:
    """Whether there is anything to tell apart."""
    return n_labeled >= 2 and n_classes >= 2


register(Strategy(
    "random", scores.random, family="random", aliases=("uniform", "passive"),
    summary="Every item equally likely; the baseline.",
))  # fmt: skip
register(Strategy(
    "least_confidence", scores.least_confidence, family="uncertainty", aliases=("uncertainty", "least_confident"),
    paper="Lewis & Gale 1994", summary="The likeliest class is least likely.",
))  # fmt: skip
register(Strategy(
    "margin", scores.margin, family="uncertainty", aliases=("breaking_ties", "smallest_margin"),
    paper="Scheffer, Decomain & Wrobel 2001", summary="The two likeliest classes are closest.",
))  # fmt: skip
register(Strategy(
    "entropy", scores.entropy, family="uncertainty", aliases=("prediction_entropy",),
    paper="Settles & Craven 2008", summary="The class probabilities are most spread out.",
))  # fmt: skip
register(Strategy(
    "vote_entropy", scores.vote_entropy, family="committee", aliases=("query_by_committee", "qbc"),
    paper="Dagan & Engelson 1995", summary="A committee of models splits its votes most evenly.",
))  # fmt: skip
register(Strategy(
    "consensus_kl", scores.consensus_kl, family="committee", aliases=("bald", "kl_divergence"),
    paper="McCallum & Nigam 1998; Houlsby et al. 2011", summary="Committee members contradict their consensus most.",
))  # fmt: skip
register(Strategy(
    "expected_gradient_length", scores.expected_gradient_length, family="change", aliases=("egl",),
    paper="Settles, Craven & Ray 2007", summary="The answer would change the model most.",
))  # fmt: skip
register(Strategy(
    "k_center", pick=batch.k_center, family="diversity", aliases=("coreset", "core_set", "farthest_first"),
    cost="passes", paper="Sener & Savarese 2018", summary="Farthest from everything labeled.",
))  # fmt: skip
register(Strategy(
    "typiclust", pick=batch.typical, family="coverage", aliases=("coverage", "typical_clustering"),
    cost="passes", paper="Hacohen, Dekel & Weinshall 2022", summary="Typical of the largest groups without a label.",
))  # fmt: skip
register(Strategy(
    "diverse_margin", scores.margin, batch.diverse, shortlist=10, family="hybrid",
    aliases=("weighted_kmeans", "diverse_mini_batch"),
    cost="shortlist", paper="Zhdanov 2019", summary="Small margins, spread over different kinds of items.",
))  # fmt: skip
register(Strategy(
    "typical_direction", pick=direction.typical_direction, family="coverage", cost="passes",
    paper="after Hacohen, Dekel & Weinshall 2022",
    summary="Typical of the largest groups without a label, whatever the length of the features.",
))  # fmt: skip
register(Strategy(
    "telling_margin", scores.margin, direction.diverse_telling, shortlist=10, family="hybrid",
    cost="shortlist", paper="after Zhdanov 2019; Settles, Craven & Ray 2007",
    summary="Small margins of items with large features, spread over different kinds of items.",
))  # fmt: skip
register(Strategy(
    "cold_cover", pick=batch.cold, family="coverage", cost="passes",
    paper="after Hacohen, Dekel & Weinshall 2022; Arthur & Vassilvitskii 2007",
    summary="Typical items in turns with items unlike all that were asked, then these alone.",
))  # fmt: skip
register(switch(
    "cold_cover", switch(mix(("typiclust", 2), ("random", 1)), "diverse_margin", enough_labels), two_classes,
    name="auto", aliases=("default",),
    summary="Typical and unlike items until two classes are seen, typical and random ones until each has some labels, "
    "then small margins spread over the pool.",
))  # fmt: skip
register(switch(
    "typical_direction", "telling_margin", enough_labels, name="telling",
    summary="Typical items, then small margins, and passes over items that say little: mixtures of others, near the "
    "middle of everything.",
))  # fmt: skip
