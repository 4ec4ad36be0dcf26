"""Items that are withdrawn are gone from every byte, and the log still verifies."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from askwise import Session, cli, withdrawing
from askwise.app.roles import NEEDS, OWNER
from askwise.app.server import create_app
from askwise.core import BadInput, Conflict, Event, Unreachable
from askwise.encoders.cache import EmbeddingCache
from askwise.state import unpack
from askwise.store import MemoryStore, SQLiteStore, copy_log, open_store, read_log
from askwise.store.chain import link, of_data
from askwise.store.files import SCRUB_DUE
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

MARK = "zq-anna-4711"
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.askwise"))
TOKEN = "a-token-of-some-length"


def texts(n: int = 200) -> list[str]:
    return [f"{'win a prize' if i % 3 == 0 else 'see you'} number {i} {i % 17}" for i in range(n)]


def label(text: str) -> str:
    return "spam" if "prize" in text else "ham"


def ready(path: Any = None, rounds: int = 4, found: list[str] | None = None, **how: Any) -> Session:
    """A session with answers, check items and a model; row 7 holds the mark."""
    found = texts() if found is None else found
    found[7] = f"{MARK} wants a prize"
    session = Session(found, classes=["ham", "spam"], encoder="tfidf", store=path, seed=1, audit_share=0.4, **how)
    for _ in range(rounds):
        for query in session.ask(10):
            session.tell(query, label(query.text))
        session.refresh()
    return session


def unpacked(value: Any) -> Iterator[bytes]:
    """Every text in some JSON, also those that are packed in it."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key).encode()
            yield from unpacked(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from unpacked(one)
    elif isinstance(value, str):
        yield value.encode()
        with contextlib.suppress(binascii.Error, ValueError, zlib.error):
            yield zlib.decompress(base64.b64decode(value, validate=True))


def in_log(events: Any, mark: str = MARK) -> bool:
    return any(mark.encode() in text for event in events for text in unpacked(event.data))


def streams(data: bytes) -> Iterator[bytes]:
    """What can be decompressed anywhere in some bytes: what lies in pages that nothing points to, too."""
    for run in re.findall(rb"[A-Za-z0-9+/]{16,}", data):
        at = run.find(b"eJ")  # how zlib begins at level 6, 'eA' or 'eN' at others, as base64
        for begin in {at, run.find(b"eN"), run.find(b"eA")} - {-1}:
            part = run[begin : begin + (len(run) - begin) // 4 * 4]
            try:
                yield zlib.decompressobj().decompress(base64.b64decode(part))
            except (binascii.Error, zlib.error):
                continue


def in_bytes(folder: Path, mark: str = MARK) -> list[str]:
    """The files of a folder in which the mark is found, as it is or compressed."""
    wanted = mark.encode()
    found = []
    for path in folder.iterdir():
        if path.is_dir():
            continue
        data = path.read_bytes()
        if wanted in data or any(wanted in text for text in streams(data)):
            found.append(path.name)
    return found


def id_of(session: Session, row: int) -> str:
    return session.pool.ids[row]


def failed(path: Any) -> list[str]:
    return [one.sentence for one in verify(path).findings if one.ok is False]


# ── gone ────────────────────────────────────────────────────────────────────────────────────


def test_the_search_of_these_tests_finds_what_is_there(tmp_path: Path) -> None:
    ready(tmp_path / "s.askwise", rounds=0).close()
    assert in_bytes(tmp_path) == ["s.askwise"]
    assert in_log(read_log(tmp_path / "s.askwise"))


def test_nothing_of_it_is_in_any_byte_of_the_session(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    session = ready(path)
    session.tell(id_of(session, 7), "spam")
    session.flag(id_of(session, 7), f"this is {MARK}")
    before, name = session.estimate(), id_of(session, 7)
    said = session.withdraw([name], annotator="boss", reason="request 12")
    assert in_bytes(tmp_path) == [], "while it is open"
    assert not in_log(session._store.read())
    assert said.items == said.answered == 1
    assert said.salted
    assert "for good" in said.sentence
    assert name.encode() not in path.read_bytes()
    assert not in_log(read_log(path), name)
    session.refresh()
    assert session.counts()["items"] == 199
    assert session.counts()["withdrawn"] == 1
    assert session.estimate().low <= before.low
    session.close()
    assert in_bytes(tmp_path) == []
    assert failed(path) == []
    found = verify(path)
    said_then = " ".join(one.sentence for one in found.findings)
    assert "1 item was withdrawn" in said_then
    assert "'boss' (request 12)" in said_then
    assert "only a copy from before could tell" in said_then


def test_it_is_in_no_question_no_table_no_lesson_and_no_export(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise")
    labeled = next(row for row in session.answers())
    gone = [id_of(session, 7), id_of(session, labeled)]
    session.withdraw(gone)
    assert labeled not in session.answers()
    assert session.refresh(), "the model is learned anew"
    assert 7 not in session.look(lambda s: s.ranking.queue)
    rows = session.rows()
    assert len(rows) == 198
    assert not {row["item"] for row in rows} & {*gone, "withdrawn-8"}
    session.export(tmp_path / "out.csv")
    assert MARK not in (tmp_path / "out.csv").read_text()
    counts = session.counts()
    assert counts["labeled"] + counts["open"] + counts["auto"] + counts["given"] == counts["items"] == 198
    assert not {7, labeled} & {session._row(item) for item in session.deferred()}
    asked = [query.row for _ in range(30) for query in session.ask(10)]
    assert len(asked) == counts["open"]
    assert not {7, labeled} & set(asked)
    assert session.report().items == 198
    assert session.report().rows == 198


def test_a_session_opened_again_is_the_same(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise")
    session.withdraw([id_of(session, 7), id_of(session, 8)])
    session.refresh()
    said = session.counts(), session.estimate(), session.pool.ids, session.pool.fingerprint, session.deferred()
    X = session.features()
    session.close()
    with Session.open(tmp_path / "s.askwise") as again:
        assert (again.counts(), again.estimate(), again.pool.ids, again.pool.fingerprint) == said[:4]
        assert again.pool.withdrawn == {7, 8}
        assert abs(again.features() - X).max() == 0, "the encoder knows no more words than before"


def test_the_same_text_is_a_new_item_when_it_comes_again(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise")
    session.withdraw([id_of(session, 7)])
    added = session.add([f"{MARK} wants a prize", texts()[8], "quite new"])
    assert (added.items, added.known) == (2, 1)
    assert in_bytes(tmp_path) == ["s.askwise-wal"]
    session.withdraw([id_of(session, 200)])
    session.refresh()
    session.close()
    assert in_bytes(tmp_path) == []
    assert failed(tmp_path / "s.askwise") == []
    with Session.open(tmp_path / "s.askwise") as again:
        assert again.counts()["items"] == 200
        assert again.pool.ids[200] == "withdrawn-201"


def test_all_duplicates_of_it_go_and_the_rows_that_did_not_load(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    lines = ["name,text,phone", f"{MARK}@example.org,hello there,4711-{MARK}", "bob,see you,1", "carol,a prize,2"]
    lines += [f"{MARK}@example.org,another text,5", "dora,hello there,3", "eve,,9"]
    (data / "a.csv").write_text("\n".join(lines) + "\n")
    path = tmp_path / "s.askwise"
    session = Session(data / "a.csv", text="text", id="name", classes=["a", "b"], encoder="tfidf", store=path)
    assert in_log(session._store.read())
    problems = len(session.problems)
    session.withdraw([session.pool.ids[0]])
    assert not in_log(session._store.read())
    assert MARK not in str(session.rows())
    assert MARK not in str(session.problems)
    assert len(session.problems) == problems
    session.close()
    assert in_bytes(tmp_path) == []
    assert failed(path) == []
    with Session.open(path) as again:
        assert list(again.rows()[0])[:3] == ["name", "text", "phone"]
        assert MARK not in str(again.rows())


def test_what_was_not_told_anybody_is_not_in_the_embedding_cache(tmp_path: Path) -> None:
    cache = EmbeddingCache()
    keys = [hashlib.sha256(text.encode()).digest() for text in (f"{MARK} wants a prize", "another")]
    cache.put("an encoder", keys, np.full((2, 3), 7.25, np.float32))
    session = ready(tmp_path / "s.askwise", rounds=0)
    session.withdraw([id_of(session, 7)])
    assert set(cache.get("an encoder", keys)) == {keys[1]}
    assert keys[0] not in cache.path.read_bytes()


@pytest.mark.parametrize("kind", ["table", "pair"])
def test_items_that_are_no_text_leave_only_their_place(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    lines = ["one,two,note"] + [f"{label(t)} {i},{t},n{i}" for i, t in enumerate(texts(60))]
    lines[1] = f"{MARK} 1,{MARK} 2,{MARK} 3"
    (data / "a.csv").write_text("\n".join(lines) + "\n")
    path = tmp_path / "s.askwise"
    session = Session(data / "a.csv", kind=kind, text=["one", "two"], classes=["ham", "spam"], store=path)
    for query in session.ask(12):
        session.tell(query, label(str(query.content)))
    session.withdraw([session.pool.ids[0]])
    session.refresh()
    assert session.pool.names() == ["one", "two", "note"]
    session.close()
    assert in_bytes(tmp_path) == []
    assert failed(path) == []
    with Session.open(path) as again:
        assert again.refresh() or again.counts()["labeled"] >= 11
        assert len(again.rows()) == 59


def test_images_are_told_to_lie_where_they_lay(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        name = f"{MARK}.png" if i == 3 else f"{i}.png"
        image.fromarray(rng.integers(0, 99 + 100 * (i % 2), (9, 9, 3), dtype=np.uint8)).save(folder / name)
    path = tmp_path / "s.askwise"
    session = Session(folder, classes=["a", "b"], store=path)
    gone = next(row for row, content in enumerate(session.pool.contents) if MARK in str(content))
    for query in session.ask(8):
        session.tell(query, "ab"[query.row % 2])
    said = session.withdraw([session.pool.ids[gone]])
    assert "delete them there" in said.sentence
    session.refresh()
    session.close()
    assert in_bytes(tmp_path) == []
    assert failed(path) == []
    (folder / f"{MARK}.png").unlink()
    with Session.open(path) as again:
        again.refresh()
        assert again.counts()["items"] == 11


def test_an_array_is_given_again_with_anything_in_its_place(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    path = tmp_path / "s.askwise"
    session = Session(X, classes=["a", "b"], store=path)
    for query in session.ask(12):
        session.tell(query, "ab"[int(X[query.row, 0] > 0)])
    session.add(np.concatenate([X, X[:3] + 1]))
    gone = [session.pool.ids[row] for row in (5, 61)]
    assert "take them out of yours" in session.withdraw(gone).sentence
    session.refresh()
    session.close()
    assert not any(name.encode() in path.read_bytes() for name in gone)
    assert failed(path) == []
    whole = np.concatenate([X, X[:3] + 1])
    whole[5], whole[61] = 0, 1
    with Session.open(path, pool=whole) as again:
        again.refresh()
        assert again.counts()["items"] == 61
        assert [row for row, name in enumerate(again.pool.ids) if "withdrawn" in name] == [5, 61]
    whole[6] = 3
    with pytest.raises(BadInput, match="not the pool"):
        Session.open(path, pool=whole)


# ── the chain ───────────────────────────────────────────────────────────────────────────────


def certified(path: Path, found: list[str] | None = None) -> Session:
    session = ready(path, rounds=8, found=found or texts(400), max_error=0.2)
    session.autolabel()
    while (now := session.autolabel_status()) is not None and now.status == "checking":
        for query in session.ask(4):
            session.tell(query, label(query.text))
    assert session.autolabel_status().status == "certified"
    return session


def test_fingerprints_from_before_are_still_those_of_the_log(tmp_path: Path) -> None:
    session = certified(tmp_path / "s.askwise")
    before = session.certificates()[0]
    head = verify(tmp_path / "s.askwise").fingerprint
    digests = [event.digest for event in session._store.read()]
    checked = int(session.look(lambda s: s.attempts[0].order[0]))
    handed = next(iter(session.look(lambda s: list(s.auto))))
    open_ = next(row for row in range(400) if row not in session.look(lambda s: s.attempts[0].position))
    said = session.withdraw([id_of(session, row) for row in (checked, handed, open_)])
    assert said.certified == 2
    assert [event.digest for event in session._store.read()][: len(digests)] == digests
    after = session.certificates()[0]
    assert after.withdrawn == 2
    assert (after.fingerprint, after.audits, after.wrong, after.void) == (
        before.fingerprint,
        before.audits,
        before.wrong,
        "",
    )
    assert f"2 of the {after.region:,} items that it speaks of were withdrawn since" in after.sentence
    session.close()
    for fingerprint in (before.fingerprint, head):
        found = verify(tmp_path / "s.askwise", fingerprint=fingerprint)
        assert found.ok, [one for one in found.findings if one.ok is False]
        assert any(one.check == "fingerprint" and one.ok for one in found.findings)
    assert "2 of the" in found.certificates[0].sentence
    with Session.open(tmp_path / "s.askwise") as again:
        assert again.certificates()[0] == after
        assert handed not in again.look(lambda s: s.auto)


def test_a_copy_is_the_same_log(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise")
    session.withdraw([id_of(session, 7)])
    session.close()
    events, head = copy_log(tmp_path / "s.askwise", tmp_path / "c.askwise")
    assert events == len(read_log(tmp_path / "c.askwise"))
    assert verify(tmp_path / "c.askwise", fingerprint=head).ok
    with Session.open(tmp_path / "c.askwise") as again:
        again.tell(id_of(again, 9), "spam")
    assert failed(tmp_path / "c.askwise") == []


def test_no_guess_of_a_text_can_be_confirmed_by_the_digests(tmp_path: Path) -> None:
    """Whoever kept the old file's digests and guesses right lacks the salt; with it the guess would be confirmed."""
    session = ready(tmp_path / "s.askwise")
    old = {event.seq: event for event in session._store.read()}
    session.withdraw([id_of(session, 7)])
    now = {event.seq: event for event in session._store.read()}
    items = now[2]
    assert items.digest == old[2].digest
    guessed = {**items.data, "packed": old[2].data["packed"]}  # the guess is exact

    def digest(data: dict[str, Any]) -> str:
        text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return link(now[1].digest, 2, items.at, "items", text)

    assert digest(guessed) != items.digest
    assert digest({**guessed, "salt": old[2].data["salt"]}) == items.digest
    hashes = {old[1].data["fingerprint"], old[1].data["pool"].get("fingerprint")}
    assert not any(one and one in json.dumps(event.data) for event in now.values() for one in hashes)
    first = now[len(old) + 1].data["amended"]
    session.withdraw([id_of(session, 8)])
    later = {event.seq: event for event in session._store.read()}
    assert later[2].data["salt"] != items.data["salt"], "what was left the first time held it, too"
    assert first["2"] == of_data(items.data)


@pytest.mark.parametrize("what", ["content", "answer", "settings", "claimed"])
def test_what_is_altered_afterwards_is_found(tmp_path: Path, what: str) -> None:
    path = tmp_path / "s.askwise"
    session = ready(path)
    session.withdraw([id_of(session, 7)])
    session.close()
    events = read_log(path)
    told = next(event for event in events if event.kind == "told")
    place = {"content": 2, "answer": told.seq, "settings": 1, "claimed": told.seq}[what]
    data = dict(events[place - 1].data)
    if what == "content":
        other = json.loads(unpack(data["packed"]))
        other[3][1] = "something else"
        data["packed"] = base64.b64encode(zlib.compress(json.dumps(other).encode(), 1)).decode()
    elif what == "settings":
        data["max_error"] = 0.5
    else:
        data["label"] = "ham" if data["label"] == "spam" else "spam"
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER append_only_update")
        db.execute("UPDATE events SET data = ? WHERE seq = ?", (json.dumps(data, sort_keys=True), place))
        if what == "claimed":  # the answer is said to be one that lost something, and the chain is made to fit
            said = dict(events[-1].data)
            said["amended"] = {**said["amended"], str(place): of_data(data)}
            text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            own = link(events[-2].digest, events[-1].seq, events[-1].at, "withdrawn", text)
            db.execute("UPDATE events SET data = ?, digest = ? WHERE seq = ?", (text, own, events[-1].seq))
    db.close()
    assert failed(path), what


def test_a_file_from_before_that_is_put_back_is_found(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    session = ready(path)
    old = session._store.read()[1]
    session.withdraw([id_of(session, 7)])
    session.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER append_only_update")
        text = json.dumps(old.data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        db.execute("UPDATE events SET data = ? WHERE seq = 2", (text,))
    db.close()
    assert any("put back" in said for said in failed(path))


def test_the_old_file_put_back_under_an_open_session_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    ready(path).close()
    shutil.copy(path, tmp_path / "old")
    session = Session.open(path)
    session.withdraw([id_of(session, 7)])
    (tmp_path / "s.askwise-wal").unlink(missing_ok=True)
    shutil.move(tmp_path / "old", path)
    with pytest.raises(Unreachable):
        session.tell(id_of(session, 9), "spam")


# ── old sessions ────────────────────────────────────────────────────────────────────────────


EARLIER = [path for path in GOLDEN if path.stem != "f3_table"]
"""Sessions without a salt in the events that hold items; that one came when there was one already."""


@pytest.mark.parametrize("path", EARLIER, ids=lambda path: path.stem)
def test_sessions_of_earlier_versions_can_let_items_go(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    before = verify(copy)
    with Session.open(copy) as session:
        rows = session.look(lambda s: [*(d.row for d in s.draws), *s.answers, *range(s.n)])
        rows = list(dict.fromkeys(rows))[:3]
        gone = [(session.pool.ids[row], str(session.pool.contents[row])) for row in rows]
        low = session.estimate().low
        said = session.withdraw([name for name, _ in gone])
        assert not said.salted
        assert "begin a new session" in said.sentence
        assert session.estimate().low <= low
        session.refresh()
        assert not any(in_log(session._store.read(), text) for _, text in gone)
    assert not any(in_bytes(tmp_path, text) for _, text in gone)
    found = verify(copy, fingerprint=before.fingerprint)
    assert found.ok, [one for one in found.findings if one.ok is False]
    said_then = " ".join(one.sentence for one in found.findings)
    assert "begun by an earlier version" in said_then
    assert ("got theirs only then" in said_then) == path.stem.startswith("f1")
    assert len(found.certificates) == len(before.certificates)
    with Session.open(copy) as again:
        assert again.counts()["withdrawn"] == 3
        for query in again.ask(2):
            again.tell(query, again.classes[:1] if again.multilabel else again.classes[0])
        again.refresh()
    assert failed(copy) == []


# ── evidence ────────────────────────────────────────────────────────────────────────────────


def test_a_check_item_that_goes_never_makes_a_bound_better() -> None:
    session = ready(rounds=8)
    events = session._store.read()
    drawn = session.look(lambda s: [draw.row for draw in s.draws])
    assert len(drawn) > 12
    for row in drawn:
        one = Session.open(_stored(events))
        before, classes = one.estimate(), one.metrics()
        wrong = one.look(lambda s: s.draw_outcomes()[1])
        one.withdraw([id_of(one, row)])
        after, now = one.estimate(), one.metrics()
        assert after.low <= before.low
        assert after.high >= before.high
        assert after.audits == before.audits - 1
        assert len(one.look(lambda s: s.draw_outcomes()[1])) >= len(wrong), "none is left out, the last neither"
        for was, is_ in zip(classes.classes, now.classes, strict=True):
            for name in ("precision", "recall"):
                assert getattr(is_, name).low <= getattr(was, name).low + 1e-12
                assert getattr(is_, name).high >= getattr(was, name).high - 1e-12
    assert after.low < before.low, "and it does count"


def _stored(events: Any) -> MemoryStore:
    store = MemoryStore()
    store.append(list(events), after=0)
    return store


def test_wrong_checks_cannot_be_withdrawn_to_get_a_certificate(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise", rounds=8, found=texts(400), max_error=0.2)
    assert session.autolabel().status == "checking"
    query = session.ask(1)[0]
    right = label(query.text)
    session.tell(query, "ham" if right == "spam" else "spam")
    _, wrong = session.look(lambda s: (0, [w for w in s.outcomes(s.attempts[0]) if w is not None]))
    assert wrong == [True]
    session.withdraw([query.item])
    assert session.look(lambda s: s.outcomes(s.attempts[0]))[0] is True
    ahead = int(session.look(lambda s: s.attempts[0].order[1]))
    session.withdraw([id_of(session, ahead)])  # nobody has looked at it, and it counts as wrong
    assert session.look(lambda s: s.outcomes(s.attempts[0]))[:2] == [True, True]
    while (now := session.autolabel_status()) is not None and now.status == "checking":
        asked = session.ask(4)
        assert ahead not in {one.row for one in asked}
        for one in asked:
            session.tell(one, label(one.text))
    attempt = session.look(lambda s: s.attempts[0])
    assert attempt.wrong >= 2 or attempt.outcome != "certified"
    assert not session.look(lambda s: set(s.auto) & set(s.withdrawn))
    session.close()
    assert failed(tmp_path / "s.askwise") == []


def test_a_search_goes_on_and_promises_no_more(tmp_path: Path) -> None:
    found = texts(300)
    session = Session(
        found, classes=["spam", "ham"], recall=0.9, relevant="spam", encoder="tfidf", store=tmp_path / "s.askwise"
    )
    for _ in range(6):
        for query in session.ask(20):
            session.tell(query, label(query.text))
        session.refresh()
    before = session.recall()
    relevant = [row for row, answer in session.answers().items() if answer.label == "spam"][:5]
    unread = [row for row in range(300) if row not in session.answers()][:5]
    session.withdraw([id_of(session, row) for row in relevant + unread])
    after = session.recall()
    assert (after.found, after.unread) == (before.found - 5, before.unread - 5)
    assert after.read + after.unread == 290
    assert after.low <= before.low
    session.refresh()
    session.close()
    assert failed(tmp_path / "s.askwise") == []


# ── refusals ────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_withdrawn_is_said_and_nothing_happens(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise")
    events = len(session._store.read())
    first = id_of(session, 0)
    for ids, said in (
        ([], "got none"),
        (first, "a list of ids"),
        ([first, "nobody", "no one"], "'nobody' and 1 more. Nothing was withdrawn"),
        (list(session.pool.ids), "all items"),
    ):
        with pytest.raises(BadInput, match=said):
            session.withdraw(ids)
    assert len(session._store.read()) == events
    session.withdraw([first, first])
    with pytest.raises(BadInput, match="Nothing was withdrawn"):
        session.withdraw([first])
    with pytest.raises(BadInput, match="was withdrawn before"):
        session.withdraw(["withdrawn-1"])


class Plain:
    """A store of two methods, as somebody else may have written one."""

    def __init__(self) -> None:
        self._held = MemoryStore()
        self.read, self.append, self.close = self._held.read, self._held.append, self._held.close


def test_a_store_that_takes_nothing_out_says_so() -> None:
    session = Session(texts(20), classes=["ham", "spam"], encoder="tfidf", store=Plain())
    with pytest.raises(BadInput, match="has no `redact`"):
        session.withdraw([id_of(session, 0)])


def test_who_has_it_in_hand_is_told_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    mine = ready(path)
    query, other = mine.ask(2, annotator="ann")
    session = Session.open(path)  # another process, as it were
    session.withdraw([query.item])
    with pytest.raises(BadInput, match="withdrawn"):
        mine.tell(query, "ham", annotator="ann")
    with pytest.raises(BadInput, match="Perhaps it was withdrawn"):
        mine.skip(query.item, annotator="ann")
    mine.tell(other, label(other.text), annotator="ann")
    assert mine.refresh()
    assert query.row not in {one.row for one in mine.ask(5, annotator="ann")}
    session.close()
    mine.close()
    assert failed(path) == []


def test_what_was_said_of_it_cannot_be_taken_back_or_given_again(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise")
    query = session.ask(1)[0]
    session.tell(query, "ham")
    session.withdraw([query.item])
    undone = session.retract()
    assert undone is not None
    assert undone.row != query.row
    session.release()
    number = (
        session.rewind(session.look(lambda s: s.ranking.round))
        if session.look(lambda s: any(seq > s.learned[-1] for trail in s.trail.values() for seq, _ in trail))
        else None
    )
    assert number is None or session.replay(number) >= 0
    session.close()
    assert failed(tmp_path / "s.askwise") == []


# ── many at once, and killed ────────────────────────────────────────────────────────────────


def test_people_label_while_items_go(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    session = ready(path, found=texts(300))
    session.start()
    ended, troubles = threading.Event(), list[BaseException]()

    def work(who: str) -> None:
        while not ended.is_set():
            try:
                for query in session.ask(2, annotator=who):
                    session.tell(query, label(query.text) if query.text else "ham", annotator=who)
            except BadInput as error:
                if "withdrawn" not in str(error):
                    troubles.append(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is to know
                troubles.append(error)
                return

    people = [threading.Thread(target=work, args=(f"p{i}",)) for i in range(3)]
    for one in people:
        one.start()
    rng = random.Random(0)
    rows = [7, *rng.sample([row for row in range(300) if row != 7], 8)]
    for row in rows:
        session.withdraw([id_of(session, row)])
        time.sleep(0.05)
    ended.set()
    for one in people:
        one.join(60)
    assert troubles == []
    session.stop()
    assert session.worker_error is None
    session.refresh()
    assert not set(rows) & set(session.answers())
    session.close()
    assert in_bytes(tmp_path) == []
    assert failed(path) == []


def _killed_at(path: Path, left: Any, event: Event, after: int, step: int) -> None:
    """Withdraw, and be gone before SQLite's statement number `step`."""
    store, count = SQLiteStore(path), 0

    def before_each(statement: str) -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    store._db.set_trace_callback(before_each)
    store.redact(left, event, after=after)
    os._exit(0)


def _killed_after(path: Path, left: Any, event: Event, after: int, seconds: float) -> None:
    threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    SQLiteStore(path).redact(left, event, after=after)
    os._exit(0)


def _withdrawal(path: Path) -> tuple[dict[int, Any], Event, int]:
    """What `redact` is given to withdraw row 7."""
    given: list[Any] = []
    with Session.open(path) as session:
        session._store.redact = lambda left, event, after: given.extend((left, event, after))
        session.withdraw([id_of(session, 7)])
    return given[0], given[1], given[2]


def _faults(events: Any, known: list[tuple[Any, list[str]]]) -> list[str]:
    """What `failed` finds in a file with these events; a log that was seen before, event by event, is kept."""
    for log, found in known:
        if log == events:
            return found
    known.append((events, failed(list(events))))
    return known[-1][1]


def _whole(path: Path, known: list[tuple[Any, list[str]]]) -> bool:
    """Whether it is the new file; it is one of the two, and nothing of the other."""
    events = read_log(path)
    gone = events[-1].kind == "withdrawn"
    assert in_log(events) != gone
    assert _faults(events, known) == []
    SQLiteStore(path).close()
    assert bool(in_bytes(path.parent)) != gone
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] != SCRUB_DUE
    db.close()
    assert _faults(read_log(path), known) == []
    return gone


def test_killed_at_every_step_it_is_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "s.askwise"
    kept.parent.mkdir()
    ready(kept, rounds=2, found=texts(1500)).close()
    what = _withdrawal(kept)
    fork, ends = multiprocessing.get_context("fork"), list[bool]()
    known: list[tuple[Any, list[str]]] = []
    for step in range(1, 200):
        path = tmp_path / f"at{step}" / "s.askwise"
        path.parent.mkdir()
        shutil.copy(kept, path)
        process = fork.Process(target=_killed_at, args=(path, *what, step))
        process.start()
        process.join(60)
        ends.append(_whole(path, known))
        shutil.rmtree(path.parent)
        if process.exitcode == 0:
            break
    assert process.exitcode == 0
    assert len(ends) > 10, "statements were counted"
    assert ends == sorted(ends), "once it is the new file, it stays so"
    assert 3 < sum(ends) < len(ends) - 3, "kills before and after the transaction"


@pytest.mark.slow
def test_killed_at_any_moment_it_is_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "s.askwise"
    kept.parent.mkdir()
    ready(kept, rounds=2, found=texts(20_000)).close()
    what, rng = _withdrawal(kept), random.Random(0)
    fork, ends = multiprocessing.get_context("fork"), list[bool]()
    known: list[tuple[Any, list[str]]] = []
    for number in range(30):
        path = tmp_path / f"at{number}" / "s.askwise"
        path.parent.mkdir()
        shutil.copy(kept, path)
        process = fork.Process(target=_killed_after, args=(path, *what, rng.uniform(0.001, 0.08)))
        process.start()
        process.join(60)
        ends.append(_whole(path, known))
        shutil.rmtree(path.parent)
    assert any(ends)


def test_the_log_that_moved_on_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    ready(path).close()
    left, event, after = _withdrawal(path)
    for store in (SQLiteStore(path), _stored(read_log(path))):
        with pytest.raises(Conflict):
            store.redact(left, event, after=after - 1)
        assert in_log(store.read())
        store.close()
    assert failed(path) == []


def test_a_disk_that_is_full_is_said_and_done_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.askwise"
    session = ready(path)

    def full(self: SQLiteStore) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SQLiteStore, "_fold_back", full)
    with pytest.raises(Unreachable, match="could not be overwritten yet"):
        session.withdraw([id_of(session, 7)])
    assert session.counts()["withdrawn"] == 1, "it is withdrawn all the same"
    session.tell(id_of(session, 9), "spam")
    monkeypatch.undo()
    session.close()
    Session.open(path).close()
    assert in_bytes(tmp_path) == []
    assert failed(path) == []


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────


def test_in_a_database_the_rows_are_written_anew(server: Any, tmp_path: Path) -> None:
    address = server.address("withdrawing")
    session, other = ready(address), Session.open(address)
    query = other.ask(1, annotator="bob")[0]
    session.withdraw([id_of(session, 7), query.item], annotator="boss")
    dump = server.sql("SELECT string_agg(e::text, ' ') FROM askwise_events e", database="team")
    assert MARK not in dump
    assert not in_log(read_log(address))
    with pytest.raises(BadInput, match="withdrawn"):
        other.tell(query, "ham", annotator="bob")
    asked = other.ask(1, annotator="bob")[0]
    other.tell(asked, label(asked.text), annotator="bob")
    session.refresh()
    session.tell(id_of(session, 11), "ham")
    assert failed(address) == []
    server.control("restart", "immediate")  # every connection is lost, and sought again
    session.withdraw([id_of(session, 8)])
    session.close()
    other.close()
    assert failed(address) == []
    copy_log(address, tmp_path / "s.askwise")
    assert failed(tmp_path / "s.askwise") == []
    with Session.open(address) as again:
        assert again.counts()["withdrawn"] == 3
    store = open_store(address)
    with pytest.raises(Conflict):
        store.redact({}, Event("withdrawn", {}), after=1)
    store.close()


# ── the doors ───────────────────────────────────────────────────────────────────────────────


def run(*args: str, typed: str = "") -> tuple[int, str]:
    said, old = io.StringIO(), (sys.stdout, sys.stderr, sys.stdin)
    sys.stdout = sys.stderr = said
    sys.stdin = io.StringIO(typed)
    try:
        cli.main(args)
    except SystemExit as ended:
        return (ended.code if isinstance(ended.code, int) else int(ended.code is not None)), said.getvalue()
    finally:
        sys.stdout, sys.stderr, sys.stdin = old
    return 0, said.getvalue()


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "s.askwise"
    session = ready(path)
    ids = session.pool.ids
    session.close()
    where = str(path)
    for args, said in (
        ((), "Which session"),
        ((where,), "Name the items"),
        ((where, "nobody", "--yes"), "No item of the session has the id 'nobody'"),
        ((where, ids[7]), "Give --yes"),
        ((where, ids[7], "--from", "x"), "not both"),
        ((where, "--from", str(tmp_path / "none"), "--yes"), "Cannot read the ids"),
    ):
        code, out = run("withdraw", *args)
        assert (code, said in " ".join(out.split())) == (2, True), out
    assert in_log(read_log(path))
    code, out = run("withdraw", where, ids[7], "--yes", "--by", "boss", "--reason", "request 1")
    assert code == 0, out
    assert "1 item is withdrawn, for good." in out
    (tmp_path / "ids.txt").write_text(f"{ids[1]}\n\n{ids[2]}\n")
    assert run("withdraw", where, "--from", str(tmp_path / "ids.txt"), "--yes")[0] == 0
    assert run("withdraw", where, "--from", "-", "--yes", typed=f"{ids[3]}\n")[0] == 0
    (tmp_path / "ids.txt").unlink()
    assert in_bytes(tmp_path) == []
    last = read_log(path)
    assert [(e.data["annotator"], e.data["rows"]) for e in last if e.kind == "withdrawn"] == [
        ("boss", [7]), ("me", [1, 2]), ("me", [3]),
    ]  # fmt: skip
    code, out = run("verify", where)
    assert code == 0
    assert "by 'boss' (request 1)" in " ".join(out.split())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "gone"), [("n\n", False), ("y\n", True)])
def test_the_command_asks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, gone: bool) -> None:
    path = tmp_path / "s.askwise"
    session = ready(path, rounds=0)
    name = id_of(session, 7)
    session.close()
    said = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stdout", said)
    with pytest.raises(SystemExit) as ended:
        cli.main(["withdraw", str(path), name])
    assert ended.value.code == (0 if gone else 1)
    assert "This cannot be undone" in said.getvalue()
    assert in_log(read_log(path)) != gone


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[TestClient, Session]]:
    session = ready(tmp_path / "s.askwise")
    with TestClient(
        create_app(session, token=TOKEN), headers={"x-askwise-token": TOKEN, "host": "127.0.0.1"}
    ) as client:
        yield client, session
    session.close()


def test_over_http(door: tuple[TestClient, Session], tmp_path: Path) -> None:
    client, session = door
    assert NEEDS["POST /api/v1/items/withdraw"] == OWNER
    hand = client.post("/api/v1/ask", json={"tab": "one", "want": 3}).json()["next"]
    assert len(hand) == 3
    gone = [hand[0]["item"], id_of(session, 7)]
    assert client.post("/api/v1/items/withdraw", json={"items": []}).status_code == 400
    reply = client.post("/api/v1/items/withdraw", json={"items": ["nobody"]})
    assert reply.status_code == 400
    assert "'nobody'" in reply.json()["error"]
    reply = client.post("/api/v1/items/withdraw", json={"items": gone, "reason": "request 3"})
    assert reply.status_code == 200, reply.text
    assert reply.json()["items"] == 2
    assert "for good" in reply.json()["sentence"]
    body = {"tab": "one", "have": [], "want": 3, "key": "k", "item": gone[0], "label": "ham"}
    refused = client.post("/api/v1/tell", json=body)
    assert 400 <= refused.status_code < 500
    assert "withdrawn" in refused.json()["error"]
    again = client.post("/api/v1/ask", json={"tab": "one", "want": 3}).json()
    assert gone[0] not in {one["item"] for one in again["next"]}
    assert MARK not in json.dumps(again)
    listed = client.get("/api/v1/items", params={"limit": 200}).json()
    assert listed["total"] == 198
    assert MARK not in json.dumps(listed)
    session.refresh()
    drawn = client.get("/api/v1/map").json()
    assert 7 not in drawn["rows"]
    assert drawn["items"] == sum(drawn["counts"]) == 198
    for address in ("map/item", "file", "words"):
        assert 400 <= client.get(f"/api/v1/{address}", params={"row": 7}).status_code < 500
    assert in_bytes(tmp_path) == []


def terms(encoder: Any) -> set[str]:
    return {term for part in encoder._parts for term in part.vocabulary_}


def test_a_model_that_was_taken_after_it_knows_no_word_of_it(tmp_path: Path) -> None:
    found = texts()
    found[8] = f"{MARK} again"
    session = ready(tmp_path / "s.askwise", found=found)
    assert "anna" in terms(session._parts.encoder)
    session.withdraw([id_of(session, 7), id_of(session, 8)])
    assert "anna" not in terms(session.model(shown=False).encoder_)
    session.refresh()
    assert "anna" not in terms(session._parts.encoder)


@pytest.mark.slow
def test_a_process_that_learns_apart_is_begun_anew(tmp_path: Path) -> None:
    session = ready(tmp_path / "s.askwise")
    session.start(apart=True)
    for query in session.ask(3):
        session.tell(query, label(query.text))
    wait_until(lambda: not session._trainer.stale())
    first = session._trainer.apart
    folder = first._folder
    session.withdraw([id_of(session, 7)])
    wait_until(lambda: not session._trainer.stale())
    assert session._trainer.apart is not first
    assert session.worker_error is None
    assert folder is None or not folder.exists()
    session.close()
    assert failed(tmp_path / "s.askwise") == []


def wait_until(what: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.05)


def test_the_sentence_says_what_happened() -> None:
    said = withdrawing.Withdrawn(2, 1, 1, 1, True, False, "Elsewhere.").sentence
    assert said.startswith("2 items are withdrawn, for good. The model learned from them;")
    assert "1 was a check item, which counts for the worst" in said
    assert said.endswith("Elsewhere.")
