"""The labeling page's server, through its real routes, over a real session."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
import posixpath
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from starlette.testclient import TestClient

from askwise.app.guard import Codes
from askwise.app.roles import NEEDS
from askwise.app.serve import _listen, serve, show
from askwise.app.server import create_app
from askwise.core import BadInput
from askwise.session import Session
from help.processes import running
from help.warm import MARK, cold

pytestmark = pytest.mark.usefixtures("linear")

TOKEN = "a-token-of-some-length"
ORIGIN = {"origin": "http://127.0.0.1"}
WORDS = {"fruit": ["apple", "pear", "plum", "cherry"], "tool": ["hammer", "saw", "drill", "wrench"]}


def texts(n: int = 60) -> list[str]:
    pairs = itertools.product(WORDS["fruit"] + WORDS["tool"], range(n))
    return [f"{word} number {i} on the table" for word, i in pairs][:: 8 * n // n][:n]


def truth(text: str) -> str:
    return next(label for label, words in WORDS.items() if text.split()[0] in words)


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(texts(), classes=["fruit", "tool"], encoder="tfidf", title="Things") as made:
        yield made


def client_of(session: Session, **settings: Any) -> TestClient:
    app = create_app(session, token=TOKEN, **settings)
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def page(session: Session) -> TestClient:
    """A browser that opened the link."""
    client = client_of(session, guidelines="# Be kind\n- **really**")
    assert client.get("/", params={"token": TOKEN}).status_code == 303
    client.headers |= ORIGIN
    return client


class Tab:
    """A tab of the browser, as the page's script behaves."""

    def __init__(self, page: TestClient, name: str = "tab") -> None:
        self.page, self.name, self.numbers = page, name, itertools.count()
        self.deck: list[dict[str, Any]] = []
        self.pulse: dict[str, Any] = {}

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = self.page.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def take(self, reply: dict[str, Any]) -> dict[str, Any]:
        self.deck += reply["next"]
        self.pulse = reply["pulse"]
        return reply

    def hand(self) -> dict[str, Any]:
        return {"tab": self.name, "have": [q["item"] for q in self.deck], "want": 3}

    def ask(self) -> dict[str, Any]:
        return self.take(self.post("/api/v1/ask", **self.hand()))

    def act(self, verb: str, item: str, **more: Any) -> dict[str, Any]:
        self.deck = [q for q in self.deck if q["item"] != item]
        key = f"{self.name}-{next(self.numbers)}"
        return self.take(self.post(f"/api/v1/{verb}", key=key, item=item, **self.hand() | more))

    def answer(self, label: str | None = None, **more: Any) -> dict[str, Any]:
        q = self.deck[0]
        return self.act("tell", q["item"], label=label or truth(q["text"]), asked=q["asked"], seconds=1.5, **more)


@pytest.fixture
def tab(page: TestClient) -> Tab:
    made = Tab(page)
    made.ask()
    return made


# ── who may come in ─────────────────────────────────────────────────────────────────────────


def test_the_token_becomes_a_cookie_and_leaves_the_address(session: Session) -> None:
    client = client_of(session)
    first = client.get("/", params={"token": TOKEN})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in re.sub(r"=[^;]+", "=", cookie), "the cookie's name must not tell the token"
    again = client.get("/")
    assert again.status_code == 200
    assert "<title>Askwise</title>" in again.text
    assert TOKEN not in again.text


@pytest.mark.parametrize("params", [{}, {"token": ""}, {"token": "wrong"}, {"token": TOKEN + "x"}, {"token": "ü"}])
def test_no_token_no_page(session: Session, params: dict[str, str]) -> None:
    client = client_of(session)
    response = client.get("/", params=params)
    assert response.status_code == 401
    assert "askwise label" in response.text
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "door", [*(key for key in NEEDS if "/static/" not in key), "GET /openapi.json", "GET /docs", "GET /nothing"]
)
def test_every_route_needs_the_key(session: Session, door: str) -> None:
    method, path = door.split(" ")
    response = client_of(session).request(method, path, headers=ORIGIN)
    assert response.status_code == 401
    assert "link" in response.text


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.5", "[::2]", "[", "", "localhost.evil", "0.0.0.0"]
)
def test_other_hosts_are_refused(page: TestClient, host: str) -> None:
    assert page.get("/api/v1/pulse", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8321", "localhost:9000", "[::1]:80"])
def test_the_loopback_is_accepted(session: Session, host: str) -> None:
    response = client_of(session).get("/api/v1/pulse", headers={"host": host, "x-askwise-token": TOKEN})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:99", "http://localhost"]
)
def test_only_our_own_page_may_change_something(page: TestClient, origin: str | None) -> None:
    del page.headers["origin"]
    headers = {} if origin is None else {"origin": origin}
    response = page.post("/api/v1/classes", json={"name": "new"}, headers=headers)
    assert response.status_code == 403
    assert "new" not in page.get("/api/v1/pulse").json()["classes"]


def test_a_script_with_the_header_needs_no_origin(session: Session) -> None:
    response = client_of(session).post("/api/v1/classes", json={"name": "new"}, headers={"x-askwise-token": TOKEN})
    assert response.status_code == 200
    assert session.classes[-1] == "new"


def test_a_short_token_is_refused(session: Session) -> None:
    with pytest.raises(BadInput, match="16 or more"):
        create_app(session, token="short")


@pytest.mark.parametrize("path", ["/", "/api/v1/state", "/api/v1/pulse", "/nothing"])
def test_pages_are_closed_to_frames_and_foreign_code(page: TestClient, path: str) -> None:
    headers = page.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


# ── the page's files ────────────────────────────────────────────────────────────────────────


STATIC = Path(create_app.__code__.co_filename).parent / "static"


@pytest.mark.parametrize("html", sorted(STATIC.rglob("*.html")), ids=lambda path: path.stem)
def test_every_file_is_ours_and_kept_by_the_browser(page: TestClient, html: Path) -> None:
    version = re.search(r"/static/([0-9a-f]{12})/", page.get("/").text)[1]
    seen = files_of(html.read_text().replace("{{version}}", version))
    assert len(seen) >= 3
    for path in seen:
        response = page.get(path)
        assert response.status_code == 200, path
        assert "immutable" in response.headers["cache-control"]
        if path.endswith(".js"):
            assert response.headers["content-type"].startswith("text/javascript")
            markup = r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|document\.write"
            assert not re.search(markup, response.text), path
        if not path.endswith(".svg"):
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", response.text), f"{path} names another host"


def files_of(html: str) -> set[str]:
    """The addresses of all files that a page loads, those that its scripts import included."""
    assert "{{" not in html
    assert not re.search(r"<script(?![^>]* src=)|\bon\w+=|style=", html), (
        "the policy forbids code and styles in the page"
    )
    seen: set[str] = set()
    todo = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', html))
    while todo:
        path = todo.pop()
        seen.add(path)
        if path.endswith(".js"):
            start, version, name = re.fullmatch(r"(/static/)([^/]+/)(.+)", path).groups()
            script = re.sub(r"^ *//.*$", "", (STATIC / name).read_text(), flags=re.M)
            near = r"\./[^\"]+|\.\./[^\"]+"  # imported, or a style sheet that a script adds
            for other in re.findall(rf'(?:\bfrom |^import |\bimport\(|new URL\()"({near})"', script, re.M):
                todo |= {start + version + posixpath.normpath(posixpath.join(posixpath.dirname(name), other))} - seen
    return seen


def test_every_file_is_loaded_by_some_page() -> None:
    pages = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.html")}
    used = {
        path.removeprefix("/static/v/")
        for page in pages
        for path in files_of((STATIC / page).read_text().replace("{{version}}", "v"))
    }
    every = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    assert used | pages == every, "a file that nothing loads"


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "label/index.html",
        "lib",
        "lib/",
        "index.html",
        "label%2f..%2flib%2fapp.css",
        "..%2fserver.py",
        "%2e%2e/server.py",
    ],
)
def test_no_other_file_is_served(page: TestClient, name: str) -> None:
    response = page.get(f"/static/any/{name}")
    assert response.status_code == 404
    assert response.json()["error"]


def test_a_file_at_an_old_address_is_not_kept(page: TestClient) -> None:
    assert page.get("/static/any/lib/app.css").headers["cache-control"] == "no-cache"


# ── asking and telling ──────────────────────────────────────────────────────────────────────


def test_state_holds_what_the_page_starts_with(page: TestClient) -> None:
    state = page.get("/api/v1/state").json()
    assert (state["title"], state["kind"], state["guidelines"]) == ("Things", "text", "# Be kind\n- **really**")
    assert state["history"] == []
    assert state["pulse"]["classes"] == ["fruit", "tool"]
    assert state["pulse"]["counts"]["items"] == 60
    assert state["pulse"]["estimate"]["sentence"]
    assert state["pulse"]["verdict"]["reason"]
    assert state["pulse"]["autolabel"] is None


def test_an_answer_brings_the_next_question_in_the_same_reply(tab: Tab, session: Session) -> None:
    assert len(tab.deck) == 3
    first = tab.deck[0]
    assert first["reason"].endswith(".")
    tab.answer()
    assert len(tab.deck) == 3
    assert len({q["item"] for q in tab.deck} | {first["item"]}) == 4
    assert tab.pulse["counts"]["labeled"] == 1
    answer = session.answers()[first["row"]]
    assert (answer.label, answer.seconds, answer.kind) == (truth(first["text"]), 1.5, "label")


def test_the_same_answer_twice_is_logged_once(tab: Tab, session: Session) -> None:
    body = {**tab.hand(), "key": "k", "item": tab.deck[0]["item"], "asked": tab.deck[0]["asked"], "label": "fruit"}
    replies = [tab.post("/api/v1/tell", **body) for _ in range(3)]
    assert replies[0] == replies[1] == replies[2]
    assert session.counts()["labeled"] == 1
    tab.post("/api/v1/retract", **body | {"key": "k2"})
    assert session.counts()["labeled"] == 0, "one answer, one undo"


def test_a_retry_that_reaches_a_new_server_is_logged_once(tab: Tab, session: Session) -> None:
    q = tab.deck[0]
    body = {"key": "k", "item": q["item"], "asked": q["asked"], "label": "tool"}
    tab.post("/api/v1/tell", **tab.hand() | body)
    seq = session.answers()[q["row"]].seq
    reborn = Tab(client_of(session))
    reborn.page.headers |= {"x-askwise-token": TOKEN}
    reborn.post("/api/v1/tell", **reborn.hand() | body | {"again": True})
    assert session.answers()[q["row"]].seq == seq
    reborn.post("/api/v1/tell", **reborn.hand() | body | {"again": True, "label": "fruit", "key": "k2"})
    assert session.answers()[q["row"]].label == "fruit", "another label is another answer"


def test_a_reload_finds_the_same_questions(tab: Tab, page: TestClient) -> None:
    held = [q["item"] for q in tab.deck]
    reloaded = Tab(page, tab.name)
    reloaded.ask()
    assert [q["item"] for q in reloaded.deck] == held


def test_two_tabs_get_different_questions(tab: Tab, page: TestClient) -> None:
    other = Tab(page, "other")
    other.ask()
    assert not {q["item"] for q in tab.deck} & {q["item"] for q in other.deck}


def test_an_item_answered_in_one_tab_leaves_the_other(tab: Tab, page: TestClient) -> None:
    item = tab.deck[0]["item"]
    Tab(page, "other").act("tell", item, label="fruit")
    reloaded = Tab(page, tab.name)
    reloaded.ask()
    assert item not in {q["item"] for q in reloaded.deck}


@pytest.mark.parametrize(("verb", "kind"), [("skip", "skip"), ("unsure", "unsure")])
def test_other_answers(tab: Tab, session: Session, verb: str, kind: str) -> None:
    q = tab.deck[0]
    tab.act(verb, q["item"], seconds=2.0)
    assert session.answers()[q["row"]].kind == kind
    assert len(tab.deck) == 3


def test_undo_gives_the_question_back_again_and_again(tab: Tab, session: Session, page: TestClient) -> None:
    first = tab.deck[0]["item"]
    tab.answer()
    second = tab.deck[0]["item"]
    tab.answer()
    for item in (second, first):
        reply = tab.act("retract", item)
        assert reply["query"]["item"] == item
    assert session.answers() == {}
    reloaded = Tab(page, tab.name)
    reloaded.ask()
    assert [q["item"] for q in reloaded.deck[:2]] == [first, second]
    assert tab.act("retract", first)["query"] is None, "nothing left to undo"


def test_undo_after_a_reload_starts_from_the_history(tab: Tab, page: TestClient, session: Session) -> None:
    items = [tab.deck[0]["item"]]
    tab.answer()
    items.append(tab.deck[0]["item"])
    tab.act("unsure", items[1])
    history = page.get("/api/v1/state").json()["history"]
    assert [(h["item"], h["kind"]) for h in history] == [(items[1], "unsure"), (items[0], "label")]
    assert history[1]["label"] == truth(history[1]["text"])
    assert history[1]["seconds"] == 1.5


def test_an_earlier_answer_can_be_changed(tab: Tab, session: Session) -> None:
    q = tab.deck[0]
    tab.answer("fruit")
    tab.act("tell", q["item"], label="tool")
    assert session.answers()[q["row"]].label == "tool"
    assert session.counts()["labeled"] == 1


def test_a_flag_with_a_note_keeps_the_question_open(tab: Tab, session: Session) -> None:
    q = tab.deck[0]
    tab.post("/api/v1/flag", key="f", item=q["item"], note="<b>odd</b>", **tab.hand())
    assert q["row"] not in session.answers()
    tab.answer()
    assert session.answers()[q["row"]].flag == "<b>odd</b>"


def test_a_new_class_can_be_added_and_used(tab: Tab, session: Session) -> None:
    assert tab.post("/api/v1/classes", name="person")["classes"] == ["fruit", "tool", "person"]
    q = tab.deck[0]
    tab.answer("person")
    assert session.answers()[q["row"]].label == "person"


def test_a_check_item_never_carries_a_guess(tab: Tab, session: Session) -> None:
    checks = guessed = 0
    for _ in range(40):
        session.refresh()
        if tab.deck[0]["audit"]:
            checks += 1
            assert (tab.deck[0]["suggestion"], tab.deck[0]["confidence"], tab.deck[0]["guesses"]) == (None, None, [])
        guessed += tab.deck[0]["suggestion"] is not None
        tab.answer()
    assert checks >= 1
    assert guessed >= 10


def test_when_nothing_is_left_no_question_comes(page: TestClient, session: Session) -> None:
    tab = Tab(page)
    tab.ask()
    for _ in range(60):
        tab.answer()
    assert tab.deck == []
    assert tab.ask()["next"] == []
    assert tab.pulse["counts"]["open"] == 0


def test_nearest_shows_labeled_items(tab: Tab, page: TestClient, session: Session) -> None:
    row = tab.deck[0]["row"]
    assert page.get("/api/v1/nearest", params={"row": row}).json() == []
    for _ in range(4):
        tab.answer()
    near = page.get("/api/v1/nearest", params={"row": tab.deck[0]["row"]}).json()
    assert len(near) == 3
    assert {"row", "text", "view", "label", "labels", "similarity"} == near[0].keys()
    assert near[0]["similarity"] >= near[-1]["similarity"]


def test_what_is_searched_for_comes_first_and_survives_a_reload(tab: Tab, page: TestClient) -> None:
    reply = page.post("/api/v1/find", json={"tab": tab.name, "text": "saw", "n": 2})
    assert reply.status_code == 200, reply.text
    found = reply.json()["next"]
    assert len(found) == 2
    assert all("saw" in q["text"] for q in found)
    again = page.post("/api/v1/ask", json={"tab": tab.name, "have": [], "want": 5}).json()["next"]
    assert [q["item"] for q in again[:2]] == [q["item"] for q in found], "in the same order, before the others"


# ── what is refused ─────────────────────────────────────────────────────────────────────────

GOOD = {"tab": "t", "key": "k", "item": "", "label": "fruit"}


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/api/v1/tell", GOOD | {"label": "frit"}, "fruit"),
        ("/api/v1/tell", GOOD | {"label": None}, "needs a label"),
        ("/api/v1/tell", GOOD | {"item": "nobody"}, "nobody"),
        ("/api/v1/skip", GOOD | {"item": "nobody"}, "nobody"),
        ("/api/v1/tell", GOOD | {"seconds": -1}, "seconds"),
        ("/api/v1/tell", GOOD | {"want": 1_000_000}, "want"),
        ("/api/v1/tell", {"tab": "t"}, "key"),
        ("/api/v1/ask", {"tab": ""}, "tab"),
        ("/api/v1/find", {"tab": "t", "text": " "}, "needs words"),
        ("/api/v1/find", {"tab": "t", "text": "saw", "n": 21}, "n"),
        ("/api/v1/find", {"tab": "t"}, "text"),
        ("/api/v1/classes", {"name": "fruit"}, "fruit"),
        ("/api/v1/classes", {"name": "  "}, "empty"),
        ("/api/v1/autolabel", {"max_error": 1.5}, "max_error"),
        ("/api/v1/autolabel", {"max_error": 0.1, "by_doubt": 1.0}, "by_doubt"),
        ("/api/v1/autolabel/cancel", {}, "Finish"),
        ("/api/v1/autolabel/undo", {}, ""),
        ("/api/v1/autolabel/resume", {}, "nothing was frozen yet"),
    ],
)
def test_a_mistake_is_a_sentence(tab: Tab, page: TestClient, path: str, body: dict[str, Any], says: str) -> None:
    if body.get("item") == "":
        body = body | {"item": tab.deck[0]["item"]}
    before = page.get("/api/v1/pulse").json()["counts"]
    response = page.post(path, json=body)
    assert response.status_code == 400, response.text
    assert list(response.json()) == ["error"]
    assert says in response.json()["error"]
    assert "Traceback" not in response.text
    assert page.get("/api/v1/pulse").json()["counts"] == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"text"'])
def test_a_broken_body_is_a_sentence(page: TestClient, content: bytes) -> None:
    response = page.post("/api/v1/tell", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/api/v1/nearest?row=60", 400), ("/api/v1/nearest?row=-1", 400), ("/api/v1/nearest", 400),
     ("/api/v1/export?format=exe", 400), ("/api/v1/tell", 405)],
)  # fmt: skip
def test_a_wrong_address_is_a_sentence(page: TestClient, path: str, status: int) -> None:
    response = page.get(path)
    assert response.status_code == status
    assert response.json()["error"]


def test_what_stops_the_learning_is_shown(page: TestClient, session: Session) -> None:
    assert page.get("/api/v1/pulse").json()["trouble"] is None

    class Broken:
        def fit(self, X: Any, y: Any) -> None:
            raise RuntimeError("out of cheese")

    session._parts.learner = Broken()
    for query, label in zip(session.ask(2), session.classes, strict=False):
        session.tell(query, label)
    session.start()
    for _ in range(3000):
        if session.worker_error is not None:
            break
        time.sleep(0.01)
    assert page.get("/api/v1/pulse").json()["trouble"] == "RuntimeError: out of cheese. Answers are saved as before."
    with pytest.raises(RuntimeError, match="cheese"):
        session.stop()


def test_a_bug_shows_no_traceback(page: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(session, "hand_in", broken)
    body = {"tab": "t", "key": "k", "item": session.pool.ids[0], "label": "fruit"}
    response = page.post("/api/v1/tell", json=body)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    monkeypatch.undo()
    assert page.post("/api/v1/tell", json=body).status_code == 200, "a failed try must not count as done"
    assert session.counts()["labeled"] == 1


# ── taking things out ───────────────────────────────────────────────────────────────────────


def test_exports_hold_every_row(tab: Tab, page: TestClient) -> None:
    for _ in range(5):
        tab.answer()
    table = list(csv.DictReader(io.StringIO(page.get("/api/v1/export").text)))
    assert len(table) == 60
    assert sum(row["source"] == "human" for row in table) == 5
    response = page.get("/api/v1/export", params={"format": "jsonl"})
    assert "labels.jsonl" in response.headers["content-disposition"]
    assert [json.loads(line)["item"] for line in response.text.splitlines()] == [row["item"] for row in table]


def test_the_report_runs_no_script(tab: Tab, page: TestClient) -> None:
    tab.answer()
    response = page.get("/report")
    assert response.status_code == 200
    assert "Things" in response.text
    assert "script-src" not in response.headers["content-security-policy"]
    assert "default-src 'none'" in response.headers["content-security-policy"]


# ── handing over ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def learned() -> Iterator[tuple[Session, Tab]]:
    """A session with enough easy items to certify at 10 %, and a model that knows them."""
    with Session(texts(480), classes=["fruit", "tool"], encoder="tfidf", max_error=0.1) as session:
        client = client_of(session)
        client.headers |= {"x-askwise-token": TOKEN}
        tab = Tab(client)
        tab.ask()
        for _ in range(60):
            tab.answer()
        session.refresh()
        yield session, tab


def test_the_price_is_known_before_the_checks_start(learned: tuple[Session, Tab]) -> None:
    checks = {float(share): n for share, n in learned[1].page.get("/api/v1/checks").json().items()}
    assert sorted(checks) == [0.01, 0.02, 0.05, 0.1]
    assert checks[0.01] > checks[0.02] > checks[0.05] > checks[0.1] > 10


def test_a_second_attempt_costs_more_and_says_so(learned: tuple[Session, Tab]) -> None:
    _, tab = learned
    first = tab.page.get("/api/v1/checks").json()["0.1"]
    assert tab.post("/api/v1/autolabel", max_error=0.1)["result"]["status"] == "checking"
    tab.post("/api/v1/autolabel/cancel")
    assert tab.page.get("/api/v1/checks").json()["0.1"] > first


@pytest.mark.parametrize("by_doubt", [0.0, 0.5])
def test_blind_checks_from_start_to_certificate_and_back(learned: tuple[Session, Tab], by_doubt: float) -> None:
    session, tab = learned
    assert tab.deck, "questions are at hand when the checks begin"
    reply = tab.post("/api/v1/autolabel", max_error=0.1, by_doubt=by_doubt)
    assert reply["result"]["status"] == "checking", reply
    tab.deck = []
    tab.ask()
    assert all(q["audit"] and q["strategy"] == "check" for q in tab.deck)
    assert tab.pulse["autolabel"]["left"] > 0
    for _ in range(400):
        tab.answer()
        if tab.pulse["autolabel"]["status"] != "checking":
            break
    assert tab.pulse["autolabel"]["status"] == "certified"
    assert "at most 10.0%" in tab.pulse["autolabel"]["certificate"]
    assert session.certificates()[0].by_doubt == by_doubt
    assert tab.pulse["counts"]["auto"] > 100
    tab.deck = []
    tab.ask()
    assert not any(q["strategy"] == "check" for q in tab.deck), "the checks left over are not asked any more"
    assert tab.pulse["autolabel"]["resumable"] is None
    attempt, query = session._state.attempts[0], session.pool.ids
    for row in attempt.order[:3].tolist():
        session.unsure(query[row])
    going = tab.post("/api/v1/autolabel/resume")
    assert going["result"]["status"] == "checking"
    assert going["result"]["left"] > 0
    assert going["pulse"]["counts"]["auto"] == 0
    for row in attempt.order[:3].tolist():
        session.tell(query[row], str(session._state.classes[int(session._state.guesses_of(attempt)[row])]))
    undone = tab.post("/api/v1/autolabel/undo")
    assert undone["pulse"]["counts"]["auto"] == 0


def test_checks_can_be_given_up(learned: tuple[Session, Tab]) -> None:
    _, tab = learned
    tab.post("/api/v1/autolabel", max_error=0.1)
    reply = tab.post("/api/v1/autolabel/cancel")
    assert reply["pulse"]["autolabel"]["status"] == "refused"
    tab.deck = []
    tab.ask()
    assert tab.deck
    assert not any(q["strategy"] == "check" for q in tab.deck)


def test_a_refusal_says_why_and_starts_nothing(tab: Tab) -> None:
    reply = tab.post("/api/v1/autolabel", max_error=0.02)
    assert reply["result"]["status"] == "refused"
    assert reply["result"]["reason"]
    assert reply["pulse"]["autolabel"] is None


# ── the program around it ───────────────────────────────────────────────────────────────────

SERVER = """
import sys
from askwise.app.roles import NEEDS
from askwise.app.serve import _listen, serve
from askwise.session import Session
with Session(["a b", "c d", "e f"], classes=["x", "y"], encoder="tfidf", store=sys.argv[1]) as session:
    serve(session, open_browser=False, announce=lambda url: print(url, flush=True))
print("closed", flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_server_listens_on_the_loopback_and_ends_in_order(tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path / "s.askwise")]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        url = urlsplit(server.stdout.readline().strip())
        assert url.hostname == "127.0.0.1"
        token = parse_qs(url.query)["token"][0]
        assert len(token) >= 30
        request = urllib.request.Request(f"http://{url.netloc}/api/v1/state", headers={"x-askwise-token": token})
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert json.load(reply)["pulse"]["counts"]["items"] == 3
        server.send_signal(end)
        out, err = server.communicate(timeout=20)
    assert (out, server.returncode) == ("closed\n", 0)
    assert err == "", "nothing is logged, least of all the token"


def test_a_taken_port_is_a_mistake_with_a_way_out(session: Session) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(BadInput, match="another port"):
            serve(session, port=other.getsockname()[1], open_browser=False, announce=print)


def test_two_servers_that_start_at_once_get_ports_of_their_own() -> None:
    with _listen("127.0.0.1", None) as one, _listen("127.0.0.1", None) as other:
        assert one.getsockname() != other.getsockname()
        with pytest.raises(BadInput, match="another port"):  # bound is not enough: it is taken from the start
            _listen("127.0.0.1", one.getsockname()[1])


def test_a_model_of_labels_that_came_with_the_data_says_how_many_it_knows() -> None:
    texts = [f"{'good' if i % 2 else 'bad'} thing number {i}" for i in range(40)]
    labels = ["good", "bad", *[None] * 38]
    session = Session(texts, classes=["good", "bad"], label=labels, encoder="tfidf", audit_share=0.0, strategy="margin")
    assert session.counts()["model_labels"] == 2
    assert "trained on 2 labels" in session.ask(1)[0].reason


def test_the_age_of_the_model_is_known_from_the_start(page: TestClient, session: Session) -> None:
    assert page.get("/api/v1/state").json()["pulse"]["model_age"] is None
    for query in session.ask(6):
        session.tell(query, truth(query.text))
    session.refresh()
    assert 0 <= page.get("/api/v1/pulse").json()["model_age"] < 60


def test_guidelines_stay_with_the_session(tmp_path: Path) -> None:
    store = tmp_path / "s.askwise"
    Session(texts(9), classes=["fruit", "tool"], encoder="tfidf", store=store, guidelines="# Be kind").close()
    with Session.open(store) as again:
        said = client_of(again)
        said.get("/", params={"token": TOKEN})
        assert said.get("/api/v1/state").json()["guidelines"] == "# Be kind"
        other = client_of(again, guidelines="# Be quick")
        other.get("/", params={"token": TOKEN})
        assert other.get("/api/v1/state").json()["guidelines"] == "# Be quick"


# ── codes that work once, and other programs' cookies ───────────────────────────────────────


def test_a_code_lets_in_once(session: Session) -> None:
    now = [0.0]
    codes = Codes(lambda: now[0])
    client = client_of(session, codes=codes)
    code, old = codes.make(), codes.make()
    first = client.get("/", params={"code": code})
    # Not a redirect: a Strict cookie is not sent along where a file on the disk has led to.
    assert (first.status_code, first.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'content="0;url=/"' in first.text
    assert "samesite=strict" in first.headers["set-cookie"].lower()
    assert TOKEN not in first.text
    assert client.get("/").status_code == 200
    other = client_of(session, codes=codes)
    for used in (code, "", "wrong", TOKEN):
        assert other.get("/", params={"code": used}).status_code == 401
    now[0] = 301.0
    assert other.get("/", params={"code": old}).status_code == 401, "nobody came for it"
    assert other.get("/", params={"token": TOKEN}).status_code == 303, "the printed address works still"
    assert other.get("/", params={"token": TOKEN}).status_code == 303


def test_the_browser_is_given_a_file_and_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    said: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with contextlib.ExitStack() as until, contextlib.closing(_listen("127.0.0.1", 0)) as listener:
        codes = Codes()
        show(listener, TOKEN, codes, said.append, until)
        port = listener.getsockname()[1]
        assert said == [f"http://127.0.0.1:{port}/?token={TOKEN}"]
        assert len(opened) == 1
        assert opened[0].startswith("file:")
        file = Path(unquote(urlsplit(opened[0]).path))
        assert file.stat().st_mode & 0o077 == 0
        assert file.parent.stat().st_mode & 0o077 == 0
        text = file.read_text()
        assert TOKEN not in text + opened[0]
        (code,) = set(re.findall(rf"http://127\.0\.0\.1:{port}/\?code=([\w-]+)", text))
        assert codes.use(code)
        assert not codes.use(code)
    assert not file.exists()


def test_the_key_of_label_is_in_no_command_line(tmp_path: Path) -> None:
    """The real program, with a browser that writes down how it was called."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {seen}\n')
    browser.chmod(0o700)
    (tmp_path / "d.csv").write_text("text\none word\ntwo words\n")
    command = [sys.executable, "-m", "askwise", "label", "d.csv", "--labels", "a,b", "--port", "0"]
    environment = os.environ | {"BROWSER": str(browser)}
    with cold(), running(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        assert process.stdout is not None
        key = next(line.split("token=")[1].strip() for line in process.stdout if "token=" in line)
        for _ in range(1800):
            if seen.exists() and seen.read_text():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
    assert seen.read_text().startswith("file:")
    assert key not in seen.read_text()


ODD = [
    'a={"json": 1}; {key}', "=; ;;x; {key}", "a=\x7f\x01; {key}; b=é", "other=" + "x" * 60_000 + "; {key}",
    "{name}=junk; {key}", '{name}="junk"; a=b=c; {key}', "$Version=1; a,b=c; {key}", "askwise_key_9000=else; {key}",
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_cookies_of_other_programs_lock_nobody_out(session: Session, odd: str) -> None:
    client = client_of(session)
    header = odd.replace("{key}", f"askwise_key={TOKEN}").replace("{name}", "askwise_key").encode("latin-1")
    assert client.get("/api/v1/pulse", headers={"cookie": header}).status_code == 200


def test_the_cookie_is_named_by_the_port(session: Session) -> None:
    client = client_of(session)
    reply = client.get("/", params={"token": TOKEN}, headers={"host": "127.0.0.1:8765"})
    assert reply.headers["set-cookie"].startswith("askwise_key_8765=")
    for port, status in ((8765, 200), (8766, 401)):
        host = {"host": f"127.0.0.1:{port}", "cookie": f"askwise_key_8765={TOKEN}"}
        assert client_of(session).get("/api/v1/pulse", headers=host).status_code == status


def test_headers_may_be_large_and_too_large_ones_are_said() -> None:
    """Browsers send every program on 127.0.0.1 the cookies of all others there."""
    with running(
        [sys.executable, "-c", MARK + "from askwise.app.serve import serve; from askwise.session import Session\n"
         "s = Session(['a b', 'c d'], classes=['a', 'b'], encoder='tfidf')\n"
         f"serve(s, port=0, open_browser=False, token={TOKEN!r}, announce=lambda url: print(url, flush=True))"],
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline()).port

        def ask(size: int) -> bytes:
            with socket.create_connection(("127.0.0.1", port or 0), timeout=60) as there:
                junk = "; ".join(f"c{i}={'x' * 4000}" for i in range(size // 4000))
                cookie = f"{junk}; askwise_key_{port}={TOKEN}"
                request = f"GET /api/v1/pulse HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
                with contextlib.suppress(OSError):  # it may have been answered before all was sent
                    there.sendall(f"{request}Connection: close\r\n\r\n".encode())
                return b"".join(iter(lambda: there.recv(4096), b""))

        assert ask(700_000).startswith(b"HTTP/1.1 200")
        refused = ask(3_000_000)
        assert refused.startswith(b"HTTP/1.1 4")
        assert b"cookies" in refused
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
