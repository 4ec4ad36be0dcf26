"""The log in PostgreSQL: several processes, lost connections, copies, backups. Starts a server of its own."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import Session, cli, testing, worker
from askwise.core import BadInput, BadStore, Conflict, Event, Unreachable
from askwise.ledger import MOST_LOST
from askwise.state import State
from askwise.store import MemoryStore, SQLiteStore, chain, copy_log, open_store, postgres, read_log
from askwise.store.postgres import Address, PostgresStore
from askwise.verification import verify
from help.postgres import QUOTED, Server
from help.warm import MARK

pytestmark = pytest.mark.usefixtures("linear")

SPAWN = multiprocessing.get_context("spawn")


# ── a server ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def address(server: Server, request: pytest.FixtureRequest) -> str:
    """A session that nobody has."""
    return server.address(re.sub(r"\W", "-", request.node.name)[:90])


@pytest.fixture
def store(address: str) -> Iterator[PostgresStore]:
    opened = PostgresStore(address)
    yield opened
    opened.close()


def wait_until(what: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.05)


# ── one process ─────────────────────────────────────────────────────────────────────────────


def test_it_is_a_store(address: str) -> None:
    testing.check_store(lambda: PostgresStore(address), lambda: PostgresStore(address, must_exist=True))


def test_an_address_opens_it(address: str) -> None:
    opened = open_store(address)
    assert isinstance(opened, PostgresStore)
    opened.close()
    with pytest.raises(BadStore, match="closed here"):
        opened.read()


def test_sessions_of_one_database_do_not_mix(server: Server, store: PostgresStore) -> None:
    other = PostgresStore(server.address("other"))
    store.append([Event("a", {})])
    other.append([Event("b", {}), Event("c", {})], after=0)
    assert [e.kind for e in store.read()] == ["a"]
    assert [e.kind for e in other.read()] == ["b", "c"]
    assert {"other", store.address.session} <= set(other.sessions())
    other.remove()
    assert other.read() == []
    assert [e.kind for e in store.read()] == ["a"]
    assert "other" not in store.sessions()
    other.append([Event("new", {})], after=0)
    assert [(e.seq, e.kind) for e in other.read()] == [(1, "new")]
    other.close()


def test_all_or_none(store: PostgresStore) -> None:
    with pytest.raises(TypeError):
        store.append([Event("a", {}), Event("b", {"not json": object()})])
    with pytest.raises(BadInput, match="half of a character"):
        store.append([Event("a", {}), Event("b", {"half a character": "\ud800"})])
    assert store.read() == []
    assert store.append([Event("a", {"nul": "\0", "nan": float("inf")})]) == 1
    assert store.read()[0].data == {"nul": "\0", "nan": float("inf")}


def test_events_cannot_be_altered(server: Server, store: PostgresStore) -> None:
    store.append([Event("a", {})])
    for statement in ("UPDATE askwise_events SET kind = 'x'", "DELETE FROM askwise_events", "TRUNCATE askwise_events"):
        with pytest.raises(AssertionError, match="append-only"):
            server.sql(statement, "team", "ann")


def test_a_time_is_the_same_number_whatever_the_server_rounds(server: Server, store: PostgresStore) -> None:
    server.sql("ALTER ROLE ann SET extra_float_digits = -10")
    rounding = PostgresStore(store.address)
    rounding.append([Event("a", {}, 1700000000.1234567)])
    assert rounding.read()[0].at == 1700000000.1234567
    assert [e.digest for e in rounding.read()] == list(chain(rounding.read()))
    rounding.close()
    server.sql("ALTER ROLE ann RESET extra_float_digits")


def test_what_was_acknowledged_is_flushed_whatever_the_default(server: Server, store: PostgresStore) -> None:
    server.sql("ALTER ROLE ann SET synchronous_commit = off")
    careless = PostgresStore(store.address)
    server.sql("ALTER ROLE ann RESET synchronous_commit")
    assert careless._db is not None
    assert careless._db.execute("SHOW synchronous_commit").fetchone() == ("on",)
    careless.close()


def test_tables_are_made_once_by_whoever_comes_first(server: Server) -> None:
    server.sql("CREATE DATABASE fresh OWNER ann")
    gone = Address.of(server.address("none", database="fresh"))
    with pytest.raises(BadStore, match="There is no session at"):
        PostgresStore(gone, must_exist=True)
    assert server.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'askwise%'", "fresh") == "0"

    def begin(i: int) -> None:
        opened = PostgresStore(server.address("shared", database="fresh"))
        opened.append([Event("a", {"i": i})])
        opened.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(begin, range(6)))
    assert len(read_log(server.address("shared", database="fresh"))) == 6
    with pytest.raises(BadStore, match="There is no session at"):
        read_log(gone)
    server.sql("UPDATE askwise_schema SET version = version + 1", "fresh")
    with pytest.raises(BadStore, match="newer Askwise"):
        PostgresStore(gone)


def test_a_database_that_cannot_hold_every_character_is_refused(server: Server) -> None:
    server.sql("CREATE DATABASE narrow OWNER ann ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(BadStore, match="must be UTF8"):
        PostgresStore(server.address("any", database="narrow"))


def test_an_account_without_rights_is_told_so(server: Server) -> None:
    server.sql("CREATE DATABASE closed")  # in PostgreSQL 15 and later, only its owner may make tables
    server.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "closed")
    with pytest.raises(BadStore, match="permission denied"):
        PostgresStore(server.address("any", database="closed"))


def test_an_account_needs_no_more_than_to_read_and_insert(server: Server, store: PostgresStore) -> None:
    store.append([Event("a", {})])
    server.sql("CREATE ROLE bob LOGIN PASSWORD 'bob'")
    for table in ("schema", "sessions", "events"):
        server.sql(f"GRANT SELECT, INSERT ON askwise_{table} TO bob", "team", "ann")
    for name in (store.address.session, "of-bob"):
        bob = PostgresStore(f"postgresql://bob:bob@127.0.0.1:{server.port}/team#{name}")
        last = bob.append([Event("b", {})])
        with bob.turn():
            assert bob.append([Event("c", {})], after=last) == last + 1
        assert bob.lead()
        with pytest.raises(BadStore, match="permission denied"):
            bob.remove()
        bob.close()
    assert [e.kind for e in store.read()] == ["a", "b", "c"]


# ── addresses and what is secret ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "shown", "session"),
    [
        ("postgresql://h/db#mail", "postgresql://h/db#mail", "mail"),
        ("postgres://h#mail", "postgresql://h#mail", "mail"),
        ("postgresql:///db#m-1.x", "postgresql:///db#m-1.x", "m-1.x"),
        ("postgresql://u@h:5433/db#é", "postgresql://u@h:5433/db#é", "é"),
        ("postgresql://u:pw@[::1]:5/db#m", "postgresql://u@[::1]:5/db#m", "m"),
        ("postgresql://u:p#w?@a:1,b:2/db#m", "postgresql://u@a:1,b:2/db#m", "m"),
        (
            "postgresql://u@/db?host=/run/x&PassWord=pw&sslpass%77ord=pw&sslmode=require#m",
            "postgresql://u@/db?host=/run/x&sslmode=require#m",
            "m",
        ),
    ],
)
def test_an_address_is_shown_without_what_is_secret(text: str, shown: str, session: str) -> None:
    found = Address.of(text)
    assert (str(found), found.session) == (shown, session)
    assert "#" not in found.server.replace("p#w", "")
    assert "pw" not in repr(found)
    assert Address.of(str(found)).shown == shown


@pytest.mark.parametrize(
    "text",
    ["postgresql://u:pw@h/db", "postgresql://u:pw@h/db#", "postgresql://u:pw@h/db#a/b", "postgresql://u:pw/db#m",
     "postgresql://u:a/pw@h/db#m", "postgresql://u:a@pw@h/db#m", "postgresql://h:pw:1/db#m", "mysql://u:pw@h#m"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadInput) as error:
        Address.of(text)
    assert "pw" not in str(error.value)
    assert "postgresql://user@host/database#session" in str(error.value)


@given(st.text(st.characters(codec="ascii", exclude_characters="@/%", exclude_categories=["Cc"]), min_size=1))
def test_no_password_is_shown(password: str) -> None:
    found = Address.of(f"postgresql://zz:<{password}>@host/db?sslmode=require#name")
    assert str(found) == "postgresql://zz@host/db?sslmode=require#name"
    assert found.server == f"postgresql://zz:<{password}>@host/db?sslmode=require"


def test_a_path_that_was_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="lost a slash"):
        open_store(Path("postgresql://u:pw@h/db#m"))


def test_nothing_that_is_said_or_written_holds_the_password(
    server: Server, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = address.replace(QUOTED, QUOTED + "-not")
    addresses = [
        (wrong, "password authentication failed"),
        (address.replace(str(server.port), "1"), "refused"),
        (address.replace("#", "?sslmode=banana&password=secret#"), "banana"),
        (address.replace("#", "?no_such_option=1#"), "does not accept"),
        (address.replace(QUOTED, "secret%zz"), "does not accept"),
        (address.replace("/team", "/absent"), "absent"),
    ]
    for given_address, said in addresses:
        with pytest.raises(BadStore, match=said) as error:
            PostgresStore(given_address)
        assert "secret" not in str(error.value)
        assert error.value.__suppress_context__
    with Session(["a", "b", "c"], classes=["x", "y"], encoder="tfidf", store=address) as session:
        assert "secret" not in repr(session._store.__dict__) + repr(session._store)
    assert "secret" not in "".join(str(e) for e in read_log(address))
    assert "secret" not in caplog.text


# ── several processes ───────────────────────────────────────────────────────────────────────


def write_many(address: str, name: str, count: int, conditional: bool) -> None:
    store = PostgresStore(address)
    seen = 0
    for i in range(count):
        while True:
            if conditional and (news := store.read(seen)):
                seen = news[-1].seq
            try:
                store.append([Event(name, {"i": i, "seen": seen})], after=seen if conditional else None)
            except Conflict:
                continue
            break
    store.close()


def test_four_processes_lose_nothing_and_double_nothing(address: str) -> None:
    PostgresStore(address).close()
    names = {"a": False, "b": False, "c": True, "d": True}
    writers = [SPAWN.Process(target=write_many, args=(address, name, 200, names[name])) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    events = list(read_log(address))
    assert [e.seq for e in events] == list(range(1, 801))
    assert [e.digest for e in events] == list(chain(events))
    for name, conditional in names.items():
        mine = [e for e in events if e.kind == name]
        assert [e.data["i"] for e in mine] == list(range(200))
        assert not conditional or all(e.data["seen"] == e.seq - 1 for e in mine), "decided on what was newest"


WRITER = (
    MARK
    + """
import sys
from askwise.core import Event
from askwise.store.postgres import PostgresStore
store = PostgresStore(sys.argv[1])
for i in range(10**6):
    store.append([Event("told", {"who": sys.argv[2], "i": i, "more": "x" * 500}), Event("also", {"i": i})])
    print(i, flush=True)
"""
)


def test_a_writer_killed_at_any_moment_leaves_all_or_nothing_of_each_append(store: PostgresStore) -> None:
    for kill in range(4):
        command = [sys.executable, "-c", WRITER, f"{store.address.server}#{store.address.session}", str(kill)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(5 + 7 * kill)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout.read().splitlines() if line]
        process.wait()
        process.stdout.close()
        store.append([Event("next", {})])  # nobody is held up
        events = list(store.read())
        written = [e.data["i"] for e in events if e.data.get("who") == str(kill)]
        assert written in (acknowledged, [*acknowledged, len(acknowledged)]), "one may not have been acknowledged yet"
        assert sum(e.kind == "told" for e in events) == sum(e.kind == "also" for e in events)
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert [e.digest for e in events] == list(chain(events))


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_the_server_is_not_noticed(server: Server, store: PostgresStore, mode: str) -> None:
    after = []

    def restart() -> None:
        wait_until(lambda: len(after) >= 50)
        server.control("restart", mode)
        after.append(-1)

    thread = threading.Thread(target=restart)
    thread.start()
    i = 0
    while -1 not in after or i < after.index(-1) + 50:
        assert store.append([Event("told", {"i": i})], after=i) == i + 1
        assert store.read(i)[0].data == {"i": i}
        i += 1
        after.append(i)
    thread.join()
    assert [e.data["i"] for e in store.read()] == list(range(i))


class Proxy:
    """Stands between a client and the server and cuts the line at the next COMMIT, before or after it got through."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.cut: str | None = None
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.target)) as behind:
            back = threading.Thread(target=self._pump, args=(behind, client), daemon=True)
            self.silent = False
            back.start()
            while data := client.recv(1 << 16):
                if self.cut is not None and b"COMMIT\0" in data:  # not that of READ COMMITTED
                    when, self.cut = self.cut, None
                    self.cuts += 1
                    if when == "after":
                        self.silent = True
                        behind.sendall(data)
                        time.sleep(0.2)
                    break
                behind.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
            behind.shutdown(socket.SHUT_RDWR)
            back.join()

    def _pump(self, behind: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := behind.recv(1 << 16):
                if not self.silent:
                    client.sendall(data)

    def close(self) -> None:
        self.listener.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_without_an_answer_is_looked_for_and_not_repeated(server: Server, address: str, when: str) -> None:
    proxy = Proxy(server.port)
    direct = PostgresStore(address)
    store = PostgresStore(server.address(direct.address.session, port=proxy.port))
    assert store.append([Event("told", {"i": 0})]) == 1
    for i in (1, 3):
        proxy.cut = when
        assert store.append([Event("told", {"i": i}), Event("told", {"i": i + 1})], after=i) == i + 2
    proxy.cut = when
    assert store.append([Event("told", {"i": 5})]) == 6, "unconditional, too"
    assert proxy.cuts == 3
    assert [e.data["i"] for e in direct.read()] == list(range(6))
    assert [e.digest for e in direct.read()] == list(chain(direct.read()))
    for opened in (store, direct, proxy):
        opened.close()


def test_a_commit_without_an_answer_that_another_one_outran(
    server: Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(server.port)
    direct = PostgresStore(address)
    store = PostgresStore(server.address(direct.address.session, port=proxy.port))
    connect = store._connect
    for i, when in enumerate(("after", "before")):
        start = 2 * i

        def later(start: int = start) -> Any:
            direct.append([Event("other", {})])
            return connect()

        monkeypatch.setattr(store, "_connect", later)
        proxy.cut = when
        if when == "after":  # it is in, below the other's
            assert store.append([Event("mine", {})], after=start) == start + 1
        else:
            with pytest.raises(Conflict):
                store.append([Event("mine", {})], after=start)
    assert [e.kind for e in direct.read()] == ["mine", "other", "other"]
    for opened in (store, direct, proxy):
        opened.close()


def test_who_stops_in_the_middle_does_not_hold_up_the_others(server: Server, store: PostgresStore) -> None:
    store.append([Event("a", {})])
    stuck = PostgresStore(store.address)
    assert stuck._db is not None
    stuck._db.execute("SET idle_in_transaction_session_timeout = '500ms'")
    stuck._db.execute("BEGIN")
    stuck._hold(stuck._db, make=False)
    assert store.append([Event("b", {})], after=1) == 2
    assert stuck.append([Event("c", {})], after=2) == 3, "and goes on later"
    stuck.close()


# ── who refreshes ───────────────────────────────────────────────────────────────────────────


def test_one_leads_until_it_steps_down_or_is_gone(server: Server, store: PostgresStore) -> None:
    assert not store.lead(), "there is nothing to lead yet"
    store.append([Event("a", {})])
    second = PostgresStore(store.address)
    other = PostgresStore(server.address("another"))
    other.append([Event("a", {})])
    assert store.lead()
    assert store.lead()
    assert not second.lead()
    assert other.lead(), "each session has its own"
    store.step_down()
    assert second.lead()
    assert not store.lead()
    assert second._db is not None
    server.sql(f"SELECT pg_terminate_backend({second._db.info.backend_pid})")
    wait_until(store.lead)
    assert not second.lead(), "it lost it with its connection, and knows"
    store.close()
    wait_until(second.lead)
    second.close()
    other.close()


TEXTS = [f"{'win a prize' if i % 3 == 0 else 'see you'} number {i} {i % 17} {i % 5}" for i in range(200)]


def truth(row: int) -> str:
    return "spam" if "prize" in TEXTS[row] else "ham"


def label_alone(address: str) -> None:
    """A process with a worker, until it is killed."""
    worker.PAUSE = 0.1
    with Session.open(address) as session:
        session.start()
        time.sleep(600)


def tell(session: Session, n: int) -> None:
    for query in session.ask(n):
        session.tell(query, truth(query.row))


def ranked(address: str) -> list[int]:
    return [e.data["trained_on"] for e in read_log(address) if e.kind == "ranked"]


def test_one_process_refreshes_and_another_takes_over(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.1)
    with Session(TEXTS, classes=["ham", "spam"], encoder="tfidf", store=address) as session:
        first = SPAWN.Process(target=label_alone, args=(address,))
        first.start()
        probe = PostgresStore(address)

        def taken() -> bool:
            mine = probe.lead()
            probe.step_down()
            return not mine

        wait_until(taken)
        session.start()
        for _ in range(3):
            before = len(ranked(address))
            tell(session, 6)
            last = read_log(address)[-1].seq
            wait_until(lambda before=before: len(ranked(address)) > before)
            wait_until(lambda last=last: ranked(address)[-1] >= session._state.last_answer)
        assert not session._store._leading, "the other process did all of this"
        wait_until(lambda: session._state.ranking.trained_on >= session._state.last_answer)
        assert session.predictions()[0][0] in ("ham", "spam"), "which is seen here"
        first.kill()
        first.join()
        wait_until(lambda: session._store._leading)
        tell(session, 6)
        wait_until(lambda: ranked(address)[-1] >= session._state.last_answer)
        probe.close()
    assert verify(address)


def test_a_process_whose_worker_does_not_lead_certifies_with_a_model_of_its_own(address: str) -> None:
    with (
        Session(TEXTS, classes=["ham", "spam"], encoder="tfidf", store=address, max_error=0.4) as one,
        Session.open(address) as two,
    ):
        tell(two, 30)
        two.refresh()
        tell(one, 5)
        one.refresh()
        assert two.refresh() is False, "the ranking knows every answer"
        result = two.autolabel(oracle=lambda queries: [truth(q.row) for q in queries])
        assert result.status == "certified", result.reason
    assert verify(address)


def test_a_slow_decision_is_not_outrun_for_ever(address: str) -> None:
    with Session(TEXTS[:30], classes=["ham", "spam"], encoder="tfidf", store=address) as session:
        stop, written, decided = threading.Event(), [], []
        other, probe = PostgresStore(address), PostgresStore(address)

        def write() -> None:
            while not stop.is_set():
                written.append(other.append([Event("flagged", {"row": 1, "note": "", "annotator": "you"})]))

        def decide(state: State) -> list[Event]:
            decided.append(state.seq)
            if len(decided) <= MOST_LOST:  # always slower than somebody else
                wait_until(lambda: len(probe.read(session._state.seq)) > 0)
            else:  # its turn: nobody can be faster, however long this takes
                time.sleep(0.2)
                assert probe.read(session._state.seq) == []
            return [Event("flagged", {"row": 2, "note": "", "annotator": "me"})]

        writing = threading.Thread(target=write)
        writing.start()
        session._ledger.write(decide)
        assert len(decided) == MOST_LOST + 1
        before = len(written)
        wait_until(lambda: len(written) > before + 1)  # and everybody goes on
        stop.set()
        writing.join()
        events = probe.read()
        assert [e.seq for e in events if e.data.get("annotator") == "me"] == [decided[-1] + 1]
        assert [e.seq for e in events if e.data.get("annotator") == "you"] == written
        other.close()
        probe.close()


def test_a_turn_without_end_or_connection_does_not_hold_up_the_others(server: Server, store: PostgresStore) -> None:
    store.append([Event("a", {})])
    for how in ("killed", "idle"):
        stuck = PostgresStore(store.address)
        with stuck.turn():
            assert stuck._db is not None
            if how == "killed":
                server.sql(f"SELECT pg_terminate_backend({stuck._db.info.backend_pid})")
            else:
                stuck._db.execute("SET idle_session_timeout = '300ms'")
            last = store.append([Event("b", {})])
            with pytest.raises(Conflict):
                stuck.append([Event("c", {})], after=last - 1)
        assert stuck.append([Event("c", {})], after=last) == last + 1
        stuck.close()


def test_a_session_outlives_an_outage(server: Server, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.1)
    monkeypatch.setattr(postgres, "PATIENCE", 0.3)
    with Session(TEXTS, classes=["ham", "spam"], encoder="tfidf", store=address) as session:
        session.start()
        tell(session, 6)
        query = session.ask()[0]
        server.control("stop")
        try:
            with pytest.raises(Unreachable, match="What was saved is safe"):
                session.tell(query, truth(query.row))
            wait_until(lambda: isinstance(session.worker_error, Unreachable))
        finally:
            server.control("start")
        wait_until(lambda: session.worker_error is None)
        session.tell(query, truth(query.row))
        tell(session, 6)
        wait_until(lambda: session._state.ranking.trained_on >= session._state.last_answer)
        told = [e.data["row"] for e in session._store.read() if e.kind == "told"]
        assert len(told) == len(set(told)) == 13


# ── copies and backups ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def labeled(tmp_path: Path) -> Path:
    path = tmp_path / "mail.askwise"
    with Session(TEXTS, classes=["ham", "spam"], encoder="tfidf", store=path, title="Grüße \U0001f642") as session:
        tell(session, 20)
        session.refresh()
    return path


def test_a_session_goes_into_a_database_and_back(labeled: Path, address: str, tmp_path: Path) -> None:
    before = list(read_log(labeled))
    assert copy_log(labeled, address) == (len(before), before[-1].digest)
    assert list(read_log(address)) == before, "times, data, digests: everything"
    with Session.open(address) as session:
        tell(session, 5)
        session.refresh()
    back = tmp_path / "back.askwise"
    copy_log(address, back)
    assert list(read_log(back)) == list(read_log(address))
    assert list(read_log(back))[: len(before)] == before
    with Session.open(back) as session:
        assert len(session.answers()) == 25
    assert verify(back)
    for target in (labeled, address, back):
        held = list(read_log(target))
        with pytest.raises(BadInput, match="nothing is overwritten"):
            copy_log(labeled, target)
        assert list(read_log(target)) == held


def test_an_altered_session_is_not_copied(labeled: Path, address: str) -> None:
    db = sqlite3.connect(labeled)
    db.execute("DROP TRIGGER append_only_update")
    db.execute("UPDATE events SET data = replace(data, '\"ham\"', '\"spam\"') WHERE kind = 'told'")
    db.commit()
    db.close()
    with pytest.raises(BadStore, match="altered at event"):
        copy_log(labeled, address)
    with pytest.raises(BadStore, match="There is no session"):
        read_log(address)


def test_what_is_no_session_is_not_copied(address: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.askwise"
    odd = SQLiteStore(path)
    odd.append([Event("told", {})])
    odd.close()
    with pytest.raises(BadStore, match="does not begin"):
        copy_log(path, address)
    with pytest.raises(BadStore, match="No session file"):
        copy_log(tmp_path / "none", address)


def test_the_command_line_takes_an_address_for_a_file(
    labeled: Path, server: Server, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*args: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(a) for a in args])
        out, err = capsys.readouterr()
        assert "secret" not in out + err
        return int(end.value.code or 0), out + err

    code, said = run("report", address)
    assert (code, "There is no session at" in said) == (2, True)
    assert run("copy", labeled, address)[0] == 0
    code, said = run("copy", labeled, address)
    assert (code, "nothing is overwritten" in said) == (2, True)
    code, said = run("report", address)
    assert (code, "Grüße" in said) == (0, True)
    assert run("verify", address)[0] == 0
    assert run("export", address, tmp_path / "out.csv")[0] == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 201
    code, said = run("autolabel", address)
    assert f"askwise label {Address.of(address)}" in said
    assert run("copy", address, tmp_path / "back.askwise")[0] == 0
    code, said = run("label", address, "--labels", "a,b", "--terminal")
    assert (code, "cannot change a session that exists" in said) == (2, True)
    code, said = run("report", address.replace(str(server.port), "1"))
    assert (code, "cannot be reached" in said) == (2, True)
    code, said = run("report", address.partition("#")[0])
    assert (code, "names no session" in said) == (2, True)


def test_a_mistake_at_the_beginning_leaves_no_session_behind(
    server: Server, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "mail.csv"
    data.write_text("text\n" + "\n".join(TEXTS))

    def refresh(_: Session) -> bool:
        raise BadInput("something is wrong with the texts")

    monkeypatch.setattr(Session, "refresh", refresh)
    with pytest.raises(SystemExit) as end:
        cli.main(["label", str(data), "--text", "text", "--labels", "ham,spam", "--session", address, "--terminal"])
    assert end.value.code == 2
    assert "something is wrong" in capsys.readouterr().err
    with pytest.raises(BadStore, match="There is no session"):
        read_log(address)


def test_a_dump_restores_to_the_same_logs(server: Server, store: PostgresStore, labeled: Path) -> None:
    copy_log(labeled, store.address)
    # Somebody goes on writing while the dump is made: it holds the log as it was at one moment.
    going_on = threading.Event()

    def write() -> None:
        while not going_on.wait(0.001):
            store.append([Event("flagged", {"row": 1, "note": "", "annotator": "me"})])

    writing = threading.Thread(target=write)
    writing.start()
    dump = server.folder / "dump.sql"
    server.run("pg_dump", "-h", server.folder, "-p", server.port, "-U", "ann", "-f", dump, "team")
    going_on.set()
    writing.join()
    server.sql("DROP DATABASE IF EXISTS restored")
    server.sql("CREATE DATABASE restored OWNER ann")
    server.run(
        "psql", "-h", server.folder, "-p", server.port, "-U", "ann", "-d", "restored", "-q",
        "-v", "ON_ERROR_STOP=1", "-f", dump,
    )  # fmt: skip
    again = server.address(store.address.session, database="restored")
    events = list(read_log(again))
    assert len(events) >= len(read_log(labeled))
    assert events == list(read_log(store.address))[: len(events)]
    restored = PostgresStore(again, must_exist=True)
    assert sorted(set(restored.sessions()) & set(store.sessions())) == restored.sessions()
    assert restored.append([Event("flagged", {"row": 2, "note": "", "annotator": "me"})]) == len(events) + 1
    restored.close()
    with pytest.raises(AssertionError, match="append-only"):
        server.sql("DELETE FROM askwise_events", "restored", "ann")
    assert verify(again)


def test_a_backup_of_a_file_in_use_is_the_log_at_one_moment(labeled: Path, tmp_path: Path) -> None:
    with Session.open(labeled) as session:
        tell(session, 3)
        source = sqlite3.connect(labeled)
        copy = sqlite3.connect(tmp_path / "backup.askwise")
        source.backup(copy)
        for db in (source, copy):
            db.close()
        assert list(read_log(tmp_path / "backup.askwise")) == list(session._store.read())
    shutil.copy(labeled, tmp_path / "closed.askwise")
    for backup in ("backup", "closed"):
        with Session.open(tmp_path / f"{backup}.askwise") as again:
            assert len(again.answers()) == 23
        assert verify(tmp_path / f"{backup}.askwise")


def test_a_memory_store_needs_no_leader() -> None:
    with Session(TEXTS[:30], classes=["ham", "spam"], encoder="tfidf", store=MemoryStore()) as session:
        assert session._ledger.lead()
