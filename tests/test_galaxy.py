"""GALAXY: bisection between differing labels, against a literal reference and with an oracle that answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askwise.batch import bisect
from askwise.engine import select

SEEDS = st.integers(0, 10_000)


def slow_galaxy(score, P, LP, y, noise, k):
    """One pick at a time on lists of (margin, largest p, noise, row), every line walked again for every pick.

    `depth` of a picked row is the number of cuts that led to it; the stretches beside it are one deeper.
    """
    classes = P.shape[1] if len(y) else 0
    picked, depth, lines = [], [{} for _ in range(classes)], []
    for c in range(1 if classes == 2 else classes):
        line = []
        for number, p in enumerate([*LP, *P]):
            row = number - len(y)
            tie = noise[row] if row >= 0 else 0
            line.append((round(p[c] - max(p), 5), max(p), tie, number, row))
        lines.append([(row, tie, y[number] if row < 0 else -1) for _, _, tie, number, row in sorted(line)])

    def known(node):
        return node[0] < 0 and node[2] >= 0

    def stretches(c):
        """(cuts so far, length, low, high) with rows in between that no cut has used up."""
        line, found = lines[c], []
        at = [i for i, node in enumerate(line) if known(node)]
        for low, high in itertools.pairwise(at):
            if (line[low][2] == c) == (line[high][2] == c):
                continue
            waiting = [i for i in range(low + 1, high) if line[i][0] < 0]
            cut = [i for i in range(low + 1, high) if i in depth[c]]
            ends = sorted([low, high, *waiting, *cut])
            for a, b in itertools.pairwise(ends):
                beside = [depth[c].get(i, 0) for i in (a, b)]
                if b - a > 1:
                    found.append((max(*beside, int(bool(waiting))), b - a, a, b))
        return found

    def labels(c):
        return sum(known(node) and node[2] == c for node in lines[c])

    while len(picked) < k:
        options = []
        for c in range(len(lines)):
            for cuts, length, a, b in stretches(c):
                middle = (a + b) // 2
                options.append((cuts, length, labels(c), -lines[c][middle][1], c, a, middle))
        if not options:
            break
        cuts, _, _, _, c, _, middle = min(options)
        depth[c][middle] = cuts + 1
        row = lines[c][middle][0]
        if row not in picked:
            picked.append(row)
    ends = []
    for c, line in enumerate(lines):
        at = [i for i, node in enumerate(line) if known(node)]
        ends += [(c, low, high) for low, high in itertools.pairwise(at) if (line[low][2] == c) != (line[high][2] == c)]
    place = [{node[0]: i for i, node in enumerate(line) if node[0] >= 0} for line in lines]
    free = [i for i in range(len(score)) if i not in picked]
    if ends:
        apart = {i: min(max(low - place[c][i], place[c][i] - high, 0) for c, low, high in ends) for i in free}
        free.sort(key=lambda i: (apart[i], -noise[i]))
    else:
        free.sort(key=lambda i: (-score[i], -noise[i]))
    return (picked + free)[:k]


@settings(deadline=None, max_examples=300)
@given(SEEDS, st.integers(1, 25), st.integers(0, 12), st.integers(1, 4), st.integers(1, 25), st.booleans())
def test_galaxy_is_its_description(seed, n, m, classes, k, coarse):
    rng = np.random.default_rng(seed)
    P, LP = rng.dirichlet(np.ones(classes), n), rng.dirichlet(np.ones(classes), m)
    if coarse:  # equal margins
        P, LP = np.round(P * 3) / 3, np.round(LP * 3) / 3
    P, LP = np.round(P, 5), np.round(LP, 5)
    y, noise, score = rng.integers(-1, classes, m), rng.random(n), rng.random(n)
    k = min(k, n)
    found = bisect.galaxy(score, P, LP, y, noise, k)
    assert found.tolist() == slow_galaxy(score, P, LP, y, noise, k)


def ask_all(x, truth, first, questions, k=1):
    """Bisect along one feature; the model's p(1) is the feature, whatever the answers say."""
    P = np.stack([1 - x, x], axis=1)
    labeled = list(first)
    while len(labeled) < questions:
        free = np.setdiff1d(np.arange(len(x)), labeled)
        given_ = {"proba": P, "labeled_rows": np.array(labeled), "labeled_y": truth[labeled]}
        labeled += select(x[:, None], free, None, "galaxy", k=k, given=given_).rows.tolist()
    return labeled


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 200))
def test_one_at_a_time_a_change_is_found_by_bisection(cut):
    """Log2 of the rows questions, wherever the model believes its boundary to be."""
    x = np.linspace(0, 1, 203)
    truth = (np.arange(203) >= cut).astype(int)
    asked = ask_all(x, truth, [0, 202], 2 + 8)
    assert {cut - 1, cut} <= set(asked)


def test_after_the_change_its_edges_are_asked_on_both_sides():
    x = np.linspace(0, 1, 101)
    truth = (np.arange(101) >= 60).astype(int)
    asked = ask_all(x, truth, [0, 59, 60, 100], 4 + 6)
    assert set(asked[4:]) == {57, 58, 61, 62, 56, 63}


def test_a_batch_divides_a_stretch_evenly():
    x = np.linspace(0, 1, 9)
    given_ = {
        "proba": np.stack([1 - x, x], axis=1), "labeled_rows": np.array([0, 8]), "labeled_y": np.array([0, 1]),
    }  # fmt: skip
    found = select(x[:, None], np.arange(1, 8), None, "galaxy", k=7, given=given_).rows
    assert [sorted(part.tolist()) for part in np.split(found, [1, 3])] == [[4], [2, 6], [1, 3, 5, 7]]
    # row 4 given out, its answer still to come
    given_ |= {"labeled_rows": np.array([0, 4, 8]), "labeled_y": np.array([0, -1, 1])}
    found = select(x[:, None], np.array([1, 2, 3, 5, 6, 7]), None, "galaxy", k=2, given=given_).rows
    assert sorted(found.tolist()) == [2, 6]


@pytest.mark.parametrize("labels", [[], [0, 0, 0], [-1, -1, -1]])
def test_before_two_classes_have_labels_the_scores_decide(labels):
    rng = np.random.default_rng(0)
    P, score = rng.dirichlet(np.ones(3), 10), rng.random(10)
    LP = rng.dirichlet(np.ones(3), len(labels))
    found = bisect.galaxy(score, P, LP, np.array(labels, int), np.zeros(10), 4)
    assert found.tolist() == np.argsort(-score)[:4].tolist()
