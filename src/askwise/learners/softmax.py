"""Multinomial logistic regression that relearns in milliseconds as labels arrive."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from askwise.batch.distances import middle
from askwise.core import Array, BadInput, Matrix
from askwise.features import as_features
from askwise.learners.whitening import Whitening, softmax_curvature

FORCING = 0.1
"""To what share each Newton step brings the residual of its linear equations down."""
SETTLED = 0.1
"""Share of `tol` below which what a Newton step could still gain is left where it is."""
TINY = np.float32(1e-4)
"""Keeps the preconditioner of a column without curvature or penalty finite."""
COLD = 0.25
"""Standard deviation of a committee's draws over that of the posterior they are drawn from.

At full width ten draws mostly disagree about directions that no candidate can settle; drawn colder they disagree near
the decision boundaries, and every committee strategy then needs fewer labels. Cold posteriors also predict better
(Wenzel et al., 2020).
"""
DENSE_PRECONDITIONER = 1024
"""Up to this many columns the preconditioner is a full inverse; beyond, its diagonal."""
RANGE = 60
"""The power of e, with a minus, that float32 holds with ease."""
CHEAP_INVERSE = 128
"""Up to this many columns an inverse costs less than the steps that a fresh one saves."""


class SoftmaxRegression:
    """Linear softmax model with an L2 penalty: dense or CSR features, warm refits, calibrated probabilities.

    Minimises `C * Σ_i w_i * loss_i + ½ |W|²`, the intercept free, as scikit-learn's `LogisticRegression` does (for
    two classes the symmetric pair of weight vectors here equals scikit-learn's single one at `2 * C`: each of the two
    is half as long). The optimum is found by Newton steps, each solved by preconditioned conjugate
    gradients (Newton-CG; Nocedal & Wright, 2006, §7.1) from the last weights, so a refit after one more label is cheap.
    Columns that no labeled row uses keep weight zero and cost nothing.

    Handles one class (probability 1), and classes that appear or vanish between fits.

    Args:
        C: Inverse strength of the penalty, > 0; for rows of length about 1 the default is a good start.
        class_weight: `"balanced"` weights a row by 1 / count of its class, `"sqrt"` by 1 / √count, None alike; weights
            sum to m. Full balance lets the first few rows of a rare class outshout the others, none forgets it.
        calibrate: Divide the logits by a temperature fitted on cross-validated logits (Guo et al., 2017); it is
            refitted when a class is new or the number of labels has changed by a tenth.
        tol: Stop after the Newton step that promises to lower the objective by less than this, in nats of loss: a
            measure that does not depend on the scale of the features.
        max_iter: Newton steps at most.

    Attributes:
        classes_: (classes,) sorted labels seen.
        coef_: (d, classes) float32 weights.
        intercept_: (classes,) float32, at `center_`.
        center_: (d,) float64 that is taken away from every row first, which changes no prediction; None where rows are
            not far from the origin, and float32 does not need it.
        temperature_: > 0; 1.0 without calibration or with too few labels.
        n_iter_: Newton steps of the last fit.
    """

    classes_: Array
    coef_: Array
    intercept_: Array
    center_: Array | None

    def __init__(
        self,
        C: float = 3.0,
        *,
        class_weight: Literal["balanced", "sqrt"] | None = "sqrt",
        calibrate: bool = True,
        tol: float = 1e-4,
        max_iter: int = 50,
    ) -> None:
        if not C > 0:
            raise BadInput(f"C must be above 0, got {C!r}. Smaller values mean a stronger penalty; try 1 to 100.")
        if class_weight not in ("balanced", "sqrt", None):
            raise BadInput(f"class_weight must be 'balanced', 'sqrt' or None, got {class_weight!r}.")
        self.C, self.class_weight, self.calibrate, self.tol, self.max_iter = C, class_weight, calibrate, tol, max_iter
        self.temperature_, self.n_iter_, self.center_ = 1.0, 0, None
        self._calibrated_at = 0
        self._half: tuple[float, Array] | None = None
        self._posterior: dict[tuple[int, int], tuple[Array, Array]] = {}
        self._seen: tuple[Matrix, Array] | None = None
        self._whitening: Whitening | None = None
        self._held: tuple[Array, Array] | None = None

    def __repr__(self) -> str:
        return f"SoftmaxRegression(C={self.C:g}, class_weight={self.class_weight!r}, calibrate={self.calibrate})"

    def fresh(self) -> SoftmaxRegression:
        """An unfitted learner with the same settings."""
        return SoftmaxRegression(
            self.C, class_weight=self.class_weight, calibrate=self.calibrate, tol=self.tol, max_iter=self.max_iter
        )

    def for_prediction(self) -> SoftmaxRegression:
        """A copy that predicts as this one does and holds nothing of the rows that it learned from."""
        other = copy.copy(self)
        other._seen, other._half, other._posterior, other._whitening, other._held = None, None, {}, None, None
        return other

    def for_comparison(self) -> SoftmaxRegression:
        """An unfitted learner whose guesses are those of this one, but for a few in 1,000, in less time."""
        return SoftmaxRegression(
            self.C, class_weight=self.class_weight, calibrate=False, tol=1e-2, max_iter=self.max_iter
        )

    # ── fitting ─────────────────────────────────────────────────────────────────────────────

    def fit(self, X: Matrix, y: Any) -> SoftmaxRegression:
        """Learn from (m, d) features, dense or CSR, and (m,) labels, starting from the last weights.

        Raises:
            BadInput: no rows, unequal lengths, or features that are not finite.
        """
        X, names = as_features(X), np.asarray(y)
        before, self.center_ = self.center_, center_of(X)
        A = placed(X, self.center_)
        if A.shape[0] != len(names) or len(names) == 0:
            raise BadInput(
                f"fit needs one label per row and at least one row, got {A.shape[0]} rows, {len(names)} labels."
            )
        values = A.data if is_sparse(A) else A
        if not np.isfinite(values.sum()) and not np.isfinite(values).all():
            raise BadInput("The features hold NaN or infinity; fill or drop those rows before fitting.")
        classes, codes = np.unique(names, return_inverse=True)
        start = self._warm(A.shape[1], classes, before)
        if (
            not hasattr(self, "coef_")
            or self.coef_.shape[0] != A.shape[1]
            or not np.array_equal(self.classes_, classes)
        ):
            self._calibrated_at = 0  # another model altogether: the temperature is not its own
        self.classes_ = classes
        if len(classes) == 1:
            self.coef_, self.intercept_ = np.zeros((A.shape[1], 1), np.float32), np.zeros(1, np.float32)
            self.temperature_, self.n_iter_ = 1.0, 0
        else:
            columns, B = _used_columns(A)
            V = np.concatenate([start[0] if columns is None else start[0][columns], start[1][None]])
            B = _append_ones(B)
            V, self.n_iter_ = self._solve(B, codes, V, self._weights(codes, len(classes))[:, None], self.tol)
            self.coef_, self.intercept_ = _spread(V[:-1], columns, A.shape[1]), V[-1]
            self._calibrate(B, codes, V)
        self._seen, self._posterior, self._whitening = (A, codes), {}, None
        return self

    def held_out(self) -> tuple[Array, Array] | None:
        """(r,) rows of the last fit and (r, classes) probabilities by models that had not seen them.

        None where the last fit made none: they are made with the temperature, which stays while labels grow by a tenth.
        """
        return self._held

    def _warm(self, d: int, classes: Array, before: Array | None) -> tuple[Array, Array]:
        """The last weights in the order of the new classes; zeros for what is new."""
        if hasattr(self, "coef_") and len(self.coef_) == d and (before is not None or self.center_ is not None):
            now, then = (np.zeros(d) if center is None else center for center in (self.center_, before))
            self.intercept_ = (self.intercept_ + (now - then) @ self.coef_).astype(np.float32)
        if hasattr(self, "coef_") and len(self.coef_) == d and np.array_equal(self.classes_, classes):
            return self.coef_, self.intercept_
        W, b = np.zeros((d, len(classes)), np.float32), np.zeros(len(classes), np.float32)
        if hasattr(self, "coef_") and self.coef_.shape[0] == d and self.classes_.dtype.kind == classes.dtype.kind:
            _, old, new = np.intersect1d(self.classes_, classes, return_indices=True)
            W[:, new], b[new] = self.coef_[:, old], self.intercept_[old]
        return W, b

    def _solve(self, B: Matrix, codes: Array, V: Array, weight: Array, tol: float) -> tuple[Array, int]:
        """Newton-CG on `fits` models at once, as one objective: what they cost together, in one product each step.

        Args:
            B: (m, d + 1) features, the last column ones.
            codes: (m,) class numbers.
            V: (d + 1, fits * classes) first weights, the last row the intercepts.
            weight: (m, fits) float32 weight of each row in each fit.
            tol: See there; of all fits together.

        Returns:
            The weights, Newton steps taken.
        """
        (m, fits), classes = weight.shape, V.shape[1] // weight.shape[1]
        # one row of `classes` numbers for each row and fit
        each = weight.ravel()
        told = np.zeros((m * fits, classes), np.float32)  # the weight of each row at its class
        told[np.arange(m * fits), np.repeat(codes, fits)] = each
        ridge = np.full(V.shape, 1 / self.C, np.float32)
        ridge[-1] = 0
        BT = B.T.tocsr() if is_sparse(B) else B.T
        # NumPy adds short rows up slower than BLAS multiplies them
        ones, share = np.ones((classes, classes), np.float32), np.full(fits, 1 / fits, np.float32)

        def forward(V: Array) -> tuple[float, Array]:
            Z = B.dot(V).reshape(-1, classes)
            top = Z.max()
            # maxima of short rows are slow, and no exponential gets lost where all logits are within RANGE
            Z -= top if top - Z.min() < RANGE else Z.max(1, keepdims=True)
            picked = float(np.vdot(told, Z))
            P = np.exp(Z, out=Z)
            total = P.dot(ones)
            loss = float(each.dot(np.log(total[:, 0]))) - picked
            P /= total
            return loss + 0.5 * float(np.vdot(ridge * V, V)), P

        value, P = forward(V)
        if not value <= float(each.sum()) * np.log(classes) + 1e-3:  # worse than knowing nothing, or lost in rounding
            V = np.zeros_like(V)
            value, P = forward(V)
        for step in range(self.max_iter):
            weighted = each[:, None] * P
            gradient = BT.dot((weighted - told).reshape(m, -1))
            gradient += ridge * V

            def curvature(D: Array, P: Array = P, weighted: Array = weighted) -> Array:
                U = B.dot(D).reshape(-1, classes)
                U *= weighted
                U -= P * U.dot(ones)
                H: Array = BT.dot(U.reshape(m, -1))
                H += ridge * D
                return H

            # the mean eigenvalue of diag(p) - p p' but the one that is always zero
            bend = (each - (weighted * P).dot(ones)[:, 0]) / (classes - 1)
            precondition = self._preconditioner(B, bend.reshape(m, fits).dot(share), ridge[:, :1])
            direction = _conjugate_gradients(curvature, -gradient, precondition, FORCING, 2 * SETTLED * tol)
            slope, length = float(np.vdot(gradient, direction)), 1.0
            if -slope <= 2 * tol:
                return V + direction, step + 1
            while True:
                trial = V + np.float32(length) * direction
                after, P_after = forward(trial)
                if after <= value + 1e-4 * length * slope + 1e-6 * abs(value):
                    break
                length /= 2
                if length < 1e-4:
                    return V, step
            V, value, P = trial, after, P_after
        return V, self.max_iter

    def _weights(self, codes: Array, classes: int) -> Array:
        """(m,) float32 weights of the rows."""
        if self.class_weight is None:
            return np.ones(len(codes), np.float32)
        count = np.bincount(codes, minlength=classes).astype(np.float64)
        weight: Array = (1 / np.maximum(count, 1) ** (1.0 if self.class_weight == "balanced" else 0.5))[codes]
        weight *= len(codes) / weight.sum()
        return weight.astype(np.float32)

    def _preconditioner(self, B: Matrix, bend: Array, ridge: Array) -> Callable[[Array], Array]:
        """Approximate inverse of the curvature, one for all classes, kept while that is within a factor."""
        size = len(ridge)
        if size > DENSE_PRECONDITIONER or is_sparse(B):
            squares = B.multiply(B).T @ bend if is_sparse(B) else bend @ (B * B)
            diagonal = np.asarray(squares, np.float32)[:, None] + ridge + TINY
            return lambda R: R / diagonal
        total, factor = float(bend.sum()), 1.3 if size <= CHEAP_INVERSE else 3.0
        if self._half is None or len(self._half[1]) != size or not total / factor <= self._half[0] <= factor * total:
            G = (B * bend[:, None]).T @ B
            G[np.arange(size), np.arange(size)] += ridge[:, 0] + TINY
            self._half = total, np.linalg.inv(G)
        inverse = self._half[1]
        return inverse.dot  # at these sizes half the time of the operator

    # ── calibration ─────────────────────────────────────────────────────────────────────────

    def _calibrate(self, B: Matrix, codes: Array, V: Array, folds: int = 5) -> None:
        m, self._held = len(codes), None
        if not self.calibrate:
            self.temperature_ = 1.0
            return
        if self._calibrated_at and abs(m - self._calibrated_at) < 0.1 * self._calibrated_at:
            return
        self._calibrated_at = m
        fold = _folds(codes, folds)
        weight = np.zeros((m, folds), np.float32)
        for f in range(folds):
            rest = np.flatnonzero(fold != f)
            weight[rest, f] = self._weights(codes[rest], V.shape[1])
        held = np.flatnonzero(fold >= 0)
        if len(held) < 10:
            self.temperature_ = 1.0
            return
        W, _ = self._solve(B, codes, np.tile(V, folds), weight, folds * self.tol)
        Z = np.asarray(B @ W).reshape(m, folds, -1)
        logits = Z[held, fold[held]]
        self.temperature_ = _temperature(logits, codes[held])
        self._held = held, _softmax(logits.T / np.float32(self.temperature_))

    # ── predicting ──────────────────────────────────────────────────────────────────────────

    def predict_proba(self, X: Matrix) -> Array:
        """(n, classes) float32 probabilities, columns in the order of `classes_`."""
        return _softmax(self._logits(X, self.coef_, self.intercept_))

    def predict(self, X: Matrix) -> Array:
        """(n,) the likeliest class of each row."""
        return np.asarray(self.classes_[self._logits(X, self.coef_, self.intercept_).argmax(0)])

    def _logits(self, X: Matrix, W: Array, b: Array) -> Array:
        """(classes, n): class-major, so that sums and maxima over classes run along contiguous memory."""
        A, W, b = placed(X, self.center_), W / np.float32(self.temperature_), b / np.float32(self.temperature_)
        Z: Array = np.ascontiguousarray(np.asarray(A @ W).T) if is_sparse(A) else W.T @ A.T
        Z += b[:, None]
        return Z

    def predict_committee(self, X: Matrix, members: int = 10, seed: int = 0) -> Array:
        """(members, n, classes) probabilities of weights drawn from a cold Laplace posterior (MacKay, 1992).

        The posterior is that of the calibrated model, its deviations multiplied by `COLD`. The classes share one
        curvature, the mean of those of the softmax, so one factorization of size min(m, d) serves all draws. The same
        seed gives the same members.
        """
        key = (members, seed)
        if key not in self._posterior:
            self._posterior = {key: self._draw(members, seed)}
        W, b = self._posterior[key]
        classes = len(self.classes_)
        Z = self._logits(X, W, b).reshape(members, classes, -1)
        return _softmax(Z)

    def whiten(self, X: Matrix) -> Array:
        """(n, r) float32 rows F with F_x · F_u = x' H⁻¹ u, H the curvature that the classes share on the labeled rows.

        So one more label y at x moves the logits of u, before the temperature, by about (F_x · F_u) (e_y - p_x).
        """
        if self._seen is None:
            raise BadInput("whiten needs a fitted learner; call fit first.")
        if self._whitening is None:
            A, codes = self._seen
            P = _softmax(self._logits(_Placed(A), self.coef_, self.intercept_) * np.float32(self.temperature_))
            weight = self._weights(codes, len(self.classes_)) * softmax_curvature(P)
            self._whitening = Whitening(A, weight, 1 / self.C)
        return self._whitening(placed(X, self.center_))

    def _draw(self, members: int, seed: int) -> tuple[Array, Array]:
        """Weights (d, members * classes) and intercepts: mean plus a Gaussian draw, by perturbing the least squares."""
        if self._seen is None:
            raise BadInput("predict_committee needs a fitted learner; call fit first.")
        from scipy.linalg import cho_factor, cho_solve

        X, codes = self._seen
        (m, d), columns = X.shape, members * len(self.classes_)
        W, b = np.tile(self.coef_, members), np.tile(self.intercept_, members)
        if len(self.classes_) == 1:
            return W, b
        P = _softmax(self._logits(_Placed(X), self.coef_, self.intercept_)).T
        weight = self._weights(codes, len(self.classes_)) * softmax_curvature(P.T)
        root = np.sqrt(weight)[:, None].astype(np.float64) + 1e-4
        rng = np.random.default_rng(seed)
        # of the weights over the temperature, whose prior is that much wider or narrower
        ridge = self.temperature_**2 / self.C
        # this right-hand side has covariance H = X' D X + ridge I, so H⁻¹ times it has covariance H⁻¹
        # (perturb and maximize; Papandreou & Yuille, 2010)
        right = X.T @ (root * rng.standard_normal((m, columns)))
        right += ridge**0.5 * rng.standard_normal((d, columns))
        if d <= m and not is_sparse(X):
            S = X * root
            noise = cho_solve(cho_factor(S.T @ S + ridge * np.eye(d)), right)
        else:
            gram = X @ X.T
            gram = np.asarray(gram.todense() if is_sparse(gram) else gram, dtype=np.float64)
            inner = cho_solve(cho_factor(root * gram * root.T + ridge * np.eye(m)), root * (X @ right))
            noise = (right - X.T @ (root * inner)) / ridge
        return (W + COLD * self.temperature_ * noise).astype(np.float32), b


# ── small mathematics ───────────────────────────────────────────────────────────────────────


def as_matrix(X: Matrix) -> Matrix:
    """Float32 features, dense or CSR, copied only where the type differs."""
    if is_sparse(X):
        return X.tocsr().astype(np.float32, copy=False)
    A = np.asarray(X, dtype=np.float32)
    if A.ndim != 2:
        raise BadInput(f"Features must have two dimensions (rows, columns), got shape {A.shape}.")
    return A


class _Placed:
    """Rows that the center was taken away from already."""

    def __init__(self, A: Matrix) -> None:
        self.A = A


def center_of(X: Matrix) -> Array | None:
    """(d,) what is taken away from each row before float32 sees it: an intercept takes it up. None = nothing."""
    return None if is_sparse(X) else middle(X)


def placed(X: Any, center: Array | None) -> Matrix:
    """Float32 features less a center, the difference taken in float64."""
    if isinstance(X, _Placed):
        return X.A
    if center is None or is_sparse(X):
        return as_matrix(X)
    return np.subtract(as_features(X), center, dtype=np.float64).astype(np.float32)


def is_sparse(X: Matrix) -> bool:
    """Whether X is a SciPy sparse matrix or array."""
    return hasattr(X, "tocsr")


def _used_columns(A: Matrix) -> tuple[Array | None, Matrix]:
    """The columns some row uses (None = all) and the matrix without the others."""
    if not is_sparse(A):
        return None, A
    used = np.zeros(A.shape[1], bool)
    used[A.indices] = True
    columns = np.flatnonzero(used)
    place = np.cumsum(used, dtype=np.int32) - 1
    return columns, type(A)(
        (A.data, place[A.indices].astype(A.indices.dtype), A.indptr), shape=(A.shape[0], len(columns))
    )


def _append_ones(X: Matrix) -> Matrix:
    """The matrix with a column of ones for the intercept."""
    if not is_sparse(X):
        return np.append(X, np.ones((X.shape[0], 1), np.float32), axis=1)
    from scipy import sparse

    parts: Any = [X, sparse.csr_matrix(np.ones((X.shape[0], 1), np.float32))]
    return sparse.hstack(parts, format="csr")


def _spread(W: Array, columns: Array | None, d: int) -> Array:
    if columns is None:
        return W
    full = np.zeros((d, W.shape[1]), np.float32)
    full[columns] = W
    return full


def _conjugate_gradients(
    curvature: Callable[[Array], Array],
    right: Array,
    precondition: Callable[[Array], Array],
    ratio: float,
    least: float,
    most: int = 60,
) -> Array:
    """Approximate solution of curvature(x) = right.

    Ends where the preconditioned residual has fallen to `ratio`, or its square, twice what further steps would gain,
    to `least`.
    """
    x, residual = np.zeros_like(right), right
    direction = precondition(residual)
    size = float(np.vdot(residual, direction))
    enough = max(ratio * ratio * size, least)
    for _ in range(most):
        Hd = curvature(direction)
        along = float(np.vdot(direction, Hd))
        if along <= 0:
            break
        step = np.float32(size / along)
        x += step * direction
        Hd *= step
        residual = residual - Hd
        z = precondition(residual)
        fresh = float(np.vdot(residual, z))
        if fresh <= enough:
            break
        direction *= np.float32(fresh / size)
        direction += z
        size = fresh
    return x


def _softmax(Z: Array) -> Array:
    """(…, n, classes) probabilities from (…, classes, n) logits; a transposed view, rows sum to one."""
    Z -= Z.max(-2, keepdims=True)
    np.exp(Z, out=Z)
    Z /= Z.sum(-2, keepdims=True)
    return np.swapaxes(Z, -1, -2)


def _folds(codes: Array, folds: int) -> Array:
    """(m,) fold of each row, classes spread evenly; -1 for the only row of a class, which is never held out."""
    fold = np.full(len(codes), -1)
    offset = 0
    for c in np.unique(codes):
        rows = np.flatnonzero(codes == c)
        if len(rows) > 1:
            fold[rows] = (offset + np.arange(len(rows))) % folds
            offset += len(rows)
    return fold


def _temperature(Z: Array, truth: Array) -> float:
    """The temperature that makes the (n, classes) logits likeliest, with a standard normal prior on its logarithm.

    The prior counts like one label or two: it keeps the temperature finite where every held-out row is right.
    """
    from scipy.optimize import minimize_scalar

    picked = Z[np.arange(len(truth)), truth].astype(np.float64)
    Z = Z.astype(np.float64)

    def loss(log_t: float) -> float:
        S = Z * np.exp(-log_t)
        top = S.max(1)
        return float((top + np.log(np.exp(S - top[:, None]).sum(1)) - picked * np.exp(-log_t)).sum() + 0.5 * log_t**2)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))
