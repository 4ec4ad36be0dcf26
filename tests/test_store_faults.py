"""What happens to a session's file while it is open: nothing is acknowledged that is not in it, and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise import Session
from askwise import report as pages
from askwise.core import AskwiseError, BadInput, BadStore, CannotWrite, Event, Unreachable
from askwise.export import whole, write_table
from askwise.pool import load_pool
from askwise.store import SQLiteStore, StillStore, copy_log, read_log
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

TOKEN = "a-token-of-some-length"
TEXTS = [f"{'nice' if i % 2 else 'not'} thing number {i}" for i in range(200)]
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def mounted(folder: Path, *options: str) -> bool:
    """A small disk of its own at a folder, where this account may mount one."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True)
    return done.returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    place = tmp_path / "disk"
    if not (ROOT and shutil.which("mount") and mounted(place, "-o", "size=2m")):
        pytest.skip("this account cannot mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def begun(path: Path) -> Session:
    session = Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=path)
    session._store._db.execute("PRAGMA busy_timeout=200")  # type: ignore[attr-defined] # a test does not wait as people do
    return session


def say(session: Session, n: int = 1) -> list[str]:
    """Answer n questions; the items that were acknowledged."""
    done = []
    for query in session.ask(n):
        session.tell(query, query.content.split()[0])
        done.append(query.item)
    return done


def told(path: Path) -> list[int]:
    return [e.data["row"] for e in read_log(path) if e.kind == "told"]


# ── faults, each with what mends it ─────────────────────────────────────────────────────────


class Fault:
    """Something that happens to the file of an open session."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.aside = path.with_name("aside")

    def strike(self) -> None:
        raise NotImplementedError

    def mend(self) -> None:
        raise NotImplementedError


class Moved(Fault):
    def strike(self) -> None:
        self.path.rename(self.aside)

    def mend(self) -> None:
        self.aside.rename(self.path)


class Copied(Moved):
    """It comes back as a copy, with what lies beside it: another file with the same log."""

    def mend(self) -> None:
        shutil.copyfile(self.aside, self.path)


class Deleted(Fault):
    """It is deleted with all that is beside it; a copy of the moment before comes back."""

    def strike(self) -> None:
        copy_log(self.path, self.aside)
        for beside in self.path.parent.glob(f"{self.path.name}*"):
            beside.unlink()

    def mend(self) -> None:
        shutil.copyfile(self.aside, self.path)


class Older(Fault):
    """A backup that lacks the last answers is put in its place."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        copy_log(path, self.aside)

    def strike(self) -> None:
        self.path.unlink()

    def mend(self) -> None:
        self.aside.replace(self.path)


class Replaced(Fault):
    """Another session lies there."""

    def strike(self) -> None:
        other = self.path.with_name("other")
        Session([*TEXTS, "more"], classes=["a", "b"], encoder="tfidf", store=other).close()
        self.path.rename(self.aside)
        other.replace(self.path)

    def mend(self) -> None:
        self.aside.replace(self.path)


class NoFolder(Fault):
    def strike(self) -> None:
        self.path.parent.rename(self.path.parent.with_name("elsewhere"))

    def mend(self) -> None:
        self.path.parent.with_name("elsewhere").rename(self.path.parent)


class NoWal(Fault):
    """Somebody cleans up: the newest answers are in the files that go."""

    def strike(self) -> None:
        for beside in ("-wal", "-shm"):
            found = self.path.with_name(self.path.name + beside)
            found.rename(found.with_name("kept" + beside))
        self.path.chmod(0o400)
        self.path.rename(self.aside)  # else it is mended at once

    def mend(self) -> None:
        self.path.unlink(missing_ok=True)
        self.aside.rename(self.path)


class Locked(Fault):
    def strike(self) -> None:
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.other.execute("BEGIN IMMEDIATE")

    def mend(self) -> None:
        self.other.close()


FAULTS = [Moved, Copied, Deleted, Older, Replaced, NoFolder, NoWal, Locked]


@pytest.mark.parametrize("kind", FAULTS)
def test_python_says_it_and_goes_on_when_it_is_mended(tmp_path: Path, kind: type[Fault]) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "s.askwise"
    session = begun(path)
    done = say(session, 3)
    fault = kind(path)
    done += say(session, 3)
    queries = session.ask(2)
    fault.strike()
    for _ in range(2):
        with pytest.raises(Unreachable) as caught:
            session.tell(queries[0], "nice")
        assert "Traceback" not in str(caught.value)
        assert str(path) in str(caught.value)
    assert session.counts()["labeled"] == 6
    fault.mend()
    for query in queries:
        session.tell(query, "nice")
    done += [q.item for q in queries] + say(session, 2)
    rows = [session.pool.ids.index(item) for item in done]
    session.close()
    assert told(path) == rows
    assert verify(path).ok
    with Session.open(path) as again:
        assert again.counts()["labeled"] == 10


@pytest.mark.parametrize("kind", FAULTS)
def test_the_server_says_503_and_takes_it_when_it_is_mended(tmp_path: Path, kind: type[Fault]) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "s.askwise"
    session = begun(path)
    client = browser(session)
    rows = [hand_in(client) for _ in range(4)]
    fault = kind(path)
    body = question(client)
    fault.strike()
    for verb in ("tell", "skip", "unsure", "flag", "retract", "ask"):
        item = session.pool.ids[rows[-1]] if verb == "retract" else body["item"]
        changed = {"note": "x", "key": uuid.uuid4().hex, "want": 20, "item": item}
        reply = client.post(f"/api/v1/{verb}", json=body | changed)
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5"), (verb, reply.text)
        assert str(path) in reply.json()["error"]
    assert client.get("/report").status_code == 200, "what is known can still be looked at"
    assert client.get("/api/v1/export").status_code == 200
    fault.mend()
    reply = client.post("/api/v1/tell", json=body | {"again": True})
    assert reply.status_code == 200, reply.text
    rows += [session.pool.ids.index(body["item"]), hand_in(client)]
    session.close()
    assert told(path) == rows


def browser(session: Session) -> Any:
    from starlette.testclient import TestClient

    from askwise.app.server import create_app

    return TestClient(
        create_app(session, token=TOKEN), base_url="http://127.0.0.1:1", headers={"x-askwise-token": TOKEN},
        raise_server_exceptions=False,
    )  # fmt: skip


def question(client: Any) -> dict[str, Any]:
    (q, *_) = client.post("/api/v1/ask", json={"tab": "t", "want": 1}).json()["next"]
    return {
        "tab": "t", "want": 0, "key": uuid.uuid4().hex, "item": q["item"], "asked": q["asked"],
        "label": q["text"].split()[0],
    }  # fmt: skip


def hand_in(client: Any) -> int:
    """Answer a question; its row."""
    body = question(client)
    reply = client.post("/api/v1/tell", json=body)
    assert reply.status_code == 200, reply.text
    return ROWS[body["item"]]


ROWS = {item: row for row, item in enumerate(load_pool(TEXTS).ids)}


# ── one by one ──────────────────────────────────────────────────────────────────────────────


def test_a_file_cut_short_is_noticed_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    session = begun(path)
    say(session, 5)
    os.truncate(path, 4096)
    left = path.read_bytes()
    with pytest.raises(Unreachable, match="cut short"):
        say(session)
    session.close()
    assert path.read_bytes() == left, "nothing is written into what is left"


def test_what_lay_in_the_wal_is_saved_when_it_is_swept_away(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    session = begun(path)
    done = say(session, 5)
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink()
    done += say(session, 3)
    assert told(path) == [ROWS[item] for item in done], "read by another one, while it is open"
    session.close()
    assert told(path) == [ROWS[item] for item in done]
    assert verify(path).ok


def test_closing_takes_nothing_away_from_a_file_that_replaced_it(tmp_path: Path) -> None:
    """SQLite removes what lies beside a file by its name, whosever it is."""
    path, other = tmp_path / "s.askwise", tmp_path / "other"
    session = begun(path)
    say(session, 2)
    newer = Session([*TEXTS, "more"], classes=["nice", "not"], encoder="tfidf", store=other)
    rows = [newer.pool.ids.index(item) for item in say(newer, 4)]
    for beside in ("", "-wal", "-shm"):  # with events that are in its -wal alone, as after a crash
        shutil.copyfile(other.with_name(other.name + beside), tmp_path / f"copy{beside}")
    for beside in ("", "-wal", "-shm"):
        (tmp_path / f"copy{beside}").replace(path.with_name(path.name + beside))
    with pytest.raises(Unreachable, match="Another session"):
        say(session)
    session.close()
    newer.close()
    assert told(path) == rows


def test_a_full_disk_says_so_and_loses_nothing(disk: Path) -> None:
    path = disk / "s.askwise"
    session = begun(path)
    client = browser(session)
    rows = [hand_in(client) for _ in range(3)]
    body = question(client)
    filler = disk / "filler"
    fill(filler)
    reply = client.post("/api/v1/tell", json=body)
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5"), reply.text
    assert "full" in reply.json()["error"]
    reply = client.post("/api/v1/tell", json=body | {"again": True})
    assert reply.status_code == 503
    table = client.get("/api/v1/export")  # the table is written elsewhere, the log cannot say so
    assert (table.status_code, len(table.text.splitlines())) == (200, len(TEXTS) + 1)
    assert client.get("/report").status_code == 200
    filler.unlink()
    assert client.post("/api/v1/tell", json=body | {"again": True}).status_code == 200
    rows += [ROWS[body["item"]], hand_in(client)]
    session.close()
    assert told(path) == rows
    assert verify(path).ok


def fill(filler: Path) -> None:
    """Use up what is free on a disk."""
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


def test_a_full_disk_is_the_same_where_none_can_be_mounted(tmp_path: Path) -> None:
    """SQLite is told that the file may not grow: the same error, at another place of the same transaction."""
    path = tmp_path / "s.askwise"
    session = begun(path)
    done = say(session, 3)
    (pages_now,) = session._store._db.execute("PRAGMA page_count").fetchone()
    session._store._db.execute(f"PRAGMA max_page_count={pages_now}")
    queries = session.ask(1)
    with pytest.raises(Unreachable, match="disk is full"):
        flag_often(session, queries[0])
    assert not session._store._db.in_transaction
    session._store._db.execute("PRAGMA max_page_count=1000000")
    done += say(session, 3)
    session.close()
    assert told(path) == [ROWS[item] for item in done]
    assert verify(path).ok


def flag_often(session: Session, query: Any) -> None:
    for _ in range(500):
        session.flag(query, "x" * 5000)


def test_a_commit_that_fails_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.askwise"
    store = SQLiteStore(path)
    store.append([Event("opened", {})])

    class Failing:
        """The connection, whose COMMIT fails once."""

        def __init__(self, db: sqlite3.Connection) -> None:
            self.db, self.fails = db, True

        def execute(self, sql: str, *args: Any) -> Any:
            if sql == "COMMIT" and self.fails:
                self.fails = False
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
                raise error
            return self.db.execute(sql, *args)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.db, name)

    monkeypatch.setattr(store, "_db", Failing(store._db))
    with pytest.raises(Unreachable, match="disk or the network drive fails"):
        store.append([Event("flagged", {"n": 1})])
    assert store.append([Event("flagged", {"n": 2})]) == 2
    assert [e.data.get("n") for e in store.read()] == [None, 2]
    store.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY, Unreachable), (sqlite3.SQLITE_BUSY_SNAPSHOT, Unreachable),
        (sqlite3.SQLITE_LOCKED, Unreachable), (sqlite3.SQLITE_FULL, Unreachable),
        (sqlite3.SQLITE_IOERR_WRITE, Unreachable), (sqlite3.SQLITE_CANTOPEN, Unreachable),
        (sqlite3.SQLITE_READONLY, Unreachable), (sqlite3.SQLITE_READONLY_DBMOVED, Unreachable),
        (sqlite3.SQLITE_NOMEM, Unreachable), (sqlite3.SQLITE_CORRUPT, BadStore), (sqlite3.SQLITE_NOTADB, BadStore),
    ],
)  # fmt: skip
def test_surroundings_and_contents_are_told_apart(code: int, kind: type[Exception]) -> None:
    from askwise.store import trouble

    error = sqlite3.OperationalError("no")
    error.sqlite_errorcode = code
    found = trouble("The file", error)
    assert isinstance(found, kind)
    assert isinstance(found, Unreachable) == (kind is Unreachable)


def test_every_error_of_ours_has_a_status_that_a_page_keeps_its_answers_for() -> None:
    from askwise.app import faults
    from askwise.core import Conflict, ContractError, MissingExtra

    codes = {kind: faults.reply(kind("x")).status_code for kind in (
        AskwiseError, BadInput, BadStore, Unreachable, CannotWrite, Conflict, ContractError, MissingExtra,
    )}  # fmt: skip
    assert codes == {
        AskwiseError: 400, BadInput: 400, MissingExtra: 400, Conflict: 409, ContractError: 500, BadStore: 503,
        Unreachable: 503, CannotWrite: 503,
    }  # fmt: skip
    for number in (errno.ENOSPC, errno.EMFILE, errno.EROFS, errno.EIO):
        reply = faults.of_system(OSError(number, "no", "/secret/place/file"))
        assert reply is not None
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
        assert b"/secret" not in reply.body
    assert faults.of_system(OSError(errno.ECONNRESET, "x")) is None


# ── looking at what cannot be written ───────────────────────────────────────────────────────


@pytest.mark.parametrize("crashed", [False, True], ids=["closed", "with a -wal that nobody folded back"])
def test_a_read_only_disk_can_be_reported_exported_and_verified(disk: Path, tmp_path: Path, crashed: bool) -> None:
    path = disk / "s.askwise"
    session = begun(path)
    done = say(session, 5)
    if crashed:
        for beside in ("", "-wal"):
            shutil.copyfile(f"{path}{beside}", disk / f"copy{beside}")
    session.close()
    if crashed:
        for beside in ("", "-wal"):
            (disk / f"copy{beside}").replace(f"{path}{beside}")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    before = sorted(disk.iterdir())
    assert len(told(path)) == 5
    assert verify(path).ok
    with Session.open(path) as still:
        assert "read-only" in still.still
        assert still.counts()["labeled"] == 5
        out = tmp_path / "out.csv"
        assert still.export(out) == len(TEXTS)
        assert pages.write_html(still.report(), tmp_path / "out.html").exists()
        with pytest.raises(CannotWrite, match="Read-only"):
            still.export(disk / "out.csv")
        with pytest.raises(Unreachable, match="read-only"):
            still.start()
        with pytest.raises(Unreachable, match="read-only"):
            say(still)
        with pytest.raises(Unreachable, match="read-only"):
            still.flag(done[0])
    assert sorted(disk.iterdir()) == before
    for command in (["report"], ["export", str(tmp_path / "cli.csv")], ["verify"]):
        verb, *more = command
        ran = cli(verb, str(path), *more)
        assert ran.returncode == 0, ran.stderr
        assert "Traceback" not in ran.stderr
    ran = cli("label", str(path), "--no-browser")
    assert (ran.returncode, "read-only" in ran.stderr, "Traceback" in ran.stderr) == (2, True, False)


def cli(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "askwise", *args], capture_output=True, text=True, timeout=120)


def test_a_session_that_is_looked_at_is_a_store_like_others(tmp_path: Path) -> None:
    store = StillStore([Event("opened", {}, 1.0, 1), Event("flagged", {}, 2.0, 2)], "it is read-only")
    assert [e.seq for e in store.read(1)] == [2]
    with pytest.raises(Unreachable, match="read-only"):
        store.append([Event("x", {})])
    store.close()


# ── files that are written ──────────────────────────────────────────────────────────────────


def test_an_export_on_a_full_disk_leaves_what_was_there(disk: Path, tmp_path: Path) -> None:
    session = begun(tmp_path / "s.askwise")
    say(session, 2)
    for name in ("t.csv", "t.jsonl", "t.tsv"):
        (disk / name).write_text("what was there")
    fill(disk / "filler")
    for name in ("t.csv", "t.jsonl", "t.tsv"):
        with pytest.raises(CannotWrite, match="No space left"):
            session.export(disk / name)
        assert (disk / name).read_text() == "what was there"
    with pytest.raises(CannotWrite, match="No space left"):
        pages.write_html(session.report(), disk / "report.html")
    assert not (disk / "report.html").exists()
    assert not [p for p in disk.iterdir() if p.name.startswith(".")], "no half of a file is left"
    ran = cli("export", str(tmp_path / "s.askwise"), str(disk / "t.csv"))
    assert (ran.returncode, "Traceback" in ran.stderr) == (2, False)
    session.close()


def test_an_export_whose_log_cannot_be_written_is_still_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.askwise"
    session = begun(path)
    path.rename(tmp_path / "aside")
    assert session.export(tmp_path / "t.csv") == len(TEXTS)
    assert "is written, but the session's log does not say so" in capsys.readouterr().err
    session.close()


def test_files_have_the_mode_that_the_umask_leaves_and_nobody_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("changed for every thread of the process"))
        write_table([{"a": 1}], tmp_path / "t.csv")
        with whole(tmp_path / "w.txt") as file:
            file.write("ü\n")
        monkeypatch.undo()
    finally:
        os.umask(before)
    for name in ("t.csv", "w.txt"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "w.txt").read_bytes() == "ü\n".encode()


def test_no_source_changes_the_umask() -> None:
    import askwise

    for path in Path(askwise.__file__).parent.rglob("*.py"):
        assert "os.umask" not in path.read_text(encoding="utf-8"), path


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path, by: float) -> None:
        with whole(path) as file:
            file.write(f"half {1 / by}")

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "w.txt", 0.0)
    with pytest.raises(CannotWrite, match="choose another"):
        write(tmp_path / "no" / "w.txt", 1.0)
    assert list(tmp_path.iterdir()) == []


# ── text that no file can keep ──────────────────────────────────────────────────────────────

HALF = "\ud83d"


@pytest.mark.parametrize("store", ["file", None])
def test_half_a_character_is_refused_in_a_sentence(tmp_path: Path, store: str | None) -> None:
    path = tmp_path / "s.askwise"
    session = Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=path if store else None)
    (query,) = session.ask(1)
    for act in (
        lambda: session.flag(query, f"a {HALF} b"),
        lambda: session.tell(query, "nice", annotator=HALF),
        lambda: session.add_class(HALF),
    ):
        with pytest.raises(BadInput, match="half of a character"):
            act()
    session.tell(query, "nice")
    assert session.counts()["labeled"] == 1
    session.close()


@pytest.mark.parametrize("bad", [HALF, "a\x00b"], ids=["half a character", "NUL"])
@pytest.mark.parametrize("verb", ["tell", "skip", "unsure", "flag", "retract", "ask", "classes"])
def test_a_field_that_no_file_can_keep_is_a_400_with_a_sentence(tmp_path: Path, verb: str, bad: str) -> None:
    import json

    session = begun(tmp_path / "s.askwise")
    client = browser(session)
    good = question(client)
    for field in {"classes": ["name"], "ask": ["tab", "have"]}.get(
        verb, ["tab", "have", "key", "item", "note", "label"]
    ):
        value = [bad] if field == "have" else bad
        body = json.dumps(good | {"key": uuid.uuid4().hex, field: value})
        reply = client.post(f"/api/v1/{verb}", content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code == 400, (field, reply.text)
        assert "half of a character" in reply.json()["error"] or "NUL" in reply.json()["error"]
    for body in (f'{{"tab": "{HALF}', f'["{HALF}"]', f'{{"{HALF}": 1}}'):
        sent = body.encode("utf-8", "surrogatepass")
        reply = client.post(f"/api/v1/{verb}", content=sent, headers={"Content-Type": "application/json"})
        assert (reply.status_code, "error" in reply.json()) == (400, True)
    session.close()


def test_one_key_for_two_acts_is_two_acts(tmp_path: Path) -> None:
    session = begun(tmp_path / "s.askwise")
    client = browser(session)
    body = question(client)
    assert client.post("/api/v1/tell", json=body).status_code == 200
    assert client.post("/api/v1/retract", json=body).json()["query"]["item"] == body["item"]
    session.close()


# ── several at once ─────────────────────────────────────────────────────────────────────────


def test_people_answer_while_the_file_goes_and_comes(tmp_path: Path) -> None:
    """Whatever was acknowledged to anybody is in the file at the end, once."""
    path, aside = tmp_path / "s.askwise", tmp_path / "aside"
    session = begun(path)
    over, acknowledged, refused = threading.Event(), [], []

    def answer(name: str) -> None:
        while not over.is_set():
            try:
                for query in session.ask(1, annotator=name):
                    session.tell(query, "nice", annotator=name)
                    acknowledged.append(query.row)
            except Unreachable as error:
                refused.append(error)
            time.sleep(0.02)  # else all is answered before the file goes

    threads = [threading.Thread(target=answer, args=(name,)) for name in ("ann", "ben", "eve")]
    for thread in threads:
        thread.start()
    for _ in range(5):
        time.sleep(0.05)
        path.rename(aside)
        time.sleep(0.05)
        aside.rename(path)
    time.sleep(0.1)
    over.set()
    for thread in threads:
        thread.join(30)
    session.close()
    assert refused
    found = told(path)
    assert set(acknowledged) <= set(found)
    assert verify(path).ok


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────


def test_postgres_that_is_down_is_503_and_goes_on_when_it_is_back(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from askwise.store import postgres

    monkeypatch.setattr(postgres, "PATIENCE", 0.5)
    monkeypatch.setattr(postgres, "BETWEEN", 0.3)
    where = server.address("faults")
    session = Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=where)
    client = browser(session)
    rows = [hand_in(client) for _ in range(3)]
    body = question(client)
    server.control("stop", "immediate")
    try:
        began = time.monotonic()
        for _ in range(10):  # the first one looks for it, those behind do not wait each in its turn
            reply = client.post("/api/v1/tell", json=body)
            assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5"), reply.text
            assert "What was saved is safe" in reply.json()["error"]
        assert time.monotonic() - began < 8
    finally:
        server.control("start")
    deadline = time.monotonic() + 20
    while (reply := client.post("/api/v1/tell", json=body | {"again": True})).status_code != 200:
        assert time.monotonic() < deadline, reply.text
        time.sleep(0.1)
    rows += [ROWS[body["item"]], hand_in(client)]
    assert [e.data["row"] for e in read_log(where) if e.kind == "told"] == rows
    # It ends the connection while something is under way, and takes nothing as a standby does.
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'askwise'")
    rows.append(hand_in(client))
    body = question(client)
    server.sql("ALTER DATABASE team SET default_transaction_read_only = on")
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'askwise'")
    try:
        reply = client.post("/api/v1/tell", json=body)
        assert (reply.status_code, "read-only" in reply.text) == (503, True), reply.text
    finally:
        server.sql("ALTER DATABASE team RESET default_transaction_read_only")
    time.sleep(0.4)
    reply = client.post("/api/v1/tell", json=body | {"again": True})
    assert reply.status_code == 200, reply.text
    rows.append(ROWS[body["item"]])
    assert [e.data["row"] for e in read_log(where) if e.kind == "told"] == rows
    session.close()


@pytest.mark.parametrize("code", ["53100", "53300", "57014", "55P03", "40001", "40P01", "25006", "58030", "08006"])
def test_codes_of_the_surroundings(server: Any, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from psycopg import errors

    from askwise.store import postgres
    from askwise.store.postgres import PostgresStore

    monkeypatch.setattr(postgres, "PATIENCE", 0.0)
    store = PostgresStore(server.address(f"code-{code}"))

    def fail(_: Any) -> None:
        raise errors.lookup(code)("no")

    with pytest.raises(Unreachable):
        store._do(fail)
    store.close()


def test_accounts_in_a_database_that_is_away_are_503(tmp_path: Path) -> None:
    """A team's server whose accounts are locked says so at its door, and does not end the login."""
    pytest.importorskip("argon2", reason="the extra `team` is not installed")
    from starlette.testclient import TestClient

    from askwise.app import schema
    from askwise.app.accounts import Accounts
    from askwise.app.hooks import Webhooks
    from askwise.app.project import Project
    from askwise.app.roles import OWNER
    from askwise.app.team import Team, create_team_app

    accounts = Accounts(tmp_path / "team.sqlite")
    session = begun(tmp_path / "s.askwise")
    team = Team(accounts, Webhooks(accounts.engine), {"mail": Project(session, team=True)})
    client = TestClient(create_team_app(team), base_url="http://127.0.0.1", raise_server_exceptions=False)
    client.headers["origin"] = "http://127.0.0.1"
    secret = accounts.invite(OWNER, by="test")[1]
    joined = client.post("/api/v1/join", json={"secret": secret, "name": "ann", "password": "four words in a row"})
    assert joined.status_code == 200
    ask = {"tab": "t", "want": 1}
    assert client.post("/p/mail/api/v1/ask", json=ask).status_code == 200

    @schema.sa.event.listens_for(accounts.engine, "before_cursor_execute")
    def away(*_: object) -> None:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise schema.trouble("The accounts", error)

    for call in (
        lambda: client.post("/p/mail/api/v1/ask", json=ask),
        lambda: client.get("/api/v1/me"),
        lambda: client.post("/api/v1/login", json={"name": "ann", "password": "four words in a row"}),
    ):
        reply = call()
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5"), reply.text
        assert "Another program holds it" in reply.json()["error"]
    schema.sa.event.remove(accounts.engine, "before_cursor_execute", away)
    assert client.post("/p/mail/api/v1/ask", json=ask).status_code == 200
    session.close()
    accounts.close()


def test_what_the_accounts_database_says_is_told_apart(tmp_path: Path) -> None:
    pytest.importorskip("argon2", reason="the extra `team` is not installed")
    import sqlalchemy as sa

    from askwise.app import schema

    engine = schema.connect(tmp_path / "team.sqlite")
    (pages_now,) = engine.connect().exec_driver_sql("PRAGMA page_count").one()

    @sa.event.listens_for(engine, "connect")
    def small(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages_now + 1}")

    engine.dispose()

    def write_often() -> None:
        for number in range(1000):
            with schema.writing(engine) as db:
                db.execute(schema.about.insert().values(key=str(number), value="x" * 1000))

    with pytest.raises(Unreachable, match="disk is full"):
        write_often()
    with pytest.raises(sa.exc.IntegrityError), schema.writing(engine) as db:  # the caller's own business
        db.execute(schema.about.insert().values(key="format", value="1"))
    engine.dispose()
