"""Unique items with stable ids: what a pool is, what its items are, and every way to load one."""

from askwise.pool.beside import columns_of, rows_beside
from askwise.pool.columns import TEXT_NAMES
from askwise.pool.items import Dropped, Pool, digest_of, source_of
from askwise.pool.kinds import KINDS, ItemKind
from askwise.pool.load import holds_paths, is_packed_table, load_pool
from askwise.pool.matrices import FeatureRows
from askwise.tables import Problem

__all__ = [
    "KINDS",
    "TEXT_NAMES",
    "Dropped",
    "FeatureRows",
    "ItemKind",
    "Pool",
    "Problem",
    "columns_of",
    "digest_of",
    "holds_paths",
    "is_packed_table",
    "load_pool",
    "rows_beside",
    "source_of",
]  # fmt: skip
