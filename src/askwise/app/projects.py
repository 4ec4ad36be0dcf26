"""New projects from the browser: a file is taken in, looked at column by column, and becomes a session."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Body, FastAPI, Request
from fastapi import Query as Given
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from askwise import encoders, learners, plugins, spans, strategies
from askwise.app import reading
from askwise.app.checks.app import create_check, prepare
from askwise.app.checks.desk import CheckDesk
from askwise.app.checks.new import new_check
from askwise.app.guard import Codes, Guard
from askwise.app.progress import tell_progress
from askwise.app.project import Project
from askwise.app.roles import OWNER, Routes, Who
from askwise.app.server import build
from askwise.app.shapes import Name, Text
from askwise.app.uploads import ACCEPTED, EXAMPLES, LONGEST, MAX_UPLOAD, SHOWN, Sent, safe_name
from askwise.app.wire import shown
from askwise.checking import LabelCheck
from askwise.core import BadInput, Conflict, ContractError, MissingExtra, Unreachable
from askwise.options import on_page, option, render
from askwise.pool import Pool, kinds
from askwise.tasks import Task, chosen

if TYPE_CHECKING:
    from askwise.app.shelf import Shelf
    from askwise.session import Session

UPLOADS = 4
"""Uploads that are kept at a time and not yet a project."""

if TYPE_CHECKING:
    Kind = str
else:
    Kind = Literal[kinds.KINDS]  # a type made of the list: the API's document names each of them


class Own(BaseModel):
    """A learner of Askwise's own."""

    name: str
    what: str = Field(description="What it is good for, in a sentence or two.")


class Limits(BaseModel):
    """What may be sent."""

    largest: int = Field(description="Bytes of one file.")
    suffixes: list[str]
    plugins: dict[str, list[str]] = Field(
        description="learner, encoder, strategy → names of the entry points of packages that are installed here."
    )
    learners: list[Own] = Field(description="Of Askwise's own, for one label an item.")
    usual: dict[str, str] = Field(description="Kind of item → which of these learns where none is named.")
    checks: bool = Field(description="Whether labels that exist already can be checked here: `POST new/check`.")


class ReadAs(BaseModel):
    """How a file was read."""

    format: str
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    sheets: list[str] = Field(default_factory=list)


class Row(BaseModel):
    """A row that cannot be used, or loads without its label."""

    row: int = Field(description="1 is the first after the header.")
    line: int | None
    what: str


class Col(BaseModel):
    """A column with what it holds."""

    name: str
    examples: list[str]
    filled: int = Field(description="Cells that are not empty.")
    different: int = Field(description="Different values.")


class Proposal(BaseModel):
    """What the columns look like; the person decides."""

    kind: Kind
    text: list[str]
    label: str | None
    id: str | None
    task: str = Field(default="one", description="What an answer is: `one`, or `spans` where some are marked.")


class Upload(BaseModel):
    """A file that was taken in."""

    upload: str = Field(description="Names it in further requests.")
    name: str
    rows: int
    columns: list[Col]
    problems: list[Row]
    problems_in_all: int
    notes: list[str]
    proposal: Proposal
    read_as: ReadAs


class Look(BaseModel):
    """Which columns of an upload are what."""

    upload: Name
    kind: Kind = "text"
    text: list[Name] = Field(default_factory=list, max_length=1000, description="Columns that are shown.")
    label: Name | None = Field(default=None, description="Column of labels that are known.")
    id: Name | None = Field(default=None, description="Column of names of the rows; null = a hash of the content.")
    show: list[Name] = Field(
        default_factory=list, max_length=1000, description="Columns that are shown with an item and not learned from."
    )
    multilabel: bool = Field(default=False, description="An item may have several labels, written a|b in its column.")
    task: str = Field(
        default="one",
        max_length=200,
        description="What an answer is: `one` label, `sets` (as `multilabel`), or another task with its options, such "
        "as `number:tolerance=0.5`.",
    )


class Seen(BaseModel):
    """What a session about these columns would hold."""

    items: int
    rows: int
    classes: list[tuple[str, int]] = Field(description="Labels that came with the data, most frequent first.")
    examples: list[str]
    problems: list[Row]
    problems_in_all: int
    notes: list[str]


class Begin(Look):
    """A new session."""

    classes: list[Name] = Field(max_length=10_000, description="The labels, in the order of their keys.")
    title: Text = Field(default="", max_length=200)
    guidelines: Text = Field(default="", max_length=100_000)
    guesses: list[Name] = Field(
        default_factory=list,
        max_length=20,
        description="Columns of labels that a model gave to texts: learned from, never truth, shown to nobody.",
    )
    learner: Name | None = Field(
        default=None, description="One of ours or a registered name; null = the default. Never module:object."
    )
    encoder: Name | None = Field(default=None, description="The same, or one of ours.")
    strategy: Name | None = Field(default=None, description="The same, or one of ours.")


class Begun(BaseModel):
    """A session that can be labeled."""

    at: str = Field(description="Address of its page.")


# ── the files ───────────────────────────────────────────────────────────────────────────────


@dataclass
class _Taken:
    folder: Path
    path: Path
    how: dict[str, Any] = field(default_factory=dict)
    """How it is read, for `load_pool`."""
    files: bool = False
    """Whether its items are files in an archive."""


class Intake:
    """Takes files in, each in a folder of its own below `root`, where its session will lie beside it.

    Args:
        root: An existing folder.
        largest: Bytes of one file.
        shelf: The database where sessions go; then a file lies in its folder only until it is one.
    """

    def __init__(self, root: Path, *, largest: int = MAX_UPLOAD, shelf: Shelf | None = None) -> None:
        self.root = root
        self.largest = largest
        self.shelf = shelf
        self._taken: dict[str, _Taken] = {}
        self._last: tuple[str, Pool] | None = None
        self._lock = threading.RLock()

    def place(self, name: str, how: dict[str, Any] | None = None) -> tuple[str, Path]:
        """(name of the upload, path to write to) for a file whose name a browser tells: never more than a name.

        Args:
            name: Of the file.
            how: How it is to be read, for `load_pool`.

        Raises:
            BadInput: A kind of file that nothing can be made of.
        """
        safe = safe_name(name)
        low = safe.lower()
        if not low.endswith(ACCEPTED) and not (how and how.get("format")):
            raise BadInput(
                f"{safe!r} is no file of these: {', '.join(ACCEPTED)}. If it is a table, name its format: "
                f"{option('format')}."
            )
        with self._lock:
            while len(self._taken) >= UPLOADS:
                self.forget(next(iter(self._taken)))
            stem = PurePosixPath(safe)
            while stem.suffix.lower() in ACCEPTED:
                stem = stem.with_suffix("")
            base = "project" if stem.name.lower() in ACCEPTED else stem.name
            number = 1
            while True:
                folder = self.root / (base if number == 1 else f"{base}-{number}")
                try:
                    folder.mkdir()
                    break
                except FileExistsError:
                    number += 1
            upload = secrets.token_urlsafe(12)
            self._taken[upload] = _Taken(folder, folder / safe, how or {})
            return upload, folder / safe

    def path(self, upload: str) -> Path:
        """Where an upload lies.

        Raises:
            BadInput: There is none of this name (any more).
        """
        with self._lock:
            if upload not in self._taken:
                raise BadInput("This upload is no longer here. Choose the file again.")
            return self._taken[upload].path

    def how(self, upload: str) -> dict[str, Any]:
        """How an upload is to be read, for `load_pool`."""
        with self._lock:
            return dict(self._taken[upload].how) if upload in self._taken else {}

    def holds_files(self, upload: str) -> None:
        """Remember that the items of an upload are files in an archive."""
        with self._lock:
            if upload in self._taken:
                self._taken[upload].files = True

    def forget(self, upload: str) -> None:
        """Delete an upload that became no project."""
        with self._lock:
            taken = self._taken.pop(upload, None)
            if taken:
                shutil.rmtree(taken.folder, ignore_errors=True)

    def forget_all(self) -> None:
        """Delete every upload that became no project."""
        for upload in list(self._taken):
            self.forget(upload)

    def keep(self, upload: str) -> None:
        """An upload became a project: it is no longer ours to delete."""
        with self._lock:
            self._taken.pop(upload, None)

    def pool(self, look: Look) -> Pool:
        """The pool of an upload by what its columns are; kept till the next one."""
        answers = chosen(look.task, look.multilabel).answers
        key = repr((look.upload, look.kind, look.text, look.label, look.id, look.show, answers))
        with self._lock:
            if self._last is None or self._last[0] != key:
                self._last = None  # two large pools at a time would be one too many
                path = self.path(look.upload)
                taken = self._taken[look.upload]
                whole = taken.files
                text = None if whole or not look.text else look.text
                kind = None if whole and not kinds.are_files(look.kind) else look.kind
                pool = reading.loaded(
                    path, kind=kind, text=text, id=look.id, label=look.label, show=look.show or None, answers=answers,
                    **taken.how,
                )  # fmt: skip
                if self.shelf is not None and pool.item_kind.files:
                    raise BadInput(
                        "A database keeps the names of images and recordings, not the files, which other servers would "
                        "not find. Put them in a folder that every server sees, and start there: askwise label FOLDER "
                        "--session postgresql://USER@HOST/DATABASE#NAME"
                    )
                self._last = key, pool
            return self._last[1]


# ── the columns ─────────────────────────────────────────────────────────────────────────────


def _seen(pool: Pool, task: Task) -> dict[str, Any]:
    given = [name for said in task.in_data(pool.given, pool.contents).values() for name in task.labels_in(said)]
    return {
        "items": len(pool),
        "rows": int(pool.address["rows"]),
        "classes": Counter(given).most_common(1000),
        "examples": _examples(pool, task),
        "problems": [{"row": p.row, "line": p.line, "what": render(p.what, on_page)} for p in pool.problems[:SHOWN]],
        "problems_in_all": len(pool.problems),
        "notes": [render(note, on_page) for note in pool.notes],
    }


def _examples(pool: Pool, task: Task) -> list[str]:
    """The first items; with spans the first that have some, these in brackets."""
    if task.answers != "spans":
        return [shown(content)[:LONGEST] for content in pool.contents[:EXAMPLES]]
    some = [row for row, written in pool.given.items() if spans.parse(written)] or range(len(pool))
    found = []
    for row in list(some)[:EXAMPLES]:
        text, line, done = pool.contents[row], "", 0
        for start, end, label in spans.parse(pool.given.get(row, spans.NONE)):
            line += f"{text[done:start]}[{text[start:end]} {label}]"
            done = end
        found.append(shown(line + text[done:])[:LONGEST])
    return found


# ── the routes ──────────────────────────────────────────────────────────────────────────────


def routes(
    intake: Intake,
    begin: Callable[[Session, Path], str],
    begun: Callable[[Request, str], None] | None = None,
    *,
    checks: bool = False,
) -> Routes:
    """The routes that make a project.

    Args:
        intake: Where files go.
        begin: Takes the new session, and its file (on a shelf its name); gives the address of its page.
        begun: Called with the request that made a project, and its address.
        checks: Whether the server has `checks.new.new_check` beside it.
    """
    made = tell_progress(Routes(tags=["new project"]))
    starting = threading.Lock()

    @made.get("/api/v1/new", response_model=Limits)
    def limits() -> dict[str, Any]:
        """What may be sent."""
        reading.get_ready()
        found = {what: list(plugins.registered(what)) for what in plugins.GROUPS}
        return {
            "largest": intake.largest,
            "suffixes": list(ACCEPTED),
            "plugins": found,
            "learners": [{"name": name, "what": what} for name, what in learners.WHAT.items()],
            "usual": {name: kinds.get(name).learner for name in kinds.KINDS},
            "checks": checks,
        }

    async def file(request: Request, sent: Annotated[Sent, Given()]) -> dict[str, Any]:
        """Take a file in: the body is the file. Gives its columns."""
        if int(request.headers.get("content-length") or 0) > intake.largest:
            raise HTTPException(413, _too_large(intake))
        upload, path = intake.place(sent.name, sent.how())
        try:
            await run_in_threadpool(reading.get_ready)
            size = 0
            with path.open("xb") as out:
                async for piece in request.stream():
                    size += len(piece)
                    if size > intake.largest:
                        raise HTTPException(413, _too_large(intake))
                    await run_in_threadpool(out.write, piece)
            if not size:
                raise BadInput(f"{path.name!r} is empty.")
            found = await run_in_threadpool(partial(reading.described, path, **sent.how()))
            if found["read_as"]["format"] == "zip":
                intake.holds_files(upload)
        except BaseException:
            intake.forget(upload)
            raise
        return {"upload": upload, "name": path.name, **found}

    binary = {
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    }
    made.add_api_route(
        "/api/v1/new/file", file, name="new_file", methods=["PUT"], response_model=Upload, openapi_extra=binary
    )

    @made.post("/api/v1/new/look", response_model=Seen)
    def look(body: Look) -> dict[str, Any]:
        """What a session about these columns would hold, and which rows cannot be used."""
        return _seen(intake.pool(body), chosen(body.task, body.multilabel))

    @made.post("/api/v1/new/start", response_model=Begun)
    def start(request: Request, body: Annotated[Begin, Body()]) -> dict[str, Any]:
        """Make the session: beside its file, which stays where it was put, or in the team's database."""
        from askwise.session import Session
        from askwise.store import discard

        if not starting.acquire(blocking=False):
            raise Conflict("A project is being made right now. Wait for it.")
        try:
            path = intake.path(body.upload)
            pool = intake.pool(body)
            names, task = body.classes, chosen(body.task, body.multilabel)
            if len(names) < task.fewest and task.named:
                least = "two labels are" if task.fewest > 1 else "one label is"
                raise BadInput(f"At least {least} needed, got {len(names)}.")
            title = body.title or path.parent.name
            parts = _registered(body)
            said: dict[str, Any] = parts | {
                "classes": names if task.named else None,
                "task": task,
                "title": title,
                "guidelines": body.guidelines,
                "guesses": body.guesses or None,
            }
            if intake.shelf is not None:
                # The file is gone in a moment; what its place was, nobody needs to know.
                kept = replace(pool, address={**pool.address, "path": path.name})
                at = intake.shelf.begin(
                    intake.shelf.named(path.parent.name),
                    lambda store: Session(kept, store=store, **said, apart=True),
                    lambda name, session: begin(session, Path(name)),
                )
                intake.forget(body.upload)
                if begun is not None:
                    begun(request, at)
                return {"at": at}
            store = path.parent / f"{path.parent.name}.askwise"
            try:
                session = Session(pool, store=store, **said, apart=True)
            except (BadInput, ContractError, MissingExtra, Unreachable):
                discard(store)  # what lies there is this request's own beginning
                raise
            intake.keep(body.upload)
            at = begin(session, store)
            if begun is not None:
                begun(request, at)
            return {"at": at}
        finally:
            starting.release()

    return made


def _registered(body: Begin) -> dict[str, str]:
    """The parts that were named, as arguments of `Session`.

    Raises:
        HTTPException: 422, a name that is not on the list. A module would be imported, a folder read: who can reach the
            page could then run what they like here.
    """
    ours = {
        "learner": learners.NAMES,
        "encoder": (*encoders.NAMES, *kinds.get(body.kind).encoders),
        "strategy": strategies.available(),
    }
    named = {"learner": body.learner, "encoder": body.encoder, "strategy": body.strategy}
    for what in plugins.GROUPS:
        known = sorted({*ours[what], *plugins.registered(what)})
        name = named[what]
        if name is not None and name not in known:
            listed = f"Known here: {', '.join(known[:40])}{', …' if len(known) > 40 else ''}." if known else "None is."
            raise HTTPException(
                422,
                f"No {what} is registered as {name!r}. From the page only names of installed packages may be given, "
                f"never code by module:object, which goes on the command line. {listed}",
            )
    return {what: name for what, name in named.items() if name is not None}


def _too_large(intake: Intake) -> str:
    return (
        f"The file is larger than {intake.largest >> 20} MB, which is the limit of the browser. "
        "Start from the terminal: askwise label FILE"
    )


class _ToNew:
    """Leads to the page of a new project while there is none; once there is a check, to that, and nowhere else."""

    def __init__(self, app: ASGIApp, projects: dict[str, Project], checks: list[ASGIApp]) -> None:
        self.app = app
        self.projects = projects
        self.checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, begun = self.checks[0] if self.checks else self.app, self.projects or self.checks
        if scope["type"] == "http":
            if scope["path"] == "/" and not begun:
                app = RedirectResponse("/new", status_code=303)
            elif scope["path"] == "/new" and begun:
                app = RedirectResponse("/", status_code=303)
        await app(scope, receive, send)


def create_new(
    intake: Intake,
    *,
    token: str,
    started: Callable[[Session | LabelCheck, Path], None],
    codes: Codes | None = None,
) -> FastAPI:
    """The web app of one person who has no project yet: first the page that makes one, then its labeling page.

    Args:
        intake: Where files go.
        token: See `create_app`.
        started: Called with the session, or the check of labels that exist already, and its file once it is made; a
            session's worker is started and stopped by the caller.
        codes: See `create_app`.
    """
    projects: dict[str, Project] = {}
    checks: list[ASGIApp] = []
    me = Who("me", OWNER)

    def begin(made: Session | LabelCheck, path: Path) -> str:
        if projects or checks:
            made.close()
            raise Conflict("This server has a project already. Open it, or start another askwise.")
        if isinstance(made, LabelCheck):
            prepare(made)
            checks.append(create_check(CheckDesk(made)))
        else:
            projects[""] = Project(made)
        started(made, path)
        return "/"

    more = (routes(intake, begin, checks=True), new_check(intake, begin))
    app = build(projects, lambda _: me, more=more, pages={"/new": "team/new.html"})
    app.add_middleware(_ToNew, projects=projects, checks=checks)
    app.add_middleware(Guard, token=token, codes=codes)
    return app
