"""What a notebook shows of us, in a real browser: read on light and dark, in a narrow cell, and nobody's script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from askwise.core import Certificate, Estimate, Selection, Verdict
from askwise.pool import load_pool
from askwise.session import Session

EVIL = "<script>alert(1)</script><img src=//elsewhere.example/x onerror=alert(2)><style>*{display:none}</style>"
SITES = {"light": "background:#fff;color:#212121", "dark": "background:#111318;color:#d4d4d4"}


def shown() -> list[Any]:
    texts = [f"{EVIL} {i}" for i in range(40)] + ["x" * 5000]
    pool = load_pool(texts)
    session = Session(pool, classes=[EVIL, "other"], audit_share=0.5, title=EVIL, encoder="tfidf")
    for row in range(30):
        session.tell(pool.ids[row], EVIL if row % 2 else "other")
    session.refresh()
    certificate = Certificate(
        0.02, 0.95, 1, 0.03, 4000, 286, 1, 3714, label=EVIL, fingerprint="ab" * 32, allowed=74, classes=((EVIL, 10),)
    )
    selection = Selection(np.arange(25), np.linspace(1, 0, 25), EVIL, (EVIL,) * 24 + ("random",))
    estimate = Estimate(0.97, 0.87, 0.995, 0.95, 58, 1, 4312)
    return [pool, session, session.plot(), certificate, selection, estimate, Verdict(False, EVIL)]


@pytest.mark.parametrize("site", SITES)
def test_output_is_read_everywhere_and_runs_nothing(
    site: str, new_page: Callable[..., Any], serious_findings: Callable[[Any], list[Any]]
) -> None:
    page = new_page("about:blank", viewport={"width": 360, "height": 800})
    cells = "".join(f"<section>{one._repr_html_()}</section>" for one in shown())
    page.set_content(
        f'<!doctype html><html lang="en"><title>notebook</title><body style="{SITES[site]};margin:8px">'
        f"<main><h1>notebook</h1>{cells}</main>"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, "a narrow cell does not scroll as a whole"
    assert page.locator("script, style, img, link, iframe").count() == 0
    assert page.locator("section").count() == page.locator("section:visible").count() == len(shown())
    assert "<script>alert(1)</script>" in page.inner_text("main"), "it is there, as text"
    assert serious_findings(page) == []
