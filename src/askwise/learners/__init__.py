"""Models that relearn in milliseconds as labels arrive."""

from askwise.learners.adapters import Adapted, adapt, describe
from askwise.learners.softmax import SoftmaxRegression

__all__ = ["Adapted", "SoftmaxRegression", "adapt", "describe"]
