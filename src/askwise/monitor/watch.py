"""Whether a model that was certified is still right about items that come later: a certificate that can expire."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from askwise.audit import drift
from askwise.core import Array, BadInput, Label, Matrix, share, unknown
from askwise.model.said import to_ask
from askwise.monitor.first import FEWEST, First
from askwise.monitor.terms import checked_model, checked_terms, identity, length
from askwise.options import option

Holds: TypeAlias = Literal["still holds", "cannot tell", "no longer"]

FORMAT = 1
"""Of `to_json`; rises when a program of today would misread it."""
ALARMS = 0.5
"""Of 1 - confidence, what checks may spend on "no longer"; looks get the rest. "Still holds" has its own."""
WHOLE = 0.8
"""Of 1 - confidence, what "still holds" of all items so far may spend; those since they look different get the rest."""
BINS = 64
DIRECTIONS = 8
"""Main directions of the reference, outside of which the rest of an item is measured."""
SHOWN = 2
"""Of them, those that are channels of their own."""
WIDEST = 4096
"""Features of which directions are sought."""
WAITING, UNSURE, RIGHT, WRONG = -1, -2, 0, 1
_LAY_OUT, _CHECK, _TIE = range(3)
"""Streams of random numbers, so that which items are checks depends on nothing but seed and number."""


@dataclass(frozen=True)
class Taken:
    """What a monitor says of new items at once."""

    numbers: range
    """Of these items among all that the monitor has taken, from 0 on."""
    checks: list[int]
    """Numbers of those that are random checks: a person labels each, blind, and the label goes to `Monitor.tell`."""
    labels: list[Label]
    """(n,) by the model; "" at a check, whose guess stays hidden."""
    confidence: Array
    """(n,) in 0..1; NaN at a check."""
    ask: Array
    """(n,) bool: a person is to label it: a check, or the model is not sure enough and nothing is claimed of it."""


@dataclass(frozen=True)
class Status:
    """What is known now. `verdict` and `sentence` are true at every look, with the confidence the sentence names."""

    verdict: Holds
    sentence: str
    max_error: float
    confidence: float
    items: int
    """New ones so far."""
    covered: int
    """… of which the model is sure enough to label them: of these all of it speaks, checks included."""
    checks: int
    """… of which were drawn as checks."""
    waiting: int
    """Checks without an answer."""
    wrong: int
    unsure: int
    """Checks that a person could not decide; like those that wait they count against either claim."""
    at_least: float
    """With a confidence of 1 - (1 - confidence) / 4, at least this share of all covered labels so far is wrong …"""
    at_most: float
    """… and with a confidence of 1 - 0.8 (1 - confidence) at most this; each bound for itself, at all looks."""
    needed: int | None
    """Right answers, those waited for included, until "still holds", if none is wrong; 0 = it is so, None = never."""
    holds_evidence: float
    """E-value against "more than `max_error` of the covered labels so far are wrong", all open checks counted wrong."""
    no_longer_evidence: float
    """The largest so far for "more than `max_error` of a window's labels are wrong"; 0 without a wrong check."""
    no_longer: tuple[int, int] | None
    """Numbers of the first and last item of a window in which more than `max_error` of the model's labels are wrong."""
    looks_different: int | None
    """Number of the item at which it was clear that new items look different; None = not so far."""
    differs_in: str
    """The channel that showed it."""
    looks_evidence: dict[str, float] = field(default_factory=dict)
    """Channel → the largest e-value so far against "new and reference items are exchangeable"."""
    reference_left: int = 0
    """New items that become reference before looks are compared."""


@dataclass
class _Check:
    number: int
    place: int
    """Covered items before it."""
    guess: str
    outcome: int = WAITING
    label: str | None = None


class Monitor:
    """Watches a frozen model on new items, and says whether a limit on its errors still holds of them.

    Nothing that was proved of old items is taken as evidence about new ones. A random share of the new ones that the
    model labels itself goes to a person; what these checks prove is all that "still holds" and "no longer" rest on, and
    they need no assumption about the items (`askwise.audit.drift` has the proofs). Beside them new items are compared
    with reference items, without labels: where they look different, "still holds" is withdrawn until checks of items
    since then have decided.

    Of a monitor's whole life, at all looks together: with a probability of at most (1 - confidence) / 2 a "no longer"
    is ever false; with at most (1 - confidence) / 2 items are ever said to look different though they and the reference
    are exchangeable; and with at most 1 - confidence a "still holds" is ever false.

    >>> import numpy as np
    >>> from askwise.model import Model
    >>> X = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
    >>> y = np.where(X[:, 0] > 0, "yes", "no")
    >>> model = Model(kind="array").fit(X[:300], y[:300])
    >>> monitor = Monitor(model, X[300:500], max_error=0.2, check_share=0.3, least=0.9)
    >>> taken = monitor.take(X[500:])
    >>> for number in taken.checks:
    ...     monitor.tell(number, y[500 + number])
    >>> monitor.status().verdict
    'still holds'

    Args:
        model: From `Session.model` or `askwise.model.load`; it does not learn meanwhile.
        reference: Items that new ones are compared with: drawn at random from what used to come, and seen by neither
            the model nor its encoder while they learned (items of the session are no such; docs/monitor.md measures
            it). (n,) raw items, or a float array of the model's (n,) confidences in such items. Or a number: so many of
            the first new items are the reference, and those after them are compared with these. Or None: then looks are
            not compared.
        max_error: Share of the model's labels that may be wrong, in (0, 1).
        confidence: In (0, 1).
        check_share: Probability with which an item is drawn as a check, in (0, 1].
        least: The model labels items of which it is at least so sure; None = as sure as of items that were certified,
            as the model's card has it.
        planned: (checks, wrong) of the old certificate. It plans how to bet on new checks, and is no evidence.
        compare: "all" items, or the "confident" ones only, where the reference has no others.
        seed: Decides which items are checks. Who chooses the items should not know it.

    Raises:
        BadInput: A number out of range, a reference too small or of another kind, no `least` and no certificate.
    """

    def __init__(
        self,
        model: Any,
        reference: Any,
        *,
        max_error: float,
        confidence: float = 0.95,
        check_share: float = 0.1,
        least: float | None = None,
        planned: tuple[int, int] = (0, 0),
        compare: Literal["all", "confident"] = "all",
        seed: int = 0,
    ) -> None:
        self._model = checked_model(model)
        self._terms = checked_terms(
            {
                "max_error": max_error, "confidence": confidence, "check_share": check_share, "least": least,
                "planned": planned, "compare": compare, "seed": seed,
            }
        )  # fmt: skip
        if least is None and (model.card is None or not model.card.least):
            raise BadInput(
                "No certificate stands for this model, so it is not known how sure it must be to label an item alone. "
                f"Give the least confidence, {option('least')}; or certify in the session first."
            )
        self._begin()
        self._begin_looks(reference)

    def _begin(self) -> None:
        """What follows from the terms, and counts at zero."""
        terms = self._terms
        self._alpha = 1 - terms["confidence"]
        old_checks, old_wrong = terms["planned"]
        self._weights = drift.planned_weights(old_checks, old_wrong, terms["max_error"])
        self._draws, self._ties = (np.random.default_rng([terms["seed"], stream]) for stream in (_CHECK, _TIE))
        self._items = self._covered = 0
        self._checks: list[_Check] = []
        self._by_number: dict[int, int] = {}
        self._alarm: drift.Alarm | None = None
        self._different: tuple[int, int, int] | None = None
        """(number of the item, covered items up to it, channel) at which items were first said to look different."""
        self._first: First | None = None
        self.channels: tuple[str, ...] = ()
        self._mean = self._directions = np.zeros((0, 0))
        self._edges: list[Array] = []
        self._ranks: drift.Ranks | None = None
        self._peaks = np.zeros(0)

    # ── the reference ───────────────────────────────────────────────────────────────────────

    def _begin_looks(self, reference: Any) -> None:
        if reference is None:
            return
        if isinstance(reference, int | np.integer) and not isinstance(reference, bool):
            if reference < FEWEST:
                raise BadInput(
                    f"The first {int(reference)} new items are too few to compare later ones with: {FEWEST} or more, "
                    "better some hundred. Or give None, and looks are not compared."
                )
            self._first = First(int(reference))
            return
        self._lay_out(*self._reference(reference))

    def _lay_out(self, features: Matrix | None, sure: Array) -> None:
        """One half of the reference lays out bins and directions, the other is what new items are ranked among."""
        n = len(sure)
        if n < FEWEST:
            raise BadInput(
                f"{n} reference items are too few to compare new ones with: give {FEWEST} or more, better some hundred"
                + ("; of them only those count of which the model is sure enough." if self._confident else ".")
                + " Or give None for them, and looks are not compared."
            )
        order = np.random.default_rng([self._terms["seed"], _LAY_OUT]).permutation(n)
        first, second = np.sort(order[: n // 2]), np.sort(order[n // 2 :])
        if features is not None:
            X = _dense(features)
            self._mean = X[first].mean(axis=0)
            most = min(DIRECTIONS, len(first), X.shape[1])
            self._directions = np.linalg.svd(X[first] - self._mean, full_matrices=False)[2][:most]
            shown = min(SHOWN, most)
            self.channels = ("confidence", *(f"direction {i + 1}" for i in range(shown)), "what directions leave out")
        else:
            self.channels = ("confidence",)
        scores = self._scores(features, sure)
        quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
        self._edges = [np.unique(np.quantile(column, quantiles)) for column in scores[first].T]
        self._ranks = drift.Ranks.of(self._bins(scores[second]), BINS)
        self._peaks = np.zeros(len(self.channels))

    @property
    def _confident(self) -> bool:
        return bool(self._terms["compare"] == "confident")

    def _reference(self, reference: Any) -> tuple[Matrix | None, Array]:
        """((n, d) features, or None, and (n,) confidences) of what is to be compared."""
        numbers = reference if isinstance(reference, np.ndarray) and reference.ndim == 1 else None
        if numbers is not None and np.issubdtype(numbers.dtype, np.floating):
            if not (np.isfinite(numbers).all() and (numbers >= 0).all() and (numbers <= 1).all()):
                raise BadInput("Confidences of reference items are numbers from 0 to 1, and some of these are not.")
            if self._confident and self._terms["least"] is None:
                raise BadInput(
                    "Which of these confidences count depends on labels, which are not given. Give the reference items "
                    f"themselves, or {option('least')}."
                )
            sure = numbers.astype(np.float64)
            return None, sure[sure >= self._terms["least"]] if self._confident else sure
        features, labels, sure = self._model.seen(reference)
        if features.shape[1] > WIDEST:
            raise BadInput(
                f"The model has {features.shape[1]:,} features, and of more than {WIDEST:,} no directions are sought. "
                "Give the confidences of the reference items instead: model.judged(items)[1]."
            )
        if self._confident:
            kept = np.flatnonzero(self._covers(labels, sure))
            features, sure = features[kept], sure[kept]
        return features, np.asarray(sure, np.float64)

    def _scores(self, features: Matrix | None, sure: Array) -> Array:
        """(n, channels) what is ranked."""
        if len(self.channels) == 1:
            return np.asarray(sure, np.float64)[:, None]
        X = _dense(features) - self._mean
        along = X @ self._directions.T
        whole = (X**2).sum(axis=1)
        left = np.where((left := whole - (along**2).sum(axis=1)) > 1e-9 * whole, left, 0)  # else rounding
        return np.column_stack([sure, along[:, : len(self.channels) - 2], left])

    def _bins(self, scores: Array) -> Array:
        pairs = zip(self._edges, scores.T, strict=True)
        return np.column_stack([np.searchsorted(edges, column, side="right") for edges, column in pairs])

    def _covers(self, labels: Sequence[str], sure: Array) -> Array:
        if self._terms["least"] is None:
            return ~to_ask(labels, sure, self._model.card)
        return np.asarray(sure >= np.float32(self._terms["least"]), bool)

    # ── new items ───────────────────────────────────────────────────────────────────────────

    def take(self, items: Any) -> Taken:
        """Take new items in the order in which they come; nothing is taken where one of them cannot be read.

        Which are checks was drawn before: it depends on the seed and the number of the item alone, so giving items
        again or in other batches changes nothing.

        Args:
            items: (n,) as the model takes them.

        Raises:
            BadInput: They are not what the model takes.
        """
        if isinstance(items, Iterable) and not hasattr(items, "__len__"):
            items = list(items)
        n = items.shape[0] if hasattr(items, "shape") and len(items.shape) else length(items)
        before = self._draws.bit_generator.state
        drawn = self._draws.random(n) < self._terms["check_share"]
        try:
            features, labels, sure = self._model.seen(items) if n else (np.zeros((0, 0)), [], np.zeros(0, np.float32))
            scores = self._scores(features, sure) if n and self.channels else np.zeros((n, 0))
        except BaseException:
            self._draws.bit_generator.state = before
            raise
        covers = self._covers(labels, sure)
        numbers = range(self._items, self._items + n)
        compared = np.flatnonzero(covers) if self._confident else np.arange(n)
        if self._first is not None and (later := self._gather(features, sure, compared)) is not None:
            scores, compared = self._scores(features, sure), later
        self._compare(scores, covers, compared)
        checked = drawn & covers
        places = self._covered + np.cumsum(covers) - 1
        for at in np.flatnonzero(checked).tolist():
            self._by_number[numbers[at]] = len(self._checks)
            self._checks.append(_Check(numbers[at], int(places[at]), labels[at]))
        self._items += n
        self._covered += int(covers.sum())
        return _taken(numbers, labels, sure, checked, covers)

    def repeat(self, items: Any, first: int) -> Taken:
        """What was said of items that were taken before, once more; nothing is counted.

        Args:
            items: (n,) the same, in the same order.
            first: Number of the first of them.

        Raises:
            BadInput: So many were not taken, or they are not what the model takes.
        """
        _, labels, sure = self._model.seen(items)
        numbers = range(first, first + len(labels))
        if not 0 <= first <= numbers.stop <= self._items:
            raise BadInput(f"Items {first:,} to {numbers.stop - 1:,} were not taken: there are {self._items:,} so far.")
        checked = np.array([number in self._by_number for number in numbers], bool)
        return _taken(numbers, labels, sure, checked, self._covers(labels, sure))

    def _gather(self, features: Matrix, sure: Array, compared: Array) -> Array | None:
        """Keep the first items until they are enough to be the reference; then which of these come after them."""
        first = self._first
        assert first is not None  # noqa: S101 - looked at before
        now = compared[: first.wanted - len(first.sure)]
        wide = features.shape[1] > WIDEST  # then confidences alone, as of no more features directions are sought
        first.add(_dense(features[now][:, :0] if wide else features[now]), sure[now])
        if len(first.sure) < first.wanted:
            return None
        self._first = None
        self._lay_out(first.features if first.features.shape[1] else None, first.sure)
        return compared[len(now) :]

    def _compare(self, scores: Array, covers: Array, chosen: Array) -> None:
        if self._ranks is None or not len(scores):
            return
        noise = self._ties.random((len(chosen), len(self.channels)))
        if not len(chosen):
            return
        self._ranks, evidence = drift.look(self._ranks, self._bins(scores[chosen]), noise)
        self._peaks = np.maximum(self._peaks, evidence.max(axis=0))
        if self._different is None:
            limit = drift.look_limit((1 - ALARMS) * self._alpha, len(self.channels))
            at, channel = np.unravel_index(int((evidence >= limit).argmax()), evidence.shape)
            if evidence[at, channel] >= limit:
                place = int(chosen[at])
                self._different = self._items + place, self._covered + int(covers[: place + 1].sum()), int(channel)

    def waiting(self) -> list[int]:
        """Numbers of the checks that nobody has answered, in their order."""
        return [check.number for check in self._checks if check.outcome == WAITING]

    def tell(self, item: int, label: Label | Iterable[Any] | None, *, new: bool = False, content: Any = None) -> None:
        """What a person who did not see the guess says of a check. Told again, it is corrected, and all is recounted.

        Args:
            item: Its number, one of `Taken.checks`.
            label: One of the model's; of sets the labels, or the set as it is written; None = cannot be decided, which
                counts against either claim.
            new: The label may be one that the model does not know: then the model is wrong.
            content: The item, of which answers such as spans are a part; without it they are given as they are written.

        Raises:
            BadInput: It is no check, or the label is not known.
        """
        at = self._by_number.get(item) if isinstance(item, int | np.integer) and not isinstance(item, bool) else None
        if at is None:
            raise BadInput(
                f"Item {item!r:.60} is no check of this monitor. Answers count for what was drawn at random, and for "
                "nothing else: give one of the numbers in `checks`."
            )
        check = self._checks[at]
        was = check.outcome
        check.label = None if label is None else self._written(label, new, content)
        wrong = check.label is not None and self._model.task_.differ(check.guess, check.label)
        check.outcome = UNSURE if check.label is None else WRONG if wrong else RIGHT
        if was == WRONG:
            self._alarm = None
            self._watch(0)
        elif check.outcome == WRONG:
            self._watch(at)

    def _written(self, label: Any, new: bool, content: Any) -> str:
        order, task = [str(name) for name in self._model.labels_], self._model.task_
        if not task.closed:
            if content is None and task.is_written(label, order):
                return str(label)
            said = task.read(label, lambda part, _=None: str(part), content)
            extra = [name for name in task.labels_in(said) if name not in order]
            if extra and not new:
                raise unknown("label", extra[0], order)
            return str(task.write(said, [*order, *extra]))
        if not isinstance(label, Iterable) or isinstance(label, str | bytes) or not hasattr(label, "__len__"):
            name = str(label)
            if name in order or (new and name.strip()):
                return name
            hint = f" If it is a new one, give {option('new', True)}: the model is wrong then."
            raise BadInput(unknown("label", name, order).marked + hint)
        raise BadInput(f"An item has one label, got {label!r:.60}.")

    def _watch(self, first: int) -> None:
        """See whether checks from number `first` on raise an alarm; earlier ones were seen to."""
        wrong = np.array([check.outcome == WRONG for check in self._checks], bool)
        ends = np.flatnonzero(wrong) + 1
        found = drift.strongest_alarm(wrong, self._terms["max_error"], ends=ends[ends > first])
        if found is not None and (self._alarm is None or found.evidence > self._alarm.evidence):
            self._alarm = found

    # ── what is known ───────────────────────────────────────────────────────────────────────

    def status(self) -> Status:
        """What is known now; looking often costs nothing."""
        limit, alpha, weights = self._terms["max_error"], self._alpha, self._weights
        outcomes, since, claims = self._claims()
        m, k = len(outcomes), int(np.count_nonzero(outcomes != RIGHT))
        missing = [
            drift.right_needed(
                len(part), int(np.count_nonzero((part == WRONG) | (part == UNSURE))), limit, spend, bets,
                waiting=int(np.count_nonzero(part == WAITING)),
            )
            for part, spend, bets in claims
        ]  # fmt: skip
        needed = None if None in missing else max(int(n or 0) for n in missing)
        verdict, window = self.verdict, self._window()
        evidence = drift.holds_evidence(m, k, limit, weights)
        most = drift.at_most(m, k, WHOLE * alpha, weights)
        if evidence >= -math.log(WHOLE * alpha):
            most = min(most, limit)  # the grid may lie a millionth above what is proved
        return Status(
            verdict=verdict,
            sentence=self._sentence(verdict, outcomes, since, needed),
            max_error=limit,
            confidence=self._terms["confidence"],
            items=self._items,
            covered=self._covered,
            checks=m,
            waiting=int(np.count_nonzero(outcomes == WAITING)),
            wrong=int(np.count_nonzero(outcomes == WRONG)),
            unsure=int(np.count_nonzero(outcomes == UNSURE)),
            at_least=drift.at_least(m, int(np.count_nonzero(outcomes == WRONG)), ALARMS * alpha * 0.5),
            at_most=most,
            needed=needed,
            holds_evidence=_e(evidence),
            no_longer_evidence=0.0 if self._alarm is None else _e(self._alarm.evidence),
            no_longer=window,
            looks_different=None if self._different is None else self._different[0],
            differs_in="" if self._different is None else self.channels[self._different[2]],
            looks_evidence={name: _e(peak) for name, peak in zip(self.channels, self._peaks.tolist(), strict=True)},
            reference_left=0 if self._first is None else self._first.wanted - len(self._first.sure),
        )

    @property
    def terms(self) -> dict[str, Any]:
        """As it was begun: max_error, confidence, check_share, least, planned, compare, seed."""
        return dict(self._terms)

    @property
    def verdict(self) -> Holds:
        """As in `status`, at once."""
        if self._window():
            return "no longer"
        limit = self._terms["max_error"]
        proved = all(
            drift.holds_evidence(len(part), int(np.count_nonzero(part != RIGHT)), limit, bets) >= -math.log(spend)
            for part, spend, bets in self._claims()[2]
        )
        return "still holds" if proved and self._covered else "cannot tell"

    def _claims(self) -> tuple[Array, int, list[tuple[Array, float, Array]]]:
        """Outcomes of the checks; how many were before items looked different; all that "still holds" claims, each as
        (outcomes, what it may spend, weights of the bets).
        """
        outcomes = np.array([check.outcome for check in self._checks], int)
        claims, since = [(outcomes, WHOLE * self._alpha, self._weights)], 0
        if self._different is not None:
            since = sum(check.place < self._different[1] for check in self._checks)
            claims.append((outcomes[since:], (1 - WHOLE) * self._alpha, drift.USUAL))
        return outcomes, since, claims

    def _window(self) -> tuple[int, int] | None:
        alarm = self._alarm
        if alarm is None or alarm.evidence < -math.log(ALARMS * self._alpha):
            return None
        first = self._checks[alarm.start - 1].number + 1 if alarm.start else 0
        return first, self._checks[alarm.end - 1].number

    def _sentence(self, verdict: Holds, outcomes: Array, since: int, needed: int | None) -> str:
        limit, sure = share(self._terms["max_error"]), share(round(self._terms["confidence"], 9))
        items = f"the {self._items:,} new item{'s' * (self._items != 1)} so far"
        labels = f"the model's {self._covered:,} labels among {items}"
        if verdict == "no longer":
            assert self._alarm is not None  # noqa: S101 - the verdict comes from it
            first, last = self._window() or (0, 0)
            surer = share(round(1 - ALARMS * self._alpha, 9))
            return (
                f"No longer: of the model's labels of the items {first:,} to {last:,} more than {limit} are wrong "
                f"({surer} sure). Of the {_checks(self._alarm.end - self._alarm.start)} among them "
                f"{_were(self._alarm.wrong)} wrong."
            )
        found = f"{_checks(len(outcomes))}, {_told(outcomes)}"
        if self._different is not None:
            found += f"; of these {_checks(len(outcomes) - since)} since then, {_told(outcomes[since:])}"
        looks = ""
        if self._different is not None:
            looks = (
                f" Items look different from the reference since item {self._different[0]:,} or earlier "
                f"({self.channels[self._different[2]]}); that does not say that labels are wrong."
            )
        if verdict == "still holds":
            also = ", and at most as many of those since they look different," if looks else ""
            return f"Still holds: at most {limit} of {labels}{also} are wrong ({sure} sure): {found}.{looks}"
        if not self._covered:
            return f"Cannot tell: the model is sure enough of none of {items}, so it labels none of them.{looks}"
        more = (
            f"Even {drift.LONGEST:,} right answers would not do."
            if needed is None
            else f"{needed:,} more right answers and no wrong one would show that at most {limit} are wrong."
        )
        return f"Cannot tell:{looks or ' too few checks yet.'} Of {labels}: {found}. {more}"

    # ── kept ────────────────────────────────────────────────────────────────────────────────

    def to_json(self) -> str:
        """All of it as JSON but the model: no items, though the guesses on checks. Keep it from those who answer."""
        return json.dumps(
            {
                "format": FORMAT,
                "model": identity(self._model),
                "terms": self._terms,
                "channels": list(self.channels),
                "mean": self._mean.tolist(),
                "directions": self._directions.tolist(),
                "edges": [edges.tolist() for edges in self._edges],
                "ranks": None
                if self._ranks is None
                else {
                    "counts": self._ranks.counts.tolist(),
                    "capital": [[_json(x) for x in row] for row in self._ranks.capital.tolist()],
                    "asleep": self._ranks.asleep,
                    "items": self._ranks.items,
                },
                "peaks": self._peaks.tolist(),
                "first": None if self._first is None else self._first.data(),
                "draws": self._draws.bit_generator.state,
                "ties": self._ties.bit_generator.state,
                "items": self._items,
                "covered": self._covered,
                "different": self._different,
                "checks": [[c.number, c.place, c.guess, c.outcome == WAITING, c.label] for c in self._checks],
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str | bytes, model: Any) -> Monitor:
        """A monitor as it was, with the same model.

        Raises:
            BadInput: The text is no monitor, damaged, or of another model.
        """
        try:
            data = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise BadInput("This is no monitor: it is not JSON. Give what to_json() gave.") from None
        if not isinstance(data, dict) or not isinstance(data.get("format"), int) or "terms" not in data:
            raise BadInput("This JSON is no monitor of Askwise. Give what to_json() gave.")
        if data["format"] > FORMAT:
            raise BadInput("The monitor was saved by a newer Askwise. Upgrade with `pip install --upgrade askwise`.")
        self = cls.__new__(cls)
        self._model = checked_model(model)
        if data.get("model") != identity(model):
            raise BadInput(
                "The monitor watches another model: what it knows says nothing of this one. Give the one it had."
            )
        try:
            self._terms = checked_terms(data["terms"])
            self._begin()
            self._restore(data)
        except BadInput:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise BadInput(f"The monitor is not whole ({error}). The file is damaged.") from None
        return self

    def _restore(self, data: dict[str, Any]) -> None:
        self.channels = tuple(map(str, data["channels"]))
        width = len(self.channels)
        self._mean, self._directions = np.array(data["mean"], float), np.array(data["directions"], float)
        self._edges = [np.array(edges, float) for edges in data["edges"]]
        self._peaks = np.array(data["peaks"], float)
        self._items, self._covered = int(data["items"]), int(data["covered"])
        self._draws.bit_generator.state = data["draws"]
        self._ties.bit_generator.state = data["ties"]
        self._ranks = None
        if data["ranks"] is not None:
            kept = data["ranks"]
            capital = np.array([[-np.inf if x is None else x for x in row] for row in kept["capital"]], float)
            self._ranks = drift.Ranks(
                np.array(kept["counts"], np.int64), capital, float(kept["asleep"]), int(kept["items"])
            )
            r = self._ranks
            _whole(r.counts.shape == (width, BINS) and bool((r.counts >= 0).all()), "counts")
            _whole(len(set(r.counts.sum(axis=1).tolist())) == 1 and 0 <= r.items <= self._items, "counts")
            _whole(capital.shape == (width, len(drift.BETTINGS)) and not bool((capital == np.inf).any()), "capital")
            _whole(not np.isnan(capital).any() and 0 <= r.asleep <= 1, "capital")
        _whole((self._ranks is None) == (width == 0), "channels")
        if data["first"] is not None:
            self._first = First.of(data["first"])
            _whole(self._ranks is None and len(self._first.sure) <= self._items, "first")
        _whole(len(self._edges) == width and all(e.ndim == 1 and (np.diff(e) > 0).all() for e in self._edges), "edges")
        _whole(all(len(edges) < BINS and np.isfinite(edges).all() for edges in self._edges), "edges")
        _whole(len(self._peaks) == width and bool(np.isfinite(self._peaks).all()), "peaks")
        if width > 1:
            _whole(self._directions.ndim == 2 and self._directions.shape[1] == self._mean.size, "directions")
            _whole(width - 2 <= len(self._directions), "directions")
            _whole(bool(np.isfinite(self._directions).all() and np.isfinite(self._mean).all()), "directions")
        _whole(0 <= self._covered <= self._items < 1 << 53, "items")
        if data["different"] is not None:
            at, place, channel = (int(x) for x in data["different"])
            _whole(0 <= at < self._items and 0 <= place <= self._covered and 0 <= channel < width, "different")
            self._different = at, place, channel
        for number, place, guess, waits, label in data["checks"]:
            last = self._checks[-1] if self._checks else _Check(-1, -1, "")
            fits = last.number < number < self._items and last.place < place < self._covered and place <= number
            _whole(type(number) is int and type(place) is int and fits, "checks")
            _whole(isinstance(guess, str) and isinstance(waits, bool), "checks")
            _whole(label is None or (isinstance(label, str) and not waits), "checks")
            differs = label is not None and self._model.task_.differ(guess, label)
            outcome = WAITING if waits else UNSURE if label is None else WRONG if differs else RIGHT
            self._by_number[number] = len(self._checks)
            self._checks.append(_Check(number, place, guess, outcome, label))
        self._watch(0)


# ── small things ────────────────────────────────────────────────────────────────────────────


def _taken(numbers: range, labels: Sequence[str], sure: Array, checked: Array, covers: Array) -> Taken:
    hidden = ["" if hide else label for label, hide in zip(labels, checked.tolist(), strict=True)]
    checks = [numbers[at] for at in np.flatnonzero(checked).tolist()]
    return Taken(numbers, checks, hidden, np.where(checked, np.nan, sure), checked | ~covers)


def _whole(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _dense(X: Any) -> Array:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, np.float64)


def _e(log: float) -> float:
    """An e-value of its logarithm; as large as a float can be where it is larger."""
    return math.exp(min(log, 700.0))


def _json(x: float) -> float | None:
    return None if math.isinf(x) else x


def _checks(n: int) -> str:
    return f"{n:,} random check{'' if n == 1 else 's'}"


def _were(n: int) -> str:
    return f"{n:,} {'was' if n == 1 else 'were'}"


def _told(outcomes: Array) -> str:
    """`1 wrong, 2 without an answer, 1 undecided`."""
    parts = [f"{int(np.count_nonzero(outcomes == WRONG)):,} wrong"]
    for code, words in ((WAITING, "without an answer"), (UNSURE, "undecided")):
        if n := int(np.count_nonzero(outcomes == code)):
            parts.append(f"{n:,} {words}")
    return ", ".join(parts)
