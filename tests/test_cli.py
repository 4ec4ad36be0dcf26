"""The command line: what each command writes, and what it says when it cannot."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from askwise.commands import opening
from askwise.core import BadInput
from askwise.session import Session
from help.command import SLOW, ran
from help.warm import cold

GOOD = ["lovely", "wonderful", "great", "happy", "sunny", "bright", "pleasant", "kind"]
BAD = ["awful", "terrible", "bad", "sad", "gloomy", "nasty", "horrid", "cruel"]


def texts(n):
    words = [GOOD if i % 2 == 0 else BAD for i in range(n)]
    return [f"{w[i % 8]} {w[(i // 8) % 8]} thing number {i}" for i, w in enumerate(words)]


def truth(n):
    return ["good" if i % 2 == 0 else "bad" for i in range(n)]


@pytest.fixture
def mail(tmp_path):
    path = tmp_path / "mail.csv"
    with path.open("w", newline="") as file:
        rows = [[t, k, "x"] for t, k in zip(texts(60), truth(60), strict=True)]
        csv.writer(file).writerows([["text", "kind", "constant"], *rows])
    return path


@pytest.fixture
def askwise(capsys, monkeypatch):
    """`askwise("label", FILE, …, keys="12q")` → (exit code, output, error output)."""

    def run(*args, keys=""):
        code, out, err = ran(capsys, monkeypatch, *args, keys=keys)
        return code, out, SLOW.sub("", err)

    return run


@pytest.fixture
def labeled(mail):
    """A session with 12 labels."""
    store = mail.with_suffix(".askwise")
    with Session(str(mail), text="text", classes=["good", "bad"], encoder="tfidf", store=store) as s:
        for row in range(12):
            s.tell(s.pool.ids[row], truth(12)[row])
        s.refresh()
    return store


TERMINAL = ("--text", "text", "--labels", "good,bad", "--encoder", "tfidf", "--terminal")

# ── help ────────────────────────────────────────────────────────────────────────────────────


def test_help_names_every_command_and_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from askwise.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'sklearn', 'pandas', 'fastapi', 'matplotlib'} & set(sys.modules)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for command in ("label", "simulate", "autolabel", "report", "export", "strategies", "demo"):
        assert command in shown
    assert shown.splitlines()[-1] == "[]"


def test_version(askwise):
    from importlib.metadata import version

    assert askwise("--version") == (0, f"askwise {version('askwise')}\n", ""), "and it is that of the package"


def test_strategies_lists_every_name(askwise):
    code, out, _ = askwise("strategies")
    assert code == 0
    for name in ("auto", "margin", "random", "typiclust", "k_center"):
        assert name in out


# ── label ───────────────────────────────────────────────────────────────────────────────────


def test_label_in_the_terminal_then_go_on_in_two_ways(mail, askwise):
    code, out, _ = askwise("label", mail, *TERMINAL, keys="12q")
    session = mail.with_suffix(".askwise")
    assert code == 0
    assert f"2 answers recorded, saved in {session}." in out
    assert f"askwise label {session}" in out
    code, out, _ = askwise("label", mail, *TERMINAL, keys="1q")
    assert (code, "3 of 60 labeled" in out) == (0, True)
    code, out, _ = askwise("label", session, "--terminal", keys="2q")
    assert (code, "4 of 60 labeled" in out) == (0, True)
    with Session.open(session) as opened:
        assert [a.label for a in opened.history()] == ["bad", "good", "bad", "good"]


def test_label_takes_over_labels_that_are_there(mail, askwise):
    code, out, _ = askwise(
        "label", mail, "--text", "text", "--label", "kind", "--encoder", "tfidf", "--terminal", keys="q"
    )
    assert code == 0
    assert "Nothing is left to ask" in out, "every row came with a label"


def test_label_in_the_browser_hands_over(mail, askwise, monkeypatch):
    from askwise.app import serve

    seen = {}

    def pretend(session, **options):
        seen.update(options, items=len(session.pool))
        options["announce"]("http://127.0.0.1:1/?token=x")

    monkeypatch.setattr(serve, "serve", pretend)
    monkeypatch.setattr("askwise.app.waiting.SOON", 600.0)  # however slow this machine is
    guide = mail.with_name("guide.md")
    guide.write_text("Be kind.")
    options = ["--text", "text", "--labels", "good,bad", "--encoder", "tfidf"]
    code, out, _ = askwise("label", mail, *options, "--no-browser", "--port", "9", "--guidelines", guide)
    assert code == 0
    assert (seen["items"], seen["open_browser"], seen["port"], seen["guidelines"]) == (60, False, 9, "Be kind.")
    assert "http://127.0.0.1:1/?token=x" in out


@pytest.mark.parametrize("verb", ["label", "screen"])
def test_the_page_of_a_large_file_asks_before_all_of_it_is_encoded(verb, mail, askwise, monkeypatch):
    from askwise import rounds
    from askwise.app import serve

    monkeypatch.setattr(rounds, "LARGE", 40)
    monkeypatch.setattr(rounds, "LOOK", 20)
    asked = []

    def pretend(session, **options):
        options["announce"]("http://127.0.0.1:1/?token=x")
        assert session.ask()[0].text
        asked.append((session.look(lambda s: s.ranking.queue), session.look(lambda s: s.model)))

    monkeypatch.setattr(serve, "serve", pretend)
    monkeypatch.setattr("askwise.app.waiting.SOON", 600.0)
    how = ["--labels", "good,bad", "--encoder", "tfidf"] if verb == "label" else ["--relevant", "good"]
    how += [] if verb == "label" else ["--irrelevant", "bad"]
    assert askwise(verb, mail, "--text", "text", *how, "--no-browser")[0] == 0
    ((queue, model),) = asked
    assert (len(queue), model) == (20, False)
    assert askwise("verify", mail.with_suffix(".askwise"))[0] == 0


@pytest.mark.parametrize(
    ("name", "session"), [("a.csv", "a.askwise"), ("a.b.jsonl", "a.b.askwise"), ("a.csv.gz", "a.askwise")]
)
def test_the_session_lies_next_to_the_file(tmp_path, name, session):
    assert opening.session_path(tmp_path / name) == tmp_path / session


def test_bad_rows_are_named_and_the_rest_loads(tmp_path, askwise):
    path = tmp_path / "holes.csv"
    path.write_text("text\ngood day\n \nbad day\nsunny\n")
    code, out, _ = askwise("label", path, *TERMINAL, keys="q")
    assert code == 0
    assert "row 2" in out
    assert "3 items" in out


# ── mistakes ────────────────────────────────────────────────────────────────────────────────


def refused(found, *words):
    """Exit code 2, one clear message on standard error, no traceback."""
    code, _, err = found
    assert code == 2
    assert err.startswith(("Error: ", "Usage: "))
    assert "Traceback" not in err
    flat = " ".join(err.split())
    for word in words:
        assert word in flat, flat


def test_a_missing_file(tmp_path, askwise):
    refused(askwise("label", tmp_path / "no.csv", *TERMINAL), "no.csv")
    refused(askwise("simulate", tmp_path / "no.csv", "--labels-from", "kind"), "no.csv")
    for command in (["report"], ["autolabel"], ["export", tmp_path / "x.csv"], ["label", "--terminal"]):
        name, *rest = command
        refused(askwise(name, tmp_path / "no.askwise", *rest), "no.askwise")
    assert list(tmp_path.iterdir()) == [], "nothing was made"


def test_a_missing_column(mail, askwise):
    refused(askwise("label", mail, "--text", "txet", "--labels", "a,b"), "'txet'", "Did you mean 'text'?")
    refused(askwise("simulate", mail, "--text", "text", "--labels-from", "kin"), "'kin'", "Did you mean 'kind'?")
    assert not mail.with_suffix(".askwise").exists()


def test_one_class_only(mail, askwise):
    for labels in ("good", "good,", ",", "good, good"):
        found = askwise("label", mail, "--text", "text", "--labels", labels, "--terminal")
        refused(found, "twice" if labels == "good, good" else "At least two labels")
    refused(askwise("label", mail, "--text", "text", "--terminal"), "At least two labels", "--labels a,b,c")
    found = askwise("label", mail, "--text", "text", "--label", "constant", "--terminal")
    refused(found, "At least two labels")
    refused(askwise("simulate", mail, "--text", "text", "--labels-from", "constant"), "at least two classes", "'x'")
    assert not mail.with_suffix(".askwise").exists()


def test_an_empty_pool(tmp_path, askwise):
    for content in ("", "text\n", "text\n \n"):
        path = tmp_path / "empty.csv"
        path.write_text(content)
        refused(askwise("label", path, *TERMINAL))
        assert not path.with_suffix(".askwise").exists()


def test_a_binary_file(tmp_path, askwise):
    path = tmp_path / "photo.csv"
    path.write_bytes(bytes(range(256)) * 40)
    refused(askwise("label", path, *TERMINAL), "photo.csv")
    session = tmp_path / "photo.askwise"
    session.write_bytes(path.read_bytes())
    before = session.read_bytes()
    for args in (["report", session], ["label", session, "--terminal"], ["autolabel", session]):
        refused(askwise(*args), "photo.askwise")
    assert session.read_bytes() == before


def test_a_label_that_is_not_in_the_list(mail, askwise):
    found = askwise("label", mail, "--text", "text", "--label", "kind", "--labels", "good,nasty", "--terminal")
    refused(found, "'bad'", "good, nasty")
    assert not mail.with_suffix(".askwise").exists()


def test_a_session_that_exists_is_never_changed_by_a_mistake(mail, labeled, askwise):
    before = labeled.read_bytes()
    start = ["label", mail, "--text", "text", "--encoder", "tfidf", "--terminal"]
    refused(askwise(*start, "--labels", "good,ugly"), "'ugly'", "good, bad")
    refused(askwise(*start, "--strategy", "random"), "'auto'", "chosen at the start")
    refused(askwise("label", labeled, "--terminal", "--labels", "a,b", "--strategy", "x"), "--labels, --strategy")
    refused(askwise("label", labeled, "--terminal", "--guidelines", mail.with_name("no.md")), "no.md")
    refused(askwise("export", labeled, mail.with_name("out.xls")), ".xls", ".csv")
    refused(askwise("report", labeled, "--out", mail.parent / "no" / "r.html"), "no")
    refused(askwise("autolabel", labeled, "--max-error", "2"), "--max-error", "2")
    refused(askwise("autolabel", labeled, "--target", "all"), "'all'")
    refused(askwise("autolabel", labeled, "--by-doubt", "1"), "--by-doubt", "0 or more and below 1")
    refused(askwise("autolabel", labeled, "--undo"), "no model labels")
    refused(askwise("autolabel", labeled, "--cancel"), "No certification attempt")
    refused(askwise("autolabel", labeled, "--resume"), "nothing was frozen yet")
    refused(askwise("autolabel", labeled, "--undo", "--cancel"), "give one")
    other = mail.with_name("other.csv")
    other.write_text("text\nquite\ndifferent\n")
    refused(askwise("label", other, *TERMINAL, "--session", labeled), "other items", "60 there, 2 here")
    assert labeled.read_bytes() == before


def test_a_folder_without_images_is_no_data_and_no_report(labeled, tmp_path, askwise, monkeypatch):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("nothing to see")
    monkeypatch.chdir(tmp_path / "notes")
    for args in (("label", ".", "--labels", "a,b"), ("label", "/", "--labels", "a,b"),
                 ("report", labeled, "--out", tmp_path)):  # fmt: skip
        code, _, err = askwise(*args)
        assert code == 2
        assert err.startswith("Error: ")


def test_the_session_of_this_folder_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert opening.session_path(Path()) == tmp_path.resolve().with_suffix(".askwise")
    assert opening.session_path(Path("a/mail.csv.gz")) == Path("a/mail.askwise")
    with pytest.raises(BadInput, match="root of all files"):
        opening.session_path(Path("/"))


def test_what_it_says_to_go_on_with_works_whatever_the_session_is_called(mail, tmp_path, askwise):
    store = tmp_path / "odd.db"
    code, out, _ = askwise("label", mail, *TERMINAL, "--session", store, keys="12q")
    assert code == 0
    assert f"askwise label {store}" in out
    code, out, _ = askwise("label", store, "--terminal", keys="\x7f\x7f\x7fq")
    assert code == 0
    assert "0 answers recorded" in out


def test_settings_that_would_be_passed_over_are_refused(mail, labeled, askwise):
    before = labeled.read_bytes()
    for more in (("--seed", "7"), ("--label", "kind")):
        code, _, err = askwise("label", mail, "--text", "text", "--terminal", *more, keys="q")
        assert code == 2
        assert more[0] in err
        assert labeled.read_bytes() == before
    code, _, err = askwise("label", labeled, "--terminal", "--seed", "7", keys="q")
    assert code == 2
    assert "--seed" in err


FOR_A_TEAM = ("--overlap", "0.25", "--people-per-item", "3", "--target", "dataset", "--max-error", "0.05")


def test_what_is_chosen_at_the_start_stays(mail, askwise):
    start = ("label", mail, *TERMINAL)
    code, _, err = askwise(*start, *FOR_A_TEAM, keys="q")
    assert (code, err) == (0, "")
    store = mail.with_suffix(".askwise")
    with Session.open(store) as session:
        opened = session.look(lambda state: dict(state.opened))
    chosen = {"overlap": 0.25, "people_per_item": 3, "target": "dataset", "max_error": 0.05}
    assert {name: opened[name] for name in chosen} == chosen
    assert askwise(*start, *FOR_A_TEAM, keys="q")[0] == 0, "the same command goes on"
    before = store.read_bytes()
    others = {"--overlap": "0.5", "--people-per-item": "2", "--target": "file", "--max-error": "0.01"}
    for name, value in others.items():
        refused(askwise(*start, name, value), name, "chosen at the start", str(opened[name[2:].replace("-", "_")]))
        refused(askwise("label", store, "--terminal", name, value), name, "cannot change")
        refused(askwise("label", name, value), name, "goes with a FILE")
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value"), [("--overlap", "1"), ("--people-per-item", "1"), ("--target", "all"), ("--max-error", "0")]
)
def test_a_setting_out_of_range_begins_no_session(mail, askwise, name, value):
    refused(askwise("label", mail, *TERMINAL, name, value), name[2:] if name == "--target" else name, value)
    assert not mail.with_suffix(".askwise").exists()


def test_a_port_that_cannot_be_leaves_no_session(mail, askwise):
    code, _, _ = askwise("label", mail, "--text", "text", "--labels", "good,bad", "--port", "80000")
    assert code == 2
    assert not mail.with_suffix(".askwise").exists()


def test_the_same_ids_with_other_texts_are_other_items(tmp_path, askwise):
    data = tmp_path / "data.csv"
    command = ("label", data, "--text", "text", "--id", "id", "--labels", "a,b", "--encoder", "tfidf", "--terminal")
    data.write_text("id,text\n1,red\n2,green\n3,blue\n")
    assert askwise(*command, keys="1q")[0] == 0
    data.write_text("id,text\n1,one\n2,two\n3,three\n")
    code, _, err = askwise(*command, keys="q")
    assert code == 2
    assert "other items" in err


def test_a_session_of_a_newer_version(mail, labeled, askwise):
    database = sqlite3.connect(labeled)
    database.execute("PRAGMA user_version = 999")
    database.close()
    before = labeled.read_bytes()
    for args in (
        ["label", labeled, "--terminal"],
        ["label", mail, *TERMINAL],
        ["report", labeled],
        ["autolabel", labeled],
        ["export", labeled, mail.with_name("out.csv")],
    ):
        refused(askwise(*args), "newer", "999")
    assert labeled.read_bytes() == before
    assert not mail.with_name("out.csv").exists()


def test_unknown_names(mail, askwise):
    refused(askwise("label", mail, *TERMINAL, "--strategy", "margn"), "Did you mean 'margin'?")
    refused(askwise("label", mail, "--text", "text", "--labels", "a,b", "--encoder", "tfidff"), "tfidff", "tfidf")
    found = askwise("simulate", mail, "--text", "text", "--labels-from", "kind", "--metric", "acuracy")
    refused(found, "Did you mean 'accuracy'?")
    refused(askwise("lable", mail), "lable")
    assert not mail.with_suffix(".askwise").exists()


# ── simulate ────────────────────────────────────────────────────────────────────────────────


def test_simulate_prints_and_writes(mail, tmp_path, askwise):
    code, out, err = askwise(
        "simulate", mail, "--text", "text", "--labels-from", "kind", "--strategy", "margin", "--strategy", "random",
        "--seeds", "2", "--budget", "12", "--target", "0.8", "--metric", "accuracy", "--encoder", "tfidf",
        "--processes", "1", "--out", tmp_path / "sim",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "80% accuracy" in out
    assert "margin" in out
    assert "Saved: against random" in out
    body = json.loads((tmp_path / "sim" / "simulation.json").read_text())
    assert body["targets"][0]["value"] == 0.8
    assert (tmp_path / "sim" / "accuracy.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("name", "columns", "classes"),
    [
        ("spam_sms/sms_spam.csv.gz", ("text", "label"), 3),  # its first row is a second header, "Label"
        ("text_trec6/trec6.csv.gz", ("text", "label"), 6),
        ("intent_banking77/banking77.csv.gz", ("text", "intent"), 77),
    ],
)
def test_simulate_on_shared_data(shared, askwise, tmp_path, name, columns, classes):
    text, label = columns
    code, out, _ = askwise(
        "simulate", shared(name), "--text", text, "--labels-from", label, "--strategy", "margin", "--seeds", "1",
        "--budget", "10", "--encoder", "tfidf", "--processes", "1", "--out", tmp_path,
    )  # fmt: skip
    assert code == 0
    assert f"{classes} classes" in out
    assert json.loads((tmp_path / "simulation.json").read_text())["settings"]["classes"] == classes


# ── autolabel, report, export ───────────────────────────────────────────────────────────────


def test_autolabel_refuses_when_it_is_not_worth_it(labeled, askwise):
    code, out, _ = askwise("autolabel", labeled)
    assert code == 1
    assert f"Next:  askwise label {labeled}" in out


@pytest.mark.parametrize("how", [[], ["--by-doubt", "0.5"]], ids=["alike", "by doubt"])
def test_autolabel_checks_certifies_exports(tmp_path, askwise, how):
    path = tmp_path / "many.askwise"
    with Session(texts(800), classes=["good", "bad"], encoder="tfidf", store=path) as s:
        for row in range(60):
            s.tell(s.pool.ids[row], truth(60)[row])
        s.refresh()
    code, out, _ = askwise("autolabel", path, "--max-error", "0.1", "--confidence", "0.9", *how)
    assert code == 0
    assert f"askwise label {path}" in out
    assert "blind checks" in out
    refused(askwise("autolabel", path, "--max-error", "0.05"), "under way")
    with Session.open(path) as s:
        while s.autolabel_status().status == "checking":
            (query,) = s.ask(1)
            s.tell(query, truth(800)[query.row])
    code, out, _ = askwise("autolabel", path)
    assert code == 0
    assert "at most 10.0%" in out
    assert f"askwise export {path} labeled.csv" in out
    assert "--again" in out, "the same command shows the outcome and begins nothing"
    with Session.open(path) as s:
        assert len(s.report().attempts) == 1
        assert s.certificates()[0].by_doubt == (0.5 if how else 0)
    assert askwise("verify", path)[0] == 0
    assert "--resume" not in out

    with Session.open(path) as s:
        checked = s._state.attempts[0].order[:2].tolist()
        for row in checked:
            s.unsure(s.pool.ids[row])
    assert f"askwise autolabel {path} --resume" in askwise("autolabel", path)[1]
    code, out, _ = askwise("autolabel", path, "--resume")
    assert code == 0
    assert "more are needed if all of them are right" in out
    with Session.open(path) as s:
        for row in checked:
            s.tell(s.pool.ids[row], truth(800)[row])
        assert s.autolabel_status().status == "certified"
    assert askwise("verify", path)[0] == 0

    code, out, _ = askwise("export", path, tmp_path / "labeled.csv")
    with (tmp_path / "labeled.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (code, len(rows), "wrote 800 rows" in out) == (0, 800, True)
    by_model = [r for r in rows if r["source"] == "model"]
    assert len(by_model) > 400
    assert {r["label"] for r in rows if r["source"] in ("human", "model")} == {"good", "bad"}

    code, out, _ = askwise("report", path, "--out", tmp_path / "r.html", "--json")
    assert code == 0
    assert json.loads(out[out.index("{") :])["auto"] == len(by_model)
    assert f"{len(by_model):,}" in (tmp_path / "r.html").read_text()

    code, out, _ = askwise("autolabel", path, "--undo")
    assert code == 0
    with Session.open(path) as s:
        assert s.counts()["auto"] == 0


def test_report_in_three_forms(labeled, tmp_path, askwise):
    code, out, _ = askwise("report", labeled)
    assert code == 0
    assert "People labeled 12 of 60 items." in " ".join(out.split())
    code, out, _ = askwise("report", labeled, "--json")
    assert json.loads(out)["human"] == 12
    code, out, _ = askwise("report", labeled, "--out", tmp_path / "r.html")
    assert out == f"wrote {tmp_path / 'r.html'}\n"
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_export_by_suffix(labeled, tmp_path, askwise, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"out.{suffix}"
    assert askwise("export", labeled, out) == (0, f"wrote 60 rows to {out}\n", "")
    assert out.stat().st_size > 500


def test_output_is_whole_lines_when_it_is_no_terminal(labeled, tmp_path):
    deep = tmp_path / ("a-rather-long-folder-name-" * 5)
    deep.mkdir()
    with cold():
        found = subprocess.run(
            [sys.executable, "-m", "askwise", "export", labeled, deep / "out.csv"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert found.stdout == f"wrote 60 rows to {deep / 'out.csv'}\n"
    assert found.stderr == ""
