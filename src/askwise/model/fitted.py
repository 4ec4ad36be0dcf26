"""A fitted model on raw items: encoder, learner, classes, card."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from askwise import encoders, learners, rounds
from askwise.core import Array, BadInput, Matrix
from askwise.engine import CHUNK, blocks
from askwise.features import as_features
from askwise.model import files
from askwise.model.card import Card
from askwise.notices import progress
from askwise.options import named
from askwise.pool import ItemKind, kinds
from askwise.tables import is_frame
from askwise.tasks import Opinion, Task
from askwise.tasks import get as get_task

MOST_ODDS = 30.0
"""Log-odds are kept within these: beyond, a probability is 0 or 1 in all but name."""


@dataclass(frozen=True)
class Explanation:
    """What speaks for a guess, by leaving parts of the item out (occlusion)."""

    label: str
    """The likeliest class; of a set of labels each is explained for itself."""
    confidence: float
    """Its probability."""
    parts: tuple[tuple[str, float], ...]
    """(word, or column, and how far the log-odds of the class fall without it), largest first; negative speaks against
    the class."""


class Model(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts the classes of raw items: texts, table rows, pairs, files, or rows of features.

    A scikit-learn classifier: `predict`, `predict_proba`, `score`, `classes_`, `clone`, and `fit` on raw items and
    labels, which learns encoder and learner anew and leaves the card behind. `Session.model` makes a fitted one,
    `askwise.model.load` reads a saved one.

    Args:
        encoder: As for `Session`; None = the default of the kind.
        learner: As for `Session`.
        kind: Of the items, as `Pool.kind`.
        task: What an answer is, as for `Session`.

    Attributes:
        classes_: (classes,) sorted labels.
        labels_: The same by number, in the order in which ties are decided; with those in `gone_`, which are none any
            more.
        encoder_: Fitted; None for rows of features.
        learner_: Fitted; knows classes by their number in `labels_`.
        card: What it was trained on, and what is proved of whom; None after `fit`.
    """

    encoder_: Any
    learner_: Any
    classes_: Array
    labels_: list[Any]
    gone_: list[Any]
    card: Card | None

    def __init__(self, encoder: Any = None, learner: Any = None, *, kind: str = "text", task: str = "one") -> None:
        self.encoder = encoder
        self.learner = learner
        self.kind = kind
        self.task = task

    @property
    def item_kind(self) -> ItemKind:
        """What its items are.

        Raises:
            BadInput: `kind` is none.
        """
        if self.kind not in kinds.REGISTRY:
            raise BadInput(f"kind is one of {', '.join(kinds.REGISTRY)}, got {self.kind!r}.")
        return kinds.get(self.kind)

    @property
    def task_(self) -> Task:
        """What a prediction is."""
        return get_task(self.task)

    @classmethod
    def fitted(
        cls,
        encoder: Any,
        learner: Any,
        labels: Sequence[str],
        card: Card,
        *,
        kind: str = "text",
        task: str = "one",
        given: tuple[Any, Any] = (None, None),
        features: int | None = None,
        gone: Sequence[str] = (),
    ) -> Model:
        """A model of parts that have learned.

        Args:
            encoder: Fitted; None for rows of features.
            learner: Fitted; shares nothing with one that goes on learning.
            labels: What its class numbers stand for.
            card: Its card.
            kind: Of the items.
            task: What an answer is, as for `Session`.
            given: Encoder and learner as they were asked for, for `fit` and `clone`.
            features: Columns, where the items are rows of features.
            gone: Labels that are none any more, merged into others or removed: no class of it, and never a guess.
        """
        self = cls(given[0], given[1], kind=kind, task=task)
        self.encoder_, self.learner_, self.card = encoder, learner, card
        self._name(list(labels), list(gone))
        if features is not None:
            self.n_features_in_ = features
        return self

    def _name(self, labels: list[Any], gone: Sequence[Any] = ()) -> None:
        self.labels_, self.gone_ = labels, list(gone)
        order = np.argsort(np.asarray(labels), kind="stable")
        self._order = order[[labels[i] not in self.gone_ for i in order.tolist()]]
        self.classes_ = np.asarray(labels)[self._order]

    def fit(self, X: Any, y: Any) -> Model:
        """Learn from (m,) raw items and (m,) labels.

        Raises:
            BadInput: A model of sets of labels, which only sessions train; or items of another kind.
        """
        if self.task != "one":
            raise BadInput(f"A model of {self.task_.asks} an item is trained by a session: {named('task')} there.")
        kind = self.item_kind
        items = self._items(X, new=True)
        classes, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(codes) != (items.shape[0] if kind.features else len(items)):
            raise BadInput(f"fit needs one label for each item, got {len(codes)} labels.")
        encoder, learner = encoders.divided(self.encoder, self.learner, self.kind)
        self.encoder_ = None if kind.features else encoders.get(copy.deepcopy(encoder), self.kind)
        features = items if self.encoder_ is None else rounds.encoded(self.encoder_, items)
        if kind.features:
            self.n_features_in_ = int(features.shape[1])
        fresh = learners.unfitted(learners.named(kind.learner) if learner is None else learners.adapt(learner))
        rounds.know_blocks(fresh, getattr(self.encoder_, "blocks", {}))
        self.learner_ = fresh.fit(features, codes).for_prediction()
        self.card = None
        self._name(classes.tolist())
        return self

    # ── predicting ──────────────────────────────────────────────────────────────────────────

    def predict_proba(self, X: Any) -> Array:
        """(n, classes) float32 probabilities, columns in the order of `classes_`; of sets each label for itself.

        Raises:
            BadInput: Answers that are no labels have none.
        """
        found: Array = self.proba(X)[:, self._order]
        return found

    def predict(self, X: Any) -> Array:
        """(n,) the likeliest class of each item; of sets (n, classes) zeros and ones; of other answers these."""
        opinion = self.opinion(X)
        if self.task_.closed:
            found: Array = np.asarray(self.labels_)[opinion.signals()["proba"].argmax(1)]
            return found
        written, which = opinion.written([str(name) for name in self.labels_])
        return self.task_.predicted([written[one] for one in which.tolist()], self.classes_.tolist())

    def judged(self, X: Any) -> tuple[list[str], Array]:
        """(n) guesses as the session writes them, sets as `a|b`, and (n,) the confidence in each, 0..1."""
        return self._judged(self.opinion(X))

    def _judged(self, opinion: Opinion) -> tuple[list[str], Array]:
        written, which = opinion.written([str(name) for name in self.labels_])
        return [str(written[one]) for one in which.tolist()], opinion.certainty()

    def seen(self, X: Any) -> tuple[Matrix, list[str], Array]:
        """(n, d) features as the learner gets them, with guesses and confidence as in `judged`; encodes once."""
        self._check_fitted()
        items = self._items(X)
        features = items if self.encoder_ is None else self.encoder_.encode(items)
        return features, *self._judged(self._said_of(items, features))

    def proba(self, X: Any) -> Array:
        """(n, labels) float32 probabilities, columns in the order of `labels_`.

        Raises:
            BadInput: Answers that are no labels have none.
        """
        opinion = self.opinion(X)
        found: Array | None = getattr(opinion, "proba", None)
        if found is None:
            raise BadInput(f"A model of {self.task_.asks} an item has no probabilities of labels; see judged().")
        return found

    def opinion(self, X: Any) -> Opinion:
        """All that it says of some items; see `askwise.tasks.Opinion`."""
        self._check_fitted()
        items = self._items(X)
        n = items.shape[0] if self.item_kind.features else len(items)
        # Blocks as a session has them, so that matrix products round alike, to the last digit.
        step = max(n, 1) if self.item_kind.files else CHUNK
        found: list[Opinion] = []
        with progress("predicting", n, whole=True) as advance:
            for start in range(0, max(n, 1), step):
                part = items[start : start + step]
                features = part if self.encoder_ is None else self.encoder_.encode(part)
                found.append(self._said_of(part, features))
                advance(len(found[-1]))
        return found[0] if len(found) == 1 else found[0].joined(found[1:])

    def _said_of(self, items: Any, features: Matrix) -> Opinion:
        given = rounds.rows_for(self.learner_, items, features)
        blocks_ = list(blocks(int(given.shape[0])))
        return self.task_.ask(self.learner_, given, len(self.labels_), blocks_)

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise BadInput("This model has learned nothing: call fit(items, labels), or take one from a session.")

    def save(self, path: str | Path) -> Card:
        """Write it to a .skops file, or to .onnx where it is one of numbers; see `askwise.model.files.save`."""
        return files.save(self, path)

    # ── explaining ──────────────────────────────────────────────────────────────────────────

    def explain(self, X: Any, most: int = 6) -> list[Explanation]:
        """What speaks for each guess: the words of a text, the columns of a row, found by leaving each out.

        That is what this model makes of parts, not why a person would decide so; parts that mean something together
        only are not found.

        Args:
            X: (n,) texts, pairs or table rows.
            most: Parts that are named of each.

        Raises:
            BadInput: Items without parts that could be left out: files, rows of features.
        """
        if not self.item_kind.in_json:
            raise BadInput(f"explain leaves out words or columns; items of the kind {self.kind!r} have none.")
        found = []
        for item in self._items(X):
            parts = list(self.item_kind.without(item))
            names, variants = zip(*parts, strict=True) if parts else ((), ())
            proba = self.proba([item, *variants]).astype(np.float64)
            with np.errstate(divide="ignore"):
                odds = np.clip(np.log(proba) - np.log1p(-proba), -MOST_ODDS, MOST_ODDS)
            best = int(proba[0].argmax())
            lost = odds[0, best] - odds[1:, best]
            order = np.argsort(-np.abs(lost), kind="stable")[:most]
            told = sorted(((str(names[i]), float(lost[i])) for i in order.tolist()), key=lambda one: -one[1])
            found.append(Explanation(str(self.labels_[best]), float(proba[0, best]), tuple(told)))
        return found

    # ── items ───────────────────────────────────────────────────────────────────────────────

    def _items(self, X: Any, *, new: bool = False) -> Any:
        """The items as an encoder takes them, checked."""
        kind = self.item_kind
        if kind.features:
            return self._rows(X, new=new)
        if kind.cells:
            return self._records(X)
        if isinstance(X, str | bytes | Mapping) or not hasattr(X, "__iter__"):
            raise BadInput(f"Give a list of items, not one {type(X).__name__}: [item].")
        if is_frame(X):
            X = _of_frame(X, kind.width)
        items = X.tolist() if hasattr(X, "tolist") else list(X)
        for row, item in enumerate(items):
            items[row] = kind.given(item, row)
        return items

    def _records(self, X: Any) -> list[Any]:
        if is_frame(X):
            names = [str(name) for name in X.columns]
            columns = [list(X[name].to_list()) for name in X.columns]
            X = [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
        if isinstance(X, str | bytes | Mapping) or not hasattr(X, "__iter__"):
            raise BadInput(f"Give a list of rows, or a frame, not one {type(X).__name__}: [row].")
        records = list(X)
        wanted = [] if self.card is None or not hasattr(self, "encoder_") else list(self.card.columns)
        for row, record in enumerate(records):
            records[row] = self.item_kind.given(record, row)
            lacking = [name for name in wanted if name not in record]
            if lacking:
                raise BadInput(
                    f"Row {row} has no column {lacking[0]!r}; this model learned from {', '.join(map(repr, wanted))}. "
                    "Where a value is not known, give None."
                )
        return records

    def _rows(self, X: Any, *, new: bool) -> Matrix:
        A = as_features(X)
        known = getattr(self, "n_features_in_", None)
        if len(A.shape) != 2 or (known is not None and not new and A.shape[1] != known):
            raise BadInput(f"This model takes (n, {known or 'd'}) features, got shape {tuple(A.shape)}.")
        return A

    # ── scikit-learn ────────────────────────────────────────────────────────────────────────

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "learner_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        kind = kinds.REGISTRY.get(self.kind, kinds.TEXT)  # of another `fit` says what is wrong
        tags.input_tags.string = kind is kinds.TEXT
        tags.input_tags.one_d_array = not kind.features
        tags.input_tags.two_d_array = kind.features or kind.cells or kind.width > 1
        tags.no_validation = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Plain data, estimators and what encoders make of themselves; the encoder once."""
        state = dict(super().__getstate__())
        state["same_encoder"] = "encoder_" in state and state["encoder"] is state["encoder_"]
        if state["same_encoder"]:
            state["encoder"] = None
        if "encoder_" in state:
            state["encoder_"] = encoders.packed(state["encoder_"])
        if state.get("card") is not None:
            state["card"] = json.dumps(state["card"].data())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "multilabel" in state:  # saved before there were other kinds of answers
            state["task"] = "sets" if state.pop("multilabel") else "one"
        if isinstance(state.get("card"), str):
            state["card"] = Card.of(json.loads(state["card"]))
        if "encoder_" in state:
            state["encoder_"] = encoders.unpacked(state["encoder_"])
        if state.pop("same_encoder", False):
            state["encoder"] = state["encoder_"]
        self.__dict__.update(state)


def load(path: str | Path, *, trusted: Sequence[str] = ()) -> Model:
    """Read a saved model; nothing is unpickled. See `askwise.model.files.load`."""
    found: Model = files.load(path, trusted=trusted)
    return found


# ── small things ────────────────────────────────────────────────────────────────────────────


def _of_frame(frame: Any, width: int) -> list[Any]:
    columns = [list(frame[name].to_list()) for name in frame.columns]
    if len(columns) != width:
        raise BadInput(
            f"Give the column of the items, not a frame of {len(columns)} columns: model.predict(frame['text'])."
        )
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
