"""A team's pages in a real Chromium: joining, inviting, labeling as two people, hostile text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise.session import Session

argon2 = pytest.importorskip("argon2", reason="the extra `team` is not installed")

from askwise.app import server  # noqa: E402
from askwise.app.accounts import Accounts  # noqa: E402
from askwise.app.hooks import Webhooks  # noqa: E402
from askwise.app.project import Project  # noqa: E402
from askwise.app.roles import OWNER  # noqa: E402
from askwise.app.team import Team, create_team_app  # noqa: E402

PASSWORD = "four words in a row"
IMG = "<img src=x onerror=window.hacked=1>"
PAYLOADS = [
    IMG, "<script>hacked=1</script>", "\"><svg onload=window.hacked=1>", "</textarea><img src=x onerror=hacked=1>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>", "javascript:window.hacked=1",
    "<a href=javascript:hacked=1>x</a>", "**<b onclick=hacked=1>x</b>** `<i>`",
]  # fmt: skip


@pytest.fixture
def url(tmp_path: Path, run: Any) -> Iterator[tuple[str, str, Session]]:
    """A team's server with one project full of hostile text: its address, the first owner's link, the session."""
    accounts = Accounts(tmp_path / "team.sqlite", hasher=argon2.PasswordHasher(1, 8, 1))
    hooks = Webhooks(accounts.engine, resolve=lambda *_: ["93.184.216.34"])
    items = [f"{payload} {i}" for i in range(6) for payload in PAYLOADS]
    path = tmp_path / "<img src=x>.askwise"
    with Session(items, classes=[IMG, "tool"], encoder="tfidf", title=PAYLOADS[1], store=path) as session:
        project = Project(session, guidelines="\n".join(["# " + IMG, *(f"- {p}" for p in PAYLOADS)]), team=True)
        app = create_team_app(Team(accounts, hooks, {"things": project}))
        running = run(app)
        yield running.url.rstrip("/"), accounts.invite(OWNER, by="test")[1], session
        running.stop()
    hooks.stop()
    accounts.close()


def join(new_page: Any, link: str, name: str) -> Any:
    page = new_page(link.partition("/join")[0])
    page.goto(link)
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("#go")
    page.wait_for_selector(".projects a")
    return page


def unhurt(page: Any) -> None:
    """Nothing of the hostile text became an element or ran."""
    assert page.evaluate("window.hacked") is None
    found = "img[src='x'], iframe, script:not([src]), a[href^=javascript], [onload], [onerror], [onclick]"
    assert page.evaluate(f"document.querySelectorAll({found!r}).length") == 0


def test_a_team_starts_labels_and_runs_no_hostile_text(url: tuple[str, str, Session], new_page: Any) -> None:
    address, secret, session = url
    olga = join(new_page, f"{address}/join#{secret}", "olga")
    assert PAYLOADS[1] in olga.inner_text(".projects")
    olga.click("#f-invite button")
    link = olga.input_value("dialog input")
    olga.keyboard.press("Escape")
    olga.fill("#token-name", IMG)
    olga.click("#f-token button[type=submit]")
    olga.wait_for_selector("dialog")
    olga.keyboard.press("Escape")
    olga.wait_for_selector("#tokens li span")
    assert IMG in olga.inner_text("#tokens")
    olga.fill("#webhook-url", "https://example.org/?a=<img/src=x/onerror=hacked=1>")
    olga.click("#f-webhook button[type=submit]")
    olga.wait_for_selector("dialog")
    olga.keyboard.press("Escape")
    unhurt(olga)

    ann = join(new_page, link, "ann")
    assert ann.is_hidden("#s-people")
    for page in (ann, olga):
        page.goto(f"{address}/p/things/")
        page.wait_for_selector("#labels button")
    assert ann.is_hidden("#b-finish")
    assert olga.is_visible("#b-finish")
    assert ann.inner_text("#text") != olga.inner_text("#text"), "two people, two questions"
    for page in (ann, olga):
        shown = page.inner_text("#text")
        assert any(shown.startswith(payload) for payload in PAYLOADS)
        page.keyboard.press("n")
        page.fill("dialog textarea", IMG)
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(150)
        page.keyboard.press("1")
        page.wait_for_function("shown => document.querySelector('#text').innerText !== shown", arg=shown)
        unhurt(page)
    for _ in range(100):
        if {a.annotator for a in session.answers().values()} == {"ann", "olga"}:
            break
        time.sleep(0.05)
    assert sorted(a.annotator for a in session.answers().values()) == ["ann", "olga"]
    assert {a.flag for a in session.answers().values()} == {IMG}
    for path in sorted({*server.PAGES, "/report"}):
        olga.goto(f"{address}/p/things{path}")
        olga.wait_for_timeout(700)
        unhurt(olga)
    olga.goto(f"{address}/api/v1/docs")
    unhurt(olga)
    ann.goto(f"{address}/team")
    ann.wait_for_selector(".projects a")  # what the page still asks for would be answered by a page to log in, too
    ann.click("#b-logout")
    ann.wait_for_url("**/login")
    ann.goto(f"{address}/p/things/")
    assert ann.url.endswith("/login?next=/p/things/")
