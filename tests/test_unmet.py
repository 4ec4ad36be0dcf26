"""Labels that nobody has met: what random draws prove of them, at every door, and no advice to stop before."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from askwise import Session, audit
from askwise.advice import not_before
from askwise.app.server import create_app
from askwise.core import Verdict
from askwise.report import to_text
from askwise.store import read_log
from askwise.unmet import named
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

TOKEN = "a-token-of-some-length"


def begun(n: int = 200, classes: tuple[str, ...] = ("ham", "spam"), **more: Any) -> Session:
    X = np.random.default_rng(5).normal(size=(n, 3)).astype(np.float32)
    return Session(X, classes=list(classes), **{"seed": 1, "audit_share": 0.2, **more})


def answer(session: Session, n: int, say: Any = "ham") -> None:
    for _ in range(n):
        query = session.ask()[0]
        session.tell(query, say(query) if callable(say) else say)


def bound(sentence: str) -> int | None:
    """At most so many items are of such a label, as the sentence has it; None where nothing is proved."""
    found = re.search(r"prove that at most ([\d,]+) of the", sentence)
    return int(found[1].replace(",", "")) if found else None


# ── random questions before the first model ─────────────────────────────────────────────────


def test_before_the_first_model_a_share_of_the_questions_is_drawn_at_random(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    with begun(store=path) as session:
        session.refresh()
        answer(session, 50)
        drawn = [one.row for one in session.look(lambda s: list(s.at_random))]
    asked = [q for event in read_log(path) if event.kind == "asked" for q in event.data["items"]]
    random = [q for q in asked if q["strategy"] == "random"]
    assert len(random) == 10, "one in five"
    assert all(q["probability"] == 1 / (200 - at) for at, q in enumerate(asked) if q["strategy"] == "random")
    assert [q["row"] for q in random] == drawn
    assert not any(q.get("audit") for q in asked), "there is no guess to check"
    assert verify(path).ok


def test_check_items_begin_with_the_first_model() -> None:
    with begun(audit_share=0.5) as session:
        session.refresh()
        answer(session, 6, lambda query: "ham" if query.row % 2 else "spam")
        assert not session.look(lambda s: s.draws)
        session.refresh()
        answer(session, 4, lambda query: "ham" if query.row % 2 else "spam")
        assert len(session.look(lambda s: s.draws)) == 2


def test_without_check_items_nothing_is_drawn() -> None:
    with begun(audit_share=0) as session:
        session.refresh()
        answer(session, 30)
        assert not session.look(lambda s: s.at_random)
        assert session.estimate().sentence.endswith(
            "All 30 labels so far are 'ham'. No item has been drawn at random since the first, so they prove nothing "
            "of what else is there."
        )


# ── one label ───────────────────────────────────────────────────────────────────────────────


def test_what_one_label_alone_proves_is_what_the_bound_for_searches_proves() -> None:
    with begun() as session:
        session.refresh()
        assert session.estimate().unmet == ""
        answer(session, 1)
        assert session.estimate().unmet.startswith("The only label so far is 'ham'. No item has been drawn")
        answer(session, 59)
        state = session.look(lambda s: s.still())
        first = min(a.seq for a in state.answers.values())
        draws = [one for one in state.at_random if one.seq > first]
        sizes = [int(np.unpackbits(one.eligible, count=state.n).sum()) for one in draws]
        most = audit.most_missed([False] * len(draws), sizes, [0] * len(draws), 140, 0.05)
        assert 0 < most < 140
        assert session.estimate().unmet == (
            f"All 60 labels so far are 'ham'. The {len(draws)} drawn at random since the first prove that at most "
            f"{most} of the 140 left are anything else (95% sure, however often you look); items that were chosen "
            "prove nothing."
        )


def test_a_draw_that_was_passed_over_may_have_been_of_another_label() -> None:
    found = []
    for skip in (False, True):
        with begun() as session:
            session.refresh()
            answer(session, 1)
            passed = 0
            while len(session.answers()) < 80:
                query = session.ask()[0]
                random = session.look(lambda s, row=query.row: s.asks[row].strategy == "random")
                if skip and random and passed < 3:
                    session.unsure(query)
                    passed += 1
                else:
                    session.tell(query, "ham")
            found.append(bound(session.estimate().unmet))
    assert found[0] is not None
    assert found[1] is None or found[1] > found[0]


def test_the_bound_holds_at_every_look_whatever_the_first_label_is() -> None:
    failed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = np.where(rng.random(60) < 0.25, "spam", "ham")
        with begun(60, seed=seed, audit_share=0.5) as session:
            session.refresh()
            wrong = False
            for _ in range(30):
                query = session.ask()[0]
                session.tell(query, str(truth[query.row]))
                labels = {str(a.label) for a in session.answers().values()}
                if len(labels) > 1:
                    break
                most = bound(session.estimate().unmet)
                open_ = [row for row in range(60) if row not in session.answers()]
                wrong |= most is not None and int((truth[open_] != labels.pop()).sum()) > most
            failed += wrong
    assert failed <= 3, "5 % of 60"


# ── labels that were declared ───────────────────────────────────────────────────────────────


def test_declared_labels_that_nobody_has_met_are_bounded_each_by_itself() -> None:
    with begun(300, ("ham", "spam", "other", "more")) as session:
        session.refresh()
        answer(session, 100, lambda query: "ham" if query.row % 2 else "spam")
        said = session.estimate().unmet
        assert said.startswith(
            "Nobody has met 'other' or 'more' among 100 labels: the 20 that were drawn at random prove"
        )
        assert said.endswith("are each of such a label (95% sure, however often you look; for each by itself).")
        assert 0 < (bound(said) or 0) < 200
        session.refresh()
        assert said in to_text(session.report()).replace("\n", " ")
        session.tell(session.ask()[0], "more")
        assert session.estimate().unmet.startswith("Nobody has met 'other' among 101 labels")
        session.tell(session.ask()[0], "other")
        assert session.estimate().unmet == ""


def test_a_label_that_came_later_is_bounded_by_nothing() -> None:
    with begun() as session:
        session.refresh()
        answer(session, 40, lambda query: "ham" if query.row % 2 else "spam")
        session.add_class("new")
        assert session.estimate().unmet == ""


def test_labels_of_the_data_are_not_declared() -> None:
    X = np.random.default_rng(5).normal(size=(40, 3))
    with Session(X, label=["a"] * 2 + [None] * 38, seed=1) as session:
        assert "All 2 labels so far are 'a'" in session.estimate().sentence


def test_every_door_says_it() -> None:
    with begun() as session:
        session.refresh()
        answer(session, 40)
        said = session.estimate().unmet
        assert bound(said) is not None
        assert said in to_text(session.report(), width=1000)
        with TestClient(create_app(session, token=TOKEN)) as client:
            headers = {"Authorization": f"Bearer {TOKEN}", "Host": "127.0.0.1"}
            assert client.get("/api/v1/pulse", headers=headers).json()["estimate"]["sentence"].endswith(said)
            assert client.get("/api/v1/dashboard", headers=headers).json()["estimate"]["sentence"].endswith(said)


# ── advice ──────────────────────────────────────────────────────────────────────────────────


def test_nobody_is_advised_to_stop_before_each_declared_label_was_met_twice() -> None:
    stop = Verdict(True, "Stop here.", 5, (4, 6), 100)
    with begun(classes=("ham", "spam", "other")) as session:
        session.refresh()
        answer(session, 30, lambda query: "ham" if query.row % 2 else "spam")
        now = session.look(lambda s: not_before(s, stop))
        assert not now.ready
        assert now.reason == (
            "Going on is advised: people have met 'other' not at all so far; a label that does not occur may be taken "
            "out of the list. But for that: Stop here."
        )
        session.tell(session.ask()[0], "other")
        assert "'other' once so far" in session.look(lambda s: not_before(s, stop)).reason
        session.tell(session.ask()[0], "other")
        assert session.look(lambda s: not_before(s, stop)) == stop


def test_who_takes_a_label_out_of_the_list_says_that_there_is_none() -> None:
    stop = Verdict(True, "Stop here.")
    with begun(classes=("ham", "spam", "other")) as session:
        session.refresh()
        answer(session, 30, lambda query: "ham" if query.row % 2 else "spam")
        session.change.remove("other")
        assert session.look(lambda s: not_before(s, stop)) == stop
        assert session.estimate().unmet == ""


def test_every_criterion_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askwise.stopping.stable", lambda kappas: Verdict(True, "Stable."))
    for labels, ready in ((("ham", "spam"), True), (("ham", "spam", "other"), False)):
        with begun(classes=labels) as session:
            session.refresh()
            answer(session, 30, lambda query: "ham" if query.row % 2 else "spam")
            session.refresh()
            assert dict(session.advice())["stable"].ready is ready


@pytest.mark.parametrize(
    ("names", "text"),
    [(["a"], "'a'"), (["a", "b"], "'a' or 'b'"), (list("abc"), "'a', 'b' or 'c'"),
     (list("abcdefg"), "'a', 'b', 'c', 'd', 'e' or 2 more")],
)  # fmt: skip
def test_labels_in_a_sentence(names: list[str], text: str) -> None:
    assert named(names) == text
