"""The state of a session: a fold of its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from askwise import events as kinds
from askwise import relabeling
from askwise.audit import UNKNOWN, UNSURE
from askwise.core import Answer, Array, BadStore, Control, CurvePoint, Event, Label, promise
from askwise.state.fold import BY_PEOPLE, HANDLERS
from askwise.state.in_log import READS_FORMAT, too_new
from askwise.state.records import MANGLED, QUARTER, Ask, Attempt, Draw, Lease, Ranking, Word
from askwise.tasks import Task, membership, recorded


@dataclass
class State:
    """Everything the log says. Only `apply` changes it."""

    seq: int = 0
    opened: Mapping[str, Any] = field(default_factory=dict)
    n: int = 0
    ranked: int = 0
    """Rows that the last ranking knew, the first ones; those behind came later: they wait for the next to be asked."""
    rows: int = 0
    """Rows of the input that are items."""
    additions: list[int] = field(default_factory=list)
    """How many items came with each addition."""
    labels: list[Label] = field(default_factory=list)
    """The labels that may be given, in the order declared or discovered."""
    task: Task = field(default_factory=lambda: recorded({}))
    """What an answer is."""
    classes: list[Label] = field(default_factory=list)
    """What an item is taken for, by number: the labels; where answers are more than these each answer met so far."""
    numbers: dict[Label, int] = field(default_factory=dict)
    """The same the other way round."""
    merged: dict[int, int] = field(default_factory=dict)
    """Number of a class → of the one that it was merged into."""
    removed: frozenset[int] = frozenset()
    """Numbers of classes that are none any more."""
    system: Array | None = None
    """(classes,) what each class counts as, by `merged`; None = as itself. Never changed, only exchanged."""
    systems: list[tuple[int, Array | None, frozenset[int]]] = field(default_factory=list)
    """(`seq` of the event, `system`, `removed`) of whatever changed these."""
    changes: list[tuple[int, str]] = field(default_factory=list)
    """(`seq`, in words) of what changed the classes."""
    reversals: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    """(`seq`, kind and data of the event that would take it back) of each change of labels or texts that stands."""
    former: dict[Label, Label] = field(default_factory=dict)
    """Name that a class had → its name now."""
    order: list[Label] = field(default_factory=list)
    """In which people see the labels, where somebody has said so."""
    descriptions: dict[Label, str] = field(default_factory=dict)
    """Label → what it means."""
    texts: dict[str, str] = field(default_factory=dict)
    """Title and guidelines, where they were changed."""
    written: Array | None = None
    """(n,) the guesses as the last ranking has them, before anything was merged since."""
    answers: dict[int, Answer] = field(default_factory=dict)
    """Row → what holds of it: the answer of the one who gave one, or the consensus of several."""
    votes: dict[int, dict[str, Answer]] = field(default_factory=dict)
    """Row → annotator → what they answered."""
    given: dict[int, Answer] = field(default_factory=dict)
    """Row → the label that came with the data."""
    consensus: dict[int, Label] = field(default_factory=dict)
    """Row → the label that the last `consensus` found for the answers as they still are."""
    withdrawn: dict[int, Answer | None] = field(default_factory=dict)
    """Row of an item that was withdrawn → the answer that held of it till then."""
    several: set[int] = field(default_factory=set)
    """Rows with labels by several people."""
    unsettled: bool = False
    """Whether some of these have answers that the last `consensus` did not know."""
    flags: dict[int, str] = field(default_factory=dict)
    rulings: dict[int, Answer] = field(default_factory=dict)
    """Row → the label that a reviewer decided on; it stands whatever the votes say."""
    batches: dict[int, list[tuple[int, int, str]]] = field(default_factory=dict)
    """Number of a bulk labeling → (seq, row, annotator) of its answers."""
    rewound: dict[int, list[tuple[Answer, int]]] = field(default_factory=dict)
    """Number of a rewind → the standing answers that it took back, each with `seq` of the question then, 0 = none."""
    story: dict[int, list[tuple[int, float, str, str, str]]] = field(default_factory=dict)
    """Row → (seq, time, kind of event, person, label or note) of all that people did to it, oldest first."""
    trail: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Annotator → (seq, row) of the answers that can be taken back, oldest first."""
    before: dict[int, Answer | None] = field(default_factory=dict)
    """`seq` of an answer → the same annotator's answer that it replaced."""
    after: dict[int, int] = field(default_factory=dict)
    """`seq` of an answer → `seq` of the last answer that replaced it."""
    asks: dict[int, Ask] = field(default_factory=dict)
    shown: dict[str, set[int]] = field(default_factory=dict)
    """Annotator → rows whose guess by the model they have been shown; under "" those that anybody may have seen."""
    shown_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows whose guess somebody has been shown."""
    asked_of: dict[int, dict[str, int]] = field(default_factory=dict)
    """Row → annotator → `seq` of the event that asked them last."""
    late: set[int] = field(default_factory=set)
    """Rows with answers that came late; see `is_late`."""
    doubted: set[int] = field(default_factory=set)
    """Rows that were asked again because their label was doubtful; see docs/guarantee.md on what they count for."""
    leases: dict[int, Lease] = field(default_factory=dict)
    slots: int = 0
    """Questions handed out while learning; decides which are check items."""
    handed: Counter[str] = field(default_factory=Counter)
    """Annotator → questions handed to them while learning; decides which are asked of several people."""
    draws: list[Draw] = field(default_factory=list)
    at_random: list[Draw] = field(default_factory=list)
    """Questions that were drawn uniformly at random and are no check items: there was no guess to check, or the ranking
    was used up."""
    ranking: Ranking | None = None
    predictions: Array | None = None
    """(n,) class numbers guessed by the current model; None before the first model."""
    past: dict[int, Array] = field(default_factory=dict)
    """Round → predictions, for rounds that a draw or an attempt refers to."""
    word: Word | None = None
    """What the plain estimate is made of; never changed, only exchanged."""
    points: list[CurvePoint] = field(default_factory=list)
    learned: list[int] = field(default_factory=list)
    """For each of `points` the newest event that its model knew."""
    standings: list[Mapping[str, Any] | None] = field(default_factory=list)
    """For each of `points` which parts of the learner were in charge; see `learners.Standing`."""
    control: Control | None = None
    """The last comparison with random sampling that was made before a ranking."""
    costs: list[tuple[int, float, int]] = field(default_factory=list)
    """(human labels, projected labels to go, open items) at each ranking; labels never decrease."""
    floor: float = 0.0
    """Projected labels to go if the last model made no error; 0 in logs from before it was recorded."""
    attempts: list[Attempt] = field(default_factory=list)
    auto: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    """Row → (class number, round, confidence) of labels given by the model."""
    human: int = 0
    seconds: float = 0.0
    last_answer: int = 0
    """`seq` of the newest event that changes what a model would learn."""
    skips: dict[int, int] = field(default_factory=dict)
    """Row → number of answers at the time it was skipped."""
    told: int = 0
    """`told`, `skipped` or `unsure` events so far."""
    kinds: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in ("given", "skip", "unsure")})
    """Kind of answer, other than a label → the rows of which it holds."""
    given_at: Counter[int] = field(default_factory=Counter)
    """Quarter of an hour since 1970 → how many of the labels by people that hold are from then."""
    codes: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    """(n,) class numbers of the human labels; `audit.UNKNOWN` and `audit.UNSURE` where there is none."""
    answer_rounds: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    """(n,) round that the question came from which the current answer was given to; 0 = none."""
    labeled_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows with a human label."""
    auto_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows in `auto`."""
    rest_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows still to be decided: no human label, not unsure, not labeled by the model."""
    eligible_mask: Array = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) rows that may be asked: no human label, not leased, not unsure, not auto-labeled."""

    # Reading.

    def still(self) -> State:
        """What estimates, metrics and plans read of it, as it is now: what comes later does not change it."""
        return replace(
            self,
            labels=list(self.labels),
            classes=list(self.classes),
            numbers=dict(self.numbers),
            answers=dict(self.answers),
            leases=dict(self.leases),
            draws=list(self.draws),
            at_random=list(self.at_random),
            doubted=set(self.doubted),
            withdrawn=dict(self.withdrawn),
            past=dict(self.past),
            attempts=[replace(attempt) for attempt in self.attempts],
            codes=self.codes.copy(),
            labeled_mask=self.labeled_mask.copy(),
            rest_mask=self.rest_mask.copy(),
            shown_mask=self.shown_mask.copy(),
        )  # what else evidence reads is never changed, only exchanged

    def shown_labels(self) -> list[Label]:
        """The labels that may be given, in the order in which people see them."""
        gone = {*self.merged, *self.removed} if self.task.closed else set()
        there = [name for number, name in enumerate(self.labels) if number not in gone]
        place = {name: at for at, name in enumerate(self.order)}
        return sorted(there, key=lambda name: place.get(name, len(place))) if place else there

    def may_be(self, label: Label) -> bool:
        """Whether an answer may say this label; what was merged stands for what it was merged into."""
        return label in self.labels and self.numbers.get(label) not in self.removed

    def current(self, label: Label) -> Label:
        """What a label counts as: itself, or what it was merged into."""
        return label if self.system is None else self.classes[relabeling.of(self.system, self.numbers[label])]

    def today(self, codes: Array) -> Array:
        """Class numbers as what they count as now."""
        return codes if self.system is None else relabeling.full(self.system, len(self.classes))[codes].astype(np.int32)

    @property
    def title(self) -> str:
        """As given at the start or later; "" where none was."""
        return self.texts.get("title", str(self.opened["title"]))

    @property
    def guidelines(self) -> str:
        """The same of the guidelines."""
        return self.texts.get("guidelines", str(self.opened.get("guidelines") or ""))

    @property
    def open_attempt(self) -> Attempt | None:
        """The attempt whose checks are being answered: of those frozen together, one after the other."""
        return next((a for a in self.attempts if a.outcome == "open"), None)

    @property
    def there(self) -> int:
        """How many items there are, those that were withdrawn left out."""
        return self.n - len(self.withdrawn)

    @property
    def grown(self) -> bool:
        """Whether items came later."""
        return self.n > int(self.opened.get("n", 0))

    def waiting(self) -> Array:
        """(n,) rows that may be asked as soon as they are ranked."""
        found = self.rest_mask.copy()
        found[: self.ranked] = False
        found[[row for row in self.leases if row >= self.ranked]] = False
        return found

    @property
    def groups(self) -> int:
        """Times that something was frozen; each has spent its part of the error budget."""
        return self.attempts[-1].group if self.attempts else 0

    @property
    def last_group(self) -> list[Attempt]:
        """The attempts whose checks began, or went on, last: all that were frozen together."""
        last = max(self.attempts, key=lambda a: a.begun, default=None)
        return [] if last is None else [a for a in self.attempts if a.group == last.group]

    @property
    def model(self) -> bool:
        """Whether a model with guesses exists."""
        return self.predictions is not None

    def class_number(self, label: Label) -> int:
        """Position of a label among the classes."""
        return self.numbers[label]

    def parts(self, label: Label) -> tuple[Label, ...]:
        """The labels in an answer: itself, or those of a set."""
        return self.task.parts(label)

    def membership(self) -> Array:
        """(classes, labels) bool: which labels each class holds; the identity where an item has one label."""
        return membership(self.task, self.classes, self.labels)

    @property
    def model_labels(self) -> int:
        """How many labels the current model learned, those that came with the data included; 0 before the first."""
        return self.points[-1].labels + len(self.kinds["given"]) if self.points else 0

    def label_of(self, row: int) -> Label | None:
        """The human label of a row."""
        answer = self.answers.get(row)
        return answer.label if answer is not None and answer.kind in ("label", "given") else None

    def held(self, annotator: str) -> int:
        """How many questions an annotator has in hand."""
        return sum(lease.annotator == annotator for lease in self.leases.values())

    def is_late(self, row: int, annotator: str, before: Collection[str] = ()) -> bool:
        """Whether a label of this annotator would come late: somebody else has labeled the row since they were asked.

        An item is asked of one person unless the session wants several opinions. Where a question was asked anew
        because no answer came, the first answer holds, and another one is no decision on it: who gives it has not seen
        it. Whoever answered first may change their answer, and an answer that nobody asked for is a correction.

        Args:
            row: Of the item.
            annotator: Who answers.
            before: Who labels the row just before, in the same breath.
        """
        votes = self.votes.get(row, {})
        mine, asked = votes.get(annotator), self.asked_of.get(row, {}).get(annotator)
        first = mine is not None and mine.kind != "skip" and not mine.late
        if float(self.opened.get("overlap", 0)) > 0 or asked is None or first:
            return False
        since = any(a.kind == "label" and a.seq > asked for name, a in votes.items() if name != annotator)
        return since or any(name != annotator for name in before)

    def counted(self, row: int) -> list[Answer]:
        """People's labels of a row that decide on it, oldest first: late ones only where there are no others."""
        labels = sorted((a for a in self.votes.get(row, {}).values() if a.kind == "label"), key=lambda a: a.seq)
        return [self._meant(a) for a in labels if not a.late] or [self._meant(a) for a in labels]

    def _meant(self, answer: Answer) -> Answer:
        """An answer as what it counts as now; what was said stays with it."""
        if self.system is None or answer.label is None:
            return answer
        now = self.current(answer.label)
        return answer if now == answer.label else replace(answer, label=now, said=answer.label)

    def checks(self) -> set[int]:
        """Rows that were or may be blind checks: drawn at random, or at the beginning of the order of an attempt."""
        rows = {draw.row for draw in self.draws}
        for attempt in self.attempts:
            answered = attempt.checks if attempt.outcome != "open" else len(attempt.order)
            rows |= set(attempt.order[:answered].tolist())
        return rows

    def checks_waiting(self) -> set[int]:
        """Rows whose blind check waits for an answer: drawn at random, or of a region whose checks are under way."""
        rows = {row for a in self.attempts if a.outcome == "open" for row in a.position if self.rest_mask[row]}
        return rows | {draw.row for draw in self.draws if self.rest_mask[draw.row]}

    def predictions_of(self, round_: int) -> Array:
        """(n,) class numbers that the model of a round guessed."""
        if self.ranking is not None and self.ranking.round == round_ and self.predictions is not None:
            return self.predictions
        return self.past[round_]

    def guessed_in(self, round_: int) -> bool:
        """Whether the guesses of a round are the current ones, or were kept."""
        current = self.ranking is not None and self.ranking.round == round_ and self.predictions is not None
        return current or round_ in self.past

    def guesses_of(self, attempt: Attempt) -> Array:
        """(n,) class numbers that an attempt would hand over: all irrelevant where something is searched."""
        if promise(attempt.target).search:
            return np.full(self.n, self.class_number(self.opened["goal"]["irrelevant"]), np.int32)
        return self.predictions_of(attempt.round) if attempt.guesses is None else attempt.guesses

    def found_before(self, attempt: Attempt) -> int:
        """Items outside the region of an attempt at a recall that are labeled relevant now."""
        relevant = self.opened["goal"]["relevant"]
        held = [*self.answers.items(), *((row, a) for row, a in self.withdrawn.items() if a is not None)]
        return sum(a.label == relevant and row not in attempt.position for row, a in held)

    def seen(self, row: int) -> bool:
        """Whether the answer was volunteered, or given by somebody who may have seen the guess: no blind check."""
        answer = self.answers.get(row)
        return answer is not None and answer.kind in ("label", "unsure") and (answer.seen or not answer.audit)

    @property
    def tells_shown(self) -> bool:
        """Whether this log tells to whom guesses were shown. A search has no blind checks, only a random order."""
        return int(self.opened.get("format", 1)) >= 3 and "goal" not in self.opened

    def was_shown(self, row: int, annotator: str) -> bool:
        """Whether somebody has, or may have, seen the model's guess on a row: their answer to it is no blind check."""
        return row in self.shown.get(annotator, ()) or row in self.shown.get("", ())

    def outcomes(self, attempt: Attempt) -> list[bool | None]:
        """Wrong (True), right (False) or unanswered (None), in the order of the checks, up to the first gap."""
        guesses = self.guesses_of(attempt)
        found: list[bool | None] = []
        for row in attempt.order.tolist():
            if row in attempt.blown:
                wrong: bool | None = True
            else:
                wrong = None if self.seen(row) else self.wrong(row, int(guesses[row]), attempt)
            found.append(wrong)
            if wrong is None:
                break
        return found

    def why_not_resumed(self, attempt: Attempt) -> str:
        """Why the checks of an attempt cannot go on where they stopped, in words; "" where they can."""
        if attempt.outcome not in ("certified", "refused"):
            return f"it is {attempt.outcome}"
        if attempt.taken_back:
            return "its labels were taken back"
        if any(a.outcome == "open" and a.group != attempt.group for a in self.attempts):
            return "another is under way"
        if attempt.outcome == "refused" and attempt.group != self.groups:
            return "something was frozen since"  # its items, and its errors of the whole file, may be promised by now
        return ""

    def unblind(self, attempt: Attempt) -> frozenset[int]:
        """Rows of a region that nobody could check blind from now on: their guess was shown, or they are in a hand."""
        if not self.tells_shown:
            return frozenset()
        shown = self.shown_mask[attempt.order]
        open_, held = self.codes[attempt.order] == UNKNOWN, np.isin(attempt.order, list(self.leases))
        rows = attempt.order[open_ & (shown | held)].tolist()
        rows += [row for row in attempt.order[~open_].tolist() if self.seen(row)]
        return frozenset(rows) - self.withdrawn.keys()

    def draw_outcomes(self) -> tuple[list[Draw], list[bool | None]]:
        """The check items up to the last answered one, with whether the model was wrong (None: passed over so far)."""
        wrong = [self.wrong(d.row, int(self.then(d)[d.row]), d) for d in self.draws]
        # One that was withdrawn is passed over, too, but not left out: else who chooses what goes would choose the end.
        last = (
            i
            for i, (d, w) in enumerate(zip(self.draws, wrong, strict=True), 1)
            if w is not None or d.row in self.withdrawn
        )
        count = max(last, default=0)
        return self.draws[:count], wrong[:count]

    def then(self, draw: Draw) -> Array:
        """(n,) class numbers that the model guessed which a check item was drawn for."""
        return self.predictions_of(draw.round) if draw.guesses is None else draw.guesses

    def truth(self) -> Array:
        """(n,) class numbers of the human labels; `audit.UNKNOWN` and `audit.UNSURE` where there is none."""
        return self.codes.copy()

    def rest(self) -> Array:
        """(n,) the items still to be decided: no human label, not unsure, not labeled by the model."""
        return self.rest_mask.copy()

    def wrong(self, row: int, guess: int, then: Draw | Attempt | Word) -> bool | None:
        """Whether a guess made by the classes of then is wrong of an item; None where nobody has said."""
        if row in self.withdrawn:  # the worst: neither right nor wrong of a random check, wrong of an attempt's
            return then.kept.get(row, True) if isinstance(then, Attempt) else None
        answer = self.answers.get(row)
        if answer is None or answer.kind == "skip" or answer.seen:
            return None
        if answer.label is None:
            return True  # unsure: not known to be right
        return relabeling.wrong(self, answer, guess, then.system, then.removed)

    # Writing.

    def _number(self, name: Label) -> None:
        self.numbers[name] = len(self.classes)
        self.classes.append(name)

    def _meet(self, name: Label) -> None:
        """Where answers are more than labels, one becomes a class when it first occurs."""
        if not self.task.closed and name not in self.numbers:
            self._number(name)

    def apply(self, event: Event) -> None:
        """Take one event in."""
        needs = event.data.get("format") if isinstance(event.data, Mapping) else None
        if isinstance(needs, int) and needs > READS_FORMAT:
            raise too_new("This session", needs)
        handler = HANDLERS.get(event.kind)
        if handler is None:
            raise BadStore(
                f"This session holds an event {event.kind!r} that this version does not know. Upgrade Askwise."
            )
        kinds.check(event, self.n)
        if self.opened and event.kind == "opened":
            raise kinds.damaged(event, "a session begins once")
        if not self.opened and event.kind != "opened":
            raise kinds.damaged(event, "a session begins with `opened`")
        try:
            handler(self, event)
        except MANGLED as error:
            said = f"it names {error}, which there is not" if isinstance(error, KeyError) else str(error)
            raise kinds.damaged(event, said or type(error).__name__) from error
        if event.kind in BY_PEOPLE:
            d = event.data
            what = str(d.get("label") or d.get("note") or "")
            told = (event.seq, event.at, event.kind, str(d.get("annotator", "")), what)
            self.story.setdefault(int(d["row"]), []).append(told)
        self.seq = event.seq

    def _show(self, rows: Iterable[int], annotator: str) -> None:
        if self.tells_shown:
            rows = list(rows)
            self.shown.setdefault(annotator, set()).update(rows)
            self.shown_mask[rows] = True

    def _refresh_eligible(self, row: int) -> None:
        answer = self.answers.get(row)
        self.auto_mask[row] = row in self.auto
        undecided = (answer is None or answer.kind == "skip") and row not in self.auto
        self.rest_mask[row] = undecided and row not in self.withdrawn
        self.eligible_mask[row] = self.rest_mask[row] and row not in self.leases and row < self.ranked

    def _vote(self, row: int, annotator: str, answer: Answer | None) -> None:
        """Put an annotator's answer in the place of their last one, or take it back."""
        votes = self.votes.setdefault(row, {})
        old = votes.pop(annotator, None)
        self.seconds += ((answer and answer.seconds) or 0.0) - ((old and old.seconds) or 0.0)
        if answer is not None:
            votes[annotator] = answer
        self.consensus.pop(row, None)
        self._settle(row)

    def _settle(self, row: int) -> None:
        """What holds of a row: a label before unsure before what the data said before skipped; of several labels the
        consensus, till one is computed the most frequent, of equally frequent ones the newest.
        """
        votes = sorted(self.votes.get(row, {}).values(), key=lambda answer: answer.seq)
        labels = self.counted(row)
        others = [*(a for a in votes if a.kind == "skip"), *(self._meant(a) for a in [self.given.get(row)] if a)]
        others += [a for a in votes if a.kind == "unsure"]
        (self.several.add if len(labels) > 1 else self.several.discard)(row)
        (self.late.add if any(answer.late for answer in votes) else self.late.discard)(row)
        if len(labels) > 1:
            self.unsettled |= row not in self.consensus
            count = Counter(answer.label for answer in labels)
            label = self.consensus.get(row) or max(labels, key=lambda a: (count[a.label], a.seq)).label or ""
            label = label if self.system is None else self.current(label)
            same = [answer for answer in labels if answer.label == label]
            labels = same or [replace(labels[-1], label=label)]  # label by label they may agree on a set nobody gave
        standing = labels or others
        ruling = self.rulings.get(row)
        if ruling is not None and standing and standing[-1].label is not None:
            standing = [self._meant(ruling)]
        holds = standing[-1] if standing else None
        if holds is not None and any(a.seen for a in self.counted(row)):  # one who knew the guess may have swayed it
            holds = replace(holds, seen=True)
        self._set_answer(row, holds)

    def _set_answer(self, row: int, answer: Answer | None) -> None:
        old = self.answers.get(row)
        if old is not None and old.kind == "label":
            self.human -= 1
            self.given_at[int(old.at // QUARTER)] -= 1
        elif old is not None:
            self.kinds[old.kind].discard(row)
        if answer is None:
            self.answers.pop(row, None)
        else:
            self.answers[row] = answer
        if answer is not None and answer.kind == "label":
            self.human += 1
            self.given_at[int(answer.at // QUARTER)] += 1
        elif answer is not None:
            self.kinds[answer.kind].add(row)
        self.labeled_mask[row] = answer is not None and answer.kind in ("label", "given")
        self.codes[row] = UNSURE if answer is not None and answer.kind == "unsure" else UNKNOWN
        if answer is not None and answer.label is not None:
            self.codes[row] = self.class_number(answer.label)
        self.answer_rounds[row] = 0 if answer is None else answer.round
        self._refresh_eligible(row)
