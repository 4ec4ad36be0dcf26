"""What an answer is. One file for each task; a package of somebody else's names its own in the group `GROUP`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module, metadata
from typing import Any

from askwise.core import BadInput, ContractError, unknown
from askwise.options import named
from askwise.tasks.task import Checks, Opinion, Said, Task, Votes, membership

__all__ = [
    "GROUP",
    "Checks",
    "Opinion",
    "Said",
    "Task",
    "Votes",
    "available",
    "chosen",
    "find",
    "get",
    "membership",
    "recorded",
]

GROUP = "askwise.tasks"
"""The entry point group in which a plug-in package names its tasks."""
OURS = {
    "one": "askwise.tasks.one:One",
    "sets": "askwise.tasks.sets:Sets",
    "number": "askwise.tasks.number:Number",
    "spans": "askwise.tasks.spans:Spans",
}
"""Name of a task → where it lies: its registration."""


def available() -> tuple[str, ...]:
    """Names of every task, ours first; plug-ins are listed without being loaded."""
    theirs = {point.name for point in metadata.entry_points(group=GROUP)}
    return (*OURS, *sorted(theirs - OURS.keys()))


@lru_cache
def find(name: str) -> type[Task]:
    """The task of a name.

    Raises:
        BadInput: There is none.
        ContractError: A plug-in that cannot be loaded, or is no task of that name.
    """
    if name in OURS:
        module, _, attribute = OURS[name].partition(":")
        ours: type[Task] = getattr(import_module(module), attribute)
        return ours
    point = next((point for point in metadata.entry_points(group=GROUP) if point.name == name), None)
    if point is None:
        raise unknown("task", name, available())
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise ContractError(f"The task plug-in {point.value!r} cannot be loaded: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, Task) and found.name == name):
        raise ContractError(
            f"The entry point {name!r} = {point.value!r} must name a subclass of askwise.tasks.Task whose name is "
            f"{name!r}, got {found!r}."
        )
    return found


def get(given: str | Task) -> Task:
    """A task, from itself or as it is written: its name, with options as in `number:tolerance=0.5,low=0`.

    Raises:
        BadInput: No such task, or options that it has not.
    """
    if isinstance(given, Task):
        return given
    name, colon, rest = given.partition(":")
    options: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = part.partition("=")
        if not (equals and key.strip()) or key.strip() in options:
            raise BadInput(
                f"The options of a task are written {name}:option=value,option=value; {part!r} of {given!r} is no such "
                "option, or stands there twice."
            )
        options[key.strip()] = value.strip()
    return find(name.strip()).of(options)


def chosen(task: str | Task, multilabel: bool) -> Task:
    """The task where sets of labels may also be asked for by a word of their own.

    Raises:
        BadInput: As `get`, or the two do not go together.
    """
    found = get(task)
    if multilabel and found.name not in ("one", "sets"):
        raise BadInput(f"{named('multilabel')} asks for sets of labels, and {named('task')} for {found.asks}.")
    return find("sets").of({}) if multilabel else found


def recorded(opened: Mapping[str, Any]) -> Task:
    """The task of a session, from its `opened` event.

    Raises:
        BadInput: It belongs to a package that is not installed here.
    """
    said = opened.get("task")
    if said is None:
        return find("sets" if opened.get("multilabel", False) else "one").of({})
    if not (isinstance(said, Mapping) and isinstance(said.get("name"), str)):
        raise BadInput(f"The task of a session is a name with options, and this one says {said!r:.60}.")
    return find(said["name"]).of(said.get("options", {}))
