"""What a value is, whoever wrote it: missing, a label, an id, a cell. One rule for every door."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np

_REMOVED = "\u00ad\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u202a\u202b\u202c\u202d\u202e\ufeff"
"""Signs without a width that mean nothing in a name: soft hyphen, zero-width space, word joiner, byte order mark, turns
of the writing direction."""
_AT_ENDS = _REMOVED + "\u061c\u200c\u200d\u200e\u200f\u2066\u2067\u2068\u2069"
"""Besides these, signs that mean something between letters: (non-)joiners in Persian and in emoji, direction marks."""
_SELECTORS = "".join(map(chr, range(0xFE00, 0xFE10)))
_ENDS = re.compile(f"^[\\s{_AT_ENDS}]+|[\\s{_AT_ENDS}]+$")
_WITHOUT_REMOVED = dict.fromkeys(map(ord, _REMOVED))
_WITHOUT_INVISIBLE = dict.fromkeys(map(ord, _AT_ENDS + _SELECTORS))
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")
"""An integer as programs write it whose column has gaps, or is one of floats: 1.0."""


_PLAIN = (str, int, bool)
"""Types that nearly all cells have, and that need no look."""


def missing(value: object) -> bool:
    """None, NaN and NaT in all their types, and the missing marks of data frames and masked arrays."""
    if type(value) is str:
        return False
    if value is None or isinstance(value, np.ma.core.MaskedConstant):
        return True
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, float | np.floating):
        return bool(value != value)
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return type(value).__name__ in ("NAType", "NaTType")


def plain(value: object) -> Any:
    """A cell as what JSON knows, so that it is the same after the session was reopened; None where it is missing.

    Texts, numbers and booleans of any library become Python's; mappings and lists keep their form; bytes are read as
    UTF-8, or written as hex digits; dates and whatever else become text.
    """
    if type(value) in _PLAIN or missing(value):
        return value if type(value) in _PLAIN else None
    value = _bare(value)
    if isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        text = _decoded(bytes(value))
        return bytes(value).hex() if text is None else text
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(one) for one in value]
    return str(value)


def written(value: object) -> str:
    """A cell as text: "" where it is missing, texts as they are, all else as JSON writes it."""
    if value is None:
        return ""
    if type(value) is str:
        return value
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)  # as JSON does, and sooner
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def id_name(value: object) -> str | None:
    """An id as text, "" where it is missing, None where it is neither text nor a number nor a date."""
    if missing(value):
        return ""
    value = _bare(value)
    if isinstance(value, bytes | bytearray):
        value = _decoded(bytes(value))
    if isinstance(value, float | np.floating | Decimal):
        if value in (float("inf"), float("-inf")):
            return None
        if value == int(value):
            value = int(value)  # frames turn integers with gaps into floats
    if not isinstance(value, str | int | float | np.generic | Decimal | date | time):
        return None
    name = str(value).strip()
    return name if _encodable(name) else None


def label_name(value: object) -> str | None:
    """A label as text, "" where it is missing, None where it can be no label; `why_no_label` says why.

    Integers are written as integers, whatever the type or the text says ("1.0" is 1). Texts are in the normal form C
    of Unicode; signs that cannot be seen are dropped, unless they join letters or emoji.
    """
    name = id_name(value)
    if not name:
        return name
    name = _ENDS.sub("", unicodedata.normalize("NFC", name).translate(_WITHOUT_REMOVED))
    if _control(name):
        return None
    whole = _WHOLE.fullmatch(name)
    if whole:
        return "0" if whole[1] == "-0" else whole[1]
    return name


def why_no_label(value: object) -> str:
    """What a value is that `label_name` refuses, to stand behind "a label"."""
    name = id_name(value)
    if name and (sign := _control(name)):
        return f"with the control character U+{ord(sign):04X} ({name[:40]!r})"
    if isinstance(value, str) and name is None:
        return "with half of a character (a lone surrogate)"
    kind = type(value).__name__
    return f"that is {'an' if kind[:1] in 'aeiou' else 'a'} {kind} ({str(value)[:40]})"


def fold(name: str) -> str:
    """What two labels have in common that look the same: the name without signs that cannot be seen."""
    bare = (label_name(name) or name).translate(_WITHOUT_INVISIBLE)
    return unicodedata.normalize("NFC", " ".join(bare.split()))


class Spelling:
    """One spelling for each label, the first that came: labels that look the same are the same.

    Args:
        known: Labels that keep their spelling, whatever it is; those of an old session may be written "1.0".
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._first: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        for name in known:
            self._seen[name] = name
            self._first.setdefault(fold(name), name)

    def of(self, name: str) -> str:
        """The label as it is spelled here, and from now on."""
        if name not in self._seen:
            self._seen[name] = self._first.setdefault(fold(name), name)
        return self._seen[name]


def _bare(value: Any) -> Any:
    """A scalar of NumPy, PyTorch and the like as Python's own, where that says the same."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.datetime64 | np.timedelta64 | np.floating):
        return value  # as Python's they would lose their unit, or be written with digits that they do not have
    if isinstance(value, np.generic) or (getattr(value, "ndim", None) == 0 and hasattr(value, "item")):
        return value.item()
    return value


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _control(name: str) -> str | None:
    """The first sign that is a command, not a letter: a line break, a tab, NUL."""
    if name.isprintable():
        return None
    return next((sign for sign in name if unicodedata.category(sign) in ("Cc", "Zl", "Zp")), None)
