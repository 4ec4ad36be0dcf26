"""The pools whose certificates are priced, as features, encoded once a process."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from askwise.encoders.tfidf import TfidfEncoder
from askwise.pool import Pool, load_pool

SHARED = Path(os.environ.get("ASKWISE_SHARED", Path(__file__).parents[2] / "shared")) / "data"


@dataclass(frozen=True)
class Task:
    """A pool with its true labels and the terms of its certificate."""

    name: str
    title: str
    pool: Pool
    truth: tuple[str, ...]
    """(n,) one label an item."""
    max_error: float
    most: int
    """Labels up to which the oracle looks for the best moment."""
    aim: int | None
    """Human labels in all that we would like to need."""


def _task(name: str, title: str, X: Any, y: Any, max_error: float, most: int, aim: int | None) -> Task:
    pool = load_pool(X)  # equal rows are one item
    return Task(name, title, pool, tuple(str(y[rows[0]]) for rows in pool.sources), max_error, most, aim)


def _rows(path: str) -> Iterator[dict[str, str]]:
    with gzip.open(SHARED / path) as stream:
        yield from csv.DictReader(io.TextIOWrapper(stream, "utf-8-sig", newline=""))


def _digits() -> Task:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return _task("digits", "digits", (X / 16).astype(np.float32), y, 0.02, 600, 400)


def _sms() -> Task:
    found = {r["text"]: r["label"] for r in _rows("spam_sms/sms_spam.csv.gz") if r["label"] in ("ham", "spam")}
    texts = [text for text in found if text.strip()]
    X = TfidfEncoder().fit(texts).encode(texts)
    return _task("sms", "SMS spam, TF-IDF", X, [found[text] for text in texts], 0.02, 700, 900)


def _pneumonia() -> Task:
    with np.load(SHARED / "image_pneumoniamnist" / "pneumoniamnist.npz") as data:
        parts = ("train", "val", "test")
        X = np.concatenate([data[f"{part}_images"] for part in parts]).reshape(-1, 28 * 28).astype(np.float32) / 255
        y = np.concatenate([data[f"{part}_labels"] for part in parts]).ravel()
    return _task("pneumonia", "PneumoniaMNIST, pixels", X - X.mean(0), y, 0.05, 1200, None)


def _trec() -> Task:
    y = [row["label"] for row in _rows("text_trec6/trec6.csv.gz")]
    X = np.load(SHARED / "text_trec6" / "minilm.npy").astype(np.float32)
    return _task("trec", "TREC-6 questions, MiniLM", X, y, 0.1, 2600, len(y) // 2)


def _banking() -> Task:
    found = {r["text"]: r["intent"] for r in _rows("intent_banking77/banking77.csv.gz") if r["text"].strip()}
    texts = [list(found)[i] for i in np.random.default_rng(0).permutation(len(found))[:5000]]
    X = TfidfEncoder().fit(texts).encode(texts)
    return _task("banking", "BANKING77, 5,000 of it, TF-IDF", X, [found[text] for text in texts], 0.1, 2600, None)


def _phishing() -> Task:
    from sklearn.datasets import load_svmlight_file

    with gzip.open(SHARED / "tabular_lu2023" / "phishing.libsvm.gz") as stream:
        X, y = load_svmlight_file(io.BytesIO(stream.read()))
    names = [f"c{value:.0f}" for value in y]
    return _task("phishing", "phishing (table)", X.toarray().astype(np.float32), names, 0.05, 900, None)


def _normals() -> Task:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 6000)
    X = rng.normal(size=(6000, 8)).astype(np.float32)
    X[np.arange(6000), y] += 2.4
    return _task("normals", "two normals, 4.5 % beyond the best border", X, y.tolist(), 0.05, 900, None)


def _noise() -> Task:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 6000)
    X = rng.normal(size=(6000, 8)).astype(np.float32)
    X[np.arange(6000), y] += 4.5
    y = np.where(rng.random(6000) < 0.03, 1 - y, y)
    return _task("noise", "two normals far apart, 3 % labeled the other way", X, y.tolist(), 0.05, 700, None)


def _lumps() -> Task:
    rng = np.random.default_rng(5)
    kind, centers = rng.integers(0, 18, 6000), rng.normal(size=(18, 24)) * 0.95
    X = (centers[kind] + rng.normal(size=(6000, 24))).astype(np.float32)
    return _task("lumps", "six classes of three lumps each", X, (kind % 6).tolist(), 0.1, 2000, None)


TASKS: dict[str, Callable[[], Task]] = {
    "digits": _digits,
    "sms": _sms,
    "pneumonia": _pneumonia,
    "trec": _trec,
    "banking": _banking,
    "phishing": _phishing,
    "normals": _normals,
    "noise": _noise,
    "lumps": _lumps,
}


@cache
def task(name: str) -> Task:
    """One of `TASKS`."""
    return TASKS[name]()
