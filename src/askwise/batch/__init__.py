"""Batch rules: a shortlist in, the positions of k rows out.

A batch rule is a pure function whose parameter names are signals of the shortlisted rows, `score`, `k`, `noise` (one
number per row, for ties) or `rng` (a generator seeded by the caller). It returns min(k, n) distinct positions in the
shortlist, most useful first. `labeled` holds labeled and pending rows alike.
"""

from askwise.batch.best import top_k
from askwise.batch.cluster import diverse, k_means
from askwise.batch.cover import cold, drawn_apart, k_center, typical
from askwise.batch.multilabel import by_label_ranks

__all__ = ["by_label_ranks", "cold", "diverse", "drawn_apart", "k_center", "k_means", "top_k", "typical"]
