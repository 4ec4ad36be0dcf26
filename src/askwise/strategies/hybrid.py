"""Strategies that join doubt with density, diversity or coverage."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from askwise import scores
from askwise.batch import bisect, cluster, contrast, cover, frankwolfe, herding, ranked
from askwise.batch import density as by_density
from askwise.batch import targeted as like_labeled
from askwise.core import BadInput, Rows, Selection
from askwise.scores import density, interpolation, probabilistic
from askwise.strategies.registry import Combinator, Engine, Strategy, get, register

register(Strategy(
    "information_density", density.information_density, family="hybrid", aliases=("density_weighted",),
    paper="Settles & Craven 2008", summary="Spread-out probabilities, where the pool is dense; never an outlier.",
))  # fmt: skip
register(Strategy(
    "information_density_gaussian", scores.entropy, by_density.dense, family="hybrid", cost="passes",
    paper="Settles & Craven 2008",
    summary="Spread-out probabilities, where the pool is dense by distance; never an outlier.",
))  # fmt: skip
register(Strategy(
    "probabilistic_gain", probabilistic.probabilistic_gain, family="hybrid", aliases=("mcpal",),
    paper="Kottke, Krempl, Lang, Teschner & Spiliopoulou 2016",
    summary="Dense parts of the pool with few labels near, or labels that disagree; asks no model.",
))  # fmt: skip
register(Strategy(
    "epistemic", probabilistic.epistemic, family="uncertainty", aliases=("epistemic_uncertainty",),
    paper="Nguyen, Destercke & Hüllermeier 2019",
    summary="Either class is still plausible because few labels are near; not where labels simply disagree.",
))  # fmt: skip
register(Strategy(
    "contrastive", density.contrastive, family="hybrid", aliases=("contrastive_active_learning",),
    paper="Margatina et al. 2021", summary="Looks like labeled items, yet the model speaks differently of it.",
))  # fmt: skip
register(Strategy(
    "mmr", scores.margin, ranked.mmr, shortlist=20, family="hybrid", cost="shortlist",
    aliases=("maximal_marginal_relevance",), paper="Carbonell & Goldstein 1998",
    summary="Small margins, unlike what is labeled and picked.",
))  # fmt: skip
register(Strategy(
    "fass", scores.entropy, herding.facility_location, shortlist=10, family="hybrid", cost="shortlist",
    aliases=("filtered_active_submodular",), paper="Wei, Iyer & Bilmes 2015",
    summary="The most doubtful items, represented by a few of them.",
))  # fmt: skip
register(Strategy(
    "cluster_margin", scores.margin, cluster.cluster_margin, shortlist=100, family="hybrid", cost="shortlist",
    paper="Citovsky et al. 2021", summary="Small margins, taken in turn from different groups, small groups first.",
))  # fmt: skip
register(Strategy(
    "clue", scores.entropy, cluster.weighted_central, family="hybrid", cost="passes",
    paper="Prabhu, Chandrasekaran, Saenko & Hoffman 2021", summary="The middle of groups that form around doubt.",
))  # fmt: skip
register(Strategy(
    "uncertainty_herding", scores.margin, herding.uncertainty_herding, family="hybrid", cost="passes",
    aliases=("uherding",), paper="Bae, Oliveira & Sutherland 2025",
    summary="Covers the doubtful part of the pool, ever more finely as labels come in.",
))  # fmt: skip
register(Strategy(
    "drop_query", density.unsteady, cluster.unsteady_central, family="hybrid", cost="passes", aliases=("dropquery",),
    paper="Gupte, Aklilu, Nirschl & Yeung-Levy 2024",
    summary="The middle of groups of items whose label changes when features are missing.",
))  # fmt: skip
register(Strategy(
    "alfa_mix", interpolation.flip_distance, cluster.flipping_central, family="hybrid", cost="passes",
    aliases=("alfamix",), paper="Parvaneh et al. 2022",
    summary="The middle of groups of items whose label changes when they are moved a little toward labeled ones.",
))  # fmt: skip
register(Strategy(
    "galaxy", scores.margin, bisect.galaxy, family="rare", cost="passes", paper="Zhang, Katz-Samuels & Nowak 2022",
    summary="Halfway between differing labels, in order of each class's margin: finds rare classes, then their edges.",
))  # fmt: skip
register(Strategy(
    "targeted", scores.margin, like_labeled.targeted, family="rare", cost="passes",
    aliases=("facility_location_mutual_information", "flqmi"), paper="Kothawade et al. 2021",
    summary="Like the labeled items of the class that has fewest, each of these in turn.",
))  # fmt: skip
register(Strategy(
    "acs_fw", pick=frankwolfe.sparse_posterior, family="committee", cost="passes", paper="Pinsler et al. 2019",
    summary="A batch that says of the members of a committee what the whole pool would say.",
))  # fmt: skip
register(Strategy(
    "falcun", scores.margin, contrast.falcun, family="hybrid", cost="passes",
    paper="Gilhuber, Beer, Ma & Seidl 2024", summary="Small margins, with different classes in doubt.",
))  # fmt: skip


def targeted(column: int, relevance: float = 1.0) -> Strategy:
    """`targeted(3)`: like the labeled items of class number 3, as `labeled_y` counts them.

    Args:
        column: Number of the class.
        relevance: 0 = a picked item for every labeled one of the class, large = items that resemble any of them most.

    Raises:
        BadInput: a column or relevance below 0.
    """
    if column < 0 or not 0 <= relevance < float("inf"):
        raise BadInput(f"column and relevance must be 0 or more, got {column!r} and {relevance!r}.")
    pick = functools.partial(like_labeled.targeted, column=column, relevance=float(relevance))
    return replace(
        get("targeted"), name=f"targeted at {column}", aliases=(), pick=pick,
        summary=f"Like the labeled items of class {column}, each of these in turn.",
    )  # fmt: skip


@dataclass(frozen=True)
class Nearby(Combinator):
    """Another strategy on the neighbors of what is labeled; build it with `nearby`."""

    then: Strategy | None = None
    neighbors: int = 100

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """What the strategy chooses of the neighbors; of all rows while nothing is labeled."""
        if self.then is None:
            raise BadInput(f"{self.name!r} misses its strategy; build it with nearby(strategy).")
        labeled = engine.shared("labeled")
        if len(labeled):
            embedding = engine.signal("embedding", rows)
            rows = rows[cover.around(embedding, labeled, k + spare, neighbors=self.neighbors)]
        return engine.run(self.then, rows, k, spare)


def nearby(strategy: str | Strategy, *, neighbors: int = 100, name: str = "") -> Nearby:
    """`nearby("margin")`: score only the nearest neighbors of labeled rows (SEALS, Coleman et al., 2022).

    It saves scoring where the model is slow, and finds more of a rare class that clusters; what is far from everything
    labeled is never asked about.

    Raises:
        BadInput: neighbors below 1.
    """
    if neighbors < 1:
        raise BadInput(f"neighbors must be 1 or more, got {neighbors}.")
    then = get(strategy)
    return Nearby(
        name=name or f"{then.name} nearby", family=then.family, cost=then.cost, task=then.task,
        paper="Coleman et al. 2022",
        summary=f"{then.name} among the nearest neighbors of what is labeled.", then=then, neighbors=neighbors,
    )  # fmt: skip


register(nearby("margin", name="seals"))
