"""What a question shows beside text: the file of an item, the words or parts of it that speak for each class."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import Query as Given
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from askwise.app.roles import REVIEWER, Here, Place, Routes
from askwise.core import Array, BadInput, Label
from askwise.encoders.image import as_rgb
from askwise.media import BROKEN, File, audio_type, image_type, open_image
from askwise.state import DOUBTED, OVERLAP

if TYPE_CHECKING:
    from askwise.session import Session
    from askwise.state import State

WORD = re.compile(r"\w[\w'’-]*")
MOST = 100
"""Different words of one text that are tried."""
LEAST = 0.1
"""Log-odds that a word, or a part of an image, must move to be named."""
GRID = 7
"""Cells of a side that an image is cut into."""
SIDE = 256
"""Pixels of the longer side of the images that are tried: more than the usual encoders look at."""
ORIENTATION = 0x0112
"""The tag of a photograph that says how the camera was held."""
routes = Routes(tags=["labeling"])


def _row(at: Place, row: int) -> int:
    if row >= len(at.session.pool):
        raise BadInput(f"No row {row}; rows are 0 to {len(at.session.pool) - 1}.")
    if row in at.session.pool.withdrawn:
        raise BadInput("This item was withdrawn.")
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

    It is told for texts encoded by their words, once there is a model: of the item in one's hand, and to those who
    review also of items that are done. Never of what is or may become a blind check.
    """
    session = at.session
    content = session.pool.contents[_row(at, row)]
    if session.pool.kind != "text" or session.settings["encoder"] != "tfidf" or not _told(at, row):
        return []
    text = str(content)
    each = list(dict.fromkeys(found.lower() for found in WORD.findall(text)))[:MOST]
    without = [re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", text, flags=re.IGNORECASE) for word in each]
    found = []
    for label, lost in _lost(session, [text, *without]):
        best = np.argsort(-lost, kind="stable")[:6]
        telling = [(each[i], round(float(lost[i]), 4)) for i in best.tolist() if lost[i] >= LEAST]
        found.append({"label": label, "words": telling})
    return found


def _told(at: Place, row: int) -> bool:
    """Whether this person may hear now what the model thinks of a row; if so, the log says that they did.

    Of a row in their hand whose question shows the guess anyway; who reviews, also of rows that have an answer or a
    label by the model. Never of an open blind check, nor of a row that may still become one.
    """
    session, me = at.session, at.who
    item = session.pool.ids[row]

    def read(s: State) -> tuple[bool, bool]:
        ask, lease = s.asks.get(row), s.leases.get(row)
        hidden = ask is not None and (ask.audit or ask.check or ask.strategy in (OVERLAP, DOUBTED))
        holder = lease or ask
        mine = holder is not None and holder.annotator == me.name
        # Other people's opinions on a check are asked for, too.
        again = bool(s.opened.get("overlap")) and row in s.checks()
        open_ = bool(s.rest_mask[row]) or any(a.outcome == "open" and row in a.position for a in s.attempts) or again
        return s.model and open_ and mine and not hidden, s.model and not open_ and lease is None

    in_hand, decided = session.look(read)
    told = (in_hand and at.project.desk.holds(me.name, item)) or (decided and me.role >= REVIEWER)
    if told:
        session.show_guesses([item], annotator=me.name)
    return told


@contextmanager
def _settled(session: Session) -> Iterator[None]:
    """The model as it is between two trainings."""
    if not session._trainer.refreshing.acquire(timeout=5):
        raise HTTPException(503, "The model is being trained; ask again in a moment.")
    try:
        yield
    finally:
        session._trainer.refreshing.release()


def _lost(session: Session, items: list[Any]) -> list[tuple[Label, Array]]:
    """What the three likeliest classes of the first item lose by each of the others, which lack a part of it.

    Args:
        session: With a model.
        items: The item as it is, then (m,) variants of it.

    Returns:
        (class, (m,) float64 log-odds lost), likeliest first; nothing where the model cannot be called now.
    """
    with _settled(session):
        guessed = session.guesses_of(items)
    if guessed is None:
        return []  # reopened, and not yet trained in this process
    proba = getattr(guessed, "proba", None)
    if proba is None:
        return []  # an answer is no label whose odds could fall
    names = session.look(lambda s: list(s.labels))
    with np.errstate(divide="ignore"):
        odds = np.clip(np.log(proba) - np.log1p(-proba.astype(np.float64)), -30, 30)
    likely = np.argsort(-proba[0], kind="stable")[:3].tolist()
    return [(names[c], odds[0, c] - odds[1:, c]) for c in likely]


# ── images ──────────────────────────────────────────────────────────────────────────────────


class Regions(BaseModel):
    """The parts of an image that speak for one of the likeliest classes."""

    label: str
    cells: list[list[float]] = Field(
        description="How far the log-odds of the class fall when the cell is covered: rows from the top, as the image "
        "is shown."
    )
    where: list[str] = Field(description="The same in words, strongest first, such as `upper left`; empty = nowhere.")


@routes.get("/api/v1/regions", response_model=list[Regions])
def regions(at: Here, row: Annotated[int, Given(ge=0, le=2**53)]) -> list[dict[str, Any]]:
    """Which parts of an image speak for its three likeliest classes; empty where that cannot be told.

    Each cell of a grid is covered with the mean color of the image, and the model is asked again (occlusion: Zeiler &
    Fergus 2014). It is told for images that an encoder turns into features, of the items that `words` tells of.
    """
    session = at.session
    content = session.pool.contents[_row(at, row)]
    if session.pool.kind != "image" or not isinstance(content, File) or not _told(at, row):
        return []
    variants, (down, across), turn = covered(content)
    found = []
    for label, lost in _lost(session, list(variants)):
        cells = upright(lost.reshape(down, across), turn)
        found.append({"label": label, "cells": np.round(cells, 4).tolist(), "where": places(cells)})
    return found


@dataclass(frozen=True)
class _Held:
    """A source of one file that is in memory."""

    data: bytes

    def names(self) -> list[str]:
        return []

    def read(self, name: str) -> bytes:
        del name
        return self.data


def covered(file: File, *, side: int = SIDE, grid: int = GRID) -> tuple[list[File], tuple[int, int], int]:
    """An image, then the image with each cell of a grid covered: as files, since that is what encoders read.

    Args:
        file: An image.
        side: Pixels that the longer side is brought to, where it has more.
        grid: Cells of a side; an image of fewer pixels has as many cells.

    Returns:
        (1 + down · across files, (down, across), orientation that the image asks to be shown in, 1 to 8).

    Raises:
        BadInput: The file is gone, was changed, or is no image.
    """
    from PIL import Image

    try:
        image = open_image(file.read(), about=side)
        turn = int(image.getexif().get(ORIENTATION, 1))
        image = as_rgb(image)
    except BROKEN as error:
        raise BadInput(f"The image {str(file)!r} cannot be read: {error}.") from None
    image.thumbnail((side, side), Image.Resampling.BOX)
    exif = Image.Exif()
    exif[ORIENTATION] = turn  # an encoder that turns photographs shall turn these
    pixels = np.asarray(image)
    mean = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    rows, columns = (np.linspace(0, size, min(grid, size) + 1).round().astype(int) for size in pixels.shape[:2])

    def stored(array: Array) -> File:
        out = io.BytesIO()
        Image.fromarray(array).save(out, "PNG", compress_level=1, exif=exif)
        data = out.getvalue()
        return File(file.name, hashlib.sha256(data).hexdigest(), _Held(data))

    variants = [stored(pixels)]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            one = pixels.copy()
            one[top:bottom, left:right] = mean
            variants.append(stored(one))
    return variants, (len(rows) - 1, len(columns) - 1), turn


def upright(cells: Array, turn: int) -> Array:
    """(rows, columns) of an image as it is stored → as it is shown, by its orientation, 1 to 8 (EXIF 2.3, 4.6.4)."""
    moves: dict[int, Callable[[Array], Array]] = {
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a.T, 2),
        8: np.rot90,
    }
    return moves[turn](cells) if turn in moves else cells


def places(cells: Array) -> list[str]:
    """Where the strongest cells lie, in words: at most three of the nine parts of an image, strongest first.

    Args:
        cells: (rows, columns); cells of at least `LEAST`, and half of the largest, count.
    """
    strong = np.where(cells >= max(LEAST, float(cells.max()) / 2), cells, 0.0)
    sums: dict[str, float] = {}
    for y, x in zip(*np.nonzero(strong), strict=True):
        down = ("upper", "middle", "lower")[min(2, int(3 * (y + 0.5) / cells.shape[0]))]
        across = ("left", "center", "right")[min(2, int(3 * (x + 0.5) / cells.shape[1]))]
        name = "center" if (down, across) == ("middle", "center") else f"{down} {across}"
        sums[name] = sums.get(name, 0.0) + float(strong[y, x])
    return sorted(sums, key=lambda name: -sums[name])[:3]
