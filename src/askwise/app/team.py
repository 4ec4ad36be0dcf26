"""The server of a team: several projects, people with roles, tokens, webhooks.

New routes and pages: see the top of roles.py.
"""

from __future__ import annotations

import itertools
import threading
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from askwise.app import projects as new_project
from askwise.app import shapes
from askwise.app.accounts import DAY, LOGIN_DAYS, Accounts, fold
from askwise.app.auth import Limits, TeamGuard, cookie_name, origin_of, set_login
from askwise.app.hooks import Webhooks
from askwise.app.labeling import Project
from askwise.app.projects import Intake
from askwise.app.roles import OWNER, Person, Role, Routes, Who
from askwise.app.serve import project_names
from askwise.app.server import build

if TYPE_CHECKING:
    from askwise.session import Session

PROJECT = "/p/{project}"
PAGES = {"/team": "team.html", "/login": "login.html", "/join": "login.html"}
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
        self._beginning = threading.Lock()

    def begin(self, session: Session, path: FilePath, guidelines: str = "") -> str:
        """Take a new session in and start its worker; gives the address of its page."""
        with self._beginning:
            (stem,) = project_names([path.name.removesuffix(".askwise")])
            names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
            name = next(name for name in names if name not in self.projects)
            self.projects[name] = Project(session, guidelines=guidelines, team=True)
        session.start(apart=True)
        return f"/p/{quote(name)}/"

    def link(self, request: Request, secret: str) -> str:
        """The address of an invitation; what follows # stays in the browser, out of every log."""
        return f"{origin_of(self.public_url) or str(request.base_url).rstrip('/')}/join#{secret}"


def create_team_app(team: Team) -> FastAPI:
    """The web app of a team; workers and webhooks are started and stopped by the caller."""
    more: tuple[Routes, ...] = (routes, pages)
    files = PAGES
    if team.intake is not None:
        more, files = (*more, new_project.routes(team.intake, team.begin)), PAGES | {"/new": "new.html"}
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


def _let_in(team: Team, request: Request, secret: str, who: Who) -> Response:
    if request.state.login:  # the browser's earlier login ends; nobody can prepare one for somebody else
        team.accounts.logout(request.state.login)
    reply = JSONResponse({"name": who.name, "role": who.role.word})
    set_login(reply, secret, team.public_url, int(LOGIN_DAYS * DAY))
    return reply


@routes.post("/api/v1/login", response_model=shapes.Me, tags=["coming in"])
def login(team: OfTeam, request: Request, body: shapes.Login) -> Response:
    """Log in: the reply sets the cookie."""
    if not team.limits.login(fold(body.name), request.state.address):
        raise HTTPException(429, "Too many tries. Wait a quarter of an hour.", {"Retry-After": "900"})
    found = team.accounts.login(body.name, body.password)
    if found is None:
        raise HTTPException(401, "The name or the password is wrong.")
    return _let_in(team, request, *found)


@routes.post("/api/v1/join", response_model=shapes.Me, tags=["coming in"])
def join(team: OfTeam, request: Request, body: shapes.Join) -> Response:
    """Use an invitation or a reset link: the reply sets the cookie."""
    if not team.limits.login("", request.state.address):
        raise HTTPException(429, "Too many tries. Wait a quarter of an hour.", {"Retry-After": "900"})
    found = team.accounts.join(body.secret, body.name, body.password)
    if found is None:
        raise HTTPException(401, "This link was used already, or is too old. Ask an owner of the team for a new one.")
    return _let_in(team, request, *found)


@routes.post("/api/v1/logout", response_model=shapes.Done, tags=["coming in"])
def logout(team: OfTeam, request: Request) -> Response:
    """End this login."""
    if request.state.login:
        team.accounts.logout(request.state.login)
    reply = JSONResponse({"done": True})
    reply.delete_cookie(cookie_name(team.public_url), secure=origin_of(team.public_url).startswith("https:"))
    return reply


@routes.get("/api/v1/me", response_model=shapes.Myself, tags=["coming in"])
def me(team: OfTeam, person: Person) -> dict[str, Any]:
    """Who is logged in."""
    begin = team.intake is not None and person.role >= OWNER
    return {"name": person.name, "role": person.role.word, "begin": begin}


@routes.post("/api/v1/me/password", response_model=shapes.Done, tags=["coming in"])
def password(team: OfTeam, request: Request, person: Person, body: shapes.NewPassword) -> dict[str, Any]:
    """Change one's password; every login ends, this one too."""
    if not request.state.login:
        raise HTTPException(403, "A password is changed in the browser, not with a token.")
    if not team.limits.login(fold(person.name), request.state.address):
        raise HTTPException(429, "Too many tries. Wait a quarter of an hour.", {"Retry-After": "900"})
    if not team.accounts.change_password(person.account, body.old, body.new):
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
    if not request.state.login:
        raise HTTPException(403, "A token is made in the browser; a token cannot make others.")
    return team.accounts.make_token(person, body.name, Role.of(body.role) if body.role else person.role, body.days)


@routes.delete("/api/v1/tokens/{number}", response_model=shapes.Done, tags=["tokens"])
def revoke_token(team: OfTeam, person: Person, number: Number) -> dict[str, Any]:
    """End a token at once."""
    if not team.accounts.revoke_token(person, number):
        raise _missing("token of yours", number)
    return {"done": True}


# ── people ──────────────────────────────────────────────────────────────────────────────────


@routes.get("/api/v1/people", response_model=list[shapes.Person], tags=["people"])
def people(team: OfTeam) -> list[dict[str, Any]]:
    """Every account."""
    return team.accounts.people()


@routes.patch("/api/v1/people/{number}", response_model=shapes.Person, tags=["people"])
def change_person(team: OfTeam, number: Number, body: shapes.PersonChange) -> dict[str, Any]:
    """Give another role; disable or enable."""
    return team.accounts.change(number, role=Role.of(body.role) if body.role else None, active=body.active)


@routes.post("/api/v1/people/{number}/reset", response_model=shapes.Link, tags=["people"])
def reset_password(team: OfTeam, request: Request, person: Person, number: Number) -> dict[str, Any]:
    """A link with which the person sets a new password; it works once, for a day."""
    made, secret, expires = team.accounts.invite(Role.ANNOTATOR, by=person.name, days=1, resets=number)
    return {"number": made, "link": team.link(request, secret), "expires": expires}


@routes.post("/api/v1/people/{number}/logout", response_model=shapes.Done, tags=["people"])
def logout_person(team: OfTeam, number: Number) -> dict[str, Any]:
    """End every login of a person."""
    team.accounts.logout_everywhere(number)
    return {"done": True}


@routes.get("/api/v1/invitations", response_model=list[shapes.Invitation], tags=["people"])
def invitations(team: OfTeam) -> list[dict[str, Any]]:
    """Links that can still be used, without their secrets."""
    return team.accounts.invitations()


@routes.post("/api/v1/invitations", response_model=shapes.Link, tags=["people"])
def invite(team: OfTeam, request: Request, person: Person, body: shapes.NewInvitation) -> dict[str, Any]:
    """A link with which one person makes an account."""
    number, secret, expires = team.accounts.invite(Role.of(body.role), by=person.name, days=body.days)
    return {"number": number, "link": team.link(request, secret), "expires": expires}


@routes.delete("/api/v1/invitations/{number}", response_model=shapes.Done, tags=["people"])
def uninvite(team: OfTeam, number: Number) -> dict[str, Any]:
    """Make a link useless."""
    if not team.accounts.uninvite(number):
        raise _missing("open invitation", number)
    return {"done": True}


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
def add_webhook(team: OfTeam, body: shapes.NewWebhook) -> dict[str, Any]:
    """Call an address when something happens; what happened before is not told."""
    return team.webhooks.add(body.url, body.events, body.step)


@routes.delete("/api/v1/webhooks/{number}", response_model=shapes.Done, tags=["webhooks"])
def remove_webhook(team: OfTeam, number: Number) -> dict[str, Any]:
    """Delete a webhook; what waits to be sent to it is dropped."""
    if not team.webhooks.remove(number):
        raise _missing("webhook", number)
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
