"""Rules that join score and diversity, against slow references written from the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import strategies
from askwise.batch import cluster, contrast, frankwolfe, hierarchy, lazy, ranked, targeted
from askwise.batch.distances import unit
from askwise.core import BadInput
from askwise.engine import select
from askwise.scores import interpolation

SEEDS = st.integers(0, 10_000)


def points(seed, n, d=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def slow_ranked(score, E, L, k):
    """As modAL and cardinal compute it: all distances to everything labeled, again for each pick."""
    E, L, left, picked = E.astype(float), L.astype(float), list(range(len(E))), []
    for _ in range(k):
        a = len(left) / (len(left) + len(L))
        distance = np.array([np.sqrt(((E[i] - L) ** 2).sum(1)).min() for i in left])
        value = a * (1 - 1 / (1 + distance)) + (1 - a) * score[left]
        picked.append(left.pop(int(value.argmax())))
        L = np.vstack([L, E[picked[-1]]])
    return picked


@pytest.mark.parametrize("fresh", [1, 128])
@settings(deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(1, 25), st.integers(1, 15))
def test_ranked_batch_is_the_formula_of_its_paper(fresh, seed, n, m, k):
    E, L, score = points(seed, n), points(seed + 1, m), np.random.default_rng(seed).random(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "FRESH", fresh)
        found = ranked.ranked(score, E, L, np.zeros(n), min(k, n))
    assert found.tolist() == slow_ranked(score, E, L, min(k, n))


def test_ranked_batch_starts_in_the_middle_and_goes_on_by_the_formula():
    E, score = points(3, 30), np.random.default_rng(3).random(30)
    found = ranked.ranked(score, E, E[:0], np.zeros(30), 6)
    assert found[0] == ((E - E.mean(0)) ** 2).sum(1).argmin()
    left = np.delete(np.arange(30), found[0])
    assert found[1:].tolist() == left[slow_ranked(score[left], E[left], E[found[:1]], 5)].tolist()


def slow_mmr(score, E, L, k, diversity):
    U, V = unit(E).astype(float), list(unit(L).astype(float))
    value = (score - score.min()) / (score.max() - score.min())
    left, picked = list(range(len(E))), []
    for _ in range(k):
        worth = [(1 - diversity) * value[i] - diversity * max((U[i] @ v for v in V), default=0) for i in left]
        picked.append(left.pop(int(np.argmax(worth))))
        V.append(U[picked[-1]])
    return picked


@settings(deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(0, 12), st.integers(1, 10), st.floats(0.1, 0.9))
def test_mmr_is_the_formula_of_its_paper(seed, n, m, k, diversity):
    E, L, score = points(seed, n), points(seed + 1, m), np.random.default_rng(seed).random(n)
    found = ranked.mmr(score, E, L, np.zeros(n), min(k, n), diversity=diversity)
    assert found.tolist() == slow_mmr(score, E, L, min(k, n), diversity)


def test_mmr_without_spread_is_top_k():
    E, score = points(0, 20), np.random.default_rng(0).random(20)
    assert ranked.mmr(score, E, E[:3], np.zeros(20), 5, diversity=0).tolist() == np.argsort(-score)[:5].tolist()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 30), st.integers(1, 10), st.integers(2, 5))
def test_falcun_draws_by_its_law(seed, n, k, classes):
    """The paper's equations step by step, with the same random numbers."""
    rng = np.random.default_rng(seed)
    P, k = np.round(rng.dirichlet(np.ones(classes), n), 5), min(k, n)
    doubt = 1 - (np.sort(P)[:, -1] - np.sort(P)[:, -2])
    found = contrast.falcun(doubt, P, k, np.random.default_rng(seed))
    draws, distance, picked = np.random.default_rng(seed), doubt.copy(), []
    for _ in range(k):
        if picked:
            distance = np.array([min(distance[i], abs(P[i] - P[picked[-1]]).sum()) for i in range(n)])
            distance = distance - distance.min()
            distance = distance / (distance.max() or 1)
        chance = (doubt + distance) ** 10
        chance[picked] = 0
        if not chance.any():
            chance = np.array([float(i not in picked) for i in range(n)])
        picked.append(int(np.argmax(np.cumsum(chance) > draws.random() * chance.sum())))
    assert found.tolist() == picked


def test_falcun_on_certain_rows_is_uniform():
    found = contrast.falcun(np.zeros(6), np.tile([1.0, 0], (6, 1)), 6, np.random.default_rng(0))
    assert sorted(found.tolist()) == list(range(6))


def test_cluster_margin_goes_round_from_the_smallest_cluster():
    group = np.repeat([0, 1, 2, 3], [20, 10, 6, 4])
    E = (50 * np.eye(4)[group] + points(0, 40, 4)).astype(np.float32)
    score = np.random.default_rng(0).random(40)
    found = cluster.cluster_margin(score, E, np.zeros(40), 10)
    assert group[found].tolist() == [3, 2, 1, 0, 3, 2, 1, 0, 3, 2]
    for g in range(4):
        mine = found[group[found] == g]
        best = np.flatnonzero(group == g)
        assert mine.tolist() == best[np.argsort(-score[best])][: len(mine)].tolist()


def test_cluster_margin_takes_only_the_best_ten_per_row_asked():
    """Saturated clusters drop out of the rounds, and the filter holds."""
    E, score = points(1, 300, 2), np.random.default_rng(1).random(300)
    found = cluster.cluster_margin(score, E, np.zeros(300), 4)
    assert set(found) <= set(np.argsort(-score)[:40])
    everything = cluster.cluster_margin(score, E, np.zeros(300), 300)
    assert sorted(everything.tolist()) == list(range(300))


def test_cluster_margin_links_a_bounded_number_of_rows(monkeypatch):
    monkeypatch.setattr(cluster, "LINKED", 50)
    sizes = []
    plain = cluster.distances
    monkeypatch.setattr(cluster, "distances", lambda A, B: sizes.append(len(A)) or plain(A, B))
    cluster.cluster_margin(np.random.default_rng(0).random(500), points(0, 500), np.zeros(500), 3)
    assert sizes == [50]


@pytest.mark.parametrize("name", ["mmr", "fass", "cluster_margin", "uncertainty_herding", "diverse_margin", "clue"])
def test_a_batch_is_not_spent_on_copies_of_one_doubtful_row(name):
    """Plain margin asks thirty times the same thing."""
    rng = np.random.default_rng(0)
    E = rng.normal(size=(200, 5)).astype(np.float32)
    E[:30] = E[0]
    P = np.full((200, 2), 0.5)
    P[30:, 0] = rng.uniform(0.55, 0.8, 170)
    P[:, 1] = 1 - P[:, 0]
    plain = select(E, None, None, "margin", k=10, given={"proba": P}).rows
    found = select(E, None, None, name, k=10, given={"proba": P}).rows
    assert (plain < 30).all()
    assert (found < 30).sum() <= 4


# ── hierarchical sampling ───────────────────────────────────────────────────────────────────


def slow_cut(E, y, classes):
    """Dasgupta & Hsu (2008), by recursion over SciPy's own tree: (rows of the cluster, risk) of the best cut."""
    from scipy.cluster.hierarchy import linkage, to_tree

    def look(node, inherited):
        rows = node.pre_order()
        answers = [y[i] for i in rows if y[i] >= 0]
        low, high, share = [0.0] * classes, [1.0] * classes, [0.0] * classes
        if answers:
            for c in range(classes):
                p = share[c] = np.mean([a == c for a in answers])
                slack = 1 / len(answers) + np.sqrt(p * (1 - p) / len(answers))
                low[c], high[c] = max(p - slack, 0), min(p + slack, 1)
        settled = inherited | {
            c
            for c in range(classes)
            if 1 - low[c] < 2 * min((1 - high[d] for d in range(classes) if d != c), default=1)
        }
        wrong = [1 - share[c] if c in settled else 1.0 for c in range(classes)]
        own, label = min(wrong), int(np.argmin(wrong))
        here = (own, [(frozenset(rows), 1 - low[label] if own < 1 else 1.0)])
        if node.is_leaf():
            return here
        left, right = look(node.left, settled), look(node.right, settled)
        below = (node.left.count * left[0] + node.right.count * right[0]) / node.count
        return here if own <= below + 1e-12 else (below, left[1] + right[1])

    return set(look(to_tree(linkage(E.astype(float), "ward")), set())[1])


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(2, 3), st.floats(0, 1))
def test_the_cut_of_the_tree_is_the_paper_s(seed, n, classes, asked):
    rng = np.random.default_rng(seed)
    E = points(seed, n)
    y = np.where(rng.random(n) < asked, (E[:, 0] > 0) * (classes - 1), -1)
    y = np.where((rng.random(n) < 0.1) & (y >= 0), rng.integers(0, classes, n), y)
    tree = hierarchy.Tree.of(E, y)
    cut, risk = tree.cut()
    found = {(frozenset(tree.leaves(v).tolist()), round(float(r), 9)) for v, r in zip(cut, risk, strict=True)}
    assert found == {(rows, round(float(r), 9)) for rows, r in slow_cut(E, y, max(1, int(y.max()) + 1))}
    assert sorted(i for v in cut for i in tree.leaves(v)) == list(range(n))


def test_hierarchical_sampling_looks_into_mixed_clusters():
    """A pure cluster of 100 rows with 30 answers is left alone mostly, a mixed one of the same size is not."""
    rng = np.random.default_rng(0)
    E = np.concatenate([rng.normal(size=(100, 2)), 40 + rng.normal(size=(100, 2))]).astype(np.float32)
    labeled = np.concatenate([np.arange(30), 100 + np.arange(30)])
    y = np.concatenate([np.zeros(30, int), rng.integers(0, 2, 30)])
    free = np.setdiff1d(np.arange(200), labeled)
    given = {"labeled_rows": labeled, "labeled_y": y}
    asked = [(select(E, free, None, "hierarchical", k=10, seed=s, given=given).rows >= 100).mean() for s in range(10)]
    assert np.mean(asked) > 0.8


def test_hierarchical_sampling_without_answers_is_random():
    E = np.concatenate([np.zeros((10, 1)), np.full((90, 1), 9.0)]).astype(np.float32)
    none = np.zeros(0, int)
    hits = [
        (hierarchy.hierarchical(E, E[:0], none, np.zeros(100), 10, np.random.default_rng(s)) < 10).sum()
        for s in range(200)
    ]
    assert np.mean(hits) == pytest.approx(1, abs=0.25)


def test_published_names_of_hybrids_resolve():
    for alias, name in {
        "weighted_kmeans": "diverse_margin", "density_weighted": "information_density",
        "uherding": "uncertainty_herding",
        "probcover": "prob_cover", "dropquery": "drop_query", "maxherding": "max_herding", "dal": "discriminative",
    }.items():  # fmt: skip
        assert strategies.get(alias).name == name


# ── ALFA-Mix ────────────────────────────────────────────────────────────────────────────────


def linear_problem(seed, n=25, m=8, d=3, classes=3):
    """Rows, labeled rows with answers, and a softmax model that is linear in the rows."""
    rng = np.random.default_rng(seed)
    E, L, y = points(seed, n, d), points(seed + 1, m, d), rng.integers(-1, classes, m)
    W, b = rng.normal(size=(classes, d)), rng.normal(size=classes)
    return E, L, y, W, b, np.random.default_rng(seed + 2).normal(size=(40, d))


def slow_alfa(z, anchors, W, b, epsilons):
    """Parvaneh et al. (2022), equation 5: the first of some ε whose mixture with any anchor changes the label."""

    def p(x):
        e = np.exp(W @ x + b - (W @ x + b).max())
        return e / e.sum()

    guess = p(z).argmax()
    gradient = W.T @ (p(z) - np.eye(len(b))[guess])  # of the cross-entropy of the guess
    for epsilon in epsilons:
        for anchor in anchors:
            away = anchor - z
            alpha = epsilon * np.linalg.norm(away) * gradient / np.linalg.norm(gradient) / away
            if p((1 - alpha) * z + alpha * anchor).argmax() != guess:
                return epsilon
    return np.inf


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(2, 4), st.integers(1, 10))
def test_alfa_mix_finds_the_smallest_mixture_that_changes_the_label(seed, classes, m):
    E, L, y, W, b, S = linear_problem(seed, m=m, classes=classes)
    y[0] = 0

    def proba(X):
        Z = X @ W.T + b
        P = np.exp(Z - Z.max(1, keepdims=True))
        return P / P.sum(1, keepdims=True)

    found = -interpolation.flip_distance(proba(E), E, L, y, proba(S), S)
    anchors = [L[y == c].mean(0).astype(float) for c in np.unique(y[y >= 0])]
    for z, epsilon in zip(E.astype(float), found, strict=True):
        tried = [epsilon * 0.999 - 1e-4, epsilon * 1.001 + 1e-4]  # just before and just beyond
        assert slow_alfa(z, anchors, W, b, tried) == (tried[1] if epsilon < interpolation.NEVER else np.inf)


def test_alfa_mix_without_labels_and_with_one_class():
    E, L, *_, S = linear_problem(0)
    P = np.full((25, 2), 0.5)
    assert interpolation.flip_distance(P, E, L[:0], np.zeros(0, int), P, E).tolist() == [0] * 25
    sure = np.tile([0.9, 0.1], (25, 1))  # the same for every row: nothing leads anywhere
    never = interpolation.flip_distance(sure, E, L[:0], np.zeros(0, int), sure, E)
    assert never.tolist() == [-interpolation.NEVER] * 25
    ones = np.ones((25, 1))
    never = interpolation.flip_distance(ones, E, L, np.zeros(8, int), np.ones((40, 1)), S)
    assert never.tolist() == [-interpolation.NEVER] * 25


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.integers(1, 40), st.integers(1, 12))
def test_alfa_mix_asks_one_row_of_each_cluster_of_those_that_flip(seed, n, k):
    rng = np.random.default_rng(seed)
    E, needed, noise = points(seed, n), rng.exponential(0.4, n), rng.random(n)
    found = cluster.flipping_central(-needed, E, noise, k, np.random.default_rng(1))
    k = min(k, n)
    grown = next((g for g in np.arange(1, 33) / 32 if (needed <= g).sum() >= k), None)
    if grown is None:
        assert found.tolist() == np.argsort(needed)[:k].tolist()
        return
    flipped = np.flatnonzero(needed <= grown)
    expected = cluster.central(unit(E[flipped]), noise[flipped], k, np.random.default_rng(1))
    assert found.tolist() == flipped[expected].tolist()


# ── more of what some rows are examples of ──────────────────────────────────────────────────


def slow_targeted(E, Q, k, relevance):
    """Kothawade et al. (2021): the whole objective again for every row that might come next."""
    S = (1 + unit(E).astype(float) @ unit(Q).astype(float).T) / 2

    def worth(rows):
        return S[rows].max(0).sum() + relevance * S[rows].max(1).sum()

    picked = []
    while len(picked) < k:
        value = {i: worth([*picked, i]) for i in range(len(E)) if i not in picked}
        picked.append(max(value, key=value.get))
    return picked


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 25), st.integers(1, 12), st.integers(1, 25), st.sampled_from([0.0, 1.0, 5.0]))
def test_targeted_is_the_greedy_maximum_of_its_objective(seed, n, m, k, relevance):
    E, L, y = points(seed, n), points(seed + 1, m), np.random.default_rng(seed).integers(-1, 3, m)
    y[0] = 2
    found = targeted.targeted(np.zeros(n), E, L, y, np.zeros(n), k, relevance=relevance, column=2)
    # rows of equal worth may come in any order; worths are rounded
    with_ties = slow_targeted(E, L[y == 2], min(k, n), relevance)
    S = (1 + unit(E).astype(float) @ unit(L[y == 2]).astype(float).T) / 2
    for upto in range(1, len(found) + 1):
        worth = [S[r[:upto]].max(0).sum() + relevance * S[r[:upto]].max(1).sum() for r in (found.tolist(), with_ties)]
        assert worth[0] == pytest.approx(worth[1], abs=1e-4 * upto)


def test_targeted_follows_the_rarest_class():
    E, L = points(0, 30), points(1, 6)
    y = np.array([0, 0, 1, 1, 2, -1])
    found = targeted.targeted(np.zeros(30), E, L, y, np.zeros(30), 5)
    assert found.tolist() == slow_targeted(E, L[4:5], 5, 1.0)
    score = np.random.default_rng(0).random(30)
    for none in (y[:0], np.full(6, -1)):
        found = targeted.targeted(score, E, L[: len(none)], none, np.zeros(30), 5)
        assert found.tolist() == np.argsort(-score)[:5].tolist()
    found = select(E, None, None, strategies.hybrid.targeted(1), k=3, given={
        "proba": np.full((30, 3), 1 / 3), "labeled": L, "labeled_y": y,
    })  # fmt: skip
    assert found.rows.tolist() == slow_targeted(E, L[2:4], 3, 1.0)
    with pytest.raises(BadInput, match="0 or more"):
        strategies.hybrid.targeted(-1)


# ── a batch for the pool ────────────────────────────────────────────────────────────────────


def slow_frank_wolfe(L, k, steps):
    """Pinsler et al. (2019), algorithm 1 with weights, one row of the pool after the other."""
    n = len(L)
    lengths = [np.linalg.norm(row) for row in L]
    budget, w, order = sum(lengths), np.zeros(n), []
    for _ in range(steps):
        if len(order) == k:
            break
        residual = L.sum(0) - w @ L
        fit = [L[i] @ residual / lengths[i] for i in range(n)]
        if max(np.abs(fit)) <= frankwolfe.NEGLIGIBLE * budget:
            break
        f = int(np.argmax(fit))
        toward = budget / lengths[f] * L[f] - w @ L
        gamma = toward @ residual / (toward @ toward)
        w = (1 - gamma) * w
        w[f] += gamma * budget / lengths[f]
        order += [f] * (f not in order)
    return order


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(2, 30), st.integers(4, 10), st.integers(2, 4), st.integers(1, 10))
def test_acs_fw_is_the_algorithm_of_its_paper(seed, n, members, classes, k):
    rng = np.random.default_rng(seed)
    committee = rng.dirichlet(np.ones(classes), (members, n))
    k = min(k, n)
    mean = committee.mean(0)
    L = np.array([
        [(mean[i] * np.log(committee[m, i])).sum() - (mean[i] * np.log(mean[i])).sum() for m in range(members)]
        for i in range(n)
    ]) / np.sqrt(members)  # fmt: skip
    found = frankwolfe.sparse_posterior(committee, rng.random(n), k)
    expected = slow_frank_wolfe(L, k, frankwolfe.PATIENCE * k)
    assert found[: len(expected)].tolist() == expected
    rest = np.setdiff1d(np.arange(n), expected)
    longest = rest[np.argsort(-np.linalg.norm(L[rest], axis=1))]
    assert found[len(expected) :].tolist() == longest[: k - len(expected)].tolist()


def test_acs_fw_of_one_opinion_goes_by_noise():
    committee = np.full((4, 10, 2), 0.5)
    noise = np.random.default_rng(0).random(10)
    assert frankwolfe.sparse_posterior(committee, noise, 3).tolist() == np.argsort(-noise)[:3].tolist()
