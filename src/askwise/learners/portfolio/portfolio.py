"""A learner that chooses itself: several models side by side, mixed by what the labels say of each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Matrix
from askwise.features import as_features
from askwise.learners.portfolio import evidence
from askwise.learners.portfolio.parts import Forest, Kernel, Linear, Part, Quadratic
from askwise.learners.portfolio.views import Block, Scaling, Views
from askwise.learners.softmax import as_matrix, is_sparse
from askwise.learners.whitening import Whitening, softmax_curvature


@dataclass(frozen=True)
class Kind:
    """How a part is made, and of what rows."""

    make: Callable[[], Part]
    scaled: bool = False
    """Which of the `Views` it sees."""
    twin: bool = False
    """Whether another part is the same where both views are."""
    columns: int = 100_000
    """With more columns than this it is not tried: it would take too long."""
    linear: bool = False
    """Whether it stays the same where rows are turned; and it is tried on each block of the columns, too."""
    block: str | None = None
    """Of the columns, which it sees alone."""


PARTS: Mapping[str, Kind] = {
    "linear": Kind(Linear, linear=True),
    "firm linear": Kind(partial(Linear, each=True), linear=True),
    "scaled linear": Kind(partial(Linear, 0.3), scaled=True, twin=True),
    "kernel": Kind(Kernel),
    "scaled kernel": Kind(Kernel, scaled=True, twin=True),
    "Gaussians": Kind(Quadratic, scaled=True, columns=100),
    "forest": Kind(Forest, scaled=True, columns=2_000),
}
"""Who is asked, in the order in which ties are decided."""
BASE = "firm linear"
"""What the mixture is compared with in what is said of it: the default of texts."""
ON = " on "
"""Between the name of a part and the block that it sees."""
AGAIN, AT_LEAST = 0.2, 4
"""Share by which the labels grow until the parts are weighed anew, and how many come at least."""
REFIT = 0.1
"""Share by which they grow until a heavy part that is in charge learns anew."""
FOLDS, MANY_FOLDS, MANY = 5, 10, 100
"""Parts that labels are held out in: more up to `MANY` labels."""
SMALL = 0.05
"""A part with less weight has none, and costs nothing."""
CAUTION = 2.0
"""Labels that the weights from before count for."""
LITTLE = 0.1
"""What a part that sees one block alone weighs beforehand beside the others, unless it is the last of the blocks, which
is that of the encoder that knows most."""
SAMPLE = 2_000
"""Rows of the pool that stand for it where labels are weighed."""
BINS = 5
"""Of confidence, in which labels and pool are compared."""
MOST_WEIGHT = 4.0
"""What one label counts for at most, and one over it at least."""


@dataclass(frozen=True)
class Standing:
    """Which parts are in charge, and since when."""

    weights: Mapping[str, float]
    """Part → weight; they sum to 1."""
    since: int
    """Labels at which they were weighed."""
    right: float | None
    """Share of labels held out that the mixture gets right, weighed as `Portfolio` says."""
    base: float | None
    """The same of a linear model alone; None where that is no part."""

    def data(self) -> dict[str, Any]:
        """As the log has it."""
        return {
            "weights": {name: round(weight, 4) for name, weight in self.weights.items()},
            "since": self.since,
            "right": self.right,
            "base": self.base,
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Standing:
        """The inverse of `data`."""
        return cls(dict(data["weights"]), int(data["since"]), data["right"], data["base"])

    def sentence(self) -> str:
        """Who is in charge since when, and what speaks for it: forest 62 %, kernel 38 % since label 80: …"""
        order = sorted(self.weights, key=lambda name: -self.weights[name])
        said = ", ".join(f"{name} {self.weights[name]:.0%}".replace("%", " %") for name in order)
        said = order[0] if len(order) == 1 else said
        if self.right is None or self.base is None or set(self.weights) == {BASE}:
            return f"{said} since label {self.since:,}"
        right, base = (f"{100 * share:.0f} %" for share in (self.right, self.base))
        return f"{said} since label {self.since:,}: {right} of labels held out are right, of a linear model {base}"


def in_charge(data: Mapping[str, Any] | None) -> str | None:
    """`Standing.sentence` of what the log holds of a round; None where it holds nothing."""
    return None if data is None else Standing.of(data).sentence()


class Portfolio:
    """Linear, kernel and Gaussian models and a forest, mixed; for tables, and whatever is not linear.

    Each part is judged by probabilities of labels that were held out from it. They are brought to one scale by a power,
    and the weights of the mixture are those that make the labels likeliest (stacking; Wolpert, 1992; of densities
    Smyth & Wolpert, 1999), pulled to what they were before. Weights stay until the labels have grown by a fifth: in
    between only the parts that are in charge learn, so that the next question comes soon.

    Labels that a strategy chose lie where the model doubts. So a label counts for as much as the pool has of its kind:
    by confidence of the mixture in five bins, as if labels had been drawn at random (post-stratification). Where no
    pool is known (`fit` alone), features are scaled by the labeled rows, and labels count alike.

    Of sparse features a linear model alone learns.

    Args:
        parts: Names out of `PARTS`; None = all.

    Attributes:
        classes_: (classes,) sorted labels seen.
        standing_: Who is in charge; None before two classes are known.
    """

    classes_: Array
    standing_: Standing | None
    is_adapted = True

    def __init__(self, parts: Sequence[str] | None = None) -> None:
        self.names = tuple(PARTS) if parts is None else tuple(parts)
        for name in self.names:
            if name not in PARTS:
                raise BadInput(f"No part {name!r}; there are {', '.join(PARTS)}.")
        if not self.names:
            raise BadInput(f"Give at least one part; there are {', '.join(PARTS)}.")
        self.standing_ = None
        self._fixed: Standing | None = None
        self._widths: dict[str, int] = {}  # columns of each block
        self._blocks: dict[str, Block] = {}
        self._scaling: Scaling | None = None
        self._sample: Array | None = None  # rows of the pool; None = no pool is known
        self._parts: dict[str, Part] = {}
        self._powers: dict[str, float] = {}
        self._heat = 1.0
        self._refitted: dict[str, int] = {}
        self._knew: set[int] = set()
        self._seen: Array | None = None
        self._whitening: Whitening | None = None
        self._held: Array | None = None

    def __repr__(self) -> str:
        return "Portfolio()" if self.names == tuple(PARTS) else f"Portfolio({list(self.names)!r})"

    def fresh(self) -> Portfolio:
        """An unfitted learner with the same parts, that knows the same blocks."""
        other = Portfolio(self.names)
        other.know_blocks(self._widths)
        return other

    def for_prediction(self) -> Portfolio:
        """A copy that predicts as this one does and holds no more of what it learned from than its parts need."""
        other = copy.copy(self)
        other._seen, other._whitening, other._sample, other._knew, other._held = None, None, None, set(), None
        other._parts = {name: part.for_prediction() for name, part in self._parts.items()}
        return other

    def standing(self) -> dict[str, Any] | None:
        """What the log says of it; None before two classes are known."""
        return None if self.standing_ is None else self.standing_.data()

    def for_comparison(self) -> Portfolio:
        """An unfitted learner of the parts in charge, their weights and powers fixed: many quick fits tell a trend."""
        other = self.fresh()
        if self.standing_ is not None:
            other._fixed = self.standing_
            other._powers, other._heat = self._powers, self._heat
        return other

    def held_out(self) -> tuple[Array, Array] | None:
        """(r,) rows of the last fit and (r, classes) probabilities by parts that had not seen them, mixed as now.

        None where the last fit weighed no parts.
        """
        return None if self._held is None else (np.arange(len(self._held)), self._held)

    # ── fitting ─────────────────────────────────────────────────────────────────────────────

    def know_pool(self, X: Matrix) -> None:
        """Say what the pool is like, before `fit`, as often as one likes.

        Args:
            X: (n, d) features of the pool, dense or CSR, n > 0.
        """
        if is_sparse(X):
            return
        n = int(X.shape[0])
        sample = np.asarray(X[np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.intp))], np.float64)
        if self._sample is not None and np.array_equal(sample, self._sample):
            return
        self._sample = sample
        self._scale(sample)
        self.standing_, self._parts = None, {}  # learned in another scale

    def know_blocks(self, blocks: Mapping[str, int]) -> None:
        """Say which columns belong together, before `know_pool` and `fit`: linear models learn from each block, too.

        Args:
            blocks: Name → how many columns; they stand in this order, side by side, and are all there are. Fewer than
                two are none. The last is trusted most as long as there are few labels.
        """
        widths = dict(blocks) if len(blocks) > 1 else {}
        if widths != self._widths:
            self._widths = widths
            self._sample, self.standing_, self._parts = None, None, {}

    def _scale(self, X: Matrix) -> None:
        self._scaling, self._blocks, at = Scaling.of(X), {}, 0
        for name, width in self._widths.items():
            self._blocks[name] = Block((at, at + width), Scaling.of(X[:, at : at + width]))
            at += width
        if self._widths and at != X.shape[1]:
            raise BadInput(f"The blocks have {at:,} columns together, and the features {X.shape[1]:,}.")

    def _kind(self, name: str) -> Kind:
        """How a part is made; "linear on tfidf" is the linear one that sees a block alone."""
        whole, _, block = name.partition(ON)
        return replace(PARTS[whole], block=block) if block else PARTS[whole]

    def fit(self, X: Matrix, y: Any) -> Portfolio:
        """Learn from (m, d) features, dense or CSR, and (m,) labels.

        Raises:
            BadInput: no rows, unequal lengths, or features that are not finite.
        """
        X, names = as_features(X), np.asarray(y)
        if X.shape[0] != len(names) or len(names) == 0:
            raise BadInput(
                f"fit needs one label per row and at least one row, got {X.shape[0]} rows, {len(names)} labels."
            )
        if not np.isfinite(X.data if is_sparse(X) else X).all():
            raise BadInput("The features hold NaN or infinity; fill or drop those rows before fitting.")
        classes, codes = np.unique(names, return_inverse=True)
        same = hasattr(self, "classes_") and np.array_equal(self.classes_, classes)
        self.classes_, self._seen, self._whitening, self._held = classes, X, None, None
        if self._sample is None and not is_sparse(X):
            self._scale(X)
            same = False
        if not same:
            self.standing_, self._parts = None, {}
        if len(classes) == 1:
            return self
        before = self._fixed or self.standing_
        if is_sparse(X):
            self._only_linear(X, codes)
        elif before is None or not (self._fixed or 0 <= len(codes) - before.since < _until(before.since)):
            self._weigh(self._views(X), codes, before)
        else:
            self._refit(self._views(X), codes, before)
        return self

    def _views(self, X: Matrix) -> Views:
        if is_sparse(X):
            return _Sparse(X)
        if self._scaling is None:
            raise BadInput("This learner has learned nothing; call fit first.")
        return Views(np.asarray(X), self._scaling, self._blocks)

    def _only_linear(self, X: Matrix, codes: Array) -> None:
        part = self._parts.get("linear") or Linear()
        self._parts = {"linear": part.fit(as_matrix(X), codes, len(self.classes_))}
        self._powers, self._heat = {"linear": 1.0}, 1.0
        self.standing_ = Standing({"linear": 1.0}, len(codes), None, None)

    def _refit(self, rows: Views, codes: Array, standing: Standing) -> None:
        """Let the parts in charge learn; a heavy one only where it is worth it, or a label was taken back."""
        m, now = len(codes), _known(rows.plain, codes)
        for name in standing.weights:
            part = self._parts.get(name)
            if part is None:
                part = self._parts[name] = self._kind(name).make()
            elif part.heavy and m < (1 + REFIT) * self._refitted[name] and self._knew <= now:
                continue
            part.fit(self._seen_by(name, rows), codes, len(self.classes_))
            if part.heavy:
                self._refitted[name], self._knew = m, now
        self.standing_ = standing

    def _suited(self, columns: int) -> list[str]:
        alike = self._scaling is not None and self._scaling.alike
        suited = [n for n in self.names if columns <= PARTS[n].columns and not (alike and PARTS[n].twin)]
        on = [f"{n}{ON}{block}" for n in suited if PARTS[n].linear for block in self._blocks]
        return [*suited, *on] or list(self.names)

    def _prior(self, names: Sequence[str]) -> Array:
        """(parts,) what each weighs without evidence; sums to 1."""
        doubted = list(self._blocks)[:-1]
        weight: Array = np.array([LITTLE if self._kind(name).block in doubted else 1.0 for name in names])
        weight /= weight.sum()
        return weight

    def _seen_by(self, name: str, rows: Views) -> Array:
        """The rows as a part sees them."""
        kind = self._kind(name)
        return rows.of(kind.scaled, kind.block)

    def _weigh(self, rows: Views, codes: Array, before: Standing | None) -> None:
        """Fit all parts, and find powers and weights by what each says of labels held out from it."""
        m, classes, at = len(codes), len(self.classes_), np.arange(len(codes))
        fold = evidence.folds_of(codes, MANY_FOLDS if m <= MANY else FOLDS)
        names = self._suited(rows.plain.shape[1])
        parts: dict[str, Part] = {}
        held: dict[str, Array] = {}
        for name in names:
            Z = self._seen_by(name, rows)
            parts[name] = self._kind(name).make().fit(Z, codes, classes)
            held[name] = self._held_out(name, parts[name], Z, codes, fold)
        prior = self._prior(names)
        if before is not None:
            prior = (prior + np.array([before.weights.get(name, 0.0) for name in names])) / 2
        counted: Array = np.ones(m)
        for last in (self._sample is None, True):
            powers = {name: evidence.power_of(P, codes, counted) for name, P in held.items()}
            said = {name: evidence.powered(P, powers[name]) for name, P in held.items()}
            weights = evidence.mixture(np.stack([P[at, codes] for P in said.values()], 1), counted, prior, CAUTION)
            weights = np.where(weights < min(SMALL, weights.max()), 0.0, weights)
            weights /= weights.sum()
            chosen = {name: float(weight) for name, weight in zip(names, weights, strict=True) if weight}
            mixed: Array = np.sum([weight * said[name] for name, weight in chosen.items()], axis=0)
            if last:
                break
            pool = self._blended(chosen, parts, powers, lambda part, Z: part.proba(Z), self._views(self._sample))
            counted = stratified(mixed.max(1), evidence.powered(pool, 1.0).max(1))
        self._heat = evidence.power_of(mixed, codes, counted)
        self._held = evidence.powered(mixed, self._heat)
        self._powers, self._parts = powers, {name: parts[name] for name in chosen}
        self._refitted, self._knew = dict.fromkeys(chosen, m), _known(rows.plain, codes)
        base = said.get(BASE)
        self.standing_ = Standing(
            chosen, m, _right(mixed, codes, counted), None if base is None else _right(base, codes, counted)
        )

    def _held_out(self, name: str, part: Part, Z: Array, codes: Array, fold: Array) -> Array:
        if isinstance(part, Forest):
            return part.out_of_bag
        classes = len(self.classes_)
        make: Callable[[], Part] = self._kind(name).make
        if isinstance(part, Linear):
            Z, make = part.turned(Z)

        def fit(rest: Array) -> Callable[[Array], Array]:
            known, y = np.unique(codes[rest], return_inverse=True)
            model = make().fit(Z[rest], y, len(known))

            def said(rows: Array) -> Array:
                P = np.zeros((len(rows), classes), np.float32)
                P[:, known] = model.proba(Z[rows])
                return P

            return said

        return evidence.held_out(fit, codes, fold, classes)

    # ── predicting ──────────────────────────────────────────────────────────────────────────

    def predict_proba(self, X: Matrix) -> Array:
        """(n, classes) float32 probabilities, columns in the order of `classes_`."""
        if self.standing_ is None:
            return np.ones((int(X.shape[0]), 1), np.float32)
        return self._mixed(lambda part, Z: part.proba(Z), self._views(X))

    def _mixed(self, ask: Callable[[Part, Array], Array], rows: Views) -> Array:
        if self.standing_ is None:
            raise BadInput("This learner has learned nothing; call fit first.")
        P = self._blended(self.standing_.weights, self._parts, self._powers, ask, rows)
        return evidence.powered(P, self._heat).astype(np.float32)

    def _blended(
        self,
        weights: Mapping[str, float],
        parts: Mapping[str, Part],
        powers: Mapping[str, float],
        ask: Callable[[Part, Array], Array],
        rows: Views,
    ) -> Array:
        """(…, n, classes) float32 what parts say of rows, each to its power, weighed."""
        total: Any = 0
        for name, weight in weights.items():
            P = ask(parts[name], self._seen_by(name, rows))
            total = total + np.float32(weight) * evidence.powered(P, powers[name])
        found: Array = total
        return found

    def predict(self, X: Matrix) -> Array:
        """(n,) the likeliest class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])

    def predict_committee(self, X: Matrix, members: int = 10, seed: int = 0) -> Array:
        """(members, n, classes) probabilities: each member mixes one of every part, see `Part.committee`."""
        if self.standing_ is None:
            return np.ones((members, int(X.shape[0]), 1), np.float32)
        return self._mixed(lambda part, Z: part.committee(Z, members, seed), self._views(X))

    def whiten(self, X: Matrix) -> Array:
        """(n, r) float32 rows F(x) whose products stand for how far a label at one row moves another.

        A stand-in for what only linear models know: those of a linear model with penalty 1, on the scaled features
        where a part sees these, and with the curvature of the mixture's probabilities; see `SoftmaxRegression.whiten`.
        """
        if self._seen is None:
            raise BadInput("whiten needs a fitted learner; call fit first.")
        scaled = any(PARTS[name].scaled for name in self.names)
        if self._whitening is None:
            curvature = softmax_curvature(self.predict_proba(self._seen))
            self._whitening = Whitening(self._views(self._seen).of(scaled), curvature, 1.0)
        return self._whitening(self._views(X).of(scaled))


class _Sparse(Views):
    """Sparse rows, which have one view: themselves."""

    def __init__(self, X: Matrix) -> None:
        self.plain = self.scaled = as_matrix(X)


def _until(labels: int) -> float:
    """How many labels come until the parts are weighed again."""
    return max(AGAIN * labels, AT_LEAST)


def _known(Z: Array, codes: Array) -> set[int]:
    """What stands for each row with its label."""
    return {hash((row.tobytes(), code)) for row, code in zip(Z, codes.tolist(), strict=True)}


def _right(P: Array, codes: Array, weight: Array) -> float:
    return round(float((P.argmax(1) == codes) @ weight / weight.sum()), 4)


def stratified(labeled: Array, pool: Array) -> Array:
    """(m,) what each label counts for, 1 on average, so that their confidences are spread as those of the pool.

    Args:
        labeled: (m,) held-out confidence of each label.
        pool: (n,) confidence of rows of the pool.
    """
    edges: Array = np.quantile(pool, np.linspace(0, 1, BINS + 1)[1:-1])
    own, every = np.searchsorted(edges, labeled), np.searchsorted(edges, pool)
    have = np.bincount(own, minlength=BINS) + 1.0
    want = np.bincount(every, minlength=BINS) + 1.0
    ratio: Array = np.clip((want / want.sum()) / (have / have.sum()), 1 / MOST_WEIGHT, MOST_WEIGHT)
    weight: Array = ratio[own]
    weight /= weight.mean()
    return weight
