"""Files as streams of bytes, unpacked: gzip, bzip2, xz, Zstandard, and one table in a ZIP archive."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from askwise.budget import Bounded
from askwise.core import BadInput, MissingExtra

PACKED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard"}
"""Suffix → what packs a text format; seen by content, whatever the name."""
HEADS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
ZIP = b"PK\x03\x04"

# What a file is by its first bytes. Such files are named and refused; nothing is ever unpickled.
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (an Excel workbook is one too: name it .xlsx; images in one: .zip)"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls, .doc)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x93NUMPY", "a NumPy array (load it with numpy.load and give the array)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    *((b"\x80" + bytes([protocol]), "a Python pickle, which is never opened") for protocol in range(2, 6)),
)
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DUST = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}
"""What systems put into archives unasked."""
PIECE = 1024
"""Bytes of a Zstandard file unpacked at a time: a kilobyte may become 32 MB."""


def head_of(path: Path, size: int = 8192) -> bytes:
    """The first bytes of a file as it lies there."""
    with path.open("rb") as stream:
        return stream.read(size)


@contextlib.contextmanager
def unpacked(path: Path, suffixes: Mapping[str, str], *, lines: bool = True, cells: bool = False) -> Iterator[BinaryIO]:
    """The bytes of a file, or of what is packed in it, as a stream.

    Args:
        path: A file.
        suffixes: Suffix → format of the tables that may lie in an archive.
        lines: Whether it has lines, of which none may be endless.
        cells: Whether these are rows of cells.

    Raises:
        BadInput: Damaged, an archive with other than one table, or more than anybody reads.
        MissingExtra: Zstandard without zstandard.
    """
    how = next((name for mark, name in HEADS.items() if head_of(path, 8).startswith(mark)), None)
    try:
        with contextlib.ExitStack() as stack:
            stream = _stream(path, how, suffixes, stack)
            packed = path.stat().st_size if how or path.suffix.lower() == ".zip" else 0
            yield stack.enter_context(Bounded(stream, path.name, packed=packed, lines=lines, cells=cells))  # type: ignore[misc]
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        what = how or "ZIP"
        raise BadInput(f"{path.name!r} is a damaged {what} file ({error}). Fetch or compress it again.") from None
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise BadInput(f"{path.name!r} is a ZIP archive that cannot be read ({error}). Unpack it first.") from None
    except OSError as error:
        if how == "bzip2" and error.errno is None:  # how bz2 says that the data are no good
            raise BadInput(f"{path.name!r} is a damaged bzip2 file ({error}). Fetch or compress it again.") from None
        raise


def _stream(path: Path, how: str | None, suffixes: Mapping[str, str], stack: contextlib.ExitStack) -> BinaryIO:
    if how == "gzip":
        return cast("BinaryIO", stack.enter_context(gzip.open(path, "rb")))
    if how == "bzip2":
        return cast("BinaryIO", stack.enter_context(bz2.open(path, "rb")))
    if how == "xz":
        return cast("BinaryIO", stack.enter_context(lzma.open(path, "rb")))
    if how == "Zstandard":
        return _zstandard(path, stack)
    if path.suffix.lower() == ".zip" and head_of(path, 4) == ZIP:
        archive = stack.enter_context(zipfile.ZipFile(path))
        return cast("BinaryIO", stack.enter_context(archive.open(_only_table(archive, path.name, suffixes))))
    return stack.enter_context(path.open("rb"))


def _zstandard(path: Path, stack: contextlib.ExitStack) -> BinaryIO:
    try:
        import zstandard
    except ImportError:
        raise MissingExtra(
            "Files packed with Zstandard (.zst) need zstandard, which is not installed. Install it: "
            "pip install 'askwise[zstd]'"
        ) from None

    return cast("BinaryIO", stack.enter_context(io.BufferedReader(_Zstandard(path, zstandard))))


class _Zstandard(io.RawIOBase):
    """Frames one after the other; unlike the stream of the library it says when the last one is cut off."""

    def __init__(self, path: Path, library: Any) -> None:
        self.raw = path.open("rb")
        self.library = library
        self.frame = library.ZstdDecompressor().decompressobj()
        self.rest = b""
        self.ready = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.raw.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self.ready:
            piece = self.rest or self.raw.read(PIECE)
            self.rest = b""
            if not piece:
                if not self.frame.eof:
                    raise EOFError("it ends too early")
                return 0
            if self.frame.eof:
                self.frame = self.library.ZstdDecompressor().decompressobj()
            try:
                self.ready = self.frame.decompress(piece)
            except self.library.ZstdError as error:
                raise EOFError(str(error)) from None
            self.rest = self.frame.unused_data if self.frame.eof else b""
        size = min(len(buffer), len(self.ready))
        buffer[:size], self.ready = self.ready[:size], self.ready[size:]
        return size


# ── one table in an archive ─────────────────────────────────────────────────────────────────


def members(path: Path) -> list[str]:
    """The names of the files in a ZIP archive that somebody put there.

    Raises:
        BadInput: A damaged archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _members(archive)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise BadInput(f"{path.name!r} is a damaged ZIP archive, which cannot be opened: {error}.") from None


def table_inside(path: Path, suffixes: Mapping[str, str]) -> str | None:
    """The name of the one table in a ZIP archive; None where it holds none.

    Raises:
        BadInput: Several tables, or a damaged archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            tables = _tables(archive, suffixes)
            return _only_table(archive, path.name, suffixes).filename if tables else None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise BadInput(f"{path.name!r} is a damaged ZIP archive, which cannot be opened: {error}.") from None


def _members(archive: zipfile.ZipFile) -> list[str]:
    """The names of the files in an archive that somebody put there."""
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    return [name for name in names if not set(PurePosixPath(name).parts) & DUST]


def _tables(archive: zipfile.ZipFile, suffixes: Mapping[str, str]) -> list[str]:
    return [name for name in _members(archive) if PurePosixPath(name).suffix.lower() in suffixes]


def _only_table(archive: zipfile.ZipFile, where: str, suffixes: Mapping[str, str]) -> zipfile.ZipInfo:
    names = _tables(archive, suffixes)
    if len(names) != 1:
        shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
        found = f"{len(names)} tables ({shown})" if names else f"no table ({', '.join(suffixes)})"
        raise BadInput(f"{where!r} is an archive with {found}; one is read as it is. Unpack it, and give one of them.")
    entry = archive.getinfo(names[0])
    if entry.flag_bits & 1:
        raise BadInput(f"{where!r} needs a password. Unpack it first, and give the file in it.")
    return entry
