"""A plug-in package is found, listed without being loaded, and passes the shipped kit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from askwise import completion, encoders, plugins, strategies, testing
from askwise.core import BadInput, ContractError
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
    assert completion.encoders("") == ["letters", "minilm", "tfidf"]
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
