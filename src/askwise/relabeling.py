"""Labels that change while people work: what becomes of answers, guesses and evidence when the log says so.

Nobody's answer is altered: each keeps what was said, and the fold says what it means now. A class keeps its number for
good. Renaming changes what a number is called. Merging maps numbers: `State.system[c]` is what class c counts as today.
Removing is for a class that no answer holds.

What was proved was proved of the classes as they were. A check item is scored by the classes in force when it was
*drawn*, whatever is merged later by somebody who has seen how the checks turned out, so all scores together stay one
martingale. What they say of today's classes depends on which tell more apart (`Standing`):

* Where the classes of then tell apart at least what today's do (something was merged since), a guess that is wrong by
  today's was wrong by those. So the errors of today are at most as many as those counted: lower bounds hold.
* Where today's tell apart at least what those did (a merge was taken back), the reverse: upper bounds hold.
* Else the check says nothing of today's classes.

An answer given while classes were merged does not say which of them it means, and one given while a class was none may
mean that class. Where it matters such an answer counts as none.
"""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from askwise.core import Answer, Array, Event, Label

if TYPE_CHECKING:
    from askwise.state import Draw, State

FORMAT = 4
"""Of a log that holds what this room reads."""
KINDS = (
    "class_renamed", "class_merged", "class_split", "class_removed", "class_described", "reordered", "retitled",
    "guidelines",
)  # fmt: skip


def full(system: Array | None, classes: int) -> Array:
    """(classes,) what each class counts as; those that came later count as themselves."""
    found = np.arange(classes)
    if system is not None:
        found[: len(system)] = system
    return found


def of(system: Array | None, number: int) -> int:
    """What a class counts as."""
    return number if system is None or number >= len(system) else int(system[number])


# ── what a check item says of today's classes ───────────────────────────────────────────────


def standing(s: State, draw: Draw) -> tuple[bool, bool]:
    """(whether a check supports lower bounds of the accuracy by today's classes, whether upper ones)."""
    if draw.system is s.system and draw.removed == s.removed:
        return True, True
    then, now = full(draw.system, len(s.classes)), full(s.system, len(s.classes))
    gone = s.removed - draw.removed
    # What would be of a class that was removed is of another now: a guess of another was wrong before, at least.
    low = _finer(then, now) and draw.removed <= s.removed
    low = low and not (gone and draw.guesses is not None and np.isin(draw.guesses, list(gone)).any())
    return low, _finer(now, then) and draw.removed == s.removed


def _finer(one: Array, other: Array) -> bool:
    """Whether classes that count as the same by the one do so by the other."""
    return bool((other == other[one]).all())


def wrong(s: State, answer: Answer, guess: int, system: Array | None, removed: frozenset[int]) -> bool | None:
    """Whether a guess was wrong by the classes of then; None where the answer does not say."""
    said = s.numbers[answer.said or answer.label or ""]
    if not s.systems:
        return s.task.is_wrong(guess, said, s.classes)
    meant = {of(system, number) for number in could_mean(s, answer.seq, said, removed)}
    if of(system, guess) not in meant:
        return True
    return False if len(meant) == 1 else None


def could_mean(s: State, seq: int, said: int, removed: frozenset[int]) -> set[int]:
    """The classes that an answer may mean: those that counted as the same when it was given, or were none then.

    Args:
        s: Not changed.
        seq: Of the answer.
        said: The class that it says.
        removed: Classes that it cannot mean, as they are none where that is asked.
    """
    nothing: tuple[int, Array | None, frozenset[int]] = (0, None, frozenset())
    _, system, gone = next((one for one in reversed(s.systems) if one[0] < seq), nothing)
    then = full(system, len(s.classes))
    return {*np.flatnonzero(then == then[said]).tolist(), *(gone - removed)}


def unclear(s: State) -> list[int]:
    """Rows whose answer does not say which of today's classes it means."""
    found: list[int] = []
    if not s.systems:
        return found
    known: dict[tuple[int, int], bool] = {}  # (how many changes before the answer, class said)
    since = [seq for seq, _, _ in s.systems]
    for row, answer in s.answers.items():
        if answer.label is not None:
            said = s.numbers[answer.said or answer.label]
            key = bisect.bisect_left(since, answer.seq), said
            if key not in known:
                meant = could_mean(s, answer.seq, said, s.removed)
                known[key] = len({of(s.system, number) for number in meant}) > 1
            found += [row] * known[key]
    return found


def covers(s: State, system: Array | None) -> bool:
    """Whether what was limited by the classes of a system is limited by today's: they tell no more apart."""
    return system is s.system or _finer(full(system, len(s.classes)), full(s.system, len(s.classes)))


# ── the fold ────────────────────────────────────────────────────────────────────────────────


def on_renamed(s: State, e: Event) -> None:
    """The same class under another name: what was said of it stands under the new one."""
    name, to = e.data["name"], e.data["to"]
    _live(s, name)
    if to in s.labels:
        raise ValueError(f"there is a class {to!r} already")
    s.labels[s.labels.index(name)] = to

    def called(label: Label) -> Label:
        return s.task.renamed(label, name, to)

    s.classes[:] = map(called, s.classes)
    s.numbers = {one: number for number, one in enumerate(s.classes)}
    s.order = [to if one == name else one for one in s.order]
    s.descriptions = {to if one == name else one: text for one, text in s.descriptions.items()}
    s.former = {old: to if new == name else new for old, new in s.former.items() if old != to} | {name: to}

    def meant(answer: Answer) -> Answer:
        if answer.label is None:
            return answer
        return replace(answer, label=called(answer.label), said=None if answer.said is None else called(answer.said))

    for votes in s.votes.values():
        votes.update({who: meant(answer) for who, answer in votes.items()})
    for answers in (s.given, s.rulings, s.answers):
        answers.update({row: meant(answer) for row, answer in answers.items()})
    s.before.update({seq: meant(answer) for seq, answer in s.before.items() if answer is not None})
    s.rewound = {n: [(meant(a), asked) for a, asked in taken] for n, taken in s.rewound.items()}
    s.consensus = {row: called(label) for row, label in s.consensus.items()}
    for attempt in s.attempts:
        attempt.label = None if attempt.label is None else called(attempt.label)
    _changed(s, e, f"{name!r} was renamed to {to!r}", "class_renamed", {"name": to, "to": name})


def on_merged(s: State, e: Event) -> None:
    """Two classes count as one from now on; who says the first means the second."""
    name, into = e.data["name"], e.data["into"]
    _one_label(s)
    _live(s, name)
    _live(s, into)
    if name == into:
        raise ValueError("a class cannot be merged into itself")
    s.merged = s.merged | {s.numbers[name]: s.numbers[into]}
    _map_anew(s, e)
    _changed(s, e, f"{name!r} was merged into {into!r}", "class_split", {"name": name})


def on_split(s: State, e: Event) -> None:
    """A merge is taken back: what was said counts as what was said."""
    number = s.numbers[e.data["name"]]
    into = s.merged[number]
    s.merged = {one: other for one, other in s.merged.items() if one != number}
    _map_anew(s, e)
    said = {"name": e.data["name"], "into": s.current(s.classes[into])}
    _changed(s, e, f"{said['name']!r} stands apart from {said['into']!r} again", "class_merged", said)


def on_removed(s: State, e: Event) -> None:
    """A class that nothing is labeled with is no class any more."""
    name = e.data["name"]
    _one_label(s)
    _live(s, name)
    if holders(s, name):
        raise ValueError(f"it removes the class {name!r}, which answers hold")
    s.removed = s.removed | {s.numbers[name]}
    s.systems = [*s.systems, (e.seq, s.system, s.removed)]
    s.last_answer = e.seq
    _changed(s, e, f"{name!r} was removed", "class_added", {"name": name})


def on_restored(s: State, e: Event) -> None:
    """`class_added` for a class that had been removed."""
    s.removed = s.removed - {s.numbers[e.data["name"]]}
    s.systems = [*s.systems, (e.seq, s.system, s.removed)]
    s.last_answer = e.seq
    _changed(s, e, f"{e.data['name']!r} was taken up again", "class_removed", {"name": e.data["name"]})


def on_described(s: State, e: Event) -> None:
    """What a class means, for the people who label."""
    name, before = e.data["name"], s.descriptions.get(e.data["name"], "")
    _live(s, name)
    s.descriptions = {**s.descriptions, name: e.data["text"]}
    _changed(s, e, "", "class_described", {"name": name, "text": before})


def on_reordered(s: State, e: Event) -> None:
    """The order in which people see the classes; nothing else knows it."""
    before = s.shown_labels()
    if sorted(e.data["labels"]) != sorted(before):
        raise ValueError("it orders other labels than those there are")
    s.order = []  # as they came, where that is what is asked for: what stands apart again has its place then
    s.order = [] if s.shown_labels() == list(e.data["labels"]) else list(e.data["labels"])
    _changed(s, e, "", "reordered", {"labels": before})


def on_retitled(s: State, e: Event) -> None:
    """Another title."""
    before = s.title
    s.texts = {**s.texts, "title": e.data["text"]}
    _changed(s, e, "", "retitled", {"text": before})


def on_guidelines(s: State, e: Event) -> None:
    """Other guidelines."""
    before = s.guidelines
    s.texts = {**s.texts, "guidelines": e.data["text"]}
    _changed(s, e, "", "guidelines", {"text": before})


HANDLERS: dict[str, Callable[[Any, Event], None]] = {
    "class_renamed": on_renamed,
    "class_merged": on_merged,
    "class_split": on_split,
    "class_removed": on_removed,
    "class_described": on_described,
    "reordered": on_reordered,
    "retitled": on_retitled,
    "guidelines": on_guidelines,
}


def _changed(s: State, e: Event, said: str, back: str, data: dict[str, Any]) -> None:
    """Keep what would take this back, and what it means for what was claimed before."""
    if said:
        s.changes = [*s.changes, (e.seq, said)]
    undone = e.data.get("undoes")
    if undone is None:
        s.reversals = [*s.reversals, (e.seq, back, data)]
    elif not s.reversals or s.reversals[-1][0] != undone:
        raise ValueError(f"it takes back event {undone}, which was not the last change")
    else:
        s.reversals = s.reversals[:-1]


def _map_anew(s: State, e: Event) -> None:
    """Fold everything once more by what counts as what."""
    system = np.arange(len(s.classes), dtype=np.int32)
    for number in s.merged:
        at = number
        while at in s.merged:
            at = s.merged[at]
        system[number] = at
    s.system = system if s.merged else None
    s.systems = [*s.systems, (e.seq, s.system, s.removed)]
    if s.written is not None:
        s.predictions = s.today(s.written)
    for attempt in s.attempts:
        if attempt.outcome == "certified" and not attempt.taken_back and attempt.guesses is not None:
            for row in attempt.order[attempt.checks :].tolist():
                if row in s.auto:
                    s.auto[row] = (of(s.system, int(attempt.guesses[row])), *s.auto[row][1:])
    for row in {*s.votes, *s.given}:
        s._settle(row)
    s.unsettled = s.unsettled or bool(s.several)
    s.last_answer = e.seq


def _live(s: State, name: Label) -> None:
    if name not in s.shown_labels():
        raise ValueError(f"there is no class {name!r}")


def _one_label(s: State) -> None:
    if not s.task.merges or s.opened.get("goal"):
        raise ValueError("only where an item has one label, and nothing is searched, classes are merged or removed")


def holders(s: State, name: Label) -> int:
    """How many items hold a class in some answer: of a person, of the data, of the model, of a reviewer."""
    number = s.numbers[name]

    def holds(answer: Answer | None) -> bool:
        return answer is not None and answer.label is not None and of(s.system, s.numbers[answer.label]) == number

    rows = {row for row, answer in s.answers.items() if holds(answer)}
    rows |= {row for row, votes in s.votes.items() if any(map(holds, votes.values()))}
    rows |= {row for row, answer in s.given.items() if holds(answer)}
    rows |= {row for row, answer in s.rulings.items() if holds(answer)}
    rows |= {answer.row for answer in s.before.values() if answer is not None and holds(answer)}
    rows |= {answer.row for taken in s.rewound.values() for answer, _ in taken if holds(answer)}
    return len(rows | {row for row, (code, _, _) in s.auto.items() if code == number})


# ── labels that look alike ──────────────────────────────────────────────────────────────────

LIKE = 0.85
"""Similarity of two names (Ratcliff & Obershelp) from which one may be the other with a slip of the keys."""
SHORTEST = 5
"""Letters of such a name: of shorter ones too many are alike."""
MOST = 500
"""Of more labels only those are compared that differ in case and blanks: each with each would take too long."""
RARE = 0.2
"""A slip is at most so frequent as the name that was meant."""


def alike(counts: Sequence[tuple[Label, int]]) -> list[tuple[Label, Label]]:
    """(what looks like a slip, what it may mean): names that differ in case and blanks alone, or rare ones by a letter.

    Args:
        counts: Labels with how many items have them.
    """
    found: list[tuple[Label, Label]] = []
    ordered = sorted(counts, key=lambda one: (-one[1], one[0]))
    first: dict[str, Label] = {}  # of names that differ in case and blanks alone the most frequent
    known: list[tuple[str, list[str], Label, int]] = []
    for name, count in ordered:
        plain = " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
        digits = [sign for sign in plain if sign.isdigit()]
        if plain in first:
            found.append((name, first[plain]))
            continue
        first[plain] = name
        if len(ordered) <= MOST and len(plain) >= SHORTEST:
            match = difflib.SequenceMatcher(None, "", plain)  # what it knows of its second text is kept
            for other, numbers, meant, more in known:
                if count > RARE * more:
                    break  # the rest is rarer still
                match.set_seq1(other)
                close = numbers == digits and match.real_quick_ratio() >= LIKE and match.quick_ratio() >= LIKE
                if close and match.ratio() >= LIKE:
                    found.append((name, meant))
                    break
            known.append((plain, digits, name, count))
    return found
