"""What is said of labels that were given: how good they are, which stay, and what is left unsaid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from askwise import display
from askwise.audit import Count, count_by_strata, count_of, known_elsewhere
from askwise.checking.state import DOUBTFUL, ORDER, RANDOM, SWEEP, CheckState
from askwise.core import FINGERPRINT_DIGITS, Array, ClassMetrics, Interval, Label, between, chance, share
from askwise.values import written


@dataclass(frozen=True)
class Slice:
    """How good the labels of a part of the file are."""

    column: str
    value: str
    size: int
    drawn: int
    """Of the part, so many in its random order are known without a gap."""
    accuracy: Interval


@dataclass(frozen=True)
class LabelQuality:
    """How good the given labels are, all of them, those that people corrected since included.

    Bounds hold at every look. Each line holds with the confidence by itself: the accuracy, kappa, what is said of one
    class, its share, that of one slice, that of another column. Once a sweep has ended, they are what follows from its
    promise.
    """

    accuracy: Interval
    kappa: Interval
    """Cohen's kappa (1960) of the given labels and people's; may lie below 0, where bounds are cut."""
    classes: tuple[ClassMetrics, ...]
    """One for each label that was given or said."""
    shares: tuple[tuple[Label, Interval], ...]
    """For each of `classes` the share of the items that people would label so: of pairs of answers the win rate."""
    slices: tuple[Slice, ...]
    others: tuple[tuple[str, Interval], ...]
    """Accuracy of the other columns of labels."""
    size: int
    drawn: int
    """Of the random order so many are known without a gap."""
    wrong: int
    """Of these."""
    swept: bool
    """The bounds come from what is promised of labels that stay, instead of the random order."""
    confidence: float

    @property
    def sentence(self) -> str:
        """What is proved of the whole."""
        if self.swept:
            return (
                f"Of the {self.size:,} labels that were given between {between(self.accuracy.low, self.accuracy.high)} "
                f"were right, by what people found and what is promised of the others ({share(self.confidence)} sure)."
            )
        if not self.drawn:
            return f"Nothing is known yet of the {self.size:,} labels."
        found = self.accuracy.estimate
        about = "" if found is None else f"About {chance(found)} of the {self.size:,} labels are right. "
        return (
            f"{about}{self.drawn:,} drawn at random ({self.wrong:,} wrong) prove between "
            f"{between(self.accuracy.low, self.accuracy.high)} ({share(self.confidence)} sure, however often you look)."
        )

    def _repr_html_(self) -> str:
        lines = [f"{c.label}: precision {_said(c.precision)}, recall {_said(c.recall)}" for c in self.classes[:10]]
        return display.card("Quality of given labels", [self.sentence, *lines])


def _said(interval: Interval) -> str:
    return between(interval.low, interval.high)


class _Facts:
    """Counts what is asked for: from the random order, or, in the end, from what is promised of labels that stay."""

    def __init__(self, state: CheckState) -> None:
        self.state = state
        self.there, self.order = state.there, state.order
        self.known = state.known() & state.there
        self.guess = state.guesses[:, 0]
        self.truth, self.names = truths(state)
        self.swept = state.extra is not None
        self.kept = np.zeros(state.n, bool)
        self.kept[state.kept() if self.swept else []] = True
        self.caught = np.zeros(state.n, bool)
        self.rate = 1.0
        if self.swept:
            looked, self.rate = state.audited()
            self.caught[looked] = True
            self.caught &= self.truth != self.guess

    def drawn(self, members: Array) -> tuple[int, int]:
        """(of a part's random order so many are known without a gap, all of them)."""
        own = self.order[members[self.order]]
        gap = np.flatnonzero(~self.known[own])
        return int(gap[0]) if len(gap) else len(own), len(own)

    def count(self, trait: Array, otherwise: Array, members: Array, alpha: float) -> Count:
        """How many of a part have a trait.

        Args:
            trait: (n,) bool, read where people have looked.
            otherwise: (n,) bool, whether an item has it if its given label is right.
            members: (n,) bool, the part.
            alpha: Chance that the bounds are ever wrong; those of the sweep are wrong with its own chance.
        """
        found = count_of(trait, self.known, self.order, members, alpha)
        if not self.swept:
            return found
        # At most E labels that stay are wrong; whatever these are, no other item that stays changes its trait.
        errors, stays = self.state.terms["errors"], self.kept & members
        open_ = int((members & ~self.known & ~self.kept).sum())
        seen, likely = int((self.known & members & trait).sum()), int((stays & otherwise).sum())
        least = seen + max(0, likely - errors)
        most = seen + min(int(stays.sum()), likely + errors) + open_
        missed = int((self.caught & members & (trait != otherwise)).sum()) * (1 - self.rate) / self.rate
        flips = -missed if likely and likely == stays.sum() else missed
        estimate = found.estimate if open_ else float(seen + likely + flips)
        if estimate is not None:
            estimate = max(float(least), min(estimate, float(most)))
        return Count(estimate, least, most)

    def share_of(self, c: int, alpha: float) -> Count:
        """How many items people would label so; where the given label and its confidence tell, they make it tighter."""
        if self.swept:
            return self.count(self.truth == c, self.guess == c, self.there, alpha)
        own = self.order[self.there[self.order]]
        drawn, _ = self.drawn(self.there)
        strata, sizes = self._strata(c)
        trait = self.truth == c
        found = count_by_strata(sizes, strata[own[:drawn]], trait[own[:drawn]], alpha)
        return known_elsewhere(found, trait, self.known, self.there)

    def _strata(self, c: int) -> tuple[Array, Array]:
        """((n,) stratum of each item, (s,) how many each has): given so or not, in thirds by the first confidence."""
        third = np.zeros(self.state.n, np.intp)
        given = self.guess == c
        if self.state.confidences.shape[1]:
            sure = np.where(np.isfinite(self.state.confidences[:, 0]), self.state.confidences[:, 0], -np.inf)
            for part in (self.there & given, self.there & ~given):
                rows = np.flatnonzero(part)
                third[rows[np.argsort(sure[rows], kind="stable")]] = np.arange(len(rows)) * 3 // max(len(rows), 1)
        strata = 3 * given + third
        return strata, np.bincount(strata[self.there], minlength=6)


def quality(state: CheckState, confidence: float) -> LabelQuality:
    """How good the given labels are, by all that people have said.

    Args:
        state: Not changed.
        confidence: Of each line, in (0, 1).
    """
    alpha = 1 - confidence
    facts = _Facts(state)
    there, guess, truth = facts.there, facts.guess, facts.truth
    wrong, none = truth != guess, np.zeros(state.n, bool)
    whole = facts.count(wrong, none, there, alpha)
    drawn, size = facts.drawn(there)
    classes, shares = [], []
    for c, name in enumerate(facts.names):
        classes.append(_metrics(name, int((there & (guess == c)).sum()), *_class_counts(facts, c, alpha / 2)))
        shares.append((name, facts.share_of(c, alpha).share(size)))
    slices = []
    for column in state.terms["by"]:
        values = np.array([written(cell.get(column)) for cell in state.cells], object)
        for value in sorted(set(values[there].tolist())):
            part = there & (values == value)
            found = facts.count(wrong, none, part, alpha)
            slices.append(Slice(column, value, *facts.drawn(part)[::-1], found.share(int(part.sum()), without=True)))
    others = []
    for place, name in enumerate(state.terms["guess"][1:], 1):
        other = state.guesses[:, place]
        part = there & (other >= 0)
        found = facts.count(truth != other, other != guess, part, alpha)
        others.append((name, found.share(int(part.sum()), without=True)))
    first = facts.order[:drawn]
    return LabelQuality(
        accuracy=whole.share(size, without=True),
        kappa=_kappa(facts, alpha),
        classes=tuple(classes),
        shares=tuple(shares),
        slices=tuple(slices),
        others=tuple(others),
        size=size,
        drawn=drawn,
        wrong=int(wrong[first].sum()),
        swept=facts.swept,
        confidence=confidence,
    )


def truths(state: CheckState) -> tuple[Array, list[Label]]:
    """(n,) codes of what people said (-2 = nobody, or it cannot be decided), and the names of all labels."""
    told = {label for label in state.answers.values() if label is not None}
    names = [*state.names, *sorted(told - set(state.names))]
    code = {name: i for i, name in enumerate(names)}
    found = np.full(state.n, -2)
    for row, label in state.answers.items():
        if label is not None:
            found[row] = code[label]
    return found, names


def _class_counts(facts: _Facts, c: int, alpha: float) -> tuple[Count, Count]:
    """(given c and it is not, it is c and given otherwise)."""
    none = np.zeros(len(facts.guess), bool)
    falsely = facts.count(facts.truth != c, none, facts.there & (facts.guess == c), alpha)
    missed = facts.count(facts.truth == c, none, facts.there & (facts.guess != c), alpha)
    return falsely, missed


def _metrics(label: Label, given: int, falsely: Count, missed: Count) -> ClassMetrics:
    def recall(false: float, off: float) -> float | None:
        return (given - false) / (given - false + off) if given - false + off else None

    def f1(false: float, off: float) -> float | None:
        return 2 * (given - false) / (2 * given - false + off) if 2 * given - false + off else None

    def bounded(of: Callable[[float, float], float | None]) -> Interval:
        point = None
        if falsely.estimate is not None and missed.estimate is not None:
            point = of(falsely.estimate, missed.estimate)
        low, high = of(falsely.most, missed.most), of(falsely.least, missed.least)
        return Interval.around(point, 0.0 if low is None else low, 1.0 if high is None else high)

    return ClassMetrics(label, given, falsely.share(given, without=True), bounded(recall), bounded(f1))


def _kappa(facts: _Facts, alpha: float) -> Interval:
    """Bounds on kappa from those on what agrees, and on how often each label is right, which hold together."""
    there, guess, classes = facts.there, facts.guess, len(facts.names)
    size = int(there.sum())
    whole = facts.count(facts.truth != guess, np.zeros(len(guess), bool), there, alpha / 2)
    if whole.estimate is None:
        return Interval(None, 0.0, 1.0)
    parts = [_class_counts(facts, c, alpha / 4 / classes) for c in range(classes)]
    given = np.array([int((there & (guess == c)).sum()) for c in range(classes)], float)
    low = np.array([g - f.most + m.least for g, (f, m) in zip(given, parts, strict=True)]) / size
    high = np.array([g - f.least + m.most for g, (f, m) in zip(given, parts, strict=True)]) / size
    point = np.array([g - (f.estimate or 0) + (m.estimate or 0) for g, (f, m) in zip(given, parts, strict=True)]) / size
    said = given / size
    by_chance = [_spread(said, low, high, most=most) for most in (False, True)]

    def kappa(agree: float, expected: float) -> float:
        return (agree - expected) / (1 - expected) if expected < 1 else 1.0

    estimate = kappa(1 - whole.estimate / size, float(said @ point))
    least, most = kappa(1 - whole.most / size, by_chance[1]), kappa(1 - whole.least / size, by_chance[0])
    return Interval.around(estimate, max(least, 0.0), min(max(most, 0.0), 1.0))


def _spread(said: Array, low: Array, high: Array, *, most: bool) -> float:
    """The largest, or smallest, agreement by chance when the shares of the true labels lie between bounds.

    Undecided items have no label, so the shares may sum to less than one.
    """
    shares = low.copy()
    if most:
        left = 1 - shares.sum()
        for c in np.argsort(-said):
            more = min(max(left, 0.0), high[c] - low[c])
            shares[c] += more
            left -= more
    return min(float(np.dot(said, shares)), 1.0)


# ── which stay ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Kept:
    """What is promised, and what is not, of the labels of one class that stay."""

    label: Label
    kept: int
    """Labels of this class that stay although nobody has looked."""
    wrong: int
    """So many of these may be wrong."""
    hidden: int
    """So many of this class may stay under another label."""
    found: int
    """Items of this class that people have labeled."""

    @property
    def unsaid(self) -> str:
        """The sentence; "" where the class is neither kept nor hidden."""
        if not self.kept and not self.hidden:
            return ""
        of = f"of the {self.kept:,} labels {self.label!r} that stay, as many as {self.wrong:,} may be wrong"
        if self.kept and self.wrong == self.kept:
            of = f"of the {self.kept:,} labels {self.label!r} that stay, all may be wrong"
        if not self.kept:
            of = f"no label {self.label!r} stays"
        return f"{of}; among the others that stay, as many as {self.hidden:,} may be {self.label!r}"


@dataclass(frozen=True)
class CheckStatus:
    """How a check stands."""

    phase: str
    """random, doubtful, order, sweep, or done; "measuring" where no limit was given."""
    size: int
    kept: int
    """Labels that stay although nobody has looked, so far."""
    confirmed: int
    """People found so many right."""
    corrected: int
    """… wrong, and gave another."""
    undecided: int
    """… and could not say."""
    open: int
    """Nobody has looked, and they do not stay."""
    waiting: int
    """Questions that wait now."""
    limit: int | None
    """At most so many of those kept are wrong, if anything stays; None without a limit."""
    rate: float | None
    """Of the coins; None where there is no sweep."""
    swept: int
    caught: int
    """Errors that coins found, of `allowed`; in a random order those found in it."""
    allowed: int | None
    """None where there is no sweep."""
    confidence: float
    classes: tuple[Kept, ...]
    fingerprint: str
    """Of the log where the sweep ended, or as it is now if something stays already, 16 hex digits; else ""."""

    @property
    def looked(self) -> int:
        """Labels that a person looked at."""
        return self.confirmed + self.corrected + self.undecided

    @property
    def sentence(self) -> str:
        """What is promised, or how far it is."""
        sure = f"{share(self.confidence)} sure"
        if self.limit is None:
            return f"People looked at {self.looked:,} of {self.size:,} labels, and corrected {self.corrected:,}."
        if self.phase in (RANDOM, DOUBTFUL) or (self.phase in (ORDER, SWEEP) and not self.kept):
            steps = {RANDOM: "Some at random first", DOUBTFUL: "The most doubtful first"}
            steps |= dict.fromkeys((ORDER, SWEEP), "The audit has begun")
            return (
                f"{steps[self.phase]}: people looked at {self.looked:,} of {self.size:,} labels and corrected "
                f"{self.corrected:,}. Nothing is promised yet."
            )
        if not self.kept:
            return (
                f"No label stays without a person. People looked at {self.looked:,} of {self.size:,} and corrected "
                f"{self.corrected:,}; {self.open:,} are open."
            )
        of_kept = min(self.limit / self.kept, 1.0)
        so_far = "" if self.phase == "done" else " so far"
        return (
            f"{self.kept:,} of {self.size:,} labels stay without a person{so_far}: at most {self.limit:,} of them are "
            f"wrong ({sure}, however often you look). That is {chance(self.limit / self.size, 1)} of the file, and as "
            f"many as {chance(of_kept, 1)} of those that stay. People looked at {self.looked:,} and corrected "
            f"{self.corrected:,}; {self.open:,} are open."
        )

    @property
    def unsaid(self) -> tuple[str, ...]:
        """What the promise does not say of each class."""
        return tuple(one.unsaid for one in self.classes if one.unsaid) if self.limit is not None and self.kept else ()

    def _repr_html_(self) -> str:
        return display.card("Check of given labels", [self.sentence, *self.unsaid[:10]])


def status(state: CheckState) -> CheckStatus:
    """How a check stands, by its log alone."""
    errors, plan = state.terms["errors"], state.plan
    kept = state.kept()
    rows = [row for row in state.answers if state.there[row]]
    undecided = sum(state.answers[row] is None for row in rows)
    corrected = sum(bool(state.wrong(row)) for row in rows) - undecided
    found = state.sweep() if plan else None
    phase = "measuring" if errors is None else state.batches[-1].what if state.batches else RANDOM
    if state.extra is not None:
        phase = "done"
    elif plan is not None or state.whole is not None:
        phase = SWEEP if plan is not None else ORDER
    return CheckStatus(
        phase=phase,
        size=state.size,
        kept=len(kept),
        confirmed=len(rows) - corrected - undecided,
        corrected=corrected,
        undecided=undecided,
        open=state.size - len(rows) - len(kept),
        waiting=len(state.waiting()),
        limit=errors,
        rate=plan.rate if plan else None,
        swept=found.reach if found else 0,
        caught=found.caught if found else state.ordered().wrong if state.whole else 0,
        allowed=plan.allowance if plan else None,
        confidence=state.terms["level"],
        classes=_kept_classes(state, kept, errors),
        fingerprint=(state.ended_with or (state.digest if kept else ""))[:FINGERPRINT_DIGITS],
    )


def _kept_classes(state: CheckState, kept: Sequence[int], errors: int | None) -> tuple[Kept, ...]:
    if errors is None or not kept:
        return ()
    told: dict[str, int] = {}
    for label in state.answers.values():
        if label is not None:
            told[label] = told.get(label, 0) + 1
    stays: dict[str, int] = {}
    for row in kept:
        stays[state.guess(row)] = stays.get(state.guess(row), 0) + 1
    return tuple(
        Kept(
            name,
            stays.get(name, 0),
            min(errors, stays.get(name, 0)),
            min(errors, len(kept) - stays.get(name, 0)),
            told.get(name, 0),
        )
        for name in sorted({*state.names, *told})
    )
