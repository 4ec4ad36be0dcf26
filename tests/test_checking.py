"""A check of labels that somebody gave: questions, promises, the log, what comes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import askwise
from askwise import LabelCheck, verify
from askwise.checking.doubt import Doubt, design
from askwise.checking.state import chances
from askwise.core import AskwiseError, BadInput, BadStore, Event
from askwise.export import exported
from askwise.pool import load_pool
from askwise.store import read_log
from askwise.tables import read_file


def made(n: int = 400, wrong: float = 0.1, seed: int = 0, texts: bool = False) -> pd.DataFrame:
    """A file of labels: the surer the more often right."""
    rng = np.random.default_rng(seed)
    sure = rng.beta(4, 1, n)
    truth = np.where(rng.random(n) < 0.4, "spam", "ham")
    off = rng.random(n) < 2 * wrong * (1 - sure) / (1 - sure).mean() * 0.5
    other = np.where(truth == "spam", "ham", "spam")
    words = [f"{'win cash' if t == 'spam' else 'see you'} {i}" for i, t in enumerate(truth)]
    frame = {"message": words, "guess": np.where(off, other, truth), "sure": sure, "truth": truth}
    return pd.DataFrame(frame | {"source": np.where(rng.random(n) < 0.5, "web", "mail")})


def begun(frame: pd.DataFrame, **options: Any) -> LabelCheck:
    usual: dict[str, Any] = {"text": "message", "truth": "truth", "encoder": False, "seed": 1, "max_error": 0.05}
    return LabelCheck(frame, "guess", "sure", **(usual | options))


def wrong_kept(check: LabelCheck, frame: pd.DataFrame) -> int:
    return int(sum(frame.guess[row] != frame.truth[row] for row in check.state.kept()))


# ── what stays ──────────────────────────────────────────────────────────────────────────────


def test_most_labels_of_a_good_file_stay_and_few_of_a_bad_one() -> None:
    good, bad = made(1500, 0.01), made(1500, 0.4, seed=1)
    stays = {}
    for name, frame in (("good", good), ("bad", bad)):
        with begun(frame) as check:
            now = check.simulate()
            assert now.phase == "done"
            assert now.kept + now.looked + now.open == 1500
            assert now.limit == 75
            assert wrong_kept(check, frame) <= 1.3 * 75, "a false promise is allowed in 5 %, a far-off one is not"
            stays[name] = now.kept / 1500
    assert stays["good"] > 0.7 > 0.5 > stays["bad"] > 0.02


@pytest.mark.parametrize("wrong", [0.05, 0.12])
def test_the_promise_is_false_as_seldom_as_allowed(wrong: float) -> None:
    runs, false = 50, 0
    for seed in range(runs):
        frame = made(200, wrong, seed=seed)
        with begun(frame, seed=seed, level=0.8) as check:
            check.simulate()
            false += wrong_kept(check, frame) > check.status().limit  # type: ignore[operator]
    assert false <= 0.2 * runs + 3 * (0.16 * runs) ** 0.5


def test_a_part_of_the_sweep_has_the_promise_already_and_is_never_left_without_it() -> None:
    frame = made(600, 0.05)
    with begun(frame) as check:
        seen: list[int] = []
        check.simulate(look=lambda: seen.append(check.status().kept))
        assert seen == sorted(seen)
        assert any(0 < kept < seen[-1] for kept in seen)


def test_so_few_labels_stay_unseen_that_they_cannot_hold_too_many_errors() -> None:
    frame = made(400, 0.6)
    with begun(frame) as check:
        now = check.simulate()
        assert now.kept >= min(20, now.kept + now.open)
        assert "of those that stay" in now.sentence


def test_the_rest_is_asked_only_where_somebody_wants_to_go_on() -> None:
    frame = made(500, 0.3)
    with begun(frame) as check:
        check.simulate()
        assert check.ask(5) == []
        open_ = check.status().open
        assert open_ > 0, "this seed leaves some open"
        while asked := check.ask(50, rest=True):
            for query in asked:
                check.tell(query.row, frame.truth[query.row])
        assert check.status().open == 0
        assert verify(check.store).ok


def test_an_answer_that_is_corrected_is_counted_anew() -> None:
    frame = made(600, 0.03)
    with begun(frame) as check:
        check.simulate()
        before = check.status()
        audited = [row for row in check.state.swept_rows() if check.state.coins[row] < check.state.plan.rate]  # type: ignore[union-attr]
        right = [row for row in audited if not check.state.wrong(row)]
        for row in right[:40]:
            check.tell(row, "spam" if check.state.guess(row) == "ham" else "ham")
        after = check.status()
        assert after.kept < before.kept
        assert after.caught == after.allowed
        for row in right[:40]:
            check.tell(row, check.state.guess(row))
        assert check.status().kept == before.kept
        found = verify(check.store)
        assert found.ok
        assert any("were changed" in one.sentence for one in found.findings)


def test_undecided_counts_as_wrong() -> None:
    frame = made(300)
    with begun(frame) as check:
        query = check.ask()[0]
        check.tell(query.row, None)
        now = check.status()
        assert (now.undecided, now.corrected, now.confirmed) == (1, 0, 0)
        assert check.state.wrong(query.row) is True
        assert check.rows()[query.row]["check"] == "undecided"


# ── how good they are ───────────────────────────────────────────────────────────────────────


def test_bounds_hold_the_truth_while_it_is_looked_at_all_the_time() -> None:
    runs, false, one_off = 40, 0, 0
    for seed in range(runs):
        frame = made(250, 0.2, seed=seed)
        accuracy = float((frame.guess == frame.truth).mean())
        spam = frame.truth == "spam"
        recall = float((frame.guess[spam] == "spam").mean())
        ever = once = False
        with begun(frame, max_error=None, seed=seed, by="source") as check:
            for _ in range(12):
                for query in check.ask(10):
                    check.tell(query.row, frame.truth[query.row])
                found = check.quality()
                ever |= not found.accuracy.low - 1e-9 <= accuracy <= found.accuracy.high + 1e-9
                (one,) = [c for c in found.classes if c.label == "spam"]
                truly = dict(found.shares)["spam"]
                assert truly.low <= (truly.estimate if truly.estimate is not None else truly.low) <= truly.high
                once |= not truly.low - 1e-9 <= spam.mean() <= truly.high + 1e-9
                once |= not one.recall.low - 1e-9 <= recall <= one.recall.high + 1e-9
        false, one_off = false + ever, one_off + once
    assert max(false, one_off) <= 0.05 * runs + 3 * (0.0475 * runs) ** 0.5


def test_a_file_that_is_all_known_is_described_exactly() -> None:
    from sklearn.metrics import cohen_kappa_score, f1_score, precision_score, recall_score

    frame = made(120, 0.2)
    with begun(frame, max_error=None, by=["source"]) as check:
        check.simulate()
        found = check.quality()
    y, g = frame.truth, frame.guess
    assert found.accuracy.low == found.accuracy.high == pytest.approx((y == g).mean())
    assert found.kappa.estimate == pytest.approx(cohen_kappa_score(y, g))
    assert found.kappa.low == pytest.approx(found.kappa.high)
    for label, truly in found.shares:
        assert truly.low == truly.high == pytest.approx((y == label).mean())
    for one in found.classes:
        kind = {"labels": [one.label], "average": None}
        for value, measure in ((one.precision, precision_score), (one.recall, recall_score), (one.f1, f1_score)):
            assert value.low == value.high == pytest.approx(measure(y, g, **kind)[0])
    for part in found.slices:
        own = frame.source == part.value
        assert part.accuracy.estimate == pytest.approx((y == g)[own].mean())
        assert part.size == part.drawn == own.sum()


def test_after_the_sweep_bounds_follow_from_its_promise() -> None:
    frame = made(1000, 0.05)
    frame["second"] = frame.truth.where(np.arange(1000) % 4 > 0, frame.guess)
    with begun(frame, max_error=0.05, by="source") as check:
        before = check.quality()
        check.simulate()
        found = check.quality()
        assert not before.swept
        assert found.swept
        assert found.accuracy.low <= (frame.guess == frame.truth).mean() <= found.accuracy.high
        assert found.accuracy.high - found.accuracy.low <= (check.status().open + 50) / 1000 + 1e-9
    with LabelCheck(
        frame, ["guess", "second"], "sure", text="message", truth="truth", encoder=False, seed=2, max_error=0.05
    ) as check:
        check.simulate()
        ((name, other),) = check.quality().others
        assert name == "second"
        assert other.low <= (frame.second == frame.truth).mean() <= other.high


def test_wrong_ones_come_early_if_asked() -> None:
    frame = made(600, 0.1)
    found = {}
    for wrong_first in (False, True):
        with begun(frame, max_error=None, wrong_first=wrong_first) as check:
            check.simulate(most=200)
            found[wrong_first] = check.status().corrected
            assert check.quality().drawn <= 200 / (1 + wrong_first) + 20
    assert found[True] > 1.5 * found[False]


# ── doubt ───────────────────────────────────────────────────────────────────────────────────


def test_doubt_is_learned_from_texts_guesses_and_agreement() -> None:
    rng = np.random.default_rng(0)
    n = 600
    truth, features = rng.integers(0, 2, n), rng.normal(size=(n, 8))
    features[:, 0] += 3 * truth
    guess = np.where(rng.random(n) < 0.3, 1 - truth, truth)
    second = np.where(rng.random(n) < 0.2, 1 - truth, truth)
    rows = rng.permutation(n)[:200]
    nothing = np.zeros((n, 0))
    known = Doubt(design(guess[:, None], nothing, features / 10), guess, np.zeros(n))(
        rows, truth[rows], np.ones(200, bool)
    )
    agree = Doubt(design(np.stack([guess, second], axis=1), nothing), guess, np.zeros(n))(
        rows, truth[rows], np.ones(200, bool)
    )
    blind = Doubt(design(guess[:, None], nothing), guess, np.zeros(n))(rows, truth[rows], np.ones(200, bool))

    def area(doubt: np.ndarray) -> float:
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(truth != guess, doubt))

    assert area(known) > 0.9
    assert area(agree) > 0.75
    assert area(blind) < 0.65
    for doubt in (known, agree, blind):
        assert ((doubt > 0) & (doubt < 1)).all()


@pytest.mark.parametrize("scale", [lambda c: c, lambda c: 1000 * c - 700, lambda c: np.log(c)])
def test_confidences_are_any_numbers(scale: Callable[[Any], Any]) -> None:
    frame = made(800, 0.1)
    frame["sure"] = scale(frame.sure)
    with begun(frame) as check:
        assert check.simulate().kept > 200


# ── the log ─────────────────────────────────────────────────────────────────────────────────


def test_a_check_goes_on_where_it_was_and_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    frame = made(400, 0.05)
    with begun(frame) as whole:
        whole.simulate()
        expected = whole.state.kept()
    place = tmp_path / "x.askwise"
    begun(frame, store=place).close()
    told = frame.truth.tolist()
    for most in (1, 30, 77, 400):
        with LabelCheck.open(place) as check:
            check.simulate(told, most=most)
    with LabelCheck.open(place) as check:
        assert check.status().phase == "done"
        assert check.state.kept() == expected
    assert verify(place).ok
    with pytest.raises(BadStore, match="not written over"):
        begun(frame, store=place)


def altered(events: list[Event], kind: str, change: Callable[[dict[str, Any]], None], which: int = -1) -> list[Event]:
    """The log with one event changed, and a chain of digests that fits again."""
    from askwise.store.chain import seal

    rows = [i for i, event in enumerate(events) if event.kind == kind]
    data = json.loads(json.dumps(dict(events[rows[which]].data)))
    change(data)
    changed = [Event(e.kind, data if i == rows[which] else e.data, e.at) for i, e in enumerate(events)]
    return [event for event, _ in seal(changed, 0, "")]


def test_every_alteration_is_found(tmp_path: Path) -> None:
    place = tmp_path / "x.askwise"
    with begun(made(400, 0.05), store=place) as check:
        check.simulate()
        fingerprint = check.status().fingerprint
    events = list(read_log(place))
    assert verify(events, fingerprint=fingerprint).ok
    plain = [Event(e.kind, e.data, e.at, e.seq, e.digest) for e in events]
    plain[5] = Event(plain[5].kind, {**plain[5].data, "label": "spam"}, plain[5].at, 6, plain[5].digest)
    assert not verify(plain).ok, "the chain of digests"
    cases: list[tuple[str, Callable[[dict[str, Any]], None], int]] = [
        ("planned", lambda d: d.update(rate=d["rate"] * 0.9), -1),
        ("planned", lambda d: d.update(allowance=d["allowance"] + 1), -1),
        ("planned", lambda d: d.update(errors=d["errors"] + 1), -1),
        ("check", lambda d: d.update(seed="another"), 0),
        ("check", lambda d: d.update(errors=d["errors"] + 5), 0),
        ("check", lambda d: d.update(alpha=0.06), 0),
        ("check", lambda d: d.update(max_error=0.1), 0),
        ("batch", lambda d: d.update(rows=d["rows"][::-1]), 0),
        ("batch", lambda d: d.update(rows=d["rows"] + d["rows"][:1]), -1),
        ("finished", lambda d: d.update(extra=list(range(60))), -1),
    ]
    for kind, change, which in cases:
        found = verify(altered(events, kind, change, which))
        assert not found.ok, (kind, which)
        assert any(one.ok is False and one.check == "certificate" for one in found.findings)
    assert not verify(altered(events, "check", lambda d: d.update(title="x")), fingerprint=fingerprint).ok
    early = [event for event in events if event.kind != "answered"][:4] + events[-1:]
    assert not verify(early).ok


def test_a_mangled_log_is_told_in_a_sentence_wherever_it_is_mangled() -> None:
    with begun(made(200, 0.3)) as check:
        check.simulate()
        events = list(check.store.read())
    free = {
        "version",
        "title",
        "notes",
        "labels",
        "encoder",
        "wrong_first",
        "truth",
        "n",
        "seconds",
        "pilot",
        "expected",
    }
    missed = []
    for kind in {event.kind for event in events}:
        data = next(event.data for event in events if event.kind == kind)
        for name in data:
            for what in ("gone", None, "x", -1, [7.5]):

                def change(one: dict[str, Any], name: str = name, what: Any = what) -> None:
                    one.pop(name) if what == "gone" else one.update({name: what})

                log = altered(events, kind, change, 0)
                if verify(log).ok and name not in free and (kind, name) != ("answered", "label"):
                    missed.append((kind, name, what))
                try:
                    LabelCheck.open(Log(log)).status()
                except AskwiseError:
                    continue
    assert missed == []


class Log:
    """A store that holds some events."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def read(self, after: int = 0) -> list[Event]:
        return self.events[after:]

    def close(self) -> None:
        pass


def test_two_processes_on_one_check_lose_nothing(tmp_path: Path) -> None:
    frame = made(300, 0.1)
    place = tmp_path / "x.askwise"
    with begun(frame, store=place) as one, LabelCheck.open(place) as two:
        truth = frame.truth.tolist()
        given = 0
        while asked := one.ask(4):
            other = two.ask(4)
            assert [q.row for q in other] == [q.row for q in asked]
            for who, query in ((two, other[-1]), (one, asked[0])):
                who.tell(query.row, truth[query.row])
                given += 1
        assert two.ask(1) == []
        assert len(one.state.answers) == len(two.state.answers) <= given
        assert one.state.kept() == two.state.kept()
    assert verify(place).ok


def test_a_session_is_no_check_and_a_check_is_no_session(tmp_path: Path) -> None:
    place = tmp_path / "x.askwise"
    begun(made(50), store=place).close()
    with pytest.raises(AskwiseError):
        askwise.Session.open(place)
    other = tmp_path / "y.askwise"
    askwise.Session(["a", "b"], classes=["x", "y"], store=other).close()
    with pytest.raises(BadStore, match="no check"):
        LabelCheck.open(other)
    with pytest.raises(BadStore):
        LabelCheck.open(tmp_path / "nothing.askwise")


def test_coins_and_orders_never_change_between_versions() -> None:
    by_hand = [int(hashlib.sha256(f"1|coin|{row}".encode()).hexdigest()[:14], 16) // 8 / 2**53 for row in range(3)]
    assert chances("1", "coin", 3).tolist() == by_hand
    assert by_hand[0] == 0.35365031993882423
    found = chances("7", "order", 20_000)
    assert abs(found.mean() - 0.5) < 0.01
    assert len(np.unique(found)) == 20_000
    assert abs(np.corrcoef(found, chances("7", "coin", 20_000))[0, 1]) < 0.03


# ── questions are blind ─────────────────────────────────────────────────────────────────────


def test_no_question_tells_the_guess() -> None:
    frame = made(300).assign(other=lambda f: f.guess)
    frame["note"] = "a note"
    with LabelCheck(frame, ["guess", "other"], "sure", text=[], truth="truth", encoder=False, max_error=0.05) as check:
        for query in check.ask(20):
            assert query.suggestion is None
            assert query.guesses == ()
            assert query.confidence is None
            assert query.audit
            assert set(query.content) == {"message", "source", "note"}


# ── what comes out ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_the_file_is_known_again_and_labels_by_the_model_are_never_given(tmp_path: Path, ending: str) -> None:
    frame = made(300, 0.05)
    with begun(frame) as check:
        now = check.simulate()
        assert check.export(tmp_path / f"out{ending}") == 300
        rows = check.rows()
    assert [row["check"] for row in rows].count("kept") == now.kept
    table = read_file(tmp_path / f"out{ending}", ending[1:])
    known = exported(dict(table.columns))
    assert known is not None
    assert known.by_model == now.kept
    pool = load_pool(tmp_path / f"out{ending}", text="message")
    given = {pool.contents[row]: label for row, label in pool.given.items()}
    for row in rows:
        assert given.get(row["message"]) == (row["label"] if row["check"] in ("confirmed", "corrected") else None)
        assert row["label"] == (None if row["check"] == "open" else row["label"])
        if row["check"] == "kept":
            assert (row["label"], row["askwise_source"]) == (row["guess"], "model")
            assert row["certificate"] == now.fingerprint


def test_every_promise_says_what_it_leaves_unsaid_of_each_class() -> None:
    frame = made(1000, 0.02)
    frame.loc[:11, ["truth", "guess"]] = "rare"
    with begun(frame) as check:
        now = check.simulate()
        said = " ".join(now.unsaid)
        (rare,) = [one for one in now.classes if one.label == "rare"]
        assert rare.hidden == 50
        assert "'rare'" in said
        if rare.kept:
            assert f"of the {rare.kept:,} labels 'rare' that stay, all may be wrong" in said


# ── what cannot be used ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_error": 0}, "max_error"),
        ({"max_error": 1.5}, "strictly between"),
        ({"level": 1}, "level"),
        ({"seed": "x"}, "whole number"),
        ({"wrong_first": True}, "without"),
        ({"by": "message"}, "values"),
        ({"by": "nothing"}, "No column 'nothing' for by"),
        ({"truth": "guess"}, "cannot be the truth"),
        ({"labels": [""]}, "empty"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        begun(made(80), **options)


def test_columns_that_cannot_be_used_are_refused() -> None:
    frame = made(60)
    with pytest.raises(BadInput, match="row 3 of 'sure' has 'high'"):
        begun(frame.assign(sure=["1", "2", "high"] + ["1"] * 57))
    with pytest.raises(BadInput, match="holds no labels"):
        begun(frame.assign(guess=None))
    with pytest.raises(BadInput, match="no label in row 1"):
        begun(frame.assign(truth=None))
    with pytest.raises(BadInput, match="Name it"):
        LabelCheck(frame, None)
    with pytest.raises(BadInput, match="2 values for 3 texts"):
        LabelCheck(["a", "b", "c"], ["x", "y"])
    with pytest.raises(BadInput, match="Cannot check"):
        LabelCheck(5, "guess")
    with pytest.raises(BadInput, match="one value for each text"):
        LabelCheck(["a", "b"], "guess")


def test_a_file_with_rows_that_cannot_be_read_and_a_frame_with_numbers_for_names(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b,llm\n" + "one,two,ham\n" * 30 + "too,few\n" + "one,two,spam\n" * 10)
    with LabelCheck(path, "llm", text=["a", "b"], encoder=False) as check:
        assert check.status().size == 40
        assert any("could not be read" in note for note in check.notes)
        assert check.content(0) == "one\n\ntwo"
        assert list(check.rows()[0])[:3] == ["a", "b", "llm"]
    frame = pd.DataFrame({0: ["x y", "z w"] * 20, 1: ["a", "b"] * 20, 2: [0.5, 0.7] * 20})
    with LabelCheck(frame, 1, 2, text=0, encoder=False) as check:
        assert check.content(0) == "x y"


def test_answers_that_cannot_be_are_refused_and_nothing_is_written() -> None:
    with begun(made(60)) as check:
        seq = check.state.seq
        for row, label in ((60, "ham"), (-1, "ham"), (True, "ham"), (0, ""), (0, "a\nb")):
            with pytest.raises(BadInput):
                check.tell(row, label)
        with pytest.raises(BadInput):
            check.ask(0)
        assert check.state.seq == seq


def test_texts_with_labels_in_lists_and_gaps() -> None:
    texts = [f"text {i}" for i in range(40)]
    guesses = ["a" if i % 2 else "b" for i in range(39)] + [None]
    with LabelCheck(texts, guesses, [None, *range(39)], encoder="tfidf", max_error=0.1) as check:
        assert check.status().size == 39
        assert any("left open" in note for note in check.notes)
        truth = ["a" if i % 2 else "b" for i in range(40)]
        now = check.simulate(truth)
        assert now.limit == 3
        assert check.rows()[39]["check"] == "open"
        assert verify(check.store).ok
