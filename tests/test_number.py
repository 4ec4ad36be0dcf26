"""Numbers as answers: reading and writing, right and wrong, sessions at their doors."""

from __future__ import annotations

import csv
import io
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binom
from starlette.testclient import TestClient

from askwise import Session, agreement, audit, cli, insight, model, report
from askwise.app.server import create_app
from askwise.core import BadInput, BadStore, ContractError, Event, Query
from askwise.monitor import Monitor
from askwise.pool import load_pool
from askwise.state import State
from askwise.store import MemoryStore, SQLiteStore, read_log, seal
from askwise.tasks import available, get, recorded
from askwise.tasks.number import Number, Values
from askwise.terminal import label as label_in_terminal
from askwise.verification import verify

# ── what a number is ────────────────────────────────────────────────────────────────────────

decimals = st.decimals(min_value=-(10**6), max_value=10**6, allow_nan=False, allow_infinity=False, places=3)
positive = st.decimals(min_value=Decimal("0.001"), max_value=1000, allow_nan=False, places=3)


@st.composite
def tasks(draw: Any) -> Number:
    """Numbers with and without ends, on a scale or not."""
    tolerance, step = draw(positive), draw(st.none() | positive)
    low = draw(st.none() | decimals)
    high = None
    if draw(st.booleans()):
        many = draw(st.integers(1, 2000))
        begin = Decimal(0) if low is None else low
        high = begin + (step * many if step is not None else draw(positive))
        if low is None and draw(st.booleans()):
            high = -high
    return Number(
        *(None if x is None else str(x) for x in (tolerance, low, high, step)), draw(st.sampled_from(["", "°C"]))
    )


def text_of(value: Decimal) -> str:
    """The canonical form, the slow way."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@given(tasks())
def test_options_give_the_same_task_and_go_through_text_and_json(task: Number) -> None:
    assert Number.of(task.options()) == task
    assert get(repr(task)) == task
    assert Number.of(json.loads(json.dumps(task.options()))).options() == task.options()
    assert recorded({"task": {"name": "number", "options": task.options()}}) == task


@given(decimals, st.sampled_from(["{:f}", "{:e}", " {:f} ", "{:f}00", "{:+f}", "0{:f}"]))
def test_equal_numbers_are_written_alike(value: Decimal, form: str) -> None:
    task, given_ = Number(1), form.format(abs(value) if form[0] == "0" else value)
    if form.endswith("00") and "." not in given_:
        return
    expected = text_of(abs(value) if form[0] == "0" else value)
    assert task.read(given_, str) == [expected]
    assert task.is_written(expected, ())
    assert Decimal(expected) == Decimal(given_.strip())
    assert (given_ == expected) == task.is_written(given_, ())


@given(st.floats(-1e11, 1e11))
def test_floats_keep_fifteen_digits(value: float) -> None:
    [written] = Number(1).read(value, str)
    assert Number(1).read(written, str) == [written]
    assert len(written.replace("-", "").replace(".", "").lstrip("0")) <= 15
    assert float(written) == pytest.approx(value, rel=1e-14, abs=1e-15)
    assert Number(1).read(np.float64(value), str) == [written]


def test_float_noise_is_no_number_of_its_own() -> None:
    assert Number(1, step="0.1").read(0.1 + 0.2, str) == ["0.3"]
    assert Number(1).read(np.float32(0.1), str) == ["0.100000001490116"]
    assert Number(1).read(1e-30, str) == ["0"]
    assert Number(1).read("0.9999999999999999999", str) == ["1"]
    assert Number(1).read(np.int64(7), str) == Number(1).read(7, str) == ["7"]
    assert Number(1).read("-0.0", str) == ["0"]


@given(tasks(), decimals)
def test_ends_and_scale_by_the_slow_way(task: Number, value: Decimal) -> None:
    o = {name: Decimal(text) for name, text in task.options().items() if name != "unit"}
    inside = o.get("low", value) <= value <= o.get("high", value)
    steps = (value - o.get("low", Decimal(0))) / o["step"] if "step" in o else Decimal(0)
    if inside and steps == steps.to_integral_value():
        assert task.read(str(value), str) == [text_of(value)]
    else:
        with pytest.raises(BadInput, match=r"outside the numbers|not on the scale"):
            task.read(str(value), str)


@given(tasks(), st.integers(-500, 500))
def test_what_is_on_the_scale_is_taken(task: Number, k: int) -> None:
    o = task.options()
    value = Decimal(o.get("low", 0)) + k * Decimal(o.get("step", "0.25"))
    assume(Decimal(o.get("low", value)) <= value <= Decimal(o.get("high", value)))
    assert task.read(str(value), str) == [text_of(value)]


@given(tasks(), st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=30))
def test_every_guess_is_a_number_of_the_task_and_the_nearest_of_the_scale(task: Number, means: list[float]) -> None:
    opinion = Values(np.array(means), np.ones(len(means)), 0.1, task)
    names, which = opinion.written(())
    assert all(task.is_written(name, ()) for name in names)
    o = {name: float(text) for name, text in task.options().items() if name != "unit"}
    grid = o.get("step", o["tolerance"] / 2)
    for mean, at in zip(means, which, strict=True):
        there = min(max(mean, o.get("low", -math.inf)), o.get("high", math.inf))
        if abs(there) < 1e9:  # else it is cut where the digits end
            top = o.get("high", math.inf) - float(names[at]) < grid  # what is above may lie off the grid
            assert abs(float(names[at]) - there) <= grid * (1 if top else 0.5) * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize(
    ("raw", "words"),
    [("", "is no number"), ("three", "is no number"), (True, "is no number"), (np.True_, "is no number"),
     (None, "is no number"), ([3], "is no number"), ({}, "is no number"), ("nan", "can be an answer"),
     (math.inf, "can be an answer"), (float("nan"), "can be an answer"), ("-inf", "can be an answer"),
     ("1e12", "can be an answer"), ("9" * 5000, "can be an answer"), ("1_000", "is no number"),
     ("3,5", "Write 3.5"), ("-3,25", "Write -3.25"), ("1,000,000", "is no number"), ("sNaN", "can be an answer"),
     ("1e999999999", "can be an answer"), ("3 4", "is no number"), (b"3", "is no number")],
    ids=lambda one: str(one)[:12],
)  # fmt: skip
def test_what_is_no_number_is_refused_in_a_sentence(raw: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words) as said:
        Number(1).read(raw, str)
    assert len(str(said.value)) < 200


def test_tiny_powers_of_ten_are_nought() -> None:
    assert Number(1).read("1e-999999", str) == ["0"]


@pytest.mark.parametrize(
    "written",
    ["number", "number:low=0", "number:tolerance=0", "number:tolerance=-1", "number:tolerance=x",
     "number:tolerance=nan", "number:tolerance=1,low=3,high=3",
     "number:tolerance=1,low=0,high=10,step=3", "number:tolerance=1,step=0",
     "number:tolerance=1,colour=red", "number:tolerance=1,tolerance=2", "number:tolerance=1e-13",
     "number:tolerance=0.0001,low=0,high=100000000000", "number:tolerance=1,unit=a:b", "number:tolerance=1e12",
     "number:tolerance=0.12345678901234567"],
)  # fmt: skip
def test_options_that_are_none_are_refused(written: str) -> None:
    with pytest.raises(BadInput):
        get(written)


@pytest.mark.parametrize(
    "options",
    [{"tolerance": None}, {"tolerance": []}, {"tolerance": True}, {"tolerance": 1, "unit": 3},
     {"tolerance": 1, "unit": "\x1b[2J"}, {"tolerance": "sNaN"}, {"tolerance": {}}, {"tolerance": 1, "low": False}],
    ids=str,
)  # fmt: skip
def test_recorded_options_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Number.of(options)


def test_it_is_listed_and_has_no_labels() -> None:
    assert "number" in available()
    with pytest.raises(BadInput, match="names labels, and a number has none"):
        Session(np.eye(9), task="number:tolerance=1", classes=["a", "b"])
    assert Session(np.eye(9), task="number:tolerance=1").settings["strategy"] == "random"
    with pytest.raises(BadInput, match="for regression"):
        Session(np.eye(9), task="number:tolerance=1", strategy="margin")


# ── right and wrong ─────────────────────────────────────────────────────────────────────────


@st.composite
def near(draw: Any) -> tuple[Number, list[str]]:
    """Numbers at and around the limits of a tolerance, small and large."""
    tolerance = draw(positive)
    task = Number(str(tolerance))
    base = draw(decimals) * draw(st.sampled_from([Decimal(1), Decimal(1000), Decimal(100000)]))
    offsets = st.sampled_from([Decimal(x) for x in ("0", "1", "2", "-1", "-2", "0.5")])
    slips = st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("-0.001")])
    values = [base + draw(offsets) * tolerance + draw(slips) for _ in range(draw(st.integers(2, 8)))]
    return task, list(dict.fromkeys(text_of(value.quantize(Decimal("0.0001"))) for value in values))


@settings(max_examples=300)
@given(near())
def test_wrong_and_clash_are_exact(found: tuple[Number, list[str]]) -> None:
    task, names = found
    tolerance = Decimal(task.options()["tolerance"])
    a, b = np.meshgrid(np.arange(len(names)), np.arange(len(names)))
    off = [[abs(Decimal(x) - Decimal(y)) for x in names] for y in names]
    assert task.wrong(a, b, names).tolist() == [[one > tolerance for one in row] for row in off]
    assert task.clash(a, b, names).tolist() == [[one > 2 * tolerance for one in row] for row in off]
    assert task.wrong(a, np.full_like(a, -1), names).all()
    # one that is within the tolerance of both shows that they do not clash, and if they do not there may be one
    for x in range(len(names)):
        for y in range(len(names)):
            both = [
                z
                for z in names
                if abs(Decimal(z) - Decimal(names[x])) <= tolerance >= abs(Decimal(z) - Decimal(names[y]))
            ]
            assert not (both and task.clash(np.array([x]), np.array([y]), names)[0])


def test_binary_fractions_do_not_decide() -> None:
    names = ["0.2", "0.3", "0.1", "0.4", "100000000000.1", "100000000000.2", "100000000000.3"]
    task = Number("0.1")
    assert not task.is_wrong(0, 1, names)
    assert task.is_wrong(2, 1, names)
    assert not task.clash(np.array([2]), np.array([1]), names)[0]
    assert task.clash(np.array([2]), np.array([3]), names)[0]
    assert not task.is_wrong(4, 5, names)
    assert task.is_wrong(4, 6, names)
    assert task.is_wrong(0, -1, names)
    assert task.wrong(np.zeros(0, int), np.zeros(0, int), []).tolist() == []


# ── the bounds, where two different guesses may both be right ───────────────────────────────


@st.composite
def histories(draw: Any) -> tuple[np.ndarray, ...]:
    """A small pool with a current model, and a check drawn from an earlier state of it; numbers are codes."""
    n = draw(st.integers(2, 12))
    codes = st.lists(st.integers(0, 8), min_size=n, max_size=n).map(np.array)
    flags = st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
    rest = draw(flags)
    hidden, by_model = draw(codes), draw(flags) & ~rest
    members = draw(flags)
    members[draw(st.integers(0, n - 1))] = True
    return hidden, np.where(rest | by_model, audit.UNKNOWN, hidden), rest, draw(codes), draw(codes), members


@settings(max_examples=300)
@given(histories(), st.sampled_from(["0.5", "1", "2", "2.5"]))
def test_what_a_check_says_of_todays_model_is_true(history: tuple[np.ndarray, ...], tolerance: str) -> None:
    """Counts item by item, and the three inequalities of `accuracy_on_rest`, for arbitrary pools and models."""
    hidden, truth, rest, then, now, members = history
    task, names = Number(tolerance), [str(i) for i in range(9)]
    reach = float(tolerance)
    change = audit.Change(then, truth, now, rest, task.wrong(then, truth, names), task.clash(then, now, names))
    slack = change.slack(members)
    known = clash = differ = 0
    for x in range(len(hidden)):
        if members[x] and not rest[x] and truth[x] != audit.UNKNOWN:
            known += abs(then[x] - truth[x]) > reach
        if members[x] and rest[x]:
            differ += then[x] != now[x]
            clash += abs(int(then[x]) - int(now[x])) > 2 * reach
    assert (slack.known_errors, slack.disagree, slack.clash) == (known, differ, clash)
    errors = sum(abs(now[x] - hidden[x]) > reach for x in range(len(hidden)) if rest[x])
    counts = [slack.size, slack.known_errors, slack.unknown, slack.outside, slack.disagree, slack.clash]
    first, second, third = audit.bounds._implied_rates(errors, *(np.array([c], float) for c in counts))
    rate = np.mean([abs(then[x] - hidden[x]) > reach for x in range(len(hidden)) if members[x]])
    assert first[0] <= rate + 1e-12
    assert rate <= second[0] + 1e-12
    assert third[0] <= rate + 1e-12


def test_two_guesses_that_are_both_right_are_no_evidence_against_either() -> None:
    """Of labels a model that differs everywhere from a good one is bad; of numbers only where they clash."""
    n, m = 1000, 200
    then, now = np.zeros(n, int), np.ones(n, int)
    unknown, rest = np.full(n, audit.UNKNOWN), np.ones(n, bool)
    for names, low_high in ((["5", "6"], 1.0), (["5", "9"], 0.1)):
        task = Number("1")
        change = audit.Change(then, unknown, now, rest, task.wrong(then, unknown, names), task.clash(then, now, names))
        slack = [change.slack(rest)] * m
        got = audit.accuracy_on_rest(
            [False] * m,
            *([getattr(s, name) for s in slack] for name in ("size", "known_errors", "outside", "disagree")),
            n, clash=[s.clash for s in slack],
        )  # fmt: skip
        assert got.high == 1.0 if low_high == 1.0 else got.high < low_high
        assert got.low == 0.0


def guessing_run(rng: np.random.Generator, *, n: int, labels: int, drift: float, confidence: float) -> bool:
    """As `labeling_run` of test_audit.py, with numbers: whether some shown interval missed the current accuracy."""
    names, task = [str(i) for i in range(40)], Number("2")
    hidden = rng.integers(0, 40, n)

    def guessed(some: np.ndarray, bad: float) -> np.ndarray:
        noise = np.where(rng.random(len(some)) < bad, rng.integers(-9, 10, len(some)), rng.integers(-2, 3, len(some)))
        return np.clip(some + noise, 0, 39)

    def wrong_now() -> np.ndarray:
        return np.abs(current - hidden) > 2

    current, truth = guessed(hidden, 0.4), np.full(n, audit.UNKNOWN)
    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    wrong: list[bool] = []
    for step in range(labels):
        free = truth == audit.UNKNOWN
        free[rng.choice(np.flatnonzero(free), 2, replace=False)] = False
        if step % 2:
            x = rng.choice(np.flatnonzero(free))
            drawn.append((free, current))
            wrong.append(bool(wrong_now()[x]))
        else:
            hard = np.flatnonzero(free & wrong_now())
            x = rng.choice(hard if len(hard) else np.flatnonzero(free))
        truth[x] = hidden[x]
        if step % 5 == 0:  # relearn: some become right, some wrong, many say another number that is as right
            current = current.copy()
            moved = rng.random(n) < drift
            current[moved] = guessed(hidden[moved], 0.1)
        if step % 4 == 3:
            rest = truth == audit.UNKNOWN
            changes = {
                id(old): audit.Change(
                    old, truth, current, rest, task.wrong(old, truth, names), task.clash(old, current, names)
                )
                for old in {id(old): old for _, old in drawn}.values()
            }
            slacks = [changes[id(old)].slack(members) for members, old in drawn]
            counts = ([getattr(s, f) for s in slacks] for f in ("size", "known_errors", "outside", "disagree"))
            shown = audit.accuracy_on_rest(
                wrong, *counts, int(rest.sum()), clash=[s.clash or 0 for s in slacks], confidence=confidence
            )
            if not shown.low <= 1 - wrong_now()[rest].mean() <= shown.high:
                return True
    return False


@pytest.mark.parametrize("drift", [0.0, 0.04, 0.3])
def test_the_interval_holds_at_every_look_of_a_changing_run(drift: float) -> None:
    rng = np.random.default_rng(int(100 * drift))
    runs = 50
    misses = sum(guessing_run(rng, n=200, labels=100, drift=drift, confidence=0.8) for _ in range(runs))
    assert misses <= binom.ppf(0.9999, runs, 0.2)


# ── sessions ────────────────────────────────────────────────────────────────────────────────


def measured(n: int = 300, seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, np.round(5 + X @ [1.5, -0.7, 0.3, 0.0] + noise * rng.normal(size=n), 2)


def begin(n: int = 300, **more: Any) -> tuple[Session, np.ndarray]:
    X, y = measured(n)
    return Session(X, **{"task": "number:tolerance=0.5", "seed": 1, **more}), y


def answer(session: Session, y: np.ndarray, times: int, n: int = 5, **more: Any) -> None:
    for _ in range(times):
        for query in session.ask(n, **more):
            session.tell(query, float(y[query.row]), **more)
        session.refresh()


def test_it_learns_numbers_and_its_bounds_hold() -> None:
    session, y = begin(audit_share=0.4, strategy="greedy_both")
    looks = 0
    for _ in range(14):
        answer(session, y, 1)
        guesses, sure = session.predictions()
        rest = [row for row in range(len(y)) if row not in session.answers()]
        if guesses[0]:
            right = np.mean([abs(Decimal(guesses[r]) - Decimal(str(y[r]))) <= Decimal("0.5") for r in rest])
            estimate = session.estimate()
            assert estimate.low <= right <= estimate.high
            looks += 1
    assert looks >= 12
    assert right > 0.95
    assert 0 < sure.min() <= sure.max() <= 1
    assert "right within ±0.5 on the remaining" in estimate.sentence
    assert verify_ok(session)
    query = next(q for q in session.ask(9) if not q.audit)
    assert "right within ±0.5" in query.reason
    assert query.suggestion == guesses[query.row]
    assert query.confidence == pytest.approx(float(sure[query.row]))
    assert [name for name, _ in query.guesses] == [query.suggestion]


def verify_ok(session: Session) -> bool:
    return verify(session._store.read()).ok


def test_how_likely_a_guess_is_right_is_told_honestly() -> None:
    """Of the guesses said to be right with a probability around p about that share is, by a normal distribution."""
    task = Number("0.5")
    opinion = Values(np.array([1.0, 1.2]), np.array([0.3, 0.0]), 0.4, task)
    rng = np.random.default_rng(0)
    answers = 1.0 + np.hypot(0.3, 0.4) * rng.standard_normal(200_000)
    assert opinion.certainty()[0] == pytest.approx(np.mean(np.abs(answers - 1.0) <= 0.5), abs=0.01)
    assert opinion.holds([0], ["2"], ())[0] == pytest.approx(np.mean(np.abs(answers - 2.0) <= 0.5), abs=0.01)
    others = 1.2 + 0.4 * rng.standard_normal(200_000)
    assert opinion.certainty()[1] == pytest.approx(np.mean(np.abs(others - 1.25) <= 0.5), abs=0.01)


def test_numbers_of_the_data_are_taken_and_what_is_none_is_said(tmp_path: Path) -> None:
    X, y = measured(60)
    labels = [float(v) if i < 30 else None for i, v in enumerate(y)]
    session = Session(load_pool(X, label=labels), task="number:tolerance=0.5")
    assert session.counts()["given"] == 30
    assert session.predictions()[0][0]
    with pytest.raises(BadInput, match=r"The label column: 'much' is no number.*leave the cell empty"):
        Session(load_pool(X, label=[*["much"] * 2, *labels[2:]]), task="number:tolerance=0.5")


def test_it_goes_on_after_reopening_and_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "a.askwise"
    X, y = measured()
    session, _ = begin(store=path, task="number:tolerance=0.5,low=-20,high=20,unit=kg")
    answer(session, y, 4)
    said = session.estimate(), session.predictions()[0], session.task
    session.close()
    assert verify(read_log(path)).ok
    again = Session.open(path, pool=X)
    assert (again.estimate(), again.predictions()[0], again.task) == said
    assert again.settings["task"] == "number:tolerance=0.5,low=-20,high=20,unit=kg"
    answer(again, y, 2)
    again.close()
    assert verify(read_log(path)).ok


@pytest.mark.parametrize("learner", ["forest", "bayes", "apart"])
def test_regressors_of_others_and_another_process(learner: str) -> None:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import BayesianRidge

    made = {"forest": RandomForestRegressor(20, random_state=0), "bayes": BayesianRidge(), "apart": None}[learner]
    session, y = begin(120, learner=made, apart=learner == "apart")
    try:
        answer(session, y, 6)
        guesses = np.array([float(one) for one in session.predictions()[0]])
        assert np.mean(np.abs(guesses - y)) < y.std() / 2
        assert verify_ok(session)
    finally:
        session.close()


def test_a_classifier_is_refused() -> None:
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(BadInput, match="predict"):
        begin(learner=LogisticRegression())


@pytest.mark.parametrize(
    "strategy", ["greedy_both", "largest_cluster", "committee_variance", "predictive_std", "random"]
)
def test_the_strategies_for_numbers_can_be_named(strategy: str) -> None:
    session, y = begin(60, strategy=strategy)
    answer(session, y, 3)
    assert session.ask(1)


def test_a_certificate_is_true_and_says_what_right_is() -> None:
    session, y = begin(600, audit_share=0.3, max_error=0.1)
    answer(session, y, 12)

    def oracle(queries: Any) -> list[float]:
        return [float(y[q.row]) for q in queries]

    got = session.autolabel(oracle=oracle)
    assert got.status == "certified", got.reason
    [certificate] = session.certificates()
    assert "within ±0.5" in certificate.sentence
    handed = [r for r in session.rows() if r["source"] == "model"]
    assert handed
    rows = {name: at for at, name in enumerate(session.pool.ids)}
    off = [abs(Decimal(r["label"]) - Decimal(str(y[rows[r["item"]]]))) for r in handed]
    assert np.mean([one > Decimal("0.5") for one in off]) <= 0.1
    assert verify_ok(session)
    card = session.model().card.lines()
    assert any("proved" in line and "within ±0.5" in line for line in card)
    assert "  answers    number:tolerance=0.5" in card


def test_items_that_come_later_are_guessed_too(tmp_path: Path) -> None:
    texts = [f"a room of {i} square metres" for i in range(1, 61)]
    session = Session(texts, task="number:tolerance=5", encoder="tfidf", audit_share=0.3)
    for _ in range(4):
        for query in session.ask(5):
            session.tell(query, int(query.text.split()[3]))
        session.refresh()
    session.add([f"a room of {i} square metres and a bath" for i in range(61, 91)])
    session.refresh()
    guesses, _ = session.predictions()
    assert len(guesses) == 90
    assert all(guesses)
    assert verify_ok(session)
    assert "labels" not in session.classes


# ── several people ──────────────────────────────────────────────────────────────────────────


def slow_alpha(values: np.ndarray) -> float:
    """Krippendorff's alpha from the matrix of coincidences, pair by pair."""
    pairs: list[tuple[float, float, float]] = []
    for row in values:
        told = [v for v in row if not np.isnan(v)]
        pairs += [(a, b, 1 / (len(told) - 1)) for i, a in enumerate(told) for j, b in enumerate(told) if i != j]
    every = [a for row in values for a in row if not np.isnan(a) and (~np.isnan(row)).sum() > 1]
    total = len(every)
    observed = sum(w * (a - b) ** 2 for a, b, w in pairs) / total if total else math.nan
    expected = sum((a - b) ** 2 for a in every for b in every) / (total * (total - 1)) if total > 1 else math.nan
    return 1 - observed / expected if expected else math.nan


@given(st.integers(1, 8), st.integers(2, 4), st.integers(0, 10_000))
def test_interval_alpha_is_that_of_the_slow_way(n: int, people: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, (n, people)).astype(float) + 100
    values[rng.random((n, people)) < 0.3] = np.nan
    assert agreement.interval_alpha(values) == pytest.approx(slow_alpha(values), nan_ok=True)


def test_several_people_come_to_a_number_by_how_exact_they_are() -> None:
    session, y = begin(80, overlap=0.5, people_per_item=3)
    rng = np.random.default_rng(0)
    ids = session.pool.ids
    for row in range(40):
        session.tell(ids[row], float(np.round(y[row] + 0.05 * rng.normal(), 2)), annotator="ann")
        session.tell(ids[row], float(np.round(y[row] + 0.05 * rng.normal(), 2)), annotator="bob")
        session.tell(ids[row], float(np.round(y[row] + 2 * rng.normal(), 2)), annotator="cid")
    session.refresh()
    stands = {row: float(a.label or "nan") for row, a in session.answers().items()}
    given = {
        row: [float(a.label or "nan") for a in session.look(lambda s, r=row: list(s.votes[r].values()))]
        for row in stands
    }
    assert all(stands[row] in given[row] for row in stands)
    assert max(abs(stands[row] - y[row]) for row in range(40)) < 0.3
    quality = {one.name: one.quality for one in session.annotators()}
    assert quality["ann"] > 0.9 > 0.5 > quality["cid"]
    agreed = session.agreement()
    assert agreed.items == 40
    assert agreed.fleiss is None
    assert agreed.cohen == {}
    matrix = np.array([given[row] for row in range(40)])
    assert agreed.alpha == pytest.approx(slow_alpha(matrix))
    same = sum(max(g) - min(g) <= 0.5 for g in given.values())
    assert agreed.same == same
    assert verify_ok(session)


def test_answers_far_from_the_model_are_asked_again() -> None:
    session, y = begin(80, overlap=0.3, people_per_item=2)
    ids = session.pool.ids
    for row in range(40):
        session.tell(ids[row], float(y[row]) + (9 if row == 7 else 0), annotator="ann")
    for row in range(20, 40):
        session.tell(ids[row], float(y[row]), annotator="bob")
    session.refresh()
    doubted = session.look(lambda s: [row for row, _ in s.ranking.again])
    assert doubted[0] == 7


def test_a_ruling_stands_and_undo_takes_back() -> None:
    session, _ = begin(30)
    item = session.pool.ids[0]
    session.tell(item, 3, annotator="ann")
    session.tell(item, "4.50", annotator="bob")
    session.adjudicate(item, 4, annotator="cid")
    assert session.answers()[0].label == "4"
    number = session.tell_many(session.pool.ids[1:4], 2.5)
    assert {session.answers()[row].label for row in (1, 2, 3)} == {"2.5"}
    assert session.untell(number) == 3
    with pytest.raises(BadInput):
        session.tell(session.pool.ids[5], "many")
    assert session.counts()["labeled"] == 1
    with pytest.raises(BadInput, match="an answer here is a number"):
        session.add_class("new")


def test_people_within_the_tolerance_do_not_disagree() -> None:
    session, _ = begin(30, overlap=0.2)
    ids = session.pool.ids
    for row, (one, other) in enumerate([(3, 3.4), (3, 3.6), (3, 3.5), (3, 3)]):
        session.tell(ids[row], one, annotator="ann")
        session.tell(ids[row], other, annotator="bob")
    assert session.look(insight.disputed) == [1]
    X, y = np.ones((3, 2)), np.array([0, 1, 2])
    task, names = Number("0.5"), ["3", "3.4", "3.6"]
    found = insight.contradictions(X, y, differ=lambda a, b: task.wrong(a, b, names))
    assert [pair[:2] for pair in found] == [(0, 2)]


# ── how far off ─────────────────────────────────────────────────────────────────────────────


def test_errors_on_the_last_checks_are_those_of_the_slow_way() -> None:
    rng = np.random.default_rng(3)
    answers = rng.normal(size=80).round(2)
    guesses = (answers + rng.normal(size=80)).round(2)
    task = Number("0.5", unit="kg")
    found = task.errors([str(v) for v in guesses], [str(v) for v in answers], 0.9)
    off = [abs(a - b) for a, b in zip(guesses.tolist(), answers.tolist(), strict=True)][-audit.RECENT :]
    assert found.checks == len(off) == audit.RECENT
    assert found.mean_absolute == pytest.approx(sum(off) / len(off))
    assert found.root_mean_square == pytest.approx(math.sqrt(sum(x * x for x in off) / len(off)))
    again = np.random.default_rng(9)
    means = [np.mean(again.choice(off, len(off))) for _ in range(4000)]
    assert found.mean_absolute_range == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])), abs=0.03)
    squares = [math.sqrt(np.mean(again.choice(off, len(off)) ** 2)) for _ in range(4000)]
    assert found.root_mean_square_range == pytest.approx(tuple(np.quantile(squares, [0.05, 0.95])), abs=0.04)
    assert " kg (" in found.sentence
    assert "not proved" in found.sentence
    assert task.errors(["1"] * 7, ["1"] * 7, 0.9) is None


def test_only_blind_answers_count_for_the_errors() -> None:
    session, y = begin(200, audit_share=0.5)
    assert session.errors() is None
    answer(session, y, 12)
    found = session.errors()
    draws, wrong = session.look(lambda s: s.draw_outcomes())
    blind = [d for d, w in zip(draws, wrong, strict=True) if w is not None]
    off = session.look(lambda s: [abs(float(s.classes[int(s.then(d)[d.row])]) - y[d.row]) for d in blind])
    assert found.checks == min(len(blind), audit.RECENT)
    assert found.mean_absolute == pytest.approx(np.mean(off[-audit.RECENT :]))
    assert Session(["a", "b c"] * 4, classes=["x", "y"]).errors() is None


# ── reports, files, models ──────────────────────────────────────────────────────────────────


def test_a_report_says_what_makes_sense_of_numbers(tmp_path: Path) -> None:
    session, y = begin(200, audit_share=0.5, task="number:tolerance=0.5,unit=kg")
    answer(session, y, 10)
    found = session.report()
    text = report.to_text(found, width=400)
    assert "right within ±0.5 kg on the remaining" in text
    assert "root mean square error" in text
    assert "\nLabels\n" not in text
    assert "class  people" not in text
    page = report.to_html(found)
    assert "Labels by class" not in page
    assert "root mean square error" in page
    body = json.loads(report.to_json(found))
    assert body["errors"]["checks"] == found.errors.checks
    assert body["errors"]["unit"] == "kg"
    assert body["classes"] == []
    assert body["counts"] == {}
    assert report.to_json(found).count("NaN") == 0


def test_an_export_can_be_labeled_again(tmp_path: Path) -> None:
    file = tmp_path / "rooms.csv"
    file.write_text("text\n" + "".join(f"a room of {i} square metres\n" for i in range(1, 41)))
    session = Session(file, task="number:tolerance=2.5", encoder="tfidf")
    told = {}
    for query in session.ask(10):
        told[query.text] = str(int(query.text.split()[3]) + 0.5)
        session.tell(query, told[query.text])
    out = tmp_path / "out.csv"
    session.export(out)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert {r["text"]: r["label"] for r in rows if r["label"]} == told
    again = Session(load_pool(out, text="text", label="label"), task="number:tolerance=2.5", encoder="tfidf")
    assert again.counts()["given"] == 10
    assert {again.pool.contents[row]: a.label for row, a in again.answers().items()} == told


def test_a_model_predicts_numbers_is_saved_and_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rooms.csv"
    file.write_text("text\n" + "".join(f"a room of {i} square metres\n" for i in range(1, 81)))
    session = Session(file, task="number:tolerance=2,unit=m²", encoder="tfidf", audit_share=0.3)
    for _ in range(6):
        for query in session.ask(5):
            session.tell(query, int(query.text.split()[3]))
        session.refresh()
    made = session.model()
    texts = list(session.pool.contents[:6])
    guesses = made.predict(texts)
    assert guesses.dtype == np.float64
    assert guesses.tolist() == [float(one) for one in session.predictions()[0][:6]]
    names, sure = made.judged(texts)
    assert [float(one) for one in names] == guesses.tolist()
    assert ((sure >= 0) & (sure <= 1)).all()
    path = tmp_path / "m.skops"
    made.save(path)
    read = model.load(path)
    assert read.predict(texts).tolist() == guesses.tolist()
    assert read.task == "number:tolerance=2,unit=m²"
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", str(path), str(file), "--out", str(tmp_path / "p.csv")])
    assert ended.value.code in (0, None), capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert [float(r["label"]) for r in rows[:6]] == [float(one) for one in made.predict([r["text"] for r in rows[:6]])]


def test_a_monitor_knows_the_tolerance_after_it_is_read_back(tmp_path: Path) -> None:
    session, y = begin(400, audit_share=0.3, max_error=0.1)
    answer(session, y, 12)
    assert session.autolabel(oracle=lambda queries: [float(y[q.row]) for q in queries]).status == "certified"
    made = session.model()
    X, _ = measured(300, seed=5)
    watch = Monitor(made, None, max_error=0.1, check_share=0.3, seed=1)
    watch.take(X)
    guesses = made.predict(X)
    checks = watch.waiting()
    assert len(checks) > 10
    for at, number in enumerate(checks):  # near enough to be right, but for the first two
        watch.tell(number, float(np.round(guesses[number] + (0.6 if at < 2 else 0.4), 3)))
    before = watch.status()
    assert before.wrong == 2
    assert Monitor.from_json(watch.to_json(), made).status() == before


def test_a_learner_of_somebody_else_is_saved_too(tmp_path: Path) -> None:
    from sklearn.linear_model import BayesianRidge

    session, y = begin(60, learner=BayesianRidge())
    answer(session, y, 4)
    made, X = session.model(), measured(60)[0]
    made.save(tmp_path / "m.skops")
    read = model.load(tmp_path / "m.skops")
    assert read.predict(X).tolist() == made.predict(X).tolist()
    assert np.array_equal(read.judged(X)[1], made.judged(X)[1])


def test_a_learner_that_predicts_no_number_is_named() -> None:
    class Odd:
        def fit(self, X: Any, y: Any) -> Odd:
            return self

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            return {}

        def predict(self, X: Any) -> np.ndarray:
            return np.full(len(X), np.nan)

        def predict_std(self, X: Any) -> np.ndarray:
            return np.ones(len(X))

    session, y = begin(40, learner=Odd())
    with pytest.raises(ContractError, match="no number"):
        answer(session, y, 2)


@pytest.mark.parametrize(
    "task",
    [None, 3, [], "number", {}, {"name": 3}, {"name": "number"}, {"name": "nothing"}, {"name": "number", "options": []},
     {"name": "number", "options": {"tolerance": None}}, {"name": "number", "options": {"tolerance": {}}},
     {"name": "number", "options": {"tolerance": "0"}}, {"name": "number", "options": {"tolerance": "1", "x": 1}},
     {"name": "number", "options": {"tolerance": "1", "unit": 3}}, {"name": "one", "options": {"a": 1}},
     {"name": "number", "options": {"tolerance": "1", "low": "4", "high": "3"}}, {"name": "number", "more": 1}],
    ids=str,
)  # fmt: skip
def test_a_log_with_another_task_ends_in_a_sentence(task: Any) -> None:
    store = MemoryStore()
    session, _ = begin(20, store=store)
    session.tell(session.ask(1)[0], 3)
    events = list(store.read())
    events[0] = Event("opened", {**events[0].data, "task": task}, events[0].at, events[0].seq)
    with pytest.raises((BadStore, BadInput)) as said:  # noqa: PT012
        state = State()
        for event in events:
            state.apply(event)
    assert len(str(said.value)) < 400


@pytest.mark.parametrize(
    "task",
    [3, {"name": "nothing"}, {"name": "number", "options": {"tolerance": "0"}},
     {"name": "number", "options": {"tolerance": "1", "low": "50"}}],
    ids=str,
)  # fmt: skip
def test_a_file_with_another_task_is_refused_at_every_door(task: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.askwise"
    session = Session(rooms(tmp_path / "r.csv"), task="number:tolerance=1", encoder="tfidf", store=path)
    for query in session.ask(3):
        session.tell(query, 12)
    session.close()
    events = list(read_log(path))
    changed = [Event(e.kind, {**e.data, "task": task} if at == 0 else e.data, e.at) for at, e in enumerate(events)]
    made = tmp_path / "b.askwise"
    store = SQLiteStore(made)
    store.append(changed, after=0)
    store.close()
    for verb, code in (("verify", 1), ("report", 2), ("export", 2)):
        got, said = run(verb, str(made), *([str(tmp_path / "o.csv")] if verb == "export" else []))
        assert got == code, said
        assert "Traceback" not in said
        assert "object is not" not in said


@pytest.mark.parametrize("label", ["3.0", "three", "", "1e3", "-0", "nan", "0.50", "99999999999999999999"])
def test_a_number_that_no_door_wrote_is_found(label: str) -> None:
    store = MemoryStore()
    session, y = begin(40, store=store)
    answer(session, y, 2)
    events = [Event(e.kind, e.data, e.at) for e in store.read()]
    place = next(at for at, e in enumerate(events) if e.kind == "told")
    events[place] = Event("told", {**events[place].data, "label": label}, events[place].at)
    sealed = [event for event, _ in seal(events, 0, "")]
    try:
        found = verify(sealed).ok
    except BadStore:
        found = False
    assert not found


# ── at the doors ────────────────────────────────────────────────────────────────────────────


TOKEN = "t" * 32


def run(*args: str, typed: str = "") -> tuple[int, str]:
    import sys

    said, old = io.StringIO(), (sys.stdout, sys.stderr, sys.stdin)
    sys.stdout = sys.stderr = said
    sys.stdin = io.StringIO(typed)
    try:
        cli.main(list(args))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None), said.getvalue()
    finally:
        sys.stdout, sys.stderr, sys.stdin = old
    return 0, said.getvalue()


def rooms(path: Path, n: int = 30) -> Path:
    path.write_text("text\n" + "".join(f"a room of {i} square metres\n" for i in range(1, n + 1)))
    return path


def test_the_command_line_labels_reports_verifies_and_exports(tmp_path: Path) -> None:
    file, session = rooms(tmp_path / "rooms.csv"), tmp_path / "r.askwise"
    where = ("--session", str(session))
    code, said = run(
        "label", str(file), "--task", "number:tolerance=0.5", "--encoder", "tfidf", "--terminal", *where,
        typed="3,5\n-2\n17..\x1b12\nq",
    )  # fmt: skip
    assert code == 0, said
    assert "is no number" in said
    labels = {a.label for a in Session.open(session).answers().values()}
    assert labels == {"3.5", "-2", "12"}
    assert run("verify", str(session))[0] == 0
    code, said = run("report", str(session))
    assert code == 0
    assert "People labeled 3 of 30 items" in said
    code, said = run("label", str(file), "--task", "number:tolerance=1", "--terminal", *where, typed="q")
    assert code == 2
    assert "number:tolerance=0.5" in said
    code, said = run("label", str(file), "--task", "number", "--terminal", "--session", str(tmp_path / "x.askwise"))
    assert code == 2
    assert "say how far off a right guess may be" in said
    out = tmp_path / "out.jsonl"
    assert run("export", str(session), str(out))[0] == 0
    assert sum(bool(json.loads(line)["label"]) for line in out.read_text().splitlines()) == 3


class Keys:
    """Keys one after the other; `p` waits for a question with a guess."""

    def __init__(self, text: str) -> None:
        self.left = list(text)

    def __call__(self) -> str:
        return self.left.pop(0) if self.left else ""


def test_the_terminal_takes_digits_and_the_guess_and_shows_the_scale() -> None:
    session, y = begin(60, task="number:tolerance=0.5,low=0,high=10,step=0.01,unit=kg", audit_share=0.0)
    answer_inside = np.clip(y, 0, 10).round(2)
    for query in session.ask(12):
        session.tell(query, float(answer_inside[query.row]))
    session.refresh()
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    before = session.counts()["labeled"]
    given = label_in_terminal(session, console=console, keys=Keys("\r99\r\x7f\x7f7.555\r\x7f\rp\x7fpq"))
    said = console.file.getvalue()
    assert given == 2
    assert session.counts()["labeled"] == before + 2
    assert "Nothing is typed yet" in said
    assert "99 lies outside the numbers there are: 0 to 10" in said
    assert "7.555 is not on the scale" in said
    assert "7.55 kg" in said
    assert "0 ├" in said
    assert "in steps of 0.01" in said
    assert "right is what lies within ±0.5 kg" in said
    assert "Traceback" not in said


def test_the_page_is_told_numbers(tmp_path: Path) -> None:
    session, y = begin(120, audit_share=0.4, task="number:tolerance=0.5,unit=kg")
    answer(session, y, 8)
    client = TestClient(
        create_app(session, token=TOKEN), headers={"x-askwise-token": TOKEN}, base_url="http://127.0.0.1"
    )
    pulse = client.get("/api/v1/pulse").json()
    assert pulse["task"]["widget"] == "number"
    assert pulse["task"]["options"] == {"tolerance": "0.5", "unit": "kg"}
    board = client.get("/api/v1/dashboard").json()
    assert board["balance"] == []
    assert board["confusion"] is None
    assert board["metrics"] is None
    assert board["named"] is False
    assert "root mean square" in board["errors"]["sentence"]
    assert client.get("/api/v1/review/suspects").json()["looked"] is False
    for page in ("review/suspects", "review/duplicates", "review/disagreements", "review/deferred", "coverage", "map"):
        assert client.get(f"/api/v1/{page}").status_code == 200, page


def test_an_answer_that_is_no_number_is_refused_over_http() -> None:
    session, _ = begin(30)
    client = TestClient(
        create_app(session, token=TOKEN), headers={"x-askwise-token": TOKEN}, base_url="http://127.0.0.1"
    )
    query: Query = session.ask(1)[0]
    act = {"item": query.item, "tab": "t", "key": "1"}
    refused = client.post("/api/v1/tell", json=act | {"label": "many"})
    assert refused.status_code in (400, 422)
    assert "is no number" in refused.text
    bare = client.post("/api/v1/tell", json=act | {"key": "2"})
    assert bare.status_code == 400
    assert "Send a number as `label`" in bare.text
    taken = client.post("/api/v1/tell", json=act | {"key": "3", "label": "3.0"})
    assert taken.status_code == 200, taken.text
    assert session.answers()[query.row].label == "3"


def test_a_memory_store_holds_the_task_with_its_options() -> None:
    store = MemoryStore()
    begin(20, store=store)
    assert store.read()[0].data["task"] == {"name": "number", "options": {"tolerance": "0.5"}}
