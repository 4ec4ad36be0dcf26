"""The report: every figure it shows, and nothing it must not do."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import plots, report
from askwise.core import Certificate, CurvePoint, Estimate, Report, Verdict

CERTIFIED = Certificate(0.02, 0.95, 1, 0.03, region=4000, audits=286, wrong=1, certified=3714)
EVIL = "<script>alert('x')</script>&\"'"


def a_report(**changes):
    base = Report(
        title="mails",
        created=1_790_000_000.0,
        items=4800,
        rows=4840,
        classes=("ham", "spam"),
        counts={"ham": {"human": 400, "model": 3400}, "spam": {"human": 300, "model": 314}},
        human=700,
        given=12,
        auto=3714,
        open=371,
        unsure=3,
        skipped=2,
        flagged=(("id1", "odd one"), ("id2", "")),
        estimate=Estimate(0.97, 0.87, 0.995, 0.95, 58, 1, 4312),
        verdict=Verdict(True, "Certifying now saves about 3,700 labels.", 290, (260, 400), 4000),
        curve=(
            CurvePoint(10, None, 0.0, 1.0, 1, 1.0, 0.05),
            CurvePoint(100, 0.95, 0.61, 0.99, 10, 2.0, 0.07, truth=0.94),
            CurvePoint(200, 0.97, 0.81, 0.99, 20, 3.0, 0.09, truth=0.98),
        ),
        attempts=({"number": 1, "region": 4000, "checks": 286, "wrong": 1, "alpha": 0.03, "outcome": "accepted"},),
        certificates=(CERTIFIED,),
        asked={"typiclust": 10, "diverse_margin": 400, "audit": 40, "check": 250},
        seconds=2100.0,
        settings={"strategy": "auto", "seed": 0, "audit_share": 0.1, "options": {"a": 1}, "names": ["x", "y"]},
        problems=("row 17: has an empty text",),
    )
    return dataclasses.replace(base, **changes)


class Page(html.parser.HTMLParser):
    """Checks nesting, collects ids, visible text, and everything that could load something."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.words, self.loads, self.tags = [], [], [], [], set()
        self.feed(text)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action", "data") and not value.startswith("#"):
                self.loads.append(value)
            assert not name.startswith("on"), "no event handlers"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not (self.open and self.open[-1] == "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def test_the_page_is_one_file_that_loads_nothing():
    text = report.to_html(a_report())
    page = Page(text)
    assert page.loads == []
    assert "script" not in page.tags
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text)
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids)), "ids of several pictures do not collide"


def test_every_reference_inside_the_page_has_its_target():
    void = dataclasses.replace(CERTIFIED, attempt=2, void="an answer was changed")
    text = report.to_html(a_report(certificates=(CERTIFIED, void)))
    ids = set(Page(text).ids)
    wanted = set(re.findall(r"url\(#([\w-]+)\)", text)) | set(re.findall(r'href="#([\w-]+)"', text))
    assert wanted
    assert wanted <= ids


def test_the_page_shows_what_it_is_for():
    text = Page(report.to_html(a_report(truth={"wrong model labels": 9, "certificate true": True}))).text
    for words in (
        "with 95% confidence at most 2.0% of those are wrong",
        "4,800 items from 4,840 rows (40 exact duplicates asked once)",
        "Estimated 97% right on the remaining 4,312",
        "Certifying now saves about 3,700 labels.",
        "286 blind checks, 1 wrong",
        "diverse_margin",
        "seconds per label 3.0",
        "marked unsure by a person 3",
        "odd one",
        "row 17: has an empty text",
        "wrong model labels 9",
        "certificate true yes",
        "options a: 1",
        "accepted",
    ):
        assert words.replace(" ", "") in text.replace(" ", ""), words


def test_colors_of_the_pictures_follow_the_theme_of_the_page():
    text = report.to_html(a_report())
    styles = set(re.findall(r"--(\w+):", text[: text.index("</style>")]))
    used = set(re.findall(r"var\(--(\w+)\)", text))
    assert used <= styles
    assert set(plots.VARIABLES.values()) <= used
    body = text[text.index("</style>") :]
    assert set(re.findall(r"#[0-9a-f]{6}\b", body)) <= {"#000000", "#ffffff"}


def test_content_of_users_is_never_markup():
    found = a_report(
        title=EVIL,
        classes=(EVIL,),
        counts={EVIL: {"human": 1, "model": 2}},
        flagged=((EVIL, EVIL),),
        problems=(EVIL,),
        asked={EVIL: 3},
        settings={EVIL: EVIL},
        attempts=({"outcome": EVIL},),
        truth={EVIL: EVIL},
        verdict=Verdict(False, EVIL),
        certificates=(dataclasses.replace(CERTIFIED, void=EVIL),),
    )
    page = Page(report.to_html(found))
    assert "script" not in page.tags
    assert page.text.count("<script>alert('x')</script>&\"'") >= 10


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=40))
def test_any_text_survives_in_all_three_forms(words):
    found = a_report(title=words, flagged=((words, words),), counts={words: {"human": 1}}, classes=(words,))
    page = report.to_html(found)
    assert "script" not in Page(page).tags
    assert json.loads(report.to_json(found))["title"] == words
    plain = report.to_text(found)
    assert not any(report._is_control(c) for c in plain), "nothing can steer the terminal"


def test_the_same_report_gives_the_same_bytes():
    assert report.to_html(a_report()) == report.to_html(a_report())


@pytest.mark.parametrize("points", [0, 1, 2])
def test_a_young_session_has_a_page_too(points):
    found = a_report(
        curve=a_report().curve[:points],
        certificates=(),
        attempts=(),
        auto=0,
        human=0,
        given=0,
        open=4800,
        seconds=0.0,
        asked={},
        flagged=(),
        problems=(),
        counts={},
        classes=(),
        estimate=Estimate(None, 0.0, 1.0, 0.95, 0, 0, 4800),
        verdict=Verdict(False, "Give the first labels."),
    )
    text = Page(report.to_html(found)).text
    assert "No estimate yet" in text
    assert "not measured" in text
    assert "nothing is proved" in text
    assert ("No model has been fitted yet." in text) == (points == 0)
    assert "No estimate yet" in report.to_text(found)


def test_headline_says_only_what_is_proved():
    proved = report.headline(a_report())
    people = "People labeled 700 of 4,800 items (12 more came labeled with the data)"
    assert proved.startswith(f"{people}, the model 3,714: with 95% confidence")
    assert "371 are left for people" in proved
    void = report.headline(a_report(certificates=(dataclasses.replace(CERTIFIED, void="a check was changed."),)))
    assert "nothing is proved" in void
    assert "a check was changed" in void
    assert "confidence" not in void
    # Two certificates: for all labels together only the looser one holds.
    looser = dataclasses.replace(CERTIFIED, max_error=0.05, attempt=2)
    assert "at most 5.0% of those" in report.headline(a_report(certificates=(looser, CERTIFIED)))
    half = report.headline(a_report(certificates=(dataclasses.replace(looser, void="a check was changed."), CERTIFIED)))
    assert "not all of that is proved any more: a check was changed." in half
    dataset = dataclasses.replace(CERTIFIED, target="dataset")
    assert "at most 2.0% of the 4,000 items that were frozen" in report.headline(a_report(certificates=(dataset,)))
    assert "at most 2.0% of the whole region of 4,000 items" in dataset.sentence
    assert "at most 2.0% of them" in CERTIFIED.sentence
    done = report.headline(a_report(auto=0, human=4788, given=12, certificates=()))
    assert done == "Every item has a label: 4,788 by people, 12 came with the data."
    assert report.headline(a_report(auto=0, human=4800, given=0, certificates=())) == "People labeled all 4,800 items."
    open_ = report.headline(a_report(auto=0, certificates=()))
    assert open_ == f"{people}. " + a_report().estimate.sentence


def test_time_is_never_invented():
    assert report.seconds_per_label(a_report()) == pytest.approx(3.0)
    assert report.seconds_per_label(a_report(seconds=0.0)) is None
    assert report.seconds_per_label(a_report(human=0)) is None


def test_json_holds_every_field_and_only_strict_numbers():
    found = a_report(settings={"odd": math.nan, "endless": math.inf})
    body = json.loads(report.to_json(found), parse_constant=lambda name: pytest.fail(name))
    assert {f.name for f in dataclasses.fields(Report)} <= body.keys()
    assert body["format"] == report.FORMAT
    assert body["settings"] == {"odd": None, "endless": None}
    assert body["certificates"][0]["audits"] == 286
    assert body["curve"][0]["accuracy"] is None


def test_text_fits_its_width_and_is_not_markup():
    text = report.to_text(a_report(title="[bold red]mails[/]", flagged=(("[link=x]", "[/]"),)), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "[bold red]mails[/]" in text
    assert "[link=x]" in text


def test_long_lists_are_cut_and_say_so():
    found = a_report(problems=tuple(f"row {i}: has an empty text" for i in range(1000)))
    text = Page(report.to_html(found)).text
    assert "row 199:" in text
    assert "row 200:" not in text
    assert "800 more" in text


def test_write_html(tmp_path):
    path = report.write_html(a_report(), tmp_path / "r.html")
    assert path.read_text(encoding="utf-8") == report.to_html(a_report())


def test_the_picture_of_a_certificate_holds_a_square_for_each_check():
    for audits, wrong in ((1, 0), (40, 3), (286, 1), (700, 0), (5, 5)):
        figure = plots.certificate(dataclasses.replace(CERTIFIED, audits=audits, wrong=wrong))
        patches = figure.axes[0].patches
        squares = {p.get_facecolor()[:3]: len(p.get_path().vertices) // 5 for p in patches}
        assert sum(squares.values()) == audits
        assert squares.get(tuple(int(plots.WRONG[i : i + 2], 16) / 255 for i in (1, 3, 5)), 0) == wrong


def test_a_saved_plot_is_the_same_every_time(tmp_path):
    for suffix in ("svg", "png"):
        figures = [plots.estimate_curve(a_report().curve) for _ in range(2)]
        one, two = (plots.save(f, tmp_path / f"{i}.{suffix}").read_bytes() for i, f in enumerate(figures))
        assert one == two


def test_what_is_shown_never_claims_more_than_was_proved():
    shown = Estimate(0.98, 0.876, 0.994, 0.995, 58, 1, 4312).sentence
    assert "between 87% and 100%" in shown
    assert "99.5% sure" in shown
    assert "between 99% and 100%" in Estimate(0.998, 0.9951, 1.0, 0.95, 900, 0, 4312).sentence
    exact = Estimate(0.97, 0.29, 0.57, 0.95, 58, 1, 4312).sentence
    assert "between 29% and 57%" in exact, "a bound that is a whole percent stays what it is"
    odd = dataclasses.replace(CERTIFIED, max_error=0.0125, confidence=0.999).sentence
    assert "99.9% confidence at most 1.25%" in odd


def test_a_void_certificate_shows_no_proof():
    void = dataclasses.replace(CERTIFIED, void="a check was changed.")
    text = Page(report.to_html(a_report(certificates=(void,), estimate=Estimate(None, 0, 1, 0.95, 0, 0, 0)))).text
    assert "no longer holds: a check was changed." in text
    assert "proved: at most" not in text
