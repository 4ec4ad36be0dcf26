"""Looks at the links of a built site."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """The names on a page, where it leads, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element names, and what it points to."""
        of = {name: value or "" for name, value in attrs}
        self.names |= {of[name] for name in ("id", "name") if name in of}
        if tag == "a" and "href" in of:
            self.leads.append(of["href"])
        elif tag == "link" and of.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(of.get("href", ""))
        elif tag == "link":
            self.leads.append(of.get("href", ""))
        for name in ("src", "poster", "data"):
            if name in of and tag in ("img", "script", "source", "iframe", "audio", "video", "object", "embed"):
                self.loads.append(of[name])
        self.loads += [part.split()[0] for part in of.get("srcset", "").split(",") if part.strip()]


def broken(folder: Path) -> list[str]:
    """Links of a built site that lead nowhere, and whatever it would load from elsewhere.

    Addresses elsewhere that a reader may click are not asked: a build needs no network.

    Args:
        folder: Where the site was built.
    """
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    wrong = []
    for path, page in pages.items():
        where = path.relative_to(folder)
        for link in page.loads:
            if urlsplit(link).scheme not in ("", "data") or link.startswith("//"):
                wrong.append(f"{where} loads {link} from elsewhere")
        for link in [*page.leads, *page.loads]:
            to = urlsplit(link)
            if to.scheme or to.netloc:
                continue
            place = unquote(to.path)
            target = (folder / place.lstrip("/") if place.startswith("/") else path.parent / place) if place else path
            target = (target / "index.html" if target.is_dir() else target).resolve()
            if not target.is_file() or not target.is_relative_to(folder.resolve()):
                wrong.append(f"{where} links to {link}, which is not there")
            elif to.fragment and target in pages and unquote(to.fragment) not in pages[target].names:
                wrong.append(f"{where} links to {link}: that page has no such section")
    for style in sorted(folder.rglob("*.css")):
        text = re.sub(r"/\*.*?\*/", "", style.read_text(encoding="utf-8"), flags=re.DOTALL)
        wrong += [
            f"{style.relative_to(folder)} loads {found[1]} from elsewhere"
            for found in re.finditer(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", text)
        ]
    return wrong
