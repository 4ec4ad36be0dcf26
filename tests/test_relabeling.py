"""Labels that change while people work: answers keep what was said, and nothing false is claimed of the new ones."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askwise import Session, cli, evidence, relabeling, verify
from askwise.audit import accuracy_on_rest
from askwise.core import BadInput, Event
from askwise.state import State
from askwise.store import MemoryStore, seal

pytestmark = pytest.mark.usefixtures("linear")

NAMES = ("bill", "billing", "ship", "return")


def blobs(n: int = 400, seed: int = 0, classes: int = 4, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(features, names): classes 0 and 1 cannot be told apart by the features."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    X = rng.normal(size=(n, 5)).astype(np.float32) * 0.6
    X[:, 0] += 3 * np.maximum(y, 1)
    y = np.where(rng.random(n) < noise, rng.integers(0, classes, n), y)
    return X, np.array(NAMES, object)[y]


def begun(X: np.ndarray, **more: Any) -> Session:
    return Session(X, **{"classes": list(NAMES), "seed": 1, "audit_share": 0.5} | more)


def label(session: Session, y: Any, rounds: int, n: int = 5, who: str = "me") -> None:
    for _ in range(rounds):
        for query in session.ask(n, annotator=who):
            session.tell(query, str(y[query.row]), annotator=who)
        session.refresh()


def log_of(session: Session) -> list[Event]:
    return list(session._store.read())


def sound(session: Session) -> None:
    found = verify(log_of(session))
    assert found.ok, [f.sentence for f in found.findings if f.ok is False]
    again = State()
    for event in log_of(session):
        again.apply(event)
    assert again.answers == session.answers()
    assert again.codes.tolist() == session.look(lambda s: s.codes.tolist())


# ── names ───────────────────────────────────────────────────────────────────────────────────


def test_a_renamed_label_is_the_same_class() -> None:
    X, y = blobs()
    session = begun(X)
    label(session, y, 8)
    before, said = session.estimate(), log_of(session)
    guesses = np.array(session.predictions()[0], object)
    session.change.rename("ship", "shipping")
    assert session.classes == ("bill", "billing", "shipping", "return")
    assert session.estimate() == before
    assert (np.array(session.predictions()[0], object) == np.where(guesses == "ship", "shipping", guesses)).all()
    assert {a.label for a in session.answers().values()} <= set(session.classes)
    assert log_of(session)[: len(said)] == said
    session.tell(session.pool.ids[0], "ship")  # a page that shows the old name still
    assert session.answers()[0].label == "shipping"
    y = np.where(y == "ship", "shipping", y)
    label(session, y, 2)
    assert session.report().classes == session.classes
    assert session.change.undo() == "class_renamed"
    assert session.classes == NAMES
    sound(session)


def test_names_can_be_exchanged_and_are_refused_where_taken() -> None:
    X, y = blobs()
    session = begun(X)
    label(session, y, 4)
    told = session.answers()
    for name, to in (("bill", "x"), ("billing", "bill"), ("x", "billing")):
        session.change.rename(name, to)
    swap = {"bill": "billing", "billing": "bill"}
    for row, answer in session.answers().items():
        assert answer.label == swap.get(told[row].label or "", told[row].label)
    with pytest.raises(BadInput, match="There is a label 'ship' already"):
        session.change.rename("return", "ship")
    with pytest.raises(BadInput, match="No label named 'nothing'"):
        session.change.rename("nothing", "x")
    with pytest.raises(BadInput, match="it is empty"):
        session.change.rename("return", "  ")
    for _ in range(3):
        session.change.undo()
    assert session.answers() == told
    with pytest.raises(BadInput, match="nothing to take back"):
        session.change.undo()
    sound(session)


def test_labels_of_sets_are_renamed_everywhere() -> None:
    texts = [f"{'apple' if i % 2 else 'pear'} {'red' if i % 3 else 'green'} {i}" for i in range(60)]
    session = Session(texts, classes=["a", "b"], multilabel=True, encoder="tfidf", audit_share=0.4)
    for _ in range(4):
        for query in session.ask(4):
            session.tell(query, [n for n, has in (("a", query.row % 2), ("b", query.row % 3)) if has])
        session.refresh()
    before = session.estimate()
    session.change.rename("a", "z")
    assert session.classes == ("z", "b")
    assert {a.label for a in session.answers().values()} <= {"z", "b", "z|b", "(none)"}
    assert session.estimate() == before
    for query in session.ask(3):
        session.tell(query, ["z"])
    session.refresh()
    with pytest.raises(BadInput, match="can be renamed, but not merged or removed"):
        session.change.merge("z", "b")
    sound(session)


def test_order_descriptions_title_and_guidelines() -> None:
    X, y = blobs()
    session = begun(X, title="Mail", guidelines="Look.")
    label(session, y, 3)
    session.change.reorder(["return", "ship"])
    assert session.classes == ("return", "ship", "bill", "billing")
    session.change.describe("ship", "Where is it?")
    session.change.title("Letters")
    session.change.guidelines("Look twice.")
    assert (session.title, session.guidelines) == ("Letters", "Look twice.")
    assert session.look(lambda s: s.descriptions) == {"ship": "Where is it?"}
    label(session, y, 2)
    assert [session.change.undo() for _ in range(4)] == ["guidelines", "retitled", "class_described", "reordered"]
    assert (session.title, session.guidelines, session.classes) == ("Mail", "Look.", NAMES)
    with pytest.raises(BadInput, match="Name each label once"):
        session.change.reorder(["ship", "ship"])
    with pytest.raises(BadInput, match="200 are the most"):
        session.change.title("x" * 201)
    sound(session)


# ── merging ─────────────────────────────────────────────────────────────────────────────────


def test_a_merged_label_counts_as_the_other_and_comes_back_as_it_was(tmp_path: Path) -> None:
    X, y = blobs()
    session = begun(X, store=tmp_path / "s.askwise")
    label(session, y, 8)
    told, before, metrics = session.answers(), session.estimate(), session.metrics()
    session.change.merge("bill", "billing")
    assert session.classes == ("billing", "ship", "return")
    merged = session.answers()
    assert {a.label for a in merged.values()} == {"billing", "ship", "return"}
    assert all(merged[row].said == "bill" for row, a in told.items() if a.label == "bill")
    assert "bill" not in session.predictions()[0]
    after = session.estimate()
    assert after.low >= before.low  # what was right stays right, what was wrong is counted as before
    assert after.high >= before.high
    session.tell(session.pool.ids[1], "bill")
    assert session.answers()[1].label == "billing"
    session.retract(session.pool.ids[1])
    session.release()
    assert session.report().classes == session.classes
    session.export(tmp_path / "out.csv")
    assert "bill," not in (tmp_path / "out.csv").read_text()
    again = Session.open(tmp_path / "s.askwise", pool=X)
    assert again.answers() == session.answers()
    again.close()
    assert session.change.undo() == "class_split"
    assert session.classes == NAMES
    assert session.answers() == told
    assert (session.estimate(), session.metrics()) == (before, metrics)
    sound(session)


def test_after_a_merge_the_model_learns_the_classes_there_are() -> None:
    X, y = blobs()
    session = begun(X)
    label(session, y, 8)
    session.change.merge("bill", "billing")
    assert session._trainer.stale()
    y = np.where(y == "bill", "billing", y)
    label(session, y, 10)
    right = np.mean(np.array(session.predictions()[0], object) == y)
    assert right > 0.9
    found = session.metrics()
    assert found is not None
    assert [one.label for one in found.classes] == ["billing", "ship", "return"]
    for one in found.classes:
        rest = session.look(lambda s: s.rest())
        guesses = np.array(session.predictions()[0], object)[rest]
        recall = np.mean(guesses[y[rest] == one.label] == one.label)
        assert one.recall.low <= recall <= one.recall.high
    done = session.autolabel(max_error=0.2, oracle=lambda queries: [str(y[q.row]) for q in queries])
    assert done.status == "certified", done.reason
    (given,) = session.certificates()
    assert [name for name, _ in given.classes] == ["billing", "ship", "return"]
    assert set(done.labels.values()) <= set(session.classes)
    sound(session)


def test_a_certificate_speaks_of_the_labels_as_they_were() -> None:
    X, y = blobs(1200)
    y = np.where(y == "bill", "billing", y)
    session = begun(X)
    label(session, y, 14)
    session.change.describe("ship", "to send")
    oracle = lambda queries: [str(y[q.row]) for q in queries]  # noqa: E731
    assert session.autolabel(max_error={"ship": 0.25, "return": 0.25}, oracle=oracle).status == "certified"
    before = session.certificates()
    assert all(not c.since for c in before)
    auto = session.look(lambda s: dict(s.auto))
    session.change.rename("ship", "shipping")
    session.change.merge("shipping", "return")
    after = session.certificates()
    assert [(c.label, c.classes, c.audits, c.wrong, c.void) for c in after] == [
        (c.label, c.classes, c.audits, c.wrong, c.void) for c in before
    ]
    assert after[0].since == ("'ship' was renamed to 'shipping'", "'shipping' was merged into 'return'")
    assert "It speaks of the labels as they were: since then 'ship' was renamed" in after[0].sentence
    assert {row["label"] for row in session.rows() if row["source"] == "model"} == {"return"}
    session.change.undo()
    session.change.undo()
    assert session.look(lambda s: dict(s.auto)) == auto
    sound(session)


def test_a_model_is_asked_where_what_was_proved_is_not_of_the_label_of_now() -> None:
    X, y = blobs(1200)
    y = np.where(y == "bill", "billing", y)
    session = begun(X)
    label(session, y, 14)
    oracle = lambda queries: [str(y[q.row]) for q in queries]  # noqa: E731
    assert session.autolabel(max_error={"ship": 0.25, "return": 0.25}, oracle=oracle).status == "certified"
    session.change.rename("ship", "shipping")
    model = session.model()
    assert {one.label for one in model.card.certificates} == {"shipping", "return"}
    assert all(one.repeats > 0 for one in model.card.certificates)
    session.change.merge("bill", "billing")
    assert {one.label for one in session.model().card.certificates} == {"ship", "return"}
    assert "bill" not in session.model().card.by_class


def test_while_blind_checks_are_under_way_classes_stay() -> None:
    X, y = blobs()
    y = np.where(y == "bill", "billing", y)
    session = begun(X)
    label(session, y, 8)
    session.change.title("before")
    assert session.autolabel(max_error=0.2).status == "checking"
    for change in (
        lambda: session.change.rename("ship", "x"),
        lambda: session.change.merge("ship", "return"),
        lambda: session.change.remove("bill"),
    ):
        with pytest.raises(BadInput, match="Blind checks are under way"):
            change()
    session.change.undo()  # a title says nothing of classes
    session.cancel_autolabel()
    session.change.merge("ship", "return")
    sound(session)
    # A log in which somebody did so all the same is found.
    events = log_of(session)
    place = next(i for i, e in enumerate(events) if e.kind == "frozen")
    merge = next(e for e in events if e.kind == "class_merged")
    made = [*events[: place + 1], merge]
    again = [event for event, _ in seal([Event(e.kind, e.data, e.at) for e in made], 0, "")]
    assert any("while blind checks are under way" in f.sentence for f in verify(again).findings if f.ok is False)


def test_nothing_is_said_of_a_whole_file_by_classes_that_were_fewer() -> None:
    X, y = blobs(600)
    session = begun(X)
    label(session, y, 6)
    session.change.merge("bill", "billing")
    fewer = np.where(y == "bill", "billing", y)
    label(session, fewer, 8)
    assert session.autolabel(max_error=0.2, oracle=lambda qs: [str(fewer[q.row]) for q in qs]).status == "certified"
    session.add(blobs(200, 9)[0])
    session.change.split("bill")
    y = np.concatenate([y, blobs(200, 9)[1]])
    session.refresh()
    refused = session.autolabel(max_error=0.2, target="file")
    assert refused.status == "refused"
    assert "certified while classes were merged" in refused.reason
    assert session.look(evidence.finer_now)
    session.change.merge("bill", "billing")
    assert not session.look(evidence.finer_now)
    sound(session)


# ── removing ────────────────────────────────────────────────────────────────────────────────


def test_only_a_label_that_nothing_holds_is_removed() -> None:
    X, y = blobs()
    y = np.where(y == "return", "ship", y)
    session = begun(X)
    label(session, y, 8)
    before = session.estimate()
    with pytest.raises(BadInput, match="have, or had, the label 'ship'"):
        session.change.remove("ship")
    session.change.remove("return")
    assert session.classes == ("bill", "billing", "ship")
    assert session.estimate().low == before.low
    assert session.estimate().high >= before.high
    with pytest.raises(BadInput, match="No label named 'return'"):
        session.tell(session.pool.ids[0], "return")
    first = session.look(lambda s: [relabeling.standing(s, d) for d in s.draws])
    assert set(first) == {(True, False)}
    label(session, y, 2)
    session.change.undo()
    assert session.classes == NAMES
    again = session.look(lambda s: [relabeling.standing(s, d) for d in s.draws])
    assert again == [(True, True)] * len(first) + [(False, False)] * (len(again) - len(first))
    unclear = session.look(relabeling.unclear)  # what was said while that label was none may mean it
    assert len(unclear) == 10
    two = Session(X, classes=["a", "b"])
    with pytest.raises(BadInput, match="Two labels are the fewest"):
        two.change.remove("a")
    sound(session)


# ── what is proved ──────────────────────────────────────────────────────────────────────────


def true_share(session: Session, y: Any, mapping: dict[str, str]) -> float:
    """Of the rest, the share that the current guesses have right by the classes of today."""
    rest = session.look(lambda s: s.rest())
    guesses = np.array(session.predictions()[0], object)[rest]
    truth = np.array([mapping.get(name, name) for name in y[rest]], object)
    return float(np.mean(guesses == truth))


@pytest.mark.parametrize("way", ["merge", "back and forth"])
def test_bounds_hold_whatever_is_merged_by_who_has_seen_the_checks(way: str) -> None:
    """The worst person: merges the two classes that the checks say are confused most, and takes it back."""
    broken = 0
    for seed in range(16):
        X, y = blobs(300, seed, noise=0.35)
        session = begun(X, seed=seed)
        mapping: dict[str, str] = {}
        wrong = False
        for round_ in range(16):
            for query in session.ask(5):
                name = str(y[query.row])
                session.tell(query, mapping.get(name, name))
            session.refresh()
            if round_ in (6, 9, 12) and (not mapping or way != "merge"):
                if mapping:
                    session.change.split(next(iter(mapping)))
                    mapping = {}
                else:
                    checks = session.look(
                        lambda s: [
                            (s.classes[s.then(d)[d.row]], s.answers[d.row].label)
                            for d, w in zip(*s.draw_outcomes(), strict=True)
                            if w
                        ]
                    )
                    pairs = [tuple(sorted(map(str, pair))) for pair in checks if pair[0] != pair[1]]
                    if pairs:
                        one, other = max(set(pairs), key=pairs.count)
                        session.change.merge(one, other)
                        mapping = {one: other}
            now, true = session.estimate(), true_share(session, y, mapping)
            wrong |= not now.low - 1e-9 <= true <= now.high + 1e-9
        broken += wrong
        if seed == 0:
            sound(session)
    assert broken <= 2  # each session keeps its promise at all looks with 95 %


def test_what_a_check_says_of_todays_classes() -> None:
    X, y = blobs()
    session = begun(X)
    label(session, y, 4)
    standings = lambda: session.look(lambda s: {relabeling.standing(s, d) for d in s.draws})  # noqa: E731
    fine = lambda: session.look(lambda s: [relabeling.standing(s, d) for d in s.draws])  # noqa: E731
    assert standings() == {(True, True)}
    session.change.merge("bill", "billing")
    assert standings() == {(True, False)}
    first = len(fine())
    merged = np.where(y == "bill", "billing", y)
    label(session, merged, 4)
    assert fine() == [(True, False)] * first + [(True, True)] * (len(fine()) - first)
    session.change.split("bill")
    assert fine() == [(True, True)] * first + [(False, True)] * (len(fine()) - first)
    assert session.look(relabeling.unclear)  # "billing" was said where "bill" could not be
    unclear = session.look(relabeling.unclear)
    assert all(session.answers()[row].label == "billing" for row in unclear)
    assert (session.look(evidence._counted)[unclear] == -1).all()
    session.change.merge("ship", "return")
    assert set(fine()[first:]) == {(False, False)}
    sound(session)


def test_checks_of_other_classes_are_used_one_sided_only() -> None:
    wrong = [i in (3, 20) for i in range(60)]
    sizes, known = [1000 - i for i in range(60)], [sum(wrong[i:]) for i in range(60)]
    nothing = [0] * 60
    both = accuracy_on_rest(wrong, sizes, known, nothing, nothing, 940)
    no = [False] * 60
    low = accuracy_on_rest(wrong, sizes, known, nothing, nothing, 940, coarser=no)
    high = accuracy_on_rest(wrong, sizes, known, nothing, nothing, 940, finer=no)
    none = accuracy_on_rest(wrong, sizes, known, nothing, nothing, 940, finer=no, coarser=no)
    assert low.low == both.low
    assert low.high >= both.high
    assert (high.low, high.high) == (0.0, both.high)
    assert (none.low, none.high) == (0.0, 1.0)
    same = accuracy_on_rest(wrong, sizes, known, nothing, nothing, 940, finer=[True] * 60, coarser=[True] * 60)
    assert same == both


# ── several people ──────────────────────────────────────────────────────────────────────────


def test_who_said_labels_that_were_merged_agree() -> None:
    X, y = blobs(60)
    session = begun(X, overlap=0.3, store=MemoryStore())
    item = session.pool.ids[5]
    for who, said in (("ann", "bill"), ("bob", "billing"), ("eve", "ship")):
        session.tell(item, said, annotator=who)
    for row in range(20, 40):
        session.tell(session.pool.ids[row], str(y[row]), annotator="ann")
    session.refresh()
    session.change.merge("bill", "billing")
    session.refresh()
    assert session.answers()[5].label == "billing"
    assert {who: a.label for who, a in session.look(lambda s: s.votes[5]).items()} == {
        "ann": "bill", "bob": "billing", "eve": "ship"
    }  # fmt: skip
    assert session.agreement().items == 1
    sound(session)


def test_two_change_labels_at_once() -> None:
    X, y = blobs(80)
    session = begun(X)
    label(session, y, 2)
    done: list[str] = []

    def rename(to: str) -> None:
        try:
            session.change.rename("ship", to)
            done.append(to)
        except BadInput:
            pass

    threads = [threading.Thread(target=rename, args=(f"name {i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    assert session.classes[2] == done[0]
    sound(session)


# ── slips of the keys ───────────────────────────────────────────────────────────────────────


def test_labels_that_look_alike_are_offered() -> None:
    counts = [("Billing", 40), ("billing", 3), ("biling", 2), ("shipping", 30), ("Ship-ping", 1), ("returns", 20)]
    assert relabeling.alike(counts) == [("billing", "Billing"), ("biling", "Billing"), ("Ship-ping", "shipping")]
    assert relabeling.alike([("size 40", 50), ("size 41", 2), ("cat", 30), ("car", 1)]) == []
    assert relabeling.alike([("a_b", 5), ("A b", 5)]) == [("a_b", "A b")]
    many = [(f"category {chr(97 + i % 26)}{chr(97 + i // 26)} of things", 1000 - i) for i in range(500)]
    started = time.perf_counter()
    relabeling.alike([*many, ("Category AA of things", 1)])
    assert time.perf_counter() - started < 5


# ── the doors ───────────────────────────────────────────────────────────────────────────────


def table(path: Path) -> Path:
    rows = [("Billing", 30), ("shipping", 25), ("biling", 2), ("billing ", 1)]
    lines = [f"text of {name.strip()} number {i},{name}" for name, count in rows for i in range(count)]
    path.write_text("\n".join(["text,label", *lines, *(f"open text {i}," for i in range(20))]) + "\n")
    return path


def test_labels_are_changed_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*args: object) -> tuple[int, str]:
        try:
            cli.main(list(map(str, args)))
            code: Any = 0
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        return int(code), said.out + said.err

    store = tmp_path / "mail.askwise"
    Session(table(tmp_path / "mail.csv"), text="text", label="label", encoder="tfidf", store=store).close()
    code, said = run("labels", store)
    assert code == 0
    assert "Billing  30\n" in said
    assert f"'biling' looks like 'Billing'. Merge:  askwise labels {store} merge biling Billing" in said
    assert f"askwise labels {store} merge billing Billing" in said
    assert "Billing  32  (with biling)" in run("labels", store, "merge", "biling", "Billing")[1]
    assert "bills  32  (with biling)" in run("labels", store, "rename", "Billing", "bills")[1]
    assert "bills  32  (with biling)  what we charge" in run("labels", store, "describe", "bills", "what we charge")[1]
    (tmp_path / "how.md").write_text("- look\n")
    assert run("labels", store, "guidelines", tmp_path / "how.md")[0] == 0
    assert run("labels", store, "title", "Our mail")[0] == 0
    assert run("labels", store, "order", "shipping")[1].startswith("shipping")
    with Session.open(store) as session:
        assert (session.title, session.guidelines) == ("Our mail", "- look\n")
        assert session.classes == ("shipping", "bills", "billing")
    for _ in range(6):
        assert run("labels", store, "undo")[0] == 0
    with Session.open(store) as session:
        assert session.classes == ("Billing", "biling", "billing", "shipping")
    for words, said in (
        (("undo",), "nothing to take back"),
        (("merge", "a"), "'merge' takes A B; got a."),
        (("dance",), "No change named 'dance'"),
        (("remove", "shipping"), "have, or had, the label 'shipping'"),
        (("rename", "nothing", "x"), "No label named 'nothing'"),
        (("guidelines", tmp_path / "no.md"), "Cannot read the guidelines"),
    ):
        code, told = run("labels", store, *words)
        assert (code, said in told) == (2, True), told
    assert verify(store).ok


def test_labels_are_changed_through_the_page(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from askwise.app.server import create_app

    session = Session(table(tmp_path / "mail.csv"), text="text", label="label", encoder="tfidf")
    door = TestClient(create_app(session, token="a-token-of-some-length"), base_url="http://127.0.0.1")
    door.headers["x-askwise-token"] = "a-token-of-some-length"
    found = door.get("/api/v1/labels").json()
    assert found["alike"] == [["biling", "Billing"], ["billing", "Billing"]]
    assert found["undo"] is None

    def change(**body: Any) -> Any:
        reply = door.post("/api/v1/labels", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    change(what="merge", name="biling", to="Billing")
    change(what="rename", name="Billing", to="bills")
    change(what="describe", name="bills", text="what we charge")
    found = change(what="reorder", labels=["shipping"])
    assert [(one["label"], one["count"], one["holds"]) for one in found["labels"]] == [
        ("shipping", 25, []), ("bills", 32, ["biling"]), ("billing", 1, [])
    ]  # fmt: skip
    assert door.get("/api/v1/pulse").json()["classes"] == ["shipping", "bills", "billing"]
    assert door.get("/api/v1/state").json()["descriptions"] == {"bills": "what we charge"}
    change(what="title", text="Our mail")
    assert change(what="guidelines", text="# Look")["undo"] == "the guidelines"
    state = door.get("/api/v1/state").json()
    assert (state["title"], state["guidelines"]) == ("Our mail", "# Look")
    assert door.get("/api/v1/dashboard").json()["classes"] == ["shipping", "bills", "billing"]
    assert [one["label"] for one in door.get("/api/v1/dashboard").json()["balance"]] == ["shipping", "bills", "billing"]
    assert change(what="undo")["undo"] == "the title"
    change(what="split", name="biling")
    for body in (
        {"what": "rename", "name": "bills"}, {"what": "merge", "to": "bills"}, {"what": "describe", "name": "bills"},
        {"what": "remove", "name": "bills"}, {"what": "merge", "name": "bills", "to": "bills"},
        {"what": "reorder", "labels": []}, {"what": "split", "name": "bills"}, {"what": "dance"},
        {"what": "title", "text": "x" * 300},
    ):  # fmt: skip
        reply = door.post("/api/v1/labels", json=body)
        assert 400 <= reply.status_code < 500, (body, reply.text)
        assert reply.json()["error"]
    sound(session)
