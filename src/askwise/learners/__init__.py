"""Models that relearn in milliseconds as labels arrive."""

from askwise.learners.adapters import Adapted, adapt, describe, unfitted
from askwise.learners.foreign import check_classifier, takes_missing
from askwise.learners.multilabel import MultiLabel, adapt_multilabel
from askwise.learners.named import NAMES, WHAT, again, named
from askwise.learners.portfolio import Portfolio, Standing
from askwise.learners.regression import AdaptedRegressor, RidgeRegression, adapt_regressor
from askwise.learners.softmax import SoftmaxRegression

__all__ = [
    "NAMES",
    "WHAT",
    "Adapted",
    "AdaptedRegressor",
    "MultiLabel",
    "Portfolio",
    "RidgeRegression",
    "SoftmaxRegression",
    "Standing",
    "adapt",
    "adapt_multilabel",
    "adapt_regressor",
    "again",
    "check_classifier",
    "describe",
    "named",
    "takes_missing",
    "unfitted",
]
