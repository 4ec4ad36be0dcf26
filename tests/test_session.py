"""The loop at its door: ask, tell, refresh, estimate, verdict, autolabel, export."""

from __future__ import annotations

import csv
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askwise import Session, strategies
from askwise.core import BadInput, BadStore, Query
from askwise.pool import load_pool
from askwise.questions import SKIP_DISTANCE
from askwise.state import State

pytestmark = pytest.mark.usefixtures("linear")

TOPICS = {
    "spam": ["free prize call now", "win cash today", "urgent claim your reward", "cheap loans text back"],
    "ham": ["see you at lunch", "running late sorry", "call me when home", "thanks for the book"],
}


def texts(n: int = 240, seed: int = 0) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    found, labels = [], []
    for i in range(n):
        label = "spam" if rng.random() < 0.3 else "ham"
        found.append(f"{rng.choice(TOPICS[label])} {rng.choice(TOPICS[label])} item {i}")
        labels.append(label)
    return found, labels


def blobs(n: int = 1500, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[:, 0] += 4 * y - 2
    flip = rng.random(n) < noise
    return X, np.where(np.where(flip, 1 - y, y) == 1, "b", "a")


def answer_all(session: Session, labels: list[str] | np.ndarray, rounds: int, n: int = 5) -> None:
    for _ in range(rounds):
        for query in session.ask(n):
            session.tell(query, str(labels[query.row]))
        session.refresh()


@pytest.fixture
def session() -> Session:
    found, _ = texts()
    return Session(found, classes=["ham", "spam"], encoder="tfidf", seed=3)


# ── the loop ────────────────────────────────────────────────────────────────────────────────


def test_learns_from_a_list_of_strings() -> None:
    found, labels = texts()
    session = Session(found, classes=["ham", "spam"], encoder="tfidf")
    answer_all(session, labels, 8)
    guesses, sure = session.predictions()
    assert np.mean(np.array(guesses) == np.array(labels)) > 0.95
    assert np.all((sure >= 0) & (sure <= 1))
    assert session.counts()["labeled"] == 40
    assert session.report().human == 40


def test_refresh_without_news_does_nothing(session: Session) -> None:
    assert session.refresh() is False
    session.tell(session.ask()[0], "ham")
    assert session.refresh() is True
    assert session.refresh() is False


def test_nobody_gets_the_same_question_twice(session: Session) -> None:
    one, two = session.ask(30, annotator="ann"), session.ask(30, annotator="bob")
    rows = [q.row for q in one + two]
    assert len(set(rows)) == 60


def test_ask_runs_past_the_ranking_and_ends(session: Session) -> None:
    queries = session.ask(1000)
    assert len(queries) == 240
    assert len({q.row for q in queries}) == 240
    assert session.ask() == []
    fallback = [q for q in queries if q.strategy == "random"]
    assert fallback
    assert all(q.probability is not None for q in fallback), "a random fallback says so, with its probability"


def test_ask_and_tell_never_wait_for_training(session: Session) -> None:
    training, go_on = threading.Event(), threading.Event()

    class Slow:
        classes_ = np.array([0, 1])

        def fit(self, X, y):
            training.set()
            assert go_on.wait(30)
            return self

        def predict_proba(self, X):
            return np.full((X.shape[0], 2), 0.5)

    session._parts.learner = Slow()
    for query, label in zip(session.ask(2), ["ham", "spam"], strict=True):
        session.tell(query, label)
    session.start()
    assert training.wait(30)
    assert session.training
    query = session.ask()[0]
    session.tell(query, "ham")  # returns although fit() has not
    assert session.answers()[query.row].label == "ham"
    go_on.set()
    session.stop()


def test_what_keeps_the_worker_from_its_work_is_shown_and_raised(session: Session) -> None:
    class Broken:
        def fit(self, X, y):
            raise RuntimeError("out of cheese")

    session._parts.learner = Broken()
    for query, label in zip(session.ask(2), ["ham", "spam"], strict=True):
        session.tell(query, label)
    session.start()
    for _ in range(3000):
        if session.worker_error is not None:
            break
        time.sleep(0.01)
    assert "out of cheese" in str(session.worker_error)
    with pytest.raises(RuntimeError, match="out of cheese"):
        session.stop()


def test_class_first_seen_late_works() -> None:
    X, y = blobs(900)
    rare = np.where(X[:, 1] > 1.8, "rare", y)
    session = Session(X, seed=1)
    for query in session.ask(300):
        session.tell(query, "a" if rare[query.row] == "rare" else str(rare[query.row]))
    session.refresh()
    assert session.classes in (("a", "b"), ("b", "a"))
    for row in np.flatnonzero(rare == "rare")[:12]:
        session.tell(session.pool.ids[row], "rare")
    session.refresh()
    assert session.classes[-1] == "rare"
    assert "rare" in session.predictions()[0]


ASKABLE = [n for n in strategies.available() if strategies.get(n).task == "classification"]


@pytest.mark.parametrize("name", ASKABLE)
def test_every_strategy_for_classification_runs_a_session(name: str) -> None:
    X, y = blobs(120)
    session = Session(X, classes=["a", "b"], strategy=name)
    answer_all(session, y, 4, n=3)
    queries = session.ask(3)
    assert len({q.row for q in queries}) == 3
    assert all(q.reason.endswith(".") for q in queries)
    assert session.counts()["labeled"] == 12


def test_learner_of_the_user_is_taken_as_it_is() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = blobs(300)
    for learner in (
        RandomForestClassifier(20, random_state=0),
        make_pipeline(StandardScaler(), RandomForestClassifier(9)),
    ):
        session = Session(X, learner=learner, classes=["a", "b"])
        answer_all(session, y, 12)
        assert np.mean(np.array(session.predictions()[0]) == y) > 0.9


# ── answers of every kind ───────────────────────────────────────────────────────────────────


def test_partial_late_and_out_of_order_answers(session: Session) -> None:
    first, second = session.ask(3), session.ask(3)
    session.tell(second[1], "spam")
    session.refresh()
    session.tell(first[2], "ham")
    session.tell(first[0], "ham")
    kinds = {a.row: a.label for a in session.answers().values()}
    assert kinds == {second[1].row: "spam", first[2].row: "ham", first[0].row: "ham"}


def test_item_that_was_never_asked_can_be_told(session: Session) -> None:
    session.tell(session.pool.ids[7], "spam")
    assert session.answers()[7].strategy == "volunteered"


def test_answers_can_be_changed_and_undone_in_any_depth(session: Session) -> None:
    a, b = session.ask(2)
    session.tell(a, "ham")
    session.tell(b, "spam")
    session.tell(a, "spam")
    assert session.answers()[a.row].label == "spam"
    again = session.retract()
    assert again is not None
    assert again.row == a.row
    assert session.answers()[a.row].label == "ham"
    assert session.retract().row == b.row
    assert session.retract().row == a.row
    assert session.answers() == {}
    assert session.retract() is None


def test_undo_is_of_the_own_answers(session: Session) -> None:
    a, b = session.ask(2)
    session.tell(a, "ham", annotator="ann")
    session.tell(b, "ham", annotator="bob")
    assert session.retract(annotator="ann").row == a.row
    assert list(session.answers()) == [b.row]
    assert [h.row for h in session.history(annotator="bob")] == [b.row]


def test_skipped_item_comes_back_later(session: Session) -> None:
    query = session.ask()[0]
    session.skip(query)
    seen = []
    for _ in range(SKIP_DISTANCE):
        seen.append(session.ask()[0])
        session.tell(seen[-1], "ham" if len(seen) % 2 else "spam")
    assert query.row not in [q.row for q in seen]
    rows = [q.row for q in session.ask(1000)]
    assert query.row in rows


def test_unsure_is_not_asked_again_and_flag_keeps_the_question_open(session: Session) -> None:
    a, b = session.ask(2)
    session.unsure(a)
    session.flag(b, "odd one")
    assert a.row not in [q.row for q in session.ask(1000)]
    session.tell(b, "ham")
    report = session.report()
    assert report.unsure == 1
    assert report.flagged == ((b.item, "odd one"),)


def test_bad_input_is_named_and_leaves_the_log_alone(session: Session) -> None:
    query = session.ask()[0]
    before = session._state.seq
    with pytest.raises(BadInput, match="No label named 'spma'\\. Did you mean 'spam'"):
        session.tell(query, "spma")
    with pytest.raises(BadInput, match="No item with the id"):
        session.tell("nonsense", "ham")
    with pytest.raises(BadInput, match="empty"):
        session.tell(query, " ")
    with pytest.raises(BadInput, match="does not belong"):
        session.tell(Query("x", 10**9, "", ""), "ham")
    with pytest.raises(BadInput, match="n ≥ 1"):
        session.ask(0)
    for odd in (-1, float("nan"), float("inf")):
        with pytest.raises(BadInput, match="0 or more"):
            session.tell(query, "ham", seconds=odd)
    assert session._state.seq == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"classes": ["a"]}, "at least two"),
        ({"classes": ["a", "a"]}, "different"),
        ({"classes": "ab"}, "not one string"),
        ({"audit_share": 1.5}, "between 0 and 1"),
        ({"max_error": 0}, "between 0 and 1"),
        ({"confidence": 1}, "between 0 and 1"),
        ({"strategy": "margn"}, "Did you mean 'margin'"),
        ({"strategy": "cvirs"}, "for multilabel"),
        ({"strategy": "greedy_both"}, "for regression"),
        ({"encoder": "no_such"}, "encoder"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Session(["a b", "c d", "e f"], **arguments)


# ── input that is partly labeled, or says things twice ──────────────────────────────────────


def test_labels_that_came_with_the_data_teach_at_once(tmp_path: Path) -> None:
    found, labels = texts()
    path = tmp_path / "part.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "topic", "author"])
        writer.writerows(
            [t, label if i < 60 else "", f"a{i}"] for i, (t, label) in enumerate(zip(found, labels, strict=True))
        )
    session = Session(str(path), text="text", label="topic", encoder="tfidf")
    assert session.classes == ("ham", "spam")
    assert session.counts()["given"] == 60
    assert session.predictions()[0][0] in session.classes
    assert all(q.row >= 60 for q in session.ask(20))
    rows = session.rows()
    assert rows[0]["topic"] == labels[0]
    assert rows[0]["label"] == labels[0]
    assert rows[0]["source"] == "given"
    assert rows[100]["author"] == "a100"


def test_an_encoder_for_an_array_is_refused() -> None:
    with pytest.raises(BadInput, match="goes with texts"):
        Session(np.eye(3, dtype=np.float32), encoder="tfidf")


def test_given_label_outside_the_list_is_refused() -> None:
    with pytest.raises(BadInput, match="'maybe', which is not in the list"):
        Session(["a b", "c d"], label=["maybe", None], classes=["yes", "no"])


def test_duplicates_are_asked_once_and_exported_each() -> None:
    found, _ = texts(30)
    session = Session([*found, found[4], found[4]], classes=["ham", "spam"], encoder="tfidf")
    assert len(session.ask(100)) == 30
    session.tell(session.pool.ids[4], "spam")
    rows = session.rows()
    assert len(rows) == 32
    assert [i for i, r in enumerate(rows) if r["label"] == "spam"] == [4, 30, 31]


# ── check items and the estimate ────────────────────────────────────────────────────────────


def test_check_items_are_drawn_uniformly_blind_and_with_their_probability() -> None:
    X, y = blobs(400)
    session = Session(X, classes=["a", "b"], audit_share=0.25)
    answer_all(session, y, 4)
    asked = []
    for _ in range(40):
        query = session.ask()[0]
        eligible = int(session._state.eligible_mask.sum()) + 1
        if query.audit:
            assert query.suggestion is None
            assert query.guesses == ()
            assert query.probability == pytest.approx(1 / eligible)
            assert "check item" in query.reason
        else:
            assert query.suggestion in ("a", "b")
            assert query.probability is None
        asked.append(query)
        session.tell(query, str(y[query.row]))
    assert sum(q.audit for q in asked) == 10


def test_draws_are_uniform_over_what_is_open() -> None:
    X, y = blobs(60)
    hits = np.zeros(60)
    runs = 400
    for seed in range(runs):
        session = Session(X, classes=["a", "b"], audit_share=1.0, seed=seed, strategy="margin")
        for row in (0, 1, int(np.flatnonzero(y == "a")[2]), int(np.flatnonzero(y == "b")[2])):
            session.tell(session.pool.ids[row], str(y[row]))
        session.refresh()
        query = session.ask()[0]
        assert query.audit
        hits[query.row] += 1
    open_rows = hits > 0
    expected = runs / 56
    chi2 = float((((hits - expected) ** 2 / expected)[open_rows]).sum() + expected * (56 - open_rows.sum()))
    assert chi2 < 95  # the 99.9 % point of chi-squared with 55 degrees of freedom is 93.2


def test_answer_is_scored_before_it_is_learned() -> None:
    X, y = blobs(400)
    session = Session(X, classes=["a", "b"], audit_share=1.0)
    answer_all(session, y, 3)
    query = next(q for q in session.ask(3) if q.audit)
    guess = session._state.predictions[query.row]
    wrong_label = session.classes[1 - guess]
    session.tell(query, wrong_label)
    for _ in range(3):
        session.tell(query, wrong_label)
        session.refresh()
    draws, wrong = session._state.draw_outcomes()
    assert wrong[[d.row for d in draws].index(query.row)] is True


def test_check_item_passed_over_counts_against_the_bound_until_answered() -> None:
    X, y = blobs(600)
    session = Session(X, classes=["a", "b"], audit_share=0.5)
    answer_all(session, y, 12)
    before = session.estimate()
    queries = session.ask(20)
    query = next(q for q in queries if q.audit)
    session.skip(query)
    for other in queries:
        if other.row != query.row:
            session.tell(other, str(y[other.row]))
    skipped = session.estimate()
    _, wrong = session._state.draw_outcomes()
    assert wrong.count(None) == 1
    session.tell(query, str(y[query.row]))
    assert None not in session._state.draw_outcomes()[1]
    assert session.estimate().low > skipped.low
    assert before.audits < session.estimate().audits


def test_interval_holds_at_every_look_while_the_model_changes() -> None:
    missed = 0
    runs = 40
    for seed in range(runs):
        X, y = blobs(300, noise=0.1, seed=seed)
        session = Session(X, classes=["a", "b"], audit_share=0.3, seed=seed, strategy="margin")
        bad = False
        for _ in range(24):
            for query in session.ask(3):
                session.tell(query, str(y[query.row]))
            session.refresh()
            estimate = session.estimate()
            if estimate.accuracy is not None:
                rest = session._state.rest()
                right = (np.array(session.predictions()[0]) == y)[rest].mean()
                bad |= not (estimate.low - 1e-12 <= right <= estimate.high + 1e-12)
        missed += bad
    assert missed <= 5  # 5 % of 40 is 2; P(more than 5 | 5 %) = 1.4 %


# ── taking over ─────────────────────────────────────────────────────────────────────────────


def ready_session(n: int = 1500, noise: float = 0.0, seed: int = 0, **more) -> tuple[Session, np.ndarray]:
    X, y = blobs(n, noise, seed)
    session = Session(X, classes=["a", "b"], seed=seed, audit_share=0.4, learner="linear", **more)
    answer_all(session, y, 16)
    return session, y


def test_oracle_certifies_and_the_rest_stays_with_people() -> None:
    session, y = ready_session()
    result = session.autolabel(max_error=0.05, oracle=lambda qs: [str(y[q.row]) for q in qs])
    assert result.status == "certified"
    assert result.certificate.certified == len(result.labels)
    wrong = sum(label != y[session.pool.ids.index(item)] for item, label in result.labels.items())
    assert wrong <= 0.05 * len(result.labels)
    assert session.counts()["auto"] == len(result.labels)
    assert session.counts()["open"] == result.deferred
    sources = [r["source"] for r in session.rows()]
    assert sources.count("model") == len(result.labels)
    assert all(session.pool.ids[q.row] not in result.labels for q in session.ask(2000))
    assert session.certificates()[0].void == ""


def test_the_forecast_after_a_handover_speaks_of_what_is_left() -> None:
    session, y = ready_session(seed=2)  # in which some items are left
    result = session.autolabel(max_error=0.05, oracle=lambda qs: [str(y[q.row]) for q in qs])
    assert result
    assert session.verdict().reason == "No forecast until the model has been refreshed."
    session.refresh()
    assert f"{result.deferred} items are left" in session.verdict().reason
    session.undo_autolabel()
    assert session.verdict().labels_left is not None


def test_checks_come_blind_in_the_frozen_order_and_decide() -> None:
    session, y = ready_session()
    assert session.autolabel(max_error=0.05).status == "checking"
    order = session._state.open_attempt.order
    for expected in order[:5]:
        query = session.ask()[0]
        assert query.row == expected
        assert query.audit
        assert query.suggestion is None
        assert "Blind check" in query.reason
        session.tell(query, str(y[query.row]))
    assert session.autolabel_status().checks_done == 5
    late = session.ask(4)
    session.tell(late[3], str(y[late[3].row]))
    assert session.autolabel_status().checks_done == 5, "a gap waits"
    session.skip(late[0])
    assert session.autolabel_status().checks_done == 5
    while session.autolabel_status().status == "checking":
        queries = session.ask(3)
        assert queries, "a skipped check comes back"
        for query in queries:
            session.tell(query, str(y[query.row]))
        session.release()
    assert session.autolabel_status().status == "certified"


def test_wrong_model_is_refused_and_the_budget_of_the_attempt_is_spent() -> None:
    X, y = blobs(1500, noise=0.35, seed=2)
    session = Session(X, classes=["a", "b"], max_error=0.3)
    answer_all(session, y, 6)
    contrary = {c: session.classes[1 - i] for i, c in enumerate(session.classes)}
    guesses = session.predictions()[0]
    session._trainer.sure = np.full(1500, 0.99, np.float32)  # a learner that is sure of everything
    first = session.autolabel(oracle=lambda qs: [contrary[guesses[q.row]] for q in qs])
    assert first.status == "refused"
    assert first.checks_done > 0
    assert session.counts()["auto"] == 0
    assert session.report().attempts[0]["outcome"] == "refused"
    session._trainer.sure = np.full(1500, 0.99, np.float32)
    session._trainer.round = session._state.ranking.round
    if session.autolabel().status == "checking":
        assert session._state.attempts[1].alpha < session._state.attempts[0].alpha


def test_pool_too_small_to_be_worth_a_certificate_is_said_with_numbers() -> None:
    session, _ = ready_session(120)
    result = session.autolabel(max_error=0.02)
    assert result.status == "refused"
    assert any(ch.isdigit() for ch in result.reason)
    assert session._state.attempts == []


def test_other_numbers_during_an_attempt_are_refused_and_cancel_ends_it() -> None:
    session, _ = ready_session()
    session.autolabel(max_error=0.05)
    with pytest.raises(BadInput, match="under way"):
        session.autolabel(max_error=0.1)
    session.cancel_autolabel()
    assert session.autolabel_status().status == "refused"
    with pytest.raises(BadInput, match="No certification"):
        session.cancel_autolabel()


def test_batch_of_model_labels_can_be_taken_back() -> None:
    session, y = ready_session()
    session.autolabel(max_error=0.05, oracle=lambda qs: [str(y[q.row]) for q in qs])
    assert session.counts()["auto"] > 0
    session.undo_autolabel()
    assert session.counts()["auto"] == 0
    assert session.certificates() == []
    with pytest.raises(BadInput, match="no model labels"):
        session.undo_autolabel()


def test_changed_evidence_voids_the_certificate() -> None:
    session, y = ready_session()
    session.autolabel(max_error=0.05, oracle=lambda qs: [str(y[q.row]) for q in qs])
    attempt = session._state.attempts[0]
    row = int(attempt.order[0])
    session.tell(session.pool.ids[row], "a" if y[row] == "b" else "b")
    for row in attempt.order[1:6].tolist():
        session.unsure(session.pool.ids[row])
    certificate = session.certificates()[0]
    assert not any(row["certificate"] for row in session.rows()), "what is void is exported nowhere as a proof"
    assert certificate.void
    assert "no longer holds" in certificate.sentence
    for row in attempt.order[:6].tolist():
        session.tell(session.pool.ids[row], str(y[row]))
    assert session.certificates()[0].void == ""
    assert any(row["certificate"] for row in session.rows())


def test_certificates_are_true_against_hidden_truth() -> None:
    false = issued = 0
    for seed in range(30):
        session, y = ready_session(900, noise=0.03, seed=seed, max_error=0.1)
        result = session.autolabel(oracle=lambda qs, y=y: [str(y[q.row]) for q in qs])
        if result:
            issued += 1
            wrong = sum(label != y[session.pool.ids.index(item)] for item, label in result.labels.items())
            false += wrong > 0.1 * len(result.labels)
    assert issued >= 15
    assert false <= 4


# ── the file ────────────────────────────────────────────────────────────────────────────────


def folded(session: Session) -> State:
    state = State()
    for event in session._store.read():
        state.apply(event)
    return state


def same(a: State, b: State) -> None:
    for name in (
        "seq",
        "classes",
        "answers",
        "flags",
        "trail",
        "asks",
        "leases",
        "slots",
        "ranking",
        "points",
        "auto",
        "human",
    ):
        assert getattr(a, name) == getattr(b, name), name
    assert np.array_equal(a.eligible_mask, b.eligible_mask)
    assert np.array_equal(a.labeled_mask, b.labeled_mask)
    if a.predictions is not None:
        assert np.array_equal(a.predictions, b.predictions)


def test_reopened_session_is_the_same_session(tmp_path: Path) -> None:
    found, labels = texts()
    path = tmp_path / "s.askwise"
    with Session(found, classes=["ham", "spam"], encoder="tfidf", store=path, title="mine") as session:
        answer_all(session, labels, 4)
        query = session.ask()[0]
        session.flag(query, "hm")
        before, estimate = session._state, session.estimate()
    copy = tmp_path / "copy.askwise"
    copy.write_bytes(path.read_bytes())
    with Session.open(copy) as again:
        same(before, again._state)
        assert again.estimate() == estimate
        assert again.title == "mine"
        assert list(again.pool.contents) == found
        again.tell(query, "ham")
        again.refresh()
        assert again.predictions()[1][0] >= 0


def test_session_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    Session(["a b", "c d"], store=path, encoder="tfidf").close()
    before = path.read_bytes()
    with pytest.raises(BadStore, match="holds a session already"):
        Session(["a b", "c d"], store=path, encoder="tfidf")
    assert path.read_bytes() == before


def test_array_session_needs_its_pool_again(tmp_path: Path) -> None:
    X, y = blobs(200)
    path = tmp_path / "s.askwise"
    with Session(X, classes=["a", "b"], store=path) as session:
        answer_all(session, y, 2)
    with pytest.raises(BadInput, match="give it again as pool="):
        Session.open(path)
    with pytest.raises(BadInput, match="not the pool"):
        Session.open(path, pool=X[:100])
    with Session.open(path, pool=X) as again:
        assert again.counts()["labeled"] == 10


def test_session_of_foreign_parts_opens_for_reading_and_says_what_learning_needs(tmp_path: Path) -> None:
    from sklearn.naive_bayes import GaussianNB

    found, labels = texts(60)

    def lengths(items: list[str]) -> np.ndarray:
        return np.array([[len(t), t.count("a")] for t in items], np.float32)

    path = tmp_path / "s.askwise"
    with Session(found, classes=["ham", "spam"], encoder=lengths, learner=GaussianNB(), store=path) as session:
        answer_all(session, labels, 3)
    with Session.open(path) as again:
        assert again.report().human == 15
        assert again.export(tmp_path / "out.csv") == 60
        again.tell(again.ask()[0], "ham")
        with pytest.raises(BadInput, match=r"encoder= \(it was .*lengths\), learner= \(it was GaussianNB"):
            again.refresh()
    with Session.open(path, encoder=lengths, learner=GaussianNB()) as again:
        assert again.refresh()


def test_the_forecast_survives_answers_taken_back(tmp_path: Path) -> None:
    found, labels = texts(300)
    path = tmp_path / "s.askwise"
    with Session(found, classes=["ham", "spam"], encoder="tfidf", store=path) as session:
        answer_all(session, labels, 4)
        assert session.verdict().labels_left is not None
        for _ in range(3):
            assert session.retract() is not None
            session.refresh()
            assert session.verdict().reason
        answer_all(session, labels, 1)
        assert session.report().verdict.reason
    with Session.open(path) as again:
        again.refresh()
        assert again.verdict().reason


def test_an_answer_taken_back_does_not_return_with_a_later_one() -> None:
    session = Session(["a b", "c d", "e f"], classes=["ham", "spam"], encoder="tfidf")
    query = session.ask()[0]
    session.tell(query, "ham", annotator="ann")
    session.tell(query, "spam", annotator="bob")
    session.retract(query, annotator="ann")
    assert session.answers()[query.row].label == "spam"
    session.retract(query, annotator="bob")
    assert session.answers() == {}


def test_export_never_writes_over_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("text,n\na b,1\n,2\nc d,3\n")
    session = Session(data, text="text", classes=["ham", "spam"], encoder="tfidf")
    before = data.read_bytes()
    with pytest.raises(BadInput, match="is the data that was labeled"):
        session.export(tmp_path / "." / "data.csv")
    assert data.read_bytes() == before
    assert session.export(tmp_path / "labeled.csv") == 3  # the row that could not be loaded, too


def test_another_array_with_the_same_ids_is_not_the_same_pool(tmp_path: Path) -> None:
    X, _ = blobs(40)
    names = [f"item {i}" for i in range(len(X))]
    path = tmp_path / "s.askwise"
    Session(X, id=names, classes=["a", "b"], store=path).close()
    with pytest.raises(BadInput, match="not the pool"):
        Session.open(path, pool=load_pool(X + 1, id=names))
    Session.open(path, pool=load_pool(X, id=names)).close()


def test_what_is_unsure_is_not_called_decided() -> None:
    session = Session(["a b", "c d", "e f"], classes=["ham", "spam"], encoder="tfidf")
    queries = session.ask(3)
    session.tell(queries[0], "ham")
    session.tell(queries[1], "spam")
    session.unsure(queries[2])
    assert session.verdict().reason == (
        "Every item has an answer or a label by the model. 1 marked unsure without a label."
    )
    assert "decided" not in session.estimate().sentence


def test_a_missing_label_makes_no_class_and_spaces_make_no_second_one() -> None:
    session = Session(["a b", "c d", "e f", "g h"], encoder="tfidf")
    queries = session.ask(4)
    for nothing in (None, float("nan"), "", "  "):
        with pytest.raises(BadInput, match="empty or no name"):
            session.tell(queries[0], nothing)  # type: ignore[arg-type]
    session.tell(queries[0], "ham")
    session.tell(queries[1], " ham ")
    session.tell(queries[2], 1.0)  # type: ignore[arg-type]
    session.tell(queries[3], 1)  # type: ignore[arg-type]
    assert session.classes == ("ham", "1")


def test_reopening_with_another_encoder_or_learner_is_refused(tmp_path: Path) -> None:
    from sklearn.naive_bayes import GaussianNB

    path = tmp_path / "s.askwise"
    Session(["a b", "c d", "e f"], encoder="tfidf", store=path).close()
    before = path.read_bytes()
    with pytest.raises(BadInput, match="started with the encoder tfidf"):
        Session.open(path, encoder=lambda texts: np.zeros((len(texts), 2)))
    with pytest.raises(BadInput, match="started with the learner SoftmaxRegression"):
        Session.open(path, learner=GaussianNB())
    assert path.read_bytes() == before
    Session.open(path, encoder="tfidf").close()


def test_two_sessions_on_one_file_see_each_other(tmp_path: Path) -> None:
    found, _ = texts(40)
    path = tmp_path / "s.askwise"
    one = Session(found, classes=["ham", "spam"], encoder="tfidf", store=path)
    two = Session.open(path)
    a = one.ask(3, annotator="ann")
    b = two.ask(3, annotator="bob")
    assert not {q.row for q in a} & {q.row for q in b}
    one.tell(a[0], "ham", annotator="ann")
    two.tell(b[0], "spam", annotator="bob")
    one.tell(a[1], "spam", annotator="ann")
    assert len(one.answers()) == 3
    one.close()
    two.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["ask", "tell", "skip", "unsure", "retract", "refresh", "release", "late"]),
                          st.integers(0, 5), st.sampled_from(["ann", "bob"])), max_size=40))  # fmt: skip
def test_any_sequence_of_verbs_folds_to_the_same_state(verbs: list[tuple[str, int, str]]) -> None:
    X, _ = blobs(40)
    session = Session(X, classes=["a", "b"], audit_share=0.3)
    hand: list[Query] = []
    for verb, k, who in verbs:
        if verb == "ask":
            hand += session.ask(k + 1, annotator=who)
        elif verb == "refresh":
            session.refresh()
        elif verb == "release":
            session.release(annotator=who)
        elif verb == "retract":
            session.retract(annotator=who)
        elif verb == "late":
            session.tell(session.pool.ids[k], "ab"[k % 2], annotator=who)
        elif hand:
            query = hand.pop(k % len(hand))
            if verb == "tell":
                session.tell(query, "ab"[k % 2], annotator=who)
            else:
                getattr(session, verb)(query, annotator=who)
    state = session._state
    same(folded(session), state)
    answers = state.answers
    assert state.human == sum(a.kind == "label" for a in answers.values())
    expected = [r not in state.leases and (r not in answers or answers[r].kind == "skip") for r in range(40)]
    assert state.eligible_mask.tolist() == expected
    assert state.labeled_mask.tolist() == [r in answers and answers[r].kind == "label" for r in range(40)]
    for draw in state.draws:
        assert np.unpackbits(draw.eligible)[draw.row] == 1


# ── export ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_export_holds_what_is_known(suffix: str, tmp_path: Path) -> None:
    found, labels = texts(60)
    session = Session(found, classes=["ham", "spam"], encoder="tfidf")
    answer_all(session, labels, 4)
    path = tmp_path / f"out.{suffix}"
    assert session.export(path) == 60
    if suffix == "parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(path).to_pylist()
    elif suffix == "jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="," if suffix == "csv" else "\t"))
    assert [r["text"] for r in rows] == found
    assert sum(r["source"] == "human" for r in rows) == 20
    for name in ("item", "label", "confidence", "annotator", "round", "probability", "model_version", "model_guess"):
        assert name in rows[0]
    assert session._store.read()[-1].kind == "exported"


def test_unknown_ending_and_folder_are_refused(session: Session, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="allowed endings"):
        session.export(tmp_path / "out.xls")
    with pytest.raises(BadInput, match="choose another folder"):
        session.export(tmp_path / "none" / "out.csv")


def test_columns_of_the_input_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text,label,item\n" + "".join(f"word{i} other,old{i},x{i}\n" for i in range(5)))
    session = Session(str(path), text="text", classes=["a", "b"], encoder="tfidf")
    session.tell(session.pool.ids[2], "b")
    row = session.rows()[2]
    assert row["label"] == "old2"
    assert row["item"] == "x2"
    assert row["askwise_label"] == "b"


def test_nearest_labeled_items(session: Session) -> None:
    found = list(session.pool.contents)
    for row in range(6):
        session.tell(session.pool.ids[row], "ham")
    nearest = session.nearest(2, k=3)
    assert len(nearest) == 3
    assert all(row != 2 and row < 6 and label == "ham" for row, label, _ in nearest)
    assert [s for _, _, s in nearest] == sorted((s for _, _, s in nearest), reverse=True)
    assert found
