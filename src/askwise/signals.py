"""Signals: named arrays that a learner can say of some rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from askwise.core import Array, AskwiseError, BadInput, ContractError, Learner, Matrix, Rows, unknown

Provider: TypeAlias = Callable[[Learner | None, Matrix], Array]
"""`(learner, X) -> array`, one entry for each row of X."""

SPARSE_DIMS = 256
"""Width of the dense view of sparse features."""
FLIPS = 5
"""Predictions from features with most of them dropped."""


def proba(learner: Learner | None, X: Matrix) -> Array:
    """(n, classes) probabilities."""
    found = _power("proba", "predict_proba", learner)(X)
    if isinstance(found, (list, tuple)):
        raise BadInput(
            f"predict_proba of {type(learner).__name__} gives {len(found)} arrays, one for each column of labels that "
            "it learned. Fit it on one column of classes; for items with several labels use "
            "askwise.learners.adapt_multilabel(estimator), which gives (n, labels, 2)."
        )
    power: Array = found.to_numpy() if hasattr(found, "to_numpy") else found
    return power


def committee(learner: Learner | None, X: Matrix) -> Array:
    """(members, n, classes) probabilities of several models that fit the labels about equally well.

    Of a multi-label learner (members, n, labels, 2).
    """
    members: Array = _power("committee", "predict_committee", learner)(X)
    return members


def mean(learner: Learner | None, X: Matrix) -> Array:
    """(n,) predictions of a regressor."""
    return np.asarray(_power("mean", "predict", learner)(X))


def std(learner: Learner | None, X: Matrix) -> Array:
    """(n,) standard deviations of a regressor's predictions."""
    return np.asarray(_power("std", "predict_std", learner)(X))


def members(learner: Learner | None, X: Matrix) -> Array:
    """(n, members) predictions of several regressors that fit the labels about equally well."""
    return np.asarray(_power("members", "predict_committee", learner)(X)).T


def whitened(learner: Learner | None, X: Matrix) -> Array:
    """(n, r) rows F with F_x · F_u = x' H⁻¹ u, where H is the curvature of the last linear layer on its labels.

    How far one more label at x moves the output at u, and what is still unknown about x (F_x · F_x), follow from these.
    """
    return np.asarray(_power("whitened", "whiten", learner)(X))


def temperature(learner: Learner | None, X: Matrix) -> Array:
    """(n,) what the learner divides the logits of each row by to calibrate them; 1 where it does not say so."""
    return np.full(X.shape[0], float(getattr(learner, "temperature_", 1.0)))


def decision(learner: Learner | None, X: Matrix) -> Array:
    """(n, classes) decision values, zero on each boundary: `decision_function`, else each class's log odds.

    Of two classes the value of the second stands in the second column, its opposite in the first.
    """
    power = getattr(learner, "decision_function", None)
    power = power or getattr(getattr(learner, "estimator", None), "decision_function", None)
    if power is None:
        P = np.clip(np.asarray(proba(learner, X), np.float64), 1e-12, 1 - 1e-12)
        return np.asarray(np.log(P) - np.log1p(-P))
    D = np.asarray(power(X))
    return np.stack([-D, D], axis=1) if D.ndim == 1 else D


def flips(learner: Learner | None, X: Matrix) -> Array:
    """(n,) share of `FLIPS` predictions from features with three quarters dropped that change the label.

    The features dropped together are the same for all rows and calls, so that a row's value is its own; those kept are
    multiplied by four, as dropout does.
    """
    predict = _power("flips", "predict_proba", learner)
    P = np.asarray(predict(X))
    changed = np.zeros(len(P))
    rng = np.random.default_rng(X.shape[1])
    for _ in range(FLIPS):
        mask = np.zeros(X.shape[1], np.float32)
        mask[rng.permutation(len(mask))[: -(-len(mask) // 4)]] = 4
        changed += np.asarray(predict(_scale(X, mask))).argmax(1) != P.argmax(1)
    return np.where(np.isfinite(P).all(1), changed / FLIPS, np.nan)


def _scale(X: Matrix, factor: Array) -> Matrix:
    """Columns multiplied; sparse stays sparse, without what became zero."""
    if not hasattr(X, "tocsr"):
        return X * factor
    from scipy import sparse

    scaled = sparse.csr_matrix(X @ sparse.diags(factor))
    scaled.eliminate_zeros()
    return scaled


def label_count(learner: Learner | None, X: Matrix) -> Array:
    """(n,) how many labels a multi-label learner expects each row to have."""
    return np.asarray(_power("label_count", "predict_count", learner)(X))


def embedding(learner: Learner | None, X: Matrix) -> Array:
    """(n, d) dense rows for distances: the learner's `embed`, else the features, sparse ones projected."""
    if learner is not None and hasattr(learner, "embed"):
        return np.asarray(learner.embed(X))
    return project(X) if hasattr(X, "tocsr") else np.asarray(X)


def norm(learner: Learner | None, X: Matrix) -> Array:
    """(n,) Euclidean length of each row as the last linear layer sees it: of `embed(X)`, else of the features."""
    if learner is not None and hasattr(learner, "embed"):
        X = learner.embed(X)
    if hasattr(X, "tocsr"):
        if X.dtype.kind != "f" or X.dtype.itemsize < 4:  # products of small whole numbers do not fit their type
            X = X.astype(np.float64)
        return np.sqrt(np.asarray(X.multiply(X).sum(axis=1), dtype=np.float64).ravel())
    A = np.asarray(X)
    length: Array = np.sqrt(np.einsum("ij,ij->i", A, A, dtype=np.float64))
    return length


_providers: dict[str, Provider] = {
    f.__name__: f
    for f in (
        proba,
        committee,
        decision,
        flips,
        mean,
        std,
        members,
        whitened,
        temperature,
        label_count,
        embedding,
        norm,
    )
}
OF_PARTS = ("token_entropy", "mnlp", "sequence_doubt")
"""(n,) each: what a learner of sequences says of whole items, see `scores.sequence`; who asked it gives them."""
SUPPLIED = ("cost", "doubt", "noise", *OF_PARTS)
"""Signals that come from the caller or the engine instead of a learner.

cost: (n,) of an answer. doubt: (n,) a score of the caller's own, say from `scores.sequence`. noise: see there.
"""
FROM_MODEL = {
    *("proba", "committee", "decision", "flips", "mean", "std", "members", "whitened", "label_count", "classes"),
    *OF_PARTS,
}
"""What features alone cannot say."""
SHARED = ("labeled", "labeled_y", "labeled_order", "classes", "pool_mean")
"""Inputs that belong to the whole call, not to a row: every shard gets them whole.

labeled: (m, d) embeddings of labeled and pending rows. labeled_y: (m,) their answers as class numbers or targets, -1 or
NaN for pending ones; only the caller can give it. labeled_order: (m,) their places in time, equal for rows asked
together; unless given, one after the other as `labeled_rows` has them. classes: (classes,) what the columns of `proba`
stand for. pool_mean: (d,) float64 mean of the candidates' embeddings, each scaled to length 1.
"""
SCOPES = ("labeled_", "sample_")
"""Prefixes that make a shared input of a signal: of the labeled and pending rows, or of a sample of the candidates."""


def register(name: str, provider: Provider) -> None:
    """Add a word to the vocabulary: `provider(learner, X)` returns one entry for each row of X.

    Raises:
        BadInput: the name is taken or not an identifier.
    """
    if not name.isidentifier():
        raise BadInput(f"A signal is asked for by a parameter name, so {name!r} must be a Python identifier.")
    taken = name in (*_providers, *SUPPLIED, *SHARED, "score", "k", "rng") or split(name)[0] != ""
    if taken and _providers.get(name) is not provider:
        raise BadInput(f"There is a signal named {name!r} already; choose another name.")
    _providers[name] = provider


def known() -> tuple[str, ...]:
    """Every signal's and shared input's name, without those that a prefix makes."""
    return (*_providers, *SUPPLIED, *SHARED)


def split(name: str) -> tuple[str, str]:
    """("sample_", "proba") of "sample_proba"; ("", name) where there is no prefix."""
    for scope in SCOPES:
        base = name.removeprefix(scope)
        if base != name and name not in SHARED and base in (*_providers, *SUPPLIED):
            return scope, base
    return "", name


def shared(name: str) -> bool:
    """Whether the input belongs to the whole call instead of a row."""
    return name in SHARED or split(name)[0] != ""


def from_learner(name: str) -> bool:
    """Whether the signal is computed from learner and features, row by row."""
    return name in _providers


def needs_learner(name: str) -> bool:
    """Whether the signal cannot be had from features alone."""
    return split(name)[1] in FROM_MODEL


def compute(name: str, learner: Learner | None, X: Matrix) -> Array:
    """The signal of some rows."""
    if name not in _providers:
        raise unknown("signal", name, known())
    try:
        return _providers[name](learner, X)
    except (AskwiseError, MemoryError):
        raise
    except Exception as error:  # whatever a plug-in may raise: who called is told which one it was
        raise _failed(name, learner, error) from error


def _failed(name: str, learner: Learner | None, error: Exception) -> AskwiseError:
    who = type(learner).__name__
    if type(error).__name__ == "NotFittedError" or (needs_learner(name) and not _learned(learner)):
        return BadInput(f"{who} is not fitted: call fit(X, y) with the labeled rows first, or give learner=None.")
    said = " ".join(str(error).split())[:300]
    return ContractError(f"{who} could not give the signal {name!r}: {type(error).__name__}: {said}")


def _learned(learner: Learner | None) -> bool:
    """Whether it has learned something, as far as one can see from outside."""
    return any(hasattr(learner, trace) for trace in ("classes_", "coef_", "n_features_in_"))


def axis(name: str) -> int:
    """The axis that counts rows: 1 for `committee`, else 0."""
    return 1 if split(name)[1] == "committee" else 0


@functools.cache
def needs(function: Callable[..., Any]) -> tuple[str, ...]:
    """What a score or batch rule asks for: its parameter names, those with a default excepted."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))


def noise(rows: Rows, seed: int) -> Array:
    """(n,) uniform numbers in [0, 1), a hash of row and seed: the same whatever the shard, order or worker.

    The mixing function is SplitMix64 (Steele, Lea & Flood, 2014).
    """
    z = _mix(np.asarray(rows).astype(np.uint64) + _mixed(seed))
    z >>= np.uint64(11)
    return z.astype(np.float64) / 2**53


@functools.lru_cache
def _mixed(seed: int) -> Array:
    """(1,) the seed, mixed."""
    return _mix(np.array([seed & (2**64 - 1)], np.uint64))


def _mix(z: Array) -> Array:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def project(X: Matrix, dims: int = SPARSE_DIMS) -> Array:
    """(n, dims) dense float32 view of sparse rows that keeps distances within some percent.

    A very sparse random projection (Li, Hastie & Church, 2006), the same for every matrix of the same width, so that
    rows projected apart can be compared. Matrices narrower than `dims` are returned dense as they are.
    """
    from scipy import sparse

    d = X.shape[1]
    if d <= dims:
        return np.asarray(X.toarray(), dtype=np.float32)
    rng = np.random.default_rng(d)
    filled = max(1, round(dims / d**0.5))
    columns = rng.integers(0, dims, (d, filled))
    signs = rng.choice(np.array([-1, 1], np.float32), (d, filled)) / np.float32(filled**0.5)
    R = sparse.csr_matrix((signs.ravel(), columns.ravel(), np.arange(0, d * filled + 1, filled)), shape=(d, dims))
    out = np.empty((X.shape[0], dims), np.float32)
    A = X.tocsr()
    for start in range(0, len(out), 8192):
        out[start : start + 8192] = (A[start : start + 8192] @ R).toarray()
    return out


def _power(signal: str, method: str, learner: Learner | None) -> Any:
    """The learner's method behind a signal."""
    power = getattr(learner, method, None)
    if power is None:
        who = "there is no fitted learner yet" if learner is None else f"{type(learner).__name__} has no {method}()"
        raise BadInput(
            f"The signal {signal!r} was asked for, but {who}. Use askwise.learners.adapt(estimator), which adds what "
            f"is missing to a scikit-learn classifier, give {signal!r} yourself, or choose a strategy without it."
        )
    return power
