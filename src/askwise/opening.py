"""How a session begins, and begins again: from arguments or a log to what it learns with.

What a session is set to is written once, into its `opened` event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from askwise import encoders, growing, guessed, hints, learners, plugins, screening, strategies
from askwise.core import (
    TARGETS,
    BadInput,
    BadStore,
    Encoder,
    Event,
    Label,
    Learner,
    Matrix,
    Target,
    seed_of,
    unknown,
)
from askwise.events import check as check_event
from askwise.options import named, only_python, option
from askwise.pool import Pool, load_pool
from askwise.sources import Again, noted
from askwise.state import BY_CONFIDENCE, LOG_FORMAT, READS_FORMAT, pool_events, pool_from_log, salt, too_new
from askwise.tasks import Task, recorded
from askwise.values import Spelling, label_name, why_no_label


@dataclass
class Parts:
    """What a session asks about, and learns with."""

    pool: Pool
    encoder: Encoder | None
    """None where the pool brings its own features, or the one of the session is not here."""
    learner: Learner
    strategy: strategies.Strategy
    missing: str = ""
    """Why it cannot learn here; "" where it can."""
    later: dict[str, Matrix] = field(default_factory=dict)
    """Fingerprint of an addition → its features, of an array pool."""

    @classmethod
    def of(
        cls,
        pool: Pool,
        encoder: Any,
        learner: Any,
        strategy: strategies.Strategy,
        *,
        reopened: bool = False,
        task: Task,
    ) -> Parts:
        """Encoder and learner as objects, whatever they were given as."""
        known = not pool.item_kind.features and (encoder is not None or not reopened)
        return cls(pool, encoders.get(encoder, pool.kind) if known else None, task.learner(learner), strategy)

    def know_guesses(self, said: Mapping[str, Any], classes: Sequence[Label]) -> None:
        """Put what was guessed of the items beside their encoder; see `guessed.beside`."""
        if self.encoder is not None:
            self.encoder = guessed.beside(self.encoder, said, self.pool, classes)

    @property
    def encoder_name(self) -> str:
        """The encoder in logs and reports."""
        return self.encoder.name if self.encoder is not None else "given features"

    @property
    def learner_name(self) -> str:
        """The learner in logs and reports."""
        return learners.describe(self.learner)


def loaded_pool(pool: Any, columns: Mapping[str, Any], reading: Mapping[str, Any], answers: str = "labels") -> Pool:
    """A pool from whatever `Session` takes for one.

    Args:
        pool: A `Pool`, or a source for `load_pool`.
        columns: The options of `load_pool` that name columns.
        reading: Those that say how a file is read.
        answers: As for `load_pool`.

    Raises:
        BadInput: As `load_pool`, or a pool is loaded already.
    """
    if isinstance(pool, Pool) and (set(reading.values()) - {None, True}):
        raise BadInput(f"{', '.join(reading)} say how to load a file; this pool is loaded already. Leave them out.")
    return pool if isinstance(pool, Pool) else load_pool(pool, answers=answers, **columns, **reading)


def begin(
    loaded: Pool,
    *,
    classes: Sequence[Label] | None,
    task: Task,
    strategy: str | strategies.Strategy,
    learner: Any,
    encoder: Any,
    seed: int | None,
    audit_share: float,
    overlap: float,
    people_per_item: int,
    target: Target,
    max_error: float,
    confidence: float,
    recall: float | None,
    relevant: Label | None,
    first: Sequence[int],
    title: str,
    guidelines: str,
    examples: Mapping[Label, Any],
    guesses: Any,
    guess_confidence: Any,
) -> tuple[Parts, list[Event]]:
    """A new session: its parts, and the events that its log begins with.

    Args and errors: those of `Session`.
    """
    sources: dict[str, str] = {}
    encoder, learner, strategy = noted(encoder, learner, strategy, sources)
    own_learner = learner is None
    if sources.get("learner") in learners.NAMES and task.name != "one":
        raise BadInput(
            f"The learner {sources['learner']!r} learns one label an item; this session asks for {task.asks} an item. "
            f"Leave {named('learner')} out."
        )
    encoder, learner = encoders.divided(encoder, learner, loaded.kind)
    check_share("audit_share", audit_share, low_open=False, high_open=False)
    check_target(target)
    check_share("overlap", overlap, low_open=False)
    if people_per_item < 2:
        raise BadInput(
            f"{named('people_per_item')} is how many people may label one item, 2 or more; got {people_per_item}."
        )
    check_share("max_error", max_error)
    check_share("confidence", confidence)
    declared = _declared(classes, task.fewest)
    spelling = Spelling(declared or ())
    task.fits(loaded.kind)

    def spell(part: Any, _: Any = None) -> Label:
        return spelling.of(label_name(part) or "")

    said = task.in_data(loaded.given, loaded.contents, spell)
    found = {name for one in said.values() for name in task.labels_in(one)}
    for name in found | set(declared or ()):
        task.check_label(name)
    if task.name == "one" and loaded.sets:
        raise BadInput(
            f"Some labels in the data are lists. With several labels an item, give {option('multilabel', True)}."
        )
    if declared is not None and not task.named:
        raise BadInput(f"{option('classes')} names labels, and {task.asks} has none. Leave it out.")
    if declared is not None and (strange := sorted(found - set(declared))):
        raise BadInput(
            f"The data already holds the label {strange[0]!r}, which is not in the list: {', '.join(declared)}. "
            "Add it to the list, or mend the label column."
        )
    names = declared if declared is not None else sorted(found)
    given = {row: task.write(one, names) for row, one in said.items()}
    if encoder is not None and loaded.item_kind.features:
        raise BadInput(
            f"{option('encoder')} goes with texts, not with an array, which brings its own features. Leave it out."
        )
    goal = None
    if recall is not None:
        if not task.searches:
            way = named("multilabel" if task.name == "sets" else "task")
            raise BadInput(f"A search looks for one label; leave {way} out, or {named('recall')}.")
        goal = screening.Goal.of(recall, relevant, names, first)
        encoder, learner_, chosen = _search_parts(goal, names, loaded, encoder, learner, strategy)
    elif relevant is not None or len(first):
        raise BadInput(
            f"{option('relevant')} and {option('first')} go with {option('recall')}, the share of the relevant "
            "items to find."
        )
    else:
        own = learners.named(loaded.item_kind.learner) if learner is None and task.name == "one" else None
        learner_, chosen = learner if own is None else own, _strategy(strategy, task)
    if chosen.task != task.family and not (task.family != "classification" and chosen.features_only):
        raise BadInput(
            f"The strategy {chosen.name!r} is for {chosen.task}; this session asks for {task.asks} an item. "
            f"Choose one for {task.family} (`askwise strategies`){only_python(', or use askwise.select()')}."
        )
    parts = Parts.of(loaded, encoder, learner_, chosen, task=task)
    source = _encoder_source(encoder, parts.encoder_name)
    said_of = None
    if guesses is not None:
        if goal is not None:
            raise BadInput(f"A search learns from what people say alone; leave {named('guesses')} out.")
        said_of = guessed.check(guesses, guess_confidence, loaded, names)
        parts.know_guesses(said_of, names)
    elif guess_confidence is not None:
        raise BadInput(f"{named('guess_confidence')} says how sure {named('guesses')} are, and there are none.")
    name_classes = getattr(parts.learner, "name_classes", None)
    if name_classes is not None and declared is not None:
        name_classes(names, declared=True)  # what it says of classes that there are not is found out now
    opened = {
        "format": LOG_FORMAT,
        "version": _version(),
        "title": title,
        "guidelines": guidelines,
        "seed": seed_of(seed),
        "strategy": chosen.name,
        "audit_share": float(audit_share),
        "overlap": float(overlap),
        "people_per_item": int(people_per_item),
        "target": target,
        "max_error": float(max_error),
        "confidence": float(confidence),
        "classes": names,
        "multilabel": task.name == "sets",
        "late": True,  # answers that come late are told apart
        "estimate": BY_CONFIDENCE,
        "declared": declared is not None,
        "pool": dict(loaded.address),
        "problems": [[p.row, p.line, p.what] for p in loaded.problems],
        "given": {str(row): name for row, name in given.items()},
        "kind": loaded.kind,
        "fingerprint": loaded.fingerprint,
        "notes": list(loaded.notes),
        "n": len(loaded),
        "rows": sum(len(s) for s in loaded.sources),
        "encoder": parts.encoder_name,
        "encoder_source": source,
        "learner": parts.learner_name,
        "own_learner": own_learner,
        "salt": salt(),
    }
    if task.name not in ("one", "sets"):
        opened["task"] = {"name": task.name, "options": task.options()}
    if examples:
        if not task.hinted or not loaded.item_kind.described or goal is not None:
            raise BadInput(f"{named('examples')} are words that items of a label may hold: of texts with one label.")
        opened["examples"] = hints.check(examples, names, named("examples"))
    if said_of is not None:
        opened |= {"guesses": said_of, "format": guessed.FORMAT}
    if goal is not None:
        opened["goal"] = goal.data()
    if sources:
        opened["sources"] = sources
    return parts, [Event("opened", opened), *pool_events(loaded)]


def resume(
    events: Sequence[Event],
    name: str,
    pool: Any,
    encoder: Any,
    learner: Any,
    strategy: strategies.Strategy | plugins.Found | plugins.Offered | None,
) -> Parts:
    """The parts of a session that a log holds.

    Args:
        events: The log.
        name: Where it lies, for errors.
        pool: See `Session.open`, as the following.
        encoder: See there.
        learner: See there.
        strategy: See there.

    Raises:
        BadStore: The log holds no session, or one of a newer version.
        BadInput: The pool is missing, or something is not what the session was started with.
    """
    if events and events[0].kind == "check":
        raise BadStore(f"{name!r} is a check of labels that were given. Go on with it: askwise check {name}")
    if not events or events[0].kind != "opened":
        raise BadStore(
            f"{name!r} holds no session: its log does not begin with `opened`. "
            "If this is a copy, copy it again when nothing has the session open."
        )
    check_event(events[0], 0)
    opened = events[0].data
    if int(opened["format"]) > READS_FORMAT:
        raise too_new(repr(name), int(opened["format"]))
    found = pool_from_log(opened, events)
    later: dict[str, Matrix] = {}
    if found is None:
        if pool is None:
            raise BadInput(
                f"This session is about an array, which its file does not hold: give it again as {option('pool')}."
            )
        found, later = growing.split(pool if isinstance(pool, Pool) else load_pool(pool), opened, events)
        if found.fingerprint != opened["fingerprint"]:
            raise BadInput(
                f"This is not the pool that the session was started with: {len(found):,} items given, "
                f"{opened['n']:,} expected, or their content differs."
            )
    encoder, learner = encoders.divided(encoder, learner, found.kind)  # a pipeline brings the encoder along
    again = Again(opened)
    encoder, learner, strategy = (
        again.encoder(encoder, found.item_kind), again.learner(learner), again.strategy(strategy)
    )  # fmt: skip
    missing = again.missing
    encoder, learner = encoders.divided(encoder, learner, found.kind)
    goal = screening.goal_of(opened)
    if goal is not None and opened["strategy"] == "relevance":
        strategy = strategy or goal.strategy(opened["classes"])
    if encoder is None and not found.item_kind.features:
        own = goal is not None and opened["encoder"] == screening.WordsEncoder.name
        encoder = screening.WordsEncoder() if own else again.encoder_source
    task = recorded(opened)
    if goal is not None and learner is None and opened["own_learner"]:
        learner = screening.LinearScreener(goal.number(opened["classes"]))
    chosen = strategy or _strategy("auto" if missing else opened["strategy"], task)
    parts = Parts.of(found, encoder, learner, chosen, reopened=True, task=task)
    parts.later = later
    if opened.get("guesses") is not None:
        parts.know_guesses(opened["guesses"], opened["classes"])
    if missing:  # looking, reporting and exporting need none of it; learning on with something else would mislead
        parts.missing = (
            f"This session learned with what its file cannot hold. To go on learning, open it with "
            f"{', '.join(missing)}."
        )
    for what, given, name in (("encoder", encoder, parts.encoder_name), ("learner", learner, parts.learner_name)):
        same = _without_address(name) == _without_address(str(opened[what]))
        if not same and what in again.found and not parts.missing:
            parts.missing = (
                f"This session learned with the {what} {opened[what]}, and {opened['sources'][what]!r} is {name} now. "
                "To go on learning, install the version from before."
            )
        elif given is not None and not same:  # every figure of the report would be put down to another
            raise BadInput(
                f"This session was started with the {what} {opened[what]}, and {name} is given. Leave {what} out, "
                "give the same, or start a new session."
            )
    return parts


def _strategy(strategy: str | strategies.Strategy, task: Task) -> strategies.Strategy:
    return strategies.get(task.auto if strategy == "auto" else strategy)


def _search_parts(
    goal: screening.Goal,
    classes: Sequence[Label],
    pool: Pool,
    encoder: Any,
    learner: Any,
    strategy: str | strategies.Strategy,
) -> tuple[Any, Any, strategies.Strategy]:
    """(encoder, learner, strategy) of a search: its own where none is given."""
    if encoder is None and pool.kind == "text":
        encoder = screening.WordsEncoder()
    chosen = goal.strategy(classes) if strategy in ("auto", "relevance") else strategies.get(strategy)
    return encoder, screening.LinearScreener(goal.number(classes)) if learner is None else learner, chosen


def _without_address(name: str) -> str:
    """A name without the place in memory that Python's own repr puts there."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", name)


def _declared(classes: Sequence[Label] | None, fewest: int = 2) -> list[Label] | None:
    if classes is None:
        return None
    if isinstance(classes, str):
        raise BadInput(f"{named('classes')} is a list of labels, not one string: got {classes!r}.")
    names = []
    for one in sorted(classes, key=str) if isinstance(classes, set | frozenset) else classes:
        name = label_name(one)
        if name is None:
            raise BadInput(f"{named('classes')} holds one {why_no_label(one)}. Give texts or numbers.")
        names.append(name)
    spelling = Spelling()
    if len(names) < fewest or len({spelling.of(name) for name in names}) < len(names) or not all(names):
        least = "two different, non-empty classes" if fewest > 1 else "one class, all of them different and not empty"
        raise BadInput(f"Give at least {least}; got {names}.")
    return names


def check_target(target: str) -> None:
    """Raise `BadInput` for what is no target."""
    if target not in TARGETS:
        raise unknown("target", target, TARGETS)


def check_share(name: str, value: float, *, low_open: bool = True, high_open: bool = True) -> None:
    """Raise `BadInput` for what is no share, with or without 0 and 1."""
    low = value > 0 if low_open else value >= 0
    high = value < 1 if high_open else value <= 1
    if not (low and high):
        raise BadInput(f"{named(name)} must lie between 0 and 1, got {value!r}.")


def _encoder_source(given: Any, name: str) -> str | None:
    """What `encoders.get` finds the encoder by when the session is reopened; None for an object of the caller's."""
    if given is None:
        return name
    return str(given) if isinstance(given, str | Path) else None


def _version() -> str:
    from askwise import __version__

    return __version__
