"""JSON: one object a line, or a list of objects; and what lies deeper in an object, by its path."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from askwise.budget import check_cells
from askwise.core import BadInput
from askwise.formats.table import Table, clean_name
from askwise.formats.text import Lines
from askwise.options import option
from askwise.values import missing

MAX_KEYS = 1000
"""A file with more different keys than this is no table."""
MAX_PATHS = 200
"""Paths into objects that are offered."""
DEEPEST = 4
SAMPLE = 1000
"""Rows looked at for paths."""


class _Twice(dict[str, Any]):
    """An object in which a key stands twice."""

    key: str = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Twice(found)
    seen: set[str] = set()
    doubled.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return doubled


def _key_twice(value: object) -> str | None:
    """A key that stands twice in an object or anywhere below it."""
    if isinstance(value, _Twice):
        return value.key
    inside: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((key for part in inside if (key := _key_twice(part)) is not None), None)


def _row(value: object) -> tuple[dict[str, Any], str | None]:
    """The columns of a record, or what is wrong with it."""
    if not isinstance(value, dict):
        return {}, f"is a JSON {_kind(value)}, not an object"
    twice = _key_twice(value)
    if twice is not None:
        return {}, f"has the key {twice[:60]!r} twice, so that it is not clear which value counts"
    row = {clean_name(key): cell for key, cell in value.items()}
    if len(row) < len(value):
        return {}, "has two keys that look the same"
    return row, None


def _kind(value: object) -> str:
    return {type(None): "null", bool: "true or false", int: "number", float: "number", str: "string"}.get(
        type(value), type(value).__name__
    )


class _Columns:
    """Grows columns row by row; a key that was missing before is None there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.columns: dict[str, list[Any]] = {}
        self.bad: dict[int, str] = {}
        self.raw: dict[int, list[str] | str] = {}
        self.rows = 0

    def add(self, row: Mapping[str, Any], wrong: str | None, line: str) -> None:
        if wrong:
            self.bad[self.rows] = wrong
            self.raw[self.rows] = line
        for key in row:
            if key not in self.columns:
                if len(self.columns) >= MAX_KEYS:
                    raise BadInput(f"{self.name!r} has over {MAX_KEYS:,} different keys: it is no table of rows.")
                self.columns[key] = [None] * self.rows
        check_cells(self.rows + 1, len(self.columns), self.name)
        for key, column in self.columns.items():
            column.append(row.get(key))
        self.rows += 1


def read_jsonl(lines: Lines) -> Table:
    """The table of a file with one object a line."""
    found = _Columns(lines.name)
    numbers = array("q")
    opens = False
    for number, line, damage in lines:
        line = line.lstrip("\ufeff")  # where files were put together
        if not line.strip():
            continue
        opens = opens or (not numbers and line.lstrip().startswith("["))
        found.add(*(({}, damage) if damage else _parsed(line)), line.rstrip("\r\n"))
        numbers.append(number)
    if not found.columns:
        first = f" Row 1 {found.bad[0]}." if found.bad else ""
        way = f" If it is one list of objects, give {option('format', 'json')}." if opens else ""
        raise BadInput(
            f'{lines.name!r} holds no JSON object.{first} JSONL is one object a line, as in {{"text": "hello"}}.{way}'
        )
    return Table(found.columns, found.bad, numbers, raw=found.raw)


def _parsed(line: str) -> tuple[dict[str, Any], str | None]:
    try:
        return _row(json.loads(line, object_pairs_hook=_object))
    except RecursionError:
        return {}, "is JSON nested too deeply"
    except ValueError as error:
        return {}, f"is not valid JSON ({error})"


def read_json(lines: Lines) -> Table:
    """The table of a file that is one list of objects, or an object that holds one such list.

    Raises:
        BadInput: It is something else, or no JSON.
    """
    text = []
    for number, line, damage in lines:
        if damage:
            raise BadInput(f"Line {number} of {lines.name!r} {damage}; {lines.advice()}.")
        text.append(line)
    try:
        value = json.loads("".join(text), object_pairs_hook=_object)
    except RecursionError:
        raise BadInput(f"{lines.name!r} is JSON nested too deeply.") from None
    except ValueError as error:
        way = f" If it is one object a line, give {option('format', 'jsonl')}." if "Extra data" in str(error) else ""
        raise BadInput(f"{lines.name!r} is not valid JSON ({error}).{way}") from None
    found = _Columns(lines.name)
    for record in _records(value, lines.name):
        row, wrong = _row(record)
        found.add(row, wrong, json.dumps(record, ensure_ascii=False) if wrong else "")
    if not found.columns:
        raise BadInput(f"{lines.name!r} holds no JSON object with keys. Row 1 {found.bad.get(0, 'is empty')}.")
    return Table(found.columns, found.bad, raw=found.raw)


def _records(value: object, name: str) -> list[Any]:
    """The list of records in what a file holds."""
    allowed = 'Give a list of objects, as in [{"text": "hello"}], or an object that holds one such list.'
    if isinstance(value, dict):
        lists = [
            key for key, part in value.items() if isinstance(part, list) and any(isinstance(r, dict) for r in part)
        ]
        if len(lists) != 1:
            shown = ", ".join(map(repr, lists[:5])) or "none"
            raise BadInput(f"{name!r} is an object with {len(lists)} lists of objects ({shown}). {allowed}")
        if (twice := value.key if isinstance(value, _Twice) else None) is not None:
            raise BadInput(f"{name!r} has the key {twice[:60]!r} twice. {allowed}")
        value = value[lists[0]]
    if not isinstance(value, list):
        raise BadInput(f"{name!r} is a JSON {_kind(value)}. {allowed}")
    if not value:
        raise BadInput(f"{name!r} is an empty list. Give at least one object.")
    return value


# ── what lies deeper ────────────────────────────────────────────────────────────────────────


def nested(columns: Mapping[str, Sequence[Any]], path: str) -> list[Any] | None:
    """What lies at a path such as `message.body` or `turns.0.text` in each row; None where no row has it.

    Of several ways to divide the path that with the longest names counts.
    """
    parts = path.split(".")
    for many in range(len(parts) - 1, 0, -1):
        column = columns.get(".".join(parts[:many]))
        if column is not None:
            cells = [_reach(cell, parts[many:]) for cell in column]
            if any(cell is not None for cell in cells):
                return cells
    return None


def _reach(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    if isinstance(value, Mapping):
        for many in range(len(parts), 0, -1):
            key = ".".join(parts[:many])
            if key in value:
                return _reach(value[key], parts[many:])
    elif isinstance(value, list | tuple) and parts[0].isascii() and parts[0].isdigit() and len(parts[0]) < 10:
        place = int(parts[0])
        return _reach(value[place], parts[1:]) if place < len(value) else None
    return None


def paths(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """The paths to what lies in objects, by the first rows: those that `nested` finds and no column is named like."""
    found: dict[str, None] = {}
    for name, cells in columns.items():
        for cell in cells[:SAMPLE]:
            if isinstance(cell, Mapping):
                for path in _leaves(cell, name, DEEPEST):
                    if path not in columns:
                        found.setdefault(path)
                    if len(found) >= MAX_PATHS:
                        return list(found)
    return list(found)


def holds_objects(values: Sequence[Any]) -> bool:
    """Whether a column holds objects or lists of them, as far as its first rows hold anything."""
    held = (value for value in values[:SAMPLE] if not missing(value))
    seen = [value for value in held if not (isinstance(value, list) and not value)]
    return bool(seen) and all(
        isinstance(value, Mapping) or (isinstance(value, list) and all(isinstance(part, Mapping) for part in value))
        for value in seen
    )


def _leaves(value: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
    for key, part in value.items():
        below = f"{path}.{key}"
        if isinstance(part, Mapping) and depth > 1:
            yield from _leaves(part, below, depth - 1)
        else:
            yield below
