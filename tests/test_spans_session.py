"""Sessions that ask for spans: at the Python door."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from askwise import Session, load_pool
from askwise import spans as written
from askwise.core import BadInput
from askwise.spans import Span
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

pytest.importorskip("pycrfsuite", reason="python-crfsuite is not installed: pip install 'askwise[spans]'")

PEOPLE = ["Ada Lovelace", "Bob", "Grace Hopper", "Kurt", "Alan Turing", "Emmy Noether", "Zoë", "李明"]
PLACES = ["Paris", "New York", "Oslo", "Rome", "東京", "São Paulo", "Kyiv", "Lima"]
FRAMES = [
    "{p} lives in {l} .",
    "In {l} it rains",
    "{p} met {q} 😀",
    "nothing to see here",
    "From {l} to {m} with {p} !",
]


def sentences(n: int, seed: int = 0) -> dict[str, str]:
    """Text → answer; emoji and other scripts included."""
    rng, found = random.Random(seed), {}
    while len(found) < n:
        text, spans = "", []
        for part in rng.choice(FRAMES).replace("{", "\0").replace("}", "\0").split("\0"):
            if part in ("p", "q", "l", "m") and len(part) == 1:
                label = "PER" if part in "pq" else "LOC"
                name = rng.choice(PEOPLE if label == "PER" else PLACES)
                spans.append(Span(len(text), len(text) + len(name), label))
                text += name
            else:
                text += part
        text += f" {rng.randrange(1000)}"
        found[text] = written.write(spans)
    return found


TRUTH = sentences(400)


def answer(session: Session, n: int, truth: dict[str, str] = TRUTH, annotator: str = "me") -> None:
    for query in session.ask(n, annotator=annotator):
        session.tell(query, json.loads(truth[query.content]), annotator=annotator)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spans") / "x.askwise"


@pytest.fixture(scope="module")
def ready(store: Path) -> Session:
    session = Session(list(TRUTH), classes=["PER", "LOC"], task="spans", store=store, seed=1, audit_share=0.3)
    for _ in range(6):
        answer(session, 15)
        session.refresh()
    return session


def right_of(session: Session) -> float:
    rows = [row for row in session.rows(guesses=True) if not row["askwise_label"]]
    return float(np.mean([row["askwise_guess"] == TRUTH[row["text"]] for row in rows]))


def test_a_session_learns_to_mark(ready: Session) -> None:
    opinion = ready._trainer.opinion
    names, which = opinion.written(ready.classes)
    right = np.mean([names[at] == TRUTH[text] for at, text in zip(which, ready.pool.contents, strict=True)])
    assert right > 0.7
    query = ready.ask(1, annotator="somebody")[0]
    ((guess, p),) = query.guesses or ready._trainer.guesses(ready._rows[query.item])
    assert written.read(guess, query.content) == guess
    assert 0 < p <= 1
    estimate = ready.estimate()
    assert estimate.audits >= 20
    assert "right in all their spans" in estimate.sentence
    assert estimate.low <= estimate.accuracy <= estimate.high


def test_entities_are_bounded_by_label(ready: Session) -> None:
    found = ready.metrics()
    assert [line.label for line in found.classes] == ["PER", "LOC", "(all)"]
    assert "taken together" in found.about
    for line in found.classes:
        assert line.guessed > 0
        for interval in (line.precision, line.recall, line.f1):
            assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
    assert found.classes[2].precision.low > 0


def test_the_log_verifies(ready: Session, store: Path) -> None:
    assert verify(store).ok, [finding for finding in verify(store).findings if finding.ok is False]


def test_it_reopens_and_goes_on_alike(tmp_path: Path) -> None:
    """Two of the same, one of them closed and opened in between, ask the same."""
    asked = []
    for stops in (False, True):
        session = Session(
            list(TRUTH)[:120], classes=["PER", "LOC"], task="spans:most=9", store=tmp_path / f"{stops}.askwise", seed=1
        )
        for _ in range(3):
            answer(session, 10)
            session.refresh()
            if stops:
                session.close()
                session = Session.open(tmp_path / f"{stops}.askwise")
        assert repr(session.task) == "spans:most=9"
        assert session.classes == ("PER", "LOC")
        asked.append([query.item for query in session.ask(10)])
        session.close()
    assert asked[0] == asked[1]
    assert len(asked[0]) == 10


def test_answers_are_refused_in_sentences_and_nothing_is_lost(ready: Session) -> None:
    query = ready.ask(1, annotator="careless")[0]
    before = len(ready._state.answers)
    text = query.content
    for bad, says in (
        ([[0, len(text) + 5, "PER"]], "does not lie in its text"),
        ([[0, 3, "PERS"]], "PERS"),
        ("PER", "no list of spans"),
        ([[0, 1, ""]], "label"),
        (None, "no list of spans"),
    ):
        with pytest.raises(BadInput, match=says):
            ready.tell(query, bad, annotator="careless")
    with pytest.raises(BadInput, match="one text"):
        ready.tell_many([query.item], [])
    assert len(ready._state.answers) == before


def test_new_labels_are_discovered_where_none_are_declared() -> None:
    with Session(["Ada sang", "Bob sang"], task="spans") as session:
        query = session.ask(1)[0]
        session.tell(query, [{"start": 0, "end": 3, "label": "PER"}])
        assert session.classes == ("PER",)
        row = next(row for row in session.rows() if row["text"] == query.content)
        assert row["label"] == '[[0,3,"PER"]]'


def test_labels_are_renamed_inside_answers() -> None:
    with Session(["Ada sang", "Bob sang"], classes=["PER", "LOC"], task="spans") as session:
        session.tell(session.ask(1)[0], [[0, 3, "PER"]])
        session.change.rename("PER", "person")
        assert '[[0,3,"person"]]' in [row["label"] for row in session.rows()]
        with pytest.raises(BadInput, match="With spans with labels an item, labels can be renamed, but not merged"):
            session.change.merge("LOC", "person")
        session.tell(session.ask(1)[0], [[0, 3, "PER"]])  # by its former name
        assert {row["label"] for row in session.rows()} == {'[[0,3,"person"]]'}


def test_options_of_the_task() -> None:
    with Session(["a b c"], classes=["x", "y"], task="spans:most=2") as session:
        with pytest.raises(BadInput, match=r"3 spans, and 2 are the most.*spans:most=3"):
            session.tell(session.ask(1)[0], [[0, 1, "x"], [2, 3, "x"], [4, 5, "x"]])
        assert repr(session.task) == "spans:most=2"
    given = '[[0,1,"x"],[2,3,"x"],[4,5,"x"]]'  # what came with the data is no check
    with Session(["a b c", "d"], label=[given, None], classes=["x", "y"], task="spans:most=2") as session:
        assert session.rows()[0]["label"] == given
    with Session(["Ada"], classes=["PER"], task="spans") as session:  # a single label is enough
        session.tell(session.ask(1)[0], [])
    for wrong in ("spans:most=0", "spans:most=many", "spans:least=3"):
        with pytest.raises(BadInput, match="one option: most"):
            Session(["a"], task=wrong)
    with pytest.raises(BadInput, match="kind 'array'"):
        Session(np.eye(3), task="spans")
    with pytest.raises(BadInput, match="for classification"):
        Session(["a"], task="spans", strategy="margin")
    with pytest.raises(BadInput, match="reads = 'items'"):
        Session(["a"], task="spans", learner=object())


def test_files_bring_their_answers(tmp_path: Path) -> None:
    rows = [{"text": "😀 Ada met Bob", "label": [[2, 5, "PER"]]}, {"text": "Oslo", "label": [[0, 2, "LOC"]]},
            {"text": "nobody", "label": []}, {"text": "open"}]  # fmt: skip
    path = tmp_path / "doccano.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Session(path, task="spans") as session:
        assert session.pool.given == {0: '[[2,5,"PER"]]', 2: "[]"}
        assert "'Os' in 'Oslo'" in str(session.pool.problems[0])
        assert session.pool.problems[0].line == 2
        path.write_text(path.read_text() + json.dumps({"text": "new", "label": [[0, 3, "LOC"]]}) + "\n")
        session.add(path)
        assert session.pool.contents[-1] == "new"
    conll = tmp_path / "x.conll"
    conll.write_text("Ada\tB-PER\nmet\tO\n\nOslo\tB-LOC\n")
    with Session(conll, task="spans") as session:
        assert session.pool.given == {0: '[[0,3,"PER"]]', 1: '[[0,4,"LOC"]]'}
        session.export(tmp_path / "out.csv")
    with Session(tmp_path / "out.csv", task="spans") as session:
        assert session.pool.given == {0: '[[0,3,"PER"]]', 1: '[[0,4,"LOC"]]'}
    assert load_pool(conll, answers="spans", scheme="io").given[0] == '[[0,3,"PER"]]'
    with pytest.raises(BadInput, match="scheme"):
        load_pool(conll, scheme="io")
    with pytest.raises(BadInput, match="No kind of answers"):
        load_pool(conll, answers="span")


def test_people_agree_token_by_token(tmp_path: Path) -> None:
    texts = [f"Ada Lovelace {k} met Bob" for k in range(12)]
    full = {t: [[0, 12, "PER"], [len(t) - 3, len(t), "PER"]] for t in texts}
    with Session(texts, classes=["PER", "LOC"], task="spans", overlap=0.9, people_per_item=3, audit_share=0) as session:
        for who in ("a", "b", "c"):
            for item, text in zip(session.pool.ids, texts, strict=True):
                session.tell(item, full[text][: 1 if who == "c" else 2], annotator=who)
        session.refresh()
        several = list(session._state.several)
        assert several
        labels = [session._state.label_of(row) for row in several if len(session._state.votes[row]) == 3]
        assert labels
        assert set(labels) <= {written.write(Span(*s) for s in spans) for spans in full.values()}
        agreed = session.agreement()
        assert 0 < agreed.alpha < 1
        quality = {one.name: one.quality for one in session.annotators()}
        assert quality["c"] < quality["a"]


def test_a_certificate_speaks_of_whole_sentences() -> None:
    truth = sentences(900, seed=5)
    with Session(list(truth), classes=["PER", "LOC"], task="spans", seed=3, max_error=0.1) as session:
        for _ in range(5):
            answer(session, 40, truth)
            session.refresh()
        status = session.autolabel()
        for _ in range(600):
            queries = session.ask(1)
            if not queries or session.autolabel_status().status != "checking":
                break
            session.tell(queries[0], json.loads(truth[queries[0].content]))
        found = session.autolabel_status()
        assert found.certificate is not None, (status, found)
        content = dict(zip(session.pool.ids, session.pool.contents, strict=True))
        wrong = sum(label != truth[content[item]] for item, label in found.labels.items())
        assert len(found.labels) > 500
        assert wrong <= 0.1 * len(found.labels)
        assert "A text with one span missing" in found.certificate.sentence


# ── files out, the command line, the terminal ───────────────────────────────────────────────


def test_files_out_are_read_again(tmp_path: Path) -> None:
    source = tmp_path / "in.conll"
    source.write_text("U.S.\tB-ORG\ntroops\tO\n\nAda\tB-PER\n\n😀\tO\nOslo\tB-LOC\n\nopen_\tO\n")
    store = tmp_path / "s.askwise"
    with Session(source, task="spans", store=store) as session:
        given = {session.pool.contents[row]: label for row, label in session.pool.given.items()}
    with Session.open(store) as session:
        for name in ("x.conll", "x.doccano.jsonl", "x.prodigy.jsonl"):
            assert session.export(tmp_path / name) == 4
            again = load_pool(tmp_path / name, answers="spans")
            assert {again.contents[row]: label for row, label in again.given.items()} == given, name
        assert (tmp_path / "x.conll").read_text() == source.read_text() + "\n"
        session.export(tmp_path / "x.csv")
    with Session(["a", "b"], classes=["x", "y"]) as session, pytest.raises(BadInput, match="one label an item"):
        session.export(tmp_path / "y.conll")
    assert not (tmp_path / "y.conll").exists()


def test_the_command_line_labels_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from askwise.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASKWISE_NO_RECENT", "1")
    Path("x.jsonl").write_text('{"text": "Ada sang", "label": [[0, 3, "PER"]]}\n{"text": "Bob saw Oslo"}\n')
    args = ["label", "x.jsonl", "--task", "spans", "--labels", "PER,LOC", "--terminal"]
    done = CliRunner().invoke(app, args, input="1..2d2\nq")
    assert done.exit_code == 0, done.output
    with Session.open("x.askwise") as session:
        assert {session.pool.contents[r]: a.label for r, a in session.answers().items()} == {
            "Ada sang": '[[0,3,"PER"]]', "Bob saw Oslo": '[[0,3,"PER"],[8,12,"LOC"]]'
        }  # fmt: skip
    done = CliRunner().invoke(app, ["export", "x.askwise", "out.conll"])
    assert done.exit_code == 0, done.output
    assert Path("out.conll").read_text() == "Ada\tB-PER\nsang\tO\n\nBob\tB-PER\nsaw\tO\nOslo\tB-LOC\n\n"
    wrong = CliRunner().invoke(
        app, ["label", "x.jsonl", "--task", "spans", "--scheme", "iob", "--session", "y.askwise"]
    )
    assert isinstance(wrong.exception, BadInput)
    assert "No scheme named 'iob'" in str(wrong.exception)
    for verb in (["report", "x.askwise"], ["verify", "x.askwise"]):
        done = CliRunner().invoke(app, verb)
        assert done.exit_code == 0, done.output


def test_the_terminal_corrects_suggestions(tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console

    from askwise import terminal

    truth = sentences(80, seed=2)
    with Session(list(truth), classes=["PER", "LOC"], task="spans", encoder="tfidf", audit_share=0, seed=4) as session:
        for text in list(truth)[:60]:
            session.tell(session.pool.ids[session.pool.contents.index(text)], truth[text])
        session.refresh()
        query = session.ask(1)[0]
        session.release()
        suggested = written.parse(query.suggestion)
        assert suggested
        out = StringIO()
        keys = iter(["p", "?", "\r", "q"])
        given = terminal.label(session, keys=lambda: next(keys), console=Console(file=out, width=100))
        assert given == 1
        assert session.answers()[query.row].label == query.suggestion
        assert f"[{suggested[0].label}?]" in out.getvalue()
        assert f"[{suggested[0].label}]" in out.getvalue()
        assert "take the mark off" in out.getvalue()
        query = session.ask(1)[0]
        session.release()
        keys = iter(["d", "\r", "x", "q"])
        out = StringIO()
        terminal.label(session, keys=lambda: next(keys), console=Console(file=out, width=100))
        assert "have no mark" in out.getvalue()
        assert "Nothing is marked yet" in out.getvalue()
        assert session.answers()[query.row].label == "[]"
