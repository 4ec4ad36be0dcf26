"""A team's server on a database: two web processes serve one session. Starts a PostgreSQL server of its own."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from askwise import Session, worker
from askwise.app import wire
from askwise.app.server import create_app
from askwise.app.shelf import Shelf
from askwise.core import BadInput, Event, Unreachable
from askwise.store import MemoryStore, read_log
from askwise.store.postgres import PostgresStore
from askwise.verification import verify
from help.postgres import QUOTED, SECRET, Server

pytestmark = pytest.mark.usefixtures("linear")

PASSWORD = "four words in a row"
TEXTS = [f"{'lovely sunny' if i % 2 else 'awful gloomy'} day number {i}" for i in range(40)]
TOKEN = "a-token-long-enough"


class Web:
    """`askwise serve --store …` as a process, with all that it prints."""

    def __init__(self, store: str) -> None:
        command = [sys.executable, "-m", "askwise", "serve", "--store", store, "--port", "0"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"NO_COLOR": "1"}
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def up(self) -> str:
        """Its address, once it answers."""
        until(lambda: any("Ctrl+C" in line for line in self.lines) or self.process.poll() is not None)
        assert self.process.poll() is None, self.lines
        return self.lines[0].split()[-1]

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def until(what: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


def browser(address: str) -> Any:
    return httpx.Client(base_url=address, headers={"origin": address.rstrip("/")}, trust_env=False, timeout=60)


def good(reply: Any) -> Any:
    assert reply.status_code == 200, reply.text
    return reply.json()


def label_one(client: Any, tab: str) -> tuple[str, str]:
    """Ask for a question and answer it; gives (item, label)."""
    (question,) = good(client.post("/p/mail/api/v1/ask", json={"tab": tab, "want": 1}))["next"]
    label = "nice" if "lovely" in question["text"] else "not"
    body = {"tab": tab, "want": 0, "key": question["item"], "item": question["item"], "label": label}
    good(client.post("/p/mail/api/v1/tell", json=body | {"asked": question["asked"]}))
    return question["item"], label


def leaders(server: Server) -> str:
    """The database processes that hold the lock of who refreshes: the second key is the negative of a session."""
    return server.sql(
        "SELECT string_agg(pid::text, ',') FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted "
        "AND objid::bigint > 2147483647",
        "team",
    )


def test_two_web_processes_serve_one_session(server: Server) -> None:
    address = server.address("mail")
    store = address.partition("#")[0]
    Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=address).close()
    one = Web(store)
    two = None
    said: list[tuple[str, str, str]] = []
    try:
        with contextlib.ExitStack() as tabs:
            first = one.up()
            link = next(line for line in one.lines if "Become the owner" in line).split()[-1]
            owner = tabs.enter_context(browser(first))
            body = {"secret": link.split("#")[1], "name": "olga", "password": PASSWORD}
            good(owner.post("/api/v1/join", json=body))
            two = Web(store)  # starts while the owner lets people in
            for name in ("ann", "ben"):
                made = good(owner.post("/api/v1/invitations", json={"role": "annotator"}))["link"]
                with browser(first) as joining:
                    body = {"secret": made.split("#")[1], "name": name, "password": PASSWORD}
                    good(joining.post("/api/v1/join", json=body))
            second = two.up()
            ann, ben = tabs.enter_context(browser(first)), tabs.enter_context(browser(second))
            for client, name in ((ann, "ann"), (ben, "ben")):  # accounts made at one are known at the other
                good(client.post("/api/v1/login", json={"name": name, "password": PASSWORD}))
            for _ in range(4):
                said += [("ann", *label_one(ann, "tab")), ("ben", *label_one(ben, "tab"))]
            assert len({item for _, item, _ in said}) == len(said), "nobody is asked what another was asked"

            until(lambda: leaders(server))
            before = leaders(server)
            assert "," not in before, "one process refreshes"
            server.control("restart")
            said += [("ann", *label_one(ann, "tab")), ("ben", *label_one(ben, "tab"))]
            assert one.end() == 0
            until(lambda: leaders(server))
            assert "," not in leaders(server)
            said.append(("ben", *label_one(ben, "tab")))
            assert two.end() == 0
    finally:
        for web in (one, two):
            if web is not None:
                web.end()
    log = list(read_log(address))
    with Session.open(address) as session:
        ids = session.pool.ids
    told = [(e.data["annotator"], ids[e.data["row"]], e.data["label"]) for e in log if e.kind == "told"]
    assert sorted(told) == sorted(said)
    assert verify(address)
    printed = "".join(one.lines + two.lines)
    assert SECRET not in printed
    assert QUOTED not in printed
    assert "Traceback" not in printed


TABLE = "text\n" + "".join(f"{text}\n" for text in TEXTS)


def begin(client: Any, name: str, data: bytes, **more: Any) -> Any:
    """Send a file and make a project of it; gives the last reply."""
    sent = client.put("/api/v1/new/file", params={"name": name}, content=data)
    if sent.status_code != 200:
        return sent
    body = {"upload": sent.json()["upload"], "text": ["text"], "classes": ["nice", "not"]}
    return client.post("/api/v1/new/start", json=body | more)


def test_an_owner_begins_projects_in_the_database_and_every_process_finds_them(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.sql("CREATE DATABASE fresh OWNER ann")
    store = server.address("x", database="fresh").partition("#")[0]
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    one, two = Web(store), None
    try:
        with contextlib.ExitStack() as tabs:
            first = one.up()
            assert one.lines[0].startswith("Serving 0 projects")
            link = next(line for line in one.lines if "Become the owner" in line).split()[-1]
            owner = tabs.enter_context(browser(first))
            body = {"secret": link.split("#")[1], "name": "olga", "password": PASSWORD}
            good(owner.post("/api/v1/join", json=body))
            two = Web(store)
            other = tabs.enter_context(browser(two.up()))
            good(other.post("/api/v1/login", json={"name": "olga", "password": PASSWORD}))
            assert good(owner.get("/api/v1/me"))["begin"]
            assert good(begin(owner, "Mail.csv", TABLE.encode())) == {"at": "/p/mail/"}
            assert good(begin(owner, "mail.csv", TABLE.encode())) == {"at": "/p/mail-2/"}, "nothing is overwritten"
            until(lambda: len(good(other.get("/api/v1/projects"))) == 2)
            assert good(begin(other, "mail.csv", TABLE.encode())) == {"at": "/p/mail-3/"}
            until(lambda: len(good(owner.get("/api/v1/projects"))) == 3)
            said = [label_one(owner, "tab"), label_one(other, "tab")]
            assert said[0][0] != said[1][0]
            # Pictures are not in the log, so another process would not have them.
            picture = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("a.gif", picture)
                archive.writestr("b.gif", picture + b" ")
            refused = begin(owner, "photos.zip", packed.getvalue(), kind="image", text=["file"])
            assert refused.status_code == 400
            assert "askwise label FOLDER --session postgresql://" in refused.json()["error"]
            bad = begin(owner, "odd.csv", TABLE.encode(), classes=["nice", "nice"])
            assert bad.status_code == 400
            kept = [p.name for p in tmp_path.rglob("*") if p.is_file() and "askwise-features" not in str(p)]
            assert sorted(kept) == ["odd.csv", "photos.zip"], "not begun"
        assert one.end() == 0
        assert two.end() == 0
    finally:
        for web in (one, two):
            if web is not None:
                web.end()
    assert [p for p in tmp_path.iterdir() if p.name.startswith("askwise")] == []
    with contextlib.closing(PostgresStore(f"{store}#mail")) as database:
        assert database.sessions() == ["mail", "mail-2", "mail-3"]
    log = read_log(f"{store}#mail")
    assert log[0].data["pool"]["path"] == "Mail.csv"
    assert str(tmp_path) not in str(log[0].data)
    assert sorted((e.data["label"]) for e in log if e.kind == "told") == sorted(label for _, label in said)
    assert verify(f"{store}#mail")
    printed = "".join(one.lines + two.lines)
    assert SECRET not in printed
    assert QUOTED not in printed
    assert "Traceback" not in printed
    # The next start finds them.
    three = Web(store)
    try:
        three.up()
        assert three.lines[0].startswith("Serving 3 projects")
    finally:
        three.end()


def test_a_name_that_another_process_takes_first_is_left_to_it(server: Server) -> None:
    server.sql("CREATE DATABASE race OWNER ann")
    store = server.address("x", database="race").partition("#")[0]
    shelf = Shelf(store, lambda name: name.lower(), [], whole=True)

    def make(place: Any) -> Session:
        if place.address.session == "mail":  # somebody else is faster
            Session(["theirs one", "theirs two"], classes=["a", "b"], encoder="tfidf", store=str_of("mail")).close()
        return Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=place)

    def str_of(name: str) -> str:
        return f"{store}#{name}"

    session: list[Session] = []
    assert shelf.begin("mail", make, lambda name, made: session.append(made) or name) == "mail-2"
    session[0].close()
    with Session.open(str_of("mail")) as theirs:
        assert list(theirs.pool.contents) == ["theirs one", "theirs two"]
    found = shelf.look()
    assert list(found) == ["mail"], "what this one began is no news"
    found["mail"].close()
    assert shelf.look() == {}

    def broken(place: Any) -> Session:
        Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=place)
        raise BadInput("No.")

    with pytest.raises(BadInput):
        shelf.begin("calls", broken, lambda name, made: name)
    with pytest.raises(BadInput):
        shelf.begin("mail", lambda place: Session([], store=place), lambda name, made: name)
    with contextlib.closing(PostgresStore(str_of("mail"))) as database:
        assert database.sessions() == ["mail", "mail-2"], "what failed left nothing, and took nothing away"


def test_a_session_that_cannot_be_opened_is_said_once_and_left_alone(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.sql("CREATE DATABASE arrays OWNER ann")
    store = server.address("x", database="arrays").partition("#")[0]
    Session(np.eye(6), classes=["a", "b"], store=f"{store}#numbers").close()
    shelf = Shelf(store, str, [], whole=True)
    assert shelf.look() == {}
    assert "about an array" in caplog.text
    assert SECRET not in caplog.text
    caplog.clear()
    assert shelf.look() == {}
    assert caplog.text == ""


class Gone(MemoryStore):
    """A store whose database goes away."""

    gone = False

    def append(self, events: Any, *, after: int | None = None) -> int:
        if self.gone and any(isinstance(e, Event) for e in events):
            raise Unreachable("The database of postgresql://db/team#mail cannot be reached.")
        return super().append(events, after=after)


def test_a_database_that_is_away_is_no_mistake_of_the_caller() -> None:
    store = Gone()
    with Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=store) as session:
        app = create_app(session, token=TOKEN)
        with TestClient(app, base_url="http://127.0.0.1", headers={"x-askwise-token": TOKEN}) as client:
            (question,) = good(client.post("/api/v1/ask", json={"tab": "t", "want": 1}))["next"]
            body = {"tab": "t", "want": 0, "key": "k", "item": question["item"], "label": "nice"}
            store.gone = True
            reply = client.post("/api/v1/tell", json=body)
            assert (reply.status_code, reply.json()["error"]) == (
                503,
                "The database of postgresql://db/team#mail cannot be reached.",
            )
            store.gone = False
            good(client.post("/api/v1/tell", json=body))  # the same key: an error is not remembered
        assert session.counts()["labeled"] == 1


def test_an_estimate_that_takes_long_is_made_in_the_background_and_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    with Session(TEXTS, classes=["nice", "not"], encoder="tfidf") as session:
        figures = wire.Figures(session)
        now, spent, made = [100.0], [0.0], []
        monkeypatch.setattr(wire.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(wire.time, "thread_time", lambda: spent.append(spent[-1] + cost) or spent[-1])
        real = session.estimate
        monkeypatch.setattr(session, "estimate", lambda: made.append(threading.current_thread().name) or real())
        cost = wire.QUICK / 2

        def items_and_labeled_after_another(row: int) -> tuple[int, int]:
            session.tell(session.pool.ids[row], "nice")
            counts, estimate = figures()
            if (working := figures._working) is not None:
                working.join()
            return estimate.rest, counts["labeled"]

        n, here = len(TEXTS), threading.current_thread().name
        assert [items_and_labeled_after_another(row) for row in range(3)] == [(n - 1, 1), (n - 2, 2), (n - 3, 3)]
        cost = 0.05
        assert items_and_labeled_after_another(3) == (n - 4, 4), "who finds out that it takes long has waited"
        assert items_and_labeled_after_another(4) == (n - 4, 5), "the estimate rests, the counts do not"
        assert made == [here] * 4
        now[0] += 0.05 * wire.REST
        assert items_and_labeled_after_another(5) == (n - 4, 6), "nobody waits"
        assert made[4:] == ["askwise-figures"]
        assert items_and_labeled_after_another(6) == (n - 6, 7)

        def broken() -> None:
            raise RuntimeError("no estimate")

        monkeypatch.setattr(session, "estimate", broken)
        now[0] += 0.05 * wire.REST
        items_and_labeled_after_another(7)
        with pytest.raises(RuntimeError, match="no estimate"):
            figures()


def test_a_worker_rests_between_refreshes_and_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REST", 1e9)
    monkeypatch.setattr(worker, "MOST_REST", 1e6)
    done: list[float] = []
    once = threading.Event()

    def refresh() -> bool:
        done.append(time.monotonic())
        once.set()
        return True

    resting = worker.Worker(refresh, lambda: True)
    resting.start()
    assert once.wait(30)
    resting.nudge()
    resting.nudge()
    resting.stop()  # at once: a rest would take days
    assert len(done) == 1
