"""Changing the labels, the title and the guidelines of a session that runs: the verbs, each of which can be undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from askwise import relabeling
from askwise.core import BadInput, Event, Label, unknown
from askwise.ledger import Ledger
from askwise.options import named
from askwise.state import State
from askwise.values import Spelling, label_name, why_no_label

LONGEST_TITLE = 200
LONGEST_TEXT = 100_000
"""Characters of a title; of guidelines or of what a label means."""


class Changes:
    """The labels and texts of a session, to be changed: `session.change.rename("ham", "fine")`.

    People's answers stay what was said; they count as what the labels mean now. What was proved before stays a sentence
    about the labels as they were. See docs/growing.md.

    Args:
        ledger: Of an open session.
        nudge: Wakes its worker.
    """

    def __init__(self, ledger: Ledger, nudge: Callable[[], None]) -> None:
        self._ledger, self._nudge = ledger, nudge

    def rename(self, name: Label, to: Label, *, annotator: str = "me") -> None:
        """Call a label otherwise.

        Raises:
            BadInput: There is no such label, the new name is none or taken, blind checks are under way, or in a search.
        """

        def decide(s: State) -> tuple[str, dict[str, Any]]:
            known, new = _label(s, name), _new_name(s, to)
            return "class_renamed", {"name": known, "to": new}

        self._do(decide, annotator, classes=True)

    def merge(self, name: Label, into: Label, *, annotator: str = "me") -> None:
        """Let a label count as another: one that was misspelled, or told apart for nothing.

        Raises:
            BadInput: There is no such label, items have several labels, blind checks are under way, or in a search.
        """

        def decide(s: State) -> tuple[str, dict[str, Any]]:
            _single(s)
            one, other = _label(s, name), _label(s, into)
            if one == other:
                raise BadInput(f"The label {one!r} cannot be merged into itself. Name two.")
            if len(s.shown_labels()) < 3:
                raise BadInput("Two labels are the fewest: with one there would be nothing to learn. Rename instead.")
            return "class_merged", {"name": one, "into": other}

        self._do(decide, annotator, classes=True)

    def split(self, name: Label, *, annotator: str = "me") -> None:
        """Take a merge back: what was said counts as what was said.

        Raises:
            BadInput: This label was not merged, or blind checks are under way.
        """

        def decide(s: State) -> tuple[str, dict[str, Any]]:
            merged = [s.classes[number] for number in s.merged]
            if name not in merged:
                known = f" Merged are {', '.join(merged)}." if merged else ""
                raise BadInput(f"The label {name!r} was not merged into another.{known}")
            return "class_split", {"name": name}

        self._do(decide, annotator, classes=True)

    def remove(self, name: Label, *, annotator: str = "me") -> None:
        """Remove a label that no item has.

        Raises:
            BadInput: There is no such label or some item has it, blind checks are under way, or in a search.
        """

        def decide(s: State) -> tuple[str, dict[str, Any]]:
            _single(s)
            known = _label(s, name)
            if held := relabeling.holders(s, known):
                raise BadInput(
                    f"{held:,} items have, or had, the label {known!r} in somebody's answer, which would mean nothing "
                    "without it. Merge it into another label instead."
                )
            if len(s.shown_labels()) < 3:
                raise BadInput("Two labels are the fewest: with one there would be nothing to learn.")
            return "class_removed", {"name": known}

        self._do(decide, annotator, classes=True)

    def reorder(self, labels: Sequence[Label], *, annotator: str = "me") -> None:
        """Show the labels in another order, which also decides their keys.

        Args:
            labels: All of them, or those that come first.
            annotator: Who changes it.

        Raises:
            BadInput: A label twice, or one that there is not.
        """

        def decide(s: State) -> tuple[str, dict[str, Any]]:
            first = [_label(s, name) for name in labels]
            if len(set(first)) < len(first) or not first:
                raise BadInput(f"Name each label once; got {', '.join(map(str, labels)) or 'none'}.")
            return "reordered", {"labels": [*first, *(name for name in s.shown_labels() if name not in first)]}

        self._do(decide, annotator)

    def describe(self, name: Label, text: str, *, annotator: str = "me") -> None:
        """Say what a label means, for the people who label; "" takes that away.

        Raises:
            BadInput: There is no such label, or the text is too long.
        """
        self._do(
            lambda s: ("class_described", {"name": _label(s, name), "text": _text(text, "description", LONGEST_TEXT)}),
            annotator,
        )

    def title(self, text: str, *, annotator: str = "me") -> None:
        """Give the session another title; "" = the name of its file.

        Raises:
            BadInput: It is too long.
        """
        self._do(lambda _: ("retitled", {"text": _text(text, "title", LONGEST_TITLE)}), annotator)

    def guidelines(self, text: str, *, annotator: str = "me") -> None:
        """Give the people who label other guidelines: headings, lists, **bold**, `code`.

        Raises:
            BadInput: They are too long.
        """
        self._do(lambda _: ("guidelines", {"text": _text(text, "guidelines", LONGEST_TEXT)}), annotator)

    def undo(self, *, annotator: str = "me") -> str:
        """Take the last change back that stands; returns the kind of event that does so. Again for the one before.

        Raises:
            BadInput: There is none, or it is one of classes and blind checks are under way.
        """
        done: list[str] = []

        def decide(s: State) -> tuple[str, dict[str, Any]]:
            if not s.reversals:
                raise BadInput("No label, title or guidelines were changed, so there is nothing to take back.")
            seq, kind, data = s.reversals[-1]
            if kind.startswith("class_") and kind != "class_described":
                _may(s)
            if kind == "class_removed" and relabeling.holders(s, data["name"]):
                raise BadInput(f"Items were labeled {data['name']!r} since, so it cannot be taken away again.")
            done[:] = [kind]
            return kind, data | {"undoes": seq}

        self._do(decide, annotator)
        return done[0]

    def alike(self) -> list[tuple[Label, Label]]:
        """(what looks like a slip of the keys, what it may mean) among the labels in use; see `relabeling.alike`."""
        counts = self._ledger.look(lambda s: [] if not s.task.merges or s.opened.get("goal") else used(s))
        return relabeling.alike(counts)  # while others go on: with many labels it takes a while

    def listed(self) -> list[str]:
        """The labels, one a line: name, how many items people or the data gave it, what it means."""

        def lines(s: State) -> list[str]:
            counts = Counter(
                part for answer in s.answers.values() if answer.label is not None for part in s.parts(answer.label)
            )
            found = []
            for name in s.shown_labels():
                holds = [s.classes[number] for number in s.merged if s.current(s.classes[number]) == name]
                more = f"  (with {', '.join(holds)})" if holds else ""
                text = s.descriptions.get(name, "")
                found.append(f"{name}  {counts[name]:,}{more}" + (f"  {text}" if text else ""))
            return found

        return self._ledger.look(lines)

    def _do(self, decide: Callable[[State], tuple[str, dict[str, Any]]], annotator: str, classes: bool = False) -> None:
        def events(s: State) -> list[Event]:
            if classes:
                _may(s)
            kind, data = decide(s)
            more = {} if kind == "class_added" else {"format": relabeling.FORMAT, "annotator": annotator}
            return [Event(kind, {**more, **data})]

        self._ledger.write(events)
        self._nudge()


WORDS = {
    "rename": (2, "A B"), "merge": (2, "A B"), "split": (1, "A"), "remove": (1, "A"), "order": (None, "A B …"),
    "describe": (2, "A TEXT"), "title": (1, "TEXT"), "guidelines": (1, "FILE"), "undo": (0, ""),
}  # fmt: skip
"""Verb of the command line → how many words follow (None = one or more), and which."""


def command(do: Changes, words: Sequence[str], read: Callable[[str], str]) -> list[str]:
    """Do what the words of `askwise labels SESSION …` say; what is to be printed.

    Args:
        do: Of an open session.
        words: A verb and what it is about; none lists the labels.
        read: Reads a file of guidelines.

    Raises:
        BadInput: No such verb, other words than it takes, or a change that cannot be.
    """
    if not words:
        return do.listed()
    verb, rest = words[0], list(words[1:])
    if verb not in WORDS:
        raise unknown("change", verb, WORDS)
    count, shown = WORDS[verb]
    if len(rest) != count and not (count is None and rest):
        raise BadInput(f"{verb!r} takes {shown or 'nothing more'}; got {' '.join(rest) or 'nothing'}.")
    if verb == "order":
        do.reorder(rest)
    elif verb == "guidelines":
        do.guidelines(read(rest[0]))
    else:
        getattr(do, verb)(*rest)
    return do.listed()


def used(state: State) -> list[tuple[Label, int]]:
    """The labels that may be given, with how many items people or the data gave each."""
    count = Counter(answer.label for answer in state.answers.values() if answer.label is not None)
    return [(name, count[name]) for name in state.shown_labels()]


def _may(s: State) -> None:
    """What was frozen is checked by the classes of then, and answered by those that people see."""
    if s.opened.get("goal"):
        raise BadInput("A search has its two labels from the start to the end.")
    if s.open_attempt is not None:
        raise BadInput(
            f"Blind checks are under way. Finish them, or give them up first: {named('cancel_autolabel()')}."
        )


def _single(s: State) -> None:
    if not s.task.merges:
        raise BadInput(f"With {s.task.asks} an item, labels can be renamed, but not merged or removed.")


def _label(s: State, name: Label) -> Label:
    wanted = Spelling(s.labels).of(label_name(name) or "")
    if wanted not in s.shown_labels():
        raise unknown("label", name, s.shown_labels())
    return wanted


def _new_name(s: State, to: Label) -> Label:
    name = label_name(to)
    if not name:
        raise BadInput(
            f"A label cannot be called {to!r}: it is {'empty' if name == '' else f'one {why_no_label(to)}'}."
        )
    s.task.check_label(name)
    if name in s.labels:
        was = "is" if name in s.shown_labels() else "was"
        raise BadInput(f"There {was} a label {name!r} already. Merge into it, or choose another name.")
    return name


def _text(text: str, what: str, most: int) -> str:
    text = str(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput(f"The {what} holds half of a character (a lone surrogate). Leave it out.") from None
    if len(text) > most:
        raise BadInput(f"The {what} has {len(text):,} characters; {most:,} are the most.")
    return text
