"""Latent semantic analysis of TF-IDF: the text encoder that needs no download."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from askwise.core import Array, BadInput, Matrix
from askwise.encoders.terms import Terms
from askwise.notices import progress

SAMPLE = 20_000
"""Texts that the vocabulary is learned from; of a larger pool every k-th."""
BLOCK = 20_000
"""Texts encoded at a time, so that a million texts need no million wide sparse rows."""
RANK = 1e-5
"""Directions weaker than this, beside the strongest, are rounding errors."""
NOISE = 1e-4
"""A text whose projection is shorter than this has nothing in common with the pool but rounding errors."""
DIGIT = re.compile(r"\d")


def _fold(text: str) -> str:
    """Lower case, every digit as 0: what matters is that there is a number, and how long it is."""
    return DIGIT.sub("0", text.lower())


class TfidfEncoder:
    """Words (1-2-grams) beside character pieces (3-5), TF-IDF weighted, reduced to a few hundred dense features.

    Learned from the pool by `fit`; later items are measured with the same vocabulary. Deterministic.
    Sources: Salton & Buckley (1988) for the weights, Deerwester et al. (1990) for the reduction, Halko et al. (2011)
    for the randomized decomposition.

    Args:
        dims: Features to keep, at least 2; fewer where the pool is smaller.
    """

    name = "tfidf"

    def __init__(self, *, dims: int = 256) -> None:
        if dims < 2:
            raise BadInput(f"dims must be at least 2, got {dims}.")
        self.dims = dims
        self.version = f"tfidf-1-{dims}"
        self._parts: list[Terms] = []
        self._axes: Array | None = None

    def fit(self, items: Sequence[str]) -> TfidfEncoder:
        """Learn vocabulary, weights and directions from (n,) texts, n ≥ 1."""
        self._learn(items)
        return self

    def fit_encode(self, items: Sequence[str], fit: int | None = None) -> Matrix:
        """What `fit` with the first `fit` of the items and then `encode` with all give, each text read once.

        Args:
            items: (n,) texts, n ≥ 1.
            fit: How many of them to learn from; None = all.

        Returns:
            As `encode`.
        """
        weights, step = self._learn(items[:fit])
        axes = cast("Array", self._axes)
        features = np.zeros((len(items), axes.shape[1]), dtype=np.float32)
        known = np.arange(0, len(items) if fit is None else min(fit, len(items)), step)
        features[known] = _unit_rows(weights @ axes)
        others = np.setdiff1d(np.arange(len(items)), known)
        if len(others):
            features[others] = self.encode([items[row] for row in others])
        return features

    def encode(self, items: Sequence[str]) -> Matrix:
        """(n, d) float32 features, dense, rows of length 1; all zero where nothing in a text is known.

        Fits itself to `items` where `fit` was not called.
        """
        if self._axes is None:
            return self.fit_encode(items)
        features = np.zeros((len(items), self._axes.shape[1]), dtype=np.float32)
        with progress("encoding", len(items)) as advance:
            for start in range(0, len(items), BLOCK):
                weights = self._weigh(list(items[start : start + BLOCK]))
                features[start : start + BLOCK] = _unit_rows(weights @ self._axes)
                advance(min(BLOCK, len(items) - start))
        return features

    def __getstate__(self) -> dict[str, Any]:
        """Plain data, without a line of code to import: what a saved model holds, and what goes to another process."""
        parts = [kept(part) | {"analyzer": part.analyzer} for part in self._parts]
        return {"dims": self.dims, "version": self.version, "parts": parts, "axes": self._axes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.dims, self.version, self._axes = int(state["dims"]), str(state["version"]), state["axes"]
        self._parts = [restored(Terms(str(part["analyzer"])), part) for part in state["parts"]]
        if self._axes is not None:
            terms = sum(len(part.vocabulary_) for part in self._parts) or 1
            if not isinstance(self._axes, np.ndarray) or self._axes.ndim != 2 or len(self._axes) != terms:
                raise BadInput(f"The directions of the encoder do not go with its {terms:,} terms.")

    def _learn(self, items: Sequence[str]) -> tuple[Any, int]:
        """Learn from every k-th of the items; gives ((m, terms) their weights, k)."""
        if not len(items):
            raise BadInput("TF-IDF needs at least one text to learn its words from.")
        step = -(-len(items) // SAMPLE)
        sample = [_fold(text) for text in items[::step]]
        learned = [(part, part.learn(sample)) for part in (Terms("word"), Terms("char_wb"))]
        self._parts = [part for part, weights in learned if weights is not None]
        weights = _beside([weights for _, weights in learned if weights is not None], len(sample))
        with progress("finding what tells texts apart"):
            self._axes = _directions(weights, self.dims)
        return weights, step

    def _weigh(self, items: Sequence[str]) -> Any:
        texts = [_fold(text) for text in items]
        return _beside([part.weigh(texts) for part in self._parts], len(items))


def _beside(parts: list[Any], n: int) -> Any:
    """(n, terms) weights of all parts."""
    from scipy import sparse

    if not parts:  # a pool without a single word, or piece of one
        return np.zeros((n, 1), dtype=np.float32)
    return sparse.hstack(parts, format="csr", dtype=np.float32)


def _directions(weights: Any, most: int) -> Array:
    """(terms, d) orthonormal directions to project on, d ≤ `most`."""
    from sklearn.utils.extmath import randomized_svd

    dims = min(most, *weights.shape)
    _, strength, directions = randomized_svd(weights, dims, n_iter=4, random_state=0)
    telling = strength > RANK * strength[0]
    telling[0] = True
    return np.ascontiguousarray(directions[telling].T, dtype=np.float32)


def _unit_rows(features: Array) -> Array:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return np.where(norms > NOISE, features / np.maximum(norms, NOISE), np.float32(0))


def kept(vectorizer: Any) -> dict[str, Any]:
    """What a `TfidfVectorizer`, or `Terms`, has learned, as plain data: one text, one array, however many terms."""
    terms = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.get)
    return {"terms": json.dumps(terms), "idf": vectorizer.idf_}


def restored(vectorizer: Any, state: dict[str, Any]) -> Any:
    """The vectorizer, fitted by what `kept` gave.

    Raises:
        BadInput: There is not one weight for each term.
    """
    terms, idf = json.loads(state["terms"]), state["idf"]
    if not isinstance(idf, np.ndarray) or idf.shape != (len(terms),) or len(set(terms)) != len(terms):
        raise BadInput(f"The weights of the encoder do not go with its {len(terms):,} terms.")
    vectorizer.vocabulary_ = {str(term): at for at, term in enumerate(terms)}
    vectorizer.fixed_vocabulary_ = False
    vectorizer.idf_ = idf
    return vectorizer
