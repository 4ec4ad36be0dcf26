"""Which account names can be used, and which look like another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from askwise.core import BadInput

RESERVED = frozenset({"me", "oracle", "model", "given", "nobody"})
"""Names that the log uses for others than accounts."""
TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
)
"""Scripts that are written together: Japanese, Korean, Chinese ("highly restrictive" of Unicode's UTS 39)."""
UNSEEN = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters that nothing is drawn for."""
_NAME = re.compile(r"[\w.@+-]+(?: [\w.@+-]+)*")


def fold(name: str) -> str:
    """What spellings of one name have in common: case, and how its letters are composed."""
    return unicodedata.normalize("NFKC", name).casefold()


def skeletons(name: str) -> frozenset[str]:
    """What names that look the same have in common, at least one of these: after UTS 39, whatever the case.

    Capitals and small letters resemble different letters: I and l, but i and nothing; Β (beta) and B, but β and ß.
    """
    plain = unicodedata.normalize("NFKC", name)
    return frozenset(_drawn(spelled).casefold() for spelled in (plain, plain.casefold(), plain[:1].upper() + plain[1:]))


def _drawn(text: str) -> str:
    """A text with every sign as the simplest that looks like it."""
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(map(_plainest, apart)))


@lru_cache(maxsize=10_000)
def _plainest(sign: str) -> str:
    """The sign, or signs, that stand for all which look like this one.

    The library's table names each sign's prototype, and of a prototype all signs that look like it: who has several
    neighbors is the prototype; of two that have but each other, either will do.
    """
    from confusable_homoglyphs.confusables import confusables_data

    def like(text: str) -> list[str]:
        # Right-to-left signs are listed between marks of direction.
        return [one["c"].strip("\u200e\u200f") for one in confusables_data.get(text, ())]

    neighbors = like(sign)
    if len(neighbors) != 1:
        return sign
    return neighbors[0] if len(like(neighbors[0])) > 1 else min(sign, neighbors[0])


def checked_name(name: str | None) -> str:
    """A usable account name.

    Raises:
        BadInput: It is none.
    """
    name = unicodedata.normalize("NFC", (name or "").strip())
    usable = 1 <= len(name) <= 64 and _NAME.fullmatch(name) and not UNSEEN & set(name)
    if not usable or like_another(name, RESERVED):
        raise BadInput(
            f"The name {name[:80]!r} cannot be used. Give 1 to 64 letters, digits or any of . _ - @ +, with single "
            f"spaces at most, and none of: {', '.join(sorted(RESERVED))}."
        )
    scripts = _scripts(name)
    if len(scripts) > 1 and not any(scripts <= allowed for allowed in TOGETHER):
        shown = " and ".join(sorted(script.title() for script in scripts))
        raise BadInput(
            f"The name {name[:80]!r} cannot be used: it mixes letters of {shown}, which may look like another name. "
            "Write it in one script."
        )
    return name


def _scripts(name: str) -> set[str]:
    from confusable_homoglyphs.categories import unique_aliases

    found: set[str] = unique_aliases(unicodedata.normalize("NFKC", name))
    return found - {"COMMON", "INHERITED"}


def like_another(name: str, others: Iterable[str]) -> str | None:
    """The first of the other names that looks like this one; None where none does."""
    mine = skeletons(name)
    return next((other for other in others if mine & skeletons(other)), None)


def project_names(titles: Sequence[str]) -> list[str]:
    """A name for each project that fits in an address: letters, digits, - and _.

    Raises:
        BadInput: Two of them end up the same.
    """
    names = [
        re.sub(r"[^\w-]+", "-", unicodedata.normalize("NFKC", title)).strip("-")[:80].lower() or "project"
        for title in titles
    ]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"Two sessions would both be called {twice!r}. Rename one of them.")
    return names
