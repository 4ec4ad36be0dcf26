"""The pages beside Label in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.session import Session
from help.hands import let_in

TOKEN = "a-token-of-some-length"
FRUIT, TOOL = ["apple", "pear", "plum", "cherry"], ["hammer", "saw", "drill", "wrench"]
PAGES = ["dashboard", "review", "data", "models", "finish"]
READY = {
    "dashboard": ".figure .chart.map canvas",
    "review": ".tabs [aria-selected=true] .count:not(:empty)",
    "data": "table.items tbody tr",
    "models": "main#page > p.intro",
    "finish": "main#page .panel",
}
NASTY = "<img src=x onerror=alert(1)> apple & pear"


def truth(text: str) -> str:
    return "fruit" if text.split()[0] in FRUIT else "tool"


def texts(n: int) -> list[str]:
    every = FRUIT + TOOL
    return [f"{every[i % 8]} number {i} on the table" for i in range(n - 2)] + [
        "a rather long text about one thing by the old sea today",
        "a rather long text about one thing by the old sea now",
    ]


def worked(n: int = 300, answers: int = 48) -> Session:
    """A session that two people have worked on."""
    session = Session(texts(n), classes=["fruit", "tool"], encoder="tfidf", title=NASTY, audit_share=0.3, max_error=0.2)
    for i in range(answers):
        (query,) = session.ask(annotator="Ada")
        session.tell(query, truth(query.content), annotator="Ada", seconds=2.0)
        if i % 6 == 5:
            session.refresh()
        if i in (3, 9):
            session.tell(query.item, "tool" if truth(query.content) == "fruit" else "fruit", annotator=NASTY)
    session.tell(session.pool.ids[n - 2], "fruit", annotator="Ada")
    session.tell(session.pool.ids[n - 1], "tool", annotator="Ada")
    session.flag(session.pool.ids[0], NASTY)
    session.refresh()
    return session


@pytest.fixture
def serve(run: Any) -> Iterator[Callable[..., str]]:
    served: list[tuple[Session, Any, bool]] = []

    def start(session: Session, *, lent: bool = False) -> str:
        served.append((session, run(create_app(session, token=TOKEN)), lent))
        url: str = served[-1][1].url
        return url

    yield start
    for session, running, lent in served:
        running.stop()
        if not lent:
            session.close()


@pytest.fixture(scope="module")
def looked_at() -> Iterator[Session]:
    """`worked()`, for tests that look at it and leave it as it is."""
    with worked() as session:
        before = session.look(lambda s: s.seq)
        yield session
        assert session.look(lambda s: s.seq) == before


@pytest.fixture(scope="module")
def sets_looked_at() -> Iterator[Session]:
    """`several()`, likewise."""
    with several() as session:
        before = session.look(lambda s: s.seq)
        yield session
        assert session.look(lambda s: s.seq) == before


@pytest.fixture
def visit(new_page: Any) -> Callable[..., Any]:
    """Opens a page."""

    def open_page(url: str, name: str, *, width: int = 1280, **settings: Any) -> Any:
        page = new_page(url, viewport={"width": width, "height": 900}, **settings)
        if name:
            let_in(page, url, TOKEN)
            page.goto(url + name)
            page.wait_for_selector(READY[name.split("#")[0]])
        else:
            page.goto(f"{url}?token={TOKEN}")
        page.wait_for_selector("#rail a")
        return page

    return open_page


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_page_has_serious_findings_or_overflows(
    serve: Any, visit: Any, serious_findings: Any, looked_at: Session, name: str, width: int, scheme: str
) -> None:
    page = visit(serve(looked_at, lent=True), name, width=width, color_scheme=scheme)
    page.wait_for_load_state("networkidle")
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"


def test_the_rail_leads_to_every_page_by_keyboard(serve: Any, visit: Any) -> None:
    page = visit(serve(worked(60, 12)), "")
    assert page.locator("#rail a").all_text_contents() == ["Label", *(name.capitalize() for name in PAGES)]
    for name in PAGES:
        page.focus(f"#rail a[href={name}]")
        page.keyboard.press("Enter")
        page.wait_for_selector(READY[name])
        assert page.text_content("#rail [aria-current=page]") == name.capitalize()
        assert page.text_content("#project") == NASTY
    page.click("#rail a >> nth=0")
    page.wait_for_selector("#card")


@pytest.mark.parametrize("name", PAGES)
def test_a_fresh_session_has_an_empty_state_on_every_page(serve: Any, visit: Any, name: str) -> None:
    session = Session(texts(20), classes=["fruit", "tool"], encoder="tfidf")
    page = visit(serve(session), name if name not in ("data", "models") else "")
    if name in ("data", "models"):
        page.goto(page.url + name)
    page.wait_for_load_state("networkidle")
    assert page.locator("main#page").inner_text().strip()
    assert not page.locator("[role=alert]").count()


def test_the_dashboard_draws_what_the_session_knows(serve: Any, visit: Any, looked_at: Session) -> None:
    session = looked_at
    page = visit(serve(session, lent=True), "dashboard")
    page.wait_for_selector("#share")  # worked out after the page is there
    assert session.estimate().sentence in page.text_content("#page")
    assert page.locator(".figure").count() == 9
    assert page.locator(".figure summary", has_text="What is this?").count() == 9
    slider = page.locator("#share")
    slider.focus()
    before = page.text_content(".big-line")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert page.text_content(".big-line") != before
    assert slider.get_attribute("aria-valuetext") == "0.5 %"
    page.locator(".figure", has_text="Confusion").locator("td.right").first.wait_for()


def test_what_labels_cost_is_told_at_a_price_that_stays_in_the_browser(
    serve: Any, visit: Any, looked_at: Session
) -> None:
    session = looked_at
    url = serve(session, lent=True)
    page = visit(url, "dashboard")
    ada = next(a for a in session.annotators() if a.name == "Ada")
    assert ada.pace == 2.0
    row = page.locator(".numbers tr", has_text="Ada").first
    assert row.locator("td").all_text_contents()[3:5] == ["2.0", f"{ada.seconds / 60:.1f}"]
    assert "cost" not in page.locator(".figure", has_text="Krippendorff").locator("thead").first.inner_text()
    page.fill("#price", "90")  # 2.5 cents a second
    assert row.locator("td").all_text_contents()[5:7] == [f"{ada.seconds / 40:.2f}", "0.05"]
    said = page.text_content(".cost")
    assert said.startswith(f"{ada.seconds / 40:.2f} so far, 0.05 a label; 4 labels without a measured time not counted")
    money = session.verdict(price_per_hour=90).money_left
    assert money is not None
    assert f"About {money:.2f} (" in said
    page.reload()
    page.wait_for_selector("#price")
    assert page.input_value("#price") == "90"
    assert page.text_content(".cost") == said
    page.fill("#price", "")
    assert page.text_content(".cost") == ""
    page.reload()
    page.wait_for_selector("#price")
    assert page.input_value("#price") == ""


def test_a_disagreement_is_decided_and_lifted_by_keyboard(serve: Any, visit: Any) -> None:
    session = worked()
    page = visit(serve(session), "review")
    case = page.locator(".case").first
    text = case.locator(".case-text").inner_text()
    row = list(session.pool.contents).index(text)
    case.locator("button", has_text="tool").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".case.done")
    assert (session.answers()[row].label, session.answers()[row].annotator) == ("tool", "me")
    assert page.evaluate("document.activeElement.closest('.case') !== null"), "the next case has the focus"
    page.locator(".case.done .link").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".case.done", state="detached")
    assert session.look(lambda s: dict(s.rulings)) == {}


def test_the_tabs_of_review_by_keyboard(serve: Any, visit: Any, looked_at: Session) -> None:
    page = visit(serve(looked_at, lent=True), "review")
    page.focus("[role=tab][aria-selected=true]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".pair mark")
    assert page.evaluate("location.hash") == "#duplicates"
    assert {"today", "now"} <= {word.strip() for word in page.locator(".pair mark").all_text_contents()}
    page.reload()
    page.wait_for_selector(".pair mark")


def test_search_then_bulk_label_then_undo(serve: Any, visit: Any) -> None:
    session = worked()
    before = session.counts()["labeled"]
    page = visit(serve(session), "data")
    n = sum("cherry" in text for text in session.pool.contents)
    done = sum(session.pool.contents[row].startswith("cherry") for row in session.answers())
    page.fill("#f-text", "CHERRY")
    page.wait_for_function(f"() => document.getElementById('total').textContent === '{n} items'")
    page.check("thead input")
    if n > 50:
        page.click("text=Choose all")
    page.select_option("#b-label", "fruit")
    page.click("text=Label them")
    page.click("dialog .primary")
    page.wait_for_selector(".toast")
    assert session.counts()["labeled"] == before + n - done
    page.click(".toast .link")
    page.wait_for_selector("text=Took back")
    assert session.counts()["labeled"] == before


def test_an_item_tells_its_story_and_loses_its_flag(serve: Any, visit: Any) -> None:
    session = worked()
    page = visit(serve(session), "data")
    page.check("#f-flagged")
    page.wait_for_function("() => document.querySelectorAll('table.items tbody tr').length === 1")
    assert page.text_content(".flagged small") == NASTY
    page.focus(".item-link")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog .story")
    assert NASTY in page.text_content("dialog .story")
    page.click("text=Take the flag off")
    page.wait_for_selector("text=No item matches")
    assert session.report().flagged == ()


def test_finish_from_the_target_to_the_certificate_and_back(serve: Any, visit: Any) -> None:
    session = worked()
    url = serve(session)
    page = visit(url, "finish")
    page.select_option("#target", "0.2")
    assert page.input_value("#of") == "auto", "the session's own"
    with page.expect_request("**/finish/plan") as asked:
        page.select_option("#of", "file")
    assert asked.value.post_data_json == {"max_error": 0.2, "target": "file"}
    page.wait_for_selector(".step .primary:enabled")
    assert "blind check" in page.text_content(".step [aria-live]")
    page.click("text=Start the blind checks")
    page.wait_for_selector("progress")
    assert session.autolabel_status().status == "checking"
    while session.autolabel_status().status == "checking":
        (query,) = session.ask(annotator="Ada")
        session.tell(query, truth(query.content), annotator="Ada")
    page.reload()
    page.wait_for_selector(".result.good")
    assert session.certificates()[0].fingerprint in page.text_content(".print")
    page.click("text=Look at some of them")
    page.wait_for_selector(".case")
    assert "the model says" in page.text_content(".case")
    page.goto(url + "finish")
    page.click("text=Take the model's labels back")
    page.click("dialog .danger")
    page.wait_for_selector("text=were taken back")
    assert session.counts()["auto"] == 0


def test_an_annotator_error_is_shown_and_nothing_breaks(serve: Any, visit: Any) -> None:
    page = visit(serve(worked(60, 12)), "models")
    page.route("**/api/v1/dashboard", lambda route: route.fulfill(status=403, json={"error": "This needs a role."}))
    page.goto(page.url.replace("models", "dashboard"))
    page.wait_for_selector("[role=alert]")
    assert "This needs a role." in page.text_content("[role=alert]")


def test_going_back_to_a_version_and_forth_by_keyboard(serve: Any, visit: Any) -> None:
    session = worked()
    before = session.counts()["labeled"]
    page = visit(serve(session), "models")
    page.locator(".versions .link").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    page.focus("dialog .danger")
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast")
    assert session.counts()["labeled"] < before
    page.click(".toast .link")
    page.wait_for_selector(".toast >> text=again")
    assert session.counts()["labeled"] == before


# ── items with several labels ───────────────────────────────────────────────────────────────


def several() -> Session:
    """A session with sets of labels that two people have worked on."""
    every = [
        f"{a} and {b} number {i}" for i, (a, b) in enumerate((a, b) for a in FRUIT for b in [*TOOL, "nothing"] * 4)
    ]
    session = Session(every, classes=["apple", "pear", "saw"], multilabel=True, encoder="tfidf", audit_share=0.3)
    for i in range(40):
        (query,) = session.ask(annotator="Ada")
        words = query.content.split()
        session.tell(query, [name for name in session.classes if name in words], annotator="Ada", seconds=2.0)
        if i % 8 == 7:
            session.refresh()
    row = next(row for row, answer in session.answers().items() if answer.label == "apple|saw")
    session.tell(session.pool.ids[row], [], annotator="Bob")
    session.refresh()
    return session


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
@pytest.mark.parametrize("name", ["dashboard", "review", "data", "finish"])
def test_no_page_of_sets_has_serious_findings_or_overflows(
    serve: Any, visit: Any, serious_findings: Any, sets_looked_at: Session, name: str, width: int, scheme: str
) -> None:
    page = visit(serve(sets_looked_at, lent=True), name, width=width, color_scheme=scheme)
    page.wait_for_load_state("networkidle")
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"


def test_sets_are_shown_decided_and_given_in_bulk_by_keyboard(serve: Any, visit: Any) -> None:
    session = several()
    page = visit(serve(session), "review")
    card = page.locator(".case").first
    assert card.locator(".votes li").all_text_contents() == ["applesaw by Ada", "none of these by Bob"]
    card.get_by_role("button", name="apple, saw").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".case.done")
    row = next(row for row, answer in session.answers().items() if row in session._state.rulings)
    assert session.answers()[row].label == "apple|saw"

    page.goto(page.url.split("review")[0] + "data?")
    page.wait_for_selector(READY["data"])
    page.locator("tbody .c-pick input").first.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Label them …").focus()
    page.keyboard.press("Enter")
    page.locator("dialog .primary").focus()
    page.keyboard.press("Enter")  # nothing was chosen, so nothing is labeled
    page.wait_for_selector("#toasts :text('No label was chosen')")
    page.get_by_role("button", name="Label them …").focus()
    page.keyboard.press("Enter")
    for name in ("saw", "pear"):
        page.get_by_role("checkbox", name=name, exact=True).focus()
        page.keyboard.press("Space")
    page.locator("dialog .primary").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#toasts :text('Labeled 1 item pear, saw')")
    assert session.answers()[0].label == "pear|saw"
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#toasts :text('Took back 1 label')")
    assert session.answers().get(0) is None or session.answers()[0].label != "pear|saw"


def test_the_dashboard_tells_the_errors_of_each_label(serve: Any, visit: Any, sets_looked_at: Session) -> None:
    page = visit(serve(sets_looked_at, lent=True), "dashboard")
    table = page.get_by_role("region", name="Errors of each label")
    assert sorted(table.locator("tbody th").all_text_contents()) == ["apple", "pear", "saw"]
    assert page.get_by_text("This is not worked out where items have several labels.").is_visible()
