"""spaCy's `.spacy` files (DocBin): documents with entities, in and out, by spaCy."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from askwise import budget, spans
from askwise.core import BadInput, MissingExtra
from askwise.formats import conll
from askwise.formats.conll import SPANS, TEXT, TOKENS
from askwise.formats.table import Table
from askwise.spans import Span


def read_docbin(path: Path) -> Table:
    """The documents of a `.spacy` file, their entities as written answers; one with entities unknown is open.

    An entity that ends within one of our words leaves its document open, and is said. The file holds no code: spaCy
    reads it by msgpack, and neither its user data nor any pipeline is looked at.

    Raises:
        BadInput: No such file, damaged, too large, without documents.
        MissingExtra: spaCy is not installed.
    """
    spacy = _spacy()
    data = path.read_bytes()
    try:
        _check_size(data, path.name)
        found = spacy.tokens.DocBin().from_bytes(data)
        found.user_data = [None] * len(found)
        docs = list(found.get_docs(spacy.blank("xx").vocab))
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - whatever spaCy raises of bytes that are none of its own
        raise BadInput(
            f"{path.name!r} is no .spacy file, or a damaged one ({type(error).__name__}). Write it again with "
            "DocBin(docs=docs).to_disk(path)."
        ) from None
    if not docs:
        raise BadInput(f"{path.name!r} holds no document.")
    table = Table({TEXT: [], SPANS: [], TOKENS: []}, texts=(TEXT,))
    table.flaws[SPANS] = {}
    for row, doc in enumerate(docs):
        answer = None
        if doc.has_annotation("ENT_IOB"):
            try:
                answer = spans.read([Span(e.start_char, e.end_char, e.label_) for e in doc.ents], doc.text)
            except BadInput as error:
                table.flaws[SPANS][row] = f"an answer that cannot be used: {error}"
        for name, cell in ((TEXT, doc.text), (SPANS, answer), (TOKENS, [token.text for token in doc])):
            table.columns[name].append(cell)
    table.read_as["marked"] = SPANS
    return table


def write_docbin(file: IO[bytes], rows: Iterable[tuple[str, str, Sequence[str] | None]]) -> int:
    """Write texts and answers as a `.spacy` file that `spacy train` reads; returns how many.

    Args:
        file: Binary stream.
        rows: (text, written answer, the tokens it came with or None); the tokens are ours where these do not fit.

    Raises:
        MissingExtra: spaCy is not installed.
    """
    spacy = _spacy()
    vocab = spacy.blank("xx").vocab
    found = spacy.tokens.DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
    for text, written, given in rows:
        answer = spans.parse(written)
        words, spaces = _whole(text, *conll.words_of(text, answer, given))
        doc = spacy.tokens.Doc(vocab, words=words, spaces=spaces)
        doc.set_ents([doc.char_span(*span) for span in answer], default="outside")
        found.add(doc)
    file.write(found.to_bytes())
    return len(found)


def _whole(text: str, words: Sequence[str], at: Sequence[spans.Token]) -> tuple[list[str], list[bool]]:
    """Tokens that make the whole text, as spaCy needs it: all but single blanks between them are tokens as well."""
    found: list[str] = []
    spaces: list[bool] = []

    def add(piece: str) -> None:
        if piece.startswith(" ") and found and not spaces[-1]:
            spaces[-1], piece = True, piece[1:]
        if piece:
            found.append(piece)
            spaces.append(False)

    done = 0
    for word, token in zip(words, at, strict=True):
        add(text[done : token.start])
        add(word)
        done = token.end
    add(text[done:])
    return found, spaces


def _check_size(data: bytes, name: str) -> None:
    """Unpacked it must stay within what any file may ask for."""
    limit = min(max(budget.HONEST, budget.MAX_RATIO * len(data)), budget.MAX_UNPACKED)
    unpack = zlib.decompressobj()
    size = 0
    while data and not unpack.eof:
        size += len(unpack.decompress(data, 1 << 20))
        data = unpack.unconsumed_tail
        if size > limit:
            raise BadInput(f"{name!r} unpacks to over {limit:,} bytes, the most that is read of it. Divide it.")


def _spacy() -> Any:
    try:
        import spacy
        import spacy.tokens
    except ImportError:
        raise MissingExtra(
            ".spacy files need spaCy, which is not installed. Install it: pip install 'askwise[spacy]'"
        ) from None
    return spacy
