"""The mathematics of honesty, against slow obvious references, exact enumeration and simulation."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom
from scipy.stats import t as stats_t

from askwise import audit
from askwise.audit import bounds, region
from askwise.audit import plan as plans
from askwise.core import BadInput

# ── slow references, written from the definitions and not from the code ─────────────────────


def slow_evidence(bets, z, rates):
    """The mixture martingale, term by term."""
    total, i, start = 0.0, 0, 0
    while start < len(z):
        share = 1 / ((i + 1) * (i + 2))
        for bet in bets:
            value = 1.0
            for outcome, rate in zip(z[start:], rates[start:], strict=True):
                value *= (bet if outcome else 1.0) / (1 + (bet - 1) * rate)
            total += share / len(bets) * value
        i += 1
        start = 10 * 2 ** (i - 1)
    return total + 1 / (i + 1)


def may_remain(n, m, max_error, target):
    """Errors allowed after m checks, by counting up in exact arithmetic."""
    share = Fraction(str(max_error))
    whole = n - m if target == "auto" else n
    return max(x for x in range(whole + 1) if Fraction(x) <= share * whole)


def slow_risk(plan, errors):
    """Probability of a false certificate with this many errors in the region: walk every (checks, errors) state."""
    n, states, false = plan.n, {0: 1.0}, 0.0
    for m in range(1, n + 1):
        after = {}
        for k, probability in states.items():
            p = (errors - k) / (n - m + 1)
            if p > 0:
                after[k + 1] = after.get(k + 1, 0.0) + probability * p
            if p < 1:
                after[k] = after.get(k, 0.0) + probability * (1 - p)
        certified = [k for k in after if k < len(plan.needed) and m >= plan.needed[k]]
        for k in certified:
            probability = after.pop(k)
            if errors - k > may_remain(n, m, plan.max_error, plan.target):
                false += probability
        states = after
    return false


def walk_risks(plan):
    """Like `slow_risk` for every K = 0..n at once, as an array."""
    n, states = plan.n, len(plan.needed)
    errors = np.arange(n + 1)[:, None]
    k = np.arange(states)
    reached, false = np.zeros((n + 1, states)), np.zeros(n + 1)
    reached[:, 0] = 1
    for m in range(1, plan.needed[-1] + 1):
        p = np.clip((errors - k) / (n - m + 1), 0, 1)
        hit = reached * p
        reached -= hit
        reached[:, 1:] += hit[:, :-1]
        accept = np.array([needed <= m for needed in plan.needed])
        if accept.any():
            bad = errors - k > may_remain(n, m, plan.max_error, plan.target)
            false += (reached * (accept & bad)).sum(axis=1)
        reached[:, accept] = 0
    return false


# ── the martingale ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bets", [audit.BETS, audit.SURE_BETS, 1 / audit.BETS], ids=["upper", "sure", "lower"])
def test_evidence_at_the_true_rates_has_mean_exactly_one_at_every_length(bets):
    rates = np.random.default_rng(1).choice([0.0, 0.02, 0.3, 0.7, 1.0], size=13)
    for m in (1, 5, 10, 11, 13):  # 11 and more: two windows are open
        mean = 0.0
        for z in itertools.product((0, 1), repeat=m):
            probability = math.prod(p if one else 1 - p for one, p in zip(z, rates, strict=False))
            if probability > 0:
                mean += probability * bounds._evidence(bets, np.array(z, float), rates[:m])
        assert mean == pytest.approx(1, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=45))
def test_evidence_equals_the_slow_product(pairs):
    z, rates = (np.array(column, float) for column in zip(*pairs, strict=True))
    for bets in (audit.BETS, audit.SURE_BETS, 1 / audit.BETS):
        assert bounds._evidence(bets, z, rates) == pytest.approx(slow_evidence(bets, z, rates), rel=1e-9)


@given(st.integers(1, 400), st.data())
def test_wrong_on_average_only_adds_evidence_that_the_mean_understates(m, data):
    """Jensen: the evidence at the mean rate never exceeds the martingale at the true rates, either way."""
    m = min(m, 30)
    rates = np.array(data.draw(st.lists(st.floats(0, 1), min_size=m, max_size=m)))
    z = np.array(data.draw(st.lists(st.booleans(), min_size=m, max_size=m)), float)
    for bets in (audit.BETS, 1 / audit.BETS):
        true = bounds._evidence(bets, z[:10], rates[:10])
        mean = bounds._evidence(bets, z[:10], np.full(len(rates[:10]), rates[:10].mean()))
        assert mean <= true * (1 + 1e-9)


# ── mean error rates ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("m", "k"), [(8, 0), (8, 8), (30, 2), (200, 0), (200, 9), (200, 190)])
def test_mean_error_bounds_equal_a_slow_search(m, k):
    wrong = np.zeros(m, bool)
    wrong[np.random.default_rng(m + k).permutation(m)[:k]] = True
    windows = audit.mean_error_bounds(wrong, 0.04, 0.01)
    starts = [s for s in (0, 10, 20, 40, 80, 160, 320) if m - s >= 8]
    assert [w.start for w in windows] == starts
    for i, window in enumerate(windows):
        size, hits = m - window.start, int(wrong[window.start :].sum())
        assert (window.audits, window.wrong) == (size, hits)

        def evidence(p, bets, size=size, hits=hits):
            return np.mean([math.exp(min(700, hits * math.log(b) - size * math.log(1 + (b - 1) * p))) for b in bets])

        share = 1 / ((i + 1) * (i + 2))
        above = [p for p in np.linspace(0, 1, 4001) if evidence(p, audit.BETS) >= 1 / (0.04 * share)]
        below = [p for p in np.linspace(0, 1, 4001) if evidence(p, 1 / audit.BETS) >= 1 / (0.01 * share)]
        assert window.upper == pytest.approx(min(above, default=1.0), abs=3e-4)
        assert window.lower == pytest.approx(max(below, default=0.0), abs=3e-4)
        # rounded outwards: the bound itself is already rejected, or nothing is
        assert window.upper == 1 or evidence(window.upper, audit.BETS) >= 1 / (0.04 * share)
        assert window.lower == 0 or evidence(window.lower, 1 / audit.BETS) >= 1 / (0.01 * share) * (1 - 1e-9)
        assert window.lower <= hits / size <= window.upper


def test_too_few_checks_say_nothing():
    assert audit.mean_error_bounds([False] * 7) == []
    assert len(audit.mean_error_bounds([False] * 8)) == 1


def test_mean_error_bounds_hold_at_every_look_under_an_adversary():
    """Rates react to the outcomes so far; the running mean must stay inside in all but alpha of the runs."""
    rng = np.random.default_rng(7)
    runs, misses, length = 300, 0, 120
    for _ in range(runs):
        z, rates = np.zeros(length, bool), np.zeros(length)
        missed = False
        for t in range(length):
            rates[t] = 0.25 if not z[max(0, t - 6) : t].any() else 0.03  # strike after a run of luck
            z[t] = rng.random() < rates[t]
            for window in audit.mean_error_bounds(z[: t + 1], 0.2, 0.1):
                mean = rates[window.start : t + 1].mean()
                missed |= not window.lower <= mean <= window.upper
        misses += missed
    assert misses <= binom.ppf(0.9999, runs, 0.3)
    assert misses > 0  # the bounds are not so wide that this test cannot fail


# ── accuracy on the rest: the counting ──────────────────────────────────────────────────────


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
        members[draw(st.integers(0, n - 1))] = True
        other = draw(st.sampled_from([right, current, draw(codes)]))
        predicted = np.where(draw(flags), other, draw(codes))
        checks.append((members, predicted, draw(st.sampled_from([True, False, None]))))
    return hidden, truth, rest, current, checks


def counted(history):
    _, truth, rest, current, checks = history
    slacks = [audit.slack(members, predicted, truth, current, rest) for members, predicted, _ in checks]
    return [
        [getattr(s, name) for s in slacks] for name in ("size", "known_errors", "unknown", "outside", "disagree")
    ], slacks


@given(histories())
def test_slack_counts_item_by_item(history):
    hidden, truth, rest, current, checks = history
    for (members, predicted, _), slack in zip(checks, counted(history)[1], strict=True):
        size = known = unknown = outside = disagree = 0
        for x in range(len(hidden)):
            size += members[x]
            if members[x] and not rest[x]:
                if truth[x] == audit.UNKNOWN:
                    unknown += 1
                else:
                    known += predicted[x] != truth[x]
            if rest[x]:
                outside += not members[x]
                disagree += members[x] and predicted[x] != current[x]
        assert slack == audit.Slack(size, known, unknown, outside, disagree)


@settings(max_examples=400)
@given(histories(), st.booleans())
def test_the_true_error_count_implies_only_true_statements_on_every_check(history, count_everywhere):
    """The three inequalities of `accuracy_on_rest`, for arbitrary pools, models, classes, leases and removals."""
    hidden, _, rest, current, checks = history
    errors = sum(current[x] != hidden[x] for x in range(len(hidden)) if rest[x])
    counts, _ = counted(history)
    if count_everywhere:  # differences on all of the rest are allowed, too
        counts[4] = [int(np.sum(rest & (predicted != current))) for _, predicted, _ in checks]
    counts.append(counts[4])  # of labels, two that differ cannot both be right
    first, second, third = bounds._implied_rates(errors, *(np.array(c, float) for c in counts))
    for i, (members, predicted, _) in enumerate(checks):
        rate = np.mean(predicted[members] != hidden[members])
        assert first[i] <= rate + 1e-12
        assert rate <= second[i] + 1e-12
        assert third[i] <= rate + 1e-12


@settings(max_examples=400)
@given(histories(max_checks=40), st.sampled_from([0.05, 0.3, 0.6]))
def test_the_interval_misses_only_if_a_true_martingale_has_crossed_its_limit(history, alpha):
    """With the martingale test above, this is the whole proof, on arbitrary (also absurd) outcomes."""
    hidden, _, rest, current, checks = history
    if not rest.any():
        return
    size, known, unknown, outside, disagree = counted(history)[0]
    wrong = [outcome for _, _, outcome in checks]
    result = audit.accuracy_on_rest(
        wrong, size, known, outside, disagree, int(rest.sum()), unknown=unknown, confidence=1 - alpha
    )
    rates = [np.mean(predicted[members] != hidden[members]) for members, predicted, _ in checks]
    # an open check may turn out either way: the martingale must be below its limit for both, worst case
    low = slow_evidence(audit.SURE_BETS, [w is not False for w in wrong], rates)
    high = slow_evidence(1 / audit.BETS, [w is True for w in wrong], rates)
    truth = 1 - sum(current[rest] != hidden[rest]) / rest.sum()
    if low < 1 / (0.8 * alpha) and high < 1 / (0.2 * alpha):
        assert result.low - 1e-12 <= truth <= result.high + 1e-12


def unchanged(wrong, n, **kwargs):
    """The estimate for a static model and a pool that does not shrink."""
    zeros = [0] * len(wrong)
    return audit.accuracy_on_rest(wrong, [n] * len(wrong), zeros, zeros, zeros, n, **kwargs)


def test_the_interval_is_the_inversion_of_the_evidence():
    n = 500
    wrong = [i % 9 == 4 for i in range(60)]
    left_low = [k for k in range(n + 1) if slow_evidence(audit.SURE_BETS, wrong, [k / n] * 60) < 1 / 0.04]
    left_high = [k for k in range(n + 1) if slow_evidence(1 / audit.BETS, wrong, [k / n] * 60) < 1 / 0.01]
    result = unchanged(wrong, n)
    assert result.low == 1 - max(left_low) / n
    assert result.high == 1 - min(left_high) / n
    assert result.low < result.accuracy < result.high
    assert (result.audits, result.wrong, result.rest) == (60, 7, n)


def test_a_model_that_disagrees_with_a_good_one_is_bounded_from_above():
    """Inequality (3): where the checked model was right, one that differs is wrong."""
    m, n = 200, 1000
    result = audit.accuracy_on_rest([False] * m, [n] * m, [0] * m, [0] * m, [600] * m, n)
    assert result.high < 0.5
    assert result.low <= result.accuracy <= result.high


def test_what_widens_and_what_does_not():
    m, n = 80, 2000
    zeros = np.zeros(m, int)
    base = audit.accuracy_on_rest(zeros == 1, zeros + n, zeros, zeros, zeros, n)
    moved = audit.accuracy_on_rest(zeros == 1, zeros + n, zeros, zeros, zeros + 100, n)
    leased = audit.accuracy_on_rest(zeros == 1, zeros + n, zeros, zeros + 3, zeros, n)
    assert moved.low == pytest.approx(base.low - 0.05, abs=0.01)
    assert base.low > leased.low >= base.low - 0.002
    open_checks = audit.accuracy_on_rest([False] * 78 + [None] * 2, zeros + n, zeros, zeros, zeros, n)
    assert open_checks.low < base.low
    assert open_checks.audits == 78
    trained = audit.accuracy_on_rest([True] * 9 + [False] * 71, zeros + n, zeros + 90, zeros, zeros, n - 90)
    untrained = audit.accuracy_on_rest([True] * 9 + [False] * 71, zeros + n, zeros, zeros, zeros, n - 90)
    assert trained.low > untrained.low  # errors that people have found are no longer in the rest


def test_old_bad_checks_do_not_hold_a_good_model_down_forever():
    m, n = 200, 5000
    wrong = [True] * 10 + [False] * 190
    slacks = [n] * 10 + [0] * 190
    zeros = [0] * m
    fresh = audit.accuracy_on_rest(wrong, [n] * m, zeros, zeros, slacks, n)
    assert fresh.low > 0.95


def test_numpy_and_plain_outcomes_are_the_same():
    wrong = [i % 5 == 0 for i in range(50)]
    assert unchanged(wrong, 100) == unchanged(list(np.array(wrong)), 100) == unchanged(np.array(wrong), 100)
    assert unchanged(wrong, 100).high < 1


def test_no_model_few_checks_and_no_rest_claim_nothing():
    empty = audit.accuracy_on_rest([], [], [], [], [], 30)
    assert (empty.accuracy, empty.low, empty.high, empty.audits) == (None, 0.0, 1.0, 0)
    few = unchanged([False] * 7 + [None] * 5, 50)
    assert (few.accuracy, few.low, few.high, few.audits) == (None, 0.0, 1.0, 7)
    done = audit.accuracy_on_rest([False] * 30, [50] * 30, [0] * 30, [0] * 30, [0] * 30, 0)
    assert (done.accuracy, done.low, done.high) == (None, 0.0, 1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: unchanged([False] * 10, 50, confidence=1.0),
        lambda: audit.accuracy_on_rest([False] * 3, [5] * 2, [0] * 3, [0] * 3, [0] * 3, 5),
        lambda: audit.accuracy_on_rest([False] * 3, [5, 5, 0], [0] * 3, [0] * 3, [0] * 3, 5),
        lambda: audit.accuracy_on_rest([False] * 3, [5] * 3, [0, 0, -1], [0] * 3, [0] * 3, 5),
        lambda: audit.accuracy_on_rest([False] * 3, [5] * 3, [0] * 3, [0] * 3, [0] * 3, -1),
    ],
)
def test_impossible_counts_are_refused(call):
    with pytest.raises(BadInput):
        call()


# ── accuracy on the rest: whole runs ────────────────────────────────────────────────────────


def labeling_run(rng, *, n, classes, labels, drift, confidence):
    """Label a pool whose model changes all the time; True if some shown interval missed the current accuracy.

    Hard items are asked first, two items are always leased to somebody else, each second answer is a uniform check of
    the model at the draw, some checks are skipped and answered much later, and the model changes for better and worse.
    """
    hidden = rng.integers(0, classes, n)
    current = np.where(rng.random(n) < 0.25, rng.integers(0, classes, n), hidden)
    truth = np.full(n, audit.UNKNOWN)
    drawn, wrong, waiting = [], [], []
    for step in range(labels):
        free = truth == audit.UNKNOWN
        leased = rng.choice(np.flatnonzero(free), 2, replace=False)
        free[leased] = False
        free[[x for _, x in waiting]] = False
        if step % 2:
            x = rng.choice(np.flatnonzero(free))
            drawn.append((free, current))
            wrong.append(current[x] != hidden[x])
            if rng.random() < 0.1:
                waiting.append((len(wrong) - 1, x))
            else:
                truth[x] = hidden[x]
        else:
            hard = np.flatnonzero(free & (current != hidden))
            x = rng.choice(hard if len(hard) else np.flatnonzero(free))
            truth[x] = hidden[x]
        if waiting and rng.random() < 0.1:
            _, x = waiting.pop(0)
            truth[x] = hidden[x]
        if step % 5 == 0:  # relearn: some become right, some wrong
            current = current.copy()
            better, worse = rng.random(n) < drift, rng.random(n) < drift / 8
            current[better] = hidden[better]
            current[worse] = rng.integers(0, classes, int(worse.sum()))
        if step % 4 == 3:
            rest = truth == audit.UNKNOWN
            models = {id(predicted): predicted for _, predicted in drawn}
            changes = {one: audit.Change(predicted, truth, current, rest) for one, predicted in models.items()}
            slacks = [changes[id(predicted)].slack(members) for members, predicted in drawn]
            late = {i for i, _ in waiting}
            seen = [None if i in late else w for i, w in enumerate(wrong)]
            counts = ([getattr(s, f) for s in slacks] for f in ("size", "known_errors", "outside", "disagree"))
            shown = audit.accuracy_on_rest(seen, *counts, int(rest.sum()), confidence=confidence)
            if not shown.low <= np.mean(current[rest] == hidden[rest]) <= shown.high:
                return True
    return False


@pytest.mark.parametrize(("classes", "drift"), [(2, 0.05), (4, 0.03), (3, 0.0)])
def test_the_interval_holds_at_every_look_of_a_changing_run(classes, drift):
    rng = np.random.default_rng(classes)
    runs = 80
    misses = sum(
        labeling_run(rng, n=260, classes=classes, labels=120, drift=drift, confidence=0.8) for _ in range(runs)
    )
    assert misses <= binom.ppf(0.9999, runs, 0.2)


def test_the_interval_is_not_trivially_wide():
    """A static model with 10 % errors: the coverage test above could fail, since the bounds come close."""
    rng = np.random.default_rng(3)
    runs, misses = 150, 0
    for _ in range(runs):
        z = rng.random(150) < 0.1
        looks = [unchanged(z[:m], 1000, confidence=0.6) for m in range(10, 151, 5)]
        misses += any(not e.low <= 0.9 <= e.high for e in looks)
    assert 0 < misses <= binom.ppf(0.9999, runs, 0.4)
    assert looks[-1].low > 0.75
    assert looks[-1].high < 0.98


# ── the plan of a certificate ───────────────────────────────────────────────────────────────

small_plans = st.builds(
    audit.audit_plan,
    st.integers(1, 45),
    st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.13, 0.25, 1 / 3, 0.6]),
    st.sampled_from([0.001, 0.03, 0.05, 0.2, 0.5]),
    st.sampled_from(["auto", "dataset"]),
)


@settings(max_examples=60, deadline=None)
@given(small_plans)
def test_no_number_of_errors_makes_a_false_certificate_likelier_than_alpha(plan):
    worst = max(slow_risk(plan, errors) for errors in range(plan.n + 1))
    assert worst <= plan.alpha
    assert plan.risk == pytest.approx(worst, abs=1e-9)


@pytest.mark.parametrize("target", ["auto", "dataset"])
@pytest.mark.parametrize(("n", "max_error", "alpha"), [(7, 0.15, 0.3), (8, 0.3, 0.2), (8, 0.25, 0.5)])
def test_risk_against_every_order_of_every_pool(n, max_error, alpha, target):
    """Counting orders one by one, through `judge` itself."""
    plan = audit.audit_plan(n, max_error, alpha, target)
    for errors in range(n + 1):
        false = orders = 0
        for places in itertools.combinations(range(n), errors):
            z = [i in places for i in range(n)]
            result = plan.judge(z)
            orders += 1
            if result.status == "certified":
                left = errors - result.wrong
                false += left > may_remain(n, result.audits, max_error, target)
        assert false / orders <= alpha
        assert false / orders == pytest.approx(slow_risk(plan, errors), abs=1e-12)


@pytest.mark.parametrize(
    ("n", "max_error", "alpha", "target"),
    [(400, 0.02, 0.03, "auto"), (1000, 0.05, 0.05, "auto"), (1500, 0.02, 0.03, "auto"), (900, 0.02, 0.05, "dataset")],
)
def test_exact_risk_over_all_error_counts_of_real_sizes(n, max_error, alpha, target):
    plan = audit.audit_plan(n, max_error, alpha, target)
    risks = walk_risks(plan)
    assert risks.max() <= alpha
    assert risks.max() == pytest.approx(plan.risk, abs=1e-9)
    assert plan.risk > 0.75 * alpha  # little is given away


@pytest.mark.parametrize(
    ("n", "max_error", "alpha"), [(5000, 0.02, 0.03), (100_000, 0.02, 0.03), (20_000, 0.001, 0.05), (500, 0.001, 0.01)]
)
def test_plans_of_any_size_are_found_and_use_their_alpha(n, max_error, alpha):
    plan = audit.audit_plan(n, max_error, alpha)
    assert list(plan.needed) == sorted(plan.needed)
    assert plan.needed[-1] <= n
    assert plan.risk <= alpha
    one_look = audit.false_certificate_risk(n, max_error, "auto", [plan.first])
    assert one_look <= plan.risk


@given(small_plans)
def test_no_plan_beats_one_look_at_all_right_checks(plan):
    """The textbook sample with no error and one look is the least any valid plan can need."""
    worst_left = may_remain(plan.n, plan.first, plan.max_error, plan.target) + 1
    if worst_left <= plan.n - plan.first:
        assert hypergeom.pmf(0, plan.n, worst_left, plan.first) <= plan.alpha


@pytest.mark.parametrize(
    ("n", "max_error", "first"), [(1000, 0.02, 196), (1000, 0.05, 79), (3000, 0.02, 209), (10_000, 0.02, 222)]
)
def test_a_flat_level_gives_the_published_first_certificates(monkeypatch, n, max_error, first):
    """Figures measured on an independent prototype without the tilt."""
    monkeypatch.setattr("askwise.audit.plan.TILT", 0.0)
    flat = audit.audit_plan.__wrapped__(n, max_error, 0.05)
    assert abs(flat.first - first) <= 2
    monkeypatch.undo()
    assert audit.audit_plan(n, max_error, 0.05).first < first


def test_the_published_first_certificates_of_the_tilted_plan():
    assert abs(audit.audit_plan(1500, 0.02, 0.05).first - 178) <= 2
    assert abs(audit.audit_plan(1500, 0.05, 0.05).first - 74) <= 2


@given(
    st.integers(1, 60), st.sampled_from([0.02, 0.1, 0.25, 0.6]), st.floats(0.001, 0.5),
    st.sampled_from(["auto", "dataset"]),
)  # fmt: skip
def test_levels_equal_the_textbook_chances(n, max_error, alpha, target):
    checks, levels = plans._pointwise_levels(n, max_error, alpha, target)
    first = math.log(1 / alpha) / max_error
    for m, found in zip(checks.tolist(), levels, strict=True):
        least = may_remain(n, m, max_error, target) + 1  # the fewest errors left that are too many
        for k, level in enumerate(found.tolist()):
            chance = math.inf
            if k <= m and least > n - m:
                chance = 0.0  # so many cannot be left
            elif k <= m and Fraction(k) < Fraction(m * (k + least), n):
                chance = sum(hypergeom.pmf(x, n, k + least, m) for x in range(k + 1))
            assert level == pytest.approx(chance / min(1, first / m) ** 0.5, rel=1e-9)


@given(st.integers(0, 3000), st.integers(-3, 3003))
def test_logarithms_of_binomials(n, k):
    expected = math.log(math.comb(n, k)) if 0 <= k <= n else -math.inf
    for logs in (plans._log_choose(n, k), plans._log_choose([n, plans.TABLED + 5], [k, 3])[0]):  # kept, worked out
        assert logs == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_shares_are_exact_decimals():
    assert audit.audit_plan(150, 0.02, 0.05).allowed(0) == 3  # 0.02 * 150 is 3, whatever binary says
    assert audit.audit_plan(100, 0.29, 0.05).allowed(0) == 29
    assert audit.audit_plan(100, 0.07, 0.05, "dataset").allowed(60) == 7


def test_the_dataset_target_is_cheaper():
    assert audit.audit_plan(1000, 0.02, 0.03, "dataset").first < audit.audit_plan(1000, 0.02, 0.03).first


@pytest.mark.parametrize(
    "arguments", [(0, 0.02, 0.05), (10, 0.0, 0.05), (10, 2, 0.05), (10, 0.02, 0), (10, 0.02, 1.0), (9, 0.1, 0.1, "all")]
)
def test_impossible_plans_are_refused(arguments):
    with pytest.raises(BadInput):
        audit.audit_plan(*arguments)


def test_the_shares_of_all_attempts_are_the_whole():
    assert sum(audit.SPEND) == pytest.approx(1)
    assert sum(audit.SPEND) <= 1 + 1e-12


# ── judging an attempt ──────────────────────────────────────────────────────────────────────


def slow_judge(plan, outcomes, expected):
    """(status, checks, wrong), straight from the words of `Plan.judge`."""
    survivable = slow_survivable(plan, expected or 0)
    m = wrong = 0
    for outcome in outcomes:
        if outcome is None:
            return "checking", m, wrong
        m, wrong = m + 1, wrong + (outcome is not False)
        allowed = [k for k, needed in enumerate(plan.needed) if needed <= m]
        if allowed and wrong <= max(allowed):
            return "certified", m, wrong
        if wrong > len(plan.needed) - 1 or (expected is not None and m >= 60 and wrong > survivable(m)):
            return "refused", m, wrong
    return "checking", m, wrong


def slow_survivable(plan, expected):
    """The most errors with a positive value of going on, by plain recursion over a dictionary."""
    v = 0.5 / plan.max_error
    last = plan.needed[-1]
    value = {}
    for m in range(last, -1, -1):
        for k in range(len(plan.needed)):
            if plan.needed[k] <= m:
                value[m, k] = 0.5 * (plan.n - m)
            elif m < last:
                p = min((k + v * expected) / (m + v), 1)
                value[m, k] = max(0, p * value.get((m + 1, k + 1), 0) + (1 - p) * value[m + 1, k] - 1)
    return lambda m: max((k for k in range(len(plan.needed)) if value.get((m, k), 0) > 0), default=-1)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_judge_equals_its_description(data):
    n = data.draw(st.sampled_from([90, 160, 300]))
    plan = audit.audit_plan(
        n, data.draw(st.sampled_from([0.05, 0.1])), 0.05, data.draw(st.sampled_from(["auto", "dataset"]))
    )
    rate = data.draw(st.sampled_from([0.0, 0.01, 0.05, 0.3]))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    outcomes = [
        "unsure" if rng.random() < 0.005 else None if rng.random() < 0.002 else bool(rng.random() < rate)
        for _ in range(data.draw(st.integers(0, n)))
    ]
    expected = data.draw(st.sampled_from([None, 0.0, 0.01, 0.08]))
    result = plan.judge(outcomes, expected)
    assert (result.status, result.audits, result.wrong) == slow_judge(plan, outcomes, expected)
    assert result == plan.judge(outcomes, expected)
    assert (result.left is None) == (result.status != "checking")
    assert result.reason.endswith(".")


@pytest.mark.parametrize("places", [[], [5], [5, 170]])
def test_the_checks_left_are_exactly_enough(places):
    plan = audit.audit_plan(3000, 0.02, 0.03)
    wrong = len(places)
    outcomes = [i in places for i in range(200)]
    state = plan.judge(outcomes, 0.004)
    assert (state.status, state.audits, state.wrong) == ("checking", 200, wrong)
    more = [False] * state.left
    assert plan.judge(outcomes + more[:-1], 0.004).status == "checking"
    done = plan.judge(outcomes + more, 0.004)
    assert (done.status, done.audits) == ("certified", plan.needed[wrong])
    assert plan.limit(plan.needed[wrong]) == wrong
    assert plan.limit(plan.first - 1) == -1


def test_only_the_head_of_the_order_counts():
    plan = audit.audit_plan(3000, 0.02, 0.03)
    clean = [False] * plan.first
    assert plan.judge(clean).status == "certified"
    assert plan.judge(clean + [True] * 50) == plan.judge(clean)
    assert plan.judge([*clean[:10], None, *clean]).audits == 10
    assert plan.judge(["unsure", *clean[1:]]).wrong == 1
    assert plan.judge(["unsure", *clean[1:]]).status == "checking"


@pytest.mark.parametrize(("wrong", "checks", "says"), [(6, 150, "About 9% is"), (40, 100, ""), (0, 300, "")])
def test_giving_up_says_what_is_within_reach(wrong, checks, says):
    reason = plans.hopeless_as(0.02, checks, wrong)
    assert says in reason
    assert ("within reach" in reason) == bool(says)
    assert f"{wrong} of {checks} blind checks were wrong" in reason


def test_a_hopeless_attempt_is_given_up_and_stays_so():
    plan = audit.audit_plan(3000, 0.02, 0.03)
    bad = [i % 8 == 0 for i in range(80)]
    given_up = plan.judge(bad, 0.004)
    assert given_up.status == "refused"
    assert given_up.audits < 80
    assert plan.judge(bad + [False] * 900, 0.004) == given_up
    assert plan.judge(bad).status == "checking"  # without an expectation nothing is given up


def test_judge_refuses_what_is_no_outcome():
    plan = audit.audit_plan(100, 0.1, 0.05)
    with pytest.raises(BadInput, match="Outcome 2"):
        plan.judge([False, "ham"])
    with pytest.raises(BadInput, match="101 outcomes"):
        plan.judge([False] * 101)


def test_false_certificates_of_whole_attempts_are_rare_at_the_worst_error_count():
    n, runs = 400, 1500
    plan = audit.audit_plan(n, 0.05, 0.1)
    errors = int(np.argmax(walk_risks(plan)))
    rng = np.random.default_rng(5)
    z = np.arange(n) < errors
    false = 0
    for _ in range(runs):
        result = plan.judge(list(rng.permutation(z)), 0.01)
        left = errors - result.wrong
        false += result.status == "certified" and left > plan.allowed(result.audits)
    assert false <= binom.ppf(0.9999, runs, 0.1)
    assert false > 0  # giving up does not make this trivially true


# ── planning ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("expected", [0.0, 0.004, 0.03])
@pytest.mark.parametrize("n", [120, 700])
def test_giving_up_is_optimal_stopping(n, expected):
    plan = audit.audit_plan(n, 0.05, 0.03)
    slow = slow_survivable(plan, expected)
    fast = plan.survivable(expected)
    # after the last points only certified or hopeless states remain
    assert [int(x) for x in fast[: plan.needed[-1]]] == [slow(m) for m in range(plan.needed[-1])]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0, 2.0])
def test_expected_cost_against_simulated_attempts(share):
    n, max_error, runs = 600, 0.05, 300
    plan = audit.audit_plan(n, max_error, 0.05)
    errors = round(share * max_error * n)
    audits, passes = audit.expected_cost(plan, errors / n)
    rng = np.random.default_rng(11)
    results = [plan.judge(list(rng.permutation(np.arange(n) < errors)), errors / n) for _ in range(runs)]
    spent = np.array([r.audits for r in results])
    assert audits == pytest.approx(spent.mean(), abs=4.5 * spent.std() / runs**0.5 + 1e-9)
    certified = np.mean([r.status == "certified" for r in results])
    assert passes == pytest.approx(certified, abs=4.5 * (0.25 / runs) ** 0.5)
    if share == 0:
        assert (audits, passes) == (plan.first, 1.0)


def test_interpolated_costs_are_close_to_exact_ones():
    for n, rate in [(333, 0.004), (1900, 0.013), (5200, 0.0071)]:
        tabulated = region._interpolated_cost(n, np.array([rate]), 0.05, 0.03, "auto")
        (audits,), (passes,) = tabulated
        exact_audits, exact_passes = audit.expected_cost(audit.audit_plan(n, 0.05, 0.03), rate)
        assert audits == pytest.approx(exact_audits, rel=0.05)
        assert passes == pytest.approx(exact_passes, abs=0.05)


def slow_region(confidence, doubted, wrong, max_error, alpha, changed, retry):
    """(cost, size, error, chance) of the best region, by loops over sizes and scales."""
    n = len(confidence)
    doubt = sorted(max(1 - c, 1e-6) for c in confidence)
    overall = sum(doubt) / n
    doubt = [(1 - region.FLOOR) * d + region.FLOOR * overall for d in doubt]
    center = region.USUAL
    if changed is not None:
        center = min(0.0, max(region.LOWEST, region.CHANGED * math.log((changed + 0.2 / n) / (sum(doubt) / n))))
    scales = [math.exp(-5 + i / 6) for i in range(67)]
    belief = [
        math.prod(s * d + since for d, since in wrong)
        * math.exp(-doubted * s)
        * stats_t.pdf((math.log(s) - center) / region.SPREAD, region.TAILS)
        for s in scales
    ]
    sizes = [round(part * n) for part in region.REGIONS if round(part * n) >= region.SMALLEST]

    def cost(size, scale, level, otherwise):
        rate = scale * sum(doubt[:size]) / size
        (audits,), (passes,) = region._interpolated_cost(size, np.array([rate]), max_error, level, "auto")
        return min(n, audits + passes * (n - size) + (1 - passes) * otherwise), rate, passes

    found = []
    for size in sizes:
        total = rates = chance = 0.0
        for scale, weight in zip(scales, belief, strict=True):
            later = n
            if retry is not None:
                later = min(cost(other, scale, retry, n)[0] for other in sizes) + region.FAILURE * n
            its_cost, rate, passes = cost(size, scale, alpha, later)
            total, rates, chance = total + weight * its_cost, rates + weight * rate, chance + weight * passes
        found.append((total / sum(belief), size, rates / sum(belief), chance / sum(belief)))
    return min(found)


@pytest.mark.parametrize("retry", [None, 0.01])
@pytest.mark.parametrize(
    ("doubted", "wrong", "changed"),
    [(0, [], None), (2.5, [(0.02, 0.05)], 0.001), (0.7, [(0.04, 0), (0.03, 0.2)], 0.3), (4, [], 0)],
)
def test_the_chosen_region_is_the_cheapest_of_a_plain_sum_over_beliefs(doubted, wrong, changed, retry):
    confidence = 1 - np.random.default_rng(8).beta(0.2, 4, 700)
    found = audit.choose_region(confidence, doubted, wrong, 0.05, 0.03, changed=changed, retry=retry)
    cost, size, error, chance = slow_region(confidence.tolist(), doubted, wrong, 0.05, 0.03, changed, retry)
    assert found.cost == pytest.approx(cost)
    assert (found.size, found.error, found.passes) == (size, pytest.approx(min(error, 1)), pytest.approx(chance))
    assert found.worth == (cost < region.WORTH * 700)
    assert np.array_equal(np.sort(confidence[found.rows]), np.sort(confidence)[-size:])


def test_a_sure_model_hands_everything_over():
    region = audit.choose_region(np.full(3000, 0.999), 0.04, [], 0.02, 0.03)
    assert region.size == 3000
    assert region.worth
    assert region.floor <= region.cost < 500
    assert "3,000" in region.reason


def test_an_unsure_tail_is_left_to_people():
    rng = np.random.default_rng(2)
    confidence = rng.permutation(np.r_[np.full(2000, 0.9999), np.full(1000, 0.6)])
    region = audit.choose_region(confidence, 12.0, [(0.13, 0.0)] * 10, 0.02, 0.03, changed=0.13)
    assert 1500 <= region.size <= 2000
    assert np.all(confidence[region.rows] == 0.9999)
    assert len(set(region.rows.tolist())) == region.size
    assert region.worth


def test_wrong_checks_count():
    confidence = np.full(3000, 0.999)
    region = audit.choose_region(confidence, 0.06, [(0.001, 0.0)] * 8, 0.02, 0.03)
    assert region.error > 0.02
    assert not region.worth
    assert region.cost > 0.9 * 3000
    assert "wrong on" in region.reason


def test_mistakes_that_have_been_mended_count_less():
    confidence = np.full(3000, 0.95)
    errors = [
        audit.choose_region(confidence, 1.0, [(0.05, since)] * 4, 0.05, 0.03).error for since in (0, 0.01, 0.1, 1, 100)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(audit.choose_region(confidence, 1.0, [], 0.05, 0.03).error, rel=0.01)


def test_right_checks_count():
    confidence = np.full(3000, 0.95)
    errors = [audit.choose_region(confidence, doubted, [], 0.05, 0.03).error for doubted in (0, 1, 4, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.02
    assert errors[-1] < 0.008


def test_guesses_that_have_settled_are_believed_more():
    confidence = np.full(3000, 0.95)
    errors = [
        audit.choose_region(confidence, 0, [], 0.05, 0.03, changed=share).error for share in (0, 0.001, 0.02, 0.5)
    ]
    assert errors == sorted(errors)
    assert errors[0] < 0.5 * errors[-1]


def test_a_second_chance_makes_trying_cheaper():
    confidence = np.full(3000, 0.99)
    alone = audit.choose_region(confidence, 0.5, [(0.01, 0.0)], 0.02, 0.03)
    again = audit.choose_region(confidence, 0.5, [(0.01, 0.0)], 0.02, 0.03, retry=0.01)
    assert again.cost < alone.cost


def test_a_pool_too_small_for_a_certificate_is_named_with_its_numbers():
    region = audit.choose_region(np.full(200, 0.999), 0.04, [], 0.02, 0.03)
    assert not region.worth
    assert f"takes {audit.audit_plan(region.size, 0.02, 0.03).first} checks or more" in region.reason
    tiny = audit.choose_region(np.full(80, 0.999), 0, [], 0.02, 0.03)
    assert (tiny.size, tiny.worth, tiny.cost, tiny.floor) == (0, False, 80.0, 80.0)
    assert "80" in tiny.reason


def test_certain_and_hopeless_models_stay_finite():
    for confidence in (np.ones(300), np.zeros(300)):
        for changed in (None, 0.0, 1.0):
            found = audit.choose_region(confidence, 0.0, [], 0.05, 0.03, changed=changed)
            assert 0 <= found.error <= 1
            assert 0 < found.cost <= 300


def test_regions_take_confidences_and_counts_only():
    good = np.full(200, 0.9)
    for confidence, doubted, wrong, changed in [
        (np.full(200, 1.2), 0, [], None),
        (np.full(200, np.nan), 0, [], None),
        (good.reshape(2, 100), 0, [], None),
        (good, -1, [], None),
        (good, 0, [(0.0, 0.1)], None),
        (good, 0, [(0.1, -0.1)], None),
        (good, 0, [], 1.1),
        (good, math.nan, [], None),
    ]:
        with pytest.raises(BadInput):
            audit.choose_region(confidence, doubted, wrong, 0.02, 0.03, changed=changed)
