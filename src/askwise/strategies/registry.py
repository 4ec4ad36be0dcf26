"""Query strategies, their combinators and their names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol

import numpy as np

from askwise import batch, scores, signals
from askwise.core import Array, BadInput, ContractError, Rows, Selection, unknown

GROUP = "askwise.strategies"
"""The entry point group in which a plug-in package names its strategies."""
GOLDEN = (5**0.5 - 1) / 2


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
    """What it goes by: random, uncertainty, committee, change, diversity, coverage, hybrid, rare."""
    cost: str = "pointwise"
    """How work grows: pointwise (one pass), passes (some passes for each row asked), shortlist, quadratic (n x n)."""
    task: str = "classification"
    """classification, regression or multilabel."""
    paper: str = ""
    aliases: tuple[str, ...] = ()
    """Published names that mean the same."""
    summary: str = ""
    """One sentence for people who choose."""

    @property
    def features_only(self) -> bool:
        """Whether it asks for neither a model nor answers, so that it goes with any task."""
        names = {*signals.needs(self.score), *signals.needs(self.pick)}
        answers = {"classes", "labeled_y", "labeled_order"}
        return not names & answers and not any(map(signals.needs_learner, names))


def plans_batches(strategy: Strategy, model: bool) -> bool:
    """Whether k questions chosen together may be others than the k best: by a batch rule, or to cover the pool.

    Args:
        strategy: See there.
        model: Whether there is a model; without one `select` covers the pool wherever a strategy needs it.
    """
    if isinstance(strategy, Combinator) or strategy.pick is not batch.top_k:
        return True
    return not model and not strategy.features_only


class Engine(Protocol):
    """What a combinator may ask for while `select` runs. Rows are numbers of the pool, ascending unless said."""

    @property
    def seed(self) -> int:
        """Decides ties and random draws."""

    @property
    def n_labeled(self) -> int:
        """Labels given."""

    @property
    def n_classes(self) -> int:
        """Classes the learner knows; 0 before the first model."""

    def run(self, strategy: Strategy, rows: Rows, k: int, spare: int = 0) -> Selection:
        """What another strategy chooses of some rows: min(k, n), then up to `spare` more."""

    def scores(self, strategy: Strategy, rows: Rows) -> Array:
        """(n,) scores of all those rows."""

    def finish(self, strategy: Strategy, rows: Rows, score: Array, k: int, spare: int = 0) -> Selection:
        """Shortlist and batch rule of a strategy, for (n,) scores that exist already."""

    def pick(self, strategy: Strategy, rows: Rows, score: Array, k: int) -> Rows:
        """(k,) positions that a strategy's batch rule picks from a shortlist, which may stand in any order."""

    def signal(self, name: str, rows: Rows) -> Array:
        """A signal of some rows, in any order."""

    def shared(self, name: str) -> Array:
        """An input that belongs to the whole call, such as `labeled`."""

    def pending(self, rows: Rows) -> Engine:
        """The same engine with further rows counted as labeled."""

    def history(self) -> tuple[Rows, Array, Array]:
        """(m,) labeled rows, ascending, their answers as class numbers, their places in time; none pending."""

    def past(self, rows: Rows, y: Array, candidates: Rows) -> Engine:
        """The engine when only these rows were labeled; a learner of the same kind learns them anew."""

    def identity(self) -> Hashable:
        """Equal for calls about the same arrays with the same seed and a learner with the same settings."""

    def cold(self, strategy: Strategy) -> bool:
        """Whether a strategy's own score or batch rule needs a model before there is one."""


@dataclass(frozen=True)
class Combinator(Strategy):
    """A strategy made of others: it says in `choose` how their choices become one."""

    @property
    def features_only(self) -> bool:
        """False: its parts decide, and `task` says for what."""
        return False

    @abstractmethod
    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """Choose k of the (n,) rows, most useful first, and up to `spare` to follow; 1 <= k + spare <= n."""


@dataclass(frozen=True)
class Mix(Combinator):
    """Several strategies that each choose a share of the batch; build it with `mix`."""

    shares: tuple[tuple[Strategy, float], ...] = ()

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """Parts choose one after the other; what one chose counts as pending for the next."""
        bounds = np.cumsum([share for _, share in self.shares])
        # multiples of the golden ratio fill [0, 1) evenly, so every stretch holds the shares; counting on from the
        # labels given makes the batches of a session one stretch
        start = float(signals.noise(np.array([2**40]), engine.seed)[0])
        place = (start + GOLDEN * (engine.n_labeled + np.arange(k))) % 1
        turn = np.minimum(np.searchsorted(bounds / bounds[-1], place, side="right"), len(bounds) - 1)
        chosen, scores, parts = np.zeros(k, np.intp), np.zeros(k), [""] * k
        taken = np.zeros(0, np.intp)
        for number, (part, _) in enumerate(self.shares):
            places = np.flatnonzero(turn == number)
            if not len(places):
                continue
            left = np.setdiff1d(rows, taken, assume_unique=True)
            got = engine.pending(taken).run(part, left, len(places))
            chosen[places], scores[places] = got.rows, got.scores
            for at, name in zip(places, got.parts, strict=True):
                parts[at] = name
            taken = np.concatenate([taken, got.rows])
        if spare:
            main = int(np.argmax([share for _, share in self.shares]))
            left = np.setdiff1d(rows, taken, assume_unique=True)
            more = engine.pending(taken).run(self.shares[main][0], left, 0, spare)
            chosen, scores, parts = np.append(chosen, more.rows), np.append(scores, more.scores), [*parts, *more.parts]
        return Selection(chosen, scores, self.name, tuple(parts))


@dataclass(frozen=True)
class Switch(Combinator):
    """One strategy at first, another later; build it with `switch`."""

    first: Strategy | None = None
    then: Strategy | None = None
    when: Callable[[int, int], bool] = lambda _labeled, _classes: True
    """`when(n_labeled, n_classes)`: labels given and classes the learner knows; True = `then` takes over."""

    def at(self, n_labeled: int, n_classes: int) -> Strategy:
        """The strategy in charge; of switches within switches the innermost."""
        chosen = self.then if self.when(n_labeled, n_classes) else self.first
        if chosen is None:
            raise BadInput(
                f"The switch {self.name!r} misses one of its strategies; build it with switch(first, then, when)."
            )
        return chosen.at(n_labeled, n_classes) if isinstance(chosen, Switch) else chosen

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """What the strategy in charge chooses."""
        return engine.run(self.at(engine.n_labeled, engine.n_classes), rows, k, spare)


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


def known(name: str) -> bool:
    """Whether there is a strategy of that name; for one of ours no list of installed packages is read."""
    return name in _registry or name in available()


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
