"""No serious finding of axe: the Label page with everything open, each kind of item, a team's pages."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise.app.projects import Intake, create_new
from askwise.app.server import create_app
from askwise.pool import load_pool
from askwise.session import Session
from help.hands import press, settled

TOKEN = "a-token-of-some-length"
LOOKS = pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
GUIDE = "# What is what\n- **fruit** grows\n- `tool` does not"


def recordings(folder: Path) -> Any:
    for at in range(8):
        with wave.open(str(folder / f"{at}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((3000 * np.sin(np.arange(8_000) * (0.1 + at / 9))).astype(np.int16).tobytes())
    return load_pool(folder)


def images(folder: Path) -> Any:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    rng = np.random.default_rng(0)
    for at in range(12):
        image.fromarray(rng.integers(0, 99 + 99 * (at % 2), (60, 80), dtype=np.uint8)).save(folder / f"{at}.png")
    return load_pool(folder)


def table(folder: Path) -> Any:
    (folder / "t.csv").write_text(
        "age,city\n" + "".join(f"{i},{'Oslo' if i % 2 else 'القاهرة'} {i}\n" for i in range(20))
    )
    return load_pool(folder / "t.csv", kind="table")


def pairs(folder: Path) -> Any:
    (folder / "p.csv").write_text("left,right\n" + "".join(f"short {i},a much longer one {i}\n" for i in range(20)))
    return load_pool(folder / "p.csv", kind="pair", text=["left", "right"])


def texts(_: Path) -> Any:
    return [f"{'apple' if i % 2 else 'hammer'} number {i}" for i in range(60)]


KINDS: dict[str, Callable[[Path], Any]] = {
    "text": texts, "image": images, "audio": recordings, "table": table, "pair": pairs
}  # fmt: skip


@pytest.fixture
def serve(run: Any) -> Iterator[Callable[[Session], str]]:
    served: list[tuple[Session, Any]] = []

    def start(session: Session) -> str:
        served.append((session, run(create_app(session, token=TOKEN, guidelines=GUIDE))))
        url: str = served[-1][1].url
        return url

    yield start
    for session, running in served:
        running.stop()
        session.close()


@LOOKS
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_label_page_with_everything_open(
    serve: Any, new_page: Any, serious_findings: Any, tmp_path: Path, kind: str, width: int, scheme: str
) -> None:
    session = Session(KINDS[kind](tmp_path), classes=["fruit", "tool"], audit_share=0.05, title="Things")
    url = serve(session)
    page = new_page(
        url,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        has_touch=width < 500,
    )
    page.goto(f"{url}?token={TOKEN}")
    page.wait_for_selector("#why:not(:empty)")
    assert serious_findings(page) == [], "before the first answer"
    for key in "1212":
        if kind == "text":
            press(page, key)
            continue
        settled(page)
        before = page.text_content("#live")
        page.keyboard.press(key)
        page.wait_for_function("t => document.getElementById('live').textContent !== t", arg=before)
    while session.counts()["labeled"] < 4:
        page.wait_for_timeout(50)
    session.refresh()
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    settled(page)
    page.keyboard.press("w")  # the card, expanded: nearest labeled items and the model's view
    page.wait_for_selector("#more:not([hidden])")
    page.wait_for_timeout(300)
    assert serious_findings(page) == [], "the card expanded"
    page.keyboard.press("f")
    page.wait_for_timeout(200)
    assert serious_findings(page) == [], "a flag, and a sentence at the foot"
    page.keyboard.press("?")
    page.wait_for_selector("dialog .keys")
    assert serious_findings(page) == [], "the list of keys"
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.wait_for_selector("dialog textarea")
    assert serious_findings(page) == [], "the note"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(200)
    assert serious_findings(page) == [], "an earlier answer"
    page.context.set_offline(True)
    settled(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_selector("#banner:not([hidden])")
    assert serious_findings(page) == [], "offline"
    page.context.set_offline(False)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"


@LOOKS
def test_the_page_of_a_new_project(
    new_page: Any, run: Any, serious_findings: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    url = run(create_new(Intake(tmp_path), token=TOKEN, started=lambda *_: None)).url
    page = new_page(url, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(f"{url}?token={TOKEN}")
    page.wait_for_selector("#b-choose:focus")
    assert serious_findings(page) == []
    with page.expect_file_chooser() as chooser:
        page.press("#b-choose", "Enter")  # axe may have moved the focus
    data = "id,message,label\n" + "".join(f"{i},see you {i},\n" for i in range(30)) + "x,y,z,too many\n"
    chooser.value.set_files({"name": "mail.csv", "mimeType": "text/csv", "buffer": data.encode()})
    page.wait_for_selector("#seen b")
    assert serious_findings(page) == [], "with columns, examples and problems"
    page.fill("#classes", "ham")
    page.click("#b-start")
    page.wait_for_selector("#start-error .error")
    assert serious_findings(page) == [], "with an error"


@LOOKS
def test_the_pages_of_a_team(
    new_page: Any, run: Any, serious_findings: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    argon2 = pytest.importorskip("argon2", reason="the extra `team` is not installed")
    from askwise.app.accounts import Accounts
    from askwise.app.hooks import Webhooks
    from askwise.app.project import Project
    from askwise.app.roles import OWNER
    from askwise.app.team import Team, create_team_app

    accounts = Accounts(tmp_path / "team.sqlite", hasher=argon2.PasswordHasher(1, 8, 1))
    hooks = Webhooks(accounts.engine, resolve=lambda *_: ["93.184.216.34"])
    with Session(texts(tmp_path), classes=["fruit", "tool"], encoder="tfidf", title="Things") as session:
        running = run(create_team_app(Team(accounts, hooks, {"things": Project(session, team=True)})))
        page = new_page(running.url, viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.goto(f"{running.url}login")
        page.fill("#name", "nobody")
        page.fill("#password", "four words in a row")
        page.click("#go")
        page.wait_for_selector(".error:not(:empty), [role=alert]:not(:empty)")
        assert serious_findings(page) == [], "log in, refused"
        page.goto(f"{running.url}join#{accounts.invite(OWNER, by='test')[1]}")
        page.wait_for_selector("#go")
        assert serious_findings(page) == [], "join"
        page.fill("#name", "olga")
        page.fill("#password", "four words in a row")
        page.click("#go")
        page.wait_for_selector(".projects a")
        page.click("#f-invite button")
        page.wait_for_selector("dialog input")
        assert serious_findings(page) == [], "a link to hand on"
        page.keyboard.press("Escape")
        page.fill("#token-name", "a program")
        page.click("#f-token button[type=submit]")
        page.wait_for_selector("dialog")
        page.keyboard.press("Escape")
        page.fill("#webhook-url", "https://example.org/")
        page.click("#f-webhook button[type=submit]")
        page.wait_for_selector("dialog")
        page.keyboard.press("Escape")
        page.wait_for_selector("#tokens li span")
        assert serious_findings(page) == [], "the team, with all its lists"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"
        page.goto(f"{running.url}api/v1/docs")
        assert serious_findings(page) == [], "the document of the API"
        running.stop()
    hooks.stop()
    accounts.close()
