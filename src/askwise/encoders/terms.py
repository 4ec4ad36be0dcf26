"""Words and pieces of words in texts, counted: each text is read once, each different word of it taken apart once."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from askwise.core import Array
from askwise.notices import each

WORD = re.compile(r"(?u)\b\w+\b")
"""One-letter words count, and there is no list of stop words: both tell spam from ham."""
PIECES = (3, 4, 5)
"""Lengths of the pieces that a word is taken apart into, a space on each side of it included."""


class Terms:
    """Terms of one kind with a weight each; counts and weights are those of scikit-learn's `TfidfVectorizer`.

    Args:
        analyzer: "word" for words and pairs of words, "char_wb" for pieces of words: scikit-learn's names.
    """

    def __init__(self, analyzer: str) -> None:
        self.analyzer = analyzer
        self.vocabulary_: dict[str, int] = {}
        self.idf_: Array = np.empty(0, np.float32)

    def learn(self, texts: Sequence[str]) -> Any | None:
        """Learn the terms that occur in two of (n,) folded texts, in one where none occurs in two.

        Returns:
            (n, terms) weights of the texts, as `weigh` gives them; None where there is no term at all.
        """
        count = _words if self.analyzer == "word" else _pieces
        counts, names = count(texts)
        if not counts.shape[1]:
            return None
        texts_with = np.bincount(counts.indices, minlength=counts.shape[1])
        chosen = np.flatnonzero(texts_with >= (2 if texts_with.max() >= 2 else 1))
        terms = names(chosen)
        order = np.array(sorted(range(len(terms)), key=terms.__getitem__), np.intp)
        counts = counts[:, chosen[order]]
        counts.sort_indices()
        self.vocabulary_ = {terms[at]: column for column, at in enumerate(order.tolist())}
        df = texts_with[chosen[order]].astype(np.float32) + np.float32(1)
        self.idf_ = np.log(np.full_like(df, counts.shape[0] + 1) / df) + np.float32(1)
        return self._weighed(counts)

    def weigh(self, texts: Sequence[str]) -> Any:
        """(n, terms) float32 CSR weights of (n,) folded texts: 1 + log of the count, times the weight of the term;
        rows of length 1, or empty (Salton & Buckley, 1988).
        """
        count = _known_words if self.analyzer == "word" else _known_pieces
        return self._weighed(count(texts, self.vocabulary_))

    def _weighed(self, counts: Any) -> Any:
        from sklearn.preprocessing import normalize

        counts.data = (np.log(counts.data) + np.float32(1)) * self.idf_[counts.indices].astype(np.float32)
        return normalize(counts, norm="l2", copy=False)


class _Numbers(dict[str, int]):
    """Numbers things in the order in which they are met."""

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        return number


def _read(texts: Sequence[str], divide: Callable[[str], list[str]]) -> tuple[list[str], Array, Array]:
    """(different words, (m,) numbers of all words in their order, (m,) the text of each)."""
    known, found, lengths = _Numbers(), array("q"), []
    for text in each("reading the words", texts):
        words = divide(text)
        lengths.append(len(words))
        found.extend([known[word] for word in words])
    return list(known), np.array(found, np.int64), np.repeat(np.arange(len(texts)), lengths)


def _counted(rows: Array, columns: Array, shape: tuple[int, int]) -> Any:
    """CSR of how often each column stands beside each row, float32, in order."""
    from scipy import sparse

    counts = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape, dtype=np.float32)
    counts.sum_duplicates()
    return counts


def _words(texts: Sequence[str]) -> tuple[Any, Callable[[Array], list[str]]]:
    """((n, terms) counts of words and pairs, what names terms by their numbers)."""
    words, found, text = _read(texts, WORD.findall)
    beside = np.flatnonzero(text[1:] == text[:-1])
    pairs, pair = np.unique(found[beside] * len(words) + found[beside + 1], return_inverse=True)

    def names(terms: Array) -> list[str]:
        first, second = np.divmod(pairs[terms[terms >= len(words)] - len(words)], max(1, len(words)))
        single = [words[at] for at in terms[terms < len(words)].tolist()]
        return single + [f"{words[a]} {words[b]}" for a, b in zip(first.tolist(), second.tolist(), strict=True)]

    columns = np.concatenate([found, pair.reshape(-1) + len(words)])
    return _counted(np.concatenate([text, text[beside]]), columns, (len(texts), len(words) + len(pairs))), names


def _known_words(texts: Sequence[str], vocabulary: Mapping[str, int]) -> Any:
    words, found, text = _read(texts, WORD.findall)
    column = np.array([vocabulary.get(word, -1) for word in words], np.int64)
    beside = np.flatnonzero(text[1:] == text[:-1])
    # a pair is known only where its words are: they occur wherever it does
    beside = beside[(column[found[beside]] >= 0) & (column[found[beside + 1]] >= 0)]
    pairs, pair = np.unique(found[beside] * len(words) + found[beside + 1], return_inverse=True)
    first, second = np.divmod(pairs, max(1, len(words)))
    of_pair = np.array(
        [vocabulary.get(f"{words[a]} {words[b]}", -1) for a, b in zip(first.tolist(), second.tolist(), strict=True)],
        np.int64,
    )
    rows, columns = np.concatenate([text, text[beside]]), np.concatenate([column[found], of_pair[pair.reshape(-1)]])
    known = columns >= 0
    return _counted(rows[known], columns[known], (len(texts), len(vocabulary)))


def pieces(word: str) -> list[str]:
    """The pieces of a word, with a space on each side; a shorter one counts once, as a whole."""
    padded = f" {word} "
    found = []
    for size in PIECES:
        found += [padded[at : at + size] for at in range(max(1, len(padded) - size + 1))]
        if len(padded) <= size:
            break
    return found


def _pieces(texts: Sequence[str]) -> tuple[Any, Callable[[Array], list[str]]]:
    """As `_words`, of pieces: how often each word is in a text, times how often each piece is in a word."""
    words, found, text = _read(texts, str.split)
    known = _Numbers()
    parts = [[known[piece] for piece in pieces(word)] for word in words]
    counts = _product(found, text, parts, len(texts), len(known))
    terms = list(known)
    return counts, lambda which: [terms[at] for at in which.tolist()]


def _known_pieces(texts: Sequence[str], vocabulary: Mapping[str, int]) -> Any:
    words, found, text = _read(texts, str.split)
    parts = [[vocabulary[piece] for piece in pieces(word) if piece in vocabulary] for word in words]
    return _product(found, text, parts, len(texts), len(vocabulary))


def _product(found: Array, text: Array, parts: Sequence[Sequence[int]], n: int, terms: int) -> Any:
    of_text = _counted(text, found, (n, len(parts)))
    columns = np.array([column for part in parts for column in part], np.int64)
    of_word = _counted(np.repeat(np.arange(len(parts)), [len(part) for part in parts]), columns, (len(parts), terms))
    counts = (of_text @ of_word).tocsr()
    counts.sort_indices()
    return counts
