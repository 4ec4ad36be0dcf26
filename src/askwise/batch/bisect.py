"""Batch rules that search the rows between labels that differ."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

import numpy as np

from askwise.batch.best import top_k
from askwise.core import Array, Rows

DIGITS = 5
"""Of probabilities: what shards round differently lies below."""


def galaxy(score: Array, proba: Array, labeled_proba: Array, labeled_y: Array, noise: Array, k: int) -> Rows:
    """GALAXY: bisect where labels change along the order of margins (Zhang, Katz-Samuels & Nowak, 2022).

    For every class the rows are lined up by p_c - max p, equals by max p, labeled rows among them: from those that the
    model is least inclined to call c to those that it is surest are c. A label counts as "c" or "not c". Between two
    neighboring labels that differ the middle row is asked about: the shortest such stretch of all lines first, of
    equally short ones that of the class with fewer labels. That balances classes, as every class has a line, and finds
    where its answers change rather than where the model believes so. Where no row is left between such labels, the rows
    nearest in rank to a change follow, on both sides (the paper gets there by joining rows further apart on the line).
    Before two classes have labels, the best scores are taken (in the paper, random rows).

    The paper waits for each answer. Within a batch answers are unknown: a picked or pending row cuts its stretch in
    two, of which one, nobody knows which, holds the change; both are cut again only after all stretches of earlier
    cuts. So a batch divides the stretches evenly, and k = 1 is the paper's rule.

    Args:
        score: (n,) fills up where lines say nothing.
        proba: (n, classes).
        labeled_proba: (m, classes) of labeled and pending rows.
        labeled_y: (m,) class numbers, below 0 for pending rows.
        noise: (n,) for ties.
        k: Rows wanted.
    """
    n, k = len(score), min(k, len(score))
    y = np.asarray(labeled_y)
    P = np.round(np.concatenate([np.asarray(labeled_proba, np.float64), np.asarray(proba, np.float64)]), DIGITS)
    tie = np.concatenate([np.zeros(len(y)), noise])
    classes = P.shape[1] if len(y) else 0
    # of two classes the lines are each other's mirror image
    lines = [_Line(P, c, y, tie) for c in range(1 if classes == 2 else classes)]
    lines = [line for line in lines if len(line.changes)]
    picked = dict.fromkeys(_between(lines, n, k))
    if lines and len(picked) < k:
        left = np.setdiff1d(np.arange(n), list(picked))
        apart = np.stack([line.to_change()[left] for line in lines]).min(0)
        nearest = left[top_k(-apart.astype(np.float64), noise[left], k - len(picked))]
        picked |= dict.fromkeys(nearest.tolist())
    rows = np.array(list(picked), np.intp)
    rest = np.setdiff1d(np.arange(n), rows)
    return np.concatenate([rows, rest[top_k(score[rest], noise[rest], k - len(rows))]])


def _between(lines: list[_Line], n: int, k: int) -> Iterator[int]:
    """Up to k different candidates between labels that differ, in the order they are to be asked."""
    queue: list[tuple[int, int, int, float, int, int, int]] = []

    def put(cuts: int, line: int, low: int, high: int) -> None:
        if high - low > 1:
            middle = (low + high) // 2
            own = lines[line]
            heapq.heappush(queue, (cuts, high - low, own.labels, -own.tie[middle], line, low, high))

    for number, line in enumerate(lines):
        for low, high in line.changes.tolist():
            ends = [low, *(low + 1 + np.flatnonzero(line.pending[low + 1 : high])).tolist(), high]
            for a, b in itertools.pairwise(ends):
                put(int(len(ends) > 2), number, a, b)
    seen: set[int] = set()
    while queue and len(seen) < min(k, n):
        cuts, _, _, _, number, low, high = heapq.heappop(queue)
        middle = (low + high) // 2
        row = int(lines[number].row[middle])
        if row not in seen:
            seen.add(row)
            yield row
        put(cuts + 1, number, low, middle)
        put(cuts + 1, number, middle, high)


class _Line:
    """All rows in the order of their margin for a class, and where labels along it change."""

    def __init__(self, P: Array, c: int, y: Array, tie: Array) -> None:
        """Labeled rows first in P and tie; y is theirs."""
        m = len(y)
        top = P.max(1)
        order = np.lexsort((tie, top, np.round(P[:, c] - top, DIGITS)))
        self.tie = tie[order]
        self.row = order - m
        """Number of the candidate; below 0 for labeled rows."""
        asked = order < m
        answer = np.full(len(order), -1)
        answer[asked] = y[order[asked]]
        self.pending = asked & (answer < 0)
        known = np.flatnonzero(answer >= 0)
        is_c = answer[known] == c
        self.labels = int(is_c.sum())
        at = np.flatnonzero(is_c[1:] != is_c[:-1])
        self.changes = np.stack([known[at], known[at + 1]], axis=1)
        """(changes, 2) places of neighboring labels that differ."""

    def to_change(self) -> Array:
        """(n,) ranks between each candidate and the nearest place where the label changes; 0 within such a place."""
        place = np.arange(len(self.row))
        last = np.searchsorted(self.changes[:, 1], place)
        low = np.append(self.changes[:, 0], 2 * len(place))[last]
        before = np.append(-len(place), self.changes[:, 1])[last]
        apart = np.minimum(np.maximum(low - place, 0), place - before)
        out = np.empty(int((self.row >= 0).sum()), np.intp)
        out[self.row[self.row >= 0]] = apart[self.row >= 0]
        return out
