"""Selection: score shards anywhere, merge the shortlists, pick the batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from askwise import batch, signals
from askwise.core import Array, BadInput, ContractError, Executor, Learner, Matrix, Rows, Selection, unknown
from askwise.scores import array_namespace
from askwise.strategies import Mix, Strategy, Switch, get

CHUNK = 8192
"""Rows scored at a time: their signals stay in the cache."""
BITS = 18
"""Bits of a score that count. Matrix products round the last bits differently in different shards, and scores that
differ only there must tie, or the choice would depend on the shards."""
COLD_START = "typiclust"
GOLDEN = (5**0.5 - 1) / 2
_CALLER = ("labeled", "labeled_rows", "n_labeled")
"""Words that `given` may hold beside the signals."""


def select(
    X: Matrix,
    candidates: Any,
    learner: Learner | None,
    strategy: str | Strategy = "margin",
    *,
    k: int = 10,
    seed: int = 0,
    executor: Executor | None = None,
    given: Mapping[str, Any] | None = None,
    chunk: int = CHUNK,
    spare: int = 0,
) -> Selection:
    """Choose the k candidates that are most worth a question.

    The same arguments give the same rows, whatever `chunk`, `executor` or the order of the candidates.

    Args:
        X: (n, d) features of the whole pool: dense of any float type (a read-only memory map is fine) or CSR. Only
            `chunk` rows are touched at a time; sparse features are never made dense as a whole, float16 is computed
            in float32.
        candidates: Row numbers that may be asked, or None for all.
        learner: A fitted learner. None before the first model: a strategy that would need one is replaced by
            `typiclust`, which covers the pool, as `Selection.strategy` and `parts` then say.
        strategy: Name or `Strategy`.
        k: Rows wanted; more than there are candidates gives all of them.
        seed: Decides ties and random draws.
        executor: Anything with `map`, to score shards in parallel; score and learner must be picklable for processes.
        given: What the caller knows already, over the whole pool: signals by name ("proba" (n, classes),
            "embedding" (n, d) dense, "cost" (n,), …, as arrays or functions without arguments), and "labeled" (m, d)
            embeddings or "labeled_rows" (m,) numbers of the rows that are labeled or pending, "n_labeled" labels given.
        chunk: Rows scored at a time.
        spare: Up to this many further rows, best score first, behind the k of the batch rule.

    Returns:
        The rows, most useful first.

    Raises:
        BadInput: rows outside the pool, a negative k, a signal nobody can supply.
        ContractError: a score or learner that returns NaN or the wrong shape, or a batch rule that returns wrong rows.
    """
    n = int(X.shape[0])
    if k < 0 or spare < 0 or chunk < 1:
        raise BadInput(f"k and spare must be 0 or more and chunk 1 or more, got k={k}, spare={spare}, chunk={chunk}.")
    pool = _Pool(X, n, learner, _check_given(given, n), seed, chunk, executor)
    rows = _check_candidates(candidates, n)
    return _run(get(strategy), pool, rows, k, spare)


def blocks(n: int, size: int = CHUNK) -> Iterator[slice]:
    """Slices that cover range(n), `size` rows each."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


# ── one strategy ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Pool:
    """What stays the same during one call of `select`."""

    X: Matrix
    n: int
    learner: Learner | None
    given: dict[str, Any]
    seed: int
    chunk: int
    executor: Executor | None

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
            self.given[name] = _check_rows(name, self.given[name](), self.n)
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
            if len(rows) < self.n:
                return whole[rows]
            view = whole.view()
            view.flags.writeable = False  # the caller's own features must survive a careless batch rule
            return view
        if name == "noise":
            return signals.noise(rows, self.seed)
        if name in self.given:
            return np.take(np.asarray(self.value(name)), rows, axis=signals.axis(name))
        if not signals.from_learner(name):
            raise BadInput(
                f"The strategy needs {name!r}, which only the caller can give: select(..., given={{{name!r}: ...}})."
            )
        parts = [
            signals.compute(name, self.learner, _take(self.X, rows[part])) for part in blocks(len(rows), self.chunk)
        ]
        for part, value in zip(blocks(len(rows), self.chunk), parts, strict=True):
            _check_signal(name, value, rows[part])
        return np.concatenate([_numpy(part) for part in parts], axis=signals.axis(name))

    def labeled(self) -> Array:
        """(m, d) embeddings of labeled and pending rows."""
        if "labeled" in self.given:
            value = self.given["labeled"]
            return signals.project(value) if hasattr(value, "tocsr") else np.asarray(value)
        if "labeled_rows" in self.given and len(self.given["labeled_rows"]):
            return self.signal("embedding", self.given["labeled_rows"])
        return np.zeros((0, 1), np.float32)


def _run(strategy: Strategy, pool: _Pool, rows: Rows, k: int, spare: int) -> Selection:
    if isinstance(strategy, Switch):
        return _run(strategy.at(pool.n_labeled, pool.n_classes), pool, rows, k, spare)
    if isinstance(strategy, Mix):
        return _run_mix(strategy, pool, rows, k, spare)
    if pool.learner is None and _missing(strategy, pool):
        strategy = get(COLD_START)
    k = min(k, len(rows))
    spare = min(spare, len(rows) - k)
    if k + spare == 0:
        return Selection(np.zeros(0, np.intp), np.zeros(0), strategy.name)
    kept, score = _shortlist(strategy, pool, rows, k, spare)
    seen, seen_score = kept, score
    if (
        strategy.shortlist is not None
        and strategy.pick is not batch.top_k
        and (m := max(1, strategy.shortlist) * k) < len(kept)
    ):
        # `spare` may have kept more than the batch rule is to see
        best = np.sort(batch.top_k(score, signals.noise(kept, pool.seed), m))
        seen, seen_score = kept[best], score[best]
    found = _pick(strategy, pool, seen, seen_score, k)
    chosen = np.searchsorted(kept, seen[found])
    if spare:
        left = np.setdiff1d(np.arange(len(kept)), chosen)
        more = left[batch.top_k(score[left], signals.noise(kept[left], pool.seed), spare)]
        chosen = np.concatenate([chosen, more])
    return Selection(kept[chosen], score[chosen], strategy.name, (strategy.name,) * len(chosen))


def _missing(strategy: Strategy, pool: _Pool) -> bool:
    """Whether the strategy needs a learner for something that the caller has not given."""
    names = {*signals.needs(strategy.score), *signals.needs(strategy.pick)}
    return any(signals.needs_learner(name) and name not in pool.given for name in names)


def _run_mix(mixture: Mix, pool: _Pool, rows: Rows, k: int, spare: int) -> Selection:
    """Parts choose one after the other; what one chose counts as pending for the next."""
    k = min(k, len(rows))
    bounds = np.cumsum([share for _, share in mixture.shares])
    # multiples of the golden ratio fill [0, 1) evenly, so every stretch holds the shares; counting on from the labels
    # given makes the batches of a session one stretch
    place = (_start(pool.seed) + GOLDEN * (pool.n_labeled + np.arange(k))) % 1
    turn = np.searchsorted(bounds / bounds[-1], place, side="right")
    turn = np.minimum(turn, len(bounds) - 1)
    chosen, scores, parts = np.zeros(k, np.intp), np.zeros(k), [""] * k
    taken = np.zeros(0, np.intp)
    for number, (part, _) in enumerate(mixture.shares):
        places = np.flatnonzero(turn == number)
        if not len(places):
            continue
        left = np.setdiff1d(rows, taken, assume_unique=True)
        got = _run(part, _with_pending(pool, taken), left, len(places), 0)
        chosen[places], scores[places] = got.rows, got.scores
        for at, name in zip(places, got.parts, strict=True):
            parts[at] = name
        taken = np.concatenate([taken, got.rows])
    if spare:
        main = int(np.argmax([share for _, share in mixture.shares]))
        left = np.setdiff1d(rows, taken, assume_unique=True)
        more = _run(mixture.shares[main][0], _with_pending(pool, taken), left, 0, spare)
        chosen, scores, parts = np.append(chosen, more.rows), np.append(scores, more.scores), [*parts, *more.parts]
    return Selection(chosen, scores, mixture.name, tuple(parts))


def _start(seed: int) -> float:
    return float(signals.noise(np.array([2**40]), seed)[0])


def _with_pending(pool: _Pool, taken: Rows) -> _Pool:
    if not len(taken):
        return pool
    given = {**pool.given, "n_labeled": pool.n_labeled}
    if "labeled" in given:
        given["labeled"] = np.concatenate([pool.labeled(), pool.signal("embedding", taken)])
    else:
        given["labeled_rows"] = np.concatenate([given.get("labeled_rows", taken[:0]), taken])
    return replace(pool, given=given)


# ── score and shortlist ─────────────────────────────────────────────────────────────────────


def _shortlist(strategy: Strategy, pool: _Pool, rows: Rows, k: int, spare: int) -> tuple[Rows, Array]:
    """(m,) rows in ascending order and their scores: the merge point of the shards."""
    if strategy.pick is batch.top_k:
        most = k + spare
    elif strategy.shortlist is None:
        most = len(rows)
    else:
        most = max(1, strategy.shortlist) * k + spare
    names = signals.needs(strategy.score)
    for name in names:
        if name not in signals.known():
            raise ContractError(
                str(unknown(f"signal (asked for by the score of {strategy.name!r})", name, signals.known()))
            )
    work = functools.partial(
        _score_chunk, strategy=strategy, names=names, learner=pool.learner, seed=pool.seed, most=most,
        labeled=pool.labeled() if "labeled" in names else None,
    )  # fmt: skip
    tasks = [_task(pool, rows[part], names) for part in blocks(len(rows), pool.chunk)]
    results: Iterable[tuple[Rows, Array]] = (
        map(work, tasks) if pool.executor is None else pool.executor.map(work, tasks)
    )
    found = list(results)
    kept, score = np.concatenate([r for r, _ in found]), np.concatenate([s for _, s in found])
    if len(kept) > most:
        best = np.sort(batch.top_k(score, signals.noise(kept, pool.seed), most))
        kept, score = kept[best], score[best]
    return kept, score


def _task(pool: _Pool, rows: Rows, names: tuple[str, ...]) -> tuple[Rows, Matrix, dict[str, Array], int]:
    """One shard: its rows, a block of features (None where no signal needs them), what the caller gave, its first row.

    Where nearly every row of a stretch is a candidate, the block is a view of the whole stretch: nothing is copied.
    """
    first, end = int(rows[0]), int(rows[-1]) + 1
    dense = end - first <= 1.25 * len(rows)
    given = {}
    for name in names:
        if name in pool.given and name != "labeled":
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
    labeled: Array | None,
) -> tuple[Rows, Array]:
    """The best `most` rows of one shard, ascending, with their scores."""
    rows, block, values, first = task
    noise = signals.noise(rows, seed)
    features: Any = _widen(block) if block is not None else None
    inputs: dict[str, Any] = {}
    for name in names:
        if name == "noise":
            inputs[name] = noise
        elif name == "labeled":
            inputs[name] = labeled
        elif name in values:
            inputs[name] = values[name]
        elif signals.from_learner(name):
            value = signals.compute(name, learner, features)
            if first >= 0 and features.shape[0] != len(rows):
                value = value[:, rows - first] if signals.axis(name) else value[rows - first]
            inputs[name] = value
        else:
            raise BadInput(
                f"The score needs {name!r}, which only the caller can give: select(..., given={{{name!r}: ...}})."
            )
        if name != "labeled":
            _check_signal(name, inputs[name], rows)
    score = _settle(_check_score(strategy.name, strategy.score(**inputs), rows))
    if most < len(rows):
        best = np.sort(batch.top_k(score, noise, most))
        return rows[best], score[best]
    return rows, score


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
        elif name != "labeled":
            if name not in signals.known():
                raise ContractError(
                    str(
                        unknown(
                            f"input (asked for by the batch rule of {strategy.name!r})",
                            name,
                            (*signals.known(), "score", "k", "rng"),
                        )
                    )
                )
            inputs[name] = pool.signal(name, rows)
    if not k:
        return np.zeros(0, np.intp)
    if "labeled" in signals.needs(strategy.pick):
        labeled = pool.labeled()
        width = inputs["embedding"].shape[1] if "embedding" in inputs else labeled.shape[1]
        if len(labeled) and labeled.shape[1] != width:
            raise BadInput(
                f"The labeled embeddings have {labeled.shape[1]} columns, those of the pool {width}; give both alike."
            )
        inputs["labeled"] = labeled if len(labeled) else np.zeros((0, width), np.float32)
    found = np.asarray(strategy.pick(**inputs))
    good = found.ndim == 1 and found.dtype.kind in "iu" and len(found) == k == len(np.unique(found))
    if not good or (k and not 0 <= found.min() <= found.max() < len(rows)):
        raise ContractError(
            f"The batch rule of {strategy.name!r} must return {k} different positions below {len(rows)}, as integers; "
            f"got {found.dtype} of shape {found.shape}."
        )
    return found.astype(np.intp)


# ── checks ──────────────────────────────────────────────────────────────────────────────────


def _check_candidates(candidates: Any, n: int, name: str = "candidates") -> Rows:
    """Ascending row numbers."""
    if candidates is None:
        return np.arange(n)
    rows = np.asarray(candidates)
    if rows.size == 0:
        return np.zeros(0, np.intp)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise BadInput(
            f"{name} must be row numbers (one dimension of integers), got {rows.dtype} of shape {rows.shape}. "
            "For a mask use np.flatnonzero(mask)."
        )
    rows = np.unique(rows)
    if rows[0] < 0 or rows[-1] >= n:
        raise BadInput(f"{name} must be rows 0 to {n - 1}, got {rows[0]} to {rows[-1]}.")
    return rows.astype(np.intp)


def _check_given(given: Mapping[str, Any] | None, n: int) -> dict[str, Any]:
    checked = dict(given or {})
    for name, value in checked.items():
        if name not in (*signals.known(), *_CALLER) or name == "noise":
            raise unknown("signal", name, (*signals.known(), *_CALLER))
        if name in _CALLER:
            checked[name] = value() if callable(value) else value
        elif not callable(value):
            checked[name] = _check_rows(name, value, n)
    if "labeled_rows" in checked:
        checked["labeled_rows"] = _check_candidates(checked["labeled_rows"], n, "labeled_rows")
    return checked


def _check_rows(name: str, value: Any, n: int) -> Any:
    rows = value.shape[signals.axis(name)] if hasattr(value, "shape") else len(value)
    if rows != n:
        raise BadInput(f"given[{name!r}] must have one entry for each of the {n} rows of the pool, got {rows}.")
    return value


def _check_signal(name: str, value: Any, rows: Rows) -> None:
    axis = signals.axis(name)
    if value.ndim <= axis or value.shape[axis] != len(rows):
        raise ContractError(
            f"The signal {name!r} must have one entry for each of {len(rows)} rows, got shape {tuple(value.shape)}."
        )
    if name in ("proba", "committee"):
        if value.ndim != axis + 2:
            raise ContractError(f"The signal {name!r} must have {axis + 2} dimensions, got shape {tuple(value.shape)}.")
        xp = array_namespace(value)
        total = _numpy(xp.sum(value, axis=-1))
        total = total if total.ndim == 1 else total.sum(0)
        bad = ~np.isfinite(total)
        if bad.any():
            raise ContractError(f"The learner's {name!r} of row {rows[bad.argmax()]} holds NaN or infinity.")


def _check_score(name: str, score: Any, rows: Rows) -> Array:
    values = _numpy(score)
    if values.shape != (len(rows),) or values.dtype.kind not in "fiub":
        raise ContractError(
            f"The score of {name!r} must return one number for each of {len(rows)} rows, "
            f"got {values.dtype} of shape {values.shape}."
        )
    values = values.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(bad.argmax())
        raise ContractError(f"The score of {name!r} is {values[at]} at row {rows[at]}; scores must be finite.")
    return values


def _numpy(array: Any) -> Array:
    """A NumPy view or copy; tensors come back from their device."""
    detach: Callable[[], Any] | None = getattr(array, "detach", None)
    return np.asarray(detach().cpu() if detach is not None else array)


def _take(X: Matrix, rows: Rows) -> Matrix:
    return _widen(X[rows])


def _widen(block: Matrix) -> Matrix:
    """Float16 is for storage: computing in it loses the order of the scores."""
    return block.astype(np.float32) if block.dtype == np.float16 else block
