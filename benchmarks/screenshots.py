"""Takes the pictures of docs/images: a made session, shown by the app in a real Chromium.

    python benchmarks/screenshots.py             # all of them, about a minute
    python benchmarks/screenshots.py label team  # those whose name begins so

The texts, the answers so far and the seed are fixed; times, fingerprints and the question at hand differ from run to
run. Pictures are one screen high and stored with a palette of 256 colors. Needs the extra `team`.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import random
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

from askwise import LabelCheck
from askwise.app.accounts import Accounts
from askwise.app.checks.app import create_check_app
from askwise.app.checks.desk import CheckDesk
from askwise.app.hooks import Webhooks
from askwise.app.project import Project
from askwise.app.projects import Intake, create_new
from askwise.app.roles import ANNOTATOR, OWNER, REVIEWER
from askwise.app.server import create_app
from askwise.app.team import Team, create_team_app
from askwise.pool import load_pool
from askwise.session import Session

OUT = Path(__file__).parents[1] / "docs" / "images"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
TOKEN = "a-token-of-some-length"
WIDE, PHONE = (1280, 860), (390, 844)
TITLE = "Messages to the shop"
GUIDELINES = "# What the message asks for\n\n- **refund** only if money is to come back\n- two wishes: label the first"
PEOPLE = ("Ada", "Ben", "Chi")

OPENERS = ("", "Hello, ", "Good morning, ", "Hi there, ", "Dear team, ", "Sorry to ask again: ")
CLOSERS = ("", " Thank you!", " Please help.", " Best, Jo", " Looking forward to your answer.", " It is a gift.")
THINGS = ("kettle", "desk lamp", "backpack", "rain jacket", "coffee mill", "bicycle bell", "tea set", "wool blanket")
WHEN = ("on Monday", "last week", "three days ago", "before the weekend", "yesterday")
MESSAGES = {
    "delivery": (
        "the {thing} was due {when} and the parcel has not arrived.",
        "where is my {thing}? The tracking has not moved since it was shipped {when}.",
        "the courier left the {thing} with a neighbor {when}, but nobody here has the parcel.",
        "can the {thing} be sent to another address? It was to be delivered {when}.",
    ),
    "refund": (
        "I sent the {thing} back {when} and still wait for my money.",
        "the {thing} came broken {when}. I would like my money back.",
        "I was charged twice for the {thing} {when}; please refund one payment.",
        "the {thing} was canceled {when}, yet my card has been charged.",
    ),
    "account": (
        "I cannot log in since I ordered the {thing} {when}; the password mail never comes.",
        "please change the email of my account, the one I used for the {thing} {when}.",
        "my account shows no invoice for the {thing} I bought {when}.",
        "I registered twice {when} to buy the {thing}; please delete one account.",
    ),
    "question": (
        "does the {thing} that you announced {when} come in green?",
        "is the {thing} from the window {when} still in stock, and how large is it?",
        "which spare parts fit the {thing} that I saw {when}?",
        "can the {thing} be washed? The label came off {when}.",
    ),
}


def sentence(rng: random.Random, label: str) -> str:
    """What somebody writes who wants this."""
    return rng.choice(MESSAGES[label]).format(thing=rng.choice(THINGS), when=rng.choice(WHEN))


def messages(n: int) -> dict[str, str]:
    """`n` different messages with their labels."""
    rng = random.Random(4)
    found: dict[str, str] = {}
    while len(found) < n:
        (label,) = rng.choices(list(MESSAGES), [5, 3, 2, 4])
        core, opener = sentence(rng, label), rng.choice(OPENERS)
        text = opener + (core if opener else core[0].upper() + core[1:])
        if rng.random() < 0.12:
            text += " And another thing: " + sentence(rng, rng.choice(list(MESSAGES)))
        text += rng.choice(CLOSERS)
        found[text] = label
    return found


def worked(truth: dict[str, str], answers: int = 210) -> Session:
    """A session that three people have worked on, not without errors."""
    rng = random.Random(5)
    session = Session(
        list(truth), classes=list(MESSAGES), encoder="tfidf", title=TITLE, audit_share=0.25, max_error=0.1, seed=1
    )
    for i, name in zip(range(answers), itertools.cycle(PEOPLE), strict=False):
        (query,) = session.ask(annotator=name)
        right = truth[query.content]
        label = right if rng.random() < 0.98 else rng.choice(list(MESSAGES))
        session.tell(query, label, annotator=name, seconds=rng.lognormvariate(0.8, 0.5))
        if i % 30 == 7:
            session.flag(query, "Two wishes in one message?", annotator=name)
        if i % 4 == 0:
            other = PEOPLE[(i + 1) % 3]
            second = right if rng.random() < 0.75 else rng.choice(list(MESSAGES))
            session.tell(query.item, second, annotator=other, seconds=rng.lognormvariate(0.8, 0.5))
        if i % 12 == 11:
            session.refresh()
    session.refresh()
    return session


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address at which the app answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, access_log=False, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join(10)


class Camera:
    """Opens pages and keeps pictures of them."""

    def __init__(self, browser: Any, out: Path, wanted: list[str]) -> None:
        self.browser = browser
        self.out = out
        self.wanted = tuple(wanted)

    def wants(self, name: str) -> bool:
        """Whether a picture was asked for."""
        return not self.wanted or name.startswith(self.wanted)

    @contextmanager
    def page(self, size: tuple[int, int], scheme: str, height: int | None = None) -> Iterator[Page]:
        """A fresh page, light or dark."""
        viewport = {"width": size[0], "height": height or size[1]}
        touch = {"has_touch": True, "is_mobile": True} if size == PHONE else {}
        context = self.browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce", **touch)
        page = context.new_page()
        page.on("pageerror", lambda error: print("error on the page:", error))
        yield page
        context.close()

    def shoot(self, page: Page, name: str) -> None:
        """Keep what the page shows now."""
        page.wait_for_load_state("networkidle")
        page.evaluate("document.activeElement.blur()")
        page.mouse.move(0, 0)
        page.wait_for_timeout(300)  # for the frame after the last reply
        image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        file = self.out / f"{name}.png"
        image.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
        print(f"{file.name}: {image.width} x {image.height}, {file.stat().st_size / 1000:.0f} kB")


def label(camera: Camera, url: str, truth: dict[str, str]) -> None:
    for name, size, scheme in (
        ("label-light", WIDE, "light"), ("label-dark", WIDE, "dark"), ("label-phone-dark", PHONE, "dark"),
    ):  # fmt: skip
        if not camera.wants(name):
            continue
        with camera.page(size, scheme) as page:
            page.goto(f"{url}?token={TOKEN}")
            page.wait_for_selector("#why:not(:empty)")
            for _ in range(4):
                page.wait_for_timeout(1500)  # a person's pace
                text = page.text_content("#text") or ""
                page.keyboard.press(str(1 + list(MESSAGES).index(truth[text])))
                page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=text)
            for _ in range(20):  # to a question that shows what the model thinks
                if page.locator(".label.suggested").count():
                    break
                page.wait_for_timeout(700)
                page.keyboard.press("Space")
            page.wait_for_selector(".toast", state="detached")
            if size == WIDE:
                page.keyboard.press("w")
                page.wait_for_selector("#more :visible")
            camera.shoot(page, name)


def several(camera: Camera) -> None:
    """The page where an item has several labels: messages with one wish or two."""
    names = [name for name in ("labels-light", "labels-phone-dark") if camera.wants(name)]
    if not names:
        return
    rng = random.Random(6)
    truth: dict[str, list[str]] = {}
    while len(truth) < 400:
        wishes = rng.sample(list(MESSAGES), rng.choice([1, 1, 2]))
        text = " Also: ".join(sentence(rng, name) for name in wishes)
        truth[text[0].upper() + text[1:]] = wishes
    with Session(
        list(truth), classes=list(MESSAGES), multilabel=True, encoder="tfidf", title=TITLE, audit_share=0.2, seed=2
    ) as session:
        for _ in range(5):
            for query in session.ask(10):
                session.tell(query, truth[query.text], seconds=rng.lognormvariate(1, 0.5))
            session.refresh()
        guidelines = GUIDELINES.replace("label the first", "label both")
        with served(create_app(session, token=TOKEN, guidelines=guidelines)) as url:
            for name in names:
                with camera.page(PHONE if "phone" in name else WIDE, name.rpartition("-")[2]) as page:
                    page.goto(f"{url}?token={TOKEN}")
                    page.wait_for_selector("#why:not(:empty)")
                    for _ in range(60):  # to a question where the model suggests two
                        if page.locator(".grid .suggested").count() == 2:
                            break
                        page.wait_for_timeout(200)
                        page.keyboard.press("Space")
                    page.wait_for_selector(".toast", state="detached")
                    page.keyboard.press("p")
                    camera.shoot(page, name)


def shapes(n: int) -> Iterator[tuple[str, Image.Image]]:
    """Made images: dusk with a moon, or a street with a lamp."""
    rng = random.Random(7)
    for i in range(n):
        scene = "moon" if i % 2 else "lamp"
        light = rng.randint(0, 30)
        image = Image.linear_gradient("L").resize((240, 180)).point(lambda v, light=light: 20 + light + v // 3)
        image = Image.merge("RGB", (image, image.point(lambda v: v + 6), image.point(lambda v: v + 26)))
        draw = ImageDraw.Draw(image)
        for _ in range(8):
            x, height = rng.randint(-20, 230), rng.randint(20, 60)
            draw.rectangle((x, 180 - height, x + rng.randint(20, 50), 180), fill=(24, 26, 34))
        x, y = rng.randint(24, 70), rng.randint(20, 44)
        if scene == "moon":
            draw.ellipse((x, y, x + 28, y + 28), fill=(244, 238, 206))
        else:
            x += 120
            draw.rectangle((x, 90, x + 4, 180), fill=(70, 70, 76))
            draw.ellipse((x - 10, 76, x + 14, 100), fill=(255, 214, 120))
        yield f"{scene} {i:02}.png", image


def regions(camera: Camera, folder: Path) -> None:
    """An image with what speaks for a label."""
    if not camera.wants("regions-light"):
        return
    images = folder / "images"
    images.mkdir()
    for name, image in shapes(60):
        image.save(images / name)
    with Session(load_pool(images), classes=["lamp", "moon"], title="By night", audit_share=0.1, seed=3) as session:
        for _ in range(3):
            for query in session.ask(8):
                session.tell(query, query.text.split()[0], seconds=1.4)
            session.refresh()
        with served(create_app(session, token=TOKEN)) as url, camera.page(WIDE, "light", 1020) as page:
            page.goto(f"{url}?token={TOKEN}")
            page.wait_for_selector("#why:not(:empty)")
            for _ in range(20):
                if page.locator(".grid .suggested").count():
                    break
                page.wait_for_timeout(200)
                page.keyboard.press("Space")
            page.wait_for_selector(".toast", state="detached")
            page.keyboard.press("r")
            page.wait_for_selector(".stage canvas")
            camera.shoot(page, "regions-light")


def pages(camera: Camera, url: str) -> None:
    for name, address, size, scheme, height, ready in (
        ("dashboard-light", "dashboard", WIDE, "light", 1180, ".figure .chart.map canvas"),
        ("dashboard-dark", "dashboard", WIDE, "dark", 1180, ".figure .chart.map canvas"),
        ("dashboard-phone-light", "dashboard", PHONE, "light", None, ".figure .chart.map canvas"),
        ("review-light", "review", WIDE, "light", None, ".case"),
        ("data-light", "data", WIDE, "light", None, "table.items tbody tr"),
        ("models-light", "models", WIDE, "light", None, ".versions .link"),
        ("finish-light", "finish", WIDE, "light", 1020, ".step .primary:enabled"),
        ("finish-phone-dark", "finish", PHONE, "dark", None, ".step .primary:enabled"),
    ):
        if camera.wants(name):
            with camera.page(size, scheme, height) as page:
                page.goto(f"{url}?token={TOKEN}")
                page.goto(url + address)
                page.wait_for_selector(ready, timeout=120_000)
                camera.shoot(page, name)


def certified(camera: Camera, session: Session, url: str, truth: dict[str, str]) -> None:
    session.release()
    session.autolabel(oracle=lambda queries: [truth[query.content] for query in queries])
    session.refresh()
    with camera.page(WIDE, "light") as page:
        page.goto(f"{url}?token={TOKEN}")
        page.goto(f"{url}finish")
        page.wait_for_selector(".certificate")
        camera.shoot(page, "certificate-light")


def new_project(camera: Camera, folder: Path, truth: dict[str, str]) -> None:
    table = folder / "messages.csv"
    rows = [f'{i},"{text}",shop{i % 3},{name if i % 9 == 0 else ""}' for i, (text, name) in enumerate(truth.items())]
    table.write_text("\n".join(["id,message,shop,label", *rows[:200]]), encoding="utf-8")
    (folder / "projects").mkdir()
    app = create_new(Intake(folder / "projects"), token=TOKEN, started=lambda *_: None)
    with served(app) as url, camera.page(WIDE, "light") as page:
        page.goto(f"{url}?token={TOKEN}")
        page.set_input_files("#file", str(table))
        page.wait_for_selector("#seen b")
        camera.shoot(page, "new-project-light")


def given_labels(camera: Camera, folder: Path, truth: dict[str, str]) -> None:
    """Labels that exist already: a question, and the numbers in the end."""
    rng = random.Random(6)
    table = folder / f"{TITLE}.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["message", "llm", "sure", "shop"])
        for i, (text, label) in enumerate(truth.items()):
            sure = rng.betavariate(6, 1)
            said = label if rng.random() < sure else rng.choice(list(MESSAGES))
            rows.writerow([text, said, round(sure, 3), f"shop {i % 3}"])
    columns = {"by": "shop", "text": "message", "max_error": 0.05, "encoder": "tfidf", "seed": 2}
    with LabelCheck(table, "llm", "sure", **columns) as check:
        app = create_check_app(CheckDesk(check), token=TOKEN)
        with served(app) as url, camera.page(WIDE, "light") as page:
            page.goto(f"{url}?token={TOKEN}")
            page.wait_for_selector("#why:not(:empty)")
            camera.shoot(page, "check-light")
            check.simulate(list(truth.values()))
            page.reload()
            page.wait_for_selector("#quality-says")
            page.set_viewport_size({"width": WIDE[0], "height": 1000})
            camera.shoot(page, "check-numbers-light")


def team(camera: Camera, folder: Path, session: Session) -> None:
    accounts = Accounts(folder / "team.sqlite")
    hooks = Webhooks(accounts.engine, resolve=lambda *_: ["93.184.216.34"])
    app = create_team_app(Team(accounts, hooks, {"messages": Project(session, guidelines=GUIDELINES, team=True)}))
    with served(app) as url:
        for name, role in zip(PEOPLE, (OWNER, REVIEWER, ANNOTATOR), strict=True):
            secret = accounts.invite(role, by="screenshots")[1]
            with camera.page(WIDE, "light") as page:
                page.goto(f"{url}join#{secret}")
                page.fill("#name", name)
                page.fill("#password", "four words in a row")
                page.click("#go")
                page.wait_for_selector(".projects a")
                if role == ANNOTATOR:
                    continue
                if role == OWNER:
                    owner = page.context.storage_state()
        context = camera.browser.new_context(
            viewport={"width": WIDE[0], "height": 1020}, color_scheme="light", storage_state=owner
        )
        page = context.new_page()
        page.goto(f"{url}team")
        page.wait_for_selector(".projects a")
        page.fill("#token-name", "nightly export")
        page.click("#f-token button[type=submit]")
        page.wait_for_selector("dialog")
        page.keyboard.press("Escape")
        page.wait_for_selector("#tokens li span")
        camera.shoot(page, "team-light")
        context.close()
    hooks.stop()
    accounts.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of names; default: all pictures")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        parser.error("no Chromium on the PATH")
    given.out.mkdir(parents=True, exist_ok=True)
    truth = messages(900)
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder, worked(truth) as session:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        camera = Camera(browser, given.out, given.names)
        with served(create_app(session, token=TOKEN, guidelines=GUIDELINES)) as url:
            pages(camera, url)
            label(camera, url, truth)
            if camera.wants("certificate"):
                certified(camera, session, url, truth)
        several(camera)
        regions(camera, Path(folder))
        if camera.wants("new-project"):
            new_project(camera, Path(folder), truth)
        if camera.wants("check"):
            given_labels(camera, Path(folder), truth)
        if camera.wants("team"):
            team(camera, Path(folder), session)
        browser.close()


if __name__ == "__main__":
    main()
