"""What `select` looks at in what it is given, and in what strategies and learners return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from askwise import learners, signals
from askwise.core import Array, BadInput, ContractError, Matrix, Rows, unknown
from askwise.features import as_features, check_finite, computable
from askwise.scores import array_namespace
from askwise.strategies.registry import Combinator, Strategy

if TYPE_CHECKING:
    from askwise.engine.selection import _Pool

SUM_SLACK = 0.02
"""How far from 1 given probabilities may add up to: float16 and some classifiers are no better."""
_CALLER = ("labeled_rows", "n_labeled", "sample")
"""Words that `given` may hold beside the signals and shared inputs."""


def check_candidates(candidates: Any, n: int, name: str = "candidates") -> Rows:
    """Ascending row numbers."""
    if candidates is None:
        return np.arange(n)
    try:
        rows = np.asarray(candidates)
    except ValueError as error:
        raise BadInput(f"{name} must be row numbers, one dimension of integers: {error}.") from error
    if rows.size == 0 and rows.dtype.kind in "biuf":
        return np.zeros(0, np.intp)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise BadInput(
            f"{name} must be row numbers (one dimension of integers), got {rows.dtype} of shape {rows.shape}. "
            "For a mask use np.flatnonzero(mask)."
        )
    if not (rows[1:] > rows[:-1]).all():
        rows = np.sort(rows)
        rows = rows[np.append(True, rows[1:] > rows[:-1])]
    if rows[0] < 0 or rows[-1] >= n:
        raise BadInput(f"{name} must be rows 0 to {n - 1}, got {rows[0]} to {rows[-1]}.")
    return rows.astype(np.intp)


def check_given(given: Mapping[str, Any] | None, n: int) -> dict[str, Any]:
    """What the caller knows already, each as an array that goes with the pool of n rows."""
    checked = dict(given or {})
    for name, value in checked.items():
        scope, base = signals.split(name)
        if name in _CALLER or name in signals.SHARED or scope:
            checked[name] = _check_shared(name, value() if callable(value) else value)
        elif base not in signals.known() or name == "noise":
            raise unknown("signal", name, (*signals.known(), *_CALLER))
        elif not callable(value):
            checked[name] = check_rows(name, value, n)
    if "n_labeled" in checked and (not whole(checked["n_labeled"]) or checked["n_labeled"] < 0):
        raise BadInput(f"given['n_labeled'] must be a number of labels, 0 or more, got {checked['n_labeled']!r}.")
    _check_labeled(checked, n)
    return checked


def _check_labeled(given: dict[str, Any], n: int) -> None:
    """What is given of the labeled rows, each as long as they are; rows ascending, the rest in their order."""
    first = None
    if "labeled_rows" in given:
        rows = np.asarray(given["labeled_rows"])
        given["labeled_rows"] = check_candidates(rows, n, "labeled_rows")
        first = np.unique(rows, return_index=True)[1]
        if "labeled" not in given:
            given.setdefault("labeled_order", np.arange(len(rows)))
    told = ("labeled_y", "labeled_order")
    for name in [name for name in given if name in told or signals.split(name)[0] == "labeled_"]:
        length, axis = given[name].shape[signals.axis(name)], signals.axis(name)
        expected = None if first is None else len(rows)
        if "labeled" in given:
            expected = given["labeled"].shape[0]
        if length != expected:
            raise BadInput(
                f"given[{name!r}] must have one entry for each labeled row, in the order of given['labeled_rows'] or "
                f"given['labeled'], got {length} for {expected or 'no'} rows."
            )
        if first is not None and "labeled" not in given:
            given[name] = np.take(given[name], first, axis=axis)


def _check_shared(name: str, value: Any) -> Any:
    """What is given for the whole call, as arrays of finite numbers."""
    if name in ("labeled_rows", "n_labeled"):
        return value
    what, base = f"given[{name!r}]", signals.split(name)[1]
    if name in ("labeled", "sample") or base == "embedding":
        empty = not hasattr(value, "shape") and not len(value)
        checked = as_features(np.zeros((0, 0)) if empty else value, what)
        check_finite(checked, name=what)
        return checked if checked.dtype == np.float16 else computable(checked)
    array = _array(what, value)
    if base == "proba":
        _check_proba(what, array)
    if array.dtype.kind == "f" and name != "labeled_y" and not np.isfinite(array).all():
        raise BadInput(f"{what} holds {_worst(array)}; it must hold finite numbers.")
    return array


def check_rows(name: str, value: Any, n: int) -> Any:
    """A signal that the caller gives, one entry for each of the n rows of the pool."""
    what = f"given[{name!r}]"
    if name == "embedding":
        value = as_features(value, what)
        if hasattr(value, "tocsr"):
            raise BadInput(f"{what} must be dense, got a sparse matrix; askwise.signals.project(matrix) makes it so.")
        value = value if value.dtype == np.float16 else computable(value)
    elif isinstance(value, (list, tuple)) or hasattr(value, "to_numpy"):
        value = _array(what, value)
    axis = signals.axis(name)
    rows = value.shape[axis] if getattr(value, "ndim", 0) > axis else len(value) if hasattr(value, "__len__") else None
    if rows != n:
        raise BadInput(f"{what} must have one entry for each of the {n} rows of the pool, got {rows}.")
    if name == "proba" and isinstance(value, np.ndarray):
        _check_proba(what, value)
    return value


def _array(what: str, value: Any) -> Array:
    try:
        array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{what} must be an array: {error}.") from error
    if array.dtype.kind not in "biuf" and what != "given['classes']":
        raise BadInput(f"{what} must hold numbers, got {array.dtype}.")
    return array


def _check_proba(what: str, proba: Array) -> None:
    """Probabilities: 0 to 1, and for each row 1 together, but for rounding."""
    if proba.ndim not in (2, 3) or not proba.size:
        return  # what uses it says so
    total = proba.sum(-1, dtype=np.float64)
    away = np.abs(total - 1)
    # written so that NaN counts as wrong
    good = (away <= SUM_SLACK) & (proba.min(-1) >= -SUM_SLACK)
    if not good.all():
        row = np.argwhere(~good)[0]
        raise BadInput(
            f"{what} must hold probabilities, 0 to 1 and together 1 in each row; those of row {int(row[0])} are "
            f"{np.array2string(proba[tuple(row)][:5], precision=4)} with the sum {total[tuple(row)]:.4g}."
        )


def _worst(array: Array) -> str:
    return "NaN" if np.isnan(array).any() else "infinity"


def whole(number: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


_OUTPUTS = signals.FROM_MODEL - {"flips", "whitened"}
"""Signals for which the features go through the learner alone."""


def check_features(pool: _Pool, strategy: Strategy) -> None:
    """Look once at every number that is going to be read."""
    names = {*signals.needs(strategy.score), *signals.needs(strategy.pick)} - {"score", "k", "rng"}
    bases = {signals.split(name)[1] for name in names if name not in pool.given}
    cold = isinstance(strategy, Combinator) or pool.cold(strategy)
    if not cold and not any(signals.from_learner(base) or base in ("labeled", "pool_mean") for base in bases):
        return  # nobody reads them
    missing = (
        not cold and bases <= {*_OUTPUTS, *signals.SUPPLIED, "temperature"} and learners.takes_missing(pool.learner)
    )
    labeled = pool.given.get("labeled_rows") if "labeled" not in pool.given else None
    rows = pool.candidates
    if labeled is not None and len(labeled) and len(rows) < pool.n:
        rows = np.union1d(rows, labeled)
    check_finite(pool.X, rows, missing=missing)


def check_signal(name: str, value: Any, rows: Rows) -> None:
    """Refuse a signal that has not one finite entry for each row."""
    axis = signals.axis(name)
    if value.ndim <= axis or value.shape[axis] != len(rows):
        raise ContractError(
            f"The signal {name!r} must have one entry for each of {len(rows)} rows, got shape {tuple(value.shape)}."
        )
    dims = {"proba": (2, 3), "committee": (3, 4)}.get(name, ())  # several labels: (n, labels, 2)
    if dims and value.ndim not in dims:
        raise ContractError(f"The signal {name!r} must have {dims[0]} dimensions, got shape {tuple(value.shape)}.")
    if signals.needs_learner(name):
        xp = array_namespace(value)
        while value.ndim > axis + 1:
            value = xp.sum(value, axis=-1)
        finite = np.isfinite(as_numpy(value))
        bad = ~(finite.all(0) if axis else finite)
        if bad.any():
            raise ContractError(f"The learner's {name!r} of row {rows[bad.argmax()]} holds NaN or infinity.")


def check_score(name: str, score: Any, rows: Rows) -> Array:
    """(n,) finite float64 scores, or the error that names the row."""
    values = as_numpy(score)
    if values.shape != (len(rows),) or values.dtype.kind not in "fiub":
        raise ContractError(
            f"The score of {name!r} must return one number for each of {len(rows)} rows, "
            f"got {values.dtype} of shape {values.shape}."
        )
    values = values.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(bad.argmax())
        raise ContractError(f"The score of {name!r} is {values[at]} at row {rows[at]}; scores must be finite.")
    return values


def as_numpy(array: Any) -> Array:
    """A NumPy view or copy; tensors come back from their device."""
    detach: Callable[[], Any] | None = getattr(array, "detach", None)
    return np.asarray(detach().cpu() if detach is not None else array)


def take(X: Matrix, rows: Rows) -> Matrix:
    """Some rows of the features, as learners take them."""
    return computable(X[rows])


def only_the_caller(name: str) -> BadInput:
    """The error for a signal that neither features nor learner give."""
    return BadInput(
        f"The strategy needs {name!r}, which only the caller can give: select(..., given={{{name!r}: ...}})."
    )
