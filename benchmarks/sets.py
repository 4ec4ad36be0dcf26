"""Sets for `learners.toml` that no file holds: made-up tables, each hard for one kind of model, and scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np

ROWS = 1_500


def _named(y: np.ndarray) -> list[str]:
    return [f"c{c}" for c in y]


def _drawn(seed: int) -> tuple[np.random.Generator, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng, rng.integers(2, size=ROWS)


def rings() -> tuple[np.ndarray, list[str]]:
    """Two noisy circles around one center."""
    rng, y = _drawn(1)
    angle, radius = rng.uniform(0, 2 * np.pi, ROWS), 1 + y + 0.15 * rng.normal(size=ROWS)
    return np.c_[radius * np.cos(angle), radius * np.sin(angle)], _named(y)


def spirals() -> tuple[np.ndarray, list[str]]:
    """Two arms of one and a half turns."""
    rng, y = _drawn(2)
    turn = np.sqrt(rng.uniform(size=ROWS)) * 3 * np.pi
    X = np.c_[turn * np.cos(turn + np.pi * y), turn * np.sin(turn + np.pi * y)]
    return X + 0.4 * rng.normal(size=X.shape), _named(y)


def other_spread() -> tuple[np.ndarray, list[str]]:
    """Equal means, other variances: nothing that a linear model could see."""
    rng, y = _drawn(3)
    return rng.normal(size=(ROWS, 12)) * np.where(y, 0.5, 1.0)[:, None], _named(y)


def xor() -> tuple[np.ndarray, list[str]]:
    """The class is the sign of a product; eight further columns are noise."""
    rng, _ = _drawn(4)
    X = rng.normal(size=(ROWS, 10))
    return X, _named((X[:, 0] * X[:, 1] > 0).astype(int))


def sparse_signal() -> tuple[np.ndarray, list[str]]:
    """Three of a hundred columns tell the classes apart."""
    rng, y = _drawn(5)
    X = rng.normal(size=(ROWS, 100))
    X[:, :3] += 1.2 * (2 * y - 1)[:, None]
    return X, _named(y)


def heavy_tails() -> tuple[np.ndarray, list[str]]:
    """Columns with Student's t of 1.5 degrees of freedom: scales that a few rows decide."""
    rng, y = _drawn(6)
    return rng.standard_t(1.5, size=(ROWS, 10)) + 1.0 * (2 * y - 1)[:, None], _named(y)


def pneumonia() -> tuple[np.ndarray, list[str]]:
    """PneumoniaMNIST (Yang et al., 2023): 28 x 28 chest X-rays as 784 columns; shared data beside the repository."""
    path = Path(__file__).parents[2] / "shared" / "data" / "image_pneumoniamnist" / "pneumoniamnist.npz"
    with np.load(path) as file:
        parts = [(file[f"{part}_images"], file[f"{part}_labels"]) for part in ("train", "val", "test")]
    X = np.concatenate([images.reshape(len(images), -1) for images, _ in parts]).astype(np.float32) / 255
    return X, _named(np.concatenate([labels.ravel() for _, labels in parts]))
