"""A sample task: labels in an order, where a guess is right if it is at most one grade off."""

import numpy as np

from askwise.tasks.one import One


class Ordinal(One):
    """Grades, from the lowest to the highest in the order in which they are declared."""

    name = "ordinal"
    asks = "one grade"
    right_as = " within one grade"
    strict = "A grade that is more than one off counts as wrong."
    widget = "one"  # answered as labels are, on the page and in the terminal
    merges = False  # right is not the same label
    compares = False
    searches = False

    def wrong(self, guesses, answers, classes):
        """More than one grade apart, or no grade."""
        answers = np.asarray(answers)
        return (np.abs(np.asarray(guesses) - answers) > 1) | (answers < 0)

    def clash(self, guesses, others, classes):
        """More than two grades apart: none is within one of both."""
        return np.abs(np.asarray(guesses) - np.asarray(others)) > 2
