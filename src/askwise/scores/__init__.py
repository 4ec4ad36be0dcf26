"""Acquisition functions: signals in, one score for each row out.

A score is a pure function whose parameter names are the signals it needs. It returns one finite number for each row;
higher = ask sooner. Arrays may be NumPy's, PyTorch's, or of any library that follows the Python array API.
"""

from askwise.scores.arrays import array_namespace
from askwise.scores.change import expected_gradient_length
from askwise.scores.committee import consensus_kl, vote_entropy
from askwise.scores.density import contrastive, information_density, unsteady
from askwise.scores.multilabel import (
    binary_minimum,
    category_vector_inconsistency,
    label_cardinality_inconsistency,
    maximum_loss_reduction,
    separation_uncertainty,
)
from askwise.scores.uncertainty import entropy, least_confidence, margin, random

__all__ = [
    "array_namespace",
    "binary_minimum",
    "category_vector_inconsistency",
    "consensus_kl",
    "contrastive",
    "entropy",
    "expected_gradient_length",
    "information_density",
    "label_cardinality_inconsistency",
    "least_confidence",
    "margin",
    "maximum_loss_reduction",
    "random",
    "separation_uncertainty",
    "unsteady",
    "vote_entropy",
]
