"""Sentences do not contradict themselves, whatever the numbers, and every door counts alike."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from askwise import audit, stopping
from askwise import report as reports
from askwise.app.wire import pulse
from askwise.core import Certificate, Estimate, Query, about, chance, told_apart, unsaid
from askwise.reasons import reason_for
from askwise.session import Session
from askwise.tasks.one import One
from askwise.terminal.desk import LabelingDesk

SHARES = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-9, 1 - 1e-9, 0.004, 0.0051, 0.9949, 0.996, 0.5])
PERCENT = re.compile(r"([<>]?)(\d+(?:\.\d+)?)%")


def shares_in(sentence):
    return [(sign, float(number)) for sign, number in PERCENT.findall(sentence)]


# ── numbers in words ────────────────────────────────────────────────────────────────────────


@given(SHARES, st.integers(0, 3))
def test_a_share_is_never_rounded_to_nothing_or_to_all(value, digits):
    [(sign, number)] = shares_in(chance(value, digits))
    assert (number == 0) <= (value == 0)
    assert (number == 100) <= (value == 1)
    unit = 10.0**-digits
    if sign:
        assert value < unit / 100 if sign == "<" else value > 1 - unit / 100
    else:
        assert abs(100 * value - number) <= unit / 2 + 1e-9


@given(
    st.floats(0, 1),
    st.sampled_from([0.001, 0.01, 0.0125, 0.02, 0.05, 0.1, 0.3]) | st.floats(0.001, 0.5),
    st.integers(0, 2),
)
def test_a_share_and_its_limit_are_told_apart_where_they_differ(value, limit, digits):
    shown, bound = told_apart(value, limit, digits)
    [(sign, a)], [(_, b)] = shares_in(shown), shares_in(bound)
    if abs(value - limit) > 1e-6:
        assert (a < b or sign == "<") if value < limit else a > b


@given(st.floats(0, 1e6), st.integers(1, 10**6))
def test_an_expected_number_of_checks_is_never_below_its_own_minimum(expected, least):
    numbers = [int(n.replace(",", "")) for n in re.findall(r"[\d,]+", about(expected, least))]
    assert numbers[-1] == least
    assert numbers[0] >= least


# ── estimates ───────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(SHARES.map(lambda share: round(share, 6)), min_size=3, max_size=3).map(sorted),  # of a million items
    st.integers(1, 10**6),
)
def test_an_estimate_lies_within_what_is_proved(three, rest):
    low, accuracy, high = three
    says = Estimate(accuracy, low, high, 0.95, 40, 3, rest).sentence
    (sign, at), (_, least), (_, most) = shares_in(says)[:3]
    assert least <= at <= most
    assert (at == 100) <= (accuracy == 1)
    assert sign or abs(at - 100 * accuracy) <= 0.5 + 1e-9


@given(st.lists(st.booleans(), min_size=0, max_size=60), st.integers(1, 500))
def test_the_plain_estimate_is_moved_into_the_bounds(wrong, rest):
    sizes = [rest + len(wrong)] * len(wrong)
    nothing = [0] * len(wrong)
    found = audit.accuracy_on_rest(wrong, sizes, nothing, [len(wrong)] * len(wrong), nothing, rest)
    assert found.accuracy is None or found.low <= found.accuracy <= found.high


def test_after_a_certificate_an_unknown_estimate_speaks_of_what_is_left():
    says = Estimate(None, 0.0, 1.0, 0.95, 0, 0, 40, handed=900).sentence
    assert "40 items left to people" in says
    assert "900 labels by the model, the certificate says" in says
    assert "0%" not in says


# ── why an item was asked ───────────────────────────────────────────────────────────────────


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["margin", "entropy", "diverse_margin", "vote_entropy", "badge", "bald"]),
)
def test_a_reason_never_calls_settled_what_it_calls_least_settled(p, q, strategy):
    p, q = max(p, q), min(p, q, 1 - max(p, q))
    ask = SimpleNamespace(strategy=strategy, audit=False, round=0)
    known = {"guesses": [("delivery", p), ("billing", q)], "version": 3, "trained_on": 56, "check": None}
    says = reason_for(ask, **known, task=One())
    (_, first), (_, second) = shares_in(says)[:2]
    assert first >= second
    assert (first == 100) <= (p == 1)
    assert (second == 0) <= (q == 0)
    if "least settled" in says or "torn" in says:
        assert p - q <= 0.8
    assert "model 3, trained on 56" in says


def test_the_model_of_a_reason_is_the_one_whose_guesses_are_shown():
    texts = [f"{'good happy' if i % 2 else 'bad sad'} thing {i}" for i in range(40)]
    with Session(texts, classes=["bad", "good"], encoder="tfidf", audit_share=0.0) as session:
        first = session.ask(3)  # before any model
        for i in range(6):
            session.tell(session.pool.ids[i + 10], ["bad", "good"][i % 2])
        session.refresh()
        again = session.look(lambda s: [s.ranking.round, s.model_labels])
        query = session._query(first[0].row)
        if query.guesses and "model" in query.reason:
            assert f"model {again[0]}, trained on {again[1]}" in query.reason


# ── projections and advice ──────────────────────────────────────────────────────────────────


@given(st.integers(30, 600), st.floats(0.001, 0.4), st.sampled_from([0.005, 0.02, 0.1]), st.integers(0, 4))
def test_a_region_is_explained_by_numbers_that_fit(n, doubt, limit, mistakes):
    rng = np.random.default_rng(n)
    confidence = 1 - np.clip(rng.exponential(doubt, n), 0, 1)
    region = audit.choose_region(confidence, 20 * doubt, [(max(doubt, 1e-3), 0.0)] * mistakes, limit, 0.025)
    says = region.reason
    if "expected to be wrong" in says:
        (_, error), (_, bound) = shares_in(says)[:2]
        assert error > bound
    elif region.size:
        first = audit.audit_plan(region.size, limit, 0.025, "auto").first
        numbers = [int(x.replace(",", "")) for x in re.findall(r"(?<![\d.])\d[\d,]*(?=[ )])", says)]
        assert numbers[0] >= first
        if "finishing" in says:
            assert first <= int(re.search(r"about ([\d,]+) human", says).group(1).replace(",", "")) <= n


@given(st.floats(0, 0.2), st.sampled_from([0.01, 0.05]))
def test_doubt_below_its_threshold_reads_so(doubt, threshold):
    verdict = stopping.confident([doubt], threshold)
    (sign, a), (_, b) = shares_in(verdict.reason)
    assert (a < b or sign == "<" or doubt == 0) if verdict.ready else a >= b


# ── what a certificate leaves unsaid ────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6), st.integers(0, 80))
def test_what_could_be_hidden_of_a_class_is_the_worst_case_and_no_more(sizes, allowed):
    names = [f"c{i}" for i in range(len(sizes))]
    total = sum(sizes)
    says = unsaid(allowed, total, list(zip(names, sizes, strict=True)))
    named = {
        name: (int(most), int(n))
        for most, group in re.findall(r"at most (\d+) of the \d+ could hide ([^;.]*)", says)
        for name, n in re.findall(r"(c\d) \(labeled so: (\d+)\)", group)
    }
    for name, n in zip(names, sizes, strict=True):
        # The worst truth: of the items labeled otherwise as many are of the class as labels may be wrong.
        worst = min(allowed, sum(size for other, size in zip(names, sizes, strict=True) if other != name))
        if name in named:
            assert named[name] == (worst, n)
            assert worst >= n
        elif "more class" not in says:
            assert worst < n or worst == 0


def test_a_certificate_over_a_rare_class_says_what_it_does_not_know():
    one = Certificate(
        0.02,
        0.95,
        1,
        0.03,
        region=3300,
        audits=110,
        wrong=0,
        certified=3190,
        allowed=63,
        classes=(("ham", 3188), ("spam", 2)),
    )
    assert "at most 63 of the 3,190 could hide spam (labeled so: 2)." in one.unsaid
    assert "ham" not in one.unsaid
    assert Certificate(0.02, 0.95, 1, 0.03, 100, 50, 0, 50).unsaid == ""  # an old record does not know


def rare(n=400, k=6):
    """Messages of two classes, one of them rare, with the answers."""
    texts = [
        f"{'win cash prize now' if i < k else 'see you at the meeting'} number {i} {i * 7919 % 1000}" for i in range(n)
    ]
    return texts, ["spam" if i < k else "ham" for i in range(n)]


@pytest.fixture
def certified():
    """A session whose model took over, with labels that came with the data."""
    texts, truth = rare()
    names = [label if i in (0, 1) or 20 <= i < 60 else None for i, label in enumerate(truth)]
    with Session(texts, label=names, classes=["ham", "spam"], encoder="tfidf", seed=1) as session:
        answers = dict(zip(session.pool.ids, truth, strict=True))
        for _ in range(30):
            for query in session.ask(1):
                session.tell(query, answers[query.item])
        session.refresh()
        result = session.autolabel(max_error=0.05, oracle=lambda queries: [answers[q.item] for q in queries])
        assert result.status == "certified", result.reason
        yield session, result, answers


def test_the_bound_on_a_hidden_class_is_that_of_the_certificate(certified):
    session, result, answers = certified
    one = result.certificate
    assert sum(n for _, n in one.classes) == one.certified
    assert one.allowed == int(0.05 * one.certified)
    hidden = sum(answers[item] == "spam" for item, label in result.labels.items() if label == "ham")
    assert hidden <= one.allowed
    page = reports.to_html(session.report())
    if one.unsaid:
        assert "could hide" in page


# ── everybody counts alike ──────────────────────────────────────────────────────────────────


def test_labels_that_came_with_the_data_are_counted_alike_at_every_door(certified):
    session, _, _ = certified
    counts = session.counts()
    assert counts["given"] == 42
    assert counts["labeled"] + counts["given"] + counts["auto"] + counts["open"] == counts["items"]
    found = session.report()
    assert (found.human, found.given, found.auto, found.open) == tuple(
        counts[name] for name in ("labeled", "given", "auto", "open")
    )
    for kind, total in (("human", found.human), ("given", found.given), ("model", found.auto)):
        assert sum(count[kind] for count in found.counts.values()) == total
    assert pulse(session)["counts"] == counts
    headline = reports.headline(found)
    assert f"People labeled {found.human:,} of" in headline
    assert "42 more came labeled with the data" in headline
    rows = session.rows()
    assert sum(row["source"] == "human" for row in rows) == found.human
    assert sum(row["source"] == "given" for row in rows) == found.given
    assert sum(row["source"] == "model" for row in rows) == found.auto
    console = Console(file=io.StringIO(), width=200)
    console.print(LabelingDesk(session, console, "")._header())
    assert f"{found.human:,} of {found.items:,} labeled · 42 came labeled with the data" in console.file.getvalue()


# ── the terminal ────────────────────────────────────────────────────────────────────────────


def test_a_guess_whose_confidence_is_not_known_is_not_0_percent(tmp_path):
    texts = [f"{'good happy' if i % 2 else 'bad sad'} thing {i}" for i in range(40)]
    with Session(
        texts, classes=["bad", "good"], encoder="tfidf", audit_share=0.0, store=tmp_path / "s.askwise"
    ) as session:
        for i in range(8):
            session.tell(session.pool.ids[i], ["bad", "good"][i % 2])
        session.refresh()
    with Session.open(tmp_path / "s.askwise") as session:
        [query] = session.ask(1)
        assert query.suggestion is not None
        assert query.confidence is None
        said = LabelingDesk(session, Console(file=io.StringIO()), "")._guess(query).plain
    assert "%" not in said
    assert query.suggestion in said
    known = Query("a", 0, "text", "why", suggestion="good", confidence=0.9999)
    with Session(texts, classes=["bad", "good"], encoder="tfidf") as session:
        assert ">99%" in LabelingDesk(session, Console(file=io.StringIO()), "")._guess(known).plain
