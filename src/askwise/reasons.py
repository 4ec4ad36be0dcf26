"""Why an item was asked, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from askwise import strategies
from askwise.core import AskwiseError, Label
from askwise.hints import HINT
from askwise.searching import ALIKE, FOUND
from askwise.state import DOUBTED
from askwise.tasks import Task

if TYPE_CHECKING:
    from askwise.state import Ask


def reason_for(
    ask: Ask,
    *,
    guesses: Sequence[tuple[Label, float]],
    version: int,
    trained_on: int,
    check: tuple[int | None, int | None] | None,
    task: Task,
    differ: bool = False,
) -> str:
    """The sentence for one question.

    Args:
        ask: How it was asked.
        guesses: The likeliest classes with probabilities, likeliest first; empty where the model must not show.
        version: Of the model whose guesses these are: that of now, which may be newer than the question.
        trained_on: Number of labels it had.
        check: For blind checks: (which one, how many still needed if all go well); (None, None) where a number would
            tell which class it is checked for.
        task: What an answer is.
        differ: Whether people gave it different labels; which ones is never said.
    """
    if check is not None:
        number, needed = check
        if number is None:
            return "Blind check for a certificate of single classes: which class it is for is not told."
        more = "" if needed is None else f"; {needed} more if all go well"
        return f"Blind check {number} for the certificate: a random item from those the model would label{more}."
    if ask.strategy == "check":
        return "A blind check of an attempt that has ended: your answer counts for what it proved."
    if ask.strategy == "overlap":
        return "Somebody else has labeled this one: a second opinion shows how well you agree."
    if ask.strategy == DOUBTED:
        if differ:
            return "Others answered this one differently: your opinion may settle it."
        return "Somebody else has labeled this one, and another opinion is worth most here."
    if ask.audit:
        return "Random check item: keeps the accuracy estimate honest."
    if ask.strategy == HINT:
        return "Like what was said of a label of which there is no example yet."
    if ask.strategy == FOUND:
        return "You searched for it: it holds these words."
    if ask.strategy == ALIKE:
        return "You searched for it: the words are not in it, but it is like them."
    if ask.strategy == "volunteered":
        return "You opened this item yourself."
    family = _family(ask.strategy)
    if family in ("uncertainty", "hybrid", "committee", "change") and guesses:
        model = f"model {version}, trained on {trained_on} label{'s' if trained_on != 1 else ''}"
        return task.reason(family, guesses, model)
    return {
        "coverage": "Typical of a part of the pool that has no label yet.",
        "diversity": "Unlike anything labeled so far.",
        "random": "Picked at random.",
        "rare": "Looks like the rare class, of which every example counts.",
        "uncertainty": "The model is least sure about items like this one.",
        "hybrid": "The model is least sure about items like this one.",
        "committee": "Models that fit your labels equally well disagree here.",
        "change": "Your answer would change the model most.",
    }.get(family, f"Chosen by the strategy {ask.strategy}.")


def _family(name: str) -> str:
    try:
        return strategies.get(name).family
    except AskwiseError:  # a session may have used a plug-in that is not installed here
        return ""
