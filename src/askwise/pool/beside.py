"""Each row of the data that a pool was made of, with more columns beside its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from askwise.pool.items import Dropped, Pool
from askwise.values import plain


def columns_of(pool: Pool) -> list[str]:
    """The columns of the data; of a list of texts "text"."""
    return list(pool.names()) or (["text"] if pool.kind == "text" else [])


def rows_beside(
    pool: Pool, of_item: Callable[[int], Mapping[str, Any]], of_dropped: Callable[[Dropped], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A record for each row of the data, in its order.

    Args:
        pool: (n,) items.
        of_item: Number of an item → cells beside those of its rows.
        of_dropped: The same of a row that could not be read.
    """
    columns = columns_of(pool)
    found: list[tuple[int, Mapping[str, Any]]] = []
    for row, sources in enumerate(pool.sources):
        ours = of_item(row)
        for source in sources:
            cells = {} if pool.record is None else pool.record[source]
            record = {name: plain(cells.get(name)) for name in columns}
            if pool.record is None and columns:
                record = {"text": pool.contents[row]}
            found.append((source, {**record, **ours}))
    for source, dropped in pool.dropped.items():
        found.append((source, {**{name: dropped.cells.get(name) for name in columns}, **of_dropped(dropped)}))
    found.sort(key=lambda pair: pair[0])
    return [dict(record) for _, record in found]
