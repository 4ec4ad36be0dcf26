"""Sessions whose items have sets of labels, at their doors: Python, command line, HTTP."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from starlette.testclient import TestClient

from askwise import Session, audit, cli
from askwise.app.server import create_app
from askwise.core import BadInput, Event
from askwise.labelsets import NONE, labels_of
from askwise.pool import load_pool
from askwise.store import MemoryStore, read_log, seal
from askwise.tasks.sets import Each
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

WORDS = {
    "card": ["my card is lost", "the card did not arrive", "a new card please"],
    "money": ["money is missing", "a refund please", "charged twice"],
    "login": ["cannot log in", "forgot the password", "locked out of the account"],
}
NOTHING = ["good morning", "thanks a lot", "nice app"]
LABELS = list(WORDS)


def complaints(n: int = 220, seed: int = 0) -> tuple[list[str], dict[str, list[str]]]:
    rng = np.random.default_rng(seed)
    truth: dict[str, list[str]] = {}
    for i in range(n):
        chosen = [name for name in LABELS if rng.random() < 0.4]
        said = [str(rng.choice(WORDS[name])) for name in chosen] or [str(rng.choice(NOTHING))]
        rng.shuffle(said)
        truth[f"{' and '.join(said)} {i}"] = chosen
    return list(truth), truth


def begin(n: int = 220, **more: Any) -> tuple[Session, dict[str, list[str]]]:
    texts, truth = complaints(n)
    return Session(texts, **{"classes": LABELS, "multilabel": True, "encoder": "tfidf", "seed": 1, **more}), truth


def answer(session: Session, truth: dict[str, list[str]], times: int, n: int = 5) -> None:
    for _ in range(times):
        for query in session.ask(n):
            session.tell(query, truth[query.text])
        session.refresh()


# ── the loop ────────────────────────────────────────────────────────────────────────────────


def test_it_learns_sets_and_its_bounds_hold() -> None:
    session, truth = begin(audit_share=0.3)
    held = []
    for _ in range(12):
        answer(session, truth, 1)
        guesses, _ = session.predictions()
        rest = [row for row in range(len(session.pool)) if row not in session.answers()]
        if guesses[0]:
            right = np.mean([set(labels_of(guesses[r])) == set(truth[session.pool.contents[r]]) for r in rest])
            estimate = session.estimate()
            held.append(estimate.low <= right <= estimate.high)
    assert "right as whole sets on the remaining" in estimate.sentence
    assert all(held)
    assert len(held) >= 10
    assert right > 0.85
    assert session.predictions()[1].min() > 0


def test_a_question_says_how_likely_each_label_is_by_itself() -> None:
    session, truth = begin()
    answer(session, truth, 8)
    seen = 0
    for query in session.ask(20):
        if query.audit:
            assert query.guesses == ()
            assert query.suggestion is None
            continue
        seen += 1
        assert query.suggestion is not None
        likely = {name for name, p in query.guesses if p > 0.5}
        assert set(session.parts(query.suggestion)) == likely
        assert 0 < (query.confidence or 0) <= 1
        nearest = min(abs(p - 0.5) for _, p in query.guesses)
        assert ("whether" in query.reason) == (nearest <= 0.45) or query.strategy == "random"
    assert seen


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**31))
def test_the_likeliest_set_and_its_certainty_are_those_of_the_slow_way(n: int, labels: int, seed: int) -> None:
    proba = np.random.default_rng(seed).random((n, labels)).astype(np.float32)
    names = [f"l{i}" for i in range(labels)]
    written, which = Each(proba).written(names)
    assert len(set(written)) == len(written)
    sets = [np.isin(names, labels_of(one)) for one in written]
    sure = Each(proba).certainty()
    for row in range(n):
        best, chosen = 0.0, None
        for number in range(2**labels):
            one = np.array([(number >> i) & 1 for i in range(labels)], bool)
            p = float(np.prod(np.where(one, proba[row], 1 - proba[row]).astype(float)))
            if p > best:
                best, chosen = p, one
        assert np.array_equal(sets[which[row]], chosen)
        assert sure[row] == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("learner", [LogisticRegression(), RandomForestClassifier(20, random_state=0)])
def test_classifiers_of_others_learn_sets(learner: Any) -> None:
    session, truth = begin(120, learner=learner)
    answer(session, truth, 8)
    guesses, _ = session.predictions()
    assert (
        np.mean([set(labels_of(g)) == set(truth[t]) for g, t in zip(guesses, session.pool.contents, strict=True)]) > 0.6
    )


@pytest.mark.parametrize(
    "strategy",
    ["binary_minimum", "mmc", "adaptive_multilabel", "label_vote_entropy", "random", "k_center", "typiclust"],
)
def test_the_strategies_for_sets_can_be_named(strategy: str) -> None:
    session, truth = begin(60, strategy=strategy)
    answer(session, truth, 3)
    assert session.ask(1)


# ── answers ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "stands"),
    [(["money", "card"], "card|money"), ("money|card", "card|money"), ("card", "card"), ([], NONE), (NONE, NONE),
     (("login", "login"), "login"), ({"card"}, "card")],
)  # fmt: skip
def test_a_set_may_be_given_in_several_ways(given: Any, stands: str) -> None:
    session, _ = begin(30)
    session.tell(session.ask(1)[0], given)
    assert session.history(1)[0].label == stands


@pytest.mark.parametrize(
    "given", ["", "  ", ["card", ""], ["card", None], 3, [["card"]], ["a|b"], ["tiger"], "card|tiger"]
)
def test_what_is_no_set_of_known_labels_is_refused_and_nothing_is_stored(given: Any) -> None:
    session, _ = begin(30)
    query = session.ask(1)[0]
    with pytest.raises(BadInput):
        session.tell(query, given)
    assert session.counts()["labeled"] == 0
    assert session.classes == tuple(LABELS)


def test_labels_are_discovered_and_added() -> None:
    texts, _ = complaints(30)
    session = Session(texts, multilabel=True, encoder="tfidf")
    one, two = session.ask(2)
    session.tell(one, ["card", "money"])
    session.add_class("login")
    session.tell(two, ["login", "card"])
    assert session.classes == ("card", "money", "login")
    assert [a.label for a in session.history()] == ["card|login", "card|money"]
    with pytest.raises(BadInput, match="another name"):
        session.add_class("a|b")


def test_undo_bulk_and_decisions_take_sets() -> None:
    session, _ = begin(30)
    one = session.ask(1)[0]
    session.tell(one, ["card"])
    session.retract()
    assert session.counts()["labeled"] == 0
    number = session.tell_many(session.pool.ids[:3], ["money", "card"], annotator="ann")
    assert {a.label for a in session.answers().values()} == {"card|money"}
    session.tell(session.pool.ids[0], [], annotator="bob")
    session.adjudicate(session.pool.ids[0], ["login"], annotator="ann")
    assert session.answers()[0].label == "login"
    assert session.untell(number) == 3


def test_people_are_believed_label_by_label() -> None:
    session, truth = begin(80, overlap=0.5, people_per_item=3)
    for row, text in enumerate(session.pool.contents[:40]):
        item, right = session.pool.ids[row], truth[text]
        session.tell(item, right, annotator="ann")
        session.tell(item, right, annotator="bob")
        # Cid adds "login" to everything and is right otherwise.
        session.tell(item, sorted({*right, "login"}), annotator="cid")
    session.refresh()
    stands = session.answers()
    assert all(set(labels_of(stands[row].label or "")) == set(truth[session.pool.contents[row]]) for row in range(40))
    quality = {one.name: one.quality for one in session.annotators()}
    assert quality["ann"] > quality["cid"]
    assert session.agreement().items == 40


def test_a_set_that_nobody_gave_as_a_whole_can_be_what_people_agree_on() -> None:
    session, _ = begin(30, overlap=0.5, people_per_item=3)
    for row in range(12):  # so much is known of everybody
        for who in ("ann", "bob", "cid"):
            session.tell(session.pool.ids[row], [LABELS[row % 3]], annotator=who)
    item = session.pool.ids[20]
    session.tell(item, ["card", "money"], annotator="ann")
    session.tell(item, ["card", "login"], annotator="bob")
    session.tell(item, ["money", "login"], annotator="cid")
    session.refresh()
    assert session.answers()[20].label == "card|money|login"


# ── what is claimed ─────────────────────────────────────────────────────────────────────────


@st.composite
def histories(draw: st.DrawFn) -> Any:
    n, classes, labels = draw(st.integers(2, 14)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    codes = st.lists(st.integers(0, classes - 1), min_size=n, max_size=n).map(np.array)
    flags = st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
    holds = np.array(
        draw(st.lists(st.lists(st.booleans(), min_size=labels, max_size=labels), min_size=classes, max_size=classes))
    )
    rest, unsure, by_model = draw(flags), draw(flags), draw(flags)
    truth = np.where(rest | by_model, audit.UNKNOWN, np.where(unsure, audit.UNSURE, draw(codes)))
    checks = [(draw(flags), draw(codes), draw(st.integers(0, n - 1))) for _ in range(draw(st.integers(1, 6)))]
    for members, _, row in checks:
        members[row] = True
    return holds, truth, draw(codes), rest, checks


@settings(max_examples=150)
@given(histories())
def test_each_label_is_bounded_as_a_yes_or_no_of_its_own(history: Any) -> None:
    holds, truth, current, rest, checks = history
    names = [f"l{i}" for i in range(holds.shape[1])]
    moved = [audit.moves_by_label(m, old, truth, current, rest, holds) for m, old, _ in checks]
    said = [int(old[row]) for _, old, row in checks]
    answers = [None if truth[row] == audit.UNKNOWN else int(truth[row]) for _, _, row in checks]
    found = audit.metrics_by_label(said, answers, moved, current, rest, holds, names)
    for i, name in enumerate(names):
        column = holds[:, i].astype(int)

        def yes_no(codes: np.ndarray, column: np.ndarray = column) -> np.ndarray:
            return np.where(codes < 0, codes, column[np.maximum(codes, 0)])

        alone = [audit.moves(m, yes_no(old), yes_no(truth), yes_no(current), rest, 2) for m, old, _ in checks]
        for one, other in zip(alone, moved, strict=True):
            for part in ("size", "stayed", "outside", "left", "unknown"):
                assert np.array_equal(getattr(one, part), getattr(other[i], part)), part
        slow = audit.metrics_on_rest(
            [int(yes_no(old)[row]) for _, old, row in checks],
            [None if a is None else a if a < 0 else int(column[a]) for a in answers],
            alone, yes_no(current), rest, ["no", name],
        )  # fmt: skip
        assert found.classes[i] == slow.classes[1]


def test_a_certificate_on_sets_is_true_and_labels_the_rest(tmp_path: Path) -> None:
    session, truth = begin(600, store=str(tmp_path / "s.askwise"))
    answer(session, truth, 30)
    result = session.autolabel(max_error=0.1, oracle=lambda queries: [truth[q.text] for q in queries])
    assert result, result.reason
    given = {item: set(session.parts(label)) for item, label in result.labels.items()}
    truths = {item: set(truth[text]) for item, text in zip(session.pool.ids, session.pool.contents, strict=True)}
    wrong = sum(truths[item] != labels for item, labels in given.items())
    assert wrong <= 0.1 * len(given)
    rows = {row["item"]: row for row in session.rows()}
    assert all(
        rows[item]["label"] == label and rows[item]["source"] == "model" for item, label in result.labels.items()
    )
    counts = session.report().counts
    assert set(counts) == set(LABELS)
    assert counts["card"]["model"] == sum("card" in labels for labels in given.values())
    session.close()
    assert verify(tmp_path / "s.askwise").ok
    again = Session.open(tmp_path / "s.askwise")
    assert again.multilabel
    assert again.predictions()[0] == session.predictions()[0]
    assert "one label missing or too much" in again.certificates()[0].sentence
    assert [c.sentence for c in again.certificates()] == [c.sentence for c in session.certificates()]


def test_limits_for_each_label_are_refused() -> None:
    session, truth = begin(60)
    answer(session, truth, 3)
    with pytest.raises(BadInput, match="as a whole set"):
        session.autolabel(max_error={"card": 0.1})


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [("told", "label", "money|card"), ("told", "label", "card|tiger"), ("told", "label", ""),
     ("ranked", "sets", ["card"]), ("ranked", "sets", ["money|card"]), ("opened", "multilabel", False)],
)  # fmt: skip
def test_an_altered_set_is_found_even_with_a_forged_chain(kind: str, field: str, value: Any) -> None:
    store = MemoryStore()
    session, truth = begin(40, store=store)
    session.tell(session.ask(1)[0], ["card"])
    answer(session, truth, 3)
    events = list(store.read())
    place = [i for i, e in enumerate(events) if e.kind == kind][-1]
    assert verify(events).ok
    events[place] = Event(kind, {**events[place].data, field: value}, events[place].at)
    forged = [e for e, _ in seal([Event(e.kind, e.data, e.at) for e in events], 0, "")]
    assert not verify(forged).ok


# ── starting ────────────────────────────────────────────────────────────────────────────────


def test_labels_that_come_with_the_data(tmp_path: Path) -> None:
    file = tmp_path / "mail.csv"
    file.write_text("text,tags\none,money|card\ntwo,\nthree,(none)\nfour, card | login \n")
    session = Session(file, text="text", label="tags", multilabel=True, classes=LABELS, encoder="tfidf")
    assert {r: a.label for r, a in session.answers().items()} == {0: "card|money", 2: NONE, 3: "card|login"}
    lists = [
        json.dumps({"text": t, "tags": tags}) for t, tags in (("a", ["x", "y"]), ("b", []), ("c", None), ("d", ["y"]))
    ]
    (tmp_path / "mail.jsonl").write_text("\n".join(lists))
    pool = load_pool(tmp_path / "mail.jsonl", text="text", label="tags")
    session = Session(pool, multilabel=True, encoder="tfidf")
    assert session.classes == ("x", "y")
    assert {r: a.label for r, a in session.answers().items()} == {0: "x|y", 1: NONE, 3: "y"}
    with pytest.raises(BadInput, match="multilabel=True"):
        Session(pool, encoder="tfidf")


@pytest.mark.parametrize(
    ("more", "says"),
    [({"classes": ["a|b", "c"]}, "another name"), ({"recall": 0.9, "relevant": "card"}, "multilabel"),
     ({"strategy": "margin"}, "classification"), ({"classes": ["card"]}, "two different")],
)  # fmt: skip
def test_what_cannot_be_started(more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        begin(20, **more)


def test_a_strategy_for_sets_needs_them() -> None:
    with pytest.raises(BadInput, match="one label"):
        Session(["a", "b"], classes=["x", "y"], strategy="cvirs", encoder="tfidf")


def run(*args: Any) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(arg) for arg in args])
    return int(end.value.code or 0)


def test_at_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    file, path = tmp_path / "mail.csv", tmp_path / "mail.askwise"
    texts, _ = complaints(30)
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["text"], *([t] for t in texts)])
    # 1 and 3, then 1 out again and 2 in; nothing chosen is no answer; none of them; the rest is left
    monkeypatch.setattr("sys.stdin", io.StringIO("13\n112\n\nxq"))
    start = ["label", str(file), "--labels", ",".join(LABELS), "--multilabel", "--terminal", "--encoder", "tfidf"]
    assert run(*start) == 0
    assert "none of these" in capsys.readouterr().out
    assert run("export", path, tmp_path / "out.csv") == 0
    with (tmp_path / "out.csv").open(newline="") as table:
        assert sorted(row["label"] for row in csv.DictReader(table) if row["label"]) == [NONE, "card|login", "money"]
    assert run("report", path, "--out", tmp_path / "report.html") == 0
    assert run("verify", path) == 0
    assert [e.data["multilabel"] for e in read_log(path) if e.kind == "opened"] == [True]
    assert run(*start[:-2], "--strategy", "margin", "--session", tmp_path / "other.askwise") == 2
    assert not (tmp_path / "other.askwise").exists()


# ── the app ─────────────────────────────────────────────────────────────────────────────────

TOKEN = "t" * 32


def opened(session: Session) -> TestClient:
    door = create_app(session, token=TOKEN)
    return TestClient(door, base_url="http://127.0.0.1", headers={"x-askwise-token": TOKEN})


@pytest.fixture
def page() -> Any:
    session, truth = begin(90)
    client = opened(session)
    return client, session, truth


def sent(client: TestClient, path: str, **body: Any) -> Any:
    reply = client.post(f"/api/v1/{path}", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_the_app_asks_and_takes_sets(page: Any) -> None:
    client, session, truth = page
    assert client.get("/api/v1/state").json()["pulse"]["multilabel"] is True
    held = sent(client, "ask", tab="t", want=1)["next"]
    for number in range(40):
        one = held.pop()
        if number % 8 == 7:
            session.refresh()
        assert one["suggestions"] == ([] if one["suggestion"] is None else list(labels_of(one["suggestion"])))
        labels = truth[one["text"]]
        held = sent(
            client, "tell", tab="t", want=1, key=str(number), item=one["item"], asked=one["asked"], labels=labels
        )["next"]
    assert session.counts()["labeled"] == 40
    history = client.get("/api/v1/state").json()["history"]
    assert [set(h["labels"]) for h in history] == [set(truth[h["text"]]) for h in history]
    told = {"item": history[0]["item"], "asked": 1, "labels": history[0]["labels"]}
    sent(client, "tell", tab="t", want=1, key="lost reply", again=True, **told)
    assert session.counts()["labeled"] == 40
    mistake = client.post("/api/v1/tell", json={"tab": "t", "key": "k", "item": held[0]["item"], "labels": ["tiger"]})
    assert mistake.status_code == 400
    assert "tiger" in mistake.json()["error"]


def test_the_pages_beside_it_know_sets(page: Any) -> None:
    client, session, truth = page
    answer(session, truth, 10)
    seen = client.get("/api/v1/dashboard").json()
    assert seen["multilabel"] is True
    assert [one["label"] for one in seen["balance"]] == LABELS
    told = sum("card" in labels_of(a.label or "") for a in session.answers().values())
    assert seen["balance"][0]["human"] == told
    assert np.array(seen["confusion"]).shape == (3, 4)
    assert [one["label"] for one in seen["metrics"]["classes"]] == LABELS
    plan = client.post("/api/v1/finish/plan", json={"max_error": 0.2}).json()
    assert list(plan["by_class"]) == LABELS
    assert client.post("/api/v1/finish/plan", json={"classes": {"card": 0.1}}).status_code == 400
    ids = session.pool.ids
    free = [ids[r] for r in range(90) if r not in session.answers() and r not in session._state.leases][:2]
    assert sent(client, "items/label", items=free, labels=["money", "card"])["count"] == 2
    found = client.get("/api/v1/items", params={"label": "money"}).json()
    assert {one["label"] for one in found["items"]} <= {"money", "card|money", "money|login", "card|money|login"}
    assert set(free) <= {
        one["item"] for one in client.get("/api/v1/items", params={"label": "card|money"}).json()["items"]
    }
    sent(client, "review/decide", item=free[0], labels=[])
    assert client.get("/api/v1/item", params={"item": free[0]}).json()["label"] == NONE


def test_a_label_that_was_left_out_is_suspected() -> None:
    session, truth = begin(220, audit_share=0.0)
    client = opened(session)
    clear = next(r for r, t in enumerate(session.pool.contents) if truth[t] == ["card", "money"])
    for row, text in enumerate(session.pool.contents):
        session.tell(session.pool.ids[row], ["card"] if row == clear else truth[text])
    session.refresh()
    found = client.get("/api/v1/review/suspects").json()["items"]
    assert found[0]["item"] == session.pool.ids[clear]
    assert found[0]["label"] == "card"
    assert found[0]["likely"] == "card|money"


def test_words_speak_for_each_label(page: Any) -> None:
    client, session, truth = page
    answer(session, truth, 10)
    row = next(r for r in range(90) if truth[session.pool.contents[r]] == ["card"] and r not in session._state.leases)
    found = {one["label"]: dict(one["words"]) for one in client.get("/api/v1/words", params={"row": row}).json()}
    assert "card" in found["card"]
