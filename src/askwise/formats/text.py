"""The lines of a text file: which encoding it is in, and what is wrong with the bytes of a line."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO

from askwise.core import BadInput
from askwise.formats.packed import BYTE_ORDER_MARKS, SIGNATURES
from askwise.formats.table import Table
from askwise.options import Sentence, named, option

MARK_BROKEN = "askwise.mark_broken"
BROKEN = "\udcff"
codecs.register_error(MARK_BROKEN, lambda error: (BROKEN, error.end))  # type: ignore[attr-defined]
"""Bytes that cannot be decoded become half a surrogate pair, which no decoded text holds."""

WESTERN = "cp1252"
"""Windows-1252; holds Latin-1, whose other signs are control characters that no text has."""
OTHERS = (
    *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251", "koi8_r", "cp1250", "cp1253", "cp1254", "cp1255"),
    *("cp1256", "cp1257", "mac_roman", "cp850"),
)
"""Encodings that are guessed at for an advice, never read without being asked for."""
LOOKED_AT = 200_000
"""Bytes in lines with broken characters that a guess is made from."""
MIXED = 10
"""So many lines that are not UTF-8 for each that is, and is not ASCII, make a file one in another encoding."""
SURE = 0.8
"""Share of the letters and signs that must make sense in a Western European text."""

_LETTERS = re.compile("[À-ÖØ-öø-þŠšŽžŒœŸ]+|[^\x00-\x7f]")
_INSIDE_WORDS = set("’‘´–—-·\xad")


class NotUtf8(Exception):
    """A file without a byte order mark, and no encoding was named, holds other bytes."""


# ── what a file is ──────────────────────────────────────────────────────────────────────────


def looks_like(head: bytes) -> str | None:
    """What binary thing a file is, by its first bytes; None for text."""
    for signature, what in SIGNATURES:
        if head.startswith(signature):
            return what
    if any(head.startswith(mark) for mark, _ in BYTE_ORDER_MARKS):
        return None
    if wide := _utf_16(head):
        return f"UTF-16 text without a byte order mark (save it as UTF-8, or give {option('encoding', wide)})"
    control = sum(byte < 32 and byte not in b"\t\n\r\f\v\x1b" for byte in head)
    return "a binary file" if control > 0.3 * len(head) else None


def _utf_16(head: bytes) -> str | None:
    """The byte order of UTF-16 without a mark, by where the zeros are; also where few letters are Latin."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    order = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) > 0.4 * (len(head) // 2) and len(head) >= 4 and min(even, odd) < 0.1 * max(even, odd):
        return order
    if min(even, odd) or max(even, odd) < 2:
        return None
    ends = b"\n\0" if order == "utf-16-le" else b"\0\n"
    wide = sum(head[at : at + 2] == ends for at in range(0, len(head) - 1, 2))
    return order if wide and wide == head.count(ends) == head.count(b"\n") else None


@dataclass(frozen=True)
class Survey:
    """What the bytes of a file that is not UTF-8 say of its encoding."""

    western: bool
    """It makes sense as Windows-1252."""
    sample: str
    """A piece with such letters, as Windows-1252."""
    guess: str | None
    """What it looks like; None where nothing is likely."""
    mixed: bool
    """It holds characters of UTF-8 as well."""

    @classmethod
    def of(cls, stream: BinaryIO) -> Survey:
        """Look through a whole file."""
        good = broken = 0
        found = bytearray()
        for line in _pieces(stream):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                broken += 1
                if len(found) < LOOKED_AT:
                    found += line
            else:
                good += 1
        data = bytes(found[:LOOKED_AT])
        text = data.decode(WESTERN, MARK_BROKEN)
        mixed = broken < MIXED * good
        western = not mixed and _is_western(text)
        guess = _guess(data, (WESTERN, *OTHERS) if western else OTHERS) if not mixed else None
        if western and guess is not None and data.decode(guess, "replace") == text:
            guess = WESTERN
        match = re.search('[^\\s,;|\t"]*[À-ÿ][^\\s,;|\t"]*', text)
        return cls(western, match.group()[:40] if match else "", guess, mixed)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, but none longer than a mebibyte."""
    while piece := stream.readline(1 << 20):
        yield piece


def _is_western(text: str) -> bool:
    """Whether the letters beyond ASCII stand where a Western European language has them: single, inside words.

    Other encodings read as Windows-1252 give runs of such letters (Cyrillic, Greek, Chinese …), signs in the middle of
    words (the old code pages of DOS and Macintosh, Polish), or a letter and a sign in a row (broken UTF-8).
    """
    sense = total = 0
    for match in _LETTERS.finditer(text):
        run = match.group()
        before = text[match.start() - 1 : match.start()] if match.start() else " "
        after = text[match.end() : match.end() + 1] or " "
        total += len(run)
        if run in (BROKEN, "ÿ"):
            continue
        if run[0].isalpha() and run not in "ªºƒ":
            beside_ascii = (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())
            torn = "Â" <= run[-1] <= "ô" and after > "\x7f"
            rises = run[-1].isupper() and before.islower()
            sense += len(run) * (not torn and not rises and (len(run) == 1 or (len(run) == 2 and beside_ascii)))
        else:
            sense += run in _INSIDE_WORDS or not (before.isalpha() and after.isalpha())
    return total > 0 and sense >= SURE * total


def _guess(data: bytes, names: tuple[str, ...]) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=list(names), steps=5, chunk_size=4096).best()
    return None if best is None else best.encoding


# ── lines ───────────────────────────────────────────────────────────────────────────────────


def read_lines(
    opened: Callable[[], AbstractContextManager[BinaryIO]],
    name: str,
    encoding: str | None,
    read: Callable[[Lines], Table],
) -> Table:
    """What `read` makes of the lines of a file; read again where it turns out not to be UTF-8.

    Args:
        opened: Opens the file, unpacked.
        name: Of the file, for messages.
        encoding: As asked for; None = find out.
        read: Lines → table.
    """
    try:
        with opened() as stream:
            lines = Lines(stream, name, encoding)
            table = read(lines)
    except NotUtf8:
        with opened() as stream:
            survey = Survey.of(stream)
        with opened() as stream:
            lines = Lines(stream, name, None, survey)
            table = read(lines)
    table.notes += lines.notes()
    table.read_as["encoding"] = lines.encoding
    return table


class Lines:
    """The lines of a text file, each with its number and what is wrong with its bytes.

    Args:
        stream: Bytes.
        name: Of the file, for messages.
        encoding: As asked for; None = by a byte order mark, else UTF-8.
        survey: What is known of a file that is neither; without it the first such line raises `NotUtf8`.
    """

    def __init__(self, stream: BinaryIO, name: str, encoding: str | None, survey: Survey | None = None) -> None:
        buffered = io.BufferedReader(stream, 1 << 16)  # type: ignore[type-var]
        head = buffered.peek(8192)[:8192]
        if not head:
            raise BadInput(f"{name!r} is empty. Give a file with at least one row.")
        looks = None if encoding else looks_like(head)
        if looks:
            raise BadInput(f"{name!r} looks like {looks}, not like a text table. Export it as CSV or JSONL.")
        mark, marked = next(((m, e) for m, e in BYTE_ORDER_MARKS if head.startswith(m)), (b"", None))
        self.name = name
        self.survey = survey
        self.strict = encoding is None and marked is None and survey is None
        self.asked = encoding
        self._said: list[str] = []
        if encoding is None:
            self.encoding = marked or (WESTERN if survey is not None and survey.western else "utf-8")
        elif marked is None:
            self.encoding = encoding
        else:
            self.encoding = self._marked(encoding, marked, mark, buffered)
        self.shown = "UTF-8" if self.encoding == "utf-8-sig" else self.encoding.upper()
        try:
            self.text = io.TextIOWrapper(buffered, encoding=self.encoding, errors=MARK_BROKEN, newline="")
        except LookupError:
            raise BadInput(
                f"No text encoding named {encoding!r}. Usual ones: 'utf-8', 'cp1252', 'latin-1', 'utf-16'."
            ) from None
        self.undecodable = 0
        self.count = 0

    def _marked(self, asked: str, marked: str, mark: bytes, stream: Any) -> str:
        """The encoding to read a file in that begins with a mark, and another may have been asked for."""
        family = marked.removesuffix("-sig")
        try:
            usual = codecs.lookup(asked).name
        except LookupError:
            return asked  # refused by name in a moment
        if usual.startswith(family):
            return asked if usual not in (family, marked) else marked
        if family == "utf-8":
            stream.read(len(mark))
            self._said.append(
                f"{self.name} begins with the mark of UTF-8, and is read as {asked} as asked. If letters look wrong, "
                f"leave {named('encoding')} out."
            )
            return asked
        self._said.append(f"{self.name} begins with the mark of {family.upper()}, and is read as that, not as {asked}.")
        return marked

    def __iter__(self) -> Iterator[tuple[int, str, str | None]]:
        try:
            for line in self.text:
                self.count += 1
                # A mark that the codec leaves in the text is none of its letters.
                text = line.removeprefix("\ufeff") if self.count == 1 else line
                yield self.count, text, self._damage(text)
        except UnicodeError as error:
            raise BadInput(
                f"{self.name!r} cannot be read as {self.shown} after line {self.count}: {error}. Save it as UTF-8."
            ) from None

    def _damage(self, line: str) -> str | None:
        if not line.isascii() and not _is_encodable(line):
            if self.strict:
                raise NotUtf8
            self.undecodable += 1
            return f"holds bytes that are not {self.shown}"
        return "holds a NUL byte" if "\0" in line else None

    def advice(self) -> str:
        """What to do about bytes that cannot be decoded, as a clause."""
        guess = self.survey.guess if self.survey else None
        if self.survey and self.survey.mixed:
            return "its lines are in several encodings: save it as UTF-8 where it comes from"
        if guess:
            return f"it looks like {guess}: save it as UTF-8, or give {option('encoding', guess)}"
        return (
            f"save it as UTF-8, or give {option('encoding', WESTERN)} (Western European Windows) or what it is, as in "
            "gb18030, shift_jis, cp1251"
        )

    def notes(self) -> list[str]:
        """Which encoding was taken for which, and how to get at lines that could not be decoded."""
        said = list(self._said)
        if self.survey is not None and self.survey.western:
            example = f", as in {self.survey.sample!r}" if self.survey.sample else ""
            other = self.survey.guess if self.survey.guess not in (None, WESTERN) else None
            maybe = f"{option('encoding', other)} is likely, too" if other else f"{option('encoding')} names another"
            said.append(
                f"{self.name} is not UTF-8; it is read as cp1252 (Western European Windows and Latin-1){example}. "
                f"If letters look wrong: {maybe}."
            )
        if self.undecodable:
            lines = "1 line is" if self.undecodable == 1 else f"{self.undecodable:,} lines are"
            few = self.undecodable * 20 < self.count
            said.append(
                f"{lines} not {self.shown}" + ("." if few and self.encoding != "utf-8" else f"; {self.advice()}.")
            )
        return [Sentence(line) for line in said]


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
