"""Names of options in sentences, which each door renders as what a person can give there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

# Noncharacters: Unicode keeps them for a program's own use, so no text that people give has a meaning with them.
_OPEN, _NOUN, _ASIDE, _VALUE, _CLOSE = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"
_MARK = re.compile(f"([{_OPEN}{_NOUN}])(\\w+(?:\\(\\))?)(?:{_VALUE}([^{_CLOSE}]*))?{_CLOSE}")
_ONLY_PYTHON = re.compile(f"{_ASIDE}([^{_CLOSE}]*){_CLOSE}")

Words: TypeAlias = Callable[[str, Any, bool], str]
"""(name of the option, value or None, is it advice to give it) → what a door calls it."""

PAGE = {
    "text": "“shown” beside a column",
    "label": "“known labels” beside a column",
    "id": "“name of the row” beside a column",
    "kind": "the kind of item",
    "classes": "the list of labels",
    "format": "“Format”",
    "encoding": "“Encoding”",
    "delimiter": "“Separator”",
    "sheet": "“Sheet”",
    "header": "“The first line names the columns”",
    "task": "“What an answer is”",
    "multilabel": "“An item may have several labels”",
    "max_error": "the limit",
    "confidence": "the confidence",
    "target": "the target",
    "costs": "the costs",
    "title": "the title",
    "guidelines": "the guidelines",
    "autolabel()": "“Finish”",
    "cancel_autolabel()": "“Give up” in “Finish”",
    "resume_autolabel()": "“Go on with its checks” in “Finish”",
    "guesses": "“guesses by a model” beside a column",
    "tell()": "its labels below",
    "ask()": "the page",
}
"""What the pages call an option; what is not here cannot be given there."""


def option(name: str, value: Any = None) -> str:
    """The advice to give an option, for a sentence: `text=`, `--text COLUMN`, or a field of the page.

    Args:
        name: As a parameter is called in Python.
        value: What to give, JSON-able; None = that is up to the person.
    """
    held = "" if value is None else _VALUE + json.dumps(value, ensure_ascii=False).replace(_CLOSE, "")
    return f"{_OPEN}{name}{held}{_CLOSE}"


def named(name: str) -> str:
    """An option as the subject of a sentence: `max_error`, `--max-error`, or a field of the page.

    Also a verb, written with parentheses: `autolabel()`, `askwise autolabel`, or a button.
    """
    return f"{_NOUN}{name}{_CLOSE}"


def only_python(text: str) -> str:
    """A part of a sentence that other doors leave out: what only code can give. Holds no marks."""
    return f"{_ASIDE}{text}{_CLOSE}"


def render(text: object, words: Words) -> str:
    """A sentence as one door says it.

    Args:
        text: A text with or without marks, a `Sentence`, or an error of ours.
        words: What the door calls an option.
    """

    def say(mark: re.Match[str]) -> str:
        kind, name, value = mark.groups()
        return words(name, None if value is None else json.loads(value), kind == _OPEN)

    return _MARK.sub(say, _ONLY_PYTHON.sub(r"\1" if words is in_python else "", marked(text)))


def marked(text: object) -> str:
    """A text with its marks, to be put into another: of a `Sentence`, or of an error of ours."""
    return str(getattr(text, "marked", text))


class Sentence(str):
    """A sentence that reads as Python says it, and can be rendered for another door."""

    marked: str
    """As it was written."""

    def __new__(cls, text: str) -> Sentence:
        """From a text with marks."""
        self = super().__new__(cls, render(text, in_python))
        self.marked = marked(text)
        return self

    def __getnewargs__(self) -> tuple[str]:
        """So that a copy in another process can be rendered, too."""
        return (self.marked,)


def in_python(name: str, value: Any, advice: bool) -> str:
    """`text=`, `text='a'`, or `text`."""
    return f"{name}={'' if value is None else repr(value)}" if advice else name


def on_page(name: str, value: Any, advice: bool) -> str:
    """What the pages call it, or where else it can be given."""
    if name not in PAGE:
        return f"{name}{'' if value is None else f' {_plain(value)}'}" + (" (from Python, not here)" if advice else "")
    if isinstance(value, bool):
        return f"{PAGE[name]} {'ticked' if value else 'not ticked'}"
    return PAGE[name] if value is None else f"{PAGE[name]} ({_plain(value)})"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
