"""A check out of a file that somebody sent from the page of a new project."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from askwise.app import reading
from askwise.app.roles import OF_A_CHECK, Routes
from askwise.app.shapes import Name
from askwise.checking import LabelCheck
from askwise.core import Conflict
from askwise.recent import CHECK
from askwise.store import discard

if TYPE_CHECKING:
    from askwise.app.projects import Intake


class BeginCheck(BaseModel):
    """A new check: which columns of an upload are what."""

    upload: Name
    guess: Name = Field(description="Column of the labels that are checked.")
    text: list[Name] = Field(
        default_factory=list,
        max_length=1000,
        description="Columns that people see; [] = the row without what is named.",
    )
    confidence: Name | None = Field(default=None, description="Column of numbers, the higher the surer.")
    by: Name | None = Field(default=None, description="The accuracy also for each value of this column.")
    max_error: float | None = Field(
        default=None, gt=0, lt=1, description="Find out which labels may stay, at most this share of all wrong."
    )


class BegunCheck(BaseModel):
    """A check that can be answered."""

    at: str = Field(description="Address of its page.")


def new_check(intake: Intake, begin: Callable[[LabelCheck, Path], str]) -> Routes:
    """The route that makes a check.

    Args:
        intake: Where files are.
        begin: Takes the new check, and its file; gives the address of its page.
    """
    made, starting = Routes(needs=OF_A_CHECK, tags=["new project"]), threading.Lock()

    @made.post("/api/v1/new/check", response_model=BegunCheck)
    def new_check(body: BeginCheck) -> dict[str, Any]:
        """Begin a check of labels that exist already, beside the file, which stays where it was put."""
        if not starting.acquire(blocking=False):
            raise Conflict("A check is being made right now. Wait for it.")
        try:
            path, how = intake.path(body.upload), intake.how(body.upload)
            columns = {"guess": body.guess, "confidence": body.confidence, "by": body.by, "text": body.text}
            found = reading.given(path, **columns, how=how)
            store = path.parent / f"{path.parent.name}{CHECK}"
            try:
                check = LabelCheck(found, max_error=body.max_error, store=store)
            except BaseException:
                discard(store)  # what lies there is this request's own beginning
                raise
            intake.keep(body.upload)
            return {"at": begin(check, store)}
        finally:
            starting.release()

    return made
