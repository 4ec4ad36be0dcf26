"""A forest as plain arrays: what a saved model holds, and what every process may load."""

from __future__ import annotations

from typing import Any

import numpy as np

from askwise.core import Array

BLOCK = 2**18
"""Pairs of a row and a tree looked at together: what they need stays in the cache."""


class Trees:
    """The nodes of all trees, one after the other.

    Attributes:
        roots: (trees,) number of the first node of each.
        feature: (nodes,) column that a node asks about.
        threshold: (nodes,) float64; a row goes left where its column is at most that.
        children: (2 · nodes,) where it goes left, and right, in turns; a leaf leads to itself.
        shares: (nodes, classes) float64 of the classes among the labels that came there.
        depth: Of the deepest leaf.
    """

    def __init__(self, estimators: Any) -> None:
        """Of (trees,) fitted `DecisionTreeClassifier`s."""
        grown = [estimator.tree_ for estimator in estimators]
        sizes = np.array([tree.node_count for tree in grown])
        self.roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        self.feature = np.concatenate([np.maximum(tree.feature, 0) for tree in grown]).astype(np.int32)
        self.threshold = np.concatenate([tree.threshold for tree in grown])
        both = []
        for root, tree in zip(self.roots, grown, strict=True):
            leaf = tree.children_left < 0
            own = np.arange(tree.node_count)
            both.append(
                root + np.stack([np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)], 1)
            )
        self.children = np.concatenate(both).astype(np.int32).ravel()
        self.shares = np.concatenate([tree.value[:, 0, :] for tree in grown])
        self.depth = int(max(tree.max_depth for tree in grown))

    def __call__(self, Z: Array, which: slice = slice(None)) -> Array:
        """(n, classes) float32 mean of the shares in the leaves that rows come to.

        Args:
            Z: (n, d) float32 rows.
            which: Of the trees.
        """
        roots = self.roots[which]
        found = np.empty((len(Z), self.shares.shape[1]), np.float32)
        step = max(1, BLOCK // len(roots))
        for start in range(0, len(Z), step):
            rows = Z[start : start + step]
            at = np.repeat(roots[None], len(rows), 0).ravel()
            first = np.repeat(np.arange(len(rows)) * Z.shape[1], len(roots))
            cells = np.ascontiguousarray(rows).ravel()
            for _ in range(self.depth):
                right = cells[first + self.feature[at]] > self.threshold[at]
                at = self.children[2 * at + right]
            found[start : start + step] = self.shares[at].reshape(len(rows), len(roots), -1).sum(1) / len(roots)
        return found


def quickly(estimators: Any, Z: Array) -> Array:
    """The same of the trees themselves, added up in the same order: in a fifth of the time.

    Args:
        estimators: Fitted `DecisionTreeClassifier`s.
        Z: (n, d) float32 rows.
    """
    Z = np.ascontiguousarray(Z)
    total: Array = estimators[0].tree_.predict(Z).reshape(len(Z), estimators[0].n_classes_)
    for estimator in estimators[1:]:
        total = total + estimator.tree_.predict(Z).reshape(len(Z), estimators[0].n_classes_)
    found: Array = (total / len(estimators)).astype(np.float32)
    return found
