"""What an item is, one object a kind: through the log and back, identity, what is left of it, models, the lists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from askwise import completion, encoders
from askwise.app import projects
from askwise.core import BadInput, BadStore, Event
from askwise.media import File, Folder
from askwise.model import Model
from askwise.pool import FeatureRows, Pool, kinds, load, load_pool
from askwise.pool.kinds import KINDS, REGISTRY, ItemKind, OfColumns, wrong_text
from askwise.session import Session
from askwise.state import pool_events, pool_from_log
from askwise.verification import verify

HOME = Folder(Path("/nowhere"))
TEXTS = st.text(max_size=30).filter(lambda text: wrong_text(text) is None)
CELLS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
FILES = st.builds(lambda name, data: File(name, data.hex(), HOME), TEXTS, st.binary(min_size=32, max_size=32))
ITEMS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "image": FILES,
    "audio": FILES,
    "table": st.fixed_dictionaries({"a": CELLS, "b": CELLS}),
    "pair": st.tuples(TEXTS, TEXTS),
}
"""Kind → items of it; features are not in the log."""
ADDRESSES: dict[str, dict[str, Any]] = {
    "text": {"text": "t"},
    "image": {"text": "file", "files": ["folder", str(HOME.root)]},
    "audio": {"text": "file", "files": ["folder", str(HOME.root)]},
    "table": {"text": ["a", "b"]},
    "pair": {"text": ["l", "r"]},
}
IN_LOG = [kind for kind in REGISTRY.values() if not kind.features]


def pool_of(kind: ItemKind, contents: Sequence[Any]) -> Pool:
    address = {"id": "id", **ADDRESSES[kind.name]}
    ids = [f"i{row}" for row in range(len(contents))]
    told = [kind.columns_of(one, address["text"]) for one in contents]
    record = [{"id": name, **cells, "more": row} for row, (name, cells) in enumerate(zip(ids, told, strict=True))]
    return Pool(
        ids, list(contents), kind.name, sources=[[row] for row in range(len(ids))], address=address, record=record,
        digest=digest_of(kind, contents),
    )  # fmt: skip


def digest_of(kind: ItemKind, contents: Sequence[Any]) -> str:
    return hashlib.sha256(b"".join(kind.digest(one) for one in contents)).hexdigest()


def through_the_log(pool: Pool) -> Pool | None:
    opened = {
        "kind": pool.kind, "pool": pool.address, "n": len(pool), "fingerprint": pool.fingerprint, "given": {},
        "problems": [], "notes": [],
    }  # fmt: skip
    events = [Event(e.kind, json.loads(json.dumps(e.data))) for e in pool_events(pool)]
    return pool_from_log(json.loads(json.dumps(opened)), events)


def test_every_kind_is_tried_here() -> None:
    assert list(ITEMS) == list(ADDRESSES) == [kind.name for kind in IN_LOG]
    assert all(name == kind.name for name, kind in REGISTRY.items())


@pytest.mark.parametrize("kind", IN_LOG, ids=lambda kind: kind.name)
@given(data=st.data())
def test_items_come_back_from_the_log_as_they_were(kind: ItemKind, data: st.DataObject) -> None:
    pool = pool_of(kind, data.draw(st.lists(ITEMS[kind.name], min_size=1, max_size=4)))
    back = through_the_log(pool)
    assert back is not None
    assert back.item_kind is kind
    assert repr(back.contents) == repr(pool.contents), "values and their types"
    assert (back.ids, back.digest, back.fingerprint) == (pool.ids, pool.digest, pool.fingerprint)
    assert back.record is not None
    assert pool.record is not None
    assert [dict(back.record[row]) for row in range(len(pool))] == [dict(row) for row in pool.record]


@pytest.mark.parametrize("kind", IN_LOG, ids=lambda kind: kind.name)
@given(data=st.data())
def test_another_item_has_another_digest(kind: ItemKind, data: st.DataObject) -> None:
    one, other = data.draw(st.tuples(ITEMS[kind.name], ITEMS[kind.name]))
    assert kind.digests([one, other]) == [kind.digest(one), kind.digest(other)]
    same = json.dumps(kind.packed(one)) == json.dumps(kind.packed(other))
    if kind.files:  # the bytes are the item, whatever they are called
        same = one.sha256 == other.sha256
    assert (kind.digest(one) == kind.digest(other)) == same
    assert len(kind.digest(one)) == 32


@pytest.mark.parametrize("kind", IN_LOG, ids=lambda kind: kind.name)
@given(data=st.data())
def test_nothing_is_left_of_a_withdrawn_item_and_it_goes_through_the_log(kind: ItemKind, data: st.DataObject) -> None:
    one, other = data.draw(st.tuples(ITEMS[kind.name], ITEMS[kind.name]))
    left = kind.blank(one)
    assert left == kind.blank(other)
    assert set(kind.texts(left)) <= {""}
    source = HOME if kind.files else None
    assert kind.unpacked(json.loads(json.dumps(kind.packed(left))), source) == left


@pytest.mark.parametrize("kind", [kind for kind in IN_LOG if kind.in_json], ids=lambda kind: kind.name)
@settings(deadline=None)
@given(data=st.data())
def test_what_explain_leaves_out_is_another_item_of_the_kind(kind: ItemKind, data: st.DataObject) -> None:
    one = data.draw(ITEMS[kind.name])
    before = repr(one)
    assert kind.given(one, 0) == one
    for name, without in kind.without(one):
        assert isinstance(name, str)
        assert type(kind.given(without, 0)) is type(one)
    assert repr(one) == before
    assert isinstance(kind.as_text(one), str)


def test_what_is_left_out_of_each() -> None:
    assert list(REGISTRY["text"].without("No, no tea")) == [("no", " ,   tea"), ("tea", "No, no  ")]
    assert list(REGISTRY["pair"].without(("a", "b"))) == [("first: a", (" ", "b")), ("second: b", ("a", " "))]
    assert list(REGISTRY["table"].without({"x": 1})) == [("x", {"x": None})]
    assert not list(REGISTRY["image"].without(File("a.png", "00", HOME)))


def test_features_are_the_callers_and_known_by_their_digest_alone() -> None:
    kind = REGISTRY["array"]
    X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for matrix in (X, sparse.csr_matrix(X)):
        pool = load_pool(matrix)
        assert pool.item_kind is kind
        assert kind.digests(pool.contents) == [kind.digest(pool.contents[row]) for row in range(5)]
        assert len(set(kind.digests(FeatureRows(matrix)))) == 5
        assert not list(pool_events(pool))
        assert through_the_log(pool) is None


def test_the_lists_are_those_of_the_registry() -> None:
    assert completion.KINDS == KINDS
    assert get_args(projects.Kind) == KINDS
    assert encoders.OF_KIND == ("image", "audio", "rows", "table")
    for kind in REGISTRY.values():
        assert all(resolve_name(place).name == name for name, place in kind.encoders.items())


def test_a_kind_that_nobody_knows_is_a_sentence() -> None:
    with pytest.raises(BadInput, match="No kind named 'vido'"):
        kinds.get("vido")
    with pytest.raises(BadInput, match="kind is one of text, array, image, audio, table, pair, got 'vido'"):
        Model(kind="vido").fit(["a", "b"], ["x", "y"])
    for name in ("vido", None, ["text"], 3):
        with pytest.raises(BadStore, match="does not know"):
            kinds.recorded(name)


@pytest.mark.parametrize("name", ["image", "audio"])
def test_files_that_lie_nowhere_are_no_items(name: str) -> None:
    kind = REGISTRY[name]
    pool = pool_of(kind, [File("a", "00" * 32, HOME)])
    del pool.address["files"]
    with pytest.raises(BadStore, match="it does not say where the files lie"):
        through_the_log(pool)


# ── a kind of somebody else ─────────────────────────────────────────────────────────────────


class Talks(OfColumns):
    """Conversations: what was said in turn, a column for each turn."""

    name = "talk"
    prose = True

    def chosen(self, named: list[str], rest: list[str]) -> list[str]:
        return named or rest

    def reader(self, columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> Any:
        def item(row: int) -> str | tuple[Any]:
            turns = [columns[name][row] for name in names]
            return next(filter(None, map(wrong_text, turns)), None) or (turns,)

        return item

    def columns_of(self, content: list[str], text: Any) -> dict[str, Any]:
        return dict(zip(text, content, strict=True))

    def blank(self, content: list[str]) -> list[str]:
        return [""] * len(content)

    def texts(self, content: list[str]) -> list[str]:
        return list(content)

    def without(self, content: list[str]) -> Iterator[tuple[str, list[str]]]:
        yield from ((f"turn {at + 1}", [*content[:at], "", *content[at + 1 :]]) for at in range(len(content)))


class Counts:
    """An encoder of conversations."""

    name = "counts"
    version = "1"

    def encode(self, items: Sequence[Any]) -> Any:
        return np.array([[len(turn) for turn in item] for item in items], np.float32)


def test_a_new_kind_is_one_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is loaded, labeled, added to, withdrawn from, reopened, verified and predicted, and nobody else knows it."""
    monkeypatch.setitem(REGISTRY, "talk", Talks())
    monkeypatch.setattr(load, "KINDS", (*KINDS, "talk"))
    path = tmp_path / "talks.csv"
    lines = [f"hello {'o' * (row % 7)},{'please ' * (row % 5)} tea {row},x{row}" for row in range(40)]
    path.write_text("one,two,id\n" + "\n".join(lines[:36]) + "\nempty,,x99\n")
    pool = load_pool(path, kind="talk", text=["one", "two"], id="id")
    assert len(pool) == 36
    assert "empty text" in pool.problems[0].what
    store = tmp_path / "talks.askwise"
    session = Session(pool, classes=["long", "short"], encoder=Counts(), store=store, seed=0)
    for row, item in enumerate(pool.ids[:20]):
        session.tell(item, "long" if row % 5 > 2 else "short")
    session.refresh()
    assert session.model is not None
    said = session.model().explain([["hello", "please please please please tea"]])
    assert {name for name, _ in said[0].parts} == {"turn 1", "turn 2"}

    path.write_text("one,two,id\n" + "\n".join(lines) + "\n")
    assert session.add(path).items == 4
    session.withdraw(["x3"])
    session.close()
    again = Session.open(store, encoder=Counts())
    assert again.pool.kind == "talk"
    assert again.pool.contents[39] == lines[39].split(",")[:2]
    assert again.pool.contents[3] == ["", ""]
    assert verify(store).ok
    again.close()
