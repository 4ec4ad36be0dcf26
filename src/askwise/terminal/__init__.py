"""Labeling in a terminal, one key an answer, for people over ssh."""

from askwise.terminal.checks import check
from askwise.terminal.desk import keyboard, label, progress_bar
from askwise.terminal.given import look

__all__ = ["check", "keyboard", "label", "look", "progress_bar"]
