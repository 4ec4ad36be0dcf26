"""What a question shows beside text: the file of an item, the words that speak for each class."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import Query as Given
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from askwise.app.roles import Here, Place, Routes
from askwise.core import BadInput
from askwise.media import File, audio_type, image_type

if TYPE_CHECKING:
    from askwise.session import Session

WORD = re.compile(r"\w[\w'’-]*")
MOST = 100
"""Different words of one text that are tried."""
LEAST = 0.1
"""Log-odds that a word must move to be named."""
routes = Routes(tags=["labeling"])


def _row(at: Place, row: int) -> int:
    if row >= len(at.session.pool):
        raise BadInput(f"No row {row}; rows are 0 to {len(at.session.pool) - 1}.")
    return row


FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}, "audio/*": {}}, "description": "The file, unchanged"}
}


@routes.get("/api/v1/file", response_class=Response, responses=FILES)
def file(at: Here, row: Annotated[int, Given(ge=0, le=2**53)]) -> Response:
    """The image or recording that is the item of a row, as it was when the session began."""
    content = at.session.pool.contents[_row(at, row)]
    if not isinstance(content, File):
        raise HTTPException(404, f"The items of this session are no files but of the kind {at.session.pool.kind!r}.")
    data = content.read()
    kind = image_type(data) or audio_type(data)
    # The type is told by us, by the bytes; the file cannot become a page.
    headers = {"Cache-Control": "private, max-age=3600", "Content-Disposition": "inline"}
    return Response(data, media_type=kind or "application/octet-stream", headers=headers)


class Words(BaseModel):
    """The words that speak for one of the likeliest classes."""

    label: str
    words: list[tuple[str, float]] = Field(
        description="Word, and how far the log-odds of the class fall when the word is left out; largest first."
    )


@routes.get("/api/v1/words", response_model=list[Words])
def words(at: Here, row: Annotated[int, Given(ge=0, le=2**53)]) -> list[dict[str, Any]]:
    """Which words speak for the three likeliest classes of a text; empty where that cannot be told.

    It is told for texts encoded by their words, once there is a model, and never of an open blind check.
    """
    session, state = at.session, at.session._state
    content = session.pool.contents[_row(at, row)]
    ask = state.asks.get(row)
    blind = ask is not None and (ask.audit or ask.check) and row in state.leases
    if session.pool.kind != "text" or session._encoder_name != "tfidf" or not state.model or blind:
        return []
    if not session._refreshing.acquire(timeout=5):
        raise HTTPException(503, "The model is being trained; ask again in a moment.")
    try:
        return _without_each(session, str(content))
    finally:
        session._refreshing.release()


def _without_each(session: Session, text: str) -> list[dict[str, Any]]:
    """The text encoded without each of its words: what that takes away from the likeliest classes."""
    each = list(dict.fromkeys(found.lower() for found in WORD.findall(text)))[:MOST]
    without = [re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", text, flags=re.IGNORECASE) for word in each]
    guessed = session.guesses_of([text, *without])
    if guessed is None:
        return []
    (proba, numbers), names = guessed, session.classes
    with np.errstate(divide="ignore"):
        odds = np.clip(np.log(proba) - np.log1p(-proba.astype(np.float64)), -30, 30)
    found = []
    for column in np.argsort(-proba[0], kind="stable")[:3].tolist():
        lost = odds[0, column] - odds[1:, column]
        best = np.argsort(-lost, kind="stable")[:6]
        telling = [(each[i], round(float(lost[i]), 4)) for i in best.tolist() if lost[i] >= LEAST]
        found.append({"label": names[int(numbers[column])], "words": telling})
    return found
