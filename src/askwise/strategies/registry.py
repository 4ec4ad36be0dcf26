"""Query strategies, their combinators and their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from askwise import batch, scores
from askwise.core import Array, BadInput, ContractError, Rows, unknown

GROUP = "askwise.strategies"
"""The entry point group in which a plug-in package names its strategies."""


@dataclass(frozen=True)
class Strategy:
    """A query strategy: score every candidate, keep a shortlist, pick the batch."""

    name: str
    score: Callable[..., Array] = scores.random
    """Parameter names are the signals it needs; one finite number for each row, higher = ask sooner."""
    pick: Callable[..., Rows] = batch.top_k
    """Batch rule: positions in the shortlist, most useful first."""
    shortlist: int | None = None
    """Rows of the shortlist for each row asked for; None = the batch rule sees every candidate."""
    family: str = ""
    """What it goes by: random, uncertainty, committee, change, diversity, coverage, hybrid."""
    cost: str = "pointwise"
    """How work grows: pointwise (one pass), passes (some passes for each row asked), shortlist, quadratic (n x n)."""
    task: str = "classification"
    """classification, regression or multilabel."""
    paper: str = ""
    aliases: tuple[str, ...] = ()
    """Published names that mean the same."""
    summary: str = ""
    """One sentence for people who choose."""


@dataclass(frozen=True)
class Mix(Strategy):
    """Several strategies that each choose a share of the batch; build it with `mix`."""

    shares: tuple[tuple[Strategy, float], ...] = ()


@dataclass(frozen=True)
class Switch(Strategy):
    """One strategy at first, another later; build it with `switch`."""

    first: Strategy | None = None
    then: Strategy | None = None
    when: Callable[[int, int], bool] = lambda _labeled, _classes: True
    """`when(n_labeled, n_classes)`: labels given and classes the learner knows; True = `then` takes over."""

    def at(self, n_labeled: int, n_classes: int) -> Strategy:
        """The strategy in charge."""
        chosen = self.then if self.when(n_labeled, n_classes) else self.first
        if chosen is None:
            raise BadInput(
                f"The switch {self.name!r} misses one of its strategies; build it with switch(first, then, when)."
            )
        return chosen


def mix(*shares: tuple[str | Strategy, float], name: str = "", summary: str = "") -> Mix:
    """`mix(("margin", 0.9), ("random", 0.1))`: each strategy chooses its share of the rows.

    Shares are relative. Every prefix of the batch holds them as nearly as whole rows allow; a single row goes to one
    of them at random, with that probability. `Selection.parts` records which strategy chose each row.

    Raises:
        BadInput: no strategy, or a share that is not above zero.
    """
    if not shares or any(not 0 < share < float("inf") for _, share in shares):
        raise BadInput(f"mix needs pairs (strategy, share) with shares above 0, got {shares!r}.")
    parts = tuple((get(strategy), float(share)) for strategy, share in shares)
    return Mix(
        name=name or " + ".join(part.name for part, _ in parts),
        family=parts[0][0].family,
        summary=summary or "A mixture: " + ", ".join(f"{share:g} {part.name}" for part, share in parts) + ".",
        shares=parts,
    )


def switch(
    first: str | Strategy,
    then: str | Strategy,
    when: Callable[[int, int], bool],
    *,
    name: str = "",
    aliases: tuple[str, ...] = (),
    summary: str = "",
    paper: str = "",
) -> Switch:
    """`first` until `when(n_labeled, n_classes)` is true, then `then`.

    Args:
        first: Strategy for the beginning.
        then: Strategy afterwards.
        when: Called with the number of labels given and of classes the learner knows.
        name: Default "first then then".
        aliases: Other names.
        summary: One sentence.
        paper: Source.
    """
    a, b = get(first), get(then)
    return Switch(
        name=name or f"{a.name} then {b.name}",
        family=b.family,
        paper=paper,
        aliases=aliases,
        summary=summary or f"{a.name} first, {b.name} later.",
        first=a,
        then=b,
        when=when,
    )


# ── registry ────────────────────────────────────────────────────────────────────────────────

_registry: dict[str, Strategy] = {}
_aliases: dict[str, str] = {}


def register(strategy: Strategy) -> Strategy:
    """Make a strategy known by its name and aliases; returns it.

    Raises:
        BadInput: not a Strategy, or a name that another strategy has.
    """
    if not isinstance(strategy, Strategy):
        raise BadInput(
            f"register needs a Strategy, got {type(strategy).__name__}. Wrap a score: Strategy('name', score)."
        )
    for name in (strategy.name, *strategy.aliases):
        owner = _registry.get(_aliases.get(name, name))
        if not name or (owner is not None and owner != strategy):
            raise BadInput(f"The strategy name {name!r} is empty or taken; choose another.")
    _registry[strategy.name] = strategy
    _aliases.update(dict.fromkeys(strategy.aliases, strategy.name))
    return strategy


def get(name: str | Strategy) -> Strategy:
    """The strategy of that name or alias, ours or a plug-in's; a Strategy is returned as it is.

    Raises:
        BadInput: unknown name.
        ContractError: a plug-in that cannot be loaded.
    """
    if isinstance(name, Strategy):
        return name
    if name not in _registry and name not in _aliases:
        _load(name)
    found = _registry.get(_aliases.get(name, name))
    if found is None:
        raise unknown("strategy", name, available())
    return found


def available() -> tuple[str, ...]:
    """Names of every strategy, sorted; plug-ins are listed without being loaded."""
    return tuple(sorted({*_registry, *(point.name for point in metadata.entry_points(group=GROUP))}))


def _load(name: str) -> None:
    """Load the plug-in of that name; where there is none, all of them, since it may be an alias."""
    points = list(metadata.entry_points(group=GROUP))
    for point in [p for p in points if p.name == name] or points:
        if point.name in _registry:
            continue
        try:
            found: Any = point.load()
        except (ImportError, AttributeError) as error:
            raise ContractError(f"The strategy plug-in {point.value!r} cannot be loaded: {error}.") from error
        if not isinstance(found, Strategy) or found.name != point.name:
            raise ContractError(
                f"The entry point {point.name!r} = {point.value!r} must name a Strategy called {point.name!r}, "
                f"got {found!r}."
            )
        register(found)
