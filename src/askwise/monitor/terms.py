"""What a monitor is begun with, checked: the model, the terms, items."""

from __future__ import annotations

from typing import Any

import numpy as np

from askwise.audit import drift
from askwise.core import BadInput
from askwise.options import named


def checked_model(model: Any) -> Any:
    """A fitted model, which can be watched."""
    if not hasattr(model, "seen") or not hasattr(model, "labels_"):
        raise BadInput(
            f"A monitor watches a fitted model, got one {type(model).__name__}: take session.model(), or one that "
            "askwise.model.load reads."
        )
    return model


def checked_terms(terms: Any) -> dict[str, Any]:
    """The terms of a monitor as JSON-able data."""
    found = dict(terms)
    if set(found) != {"max_error", "confidence", "check_share", "least", "planned", "compare", "seed"}:
        raise BadInput("The terms of the monitor are not whole. The file is damaged.")
    for name in ("max_error", "confidence", "check_share", "least"):
        value = found[name]
        if value is None and name == "least":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
            raise BadInput(f"{named(name)} is a share, a number between 0 and 1, got {value!r:.60}.")
        found[name] = float(value)
    for name, usual in (("max_error", "0.02"), ("confidence", "0.95")):
        if not 0 < found[name] < 1:
            raise BadInput(f"{named(name)} must be strictly between 0 and 1, got {found[name]!r}; {usual} is usual.")
    if not found["check_share"] > 0:
        raise BadInput(
            f"{named('check_share')} must be above 0: without checks nothing can be said of new items; 0.1 is usual."
        )
    planned = found["planned"]
    if not isinstance(planned, list | tuple) or len(planned) != 2 or not all(count(n) for n in planned):
        raise BadInput(
            f"{named('planned')} is (checks, wrong) of the old certificate, two counts; got {planned!r:.60}."
        )
    found["planned"] = [int(n) for n in planned]
    drift.planned_weights(int(planned[0]), int(planned[1]), found["max_error"])
    if found["compare"] not in ("all", "confident"):
        raise BadInput(f"{named('compare')} is 'all' or 'confident', got {found['compare']!r:.60}.")
    if not count(found["seed"]):
        raise BadInput(f"{named('seed')} is a whole number, 0 or more, got {found['seed']!r:.60}.")
    found["seed"] = int(found["seed"])
    return found


def count(value: Any) -> bool:
    """Whether it is a whole number, 0 or more."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 0)


def length(items: Any) -> int:
    """How many items are given."""
    if isinstance(items, str | bytes) or not hasattr(items, "__len__"):
        raise BadInput(f"Give a list of items, not one {type(items).__name__}: [item].")
    return len(items)


def identity(model: Any) -> list[Any]:
    """By which a model is known again, as far as it can be known."""
    card = model.card
    return [
        model.kind, model.task, [str(name) for name in model.labels_],
        None if card is None else [card.log, card.version, card.pool, card.labels],
    ]  # fmt: skip
