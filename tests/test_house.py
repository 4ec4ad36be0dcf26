"""The rules of the house: layers, light import, words."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import askwise

SOURCE = Path(askwise.__file__).parent
LAYERS = [
    {"options", "values", "display"},
    {"core"},
    {"budget", "spans"},
    {
        "signals",
        "features",
        "scores",
        "batch",
        "stopping",
        "control",
        "stream",
        "agreement",
        "audit",
        "formats",
        "media",
        "export",
        "labelsets",
        "plots",
        "notices",
        "worker",
    },
    {"strategies", "tables", "pool", "encoders", "learners", "store", "fetch", "tasks", "plugins"},
    {
        "engine",
        "hints",
        "guessed",
        "searching",
        "rounds",
        "apart",
        "state",
        "ledger",
        "answers",
        "corrections",
        "events",
        "advice",
        "reasons",
        "questions",
        "aims",
        "unmet",
        "evidence",
        "handover",
        "people",
        "results",
        "screening",
        "insight",
        "relabeling",
    },
    {
        "session",
        "verification",
        "model",
        "growing",
        "withdrawing",
        "changes",
        "opening",
        "sources",
        "monitor",
        "checking",
        "trainer",
    },
    {"simulation", "benchmark", "report", "testing", "datasets", "annotators"},
    {"cli", "commands", "app", "client", "terminal", "demo", "recent", "completion", "predict", "watching", "__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def rooms_imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            package = ["askwise", *path.relative_to(SOURCE).parts[:-1]]
            base = package[: len(package) - node.level + 1] if node.level else []
            parts = base + (node.module.split(".") if node.module else [])
            if parts[:1] == ["askwise"]:
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("askwise.")}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


MODULES = sorted(p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"give the new room {room!r} a place in LAYERS"
    for other in rooms_imported(path) - {room} & LEVEL.keys():
        assert other in LEVEL, f"{room} imports the unknown room {other!r}"
        same_floor_allowed = LEVEL[room] >= 4  # the mathematics never import each other
        allowed = LEVEL[other] < LEVEL[room] or (same_floor_allowed and LEVEL[other] == LEVEL[room])
        assert allowed, f"{room} (floor {LEVEL[room]}) imports {other} (floor {LEVEL[other]})"


def dotted(path: Path) -> str:
    return ".".join(["askwise", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")


def files_imported(path: Path, names: set[str]) -> set[str]:
    """Modules that a file imports when it runs, at once or late; what is named for types alone may lead up."""
    tree = ast.parse(path.read_text())
    for_types = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    ignored = {id(inner) for block in for_types for node in block.body for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    # `from askwise.app import desk` needs the desk; what a package's own __init__ gathers is below it.
    deeper = {name.rpartition(".")[0] for name in found & names}
    return (found & names) - deeper


def test_no_file_leads_back_to_itself() -> None:
    names = {dotted(path): path for path in MODULES}
    arrows = {name: files_imported(path, set(names)) - {name} for name, path in names.items()}
    assert sum(map(len, arrows.values())) > 500, "the imports were found"
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_module_says_in_one_sentence_what_it_is(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert doc, "no docstring"
    assert doc.splitlines()[0].endswith("."), "the first line is one whole sentence"


MOST_LINES = 700
LONGER: dict[str, int] = {}
"""Files that are still longer, with the lines they may have: the numbers only ever go down."""


def written_by_us() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("*") if p.suffix in (".py", ".js") and p.is_file())


@pytest.mark.parametrize("path", written_by_us(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_file_is_too_long_to_be_read_in_a_sitting(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    most = LONGER.get(str(path.relative_to(SOURCE)), MOST_LINES)
    assert lines <= most, f"{lines} lines, {most} at most: split it along a seam"
    if most > MOST_LINES:
        assert lines > MOST_LINES, "it is no longer too long: take it out of LONGER"


def test_import_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules); import askwise; "
        "print(' '.join(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "numpy",
        "scipy",
        "sklearn",
        "pandas",
        "polars",
        "torch",
        "fastapi",
        "uvicorn",
        "matplotlib",
        "rich",
        "typer",
    }
    assert not heavy & set(loaded), f"`import askwise` loads {sorted(heavy & set(loaded))}"


def test_public_names_are_few_and_real() -> None:
    assert len(askwise.__all__) <= 15
    for name in askwise.__all__:
        assert getattr(askwise, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_this"):
        askwise.nothing_like_this  # noqa: B018


def test_no_line_of_the_pages_is_longer_than_120_characters() -> None:
    """Long texts too, which no formatter breaks."""
    files = [path for path in (SOURCE / "app/static").rglob("*") if path.suffix in {".js", ".css", ".html", ".svg"}]
    assert len(files) > 50
    long = [
        f"{path.name}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert not long


def test_the_scripts_of_the_labeling_page_are_short() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in (SOURCE / "app/static/label").rglob("*.js")}
    assert {name for name, n in lines.items() if n > 300} == set()
    assert lines["main.js"] < 250
