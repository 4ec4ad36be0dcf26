"""A plug-in package is found, listed without being loaded, and passes the shipped kit."""

from __future__ import annotations

import io
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import askwise.strategies.registry as registry_module
from askwise import Session, audit, cli, strategies, tasks, testing
from askwise.core import BadInput, ContractError
from askwise.store import read_log
from askwise.verification import verify

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Lay out a package as an installer would: its modules and the metadata with entry points."""
    registry, aliases = dict(registry_module._registry), dict(registry_module._aliases)

    def do(points: dict[str, str], *sources: Path, group: str = strategies.GROUP) -> None:
        info = tmp_path / "sample-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}\n")
        for source in sources:
            (tmp_path / source.name).write_text(source.read_text())
        monkeypatch.syspath_prepend(str(tmp_path))

    yield do
    for name in ("askwise_ratio", "askwise_ordinal"):
        sys.modules.pop(name, None)
    tasks.find.cache_clear()
    registry_module._registry.clear()
    registry_module._registry.update(registry)
    registry_module._aliases.clear()
    registry_module._aliases.update(aliases)


@pytest.fixture
def sample(install) -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    install(project["entry-points"][strategies.GROUP], PLUGIN / "src" / "askwise_ratio.py")


def test_listed_without_being_loaded(sample):
    assert "ratio" in strategies.available()
    assert "askwise_ratio" not in sys.modules


def test_found_by_name_and_by_alias(sample):
    assert strategies.get("second_to_first").name == "ratio"
    assert strategies.get("ratio").family == "uncertainty"


def test_passes_the_kit(sample):
    testing.check_strategy("ratio")


def test_unknown_names_stay_unknown(sample):
    with pytest.raises(BadInput, match="Did you mean 'ratio'"):
        strategies.get("ratios")


@pytest.mark.parametrize("value", ["no_such_module_here:x", "json:no_such_thing", "json:dumps"])
def test_a_broken_plug_in_is_named_and_ours_still_work(install, value):
    install({"broken": value})
    assert strategies.get("margin").name == "margin"
    with pytest.raises(ContractError, match=r"broken|no_such_module_here|no_such_thing"):
        strategies.get("broken")


# ── a task of somebody else ─────────────────────────────────────────────────────────────────

GRADES = ["bad", "poor", "fair", "good", "great"]


@pytest.fixture
def ordinal(install) -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    install(project["entry-points"][tasks.GROUP], PLUGIN / "src" / "askwise_ordinal.py", group=tasks.GROUP)


def run(*args, typed=""):
    """Exit code and what was said."""
    said, old = io.StringIO(), (sys.stdout, sys.stderr, sys.stdin)
    sys.stdout = sys.stderr = said
    sys.stdin = io.StringIO(typed)
    try:
        cli.main(list(args))
    except SystemExit as ended:
        return ended.code or 0, said.getvalue()
    finally:
        sys.stdout, sys.stderr, sys.stdin = old
    return 0, said.getvalue()


def test_a_task_is_listed_without_being_loaded(ordinal):
    assert tasks.available()[:3] == ("one", "sets", "number")
    assert "ordinal" in tasks.available()
    assert "askwise_ordinal" not in sys.modules
    with pytest.raises(BadInput, match="Did you mean 'ordinal'"):
        tasks.get("ordinals")


def test_a_task_through_the_command_line(ordinal, tmp_path):
    file, session = tmp_path / "films.csv", tmp_path / "films.askwise"
    file.write_text("text\n" + "".join(f"a {GRADES[i % 5]} film {i}\n" for i in range(30)))
    begun = run(
        "label", str(file), "--task", "ordinal", "--labels", ",".join(GRADES), "--encoder", "tfidf", "--terminal",
        "--session", str(session), typed="125q",
    )  # fmt: skip
    assert begun[0] == 0, begun[1]
    for verb in ("verify", "report"):
        code, said = run(verb, str(session))
        assert code == 0, said
    with Session.open(session) as again:
        assert again.task.name == "ordinal"
        assert {a.label for a in again.answers().values()} == {"bad", "poor", "great"}
    code, said = run("export", str(session), str(tmp_path / "out.csv"))
    assert code == 0, said
    code, said = run("label", str(file), "--task", "ordinal:off=2", "--session", str(tmp_path / "x.askwise"))
    assert code == 2
    assert "has no options" in said


def test_a_session_whose_task_is_not_installed_says_so(ordinal, tmp_path, monkeypatch):
    path = tmp_path / "a.askwise"
    Session(["a b", "c d", "e f"], classes=GRADES, task="ordinal", encoder="tfidf", store=path).close()
    (tmp_path / "sample-1.0.dist-info" / "entry_points.txt").write_text("")
    tasks.find.cache_clear()
    code, said = run("report", str(path))
    assert code == 2
    assert "ordinal" in said
    assert "Traceback" not in said


def test_what_is_right_is_what_the_task_says(ordinal, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = np.clip(np.rint(2 + 1.2 * X[:, 0] + 0.4 * rng.normal(size=400)), 0, 4).astype(int)
    path = tmp_path / "a.askwise"
    session = Session(X, classes=GRADES, task="ordinal", audit_share=0.4, store=path)
    for _ in range(12):
        for query in session.ask(5):
            session.tell(query, GRADES[y[query.row]])
        session.refresh()
        guesses, _ = session.predictions()
        rest = [row for row in range(400) if row not in session.answers()]
        if guesses[0]:
            off = np.array([abs(GRADES.index(guesses[row]) - y[row]) for row in rest])
            estimate = session.estimate()
            assert estimate.low <= np.mean(off <= 1) <= estimate.high
    assert np.mean(off <= 1) > np.mean(off == 0)  # so the two are not the same here
    assert "right within one grade on the remaining" in estimate.sentence
    with pytest.raises(BadInput, match="can be renamed, but not merged"):
        session.change.merge("bad", "poor")
    session.close()
    assert verify(read_log(path)).ok


def test_two_grades_apart_may_both_be_right(ordinal):
    task = tasks.get("ordinal")
    a, b = np.meshgrid(np.arange(5), np.arange(5))
    for x, z in zip(a.ravel(), b.ravel(), strict=True):
        between = any(not task.is_wrong(x, t, GRADES) and not task.is_wrong(z, t, GRADES) for t in range(5))
        assert bool(task.clash(np.array([x]), np.array([z]), GRADES)[0]) == (not between)
    assert task.is_wrong(0, audit.UNKNOWN, GRADES)
