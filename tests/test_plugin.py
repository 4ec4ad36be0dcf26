"""A plug-in package is found, listed without being loaded, and passes the shipped kit."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import askwise.strategies.registry as registry_module
from askwise import strategies, testing
from askwise.core import BadInput, ContractError

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Lay out a package as an installer would: its modules and the metadata with entry points."""
    registry, aliases = dict(registry_module._registry), dict(registry_module._aliases)

    def do(points: dict[str, str], *sources: Path) -> None:
        info = tmp_path / "sample-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[{strategies.GROUP}]\n{lines}\n")
        for source in sources:
            (tmp_path / source.name).write_text(source.read_text())
        monkeypatch.syspath_prepend(str(tmp_path))

    yield do
    sys.modules.pop("askwise_ratio", None)
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
