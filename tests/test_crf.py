"""The learner of spans, against the definition of its numbers by enumeration."""

from __future__ import annotations

import builtins
import itertools
import math
import pickle

import numpy as np
import pytest

from askwise import spans
from askwise.core import BadInput, MissingExtra
from askwise.learners import crf
from askwise.scores import sequence
from askwise.spans import Span

pycrfsuite = pytest.importorskip("pycrfsuite", reason="python-crfsuite is not installed: pip install 'askwise[spans]'")

TEXTS = ["Ada met Bob in Paris", "Bob saw Rome", "in Rome", "Ada sang", "we sang in Oslo , Bob", "nothing here"]
ANSWERS = [
    '[[0,3,"PER"],[8,11,"PER"],[15,20,"LOC"]]',
    '[[0,3,"PER"],[8,12,"LOC"]]',
    '[[3,7,"LOC"]]',
    '[[0,3,"PER"]]',
    '[[11,15,"LOC"],[18,21,"PER"]]',
    "[]",
]


@pytest.fixture(scope="module")
def fitted() -> crf.ConditionalRandomField:
    return crf.ConditionalRandomField().fit(TEXTS, ANSWERS)


def test_it_learns_what_it_was_told_and_more(fitted: crf.ConditionalRandomField) -> None:
    assert fitted.predict(TEXTS) == ANSWERS
    assert fitted.predict(["Ada in Rome", "", " \n"]) == ['[[0,3,"PER"],[7,11,"LOC"]]', "[]", "[]"]
    assert fitted.tags_ == ("O", "B-LOC", "B-PER")


def test_marginals_and_the_sequence_are_those_of_all_sequences(fitted: crf.ConditionalRandomField) -> None:
    """Every sequence of tags is weighed by itself: CRFsuite gives the probability of any of them."""
    texts = ["Bob in Oslo", "", "Rome sang Ada"]
    said = fitted.mark(texts)
    assert said.offsets.tolist() == [0, 3, 3, 6]
    for number, text in enumerate(texts):
        at = spans.tokens(text)
        tagger = fitted._opened()
        total = np.zeros((len(at), len(said.tags)))
        best, likeliest = 0.0, ()
        if at:
            tagger.set(fitted._features(text, at))
        for tags in itertools.product(said.tags, repeat=len(at)) if at else ():
            chance = tagger.probability(list(tags))
            for place, tag in enumerate(tags):
                total[place, said.tags.index(tag)] += chance
            if chance > best:
                best, likeliest = chance, tags
        rows = slice(said.offsets[number], said.offsets[number + 1])
        assert np.allclose(said.tokens[rows], total, atol=1e-9)
        assert math.isclose(said.sequence[number], best if at else 1.0, rel_tol=1e-9)
        assert said.certainty[number] == said.sequence[number]  # too few answers to know better
        assert said.answers[number] == spans.write(spans.from_tags(likeliest, at))
    assert np.allclose(said.tokens.sum(1), 1)
    assert sequence.token_entropy(said.tokens, said.offsets)[1] == 0


def test_it_travels_and_says_the_same(fitted: crf.ConditionalRandomField) -> None:
    fitted.predict(TEXTS)  # its tagger is open
    other = pickle.loads(pickle.dumps(fitted))
    assert other.mark(TEXTS).tokens.tobytes() == fitted.mark(TEXTS).tokens.tobytes()
    again = crf.ConditionalRandomField().fit(TEXTS, ANSWERS)
    assert again.mark(TEXTS).tokens.tobytes() == fitted.mark(TEXTS).tokens.tobytes()
    assert other.fit(TEXTS[:2], ANSWERS[:2]).predict(TEXTS[:2]) == ANSWERS[:2]


def test_answers_without_a_span_are_learned_as_well() -> None:
    said = crf.ConditionalRandomField().fit(TEXTS, ["[]"] * 6).mark(TEXTS)
    assert said.answers == ["[]"] * 6
    assert said.tags == ("O",)
    assert np.allclose(said.certainty, 1)


def test_vectors_of_tokens_tell_words_apart_that_letters_do_not() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), 6)) for _ in range(120)]
    names = set(words[::2])

    def vectors(of: list[str]) -> np.ndarray:
        return np.array([[float(word in names), 0.5] for word in of])

    answers = [spans.write([Span(0, 6, "N")]) if word in names else "[]" for word in words]
    blind = crf.ConditionalRandomField().fit(words[:60], answers[:60]).predict(words[60:])
    seeing = crf.ConditionalRandomField(vectors=vectors).fit(words[:60], answers[:60]).predict(words[60:])
    assert seeing == answers[60:]
    assert blind != answers[60:]
    with pytest.raises(BadInput, match="one row of finite numbers for each of 1 tokens"):
        crf.ConditionalRandomField(vectors=lambda _: np.zeros((3, 2))).fit(["a"], ["[]"])


def test_bad_input_is_refused_in_a_sentence() -> None:
    model = crf.ConditionalRandomField()
    with pytest.raises(BadInput, match="not fitted"):
        model.predict(["a"])
    with pytest.raises(BadInput, match="2 texts and 1 answers"):
        model.fit(["a", "b"], ["[]"])
    with pytest.raises(BadInput, match="needs a text with a word"):
        model.fit(["", " "], ["[]", "[]"])
    with pytest.raises(BadInput, match="begin and end with a token"):
        model.fit(["abc"], ['[[0,2,"a"]]'])
    with pytest.raises(BadInput, match="c1 and c2"):
        crf.ConditionalRandomField(c1=-1)


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: object) -> object:
        if name == "pycrfsuite":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtra, match=r"pip install 'askwise\[spans\]'"):
        crf.ConditionalRandomField()


@pytest.mark.parametrize(
    ("word", "wanted"),
    [("Paris", "Xx"), ("NATO", "X"), ("G20", "Xd"), ("McDonald", "XxXx"), ("...", "."), ("東京", "o"), ("", "")],
    ids=["capital", "upper", "digits", "mixed", "points", "han", "empty"],
)
def test_shapes(word: str, wanted: str) -> None:
    assert crf.shape(word) == wanted


def noisy(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Names that are marked, and words of the same shape that are marked half of the time."""
    rng = np.random.default_rng(seed)
    texts, answers = [], []
    for _ in range(n):
        name = "".join(rng.choice(list("abcdefghij"), 5)).title()
        kind = rng.integers(3)
        texts.append(f"{('met', 'saw', 'ate')[kind]} {name} {rng.integers(50)}")
        answers.append(spans.write([Span(4, 9, "N")]) if kind == 0 or (kind == 1 and rng.random() < 0.5) else "[]")
    return texts, answers


@pytest.mark.parametrize("n", [90, 700], ids=["three-folds", "one-fold"])
def test_certainty_is_how_often_whole_answers_are_right(n: int) -> None:
    texts, answers = noisy(n + 1500, 0)
    model = crf.ConditionalRandomField(c1=0.0, c2=1e-3, iterations=100).fit(texts[:n], answers[:n])
    said = model.mark(texts[n:])
    right = np.array([guess == answer for guess, answer in zip(said.answers, answers[n:], strict=True)])
    assert abs(said.certainty.mean() - right.mean()) < 0.07
    assert abs(said.certainty.mean() - right.mean()) < abs(said.sequence.mean() - right.mean())
    assert (np.argsort(said.certainty, kind="stable") == np.argsort(said.sequence, kind="stable")).all()
    plain = crf.ConditionalRandomField(c1=0.0, c2=1e-3, iterations=100, calibrate=False).fit(texts[:n], answers[:n])
    assert np.array_equal(plain.mark(texts[n:]).sequence, said.sequence)
    assert np.array_equal(plain.mark(texts[n:]).certainty, said.sequence)
