"""What other libraries get wrong, as tests that ours gets it right.

Each test names the library and its mistake. Where that library can be installed, `test_peers.py` shows the mistake
itself. Further ones stand beside what they test, and `KEPT_ELSEWHERE` names them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from askwise import strategies
from askwise.batch import herding, joint
from askwise.engine import select
from askwise.learners import SoftmaxRegression, adapt

KEPT_ELSEWHERE = {
    "modAL: SVM_binary_minimum with ties broken at random picks the most certain row": (
        "test_multilabel.py::test_binary_minimum_asks_about_the_doubtful_row",
        "test_uncertainty.py::test_random_ties_at_the_boundary_do_not_turn_the_order_round",
    ),
    "small-text: ProbCover keeps the edges of covered rows": ("test_cover.py::test_prob_cover_asks_once_in_a_cluster",),
    "small-text: SEALS may return labeled rows": (
        "test_cover.py::test_seals_scores_only_neighbors_and_never_returns_a_labeled_row",
    ),
    "small-text: CVIRS drops the entropy distance; places in an order stand for ranks": (
        "test_multilabel.py::test_category_vector_inconsistency_is_the_mean_distance_to_known_sets",
        "test_multilabel.py::test_cvirs_ranks_are_ranks",
    ),
    "baal: power, Gibbs and rank sampling fail in a loop": ("test_combine.py::test_registered_draws_run_in_a_loop",),
    "baal: EPIG takes the labeled rows for the target": (
        "test_committee.py::test_epig_is_about_the_inputs_the_model_is_for_not_the_labeled_ones",
    ),
    "ALiPy: density is a mean distance": ("test_density.py::test_an_outlier_does_not_win",),
    "ALiPy, libact: the downdate of QUIRE takes an outer product for a number": (
        "test_change.py::test_quire_is_the_objective_of_the_paper",
    ),
    "google: k-center takes the minimum of an (n, 1) and an (n, k) array": (
        "test_cover.py::test_k_center_takes_in_several_new_centers_at_once",
    ),
    "distil: BALD takes the logarithm of zero": ("test_committee.py::test_certain_members_give_finite_numbers",),
    "scikit-activeml: BADGE keeps the length of a gradient as if it were a distance": (
        "test_change.py::test_badge_draws_by_the_law_of_k_means_plus_plus",
    ),
}
"""Mistake → the tests of ours that hold it off."""


@pytest.mark.parametrize("mistake", KEPT_ELSEWHERE)
def test_the_tests_kept_elsewhere_are_there(mistake):
    for place in KEPT_ELSEWHERE[mistake]:
        file, name = place.split("::")
        assert f"\ndef {name}(" in (Path(__file__).parent / file).read_text(encoding="utf-8"), place


def groups(seed=0, n=120, classes=3, d=4):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (3 * np.eye(classes, d)[y] + rng.normal(size=(n, d))).astype(np.float32), y


# ── modAL ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["margin", "k_center", "badge", "typiclust", "relevance_mix", "mine"])
def test_two_rows_stay_two(name):
    """modAL takes two rows for (rows, metrics), so one of them is lost."""
    X, y = groups()
    strategy = strategies.Strategy("mine", pick=lambda score, k: np.array([3, 7])[:k]) if name == "mine" else name
    learner = SoftmaxRegression().fit(X[:12], y[:12])
    found = select(X, np.arange(12, 120), learner, strategy, k=2, given={"labeled_rows": np.arange(12)})
    assert found.rows.shape == found.scores.shape == (2,)
    assert len(set(found.rows.tolist())) == len(found.parts) == 2
    if name == "mine":
        assert found.rows.tolist() == [15, 19]


# ── google ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["k_means", "typiclust", "prob_cover", "clue", "diverse_margin"])
def test_the_number_of_clusters_comes_from_the_batch_not_from_the_answers(name):
    """google's active-learning counts clusters by the true labels of the whole pool, which nobody knows.

    Of five groups asked five rows come one from each, whether the answers so far name two classes or twenty.
    """
    rng = np.random.default_rng(1)
    group = np.arange(250) % 5
    X = (40 * np.eye(5, 6)[group] + rng.normal(size=(250, 6))).astype(np.float32)
    P = np.full((250, 2), 0.5) + 0.01 * rng.random((250, 1)) * [1, -1]
    none = {"proba": P, "labeled": X[:0], "labeled_y": np.zeros(0, int)}
    found = select(X, None, None, name, k=5, given=none).rows
    assert sorted(group[found].tolist()) == [0, 1, 2, 3, 4]
    known = np.arange(40)
    two, twenty = (
        select(
            X, np.arange(40, 250), None, name, k=5, given={"proba": P, "labeled_rows": known, "labeled_y": known % n}
        ).rows.tolist()
        for n in (2, 20)
    )  # fmt: skip
    assert two == twenty


# ── distil ──────────────────────────────────────────────────────────────────────────────────


def test_batch_bald_heeds_what_it_is_given():
    """distil's BatchBALD goes by settings of its own instead of the caller's."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(3), (8, 60))
    for k in (1, 2, 5):
        assert len(joint.batch_bald(P, np.zeros(60), k, rng)) == k
    other = P[:, rng.permutation(60)]
    X = np.zeros((60, 2), np.float32)
    first, second = (select(X, None, None, "batch_bald", k=3, given={"committee": M}).rows.tolist() for M in (P, other))
    assert first != second


@pytest.mark.parametrize("name", ["vote_entropy", "bald", "mean_std", "batch_bald", "epig", "bemps", "drop_query"])
def test_asking_leaves_the_model_as_it_was(name):
    """distil leaves layers in training mode while it samples, so that asking moves their statistics."""
    X, y = groups()
    for learner in (SoftmaxRegression(), adapt(LogisticRegression())):
        learner.fit(X[:30], y[:30])
        before = learner.predict_proba(X).copy()
        first = select(X, np.arange(30, 120), learner, name, k=4, given={"labeled_rows": np.arange(30)}).rows
        assert np.array_equal(learner.predict_proba(X), before)
        again = select(X, np.arange(30, 120), learner, name, k=4, given={"labeled_rows": np.arange(30)}).rows
        assert np.array_equal(first, again)


# ── scikit-activeml ─────────────────────────────────────────────────────────────────────────


def test_prob_cover_of_another_pool_counts_anew():
    """scikit-activeml's ProbCover keeps the distances of the first pool it saw."""
    X, _ = groups()
    other = np.ascontiguousarray(X[::-1] * np.linspace(0.1, 3, 120, dtype=np.float32)[:, None])
    strategy = strategies.get("prob_cover")
    given = {"labeled_rows": np.arange(5)}
    rows = np.arange(5, 120)
    alone = select(other, rows, None, strategy, k=6, given=given).rows.tolist()
    first = select(X, rows, None, strategy, k=6, given=given).rows.tolist()
    assert select(other, rows, None, strategy, k=6, given=given).rows.tolist() == alone != first
    direct = herding.prob_cover(other[5:], other[:5], np.zeros(115), 3, np.random.default_rng(0), radius=1.0)
    near = ((other[5:, None] - other[None]) ** 2).sum(-1) <= 1
    gain = (near[:, 5:] & ~near[:, :5].any(1)[None]).sum(1)
    assert gain[direct[0]] == gain.max()


def test_batch_bald_conditions_on_the_row_it_returns():
    """Rows 0 and 1 tie and tell different things; scikit-activeml conditions on one of them and may return the other,
    and then that one again."""
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    sure = np.array([0.95, 0.05])
    P = np.array([[sure[:: 1 - 2 * b[0]], sure[:: 1 - 2 * b[1]], [0.5, 0.5], [0.6, 0.4]] for b in bits])
    first = set()
    for seed in range(30):
        noise = np.random.default_rng(seed).random(4)
        picked = joint.batch_bald(P, noise, 2, np.random.default_rng(seed)).tolist()
        assert sorted(picked) == [0, 1]
        first.add(picked[0])
    assert first == {0, 1}


# ── libact ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore:The number of unique classes")  # scikit-learn, of 60 classes in 60 rows
@pytest.mark.parametrize(
    "make",
    [SoftmaxRegression, lambda: adapt(LogisticRegression()), lambda: adapt(DecisionTreeClassifier(random_state=0))],
)
def test_a_committee_of_many_classes_with_one_label_each_comes_to_an_end(make):
    """libact draws bags until one holds every class: of 60 classes with one label each, about one in 10^25 does."""
    X, _ = groups(n=120, d=8)
    learner = make().fit(X[:60], np.arange(60))
    members = learner.predict_committee(X[60:])
    assert members.shape[1:] == (60, 60)
    assert members.sum(-1) == pytest.approx(1, abs=1e-4)
    found = select(X, np.arange(60, 120), learner, "vote_entropy", k=3, given={"labeled_rows": np.arange(60)})
    assert len(set(found.rows.tolist())) == 3
