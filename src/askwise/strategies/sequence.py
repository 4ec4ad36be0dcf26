"""Strategies for items whose answer is a sequence of tags: spans in a text."""

from __future__ import annotations

from askwise.core import Array
from askwise.strategies.registry import Strategy, register


def _token_entropy(token_entropy: Array) -> Array:
    return token_entropy


def _mnlp(mnlp: Array) -> Array:
    return mnlp


def _sequence_doubt(sequence_doubt: Array) -> Array:
    return sequence_doubt


register(Strategy(
    "token_entropy", _token_entropy, family="uncertainty", task="spans", paper="Settles & Craven 2008",
    summary="The tags of its tokens are least certain, on average.",
))  # fmt: skip
register(Strategy(
    "maximum_normalized_log_probability", _mnlp, family="uncertainty", task="spans", aliases=("mnlp",),
    paper="Shen et al. 2018", summary="The likeliest tags are least probable, for the length of the text.",
))  # fmt: skip
register(Strategy(
    "least_confident_sequence", _sequence_doubt, family="uncertainty", task="spans",
    paper="Culotta & McCallum 2005", summary="The likeliest tags are least probable as a whole; long texts first.",
))  # fmt: skip
