"""The routes of a monitor: whether what was certified still holds of items that come later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import Query as Given
from pydantic import BaseModel, Field

from askwise.app import wire
from askwise.app.models import Items
from askwise.app.roles import Here, Place, Routes
from askwise.app.shapes import Done, Name, Open, Text

if TYPE_CHECKING:
    from askwise.monitor import Kept

routes = Routes(tags=["models"])


class NewMonitor(BaseModel):
    """What a monitor is to say."""

    max_error: float | None = Field(
        default=None, gt=0, lt=1, description="Share of the model's labels that may be wrong; null = as certified."
    )
    check_share: float = Field(default=0.1, gt=0, le=1, description="Share of the new items that a person checks.")
    least: float | None = Field(
        default=None, ge=0, le=1, description="How sure the model must be to label an item; null = as certified."
    )
    first: int = Field(
        default=300, ge=0, le=100_000, description="Later items are compared with the first so many; 0 = with none."
    )


class Watched(Open):
    """How a monitor stands."""

    monitor: dict[str, Any] | None = Field(
        description="As `askwise.monitor.Status`: verdict, sentence, items, checks, waiting and so on; null = none."
    )
    refused: str = Field(description='Why none can be begun here; "" = one can be.')


class Lot(Items):
    """New items, in the order in which they came."""

    name: Annotated[Text, Field(max_length=500)] = Field(
        default="",
        description="Of the lot: the same items sent again under it are counted once, and get the same reply.",
    )


class Label(Open):
    """What is said of one new item."""

    number: int = Field(description="Of the item among all that the monitor has taken.")
    label: str | None = Field(description="null: it is a check, or equals one that waits.")
    confidence: float | None
    advice: str
    check: int | None = Field(description="The number of the check that it is, or equals.")


class Labels(Open):
    """What is said of new items, in their order."""

    items: list[Label]
    again: bool = Field(description="The lot was taken before, and is not counted again.")
    verdict: str
    sentence: str


class WaitingCheck(Open):
    """A check that a person is to answer, without the model's guess."""

    number: int
    text: str
    view: dict[str, Any] | None = Field(description="As of a question.")


class WaitingChecks(Open):
    """Checks that wait, those that came first."""

    total: int
    checks: list[WaitingCheck]


class Answer(BaseModel):
    """What a person who did not see the guess says of a check; told again, it is corrected."""

    check: int = Field(ge=0, le=2**53)
    label: Name | None = Field(description="As an answer is written; null = it cannot be decided.")
    new: bool = Field(default=False, description="The label may be one that the model does not know.")


class Answers(BaseModel):
    """All are taken, or none."""

    answers: list[Answer] = Field(min_length=1, max_length=1000)


def _status(at: Place, kept: Kept | None) -> dict[str, Any]:
    known = None if kept is None else {**asdict(kept.monitor.status()), "terms": kept.monitor.terms}
    if known is not None:
        known["terms"].pop("seed")  # who sends items should not know which are checks
        known["labels"] = [str(name) for name in kept.model.labels_ if name not in kept.model.gone_]  # type: ignore[union-attr]
    return {"monitor": known, "refused": at.project.keeper.refused}


@routes.get("/api/v1/monitor", response_model=Watched)
def status(at: Here) -> dict[str, Any]:
    """What is known now of the newest items: still holds, cannot tell, no longer."""
    return _status(at, at.project.keeper.open())


@routes.post("/api/v1/monitor", response_model=Watched)
def begin(at: Here, body: NewMonitor) -> dict[str, Any]:
    """Begin to watch the model as it is now. Nobody is blind to it any more, so no certificate can hand over what is
    open now; refused while blind checks are under way.
    """
    terms = {"max_error": body.max_error, "check_share": body.check_share, "least": body.least}
    return _status(at, at.project.keeper.begin(body.first or None, **terms))


@routes.delete("/api/v1/monitor", response_model=Done)
def end(at: Here) -> dict[str, Any]:
    """End the monitor; its file stays on the server under another name."""
    at.project.keeper.end()
    return {"done": True}


@routes.post("/api/v1/monitor/items", response_model=Labels)
def take(at: Here, body: Lot) -> dict[str, Any]:
    """Label new items, and draw checks among them, whose labels stay hidden until a person has given them."""
    from askwise.model.card import ASK

    kept = at.project.keeper.needed()
    with kept.changing():
        lot = kept.take(body.items, [_row(kept, item) for item in body.items], body.name)
    listed = zip(lot.labels, lot.confidence.tolist(), lot.ask.tolist(), lot.checks, strict=True)
    now = kept.monitor.status()
    return {
        "items": [
            {
                "number": lot.first + at_,
                "label": label or None,
                "confidence": None if np.isnan(sure) else sure,
                "advice": ASK if ask else "",
                "check": check,
            }
            for at_, (label, sure, ask, check) in enumerate(listed)
        ],
        "again": lot.again,
        "verdict": now.verdict,
        "sentence": now.sentence,
    }


def _row(kept: Kept, item: Any) -> dict[str, Any]:
    """What stands in a file of checks for an item."""
    if isinstance(item, Mapping):
        return dict(item)
    parts = [item] if isinstance(item, str) else list(item)
    columns = kept.model.card.columns if kept.model.card else ()
    names = columns if len(columns) == len(parts) else [f"text_{n + 1}" for n in range(len(parts))]
    return dict(zip(names if len(parts) > 1 else columns[:1] or ["text"], parts, strict=True))


@routes.get("/api/v1/monitor/checks", response_model=WaitingChecks)
def checks(at: Here, limit: Annotated[int, Given(ge=1, le=1000)] = 20) -> dict[str, Any]:
    """The checks that wait for a person, those that came first."""
    kept = at.project.keeper.needed()
    waiting, kind = kept.waiting(), kept.model.item_kind
    found = [(check.number, kind.unpacked(check.item, None)) for check in waiting[:limit]]
    return {
        "total": len(waiting),
        "checks": [{"number": n, "text": wire.shown(item), "view": wire.view(item)} for n, item in found],
    }


@routes.post("/api/v1/monitor/answers", response_model=Watched)
def answer(at: Here, body: Answers) -> dict[str, Any]:
    """Answer checks; on the disk before the reply."""
    kept = at.project.keeper.needed()
    with kept.changing():
        for one in body.answers:
            kept.tell(one.check, one.label, new=one.new)
    return _status(at, kept)
