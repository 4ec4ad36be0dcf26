"""Labels without an example are looked for by their name, their description, and words that a person gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from askwise import Session, hints
from askwise.commands.opening import session_path
from askwise.core import BadInput
from askwise.hints import BY_EXAMPLE, BY_NAME, HINT, Hint
from help.command import ran

pytestmark = pytest.mark.usefixtures("linear")

TOPICS = {
    "card_arrival": "when will my new card arrive by post",
    "exchangeRate": "what exchange rate do you take for euros",
    "lost-phone": "my phone was lost or stolen on the train",
    "pin": "the pin does not work any more at the counter",
}


def messages(n: int, seed: int = 0) -> dict[str, str]:
    """text → label; four in five are of no topic."""
    rng, found = np.random.default_rng(seed), {}
    small = "hello there how are you today nice weather see you soon at lunch tomorrow evening again friend"
    small = small.split()
    for i in range(n):
        words = " ".join(rng.permutation(small)[:7])
        found[f"{words} {i}"] = "chat"
    for label, text in TOPICS.items():
        for i in range(n // 100):
            words = text.split()
            words.pop(int(rng.integers(len(words))))
            found[f"{' '.join(words)} {rng.choice(small)} {i}"] = label
    return dict(rng.permutation(list(found.items())).tolist())


def asked_until(truth: dict[str, str], wanted: set[str], most: int, **more) -> tuple[int, list[str]]:
    """(questions until every wanted label was seen, what each was asked for)."""
    labels = sorted({*truth.values()})
    session = Session(list(truth), classes=labels, encoder="tfidf", seed=1, **more)
    seen, why = set(), []
    while not wanted <= seen and len(why) < most:
        for query in session.ask(5):
            session.tell(query, truth[query.content])
            seen.add(truth[query.content])
            why.append(query.strategy)
        session.refresh()
    return len(why), why


def test_names_find_rare_topics_soon() -> None:
    truth = messages(600)
    count, why = asked_until(truth, set(TOPICS), 200)
    assert count <= 25  # by chance: six of each among 624, some 100 questions until one of each was met
    assert HINT in why
    assert why.count(HINT) <= 3 * len(TOPICS) + BY_NAME


def test_an_example_finds_what_its_name_does_not() -> None:
    truth = {t: "odd" if c == "pin" else "chat" for t, c in messages(600).items() if c in ("pin", "chat")}
    with_words, why = asked_until(truth, {"odd"}, 300, examples={"odd": "pin at the counter"})
    without, _ = asked_until(truth, {"odd"}, 300)
    assert with_words <= 5 < without
    assert why[:2].count(HINT) >= 1


def test_a_hint_is_no_rule() -> None:
    """Of a label that is not there only so many are asked, in turns with what the strategy chose."""
    truth = {t: c for t, c in messages(300).items() if c != "pin"}
    labels = sorted({*truth.values(), "pin"})
    session = Session(list(truth), classes=labels, encoder="tfidf", examples={"pin": ["pin", "counter"]}, seed=0)
    why = []
    for _ in range(20):
        for query in session.ask(5):
            session.tell(query, truth[query.content])
            why.append(query.strategy)
        session.refresh()
    assert why.count(HINT) <= 2 * BY_EXAMPLE + BY_NAME * len(labels)
    assert HINT not in why[-10:]
    assert [part == HINT for part in why[:5]] == [True, False, True, False, True]


def test_the_reason_is_said_and_check_items_are_none() -> None:
    truth = messages(300)
    session = Session(list(truth), classes=sorted({*truth.values()}), encoder="tfidf", seed=0)
    query = next(q for q in session.ask(4) if q.strategy == HINT)
    assert query.reason == "Like what was said of a label of which there is no example yet."
    assert not session.look(lambda s: s.asks[query.row].audit or s.asks[query.row].check)


def test_it_goes_on_in_another_process_and_verifies(tmp_path: Path) -> None:
    from askwise.verification import verify

    truth, path = messages(200), tmp_path / "m.askwise"
    said = {"pin": "pin counter"}
    with Session(list(truth), classes=sorted({*truth.values()}), encoder="tfidf", store=path, examples=said) as one:
        here = [(q.row, q.strategy) for q in one.ask(6)]
    with Session(list(truth), classes=sorted({*truth.values()}), encoder="tfidf", examples=said, apart=True) as two:
        assert [(q.row, q.strategy) for q in two.ask(6)] == here
        two.stop()
    with Session.open(path) as again:
        for query in again.ask(6):
            again.tell(query, truth[query.content])
        again.refresh()
    assert verify(path).ok


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ({"nope": "x"}, "names the label 'nope', and the labels are a, b"),
        ({"a": ""}, "words that an item of 'a' may hold"),
        ({"a": [" ", "x"]}, "words that an item"),
        ({"a": [5]}, "got '5'"),
    ],
)
def test_bad_examples_are_refused(examples, said) -> None:
    with pytest.raises(BadInput, match=said):
        Session(["x", "y"], classes=["a", "b"], encoder="tfidf", examples=examples)


def test_only_texts_with_one_label_take_them() -> None:
    for more in ({"task": "sets"}, {"recall": 0.9, "relevant": "a"}):
        with pytest.raises(BadInput, match="of texts with one label"):
            Session(["x", "y"], classes=["a", "b"], encoder="tfidf", examples={"a": "x"}, **more)
    with pytest.raises(BadInput, match="of texts with one label"):
        Session(np.eye(3), classes=["a", "b"], examples={"a": "x"})


def test_the_command_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    file = tmp_path / "m.csv"
    file.write_text("text\n" + "\n".join(messages(60)), encoding="utf-8")

    def run(*more: str) -> tuple[int, str]:
        label = ["label", file, "--labels", "chat,pin", "--terminal", "--encoder", "tfidf", "--no-recent"]
        code, out, err = ran(capsys, monkeypatch, *label, *more, keys="q")
        return code, out + err

    code, said = run("--example", "pin")
    assert (code, "TEXT=LABEL" in said) == (2, True)
    code, said = run("--example", "x=nope")
    assert (code, "--example" in said, "chat, pin" in said) == (2, True, True)
    assert not list(tmp_path.glob("*.askwise"))
    code, said = run("--example", "a=b at the counter=pin")
    assert code == 0, said
    with Session.open(session_path(file)) as session:
        assert session.look(lambda s: s.opened["examples"]) == [["pin", "a=b at the counter"]]
    code, said = run("--example", "x=pin")
    assert (code, "--example" in said) == (2, True)


# ── the mathematics ─────────────────────────────────────────────────────────────────────────


def test_names_become_words() -> None:
    assert hints.of_label("cardArrival_late-fee", "", ()) == [Hint("card Arrival late fee", BY_NAME)]
    assert hints.of_label("pin", "of the card", ["a", "b"]) == [
        Hint("a", BY_EXAMPLE), Hint("b", BY_EXAMPLE), Hint("pin of the card", BY_NAME),
    ]  # fmt: skip
    assert hints.of_label("!", "", ()) == []


@given(st.integers(0, 1000), st.booleans())
def test_the_nearest_are_those_of_a_loop(seed: int, thin: bool) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 4)) * (rng.random((30, 4)) < 0.7)
    H = {f"h{i}": rng.normal(size=4) for i in range(3)}
    given_ = [Hint(name, 4) for name in H]
    pool = sparse.csr_matrix(X) if thin else X

    def encode(texts):
        rows = np.stack([H[t] for t in texts])
        return sparse.csr_matrix(rows) if thin else rows

    for hint, rows in zip(given_, hints.Nearest()(given_, pool, encode), strict=True):
        like = [float(x @ H[hint.text]) / max(np.linalg.norm(x), 1e-12) for x in X]
        expected = [i for i in sorted(range(30), key=lambda i: -like[i])[:4] if like[i] > 1e-6]
        assert rows.tolist() == expected


def test_what_was_found_is_kept_until_the_pool_grows() -> None:
    calls = []

    def encode(texts):
        calls.append(texts)
        return np.eye(3)[: len(texts)]

    near, X = hints.Nearest(), np.eye(3)
    near([Hint("a", 2)], X, encode)
    near([Hint("a", 2), Hint("b", 2)], X, encode)
    near([Hint("b", 2)], np.eye(4)[:, :3], encode)
    assert calls == [["a"], ["b"], ["b"]]


def test_hinted_items_stand_between_the_others() -> None:
    queue = [(5, 0.9, "margin"), (6, 0.8, "margin"), (1, 0.7, "margin"), (8, 0.6, "margin")]
    free = np.ones(10, bool)
    free[2] = False
    found = hints.between(queue, [np.array([2, 1]), np.array([1, 3]), np.array([2])], free)
    assert found == [
        (1, 0.7, HINT), (5, 0.9, "margin"), (3, 0.0, HINT), (6, 0.8, "margin"), (8, 0.6, "margin"),
    ]  # fmt: skip
    assert hints.between(queue, [], free) == queue
