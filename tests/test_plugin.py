"""A plug-in package is found, listed without being loaded, and passes the shipped kit."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from askwise import Session, audit, cli, completion, encoders, plugins, strategies, tasks, testing
from askwise.core import BadInput, ContractError
from askwise.store import read_log
from askwise.verification import verify
from help.plugins import PLUGIN, clean_registry, lay_out, points_of


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Lay out a package as an installer would: its modules and the metadata with entry points."""
    with clean_registry():

        def do(points: dict[str, dict[str, str]], *sources: Path) -> None:
            monkeypatch.syspath_prepend(str(tmp_path))
            lay_out(tmp_path, points, *sources)

        yield do


@pytest.fixture
def sample(install) -> None:
    install(points_of(), PLUGIN / "src" / "askwise_ratio.py")


def test_listed_without_being_loaded(sample):
    assert "ratio" in strategies.available()
    assert plugins.registered("learner") == ("nearest_mean",)
    assert plugins.registered("encoder") == ("letters",)
    assert completion.learners("ne") == ["nearest_mean"]
    assert completion.encoders("") == ["letters", "minilm", "tfidf", "tfidf+minilm"]
    assert "ratio" in completion.strategies("rat")
    assert "askwise_ratio" not in sys.modules


def test_found_by_name_and_by_alias(sample):
    assert strategies.get("second_to_first").name == "ratio"
    assert strategies.get("ratio").family == "uncertainty"


def test_passes_the_kit(sample):
    testing.check_strategy("ratio")
    testing.check_learner(lambda: plugins.plugin("learner", "nearest_mean").part)
    testing.check_encoder(encoders.get("letters"))


def test_every_session_has_parts_of_its_own(sample):
    one, other = (plugins.plugin("learner", "nearest_mean").part for _ in range(2))
    assert one is not other
    assert encoders.get("letters") is not encoders.get("letters")
    assert type(encoders.get("letters", "image")).__name__ == "Letters", "for any kind of item"
    assert encoders.get("letters", "pair").name == "pair:letters"


def test_unknown_names_stay_unknown(sample):
    with pytest.raises(BadInput, match="Did you mean 'ratio'"):
        strategies.get("ratios")


@pytest.mark.parametrize("value", ["no_such_module_here:x", "json:no_such_thing", "json:dumps"])
def test_a_broken_plug_in_is_named_and_ours_still_work(install, value):
    install({strategies.GROUP: {"broken": value}})
    assert strategies.get("margin").name == "margin"
    with pytest.raises(ContractError, match=r"broken|no_such_module_here|no_such_thing"):
        strategies.get("broken")


@pytest.mark.parametrize("value", ["no_such_module_here:x", "json:no_such_thing", "fractions:Fraction.from_float"])
@pytest.mark.parametrize("what", ["learner", "encoder"])
def test_a_broken_learner_or_encoder_is_named(install, value, what):
    install({plugins.GROUPS[what]: {"broken": value}})
    if what == "encoder" and "Fraction" in value:
        return  # any callable may encode; what it gives is looked at when it has encoded
    with pytest.raises(ContractError, match="broken"):
        plugins.plugin(what, "broken")


def test_a_name_that_nothing_has(sample):
    with pytest.raises(BadInput, match="Did you mean 'nearest_mean'"):
        plugins.plugin("learner", "nearest_man")
    with pytest.raises(BadInput, match="Did you mean 'letters'"):
        encoders.get("leters")
    for name in ("os:system", "askwise_ratio:Letters"):
        with pytest.raises(BadInput, match="command line only"):
            encoders.get(name)
        with pytest.raises(BadInput, match="command line only"):
            plugins.plugin("learner", name)
    assert "askwise_ratio" not in sys.modules


# ── a task of somebody else ─────────────────────────────────────────────────────────────────

GRADES = ["bad", "poor", "fair", "good", "great"]


@pytest.fixture
def ordinal(install) -> Iterator[None]:
    install({tasks.GROUP: points_of()[tasks.GROUP]}, PLUGIN / "src" / "askwise_ordinal.py")
    yield
    tasks.find.cache_clear()


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
