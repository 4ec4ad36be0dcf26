"""Conformance kits that a plug-in author can run on a strategy, learner, encoder or store.

Each kit raises `ContractError` with the name of the check that failed, and returns nothing when all is well:

    >>> from askwise import strategies, testing
    >>> testing.check_strategy(strategies.get("margin"))

`plant_outliers`, `plant_coin_flips` and `plant_near_duplicates` make the trouble that a strategy is to withstand.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from askwise import signals
from askwise.core import Array, BadInput, Conflict, ContractError, Event, Matrix, Selection, Store
from askwise.engine import select
from askwise.learners import MultiLabel, SoftmaxRegression
from askwise.store import chain
from askwise.strategies import Strategy, get


def check_strategy(strategy: str | Strategy) -> None:
    """Run a strategy through every situation a session meets.

    Checked: same rows whatever the order of the candidates, chunk size, executor or float type; a read-only memory
    map, CSR features; ties, duplicates, one class seen, no or one candidate, more rows wanted than there are; NaN from
    the learner refused with its row; pending rows; inputs left as they were.

    Raises:
        ContractError: names the check.
    """
    strategy = get(strategy)
    problem = _Problem(strategy.task)
    problem.compare(strategy)
    problem.edges(strategy)
    problem.storage(strategy)
    _check_nan(strategy, problem)
    _check_same_rows(strategy, problem)


def check_learner(make: Callable[[], Any]) -> None:
    """Run the learners that `make()` returns through fits, refits, one class, new classes, half floats, CSR.

    Raises:
        ContractError: names the check.
    """
    from scipy import sparse

    problem = _Problem()
    X, y = problem.X[problem.labeled], problem.names[problem.labeled]
    before = X.copy()
    learner = make()
    learner.fit(X, y)
    P = P_full = _check_proba("after a fit", learner, problem.X, np.unique(y))
    _expect(np.array_equal(X, before), "fit must not change the features")
    _expect(np.array_equal(P, learner.predict_proba(problem.X)), "the same question twice must have the same answer")
    again = make()
    again.fit(X, y)
    _expect(np.allclose(P, again.predict_proba(problem.X), atol=1e-5), "the same fit twice must give the same model")
    right = np.mean(np.asarray(learner.classes_)[P.argmax(1)] == problem.names)
    _expect(bool(right > 0.8), f"three well separated groups must be learned, but only {right:.0%} were right")

    two = np.flatnonzero(y != "c")
    fresh = make()
    fresh.fit(X[two], y[two])
    _check_proba("with two classes", fresh, problem.X, np.array(["a", "b"]))
    fresh.fit(X, y)
    _check_proba("after a class appeared", fresh, problem.X, np.unique(y))
    one = make()
    one.fit(X[:3], np.array(["a", "a", "a"]))
    P = _check_proba("with one class", one, problem.X, np.array(["a"]))
    _expect(bool(np.allclose(P, 1)), "with one class seen its probability must be 1")
    _expect(len(learner.predict_proba(problem.X[:0])) == 0, "no rows must give no probabilities")
    narrow = make()
    narrow.fit(X.astype(np.float16), y)
    same = np.allclose(P_full, narrow.predict_proba(problem.X.astype(np.float16)), atol=1e-2)
    _expect(same, "float16 features must be as good as float32, of which they are exact copies here")
    thin = make()
    try:
        thin.fit(sparse.csr_matrix(X), y)
    except BadInput:  # a refusal that says what to do is as good
        pass
    else:
        _check_proba("from sparse features", thin, sparse.csr_matrix(problem.X), np.unique(y))
    if hasattr(learner, "predict_committee"):
        members = np.asarray(learner.predict_committee(problem.X))
        shape = (len(problem.X), len(learner.classes_))
        _expect(members.ndim == 3 and members.shape[1:] == shape, "a committee must be (members, n, classes)")
        _expect(bool(np.allclose(members.sum(-1), 1, atol=1e-4)), "every member's probabilities must sum to one")
        _expect(np.array_equal(members, learner.predict_committee(problem.X)), "a committee must stay the same")
        _expect(len(np.asarray(one.predict_committee(problem.X)).shape) == 3, "a committee must work with one class")


def check_encoder(encoder: Any, items: Sequence[Any] | None = None) -> None:
    """Check that an encoder, or a plain callable, gives one finite float row for each item, in order.

    Args:
        encoder: The encoder.
        items: At least three different items it must be able to encode; default some short texts.

    Raises:
        ContractError: names the check.
    """
    items = list(items or ["win a prize now", "see you at home", "", "win a prize now", "привет 👋", "a " * 3000])
    if hasattr(encoder, "fit"):
        encoder.fit(items)
    named = isinstance(getattr(encoder, "name", None), str) and bool(encoder.name)
    _expect(callable(encoder) or named, "an encoder must have a name")
    encode = encoder.encode if hasattr(encoder, "encode") else encoder
    E = encode(items)
    dense = _dense(E)
    _expect(
        dense.ndim == 2 and len(dense) == len(items), f"{len(items)} items must give as many rows, got {dense.shape}"
    )
    _expect(dense.dtype == np.float32, f"features must be float32, got {dense.dtype}")
    _expect(bool(np.isfinite(dense).all()), "features must be finite")
    _expect(np.allclose(dense, _dense(encode(items)), atol=1e-5), "the same items must have the same features")
    _expect(np.allclose(dense[::-1], _dense(encode(items[::-1])), atol=1e-4), "rows must follow the order of the items")
    _expect(np.allclose(dense[:1], _dense(encode(items[:1])), atol=1e-4), "an item must not depend on its neighbors")


def check_store(make: Callable[[], Store], reopen: Callable[[], Store] | None = None) -> None:
    """Check that a new, empty store appends all or none, in order, chained by digests, and refuses a stale `after`.

    Args:
        make: Returns an empty store.
        reopen: Opens the same log again after `close`, for stores that outlive the process.

    Raises:
        ContractError: names the check.
    """
    store = make()
    _expect(list(store.read()) == [], "a new store must be empty")
    _expect(store.append([Event("opened", {"n": 1, "text": "ä\n\"'"})]) == 1, "append must return the last seq")
    odd = {"b": [0.1, 1e-7, 1e22, -0.0, True, None], "a": {"é": "\U0001f642", "Z": {}}, "n": 2**60}
    _expect(store.append([Event("told", {"i": 2}), Event("told", odd, at=5)], after=1) == 3, "seq counts on")
    events = list(store.read())
    _expect([e.seq for e in events] == [1, 2, 3], "seq must be 1, 2, 3 in the order of appending")
    _expect([e.kind for e in events] == ["opened", "told", "told"], "kinds must come back")
    _expect(dict(events[0].data) == {"n": 1, "text": "ä\n\"'"}, "data must come back as it was")
    _expect(dict(events[2].data) == odd, "numbers, nested data and any character must come back as they were")
    _expect(events[0].at > 0 and events[2].at == 5.0, "`at` is now where it was 0, else what was given")
    _expect([e.seq for e in store.read(after=2)] == [3], "read(after) must give only what is newer")
    _expect(store.append([]) == 3, "appending nothing must change nothing")
    try:
        store.append([Event("told", {}), Event("told", {})], after=2)
    except Conflict:
        pass
    else:
        raise ContractError("check failed: a stale `after` must raise Conflict")
    _expect(len(store.read()) == 3, "a refused append must leave nothing behind")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda i: store.append([Event("told", {"i": i})]), range(20)))
    events = list(store.read())
    _expect([e.seq for e in events] == list(range(1, 24)), "threads must not lose or double an event")
    _expect([e.digest for e in events] == list(chain(events)), "digests must be those of askwise.store.chain")
    store.close()
    if reopen is not None:
        again = reopen()
        _expect([e.seq for e in again.read()] == list(range(1, 24)), "a reopened store must hold what was appended")
        _expect(again.append([Event("told", {})], after=23) == 24, "a reopened store must count on")
        events = list(again.read())
        _expect([e.digest for e in events] == list(chain(events)), "a reopened store must go on with the same chain")
        again.close()


# ── planted trouble ─────────────────────────────────────────────────────────────────────────


def plant_outliers(X: Array, y: Array, share: float, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Mix in items far from all else, of any class.

    Each feature of an outlier is normal around the mean of the pool with three times its standard deviation.

    Args:
        X: (n, d) features.
        y: (n,) labels.
        share: Of the result that is planted, 0 <= share < 1.
        rng: Draws the outliers, their labels and the order.

    Returns:
        (n + m, d) float32 features, (n + m,) labels that a person would give, (n + m,) whether each row is planted.

    Raises:
        BadInput: a share out of range, no rows, or not as many labels.
    """
    m = _planted(X, y, share)
    new = X.mean(0) + 3 * X.std(0) * rng.normal(size=(m, X.shape[1]))
    return _mixed(X, y, new, rng.choice(np.unique(y), m), rng)


def plant_coin_flips(
    X: Array, y: Array, share: float, rng: np.random.Generator, *, shrink: bool = True
) -> tuple[Array, Array, Array]:
    """Mix in items halfway between two of different classes, labeled as one of them by the toss of a coin.

    Arguments and results are those of `plant_outliers`. An item halfway is nearer to the middle of the pool than real
    ones, which gives it away; with `shrink=False` it is moved out to the mean distance of the two from the mean row.

    Raises:
        BadInput: as `plant_outliers`; or a single class.
    """
    m = _planted(X, y, share)
    if len(np.unique(y)) < 2:
        raise BadInput("Coin flips need labels of two classes or more, got one; plant something else.")
    one = rng.integers(0, len(X), m)
    other = np.array([rng.choice(np.flatnonzero(y != y[i])) for i in one], np.intp)
    labels = np.where(rng.random(m) < 0.5, y[one], y[other])
    new = 0.5 * (X[one] + X[other])
    if not shrink:
        mean = X.mean(0)
        length = np.linalg.norm(X - mean, axis=1)
        away = new - mean
        now = np.linalg.norm(away, axis=1)
        new = mean + away * (0.5 * (length[one] + length[other]) / np.where(now > 0, now, 1))[:, None]
    return _mixed(X, y, new, labels, rng)


def plant_near_duplicates(
    X: Array, y: Array, share: float, rng: np.random.Generator, *, copies: int = 20
) -> tuple[Array, Array, Array]:
    """Mix in groups of copies of single items, each a thousandth of the item's length away, with its label.

    Arguments and results are those of `plant_outliers`; `copies` are the planted rows of one item.

    Raises:
        BadInput: as `plant_outliers`; or copies below 1.
    """
    m = _planted(X, y, share)
    if copies < 1:
        raise BadInput(f"copies must be 1 or more, got {copies}.")
    source = np.repeat(rng.choice(len(X), -(-m // copies)), copies)[:m]
    noise = rng.normal(size=(m, X.shape[1])) / math.sqrt(X.shape[1])
    new = X[source] + 1e-3 * np.linalg.norm(X[source], axis=1, keepdims=True) * noise
    return _mixed(X, y, new, y[source], rng)


def _planted(X: Array, y: Array, share: float) -> int:
    """How many rows make up the share."""
    if not 0 <= share < 1 or not len(X) or len(X) != len(y):
        raise BadInput(
            f"Planting needs rows, a label for each and 0 <= share < 1; got {len(X)} rows, {len(y)} labels, "
            f"share {share}."
        )
    return round(len(X) * share / (1 - share))


def _mixed(X: Array, y: Array, new: Array, labels: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    order = rng.permutation(len(X) + len(new))
    planted = (np.arange(len(order)) >= len(X))[order]
    return np.concatenate([X, new]).astype(np.float32)[order], np.concatenate([y, labels])[order], planted


# ── the strategy kit's parts ────────────────────────────────────────────────────────────────


class _Problem:
    """Three groups of rows, some labeled; every number is exact in float16, so that all float types agree."""

    def __init__(self, task: str = "classification", n: int = 90) -> None:
        rng = np.random.default_rng(7)
        truth = np.arange(n) % 3
        points = 4 * np.eye(3, 6)[truth] + rng.normal(size=(n, 6))
        self.X: Array = (np.round(points * 64) / 64).astype(np.float32)
        self.names: Array = np.array(["a", "b", "c"])[truth]
        self.labeled: Array = np.arange(12)
        self.free: Array = np.arange(12, n)
        self.task = task
        # what only the caller can say of all rows
        self.own: dict[str, Array] = {"cost": np.linspace(1, 2, n)}
        if task == "spans":
            self.own |= {name: np.abs(self.X[:, at]) for at, name in enumerate(signals.OF_PARTS)}
        # what a learner of the task learns, and what the caller tells a strategy of labeled rows
        self.answers: Array
        if task == "multilabel":
            self.answers = np.stack([self.X[:, c] > 1.5 for c in range(4)], axis=1).astype(np.int64)
            self.labeled_y = self.answers
        elif task == "regression":
            self.answers = self.labeled_y = (self.X[:, 0] - self.X[:, 1] + np.sin(self.X[:, 2])).astype(np.float64)
        else:
            self.answers, self.labeled_y = self.names, truth
        self.learner = self.learn(self.X, self.labeled)
        self.given = self.told(self.labeled)

    def new_learner(self) -> Any:
        kinds = {"multilabel": MultiLabel, "regression": _Line}
        return kinds.get(self.task, SoftmaxRegression)()

    def learn(self, X: Any, rows: Array, learner: Any = None) -> Any:
        learner = learner or self.new_learner()
        learner.fit(X[rows], self.answers[rows])
        return learner

    def told(self, rows: Array) -> dict[str, Any]:
        """What the caller says when these rows are labeled."""
        return {"labeled_rows": rows, "labeled_y": self.labeled_y[rows], **self.own}

    def ask(
        self, strategy: Strategy, X: Any = None, rows: Any = None, learner: Any = None, **changes: Any
    ) -> Selection:
        X = self.X if X is None else X
        rows = self.free if rows is None else rows
        options: dict[str, Any] = {"k": 5, "seed": 3, "given": self.given} | changes
        found = select(X, rows, learner or self.learner, strategy, **options)
        where = f"{strategy.name!r} with k={options['k']} of {len(rows)}"
        _expect(len(found.rows) == min(options["k"], len(rows)), f"{where} must give min(k, n) rows")
        _expect(len(set(found.rows.tolist())) == len(found.rows), f"{where} must not give a row twice")
        _expect(set(found.rows.tolist()) <= set(np.asarray(rows).tolist()), f"{where} must give candidates only")
        _expect(len(found.scores) == len(found.parts) == len(found.rows), f"{where}: scores and parts, one per row")
        return found

    def compare(self, strategy: Strategy) -> None:
        reference = self.ask(strategy).rows

        def same(what: str, found: Selection) -> None:
            _expect(np.array_equal(reference, found.rows), f"{strategy.name!r} must choose the same rows {what}")

        before = self.X.copy()
        same("when asked again", self.ask(strategy))
        _expect(np.array_equal(before, self.X), f"{strategy.name!r} must not change its inputs")
        same("for candidates in another order", self.ask(strategy, rows=self.free[::-1]))
        for chunk in (1, 7, 1000):
            same(f"in chunks of {chunk}", self.ask(strategy, chunk=chunk))
        with ThreadPoolExecutor(2) as threads:
            same("on threads", self.ask(strategy, chunk=10, executor=threads))
        same("from float64 features", self.ask(strategy, self.X.astype(np.float64)))
        same("from float16 features", self.ask(strategy, self.X.astype(np.float16)))

    def edges(self, strategy: Strategy) -> None:
        for k, rows in ((0, self.free), (5, self.free[:0]), (1, self.free[:1]), (5, self.free[:1]), (500, self.free)):
            self.ask(strategy, k=k, rows=rows)
        self.ask(strategy, rows=np.arange(len(self.X)), given=self.told(np.zeros(0, np.intp)))
        everything = self.ask(strategy, k=500).rows
        _expect(
            set(everything.tolist()) == set(self.free.tolist()), f"{strategy.name!r} must give all rows for a large k"
        )
        try:
            self.ask(strategy, given=self.own)
        except BadInput as error:  # answers can only come from the caller
            _expect("labeled_y" in str(error), f"{strategy.name!r} must work before anything is labeled, got: {error}")
        two = np.array([0, 3])  # of the same class
        self.ask(strategy, learner=self.learn(self.X, two), given=self.told(two))
        pending = self.ask(strategy).rows[:2]
        rows = np.setdiff1d(self.free, pending)
        waiting = self.told(np.append(self.labeled, pending)) | {"n_labeled": 12}
        unknown: Any = np.nan if self.task == "regression" else -1
        waiting["labeled_y"] = waiting["labeled_y"].copy()
        waiting["labeled_y"][12:] = unknown
        self.ask(strategy, rows=rows, given=waiting)

    def storage(self, strategy: Strategy) -> None:
        from scipy import sparse

        reference = self.ask(strategy).rows
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pool.npy"
            np.save(path, self.X)
            mapped = np.load(path, mmap_mode="r")
            _expect(
                np.array_equal(reference, self.ask(strategy, mapped).rows),
                f"{strategy.name!r} must choose the same rows from a read-only memory map",
            )
            del mapped
        self.ask(strategy, sparse.csr_matrix(self.X))
        wide = sparse.hstack([sparse.csr_matrix(self.X), sparse.csr_matrix((len(self.X), 400))], format="csr")
        self.ask(strategy, wide, learner=self.learn(wide, self.labeled))


class _Line:
    """Linear regression with a standard normal prior: the regressor of the kit."""

    def fit(self, X: Any, y: Any) -> _Line:
        A = _with_one(X)
        self._rows, self._y = A, np.asarray(y, np.float64)
        self._covariance = np.linalg.inv(A.T @ A + np.eye(A.shape[1]))
        self._mean = self._covariance @ (A.T @ self._y)
        return self

    def predict(self, X: Any) -> Array:
        return np.asarray(_with_one(X) @ self._mean)

    def predict_std(self, X: Any) -> Array:
        A = _with_one(X)
        deviation: Array = np.sqrt(1 + np.einsum("ij,jk,ik->i", A, self._covariance, A))
        return deviation

    def predict_committee(self, X: Any, members: int = 10, seed: int = 0) -> Array:
        """(members, n)."""
        draws = np.random.default_rng(seed).standard_normal((members, len(self._mean)))
        weights = self._mean + draws @ np.linalg.cholesky(self._covariance).T
        return np.asarray(weights @ _with_one(X).T)

    def whiten(self, X: Any) -> Array:
        return (_with_one(X) @ np.linalg.cholesky(self._covariance)).astype(np.float32)


def _with_one(X: Any) -> Array:
    A = _dense(X).astype(np.float64)
    return np.append(A, np.ones((len(A), 1)), axis=1)


class _Broken:
    """A learner that says NaN of one row, whatever it is asked."""

    def __init__(self, learner: Any, row: Array) -> None:
        self._learner, self._row, self.reached = learner, row, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._learner, name)
        if name.startswith("_") or name == "fresh" or not callable(found):
            return found

        def spoiled(X: Any, *arguments: Any) -> Array:
            value = np.array(found(X, *arguments), dtype=np.float64)
            at = np.flatnonzero((_dense(X) == self._row).all(1))
            self.reached |= len(at) > 0
            value[(slice(None),) * (name == "predict_committee") + (at,)] = np.nan
            return value

        return spoiled


def _check_nan(strategy: Strategy, problem: _Problem) -> None:
    learner = _Broken(problem.learner, problem.X[40])
    try:
        problem.ask(strategy, learner=learner)
    except ContractError as error:
        _expect("40" in str(error), f"{strategy.name!r}: the error for NaN must name row 40, got {error}")
        return
    _expect(not learner.reached, f"{strategy.name!r} must refuse a learner that returns NaN")


def _check_same_rows(strategy: Strategy, problem: _Problem) -> None:
    """All rows equal, so all scores equal; then every row twice."""
    flat = np.ones_like(problem.X)
    reference = problem.ask(strategy, flat)
    for chunk in (1, 7, 1000):
        found = problem.ask(strategy, flat, rows=problem.free[::-1], chunk=chunk)
        _expect(
            np.array_equal(reference.rows, found.rows), f"{strategy.name!r} must break ties alike in every chunk size"
        )
    twice = problem.X[np.arange(len(problem.X)) // 2 * 2]
    problem.ask(strategy, twice, k=20)


def _check_proba(when: str, learner: Any, X: Matrix, classes: Array) -> Array:
    P = np.asarray(learner.predict_proba(X))
    _expect(np.array_equal(np.asarray(learner.classes_), classes), f"{when}, classes_ must be the sorted labels seen")
    _expect(P.shape == (X.shape[0], len(classes)), f"{when}, predict_proba must be (n, classes), got {P.shape}")
    _expect(bool(np.isfinite(P).all() and (P >= 0).all()), f"{when}, probabilities must be finite and not negative")
    _expect(bool(np.allclose(P.sum(1), 1, atol=1e-4)), f"{when}, probabilities of a row must sum to one")
    return P


def _dense(E: Any) -> Array:
    return np.asarray(E.toarray() if hasattr(E, "tocsr") else E)


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise ContractError(f"check failed: {what}")
