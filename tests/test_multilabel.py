"""Multi-label strategies and learners, against slow references written from the papers."""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from askwise import batch, scores, testing
from askwise.batch.multilabel import borda
from askwise.core import BadInput, ContractError
from askwise.engine import select
from askwise.learners import MultiLabel, SoftmaxRegression, adapt, describe
from askwise.learners.whitening import Whitening
from askwise.scores.multilabel import label_consensus_kl, label_vote_entropy
from askwise.strategies import Strategy
from askwise.strategies.multilabel import errors_after


def both(on):
    on = np.asarray(on, float)
    return np.stack([1 - on, on], axis=-1)


def problem(seed, n=12, labels=4, known=5):
    rng = np.random.default_rng(seed)
    # coarse values make ties and halves frequent
    on = rng.integers(0, 21, (n, labels)) / 20 if seed % 2 else rng.random((n, labels))
    return both(on), both(rng.integers(0, 2, (known, labels)))


PROBLEMS = st.builds(problem, st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 5), st.integers(1, 6))


# ── scores ──────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(PROBLEMS)
def test_scores_are_the_papers_formulas(case):
    proba, known = case
    n, labels, _ = proba.shape
    f = [[2 * proba[i, label, 1] - 1 for label in range(labels)] for i in range(n)]
    usual = sum(row[label, 1] for row in known for label in range(labels)) / len(known)
    count = np.random.default_rng(n).integers(0, labels + 1, n)
    for i in range(n):
        assert scores.binary_minimum(proba)[i] == pytest.approx(1 - min(abs(v) for v in f[i]))
        predicted = sum(v > 0 for v in f[i])
        expected = abs(predicted - usual)
        assert scores.label_cardinality_inconsistency(proba, known)[i] == pytest.approx(expected)
        ranked = sorted(f[i], reverse=True)
        signs = [1 if place < count[i] else -1 for place in range(labels)]
        loss = sum((1 - y * v) / 2 for y, v in zip(signs, ranked, strict=True))
        assert scores.maximum_loss_reduction(proba, count)[i] == pytest.approx(loss)
        on, off = [v for v in f[i] if v > 0], [v for v in f[i] if v <= 0]
        gap = (min(on) if on else 0) - (max(off) if off else 0)
        assert scores.separation_uncertainty(proba)[i] == pytest.approx(1 / max(gap, 1e-6))


def entropy(shares):
    return -sum(s * log(s) for s in shares if s > 0)


def set_distance(a, b):
    """Entropy distance of two label sets, from the contingency table, 1 where they are complementary."""
    labels = len(a)
    if all(x != y for x, y in zip(a, b, strict=True)):
        return 1.0
    table = [sum((x, y) == cell for x, y in zip(a, b, strict=True)) / labels for cell in product((0, 1), repeat=2)]
    joint = entropy(table)
    alone = entropy([sum(a) / labels, 1 - sum(a) / labels]) + entropy([sum(b) / labels, 1 - sum(b) / labels])
    return (2 * joint - alone) / joint if joint > 0 else 0.0


@settings(max_examples=60, deadline=None)
@given(PROBLEMS)
def test_category_vector_inconsistency_is_the_mean_distance_to_known_sets(case):
    proba, known = case
    found = scores.category_vector_inconsistency(proba, known)
    for i, row in enumerate(proba):
        guess = [int(p > 0.5) for p in row[:, 1]]
        expected = np.mean([set_distance(guess, [int(v) for v in other[:, 1]]) for other in known])
        assert found[i] == pytest.approx(expected, abs=1e-9)


def test_nothing_known_is_no_reason_to_prefer_a_row():
    proba, known = problem(0)
    assert (scores.category_vector_inconsistency(proba, known[:0]) == 1).all()
    assert scores.label_cardinality_inconsistency(proba, known[:0]).tolist() == (proba[..., 1] > 0.5).sum(1).tolist()


@settings(max_examples=60, deadline=None)
@given(PROBLEMS)
def test_borda_counts_the_rows_behind(case):
    proba, _ = case
    n, labels, _ = proba.shape
    margin = np.round(np.abs(2 * proba[..., 1] - 1), 5)
    for i in range(n):
        behind = [
            sum(1.0 if margin[j, label] > margin[i, label] else 0.5 for j in range(n) if j != i and
                margin[j, label] >= margin[i, label])
            for label in range(labels)
        ]  # fmt: skip
        assert borda(proba)[i] == pytest.approx(sum(behind) / (labels * (n - 1)) if n > 1 else 1)


def test_cvirs_ranks_are_ranks():
    """small-text takes argsort for the rank; here the row with the smallest margins must win, wherever it stands."""
    for place in range(5):
        on = np.full((5, 3), 0.9)
        on[place] = 0.52
        found = batch.by_label_ranks(np.ones(5), both(on), np.zeros(5), 1)
        assert found.tolist() == [place]


def test_binary_minimum_asks_about_the_doubtful_row():
    """modAL's SVM_binary_minimum picks the most certain row when ties are broken at random."""
    proba = both([[0.99, 0.01], [0.9, 0.45], [0.95, 0.9]])
    assert select(np.zeros((3, 1)), None, None, "binary_minimum", k=1, given={"proba": proba}).rows.tolist() == [1]


# ── the look ahead ──────────────────────────────────────────────────────────────────────────


def test_one_step_moves_the_labels_as_a_refit_does():
    """The estimated errors must rank rows as training again does, on one label and a linear model."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(160, 5)).astype(np.float32)
    y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(int)
    learner = LogisticRegression(C=3).fit(X[:30], y[:30])
    p = learner.predict_proba(X)
    whiten = Whitening(X[:30], (p[:30, 1] * p[:30, 0]), 1 / 3)
    rows, sample = np.arange(30, 70), np.arange(70, 160)
    found = errors_after(both(p[rows, 1:]), whiten(X[rows]), both(p[sample, 1:]), whiten(X[sample]))
    again = []
    for row in rows:
        refit = LogisticRegression(C=3).fit(X[[*range(30), row]], [*y[:30], int(p[row, 1] > 0.5)])
        again.append(refit.predict_proba(X[sample]).min(1).sum())
    assert np.corrcoef(found, again)[0, 1] > 0.95
    assert found == pytest.approx(again, rel=0.1)


def test_adaptive_picks_the_first_row_of_the_best_combination():
    X, Y = data(0, 80)
    learner = MultiLabel().fit(X[:20], Y[:20])
    rows = np.arange(20, 80)
    given = {"labeled_rows": np.arange(20), "labeled_proba": both(Y[:20])}
    found = select(X, rows, learner, "adaptive_multilabel", k=3, given=given)
    proba = learner.predict_proba(X)
    u = scores.separation_uncertainty(proba[rows])
    c = scores.label_cardinality_inconsistency(proba[rows], given["labeled_proba"])
    firsts = {int(rows[np.argmax(u**beta * c ** (1 - beta))]) for beta in np.linspace(0, 1, 11)}
    F = learner.whiten(X)
    errors = {row: errors_after(proba[[row]], F[[row]], proba[rows], F[rows])[0] for row in firsts}
    assert found.rows[0] == min(errors, key=errors.get)
    assert len(set(errors.values())) > 1


# ── learners ────────────────────────────────────────────────────────────────────────────────


def data(seed, n=120, labels=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    return X, (X[:, :labels] + 0.1 * rng.normal(size=(n, labels)) > 0.3).astype(int)


LEARNERS = {
    "one for each": MultiLabel,
    "one for each SVM": lambda: MultiLabel(LinearSVC(), each=True),
    "multi output": lambda: MultiLabel(MultiOutputClassifier(LogisticRegression())),
    "one against the rest": lambda: MultiLabel(OneVsRestClassifier(LogisticRegression())),
    "chain": lambda: MultiLabel(ClassifierChain(LogisticRegression())),
    "forest": lambda: MultiLabel(RandomForestClassifier(30, random_state=0)),
    "neighbors": lambda: MultiLabel(KNeighborsClassifier(3)),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_multi_label_learners_learn_every_label(name):
    X, Y = data(1)
    Y[:, 2] = 1
    learner = LEARNERS[name]().fit(X[:80], Y[:80])
    P = learner.predict_proba(X[80:])
    assert P.shape == (40, 4, 2)
    assert P.sum(-1) == pytest.approx(1)
    assert (P[:, 2, 1] == 1).all()
    assert np.mean((P[..., 1] > 0.5) == Y[80:]) > 0.8
    counts = learner.predict_count(X[80:])
    assert np.mean(np.abs(counts - Y[80:].sum(1)) <= 1) > 0.8
    assert learner.predict_proba(X[:0]).shape == (0, 4, 2)
    assert learner.whiten(X).shape[0] == 120
    learner.fit(X[:1], Y[:1])
    assert np.array_equal(learner.predict_proba(X[:5])[..., 1], np.tile(Y[:1], (5, 1)))
    only = np.array([[0, 0, 1, 0], [1, 0, 1, 0], [0, 0, 1, 0], [1, 0, 1, 0]])
    learner.fit(X[:4] * [[-3], [3], [-3], [3]], only)
    assert learner.predict_proba(X[:2])[:, 1:, 1].tolist() == [[0, 1, 0]] * 2


def test_sparse_features_and_sparse_labels_are_taken():
    X, Y = data(2)
    dense = MultiLabel().fit(X, Y).predict_proba(X)
    A = sparse.csr_matrix(X)
    assert MultiLabel().fit(A, sparse.csr_matrix(Y)).predict_proba(A) == pytest.approx(dense, abs=3e-3)


def test_each_label_is_our_softmax_regression():
    X, Y = data(3)
    P = MultiLabel().fit(X, Y).predict_proba(X)
    for label in range(4):
        alone = SoftmaxRegression().fit(X, Y[:, label]).predict_proba(X)
        assert P[:, label] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("Y", [[0, 1], [[0, 2], [1, 0]], [[0, 1]], np.zeros((2, 0)), np.zeros((3, 2))])
def test_what_is_no_label_matrix_is_refused(Y):
    with pytest.raises(BadInput, match="zeros and ones"):
        MultiLabel().fit(np.eye(2), Y)


def test_adapt_leaves_multi_label_learners_alone_and_describes_them():
    learner = MultiLabel()
    assert adapt(learner) is learner
    assert describe(learner) == "MultiLabel() (one model for each label)"
    assert (
        describe(MultiLabel(LinearSVC(), each=True)) == "MultiLabel(LinearSVC(), each=True) (one model for each label)"
    )


# ── through the engine ──────────────────────────────────────────────────────────────────────


def test_given_label_sets_are_used_rather_than_guesses():
    proba = both([[0.9, 0.9, 0.1], [0.9, 0.1, 0.1], [0.9, 0.9, 0.9]])
    given = {"proba": proba, "labeled_rows": np.array([0]), "labeled_proba": both([[1, 1, 1]])}
    found = select(np.zeros((3, 1)), [1, 2], None, "lci", k=2, given=given)
    assert found.rows.tolist() == [1, 2]
    assert found.scores.tolist() == [2, 0]


def test_a_classification_strategy_refuses_label_sets():
    proba = both(np.random.default_rng(0).random((5, 3)))
    with pytest.raises(ContractError, match=r"shape \(5, 3\)"):
        select(np.zeros((5, 1)), None, None, "margin", k=1, given={"proba": proba})


@pytest.mark.parametrize("name", ["binary_minimum", "mmc", "lci", "separation_margin", "adaptive_multilabel", "cvirs"])
def test_a_multi_label_strategy_refuses_classes(name):
    X, y = np.eye(4, dtype=np.float32), [0, 1, 0, 1]
    learner = SoftmaxRegression().fit(X, y)
    given = {"label_count": np.ones(4), "labeled_rows": np.arange(2)}
    with pytest.raises(BadInput, match=r"several labels.*got \(\d, 2\).*MultiLabel"):
        select(X, [2, 3], learner, name, k=1, given=given)


def test_before_the_first_model_multi_label_strategies_cover_the_pool():
    X, _ = data(4)
    for name in ("adaptive_multilabel", "cvirs", "mmc", "binary_minimum"):
        assert select(X, None, None, name, k=4).strategy == "cold_cover"


def test_the_kit_finds_multi_label_culprits():
    culprits = [
        Strategy("shape", lambda proba: proba[..., 1], task="multilabel"),
        Strategy("shard", lambda proba: np.arange(len(proba)) + 0.0, task="multilabel"),
        Strategy("calm", lambda proba: np.nan_to_num(proba).sum((1, 2)), task="regression"),
    ]
    for culprit in culprits:
        with pytest.raises((ContractError, BadInput), match=r"check failed|must return|no predict_proba"):
            testing.check_strategy(culprit)


def test_asking_about_doubtful_rows_beats_asking_about_certain_ones():
    """A sign error would show; means over six draws of the data, so that no single split decides."""
    names = ("binary_minimum", "adaptive_multilabel", "cvirs", "mmc")
    found = {name: [] for name in ("certain", *names)}
    for seed in range(5, 11):
        X, Y = data(seed, 400)
        for name, accuracies in found.items():
            accuracies.append(accuracy_after_asking(X, Y, name))
    for name in names:
        assert np.mean(found[name]) > np.mean(found["certain"]), name


def accuracy_after_asking(X, Y, name: str) -> float:
    labeled = list(range(10))
    for _ in range(10):
        learner = MultiLabel().fit(X[labeled], Y[labeled])
        free = np.setdiff1d(np.arange(300), labeled)
        if name == "certain":
            rows = free[np.argsort(scores.binary_minimum(learner.predict_proba(X[free])))[:4]]
        else:
            rows = select(X, free, learner, name, k=4, given={"labeled_rows": np.array(labeled)}).rows
        labeled += rows.tolist()
    P = MultiLabel().fit(X[labeled], Y[labeled]).predict_proba(X[300:])
    return float(np.mean((P[..., 1] > 0.5) == Y[300:]))


# ── committees ──────────────────────────────────────────────────────────────────────────────


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
def test_label_disagreement_is_the_mean_over_the_labels(seed, members, n, labels):
    rng = np.random.default_rng(seed)
    committee = both(rng.integers(0, 11, (members, n, labels)) / 10)
    votes, divergence = label_vote_entropy(committee), label_consensus_kl(committee)
    for i in range(n):
        split, kl = [], []
        for label in range(labels):
            on = [float(member[i, label, 1]) for member in committee]
            share = sum(p > 0.5 for p in on) / members
            split.append(entropy([share, 1 - share]))
            mean = sum(on) / members
            pairs = [(p, mean) for p in on] + [(1 - p, 1 - mean) for p in on]
            kl.append(sum(p * log(p / q) for p, q in pairs if p > 0) / members)
        assert votes[i] == pytest.approx(sum(split) / labels)
        assert divergence[i] == pytest.approx(sum(kl) / labels, abs=1e-9)


def test_label_disagreement_needs_labels():
    with pytest.raises(BadInput, match="rows, labels, 2"):
        label_vote_entropy(np.ones((3, 4, 5)))
    with pytest.raises(BadInput, match="rows, labels, 2"):
        label_consensus_kl(np.ones((3, 4, 5)))


@pytest.mark.parametrize(
    "make",
    [
        MultiLabel,
        lambda: MultiLabel(LogisticRegression(), each=True),
        lambda: MultiLabel(RandomForestClassifier(4, random_state=0), each=True),
        lambda: MultiLabel(KNeighborsClassifier(3)),
    ],
    ids=["ours", "each", "each forest", "matrix"],
)
def test_a_committee_of_several_labels(make):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 5)).astype(np.float32)
    Y = (X[:, :4] + 0.5 * rng.normal(size=(60, 4)) > 0).astype(int)
    Y[:, 3] = 1
    learner = make().fit(X[:40], Y[:40])
    with pytest.raises(BadInput, match="call fit first"):
        make().predict_committee(X)
    committee = learner.predict_committee(X, members=6, seed=1)
    assert committee.shape == (6, 60, 4, 2)
    assert committee.sum(-1) == pytest.approx(np.ones((6, 60, 4)))
    assert (committee[:, :, 3, 1] == 1).all()
    assert np.array_equal(committee, learner.predict_committee(X, members=6, seed=1))
    few = [learner.predict_committee(X, members=2, seed=seed) for seed in (1, 2)]
    assert not np.array_equal(*few)
    assert (committee[:, :, :3].std(0).mean((0, 2)) > 0).all()
    assert ((committee.mean(0)[..., 1] > 0.5) == Y).mean() > 0.75
    assert learner.predict_committee(X[:0], members=6).shape == (6, 0, 4, 2)
    found = select(X, np.arange(40, 60), learner, "label_consensus_kl", k=20)
    expected = label_consensus_kl(learner.predict_committee(X[found.rows]))
    assert found.scores == pytest.approx(expected, abs=1e-5)
    assert found.scores[0] > found.scores[-1]


def test_the_labels_of_a_committee_are_drawn_apart():
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    Y = np.repeat((X[:, :1] > 0).astype(int), 2, axis=1)
    committee = MultiLabel().fit(X, Y).predict_committee(X, members=40)
    off = committee[..., 1] - committee[..., 1].mean(0)
    assert abs(np.corrcoef(off[:, 0, 0], off[:, 0, 1])[0, 1]) < 0.5
