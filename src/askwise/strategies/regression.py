"""Strategies for targets that are numbers."""

from __future__ import annotations

from askwise import batch, scores
from askwise.batch import gradient, greedy
from askwise.scores import fisher, regression
from askwise.strategies.registry import Strategy, register

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
