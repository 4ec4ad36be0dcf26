"""What a look at the labels shows: confusion, suspected errors, contradictions, a map, the table of items."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askwise import aims, engine, evidence, learners
from askwise.batch.distances import cosines, places
from askwise.core import Array, Matrix, Rows, Target, unsaid
from askwise.pool import Pool
from askwise.state import State

FOLDS = 5
"""Of the cross-validation that looks for label errors."""
MOST_COMPARED = 10_000
"""Labeled items, the newest, that are compared with each other; the work grows with the square."""
ALIKE = 0.9
"""Least cosine similarity of items that contradict each other."""
MAPPED = 5_000
"""Items that a map draws, at most."""
MOST_WORDS = 400
"""Words of an item that are compared word by word."""
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of errors that the curve of risk and coverage goes through."""
SOURCES = ("human", "given", "model", "unsure", "skip", "open")
"""Where an item's label comes from, or why it has none."""


# ── the dashboard ───────────────────────────────────────────────────────────────────────────


def confusion(state: State) -> Array:
    """(classes, classes) counts of answered check items: guess at the draw × label given; unsure is left out.

    Where answers are more than labels (labels, 4) counts of each label: rightly guessed, wrongly guessed, missed,
    rightly not.
    """
    if not state.task.closed:
        return _label_confusion(state)
    size = len(state.classes)
    found = np.zeros((size, size), np.int64)
    truth = state.truth()
    for draw, wrong in zip(*state.draw_outcomes(), strict=True):
        if wrong is not None and truth[draw.row] >= 0:
            found[state.today(state.then(draw))[draw.row], truth[draw.row]] += 1
    seen = _as_seen(state)
    return np.asarray(found[np.ix_(seen, seen)])


def _as_seen(state: State) -> list[int]:
    """Places of the labels that may be given, in the order in which people see them."""
    place = {name: at for at, name in enumerate(state.labels)}
    return [place[name] for name in state.shown_labels()]


def _label_confusion(state: State) -> Array:
    holds, truth = state.membership(), state.truth()
    found = np.zeros((len(state.labels), 4), np.int64)
    for draw, wrong in zip(*state.draw_outcomes(), strict=True):
        if wrong is not None and truth[draw.row] >= 0:
            guess, told = holds[state.then(draw)[draw.row]], holds[truth[draw.row]]
            found += np.stack([guess & told, guess & ~told, ~guess & told, ~guess & ~told], axis=1)
    return np.asarray(found[_as_seen(state)])


def balance(state: State) -> list[dict[str, Any]]:
    """For each label how many answers of people, of the data, of the model have it; and its guesses of the rest."""
    found = np.zeros((len(state.classes), 4), np.int64)
    for answer in state.answers.values():
        if answer.label is not None:
            found[state.class_number(answer.label), 0 if answer.kind == "label" else 1] += 1
    for row, (number, _, _) in state.auto.items():
        found[number, 2] += not state.labeled_mask[row]
    if state.predictions is not None:
        guesses = state.predictions[: state.ranked][state.rest()[: state.ranked]]
        found[:, 3] = np.bincount(guesses, minlength=len(state.classes))
    if not state.task.closed:
        found = state.membership().T.astype(np.int64) @ found
    names = ("human", "given", "model", "guessed")
    return [
        {"label": name, **dict(zip(names, counts, strict=True))}
        for name, counts in zip(state.shown_labels(), found[_as_seen(state)].tolist(), strict=True)
    ]


@dataclass(frozen=True)
class Offer:
    """What could be handed over at one share of errors; a projection, not evidence."""

    max_error: float
    size: int
    """Items of the region, its checks included."""
    rest: int
    """Items to be decided."""
    first: int
    """Blind checks that certify if none is wrong; 0 where there is no region."""
    checks: float
    """Blind checks, projected."""
    passes: float
    """Chance that the attempt certifies, projected, 0..1."""
    allowed: int
    """Wrong labels that its certificate would allow, at most."""
    cost: float
    """Labels by people until all is done, projected: checks, what is left over, another attempt if this one fails."""
    worth: bool
    reason: str


def offer(
    known: evidence.Planning, max_error: float, confidence: float, target: Target = "auto", parts: int = 1
) -> Offer | None:
    """The region that would be chosen for a share of errors; None where no attempt is left.

    Args:
        known: What is known for planning.
        max_error: Largest share of wrong labels, in (0, 1).
        confidence: Of the certificate, in (0, 1).
        target: Share of what.
        parts: How many attempts share what may be spent.
    """
    region = known.region(max_error, confidence, target, parts=parts)
    if region is None:
        return None
    size, first, allowed = region.size if region.worth else 0, 0, 0
    if size:
        aim = aims.SHARES[target]
        plan = aim.plan(size, max_error, known.alpha(confidence) / parts, aim.errors(known.allowance(max_error)))
        first, allowed = plan.first, plan.allowed(plan.first)  # later checks leave fewer items, and allow no more
    return Offer(
        max_error, size, len(known.rows), first, region.audits if size else 0.0, region.passes if size else 0.0,
        allowed, region.cost, region.worth, region.reason,
    )  # fmt: skip


def left_unsaid(state: State, offer: Offer, rows: Sequence[int]) -> str:
    """What the certificate of an offer would leave open about single classes; see `core.unsaid`.

    Args:
        state: Not changed.
        offer: Of a region that is worth it.
        rows: Its items.
    """
    if state.predictions is None:
        return ""
    codes = state.predictions[np.asarray(rows, np.intp)]
    return unsaid(offer.allowed, len(rows), evidence.labeled_so(state, codes), would=True)


def flat(X: Matrix, seed: int = 0) -> Array:
    """(n, 2) a map of the items: their first two principal components, found on `MAPPED` of them, scaled to -1..1.

    Args:
        X: (n, d) features.
        seed: Draws the items that the components are found on.
    """
    from sklearn.decomposition import PCA, TruncatedSVD

    if min(X.shape) < 2:
        return np.zeros((X.shape[0], 2), np.float32)
    some = sampled(X.shape[0], np.zeros(0, np.intp), MAPPED, seed)
    sparse = hasattr(X, "tocsr")
    X = X if sparse else places(X)[:]  # float32 far from the origin would leave only rounding of the spread
    model = TruncatedSVD(2, random_state=0) if sparse else PCA(2, svd_solver="randomized", random_state=0)
    model.fit(X[some])
    found = np.asarray(model.transform(X))
    found -= found.mean(0)
    # One far outlier must not press all others together.
    reach = np.maximum(np.quantile(np.abs(found), 0.99, axis=0), 1e-9)
    return np.asarray(np.clip(found / reach, -1.1, 1.1), np.float32)


def sampled(n: int, first: Rows, most: int, seed: int) -> Rows:
    """At most `most` of n rows in ascending order: up to half of them from `first`, the others drawn from all."""
    if n <= most:
        return np.arange(n)
    rng = np.random.default_rng([seed, 5])
    kept = first if len(first) <= most // 2 else rng.choice(first, most // 2, replace=False)
    others = np.setdiff1d(np.arange(n), kept)
    return np.sort(np.concatenate([kept, rng.choice(others, most - len(kept), replace=False)]))


# ── the review ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Suspect:
    """A label that looks wrong."""

    at: int
    """Position among the given labels."""
    likely: int
    """The class that it rather is."""
    own: float
    """Probability of its own label, by a model that did not see it."""
    other: float
    """Probability of the likely class."""


def suspects(X: Matrix, y: Array, classes: int, seed: int = 0) -> list[Suspect]:
    """Labels that are probably wrong, the most suspicious first: confident learning.

    Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021). Out-of-sample
    probabilities come from cross-validation. A class j is confident of an item where its probability is at least the
    mean probability of j among the items labeled j; an item is suspected where the likeliest confident class is not
    its label. Ordered by the probability of its own label over that of the other.

    Args:
        X: (n, d) features of the labeled items.
        y: (n,) class numbers.
        classes: How many classes there are.
        seed: Of the folds.
    """
    n, found = len(y), np.bincount(y, minlength=classes)
    if n < 2 * FOLDS or (found >= 2).sum() < 2:
        return []
    order = np.random.default_rng([seed, 6]).permutation(n)
    fold = np.empty(n, np.intp)
    # Dealt round within each class, so that each fold has its share of each.
    fold[order[np.argsort(y[order], kind="stable")]] = np.arange(n) % FOLDS
    P = np.zeros((n, classes))
    for held in range(FOLDS):
        train, test = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        if len(np.unique(y[train])) < 2:
            return []
        learner = learners.SoftmaxRegression().fit(X[train], y[train])
        P[np.ix_(test, np.asarray(learner.classes_, int))] = learner.predict_proba(X[test])
    sure = np.array([P[y == j, j].mean() if found[j] else np.inf for j in range(classes)])
    confident = np.where(sure <= P, P, -1.0)
    likely = confident.argmax(1)
    wrong = np.flatnonzero((confident.max(1) >= 0) & (likely != y))
    own, other = P[wrong, y[wrong]], P[wrong, likely[wrong]]
    return [
        Suspect(int(wrong[i]), int(likely[wrong[i]]), float(own[i]), float(other[i]))
        for i in np.argsort(own / np.maximum(other, 1e-12), kind="stable")
    ]


def suspect_labels(X: Matrix, Y: Array, seed: int = 0) -> list[tuple[Suspect, int]]:
    """As `suspects` for items with sets of labels: each label by itself, with the number of the label.

    Args:
        X: (n, d) features of the labeled items.
        Y: (n, labels) bool.
        seed: Of the folds.

    Returns:
        (suspect, label); `likely` is 1 where the label is missing, 0 where it is too much.
    """
    found = [(one, i) for i in range(Y.shape[1]) for one in suspects(X, Y[:, i].astype(np.intp), 2, seed)]
    return sorted(found, key=lambda pair: pair[0].own / max(pair[0].other, 1e-12))


def contradictions(
    X: Matrix, y: Array, least: float = ALIKE, differ: Callable[[Array, Array], Array] = np.not_equal
) -> list[tuple[int, int, float]]:
    """Pairs of nearly equal items with different labels: (position, position, cosine), the most alike first.

    For each item the most similar one with another label. Computed by blocks; the work grows with n squared.

    Args:
        X: (n, d) features of the labeled items.
        y: (n,) class numbers.
        least: Least cosine similarity, -1..1.
        differ: Whether class numbers contradict each other, as of `Task.wrong`.
    """
    if len(y) < 2:
        return []
    best: dict[tuple[int, int], float] = {}
    for rows in engine.blocks(len(y), 512):
        alike = cosines(X[rows], X)
        alike[~differ(y[rows][:, None], y[None, :])] = -np.inf
        nearest = alike.argmax(1)
        for i, one in enumerate(np.arange(len(y))[rows].tolist()):
            other, similarity = int(nearest[i]), float(alike[i, nearest[i]])
            if similarity >= least:
                best[min(one, other), max(one, other)] = min(similarity, 1.0)
    return [(a, b, s) for (a, b), s in sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))]


def differing(one: str, other: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both texts in pieces, each with whether the other text lacks it; of long texts the beginning."""
    a, b = (re.findall(r"\S+\s*", text)[:MOST_WORDS] for text in (one, other))
    match = difflib.SequenceMatcher(None, [w.strip() for w in a], [w.strip() for w in b], autojunk=False)
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for kind, a1, a2, b1, b2 in match.get_opcodes():
        if a2 > a1:
            left.append(("".join(a[a1:a2]), kind != "equal"))
        if b2 > b1:
            right.append(("".join(b[b1:b2]), kind != "equal"))
    return left, right


def disputed(state: State) -> list[int]:
    """Rows that several people labeled differently: undecided ones first, then the newest answers first."""
    several = state.several | state.late

    def differ(row: int) -> bool:
        found = {state.current(a.label or "") for a in state.votes[row].values() if a.kind == "label"}
        if len(found) < 2:
            return False
        names = sorted(found)
        each = np.arange(len(names))
        return bool(state.task.wrong(each[:, None], each[None, :], names).any())

    rows = [row for row in several if differ(row)]
    return sorted(rows, key=lambda row: (row in state.rulings, -state.answers[row].seq, row))


def blind(state: State) -> set[int]:
    """Rows that were or may be blind checks: who sees the model's guess of these first would spoil the check."""
    return state.checks()


def spot_checks(state: State) -> tuple[list[int], int, int]:
    """Rows that the model labeled, in a random order that never changes, and what people said of its beginning.

    Returns:
        (those without an answer, in that order; how many before the first of them have one; of these with another
        label). Only a beginning without gaps is a random sample.
    """
    rows = np.array(sorted(state.auto), np.intp)
    order = rows[np.argsort(_noise(rows, int(state.opened["seed"])), kind="stable")].tolist()
    looked = wrong = 0
    for row in order:
        label = state.label_of(row)
        if label is None:
            break
        looked += 1
        wrong += label != state.classes[state.auto[row][0]]
    return [row for row in order if not state.labeled_mask[row]], looked, wrong


def _noise(rows: Rows, seed: int) -> Array:
    """A random number for each row that depends on the row and the seed alone."""
    x = rows.astype(np.uint64) + np.uint64(seed % 2**31) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64, Steele et al. 2014
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    found: Array = x ^ (x >> np.uint64(31))
    return found


# ── the table of items ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Where:
    """Which items; empty = all."""

    text: str = ""
    """Contained in the item or its id, whatever the case."""
    source: str = ""
    """One of `SOURCES`."""
    label: str = ""
    """In a multi-label session the items whose set holds it, or is this set."""
    annotator: str = ""
    flagged: bool = False


def source(state: State, row: int) -> str:
    """Where the label of an item comes from, or why it has none: one of `SOURCES`."""
    answer = state.answers.get(row)
    if answer is not None and answer.label is not None:
        return "human" if answer.kind == "label" else "given"
    if row in state.auto:
        return "model"
    return answer.kind if answer is not None else "open"


def label(state: State, row: int) -> str | None:
    """The label of an item, by people, the data or the model."""
    found = state.label_of(row)
    if found is None and row in state.auto:
        found = state.classes[state.auto[row][0]]
    return found


def _has(state: State, found: str | None, wanted: str) -> bool:
    return found is not None and (found == wanted or wanted in state.parts(found))


def find(state: State, where: Where) -> Array:
    """(n,) which items match, apart from `where.text`."""
    chosen = np.ones(state.n, bool)
    chosen[list(state.withdrawn)] = False
    if where.source or where.label:
        known = {*state.answers, *state.auto}
        chosen[:] = not where.label and where.source == "open"
        chosen[list(known)] = False
        hits = [
            row
            for row in known
            if (not where.source or source(state, row) == where.source)
            and (not where.label or _has(state, label(state, row), where.label))
        ]
        chosen[hits] = True
    if where.annotator:
        mine = np.zeros(state.n, bool)
        mine[[row for row, votes in state.votes.items() if where.annotator in votes]] = True
        mine[[row for row, ruling in state.rulings.items() if ruling.annotator == where.annotator]] = True
        chosen &= mine
    if where.flagged:
        flagged = np.zeros(state.n, bool)
        flagged[list(state.flags)] = True
        chosen &= flagged
    return chosen


def containing(pool: Pool, rows: Rows, text: str, shown: Callable[[Any], str]) -> Rows:
    """Those of the rows whose item, as text, or id contains the text, whatever the case."""
    wanted = text.casefold()
    if not wanted:
        return rows
    ids, contents = pool.ids, pool.contents
    hits = [r for r in rows.tolist() if wanted in ids[r].casefold() or wanted in shown(contents[r]).casefold()]
    return np.array(hits, np.intp)


ORDERS = ("row", "label", "source", "annotator", "seconds", "at")
"""What the table can be sorted by."""


def ordered(state: State, rows: Rows, by: str, *, down: bool = False) -> Rows:
    """The rows sorted by one of `ORDERS`; those without a value last, ties by row."""
    if by == "row":
        return rows[::-1] if down else rows
    if by == "label":
        values = {row: found for row in {*state.answers, *state.auto} if (found := label(state, row)) is not None}
        return _sorted(rows, values, down)
    if by == "source":
        keys = {row: SOURCES.index(source(state, row)) for row in {*state.answers, *state.auto}}
        return _sorted(rows, {row: keys.get(row, len(SOURCES)) for row in rows.tolist()}, down)
    told = {row: getattr(a, by) for row, a in state.answers.items() if a.kind != "given"}
    return _sorted(rows, {row: value for row, value in told.items() if value is not None}, down)


def _sorted(rows: Rows, values: dict[int, Any], down: bool) -> Rows:
    with_value = [row for row in rows.tolist() if row in values]
    with_value.sort(key=values.__getitem__, reverse=down)
    without = [row for row in rows.tolist() if row not in values]
    return np.array([*with_value, *without], np.intp)


def history(state: State, row: int) -> Sequence[tuple[int, float, str, str, str]]:
    """(seq, time, kind of event, person, label or note) of all that people did to an item, oldest first."""
    return list(state.story.get(row, ()))


MAP_STATES = ("open", "next", "unsure", "labeled", "model", "wrong")
"""What a map tells of an item; what comes later wins: undecided, among the next questions, marked unsure, labeled by a
person or the data, labeled by the model, a check item that the model had wrong."""


def map_states(state: State) -> Array:
    """(n,) position in `MAP_STATES` of each item."""
    found = np.zeros(state.n, np.int8)
    found[list(state.leases)] = 1
    if state.ranking is not None:
        found[state.ranking.queue] = 1
    found[[row for row, answer in state.answers.items() if answer.kind == "unsure"]] = 2
    found[list(state.auto)] = 4
    found[state.labeled_mask] = 3
    found[[draw.row for draw, wrong in zip(*state.draw_outcomes(), strict=True) if wrong]] = 5
    return found
