"""Numbers that lose their last digits, do not fit their type, or are none: at every door that takes features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from askwise import Session, batch, insight, select, strategies
from askwise.batch import cluster, greedy, herding, ranked
from askwise.batch.distances import distances, places
from askwise.core import AskwiseError, BadInput, ContractError
from askwise.features import LARGEST, as_features, check_finite
from askwise.learners import RidgeRegression, SoftmaxRegression, adapt
from askwise.scores import density, probabilistic

pytestmark = pytest.mark.usefixtures("linear")

N, LABELED = 120, np.arange(6)
FREE = np.arange(6, N)
BY_ANGLE = {"facility_location", "typical_direction", "telling"}
"""Which look at rows from the origin: an offset is another question to them."""
BY_DISTANCE = sorted(
    name for name in strategies.available() if strategies.get(name).features_only and name not in {*BY_ANGLE, "random"}
)


def grid(seed: int, n: int = N, d: int = 3) -> np.ndarray:
    """Rows that an offset does not round."""
    return np.round(np.random.default_rng(seed).normal(size=(n, d)) * 256) / 256


def chosen(X: Any, name: str, k: int = 5, **given: Any) -> list[int]:
    told = {"labeled_rows": LABELED, "labeled_y": LABELED % 2} | given
    return select(X, FREE, None, name, k=k, given=told).rows.tolist()


# ── far from the origin ─────────────────────────────────────────────────────────────────────


def farthest(X: np.ndarray, k: int) -> list[int]:
    X = X.astype(float)
    near = ((X[FREE][:, None] - X[LABELED]) ** 2).sum(-1).min(1)
    picked = []
    for _ in range(k):
        picked.append(int(FREE[near.argmax()]))
        near = np.minimum(near, ((X[FREE] - X[picked[-1]]) ** 2).sum(1))
    return picked


def test_the_list_of_strategies_by_distance_is_not_empty() -> None:
    assert {"k_center", "typiclust", "k_means", "prob_cover", "max_herding", "graph_density"} <= set(BY_DISTANCE)


@pytest.mark.parametrize("name", BY_DISTANCE)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_an_offset_changes_no_choice_by_distance(name: str, seed: int) -> None:
    X = grid(seed)
    there = chosen(X, name)
    for offset in (1e4, 1e6, np.array([1e6, -3e4, 7e8])):
        assert chosen(X + offset, name) == there, offset


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), offset=st.sampled_from([0.0, 1e3, 1e6, 1e9]), kind=st.sampled_from(["f4", "f8"]))
def test_the_farthest_are_the_farthest(seed: int, offset: float, kind: str) -> None:
    X = (np.random.default_rng(seed).normal(size=(N, 2)) + offset).astype(kind)
    picked = chosen(X, "k_center")
    if offset < 1e9 or kind == "f8":
        exact = X.astype(float)
        near = ((exact[:, None] - exact[LABELED]) ** 2).sum(-1).min(1)
        for row in picked:  # each is the farthest of all, or as far but for the rounding of single precision
            assert near[row] >= near[FREE].max() * (1 - 1e-5)
            near = np.minimum(near, ((exact - exact[row]) ** 2).sum(1))
    else:  # float32 itself keeps steps of 64 there: many tie
        assert len(set(picked)) == 5


def test_two_groups_a_million_apart_keep_their_shape() -> None:
    X = grid(3)
    X[::2] += 1e6
    assert chosen(X, "k_center", 8) == farthest(X, 8)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_facility_location_sees_angles_as_float64_does(offset: float) -> None:
    X = np.random.default_rng(5).normal(size=(60, 3)) + offset
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    loss = ((U[:, None] - U[None]) ** 2).sum(-1)  # 2 - 2 cos, without its rounding
    covered, picked = np.full(60, 2.0), []
    for _ in range(5):
        left = np.minimum(covered, loss).sum(1)
        left[picked] = np.inf
        picked.append(int(left.argmin()))
        covered = np.minimum(covered, loss[picked[-1]])
    found = herding.facility_location(X, X[:0], np.zeros(60), 5, np.random.default_rng(0))
    assert found.tolist() == picked


RULES: dict[str, Any] = {
    "k_center": lambda E, L, noise: batch.k_center(E, L, noise, 4),
    "ranked": lambda E, L, noise: ranked.ranked(noise, E, L, noise, 4),
    "max_herding": lambda E, L, noise: herding.max_herding(E, L, noise, 4, np.random.default_rng(0)),
    "typical": lambda E, L, noise: batch.typical(E, L, noise, 4, np.random.default_rng(0)),
    "diverse": lambda E, L, noise: batch.diverse(noise, E, noise, 4, np.random.default_rng(0)),
    "cluster_margin": lambda E, L, noise: cluster.cluster_margin(noise, E, noise, 4),
    "largest_cluster": lambda E, L, noise: greedy.largest_cluster(E, L, noise, 4),
}


@pytest.mark.parametrize("offset", [1e4, 1e6])
@pytest.mark.parametrize("rule", RULES)
def test_rules_called_by_themselves_are_as_exact(rule: str, offset: float) -> None:
    X, noise = grid(8, 50), np.linspace(0, 0.9, 44)
    near, far = (RULES[rule](E[6:], E[:6], noise).tolist() for E in (X, X + offset))
    assert near == far


def test_k_means_gives_centers_where_the_rows_are() -> None:
    X = grid(1, 200)
    near, far = (batch.k_means(E, 4, np.random.default_rng(0)) for E in (X, X + 1e6))
    np.testing.assert_allclose(far - 1e6, near, atol=1e-5)


def test_scores_by_distance_bear_an_offset() -> None:
    X, y = grid(2), LABELED % 2
    P = np.random.default_rng(0).dirichlet([1, 1], N)
    for score in (
        lambda E: probabilistic.probabilistic_gain(E[6:], E[:6], y, E[6:60]),
        lambda E: probabilistic.epistemic(E[6:], E[:6], y, E[6:60]),
        lambda E: density.contrastive(P[6:], E[6:], E[:6], P[:6]),
    ):
        np.testing.assert_allclose(score(X + 1e6), score(X), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", ["f4", "f8", "i8"])
def test_learners_bear_an_offset(kind: str) -> None:
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(80, 3)) * 64)
    y = (X @ [1, 2, -1] > 0).astype(int)
    there = (X + 2.0**20).astype(kind)
    plain, far = SoftmaxRegression().fit(X, y), SoftmaxRegression().fit(there, y)
    np.testing.assert_allclose(far.predict_proba(there), plain.predict_proba(X), atol=2e-2)
    assert (far.predict(there) == y).mean() > 0.95
    np.testing.assert_allclose(far.whiten(there), plain.whiten(X), rtol=0.05, atol=0.05)
    assert far.predict_committee(there).std(0).max() < 0.5
    t = X @ [1.0, 2, -1]
    ridge, moved = RidgeRegression().fit(X, t), RidgeRegression().fit(there, t)
    np.testing.assert_allclose(moved.predict(there), ridge.predict(X), rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(moved.predict_std(there), ridge.predict_std(X), rtol=1e-3)
    np.testing.assert_allclose(far.fit(X, y).predict_proba(X), plain.predict_proba(X), atol=2e-2)  # and back again


def test_a_committee_of_a_logistic_regression_bears_an_offset() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X = grid(0)
    y = (X[:, 0] > 0).astype(int)
    P = [
        adapt(make_pipeline(StandardScaler(), LogisticRegression())).fit(E, y).predict_committee(E)
        for E in (X, X + 2.0**20)
    ]
    np.testing.assert_allclose(P[0], P[1], atol=1e-4)


def test_a_session_far_away_asks_learns_and_finds_neighbors_as_nearby() -> None:
    X = grid(4)
    found = []
    for offset in (0.0, 2.0**20):
        session = Session(X + offset, classes=["a", "b"], strategy="k_center", audit_share=0, seed=1)
        rows = []
        for _ in range(3):
            for q in session.ask(4):
                rows.append(q.row)
                session.tell(q, "ab"[int(X[q.row, 0] > 0)])
            session.refresh()
        near = session.nearest(int(rows[0]), 3)
        guesses = [r["model_guess"] for r in session.rows()]
        found.append((rows, guesses))
        assert len(near) == 3
    assert found[0] == found[1]


def test_nearest_far_away_is_the_one_beside() -> None:
    X = grid(4)
    X[7] = X[0] + 2**-8
    session = Session(X + 2.0**20, classes=["a", "b"], seed=1)
    for row in (7, *range(20, 40)):
        session.tell(session.pool.ids[row], "ab"[row % 2])
    row, _, cosine = session.nearest(0, 1)[0]
    assert row == 7
    assert cosine > 0.99


def test_far_away_not_everything_is_alike() -> None:
    X = grid(4, 40)
    y = np.arange(40) % 2
    assert len(insight.contradictions(X + 2.0**20, y)) < 20  # by the angle from the origin all of them are
    X[1] = X[0]
    assert insight.contradictions(X + 2.0**20, y)[0][:2] == (0, 1)
    near, far = (insight.flat(E, 0) for E in (X, X + 2.0**20))
    np.testing.assert_allclose(np.abs(near), np.abs(far), atol=1e-2)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    offset=st.floats(-1e9, 1e9),
    scale=st.floats(1e-3, 1e3),
    d=st.integers(1, 6),
)
def test_distances_of_places_are_those_of_float64(seed: int, offset: float, scale: float, d: int) -> None:
    X = np.random.default_rng(seed).normal(size=(40, d)) * scale + offset
    E = places(X)
    exact = ((X[:, None] - X[None]) ** 2).sum(-1)
    np.testing.assert_allclose(distances(E[:], E[:]), exact, atol=2e-5 * exact.max())


def test_ordinary_rows_are_left_as_they_are() -> None:
    X = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    assert places(X).center is None
    assert places(X)[:10].dtype == np.float32
    assert places(np.abs(X)).center is None
    assert SoftmaxRegression().fit(X, X[:, 0] > 0).center_ is None


# ── numbers that do not fit their type ──────────────────────────────────────────────────────


SMALL = [np.uint8, np.int8, np.int16, np.uint16, np.bool_, np.float16, np.int32, np.int64, np.float32]


@pytest.mark.parametrize("dtype", SMALL, ids=lambda t: np.dtype(t).name)
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_whole_numbers_are_computed_in_a_type_that_holds_them(dtype: Any, form: str) -> None:
    rng = np.random.default_rng(1)
    high = {np.bool_: 2, np.int8: 128}.get(dtype, 256)
    A = rng.integers(0, high, (N, 6)).astype(dtype)
    y = (np.arange(N) % 3 == 0) + (np.arange(N) % 5 == 0).astype(int)
    learner = SoftmaxRegression().fit(A[:30].astype(float), y[:30])
    given = {"labeled_rows": np.arange(30), "labeled_y": y[:30]}
    if form == "csr" and dtype is np.float16:
        pytest.skip("SciPy has no such matrices")
    for name in ("expected_gradient_length", "k_center", "typiclust", "badge", "information_density", "diverse_margin"):
        told = [
            select(M if form == "dense" else sparse.csr_matrix(M), np.arange(30, N), learner, name, k=5, given=given)
            for M in (A, A.astype(np.float64))
        ]
        assert told[0].rows.tolist() == told[1].rows.tolist(), name


# ── no numbers ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e25], ids=str)
@pytest.mark.parametrize("form", ["dense", "float32", "fortran", "csr", "object", "longdouble", "readonly"])
@pytest.mark.parametrize("name", ["k_center", "typiclust", "auto", "badge", "prob_cover", "margin", "telling"])
def test_every_strategy_says_where_a_number_is_none(bad: float, form: str, name: str) -> None:
    X = grid(0).astype(np.float32 if form == "float32" else np.float64)
    learner = SoftmaxRegression().fit(X[:20], np.arange(20) % 2)
    X[17, 2] = bad
    made = {
        "fortran": np.asfortranarray, "csr": sparse.csr_matrix, "object": lambda A: A.astype(object),
        "longdouble": lambda A: A.astype(np.longdouble),
    }.get(form, lambda A: A)(X)  # fmt: skip
    if form == "readonly":
        made.flags.writeable = False
    with pytest.raises(BadInput, match="row 17, column 2"):
        select(made, FREE, learner, name, k=3, given={"labeled_rows": LABELED, "labeled_y": LABELED % 2})


@pytest.mark.parametrize("name", sorted(strategies.available()))
def test_no_strategy_hangs_or_fails_raw_on_nan(name: str) -> None:
    X = grid(0)
    learner = SoftmaxRegression().fit(X[:20], np.arange(20) % 2)
    X[17, 2] = np.nan
    for model in (learner, None):
        try:
            picked = select(X, FREE, model, name, k=3, given={"labeled_rows": LABELED, "labeled_y": LABELED % 2})
        except AskwiseError:
            continue  # in a sentence
        assert len(picked.rows) == 3


def test_rows_that_nobody_reads_may_hold_anything() -> None:
    X = grid(0)
    X[100] = np.nan
    assert len(select(X, np.arange(50), None, "k_center", k=3).rows) == 3
    assert len(select(X, None, None, "random", k=3).rows) == 3
    with pytest.raises(BadInput, match="row 100"):
        select(X, np.arange(50), None, "k_center", k=3, given={"labeled_rows": [100]})


def test_a_learner_that_takes_missing_values_gets_them() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    X = grid(0)
    X[40, 1] = np.nan
    y = np.arange(30) % 2
    for learner in (HistGradientBoostingClassifier(max_iter=3), make_pipeline(SimpleImputer(), LogisticRegression())):
        assert len(select(X, FREE, learner.fit(X[:30], y), "margin", k=3).rows) == 3
        with pytest.raises(BadInput, match="row 40, column 1"):
            select(X, FREE, learner, "badge", k=3)
    with pytest.raises(BadInput, match="row 40, column 1"):
        select(X, FREE, LogisticRegression().fit(X[:30], y), "margin", k=3)


def test_large_numbers_are_computed_with() -> None:
    X = grid(0) * 1e15
    assert chosen(X, "k_center") == farthest(X, 5)
    y = (X[:, 0] > 0).astype(int)
    learner = SoftmaxRegression().fit(X[:40], y[:40])
    assert (learner.predict(X) == y).mean() > 0.8
    assert len(select(X, FREE, learner, "badge", k=3).rows) == 3
    assert LARGEST >= 1e17


def test_the_check_is_right_about_every_number() -> None:
    rng = np.random.default_rng(0)
    for trial in range(60):
        X = rng.normal(size=(rng.integers(1, 50), rng.integers(1, 9))).astype(rng.choice(["f2", "f4", "f8"]))
        rows = np.sort(rng.choice(len(X), rng.integers(1, len(X) + 1), replace=False)) if trial % 2 else None
        row, column = int(rng.integers(len(X))), int(rng.integers(X.shape[1]))
        X[row, column] = rng.choice([np.nan, np.inf, -np.inf])
        looked = rows is None or row in rows
        for made in (X, sparse.csr_matrix(X.astype(np.float64))):
            if not looked:
                check_finite(made, rows)
                continue
            with pytest.raises(BadInput, match=f"row {row}, column {column};"):
                check_finite(made, rows)


# ── what people have instead of an array ────────────────────────────────────────────────────


FORMS = {
    "pandas": pd.DataFrame,
    "polars": lambda A: pl.DataFrame(A, schema=[f"c{i}" for i in range(A.shape[1])], orient="row"),
    "lists": lambda A: A.tolist(),
    "matrix": np.matrix,
    "fortran": np.asfortranarray,
    "object": lambda A: A.astype(object),
    "longdouble": lambda A: A.astype(np.longdouble),
    "big-endian": lambda A: A.astype(">f8"),
    **{name: getattr(sparse, f"{name}_matrix") for name in ("coo", "csc", "bsr", "dia", "lil", "dok")},
    **{f"{name} array": getattr(sparse, f"{name}_array") for name in ("coo", "csr", "csc", "bsr")},
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::scipy.sparse.SparseEfficiencyWarning")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["margin", "k_center", "badge"])
def test_whatever_holds_numbers_is_taken(form: str, name: str) -> None:
    X = grid(0)
    learner = SoftmaxRegression().fit(FORMS[form](X[:20]), pd.Series(np.arange(20) % 2))
    given = {"labeled_rows": LABELED.tolist(), "labeled_y": (LABELED % 2).tolist()}
    made = FORMS[form](X)
    plain = sparse.csr_matrix(X) if hasattr(made, "tocsr") else X
    picked = select(made, pd.Index(FREE), learner, name, k=4, given=given).rows
    assert picked.tolist() == select(plain, FREE, learner, name, k=4, given=given).rows.tolist()


def test_a_memory_map_is_not_read_as_a_whole(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", grid(0))
    X = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert as_features(X) is X
    assert chosen(X, "k_center") == farthest(np.asarray(X), 5)


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.zeros(5), r"X\[:, None\]"),
        (np.zeros((2, 2, 2)), "two dimensions"),
        (np.zeros((3, 2), complex), "complex128"),
        (np.array([["1", "2"], ["3", "4"]]), "texts"),
        (np.array([["1", 2], [3, 4]], object), "row 0, column 0"),
        (pd.DataFrame({"a": [1.0, 2], "b": ["x", "y"]}), "'x' in row 0, column 1"),
        (pd.DataFrame({"a": pd.to_datetime(["2024-01-01", "2024-01-02"])}), "real numbers"),
        ([[1, 2], [3]], "each with as many"),
        (np.ma.masked_array(np.zeros((3, 2)), mask=[[0, 1]] * 3), "masked"),
        (None, "two dimensions"),
        ("text", "two dimensions"),
        (sparse.csr_matrix(np.eye(3) * 1j), "complex"),
    ],
)
def test_what_holds_no_numbers_is_refused_in_a_sentence(X: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        select(X, None, None, "k_center", k=1)


def test_an_array_without_columns_is_no_crash() -> None:
    for name in ("k_center", "typiclust", "random", "max_herding"):
        assert len(select(np.zeros((5, 0)), None, None, name, k=2).rows) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"candidates": [-1]}, "0 to 119"),
        ({"candidates": [[1, 2]]}, "one dimension"),
        ({"candidates": [[1], [1, 2]]}, "row numbers"),
        ({"candidates": [1.5]}, "integers"),
        ({"candidates": [True, False]}, "flatnonzero"),
        ({"candidates": {1, 2}}, "integers"),
        ({"candidates": "ab"}, "integers"),
        ({"k": -1}, "k=-1"),
        ({"k": 2.5}, "k=2.5"),
        ({"k": None}, "k=None"),
        ({"spare": 1.5}, "spare=1.5"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "x"}, "seed"),
        ({"given": {"labeled_rows": [120]}}, "labeled_rows must be rows 0 to 119"),
        ({"given": {"labeled_rows": [-1]}}, "labeled_rows"),
        ({"given": {"labeled_rows": [0.5]}}, "labeled_rows"),
        ({"given": {"n_labeled": -1}}, "n_labeled"),
        ({"given": {"proba": np.full((N, 2), 0.4)}}, "together 1"),
        ({"given": {"proba": np.full((N, 2), np.nan)}}, "row 0"),
        ({"given": {"proba": np.tile([1.5, -0.5], (N, 1))}}, "row 0"),
        ({"given": {"proba": [[0.5, 0.5]]}}, "120 rows"),
        ({"given": {"embedding": sparse.csr_matrix(grid(0))}, "strategy": "k_center"}, "dense"),
        ({"given": {"labeled": np.array([[np.nan] * 3])}, "strategy": "k_center"}, "row 0, column 0"),
        ({"given": {"cost": ["a"] * N}}, "numbers"),
    ],
)
def test_what_else_cannot_be_is_refused_in_a_sentence(change: dict[str, Any], words: str) -> None:
    X = grid(0)
    learner = SoftmaxRegression().fit(X[:20], np.arange(20) % 2)
    arguments: dict[str, Any] = {"candidates": FREE, "strategy": "margin", "k": 3} | change
    with pytest.raises(BadInput, match=words):
        select(X, arguments.pop("candidates"), learner, **arguments)


def test_what_can_be_meant_is_taken() -> None:
    X = grid(0)
    learner = SoftmaxRegression().fit(X[:20], np.arange(20) % 2)
    assert select(X, [9, 7, 7, 9], learner, k=5).rows.tolist() in ([7, 9], [9, 7])
    assert len(select(X, None, learner, k=0).rows) == 0
    assert len(select(X, [], learner, k=3).rows) == 0
    assert len(select(X, FREE, learner, k=np.int64(1000)).rows) == len(FREE)
    assert len(select(X, FREE, learner, "random", k=3, seed=None).rows) == 3
    several = {tuple(select(X, FREE, learner, "random", k=3, seed=None).rows) for _ in range(5)}
    assert len(several) > 1
    rounded = np.full((N, 3), np.float32(1 / 3)).round(4)
    assert len(select(X, FREE, None, "margin", k=2, given={"proba": rounded}).rows) == 2
    with pytest.raises(ContractError, match="2 dimensions"):
        select(X, FREE, None, "margin", k=2, given={"proba": np.full(N, 0.5)})


def test_a_session_without_a_seed_draws_one_and_keeps_it() -> None:
    seeds = {Session(grid(0), classes=["a", "b"], seed=None).settings["seed"] for _ in range(3)}
    assert len(seeds) == 3
    with pytest.raises(BadInput, match="seed"):
        Session(grid(0), classes=["a", "b"], seed="x")  # type: ignore[arg-type]


# ── rounding is no mistake ──────────────────────────────────────────────────────────────────


def test_draws_by_power_and_scores_per_cost_take_rounding_below_zero_for_zero() -> None:
    from sklearn.linear_model import LogisticRegression

    from askwise.batch.stochastic import stochastic

    cheap = strategies.per_cost("bald")
    for seed in range(8):
        A = np.random.default_rng(seed).normal(size=(100, 4)) * 10
        learner = adapt(LogisticRegression()).fit(A[:20], (A[:20, 0] > 0).astype(int))
        assert len(select(A, np.arange(20, 100), learner, "power_bald", k=5, seed=seed).rows) == 5
        assert len(select(A, np.arange(20, 100), learner, cheap, k=5, given={"cost": np.ones(100)}).rows) == 5
    with pytest.raises(BadInput, match="0 or more"):
        stochastic(np.array([0.5, -0.1]), np.array([0.1, 0.2]), 1)
