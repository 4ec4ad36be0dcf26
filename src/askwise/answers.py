"""What a verb of asking or answering puts into the log: pure decisions over the state of a session.

Each takes the state and gives the events, and where the caller is told something, that too (`ledger.Decision`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from askwise.core import Array, BadInput, Event, Label, unknown
from askwise.ledger import Decision
from askwise.options import named
from askwise.questions import next_checks, next_questions
from askwise.state import DOUBTED, OVERLAP, State
from askwise.tasks import Said
from askwise.values import Spelling, label_name, why_no_label

LEASE_SECONDS = 600.0
"""A question not answered in this time goes back to the pool."""
MOST_AT_ONCE = 5_000
"""Items that one `tell_many` may label."""
ANSWERED = {"label": "told", "skip": "skipped", "unsure": "unsure"}
"""Kind of answer → the event that says so."""

# ── asking ──────────────────────────────────────────────────────────────────────────────────


def expired(s: State) -> list[Event]:
    """Give back what was not answered in time."""
    now = time.time()
    late = [row for row, lease in s.leases.items() if lease.until < now]
    return [Event("released", {"rows": late})] if late else []


def leased(s: State, items: list[dict[str, Any]], annotator: str) -> Event:
    """These items are in the annotator's hand for `LEASE_SECONDS`."""
    round_ = s.ranking.round if s.ranking else 0
    until = time.time() + LEASE_SECONDS
    return Event("asked", {"annotator": annotator, "round": round_, "until": until, "items": items})


def asked(
    s: State,
    n: int,
    annotator: str,
    most: int | None,
    sure_of: Callable[[int], float | None],
    plan: Sequence[tuple[int, float, str]] = (),
) -> Decision[list[int]]:
    """Lease the next n questions; their rows.

    Args:
        s: The state.
        n: Questions wanted.
        annotator: Who asks.
        most: Questions that they may have in hand at once, these included; None = any number.
        sure_of: A row's confidence.
        plan: See `next_questions`.
    """
    room = n if most is None else min(n, most - s.held(annotator))
    items = _next(s, room, annotator, sure_of, plan)
    return [leased(s, items, annotator)] if items else [], [int(item["row"]) for item in items]


def _next(
    s: State,
    n: int,
    annotator: str,
    sure_of: Callable[[int], float | None],
    plan: Sequence[tuple[int, float, str]] = (),
) -> list[dict[str, Any]]:
    if n <= 0:
        return []
    return next_checks(s, n, annotator) if s.open_attempt else next_questions(s, n, sure_of, annotator, plan)


def searched(s: State, found: Sequence[tuple[int, str]], annotator: str, most: int | None) -> Decision[list[int]]:
    """Lease items that somebody searched for; their rows, with those in hand already. They stand in nobody's draw.

    Args:
        s: The state.
        found: (row, why) of `searching.chosen`; what may not be asked any more is left out.
        annotator: Who searched.
        most: See `asked`.

    Raises:
        BadInput: Blind checks are under way.
    """
    if s.open_attempt is not None:
        raise BadInput(
            "Blind checks for a certificate are under way, and only they are asked now. Search again when they are "
            "done, or cancel them."
        )
    free = may_be_searched(s, annotator)
    room = len(found) if most is None else max(0, most - s.held(annotator))
    kept, new = list[int](), list[dict[str, Any]]()
    for row, why in found:
        if free[row] and (row in s.leases or len(new) < room):
            kept.append(row)
            new += [] if row in s.leases else [{"row": row, "drawn": False, "strategy": why}]
    return [leased(s, new, annotator)] if new else [], kept


def may_be_searched(s: State, annotator: str) -> Array:
    """(n,) bool, which rows a search may put first: open ones, and chosen questions that the annotator has in hand.

    A check item that was drawn stays one.
    """
    free = s.eligible_mask.copy()
    free[[drawn.row for drawn in s.draws]] = False
    for row, lease in s.leases.items():
        ask = s.asks[row]
        chosen = not (ask.audit or ask.check) and ask.strategy not in (OVERLAP, DOUBTED)
        free[row] = chosen and lease.annotator == annotator
    return free


# ── answering ───────────────────────────────────────────────────────────────────────────────


def about(s: State, row: int, annotator: str, seconds: float | None) -> dict[str, Any]:
    """What every answer says beside the label.

    Raises:
        BadInput: `seconds` is no time.
    """
    if seconds is not None and not 0 <= seconds < float("inf"):
        raise BadInput(f"seconds is the time an answer took, 0 or more; got {seconds!r}. Leave it out if unknown.")
    ask = s.asks.get(row)
    return {"row": row, "annotator": annotator, "seconds": seconds, "asked": ask.seq if ask else None}


def handed_in(
    s: State,
    row: int,
    kind: str,
    names: Said | None,
    annotator: str,
    seconds: float | None,
    ask: int,
    most: int | None,
    sure_of: Callable[[int], float | None],
) -> Decision[list[int]]:
    """An answer, and before it the next questions where they can be drawn already; their rows.

    A row in hand cannot be asked, before its answer or after; any other is to be known as answered first.

    Args:
        s: The state.
        row: The item.
        kind: A key of `ANSWERED`.
        names: The labels of the answer, as `spelled_of` gives them; None for the other kinds.
        annotator: Who answered, and asks.
        seconds: Time the answer took, if measured.
        ask: Questions wanted.
        most: See `asked`.
        sure_of: A row's confidence.

    Raises:
        BadInput: The label is none of the declared classes, or `seconds` is no time.
    """
    news, rows = list[Event](), list[int]()
    if row in s.leases and s.open_attempt is None:
        mine = s.leases[row].annotator == annotator  # it is about to leave their hand
        room = ask if most is None else min(ask, most - s.held(annotator) + mine)
        items = _next(s, room, annotator, sure_of)
        rows = [int(item["row"]) for item in items]
        if items:
            news.append(leased(s, items, annotator))
    said: dict[str, Any] = {}
    if names is not None:
        strange = [name for name in s.task.labels_in(names) if not s.may_be(name)]
        if strange and s.opened["declared"]:
            raise unknown("label", strange[0], s.shown_labels())
        news += [Event("class_added", {"name": name}) for name in strange]
        said["label"] = s.task.write(names, [*s.labels, *strange])
        said |= {"late": True} if s.is_late(row, annotator) else {}
    return [*news, Event(ANSWERED[kind], about(s, row, annotator, seconds) | said)], rows


def told_together(s: State, rows: Sequence[int], names: Said, annotator: str) -> Decision[int]:
    """One label for many items; the number of the batch.

    Raises:
        BadInput: The label is not known, or some of the items wait for a blind check.
    """
    said = class_of(s, names)
    waiting = sum(a.outcome == "open" and row in a.position for a in s.attempts for row in rows)
    waiting += sum(s.asks[row].audit for row in rows if row in s.leases)
    if waiting:
        raise BadInput(
            f"{waiting:,} of these items wait for a blind check, which is answered one by one. "
            "Leave them out, or finish the checks first."
        )
    number = s.seq + 1
    return [Event("told", about(s, row, annotator, None) | {"label": said, "batch": number}) for row in rows], number


# ── labels as they are written ──────────────────────────────────────────────────────────────


def spelled_of(s: State, label: Any, item: Any = None) -> Said:
    """An answer, its labels read as those that come with the data, spelled as the session spells them.

    Args:
        s: The state.
        label: As given.
        item: What it is about; None = several items, or one that is not known.

    Raises:
        BadInput: It is no answer of the session's task.
    """
    return s.task.read(label, partial(spelled, s), item)


def spelled(s: State, label: Any, of: Any = None) -> Label:
    """One label as the session spells it.

    Args:
        s: The state.
        label: As given.
        of: The set that it is one of, for the error.

    Raises:
        BadInput: No label can be made of it.
    """
    known = s.labels
    name = label.strip() if isinstance(label, str) else label_name(label)
    if name in known:  # also what an earlier version has taken over as it stood
        return str(name)
    name = label_name(label)
    if name:
        name = Spelling(known).of(name)
        return name if name in known else s.former.get(name, name)
    if name is None:
        raise BadInput(f"No label can be made of one {why_no_label(label)}. Give a text or a number, or use skip.")
    raise s.task.no_answer(label if of is None else of)


def class_of(s: State, said: Said) -> Label:
    """An answer as it is written, if its labels are known.

    Raises:
        BadInput: They are not.
    """
    strange = [name for name in s.task.labels_in(said) if not s.may_be(name)]
    if strange:
        raise unknown("label", strange[0], s.shown_labels())
    return s.task.write(said, s.labels)


def class_added(s: State, name: Any) -> list[Event]:
    """One more class.

    Raises:
        BadInput: The name is empty or already a class.
    """
    wanted, name = name, label_name(name) or ""
    if not name:
        why = f"it is one {why_no_label(wanted)}" if label_name(wanted) is None else "it is empty"
        raise BadInput(f"Cannot add the class {wanted!r}: {why}.")
    if not s.task.named:
        raise BadInput(f"Cannot add the class {name!r}: an answer here is {s.task.asks}, and there are no classes.")
    name = Spelling(s.labels).of(name)
    if s.may_be(name):
        raise BadInput(f"Cannot add the class {name!r}: it is one already.")
    s.task.check_label(name)
    return [Event("class_added", {"name": name})]


# ── what people see and say beside ──────────────────────────────────────────────────────────


def flag_lifted(s: State, row: int, item: str, annotator: str) -> list[Event]:
    """The flag is taken off.

    Raises:
        BadInput: There is none.
    """
    if row not in s.flags:
        raise BadInput(f"The item {item!r} has no flag.")
    return [Event("unflagged", {"row": row, "annotator": annotator})]


def shown(s: State, rows: Sequence[int], ids: Sequence[str], annotator: str) -> list[Event]:
    """Somebody is being shown what the model takes these rows for.

    Raises:
        BadInput: One of them waits for a blind check.
    """
    waiting = next(iter(s.checks_waiting().intersection(rows)), None) if rows else None
    if waiting is not None:
        raise BadInput(
            f"The item {ids[waiting]!r} waits for a blind check, so its guess stays hidden. "
            "Finish the checks first, or give them up."
        )
    new = [row for row in dict.fromkeys(rows) if not s.was_shown(row, annotator)]
    known = s.tells_shown and s.model
    return [Event("shown", {"annotator": annotator, "rows": new})] if new and known else []


def rest_shown(s: State) -> list[Event]:
    """Anybody may have seen the guesses on all that is open.

    Raises:
        BadInput: Blind checks are under way.
    """
    if s.open_attempt is not None:
        raise BadInput(
            "Blind checks are under way, so the model's guesses stay hidden. Export without them, finish "
            "the checks first, or give them up."
        )
    return [Event("shown", {"annotator": "", "rows": "rest"})] if s.tells_shown and s.model else []


def given_back(s: State, annotator: str) -> Decision[int]:
    """The questions in an annotator's hand go back; how many."""
    held = [row for row, lease in s.leases.items() if lease.annotator == annotator]
    return [Event("released", {"rows": held})] if held else [], len(held)


def adjudicated(s: State, row: int, names: Said | None, item: str, annotator: str) -> list[Event]:
    """A decision on an item that people have labeled, or (None) the end of one.

    Raises:
        BadInput: The label is not known, nobody has labeled the item, or nothing was decided.
    """
    said = None if names is None else class_of(s, names)
    if s.label_of(row) is None:
        raise BadInput(f"Nobody has labeled the item {item!r} yet; use {named('tell()')}.")
    if said is None and row not in s.rulings:
        raise BadInput(f"Nothing was decided on the item {item!r}.")
    return [Event("adjudicated", {"row": row, "label": said, "annotator": annotator})]
