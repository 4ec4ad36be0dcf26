"""Combinators: strategies made of other strategies.

Each takes names or strategies and returns a strategy, so they nest: `must_include(rows, class_quota("margin"))`.
What reads the scores of its parts (`blend`, `per_cost`, `stochastic`) refuses parts that have none.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from askwise import batch, signals
from askwise.batch import guards
from askwise.batch.stochastic import ROUNDING, Kind
from askwise.batch.stochastic import stochastic as draw
from askwise.core import Array, BadInput, Rows, Selection
from askwise.strategies.registry import Combinator, Engine, Strategy, get

Scale = Literal["rank", "range"]

# ── combined scores ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Scored(Combinator):
    """A strategy whose score is made of the scores that others give to all candidates."""

    parts: tuple[Strategy, ...] = ()

    def cold_part(self, engine: Engine) -> Strategy | None:
        """A part that needs a model before there is one."""
        for part in self.parts:
            found = part.cold_part(engine) if isinstance(part, Scored) else part if engine.cold(part) else None
            if found is not None:
                return found
        return None

    @abstractmethod
    def combine(self, engine: Engine, rows: Rows) -> Array:
        """(n,) scores."""

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """The batch rule's choice by the combined scores; before the first model, what a part does then."""
        cold = self.cold_part(engine)
        if cold is not None:
            return engine.run(cold, rows, k, spare)
        return engine.finish(self, rows, self.combine(engine, rows), k, spare)


@dataclass(frozen=True)
class Blend(Scored):
    """Weighted mean of scores; build it with `blend`."""

    weights: tuple[float, ...] = ()
    scale: Scale = "rank"

    def combine(self, engine: Engine, rows: Rows) -> Array:
        """(n,) in [0, 1]."""
        to_unit = _ranks if self.scale == "rank" else _range
        total = np.zeros(len(rows))
        for part, weight in zip(self.parts, self.weights, strict=True):
            total += weight / sum(self.weights) * to_unit(_scores(engine, part, rows))
        return total


@dataclass(frozen=True)
class PerCost(Scored):
    """Score over cost; build it with `per_cost`."""

    def combine(self, engine: Engine, rows: Rows) -> Array:
        """(n,) score per unit of cost."""
        value = _scores(engine, self.parts[0], rows)
        if value.min() < -ROUNDING * max(1.0, float(value.max())):
            raise BadInput(
                f"per_cost needs scores of 0 or more, but {self.parts[0].name!r} gives {value.min():g}; "
                "use blend(...) for such scores, which maps them to [0, 1]."
            )
        return np.maximum(value, 0) / _costs(engine, rows)


def blend(*parts: tuple[str | Strategy, float], scale: Scale = "rank", name: str = "") -> Blend:
    """`blend(("margin", 0.7), ("density", 0.3))`: the best weighted mean of several scores.

    Args:
        parts: Strategies with weights above 0, which are relative.
        scale: How scores become comparable: "rank" = share of the candidates below, equals alike; "range" = distance
            from the smallest over that from smallest to largest, which keeps gaps and lets one outlier stretch them.
        name: Default from the parts.

    Raises:
        BadInput: no part, a weight that is not above 0, an unknown scale, or a part without a score.
    """
    if not parts or any(not 0 < weight < float("inf") for _, weight in parts):
        raise BadInput(f"blend needs pairs (strategy, weight) with weights above 0, got {parts!r}.")
    if scale not in ("rank", "range"):
        raise BadInput(f"scale must be 'rank' or 'range', got {scale!r}.")
    found = tuple(_with_score(part, "blend") for part, _ in parts)
    said = [f"{weight:g} {part.name}" for part, (_, weight) in zip(found, parts, strict=True)]
    return Blend(
        name or f"blend({', '.join(part.name for part in found)})",
        family="hybrid",
        task=found[0].task,
        summary=f"Best on the whole: {', '.join(said)}.",
        parts=found,
        weights=tuple(float(weight) for _, weight in parts),
        scale=scale,
    )


def per_cost(strategy: str | Strategy) -> PerCost:
    """The most score per unit of cost (Settles, Craven & Friedland, 2008); give costs as `given={"cost": ...}`.

    Raises:
        BadInput: a strategy without a score; while choosing, a negative score, a cost that is not above 0.
    """
    part = _with_score(strategy, "per_cost")
    return PerCost(
        f"{part.name} per cost", pick=part.pick, shortlist=part.shortlist, family=part.family, task=part.task,
        paper="Settles, Craven & Friedland 2008", summary=f"The most {part.name} for the cost of the answer.",
        parts=(part,),
    )  # fmt: skip


def stochastic(strategy: str | Strategy, kind: Kind = "power", beta: float = 1.0, *, name: str = "") -> Strategy:
    """Draw the batch at random, likelier the better the score, instead of taking the best (Kirsch et al., 2023).

    Args:
        strategy: Anything with a score.
        kind: "power" (chance ~ score^beta), "softmax" (~ exp(beta * score)) or "rank" (~ rank^-beta).
        beta: Coldness, 0 (uniform) and up.
        name: Default "power_margin" and the like.

    Raises:
        BadInput: a strategy without a score, an unknown kind, a negative beta.
    """
    part = _with_score(strategy, "stochastic")
    if kind not in ("power", "softmax", "rank") or not 0 <= beta < float("inf"):
        raise BadInput(f"kind must be 'power', 'softmax' or 'rank' and beta 0 or more, got {kind!r} and {beta!r}.")
    law = {"power": "its score", "softmax": "the exponential of its score", "rank": "one over its rank"}[kind]
    return replace(
        part, name=name or f"{kind}_{part.name}", aliases=(), shortlist=None,
        pick=functools.partial(draw, kind=kind, beta=beta), paper="Kirsch et al. 2023",
        summary=f"Drawn at random by {part.name}: an item's chance grows with {law}.",
    )  # fmt: skip


# ── narrowed candidates ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Narrow(Combinator):
    """One strategy among the best of another; build it with `narrow`."""

    by: Strategy
    then: Strategy
    keep: int

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """What `then` chooses among the rows kept."""
        if engine.cold(self.by):
            return engine.run(self.then, rows, k, spare)
        kept = engine.run(self.by, rows, min(len(rows), self.keep * max(1, k) + spare)).rows
        return engine.run(self.then, np.sort(kept), k, spare)


@dataclass(frozen=True, kw_only=True)
class Subsample(Combinator):
    """A strategy on random candidates; build it with `subsample`."""

    part: Strategy
    most: int

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """What the strategy chooses from the sample."""
        # another seed than that of ties and of shared samples
        lots = signals.noise(rows, engine.seed + 2)
        kept = batch.top_k(lots, rows, max(self.most, k + spare))
        return engine.run(self.part, rows[np.sort(kept)], k, spare)


def narrow(by: str | Strategy, then: str | Strategy, keep: int = 10, *, name: str = "") -> Narrow:
    """`narrow("margin", "k_center", keep=10)`: `then` chooses among the best 10 rows by `by` for each row asked.

    Raises:
        BadInput: keep below 1.
    """
    if keep < 1:
        raise BadInput(f"keep must be 1 or more rows for each row asked, got {keep!r}.")
    a, b = get(by), get(then)
    return Narrow(
        name=name or f"{b.name} among the best by {a.name}", family=b.family, task=b.task, cost="shortlist",
        summary=f"What {b.name} chooses among the best by {a.name}.", by=a, then=b, keep=keep,
    )  # fmt: skip


def subsample(strategy: str | Strategy, most: int) -> Subsample:
    """The strategy looks at `most` random candidates only (more where more are asked for): for slow strategies.

    Raises:
        BadInput: most below 1.
    """
    if most < 1:
        raise BadInput(f"most must be 1 or more rows, got {most!r}.")
    part = get(strategy)
    return Subsample(
        name=f"{part.name} on {most}", family=part.family, task=part.task, cost=part.cost,
        summary=f"What {part.name} chooses from {most:,} random candidates.", part=part, most=most,
    )  # fmt: skip


# ── guarded batches ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Guard(Combinator):
    """A batch rule that walks the ranking of another strategy, best first.

    `shortlist` rows of the ranking for each row asked are looked at.
    """

    part: Strategy

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """What the rule takes of the ranking, then the rest of the ranking."""
        if engine.cold(self):
            return engine.run(self.part, rows, k, spare)
        found = engine.run(self.part, rows, k, (self.shortlist or 1) * k - k + spare)
        chosen = engine.pick(self, found.rows, found.scores, min(k, len(found.rows)))
        rest = np.setdiff1d(np.arange(len(found.rows)), chosen)
        return _reorder(found, np.concatenate([chosen, rest])[: k + spare])


@dataclass(frozen=True, kw_only=True)
class Include(Combinator):
    """Some rows first; build it with `must_include`."""

    part: Strategy
    must: tuple[int, ...]

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """The rows wanted, then what the strategy chooses once those count as pending."""
        must = np.asarray(self.must, np.intp)
        first = must[np.isin(must, rows)][:k]
        more = engine.pending(first).run(self.part, np.setdiff1d(rows, first), k - len(first), spare)
        return Selection(
            np.concatenate([first, more.rows]),
            np.concatenate([np.zeros(len(first)), more.scores]),
            more.strategy,
            (self.name,) * len(first) + more.parts,
        )


@dataclass(frozen=True, kw_only=True)
class Within(Combinator):
    """As much of a ranking as a budget pays for; build it with `within_budget`."""

    part: Strategy
    budget: float

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:  # noqa: ARG002 - none to follow
        """Best first, each row that the rest of the budget pays for; at most k, none to follow."""
        found = engine.run(self.part, rows, k, len(rows) - k)
        left, chosen = self.budget, list[int]()
        for i, cost in enumerate(_costs(engine, found.rows).tolist()):
            if cost <= left and len(chosen) < k:
                left -= cost
                chosen.append(i)
        return _reorder(found, np.asarray(chosen, np.intp))


def class_quota(strategy: str | Strategy, share: float | None = None) -> Guard:
    """At most ceil(k * share) rows of a batch have the same predicted class; default an equal share.

    Where too few rows of other classes are in the best 10 * k, the batch is filled up regardless. No effect before
    the first model.

    Raises:
        BadInput: a share outside (0, 1].
    """
    if share is not None and not 0 < share <= 1:
        raise BadInput(f"share must be above 0 and at most 1, or None for an equal share, got {share!r}.")
    part = get(strategy)
    return Guard(
        name=f"{part.name} with class quota", pick=functools.partial(guards.quota, share=share), shortlist=10,
        family=part.family, summary=f"What {part.name} chooses, no predicted class above its share.", part=part,
    )  # fmt: skip


def no_duplicates(strategy: str | Strategy, closest: float = 0.95) -> Guard:
    """No row of a batch has a cosine above `closest` to another, or to a labeled or pending row.

    Where too few such rows are in the best 10 * k, the batch is filled up with others.

    Raises:
        BadInput: `closest` outside [-1, 1).
    """
    if not -1 <= closest < 1:
        raise BadInput(f"closest is a cosine, -1 or more and below 1, got {closest!r}.")
    part = get(strategy)
    return Guard(
        name=f"{part.name} without duplicates", pick=functools.partial(guards.apart, closest=closest), shortlist=10,
        family=part.family, task=part.task, summary=f"What {part.name} chooses, near-duplicates left out.", part=part,
    )  # fmt: skip


def must_include(rows: Iterable[int], strategy: str | Strategy) -> Include:
    """These rows come first, in this order, as far as they are candidates; the strategy chooses the others."""
    part = get(strategy)
    must = tuple(dict.fromkeys(int(row) for row in rows))
    return Include(
        name=f"{part.name} with {len(must)} set", family=part.family, task=part.task,
        summary=f"{len(must)} given items first, then what {part.name} chooses.", part=part, must=must,
    )  # fmt: skip


def within_budget(strategy: str | Strategy, budget: float) -> Within:
    """Best first, each row whose `cost` the rest of the budget still pays for, at most k (Settles et al., 2008).

    With `per_cost(strategy)` inside this is the greedy knapsack. The batch may be shorter than k; give costs as
    `given={"cost": ...}`.

    Raises:
        BadInput: a negative budget; while choosing, a cost that is not above 0.
    """
    if not budget >= 0:
        raise BadInput(f"budget must be 0 or more, got {budget!r}.")
    part = get(strategy)
    return Within(
        name=f"{part.name} within {budget:g}", family=part.family, task=part.task,
        summary=f"As much of what {part.name} chooses as a budget of {budget:g} pays for.", part=part, budget=budget,
    )  # fmt: skip


# ── small parts ─────────────────────────────────────────────────────────────────────────────


def _with_score(strategy: str | Strategy, what: str) -> Strategy:
    part = get(strategy)
    by_score = part.pick is batch.top_k or "score" in signals.needs(part.pick)
    if by_score and (isinstance(part, Scored) or not isinstance(part, Combinator)):
        return part
    raise BadInput(f"{what} needs a strategy that goes by a score; {part.name!r} chooses batches in another way.")


def _scores(engine: Engine, strategy: Strategy, rows: Rows) -> Array:
    return strategy.combine(engine, rows) if isinstance(strategy, Scored) else engine.scores(strategy, rows)


def _costs(engine: Engine, rows: Rows) -> Array:
    cost = np.asarray(engine.signal("cost", rows), np.float64)
    bad = ~((cost > 0) & np.isfinite(cost))
    if bad.any():
        raise BadInput(f"Costs must be above 0 and finite; that of row {rows[bad.argmax()]} is {cost[bad.argmax()]}.")
    return cost


def _ranks(score: Array) -> Array:
    """(n,) mid-ranks in (0, 1), the best near 1, equals alike."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray(((np.cumsum(count) - count / 2) / len(score))[place])


def _range(score: Array) -> Array:
    low, high = float(score.min()), float(score.max())
    return (score - low) / (high - low) if high > low else np.zeros(len(score))


def _reorder(found: Selection, order: Rows) -> Selection:
    parts = tuple(found.parts[i] for i in order)
    return replace(found, rows=found.rows[order], scores=found.scores[order], parts=parts)
