"""What a benchmark compares, read from a small TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from askwise.benchmark.practitioner import FAMILIES
from askwise.core import BadInput, unknown
from askwise.pool import KINDS
from askwise.simulation import METRICS

SHIPPED = ("breast_cancer", "digits", "iris", "wine")
"""Sets that come with scikit-learn."""
REFERENCES = ("practitioner", "random")
"""Whose end of the curve a target may be."""
POINTS = (5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 125, 150, 200, 250, 300, 400, 500, 750, 1_000, 1_500, 2_000)
"""Numbers of labels at which the practitioner is measured where nothing else is said; each costs some seconds."""
CELLS = (20, 50, 100, 300)
QUICK_SEEDS, QUICK_BUDGET, QUICK_POINTS = 3, 50, (10, 20, 30, 50)

Target: TypeAlias = tuple[str, float | str]
"""A metric, and the value to reach (0..1) or whose end of the curve it is (`REFERENCES`)."""


@dataclass(frozen=True)
class Entry:
    """One set of data."""

    name: str
    file: Path | None = None
    shipped: str | None = None
    code: str | None = None
    """module:function; exactly one of these three is there."""
    text: tuple[str, ...] = ()
    label: str | None = None
    kind: str | None = None
    how: Mapping[str, Any] | None = None
    """How the file is read: format, encoding, delimiter, sheet, header."""
    encoder: str | None = None
    budget: int | None = None
    duplicates: str | None = None
    practitioner: tuple[str, ...] | None = None
    targets: tuple[Target, ...] | None = None


@dataclass(frozen=True)
class Spec:
    """A benchmark: data x learner x strategy x seeds."""

    data: tuple[Entry, ...]
    learners: Mapping[str, str]
    """The name in the tables → "default", a name of `learners.NAMES`, a plug-in, or module:object."""
    strategies: tuple[str, ...] = ("auto", "margin", "random")
    seeds: tuple[int, ...] = tuple(range(20))
    budget: int = 300
    batch: int | Literal["auto"] = "auto"
    test_share: float = 0.3
    audit_share: float | None = None
    hold: int = 1
    metric: str = "accuracy"
    """Of areas, ranks and pictures."""
    targets: tuple[Target, ...] = (("accuracy", 0.9), ("accuracy", "practitioner"))
    points: tuple[int, ...] = POINTS
    cells: tuple[int, ...] = CELLS
    practitioner: tuple[str, ...] = FAMILIES
    """His classifiers; none = he is not asked."""
    encoder: str | None = None
    duplicates: str = "merge"
    text: str = ""
    """The file as it was read."""

    def quick(self) -> Spec:
        """The same with three seeds and fifty labels: whether it runs, not what comes out."""
        return replace(
            self, seeds=self.seeds[:QUICK_SEEDS], budget=min(self.budget, QUICK_BUDGET), points=QUICK_POINTS,
            data=tuple(replace(d, budget=d.budget and min(d.budget, QUICK_BUDGET)) for d in self.data),
        )  # fmt: skip

    def targets_of(self, name: str) -> tuple[Target, ...]:
        """The targets of one set."""
        own = next((entry.targets for entry in self.data if entry.name == name), None)
        return self.targets if own is None else own


def read(path: Path | str) -> Spec:
    """The benchmark of a TOML file; paths in it are relative to the file.

    Raises:
        BadInput: It cannot be read, or holds something that is not known or not allowed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadInput(f"Cannot read the benchmark {str(path)!r}: {why}. Give a TOML file.") from error
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path.name!r} is no TOML file: {error}.") from error
    try:
        return parse(body, path.parent, text)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error.marked}") from error


def parse(body: Mapping[str, Any], folder: Path, text: str = "") -> Spec:
    """The same of what the file holds.

    Args:
        body: As `tomllib` gives it.
        folder: What paths are relative to.
        text: The file.

    Raises:
        BadInput: As `read`.
    """
    given = dict(body)
    data, named = given.pop("data", None), given.pop("learners", ["default"])
    if not isinstance(data, dict) or not data:
        raise BadInput('no data. Name at least one set, such as [data.digits] with sklearn = "digits" below it.')
    settings = {name: _checked(name, value, _SETTINGS) for name, value in given.items()}
    entries = tuple(_entry(name, value, folder) for name, value in data.items())
    spec = Spec(data=entries, learners=_learners(named), text=text, **settings)
    if not spec.practitioner and "targets" not in settings:
        spec = replace(spec, targets=((spec.metric, 0.9), (spec.metric, "random")))
    elif "targets" not in settings:
        spec = replace(spec, targets=((spec.metric, 0.9), (spec.metric, "practitioner")))
    for entry in entries:
        for _, value in spec.targets_of(entry.name):
            his = spec.practitioner if entry.practitioner is None else entry.practitioner
            if value == "practitioner" and not his:
                raise BadInput(f"targets of {entry.name!r} name the practitioner, who is left out. Name a value.")
            if value == "random" and "random" not in spec.strategies:
                raise BadInput("targets name random, which is not among the strategies. Add it, or name a value.")
    return spec


def _learners(given: Any) -> dict[str, str]:
    """["linear", …], or a table of name = "learner"."""
    if isinstance(given, list):
        given = {name: name for name in given if isinstance(name, str)} if all(map(_is_text, given)) else None
    if not isinstance(given, dict) or not given or not all(map(_is_text, given.values())):
        raise BadInput(
            'learners must be a list such as ["default", "linear"], or a table of name = "learner"; '
            'a learner is "default", one of ours, a plug-in, or module:object.'
        )
    taken = next((name for name in given if name.startswith("practitioner")), None)
    if taken is not None:
        raise BadInput(
            f"a learner cannot be called {taken!r}; that is the one who is compared with. Give another name."
        )
    return dict(given)


def _entry(name: str, given: Any, folder: Path) -> Entry:
    where = f"data.{name}"
    if not isinstance(given, dict):
        raise BadInput(f'{where} must be a table, such as [{where}] with file = "mail.csv" below it; got {given!r}.')
    known = {**_ENTRY, "file": _text, "sklearn": _text, "code": _text}
    values = {key: _checked(key, value, known, f"{where}.") for key, value in given.items()}
    origin = [key for key in ("file", "sklearn", "code") if key in values]
    if len(origin) != 1:
        got = " and ".join(origin) or "none of them"
        raise BadInput(f"{where} needs one of file, sklearn and code, got {got}.")
    shipped, file = values.pop("sklearn", None), values.pop("file", None)
    if shipped is not None and shipped not in SHIPPED:
        raise BadInput(f"{where}.sklearn: {unknown('set', shipped, SHIPPED).marked}")
    if file is not None and "label" not in values and not file.endswith(LIBSVM):
        raise BadInput(f'{where} needs the column of the true labels: label = "COLUMN".')
    how = {key: values.pop(key) for key in _HOW if key in values}
    path = None if file is None else folder / Path(file).expanduser()
    return Entry(name, file=path, shipped=shipped, how=how, **values)


LIBSVM = (".libsvm", ".libsvm.gz", ".svmlight", ".svmlight.gz")
"""Files of features with labels, which need no columns."""


def _checked(name: str, value: Any, known: Mapping[str, Callable[[Any], Any]], where: str = "") -> Any:
    if name not in known:
        others = [*known, "data", "learners"] if not where else known
        raise BadInput(f"{where}{name}: {unknown('setting', name, others).marked}")
    try:
        return known[name](value)
    except BadInput as error:
        raise BadInput(f"{where}{name} {error.marked}, got {value!r}.") from None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _text(value: Any) -> str:
    if not _is_text(value):
        raise BadInput("must be a text")
    return str(value)


def _texts(value: Any) -> tuple[str, ...]:
    many = value if isinstance(value, list) else [value]
    if not many or not all(map(_is_text, many)):
        raise BadInput("must be a text, or a list of texts")
    return tuple(dict.fromkeys(many))


def _whole(least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise BadInput(f"must be a whole number, at least {least}")
        return value

    return check


def _between(least: float, most: float, open_ends: bool) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        number = not isinstance(value, bool) and isinstance(value, int | float)
        if not number or not (least < value < most if open_ends else least <= value <= most):
            raise BadInput(f"must be a number between {least:g} and {most:g}{', neither itself' if open_ends else ''}")
        return float(value)

    return check


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, list):
        if not value or not all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in value):
            raise BadInput("must be how many, or a list of whole numbers from 0")
        return tuple(dict.fromkeys(value))
    return tuple(range(_whole(1)(value)))


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise BadInput("must be a list of numbers of labels, 1 or more")
    try:
        return tuple(sorted({_whole(1)(number) for number in value}))
    except BadInput:
        raise BadInput("must be a list of numbers of labels, 1 or more") from None


def _batch(value: Any) -> int | str:
    if value == "auto":
        return "auto"
    try:
        return _whole(1)(value)
    except BadInput:
        raise BadInput('must be "auto" or a whole number, at least 1') from None


def _one_of(names: Sequence[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names:
            raise BadInput(f"must be one of {', '.join(names)}")
        return str(value)

    return check


def _targets(value: Any) -> tuple[Target, ...]:
    """["accuracy 0.9", "macro_f1 practitioner"]."""
    shape = BadInput(
        f'must be a list such as ["accuracy 0.9", "macro_f1 {REFERENCES[0]}"]: a metric ({", ".join(METRICS)}) with a '
        f"value between 0 and 1, or with {' or '.join(REFERENCES)}"
    )
    if not isinstance(value, list) or not value or not all(map(_is_text, value)):
        raise shape
    found: list[Target] = []
    for one in value:
        metric, _, level = one.partition(" ")
        if metric not in METRICS:
            raise shape
        if level in REFERENCES:
            found.append((metric, level))
            continue
        try:
            wanted = float(level)
        except ValueError:
            raise shape from None
        if not 0 < wanted <= 1:
            raise shape
        found.append((metric, wanted))
    return tuple(dict.fromkeys(found))


def _families(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return FAMILIES if value else ()
    if not isinstance(value, list) or not set(map(str, value)) <= set(FAMILIES):
        raise BadInput(f"must be true, false, or a list of {', '.join(FAMILIES)}")
    return tuple(name for name in FAMILIES if name in value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadInput("must be true or false")
    return value


def _sheet(value: Any) -> str | int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _text(value)


_HOW: dict[str, Callable[[Any], Any]] = {
    "format": _text,
    "encoding": _text,
    "delimiter": _text,
    "sheet": _sheet,
    "header": _flag,
}
_BOTH: dict[str, Callable[[Any], Any]] = {
    "encoder": _text,
    "budget": _whole(2),
    "duplicates": _one_of(("merge", "keep")),
    "practitioner": _families,
    "targets": _targets,
}
_SETTINGS: dict[str, Callable[[Any], Any]] = {
    **_BOTH,
    "strategies": _texts,
    "seeds": _seeds,
    "batch": _batch,
    "test_share": _between(0, 1, open_ends=True),
    "audit_share": _between(0, 1, open_ends=False),
    "hold": _whole(1),
    "metric": _one_of(METRICS),
    "points": _numbers,
    "cells": _numbers,
}
_ENTRY: dict[str, Callable[[Any], Any]] = {
    **_BOTH,
    **_HOW,
    "text": _texts,
    "label": _text,
    "kind": _one_of(KINDS),
}
