"""What planning takes out of a session, against a reading of its state item by item."""

from __future__ import annotations

import numpy as np
import pytest

from askwise import Session, audit, evidence

pytestmark = pytest.mark.usefixtures("linear")


@pytest.fixture(scope="module")
def labeled() -> tuple[Session, list[str]]:
    """A session of 100 labels, whose model was wrong at some of its random checks."""
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.normal(center, 1.2, (150, 5)) for center in (0, 1.5, 3)]).astype(np.float32)
    truth = [name for name in "abc" for _ in range(150)]
    session = Session(X, classes=["a", "b", "c"], seed=1, audit_share=0.4, max_error=0.1)
    for _ in range(10):
        for query in session.ask(10):
            session.tell(query, truth[query.row])
        session.refresh()
    return session, truth


def slow_planning(session, sure, truth, code=None):
    """(doubted, wrong, changed), by loops."""
    state = session._state
    now = state.predictions
    left = [row for row in range(state.n) if row not in state.answers and (code is None or now[row] == code)]
    confidence = [min(max(float(sure[row]), 0.0), 1.0) for row in left]
    plain = [max(1 - c, 1e-6) for c in confidence]
    doubt = {row: 0.97 * d + 0.03 * sum(plain) / len(plain) for row, d in zip(left, plain, strict=True)}
    doubted, wrong, half = 0.0, [], None
    codes = [state.classes.index(name) for name in truth]
    seqs = sorted(answer.seq for answer in state.answers.values())
    for draw in state.draws:
        old = state.predictions_of(draw.round)
        if draw.row not in state.answers or (code is not None and old[draw.row] != code):
            continue
        doubted += sum(doubt.values()) / len(doubt)
        members = np.flatnonzero(np.unpackbits(draw.eligible, count=state.n)).tolist()
        if sum(seq < draw.seq for seq in seqs) <= len(seqs) / 2:
            half = old
        if old[draw.row] == codes[draw.row]:
            continue
        stayed = [row for row in members if row in doubt]
        told = [row for row in members if row in state.answers and (code is None or old[row] == code)]
        mended = sum(old[row] != codes[row] for row in told) / (len(told) + len(stayed))
        gained = [max(0, 2 * float(sure[row]) - 1) if old[row] != now[row] else 0.0 for row in stayed]
        wrong.append((sum(doubt[row] for row in stayed) / len(stayed), mended + sum(gained) / len(stayed)))
    changed = None if half is None else sum(half[row] != now[row] for row in left) / len(left)
    return doubted, wrong, changed


@pytest.mark.parametrize("label", [None, "b"])
def test_planning_counts_what_checks_say_today(labeled, label):
    session, truth = labeled
    _, sure = session.predictions()
    found = evidence.planning(session._state, sure, label)
    doubted, wrong, changed = slow_planning(session, sure, truth, None if label is None else "abc".index(label))
    assert wrong  # some were
    assert any(since > 0 for _, since in wrong)
    assert found.doubted == pytest.approx(doubted, rel=1e-5)
    assert np.array(found.wrong) == pytest.approx(np.array(wrong), rel=1e-5)
    assert found.changed == pytest.approx(changed)
    assert len(found.rows) == len(found.confidence)


def test_an_attempt_that_failed_is_evidence_too(labeled):
    session, truth = labeled
    with Session(session.pool, classes=["a", "b", "c"], seed=1, audit_share=0.4, max_error=0.3) as other:
        for _ in range(10):
            for query in other.ask(10):
                other.tell(query, truth[query.row])
            other.refresh()
        other.autolabel()
        attempt = other._state.open_attempt
        assert attempt is not None
        for query in other.ask(9):
            other.tell(query, truth[query.row])
        if other._state.open_attempt is not None:
            other.cancel_autolabel()
        other.refresh()
        _, sure = other.predictions()
        found = evidence.planning(other._state, sure)
        without, _, _ = slow_planning(other, sure, truth)
        doubt = audit.doubts(np.clip(sure[found.rows], 0, 1))
        inside = doubt[np.isin(found.rows, attempt.order)].mean()
        assert found.doubted == pytest.approx(without + attempt.checks * inside, rel=1e-5)
        assert attempt.checks == 9
