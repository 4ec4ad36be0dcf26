"""Labels that nobody has met, or one person once: what the labels so far prove of them, and what they do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from askwise import audit
from askwise.core import Array, Label, share
from askwise.state import Draw, State

FEW = 2
"""Items of each label that a person wants to have seen before anybody is advised to stop."""
NAMED = 5
"""Labels that a sentence names, at most."""


def lacking(state: State) -> tuple[list[Label], list[Label]]:
    """(labels that were declared and that no item has so far, those that one item has), as people see them.

    Both are empty where nobody said beforehand which labels there are, where an answer is no single label, and in a
    search, which has its own proof.
    """
    if not state.opened.get("declared") or state.task.name != "one" or state.opened.get("goal") is not None:
        return [], []
    often = _often(state)
    shown = [(name, int(often[state.class_number(name)])) for name in state.shown_labels()]
    return [name for name, times in shown if times == 0], [name for name, times in shown if 0 < times < FEW]


def said(state: State) -> str:
    """What is proved of labels that nobody has met, in a sentence or two; "" where there is nothing to say.

    Only items drawn uniformly at random prove anything of those that are left, and the bound is that of
    `audit.most_missed`, which holds however often one looks. It is one for a set of labels that was fixed before the
    draws. The labels that nobody has met are no such set: of a thousand labels that are equally frequent, a hundred
    draws miss nine tenths. So it is said in two cases: of each declared label by itself; and where all answers are one
    label, of everything else, by the items drawn after the first answer said which.

    Args:
        state: Not changed.
    """
    if state.task.name != "one" or state.opened.get("goal") is not None:
        return ""
    often = _often(state)
    labels, met = int(often.sum()), np.flatnonzero(often)
    if labels == 0 or not state.rest_mask.any():
        return ""
    changed = max((seq for seq, *_ in state.systems), default=0)  # labels merged since are another question
    if len(met) == 1:
        began = min(a.seq for a in state.answers.values() if a.label is not None)
        return _of_one(state, int(met[0]), labels, max(began, changed))
    unseen = [name for name in lacking(state)[0] if name in state.opened["classes"]]
    if not unseen:
        return ""
    most, drawn = _most(state, changed)
    rest = int(state.rest_mask.sum())
    who = f"Nobody has met {named(unseen)} among {labels:,} labels"
    if most >= rest:
        return f"{who}; too few of these items were drawn at random to prove anything of the {rest:,} left."
    each = " each" if len(unseen) > 1 else ""
    return (
        f"{who}: the {drawn:,} that were drawn at random prove that at most {most:,} of the {rest:,} left are{each} of "
        f"such a label ({_sure(state)}{'; for each by itself' * (len(unseen) > 1)})."
    )


def _of_one(state: State, met: int, labels: int, began: int) -> str:
    """What is proved where all answers are one label."""
    most, drawn = _most(state, began)
    rest = int(state.rest_mask.sum())
    name = state.classes[met]
    who = f"All {labels:,} labels so far are {name!r}" if labels > 1 else f"The only label so far is {name!r}"
    if drawn == 0:
        return f"{who}. No item has been drawn at random since the first, so they prove nothing of what else is there."
    if most >= rest:
        were = f"{drawn:,} {'was' if drawn == 1 else 'were'} drawn at random since the first"
        return f"{who}. Only {were}: too few to prove anything of what else is there."
    return (
        f"{who}. The {drawn:,} drawn at random since the first prove that at most {most:,} of the {rest:,} left are "
        f"anything else ({_sure(state)}); items that were chosen prove nothing."
    )


def _most(state: State, after: int) -> tuple[int, int]:
    """(of a label that no drawn item has, at most so many items are left; draws that count and have an answer).

    A draw without a label (open, skipped, unsure, withdrawn) may have been of it.

    Args:
        state: Not changed.
        after: Only items drawn after this event count.
    """
    rest = state.rest_mask
    drawn = sorted((one for one in [*state.draws, *state.at_random] if one.seq > after), key=lambda one: one.seq)
    known = [bool(state.labeled_mask[one.row]) for one in drawn]
    last = max((at for at, one in enumerate(known, 1) if one), default=0)
    members = [_members(one, state.n) for one in drawn[:last]]
    most = audit.most_missed(
        [not one for one in known[:last]],
        [int(one.sum()) for one in members],
        [-int((rest & ~one).sum()) for one in members],
        int(rest.sum()),
        1 - float(state.opened["confidence"]),
    )
    return most, sum(known)


def _members(drawn: Draw, n: int) -> Array:
    """(n,) rows that it was drawn from; none of those that came later."""
    bits = np.unpackbits(drawn.eligible).view(bool)
    found = np.zeros(n, bool)
    found[: min(n, len(bits))] = bits[:n]
    return found


def _often(state: State) -> Array:
    """(classes,) how many labels there are of each, merged ones counted as what they were merged into."""
    codes = state.codes[state.labeled_mask]
    if state.system is not None:
        codes = state.system[codes]
    return np.bincount(codes, minlength=max(len(state.classes), len(state.labels)))


def _sure(state: State) -> str:
    return f"{share(float(state.opened['confidence']))} sure, however often you look"


def named(names: Sequence[Label]) -> str:
    """Some labels, at least one, as a sentence lists them."""
    shown = [repr(name) for name in names[:NAMED]]
    if len(names) > NAMED:
        shown.append(f"{len(names) - NAMED:,} more")
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
