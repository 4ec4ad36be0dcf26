"""What a model was trained on, what is proved of it and of whom, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from askwise.core import BadInput, Label

FORMAT = 1
"""Of the card and of what lies beside it; rises when a program of today would misread it."""
NEW_ITEMS = (
    "What the model says of items that were not in the session is a confidence, not a promise: every bound and every "
    "certificate is about items of the session, and no check was made on others."
)
ASK = "ask a person"
"""Advice on an item of which the model is less sure than of any item that a certificate was given for."""


@dataclass(frozen=True)
class Proved:
    """A certificate of the session, as far as it says how sure the model was."""

    sentence: str
    unsaid: str
    """What it leaves open about single classes; "" = nothing."""
    label: Label | None
    """Not None: it is about what the model labels so."""
    least: float
    """The least confidence among the certified items: below it nothing was ever checked. Where the model learned more
    since, it is how sure this one is of as many items as were certified."""
    repeats: int
    """On so many of the items labeled under it this model says what their label says."""
    certified: int
    """Items labeled under it."""
    fingerprint: str = ""
    """Of the session's log at the decision; `askwise verify SESSION --fingerprint` finds it there."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """The card of a model, saved with it."""

    title: str
    kind: str
    """Of the items: text, table, pair, image, audio, array."""
    columns: tuple[str, ...] = ()
    """Of the data that it learned from: those that hold the text, the texts of a pair, or the features."""
    classes: tuple[Label, ...]
    task: str = "one"
    """What an answer is, as for `Session`."""
    encoder: str
    learner: str
    labels: int
    """Items that it learned from."""
    by_class: Mapping[Label, int] = field(default_factory=dict)
    """How many of them have each label."""
    people: int = 0
    """Of `labels`, those given by people in the session; the others came with the data."""
    items: int = 0
    """In the session."""
    pool: str = ""
    """Fingerprint of the session's items."""
    version: int = 0
    """Of the model: the number of the ranking that it made."""
    log: str = ""
    """Digest of the session's log when the model was taken."""
    bounds: str = ""
    """What is proved of the items of the session that are still to be decided."""
    certificates: tuple[Proved, ...] = ()
    made: str
    """Date and time, UTC, ISO 8601."""
    askwise: str = ""
    with_: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that it was made with."""
    digest: str = ""
    """SHA-256 over the saved file's contents, hex; "" before it is saved."""

    def data(self) -> dict[str, Any]:
        """As JSON-able data."""
        found = asdict(self) | {"format": FORMAT}
        found["with"] = found.pop("with_")
        return found

    @classmethod
    def of(cls, data: Any) -> Card:
        """A card out of `data()`.

        Raises:
            BadInput: It is none, or one of a newer version.
        """
        if not isinstance(data, dict) or not isinstance(data.get("format"), int):
            raise BadInput("The model's card is no card of Askwise.")
        if data["format"] > FORMAT:
            raise BadInput("The model was saved by a newer Askwise. Upgrade with `pip install --upgrade askwise`.")
        known = {name: value for name, value in data.items() if name not in ("format", "with", "certificates")}
        if known.pop("multilabel", False) is True:  # saved before there were other kinds of answers
            known["task"] = "sets"
        kinds: dict[str, Any] = {"str": str, "int": int, "bool": bool}
        if strange := set(known) - {one.name for one in fields(cls)}:
            raise BadInput(f"The model's card holds {sorted(strange)[0]!r}, which no card does.")
        for one in fields(cls):
            wanted = kinds.get(str(one.type))
            if wanted is not None and one.name in known and type(known[one.name]) is not wanted:
                raise BadInput(f"The model's card holds {known[one.name]!r:.60} as {one.name}. The file is damaged.")
        try:
            for name in ("columns", "classes"):
                known[name] = tuple(map(str, known[name]))
            known["by_class"] = {str(name): int(n) for name, n in dict(known["by_class"]).items()}
            proved = tuple(Proved(**{**one, "least": float(one["least"])}) for one in data["certificates"])
            libraries = {str(name): str(at) for name, at in dict(data["with"]).items()}
            return cls(**known, certificates=proved, with_=libraries)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(f"The model's card is not whole ({error}). The file is damaged.") from None

    @property
    def least(self) -> dict[Label | None, float]:
        """Label, or None for any → the least confidence that a certificate was given for; empty where none stands."""
        found: dict[Label | None, float] = {}
        for one in self.certificates:
            found[one.label] = min(found.get(one.label, 1.0), one.least)
        return found

    @property
    def advice(self) -> str:
        """What the advice on a new item means, in a sentence."""
        if not self.least:
            return f"No certificate stands, so every item has the advice {ASK!r}."
        limits = [
            f"{value:.6g}" if label is None else f"{value:.6g} where it says {label!r}"
            for label, value in self.least.items()
        ]
        return (
            f"{ASK!r} stands where the confidence is below {', '.join(limits)}: the least that was ever certified."
            + ("" if None in self.least else " Of other labels nothing was certified.")
        )

    def lines(self) -> list[str]:
        """The card, to print."""
        came = self.labels - self.people
        learned = f"{self.labels:,} labeled items of {self.items:,}: {self.people:,} by people"
        found = [
            f"Model of {self.title!r}, version {self.version}, {self.made}",
            f"  items      {self.kind}" + (f", in {', '.join(map(repr, self.columns))}" if self.columns else ""),
            f"  classes    {', '.join(self.classes)}" + (" (several for an item)" if self.task == "sets" else "")
            if self.classes
            else f"  answers    {self.task}",
            f"  learner    {self.learner} on {self.encoder}",
            f"  learned    {learned}" + (f", {came:,} came with the data" if came else ""),
            *["             " + ", ".join(f"{name} {n:,}" for name, n in self.by_class.items())] * bool(self.by_class),
            f"  bounds     {self.bounds}",
        ]
        for one in self.certificates:
            found += [f"  proved     {one.sentence}"] + ([f"             {one.unsaid}"] if one.unsaid else [])
            if one.repeats < one.certified:
                found.append(
                    f"             It has learned on since then, and would say so of {one.repeats:,} of these "
                    f"{one.certified:,} now."
                )
        found += [
            f"  advice     {self.advice}",
            f"  new items  {NEW_ITEMS}",
            f"  log        {self.log or 'unknown'}",
            f"  made with  askwise {self.askwise}, {', '.join(f'{name} {at}' for name, at in self.with_.items())}",
        ]
        return found + ([f"  digest     {self.digest}"] if self.digest else [])
