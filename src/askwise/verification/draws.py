"""Questions, looked at: random check items came when they were due, and are those that the seed draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from askwise.core import Array, Event
from askwise.questions import drawn_again, is_audit_slot, may_ask_again
from askwise.searching import ALIKE, FOUND
from askwise.state import DOUBTED, OVERLAP
from askwise.verification.findings import same

if TYPE_CHECKING:
    from askwise.verification.walk import Look, Walk


def _asked(w: Walk, e: Event) -> None:
    s, items = w.state, e.data["items"]
    w.rows([q["row"] for q in items])
    now = s.ranking.round if s.ranking else 0
    w.expect("draws", e.data["round"] == now, e, f"says model {e.data['round']}, but {now} was the current one.")
    open_mask = s.eligible_mask.copy()
    slot = s.slots
    for place, q in enumerate(items):
        row = int(q["row"])
        w.done["draws"] += 1
        if not q.get("drawn", True):
            _asked_again(w, e, q)
            if q.get("strategy") in (OVERLAP, DOUBTED):
                _second_opinion(w, e, q, place)
            elif q.get("strategy") in (FOUND, ALIKE):
                _searched(w, e, row, open_mask)
        elif q.get("check"):
            _blind_check(w, e, q)
        else:
            _drawn(w, e, q, slot, open_mask)
            slot += 1
        open_mask[row] = False


def _searched(w: Walk, e: Event, row: int, open_mask: Array) -> None:
    """What somebody searched for is open, and neither a check item nor in a region whose checks are under way."""
    s, last = w.state, w.last
    if last is not None and last.kind == "retracted" and last.data["row"] == row:
        return  # a question that came back to whoever took their answer back
    region = next((a.number for a in s.attempts if a.outcome == "open" and row in a.position), None)
    w.expect("blindness", region is None, e, f"row {row} of the region of attempt {region} is asked after a search.")
    free = bool(open_mask[row]) and all(d.row != row for d in s.draws)
    w.expect("draws", free, e, f"row {row} is asked after a search, but was not open, or was drawn as a check item.")


def _asked_again(w: Walk, e: Event, q: Mapping[str, Any]) -> None:
    """A check item that comes back is the one that was drawn."""
    row, before = int(q["row"]), w.state.asks.get(int(q["row"]))
    drawn = not q.get("audit") or any(d.row == row for d in w.state.draws)
    w.expect("draws", drawn, e, f"asks row {row} again as a check item, but it was never drawn as one.")
    blind = not q.get("check") or (before is not None and before.check)
    w.expect("draws", blind, e, f"asks row {row} again as a blind check, but it was none.")
    if q.get("audit") or q.get("check"):
        same = q.get("probability") == (before.probability if before else None)
        w.expect("draws", same, e, f"asks row {row} again with another probability, {q.get('probability')}.")


def _second_opinion(w: Walk, e: Event, q: Mapping[str, Any], place: int) -> None:
    """Whose answer to a check item is asked for anew, the seed draws: neither the model nor a label has a say."""
    s, row, who = w.state, int(q["row"]), e.data["annotator"]
    last = w.last
    if last is not None and last.kind == "retracted" and last.data["row"] == row:
        return  # a question that came back to whoever took their answer back
    people = int(s.opened.get("people_per_item", 2))
    taken = {int(before["row"]) for before in e.data["items"][:place]}
    drawn, doubt = drawn_again(s, who, people, taken, s.handed[who] + place)
    if q["strategy"] == OVERLAP:
        w.expect("draws", row == drawn, e, f"the seed draws row {drawn} for another opinion of {who!r}, got {row}.")
        return
    free = doubt and row not in s.checks() and may_ask_again(s, row, who, people)
    w.expect("draws", free, e, f"doubts the label of row {row}, which is a check item, or where a random one was due.")


def _blind_check(w: Walk, e: Event, q: Mapping[str, Any]) -> None:
    """A check belongs to a region whose checks are under way."""
    row = int(q["row"])
    attempt = next((a for a in w.state.attempts if a.outcome == "open" and row in a.position), None)
    if q.get("decoy"):  # stands among the checks of single classes, and counts for none
        fits = attempt is None and any(a.outcome == "open" and a.label is not None for a in w.state.attempts)
        w.expect("draws", fits, e, f"row {row} stands among blind checks, but no class is checked, or its region is.")
        return
    if attempt is None:
        w.expect("draws", False, e, f"row {row} is asked as a blind check, but no open region holds it.")
        return
    place, terms, got = attempt.position[row], w.terms.get(attempt.number), q.get("probability")
    due = 1 / (len(attempt.order) - place)
    if terms is not None:
        due = float(terms.weights[place] / terms.weights[place:].sum())
    w.expect("draws", same(got, due), e, f"row {row} has the probability {due:.6g}, got {got}.")


def _drawn(w: Walk, e: Event, q: Mapping[str, Any], slot: int, open_mask: Array) -> None:
    """While learning, a check item comes when it is due, and is the one that the seed draws."""
    s, row = w.state, int(q["row"])
    region = next((a.number for a in s.attempts if a.outcome == "open" and row in a.position), None)
    w.expect("blindness", region is None, e, f"row {row} of the region of attempt {region} is asked, not as a check.")
    seed = int(s.opened["seed"])
    due = s.model and is_audit_slot(slot, seed, float(s.opened["audit_share"]))
    is_audit = bool(q.get("audit"))
    if not w.expect(
        "draws", is_audit == due or not open_mask.any(), e,
        f"question {slot + 1} is {'' if is_audit else 'not '}a random check item; it should{'' if due else ' not'} be.",
    ):  # fmt: skip
        return
    if not is_audit and q.get("probability") is None:
        return  # chosen by the strategy, which is free
    rows = np.flatnonzero(open_mask)
    if not w.expect("draws", len(rows) > 0, e, f"row {row} was drawn although nothing was open."):
        return
    # As in `questions.next_questions`, where the draw is made.
    due_row = int(rows[np.random.default_rng([seed, 2, slot, s.seq]).integers(len(rows))])
    w.expect("draws", row == due_row, e, f"the seed draws row {due_row} for question {slot + 1}, got {row}.")
    right = same(q["probability"], 1 / len(rows))
    w.expect("draws", right, e, f"row {row} was one of {len(rows)}, not drawn with probability {q['probability']}.")


def _released(w: Walk, e: Event) -> None:
    w.rows(e.data["rows"])


LOOKS: dict[str, Look] = {
    "asked": _asked,
    "released": _released,
}
"""What is looked at in each kind of event."""
