"""The routes of the model itself: what it says of new items, its card, its file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Query as Given
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from askwise.app.roles import Here, Routes
from askwise.app.shapes import Judgement, Text
from askwise.core import BadInput

MOST = 1_000
"""Items of one request."""
routes = Routes(tags=["models"])
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}, "application/octet-stream": {}}, "description": "The saved model"}
}


class Items(BaseModel):
    """New items, of the kind that the session is about."""

    items: list[Annotated[Text, Field(max_length=100_000)] | dict[str, Any] | list[Text]] = Field(
        min_length=1, max_length=MOST, description="Texts; table rows, column → value; or pairs of two texts."
    )


@routes.post("/api/v1/predict", response_model=Judgement)
def predict(at: Here, body: Items) -> dict[str, Any]:
    """What the model takes new items for. Refused while blind checks are under way.

    Of an item like one of the session the log notes that you know the guess: your answer to that one is no blind check
    any more. What waits for such a check stays hidden.
    """
    from askwise import model

    session = at.session
    if not session.pool.item_kind.in_json:
        raise BadInput(
            f"New items of the kind {session.pool.kind!r} cannot be sent as JSON. Take the model's file, and predict "
            "with it: askwise predict MODEL FILE."
        )
    said = model.through(session, body.items, annotator=at.who.name)
    watched = at.project.keeper.open()
    waits = said.hidden if watched is None else said.hidden | watched.hides(body.items)
    listed = zip(
        np.where(waits, "", said.labels).tolist(), np.where(waits, np.nan, said.confidence).tolist(),
        (said.ask | waits).tolist(), waits.tolist(), strict=True,
    )  # fmt: skip
    return {
        "items": [
            {
                "label": label or None,
                "confidence": None if np.isnan(sure) else sure,
                "advice": model.card.ASK if ask else "",
                "hidden": hidden,
            }
            for label, sure, ask, hidden in listed
        ],
        "version": session.look(lambda s: s.ranking.round if s.ranking else 0),
        "about": model.card.NEW_ITEMS,
    }


@routes.get("/api/v1/model", response_model=dict[str, Any])
def card(at: Here) -> dict[str, Any]:
    """The card of the current model: what it was trained on, what is proved of whom; null before the first."""
    from askwise import model

    found = model.card_now(at.session)
    if found is None:
        return {"card": None, "advice": "", "about": model.card.NEW_ITEMS}
    return {"card": found.data(), "advice": found.advice, "about": model.card.NEW_ITEMS}


@routes.get("/api/v1/model/file", response_class=Response, responses=FILE)
def file(
    at: Here,
    format: Annotated[Literal["skops", "onnx"], Given(description="onnx: for rows of features.")] = "skops",  # noqa: A002
) -> Response:
    """The model as a file, with its card. Nobody is blind to its guesses any more, so no certificate can hand over what
    is open now; refused while blind checks are under way.
    """
    from askwise import model

    folder = tempfile.TemporaryDirectory(prefix="askwise-")
    path = Path(folder.name) / f"model.{format}"
    try:
        model.save(at.session, path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, filename=path.name, background=BackgroundTask(folder.cleanup))
