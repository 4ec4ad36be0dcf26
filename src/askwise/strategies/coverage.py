"""Strategies that cover the pool, by clusters, balls or kernels."""

from __future__ import annotations

from askwise import scores
from askwise.batch import cluster, contrast, graph, herding, hierarchy, ranked
from askwise.strategies.registry import Strategy, register

register(Strategy(
    "k_means", pick=cluster.central, family="coverage", cost="passes", aliases=("kmeans", "representative"),
    paper="Lloyd 1982; Nguyen & Smeulders 2004", summary="The middle of each of as many groups as rows are wanted.",
))  # fmt: skip
register(Strategy(
    "facility_location", pick=herding.facility_location, family="coverage", cost="passes",
    paper="Wei, Iyer & Bilmes 2015", summary="Items such that each item of the pool resembles one of them.",
))  # fmt: skip
register(Strategy(
    "prob_cover", pick=herding.prob_cover, family="coverage", cost="passes", aliases=("probcover",),
    paper="Yehuda, Dekel, Hacohen & Weinshall 2022", summary="Most neighbors that nothing labeled is close to.",
))  # fmt: skip
register(Strategy(
    "max_herding", pick=herding.max_herding, family="coverage", cost="passes",
    aliases=("maxherding", "generalized_coverage"), paper="Bae, Noh & Sutherland 2024",
    summary="Covers the pool softly: close items count fully, farther ones less.",
))  # fmt: skip
register(Strategy(
    "graph_density", pick=graph.graph_density, family="coverage", cost="passes",
    paper="Ebert, Fritz & Schiele 2012", summary="The thick of the neighbor graph, thinned around what is labeled.",
))  # fmt: skip
register(Strategy(
    "hierarchical", pick=hierarchy.hierarchical, family="coverage", cost="passes",
    aliases=("hierarchical_sampling",), paper="Dasgupta & Hsu 2008",
    summary="Random items of clusters whose answers disagree; clusters that agree are left alone.",
))  # fmt: skip
register(Strategy(
    "discriminative", pick=contrast.discriminative, family="diversity", cost="passes", aliases=("dal",),
    paper="Gissin & Shalev-Shwartz 2019", summary="Tells most surely apart from what is labeled.",
))  # fmt: skip
register(Strategy(
    "ranked_batch", scores.least_confidence, ranked.ranked, family="hybrid", cost="passes",
    aliases=("ranked_batch_mode",), paper="Cardoso et al. 2017",
    summary="Unlike anything labeled at first, doubtful later on.",
))  # fmt: skip
