"""The parts of the pages' scripts that touch no page: modules loaded alone into a real Chromium, asked from here."""

from __future__ import annotations

import json
import statistics
from typing import Any

import pytest

from askwise.app.server import create_app
from askwise.core import about, chance
from askwise.labelsets import DIGITS, digit_keys
from askwise.session import Session
from askwise.tasks import one, sets
from help.hands import taken, until

TOKEN = "a-token-of-some-length"


class Parts:
    """An empty page beside the app's files; `call` runs a line that sees one module of theirs as `m`."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def call(self, module: str, line: str, given: Any = None) -> Any:
        code = f"async (given) => {{ const m = await import('/static/any/{module}'); return {line}; }}"
        return self.page.evaluate(code, given)


@pytest.fixture
def served(run: Any) -> Any:
    with Session(["a", "b"], classes=["x", "y"], encoder="tfidf") as session:
        yield run(create_app(session, token=TOKEN))


@pytest.fixture
def parts(served: Any, new_page: Any) -> Parts:
    page = new_page(served.url)
    page.route(f"{served.url}parts", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(f"{served.url}parts")
    return Parts(page)


# ── numbers ─────────────────────────────────────────────────────────────────────────────────


def test_the_page_rounds_as_the_reports_do(parts: Parts) -> None:
    values = [0, 1, 1e-9, 1 - 1e-9, 0.004, 0.0051, 0.9949, 0.996, 0.5, 0.0125, 0.999]
    checks = [[79.4, 82], [82.6, 82], [82.4, 82], [1, 1], [1200, 1100]]
    line = """{
        percent: given.values.map((v) => [m.percent(v), m.percent(v, 1)]),
        below: given.values.map(m.below), above: given.values.map(m.above),
        exactly: given.values.slice(4).map(m.exactly), checks: given.checks.map(([a, b]) => m.checksFor(a, b)),
    }"""
    found = parts.call("lib/numbers.js", line, {"values": values, "checks": checks})
    plain = [[text.replace(" ", "") for text in pair] for pair in found["percent"]]
    for value, shown in zip(values, plain, strict=True):
        assert shown == [chance(value), chance(value, 1)] or value == 0.0125  # a half goes up there, to even here
    for value, low, high in zip(values, found["below"], found["above"], strict=True):
        assert float(low.strip(" %")) <= 100 * value + 1e-6
        assert float(high.strip(" %")) >= 100 * value - 1e-6
    assert found["exactly"][values.index(0.0125) - 4] == "1.25 %"
    assert found["checks"] == [
        "82 blind checks or more",
        "about 83 blind checks (at least 82)",
        "82 blind checks or more",
        "1 blind check or more",
        "about 1,200 blind checks (at least 1,100)",
    ]
    said = [" ".join(text.split()[:2]) for text in found["checks"][1:2]]
    assert said == [" ".join(about(82.6, 82).split()[:2])], "as the sentences of the reports"


def test_counts_have_their_plural_and_thousands(parts: Parts) -> None:
    line = "[0, 1, 2, 1234567].map((n) => [m.count(n), m.plural(n, 'item'), m.plural(n, 'answer is', 'answers are')])"
    assert parts.call("lib/numbers.js", line) == [
        ["0", "0 items", "0 answers are"],
        ["1", "1 item", "1 answer is"],
        ["2", "2 items", "2 answers are"],
        ["1,234,567", "1,234,567 items", "1,234,567 answers are"],
    ]


def test_spans_of_time_change_their_unit_where_it_is_worth_it(parts: Parts) -> None:
    seconds = [0, 89.4, 90, 5399, 5400, 129_599, 129_600]
    line = "given.map((s) => [m.ago(s), m.minutes(s), m.duration(s)])"
    assert parts.call("lib/numbers.js", line, seconds) == [
        ["0 s ago", "0 seconds", "0 s"],
        ["89 s ago", "89 seconds", "89 s"],
        ["2 min ago", "2 minutes", "2 min"],
        ["90 min ago", "90 minutes", "90 min"],
        ["2 h ago", "1.5 hours", "1.5 h"],
        ["36 h ago", "36.0 hours", "36.0 h"],
        ["2 days ago", "36.0 hours", "36.0 h"],
    ]


def test_the_median_is_the_median(parts: Parts) -> None:
    lists = [[3.0], [2.0, 1.0], [10.0, 9.0, 100.0], [4.0, 1.0, 3.0, 2.0], [1.0, 1.0, 1.0, 7.0]]
    found = parts.call("lib/numbers.js", "[given.map(m.median), given]", lists)
    assert found[0] == [statistics.median(numbers) for numbers in lists]
    assert found[1] == lists, "what was given stays in its order"


# ── keys ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "labels",
    [["a", "b"], ["3", "a", "1", "b"], list("0123456789"), [f"l{i}" for i in range(14)], ["10", "1", "x", "0"]],
    ids=["words", "mixed", "digits", "many", "tens"],
)
def test_digits_are_those_of_the_terminal(parts: Parts, labels: list[str]) -> None:
    found = parts.call("label/keys.js", "[...m.places(given)].map(([name, at]) => [m.labelKey(at), name])", labels)
    assert {key: name for key, name in found if key in DIGITS} == digit_keys(labels)
    assert len({key for key, _ in found}) == len(labels), "each has a key of its own"


def test_thirty_labels_have_a_key(parts: Parts) -> None:
    keys = parts.call("label/keys.js", "Array.from({ length: 32 }, (_, at) => m.labelKey(at))")
    assert (keys[0], keys[9], keys[10], keys[19], keys[20], keys[29]) == ("1", "0", "⇧1", "⇧0", "⇧Alt 1", "⇧Alt 0")
    assert keys[30:] == ["", ""]


def test_a_kind_of_answer_changes_the_table_of_keys(parts: Parts) -> None:
    changes = {"submit": "Send it", "none": None, "accept": {"key": "e"}, "tick": {"key": "t", "text": "Tick"}}
    table = {row["name"]: row for row in parts.call("label/keys.js", "m.tableOf(given)", changes)}
    plain = {row["name"]: row for row in parts.call("label/keys.js", "m.tableOf({})")}
    assert table["submit"] == plain["submit"] | {"text": "Send it"}
    assert table["accept"] == plain["accept"] | {"key": "e"}
    assert list(table) == [
        name for known in plain if known != "none" for name in ([known, "tick"] if known == "search" else [known])
    ]
    without = parts.call("label/keys.js", "m.tableOf({ search: null, tick: { key: 't', text: 'Tick' } })")
    names = [row["name"] for row in without]
    assert "tick" in names, "a kind without the search has its own keys all the same"
    assert "search" not in names


def test_changed_keys_of_another_kind_of_answer_are_kept(parts: Parts) -> None:
    parts.page.evaluate("localStorage.setItem('askwise-keys', JSON.stringify({ tick: 'z', skip: 's' }))")
    line = """(m.useKeys(given), [
        m.keyName("tick"), m.keyName("skip"),
        m.rebind("skip", { key: "v", code: "KeyV" }), JSON.parse(localStorage.getItem("askwise-keys")),
    ])"""
    tick, skip, said, kept = parts.call("label/keys.js", line, {})
    assert (tick, skip, said) == ("", "s", "")
    assert kept == {"tick": "z", "skip": "v"}
    line = "(m.useKeys({ tick: { key: 't', text: 'Tick' } }), [m.keyName('tick'), m.keyName('skip')])"
    assert parts.call("label/keys.js", line) == ["z", "v"]


def test_a_taken_key_is_refused_by_name(parts: Parts) -> None:
    line = "['u', '5', 'Tab', 'Shift', 'k'].map((key) => m.rebind('skip', { key, code: key === '5' ? 'Digit5' : '' }))"
    taken, digit, browsers, held, fine = parts.call("label/keys.js", line)
    assert taken == "u is taken: “Unsure”. Give that another key first."
    assert digit == "Digits choose labels. Press another key."
    assert browsers.startswith("Tab belongs to the browser.")
    assert held is None
    assert fine == ""


# ── names of labels, guidelines ─────────────────────────────────────────────────────────────

NAMES = ["Food / Fruit / apple", "Food / bread", "apple", "pineapple", "Tool / saw", "a/b", " / odd"]


def rank(name: str, wanted: str) -> int:
    low = name.lower()
    last = low.rpartition(" / ")[2] if low.rfind(" / ") > 0 else low
    starts = low.startswith(wanted) or last.startswith(wanted)
    return 0 if wanted in (low, last) else 1 if starts else 2 if wanted in low else 3


@pytest.mark.parametrize(
    "wanted", ["", "apple", "fruit app", "app fruit", "a", "food/", "saw tool", "zzz", "food / bread"]
)
def test_a_few_letters_find_the_labels_they_mean(parts: Parts, wanted: str) -> None:
    found = parts.call("label/names.js", "m.matching(given.names, given.wanted)", {"names": NAMES, "wanted": wanted})
    words = wanted.replace("/", " ").split()
    expected = [name for name in NAMES if all(word in name.lower() for word in words)]
    if wanted:
        expected.sort(key=lambda name: rank(name, wanted))
    assert found == expected


def test_names_have_levels_and_places_to_break(parts: Parts) -> None:
    line = "[given.map(m.levels), m.breakAt('card_arrival.late-fee/x')]"
    levels, pieces = parts.call("label/names.js", line, NAMES)
    assert levels[:3] == [["Food / Fruit", "apple"], ["Food", "bread"], ["", "apple"]]
    assert levels[-1] == ["", " / odd"], "nothing stands before it"
    assert pieces == ["card_", "arrival.", "late-", "fee/", "x"]


@pytest.mark.parametrize(
    ("n", "rows"),
    [
        (1, [["1", "does"]]),
        (4, [["1 … 4", "does"]]),
        (21, [["1 … 9", "does"], ["0", "The tenth label"],
              ["⇧ 1 … ⇧ 0", "The eleventh to the twentieth label (Shift and a digit)"],
              ["⇧ Alt 1 … ⇧ Alt 0", "The twenty-first to the thirtieth"]]),
    ],
)  # fmt: skip
def test_the_list_of_keys_names_the_digits_there_are(parts: Parts, n: int, rows: list[Any]) -> None:
    assert parts.call("label/names.js", "m.digitHelp(given, 'does')", [f"l{i}" for i in range(n)]) == rows


def test_digits_that_are_labels_are_named_themselves(parts: Parts) -> None:
    assert parts.call("label/names.js", "m.digitHelp(['3', '7', 'a'], 'does')") == [["1 3 7", "does"]]


def test_guidelines_say_what_labels_mean(parts: Parts) -> None:
    text = (
        "# Fruit\n- **Apple** round `and` **red**\n* **Pear:** longer\n- no label\n**Saw** no list\n- **Fig** – small"
    )
    assert dict(parts.call("label/guidelines.js", "[...m.definitions(given)]", text)) == {
        "apple": "round and red", "pear": "longer", "fig": "small",
    }  # fmt: skip


def test_guidelines_are_elements_and_never_markup(parts: Parts) -> None:
    text = "# A\nsome **bold**\nand `code`\n\n1. one\n2) two\n<img src=x onerror=alert(1)>"
    line = "(() => { const box = document.createElement('div'); box.append(m.prose(given)); return box.innerHTML; })()"
    assert parts.call("label/guidelines.js", line, text) == (
        "<h3>A</h3><p>some <strong>bold</strong> and <code>code</code></p><ul><li>one</li><li>two</li></ul>"
        "<p>&lt;img src=x onerror=alert(1)&gt;</p>"
    )


# ── kinds of answers ────────────────────────────────────────────────────────────────────────


def of(widget: str, line: str) -> str:
    return f"((kind) => {line})(m.widgetFor({{ name: '{widget}', widget: '{widget}', asks: '', options: {{}} }}))"


def test_every_widget_has_what_the_pages_call(parts: Parts) -> None:
    needed = {"parts", "words", "body", "tag", "chooser", "keys", "help", "create"}
    for widget in ("one", "sets"):
        assert needed <= set(parts.call("label/widgets/index.js", of(widget, "Object.keys(kind)"))), widget


def test_a_kind_of_answer_that_is_not_known_is_refused_in_a_sentence(parts: Parts) -> None:
    line = "(() => { try { m.widgetFor({ widget: given }); return null; } catch (error) { return error.message; } })()"
    sentence = "This page has no widget for answers of the kind “waves”. It has: "
    assert parts.call("label/widgets/index.js", line, "waves").startswith(sentence)
    assert parts.call("label/widgets/index.js", line, "toString") is not None, "nor what every object has"


@pytest.mark.parametrize(
    "chosen", [[], ["a"], ["b", "a"], ["c", "b", "a"]], ids=lambda chosen: "".join(chosen) or "none"
)
def test_sets_are_written_as_the_log_writes_them(parts: Parts, chosen: list[str]) -> None:
    labels = ["a", "b", "c"]
    task = sets.Sets()
    written = task.write(chosen, labels)
    line = "[kind.parts(given), kind.body(given), kind.words(given), kind.brief(given)]"
    found, body, words, brief = parts.call("label/widgets/index.js", of("sets", line), written)
    assert found == list(task.parts(written)) == sorted(chosen)
    assert body == {"labels": sorted(chosen)}
    assert words == brief == (", ".join(sorted(chosen)) or "none of these")


def test_long_sets_are_brief_on_a_pill_and_order_says_nothing(parts: Parts) -> None:
    pairs = "[['a|b', 'b|a'], ['b|a', 'a|b'], ['a|b', 'a'], ['(none)', 'a']].map(([a, b]) => kind.same(a, b))"
    line = f"[kind.brief('refund|delivery|account'), ...{pairs}]"
    assert parts.call("label/widgets/index.js", of("sets", line)) == ["refund +2", True, True, False, False]


def test_one_label_is_what_it_says(parts: Parts) -> None:
    line = "given.map((label) => [kind.parts(label), kind.words(label), kind.body(label)])"
    odd = ["a", "(none)", "a|b"]
    for label, (found, words, body) in zip(
        odd, parts.call("label/widgets/index.js", of("one", line), odd), strict=True
    ):
        assert (found, words, body) == ([label], label, {"label": label})
        assert found == list(one.One().parts(label))


# ── the outbox ──────────────────────────────────────────────────────────────────────────────

OUTBOX = """(async () => {
  const sent = [], done = [], refused = [];
  const replies = [...given.replies];
  window.fetch = async (path, { body }) => {
    sent.push([path.split("/").pop(), JSON.parse(body).item]);
    const status = replies.shift() ?? 200;
    if (status === 0) throw new TypeError("no connection");
    return new Response(JSON.stringify(status === 200 ? {} : { error: `no ${status}` }), { status });
  };
  const box = new m.Outbox({
    fill: () => ({}), changed() {}, full() {},
    done: (act) => done.push(act.item), refused: (act, error) => refused.push([act.item, error.message]),
  });
  box.open("test");
  for (const [verb, item] of given.acts) box.push(verb, { item }, `about ${item}`);
  const cancelled = given.cancel === undefined ? null : box.cancel(box.acts[given.cancel].key);
  for (let i = 0; i < 400 && box.acts.length && !(given.once && sent.length); i++) {
    await new Promise((go) => setTimeout(go, 5));
    if (box.timer) box.retry();
  }
  const kept = Object.keys(localStorage).filter((name) => name.startsWith("askwise-outbox-test")).length;
  return { sent, done, refused, kept, cancelled, waiting: box.waiting, aside: box.aside.map((act) => act.item) };
})()"""


def outbox(parts: Parts, acts: list[list[str]], *replies: int, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = parts.call("label/outbox.js", OUTBOX, {"acts": acts, "replies": list(replies)} | more)
    return found


def test_acts_are_sent_in_their_order_and_again_until_they_arrive(parts: Parts) -> None:
    found = outbox(parts, [["tell", "a"], ["skip", "b"], ["retract", "a"]], 200, 503, 0, 429, 200)
    assert found["sent"] == [["tell", "a"], *[["skip", "b"]] * 4, ["retract", "a"]]
    assert found["done"] == ["a", "b", "a"]
    assert (found["kept"], found["waiting"], found["aside"]) == (0, 0, [])


def test_what_is_refused_for_good_is_set_aside_and_the_others_go_on(parts: Parts) -> None:
    found = outbox(parts, [["tell", "a"], ["tell", "b"], ["tell", "c"]], 200, 400, 200)
    assert found["done"] == ["a", "c"]
    assert found["refused"] == [["b", "no 400"]]
    assert found["aside"] == ["b"]


def test_what_was_never_sent_can_be_forgotten_and_what_is_on_its_way_not(parts: Parts) -> None:
    found = outbox(parts, [["tell", "a"], ["tell", "b"], ["tell", "c"]], cancel=1)
    assert (found["cancelled"], found["done"]) == (True, ["a", "c"])
    assert outbox(parts, [["tell", "a"], ["tell", "b"]], cancel=0)["cancelled"] is False


def test_a_reload_goes_on_with_the_oldest(parts: Parts) -> None:
    assert outbox(parts, [["tell", "a"], ["tell", "b"]], 0, once=True)["waiting"] == 2
    parts.page.reload()
    found = outbox(parts, [["tell", "c"]])
    assert found["done"] == ["a", "b", "c"]
    assert found["kept"] == 0


def test_what_is_set_aside_can_be_read(parts: Parts) -> None:
    acts = [
        {"verb": "tell", "item": "i1", "about": "some text", "label": "x", "sentence": "gone"},
        {"verb": "tell", "item": "i2", "about": "", "labels": ["x", "y"], "sentence": "gone"},
        {"verb": "flag", "item": "i3", "about": "t", "note": "odd", "sentence": "closed"},
    ]
    assert parts.call("label/aside.js", "given.map(m.toldOf)", acts) == [
        "some text\nLabel · x\nNot saved: gone",
        "i2\nLabel · x, y\nNot saved: gone",
        "t\nFlagged · note: odd\nNot saved: closed",
    ]


# ── the seam for widgets ────────────────────────────────────────────────────────────────────

DIAL = """
import { el } from "../../lib/dom.js";
import { pill, chooser } from "../../lib/tags.js";

export const one = (task) => ({
  parts: () => [],
  words: (written) => `dial ${written}`,
  body: (written) => ({ label: written }),
  tag: pill,
  chooser,
  submits: true,
  style: "/static/any/label/widgets/dial.css",
  keys: { none: null, submit: "Submit the number", up: { key: "t", text: "One more" } },
  help: () => [["1 … 3", `Set the ${task.asks}`]],
  create: (host) => new Dial(host),
});

class Dial {
  constructor(host) {
    this.host = host;
    this.acts = { up: () => this.set((this.question?.draft ?? 0) + 1) };
    this.now = el("output", { id: "dial" });
    host.box.append(this.now, host.button({ id: "send", act: "submit", text: "Send" }));
  }
  update() {}
  draw(question) {
    return el("mark", { id: "own" }, `drawn ${question.text}`);
  }
  show(question, { suggestion }) {
    this.question = question;
    if (question) question.draft ??= question.given === null ? null : Number(question.given);
    this.now.value = `${question?.draft ?? "–"}|${suggestion ?? "–"}`;
  }
  set(value) {
    this.question.draft = value;
    this.now.value = `${value}|set`;
  }
  answer() {
    return this.question.draft === null ? null : String(this.question.draft);
  }
  missing() {
    return "Turn the dial first.";
  }
  accept(suggestion) {
    this.set(Number(suggestion));
  }
  offers() {
    return false;
  }
  digit(place) {
    this.set(place + 1);
  }
  key(event) {
    if (event.key !== ".") return false;
    this.set(3);
    return true;
  }
}
"""


def test_a_widget_brings_drawing_keys_style_and_answer_of_its_own(run: Any, new_page: Any) -> None:
    """A kind of answer in a file of its own, as a project would add it: nothing else of the page is touched."""
    with Session([f"thing {i}" for i in range(30)], classes=["1", "2", "3", "4"], encoder="tfidf") as session:
        served = run(create_app(session, token=TOKEN))
        page = new_page(served.url)
        page.route("**/widgets/one.js", lambda route: route.fulfill(body=DIAL, content_type="text/javascript"))
        style = "#dial { outline-style: dotted; }"
        page.route("**/widgets/dial.css", lambda route: route.fulfill(body=style, content_type="text/css"))
        page.goto(f"{served.url}?token={TOKEN}")
        page.wait_for_selector("#why:not(:empty)")
        page.wait_for_timeout(100)  # past the moment in which a press counts as a bounce
        first = page.text_content("#own")
        assert first.startswith("drawn thing ")
        page.wait_for_function("getComputedStyle(document.getElementById('dial')).outlineStyle === 'dotted'")
        assert page.text_content("#send kbd") == "Enter"
        assert page.locator("[data-act=none]:visible, [data-act=search]:visible").count() == 0

        page.keyboard.press("Enter")
        assert "Turn the dial first." in page.text_content("#toasts")
        page.keyboard.press("x")  # this kind has no such key
        assert page.text_content("#own") == first
        page.keyboard.press("2")
        page.keyboard.press("t")
        assert page.text_content("#dial") == "3|set"
        page.keyboard.press("Enter")
        page.wait_for_function("t => document.getElementById('own').textContent !== t", arg=first)
        assert "Labeled dial 3" in page.text_content("#toasts")
        until(lambda: list(session.answers().values())[-1:] and session.counts()["labeled"] == 1, page)
        [answer] = session.answers().values()
        assert answer.label == "3"

        page.keyboard.press("ArrowLeft")  # the earlier answer, with what was given
        assert page.text_content("#dial") == "3|–"
        assert "Your earlier answer: dial 3. Choose again to change it" in page.text_content("#why")
        page.wait_for_timeout(100)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        until(lambda: next(iter(session.answers().values())).label == "1", page)
        page.keyboard.press("Backspace")  # taken back: the question again, with what was given
        page.wait_for_function("t => document.getElementById('own').textContent === t", arg=first)
        assert page.text_content("#dial") == "1|–"
        taken(page)  # then the server has put the question up anew
        page.keyboard.press(".")  # a key press that the widget takes before the table does
        assert page.text_content("#dial") == "3|set"

        page.keyboard.press("?")
        rows = page.locator(".keys tr").all_text_contents()
        assert rows[0] == "1 … 3Set the one label"
        assert any("One more" in row for row in rows)
        assert not any("no label fits" in row for row in rows)
        assert json.loads(page.evaluate("JSON.stringify([...document.body.classList])")).count("submits") == 1
