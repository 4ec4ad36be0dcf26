"""Expected change, expected error, Fisher information and gradient embeddings against slow, obvious references."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import root
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from askwise import engine, signals, strategies, testing
from askwise.batch import gradient
from askwise.core import BadInput
from askwise.learners import SoftmaxRegression, adapt
from askwise.learners.whitening import Whitening, softmax_curvature
from askwise.scores import change, fisher, kernel
from askwise.strategies import Strategy
from askwise.strategies.change import Screened

SEEDS = st.integers(0, 10_000)
ONES = np.ones(60)


def problem(seed, n=12, m=9, classes=3, r=4):
    """Candidates and a sample: probabilities and whitened rows."""
    rng = np.random.default_rng(seed)
    P, Q = rng.dirichlet(np.ones(classes), n), rng.dirichlet(np.ones(classes), m)
    return P, rng.normal(size=(n, r)), Q, rng.normal(size=(m, r))


def curvature(p):
    return np.diag(p) - np.outer(p, p)


def softmax(Z):
    E = np.exp(Z - Z.max(-1, keepdims=True))
    return E / E.sum(-1, keepdims=True)


# ── the signal ──────────────────────────────────────────────────────────────────────────────


def groups(seed, n, d=5, classes=3, spread=1.0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    return spread * rng.normal(size=(classes, d))[y] + rng.normal(size=(n, d)), y


def test_whitened_rows_are_those_of_the_inverse_curvature():
    X, y = groups(0, 40)
    learner = SoftmaxRegression(2.0, class_weight=None, calibrate=False).fit(X, y)
    P = learner.predict_proba(X)
    A = np.append(X - X.mean(0), np.ones((40, 1)), axis=1)
    H = sum((1 - (p @ p)) / 2 * np.outer(a, a) for p, a in zip(P, A, strict=True))
    H += np.diag([1 / 2.0] * 5 + [1e-2])
    F = learner.whiten(X)
    assert F.dtype == np.float32
    products = F @ F.T
    assert products == pytest.approx(A @ np.linalg.inv(H) @ A.T, rel=1e-3, abs=1e-4)
    narrow = learner.fit(sparse.csr_matrix(X), y).whiten(sparse.csr_matrix(X))
    assert narrow @ narrow.T == pytest.approx(F @ F.T, rel=1e-2, abs=1e-2)


def test_whitened_follows_the_last_fit_whatever_the_temperature():
    X, y = groups(1, 60)
    learner = SoftmaxRegression(calibrate=False).fit(X[:20], y[:20])
    before = learner.whiten(X)
    assert (learner.fit(X, y).whiten(X) ** 2).sum() < (before**2).sum()
    warm = learner.whiten(X)
    learner.temperature_ = 4.0
    learner._whitening = None
    assert learner.whiten(X) == pytest.approx(warm, rel=1e-3, abs=1e-5)
    assert signals.temperature(learner, X[:3]).tolist() == [4, 4, 4]
    assert signals.temperature(None, X[:2]).tolist() == [1, 1]


def test_curvature_is_the_mean_of_the_eigenvalues_that_count():
    P = np.random.default_rng(0).dirichlet(np.ones(4), 5)
    expected = [np.sort(np.linalg.eigvalsh(curvature(p)))[1:].mean() for p in P]
    assert softmax_curvature(P) == pytest.approx(expected)
    assert softmax_curvature(np.ones((2, 1))).tolist() == [0, 0]


def test_whitening_without_rows_is_the_prior():
    F = Whitening(np.zeros((0, 3)), np.zeros(0), 4.0)(np.eye(3))
    assert F[:, :3] == pytest.approx(np.eye(3) / 2)


def test_every_classifier_can_stand_in():
    X, y = groups(2, 30)
    assert adapt(LogisticRegression()).fit(X, y).whiten(X[:7]).shape[0] == 7


# ── looking ahead ───────────────────────────────────────────────────────────────────────────


@given(SEEDS, st.integers(2, 6), st.floats(0, 200))
def test_the_own_step_solves_its_equation(seed, classes, own):
    rng = np.random.default_rng(seed)
    p, offset = rng.dirichlet(np.ones(classes)), rng.normal(size=classes)
    for y in range(classes):
        s = change.own_step(p[None], np.array([own]), np.array([y]), offset[None])[0]
        assert s == pytest.approx(np.eye(classes)[y] - softmax(np.log(p) + offset + own * s), abs=2e-3)


OUTCOMES = {
    "expected_error_reduction": lambda P, Q: -(Q * np.log(Q)).sum(1).mean() + (P * np.log(P)).sum(1).mean(),
    "expected_mistake_reduction": lambda P, Q: P.max(1).mean() - Q.max(1).mean(),
    "value_of_information": lambda P, Q: (P**2).sum(1).mean() - (Q**2).sum(1).mean(),
    "expected_model_output_change": lambda P, Q: np.abs(P - Q).sum(1).mean(),
}


def refit_in_two_steps(p, f, y, Q, G, L, A, T):
    """What `look_ahead` does for one row and one answer, as its docstring says."""
    classes = len(p)
    p, L = softmax(T * np.log(p)), softmax(T * np.log(L))  # as they were before they were calibrated

    def own(offset):
        """s = e_y - p(after)."""
        start = np.eye(classes)[y] - p
        return root(lambda s: np.eye(classes)[y] - softmax(np.log(p) + offset + f @ f * s) - s, start, method="lm").x

    move = np.outer(A @ f, own(0))
    bend = (1 - (L**2).sum(1)) / (classes - 1)
    rest = bend[:, None] * move - (softmax(np.log(L) + move) - L)
    return softmax(np.log(Q) + (np.outer(G @ f, own(rest.T @ (A @ f))) + G @ A.T @ rest) / T)


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize(("seed", "classes", "T"), [(0, 2, 1.0), (1, 3, 1.0), (2, 4, 0.5), (3, 3, 2.0)])
def test_looking_ahead_is_the_loop_over_rows_and_answers(name, seed, classes, T):
    P, F, Q, G = problem(seed, n=3, m=4, classes=classes)
    L, A, _, _ = problem(seed + 1, n=5, classes=classes)
    Q = np.maximum(Q, 1e-4)
    Q /= Q.sum(1, keepdims=True)
    expected = [
        sum(
            p[y] * OUTCOMES[name](np.maximum(refit_in_two_steps(p, f, y, Q, G, L, A, T), 1e-30), Q)
            for y in range(classes)
        )
        for p, f in zip(P, F, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(change, "BLOCK", 40)
        assert getattr(change, name)(P, F, Q, G, L, A, np.full(3, T)) == pytest.approx(
            np.array(expected), rel=1e-2, abs=2e-4
        )


def test_only_the_likeliest_answers_are_imagined():
    P, F, Q, G = problem(0, classes=6)
    P[:, 4:] = 1e-9
    P /= P.sum(1, keepdims=True)
    whole = change.look_ahead(P, F, Q, G, Q[:5], G[:5], ONES, change._change, labels=6)
    assert change.look_ahead(P, F, Q, G, Q[:5], G[:5], ONES, change._change, labels=4) == pytest.approx(whole, rel=1e-4)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(2, 4), st.floats(0.5, 2), st.floats(1, 1000))
def test_priced_information_is_the_loop_over_rows_and_answers(seed, classes, T, items):
    """Kapoor, Horvitz & Basu (2007), equation by equation: risk before, risk after each answer, price of the answer."""
    rng = np.random.default_rng(seed)
    P, F, Q, G = problem(seed, n=2, m=4, classes=classes)
    L, A, _, _ = problem(seed + 1, n=5, classes=classes)
    Q = np.maximum(Q, 1e-4)
    Q /= Q.sum(1, keepdims=True)
    C, prices, cost = rng.random((classes, classes)), rng.random(classes), rng.random(2)

    def risk(R):
        pairs = [(y, guess) for y in range(classes) for guess in range(classes)]
        return np.mean([sum(r[y] * r[guess] * C[y, guess] for y, guess in pairs) for r in R])

    saved = np.array([
        sum(
            p[y] * (items * (risk(Q) - risk(refit_in_two_steps(p, f, y, Q, G, L, A, T)))) for y in range(classes)
        )
        for p, f in zip(P, F, strict=True)
    ])  # fmt: skip
    names = [f"c{y}" for y in range(classes)]
    # costs come in the order of the names, columns in that of the classes
    turned = rng.permutation(classes)
    C2, prices2 = C[np.ix_(turned, turned)], prices[turned]
    fixed = {"names": [names[y] for y in turned], "costs": C2.tolist(), "items": items}
    inputs = P, F, Q, G, L, A, np.full(2, T), np.array(names)
    close = {"rel": 1e-2, "abs": 3e-4 * items}
    found = change.priced_information(*inputs, **fixed, prices=prices2.tolist())
    assert found == pytest.approx(saved - P @ prices, **close)
    assert change.information_at_cost(*inputs, cost, **fixed) == pytest.approx(saved - cost, **close)


def test_with_unit_costs_priced_information_is_the_value_of_information():
    P, F, Q, G = problem(3, classes=3)
    inputs = P, F, Q, G, Q[:5], G[:5], ONES
    names, unit = ["a", "b", "c"], 1 - np.eye(3)
    priced = change.priced_information(
        *inputs, np.array(names), names=names, costs=unit.tolist(), prices=[0, 0, 0], items=1.0
    )
    assert priced == pytest.approx(change.value_of_information(*inputs), abs=1e-6)


def test_value_of_information_takes_costs_of_classes_and_of_items():
    voi = strategies.change.value_of_information
    testing.check_strategy(voi(["c", "b", "a"], 90, costs=[[0, 9, 1], [2, 0, 1], [1, 1, 0]], prices=[1, 2, 3]))
    testing.check_strategy(voi(["a", "b", "c"], 90))  # the kit gives costs of the items
    with pytest.raises(BadInput, match="also knows"):
        testing.check_strategy(voi(["a", "b"], 90, prices=[1, 1]))


@pytest.mark.parametrize(
    ("items", "more"),
    [
        (0, {}), (float("nan"), {}), (9, {"costs": [[0, 1]]}), (9, {"costs": [[0, -1], [1, 0]]}),
        (9, {"prices": [1]}), (9, {"prices": [1, float("inf")]}), (9, {"prices": [1, -1]}),
    ],
)  # fmt: skip
def test_value_of_information_refuses_costs_that_are_none(items, more):
    with pytest.raises(BadInput, match="number"):
        strategies.change.value_of_information(["a", "b"], items, **more)


@pytest.mark.parametrize("name", OUTCOMES)
def test_one_class_teaches_nothing_and_steep_steps_stay_finite(name):
    score = getattr(change, name)
    P, F, Q, G = problem(4, classes=1)
    assert score(P, F, Q, G, Q, G, ONES) == pytest.approx(np.zeros(len(P)), abs=1e-12)
    P, F, Q, G = problem(4)
    certain = np.eye(3)[np.zeros(9, int)]
    for known in (certain, Q, Q[:0]):
        assert np.isfinite(score(P, 100 * F, certain, 100 * G, known, 100 * G[: len(known)], ONES)).all()


@pytest.mark.parametrize(
    ("seed", "m", "classes", "d", "temperature"),
    [(0, 25, 2, 4, 1), (1, 25, 3, 6, 1), (2, 25, 4, 8, 0.5), (3, 30, 3, 10, 1), (4, 40, 4, 50, 0.5)],
)
def test_expected_error_ranks_as_exact_refits_do(seed, m, classes, d, temperature):
    X, y = groups(seed, m + 150, d, classes)
    X /= np.sqrt(d)
    labeled, free = np.arange(m), np.arange(m, m + 30)
    learner = SoftmaxRegression(5.0, class_weight=None, calibrate=False, tol=1e-9).fit(X[labeled], y[labeled])
    learner.temperature_ = temperature
    P, Q, L = (learner.predict_proba(X[rows]) for rows in (free, slice(m, None), labeled))
    F, G, A = (learner.whiten(X[rows]) for rows in (free, slice(m, None), labeled))
    exact = {loss: np.zeros(len(free)) for loss in OUTCOMES}
    for i, row in enumerate(free):
        for c in range(classes):
            X_more, y_more = X[np.append(labeled, row)], np.append(y[labeled], c)
            again = copy.copy(learner).fit(X_more, y_more)  # from the last weights
            again.temperature_ = temperature
            after = np.maximum(again.predict_proba(X[m:]).astype(float), 1e-30)
            for loss, value in OUTCOMES.items():
                exact[loss][i] += P[i, c] * value(after, Q.astype(float))
    for loss, refitted in exact.items():
        closed = getattr(change, loss)(P, F, Q, G, L, A, np.full(30, temperature))
        assert spearmanr(closed, refitted).statistic > (0.85 if loss == "expected_error_reduction" else 0.8), loss


# ── Fisher information ──────────────────────────────────────────────────────────────────────


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 4))
def test_variance_reduction_is_that_of_the_whole_hessian(seed, classes):
    P, F, Q, G = problem(seed, n=5, m=4, classes=classes, r=3)

    def variance(H):
        inverse = np.linalg.inv(H)
        total = 0.0
        for q, g in zip(Q, G, strict=True):
            J = np.kron(g[None], curvature(q))  # (classes, r * classes): how the probabilities move with the weights
            total += np.trace(J @ inverse @ J.T)
        return total / len(Q)

    prior = np.eye(3 * classes)
    expected = [
        variance(prior) - variance(prior + np.kron(np.outer(f, f), curvature(p))) for p, f in zip(P, F, strict=True)
    ]
    assert fisher.variance_reduction(P, F, Q, G) == pytest.approx(np.array(expected), rel=1e-3, abs=1e-5)


def trace(W, F, V, G, picked):
    """Σ_c tr(H_c⁻¹ M_c) with every matrix built."""
    total = 0.0
    for c in range(W.shape[1]):
        H = np.eye(F.shape[1]) + sum((W[i, c] * np.outer(F[i], F[i]) for i in picked), np.zeros((F.shape[1],) * 2))
        M = (G * V[:, [c]]).T @ G / len(G)
        total += np.trace(np.linalg.solve(H, M))
    return total


def forward_backward(W, F, V, G, k):
    picked = []
    for _ in range(min(2 * k, len(F))):
        left = [i for i in range(len(F)) if i not in picked]
        picked.append(min(left, key=lambda i: trace(W, F, V, G, [*picked, i])))
    while len(picked) > k:
        picked.remove(min(picked, key=lambda i: trace(W, F, V, G, [j for j in picked if j != i])))
    return picked


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 5), st.integers(2, 4))
def test_bait_is_the_greedy_choice_with_every_matrix_built(seed, k, classes):
    P, F, Q, G = problem(seed, n=9, m=7, classes=classes, r=3)
    picked = gradient.bait(P, F, Q, G, np.zeros(9), k)
    assert picked.tolist() == forward_backward(P * (1 - P), F, Q * (1 - Q), G, k)
    ones, many = np.ones((9, 1)), np.ones((7, 1))
    assert gradient.bait_regression(F, G, np.zeros(9), k).tolist() == forward_backward(ones, F, many, G, k)


@given(SEEDS)
def test_the_first_gain_is_the_fall_of_the_trace(seed):
    P, F, Q, G = problem(seed)
    W, V = P * (1 - P), Q * (1 - Q)
    before = trace(W, F, V, G, [])
    expected = [before - trace(W, F, V, G, [i]) for i in range(len(P))]
    assert fisher.fisher_gain(P, F, Q, G) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)
    one = np.ones((len(F), 1)), np.ones((len(G), 1))
    before = trace(one[0], F, one[1], G, [])
    expected = [before - trace(one[0], F, one[1], G, [i]) for i in range(len(P))]
    assert fisher.fisher_gain_regression(F, G) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)


def test_an_information_that_came_and_went_leaves_nothing():
    P, F, Q, G = problem(5)
    state = gradient._Information(P * (1 - P), F, Q * (1 - Q), G)
    own, spread = state.own.copy(), state.spread.copy()
    for sign in (1, -1):
        for i in (3, 1, 7):
            state.add(i, sign)
    assert state.own == pytest.approx(own)
    assert state.spread == pytest.approx(spread)


def test_bait_stands_a_nearly_flat_prior():
    """Rows whose variance is a million times the noise: what is left of it after picks must not drown in rounding."""
    _, F, _, G = problem(7, n=60, m=30, r=12)
    F, G = (1e3 * A.astype(np.float32) for A in (F, G))
    picked = gradient.bait_regression(F, G, np.zeros(60), 20)
    assert len(set(picked.tolist())) == 20
    ones = np.ones((60, 1)), np.ones((30, 1))
    chance = np.random.default_rng(0).choice(60, 20, replace=False)
    assert trace(ones[0], F, ones[1], G, picked.tolist()) < trace(ones[0], F, ones[1], G, chance.tolist())


def test_bait_leaves_twins_apart():
    P, F, Q, G = problem(6, n=6)
    twins = np.repeat(np.arange(6), 2)
    picked = gradient.bait(P[twins], 3 * F[twins], Q, G, np.zeros(12), 4)
    assert len(set(picked // 2)) == 4


# ── BADGE ───────────────────────────────────────────────────────────────────────────────────


def gradients(P, X):
    A = P - np.eye(P.shape[1])[P.argmax(1)]
    return np.stack([np.outer(a, x).ravel() for a, x in zip(A, X, strict=True)])


def badge_law(P, X, k):
    """The probability of every sequence, from gradients that are built."""
    g = gradients(P, X)
    start = int((g**2).sum(1).argmax())
    law = {(start,): 1.0}
    for _ in range(k - 1):
        longer = {}
        for picked, chance in law.items():
            D = np.min([((g - g[i]) ** 2).sum(1) for i in picked], axis=0)
            for i in np.flatnonzero(D > 1e-12):
                longer[*picked, int(i)] = chance * D[i] / D.sum()
        law = longer
    return law


@pytest.mark.parametrize("seed", [0, 1])
def test_badge_draws_by_the_law_of_k_means_plus_plus(seed):
    rng = np.random.default_rng(seed)
    P, X = rng.dirichlet(np.ones(3), 6), rng.normal(size=(6, 4))
    law = badge_law(P, X, 4)
    draws = 6000
    seen = dict.fromkeys(law, 0)
    for i in range(draws):
        seen[tuple(gradient.badge(P, X, np.zeros(6), 4, np.random.default_rng(i)).tolist())] += 1
    expected = np.array([draws * chance for chance in law.values()])
    distance = float(((np.array(list(seen.values())) - expected) ** 2 / expected).sum())
    # chi-squared: mean = degrees of freedom f, standard deviation √(2 f); five of them leave no room for luck
    f = len(law) - 1
    assert distance < f + 5 * (2 * f) ** 0.5


@given(SEEDS, st.integers(2, 30), st.integers(0, 35))
def test_badge_gives_different_rows_and_the_longest_first(seed, n, k):
    rng = np.random.default_rng(seed)
    P, X = rng.dirichlet(np.ones(3), n), rng.normal(size=(n, 4))
    copies = rng.integers(0, n, n)
    picked = gradient.badge(P[copies], X[copies], rng.random(n), k, rng)
    assert len(set(picked.tolist())) == len(picked) == min(k, n)
    if k:
        length = (gradients(P, X)[copies] ** 2).sum(1)
        assert length[picked[0]] == pytest.approx(length.max())
    different = len(set(copies.tolist()))
    assert len(set(copies[picked[:different]].tolist())) == min(k, different)  # copies come last


def test_badge_distances_are_those_of_built_gradients():
    rng = np.random.default_rng(1)
    P, X = rng.dirichlet(np.ones(4), 9), rng.normal(size=(9, 5))
    g = gradients(P, X)
    expected = ((g[:, None] - g[None]) ** 2).sum(-1)
    assert gradient._Gradients(P, X).between(slice(0, 9), [*range(9)]) == pytest.approx(expected, abs=1e-5)


def test_badge_reads_the_pool_a_few_times_only(monkeypatch):
    rng = np.random.default_rng(2)
    P, X = rng.dirichlet(np.ones(3), 5000), rng.normal(size=(5000, 8)).astype(np.float32)
    passes = []
    plain = gradient._Gradients.approach
    monkeypatch.setattr(gradient._Gradients, "approach", lambda *a: passes.append(1) or plain(*a))
    gradient.badge(P, X, rng.random(5000), 100, rng)
    assert len(passes) < 20


# ── determinants ────────────────────────────────────────────────────────────────────────────


def kernel_of(score, X):
    q = (score - score.min()) / (score.max() - score.min()) * 0.999 + 1e-3
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.outer(q, q) * (U @ U.T)


@given(SEEDS, st.integers(1, 4))
def test_max_det_is_the_greedy_choice_by_determinants(seed, k):
    rng = np.random.default_rng(seed)
    score, X = rng.random(8), rng.normal(size=(8, 4))
    L = kernel_of(score, X)
    picked = []
    for _ in range(k):
        left = [i for i in range(8) if i not in picked]
        picked.append(max(left, key=lambda i: np.linalg.det(L[np.ix_([*picked, i], [*picked, i])])))
    assert gradient.max_det(score, X, np.zeros(8), k).tolist() == picked


def test_k_dpp_draws_in_proportion_to_determinants():
    rng = np.random.default_rng(3)
    score, X = rng.random(6), rng.normal(size=(6, 3))
    L = kernel_of(score, X)
    sets = list(itertools.combinations(range(6), 2))
    weight = np.array([np.linalg.det(L[np.ix_(s, s)]) for s in sets])
    draws = 8000
    seen = dict.fromkeys(sets, 0)
    for i in range(draws):
        seen[tuple(sorted(gradient.k_dpp(score, X, np.zeros(6), 2, np.random.default_rng(i)).tolist()))] += 1
    expected = draws * weight / weight.sum()
    large = expected > 5
    distance = float(((np.array(list(seen.values())) - expected)[large] ** 2 / expected[large]).sum())
    f = int(large.sum()) - 1
    assert distance < f + 5 * (2 * f) ** 0.5


@pytest.mark.parametrize("rule", [gradient.max_det, gradient.k_dpp])
def test_where_rows_span_too_little_the_rest_comes_by_noise(rule):
    X = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 1]])
    noise = np.array([0.1, 0.2, 0.3, 0.5, 0.4])
    more = {"rng": np.random.default_rng(0)} if rule is gradient.k_dpp else {}
    picked = rule(np.ones(5), X, noise, 4, **more)
    assert len(set(picked.tolist())) == 4
    assert {int(X[i, 0]) for i in picked[:2]} == {0, 1}
    rest = [i for i in np.argsort(-noise) if i not in picked[:2]]
    assert picked[2:].tolist() == rest[:2]
    assert sorted(rule(np.ones(3), np.zeros((3, 2)), noise[:3], 3, **more).tolist()) == [0, 1, 2]


# ── QUIRE ───────────────────────────────────────────────────────────────────────────────────


def quire_of_the_paper(K, y, m):
    """Huang et al.'s objective with every inverse computed anew: rows 0..m-1 are labeled with y in {-1, 1}."""
    L = np.linalg.inv(K + np.eye(len(K)))
    known, scores = np.arange(m), []
    for s in range(m, len(K)):
        a = np.array([i for i in range(m, len(K)) if i != s], int)
        worst = []
        for guess in (-1, 1):
            v = L[np.ix_(a, known)] @ y + L[a, s] * guess
            value = L[s, s] + y @ L[np.ix_(known, known)] @ y + 2 * guess * (L[s, known] @ y)
            worst.append(value - v @ np.linalg.solve(L[np.ix_(a, a)], v) if len(a) else value)
        scores.append(max(worst))
    return np.array(scores)


@given(SEEDS, st.integers(1, 5), st.integers(2, 7))
def test_quire_is_the_objective_of_the_paper(seed, m, n):
    """The closed form needs no downdate; other libraries' downdates are wrong by up to 1e-2."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(m + n, 3)), rng.choice([-1, 1], m)
    center = X[:m].mean(0)
    width = 2 * ((X[:m] - center) ** 2).sum(1).mean()
    gamma = 1 / width if width > 0 else 1.0
    K = np.exp(-gamma * ((X[:, None] - X[None]) ** 2).sum(-1))
    paper = quire_of_the_paper(K, y, m)
    one_hot = np.stack([y < 0, y > 0], axis=1).astype(float)
    mine = -kernel.quire(X[m:], X[:m], one_hot)
    assert mine - mine[0] == pytest.approx(paper - paper[0], abs=1e-8)


def test_quire_without_labels_finds_all_rows_alike():
    assert len(set(kernel.quire(np.eye(3), np.zeros((0, 3)), np.zeros((0, 2))).tolist())) == 1


# ── strategies ──────────────────────────────────────────────────────────────────────────────


def test_the_strategies_are_there():
    for alias, name in {
        "eer": "expected_error_reduction", "eer_01": "expected_mistake_reduction", "voi": "value_of_information",
        "emoc": "expected_model_output_change", "a_optimality": "variance_reduction", "bait": "bait",
        "badge": "badge", "maxdet": "max_det", "dpp": "k_dpp", "quire": "quire",
    }.items():  # fmt: skip
        assert strategies.get(alias).name == name


def test_a_screen_shows_the_dear_strategy_few_rows():
    shown = []

    def dear(proba):
        shown.append(len(proba))
        return proba[:, 0]

    X, y = groups(0, 400)
    learner = SoftmaxRegression().fit(X[:20], y[:20])
    screened = Screened("screened", screen=Strategy("a"), then=Strategy("dear", dear), shortlist=3, least=10)
    found = engine.select(X, np.arange(20, 400), learner, screened, k=5, spare=2)
    assert len(found.rows) == 7
    assert sum(shown) == 21
    shown.clear()
    engine.select(X, np.arange(20, 400), learner, screened, k=1)
    assert sum(shown) == 10
    cold = engine.select(X, None, None, "eer", k=3)
    assert cold.strategy == "cold_cover"


def test_a_screen_draws_doubtful_rows_more_often():
    P = np.array([[0.5, 0.5], [0.99, 0.01], [1.0, 0.0]])
    H = -(P[:2] * np.log(P[:2])).sum(1)
    rng = np.random.default_rng(0)
    first = [int(change.entropy_draw(P, rng.random(3)).argmax()) for _ in range(4000)]
    share = np.bincount(first, minlength=3) / 4000
    assert share[0] == pytest.approx(H[0] / H.sum(), abs=0.02)
    assert share[2] == 0


@pytest.mark.parametrize("name", ["expected_error_reduction", "bait", "badge"])
def test_large_pools_are_cut_to_what_is_affordable(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 6)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    learner = SoftmaxRegression().fit(X[:60], y[:60])
    found = [
        engine.select(X, np.arange(60, 20_000), learner, name, k=5, chunk=chunk, given={"labeled_rows": np.arange(60)})
        for chunk in (4096, 20_000)
    ]
    assert len(set(found[0].rows.tolist())) == 5
    assert found[0].rows.tolist() == found[1].rows.tolist()
