"""One round of learning: fit, score and rank the pool, arrays in and arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from askwise import encoders, engine, hints, signals
from askwise.core import Array, ContractError, Encoder, Learner, Matrix
from askwise.learners import unfitted
from askwise.notices import progress
from askwise.strategies import Strategy
from askwise.tasks import Opinion, Task, get

Near: TypeAlias = Callable[[Sequence[hints.Hint]], Sequence[Array]]
"""Hints → rows most like each, see `hints.Nearest`."""


@dataclass(frozen=True)
class Round:
    """What a round learns from, taken out of the state of a session, so that learning needs neither it nor its lock."""

    labeled: Array
    """(m,) rows with a label, ascending."""
    y: Array
    """(m, …) what the learner is told of them; see `Task.targets`."""
    order: Array
    """(m,) which earlier round each was asked in."""
    known: Array
    """(k,) rows that are labeled or in somebody's hands, ascending; `labeled` is a part of it."""
    candidates: Array
    """(c,) rows that may be asked."""
    classes: int
    """How many labels there are."""
    batch: int
    """Questions that the strategy picks together."""
    spare: int
    """Further rows, best score first."""
    seed: int
    names: tuple[str, ...] = ()
    """What the class numbers stand for: a learner whose settings go by label is told."""
    task: Task = field(default_factory=lambda: get("one"))
    """What an answer is."""
    hints: tuple[hints.Hint, ...] = ()
    """What is known of labels without an example."""
    blocks: Mapping[str, int] = field(default_factory=dict)
    """Columns of the features by encoder, in their order, where several stand side by side."""


@dataclass(frozen=True)
class Learned:
    """What a round found."""

    opinion: Opinion | None
    """What the learner says of the whole pool. None where all answers are alike, or there is none."""
    queue: list[tuple[int, float, str]]
    """(row, score, part of the strategy), best first."""
    planned: int
    """How many of the queue the strategy picked together."""
    strategy: str
    """Which one ranked."""
    standing: Mapping[str, Any] | None = None
    """What a learner of several parts says of them: see `learners.Standing`."""
    held: tuple[Array, Array, Array] | None = None
    """(r,) labeled rows, (r,) class numbers that the learner guesses of each without having seen it, and (r,) how sure
    it is; None where the learner said nothing of the kind this time (`held_out`)."""


PATIENCE = 2_000
"""Vectors of a slow encoder that people wait for at the beginning, where a quicker one stands beside it."""
SLICE = 512
"""Of them made at a time later on: answers wait for so long at most until the model learns from them."""
LARGE, LOOK = 5_000, 3_000
"""Of a pool with more items than that so many are looked at first, where people wait for a question."""


def encoded(
    encoder: Encoder,
    contents: Sequence[Any],
    *,
    fit: int | None = None,
    put_off: bool = False,
    patience: int | None = None,
) -> Matrix:
    """(n, d) features of the pool's items; an encoder that learns from them does so first, from the first `fit`, with
    each item read once where it can (`fit_encode`).

    Args:
        encoder: Any.
        contents: (n,) items.
        fit: None = all.
        put_off: Where slow parts of it would have to make many vectors, leave them to `encode_on`.
        patience: How many are many; None = `PATIENCE`.
    """
    items = list(contents)
    learn, both = getattr(encoder, "fit", None), getattr(encoder, "fit_encode", None)
    with progress(f"encoding {len(items):,} items"):
        if both is not None:
            patience = PATIENCE if patience is None else patience
            later = {"patience": patience} if put_off and hasattr(encoder, "encode_on") else {}
            found: Matrix = both(items, fit, **later)
            return found
        if learn is not None:
            learn(items[:fit])
        return encoder.encode(items)


def learn(
    round_: Round,
    X: Matrix,
    learner: Learner,
    strategy: Strategy,
    dense: Callable[[], Array] | None = None,
    items: Sequence[Any] = (),
    near: Near | None = None,
) -> Learned:
    """Fit the learner on the labels, ask it about the whole pool, and rank what may be asked.

    Args:
        round_: What to learn from.
        X: (n, d) features of the pool, dense or CSR.
        learner: Fitted anew, unless there is too little to learn from.
        strategy: Ranks.
        dense: Gives (n, d) rows for distances; needed where `X` is sparse.
        items: The items themselves, for a learner that `reads` them.
        near: Hints → rows most like each.
    """
    opinion = None
    if round_.task.enough(round_.y):
        name_classes = getattr(learner, "name_classes", None)
        if name_classes is not None and round_.names:
            name_classes(round_.names)
        know_blocks(learner, round_.blocks)
        know_pool = getattr(learner, "know_pool", None)
        if know_pool is not None:
            know_pool(X)
        given = rows_for(learner, items, X)
        learner.fit(given[round_.labeled], round_.y)
        opinion = round_.task.ask(learner, given, round_.classes, list(engine.blocks(int(X.shape[0]))))
    found = rank(round_, X, learner, strategy, opinion, dense, near)
    if opinion is None:
        return found
    standing = getattr(learner, "standing", None)
    said = None if standing is None else standing()
    return replace(found, standing=said, held=_held_out(round_, learner))


def _held_out(round_: Round, learner: Any) -> tuple[Array, Array, Array] | None:
    """What a learner says of labeled rows without having seen them, see `Learned.held`."""
    ask = getattr(learner, "held_out", None)
    found = ask() if ask is not None and round_.task.closed else None
    if found is None:
        return None
    at, P = (np.asarray(part) for part in found)
    if P.shape != (len(at), len(learner.classes_)) or (len(at) and not 0 <= at.min() <= at.max() < len(round_.labeled)):
        raise ContractError(
            f"{type(learner).__name__}.held_out() gave rows of shape {at.shape} and probabilities of shape {P.shape} "
            f"after a fit on {len(round_.labeled):,} rows; give (r,) of these and (r, {len(learner.classes_)})."
        )
    return round_.labeled[at], np.asarray(learner.classes_)[P.argmax(1)].astype(np.intp), P.max(1)


def first_look(
    round_: Round, contents: Sequence[Any], encoder: Encoder, learner: Learner, strategy: Strategy
) -> Learned:
    """The first questions of a pool that takes long to encode: those of a random part of it, with labels that it has.

    Args:
        round_: The first one.
        contents: The items.
        encoder: Stays as it is. Parts of it that are slow are left out where there are others.
        learner: Unfitted, and stays so.
        strategy: Ranks.

    Returns:
        Without an opinion: of most of the pool there is none yet.
    """
    rng = np.random.default_rng([round_.seed, 41])

    def some(rows: Array) -> Array:
        return np.sort(rng.choice(rows, min(len(rows), LOOK), replace=False))

    candidates, labeled = some(round_.candidates), some(round_.labeled)
    known = np.union1d(labeled, np.setdiff1d(round_.known, round_.labeled))
    rows = np.union1d(candidates, known)
    own = encoders.copied(encoder)
    items = [contents[row] for row in rows.tolist()]
    X = encoded(own, items, put_off=True, patience=1)
    kept = np.isin(round_.labeled, labeled)

    def at(some: Array) -> Array:
        return np.searchsorted(rows, some)

    part = replace(
        round_, labeled=at(labeled), y=round_.y[kept], order=round_.order[kept], known=at(known),
        candidates=at(candidates), blocks=dict(getattr(own, "blocks", {})),
    )  # fmt: skip
    near = partial(hints.Nearest(), X=X, encode=own.encode)
    found = learn(part, X, unfitted(learner), strategy, lambda: signals.project(X), items, near)
    queue = [(int(rows[row]), score, why) for row, score, why in found.queue]
    return replace(found, opinion=None, standing=None, held=None, queue=queue)


def know_blocks(learner: Any, blocks: Mapping[str, int]) -> None:
    """Tell a learner that wants to know it which columns belong together, before it is fitted.

    Args:
        learner: Any.
        blocks: As in `Round`; of none it is told nothing.
    """
    tell = getattr(learner, "know_blocks", None)
    if tell is not None and blocks:
        tell(blocks)


def reads_items(learner: Any) -> bool:
    """Whether a learner wants the items themselves instead of features."""
    return getattr(learner, "reads", "features") == "items"


class Read:
    """Items that are taken like the rows of a matrix, for a learner that reads them.

    Args:
        items: All of them.
    """

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items

    @property
    def shape(self) -> tuple[int]:
        """How many there are."""
        return (len(self.items),)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, rows: Any) -> list[Any]:
        """Those of a slice, or of row numbers."""
        if isinstance(rows, slice):
            return list(self.items[rows])
        return [self.items[int(row)] for row in rows]


def rows_for(learner: Any, items: Sequence[Any], X: Matrix) -> Any:
    """What a learner is given of some items: their features, or where it reads them the items as rows.

    Args:
        learner: Any.
        items: The items; may be empty where it takes features.
        X: (n, d) their features.
    """
    return Read(items) if reads_items(learner) else X


def opinion_of(task: Task, learner: Any, given: Any, labels: int) -> Opinion | None:
    """What a learner says of rows, in the blocks of `learn`; None of what is not fitted.

    Args:
        task: What it learned to answer.
        learner: Perhaps fitted.
        given: (n, d) features, dense or CSR; or `Read`, for a learner that reads items.
        labels: How many the session has.
    """
    if not task.fitted(learner):
        return None
    return task.ask(learner, given, labels, list(engine.blocks(int(given.shape[0]))))


def rank(
    round_: Round,
    X: Matrix,
    learner: Learner,
    strategy: Strategy,
    opinion: Opinion | None,
    dense: Callable[[], Array] | None = None,
    near: Near | None = None,
) -> Learned:
    """Rank what may be asked by what a learner said of the pool; without a word of it the strategy covers the pool.

    Args:
        round_: What is known.
        X: (n, d) features of the pool, dense or CSR.
        learner: Fitted on the labels of the round, unless `opinion` is None.
        strategy: Ranks.
        opinion: As in `Learned`.
        dense: Gives (n, d) rows for distances; needed where `X` is sparse.
        near: As in `learn`.
    """
    y = round_.y if round_.y.dtype.kind in "biuf" else np.unique(round_.y, return_inverse=True)[1]  # texts: numbered
    known_y = np.full((len(round_.known), *y.shape[1:]), round_.task.pending, y.dtype)
    known_order = np.zeros(len(round_.known), np.intp)
    at = np.searchsorted(round_.known, round_.labeled)
    known_y[at], known_order[at] = y, round_.order
    given: dict[str, Any] = {
        "labeled_rows": round_.known,
        "labeled_y": known_y,
        "labeled_order": known_order,
        "n_labeled": len(round_.labeled),
    }
    if hasattr(X, "tocsr"):
        given["embedding"] = dense
    if opinion is not None:
        given |= opinion.signals()
    picked = engine.select(
        X,
        round_.candidates,
        learner if opinion is not None else None,  # without a model `select` covers the pool
        strategy,
        k=round_.batch,
        seed=round_.seed,
        given=given,
        spare=round_.spare,
    )
    queue = list(zip(picked.rows.tolist(), picked.scores.tolist(), picked.parts, strict=True))
    if round_.hints and near is not None:
        free = np.zeros(int(X.shape[0]), bool)
        free[round_.candidates] = True
        queue = hints.between(queue, near(round_.hints), free)
    return Learned(opinion, queue, min(round_.batch, len(queue)), picked.strategy)
