"""A certificate that can expire: the bets against slow references and by enumeration, the monitor at its door."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise.audit import drift
from askwise.core import BadInput
from askwise.model import Model
from askwise.monitor import Monitor
from askwise.tasks import get

UNIFORM = np.full(len(drift.LARGE_BETS), 1 / len(drift.LARGE_BETS))


class Known:
    """A model whose features, labels and confidence are the item itself: (features…, confidence, label)."""

    kind, task, task_, card = "array", "one", get("one"), None
    labels_ = ("no", "yes")

    def seen(self, X):
        X = np.asarray(X, float)
        if X.ndim != 2 or X.shape[1] != 5:
            raise BadInput(f"This model takes (n, 5), got {X.shape}.")
        return X[:, :3], [self.labels_[int(code)] for code in X[:, 4]], X[:, 3]


def items(rng, n, *, shift=0.0, sure=(0.8, 1.0)):
    features = rng.normal(size=(n, 3)) + shift
    return np.column_stack([features, rng.uniform(*sure, n), rng.integers(0, 2, n)])


def other(label):
    return "no" if label == "yes" else "yes"


def answered(monitor, new, wrong):
    """Take new items and answer all checks; `wrong` (n,) says of which the model is wrong."""
    taken = monitor.take(new)
    for number in taken.checks:
        at = number - taken.numbers[0]
        guess = Known.labels_[int(new[at, 4])]
        monitor.tell(number, other(guess) if wrong[at] else guess)
    return taken


# ── checks ──────────────────────────────────────────────────────────────────────────────────


def slow_evidence(m, k, p, bets, weights):
    total = 0.0
    for bet, weight in zip(bets, weights, strict=True):
        value = weight
        for i in range(m):
            value *= (bet if i < k else 1.0) / (1 + (bet - 1) * p)
        total += value
    return total


@given(st.integers(0, 40), st.data(), st.floats(0.01, 0.6))
@settings(max_examples=40, deadline=None)
def test_evidence_term_by_term(m, data, p):
    k = data.draw(st.integers(0, m))
    assert math.exp(drift.holds_evidence(m, k, p)) == pytest.approx(
        slow_evidence(m, k, p, drift.SMALL_BETS, drift.USUAL)
    )
    assert math.exp(drift._evidence(m, k, p, drift.LARGE_BETS, UNIFORM)) == pytest.approx(
        slow_evidence(m, k, p, drift.LARGE_BETS, UNIFORM)
    )


@pytest.mark.parametrize("q", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("bet", [0.002, 0.3, 0.88, 1.2, 5.0, 50.0])
def test_what_bounds_the_evidence_is_a_martingale_for_every_sequence_of_items(q, bet):
    """The proof at the top of drift.py, by enumeration of all draws."""
    p = 0.3
    a, b = bet / (1 + (bet - 1) * p), 1 / (1 + (bet - 1) * p)
    for wrong in itertools.product((0, 1), repeat=5):
        n, many = len(wrong), sum(wrong)
        scale = (1 + (a - 1) * q) ** many * (1 + (b - 1) * q) ** (n - many)
        mean = 0.0
        for drawn in itertools.product((0, 1), repeat=n):
            chance = math.prod(q if d else 1 - q for d in drawn)
            k = sum(w for w, d in zip(wrong, drawn, strict=True) if d)
            m = sum(drawn)
            evidence = a**k * b ** (m - k)
            mean += chance * evidence / scale
            if (bet > 1 and many <= p * n) or (bet < 1 and many >= p * n):
                assert evidence <= evidence / scale * (1 + 1e-12)
        assert mean == pytest.approx(1)


@pytest.mark.parametrize("limit", [0.2, 0.4])
def test_neither_claim_is_ever_false_more_often_than_allowed_whatever_the_sequence(limit):
    """Exact probabilities, over all draws, of a false claim at any of the looks; every sequence of 7 items."""
    q, n = 0.7, 7
    for alpha in (0.6, 0.3):
        threshold = -math.log(alpha)
        holds = {(m, k): drift.holds_evidence(m, k, limit) >= threshold for m in range(n + 1) for k in range(m + 1)}
        worst = {"holds": 0.0, "alarm": 0.0}
        for wrong in itertools.product((False, True), repeat=n):
            false = {"holds": 0.0, "alarm": 0.0}
            for drawn in itertools.product((False, True), repeat=n):
                chance = math.prod(q if d else 1 - q for d in drawn)
                m = k = many = 0
                hit = {"holds": False, "alarm": False}
                for i, (w, d) in enumerate(zip(wrong, drawn, strict=True), start=1):
                    many, m, k = many + w, m + d, k + (w and d)
                    hit["holds"] |= many > limit * i and holds[m, k]
                    hit["alarm"] |= (
                        many <= limit * i and drift._evidence(m, k, limit, drift.LARGE_BETS, UNIFORM) >= threshold
                    )
                for name in hit:
                    false[name] += chance * hit[name]
            worst = {name: max(worst[name], false[name]) for name in worst}
        assert worst["holds"] <= alpha
        assert worst["alarm"] <= alpha


def slow_alarm(wrong, limit):
    """The strongest window, one by one."""
    starts = {0: 0.5}
    for octave in range(1, 8):
        for i in range(16):
            starts[16 * 2 ** (octave - 1) + i * 2 ** (octave - 1)] = 1 / ((octave + 1) * (octave + 2) * 16)
    best = -math.inf
    for start, weight in starts.items():
        for end in range(start + 1, len(wrong) + 1):
            k = sum(wrong[start:end])
            if wrong[end - 1]:
                value = slow_evidence(end - start, k, limit, drift.LARGE_BETS, UNIFORM)
                best = max(best, math.log(value * weight))
    return best


@given(st.lists(st.booleans(), max_size=70), st.sampled_from([0.02, 0.2]))
@settings(max_examples=15, deadline=None)
def test_the_strongest_alarm_is_found(wrong, limit):
    found = drift.strongest_alarm(wrong, limit)
    if not any(wrong):
        assert found is None
        return
    assert found.evidence == pytest.approx(slow_alarm(wrong, limit))
    assert found.wrong == sum(wrong[found.start : found.end])
    # looking at some ends only, in any number of steps, finds the same in the end
    ends = np.flatnonzero(wrong) + 1
    assert max(drift.strongest_alarm(wrong, limit, ends=[e]).evidence for e in ends) == found.evidence


def test_windows_begin_everywhere_and_cost_no_more_than_there_is():
    weights = drift.start_weights(np.arange(1 << 17))
    assert weights[0] == 0.5
    assert np.flatnonzero(weights)[1:36].tolist() == [*range(16, 32), *range(32, 64, 2), 64, 68, 72]
    assert 0.9 < weights.sum() < 1
    octaves = np.arange(1, 10**5, dtype=float)
    assert 0.5 + (1 / ((octaves + 1) * (octaves + 2))).sum() == pytest.approx(1, abs=1e-4)


def test_bounds_are_where_the_evidence_is():
    weights = drift.planned_weights(200, 1, 0.02)
    for m, k in ((0, 0), (50, 0), (300, 4), (80, 40)):
        most, least = drift.at_most(m, k, 0.04, weights), drift.at_least(m, k, 0.0125)
        step = 2.0**-20
        if most < 1:
            assert drift.holds_evidence(m, k, most, weights) >= math.log(1 / 0.04)
            assert drift.holds_evidence(m, k, most - step, weights) < math.log(1 / 0.04)
        if least > 0:
            assert drift._evidence(m, k, least, drift.LARGE_BETS, UNIFORM) >= math.log(80)
            assert drift._evidence(m, k, least + step, drift.LARGE_BETS, UNIFORM) < math.log(80)
        assert least <= (k / m if m else 0.5) <= most


def test_a_plan_saves_checks_where_it_is_right_and_stays_a_mixture():
    for old in ((0, 0), (300, 0), (300, 3), (1000, 100)):
        weights = drift.planned_weights(*old, 0.02)
        assert weights.sum() == pytest.approx(1)
        assert (weights >= drift.USUAL / 2).all()
    usual = drift.right_needed(300, 2, 0.02, 0.05)
    assert drift.right_needed(300, 2, 0.02, 0.05, drift.planned_weights(1000, 6, 0.02)) < usual
    assert drift.right_needed(0, 0, 0.02, 0.05, drift.planned_weights(1000, 0, 0.02)) < drift.right_needed(
        0, 0, 0.02, 0.05
    )
    with pytest.raises(BadInput, match="Of 3 old checks 4 cannot be wrong"):
        drift.planned_weights(3, 4, 0.02)


def test_what_is_missing_is_what_is_needed():
    for m, k, waiting in ((0, 0, 0), (100, 1, 0), (100, 1, 10), (400, 0, 3), (260, 0, 40)):
        needed = drift.right_needed(m, k, 0.02, 0.05, waiting=waiting)

        def after(more, m=m, k=k, waiting=waiting):
            done = min(more, waiting)
            return drift.holds_evidence(m + more - done, k + waiting - done, 0.02) >= math.log(20)

        assert after(needed)
        assert needed == 0 or not after(needed - 1)
    assert drift.right_needed(0, 0, 0.00001, 0.05) == drift.right_needed(0, 0, 0.00001, 0.05)
    assert drift.right_needed(100_000, 90_000, 0.00001, 0.05) is None


# ── ranks ───────────────────────────────────────────────────────────────────────────────────


def area(bet, p):
    """∫_0^p of a betting function."""
    edges = sorted({0.0, p, *(e for e in (bet.low, bet.high) if 0 < e < p)})
    total = 0.0
    for left, right in itertools.pairwise(edges):
        total += float(bet(np.array([(left + right) / 2]))[0]) * (right - left)  # linear or constant in between
    return total


@pytest.mark.parametrize("bet", drift.BETTINGS, ids=str)
def test_betting_functions_have_mean_one_and_lose_no_more_than_there_is(bet):
    assert area(bet, 1.0) == pytest.approx(1)
    p = np.sort(np.concatenate([np.linspace(0, 1, 1001)[:-1], drift._EDGES]))
    assert (bet(p) > 0).all()
    assert drift.gains(p)[:, drift.BETTINGS.index(bet)] == pytest.approx(np.log(bet(p)))


def test_the_rank_martingale_has_mean_one_by_enumeration_of_all_orders():
    """One reference item and three new ones, with ties: over all orders, and exactly over the noise."""
    lot = (0, 1, 1, 2)
    for bet in drift.BETTINGS:
        mean = 0.0
        for order in set(itertools.permutations(range(4))):
            bins = [lot[i] for i in order]
            product = 1.0
            for t in range(1, 4):
                seen = bins[: t + 1]
                low = sum(b < bins[t] for b in seen) / len(seen)
                high = low + sum(b == bins[t] for b in seen) / len(seen)
                product *= (area(bet, high) - area(bet, low)) / (high - low)
            mean += product / 24
        assert mean == pytest.approx(1)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_ranks_and_capital_one_by_one(data):
    channels = data.draw(st.integers(1, 3))
    row = st.lists(st.integers(0, 4), min_size=channels, max_size=channels)
    reference = np.array(data.draw(st.lists(row, min_size=1, max_size=6)))
    new = np.array(data.draw(st.lists(row, min_size=1, max_size=40)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    noise = rng.random(new.shape)
    weights = drift.start_weights(np.arange(len(new)))
    expected = np.zeros(new.shape)
    for c in range(channels):
        before, rank = reference[:, c].tolist(), []
        for b, u in zip(new[:, c].tolist(), noise[:, c].tolist(), strict=True):
            before.append(b)
            rank.append((sum(x < b for x in before) + u * before.count(b)) / len(before))
        for t in range(len(new)):
            total = 1 - weights[: t + 1].sum()
            for start in range(t + 1):
                for bet in drift.BETTINGS:
                    gain = float(np.prod(bet(np.array(rank[start : t + 1]))))
                    total += weights[start] * gain / len(drift.BETTINGS)
            expected[t, c] = math.log(total)
    ranks = drift.Ranks.of(reference, 5)
    _, once = drift.look(ranks, new, noise)
    assert once == pytest.approx(expected)
    cut = data.draw(st.integers(0, len(new)))
    ranks, first = drift.look(ranks, new[:cut], noise[:cut])
    ranks, second = drift.look(ranks, new[cut:], noise[cut:])
    assert np.concatenate([first, second]) == pytest.approx(expected)
    assert ranks.items == len(new)
    assert ranks.counts.sum() == channels * (len(reference) + len(new))


def test_ranks_of_exchangeable_items_seldom_alarm_and_other_ones_soon_do():
    rng = np.random.default_rng(5)
    alarms, limit = 0, drift.look_limit(0.05, 2)
    for _ in range(60):
        ranks = drift.Ranks.of(rng.integers(0, 32, (60, 2)), 32)
        _, evidence = drift.look(ranks, rng.integers(0, 32, (3000, 2)), rng.random((3000, 2)))
        alarms += bool((evidence >= limit).any())
    assert alarms <= 8  # 5 % of 60 are 3; 9 or more would come about in 1 of 250 such tests at the very limit
    ranks = drift.Ranks.of(rng.integers(0, 32, (200, 2)), 32)
    usual, late = rng.integers(0, 32, (2000, 2)), rng.integers(24, 32, (200, 2))
    new = np.concatenate([usual, late])
    _, evidence = drift.look(ranks, new, rng.random(new.shape))
    first = int((evidence >= limit).any(axis=1).argmax())
    assert 2000 < first < 2060


# ── the monitor ─────────────────────────────────────────────────────────────────────────────


def test_what_holds_still_holds():
    rng = np.random.default_rng(0)
    monitor = Monitor(Known(), items(rng, 300), max_error=0.05, least=0.8, check_share=0.3, planned=(100, 1))
    assert monitor.status().verdict == "cannot tell"
    assert "none of the 0 new items" in monitor.status().sentence
    new = items(rng, 1000)
    answered(monitor, new, rng.random(1000) < 0.01)
    status = monitor.status()
    assert status.verdict == "still holds"
    assert status.sentence.startswith("Still holds: at most 5% of the model's 1,000 labels among the 1,000 new items")
    assert (status.items, status.covered, status.waiting, status.needed) == (1000, 1000, 0, 0)
    assert status.looks_different is None
    assert status.at_least <= 0.01 <= status.at_most <= 0.05
    assert 1 / status.holds_evidence < 0.04


def test_open_checks_and_undecided_ones_count_against_either_claim():
    rng = np.random.default_rng(1)
    monitor = Monitor(Known(), None, max_error=0.05, least=0.8, check_share=0.5)
    new = items(rng, 400)
    taken = monitor.take(new)
    assert monitor.waiting() == taken.checks
    assert monitor.status().verdict == "cannot tell"
    missing = monitor.status().needed
    for i, number in enumerate(taken.checks):
        if i == missing:
            break
        monitor.tell(number, Known.labels_[int(new[number, 4])])
    assert monitor.status().verdict == "still holds"
    for number in taken.checks[:60]:
        monitor.tell(number, None)
    status = monitor.status()
    assert status.verdict == "cannot tell"
    assert status.unsure == 60
    assert status.no_longer is None
    assert "60 undecided" in status.sentence


def test_wrong_labels_end_it_and_a_correction_takes_that_back():
    rng = np.random.default_rng(2)
    monitor = Monitor(Known(), None, max_error=0.02, least=0.8, check_share=0.2, seed=4)
    answered(monitor, items(rng, 2000), np.zeros(2000, bool))
    assert monitor.status().verdict == "still holds"
    new = items(rng, 400)
    taken = answered(monitor, new, rng.random(400) < 0.3)
    status = monitor.status()
    assert status.verdict == "no longer"
    first, last = status.no_longer
    assert 1700 < first <= 2100
    assert last <= 2400
    assert f"of the model's labels of the items {first:,} to {last:,} more than 2% are wrong (97.5% sure)" in str(
        status.sentence
    )
    # it stays so, whatever comes
    answered(monitor, items(rng, 3000), np.zeros(3000, bool))
    assert monitor.status().verdict == "no longer"
    for number in taken.checks:
        monitor.tell(number, Known.labels_[int(new[number - 2000, 4])])
    assert monitor.status().verdict == "still holds"
    assert monitor.status().wrong == 0


def test_items_that_look_different_are_no_wrong_labels_and_need_checks_of_their_own():
    rng = np.random.default_rng(3)
    monitor = Monitor(Known(), items(rng, 400), max_error=0.05, least=0.8, check_share=0.3)
    answered(monitor, items(rng, 1000), np.zeros(1000, bool))
    assert monitor.status().verdict == "still holds"
    answered(monitor, items(rng, 150, shift=2.5), np.zeros(150, bool))
    status = monitor.status()
    assert 1000 < status.looks_different < 1150
    assert status.verdict == "cannot tell"
    assert "that does not say that labels are wrong" in status.sentence
    assert 0 < status.needed < 200
    answered(monitor, items(rng, 700, shift=2.5), np.zeros(700, bool))
    status = monitor.status()
    assert status.verdict == "still holds"
    assert "and at most as many of those since they look different" in status.sentence
    assert status.looks_evidence[status.differs_in] >= 1 / 0.025


def test_the_model_speaks_only_where_it_is_sure_and_hides_its_guess_on_checks():
    rng = np.random.default_rng(4)
    monitor = Monitor(Known(), items(rng, 100, sure=(0.5, 1)), max_error=0.05, least=0.8, check_share=0.4)
    new = items(rng, 500, sure=(0.5, 1))
    taken = monitor.take(new)
    sure = new[:, 3] >= np.float32(0.8)
    assert monitor.status().covered == sure.sum()
    assert sure[taken.checks].all()
    assert (taken.ask == (~sure | np.isin(np.arange(500), taken.checks))).all()
    assert all((label == "") == (i in taken.checks) for i, label in enumerate(taken.labels))
    assert np.isnan(taken.confidence[taken.checks]).all()
    assert np.isfinite(np.delete(taken.confidence, taken.checks)).all()


def test_which_items_are_checks_depends_on_seed_and_number_alone():
    rng = np.random.default_rng(6)
    new, altered = items(rng, 300), items(rng, 300)
    once = Monitor(Known(), None, max_error=0.1, least=0.5, seed=9).take(new).checks
    assert once == Monitor(Known(), None, max_error=0.1, least=0.5, seed=9).take(altered).checks
    parts = Monitor(Known(), None, max_error=0.1, least=0.5, seed=9)
    with pytest.raises(BadInput):
        parts.take(new[:, :4])  # nothing of it is taken, and no draw is used up
    assert parts.take(new[:7]).checks + parts.take(new[7:8]).checks + parts.take(new[8:]).checks == once
    assert parts.take([]).checks == []
    assert 10 < len(once) < 60


def test_a_restart_changes_nothing():
    def stream(monitor, restart):
        rng = np.random.default_rng(7)
        for step in range(12):
            new = items(rng, 60, shift=0.0 if step < 8 else 1.5)
            answered(monitor, new, rng.random(60) < (0.01 if step < 8 else 0.5))
            if restart:
                monitor = Monitor.from_json(monitor.to_json(), Known())
        monitor.take(items(rng, 30))
        return monitor

    def start():
        return Monitor(Known(), items(np.random.default_rng(8), 200), max_error=0.1, least=0.8, seed=1, planned=(9, 1))

    one, two = stream(start(), False), stream(start(), True)
    assert one.status() == two.status()
    assert one.status().verdict == "no longer"
    assert json.loads(one.to_json()) == json.loads(two.to_json())
    assert one.waiting() == two.waiting() != []


def test_confidences_are_reference_enough_and_only_confident_items_may_be_compared():
    rng = np.random.default_rng(9)
    monitor = Monitor(Known(), items(rng, 200)[:, 3], max_error=0.1, least=0.8)
    assert monitor.channels == ("confidence",)
    answered(monitor, items(rng, 200, sure=(0.97, 1)), np.zeros(200, bool))
    assert monitor.status().differs_in == "confidence"
    reference = items(rng, 300, sure=(0.9, 1))
    sure = Monitor(Known(), reference, max_error=0.1, least=0.9, compare="confident")
    whole = Monitor(Known(), reference, max_error=0.1, least=0.9)
    new = items(rng, 400, sure=(0.8, 1))
    for monitor in (sure, whole):
        monitor.take(new)
    assert sure.status().looks_different is None
    assert whole.status().looks_different is not None


def test_the_first_new_items_can_be_the_reference_whatever_the_batches():
    """As if the first 80 had been given as the reference, and the rest taken afterwards."""
    rng = np.random.default_rng(14)
    stream = np.concatenate([items(rng, 400), items(rng, 200, shift=1.5)])
    given = Monitor(Known(), stream[:80], max_error=0.1, least=0.8, seed=3)
    given.take(stream[80:])
    lives = []
    for cuts in ([600], [30, 70, 79, 80, 81, 300, 600], [*list(range(7, 600, 7)), 600]):
        monitor = Monitor(Known(), 80, max_error=0.1, least=0.8, seed=3)
        assert monitor.status().reference_left == 80
        before = 0
        for cut in cuts:
            monitor.take(stream[before:cut])
            before = cut
            assert monitor.status().reference_left == max(0, 80 - cut)
            monitor = Monitor.from_json(monitor.to_json(), Known())
        lives.append(monitor.status())
    for one in lives[1:]:
        assert replace(one, looks_evidence=lives[0].looks_evidence) == lives[0]
        assert one.looks_evidence == pytest.approx(lives[0].looks_evidence)
    assert lives[0].looks_evidence == pytest.approx(given.status().looks_evidence)
    assert lives[0].looks_different == given.status().looks_different + 80 > 400
    with pytest.raises(BadInput, match="The first 39 new items are too few"):
        Monitor(Known(), 39, max_error=0.1, least=0.8)
    sure = Monitor(Known(), 40, max_error=0.1, least=0.9, compare="confident")
    sure.take(stream[:60])
    assert sure.status().reference_left == max(0, 40 - sure.status().covered) > 0


def test_labels_that_the_model_does_not_know_and_sets():
    rng = np.random.default_rng(10)
    monitor = Monitor(Known(), None, max_error=0.1, least=0.5, check_share=1)
    monitor.take(items(rng, 3))
    with pytest.raises(BadInput, match=r"give new=True"):
        monitor.tell(0, "yess")
    monitor.tell(0, "perhaps", new=True)
    assert monitor.status().wrong == 1

    class Sets(Known):
        task, task_ = "sets", get("sets")
        labels_ = ("a", "b")

        def seen(self, X):
            features, _, sure = super().seen(X)
            return features, ["a|b"] * len(features), sure

    monitor = Monitor(Sets(), None, max_error=0.1, least=0.5, check_share=1)
    monitor.take(items(rng, 5))
    for number, label in enumerate((["b", "a"], "b|a", ("a",), [])):
        monitor.tell(number, label)
    with pytest.raises(BadInput, match="c"):
        monitor.tell(4, ["a", "c"])
    monitor.tell(4, ["a", "b", "c"], new=True)
    assert monitor.status().wrong == 3


def test_a_whole_life_seldom_ends_in_a_false_alarm():
    """Both alarms together, at the limit of what is allowed for either, over the lives of 60 monitors."""
    alarms = false = 0
    for seed in range(60):
        rng = np.random.default_rng([11, seed])
        monitor = Monitor(Known(), items(rng, 100), max_error=0.1, least=0.8, seed=seed)
        total = 0
        for _ in range(5):
            wrong = rng.random(300) < 0.1
            answered(monitor, items(rng, 300), wrong)
            total += int(wrong.sum())
            false += monitor.status().verdict == "still holds" and total > 0.1 * monitor.status().items
        status = monitor.status()
        alarms += status.verdict == "no longer" or status.looks_different is not None
    assert alarms <= 8
    assert false <= 8


def test_a_text_model_is_watched():
    rng = np.random.default_rng(12)
    kinds = {"ham": ("lunch at six", "see you home"), "spam": ("win a prize", "free cash now")}
    labels = rng.choice(["ham", "spam"], 600).tolist()
    texts = [f"{kinds[label][int(rng.integers(2))]} {int(rng.integers(1000))}" for label in labels]
    model = Model("tfidf").fit(texts[:200], labels[:200])
    monitor = Monitor(model, texts[200:300], max_error=0.1, least=0.6, check_share=0.5)
    taken = monitor.take(texts[300:])
    for number in taken.checks:
        monitor.tell(number, labels[300 + number])
    assert monitor.status().verdict == "still holds"
    assert Monitor.from_json(monitor.to_json(), model).status() == monitor.status()
    assert not any(text in monitor.to_json() for text in texts)


# ── what cannot be used ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"max_error": 0}, "max_error must be strictly between 0 and 1"),
        ({"max_error": float("nan")}, "max_error is a share"),
        ({"confidence": 1}, "confidence must be strictly between"),
        ({"confidence": "high"}, "confidence is a share"),
        ({"check_share": 0}, "without checks nothing can be said"),
        ({"check_share": True}, "check_share is a share"),
        ({"least": 2}, "least is a share"),
        ({"least": None}, "No certificate stands"),
        ({"planned": (3, 5)}, "Of 3 old checks 5 cannot be wrong"),
        ({"planned": 7}, "planned is"),
        ({"planned": (1, -1)}, "planned is"),
        ({"compare": "some"}, "compare is 'all' or 'confident'"),
        ({"seed": -1}, "seed is a whole number"),
        ({"reference": np.zeros((3, 5))}, "3 reference items are too few"),
        ({"reference": np.full(90, 1.5)}, "from 0 to 1"),
        ({"reference": np.zeros((90, 4))}, "takes"),
        ({"model": "model.skops"}, "A monitor watches a fitted model, got one str"),
    ],
)
def test_bad_terms_get_a_sentence(given, sentence):
    terms = {"model": Known(), "reference": None, "max_error": 0.1, "least": 0.5} | given
    with pytest.raises(BadInput, match=sentence):
        Monitor(terms.pop("model"), terms.pop("reference"), **terms)


@pytest.mark.parametrize("item", [5, -1, True, "0", 0.0, None, [0]])
def test_an_answer_to_no_check_is_refused(item):
    monitor = Monitor(Known(), None, max_error=0.1, least=0.99, check_share=1)
    monitor.take(items(np.random.default_rng(0), 3, sure=(0.5, 0.6)))
    with pytest.raises(BadInput, match="is no check of this monitor"):
        monitor.tell(item, "yes")


@pytest.mark.parametrize("new", ["text", 5, None])
def test_what_are_no_items_is_refused(new):
    with pytest.raises(BadInput, match="Give a list of items"):
        Monitor(Known(), None, max_error=0.1, least=0.5).take(new)


def test_damaged_monitors_are_refused_in_a_sentence():
    rng = np.random.default_rng(13)
    monitor = Monitor(Known(), items(rng, 100), max_error=0.1, least=0.8)
    answered(monitor, items(rng, 100), np.zeros(100, bool))
    good = json.loads(monitor.to_json())
    for text in ("", "[]", "{}", "null", "\x00", b"\xff\xfe", "[" * 100_000, json.dumps(good)[:-20]):
        with pytest.raises(BadInput, match="no monitor"):
            Monitor.from_json(text, Known())
    with pytest.raises(BadInput, match="newer Askwise"):
        Monitor.from_json(json.dumps(good | {"format": 99}), Known())
    model = Known()
    model.labels_ = ("a", "b")
    with pytest.raises(BadInput, match="another model"):
        Monitor.from_json(json.dumps(good), model)
    junk = [None, -1, 10**400, float("nan"), "x", [], {}, [[]], [[1, 2, 3]], {"a": 1}, True]
    refused = 0
    for name in good:
        for value in junk:
            damaged = good | {name: value}
            try:
                Monitor.from_json(json.dumps(damaged), Known()).take(items(rng, 5))
            except BadInput:
                refused += 1
        if name not in ("different", "format"):
            lacking = {key: value for key, value in good.items() if key != name}
            with pytest.raises(BadInput):
                Monitor.from_json(json.dumps(lacking), Known())
    assert refused > 0.85 * len(good) * len(junk)
    gathering = Monitor(Known(), 60, max_error=0.1, least=0.8)
    gathering.take(items(rng, 30))
    good_first = json.loads(gathering.to_json())
    for name in good_first["first"]:
        for value in junk:
            first = good_first["first"] | {name: value}
            with pytest.raises(BadInput, match="damaged"):
                Monitor.from_json(json.dumps(good_first | {"first": first}), Known())
    for check in ([0, 0, "yes", True], [-1, 0, "yes", True, None], [0, 5, "yes", False, "no"], [0, 0, 7, True, None]):
        with pytest.raises(BadInput, match="damaged"):
            Monitor.from_json(json.dumps(good | {"checks": [check]}), Known())
