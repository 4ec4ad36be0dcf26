"""Learners, encoders and strategies that are not ours: by the name of an entry point, or as `module:object`."""

from __future__ import annotations

import copy
import difflib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal, TypeAlias

from askwise.core import AskwiseError, BadInput, ContractError, unknown
from askwise.options import named
from askwise.strategies.registry import Strategy, available

What: TypeAlias = Literal["learner", "encoder", "strategy"]
GROUPS: dict[What, str] = {
    "learner": "askwise.learners",
    "encoder": "askwise.encoders",
    "strategy": "askwise.strategies",
}
"""The entry point groups in which a package names its parts."""
_CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Found:
    """A part, and the name by which it was found, which the log keeps."""

    part: Any
    source: str


def is_code(name: object) -> bool:
    """Whether this is written `module:object`."""
    return isinstance(name, str) and _CODE.fullmatch(name) is not None


def registered(what: What) -> tuple[str, ...]:
    """Names of the entry points of installed packages, sorted; none is loaded."""
    return tuple(sorted({point.name for point in metadata.entry_points(group=GROUPS[what])}))


def plugin(what: Literal["learner", "encoder"], name: str, ours: Sequence[str] = ()) -> Found:
    """A new learner or encoder of an installed package, by the name of its entry point.

    Args:
        what: Which part it is.
        name: Of the entry point.
        ours: What else could have been given, for the error.

    Raises:
        BadInput: No installed package has one of this name; for `module:object` what to do instead.
        ContractError: It cannot be loaded or made.
    """
    points = [point for point in metadata.entry_points(group=GROUPS[what]) if point.name == name]
    if not points:
        raise _unknown(what, name, ours)
    where = f"The {what} plug-in {name!r} = {points[0].value!r}"
    try:
        loaded = points[0].load()
    except Exception as error:
        raise ContractError(f"{where} cannot be loaded: {_told(error)}.") from error
    return Found(_made(what, loaded, where, ContractError), name)


def code(what: What, text: str) -> Found:
    """What `module:object` names. The module is imported, which runs it: never for a text that somebody else gave.

    As for `python -m`, the current folder comes first among those that modules are looked for in, unless Python was
    told otherwise (`-P`, `PYTHONSAFEPATH`).

    Args:
        what: Which part it is.
        text: Such as `mypkg.mine:Learner`; behind the colon also `Outer.inner`.

    Raises:
        BadInput: There is no such module or object, or it fails when it is imported or made.
    """
    where = f"The {what} {text!r}"
    part = _made(what, imported(text, where), where, BadInput)
    if isinstance(part, Strategy) and part.name in available():
        raise BadInput(f"{where} is called {part.name!r}, as one that is known already; give it another name.")
    return Found(part, text)


def imported(text: str, where: str) -> Any:
    """The object itself that `module:object` names; see `code`.

    Args:
        text: As there.
        where: What a sentence calls it.

    Raises:
        BadInput: There is no such module or object, or it fails when it is imported.
    """
    if not is_code(text):
        raise BadInput(f"{text!r} is not written module:object, such as mypkg.mine:Part.")
    module, _, path = text.partition(":")
    found: Any = _imported(module, where)
    for name in path.split("."):
        if not hasattr(found, name):
            close = difflib.get_close_matches(name, dir(found), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise BadInput(f"{where} cannot be found: {module} has no {path!r}.{hint}")
        found = getattr(found, name)
    return found


def _imported(module: str, where: str) -> Any:
    here = os.getcwd()  # noqa: PTH109 - what stands in sys.path are texts
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        parents = module.split(".")
        if error.name in [".".join(parents[:i]) for i in range(1, len(parents) + 1)]:
            raise BadInput(
                f"{where} cannot be found: there is no module {error.name!r}, in the current folder or among the "
                "installed packages."
            ) from error
        raise BadInput(f"{where} cannot be imported: {module} needs {error.name}, which is not installed.") from error
    except (Exception, SystemExit) as error:
        raise BadInput(f"{where} cannot be imported: {_told(error)}.") from error


def _made(what: What, found: Any, where: str, kind: type[AskwiseError]) -> Any:
    """A part of one's own: classes are called, and so are functions that give a learner; others are copied."""
    makes = isinstance(found, type) or (what == "learner" and callable(found) and not hasattr(found, "fit"))
    try:
        if makes:
            found = found()
        elif what != "strategy":
            found = copy.deepcopy(found)  # two sessions must not train one
    except Exception as error:
        does = "called without arguments" if makes else "copied"
        raise kind(f"{where} cannot be {does}: {_told(error)}.") from error
    if what == "strategy" and not isinstance(found, Strategy):
        raise kind(f"{where} must be a Strategy, got {type(found).__name__}. Wrap a score: Strategy('name', score).")
    return found


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": .")


def _unknown(what: Literal["learner", "encoder"], name: str, ours: Sequence[str]) -> BadInput:
    known = (*ours, *registered(what))
    if is_code(name):
        return BadInput(
            f"{named(what)} takes the name of an installed package's entry point here, got {name!r}: code by "
            "module:object is taken from the command line only."
        )
    if not known:
        return BadInput(f"No {what} named {name!r}. No installed package has an entry point in {GROUPS[what]}.")
    return unknown(what, name, known)


def source_of(part: Any) -> tuple[Any, str | None]:
    """(the part itself, the name by which it was found); None of one that came as an object."""
    return (part.part, part.source) if isinstance(part, Found) else (part, None)


class Offered:
    """Code by `module:object` that sessions may be opened with: each takes what its log names, if that is among it.

    Given as `learner`, `encoder` or `strategy` of `Session.open`; every session gets a part of its own.

    Args:
        what: Which part.
        texts: Such as `mypkg.mine:Learner`.

    Raises:
        BadInput: As `code`.
    """

    def __init__(self, what: What, texts: Sequence[str]) -> None:
        self.what, self.texts = what, tuple(texts)
        for text in texts:
            code(what, text)

    def of(self, source: str | None) -> Found | None:
        """A new part that was named so in a log; None where it is not offered."""
        return code(self.what, source) if source is not None and source in self.texts else None
