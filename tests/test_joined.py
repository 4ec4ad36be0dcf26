"""Encoders side by side: all blocks alike, slow ones later, the same in a process apart and in a saved model."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise import Session, encoders, learners, rounds
from askwise.core import BadInput
from askwise.encoders import JoinedEncoder
from askwise.encoders.tfidf import TfidfEncoder
from askwise.verification import verify
from askwise.worker import Worker

TEXTS = [f"{'win a prize' if i % 3 == 0 else 'see you at home'} number {i} of {i % 7}" for i in range(60)]
MANY = [f"{text} again {n}" for n in range(3) for text in TEXTS]


class Slow:
    """Makes vectors once and keeps them in a file, as a sentence encoder does: a process apart has them, too."""

    name = "slow"
    version = "1"

    def __init__(self, kept: Path) -> None:
        self.kept = kept

    def _known(self) -> set[str]:
        with sqlite3.connect(self.kept) as file:
            file.execute("CREATE TABLE IF NOT EXISTS kept (text TEXT PRIMARY KEY)")
            return {text for (text,) in file.execute("SELECT text FROM kept")}

    def unknown(self, items: Sequence[str]) -> list[str]:
        """Texts that were never encoded."""
        known = self._known()
        return [text for text in dict.fromkeys(items) if text not in known]

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Three numbers."""
        with sqlite3.connect(self.kept) as file:
            file.execute("CREATE TABLE IF NOT EXISTS kept (text TEXT PRIMARY KEY)")
            file.executemany("INSERT OR REPLACE INTO kept VALUES (?)", [(text,) for text in items])
        return np.array([[len(text), text.count("i"), 1 + 5 * text.startswith("win")] for text in items], np.float32)


class Wide:
    """Twenty columns, far longer than one."""

    name = "wide"

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """A hundred in one of twenty columns; nothing for an empty text."""
        return 100 * np.eye(20, dtype=np.float32)[[len(text) % 20 for text in items]] * [[bool(t)] for t in items]


class Sparse:
    """Gives a sparse matrix."""

    name = "sparse"

    def encode(self, items: Sequence[str]) -> Any:
        """One column."""
        from scipy import sparse

        return sparse.csr_matrix(np.ones((len(items), 1), np.float32))


def unit(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


# ── features ────────────────────────────────────────────────────────────────────────────────


def test_products_are_sums_of_the_likenesses_of_each_part(tmp_path: Path) -> None:
    joined = JoinedEncoder([TfidfEncoder(dims=4), Wide()])
    X = np.asarray(joined.fit(TEXTS).encode(TEXTS))
    words, wide = np.asarray(TfidfEncoder(dims=4).fit_encode(TEXTS)), unit(np.asarray(Wide().encode(TEXTS)))
    assert X.dtype == np.float32
    np.testing.assert_allclose(X @ X.T, words @ words.T + wide @ wide.T, atol=1e-5)
    assert joined.name == "tfidf+wide"
    assert not np.asarray(joined.encode([""])).any(), "what no part knows anything of has nothing"


@pytest.mark.parametrize("fit", [None, 20])
def test_both_ways_of_encoding_a_pool_agree(tmp_path: Path, fit: int | None) -> None:
    joined = JoinedEncoder([TfidfEncoder(dims=4), Wide()])
    at_once = joined.fit_encode(TEXTS, fit)
    np.testing.assert_allclose(at_once, JoinedEncoder([TfidfEncoder(dims=4), Wide()]).fit(TEXTS[:fit]).encode(TEXTS))


def test_a_copy_made_before_goes_on_as_it_was() -> None:
    import copy

    joined = JoinedEncoder([TfidfEncoder(dims=4), Wide()]).fit(TEXTS)
    before, copied = joined.encode(TEXTS[:5]), copy.copy(joined)
    joined.fit(["something else", "entirely other words", "nothing of the sort"])
    np.testing.assert_array_equal(copied.encode(TEXTS[:5]), before)


@pytest.mark.parametrize(
    ("parts", "words"),
    [([Wide()], "two encoders or more"), ([Wide(), Wide()], "each once"), ([], "two encoders or more")],
)
def test_what_cannot_stand_side_by_side(parts: list[Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        JoinedEncoder(parts)


def test_sparse_features_are_refused() -> None:
    with pytest.raises(BadInput, match="'sparse' gives sparse features"):
        JoinedEncoder([Wide(), Sparse()]).encode(TEXTS)


def test_names_side_by_side() -> None:
    assert encoders.found_by("tfidf+minilm")
    assert encoders.found_by("pair:tfidf")
    assert encoders.found_by("table")
    assert not encoders.found_by("tfidf+nonsense")
    with pytest.raises(BadInput, match="nonsense"):
        encoders.get("tfidf+nonsense")
    with pytest.raises(BadInput, match="each once"):
        encoders.get("tfidf+tfidf")


# ── later ───────────────────────────────────────────────────────────────────────────────────


def test_what_is_slow_is_put_off_and_made_up_for(tmp_path: Path) -> None:
    joined, whole = (JoinedEncoder([TfidfEncoder(dims=4), Slow(tmp_path / f"{n}.db")]) for n in range(2))
    X = joined.fit_encode(MANY, patience=50)
    assert joined.waiting
    assert X.shape == (len(MANY), 4)
    np.testing.assert_array_equal(joined.encode(MANY[:3]), X[:3])
    rounds_ = 0
    while (made := joined.encode_on(MANY, X, 70)) is None:
        rounds_ += 1
        assert joined.waiting
        assert joined.encode(["new"]).shape == (1, 4)
    assert rounds_ == 2, "180 texts, 70 at a time"
    assert not joined.waiting
    np.testing.assert_allclose(made, whole.fit_encode(MANY), atol=1e-6)
    np.testing.assert_allclose(joined.encode(MANY), made, atol=1e-6)


def test_nothing_is_put_off_where_all_is_slow_or_little_is_missing(tmp_path: Path) -> None:
    joined = JoinedEncoder([TfidfEncoder(dims=4), Slow(tmp_path / "a.db")])
    assert joined.fit_encode(TEXTS, patience=len(TEXTS) + 1).shape == (60, 7)
    assert joined.fit_encode(TEXTS, patience=1).shape == (60, 7), "all vectors are there"
    other = Slow(tmp_path / "c.db")
    other.name = "other"  # type: ignore[misc]
    assert JoinedEncoder([Slow(tmp_path / "b.db"), other]).fit_encode(TEXTS, patience=1).shape != (60, 3)


@pytest.mark.parametrize("apart", [False, True])
def test_a_session_begins_with_words_and_goes_on_with_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    encoder = JoinedEncoder([TfidfEncoder(dims=4), Slow(tmp_path / "kept.db")])
    monkeypatch.setattr(rounds, "PATIENCE", 100)
    monkeypatch.setattr(rounds, "SLICE", 100)
    pool = [f"{text} over {n}" for n in range(20) for text in MANY]  # 3,600: more than usual patience where apart
    monkeypatch.setattr(Worker, "running", True)  # there is none: it would go on when it likes
    with Session(pool, classes=["spam", "ham"], encoder=encoder, apart=apart) as session:
        trainer = session._trainer
        assert session.features().shape == (len(pool), 4)
        for query in session.ask(6):
            session.tell(query, "spam" if query.text.startswith("win") else "ham")
        assert session.refresh()
        assert not session.refresh()
        before = session.look(lambda s: s.ranking.round)
        while trainer._encode_on():
            assert session.features().shape[1] in (4, 7)
        assert session.features().shape == (len(pool), 7)
        whole = JoinedEncoder([TfidfEncoder(dims=4), Slow(tmp_path / "other.db")]).fit_encode(pool)
        np.testing.assert_allclose(session.features(), whole, atol=1e-6)
        assert session.refresh(), "the ranking is made anew, though nobody has answered since"
        assert session.look(lambda s: s.ranking.round) == before + 1
        assert not session.refresh()
        assert not trainer._encode_on()
        monkeypatch.setattr(Worker, "running", False)
        trainer.stop()
        assert session.features().shape == (len(pool), 7)


def test_what_was_put_off_is_made_where_somebody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PATIENCE", 10)
    encoder = JoinedEncoder([TfidfEncoder(dims=4), Slow(tmp_path / "kept.db")])
    monkeypatch.setattr(Worker, "running", True)
    with Session(MANY, classes=["spam", "ham"], encoder=encoder) as session:
        assert session.features().shape == (180, 4)
        monkeypatch.setattr(Worker, "running", False)
        assert session.features().shape == (180, 7), "no worker would go on with it"


def test_the_worker_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PATIENCE", 10)
    monkeypatch.setattr(rounds, "SLICE", 100)
    encoder = JoinedEncoder([TfidfEncoder(dims=4), Slow(tmp_path / "kept.db")])
    with Session(MANY, classes=["spam", "ham"], encoder=encoder) as session:
        session.start()
        end = time.monotonic() + 60
        while session.features().shape != (180, 7) or session._trainer.stale():
            assert time.monotonic() < end, "both blocks are never ranked by"
            time.sleep(0.02)


# ── a model ─────────────────────────────────────────────────────────────────────────────────


def test_a_model_of_words_alone_says_the_same_while_the_rest_is_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "PATIENCE", 10)
    encoder = JoinedEncoder([TfidfEncoder(dims=4), Slow(tmp_path / "kept.db")])
    encoder.fit_encode(MANY, patience=10)
    kept = encoders.packed(encoder)
    assert isinstance(kept, TfidfEncoder)
    np.testing.assert_allclose(encoders.unpacked(kept).encode(MANY[:9]), encoder.encode(MANY[:9]), atol=1e-6)


def test_packed_and_unpacked(tmp_path: Path) -> None:
    joined = JoinedEncoder([TfidfEncoder(dims=4), Wide()]).fit(TEXTS)
    again = encoders.unpacked(encoders.packed(joined))
    assert isinstance(again, JoinedEncoder)
    assert again.name == joined.name
    np.testing.assert_array_equal(again.encode(MANY), joined.encode(MANY))


# ── the first look ──────────────────────────────────────────────────────────────────────────


def test_the_first_questions_of_a_large_pool_come_from_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LARGE", 100)
    monkeypatch.setattr(rounds, "LOOK", 40)
    read: list[int] = []

    class Counting(TfidfEncoder):
        def fit_encode(self, items: Sequence[str], fit: int | None = None) -> Any:
            read.append(len(items))
            return super().fit_encode(items, fit)

    monkeypatch.setattr(Worker, "running", True)
    with Session(MANY, classes=["spam", "ham"], encoder=Counting(dims=4)) as session:
        assert read == [40], "nobody waits for the rest"
        first = session.look(lambda s: s.ranking.queue)
        assert len(set(first)) == 40
        assert max(first) > 60, "of all of it, not of the beginning"
        for query in session.ask(5):
            session.tell(query, "spam" if query.text.startswith("win") else "ham")
        assert session.refresh()
        assert read == [40, 180]
        assert session.look(lambda s: len(s.ranking.queue)) > 90


def test_labels_that_come_with_a_large_pool_lead_the_first_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LARGE", 100)
    monkeypatch.setattr(rounds, "LOOK", 60)
    monkeypatch.setattr(Worker, "running", True)
    given = [("spam" if text.startswith("win") else "ham") if i % 20 < 4 else None for i, text in enumerate(MANY)]
    terms = {"encoder": "tfidf", "strategy": "margin", "store": tmp_path / "s.askwise"}
    with Session(MANY, label=given, classes=["spam", "ham"], **terms) as session:
        assert session._trainer.kept.X is None, "nobody waits for the rest"
        queue, strategy, model = session.look(lambda s: (s.ranking.queue, s.ranking.strategy, s.model))
        assert (strategy, model) == ("margin", False), "a model chose, and nobody is told its guesses of a part"
        assert len(set(queue)) == 60
        assert not any(given[row] for row in queue)
        assert session.refresh()
        assert session.look(lambda s: s.model)
    assert verify(tmp_path / "s.askwise").ok


def test_where_nobody_waits_all_of_the_pool_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LARGE", 100)
    with Session(MANY, classes=["spam", "ham"], encoder="tfidf") as session:
        assert session.look(lambda s: len(s.ranking.queue)) > 90
        assert session._trainer.kept.X is not None


def test_names_lead_the_first_look_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LARGE", 100)
    monkeypatch.setattr(Worker, "running", True)
    with Session(MANY, classes=["prize", "home"], encoder="tfidf") as session:
        texts = [query.text for query in session.ask(4)]
        assert {"win" in text for text in texts} == {True, False}
        assert session.look(lambda s: "hint" in s.ranking.parts)


# ── the learner ─────────────────────────────────────────────────────────────────────────────


def two_blocks(telling: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which columns of the block number `telling` tell the classes, and those of the other are noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=600)
    blocks = [rng.normal(size=(600, 20)), rng.normal(size=(600, 30))]
    blocks[telling][:, :3] += 2.5 * (2 * y - 1)[:, None]
    return np.concatenate([unit(block) for block in blocks], 1).astype(np.float32), y


@pytest.mark.parametrize("telling", [0, 1])
def test_the_block_that_tells_gets_the_weight(telling: int) -> None:
    X, y = two_blocks(telling)
    learner = learners.named("linears")
    learner.know_blocks({"first": 20, "second": 30})
    learner.know_pool(X)
    learner.fit(X[:100], y[:100])
    weights = learner.standing()["weights"]
    alone = [sum(w for name, w in weights.items() if name.endswith(f" on {block}")) for block in ("first", "second")]
    assert alone[telling] > 5 * alone[1 - telling]
    assert (learner.predict(X[100:]) == y[100:]).mean() > 0.95


def test_few_labels_are_read_with_the_last_encoder() -> None:
    learner = learners.named("linears")
    learner.know_blocks({"first": 20, "second": 30})
    learner.fit(*two_blocks(1))
    assert learner._prior(["linear", "linear on first", "linear on second"]).round(4).tolist() == [
        0.4762,
        0.0476,
        0.4762,
    ]


def test_blocks_that_are_not_all_of_the_columns_are_refused() -> None:
    X, y = two_blocks(0)
    learner = learners.named("linears")
    learner.know_blocks({"first": 20, "second": 29})
    with pytest.raises(BadInput, match="49 columns together"):
        learner.fit(X, y)


def test_without_blocks_it_is_as_it_was_and_new_blocks_begin_anew() -> None:
    X, y = two_blocks(0)
    plain, told = learners.named("linears").fit(X[:60], y[:60]), learners.named("linears")
    told.know_blocks({"all": 50})
    np.testing.assert_array_equal(told.fit(X[:60], y[:60]).predict_proba(X), plain.predict_proba(X))
    told.know_blocks({"first": 20, "second": 30})
    assert told.standing() is None
    assert not np.array_equal(told.fit(X[:60], y[:60]).predict_proba(X), plain.predict_proba(X))
    quick = told.for_comparison().fit(X[:60], y[:60])
    assert quick.standing_.weights == told.standing_.weights, "the parts in charge, each on its block"


def test_held_out_rows_turned_into_fewer_columns_say_the_same() -> None:
    from askwise.learners.portfolio.parts import Linear

    rng = np.random.default_rng(3)
    Z, y = rng.normal(size=(40, 200)).astype(np.float32), rng.integers(3, size=40)
    for part in (Linear(3.0), Linear(3.0, each=True)):
        turned, make = part.turned(Z)
        assert turned.shape == (40, 40)
        plain = part.fit(Z[:30], y[:30], 3).proba(Z[30:])
        np.testing.assert_allclose(make().fit(turned[:30], y[:30], 3).proba(turned[30:]), plain, atol=5e-3)
