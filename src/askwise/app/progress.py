"""How far long work is, as a page asks for it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from askwise import notices
from askwise.app.roles import Routes


class Progress(BaseModel):
    """How far long work is."""

    title: str = Field(description='What goes on; "" = nothing that takes long.')
    done: int
    total: int = Field(description="0 = not known.")
    seconds: float = Field(description="Since it began.")
    rate: float | None = Field(description="Steps a second.")
    left: float | None = Field(description="Seconds still to go.")
    sentence: str = Field(description="The same in words.")


def progress() -> dict[str, Any]:
    """The work under way in this process, as `Progress`."""
    work = notices.now()
    if work is None:
        return {"title": "", "done": 0, "total": 0, "seconds": 0.0, "rate": None, "left": None, "sentence": ""}
    return {
        "title": work.title, "done": work.done, "total": work.total, "seconds": work.seconds,
        "rate": work.rate, "left": work.left, "sentence": work.sentence,
    }  # fmt: skip


def tell_progress(routes: Routes) -> Routes:
    """Add the route that tells how far a new project is."""

    @routes.get("/api/v1/new/progress", response_model=Progress)
    def new_progress() -> dict[str, Any]:
        """How far the project is that is being made."""
        return progress()

    return routes
