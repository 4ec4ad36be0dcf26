"""A team's server: who may do what, how people come in, whose answers are whose."""

from __future__ import annotations

import itertools
import logging
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from askwise.core import BadInput, BadStore, ContractError
from askwise.session import Session
from help.processes import running
from help.warm import cold

argon2 = pytest.importorskip("argon2", reason="the extra `team` is not installed")
sqlalchemy = pytest.importorskip("sqlalchemy", reason="the extra `team` is not installed")

from askwise.app import schema, server  # noqa: E402
from askwise.app.accounts import LOGIN_DAYS, Accounts, digest, fold  # noqa: E402
from askwise.app.auth import MOST_BODY, Limits, origin_of  # noqa: E402
from askwise.app.hooks import Webhooks  # noqa: E402
from askwise.app.project import Project  # noqa: E402
from askwise.app.projects import Intake  # noqa: E402
from askwise.app.roles import ANNOTATOR, NEEDS, OWNER, REVIEWER, Role, Routes, Who  # noqa: E402
from askwise.app.serve import open_team, project_names, serve_team  # noqa: E402
from askwise.app.team import Team, create_team_app  # noqa: E402

pytestmark = pytest.mark.usefixtures("linear")

HERE = "http://127.0.0.1"
PASSWORD = "four words in a row"
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
WORDS = ["apple", "pear", "plum", "cherry", "hammer", "saw", "drill", "wrench"]
ROLES = {"ann": ANNOTATOR, "rita": REVIEWER, "olga": OWNER}


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class House:
    """A team's server with a session of each of two projects."""

    ways: dict[tuple[str | None, str], str]

    def __init__(self, folder: Path, *, public_url: str | None = None, limits: Limits | None = None) -> None:
        self.clock = Clock()
        self.path = folder / "team.sqlite"
        self.accounts = Accounts(self.path, hasher=CHEAP, clock=self.clock)
        texts = [f"{word} number {i}" for i in range(6) for word in WORDS]
        self.sessions = {
            name: Session(texts, classes=["fruit", "tool"], encoder="tfidf", title=name.title())
            for name in ("things", "others")
        }
        self.hooks = Webhooks(self.accounts.engine, resolve=lambda host, port: ["93.184.216.34"], clock=self.clock)
        projects = {name: Project(session, team=True) for name, session in self.sessions.items()}
        many = limits or Limits(person=10**6, stranger=10**6, logins=10**6)
        (folder / "new").mkdir()
        intake = Intake(folder / "new")
        self.team = Team(self.accounts, self.hooks, projects, limits=many, public_url=public_url, intake=intake)
        self.app = create_team_app(self.team)

    @property
    def session(self) -> Session:
        return self.sessions["things"]

    def browser(self, base: str = HERE, address: str = "10.0.0.1") -> TestClient:
        client = TestClient(
            self.app,
            base_url=base,
            follow_redirects=False,
            raise_server_exceptions=False,
            client=(address, 50000),
        )
        client.headers |= {"origin": base}
        return client

    def account(self, name: str, role: Role) -> str:
        """Make an account; the secret of its first login."""
        _, secret, _ = self.accounts.invite(role, by="test")
        found = self.accounts.join(secret, name, PASSWORD)
        assert found is not None
        return found[0]

    def person(self, name: str) -> TestClient:
        """The browser of somebody who logged in."""
        client = self.browser()
        if not self.accounts.login(name, PASSWORD):
            self.account(name, ROLES.get(name, ANNOTATOR))
        assert client.post("/api/v1/login", json={"name": name, "password": PASSWORD}).status_code == 200
        return client

    def token(self, name: str, role: Role) -> str:
        number = next(p["number"] for p in self.accounts.people() if p["name"] == name)
        made = self.accounts.make_token(Who(name, ROLES.get(name, role), number), "test", role)
        return str(made["secret"])

    def close(self) -> None:
        for session in self.sessions.values():
            session.close()
        self.hooks.stop()
        self.accounts.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """A function that makes houses with other settings."""
    made: list[House] = []

    def make(**settings: Any) -> House:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(House(folder, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


THINGS = "/p/things/api/v1"


class Tab:
    """A tab of the labeling page."""

    def __init__(self, client: TestClient, name: str = "tab", base: str = THINGS) -> None:
        self.client, self.name, self.base, self.keys = client, name, base, itertools.count()

    def ask(self, want: int = 3) -> list[dict[str, Any]]:
        reply = self.client.post(f"{self.base}/ask", json={"tab": self.name, "have": [], "want": want})
        assert reply.status_code == 200, reply.text
        return list(reply.json()["next"])

    def act(self, verb: str, item: str, **more: Any) -> Any:
        body = {"tab": self.name, "want": 0, "key": f"{self.name}{next(self.keys)}", "item": item} | more
        return self.client.post(f"{self.base}/{verb}", json=body)


# ── every route, every role ─────────────────────────────────────────────────────────────────

BODIES: dict[str, Any] = {
    "POST /api/v1/ask": {"tab": "t"},
    **{f"POST /api/v1/{verb}": {"tab": "t", "key": "k", "item": "i", "label": "fruit"}
       for verb in ("tell", "skip", "unsure", "flag", "retract")},
    "POST /api/v1/classes": {"name": "new"},
    "POST /api/v1/autolabel": {"max_error": 0.1},
    "POST /api/v1/login": {"name": "ann", "password": "wrong"},
    "POST /api/v1/join": {"secret": "wrong", "name": "new", "password": PASSWORD},
    "POST /api/v1/me/password": {"old": "wrong", "new": PASSWORD},
    "POST /api/v1/tokens": {"name": "t"},
    "PATCH /api/v1/people/{number}": {},
    "POST /api/v1/invitations": {},
    "POST /api/v1/webhooks": {"url": "https://example.org/", "events": ["project.ready"]},
}  # fmt: skip
PROJECT_PATHS = {
    f"{method} {route.path}" for r in server.PROJECT_ROUTES for route in r.routes for method in route.methods
}
PROJECT_PATHS |= {f"GET {path}" for path in server.PAGES}


def place_of(door: str) -> tuple[str, str]:
    method, path = door.split(" ")
    path = (
        path.replace("{number}", "999")
        .replace("{at}/{name:path}", "any/lib/app.css")
        .replace("nearest", "nearest?row=0")
    )
    return method, ("/p/things" + path if door in PROJECT_PATHS else path)


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    made.ways = {(None, "cookie"): "none", (None, "token"): "none"}
    for name, role in ROLES.items():
        made.ways[name, "cookie"] = made.account(name, role)
        made.ways[name, "token"] = made.token(name, role)
    yield made
    made.close()


def test_the_rail_offers_each_page_to_whom_it_is_open() -> None:
    rail = (server.STATIC / "lib" / "rail.js").read_text()
    lines = re.findall(r'^  \["([^"]+)", "[^"]+", (\d), ', rail, re.M)
    assert {"/" + name.removeprefix("./"): int(least) for name, least in lines} == {
        address: NEEDS[f"GET {address}"] for address in server.PAGES
    }


@pytest.mark.parametrize(
    ("name", "by"), [(None, "cookie"), (None, "token"), ("ann", "cookie"), ("rita", "token"), ("olga", "cookie")]
)
@pytest.mark.parametrize("door", sorted(NEEDS))
def test_every_route_asks_for_its_role(shared_house: House, door: str, name: str | None, by: str) -> None:
    house, least = shared_house, NEEDS[door]
    client, way = house.browser(), house.ways[name, by]
    if by == "token":
        del client.headers["origin"]
        client.headers["authorization"] = f"Bearer {way}"
    else:  # logging out ends a login: one of its own
        client.cookies["askwise_team"] = house.accounts._begin(1) if name and door == "POST /api/v1/logout" else way
    method, path = place_of(door)
    reply = client.request(method, path, json=BODIES.get(door))
    allowed = least is None or (name is not None and ROLES[name] >= least)
    if allowed:
        open_door = least is None and (by == "token" and name is None)  # a wrong token is refused at every door
        said = {401} if open_door and "/static/" not in path and path.startswith("/api") else set()
        fine = {200, 303, 400, 404} | said | ({401} if "login" in path or "join" in path else set())
        own = {"POST /api/v1/tokens", "POST /api/v1/me/password"}  # in the browser only; the old password is wrong
        items = {"tell", "skip", "unsure", "flag"}  # an annotator answers what was asked of them
        if door in own or (name == "ann" and path.rpartition("/")[2] in items):
            fine |= {403}
            assert reply.status_code != 403 or "needs the role" not in reply.json()["error"]
        assert reply.status_code in fine, reply.text
    elif name is None:
        page = method == "GET" and "/api/" not in path
        assert reply.status_code == (303 if page else 401), reply.text
        if page:
            assert reply.headers["location"].startswith("/login?next=")
    else:
        assert reply.status_code == 403, reply.text
        assert f"needs the role {least.word}" in reply.json()["error"]


def test_the_table_names_every_route_and_no_other(shared_house: House) -> None:
    documented = {
        f"{method.upper()} {path.removeprefix('/p/{project}')}"
        for path, operations in shared_house.app.openapi()["paths"].items()
        for method in operations
    }
    hidden = {key for key in NEEDS if "/api/" not in key} | {"GET /api/v1/openapi.json", "GET /api/v1/docs"}
    assert documented | hidden == set(NEEDS)
    assert not documented & hidden


def test_a_route_without_a_role_cannot_be_made() -> None:
    routes = Routes()
    with pytest.raises(ContractError, match="GET /api/v1/secrets"):
        routes.get("/api/v1/secrets")(lambda: None)


def test_an_unknown_project_is_a_sentence(house: House) -> None:
    reply = house.person("olga").get("/p/nothing/api/v1/state")
    assert (reply.status_code, "nothing" in reply.json()["error"]) == (404, True)


# ── whose answers are whose ─────────────────────────────────────────────────────────────────


def test_everyone_works_under_their_own_name(house: House) -> None:
    ann, bob = Tab(house.person("ann")), Tab(house.person("bob"))
    hers, his = ann.ask(), bob.ask()
    assert not {q["item"] for q in hers} & {q["item"] for q in his}, "nobody is asked what another has in hand"
    assert ann.act("tell", hers[0]["item"], label="fruit").status_code == 200
    assert bob.act("unsure", his[0]["item"]).status_code == 200
    answers = house.session.answers()
    assert {a.annotator for a in answers.values()} == {"ann", "bob"}
    assert [h["item"] for h in ann.client.get(f"{THINGS}/state").json()["history"]] == [hers[0]["item"]]
    me = bob.client.get(f"{THINGS}/state").json()
    assert me["me"] == {"name": "bob", "role": "annotator"}
    assert me["team"]
    assert me["session"] != ann.client.get(f"{THINGS}/state").json()["session"], "one browser, two people, two outboxes"


def test_the_same_tab_name_of_two_people_is_two_tabs(house: House) -> None:
    ann, bob = Tab(house.person("ann"), "tab"), Tab(house.person("bob"), "tab")
    hers = ann.ask()
    assert not {q["item"] for q in hers} & {q["item"] for q in bob.ask()}
    assert [q["item"] for q in ann.ask()] == [q["item"] for q in hers], "a reload finds them again"


def test_the_same_key_of_two_people_is_two_answers(house: House) -> None:
    ann, bob = Tab(house.person("ann")), Tab(house.person("bob"))
    for tab in (ann, bob):
        assert tab.act("tell", tab.ask()[0]["item"], key="k", label="fruit").status_code == 200
    assert house.session.counts()["labeled"] == 2


@pytest.mark.parametrize("verb", ["tell", "skip", "unsure", "flag"])
def test_an_annotator_answers_only_what_was_asked(house: House, verb: str) -> None:
    ann, bob = Tab(house.person("ann")), Tab(house.person("bob"))
    item = ann.ask()[0]["item"]
    reply = bob.act(verb, item, label="tool")
    assert reply.status_code == 403
    assert "not asked of you" in reply.json()["error"]
    assert house.session.answers() == {}
    assert Tab(house.person("rita")).act(verb, item, label="tool").status_code == 200, "a reviewer answers anything"
    assert ann.act(verb, item, label="fruit").status_code == 200


def test_an_answer_given_after_a_restart_still_counts(house: House) -> None:
    ann = Tab(house.person("ann"))
    asked = ann.ask()
    house.team.projects["things"].desk = type(house.team.projects["things"].desk)(house.session)  # forgets all
    assert ann.act("tell", asked[0]["item"], label="fruit").status_code == 200
    house.team.projects["things"].desk = type(house.team.projects["things"].desk)(house.session)
    assert ann.act("tell", asked[0]["item"], label="tool").status_code == 200, "one's own answer can be changed"
    bob = Tab(house.person("bob"))
    assert bob.act("tell", asked[0]["item"], label="tool").status_code == 403
    assert bob.act("tell", asked[1]["item"], label="tool").status_code == 403


def test_one_takes_back_only_ones_own(house: House) -> None:
    ann, rita = Tab(house.person("ann")), Tab(house.person("rita"))
    item = ann.ask()[0]["item"]
    ann.act("tell", item, label="fruit")
    assert rita.act("retract", item).json()["query"] is None
    assert house.session.counts()["labeled"] == 1
    assert ann.act("retract", item).json()["query"]["item"] == item
    assert house.session.counts()["labeled"] == 0


def test_projects_are_apart(house: House) -> None:
    ann = house.person("ann")
    here, there = Tab(ann), Tab(ann, base="/p/others/api/v1")
    item = here.ask()[0]["item"]
    here.act("tell", item, label="fruit")
    assert there.client.get("/p/others/api/v1/state").json()["history"] == []
    assert house.sessions["others"].counts()["labeled"] == 0
    cards = ann.get("/api/v1/projects").json()
    assert [(c["name"], c["title"], c["labeled"]) for c in cards] == [("things", "Things", 1), ("others", "Others", 0)]


def test_a_reviewer_sees_everybodys_answers(house: House) -> None:
    for name in ("ann", "bob"):
        tab = Tab(house.person(name))
        for q in tab.ask():
            tab.act("tell", q["item"], label="fruit", seconds=2)
    rita = house.person("rita")
    page = rita.get(f"{THINGS}/answers", params={"limit": 4}).json()
    assert page["total"] == 6
    rest = rita.get(f"{THINGS}/answers", params={"limit": 4, "offset": 4}).json()["answers"]
    rows = [a["row"] for a in page["answers"] + rest]
    assert rows == sorted(rows)
    assert len(rows) == 6
    assert {a["annotator"] for a in page["answers"] + rest} == {"ann", "bob"}
    people = {p["name"]: p for p in rita.get(f"{THINGS}/annotators").json()}
    assert (people["ann"]["labels"], people["ann"]["seconds"]) == (3, 6.0)
    assert rita.get(f"{THINGS}/agreement").json()["items"] == 0
    assert rita.get(f"{THINGS}/metrics").json() == {"metrics": None, "errors": None}


# ── coming in ───────────────────────────────────────────────────────────────────────────────


def test_the_first_link_makes_the_owner_once(house: House) -> None:
    secret = house.accounts.first_owner()
    newer = house.accounts.first_owner()
    body = {"name": "Olga", "password": PASSWORD}
    assert house.browser().post("/api/v1/join", json=body | {"secret": secret}).status_code == 401, (
        "a newer was printed"
    )
    client = house.browser()
    assert client.post("/api/v1/join", json=body | {"secret": newer}).json() == {"name": "Olga", "role": "owner"}
    assert client.get("/api/v1/me").json()["name"] == "Olga", "joining logs in"
    assert house.accounts.first_owner() is None
    again = house.browser().post("/api/v1/join", json=body | {"secret": newer, "name": "eve"})
    assert again.status_code == 401


def test_an_owner_invites(house: House) -> None:
    olga = house.person("olga")
    made = olga.post("/api/v1/invitations", json={"role": "reviewer", "days": 2}).json()
    link, secret = made["link"].split("#")
    assert link == "http://127.0.0.1/join"
    open_ones = olga.get("/api/v1/invitations").json()
    assert [(i["role"], i["created_by"], i["resets"]) for i in open_ones] == [("reviewer", "olga", None)]
    assert secret not in str(open_ones)
    assert made["expires"] == house.clock() + 2 * 86_400
    joined = house.browser().post("/api/v1/join", json={"secret": secret, "name": "rex", "password": PASSWORD})
    assert joined.json() == {"name": "rex", "role": "reviewer"}
    assert olga.get("/api/v1/invitations").json() == []


@pytest.mark.parametrize("spoil", ["late", "withdrawn", "wrong"])
def test_a_spoiled_invitation_lets_nobody_in(house: House, spoil: str) -> None:
    number, secret, _ = house.accounts.invite(OWNER, by="test", days=1)
    if spoil == "late":
        house.clock.now += 86_401
    elif spoil == "withdrawn":
        assert house.accounts.uninvite(number)
    else:
        secret += "x"
    assert house.accounts.join(secret, "eve", PASSWORD) is None
    assert house.accounts.people() == []


def test_an_invitation_makes_one_account_however_many_try_at_once(house: House) -> None:
    _, secret, _ = house.accounts.invite(ANNOTATOR, by="test")
    start, won = threading.Barrier(6), []

    def use(name: str) -> None:
        start.wait()
        won.append(house.accounts.join(secret, name, PASSWORD))

    threads = [threading.Thread(target=use, args=(f"eve{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(w is not None for w in won) == 1
    assert len(won) == 6
    assert len(house.accounts.people()) == 1


@pytest.mark.parametrize(
    "name", ["", " ", "me", "ORACLE", "a" * 65, "a\nb", "a\x00b", "<b>", "a/b", "two  spaces", "‮evil", "given"]
)
def test_an_unusable_name_is_refused_and_the_link_stays(house: House, name: str) -> None:
    _, secret, _ = house.accounts.invite(ANNOTATOR, by="test")
    with pytest.raises(BadInput, match="cannot be used"):
        house.accounts.join(secret, name, PASSWORD)
    assert house.accounts.join(secret, "Émile O-2", PASSWORD) is not None


def test_names_that_look_the_same_are_one(house: House) -> None:
    house.account("Émile", ANNOTATOR)
    _, secret, _ = house.accounts.invite(ANNOTATOR, by="test")
    for name in ("émile", "E\u0301mile", "ÉMILE"):
        with pytest.raises(BadInput, match="taken"):
            house.accounts.join(secret, name, PASSWORD)
    assert fold("ﬁ") == fold("FI")
    assert house.accounts.login("ÉMILE", PASSWORD) is not None


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaa", "Ann-Margret"])
def test_a_weak_password_is_refused(house: House, password: str) -> None:
    _, secret, _ = house.accounts.invite(ANNOTATOR, by="test")
    with pytest.raises(BadInput, match="password"):
        house.accounts.join(secret, "ann-margret", password)


def test_a_wrong_password_and_a_wrong_name_look_the_same(house: House) -> None:
    house.account("ann", ANNOTATOR)
    replies = [
        house.browser().post("/api/v1/login", json={"name": name, "password": password})
        for name, password in (("ann", "wrong password"), ("nobody here", PASSWORD))
    ]
    assert [r.status_code for r in replies] == [401, 401]
    assert replies[0].json() == replies[1].json()
    assert all("set-cookie" not in r.headers for r in replies)


def test_an_unknown_name_costs_a_hash_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    right = house.accounts._verify
    monkeypatch.setattr(house.accounts, "_verify", lambda hashed, given: seen.append(hashed) or right(hashed, given))
    assert house.accounts.login("nobody", PASSWORD) is None
    assert seen == [house.accounts._nobody]


@pytest.mark.parametrize("public_url", [None, "https://label.example.org"])
def test_the_login_is_a_closed_cookie(open_house: Callable[..., House], public_url: str | None) -> None:
    house = open_house(public_url=public_url)
    house.account("ann", ANNOTATOR)
    client = house.browser(public_url or HERE)
    cookie = client.post("/api/v1/login", json={"name": "ann", "password": PASSWORD}).headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == ("__Host-askwise" if public_url else "askwise_team")
    low = rest.lower()
    assert "httponly" in low
    assert "samesite=lax" in low
    assert "path=/" in low
    assert ("secure" in low) == bool(public_url)
    assert f"max-age={LOGIN_DAYS * 86_400}" in low
    reply = client.get("/team")
    assert reply.status_code == 200
    assert ("strict-transport-security" in reply.headers) == bool(public_url)


def test_a_login_ends(house: House) -> None:
    client = house.person("ann")
    assert client.get("/api/v1/me").status_code == 200
    other = house.person("ann")
    assert client.post("/api/v1/logout").status_code == 200
    assert client.get("/api/v1/me").status_code == 401
    assert other.get("/api/v1/me").status_code == 200, "only this login"
    house.clock.now += LOGIN_DAYS * 86_400 + 1
    assert other.get("/api/v1/me").status_code == 401


def test_nobody_can_prepare_a_login_for_somebody_else(house: House) -> None:
    house.account("ann", ANNOTATOR)
    eve = house.account("eve", ANNOTATOR)
    client = house.browser()
    client.cookies["askwise_team"] = eve  # planted in ann's browser
    client.post("/api/v1/login", json={"name": "ann", "password": PASSWORD})
    fresh = [c.value for c in client.cookies.jar if c.name == "askwise_team"]
    assert eve not in fresh[-1:]
    assert house.accounts.by_login(eve) is None, "the planted login ended"


def test_a_password_is_changed_and_every_login_ends(house: House) -> None:
    client, other = house.person("ann"), house.person("ann")
    wrong = client.post("/api/v1/me/password", json={"old": "wrong", "new": PASSWORD * 2})
    assert wrong.status_code == 403
    assert client.post("/api/v1/me/password", json={"old": PASSWORD, "new": PASSWORD * 2}).status_code == 200
    assert [c.get("/api/v1/me").status_code for c in (client, other)] == [401, 401]
    assert house.accounts.login("ann", PASSWORD) is None
    assert house.accounts.login("ann", PASSWORD * 2) is not None


def test_a_reset_link_sets_a_new_password(house: House) -> None:
    ann, olga = house.person("ann"), house.person("olga")
    number = next(p["number"] for p in olga.get("/api/v1/people").json() if p["name"] == "ann")
    link = olga.post(f"/api/v1/people/{number}/reset").json()["link"]
    body = {"secret": link.split("#")[1], "password": PASSWORD * 2}
    reply = house.browser().post("/api/v1/join", json=body)
    assert reply.json() == {"name": "ann", "role": "annotator"}
    assert ann.get("/api/v1/me").status_code == 401
    assert house.accounts.login("ann", PASSWORD) is None
    assert house.browser().post("/api/v1/join", json=body).status_code == 401


# ── people ──────────────────────────────────────────────────────────────────────────────────


def test_a_disabled_account_is_out_at_once(house: House) -> None:
    ann, olga = house.person("ann"), house.person("olga")
    token = house.token("ann", ANNOTATOR)
    people = {p["name"]: p for p in olga.get("/api/v1/people").json()}
    change = olga.patch(f"/api/v1/people/{people['ann']['number']}", json={"active": False})
    assert change.json()["active"] is False
    assert ann.get("/api/v1/me").status_code == 401
    assert house.accounts.by_token(token) is None
    assert house.accounts.login("ann", PASSWORD) is None
    olga.patch(f"/api/v1/people/{people['ann']['number']}", json={"active": True})
    assert house.accounts.login("ann", PASSWORD) is not None
    assert house.accounts.by_token(token) is None, "enabling brings no old token back"


def test_a_role_changes_at_once(house: House) -> None:
    ann, olga = house.person("ann"), house.person("olga")
    number = next(p["number"] for p in house.accounts.people() if p["name"] == "ann")
    assert ann.get(f"{THINGS}/answers").status_code == 403
    olga.patch(f"/api/v1/people/{number}", json={"role": "reviewer"})
    assert ann.get(f"{THINGS}/answers").status_code == 200


@pytest.mark.parametrize("change", [{"active": False}, {"role": "reviewer"}])
def test_the_last_owner_stays(house: House, change: dict[str, Any]) -> None:
    olga = house.person("olga")
    number = house.accounts.people()[0]["number"]
    reply = olga.patch(f"/api/v1/people/{number}", json=change)
    assert reply.status_code == 400
    assert "owner" in reply.json()["error"]
    assert olga.get("/api/v1/people").status_code == 200
    house.account("otto", OWNER)
    assert olga.patch(f"/api/v1/people/{number}", json=change).status_code == 200


# ── tokens ──────────────────────────────────────────────────────────────────────────────────


def test_a_token_acts_for_its_person_within_its_role(house: House) -> None:
    olga = house.person("olga")
    made = olga.post("/api/v1/tokens", json={"name": "robot", "role": "annotator", "days": 1}).json()
    program = house.browser()
    del program.headers["origin"]
    program.headers["authorization"] = f"Bearer {made['secret']}"
    assert program.get("/api/v1/me").json() == {"name": "olga", "role": "annotator", "begin": False}
    assert program.get("/api/v1/people").status_code == 403
    tab = Tab(program)
    item = tab.ask()[0]["item"]
    assert tab.act("tell", item, label="fruit").status_code == 200, "no Origin needed: no foreign page knows the token"
    assert next(iter(house.session.answers().values())).annotator == "olga"
    assert program.post("/api/v1/tokens", json={"name": "more"}).status_code == 403, "a token makes no tokens"
    listed = olga.get("/api/v1/tokens").json()
    assert [(t["name"], t["role"], t["used"] is not None) for t in listed] == [("robot", "annotator", True)]
    assert made["secret"] not in str(listed)
    house.clock.now += 86_401
    assert program.get("/api/v1/me").status_code == 401


def test_tokens_are_ones_own(house: House) -> None:
    ann, bob, olga = house.person("ann"), house.person("bob"), house.person("olga")
    number = ann.post("/api/v1/tokens", json={"name": "mine"}).json()["number"]
    assert ann.post("/api/v1/tokens", json={"name": "more", "role": "owner"}).status_code == 400
    assert bob.get("/api/v1/tokens").json() == []
    assert bob.delete(f"/api/v1/tokens/{number}").status_code == 404
    assert [t["account"] for t in olga.get("/api/v1/tokens").json()] == ["ann"]
    assert olga.delete(f"/api/v1/tokens/{number}").status_code == 200
    assert ann.get("/api/v1/tokens").json() == []


def test_a_token_loses_with_its_person(house: House) -> None:
    house.account("olga", OWNER)
    house.account("otto", OWNER)
    token = house.token("olga", OWNER)
    assert house.accounts.by_token(token).role == OWNER
    house.accounts.change(1, role=ANNOTATOR)
    assert house.accounts.by_token(token) is None


# ── the door ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:99"])
@pytest.mark.parametrize("path", ["/api/v1/login", "/api/v1/logout", f"{THINGS}/classes", "/api/v1/invitations"])
def test_only_our_own_page_may_change_something(house: House, path: str, origin: str | None) -> None:
    client = house.person("olga")
    del client.headers["origin"]
    body = {"name": "olga", "password": PASSWORD}
    reply = client.post(path, json=body, headers={} if origin is None else {"origin": origin})
    assert reply.status_code == 403
    assert "page itself" in reply.json()["error"]
    assert client.get("/api/v1/me").status_code == 200
    assert "olga" not in house.session.classes


def test_behind_a_proxy_the_public_name_counts(open_house: Callable[..., House]) -> None:
    house = open_house(public_url="https://label.example.org")
    house.account("ann", ANNOTATOR)
    body = {"name": "ann", "password": PASSWORD}

    def login(host: str, origin: str) -> int:
        return house.browser().post("/api/v1/login", json=body, headers={"host": host, "origin": origin}).status_code

    assert login("label.example.org", "https://label.example.org") == 200
    assert login("label.example.org", "http://label.example.org") == 403
    assert login("evil.example", "https://label.example.org") == 403
    assert login("evil.example", "http://evil.example") == 403
    assert login("label.example.org", "http://127.0.0.1") == 403
    olga_house = house.team.link
    assert olga_house is not None


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        (None, ""), ("https://a.example/", "https://a.example"), ("http://a.example:80", "http://a.example"),
        ("https://a.example:8443", "https://a.example:8443"), ("http://[::1]:9", "http://[::1]:9"),
    ],
)  # fmt: skip
def test_a_public_address(given: str | None, origin: str) -> None:
    assert origin_of(given) == origin


@pytest.mark.parametrize(
    "given", ["", "a.example", "ftp://a", "https://", "https://a/b", "https://u:p@a", "https://a:x"]
)
def test_no_public_address(given: str) -> None:
    with pytest.raises(BadInput, match="public address"):
        origin_of(given)


def test_other_hosts_are_refused(house: House) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "[", ""):
        assert house.person("ann").get("/api/v1/me", headers={"host": host}).status_code == 403


def test_too_much_is_refused(house: House) -> None:
    tab = Tab(house.person("ann"))
    item = tab.ask()[0]["item"]
    assert tab.act("flag", item, note="x" * 10_000).status_code == 200
    assert tab.act("flag", item, note="x" * 10_001).status_code == 400
    assert tab.act("flag", item, note="x" * MOST_BODY).status_code == 413
    many = (b"x" * 65_536 for _ in range(MOST_BODY // 65_536 + 2))  # no content-length tells it beforehand
    reply = tab.client.post(f"{THINGS}/flag", content=many, headers={"content-type": "application/json"})
    assert reply.status_code == 413
    deep = b"[" * 200_000
    assert (
        tab.client.post(f"{THINGS}/flag", content=deep, headers={"content-type": "application/json"}).status_code == 400
    )
    for header in ("-1", "x", "1e3"):
        assert tab.client.post(f"{THINGS}/ask", content=b"", headers={"content-length": header}).status_code in (
            400,
            413,
        )


def test_logins_are_limited(open_house: Callable[..., House]) -> None:
    house = open_house(limits=Limits(logins=3))
    house.account("ann", ANNOTATOR)
    house.account("bob", ANNOTATOR)
    wrong, right = {"name": "ann", "password": "wrong"}, {"name": "ANN", "password": PASSWORD}
    client = house.browser()
    assert [client.post("/api/v1/login", json=wrong).status_code for _ in range(4)] == [401, 401, 401, 429]
    reply = client.post("/api/v1/login", json=right)
    assert reply.status_code == 429, "however the name is spelled"
    assert reply.headers["retry-after"] == "900"
    elsewhere = house.browser(address="10.0.0.2")
    assert elsewhere.post("/api/v1/login", json=right).status_code == 200, "a stranger cannot lock ann out everywhere"
    assert client.post("/api/v1/login", json=right | {"name": "bob"}).status_code == 200


def test_requests_are_limited(open_house: Callable[..., House]) -> None:
    house = open_house(limits=Limits(person=5, stranger=3))
    stranger = house.browser()
    assert [stranger.get("/api/v1/me").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert stranger.get("/static/any/lib/app.css").status_code == 200
    secret = house.account("ann", ANNOTATOR)
    client = house.browser()
    client.cookies["askwise_team"] = secret
    assert [client.get("/api/v1/me").status_code for _ in range(6)] == [200] * 5 + [429]
    stranger.headers["authorization"] = "Bearer guess"
    assert stranger.get("/api/v1/me").status_code == 429, "guessing tokens counts as well"


@pytest.mark.parametrize("path", ["/login", "/team", "/p/things/", "/api/v1/me", "/nothing", "/api/v1/docs"])
def test_pages_are_closed_to_frames_and_foreign_code(house: House, path: str) -> None:
    headers = house.person("ann").get(path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_way_to_a_page_leads_through_the_login(house: House) -> None:
    reply = house.browser().get("/p/things/")
    assert (reply.status_code, reply.headers["location"]) == (303, "/login?next=/p/things/")
    assert house.browser().get("/p/x%0d%0aset-cookie:a=b/").headers["location"].count("\n") == 0


def test_nothing_secret_is_stored_or_logged(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    olga = house.person("olga")
    secrets_seen = [PASSWORD, *(c.value for c in olga.cookies.jar)]
    secrets_seen.append(olga.post("/api/v1/tokens", json={"name": "t"}).json()["secret"])
    secrets_seen.append(olga.post("/api/v1/invitations", json={}).json()["link"].split("#")[1])
    house.browser().post("/api/v1/login", json={"name": "olga", "password": PASSWORD + "!"})
    house.browser().get("/api/v1/me", headers={"authorization": f"Bearer {secrets_seen[2]}"})

    def broken(*_: Any, **__: Any) -> None:
        raise sqlalchemy.exc.OperationalError("SELECT 1", {"hash": "h"}, Exception("disk"), hide_parameters=True)

    monkeypatch.setattr(house.accounts, "login", broken)
    assert house.browser().post("/api/v1/login", json={"name": "olga", "password": PASSWORD}).status_code == 500
    monkeypatch.undo()
    out = "".join(capfd.readouterr()) + caplog.text
    house.accounts.close()
    stored = b"".join(path.read_bytes() for path in house.path.parent.glob("team.sqlite*"))
    for secret in secrets_seen:
        assert len(secret) >= 16
        assert secret not in out
        assert secret.encode() not in stored
    assert digest(secrets_seen[2]).encode() in stored
    assert b"$argon2id$" in stored
    assert house.path.stat().st_mode & 0o077 == 0, "for the owner's eyes"


# ── the files ───────────────────────────────────────────────────────────────────────────────


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    url = tmp_path / "team.sqlite"
    engine = schema.connect(url)
    with schema.writing(engine) as db:
        db.execute(schema.about.update().values(value="99"))
    engine.dispose()
    with pytest.raises(BadStore, match="newer"):
        schema.connect(url)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "team.sqlite").write_text("not a database at all " * 50)
    with pytest.raises(BadStore, match="cannot be opened"):
        schema.connect(tmp_path / "team.sqlite")


def test_a_folder_of_sessions_is_a_team(tmp_path: Path) -> None:
    for name in ("Mail 2026", "calls"):
        Session(["a b", "c d"], classes=["x", "y"], encoder="tfidf", store=tmp_path / f"{name}.askwise").close()
    schema.connect(tmp_path / "askwise-team.sqlite").dispose()
    sessions, accounts, folder, shelf = open_team([str(tmp_path)], None)
    assert shelf is None
    assert sorted(sessions) == ["calls", "mail-2026"]
    assert (accounts, folder) == (tmp_path / "askwise-team.sqlite", tmp_path)
    for session in sessions.values():
        session.close()


def test_an_owner_begins_a_project_from_a_file(house: House) -> None:
    olga = house.person("olga")
    assert olga.get("/api/v1/me").json()["begin"]
    assert not house.person("rita").get("/api/v1/me").json()["begin"]
    assert olga.get("/new").status_code == 200
    table = "text,kind\n" + "".join(f"{word} number {i},\n" for i in range(9) for word in WORDS)
    for expected in ("mail", "mail-2"):
        sent = olga.put("/api/v1/new/file", params={"name": "mail.csv"}, content=table.encode()).json()
        body = {"upload": sent["upload"], "text": ["text"], "classes": ["fruit", "tool"], "kind": "text"}
        made = olga.post("/api/v1/new/start", json=body)
        assert made.status_code == 200, made.text
        assert made.json() == {"at": f"/p/{expected}/"}
    tab = Tab(house.person("ann"), base="/p/mail/api/v1")
    assert tab.act("tell", tab.ask()[0]["item"], label="fruit").status_code == 200
    assert [c["name"] for c in olga.get("/api/v1/projects").json()] == ["things", "others", "mail", "mail-2"]
    made = [house.team.projects.pop(name).session for name in ("mail", "mail-2")]
    assert [len(s.answers()) for s in made] == [1, 0]
    for session in made:
        session.close()
    sessions, *_ = open_team([str(house.team.intake.root)], None)
    assert sorted(sessions) == ["mail", "mail-2"], "the next start finds them"
    for session in sessions.values():
        session.close()


def test_a_server_that_starts_anew_takes_answers_to_what_the_earlier_one_asked(house: House) -> None:
    ann, bob = Tab(house.person("ann")), Tab(house.person("bob"))
    one, two, three = ann.ask()
    house.team.projects["things"] = Project(house.session, team=True)  # as after the end of a process
    assert {q["item"] for q in bob.ask()}.isdisjoint({one["item"], two["item"], three["item"]}), "in ann's hands still"
    assert bob.act("tell", one["item"], label="fruit").status_code == 403
    assert ann.act("tell", one["item"], label="fruit").status_code == 200
    house.session.release(annotator="ann")  # it took too long
    assert ann.act("tell", two["item"], label="fruit").status_code == 200, "late, and asked of nobody else"
    house.session.ask(100, annotator="bob")
    reply = ann.act("tell", three["item"], label="fruit")
    assert reply.status_code == 403
    assert "somebody else has it now" in reply.json()["error"]
    # A page that is opened anew has nothing of what an earlier process dealt, so it is free again.
    house.team.projects["things"] = Project(house.session, team=True)
    assert len(house.session._state.leases) > 5
    assert len(Tab(house.person("bob"), "new").ask(1)) == 1
    assert len(house.session._state.leases) == 1


def test_mistakes_at_the_start_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no session here"):
        open_team([], None)
    with pytest.raises(BadStore, match="No session file"):
        open_team([str(tmp_path / "none.askwise")], None)
    with pytest.raises(BadInput, match="both be called 'a-b'"):
        project_names(["a b", "A-B"])
    with pytest.raises(BadInput, match="without #"):
        open_team([], "postgresql://localhost/db#name")
    with pytest.raises(BadInput, match="--public-url"):
        serve_team({}, accounts=Path("none"), host="0.0.0.0", announce=print)


def test_project_names_fit_in_addresses() -> None:
    assert project_names(["Mail 2026", "../etc/passwd", "été", "💥"]) == ["mail-2026", "etc-passwd", "été", "project"]
    assert all(re.fullmatch(r"[\w-]+", name) for name in project_names(["a/b", "c?d", "e#f", "%2e"]))


# ── the program around it ───────────────────────────────────────────────────────────────────


def test_the_command_serves_a_team_and_ends_in_order(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx2")
    Session(["a b", "c d", "e f"], classes=["x", "y"], encoder="tfidf", store=tmp_path / "mail.askwise").close()
    command = [sys.executable, "-m", "askwise", "serve", str(tmp_path), "--port", "0"]
    with cold(), running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        link = process.stdout.readline().split()[-1]
        assert link.startswith(f"{address}join#")
        assert process.stdout.readline() == "Ctrl+C ends.\n"
        origin = {"origin": address.rstrip("/")}
        with httpx.Client(base_url=address, headers=origin, trust_env=False, timeout=30) as client:
            body = {"secret": link.split("#")[1], "name": "olga", "password": PASSWORD}
            assert client.post("/api/v1/join", json=body).json() == {"name": "olga", "role": "owner"}
            assert client.get("/p/mail/api/v1/state").json()["pulse"]["counts"]["items"] == 3
            assert client.get("/p/mail/").status_code == 200
            assert "server" not in client.get("/team").headers
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    assert (tmp_path / "askwise-team.sqlite").stat().st_mode & 0o077 == 0
