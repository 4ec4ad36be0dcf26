"""The sets of a benchmark as pools with labels."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askwise import plugins
from askwise.benchmark.spec import LIBSVM, Entry, Spec
from askwise.core import BadInput, Label, Rows
from askwise.pool import Pool, load_pool
from askwise.simulation import kept, labeled


@dataclass(frozen=True)
class Loaded:
    """One set, ready to be divided."""

    name: str
    pool: Pool
    rows: Rows
    """Rows of the pool that have a label."""
    labels: list[Label]
    classes: list[Label]
    duplicates: str
    contradicting: int
    """Items whose equal rows have different labels."""
    digest: str
    """Changes with items, labels, and how duplicates are taken."""
    encoder: Any
    """As given for this set: None, a name, or `plugins.Found`."""
    budget: int
    practitioner: tuple[str, ...]

    @property
    def scaled(self) -> bool:
        """Whether its features are measurements, whose scales say nothing."""
        return self.pool.kind in ("array", "table")


def load(entry: Entry, spec: Spec) -> Loaded:
    """The items of one set.

    Raises:
        BadInput: It cannot be read, or holds too little to learn from; the message names the set.
    """
    try:
        pool = _pool(entry)
        duplicates = entry.duplicates or spec.duplicates
        contradicting = len(pool.contradicting)
        pool, truth = kept(pool) if duplicates == "keep" else (pool, dict(pool.given))
        rows, labels, classes = labeled(pool, truth)
        named = entry.encoder or spec.encoder
        encoder = plugins.code("encoder", named) if named is not None and plugins.is_code(named) else named
    except BadInput as error:
        raise BadInput(f"data.{entry.name}: {error.marked}") from error
    if pool.item_kind.features and entry.encoder is None:
        encoder = None  # the one for all sets is meant for those that have something to encode
    told = json.dumps([pool.fingerprint, pool.kind, duplicates, rows.tolist(), labels])
    held_out = max(1, round(spec.test_share * len(rows)))
    return Loaded(
        name=entry.name,
        pool=pool,
        rows=rows,
        labels=labels,
        classes=classes,
        duplicates=duplicates,
        contradicting=contradicting,
        digest=hashlib.sha256(told.encode()).hexdigest(),
        encoder=encoder,
        budget=min(entry.budget or spec.budget, len(rows) - held_out),
        practitioner=spec.practitioner if entry.practitioner is None else entry.practitioner,
    )


def _pool(entry: Entry) -> Pool:
    if entry.file is not None and entry.file.name.endswith(LIBSVM):
        return _libsvm(entry.file)
    if entry.file is not None:
        text: Any = entry.text[0] if len(entry.text) == 1 else list(entry.text) or None
        return load_pool(entry.file, kind=entry.kind, text=text, label=entry.label, **dict(entry.how or {}))
    if entry.code is not None:
        return _called(entry.code, entry.kind)
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{entry.shipped}")(return_X_y=True)
    return load_pool(np.asarray(X, np.float32), label=[str(value) for value in y.tolist()])


def _libsvm(path: Path) -> Pool:
    from sklearn.datasets import load_svmlight_file

    try:
        X, y = load_svmlight_file(str(path))
    except (OSError, ValueError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadInput(
            f"Cannot read {str(path)!r}: {why}. It should hold a line an item: label 1:value 2:value …"
        ) from error
    return load_pool(np.asarray(X.toarray(), np.float32), label=[f"{value:g}" for value in y.tolist()])


def _called(text: str, kind: str | None) -> Pool:
    """What a function of the user gives: (items, labels)."""
    where = f"The function {text!r}"
    function = plugins.imported(text, where)
    if not callable(function):
        raise BadInput(f"{where} is a {type(function).__name__}. Name a function that gives (items, labels).")
    given = function()
    if not isinstance(given, tuple) or len(given) != 2:
        raise BadInput(
            f"{where} gave a {type(given).__name__}. It must give (items, labels): texts in a list or an (n, d) array, "
            "and a label for each."
        )
    return load_pool(given[0], kind=kind, label=[str(label) for label in given[1]])


def told_of(found: Loaded, encoder: str) -> Mapping[str, Any]:
    """What the results keep of a set."""
    return {
        "items": len(found.rows),
        "classes": len(found.classes),
        "single": sum(count == 1 for count in Counter(found.labels).values()),
        "kind": found.pool.kind,
        "encoder": encoder,
        "duplicates": found.duplicates,
        "contradicting": found.contradicting,
        "budget": found.budget,
        "digest": found.digest,
    }
