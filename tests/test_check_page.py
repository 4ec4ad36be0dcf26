"""Labels that exist already, asked about through HTTP: blind, each row once, nothing lost."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
from starlette.testclient import TestClient

from askwise import LabelCheck, cli, verify
from askwise.app.checks import desk as desks
from askwise.app.checks.app import create_check_app
from askwise.app.checks.desk import LEASE, CheckDesk
from askwise.app.roles import OF_A_CHECK
from askwise.core import BadStore
from askwise.core.errors import CannotWrite
from help.processes import running

TOKEN = "a-token-of-some-length"
ORIGIN = {"origin": "http://127.0.0.1", "host": "127.0.0.1"}


class Page:
    """A tab of a check, as the page is one."""

    def __init__(self, client: TestClient, tab: str) -> None:
        self.client, self.tab = client, tab
        self.turn: dict[str, Any] = {}
        self.keys = 0

    def post(self, verb: str, status: int = 200, **body: Any) -> dict[str, Any]:
        reply = self.client.post(f"/api/v1/check/{verb}", json={"tab": self.tab, **body})
        assert reply.status_code == status, reply.text
        if status == 200 and verb != "leave":
            self.turn = reply.json()
        found: dict[str, Any] = reply.json()
        return found

    def act(self, verb: str, status: int = 200, **body: Any) -> dict[str, Any]:
        self.keys += 1
        return self.post(verb, status, **{"key": f"{self.tab} {self.keys}"} | body)

    def answer(self, label: str | None, status: int = 200, **body: Any) -> dict[str, Any]:
        return self.act("answer", status, **{"row": self.row, "label": label} | body)

    @property
    def row(self) -> int:
        return int(self.turn["question"]["row"])


def made(n: int = 60, *, turned: bool = False, **options: Any) -> LabelCheck:
    texts = [f"item {i}" for i in range(n)]
    labels = ["a" if (i % 2) ^ turned else "b" for i in range(n)]
    return LabelCheck(texts, labels, **{"seed": 1, "encoder": False} | options)


class Served:
    """A check with its desk; `tab()` opens a tab on it."""

    def __init__(self, check: LabelCheck, **options: Any) -> None:
        self.check = check
        self.now = 0.0
        self.desk = CheckDesk(check, clock=lambda: self.now, **options)
        self.app = create_check_app(self.desk, token=TOKEN)

    def client(self) -> TestClient:
        client = TestClient(self.app, base_url="http://127.0.0.1")
        client.headers.update(ORIGIN | {"x-askwise-token": TOKEN})
        return client

    def tab(self, name: str = "one") -> Page:
        page = Page(self.client(), name)
        page.post("ask")
        return page


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    opened: list[LabelCheck] = []

    def start(check: LabelCheck | None = None, *, rest: bool = False, **options: Any) -> Served:
        opened.append(check or made(**options))
        return Served(opened[-1], rest=rest)

    yield start
    for check in opened:
        check.close()


# ── asking ──────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_in_the_log_before_the_next_question_comes(serve: Any, tmp_path: Path) -> None:
    place = tmp_path / "x.check.askwise"
    served = serve(store=place)
    tab = served.tab()
    order = [tab.row]
    assert tab.turn["question"]["text"] == f"item {tab.row}"
    assert tab.turn["classes"] == ["a", "b"]
    for label in ("a", None, "new one"):
        row = tab.row
        tab.answer(label, seconds=1.5)
        with LabelCheck.open(place) as other:
            assert other.state.answers[row] == label
        order.append(tab.row)
    assert len(set(order)) == 4
    assert tab.turn["looked"] == served.desk.given == 3
    assert tab.turn["classes"] == ["a", "b", "new one"]
    assert tab.turn["size"] == 60
    assert not tab.turn["done"]
    told = [event.data for event in served.check.store.read() if event.kind == "answered"]
    assert told[0] == {"row": order[0], "label": "a", "seconds": 1.5}


def test_later_and_back_do_what_the_keys_of_the_terminal_do(serve: Any) -> None:
    served = serve()
    tab = served.tab()
    first = tab.row
    assert not tab.turn["back"]
    tab.act("back", 400)
    tab.act("later", row=first)
    second = tab.row
    assert second != first
    tab.answer("a")
    third = tab.row
    tab.answer("b")
    fourth = tab.row
    assert len({first, second, third, fourth}) == 4, "what was put off comes behind the others"
    tab.act("back")
    assert (tab.row, tab.turn["question"]["given"], tab.turn["question"]["again"]) == (third, "b", True)
    tab.act("back")
    assert (tab.row, tab.turn["question"]["given"]) == (second, "a")
    assert not tab.turn["back"]
    tab.answer("b")
    assert served.check.state.answers == {second: "b", third: "b"}
    assert second in served.check.state.changed
    assert tab.row == fourth
    tab.act("back")
    tab.act("later", row=second)  # left as it is
    assert served.check.state.answers[second] == "b"
    assert tab.row == fourth
    assert tab.turn["back"]


def test_a_reload_finds_the_same_question_and_what_is_sent_twice_is_done_once(serve: Any) -> None:
    served = serve()
    tab = served.tab()
    row = tab.row
    assert served.tab().row == row, "the same tab, loaded anew"
    body = {"key": "k", "row": row, "label": "a"}
    tab.post("answer", **body)
    following = tab.row
    tab.post("answer", **body)
    assert tab.row == following
    events = [event for event in served.check.store.read() if event.kind == "answered"]
    assert len(events) == served.desk.given == 1
    # A server that was started anew does not know the key, but the log has the answer.
    again = Served(served.check)
    page = Page(again.client(), "one")
    page.post("answer", **body)
    assert len([event for event in served.check.store.read() if event.kind == "answered"]) == 1
    assert page.row == following


def test_an_answer_reaches_a_server_that_was_started_anew(serve: Any) -> None:
    served = serve()
    row = served.tab().row
    page = Page(Served(served.check).client(), "one")
    page.post("answer", key="k", row=row, label="a")
    assert served.check.state.answers == {row: "a"}


# ── several at once ─────────────────────────────────────────────────────────────────────────


def test_two_tabs_never_have_the_same_question(serve: Any) -> None:
    served = serve()
    one, two = served.tab("one"), served.tab("two")
    asked, together = [], 0
    while not (one.turn["done"] and two.turn["done"]):
        if one.turn["question"] and two.turn["question"]:
            assert one.row != two.row
            together += 1
        for tab in (one, two):
            if tab.turn["question"]:
                asked.append(tab.row)
                tab.answer("a")
            else:
                tab.post("ask")
    assert together > 20
    assert sorted(asked) == list(range(60))
    assert len([event for event in served.check.store.read() if event.kind == "answered"]) == 60


def test_the_last_question_is_in_one_tab_until_that_is_closed_or_silent(serve: Any) -> None:
    served = serve(n=2)
    one, two, three = served.tab("one"), served.tab("two"), served.tab("three")
    assert three.turn["question"] is None
    assert not three.turn["done"]
    assert not three.turn["busy"]
    row = one.row
    one.post("leave")
    three.post("ask")
    assert three.row == row
    served.now += LEASE / 2
    three.post("ask")  # it says that it is there
    served.now += LEASE / 2 + 1
    one.post("ask")
    assert one.row == two.row, "two was silent for too long"
    one.answer("a")
    said = two.answer("b", 409)["error"]
    assert "answered elsewhere" in said
    assert "that answer stands" in said
    assert served.check.state.answers == {one_row(said): "a"}
    three.answer("b")
    assert two.post("ask")["done"]


def one_row(said: str) -> int:
    return int(said.split()[1]) - 1


def test_a_row_that_another_process_answers_is_neither_doubled_nor_written_over(serve: Any, tmp_path: Path) -> None:
    place = tmp_path / "x.check.askwise"
    served = serve(store=place)
    tab = served.tab()
    with LabelCheck.open(place) as terminal:
        assert terminal.ask(1)[0].row == tab.row
        terminal.tell(tab.row, "b")
        row = tab.row
        tab.answer("a", 409)
        assert served.check.state.answers == {row: "b"}
        tab.post("ask")
        assert tab.row != row
        tab.answer("a")
        assert [query.row for query in terminal.ask(1)] != [row]
        assert terminal.state.answers == served.check.state.answers


def test_many_at_once_answer_each_row_once(serve: Any, tmp_path: Path) -> None:
    served = serve(n=80, store=tmp_path / "x.check.askwise")
    asked: list[int] = []

    def work(name: str) -> None:
        tab = served.tab(name)
        while not tab.turn["done"]:
            if tab.turn["question"] is None:
                tab.post("ask")
                continue
            asked.append(tab.row)
            tab.answer("a")

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, [f"tab {i}" for i in range(5)]))
    assert sorted(asked) == list(range(80))
    assert served.desk.given == 80


# ── blind ───────────────────────────────────────────────────────────────────────────────────


def walk(served: Served) -> list[Any]:
    """Everything that is sent while one asks, answers, goes back, puts off, and is refused."""
    client = served.client()
    page = Page(client, "t")
    seen = [client.get("/api/v1/check").json(), client.get("/").text, page.post("ask")]
    for label in "abbaabba":
        seen.append(page.answer(label))
    seen += [page.act("back"), page.answer("a"), page.act("back"), page.act("later", row=page.row)]
    seen += [page.act("later", row=page.row), page.answer(None), page.answer("c"), page.post("ask"), page.post("leave")]
    seen += [page.act("answer", 400, row=59, label="a"), page.act("answer", 400, row=99, label="a")]
    other = Page(client, "u")
    seen += [other.post("ask"), other.act("back", 400)]
    return [*seen, json.dumps(client.get("/api/v1/openapi.json").json())]


def test_what_is_sent_is_the_same_whatever_the_labels_that_are_checked() -> None:
    """No reply while one asks depends on a guess, on its confidence, or on whether an answer agreed with it."""
    said = []
    for turned in (False, True):
        labels = ["a" if (i % 2) ^ turned else "b" for i in range(60)]
        sure = [(i * (1 + turned)) % 7 for i in range(60)]
        with LabelCheck([f"item {i}" for i in range(60)], labels, sure, seed=1, encoder=False, max_error=0.1) as check:
            said.append(walk(Served(check)))
            good = [check.status().corrected, check.status().confirmed]
            said[-1].append(good)
    assert said[0].pop() != said[1].pop(), "one agreed more often than the other"
    assert said[0] == said[1]


def test_a_row_is_sent_without_what_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "mail.csv"
    path.write_text("text,llm,other,sure,team,truth\n" + "".join(f"t {i},XX,YY,0.{i},n,ZZ\n" for i in range(30)))
    with LabelCheck(path, ["llm", "other"], "sure", text=[], truth="truth", encoder=False) as check:
        tab = Served(check).tab()
        question = tab.turn["question"]
        assert [name for name, _ in question["view"]["cells"]] == ["text", "team"]
        said = json.dumps(question)
        assert not any(word in said for word in ("llm", "other", "sure", "truth", "XX", "YY", "ZZ"))


def test_who_has_looked_at_the_numbers_goes_back_to_no_answer_from_before(serve: Any) -> None:
    for look in ("numbers", "export"):
        served = serve()
        tab, other = served.tab(), served.tab("two")
        tab.answer("a")
        other.answer("a")
        other.act("back")
        assert tab.turn["back"]
        assert tab.client.get(f"/api/v1/check/{look}").status_code == 200
        said = tab.act("back", 400)["error"]
        assert "looked at the numbers since" in said
        other.post("ask")
        assert not other.turn["question"]["again"], "not in the other tab either"
        tab.post("ask")
        tab.answer("b")
        assert tab.turn["back"], "what is answered after the look can be changed"


# ── numbers, the end, the rest ──────────────────────────────────────────────────────────────


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "mail.csv"
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["message", "llm", "sure", "team", "truth"])
        for i in range(200):
            truth = "spam" if i % 3 == 0 else "ham"
            sure = rng.beta(4, 1)
            llm = truth if rng.random() < 0.3 + 0.7 * sure else {"spam": "ham", "ham": "spam"}[truth]
            rows.writerow([f"item {i}", llm, f"{sure:.3f}", "ab"[i % 2], truth])
    return path


def test_from_the_first_question_to_the_file_that_comes_out(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "m.check.askwise"
    options: dict[str, Any] = {"text": "message", "max_error": 0.05, "seed": 3, "encoder": False, "store": place}
    with LabelCheck(file, "llm", "sure", by="team", truth="truth", **options) as check:
        served = Served(check)
        one, two = served.tab("one"), served.tab("two")
        while not (one.turn["done"] and two.turn["done"]):
            for tab in (one, two):
                if tab.turn["question"]:
                    tab.answer(check.state.cells[tab.row]["truth"])
                else:
                    tab.post("ask")
        numbers = one.client.get("/api/v1/check/numbers").json()
        assert numbers["status"]["phase"] == "done"
        assert numbers["sentence"] == check.status().sentence
        assert numbers["unsaid"] == list(check.status().unsaid)
        assert numbers["quality"]["sentence"] == check.quality().sentence
        assert [s["value"] for s in numbers["quality"]["slices"]] == ["a", "b"]
        assert numbers["fingerprint"] == check.fingerprint
        assert {"kappa", "classes", "shares", "accuracy"} <= numbers["quality"].keys()
        left = numbers["status"]["open"]
        assert left > 0
        reply = one.client.get("/api/v1/check/export")
        rows = list(csv.DictReader(io.StringIO(reply.text)))
        assert (len(rows), reply.headers["content-type"].partition(";")[0]) == (200, "text/csv")
        assert "checked.csv" in reply.headers["content-disposition"]
        assert sum(row["check"] == "open" for row in rows) == left
        assert one.client.get("/api/v1/check/export", params={"format": "jsonl"}).text.count("\n") == 200
        assert one.client.get("/api/v1/check/export", params={"format": "spacy"}).status_code == 400
        one.post("ask", rest=True)
        while one.turn["question"]:
            one.answer(check.state.cells[one.row]["truth"])
            two.post("ask")  # the rest is for all tabs; what it holds it gives back
            two.post("leave")
        assert one.turn["done"]
        assert check.status().open == 0
    assert verify(place).ok


def test_rest_from_the_command_line_is_asked_at_once(serve: Any) -> None:
    served = serve(n=200, max_error=0.05)
    served.check.simulate(["a" if i % 3 else "b" for i in range(200)])
    assert served.tab().turn["done"]
    assert served.check.status().open
    rest = Served(served.check, rest=True).tab()
    assert rest.turn["question"]["reason"] == "left open"


# ── what takes long, what goes wrong ────────────────────────────────────────────────────────


def test_what_takes_long_is_worked_out_while_the_page_waits(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "SOON", 0.01)
    go = threading.Event()

    def slow(items: list[str]) -> Any:
        assert go.wait(20)
        return np.ones((len(items), 2))

    served = serve(max_error=0.1, encoder=slow)
    tab = served.tab()
    while not tab.turn["busy"]:
        if tab.turn["question"]:
            tab.answer("a")
        else:
            tab.post("ask")
    looked = tab.turn["looked"]
    assert looked >= 20, "the random ones at first need no model"
    assert not tab.turn["done"]
    tab.act("back")
    assert tab.turn["question"]["again"], "meanwhile an answer can be changed"
    tab.answer("b")
    assert served.check.state.changed
    go.set()
    while tab.turn["busy"]:
        tab.post("ask")
    assert tab.turn["question"]
    assert tab.turn["looked"] == looked


def test_an_encoder_that_fails_is_said_and_loses_nothing(serve: Any) -> None:
    def broken(items: list[str]) -> Any:
        raise BadStore("the model is gone")

    served = serve(max_error=0.1, encoder=broken)
    tab = served.tab()
    reply: dict[str, Any] = {}
    while "error" not in reply:
        row = tab.row
        tab.keys += 1
        body = {"tab": "one", "key": f"{tab.keys}", "row": row, "label": "a"}
        answered = tab.client.post("/api/v1/check/answer", json=body)
        reply = answered.json()
        tab.turn = reply
    assert (answered.status_code, reply["error"]) == (503, "the model is gone")
    assert served.check.state.answers[row] == "a", "the answer is saved"
    assert tab.client.get("/api/v1/check/numbers").status_code == 200


def test_an_answer_that_could_not_be_written_is_not_taken_for_one(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()
    tab = served.tab()
    row, append = tab.row, served.check.store.append

    def full(*_: Any, **__: Any) -> None:
        raise CannotWrite("the disk is full")

    monkeypatch.setattr(served.check.store, "append", full)
    assert "disk is full" in tab.act("answer", 503, row=row, label="a", key="k")["error"]
    monkeypatch.setattr(served.check.store, "append", append)
    tab.act("answer", row=row, label="a", key="k")
    assert served.check.state.answers == {row: "a"}


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("answer", {"key": "k", "row": 5, "label": "a"}, "Row 6 was not asked of this tab"),
        ("answer", {"key": "k", "row": 500, "label": "a"}, "Row 501 was not asked of this tab"),
        ("answer", {"key": "k", "row": -1, "label": "a"}, "row"),
        ("answer", {"key": "k", "row": 5, "label": ""}, "label"),
        ("answer", {"key": "k", "row": 5, "label": "x" * 501}, "label"),
        ("answer", {"key": "k", "row": 5}, "label: Field required"),
        ("answer", {"row": 5, "label": "a"}, "key: Field required"),
        ("answer", {"key": "k", "row": 5, "label": "a", "seconds": -1}, "seconds"),
        ("ask", {"tab": ""}, "tab"),
        ("back", {"key": "k"}, "no answer of this tab"),
    ],
)
def test_what_is_not_usable_is_a_sentence(serve: Any, verb: str, body: dict[str, Any], words: str) -> None:
    served = serve(n=60, max_error=0.1)
    tab = served.tab()
    if verb == "answer" and body.get("row") == 5:
        assert 5 not in served.check.state.waiting(), "row 6 is none of the first"
    assert words in tab.post(verb, 400, **body)["error"]
    assert not served.check.state.answers


def test_every_route_needs_the_key_and_changes_come_from_the_page(serve: Any) -> None:
    served = serve()
    stranger = TestClient(served.app, base_url="http://127.0.0.1", follow_redirects=False)
    for door in ["GET /", "GET /api/v1/docs", *OF_A_CHECK]:
        method, path = door.split(" ")
        assert stranger.request(method, path, headers=ORIGIN).status_code == 401
    assert "askwise check" in stranger.get("/").text
    stranger.get("/", params={"token": TOKEN})
    assert stranger.get("/api/v1/check").status_code == 200
    for method, path in (door.split(" ") for door in OF_A_CHECK):
        if method == "POST":
            reply = stranger.post(path, json={"tab": "t"}, headers={"origin": "http://evil.example"})
            assert reply.status_code == 403
    assert stranger.get("/api/v1/check", headers={"host": "evil.example"}).status_code == 403


def test_the_document_of_the_api_has_the_routes_of_a_check_and_no_others(serve: Any) -> None:
    client = serve().client()
    document = client.get("/api/v1/openapi.json").json()
    documented = {f"{method.upper()} {path}" for path, of in document["paths"].items() for method in of}
    assert documented == set(OF_A_CHECK) - {"POST /api/v1/new/check"}, "that one makes a check"
    for of in document["paths"].values():
        for operation in of.values():
            assert operation["description"]
            assert operation["tags"] == ["check"]
    listing = client.get("/api/v1/docs").text
    assert "POST /api/v1/check/answer" in listing
    assert "it cannot be decided, and counts as wrong" in listing
    assert client.get("/api/v1/pulse").status_code == 404


# ── the command ─────────────────────────────────────────────────────────────────────────────


def begun(command: list[str], **streams: Any) -> Any:
    return running([sys.executable, "-m", "askwise", "check", *command], stdout=PIPE, stderr=PIPE, **streams)


def until_said(server: Any, words: str) -> str:
    for line in server.stderr:
        if words in line:
            return str(line)
    raise AssertionError(f"never said: {words}")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_the_page_and_says_at_the_end_what_is_known(file: Path, end: signal.Signals) -> None:
    with begun([str(file), "--guess", "llm", "--text", "message", "--no-browser"], stdin=DEVNULL) as server:
        url = urlsplit(until_said(server, "Check labels at").split()[-1])
        until_said(server, "Ctrl+C ends")
        token = parse_qs(url.query)["token"][0]

        def post(verb: str, **body: Any) -> Any:
            head = {"x-askwise-token": token, "content-type": "application/json"}
            place = f"http://{url.netloc}/api/v1/check/{verb}"
            with urlopen(Request(place, json.dumps(body).encode(), head), timeout=20) as reply:
                return json.load(reply)

        asked = post("ask", tab="t")["question"]
        assert post("answer", tab="t", key="k", row=asked["row"], label="ham")["looked"] == 1
        server.send_signal(end)
        out, err = server.communicate(timeout=30)
    assert server.returncode == 0, err
    assert "1 answers recorded" in err
    assert "People looked at 1 of 200 labels" in out
    assert "Traceback" not in err
    with LabelCheck.open(file.with_name("mail.check.askwise")) as check:
        assert check.state.answers == {asked["row"]: "ham"}


def test_a_terminal_means_the_page_and_a_pipe_means_keys(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[str] = []
    monkeypatch.setattr("askwise.terminal.look", lambda *_, **__: ways.append("terminal") or 0)
    monkeypatch.setattr("askwise.app.checks.serve.serve_check", lambda *_, **__: ways.append("page") or 0)
    monkeypatch.setattr("askwise.commands.asking.meanwhile", lambda **_: nullcontext())
    command = ["check", str(file), "--guess", "llm", "--text", "message"]
    for keyboard, options, way in [
        (True, [], "page"),
        (True, ["--terminal"], "terminal"),
        (True, ["--no-browser", "--port", "0"], "page"),
        (False, [], "terminal"),
        (False, ["--no-browser"], "page"),
        (False, ["--port", "0"], "page"),
        (False, ["--port", "0", "--terminal"], "terminal"),
    ]:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        monkeypatch.setattr(sys.stdin, "isatty", lambda keyboard=keyboard: keyboard)
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, *options])
        assert (ended.value.code, ways) == (0, [way]), (keyboard, options)
        ways.clear()


def test_where_nobody_is_asked_there_is_nowhere_to_ask(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["check", str(file), "--guess", "llm", "--text", "message"]
    for more in (["--status", "--port", "0"], ["--simulate", "truth", "--terminal"], ["--status", "--no-browser"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, *more])
        assert ended.value.code == 2
        assert "nobody is; leave it out" in capsys.readouterr().err
    assert not file.with_name("mail.check.askwise").exists()
