"""Every example in the documents runs: `python` blocks as Python, `console` blocks as commands.

Blocks of one document share a folder and a namespace, in order. A block after a comment `<!-- not run: why -->`
is skipped, for what needs a person or a minute of downloading.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from help import warm

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?P<mark><!-- not run: (?P<why>[^>]+?) -->\s*)?^```(?P<kind>\w+)[^\n]*\n(?P<code>.*?)^```", re.M | re.S
)

COLD = "simulate.md"
"""The commands of this document are started as a person starts them; those of the others, warm."""


def blocks(text: str) -> list[tuple[str, str, int]]:
    found = []
    for match in BLOCK.finditer(text):
        if match["why"] is None and match["kind"] in ("python", "console"):
            found.append((match["kind"], match["code"], text[: match.start("code")].count("\n")))
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_run(
    path: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    programs = tmp_path_factory.mktemp("programs")
    if path.name != COLD:
        warm.command(programs)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace: dict[str, object] = {"__name__": "__docs__"}
    found = blocks(path.read_text())
    if not found:
        pytest.skip("no runnable example in this document")
    for kind, code, line in found:
        if kind == "python":
            exec(compile("\n" * line + code, str(path), "exec"), namespace)
        else:
            run_console(code, tmp_path, f"{path.name}:{line}", programs)


def run_console(code: str, folder: Path, where: str, programs: Path) -> None:
    commands = re.findall(r"^\$ (.+(?:\\\n.+)*)", code, re.M)
    assert commands, f"{where}: a console block without a `$ command`"
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=folder, env=os.environ | {"PATH": path, "NO_COLOR": "1"},
            capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{where}: {command}\n{done.stdout}\n{done.stderr}"


def test_docstring_examples_run() -> None:
    import importlib
    import pkgutil

    import askwise

    ran = 0
    for module in pkgutil.walk_packages(askwise.__path__, "askwise."):
        if module.name.endswith("__main__"):
            continue
        result = doctest.testmod(importlib.import_module(module.name), optionflags=doctest.NORMALIZE_WHITESPACE)
        assert result.failed == 0, f"{module.name}: {result.failed} failed"
        ran += result.attempted
    result = doctest.testmod(askwise, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert ran + result.attempted > 0
