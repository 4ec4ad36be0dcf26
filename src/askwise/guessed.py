"""Guesses that come with the data: never truth, but features that a session learns from beside its texts.

In the log stands where they are (columns of the data), or, where they came as arrays, what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from askwise import hints
from askwise.core import Array, BadInput, Encoder, Label
from askwise.encoders import JoinedEncoder
from askwise.encoders.guesses import GuessEncoder
from askwise.options import named
from askwise.pool import Pool
from askwise.state import pack, unpack
from askwise.values import Spelling, label_name

FORMAT = 6
"""The version of the format from which a session may have guesses: earlier ones would learn without them."""
MOST = 1_000
"""Different values of a column that holds guesses, at most."""


def check(guesses: Any, confidences: Any, pool: Pool, classes: Sequence[Label]) -> dict[str, Any]:
    """What the log says of guesses, as they were given.

    Args:
        guesses: Columns of the data (one name or several); or (rows,) labels; or (rows, classes) probabilities, columns
            in the order of `classes`. None in place of a label: nothing was guessed.
        confidences: Columns, one for each of the guesses, or (rows,) numbers, the higher the surer; None = not known.
        pool: The items; rows are those of the data that they were made of.
        classes: The labels that may be given.

    Raises:
        BadInput: Items that are no texts, unknown columns, another length, values that are no labels or numbers, or a
            column that is shown to people.
    """
    if pool.kind != "text":
        raise BadInput(
            f"{named('guesses')} stand beside texts, and these items are of the kind {pool.kind!r}. "
            + (
                "A column of guesses is one of its columns like any other."
                if pool.item_kind.cells
                else "Leave them out."
            )
        )
    array = None if isinstance(guesses, str) else np.asarray(guesses)
    if array is not None and array.ndim == 2:
        if confidences is not None:
            raise BadInput(f"Probabilities say how sure they are; leave {named('guess_confidence')} out.")
        return _proba(array, pool, classes)
    if pool.record is not None and _all_columns(guesses):
        return _columns(_listed(guesses), None if confidences is None else _listed(confidences), pool)
    return _labels(guesses, confidences, pool)


def beside(encoder: Encoder, said: Mapping[str, Any], pool: Pool, classes: Sequence[Label]) -> JoinedEncoder:
    """An encoder of texts with what was guessed of them beside.

    Args:
        encoder: Gives dense features.
        said: From `check`, or the log.
        pool: The items. Of those that come later nothing is known before the session is opened again.
        classes: The labels that may be given.
    """
    blocks, spelling = list[tuple[Array, dict[Label, int]]](), Spelling(classes)
    if "proba" in said:
        shape = (len(pool) if "n" not in said else int(said["n"]), int(said["width"]))
        P = np.frombuffer(unpack(said["proba"]), np.float16).reshape(shape).astype(np.float32)
        blocks.append((P, {name: at for at, name in enumerate(classes[: shape[1]])}))
    else:
        blocks += [_block(labels, sure, spelling) for labels, sure in _told(said, pool)]
    X = np.concatenate([block for block, _ in blocks], axis=1)
    known = {
        text: X[row] for row, text in enumerate(pool.contents[: len(X)]) if row not in pool.withdrawn and X[row].any()
    }
    of_labels: dict[str, Array] = {}
    for label in classes:
        vector, at = np.zeros(X.shape[1], np.float32), 0
        for block, places in blocks:
            if label in places:
                vector[at + places[label]] = 1
            at += block.shape[1]
        if vector.any():
            of_labels |= {hint.text: vector for hint in hints.of_label(label, "", ())}
    parts = encoder.parts if isinstance(encoder, JoinedEncoder) else [encoder]
    return JoinedEncoder([*parts, GuessEncoder(known, of_labels, X.shape[1])])


def _all_columns(guesses: Any) -> bool:
    return isinstance(guesses, str) or (len(guesses) > 0 and all(isinstance(one, str) for one in guesses))


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else [str(name) for name in names]


def _columns(guesses: list[str], confidences: list[str] | None, pool: Pool) -> dict[str, Any]:
    have, shown = pool.names(), pool.address.get("show") or []
    used = {pool.address.get(what) for what in ("text", "id", "label")} - {None}
    used = {name for one in used for name in (one if isinstance(one, list) else [one])}
    for name in [*guesses, *(confidences or [])]:
        if name not in have:
            raise BadInput(f"{named('guesses')}: there is no column {name!r}. There are {', '.join(have)}.")
        if name in used or name in shown:
            what = "is shown to the people who label, and would tell them" if name in shown else "is taken already"
            raise BadInput(f"{named('guesses')}: the column {name!r} {what}. Leave it out of one of the two.")
    if confidences is not None and len(confidences) != len(guesses):
        raise BadInput(
            f"Each column of guesses has one of {named('guess_confidence')}, or none has: {len(guesses):,} of guesses, "
            f"{len(confidences):,} of confidences."
        )
    said = {"columns": guesses, "confidence": confidences}
    for (labels, sure), name in zip(_told(said, pool), guesses, strict=True):
        _check_labels(labels, name)
        _numbers(sure, None if confidences is None else confidences[guesses.index(name)])
    return said


def _labels(guesses: Any, confidences: Any, pool: Pool) -> dict[str, Any]:
    told = [None if one is None or one != one else label_name(one) for one in guesses]  # NaN is not itself
    at = _first_rows(pool, len(told), "guesses")
    sure = None
    if confidences is not None:
        numbers = _numbers(list(confidences), None)
        at_sure = _first_rows(pool, len(numbers), "guess_confidence")
        sure = [None if np.isnan(numbers[row]) else float(numbers[row]) for row in at_sure]
    labels = [told[row] for row in at]
    _check_labels(labels, None)
    return {"labels": labels, "confidence": sure}


def _proba(P: Array, pool: Pool, classes: Sequence[Label]) -> dict[str, Any]:
    rows = _first_rows(pool, len(P), "guesses")
    if P.shape[1] != len(classes):
        raise BadInput(
            f"Probabilities have a column for each of the {len(classes)} labels, in the order {', '.join(classes)}; "
            f"got shape {P.shape}."
        )
    try:
        P = np.asarray(P, np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{named('guesses')}: probabilities are numbers, got an array of {P.dtype}.") from None
    if not (np.isfinite(P).all() and (P >= 0).all() and (P <= 1 + 1e-6).all()):
        raise BadInput(f"{named('guesses')}: probabilities lie between 0 and 1; one is outside, or not a number.")
    return {"proba": pack(P[rows].astype(np.float16).tobytes()), "width": int(P.shape[1]), "n": len(pool)}


def _first_rows(pool: Pool, given: int, what: str) -> list[int]:
    """(n,) for each item the first row of the data that it was made of."""
    rows = sum(len(one) for one in pool.sources) + len(pool.dropped)
    if given != rows:
        raise BadInput(f"{named(what)}: one for each of the {rows:,} rows of the data, got {given:,}.")
    return [one[0] for one in pool.sources]


def _told(said: Mapping[str, Any], pool: Pool) -> list[tuple[list[Any], list[Any] | None]]:
    """For each column of guesses: of each item the label as it stands there, and how sure."""
    if "labels" in said:
        return [(list(said["labels"]), said["confidence"])]
    if pool.record is None:
        raise BadInput("The columns of the guesses are not there any more.")
    records = [{} if row in pool.withdrawn else pool.record[rows[0]] for row, rows in enumerate(pool.sources)]

    def column(name: str) -> list[Any]:
        return [record.get(name) for record in records]

    sure = said["confidence"] or [None] * len(said["columns"])
    return [
        (column(name), None if one is None else column(one)) for name, one in zip(said["columns"], sure, strict=True)
    ]


def _check_labels(labels: Sequence[Any], column: str | None) -> None:
    where = named("guesses") if column is None else f"The column {column!r}"
    names = {name for one in labels if (name := label_name(one))}
    if not names:
        raise BadInput(f"{where} holds no label.")
    if len(names) > MOST:
        raise BadInput(f"{where} holds {len(names):,} different values, so it holds no guesses; {MOST:,} are the most.")


def _numbers(given: Sequence[Any] | None, column: str | None) -> Array:
    """(rows,) numbers, NaN where there is none."""
    found = []
    for row, value in enumerate(given or ()):
        try:
            found.append(float("nan") if value is None or value == "" else float(value))
        except (TypeError, ValueError):
            where = named("guess_confidence") if column is None else f"the column {column!r}"
            raise BadInput(
                f"A confidence is a number, the higher the surer; {where} holds {str(value)[:40]!r} in row {row + 1}."
            ) from None
    return np.array(found, float)


def _block(labels: Sequence[Any], sure: Sequence[Any] | None, spelling: Spelling) -> tuple[Array, dict[Label, int]]:
    """((n, values + 1) how sure of which label, and how unsure; label → its column)."""
    names = [spelling.of(label_name(one) or "") for one in labels]
    places = {name: at for at, name in enumerate(sorted({name for name in names if name}))}
    degree = _degrees(_numbers(sure, None)) if sure is not None else np.ones(len(names))
    X = np.zeros((len(names), len(places) + 1), np.float32)
    for row, name in enumerate(names):
        if name:
            X[row, places[name]], X[row, -1] = degree[row], 1 - degree[row]
    return X, places


def _degrees(numbers: Array) -> Array:
    """Their places among one another, 0 to 1: a confidence is any number. One half where there is none."""
    known = np.sort(numbers[~np.isnan(numbers)])
    if not len(known):
        return np.full(len(numbers), 0.5)
    place = (np.searchsorted(known, numbers, "left") + np.searchsorted(known, numbers, "right")) / (2 * len(known))
    return np.where(np.isnan(numbers), 0.5, place)
