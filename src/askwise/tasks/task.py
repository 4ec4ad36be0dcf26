"""What an answer is: how it is read and written, learned, guessed, agreed on, and when a guess of it is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from askwise import agreement
from askwise.core import Answer, Array, BadInput, Errors, Label, Learner, Matrix, Metrics
from askwise.values import why_no_label

Said = list[Any]
"""An answer as it was read, before it is written: of one label and of sets the labels; what else a task makes of it."""
Spell = Callable[..., Label]
"""`spell(raw, whole)`: one label as the session spells it; `whole` is the answer it stands in, for an error."""


class Opinion:
    """What a learner says of the whole pool, as far as it was asked; arrays only, so that it can be sent elsewhere."""

    def __len__(self) -> int:
        """Items that it speaks of, the first ones."""
        raise NotImplementedError

    def certainty(self) -> Array:
        """(n,) probability that the guess is right, 0..1; orders items and plans, what is claimed rests on checks."""
        raise NotImplementedError

    def written(self, labels: Sequence[Label]) -> tuple[list[Label], Array]:
        """(different guesses as answers are written, (n,) which of them each item is taken for)."""
        raise NotImplementedError

    def top(self, row: int, labels: Sequence[Label], most: int) -> list[tuple[Label, float]]:
        """What may be said of a row, with probabilities, likeliest first; at most so many, or all that apply."""
        raise NotImplementedError

    def joined(self, others: Sequence[Any]) -> Opinion:
        """This one with others of its kind behind it."""
        raise NotImplementedError

    width: int | None = None
    """How many of the labels, the first ones, it can say; None = whatever is written."""

    def holds(self, rows: Sequence[int], answers: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(k,) probability that these written answers, one for each of the rows, are right."""
        raise NotImplementedError

    def signals(self) -> dict[str, Any]:
        """Signals that are known with it, over the whole pool, by name; see `askwise.signals`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Votes:
    """What several people answered, for `Task.settled`; not fair are answers asked for out of doubt about a label."""

    rows: Sequence[int]
    """Items that several people labeled, ascending."""
    fair: Sequence[int]
    """Those of them with fair answers by several."""
    again: Sequence[int]
    """Those with an answer that is not fair."""
    fair_votes: Array
    """(fair, people) numbers of answers, `agreement.MISSING` where there is none."""
    again_votes: Array
    """(again, people), likewise, of all answers."""
    answers: Mapping[int, Sequence[Answer]]
    """Item → the labels that count, oldest first."""
    classes: Sequence[Label]
    """Written answers by number."""
    labels: Sequence[Label]
    """The session's."""

    def likely(self, view: Callable[[Array], Array], classes: int) -> dict[int, Array]:
        """Row → (classes,) probabilities, after Dawid & Skene (1979), of what `view` makes of the votes.

        How good people are is told from the fair answers alone.
        """
        found = agreement.dawid_skene(view(self.fair_votes), classes)
        likely = dict(zip(self.fair, found.posterior, strict=True))
        return likely | dict(zip(self.again, agreement.posterior(view(self.again_votes), found), strict=True))


@dataclass(frozen=True)
class Checks:
    """The random check items, for `Task.metrics`, and what has become of the pool since."""

    said: Sequence[int]
    """(m,) what the model then took each for."""
    answered: Sequence[int | None]
    """(m,) the answer; None = none yet."""
    members: Sequence[Array]
    """(m) of (n,) bool: what each was drawn from."""
    then: Sequence[Array]
    """(m) of (n,) numbers that the model then guessed."""
    truth: Array
    """(n,) numbers of the answers of people, `audit.UNKNOWN` and `audit.UNSURE`."""
    guesses: Array
    """(n,) numbers that the model of today guesses."""
    rest: Array
    """(n,) bool: still to be decided, and guessed."""
    classes: Sequence[Label]
    """Written answers by number."""
    labels: Sequence[Label]
    confidence: float


class Task:
    """One kind of answer. A task is its options and no state; it is found by its name (`tasks.get`).

    The defaults are those of one label an item.
    """

    name: ClassVar[str] = ""
    """By which it is asked for and recorded."""
    asks: ClassVar[str] = "one label"
    """An answer, in words: "this session asks for … an item"."""
    right_as: str = ""
    """When a guess is right, where that is not said by "right" alone; begins with a blank."""
    whole: ClassVar[str] = "as a whole"
    """What is right or wrong at once: "an answer is right or wrong …"."""
    strict: str = ""
    """The same as a sentence of a certificate; "" = nothing to say."""
    family: ClassVar[str] = "classification"
    """`Strategy.task` of the strategies that fit, beside those that look at features only."""
    auto: ClassVar[str] = "auto"
    """The strategy where "auto" is asked for."""
    closed: ClassVar[bool] = True
    """Whether the answers are the labels; else every written answer is a class as soon as it occurs."""
    fewest: ClassVar[int] = 2
    """Labels that a session needs, where answers have any."""
    named: ClassVar[bool] = True
    """Whether answers are made of labels that have names."""
    merges: ClassVar[bool] = False
    """Whether labels can be merged, split and removed while a session runs: then right is the same label."""
    compares: ClassVar[bool] = False
    """Whether what asking was worth can be told by fits on random samples (`control`)."""
    searches: ClassVar[bool] = False
    """Whether one label can be searched for."""
    answers: ClassVar[str] = "labels"
    """How answers stand in data that is loaded: see `load_pool`."""
    widget: ClassVar[str] = ""
    """What the labeling page answers with (`static/label/widgets`), and the terminal; "" = as `name`."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Task:
        """The task with options as they are recorded, or as somebody wrote them.

        Raises:
            BadInput: An option that it has not, or a value that is none.
        """
        if options:
            raise BadInput(f"The task {cls.name!r} has no options, got {', '.join(map(repr, options))}.")
        return cls()

    def options(self) -> dict[str, Any]:
        """What makes `of` give the same task; JSON-able."""
        return {}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.options() == other.options()

    def __hash__(self) -> int:
        return hash((self.name, repr(self.options())))

    def __repr__(self) -> str:
        return ":".join([self.name, ",".join(f"{key}={value}" for key, value in self.options().items())]).rstrip(":")

    def fits(self, kind: str) -> None:
        """Say that items of a kind can be answered so.

        Raises:
            BadInput: They cannot.
        """

    # ── reading and writing ─────────────────────────────────────────────────────────────────

    def read(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """An answer as somebody gave it.

        Args:
            raw: Whatever came in.
            spell: See `Spell`.
            item: What it is about, where that is known.

        Raises:
            BadInput: It is no answer.
        """
        return [spell(raw)]

    def labels_in(self, said: Said) -> list[Label]:
        """The labels that it names: each must be known, or becomes one."""
        return list(said)

    def write(self, said: Said, labels: Sequence[Label]) -> Label:
        """The answer as one text: equal text = equal answer; with the labels of the session in their order."""
        return str(said[0])

    def parts(self, written: Label) -> tuple[Label, ...]:
        """The labels in a written answer.

        Raises:
            ValueError: It is not how an answer is written.
        """
        return (written,)

    def renamed(self, written: Label, name: Label, to: Label) -> Label:
        """A written answer after a label has got another name."""
        return to if written == name else written

    def check_label(self, name: Label) -> Label:
        """The label, if answers can be written with it.

        Raises:
            BadInput: They cannot.
        """
        return name

    def is_written(self, text: object, labels: Sequence[Label]) -> bool:
        """Whether this is how an answer is written that names some of these labels."""
        return isinstance(text, str) and text in labels

    def no_answer(self, whole: Any) -> BadInput:
        """The error where an answer holds a label that is empty or none."""
        return BadInput(f"The label {whole!r} is empty or no name of a class. Give a class, or use skip or unsure.")

    def from_data(self, raw: Any, spell: Spell, item: Any = None) -> Said:
        """A label that came with the data; arguments as for `read`.

        Raises:
            BadInput: It is none.
        """
        said = self.read(raw, spell, item)
        if not all(said):
            raise BadInput(f"The data holds a label {why_no_label(raw)}. Mend the label column.")
        return said

    def in_data(
        self, given: Mapping[int, Any], contents: Sequence[Any], spell: Spell = lambda label, *_: str(label)
    ) -> dict[int, Said]:
        """Row → the answer that came with the data.

        Args:
            given: Row → as it came.
            contents: The items.
            spell: See `Spell`; default: as it stands there.

        Raises:
            BadInput: One of them is none.
        """
        return {row: self.from_data(raw, spell, contents[row]) for row, raw in given.items()}

    # ── right and wrong ─────────────────────────────────────────────────────────────────────
    # Numbers are those of written answers (`State.numbers`); below 0 there is no label.

    def wrong(self, guesses: Array, answers: Array, classes: Sequence[Label]) -> Array:
        """Bool: whether guesses are wrong by answers, all of them numbers; without a label it is wrong."""
        found: Array = np.asarray(guesses) != np.asarray(answers)
        return found

    def is_wrong(self, guess: int, answer: int, classes: Sequence[Label]) -> bool:
        """As `wrong`, of one guess."""
        return bool(self.wrong(np.array([guess]), np.array([answer]), classes)[0])

    def differ(self, guess: Label, answer: Label) -> bool:
        """Whether a guess is wrong by an answer, both written."""
        return guess != answer and self.is_wrong(0, 1, (guess, answer))

    def clash(self, guesses: Array, others: Array, classes: Sequence[Label]) -> Array:
        """Bool: whether two guesses cannot both be right, whatever the answer is; see `audit.Change`."""
        found: Array = np.asarray(guesses) != np.asarray(others)
        return found

    # ── learning and guessing ───────────────────────────────────────────────────────────────

    def learner(self, given: Any = None) -> Learner:
        """The learner that a session works with: the default, or the caller's with what it lacks.

        Raises:
            BadInput: It cannot learn such answers.
        """
        raise NotImplementedError

    def targets(self, codes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """What the learner is told of answers, from their (m,) numbers."""
        return codes.astype(np.intp)

    hinted: ClassVar[bool] = False
    """Whether a label without an example is looked for by its name and what was said of it."""
    pending: ClassVar[float] = -1
    """What stands for the target of an item that is in somebody's hands."""

    def fitted(self, learner: Any) -> bool:
        """Whether a learner has learned something."""
        return hasattr(learner, "classes_")

    def enough(self, y: Array) -> bool:
        """Whether something can be learned from these targets."""
        return len(np.unique(y, axis=0)) >= 2

    def ask(self, learner: Any, X: Matrix, labels: int, blocks: Sequence[slice]) -> Opinion:
        """What a fitted learner says of rows, asked block by block.

        Args:
            learner: Fitted on `targets`.
            X: (n, d) features; the items themselves where the learner says `reads = "items"`.
            labels: How many the session has.
            blocks: Of the rows.
        """
        raise NotImplementedError

    # ── several people ──────────────────────────────────────────────────────────────────────

    def settled(self, votes: Votes) -> tuple[dict[int, Label], str]:
        """(row → what several people's answers come to, the method with its paper)."""
        raise NotImplementedError

    def quality(self, votes: Array, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(people,) expected share of right answers, from (rows, people) numbers of answers by several people."""
        raise NotImplementedError

    def doubted(
        self,
        opinion: Opinion,
        rows: Sequence[int],
        votes: Array,
        standing: Array,
        classes: Sequence[Label],
        labels: Sequence[Label],
    ) -> tuple[Array, Array, Array]:
        """(labels, votes, probabilities) as `agreement.doubts` takes them: is the answer that stands right?

        The default asks of each answer as a whole whether it is right.

        Args:
            opinion: Of the model.
            rows: (k,) items that a person has answered.
            votes: (k, people) numbers of answers.
            standing: (k,) number of the answer that holds.
            classes: Written answers by number.
            labels: The session's.
        """
        right = opinion.holds(rows, [classes[code] for code in standing.tolist()], labels)
        told = self.wrong(standing[:, None] + np.zeros_like(votes), np.maximum(votes, 0), classes).astype(votes.dtype)
        V = np.where(votes == agreement.MISSING, votes, told)
        return np.zeros(len(rows), np.intp), V, np.stack([right, 1 - right], axis=1)

    def agreement(self, votes: Array, classes: Sequence[Label]) -> tuple[float, float, bool]:
        """(Krippendorff's alpha, Fleiss' kappa, whether kappas of pairs mean something) of (rows, people) numbers."""
        return agreement.krippendorff_alpha(votes), agreement.fleiss_kappa(votes), True

    # ── saying ──────────────────────────────────────────────────────────────────────────────

    def reason(self, family: str, guesses: Sequence[tuple[Label, float]], model: str) -> str:
        """Why an uncertain item is asked, in a sentence; see `reasons.reason_for`.

        Args:
            family: Of the strategy: uncertainty, hybrid, committee or change.
            guesses: At least one, likeliest first, with probabilities.
            model: Which one says so, in words.
        """
        raise NotImplementedError

    def metrics(self, checks: Checks) -> Metrics | None:
        """How good the model is at each label, with bounds; None where answers have no labels."""
        raise NotImplementedError

    def errors(self, said: Sequence[Label], answered: Sequence[Label], confidence: float) -> Errors | None:
        """How far off guesses were; None where answers are no quantities, and where there are too few.

        Args:
            said: (m,) what the model took check items for, as written, in the order of the draws.
            answered: (m,) what they are.
            confidence: Of the intervals, in (0, 1).
        """
        return None

    def predicted(self, written: Sequence[Label], labels: Sequence[Label]) -> Array:
        """(n,) guesses as `Model.predict` gives them, from those written as answers are."""
        return np.asarray(written, object)


def membership(task: Task, classes: Sequence[Label], labels: Sequence[Label]) -> Array:
    """(classes, labels) bool: which labels each written answer holds."""
    found = np.zeros((len(classes), len(labels)), bool)
    column = {name: i for i, name in enumerate(labels)}
    for number, name in enumerate(classes):
        found[number, [column[part] for part in task.parts(name)]] = True
    return found
