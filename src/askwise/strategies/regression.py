"""Strategies for targets that are numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from askwise import batch, scores
from askwise.batch import gradient, greedy
from askwise.core import Array, BadInput
from askwise.scores import fisher, regression
from askwise.strategies.registry import Strategy, get, register

register(Strategy(
    "predictive_std", regression.predictive_std, family="uncertainty", task="regression", aliases=("regression_std",),
    paper="MacKay 1992", summary="The predicted number is least certain.",
))  # fmt: skip
register(Strategy(
    "committee_variance", regression.committee_variance, family="committee", task="regression",
    aliases=("qbc_regression", "ensemble_variance"), paper="Krogh & Vedelsby 1995; Burbidge, Rowland & King 2007",
    summary="A committee of regressors disagrees most.",
))  # fmt: skip
register(Strategy(
    "expected_model_change", regression.expected_model_change, family="change", task="regression", aliases=("emcm",),
    paper="Cai, Zhang & Zhou 2013", summary="The answer would change the regression most.",
))  # fmt: skip
register(Strategy(
    "mean_variance_reduction", fisher.fisher_gain_regression, family="change", task="regression", aliases=("alc",),
    paper="Cohn, Ghahramani & Jordan 1996", summary="The answer would make all predictions on the pool surest.",
))  # fmt: skip
register(Strategy(
    "bait_regression", fisher.fisher_gain_regression, gradient.bait_regression, shortlist=20, family="change",
    cost="passes", task="regression", paper="Ash et al. 2021",
    summary="The batch that makes all predictions on the pool surest.",
))  # fmt: skip
register(Strategy(
    "greedy_features", scores.random, batch.k_center, family="diversity", task="regression", cost="passes",
    aliases=("gsx",), paper="Yu & Kim 2010; Wu, Lin & Huang 2019", summary="Farthest from everything measured.",
))  # fmt: skip
register(Strategy(
    "greedy_outputs", scores.random, greedy.greedy_outputs, family="diversity", task="regression", cost="passes",
    aliases=("gsy",), paper="Wu, Lin & Huang 2019", summary="Predictions farthest from every number known.",
))  # fmt: skip
register(Strategy(
    "greedy_both", scores.random, greedy.greedy_both, family="hybrid", task="regression", cost="passes",
    aliases=("igs", "improved_greedy_sampling"), paper="Wu, Lin & Huang 2019",
    summary="Far from everything measured, in the item and in the predicted number.",
))  # fmt: skip
register(Strategy(
    "largest_cluster", scores.random, greedy.largest_cluster, family="diversity", task="regression", cost="passes",
    aliases=("lcmd",), paper="Holzmüller et al. 2023",
    summary="The odd one out of the largest group around something measured.",
))  # fmt: skip

# ── the largest number ──────────────────────────────────────────────────────────────────────
# A single row is the best one; the rows of a batch are spread over the best ten for each row asked.

register(Strategy(
    "expected_improvement", regression.expected_improvement, batch.diverse, shortlist=10, family="hybrid",
    task="regression", aliases=("ei",), paper="Mockus, Tiesis & Žilinskas 1978; Jones, Schonlau & Welch 1998",
    summary="Seeks the largest number: expected to exceed the largest measured by most.",
))  # fmt: skip
register(Strategy(
    "probability_of_improvement", regression.probability_of_improvement, batch.diverse, shortlist=10, family="hybrid",
    task="regression", aliases=("pi",), paper="Kushner 1964",
    summary="Seeks the largest number: most likely to exceed the largest measured.",
))  # fmt: skip
register(Strategy(
    "upper_confidence_bound", regression.upper_confidence_bound, batch.diverse, shortlist=10, family="hybrid",
    task="regression", aliases=("ucb",), paper="Cox & John 1992; Srinivas, Krause, Kakade & Seeger 2010",
    summary="Seeks the largest number: prediction plus two deviations is largest.",
))  # fmt: skip
register(Strategy(
    "thompson", regression.predicted, greedy.thompson, family="hybrid", task="regression", cost="passes",
    aliases=("thompson_sampling",), paper="Thompson 1933",
    summary="Seeks the largest number: each item is the best one by another regressor of the committee.",
))  # fmt: skip


def expected_improvement(margin: float) -> Strategy:
    """`expected_improvement(0.1)`: exceeding the largest measured number counts from that much on, in its units.

    Raises:
        BadInput: a margin that is not a number of 0 or more.
    """
    return _beyond("expected improvement", regression.expected_improvement, margin)


def probability_of_improvement(margin: float) -> Strategy:
    """`probability_of_improvement(0.1)`: most likely to exceed the largest measured number by that, in its units.

    With a margin of 0 it keeps to where a small improvement is nearly certain.

    Raises:
        BadInput: a margin that is not a number of 0 or more.
    """
    return _beyond("probability of improvement", regression.probability_of_improvement, margin)


def upper_confidence_bound(deviations: float) -> Strategy:
    """`upper_confidence_bound(3)`: prediction plus that many standard deviations; 0 = the largest prediction.

    Raises:
        BadInput: not a number of 0 or more.
    """
    if not 0 <= deviations < float("inf"):
        raise BadInput(f"deviations must be a number of 0 or more, got {deviations!r}.")
    score = functools.partial(regression.upper_confidence_bound, deviations=float(deviations))
    return Strategy(
        f"upper confidence bound of {deviations:g}", score, batch.diverse, shortlist=10, family="hybrid",
        task="regression", paper="Cox & John 1992; Srinivas, Krause, Kakade & Seeger 2010",
        summary=f"Seeks the largest number: prediction plus {deviations:g} deviations is largest.",
    )  # fmt: skip


def _beyond(name: str, score: Callable[..., Array], margin: float) -> Strategy:
    if not 0 <= margin < float("inf"):
        raise BadInput(f"margin must be a number of 0 or more in units of the target, got {margin!r}.")
    registered = get(name.replace(" ", "_"))
    return replace(
        registered, name=f"{name} by {margin:g}", aliases=(), score=functools.partial(score, margin=float(margin))
    )
