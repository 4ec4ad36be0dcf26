"""Searching for rare items until enough are found: what is known of the recall, and when it pays to stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from askwise import audit, evidence, strategies
from askwise.core import (
    Array,
    AutoLabels,
    BadInput,
    Event,
    Label,
    Matrix,
    Recall,
    Rows,
    Selection,
    Verdict,
    promise,
    unknown,
)
from askwise.encoders.tfidf import kept, restored
from askwise.options import named, option
from askwise.pool import Pool
from askwise.state import Attempt, State, pack
from askwise.strategies import Combinator, Engine, Strategy
from askwise.tables import file_format, find_file, read_file
from askwise.tasks import Opinion
from askwise.values import Spelling, label_name, why_no_label

FIRST = 10
"""Items most like the words of a query that are asked first."""
GUESS_LEFT = 0.6
"""Share of the unread that a finish takes, where no better forecast exists."""


@dataclass(frozen=True, kw_only=True)
class FirstThen(Combinator):
    """Given rows first, also where there are more than the batch holds; then what another strategy chooses."""

    part: Strategy
    first: tuple[int, ...]

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """The given rows that are candidates, in their order, then those of `part`."""
        wanted = np.asarray(self.first, np.intp)
        first = wanted[np.isin(wanted, rows)][: k + spare]
        left = np.setdiff1d(rows, first)
        batch = max(0, k - len(first))
        more = engine.pending(first).run(self.part, left, batch, spare - max(0, len(first) - k))
        scores = np.concatenate([np.zeros(len(first)), more.scores])
        return Selection(
            np.concatenate([first, more.rows]), scores, more.strategy, (self.name,) * len(first) + more.parts
        )


@dataclass(frozen=True)
class Goal:
    """What a search wants."""

    recall: float
    relevant: Label
    irrelevant: Label
    first: tuple[int, ...] = ()
    """Rows to ask first."""

    @classmethod
    def of(cls, recall: float, relevant: Label | None, classes: Sequence[Label], first: Iterable[int]) -> Goal:
        """The goal, checked.

        Raises:
            BadInput: a recall outside (0, 1), other than two classes, or a relevant class that is none of them.
        """
        if not 0 < recall < 1:
            raise BadInput(f"{named('recall')} is a share strictly between 0 and 1, such as 0.95, got {recall!r}.")
        if len(classes) != 2:
            raise BadInput(
                f"A search knows two classes, relevant and irrelevant items; got {len(classes)}: {list(classes)}. "
                f"Give both: {option('classes', ['relevant', 'irrelevant'])}."
            )
        wanted = Spelling(classes).of(label_name(relevant) or "")
        if wanted not in classes:
            raise unknown("class for " + option("relevant"), relevant, classes)
        other = next(name for name in classes if name != wanted)
        return cls(float(recall), wanted, other, tuple(int(row) for row in first))

    def data(self) -> dict[str, Any]:
        """For the log."""
        return asdict(self) | {"first": list(self.first)}

    def number(self, classes: Sequence[Label]) -> int:
        """Number of the relevant class."""
        return list(classes).index(self.relevant)

    def strategy(self, classes: Sequence[Label]) -> Strategy:
        """What is asked: the first rows, then whatever is most likely relevant; until both classes are met, cover."""
        number = str(self.number(classes))  # a session's learner knows classes by their numbers
        # The plain name: the log, reports and reasons know it, and the goal beside it says the class.
        found = replace(strategies.uncertainty.relevance(number), name="relevance")
        if not self.first:
            return found
        return FirstThen(name="relevance", family="rare", summary="Given rows first.", part=found, first=self.first)


def goal_of(opened: Mapping[str, Any]) -> Goal | None:
    """The goal that a session was opened with; None where it is no search."""
    found = opened.get("goal")
    return None if found is None else Goal(**{**found, "first": tuple(found["first"])})


# ── what is known ───────────────────────────────────────────────────────────────────────────


def recall(state: State, wanted: Goal) -> Recall:
    """Where a search stands, counted from the answers as they are now.

    An item marked unsure has been read, and counts as relevant where that is the careful side: never as found.
    """
    confidence = float(state.opened["confidence"])
    alpha = 1 - confidence
    relevant = _relevant(state, wanted)
    found = sum(a.label == wanted.relevant for a in state.answers.values())
    unread = _unread(state)
    rest = int(unread.sum())
    hits, known = _reading(state, wanted, relevant)
    n = rest + len(hits)
    stop = audit.ranked_stop(hits, n, known, wanted.recall, alpha)
    later = np.cumsum(hits[::-1])[::-1]
    ranked = audit.most_missed(hits, n - np.arange(len(hits)), later, rest, alpha, starts=stop.starts)
    z, sizes, after = _checks(state, relevant, unread)
    proved = audit.most_missed(z, sizes, after, rest, alpha) if z else rest
    certified = any(not evidence.certificate(state, a).void for a in _given(state))
    low = 1.0 if rest == 0 and found else audit.recall_at_least(found, proved)
    if certified:
        low = max(low, wanted.recall)
    low_if_ranked = max(low, audit.recall_at_least(found, ranked), wanted.recall if stop.stopped is not None else 0.0)
    places = np.flatnonzero(hits)
    return Recall(
        target=wanted.recall,
        confidence=confidence,
        found=found,
        read=state.there - rest,
        unread=rest,
        low=low,
        checks=len(z),
        low_if_ranked=low_if_ranked,
        reached=certified or rest == 0,
        reached_if_ranked=certified or rest == 0 or stop.stopped is not None,
        left_if_ranked=stop.left,
        dry=len(hits) - (int(places[-1]) + 1 if len(places) else 0),
    )


def _given(state: State) -> list[Attempt]:
    return [a for a in state.attempts if promise(a.target).search and a.outcome == "certified" and not a.taken_back]


def _unread(state: State) -> Array:
    """(n,) items without an answer, also those that were left as irrelevant."""
    found = ~state.labeled_mask
    found[[row for row, a in state.answers.items() if a.kind == "unsure"]] = False
    found[list(state.withdrawn)] = False
    return found


def _relevant(state: State, wanted: Goal) -> Array:
    """(n,) items labeled relevant, or marked unsure."""
    found = np.zeros(state.n, bool)
    found[[row for row, a in state.answers.items() if a.label == wanted.relevant or a.kind == "unsure"]] = True
    return found


def _reading(state: State, wanted: Goal, relevant: Array) -> tuple[Array, int]:
    """(t,) whether items were relevant, in the order of their answers; and how many were known before.

    What was read and withdrawn later was read: it keeps its place, as relevant or not as it was.
    """
    gone = {row: a for row, a in state.withdrawn.items() if a is not None}
    relevant = relevant.copy()
    relevant[[row for row, a in gone.items() if a.label == wanted.relevant or a.kind == "unsure"]] = True
    held = [*state.answers.values(), *gone.values()]
    read = sorted((a for a in held if a.kind in ("label", "unsure")), key=lambda a: a.seq)
    known = sum(a.kind == "given" and a.label == wanted.relevant for a in state.answers.values())
    return np.array([relevant[a.row] for a in read], bool), known


def _checks(state: State, relevant: Array, unread: Array) -> tuple[list[bool], list[int], list[int]]:
    """Every uniformly random draw for `audit.most_missed`: relevant, drawn from how many, found among them since."""
    truth = np.where(relevant, 1, np.where(unread, audit.UNKNOWN, 0))
    nothing = np.zeros(state.n, np.int64)
    draws: list[tuple[int, bool, int, int]] = []  # when, relevant, drawn from how many, known since less unknown
    answered, outcomes = state.draw_outcomes()
    for draw, outcome in zip(answered, outcomes, strict=True):
        hit = outcome is None or bool(relevant[draw.row])  # one passed over may be relevant
        members = np.unpackbits(draw.eligible, count=state.n).view(bool)
        slack = audit.slack(members, nothing, truth, nothing, unread)
        draws.append((draw.seq, hit, slack.size, slack.known_errors - slack.outside))
    for attempt in state.attempts:
        order = attempt.order
        beyond = int(unread.sum()) - int(unread[order].sum())
        since = np.cumsum(relevant[order][::-1])[::-1]
        checked = [outcome for outcome in state.outcomes(attempt) if outcome is not None]  # up to the first gap
        for i in range(len(checked)):
            hit = bool(relevant[order[i]]) or int(order[i]) in state.withdrawn
            draws.append((attempt.seq, hit, len(order) - i, int(since[i]) - beyond))
    draws.sort(key=lambda d: d[0])  # stable: the checks of one attempt stay in their order
    return [d[1] for d in draws], [d[2] for d in draws], [d[3] for d in draws]


# ── advice ──────────────────────────────────────────────────────────────────────────────────


def verdict(state: State, wanted: Goal, now: Recall) -> Verdict:
    """Go on, check the rest, or stop? With what each of these rests on."""
    says = now.sentence
    target = f"{wanted.recall:.0%}" if round(100 * wanted.recall, 6) % 1 == 0 else f"{wanted.recall:.1%}"
    attempt = state.open_attempt
    given = [evidence.certificate(state, a) for a in _given(state)]
    valid = [c for c in given if not c.void]
    if now.unread == 0 or valid:
        return Verdict(True, valid[-1].sentence if valid else says, 0, (0, 0))
    if attempt is not None:
        needed = evidence.judge(state, attempt).left or 0
        reason = f"{says} Checks in random order are under way: {needed:,} more if none of them is relevant."
        return Verdict(False, reason, needed, (needed, now.unread), len(attempt.order))
    if not now.found:
        return Verdict(False, says, None, None)
    plan = _plan(state, wanted, now.found, now.unread)
    proof = "" if plan is None else (
        f" {plan.first:,} checks in random order would prove {target} if none of them is relevant, with no assumption."
    )  # fmt: skip
    if now.reached_if_ranked:
        reason = f"{says} You may stop here if you trust the ranking: {now.unread:,} would stay unread.{proof}"
        return Verdict(True, reason, 0, (0, now.unread), now.unread)
    if now.left_if_ranked is not None and plan is not None:
        reason = (
            f"{says} None of the last {now.dry:,} was relevant: {now.left_if_ranked:,} more like that reach {target}, "
            f"if you trust the ranking.{proof}"
        )
        left = min(now.left_if_ranked, plan.first)
        return Verdict(plan.first < 0.9 * now.unread, reason, left, (left, now.unread), now.unread)
    dry = audit.dry_run(now.unread, now.found, wanted.recall, 1 - now.confidence) - now.dry
    share = GUESS_LEFT if plan is None else plan.first / now.unread
    left = min(now.unread, max(0, dry) + round(share * max(0, now.unread - dry)))
    return Verdict(False, f"{says} Go on: relevant items still turn up.", left, (left, now.unread))


def _plan(state: State, wanted: Goal, found: int, unread: int) -> audit.RecallPlan | None:
    """The plan of the next attempt; None when none is left, or nothing is found."""
    if state.groups >= len(audit.SPEND) or not found or not unread:
        return None
    alpha = (1 - float(state.opened["confidence"])) * audit.SPEND[state.groups]
    return audit.recall_plan(unread, found, wanted.recall, alpha)


# ── the finish ──────────────────────────────────────────────────────────────────────────────


def freeze(state: State, wanted: Goal, opinion: Opinion | None) -> list[Event] | AutoLabels:
    """The event that starts the checks of everything unread in random order, or why they cannot start.

    Args:
        state: Not changed; no attempt is under way.
        wanted: What is searched.
        opinion: Probabilities of the classes; None when this process has no model.
    """
    rows = np.flatnonzero(state.rest())
    found = sum(a.label == wanted.relevant for a in state.answers.values())
    plan = _plan(state, wanted, found, len(rows))
    if plan is not None and (opinion is None or state.ranking is None):
        return AutoLabels("refused", "The model moved on meanwhile; try again.", deferred=len(rows))
    if plan is None or state.ranking is None or opinion is None:
        why = "no relevant and no irrelevant item is known yet"
        if state.groups >= len(audit.SPEND):
            why = f"all {state.groups} attempts are spent; read on, in any order"
        elif not len(rows):
            why = "nothing is unread"
        return AutoLabels("refused", f"Checks cannot start: {why}.", deferred=len(rows))
    number = len(state.attempts)
    order = np.random.default_rng([int(state.opened["seed"]), 3, number, state.seq]).permutation(rows).astype(np.int64)
    data = {
        "attempt": number + 1,
        "group": state.groups + 1,
        "label": None,
        "alpha": plan.alpha,
        "max_error": round(1 - wanted.recall, 9),
        "confidence": float(state.opened["confidence"]),
        "target": "recall",
        "found": found,
        "round": state.ranking.round,
        "order": pack(order.tobytes()),
        "confidences": pack(
            opinion.signals()["proba"][order, state.class_number(wanted.irrelevant)].astype(np.float32).tobytes()
        ),
        "needed": list(plan.needed),
        "risk": plan.risk,
        "expected_error": 0.0,
    }
    return [Event("frozen", data)]


# ── what learns ─────────────────────────────────────────────────────────────────────────────


TITLES = ("title", "primary_title", "primary title")
ABSTRACTS = ("abstract", "notes_abstract", "abstract note")


def text_columns(path: str | Path, *, format: str | None = None, **how: Any) -> list[str] | None:  # noqa: A002
    """The columns of title and abstract by their usual names, where a file has both; else None.

    Args:
        path: A table.
        format: As for `load_pool`.
        how: As for `tables.read_file`.

    Raises:
        BadInput: No such file, or one that cannot be read.
    """
    found = find_file(path)
    columns = list(read_file(found, file_format(found, format), **how).columns)
    hits = [next((c for c in columns if c.strip().lower() in names), None) for names in (TITLES, ABSTRACTS)]
    return [c for c in hits if c is not None] if all(hits) else None


OPPOSITES = (("1", "0"), ("relevant", "irrelevant"), ("included", "excluded"), ("include", "exclude"), ("yes", "no"),
             ("true", "false"))  # fmt: skip
"""A relevant label, and the one of which nobody doubts that it is the irrelevant one."""


def pile(state: State, pool: Pool, relevant: Label) -> tuple[Pool, tuple[Label, Label]]:
    """The items of a session for a search of one of its labels: what people said of them came with the data.

    What the model has labeled, and what people were unsure about, is unread.

    Args:
        state: Not changed.
        pool: Its items; not changed.
        relevant: What is searched.

    Returns:
        The items, and (relevant, irrelevant); of more than two labels the others are "other" together.

    Raises:
        BadInput: The session is a search itself, its answers are no single labels, the label is none of its, or items
            were withdrawn from it.
    """
    if "goal" in state.opened or state.task.name != "one":
        what = "is a search itself" if "goal" in state.opened else f"asks for {state.task.asks} an item"
        raise BadInput(f"A search takes over a session with one label an item, and this one {what}.")
    names = state.shown_labels()
    wanted = Spelling(names).of(label_name(relevant) or "")
    if wanted not in names:
        raise unknown("label", relevant, names)
    if pool.withdrawn:
        raise BadInput(
            f"{len(pool.withdrawn):,} items were withdrawn from this session, and a search cannot begin with their "
            "places. Export it, and search the file: its labels by people come along."
        )
    others = [name for name in names if name != wanted]
    other = others[0] if len(others) == 1 else "other" if wanted != "other" else "irrelevant"
    labels = {row: state.label_of(row) for row in np.flatnonzero(state.labeled_mask).tolist()}
    given = {row: wanted if label == wanted else other for row, label in labels.items()}
    return replace(pool, given=given, contradicting={}), (wanted, other)


def two_classes(relevant: Label | None, irrelevant: Label | None, given: Iterable[Label]) -> tuple[Label, Label]:
    """(relevant, irrelevant): as named, else from the labels that came with the data, else these two words.

    Raises:
        BadInput: More than two classes, the same twice, or a column that does not hold the relevant one, where it is
            not clear that what it holds is the irrelevant one.
    """
    known = sorted(set(given))
    shown = ", ".join(map(repr, known[:10])) + (", …" if len(known) > 10 else "")
    if relevant is None and known:
        raise BadInput(f"The label column holds {shown}. Say which is searched: {option('relevant')}.")
    spelling = Spelling(known)
    wanted = "relevant" if relevant is None else _named("relevant", relevant, spelling)
    opposite = next((no for yes, no in OPPOSITES if wanted.lower() == yes), "irrelevant")
    others = [name for name in known if name != wanted]
    if irrelevant is not None:
        other = _named("irrelevant", irrelevant, spelling)
    elif not others:
        other = "0" if wanted == "1" else "irrelevant"
    elif wanted in known or others[0].lower() == opposite:
        other = others[0]
    else:
        likely = next((name for name in others if name.lower() == wanted.lower()), None)
        hint = f"Did you mean {option('relevant', likely)}? " if likely else ""
        raise BadInput(
            f"No row of the label column is {wanted!r}, the label that is searched: it holds {shown}. {hint}Name the "
            f"label that is there: {option('relevant', others[0])}, or say that it is not searched: "
            f"{option('irrelevant', others[0])}"
        )
    if strange := [name for name in others if name != other]:
        raise BadInput(
            f"The label column holds {shown}: more than {wanted!r} and {other!r}. A search knows two classes. Mend the "
            f"column: say for each row of {strange[0]!r} whether it is {wanted!r} or {other!r}, or leave it empty."
        )
    if wanted == other:
        raise BadInput(
            f"{named('relevant')} and {named('irrelevant')} must be two different labels, got {wanted!r} and {other!r}."
        )
    return wanted, other


def _named(what: str, label: Label, spelling: Spelling) -> Label:
    name = label_name(label)
    if not name:
        why = f"one {why_no_label(label)}" if name is None else "empty"
        raise BadInput(f"{named(what)} names a label, and the one given is {why}.")
    return spelling.of(name)


class WordsEncoder:
    """Words and pairs of words, TF-IDF weighted, sparse: what finds rare texts best with a linear model.

    Sublinear counts, words in more than 95 % of the texts left out (the settings of ASReview's default engine, ELAS
    u4, 2025). Learned from the pool by `fit`; deterministic.
    """

    name = "words"

    def __init__(self) -> None:
        self.version = "words-1"
        self._fitted: Any = None

    def fit(self, items: Sequence[str]) -> WordsEncoder:
        """Learn the words of (n,) texts, n >= 1."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        try:
            self._fitted = self._vectorizer(TfidfVectorizer, 0.95).fit(items)
        except ValueError:  # what scikit-learn raises where no term is left, as in a pool of one text
            self._fitted = self._vectorizer(TfidfVectorizer, 1.0).fit([*items, "nothing"])
        return self

    def __getstate__(self) -> dict[str, Any]:
        fitted = None if self._fitted is None else kept(self._fitted)
        return {"version": self.version, "fitted": fitted}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.version, fitted = str(state["version"]), state["fitted"]
        self._fitted = None if fitted is None else restored(self._vectorizer(TfidfVectorizer, 1.0), fitted)

    @staticmethod
    def _vectorizer(kind: Any, most: float) -> Any:
        return kind(ngram_range=(1, 2), sublinear_tf=True, max_df=most, dtype=np.float32)

    def encode(self, items: Sequence[str]) -> Matrix:
        """(n, d) float32 CSR, rows of length 1. Fits itself to `items` where `fit` was not called."""
        if self._fitted is None:
            self.fit(items)
        return self._fitted.transform(items).tocsr()


class LinearScreener:
    """A linear support vector machine in which the few relevant items together weigh `RATIO` times all others.

    C, loss and ratio are those of ASReview's default engine (ELAS u4, 2025). Its probabilities are the logistic of the
    distance from the boundary: they rank, and are not calibrated.

    Args:
        relevant: Number of the relevant class.
    """

    RATIO = 9.8
    C = 0.11

    def __init__(self, relevant: int) -> None:
        self.relevant = relevant

    def __repr__(self) -> str:
        return f"LinearScreener(relevant={self.relevant})"

    def fit(self, X: Matrix, y: Any) -> LinearScreener:
        """Learn from (m, d) features and (m,) class numbers, two of them."""
        from sklearn.svm import LinearSVC

        y = np.asarray(y)
        hit = y == self.relevant
        weights = np.where(hit, 1.0, hit.sum() / (self.RATIO * max(1, (~hit).sum())))
        self._svm = LinearSVC(C=self.C, random_state=0).fit(X, y, sample_weight=weights * (len(y) / weights.sum()))
        self.classes_ = self._svm.classes_
        return self

    def predict_proba(self, X: Matrix) -> Array:
        """(n, 2) probabilities in the order of `classes_`."""
        second = expit(self._svm.decision_function(X))
        return np.column_stack([1 - second, second])


def closest(texts: Sequence[str], query: str, most: int = FIRST) -> list[int]:
    """Rows of the texts most like the words of a query, best first; those that share no word are left out."""
    encoder = WordsEncoder().fit(texts)
    product = encoder.encode(texts) @ encoder.encode([query]).T
    similar = np.asarray(product.todense(), float).ravel()
    best = np.argsort(-similar, kind="stable")[:most]
    return [int(row) for row in best if similar[row] > 0]
