"""What a package index shows of us: a description without a dead link, and data that are true."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from types import ModuleType

import pytest

import askwise

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINK = re.compile(r"(?P<picture>!?)\[(?P<said>[^\]]*)\]\((?P<to>[^)\s]+)\)")


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_link_of_the_readme_is_there() -> None:
    links = [found["to"] for found in LINK.finditer(README)]
    assert len(links) > 20
    for link in links:
        assert "://" in link or (ROOT / link.partition("#")[0]).is_file(), f"README links to {link}, which is not there"


def test_without_an_address_the_description_has_no_link_into_the_repository() -> None:
    text = builder().described(README, None, "0.1.0")
    assert [found[0] for found in LINK.finditer(text) if "://" not in found["to"]] == []
    assert "docs/images" not in text
    for found in LINK.finditer(README):
        assert found["picture"] or found["said"] in text, "words stay"
    fences = re.compile(r"^```.*?^```$", re.M | re.S)
    assert fences.findall(text) == fences.findall(README), "code stays as it is"


def test_with_an_address_all_links_and_pictures_are_absolute_and_name_files_that_there_are() -> None:
    at = "https://example.org/us/askwise"
    text = builder().described(README, at, "0.1.0")
    seen = 0
    for found in LINK.finditer(text):
        how = "raw" if found["picture"] else "blob"
        if found["to"].startswith(at):
            path = found["to"].removeprefix(f"{at}/{how}/v0.1.0/")
            assert (ROOT / path).is_file(), found["to"]
            seen += 1
        else:
            assert found["to"].startswith("https://")
    assert seen > 20


def test_code_that_looks_like_a_link_is_left_alone() -> None:
    text = "[a](docs/a.md)\n\n```text\n[b](docs/b.md)\n```\n\n![c](docs/c.png)\n\n[d](https://d.org) [e](#e)\n"
    found = builder().described(text, None, "1")
    kept = "a\n\n```text\n[b](docs/b.md)\n```\n\n[d](https://d.org) [e](#e)\n"
    assert found == kept + "\nThe pages named here lie in `docs/` of the source distribution.\n"
    assert "pages named here" not in builder().described(text, "https://example.org/a", "1")


def test_project_data_are_true() -> None:
    assert PROJECT["version"] == askwise.__version__
    assert PROJECT["license"] == "Apache-2.0"
    assert (ROOT / PROJECT["license-files"][0]).is_file()
    least = PROJECT["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {least}" in PROJECT["classifiers"]
    assert not any("License ::" in one for one in PROJECT["classifiers"]), "the license expression says it (PEP 639)"
    assert len(PROJECT["classifiers"]) == len(set(PROJECT["classifiers"]))
    for address in PROJECT.get("urls", {}).values():
        assert re.match(r"https://(?!example\.)", address), "no address is made up"


def test_first_lines_of_the_readme_work_for_who_has_only_pip() -> None:
    first = README.split("```")[1].splitlines()[1:]
    assert first[0].startswith("pip install ")
    published = "Source" in PROJECT.get("urls", {})
    assert published or first[0].startswith("pip install . "), "what is not published cannot be installed by its name"
    assert published or "not on PyPI yet" in first[0]
    assert first[1].startswith("askwise demo")


def test_the_builder_makes_metadata_that_hold_all_of_it(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'askwise[dev]'")
    for name in ("README.md", "LICENSE", "pyproject.toml", "hatch_build.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "src" / "askwise").mkdir(parents=True)
    (tmp_path / "src" / "askwise" / "__init__.py").touch()
    code = "import hatchling.build as b; print(b.prepare_metadata_for_build_wheel('out'))"
    (tmp_path / "out").mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = next((tmp_path / "out").glob("*.dist-info/METADATA"))
    message = BytesParser(policy=compat32).parsebytes(found.read_bytes())
    assert message["Name"] == "askwise"
    assert message["Description-Content-Type"] == "text/markdown"
    assert message["License-Expression"] == "Apache-2.0"
    assert sorted(message.get_all("Classifier") or []) == sorted(PROJECT["classifiers"])
    body = message.get_payload()
    assert isinstance(body, str)
    assert body.lstrip().startswith("# Askwise")
    assert [one[0] for one in LINK.finditer(body) if "://" not in one["to"]] == []
    assert {"docs", "dev", "parquet"} <= set(message.get_all("Provides-Extra") or [])
