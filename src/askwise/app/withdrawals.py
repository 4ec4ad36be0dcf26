"""Items out of a project for good: what an owner can do after a privacy request."""

from __future__ import annotations

from pydantic import BaseModel, Field

from askwise.app.roles import Here, Routes
from askwise.app.shapes import Name, Text
from askwise.options import on_page, render

routes = Routes(tags=["data"])


class Leaving(BaseModel):
    """Items that are to be withdrawn."""

    items: list[Name] = Field(min_length=1, max_length=5_000, description="Ids.")
    reason: Text = Field(
        default="", max_length=1_000, description="Why; it stays in the log, so it should name nobody."
    )


class Left(BaseModel):
    """What became of them."""

    items: int = Field(description="Withdrawn.")
    answered: int = Field(description="Of these, with an answer or a label.")
    checks: int = Field(description="Of these, random check items: they count for the worst from now on.")
    certified: int = Field(description="Of these, in the region of a certificate that stands.")
    sentence: str


@routes.post("/api/v1/items/withdraw", response_model=Left)
def withdraw(at: Here, body: Leaving) -> Left:
    """Withdraw items for good: nothing of what they held is left in the session's file. This cannot be undone."""
    try:
        found = at.session.withdraw(body.items, annotator=at.who.name, reason=body.reason)
    finally:
        at.project.desk.forget()
    return Left(
        items=found.items,
        answered=found.answered,
        checks=found.checks,
        certified=found.certified,
        sentence=render(found.sentence, on_page),
    )
