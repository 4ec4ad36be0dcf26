"""Sets of labels as one text, so that an item with several labels is right or wrong as a whole."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence

from askwise.core import BadInput, unknown
from askwise.values import Spelling, label_name, why_no_label

SEPARATOR = "|"
"""Between the labels of a set; the default of pandas' `str.get_dummies`."""
NONE = "(none)"
"""The empty set: somebody looked, and no label applies."""
DIGITS = "1234567890"
"""The keys that choose labels, in the order in which labels get them."""


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


def labels_in_line(text: str, option: str, fewest: int = 2) -> list[str]:
    """Labels that are written as one line of a CSV: a label with a comma stands in double quotes.

    Args:
        text: Such as `yes,no`, or `"Food, drink",other`.
        option: Where it comes from, for messages.
        fewest: Labels that are needed.

    Raises:
        BadInput: Quotes that are not closed or stand inside a label, a label twice, too few, control characters.
    """
    try:
        cells = next(csv.reader([text], skipinitialspace=True, strict=True), [])
        wrong = any('"' in cell for cell in cells) and '""' not in text
    except csv.Error:
        cells, wrong = [], True
    if wrong:
        raise BadInput(
            f"The quotes in {option} {text!r} are not those of a CSV. A label with a comma stands in double quotes, "
            f"a double quote in it is written twice: {option} '\"Food, drink\",other'"
        )
    names = []
    for cell in cells:
        name = label_name(cell)
        if name is None:
            raise BadInput(f"{option} {text!r} holds a label {why_no_label(cell)}. Leave that character out.")
        names += [name] * bool(name)
    spelling = Spelling()
    twice = next((name for at, name in enumerate(names) if spelling.of(name) in names[:at]), None)
    if twice is not None:
        raise BadInput(f"{option} names {twice!r} twice.")
    if len(names) < fewest:
        least = "two labels are" if fewest > 1 else "one label is"
        raise BadInput(f"At least {least} needed, got {len(names)} in {option} {text!r}. Example: {option} yes,no")
    return names


def digit_keys(labels: Sequence[str]) -> dict[str, str]:
    """Key → label. A label that is a digit has that key; the others get the keys that are left, in their order."""
    own = {label: label for label in labels if label in DIGITS and len(label) == 1}
    left = (key for key in DIGITS if key not in own)
    others = (label for label in labels if label not in own)
    found = own | dict(zip(left, others, strict=False))
    return {key: found[key] for key in DIGITS if key in found}
