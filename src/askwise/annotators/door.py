"""What `askwise annotate` does: a file in, each row with a guess by a model, a program or a function out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from askwise import export, hints, plugins
from askwise.annotators.endpoint import LanguageModel, Money
from askwise.annotators.kept import Replies
from askwise.annotators.others import Function, Program
from askwise.annotators.run import UNASKED, Annotates, annotate
from askwise.annotators.said import Annotation
from askwise.core import BadInput, Label
from askwise.encoders.tfidf import TfidfEncoder
from askwise.pool import Dropped, Pool, columns_of, rows_beside

GUESS = ("guess", "guess_confidence", "guess_problem")
"""Columns beside those of the data; of a row with a label by a person they are empty."""
MODEL, PROGRAM = "llm:", "command:"
Tell = Callable[[object], None]


def annotator_of(
    spec: str, *, replies: Path | None, money: Money, per_minute: float | None, confidence: bool
) -> LanguageModel | Annotates:
    """The annotator that a person names: `llm:NAME`, `command:PROGRAM ARGUMENTS`, or `module:object`.

    Raises:
        BadInput, MissingExtra: It cannot be had, or options go with a language model alone.
    """
    if spec.startswith(MODEL):
        return LanguageModel(
            spec.removeprefix(MODEL),
            replies=Replies(replies),
            money=money,
            per_minute=per_minute,
            confidence=confidence,
        )
    if spec.startswith(PROGRAM):
        return Program(spec.removeprefix(PROGRAM))
    if plugins.is_code(spec):
        return Function(plugins.imported(spec, f"The annotator {spec!r}"), spec)
    raise BadInput(
        f"No annotator {spec!r}. Name a language model (llm:NAME), a program (command:PROGRAM ARGUMENTS), or a "
        "function (module:object)."
    )


def nearest_labeled(
    texts: Sequence[str], given: dict[int, Label], most: int
) -> Callable[[int], list[tuple[str, Label]]]:
    """Number of a text → the labeled ones most like it by their words, the most similar last.

    Args:
        texts: (n,) texts.
        given: Number of a text → its label.
        most: How many at most.
    """
    rows = np.array(sorted(given), np.intp)
    if not most or not len(rows):
        return lambda _: []
    X = TfidfEncoder().fit_encode(list(texts))
    labeled = X[rows]

    def find(number: int) -> list[tuple[str, Label]]:
        like = hints.likeness(labeled, X[number : number + 1])[:, 0]
        like[rows == number] = -np.inf
        best = np.argsort(-like, kind="stable")[:most]
        return [(texts[rows[at]], given[int(rows[at])]) for at in best[::-1] if np.isfinite(like[at])]

    return find


def annotate_pool(
    pool: Pool,
    labels: Sequence[Label],
    annotator: LanguageModel | Annotates,
    *,
    guidelines: str,
    examples: int,
    first: int | None,
    parallel: int,
    tell: Tell,
) -> list[dict[str, Any]]:
    """The rows of the data with what an annotator says of those that no person has labeled.

    Args:
        pool: Items of one text each; labels that came with it are people's.
        labels: Those there are.
        annotator: Who is asked.
        guidelines: For a language model.
        examples: Labeled items that it is shown with each, at most.
        first: Only so many are asked about; None = all.
        parallel: Requests under way at a time.
        tell: Is told what a person should know.

    Raises:
        BadInput: Items are no texts.
    """
    if not pool.item_kind.prose:
        raise BadInput(f"Annotators read texts; these items are of the kind {pool.kind!r}. Name columns with --text.")
    texts = ["\n\n".join(pool.item_kind.texts(content)) for content in pool.contents]
    given: dict[int, Label] = dict(pool.given)
    asked = [row for row in range(len(texts)) if row not in given][:first]
    if isinstance(annotator, LanguageModel):
        tell(f"{len(asked):,} items go to {annotator.url}, model {annotator.name}, as they are.")
    near = nearest_labeled(texts, given, examples if isinstance(annotator, LanguageModel) else 0)
    found = annotate(
        [texts[row] for row in asked], labels, annotator, guidelines=guidelines, parallel=parallel,
        examples=lambda number: near(asked[number]),
    )  # fmt: skip
    said = dict(zip(asked, found, strict=True))
    for sentence in summary(found, annotator):
        tell(sentence)
    names = columns_for(pool)
    empty = Annotation(None)

    def cells(one: Annotation) -> dict[str, Any]:
        told = {"guess": one.label, "guess_confidence": one.confidence, "guess_problem": one.why}
        return {name: told[what] for what, name in names.items()}

    def of_dropped(row: Dropped) -> dict[str, Any]:
        return cells(Annotation(None, why=row.why))

    return rows_beside(pool, lambda row: cells(said.get(row, empty)), of_dropped)


def columns_for(pool: Pool) -> dict[str, str]:
    """Each of `GUESS` → the column that it is written to, free beside those of the data."""
    return export.names_beside(columns_of(pool), GUESS)


def summary(found: Sequence[Annotation], annotator: LanguageModel | Annotates) -> list[str]:
    """What came of it, in sentences."""
    labels = Counter(one.label for one in found if one.label is not None)
    said = [f"{sum(labels.values()):,} of {len(found):,} have a guess: " + ", ".join(
        f"{name} {count:,}" for name, count in labels.most_common(10)
    ) + "." if labels else f"None of {len(found):,} has a guess."]  # fmt: skip
    open_ = Counter(one.why for one in found if one.label is None)
    if unasked := open_.pop(UNASKED, 0):
        said.append(
            f"{unasked:,} were not asked: the limit of cost is reached. With a higher one the same command goes on."
        )
    if open_:
        why, count = open_.most_common(1)[0]
        said.append(f"{sum(open_.values()):,} have none, mostly because: {why} ({count:,}).")
    if isinstance(annotator, LanguageModel) and (annotator.money.price_in or annotator.money.price_out):
        said.append(f"Spent now: {annotator.money.spent:.4g}, in the currency of the prices.")
    return said
