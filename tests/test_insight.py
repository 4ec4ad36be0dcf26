"""The pages beside Label: what they compute, what their routes say, the verbs behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from askwise import insight
from askwise.answers import MOST_AT_ONCE
from askwise.app.server import create_app
from askwise.core import BadInput, Event
from askwise.session import Session
from askwise.store import MemoryStore
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

HEADER = {"x-askwise-token": "a-token-of-some-length"}
WORDS = {"fruit": ["apple", "pear", "plum", "cherry"], "tool": ["hammer", "saw", "drill", "wrench"]}


def texts(n: int = 64) -> list[str]:
    every = [*WORDS["fruit"], *WORDS["tool"]]
    return [f"{every[i % 8]} number {i} on the table" for i in range(n)]


def truth(text: str) -> str:
    return next(label for label, words in WORDS.items() if text.split()[0] in words)


def answer(session: Session, n: int, annotator: str = "Ada") -> list[int]:
    """Answer n questions rightly, learning now and then; the rows."""
    rows = []
    for i in range(n):
        (query,) = session.ask(annotator=annotator)
        session.tell(query, truth(query.content), annotator=annotator, seconds=2.0)
        rows.append(query.row)
        if i % 6 == 5:
            session.refresh()
    session.refresh()
    return rows


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(texts(), classes=["fruit", "tool"], encoder="tfidf", audit_share=0.3, max_error=0.2) as made:
        yield made


@pytest.fixture(scope="module")
def log() -> list[Event]:
    """Of a session whose model may be certified."""
    with Session(texts(300), classes=["fruit", "tool"], encoder="tfidf", audit_share=0.3, max_error=0.2) as made:
        answer(made, 40)
        return made._store.read()


@pytest.fixture
def trained(log: list[Event]) -> Iterator[Session]:
    """A session whose model may be certified."""
    store = MemoryStore()
    store.append(log, after=0)
    with Session.open(store) as made:
        made.refresh()
        yield made


class Page:
    """The API, as a page's script calls it."""

    def __init__(self, session: Session) -> None:
        app = create_app(session, token=HEADER["x-askwise-token"])
        self.client = TestClient(app, base_url="http://127.0.0.1", headers=HEADER)

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        reply = self.client.get(f"/api/v1/{path}", params=query)
        assert reply.status_code == status, reply.text
        return reply.json()

    def post(self, path: str, status: int = 200, **body: Any) -> Any:
        reply = self.client.post(f"/api/v1/{path}", json=body)
        assert reply.status_code == status, reply.text
        return reply.json()


@pytest.fixture
def page(session: Session) -> Page:
    return Page(session)


def sound(session: Session) -> None:
    """The log verifies, and reads as the state that it made."""
    bad = [f.sentence for f in verify(session._store).findings if f.ok is False]
    assert bad == []
    with Session.open(_copy(session)) as again:
        assert again.answers() == session.answers()
        assert again.counts() == session.counts()


def _copy(session: Session) -> MemoryStore:
    copy = MemoryStore()
    copy.append(session._store.read(), after=0)
    return copy


# ── a decision stands ───────────────────────────────────────────────────────────────────────


def test_a_decision_stands_over_the_votes_until_it_is_lifted(session: Session) -> None:
    (row, *_) = answer(session, 8)
    item, right = session.pool.ids[row], truth(session.pool.contents[row])
    wrong = "tool" if right == "fruit" else "fruit"
    for name in ("Ben", "Cyd"):
        session.tell(item, wrong, annotator=name)
    assert session.answers()[row].label == wrong
    session.adjudicate(item, right, annotator="Rae")
    assert (session.answers()[row].label, session.answers()[row].annotator) == (right, "Rae")
    session.tell(item, wrong, annotator="Dan")
    session.refresh()  # settles the consensus of the votes anew
    assert session.answers()[row].label == right
    assert session.agreement().same == 0, "the votes still count in the agreement"
    sound(session)
    session.adjudicate(item, None, annotator="Rae")
    assert session.answers()[row].label == wrong
    sound(session)


def test_who_decided_changes_their_mind_by_answering(session: Session) -> None:
    (row, *_) = answer(session, 4)
    item = session.pool.ids[row]
    session.adjudicate(item, "tool", annotator="Ada")
    session.tell(item, "fruit", annotator="Ada")
    assert session.answers()[row].label == "fruit"


def test_a_decision_without_votes_falls(session: Session) -> None:
    (row, *_) = answer(session, 4)
    item = session.pool.ids[row]
    session.adjudicate(item, "tool", annotator="Rae")
    session.retract(item, annotator="Ada")
    assert row not in session.answers()
    sound(session)


def test_a_decided_check_item_stays_a_blind_check(session: Session) -> None:
    answer(session, 40)
    row = next(row for row, a in session.answers().items() if a.audit)
    before = session.estimate()
    right = session.answers()[row].label
    session.adjudicate(session.pool.ids[row], right, annotator="Rae")
    assert session.answers()[row].audit
    assert session.estimate() == before


@pytest.mark.parametrize(("label", "says"), [("nail", "nail"), ("fruit", "Nobody has labeled"), (None, "Nobody")])
def test_what_cannot_be_decided(session: Session, label: str | None, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        session.adjudicate(session.pool.ids[0], label)


def test_nothing_to_lift(session: Session) -> None:
    (row, *_) = answer(session, 2)
    with pytest.raises(BadInput, match="Nothing was decided"):
        session.adjudicate(session.pool.ids[row], None)


# ── many at once ────────────────────────────────────────────────────────────────────────────


def test_many_labels_are_taken_back_as_one(session: Session) -> None:
    answer(session, 12)
    before = session.answers()
    mine = [session.pool.ids[row] for row in before][:3]  # replaced, not added
    others = [item for item in session.deferred() if item not in mine][:5]
    number = session.tell_many([*mine, *others, others[0]], "fruit", annotator="Ada")
    assert all(session.answers()[session._row(item)].label == "fruit" for item in mine + others)
    assert session.counts()["labeled"] == 12 + 5
    sound(session)
    assert session.untell(number) == 8
    assert {r: (a.label, a.kind) for r, a in session.answers().items()} == {
        r: (a.label, a.kind) for r, a in before.items()
    }
    sound(session)
    with pytest.raises(BadInput, match="taken back"):
        session.untell(number)


def test_taking_many_back_leaves_what_changed_since(session: Session) -> None:
    one, other = session.pool.ids[:2]
    number = session.tell_many([one, other], "fruit")
    session.tell(one, "tool")
    assert session.untell(number) == 1
    assert {session.pool.ids[r]: a.label for r, a in session.answers().items()} == {one: "tool"}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("ABU"), st.integers(0, 3)), max_size=14))
def test_undo_of_undo_never_brings_an_old_answer_back(acts: list[tuple[str, int]]) -> None:
    """Answers, bulk answers and retractions in any order leave what a plain stack of standing answers says."""
    session = Session(texts(4), classes=["fruit", "tool"], encoder="tfidf")
    stacks: list[list[str]] = [[] for _ in range(4)]
    for act, row in acts:
        item = session.pool.ids[row]
        if act == "A":
            session.tell(item, "fruit")
            stacks[row].append("fruit")
        elif act == "B":
            session.tell_many([item], "tool")
            stacks[row].append("tool")
        elif session.retract(item) is not None:
            stacks[row].pop()
    assert {r: a.label for r, a in session.answers().items()} == {r: s[-1] for r, s in enumerate(stacks) if s}


def test_bulk_labels_need_items_a_class_and_no_blind_check(session: Session) -> None:
    answer(session, 30)
    with pytest.raises(BadInput, match="1 to"):
        session.tell_many([], "fruit")
    with pytest.raises(BadInput, match="nail"):
        session.tell_many([session.pool.ids[0]], "nail")
    while not (query := session.ask(annotator="Ben")[0]).audit:
        pass
    with pytest.raises(BadInput, match="blind check"):
        session.tell_many([query.item], "fruit", annotator="Ben")
    assert MOST_AT_ONCE >= 1000


def test_bulk_labels_keep_off_a_frozen_region(trained: Session) -> None:
    assert trained.autolabel(max_error=0.4).status == "checking"
    waiting = trained.pool.ids[int(trained._state.open_attempt.order[-1])]
    with pytest.raises(BadInput, match="blind check"):
        trained.tell_many([waiting], "fruit")


def test_a_flag_is_taken_off(session: Session) -> None:
    item = session.pool.ids[3]
    session.flag(item, "odd")
    session.unflag(item)
    assert session.report().flagged == ()
    sound(session)
    with pytest.raises(BadInput, match="no flag"):
        session.unflag(item)


def test_going_back_to_a_version_and_forth(session: Session) -> None:
    answer(session, 20)
    version, then = session.counts()["round"], session.answers()
    guesses = session.predictions()[0]
    kept = session.pool.ids[next(iter(then))]
    session.tell(kept, "tool", annotator="Ada")  # replaces an old answer, twice
    session.tell(kept, "fruit", annotator="Ada")
    answer(session, 10, annotator="Ben")
    now = session.answers()
    number = session.rewind(version)
    assert session.answers() == then
    session.refresh()
    assert session.predictions()[0] == guesses, "the same labels make the same model"
    sound(session)
    assert session.replay(number) == 11
    assert {r: (a.label, a.annotator, a.audit) for r, a in session.answers().items()} == {
        r: (a.label, a.annotator, a.audit) for r, a in now.items()
    }
    sound(session)
    with pytest.raises(BadInput, match="nothing of the rewind"):
        session.replay(number)


def test_going_back_for_one_person(session: Session) -> None:
    answer(session, 12)
    version = session.counts()["round"]
    answer(session, 4, annotator="Ben")
    answer(session, 4)
    session.rewind(version, annotator="Ben")
    assert [a.annotator for a in session.answers().values()] == ["Ada"] * 16
    with pytest.raises(BadInput, match="Nothing was answered"):
        session.rewind(version, annotator="Ben")
    with pytest.raises(BadInput, match="no version 99"):
        session.rewind(99)


def test_what_was_asked_again_is_not_replayed(session: Session) -> None:
    answer(session, 12)
    version = session.counts()["round"]
    rows = answer(session, 6)
    number = session.rewind(version)
    session.tell(session.pool.ids[rows[0]], "fruit", annotator="Ada")
    asked = {query.row for query in session.ask(20, annotator="Cyd")}
    expected = 6 - len(asked.union(rows[:1]).intersection(rows))
    if expected:
        assert session.replay(number) == expected
    else:
        with pytest.raises(BadInput, match="nothing"):
            session.replay(number)


def test_no_going_back_in_the_middle_of_blind_checks(trained: Session) -> None:
    trained.autolabel(max_error=0.4)
    with pytest.raises(BadInput, match="Blind checks"):
        trained.rewind(trained.counts()["round"] - 1)


# ── computations ────────────────────────────────────────────────────────────────────────────


def blobs(n: int, classes: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centers = 4 * rng.normal(size=(classes, 12))
    return (centers[y] + rng.normal(size=(n, 12))).astype(np.float32), y.astype(np.intp)


@pytest.mark.parametrize("sparse", [False, True])
def test_swapped_labels_are_suspected(sparse: bool) -> None:
    X, y = blobs(150, 3, seed=1)
    bad = [4, 77, 140]
    y[bad] = (y[bad] + 1) % 3
    found = insight.suspects(sp.csr_matrix(X) if sparse else X, y, 3)
    assert {s.at for s in found[:3]} == set(bad)
    assert all(s.likely == (y[s.at] - 1) % 3 for s in found[:3])
    assert len(found) <= 6, "clean labels are left alone"
    ratio = [s.own / s.other for s in found]
    assert ratio == sorted(ratio)


@pytest.mark.parametrize("y", [[], [0], [0] * 40, [0] * 39 + [1]])
def test_too_few_labels_are_not_suspected(y: list[int]) -> None:
    X = np.random.default_rng(0).normal(size=(len(y), 3)).astype(np.float32)
    assert insight.suspects(X, np.array(y, np.intp), 2) == []


@pytest.mark.parametrize("sparse", [False, True])
def test_contradictions_are_those_of_the_slow_way(sparse: bool) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(700, 4)).astype(np.float32)  # more than one block
    X[5] = 0
    y = rng.integers(0, 3, 700)
    unit = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-30)
    expected = {}
    for i in range(700):
        others = np.flatnonzero(y != y[i])
        cosines = unit[others] @ unit[i]
        best = int(cosines.argmax())
        if cosines[best] >= 0.9:
            expected[tuple(sorted((i, int(others[best]))))] = cosines[best]
    found = insight.contradictions(sp.csr_matrix(X) if sparse else X, y)
    assert {(a, b) for a, b, _ in found} == set(expected)
    assert [s for *_, s in found] == sorted((s for *_, s in found), reverse=True)
    assert all(abs(s - min(expected[a, b], 1)) < 1e-5 for a, b, s in found)


words = st.lists(st.sampled_from(["red", "old", "cat", "dog", "the", "  spaced "]), max_size=12).map(" ".join)


@given(words, words)
def test_the_marked_words_are_those_that_differ(one: str, other: str) -> None:
    left, right = insight.differing(one, other)
    assert "".join(p for p, _ in left).split() == one.split()
    assert "".join(p for p, _ in right).split() == other.split()
    same = [[w for p, differs in side if not differs for w in p.split()] for side in (left, right)]
    assert same[0] == same[1]
    assert (not any(d for _, d in left + right)) == (one.split() == other.split())


def test_the_map_is_stable_and_within_its_frame() -> None:
    X, _ = blobs(80, 2, seed=2)
    places = insight.flat(X)
    assert places.shape == (80, 2)
    assert np.abs(places).max() <= 1.1 + 1e-6
    assert np.array_equal(places, insight.flat(X))
    assert np.isfinite(insight.flat(sp.csr_matrix(X))).all()
    assert insight.flat(X[:, :1]).shape == (80, 2)


@given(st.integers(1, 60), st.integers(2, 30), st.sets(st.integers(0, 59)))
def test_a_sample_of_rows(n: int, most: int, labeled: set[int]) -> None:
    first = np.array(sorted(r for r in labeled if r < n), np.intp)
    rows = insight.sampled(n, first, most, seed=0)
    assert len(rows) == min(n, most)
    assert len(set(rows.tolist())) == len(rows)
    if len(first) <= most // 2:
        assert set(first.tolist()) <= set(rows.tolist())


def test_confusion_counts_the_check_items(session: Session) -> None:
    answer(session, 40)
    table = session.look(insight.confusion)
    now = session.estimate()
    assert table.sum() == now.audits
    assert table.sum() - np.trace(table) == now.wrong


def test_spot_checks_come_in_one_random_order(trained: Session) -> None:
    result = trained.autolabel(max_error=0.4, oracle=lambda queries: [truth(q.content) for q in queries])
    assert result.status == "certified", result.reason
    rows, looked, wrong = trained.look(insight.spot_checks)
    assert (len(rows), looked, wrong) == (len(result.labels), 0, 0)
    assert rows != sorted(rows)
    first, second = (trained.pool.ids[row] for row in rows[:2])
    opposite = {"fruit": "tool", "tool": "fruit"}
    trained.tell_many([first], opposite[result.labels[first]])
    assert trained.look(insight.spot_checks) == (rows[1:], 1, 1)
    trained.tell_many([trained.pool.ids[rows[2]]], "fruit")  # out of the order: no sample
    assert trained.look(insight.spot_checks)[1:] == (1, 1)
    trained.tell_many([second], result.labels[second])
    assert trained.look(insight.spot_checks)[1] == 3


# ── routes ──────────────────────────────────────────────────────────────────────────────────

EMPTY = ["dashboard", "coverage", "map", "review/disagreements", "review/suspects", "review/duplicates",
         "review/deferred", "review/spot", "items", "models", "finish"]  # fmt: skip


@pytest.mark.parametrize("path", EMPTY)
def test_every_page_has_something_to_say_at_the_start(page: Page, path: str) -> None:
    assert page.get(path)


@pytest.mark.parametrize("name", ["dashboard", "review", "data", "models", "finish"])
def test_every_page_is_served(page: Page, name: str) -> None:
    assert 'id="rail"' in page.client.get(f"/{name}").text


def test_the_dashboard_says_what_the_session_says(session: Session, page: Page) -> None:
    answer(session, 40)
    data = page.get("dashboard")
    assert data["counts"] == session.counts()
    assert data["estimate"]["sentence"] == session.estimate().sentence
    assert [p["labels"] for p in data["curve"]] == [p.labels for p in session.report().curve]
    assert data["pace"] == pytest.approx(2.0)
    assert sum(row["human"] for row in data["balance"]) == 40
    assert sum(row["guessed"] for row in data["balance"]) == session.counts()["rest"]
    assert [c["label"] for c in data["metrics"]["classes"]] == ["fruit", "tool"]


def test_each_share_of_errors_has_its_offer(trained: Session) -> None:
    page = Page(trained)
    shares = page.get("coverage")["shares"]
    assert shares == sorted({*insight.SHARES, 0.2})
    offers = [page.get("coverage", max_error=share)["offer"] for share in shares]
    assert "not offered" in page.get("coverage", status=400, max_error=0.123)["error"]
    assert [o["max_error"] for o in offers] == shares
    assert all(0 <= o["size"] <= o["rest"] == trained.counts()["rest"] for o in offers)
    assert all((o["first"] > 0) == (o["size"] > 0) for o in offers)
    assert offers[-1]["size"] > 0


def test_the_map_tells_what_is_known(session: Session, page: Page) -> None:
    rows = answer(session, 20)
    found = page.get("map")
    state = dict(zip(found["rows"], (found["states"][s] for s in found["state"]), strict=True))
    assert len(state) == len(session.pool)
    assert {state[row] for row in rows} <= {"labeled", "wrong"}
    assert sum(found["counts"]) == len(session.pool)
    assert page.get("map/item", row=rows[0])["label"] == session.answers()[rows[0]].label
    assert "No row" in page.get("map/item", status=400, row=64)["error"]


def test_disagreements_are_decided_and_lifted(session: Session, page: Page) -> None:
    row, other, *_ = answer(session, 8)
    for r in (row, other):
        session.tell(session.pool.ids[r], "fruit" if session.answers()[r].label == "tool" else "tool", annotator="Ben")
    item = session.pool.ids[row]
    assert page.get("review/disagreements")["undecided"] == 2
    assert page.post("review/decide", item=item, label="tool") == {"number": None, "item": item}
    found = page.get("review/disagreements")
    assert (found["total"], found["undecided"]) == (2, 1)
    assert (found["items"][1]["item"], found["items"][1]["decided"]) == (item, "me"), "what is decided comes last"
    page.post("review/decide", item=item, label=None)
    assert page.get("review/disagreements")["undecided"] == 2


def test_suspects_leave_out_what_must_stay_blind(session: Session, page: Page) -> None:
    answer(session, 50)
    for row, a in list(session.answers().items())[::9]:
        session.tell(session.pool.ids[row], "fruit" if a.label == "tool" else "tool", annotator="Ada")
    found = page.get("review/suspects")
    blind = session.look(insight.blind)
    assert found["total"] > 0
    assert not {entry["row"] for entry in found["items"]} & blind
    first = found["items"][0]
    page.post("review/decide", item=first["item"], label=first["label"])  # kept
    assert first["item"] not in [entry["item"] for entry in page.get("review/suspects")["items"]]


def test_contradicting_neighbors_are_shown_with_their_difference() -> None:
    items = [
        *texts(30),
        "the same long old text about a house by the sea today",
        "the same long old text about a house by the sea now",
    ]
    with Session(items, classes=["fruit", "tool"], encoder="tfidf") as session:
        session.tell(session.pool.ids[30], "fruit")
        session.tell(session.pool.ids[31], "tool")
        (pair,) = Page(session).get("review/duplicates")["items"]
    assert {entry["label"] for entry in pair["items"]} == {"fruit", "tool"}
    assert [[p for p, differs in entry["pieces"] if differs] for entry in pair["items"]] == [["today"], ["now"]]


def test_what_is_left_is_labeled_and_taken_back(session: Session, page: Page) -> None:
    answer(session, 10)
    found = page.get("review/deferred", limit=5)
    assert [entry["item"] for entry in found["items"]] == session.deferred(5)
    assert not any("guess" in key or "confidence" in key for entry in found["items"] for key in entry)
    number = page.post("review/decide", item=found["items"][0]["item"], label="fruit")["number"]
    assert session.counts()["labeled"] == 11
    assert page.post("items/undo", number=number) == {"count": 1}
    assert session.counts()["labeled"] == 10


def test_the_table_filters_sorts_and_pages(session: Session, page: Page) -> None:
    rows = answer(session, 12)
    session.flag(session.pool.ids[5], "look again")
    by_row = {e["row"]: e for e in page.get("items", limit=200)["items"]}
    assert sorted(by_row) == list(range(64))
    assert {r for r, e in by_row.items() if e["source"] == "human"} == set(rows)
    assert page.get("items", source="human")["total"] == 12
    assert page.get("items", source="open")["total"] == 52
    assert page.get("items", label="fruit")["total"] == sum(session.answers()[r].label == "fruit" for r in rows)
    assert page.get("items", annotator="Ada")["total"] == 12
    assert page.get("items", annotator="Nobody")["total"] == 0
    assert [e["row"] for e in page.get("items", flagged=True)["items"]] == [5]
    assert page.get("items", text="APPLE")["total"] == sum("apple" in t for t in texts())
    assert page.get("items", text=session.pool.ids[7])["total"] == 1
    assert [e["row"] for e in page.get("items", offset=3, limit=2)["items"]] == [3, 4]
    assert page.get("items", down=True)["items"][0]["row"] == 63
    labels = [e["label"] for e in page.get("items", sort="label", limit=200)["items"]]
    assert labels[:12] == sorted(labels[:12])
    assert set(labels[12:]) == {None}
    times = [e["at"] for e in page.get("items", sort="at", down=True, limit=12)["items"]]
    assert times == sorted(times, reverse=True)
    assert page.get("items", status=400, sort="guess")["error"]


@pytest.mark.parametrize("sort", insight.ORDERS)
def test_every_order_keeps_every_item(session: Session, page: Page, sort: str) -> None:
    answer(session, 10)
    session.skip(session.ask()[0])
    rows = [e["row"] for e in page.get("items", sort=sort, limit=200)["items"]]
    assert sorted(rows) == list(range(64))


def test_the_table_tells_no_guess_on_open_items(session: Session, page: Page) -> None:
    answer(session, 30)
    entries = page.get("items", source="open", limit=200)["items"]
    assert entries
    assert all(entry["label"] is None for entry in entries)
    assert not {"guess", "suggestion", "confidence", "model_guess"} & set(entries[0])


def test_all_that_match_are_labeled_and_taken_back(session: Session, page: Page) -> None:
    n = page.get("items", text="apple")["total"]
    assert "match" in page.post("items/label", status=400, label="fruit", where={"text": "apple"}, count=n + 1)["error"]
    reply = page.post("items/label", label="fruit", where={"text": "apple"}, count=n)
    assert reply["count"] == n
    assert page.get("items", label="fruit")["total"] == n
    assert page.post("items/undo", number=reply["number"]) == {"count": n}
    assert page.get("items", label="fruit")["total"] == 0
    assert page.post("items/undo", status=400, number=reply["number"])["error"]


def test_an_item_tells_its_history(session: Session, page: Page) -> None:
    item = session.pool.ids[2]
    session.tell(item, "tool", annotator="Ada")
    session.flag(item, "odd", annotator="Ben")
    session.tell(item, "fruit", annotator="Ada")
    session.retract(item, annotator="Ada")
    page.post("review/decide", item=item, label="fruit")
    page.post("items/unflag", item=item)
    found = page.get("item", item=item)
    assert [(e["kind"], e["annotator"], e["what"]) for e in found["history"]] == [
        ("told", "Ada", "tool"), ("flagged", "Ben", "odd"), ("told", "Ada", "fruit"), ("retracted", "Ada", ""),
        ("adjudicated", "me", "fruit"), ("unflagged", "me", ""),
    ]  # fmt: skip
    assert (found["label"], found["decided"], found["flag"]) == ("fruit", True, None)
    assert page.get("item", status=400, item="nothing")["error"]


def test_versions_tell_what_changed(session: Session, page: Page) -> None:
    answer(session, 18)
    before = session.predictions()[0]
    rows = answer(session, 6)
    newest, older = page.get("models")["versions"][:2]
    assert newest["version"] == session.counts()["round"]
    assert older["version"] == newest["version"] - 1
    assert newest["labels"] == 24
    assert (newest["since"], older["since"]) == (0, 6)
    number = page.post("models/rewind", version=older["version"])["number"]
    assert session.counts()["labeled"] == 18
    assert page.post("models/replay", number=number) == {"count": 6}
    assert len(rows) == 6
    assert newest["changed"] == sum(a != b for a, b in zip(before, session.predictions()[0], strict=True))


def test_finishing_from_dry_run_to_labels_and_back(trained: Session) -> None:
    page = Page(trained)
    seq = trained._state.seq
    plan = page.post("finish/plan", max_error=0.4)
    assert trained._state.seq == seq, "a dry run writes nothing"
    assert plan["size"] == sum(plan["by_class"].values()) > 0
    assert all(set(one) == {"item", "row", "text", "view"} for one in plan["sample"]), (
        "no guess: it may become a blind check"
    )
    assert page.post("finish/start", max_error=0.4)["result"]["status"] == "checking"
    while trained.autolabel_status().status == "checking":
        (query,) = trained.ask(annotator="Ada")
        trained.tell(query, truth(query.content), annotator="Ada")
    found = page.get("finish")
    (certificate,) = found["certificates"]
    assert certificate["fingerprint"] == trained.certificates()[0].fingerprint
    assert certificate["sentence"]
    assert found["attempts"][0]["outcome"] == "certified"
    assert page.get("review/spot")["total"] == trained.counts()["auto"] > 0
    page.post("autolabel/undo")
    assert page.get("finish")["certificates"] == []
    assert trained.counts()["auto"] == 0
    sound(trained)


def test_a_share_of_the_whole_file_is_the_cheapest(trained: Session) -> None:
    page = Page(trained)
    assert page.get("finish")["target"] == page.get("coverage")["target"] == "auto", "the session's own"
    plans = {of: page.post("finish/plan", max_error=0.05, target=of) for of in ("auto", "dataset", "file")}
    assert page.post("finish/plan", max_error=0.05) == plans["auto"]
    first = {of: plan["parts"][0]["first"] for of, plan in plans.items() if plan["size"]}
    assert 0 < first["file"] < first["auto"]
    assert page.post("finish/start", max_error=0.05, target="file")["result"]["status"] == "checking"
    attempt = trained._state.open_attempt
    assert (attempt.target, len(attempt.order)) == ("file", plans["file"]["size"])
    assert attempt.needed[0] == first["file"], "what the dry run said"
    assert page.get("finish")["attempts"][0]["target"] == "file"


def test_the_share_is_of_what_the_session_says() -> None:
    with Session(texts(300), classes=["fruit", "tool"], encoder="tfidf", max_error=0.05, target="file") as made:
        answer(made, 40)
        page = Page(made)
        assert page.get("finish")["target"] == page.get("coverage")["target"] == "file"
        own = page.post("finish/plan", max_error=0.05)
        assert own == page.post("finish/plan", max_error=0.05, target="file")
        offer = page.get("coverage", max_error=0.05)["offer"]
        assert (offer["size"], offer["first"]) == (own["size"], own["parts"][0]["first"])
        # Shares for each class are of the model's labels, whatever the session's setting.
        assert page.post("finish/start", classes={"fruit": 0.45})["result"]["status"] in ("checking", "refused")


def test_a_share_for_each_class(trained: Session) -> None:
    page = Page(trained)
    plan = page.post("finish/plan", classes={"fruit": 0.45})
    assert [part["label"] for part in plan["parts"]] == ["fruit"]
    assert plan["by_class"]["tool"] == 0
    assert plan["sample"] == [], "items of one class would tell the guess"
    assert "nail" in page.post("finish/plan", status=400, classes={"nail": 0.1})["error"]
    reply = page.post("finish/start", classes={"fruit": 0.45})
    assert (reply["result"]["status"] == "checking") == (plan["size"] > 0)


def test_no_model_no_plan(page: Page) -> None:
    assert "no model" in page.post("finish/plan", status=400, max_error=0.1)["error"]


@pytest.mark.parametrize(
    "body",
    [
        {"max_error": 0},
        {"max_error": 1},
        {"classes": {"fruit": 2}},
        {"classes": {"fruit": "x"}},
        {"max_error": "nan"},
        {"target": "all"},
    ],
)
def test_impossible_targets_are_refused(page: Page, body: dict[str, Any]) -> None:
    assert page.post("finish/plan", status=400, **body)["error"]


def test_a_page_without_its_key_says_so_to_a_person(page: Page) -> None:
    bare = TestClient(page.client.app, base_url="http://127.0.0.1")
    reply = bare.get("/dashboard", headers={"accept": "text/html"})
    assert reply.status_code == 401
    assert "needs its key" in reply.text
    assert bare.get("/api/v1/dashboard").json()["error"]
