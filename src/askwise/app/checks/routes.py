"""The routes of a check of given labels: one verb of its desk each, and the numbers."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Query as Given
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from askwise.app.checks import shapes
from askwise.app.checks.desk import CheckDesk
from askwise.app.labeling import FILES, KINDS
from askwise.app.roles import OF_A_CHECK, Routes
from askwise.app.shapes import Done
from askwise.core import share


def routes(desk: CheckDesk) -> Routes:
    """The routes of one check."""
    made, check = Routes(needs=OF_A_CHECK, tags=["check"]), desk.check

    @made.get("/api/v1/check", response_model=shapes.About)
    def check_about() -> dict[str, Any]:
        """What is looked for, and in what."""
        terms, size = check.state.terms, check.state.size
        names = ("title", "max_error", "level", "wrong_first")
        return {name: terms[name] for name in names} | {"size": size, "aim": _aim(terms, size)}

    @made.post("/api/v1/check/ask", response_model=shapes.Turn)
    def check_ask(body: shapes.Ask) -> dict[str, Any]:
        """The tab's question. It stays the tab's for three minutes after the tab was last heard of."""
        return desk.ask(body.tab, rest=body.rest)

    @made.post("/api/v1/check/answer", response_model=shapes.Turn)
    def check_answer(body: shapes.Answer) -> dict[str, Any]:
        """Answer: on the disk when the reply comes, with the next question. 409: somebody else has answered the row."""
        return desk.answer(body.tab, body.key, body.row, body.label, body.seconds)

    @made.post("/api/v1/check/later", response_model=shapes.Turn)
    def check_later(body: shapes.Row) -> dict[str, Any]:
        """Put the question behind the others that wait; an answer that was gone back to stays as it is."""
        return desk.later(body.tab, body.key, body.row)

    @made.post("/api/v1/check/back", response_model=shapes.Turn)
    def check_back(body: shapes.Act) -> dict[str, Any]:
        """Ask the tab's last answer anew, and the one before with the next call. The answer stands until it is given
        anew. 400: there is none, or somebody has looked at the numbers since.
        """
        return desk.back(body.tab, body.key)

    @made.post("/api/v1/check/leave", response_model=Done)
    def check_leave(body: shapes.Tab) -> dict[str, Any]:
        """The tab is closed: its question is free."""
        desk.leave(body.tab)
        return {"done": True}

    @made.get("/api/v1/check/numbers", response_model=shapes.Numbers)
    def check_numbers() -> dict[str, Any]:
        """How good the labels are, and which stay. It may tell whether the last answer agreed with its label, so no tab
        goes back to an answer from before.
        """
        desk.looked()
        return check.summary() | {
            "rest": desk.rest,
            "workbooks": importlib.util.find_spec("openpyxl") is not None,
        }

    @made.get("/api/v1/check/export", response_class=Response, responses=FILES)
    def check_export(
        format: Annotated[Literal["csv", "tsv", "jsonl", "parquet", "xlsx"], Given()] = "csv",  # noqa: A002 - in the address
        bom: Annotated[bool, Given(description="CSV and TSV: with a byte order mark, as Excel wants it.")] = False,
        raw: Annotated[bool, Given(description="CSV and TSV: no apostrophe before cells that are formulas.")] = False,
    ) -> Response:
        """Each row of the file with what became of its label. It tells what the numbers tell."""
        desk.looked()
        folder = tempfile.TemporaryDirectory(prefix="askwise-")
        path = Path(folder.name) / f"checked.{format}"
        try:
            check.export(path, raw=raw, bom=bom)
        except BaseException:
            folder.cleanup()
            raise
        done = BackgroundTask(folder.cleanup)
        return FileResponse(path, filename=path.name, media_type=KINDS[format], background=done)

    return made


def _aim(terms: Any, size: int) -> str:
    if terms["max_error"] is not None:
        return (
            f"Find out which of {size:,} labels may stay without a person, so that at most {share(terms['max_error'])} "
            "of them all are wrong."
        )
    more = " Every other ten questions are the most doubtful labels." if terms["wrong_first"] else ""
    return f"Find out how good {size:,} labels are. Answer as many as you like; more make the numbers closer.{more}"
