"""The loop of a simulated person over a real session."""

from __future__ import annotations

import copy
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from askwise import encoders, learners, rounds
from askwise.core import Array, AutoLabels, BadInput, Label, Matrix, Oracle, Rows, Target
from askwise.options import named
from askwise.pool import FeatureRows, Pool
from askwise.session import Session
from askwise.strategies import Strategy


def score(truth: Array, guessed: Array, n_classes: int, *, every: bool = False) -> dict[str, float]:
    """Accuracy, balanced accuracy, macro F1.

    Args:
        truth: (n,) class numbers.
        guessed: (n,) class numbers.
        n_classes: Numbers run from 0 to n_classes - 1.
        every: A class that does not occur in `truth` counts as 0 in both means: nothing shows that it is recognised.

    Returns:
        Metric → value, 0..1. Balanced accuracy is the mean recall over the classes that occur in `truth`; macro F1
        is the mean over the classes that occur in either (both as in scikit-learn).
    """
    table = np.bincount(truth * n_classes + guessed, minlength=n_classes**2).reshape(n_classes, n_classes)
    hits, actual, claimed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    present, either = actual > 0, (actual + claimed) > 0
    return {
        "accuracy": float(hits.sum() / table.sum()),
        "balanced_accuracy": float((hits[present] / actual[present]).sum() / (n_classes if every else present.sum())),
        "macro_f1": float(
            (2 * hits[either] / (actual + claimed)[either]).sum() / (n_classes if every else either.sum())
        ),
    }


def schedule(budget: int, batch: int | Literal["auto"] = 1) -> list[int]:
    """The numbers of labels at which the model is refreshed and measured; the same for every strategy.

    `batch` labels apart; "auto" is every label up to 50, then every 2 up to 100, 5 up to 300, 10 beyond.
    """
    if batch != "auto":
        grid = list(range(batch, budget + 1, batch))
    else:
        grid = [n for n in range(1, budget + 1) if n <= 50 or n % (2 if n <= 100 else 5 if n <= 300 else 10) == 0]
    return grid if grid and grid[-1] == budget else [*grid, budget]


@dataclass(frozen=True)
class Split:
    """One random division of labeled items into a pool to ask about and a part to measure on."""

    pool: Pool
    answers: tuple[Label, ...]
    """Per row of the pool the label that the simulated person gives."""
    X_test: Matrix
    y_test: Array
    """(n_test,) class numbers."""
    classes: tuple[Label, ...]
    learner: str = "portfolio"
    """The learner of ours that works on such items where none is named."""
    blocks: Mapping[str, int] = field(default_factory=dict)
    """Columns of the features by encoder, where several stand side by side."""


def split(
    contents: Sequence[Any] | Matrix,
    labels: Sequence[Label],
    classes: Sequence[Label],
    *,
    seed: int,
    test_share: float,
    encoder: Any = None,
    learner: str = "portfolio",
) -> Split:
    """Divide at random.

    Args:
        contents: (n,) texts, for an encoder that learns from the pool (it then sees the pool's part only), or (n, d)
            features.
        labels: (n,) true labels.
        classes: The labels, in the order of their numbers.
        seed: Decides the division.
        test_share: Share held out, 0 < share < 1.
        encoder: Has `fit` and `encode`; only for texts.
        learner: As in `Split`.
    """
    test, rows = divide(labels, seed=seed, test_share=test_share)
    if encoder is None:
        X, X_test = contents[rows], contents[test]  # type: ignore[call-overload]
    else:
        own = copy.deepcopy(encoder)
        texts = [contents[r] for r in rows]
        X, X_test = rounds.encoded(own, texts), own.encode([contents[r] for r in test])
    numbers = {name: i for i, name in enumerate(classes)}
    return Split(
        pool=_feature_pool(X, rows),
        answers=tuple(labels[r] for r in rows),
        X_test=X_test,
        y_test=np.array([numbers[labels[r]] for r in test], np.intp),
        classes=tuple(classes),
        learner=learner,
        blocks={} if encoder is None else getattr(own, "blocks", {}),
    )


def divide(labels: Sequence[Label], *, seed: int, test_share: float) -> tuple[Rows, Rows]:
    """(rows held out, rows of the pool), both ascending: a random division with every class in both parts.

    Where chance leaves a class without a row in a part, a random row of it changes places with one of the class that
    can best spare one. A class with a single row stays where it is.
    """
    order = np.random.default_rng([seed, 17]).permutation(len(labels))
    cut = max(1, round(test_share * len(labels)))
    parts = [order[:cut].tolist(), order[cut:].tolist()]
    _, codes = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    for here, there in ((0, 1), (1, 0)):
        counts = [np.bincount(codes[part], minlength=codes.max() + 1) for part in parts]
        for lacking in np.flatnonzero((counts[here] == 0) & (counts[there] > 1)).tolist():
            spare = int(counts[here].argmax())
            if counts[here][spare] < 2:
                break  # the part is too small for every class
            i = next(i for i, row in enumerate(parts[here]) if codes[row] == spare)
            j = next(j for j, row in enumerate(parts[there]) if codes[row] == lacking)
            parts[here][i], parts[there][j] = parts[there][j], parts[here][i]
            for part, sign in ((here, 1), (there, -1)):
                counts[part][lacking] += sign
                counts[part][spare] -= sign
    return np.sort(np.array(parts[0], np.intp)), np.sort(np.array(parts[1], np.intp))


def contents_of(pool: Pool, rows: Sequence[int], encoder: Any = None) -> tuple[Any, Any]:
    """What `split` divides.

    Returns:
        (texts, encoder) where the encoder learns from texts, so that each split fits it on the pool's part alone;
        else (features, None), computed once for all splits.

    Raises:
        BadInput: An encoder for a pool that holds features already.
    """
    if pool.item_kind.features:
        if encoder is not None:
            raise BadInput(f"{named('encoder')} is for texts; this pool holds features already. Leave it out.")
        if pool.features is None:
            raise BadInput("This pool holds neither texts nor features.")
        return pool.features[np.asarray(rows, np.intp)], None
    chosen = encoders.get(encoder, pool.kind)
    texts = [pool.contents[row] for row in rows]
    return (texts, chosen) if hasattr(chosen, "fit") else (chosen.encode(texts), None)


def _feature_pool(X: Matrix, rows: Rows) -> Pool:
    """A pool of feature rows; ids are the rows of the source, so two equal texts stay two items only if they were."""
    pool = Pool(
        ids=[str(r) for r in rows],
        contents=FeatureRows(X),
        kind="array",
        features=X,
        sources=[[int(r)] for r in rows],
    )
    pool.address = {"kind": "array", "fingerprint": pool.fingerprint, "rows": len(rows)}
    return pool


@dataclass(frozen=True)
class Point:
    """What the model of a session could do after some labels."""

    labels: int
    scores: Mapping[str, float]
    """Metric → value on the held-out part."""
    seconds: float
    """What the refresh took."""
    asked: tuple[int, ...] = ()
    """What was asked since the point before, as rows of the source that was divided."""


def replay(
    split: Split,
    strategy: str | Strategy,
    *,
    seed: int,
    grid: Sequence[int],
    audit_share: float | None = None,
    learner: Any = None,
) -> Generator[Point, None, None]:
    """Answer a session's questions from known labels; yields after each refresh.

    The loop is the one people use: ask, tell, refresh of `Session`, with its log in memory.

    Args:
        split: From `split`.
        strategy: A query strategy, or its name.
        seed: Of the session.
        grid: Numbers of labels at which to refresh and measure, ascending.
        audit_share: None = the session's default for "auto", 0 for any other strategy, so that baselines are pure.
        learner: None = the default; else a scikit-learn classifier (cloned by deep copy).
    """
    model = _model(split, learner)
    share = audit_share if audit_share is not None else None if strategy == "auto" else 0.0
    options: dict[str, Any] = {} if share is None else {"audit_share": share}
    with Session(split.pool, classes=split.classes, strategy=strategy, learner=model, seed=seed, **options) as session:
        told: list[int] = []
        for goal in grid:
            before = len(told)
            while len(told) < goal and (queries := session.ask(goal - len(told))):
                for query in queries:
                    session.tell(query, split.answers[query.row])
                    told.append(query.row)
            if len(told) < goal:
                return  # the pool is used up
            yield _measured(session, model, split, told, before)


def play_back(
    split: Split, asked: Sequence[int], *, grid: Sequence[int], seed: int = 0, learner: Any = None
) -> Iterator[Point]:
    """What the model of a session could do after the answers of another run: its curve again, from its questions.

    Args:
        split: Of that run.
        asked: Its items in order, as `Run.asked` has them.
        grid: The numbers of labels at which its model was refreshed.
        seed: Of that session.
        learner: As in `replay`.

    Raises:
        BadInput: An item is not in the pool's part of this division.
    """
    model = _model(split, learner)
    places = {sources[0]: row for row, sources in enumerate(split.pool.sources)}
    strange = next((item for item in asked if item not in places), None)
    if strange is not None:
        raise BadInput(f"Item {strange} is not among the {len(places):,} that could be asked in this division.")
    told: list[int] = []
    # What the strategy would have asked does not matter: every answer is to an item of the list.
    with Session(
        split.pool, classes=split.classes, strategy="random", learner=model, seed=seed, audit_share=0.0
    ) as session:
        for goal in grid:
            before = len(told)
            for item in asked[before:goal]:
                told.append(places[item])
                session.tell(split.pool.ids[told[-1]], split.answers[told[-1]])
            if len(told) < goal:
                return
            yield _measured(session, model, split, told, before)


def _model(split: Split, learner: Any) -> Any:
    model = learners.named(split.learner) if learner is None else learners.adapt(copy.deepcopy(learner))
    rounds.know_blocks(model, split.blocks)
    return model


def _measured(session: Session, model: Any, split: Split, told: Sequence[int], before: int) -> Point:
    """Refresh a session that was told of some rows, and measure its model."""
    started = time.perf_counter()
    session.refresh()
    seconds = time.perf_counter() - started
    seen = {split.answers[row] for row in told}
    if len(seen) < 2:  # no model yet: the one class seen is the only sensible guess
        guessed = np.full(len(split.y_test), split.classes.index(split.answers[told[0]]), np.intp)
    else:
        proba = model.predict_proba(split.X_test)
        guessed = np.asarray(model.classes_, np.intp)[np.argmax(proba, axis=1)]
    asked = tuple(split.pool.sources[row][0] for row in told[before:])
    return Point(len(told), score(split.y_test, guessed, len(split.classes), every=True), seconds, asked)


def work(
    session: Session, oracle: Oracle, *, step: int = 10, target: Target | None = None
) -> Iterator[AutoLabels | None]:
    """Do the whole job as the session advises: label, certify, let the model label, finish what is left by hand.

    Args:
        session: An open session; refreshed here, so its worker need not run.
        oracle: The simulated person.
        step: Labels between refreshes.
        target: Share of what a certificate limits; see `Session.autolabel`.

    Yields:
        After each step None; after each attempt to certify its outcome. Ends when nothing is left to ask.
    """
    while queries := session.ask(step):
        for query, answer in zip(queries, oracle(queries), strict=True):
            session.tell(query, answer)
        session.refresh()
        yield None
        if session.verdict().ready and session.counts()["open"]:
            yield session.autolabel(oracle=oracle, target=target)
