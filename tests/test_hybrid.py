"""Rules that join score and diversity, against slow references written from the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise import strategies
from askwise.batch import cluster, contrast, hierarchy, lazy, ranked
from askwise.batch.distances import unit
from askwise.engine import select

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
