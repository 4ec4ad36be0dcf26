"""Images as features without a network: what is bright where, and which way edges run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Matrix
from askwise.media import BROKEN, open_image
from askwise.notices import each

SIDE = 64
"""Pixels of a side that an image is brought to."""
CELL = 8
"""Pixels of a side of a cell of edge directions."""
TURNS = 9
"""Edge directions told apart, over half a turn."""
COARSE = 8
"""Patches of a side whose brightness and color are kept."""
SAMPLE = 5_000
"""Images that the directions are learned from; of a larger pool every k-th."""


class ImageEncoder:
    """Histograms of edge directions beside coarse brightness and color, reduced to the main directions of the pool.

    No download, no network: good for images that differ in layout, texture or color; for objects in photographs give a
    pretrained model as `encoder=`. Deterministic.
    Sources: Dalal & Triggs (2005) for the histograms, Halko et al. (2011) for the randomized decomposition.

    Args:
        dims: Features to keep, at least 2; fewer where the pool is smaller.
    """

    name = "image"

    def __init__(self, *, dims: int = 128) -> None:
        if dims < 2:
            raise BadInput(f"dims must be at least 2, got {dims}.")
        self.dims = dims
        self.version = f"image-1-{dims}"
        self._mean: Array | None = None
        self._axes: Array | None = None

    def fit(self, items: Sequence[Any]) -> ImageEncoder:
        """Learn the main directions from (n,) files, Pillow images or arrays, n ≥ 1."""
        from sklearn.utils.extmath import randomized_svd

        if not len(items):
            raise BadInput("There is no image to learn from.")
        step = -(-len(items) // SAMPLE)
        sample = self._described(items[::step])
        self._mean = sample.mean(axis=0)
        _, strength, axes = randomized_svd(sample - self._mean, min(self.dims, *sample.shape), n_iter=4, random_state=0)
        telling = strength > 1e-5 * max(strength[0], 1e-12)
        telling[0] = True
        self._axes = np.ascontiguousarray(axes[telling].T, dtype=np.float32)
        return self

    def encode(self, items: Sequence[Any]) -> Matrix:
        """(n, d) float32 features, dense, rows of length 1 (zero for what is like the mean of the pool).

        Fits itself to `items` where `fit` was not called.

        Raises:
            BadInput: A file is gone, was changed, or is no image.
        """
        if self._axes is None or self._mean is None:
            return self.fit(items).encode(items)
        found = np.empty((len(items), self._axes.shape[1]), dtype=np.float32)
        for start in range(0, len(items), SAMPLE):
            block = self._described(items[start : start + SAMPLE])
            found[start : start + SAMPLE] = (block - self._mean) @ self._axes
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.where(norms > 1e-6, found / np.maximum(norms, 1e-6), np.float32(0))

    def _described(self, items: Sequence[Any]) -> Array:
        return np.stack([describe(_pixels(item)) for item in each("encoding images", items)])


def _pixels(item: Any) -> Array:
    """(SIDE, SIDE, 3) float32 in 0 to 1 of a file, a Pillow image, or an array of pixels."""
    from PIL import Image

    if hasattr(item, "read") and hasattr(item, "sha256"):
        try:
            image = open_image(item.read(), about=SIDE)
            image.load()
        except BROKEN as error:
            raise BadInput(f"The image {str(item)!r} cannot be read: {error}.") from None
    elif isinstance(item, bytes):
        image = Image.open(io.BytesIO(item))
    else:
        image = item if isinstance(item, Image.Image) else Image.fromarray(np.asarray(item))
    small = as_rgb(image).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / 255


def as_rgb(image: Any) -> Any:
    """A Pillow image in three colors of 8 bits: what is transparent becomes white, wide ranges are stretched."""
    from PIL import Image

    if image.mode[:1] in "IF":  # 16 bits and more: X-rays, depth maps; converting them plainly would clip
        wide = np.asarray(image, dtype=np.float64)
        span = max(wide.max() - wide.min(), 1e-12)
        image = Image.fromarray(np.uint8(255 * (wide - wide.min()) / span))
    if image.mode in ("P", "LA", "PA", "RGBA"):
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def describe(pixels: Array) -> Array:
    """(d,) float32 descriptor of (SIDE, SIDE, 3) pixels in 0 to 1: edge directions, then brightness, then color.

    Each of the three parts has about the same length, so that none drowns the others.
    """
    gray = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    down, across = np.gradient(gray)
    strength = np.hypot(down, across)
    turn = np.mod(np.arctan2(down, across), np.pi) * (TURNS / np.pi)
    low = np.floor(turn).astype(int)
    part = turn - low
    cells = SIDE // CELL
    at = np.arange(SIDE) // CELL
    cell = at[:, None] * cells + at[None, :]
    bins = np.stack([cell * TURNS + low % TURNS, cell * TURNS + (low + 1) % TURNS])
    shares = np.stack([strength * (1 - part), strength * part])
    edges = np.bincount(bins.ravel(), shares.ravel(), minlength=cells * cells * TURNS)
    grid = edges.reshape(cells, cells, TURNS)
    blocks = np.concatenate([grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]], axis=2)
    blocks /= np.linalg.norm(blocks, axis=2, keepdims=True) + 0.1
    patch = SIDE // COARSE
    coarse = pixels.reshape(COARSE, patch, COARSE, patch, 3).mean(axis=(1, 3))
    light = coarse.mean(axis=2)
    color = coarse - light[:, :, None]
    parts = (blocks.ravel() / (cells - 1), light.ravel() / COARSE * 2, color.ravel() / COARSE * 4)
    return np.concatenate(parts).astype(np.float32)
