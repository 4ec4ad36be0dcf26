"""A model outlives its session: same labels from the file alone, a card that is true, no guess to who checks blind."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from starlette.testclient import TestClient

from askwise import Session, cli, load_pool
from askwise.app.roles import ANNOTATOR, OWNER, REVIEWER, Who
from askwise.app.server import create_app
from askwise.core import BadInput, MissingExtra
from askwise.encoders.tfidf import TfidfEncoder
from askwise.learners import MultiLabel, SoftmaxRegression, adapt
from askwise.model import Card, Model, load, read_card, through
from askwise.model import said as model_said
from askwise.model.card import ASK, NEW_ITEMS
from askwise.model.files import CARD, dumped
from askwise.model.said import to_ask
from askwise.verification import verify

HEADER = {"x-askwise-token": "a-token-of-some-length", "host": "127.0.0.1"}
N = 240


def texts(n: int = N) -> list[str]:
    """Half of them about prizes, each with words of its own."""
    spam = ["prize", "cash", "win", "free", "claim", "award"]
    ham = ["lunch", "home", "tomorrow", "train", "mother", "garden"]
    rng = np.random.default_rng(5)
    found = []
    for i in range(n):
        words = list(rng.choice(spam if i % 2 else ham, 3)) + list(rng.choice(spam + ham, 1))
        found.append(" ".join([*words, f"{'abcdefghijklmnop'[i % 16]}{i * 7919 % 1000}"]))
    return found


def truth(text: str) -> str:
    return "spam" if sum(w in text for w in ("prize", "cash", "win", "free", "claim", "award")) >= 2 else "ham"


def worked(pool: Any = None, *, answers: int = 40, say: Callable[[Any], Any] = truth, **options: Any) -> Session:
    options = {"classes": ["spam", "ham"], "audit_share": 0.3, "max_error": 0.25, "encoder": "tfidf"} | options
    session = Session(texts() if pool is None else pool, **options)
    for _ in range(answers // 4):
        for query in session.ask(4):
            session.tell(query, say(query.content))
        session.refresh()
    return session


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a session about it, and its model."""
    folder = tmp_path_factory.mktemp("built")
    with (folder / "mail.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "body"], *enumerate(texts())])
    with worked(load_pool(folder / "mail.csv", text="body", id="id"), store=folder / "mail.askwise") as session:
        session.model(shown=False).save(folder / "m.skops")
    return folder


@pytest.fixture
def files(built: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(built, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def session(files: Path) -> Iterator[Session]:
    with Session.open(files / "mail.askwise") as found:
        found.refresh()
        yield found


@pytest.fixture
def saved(files: Path) -> Path:
    return files / "m.skops"


@pytest.fixture(scope="module")
def certified() -> Iterator[Session]:
    with worked(texts(600), answers=60) as found:
        assert found.autolabel(oracle=lambda queries: [truth(q.text) for q in queries]).status == "certified"
        yield found


def in_a_fresh_process(path: Path, items: Path) -> tuple[list[str], list[float]]:
    """What the saved file alone says there."""
    code = (
        "import json, sys; from askwise.model import load; names, sure = load(sys.argv[1]).judged("
        "json.load(open(sys.argv[2]))); print(json.dumps([names, [float(s) for s in sure]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, path, items], capture_output=True, text=True, check=True)
    names, sure = json.loads(done.stdout)
    return names, sure


# ── the same labels ─────────────────────────────────────────────────────────────────────────


def test_the_file_alone_gives_the_sessions_labels_to_the_last_digit(session: Session, tmp_path: Path) -> None:
    names, sure = session.predictions()
    model = session.model()
    said, confidence = model.judged(list(session.pool.contents))
    assert said == names
    assert np.array_equal(confidence, sure)
    model.save(tmp_path / "m.skops")
    (tmp_path / "items.json").write_text(json.dumps(list(session.pool.contents)))
    there, surely = in_a_fresh_process(tmp_path / "m.skops", tmp_path / "items.json")
    assert there == names
    assert np.array_equal(np.array(surely, np.float32), sure)


def test_a_reopened_session_gives_the_model_of_its_own_last_ranking(files: Path, tmp_path: Path) -> None:
    shutil.copy(files / "mail.askwise", tmp_path / "s.askwise")
    with Session.open(tmp_path / "s.askwise") as again:
        said = again.model().judged(list(again.pool.contents))[0]
        assert said == again.predictions()[0]
    with Session.open(tmp_path / "s.askwise") as third:
        assert third.predictions()[0] == said


@pytest.mark.parametrize(
    "learner",
    [LogisticRegression(), RandomForestClassifier(20, random_state=0), LinearSVC(), KNeighborsClassifier(3)],
    ids=lambda learner: type(learner).__name__,
)
def test_scikit_learns_classifiers_go_through_skops(learner: Any, tmp_path: Path) -> None:
    with worked(learner=learner) as session:
        names, sure = session.predictions()
        session.model().save(tmp_path / "m.skops")
        tree = ["sklearn.tree._tree.Tree"]
        if isinstance(learner, RandomForestClassifier):
            with pytest.raises(BadInput, match=r"not trusted: sklearn.tree._tree.Tree.* trusted=\['sklearn"):
                load(tmp_path / "m.skops")
        found = load(tmp_path / "m.skops", trusted=tree if isinstance(learner, RandomForestClassifier) else ())
        said, confidence = found.judged(list(session.pool.contents))
        assert said == names
        assert np.array_equal(confidence, sure)
        for query in session.ask(4):
            session.tell(query, truth(query.text))
        session.refresh()
        assert np.array_equal(found.judged(list(session.pool.contents))[1], sure), "what was taken learns no more"


def test_a_taken_model_does_not_move_when_the_session_learns_on(session: Session) -> None:
    model = session.model(shown=False)
    before = model.proba(texts())
    for query in session.ask(12):
        session.tell(query, "ham")
    session.refresh()
    assert np.array_equal(model.proba(texts()), before)
    assert session.model(shown=False).card != model.card


def test_sets_of_labels(tmp_path: Path) -> None:
    def both(text: str) -> list[str]:
        return [name for name, word in (("money", "cash"), ("home", "home"), ("win", "win")) if word in text]

    with worked(classes=["win", "money", "home"], multilabel=True, say=both, answers=60) as session:
        names, sure = session.predictions()
        model = session.model()
        model.save(tmp_path / "m.skops")
        found = load(tmp_path / "m.skops")
        said, confidence = found.judged(list(session.pool.contents))
        assert said == names
        assert np.array_equal(confidence, sure)
        assert found.classes_.tolist() == ["home", "money", "win"]
        told = found.predict(["cash cash", "train"])
        assert told.shape == (2, 3)
        assert set(told.ravel()) <= {0, 1}
        assert found.predict_proba(["cash"]).shape == (1, 3)
        with pytest.raises(BadInput, match="trained by a session"):
            found.fit(["a"], [[1, 0, 0]])


def test_table_rows_pairs_and_searches(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        rows = [[i, round(float(rng.normal()), 3), "red" if i % 3 else "blue"] for i in range(120)]
        csv.writer(file).writerows([["id", "size", "color"], *rows])
    pool = load_pool(path, kind="table", id="id")
    with worked(pool, encoder=None, say=lambda row: "spam" if float(row["size"]) > 0 else "ham") as session:
        session.model().save(tmp_path / "rows.skops")
        found = load(tmp_path / "rows.skops")
        assert found.judged(list(pool.contents))[0] == session.predictions()[0]
        assert found.explain([pool.contents[0]])[0].parts[0][0] == "size"
        with pytest.raises(BadInput, match="no column 'color'"):
            found.predict([{"size": 1.0}])
    pairs = [{"a": a, "b": b} for a, b in zip(texts(120), texts(240)[120:], strict=True)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    pool = load_pool(tmp_path / "pairs.jsonl", kind="pair", text=["a", "b"])
    with worked(pool, say=lambda two: truth(two[0])) as session:
        session.model().save(tmp_path / "pairs.skops")
        found = load(tmp_path / "pairs.skops")
        assert found.judged(list(pool.contents))[0] == session.predictions()[0]
        with pytest.raises(BadInput, match="no pair of texts"):
            found.predict(["one text"])
    with worked(
        classes=["yes", "no"], recall=0.9, relevant="yes", encoder=None, say=lambda t: "yes" if "cash" in t else "no"
    ) as search:
        search.model().save(tmp_path / "search.skops")
        found = load(tmp_path / "search.skops")
        assert found.judged(texts())[0] == search.predictions()[0]
        assert "relevant items among" in found.card.bounds  # type: ignore[union-attr]


def test_images(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(60):
        level = 40 if i % 2 else 200
        pixels = np.random.default_rng(i).integers(level - 40, level + 40, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    with worked(folder, encoder=None, say=lambda file: "spam" if int(str(file)[:2]) % 2 else "ham") as session:
        session.model().save(tmp_path / "m.skops")
        found = load(tmp_path / "m.skops")
        assert found.judged(list(session.pool.contents))[0] == session.predictions()[0]
        paths = [str(folder / name) for name in ("00.png", "01.png")]
        assert found.predict(paths).tolist() == ["ham", "spam"]
        with pytest.raises(BadInput, match="have none"):
            found.explain(paths)


def test_the_model_of_a_process_that_has_ended_is_never_mixed_up(tmp_path: Path) -> None:
    """Learned here, then apart, then here again: what is at hand must be what the log says, or it is learned anew."""
    with worked(answers=12) as session:
        session.start(apart=True)
        for _ in range(6):
            for query in session.ask(4):
                session.tell(query, truth(query.text))
            session.refresh()
        model = session.model(shown=False)
        assert model.judged(texts())[0] == session.predictions()[0]
        assert session._trainer.apart is not None
        assert session._trainer.apart.pid is not None
        os.kill(session._trainer.apart.pid, signal.SIGKILL)
        with pytest.raises(Exception, match="has ended"):
            session._trainer.apart.parts()
        assert session.model(shown=False).judged(texts())[0] == session.predictions()[0]
        assert through(session, ["cash prize zzz"]).labels == ["spam"]
        session.stop()
        assert session.model(shown=False).judged(texts())[0] == session.predictions()[0]
        assert verify(session._store).ok


# ── a scikit-learn classifier ───────────────────────────────────────────────────────────────


def test_it_is_a_scikit_learn_classifier(session: Session) -> None:
    model = session.model()
    items, labels = texts()[:80], [truth(text) for text in texts()[:80]]
    assert is_classifier(model)
    assert model.classes_.tolist() == ["ham", "spam"], "sorted, whatever the session's order"
    proba = model.predict_proba(items)
    assert np.array_equal(model.classes_[proba.argmax(1)], model.predict(items))
    assert model.score(items, labels) > 0.8
    bare = clone(model)
    with pytest.raises(BadInput, match="learned nothing"):
        bare.predict(items)
    assert (cross_val_predict(bare, np.array(items), np.array(labels), cv=4) == labels).mean() > 0.8
    again = bare.fit(items, labels)
    assert again.card is None
    assert again.predict(items[:1]).tolist() == labels[:1]
    assert model.predict([]).tolist() == []
    assert model.predict(np.array(items[:2])).tolist() == model.predict(items[:2]).tolist()


def test_numbers_as_labels_stay_numbers() -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.where(X[:, 0] > 0, 7, 3)
    model = Model(kind="array", learner=LogisticRegression()).fit(X, y)
    assert set(model.predict(X).tolist()) == {3, 7}
    with pytest.raises(BadInput, match=r"takes \(n, 3\) features"):
        model.predict(X[:, :2])


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ("a text", "Give a list"),
        ([3], "is no text"),
        ([None], "is no text"),
        (7, "Give a list"),
        ({"a": 1}, "Give a list"),
    ],
)
def test_what_is_no_item_is_refused(session: Session, items: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        session.model(shown=False).predict(items)


def test_frames_are_taken(session: Session) -> None:
    import pandas as pd

    model = session.model(shown=False)
    frame = pd.DataFrame({"text": ["cash prize", "train home"], "other": [1, 2]})
    assert model.predict(frame["text"]).tolist() == ["spam", "ham"]
    with pytest.raises(BadInput, match="2 columns"):
        model.predict(frame)


def test_explanations_equal_leaving_words_out_by_hand(session: Session) -> None:
    model = session.model(shown=False)
    (found,) = model.explain(["claim your cash prize at home"])
    assert found.label == "spam"
    column = model.labels_.index("spam")

    def odds(text: str) -> float:
        p = float(model.proba([text])[0, column])
        return float(np.log(p) - np.log1p(-p))

    whole = odds("claim your cash prize at home")
    by_hand = {
        w: whole - odds("claim your cash prize at home".replace(w, " ")) for w in ["claim", "your", "cash", "prize"]
    }
    told = dict(found.parts)
    assert {w: told[w] for w in by_hand if w in told} == pytest.approx(
        {w: by_hand[w] for w in by_hand if w in told}, abs=1e-3
    )
    assert found.parts[0][0] in ("cash", "prize", "claim")
    assert model.explain(["..."])[0].parts == ()


def test_what_predicts_only_holds_no_rows_that_were_learned_from() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 5)).astype(np.float32), rng.integers(0, 2, 50)
    for learner in (SoftmaxRegression(), adapt(LogisticRegression()), adapt(LinearSVC())):
        learner.fit(X, y)
        slim = learner.for_prediction()
        assert np.array_equal(slim.predict_proba(X), learner.predict_proba(X))
        assert 50 not in [len(v) for v in _arrays(slim)]
    several = MultiLabel().fit(X, np.column_stack([y, 1 - y, y * 0]))
    assert np.array_equal(several.for_prediction().predict_proba(X), several.predict_proba(X))
    assert 50 not in [len(v) for v in _arrays(several.for_prediction())]


def _arrays(found: Any, depth: int = 0) -> list[Any]:
    if isinstance(found, np.ndarray):
        return [found] if found.ndim else []
    values = list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, list | tuple) else []
    values += list(vars(found).values()) if hasattr(found, "__dict__") and depth < 6 else []
    return [one for value in values for one in _arrays(value, depth + 1)]


def test_the_tfidf_encoder_is_the_same_after_its_plain_state() -> None:
    encoder = TfidfEncoder().fit(texts())
    state = encoder.__getstate__()
    other = TfidfEncoder.__new__(TfidfEncoder)
    other.__setstate__(state)
    assert np.array_equal(encoder.encode(texts()), other.encode(texts()))
    assert all(isinstance(part["terms"], str) for part in state["parts"])
    for broken in (state | {"axes": state["axes"][1:]}, state | {"axes": "much"}):
        with pytest.raises(BadInput, match="do not go with"):
            TfidfEncoder.__new__(TfidfEncoder).__setstate__(broken)


# ── the card, and the advice ────────────────────────────────────────────────────────────────


def test_the_card_says_what_is_so(certified: Session) -> None:
    model = certified.model(shown=False)
    card = model.card
    assert card is not None
    answers = [a for a in certified.answers().values() if a.label is not None]
    assert card.labels == len(answers) == card.people
    assert card.by_class == {name: sum(a.label == name for a in answers) for name in certified.classes}
    assert card.items == len(certified.pool)
    assert card.pool == certified.pool.fingerprint
    assert card.bounds == certified.estimate().sentence
    assert card.log == certified._store.read()[-1].digest
    (proved,) = card.certificates
    (certificate,) = certified.certificates()
    assert proved.sentence == certificate.sentence
    assert proved.fingerprint == certificate.fingerprint
    attempt = certified._state.attempts[0]
    assert model_said._least(certified._state, attempt, None) == attempt.confidences.min()
    then = certified._state.predictions_of(attempt.round)
    now = model.judged(list(certified.pool.contents))[0]
    rows = attempt.order[attempt.checks :].tolist()
    assert proved.repeats == sum(now[r] == certified._state.classes[then[r]] for r in rows)
    assert proved.certified == certificate.certified == len(rows)
    lines = "\n".join(card.lines())
    assert NEW_ITEMS in lines
    assert certificate.sentence in lines
    assert Card.of(json.loads(json.dumps(card.data()))) == card


def test_a_model_that_learned_more_asks_below_as_many_items_as_were_certified(certified: Session) -> None:
    state, model = certified._state, certified.model(shown=False)
    (attempt,) = state.attempts
    assert state.ranking.round > attempt.round, "it has learned from the checks"
    contents = list(certified.pool.contents)
    before = [r for r, a in state.answers.items() if a.label is not None and a.seq < attempt.seq]
    open_then = np.setdiff1d(np.arange(len(contents)), before)
    asks = to_ask(*model.judged(contents), model.card)
    sure = model.judged(contents)[1]
    least = sure[open_then][~asks[open_then]].min()
    assert (sure[open_then] >= least).sum() >= len(attempt.order)
    assert (sure[open_then] > least).sum() < len(attempt.order)
    assert not (asks[open_then] & (sure[open_then] >= least)).any()


def test_a_person_is_asked_below_what_was_certified_and_everywhere_without_a_certificate(certified: Session) -> None:
    card = certified.model(shown=False).card
    assert card is not None
    least = np.float32(card.least[None])
    sure = np.array([least, np.nextafter(least, np.float32(0)), 1.0, np.nan], np.float32)
    assert to_ask(["spam"] * 4, sure, card).tolist() == [False, True, False, True]
    assert to_ask(["spam"] * 4, sure, None).all()
    bare = Card.of(card.data() | {"certificates": []})
    assert to_ask(["spam"] * 4, sure, bare).all()
    assert "No certificate stands" in bare.advice
    only_ham = card.data() | {"certificates": [{**card.data()["certificates"][0], "label": "ham", "least": 0.9}]}
    assert to_ask(["ham", "spam", "ham"], np.array([0.95, 1.0, 0.8], np.float32), Card.of(only_ham)).tolist() == [
        False, True, True,
    ]  # fmt: skip
    assert "Of other labels nothing was certified" in Card.of(only_ham).advice


def test_a_void_certificate_and_one_taken_back_advise_nothing() -> None:
    with worked(texts(600), answers=60) as session:
        assert session.autolabel(oracle=lambda queries: [truth(q.text) for q in queries]).status == "certified"
        assert session.model(shown=False).card.least  # type: ignore[union-attr]
        session.undo_autolabel()
        assert session.model(shown=False).card.certificates == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"format": "1"}, {"format": 1}, {"format": 1, "strange": 2}, {"format": 99}],
)
def test_what_is_no_card_is_refused(data: Any) -> None:
    with pytest.raises(BadInput):
        Card.of(data)


# ── files ───────────────────────────────────────────────────────────────────────────────────


def test_the_card_is_read_without_loading_and_its_digest_is_that_of_the_file(saved: Path) -> None:
    card = read_card(saved)
    assert len(card.digest) == 64
    assert load(saved).card == card
    again = saved.with_name("again.skops")
    load(saved).save(again)
    assert load(again).card.title == card.title  # type: ignore[union-attr]


def _changed(path: Path, change: Callable[[str, bytes], bytes | None], *, seal: bool = True) -> Path:
    """The file with some members changed; sealed: its card has the digest of what is there now."""
    from askwise.model.files import _digest

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = {name: new for name, data in members.items() if (new := change(name, data)) is not None}
    out = path.with_name("changed.skops")

    def write(found: dict[str, bytes]) -> None:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in found.items():
                archive.writestr(name, data)

    write(members)
    if seal and CARD in members:
        with zipfile.ZipFile(out) as archive:
            card = json.loads(members[CARD]) | {"digest": _digest(archive)}
        write(members | {CARD: json.dumps(card).encode()})
    return out


def test_a_changed_file_is_refused(saved: Path) -> None:
    flipped = _changed(saved, lambda n, d: d[:-1] + bytes([d[-1] ^ 1]) if n.endswith(".npy") else d, seal=False)
    for ask in (load, read_card):
        with pytest.raises(BadInput, match="another digest"):
            ask(flipped)


@pytest.mark.parametrize("what", ["os.system", "builtins.eval", "subprocess.Popen", "askwise.fetch.keep"])
@pytest.mark.parametrize(
    "loader", ["FunctionNode", "TypeNode", "ObjectNode", "ConstructorFromReduceNode", "MethodNode"]
)
def test_a_crafted_file_runs_nothing(saved: Path, what: str, loader: str) -> None:
    module, _, name = what.rpartition(".")

    def craft(member: str, data: bytes) -> bytes:
        if member != "schema.json":
            return data
        schema = json.loads(data)
        bad: dict[str, Any] = {"__class__": name, "__module__": module, "__loader__": loader, "__id__": 1}
        inner = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [], "__id__": 2}
        bad["content"] = {"func": "x", "obj": {**bad, "__loader__": "TypeNode"}} if loader == "MethodNode" else inner
        schema["content"]["content"]["encoder"] = bad
        return json.dumps(schema).encode()

    with pytest.raises(BadInput, match=r"not trusted|cannot be|can be") as refused:
        load(_changed(saved, craft))
    assert len(str(refused.value).splitlines()) == 1


def _state(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    found = schema["content"]["content"]
    for name in path:
        found = found[name]["content"]["content"]
    return found


def _linear(schema: dict[str, Any]) -> dict[str, Any]:
    """The softmax regression in it."""
    part = _state(schema, "learner_")["_parts"]["content"]["linear"]
    found: dict[str, Any] = part["content"]["content"]["model"]["content"]["content"]
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda s: _state(s).update(labels_=_state(s)["kind"]),
        lambda s: _state(s).pop("learner_"),
        lambda s: _state(s).update(kind={**_state(s)["kind"], "content": '"image"'}),
        lambda s: _state(s).update(encoder_=_state(s)["learner_"]),
        lambda s: _state(s).update(learner_=_state(s)["kind"]),
        lambda s: _state(s, "learner_").pop("_parts"),
        lambda s: _linear(s).pop("coef_"),
        lambda s: _linear(s).update(temperature_=_state(s)["kind"]),
        lambda s: _state(s, "encoder_").update(parts=_state(s)["kind"]),
        lambda s: s.update(content="x"),
        lambda s: s.update(protocol=99),
        lambda s: s.update(__loader__="Nothing"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused_in_a_sentence(saved: Path, change: Any) -> None:
    def craft(member: str, data: bytes) -> bytes:
        if member != "schema.json":
            return data
        schema = json.loads(data)
        change(schema)
        return json.dumps(schema).encode()

    with pytest.raises(BadInput) as refused:
        load(_changed(saved, craft))
    assert len(str(refused.value).splitlines()) == 1


def test_what_is_no_model_is_refused_in_a_sentence(saved: Path, tmp_path: Path) -> None:
    import skops.io

    (tmp_path / "text.skops").write_text("no archive")
    (tmp_path / "empty.skops").write_bytes(b"")
    (tmp_path / "folder.skops").mkdir()
    skops.io.dump(LogisticRegression(), tmp_path / "plain.skops")
    _changed(saved, lambda n, d: None if n == "schema.json" else d).rename(tmp_path / "bare.skops")
    _changed(saved, lambda n, d: b"{" if n == CARD else d, seal=False).rename(tmp_path / "card.skops")
    bomb = _changed(saved, lambda n, d: bytes(20_000_000) if n.endswith(".npy") else d, seal=False)
    bomb.rename(tmp_path / "bomb.skops")
    for name in ("text", "empty", "folder", "plain", "bare", "card", "bomb", "missing"):
        with pytest.raises(BadInput) as refused:
            load(tmp_path / f"{name}.skops")
        assert name in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(BadInput, match="looks like a bomb"):
        load(tmp_path / "bomb.skops")
    with pytest.raises(BadInput, match="no card"):
        load(tmp_path / "plain.skops")


def letters(items: list[str]) -> np.ndarray:
    """An encoder of one's own, which a file can name."""
    return np.array([[text.count(letter) for letter in "abcdefgh"] for text in items], np.float32)


def test_own_types_are_loaded_only_where_they_are_trusted(tmp_path: Path) -> None:
    with worked(encoder=lambda items: letters(items)) as session, pytest.raises(BadInput, match="saved by name"):
        session.model(shown=False).save(tmp_path / "m.skops")
    with worked(encoder=letters) as session:
        model = session.model(shown=False)
        model.save(tmp_path / "m.skops")
        with pytest.raises(BadInput, match=r"not trusted: askwise\.encoders\.FunctionEncoder") as refused:
            load(tmp_path / "m.skops")
        names = ["askwise.encoders.FunctionEncoder", f"{letters.__module__}.letters"]
        assert names[1] in str(refused.value)
        found = load(tmp_path / "m.skops", trusted=names)
        assert found.judged(texts())[0] == session.predictions()[0]


def test_endings_and_missing_packages(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = session.model(shown=False)
    with pytest.raises(BadInput, match=r"saved as \.skops"):
        model.save(tmp_path / "m.pkl")
    with pytest.raises(BadInput, match="ONNX holds a softmax regression on rows of features"):
        model.save(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "skops.io", None)
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(MissingExtra, match=r"askwise\[model\]"):
        dumped(model)
    with pytest.raises(MissingExtra, match=r"askwise\[model\]"):
        load(tmp_path / "m.skops")


@pytest.mark.parametrize("far", [0.0, 1000.0])
def test_onnx_says_the_same_of_rows_of_features(tmp_path: Path, far: float) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    X = np.random.default_rng(3).normal(size=(300, 6)).astype(np.float32) + np.float32(far)
    y = np.where(X[:, 0] > far, "up", "down")
    with Session(X, classes=["up", "never", "down"], audit_share=0.1, learner="linear") as session:
        for _ in range(8):
            for query in session.ask(4):
                session.tell(query, str(y[query.row]))
            session.refresh()
        model = session.model()
        card = model.save(tmp_path / "m.onnx")
        model.save(tmp_path / "m.skops")
        names = session.predictions()[0]
        assert load(tmp_path / "m.skops").judged(X)[0] == names
    runner = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    label, proba = runner.run(None, {"features": X})
    assert label.tolist() == names
    assert np.abs(proba - model.predict_proba(X)).max() < 1e-5
    assert json.loads(runner.get_modelmeta().custom_metadata_map["askwise.card"])["digest"] == card.digest


# ── the command line ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def askwise(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def run(*args: Any, keys: str | bytes = "") -> tuple[int, str, str]:
        data = keys.encode() if isinstance(keys, str) else keys
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = 0
        try:
            cli.main([str(a) for a in args])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predict_writes_labels_confidence_and_advice(files: Path, askwise: Any) -> None:
    with (files / "new.csv").open("w", newline="") as file:
        rows = [["1", "cash prize", "x"], ["2", "=cmd()", "x"], ["3", "", "x"], ["4", "cash prize", "y"]]
        csv.writer(file).writerows([["id", "body", "label"], *rows])
    code, out, err = askwise("predict", files / "m.skops", files / "new.csv")
    assert code == 0
    found = rows_of(out)
    assert [row["id"] for row in found] == ["1", "2", "3", "4"], "a row for each, duplicates and unreadable ones too"
    assert [row["label"] for row in found] == ["x", "x", "x", "y"], "what was there stays"
    assert [row["askwise_label"] for row in found][::3] == ["spam", "spam"]
    assert {row["advice"] for row in found} == {ASK}
    assert found[1]["body"] == "'=cmd()", "no cell is run by a spreadsheet"
    assert found[2]["confidence"] == ""
    assert "empty text" in found[2]["askwise_problem"]
    assert "1 problems" in err
    assert NEW_ITEMS in err
    sure = load(files / "m.skops").judged(["cash prize"])[1][0]
    assert np.float32(found[0]["confidence"]) == sure, "to the last digit"
    for name in ("out.jsonl", "out.csv.gz", "out.xlsx", "out.tsv"):
        assert askwise("predict", files / "m.skops", files / "new.csv", "--out", files / name)[0] == 0
        assert [load_pool(files / name, text="body").record[0]["askwise_label"]] == ["spam"]  # type: ignore[index]


def test_predict_reads_lines_and_formats_on_standard_input(files: Path, askwise: Any) -> None:
    code, out, _ = askwise("predict", files / "m.skops", "-", keys="cash prize\n\ntrain home\n")
    assert (code, [row["label"] for row in rows_of(out)]) == (0, ["spam", "ham"])
    code, out, _ = askwise("predict", files / "m.skops", "-", "--to", "jsonl", keys="cash prize\n")
    assert json.loads(out)["label"] == "spam"
    given = '{"body": "cash prize", "n": 1}\n{"body": "train home", "n": 2}\n'
    code, out, _ = askwise("predict", files / "m.skops", "-", "--format", "jsonl", keys=given)
    assert [(row["n"], row["label"]) for row in rows_of(out)] == [("1", "spam"), ("2", "ham")]
    code, out, _ = askwise(
        "predict", files / "m.skops", "-", "--format", "csv", "--text", "b", keys="a,b\nx,cash win\n"
    )
    assert rows_of(out)[0]["label"] == "spam"


@pytest.mark.parametrize(
    ("args", "keys", "says"),
    [
        (["predict"], "", "Which session"),
        (["predict", "{m}"], "", "What shall be labeled"),
        (["predict", "{m}", "nothing.csv"], "", "No file"),
        (["predict", "mail.csv", "mail.csv"], "", "neither a session"),
        (["predict", "m.onnx", "mail.csv"], "", "for other programs"),
        (["predict", "gone.skops", "mail.csv"], "", "Cannot read the model"),
        (["predict", "{m}", "mail.csv", "--out", "x.doc"], "", "allowed endings"),
        (["predict", "{m}", "mail.csv", "--out", "mail.csv"], "", "stays as it is"),
        (["predict", "{m}", "mail.csv", "--out", "no/where.csv"], "", "does not exist"),
        (["predict", "{m}", "mail.csv", "--to", "xml"], "", "No format for --to named 'xml'"),
        (["predict", "{m}", "mail.csv", "--text", "nobody"], "", "No column 'nobody'"),
        (["predict", "{m}", "-"], "", "is empty"),
        (["predict", "{m}", "-"], b"\xff\xfe\xfa", "not UTF-8"),
        (["predict", "{m}", "-", "--delimiter", ";"], "a\n", "goes with a format"),
        (["model", "{m}", "other.skops"], "", "is a saved model"),
        (["model", "mail.askwise"], "", "Where to"),
        (["model", "mail.askwise", "x.pkl"], "", "saved as .skops"),
        (["model", "mail.askwise", "no/where.skops"], "", "does not exist"),
        (["model", "mail.askwise", "x.onnx"], "", "Save it as .skops"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    files: Path, askwise: Any, monkeypatch: pytest.MonkeyPatch, args: list[str], keys: Any, says: str
) -> None:
    monkeypatch.chdir(files)
    code, out, err = askwise(*[arg.replace("{m}", "m.skops") for arg in args], keys=keys)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert not out


def test_model_saves_and_shows_the_card(files: Path, askwise: Any) -> None:
    code, out, _ = askwise("model", files / "mail.askwise", files / "again.skops")
    assert code == 0
    assert "Model of 'mail'" in out
    assert NEW_ITEMS in out
    code, shown, _ = askwise("model", files / "again.skops")
    assert code == 0
    assert "\n".join(shown.splitlines()) in out
    code, data, _ = askwise("model", files / "again.skops", "--json")
    assert Card.of(json.loads(data)) == read_card(files / "again.skops")
    with Session.open(files / "mail.askwise") as session:
        assert session._state.shown_mask[session._state.rest_mask].all(), "the log says so"
        assert load(files / "again.skops").judged(texts())[0] == session.predictions()[0]
    assert verify(files / "mail.askwise").ok


def test_a_model_that_cannot_be_saved_costs_nothing(files: Path, askwise: Any) -> None:
    assert askwise("model", files / "mail.askwise", files / "m.onnx")[0] == 2
    with Session.open(files / "mail.askwise") as session:
        assert not session._state.shown_mask[session._state.rest_mask].all()


def test_predicting_with_a_session_notes_what_its_own_items_tell(files: Path, askwise: Any) -> None:
    store = files / "mail.askwise"
    code, out, err = askwise("predict", store, "-", keys="wholly other words\n")
    assert code == 0
    assert "may have been seen" not in err
    with Session.open(store) as session:
        s = session._state
        row = int(np.flatnonzero(s.rest_mask & ~s.shown_mask)[0])
        text = session.pool.contents[row]
    code, out, err = askwise("predict", store, "-", keys=text.upper() + "\n")
    assert code == 0
    assert rows_of(out)[0]["label"] in ("spam", "ham")
    assert "may have been seen" in err
    with Session.open(store) as session:
        assert session._state.was_shown(row, "anybody")
    assert verify(store).ok


# ── blindness ───────────────────────────────────────────────────────────────────────────────


def test_taking_the_model_ends_certificates_for_what_is_open(session: Session) -> None:
    silent = session.model(shown=False)
    assert not session._state.shown_mask[session._state.rest_mask].all()
    session.model()
    refused = session.autolabel()
    assert refused.status == "refused"
    assert "shown or exported" in refused.reason
    assert silent.card is not None
    assert verify(session._store).ok


def test_labels_by_the_model_count_as_seen_when_they_are_taken_back() -> None:
    with worked(texts(600), answers=60) as session:
        assert session.autolabel(oracle=lambda queries: [truth(q.text) for q in queries]).status == "certified"
        rows = set(session._state.auto)
        session.model()
        session.undo_autolabel()
        assert all(session._state.was_shown(row, "somebody") for row in rows)


def test_no_model_and_no_word_while_blind_checks_are_under_way(tmp_path: Path) -> None:
    with worked(texts(600), answers=60) as session:
        assert session.autolabel().status == "checking"
        with pytest.raises(BadInput, match="Blind checks are under way"):
            session.model()
        with pytest.raises(BadInput, match="Blind checks are under way"):
            through(session, ["anything"])
        client = client_of(session, OWNER)
        for reply in (client.get("/api/v1/model/file"), client.post("/api/v1/predict", json={"items": ["a"]})):
            assert reply.status_code == 400
            assert "Blind checks" in reply.json()["error"]


def test_without_two_classes_there_is_no_model() -> None:
    with Session(texts(), classes=["spam", "ham"], encoder="tfidf") as session:
        for ask in (session.model, lambda: through(session, ["a"])):
            with pytest.raises(BadInput, match="no model yet"):
                ask()


def test_a_session_without_its_own_learner_gives_no_model(tmp_path: Path) -> None:
    worked(learner=LogisticRegression(), store=tmp_path / "s.askwise").close()
    with Session.open(tmp_path / "s.askwise") as session, pytest.raises(BadInput, match="cannot hold"):
        session.model()


def client_of(session: Session, role: Any, name: str = "rita") -> TestClient:
    app = create_app(session, token=HEADER["x-askwise-token"])
    app.state.whose = lambda request: Who(name, role)
    return TestClient(app, base_url="http://127.0.0.1", headers=HEADER)


def a_waiting_check(session: Session) -> Any:
    while True:
        (query,) = session.ask()
        if query.audit:
            return query
        session.tell(query, truth(query.text))


def test_what_waits_for_a_blind_check_is_told_to_nobody_in_any_spelling(session: Session) -> None:
    query = a_waiting_check(session)
    client = client_of(session, OWNER)
    asked = [query.text, query.text.upper(), f"  {query.text}\n", query.text + " ", query.text.replace(" ", "  ")]
    words = query.text.split()
    asked += [" ".join(reversed(words)), query.text + ".", " ".join(words[:-1])]
    found = client.post("/api/v1/predict", json={"items": [*asked, "zzz"]}).json()["items"]
    assert [one["hidden"] for one in found] == [True] * len(asked) + [False]
    assert {(one["label"], one["confidence"], one["advice"]) for one in found[:-1]} == {(None, None, ASK)}
    assert not session._state.was_shown(query.row, "rita")
    session.tell(query, truth(query.text))
    assert not session.answers()[query.row].seen


def test_who_hears_of_an_item_like_one_of_the_session_is_not_blind_to_it(session: Session) -> None:
    s = session._state
    row = int(np.flatnonzero(s.rest_mask & ~s.shown_mask)[0])
    before = s.shown_mask.copy()
    client = client_of(session, REVIEWER)
    assert client.post("/api/v1/predict", json={"items": ["nothing alike"]}).json()["items"][0]["label"] in (
        "spam",
        "ham",
    )
    assert np.array_equal(session._state.shown_mask, before)
    words = session.pool.contents[row].split()
    reply = client.post("/api/v1/predict", json={"items": [" ".join(reversed(words))]}).json()
    assert reply["items"][0]["label"] in ("spam", "ham")
    assert reply["about"] == NEW_ITEMS
    assert session._state.was_shown(row, "rita")
    assert not session._state.was_shown(row, "bob")
    assert verify(session._store).ok


def test_roles_kinds_and_limits_of_the_api(session: Session) -> None:
    annotator = client_of(session, ANNOTATOR)
    assert annotator.post("/api/v1/predict", json={"items": ["a"]}).status_code == 403
    assert annotator.get("/api/v1/model").status_code == 403
    reviewer = client_of(session, REVIEWER)
    assert reviewer.get("/api/v1/model/file").status_code == 403
    card = reviewer.get("/api/v1/model").json()
    assert Card.of(card["card"]).labels == session.counts()["labeled"]
    assert card["about"] == NEW_ITEMS
    for items, code in (([], 400), (["a"] * 1001, 400), ([["a", "b"]], 400), ([{"a": 1}], 400), ("a", 400), ([1], 400)):
        reply = reviewer.post("/api/v1/predict", json={"items": items})
        assert reply.status_code == code
        assert set(reply.json()) == {"error"}
    X = np.random.default_rng(0).normal(size=(40, 3))
    with Session(X, classes=["a", "b"]) as rows:
        assert client_of(rows, REVIEWER).post("/api/v1/predict", json={"items": ["a"]}).status_code == 400


def test_the_owner_takes_the_file(session: Session, tmp_path: Path) -> None:
    reply = client_of(session, OWNER).get("/api/v1/model/file")
    assert reply.status_code == 200
    (tmp_path / "m.skops").write_bytes(reply.content)
    assert load(tmp_path / "m.skops").judged(texts())[0] == session.predictions()[0]
    assert session._state.shown_mask[session._state.rest_mask].all()


def test_files_mangled_at_random_are_refused_in_a_sentence_or_answer_as_before(saved: Path) -> None:
    """Nodes swapped, dropped, renamed; members exchanged: with a card that vouches for all of it."""
    rng = np.random.default_rng(7)
    with zipfile.ZipFile(saved) as archive:
        members = [name for name in archive.namelist() if name != CARD]
        schema = archive.read("schema.json").decode()
    before = load(saved).judged(texts()[:20])

    def nodes(found: Any) -> list[dict[str, Any]]:
        below = list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else []
        return [found] * (isinstance(found, dict) and "__loader__" in found) + [n for one in below for n in nodes(one)]

    refused: list[str] = []
    for _ in range(50):
        fresh = json.loads(schema)
        every = nodes(fresh)
        one, other = (every[i] for i in rng.integers(len(every), size=2))
        kind = rng.integers(5)
        if kind == 0:
            one.update(json.loads(json.dumps(other)))
        elif kind == 1:
            one["__class__"] = str(
                rng.choice(["dict", "ndarray", "Model", "Pipeline", "TfidfEncoder", "dtype", "slice"])
            )
        elif kind == 2:
            one.pop(str(rng.choice(list(one))))
        elif kind == 3:
            one["__loader__"] = other["__loader__"]
        elif "content" in one:
            one["content"] = rng.choice(["[]", "1e999", '"x"', "null", "-1"]).item()
        swapped = rng.choice(members, 2).tolist() if rng.random() < 0.3 else None

        def craft(name: str, data: bytes, fresh: Any = fresh, swapped: Any = swapped) -> bytes:
            if name == "schema.json":
                return json.dumps(fresh).encode()
            if swapped and name in swapped:
                with zipfile.ZipFile(saved) as archive:
                    return archive.read(swapped[1 - swapped.index(name)])
            return data

        try:
            found = load(_changed(saved, craft))
            found.judged(texts()[:20])  # whatever it says: it is a model
            found.save(saved.with_name("again.skops"))
        except BadInput as error:
            refused.append(str(error))
    assert len(refused) > 15
    assert not [error for error in refused if len(error.splitlines()) != 1]
    assert load(saved).judged(texts()[:20])[0] == before[0]


# ── a session that changes ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("apart", [False, True])
def test_a_session_that_grows_gives_the_model_of_all_its_items(apart: bool, tmp_path: Path) -> None:
    with worked(texts(60), answers=16, apart=apart) as session:
        before = session.model(shown=False)
        said = before.proba(texts()[:30])
        assert through(session, [texts(240)[200]]).noted == 0
        session.add(texts(240)[60:])  # so many that the encoder learns anew
        after = session.model(shown=False)
        assert after.card is not None
        assert after.card.items == 240
        assert after.judged(texts(240))[0] == session.predictions()[0]
        assert np.array_equal(before.proba(texts()[:30]), said), "what was taken stays"
        assert through(session, [texts(240)[200]]).noted > 0, "it is an item of the session now"
        after.save(tmp_path / "m.skops")
        assert load(tmp_path / "m.skops").judged(texts(240))[0] == session.predictions()[0]


def test_labels_that_were_merged_or_renamed_are_no_classes_of_the_model(tmp_path: Path) -> None:
    with worked(classes=["spam", "ham", "junk"], say=lambda t: "junk" if "cash" in t else truth(t)) as session:
        session.change.merge("junk", "spam")
        session.change.rename("ham", "fine")
        model = session.model(shown=False)
        assert model.classes_.tolist() == ["fine", "spam"]
        assert model.predict_proba(["cash prize"]).shape == (1, 2)
        assert model.card is not None
        assert sorted(model.card.classes) == ["fine", "spam"]
        assert sum(model.card.by_class.values()) == model.card.labels
        assert set(model.predict(texts()).tolist()) == {"fine", "spam"}
        assert model.judged(texts())[0] == session.predictions()[0]
        model.save(tmp_path / "m.skops")
        assert load(tmp_path / "m.skops").judged(texts())[0] == session.predictions()[0]
        assert set(through(session, ["cash prize zz", "train home yy"]).labels) <= {"fine", "spam"}
