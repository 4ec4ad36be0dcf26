"""What the log proves: estimates and certificates counted from the state of a session."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from askwise import aims, audit, relabeling, unmet
from askwise.core import Array, Certificate, Errors, Estimate, Label, Metrics, Target, promise
from askwise.state import Attempt, Draw, State, Word
from askwise.tasks import Checks

PLANNING_CHECKS = 150
"""Check items that the choice of a region looks back on, at most."""


def target(state: State) -> Target:
    """What the session's `max_error` is a share of."""
    found: Target = state.opened.get("target", "auto")
    return found


def terms(state: State) -> tuple[float, float]:
    """(max_error, confidence) of the session."""
    return float(state.opened["max_error"]), float(state.opened["confidence"])


def estimate(state: State, guesses: Array | None, new: Sequence[Label] = (), word: Word | None = None) -> Estimate:
    """How good a model with these guesses is on the items still to be decided, from random check items alone.

    Args:
        state: Not changed.
        guesses: (n,) class numbers; None before the first model.
        new: Answers that the guesses are the first to name, numbered behind those of the state.
        word: How sure the model is, where that is not in the state yet.
    """
    confidence = float(state.opened["confidence"])
    rest = state.rest()
    handed = int(np.count_nonzero(state.auto_mask & ~state.labeled_mask))
    if guesses is None:
        return Estimate(None, 0.0, 1.0, confidence, 0, 0, int(rest.sum()), handed=handed, unmet=unmet.said(state))
    draws, wrong = state.draw_outcomes()
    truth = _counted(state)
    slack = []
    for _, same in itertools.groupby(draws, lambda draw: (draw.round, id(draw.guesses))):
        checks = list(same)
        then, task = state.today(state.then(checks[0])), state.task
        classes = [*state.classes, *new]
        wrong_then, clash = task.wrong(then, truth, classes), task.clash(then, guesses, classes)
        change = audit.Change(then, truth, guesses, rest, wrong_then, clash)
        slack += change.slacks(np.stack([check.eligible for check in checks]))
    stand = [relabeling.standing(state, draw) for draw in draws]
    found = audit.accuracy_on_rest(
        wrong,
        [k.size for k in slack],
        [k.known_errors for k in slack],
        [k.outside for k in slack],
        [k.disagree for k in slack],
        int(rest.sum()),
        unknown=np.array([k.unknown for k in slack], np.int64),
        clash=np.array([k.clash for k in slack], np.int64),
        finer=[low for low, _ in stand],
        coarser=[high for _, high in stand],
        confidence=confidence,
        plain=_plain(state, draws, wrong, word or state.word),
    )
    sets, unchecked = state.task.name == "sets", _unchecked(state, draws)
    return replace(
        found, sets=sets, right_as=state.task.right_as, handed=handed, unchecked=unchecked, unmet=unmet.said(state)
    )


def _plain(state: State, draws: Sequence[Draw], wrong: Sequence[bool | None], word: Word | None) -> float | None:
    """The plain estimate of how sure the model is and how its check items came out; None where that is not known.

    Each check item counts by a guess of a model that had not seen its label: of those held out from today's, if there
    are such, else of the one that it was drawn for.
    """
    if word is None:
        return None
    sure, right = list[float](), list[bool]()
    for draw, bad in zip(draws, wrong, strict=True):
        held = word.held.get(draw.row)
        error = bad if held is None else state.wrong(draw.row, held[0], word)
        confidence = draw.confidence if held is None else held[1]
        if error is not None and confidence is not None:
            sure.append(confidence)
            right.append(not error)
    return audit.share_right(sure, right, word.sure) if len(sure) >= audit.FEWEST else None


def word_of(state: State, sure: Array, held: tuple[Array, Array, Array] | None) -> dict[str, Any]:
    """How sure the model is, as a `ranked` event has it; see `Word`.

    Args:
        state: Not changed.
        sure: (m,) confidences of the guesses on the first m items.
        held: As `rounds.Learned.held`.
    """
    found: dict[str, Any] = {"sure": audit.counted(sure[state.rest()[: len(sure)]])}
    if held is not None:
        checks = {draw.row for draw in state.draws}
        rows = zip(*(part.tolist() for part in held), strict=True)
        found["held"] = [[row, code, round(p, 4)] for row, code, p in rows if row in checks]
    return found


def word_in(state: State, ranked: Mapping[str, Any]) -> Word | None:
    """What is known of the model after a `ranked` event with these data."""
    return Word.after(state.word, ranked, state.system, state.removed)


def _unchecked(state: State, draws: Sequence[Draw]) -> int:
    """Items of the rest that came later and that no check item could have been: nothing was seen of their like."""
    if not state.grown:
        return 0
    came = state.rest()
    came[: int(state.opened["n"])] = False
    for draw in reversed(draws):  # the last ones could have been nearly anything that is there
        if not came.any():
            break
        came &= ~np.unpackbits(draw.eligible, count=state.n).view(bool)
    return int(np.count_nonzero(came))


def metrics(state: State, guesses: Array | None) -> Metrics | None:
    """How good a model with these guesses is at each class, on the items still to be decided; None before the first.

    Of sets at each label; None also where answers have no labels.

    Args:
        state: Not changed.
        guesses: (n,) class numbers.
    """
    if guesses is None:
        return None
    draws, _ = state.draw_outcomes()
    truth, rest = _counted(state), state.rest()
    rest[state.ranked :] = False  # what came later has no guess yet, so it is in no class
    told = truth.copy()
    told[[draw.row for draw in draws if state.seen(draw.row)]] = audit.UNKNOWN
    answered = [None if told[draw.row] == audit.UNKNOWN else int(told[draw.row]) for draw in draws]
    then = [state.then(draw) for draw in draws]
    members = [np.unpackbits(d.eligible, count=state.n).view(bool) for d in draws]
    said = [int(old[d.row]) for d, old in zip(draws, then, strict=True)]
    if state.merged or state.removed or state.systems:
        return _metrics_of_today(state, guesses, draws, answered, truth, rest)
    return state.task.metrics(
        Checks(
            said, answered, members, then, truth, guesses, rest, state.classes, state.labels,
            float(state.opened["confidence"]),
        )
    )  # fmt: skip


def errors(state: State) -> Errors | None:
    """How far off the guesses of check items were, where answers are quantities; see `Task.errors`.

    Only blind answers count, in the order of the draws.

    Args:
        state: Not changed.
    """
    truth, said, told = state.truth(), [], []
    for draw, wrong in zip(*state.draw_outcomes(), strict=True):
        if wrong is not None and truth[draw.row] >= 0:
            said.append(state.classes[int(state.then(draw)[draw.row])])
            told.append(state.classes[int(truth[draw.row])])
    return state.task.errors(said, told, float(state.opened["confidence"]))


def _metrics_of_today(
    state: State, guesses: Array, draws: Sequence[Draw], answered: list[int | None], truth: Array, rest: Array
) -> Metrics:
    """As `metrics`, where classes were merged or removed: by those of today, each with a number of its own.

    A check drawn for other classes than today's keeps its place and says nothing: it could have been anything.
    """
    then = [state.today(state.then(draw)) for draw in draws]
    used = {*np.unique(guesses).tolist(), *(code for old in then for code in np.unique(old).tolist())}
    live = {state.numbers[name] for name in state.shown_labels()}
    numbers = sorted(live | used)
    compact = np.zeros(len(state.classes), np.int32)
    compact[numbers] = np.arange(len(numbers))
    now, truth = compact[guesses], np.where(truth < 0, truth, compact[np.maximum(truth, 0)])
    said, told, moved = [], list[int | None](), []
    for draw, old, answer in zip(draws, then, answered, strict=True):
        members = np.unpackbits(draw.eligible, count=state.n).view(bool)
        exact = all(relabeling.standing(state, draw))
        said.append(int(compact[old[draw.row]]))
        told.append(answer if answer is None or not exact else answer if answer < 0 else int(compact[answer]))
        if exact:
            moved.append(audit.moves(members, compact[old], truth, now, rest, len(numbers)))
            continue
        told[-1] = None
        nothing = np.full(state.n, audit.UNKNOWN)
        one = audit.moves(members, compact[old], nothing, now, np.zeros(state.n, bool), len(numbers))
        moved.append(replace(one, outside=np.bincount(now[rest], minlength=len(numbers))))
    names = [state.classes[number] for number in numbers]
    found = audit.metrics_on_rest(said, told, moved, now, rest, names, confidence=float(state.opened["confidence"]))
    shown = [one for one in found.classes if state.numbers[one.label] in live]
    return replace(found, classes=tuple(shown))


def _counted(state: State) -> Array:
    """(n,) class numbers as they count in bounds, `audit.UNKNOWN` also where a label was doubted and asked again.

    Which labels are doubted depends on the model, so what they are changed to does, too; check items are not revised
    so. Without a label such an item stands for the worst in either direction, and no bound is too good.
    """
    truth = state.truth()
    truth[list(state.doubted.difference(draw.row for draw in state.draws))] = audit.UNKNOWN
    truth[relabeling.unclear(state)] = audit.UNKNOWN
    return truth


def plan_of(attempt: Attempt) -> audit.Plan | audit.WeightedPlan | audit.RecallPlan:
    """The plan as frozen in the log, so that a later version judges as the one that made the promise."""
    return aims.of(attempt).kept(attempt)


def judge(state: State, attempt: Attempt) -> audit.Certification:
    """Where an attempt stands, by the answers as they are now."""
    return plan_of(attempt).judge(state.outcomes(attempt), attempt.expected_error)


def progress(state: State, attempt: Attempt) -> tuple[int, int]:
    """(checks that counted, of these wrong), as of the decision, or so far."""
    if attempt.outcome != "open":
        return attempt.checks, attempt.wrong
    found = judge(state, attempt)
    return found.audits, found.wrong


def certificate(state: State, attempt: Attempt) -> Certificate:
    """The certificate of an attempt that succeeded, recounted: changed answers change what it is worth."""
    # Without an expectation nothing is given up early: only the acceptance itself is verified.
    found = plan_of(attempt).judge(state.outcomes(attempt), None)
    void = ""
    if found.status != "certified" or found.audits != attempt.checks:
        void = "answers to its checks were changed afterwards, and with these it would not have been given."
    aim = aims.of(attempt)
    known, allowed = aim.found(state, attempt), aim.allowed(attempt)
    void = aim.void(attempt, known) or void
    return Certificate(
        allowed=allowed,
        classes=() if allowed is None else _labeled_so(state, attempt),
        sets=state.task.name == "sets",
        strict=state.task.strict,
        max_error=attempt.max_error,
        confidence=attempt.confidence,
        attempt=attempt.number,
        alpha=attempt.alpha,
        region=len(attempt.order),
        audits=attempt.checks,
        wrong=attempt.wrong,
        certified=len(attempt.order) - attempt.checks,
        target=aim.name,
        found=known,
        void=void,
        fingerprint=attempt.fingerprint,
        label=attempt.called,
        since=tuple(said for seq, said in state.changes if seq > attempt.seq),
        whole=aim.whole(attempt),
        later=state.n - attempt.items,
        people=_people(state, attempt),
        changed=_changed(state, attempt),
        withdrawn=sum(row in attempt.position for row in state.withdrawn),
        by_doubt=attempt.share,
    )


def _changed(state: State, attempt: Attempt) -> int:
    """Checks that counted to which one person has given different answers since the freeze."""
    found = 0
    for row in attempt.order[: attempt.checks].tolist():
        said: dict[str, set[tuple[str, str]]] = {}
        for seq, _, kind, who, label in state.story.get(row, ()):
            if kind in ("told", "unsure") and seq > attempt.seq:
                said.setdefault(who, set()).add((kind, label))
        found += any(len(answers) > 1 for answers in said.values())
    return found


def _labeled_so(state: State, attempt: Attempt) -> tuple[tuple[Label, int], ...]:
    """How many of the items labeled under a certificate the model labels so, for each class (or label of a set)."""
    found = labeled_so(state, state.guesses_of(attempt)[attempt.order[attempt.checks :]])
    # Under the names of then. What was merged before holds nothing, and is no class of it.
    told = zip(attempt.names, (count for _, count in found), strict=False)
    return tuple((name, count) for number, (name, count) in enumerate(told) if not _gone(attempt, number))


def _gone(attempt: Attempt, number: int) -> bool:
    return relabeling.of(attempt.system, number) != number


def labeled_so(state: State, codes: Array) -> tuple[tuple[Label, int], ...]:
    """For each label how many of these (k,) class numbers mean it."""
    counts = np.bincount(codes, minlength=len(state.classes))
    found = counts if state.task.closed else counts @ state.membership()[: len(counts)]
    return tuple(zip(state.labels, np.asarray(found).tolist(), strict=False))


def granted(state: State) -> int:
    """How many wrong labels the certificates that stand allow."""
    return sum(aims.of(attempt).allowed(attempt) or 0 for attempt in _given(state))


def allowance(state: State, max_error: float) -> int:
    """How many wrong labels another certificate may allow, so that all together keep to a share of all items."""
    return aims.left_of_all(max_error, state.there, granted(state))


def finer_now(state: State) -> bool:
    """Whether a certificate that stands limits errors by classes that tell less apart than today's."""
    return not all(relabeling.covers(state, attempt.system) for attempt in _given(state))


def standing(state: State) -> aims.Standing:
    """What the certificates that stand have promised."""
    least = min((attempt.confidence for attempt in _given(state)), default=1.0)
    return aims.Standing(least, granted(state), finer_now(state), state.there)


def _given(state: State) -> list[Attempt]:
    """The attempts whose certificates stand."""
    return [a for a in state.attempts if a.outcome == "certified" and not a.taken_back]


def _people(state: State, attempt: Attempt) -> int:
    """How many people labeled the checked items that several labeled; 0 where no check has several labels."""
    shared = [row for row in attempt.order[: attempt.checks].tolist() if row in state.several]
    return len({answer.annotator for row in shared for answer in state.counted(row)})


def certificates(state: State) -> list[Certificate]:
    """Every certificate given and not taken back."""
    return [certificate(state, a) for a in _given(state)]


def certifiable(state: State, ranked: int | None = None) -> Array:
    """(k,) rows that a region may hold: still to be decided, in nobody's hands, their guess not shown to anybody.

    A guess is shown with every usual question, so what was put off or given back is for people. Of items that came
    later there is none before the next ranking.

    Args:
        state: Not changed.
        ranked: So many rows have a guess; None = those of the last ranking.
    """
    mask = state.rest() & ~state.shown_mask
    mask[state.ranked if ranked is None else ranked :] = False
    mask[list(state.leases)] = False
    if state.removed and state.predictions is not None:
        mask &= ~np.isin(state.predictions, list(state.removed))
    return np.flatnonzero(mask)


@dataclass(frozen=True)
class Planning:
    """What the choice of a region looks at, taken out of the state so that choosing needs no lock."""

    confidence: Array
    """(k,) of the current guesses on `rows`."""
    rows: Array
    """(k,) the rows that a region may hold."""
    doubted: float
    """How many of the checks answered would have been wrong if today's confidences were true."""
    wrong: list[tuple[float, float]]
    """For each that was: the mean doubt of the items left of its draw; the share there of errors mended since."""
    changed: float | None
    """Share of the guesses on `rows` that differ from those of a model that knew half the labels; None: too early."""
    used: int
    """Times that something was frozen so far."""
    items: int
    """In the whole pool."""
    granted: int
    """Wrong labels that the certificates that stand allow."""

    def alpha(self, confidence: float) -> float:
        """What the next group of attempts may spend of 1 - confidence; 0 when none is left."""
        return (1 - confidence) * audit.SPEND[self.used] if self.used < len(audit.SPEND) else 0.0

    def allowance(self, max_error: float) -> int:
        """As `evidence.allowance`, but at least 0: a plan for nothing allowed is a plan, and not worth it."""
        return max(0, aims.left_of_all(max_error, self.items, self.granted))

    def region(
        self, max_error: float, confidence: float, target: Target = "auto", parts: int = 1
    ) -> audit.Region | None:
        """The part of the rest that is cheapest to certify; None when no attempt is left.

        Args:
            max_error: Largest share of wrong labels, in (0, 1).
            confidence: Of the certificate, in (0, 1).
            target: Share of what.
            parts: How many attempts share what may be spent.
        """
        alpha = self.alpha(confidence) / parts
        if not alpha:
            return None
        aim = aims.SHARES[target]
        later = audit.SPEND[self.used + 1 : self.used + 2]
        retry = (1 - confidence) * later[0] / parts if later else None
        return audit.choose_region(
            self.confidence,
            self.doubted,
            self.wrong,
            max_error,
            alpha,
            changed=self.changed,
            retry=retry,
            target=aim.counts,
            allowed=aim.errors(self.allowance(max_error)),
        )


def planning(state: State, sure: Array, label: Label | None = None) -> Planning:
    """What is known for planning.

    Args:
        state: Not changed.
        sure: (m,) calibrated confidences of the guesses of a ranking, 0..1, on the items that it knows.
        label: Only items that the model takes for this class; None = all.
    """
    rows, code = certifiable(state, len(sure)), None
    if len(sure) < state.n:
        sure = np.concatenate([sure, np.zeros(state.n - len(sure), sure.dtype)])
    guesses = state.predictions
    if label is not None and guesses is not None:
        code = state.class_number(label)
        rows = rows[guesses[rows] == code]
    confidence = np.clip(sure[rows], 0, 1)
    if guesses is None or not len(rows):
        return Planning(confidence, rows, 0.0, [], None, state.groups, state.there, granted(state))
    doubt = np.zeros(state.n)
    doubt[rows] = audit.doubts(confidence)
    truth = state.truth()

    def mistake(members: Array, round_: int, weight: Array | None = None) -> tuple[float, float]:
        """What a wrong check of that model, drawn from those items, says; see `Planning.wrong`.

        Where checks were drawn by (n,) weights, the means are by these.
        """
        old, left = state.today(state.predictions_of(round_)), members & (doubt > 0)
        answered = members & (truth != audit.UNKNOWN) & (True if code is None else old == code)
        there = np.ones(state.n) if weight is None else weight
        mended = float(there[answered & state.task.wrong(old, truth, state.classes)].sum())
        mended /= float(there[answered | left].sum())
        # A changed guess that is right with probability c mends c errors, and makes 1 - c at most.
        gained = np.maximum(2 * sure[left] - 1, 0) * (old[left] != guesses[left])
        return (
            float(np.average(doubt[left], weights=there[left])),
            mended + float(np.average(gained, weights=there[left])),
        )

    draws = _draws(state, code)
    doubted, mistakes = len(draws) * float(doubt[rows].mean()), []
    for draw in [draw for draw, wrong in draws if wrong]:
        members = np.unpackbits(draw.eligible, count=state.n).view(bool)
        if np.any(doubt[members]):
            mistakes.append(mistake(members, draw.round))
    for attempt in state.attempts:
        left = doubt[attempt.order] > 0
        if attempt.outcome != "certified" and not promise(attempt.target).search and left.any():
            members, weight = np.zeros(state.n, bool), np.ones(state.n)
            members[attempt.order] = True
            if attempt.levels is not None:  # its checks were drawn where the doubt was
                weight[attempt.order] = audit.WEIGHTS[attempt.levels]
            on_left = attempt.order[left]
            doubted += attempt.checks * float(np.average(doubt[on_left], weights=weight[on_left]))
            mistakes += [mistake(members, attempt.round, weight)] * attempt.wrong
    answers = np.sort([a.seq for a in state.answers.values() if a.label is not None])
    half = [draw.round for draw, _ in draws if np.searchsorted(answers, draw.seq) <= len(answers) / 2]
    changed = None
    if half:
        changed = float(np.mean(state.today(state.predictions_of(half[-1]))[rows] != guesses[rows]))
    elif _handed_over(state):  # what a certificate left is what the model doubted most: there its doubts hold
        changed = float(doubt[rows].mean())
    return Planning(confidence, rows, doubted, mistakes, changed, state.groups, state.there, granted(state))


def _draws(state: State, code: int | None) -> list[tuple[Draw, bool]]:
    """The last check items answered, with whether the model was wrong; with a code, of guesses of that class only."""
    handed = _handed_over(state)  # checks of items that have been handed over say nothing about those left
    known = [
        (draw, wrong)
        for draw, wrong in zip(*state.draw_outcomes(), strict=True)
        if wrong is not None and draw.seq > handed and (code is None or state.today(state.then(draw))[draw.row] == code)
    ]
    return known[-PLANNING_CHECKS:]


def _handed_over(state: State) -> int:
    """`seq` of the freeze behind the last certificate; 0 when there is none."""
    return max((a.seq for a in state.attempts if a.outcome == "certified" and not a.taken_back), default=0)
