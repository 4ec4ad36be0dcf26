"""Acquisition functions: signals in, one score for each row out.

A score is a pure function whose parameter names are the signals it needs. It returns one finite number for each row;
higher = ask sooner. Arrays may be NumPy's, PyTorch's, or of any library that follows the Python array API. Scores of
items made of parts (`sequence`) take arrays of the caller's own; their result is the signal "doubt".
"""

from askwise.scores.arrays import array_namespace
from askwise.scores.change import (
    expected_error_reduction,
    expected_gradient_length,
    expected_mistake_reduction,
    expected_model_output_change,
    value_of_information,
)
from askwise.scores.committee import consensus_kl, epig, mean_proper_score, mean_std, variation_ratio, vote_entropy
from askwise.scores.density import contrastive, information_density, unsteady
from askwise.scores.fisher import fisher_gain, fisher_gain_regression, variance_reduction
from askwise.scores.interpolation import flip_distance
from askwise.scores.kernel import quire
from askwise.scores.multilabel import (
    binary_minimum,
    category_vector_inconsistency,
    label_cardinality_inconsistency,
    maximum_loss_reduction,
    separation_uncertainty,
)
from askwise.scores.probabilistic import epistemic, probabilistic_gain
from askwise.scores.rare import relevance
from askwise.scores.regression import (
    committee_variance,
    expected_improvement,
    expected_model_change,
    predictive_std,
    probability_of_improvement,
    upper_confidence_bound,
)
from askwise.scores.sequence import (
    aggregate,
    least_confident_sequence,
    maximum_normalized_log_probability,
    token_entropy,
)
from askwise.scores.uncertainty import (
    confidence_ratio,
    decision_boundary,
    entropy,
    expected_cost,
    least_confidence,
    margin,
    random,
)

__all__ = [
    "aggregate",
    "array_namespace",
    "binary_minimum",
    "category_vector_inconsistency",
    "committee_variance",
    "confidence_ratio",
    "consensus_kl",
    "contrastive",
    "decision_boundary",
    "entropy",
    "epig",
    "epistemic",
    "expected_cost",
    "expected_error_reduction",
    "expected_gradient_length",
    "expected_improvement",
    "expected_mistake_reduction",
    "expected_model_change",
    "expected_model_output_change",
    "fisher_gain",
    "fisher_gain_regression",
    "flip_distance",
    "information_density",
    "label_cardinality_inconsistency",
    "least_confidence",
    "least_confident_sequence",
    "margin",
    "maximum_loss_reduction",
    "maximum_normalized_log_probability",
    "mean_proper_score",
    "mean_std",
    "predictive_std",
    "probabilistic_gain",
    "probability_of_improvement",
    "quire",
    "random",
    "relevance",
    "separation_uncertainty",
    "token_entropy",
    "unsteady",
    "upper_confidence_bound",
    "value_of_information",
    "variance_reduction",
    "variation_ratio",
    "vote_entropy",
]
