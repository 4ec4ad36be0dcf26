"""Items with several labels on the labeling page, and "None of these", in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.session import Session
from help.hands import press, settled, text_of, until

TOKEN = "a-token-of-some-length"
TOPICS = ["delivery", "refund", "account", "praise", "other"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def visit(run: Any, new_page: Any) -> Iterator[Callable[..., Any]]:
    """Serves a session and opens its page."""
    sessions: list[Session] = []

    def open_page(session: Session, fake: Fake | None = None, guidelines: str = "", **settings: Any) -> Any:
        sessions.append(session)
        served = run(create_app(session, token=TOKEN, guidelines=guidelines))
        page = new_page(served.url, **settings)
        if fake:
            page.route("**/api/v1/**", fake.answer)
        page.goto(f"{served.url}?token={TOKEN}")
        page.wait_for_selector("#why:not(:empty)")
        page.wait_for_timeout(100)  # past the moment in which a press counts as a bounce
        return page

    yield open_page
    for session in sessions:
        session.close()


class Fake:
    """A project whose items take several labels, as the page is told of it: replies by the contract, kept in memory."""

    def __init__(self, classes: list[str], guesses: dict[int, list[tuple[str, float]]] | None = None) -> None:
        self.classes, self.guesses = list(classes), guesses or {}
        self.told: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def question(self, row: int) -> dict[str, Any]:
        guesses = self.guesses.get(row, [])
        chosen = [label for label, p in guesses if p >= 0.5]
        return {
            "item": f"i{row}", "row": row, "asked": row + 1, "text": f"message {row}", "view": None,
            "reason": "Unlike anything labeled so far.", "strategy": "s", "score": 0.5, "round": 1,
            "audit": not guesses,
            "suggestion": ("|".join(chosen) or "(none)") if guesses else None, "suggestions": chosen,
            "confidence": 0.7 if guesses else None, "guesses": guesses,
        }  # fmt: skip

    def pulse(self) -> dict[str, Any]:
        labeled = sum(a["kind"] == "label" for a in self.told.values())
        counts = {"items": 200, "labeled": labeled, "today": labeled, "open": 200 - labeled, "unsure": 0, "auto": 0}
        return {
            "multilabel": True, "task": {"name": "sets", "widget": "sets", "asks": "labels", "options": {}},
            "classes": self.classes, "counts": counts | {"round": 1, "model_labels": 5},
            "training": False, "trouble": None, "autolabel": None, "search": False, "control": None,
            "estimate": {"accuracy": None, "low": 0, "high": 1, "sentence": "Not known yet."},
            "verdict": {"ready": False, "reason": "Go on.", "left": None, "range": None, "region": 0},
        }  # fmt: skip

    def history(self) -> list[dict[str, Any]]:
        rows = [(item, self.told[item]) for item in reversed(self.order) if item in self.told]
        return [
            {"item": item, "row": int(item[1:]), "text": f"message {item[1:]}", "view": None, "kind": a["kind"],
             "label": ("|".join(a["labels"]) or "(none)") if a["kind"] == "label" else None, "labels": a["labels"],
             "audit": False, "flag": None, "seconds": 1.0}
            for item, a in rows
        ]  # fmt: skip

    def dealt(self, body: dict[str, Any]) -> dict[str, Any]:
        free = (r for r in range(200) if f"i{r}" not in self.told and f"i{r}" not in body["have"])
        more = [self.question(row) for _, row in zip(range(body["want"] - len(body["have"])), free, strict=False)]
        return {"next": more, "pulse": self.pulse()}

    def answer(self, route: Any) -> None:
        verb = route.request.url.split("?")[0].rpartition("/api/v1/")[2]
        body = route.request.post_data_json or {}
        if body:
            self.sent.append((verb, body))
        reply: Any = []
        if verb == "state":
            about = {
                "title": "Mail",
                "kind": "text",
                "session": "fake",
                "guidelines": "",
                "descriptions": {},
                "team": False,
            }
            me = {"name": "me", "role": "owner"}
            reply = about | {"me": me, "max_error": 0.05, "confidence": 0.95, "history": self.history()}
            reply["pulse"] = self.pulse()
        elif verb in ("tell", "skip", "unsure"):
            self.told[body["item"]] = {"kind": "label" if verb == "tell" else verb, "labels": body.get("labels")}
            self.order = [item for item in self.order if item != body["item"]] + [body["item"]]
            reply = self.dealt(body)
        elif verb == "retract":
            self.told.pop(body["item"])
            reply = {"query": self.question(int(body["item"][1:])) | {"asked": 900}, **self.dealt(body)}
        elif verb == "classes":
            self.classes.append(body["name"])
            reply = self.pulse()
        elif verb == "pulse":
            reply = self.pulse()
        elif verb == "ask":
            reply = self.dealt(body)
        route.fulfill(body=json.dumps(reply), content_type="application/json")

    def labels(self, text: str) -> list[str] | None:
        return (self.told.get("i" + text.split()[1]) or {}).get("labels")


@pytest.fixture
def idle() -> Session:
    return Session(["a", "b"], classes=["x", "y"], encoder="tfidf")


def on(page: Any) -> list[str]:
    return page.locator(".grid .label[aria-pressed=true] .name").all_text_contents()


def test_digits_put_labels_on_and_enter_submits_the_set(idle: Session, visit: Any) -> None:
    fake = Fake(TOPICS)
    page = visit(idle, fake)
    first = text_of(page)
    page.keyboard.press("2")
    page.keyboard.press("1")
    page.keyboard.press("4")
    assert on(page) == ["delivery", "refund", "praise"]
    assert page.text_content("#said") == "praise on. 3 labels: delivery, refund, praise."
    assert page.text_content("#b-submit span") == "Submit 3 labels"
    page.wait_for_timeout(100)
    page.keyboard.press("4")
    assert on(page) == ["delivery", "refund"]
    assert text_of(page) == first, "nothing is submitted before Enter"
    assert fake.told == {}
    page.click(".label >> nth=4")
    assert press(page, "Enter") == first
    assert on(page) == [], "the next item begins with nothing on"
    until(lambda: fake.labels(first), page)
    assert fake.labels(first) == ["delivery", "refund", "other"]
    (body,) = [body for verb, body in fake.sent if verb == "tell"]
    assert "label" not in body
    assert page.text_content("#toasts span") == "Labeled delivery, refund, other"


def test_an_empty_enter_is_no_answer_and_none_of_these_is_one(idle: Session, visit: Any) -> None:
    fake = Fake(TOPICS)
    page = visit(idle, fake)
    first = text_of(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Choose labels, or None of these (x).")
    page.keyboard.press("p")
    assert text_of(page) == first
    assert fake.told == {}
    assert press(page, "x") == first
    second = text_of(page)
    page.wait_for_timeout(100)
    page.click("#b-none")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=second)
    until(lambda: len(fake.told) == 2, page)
    assert (fake.labels(first), fake.labels(second)) == ([], [])
    assert page.locator("#history .pill").all_text_contents() == ["none of these", "none of these"]
    third = press(page, "1", "3", "x")  # a slip
    press(page, "Backspace")
    assert text_of(page) == third
    assert on(page) == ["delivery", "account"], "what was on before the slip"


def test_suggestions_are_shown_and_never_chosen(idle: Session, visit: Any) -> None:
    guesses = [("refund", 0.9), ("praise", 0.6), ("other", 0.2)]
    fake = Fake(TOPICS, {0: guesses, 1: guesses, 2: [("other", 0.1)]})
    page = visit(idle, fake)
    assert page.locator(".grid .suggested .name").all_text_contents() == ["refund", "praise"]
    assert page.locator(".grid .label .p").all_text_contents() == ["", "90 %", "", "60 %", "20 %"]
    assert page.get_attribute(".grid .suggested >> nth=0", "aria-description") == "Suggested by the model"
    assert on(page) == []
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Choose labels, or None of these")
    assert fake.told == {}
    page.keyboard.press("1")
    page.keyboard.press("p")
    assert on(page) == ["delivery", "refund", "praise"]
    page.keyboard.press("4")
    first = press(page, "Enter")
    until(lambda: fake.told, page)
    assert fake.labels(first) == ["delivery", "refund"]
    page.keyboard.press("g")
    assert page.locator(".suggested").count() == 0
    page.keyboard.press("p")
    assert on(page) == [], "what is hidden cannot be taken over"
    page.keyboard.press("g")
    page.keyboard.press("g")
    press(page, "p", "Enter")
    assert page.get_attribute("#b-none", "class") == "plain suggested", "the model suggests the empty set"
    page.keyboard.press("p")
    page.wait_for_selector("text=The model suggests none of these: x says so.")
    press(page, " ")
    assert page.locator(".suggested").count() == 0, "a blind check"


def test_undo_brings_the_set_back_and_earlier_answers_can_be_changed(idle: Session, visit: Any) -> None:
    fake = Fake(TOPICS)
    page = visit(idle, fake)
    first = press(page, "1", "2", "Enter")
    second = press(page, "1", "2", "3", "4", "Enter")
    pills = page.locator("#history .pill")
    assert pills.all_text_contents() == ["delivery, refund", "delivery +3"]
    assert pills.last.get_attribute("aria-label").startswith("delivery, refund, account, praise: ")
    until(lambda: len(fake.told) == 2, page)
    press(page, "Backspace")
    assert text_of(page) == second
    assert on(page) == TOPICS[:4]
    until(lambda: len(fake.told) == 1, page)
    page.wait_for_function("() => !document.querySelector('#b-submit').disabled")
    assert on(page) == TOPICS[:4], "also when the server has put the question up anew"
    press(page, "4", "Enter")
    until(lambda: len(fake.told) == 2, page)
    assert fake.labels(second) == TOPICS[:3]
    now = text_of(page)
    page.keyboard.press("5")
    press(page, "ArrowLeft")
    press(page, "ArrowLeft")
    assert text_of(page) == first
    assert on(page) == TOPICS[:2]
    press(page, "3", "Escape")
    assert text_of(page) == now
    assert on(page) == ["other"], "what was put on before the look back"
    press(page, "ArrowLeft")
    press(page, "ArrowLeft")
    assert on(page) == TOPICS[:2], "Escape has changed nothing"
    press(page, "2", "5", "Enter")
    assert page.text_content("#toasts span") == "Changed from delivery, refund to delivery, other"
    until(lambda: fake.labels(first) == ["delivery", "other"], page)
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    assert page.locator("#history .pill").all_text_contents()[-1] == "delivery, other"
    page.click("#history .pill >> nth=-1")
    assert on(page) == ["delivery", "other"]


def test_the_search_of_a_long_list_puts_labels_on_and_stays(idle: Session, visit: Any) -> None:
    fake = Fake([f"topic {i:02}" for i in range(40)] + ["lost card", "card lost"])
    page = visit(idle, fake)
    first = text_of(page)
    page.keyboard.press("/")
    page.keyboard.type("lost card")
    page.keyboard.press("Enter")
    assert page.input_value("#search") == ""
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("topic 33")
    page.keyboard.press("Enter")
    assert on(page) == ["topic 33", "lost card"]
    page.keyboard.press("Enter")  # nothing is typed: nothing happens
    page.keyboard.type("brand new")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector(".grid .label[aria-pressed=true] >> text=brand new")
    assert text_of(page) == first
    page.keyboard.press("Escape")
    press(page, "Shift+Alt+Digit2", "Shift+Digit1", "Enter")
    until(lambda: fake.told, page)
    assert fake.labels(first) == ["topic 10", "topic 21", "topic 33", "lost card", "brand new"]
    second = text_of(page)
    page.keyboard.press("/")
    page.keyboard.type("card lost")
    page.keyboard.press("Enter")
    press(page, "Control+Enter")
    until(lambda: len(fake.told) == 2, page)
    assert fake.labels(second) == ["card lost"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_submit_is_in_reach(idle: Session, visit: Any, scheme: str) -> None:
    fake = Fake([f"topic {i:02}" for i in range(40)], {0: [("topic 03", 0.8)]})
    page = visit(idle, fake, color_scheme=scheme, **PHONE)
    first = text_of(page)
    page.tap(".grid .label >> nth=0")
    page.tap(".grid .label >> nth=3")
    box = page.locator("#b-submit").bounding_box()
    assert 844 / 2 < box["y"] < box["y"] + box["height"] <= page.locator("#rail").bounding_box()["y"]
    assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.tap("#b-submit")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=first)
    until(lambda: fake.told, page)
    assert fake.labels(first) == ["topic 00", "topic 03"]
    toast, row = page.locator(".toast").bounding_box(), page.locator("#submit-row").bounding_box()
    assert toast["y"] + toast["height"] <= row["y"], "the way back does not cover the way on"
    settled(page)
    page.tap("#b-none")
    until(lambda: len(fake.told) == 2, page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(idle: Session, visit: Any, serious_findings: Any, scheme: str) -> None:
    fake = Fake(TOPICS, {row: [("refund", 0.9), ("praise", 0.6)] for row in range(4)})
    page = visit(idle, fake, color_scheme=scheme, reduced_motion="reduce")
    press(page, "1", "2", "Enter")
    press(page, "x")
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.wait_for_timeout(200)
    assert serious_findings(page) == []
    page.keyboard.press("?")
    page.wait_for_selector("dialog .keys")
    assert serious_findings(page) == []


def test_everything_works_by_tab_too(idle: Session, visit: Any) -> None:
    fake = Fake(TOPICS)
    page = visit(idle, fake)
    first = text_of(page)
    page.focus(".grid .label >> nth=1")
    page.keyboard.press("Enter")
    assert on(page) == ["refund"]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert on(page) == ["refund", "account"]
    while page.evaluate("document.activeElement.id") != "b-submit":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=first)
    until(lambda: fake.told, page)
    assert fake.labels(first) == ["refund", "account"]


def test_a_real_session_learns_what_is_submitted(visit: Any) -> None:
    words = {"card": "my card is lost", "money": "money is missing", "login": "cannot log in"}
    texts = [
        " and ".join(text for bit, text in enumerate(words.values()) if at >> bit & 1) + f" {at}" for at in range(120)
    ]
    session = Session(texts, classes=list(words), multilabel=True, encoder="tfidf", audit_share=0.2, seed=1)
    page = visit(session)

    def keys(text: str) -> list[str]:
        return [str(at + 1) for at, said in enumerate(words.values()) if said in text]

    blind = suggested = 0
    for _ in range(30):
        check, marked = page.locator(".why.check").count(), page.locator(".grid .suggested").count()
        assert not (check and marked)
        blind, suggested = blind + check, suggested + bool(marked)
        assert on(page) == []
        wanted = keys(text_of(page))
        press(page, *([*wanted, "Enter"] if wanted else ["x"]))
        if suggested < 3:
            session.refresh()
    until(lambda: session.counts()["labeled"] == 30, page)
    assert blind
    assert suggested
    for row, answer in session.answers().items():
        want = [name for name, said in words.items() if said in texts[row]]
        assert list(session.parts(answer.label)) == want
    last = page.locator("#history .pill").last.text_content()
    press(page, "Backspace")
    until(lambda: session.counts()["labeled"] == 29, page)
    assert last in (", ".join(on(page)), f"{(on(page) or [''])[0]} +{len(on(page)) - 1}", "none of these")
    page.keyboard.press("/")
    page.keyboard.type("app|crash")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast.bad >> text=cannot be told from a set")
    page.keyboard.type("crash")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector(".grid .label[aria-pressed=true] >> text=crash")
    page.keyboard.press("Escape")
    before = press(page, "Enter")
    until(lambda: session.counts()["labeled"] == 30, page)
    assert session.parts(session.answers()[texts.index(before)].label)[-1] == "crash"
    page.reload()
    page.wait_for_selector("#why:not(:empty)")
    page.wait_for_selector("#history .pill")
    session.refresh()
    while page.locator(".why.check").count() or not page.locator(".grid .suggested").count():
        press(page, " ")
    page.keyboard.press("w")
    page.wait_for_selector(".words mark")
    page.wait_for_selector(".near b")


# ── "None of these" where an item has one label ─────────────────────────────────────────────


def test_none_of_these_makes_its_class_at_the_first_use(visit: Any) -> None:
    session = Session([f"thing {i}" for i in range(30)], classes=["fruit", "tool"], encoder="tfidf")
    page = visit(session)
    assert session.classes == ("fruit", "tool")
    first = text_of(page)
    page.dblclick("[data-act=none]")
    page.wait_for_function("t => document.getElementById('text').textContent !== t", arg=first)
    assert page.locator("[data-act=none]").is_hidden(), "its class has a button now"
    assert page.text_content("#toasts span") == "Labeled None of these"
    second = press(page, "x")
    until(lambda: session.counts()["labeled"] == 2, page)
    assert session.classes == ("fruit", "tool", "None of these")
    answers = {session.pool.contents[row]: answer.label for row, answer in session.answers().items()}
    assert answers == {first: "None of these", second: "None of these"}
    assert page.locator("#submit-row").is_hidden()
    press(page, "3")
    until(lambda: session.counts()["labeled"] == 3, page)


def test_none_of_these_is_off_in_a_search(visit: Any) -> None:
    session = Session(
        [f"thing {i}" for i in range(30)], classes=["yes", "no"], recall=0.9, relevant="yes", encoder="tfidf"
    )
    page = visit(session)
    assert page.locator("[data-act=none]").is_hidden()
    question = text_of(page)
    page.keyboard.press("x")
    page.wait_for_selector("text=A search asks for one thing")
    assert text_of(page) == question
    assert len(session.classes) == 2


def test_annotators_wait_for_the_class(visit: Any) -> None:
    session = Session([f"thing {i}" for i in range(30)], classes=["fruit", "tool"], encoder="tfidf")

    def demoted(route: Any) -> None:
        reply = route.fetch()
        body = reply.json()
        body["me"]["role"] = "annotator"
        route.fulfill(response=reply, json=body)

    class Role:
        answer = staticmethod(lambda route: demoted(route) if "/state" in route.request.url else route.continue_())

    page = visit(session, Role())
    assert page.locator("[data-act=none]").is_hidden()
    page.keyboard.press("x")
    page.wait_for_selector("text=a reviewer can add it")
    page.keyboard.press("/")
    page.keyboard.type("brand new")
    assert page.locator(".label.new").is_hidden()
    page.keyboard.press("Escape")
    assert session.classes == ("fruit", "tool")
    session.add_class("none of these")
    page.wait_for_selector(".grid >> text=none of these")
    press(page, "x")
    until(lambda: session.counts()["labeled"] == 1, page)
    assert next(iter(session.answers().values())).label == "none of these"


def test_guidelines_say_what_a_label_means(visit: Any) -> None:
    session = Session([f"thing {i}" for i in range(30)], classes=["fruit", "tool"], encoder="tfidf")
    page = visit(session, guidelines="# Rules\n- **fruit**: grows on *trees*\n- **Tool** `is` made\n- plain", **PHONE)
    fruit, tool = page.locator(".grid .label:visible").all()
    assert fruit.get_attribute("title") == "fruit: grows on *trees*"
    assert fruit.get_attribute("aria-description") == "grows on *trees*"
    assert tool.get_attribute("title") == "tool: is made"
    question = text_of(page)
    for wait, held in ((800, True), (10, False)):
        for sign in ("pointerdown", "pointerup", "click"):
            tool.dispatch_event(sign, {"pointerType": "touch", "bubbles": True})
            page.wait_for_timeout(wait if sign == "pointerdown" else 0)
        assert (text_of(page) == question) is held
        if held:
            assert page.text_content("#toasts span") == "tool: is made"
    until(lambda: session.counts()["labeled"] == 1, page)
