"""The demo from the first line to the two files, on a small stand-in for the messages."""

from __future__ import annotations

import csv
import io
import re

import pytest
from rich.console import Console

from askwise import demo
from askwise.core import BadInput
from askwise.datasets import Dataset

GOOD = ["lovely", "wonderful", "great", "happy", "sunny", "bright", "pleasant", "kind"]
BAD = ["awful", "terrible", "bad", "sad", "gloomy", "nasty", "horrid", "cruel"]


def messages(n=900, note=""):
    words = [GOOD if i % 3 else BAD for i in range(n)]
    texts = [f"{w[i % 8]} {w[(i // 8) % 8]} thing number {i}" for i, w in enumerate(words)]
    return Dataset(
        "mini", "text", [*texts, texts[0]], ["ham" if i % 3 else "spam" for i in range(n)] + ["spam"], "us", note
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(outcome, what was printed, folder) of one run."""
    folder = tmp_path_factory.mktemp("demo") / "new"
    console = Console(file=io.StringIO(), width=80, highlight=False)
    outcome = demo.run(folder, console=console, data=messages(), encoder="tfidf")
    return outcome, console.file.getvalue(), folder


def test_every_message_ends_with_a_label_and_the_totals_add_up(shown):
    outcome, _, folder = shown
    with (folder / "labeled.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 901
    assert {r["source"] for r in rows} == {"human", "model"}
    unique = {r["item"]: r for r in rows}.values()
    assert outcome.items == len(unique) == 900
    assert outcome.human == sum(r["source"] == "human" for r in unique)
    assert outcome.model == sum(r["source"] == "model" for r in unique)
    assert outcome.human + outcome.model == outcome.items
    truth = messages().labels
    wrong = {r["item"] for r, name in zip(rows, truth, strict=True) if r["label"] != name}
    assert all(unique_row["source"] == "model" for unique_row in unique if unique_row["item"] in wrong)
    assert outcome.model_wrong == len(wrong)


def test_the_demo_certifies_and_says_whether_it_was_true(shown):
    outcome, text, _ = shown
    assert outcome.certificates
    assert outcome.holds
    assert outcome.checks >= sum(c.audits for c in outcome.certificates)
    assert f"{outcome.model_wrong:,} are wrong" in text
    assert "certified was at most 2%: true." in text
    assert f"The person gave {outcome.human:,} labels for 900 items" in text


def test_a_false_certificate_would_be_called_false(shown):
    from dataclasses import replace

    outcome, _, _ = shown
    console = Console(file=io.StringIO(), width=100, highlight=False)
    false = replace(outcome, model_wrong=outcome.model)
    assert not false.holds
    demo._totals(false, demo.Path("x"), console)
    assert "NOT true" in console.file.getvalue()
    assert demo._comparison(false)["what was certified is true"] is False


def test_the_race_is_shown_and_what_to_type_next(shown):
    outcome, text, folder = shown
    assert [lane.name for lane in outcome.lanes] == ["auto", "margin", "random"]
    for lane in outcome.lanes:
        assert set(lane.reached) == set(demo.TARGETS)
        assert lane.labels <= demo.BUDGET
    flat = " ".join(text.split())
    assert "default" in flat
    assert "where random choice needs" in flat
    assert "askwise label yourfile.csv --text COLUMN --labels yes,no" in flat
    assert str(folder / "report.html") in text.replace("\n", "")


def test_output_that_is_no_terminal_is_plain(shown):
    _, text, _ = shown
    assert "\x1b" not in text
    assert "\r" not in text
    assert "…" not in text, "nothing is cut"
    assert text.count("asks by") == 1, "the live table is printed once, at its end"


def test_the_report_holds_the_comparison(shown):
    outcome, _, folder = shown
    page = re.sub(r"\s+", "", re.sub(r"<[^>]+>", "", (folder / "report.html").read_text()))
    assert "Againstthehiddentruth" in page
    assert f"labelsgivenbythemodel{outcome.model:,}" in page
    assert "whatwascertifiedistrueyes" in page


def test_a_stand_in_is_said_first_and_loudly(tmp_path):
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [str(data.target_names[t]) for t in data.target]
    found = Dataset("breast-cancer", "array", data.data, names, "us", "The messages cannot be had here: no network.")
    console = Console(file=io.StringIO(), width=100, highlight=False)
    outcome = demo.run(tmp_path, console=console, data=found)
    text = console.file.getvalue()
    assert text.startswith("NOT the spam challenge but a stand-in: breast-cancer")
    assert "no network" in text
    assert outcome.human + outcome.model == outcome.items == 569


def test_a_terminal_sees_it_live(monkeypatch, tmp_path):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, highlight=False)
    demo.run(tmp_path, console=console, data=messages(300), encoder="tfidf", seed=3)
    text = console.file.getvalue()
    assert "\x1b[" in text, "lines are drawn over"
    assert text.count("asks by") > 5


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="--out"):
        demo.run(tmp_path / "file" / "demo", data=messages(30))


def test_a_target_must_be_held():
    lane = demo.Lane("auto")
    values = [0.95, 0.5, 0.95, 0.95, 0.95, 0.5]
    for n, value in enumerate(values, 1):
        demo._advance(lane, demo.simulation.Point(n, {"balanced_accuracy": value, "accuracy": value}, 0.0))
        if not lane.running:
            break
    assert lane.reached == dict.fromkeys(demo.TARGETS, 3)
    assert lane.labels == 5


def test_sparkline():
    assert demo.sparkline([]) == ""
    assert demo.sparkline([0.0, 0.5, 1.0]) == "▁▁█"
    assert demo.sparkline([0.5 + i / 200 for i in range(100)], width=8) == "▁▂▃▄▅▆▇█"
    assert len(demo.sparkline([0.7] * 500)) == 16
