"""Items that are files: images and recordings in a folder or a ZIP archive, checked once, read on demand."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from askwise.core import BadInput, MissingExtra

IMAGES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
"""What is shown as an image. Never SVG, which can hold scripts."""
MAX_BYTES = 64 << 20
"""Of one file."""
MAX_PIXELS = 50_000_000
"""Of one image: what a browser still turns and zooms."""
MAX_FILES = 200_000
"""In a folder or an archive."""
MAX_TOTAL = 8 << 30
"""Bytes of an archive when unpacked."""
MAX_RATIO = 200
"""Bytes that one compressed byte may become; photographs are compressed already, texts reach 10 to 20."""
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, struct.error, zlib.error, OverflowError)
"""What Pillow raises on damaged images of one format or another."""


class Source(Protocol):
    """Where files lie."""

    def names(self) -> list[str]:
        """The names of all files, with `/` between folders, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            BadInput: Not there, too large, or outside.
        """
        ...


@dataclass(frozen=True)
class File:
    """A file that is an item; its name is what stands for it in text."""

    name: str
    """Below its source, with `/` between folders."""
    sha256: str
    """Of its bytes, hex, when it was loaded."""
    source: Source

    def __str__(self) -> str:
        return self.name

    def read(self) -> bytes:
        """The bytes, as they were when the file was loaded.

        Raises:
            BadInput: The file is gone, or was changed since.
        """
        data = self.source.read(self.name)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise BadInput(f"{self.name!r} was changed after the session began. Put the old file back.")
        return data


@dataclass(frozen=True)
class Folder:
    """A folder with everything below it."""

    root: Path

    def names(self) -> list[str]:
        """The names of all files that are not hidden, sorted."""
        found: list[str] = []
        for where, folders, files in os.walk(self.root):  # passes over folders it may not read
            folders[:] = [name for name in folders if not _hidden(name)]
            below = Path(where).relative_to(self.root)
            found += [(below / name).as_posix() for name in files if not _hidden(name)]
            if len(found) > MAX_FILES:
                raise BadInput(f"{str(self.root)!r} is a folder of over {MAX_FILES:,} files. Give a smaller one.")
        return sorted(found)

    def read(self, name: str) -> bytes:
        """The bytes of a file; a link that leads out of the folder is no file of it."""
        try:
            path = (self.root / name).resolve()
            if not path.is_relative_to(self.root.resolve()):
                raise BadInput(f"{name[:200]!r} lies outside of {str(self.root)!r}. Put it below that folder.")
            if not path.is_file():
                raise BadInput(
                    f"{name[:200]!r} is not in {str(self.root)!r}. Put it back, or give the folder's new place."
                )
            if path.stat().st_size > MAX_BYTES:
                raise BadInput(f"{name[:200]!r} is larger than {MAX_BYTES >> 20} MB.")
            return path.read_bytes()
        except (OSError, ValueError) as error:  # a name too long, a NUL in it, no permission
            raise BadInput(f"{name[:200]!r} cannot be read: {error}.") from None


class Archive:
    """A ZIP archive; never unpacked to the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: zipfile.ZipFile | None = None

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Archive) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_open": None}

    def names(self) -> list[str]:
        """The names of all files that are not hidden, sorted.

        Raises:
            BadInput: No ZIP archive, or one made to fill a disk.
        """
        archive = self._archive()
        check_archive(archive, self.path.name)
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        return sorted(name for name in names if not any(_hidden(part) for part in PurePosixPath(name).parts))

    def read(self, name: str) -> bytes:
        """The bytes of a file; its name is only ever looked up in the archive."""
        archive = self._archive()
        try:
            entry = archive.getinfo(name)
            if entry.file_size > MAX_BYTES:
                raise BadInput(f"{name[:200]!r} is larger than {MAX_BYTES >> 20} MB.")
            return archive.read(entry)  # never more than it declares
        except KeyError:
            raise BadInput(f"{name[:200]!r} is not in {self.path.name!r}.") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise BadInput(f"{name[:200]!r} in {self.path.name!r} cannot be read: {error}.") from None

    def _archive(self) -> zipfile.ZipFile:
        if self._open is None:
            try:
                self._open = zipfile.ZipFile(self.path)
            except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
                raise BadInput(f"{str(self.path)!r} cannot be opened as a ZIP archive: {error}.") from None
        return self._open


def check_archive(archive: zipfile.ZipFile, name: str, *, most: int = MAX_TOTAL) -> None:
    """Refuse an archive that is made to fill memory or disk, or that needs a password.

    Raises:
        BadInput: Too many files, too many bytes when unpacked, compressed too well, encrypted.
    """
    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise BadInput(f"{name!r} holds {len(entries):,} files; {MAX_FILES:,} are the limit.")
    total = sum(entry.file_size for entry in entries)
    if total > most:
        raise BadInput(f"{name!r} holds {total / 2**30:.1f} GB when unpacked; {most >> 30} GB are the limit.")
    for entry in entries:
        if entry.flag_bits & 1:
            raise BadInput(f"{name!r} is locked with a password. Pack it without one.")
        if entry.file_size > MAX_RATIO * max(entry.compress_size, 1) and entry.file_size > 1 << 20:
            raise BadInput(
                f"{name!r} looks like a bomb: {entry.filename[:100]!r} becomes {entry.file_size:,} bytes out of "
                f"{entry.compress_size:,}. It was not unpacked."
            )
    # Members that share their bytes would be counted once by their packed size.
    packed = sum(entry.compress_size for entry in entries)
    if archive.filename is not None and packed > Path(archive.filename).stat().st_size:
        raise BadInput(f"{name!r} looks like a bomb: its files overlap. It was not unpacked.")


def _hidden(part: str) -> bool:
    """Left there by an operating system, not by a person."""
    return part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini")


# ── what a file is ──────────────────────────────────────────────────────────────────────────


def folders(names: list[str], *, packed: bool) -> list[str]:
    """The folder of each file, which may be its label; "" for those that lie in none, still to be sorted.

    Args:
        names: All files.
        packed: They are those of an archive, in which one folder often holds all others: it is no class then.
    """
    found = [name.rpartition("/")[0] for name in names]
    top = names[0].partition("/")[0] if names else ""
    if packed and len(set(found)) > 1 and all(where == top or where.startswith(f"{top}/") for where in found):
        return [where[len(top) + 1 :] for where in found]
    return found


def wrong_recording(data: bytes) -> str | None:
    """Why these bytes are no recording that a browser would play; None where they are."""
    return None if audio_type(data) else "is no WAV, MP3 or OGG recording"


def wrong_image(data: bytes) -> str | None:
    """Why these bytes are no image that a browser would show; None where they are."""
    try:
        open_image(data).load()
    except BadInput as error:
        return str(error)
    except BROKEN as error:
        return f"is a damaged image ({error})"
    return None


def image_type(data: bytes) -> str:
    """The media type of an image by its first bytes; "" where it is none of `IMAGES`."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    marks = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
    return next((kind for mark, kind in marks if data.startswith(mark)), "")


def audio_type(data: bytes) -> str:
    """The media type of a recording by its first bytes; "" where it is no WAV, MP3 or OGG."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data.startswith(b"OggS"):
        return "audio/ogg"
    if data.startswith(b"ID3") or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "audio/mpeg"
    return ""


def open_image(data: bytes, *, about: int = 256) -> Any:
    """A Pillow image, not yet decoded.

    Args:
        data: The file.
        about: Pixels of a side that are needed; a JPEG may then be decoded at a fraction of its size.

    Raises:
        BadInput: No image of `IMAGES`, or one with too many pixels.
        MissingExtra: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra(
            "Images need Pillow, which is not installed. Install it: pip install 'askwise[images]'"
        ) from None
    try:
        image = Image.open(io.BytesIO(data), formats=tuple(IMAGES))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(f"has more than {MAX_PIXELS:,} pixels") from None
    except BROKEN:
        raise BadInput("is no JPEG, PNG, GIF or WebP image") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadInput(f"has {width:,} × {height:,} pixels; {MAX_PIXELS:,} in all are the limit")
    image.draft("RGB" if image.mode not in ("L", "1") else "L", (about, about))
    return image
