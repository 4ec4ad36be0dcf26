"""The plain estimate: fitted as the likeliest does, what the log holds of it, and what becomes of forged numbers."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.optimize import minimize

from askwise import Session, audit, learners
from askwise.audit import plain
from askwise.core import ContractError
from askwise.learners import SoftmaxRegression
from askwise.state import BY_CONFIDENCE
from askwise.verification import verify

CHANCES = some.floats(0.01, 0.999)


def slowly(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The likeliest offset and logarithm of the slope, by a library."""

    def loss(t: np.ndarray) -> float:
        u = t[0] + np.exp(t[1]) * x
        return float(np.logaddexp(0, u).sum() - z @ u + t @ t / 2)

    starts = [np.array([a, b]) for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0)]
    found = [minimize(loss, t, method="BFGS", options={"gtol": 1e-9}) for t in starts]
    return np.asarray(min(found, key=lambda one: one.fun).x)


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(CHANCES, some.booleans()), max_size=40))
def test_offset_and_slope_are_the_likeliest(checks: list[tuple[float, bool]]) -> None:
    x = plain.log_odds([confidence for confidence, _ in checks])
    z = np.array([right for _, right in checks], float)
    offset, slope = plain.fitted(x, z)

    def loss(a: float, b: float) -> float:
        u = a + np.exp(b) * x
        return float(np.logaddexp(0, u).sum() - z @ u + (a * a + b * b) / 2)

    assert loss(offset, np.log(slope)) <= loss(*slowly(x, z)) + 1e-6


def test_without_checks_the_models_own_word_stands() -> None:
    sure = np.full(1000, 0.93)
    assert plain.share_right([], [], plain.counted(sure)) == pytest.approx(0.93, abs=0.01)
    assert plain.share_right([0.9], [True], []) is None


@pytest.mark.parametrize("bias", [-1.5, 0.0, 1.0])
@pytest.mark.parametrize("slope", [0.4, 1.0, 2.0])
def test_a_model_that_is_too_sure_is_mended_by_its_checks(bias: float, slope: float) -> None:
    """Of 300 checks the estimate is within four points of the truth, whichever way the model is wrong about itself."""
    off = []
    for seed in range(20):
        rng = np.random.default_rng([seed, 3])
        said = 1 / (1 + np.exp(-rng.normal(1.5, 1.5, 5000)))
        chance = 1 / (1 + np.exp(-(bias + slope * plain.log_odds(said))))
        right = rng.random(5000) < chance
        rest = plain.counted(said[300:])
        found = plain.share_right(said[:300], right[:300], rest)
        assert found is not None
        off.append(found - right[300:].mean())
    assert abs(np.mean(off)) < 0.015
    assert np.abs(off).max() < 0.08


def test_counts_are_of_every_confidence() -> None:
    sure = np.random.default_rng(0).random(777)
    bins = plain.counted(np.concatenate([sure, [0.0, 1.0]]))
    assert sum(count for _, count in bins) == 779
    assert [at for at, _ in bins] == sorted({at for at, _ in bins})
    assert max(at for at, _ in bins) <= len(audit.EDGES)


# ── learners ────────────────────────────────────────────────────────────────────────────────


def blobs(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    X = rng.normal(size=(n, 6)) + 1.2 * np.eye(3, 6)[y]
    return X.astype(np.float32), y


@pytest.mark.parametrize("name", ["linear", "portfolio"])
def test_a_learner_says_what_it_thought_of_labels_it_had_not_seen(name: str) -> None:
    X, y = blobs(400)
    learner = learners.named(name)
    if name == "portfolio":
        learner.know_pool(X)
    learner.fit(X[:120], y[:120])
    rows, P = learner.held_out()
    assert P.shape == (len(rows), 3)
    np.testing.assert_allclose(P.sum(1), 1, atol=1e-5)
    held = (np.asarray(learner.classes_)[P.argmax(1)] == y[rows]).mean()
    seen = (learner.predict(X[:120]) == y[:120]).mean()
    unseen = (learner.predict(X[120:]) == y[120:]).mean()
    assert abs(held - unseen) < 0.17, "of 120 labels the standard error is 0.04"
    assert held <= seen + 0.02
    learner.fit(X[:121], y[:121])
    assert learner.held_out() is None, "nothing new was held out"


def test_without_calibration_nothing_is_held_out() -> None:
    X, y = blobs(60)
    assert SoftmaxRegression(calibrate=False).fit(X, y).held_out() is None
    assert SoftmaxRegression().fit(X[:6], y[:6]).held_out() is None, "too few"


@pytest.mark.parametrize("said", [([0, 1], np.ones((3, 3))), ([0, 999], np.ones((2, 3))), ([0], np.ones((1, 2)))])
def test_what_is_held_out_must_fit(said: Any) -> None:
    class Odd(SoftmaxRegression):
        def held_out(self) -> Any:
            return said

    with pytest.raises(ContractError, match="held_out"):
        begun(None, 20, learner=Odd())


# ── sessions ────────────────────────────────────────────────────────────────────────────────


def answered(session: Session, y: np.ndarray, n: int) -> None:
    for _ in range(n):
        for query in session.ask():
            session.tell(query, str(y[query.row]))
        session.refresh()


def begun(path: Path | None, n: int = 60, **more: Any) -> Session:
    X, y = blobs(500)
    terms = {"classes": ["0", "1", "2"], "learner": "linear", "audit_share": 0.4, "store": path, **more}
    session = Session(X, **terms)
    answered(session, y, n)
    return session


def test_the_estimate_rests_on_how_sure_the_model_is(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    with begun(path) as session:
        word = session.look(lambda s: s.word)
        draws, wrong = session.look(lambda s: s.draw_outcomes())
        assert sum(count for _, count in word.sure) == session.estimate().rest
        assert set(word.held) <= {draw.row for draw in draws}
        assert len(word.held) > 5
        sure, right = [], []
        for draw, bad in zip(draws, wrong, strict=True):
            if draw.row in word.held:
                code, confidence = word.held[draw.row]
                sure.append(confidence)
                right.append(session.classes[code] == session.answers()[draw.row].label)
            elif bad is not None:
                sure.append(draw.confidence)
                right.append(not bad)
        estimate = session.estimate()
        due = audit.share_right(sure, right, word.sure)
        assert estimate.accuracy == pytest.approx(min(max(due, estimate.low), estimate.high), abs=1e-12)
    assert verify(path).ok
    with Session.open(path, pool=blobs(500)[0]) as again:
        assert again.estimate() == estimate


def events(path: Path, kind: str) -> list[tuple[int, dict[str, Any]]]:
    with sqlite3.connect(path) as file:
        return [
            (seq, json.loads(data)) for seq, data in file.execute(f"SELECT seq, data FROM events WHERE kind = '{kind}'")
        ]


def test_a_session_of_an_earlier_version_goes_on_as_it_was() -> None:
    with begun(None, 40) as session:
        assert session.look(lambda s: s.opened["estimate"]) == BY_CONFIDENCE
        session._state.opened.pop("estimate")
        session._state.word = None
        _, wrong = session.look(lambda s: s.draw_outcomes())
        answered_ = [bool(w) for w in wrong if w is not None][-audit.RECENT :]
        due = 1 - (sum(answered_) + 0.5) / (len(answered_) + 1)
        estimate = session.estimate()
        assert estimate.accuracy == pytest.approx(min(max(due, estimate.low), estimate.high))
        answered(session, blobs(500)[1], 2)
        assert session.look(lambda s: s.word) is None


def test_sets_are_estimated_by_the_checks_of_their_time() -> None:
    """Learners of sets hold nothing out; a check counts by what was guessed when it was drawn."""
    texts = [f"{'red ' if i % 2 else ''}{'round ' if i % 3 else ''}thing {i}" for i in range(200)]
    names = ["red", "round"]
    with Session(texts, classes=names, multilabel=True, encoder="tfidf", audit_share=0.5) as session:
        for _ in range(50):
            for query in session.ask():
                session.tell(query, [name for name in names if name in query.text])
            session.refresh()
        word = session.look(lambda s: s.word)
        assert word.held == {}
        assert word.sure
        estimate = session.estimate()
        assert estimate.low <= estimate.accuracy <= estimate.high
