"""Selection: score shards anywhere, merge the shortlists, pick the batch."""

from __future__ import annotations

from askwise.engine.selection import CHUNK, SAMPLE, blocks, select

__all__ = ["CHUNK", "SAMPLE", "blocks", "select"]
