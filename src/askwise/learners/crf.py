"""A conditional random field that marks spans in texts, by CRFsuite."""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askwise import spans
from askwise.core import Array, BadInput, MissingExtra
from askwise.scores import sequence

Vectors = Callable[[Sequence[str]], Array]
"""`vectors(words)`: (words, d) finite numbers, one row for each token of one text."""
KEPT = 50_000
"""Tokens whose features are kept between two looks at a pool, about a kilobyte each; to make them takes longer than to
mark the text."""


FOLDS, ONE_FOLD, FEWEST, LEAST_SLOPE = 3, 600, 20, 0.05
"""Parts for calibration; above how many answers one of them is enough; below how many there is none; and the slope that
keeps the order of texts where held-out answers say that the model knows nothing."""


@dataclass(frozen=True, eq=False)
class Marked:
    """What a learner of spans says of n texts. Parts are tokens, one text after the other, as in `scores.sequence`."""

    answers: list[str]
    """(n,) the likeliest answer of each text, written."""
    certainty: Array
    """(n,) probability that the whole answer is right, calibrated where there was enough to learn that from."""
    sequence: Array
    """(n,) probability of the likeliest sequence of tags as a whole, by the model; 1 of a text without tokens."""
    tokens: Array
    """(parts, tags) probability of each tag for each token, given the text; rows sum to one."""
    offsets: Array
    """(n + 1,) where each text's tokens begin, ascending from 0 to parts."""
    tags: tuple[str, ...]
    """What the columns of `tokens` stand for."""

    def doubts(self) -> dict[str, Array]:
        """(n,) each: the scores of `scores.sequence`, higher = more doubtful, as signals for `select`.

        `token_entropy`: mean entropy of the tokens, in nats. `mnlp`: minus the logarithm of `sequence` over the number
        of tokens, in nats. `sequence_doubt`: one minus `sequence`.
        """
        length = np.maximum(np.diff(self.offsets), 1)
        return {
            "token_entropy": sequence.token_entropy(self.tokens, self.offsets),
            "mnlp": -np.log(np.maximum(self.sequence, 1e-300)) / length,
            "sequence_doubt": 1 - self.sequence,
        }


class ConditionalRandomField:
    """A linear-chain conditional random field over BIO tags (Lafferty, McCallum & Pereira, 2001), from python-crfsuite.

    It reads texts, not features: its inputs are words, their beginnings, ends and shapes, and those of the words beside
    them. Each fit starts anew (CRFsuite cannot go on from where it was); the same answers give the same model.

    Args:
        c1: Weight of the L1 penalty, 0 or more.
        c2: Weight of the L2 penalty, 0 or more.
        iterations: Most steps of L-BFGS, 1 or more.
        vectors: None, or further numbers for each token, such as those of a sentence encoder; see `Vectors`.
        calibrate: Whether to learn from held-out answers how often a whole answer is right that the model gives some
            probability (Platt, 1999); it takes up to twice the time of a fit again. The order of texts stays as it is.

    Attributes:
        tags_: The tags it has learned, "O" first.
        reads: "items", so that it is given texts where others get rows of features.

    Raises:
        BadInput: A setting out of range.
        MissingExtra: python-crfsuite is not installed.
    """

    reads = "items"
    tags_: tuple[str, ...]

    def __init__(
        self,
        *,
        c1: float = 0.1,
        c2: float = 0.1,
        iterations: int = 50,
        vectors: Vectors | None = None,
        calibrate: bool = True,
    ) -> None:
        if not (0 <= c1 < np.inf and 0 <= c2 < np.inf and iterations >= 1):
            raise BadInput(
                f"c1 and c2 must be numbers of 0 or more and iterations 1 or more; got {c1}, {c2} and {iterations}."
            )
        _crfsuite()
        self.c1, self.c2, self.iterations, self.vectors = c1, c2, iterations, vectors
        self.calibrate = calibrate
        self._model = b""
        self._scale = (1.0, 0.0)
        self._tagger: Any = None
        self._kept: dict[str, Any] = {}
        self._room = KEPT

    def __repr__(self) -> str:
        return f"ConditionalRandomField(c1={self.c1:g}, c2={self.c2:g}, iterations={self.iterations})"

    def __getstate__(self) -> dict[str, Any]:
        # the tagger is a view on `_model`; both are made anew where they are needed
        return {**self.__dict__, "_tagger": None, "_kept": {}, "_room": KEPT}

    def for_prediction(self) -> ConditionalRandomField:
        """A copy that goes on its own, and holds nothing of the texts that it has seen."""
        other = copy.copy(self)
        other._tagger, other._kept, other._room = None, {}, KEPT
        return other

    def fit(self, items: Sequence[str], y: Sequence[str]) -> ConditionalRandomField:
        """Learn from texts and their written answers.

        Args:
            items: (m,) texts, at least one with a token.
            y: (m,) what is marked in each, as `spans.write` writes it.

        Raises:
            BadInput: Different numbers of both, an answer that does not fit its text, nothing to learn from.
        """
        if len(items) != len(y):
            raise BadInput(f"Each text needs one answer; got {len(items)} texts and {len(y)} answers.")
        rows = list(range(len(items)))
        self._scale = self._held_out(items, y) if self.calibrate else (1.0, 0.0)
        self._learn(items, y, rows)
        return self

    def _learn(self, items: Sequence[str], y: Sequence[str], rows: Sequence[int]) -> None:
        """Fit the field on some of the rows."""
        trainer = _crfsuite().Trainer(
            algorithm="lbfgs",
            params={
                "c1": self.c1,
                "c2": self.c2,
                "max_iterations": self.iterations,
                "feature.possible_transitions": True,
            },
            verbose=False,
        )
        seen = {spans.OUTSIDE}
        learned = False
        for row in rows:
            text, written = items[row], y[row]
            at = spans.tokens(text)
            tags = spans.to_tags(spans.parse(written), at)
            if at:
                trainer.append(self._features(text, at), tags)
                seen, learned = seen | set(tags), True
        if not learned:
            raise BadInput("A learner of spans needs a text with a word in it, got none.")
        with tempfile.TemporaryDirectory(prefix="askwise-crf-") as folder:
            path = Path(folder) / "model"
            trainer.train(str(path))
            self._model = path.read_bytes()
        self._tagger = None
        self.tags_ = (spans.OUTSIDE, *sorted(seen - {spans.OUTSIDE}, key=lambda tag: (tag[2:], tag)))

    def _held_out(self, items: Sequence[str], y: Sequence[str]) -> tuple[float, float]:
        """Slope and intercept that make log odds of sequences log odds of being right; (1, 0) where little is known."""
        from sklearn.linear_model import LogisticRegression

        m = len(items)
        odds: list[float] = []
        right: list[bool] = []
        for fold in range(FOLDS if m <= ONE_FOLD else 1) if m >= FEWEST else ():
            rest = [row for row in range(m) if row % FOLDS != fold]
            if not any(spans.tokens(items[row]) for row in rest):
                return 1.0, 0.0
            self._scale = (1.0, 0.0)
            self._learn(items, y, rest)
            held = [row for row in range(m) if row % FOLDS == fold]
            said = self.mark([items[row] for row in held])
            odds += _odds(said.sequence).tolist()
            right += [answer == y[row] for answer, row in zip(said.answers, held, strict=True)]
        if len(set(right)) < 2:
            return 1.0, 0.0
        found = LogisticRegression(C=1.0).fit(np.array(odds)[:, None], right)
        return max(float(found.coef_[0, 0]), LEAST_SLOPE), float(found.intercept_[0])

    def predict(self, items: Sequence[str]) -> list[str]:
        """(n,) the likeliest answer of each text, written.

        Raises:
            BadInput: Not fitted.
        """
        tagger = self._opened()
        found = []
        for text in items:
            at = spans.tokens(text)
            tags = tagger.tag(self._features(text, at)) if at else []
            found.append(spans.write(spans.from_tags(tags, at)))
        return found

    def mark(self, items: Sequence[str]) -> Marked:
        """The likeliest answer of each text, how likely it is, and the probability of each tag of each token.

        Raises:
            BadInput: Not fitted.
        """
        tagger = self._opened()
        known = set(tagger.labels())
        answers, whole, parts = [], np.ones(len(items)), []
        ends = np.zeros(len(items) + 1, np.intp)
        for number, text in enumerate(items):
            at = spans.tokens(text)
            tags: list[str] = []
            if at:
                tags = tagger.tag(self._features(text, at))
                whole[number] = min(tagger.probability(tags), 1.0)
                parts.append([
                    [tagger.marginal(tag, place) if tag in known else 0.0 for tag in self.tags_]
                    for place in range(len(at))
                ])  # fmt: skip
            answers.append(spans.write(spans.from_tags(tags, at)))
            ends[number + 1] = ends[number] + len(at)
        P = np.concatenate([np.array(part) for part in parts]) if parts else np.zeros((0, len(self.tags_)))
        P /= np.maximum(P.sum(1, keepdims=True), 1e-12)
        slope, shift = self._scale
        sure = whole if self._scale == (1.0, 0.0) else 1 / (1 + np.exp(-(slope * _odds(whole) + shift)))
        return Marked(answers, sure, whole, P, ends, self.tags_)

    def _opened(self) -> Any:
        if not self._model:
            raise BadInput("ConditionalRandomField is not fitted: call fit(items, y) with texts and answers first.")
        if self._tagger is None:
            tagger = _crfsuite().Tagger()
            tagger.open_inmemory(self._model)
            self._tagger = tagger
        return self._tagger

    def _features(self, text: str, at: Sequence[spans.Token]) -> Any:
        kept = self._kept.get(text)
        if kept is None:
            kept = self._described(text, at)
            if len(at) <= self._room:
                self._kept[text], self._room = kept, self._room - len(at)
        return kept

    def _described(self, text: str, at: Sequence[spans.Token]) -> Any:
        words = [text[start:end] for start, end in at]
        named = token_features(words)
        if self.vectors is None:
            return _crfsuite().ItemSequence(named)
        V = np.asarray(self.vectors(words), float)
        if V.ndim != 2 or len(V) != len(words) or not np.isfinite(V).all():
            raise BadInput(
                f"vectors must give one row of finite numbers for each of {len(words)} tokens, got shape {V.shape}."
            )
        return _crfsuite().ItemSequence([
            {**dict.fromkeys(names, 1.0), **{f"v{d}": float(value) for d, value in enumerate(row)}}
            for names, row in zip(named, V, strict=True)
        ])  # fmt: skip


def _odds(p: Array) -> Array:
    """Log odds, kept finite."""
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    found: Array = np.log(inside) - np.log1p(-inside)
    return found


def token_features(words: Sequence[str]) -> list[list[str]]:
    """What is said of each token, as names: itself, its beginning, end and shape, and the two words on each side."""
    low = [word.lower() for word in words]
    shapes = [shape(word) for word in words]
    found = []
    for at, word in enumerate(low):
        names = ["1", f"w={word}", f"s={shapes[at]}"]
        for length in range(1, min(4, len(word)) + 1):
            names += [f"p={word[:length]}", f"e={word[-length:]}"]
        for step, there in _beside(at, len(words)):
            names += [f"{step}w={low[there]}", f"{step}s={shapes[there]}"]
        names += ["first"] * (at == 0) + ["last"] * (at == len(words) - 1)
        if at:
            names += [f"ww={low[at - 1]} {word}", f"ss={shapes[at - 1]} {shapes[at]}"]
        found.append(names)
    return found


def _beside(at: int, n: int) -> Iterator[tuple[int, int]]:
    return ((step, at + step) for step in (-2, -1, 1, 2) if 0 <= at + step < n)


def shape(word: str) -> str:
    """How a word looks: "Xx" of "Paris", "X" of "NATO", "Xd" of "G20", each run of one kind as one sign."""
    kinds = "".join(
        "d" if sign.isdigit() else "X" if sign.isupper() else "x" if sign.islower() else "o" if sign.isalpha() else sign
        for sign in word
    )
    return re.sub(r"(.)\1+", r"\1", kinds)


def _crfsuite() -> Any:
    try:
        import pycrfsuite
    except ImportError:
        raise MissingExtra(
            "Learning to mark spans needs python-crfsuite, which is not installed. Install it: "
            "pip install 'askwise[spans]'"
        ) from None
    return pycrfsuite
