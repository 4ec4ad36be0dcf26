"""Selection: score shards anywhere, merge the shortlists, pick the batch."""

from __future__ import annotations

import functools
import pickle
import weakref
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from askwise import batch, learners, scores, signals
from askwise.core import Array, BadInput, ContractError, Executor, Learner, Matrix, Rows, Selection, seed_of, unknown
from askwise.engine.checks import (
    as_numpy,
    check_candidates,
    check_features,
    check_given,
    check_rows,
    check_score,
    check_signal,
    only_the_caller,
    take,
    whole,
)
from askwise.features import as_features, computable
from askwise.strategies.registry import Combinator, Strategy, get

CHUNK = 8192
"""Rows scored at a time: their signals stay in the cache."""
BITS = 17
"""Bits of a score that count. Matrix products round the last bits differently in different shards, and scores that
differ only there must tie, or the choice would depend on the shards."""
SLACK = 2.0**-14
"""What may lie between scores that are to tie, as a share of the largest: `BITS` part some at an edge of their grid."""
PROBE = 8
"""Columns that tell most rows apart; side by side they are read at once."""
COLD_START = "cold_cover"
SAMPLE = 1000
"""Candidates in the sample behind the `sample_` inputs."""


def select(
    X: Matrix,
    candidates: Any,
    learner: Learner | None,
    strategy: str | Strategy = "margin",
    *,
    k: int = 10,
    seed: int | None = 0,
    executor: Executor | None = None,
    given: Mapping[str, Any] | None = None,
    chunk: int = CHUNK,
    spare: int = 0,
) -> Selection:
    """Choose the k candidates that are most worth a question.

    The same arguments give the same rows, whatever `chunk`, `executor` or the order of the candidates.

    Args:
        X: (n, d) features of the whole pool: an array of any real type (a read-only memory map is fine), a frame of
            numbers, nested lists, or sparse in any format. Only `chunk` rows are touched at a time; sparse features are
            never made dense as a whole, float16 and small whole numbers are computed in float32. Every number that
            the strategy reads must be finite; NaN may stay where only a learner that takes it reads it.
        candidates: Row numbers that may be asked, or None for all.
        learner: A fitted learner. None before the first model: a strategy that would need one is replaced by
            `cold_cover`, which covers the pool, as `Selection.strategy` and `parts` then say.
        strategy: Name or `Strategy`.
        k: Rows wanted; more than there are candidates gives all of them.
        seed: Decides ties and random draws; None draws one.
        executor: Anything with `map`, to score shards in parallel; score and learner must be picklable for processes.
        given: What the caller knows already, over the whole pool: signals by name ("proba" (n, classes),
            "embedding" (n, d) dense, "cost" (n,), …, as arrays or functions without arguments), and "labeled" (m, d)
            embeddings or "labeled_rows" (m,) numbers of the rows that are labeled or pending, "n_labeled" labels given.
            What the strategy asks for of the labeled rows may be given too, in their order: "labeled_y" (m,) answers
            as class numbers or targets, "labeled_proba" (m, classes), …; else the learner says it. "labeled_order" (m,)
            numbers say what was labeled when, equal for rows asked together, where "labeled_rows" is not in the order
            of time. "sample" (t, d)
            features stand for the inputs that the model is meant for, where that is not the pool.
        chunk: Rows scored at a time.
        spare: Up to this many further rows, best score first, behind the k of the batch rule.

    Returns:
        The rows, most useful first.

    Raises:
        BadInput: features that are no finite numbers, rows outside the pool, a negative k, a signal nobody can supply,
            a learner that is no classifier or not fitted.
        ContractError: a learner that fails, a score or learner that returns NaN or the wrong shape, or a batch rule
            that returns wrong rows.
    """
    X = as_features(X)
    n = int(X.shape[0])
    if not all(whole(number) for number in (k, spare, chunk)) or k < 0 or spare < 0 or chunk < 1:
        raise BadInput(
            "k and spare must be whole numbers, 0 or more, and chunk 1 or more, "
            f"got k={k!r}, spare={spare!r}, chunk={chunk!r}."
        )
    rows = check_candidates(candidates, n)
    chosen = get(strategy)
    learners.check_classifier(learner, chosen.task)
    pool = _Pool(X, n, learner, check_given(given, n), seed_of(seed), int(chunk), executor, rows)
    check_features(pool, chosen)
    return _run(chosen, pool, rows, int(k), int(spare))


def blocks(n: int, size: int = CHUNK) -> Iterator[slice]:
    """Slices that cover range(n), `size` rows each."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


# ── one strategy ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Pool:
    """What stays the same during one call of `select`; to combinators, the engine (`strategies.registry.Engine`)."""

    X: Matrix
    n: int
    learner: Learner | None
    given: dict[str, Any]
    seed: int
    chunk: int
    executor: Executor | None
    candidates: Rows
    memo: dict[str, Array] = field(default_factory=dict)
    """Shared inputs that do not depend on what is labeled."""

    @property
    def n_labeled(self) -> int:
        for name in ("labeled_rows", "labeled"):
            if name in self.given:
                return int(self.given.get("n_labeled", len(self.given[name])))
        return int(self.given.get("n_labeled", 0))

    @property
    def n_classes(self) -> int:
        classes = getattr(self.learner, "classes_", None)
        if classes is not None:
            return len(classes)
        return int(self.value("proba").shape[1]) if "proba" in self.given else 0

    def value(self, name: str) -> Any:
        """What the caller gave; functions are called once."""
        if callable(self.given[name]):
            self.given[name] = check_rows(name, self.given[name](), self.n)
        return self.given[name]

    def whole_embedding(self) -> Array | None:
        """(n, d) rows for distances where they exist already, without computing anything."""
        if "embedding" in self.given:
            return np.asarray(self.value("embedding"))
        if hasattr(self.learner, "embed") or hasattr(self.X, "tocsr"):
            return None
        return np.asarray(self.X)

    def signal(self, name: str, rows: Rows) -> Array:
        """A signal of some rows, computed by chunks."""
        whole = self.whole_embedding() if name == "embedding" else None
        if whole is not None:
            if len(rows) < self.n or not np.array_equal(rows, np.arange(self.n)):
                return whole[rows]
            view = whole.view()
            view.flags.writeable = False  # the caller's own features must survive a careless batch rule
            return view
        if name == "noise":
            return signals.noise(rows, self.seed)
        if name in self.given:
            return np.take(np.asarray(self.value(name)), rows, axis=signals.axis(name))
        if not signals.from_learner(name):
            raise only_the_caller(name)
        if not len(rows):  # the shape is that of any other row
            return np.take(self.signal(name, self.candidates[:1]), rows, axis=signals.axis(name))
        parts = [
            signals.compute(name, self.learner, take(self.X, rows[part])) for part in blocks(len(rows), self.chunk)
        ]
        for part, value in zip(blocks(len(rows), self.chunk), parts, strict=True):
            check_signal(name, value, rows[part])
        return np.concatenate([as_numpy(part) for part in parts], axis=signals.axis(name))

    def shared(self, name: str) -> Array:
        """An input that belongs to the whole call; see `signals.SHARED` and `SCOPES`."""
        scope, base = signals.split(name)
        if name == "labeled":
            return self._labeled()
        if name in self.given:
            return np.asarray(self.given[name])
        if name in ("labeled_y", "labeled_order") or (scope == "labeled_" and "labeled" in self.given):
            raise only_the_caller(name)
        if scope == "labeled_":
            return self.signal(base, self.given.get("labeled_rows", self.candidates[:0]))
        if name not in self.memo:
            self.memo[name] = self._pool_wide(name, base)
        return self.memo[name]

    def _pool_wide(self, name: str, base: str) -> Array:
        if name == "classes":
            classes = getattr(self.learner, "classes_", None)
            if classes is None:
                raise BadInput("The strategy needs 'classes': a learner with classes_, or select(..., given=...).")
            return np.asarray(classes)
        if name == "pool_mean":
            total = np.zeros(self.signal("embedding", self.candidates[:1]).shape[1])
            for part in blocks(len(self.candidates), CHUNK):
                E = np.asarray(self.signal("embedding", self.candidates[part]), np.float64)
                length = np.sqrt(np.einsum("ij,ij->i", E, E))
                total += (E / np.where(length > 0, length, 1)[:, None]).sum(0, dtype=np.float64)
            return total / len(self.candidates)
        if "sample" in self.given:
            value = signals.compute(base, self.learner, computable(self.given["sample"]))
            check_signal(base, value, np.arange(self.given["sample"].shape[0]))
            return as_numpy(value)
        # another seed than that of ties, or the sample would be what `random` asks about
        best = batch.top_k(signals.noise(self.candidates, self.seed + 1), self.candidates, SAMPLE)
        return self.signal(base, self.candidates[np.sort(best)])

    def _labeled(self) -> Array:
        """(m, d) embeddings of labeled and pending rows."""
        if "labeled" not in self.given:
            return self.signal("embedding", self.given.get("labeled_rows", self.candidates[:0]))
        value = self.given["labeled"]
        labeled = signals.project(value) if hasattr(value, "tocsr") else np.asarray(value)
        width = self.signal("embedding", self.candidates[:1]).shape[1]
        if len(labeled) and labeled.shape[1] != width:
            raise BadInput(
                f"The labeled embeddings have {labeled.shape[1]} columns, those of the pool {width}; give both alike."
            )
        return labeled if len(labeled) else np.zeros((0, width), np.float32)

    def cold(self, strategy: Strategy) -> bool:
        """Whether score or batch rule need a learner before there is one, for something the caller has not given."""
        names = {*signals.needs(strategy.score), *signals.needs(strategy.pick)}
        return self.learner is None and any(
            signals.needs_learner(name) and not {name, signals.split(name)[1]} & self.given.keys() for name in names
        )

    def pending(self, rows: Rows) -> _Pool:
        """The same pool with further rows counted as labeled, their answers unknown."""
        if not len(rows):
            return self
        given: dict[str, Any] = {**self.given, "n_labeled": self.n_labeled}
        for name, value in self.given.items():
            if name == "labeled":
                given[name] = np.concatenate([self._labeled(), self.signal("embedding", rows)])
            elif name == "labeled_y":
                shape = len(rows), *value.shape[1:]
                given[name] = np.concatenate([value, np.full(shape, np.nan if value.dtype.kind == "f" else -1)])
            elif name == "labeled_order":
                given[name] = np.concatenate([value, np.full(len(rows), value.max(initial=-1) + 1)])
            elif signals.split(name)[0] == "labeled_":
                more = self.signal(signals.split(name)[1], rows)
                given[name] = np.concatenate([value, more], axis=signals.axis(name))
        if "labeled" not in given:
            given["labeled_rows"] = np.concatenate([given.get("labeled_rows", rows[:0]), rows])
        return replace(self, given=given)

    def history(self) -> tuple[Rows, Array, Array]:
        """Labeled rows, ascending, their answers as class numbers and their places in time; none pending."""
        if not self.n_labeled:
            return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.intp)
        if "labeled_rows" not in self.given:
            raise only_the_caller("labeled_rows")
        rows, y, order = self.given["labeled_rows"], self.shared("labeled_y"), self.shared("labeled_order")
        at = np.flatnonzero(y >= 0)
        at = at[np.argsort(rows[at])]
        return rows[at], y[at], order[at]

    def past(self, rows: Rows, y: Array, candidates: Rows) -> _Pool:
        """The same pool when only these rows were labeled, with a learner of the same kind that learned them anew."""
        if self.learner is None:
            raise BadInput("The strategy needs a learner that it can train on fewer labels, but there is none.")
        learner = learners.unfitted(self.learner)
        learner.fit(take(self.X, rows), y)
        given = {name: self.value(name) for name in self.given if _lasting(name)}
        given |= {"labeled_rows": rows, "labeled_y": y, "labeled_order": np.zeros(len(rows)), "n_labeled": len(rows)}
        return replace(self, learner=learner, given=given, candidates=candidates, memo={})

    def identity(self) -> Hashable:
        """Equal for calls about the same arrays with the same seed and a learner with the same settings."""
        given = tuple((name, _Same(self.value(name))) for name in sorted(self.given) if _lasting(name))
        return _Same(self.X), given, self.seed, _settings(self.learner)

    def run(self, strategy: Strategy, rows: Rows, k: int, spare: int = 0) -> Selection:
        """What another strategy chooses of some rows."""
        return _run(strategy, self, rows, k, spare)

    def scores(self, strategy: Strategy, rows: Rows) -> Array:
        """(n,) scores of all those rows, ascending row numbers."""
        if isinstance(strategy, Combinator) and strategy.score is scores.random:
            raise BadInput(f"{strategy.name!r} combines strategies and has no score of its own; ask for its parts'.")
        return _shortlist(strategy, self, rows, len(rows))[1]

    def finish(self, strategy: Strategy, rows: Rows, score: Array, k: int, spare: int = 0) -> Selection:
        """The shortlist and batch rule of a strategy for scores that exist already, ascending row numbers."""
        return _finish(strategy, self, rows, _settle(check_score(strategy.name, score, rows)), k, spare)

    def pick(self, strategy: Strategy, rows: Rows, score: Array, k: int) -> Rows:
        """(k,) positions that the batch rule of a strategy picks from a shortlist in any order."""
        return _pick(strategy, self, rows, score, k)


def _lasting(name: str) -> bool:
    """Whether what the caller gave holds for an earlier model as well."""
    scope, base = signals.split(name)
    of_model = signals.needs_learner(name) or base == "temperature"
    return not of_model and scope != "labeled_" and name not in (*signals.SHARED, "labeled_rows", "n_labeled")


class _Same:
    """Equal for the very same object, as long as that exists."""

    def __init__(self, value: Any) -> None:
        self.at = weakref.ref(value)
        self.number = id(value)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.at() is not None and self.at() is other.at()


def _settings(learner: Learner | None) -> Hashable:
    """What an unfitted learner is, or the learner itself where it cannot be written down."""
    try:
        return pickle.dumps(learners.unfitted(learner))
    except (pickle.PicklingError, AttributeError, TypeError):
        return _Same(learner)


def _run(strategy: Strategy, pool: _Pool, rows: Rows, k: int, spare: int) -> Selection:
    k = min(k, len(rows))
    spare = min(spare, len(rows) - k)
    if k + spare == 0:
        return Selection(np.zeros(0, np.intp), np.zeros(0), strategy.name)
    if isinstance(strategy, Combinator):
        return strategy.choose(pool, rows, k, spare)
    if pool.cold(strategy):
        strategy = get(COLD_START)
    if strategy.pick is batch.top_k:
        most = k + spare
    elif strategy.shortlist is None:
        most = len(rows)
    else:
        most = max(1, strategy.shortlist) * k + spare
    kept, score = _shortlist(strategy, pool, rows, most)
    return _finish(strategy, pool, kept, score, k, spare)


def _finish(strategy: Strategy, pool: _Pool, kept: Rows, score: Array, k: int, spare: int) -> Selection:
    seen, seen_score = kept, score
    if (
        strategy.shortlist is not None
        and strategy.pick is not batch.top_k
        and (m := max(1, strategy.shortlist) * k) < len(kept)
    ):
        # `spare` may have kept more than the batch rule is to see
        seen, seen_score = _best(kept, score, pool.seed, m)
    found = _pick(strategy, pool, seen, seen_score, k)
    chosen = np.searchsorted(kept, seen[found])
    if spare:
        left = np.setdiff1d(np.arange(len(kept)), chosen)
        more = left[batch.top_k(score[left], signals.noise(kept[left], pool.seed), spare)]
        chosen = np.concatenate([chosen, more])
    return Selection(kept[chosen], score[chosen], strategy.name, (strategy.name,) * len(chosen))


# ── score and shortlist ─────────────────────────────────────────────────────────────────────


def _shortlist(strategy: Strategy, pool: _Pool, rows: Rows, most: int) -> tuple[Rows, Array]:
    """The best `most` rows, ascending, and their scores: the merge point of the shards."""
    names = signals.needs(strategy.score)
    for name in names:
        if signals.split(name)[1] not in signals.known():
            raise ContractError(
                str(unknown(f"signal (asked for by the score of {strategy.name!r})", name, signals.known()))
            )
    shared = {name: pool.shared(name) for name in names if signals.shared(name)}
    work = functools.partial(
        _score_chunk, strategy=strategy, names=names, learner=pool.learner, seed=pool.seed, most=most, shared=shared
    )
    tasks = [_task(pool, rows[part], names) for part in blocks(len(rows), pool.chunk)]
    results: Iterable[tuple[Rows, Array]] = (
        map(work, tasks) if pool.executor is None else pool.executor.map(work, tasks)
    )
    found = list(results)
    kept, score = _near_best(np.concatenate([r for r, _ in found]), np.concatenate([s for _, s in found]), most)
    told = any(not signals.shared(name) and (name in pool.given or not signals.from_learner(name)) for name in names)
    return _best(kept, _settle(score) if told else _settle(_level(pool.X, kept, score)), pool.seed, most)


def _near_best(rows: Rows, score: Array, most: int) -> tuple[Rows, Array]:
    """The best `most` rows and whatever may yet tie with the last of them, in the order given."""
    if most >= len(rows):
        return rows, score
    near = score >= np.partition(score, -most)[-most] - SLACK * np.abs(score).max()
    return rows[near], score[near]


def _level(X: Matrix, rows: Rows, score: Array) -> Array:
    """The scores, of rows with the same features the least: what only features decide is the same for them."""
    if len(rows) < 2:
        return score
    middle = slice(max(0, (X.shape[1] - PROBE) // 2), (X.shape[1] + PROBE + 1) // 2)
    probe = np.concatenate([_hash(X[rows[part], middle]) for part in blocks(len(rows))])
    ranked = np.sort(probe)
    twice = ranked[1:][ranked[1:] == ranked[:-1]]
    if not len(twice):
        return score
    alike = np.flatnonzero(np.isin(probe, twice))
    keys = np.concatenate([_hash(X[rows[alike[part]]]) for part in blocks(len(alike))])
    _, group = np.unique(keys, return_inverse=True)
    least = np.full(len(alike), np.inf)
    np.minimum.at(least, group, score[alike])
    level = score.copy()
    level[alike] = least[group]
    return level


def _hash(X: Matrix) -> Array:
    """(n,) 64-bit numbers: the same for equal rows, all but surely different for others."""
    weight = _odd(X.shape[1])
    if not hasattr(X, "tocsr"):
        return np.asarray(np.ascontiguousarray(X, np.float64).view(np.uint64) @ weight)
    from scipy import sparse

    A = X.tocsr()
    bits = A.data.astype(np.float64).view(np.uint64)
    return np.asarray(sparse.csr_matrix((bits, A.indices, A.indptr), shape=A.shape) @ weight)


@functools.lru_cache
def _odd(n: int) -> Array:
    """(n,) random odd 64-bit numbers, always the same."""
    return np.random.default_rng(0).integers(0, 2**64, n, np.uint64, endpoint=False) | np.uint64(1)


def _best(rows: Rows, score: Array, seed: int, most: int) -> tuple[Rows, Array]:
    """The best `most` rows and their scores; ascending rows stay ascending."""
    if most >= len(rows):
        return rows, score
    best = np.sort(batch.top_k(score, signals.noise(rows, seed), most))
    return rows[best], score[best]


def _task(pool: _Pool, rows: Rows, names: tuple[str, ...]) -> tuple[Rows, Matrix, dict[str, Array], int]:
    """One shard: its rows, a block of features (None where no signal needs them), what the caller gave, its first row.

    Where nearly every row of a stretch is a candidate, the block is a view of the whole stretch: nothing is copied.
    """
    first, end = int(rows[0]), int(rows[-1]) + 1
    dense = end - first <= 1.25 * len(rows)
    given = {}
    for name in names:
        if name in pool.given and not signals.shared(name):
            given[name] = np.take(np.asarray(pool.value(name)), rows, axis=signals.axis(name))
    wanted = any(signals.from_learner(name) and name not in given for name in names)
    block = None if not wanted else pool.X[first:end] if dense else pool.X[rows]
    return rows, block, given, first if dense else -1


def _score_chunk(
    task: tuple[Rows, Matrix, dict[str, Array], int],
    strategy: Strategy,
    names: tuple[str, ...],
    learner: Learner | None,
    seed: int,
    most: int,
    shared: dict[str, Array],
) -> tuple[Rows, Array]:
    """The best `most` rows of one shard and those close behind, ascending, with their scores."""
    rows, block, values, first = task
    features: Any = computable(block) if block is not None else None
    inputs: dict[str, Any] = {}
    for name in names:
        if name == "noise":
            inputs[name] = signals.noise(rows, seed)
        elif name in shared:
            inputs[name] = shared[name]
        elif name in values:
            inputs[name] = values[name]
        elif signals.from_learner(name):
            value = signals.compute(name, learner, features)
            if first >= 0 and features.shape[0] != len(rows):
                value = _at(value, rows - first, signals.axis(name))
            inputs[name] = value
        else:
            raise only_the_caller(name)
        if name not in shared:
            check_signal(name, inputs[name], rows)
    return _near_best(rows, check_score(strategy.name, strategy.score(**inputs), rows), most)


def _at(value: Any, rows: Rows, axis: int) -> Any:
    """Some rows of a signal."""
    if axis == 0 or not isinstance(value, np.ndarray):
        return value[:, rows] if axis else value[rows]
    # a committee's rows stay side by side in memory: sums and maxima over the classes are many times as fast so
    return np.moveaxis(np.take(np.moveaxis(value, axis, -1), rows, axis=-1), -1, axis)


def _settle(score: Array) -> Array:
    """Float64 scores rounded to `BITS` significant bits; see there."""
    mantissa, exponent = np.frexp(score)
    return np.asarray(np.ldexp(np.round(mantissa * 2**BITS), exponent - BITS))


def _pick(strategy: Strategy, pool: _Pool, rows: Rows, score: Array, k: int) -> Rows:
    """(k,) positions in the shortlist, checked."""
    inputs: dict[str, Any] = {}
    for name in signals.needs(strategy.pick) if k else ():
        if name == "score":
            inputs[name] = score
        elif name == "k":
            inputs[name] = k
        elif name == "rng":
            inputs[name] = np.random.default_rng([pool.seed & (2**64 - 1), len(rows)])
        elif signals.split(name)[1] not in signals.known():
            known = (*signals.known(), "score", "k", "rng")
            raise ContractError(str(unknown(f"input (asked for by the batch rule of {strategy.name!r})", name, known)))
        else:
            inputs[name] = pool.shared(name) if signals.shared(name) else pool.signal(name, rows)
    if not k:
        return np.zeros(0, np.intp)
    found = np.asarray(strategy.pick(**inputs))
    good = found.ndim == 1 and found.dtype.kind in "iu" and len(found) == k == len(np.unique(found))
    if not good or (k and not 0 <= found.min() <= found.max() < len(rows)):
        raise ContractError(
            f"The batch rule of {strategy.name!r} must return {k} different positions below {len(rows)}, as integers; "
            f"got {found.dtype} of shape {found.shape}."
        )
    return found.astype(np.intp)
