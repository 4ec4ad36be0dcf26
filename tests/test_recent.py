"""What there is to go on with: sessions of the folder, and those opened lately."""

from __future__ import annotations

import json
import os
import stat
from functools import partial

import pytest

from askwise import recent
from askwise.session import Session
from help.command import ran

TEXTS = [f"{'good happy' if i % 2 else 'bad sad'} thing {i}" for i in range(30)]


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    """A state folder of its own; recent sessions are on."""
    monkeypatch.delenv(recent.OFF, raising=False)
    monkeypatch.setattr("platformdirs.user_state_dir", lambda *_args, **_more: str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def work(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def askwise(capsys, monkeypatch):
    return partial(ran, capsys, monkeypatch)


def made(path, title="", labels=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    with Session(TEXTS, classes=["bad", "good"], encoder="tfidf", store=path, title=title) as session:
        for i in range(labels):
            session.tell(session.pool.ids[i], ["bad", "good"][i % 2])
    return path


def test_label_without_a_file_lists_what_is_there_and_opens_the_page(askwise, work, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("askwise.app.serve.serve_new", lambda *args, **_: opened.append(args))
    code, out, _ = askwise("label", "--no-browser")
    assert code == 0
    assert out == ""  # there is nothing to list
    made(work / "mail box.askwise", "Our mail", labels=4)
    made(work / "project" / "project.askwise", "In a folder")
    recent.remember(made(tmp_path / "elsewhere" / "far.askwise", "Far", labels=1))
    code, out, _ = askwise("label", "--no-browser")
    assert code == 0
    assert len(opened) == 2
    here, _, lately = out.partition("Opened lately:")
    assert "Our mail: 4 of 30 labeled, last used" in here
    assert "    askwise label 'mail box.askwise'" in here
    assert "    askwise label project/project.askwise" in here
    assert "Far: 1 of 30 labeled" in lately
    assert f"    askwise label {tmp_path / 'elsewhere' / 'far.askwise'}" in lately
    # In a terminal there is no page to open; the list is the answer.
    code, out, err = askwise("label", "--terminal")
    assert (code, err) == (0, "")
    assert "Our mail" in out


def test_what_was_labeled_is_remembered_by_its_path_alone(askwise, work, state):
    data = work / "mail.csv"
    data.write_text("text\n" + "\n".join(TEXTS))
    options = ("--text", "text", "--labels", "bad,good", "--encoder", "tfidf", "--terminal")
    assert askwise("label", data, *options, keys="12q")[0] == 0
    kept = state / "recent.json"
    assert json.loads(kept.read_text()) == {"paths": [str(work / "mail.askwise")]}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(state.iterdir()) == [kept]
    assert recent.lately() == [work / "mail.askwise"]
    (work / "mail.askwise").unlink()
    assert recent.lately() == []


def test_it_can_be_switched_off(askwise, work, state, monkeypatch):
    session = made(work / "a.askwise")
    assert askwise("label", session, "--terminal", "--no-recent", keys="q")[0] == 0
    assert not state.exists()
    monkeypatch.setenv(recent.OFF, "1")
    recent.remember(session)
    assert not state.exists()
    monkeypatch.delenv(recent.OFF)
    recent.remember(session)
    monkeypatch.setenv(recent.OFF, "1")
    assert recent.lately() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"paths": 3}',
        '{"paths": [3, null, "a\\u0000b", {}]}',
        '{"other": []}',
        "\ud800",
        "[" * 9000,
    ],
)
def test_a_broken_file_is_no_obstacle(work, state, text):
    state.mkdir()
    (state / "recent.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert recent.lately() == []
    session = made(work / "a.askwise")
    recent.remember(session)
    assert recent.lately() == [session]


def test_where_it_cannot_be_written_nothing_happens(work, state):
    state.write_text("a file where the folder should be")
    session = made(work / "a.askwise")
    recent.remember(session)
    assert recent.lately() == []


def test_the_newest_come_first_and_no_more_than_twenty(work):
    paths = [made(work / f"{i}.askwise") for i in range(3)]
    for path in (*paths, paths[0]):
        recent.remember(path)
    assert recent.lately() == [paths[0], paths[2], paths[1]]
    for i in range(50):
        recent.remember(work / f"gone-{i}.askwise")
    assert len(json.loads(recent.remembered().read_text())["paths"]) == recent.MOST


def test_damaged_sessions_are_left_out_of_the_list(work):
    good = made(work / "good.askwise", "Good")
    broken = work / "broken.askwise"
    broken.write_bytes(good.read_bytes()[:200] + b"\0" * 5000)
    (work / "text.askwise").write_text("no session at all")
    os.utime(good, (0, 0))
    said = "\n".join(recent.sentences(work))
    assert "Good: 0 of 30 labeled, last used 1970-01-01" in said
    assert "broken" not in said
    assert "text.askwise" not in said


COMMANDS = {
    "report": "askwise report s.askwise",
    "autolabel": "askwise autolabel s.askwise",
    "verify": "askwise verify s.askwise",
    "export": "askwise export s.askwise labeled.csv",
    "export out.csv": "askwise export s.askwise labeled.csv",
    "copy": "askwise copy s.askwise TARGET",
}


@pytest.mark.parametrize(("command", "way_out"), COMMANDS.items())
def test_a_command_without_its_session_offers_the_one_that_is_there_and_does_nothing(askwise, work, command, way_out):
    code, out, err = askwise(*command.split())
    assert (code, out) == (2, "")
    assert "There is none in this folder" in err
    session = made(work / "s.askwise")
    before = session.read_bytes()
    code, out, err = askwise(*command.split())
    assert (code, out) == (2, "")
    assert way_out in err
    assert session.read_bytes() == before
    made(work / "t.askwise", "Another")
    code, _, err = askwise(*command.split())
    assert code == 2
    assert "Sessions in this folder:" in err
    assert "Another: 0 of 30 labeled" in err


def test_a_session_without_a_place_to_write_to_is_asked_where(askwise, work):
    made(work / "s.askwise")
    for command, more in (("export", "labeled.csv"), ("copy", "TARGET")):
        says = f"askwise {command} s.askwise {more}"
        code, _, err = askwise(command, "s.askwise")
        assert code == 2
        assert "Where to?" in err
        assert says in err
