"""What the API takes and gives, as pydantic models: the source of the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _text(value: str) -> str:
    # PostgreSQL keeps no NUL in text; nobody types one.
    if "\x00" in value:
        raise ValueError("it holds a NUL character")
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("it holds half of a character (a lone surrogate), which no file can keep")
    return value


Text = Annotated[str, AfterValidator(_text)]
Name = Annotated[Text, Field(min_length=1, max_length=500)]
Note = Annotated[Text, Field(max_length=10_000)]


class Open(BaseModel):
    """A reply that may gain fields; a program should pass over those it does not know."""

    model_config = ConfigDict(extra="allow")


# ── asking and answering ────────────────────────────────────────────────────────────────────


class Hand(BaseModel):
    """What a tab, or a program, holds, and how many questions it would like to hold."""

    tab: Name = Field(description="Names the tab: the same name finds the same open questions again.")
    have: list[Name] = Field(default_factory=list, max_length=50, description="Items it holds.")
    want: int = Field(default=3, ge=0, le=20, description="Questions it would like to hold, those in `have` included.")


class Act(Hand):
    """Something done to one item."""

    key: Name = Field(description="Made by the caller: what is sent twice with the same key is done once.")
    item: Name = Field(description="Id of the item.")
    asked: int = Field(default=0, ge=0, le=2**53, description="`asked` of the question that is answered; 0 = unknown.")
    label: Name | None = Field(default=None, description="The class; `tell` needs it, or `labels`.")
    labels: list[Name] | None = Field(
        default=None,
        max_length=1000,
        description="Instead, where an item has several: all labels that apply, [] where none does.",
    )
    note: Note = Field(default="", description="Of a flag.")
    seconds: float | None = Field(
        default=None, ge=0, le=86_400, allow_inf_nan=False, description="Time the answer took, if measured."
    )
    again: bool = Field(
        default=False,
        description="An earlier try may have arrived, perhaps at a server that was killed since: look before writing.",
    )


class Find(BaseModel):
    """A search: open items with these words, or like them, come before the next questions."""

    tab: Name = Field(description="Names the tab, see `Hand`: where a reply is lost, it finds the questions there.")
    text: str = Field(min_length=1, max_length=10_000, description="The words.")
    n: int = Field(default=5, ge=1, le=20, description="Items at most.")


class NewClass(BaseModel):
    """A class to add."""

    name: Name


class Target(BaseModel):
    """What the blind checks shall prove."""

    max_error: float = Field(gt=0, lt=1, description="Largest share of wrong labels among those the model gives.")
    by_doubt: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the checks' weight that goes by the model's doubt; 0 = all alike.",
    )


class Question(Open):
    """One question. A random check item never carries a guess."""

    item: str = Field(description="Id of the item.")
    row: int = Field(description="Its row in the pool.")
    asked: int = Field(description="Number of the event in the log that asked it.")
    text: str = Field(description="The item, as text.")
    view: dict[str, Any] | None = Field(
        default=None,
        description="What is drawn in its place: `file` (a name; see `GET file`) and its `version`, `cells` (column, "
        "value), or `pair`.",
    )
    beside: list[tuple[str, str]] = Field(
        default_factory=list, description="Columns that are shown with it and not learned from: name, value."
    )
    reason: str = Field(description="Why it is asked, in one sentence.")
    strategy: str
    score: float | None = Field(description="Of the strategy; only the order means something.")
    round: int = Field(description="The ranking it comes from; 0 = before the first model.")
    audit: bool = Field(description="A blind check.")
    suggestion: str | None = Field(description="The model's guess; a set of labels is written a|b, or (none).")
    suggestions: list[str] = Field(description="The same as a list of labels; empty where there is no guess.")
    confidence: float | None = Field(description="Calibrated probability of the guess, 0 to 1.")
    guesses: list[tuple[str, float]] = Field(
        description="Likeliest labels with their probability, likeliest first; with sets each for itself."
    )


class Estimate(Open):
    """How good the model is on the items without an answer, from random check items alone."""

    accuracy: float | None = Field(description="Plain estimate, 0 to 1; null before enough is known.")
    low: float = Field(description="Proved lower bound, 0 to 1.")
    high: float = Field(description="Proved upper bound, 0 to 1.")
    sentence: str


class Verdict(Open):
    """Whether it is good enough to finish; advice."""

    ready: bool
    reason: str
    left: int | None = Field(description="Labels to go, forecast; null = unknown.")
    range: tuple[int, int] | None = Field(description="Plausible range of `left`.")
    region: int = Field(description="Items that the model could take over now.")


class Attempt(Open):
    """A certification attempt, or how the last one ended."""

    status: str = Field(description="`checking`, `certified` or `refused`.")
    reason: str
    labels: int = Field(description="Items that the model labeled.")
    done: int = Field(description="Blind checks answered.")
    left: int | None = Field(description="Blind checks to go if all goes well.")
    deferred: int = Field(description="Items left for people.")
    certificate: str | None = Field(description="What is proved, in one sentence.")
    void: str = Field(description="Why the certificate no longer holds; empty while it does.")
    resumable: int | None = Field(
        description="Checks to go, if all goes well, where those of an attempt that had ended go on; null: none can."
    )


class Pulse(Open):
    """Everything that changes while people label, apart from the questions."""

    classes: list[str] = Field(description="The labels that may be given.")
    multilabel: bool = Field(description="An item has a set of labels instead of one.")
    task: dict[str, Any] = Field(
        description="What an answer is: `name` of the task, `widget` that the page answers with, `asks` in words, "
        "`named`: answers are made of labels, `strict`: what counts as wrong, `options`."
    )
    counts: dict[str, int] = Field(description="Items, answers of each kind, open items and so on, by name.")
    training: bool = Field(description="A model is being fitted now.")
    model_age: float | None = Field(description="Seconds since the model was trained; null before the first.")
    trouble: str | None = Field(description="What stopped the learning; null while all is well.")
    estimate: Estimate
    verdict: Verdict
    autolabel: Attempt | None = Field(description="Null before the first attempt.")
    search: bool = Field(description="This is a search for rare items: finishing checks the rest in random order.")
    control: str | None = Field(None, description="What asking cleverly was worth, in one sentence; null = not known.")


class Dealt(Open):
    """New questions for the tab, and how things stand."""

    next: list[Question] = Field(description="What the tab does not hold yet, best first.")
    pulse: Pulse
    note: str = Field("", description="To be told to whoever answered: that the answer came late. Mostly empty.")


class Retracted(Dealt):
    """An answer taken back."""

    query: Question | None = Field(description="The question that is open again; null if there was no such answer.")


class Given(Open):
    """One answer of one's own, with its item."""

    item: str
    row: int
    text: str
    beside: list[tuple[str, str]] = Field(default_factory=list, description="See a question's.")
    kind: str = Field(description="`label`, `skip`, `unsure` or `given` (came with the data).")
    label: str | None
    labels: list[str] = Field(description="The label as a list: of several where an item has them, [] where none.")
    audit: bool
    flag: str | None = Field(description="The note of a flag; null = not flagged.")
    seconds: float | None


class Me(BaseModel):
    """Who is asking."""

    name: str
    role: Literal["annotator", "reviewer", "owner"]


class Myself(Me):
    """Who is logged in, and what the server offers."""

    begin: bool = Field(description="New projects can be made here: see `/new`.")


class State(Open):
    """What a page starts with."""

    title: str
    kind: str = Field(description="Of the items: `text`, `image`, `audio`, `table`, `pair` or `array`.")
    session: str = Field(description="Tells this session and person from others, for what a browser keeps.")
    guidelines: str
    descriptions: dict[str, str] = Field(
        default_factory=dict, description="Label → what it means, where that was said."
    )
    max_error: float | None = Field(description="Share of wrong labels that the project plans for.")
    confidence: float | None
    me: Me
    team: bool = Field(description="Served by `askwise serve`, with accounts.")
    history: list[Given] = Field(description="One's own last answers, newest first.")
    pulse: Pulse


class Neighbor(BaseModel):
    """A labeled item like the one in question."""

    row: int
    text: str
    view: dict[str, Any] | None = Field(description="See a question's.")
    label: str
    labels: list[str] = Field(description="The same as a list; [] where none applies.")
    similarity: float = Field(description="Cosine, -1 to 1.")


class AutoLabelReply(Open):
    """An attempt that was started, or why not."""

    result: Attempt | None
    pulse: Pulse


class JustPulse(Open):
    """How things stand now."""

    pulse: Pulse


# ── looking at everybody's work ─────────────────────────────────────────────────────────────


class Vote(Open):
    """The current answer to one item."""

    item: str
    row: int
    kind: str
    label: str | None
    annotator: str
    at: float = Field(description="Unix seconds.")
    seconds: float | None
    audit: bool
    flag: str | None


class Votes(BaseModel):
    """A page of answers, in the order of the rows."""

    total: int = Field(description="Answers in all.")
    answers: list[Vote]


class Numbers(BaseModel):
    """Precision, recall and the like on the rest, with bounds; null before the first model."""

    metrics: dict[str, Any] | None = Field(description="As `Session.metrics()` in Python gives them.")
    errors: dict[str, Any] | None = Field(
        None, description="As `Session.errors()`: how far off guesses of numbers are."
    )


# ── people ──────────────────────────────────────────────────────────────────────────────────

Account = Annotated[Text, Field(min_length=1, max_length=64, description="Name of the account.")]
Password = Annotated[Text, Field(min_length=1, max_length=200, json_schema_extra={"format": "password"})]
Secret = Annotated[Text, Field(min_length=1, max_length=200)]
RoleWord = Literal["annotator", "reviewer", "owner"]
Stamp = Annotated[float, Field(description="Unix seconds.")]


class Login(BaseModel):
    """A name and its password."""

    name: Account
    password: Password


class Join(BaseModel):
    """The use of an invitation: a new account; or, with a reset link, a new password for an old one."""

    secret: Secret = Field(description="The part of the link after `#`.")
    name: Account | None = Field(default=None, description="Of the new account; left out with a reset link.")
    password: Password


class NewPassword(BaseModel):
    """A change of one's own password; every other login ends."""

    old: Password
    new: Password


class Person(BaseModel):
    """An account."""

    number: int
    name: str
    role: RoleWord
    active: bool
    created: Stamp
    seen: float | None = Field(description="Last login or request, Unix seconds; null = never.")


class PersonChange(BaseModel):
    """What to change of an account."""

    role: RoleWord | None = None
    active: bool | None = Field(default=None, description="False ends its logins and tokens at once.")


class NewInvitation(BaseModel):
    """An invitation to write."""

    role: RoleWord = "annotator"
    days: float = Field(default=7, gt=0, le=90, allow_inf_nan=False, description="Until it expires.")


class Invitation(BaseModel):
    """An invitation that was not used yet."""

    number: int
    role: RoleWord
    created_by: str
    expires: Stamp
    resets: str | None = Field(description="The account whose password it sets anew; null = makes a new account.")


class Link(BaseModel):
    """A link that works once; it is shown only now."""

    number: int
    link: str
    expires: Stamp


class Deed(BaseModel):
    """Something that was done to an account, a token, a webhook or a project."""

    number: int
    at: Stamp
    who: str = Field(description='Account of who did it; "" = the terminal, or somebody who was not let in.')
    act: str = Field(
        description="`login`, `login.failed`, `logout`, `logout.everywhere`, `joined`, `password.changed`, "
        "`password.reset`, `link.invitation`, `link.reset`, `link.withdrawn`, `role`, `disabled`, `enabled`, "
        "`token.made`, `token.revoked`, `webhook.added`, `webhook.removed` or `project.begun`."
    )
    about: str = Field(description="Account, or other thing, that it was done to.")
    detail: str = Field(description="Such as the roles before and after; never a secret.")
    address: str = Field(description="Where the request came from.")


class Acts(BaseModel):
    """A page of what was done, newest first."""

    total: int = Field(description="In all.")
    acts: list[Deed]


class NewToken(BaseModel):
    """A token for a program."""

    name: Account = Field(description="What it is for.")
    role: RoleWord | None = Field(default=None, description="At most one's own, which is the default.")
    days: float | None = Field(
        default=None, gt=0, le=3650, allow_inf_nan=False, description="Until it expires; null = never."
    )


class Token(BaseModel):
    """A token, without its secret."""

    number: int
    name: str
    account: str
    role: RoleWord
    created: Stamp
    expires: float | None = Field(description="Unix seconds; null = never.")
    used: float | None = Field(description="Last request, Unix seconds; null = never.")


class FreshToken(Token):
    """A token that was just made; its secret is shown only now."""

    secret: str


class ProjectCard(BaseModel):
    """A project of the team."""

    name: str = Field(description="In the address: /p/<name>/.")
    title: str
    items: int
    labeled: int
    accuracy: float | None
    ready: bool


class Done(BaseModel):
    """It is done."""

    done: Literal[True] = True


# ── webhooks ────────────────────────────────────────────────────────────────────────────────

Happening = Literal["certificate.issued", "certificate.void", "project.ready", "labels.step", "project.finished"]


class NewWebhook(BaseModel):
    """An address to call when something happens."""

    url: Annotated[Text, Field(min_length=1, max_length=2000, description="https://… (or http://…)")]
    events: list[Happening] = Field(min_length=1, max_length=5)
    step: int = Field(default=100, ge=1, le=1_000_000, description="`labels.step` comes every so many labels.")


class Webhook(BaseModel):
    """An address that is called."""

    number: int
    url: str
    events: list[Happening]
    step: int
    created: Stamp


class FreshWebhook(Webhook):
    """A webhook that was just made; its secret is shown only now."""

    secret: str = Field(description="Key of the signature.")


class Delivery(BaseModel):
    """One call of a webhook."""

    number: int
    event: str
    project: str
    status: Literal["waiting", "delivered", "failed"]
    tries: int
    code: int | None = Field(description="HTTP status of the last reply.")
    trouble: str = Field(description="Why the last try failed.")
    created: Stamp
    due: Stamp


class Judged(Open):
    """What the model says of one item."""

    label: str | None = Field(description="The likeliest; null where it is hidden.")
    confidence: float | None = Field(description="In it, 0 to 1: a confidence, not a promise.")
    advice: str = Field(description='"ask a person" below what was certified, and where it is hidden; else empty.')
    hidden: bool = Field(description="It is like an item that waits for a blind check, so nothing is told.")


class Judgement(Open):
    """What the model says of the items, in their order."""

    items: list[Judged]
    version: int = Field(description="Of the model.")
    about: str = Field(description="What this is worth, in a sentence.")
