"""docs/strategies.md is what the registry says, and says it of every strategy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import askwise.strategies.registry as registry_module
from askwise import scores, strategies
from askwise.cli import app
from askwise.strategies import Strategy, guide

PAGE = Path(__file__).parents[1] / "docs" / "strategies.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == guide.markdown(), "run: askwise strategies --markdown > docs/strategies.md"


def test_the_command_prints_the_page():
    done = CliRunner().invoke(app, ["strategies", "--markdown"])
    assert done.exit_code == 0
    assert done.stdout == guide.markdown()


def test_every_strategy_has_a_row_under_its_task():
    page = guide.markdown()
    sections = dict(zip([title for _, title in guide.TASKS], re.split(r"^## .*$", page, flags=re.M)[1:], strict=True))
    for name in registry_module._registry:
        strategy = strategies.get(name)
        title = dict(guide.TASKS)[strategy.task]
        assert f"| `{name}`" in sections[title], name
        assert strategy.cost in guide.COSTS, name


def test_what_is_recommended_exists_and_is_for_that():
    for want, names in guide.WANTS:
        tasks = {strategies.get(name).task for name in names}
        assert all(strategies.get(name).name == name for name in names), want
        assert len(tasks) == 1, want


@pytest.mark.parametrize("code", [code for _, code in guide.COMBINED])
def test_combinations_can_be_written_as_shown(code):
    assert isinstance(eval(code, vars(strategies).copy()), Strategy)


def test_a_table_row_is_one_row():
    lines = [line for line in guide.markdown().splitlines() if line.startswith("| `")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (3, 6) for line in lines)


def test_needs_are_told_in_words(monkeypatch):
    def told(strategy):
        return guide.needs(strategies.get(strategy))

    assert told("random") == "nothing"
    assert told("margin") == "probabilities"
    assert told("vote_entropy") == "a committee"
    assert told("k_center") == "embeddings"
    assert told(strategies.mix(("margin", 1), ("k_center", 1))) == "probabilities, embeddings"
    assert told(strategies.switch("random", "vote_entropy", lambda *_: True)) == "a committee"
    assert told(Strategy("mine", lambda labeled_proba, sample_committee, k=3: k)) == "probabilities, a committee"


def test_plug_ins_stay_out_of_the_page(monkeypatch):
    monkeypatch.setattr(registry_module, "_registry", dict(registry_module._registry))
    strategies.register(Strategy("somebodys", scores.margin, summary="Theirs."))
    assert "somebodys" in guide.markdown()

    class Point:
        name = "somebodys"

    monkeypatch.setattr(guide.metadata, "entry_points", lambda group: [Point()])
    assert "somebodys" not in guide.markdown()
