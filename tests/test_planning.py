"""What planning takes out of a session, against a reading of its state item by item."""

from __future__ import annotations

import numpy as np
import pytest

from askwise import Session, evidence

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


def slow_checks(session, truth, code=None):
    """(confidence then, wrong) of each random check, by a loop."""
    state, found = session._state, []
    for draw in state.draws:
        old = state.predictions_of(draw.round)
        if draw.row in state.answers and code in (None, old[draw.row]):
            found.append((draw.confidence, state.classes[old[draw.row]] != truth[draw.row]))
    return found


@pytest.mark.parametrize("label", [None, "b"])
def test_planning_looks_at_the_checks_as_they_were_drawn(labeled, label):
    session, truth = labeled
    _, sure = session.predictions()
    found = evidence.planning(session._state, sure, label)
    assert found.checks == slow_checks(session, truth, None if label is None else "abc".index(label))
    assert any(wrong for _, wrong in found.checks)
    assert len({sure for sure, _ in found.checks}) > 3
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
        frozen = other._state.predictions
        for query in other.ask(9):
            other.tell(query, truth[query.row])
        if other._state.open_attempt is not None:
            other.cancel_autolabel()
        other.refresh()
        _, sure = other.predictions()
        found = evidence.planning(other._state, sure)
        assert attempt.checks == 9
        wrong = [other._state.classes[frozen[row]] != truth[row] for row in attempt.order[:9].tolist()]
        its = list(zip(attempt.confidences[:9].tolist(), wrong, strict=True))
        assert found.checks == slow_checks(other, truth) + its
