"""Examples in docstrings, `>>> …`, as blocks of code: Markdown takes such lines for quotations."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).+)*", re.MULTILINE)


def fenced(text: str) -> str:
    """A docstring with each example, up to the next empty line, as a fenced block."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


class Doctests(Extension):
    """Griffe calls it for every object that it has read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring, once."""
        if obj.docstring is not None and ">>> " in obj.docstring.value and "```pycon" not in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)
