"""Where labels of which there is no example might be: at items most like what was said of the label.

A label's name, its description and the words that a person gave for it are a hint, not a rule: of 77 banking intents
the item most like the name is one of it in 78 of 100 cases, of spam it hardly ever is. So only a few items are asked
for each, in turns with those that the strategy chose, and they are chosen questions like any other: no check item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Label, Matrix

HINT = "hint"
"""What is said of a question that was asked for such a reason, in the place of a strategy."""
BY_NAME, BY_EXAMPLE = 3, 10
"""Items that are asked for a label that has a name only, and for one of which somebody gave words."""
LONGEST = 10_000
"""Characters of an example."""


@dataclass(frozen=True)
class Hint:
    """What is known of a label without an example."""

    text: str
    """Like this its items may be."""
    tries: int
    """So many of the items most like it are asked."""


def of_label(name: Label, description: str, examples: Sequence[str]) -> list[Hint]:
    """What its name and description say together, and each example by itself."""
    words = " ".join(re.sub(r"[\W_]+", " ", re.sub(r"([a-z])([A-Z])", r"\1 \2", name)).split())
    said = [Hint(f"{words} {description}".strip(), BY_NAME)] if words or description else []
    return [*(Hint(text, BY_EXAMPLE) for text in examples), *said]


def check(examples: Mapping[Label, Any], labels: Sequence[Label], named: str) -> list[list[str]]:
    """(label, text) of each example, as the log has them.

    Args:
        examples: Label → one text or some.
        labels: Those there are.
        named: What the examples are called at this door.

    Raises:
        BadInput: An unknown label, or no text.
    """
    found = []
    for label, texts in examples.items():
        if label not in labels:
            raise BadInput(f"{named} names the label {label!r}, and the labels are {', '.join(labels) or 'not known'}.")
        for text in [texts] if isinstance(texts, str) else texts:
            if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
                raise BadInput(
                    f"{named} gives words that an item of {label!r} may hold, at most {LONGEST:,} characters; "
                    f"got {str(text)[:60]!r}."
                )
            found.append([label, text])
    return found


class Nearest:
    """Finds the items of a pool that are most like some texts; remembers what it found."""

    def __init__(self) -> None:
        self._found: dict[Hint, Array] = {}
        self._n = -1

    def __call__(self, hints: Sequence[Hint], X: Matrix, encode: Callable[[list[str]], Matrix]) -> list[Array]:
        """Of each hint the (tries,) rows most like it, by the cosine of their features, most alike first.

        Args:
            hints: What is looked for; without anything in common with the pool nothing is found.
            X: (n, d) features of the pool, dense or CSR.
            encode: Texts → features.
        """
        n = int(X.shape[0])
        if n != self._n:
            self._found, self._n = {}, n
        new = [hint for hint in dict.fromkeys(hints) if hint not in self._found]
        if new:
            alike = likeness(X, encode([hint.text for hint in new]))
            for hint, like in zip(new, alike.T, strict=True):
                best = np.argsort(-like, kind="stable")[: hint.tries]
                self._found[hint] = best[like[best] > 1e-6]
        return [self._found[hint] for hint in hints]


def likeness(X: Matrix, H: Matrix) -> Array:
    """(n, t) how much each item is like each text: the cosine of their features, times the length of the text's.

    Args:
        X: (n, d) features of the items, dense or CSR.
        H: (t, d) of the texts.
    """
    lengths = np.maximum(_lengths(X), 1e-12)
    return np.asarray((X @ H.T).todense() if hasattr(X, "tocsr") else X @ H.T) / lengths[:, None]


def _lengths(X: Matrix) -> Array:
    squares = X.multiply(X).sum(1) if hasattr(X, "tocsr") else np.einsum("ij,ij->i", X, X)
    return np.sqrt(np.asarray(squares, np.float64)).ravel()


def between(queue: list[tuple[int, float, str]], near: Sequence[Array], free: Array) -> list[tuple[int, float, str]]:
    """The queue of a ranking, with a hinted item before each of its first ones, as long as there are such.

    Args:
        queue: (row, score, part of the strategy), best first.
        near: Rows of each hint, from `Nearest`; of each the first that may be asked comes next.
        free: (n,) bool, whether a row may be asked.
    """
    hinted: list[int] = []
    for rows in near:
        left = [int(row) for row in rows if free[row] and int(row) not in hinted]
        hinted += left[:1]
    place = {row: score for row, score, _ in queue}
    rest = [one for one in queue if one[0] not in set(hinted)]
    found: list[tuple[int, float, str]] = []
    for at, row in enumerate(hinted):
        found += [(row, place.get(row, 0.0), HINT), *rest[at : at + 1]]
    return found + rest[len(hinted) :]
