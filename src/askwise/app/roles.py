"""Who may do what: every route's least role, in one table.

A route is made by a `Routes` router, which looks its least role up in `NEEDS`; without an entry it cannot be made. So a
new module of pages or numbers does three things:

1. In the table below: one line for each route, `"GET /api/v1/curves": REVIEWER`.
2. In its own file `app/insight.py`:

       routes = Routes(tags=["insight"])

       @routes.get("/api/v1/curves")
       def curves(at: Here) -> Curves:
           return Curves(points=at.session.report().curve)

   `at.session` is the session, `at.who` the person (`at.who.name` is the annotator's name), `at.project` what the
   process keeps beside the session. The same function serves `/api/v1/curves` of one person on the loopback and
   `/p/<project>/api/v1/curves` of a team.
3. In `app/server.py`: its `routes` in the list `PROJECT_ROUTES`; a page of its own (`static/pages/review.html`) in
   `PAGES`, with the line `"GET /review": REVIEWER` in the table.

A page's script calls `call("curves")` of `static/lib/api.js`, which knows where the project lives.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from askwise.core import ContractError

if TYPE_CHECKING:
    from askwise.app.project import Project
    from askwise.session import Session


class Role(IntEnum):
    """What a person may do; each role may do what those below it may."""

    ANNOTATOR = 1
    REVIEWER = 2
    OWNER = 3

    @property
    def word(self) -> str:
        """The role as it is written: `annotator`, `reviewer`, `owner`."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Role:
        """The role of a word.

        Raises:
            KeyError: No such role.
        """
        return cls[word.upper()]


ANNOTATOR, REVIEWER, OWNER = Role
ANYONE = None
"""Needs no account: the ways in, and what a browser loads before it is let in."""

NEEDS: dict[str, Role | None] = {
    # a project's page; of a team they lie under /p/<project>
    "GET /": ANNOTATOR,
    "GET /report": REVIEWER,
    "GET /dashboard": REVIEWER,
    "GET /review": REVIEWER,
    "GET /data": REVIEWER,
    "GET /models": REVIEWER,
    "GET /finish": OWNER,
    "GET /api/v1/dashboard": REVIEWER,
    "GET /api/v1/coverage": REVIEWER,
    "GET /api/v1/map": REVIEWER,
    "GET /api/v1/map/item": REVIEWER,
    "GET /api/v1/review/disagreements": REVIEWER,
    "GET /api/v1/review/suspects": REVIEWER,
    "GET /api/v1/review/duplicates": REVIEWER,
    "GET /api/v1/review/deferred": REVIEWER,
    "GET /api/v1/review/spot": REVIEWER,
    "POST /api/v1/review/decide": REVIEWER,
    "GET /api/v1/items": REVIEWER,
    "GET /api/v1/labels": REVIEWER,
    "POST /api/v1/labels": OWNER,
    "GET /api/v1/items/add": OWNER,
    "PUT /api/v1/items/add": OWNER,
    "POST /api/v1/items/withdraw": OWNER,
    "GET /api/v1/item": REVIEWER,
    "POST /api/v1/items/label": REVIEWER,
    "POST /api/v1/items/undo": REVIEWER,
    "POST /api/v1/items/unflag": REVIEWER,
    "GET /api/v1/models": REVIEWER,
    "GET /api/v1/model": REVIEWER,
    "GET /api/v1/model/file": OWNER,
    "POST /api/v1/predict": REVIEWER,
    "GET /api/v1/monitor": REVIEWER,
    "POST /api/v1/monitor": OWNER,
    "DELETE /api/v1/monitor": OWNER,
    "POST /api/v1/monitor/items": REVIEWER,
    "GET /api/v1/monitor/checks": REVIEWER,
    "POST /api/v1/monitor/answers": REVIEWER,
    "POST /api/v1/models/rewind": OWNER,
    "POST /api/v1/models/replay": OWNER,
    "GET /api/v1/finish": OWNER,
    "POST /api/v1/finish/plan": OWNER,
    "POST /api/v1/finish/start": OWNER,
    "GET /api/v1/state": ANNOTATOR,
    "GET /api/v1/pulse": ANNOTATOR,
    "POST /api/v1/ask": ANNOTATOR,
    "POST /api/v1/find": REVIEWER,
    "POST /api/v1/tell": ANNOTATOR,
    "POST /api/v1/skip": ANNOTATOR,
    "POST /api/v1/unsure": ANNOTATOR,
    "POST /api/v1/flag": ANNOTATOR,
    "POST /api/v1/retract": ANNOTATOR,
    "GET /api/v1/nearest": ANNOTATOR,
    "GET /api/v1/file": ANNOTATOR,
    "GET /api/v1/words": ANNOTATOR,
    "GET /api/v1/regions": ANNOTATOR,
    "GET /api/v1/metrics": REVIEWER,
    "GET /api/v1/answers": REVIEWER,
    "GET /api/v1/annotators": REVIEWER,
    "GET /api/v1/agreement": REVIEWER,
    "POST /api/v1/classes": REVIEWER,
    "GET /api/v1/checks": OWNER,
    "POST /api/v1/autolabel": OWNER,
    "POST /api/v1/autolabel/cancel": OWNER,
    "POST /api/v1/autolabel/undo": OWNER,
    "POST /api/v1/autolabel/resume": OWNER,
    "GET /api/v1/export": OWNER,
    # a project that is not there yet
    "GET /new": OWNER,
    "GET /api/v1/new": OWNER,
    "PUT /api/v1/new/file": OWNER,
    "POST /api/v1/new/look": OWNER,
    "POST /api/v1/new/start": OWNER,
    "GET /api/v1/new/progress": OWNER,
    # the same for every project
    "GET /static/{at}/{name:path}": ANYONE,
    "GET /api/v1/openapi.json": ANNOTATOR,
    "GET /api/v1/docs": ANNOTATOR,
    # a team
    "GET /team": ANNOTATOR,
    "GET /login": ANYONE,
    "GET /join": ANYONE,
    "POST /api/v1/login": ANYONE,
    "POST /api/v1/join": ANYONE,
    "POST /api/v1/logout": ANNOTATOR,
    "GET /api/v1/me": ANNOTATOR,
    "POST /api/v1/me/password": ANNOTATOR,
    "GET /api/v1/tokens": ANNOTATOR,
    "POST /api/v1/tokens": ANNOTATOR,
    "DELETE /api/v1/tokens/{number}": ANNOTATOR,
    "GET /api/v1/projects": ANNOTATOR,
    "GET /api/v1/audit": OWNER,
    "GET /api/v1/people": OWNER,
    "PATCH /api/v1/people/{number}": OWNER,
    "POST /api/v1/people/{number}/reset": OWNER,
    "POST /api/v1/people/{number}/logout": OWNER,
    "GET /api/v1/invitations": OWNER,
    "POST /api/v1/invitations": OWNER,
    "DELETE /api/v1/invitations/{number}": OWNER,
    "GET /api/v1/webhooks": OWNER,
    "POST /api/v1/webhooks": OWNER,
    "DELETE /api/v1/webhooks/{number}": OWNER,
    "POST /api/v1/webhooks/{number}/test": OWNER,
    "GET /api/v1/webhooks/{number}/deliveries": OWNER,
}
"""`METHOD path` → the least role; a path of a project is written without `/p/<project>`."""

OF_A_CHECK: dict[str, Role | None] = {
    "GET /api/v1/check": ANNOTATOR,
    "POST /api/v1/check/ask": ANNOTATOR,
    "POST /api/v1/check/answer": ANNOTATOR,
    "POST /api/v1/check/later": ANNOTATOR,
    "POST /api/v1/check/back": ANNOTATOR,
    "POST /api/v1/check/leave": ANNOTATOR,
    "GET /api/v1/check/numbers": OWNER,
    "GET /api/v1/check/export": OWNER,
    "POST /api/v1/new/check": OWNER,  # where there is no project yet
}
"""The same of what a server of a check of given labels has besides (`app/checks`); no team's server has it."""

NEEDS_LOGIN = frozenset(
    {
        "POST /api/v1/me/password",
        "POST /api/v1/tokens",
        "PATCH /api/v1/people/{number}",
        "POST /api/v1/people/{number}/reset",
        "POST /api/v1/people/{number}/logout",
        "POST /api/v1/invitations",
        "DELETE /api/v1/invitations/{number}",
        "PUT /api/v1/new/file",
        "POST /api/v1/new/look",
        "POST /api/v1/new/start",
        "POST /api/v1/webhooks",
        "DELETE /api/v1/webhooks/{number}",
        "POST /api/v1/webhooks/{number}/test",
    }
)
"""What a token may not do, whatever its role: who comes in, what leaves, and what is served is for a person who has
given a password. A token that leaks can then be revoked, and has let nobody else in."""


@dataclass(frozen=True)
class Who:
    """The person, or the program with a person's token, that a request comes from."""

    name: str
    """Stands as the annotator in the log."""
    role: Role
    account: int = 0
    """Number of the account; 0 = the one person on the loopback."""
    by_token: bool = False
    """Whether a program came, with a token of the person."""


@dataclass(frozen=True)
class Place:
    """What a route of a project works on, and for whom."""

    project: Project
    who: Who

    @property
    def session(self) -> Session:
        """The project's session."""
        return self.project.session


async def who(request: Request) -> Who:
    """The person behind a request, as the app's door has found."""
    found: Who | None = request.app.state.whose(request)
    if found is None:
        raise HTTPException(401, "Log in first, or send a token: Authorization: Bearer ….")
    return found


Person = Annotated[Who, Depends(who)]


async def here(request: Request, person: Person) -> Place:
    """The project that an address names."""
    name = request.path_params.get("project", "")
    project: Project | None = request.app.state.projects.get(name)
    if project is None:
        raise HTTPException(404, f"No project named {name[:100]!r} here.")
    return Place(project, person)


Here = Annotated[Place, Depends(here)]


class Problem(BaseModel):
    """What every refusal looks like."""

    error: str = Field(description="One sentence: what is wrong, and a way out.")


def _needs(least: Role, login: bool) -> Callable[[Who], Coroutine[Any, Any, None]]:
    async def enough(person: Person) -> None:
        if person.role < least:
            raise HTTPException(403, f"This needs the role {least.word}; yours is {person.role.word}.")
        if login and person.by_token:
            raise HTTPException(403, "This needs a login in the browser; a token is not enough. Do it on the page.")

    return enough


class Routes(APIRouter):
    """A router whose every route has its least role in a table.

    Args:
        needs: The table.
        options: Of the router.
    """

    def __init__(self, *, needs: Mapping[str, Role | None] = NEEDS, **options: Any) -> None:
        super().__init__(**options)
        self._needs = needs

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route that asks for its role first.

        Raises:
            ContractError: The table does not name it.
        """
        options["dependencies"] = list(options.get("dependencies") or [])
        refusals = {400: "Not usable", 429: "Too many requests"}
        for method in options.get("methods") or ["GET"]:
            try:
                least = self._needs[f"{method} {path}"]
            except KeyError:
                raise ContractError(f"The route `{method} {path}` has no role; give it one in app/roles.py.") from None
            if least is not None:
                options["dependencies"].append(Depends(_needs(least, f"{method} {path}" in NEEDS_LOGIN)))
                refusals |= {401: "Not logged in", 403: "Not allowed", 404: "No such thing", 409: "Somebody was first"}
        # What FastAPI writes for a model, which it would build anew for each of some four hundred refusals.
        said = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
        documented: dict[int | str, dict[str, Any]] = {
            code: {"description": text, "content": said} for code, text in refusals.items()
        }
        documented["default"] = {"model": Problem, "description": "Anything else that goes wrong"}
        options["responses"] = documented | (options.get("responses") or {})
        super().add_api_route(path, endpoint, **options)
