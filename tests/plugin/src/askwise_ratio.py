"""A sample plug-in: ask where the second class is nearly as likely as the first."""

import numpy as np

from askwise import Strategy


def ratio(proba):
    """The second largest probability over the largest, in [0, 1]."""
    top = np.sort(proba, axis=-1)
    return top[:, -2] / top[:, -1] if top.shape[1] > 1 else np.zeros(len(top))


ratio_strategy = Strategy("ratio", ratio, aliases=("second_to_first",), family="uncertainty")
