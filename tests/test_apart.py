"""Learning in a process of its own: the same rankings, and an end with whoever started it."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from askwise import Session, worker
from askwise import apart as apart_
from askwise.apart import Apart
from askwise.core import Unreachable
from askwise.learners import SoftmaxRegression
from askwise.strategies import get

pytestmark = pytest.mark.usefixtures("linear")

TEXTS = [f"{'nice' if i % 2 else 'not'} thing number {i} {'fine' if i % 3 else 'bad'}" for i in range(300)]


def until(holds: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended and waits to be asked for its status does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def begin(session: Session) -> Apart:
    """Let a session learn apart, without a worker that would refresh when it likes."""
    session._trainer.worker.start = lambda: None  # type: ignore[method-assign]
    session.start(apart=True)
    assert session._trainer.apart is not None
    return session._trainer.apart


def history(session: Session, apart: bool, say: Callable[[Any], str]) -> list[dict[str, Any]]:
    """What the log says of three rankings, but for the times."""
    with session:
        if apart:
            begin(session)
        for _ in range(3):
            for query in session.ask(16):
                session.tell(query, say(query))
            assert session.refresh()
        if apart:
            assert session._trainer.apart is not None
            assert session._trainer.apart.pid is not None, "it learned here"
        compared = session.control()
        guessed = session.guesses_of(list(session.pool.contents[:3])) if session._parts.encoder else None
        ranked = [dict(e.data) for e in session._store.read() if e.kind == "ranked"]
        for one in ranked:
            one["point"] = {k: v for k, v in one.get("point", {}).items() if k not in ("at", "seconds")}
        said = None if guessed is None else str(guessed.signals()["proba"])
        return [*ranked, {"control": compared, "guessed": said}]


@pytest.mark.parametrize(
    "more",
    [
        {"strategy": "auto"},
        {"strategy": "badge"},
        {"strategy": "bald", "overlap": 0.2},
        {"recall": 0.9, "relevant": "nice"},  # sparse features
        {"multilabel": True},
    ],
    ids=str,
)
def test_the_rankings_are_those_of_the_thread(more: dict[str, Any]) -> None:
    here, there = (
        history(Session(TEXTS, classes=["nice", "not"], encoder=None if "recall" in more else "tfidf", seed=5, **more),
                apart, lambda q: q.content.split()[0])
        for apart in (False, True)
    )  # fmt: skip
    assert len(here) == 5
    assert here == there


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_features_that_were_given_travel_once_and_are_mapped(make: Callable[[Any], Any]) -> None:
    X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32) * (np.arange(6) % 2)
    side = {i: "b" if X[i, 1] > 0 else "a" for i in range(200)}
    here, there = (
        history(Session(make(X), classes=["a", "b"], seed=1), apart, lambda q: side[q.row]) for apart in (False, True)
    )
    assert here == there
    with Session(make(X), classes=["a", "b"]) as session:
        apart = begin(session)
        found = session.features()
        part = found.data if sparse.issparse(found) else found
        owner = part
        while isinstance(owner, np.ndarray):
            owner = owner.base
        assert isinstance(owner, mmap.mmap), "it is a copy"
        assert abs(found - X).max() == 0
        folder = apart._folder
        assert folder is not None
        assert folder.is_dir()
    assert not folder.exists(), "its files are gone with it"


def test_a_memory_map_is_not_copied(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    apart = Apart(SoftmaxRegression(), get("margin"), X=np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert np.array_equal(apart.features(), X)
    assert apart._folder is not None
    assert list(apart._folder.iterdir()) == []
    apart.close()


def test_the_encoder_works_there_and_words_are_still_told(tmp_path: Path) -> None:
    store = tmp_path / "s.askwise"
    with Session(TEXTS, classes=["nice", "not"], encoder="tfidf", store=store, seed=2) as session:
        for query in session.ask(20):
            session.tell(query, query.content.split()[0])
        session.refresh()
        expected, features = session.guesses_of(["a nice thing"]), session.features()
    with Session.open(store) as session:
        begin(session)
        assert session.guesses_of(["a nice thing"]) is None, "no model yet"
        session.refresh()
        assert np.array_equal(session.features(), features)
        assert session._parts.encoder._axes is None, "it was fitted there"
        found = session.guesses_of(["a nice thing"])
        assert np.array_equal(found.signals()["proba"], expected.signals()["proba"])


def test_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session(TEXTS, classes=["nice", "not"], encoder="tfidf", apart=True) as session:
        assert session._parts.encoder._axes is None, "it was fitted there"
        assert session.ask()[0].strategy == "hint"
        apart = session._trainer.apart
        assert apart is not None
        pid, folder = apart.pid, apart._folder
        assert pid is not None
        assert folder is not None
    assert not alive(pid)
    assert not folder.exists()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="cannot encode 300 items"):
        Session(TEXTS, classes=["nice", "not"], encoder=Broken(), apart=True)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_where_it_is_killed_the_next_round_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.2)
    with Session(TEXTS, classes=["nice", "not"], encoder="tfidf") as session:
        session.start(apart=True)
        for query in session.ask(20):
            session.tell(query, query.content.split()[0])
        until(lambda: session.counts()["round"], "no ranking")
        until(lambda: not session._trainer.stale(), "no ranking of all answers")
        assert session._trainer.apart is not None
        first = session._trainer.apart.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: not alive(first), "it lives")
        with pytest.raises(Unreachable, match=r"ended .signal 9, perhaps by the system for want of memory"):
            session._trainer.apart.learn(None)  # type: ignore[arg-type]
        before = session.counts()["round"]
        for query in session.ask(5):
            session.tell(query, query.content.split()[0])
        until(lambda: session.counts()["round"] > before, "no ranking after it was killed")
        assert session._trainer.apart.pid not in (None, first)
        assert session.worker_error is None


def labeled(session: Session, answers: int) -> None:
    for query in session.ask(answers):
        session.tell(query, query.content.split()[0])


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
def test_where_it_hangs_it_is_replaced_and_answers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.2)
    monkeypatch.setattr(apart_, "SILENCE", 3.0)
    monkeypatch.setattr(apart_, "STARTING", 40.0)
    with Session(TEXTS, classes=["nice", "not"], encoder="tfidf") as session:
        session.start(apart=True)
        labeled(session, 20)
        until(lambda: session.counts()["round"] and not session._trainer.stale(), "no ranking of all answers")
        assert session._trainer.apart is not None
        first = session._trainer.apart.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        before = session.counts()["round"]
        labeled(session, 5)
        until(lambda: session.worker_error is not None, "nobody noticed")
        assert re.search("no sign of life for 3 seconds", str(session.worker_error))
        assert not alive(first)
        labeled(session, 5)
        assert session.counts()["labeled"] == 30, "answers are taken meanwhile"
        until(lambda: session.counts()["round"] > before and session.worker_error is None, "it was not replaced")
        assert session._trainer.apart.pid not in (None, first)
        assert session._trainer.apart._grace == 1.0


def forever() -> None:
    """Work without end, in Python: the process is alive."""
    while True:
        pass


def stuck() -> None:
    """Hold the interpreter, as code in C may: nothing else of the process runs."""
    ctypes.PyDLL(None).sleep(600)  # unlike CDLL it keeps the lock


@pytest.mark.skipif(sys.platform == "win32", reason="sleep() of the C library")
@pytest.mark.parametrize(
    ("task", "says"), [(forever, "took longer than 2 seconds"), (stuck, "no sign of life for 2 s")]
)
def test_what_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch, task: Callable[[], None], says: str) -> None:
    X = np.zeros((20, 2), np.float32)
    monkeypatch.setattr(apart_, "STARTING", 60.0)
    process = Apart(SoftmaxRegression(), get("margin"), X=X)
    process.compute(abs, -1)
    monkeypatch.setattr(apart_, "SILENCE" if task is stuck else "PATIENCE", 2.0)
    monkeypatch.setattr(apart_, "TIMES", 0.0)
    pid = process.pid
    assert pid is not None
    with pytest.raises(Unreachable, match=says):
        process.compute(task)
    assert not alive(pid)
    monkeypatch.setattr(apart_, "SILENCE", 60.0)
    monkeypatch.setattr(apart_, "PATIENCE", 60.0)
    assert process.compute(abs, -1) == 1, "the next one answers"
    process.close()


def test_what_works_long_and_shows_life_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart_, "BEAT", 0.1)
    monkeypatch.setattr(apart_, "STARTING", 60.0)
    process = Apart(SoftmaxRegression(), get("margin"), X=np.zeros((20, 2), np.float32))
    pid = process.compute(os.getpid)
    monkeypatch.setattr(apart_, "SILENCE", 2.0)
    process.compute(time.sleep, 5)
    assert process.pid == pid
    process.close()


SCRIPT = """
import sys, time
from askwise import Session
texts = [f"{'nice' if i % 2 else 'not'} thing {i}" for i in range(300)]
session = Session(texts, classes=["nice", "not"], encoder="tfidf")
session.start(apart=True)
for query in session.ask(20):
    session.tell(query, query.content.split()[0])
while session._trainer.stale():
    time.sleep(0.01)
print(session._trainer.apart.pid, session._trainer.apart._folder, flush=True)
for query in session.ask(5):
    session.tell(query, query.content.split()[0])
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_one_that_started_it(how: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    pid, folder = process.stdout.readline().split()
    assert alive(int(pid))
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as the terminal does
    else:
        process.send_signal(how)
    _, said = process.communicate(timeout=60)  # ends when nobody holds its streams
    until(lambda: not alive(int(pid)), "it outlived the one that started it")
    until(lambda: not Path(folder).exists(), "its files are left behind")
    assert said.count("Traceback") == (how == signal.SIGINT), "only the script's own"


class Broken:
    """Encodes nothing."""

    name = "broken"

    def encode(self, items: Any) -> Any:
        raise ValueError(f"cannot encode {len(items)} items")


def reopened(store: Path, encoder: Any) -> Session:
    """A session with an encoder of one's own, not encoded yet."""
    Session(TEXTS, classes=["nice", "not"], encoder=Fine("own"), store=store).close()
    return Session.open(store, encoder=encoder)


class Fine:
    """An encoder of one's own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def encode(self, items: Any) -> Any:
        return np.array([[len(item), item.startswith("nice")] for item in items], np.float32)


def test_an_error_there_is_raised_here_as_what_it_is(tmp_path: Path) -> None:
    broken = Broken()
    broken.name = "own"
    with reopened(tmp_path / "s.askwise", broken) as session:
        begin(session)
        for _ in range(4):
            (query,) = session.ask()  # several at a time are chosen together, for which they must be encoded
            session.tell(query, query.content.split()[0])
        with pytest.raises(ValueError, match="cannot encode 300 items") as caught:
            session.refresh()
        assert "in encode" in caught.value.__notes__[0], "with the place where it happened"


def test_what_cannot_travel_stays_and_a_notice_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Local(Fine):
        """Found by no other process."""

    with reopened(tmp_path / "s.askwise", Local("own")) as session:
        begin(session)
        for query in session.ask(8):
            session.tell(query, query.content.split()[0])
        assert session.refresh()
        assert session._trainer.apart is None
        assert session.counts()["round"] == 1
    said = capsys.readouterr().err
    assert "trained inside the server" in said
    assert "Local" in said
