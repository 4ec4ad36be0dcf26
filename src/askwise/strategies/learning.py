"""A strategy that learns from the answers which of several strategies to follow."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from askwise import signals
from askwise.batch.stochastic import stochastic as draw
from askwise.core import Array, BadInput, Rows, Selection
from askwise.strategies.registry import Combinator, Engine, Strategy, get, register

DELTA = 0.1
"""Chance that the regret bound of EXP4.P may fail."""
REMEMBERED = 2048
"""Facts about past steps kept for the process, the longest unused dropped first: some kilobytes each."""
Fact: TypeAlias = tuple[list[Rows], Array]
_memory: OrderedDict[Hashable, Fact] = OrderedDict()
_guard = threading.Lock()


@dataclass(frozen=True)
class Step:
    """One past question, or batch of questions."""

    advice: Array
    """(parts, b) probability with which each part proposed each row that was asked."""
    open: int
    """Rows that could have been asked."""
    right: Array
    """(b_1 + … + b_t,) whether the model learned after this step is right on the rows of it and of earlier ones."""


def exp4p(steps: Sequence[Step], parts: int, horizon: int) -> Array:
    """Chances that EXP4.P gives to several strategies after some steps.

    The bandit is that of Beygelzimer, Langford, Li, Reyzin & Schapire (2011) as Hsu & Lin (2015) use it: each strategy
    is an arm, and the reward of a step is the importance-weighted accuracy (1 / T) Σ_s W_s [right on the row of step
    s], W_s = 1 / (chance of that row · rows open then), of the model that was learned after it. It is credited to
    every strategy that proposed the row. Of a batch the mean over its rows counts, in W as in the credit.

    Args:
        steps: In the order of time, at most `horizon`.
        parts: N, number of strategies.
        horizon: T, steps that the rates are set for.

    Returns:
        (parts,) float64 chances, at least sqrt(ln N / (N T)) each, or 1 / N where that is less; they sum to 1.
    """
    least = min(1 / parts, math.sqrt(math.log(parts) / (parts * horizon)))
    bonus = math.sqrt(math.log(parts / DELTA) / (parts * horizon))
    log_weight = np.zeros(parts)
    worth = np.zeros(0)
    for step in steps:
        chance = _chances(log_weight, least)
        q = chance @ step.advice
        worth = np.append(worth, 1 / (q * step.open * len(q)))
        reward = float(worth @ step.right) / horizon
        credit = reward * (step.advice / q).mean(axis=1)
        log_weight += least / 2 * (credit + bonus / chance)
    return _chances(log_weight, least)


def _chances(log_weight: Array, least: float) -> Array:
    share = np.exp(log_weight - log_weight.max())
    return np.asarray((1 - len(share) * least) * share / share.sum() + least)


@dataclass(frozen=True, kw_only=True)
class Learning(Combinator):
    """Strategies whose chances follow from what came of their questions; build it with `albl`."""

    parts: tuple[Strategy, ...]
    """Beside these uniform draws, always."""
    horizon: int

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """Draw among what the parts propose; what follows is from the likeliest of them."""
        cold = next((part for part in self.parts if engine.cold(part)), None)
        if cold is not None:
            return engine.run(cold, rows, k, spare)
        proposed = self.proposals(engine, rows, k)  # before the past: what is wrong with the model now shows here
        chance = self.chances(engine, rows, k)
        advice = self.advice(proposed, rows, len(rows))
        q = chance @ advice
        # as if nothing had been drawn before: other draws with each label, or a row that lost would be likelier to lose
        lots = signals.noise(rows, engine.seed + 2**32 * (1 + engine.n_labeled))
        at = draw(q, lots, k)
        names = (*(part.name for part in self.parts), "random")
        chosen, scores = rows[at], q[at]
        by = [names[i] for i in (chance[:, None] * advice[:, at]).argmax(axis=0)]
        if spare:
            likeliest = (*self.parts, get("random"))[int(chance.argmax())]
            left = np.setdiff1d(rows, chosen, assume_unique=True)
            more = engine.pending(chosen).run(likeliest, left, 0, spare)
            chosen, scores, by = np.append(chosen, more.rows), np.append(scores, more.scores), [*by, *more.parts]
        return Selection(chosen, scores, self.name, tuple(by))

    def chances(self, engine: Engine, rows: Rows, k: int = 1) -> Array:
        """(parts + 1,) chances of the parts and of uniform draws, recomputed from the answers in their order.

        Args:
            engine: As of now.
            rows: (n,) candidates.
            k: Rows that are asked next; what is remembered for the next call is for as many.
        """
        known, y, order = engine.history()
        told = np.lexsort((known, order))
        known, y = known[told], y[told]
        ends = np.append(np.flatnonzero(np.diff(order[told])) + 1, len(known)).tolist() if len(known) else []
        several = np.flatnonzero(y != y[:1])  # of two classes there is a model, and only then a choice between parts
        start = next((i for i, end in enumerate(ends) if len(several) and several[0] < end), len(ends))
        start = max(start, len(ends) - 1 - self.horizon)
        everything = np.union1d(rows, engine.shared("labeled_rows")) if start < len(ends) else rows
        who = (self.parts, engine.identity(), _digest(everything)) if start < len(ends) else ()
        steps = []
        for i in range(start, len(ends) - 1):
            before, after = ends[i], ends[i + 1]
            asked, free = known[before:after], len(everything) - before
            proposed = self._fact(engine, who, known[:before], y[:before], everything, after - before)[0]
            following = ends[i + 2] - after if i + 2 < len(ends) else k
            right = self._fact(engine, who, known[:after], y[:after], everything, following)[1]
            own = np.searchsorted(np.sort(known[:after]), known[ends[start] : after])
            steps.append(Step(self.advice(proposed, asked, free), free, right[own]))
        return exp4p(steps, len(self.parts) + 1, self.horizon)

    def proposals(self, engine: Engine, rows: Rows, k: int) -> list[Rows]:
        """What each part would ask, at most k rows."""
        return [engine.run(part, rows, k).rows if k else rows[:0] for part in self.parts]

    def advice(self, proposed: list[Rows], rows: Rows, n: int) -> Array:
        """(parts + 1, rows) chance that each part proposes each row; without proposals, as the last, any of the n."""
        told = np.full((len(proposed) + 1, len(rows)), 1 / n)
        for i, its in enumerate(proposed):
            if len(its):
                told[i] = np.isin(rows, its) / len(its)
        return told

    def _fact(self, engine: Engine, who: Hashable, known: Rows, y: Array, everything: Rows, k: int) -> Fact:
        """What each part would have asked when these rows were known, and whether the model was right on them."""
        order = np.argsort(known)
        known, y = known[order], y[order]

        def learn() -> Fact:
            free = np.setdiff1d(everything, known, assume_unique=True)
            then = engine.past(known, y, free)
            # rounded, so that equals stay equal whatever the last bits of a product
            guess = np.round(np.asarray(then.signal("proba", known), np.float64) * 2**17).argmax(axis=1)
            return self.proposals(then, free, min(k, len(free))), then.shared("classes")[guess] == y

        return _remembered((who, _digest(known), _digest(y), k), learn)


def _digest(numbers: Array) -> bytes:
    return hashlib.blake2b(numbers.astype(np.int64).tobytes(), digest_size=16).digest()


def _remembered(key: Hashable, make: Callable[[], Fact]) -> Fact:
    with _guard:
        found = _memory.get(key)
    if found is None:
        found = make()
    with _guard:
        _memory[key] = found
        _memory.move_to_end(key)
        if len(_memory) > REMEMBERED:
            _memory.popitem(last=False)
    return found


def albl(
    *parts: str | Strategy,
    horizon: int = 200,
    name: str = "",
    summary: str = "",
) -> Learning:
    """`albl("margin", "k_center")`: learn which strategy to follow, active learning by learning (Hsu & Lin, 2015).

    Each row is drawn from what the parts propose; a part's chance grows with the importance-weighted accuracy of the
    models that learned from its rows (`exp4p`). Uniform draws are always one of the parts. `select` keeps nothing
    between calls, so the chances are recomputed from the labels in the order of time (`given={"labeled_order": …}`;
    rows with the same number were one batch): for each of the last `horizon` steps the learner is trained anew on the
    labels before it and asks every part. Steps seen before in this process are remembered, and cost one training
    each; after a change to the candidates other than answers, a skipped item say, all are gone through again. With 200
    labels of 10,000 rows of 256 features that takes 4 s on one core, and 0.07 s for each question that follows.
    Features must not be changed in place, since a pool is known by its array.

    Rows that came otherwise (the first labels, check items) count as if a uniform draw had found them, and a past
    batch as if exactly its rows had been asked for. Before two classes have a label it covers the pool.

    Args:
        parts: Strategies; default margin, k_center and information_density.
        horizon: Steps that EXP4.P's rates are set for, and the most that are gone through, > 0.
        name: Default from the parts.
        summary: One sentence.

    Raises:
        BadInput: horizon below 1; while choosing, "labeled_rows" or "labeled_y" missing.
    """
    if horizon < 1:
        raise BadInput(f"horizon must be 1 step or more, got {horizon!r}.")
    found = tuple(get(part) for part in parts or ("margin", "k_center", "information_density"))
    found = tuple(part for part in found if part.name != "random")
    if not found:
        raise BadInput("albl needs a strategy beside random draws, which are always a part; got none.")
    said = ", ".join(part.name for part in found)
    return Learning(
        name=name or f"albl({said})", family="hybrid", task=found[0].task, cost="replay",
        paper="Hsu & Lin 2015", summary=summary or f"Learns from the answers which of {said} and random to follow.",
        parts=found, horizon=horizon,
    )  # fmt: skip


register(albl(name="albl"))
