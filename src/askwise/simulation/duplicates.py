"""Equal rows as items of their own, as published tables count them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from askwise.core import Label
from askwise.pool import FeatureRows, Pool


def kept(pool: Pool) -> tuple[Pool, dict[int, Label]]:
    """A pool in which every source row is an item, with the labels that came with the rows.

    Equal rows with different labels are there with theirs. With them an item can lie in the pool and in the part that
    is held out at once, which flatters every learner; figures of others were measured so.

    Args:
        pool: As loaded: exact duplicates are one item.

    Returns:
        (the larger pool, row → label).
    """
    pairs = sorted((row, item) for item, rows in enumerate(pool.sources) for row in rows)
    items = [item for _, item in pairs]
    features = None if pool.features is None else pool.features[np.asarray(items, np.intp)]
    contents = [pool.contents[item] for item in items] if features is None else FeatureRows(features)
    labels: dict[int, Label] = {}
    for place, (row, item) in enumerate(pairs):
        label = pool.contradicting[item].get(row) if item in pool.contradicting else pool.given.get(item)
        if label is not None:
            labels[place] = label
    made = Pool(
        ids=[f"row {row + 1}" for row, _ in pairs],
        contents=cast("Sequence[Any]", contents),
        kind=pool.kind,
        features=features,
        sources=[[row] for row, _ in pairs],
        given={place: str(label) for place, label in labels.items()},
        digest=pool.digest,
        notes=pool.notes,
    )
    made.address = dict(pool.address)
    return made, labels
