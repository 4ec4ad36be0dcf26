"""Active learning by learning beside its formulas, and what it remembers of the past."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import Session, signals, testing
from askwise.batch.stochastic import gumbel
from askwise.core import BadInput, Selection
from askwise.engine import select
from askwise.learners import SoftmaxRegression, unfitted
from askwise.strategies import Combinator, Strategy, albl, get, learning, mix
from askwise.strategies.learning import Step, exp4p

pytestmark = pytest.mark.usefixtures("linear")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.6)
ORDER = RNG.permutation(60)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(learning, "_memory", type(learning._memory)())


def ask(strategy, labeled, k=1, seed=3, learner=None, order=None, **options):
    """What it asks once these rows were answered, in this order."""
    told = {"labeled_rows": labeled, "labeled_y": Y[labeled]}
    if order is not None:
        told["labeled_order"] = order
    if learner is None and len(np.unique(Y[labeled])) > 1:
        learner = SoftmaxRegression().fit(X[np.sort(labeled)], Y[np.sort(labeled)])
    free = np.setdiff1d(np.arange(len(X)), labeled)
    return select(X, free, learner, strategy, k=k, seed=seed, given=told | options.pop("given", {}), **options)


# ── the formulas ────────────────────────────────────────────────────────────────────────────


def slow_exp4p(steps, parts, horizon):
    """Algorithm 1 of Hsu & Lin with scalars: [[(advice of each part for a row) for the rows], open, right so far]."""
    least = min(1 / parts, math.sqrt(math.log(parts) / (parts * horizon)))
    w = [1.0] * parts

    def chances():
        return [(1 - parts * least) * v / sum(w) + least for v in w]

    worth = []
    for rows, n, right in steps:
        p = chances()
        for advice in rows:
            q = sum(p[i] * advice[i] for i in range(parts))
            worth.append(1 / q / n / len(rows))
        reward = sum(v for v, good in zip(worth, right, strict=True) if good) / horizon
        for i in range(parts):
            y = 0.0
            for advice in rows:
                q = sum(p[j] * advice[j] for j in range(parts))
                y += reward * advice[i] / q / len(rows)
            w[i] *= math.exp(least / 2 * (y + math.sqrt(math.log(parts / 0.1) / (parts * horizon)) / p[i]))
    return chances()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(0, 6), st.integers(1, 50))
def test_exp4p_is_the_algorithm_of_its_paper(seed, parts, length, horizon):
    rng = np.random.default_rng(seed)
    steps, slow, asked = [], [], 0
    for t in range(length):
        b, n = int(rng.integers(1, 4)), 30 - t
        advice = np.append(rng.choice([0.0, 1 / b], (parts - 1, b)), np.full((1, b), 1 / n), axis=0)
        asked += b
        right = rng.random(asked) < 0.7
        steps.append(Step(advice, n, right))
        slow.append((advice.T.tolist(), n, right.tolist()))
    found = exp4p(steps, parts, horizon)
    assert found == pytest.approx(slow_exp4p(slow, parts, horizon), rel=1e-9)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= min(1 / parts, math.sqrt(math.log(parts) / (parts * horizon))) - 1e-12


def test_a_part_whose_rows_teach_gains():
    def after(right):
        advice = np.array([[1.0], [0.0], [0.01]])
        return exp4p([Step(advice, 100, np.full(t + 1, right)) for t in range(20)], 3, 20)

    assert after(True)[0] > after(False)[0] + 1e-4


def slow_chances(names, groups, horizon, seed):
    """Replay with a new model for every step and every part asked through `select`."""
    known, steps, asked = [], [], []
    for t, group in enumerate(groups):
        if t and len(set(Y[known].tolist())) > 1:
            before, free = sorted(known), sorted(set(range(len(X))) - set(known))
            model = SoftmaxRegression().fit(X[before], Y[before])
            told = {"labeled_rows": np.array(before), "labeled_y": Y[before]}
            picks = [
                select(X, free, model, name, k=len(group), seed=seed, given=told).rows.tolist() for name in names
            ]  # fmt: skip
            group = sorted(group)
            asked += group
            later = sorted(known + group)
            model = SoftmaxRegression().fit(X[later], Y[later])
            right = [bool(model.predict(X[[row]])[0] == Y[row]) for row in asked]
            rows = [[*((row in its) / len(group) for its in picks), 1 / len(free)] for row in group]
            steps.append((rows, len(free), right))
        known += list(group)
    return slow_exp4p(steps, len(names) + 1, horizon)


@pytest.mark.parametrize(("size", "seed"), [(1, 0), (1, 5), (3, 1)])
def test_albl_draws_from_the_chances_of_the_replayed_past(size, seed):
    names = ("margin", "k_center")
    strategy = albl(*names, horizon=30)
    for m in (6, 12, 15):
        groups = [ORDER[i : i + size].tolist() for i in range(0, m, size)]
        chance = slow_chances(names, groups, 30, seed)
        labeled, free = ORDER[:m], np.setdiff1d(np.arange(60), ORDER[:m])
        model = SoftmaxRegression().fit(X[np.sort(labeled)], Y[np.sort(labeled)])
        told = {"labeled_rows": labeled, "labeled_y": Y[labeled]}
        picks = [select(X, free, model, name, k=size, seed=seed, given=told).rows for name in names]
        q = np.full(len(free), chance[-1] / len(free))
        for part, its in zip(chance, picks, strict=False):
            q[np.isin(free, its)] += part / size
        lots = signals.noise(free, seed + 2**32 * (1 + m))
        best = np.argsort(-(np.log(q) + gumbel(lots)))[:size]
        found = ask(strategy, labeled, size, seed, order=np.arange(m) // size)
        assert found.rows.tolist() == free[best].tolist()
        assert found.scores == pytest.approx(q[best], rel=1e-6)


def test_rows_are_drawn_by_their_chance():
    labeled, draws = ORDER[:5], 800
    free = np.setdiff1d(np.arange(60), labeled)
    strategy = albl("margin", "k_center", horizon=5)
    count = np.zeros(60)
    for seed in range(draws):
        count[ask(strategy, labeled, seed=seed).rows] += 1
    picks = [ask(name, labeled).rows[0] for name in ("margin", "k_center")]
    everywhere = count[np.setdiff1d(free, picks)]
    for row in picks:  # each a third, or 0.29 at least after some steps, and its share of the uniform draws
        assert count[row] > 0.25 * draws
    # about a third spread over 53 rows
    assert 0.22 * draws < everywhere.sum() < 0.45 * draws
    assert (everywhere > 0).sum() > 40


# ── the past ────────────────────────────────────────────────────────────────────────────────


class Counting(SoftmaxRegression):
    fits = 0

    def fresh(self):
        return Counting()

    def fit(self, X, y):
        Counting.fits += 1
        return super().fit(X, y)


def test_a_step_costs_one_training_and_remembering_changes_nothing():
    learner = Counting()
    for m in (10, 11, 12):
        learner.fit(X[ORDER[:m]], Y[ORDER[:m]])
        Counting.fits = 0
        warm = ask("albl", ORDER[:m], learner=learner)
        if m > 10:
            assert Counting.fits == 1
        learning._memory.clear()
        cold = ask("albl", ORDER[:m], learner=learner)
        assert Counting.fits > 6
        assert (warm.rows.tolist(), warm.scores.tolist()) == (cold.rows.tolist(), cold.scores.tolist())


def test_the_past_is_that_of_the_arrays_learner_and_seed_at_hand():
    first = ask("albl", ORDER[:20])
    size = len(learning._memory)
    ask("albl", ORDER[:20])
    assert len(learning._memory) == size
    for options in ({"seed": 4}, {"learner": SoftmaxRegression(C=0.1).fit(X[ORDER[:20]], Y[ORDER[:20]])}):
        ask("albl", ORDER[:20], **options)
        assert len(learning._memory) > size
        size = len(learning._memory)
    free = np.setdiff1d(np.arange(60), ORDER[:20])
    told = {"labeled_rows": ORDER[:20], "labeled_y": Y[ORDER[:20]]}
    select(X.copy(), free, SoftmaxRegression().fit(X[ORDER[:20]], Y[ORDER[:20]]), "albl", k=1, given=told)
    assert len(learning._memory) > size
    assert ask("albl", ORDER[:20]).scores.tolist() == first.scores.tolist()


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(learning, "REMEMBERED", 5)
    before = ask("albl", ORDER[:20])
    assert len(learning._memory) == 5
    assert ask("albl", ORDER[:20]).rows.tolist() == before.rows.tolist()


def test_no_more_than_the_horizon_is_gone_through():
    learner = Counting().fit(X[ORDER[:40]], Y[ORDER[:40]])
    Counting.fits = 0
    ask(albl("margin", horizon=4), ORDER[:40], learner=learner)
    assert Counting.fits == 5  # before each of four steps, and after the last


def test_the_order_of_the_labels_counts_and_can_be_given():
    labeled, mixed = ORDER[:25], np.random.default_rng(2).permutation(25)
    straight = ask("albl", labeled)
    told = ask("albl", labeled[mixed], order=mixed)
    assert (told.rows.tolist(), told.scores.tolist()) == (straight.rows.tolist(), straight.scores.tolist())
    engines = []

    class Spy(Combinator):
        def choose(self, engine, rows, k, spare):
            engines.append(get("albl").chances(engine, rows))
            return engine.run(get("random"), rows, k, spare)

    for order in (np.arange(25), np.arange(25)[::-1], np.arange(25) // 5):
        ask(Spy("spy"), labeled, order=order)
    assert np.abs(engines[0] - engines[1]).max() > 1e-6
    assert np.abs(engines[0] - engines[2]).max() > 1e-6


def test_pending_rows_are_no_past_but_no_candidates_either():
    seen = []

    class Spy(Combinator):
        def choose(self, engine, rows, k, spare):
            seen.append((engine.history()[0].tolist(), get("albl").chances(engine, rows)))
            return engine.pending(rows[:2]).run(get("albl"), rows[2:], k, spare)

    labeled, waiting = ORDER[:12], ORDER[12:15]
    rows = np.append(labeled, waiting)
    answers = np.append(Y[labeled], [-1, -1, -1])
    free = np.setdiff1d(np.arange(60), rows)
    learner = SoftmaxRegression().fit(X[labeled], Y[labeled])
    found = select(
        X, free, learner, Spy("spy"), k=4, given={"labeled_rows": rows, "labeled_y": answers, "n_labeled": 12}
    )
    assert seen[0][0] == sorted(labeled.tolist())
    assert not set(found.rows.tolist()) & {*rows.tolist(), *free[:2].tolist()}
    ask(Spy("spy"), labeled)
    assert np.array_equal(seen[0][1], seen[1][1])  # in the past they could have been asked


def test_a_session_says_which_rows_were_asked_together():
    seen = []

    class Spy(Combinator):
        def choose(self, engine, rows, k, spare):
            seen.append(engine.history())
            return engine.run(get("albl"), rows, k, spare)

    with Session(X, classes=["0", "1", "2"], strategy=Spy("spy"), seed=1, audit_share=0.0) as session:
        batches = []
        for _ in range(5):
            queries = session.ask(3)
            batches.append(sorted(query.row for query in queries))
            for query in queries:
                session.tell(query, str(Y[query.row]))
            session.refresh()
    rows, y, order = seen[-1]
    assert y.tolist() == Y[rows].tolist()
    groups = [sorted(rows[order == number].tolist()) for number in np.unique(order)]
    assert groups == batches


# ── edges ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "make",
    [
        lambda: albl("margin"),
        lambda: albl("margin", mix(("entropy", 1), ("k_center", 1)), horizon=3),
        lambda: albl("random", "typiclust"),
        lambda: mix((albl("margin"), 1), ("random", 1)),
    ],
)
def test_combinations_pass_the_kit(make):
    testing.check_strategy(make())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: albl("margin", horizon=0), "1 step or more"),
        (lambda: albl("random"), "beside random"),
        (lambda: albl("margn"), "Did you mean 'margin'"),
    ],
)
def test_mistakes_have_a_message(make, words):
    with pytest.raises(BadInput, match=words):
        make()


def test_what_is_missing_is_named():
    learner = SoftmaxRegression().fit(X[:20], Y[:20])
    with pytest.raises(BadInput, match="labeled_y"):
        select(X, np.arange(20, 60), learner, "albl", given={"labeled_rows": np.arange(20)})
    with pytest.raises(BadInput, match="labeled_rows"):
        select(X, np.arange(20, 60), learner, "albl", given={"labeled": X[:20], "labeled_y": Y[:20]})
    told = {"labeled_rows": np.arange(20), "labeled_y": Y[:20], "proba": learner.predict_proba(X)}
    with pytest.raises(BadInput, match="a learner that it can train"):
        select(X, np.arange(20, 60), None, "albl", given=told)
    with pytest.raises(BadInput, match="labeled_order"):
        ask("albl", ORDER[:20], order=np.arange(19))


def test_before_two_classes_every_part_has_the_same_chance():
    same = np.flatnonzero(Y == 0)[:6]
    learner = SoftmaxRegression().fit(X[same], Y[same])
    found = ask(albl("margin", "k_center"), same, learner=learner)
    picks = {ask(name, same, learner=learner).rows[0] for name in ("margin", "k_center")}
    low = 1 / 3 / 54
    assert found.scores[0] == pytest.approx(1 / 3 + low if found.rows[0] in picks else low)


def test_parts_that_propose_too_little_leave_it_to_chance():
    class Nothing(Combinator):
        def choose(self, engine, rows, k, spare):
            return Selection(rows[:0], np.zeros(0), self.name)

    found = ask(albl(Nothing("nothing")), ORDER[:10], k=4)
    assert len(found.rows) == 4
    assert found.scores == pytest.approx(1 / 50)


def test_an_unfitted_learner_has_its_settings_and_no_memory():
    from sklearn.linear_model import LogisticRegression

    from askwise.learners import adapt

    ours = SoftmaxRegression(C=0.5, class_weight=None, calibrate=False, tol=1e-3, max_iter=7).fit(X, Y)
    new = unfitted(ours)
    assert not hasattr(new, "coef_")
    assert [getattr(new, name) for name in ("C", "class_weight", "calibrate", "tol", "max_iter")] == [
        0.5, None, False, 1e-3, 7,
    ]  # fmt: skip
    theirs = unfitted(adapt(LogisticRegression(C=0.2)).fit(X, Y))
    assert not hasattr(theirs, "classes_")
    assert not hasattr(theirs.estimator, "coef_")
    assert theirs.estimator.C == 0.2

    class Plain:
        def fit(self, X, y):
            self.seen = len(X)

    plain = Plain()
    copied = unfitted(plain)
    copied.fit(X, Y)
    assert not hasattr(plain, "seen")


def test_a_learner_that_cannot_be_written_down_is_its_own_identity():
    class Local(SoftmaxRegression):  # local classes cannot be pickled
        def fresh(self):
            return Local()

    learner = Local().fit(X[ORDER[:20]], Y[ORDER[:20]])
    first = ask("albl", ORDER[:20], learner=learner)
    size = len(learning._memory)
    assert ask("albl", ORDER[:20], learner=learner).rows.tolist() == first.rows.tolist()
    assert len(learning._memory) == size


def test_strategies_without_a_past_are_not_asked_for_one():
    mine = Strategy("mine", lambda labeled_order, noise: noise + labeled_order.sum())
    assert len(ask(mine, ORDER[:5]).rows) == 1
