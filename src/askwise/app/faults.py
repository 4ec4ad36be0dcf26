"""What goes wrong on the server's side, as replies that nobody drops an answer for."""

from __future__ import annotations

import errno
import os

from starlette.responses import JSONResponse, Response

from askwise.core import AskwiseError, BadInput, BadStore, CannotWrite, Conflict, ContractError
from askwise.options import on_page, render

RETRY = 5
"""Seconds after which who got a 503 may try again."""
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Conflict, 409),
    (CannotWrite, 503),
    (BadStore, 503),
    (ContractError, 500),
    (BadInput, 400),
    (AskwiseError, 400),
)
"""Class of an error → status, the first that fits: 4xx only for what the caller can mend, or a page would drop it."""
SYSTEM = {
    errno.ENOSPC: "The server's disk is full: free some space on it.",
    errno.EDQUOT: "The server's disk is full for this account: free some space on it.",
    errno.EFBIG: "The server may not write a file as large as this.",
    errno.EMFILE: "The server has too many files and connections open: wait a moment, or raise `ulimit -n`.",
    errno.ENFILE: "The server's machine has too many files open: wait a moment.",
    errno.ENOMEM: "The server's machine is out of memory: end something on it.",
    errno.EROFS: "The server cannot write there: the disk is read-only.",
    errno.EACCES: "The server cannot read or write there: it lacks the permission.",
    errno.EIO: "The server's disk fails: check it.",
    errno.ESTALE: "The server's network drive was taken away: connect it again.",
}
"""What an error of the operating system means, where it is about the server's machine."""


def reply(error: AskwiseError) -> Response:
    """The reply to an error of ours: its sentence, and when to try again where that may help."""
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    return answer(render(error, on_page), status)


def answer(sentence: str, status: int) -> Response:
    """A reply that says what is wrong."""
    # A sentence may quote what no reply can hold: half of a character from somebody's request.
    said = sentence.encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"error": said}, status, {"Retry-After": str(RETRY)} if status == 503 else None)


def of_system(error: OSError) -> Response | None:
    """The reply to an error of the operating system; None where it is not about the machine."""
    sentence = SYSTEM.get(error.errno or 0)
    if sentence is None:
        return None
    where = f" ({os.path.basename(str(error.filename))})" if error.filename else ""  # noqa: PTH119 - may be bytes or a number
    return answer(f"{sentence}{where} Answers saved so far are safe.", 503)
