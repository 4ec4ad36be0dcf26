"""Strategies of doubt: one model's, a committee's, and the hunt for a rare class."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from askwise import scores
from askwise.batch.joint import batch_bald
from askwise.batch.stochastic import stratified
from askwise.core import BadInput
from askwise.scores import committee, rare, uncertainty
from askwise.strategies import catalog  # noqa: F401 - the names that are built upon below
from askwise.strategies.combine import narrow, stochastic
from askwise.strategies.registry import Strategy, mix, register

# ── one model ───────────────────────────────────────────────────────────────────────────────

register(Strategy(
    "confidence_ratio", uncertainty.confidence_ratio, family="uncertainty", aliases=("ratio_sampling",),
    paper="Monarch 2021", summary="The runner-up is nearly as likely as the likeliest class.",
))  # fmt: skip
register(Strategy(
    "decision_boundary", uncertainty.decision_boundary, family="uncertainty", aliases=("simple_margin", "svm_margin"),
    paper="Tong & Koller 2001; Schohn & Cohn 2000", summary="Nearest to a decision boundary.",
))  # fmt: skip
register(Strategy(
    "expected_cost", uncertainty.expected_cost, family="uncertainty", aliases=("expected_risk",),
    paper="Margineantu 2005; Chen & Lin 2013",
    summary="Even the cheapest answer is expected to cost much; every mistake costs 1 unless a matrix says otherwise.",
))  # fmt: skip


def expected_cost(costs: Sequence[Sequence[float]], classes: Sequence[str]) -> Strategy:
    """`expected_cost([[0, 10], [1, 0]], ["spam", "ham"])`: where even the cheapest answer is expected to cost much.

    Args:
        costs: (classes, classes) cost of giving the column's answer where the row's is true, 0 or more.
        classes: Labels of rows and columns; may hold some that have not been met yet.

    Raises:
        BadInput: not a square matrix of finite costs for these classes.
    """
    C, names = np.asarray(costs, np.float64), tuple(classes)
    if C.shape != (len(names), len(names)) or not np.isfinite(C).all() or (C < 0).any() or len(set(names)) < len(names):
        raise BadInput(
            f"costs must be {len(names)} rows of {len(names)} numbers of 0 or more, one for each of {names!r}, "
            f"got shape {C.shape}."
        )
    score = functools.partial(uncertainty.expected_cost, costs=tuple(map(tuple, C.tolist())), names=names)
    return Strategy(
        "expected cost", score, family="uncertainty", paper="Margineantu 2005; Chen & Lin 2013",
        summary="Even the cheapest answer is expected to cost much.",
    )  # fmt: skip


# ── several models ──────────────────────────────────────────────────────────────────────────

register(Strategy(
    "variation_ratio", committee.variation_ratio, family="committee", aliases=("variation_ratios",),
    paper="Freeman 1965; Gal, Islam & Ghahramani 2017", summary="Many committee members vote against the majority.",
))  # fmt: skip
register(Strategy(
    "mean_std", committee.mean_std, family="committee", paper="Kampffmeyer, Salberg & Jenssen 2016",
    summary="The probabilities that committee members give vary most.",
))  # fmt: skip
register(Strategy(
    "batch_bald", scores.consensus_kl, batch_bald, shortlist=64, family="committee", cost="shortlist",
    paper="Kirsch, van Amersfoort & Gal 2019", summary="A batch whose answers together tell committee members apart.",
))  # fmt: skip
register(Strategy(
    "bemps", committee.mean_proper_score, family="committee", aliases=("core_mse", "mean_proper_score"),
    paper="Tan, Du & Buntine 2021", summary="The answer would improve the probabilities of other items most.",
))  # fmt: skip
register(replace(
    narrow(
        Strategy("epig_quadratic", committee.epig_quadratic), Strategy("epig", committee.epig, family="committee")
    ),
    name="epig", aliases=("expected_predictive_information_gain", "core_log"),
    paper="Bickford Smith et al. 2023", summary="The answer would tell most about the answers to other items.",
))  # fmt: skip

# ── at random, by score ─────────────────────────────────────────────────────────────────────

for _kind in ("power", "softmax", "rank"):
    for _name in ("margin", "entropy", "bald"):
        register(stochastic(_name, _kind, name=f"{_kind}_{_name}"))

register(Strategy(
    "stratified_random", pick=stratified, family="random", cost="passes", aliases=("stratified", "cluster_sampling"),
    paper="Madow & Madow 1944", summary="At random, spread over the different kinds of items in proportion.",
))  # fmt: skip

# ── a rare class ────────────────────────────────────────────────────────────────────────────

register(Strategy(
    "relevance", rare.relevance, family="rare", aliases=("certainty_sampling", "autotar"),
    paper="Lewis & Gale 1994; Cormack & Grossman 2014",
    summary="Most likely of the class that the model expects least often.",
))  # fmt: skip


def relevance(positive: str) -> Strategy:
    """`relevance("spam")`: the items most likely of that class; at random while the model has not met it."""
    return Strategy(
        f"relevance of {positive}", functools.partial(rare.relevance_of, positive=positive), family="rare",
        paper="Lewis & Gale 1994; Cormack & Grossman 2014", summary=f"Most likely {positive}.",
    )  # fmt: skip


register(mix(
    ("relevance", 0.5), ("margin", 0.4), ("random", 0.1), name="relevance_mix",
    summary="Half most likely of the rarest class, the rest by small margins and some at random.",
))  # fmt: skip
