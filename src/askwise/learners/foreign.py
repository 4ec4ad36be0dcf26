"""What a user's estimator is, takes and wants, before it is asked to learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise.core import Array, AskwiseError, BadInput, ContractError, Matrix
from askwise.features import as_features
from askwise.learners import committees
from askwise.values import label_name

NOUNS = {
    "outlier_detector": "an outlier detector: it learns no classes",
    "clusterer": "a clusterer: its clusters are no classes",
    "density_estimator": "a density estimator: it learns no classes",
    "regressor": "a regressor",
    "classifier": "a classifier",
}
ENCODERS = ("VotingClassifier", "StackingClassifier", "BaggingClassifier")
"""Ensembles that number the classes before their parts see them."""
BINARY = ("OneVsRestClassifier", "OneVsOneClassifier", "OutputCodeClassifier")
"""Wrappers whose parts see 0 and 1 for rest and class: what they say of 0 and 1 is about these."""
ARRAYS = ("priors", "class_prior")
"""Settings with one number for each class, in alphabetical order as scikit-learn has them."""


def kind_of(estimator: Any) -> str | None:
    """What it calls itself: classifier, regressor, outlier_detector, clusterer …; None where it does not say."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    if tags is not None:
        try:
            return None if tags().estimator_type is None else str(tags().estimator_type)
        except AttributeError:  # a mixture of old and new scikit-learn
            pass
    kind = getattr(estimator, "_estimator_type", None)
    return kind if isinstance(kind, str) else None


def check_kind(estimator: Any, wanted: str) -> None:
    """Refuse what says of itself that it is something else.

    Raises:
        BadInput: say an outlier detector where a classifier is wanted.
    """
    kind = kind_of(estimator)
    if kind in NOUNS and kind != wanted:
        raise BadInput(
            f"The learner must be a {wanted}; {type(committees.final(estimator)).__name__} is {NOUNS[kind]}. "
            + ("Take one such as LogisticRegression()." if wanted == "classifier" else "Take one such as Ridge().")
        )


def check_classifier(learner: Any, task: str) -> None:
    """What `select` refuses at its door: a class instead of an instance, and what learns neither classes nor numbers.

    Raises:
        BadInput: see above.
    """
    if isinstance(learner, type):
        raise BadInput(f"The learner must be a fitted instance, got the class {learner.__name__}.")
    if learner is not None and task != "regression" and kind_of(learner) not in ("regressor", None):
        check_kind(learner, "classifier")


def takes_missing(learner: Any) -> bool:
    """Whether NaN among the features is the learner's own business; what does not say so is believed to cope."""
    estimator = getattr(learner, "estimator", learner) if type(learner).__module__.startswith("askwise.") else learner
    if estimator is None or (estimator is learner and type(learner).__module__.startswith("askwise.")):
        return False
    while committees.searches(estimator):
        estimator = estimator.estimator
    for step in (
        [part for _, part in estimator.steps] if isinstance(getattr(estimator, "steps", None), list) else [estimator]
    ):
        if type(step).__module__.startswith("sklearn.impute"):
            return True
        tags = getattr(step, "__sklearn_tags__", None)
        if tags is not None and not tags().input_tags.allow_nan:
            return False
    return True


def as_given(X: Any) -> Matrix:
    """Features for an estimator: frames as they are, for pipelines that choose columns by name; float16 widened."""
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        return X
    A = as_features(X)
    return A.astype(np.float32) if A.dtype == np.float16 else A


def fitted(estimator: Any, X: Matrix, y: Array) -> Any:
    """Fit, whatever it raises told in one sentence.

    Raises:
        BadInput: sparse features that it does not take.
        ContractError: it failed.
    """
    try:
        with warnings.catch_warnings():
            # a rare class with fewer labels than folds is nothing the caller could change
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            estimator.fit(X, y)
    except (AskwiseError, MemoryError):
        raise
    except Exception as error:  # whatever a plug-in may raise
        who, said = type(committees.final(estimator)).__name__, " ".join(str(error).split())[:400]
        if hasattr(X, "tocsr") and isinstance(error, TypeError | ValueError) and "sparse" in str(error).lower():
            raise BadInput(
                f"{who} does not take sparse features ({said}). Put a TruncatedSVD before it in a pipeline, or use an "
                "encoder that gives dense features."
            ) from error
        raise ContractError(f"{who} could not learn from {X.shape[0]} rows: {type(error).__name__}: {said}") from error
    return estimator


def answered(estimator: Any, method: str, X: Matrix) -> Array:
    """What a method says of some rows: (n, classes) numbers, or (n,) decisions between two classes.

    Raises:
        BadInput: it learned several columns of labels.
        ContractError: it failed, or what it says is something else.
    """
    who = f"{method} of {type(committees.final(estimator)).__name__}"
    try:
        found = getattr(estimator, method)(X)
    except (AskwiseError, MemoryError):
        raise
    except Exception as error:  # whatever a plug-in may raise
        said = " ".join(str(error).split())[:400]
        raise ContractError(f"{who} failed on {X.shape[0]} rows: {type(error).__name__}: {said}") from error
    if isinstance(found, list | tuple) and len(found) != X.shape[0]:
        raise BadInput(
            f"{who} gives {len(found)} arrays, one for each column of labels; take adapt_multilabel(estimator) for "
            "items with several labels."
        )
    P = np.asarray(found.to_numpy() if hasattr(found, "to_numpy") else found)
    dims = (1, 2) if method == "decision_function" else (2,)
    if P.dtype.kind not in "biuf" or P.ndim not in dims or len(P) != X.shape[0]:
        raise ContractError(
            f"{who} must give a row of numbers for each of {X.shape[0]} rows, got {P.dtype} of shape {P.shape}."
        )
    return P


# ── settings for each class ─────────────────────────────────────────────────────────────────


def per_class(estimator: Any) -> dict[str, Any]:
    """Settings that name classes, or count them: path as in `get_params` → value."""
    if not hasattr(estimator, "get_params"):
        return {}
    found = {}
    for path, value in estimator.get_params(deep=True).items():
        name = path.rpartition("__")[2]
        named = name in ("class_weight", "class_weights") and not isinstance(value, str | type(None))
        if (named or (name in ARRAYS and value is not None)) and not _inside(estimator, path, BINARY):
            found[path] = value
    return found


def weighs_places(estimator: Any) -> bool:
    """Whether parts see 0 and 1 for rest and class, and weigh these: then classes must be in their usual order."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    return any(
        path.rpartition("__")[2] == "class_weight" and isinstance(value, dict) and _inside(estimator, path, BINARY)
        for path, value in params.items()
    )


def positive_weight(estimator: Any) -> float | None:
    """`scale_pos_weight`, where it is set: it counts for the second of two classes, whichever that is."""
    for path, value in estimator.get_params(deep=True).items() if hasattr(estimator, "get_params") else ():
        if path.rpartition("__")[2] == "scale_pos_weight" and value not in (None, 1, 1.0):
            return float(value)
    return None


def translated(
    estimator: Any, told: Sequence[Any], texts: Sequence[str], every: Sequence[str] | None = None
) -> dict[str, Any]:
    """Settings in the labels that the estimator is going to see, those that change.

    Args:
        estimator: Has `get_params`.
        told: What it will be told for each class, in any order.
        texts: The same classes by name.
        every: Names of all classes there are, with those without a label yet; None = nobody knows.

    Raises:
        BadInput: a setting names a class that there is not, or is for another number of classes.
    """
    order = sorted(range(len(told)), key=lambda i: told[i])
    changed = {}
    for path, value in per_class(estimator).items():
        seen = list(range(len(told)))
        if _inside(estimator, path, ENCODERS):
            for place, i in enumerate(order):
                seen[i] = place
            values: Sequence[Any] = seen
        else:
            values = told
        if isinstance(value, dict):
            new: Any = _weights(path, value, values, texts, every)
        elif isinstance(value, list | tuple | np.ndarray) and not _nested(value):
            new = _shares(path, value, texts, every)
        else:
            continue
        if not _alike(new, value):
            changed[path] = new
    return changed


def _weights(
    path: str, value: dict[Any, Any], told: Sequence[Any], texts: Sequence[str], every: Sequence[str] | None
) -> dict[Any, Any]:
    by_name = {str(label_name(key)): weight for key, weight in value.items()}
    known = list(every) if every else list(texts)
    strange = [name for name in by_name if name not in known]
    if strange and (every or not set(by_name) & set(texts)):
        raise BadInput(
            f"{path} of the learner names {', '.join(map(repr, strange[:5]))}, but the classes are "
            f"{', '.join(map(repr, known[:10]))}. Write it by label: {{{known[0]!r}: …}}."
        )
    return {_plain(one): by_name.get(text, 1.0) for one, text in zip(told, texts, strict=True)}


def _shares(path: str, value: Any, texts: Sequence[str], every: Sequence[str] | None) -> Any:
    """Of numbers for each class, those of the classes seen, adding up to what all of them did."""
    names = sorted(every or texts)
    if len(value) != len(names):
        raise BadInput(
            f"{path} of the learner has {len(value)} numbers, but there are {len(names)} classes; give one for each, "
            f"in the order {', '.join(map(repr, names[:10]))}."
        )
    chosen = np.array([float(value[names.index(text)]) for text in sorted(texts)])
    if len(texts) < len(names) and path.rpartition("__")[2] in ARRAYS:
        chosen = chosen / chosen.sum() * float(np.sum(value))
    return chosen


def _alike(new: Any, value: Any) -> bool:
    if isinstance(new, dict):
        return bool(new == value and {type(k) for k in new} == {type(_plain(k)) for k in value})
    return len(new) == len(value) and bool(np.array_equal(new, np.asarray(value, float)))


def _nested(value: Any) -> bool:
    return any(isinstance(one, dict | list | tuple) for one in value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _inside(estimator: Any, path: str, kinds: tuple[str, ...]) -> bool:
    """Whether the setting belongs to a part of an estimator of such a class."""
    params = estimator.get_params(deep=True)
    holders = [estimator]
    pieces = path.split("__")
    for i in range(1, len(pieces)):
        holders.append(params.get("__".join(pieces[:i])))
    return any(type(holder).__name__ in kinds for holder in holders[:-1])
