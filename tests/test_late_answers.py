"""Answers that come after somebody else has labeled the item, and how many questions one person may hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askwise.core import BadInput, Event
from askwise.session import Session
from askwise.store import MemoryStore
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

TEXTS = [f"{word} number {i}" for i in range(12) for word in ("apple", "pear", "hammer", "saw")]


@pytest.fixture(params=[False, True], ids=["one label", "several labels"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    with Session(TEXTS, classes=["fruit", "tool"], encoder="tfidf", multilabel=request.param) as made:
        yield made


def asked_anew(session: Session, first: str = "ann", then: str = "bob") -> Any:
    """A question that was in one person's hand too long, and is now in another's."""
    question = session.ask(1, annotator=first)[0]
    session.release(annotator=first)
    again = session.ask(len(TEXTS), annotator=then)
    assert question.item in [q.item for q in again]
    return question


def label_of(session: Session, question: Any) -> str | None:
    answer = session.answers().get(question.row)
    return None if answer is None else answer.label


def test_the_first_answer_stands_whoever_was_asked_first(session: Session) -> None:
    question = asked_anew(session)
    session.tell(question, "fruit", annotator="bob")
    session.tell(question, "tool", annotator="ann")
    assert label_of(session, question) == "fruit"
    votes = session.look(lambda s: {name: (a.label, a.late) for name, a in s.votes[question.row].items()})
    assert votes == {"bob": ("fruit", False), "ann": ("tool", True)}, "kept beside it"
    session.refresh()
    assert label_of(session, question) == "fruit", "nor does a consensus count it"
    assert session.agreement().items == 0
    assert verify(list(session._store.read())).ok


def test_who_was_first_may_change_their_mind_who_was_late_may_not_decide(session: Session) -> None:
    question = asked_anew(session)
    session.tell(question, "fruit", annotator="bob")
    session.tell(question, "tool", annotator="ann")
    session.tell(question, "fruit", annotator="ann")
    session.tell(question, "tool", annotator="ann")
    assert label_of(session, question) == "fruit"
    session.tell(question, "tool", annotator="bob")
    session.tell(question, "fruit", annotator="ann")
    assert label_of(session, question) == "tool"
    assert verify(list(session._store.read())).ok


def test_it_is_the_first_of_all_however_many_were_asked(session: Session) -> None:
    question = asked_anew(session)
    session.release(annotator="bob")
    session.ask(len(TEXTS), annotator="cleo")
    session.tell(question, "tool", annotator="ann")
    session.tell(question, "fruit", annotator="cleo")
    session.tell(question, "fruit", annotator="bob")
    assert label_of(session, question) == "tool"


def test_a_late_answer_holds_where_the_first_was_taken_back(session: Session) -> None:
    question = asked_anew(session)
    session.tell(question, "fruit", annotator="bob")
    session.tell(question, "tool", annotator="ann")
    session.retract(question, annotator="bob")
    assert label_of(session, question) == "tool"
    session.tell(question, "fruit", annotator="bob")
    assert label_of(session, question) == "fruit", "asked anew after the late one, so it is not late itself"
    assert verify(list(session._store.read())).ok


def test_reviewers_decide_as_before(session: Session) -> None:
    question = asked_anew(session)
    session.tell(question, "fruit", annotator="bob")
    session.tell(question, "tool", annotator="ann")
    session.adjudicate(question, "tool", annotator="rita")
    assert label_of(session, question) == "tool"
    session.adjudicate(question, None, annotator="rita")
    assert label_of(session, question) == "fruit"
    session.tell(question, "tool", annotator="rita")  # of her own accord, having seen what is there
    assert label_of(session, question) == "tool"
    session.tell_many([question.item], "fruit", annotator="ann")
    assert label_of(session, question) == "fruit"
    assert verify(list(session._store.read())).ok


@pytest.mark.parametrize("first", ["skip", "unsure"])
def test_only_a_label_makes_others_late(session: Session, first: str) -> None:
    question = asked_anew(session)
    getattr(session, first)(question, annotator="bob")
    session.tell(question, "tool", annotator="ann")
    assert label_of(session, question) == "tool"
    assert session.look(lambda s: s.late) == set()


def test_with_several_opinions_nobody_is_late() -> None:
    with Session(TEXTS, classes=["fruit", "tool"], encoder="tfidf", overlap=0.5) as session:
        question = asked_anew(session)
        session.tell(question, "fruit", annotator="bob")
        session.tell(question, "tool", annotator="ann")
        assert session.look(lambda s: s.late) == set()


def test_what_was_rewound_and_given_again_is_as_late_as_before(session: Session) -> None:
    for query, label in zip(session.ask(8), ["fruit", "tool"] * 4, strict=True):
        session.tell(query, label)
    session.refresh()
    question = asked_anew(session)
    session.release(annotator="bob")
    session.ask(len(TEXTS), annotator="bob")
    session.tell(question, "fruit", annotator="bob")
    session.tell(question, "tool", annotator="ann")
    version = session.look(lambda s: s.ranking.round)
    number = session.rewind(version)
    assert label_of(session, question) is None
    session.replay(number)
    assert label_of(session, question) == "fruit"
    assert session.look(lambda s: s.late) == {question.row}
    assert verify(list(session._store.read())).ok


def events_of(session: Session, late: Any) -> list[Event]:
    """The log, with something else said of the late answer."""
    found = []
    for event in session._store.read():
        data = dict(event.data)
        if data.get("late") and event.kind == "told":
            data = {key: value for key, value in data.items() if key != "late"} | (
                {} if late is None else {"late": late}
            )
        found.append((event.kind, data))
    store = MemoryStore()
    store.append([Event(kind, data) for kind, data in found], after=0)
    return list(store.read())


def test_a_log_that_hides_or_invents_lateness_is_found(session: Session) -> None:
    question = asked_anew(session)
    session.tell(question, "fruit", annotator="bob")
    session.tell(question, "tool", annotator="ann")
    assert verify(events_of(session, True)).ok
    for wrong in (None, False, 1, "yes"):
        found = verify(events_of(session, wrong))
        assert not found.ok, wrong
        assert "late" in str([one for one in found.findings if one.ok is False])


def test_an_old_log_means_what_it_meant(session: Session) -> None:
    question = asked_anew(session)
    session.tell(question, "fruit", annotator="bob")
    session.tell(question, "tool", annotator="ann")
    store = MemoryStore()
    old = [
        Event(event.kind, {key: value for key, value in event.data.items() if key != "late"})
        for event in session._store.read()
    ]
    store.append(old, after=0)
    with Session.open(store) as reopened:
        assert label_of(reopened, question) == "tool", "the newest of two labels, as it was when it was written"
    assert verify(list(store.read())).ok


# ── at the door ─────────────────────────────────────────────────────────────────────────────

pytest.importorskip("argon2", reason="the extra `team` is not installed")
from askwise.app.desk import MOST_HELD  # noqa: E402
from test_team import THINGS, House, Tab  # noqa: E402


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def test_the_late_one_is_told_and_reviewers_see_it(house: House) -> None:
    ann, bob = Tab(house.person("ann")), Tab(house.person("bob"))
    question = ann.ask(1)[0]
    house.session.release(annotator="ann")  # ten minutes have passed
    others = [bob.ask(20)]
    assert question["item"] in [q["item"] for q in others[0]]
    first = bob.act("tell", question["item"], label="fruit").json()
    late = ann.act("tell", question["item"], label="tool").json()
    assert first["note"] == ""
    assert "labeled this item while you had it" in late["note"]
    assert label_of(house.session, type("Q", (), question)) == "fruit"
    again = ann.act("tell", question["item"], label="tool", again=True, asked=question["asked"])
    assert again.status_code == 200
    told = house.session.look(lambda s: [one for one in s.story[question["row"]] if one[2] == "told"])
    assert len(told) == 2, "a retry whose reply was lost is not a third answer"
    page = house.person("rita").get(f"{THINGS}/review/disagreements").json()
    assert [(v["annotator"], v["label"], v["late"]) for v in page["items"][0]["votes"]] == [
        ("bob", "fruit", False), ("ann", "tool", True),
    ]  # fmt: skip
    assert page["items"][0]["label"] == "fruit"


def test_one_person_cannot_take_the_pool_away(house: House) -> None:
    session = house.session
    with Session([f"{i} words" for i in range(400)], classes=["fruit", "tool"], encoder="tfidf") as many:
        house.team.projects["many"] = type(house.team.projects["things"])(many, team=True)
        client = house.person("ann")
        replies = []
        for number in range(60):
            body = {"tab": f"tab {number}", "have": [], "want": 20}
            replies.append(client.post("/p/many/api/v1/ask", json=body))
        assert many.look(lambda s: s.held("ann")) == MOST_HELD
        assert {r.status_code for r in replies[3:]} == {429}
        assert f"{MOST_HELD} questions in hand" in replies[-1].json()["error"]
        held = [q["item"] for r in replies[:3] for q in r.json()["next"]]
        assert len(held) == MOST_HELD
        assert client.post("/p/many/api/v1/ask", json={"tab": "tab 0", "have": [], "want": 20}).status_code == 200
        tab = Tab(client, "tab 0", base="/p/many/api/v1")
        for item in held[:20]:  # an answer with the next question in its reply
            reply = tab.act("tell", item, label="fruit", want=20, have=held[20:][:40])
            assert reply.status_code == 200
            assert many.look(lambda s: s.held("ann")) <= MOST_HELD
        assert len(Tab(house.person("bob"), base="/p/many/api/v1").ask(20)) == 20, "the others have theirs"
        assert len(many.ask(300, annotator="a program")) == 300, "from Python there is no such limit"
        house.team.projects.pop("many")
    assert session.look(lambda s: s.held("ann")) == 0


def test_the_most_counts_what_is_in_hand(session: Session) -> None:
    assert len(session.ask(10, annotator="ann", most=4)) == 4
    assert session.ask(1, annotator="ann", most=4) == []
    assert len(session.ask(10, annotator="bob", most=4)) == 4
    question = session.ask(1, annotator="cleo", most=1)[0]
    found = session.hand_in(question, "label", "fruit", ask=5, annotator="cleo", most=2)
    assert len(found) == 2, "what was answered is no longer in hand"
    with pytest.raises(BadInput, match="n ≥ 1"):
        session.ask(0, most=4)
