"""Every strategy beside a slow reference written from its paper: those kept here, and a list of where all others are.

First the names: a strategy asked for by name must choose what the plain formula chooses. Then the rules whose
reference stands nowhere else. References are loops over rows in float64; only draws are shared with what is tested.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from askwise import batch, signals, strategies
from askwise.batch import cluster, contrast, cover, stochastic
from askwise.engine import select

SEEDS = st.integers(0, 10_000)
HERE = Path(__file__).parent


def points(seed, n, d=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def squares(A, B):
    return ((np.asarray(A, float)[:, None] - np.asarray(B, float)[None]) ** 2).sum(-1)


def best(values, k):
    """Positions of the k largest."""
    return sorted(range(len(values)), key=lambda i: -values[i])[:k]


# ── by name ─────────────────────────────────────────────────────────────────────────────────


def entropy(p):
    return -sum(v * math.log(v) for v in p if v > 0)


def votes(members, i):
    first = [max(range(len(p[i])), key=lambda c: p[i][c]) for p in members]
    return [first.count(c) / len(first) for c in range(len(members[0][i]))]


def mean_of(members, i):
    return [sum(p[i][c] for p in members) / len(members) for c in range(len(members[0][i]))]


ONE_MODEL = {
    "least_confidence": lambda p: 1 - max(p),
    "margin": lambda p: -(sorted(p)[-1] - sorted(p)[-2]),
    "confidence_ratio": lambda p: sorted(p)[-2] / sorted(p)[-1],
    "entropy": entropy,
    "expected_cost": lambda p: min(sum(p) - v for v in p),
}
SEVERAL = {
    "vote_entropy": lambda M, i: entropy(votes(M, i)),
    "variation_ratio": lambda M, i: 1 - max(votes(M, i)),
    "consensus_kl": lambda M, i: sum(
        v * math.log(v / q) for p in M for v, q in zip(p[i], mean_of(M, i), strict=True)
    ) / len(M),
    "mean_std": lambda M, i: sum(
        math.sqrt(sum((p[i][c] - q) ** 2 for p in M) / len(M)) for c, q in enumerate(mean_of(M, i))
    ) / len(M[0][i]),
}  # fmt: skip


def same_values(values, rows, k):
    """The rows hold the k largest values; equal ones may stand for each other."""
    assert len(set(rows.tolist())) == k
    assert [values[i] for i in rows] == pytest.approx([values[i] for i in best(values, k)], abs=1e-5)


@pytest.mark.parametrize("name", ONE_MODEL)
@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(2, 5), st.integers(1, 6))
def test_one_model(name, seed, classes, k):
    P = np.random.default_rng(seed).dirichlet(np.ones(classes), 30)
    found = select(np.zeros((30, 1)), None, None, name, k=k, given={"proba": P, "classes": np.arange(classes)})
    same_values([ONE_MODEL[name](p) for p in P.tolist()], found.rows, k)


@pytest.mark.parametrize("name", SEVERAL)
@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(2, 4), st.integers(1, 6))
def test_several_models(name, seed, classes, k):
    M = np.random.default_rng(seed).dirichlet(np.ones(classes), (5, 30))
    found = select(np.zeros((30, 1)), None, None, name, k=k, given={"committee": M})
    same_values([SEVERAL[name](M.tolist(), i) for i in range(30)], found.rows, k)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(1, 4))
def test_model_signals_by_name(seed, k):
    rng = np.random.default_rng(seed)
    X, D, P = rng.normal(size=(30, 4)), rng.normal(size=(30, 3)), rng.dirichlet(np.ones(3), 30)
    found = select(X, None, None, "decision_boundary", k=k, given={"decision": D})
    same_values([-min(abs(v) for v in row) for row in D], found.rows, k)
    gradients = [
        sum(p[y] * np.linalg.norm(np.outer(p - np.eye(3)[y], x)) for y in range(3))
        for p, x in zip(P, X, strict=True)
    ]  # fmt: skip
    found = select(X, None, None, "expected_gradient_length", k=k, given={"proba": P})
    same_values(gradients, found.rows, k)
    found = select(X, None, None, "relevance", k=k, given={"proba": P})
    same_values(P[:, P.mean(0).argmin()].tolist(), found.rows, k)
    std, members = rng.random(30), rng.normal(size=(30, 4))
    same_values(std.tolist(), select(X, None, None, "predictive_std", k=k, given={"std": std}).rows, k)
    spread = [sum((v - sum(row) / 4) ** 2 for v in row) / 4 for row in members]
    same_values(spread, select(X, None, None, "committee_variance", k=k, given={"members": members}).rows, k)


# ── clusters ────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 90), st.integers(1, 7), st.booleans())
def test_k_means_is_the_algorithm_of_lloyd(seed, n, k, weighted):
    """From the same start: assign, average, until nothing changes."""
    E = points(seed, n)
    w = np.random.default_rng(seed).random(n).astype(np.float32) + np.float32(0.01) if weighted else np.ones(n)
    for rounds in (1, 3, 100):
        found = cluster.k_means(E, k, np.random.default_rng(seed), weight=w if weighted else None, rounds=rounds)
        rows = np.arange(n) if n <= 64 * k else np.sort(np.random.default_rng(seed).choice(n, 64 * k, replace=False))
        draws = np.random.default_rng(seed)
        if n > 64 * k:
            draws.choice(n, 64 * k, replace=False)
        X, weight = E[rows].astype(float), np.asarray(w, np.float32)[rows]
        centers = X[cluster._spread_out(E[rows], weight, k, draws)]
        home = np.full(len(X), -1)
        for _ in range(rounds):
            before, home = home, squares(X, centers).argmin(1)
            if (before == home).all():
                break
            for c in set(home.tolist()):
                mine = home == c
                centers[c] = (X[mine] * weight[mine, None]).sum(0) / weight[mine].sum()
        assert found == pytest.approx(centers, rel=1e-3, abs=1e-4)


def test_k_means_starts_by_the_law_of_k_means_plus_plus():
    """Where clusters are too small to tell outliers: the chance of a start is its weight times squared distance."""
    E = points(4, 7, 2)
    w = np.array([1, 2, 1, 1, 3, 1, 1], np.float32)
    D = squares(E, E)
    law = np.zeros((7, 7))
    for i in range(7):
        law[i] = w[i] / w.sum() * w * D[i] / (w * D[i]).sum()
    seen = np.zeros((7, 7))
    for seed in range(6000):
        i, j = cluster._spread_out(E, w, 2, np.random.default_rng(seed))
        seen[i, j] += 1
    assert seen[law == 0].sum() == 0
    expected = law[law > 0] / law.sum() * 6000
    many = expected > 5
    counts, hoped = ([*v[many], v[~many].sum()] for v in (seen[law > 0], expected))
    assert chisquare(counts, hoped).pvalue > 1e-3


def slow_central(E, centers, k):
    """The row nearest to each center, then the second nearest, …; within a turn larger clusters first."""
    D = squares(E, centers)
    home = D.argmin(1)
    order = {c: sorted(np.flatnonzero(home == c), key=lambda i: D[i, home[i]]) for c in set(home.tolist())}
    picked = []
    while len(picked) < k:
        for c in sorted(order, key=lambda c: (-np.count_nonzero(home == c), c)):
            if order[c]:
                picked.append(int(order[c].pop(0)))
    return picked[:k]


def same_central(E, centers, found):
    """The rows of `slow_central`; of two rows as near to their center, as any two rows alone are, either may come."""
    D = squares(E, centers)
    home, expected = D.argmin(1), slow_central(E, centers, len(found))
    assert home[found].tolist() == home[expected].tolist()
    assert D.min(1)[found] == pytest.approx(D.min(1)[expected], rel=1e-4, abs=1e-6)
    assert len(set(found)) == len(found)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(3, 60), st.integers(1, 7))
def test_clue_is_weighted_k_means_and_the_nearest_rows(seed, n, k):
    E, k = points(seed, n), min(k, n)
    score = np.random.default_rng(seed).random(n)
    weight = score + 1e-6 * score.max()
    centers = cluster.k_means(E, k, np.random.default_rng(seed), weight=weight)
    found = cluster.weighted_central(score, E, np.zeros(n), k, np.random.default_rng(seed))
    same_central(E, centers, found.tolist())


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(5, 60), st.integers(1, 6))
def test_drop_query_clusters_the_rows_that_mostly_flip(seed, n, k):
    """Rows whose label flips in more than half of the predictions; too few are filled up with the next."""
    E, k = points(seed, n), min(k, n)
    flips = np.random.default_rng(seed).integers(0, 6, n) / 5
    noise = np.random.default_rng(seed + 1).random(n)
    over = max(k, sum(flips > 0.5))
    kept = sorted(sorted(range(n), key=lambda i: (-flips[i], -noise[i]))[:over])
    centers = cluster.k_means(E[kept], k, np.random.default_rng(seed))
    found = cluster.unsteady_central(flips, E, noise, k, np.random.default_rng(seed))
    same_central(E[kept], centers, [kept.index(i) for i in found])


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 12))
def test_flips_are_a_loop_over_predictions_from_dropped_features(seed, d):
    X, W, b = points(seed, 12, d), points(seed + 1, d, 3), 2 * points(seed + 2, 1, 3)[0]

    class Model:
        def predict_proba(self, X):
            E = np.exp(X @ W + b)
            return E / E.sum(1, keepdims=True)

    draws, changed = np.random.default_rng(d), np.zeros(12)
    for _ in range(5):
        kept = draws.permutation(d)[: math.ceil(d / 4)]
        for i in range(12):
            dropped = [4 * X[i, j] if j in kept else 0.0 for j in range(d)]
            changed[i] += np.argmax(dropped @ W + b) != np.argmax(X[i] @ W + b)
    assert signals.flips(Model(), X).tolist() == (changed / 5).tolist()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 50), st.integers(0, 6), st.integers(1, 6))
def test_typiclust_is_the_algorithm_of_the_paper(seed, n, m, k):
    """Clusters with the fewest labeled rows, the largest first, give their row with the nearest 20 neighbors."""
    E, L, k = points(seed, n), points(seed + 1, m), min(k, n)
    centers = cluster.k_means(E, min(m + k, 500, n + m), np.random.default_rng(seed))
    home = squares(E, centers).argmin(1)
    labeled = [int(np.count_nonzero(squares(L, centers).argmin(1) == c)) if m else 0 for c in range(len(centers))]
    free, picked = set(range(n)), []
    while len(picked) < k:
        members = {c: [i for i in sorted(free) if home[i] == c] for c in range(len(centers))}
        turn = sorted((c for c in members if members[c]), key=lambda c: (labeled[c], -len(members[c]), c))
        for c in turn[: k - len(picked)]:
            rows = members[c]

            def typicality(i, rows=rows):
                near = sorted(math.sqrt(((E[i].astype(float) - E[j]) ** 2).sum()) for j in rows if j != i)[:20]
                return -sum(near) / len(near) if near else 0.0

            chosen = max(rows, key=typicality)
            picked.append(chosen)
            free.remove(chosen)
            labeled[c] += 1
    noise = -np.arange(n, dtype=float)  # of two rows that are each other's only neighbor the first
    assert cover.typical(E, L, noise, k, np.random.default_rng(seed)).tolist() == picked


def slow_average_linkage(E, clusters):
    """Join the two clusters with the smallest mean distance until that many are left."""
    D = np.sqrt(squares(E, E))
    groups = [[i] for i in range(len(E))]
    while len(groups) > clusters:
        pairs = [(D[np.ix_(a, b)].mean(), i, j) for i, a in enumerate(groups) for j, b in enumerate(groups[:i])]
        _, i, j = min(pairs)
        groups[j] += groups.pop(i)
    return groups


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 45), st.integers(1, 4))
def test_cluster_margin_is_the_algorithm_of_the_paper(seed, n, k):
    """Average linkage; the best 10 k rows; one row of each cluster in turn, of the cluster with the fewest first."""
    E, score, k = points(seed, n), np.random.default_rng(seed).random(n), min(k, n)
    groups = slow_average_linkage(E, max(1, n // 10))
    among = set(best(score, max(k, 10 * k)))
    queues = [sorted((i for i in group if i in among), key=lambda i: -score[i]) for group in groups]
    queues = sorted((q for q in queues if q), key=lambda q: (len(q), -score[q[0]]))
    expected = []
    while len(expected) < k:
        expected += [q.pop(0) for q in queues if q]
    if n <= max(k, 2):
        expected = best(score, k)
    assert cluster.cluster_margin(score, E, np.zeros(n), k).tolist() == expected[:k]


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(8, 60), st.integers(2, 5))
def test_diverse_is_the_best_row_of_each_weighted_cluster(seed, n, k):
    """Without the rows whose five nearest neighbors are farther than 1.5 times the usual, two thirds stay anyway."""
    E, score = points(seed, n), np.random.default_rng(seed).random(n)
    D = np.sqrt(squares(E, E))
    apart = [np.mean(sorted(D[i][j] for j in range(n) if j != i)[:5]) for i in range(n)]
    least = max(k, math.ceil(2 * n / 3))
    limit = max(1.5 * np.median(apart), sorted(apart)[least - 1])
    kept = np.array([i for i in range(n) if apart[i] <= limit * (1 + 1e-6)])
    s = score[kept]
    weight = (s - s.min()) / (s.max() - s.min()) + 1e-3
    centers = cluster.k_means(E[kept], k, np.random.default_rng(seed), weight=weight)
    home = squares(E[kept], centers).argmin(1)
    chosen = {max(np.flatnonzero(home == c), key=lambda i: s[i]) for c in set(home.tolist())}
    for i in best(s, len(s)):
        if len(chosen) < k:
            chosen.add(i)
    expected = [int(kept[i]) for i in sorted(chosen, key=lambda i: -s[i])]
    assert batch.diverse(score, E, np.zeros(n), k, np.random.default_rng(seed)).tolist() == expected


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(8, 60), st.integers(2, 5))
def test_telling_margin_is_diverse_by_score_times_squared_length(seed, n, k):
    """`diverse` has its own reference above; the length counts to one part in 64 of the longest."""
    E, score = points(seed, n), np.random.default_rng(seed).random(n)
    length = [sum(float(v) ** 2 for v in row) for row in E]
    told = np.array([s * round(q / max(length) * 64) / 64 for s, q in zip(score, length, strict=True)])
    expected = batch.diverse(told, E, np.zeros(n), k, np.random.default_rng(seed)).tolist()
    rule = strategies.get("telling_margin").pick
    assert rule(score, E, np.zeros(n), k, np.random.default_rng(seed)).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 60), st.integers(1, 12))
def test_stratified_takes_every_so_manyth_row_of_the_strata_in_line(seed, n, k):
    E, noise, k = points(seed, n), np.random.default_rng(seed + 1).random(n), min(k, n)
    draws = np.random.default_rng(seed)
    home = squares(E, cluster.k_means(E, k, draws)).argmin(1) if k > 1 else np.zeros(n)
    line = sorted(range(n), key=lambda i: (home[i], noise[i]))
    start = draws.random()
    expected = [line[int((start + j) * n / k)] for j in range(k)]
    found = stochastic.stratified(E, noise, k, np.random.default_rng(seed))
    assert found.tolist() == sorted(expected, key=lambda i: -noise[i])


# ── labeled against unlabeled ───────────────────────────────────────────────────────────────


@settings(max_examples=12, deadline=None)
@given(SEEDS, st.integers(1, 6))
def test_discriminative_picks_what_a_classifier_trained_anew_finds_surest(seed, k):
    """Up to ten rows come one by one. Newton's method on both sides' mean losses; float32 may swap close rows."""
    L, U = points(seed, 8) * 2, points(seed + 1, 40) * 2 + 1
    found = contrast.discriminative(U, L, np.zeros(40), k, np.random.default_rng(0)).tolist()
    scale = np.sqrt((U.astype(float) ** 2).mean())
    for step, row in enumerate(found):
        known = np.concatenate([L, U[found[:step]]]).astype(float)
        rest = np.delete(np.arange(40), found[:step])
        A = np.column_stack([np.concatenate([known, U[rest]]) / scale, np.ones(len(known) + len(rest))])
        y = np.repeat([0.0, 1.0], [len(known), len(rest)])
        share = np.where(y > 0, 1 / len(rest), 1 / len(known))
        ridge, w = np.diag([1e-3] * 3 + [0.0]), np.zeros(4)
        for _ in range(60):
            p = 1 / (1 + np.exp(-A @ w))
            slope = A.T @ (share * (p - y)) + ridge @ w
            w -= np.linalg.solve((A.T * (share * p * (1 - p))) @ A + ridge + 1e-12 * np.eye(4), slope) * 0.7
        value = U @ w[:3]
        assert value[row] >= value[rest].max() - 0.03 * np.ptp(value)


# ── shortlists and combinations, by name ────────────────────────────────────────────────────


@settings(max_examples=12, deadline=None)
@given(SEEDS, st.integers(1, 4))
def test_fass_is_facility_location_among_the_most_doubtful(seed, k):
    """The ten best by entropy for each row asked, then greedy coverage of these by cosine."""
    rng = np.random.default_rng(seed)
    P, E = rng.dirichlet(np.ones(3), 80), points(seed, 80)
    L = points(seed + 1, 4)
    few = sorted(best([entropy(p) for p in P], 10 * k))
    U = E[few].astype(float) / np.linalg.norm(E[few], axis=1, keepdims=True)
    V = L.astype(float) / np.linalg.norm(L, axis=1, keepdims=True)
    alike, covered = np.maximum(U @ U.T, 0), np.maximum(U @ V.T, 0).max(1)
    found = select(E, None, None, "fass", k=k, given={"proba": P, "embedding": E, "labeled": L}).rows
    picked = []
    for row in found:
        gain = np.maximum(alike - covered, 0).sum(1)
        gain[picked] = -1
        picked.append(few.index(row))
        assert gain[picked[-1]] == pytest.approx(gain.max(), abs=1e-4)
        covered = np.maximum(covered, alike[picked[-1]])


@settings(max_examples=12, deadline=None)
@given(SEEDS, st.integers(1, 4))
def test_seals_is_margin_among_the_hundred_nearest_of_each_labeled_row(seed, k):
    rng = np.random.default_rng(seed)
    E, P = points(seed, 400), rng.dirichlet(np.ones(3), 400)
    labeled = [3, 200]
    free = np.setdiff1d(np.arange(400), labeled)
    near = {int(free[i]) for m in labeled for i in squares(E[free], E[[m]])[:, 0].argsort()[:100]}
    expected = sorted(near, key=lambda i: np.sort(P[i])[-1] - np.sort(P[i])[-2])[:k]
    given_ = {"proba": P, "embedding": E, "labeled_rows": labeled}
    assert select(E, free, None, "seals", k=k, given=given_).rows.tolist() == expected


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(2, 5), st.integers(1, 4))
def test_cvirs_is_inconsistency_times_the_share_of_rows_ranked_behind(seed, labels, k):
    rng = np.random.default_rng(seed)
    n, on = 14, rng.uniform(0.02, 0.98, (14, labels))
    known = rng.integers(0, 2, (6, labels))

    def surprise(*counts):
        return -sum(c / labels * math.log(c / labels) for c in counts if c)

    values = []
    for i in range(n):
        a = [int(v > 0.5) for v in on[i]]
        apart = 0.0
        for b in known.tolist():
            cells = [sum((x, y) == c for x, y in zip(a, b, strict=True)) for c in ((0, 0), (0, 1), (1, 0), (1, 1))]
            if cells[0] + cells[3] == 0:
                apart += 1
                continue
            joint = surprise(*cells)
            alone = surprise(sum(a), labels - sum(a)) + surprise(sum(b), labels - sum(b))
            apart += (2 * joint - alone) / joint if joint else 0
        behind = sum(
            sum(abs(2 * on[j, c] - 1) > abs(2 * on[i, c] - 1) for j in range(n)) for c in range(labels)
        )  # fmt: skip
        values.append(apart / 6 * behind / (labels * (n - 1)))
    proba = np.stack([1 - on, on], axis=2)
    told = np.stack([1 - known, known], axis=2).astype(float)
    told = {"proba": proba, "labeled_proba": told, "labeled": np.zeros((6, 1))}
    found = select(np.zeros((n, 1)), None, None, "cvirs", k=k, given=told)
    same_values(values, found.rows, k)


# ── all of them ─────────────────────────────────────────────────────────────────────────────

REFERENCES = {
    "acs_fw": "test_hybrid.py::test_acs_fw_is_the_algorithm_of_its_paper",
    "albl": "test_learning.py::test_albl_draws_from_the_chances_of_the_replayed_past",
    "adaptive_multilabel": "test_multilabel.py::test_adaptive_picks_the_first_row_of_the_best_combination",
    "alfa_mix": "test_hybrid.py::test_alfa_mix_finds_the_smallest_mixture_that_changes_the_label",
    "cold_cover": "test_cover.py::test_cold_asks_typical_rows_and_draws_in_turns",
    "auto": "test_strategies.py::test_auto_covers_the_pool_until_every_class_has_some_labels",
    "badge": "test_change.py::test_badge_draws_by_the_law_of_k_means_plus_plus",
    "bait": "test_change.py::test_bait_is_the_greedy_choice_with_every_matrix_built",
    "bait_regression": "test_change.py::test_bait_is_the_greedy_choice_with_every_matrix_built",
    "batch_bald": "test_committee.py::test_batch_bald_is_exhaustive_greedy",
    "bemps": "test_committee.py::test_the_mean_proper_score_is_what_reweighing_the_members_gives",
    "binary_minimum": "test_multilabel.py::test_scores_are_the_papers_formulas",
    "clue": "test_references.py::test_clue_is_weighted_k_means_and_the_nearest_rows",
    "cluster_margin": "test_references.py::test_cluster_margin_is_the_algorithm_of_the_paper",
    "committee_variance": "test_references.py::test_model_signals_by_name",
    "confidence_ratio": "test_references.py::test_one_model",
    "consensus_kl": "test_references.py::test_several_models",
    "contrastive": "test_density.py::test_contrastive_is_the_mean_divergence_from_the_neighbors",
    "cvirs": "test_references.py::test_cvirs_is_inconsistency_times_the_share_of_rows_ranked_behind",
    "decision_boundary": "test_references.py::test_model_signals_by_name",
    "discriminative": "test_references.py::test_discriminative_picks_what_a_classifier_trained_anew_finds_surest",
    "diverse_margin": "test_references.py::test_diverse_is_the_best_row_of_each_weighted_cluster",
    "drop_query": "test_references.py::test_drop_query_clusters_the_rows_that_mostly_flip",
    "entropy": "test_references.py::test_one_model",
    "epig": "test_committee.py::test_epig_is_the_mean_mutual_information",
    "epistemic": "test_probabilistic.py::test_epistemic_is_the_smaller_plausibility",
    "expected_cost": "test_uncertainty.py::test_expected_cost_is_that_of_the_cheapest_answer",
    "expected_error_reduction": "test_change.py::test_expected_error_ranks_as_exact_refits_do",
    "expected_gradient_length": "test_scores.py::test_expected_gradient_length_is_that_of_built_gradients",
    "expected_improvement": "test_regression.py::test_improvement_is_the_integral_over_what_the_answer_may_be",
    "expected_mistake_reduction": "test_change.py::test_expected_error_ranks_as_exact_refits_do",
    "expected_model_change": "test_regression.py::test_committee_scores",
    "expected_model_output_change": "test_change.py::test_looking_ahead_is_the_loop_over_rows_and_answers",
    "facility_location": "test_cover.py::test_facility_location_is_greedy",
    "falcun": "test_hybrid.py::test_falcun_draws_by_its_law",
    "fass": "test_references.py::test_fass_is_facility_location_among_the_most_doubtful",
    "galaxy": "test_galaxy.py::test_galaxy_is_its_description",
    "graph_density": "test_cover.py::test_graph_density_is_the_paper_s_loop",
    "greedy_both": "test_regression.py::test_greedy_sampling_is_the_loop_of_the_paper",
    "greedy_features": "test_regression.py::test_greedy_sampling_is_the_loop_of_the_paper",
    "greedy_outputs": "test_regression.py::test_greedy_sampling_is_the_loop_of_the_paper",
    "hierarchical": "test_hybrid.py::test_the_cut_of_the_tree_is_the_paper_s",
    "information_density": "test_density.py::test_information_density_is_the_formula_over_all_pairs",
    "information_density_gaussian": "test_density.py::test_gaussian_density_is_the_expansion_over_all_pairs",
    "k_center": "test_batch.py::test_lazy_k_center_is_exact",
    "k_dpp": "test_change.py::test_k_dpp_draws_in_proportion_to_determinants",
    "k_means": "test_cover.py::test_central_rows_are_the_nearest_of_their_clusters",
    "label_cardinality_inconsistency": "test_multilabel.py::test_scores_are_the_papers_formulas",
    "label_consensus_kl": "test_multilabel.py::test_label_disagreement_is_the_mean_over_the_labels",
    "label_vote_entropy": "test_multilabel.py::test_label_disagreement_is_the_mean_over_the_labels",
    "largest_cluster": "test_regression.py::test_largest_cluster_is_the_algorithm_of_the_paper",
    "least_confident_sequence": "test_sequence.py::test_scores_are_the_papers_formulas",
    "least_confidence": "test_references.py::test_one_model",
    "margin": "test_references.py::test_one_model",
    "max_det": "test_change.py::test_max_det_is_the_greedy_choice_by_determinants",
    "max_herding": "test_cover.py::test_max_herding_is_greedy",
    "maximum_loss_reduction": "test_multilabel.py::test_scores_are_the_papers_formulas",
    "maximum_normalized_log_probability": "test_sequence.py::test_scores_are_the_papers_formulas",
    "mean_std": "test_references.py::test_several_models",
    "mean_variance_reduction": "test_change.py::test_the_first_gain_is_the_fall_of_the_trace",
    "mmr": "test_hybrid.py::test_mmr_is_the_formula_of_its_paper",
    "predictive_std": "test_references.py::test_model_signals_by_name",
    "prob_cover": "test_cover.py::test_prob_cover_is_greedy_maximum_coverage",
    "probabilistic_gain": "test_probabilistic.py::test_score_is_density_times_gain",
    "probability_of_improvement": "test_regression.py::test_improvement_is_the_integral_over_what_the_answer_may_be",
    "quire": "test_change.py::test_quire_is_the_objective_of_the_paper",
    "random": "test_signals.py::test_noise_is_uniform_for_any_seed",
    "ranked_batch": "test_hybrid.py::test_ranked_batch_is_the_formula_of_its_paper",
    "relevance": "test_references.py::test_model_signals_by_name",
    "relevance_mix": "test_engine.py::test_mix_holds_its_shares_in_every_stretch",
    "seals": "test_references.py::test_seals_is_margin_among_the_hundred_nearest_of_each_labeled_row",
    "separation_margin": "test_multilabel.py::test_scores_are_the_papers_formulas",
    "stratified_random": "test_references.py::test_stratified_takes_every_so_manyth_row_of_the_strata_in_line",
    "targeted": "test_hybrid.py::test_targeted_is_the_greedy_maximum_of_its_objective",
    "telling": "test_direction.py::test_on_rows_of_one_length_telling_is_what_it_is_made_of",
    "telling_margin": "test_references.py::test_telling_margin_is_diverse_by_score_times_squared_length",
    "token_entropy": "test_sequence.py::test_scores_are_the_papers_formulas",
    "typical_direction": "test_direction.py::test_typical_direction_is_typical_of_the_scaled_rows",
    "thompson": "test_regression.py::test_thompson_takes_the_best_free_row_of_each_member_in_turn",
    "typiclust": "test_references.py::test_typiclust_is_the_algorithm_of_the_paper",
    "uncertainty_herding": "test_cover.py::test_uncertainty_herding_weighs_by_the_score",
    "upper_confidence_bound": "test_regression.py::test_the_upper_bound_is_measured_from_the_average",
    "value_of_information": "test_change.py::test_looking_ahead_is_the_loop_over_rows_and_answers",
    "variance_reduction": "test_change.py::test_variance_reduction_is_that_of_the_whole_hessian",
    "variation_ratio": "test_references.py::test_several_models",
    "vote_entropy": "test_references.py::test_several_models",
} | {
    f"{kind}_{name}": "test_combine.py::test_the_chance_of_a_pair_is_that_of_drawing_one_after_the_other"
    for kind in ("power", "softmax", "rank")
    for name in ("bald", "entropy", "margin")
}  # fmt: skip
"""Strategy → its test against a slow reference."""


@pytest.mark.parametrize("name", [n for n in strategies.available() if strategies.get(n).family])
def test_every_strategy_has_a_reference(name):
    """A new strategy needs a slow reference, and a line above."""
    assert name in REFERENCES, f"write a test of {name!r} against its paper's formula and name it in REFERENCES"
    file, test = REFERENCES[name].split("::")
    assert f"\ndef {test}(" in (HERE / file).read_text(encoding="utf-8"), REFERENCES[name]
