"""Labels that exist already, at the doors: the command line, the terminal, a kill on the way."""

from __future__ import annotations

import csv
import functools
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from askwise import LabelCheck, terminal
from askwise.core import Query
from help.command import ran

Run = Callable[..., tuple[int, str, str]]
N = 300


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return functools.partial(ran, capsys, monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "mail.csv"
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["message", "llm", "other", "sure", "team", "truth"])
        for i in range(N):
            truth = "spam" if i % 3 == 0 else "ham"
            sure = rng.beta(4, 1)
            llm = truth if rng.random() < 0.85 + 0.15 * sure else {"spam": "ham", "ham": "spam"}[truth]
            text = f"{'win cash now' if truth == 'spam' else 'see you at six'} {i}"
            rows.writerow([text, llm, truth, f"{sure:.3f}", "ab"[i % 2], truth])
    return path


TEXT = ("--text", "message")
GIVEN = ("--guess", "llm", "--confidence", "sure", "--text", "message", "--encoder", "none", "--seed", "3")


def test_a_simulation_says_what_stays_and_what_is_unsaid_and_writes_the_file(run: Run, file: Path) -> None:
    out = file.with_name("out.csv")
    code, said, aside = run(
        "check", file, *GIVEN, "--by", "team", "--max-error", "0.05", "--simulate", "truth", "--out", out
    )
    assert code == 0, aside
    assert "labels stay without a person: at most 15 of them are wrong (95% sure, however often you look)" in said
    assert "of those that stay" in said
    assert "of the" in said.split("not of each label:")[1]
    assert "team = a (150 labels): accuracy" in said
    assert "Cohen's kappa" in said
    assert "300 rows are in" in aside
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == N
    assert {row["check"] for row in rows} >= {"kept", "confirmed"}
    assert sum(row["check"] == "kept" and row["label"] != row["truth"] for row in rows) <= 15
    assert all(row["label"] == row["truth"] for row in rows if row["check"] == "corrected")
    assert not file.with_name("mail.check.askwise").exists(), "a simulation is kept only where it is said"


def test_json_holds_all_of_it(run: Run, file: Path) -> None:
    code, said, _ = run("check", file, *GIVEN, "--guess", "other", "--simulate", "truth", "--most", "60", "--json")
    assert code == 0
    found = json.loads(said)
    assert found["quality"]["drawn"] == 60
    assert found["status"]["limit"] is None
    assert found["quality"]["others"][0][0] == "other"
    assert "prove between" in found["quality"]["sentence"]


def test_a_check_is_begun_left_gone_on_with_and_verified(run: Run, file: Path) -> None:
    place = file.with_name("mail.check.askwise")
    code, said, aside = run("check", file, *GIVEN, "--max-error", "0.05", keys="12 u1q")
    assert code == 0
    assert "4 answers recorded" in aside
    assert "llm" not in said.split("Next:")[0]
    with LabelCheck.open(place) as check:
        assert len(check.state.answers) == 4
        assert list(check.state.answers.values())[:2] == ["ham", "spam"]
        truth = [cells["truth"] for cells in check.state.cells]
    code, _, aside = run("check", file, "--guess", "llm", "--text", "message", keys="1q")
    assert (code, "Goes on with" in aside, "1 answers recorded" in aside) == (0, True, True)
    with LabelCheck.open(place) as check:
        check.simulate(truth)
        assert check.status().phase == "done"
    code, said, _ = run("check", place, "--status")
    assert code == 0
    assert "labels stay without a person" in said
    code, said, _ = run("verify", place)
    assert code == 0, said
    assert "labels stay without a person" in said
    copied = file.with_name("copy.askwise")
    assert run("copy", place, copied)[0] == 0
    assert run("verify", copied)[0] == 0


def test_what_cannot_be_used_ends_with_2_and_leaves_nothing_behind(run: Run, file: Path) -> None:
    place = file.with_name("mail.check.askwise")
    cases: list[tuple[tuple[object, ...], str]] = [
        ((), "Which file?"),
        ((file,), "Which column holds the labels"),
        ((file, "--guess", "nothing"), "No column 'nothing' for guess"),
        ((file, *TEXT, "--guess", "llm", "--confidence", "message"), "A confidence is a number"),
        ((file, "--guess", "llm", "--by", "message"), "Which column holds the text?"),
        ((file, "--guess", "llm", "--max-error", "5"), "--max-error must lie strictly between 0 and 1"),
        ((file, *TEXT, "--guess", "llm", "--by", "message"), "--by takes 50 at most"),
        ((file, "--guess", "llm", "--most", "5"), "--most goes with --simulate"),
        ((file, "--guess", "llm", "--wrong-first", "--max-error", "0.1"), "--wrong-first goes without --max-error"),
        ((file.with_name("none.csv"), "--guess", "llm"), "No file"),
        ((file, "--guess", "llm", "--out", file.parent / "no" / "x.csv"), "does not exist"),
    ]
    for arguments, words in cases:
        code, _, err = run("check", *arguments)
        assert (code, words in err) == (2, True), (arguments, err)
        assert "Traceback" not in err
        assert not place.exists()


def test_a_check_that_exists_stays_what_it_is(run: Run, file: Path) -> None:
    place = file.with_name("mail.check.askwise")
    assert run("check", file, *GIVEN, keys="q")[0] == 0
    before = place.read_bytes()
    for arguments in (("--guess", "other"), ("--guess", "llm", "--max-error", "0.1"), ("--seed", "9")):
        code, _, err = run("check", file, *arguments)
        assert code == 2
        assert "cannot change a session that exists" in err
    code, _, err = run("label", place)
    assert code == 2
    assert "askwise check" in err
    code, _, err = run("report", place)
    assert (code, "askwise check" in err) == (2, True)
    assert place.read_bytes() == before


# ── the terminal ────────────────────────────────────────────────────────────────────────────


def pressed(check: LabelCheck, keys: str, **options: Any) -> tuple[int, str]:
    left, screen = list(keys), io.StringIO()
    console = Console(file=screen, width=90, highlight=False, force_terminal=False)
    given = terminal.look(check, keys=lambda: left.pop(0) if left else "", console=console, **options)
    return given, screen.getvalue()


def made(n: int = 60, **options: Any) -> LabelCheck:
    texts = [f"item {i}" for i in range(n)]
    labels = ["a" if i % 2 else "b" for i in range(n)]
    return LabelCheck(texts, labels, seed=1, encoder=False, **options)


def test_every_key_does_what_it_says() -> None:
    with made() as check:
        first = [query.row for query in check.ask(4)]
        given, screen = pressed(check, "1 2u?vx")
        assert given == 3
        assert check.state.answers == {first[0]: "a", first[2]: "b", first[3]: None}, "space puts the second behind"
        assert "later: comes again" in screen
        assert "'x' means nothing here" in screen
        given, screen = pressed(check, "1\x7f2\x7f\x7fq")
        assert "This is the first one" in screen
        told = list(check.state.answers)
        assert check.state.answers[told[-1]] == "b", "the answer was given anew"


def test_a_label_that_nobody_has_given_can_be_added() -> None:
    with made(labels=["c"]) as check:
        assert check.classes == ("a", "b", "c")
        pressed(check, "/new\ryq")
        assert "new" in check.state.answers.values()
        assert "new" in check.classes


def test_the_screen_is_the_same_whatever_the_labels_that_are_checked() -> None:
    """Neither a question nor what stands around it depends on the guess, nor on whether an answer agreed with it."""
    screens = []
    for turned in (False, True):
        texts = [f"item {i}" for i in range(60)]
        labels = ["a" if (i % 2) ^ turned else "b" for i in range(60)]
        with LabelCheck(texts, labels, [i % 7 for i in range(60)], seed=1, encoder=False, max_error=0.1) as check:
            screens.append(pressed(check, "1212211" * 2 + "q")[1])
    assert screens[0] == screens[1]


def test_rows_are_shown_without_what_is_checked_and_it_ends_by_itself(file: Path) -> None:
    with LabelCheck(file, ["llm", "other"], "sure", text=[], truth="truth", encoder=False, max_error=0.05) as check:
        _, screen = pressed(check, "q")
        assert "message: " in screen
        assert "team: " in screen
        assert "llm" not in screen
        assert "other" not in screen
        truth = check._truths
        asked: list[Query] = []

        def key() -> str:
            asked[:] = check.ask(1)
            return "1" if truth[asked[0].row] == "ham" else "2"

        console = Console(file=io.StringIO(), width=90, force_terminal=False)
        given = terminal.look(check, keys=key, console=console)
        assert check.status().phase == "done"
        assert given == check.status().looked


# ── a kill ──────────────────────────────────────────────────────────────────────────────────

SLOWLY = """
import sys, time
from askwise import LabelCheck
with LabelCheck.open(sys.argv[1]) as check:
    while asked := check.ask(1):
        row = asked[0].row
        check.tell(row, check.state.cells[row]["truth"])
        print(row, flush=True)
        time.sleep(0.005)
"""


def test_a_kill_loses_no_answer_and_changes_nothing_of_what_comes_after(file: Path) -> None:
    options: dict[str, Any] = {"text": "message", "max_error": 0.05, "seed": 5, "encoder": False}
    with LabelCheck(file, "llm", "sure", truth="truth", **options) as whole:
        whole.simulate()
        expected, coins = whole.state.kept(), whole.state.plan
    place = file.with_name("x.check.askwise")
    LabelCheck(file, "llm", "sure", truth="truth", store=place, **options).close()
    told: list[int] = []
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SLOWLY, str(place)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(15):
            told.append(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().split()]
        process.wait()
        process.stdout.close()
    with LabelCheck.open(place) as check:
        assert set(told) <= set(check.state.answers)
        check.simulate([cells["truth"] for cells in check.state.cells])
        assert check.state.kept() == expected
        assert check.state.plan == coins
