"""The API of both servers: its document, all kinds of requests, hostile text, the Python client."""

from __future__ import annotations

import contextlib
import copy
import csv
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from starlette.testclient import TestClient

from askwise.app.server import STATIC, create_app, listing
from askwise.core import BadInput, Unreachable
from askwise.session import Session

pytest.importorskip("argon2", reason="the extra `team` is not installed")
httpx = pytest.importorskip("httpx2", reason="the extra `client` is not installed")
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import argon2  # noqa: E402

from askwise.app.accounts import Accounts  # noqa: E402
from askwise.app.auth import Limits  # noqa: E402
from askwise.app.hooks import Webhooks  # noqa: E402
from askwise.app.project import Project  # noqa: E402
from askwise.app.roles import OWNER, Who  # noqa: E402
from askwise.app.team import Team, create_team_app  # noqa: E402
from askwise.client import Client  # noqa: E402

pytestmark = pytest.mark.usefixtures("linear")

TOKEN = "a-token-of-some-length"
HERE = "http://127.0.0.1"
PAYLOADS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>", "javascript:alert(1)",
    "'-alert(1)-'", "</textarea><script>alert(1)</script>", "{{constructor.constructor('alert(1)')()}}", "${alert(1)}",
    "<iframe srcdoc='<script>alert(1)</script>'>", "<a href=\"javascript:alert(1)\">x</a>", "<!--", "]]>", "&lt;b&gt;",
    "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">", "\u202e<b>", "=HYPERLINK(\"http://x\")",
]  # fmt: skip


@pytest.fixture
def team(tmp_path: Path) -> Iterator[tuple[Any, str]]:
    """A team's app and the token of its owner."""
    folder = tmp_path
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(folder / "team.sqlite", hasher=hasher)
    _, secret, _ = accounts.invite(OWNER, by="test")
    accounts.join(secret, "olga", "four words in a row")
    token = accounts.make_token(Who("olga", OWNER, 1), "test", OWNER)["secret"]
    hooks = Webhooks(accounts.engine, resolve=lambda *_: ["93.184.216.34"])
    with Session([f"text number {i}" for i in range(40)], classes=["x", "y"], encoder="tfidf") as session:
        projects = {"things": Project(session, team=True)}
        limits = Limits(person=10**7, stranger=10**7, logins=10**7)
        yield create_team_app(Team(accounts, hooks, projects, limits=limits)), token
    hooks.stop()
    accounts.close()


@pytest.fixture
def solo() -> Iterator[tuple[Any, str]]:
    with Session([f"text number {i}" for i in range(40)], classes=["x", "y"], encoder="tfidf") as session:
        yield create_app(session, token=TOKEN), TOKEN


# ── all kinds of requests ───────────────────────────────────────────────────────────────────

FEW = settings(
    max_examples=6, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def in_one_project(document: dict[str, Any]) -> dict[str, Any]:
    """The document where the project is named already: we ask in the one that there is."""
    found = copy.deepcopy(document)
    found["paths"] = {path.replace("{project}", "things"): ways for path, ways in found["paths"].items()}
    for ways in found["paths"].values():
        for operation in ways.values():
            operation["parameters"] = [one for one in operation.get("parameters", ()) if one["name"] != "project"]
    return found


def ask_everything(app: Any, token: str) -> dict[str, int]:
    """Requests that the document allows, and ones that it does not; how many of each operation."""
    client = TestClient(app, base_url=HERE, raise_server_exceptions=False, follow_redirects=False)
    client.headers |= {"authorization": f"Bearer {token}"}
    asked: dict[str, int] = {}

    def ask(case: Any) -> None:
        if case.operation.path == "/api/v1/tokens/{number}" and str(case.path_parameters["number"]) == "1":
            case.path_parameters["number"] = 2  # else we would revoke what we come in with
        sent = case.as_transport_kwargs(base_url=HERE)
        query = [(k, v if isinstance(v, str) else json.dumps(v)) for k, v in (sent.get("params") or {}).items()]
        body = {"content": sent["data"]} if "data" in sent else {key: sent[key] for key in ("json",) if key in sent}
        reply = client.request(sent["method"], sent["url"], params=query, **body)
        name = f"{sent['method']} {case.operation.path.replace('/p/things/', '/p/{project}/')}"
        asked[name] = asked.get(name, 0) + 1
        assert reply.status_code != 401 or name.endswith(("login", "join")), name
        assert reply.status_code < 500, f"{name} {query} {body}: {reply.text}"
        if reply.status_code >= 400:
            assert list(reply.json()) == ["error"], f"{name}: {reply.text}"

    for found in schemathesis.openapi.from_dict(in_one_project(app.openapi())).get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            # An operation that takes nothing cannot be asked wrongly.
            with contextlib.suppress(Unsatisfiable):
                FEW(given(operation.as_strategy(generation_mode=mode))(ask))()
    return asked


@pytest.mark.parametrize("which", ["solo", "team"])
def test_no_request_breaks_the_server(which: str, request: pytest.FixtureRequest) -> None:
    app, token = request.getfixturevalue(which)
    asked = ask_everything(app, token)
    everything = {f"{m.upper()} {path}" for path, ways in app.openapi()["paths"].items() for m in ways}
    assert set(asked) == everything
    assert sum(asked.values()) > 5 * len(everything) / 2


# ── the document ────────────────────────────────────────────────────────────────────────────


def owner_of(app: Any, token: str) -> TestClient:
    client = TestClient(app, base_url=HERE, raise_server_exceptions=False)
    client.headers |= {"authorization": f"Bearer {token}"}
    return client


@pytest.mark.parametrize("which", ["solo", "team"])
def test_the_document_says_everything(which: str, request: pytest.FixtureRequest) -> None:
    client = owner_of(*request.getfixturevalue(which))
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.")
    names = [op["operationId"] for ways in document["paths"].values() for op in ways.values()]
    assert len(names) == len(set(names)), "stable names: each once"
    for path, ways in document["paths"].items():
        assert "/api/v1/" in path
        for operation in ways.values():
            assert operation["description"].endswith("."), path
            assert "422" not in operation["responses"], "we answer 400"
            assert operation["responses"]["400"]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")
    assert ("/p/{project}/api/v1/tell" in document["paths"]) == (which == "team")
    assert ("/api/v1/people" in document["paths"]) == (which == "team")


def test_the_listing_is_a_page_without_scripts(team: tuple[Any, str]) -> None:
    reply = owner_of(*team).get("/api/v1/docs")
    assert reply.status_code == 200
    text = reply.text
    assert "<script" not in text
    assert "http://" not in text.replace("http://…", "")
    assert "<code>POST /p/{project}/api/v1/tell</code>" in text
    assert "Largest share of wrong labels" in text
    assert (STATIC / "team/team.css").is_file()


def test_the_listing_shows_names_as_text() -> None:
    bad = "<script>alert(1)</script>"
    document = {
        "info": {"description": bad},
        "paths": {f"/{bad}": {"get": {"description": bad, "parameters": [{"name": bad, "schema": {"type": bad}}],
                                      "responses": {}}}},
        "components": {"schemas": {bad: {"description": bad, "properties": {bad: {"type": bad}}}}},
    }  # fmt: skip
    assert "<script" not in listing(document)


# ── hostile text ────────────────────────────────────────────────────────────────────────────


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def test_hostile_text_comes_back_as_text(tmp_path: Path) -> None:
    """Items, labels, notes, titles and file names go in and out as JSON, never as markup of ours."""
    items = [f"{payload} {i}" for i, payload in enumerate(PAYLOADS)] + [f"plain {i}" for i in range(24)]
    classes = [PAYLOADS[0], PAYLOADS[1]]
    path = tmp_path / "<img src=x onerror=alert(1)>.askwise"
    with Session(items, classes=classes, encoder="tfidf", title=PAYLOADS[2], store=path) as session:
        client = owner_of(create_app(session, token=TOKEN, guidelines=PAYLOADS[0]), TOKEN)
        for i, item in enumerate(session.pool.ids):
            body = {"tab": "t", "want": 0, "key": f"f{i}", "item": item, "note": PAYLOADS[i % len(PAYLOADS)]}
            assert client.post("/api/v1/flag", json=body).status_code == 200
            body |= {"key": f"t{i}", "label": classes[i % 2]}
            reply = client.post("/api/v1/tell", json=body)
            assert reply.headers["content-type"] == "application/json"
            assert reply.headers["x-content-type-options"] == "nosniff"
        client.post("/api/v1/classes", json={"name": PAYLOADS[4]})
        state = client.get("/api/v1/state").json()
        assert state["title"] == PAYLOADS[2]
        assert state["pulse"]["classes"] == [*classes, PAYLOADS[4]]
        answers = {a["item"]: a for a in client.get("/api/v1/answers", params={"limit": 1000}).json()["answers"]}
        assert answers[session.pool.ids[3]]["flag"] == PAYLOADS[3]
        export = client.get("/api/v1/export")
        assert export.headers["content-disposition"].startswith("attachment")
        assert {row["flag"] for row in csv.DictReader(export.text.splitlines())} >= set(PAYLOADS[:3])
        report = client.get("/report")
        tags = Tags()
        tags.feed(report.text)
        assert not {tag for tag, _ in tags.found} & {"script", "iframe", "math", "object", "embed", "form"}
        assert not [a for _, attrs in tags.found for a in attrs if a.startswith("on")]


@pytest.mark.parametrize(
    "path",
    [
        "../server.py",
        "..%2f..%2fserver.py",
        "%2e%2e%2fserver.py",
        "..%5cserver.py",
        "%2fetc%2fpasswd",
        "lib/api.js%00.css",
    ],
)
def test_no_path_leads_out(team: tuple[Any, str], path: str) -> None:
    client = owner_of(*team)
    for start in ("/static/any/", "/p/things/static/", "/p/", "/"):
        reply = client.get(start + path)
        assert reply.status_code in (400, 404)
        assert "root:" not in reply.text
        assert "import" not in reply.text


# ── the Python client ───────────────────────────────────────────────────────────────────────


class Bridge(httpx.BaseTransport):
    """The client's requests go to the app itself; the first `lost` replies are lost on the way."""

    def __init__(self, app: Any, lost: int = 0) -> None:
        self.inner, self.lost, self.sent = TestClient(app, base_url=HERE, raise_server_exceptions=False), lost, 0

    def handle_request(self, request: Any) -> Any:
        self.sent += 1
        headers = {k: v for k, v in request.headers.items() if k != "host"}
        reply = self.inner.request(request.method, str(request.url), content=request.read(), headers=headers)
        if self.lost:
            self.lost -= 1
            raise httpx.ReadError("the line is cut", request=request)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


@pytest.fixture
def served() -> Iterator[tuple[Session, Any]]:
    with Session([f"text number {i}" for i in range(40)], classes=["x", "y"], encoder="tfidf") as session:
        yield session, create_app(session, token=TOKEN)


def test_a_program_asks_and_answers(served: tuple[Session, Any], tmp_path: Path) -> None:
    session, app = served
    with Client(HERE, TOKEN, transport=Bridge(app)) as client:
        questions = client.ask(4)
        assert len({q.item for q in questions}) == 4
        client.tell(questions[0], "x", seconds=1.5)
        client.unsure(questions[1])
        client.skip(questions[2].item)
        client.flag(questions[3], "odd")
        assert session.answers()[questions[0].row].seconds == 1.5
        assert [a.kind for _, a in sorted(session.answers().items())].count("unsure") == 1
        again = client.retract(questions[0])
        assert again is not None
        assert again.item == questions[0].item
        assert client.retract(questions[0]) is None
        found = client.find("number 37", 2)
        assert found[0].text == "text number 37"
        assert len(found) == 2
        client.skip(found[0])
        client.skip(found[1])
        held = [q.item for q in client.ask(5)]
        assert held[0] == questions[0].item, "what is open comes first"
        assert client.pulse().classes == ["x", "y"]
        assert client.state().me.role == "owner"
        assert client.metrics() is None
        client.export(tmp_path / "out.csv")
        assert len(list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))) == 40
        assert [a.annotator for a in client.answers()] == ["me"] * len(session.answers())
        with pytest.raises(BadInput, match="'z'"):
            client.tell(questions[0], "z")
    with Client(HERE, "wrong", transport=Bridge(app)) as client, pytest.raises(BadInput, match="key"):
        client.pulse()


def test_a_program_has_new_items_labeled(tmp_path: Path) -> None:
    texts = [f"{('see you at lunch', 'win a cash prize')[i % 2]} {i}" for i in range(60)]
    with Session(texts, classes=["ham", "spam"], encoder="tfidf", audit_share=0) as session:
        app = create_app(session, token=TOKEN)
        with Client(HERE, TOKEN, transport=Bridge(app)) as client:
            with pytest.raises(BadInput, match="model"):
                client.predict(["win a prize"])
            for row in range(12):
                session.tell(session.pool.ids[row], ("ham", "spam")[row % 2])
            session.refresh()
            said = client.predict(["you may win a large cash prize", "shall we see us at lunch"])
            assert [one.label for one in said.items] == ["spam", "ham"]
            assert all(0.5 <= one.confidence <= 1 and not one.hidden for one in said.items)
            assert said.version == session.look(lambda s: s.ranking.round)
            assert said.about
            assert session.model().predict(["you may win a large cash prize"]).tolist() == ["spam"], "as the model says"
            for items, word in (([], "item"), (["x"] * 1001, "1000"), ([{"text": "x"}], "text")):
                with pytest.raises(BadInput, match=word):
                    client.predict(items)


def test_a_lost_reply_answers_once(served: tuple[Session, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    session, app = served
    monkeypatch.setattr("askwise.client.time.sleep", lambda _: None)
    bridge = Bridge(app)
    with Client(HERE, TOKEN, transport=bridge) as client:
        question = client.ask()[0]
        bridge.lost, bridge.sent = 2, 0
        client.tell(question, "x")
        assert bridge.sent == 3
        told = [e for e in session._store.read() if e.kind == "told"]
        assert len(told) == 1
        bridge.lost = 99
        with pytest.raises(Unreachable, match="cut"):
            client.pulse()


def test_a_program_works_with_a_team(team: tuple[Any, str]) -> None:
    app, token = team
    with Client(f"{HERE}/p/things/", token, transport=Bridge(app)) as client:
        state = client.state()
        assert (state.team, state.me.name) == (True, "olga")
        client.tell(client.ask()[0], "x")
        assert client.state().history[0].label == "x"


def test_a_program_of_an_owner_adds_items(team: tuple[Any, str]) -> None:
    app, token = team
    door = TestClient(app, base_url=HERE, headers={"Authorization": f"Bearer {token}"})
    place = "/p/things/api/v1/items/add"
    reply = door.put(place, params={"name": "more.csv"}, content=b"text\ntext number 3\nsomething new\n")
    assert reply.status_code == 200, reply.text
    assert reply.json()["sentence"] == "1 new item; left out: 1 that the session has already."
    assert door.get("/p/things/api/v1/items").json()["total"] == 41
    assert door.put(place, params={"name": "more.csv"}, content=b"").status_code == 400
