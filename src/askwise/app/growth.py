"""More items for a project that runs: a file is taken in, looked at elsewhere, and what is new in it joins."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query as Given
from fastapi import Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from askwise import growing
from askwise.app import reading
from askwise.app.roles import Here, Place, Routes
from askwise.app.shapes import Name
from askwise.app.uploads import ACCEPTED, MAX_UPLOAD, SHOWN, Sent, safe_name
from askwise.core import BadInput
from askwise.options import on_page, render

routes = Routes(tags=["data"])


class More(Sent):
    """A file that is sent, and which of its columns are what, where they are not named as the project's are."""

    text: list[Name] = Field(default_factory=list, max_length=1000, description="Columns that are shown.")
    id: Name | None = Field(default=None, description="Column of names of the rows; null = as the project has it.")
    label: Name | None = Field(
        default=None, description="Column of labels that are known; null = as the project has it."
    )


class Joined(BaseModel):
    """What became of a file."""

    items: int = Field(description="New items.")
    known: int = Field(description="Items that the project has already.")
    labels: int = Field(description="New items whose label came with them.")
    problems: list[str] = Field(description="Rows and labels that were not taken, the first ones.")
    problems_in_all: int
    sentence: str


@routes.get("/api/v1/items/add", response_model=dict[str, Any])
def accepted(at: Here) -> dict[str, Any]:
    """What may be sent; why nothing may, where that is so."""
    refusal = _refusal(at)
    if not refusal:
        reading.get_ready()
    return {"largest": MAX_UPLOAD, "suffixes": list(ACCEPTED), "refused": refusal}


def _refusal(at: Place) -> str:
    session = at.session
    if session.pool.item_kind.files:
        return "Images and recordings are added where they lie: askwise add SESSION FOLDER"
    if session.pool.item_kind.features:
        return "The items of this project are numbers that a program gave, which adds more: session.add(…)"
    if session.recall() is not None:
        return "A search does not grow: the share it proves is one of all the records it began with."
    return ""


async def add(at: Here, request: Request, sent: Annotated[More, Given()]) -> dict[str, Any]:
    """Add the items of a file: the body is the file. Rows that the project has already are recognised."""
    if refusal := _refusal(at):
        raise BadInput(refusal)
    name = safe_name(sent.name)
    if not name.lower().endswith(ACCEPTED) and not sent.format:
        raise BadInput(f"{name!r} is no file of these: {', '.join(ACCEPTED)}.")
    with tempfile.TemporaryDirectory(prefix="askwise-more-") as folder:
        path, size = Path(folder) / name, 0
        with path.open("xb") as out:
            async for piece in request.stream():
                size += len(piece)
                if size > MAX_UPLOAD:
                    raise HTTPException(413, f"The file is larger than {MAX_UPLOAD >> 20} MB. Split it.")
                await run_in_threadpool(out.write, piece)
        if not size:
            raise BadInput(f"{name!r} is empty.")
        found = await run_in_threadpool(partial(_add, at, path, sent))
    said = [render(one, on_page) for one in found.problems]
    return {
        "items": found.items, "known": found.known, "labels": found.labels, "sentence": found.sentence,
        "problems": said[:SHOWN], "problems_in_all": len(said),
    }  # fmt: skip


def _add(at: Place, path: Path, sent: More) -> growing.Added:
    read = sent.how()
    reading.described(path, **read)  # refuses what is made to fill memory
    columns = {"text": sent.text or None, "id": sent.id, "label": sent.label}
    how = read | {name: value for name, value in columns.items() if value is not None}
    more = growing.load_more(at.session.pool, path, how, load=reading.loaded)
    more.address = {**more.address, "path": path.name}  # what its place was, nobody needs to know
    return at.session.add(more, annotator=at.who.name)


routes.add_api_route(
    "/api/v1/items/add",
    add,
    methods=["PUT"],
    response_model=Joined,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
