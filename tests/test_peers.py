"""Ours beside the peers: the same numbers where a peer is right, and what is wrong where it is not.

The peers run in an environment of their own, `.venv-peers` (`make peers`), in one process: `tests/peers/worker.py`.
Both sides get the same probabilities, embeddings and members. Scores are compared where a peer shows them, else rows.
"""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from scipy.stats import chisquare, rankdata, spearmanr

from askwise import scores, signals
from askwise.batch import cluster, contrast, cover, gradient, greedy, herding, joint, multilabel, ranked, top_k
from askwise.engine import select
from askwise.learners import SoftmaxRegression
from askwise.scores import change, committee, density, fisher, kernel, probabilistic, regression, uncertainty

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
GROUPS = (60, 50, 40, 35, 30, 25)
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="the peers are not installed here; `make peers` does it")


def softmax(Z):
    E = np.exp(Z - Z.max(-1, keepdims=True))
    return E / E.sum(-1, keepdims=True)


def problem(seed):
    """Arrays that both sides get; rows 0 to 14 are labeled."""
    rng = np.random.default_rng(seed)
    n, d, classes = 90, 5, 3
    labeled, free = np.arange(15), np.arange(15, n)
    X = rng.normal(size=(n, d)) + 1.5 * rng.normal(size=(4, d))[rng.integers(0, 4, n)]
    X /= np.sqrt((X[free] ** 2).mean())  # so that the two classifiers of the discriminative strategy regularize alike
    group = np.repeat(np.arange(6), GROUPS)
    centers = 40 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1.0]])
    near = X[labeled] - X[labeled].mean(0)
    whole = np.repeat([[5.0], [20.0], [50.0]], 12, axis=0) + rng.uniform(0, 1, (36, 4))
    certain, even = np.array([0.95, 0.05]), np.array([0.55, 0.45])
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    ties = [[certain[:: 1 - 2 * b[0]], certain[:: 1 - 2 * b[1]], even[:: 1 - 2 * b[0]], even] for b in bits]
    return {
        "X": X, "labeled": labeled, "y": np.arange(n) % classes, "y2": (np.arange(n) * 7 % 5) % 2,
        "t": rng.normal(size=n), "W": rng.normal(size=(d, classes)), "Ws": rng.normal(size=(5, d, classes)),
        "w": rng.normal(size=d), "ws": rng.normal(size=(4, d)), "sides": rng.normal(size=(d, 3)),
        "on": rng.uniform(0.02, 0.98, (n, 4)), "sets": rng.integers(0, 2, (n, 4)),
        "counts": rng.uniform(0, 6, (25, classes)), "costs": rng.uniform(0, 3, (3, 3)) * (1 - np.eye(3)),
        "ties": np.array(ties), "radius": np.quantile(pdist(X), 0.15), "gamma": 1 / np.median(pdist(X[free]) ** 2),
        "quire_gamma": 0.5 / (near**2).sum(1).mean(),
        "blobs": centers[group] + rng.normal(size=(len(group), 3)), "blob_y": np.arange(len(group)) % 3,
        "blob_labeled": np.array([3, 65, 170]), "blob_W": 0.03 * rng.normal(size=(3, 3)),
        "drops": np.concatenate([whole, -rng.uniform(1, 30, (20, 4))]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    for seed in range(3):
        np.savez(folder / f"problem-{seed}.npz", **problem(seed))
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [PYTHON, ROOT / "tests" / "peers" / "worker.py", folder]
    subprocess.run(command, check=True, env=os.environ | one, timeout=300, stdout=subprocess.DEVNULL)
    found = []
    for seed in range(3):
        with np.load(folder / f"answers-{seed}.npz") as file:
            found.append({name: file[name] for name in file.files})
    return found


@pytest.fixture(params=range(3))
def case(request, answers):
    """A problem, what follows from it, and `ask(question)`."""
    p = problem(request.param)

    def ask(name):
        answer = answers[request.param][name]
        if answer.dtype.kind == "U":
            if str(answer).startswith("ModuleNotFoundError"):
                pytest.skip(f"{name}: {answer}")
            pytest.fail(f"{name}: {answer}")
        return answer

    n, m = len(p["X"]), len(p["labeled"])
    return SimpleNamespace(
        **p, ask=ask, n=n, m=m, free=np.arange(m, n), U=p["X"][m:], L=p["X"][:m],
        noise=np.random.default_rng(0).random(n), P=softmax(p["X"] @ p["W"]), M=softmax(p["X"] @ p["Ws"]),
        flat=np.zeros(n - m),
    )  # fmt: skip


def rng():
    return np.random.default_rng(0)


# ── one model ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("library", ["activeml", "modal", "cardinal", "smalltext"])
def test_uncertainty(case, library):
    """modAL and small-text show margins and confidences themselves, the others one minus them."""
    confidence, margin, entropy = case.ask(f"{library}_uncertainty")
    confidence = 1 - confidence if library == "smalltext" else confidence
    margin = 1 - margin if library in ("modal", "smalltext") else margin
    assert scores.least_confidence(case.P) == pytest.approx(confidence)
    assert scores.margin(case.P) == pytest.approx(margin)
    assert scores.entropy(case.P) == pytest.approx(entropy)


def test_uncertainty_alipy(case):
    """It shows the best row last."""
    for score, rows in zip(
        (scores.least_confidence, scores.margin, scores.entropy), case.ask("alipy_uncertainty"), strict=True
    ):
        assert top_k(score(case.P), case.noise, 5)[::-1].tolist() == rows.tolist()


def test_decision_boundary(case):
    D = (case.X @ case.sides)[:, :1]
    expected = case.ask("alipy_decision_boundary")
    assert top_k(uncertainty.decision_boundary(D), case.noise, 5).tolist() == expected.tolist()


def test_expected_cost(case):
    names = ["a", "b", "c"]
    found = uncertainty.expected_cost(case.P, np.array(names), case.costs.tolist(), names)
    assert found == pytest.approx(case.ask("activeml_expected_cost"))


# ── several models ──────────────────────────────────────────────────────────────────────────


def test_votes(case):
    entropy, ratio = case.ask("activeml_votes")
    assert scores.vote_entropy(case.M) == pytest.approx(entropy)
    assert committee.variation_ratio(case.M) == pytest.approx(ratio)
    assert scores.vote_entropy(case.M) == pytest.approx(case.ask("modal_vote_entropy"))
    assert scores.vote_entropy(case.M) == pytest.approx(case.ask("alipy_committee")[0], abs=1e-8)


def test_consensus(case):
    """small-text takes bits for nats, ALiPy the sum over the members for the mean: neither changes the order."""
    found = scores.consensus_kl(case.M)
    assert found == pytest.approx(case.ask("activeml_kl"), abs=1e-6)
    assert found == pytest.approx(case.ask("smalltext_bald") * np.log(2), abs=1e-6)
    assert found == pytest.approx(case.ask("alipy_committee")[1] / len(case.M), abs=1e-6)


def slow_batch_bald(M, batch):
    """I(answers of a batch; member), from the table of all answers."""
    joint_answers = np.ones((len(M), 1))
    for i in batch:
        joint_answers = (joint_answers[:, :, None] * M[:, i, None, :]).reshape(len(M), -1)

    def H(P):
        return -(P * np.log(np.maximum(P, 1e-300))).sum(-1)

    return H(joint_answers.mean(0)) - H(joint_answers).mean()


def test_batch_bald(case):
    utilities = case.ask("activeml_batch_bald")
    picked = []
    for row in utilities:
        free = [i for i in range(case.n) if i not in picked]
        assert row[free] == pytest.approx(np.array([slow_batch_bald(case.M, [*picked, i]) for i in free]), abs=1e-4)
        picked.append(int(np.nanargmax(row)))
    assert joint.batch_bald(case.M, case.noise, 3, rng()).tolist() == picked


def test_batch_bald_of_equals_is_wrong_in_scikit_activeml(case):
    """Rows 0 and 1 tell different bits of the member and tie. It conditions on the one that seed 0 prefers, yet returns
    the one that the caller's seed prefers, so the second pick may be the first row again, which settles half as much.
    """
    found = case.ask("activeml_batch_bald_twice")
    twice = found[:, 0] == found[:, 1]
    assert twice.any()
    assert not twice.all()
    best = max(slow_batch_bald(case.ties, [i, j]) for i in range(4) for j in range(i))
    assert slow_batch_bald(case.ties, [0, 1]) == pytest.approx(best)
    for seed in range(20):
        picked = joint.batch_bald(case.ties, np.random.default_rng(seed).random(4), 2, rng())
        assert sorted(picked.tolist()) == [0, 1]


# ── what an answer would change ─────────────────────────────────────────────────────────────


def refits(case, candidates):
    """Σ_y p_y Σ_u loss after a refit with each answer, for two losses: summed over all unlabeled rows, and over the
    other candidates."""
    from sklearn.linear_model import LogisticRegression

    def model(X, y):
        return LogisticRegression(C=5.0, tol=1e-8, max_iter=10_000).fit(X, y)

    y = case.y[: case.m]
    now = model(case.L, y)
    out = {"log": np.zeros((2, len(candidates))), "binary": np.zeros((2, len(candidates)))}
    for at, i in enumerate(candidates):
        others = np.setdiff1d(candidates, [i])
        for c, chance in enumerate(now.predict_proba(case.X[[i]])[0]):
            P = model(np.vstack([case.L, case.X[[i]]]), np.append(y, c)).predict_proba(case.X)
            for name, loss in (("log", -(P * np.log(P)).sum(1)), ("binary", 1 - P.max(1))):
                out[name][:, at] += chance * np.array([loss[case.free].sum(), loss[others].sum()])
    return out


def test_expected_error(case):
    """The peers train again for every answer; ours follows that in two closed steps, so its order is compared."""
    few, exact = case.free[:20], refits(case, case.free[:10])
    learner = SoftmaxRegression(5.0, class_weight=None, calibrate=False, tol=1e-9).fit(case.L, case.y[: case.m])
    P, Q, K = (learner.predict_proba(rows) for rows in (case.X[few], case.U, case.L))
    F, G, A = (learner.whiten(rows) for rows in (case.X[few], case.U, case.L))
    ours = {"log": change.expected_error_reduction, "binary": change.expected_mistake_reduction}
    for name, theirs, modal in zip(
        ours, case.ask("activeml_expected_error"), case.ask("modal_expected_error"), strict=True
    ):
        assert -theirs[:10] == pytest.approx(exact[name][0], rel=1e-3)
        assert spearmanr(ours[name](P, F, Q, G, K, A, np.ones(20)), theirs).statistic > 0.8
        assert sorted(modal) == pytest.approx(np.sort(exact[name][1])[:9], rel=1e-3)
    assert case.ask("alipy_expected_error").tolist() == few[np.argsort(exact["log"][1])[:3]].tolist()


def test_value_of_information(case):
    """The risk of the other rows after a refit, as above."""
    few = case.free[:20]
    learner = SoftmaxRegression(5.0, class_weight=None, calibrate=False, tol=1e-9).fit(case.L, case.y[: case.m])
    P, Q, K = (learner.predict_proba(rows) for rows in (case.X[few], case.U, case.L))
    F, G, A = (learner.whiten(rows) for rows in (case.X[few], case.U, case.L))
    ours = change.value_of_information(P, F, Q, G, K, A, np.ones(20))
    assert spearmanr(ours, case.ask("activeml_value_of_information")).statistic > 0.8


def test_mean_variance_reduction(case):
    A = np.column_stack([case.X, np.ones(case.n)])
    root = np.linalg.cholesky(np.linalg.inv(A[: case.m].T @ A[: case.m] + np.eye(A.shape[1])))
    F = A[case.m :] @ root
    theirs = case.ask("activeml_variance_reduction")
    assert fisher.fisher_gain_regression(F, F) == pytest.approx(theirs, rel=1e-3, abs=1e-6)


def test_expected_model_change(case):
    utilities, mean, *members = case.ask("activeml_model_change")
    found = regression.expected_model_change(np.array(members).T, mean, np.linalg.norm(case.X, axis=1))
    assert found[case.free] == pytest.approx(utilities[case.free])


def quire_of_the_paper(case, gamma):
    """max over the label of s, min over the free labels of the other rows a, of y' L y; L = (K + I)⁻¹."""
    y = 2 * case.y2[: case.m] - 1.0
    L = np.linalg.inv(np.exp(-gamma * cdist(case.X, case.X) ** 2) + np.eye(case.n))
    known, out = np.arange(case.m), []
    for s in case.free:
        a = np.setdiff1d(case.free, [s])
        worst = []
        for guess in (-1, 1):
            v = L[np.ix_(a, known)] @ y + L[a, s] * guess
            value = L[s, s] + y @ L[np.ix_(known, known)] @ y + 2 * guess * (L[s, known] @ y)
            worst.append(value - v @ np.linalg.solve(L[np.ix_(a, a)], v))
        out.append(max(worst))
    return np.array(out)


def test_quire(case):
    """scikit-activeml shows the objective, which ours equals up to a constant."""
    paper = quire_of_the_paper(case, case.quire_gamma)
    theirs = -case.ask("activeml_quire")[case.free]
    assert theirs == pytest.approx(paper, abs=1e-8)
    two = np.stack([case.y2[: case.m] == 0, case.y2[: case.m] == 1], axis=1).astype(float)
    ours = -kernel.quire(case.U, case.L, two)
    assert ours - ours[0] == pytest.approx(paper - paper[0], abs=1e-8)


def quire_of_alipy(case, gamma):
    """The paper's steps with ALiPy's two mistakes."""
    y = 2 * case.y2[: case.m] - 1.0
    K = np.exp(-gamma * cdist(case.X, case.X) ** 2)
    L = np.linalg.inv(K + np.eye(case.n))
    u, known, out = case.free, np.arange(case.m), []
    # mistake 1: (K_ll + I)⁻¹ lacks K_ll
    inverse = np.eye(len(u)) + K[np.ix_(u, u)] - K[np.ix_(u, known)] @ K[np.ix_(known, u)]
    for i, s in enumerate(u):
        rest = np.delete(np.arange(len(u)), i)
        column = inverse[rest, i]
        # mistake 2: a number where the outer product of the column with itself belongs
        inner = inverse[np.ix_(rest, rest)] - column @ column / inverse[i, i]
        tmp = (L[s, known] - L[s, u[rest]] @ inner @ L[np.ix_(u[rest], known)]) @ y
        out.append(L[s, s] - np.linalg.det(L[np.ix_(u, u)]) / L[s, s] + 2 * abs(tmp))
    return np.array(out)


def test_quire_is_wrong_in_alipy(case):
    """Its inverse of L_aa leaves the kernel of the labeled rows out, and its downdate takes the outer product of a
    column with itself for a number: what it minimises has little to do with the objective, which ours equals."""
    wrong = quire_of_alipy(case, case.quire_gamma)
    assert case.ask("alipy_quire")[0] == case.free[wrong.argmin()]
    assert spearmanr(wrong, quire_of_the_paper(case, case.quire_gamma)).statistic < 0.9


# ── density ─────────────────────────────────────────────────────────────────────────────────


def test_information_density_against_modal(case):
    """modAL turns the cosine into another similarity, 1 / (2 - cos); the order of rows is nearly the same."""
    unit = case.X / np.linalg.norm(case.X, axis=1, keepdims=True)
    theirs = case.ask("modal_density")
    assert theirs == pytest.approx((1 / (2 - unit @ unit.T)).mean(1))
    assert spearmanr(density.similarity_to_pool(case.X, unit.mean(0)), theirs).statistic > 0.9


def test_information_density_is_wrong_in_alipy(case):
    """It multiplies doubt with the mean DISTANCE: of rows equally in doubt an outermost one of the smallest group comes
    first, where the paper's similarity prefers the direction that most rows share."""
    row = int(case.ask("alipy_density")[0])
    apart = cdist(case.blobs, case.blobs).mean(1)
    assert row == apart.argmax()
    unit = case.blobs / np.linalg.norm(case.blobs, axis=1, keepdims=True)
    paper = ((1 + unit @ unit.T) / 2).mean(1)
    ours = density.information_density(np.full((len(unit), 2), 0.5), case.blobs, unit.mean(0))
    assert ours == pytest.approx(np.log(2) * paper)
    assert ours.argmax() != row
    assert ours[row] < np.median(ours)


def test_contrastive(case):
    """Mean divergence from the four nearest LABELED rows. small-text looks for neighbors among all rows, and the row
    itself is the nearest of them, so its five rows are others than the best five."""
    found = density.contrastive(case.P[case.m :], case.U, case.L, case.P[: case.m], neighbors=4)
    near = cdist(case.U, case.L).argsort(1)[:, :4]
    P = case.P
    slow = [
        np.mean([(P[j] * np.log(P[j] / P[i])).sum() for j in near[i - case.m]]) for i in case.free
    ]  # fmt: skip
    assert found == pytest.approx(np.array(slow), abs=1e-5)
    assert found == pytest.approx(case.ask("activeml_contrastive")[case.free], abs=1e-5)
    best = case.free[np.argsort(slow)[-5:]]
    assert set(case.ask("smalltext_contrastive")) != set(best)


# ── diversity and coverage ──────────────────────────────────────────────────────────────────


def slow_k_center(case, k):
    far = cdist(case.X, case.L).min(1)
    picked = []
    for _ in range(k):
        picked.append(int(far.argmax()))
        far = np.minimum(far, cdist(case.X, case.X[picked[-1:]])[:, 0])
    return picked


def test_k_center(case):
    """small-text counts the rows it picked by their place among the unlabeled ones, as if that were their number."""
    ours = case.free[cover.k_center(case.U, case.L, case.flat, 5)].tolist()
    assert ours == slow_k_center(case, 5)
    activeml = case.ask("activeml_k_center")
    assert ours == activeml[0].astype(int).tolist()
    assert ours == case.ask("cardinal_k_center").tolist()
    assert ours == case.ask("alipy_k_center").tolist()
    theirs = case.ask("smalltext_k_center").tolist()
    assert theirs[0] == ours[0]
    assert theirs != ours


def test_ranked_batch(case):
    score = scores.least_confidence(case.P[case.m :])
    ours = case.free[ranked.ranked(score, case.U, case.L, case.flat, 6)].tolist()
    assert ours == case.ask("modal_ranked_batch").tolist()
    assert ours == case.ask("cardinal_ranked_batch").tolist()


def test_max_herding(case):
    ours = case.free[herding.max_herding(case.U, case.L, case.flat, 5, rng())]
    assert ours.tolist() == case.ask("activeml_max_herding").tolist()


def test_typiclust(case):
    """Six groups far apart, three of them labeled: the others in turn, the largest first."""
    free = np.setdiff1d(np.arange(len(case.blobs)), case.blob_labeled)
    E = case.blobs[free]
    ours = free[cover.typical(E, case.blobs[case.blob_labeled], np.zeros(len(E)), 3, rng())]
    assert ours.tolist() == case.ask("activeml_typiclust").tolist()


def test_prob_cover(case):
    """Step by step, since counts tie: our next row is one of those that cover most."""
    answer = case.ask("activeml_prob_cover")
    picked, counts = answer[0].astype(int), answer[1:].T
    inside = cdist(case.X, case.X) <= case.radius
    for step, count in enumerate(counts):
        known = np.append(case.labeled, picked[:step])
        free = np.setdiff1d(np.arange(case.n), known)
        new = (inside[free] & ~inside[known].any(0)).sum(1)
        assert count[free].tolist() == new.tolist()
        row = herding.prob_cover(
            case.X[free], case.X[known], case.noise[free], 1, rng(), radius=float(case.radius)
        )  # fmt: skip
        assert new[row[0]] == new.max()


def test_prob_cover_of_a_second_pool_is_wrong_in_scikit_activeml(case):
    """Asked again, the same object counts with the distances of the first pool."""
    second = case.X[::-1] * np.linspace(0.1, 3, case.n)[:, None]
    stale, inside = cdist(case.X, case.X) <= case.radius, cdist(second, second) <= case.radius

    def counts(near):
        return (near & ~near[: case.m].any(0)).sum(1)[case.m :]

    found = case.ask("activeml_prob_cover_again")[case.m :]
    assert found.tolist() == counts(stale).tolist()
    assert found.tolist() != counts(inside).tolist()
    for E in (case.X, second):
        near = cdist(E, E) <= case.radius
        row = herding.prob_cover(E[case.m :], E[: case.m], case.flat, 1, rng(), radius=float(case.radius))
        assert counts(near)[row[0]] == counts(near).max()


def test_k_means(case):
    """One row of each of six groups, the one nearest to its center. Cardinal gives them in the order of the pool;
    small-text takes the row with the smallest angle, which is the nearest one only where rows have length one."""
    none = np.zeros(len(case.blobs))
    ours = sorted(cluster.central(case.blobs, none, 6, rng()).tolist())
    assert ours == case.ask("cardinal_k_means").tolist()
    group = np.repeat(np.arange(6), GROUPS)
    centers = np.stack([case.blobs[group == g].mean(0) for g in range(6)])
    assert ours == sorted(cdist(case.blobs, centers).argmin(0).tolist())
    assert ours != case.ask("smalltext_k_means")[0].tolist()
    unit = case.blobs / np.linalg.norm(case.blobs, axis=1, keepdims=True)
    assert sorted(cluster.central(unit, none, 6, rng()).tolist()) == case.ask("smalltext_k_means")[1].tolist()


def test_discriminative(case):
    """Both learn anew after every row picked."""
    ours = contrast.discriminative(case.U, case.L, case.flat, 4, rng())
    assert case.free[ours].tolist() == case.ask("activeml_discriminative").tolist()


# ── hybrids ─────────────────────────────────────────────────────────────────────────────────


def test_badge(case):
    """The first row is the longest gradient, the chance of each next one is that of k-means++: the squared distance to
    the nearest row picked. scikit-activeml agrees on the first row but then keeps the squared LENGTH as if it were a
    distance to a picked row: short gradients, of rows the model is sure of, get too small a chance."""
    answer = case.ask("activeml_badge")
    picked, chances = answer[0].astype(int) - case.m, answer[1:].T[:, case.m :]
    P, n = case.P[case.m :], len(case.U)
    built = np.stack([np.outer(p - np.eye(3)[p.argmax()], x).ravel() for p, x in zip(P, case.U, strict=True)])
    length = (built**2).sum(1)
    assert length / length.sum() == pytest.approx(chances[0])
    assert gradient.badge(P, case.U, case.flat, 1, rng())[0] == picked[0] == length.argmax()
    for step in (1, 2):
        paper = cdist(built, built[picked[:step]]).min(1) ** 2
        left = np.setdiff1d(np.arange(n), picked[:step])
        wrong = np.minimum(paper, length)
        assert chances[step][left] == pytest.approx((wrong / wrong.sum())[left])
        assert np.abs(chances[step] - paper / paper.sum())[left].max() > 0.01
        bound = np.full(n, np.inf, np.float32)
        gradient._Gradients(P, case.U).approach(bound, picked[:step].tolist())
        assert bound[left] == pytest.approx(paper[left], rel=1e-3)
    paper = cdist(built, built[picked[:1]])[:, 0] ** 2
    drawn = [gradient.badge(P, case.U, case.flat, 2, np.random.default_rng(seed))[1] for seed in range(3000)]
    assert chisquare_fits(np.bincount(drawn, minlength=n), paper / paper.sum())
    assert not chisquare_fits(np.bincount(drawn, minlength=n), np.nan_to_num(chances[1]) + 1e-12)


def chisquare_fits(count, law):
    """Whether draws fit a law, rows joined until ten of each are expected."""
    expected = law * count.sum()
    order = np.argsort(-expected)
    cut = np.searchsorted(np.cumsum(expected[order]), np.arange(30, expected.sum(), 30))
    pieces = [order[a:b] for a, b in pairwise(np.unique([0, *cut, len(order)]))]
    seen = np.array([count[piece].sum() for piece in pieces], float)
    hoped = np.array([expected[piece].sum() for piece in pieces])
    keep = hoped > 0
    return chisquare(seen[keep], hoped[keep] * seen[keep].sum() / hoped[keep].sum()).pvalue > 1e-4


class Scripted:
    """A source of chosen numbers in place of random ones."""

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def random(self):
        return self.numbers.pop(0)


def test_falcun_has_the_same_law(case):
    """Numbers that lie at the ends of the peer's intervals lead ours to the peer's rows, step by step."""
    answer = case.ask("activeml_falcun")
    picked, chances = answer[0].astype(int) - case.m, np.nan_to_num(answer[1:].T[:, case.m :])
    P = case.P[case.m :]
    upper = np.cumsum(chances, axis=1)
    ends = [(up[i] - c[i], up[i]) for up, c, i in zip(upper, chances, picked, strict=True)]
    for share in (0.02, 0.98):
        numbers = [low + share * (high - low) for low, high in ends]
        assert contrast.falcun(scores.margin(P), P, 4, Scripted(numbers)).tolist() == picked.tolist()
    # a little past an interval another row comes
    past = [ends[0][0] * 0.5 + ends[0][1] * 0.5, (ends[1][1] + 0.02) % 1, 0.5, 0.5]
    assert contrast.falcun(scores.margin(P), P, 4, Scripted(past))[1] != picked[1]


def test_clue(case):
    """One row in each of six groups, the nearest to the center that doubt weighs."""
    free = np.setdiff1d(np.arange(len(case.blobs)), case.blob_labeled)
    score = scores.entropy(softmax(case.blobs[free] @ case.blob_W))
    ours = free[cluster.weighted_central(score, case.blobs[free], np.zeros(len(free)), 6, rng())]
    assert sorted(ours.tolist()) == sorted(case.ask("activeml_clue").tolist())


def test_drop_query(case):
    """Three groups of rows whose label flips, and rows whose label does not: one row of each of the three."""

    class Model:
        def predict_proba(self, X):
            whole = (X > 0).all(1).astype(float)
            return np.stack([1 - whole, whole], axis=1)

    free = np.arange(2, len(case.drops))
    flips = signals.flips(Model(), case.drops[free].astype(np.float32))
    assert (flips == (case.drops[free] > 0).all(1)).all()
    ours = free[cluster.unsteady_central(flips, case.drops[free], np.zeros(len(free)), 3, rng())]
    assert sorted(ours.tolist()) == sorted(case.ask("activeml_drop_query").tolist())


def test_diverse_margin_asks_in_the_same_groups_as_cardinal(case):
    """Cardinal takes the row nearest to each center, ours the best of each cluster, and no outliers; every group with
    company among the most doubtful rows has one."""
    group = np.repeat(np.arange(6), GROUPS)
    score = scores.margin(softmax(case.blobs @ case.blob_W))
    theirs = case.ask("cardinal_two_step")
    shortlist = np.sort(top_k(score, np.zeros(len(score)), 120))
    ours = shortlist[cluster.diverse(score[shortlist], case.blobs[shortlist], np.zeros(120), 6, rng())]
    assert set(theirs.tolist()) <= set(shortlist.tolist())
    large = np.flatnonzero(np.bincount(group[shortlist], minlength=6) > 10)
    assert set(large) <= set(group[ours])
    assert set(large) <= set(group[theirs])
    for g in large:
        assert score[ours[group[ours] == g]].max() >= score[theirs[group[theirs] == g]].max()


def test_epistemic(case):
    """Two counts; the peer's search stops at five digits."""
    p, n = case.counts[:, 0], case.counts[:, 1]
    ours = np.minimum(probabilistic._plausible(p, n), probabilistic._plausible(n, p))
    assert ours == pytest.approx(case.ask("activeml_epistemic"), abs=1e-4)


def test_probabilistic_gain(case):
    assert probabilistic.expected_gain(case.counts) == pytest.approx(case.ask("activeml_probabilistic"), abs=1e-9)


# ── numbers ─────────────────────────────────────────────────────────────────────────────────


def test_greedy_sampling(case):
    f = case.X @ case.w
    known = case.t[: case.m]
    found = [
        cover.k_center(case.U, case.L, case.flat, 5),
        greedy.greedy_outputs(f[case.m :], known, case.flat, 5),
        greedy.greedy_both(case.U, case.L, f[case.m :], known, case.flat, 5),
    ]
    for ours, theirs in zip(found, case.ask("activeml_greedy"), strict=True):
        assert case.free[ours].tolist() == theirs.tolist()


def test_committee_variance(case):
    """The peer shows the standard deviation."""
    members = case.X @ case.ws.T
    found = regression.committee_variance(members[case.m :])
    assert found == pytest.approx(case.ask("activeml_committee_std")[case.free] ** 2)


# ── several labels ──────────────────────────────────────────────────────────────────────────


def pairs(on):
    return np.stack([1 - on, on], axis=2)


def test_binary_minimum(case):
    """modAL asks about the row nearest to a boundary, but with ties broken at random about the most certain one."""
    D = case.X @ case.sides
    nearest, *drawn = case.ask("modal_binary_minimum").tolist()
    ours = scores.binary_minimum(pairs(1 / (1 + np.exp(-D))))
    assert ours.argmax() == np.abs(D).min(1).argmin() == nearest
    assert set(drawn) == {np.abs(D).min(1).argmax()}


def test_maximum_loss_reduction(case):
    answer = case.ask("alipy_mmc")
    row, on = int(answer[0]), answer[1:].reshape(4, -1).T
    loss = scores.maximum_loss_reduction(pairs(on), np.full(case.n, 2))
    assert case.free[loss[case.free].argmax()] == row


def test_parts_of_adaptive(case):
    """Rows without any predicted label, or with all, have no separation margin in ALiPy; they are left out here."""
    answer = case.ask("alipy_adaptive_parts")
    narrow, odd = answer[:2].astype(int)
    D = answer[2:].reshape(4, -1).T
    proba = pairs(0.5 + 0.5 * D / np.abs(D).max())
    both = (D[case.free] > 0).any(1) & (D[case.free] < 0).any(1)
    ours = scores.separation_uncertainty(proba[case.free])
    assert case.free[both][ours[both].argmax()] == narrow
    known = pairs(case.sets[: case.m].astype(float))
    gap = scores.label_cardinality_inconsistency(proba[case.free], known)
    assert gap[odd - case.m] == pytest.approx(gap.max())


def test_cvirs_is_wrong_in_small_text(case):
    """Its inconsistency is the share of labels that differ, summed over the labeled rows and divided by the number of
    UNLABELED ones: the entropy distance is computed and dropped. Its ranks are those of |p - Σ p|, which is no margin,
    and the place in an order (argsort) stands for the rank. Ours is the paper's, as test_multilabel.py shows."""
    on = case.on[case.free]
    both, inconsistency, behind = case.ask("smalltext_cvirs")
    differ = (on[:, None] > 0.5) != case.sets[None, : case.m].astype(bool)
    assert inconsistency == pytest.approx(differ.mean(2).sum(1) / len(on))
    place = np.abs(on - on.sum(1, keepdims=True)).argsort(0)
    assert behind == pytest.approx((len(on) - place).sum(1) / (4 * (len(on) - 1)))
    assert both == pytest.approx(inconsistency * behind)
    margin = np.round(np.abs(2 * on - 1), 5)
    count = (len(on) - rankdata(margin, axis=0)).sum(1) / (4 * (len(on) - 1))
    assert multilabel.borda(pairs(on)) == pytest.approx(count)
    ours = scores.category_vector_inconsistency(pairs(on), pairs(case.sets[: case.m].astype(float))) * count
    assert spearmanr(ours, both).statistic < 0.9


# ── the loop ────────────────────────────────────────────────────────────────────────────────


def test_the_engine_chooses_the_same_rows(case):
    """By name, as a user asks."""
    asked = {
        "margin": case.free[np.argsort(-scores.margin(case.P[case.m :]))[:5]],
        "k_center": case.ask("activeml_k_center")[0], "greedy_features": case.ask("activeml_greedy")[0],
        "ranked_batch": case.ask("modal_ranked_batch"), "max_herding": case.ask("activeml_max_herding"),
    }  # fmt: skip
    given = {"proba": case.P, "embedding": case.X, "labeled_rows": case.labeled}
    for name, rows in asked.items():
        assert select(case.X, case.free, None, name, k=len(rows), given=given).rows.tolist() == rows.tolist(), name


def test_two_rows_become_one_in_modal(case):
    """What a strategy returns is taken apart into (rows, metrics) wherever it has two parts: of two rows one is lost,
    of three none. Ours returns every row: test_others_bugs.py."""
    assert case.ask("modal_two_rows").tolist() == [1, 3]
