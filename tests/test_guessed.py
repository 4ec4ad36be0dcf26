"""Guesses beside texts: what they teach, what the log says of them, and that nobody is shown them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from askwise import Session, cli, guessed, verify
from askwise.app.server import create_app
from askwise.core import BadInput
from askwise.encoders.guesses import GuessEncoder
from askwise.model import said
from askwise.pool import load_pool

N = 300
TOKEN = "a token of enough length to be one"
NAMES = ["calm", "odd", "wild"]
WORDS = ["soil", "river", "cloud", "bridge", "market", "engine", "garden", "letter", "winter", "copper", "signal"]


def rows(seed: int = 0, rare: int = 6, right: float = 0.8) -> list[dict[str, str]]:
    """Texts whose words say nothing; the guess is right for so many, and how sure it is tells where."""
    rng = np.random.default_rng(seed)
    found = []
    for row in range(N):
        truth = "odd" if row % (N // rare) == 7 else NAMES[2 * int(rng.integers(2))]
        good = rng.random() < right or truth == "odd"
        found.append(
            {
                "text": " ".join(rng.choice(WORDS, 5)) + f" {row}",
                "llm": truth if good else NAMES[2 - 2 * (truth == "wild")],
                "sure": f"{rng.uniform(0.5, 1.0) if good else rng.uniform(0.0, 0.6):.3f}",
                "truth": truth,
            }
        )
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mail.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "llm", "sure", "truth"])
        writer.writeheader()
        writer.writerows(rows())
    return path


def session_of(table: Path, **options) -> Session:
    return Session(table, **({"text": "text", "classes": NAMES, "encoder": "tfidf", "seed": 3} | options))


def taught(session: Session, labels: int) -> float:
    """Share right on what is open, after so many labels."""
    truth = [row["truth"] for row in rows()]
    for _ in range(0, labels, 10):
        for query in session.ask(10):
            session.tell(query, truth[query.row])
        session.refresh()
    said, rest = session.predictions()[0], session._state.rest()
    return float(np.mean([a == b for a, b, open_ in zip(said, truth, rest, strict=True) if open_]))


def block_of(session: Session) -> np.ndarray:
    encoder = session._parts.encoder.parts[-1]
    assert isinstance(encoder, GuessEncoder)
    return encoder.encode(session.pool.contents)


def test_what_the_words_do_not_say_is_learned_from_guesses(table):
    ways = ({}, {"guesses": "llm"}, {"guesses": "llm", "guess_confidence": "sure"})
    plain, beside, surer = (np.mean([taught(session_of(table, seed=s, **way), 40) for s in range(3)]) for way in ways)
    assert plain < 0.6
    assert beside > plain + 0.1
    assert surer > beside - 0.03


def test_the_log_says_where_they_are_and_a_reopened_session_goes_on_the_same_way(table, tmp_path):
    path = tmp_path / "s.askwise"
    session = session_of(table, guesses="llm", guess_confidence="sure", store=path)
    taught(session, 20)
    opened = session._state.opened
    assert opened["guesses"] == {"columns": ["llm"], "confidence": ["sure"]}
    assert (opened["format"], opened["encoder"]) == (6, "tfidf+guesses")
    features, said = session.features(), session.predictions()[0]
    session.close()
    again = Session.open(path)
    again.refresh()
    assert np.array_equal(again.features(), features)
    for query in again.ask(5):
        again.tell(query, "calm")
    again.refresh()
    assert len(again.predictions()[0]) == len(said)
    again.close()
    assert verify(str(path)).ok


@pytest.mark.parametrize("how", ["columns", "labels", "labels without confidence", "probabilities"])
def test_columns_labels_and_probabilities(table, tmp_path, how):
    data = rows()
    texts, labels, sure = ([row[name] for row in data] for name in ("text", "llm", "sure"))
    options = {
        "columns": {"guesses": "llm", "guess_confidence": "sure"},
        "labels": {"guesses": labels, "guess_confidence": sure},
        "labels without confidence": {"guesses": labels},
        "probabilities": {"guesses": np.array([[0.25 + 0.5 * (name == one) for name in NAMES] for one in labels])},
    }[how]
    path = tmp_path / "s.askwise"
    session = session_of(
        table if how == "columns" else texts, text="text" if how == "columns" else None, store=path, **options
    )
    X = block_of(session)
    if how == "probabilities":
        assert X.shape == (N, 3)
        assert [NAMES[at] for at in X.argmax(1)] == labels
    else:
        assert X.shape == (N, 4)
        places = np.argsort(np.argsort([float(one) for one in sure])) / N
        expected = np.ones(N) if how == "labels without confidence" else places
        assert np.abs(X[:, :3].max(1) - expected).max() < 0.05, "their places among one another"
        assert np.allclose(X.sum(1), 1)
    session.close()
    with Session.open(path) as again:
        assert np.array_equal(block_of(again), X)


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(0.1, 50), st.floats(-9, 9))
@settings(max_examples=50, deadline=None)
def test_only_the_order_of_confidences_counts(numbers, by, plus):
    rounded = [None if one is None else round(one, 2) for one in numbers]
    given_ = guessed._degrees(guessed._numbers(rounded, None))
    moved = [None if one is None else round(by) * one + round(plus) if round(by) else one for one in rounded]
    assert np.allclose(given_, guessed._degrees(guessed._numbers(moved, None)))
    assert ((given_ >= 0) & (given_ <= 1)).all()
    known = [(one, degree) for one, degree in zip(rounded, given_, strict=True) if one is not None]
    assert all(a[1] <= b[1] for a, b in zip(sorted(known), sorted(known)[1:], strict=False))


def test_nothing_guessed_is_nothing_known(table):
    labels = [row["llm"] if at % 2 else None for at, row in enumerate(rows())]
    session = session_of([row["text"] for row in rows()], text=None, guesses=labels)
    X = block_of(session)
    assert not X[::2].any()
    assert X[1::2].any(axis=1).all()


def test_a_label_without_an_example_is_asked_for_where_it_was_guessed(table):
    truth = [row["truth"] for row in rows()]

    def first(session: Session) -> int:
        for asked in range(1, 120):
            [query] = session.ask(1)
            session.tell(query, truth[query.row])
            session.refresh()
            if truth[query.row] == "odd":
                return asked
        return 120

    assert first(session_of(table, guesses="llm")) <= 8
    assert np.median([first(session_of(table, seed=seed)) for seed in range(5)]) > 12


def test_several_guesses_stand_side_by_side(table):
    session = session_of(table, guesses=["llm", "truth"], guess_confidence=None)
    assert block_of(session).shape == (N, 8)
    assert taught(session, 30) > 0.95, "one of them is always right"


def test_of_items_that_come_later_nothing_is_guessed(table, tmp_path):
    path = tmp_path / "s.askwise"
    session = session_of(table, guesses="llm", store=path)
    more = tmp_path / "more.csv"
    more.write_text("text,llm,sure,truth\nsomething new,odd,0.9,odd\n")
    session.add(more, text="text")
    session.refresh()
    features = session.features()
    assert not block_of(session)[-1].any()
    session.close()
    with Session.open(path) as again:
        assert not block_of(again)[-1].any()
        again.refresh()
        assert np.array_equal(again.features(), features)


def test_withdrawn_items_leave_no_guess(table, tmp_path):
    path = tmp_path / "s.askwise"
    session = session_of(table, guesses="llm", store=path)
    session.withdraw([session.pool.ids[5]])
    session.close()
    with Session.open(path) as again:
        assert not block_of(again)[5].any()
        again.refresh()


def test_nobody_is_shown_a_guess(table):
    data = rows()
    labels = [f"{row['llm']}-guessed" for row in data]
    session = session_of([row["text"] for row in data], text=None, guesses=labels)
    with TestClient(create_app(session, token=TOKEN), base_url="http://127.0.0.1") as page:
        assert page.get("/", params={"token": TOKEN}).status_code == 200
        page.headers["origin"] = "http://127.0.0.1"
        asked = page.post("/api/v1/ask", json={"tab": "t", "want": 5})
        shown = asked.text + page.get("/api/v1/pulse").text + page.get("/").text
    assert asked.status_code == 200
    assert "-guessed" not in shown


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"guesses": "nowhere"}, "no column 'nowhere'"),
        ({"guesses": "text"}, "is taken already"),
        ({"guesses": "llm", "show": ["llm"]}, "is shown to the people"),
        ({"guesses": "llm", "guess_confidence": "text"}, "is taken already"),
        (
            {"guesses": "llm", "guess_confidence": "truth"},
            "holds 'calm' in row 1|holds 'wild' in row 1|A confidence is",
        ),
        ({"guesses": "llm", "guess_confidence": ["sure", "sure"]}, "or none has"),
        ({"guess_confidence": "sure"}, "and there are none"),
        ({"guesses": np.full((N, 2), 0.5)}, "a column for each of the 3 labels"),
        ({"guesses": np.full((N, 3), 2.0)}, "between 0 and 1"),
        ({"guesses": np.full((N - 1, 3), 0.3)}, "one for each of the 300 rows"),
        ({"guesses": np.full((N, 3), 0.3), "guess_confidence": "sure"}, "say how sure they are"),
        ({"guesses": [None] * N}, "holds no label"),
        ({"guesses": "llm", "recall": 0.9, "relevant": "odd", "classes": ["odd", "calm"]}, "A search learns"),
    ],
)
def test_guesses_that_are_none_are_refused(table, options, says):
    with pytest.raises(BadInput, match=says):
        session_of(table, **options)


def test_a_column_of_ids_is_no_guess(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("text,key\n" + "".join(f"text {i},k{i}\n" for i in range(1100)))
    with pytest.raises(BadInput, match="1,100 different values"):
        Session(path, text="text", classes=["a", "b"], encoder="tfidf", guesses="key")


def test_other_items_bring_their_own(tmp_path):
    with pytest.raises(BadInput, match="stand beside texts"):
        Session(np.zeros((20, 3)), classes=["a", "b"], guesses=["a"] * 20)
    path = tmp_path / "t.csv"
    path.write_text("a,b,llm\n" + "1,2,x\n" * 20 + "3,4,y\n")
    with pytest.raises(BadInput, match="like any other"):
        Session(load_pool(path, kind="table"), classes=["x", "y"], guesses="llm")


def test_a_model_that_needs_guesses_labels_nothing_new(table):
    session = session_of(table, guesses="llm")
    taught(session, 20)
    with pytest.raises(BadInput, match="of new ones there are none"):
        session.model()
    with pytest.raises(BadInput, match="of new ones there are none"):
        said.through(session, ["something"])


def test_on_the_command_line(table, tmp_path):
    run = CliRunner().invoke
    path = tmp_path / "mail.askwise"
    start = ["label", str(table), "--text", "text", "--labels", "calm,odd,wild", "--encoder", "tfidf", "--terminal"]
    done = run(cli.app, [*start, "--guess", "llm", "--guess-confidence", "sure"], input="123q")
    assert done.exit_code == 0, done.output
    with Session.open(path) as session:
        assert session._state.opened["guesses"] == {"columns": ["llm"], "confidence": ["sure"]}
        assert session.counts()["labeled"] == 3
    refused = run(cli.app, [*start, "--guess", "llm"], input="q")
    assert isinstance(refused.exception, BadInput) or refused.exit_code == 2
    refused = run(cli.app, ["label", str(path), "--guess", "llm", "--terminal"], input="q")
    assert refused.exit_code != 0
