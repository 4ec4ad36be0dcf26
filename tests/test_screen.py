"""Searching for rare items: sessions with a recall to reach, the command, replays."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from askwise import audit, cli, screening
from askwise.core import BadInput, Query
from askwise.pool import load_pool
from askwise.report import headline, to_html, to_text
from askwise.session import Session
from askwise.simulation import screening as replays
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

WORDS = ("soil", "river", "cloud", "bridge", "market", "engine", "garden", "letter", "winter", "copper", "signal")


def records(n: int = 240, every: int = 8) -> tuple[list[str], list[str]]:
    """Texts of which every eighth is relevant and says so in one of three ways, with their labels."""
    rng = random.Random(1)
    texts, labels = [], []
    for i in range(n):
        hit = i % every == 3
        topic = rng.choice(["nudging", "default options", "choice design"] if hit else ["steel", "crops", "tax law"])
        texts.append(f"{topic} {' '.join(rng.sample(WORDS, 4))} {i}")
        labels.append("yes" if hit else "no")
    return texts, labels


def search(texts: list[str], **options: object) -> Session:
    more: dict = {"seed": 1, "recall": 0.9, "relevant": "yes", "classes": ["yes", "no"], "audit_share": 0.1} | options
    return Session(texts, **more)


def answer(session: Session, labels: list[str], n: int, step: int = 5) -> None:
    for _ in range(0, n, step):
        for query in session.ask(step):
            session.tell(query, labels[query.row])
        session.refresh()


def oracle(labels: list[str]) -> Callable[[list[Query]], list[str]]:
    return lambda queries: [labels[q.row] for q in queries]


@pytest.fixture
def pile() -> tuple[list[str], list[str]]:
    return records()


def until_ready(session: Session, labels: list[str]) -> None:
    for _ in range(60):
        if session.verdict().ready:
            return
        answer(session, labels, 5)
    raise AssertionError("never ready")


# ── a session with a goal ───────────────────────────────────────────────────────────────────


def test_a_search_finds_finishes_and_leaves_the_rest(pile):
    texts, labels = pile
    session = search(texts)
    until_ready(session, labels)
    now = session.recall()
    assert now.found == 30
    assert not now.reached
    assert 0 <= now.low <= now.low_if_ranked < 1
    assert "random order" in session.verdict().reason
    done = session.autolabel(oracle=oracle(labels))
    assert done.status == "certified"
    assert done.certificate.target == "recall"
    assert "at least 90% of all" in done.certificate.sentence
    now = session.recall()
    assert now.reached
    assert now.low >= 0.9
    left = [r for r in session.rows() if r["source"] == "model"]
    assert len(left) == now.unread == done.certificate.certified > 20
    assert {r["label"] for r in left} == {"no"}
    assert session.verdict().ready
    assert session.ask(1) == []


def test_relevant_items_come_first(pile):
    texts, labels = pile
    session = search(texts, audit_share=0.0)
    answer(session, labels, 80)
    assert session.recall().found >= 24  # of 30; at random it would be 10


def test_the_class_that_is_searched_may_have_any_place(pile):
    texts, labels = pile
    for classes in (["yes", "no"], ["no", "yes"]):
        session = search(texts, classes=classes, audit_share=0.0)
        answer(session, labels, 60)
        assert session.recall().found >= 20


def test_a_reopened_search_goes_on_the_same_way(pile, tmp_path):
    texts, labels = pile
    path = tmp_path / "s.askwise"
    with search(texts, store=path, first=[5, 6]) as session:
        assert [q.row for q in session.ask(2)] == [5, 6]
        answer(session, labels, 60)
        before, said = session.recall(), session.verdict()
    with Session.open(path) as again:
        assert again.recall() == before
        assert again.verdict() == said
        for query in again.ask(5):
            again.tell(query, labels[query.row])
        assert again.refresh()
        assert again.recall().read == before.read + 5
        assert [q.strategy for q in again.ask(3)][-1] in ("relevance", "audit")


def test_the_log_proves_the_stop(pile, tmp_path):
    texts, labels = pile
    path = tmp_path / "s.askwise"
    with search(texts, store=path) as session:
        until_ready(session, labels)
        assert session.autolabel(oracle=oracle(labels)).status == "certified"
    assert verify(path).ok


def test_changed_answers_void_the_proof(pile):
    texts, labels = pile
    session = search(texts)
    until_ready(session, labels)
    session.autolabel(oracle=oracle(labels))
    found = next(a for a in session.answers().values() if a.label == "yes")
    session.tell(session.pool.ids[found.row], "no")
    (certificate,) = session.certificates()
    assert "fewer" in certificate.void
    assert not session.recall().reached


def test_unsure_is_read_but_not_found(pile):
    texts, labels = pile
    session = search(texts)
    answer(session, labels, 40)
    before = session.recall()
    session.unsure(session.ask(1)[0])
    now = session.recall()
    assert (now.found, now.read, now.dry) == (before.found, before.read + 1, 0)


def test_labels_that_came_with_the_data_count(pile):
    texts, labels = pile
    session = search(texts, label=[v if i < 40 else None for i, v in enumerate(labels)])
    now = session.recall()
    assert (now.found, now.read, now.dry) == (5, 40, 0)
    assert session.refresh() is False  # learned from them at once
    answer(session, labels, 20)
    assert session.recall().found > 12


def test_a_search_that_cannot_be_finished_says_why(pile):
    session = search(pile[0])
    assert session.recall().sentence == "No relevant item among 0 read; 240 are unread."
    assert session.autolabel().status == "refused"
    assert "no relevant" in session.autolabel().reason


def test_the_bound_holds_over_whole_searches():
    """Through real sessions: how often is the proven bound, or a certificate, ever wrong?"""
    rng = np.random.default_rng(0)
    wrong = runs = 0
    for seed in range(12):
        y = rng.permutation(np.arange(90) < 12)
        X = rng.normal(size=(90, 3)).astype(np.float32)  # the ranking is worth nothing
        labels = ["yes" if v else "no" for v in y]
        session = Session(
            X, classes=["yes", "no"], recall=0.7, relevant="yes", audit_share=0.5, seed=seed, confidence=0.8
        )
        ever = False
        for _ in range(9):
            answer(session, labels, 5)
            now = session.recall()
            ever |= now.low > now.found / 12
        if session.autolabel(oracle=oracle(labels)).status == "certified":
            ever |= session.recall().found < 0.7 * 12
        wrong, runs = wrong + ever, runs + 1
    assert wrong / runs <= 0.5  # 20 % each for bound and certificate, and 12 runs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recall": 1.0}, "strictly between 0 and 1"),
        ({"relevant": "maybe"}, "relevant="),
        ({"classes": ["yes", "no", "perhaps"]}, "two classes"),
        ({"recall": None}, "go with recall="),
    ],
)
def test_goals_that_make_no_sense_are_refused(pile, options, message):
    with pytest.raises(BadInput, match=message):
        search(pile[0], **options)


def test_the_terms_of_a_search_are_set_at_its_start(pile):
    session = search(pile[0])
    for terms in ({"max_error": 0.05}, {"confidence": 0.9}):
        with pytest.raises(BadInput, match="This is a search"):
            session.autolabel(**terms)


def test_given_rows_come_first_however_many_are_asked(pile):
    texts, labels = pile
    session = search(texts, first=[7, 3, 11], audit_share=0.0)
    assert [session.ask(1)[0].row for _ in range(3)] == [7, 3, 11]
    session = search(texts, first=[7, 3, 11], audit_share=0.0)
    answer(session, labels, 4, step=4)
    assert {7, 3, 11} < set(session.answers())


def test_other_sessions_know_nothing_of_recall():
    session = Session(["a", "b", "c"], classes=["x", "y"])
    assert session.recall() is None
    assert session.report().recall is None


def test_the_report_says_where_the_search_stands(pile):
    texts, labels = pile
    session = search(texts)
    answer(session, labels, 60)
    assert headline(session.report()) == session.recall().sentence
    until_ready(session, labels)
    session.autolabel(oracle=oracle(labels))
    report = session.report()
    assert headline(report) == report.certificates[0].sentence
    assert "at least 90% of all" in to_html(report)
    assert "relevant items" in " ".join(to_text(report).split())


def test_sentences_never_overstate():
    now = screening.Recall(0.95, 0.95, 57, 100, 100, 0.899999, 20, 0.949, False, False, None, 3)
    assert "at least 89% of all" in now.sentence
    assert "at least 94% if" in now.sentence
    assert "too few" in replace(now, low=0.001, low_if_ranked=0.002).sentence
    assert "everything is read" in replace(now, unread=0).sentence


# ── parts ───────────────────────────────────────────────────────────────────────────────────


def test_the_screener_weighs_the_few_as_much_as_told():
    from sklearn.svm import LinearSVC

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), np.array([0] * 54 + [1] * 6)
    ours = screening.LinearScreener(1).fit(X, y)
    # ASReview's weights: 1 for each relevant record, n1 / (9.8 n0) for the others, then a mean of one
    weights = np.where(y == 1, 1.0, 6 / (9.8 * 54))
    theirs = LinearSVC(C=0.11, random_state=0).fit(X, y, sample_weight=weights * 60 / weights.sum())
    p = ours.predict_proba(X)
    assert np.allclose(p.sum(1), 1)
    assert np.array_equal(np.argsort(p[:, 1]), np.argsort(theirs.decision_function(X)))
    swapped = screening.LinearScreener(0).fit(X, 1 - y).predict_proba(X)
    assert np.allclose(swapped[:, 0], p[:, 1], atol=1e-3)


def test_words_are_sparse_and_one_text_is_enough():
    X = screening.WordsEncoder().encode(["a plain text", "another text", "a third one"])
    assert hasattr(X, "tocsr")
    assert X.shape[0] == 3
    assert screening.WordsEncoder().encode(["alone"]).shape[0] == 1


def test_closest_finds_what_shares_words():
    assert screening.closest(["steel beams", "nudging people", "people and steel"], "nudging people") == [1, 2]
    assert screening.closest(["steel"], "nudging") == []


@pytest.mark.parametrize(
    ("relevant", "irrelevant", "given", "expected"),
    [
        (None, None, [], ("relevant", "irrelevant")),
        ("1", None, ["0", "1", "0"], ("1", "0")),
        ("1", None, ["0"], ("1", "0")),
        ("1", None, [], ("1", "0")),
        ("in", "out", ["in"], ("in", "out")),
    ],
)
def test_two_classes(relevant, irrelevant, given, expected):
    assert screening.two_classes(relevant, irrelevant, given) == expected


@pytest.mark.parametrize(
    ("relevant", "irrelevant", "given", "message"),
    [
        (None, None, ["0", "1"], "relevant="),
        ("1", None, ["0", "1", "2"], "more than"),
        ("1", "1", [], "different"),
    ],
)
def test_two_classes_refused(relevant, irrelevant, given, message):
    with pytest.raises(BadInput, match=message):
        screening.two_classes(relevant, irrelevant, given)


def test_several_columns_make_one_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("title,abstract,n\nOne,first,1\nTwo,,2\n,,3\n")
    pool = load_pool(path, text=["title", "abstract"])
    assert pool.contents == ["One\n\nfirst", "Two"]
    assert len(pool.problems) == 1
    assert screening.text_columns(path) == ["title", "abstract"]
    with pytest.raises(BadInput, match="titel"):
        load_pool(path, text=["titel", "abstract"])
    with pytest.raises(BadInput, match="names no column"):
        load_pool(path, text=[])
    path.write_text("text,n\nOne,1\n")
    assert screening.text_columns(path) is None


# ── the command ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def table(tmp_path: Path, pile) -> Path:
    path = tmp_path / "records.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["title", "abstract", "included"])
        rows.writerows([" ".join(t.split()[:3]), t, int(v == "yes")] for t, v in zip(*pile, strict=True))
    return path


def run(*args: str, keys: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, list(args), input=keys)
    return done.exit_code, done.output if not isinstance(done.exception, BadInput) else str(done.exception)


def test_screening_in_the_terminal_and_going_on(table, tmp_path):
    code, said = run(
        "screen", str(table), "--relevant", "1", "--recall", "0.9", "--query", "nudging", "--terminal", keys="1010q"
    )
    assert code == 0, said
    assert "4 answers recorded" in said
    assert "2 relevant items among 4 read" in said
    path = tmp_path / "records.askwise"
    code, said = run("screen", str(path), "--terminal", keys="0q")
    assert "among 5 read" in said
    code, said = run("screen", str(path), "--relevant", "1", "--terminal", keys="q")
    assert code != 0
    assert "--relevant cannot change" in said
    code, said = run("report", str(path), "--json")
    assert json.loads(said)["recall"]["found"] == 2


def test_what_an_earlier_search_was_set_to_stays(table, tmp_path):
    start = ("screen", str(table), "--relevant", "1", "--terminal")
    assert run(*start, "--recall", "0.9", keys="q")[0] == 0
    assert run(*start, "--recall", "0.9", keys="q")[0] == 0
    for option in (("--recall", "0.8"), ("--query", "steel"), ("--checks", "0.5")):
        code, said = run(*start, *option, keys="q")
        assert code != 0
        assert f"{option[0]} cannot change" in said
    other = tmp_path / "other.askwise"
    Session(load_pool(table, text=["title", "abstract"]), classes=["1", "0"], store=other).close()
    code, said = run(*start, "--session", str(other), keys="q")
    assert "no search" in said


def test_the_terminal_offers_the_checks(table):
    _, said = run("screen", str(table), "--relevant", "1", "--terminal", keys="1212cnq")
    assert "unread in random order" in said


def test_replaying_a_labeled_file(table, tmp_path):
    out = tmp_path / "plots"
    code, said = run(
        "screen",
        str(table),
        "--relevant",
        "1",
        "--label",
        "included",
        "--recall",
        "0.9",
        "--simulate",
        "--out",
        str(out),
    )
    assert code == 0, said
    assert "240 items, 30 of them relevant." in said
    assert said.count("true recall") == 2
    assert (out / "recall.svg").read_text().startswith("<?xml")
    last = (out / "recall.csv").read_text().splitlines()[-1].split(",")
    assert int(last[1]) >= 27


def test_a_replay_needs_every_label(table):
    pool = load_pool(table, text=["title", "abstract"])
    with pytest.raises(BadInput, match="a label for every item"):
        replays.replay(pool, ("1", "0"))


def test_replays_end_where_the_plan_says(pile):
    texts, labels = pile
    found = replays.replay(load_pool(texts, label=labels), ("yes", "no"), recall=0.9, audit_share=0.0)
    checks, ranking = found.endings
    assert found.advised is not None
    assert checks.stopped
    assert checks.recall >= 0.9
    assert checks.read >= found.advised + audit.recall_plan(240 - found.advised, 30, 0.9, 0.03).first
    assert ranking.recall >= 0.9
    assert found.curve[-1] == (ranking.read, 30)


# ── a search that is begun by a session ─────────────────────────────────────────────────────


def begun_with(pile, **options):
    texts, labels = pile
    session = Session(texts, seed=1, encoder="tfidf", title="Mail", **options)
    for query in session.ask(40):
        session.tell(query, labels[query.row])
    return session, labels


def test_what_people_said_in_a_session_begins_a_search(pile):
    session, labels = begun_with(pile)
    [odd] = session.ask(1)
    session.unsure(odd)
    before = session.look(lambda s: s.seq)
    found = session.search("yes", recall=0.9)
    assert session.look(lambda s: s.seq) == before, "the session is not changed"
    now = found.recall()
    told = {row: labels[row] for row in range(len(labels)) if session._state.label_of(row)}
    assert (now.target, now.read, now.found) == (0.9, 40, sum(label == "yes" for label in told.values()))
    assert (found.title, found.classes) == ("Mail", ("yes", "no"))
    until_ready(found, labels)
    assert found.autolabel(oracle=oracle(labels)).status == "certified"
    everything = {row: found._state.label_of(row) for row in range(len(labels))}
    known = sum(label == "yes" for label in everything.values())
    assert known >= 0.9 * labels.count("yes")
    assert verify(found._store.read()).ok


def test_what_the_model_labeled_is_unread_and_other_labels_are_one(pile):
    texts, labels = pile
    three = [label if label == "yes" else "no" if row % 2 else "never" for row, label in enumerate(labels)]
    session, _ = begun_with((texts, three), classes=["yes", "no", "never"])
    found = session.search("yes")
    assert set(found.classes) == {"yes", "other"}
    assert found.recall().read == 40


def test_a_search_that_no_session_can_begin_says_why(pile):
    texts, _ = pile
    session, _ = begun_with(pile)
    with pytest.raises(BadInput, match="maybe"):
        session.search("maybe")
    with pytest.raises(BadInput, match="is a search itself"):
        session.search("yes").search("yes")
    with pytest.raises(BadInput, match="asks for a set"):
        Session(texts, classes=["yes", "no"], multilabel=True).search("yes")
    session.withdraw([session.pool.ids[3]])
    with pytest.raises(BadInput, match="Export it, and search the file"):
        session.search("yes")


def test_a_search_of_a_session_on_the_command_line(tmp_path, pile):
    path = tmp_path / "mail.askwise"
    session, _ = begun_with(pile, store=path)
    session.close()
    code, said = run("screen", str(path), "--relevant", "yes", "--recall", "0.8", "--terminal", keys="2q")
    assert code == 0, said
    assert "begun with 40 labels by people" in said
    with Session.open(tmp_path / "mail.search.askwise") as found:
        assert (found.recall().read, found.recall().target) == (41, 0.8)
    code, said = run("screen", str(path), "--relevant", "yes", "--terminal", keys="q")
    assert code != 0
    assert "mail.search.askwise exists" in said
    code, said = run("screen", str(path), "--relevant", "yes", "--text", "title", "--terminal", keys="q")
    assert code != 0
    assert "--text cannot change" in said
    code, said = run("screen", str(path), "--relevant", "never", "--session", str(tmp_path / "b.askwise"), "--terminal")
    assert code != 0
    assert "'never'" in said
    assert not (tmp_path / "b.askwise").exists()
