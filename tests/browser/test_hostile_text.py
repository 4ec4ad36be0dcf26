"""Hostile text in every place that people fill, on every page that shows it: it stays text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.session import Session

TOKEN = "a-token-of-some-length"
PAYLOADS = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '"><svg/onload=alert(1)>',
    "'><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "</title></textarea></script><img src=x onerror=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<style>*{background:url(https://evil.example/x)}</style>",
    "<link rel=stylesheet href=https://evil.example/x><base href=https://evil.example/>",
    "<form action=https://evil.example/><button>x</button></form>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}${alert(1)}",
    "**<b onclick=alert(1)>x</b>** `<i onmouseover=alert(1)>`",
    "<details open ontoggle=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt; &#x3c;script&#x3e;",
]
WORDS = [["apple", "pear", "plum"], ["hammer", "saw", "drill"], ["dog", "cat", "cow"]]
CLASSES = [PAYLOADS[0], PAYLOADS[2], PAYLOADS[10]]
ANN, BEN = PAYLOADS[1], PAYLOADS[3]
TITLE = PAYLOADS[4]
GUIDE = "\n".join([f"# {PAYLOADS[0]}", *(f"- {payload}" for payload in PAYLOADS), *PAYLOADS])
PLACES = {
    "": "#why:not(:empty)",
    "dashboard": ".figure .chart.map canvas",
    "review": ".case",
    "review#suspects": "main#page",
    "review#duplicates": ".pair",
    "review#deferred": "main#page",
    "review#spot": "main#page",
    "data": "table.items tbody tr",
    "models": ".versions",
    "finish": "main#page .panel",
}
# What the pages themselves never have.
ELEMENTS = (
    "img[src=x], iframe, base, math, svg[onload], script:not([src]), a[href^=javascript], form[action*=evil], "
    "link[href*=evil], style, [onload], [onerror], [onclick], [ontoggle], [onmouseover]"
)


def kind(text: str) -> str:
    return next(CLASSES[i] for i, words in enumerate(WORDS) if any(word in text for word in words))


@pytest.fixture(scope="module")
def worked() -> Iterator[Session]:
    """A session in which everything that somebody can write is hostile."""
    texts = [f"{PAYLOADS[i % len(PAYLOADS)]} {WORDS[i % 3][i % 9 // 3]} number {i}" for i in range(240)]
    session = Session(texts, classes=CLASSES, encoder="tfidf", title=TITLE, audit_share=0.3, max_error=0.2)
    for i in range(60):
        (query,) = session.ask(annotator=ANN)
        session.tell(query, kind(query.content), annotator=ANN, seconds=2.0)
        if i % 5 == 0:  # somebody says otherwise
            session.tell(query.item, CLASSES[(CLASSES.index(kind(query.content)) + 1) % 3], annotator=BEN, seconds=1.0)
            session.flag(query.item, PAYLOADS[i % len(PAYLOADS)], annotator=BEN)
        if i % 10 == 9:
            session.refresh()
    for i, label in enumerate(CLASSES[:2]):  # nearly equal, and labeled differently
        session.tell(session.pool.ids[i * 126], label, annotator=BEN)
    session.adjudicate(session.pool.ids[0], CLASSES[0], annotator=ANN)
    session.refresh()
    yield session
    session.close()


@pytest.fixture
def page(worked: Session, run: Any, new_page: Any) -> Any:
    url = run(create_app(worked, token=TOKEN, guidelines=GUIDE)).url
    page = new_page(url)
    page.goto(f"{url}?token={TOKEN}")
    page.wait_for_selector("#why:not(:empty)")
    return page


def unhurt(page: Any) -> None:
    assert page.evaluate(f"[...document.querySelectorAll({ELEMENTS!r})].map((node) => node.outerHTML)") == []


@pytest.mark.parametrize("place", list(PLACES))
def test_hostile_text_stays_text(page: Any, place: str) -> None:
    home = page.url
    page.goto(home + place)
    page.wait_for_selector(PLACES[place])
    page.wait_for_load_state("networkidle")
    unhurt(page)
    said = page.inner_text("body")
    if place in ("", "dashboard", "review", "data"):
        assert any(label in said for label in CLASSES), "it is there, as text"
    if place == "dashboard":
        assert ANN in said
        assert BEN in said
    if place == "data":
        page.locator(".item-link").first.click()
        page.wait_for_selector("dialog")
        unhurt(page)
    if place == "":
        page.keyboard.press("w")
        page.wait_for_selector("#more:not([hidden])")
        page.keyboard.press("h")
        page.keyboard.press("h")
        unhurt(page)
        page.keyboard.press("?")
        page.wait_for_selector("dialog .keys")
        unhurt(page)


def test_hostile_text_stays_text_in_the_report(page: Any) -> None:
    page.goto(f"{page.url}report")
    page.wait_for_load_state("load")
    assert TITLE in page.inner_text("body")
    assert CLASSES[0] in page.inner_text("body")
    found = ELEMENTS.replace("style, ", "")  # the report and its drawings have sheets of their own
    assert page.evaluate(f"[...document.querySelectorAll({found!r})].map((node) => node.outerHTML)") == []
    assert not any("evil" in sheet for sheet in page.locator("style").all_text_contents())


def test_hostile_names_of_files_and_columns_stay_text(new_page: Any, run: Any, tmp_path: Any) -> None:
    from askwise.app.projects import Intake, create_new

    made: list[Session] = []
    url = run(create_new(Intake(tmp_path), token=TOKEN, started=lambda session, _: made.append(session))).url
    page = new_page(url)
    page.goto(f"{url}?token={TOKEN}")
    head = ",".join('"' + payload.replace('"', '""') + '"' for payload in PAYLOADS)
    rows = "\n".join(",".join(f'"{p.replace(chr(34), chr(34) * 2)} {i}"' for p in PAYLOADS) for i in range(12))
    with page.expect_file_chooser() as chooser:
        page.click("#b-choose")
    name = "<img src=x onerror=alert(1)>.csv"
    chooser.value.set_files({"name": name, "mimeType": "text/csv", "buffer": f"{head}\n{rows}\n".encode()})
    page.wait_for_selector("#seen b")
    assert all(payload in page.text_content("#columns") for payload in PAYLOADS)
    unhurt(page)
    page.check("[name=kind][value=table]")
    page.wait_for_selector("#seen b")
    page.fill("#classes", f"{PAYLOADS[0]}\n{PAYLOADS[1]}")
    page.fill("#title", TITLE)
    page.click("#b-start")
    page.wait_for_selector("#why:not(:empty)")
    unhurt(page)
    assert PAYLOADS[1] in page.inner_text("#labels")
    for session in made:
        session.close()
