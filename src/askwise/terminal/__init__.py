"""Labeling in a terminal, one key an answer, for people over ssh."""

from askwise.terminal.desk import keyboard, label, progress_bar

__all__ = ["keyboard", "label", "progress_bar"]
