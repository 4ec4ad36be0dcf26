"""What the API of a check takes and gives, as pydantic models: the source of its OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from askwise.app.shapes import Name, Open


class About(Open):
    """What never changes while people look; nothing of the labels that are checked."""

    title: str = Field(description="Name of the file.")
    size: int = Field(description="Labels that are checked.")
    max_error: float | None = Field(description="Share of wrong labels that the file may keep; null = none was set.")
    level: float = Field(description="How sure each statement is.")
    wrong_first: bool = Field(description="Half of the questions are the most doubtful labels.")
    aim: str = Field(description="What people look for, in a sentence.")


class Tab(BaseModel):
    """Who asks."""

    tab: Name = Field(description="Names the tab, or program: the same name finds the same question again.")


class Ask(Tab):
    """A wish for a question."""

    rest: bool = Field(
        default=False, description="From now on, for all: once it is known which labels stay, go on with what is open."
    )


class Act(Tab):
    """Something done once."""

    key: Name = Field(description="Made by the caller: what is sent twice with the same key is done once.")


class Row(Act):
    """Something done to a row."""

    row: int = Field(ge=0, le=2**53, description="`row` of the question.")


class Answer(Row):
    """What a person who has not seen the label says of a row."""

    label: Name | None = Field(description="Any label; null = it cannot be decided, and counts as wrong.")
    seconds: float | None = Field(
        default=None, ge=0, le=86_400, allow_inf_nan=False, description="Time the answer took, if measured."
    )


class Question(Open):
    """A row without the label that is checked, its confidence, and other opinions."""

    row: int = Field(description="0-based row of the file.")
    text: str
    view: dict[str, Any] | None = Field(description="`cells` (column, value) where whole rows are shown.")
    reason: str = Field(description="Why it is asked, in half a sentence.")
    again: bool = Field(description="The tab has answered it, and went back.")
    given: str | None = Field(description="Then what it answered; null = that it cannot be decided.")


class Turn(Open):
    """The question of a tab, and what may be known while one answers: the same whatever the labels that are checked."""

    question: Question | None = Field(description="null: see `busy` and `done`; if neither, the rest is in other tabs.")
    looked: int = Field(description="Labels that people have looked at.")
    size: int
    classes: list[str] = Field(description="Labels that can be given; others can be given, too.")
    busy: str = Field(description='What is worked out before the next question; "" = nothing. Ask again.')
    done: bool = Field(description="Nothing is left to ask.")
    back: bool = Field(description="The tab's last answer can be asked anew.")


class Numbers(Open):
    """What is known: how good the labels are, and which stay. Whoever asks for it goes back to no earlier answer."""

    sentence: str = Field(description="Which labels stay, and what is promised of them.")
    unsaid: list[str] = Field(description="What the promise does not say of each label.")
    status: dict[str, Any] = Field(description="As `askwise.checking.CheckStatus`.")
    quality: dict[str, Any] = Field(description="As `askwise.checking.LabelQuality`, with its sentence.")
    fingerprint: str = Field(description="Of the log as it is now.")
    rest: bool = Field(description="What is left open is asked, too.")
    workbooks: bool = Field(description="Whether `xlsx` can be written here.")
