"""A learner that chooses itself; see `Portfolio`."""

from askwise.learners.portfolio.portfolio import PARTS, Portfolio, Standing, in_charge

__all__ = ["PARTS", "Portfolio", "Standing", "in_charge"]
