"""What somebody searches for is asked next: found, leased, in the log, and no evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from askwise import Session, searching
from askwise.core import BadInput
from askwise.searching import ALIKE, FOUND
from askwise.verification import verify

TEXTS = [
    *("lunch at noon with Anna", "Lunch? Noon is fine", "dinner at eight with Bob", "see you at the station"),
    *("win a prize now", "you win: claim the prize", "free prize, call now", "cash prize for you"),
]
MANY = [f"{text} {n}" for n in range(12) for text in TEXTS]


def begun(**more: Any) -> Session:
    return Session(MANY, **{"classes": ["ham", "spam"], "encoder": "tfidf", "learner": "linear", **more})


def truth(text: str) -> str:
    return "spam" if "prize" in text else "ham"


def labeled(session: Session, n: int) -> None:
    for _ in range(n):
        for query in session.ask():
            session.tell(query, truth(query.text))
        session.refresh()


def test_items_with_the_words_come_first_then_those_like_them() -> None:
    with begun() as session:
        queries = session.find("lunch noon", 20)
        held, like = (
            [q for q in queries if q.strategy == FOUND],
            [q for q in queries if q.strategy == ALIKE],
        )
        assert queries == held + like
        assert len(held) == 20, "twelve with the words in this order, and twelve with them elsewhere"
        assert all({"lunch", "noon"} <= set(q.text.lower().replace("?", "").split()) for q in held)
        assert held[0].reason == "You searched for it: it holds these words."


def test_without_the_words_the_nearest_are_asked() -> None:
    with begun() as session:
        queries = session.find("prizes to win", 4)
        assert {q.strategy for q in queries} == {ALIKE}
        assert all("prize" in q.text for q in queries)
        assert "not in it" in queries[0].reason


def test_a_phrase_stands_before_its_words() -> None:
    with begun() as session:
        assert [q.text for q in session.find("the prize", 3)] == [MANY[5], MANY[13], MANY[21]]


def test_an_id_is_found_too() -> None:
    with begun(id=[f"mail-{n:03}" for n in range(len(MANY))]) as session:
        assert [q.item for q in session.find("mail-042", 1)] == ["mail-042"]


def test_what_is_found_is_leased_and_not_found_twice() -> None:
    with begun() as session:
        first = session.find("station", 5, annotator="ann")
        second = session.find("station", 7, annotator="bob")
        assert {q.strategy for q in first + second} == {FOUND}
        assert not {q.item for q in first} & {q.item for q in second}
        session.tell(first[0], "ham", annotator="ann")
        assert session.counts()["labeled"] == 1
        assert all(q.strategy == ALIKE for q in session.find("station", 3)), "none with the word is left"


def test_what_somebody_has_in_hand_is_found_as_it_was_asked() -> None:
    with begun() as session:
        (query,) = session.ask()
        found = session.find(query.text, 2)
        assert found[0] == query
        assert found[1].item != query.item
        assert query.item not in {q.item for q in session.find(query.text, 20, annotator="bob")}


def test_nobody_takes_more_in_hand_than_they_may() -> None:
    with begun() as session:
        assert len(session.find("prize", 20, most=7)) == 7
        assert len(session.find("prize", 20, most=7)) == 7, "those in hand"
        assert session.look(lambda s: len(s.leases)) == 7


def test_the_log_says_so_and_not_what_was_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    with begun(store=path) as session:
        labeled(session, 12)
        queries = session.find("claim Anna", 3)
        for query in queries:
            session.tell(query, truth(query.text))
        session.refresh()
        said = session.look(lambda s: [s.asks[q.row].strategy for q in queries])
        assert said == [q.strategy for q in queries]
        slots = session.look(lambda s: s.slots)
        labeled(session, 12)
        assert session.look(lambda s: s.slots) == slots + 12, "check items come as often as without the search"
    assert verify(path).ok
    assert b"claim Anna" not in path.read_bytes()
    with Session.open(path, encoder="tfidf") as again:
        assert again.counts()["labeled"] == 24 + len(queries)


def test_a_check_item_that_waits_is_not_found(tmp_path: Path) -> None:
    with begun(audit_share=0.5, store=tmp_path / "s.askwise") as session:
        labeled(session, 16)
        waiting = next(q for _ in range(8) for q in session.ask() if q.audit)
        session.skip(waiting)
        found = [q for who in "abcd" for q in session.find(waiting.text.rsplit(" ", 1)[0], 20, annotator=who)]
        assert len({q.item for q in found}) > 20
        assert waiting.item not in {q.item for q in found}
    assert verify(tmp_path / "s.askwise").ok


def test_a_found_item_is_no_check_item_later(tmp_path: Path) -> None:
    """Its guess may have been seen, so whoever put it off is not asked about it blind."""
    with begun(audit_share=0.5, store=tmp_path / "s.askwise") as session:
        labeled(session, 16)
        (query,) = session.find("station", 1)
        session.skip(query)
        assert session.look(lambda s: s.was_shown(query.row, "me"))


def test_taken_back_it_is_open_again_with_two_people(tmp_path: Path) -> None:
    with begun(overlap=0.5, store=tmp_path / "s.askwise") as session:
        (query,) = session.find("station", 1, annotator="ann")
        session.tell(query, "ham", annotator="ann")
        session.tell(query.item, "ham", annotator="bob")
        again = session.retract(query.item, annotator="ann")
        assert again is not None
        assert again.strategy == FOUND
        session.tell(again, "ham", annotator="ann")
    assert verify(tmp_path / "s.askwise").ok


def test_not_while_blind_checks_are_under_way() -> None:
    with Session(
        [f"{text} {n}" for n in range(60) for text in TEXTS], classes=["ham", "spam"], encoder="tfidf"
    ) as session:
        labeled(session, 30)
        session.autolabel(max_error=0.3)
        assert session.look(lambda s: s.open_attempt is not None)
        with pytest.raises(BadInput, match="Search again when they are done"):
            session.find("prize")


@pytest.mark.parametrize("text", ["", "  ", None, 7, "x" * 10_001])
def test_no_words(text: Any) -> None:
    with begun() as session, pytest.raises(BadInput, match="needs words"):
        session.find(text)


@pytest.mark.parametrize("n", [0, 21, -1, True, 2.0, "3"])
def test_numbers_that_are_not_allowed(n: Any) -> None:
    with begun() as session, pytest.raises(BadInput, match="1 to 20 items"):
        session.find("prize", n)


def test_rows_are_found_by_their_cells_alone() -> None:
    rows = pd.DataFrame({"town": ["Köln", "Bonn", "Bonn"] * 10, "n": range(30)})
    with Session(rows, kind="table", classes=["a", "b"], learner="linear") as session:
        assert {q.content["town"] for q in session.find("köln", 5)} == {"Köln"}
        assert session.find("Berlin", 5) == []


def test_a_forged_search_is_found_out(tmp_path: Path) -> None:
    """A search that asks a check item, which was drawn, or an item that is labeled, does not verify."""
    from askwise.core import Event

    path = tmp_path / "s.askwise"
    with begun(audit_share=0.5, store=path) as session:
        labeled(session, 16)
        drawn = session.look(lambda s: s.draws[-1].row)
        item = {"row": drawn, "drawn": False, "strategy": FOUND}
        round_ = session.look(lambda s: s.ranking.round)
        forged = {"annotator": "me", "round": round_, "until": 1e10, "items": [item]}
        session._ledger.commit(lambda s: ([Event("asked", forged)], None))
    found = verify(path)
    assert not found.ok
    assert any("after a search" in finding.sentence for finding in found.findings if finding.ok is False)


def plain(rows: list[int], texts: list[str], text: str) -> list[int]:
    """The slow, obvious search for one word."""
    return [row for row in rows if text.lower() in texts[row].lower()]


@given(some.lists(some.text("abc ", max_size=8), max_size=12), some.sampled_from(["a", "b", "ab", "ca"]))
def test_one_word_is_a_plain_search(texts: list[str], word: str) -> None:
    rows = list(range(len(texts)))
    assert searching.holding(rows, lambda row: [texts[row]], word) == plain(rows, texts, word)


@given(
    some.lists(some.integers(0, 9), unique=True, max_size=10),
    some.lists(some.sampled_from([0.0, 0.2, 0.5, 0.9]), max_size=10),
    some.integers(1, 8),
)
def test_the_nearest_fill_what_is_left(hits: list[int], like: list[float], n: int) -> None:
    free = np.arange(10) % 3 > 0
    found = searching.chosen(hits, np.array(like), free, n)
    rows = [row for row, _ in found]
    assert len(rows) == len(set(rows)) <= n
    assert [row for row, why in found if why == FOUND] == hits[:n]
    more = [row for row, why in found if why == ALIKE]
    assert all(free[row] and like[row] > 0 and row not in hits for row in more)
    assert [like[row] for row in more] == sorted((like[row] for row in more), reverse=True)
    left = [like[row] for row in range(len(like)) if free[row] and like[row] > 0 and row not in hits]
    assert len(found) == min(n, len(hits) + len(left))
