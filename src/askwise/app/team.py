"""The server of a team: several projects, people with roles, tokens, webhooks.

New routes and pages: see the top of roles.py.
"""

from __future__ import annotations

import itertools
import threading
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, FastAPI, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from askwise.app import projects as new_project
from askwise.app import shapes
from askwise.app.accounts import DAY, LOGIN_DAYS, Accounts, By, fold
from askwise.app.auth import Limits, TeamGuard, cookie_name, origin_of, set_login
from askwise.app.hashing import PasswordQueue
from askwise.app.hooks import Webhooks
from askwise.app.names import project_names
from askwise.app.project import Project
from askwise.app.projects import Intake
from askwise.app.roles import OWNER, Person, Problem, Role, Routes, Who
from askwise.app.server import build

if TYPE_CHECKING:
    from askwise.session import Session

PROJECT = "/p/{project}"
PAGES = {"/team": "team/team.html", "/login": "team/login.html", "/join": "team/login.html"}
BUSY: dict[int | str, dict[str, Any]] = {503: {"model": Problem, "description": "Too many come in at this moment"}}
routes = Routes()
pages = Routes(include_in_schema=False)


class Team:
    """What a team's routes work on.

    Args:
        accounts: The people.
        webhooks: What is called.
        projects: Name → project; new ones are put in.
        limits: How often.
        public_url: See `TeamGuard`; None = on the loopback.
        intake: Where owners put the data of new projects; None = they cannot.
    """

    def __init__(
        self,
        accounts: Accounts,
        webhooks: Webhooks,
        projects: dict[str, Project],
        *,
        limits: Limits | None = None,
        public_url: str | None = None,
        intake: Intake | None = None,
    ) -> None:
        self.accounts = accounts
        self.webhooks = webhooks
        self.projects = projects
        self.limits = limits or Limits()
        self.public_url = public_url
        self.intake = intake
        self.strangers = PasswordQueue()
        self.invited = PasswordQueue(1)
        """Of their own: whoever fills the other one keeps nobody out who comes with a link or is in already."""
        self._beginning = threading.Lock()

    def close(self) -> None:
        """Drop the passwords that wait to be looked at."""
        self.strangers.close()
        self.invited.close()

    def begin(self, session: Session, path: FilePath, guidelines: str = "") -> str:
        """Take a new session in and start its worker; gives the address of its page."""
        with self._beginning:
            (stem,) = project_names([path.name.removesuffix(".askwise")])
            names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
            name = next(name for name in names if name not in self.projects)
            self.projects[name] = Project(session, guidelines=guidelines, team=True)
        session.start(apart=True)
        return f"/p/{quote(name)}/"

    def begun(self, request: Request, at: str) -> None:
        """Write down that somebody has begun a project."""
        self.accounts.note(_by(request, request.state.who), "project.begun", at)

    def link(self, request: Request, secret: str) -> str:
        """The address of an invitation; what follows # stays in the browser, out of every log."""
        return f"{origin_of(self.public_url) or str(request.base_url).rstrip('/')}/join#{secret}"


def create_team_app(team: Team) -> FastAPI:
    """The web app of a team; workers and webhooks are started and stopped by the caller."""
    more: tuple[Routes, ...] = (routes, pages)
    files = PAGES
    if team.intake is not None:
        made = new_project.routes(team.intake, team.begin, team.begun)
        more, files = (*more, made), PAGES | {"/new": "team/new.html"}
    app = build(team.projects, _who, prefix=PROJECT, more=more, pages=files)
    app.state.team = team
    app.add_middleware(TeamGuard, accounts=team.accounts, limits=team.limits, public_url=team.public_url)
    return app


def _who(request: Request) -> Who | None:
    found: Who | None = request.state.who
    return found


async def _team(request: Request) -> Team:
    found: Team = request.app.state.team
    return found


OfTeam = Annotated[Team, Depends(_team)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


def _missing(what: str, number: int) -> HTTPException:
    return HTTPException(404, f"There is no {what} with the number {number}.")


# ── coming in ───────────────────────────────────────────────────────────────────────────────


@pages.get("/")
def home() -> Response:
    """To the list of projects."""
    return RedirectResponse("/team", 303)


TOO_MANY = HTTPException(429, "Too many tries. Wait a quarter of an hour.", {"Retry-After": "900"})


def _by(request: Request, person: Who) -> By:
    return By(person.name, request.state.address)


def _let_in(team: Team, request: Request, found: tuple[str, Who]) -> Response:
    secret, who = found
    for login in request.state.logins:  # the browser's earlier one ends; nobody can prepare one for somebody else
        team.accounts.logout(login, request.state.address)
    reply = JSONResponse({"name": who.name, "role": who.role.word})
    set_login(reply, secret, team.public_url, request.headers.get("host", ""), int(LOGIN_DAYS * DAY))
    return reply


@routes.post("/api/v1/login", response_model=shapes.Me, responses=BUSY, tags=["coming in"])
async def login(team: OfTeam, request: Request, body: shapes.Login) -> Response:
    """Log in: the reply sets the cookie."""
    address = request.state.address
    if not team.limits.login(fold(body.name), address):
        raise TOO_MANY

    def work() -> Response | None:
        found = team.accounts.login(body.name, body.password, address)
        return None if found is None else _let_in(team, request, found)

    reply = await team.strangers.run(address, work)
    if reply is None:
        team.limits.failed(address)
        raise HTTPException(401, "The name or the password is wrong.")
    return reply


@routes.post("/api/v1/join", response_model=shapes.Me, responses=BUSY, tags=["coming in"])
async def join(team: OfTeam, request: Request, body: shapes.Join) -> Response:
    """Use an invitation or a reset link: the reply sets the cookie."""
    address = request.state.address

    def work() -> Response | None:
        found = team.accounts.join(body.secret, body.name, body.password, address)
        return None if found is None else _let_in(team, request, found)

    # Secrets are too long to be guessed. One that works is never refused, whatever others at its address have tried.
    works = await run_in_threadpool(team.accounts.invited, body.secret)
    reply = await team.invited.run(address, work) if works else None
    if reply is None:
        if not team.limits.failed(address):
            raise TOO_MANY
        raise HTTPException(401, "This link was used already, or is too old. Ask an owner of the team for a new one.")
    return reply


@routes.post("/api/v1/logout", response_model=shapes.Done, tags=["coming in"])
def logout(team: OfTeam, request: Request) -> Response:
    """End this login."""
    for secret in request.state.logins:
        team.accounts.logout(secret, request.state.address)
    reply = JSONResponse({"done": True})
    name = cookie_name(team.public_url, request.headers.get("host", ""))
    reply.delete_cookie(name, secure=origin_of(team.public_url).startswith("https:"))
    return reply


@routes.get("/api/v1/me", response_model=shapes.Myself, tags=["coming in"])
def me(team: OfTeam, person: Person) -> dict[str, Any]:
    """Who is logged in."""
    begin = team.intake is not None and person.role >= OWNER
    return {"name": person.name, "role": person.role.word, "begin": begin}


@routes.post("/api/v1/me/password", response_model=shapes.Done, responses=BUSY, tags=["coming in"])
async def password(team: OfTeam, request: Request, person: Person, body: shapes.NewPassword) -> dict[str, Any]:
    """Change one's password; every login ends, this one too, and with them one's tokens and links."""
    if not team.limits.password(person.account):
        raise TOO_MANY
    address = request.state.address
    change = team.accounts.change_password
    if not await team.invited.run(address, change, person.account, body.old, body.new, address):
        raise HTTPException(403, "The old password is wrong.")
    return {"done": True}


# ── tokens ──────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/tokens", response_model=list[shapes.Token], tags=["tokens"])
def tokens(team: OfTeam, person: Person) -> list[dict[str, Any]]:
    """One's own tokens; an owner sees everybody's."""
    return team.accounts.tokens(person)


@routes.post("/api/v1/tokens", response_model=shapes.FreshToken, tags=["tokens"])
def make_token(team: OfTeam, request: Request, person: Person, body: shapes.NewToken) -> dict[str, Any]:
    """A token for a program. It acts under one's own name, so what it answers is one's own answer."""
    role = Role.of(body.role) if body.role else person.role
    return team.accounts.make_token(person, body.name, role, body.days, request.state.address)


@routes.delete("/api/v1/tokens/{number}", response_model=shapes.Done, tags=["tokens"])
def revoke_token(team: OfTeam, request: Request, person: Person, number: Number) -> dict[str, Any]:
    """End a token at once: one's own, or as an owner who is logged in anybody's."""
    if not team.accounts.revoke_token(person, number, request.state.address):
        raise _missing("token of yours", number)
    return {"done": True}


# ── people ──────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/people", response_model=list[shapes.Person], tags=["people"])
def people(team: OfTeam) -> list[dict[str, Any]]:
    """Every account."""
    return team.accounts.people()


@routes.patch("/api/v1/people/{number}", response_model=shapes.Person, tags=["people"])
def change_person(
    team: OfTeam, request: Request, person: Person, number: Number, body: shapes.PersonChange
) -> dict[str, Any]:
    """Give another role; disable or enable. A lower role ends the person's tokens and links, disabling all logins."""
    role = Role.of(body.role) if body.role else None
    return team.accounts.change(number, role=role, active=body.active, by=_by(request, person))


@routes.post("/api/v1/people/{number}/reset", response_model=shapes.Link, tags=["people"])
def reset_password(team: OfTeam, request: Request, person: Person, number: Number) -> dict[str, Any]:
    """A link with which the person sets a new password; it works once, for a day. A link made before works no more."""
    made, secret, expires = team.accounts.invite(
        Role.ANNOTATOR, by=person.name, days=1, resets=number, address=request.state.address
    )
    return {"number": made, "link": team.link(request, secret), "expires": expires}


@routes.post("/api/v1/people/{number}/logout", response_model=shapes.Done, tags=["people"])
def logout_person(team: OfTeam, request: Request, person: Person, number: Number) -> dict[str, Any]:
    """End every login of a person."""
    team.accounts.logout_everywhere(number, _by(request, person))
    return {"done": True}


@routes.get("/api/v1/invitations", response_model=list[shapes.Invitation], tags=["people"])
def invitations(team: OfTeam) -> list[dict[str, Any]]:
    """Links that can still be used, without their secrets."""
    return team.accounts.invitations()


@routes.post("/api/v1/invitations", response_model=shapes.Link, tags=["people"])
def invite(team: OfTeam, request: Request, person: Person, body: shapes.NewInvitation) -> dict[str, Any]:
    """A link with which one person makes an account."""
    number, secret, expires = team.accounts.invite(
        Role.of(body.role), by=person.name, days=body.days, address=request.state.address
    )
    return {"number": number, "link": team.link(request, secret), "expires": expires}


@routes.delete("/api/v1/invitations/{number}", response_model=shapes.Done, tags=["people"])
def uninvite(team: OfTeam, request: Request, person: Person, number: Number) -> dict[str, Any]:
    """Make a link useless."""
    if not team.accounts.uninvite(number, _by(request, person)):
        raise _missing("open invitation", number)
    return {"done": True}


@routes.get("/api/v1/audit", response_model=shapes.Acts, tags=["people"])
def audit(
    team: OfTeam,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """What was done to accounts, tokens, webhooks and projects: who, when, what, from which address, newest first."""
    total, found = team.accounts.acts(offset, limit)
    return {"total": total, "acts": found}


# ── projects ────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/projects", response_model=list[shapes.ProjectCard], tags=["projects"])
def projects(team: OfTeam) -> list[dict[str, Any]]:
    """The team's projects and how they stand."""
    return [
        {
            "name": name,
            "title": project.session.title,
            "items": counts["items"],
            "labeled": counts["labeled"],
            "accuracy": project.session.estimate().accuracy,
            "ready": project.session.verdict().ready,
        }
        for name, project in list(team.projects.items())
        for counts in [project.session.counts()]
    ]


# ── webhooks ────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/webhooks", response_model=list[shapes.Webhook], tags=["webhooks"])
def webhooks(team: OfTeam) -> list[dict[str, Any]]:
    """Every webhook."""
    return team.webhooks.all()


@routes.post("/api/v1/webhooks", response_model=shapes.FreshWebhook, tags=["webhooks"])
def add_webhook(team: OfTeam, request: Request, person: Person, body: shapes.NewWebhook) -> dict[str, Any]:
    """Call an address when something happens; what happened before is not told."""
    made = team.webhooks.add(body.url, body.events, body.step)
    # The address may hold a secret of its own; its host tells enough.
    host = urlsplit(body.url).hostname or ""
    team.accounts.note(_by(request, person), "webhook.added", f"webhook {made['number']}", host)
    return made


@routes.delete("/api/v1/webhooks/{number}", response_model=shapes.Done, tags=["webhooks"])
def remove_webhook(team: OfTeam, request: Request, person: Person, number: Number) -> dict[str, Any]:
    """Delete a webhook; what waits to be sent to it is dropped."""
    if not team.webhooks.remove(number):
        raise _missing("webhook", number)
    team.accounts.note(_by(request, person), "webhook.removed", f"webhook {number}")
    return {"done": True}


@routes.post("/api/v1/webhooks/{number}/test", response_model=shapes.Done, tags=["webhooks"])
def test_webhook(team: OfTeam, number: Number) -> dict[str, Any]:
    """Queue the event `test` to it."""
    if not team.webhooks.happened("test", "", {}, only=number):
        raise _missing("webhook", number)
    return {"done": True}


@routes.get("/api/v1/webhooks/{number}/deliveries", response_model=list[shapes.Delivery], tags=["webhooks"])
def deliveries(team: OfTeam, number: Number) -> list[dict[str, Any]]:
    """The last hundred calls, newest first."""
    return team.webhooks.deliveries(number)
