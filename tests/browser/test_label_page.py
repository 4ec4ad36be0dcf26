"""The labeling page in a real Chromium."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.session import Session
from help.hands import press, settled, taken, text_of

TOKEN = "a-token-of-some-length"
FRUIT, TOOL = ["apple", "pear", "plum", "cherry"], ["hammer", "saw", "drill", "wrench"]


def texts(n: int) -> list[str]:
    return [f"{word} number {i}" for i, word in itertools.islice(itertools.product(range(n), FRUIT + TOOL), n)]


def key_for(text: str) -> str:
    return "1" if text.split()[0] in FRUIT else "2"


class Served:
    """A session behind a real server on the loopback; can be stopped and started again at the same place."""

    def __init__(self, session: Session, guidelines: str, run: Callable[[Any], Any]) -> None:
        self.session, self.guidelines = session, guidelines
        self.running = run(self.app())
        self.url = self.running.url
        self.stop = self.running.stop

    def app(self) -> Any:
        return create_app(self.session, token=TOKEN, guidelines=self.guidelines)

    def start(self) -> None:
        self.running.start(self.app())


@pytest.fixture
def serve(run: Any) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(items: list[str] | None = None, classes: Any = ("fruit", "tool"), guidelines: str = "") -> Served:
        session = Session(items or texts(60), classes=list(classes), encoder="tfidf", max_error=0.1, title="Things")
        running.append(Served(session, guidelines, run))
        return running[-1]

    yield start
    for served in running:
        served.stop()
        served.session.close()


@pytest.fixture
def visit(new_page: Any) -> Callable[..., Any]:
    """Opens the page as the link does, with all that moves on it."""

    def open_page(served: Served, **settings: Any) -> Any:
        page = new_page(served.url, **{"reduced_motion": "no-preference"} | settings)
        page.goto(f"{served.url}?token={TOKEN}")
        page.wait_for_selector("#why:not(:empty)")
        return page

    return open_page


def saved(session: Session, n: int, kind: str = "labeled") -> None:
    """Wait until the log holds n answers of a kind."""
    deadline = time.monotonic() + 10
    while session.counts()[kind] != n:
        assert time.monotonic() < deadline, session.counts()
        time.sleep(0.02)


def label_of(session: Session, text: str) -> str | None:
    answer = session.answers().get(list(session.pool.contents).index(text))
    return answer.label if answer else None


def test_one_key_answers_and_goes_on(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    assert "token" not in page.url
    seen = [press(page, key) for key in "12112"]
    assert len(set(seen)) == 5
    saved(served.session, 5)
    assert [label_of(served.session, t) for t in seen] == ["fruit", "tool", "fruit", "fruit", "tool"]
    assert page.locator("#history .pill").all_text_contents() == ["fruit", "tool", "fruit", "fruit", "tool"]
    assert page.text_content("#toasts span") == "Labeled tool"
    assert all(0.05 < a.seconds < 5 for a in served.session.history())


def test_a_search_puts_what_it_finds_before_the_other_questions(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    page.wait_for_function("() => document.querySelector('#text').textContent")
    open_before = text_of(page)
    settled(page)
    page.keyboard.press("s")
    page.wait_for_selector("dialog #find-text:focus")
    page.keyboard.type("drill number 5")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#text').textContent.startsWith('drill number 5')")
    assert page.text_content("#why") == "You searched for it: it holds these words."
    found = [press(page, "2") for _ in range(5)]
    assert found[0] == "drill number 5"
    assert all("drill" in text for text in found[:4]), "those like it come next"
    saved(served.session, 5)
    assert text_of(page) == open_before
    page.click("#b-find")
    assert page.input_value("#find-text") == "drill number 5"
    page.fill("#find-text", "")
    page.click("dialog .primary")
    page.wait_for_selector("dialog", state="detached")
    assert text_of(page) == open_before
    page.keyboard.press("s")
    page.fill("#find-text", "Zebra?")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#toasts').textContent.startsWith('No open item')")


def test_a_click_answers_and_leaves_the_keys_free(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    settled(page)
    first = text_of(page)
    page.click("#labels .label >> nth=1")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=first)
    press(page, " ")
    saved(served.session, 1)
    assert label_of(served.session, first) == "tool"
    saved(served.session, 1, "skipped")  # Space after a click skips, it does not press the button again
    assert served.session.counts()["labeled"] == 1


def test_a_bounce_or_a_held_key_is_one_answer(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    settled(page)
    page.evaluate(
        """() => { for (const repeat of [false, true, false, true])
        dispatchEvent(new KeyboardEvent("keydown", { key: "1", code: "Digit1", repeat, cancelable: true })) }"""
    )
    page.wait_for_timeout(300)
    saved(served.session, 1)


def test_undo_walks_back_also_over_a_reload(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    first, second, third = press(page, "1"), press(page, "u"), press(page, "2")
    saved(served.session, 2)
    assert press(page, "Backspace") not in (first, second, third)
    assert text_of(page) == third
    saved(served.session, 1)
    page.reload()
    page.wait_for_selector("#history .pill")
    page.wait_for_selector("#why:not(:empty)")
    assert text_of(page) == third, "the question that was taken back is the first after a reload"
    press(page, "Control+z")
    assert text_of(page) == second
    press(page, "Backspace")
    assert text_of(page) == first
    saved(served.session, 0)
    assert page.locator("#history .pill").count() == 0
    press(page, "2")
    saved(served.session, 1)
    assert label_of(served.session, first) == "tool"


def test_typing_in_a_field_is_only_typing(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    question = text_of(page)
    settled(page)
    page.keyboard.press("n")
    page.wait_for_selector("dialog textarea")
    page.keyboard.type("1 2 u odd?")
    page.keyboard.press("Backspace")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-act=flag].on")
    page.keyboard.press("/")
    page.keyboard.type("12 u")
    page.keyboard.press("Escape")
    assert text_of(page) == question
    assert served.session.counts()["labeled"] == 0
    press(page, "1")
    saved(served.session, 1)
    assert served.session.history()[0].flag == "1 2 u odd"


def test_offline_answers_wait_and_arrive_once(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    press(page, "1")
    saved(served.session, 1)
    page.context.set_offline(True)
    press(page, "2")
    press(page, "1")
    page.wait_for_selector("#banner >> text=Offline – 2 answers waiting")
    page.context.set_offline(False)
    page.evaluate("document.querySelector('#banner .link').click()")  # at once: the page tries by itself, too
    saved(served.session, 3)
    page.wait_for_selector("#banner", state="hidden")
    press(page, "1")
    saved(served.session, 4)


def test_a_lost_reply_is_not_a_second_answer(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)

    def lose(route: Any) -> None:
        route.fetch()  # it reaches the server
        route.abort()  # the reply does not reach the page

    page.route("**/api/v1/tell", lose)
    first = press(page, "1")
    page.wait_for_selector("#banner >> text=1 answer waiting")
    saved(served.session, 1)
    page.unroute("**/api/v1/tell")
    press(page, "2")
    saved(served.session, 2)
    page.wait_for_selector("#banner", state="hidden")
    press(page, "Backspace")
    press(page, "Backspace")
    assert text_of(page) == first
    saved(served.session, 0)


def test_answers_survive_a_reload_while_the_server_is_away(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    served.stop()
    first, second = press(page, "1"), press(page, "2")
    page.wait_for_selector("#banner >> text=2 answers waiting")
    press(page, "1")
    page.wait_for_selector("text=The server is gone")
    served.start()
    page.wait_for_selector("#banner", state="hidden")
    saved(served.session, 3)
    assert (label_of(served.session, first), label_of(served.session, second)) == ("fruit", "tool")
    page.wait_for_selector("#why:not(:empty)")


def test_an_old_link_says_so(serve: Any, browser: Any) -> None:
    served = serve()
    page = browser.new_context().new_page()
    assert page.goto(served.url + "?token=wrong").status == 401
    assert "needs its key" in page.text_content("h1")
    page.context.close()


def test_the_guess_is_shown_hidden_and_never_on_a_check(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    for _ in range(6):
        press(page, key_for(text_of(page)))
    saved(served.session, 6)
    served.session.refresh()
    checks = guesses = 0
    for _ in range(30):
        served.session.refresh()
        marked = page.locator(".label.suggested").count()
        if page.locator(".why.check").count():
            checks += 1
            assert marked == 0
            assert page.locator(".label .p").all_text_contents() == ["", ""]
        elif marked:
            guesses += 1
            page.keyboard.press("g")
            assert page.locator(".label.suggested").count() == 0
            assert "%" not in page.text_content("#answer") + page.text_content("#why")
            page.keyboard.press("g")
            assert page.get_attribute("#b-guess", "aria-label") == "The model's guess is hidden"
            page.keyboard.press("g")
            assert page.locator(".label.suggested").count() == 1
        press(page, key_for(text_of(page)))
    assert checks >= 1
    assert guesses >= 5
    while page.locator(".label.suggested").count() == 0:
        press(page, key_for(text_of(page)))
    guess = page.text_content(".label.suggested .name")
    before = press(page, "p")
    saved(served.session, sum(a.kind == "label" for a in served.session.answers().values()))
    page.wait_for_function("() => document.querySelectorAll('#history .pill').length > 0")
    assert page.locator("#history .pill").last.text_content() == guess
    assert before


def test_seventy_seven_labels(serve: Any, visit: Any) -> None:
    classes = [f"topic_{i:02d}" for i in range(75)] + ["lost_card", "card_lost"]
    served = serve(classes=classes)
    page = visit(served)
    first = press(page, "Shift+Digit3")
    settled(page)
    second = text_of(page)
    page.keyboard.press("/")
    page.keyboard.type("card")
    assert page.locator(".grid .label:visible").count() == 3, "two labels, and the offer to add one"
    page.keyboard.press("Enter")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=second)
    settled(page)
    third = text_of(page)
    page.keyboard.press("/")
    page.keyboard.type("brand new")
    page.keyboard.press("Enter")
    assert text_of(page) == third, "a new label asks once more"
    page.keyboard.press("Enter")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=third)
    saved(served.session, 3)
    assert [label_of(served.session, t) for t in (first, second, third)] == ["topic_12", "card_lost", "brand new"]


def test_earlier_answers_can_be_visited_and_changed(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    first, second = press(page, "1"), press(page, "1")
    now = text_of(page)
    saved(served.session, 2)
    press(page, "ArrowLeft")
    assert text_of(page) == second
    press(page, "ArrowLeft")
    assert text_of(page) == first
    assert page.get_attribute(".label.chosen", "aria-pressed") == "true"
    press(page, "ArrowRight")
    press(page, "ArrowRight")
    assert text_of(page) == now
    settled(page)
    page.click("#history .pill >> nth=0")
    assert text_of(page) == first
    press(page, "2")
    assert text_of(page) == now
    deadline = time.monotonic() + 5
    while label_of(served.session, first) != "tool":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert served.session.counts()["labeled"] == 2


def test_content_is_text_and_nothing_else(serve: Any, visit: Any) -> None:
    nasty = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>bold</b> &amp; \u202eabc'
    served = serve(
        [f"{nasty} {i}" for i in range(30)], ["<i>a</i>", "<b>b</b>"], "# <u>rule</u>\n- <script>1</script> **fat**"
    )
    page = visit(served)
    assert text_of(page).startswith("<img src=x")
    press(page, "1")
    saved(served.session, 1)
    page.keyboard.press("w")
    page.wait_for_selector(".near b")
    for tag in (
        "img",
        "#text b",
        "#labels i:not(.dot):not(.bar)",
        "#guide-text script",
        "#guide-text u",
        ".near script",
    ):
        assert page.locator(tag).count() == 0, tag
    assert page.text_content("#guide-text strong") == "fat"
    assert page.title() == "Things · Askwise"


def test_finish_from_the_button_to_the_download(serve: Any, visit: Any, tmp_path: Path) -> None:
    served = serve(texts(400))
    for question in served.session.ask(40):
        served.session.tell(question, "fruit" if key_for(question.text) == "1" else "tool")
    served.session.refresh()
    page = visit(served)
    page.click("#b-finish")
    page.wait_for_selector(".step .primary:enabled")
    assert page.input_value("#target") == "0.1", "the session's own target is chosen"
    page.click("text=Start the blind checks")
    page.click("text=Answer the checks")
    page.wait_for_selector("#banner >> text=Blind check 1 /")
    for _ in range(200):
        assert page.locator(".label.suggested").count() == 0
        before = text_of(page)
        settled(page)
        page.keyboard.press(key_for(before))
        page.wait_for_function(
            "t => document.getElementById('text').textContent !== t || document.querySelector('.toast .link')"
            "?.textContent === 'To Finish'",
            arg=before,
        )
        taken(page)  # or the last answer's reply could bring a usual question between two looks
        if page.locator("text=To Finish").count():
            break
    assert "Certified" in page.text_content(".toast")
    page.click("text=To Finish")
    page.wait_for_selector(".result.good")
    assert "at most 10.0%" in page.text_content(".result .lead")
    row = int(served.session._state.attempts[0].order[0])
    checked, label = served.session.pool.ids[row], served.session._state.answers[row].label
    served.session.tell(checked, "tool" if label == "fruit" else "fruit")
    page.reload()
    page.wait_for_selector("text=It no longer holds")
    page.click("text=Go on with its checks")
    page.wait_for_selector("text=Answer the checks")
    assert served.session.counts()["auto"] == 0
    served.session.tell(checked, label)
    page.reload()
    page.wait_for_selector(".result.good")
    with page.expect_download() as download:
        page.click("text=CSV")
    download.value.save_as(tmp_path / "labels.csv")
    rows = (tmp_path / "labels.csv").read_text().splitlines()
    assert len(rows) == 401
    assert sum(",model," in row for row in rows) == served.session.counts()["auto"] > 100
    page.click("text=Take the model's labels back")
    page.click("dialog .danger")
    page.wait_for_selector("text=were taken back")
    assert served.session.counts()["auto"] == 0
    page.click("#rail >> text=Label")
    page.wait_for_selector("#why:not(:empty)")
    settled(page)
    press(page, "1")


def test_nothing_left_is_said(serve: Any, visit: Any) -> None:
    served = serve(["apple one", "saw two"])
    page = visit(served)
    press(page, key_for(text_of(page)))
    press(page, key_for(text_of(page)))
    page.wait_for_selector("text=All done")
    saved(served.session, 2)
    press(page, "Backspace")
    assert text_of(page) in ("apple one", "saw two")


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (color, under) => {
    canvas.globalAlpha = 1;
    canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return `rgb(${r} ${g} ${b})`;
  };
  const light = (color) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const parts = color.match(/\\d+/g).map((v) => linear(v / 255));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest(".sr, :disabled, script, noscript")) continue;
    const layers = [];
    for (let up = node; up; up = up.parentElement) layers.unshift(getComputedStyle(up).backgroundColor);
    const back = layers.reduce((under, color) => paint(color, under), "rgb(255 255 255)");
    const ink = paint(getComputedStyle(node).color, back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.className || node.tagName, node.textContent.slice(0, 30)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_names_and_width(serve: Any, visit: Any, scheme: str) -> None:
    served = serve(guidelines="# Rule\nBe `kind`.", classes=[f"class {i}" for i in range(12)])
    page = visit(served, color_scheme=scheme, reduced_motion="reduce")
    for key in ["1", "2", "3", "u", " ", "4"]:
        press(page, key)
    page.keyboard.press("w")
    page.wait_for_timeout(200)
    pairs = page.evaluate(CONTRAST)
    assert len(pairs) > 30
    assert [pair for pair in pairs if pair[0] < 4.5] == []
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, a")].filter((node) => node.checkVisibility()
        && !(node.textContent.trim() || node.getAttribute("aria-label"))).map((node) => node.outerHTML)"""
    )
    assert nameless == []
    for width in (1440, 1000, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
    assert page.text_content("#live").startswith(text_of(page))


def test_every_key_is_in_the_help_and_the_dialog_keeps_the_focus(serve: Any, visit: Any) -> None:
    served = serve()
    page = visit(served)
    settled(page)
    page.keyboard.press("?")
    page.wait_for_selector("dialog .keys")
    shown = set(page.locator("dialog kbd").all_text_contents())
    assert {
        "1",
        "2",
        "Space",
        "u",
        "Backspace",
        "f",
        "n",
        "←",
        "→",
        "/",
        "g",
        "w",
        "h",
        "?",
        "Esc",
        "p",
        "Enter",
    } <= shown
    page.keyboard.press("1")
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert served.session.counts()["labeled"] == 0
