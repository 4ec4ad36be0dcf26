"""Strategies that ask what an answer would change: the model, its errors, what is unknown about the pool."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from askwise import batch, scores
from askwise.batch import gradient
from askwise.core import Array, BadInput, Rows, Selection
from askwise.scores import change, fisher, kernel
from askwise.strategies.registry import Combinator, Engine, Strategy, register

ENTROPY_DRAW = Strategy("entropy_draw", change.entropy_draw)


@dataclass(frozen=True)
class Screened(Combinator):
    """A strategy too dear for every row: a cheap one proposes `shortlist` rows for each row asked, at least `least`."""

    screen: Strategy = ENTROPY_DRAW
    then: Strategy = ENTROPY_DRAW
    least: int = 500

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """What the dear strategy chooses of the rows that the cheap one proposes."""
        most = max(self.least, (self.shortlist or 1) * (k + spare))
        # before the first model both would be replaced, and that strategy must see every row
        if most < len(rows) and not engine.cold(self.then):
            rows = np.sort(engine.run(self.screen, rows, most).rows)
        return engine.run(self.then, rows, k, spare)


def _ahead(strategy: Strategy) -> Screened:
    """Behind a screen of rows drawn in proportion to their entropy.

    A single row is the best one. The best of a batch would be alike: on the digits, five at a time, that lost to random
    rows, while batches spread over the best ten for each row asked did clearly better.
    """
    spread = replace(strategy, pick=batch.diverse, shortlist=10)
    return Screened(
        strategy.name, family="change", cost="shortlist", shortlist=20, paper=strategy.paper,
        aliases=strategy.aliases, summary=strategy.summary, then=spread,
    )  # fmt: skip


def value_of_information(
    classes: Sequence[str],
    items: float,
    *,
    costs: Sequence[Sequence[float]] | None = None,
    prices: Sequence[float] | None = None,
) -> Strategy:
    """`value_of_information(["spam", "ham"], 10_000, costs=[[0, 10], [1, 0]], prices=[1, 5])`: what pays most.

    What the answer saves on all items minus what it is expected to cost, both in one unit (Kapoor, Horvitz & Basu,
    2007). A score below 0 says that asking no longer pays.

    Args:
        classes: Labels of rows and columns of `costs`, and of `prices`; may hold some that have not been met yet.
        items: Items that the model is to label.
        costs: (classes, classes) cost of giving the column's answer where the row's is true, 0 or more; None = 1 for
            every mistake.
        prices: (classes,) what an answer costs that turns out to be that class, 0 or more. None = prices of the items,
            which are given as `given={"cost": ...}`.

    Raises:
        BadInput: items not above 0, costs or prices that are negative, not finite or not one for each class.
    """
    names = tuple(classes)
    C = 1 - np.eye(len(names)) if costs is None else np.asarray(costs, np.float64)
    p = np.zeros(len(names)) if prices is None else np.asarray(prices, np.float64)
    whole = C.shape == (len(names), len(names)) and p.shape == (len(names),) and len(set(names)) == len(names)
    if not whole or not (np.isfinite(C).all() and np.isfinite(p).all()) or (C < 0).any() or (p < 0).any():
        raise BadInput(
            f"costs must be {len(names)} rows of {len(names)} numbers of 0 or more and prices {len(names)} such "
            f"numbers, one for each of {names!r}, got shapes {C.shape} and {p.shape}."
        )
    if not 0 < items < float("inf"):
        raise BadInput(f"items must be a number above 0, got {items!r}.")
    paid = tuple(map(tuple, C.tolist()))
    score: Callable[..., Array] = functools.partial(
        change.priced_information, names=names, costs=paid, prices=tuple(p.tolist()), items=float(items)
    )
    if prices is None:
        score = functools.partial(change.information_at_cost, names=names, costs=paid, items=float(items))
    return _ahead(Strategy(
        "value of information", score, paper="Kapoor, Horvitz & Basu 2007",
        summary="The answer is expected to save most, less what it costs.",
    ))  # fmt: skip


register(_ahead(Strategy(
    "expected_error_reduction", change.expected_error_reduction, aliases=("eer", "expected_log_loss_reduction"),
    paper="Roy & McCallum 2001", summary="The answer would leave the whole pool least uncertain.",
)))  # fmt: skip
register(_ahead(Strategy(
    "expected_mistake_reduction", change.expected_mistake_reduction, aliases=("eer_01", "expected_01_loss_reduction"),
    paper="Roy & McCallum 2001", summary="The answer would leave the fewest mistakes to expect in the whole pool.",
)))  # fmt: skip
register(_ahead(Strategy(
    "value_of_information", change.value_of_information, aliases=("voi",),
    paper="Kapoor, Horvitz & Basu 2007", summary="The answer would lower the risk on the whole pool most.",
)))  # fmt: skip
register(_ahead(Strategy(
    "expected_model_output_change", change.expected_model_output_change, aliases=("emoc",),
    paper="Käding et al. 2016", summary="The answer would change the predictions on the whole pool most.",
)))  # fmt: skip
register(Strategy(
    "variance_reduction", fisher.variance_reduction, batch.diverse, shortlist=10, family="change",
    aliases=("a_optimality",),
    paper="Schein & Ungar 2007", summary="The answer would lower the variance of the predictions on the pool most.",
))  # fmt: skip
register(Strategy(
    "bait", fisher.fisher_gain, gradient.bait, shortlist=20, family="change", cost="passes",
    aliases=("fisher_information",), paper="Ash et al. 2021",
    summary="The batch that settles most of what the model does not know about the pool.",
))  # fmt: skip
register(Strategy(
    "badge", pick=gradient.badge, family="hybrid", cost="passes", aliases=("batch_gradient_embeddings",),
    paper="Ash et al. 2020", summary="Answers that would change the model much, each in another direction.",
))  # fmt: skip
register(Strategy(
    "max_det", scores.entropy, gradient.max_det, shortlist=10, family="hybrid", cost="passes",
    aliases=("maxdet", "dpp_mode"), paper="Bıyık et al. 2019", summary="Doubtful items that span the largest volume.",
))  # fmt: skip
register(Strategy(
    "k_dpp", scores.entropy, gradient.k_dpp, shortlist=10, family="hybrid", cost="passes", aliases=("dpp",),
    paper="Bıyık et al. 2019", summary="Doubtful items drawn so that similar ones rarely come together.",
))  # fmt: skip
register(Strategy(
    "quire", kernel.quire, family="change", paper="Huang, Jin & Zhou 2010",
    summary="Items whose label would be least certain whatever the labels of the others turn out to be.",
))  # fmt: skip
