"""Spans in a text: entities with labels that do not overlap, right or wrong as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from askwise import agreement, spans
from askwise.audit import entities
from askwise.core import Array, BadInput, Interval, Label, Metrics, chance
from askwise.spans import Span, Token
from askwise.tasks.task import Checks, Opinion, Said, Spell, Task, Votes

MOST = 64
"""Spans in one text, unless the task's option `most` says otherwise: a bound on recall needs such a limit, and the
smaller it is the more a check can prove."""


ALL = "(all)"
"""The line of numbers about the spans of all labels together."""


class Marks(Opinion):
    """The likeliest answer of each text, and how sure the model is of it.

    Args:
        answers: The different ones, written.
        which: (n,) which of them each text is taken for.
        sure: (n,) float32 probability of the likeliest sequence of tags.
        doubts: (n,) each, the signals of `signals.OF_PARTS`.
    """

    def __init__(self, answers: Sequence[Label], which: Array, sure: Array, doubts: Mapping[str, Array]) -> None:
        self.answers, self.which, self.sure, self.doubts = list(answers), which, sure, dict(doubts)

    def __len__(self) -> int:
        return len(self.which)

    def certainty(self) -> Array:
        """(n,) of the likeliest sequence of tags as a whole."""
        return self.sure

    def written(self, labels: Sequence[Label]) -> tuple[list[Label], Array]:
        """See `Opinion`."""
        return self.answers, self.which

    def top(self, row: int, labels: Sequence[Label], most: int) -> list[tuple[Label, float]]:
        """The likeliest answer alone."""
        return [(self.answers[int(self.which[row])], float(self.sure[row]))]

    def joined(self, others: Sequence[Any]) -> Marks:
        """See `Opinion`."""
        parts = [self, *others]
        written = [part.answers[at] for part in parts for at in part.which.tolist()]
        doubts = {name: np.concatenate([part.doubts[name] for part in parts]) for name in self.doubts}
        return Marks(*_numbered(written), np.concatenate([part.sure for part in parts]), doubts)

    def holds(self, rows: Sequence[int], answers: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(k,) of the likeliest answer its probability; of another one the most that it can have."""
        found = np.zeros(len(rows))
        for at, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            p = float(self.sure[row])
            found[at] = p if self.answers[int(self.which[row])] == answer else min(p, 1 - p)
        return found

    def signals(self) -> dict[str, Any]:
        """See `askwise.signals.OF_PARTS`."""
        return dict(self.doubts)


def _numbered(written: Sequence[Label]) -> tuple[list[Label], Array]:
    """(the different ones in the order in which they come, which of them each is)."""
    number: dict[Label, int] = {}
    which = np.array([number.setdefault(one, len(number)) for one in written], np.intp)
    return list(number), which


class Spans(Task):
    """A text has spans with labels that do not overlap, or none; right is the whole answer, in bounds and labels.

    Args:
        most: Spans in one text at most, 1 or more.
    """

    name = "spans"
    asks = "spans with labels"
    right_as = " in all their spans"
    strict = "A text with one span missing, too much, of other bounds or with another label counts as wrong."
    family = "spans"
    auto = "least_confident_sequence"
    closed = False
    fewest = 1
    answers = "spans"

    def __init__(self, most: int = MOST) -> None:
        self.most = most

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Spans:
        """`most`: see the class."""
        strange = sorted(options.keys() - {"most"})
        try:
            most = int(options.get("most", MOST))
        except (TypeError, ValueError):
            most = 0
        if strange or most < 1:
            raise BadInput(
                f"The task 'spans' has one option: most, the number of spans in one text at most, 1 or more, as in "
                f"spans:most=100; got {', '.join(f'{key}={value}' for key, value in options.items())}."
            )
        return cls(most)

    def options(self) -> dict[str, Any]:
        """See `Task`."""
        return {} if self.most == MOST else {"most": self.most}

    def fits(self, kind: str) -> None:
        """Only texts."""
        if kind != "text":
            raise BadInput(f"Spans are marked in texts, and these are items of the kind {kind!r}.")

    # ── reading and writing ─────────────────────────────────────────────────────────────────

    def read(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """A list of [start, end, label], of objects with these, or the same written as JSON; see `spans.read`."""
        found = self.from_data(raw, spell, item)
        if len(found) > self.most:
            raise BadInput(
                f"The answer has {len(found)} spans, and {self.most} are the most in one text. Divide the text, or "
                f"begin a session with the task spans:most={len(found)}."
            )
        return found

    def labels_in(self, said: Said) -> list[Label]:
        """Each once, in the order in which they come."""
        return list(dict.fromkeys(span.label for span in said))

    def write(self, said: Said, labels: Sequence[Label]) -> Label:
        """As `spans.write`."""
        return spans.write(said)

    def parts(self, written: Label) -> tuple[Label, ...]:
        """The labels that occur."""
        return tuple(self.labels_in(list(_parsed(written))))

    def renamed(self, written: Label, name: Label, to: Label) -> Label:
        """The same spans with the label under its other name."""
        return spans.write(span._replace(label=to) if span.label == name else span for span in _parsed(written))

    def is_written(self, text: object, labels: Sequence[Label]) -> bool:
        """Whether it is a list of spans with these labels that ascend and do not overlap."""
        try:
            found = _parsed(text) if isinstance(text, str) else None
        except ValueError:
            return False
        if found is None or spans.write(found) != text:
            return False
        apart = all(one.end <= other.start for one, other in pairwise(found))
        return apart and all(0 <= span.start < span.end and span.label in labels for span in found)

    def no_answer(self, whole: Any) -> BadInput:
        """See `Task`."""
        return BadInput(f"A span of {whole!r} has no label. Give each one, [] where nothing is to be marked, or skip.")

    def from_data(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """As `read`, however many they are: what came with the data is no check, and no bound speaks of it."""
        if not isinstance(item, str):
            raise BadInput("Spans are the answer to one text; they cannot be given to several, or without one.")
        return list(spans.parse(spans.read(raw, item, spelled=lambda name: spell(name, raw))))

    # ── learning and guessing ───────────────────────────────────────────────────────────────

    def learner(self, given: Any = None) -> Any:
        """A conditional random field, or any object with its `fit`, `mark` and `reads = "items"`."""
        if given is None:
            from askwise.learners.crf import ConditionalRandomField  # needs a package of an extra

            return ConditionalRandomField()
        if getattr(given, "reads", "") != "items" or not hasattr(given, "mark") or not hasattr(given, "fit"):
            raise BadInput(
                f"A learner of spans reads texts: it has reads = 'items', fit(texts, answers) and mark(texts), as "
                f"askwise.learners.crf.ConditionalRandomField; {type(given).__name__} has not."
            )
        return given

    def targets(self, codes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(m,) the written answers."""
        return np.array([classes[code] for code in codes.tolist()], object)

    def fitted(self, learner: Any) -> bool:
        """See `Task`."""
        return hasattr(learner, "tags_")

    def enough(self, y: Array) -> bool:
        """Somebody has marked something."""
        return any(written != spans.NONE for written in y.tolist())

    def ask(self, learner: Any, X: Any, labels: int, blocks: Sequence[slice]) -> Marks:
        """See `Task`."""
        found = [learner.mark(X[rows]) for rows in blocks]
        written = [answer for said in found for answer in said.answers]
        doubts = [said.doubts() for said in found]
        names = doubts[0] if doubts else {}
        return Marks(
            *_numbered(written),
            np.concatenate([said.certainty for said in found] or [np.zeros(0)]).astype(np.float32),
            {name: np.concatenate([one[name] for one in doubts]) for name in names},
        )

    # ── several people ──────────────────────────────────────────────────────────────────────
    # What one person's span divides is looked at piece by piece. All tokens of a piece have the same votes, so that
    # this is token by token, and needs no text.

    def settled(self, votes: Votes) -> tuple[dict[int, Label], str]:
        """Dawid & Skene on the tags of the pieces; a span begins and ends where somebody's does, so that it fits."""
        given = {row: [_parsed(a.label or spans.NONE) for a in votes.answers[row]] for row in votes.rows}
        tables = {"fair": (votes.fair, votes.fair_votes), "again": (votes.again, votes.again_votes)}
        cut = {name: _pieces(rows, V, votes.classes) for name, (rows, V) in tables.items()}
        tags = sorted({tag for pieces in cut.values() for piece in pieces for tag in piece.tags if tag})
        number = {tag: at for at, tag in enumerate(dict.fromkeys([spans.OUTSIDE, *tags]))}
        likely: dict[tuple[int, Token], Array] = {}
        if cut["fair"] and len(number) > 1:
            found = agreement.dawid_skene(_tagged(cut["fair"], number), len(number))
            likely |= {piece.key: p for piece, p in zip(cut["fair"], found.posterior, strict=True)}
            if cut["again"]:
                again = agreement.posterior(_tagged(cut["again"], number), found)
                likely |= {piece.key: p for piece, p in zip(cut["again"], again, strict=True)}
        pieces: dict[int, list[_Piece]] = {}
        for piece in (*cut["fair"], *cut["again"]):
            pieces.setdefault(piece.row, []).append(piece)
        names = list(number)
        return {
            row: spans.write(_joined(pieces.get(row, []), likely, names, given[row])) for row in votes.rows
        }, "Dawid & Skene 1979, token by token"

    def quality(self, votes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """How often somebody's whole answer is what most say, one right and one wrong answer added (Laplace)."""
        right, given = np.ones(votes.shape[1]), np.full(votes.shape[1], 2.0)
        for row in votes:
            told = row[row != agreement.MISSING]
            codes, often = np.unique(told, return_counts=True)
            for person in np.flatnonzero(row != agreement.MISSING).tolist():
                others = often - (codes == row[person])  # one's own vote says nothing of oneself
                best = others.max(initial=0)
                share = float(others[codes == row[person]][0] == best) / max(int((others == best).sum()), 1)
                right[person] += share if best else 0.0
                given[person] += 1 if best else 0
        return np.asarray(right / given)

    def agreement(self, votes: Array, classes: Sequence[Label]) -> tuple[float, float, bool]:
        """On the labels of the pieces; whole answers are too many for kappas of pairs."""
        pieces = _pieces(range(len(votes)), votes, classes)
        labels = sorted({tag[2:] for piece in pieces for tag in piece.tags if tag})
        number = {label: at for at, label in enumerate(labels)}
        if not pieces:
            return float("nan"), float("nan"), False
        V = np.array([[agreement.MISSING if tag is None else number[tag[2:]] for tag in one.tags] for one in pieces])
        return agreement.krippendorff_alpha(V), agreement.fleiss_kappa(V), False

    # ── saying ──────────────────────────────────────────────────────────────────────────────

    def reason(self, family: str, guesses: Sequence[tuple[Label, float]], model: str) -> str:
        """How sure the model is of all that it marks."""
        written, p = guesses[0]
        found = _parsed(written)
        what = "nothing" if not found else "1 span" if len(found) == 1 else f"{len(found)} spans"
        return f"The model marks {what} here, and gives all of it {chance(p)} ({model})."

    def metrics(self, checks: Checks) -> Metrics | None:
        """Precision, recall and F1 of entities by label, and of all together as `ALL`; see `audit.entities`.

        Of the models that were checked, not of the newest alone; balanced accuracy is not defined, and left open.
        """
        c = checks
        answers = [None if code is None else spans.NONE if code < 0 else c.classes[code] for code in c.answered]
        counts = entities.entity_counts([c.classes[code] for code in c.said], answers, c.labels)
        used = np.unique(np.concatenate([*(np.unique(then) for then in c.then), np.zeros(0, np.int64)]).astype(int))
        said = max((len(_parsed(c.classes[code])) for code in used.tolist() if code >= 0), default=0)
        lines = [
            replace(line, label=line.label or ALL)
            for line in entities.entity_metrics(counts, c.labels, said, self.most, confidence=c.confidence)
        ]
        answered = sum(code is not None for code in c.answered)
        about = "spans, exact in bounds and label, by the models that were checked, taken together"
        return Metrics(tuple(lines), Interval(None, 0.0, 1.0), None, c.confidence, answered, int(c.rest.sum()), about)


def _parsed(written: str) -> tuple[Span, ...]:
    try:
        return spans.parse(written)
    except BadInput as error:
        raise ValueError(str(error)) from None


# ── pieces ──────────────────────────────────────────────────────────────────────────────────


class _Piece:
    """A part of a text that no bound of anybody's span divides.

    Attributes:
        row, at: Which part of which item.
        tags: For each person B-label, I-label or O; None = no answer.
    """

    def __init__(self, row: int, at: Token, tags: Sequence[str | None]) -> None:
        self.row, self.at, self.tags = row, at, tags

    @property
    def key(self) -> tuple[int, Token]:
        """What tells it from all others."""
        return self.row, self.at


def _pieces(rows: Sequence[int], votes: Array, classes: Sequence[Label]) -> list[_Piece]:
    """The pieces of some items, in order: those before, between and in what is marked.

    Args:
        rows: (k,) their numbers.
        votes: (k, people) numbers of answers, `agreement.MISSING` where there is none.
        classes: Written answers by number.
    """
    found = []
    for row, codes in zip(rows, votes.tolist(), strict=True):
        answers = [None if code == agreement.MISSING else _parsed(classes[code]) for code in codes]
        marked = [span for answer in answers for span in answer or ()]
        bounds = sorted({0} | {place for span in marked for place in span[:2]})
        for at in map(Token, bounds, bounds[1:]):
            found.append(_Piece(row, at, [None if answer is None else _tag(answer, at) for answer in answers]))
    return found


def _tag(answer: Sequence[Span], at: Token) -> str:
    span = next((span for span in answer if span.start <= at.start and at.end <= span.end), None)
    if span is None:
        return spans.OUTSIDE
    return f"{'B' if span.start == at.start else 'I'}-{span.label}"


def _tagged(pieces: Sequence[_Piece], number: Mapping[str, int]) -> Array:
    """(pieces, people) numbers of tags."""
    return np.array([[agreement.MISSING if tag is None else number[tag] for tag in one.tags] for one in pieces])


def _joined(
    pieces: Sequence[_Piece],
    likely: Mapping[tuple[int, Token], Array],
    names: Sequence[str],
    given: Sequence[Sequence[Span]],
) -> list[Span]:
    """The spans that the likeliest tags of an item's pieces say, each cut to bounds that somebody's span has."""
    found: list[Span] = []
    before: tuple[int, str] | None = None
    for piece in pieces:
        # Only what somebody said of this piece; of equally likely tags the one that comes first there.
        told = [tag for tag in piece.tags if tag is not None]
        weight = likely.get(piece.key)
        tag = told[0] if weight is None else max(told, key=lambda tag: round(float(weight[names.index(tag)]), 9))
        kind, label = spans.split_tag(tag)
        if kind == "I" and before == (piece.at.start, label):
            found[-1] = found[-1]._replace(end=piece.at.end)
        elif kind != spans.OUTSIDE:
            found.append(Span(piece.at.start, piece.at.end, label))
        before = (piece.at.end, label) if kind != spans.OUTSIDE else None
    starts = sorted({span.start for answer in given for span in answer})
    ends = sorted({span.end for answer in given for span in answer})
    whole = []
    for span in found:
        start = min((place for place in starts if place >= span.start), default=span.end)
        end = max((place for place in ends if place <= span.end), default=span.start)
        if start < end:
            whole.append(Span(start, end, span.label))
    return whole
