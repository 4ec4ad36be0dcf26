"""Unique items with stable ids: what a pool is, and every way to load one."""

from askwise.pool.columns import TEXT_NAMES
from askwise.pool.items import (
    KINDS,
    Dropped,
    FeatureRows,
    Pool,
    columns_of,
    content_digest,
    content_digests,
    packed,
    pool_digest,
    row_digests,
    source_of,
    unpacked,
)
from askwise.pool.load import holds_paths, is_packed_table, load_pool
from askwise.tables import Problem

__all__ = [
    "KINDS",
    "TEXT_NAMES",
    "Dropped",
    "FeatureRows",
    "Pool",
    "Problem",
    "columns_of",
    "content_digest",
    "content_digests",
    "holds_paths",
    "is_packed_table",
    "load_pool",
    "packed",
    "pool_digest",
    "row_digests",
    "source_of",
    "unpacked",
]  # fmt: skip
