"""The documentation as a site: every link leads somewhere, every public name is described, nothing loads elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import askwise

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
LINK = re.compile(r"""(?:\]\(|\b(?:src|srcset|href)=")([^)\s"#]+)""")


def described() -> list[str]:
    """The names that the pages of the Python API are made of."""
    return [
        name for page in (DOCS / "reference").glob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)
    ]


def found(name: str) -> Any:
    """The object of a dotted name."""
    home, _, rest = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return getattr(found(home), rest)


def beside_hooks(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"site_{name}", DOCS / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ── without the docs extra ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_work_where_a_repository_is_read(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    text = re.sub(r"`[^`\n]*`", "", text)
    for link in LINK.findall(text):
        if "://" not in link and not link.startswith("mailto:"):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}, which is not there"


def test_every_page_has_a_place_on_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = set(re.findall(r"[\w/-]+\.md", nav))
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    there |= {f"tutorials/{book.stem}.md" for book in (DOCS / "tutorials").glob("*.ipynb")}
    assert listed == there | {"index.md", "contributing.md", "changelog.md"}


def test_what_the_reference_describes_is_there_and_documented() -> None:
    names = described()
    assert len(names) == len(set(names)) > 60
    for name in names:
        assert (found(name).__doc__ or "").strip(), name


def test_every_public_name_is_described() -> None:
    seen = {id(found(name)) for name in described()}
    missing = [name for name in askwise.__all__ if id(getattr(askwise, name)) not in seen]
    assert not missing


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="sub/b.html#here">ok</a><a href="sub/b.html#gone">1</a><a href="no.html">2</a>'
        '<a href="https://example.org/">may be clicked</a><a href="#top">ok</a><a href="#bottom">3</a>'
        '<img src="pic.png"><picture><source srcset="pic.png, big.png 2x"></picture>'
        '<script src="https://cdn.example.org/x.js"></script><link rel="stylesheet" href="//fonts.example.org/f.css">'
        '<a href="../outside.html">8</a><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'
    )
    (tmp_path / "sub" / "b.html").write_text('<p id="here"></p><a href="../a.html">ok</a><a href="/a.html#top">ok</a>')
    (tmp_path / "pic.png").touch()
    (tmp_path / "s.css").write_text("/* https://example.org */ @import 'https://example.org/x.css'; a{b:url(pic.png)}")
    wrong = beside_hooks("links").broken(tmp_path)
    assert [one.split(" ", 1)[1] for one in wrong] == [
        "loads https://cdn.example.org/x.js from elsewhere",
        "loads //fonts.example.org/f.css from elsewhere",
        "links to sub/b.html#gone: that page has no such section",
        "links to no.html, which is not there",
        "links to #bottom: that page has no such section",
        "links to ../outside.html, which is not there",
        "links to big.png, which is not there",
        "loads https://example.org/x.css from elsewhere",
    ]


# ── with it ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly; notebooks are not run here, tests/test_tutorials.py does."""
    for module in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        try:
            there = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            pytest.skip(f"{module} is not installed: pip install 'askwise[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=os.environ | {"ASKWISE_DOCS_RUN": "0", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_site_holds_guides_tutorials_and_the_reference(site: Path) -> None:
    for page in PAGES:
        if DOCS in page.parents:
            assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file()
    for name in ("index", "contributing", "changelog", "tutorials/certified"):
        assert (site / f"{name}.html").is_file()
    text = "".join(page.read_text() for page in (site / "reference").glob("*.html"))
    missing = [name for name in described() if f'id="{name}"' not in text]
    assert not missing
    assert "pyodide" not in text
    shown = (site / "reference" / "select.html").read_text()
    assert '<span class="gp">&gt;&gt;&gt; </span>' in shown, "examples are code, not quotations"


def test_site_has_no_font_script_or_picture_from_elsewhere(site: Path) -> None:
    assert beside_hooks("links").broken(site) == []
    assert "fonts.googleapis" not in (site / "index.html").read_text()
    assert not list(site.rglob("*.py")), "only what is read"


def test_a_notebook_leads_to_its_page_and_can_be_taken_along(site: Path) -> None:
    index = (site / "tutorials" / "index.html").read_text()
    assert 'href="certified.html"' in index
    assert 'href="certified.ipynb" download' in (site / "tutorials" / "certified.html").read_text()
