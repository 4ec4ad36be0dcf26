"""Nobody who will answer a check can learn the model's guess before, at any door; who could is no blind check."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

from askwise import Session, cli, evidence, load_pool
from askwise.app.roles import ANNOTATOR, NEEDS, OWNER, REVIEWER, Role, Who
from askwise.app.server import create_app
from askwise.core import Array, BadInput, Event, Matrix
from askwise.questions import may_ask_again, next_checks
from askwise.store import MemoryStore, seal
from askwise.verification import verify

pytestmark = pytest.mark.usefixtures("linear")

HEADER = {"x-askwise-token": "a-token-of-some-length", "host": "127.0.0.1"}
N, DOUBTFUL, GIVEN = 36, 12, 12
"""Of N items the first GIVEN have labels, the next DOUBTFUL are asked first; the guesses on the others are planted."""


class Planted:
    """A model whose guesses are known: doubtful of some items, and sure of all others, of which `flip` says the class.

    It knows an item, also with a part missing, by the item most like it.
    """

    def __init__(self, X: Matrix, *, flip: bool) -> None:
        self.X = np.asarray(X, float)
        first = np.full(N, 0.5)
        first[:GIVEN] = np.where(np.arange(GIVEN) % 2, 0.1, 0.9)
        first[GIVEN : GIVEN + DOUBTFUL] = 0.5 + np.linspace(0.01, 0.1, DOUBTFUL)
        sure = np.linspace(0.8, 0.95, N - GIVEN - DOUBTFUL)
        odd = np.arange(len(sure)) % 2 == flip
        first[GIVEN + DOUBTFUL :] = np.where(odd, sure, 1 - sure)
        self.first = first

    def fit(self, X: Matrix, y: Any) -> Planted:
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Matrix) -> Array:
        nearest = ((np.asarray(X, float)[:, None] - self.X[None]) ** 2).sum(2).argmin(1)
        return np.column_stack([self.first[nearest], 1 - self.first[nearest]])


class TwoPlants:
    """The same session with the one model and with the other, and a client of each."""

    def __init__(self, make: Callable[[bool], Session]) -> None:
        self.sessions = [make(flip) for flip in (False, True)]
        self.apps = [create_app(session, token=HEADER["x-askwise-token"]) for session in self.sessions]
        self.clients = [TestClient(app, base_url="http://127.0.0.1", headers=HEADER) for app in self.apps]

    def log_in(self, role: Role, name: str) -> None:
        for app in self.apps:
            app.state.whose = lambda request: Who(name, role)

    def both(self, method: str, path: str, **options: Any) -> Any:
        """The reply, which must be the same whatever the model thinks."""
        one, other = (client.request(method, path, **options) for client in self.clients)
        assert one.status_code == other.status_code, path
        assert _timeless(_read(one)) == _timeless(_read(other)), f"{method} {path} {options} tells a guess"
        return _read(one)

    def close(self) -> None:
        for session in self.sessions:
            session.close()


def _read(reply: Any) -> Any:
    return reply.json() if reply.headers.get("content-type", "").startswith("application/json") else reply.text


def _timeless(value: Any) -> Any:
    """Without clock times, and what else differs from run to run: digests of the log, places in memory."""
    if isinstance(value, dict):
        other = ("at", "model_age", "seconds", "today", "log", "made", "learner")
        return {k: _timeless(v) for k, v in value.items() if k not in other}
    return [_timeless(v) for v in value] if isinstance(value, list) else value


VOCABULARY = [
    f"{a}{b}" for a in ("kra", "plo", "mis", "tun", "vel", "dor") for b in ("ba", "nek", "sil", "tor", "wim", "jux")
]
TEXTS = [" ".join(np.random.default_rng(i).choice(VOCABULARY, 8, replace=False)) for i in range(N)]


def of_texts(flip: bool) -> Session:
    with Session(TEXTS, classes=["ham", "spam"], encoder="tfidf") as bare:
        X = bare.features()
    return _session(TEXTS, Planted(X, flip=flip), encoder="tfidf")


def of_images(folder: Path) -> Callable[[bool], Session]:
    folder.mkdir()
    for i in range(N):
        pixels = np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{i:02}.png")

    def make(flip: bool) -> Session:
        pool = load_pool(folder)
        X = Session(load_pool(folder), classes=["ham", "spam"]).features()
        return _session(pool, Planted(X, flip=flip))

    return make


def _session(pool: Any, learner: Planted, **options: Any) -> Session:
    pool = load_pool(pool) if isinstance(pool, list) else pool
    session = Session(
        pool, classes=["ham", "spam"], learner=learner, strategy="margin", audit_share=0.5, max_error=0.2, **options
    )
    for row in range(GIVEN):
        session.tell(session.pool.ids[row], "spam" if row % 2 else "ham", annotator="zoe")
    session.refresh()
    return session


@pytest.fixture(params=["texts", "images"])
def plants(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoPlants]:
    made = TwoPlants(of_texts if request.param == "texts" else of_images(tmp_path / "images"))
    yield made
    made.close()


def doors(least: Role) -> list[tuple[str, str]]:
    """(method, path) of each route of a project that a role may use."""
    team = ("login", "join", "logout", "/me", "tokens", "projects", "people", "invitations", "webhooks", "/team", "new")
    return [
        tuple(door.split(" ", 1))  # type: ignore[misc]
        for door, role in NEEDS.items()
        if role is not None and role <= least and not any(word in door for word in team)
    ]


def walk(plants: TwoPlants, role: Role, name: str, *, but: tuple[str, ...] = ()) -> None:
    """Every route with every row: as somebody of that role."""
    plants.log_in(role, name)
    ids = plants.sessions[0].pool.ids
    documented = plants.apps[0].openapi()["paths"]
    for method, path in doors(role):
        if path in but:
            continue
        takes = {one["name"] for one in documented.get(path, {}).get("get", {}).get("parameters", ())}
        for row in range(N) if method == "POST" or takes & {"row", "item", "offset"} else (0,):
            item = {"item": ids[row], "tab": "t", "have": [], "want": 0, "key": f"{path} {row}", "label": "ham"}
            if method == "GET":
                plants.both("GET", path, params={"row": row, "item": ids[row], "offset": row, "limit": 1})
            elif path.rpartition("/")[2] in ("tell", "skip", "unsure", "flag", "retract"):
                plants.both("POST", path, json=item)


def test_no_route_tells_an_annotator_a_guess(plants: TwoPlants) -> None:
    assert (
        plants.sessions[0]._state.predictions != plants.sessions[1]._state.predictions
    ).sum() == N - GIVEN - DOUBTFUL
    walk(plants, ANNOTATOR, "ann")
    plants.log_in(ANNOTATOR, "ann")
    dealt = plants.both("POST", "/api/v1/ask", json={"tab": "t", "have": [], "want": 10})["next"]
    checks = [q for q in dealt if q["audit"]]
    assert len(checks) >= 2
    assert any(q["row"] >= GIVEN + DOUBTFUL for q in checks), "of the planted rows some are asked, blind"
    walk(plants, ANNOTATOR, "ann", but=("/api/v1/tell", "/api/v1/unsure"))  # what they answer may teach them something
    for q in dealt:
        act = {"item": q["item"], "tab": "t", "have": [], "want": 0, "key": q["item"], "label": None}
        plants.both("POST", "/api/v1/skip", json=act)
    walk(plants, ANNOTATOR, "ann", but=("/api/v1/tell", "/api/v1/unsure", "/api/v1/ask"))


def test_words_and_regions_are_told_of_the_row_in_hand_alone(plants: TwoPlants) -> None:
    what = "words" if plants.sessions[0].pool.kind == "text" else "regions"
    plants.log_in(ANNOTATOR, "ann")
    dealt = plants.both("POST", "/api/v1/ask", json={"tab": "t", "have": [], "want": 10})["next"]
    usual = next(q for q in dealt if not q["audit"])
    mine = {q["row"] for q in dealt if not q["audit"]}
    told = {r for r in range(N) if plants.both("GET", f"/api/v1/{what}", params={"row": r})}
    assert told == mine
    plants.log_in(ANNOTATOR, "bob")
    assert not any(plants.both("GET", f"/api/v1/{what}", params={"row": r}) for r in range(N))
    plants.log_in(REVIEWER, "rita")
    assert {r for r in range(N) if plants.both("GET", f"/api/v1/{what}", params={"row": r})} == set(range(GIVEN))
    for session in plants.sessions:
        assert session._state.shown["rita"] == set(range(GIVEN)), "and the log says what she has seen"
        assert usual["row"] in session._state.shown["ann"]
        assert verify(session._store).ok


AGGREGATED = ("/api/v1/dashboard", "/api/v1/coverage", "/api/v1/models", "/report", "/api/v1/checks", "/api/v1/finish")
"""Sums over all items, which say nothing of a single one."""


@pytest.mark.parametrize("role", [REVIEWER, OWNER])
def test_no_list_sorting_or_export_tells_a_guess(plants: TwoPlants, role: Role) -> None:
    what = ("/api/v1/words", "/api/v1/regions", "/api/v1/model/file")  # noted as shown: who takes the model can ask it
    walk(plants, role, "rita", but=(*AGGREGATED, *what, "/api/v1/tell", "/api/v1/unsure", "/api/v1/skip"))
    for sort in ("row", "label", "source", "annotator", "seconds", "at"):
        plants.both("GET", "/api/v1/items", params={"sort": sort, "limit": 200})
    for label in ("ham", "spam"):
        assert plants.both("GET", "/api/v1/items", params={"label": label})["total"] == GIVEN / 2
    assert len(plants.both("GET", "/api/v1/review/deferred", params={"limit": 100})["items"]) == N - GIVEN
    if role == OWNER:
        lines = list(csv.DictReader(plants.both("GET", "/api/v1/export").splitlines()))
        assert {line["model_guess"] for line in lines} == {""}


# ── what somebody has seen ──────────────────────────────────────────────────────────────────


def texts(n: int = 300) -> list[str]:
    return [f"{'win a prize' if i % 2 else 'see you at lunch'} number {i}" for i in range(n)]


def truth(text: str) -> str:
    return "spam" if "prize" in text else "ham"


@contextmanager
def learned(n: int = 300, labels: int = 40, **options: Any) -> Iterator[Session]:
    options = {"audit_share": 0.3, "max_error": 0.2, "encoder": "tfidf"} | options
    with Session(texts(n), classes=["ham", "spam"], **options) as session:
        for _ in range(labels // 4):
            for query in session.ask(4):
                session.tell(query, truth(query.text))
            session.refresh()
        yield session


def test_a_question_put_off_had_shown_its_guess() -> None:
    with learned() as session:
        query = next(q for q in session.ask(4) if not q.audit)
        assert query.suggestion is not None
        session.skip(query)
        session.release()
        state = session._state
        assert state.was_shown(query.row, "me")
        assert not state.was_shown(query.row, "bob")
        assert query.row not in evidence.certifiable(state)
        assert session.autolabel().status == "checking"
        assert query.row not in state.open_attempt.position  # type: ignore[union-attr]
        assert verify(session._store).ok


def test_the_answer_of_somebody_who_saw_the_guess_is_no_blind_check() -> None:
    """Every open item has been put off once; then one of them is drawn as a check."""
    store = MemoryStore()
    with learned(60, 20, store=store, audit_share=0.5) as session:
        before = session.estimate()
        session.show_guesses([i for i in session.pool.ids if i not in _drawn(session)], annotator="me")
        drawn = None
        while drawn is None:
            query = session.ask()[0]
            drawn = query if query.audit else session.tell(query, truth(query.text))
        session.tell(drawn, truth(drawn.text))
        assert session.answers()[drawn.row].seen
        outcome = dict(zip((d.row for d in session._state.draws), session._state.draw_outcomes()[1], strict=False))
        assert outcome.get(drawn.row) is None, "it counts as if it had no answer"
        assert session.estimate().audits == before.audits
        metrics = session.metrics()
        assert metrics is not None
        assert metrics == evidence.metrics(_without_answer(session, drawn.row), session._state.predictions)
        assert verify(store).ok
        # Somebody who has not seen it may answer it blind; then it holds what both say, and one of them knew.
        session.tell(drawn, truth(drawn.text), annotator="bob")
        assert session.answers()[drawn.row].seen
        session.retract(drawn, annotator="me")
        session.release(annotator="me")
        assert not session.answers()[drawn.row].seen
        session.refresh()
        assert session.estimate().audits == before.audits + 1
        assert verify(store).ok


def _drawn(session: Session) -> set[str]:
    return {session.pool.ids[d.row] for d in session._state.draws}


def _without_answer(session: Session, row: int) -> Any:
    """The state with the answer taken for unknown, which is what bounds may make of it at best."""
    state = session._state.still()
    state.answers[row] = replace(state.answers[row], audit=False)
    return state


def test_what_was_looked_up_is_left_out_when_labels_are_taken_back() -> None:
    with learned() as session:
        assert session.autolabel(oracle=lambda qs: [truth(q.text) for q in qs]).status == "certified"
        client = TestClient(create_app(session, token=HEADER["x-askwise-token"]), headers=HEADER)
        seen = client.get("/api/v1/items", params={"source": "model", "limit": 7}).json()["items"]
        seen += client.get("/api/v1/review/spot", params={"limit": 3}).json()["items"]
        some = next(row for row in session._state.auto if row not in {e["row"] for e in seen})
        assert client.get("/api/v1/map/item", params={"row": some}).json()["label"] in ("ham", "spam")
        rows = {e["row"] for e in seen} | {some}
        assert all(e.get("source", "model") == "model" for e in seen)
        session.undo_autolabel()
        session.refresh()
        assert session._state.shown["me"] >= rows
        left = set(evidence.certifiable(session._state).tolist())
        assert not left & rows
        assert len(left) > 100, "what nobody looked at can be tried again"
        assert verify(session._store).ok


def test_filtering_by_the_models_label_tells_of_every_row_that_matches() -> None:
    with learned() as session:
        session.autolabel(oracle=lambda qs: [truth(q.text) for q in qs])
        client = TestClient(create_app(session, token=HEADER["x-askwise-token"]), headers=HEADER)
        found = client.get("/api/v1/items", params={"label": "spam", "limit": 1}).json()
        by_model = [r for r, (code, _, _) in session._state.auto.items() if session._state.classes[code] == "spam"]
        assert found["total"] > 1
        assert session._state.shown["me"] >= set(by_model)


def test_exported_guesses_end_certificates_for_what_is_open(tmp_path: Path) -> None:
    store = tmp_path / "mail.askwise"
    with learned(store=store) as session:
        session.export(tmp_path / "plain.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "plain.jsonl").read_text().splitlines()]
        assert {line["model_guess"] for line in lines} == {None}
        assert not session._state.shown_mask[session._state.rest_mask].any()
    run = CliRunner()
    assert run.invoke(cli.app, ["export", str(store), str(tmp_path / "all.csv"), "--guesses"]).exit_code == 0
    with (tmp_path / "all.csv").open() as file:
        assert {line["model_guess"] for line in csv.DictReader(file)} >= {"ham", "spam"}
    with Session.open(store) as session:
        refused = session.autolabel()
        assert refused.status == "refused"
        assert "shown or exported" in refused.reason
    assert verify(store).ok


def test_what_the_model_labeled_is_exported_and_counts_as_seen_by_anybody_when_taken_back(tmp_path: Path) -> None:
    with learned() as session:
        session.autolabel(oracle=lambda qs: [truth(q.text) for q in qs])
        session.export(tmp_path / "labeled.csv")
        with (tmp_path / "labeled.csv").open() as file:
            guessed = [line for line in csv.DictReader(file) if line["model_guess"]]
        assert guessed
        assert {line["source"] for line in guessed} == {"model"}
        rows = set(session._state.auto)
        session.undo_autolabel()
        session.refresh()
        assert not rows & set(evidence.certifiable(session._state).tolist())
        assert all(session._state.was_shown(row, "somebody") for row in rows)


def test_guesses_stay_hidden_while_checks_are_under_way(tmp_path: Path) -> None:
    with learned() as session:
        assert session.autolabel().status == "checking"
        with pytest.raises(BadInput, match="Blind checks are under way"):
            session.export(tmp_path / "x.csv", guesses=True)
        row = int(session._state.open_attempt.order[5])  # type: ignore[union-attr]
        with pytest.raises(BadInput, match="waits for a blind check"):
            session.show_guesses([session.pool.ids[row]])
        client = TestClient(create_app(session, token=HEADER["x-askwise-token"]), headers=HEADER)
        assert client.get("/api/v1/export", params={"guesses": True}).status_code == 400
        waiting = client.get("/api/v1/review/deferred", params={"limit": 200}).json()["items"]
        rows = [e["row"] for e in waiting]
        assert rows == sorted(rows), "in the order of the file: the model has no say"
        assert not set(rows) & set(session._state.open_attempt.position)  # type: ignore[union-attr]


def test_checks_go_to_those_who_have_not_seen_the_guess() -> None:
    with learned() as session:
        session.show_guesses(session.pool.ids, annotator="olga")
        assert not len(evidence.certifiable(session._state)), "what anybody saw stays with people"
    with learned() as session:
        session.autolabel()
        state, attempt = session._state, session._state.open_attempt
        assert attempt is not None
        first = int(attempt.order[0])
        state.shown["olga"] = {first}  # as by a page that was open a moment before the freeze
        assert first not in [q["row"] for q in next_checks(state, 3, "olga")]
        assert first in [q["row"] for q in next_checks(state, 3, "bob")]


def test_checks_of_single_classes_are_mixed_and_hidden_among_decoys() -> None:
    with learned(800, audit_share=0.1) as session:
        assert session.autolabel(max_error={"spam": 0.2}).status == "checking"
        state, attempt, seen = session._state, session._state.open_attempt, []
        looks = set()
        assert attempt is not None
        client = TestClient(create_app(session, token=HEADER["x-askwise-token"]), headers=HEADER)
        while session.autolabel_status().status == "checking":  # type: ignore[union-attr]
            pulse = client.get("/api/v1/pulse").json()
            (query,) = session.ask()
            seen.append(query.row in attempt.position)
            assert query.audit
            assert not query.guesses
            assert "spam" not in query.reason + json.dumps(pulse["autolabel"]), "the class would be the guess"
            looks.add((query.reason, query.strategy, query.score, query.round))
            session.tell(query, truth(query.text))
        assert session.autolabel_status().status == "certified"  # type: ignore[union-attr]
        assert len(looks) == 1
        assert 0.3 < np.mean(seen) < 0.7
        certificate = session.certificates()[0]
        assert certificate.audits == sum(seen)
        assert verify(session._store).ok
        guesses = state.predictions_of(attempt.round)
        assert set(guesses[attempt.order]) == {state.class_number("spam")}
    with learned(800, audit_share=0.1) as session:
        assert session.autolabel(max_error={"spam": 0.2, "ham": 0.2}).status == "checking"
        first, second = session._state.attempts
        asked = [query.row for query in session.ask(16)]
        assert {row in first.position for row in asked} == {True, False}
        assert all((row in first.position) != (row in second.position) for row in asked), "no decoys are needed"
        for attempt in (first, second):
            mine = [row for row in asked if row in attempt.position]
            assert mine == attempt.order[: len(mine)].tolist(), "within a region in the frozen order"


def test_a_certificate_says_how_many_answers_to_its_checks_were_changed() -> None:
    with learned() as session:
        assert session.autolabel().status == "checking"
        first = session.ask()[0]
        wrong = "ham" if truth(first.text) == "spam" else "spam"
        session.tell(first, wrong)
        again = session.retract()
        assert again is not None
        session.tell(again, truth(first.text))
        second = session.ask()[0]
        session.tell(second, truth(second.text))
        session.tell(second, truth(second.text))  # the same once more is no change
        session.autolabel(oracle=lambda qs: [truth(q.text) for q in qs])
        (certificate,) = session.certificates()
        assert certificate.changed == 1
        assert "The answers to 1 of the checks were changed" in certificate.sentence
        assert "were changed" not in replace(certificate, changed=0).sentence


def test_a_second_opinion_on_a_check_is_asked_of_nobody_who_saw_its_guess() -> None:
    with learned(overlap=0.3, people_per_item=2) as session:
        state = session._state
        row = next(d.row for d in state.draws if row_answered(state, d.row))
        assert may_ask_again(state, row, "bob", 2)
        session.show_guesses([session.pool.ids[row]], annotator="bob")
        assert not may_ask_again(state, row, "bob", 2)
        assert may_ask_again(state, row, "carol", 2)


def row_answered(state: Any, row: int) -> bool:
    return state.label_of(row) is not None


def test_a_log_that_counts_such_an_answer_is_found_out() -> None:
    store = MemoryStore()
    with learned(store=store) as session:
        session.autolabel(oracle=lambda qs: [truth(q.text) for q in qs])
        attempt = session._state.attempts[0]
        checked = attempt.order[: attempt.checks].tolist()
    log = store.read()
    freeze = next(i for i, e in enumerate(log) if e.kind == "frozen")
    shown = Event("shown", {"annotator": "oracle", "rows": [int(checked[3])]}, log[freeze].at)
    forged = [replace(e, digest="") for e in [*log[: freeze + 1], shown, *log[freeze + 1 :]]]
    for e in forged[freeze + 2 :]:  # what refers to later events moves by one
        for key in ("asked",):
            if isinstance(e.data.get(key), int) and e.data[key] > freeze + 1:
                e.data[key] += 1
    found = verify([event for event, _ in seal(forged, 0, "")])
    assert {"decisions", "blindness"} <= {f.check for f in found.findings if f.ok is False}


def test_searches_and_logs_from_before_know_no_such_thing() -> None:
    found = [f"{'apple' if i % 10 == 0 else 'stone'} number {i}" for i in range(80)]
    with Session(found, classes=["yes", "no"], recall=0.9, relevant="yes") as session:
        for i in range(20):
            session.tell(session.pool.ids[i], "yes" if i % 10 == 0 else "no")
        session.refresh()
        query = session.ask()[0]
        session.skip(query)
        session.show_guesses([query])
        assert not session._state.shown_mask.any()
        assert session.autolabel().status == "checking", "a random order of everything unread: nothing may be left out"
