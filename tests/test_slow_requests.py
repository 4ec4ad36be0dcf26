"""Slow, half-sent and too many connections: they end, and cost neither the others nor the process anything."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from askwise import Session

pytestmark = pytest.mark.alone
TEXTS = [f"{'nice' if i % 2 else 'not'} thing number {i}" for i in range(200)]
LIMITS = {"HEAD": 1.0, "BODY": 1.0, "RATE": 4000, "REPLY": 1.0, "TICK": 0.1}
"""The server's limits, shortened: what is shown is that they hold, not how long they are."""
START = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0})); from askwise.app import slow; {1}; "
    "sys.argv = ['askwise', *{2}]; from askwise.cli import main; main()"
)


class Served:
    """`askwise label` or `askwise serve` as a process that may open few files."""

    def __init__(self, folder: Path, verb: str, files: int = 256, **limits: float) -> None:
        self.session = folder / "s.askwise"
        Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=self.session).close()
        told = {"label": ["label", str(self.session), "--no-browser"], "serve": ["serve", str(self.session)]}[verb]
        sets = "; ".join(f"slow.{name} = {value}" for name, value in (LIMITS | limits).items())
        self.errors = folder / "errors.txt"
        with self.errors.open("ab") as errors:
            code = START.format(files, sets, told)
            self.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=errors)
        self.port, self.token = self._address()

    def _address(self) -> tuple[int, str]:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            out = self.process.stdout
            assert out is not None
            said = self.errors.read_text(errors="replace")
            if select.select([out], [], [], 0.2)[0]:
                self.errors.write_bytes(self.errors.read_bytes() + out.readline())
                said = self.errors.read_text(errors="replace")
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/(?:\?token=([\w-]+))?", said):
                return int(found[1]), found[2] or ""
            assert self.process.poll() is None, said
        raise AssertionError(self.errors.read_text())

    def connect(self, sent: bytes = b"") -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        line.sendall(sent)
        return line

    def get(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        headers = {"x-askwise-token": self.token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read()

    def cpu(self) -> float:
        """Seconds of computing so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module", params=["label", "serve"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of each kind."""
    if request.param == "serve":
        pytest.importorskip("argon2", reason="the extra `team` is not installed")
    one = Served(tmp_path_factory.mktemp("served"), request.param)
    yield one
    one.stop()


def ended(line: socket.socket, within: float) -> bool:
    """Whether the server ends the connection in time."""
    line.settimeout(within)
    try:
        while line.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def page(served: Served) -> str:
    """An address that anybody gets, of either server."""
    return "/static/any/lib/app.css"


def drips(served: Served, head: bytes, byte: bytes) -> float:
    """Seconds until a client is ended that sends a little now and then; ten where it never is."""
    with served.connect(head) as line:
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < begun + 10:
                line.sendall(byte)
                time.sleep(0.1)
        return time.monotonic() - begun


def waits(served: Served, sent: bytes) -> float:
    """The same of one that sends this and then nothing."""
    with served.connect(sent) as line:
        begun = time.monotonic()
        return time.monotonic() - begun if ended(line, 9) else 10.0


def asks_again(served: Served) -> float:
    """The same of one whose first request was whole and answered, and whose second is not."""
    with served.connect(f"GET {page(served)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()) as line:
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET / HT")
        begun = time.monotonic()
        return time.monotonic() - begun if ended(line, 9) else 10.0


def a_body_drips(served: Served) -> float:
    head = (
        f"POST /api/v1/ask HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nx-askwise-token: {served.token}\r\n"
        f"Authorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    )
    return drips(served, head.encode(), b" ")


CLIENTS: dict[str, Callable[[Served], float]] = {
    "a head that never begins": lambda served: waits(served, b""),
    "a head that never ends": lambda served: waits(served, b"GET / HTTP/1.1\r\nHost: x\r\n"),
    "a head that drips": lambda served: drips(served, b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"),
    "a body that drips": a_body_drips,
    "a second request": asks_again,
}


@pytest.fixture(scope="module")
def dawdled(served: Served) -> dict[str, float]:
    """Each of these clients, all at once: seconds until the server has ended it."""
    with ThreadPoolExecutor(len(CLIENTS)) as all_at_once:
        return dict(zip(CLIENTS, all_at_once.map(lambda client: client(served), CLIENTS.values()), strict=True))


@pytest.mark.parametrize("client", CLIENTS)
def test_who_dawdles_is_ended(dawdled: dict[str, float], client: str) -> None:
    assert LIMITS["HEAD"] / 2 < dawdled[client] < 8, "not at once, and no byte puts the limit off"


def test_a_slow_but_honest_body_is_taken(served: Served) -> None:
    if not served.token:
        pytest.skip("one of the two is enough")
    body = json.dumps({"tab": "t", "want": 1}).encode()
    head = (
        f"POST /api/v1/ask HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nx-askwise-token: {served.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    with served.connect() as line:
        for piece in (head[:50], head[50:], body[:5], body[5:]):
            time.sleep(0.2)  # longer than between two looks, and together shorter than the limit
            line.sendall(piece)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["silent", "half a head"])
def test_400_half_open_connections_and_then_service_as_before(served: Served, sent: bytes) -> None:
    assert served.get(page(served))[0] == 200
    before, began, lines = served.cpu(), time.monotonic(), len(served.errors.read_bytes().splitlines())
    held: list[socket.socket] = []
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                held.append(served.connect(sent))
        assert len(held) > 300
        # Who comes in the middle of it gets an answer, at the latest when the others have run out of time.
        answered(served, 10)
        time.sleep(1.5)  # the limit of all is over
    finally:
        for line in held:
            line.close()
    answered(served, 5)
    spent, took = served.cpu() - before, time.monotonic() - began
    assert spent < max(3.0, took / 2), f"{spent} s of computing in {took} s: it spins"
    assert len(served.errors.read_bytes().splitlines()) - lines < 20, "it floods the log"
    assert served.process.poll() is None


def answered(served: Served, within: float) -> None:
    end = time.monotonic() + within
    while True:
        try:
            assert served.get(page(served))[0] == 200
        except OSError:
            assert time.monotonic() < end, "no service"
            time.sleep(0.1)
        else:
            return


def test_learning_goes_on_through_it(tmp_path: Path) -> None:
    served = Served(tmp_path, "label", HEAD=60.0)
    held: list[socket.socket] = []
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                held.append(served.connect(b"GET"))
        until(lambda: tell(served, 12), 30)
        until(lambda: pulse(served)["model_age"] is not None or pulse(served)["trouble"], 120)
        assert pulse(served)["trouble"] is None, pulse(served)
        assert b"nice thing" in served.get("/api/v1/export")[1], "there are files left for an export"
    finally:
        for line in held:
            line.close()
        served.stop()


def pulse(served: Served) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(served.get("/api/v1/pulse")[1])
    return found


def tell(served: Served, answers: int) -> bool:
    """Answer some questions."""
    for _ in range(answers):
        try:
            (q, *_) = json.loads(served.get("/api/v1/ask", {"tab": "t", "want": 1})[1])["next"]
            body = {"tab": "t", "key": uuid.uuid4().hex, "item": q["item"], "asked": q["asked"]}
            served.get("/api/v1/tell", body | {"label": q["text"].split()[0], "want": 0})
        except OSError:
            return False
    return True


def until(holds: Callable[[], Any], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_door_rests_where_nothing_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a connection to end, the loop is told once and nobody is asked again for half a second."""
    import errno

    from askwise.app import slow

    monkeypatch.setattr(slow, "REST", 0.4)
    calls = 0

    def full(_: socket.socket) -> Any:
        nonlocal calls
        calls += 1
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket.socket, "accept", full)
    with slow.Door() as door:
        monkeypatch.setattr(door, "make_room", lambda: False)
        with pytest.raises(OSError, match="Too many"):
            door.accept()
        for _ in range(100):
            with pytest.raises(BlockingIOError):
                door.accept()
        assert calls == 1
        time.sleep(0.3)
        with pytest.raises(OSError, match="Too many"):
            door.accept()
        monkeypatch.setattr(door, "make_room", lambda: True)
        time.sleep(0.3)
        with pytest.raises(BlockingIOError):
            door.accept()
