"""What an annotator that is no person says of an item, read strictly."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from askwise.core import Label
from askwise.values import Spelling

LONGEST = 10_000
"""Characters of an answer that are looked at."""


@dataclass(frozen=True)
class Annotation:
    """What was said of one item."""

    label: Label | None
    """One of the labels; None where nothing usable was said."""
    confidence: float | None = None
    """How sure the annotator said to be, the higher the surer; None where it said nothing of the kind."""
    why: str = ""
    """Where there is no label: what was said instead, or what failed."""


def label_in(answer: str, labels: Sequence[Label]) -> Label | None:
    """The label that an answer gives; None where it gives none, or anything beside it.

    An answer is a label alone, or a JSON object whose only key is "label". Prose around it is refused: what talks about
    an answer may talk about several.

    Args:
        answer: As it came.
        labels: Those there are; case and blanks may differ where that leaves no doubt.
    """
    text = answer.strip()[:LONGEST]
    if text.startswith("```") and text.endswith("```"):
        text = text.removeprefix("```json").strip("`").strip()
    if text.startswith("{"):
        try:
            found: Any = json.loads(text)
        except ValueError:
            return None
        if not isinstance(found, dict) or set(found) != {"label"} or not isinstance(found["label"], str):
            return None
        text = found["label"].strip()
    text = text.strip("\"'")
    name = Spelling(labels).of(text)
    alike = [label for label in labels if label == name] or [
        label for label in labels if label.casefold() == name.casefold()
    ]
    return alike[0] if len(alike) == 1 else None


def annotation_of(said: Any, labels: Sequence[Label]) -> Annotation:
    """What a program or a function gave for one item: a label, a pair (label, confidence), a mapping of these, or None.

    Args:
        said: As it came.
        labels: Those there are.
    """
    confidence: Any = None
    if isinstance(said, dict):
        said, confidence = said.get("label"), said.get("confidence")
    elif isinstance(said, tuple | list) and len(said) == 2:
        said, confidence = said
    if said is None:
        return Annotation(None, why="no label was given")
    label = label_in(str(said), labels)
    if label is None:
        return Annotation(None, why=f"no label, but {str(said)[:60]!r}")
    if confidence is not None and (
        isinstance(confidence, bool) or not isinstance(confidence, int | float) or not math.isfinite(confidence)
    ):
        return Annotation(None, why=f"a confidence that is no number: {str(confidence)[:60]!r}")
    return Annotation(label, None if confidence is None else float(confidence))
