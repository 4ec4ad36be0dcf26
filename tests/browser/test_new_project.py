"""A whole project in a real Chromium, by keyboard: from a dropped file to the export."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import time
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise import learners
from askwise.app.projects import Intake, create_new
from askwise.app.server import create_app
from askwise.pool import load_pool
from askwise.session import Session
from help.plugins import PLUGIN, clean_registry, lay_out, points_of

TOKEN = "a-token-of-some-length"


@pytest.fixture
def visit(new_page: Any, run: Any) -> Callable[..., Any]:
    """Serves an app and opens it."""

    def open_page(app: Any, **settings: Any) -> Any:
        url = run(app).url
        page = new_page(url, **settings)
        page.goto(f"{url}?token={TOKEN}")
        return page

    return open_page


@pytest.fixture
def new(visit: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of a new project; what it makes is in `made`."""
    sessions: list[Session] = []
    folder = tmp_path / "projects"
    folder.mkdir()

    def open_page(**settings: Any) -> Any:
        app = create_new(Intake(folder), token=TOKEN, started=lambda session, _: sessions.append(session))
        page = visit(app, **settings)
        page.wait_for_selector("#b-choose:focus")
        return page

    open_page.made = sessions  # type: ignore[attr-defined]
    open_page.folder = folder  # type: ignore[attr-defined]
    yield open_page
    for session in sessions:
        session.close()


def drop(page: Any, name: str, data: bytes) -> None:
    """Drop a file on the page, as a person does with the mouse."""
    transfer = page.evaluate_handle(
        """([name, data]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
            return transfer;
        }""",
        [name, base64.b64encode(data).decode()],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


def tab_to(page: Any, selector: str) -> None:
    """Press Tab till the focus is there."""
    for _ in range(60):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {selector}")


def labeled(session: Session, n: int) -> None:
    deadline = time.monotonic() + 15
    while session.counts()["labeled"] != n:
        assert time.monotonic() < deadline, session.counts()
        time.sleep(0.02)


def answer(page: Any, choose: Callable[[str], str]) -> None:
    """One question: read it, press the key, see the next."""
    page.wait_for_timeout(110)  # past the moment in which a second press counts as a bounce
    before = page.get_attribute("#live", "data-none") or page.text_content("#live")
    page.keyboard.press(choose(page.text_content("#live")))
    page.wait_for_function("t => document.getElementById('live').textContent !== t", arg=before)


def spam(n: int) -> bytes:
    words = itertools.cycle([("see you at lunch", "tomorrow"), ("win a prize now", "free"), ("are you coming", "home")])
    lines = [f'{i},"{a}, {b} {i}"' for i, (a, b) in zip(range(n), words, strict=False)]
    return ("id,message\n" + "\n".join(lines) + "\nx,,,\n").encode()


def test_from_a_dropped_file_to_the_export_by_keyboard_alone(new: Any) -> None:
    page = new()
    drop(page, "mail <b>.csv", spam(40))
    page.wait_for_selector("#seen b")
    assert page.text_content("#seen b") == "40 items"
    assert "Row 41 (line 42) has 4 cells" in page.text_content("#problems")
    tab_to(page, "#classes")
    page.keyboard.type("ham")
    tab_to(page, "#b-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#start-error .error")  # one label is not enough: the focus is back at the field
    assert page.evaluate("document.activeElement.id") == "classes"
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.type("spam")
    tab_to(page, "#title")
    page.keyboard.press("Control+A")
    page.keyboard.type("My mail")
    tab_to(page, "#b-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why:not(:empty)")
    assert page.text_content("#title") == "My mail"
    (session,) = new.made
    for _ in range(39):
        answer(page, lambda text: "2" if "prize" in text else "1")
    page.wait_for_timeout(110)
    page.keyboard.press("2" if "prize" in page.text_content("#live") else "1")
    labeled(session, 40)
    page.wait_for_selector(".empty h2:has-text('All done')")
    # The way to the export, by Tab and Enter only.
    page.keyboard.press("Tab")
    tab_to(page, ".empty .primary, #b-finish")
    page.keyboard.press("Enter")
    page.wait_for_selector("a[href*='export']")
    link = page.locator("a[href*='export']").first
    with page.expect_download() as download:
        for _ in range(40):
            if page.evaluate("() => (document.activeElement.href ?? '').includes('export')"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    assert link.is_visible()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert len(rows) == 41  # the row that could not be used, too
    rows = [row for row in rows if not row["askwise_problem"]]
    assert len(rows) == 40
    sent = [line["message"] for line in csv.DictReader(io.StringIO(spam(40).decode()))][:40]
    assert [row["message"] for row in rows] == sent
    assert [row["label"] for row in rows] == ["spam" if "prize" in text else "ham" for text in sent]
    assert {row["source"] for row in rows} == {"human"}


def test_errors_are_said_and_the_page_goes_on(new: Any) -> None:
    page = new()
    drop(page, "photo.svg", b"<svg onload='alert(1)'/>")
    page.wait_for_selector("#file-error .error")
    assert "is no file of these" in page.text_content("#file-error")
    attack = "<img src=x onerror=alert(1)>"
    drop(page, "a.csv", f'"{attack}","b"\n"{attack}","{attack}"\nsecond,\n'.encode())
    page.wait_for_selector("#seen b")
    assert page.text_content("#file-error") == ""
    assert attack in page.text_content("#columns")
    assert page.locator("#form img").count() == 0
    with page.expect_file_chooser() as chooser:
        page.focus("#b-choose")
        page.keyboard.press("Enter")
    chooser.value.set_files(
        {"name": "b.jsonl", "mimeType": "text/plain", "buffer": b'{"text": "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85"}\n'}
    )
    page.wait_for_function("() => document.getElementById('file-status').textContent.includes('b.jsonl')")
    page.wait_for_selector(".examples li:has-text('سلام')")
    assert page.evaluate("getComputedStyle(document.querySelector('.examples li')).direction") == "rtl"


def test_images(new: Any) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    out = io.BytesIO()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(out, "w") as archive:
        for at in range(24):
            pixels = rng.integers(0, 60, (60, 80), dtype=np.uint8)
            pixels[:, :40] += np.uint8(150 * (at % 2))
            one = io.BytesIO()
            image.fromarray(pixels).save(one, "PNG")
            archive.writestr(f"{'bright' if at % 2 else 'dark'} {at}.png", one.getvalue())
    page = new()
    drop(page, "photos.zip", out.getvalue())
    page.wait_for_selector("#seen b")
    page.fill("#classes", "dark\nbright")
    page.click("#b-start")
    page.wait_for_selector(".stage img")
    session = new.made[0]
    for _ in range(10):
        answer(page, lambda text: "2" if "bright" in text else "1")
    labeled(session, 10)
    session.refresh()
    answer(page, lambda text: "2" if "bright" in text else "1")
    img = page.locator(".stage img").first
    assert page.evaluate("() => document.querySelector('.stage img').naturalWidth") == 80
    page.keyboard.press("+")
    assert page.text_content("#zoom-now") == "140 %"
    assert "scale(1.4)" in img.get_attribute("style")
    page.keyboard.press("i")
    assert "invert(1)" in img.get_attribute("style")
    page.keyboard.press("=")
    assert page.text_content("#zoom-now") == "100 %"
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.wheel(0, -300)
    page.wait_for_function("() => parseInt(document.getElementById('zoom-now').textContent) > 150")
    left = page.evaluate("() => document.querySelector('.stage img').getBoundingClientRect().left")
    page.mouse.down()
    page.mouse.move(box["x"] - 60, box["y"] + 10)
    page.mouse.up()
    assert page.evaluate("() => document.querySelector('.stage img').getBoundingClientRect().left") < left
    while page.locator(".why.check").count():
        answer(page, lambda text: "2" if "bright" in text else "1")
    page.keyboard.press("w")
    page.wait_for_selector(".thumb img")
    page.locator(".thumb").first.click()
    assert page.locator(".pane").count() == 2
    assert page.locator(".pane img").last.get_attribute("style").count("invert(1)") == 1
    page.locator(".thumb").first.click()
    assert page.locator(".pane").count() == 1
    page.keyboard.press("Backspace")  # the earlier image comes back, with all it shows
    page.wait_for_selector(".stage img")


def test_an_image_that_is_gone_says_so(visit: Any, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for at in range(3):
        image.new("RGB", (8, 8), (at, 0, 0)).save(tmp_path / f"{at}.png")
    with Session(load_pool(tmp_path), classes=["a", "b"]) as session:
        for path in tmp_path.glob("*.png"):
            path.unlink()
        page = visit(create_app(session, token=TOKEN))
        page.wait_for_selector(".pane [role=alert]")
        assert "Put it back" in page.text_content(".pane [role=alert]")


def test_pairs_on_a_phone(new: Any) -> None:
    page = new(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    drop(
        page,
        "p.csv",
        b"q,left,right\n" + b"".join(b"%d,short %d,a much longer one %d\n" % (i, i, i) for i in range(20)),
    )
    page.wait_for_selector("#seen b")
    page.check("[name=kind][value=pair]")
    page.wait_for_selector("#seen-error .error")
    assert "two columns" in page.text_content("#seen-error")
    for name in ("left", "right"):
        page.select_option(f"[data-column={name}]", "shown")
    for name in ("q",):
        page.select_option(f"[data-column={name}]", "none")
    page.wait_for_selector("#seen b")
    page.fill("#classes", "first\nsecond\nsame")
    page.tap("#b-start")
    page.wait_for_selector(".pair section")
    assert page.locator(".pair section h2").all_text_contents() == ["First", "Second"]
    assert page.text_content(".pair section:last-child div").startswith("a much longer")
    page.tap(".label >> nth=1")
    labeled(new.made[0], 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert new.made[0].settings["encoder"].startswith("pair:")


def test_table_rows(visit: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("age,city\n" + "\n".join(f"{i},القاهرة {i}" for i in range(20)))
    with Session(load_pool(tmp_path / "t.csv", kind="table"), classes=["yes", "no"]) as session:
        page = visit(create_app(session, token=TOKEN))
        page.wait_for_selector(".cells th")
        assert page.locator(".cells th").all_text_contents() == ["age", "city"]
        assert page.evaluate("getComputedStyle(document.querySelectorAll('.cells td')[1]).direction") == "rtl"
        answer(page, lambda _: "1")
        labeled(session, 1)


def test_recordings_play(visit: Any, tmp_path: Path) -> None:
    for at in range(4):
        with wave.open(str(tmp_path / f"{at}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((3000 * np.sin(np.arange(40_000) * (0.1 + at / 9))).astype(np.int16).tobytes())
    with Session(load_pool(tmp_path), classes=["a", "b"]) as session:
        page = visit(create_app(session, token=TOKEN))
        page.wait_for_function("() => document.getElementById('audio')?.readyState >= 3")
        page.select_option(".player select", "1.5")
        page.keyboard.press("a")
        page.wait_for_function("() => document.getElementById('audio').currentTime > 0")
        page.keyboard.press("a")
        assert page.evaluate("() => document.getElementById('audio').paused")
        answer(page, lambda _: "1")
        page.wait_for_function("() => document.getElementById('audio')?.playbackRate === 1.5")


def test_two_hundred_labels_in_groups(visit: Any) -> None:
    classes = [f"Area {a} / part {b:02}" for a in range(10) for b in range(20)]
    texts = [f"العربية thing {i} 😀\n\tdef code(): pass" for i in range(50)]
    with Session(texts, classes=classes, encoder="tfidf") as session:
        page = visit(create_app(session, token=TOKEN))
        page.wait_for_selector("#why:not(:empty)")
        assert page.locator(".grid .group").all_text_contents() == [f"Area {a}" for a in range(10)]
        assert page.locator(".grid .label .name").nth(25).text_content() == "part 05"
        assert page.evaluate("getComputedStyle(document.getElementById('text')).direction") == "rtl"
        page.keyboard.press("m")
        assert "mono" in page.evaluate("getComputedStyle(document.getElementById('text')).fontFamily")
        page.keyboard.press("/")
        page.keyboard.type("13 area 7")
        shown = page.locator(".grid .label:not([hidden]):not(.new) .name").all_text_contents()
        assert shown == ["Area 7 / part 13"]
        assert page.locator(".grid .group:not([hidden])").count() == 0
        page.keyboard.press("Enter")
        labeled(session, 1)
        assert next(iter(session.answers().values())).label == "Area 7 / part 13"
        assert page.locator(".grid .group:not([hidden])").count() == 10
        answer(page, lambda _: "Shift+Digit2")
        labeled(session, 2)
        assert {a.label for a in session.answers().values()} == {"Area 7 / part 13", "Area 0 / part 11"}


def test_a_project_with_several_labels_an_item(new: Any) -> None:
    page = new()
    drop(page, "mail.csv", b"message,label\none,a|b\ntwo,b\nthree,\nfour,(none)\nfive,\n")
    page.wait_for_selector("#seen b")
    tab_to(page, "#several")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('classes').value === 'a\\nb'")
    tab_to(page, "#b-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why:not(:empty)")
    (session,) = new.made
    assert session.multilabel
    assert {row: answer.label for row, answer in session.answers().items()} == {0: "a|b", 1: "b", 3: "(none)"}
    page.wait_for_timeout(110)
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    labeled(session, 1)
    assert session.history(1)[0].label == "a|b"


def test_how_a_file_is_read_is_said_and_can_be_changed(new: Any) -> None:
    page = new(viewport={"width": 390, "height": 844})
    page.set_default_timeout(60_000)  # each choice reads the file anew, in a process of its own
    drop(page, "alt.csv", "Grüße aus Köln;ham\nbis später;spam\nbis dann;ham\n".encode("cp1252"))
    page.wait_for_selector("#reading:not([hidden])")
    assert "read as cp1252" in page.text_content("#file-notes")
    assert "Line 1 was taken as the header" in page.text_content("#file-notes")
    assert page.get_attribute("#r-encoding", "placeholder") == "cp1252"
    page.click("#reading summary")
    page.uncheck("#r-header")
    page.wait_for_selector("[data-column=column_1]")
    assert page.text_content("#columns tbody .example") == "Grüße aus Köln"
    page.fill("#r-encoding", "nix")
    page.press("#r-encoding", "Enter")
    page.wait_for_selector("#file-error .error")
    assert "No text encoding named 'nix'" in page.text_content("#file-error")
    page.fill("#r-encoding", "cp1250")  # the way out is still there
    page.press("#r-encoding", "Enter")
    page.wait_for_selector("[data-column=column_2]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_parts_of_installed_packages_are_offered(new: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clean_registry():
        site = tmp_path / "site"
        site.mkdir()
        monkeypatch.syspath_prepend(str(site))
        lay_out(site, points_of(), PLUGIN / "src" / "askwise_ratio.py")
        page = new()
        drop(page, "mail.csv", b"text\n" + b"".join(b"see you at lunch %d\n" % i for i in range(20)))
        page.wait_for_selector("#form:not([hidden])")
        page.click("#parts summary")
        assert page.locator("#p-learner optgroup option").all_text_contents() == ["nearest_mean"]
        page.select_option("#p-learner", "nearest_mean")
        assert page.text_content("#p-learner-what") == "Of an installed package."
        page.select_option("#p-strategy", "ratio")
        page.fill("#classes", "ham\nspam")
        page.click("#b-start")
        page.wait_for_selector("#labels button, .label, [data-label]", timeout=60_000)
        (session,) = new.made
        assert session.settings["learner"].startswith("NearestMean()")
        assert session.settings["strategy"] == "ratio"


def test_our_own_learners_are_offered_with_a_sentence_each(new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askwise.plugins.registered", lambda what: ())
    page = new()
    drop(page, "rows.csv", b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i % 7) for i in range(20)))
    page.wait_for_selector("#form:not([hidden])")
    assert not page.is_visible("#p-learner"), "folded away: nobody must choose"
    tab_to(page, "#parts summary")
    page.keyboard.press("Enter")
    assert page.locator("#p-learner option").all_text_contents() == [
        "Askwise's choice: portfolio", "portfolio", "linears", "linear", "kernel", "gaussians", "forest",
    ]  # fmt: skip
    assert not page.is_visible("#p-strategy"), "no package offers one"
    assert page.text_content("#p-learner-what") == learners.WHAT["portfolio"]
    page.check("[name=kind][value=text]")
    assert page.text_content("#p-learner option >> nth=0") == "Askwise's choice: linears"
    assert page.text_content("#p-learner-what") == learners.WHAT["linears"]
    page.check("[name=kind][value=table]")
    page.select_option("#p-learner", "forest")
    assert page.text_content("#p-learner-what") == learners.WHAT["forest"]
    page.check("#several")
    assert page.input_value("#p-learner") == "", "ours by name learn one label an item"
    assert page.is_disabled("#p-learner option[value=forest]")
    assert page.text_content("#p-learner-what") == "Made for answers of this kind."
    page.uncheck("#several")
    page.select_option("#p-learner", "forest")
    page.wait_for_selector("#seen b")
    page.fill("#classes", "odd\neven")
    page.click("#b-start")
    page.wait_for_selector("#labels button, .label, [data-label]", timeout=60_000)
    (session,) = new.made
    assert session.settings["learner"] == "Portfolio(['forest'])"
    assert session.settings["encoder"] == "rows"


def test_marked_texts_become_a_project_with_spans(new: Any) -> None:
    pytest.importorskip("pycrfsuite")
    page = new()
    few = b"Ada\tB-PER\nmet\tO\nBob\tB-PER\n\nOslo\tB-LOC\n\nplain\tO\n"
    drop(page, "few.conll", few)
    page.wait_for_selector("#seen b")
    assert page.input_value("#task") == "spans"
    assert page.locator("#seen .examples li").all_text_contents() == ["[Ada PER] met [Bob PER]", "[Oslo LOC]"]
    assert page.input_value("#classes") == "LOC\nPER"
    assert page.text_content("#classes-note").startswith("2 labels.")
    assert page.is_hidden("#l-several")
    assert page.text_content("#l-fewest") == "one"
    page.click("#b-start")
    page.wait_for_selector("#rail a")
    (session,) = new.made
    assert session.task.name == "spans"
    page.goto(page.url.split("?")[0].rstrip("/") + "/finish")
    page.wait_for_selector("text=Take the labels")
    for name in ("CoNLL", "doccano", "Prodigy"):
        assert page.get_by_role("link", name=name, exact=True).is_visible()
    with page.expect_download() as taken:
        page.get_by_role("link", name="CoNLL", exact=True).click()
    assert taken.value.suggested_filename == "labels.conll"
    written = Path(taken.value.path()).read_text()
    assert "Ada\tB-PER" in written


def test_a_column_may_be_guesses_of_a_model(new: Any, tmp_path: Path) -> None:
    page = new()
    lines = [f"see you at lunch {i},{'spam' if i % 3 else 'ham'}" for i in range(30)]
    drop(page, "guessed.csv", "\n".join(["message,llm", *lines]).encode())
    page.select_option("[data-column=llm]", "guess")
    page.select_option("[data-column=message]", "shown")
    page.fill("#classes", "ham\nspam")
    page.click("#b-start")
    page.wait_for_selector("#why:not(:empty)", timeout=60_000)
    assert new.made[0].look(lambda s: s.opened["guesses"]["columns"]) == ["llm"]
    assert "llm" not in page.text_content("main")
