"""The records of Askwise: what is asked, what was answered, what is known of the model, what was proved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from askwise import display
from askwise.core.errors import MissingExtra
from askwise.core.promises import Promised, promise
from askwise.core.protocols import Array, Label, Rows
from askwise.core.shares import between, chance, share


def frame(columns: Mapping[str, Sequence[Any]], instead: str) -> Any:
    """A pandas frame of equally long columns; pandas is no dependency of ours, so it may be missing.

    Args:
        columns: Name → values, in the order of the frame.
        instead: What gives the same without pandas, as the end of a sentence.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise MissingExtra(
            f"to_frame() gives a pandas frame, and pandas is not installed: pip install pandas. Without it, {instead}."
        ) from None
    return pd.DataFrame(dict(columns))


# ── asking ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Selection:
    """What `select` returns: rows to ask about, most useful first."""

    rows: Rows
    """(k,) row numbers."""
    scores: Array
    """(k,) acquisition scores; higher = ask sooner."""
    strategy: str
    """The strategy that chose (the inner one, where a combinator delegated)."""
    parts: tuple[str, ...] = ()
    """For each row the name of the strategy that chose it."""

    def to_frame(self) -> Any:
        """A pandas frame, most useful first: row (number in the pool), score, strategy (that chose it).

        Raises:
            MissingExtra: pandas is not installed.
        """
        parts = self.parts or (self.strategy,) * len(self.rows)
        columns: dict[str, Any] = {"row": self.rows, "score": self.scores, "strategy": list(parts)}
        return frame(columns, "the same lies in .rows, .scores and .parts")

    def _repr_html_(self) -> str:
        n = len(self.rows)
        if n == 0:
            return display.card(f"Selection by {self.strategy}", ["No row to ask about."])
        parts = self.parts or (self.strategy,) * n
        mixed = len(set(parts)) > 1
        shown = zip(self.rows.tolist(), np.asarray(self.scores).tolist(), parts, strict=True)
        rows = [[row, f"{score:.4g}", *[part] * mixed] for row, score, part in list(shown)[: display.MOST]]
        columns = ["row of the pool", "score", *["chosen by"] * mixed]
        return display.card(
            f"Selection by {self.strategy}",
            [f"{n:,} row{'' if n == 1 else 's'} to ask about, most useful first."],
            display.table(columns, rows, more=n - display.MOST),
        )


@dataclass(frozen=True)
class Query:
    """One question to an oracle or an annotator."""

    item: str
    """Item id."""
    row: int
    """Row number in the pool."""
    content: Any
    """What is shown: the text, or the feature row of an array pool."""
    reason: str
    """Why it was asked, one sentence."""
    strategy: str = ""
    probability: float | None = None
    """Sampling probability of this draw where it was random (audit items), else None."""
    audit: bool = False
    """A uniformly random check item: its answer is evidence, so the model's guess must not be shown."""
    score: float | None = None
    round: int = 0
    """The ranking (model version) this question came from; 0 before the first model."""
    suggestion: Label | None = None
    """The model's guess, None for audit items and before the first model."""
    confidence: float | None = None
    """Calibrated probability of the guess."""
    guesses: tuple[tuple[Label, float], ...] = ()
    """The likeliest classes with their probabilities, likeliest first (empty for audit items)."""
    asked: int = 0
    """`seq` of the `asked` event in the log."""

    @property
    def text(self) -> str:
        """The content as text."""
        return str(self.content)


Oracle: TypeAlias = Callable[[Sequence[Query]], Sequence[Label]]
"""Simulated or programmatic annotator: one label for each query, in order."""


# ── honesty ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Estimate:
    """How good the current model is on the rest of the pool. True at every look."""

    accuracy: float | None
    """Plain estimate (0..1), marked as such; None before there is a model with check items."""
    low: float
    """With `confidence`, the accuracy on the rest is at least this, however often one looks."""
    high: float
    """… and at most this."""
    confidence: float
    audits: int
    """Random check items that count."""
    wrong: int
    """… of which the model had wrong, before learning from them."""
    rest: int
    """Items still to be decided: no human label, not marked unsure, not labeled by the model."""
    sets: bool = False
    """Items have sets of labels, and right is who has the whole set."""
    right_as: str = ""
    """What is counted as right, where "right" alone does not say it, such as " as whole sets"."""
    handed: int = 0
    """Items that the model has labeled under a certificate, which speaks for them; the rest is what it left."""
    unchecked: int = 0
    """Items of the rest that came after all these check items were drawn: the bounds take each for right or wrong,
    whichever is worse, and the plain estimate says nothing of them."""
    unmet: str = ""
    """What is proved of labels that nobody has met so far, in a sentence or two; "" where there is nothing to say."""

    @property
    def sentence(self) -> str:
        """What it says, for the person: one sentence, and what is proved of labels that nobody has met."""
        return f"{self._alone()} {self.unmet}".rstrip()

    def _alone(self) -> str:
        if self.rest == 0:
            return "Every item has an answer or a label by the model; nothing is left to estimate."
        if self.accuracy is None and self.handed:
            return (
                f"No estimate for the {self.rest:,} items left to people: too few random check items among them were "
                f"answered. What is proved of the {self.handed:,} labels by the model, the certificate says."
            )
        if self.accuracy is None:
            return f"No estimate yet for the remaining {self.rest:,}: too few random check items answered."
        whole = self.right_as
        return (
            f"Estimated {chance(self.accuracy)} right{whole} on the remaining {self.rest:,}; {self.audits} blind check "
            f"items ({self.wrong} wrong) prove between {between(self.low, self.high)} "
            f"({share(self.confidence)} sure, however often you look)."
            + (
                f" {self.unchecked:,} of these came later and are in no check yet: the bounds reckon with the worst of "
                "them, the estimate is of the others."
            )
            * (self.unchecked > 0)
        )

    def _repr_html_(self) -> str:
        known = self.rest > 0 and self.accuracy is not None
        picture = display.interval(self.low, self.high, self.accuracy, self.sentence) if known else ""
        return display.card("Estimate", [self.sentence], picture)


@dataclass(frozen=True)
class Errors:
    """How far off guesses of numbers were on the last random check items; plain estimates that nothing guarantees."""

    checks: int
    """Answered check items that these are of, the last ones; their models may be older than today's."""
    mean_absolute: float
    """Mean absolute error, in the unit of the numbers."""
    mean_absolute_range: tuple[float, float]
    """Its bootstrap interval (Efron, 1979; percentiles), not simultaneous over looks."""
    root_mean_square: float
    """Root mean square error, in the unit of the numbers."""
    root_mean_square_range: tuple[float, float]
    """Likewise."""
    confidence: float = 0.95
    """Of each range by itself."""
    unit: str = ""

    @property
    def sentence(self) -> str:
        """One sentence for the person."""
        unit = f" {self.unit}" if self.unit else ""

        def said(value: float, span: tuple[float, float]) -> str:
            return f"{value:.3g}{unit} ({span[0]:.3g} to {span[1]:.3g})"

        return (
            f"On the last {self.checks} blind check items the guesses were off by "
            f"{said(self.mean_absolute, self.mean_absolute_range)} on average; root mean square error "
            f"{said(self.root_mean_square, self.root_mean_square_range)}. Plain estimates with "
            f"{share(self.confidence)} bootstrap intervals, not proved."
        )


@dataclass(frozen=True)
class Interval:
    """A quantity between 0 and 1: a plain estimate, and bounds that hold at every look."""

    estimate: float | None
    """Covered by no guarantee; None where nothing was seen."""
    low: float
    high: float

    @classmethod
    def around(cls, estimate: float | None, low: float, high: float) -> Interval:
        """With the estimate moved into the bounds where it lies outside."""
        return cls(None if estimate is None else min(max(estimate, low), high), low, high)


@dataclass(frozen=True)
class ClassMetrics:
    """How good the current model is at one class, on the rest."""

    label: Label
    guessed: int
    """Items of the rest that the model takes for this class."""
    precision: Interval
    """Share of these that are of the class."""
    recall: Interval
    """Share of the class's items that the model takes for it."""
    f1: Interval


@dataclass(frozen=True)
class Metrics:
    """How good the current model is at each class, on the rest. True at every look; see `audit.metrics_on_rest`."""

    classes: tuple[ClassMetrics, ...]
    """The bounds of one class hold together with `confidence`."""
    balanced_accuracy: Interval
    """Mean recall of the classes that occur on the rest; bounds hold for all classes together."""
    auroc: Interval | None
    """Area under the ROC curve, with two classes; bounds that hold for any ranking with these guesses."""
    confidence: float
    audits: int
    """Random check items answered."""
    rest: int
    about: str = ""
    """What the numbers speak of, behind "about", where that is not the current model on the rest."""


@dataclass(frozen=True)
class Verdict:
    """Advice on whether to go on; never a lock."""

    ready: bool
    """True when stopping to certify and auto-label is the better bargain, or nothing is left."""
    reason: str
    """One sentence that says why."""
    labels_left: int | None = None
    """Forecast of human labels still to give until the pool is done (checks included); None = cannot tell yet."""
    labels_left_range: tuple[int, int] | None = None
    """A plausible range for the forecast."""
    region: int = 0
    """Items that could be handed to the model now, by projection."""
    minutes_left: float | None = None
    """The forecast in minutes of people, from the time recent answers took; None where none was measured."""
    minutes_left_range: tuple[float, float] | None = None
    """A plausible range."""
    money_left: float | None = None
    """The same at a price per hour; None where none was given."""
    money_left_range: tuple[float, float] | None = None

    def _repr_html_(self) -> str:
        return display.card(f"Verdict: {'ready' if self.ready else 'not ready'} (advice)", [self.reason])


@dataclass(frozen=True)
class Control:
    """What asking cleverly was worth: a forecast from the check items and from fits on random samples, no proof."""

    labels: int
    """Given so far."""
    needed: int | None
    """Labels in random order that would leave as few labels wrong, were the model to label the rest; None = cannot
    tell yet."""
    low: int | None
    """Between this …"""
    high: int | None
    """… and this with about 90 % (no guarantee; measured in docs/control.md)."""
    checks: int
    """Random check items answered."""

    @property
    def told_apart(self) -> bool:
        """Whether it is clear that random sampling would have needed more, or fewer."""
        return self.low is not None and self.high is not None and not self.low <= self.labels <= self.high

    @property
    def sentence(self) -> str:
        """One sentence for the person."""
        if self.needed is None or self.low is None or self.high is None:
            return "Whether asking cleverly was worth it cannot be told yet: too few labels or check items so far."
        what = f"about {self.needed:,} labels ({self.low:,} to {self.high:,})"
        if not self.told_apart:
            return (
                f"Whether asking cleverly was worth it cannot be told yet: with random sampling {what} would leave as "
                f"few wrong as these {self.labels:,}."
            )
        verb = "would have taken" if self.low > self.labels else "would have taken only"
        return f"Random sampling {verb} {what} to leave as few wrong as these {self.labels:,}."


MOST_NAMED = 4
"""So many classes are named of which a certificate says little; of others only how many they are."""


def unsaid(allowed: int, certified: int, classes: Sequence[tuple[Label, int]], *, would: bool = False) -> str:
    """What a bound on all wrong labels together leaves open about single classes; "" where nothing is worth saying.

    An item of a class that is labeled otherwise is a wrong label. So if at most `allowed` labels are wrong, at most
    that many items of the class are hidden among those labeled otherwise; and nothing in the bound says that they are
    fewer. Named are the classes of which as many could be hidden as are labeled so.

    Args:
        allowed: Wrong labels at most.
        certified: Labels that this is about.
        classes: (class, how many of these are labeled so).
        would: It is about a certificate that is still to be given.
    """
    groups: dict[int, list[tuple[int, Label]]] = {}
    for name, n in classes:
        most = min(allowed, certified - n)
        if most and most >= n:
            groups.setdefault(most, []).append((n, name))
    if not groups:
        return ""
    says = [f"at most {most:,} of the {certified:,} could hide {_hiding(group)}" for most, group in groups.items()]
    verb = "would say" if would else "says"
    way = "Items of a rare class are found by a search: askwise screen SESSION --relevant LABEL"
    return f"Of single classes it {verb} less: {'; '.join(says)}. {way}"


def _hiding(group: Sequence[tuple[int, Label]]) -> str:
    """`spam (labeled so: 2)`, of the rarest classes first."""
    named = [f"{name} (labeled so: {n:,})" for n, name in sorted(group)[:MOST_NAMED]]
    more = len(group) - MOST_NAMED
    return ", or ".join(named) + (f", or {more:,} more {'class' if more == 1 else 'classes'}" if more > 0 else "")


FINGERPRINT_DIGITS = 16
"""Of a fingerprint, so many hex digits are shown."""


@dataclass(frozen=True)
class Certificate:
    """A proof that at most `max_error` of `certified` auto-labeled items are wrong."""

    max_error: float
    confidence: float
    attempt: int
    """1, 2, …: each attempt spends its own share of 1 - confidence."""
    alpha: float
    """The share spent by this attempt."""
    region: int
    """Items in the frozen region."""
    audits: int
    """Checked blind, in a random order fixed at the freeze."""
    wrong: int
    """… of which the model had wrong."""
    certified: int
    """Items labeled by the model under this certificate: region - audits."""
    target: Promised = "auto"
    """For "recall", `max_error` is the share of relevant items that may be missed."""
    found: int = 0
    """Relevant items found before its checks, for "recall"; with the `wrong` ones of the checks all that are found."""
    label: Label | None = None
    """Not None: it is about the items that the model labels so, and only these."""
    whole: int = 0
    """For "file", the items of the pool, of which all labels by the model together are wrong on `max_error` at most."""
    people: int = 0
    """Not 0: checked items were labeled by several of so many people, and their consensus counts as the truth."""
    void: str = ""
    """Not empty: the evidence was changed afterwards, and how; the certificate no longer holds."""
    fingerprint: str = ""
    """Digest of the log at the decision (64 hex digits), which `askwise verify` computes anew; "" in old logs."""
    sets: bool = False
    """Items have sets of labels, and a set with one label missing or too much is wrong."""
    strict: str = ""
    """What counts as wrong, as a sentence, where "wrong" alone does not say it."""
    allowed: int | None = None
    """With `confidence`, so many of the `certified` labels are wrong at most; None for "recall" and in old records."""
    classes: tuple[tuple[Label, int], ...] = ()
    """How many of the `certified` items the model labels so, for each class."""
    changed: int = 0
    """Checks whose answer was changed by who had given it, when it could be seen from the counts whether it agreed."""
    later: int = 0
    """Items that came to the session after its freeze: nothing is claimed of them."""
    since: tuple[str, ...] = ()
    """How labels were changed after its freeze: it speaks of them as they were."""
    withdrawn: int = 0
    """Items of its region that were withdrawn from the session since: it still counts them, as they were."""
    by_doubt: float = 0.0
    """Its checks were drawn by weights, of which such a share goes by the model's doubt; 0: all were as likely."""

    @property
    def unsaid(self) -> str:
        """What it leaves open about single classes, in a sentence; "" where it bounds the errors of each."""
        if self.void or self.allowed is None:
            return ""
        return unsaid(self.allowed, self.certified, self.classes)

    @property
    def short_fingerprint(self) -> str:
        """The part of the fingerprint that is shown and compared; "" in old logs."""
        return self.fingerprint[:FINGERPRINT_DIGITS]

    @property
    def sentence(self) -> str:
        """One sentence for the person."""
        if self.void:
            return f"This certificate no longer holds: {self.void}"
        return promise(self.target).sentence(self)

    def _repr_html_(self) -> str:
        if self.void:
            return display.card("Certificate, void", [self.sentence])
        verify = (
            f"askwise verify SESSION --fingerprint {self.short_fingerprint} recomputes it from the session's file. "
        )
        return display.card(
            f"Certificate of attempt {self.attempt}",
            [self.sentence, self.unsaid],
            display.note(
                (verify if self.fingerprint else "")
                + "This is how it stood when it was asked for; session.certificates() recounts it."
            ),
        )


@dataclass(frozen=True)
class Recall:
    """Where a search for rare items stands: what is found, and what is proved about what is not."""

    target: float
    """Share of the relevant items to find."""
    confidence: float
    found: int
    """Relevant items known, those that came with the data included."""
    read: int
    """Items with an answer, those that came with the data included."""
    unread: int
    low: float
    """With `confidence`, at least this share is found, however often one looks; from random checks alone."""
    checks: int
    """Random checks that count for `low`."""
    low_if_ranked: float
    """The same, if the ranking is no worse than a random order; from all answers. Nothing checks that."""
    reached: bool
    """The target is proved: a certificate, or nothing is unread."""
    reached_if_ranked: bool
    """The target is reached if the ranking is no worse than a random order."""
    left_if_ranked: int | None
    """Answers until then if nothing more turns up; None where it cannot be told yet."""
    dry: int
    """Answers since the last relevant item."""

    @property
    def sentence(self) -> str:
        """One sentence for the person."""
        if not self.found:
            return f"No relevant item among {self.read:,} read; {self.unread:,} are unread."
        what = f"{self.found:,} relevant items among {self.read:,} read"
        if self.unread == 0:
            return f"{what}: everything is read."
        low, ranked = (math.floor(100 * x + 1e-9) for x in (self.low, self.low_if_ranked))
        says = [f"{self.checks:,} random checks prove at least {low}% of all"] if low else []
        if ranked > low:
            says.append(f"at least {ranked}% if the ranking is no worse than random order")
        if not says:
            return f"{what}; too few to say how many are missed."
        return f"{what}; {', '.join(says)} ({share(self.confidence)} sure each, however often you look)."


@dataclass(frozen=True)
class AutoLabels:
    """The answer of `Session.autolabel`."""

    status: Literal["certified", "checking", "refused"]
    """`checking`: the region is frozen and blind checks are still to be answered."""
    reason: str
    """What was proved, or what is missing and what to do."""
    labels: Mapping[str, Label] = field(default_factory=dict, repr=False)
    """Item id → label, for what the model labeled (only when certified)."""
    certificate: Certificate | None = None
    """The first of `certificates`."""
    certificates: tuple[Certificate, ...] = ()
    """One, or with limits for each class one for each class that passed."""
    checks_done: int = 0
    checks_left: int | None = None
    """Checks still needed if all go well; None when nothing is pending."""
    deferred: int = 0
    """Items that stay with people."""
    resumable: int | None = None
    """Checks that an attempt which had ended still needs if they go on with the answers as they are, and all go well:
    `Session.resume_autolabel`. None: none can go on."""

    def __bool__(self) -> bool:
        return self.status == "certified"

    def _repr_html_(self) -> str:
        void = any(c.void for c in self.certificates)  # the sentence says which, and why
        status = "not all of it is certified any more" if void else self.status
        return display.card(f"Labels by the model: {status}", [self.reason, *(c.unsaid for c in self.certificates)])


@dataclass(frozen=True)
class Answer:
    """The current answer to one item, as folded from the log."""

    row: int
    kind: Literal["label", "skip", "unsure", "given"]
    """`given`: came with the data."""
    label: Label | None
    annotator: str
    seq: int
    at: float
    seconds: float | None = None
    round: int = 0
    probability: float | None = None
    audit: bool = False
    strategy: str = ""
    flag: str | None = None
    seen: bool = False
    """Whether the model's guess on the item had been shown to whoever answered: then it is no blind check."""
    late: bool = False
    """Given after somebody else had labeled the item, to a question asked before that: kept, but it decides nothing."""
    said: Label | None = None
    """What was said, where that class has been merged into `label`."""


@dataclass(frozen=True)
class Annotator:
    """What one person has done."""

    name: str
    labels: int
    unsure: int
    skipped: int
    seconds: float
    """Time spent on these answers, as far as it was measured."""
    shared: int
    """Items that others labeled, too; answers asked for because a label was doubtful are left out."""
    quality: float | None
    """Expected share of right labels, from the shared items (Dawid & Skene, 1979); None without any."""
    timed: int = 0
    """Labels whose time was measured."""
    pace: float | None = None
    """Seconds that one of these took, the median: a break counts as one slow label; None without any."""


@dataclass(frozen=True)
class Agreement:
    """How well people agree on the items that several labeled; answers asked for out of doubt are left out."""

    items: int
    same: int
    """… on which all gave the same label."""
    alpha: float | None
    """Krippendorff's; None where it is not defined."""
    fleiss: float | None
    """Fleiss' kappa, of the items with the most common number of labels."""
    cohen: Mapping[tuple[str, str], float]
    """Cohen's kappa of each two people with items in common."""


@dataclass(frozen=True)
class CurvePoint:
    """The state of knowledge after some number of human labels."""

    labels: int
    accuracy: float | None
    low: float
    high: float
    audits: int
    at: float
    seconds: float
    """What the refresh took."""
    truth: float | None = None
    """Accuracy against hidden truth, in simulations only."""
    rest: int | None = None
    """Items still to be decided; this and what follows is None in logs written before it was recorded."""
    doubt: float | None = None
    """Mean of 1 - confidence on the rest."""
    doubt_most: float | None = None
    """The largest."""
    changed: int | None = None
    """Items whose guess differs from that of the model before; None for the first."""
    kappa: float | None = None
    """Cohen's kappa of these guesses with those of the model before; None for the first."""


@dataclass(frozen=True)
class Report:
    """Everything a report shows, as numbers; `askwise.report` renders it."""

    title: str
    created: float
    items: int
    rows: int
    """Rows of the input, exact duplicates included."""
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    """Class → {"human": …, "given": …, "model": …}."""
    human: int
    given: int
    auto: int
    open: int
    """Items without any label."""
    unsure: int
    skipped: int
    flagged: tuple[tuple[str, str], ...]
    """(item, note)."""
    estimate: Estimate
    verdict: Verdict
    curve: tuple[CurvePoint, ...]
    attempts: tuple[Mapping[str, Any], ...]
    """Certification attempts: number, region, checks, wrong, alpha, outcome."""
    certificates: tuple[Certificate, ...]
    asked: Mapping[str, int]
    """Strategy → questions answered."""
    seconds: float
    """Human seconds spent answering, as far as they were measured."""
    settings: Mapping[str, Any]
    """Strategy, encoder, learner, seed, audit share, version …"""
    problems: tuple[str, ...] = ()
    """Rows of the input that could not be loaded."""
    recall: Recall | None = None
    """Where a search for rare items stands; None where the session is none."""
    control: Control | None = None
    """What asking cleverly was worth; None where the model is not at hand, and in a search."""
    advice: tuple[tuple[str, Verdict], ...] = ()
    """(criterion, what it says) of each criterion for stopping."""
    truth: Mapping[str, Any] | None = None
    """Comparison with hidden truth, in simulations and the demo only."""
    errors: Errors | None = None
    """How far off the guesses are, where answers are numbers; None else, and before there are check items."""
