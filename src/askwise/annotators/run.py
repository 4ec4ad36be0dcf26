"""Items labeled by an annotator that is no person, several at a time; what was said already is not asked again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from askwise.annotators.endpoint import LanguageModel, Spent
from askwise.annotators.said import Annotation
from askwise.core import Label
from askwise.notices import progress

UNASKED = "not asked: the limit of cost was reached"


class Annotates(Protocol):
    """Labels items all at once."""

    name: str

    def annotate_all(self, items: Sequence[str], labels: Sequence[Label]) -> list[Annotation]:
        """What it says of (n,) items."""
        ...


def annotate(
    items: Sequence[str],
    labels: Sequence[Label],
    annotator: LanguageModel | Annotates,
    *,
    guidelines: str = "",
    descriptions: Mapping[Label, str] | None = None,
    examples: Callable[[int], Sequence[tuple[str, Label]]] = lambda _: (),
    parallel: int = 4,
) -> list[Annotation]:
    """What an annotator says of (n,) items.

    Args:
        items: Texts.
        labels: Those there are.
        annotator: A language model, a program, or a function.
        guidelines: For a language model, see `prompts.system`.
        descriptions: Likewise.
        examples: Number of an item → (text, label) of labeled items that a language model is shown with it.
        parallel: Requests under way at a time.

    Returns:
        (n,) annotations. Where the limit of cost was reached, the rest has no label and says so.

    Raises:
        Unreachable, BadInput, ContractError: As the annotator does; a language model's replies so far are kept.
    """
    if not isinstance(annotator, LanguageModel):
        return annotator.annotate_all(items, labels)
    found: list[Annotation] = [Annotation(None, why=UNASKED)] * len(items)
    waiting, open_ = deque(range(len(items))), dict[Future[Annotation], tuple[int, bool]]()

    def send(pool: ThreadPoolExecutor) -> None:
        number = waiting.popleft()
        told: dict[str, Any] = {"guidelines": guidelines, "descriptions": descriptions, "examples": examples(number)}
        alone = not open_
        open_[pool.submit(annotator.annotate, items[number], labels, **told)] = number, alone

    with ThreadPoolExecutor(parallel) as pool, progress("asking the model", len(items)) as done:
        wide = parallel
        try:
            while waiting or open_:
                while waiting and len(open_) < wide:
                    send(pool)
                for future in wait(open_, return_when=FIRST_COMPLETED).done:
                    number, alone = open_.pop(future)
                    try:
                        found[number] = future.result()
                    except Spent:
                        # What others set aside may come back: one at a time from here on, until one alone is too dear.
                        if wide == 1 and alone:
                            waiting.clear()
                        else:
                            waiting.appendleft(number)
                        wide = 1
                    else:
                        done(1)
        finally:
            for future in open_:
                future.cancel()
    return found
