"""Recordings as features: how loud each band of pitch is, on average and how much it moves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, Matrix
from askwise.media import audio_type
from askwise.notices import each

BANDS = 40
LOWEST, HIGHEST = 50.0, 8_000.0
"""Hertz; what speech, music and most machines fill."""
LONGEST = 60
"""Seconds of a recording that are listened to."""
FRAME = 0.032
"""Seconds of one spectrum."""


class AudioEncoder:
    """Mean and spread over time of the log-mel spectrum, scaled by the pool. Only WAV is heard.

    MP3 and OGG would need a decoder: their features are zero, so they are labeled like any other, but the model says
    the same of all of them. Convert them, or give an `encoder=` of your own, for it to learn.
    Source: Davis & Mermelstein (1980) for the mel spectrum.
    """

    name = "audio"
    version = "audio-1"

    def __init__(self) -> None:
        self._mean: Array | None = None
        self._scale: Array | None = None

    def fit(self, items: Sequence[Any]) -> AudioEncoder:
        """Learn the scale from (n,) files, n ≥ 1."""
        self._learn(_all(items))
        return self

    def encode(self, items: Sequence[Any]) -> Matrix:
        """(n, 80) float32 features, dense, rows of length 1; zero for what is not heard.

        Raises:
            BadInput: A file is gone, or was changed.
        """
        heard = _all(items)
        if self._mean is None or self._scale is None:
            self._learn(heard)
        found = (heard - self._mean) / self._scale
        found[np.isnan(found).any(axis=1)] = 0
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(np.divide(found, norms, out=np.zeros_like(found), where=norms > 0), dtype=np.float32)

    def _learn(self, heard: Array) -> None:
        known = heard[~np.isnan(heard).any(axis=1)]
        if not len(known):
            known = np.zeros((1, heard.shape[1]))
        self._mean, self._scale = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-6)


def _all(items: Sequence[Any]) -> Array:
    """(n, 80) statistics; NaN for what is not heard."""
    return np.stack([_statistics(item.read()) for item in each("encoding recordings", items)])


def _statistics(data: bytes) -> Array:
    nothing = np.full(2 * BANDS, np.nan)
    if audio_type(data) != "audio/wav":
        return nothing
    from scipy import signal
    from scipy.io import wavfile

    try:
        rate, sound = wavfile.read(io.BytesIO(data))
    except ValueError as error:  # compressed inside, or damaged
        raise BadInput(f"A WAV file cannot be read: {error}. Save it as plain PCM.") from None
    sound = sound[: LONGEST * rate]
    if np.issubdtype(sound.dtype, np.integer):
        sound = sound / np.iinfo(sound.dtype).max
    if sound.ndim == 2:
        sound = sound.mean(axis=1)
    length = int(FRAME * rate)
    if len(sound) < length or length < 2 * BANDS // 4:
        return nothing
    pitch, _, power = signal.spectrogram(sound.astype(np.float64), rate, nperseg=length, noverlap=length // 2)
    bands = np.log(_filters(pitch, rate) @ power + 1e-10)
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1)])


def _filters(pitch: Array, rate: int) -> Array:
    """(BANDS, frequencies) triangles, evenly spaced in mel."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (LOWEST, min(HIGHEST, rate / 2)))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    up = (pitch - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - pitch) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(up, down), 0, None)
