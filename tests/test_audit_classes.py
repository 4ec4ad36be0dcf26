"""Bounds on the metrics of each class, against slow references, a proof by cases and whole runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from askwise import Session, audit
from askwise.audit import classes as room
from askwise.core import BadInput

pytestmark = pytest.mark.usefixtures("linear")


def slow_evidence(bets, z, rates):
    """The mixture martingale, term by term."""
    total, i, start = 0.0, 0, 0
    while start < len(z):
        for bet in bets:
            value = 1.0
            for outcome, rate in zip(z[start:], rates[start:], strict=True):
                value *= (bet if outcome else 1.0) / (1 + (bet - 1) * rate)
            total += value / len(bets) / ((i + 1) * (i + 2))
        i += 1
        start = 10 * 2 ** (i - 1)
    return total + 1 / (i + 1)


@st.composite
def histories(draw, max_checks=14):
    """A small pool with a current model, and checks drawn from earlier states of it; everything arbitrary."""
    n = draw(st.integers(2, 12))
    classes = draw(st.integers(2, 4))
    codes = st.lists(st.integers(0, classes - 1), min_size=n, max_size=n).map(np.array)
    flags = st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
    right = hidden = draw(codes)
    if draw(st.booleans()):  # some items no human can decide
        hidden = np.where(draw(flags), hidden, audit.UNSURE)
    rest = draw(flags)
    by_model = draw(flags) & ~rest if draw(st.booleans()) else np.zeros(n, bool)
    truth = np.where(rest | by_model, audit.UNKNOWN, hidden)
    current = np.where(draw(flags), right, draw(codes))
    checks = []
    for _ in range(draw(st.integers(1, max_checks))):
        members = draw(flags)
        row = draw(st.integers(0, n - 1))
        members[row] = True
        other = draw(st.sampled_from([right, current, draw(codes)]))
        checks.append((members, np.where(draw(flags), other, draw(codes)), row, draw(st.booleans())))
    return hidden, truth, rest, current, checks, classes


def moved(history):
    _, truth, rest, current, checks, classes = history
    return [audit.moves(members, predicted, truth, current, rest, classes) for members, predicted, _, _ in checks]


@given(histories())
def test_moves_count_item_by_item(history):
    hidden, truth, rest, current, checks, classes = history
    for (members, predicted, _, _), found in zip(checks, moved(history), strict=True):
        stayed, left = np.zeros((classes, classes), int), np.zeros((classes, classes + 1), int)
        outside, unknown = np.zeros(classes, int), np.zeros(classes, int)
        for x in range(len(hidden)):
            if members[x] and rest[x]:
                stayed[predicted[x], current[x]] += 1
            elif rest[x]:
                outside[current[x]] += 1
            elif members[x] and truth[x] == audit.UNKNOWN:
                unknown[predicted[x]] += 1
            elif members[x]:
                left[predicted[x], truth[x] if truth[x] >= 0 else classes] += 1
        assert found.size == members.sum()
        for name, expected in (("stayed", stayed), ("left", left), ("outside", outside), ("unknown", unknown)):
            assert np.array_equal(getattr(found, name), expected), name


def traits(guess, hidden, c):
    """(guessed c but is not, is c but guessed otherwise), for arrays."""
    return (guess == c) & (hidden != c), (guess != c) & (hidden == c)


@settings(max_examples=120)
@given(histories(max_checks=40), st.sampled_from([0.1, 0.6]))
def test_a_count_is_missed_only_if_a_true_martingale_has_crossed_its_limit(history, alpha):
    """On arbitrary pools, models and histories: the counting of `count_on_rest` never understates what may be."""
    hidden, _, rest, current, checks, classes = history
    guesses = [int(predicted[row]) for _, predicted, row, _ in checks]
    truths = [(int(hidden[row]) if answered else None) for _, _, row, answered in checks]
    for c in range(classes):
        guessed = int(np.sum(current[rest] == c))
        found = room._counts_of(c, guesses, truths, moved(history), guessed, int(rest.sum()), alpha)
        for which, (least, most) in enumerate(found):
            actual = int(traits(current, hidden, c)[which][rest].sum())
            rates, sure, possible = [], [], []
            for members, predicted, row, answered in checks:
                rates.append(float(traits(predicted, hidden, c)[which][members].mean()))
                now = bool(traits(predicted, hidden, c)[which][row])
                could = (predicted[row] == c) == (which == 0)  # while unanswered
                sure.append(answered and now)
                possible.append(now if answered else could)
            assert 0 <= least <= most <= (guessed if which == 0 else rest.sum() - guessed)
            below = slow_evidence(audit.BETS, possible, rates) < 1 / (0.8 * alpha)
            above = slow_evidence(1 / audit.BETS, sure, rates) < 1 / (0.2 * alpha)
            if below and above:
                assert least <= actual <= most


def still(guess, hidden, m, n=None, *, rng, confidence=0.95, labels=None):
    """Metrics of a static model, from m checks with replacement of a pool that does not shrink."""
    rows = rng.integers(0, len(guess), m)
    classes = len(labels)
    everything, unknown = np.ones(len(guess), bool), np.full(len(guess), audit.UNKNOWN)
    same = audit.moves(everything, guess, unknown, guess, everything, classes)
    return audit.metrics_on_rest(
        guess[rows].tolist(), hidden[rows].tolist(), [same] * m, guess, everything, labels, confidence=confidence
    )


def test_bounds_are_the_inversion_of_the_evidence():
    rng = np.random.default_rng(0)
    n, m = 400, 90
    hidden = rng.integers(0, 2, n)
    guess = np.where(rng.random(n) < 0.1, 1 - hidden, hidden)
    rows = rng.integers(0, n, m)
    everything = np.ones(n, bool)
    same = audit.moves(everything, guess, np.full(n, audit.UNKNOWN), guess, everything, 2)
    found = audit.metrics_on_rest(
        guess[rows].tolist(), hidden[rows].tolist(), [same] * m, guess, everything, ["no", "yes"]
    )
    yes = found.classes[1]
    z = (guess[rows] == 1) & (hidden[rows] == 0)
    P = int((guess == 1).sum())
    most = max(k for k in range(P + 1) if slow_evidence(audit.BETS, z, [k / n] * m) < 1 / (0.8 * 0.025))
    least = min(k for k in range(P + 1) if slow_evidence(1 / audit.BETS, z, [k / n] * m) < 1 / (0.2 * 0.025))
    assert yes.precision.low == pytest.approx(1 - most / P)
    assert yes.precision.high == pytest.approx(1 - least / P)
    assert yes.guessed == P


def test_more_checks_prove_more_and_the_estimates_are_near():
    rng = np.random.default_rng(1)
    hidden = rng.choice(3, 3000, p=[0.6, 0.3, 0.1])
    guess = np.where(rng.random(3000) < 0.05, rng.integers(0, 3, 3000), hidden)
    few, many = (still(guess, hidden, m, rng=np.random.default_rng(2), labels="abc") for m in (60, 900))
    assert many.balanced_accuracy.low > few.balanced_accuracy.low
    assert many.balanced_accuracy.low > 0.5
    true = recall_score(hidden, guess, average=None)
    for c, expected in zip(many.classes, true, strict=True):
        assert c.recall.low <= expected <= c.recall.high
        assert c.recall.estimate == pytest.approx(expected, abs=0.12)
        assert c.precision.low <= c.precision.estimate <= c.precision.high


def labeling_run(rng, *, n, classes, labels, confidence):
    """Label a pool whose model changes all the time; which statements were ever false."""
    hidden = rng.choice(classes, n, p=np.r_[0.6, np.full(classes - 1, 0.4 / (classes - 1))])
    current = np.where(rng.random(n) < 0.3, rng.integers(0, classes, n), hidden)
    truth = np.full(n, audit.UNKNOWN)
    drawn, missed = [], set()
    for step in range(labels):
        free = truth == audit.UNKNOWN
        if step % 2:
            x = int(rng.choice(np.flatnonzero(free)))
            drawn.append((free, current, x))
        else:
            hard = np.flatnonzero(free & (current != hidden))
            x = int(rng.choice(hard if len(hard) else np.flatnonzero(free)))
        truth[x] = hidden[x]
        if step % 5 == 0:
            current = current.copy()
            better, worse = rng.random(n) < 0.05, rng.random(n) < 0.01
            current[better] = hidden[better]
            current[worse] = rng.integers(0, classes, int(worse.sum()))
        if step % 30 == 29:
            rest = truth == audit.UNKNOWN
            found = audit.metrics_on_rest(
                [int(p[x]) for _, p, x in drawn],
                [int(truth[x]) for _, _, x in drawn],
                [audit.moves(f, p, truth, current, rest, classes) for f, p, _ in drawn],
                current, rest, [str(c) for c in range(classes)], confidence=confidence,
            )  # fmt: skip
            y, guess = hidden[rest], current[rest]
            for c, said in enumerate(found.classes):
                for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
                    if name == "precision" and not np.any(guess == c):
                        continue  # not defined
                    if name == "recall" and not np.any(y == c):
                        continue
                    actual = score(y == c, guess == c, zero_division=1)
                    bound = getattr(said, name)
                    if not bound.low - 1e-9 <= actual <= bound.high + 1e-9:
                        missed.add(c)
            balanced = found.balanced_accuracy
            actual = np.mean([np.mean(guess[y == c] == c) for c in np.unique(y)])
            if not balanced.low - 1e-9 <= actual <= balanced.high + 1e-9:
                missed.add("balanced")
    return missed


@pytest.mark.parametrize("classes", [2, 4])
def test_bounds_hold_at_every_look_of_a_changing_run(classes):
    rng = np.random.default_rng(classes)
    runs = 40
    misses = [labeling_run(rng, n=240, classes=classes, labels=120, confidence=0.6) for _ in range(runs)]
    for statement in [*range(classes), "balanced"]:
        assert sum(statement in m for m in misses) <= binom.ppf(0.9999, runs, 0.4)


def test_the_bounds_are_not_trivially_wide():
    """A static model looked at often with little confidence does get missed now and then."""
    rng = np.random.default_rng(5)
    hidden = np.r_[np.zeros(700, int), np.ones(300, int)]
    guess = np.where(rng.random(1000) < 0.1, 1 - hidden, hidden)
    true = recall_score(hidden, guess)
    runs = [still(guess, hidden, 150, rng=rng, confidence=0.1, labels="ab") for _ in range(150)]
    missed = sum(not r.classes[1].recall.low <= true <= r.classes[1].recall.high for r in runs)
    assert missed > 0


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 4))
def test_auroc_bounds_hold_for_any_ranking_with_these_guesses(seed, n, levels):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, n)]
    score = rng.integers(-levels, levels + 1, len(y)) + 0.5
    guess = score > 0
    low = recall_score(y, guess) * recall_score(y, guess, pos_label=0)
    high = 1 - (1 - recall_score(y, guess)) * (1 - recall_score(y, guess, pos_label=0))
    assert low - 1e-9 <= roc_auc_score(y, score) <= high + 1e-9


def test_balanced_accuracy_is_over_the_classes_that_occur():
    y, guess = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = balanced_accuracy_score(y, guess)
    assert expected == np.mean([0.5, 0.5])
    assert room._highest_mean([0.5, 0.5], [1.0]) == pytest.approx(2 / 3)  # the third class may occur
    assert room._highest_mean([0.9], [0.2]) == 0.9
    assert room._highest_mean([], []) == 1.0


def test_few_checks_claim_nothing():
    guess = np.array([0, 1] * 50)
    found = still(guess, guess, 7, rng=np.random.default_rng(0), labels="ab")
    assert found.balanced_accuracy.low == 0
    assert found.balanced_accuracy.high == 1
    assert (found.classes[0].recall.low, found.classes[0].recall.high) == (0, 1)


def test_what_cannot_be_is_refused():
    guess = np.zeros(4, int)
    with pytest.raises(BadInput, match="between 0 and 1"):
        still(guess, guess, 3, rng=np.random.default_rng(0), labels="ab", confidence=1.0)
    with pytest.raises(BadInput, match="got 1, 0, 0"):
        audit.metrics_on_rest([0], [], [], guess, guess == 0, "ab")
    empty = np.zeros(0)
    with pytest.raises(BadInput, match="Chances"):
        audit.count_on_rest([], empty, empty, empty, empty, empty, 3, alpha_high=0.0, alpha_low=0.1)


def test_a_session_says_them_of_its_rest():
    rng = np.random.default_rng(3)
    hidden = rng.choice(["cat", "dog"], 400, p=[0.8, 0.2])
    X = rng.normal(size=(400, 4)).astype(np.float32) + 3 * (hidden == "dog")[:, None]
    session = Session(X, classes=["cat", "dog"], audit_share=0.5)
    assert session.metrics() is None
    for _ in range(12):
        for query in session.ask(10):
            if query.row == 17:
                session.unsure(query)
            else:
                session.tell(query, hidden[query.row])
        session.refresh()
    found = session.metrics()
    guesses = np.array(session.predictions()[0])
    open_rows = [r for r in range(400) if session.rows()[r]["source"] == ""]
    y, guess = hidden[open_rows], guesses[open_rows]
    assert found.rest == len(open_rows)
    assert found.audits >= 50
    for said in found.classes:
        assert said.guessed == np.sum(guess == said.label)
        assert said.recall.low <= recall_score(y == said.label, guess == said.label) <= said.recall.high
        assert said.precision.low <= precision_score(y == said.label, guess == said.label) <= said.precision.high
    assert found.balanced_accuracy.low > 0.3
    assert found.auroc.low <= found.balanced_accuracy.high
