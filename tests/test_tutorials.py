"""The tutorials run as they are, in a plain interpreter, without a warning, and leave nothing but what they say."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


def name_of(path: Path) -> str:
    return path.stem


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["certified", "comparing", "your-own"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebook_is_one_that_any_program_reads(path: Path) -> None:
    book = read(path)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", one) for one in ids)
    assert book["cells"][0]["source"][0].startswith("# ")
    for cell in book["cells"]:
        source = "".join(cell["source"])
        assert "shared/" not in source, "data that are not ours to ship"
        if cell["cell_type"] == "code":
            ast.parse(source)  # no magics: it is Python everywhere
            assert cell["outputs"] == [], "what it shows is made when the site is built"
            assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_links_of_a_notebook_lead_to_files(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == "markdown")
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in link or (path.parent / link).is_file(), f"{path.name} links to {link}"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_tutorial_runs(path: Path, tmp_path: Path) -> None:
    script = ROOT / "docs" / "site" / "notebooks.py"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(path)],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    code = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    assert len(shown) == len(code)
    assert sum("html" in one for one in shown) >= 2, "the objects show themselves"
    assert not any("Traceback" in one["stream"] for one in shown)
    if path.stem == "certified":
        said = " ".join(one["stream"] for one in shown)
        assert "labels by the model are wrong" in said
        assert "every claim holds" in said
        assert {file.name for file in tmp_path.iterdir()} >= {"messages.csv", "messages.askwise", "labeled.csv"}


def test_a_cell_shows_its_last_line_and_what_it_prints(tmp_path: Path) -> None:
    cells = ["x = 2\nprint('a')\nx + 1", "x = 3", "", "class A:\n    def _repr_html_(self): return '<b>x</b>'\nA()"]
    book = {"cells": [{"cell_type": "code", "source": [one]} for one in cells]}
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    script = str(ROOT / "docs" / "site" / "notebooks.py")
    done = subprocess.run([sys.executable, script, "a.ipynb"], cwd=tmp_path, capture_output=True, text=True, check=True)
    first, second, third, fourth = json.loads(done.stdout)
    assert first == {"stream": "a\n", "text": "3"}
    assert second == third == {"stream": ""}
    assert fourth["html"] == "<b>x</b>"
    (tmp_path / "b.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": ["1 / 0"]}]}))
    failed = subprocess.run([sys.executable, script, "b.ipynb"], cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "b.ipynb, code cell 1" in failed.stderr
