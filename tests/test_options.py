"""What a message calls an option: at each door only what can be given there."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise.commands import asking, saying
from askwise.core import AskwiseError, BadInput
from askwise.options import PAGE, Sentence, in_python, named, on_page, only_python, option, render
from askwise.pool import load_pool
from askwise.session import Session
from help.command import ran

pytestmark = pytest.mark.usefixtures("linear")

PYTHON = re.compile(r"\b[a-z_]+=|\b[a-z_]+\(|(?<!encoding )(?<!format )\(from Python")
"""Advice that only code can follow."""
OURS = re.compile(r"class=share|(spam|strange|ham)=0\.\d+")
"""What looks so, but is how a limit for each class is given on the command line."""


@pytest.fixture
def askwise(capsys, monkeypatch, tmp_path):
    """`askwise("label", FILE, …)` → (exit code, everything said)."""
    monkeypatch.chdir(tmp_path)

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("this was taken; it is no bad input")

    monkeypatch.setattr(asking, "ask_person", opened)
    monkeypatch.setattr("askwise.app.serve.serve_team", opened)
    monkeypatch.setattr("askwise.app.serve.serve_new", opened)

    def run(*args):
        code, out, err = ran(capsys, monkeypatch, *args)
        return code, out + err

    return run


# ── the seam ────────────────────────────────────────────────────────────────────────────────


def test_an_option_is_said_as_each_door_calls_it():
    error = BadInput(
        f"Name it with {option('text')}, or {option('label', 'kind of mail')}; {named('max_error')} stays."
    )
    assert str(error) == "Name it with text=, or label='kind of mail'; max_error stays."
    assert render(error, on_page) == (
        "Name it with “shown” beside a column, or “known labels” beside a column (kind of mail); the limit stays."
    )


def test_what_only_code_can_give_is_said_to_code_alone():
    error = BadInput("No file 'x'." + only_python(" Texts go in a list: load_pool([…])."))
    assert str(error) == "No file 'x'. Texts go in a list: load_pool([…])."
    assert render(error, on_page) == "No file 'x'."


def test_an_error_keeps_its_marks_on_every_way():
    error = BadInput(f"Give {option('text')}.")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), BadInput(Sentence(error.marked))):
        assert str(again) == "Give text=."
        assert "“shown”" in render(again, on_page)
    sentence = Sentence(error.marked)
    assert pickle.loads(pickle.dumps(sentence)).marked == sentence.marked
    assert json.loads(json.dumps([sentence])) == ["Give text=."]
    assert render(AskwiseError("a", "b"), on_page) == "('a', 'b')"


@given(
    st.sampled_from(sorted(PAGE)),
    st.none() | st.text() | st.integers() | st.booleans() | st.lists(st.text(max_size=5), max_size=3),
    st.text(),
)
def test_whatever_is_said_no_mark_is_left(name, value, around):
    around = re.sub("[\ufdd0-\ufdd4]", "", around)
    said = around + (named(name) if name.endswith(")") else option(name, value)) + around
    for words in (in_python, on_page, saying.in_command):
        shown = render(said, words)
        if not isinstance(value, (str, list)):
            assert not re.search("[\ufdd0-\ufdd4]", shown)
        assert shown.startswith(around)
        assert shown.endswith(around)


def test_a_command_names_its_own_options():
    saying.running[:] = ["simulate"]
    try:
        assert saying.said(option("label")) == "--labels-from COLUMN"
        assert saying.said(option("kind")) == "--kind KIND"
        assert saying.said(option("show")) == "--show"  # another command has it
        assert saying.said(option("learner")) == "--learner NAME"
        assert saying.said(option("costs")) == "costs (from Python)"
        assert saying.said(option("text", ["a b", "c"])) == "--text 'a b' --text c"
    finally:
        saying.running.clear()


# ── the command line ────────────────────────────────────────────────────────────────────────

PAPERS = "title,abstract,included,n\nOne,about cats,1,1\nTwo,about dogs,0,2\nThree,about birds,0,3\n"
FILES = {
    "three.csv": "a,b,c\n1,x y,hello there\n2,z w,good bye\n",
    "papers.csv": PAPERS,
    "good.csv": "text,kind\n"
    + "".join(f"this is message number {i},{'ham' if i % 2 else 'spam'}\n" for i in range(30)),
    "lists.jsonl": '{"text": "one", "tags": ["a", "b"]}\n{"text": "two", "tags": ["a"]}\n',
    "broken.jsonl": '{"text": \n',
    "what.foo": "text\nhello\n",
    "latin.csv": ("text\n" + "caf\xe9 au lait\n" * 40).encode("latin-1"),
    "header.csv": b"te\xffxt,n\nhello,1\nyou,2\n",
    "utf16.csv": "text\nhello\nyou there\n".encode("utf-16-le"),
    "binary.csv": bytes(range(256)) * 20,
    "empty.csv": "",
    "only-header.csv": "text\n",
    "pickle.csv": pickle.dumps({"a": 1}),
    "twice.csv": "text,text\na,b\n",
}
BAD = [
    "label three.csv --labels a,b",
    "label three.csv --labels a,b --text t",
    "label three.csv --labels a,b --text b --id zz",
    "label three.csv --labels a,b --text b --label zz",
    "label three.csv --labels a,b --kind pair",
    "label three.csv --labels a,b --kind pair --text b",
    "label three.csv --labels a,b --kind image",
    "label three.csv --labels a,b --kind audio --text b",
    "label three.csv --labels a,b --kind strange",
    "label three.csv --labels a,b --kind table --text zz",
    "label three.csv --text b --labels a",
    "label three.csv --text b --labels a,a",
    "label three.csv --text b",
    "label three.csv --text b --label a --labels x,y",
    "label three.csv --text b --labels a,b --encoder strange",
    "label three.csv --text b --labels a,b --encoder ./nowhere",
    "label three.csv --kind table --labels a,b --encoder tfidf",
    "label three.csv --text b --labels a,b --strategy strange",
    "label three.csv --text b --labels a,b --strategy cvirs",
    "label three.csv --text b --labels a,b --overlap 4",
    "label three.csv --text b --labels a,b --people-per-item 1",
    "label three.csv --text b --labels a,b --max-error 3",
    "label three.csv --text b --labels a,b --target strange",
    "label three.csv --text b --labels a|b,c --multilabel",
    "label lists.jsonl --text text --label tags --labels a,b",
    "label broken.jsonl --labels a,b",
    "label what.foo --labels a,b",
    "label latin.csv --labels a,b --strategy strange",
    "label header.csv --text n --labels a,b --strategy strange",
    "label header.csv --labels a,b",
    "label utf16.csv --labels a,b",
    "label binary.csv --labels a,b",
    "label empty.csv --labels a,b",
    "label only-header.csv --labels a,b",
    "label pickle.csv --labels a,b",
    "label twice.csv --labels a,b",
    "label nowhere.csv --labels a,b",
    "label folder --labels a,b",
    "label folder --kind text --labels a,b",
    "label nowhere.askwise",
    "label good.askwise --text text",
    "label good.askwise --encoder strange",
    "label good.askwise --encoder ./nowhere",
    "label good.csv --labels a,b --session taken.csv",
    "screen three.csv",
    "screen papers.csv --label included",
    "screen papers.csv --label n --relevant 1",
    "screen papers.csv --relevant a --irrelevant a",
    "screen papers.csv --relevant 1 --recall 3",
    "screen papers.csv --relevant 1 --checks 3",
    "screen papers.csv --relevant 1 --confidence 3",
    "screen papers.csv --relevant 1 --simulate",
    "screen papers.csv --relevant 1 --text zz",
    "screen nowhere.ris",
    "simulate three.csv --labels-from zz",
    "simulate three.csv --labels-from a",
    "simulate good.csv --labels-from kind --strategy strange",
    "simulate good.csv --labels-from kind --test-share 3",
    "simulate good.csv --labels-from kind --metric strange",
    "simulate good.csv --labels-from kind --target 3",
    "simulate good.csv --labels-from kind --encoder strange",
    "simulate good.csv --labels-from kind --budget 2 --out good.csv/deep",
    "autolabel good.askwise --max-error 3",
    "autolabel good.askwise --max-error strange=0.1",
    "autolabel good.askwise --max-error ham=3",
    "autolabel good.askwise --max-error strange",
    "autolabel good.askwise --confidence 3",
    "autolabel good.askwise --target strange",
    "autolabel good.askwise --target file --max-error ham=0.1",
    "autolabel good.askwise --undo",
    "autolabel good.askwise --cancel",
    "autolabel good.askwise --cancel --undo",
    "autolabel search.askwise --max-error 0.1",
    "autolabel sets.askwise --max-error a=0.1",
    "report good.csv",
    "report good.askwise --out nowhere/report.html",
    "report good.askwise --price-of-error 3",
    "report nowhere.askwise",
    "export good.askwise out.strange",
    "export good.askwise nowhere/out.csv",
    "export here.askwise good.csv",
    "verify good.csv",
    "verify nowhere.askwise",
    "copy good.askwise good.askwise",
    "copy nowhere.askwise new.askwise",
    "serve nowhere.askwise",
    "serve good.csv",
    "label array.askwise",
    "export array.askwise out.csv",
]


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken.csv").write_text("text\na\n")
    with Session(
        str(tmp_path / "good.csv"), text="text", label="kind", encoder="tfidf", store=tmp_path / "here.askwise"
    ):
        pass
    return tmp_path


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    import numpy as np

    here = tmp_path_factory.mktemp("sessions")
    (here / "good.csv").write_text(FILES["good.csv"])
    with Session(
        str(here / "good.csv"), text="text", classes=["ham", "spam"], encoder="tfidf", store=here / "good.askwise"
    ):
        pass
    papers = [f"paper number {i}" for i in range(12)]
    with Session(papers, classes=["1", "0"], relevant="1", recall=0.9, store=here / "search.askwise"):
        pass
    with Session(papers, classes=["a", "b"], multilabel=True, encoder="tfidf", store=here / "sets.askwise"):
        pass
    X = np.random.default_rng(0).normal(size=(20, 3))
    with Session(X, classes=["a", "b"], store=here / "array.askwise"):
        pass
    return here


@pytest.mark.parametrize("command", BAD)
def test_the_command_line_never_advises_what_only_python_can_give(askwise, folder, sessions, command):
    for path in sessions.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    code, said = askwise(*command.split())
    assert code in (1, 2), said
    assert "Traceback" not in said
    said = OURS.sub("", said.partition("Error: ")[2])  # a result that came before is no advice
    assert said
    if "array.askwise" in command:  # nothing but Python can: say so
        assert "Python" in said
        return
    assert not re.search("[\ufdd0-\ufdd4]", said)
    assert not (found := PYTHON.search(said)), f"{found and found.group()!r} in: {said}"


# ── Python says what Python can give ────────────────────────────────────────────────────────


def test_python_reads_what_it_always_read(tmp_path):
    path = tmp_path / "three.csv"
    path.write_text(FILES["three.csv"])
    with pytest.raises(BadInput, match="Name it with text="):
        load_pool(path)
    pool = load_pool([f"text {i}" for i in range(3)])
    assert all(isinstance(note, str) for note in pool.notes)
    path.write_text("a,b\n1,hello there\n2,you\n")
    assert any("text= names another" in note for note in load_pool(Path(path)).notes)


# ── the page ────────────────────────────────────────────────────────────────────────────────


def test_the_page_speaks_of_its_own_fields(tmp_path):
    from askwise.app.projects import Intake, Look
    from askwise.app.uploads import describe

    intake = Intake(tmp_path)
    upload, path = intake.place("three.csv")
    path.write_text(FILES["three.csv"])
    describe(path)
    with pytest.raises(BadInput) as error:
        intake.pool(Look(upload=upload, kind="pair", text=["a"]))
    said = render(error.value, on_page)
    assert "shown" in said
    assert not PYTHON.search(said)
    with pytest.raises(BadInput) as error:
        intake.pool(Look(upload=upload))
    assert "“shown” beside a column" in render(error.value, on_page)
