"""Targets of a certificate: one list everywhere, plans back as frozen, a witness that finds a wrong aim, sentences."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import Session, aims, audit, completion, core, screening, verify
from askwise.core import PROMISES, TARGETS, Certificate, promises
from askwise.state.records import Attempt
from askwise.store import MemoryStore
from askwise.verification.witnesses import WITNESSES

pytestmark = pytest.mark.usefixtures("linear")


def test_every_list_of_targets_is_the_same():
    assert list(PROMISES) == list(aims.AIMS) == list(WITNESSES) == list(get_args(core.Promised))
    assert TARGETS == tuple(aims.SHARES) == get_args(core.Target) == completion.TARGETS
    for registry in (PROMISES, aims.AIMS):
        assert [one.name for one in registry.values()] == list(registry)


# ── plans ───────────────────────────────────────────────────────────────────────────────────


def frozen(target, plan, max_error, allowed=0, found=0):
    return Attempt(
        number=1, alpha=plan.alpha, max_error=max_error, confidence=0.95, target=target, round=1,
        order=np.arange(plan.n), position={}, seq=1, needed=plan.needed, risk=plan.risk, expected_error=0.0,
        confidences=np.ones(plan.n), group=1, allowed=allowed, found=found, items=plan.n,
    )  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@given(n=st.integers(40, 400), max_error=st.sampled_from([0.02, 0.05, 0.1]), left=st.integers(0, 30))
def test_a_plan_comes_back_from_the_log_as_it_was_made(target, n, max_error, left):
    aim = aims.SHARES[target]
    allowed = aim.errors(left)
    plan = aim.plan(n, max_error, 0.03, allowed)
    attempt = frozen(target, plan, max_error, allowed or 0)
    assert aims.of(attempt).kept(attempt) == plan
    attempt.checks = plan.first
    # What may be wrong, said once more and slowly.
    slow = {"auto": int(max_error * (n - plan.first) + 1e-9), "dataset": int(max_error * n + 1e-9),
            "file": min(left, n // 2)}  # fmt: skip
    assert aim.allowed(attempt) == slow[target]


@given(n=st.integers(20, 300), found=st.integers(1, 40))
def test_the_plan_of_a_search_comes_back_as_it_was_made(n, found):
    plan = audit.recall_plan(n, found, 0.9, 0.03)
    attempt = frozen("recall", plan, 0.1, found=found)
    aim = aims.of(attempt)
    assert aim.kept(attempt) == plan
    assert aim.allowed(attempt) is None
    assert aim.void(attempt, found) == ""
    assert "would not have been given" in aim.void(attempt, found - 1)


# ── the witness ─────────────────────────────────────────────────────────────────────────────


def session_and_truth(store, **options):
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 1200)
    X = rng.normal(size=(1200, 5)).astype(np.float32)
    X[:, 0] += 4.2 * truth  # a few are on the wrong side
    session = Session(X, classes=["a", "b"], max_error=0.05, audit_share=0.2, store=store, **options)
    for _ in range(6):
        for query in session.ask(20):
            session.tell(query, "ab"[truth[query.row]])
        session.refresh()
    return session, truth


def answers(truth, queries):
    return ["ab"[truth[query.row]] for query in queries]


def failed(store):
    """Check → what is said of its failures."""
    found = [finding for finding in verify(store).findings if finding.ok is False]
    return {f.check: " ".join(other.sentence for other in found if other.check == f.check) for f in found}


def a_looser_plan(self, n, max_error, alpha, allowed):
    more = audit.audit_plan(n, 3 * max_error, alpha, self.counts)
    return replace(more, max_error=max_error)


def a_plan_kept_looser(self, attempt):
    needed = tuple(max(1, m // 2) for m in attempt.needed)
    return audit.Plan(len(attempt.order), attempt.max_error, attempt.alpha, self.counts, needed, attempt.risk)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("method", "wrong", "check"),
    [("plan", a_looser_plan, "plans"), ("kept", a_plan_kept_looser, "decisions")],
    ids=["looser plan", "judged by a looser plan"],
)
def test_a_wrong_aim_is_found_by_the_witness(target, method, wrong, check, monkeypatch):
    session, truth = session_and_truth(store := MemoryStore(), target=target)
    monkeypatch.setattr(type(aims.SHARES[target]), method, wrong)
    assert session.autolabel(oracle=partial(answers, truth)).status == "certified"
    assert check in failed(store)


@pytest.mark.parametrize("target", TARGETS)
def test_an_honest_aim_is_not_found(target):
    session, truth = session_and_truth(store := MemoryStore(), target=target)
    assert session.autolabel(oracle=partial(answers, truth)).status == "certified"
    assert failed(store) == {}


def test_a_file_that_allows_more_than_is_left_is_found_by_the_witness(monkeypatch):
    session, truth = session_and_truth(store := MemoryStore(), target="file")
    monkeypatch.setattr(aims.OfFile, "errors", lambda self, left: left + 20)
    assert session.autolabel(oracle=partial(answers, truth)).status == "certified"
    assert "allows 80 errors; for the whole file it may allow 60" in failed(store)["plans"]


def test_a_file_beside_weaker_labels_is_found_by_the_witness(monkeypatch):
    session, truth = session_and_truth(store := MemoryStore())
    # Labels of one class only, so that there is something left.
    first = session.autolabel(max_error={"a": 0.05}, confidence=0.8, oracle=partial(answers, truth))
    assert first.status == "certified"
    monkeypatch.setattr(aims.OfFile, "refusal", lambda *_: "")
    assert session.autolabel(target="file", max_error=0.2, confidence=0.95).status == "checking"
    assert "an earlier certificate has less confidence" in failed(store)["plans"]


def test_a_search_with_a_looser_plan_is_found_by_the_witness(monkeypatch):
    rng = np.random.default_rng(3)
    y = rng.random(400) < 0.1
    X = np.column_stack([6 * y + rng.normal(size=400), rng.normal(size=400)]).astype(np.float32)
    session = Session(X, classes=["a", "b"], recall=0.8, relevant="b", store=(store := MemoryStore()))
    for _ in range(8):
        for query in session.ask(10):
            session.tell(query, "ab"[int(y[query.row])])
        session.refresh()
    honest = screening._plan
    monkeypatch.setattr(
        screening, "_plan", lambda *given: replace(honest(*given), needed=tuple(m // 3 for m in honest(*given).needed))
    )
    assert session.autolabel(oracle=partial(answers, y.astype(int))).status == "certified"
    assert "the plan risks" in failed(store)["plans"]


# ── sentences ───────────────────────────────────────────────────────────────────────────────


def certificate(target, **other):
    return Certificate(
        max_error=0.02, confidence=0.95, attempt=1, alpha=0.03, region=900, audits=150, wrong=1, certified=750,
        target=target, **other,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (
            certificate("auto"),
            "750 items are labeled by the model; with 95% confidence at most 2.0% of them are wrong (150 blind checks, "
            "1 wrong).",
        ),
        (
            certificate("dataset", label="spam", fingerprint="ab" * 32),
            "750 items are labeled 'spam' by the model; with 95% confidence the wrong ones are at most 2.0% of the "
            "whole region of 900 items (150 blind checks, 1 wrong; fingerprint abababababababab).",
        ),
        (
            certificate("file", whole=2000, later=30),
            "750 items are labeled by the model; with 95% confidence the model's wrong labels are at most 2.0% of all "
            "2,000 items there were then (150 blind checks, 1 wrong). Of the 30 items added since it says nothing.",
        ),
        (
            certificate("recall", found=40, withdrawn=2),
            "41 relevant items are found; with 95% confidence these are at least 98% of all (150 checks in random "
            "order, 1 of them relevant). 750 unread items are left as irrelevant. 2 of the 900 items that it speaks "
            "of were withdrawn since.",
        ),
    ],
    ids=lambda value: value.target if isinstance(value, Certificate) else "",
)
def test_the_sentence_of_each_target(made, sentence):
    assert made.sentence == sentence


def test_certificates_of_several_targets_say_no_more_than_all_of_them_prove():
    labels, region, file = certificate("auto"), certificate("dataset"), certificate("file", whole=2000)
    assert core.together([labels, replace(labels, max_error=0.05)]) == "at most 5.0% of those are wrong"
    assert core.together([labels, region]) == (
        "the wrong ones are at most 2.0% of the 1,800 items that were frozen for it"
    )
    assert core.together([labels, file]) == "the wrong ones are at most 2.0% of all 2,000 items"
    assert core.together([file, labels]) == "each batch of labels keeps to what its certificate says"


def test_a_target_that_says_nothing_of_itself_promises_nothing_more(monkeypatch):
    class New(promises.Promise):
        name = "new"

        def sentence(self, c):
            return "New."

        def note(self, c):
            return "Newly."

    monkeypatch.setitem(PROMISES, "new", New())
    new = certificate("new")
    assert new.sentence == "New."
    assert core.together([certificate("auto"), new]) == "each batch of labels keeps to what its certificate says"
    assert New.unpictured
    assert not New.asked
