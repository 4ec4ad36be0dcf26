"""A check of labels that exist already, begun with a file that is sent from the page of a new project."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from starlette.testclient import TestClient

from askwise import LabelCheck, Session, verify
from askwise.app.projects import Intake, create_new
from askwise.app.roles import OF_A_CHECK
from help.processes import running

TOKEN = "a-token-of-some-length"
DATA = "message,llm,sure,team\n" + "".join(f"see you {i},{'ab'[i % 2]},0.{i % 9},n\n" for i in range(40))


class House:
    """A server without a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[tuple[Any, Path]] = []
        self.intake = Intake(folder)
        app = create_new(self.intake, token=TOKEN, started=lambda one, path: self.made.append((one, path)))
        self.client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        self.client.headers.update({"origin": "http://127.0.0.1", "x-askwise-token": TOKEN})

    def send(self, data: str = DATA, name: str = "mail.csv", **how: str) -> str:
        reply = self.client.put("/api/v1/new/file", params={"name": name, **how}, content=data.encode())
        assert reply.status_code == 200, reply.text
        return str(reply.json()["upload"])

    def begin(self, upload: str, **said: Any) -> Any:
        body = {"upload": upload, "guess": "llm", "text": ["message"], **said}
        return self.client.post("/api/v1/new/check", json=body)

    def left(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    for one, _ in house.made:
        one.close()
    house.intake.forget_all()


def test_a_file_becomes_a_check_and_its_page_is_where_the_new_project_was(house: House) -> None:
    assert house.client.get("/api/v1/new").json()["checks"] is True
    assert house.client.get("/").headers["location"] == "/new"
    reply = house.begin(house.send(), confidence="sure", by="team", max_error=0.1)
    assert (reply.status_code, reply.json()) == (200, {"at": "/"})
    check, path = house.made[0]
    assert isinstance(check, LabelCheck)
    assert path == house.folder / "mail" / "mail.check.askwise"
    terms = check.state.terms
    assert (terms["guess"], terms["confidence"], terms["by"], terms["text"]) == (
        ["llm"],
        ["sure"],
        ["team"],
        ["message"],
    )
    assert (terms["max_error"], terms["title"], check.state.n) == (0.1, "mail.csv", 40)
    assert check.state.numbers[3] == [0.3]
    assert "Blind" in house.client.get("/").text
    assert house.client.get("/new").headers["location"] == "/"
    question = house.client.post("/api/v1/check/ask", json={"tab": "t"}).json()["question"]
    body = {"tab": "t", "key": "k", "row": question["row"], "label": "a"}
    assert house.client.post("/api/v1/check/answer", json=body).json()["looked"] == 1
    check.close()
    assert verify(path).ok
    house.intake.forget_all()
    assert house.left() == ["mail/mail.check.askwise", "mail/mail.csv"], "it is theirs now"


def test_what_does_not_fit_is_a_sentence_and_leaves_the_file_for_another_try(house: House) -> None:
    upload = house.send()
    for said, words in [
        ({"guess": "nothing"}, "No column 'nothing'"),
        ({"confidence": "message"}, "A confidence is a number"),
        ({"text": ["gone"]}, "No column 'gone'"),
        ({"max_error": 5}, "max_error"),
        ({"guess": ""}, "guess"),
        ({"upload": "another"}, "This upload is no longer here"),
    ]:
        reply = house.begin(**{"upload": upload} | said)
        assert (reply.status_code, words in reply.json()["error"]) == (400, True), reply.text
        assert house.left() == ["mail/mail.csv"]
    assert house.begin(upload).status_code == 200
    assert house.begin(upload).status_code == 404, "there is one, and its server makes no other"
    assert len(house.made) == 1


def test_a_file_is_read_as_it_was_said(house: House) -> None:
    upload = house.send("müsli;x\n" * 3 + "rot;y\n", name="odd.dat", format="csv", delimiter=";", header="false")
    assert house.begin(upload, guess="column_2", text=[]).status_code == 200
    check = house.made[0][0]
    assert check.classes == ("x", "y")
    assert check.content(0) == {"column_1": "müsli"}


def test_a_project_is_no_check_and_a_server_has_one_of_them(house: House) -> None:
    first, second = house.send(), house.send(name="other.csv")
    body = {"upload": first, "text": ["message"], "classes": ["a", "b"]}
    assert house.client.post("/api/v1/new/start", json=body).status_code == 200
    assert isinstance(house.made[0][0], Session)
    reply = house.begin(second)
    assert (reply.status_code, "has a project already" in reply.json()["error"]) == (409, True)
    assert house.client.post("/api/v1/check/ask", json={"tab": "t"}).status_code == 404
    assert house.client.get("/api/v1/pulse").status_code == 200


def test_the_document_of_a_server_without_a_project_has_the_route(house: House) -> None:
    paths = house.client.get("/api/v1/openapi.json").json()["paths"]
    assert {f"POST {path}" for path in paths if path == "/api/v1/new/check"} <= set(OF_A_CHECK)
    assert paths["/api/v1/new/check"]["post"]["description"]


def test_the_command_without_a_file_says_how_to_go_on_with_the_check(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "askwise", "label", "--no-browser", "--no-recent"]
    with running(command, cwd=tmp_path, stdin=DEVNULL, stdout=PIPE, stderr=PIPE) as server:
        line = next(line for line in server.stdout if "New project at" in line)
        url = urlsplit(line.split()[-1])
        head = {"x-askwise-token": parse_qs(url.query)["token"][0], "content-type": "application/json"}

        def send(method: str, path: str, data: bytes) -> Any:
            request = Request(f"http://{url.netloc}/api/v1/{path}", data, head, method=method)
            with urlopen(request, timeout=60) as reply:
                return json.load(reply)

        upload = send("PUT", "new/file?name=mail.csv", DATA.encode())["upload"]
        body = {"upload": upload, "guess": "llm", "text": ["message"]}
        assert send("POST", "new/check", json.dumps(body).encode()) == {"at": "/"}
        row = send("POST", "check/ask", b'{"tab": "t"}')["question"]["row"]
        send("POST", "check/answer", json.dumps({"tab": "t", "key": "k", "row": row, "label": None}).encode())
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=30)
    assert (server.returncode, "Traceback" in err) == (0, False), err
    place = tmp_path / "mail" / "mail.check.askwise"
    assert f"askwise check {place}" in out
    with LabelCheck.open(place) as check:
        assert check.state.answers == {row: None}
