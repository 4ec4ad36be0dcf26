"""One round of learning: fit, score and rank the pool, arrays in and arrays out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askwise import engine
from askwise.core import Array, Encoder, Learner, Matrix
from askwise.notices import progress
from askwise.strategies import Strategy


@dataclass(frozen=True)
class Round:
    """What a round learns from, taken out of the state of a session, so that learning needs neither it nor its lock."""

    labeled: Array
    """(m,) rows with a label, ascending."""
    y: Array
    """(m,) their class numbers; in a multi-label session (m, labels) zeros and ones."""
    order: Array
    """(m,) which earlier round each was asked in."""
    known: Array
    """(k,) rows that are labeled or in somebody's hands, ascending; `labeled` is a part of it."""
    candidates: Array
    """(c,) rows that may be asked."""
    classes: int
    """How many there are; in a multi-label session how many labels."""
    batch: int
    """Questions that the strategy picks together."""
    spare: int
    """Further rows, best score first."""
    seed: int
    names: tuple[str, ...] = ()
    """What the class numbers stand for: a learner whose settings go by label is told."""


@dataclass(frozen=True)
class Learned:
    """What a round found."""

    proba: Array | None
    """(n, classes) of the whole pool; in a multi-label session (n, labels), each for itself. None where all answers
    are alike, or there is none."""
    queue: list[tuple[int, float, str]]
    """(row, score, part of the strategy), best first."""
    planned: int
    """How many of the queue the strategy picked together."""
    strategy: str
    """Which one ranked."""


def encoded(encoder: Encoder, contents: Sequence[Any], *, fit: int | None = None) -> Matrix:
    """(n, d) features of the pool's items; an encoder that learns from them does so first, from the first `fit`."""
    items = list(contents)
    learn = getattr(encoder, "fit", None)
    with progress(f"encoding {len(items):,} items"):
        if learn is not None:
            learn(items[:fit])
        return encoder.encode(items)


def learn(
    round_: Round, X: Matrix, learner: Learner, strategy: Strategy, dense: Callable[[], Array] | None = None
) -> Learned:
    """Fit the learner on the labels, ask it about the whole pool, and rank what may be asked.

    Args:
        round_: What to learn from.
        X: (n, d) features of the pool, dense or CSR.
        learner: Fitted anew, unless all labels are of one class.
        strategy: Ranks.
        dense: Gives (n, d) rows for distances; needed where `X` is sparse.
    """
    n, several = int(X.shape[0]), round_.y.ndim == 2
    proba = None
    if len(np.unique(round_.y, axis=0)) >= 2:
        name_classes = getattr(learner, "name_classes", None)
        if name_classes is not None and round_.names:
            name_classes(round_.names)
        learner.fit(X[round_.labeled], round_.y)
        proba = np.zeros((n, round_.classes), np.float32)
        columns = np.asarray(learner.classes_, int)
        for rows in engine.blocks(n):
            found = learner.predict_proba(X[rows])
            proba[rows][:, columns] = found[..., 1] if several else found
    return rank(round_, X, learner, strategy, proba, dense)


def guesses(X: Matrix, learner: Any) -> tuple[Array, Array] | None:
    """((n, classes) probabilities, class numbers) of all rows, in the blocks of `learn`; None of what is not fitted.

    Args:
        X: (n, d) features, dense or CSR.
        learner: In a multi-label session it gives (n, labels, 2), as it says it.
    """
    if not hasattr(learner, "classes_"):
        return None
    found = [np.asarray(learner.predict_proba(X[rows])) for rows in engine.blocks(max(1, int(X.shape[0])))]
    return np.concatenate(found), np.asarray(learner.classes_)


def rank(
    round_: Round,
    X: Matrix,
    learner: Learner,
    strategy: Strategy,
    proba: Array | None,
    dense: Callable[[], Array] | None = None,
) -> Learned:
    """Rank what may be asked by what a learner said of the pool; without a word of it the strategy covers the pool.

    Args:
        round_: What is known.
        X: (n, d) features of the pool, dense or CSR.
        learner: Fitted on the labels of the round, unless `proba` is None.
        strategy: Ranks.
        proba: As in `Learned`.
        dense: Gives (n, d) rows for distances; needed where `X` is sparse.
    """
    several = round_.y.ndim == 2
    known_y = np.full((len(round_.known), *round_.y.shape[1:]), -1)
    known_order = np.zeros(len(round_.known), np.intp)
    at = np.searchsorted(round_.known, round_.labeled)
    known_y[at], known_order[at] = round_.y, round_.order
    given: dict[str, Any] = {
        "labeled_rows": round_.known,
        "labeled_y": known_y,
        "labeled_order": known_order,
        "n_labeled": len(round_.labeled),
    }
    if hasattr(X, "tocsr"):
        given["embedding"] = dense
    if proba is not None:
        given["proba"] = np.stack([1 - proba, proba], axis=-1) if several else proba
    picked = engine.select(
        X,
        round_.candidates,
        learner if proba is not None else None,  # without a model `select` covers the pool
        strategy,
        k=round_.batch,
        seed=round_.seed,
        given=given,
        spare=round_.spare,
    )
    queue = list(zip(picked.rows.tolist(), picked.scores.tolist(), picked.parts, strict=True))
    return Learned(proba, queue, min(round_.batch, len(queue)), picked.strategy)


def certainty(proba: Array, multilabel: bool) -> Array:
    """(n,) probability that the guess is right: of the likeliest class, or of the likeliest set as a whole.

    The labels of a set are taken for independent, as the learner takes them. Where they are not, this is off; it only
    orders items and plans, and what is claimed rests on checks.

    Args:
        proba: (n, classes), or (n, labels) probabilities that each label applies.
        multilabel: Which of the two.
    """
    found: Array = np.maximum(proba, 1 - proba).prod(1) if multilabel else proba.max(1)
    return found


def likely_sets(proba: Array) -> tuple[Array, Array]:
    """The likeliest set of labels of each item, for independent labels: those with a probability above one half.

    Args:
        proba: (n, labels).

    Returns:
        ((u, labels) bool, each set that occurs once; (n,) which of them).
    """
    packed = np.packbits(proba > 0.5, axis=1)
    sets, which = np.unique(packed, axis=0, return_inverse=True)
    return np.unpackbits(sets, axis=1, count=proba.shape[1]).astype(bool), which.ravel()
