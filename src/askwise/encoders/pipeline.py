"""The steps of a scikit-learn pipeline before its last as an encoder: a pipeline on raw items is a learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise.core import BadInput, ContractError, Matrix, MissingExtra
from askwise.encoders.table import all_numbers, number
from askwise.options import named

ONLY_THE_LAST = (
    "In a pipeline on raw items only the last step may: the others learn from the whole pool, once. Leave it out."
)


class PipelineEncoder:
    """Transformers that take raw items: they learn from the whole pool, once, and from no label.

    Args:
        steps: A `Pipeline` of transformers; a copy of it is fitted.
        kind: Of the items: "text", or "table", of which it gets a pandas frame whose columns hold numbers where every
            value of the pool that is there reads as one.
    """

    def __init__(self, steps: Any, kind: str) -> None:
        from sklearn.base import clone

        self.steps = clone(steps)
        self.kind = kind
        self.name = " ".join(repr(steps).split())
        self.version = ""
        self._numeric: dict[str, bool] = {}

    def fit(self, items: Sequence[Any]) -> PipelineEncoder:
        """Learn from (n,) raw items, n ≥ 1.

        Raises:
            BadInput: A step learns from labels.
            ContractError: A step failed.
        """
        from sklearn.base import clone

        if self.kind == "table":
            self._numeric = {name: all_numbers([row.get(name) for row in items]) for name in items[0]}
        try:
            self.steps = clone(self.steps).fit(self._given(items))  # a copy made before goes on as it was
        except Exception as error:  # whatever a step may raise
            if "requires y" in str(error) or "argument: 'y'" in str(error):  # some do not say so in their tags
                raise BadInput(f"A step of {self.name} learns from labels. {ONLY_THE_LAST}") from error
            raise ContractError(f"{self.name} could not learn from the items: {_said(error)}") from error
        return self

    def encode(self, items: Sequence[Any]) -> Matrix:
        """(n, d) float32 features, dense or CSR.

        Raises:
            ContractError: A step failed, or gave something else than finite numbers, a row for each item.
        """
        try:
            found = self.steps.transform(self._given(items))
        except Exception as error:  # see above
            raise ContractError(f"{self.name} could not encode the items: {_said(error)}") from error
        return checked(found, len(items), self.name)

    def _given(self, items: Sequence[Any]) -> Any:
        if self.kind != "table":
            return list(items)
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtra("A pipeline that names columns needs pandas: `pip install pandas`.") from error
        columns = {
            name: [number(row.get(name)) if numeric else row.get(name) for row in items]
            for name, numeric in self._numeric.items()
        }
        return pd.DataFrame(columns)


def divided(encoder: Any, learner: Any, kind: str) -> tuple[Any, Any]:
    """(encoder, learner), where a learner that starts from raw items is its first steps and its last.

    It starts from raw items where its first step takes texts (`TfidfVectorizer`), or names columns of a table
    (`ColumnTransformer`); all other pipelines start from features, and stay as they are.

    Args:
        encoder: As given to a session.
        learner: See there.
        kind: Of the items.

    Raises:
        BadInput: An encoder beside such a pipeline, a step before the last that learns from labels, or items that such
            a step does not take.
    """
    steps: Any = getattr(learner, "steps", None)
    wanted = _takes(steps[0][1]) if isinstance(steps, list) and len(steps) > 1 else None
    if wanted is None:
        return encoder, learner
    first = type(steps[0][1]).__name__
    if kind != wanted:
        raise BadInput(
            f"The learner begins with {first}, which takes items of the kind {wanted!r}; these are of the kind "
            f"{kind!r}."
        )
    if encoder is not None:
        raise BadInput(
            f"The learner begins with {first}, which takes raw items, so it needs no encoder. Leave {named('encoder')} "
            "out, or that step."
        )
    for _, step in steps[:-1]:
        tags = getattr(step, "__sklearn_tags__", None)
        if tags is not None and tags().target_tags.required:
            raise BadInput(f"{type(step).__name__} learns from labels. {ONLY_THE_LAST}")
    return PipelineEncoder(learner[:-1], kind), steps[-1][1]


def _takes(step: Any) -> str | None:
    """The kind of raw items that a step takes; None where it takes features."""
    from sklearn.compose import ColumnTransformer

    if isinstance(step, ColumnTransformer):
        named_ = [columns for _, _, columns in step.transformers]
        text = [isinstance(c, str) or (isinstance(c, list) and any(isinstance(one, str) for one in c)) for c in named_]
        return "table" if any(text) else None
    tags = getattr(step, "__sklearn_tags__", None)
    return "text" if tags is not None and tags().input_tags.string else None


def checked(result: Any, n: int, name: str) -> Matrix:
    """What an encoder of somebody's gave as (n, d) float32 features, dense or CSR.

    Raises:
        ContractError: It is something else, or holds NaN or infinity.
    """
    if hasattr(result, "tocsr"):
        features = result.tocsr().astype(np.float32)
        values = features.data
    else:
        values = features = np.asarray(result, dtype=np.float32)
    if len(features.shape) != 2 or features.shape[0] != n:
        raise ContractError(
            f"Encoder {name!r} returned shape {tuple(features.shape)} for {n} items; it must return ({n}, d)."
        )
    if not np.isfinite(values).all():
        rows = np.flatnonzero(~np.isfinite(np.asarray(features.sum(axis=1)).ravel()))
        raise ContractError(f"Encoder {name!r} returned NaN or infinity, first for item {rows[0] + 1}.")
    return features


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
