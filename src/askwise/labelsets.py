"""Sets of labels as one text, so that an item with several labels is right or wrong as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from askwise.core import BadInput, unknown

SEPARATOR = "|"
"""Between the labels of a set; the default of pandas' `str.get_dummies`."""
NONE = "(none)"
"""The empty set: somebody looked, and no label applies."""


def labels_of(written: str) -> tuple[str, ...]:
    """The labels of a written set, as they stand there; blanks around them and empty ones are dropped."""
    if written.strip() == NONE:
        return ()
    return tuple(name for part in written.split(SEPARATOR) if (name := part.strip()))


def write_set(labels: Iterable[str], order: Sequence[str]) -> str:
    """A set of labels as text: each once, in the order of the session's labels; `NONE` where there is none.

    Args:
        labels: Some of `order`.
        order: All labels of the session. Later ones are only ever added at its end, so what is written stays.

    Raises:
        BadInput: One of them is not known.
    """
    wanted = set(labels)
    strange = sorted(wanted - set(order))
    if strange:
        raise unknown("label", strange[0], order)
    return SEPARATOR.join(name for name in order if name in wanted) or NONE


def check_label(name: str) -> str:
    """The label, if a set can be written with it.

    Raises:
        BadInput: It holds the separator, or means the empty set.
    """
    if SEPARATOR in name or name == NONE:
        raise BadInput(
            f"With several labels an item, the label {name!r} cannot be told from a set of labels: {SEPARATOR!r} "
            f"stands between labels and {NONE!r} for none of them. Give it another name."
        )
    return name
