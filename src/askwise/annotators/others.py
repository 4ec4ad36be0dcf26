"""Annotators of one's own: a program that reads and writes lines of JSON, or a function."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from askwise.annotators.said import Annotation, annotation_of
from askwise.core import BadInput, ContractError, Label, Unreachable


class Program:
    """A program that labels: for each line {"item": …, "labels": […]} that comes in it writes {"label": …}.

    A "confidence", the higher the surer, may stand beside the label.

    Args:
        command: With its arguments, as a shell would split it; no shell runs it.

    Raises:
        BadInput: There is no such program.
    """

    def __init__(self, command: str) -> None:
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise BadInput(f"The command {command!r} cannot be read: {error}.") from None
        if not self.words:
            raise BadInput("A program that labels has a name: command:PROGRAM ARGUMENTS.")
        self.name = self.words[0]

    def annotate_all(self, items: Sequence[str], labels: Sequence[Label]) -> list[Annotation]:
        """What the program says of (n,) items.

        Raises:
            BadInput: There is no such program.
            Unreachable: It failed.
            ContractError: It wrote other than a line of JSON for each item.
        """
        lines = "".join(json.dumps({"item": item, "labels": list(labels)}, ensure_ascii=False) + "\n" for item in items)
        try:
            done = subprocess.run(self.words, input=lines.encode(), capture_output=True, check=False)
        except OSError as error:
            raise BadInput(f"The program {self.name!r} cannot be run ({error.strerror}).") from None
        if done.returncode:
            why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise Unreachable(f"The program {self.name!r} ended with {done.returncode}: {why[0][:300]}")
        out = done.stdout.decode("utf-8", "replace").splitlines()
        if len(out) != len(items):
            raise ContractError(
                f"The program {self.name!r} wrote {len(out):,} lines for {len(items):,} items; one each."
            )
        found = []
        for number, line in enumerate(out, 1):
            try:
                said = json.loads(line)
            except ValueError:
                raise ContractError(
                    f'The program {self.name!r} wrote no JSON in line {number:,}: {line[:60]!r}. Write {{"label": …}}.'
                ) from None
            found.append(annotation_of(said, labels))
        return found


class Function:
    """A function (list of texts) → a label, a pair (label, confidence), or None, for each.

    Args:
        function: Any callable.
        name: What sentences call it.
    """

    def __init__(self, function: Callable[[list[str]], Sequence[Any]], name: str) -> None:
        if not callable(function):
            raise BadInput(f"{name} is a {type(function).__name__}. Name a function that takes a list of texts.")
        self.function, self.name = function, name

    def annotate_all(self, items: Sequence[str], labels: Sequence[Label]) -> list[Annotation]:
        """What the function says of (n,) items.

        Raises:
            ContractError: It gave other than one answer for each.
        """
        found = self.function(list(items))
        if not hasattr(found, "__len__") or isinstance(found, str) or len(found) != len(items):
            raise ContractError(
                f"{self.name} must give one answer for each of {len(items):,} texts; got {found!r:.60}."
            )
        return [annotation_of(said, labels) for said in found]
