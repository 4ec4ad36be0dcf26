"""A monitor at its doors: begun, fed and answered by files, in the terminal and over HTTP; killed, and gone on with."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from askwise import Session, cli, terminal
from askwise.app.roles import ANNOTATOR, OWNER, REVIEWER, Role, Who
from askwise.app.server import create_app
from askwise.core import BadInput, Unreachable
from askwise.model import Model, load
from askwise.monitor import Kept, Monitor, kept
from help.warm import MARK

pytest.importorskip("skops")

pytestmark = pytest.mark.usefixtures("linear")
WORDS = {"ham": ("see you at lunch", "the train is late"), "spam": ("win a cash prize", "claim it now free")}


def messages(n: int, seed: int) -> dict[str, str]:
    draw = random.Random(seed)
    found = {}
    while len(found) < n:
        label = draw.choice(["ham", "ham", "spam"])
        found[f"{draw.choice(WORDS[label])} {draw.randrange(50)} no {seed}-{len(found)}"] = label
    return found


def table(path: Path, texts: Any, **more: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "text", *more])
        out.writerows([number, text, *more.values()] for number, text in enumerate(texts))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def fill_in(path: Path, truth: dict[str, str]) -> Path:
    found = rows_of(path)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, list(found[0]))
        out.writeheader()
        out.writerows(row | {"label": truth[row["text"]]} for row in found)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session that certified at 10 %, one that did not, and a monitor of the first."""
    folder = tmp_path_factory.mktemp("watching")
    truth = messages(400, 1)
    for name, certify in (("mail", True), ("early", False)):
        table(folder / "mail.csv", truth)
        with Session(
            folder / "mail.csv", text="text", classes=["ham", "spam"], encoder="tfidf", max_error=0.1, audit_share=0.3,
            store=folder / f"{name}.askwise",
        ) as session:  # fmt: skip
            for _ in range(8):
                for query in session.ask(5):
                    session.tell(query, truth[query.text])
                session.refresh()
            if certify:
                done = session.autolabel(oracle=lambda queries: [truth[q.text] for q in queries])
                assert done.certificate is not None
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    for path in built.iterdir():
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


@pytest.fixture
def askwise(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def run(*args: Any, keys: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(keys.encode())))
        code = 0
        try:
            cli.main([str(a) for a in args])
        except SystemExit as end:
            code = int(end.code or 0)
        return (code, *capsys.readouterr())

    return run


def test_a_life_by_files(folder: Path, askwise: Any) -> None:
    monitor = folder / "mail.json"
    code, out, _ = askwise("monitor", "begin", folder / "mail.askwise", monitor, "--check-share", "0.4", "--seed", "5")
    assert code == 0
    assert "Watches mail.skops" in out
    assert "0.1 may be wrong" in out, "as it was certified"
    with Session.open(folder / "mail.askwise") as session:
        standing = session.certificates()[-1]
        assert not session.look(lambda s: bool((s.rest() & ~s.shown_mask).any())), "nobody is blind to it"
    assert Kept.open(monitor).monitor.terms["planned"] == [standing.audits, standing.wrong]
    assert askwise("monitor", "status", monitor)[0] == 3, "one cannot tell yet"

    truth = messages(400, 2)
    new = table(folder / "new.csv", truth)
    arguments = ("monitor", "take", monitor, new, "--out", folder / "out.csv", "--checks", folder / "checks.csv")
    code, out, err = askwise(*arguments)
    assert (code, out) == (0, "")
    assert "Cannot tell" in err
    written, checks = rows_of(folder / "out.csv"), rows_of(folder / "checks.csv")
    assert [row["text"] for row in written] == list(truth)
    assert list(checks[0]) == ["check", "id", "text", "label", "unsure"]
    assert [row["check"] for row in written if row["check"]] == [row["check"] for row in checks]
    for row in written:
        if row["check"]:
            assert (row["label"], row["confidence"]) == ("", ""), "the guess stays hidden"
        elif row["advice"] == "":
            assert row["label"] == truth[row["text"]]
    model = load(folder / "mail.skops")
    said, sure = model.judged(list(truth))
    for at, row in enumerate(written):
        if not row["check"]:
            assert (row["label"], np.float32(row["confidence"])) == (said[at], sure[at])

    code, _, err = askwise(*arguments)
    assert code == 0
    assert "not counted again" in err
    assert rows_of(folder / "out.csv") == written, "the same file says the same, and is counted once"
    assert rows_of(folder / "checks.csv") == checks
    assert Kept.open(monitor).monitor.status().items == 400

    code, out, err = askwise("monitor", "answer", monitor, fill_in(folder / "checks.csv", truth))
    assert code == 0
    assert f"{len(checks)} answers" in err
    assert "Still holds: at most 10%" in out
    code, out, _ = askwise("monitor", "status", monitor, "--json")
    known = json.loads(out)
    assert (code, known["verdict"], known["waiting"], known["checks"]) == (0, "still holds", 0, len(checks))
    assert known["reference_left"] == 0
    assert askwise("monitor", "checks", monitor, "--out", folder / "none.csv")[0] == 0
    assert askwise("monitor", "answer", monitor, folder / "none.csv")[0] == 0

    strange = {f"win a cash prize at the school fair {n}": "ham" for n in range(400)}
    table(folder / "fair.csv", strange)
    askwise("monitor", "take", monitor, folder / "fair.csv", "--out", folder / "o.csv", "--checks", folder / "c.csv")
    code, out, _ = askwise("monitor", "answer", monitor, fill_in(folder / "c.csv", strange))
    assert code == 1, "it is no longer so"
    assert "No longer: of the model's labels of the items" in out
    assert askwise("monitor", "status", monitor)[0] == 1
    assert "text" not in json.loads(monitor.read_text())["waiting"], "no item stays in the file when it is answered"
    assert not any(text in monitor.read_text() for text in (*truth, *strange))


def test_it_begins_without_a_certificate_and_from_a_model(folder: Path, askwise: Any) -> None:
    code, _, err = askwise("monitor", "begin", folder / "early.askwise", folder / "m.json")
    assert code == 0, err
    terms = Kept.open(folder / "m.json").monitor.terms
    assert 0.5 < terms["least"] < 1
    assert terms["max_error"] == 0.1, "as the session plans with"
    assert terms["planned"] == [0, 0]
    code, _, err = askwise("monitor", "begin", folder / "early.askwise", folder / "m.json")
    assert code == 2
    assert "there already" in err
    (folder / "deep").mkdir()
    table(folder / "held.csv", messages(100, 3))
    begun = ("monitor", "begin", folder / "m.skops", folder / "deep" / "m.json")
    code, _, err = askwise(*begun, "--least", "0.8", "--reference", folder / "held.csv")
    assert code == 0, err
    kept_ = Kept.open(folder / "deep" / "m.json")
    assert kept_.model_file == "../m.skops"
    assert kept_.monitor.status().reference_left == 0
    assert kept_.monitor.channels[0] == "confidence"
    assert kept_.monitor.terms["max_error"] == 0.02
    seeds = {kept_.monitor.terms["seed"], terms["seed"]}
    assert len(seeds) == 2, "nobody knows beforehand which items are checks"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["begin"], "SESSION MONITOR"),
        (["begin", "mail.askwise"], "Where is it to be kept?"),
        (["begin", "mail.askwise", "m.csv"], "Name it m.json"),
        (["begin", "mail.askwise", "none/m.json"], "does not exist"),
        (["begin", "mail.askwise", "m.json", "--first", "5"], "too few to compare later ones with: 40"),
        (["begin", "mail.askwise", "m.json", "--least", "7"], "--least is a share"),
        (["begin", "mail.askwise", "m.json", "--max-error", "0"], "--max-error must be strictly between"),
        (["begin", "mail.askwise", "m.json", "--text", "x"], "--reference FILE"),
        (["begin", "mail.csv", "m.json"], "neither a session"),
        (["status", "nothing.json"], "Begin one"),
        (["status", "mail.csv"], "it is not JSON"),
        (["take", "nothing.json", "mail.csv"], "Begin one"),
        (["take", "nothing.json", "mail.csv", "--json"], "--out FILE"),
        (["take", "nothing.json", "mail.csv", "--to", "xml"], "No format for --to"),
    ],
)
def test_what_cannot_be_used_is_said_and_begins_nothing(
    folder: Path, askwise: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    code, out, err = askwise("monitor", *arguments)
    assert code == 2
    assert says in " ".join((out + err).split())
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) == before


@pytest.fixture
def small(tmp_path: Path) -> Kept:
    truth = messages(200, 4)
    model = Model("tfidf").fit(list(truth), list(truth.values()))
    model.save(tmp_path / "m.skops")
    model = load(tmp_path / "m.skops")
    return Kept.begin(tmp_path / "m.json", model, "m.skops", None, max_error=0.2, least=0.5, check_share=0.5, seed=1)


def feed(one: Kept, texts: Any, name: str = "") -> kept.Lot:
    with one.changing():
        return one.take(list(texts), [{"text": text} for text in texts], name)


def test_equal_items_do_not_tell_the_guess_on_a_check(small: Kept) -> None:
    texts = ["win a cash prize 7", "see you at lunch 3"] * 10
    lot = feed(small, texts)
    waiting = {check.item for check in small.waiting()}
    assert waiting == set(texts), "with this seed both are checks somewhere"
    assert set(lot.labels) == {""}
    assert np.isnan(lot.confidence).all()
    assert lot.ask.all()
    assert None not in lot.checks
    lot = feed(small, ["win a cash prize 7", "the train is late 2 and more"])
    assert lot.labels[0] == "", "also later, while it waits"
    with small.changing():
        for check in small.waiting():
            small.tell(check.number, "spam" if "prize" in check.item else "ham")
    lot = feed(small, ["win a cash prize 7", "see you at lunch 3"])
    if not small.waiting():
        assert lot.labels == ["spam", "ham"], "answered ones may be known"


def test_a_lot_is_taken_once_under_its_name(small: Kept) -> None:
    texts = list(messages(50, 5))
    one, two = feed(small, texts, "monday"), feed(small, texts, "monday")
    assert (one.again, two.again) == (False, True)
    assert (one.labels, one.checks, one.first) == (two.labels, two.checks, two.first)
    assert small.monitor.status().items == 50
    feed(small, texts, "tuesday")
    feed(small, texts)
    feed(small, texts)
    with small.changing():
        small.take(texts, [{} for _ in texts], "monday", again=True)
    assert small.monitor.status().items == 250
    with pytest.raises(BadInput, match="were not taken"):
        small.monitor.repeat(texts, 240)


def test_what_fails_changes_nothing(small: Kept) -> None:
    before = small.place.read_text()

    def fail(item: object) -> None:
        with small.changing():
            small.take([item], [{}], "x")
            raise ZeroDivisionError  # as if what is to be written could not be

    for item, error in (("a text", ZeroDivisionError), (5, BadInput)):
        with pytest.raises(error):
            fail(item)
    assert small.place.read_text() == before
    small.look()
    assert small.monitor.status().items == 0


def test_two_writers_take_turns_and_lose_nothing(small: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(number: int) -> None:
        mine = Kept.open(small.place, like=small)
        for part in range(5):
            feed(mine, list(messages(20, 100 + number)), f"{number}-{part}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    small.look()
    assert small.monitor.status().items == 400
    assert [check.number for check in small.waiting()] == small.monitor.waiting()
    monkeypatch.setattr(kept, "WAIT", 0.1)
    other = Kept.open(small.place, like=small)
    with small.changing(), pytest.raises(Unreachable, match="Another process works with"), other.changing():
        pass


KILLED = (
    MARK
    + """
import sys, random
from askwise.monitor import Kept
kept = Kept.open(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    texts = [f"win a cash prize {number}-{i}" for i in range(10)]
    with kept.changing():
        kept.take(texts, [{"text": t} for t in texts], str(number))
    print(f"took {number}", flush=True)
    with kept.changing():
        told = [check.number for check in kept.waiting()]
        for one in told:
            kept.tell(one, "spam")
    print("told " + " ".join(map(str, told)), flush=True)
    number += 1
"""
)


def test_what_was_acknowledged_survives_a_kill(small: Kept) -> None:
    for seconds in (0.05, 0.2, 0.35):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(small.place)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read().splitlines()
        process.wait()
        small.look()
        taken = sum(line.startswith("took") for line in said)
        told = {int(one) for line in said if line.startswith("told") for one in line.split()[1:]}
        assert small.monitor.status().items >= 10 * taken
        assert not told & set(small.monitor.waiting()), "no answer is lost"
    assert small.monitor.status().items > 0


def test_damaged_files_are_refused_in_a_sentence(small: Kept) -> None:
    feed(small, list(messages(30, 6)), "lot")
    good = json.loads(small.place.read_text())
    junk: list[Any] = [None, -1, "x", [], {}, [[]], [{}], True, [{"number": 1, "item": 2, "row": 3}]]
    for name in good:
        for value in junk:
            small.place.write_text(json.dumps(good | {name: value}))
            try:
                Kept.open(small.place)
            except BadInput:
                continue
            assert (name, value) in [("lots", []), ("title", "x"), ("askwise monitor", -1)], (name, value)
    for text in ("", "[]", "[" * 100_000, "{}", '{"askwise monitor": 99}'):
        small.place.write_text(text)
        with pytest.raises(BadInput):
            Kept.open(small.place)
    small.place.write_text(json.dumps(good))
    Model("tfidf").fit(list(WORDS["ham"] + WORDS["spam"]), ["ham", "ham", "spam", "spam"]).save(
        small.place.with_name("m.skops")
    )
    with pytest.raises(BadInput, match="is not the model that"):
        Kept.open(small.place)
    small.place.with_name("m.skops").unlink()
    with pytest.raises(BadInput, match="Cannot read the model"):
        Kept.open(small.place)


def test_rows_of_features_are_watched_from_python(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    model = Model(kind="array").fit(X, np.where(X[:, 0] > 0, "a", "b"))
    with pytest.raises(BadInput, match="Watch it from Python"):
        Kept.begin(tmp_path / "m.json", model, "m.skops", None, max_error=0.1, least=0.5)
    assert Monitor(model, None, max_error=0.1, least=0.5).verdict == "cannot tell"


# ── answers ─────────────────────────────────────────────────────────────────────────────────


def test_answers_of_a_file_one_by_one(small: Kept, askwise: Any) -> None:
    truth = messages(40, 7)
    feed(small, list(truth))
    waiting = small.waiting()
    lines = ["check,label,unsure", f"{waiting[0].number},{truth[waiting[0].item]},", f"{waiting[1].number},,x"]
    lines += [
        f"{waiting[2].number},,",
        "999,ham,",
        "seven,ham,",
        f"{waiting[3].number},hm,",
        f"{waiting[4].number},ham,x",
    ]
    file = small.place.with_name("a.csv")
    file.write_text("\n".join(lines) + "\n")
    code, _, err = askwise("monitor", "answer", small.place, file)
    assert code == 2, "some rows were not taken, and the others are"
    assert "2 answers are in" in err
    for says in (
        "row 4: Item 999 is no check",
        "'seven' is no number",
        "Did you mean 'ham'",
        "--new",
        "cannot be decided",
    ):
        assert says in " ".join(err.split()), says
    small.look()
    assert small.monitor.status().unsure == 1
    assert small.monitor.waiting() == [check.number for check in waiting[2:]]
    code, _, err = askwise("monitor", "answer", small.place, file, "--new")
    assert code == 2
    assert "3 answers" in err
    small.look()
    assert small.monitor.status().wrong >= 1, "a label that the model does not know"
    file.write_text(f"check,label\n{waiting[3].number},{truth[waiting[3].item]}\n")
    assert askwise("monitor", "answer", small.place, file)[0] == 0
    file.write_text("number,label\n1,ham\n")
    code, _, err = askwise("monitor", "answer", small.place, file)
    assert (code, "no column 'check'" in err) == (2, True)


class Keys:
    """Keys that a person presses, looking at the screen."""

    def __init__(self, answer: Callable[[str], str], screen: io.StringIO) -> None:
        self.answer, self.screen = answer, screen
        self.pressed: list[str] = []

    def __call__(self) -> str:
        if not self.pressed:
            shown = self.screen.getvalue()
            self.screen.seek(0)
            self.screen.truncate()
            self.pressed = list(self.answer(shown))
        return self.pressed.pop(0) if self.pressed else ""


def test_checks_are_answered_in_the_terminal(small: Kept) -> None:
    from rich.console import Console

    feed(small, list(messages(30, 8)))
    waiting = small.waiting()
    screen = io.StringIO()
    shown: list[str] = []

    def answer(text: str) -> str:
        shown.append(text)
        if len(shown) == 1:
            return " "  # later
        if len(shown) == 2:
            return "u"
        if len(shown) == 3:
            return "\x7f"  # back to the one that was undecided
        if len(shown) == 5:
            return "?zv"
        if len(shown) == 7:
            return "/zzz\n"  # a label that is new, and then thought better of
        return "2" if "prize" in text or "claim it" in text else "1"

    console = Console(file=screen, width=100)
    given = terminal.check(small, keys=Keys(answer, screen), console=console)
    small.look()
    assert small.waiting() == []
    assert given == len(waiting) + 1, "one was answered anew"
    assert small.monitor.status().unsure == 0
    assert small.monitor.status().wrong == 0
    assert not any("Guess" in text for text in shown)
    assert f"check {waiting[0].number} " in shown[0]
    assert "cannot be decided" in shown[2]
    assert f"check {waiting[1].number} " in shown[1]
    assert f"check {waiting[1].number} " in shown[3]


def test_the_terminal_door(small: Kept, askwise: Any) -> None:
    feed(small, list(messages(12, 9)))
    number = len(small.waiting())
    code, out, err = askwise("monitor", "check", small.place, keys="uuq")
    assert code == 0
    assert "2 answers recorded" in err
    assert f"{number - 2} without an answer, 2 undecided" in out


@pytest.fixture
def spans(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    truth = {f"{who} was in Oslo {n}": f'[[0,{len(who)},"PER"]]' for n in range(60) for who in ("Ada", "Bob")}
    with Session(
        list(truth)[:80], task="spans", classes=["PER"], encoder="tfidf", max_error=0.3, store=tmp_path / "s.askwise"
    ) as session:
        for _ in range(4):
            for query in session.ask(5):
                session.tell(query, truth[query.content])
            session.refresh()
    return tmp_path, truth


def test_spans_by_files(spans: tuple[Path, dict[str, str]], askwise: Any) -> None:
    folder, truth = spans
    begun = ("monitor", "begin", folder / "s.askwise", folder / "s.json", "--check-share", "0.9", "--least", "0.2")
    code, _, err = askwise(*begun)
    assert (code, "--trust askwise.learners.crf.ConditionalRandomField" in err) == (2, True)
    with Session.open(folder / "s.askwise") as session:
        assert session.look(lambda s: bool((s.rest() & ~s.shown_mask).any())), "what could not begin has cost nothing"
    trust = ("--trust", "askwise.learners.crf.ConditionalRandomField")
    code, _, err = askwise(*begun, *trust)
    assert code == 0, err
    new = table(folder / "n.csv", list(truth)[80:])
    askwise("monitor", "take", folder / "s.json", new, "--out", folder / "o.csv", "--checks", folder / "c.csv", *trust)
    checks = rows_of(folder / "c.csv")
    assert len(checks) > 20
    small = Kept.open(folder / "s.json", trusted=trust[1:])
    with pytest.raises(BadInput), small.changing():
        small.tell(int(checks[0]["check"]), '[[0,2,"PER"]]')
    code, out, err = askwise("monitor", "answer", folder / "s.json", fill_in(folder / "c.csv", truth), *trust)
    assert code in (0, 1), err
    status = Kept.open(folder / "s.json", trusted=trust[1:]).monitor.status()
    assert (status.waiting, status.unsure) == (0, 0)
    assert askwise("monitor", "answer", folder / "s.json", folder / "c.csv", *trust)[0] == code, "told once more"
    assert status.wrong < status.checks, out


def test_images_by_files(tmp_path: Path, askwise: Any) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for folder, count in (("old", 60), ("new", 40)):
        (tmp_path / folder).mkdir()
        for n in range(count):
            pixels = np.full((12, 12, 3), [230, 20, 20] if n % 2 else [20, 20, 230]) + rng.integers(
                -20, 20, (12, 12, 3)
            )
            color = "red" if n % 2 else "blue"
            image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / folder / f"{color}-{n}.png")
    says = lambda name: str(name).partition("-")[0]  # noqa: E731
    with Session(tmp_path / "old", classes=["red", "blue"], store=tmp_path / "i.askwise") as session:
        for _ in range(4):
            for query in session.ask(6):
                session.tell(query, says(query.content))
            session.refresh()
    monitor = tmp_path / "i.json"
    code, _, err = askwise(
        "monitor", "begin", tmp_path / "i.askwise", monitor, "--check-share", "0.6", "--least", "0.5"
    )
    assert code == 0, err
    files = ("--out", tmp_path / "o.csv", "--checks", tmp_path / "c.csv")
    code, _, err = askwise("monitor", "take", monitor, tmp_path / "new", *files)
    assert code == 0, err
    checks = rows_of(tmp_path / "c.csv")
    assert len(checks) > 10
    assert len(rows_of(tmp_path / "o.csv")) == 40
    assert askwise("monitor", "check", monitor)[0] == 2, "a terminal shows no images"
    lines = ["check,label", *(f"{row['check']},{says(row['file'])}" for row in checks)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    code, out, err = askwise("monitor", "answer", monitor, tmp_path / "a.csv")
    assert (code, f"{len(checks)} random checks, 0 wrong" in out) == (0, True), out + err
    code, _, err = askwise(
        "monitor", "take", monitor, tmp_path / "new", "--out", tmp_path / "x.csv", "--checks", tmp_path / "x.csv"
    )
    assert (code, "cannot hold both" in err) == (2, True)


# ── over HTTP ───────────────────────────────────────────────────────────────────────────────

TOKEN = "a-token-of-some-length"


def client(session: Session, role: Role = OWNER) -> TestClient:
    app = create_app(session, token=TOKEN)
    app.state.whose = lambda request: Who("rita", role)
    return TestClient(app, base_url="http://127.0.0.1", headers={"x-askwise-token": TOKEN})


def test_a_life_over_http_and_a_restart(folder: Path) -> None:
    truth = messages(300, 11)
    texts = list(truth)
    with Session.open(folder / "mail.askwise") as session:
        owner, reviewer = client(session), client(session, REVIEWER)
        assert owner.get("/api/v1/monitor").json() == {"monitor": None, "refused": ""}
        assert "no monitor yet" in reviewer.get("/api/v1/monitor/checks").json()["error"]
        for call in (reviewer.post("/api/v1/monitor", json={}), reviewer.delete("/api/v1/monitor")):
            assert call.status_code == 403
        assert client(session, ANNOTATOR).get("/api/v1/monitor").status_code == 403
        begun = owner.post("/api/v1/monitor", json={"check_share": 0.5, "first": 50})
        assert begun.status_code == 200, begun.text
        assert begun.json()["monitor"]["verdict"] == "cannot tell"
        assert begun.json()["monitor"]["labels"] == ["ham", "spam"]
        assert "seed" not in begun.text
        assert "has a monitor" in owner.post("/api/v1/monitor", json={}).json()["error"]
        lot = reviewer.post("/api/v1/monitor/items", json={"items": texts, "name": "one"}).json()
        again = reviewer.post("/api/v1/monitor/items", json={"items": texts, "name": "one"}).json()
        assert (lot["again"], again["again"]) == (False, True)
        assert lot["items"] == again["items"]
        for text, said in zip(texts, lot["items"], strict=True):
            assert (said["label"] is None) == (said["check"] is not None or said["label"] is None)
            assert said["check"] is None or (said["label"], said["confidence"]) == (None, None)
            assert said["label"] in (None, truth[text])
        first = texts[next(at for at, said in enumerate(lot["items"]) if said["check"] is not None)]
        told = reviewer.post("/api/v1/predict", json={"items": [first, "another text"]}).json()["items"]
        assert told[0] == {"label": None, "confidence": None, "advice": "ask a person", "hidden": True}
        assert told[1]["label"] is not None, "a check that waits is told by no other door either"
    with Session.open(folder / "mail.askwise") as session:
        reviewer = client(session, REVIEWER)
        waiting = reviewer.get("/api/v1/monitor/checks?limit=1000").json()
        assert waiting["total"] == len(waiting["checks"]) > 100
        assert {"number", "text", "view"} == set(waiting["checks"][0])
        answers = [{"check": one["number"], "label": truth[one["text"]]} for one in waiting["checks"]]
        bad = reviewer.post(
            "/api/v1/monitor/answers", json={"answers": [*answers[:3], {"check": 10**6, "label": "ham"}]}
        )
        assert bad.status_code == 400
        assert reviewer.get("/api/v1/monitor").json()["monitor"]["waiting"] == len(answers), "all are taken, or none"
        unknown = reviewer.post("/api/v1/monitor/answers", json={"answers": [{"check": 0, "label": "hm"}]})
        assert unknown.status_code == 400
        known = reviewer.post("/api/v1/monitor/answers", json={"answers": answers}).json()["monitor"]
        assert (known["verdict"], known["waiting"], known["wrong"]) == ("still holds", 0, 0)
        # the command line works on the same file, beside the server
        assert Kept.open(folder / "mail.monitor.json").monitor.status().sentence == known["sentence"]
        for items in ([1], [["a", "b"]], [{"text": "a"}], ["a"] * 1001, []):
            assert reviewer.post("/api/v1/monitor/items", json={"items": items}).status_code == 400, items
        owner = client(session)
        for number in (1, 2):
            assert owner.delete("/api/v1/monitor").json() == {"done": True}
            assert Kept.open(folder / f"mail.monitor.{number}.json").monitor is not None
            assert owner.get("/api/v1/monitor").json()["monitor"] is None
            assert owner.post("/api/v1/monitor", json={"first": 0, "max_error": 0.3, "least": 0.9}).status_code == 200
        assert owner.get("/api/v1/monitor").json()["monitor"]["terms"]["max_error"] == 0.3


def test_what_cannot_be_watched_over_http_says_why(folder: Path) -> None:
    with Session([f"a text {n}" for n in range(9)], classes=["a", "b"], encoder="tfidf") as session:
        reply = client(session).get("/api/v1/monitor").json()
        assert "lies in no file" in reply["refused"]
        assert client(session).post("/api/v1/monitor", json={}).json()["error"] == reply["refused"]
        assert client(session).post("/api/v1/monitor/items", json={"items": ["a"]}).json()["error"] == reply["refused"]
    X = np.random.default_rng(0).normal(size=(40, 3))
    with Session(X, classes=["a", "b"], store=folder / "x.askwise") as session:
        assert "cannot be sent as JSON" in client(session).get("/api/v1/monitor").json()["refused"]
    with Session.open(folder / "early.askwise") as session:
        before = client(session)
        for body in ({"check_share": 0}, {"max_error": 1}, {"first": 5}, {"least": 2}):
            assert before.post("/api/v1/monitor", json=body).status_code == 400, body
        assert session.look(lambda s: bool((s.rest() & ~s.shown_mask).any()))
        assert before.get("/api/v1/monitor").json()["monitor"] is None


def test_rows_and_pairs_over_http(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [{"size": draw.random(), "color": draw.choice(["red", "blue"])} for _ in range(160)]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, ["size", "color"])
        out.writeheader()
        out.writerows(rows)
    says = lambda row: "big" if float(row["size"]) > 0.5 else "small"  # noqa: E731
    with Session(
        tmp_path / "rows.csv", kind="table", classes=["big", "small"], store=tmp_path / "r.askwise"
    ) as session:
        for _ in range(6):
            for query in session.ask(8):
                session.tell(query, says(query.content))
            session.refresh()
        owner = client(session)
        assert owner.post("/api/v1/monitor", json={"check_share": 1, "least": 0.1, "first": 0}).status_code == 200
        new = [{"size": draw.random(), "color": "red"} for _ in range(30)]
        lot = owner.post("/api/v1/monitor/items", json={"items": new}).json()
        assert {one["check"] for one in lot["items"]} == set(range(30))
        checks = owner.get("/api/v1/monitor/checks?limit=50").json()["checks"]
        assert [cell[0] for cell in checks[0]["view"]["cells"]] == ["size", "color"]
        answers = [{"check": one["number"], "label": says(dict(one["view"]["cells"]))} for one in checks]
        assert owner.post("/api/v1/monitor/answers", json={"answers": answers}).json()["monitor"]["waiting"] == 0
        lacking = owner.post("/api/v1/monitor/items", json={"items": [{"size": 1.0}]})
        assert "has no column 'color'" in lacking.json()["error"]
