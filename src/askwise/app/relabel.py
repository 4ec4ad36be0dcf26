"""Labels, title and guidelines of a project that runs, to look at and to change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, Field

from askwise import changes
from askwise.app.roles import Here, Place, Routes
from askwise.app.shapes import Name, Text
from askwise.core import BadInput
from askwise.state import State

routes = Routes(tags=["data"])


class One(BaseModel):
    """A label."""

    label: str
    count: int = Field(description="Items that people or the data gave it.")
    description: str
    holds: list[str] = Field(description="Labels that were merged into it.")


class Known(BaseModel):
    """What can be changed, as it is."""

    labels: list[One]
    alike: list[tuple[str, str]] = Field(description="What looks like a slip of the keys, and what it may mean.")
    title: str
    guidelines: str
    undo: str | None = Field(description="What would be taken back next; null = nothing.")
    sets: bool = Field(description="Items have several labels, which can be renamed, but not merged or removed.")


class Change(BaseModel):
    """One change."""

    what: Literal["rename", "merge", "split", "remove", "reorder", "describe", "title", "guidelines", "undo"]
    name: Name | None = Field(default=None, description="The label; not for reorder, title, guidelines and undo.")
    to: Name | None = Field(default=None, description="Its new name, or the label that it is merged into.")
    labels: list[Name] = Field(
        default_factory=list, max_length=10_000, description="For reorder: those that come first."
    )
    text: Text | None = Field(default=None, max_length=100_000, description="For describe, title and guidelines.")


SAID = {
    "class_renamed": "the new name of {name!r}",
    "class_split": "the merge of {name!r}",
    "class_merged": "that {name!r} stands apart",
    "class_removed": "that {name!r} was taken up again",
    "class_added": "the removal of {name!r}",
    "class_described": "what was said of {name!r}",
    "reordered": "the order of the labels",
    "retitled": "the title",
    "guidelines": "the guidelines",
}
"""Kind of event that would take a change back → what that is."""


@routes.get("/api/v1/labels", response_model=Known)
def labels(at: Here) -> dict[str, Any]:
    """The labels with what they mean and how many items have them, title and guidelines."""
    return _known(at)


def _known(at: Place) -> dict[str, Any]:
    session = at.session

    def read(s: State) -> dict[str, Any]:
        into: dict[str, list[str]] = {}
        for number in s.merged:
            into.setdefault(s.current(s.classes[number]), []).append(s.classes[number])
        back = s.reversals[-1] if s.reversals else None
        return {
            "labels": [
                {
                    "label": name, "count": count, "description": s.descriptions.get(name, ""),
                    "holds": into.get(name, []),
                }
                for name, count in _used(s)
            ],
            "undo": None if back is None else SAID[back[1]].format(name=back[2].get("name", "")),
        }  # fmt: skip

    return {
        **session.look(read),
        "alike": session.change.alike(),
        "title": session.title,
        "guidelines": at.project.guidelines,
        "sets": not session.task.merges,
    }


def _used(s: State) -> list[tuple[str, int]]:
    if s.task.closed:
        return changes.used(s)
    count = dict.fromkeys(s.shown_labels(), 0)
    for answer in s.answers.values():
        for name in () if answer.label is None else s.parts(answer.label):
            count[name] += 1
    return list(count.items())


@routes.post("/api/v1/labels", response_model=Known)
def change(at: Here, body: Change) -> dict[str, Any]:
    """Change a label, their order, the title or the guidelines; `undo` takes the last change back that stands."""
    do, who = at.session.change, at.who.name
    named = {"rename", "merge", "split", "remove", "describe"}
    if body.what in named and body.name is None:
        raise BadInput(f"Which label? Send `name` with {body.what!r}.")
    if body.what in ("rename", "merge") and body.to is None:
        raise BadInput(f"To what? Send `to` with {body.what!r}.")
    if body.what in ("describe", "title", "guidelines") and body.text is None:
        raise BadInput(f"Send `text` with {body.what!r}; an empty one takes it away.")
    name, to, text = body.name or "", body.to or "", body.text or ""
    verbs: dict[str, Callable[[], Any]] = {
        "rename": lambda: do.rename(name, to, annotator=who),
        "merge": lambda: do.merge(name, to, annotator=who),
        "split": lambda: do.split(name, annotator=who),
        "remove": lambda: do.remove(name, annotator=who),
        "reorder": lambda: do.reorder(body.labels, annotator=who),
        "describe": lambda: do.describe(name, text, annotator=who),
        "title": lambda: do.title(text, annotator=who),
        "guidelines": lambda: do.guidelines(text, annotator=who),
        "undo": lambda: do.undo(annotator=who),
    }
    verbs[body.what]()
    return _known(at)
