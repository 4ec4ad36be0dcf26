"""What is said while long work runs: in the terminal, on the page, across processes."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from askwise import notices
from askwise.app import waiting as door
from askwise.app.projects import Intake, create_new
from askwise.app.waiting import Waiting
from askwise.notices import Work
from askwise.session import Session

pytestmark = pytest.mark.usefixtures("linear")

TEXTS = [f"{'good happy' if i % 2 else 'bad sad'} thing number {i}" for i in range(40)]


@pytest.fixture
def heard():
    said: list[Work] = []
    with notices.following(said.append):
        yield said


@pytest.fixture
def at_once(monkeypatch):
    """No silence at the beginning, and lines close together."""
    monkeypatch.setattr(notices, "QUIET", 0.05)
    monkeypatch.setattr(notices, "LINE_EVERY", 0.05)
    monkeypatch.setattr(notices, "TELL_EVERY", 0.0)
    monkeypatch.setattr(notices, "_lines", True)


class SlowEncoder:
    """Tells how far it is, one item after the other."""

    name = "slow"

    def encode(self, items):
        found = np.zeros((len(items), 4), np.float32)
        with notices.progress("reading slowly", len(items)) as advance:
            for row, text in enumerate(items):
                time.sleep(0.005)
                found[row] = [len(text), "good" in text, "bad" in text, 1]
                advance(1)
        return found


# ── numbers ─────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 10**6), st.booleans(), st.booleans())
def test_rate_and_time_left_follow_from_what_is_done(done, total, seconds, ended, size):
    work = Work("encoding", min(done, total) if total else done, total, seconds, ended, size)
    assert work.sentence.startswith("encoding: ")
    if work.left is not None:
        assert work.left >= 0
        assert work.rate is not None
        assert work.done + work.left * work.rate == pytest.approx(work.total)
    if work.total and work.done == work.total:
        assert "left" not in work.sentence


def test_work_in_words():
    assert (
        Work("encoding", 12_000, 30_000, 30.0).sentence == "encoding: 12,000 of 30,000, 400 a second, about 45 s left"
    )
    assert Work("training", 0, 0, 4.4).sentence == "training: 4 s so far"
    assert Work("model", 5 * 10**6, 10**7, 10.0, bytes=True).sentence == (
        "model: 5.0 MB of 10.0 MB, 0.5 MB a second, about 10 s left"
    )


# ── the terminal ────────────────────────────────────────────────────────────────────────────


def test_nothing_is_said_of_what_is_quick(capsys):
    with notices.progress("encoding", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_long_work_is_said_in_lines_where_there_is_no_terminal(capsys, at_once):
    with notices.progress("encoding", 100) as advance:
        for _ in range(4):
            advance(10)
            time.sleep(0.1)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert 2 <= len(lines) <= 10
    assert all(line.startswith("askwise: encoding: ") for line in lines)
    assert "of 100" in lines[-1]
    assert "left" in lines[-1]


def test_a_program_that_uses_us_reads_nothing_it_did_not_ask_for(capsys, at_once, monkeypatch):
    monkeypatch.setattr(notices, "_lines", False)
    with notices.progress("encoding", 3):
        time.sleep(0.2)
    assert capsys.readouterr() == ("", "")


def test_of_work_within_work_only_the_inner_is_said(capsys, at_once):
    with notices.progress("outer"), notices.progress("inner", 3):
        assert notices.now().title == "inner"
        time.sleep(0.2)
    assert "outer" not in capsys.readouterr().err
    assert notices.now() is None


def test_the_terminal_can_be_left_in_peace(capsys, at_once):
    notices.quiet()
    try:
        with notices.progress("encoding", 3):
            time.sleep(0.1)
    finally:
        notices.quiet(False)
    assert capsys.readouterr().err == ""


def test_work_that_fails_is_over(heard):
    with pytest.raises(ZeroDivisionError), notices.progress("encoding", 3):
        raise ZeroDivisionError
    assert notices.now() is None
    assert heard[-1].ended


# ── what takes long says so ─────────────────────────────────────────────────────────────────


def test_everything_that_may_take_long_says_how_far_it_is(tmp_path, heard):
    from askwise.store import copy_log
    from askwise.verification import verify

    data = tmp_path / "mail.csv"
    data.write_text("text\n" + "\n".join(TEXTS))
    with Session(
        str(data), text="text", classes=["bad", "good"], encoder="tfidf", store=tmp_path / "a.askwise"
    ) as session:
        for i in range(8):
            session.tell(session.pool.ids[i], ["bad", "good"][i % 2])
        session.refresh()
        session.export(tmp_path / "out.csv")
        session.report()
    verify(tmp_path / "a.askwise")
    copy_log(tmp_path / "a.askwise", tmp_path / "b.askwise")
    titles = {work.title for work in heard}
    for wanted in (
        "reading mail.csv",
        "loading rows",
        "reading the words",
        "encoding",
        "training on 8 labels and ranking 32 items",
        "putting the rows together",
        "writing out.csv",
        "working out the report",
        "verifying events",
    ):
        assert wanted in titles
    assert any(title.startswith("copying") for title in titles)
    whole = [work for work in heard if work.ended and work.total and work.title != "verifying events"]
    assert whole
    assert all(work.done == work.total for work in whole)
    assert notices.now() is None


def test_another_process_says_how_far_it_is(heard, monkeypatch):
    monkeypatch.setattr(notices, "TELL_EVERY", 0.0)
    with Session(TEXTS * 3, classes=["bad", "good"], encoder="tfidf", apart=True) as session:
        assert session.features().shape[0] == 40
    from_there = [work for work in heard if work.title == "reading the words" and work.total == 40]
    assert from_there
    assert from_there[-1].ended
    assert from_there[-1].done == 40
    assert notices.now() is None


# ── the page ────────────────────────────────────────────────────────────────────────────────


def test_the_page_is_there_while_the_session_gets_ready(monkeypatch):
    monkeypatch.setattr(door, "SOON", 0.0)
    said, there = [], threading.Event()
    with Waiting(port=None, open_browser=False, announce=lambda url: (said.append(url), there.set())) as waiting:
        assert there.wait(30)
        address = f"http://127.0.0.1:{waiting.port}"
        key = {"x-askwise-token": waiting.token}
        assert said[0].startswith(f"{address}/")
        assert b"Getting ready" in get(f"{address}/", key)
        with notices.progress("encoding", 40) as advance:
            advance(10)
            reply = json.loads(get(f"{address}/api/v1/new/progress", key))
        assert (reply["title"], reply["done"], reply["total"]) == ("encoding", 10, 40)
        assert json.loads(get(f"{address}/api/v1/new/progress", key))["title"] == ""
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{address}/api/v1/new/progress", {})
    with pytest.raises(urllib.error.URLError):
        get(f"{address}/", key, tries=1)
    assert waiting.opened


def get(url, headers, tries=50):
    """The body; a server that is just coming up is asked again."""
    for left in reversed(range(tries)):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as reply:
                return reply.read()
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, ConnectionError):
            if not left:
                raise
            time.sleep(0.1)
    raise AssertionError


def test_where_all_is_ready_at_once_no_page_waits():
    with Waiting(port=None, open_browser=False, announce=lambda url: pytest.fail(url)) as waiting:
        pass
    assert not waiting.opened


def test_a_new_project_tells_how_far_it_is(tmp_path):
    app = create_new(Intake(tmp_path), token="t" * 24, started=lambda *_: None)
    client = TestClient(app, base_url="http://127.0.0.1", headers={"x-askwise-token": "t" * 24})
    with notices.progress("encoding", 40) as advance:
        advance(4)
        reply = client.get("/api/v1/new/progress").json()
    assert (reply["title"], reply["done"]) == ("encoding", 4)
    assert reply["sentence"].startswith("encoding: 4 of 40")


def test_an_encoder_of_ones_own_says_how_far_it_is(heard, monkeypatch):
    monkeypatch.setattr(notices, "TELL_EVERY", 0.0)
    with Session(TEXTS, classes=["bad", "good"], encoder=SlowEncoder()):
        pass
    mine = [work for work in heard if work.title == "reading slowly" and work.total == len(TEXTS)]
    assert [work.done for work in mine][-1] == len(TEXTS)
    assert len(mine) > len(TEXTS)
