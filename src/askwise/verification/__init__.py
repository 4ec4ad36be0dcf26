"""Recomputes what a session claims from its log alone: `askwise verify` for a stranger with the file."""

from __future__ import annotations

from askwise.verification.findings import CHECKS, Finding, Verification
from askwise.verification.walk import verify

__all__ = ["CHECKS", "Finding", "Verification", "verify"]
