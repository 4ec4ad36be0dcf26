"""A labeling session. What it does lies in wings, each on top of the one before: known, learning, labeling, handing."""

from askwise.session.session import Session

__all__ = ["Session"]
