"""What a notebook shows: true, short, nobody's script, and no guess on what is still to be checked."""

from __future__ import annotations

import builtins
import html.parser
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import askwise
from askwise import Pool, Session, display, load_pool, plots
from askwise.core import AutoLabels, BadInput, Certificate, Estimate, MissingExtra, Selection, Verdict
from askwise.learners import SoftmaxRegression
from askwise.simulation import Run, Simulation

pytestmark = pytest.mark.usefixtures("linear")

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&$x^2$ \\(y\\) \u202eoper \x00 \ud800"
CERTIFIED = Certificate(0.02, 0.95, 1, 0.03, region=4000, audits=286, wrong=1, certified=3714, fingerprint="ab" * 32)


class Page(html.parser.HTMLParser):
    """Tags that are nested as they should be, the text that is seen, and every attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.stack: list[str] = []
        self.seen = ""
        self.feed(text)
        self.close()
        assert not self.stack, f"never closed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen += data


def page_of(shown: Any) -> Page:
    """What is shown, once it is known to hold nothing that runs, loads, or reaches out of its own cell."""
    text = shown if isinstance(shown, str) else shown._repr_html_()
    page = Page(text)
    assert page.tags <= {"div", "b", "span", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.attributes <= {"style", "role", "aria-label"}
    assert "url(" not in text
    assert "position:fixed" not in text
    assert len(text) < 20_000, "short"
    text.encode()  # a notebook is UTF-8
    assert not re.search(r"\$[^<]*\$", re.sub(r"<span>[$\\]</span>", "", text)), (
        "no mathematics made of somebody's text"
    )
    return page


# ── the functions ───────────────────────────────────────────────────────────────────────────


@given(st.text(st.characters(), max_size=80))
def test_any_text_is_text(said: str) -> None:
    shown = Page(display.card(said, ["first", said], display.table([said], [[said]]), display.note(said)))
    assert shown.tags <= {"div", "b", "span", "table", "thead", "tbody", "tr", "th", "td"}
    kept = display._STRANGE.sub("\N{REPLACEMENT CHARACTER}", said)
    assert kept in shown.seen
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", shown.seen)


def test_mathematics_of_a_stranger_is_not_set() -> None:
    shown = display.text("win $500 now, $100 free \\(x\\)")
    assert "<span>$</span>500 now, <span>$</span>100" in shown
    assert "<span>\\</span>(x" in shown


def test_long_texts_are_cut_and_lists_say_what_is_left() -> None:
    assert len(display.text("x" * 5000)) == display.LONGEST
    shown = Page(display.listed(["a\n  b", "y" * 500, "c"], 40, most=2))
    assert "a b" in shown.seen
    assert "y" * 89 + "…" in shown.seen
    assert "… and 38 more" in shown.seen


def test_bar_and_interval_say_in_words_what_they_draw() -> None:
    shown = display.bar([("people", 30, "#000"), ("model", 0, "#111")], 120, beside=["open 90"])
    assert 'aria-label="people 30"' in shown
    assert "width:25.000%" in shown
    assert "open 90" in shown
    drawn = display.interval(0.25, 0.75, 0.5, 'right "so" far')
    assert "left:25.00%;width:50.00%" in drawn
    assert "left:50.00%" in drawn
    assert "right &quot;so&quot; far" in drawn
    assert display.interval(0.2, 0.9, None, "").count("<span") == 1
    page_of(shown)
    page_of(drawn)


# ── the records ─────────────────────────────────────────────────────────────────────────────


def test_estimate_says_its_sentence_and_draws_only_what_it_has() -> None:
    estimate = Estimate(0.97, 0.87, 0.995, 0.95, 58, 1, 4312)
    page = page_of(estimate)
    assert estimate.sentence in page.seen
    assert "role" in page.attributes
    nothing = page_of(Estimate(None, 0.0, 1.0, 0.95, 0, 0, 12))
    assert "too few random check items" in nothing.seen
    assert "role" not in nothing.attributes, "no scale where nothing is known"


def test_certificate_says_what_it_leaves_open_and_a_void_one_only_that() -> None:
    page = page_of(CERTIFIED)
    assert CERTIFIED.sentence in page.seen
    assert "askwise verify SESSION --fingerprint abababababababab" in page.seen
    rare = Certificate(
        0.02, 0.95, 1, 0.03, 4000, 286, 1, 3714, label=None, allowed=74, classes=(("ham", 3704), ("<b>spam", 10))
    )
    assert rare.unsaid
    assert rare.unsaid in page_of(rare).seen
    void = Certificate(0.02, 0.95, 1, 0.03, 4000, 286, 1, 3714, void="answers were changed.")
    said = page_of(void).seen
    assert "no longer holds" in said
    assert "3,714" not in said


def test_labels_by_the_model_are_shown_as_what_was_decided_never_item_by_item() -> None:
    labels = {f"secret-{i}": "spam" for i in range(3000)}
    given = AutoLabels("certified", CERTIFIED.sentence, labels, CERTIFIED, (CERTIFIED,))
    assert "secret" not in repr(given)
    assert CERTIFIED.sentence in page_of(given).seen
    void = Certificate(0.02, 0.95, 1, 0.03, 4000, 286, 1, 3714, void="answers were changed.")
    assert "not all of it is certified any more" in page_of(AutoLabels("certified", "x", {}, void, (void,))).seen
    assert "refused" in page_of(AutoLabels("refused", EVIL)).seen


def test_verdict_is_called_advice() -> None:
    assert "not ready (advice)" in page_of(Verdict(False, EVIL)).seen


def test_selection_shows_the_first_rows_and_says_how_many_more() -> None:
    selection = Selection(np.arange(25), np.linspace(1, 0, 25), EVIL, (EVIL,) * 24 + ("random",))
    page = page_of(selection)
    assert "25 rows to ask about" in page.seen
    assert "… and 15 more" in page.seen
    assert "chosen by" in page.seen
    assert "No row to ask about" in page_of(Selection(np.zeros(0, np.intp), np.zeros(0), "margin")).seen
    assert "chosen by" not in page_of(Selection(np.arange(2), np.ones(2), "margin")).seen


# ── the pool ────────────────────────────────────────────────────────────────────────────────


def test_pool_shows_a_few_items_and_what_was_wrong() -> None:
    pool = load_pool([EVIL.replace("\x00", "").replace("\ud800", ""), "a" * 5000, "lunch", "lunch", "dinner", "", None])
    page = page_of(pool)
    assert "4 items (text)" in page.seen
    assert "5 rows" in page.seen
    assert "2 rows or labels could not be used" in page.seen
    assert "… and 1 more" in page.seen
    assert repr(pool) == "<Pool of 4 items, text>"


def test_pools_of_other_kinds() -> None:
    import pandas as pd

    table = pd.DataFrame({"name": ["Ann", "Bob"], "age": [3, 4], "y": ["a", None]})
    rows = load_pool(table, kind="table", label="y")
    assert "name: Ann · age: 3" in page_of(rows).seen
    assert "1 item came with a label" in page_of(rows).seen
    pair = load_pool(pd.DataFrame({"l": ["x", "y"], "r": ["u", "v"]}), kind="pair", text=["l", "r"])
    assert "x · u" in page_of(pair).seen
    assert "30 items (array)" in page_of(load_pool(np.random.default_rng(0).normal(size=(30, 3)))).seen
    assert "1 item (text)" in page_of(Pool(["i"], ["t"], "text")).seen
    assert rows.to_frame().to_dict("list")["content"] == ["name: Ann · age: 3", "name: Bob · age: 4"]


# ── the session ─────────────────────────────────────────────────────────────────────────────

WORDS = {"ham": ["lunch", "train", "dinner", "late", "mum"], "spam": ["prize", "cash", "claim", "free", "click"]}


def messages(n: int, seed: int = 0) -> dict[str, str]:
    """Texts, each different, with labels that a model can learn."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(n):
        label = "spam" if rng.random() < 0.3 else "ham"
        found[" ".join(rng.choice(WORDS[label], 4)) + f" {i}"] = label
    return found


@pytest.fixture(scope="module")
def done() -> tuple[Session, dict[str, str]]:
    """A session that was labeled, certified and handed over."""
    truth = messages(700)
    session = Session(list(truth), classes=["ham", "spam"], max_error=0.05, title=EVIL[:-1])
    for _ in range(8):
        for query in session.ask(5):
            session.tell(query, truth[query.text])
        session.refresh()
    assert session.autolabel(oracle=lambda queries: [truth[query.text] for query in queries])
    return session, truth


def test_session_shows_sentences_that_its_verbs_give(done: tuple[Session, dict[str, str]]) -> None:
    session, _ = done
    page = page_of(session)
    assert session.estimate().sentence in page.seen
    assert session.verdict().reason in page.seen
    assert all(c.sentence in page.seen for c in session.certificates())
    counts = session.counts()
    assert f"people {counts['labeled']:,}" in page.seen
    assert f"model {counts['auto']:,}" in page.seen
    assert f"open {counts['open']:,}" in page.seen
    assert len(repr(session)) < 400


def test_looking_changes_nothing(done: tuple[Session, dict[str, str]]) -> None:
    session, _ = done
    before = session.look(lambda state: state.seq)
    for _ in range(3):
        session._repr_html_()
        repr(session)
        session.to_frame()
        session.plot()
    assert session.look(lambda state: state.seq) == before


class Planted:
    """A model that has learned nothing: what it says of each row was written beforehand."""

    classes_ = np.array([0, 1])

    def __init__(self, spam: Any) -> None:
        self.spam = spam

    def fit(self, X: Any, y: Any) -> Planted:
        return self

    def predict_proba(self, X: Any) -> Any:
        p = np.where(self.spam[X[:, 0].astype(int)], 0.9, 0.1)
        return np.stack([1 - p, p], 1)


def test_nothing_shown_of_a_session_depends_on_the_guesses_of_open_items() -> None:
    """Two sessions that differ in what the model takes the open items for look the same, before and during checks."""
    shown = []
    for flipped in (False, True):
        X = np.arange(400, dtype=float)[:, None]
        spam = (np.arange(400) % 2 == 0) ^ (flipped & (np.arange(400) >= 40))
        session = Session(
            X, classes=["ham", "spam"], learner=Planted(spam), audit_share=0, strategy="random", title="t"
        )
        ids = session.pool.ids
        for row in range(40):  # on these both models agree with the person
            session.tell(ids[row], "spam" if row % 2 == 0 else "ham")
        session.refresh()
        before = session._repr_html_(), repr(session), session.to_frame().to_csv()
        session.autolabel(max_error=0.1)
        during = session._repr_html_(), repr(session), session.to_frame().to_csv()
        shown.append((before, during))
    assert shown[0] == shown[1]
    assert "spam" in shown[0][0][2], "people's labels are there"


def test_a_frame_shows_guesses_only_where_they_are_asked_for_and_then_the_log_says_so() -> None:
    truth = messages(60)
    session = Session(list(truth), classes=["ham", "spam"])
    for query in session.ask(20):
        session.tell(query, truth[query.text])
    session.refresh()
    frame = session.to_frame()
    assert len(frame) == 60
    assert frame["model_guess"].isna().all()
    assert frame.set_index("text")["label"].dropna().to_dict() == {
        text: truth[text] for text in frame["text"][frame["source"] == "human"]
    }
    assert session.look(lambda state: state.was_shown(0, "me")) is False
    assert session.to_frame(guesses=True)["model_guess"].notna().any()
    open_row = next(i for i, row in enumerate(session.rows()) if row["source"] == "")
    assert session.look(lambda state: state.was_shown(open_row, "me"))


def test_pictures_of_a_session(done: tuple[Session, dict[str, str]], tmp_path: Any) -> None:
    session, _ = done
    curve, proof = session.plot(), session.plot("certificate")
    assert "proved between" in repr(curve)
    assert session.certificates()[-1].sentence in repr(proof)
    assert curve.save(tmp_path / "curve.svg").read_text().startswith("<?xml")
    assert proof.save(tmp_path / "proof.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BadInput, match="No picture named 'certificat'"):
        session.plot("certificat")  # type: ignore[arg-type]
    empty = Session(["a", "b"], classes=["x", "y"])
    with pytest.raises(BadInput, match="no estimate to draw yet"):
        empty.plot()
    with pytest.raises(BadInput, match="no certificate to draw"):
        empty.plot("certificate")


def test_no_picture_of_a_certificate_that_no_longer_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    from askwise import results

    void = Certificate(0.02, 0.95, 1, 0.03, 4000, 286, 1, 3714, void="answers were changed.")
    monkeypatch.setattr(results.evidence, "certificates", lambda state: [void])
    with pytest.raises(BadInput, match="no longer holds: answers were changed"):
        results.picture(SimpleNamespace(), "certificate")  # type: ignore[arg-type]


def test_a_search_shows_its_recall() -> None:
    truth = messages(80)
    session = Session(list(truth), classes=["ham", "spam"], recall=0.9, relevant="spam")
    recall = session.recall()
    assert recall is not None
    assert recall.sentence in page_of(session).seen


def test_a_session_that_can_only_be_looked_at_says_so(done: tuple[Session, dict[str, str]], monkeypatch: Any) -> None:
    session, _ = done
    monkeypatch.setattr(type(session), "still", "This file cannot be written.")
    assert "This file cannot be written." in page_of(session).seen


# ── simulations, pictures, frames ───────────────────────────────────────────────────────────


def a_simulation(seeds: int = 2, names: tuple[str, ...] = ("margin", "random")) -> Simulation:
    scores = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), (0.5, 0.95))
    runs = tuple(Run(name, seed, (1, 2), scores, 0.1) for seed in range(seeds) for name in names)
    settings = {
        "items": 100, "classes": 2, "untested": {EVIL: 1}, "unlearned": {}, "held_out": 30, "seeds": list(range(seeds)),
        "batch": 1, "audit_share": 0.0, "encoder": EVIL, "encoded": "", "learner": EVIL,
    }  # fmt: skip
    return Simulation(runs, (("accuracy", 0.9),), 2, settings)


def test_simulation_says_what_it_must_be_read_with() -> None:
    result = a_simulation()
    page = page_of(result)
    assert "Fewer than 6 seeds give no 95 % interval" in page.seen
    assert "nothing shows there that it is recognised" in page.seen
    assert "margin" in page.seen
    assert len(repr(result)) < 200
    frame = result.to_frame()
    assert list(frame.columns) == ["strategy", "seed", "labels", "accuracy", "balanced_accuracy", "macro_f1"]
    assert len(frame) == 8


def test_a_picture_fits_light_and_dark_and_holds_names_as_they_are() -> None:
    picture = a_simulation(names=("$\\alpha", "<b>random")).plot()
    shown = picture._repr_html_()
    assert "currentColor" in shown
    assert "var(--" not in shown, "variables of a page that is not here"
    assert plots.INK not in shown
    assert "$\\alpha" in shown
    assert "&lt;b&gt;random" in shown
    assert not re.search(
        r"<script|<style|@import|https?://(?!www\.w3\.org)", re.sub(r"xmlns[:\w]*=\"[^\"]*\"", "", shown)
    )
    assert picture._repr_html_() == shown, "the same each time, so that a notebook does not change"
    bundle = picture._repr_mimebundle_(include=None, exclude=None)
    assert bundle["image/png"].startswith("iVBOR")
    with pytest.raises(BadInput, match="No metric named 'acuracy'"):
        a_simulation().plot("acuracy")


def test_frames_say_what_to_do_without_pandas(
    done: tuple[Session, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    before = done[0].look(lambda state: state.seq)
    for thing, instead in (
        (done[0], r"session\.rows\(\)"),
        (a_simulation(), r"simulation\.write"),
        (load_pool(["a", "b"]), r"\.contents"),
        (Selection(np.arange(2), np.ones(2), "margin"), r"\.rows"),
    ):
        with pytest.raises(MissingExtra, match=f"pip install pandas.*{instead}"):
            thing.to_frame()
    with pytest.raises(MissingExtra):
        done[0].to_frame(guesses=True)
    assert done[0].look(lambda state: state.seq) == before, "nothing is noted as shown that was not"


def test_selection_as_a_frame() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    picked = askwise.select(X, np.arange(20, 40), SoftmaxRegression().fit(X[:20], y[:20]), "margin", k=3)
    frame = picked.to_frame()
    assert frame["row"].tolist() == picked.rows.tolist()
    assert frame["strategy"].tolist() == ["margin"] * 3
