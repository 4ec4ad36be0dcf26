"""Labels that somebody gave already: how good they are, and which may stay without a person."""

from askwise.checking.check import LabelCheck
from askwise.checking.numbers import CheckStatus, Kept, LabelQuality, Slice
from askwise.checking.recompute import verify_check

__all__ = ["CheckStatus", "Kept", "LabelCheck", "LabelQuality", "Slice", "verify_check"]
