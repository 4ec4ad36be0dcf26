"""Runs the cells of a notebook in one plain interpreter: no kernel, no server, no package beside our own.

`python docs/site/notebooks.py tutorial.ipynb` prints what each code cell shows as JSON, a list of
`{"stream": text, "html": text, "text": text}`; the exit status is that of the cells. The tests run it, and so does the
build of the site, so what a tutorial says is what this version does.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, each with its source as one text."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in found]


def shown(value: object) -> dict[str, str]:
    """What a notebook would show of the value of a cell's last line."""
    if value is None:
        return {}
    show = getattr(value, "_repr_html_", None)
    found = {"text": repr(value)}
    if show is not None and (html := show()) is not None:
        found["html"] = html
    return found


def run_cell(source: str, name: str, space: dict[str, Any]) -> dict[str, str]:
    """Run one code cell; what it printed and what its last line shows."""
    tree = ast.parse(source, name)
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    tree.body = tree.body[:-1] if last else tree.body
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(tree, name, "exec"), space)
        value = None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), space)
    return {"stream": stream.getvalue()} | shown(value)


def run(path: Path) -> list[dict[str, str]]:
    """Run all code cells in order, in the current folder."""
    space: dict[str, Any] = {"__name__": "__main__"}
    code = [cell["source"] for cell in cells(path) if cell["cell_type"] == "code"]
    return [run_cell(source, f"{path.name}, code cell {i}", space) for i, source in enumerate(code, 1)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]).resolve())))
