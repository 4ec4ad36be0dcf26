"""Batch rule that samples from a tree of clusters, pruned where the answers agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from askwise.batch.distances import distances, places
from askwise.core import Array, Rows

LEAVES = 3000
"""Rows of the tree at most; building it takes memory in proportion to the square."""
RATIO = 2.0
"""How much likelier to be wrong any other label must be before one label counts as settled (the paper's beta)."""


def hierarchical(
    embedding: Array, labeled: Array, labeled_y: Array, noise: Array, k: int, rng: np.random.Generator
) -> Rows:
    """Random rows of the clusters whose answers disagree (Dasgupta & Hsu, 2008).

    A tree of clusters (Ward, 1963) over labeled rows and candidates is cut where one label is settled, else as high as
    possible. Each cluster v of the cut is drawn with chance |v| (1 - lower bound of its label's share), a row of it
    uniformly: pure clusters are left alone, mixed ones are looked into. Without answers every row is equally likely.
    The tree is built anew for each call, of at most `LEAVES` random rows; pending rows (labeled_y below 0) hold no
    answer.
    """
    n = len(noise)
    k = min(k, n)
    m = min(len(labeled), LEAVES // 2)
    most = max(k, LEAVES - m)
    rows = np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
    known = np.asarray(labeled_y)[len(labeled) - m :]
    E = places(embedding)
    E = np.concatenate([E.move(labeled[len(labeled) - m :]), E[rows]])
    tree = Tree.of(E, np.append(known, np.full(len(rows), -1)).astype(np.intp))
    # picked rows are drawn from the cut's clusters in turn, without putting back
    cut, risk = tree.cut()
    free = [[int(i) - m for i in tree.leaves(v) if i >= m] for v in cut]
    chance = risk * tree.size[cut]
    picked: list[int] = []
    while len(picked) < k:
        left = np.array([bool(found) for found in free])
        weight = np.where(left, chance, 0)
        total = np.cumsum(weight if weight.any() else left)
        v = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
        picked.append(free[v].pop(int(rng.integers(len(free[v])))))
    return rows[np.asarray(picked, np.intp)]


@dataclass(frozen=True)
class Tree:
    """Clusters within clusters: node i < n is row i, node n + j joins the two nodes `children[j]`."""

    children: Array
    """(n - 1, 2)."""
    counts: Array
    """(2n - 1, classes) answers in each node."""
    size: Array
    """(2n - 1,) rows in each node."""

    @classmethod
    def of(cls, E: Array, y: Array) -> Tree:
        """Ward's tree of (n, d) rows with answers y, below 0 where there is none."""
        from scipy.cluster.hierarchy import linkage
        from scipy.spatial.distance import squareform

        n = len(E)
        children = np.zeros((0, 2), np.intp)
        if n > 1:
            apart = np.sqrt(distances(E, E))
            np.fill_diagonal(apart, 0)
            children = linkage(squareform(apart, checks=False), "ward")[:, :2].astype(np.intp)
        counts = np.zeros((2 * n - 1, max(1, int(y.max(initial=0)) + 1)))
        counts[np.flatnonzero(y >= 0), y[y >= 0]] = 1
        size = np.ones(2 * n - 1)
        for j, (a, b) in enumerate(children):
            counts[n + j], size[n + j] = counts[a] + counts[b], size[a] + size[b]
        return cls(children, counts, size)

    def cut(self) -> tuple[list[int], Array]:
        """Nodes of the best cut, and for each 1 - lower bound of the share of its label."""
        n = len(self.children) + 1
        low, high, share = bounds(self.counts)
        classes = self.counts.shape[1]
        settled = np.zeros(low.shape, bool)
        for label in range(classes):
            others = np.delete(high, label, axis=1)
            rival = (1 - others).min(1) if classes > 1 else np.ones(len(high))
            settled[:, label] = 1 - low[:, label] < RATIO * rival
        for j in range(n - 2, -1, -1):  # a label settled for a cluster is settled for all within
            settled[self.children[j]] |= settled[n + j]
        wrong = np.where(settled, 1 - share, 1.0)
        own = wrong.min(1)
        best = own.copy()
        for j, (a, b) in enumerate(self.children):
            below = (self.size[a] * best[a] + self.size[b] * best[b]) / self.size[n + j]
            best[n + j] = min(own[n + j], below)
        cut, stack = [], [2 * n - 2]
        while stack:
            v = stack.pop()
            if v < n or own[v] <= best[v] + 1e-12:
                cut.append(v)
            else:
                stack.extend(int(c) for c in self.children[v - n])
        label = wrong[cut].argmin(1)
        risk = np.where(own[cut] < 1, 1 - low[cut, label], 1.0)
        return cut, risk

    def leaves(self, v: int) -> Array:
        """Rows in a node, ascending."""
        n = len(self.children) + 1
        found, stack = [], [v]
        while stack:
            u = stack.pop()
            if u < n:
                found.append(u)
            else:
                stack.extend(int(c) for c in self.children[u - n])
        return np.sort(np.asarray(found, np.intp))


def bounds(counts: Array) -> tuple[Array, Array, Array]:
    """Lower bound, upper bound and value of each label's share: p ± (1/n + sqrt(p (1 - p) / n)); 0, 1, 0 for n = 0."""
    total = counts.sum(1, keepdims=True)
    asked = np.maximum(total, 1)
    p = counts / asked
    slack = np.where(total > 0, 1 / asked + np.sqrt(p * (1 - p) / asked), 1)
    return np.maximum(p - slack, 0), np.minimum(p + slack, 1), p
