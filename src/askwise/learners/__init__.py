"""Models that relearn in milliseconds as labels arrive."""

from askwise.learners.adapters import Adapted, adapt, describe, unfitted
from askwise.learners.foreign import check_classifier, takes_missing
from askwise.learners.multilabel import MultiLabel, adapt_multilabel
from askwise.learners.regression import AdaptedRegressor, RidgeRegression, adapt_regressor
from askwise.learners.softmax import SoftmaxRegression

__all__ = [
    "Adapted",
    "AdaptedRegressor",
    "MultiLabel",
    "RidgeRegression",
    "SoftmaxRegression",
    "adapt",
    "adapt_multilabel",
    "adapt_regressor",
    "check_classifier",
    "describe",
    "takes_missing",
    "unfitted",
]
