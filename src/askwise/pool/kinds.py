"""What an item is: texts, rows of features, images, recordings, table rows, pairs; one class each, and their list.

A new kind is a class here and its place in `REGISTRY`. What is asked of a kind elsewhere is an attribute or a method of
it; `docs/architecture.md` says which few places know a kind by name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from askwise.core import BadInput, BadStore, unknown
from askwise.media import File, Folder, Source, wrong_image, wrong_recording
from askwise.options import option
from askwise.pool.matrices import row_digests
from askwise.values import missing, plain, written

MAX_TEXT = 1_000_000
"""Characters of one text; nobody reads more to give a label."""
WORD = re.compile(r"\w[\w'’-]*")
MOST_WORDS = 100
"""Different words of one text that are left out one by one."""
Cells = Mapping[str, Sequence[Any]]
"""Column → value of each row, as a `Table` holds them."""
Reader = Callable[[int], "str | tuple[Any]"]
"""Row → (item,), or what is wrong with the row."""


class ItemKind:
    """One kind of items. What is not said otherwise holds of an item that is JSON as it is."""

    name: str
    """In logs, options and `Pool.kind`."""
    files = False
    """Whether its items are `File`s: the log holds names and digests, the bytes lie elsewhere."""
    features = False
    """Whether its items are rows of numbers: no encoder is needed, and the log holds their fingerprint alone."""
    cells = False
    """Whether an item is a mapping, column → value, in which a cell may be missing."""
    prose = False
    """Whether an item is made of texts that are its own: who quotes one of them, quotes the item."""
    described = False
    """Whether what people say of a label, in words, is like an item that has it."""
    width = 1
    """Columns of a frame that hold items in Python."""
    learner = "linears"
    """Which learner of ours works where none is named."""
    encoder = ""
    """Its own encoder, as "module:class", since encoders are built on top of pools; "" = one of texts."""
    elsewhere = ""
    """What of a withdrawn item lies where Askwise does not reach, in a sentence."""

    def __repr__(self) -> str:
        return f"<ItemKind {self.name}>"

    @property
    def in_json(self) -> bool:
        """Whether its items are JSON as they are: texts and cells, neither files nor features."""
        return not (self.files or self.features)

    # ── checking ────────────────────────────────────────────────────────────────────────────

    def given(self, item: Any, row: int) -> Any:
        """An item as a program gives it to a model, checked.

        Raises:
            BadInput: It is no item of this kind; the sentence names its number, `row`.
        """
        del row
        return item

    # ── what identifies an item ─────────────────────────────────────────────────────────────

    def digest(self, content: Any) -> bytes:
        """SHA-256 of what an item shows, 32 bytes: by it equal items are one."""
        text = content if isinstance(content, str) else json.dumps(content)
        return hashlib.sha256(text.encode()).digest()

    def digests(self, contents: Sequence[Any]) -> list[bytes]:
        """`digest` of each item."""
        return list(map(self.digest, contents))

    # ── the log ─────────────────────────────────────────────────────────────────────────────

    def packed(self, content: Any) -> Any:
        """An item as JSON, for the log."""
        return content

    def unpacked(self, kept: Any, source: Source | None) -> Any:
        """The inverse of `packed`.

        Args:
            kept: What `packed` gave, through JSON.
            source: Where the files of the pool lie; None where its items are no files.
        """
        del source
        return kept

    def columns_of(self, content: Any, text: Any) -> dict[str, Any]:
        """What the columns that are shown hold: the part of a row's record that its content tells.

        Args:
            content: Of an item.
            text: `Pool.address["text"]`: the column, or the columns.
        """
        return {text: str(content)} if text else {}

    def blank(self, content: Any) -> Any:
        """What stands in the place of a withdrawn item: as it was, with nothing in it."""
        del content

    # ── for people ──────────────────────────────────────────────────────────────────────────

    def as_text(self, content: Any) -> str:
        """An item on one line of text, as a frame shows it."""
        return str(content)

    def texts(self, content: Any) -> list[str]:
        """The texts that an item holds, such as could be found again elsewhere."""
        del content
        return []

    # ── models ──────────────────────────────────────────────────────────────────────────────

    def without(self, content: Any) -> Iterator[tuple[str, Any]]:
        """(name of a part, the item without it): what `Model.explain` leaves out; nothing where there are no parts."""
        del content
        return iter(())

    def example(self, cells: Mapping[str, Any]) -> Any:
        """An item that any model of this kind takes, to try one that was read from a file; None = none can be made up.

        Args:
            cells: Column → value, of the columns that the model learned from.
        """
        del cells


class Texts(ItemKind):
    """Texts: strings."""

    name = "text"
    prose = described = True

    def reader(self, texts: Sequence[Any]) -> Reader:
        """What makes an item of each value of a column."""
        return lambda row: wrong_text(texts[row]) or (texts[row],)

    def given(self, item: Any, row: int) -> str:
        """See `ItemKind`."""
        if not isinstance(item, str) or missing(item):
            raise BadInput(f"Item {row} is no text but one {type(item).__name__}; this model was trained on texts.")
        return str(item)

    def blank(self, content: str) -> str:
        """See `ItemKind`."""
        del content
        return ""

    def texts(self, content: str) -> list[str]:
        """See `ItemKind`."""
        return [content]

    def without(self, content: str) -> Iterator[tuple[str, str]]:
        """See `ItemKind`."""
        return _without_words(content)

    def example(self, cells: Mapping[str, Any]) -> str:
        """See `ItemKind`."""
        del cells
        return "a"


class Features(ItemKind):
    """Rows of features, dense or sparse, which the caller brings and keeps."""

    name = "array"
    features = True
    learner = "portfolio"
    elsewhere = "The numbers of an array are not in the session: take them out of yours."

    def digest(self, content: Any) -> bytes:
        """See `ItemKind`."""
        return row_digests(content.reshape(1, -1))[0]

    def digests(self, contents: Any) -> list[bytes]:
        """`digest` of each of some `FeatureRows`."""
        return row_digests(contents.matrix)

    def packed(self, content: Any) -> None:
        """See `ItemKind`."""
        del content

    def unpacked(self, kept: Any, source: Source | None) -> None:
        """See `ItemKind`."""
        del kept, source

    def columns_of(self, content: Any, text: Any) -> dict[str, Any]:
        """See `ItemKind`."""
        del content, text
        return {}


class Files(ItemKind):
    """Files, read where they lie whenever somebody looks."""

    files = True
    plural: str
    """What such files are called, with their formats."""
    suffixes: tuple[str, ...]
    """By which they are known before they are read; lower case, with the dot."""

    def wrong(self, data: bytes) -> str | None:
        """Why these bytes are no such file that a browser would show; None where they are."""
        raise NotImplementedError

    def reader(self, place: Source, names: Sequence[Any]) -> Reader:
        """What makes an item of each name of a file in a place."""

        def item(row: int) -> str | tuple[Any]:
            if wrong := wrong_text(names[row]):
                return wrong
            name = names[row].strip().replace("\\", "/")
            try:
                data = place.read(name)
            except BadInput as error:
                return f"cannot be used: {error}"
            if wrong := self.wrong(data):
                return f"names {name[:200]!r}, which {wrong}"
            return (File(name, hashlib.sha256(data).hexdigest(), place),)

        return item

    def given(self, item: Any, row: int) -> Any:
        """A path becomes a `File`; all else is left to the encoder."""
        del row
        if isinstance(item, File) or not isinstance(item, str | Path):
            return item
        path = Path(item)
        place = Folder(path.expanduser().resolve().parent)
        data = place.read(path.name)
        if wrong := self.wrong(data):
            raise BadInput(f"{str(path)!r} {wrong}.")
        return File(path.name, hashlib.sha256(data).hexdigest(), place)

    def digest(self, content: File) -> bytes:
        """See `ItemKind`."""
        return bytes.fromhex(content.sha256)

    def packed(self, content: File) -> list[str]:
        """See `ItemKind`."""
        return [content.name, content.sha256]

    def unpacked(self, kept: Any, source: Source | None) -> File:
        """See `ItemKind`."""
        if source is None:
            raise ValueError("it does not say where the files lie")
        return File(kept[0], kept[1], source)

    def blank(self, content: File) -> File:
        """See `ItemKind`."""
        return File("", bytes(32).hex(), content.source)


class Images(Files):
    """Images, as a browser shows them."""

    name = "image"
    plural = "images (JPEG, PNG, GIF, WebP)"
    suffixes = (".jpg", ".jpeg", ".png", ".gif", ".webp")
    learner = "portfolio"
    encoder = "askwise.encoders.image:ImageEncoder"
    elsewhere = "The images themselves lie where they lay: delete them there."

    def wrong(self, data: bytes) -> str | None:
        """See `Files`."""
        return wrong_image(data)


class Recordings(Files):
    """Recordings, as a browser plays them."""

    name = "audio"
    plural = "recordings (WAV, MP3, OGG)"
    suffixes = (".wav", ".mp3", ".ogg")
    learner = "portfolio"
    encoder = "askwise.encoders.audio:AudioEncoder"
    elsewhere = "The recordings themselves lie where they lay: delete them there."

    def wrong(self, data: bytes) -> str | None:
        """See `Files`."""
        return wrong_recording(data)


class OfColumns(ItemKind):
    """Items made of several columns of a table."""

    def chosen(self, named: list[str], rest: list[str]) -> list[str]:
        """The columns that make up its items.

        Args:
            named: Those that were asked for, in their order.
            rest: Those that are nothing else: neither id nor label nor shown beside.

        Raises:
            BadInput: Such items cannot be made of these.
        """
        raise NotImplementedError

    def reader(self, columns: Cells, names: Sequence[str]) -> Reader:
        """What makes an item of each row of the columns `names`."""
        raise NotImplementedError


class Rows(OfColumns):
    """Rows of a table with all their columns: column → value."""

    name = "table"
    cells = True
    learner = "portfolio"
    encoder = "askwise.encoders.table:TableEncoder"

    def chosen(self, named: list[str], rest: list[str]) -> list[str]:
        """See `OfColumns`."""
        return named or rest

    def reader(self, columns: Cells, names: Sequence[str]) -> Reader:
        """See `OfColumns`."""

        def item(row: int) -> str | tuple[Any]:
            cells = {name: plain(columns[name][row]) for name in names}
            if all(value is None or value == "" for value in cells.values()):
                return "is empty"
            for name, value in cells.items():
                if isinstance(value, str) and value.strip() and (wrong := wrong_text(value)):
                    return f"{wrong} in column {name!r}"
            return ({name: _flat(value) for name, value in cells.items()},)

        return item

    def given(self, item: Any, row: int) -> Any:
        """See `ItemKind`."""
        if not isinstance(item, Mapping):
            raise BadInput(f"Item {row} is no row with columns but one {type(item).__name__}.")
        return item

    def columns_of(self, content: Mapping[str, Any], text: Any) -> dict[str, Any]:
        """See `ItemKind`."""
        del text
        return dict(content)

    def blank(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """See `ItemKind`."""
        return dict.fromkeys(content)

    def as_text(self, content: Mapping[str, Any]) -> str:
        """See `ItemKind`."""
        return " · ".join(f"{name}: {written(value)}" for name, value in content.items())

    def texts(self, content: Mapping[str, Any]) -> list[str]:
        """See `ItemKind`."""
        return [written(value) for value in content.values()]

    def without(self, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """See `ItemKind`."""
        yield from ((str(name), {**content, name: None}) for name in content)

    def example(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """See `ItemKind`."""
        return dict(cells)


class Pairs(OfColumns):
    """Two texts to compare."""

    name = "pair"
    prose = True
    width = 2
    learner = "linear"

    def chosen(self, named: list[str], rest: list[str]) -> list[str]:
        """See `OfColumns`."""
        del rest
        if len(named) != 2:
            raise BadInput(
                f"A pair is two texts: name their two columns, as in {option('text', ['a', 'b'])}; got {named}."
            )
        return named

    def reader(self, columns: Cells, names: Sequence[str]) -> Reader:
        """See `OfColumns`."""
        left, right = (columns[name] for name in names)
        return lambda row: wrong_text(left[row]) or wrong_text(right[row]) or ((left[row], right[row]),)

    def given(self, item: Any, row: int) -> tuple[str, str]:
        """See `ItemKind`."""
        two = list(item) if isinstance(item, list | tuple | np.ndarray) else []
        if len(two) != 2 or not all(isinstance(text, str) for text in two):
            raise BadInput(f"Item {row} is no pair of texts; this model was trained on pairs: [(first, second), …].")
        return str(two[0]), str(two[1])

    def unpacked(self, kept: Any, source: Source | None) -> tuple[Any, ...]:
        """See `ItemKind`."""
        del source
        return tuple(kept)

    def columns_of(self, content: tuple[str, ...], text: Any) -> dict[str, Any]:
        """See `ItemKind`."""
        return dict(zip(text, content, strict=True))

    def blank(self, content: tuple[str, ...]) -> tuple[str, ...]:
        """See `ItemKind`."""
        return ("",) * len(content)

    def as_text(self, content: tuple[str, ...]) -> str:
        """See `ItemKind`."""
        return " · ".join(map(str, content))

    def texts(self, content: tuple[str, ...]) -> list[str]:
        """See `ItemKind`."""
        return [written(part) for part in content]

    def without(self, content: tuple[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
        """See `ItemKind`."""
        first, second = content
        yield from ((f"first: {word}", (left, second)) for word, left in _without_words(first))
        yield from ((f"second: {word}", (first, left)) for word, left in _without_words(second))

    def example(self, cells: Mapping[str, Any]) -> tuple[str, str]:
        """See `ItemKind`."""
        del cells
        return "a", "b"


TEXT = Texts()
REGISTRY: dict[str, ItemKind] = {
    kind.name: kind for kind in (TEXT, Features(), Images(), Recordings(), Rows(), Pairs())
}
"""Every kind by its name, in the order in which sentences list them."""
KINDS = tuple(name for name, kind in REGISTRY.items() if not kind.features)
"""What the rows of a table may be taken for; an array is an array."""
SUFFIXES = {suffix: kind.name for kind in REGISTRY.values() if isinstance(kind, Files) for suffix in kind.suffixes}
"""Of files → the kind that they are."""


def get(name: str) -> ItemKind:
    """A kind by its name.

    Raises:
        BadInput: There is none of this name.
    """
    if name not in REGISTRY:
        raise unknown("kind", name, REGISTRY)
    return REGISTRY[name]


def recorded(name: Any) -> ItemKind:
    """The kind that a log names.

    Raises:
        BadStore: A later version knows it, or none.
    """
    found = REGISTRY.get(name) if isinstance(name, str) else None
    if found is None:
        raise BadStore(
            f"This session is of items of the kind {name!r}, which this version does not know (it knows "
            f"{', '.join(REGISTRY)}). Open it with the version that wrote it."
        )
    return found


def are_files(name: str | None) -> bool:
    """Whether this names a kind of files; None and unknown names do not."""
    return name in REGISTRY and REGISTRY[name].files


def of_suffix(name: str) -> str:
    """The kind of a file by the end of its name; "" where it is of none."""
    return SUFFIXES.get(PurePosixPath(name).suffix.lower(), "")


# ── texts ───────────────────────────────────────────────────────────────────────────────────


def wrong_text(value: object) -> str | None:
    """Why a value is no text to label; None where it is one."""
    if missing(value):
        return "has an empty text"
    if not isinstance(value, str):
        return f"has a text that is no string but {with_article(value)} ({str(value)[:40]})"
    if not value.strip():
        return "has an empty text"
    if len(value) > MAX_TEXT:
        return f"has a text of {len(value):,} characters; {MAX_TEXT:,} are the limit"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "has a text with half a surrogate pair, which is no character"
    return None


def with_article(value: object) -> str:
    """What kind of value it is, as "a list" is written."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _flat(value: Any) -> Any:
    """A cell of an item as one scalar: a nested one as JSON text."""
    return written(value) if isinstance(value, dict | list) else value


def _without_words(text: str) -> Iterator[tuple[str, str]]:
    """(word, the text without it wherever it stands), of its different words, in lower case."""
    for word in list(dict.fromkeys(found.lower() for found in WORD.findall(text)))[:MOST_WORDS]:
        yield word, re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", text, flags=re.IGNORECASE)
