"""Items that somebody searches for while labeling: those with the words, then those most like them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from askwise.core import Array, BadInput
from askwise.hints import LONGEST

FOUND, ALIKE = "search", "search by likeness"
"""What is said of a question that holds the words, and of one that is only like them, in the place of a strategy."""
MOST = 20
"""Items that one search puts before the next questions."""


def wanted(text: object, n: object) -> str:
    """The words of a search, looked at.

    Args:
        text: What somebody typed.
        n: How many items they would like.

    Raises:
        BadInput: No words, too many characters, or a number that is not allowed.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        shown = repr(text[:60]) if isinstance(text, str) else repr(text)
        raise BadInput(f"A search needs words that an item may hold, at most {LONGEST:,} characters; got {shown}.")
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise BadInput(f"A search gives 1 to {MOST} items at a time; got n={n!r}. Search again for more.")
    return text.strip()


def holding(rows: Iterable[int], texts: Callable[[int], Sequence[str]], text: str) -> list[int]:
    """The rows that hold all words of the text, whatever the case; those that hold it as it stands come first.

    Args:
        rows: Row numbers.
        texts: Row → its texts.
        text: What is searched for.
    """
    whole = text.casefold()
    words = re.findall(r"\w+", whole) or [whole]
    exact, loose = list[int](), list[int]()
    for row in rows:
        found = "\n".join(texts(row)).casefold()
        if whole in found:
            exact.append(row)
        elif all(word in found for word in words):
            loose.append(row)
    return exact + loose


def chosen(hits: Sequence[int], like: Array | None, free: Array, n: int) -> list[tuple[int, str]]:
    """(row, `FOUND` or `ALIKE`) of the items to ask about.

    Args:
        hits: Rows that hold the words.
        like: (m,) cosine of each of the first m rows and the words; None where nobody can tell.
        free: (n,) bool, which rows may be asked.
        n: How many at most.
    """
    found = [(row, FOUND) for row in hits[:n]]
    if like is None or len(found) == n:
        return found
    open_ = np.flatnonzero(free[: len(like)])
    best = open_[np.argsort(-like[open_], kind="stable")]
    held = set(hits)
    more = [(row, ALIKE) for row in best[like[best] > 1e-6].tolist() if row not in held]
    return found + more[: n - len(found)]
