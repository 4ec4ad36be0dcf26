"""Webhooks: what is told, how it is signed, how often it is tried, what is never called."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from askwise.core import BadInput, Certificate, Verdict
from askwise.session import Session

pytest.importorskip("argon2", reason="the extra `team` is not installed")
httpx = pytest.importorskip("httpx2", reason="the extra `team` is not installed")

from askwise.app import schema  # noqa: E402
from askwise.app.auth import only_public  # noqa: E402
from askwise.app.hooks import KEPT, MOST, PAUSES, Webhooks, signature  # noqa: E402
from askwise.app.project import Project  # noqa: E402
from askwise.client import check_signature  # noqa: E402

pytestmark = pytest.mark.usefixtures("linear")

PUBLIC = ["93.184.216.34"]


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Receiver:
    """Stands where the calls go; answers with `code`."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.code: int | Exception = 200

    def __call__(self, request: Any) -> Any:
        request.read()
        self.calls.append(request)
        if isinstance(self.code, Exception):
            raise self.code
        return httpx.Response(self.code, headers={"location": "http://127.0.0.1/"})


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def hooks(tmp_path: Path, receiver: Receiver) -> Iterator[Webhooks]:
    engine = schema.connect(tmp_path / "team.sqlite")
    made = Webhooks(engine, resolve=lambda *_: PUBLIC, transport=httpx.MockTransport(receiver), clock=Clock())
    yield made
    made.stop()
    engine.dispose()


def test_a_call_is_signed_and_tells_what_happened(hooks: Webhooks, receiver: Receiver) -> None:
    made = hooks.add("https://example.org:8443/hook?a=b", ["project.ready"], 100)
    assert hooks.happened("project.ready", "mail", {"labeled": 7, "reason": "über"}) == 1
    assert hooks.happened("project.finished", "mail", {}) == 0
    assert hooks.send_due() == 1
    (call,) = receiver.calls
    assert str(call.url) == "https://93.184.216.34:8443/hook?a=b", "the address that was checked is the one called"
    assert call.headers["host"] == "example.org:8443"
    assert call.extensions["sni_hostname"] == "example.org"
    body = json.loads(call.content)
    assert (body["event"], body["project"]) == ("project.ready", "mail")
    assert body["data"] == {"labeled": 7, "reason": "über"}
    header = call.headers["askwise-signature"]
    now = Clock.now
    assert check_signature(made["secret"], header, call.content, now=now)
    assert not check_signature(made["secret"], header, call.content + b" ", now=now)
    assert not check_signature("other", header, call.content, now=now)
    assert not check_signature(made["secret"], header, call.content, now=now + 301), "a replay"
    assert made["secret"] not in str(hooks.all())
    (delivery,) = hooks.deliveries(made["number"])
    assert (delivery["status"], delivery["tries"], delivery["code"], delivery["trouble"]) == ("delivered", 1, 200, "")
    assert hooks.send_due() == 0


@pytest.mark.parametrize("header", ["", "t=", "t=x,v1=", "v1=abc", "t=99999999999999999999,v1=a", "t=1,v1=ü", "=,="])
def test_a_broken_signature_is_none(header: str) -> None:
    assert not check_signature("secret", header, b"body", now=1)


def test_the_signature_is_the_documented_one() -> None:
    found = signature("secret", b"{}", 1_700_000_000)
    assert found.startswith("t=1700000000,v1=")
    # HMAC spelled out (RFC 2104)
    key = b"secret".ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + b"1700000000.{}").digest()
    assert found.endswith(hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest())


@pytest.mark.parametrize("code", [500, 404, 301, httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
def test_a_failed_call_is_tried_again_later_and_given_up_in_the_end(
    hooks: Webhooks, receiver: Receiver, code: int | Exception
) -> None:
    number = hooks.add("https://example.org/", ["project.ready"], 100)["number"]
    hooks.happened("project.ready", "mail", {})
    receiver.code = code
    clock = hooks.clock
    for tries, pause in enumerate((*PAUSES, None), 1):
        assert hooks.send_due() == 1
        (delivery,) = hooks.deliveries(number)
        assert delivery["tries"] == tries
        assert delivery["trouble"]
        if pause is None:
            assert delivery["status"] == "failed"
            break
        assert delivery["status"] == "waiting"
        assert delivery["due"] == clock.now + pause
        assert hooks.send_due() == 0, "not before its time"
        clock.now += pause
    clock.now += 10**6
    assert hooks.send_due() == 0
    assert len(receiver.calls) == len(PAUSES) + 1


def test_a_waiting_call_survives_a_restart(hooks: Webhooks, receiver: Receiver) -> None:
    hooks.add("https://example.org/", ["project.ready"], 100)
    hooks.happened("project.ready", "mail", {})
    other = Webhooks(
        hooks.engine, resolve=lambda *_: PUBLIC, transport=httpx.MockTransport(receiver), clock=hooks.clock
    )
    assert other.send_due() == 1
    assert hooks.send_due() == 0, "of two processes one calls"
    other.stop()


def test_two_processes_make_each_call_once(hooks: Webhooks, receiver: Receiver) -> None:
    hooks.add("https://example.org/", ["project.ready"], 100)
    for _ in range(10):
        hooks.happened("project.ready", "mail", {})
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        hooks.send_due()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [json.loads(call.content)["id"] for call in receiver.calls]
    assert len(ids) == len(set(ids)) == 10


def test_old_deliveries_are_forgotten(hooks: Webhooks) -> None:
    number = hooks.add("https://example.org/", ["project.ready"], 100)["number"]
    hooks.happened("project.ready", "mail", {})
    hooks.clock.now += KEPT + 1
    hooks.happened("project.ready", "mail", {})
    assert len(hooks.deliveries(number)) == 1
    assert hooks.remove(number)
    assert not hooks.remove(number)
    assert hooks.deliveries(number) == []


# ── what is never called ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_inner_addresses_are_not_public(ip: str) -> None:
    assert not only_public([ip])
    assert not only_public(["8.8.8.8", ip]), "one of several is enough"


def test_outer_addresses_are_public() -> None:
    assert only_public(["8.8.8.8", "2606:4700::1111"])
    assert not only_public([])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "https://", "example.org", "https://user:pw@example.org/",
        "https://example.org:x/", "https://example.org:99999/", "https://exa mple.org/", "https://example.org/\n",
        "gopher://example.org", "https://é.example/", "http://[::1", "https://" + "a" * 70 + ".org/",
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_refused(hooks: Webhooks, url: str) -> None:
    with pytest.raises(BadInput, match="cannot be called"):
        hooks.add(url, ["project.ready"], 1)


def test_a_name_that_moves_inside_is_not_called(hooks: Webhooks, receiver: Receiver) -> None:
    number = hooks.add("https://example.org/", ["project.ready"], 1)["number"]
    hooks.happened("project.ready", "mail", {})
    hooks._resolve = lambda *_: ["169.254.169.254"]  # the name stands for something else by now
    hooks.send_due()
    assert receiver.calls == []
    assert "machine or in its network" in hooks.deliveries(number)[0]["trouble"]
    with pytest.raises(BadInput, match="--allow-private-webhooks"):
        hooks.add("https://example.org/", ["project.ready"], 1)
    hooks._resolve = lambda *_: []
    with pytest.raises(BadInput, match="no address"):
        hooks.add("https://example.org/", ["project.ready"], 1)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]/", "http://0/", "http://2130706433/"]
)
def test_this_machine_is_refused_by_the_real_resolver(hooks: Webhooks, url: str) -> None:
    real = Webhooks(hooks.engine)
    with pytest.raises(BadInput, match=r"machine or in its network|no address"):
        real.add(url, ["project.ready"], 1)
    real.stop()


def test_not_too_many(hooks: Webhooks) -> None:
    for _ in range(MOST):
        hooks.add("https://example.org/", ["project.ready"], 1)
    with pytest.raises(BadInput, match="already"):
        hooks.add("https://example.org/", ["project.ready"], 1)


def test_over_a_real_socket(hooks: Webhooks) -> None:
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.headers["Host"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        private = Webhooks(hooks.engine, private=True)
        number = private.add(f"http://localhost:{server.server_port}/x", ["project.ready"], 1)["number"]
        private._resolve = lambda *_: ["127.0.0.1"]
        private.happened("project.ready", "mail", {})
        private.send_due()
        server.shutdown()
        thread.join()
    assert private.deliveries(number)[0]["code"] == 204
    assert got[0][0] == f"localhost:{server.server_port}"
    private.stop()


# ── what is told ────────────────────────────────────────────────────────────────────────────

EVERYTHING = ["certificate.issued", "certificate.void", "project.ready", "labels.step", "project.finished"]


@pytest.fixture
def project() -> Iterator[Project]:
    with Session([f"text {i}" for i in range(12)], classes=["a", "b"], encoder="tfidf") as session:
        yield Project(session, team=True)


def told(hooks: Webhooks, number: int) -> list[str]:
    return [d["event"] for d in reversed(hooks.deliveries(number))]


def test_steps_of_labels_and_the_end_are_told_once(hooks: Webhooks, project: Project) -> None:
    number = hooks.add("https://example.org/", EVERYTHING, 5)["number"]
    session = project.session
    other = Webhooks(hooks.engine, clock=hooks.clock)  # a second process
    for i, item in enumerate(session.pool.ids):
        for process in (hooks, other):
            process.look("mail", project)
        session.tell(item, "ab"[i % 2])
    for process in (hooks, other, hooks):
        process.look("mail", project)
    events = told(hooks, number)
    assert events.count("labels.step") == 2
    assert events.count("project.finished") == 1
    bodies = [json.loads(row.body) for row in _rows(hooks) if row.event == "labels.step"]
    assert [b["data"]["step"] for b in bodies] == [5, 10]
    session.retract(session.pool.ids[0])
    hooks.look("mail", project)
    session.tell(session.pool.ids[0], "a")
    hooks.look("mail", project)
    assert told(hooks, number).count("project.finished") == 2, "finished anew"
    other.stop()


def _rows(hooks: Webhooks) -> Any:
    with hooks.engine.begin() as db:
        return db.execute(schema.deliveries.select().order_by(schema.deliveries.c.number)).all()


def test_what_was_before_is_not_told(hooks: Webhooks, project: Project) -> None:
    for item in project.session.pool.ids:
        project.session.tell(item, "a")
    number = hooks.add("https://example.org/", EVERYTHING, 5)["number"]
    for _ in range(3):
        hooks.look("mail", project)
    assert told(hooks, number) == []


def test_certificates_and_readiness_are_told(
    hooks: Webhooks, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = hooks.add("https://example.org/", EVERYTHING, 5)["number"]
    given: list[Certificate] = []
    ready = [False]
    monkeypatch.setattr(project.session, "certificates", lambda: given)
    monkeypatch.setattr(project.session, "verdict", lambda: Verdict(ready[0], "Why."))

    def certificate(attempt: int, void: str = "") -> Certificate:
        return Certificate(0.02, 0.95, attempt, 0.02, 100, 50, 0, 50, void=void)

    def look() -> list[str]:
        before = len(told(hooks, number))
        hooks.look("mail", project)
        return told(hooks, number)[before:]

    assert look() == []
    given[:] = [certificate(1)]
    assert look() == ["certificate.issued"]
    assert look() == []
    given[:] = [certificate(1, void="an answer was changed")]
    assert look() == ["certificate.void"]
    given[:] = [certificate(1)]
    assert look() == [], "it stands again; it was not issued anew"
    given[:] = [certificate(1), certificate(2), certificate(3)]
    assert look() == ["certificate.issued"] * 2
    ready[0] = True
    assert look() == ["project.ready"]
    assert look() == []
    body = json.loads(_rows(hooks)[0].body)
    assert body["data"]["attempt"] == 1
    assert "2" in body["data"]["sentence"]


def test_the_background_work_ends(hooks: Webhooks, project: Project, receiver: Receiver) -> None:
    hooks.add("https://example.org/", EVERYTHING, 1)
    hooks.look("mail", project)
    project.session.tell(project.session.pool.ids[0], "a")
    arrived = threading.Event()
    answer = receiver.__call__
    hooks._transport = httpx.MockTransport(lambda r: (answer(r), arrived.set())[0])
    hooks.start({"mail": project}, every=0.02)
    assert arrived.wait(20)
    hooks.stop()
    assert not any(thread.name.startswith("webhooks") for thread in threading.enumerate())


# ── receivers that hang ─────────────────────────────────────────────────────────────────────


class Hanging:
    """A receiver that takes a call and then says nothing, or one byte now and then, for ever."""

    def __init__(self, drip: bytes = b"") -> None:
        self.drip, self.taken = drip, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.over = threading.Event()
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while not self.over.is_set():
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            self.taken += 1
            threading.Thread(target=self._hold, args=(line,), daemon=True).start()

    def _hold(self, line: socket.socket) -> None:
        with line:
            while not self.over.wait(0.05):
                try:
                    line.sendall(self.drip)
                except OSError:
                    return

    def close(self) -> None:
        self.over.set()
        self.listener.close()


@pytest.fixture
def hanging() -> Iterator[list[Hanging]]:
    found = [Hanging(), Hanging(b"H")]
    yield found
    for one in found:
        one.close()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Webhooks]:
    """Webhooks that really call, this machine too."""
    engine = schema.connect(tmp_path / "team.sqlite")
    made = Webhooks(engine, private=True)
    yield made
    made.stop()
    engine.dispose()


def test_a_call_has_a_deadline_in_all(real: Webhooks, hanging: list[Hanging], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askwise.app.hooks.DEADLINE", 0.8)
    numbers = [real.add(one.url, ["project.ready"], 100)["number"] for one in hanging]
    real.happened("project.ready", "mail", {})
    began = time.monotonic()
    assert real.send_due() == 2
    assert time.monotonic() - began < 5
    for number in numbers:
        (delivery,) = real.deliveries(number)
        assert (delivery["status"], delivery["tries"]) == ("waiting", 1)
        assert "longer than 0.8 seconds" in delivery["trouble"]


def test_nobody_waits_for_a_receiver_that_hangs(real: Webhooks, hanging: list[Hanging]) -> None:
    """The deadline is not shortened: a call to another address arrives long before it is over."""
    arrived = threading.Event()

    class Good(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Good) as good:
        threading.Thread(target=good.serve_forever, daemon=True).start()
        for one in hanging:
            real.add(one.url, ["project.ready"], 100)
        number = real.add(f"http://127.0.0.1:{good.server_port}/", ["project.ready"], 100)["number"]
        real.start({}, every=0.05)
        real.happened("project.ready", "mail", {})
        assert arrived.wait(8)
        arrived.clear()
        real.happened("project.ready", "mail", {})  # while the others still hang
        assert arrived.wait(8)
        time.sleep(0.3)
        assert [one.taken for one in hanging] == [1, 1], "each is called once at a time"
        assert all(d["status"] == "delivered" for d in real.deliveries(number))
        began = time.monotonic()
        real.stop()
        assert time.monotonic() - began < 5, "a shutdown waits for no receiver"
        good.shutdown()
    for hook in real.all()[:2]:
        assert {d["status"] for d in real.deliveries(hook["number"])} == {"waiting"}, "they are made after a restart"
