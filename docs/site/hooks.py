"""What MkDocs does besides: pages from outside docs/, notebooks that are run, links that are looked at."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from links import broken  # noqa: E402 - lie beside this file, which is no package
from notebooks import cells  # noqa: E402

OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the repository's root → where they are on the site."""
RUN = "ASKWISE_DOCS_RUN"
"""Set to 0, notebooks are shown without what they print: for tests, which run them elsewhere."""


# ── pages ───────────────────────────────────────────────────────────────────────────────────


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that do not lie in docs/ as Markdown."""
    root = Path(config.docs_dir).parent
    for name, page in OUTSIDE.items():
        text = (root / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=moved(text)))
    for notebook in sorted((Path(config.docs_dir) / "tutorials").glob("*.ipynb")):
        files.append(File.generated(config, f"tutorials/{notebook.stem}.md", content=page_of(notebook)))
    return files


def moved(text: str) -> str:
    """Links of a page at the root of the repository, as they are from docs/."""
    for name, page in OUTSIDE.items():
        text = text.replace(f"]({name}", f"]({page}")
    return text.replace("](docs/", "](")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links that lead out of docs/, or to a notebook, to pages that the site has inside."""
    up = "../" * page.file.src_uri.count("/")
    for name, inside in OUTSIDE.items():
        markdown = markdown.replace(f"](../{up}{name}", f"]({up}{inside}")
    return re.sub(r"\]\(([\w./-]+)\.ipynb\b", r"](\1.md", markdown)


def page_of(notebook: Path) -> str:
    """A notebook as a page: its text, its code, and what the code shows."""
    outputs = iter(outputs_of(notebook) if os.environ.get(RUN) != "0" else [])
    parts = []
    for cell in cells(notebook):
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"])
        else:
            parts += [f"```python\n{cell['source'].rstrip()}\n```", output_of(next(outputs, {}))]
    parts.append(f'This page is a notebook: <a href="{notebook.name}" download>{notebook.name}</a>.')
    return "\n\n".join(part for part in parts if part) + "\n"


def outputs_of(notebook: Path) -> list[dict[str, str]]:
    """What the code cells show, in a folder of their own and in a fresh interpreter."""
    source = Path(__file__).parents[2] / "src"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(HERE / "notebooks.py"), str(notebook)],
            cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    if done.returncode:
        raise PluginError(f"{notebook.name} does not run:\n{done.stderr}")
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def output_of(shown: dict[str, str]) -> str:
    """What one cell shows, as a block of HTML that Markdown leaves alone."""
    text = shown.get("stream", "") + ("" if "html" in shown else shown.get("text", ""))
    parts = [f"<pre>{html.escape(text.rstrip(), quote=False)}</pre>"] if text.strip() else []
    parts += [shown["html"]] if "html" in shown else []
    inside = re.sub(r"\n\s*\n", "\n", "".join(parts))  # a blank line would end the block
    return f'<div class="output">{inside}</div>' if parts else ""


def on_post_build(config: Any) -> None:
    """Refuse a site with a broken link."""
    wrong = broken(Path(config.site_dir).resolve())
    if wrong:
        raise PluginError("\n".join(["The site has broken links:", *wrong]))
