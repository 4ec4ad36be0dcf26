"""Reads a file that somebody sent in a process of its own, which ends where that takes too much memory or time."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from askwise import core
from askwise.core import BadInput
from askwise.options import Sentence, marked

if TYPE_CHECKING:
    from askwise.checking.given import Given
    from askwise.pool import Pool

STARTING = 60.0
"""Seconds until the process must have begun to read; its clock begins then."""
MEMORY, PER_BYTE, PER_PACKED_BYTE = 256 << 20, 12, 60
"""Bytes of memory that a file may take, and so many more for each of its bytes."""
MOST_MEMORY = 8 << 30
SECONDS, PER_MB, PER_PACKED_MB = 7.0, 0.25, 4.0
"""Seconds that a file may take, and so many more for each of its megabytes."""
REPLY, PER_REPLY_BYTE = 128 << 20, 8
"""Bytes of what the process says."""
AT_ONCE = 2
"""Files that are read at a time."""
PLAIN = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
LIBRARIES = (
    "charset_normalizer", "rispy", "zstandard", "pyarrow.parquet", "openpyxl", "PIL.Image", "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin",
)  # fmt: skip
"""What readers need: loaded before the memory is counted."""
WAITING = 600.0
"""Seconds after which a process that was given nothing to read ends."""
_turn = threading.BoundedSemaphore(AT_ONCE)


class Allowed:
    """What reading a file may take: more for larger ones, and more where it is packed.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        size, packed = path.stat().st_size, path.suffix.lower() not in PLAIN
        self.memory = min(MOST_MEMORY, MEMORY + (PER_PACKED_BYTE if packed else PER_BYTE) * size)
        self.seconds = SECONDS + (PER_PACKED_MB if packed else PER_MB) * size / 2**20
        self.reply = REPLY + PER_REPLY_BYTE * size
        self.size = size

    def exceeded(self, name: str) -> BadInput:
        """What is said where it takes more."""
        return BadInput(
            f"Reading {name!r} took over {self.memory >> 20:,} MB of memory or {self.seconds:.0f} seconds, the most "
            f"for a file of {self.size:,} bytes. Save it anew without what is not needed, or start from the terminal: "
            "askwise label FILE"
        )


# ── where the server is ─────────────────────────────────────────────────────────────────────


def described(path: Path, **how: Any) -> dict[str, Any]:
    """What a file holds: `uploads.describe`, elsewhere.

    Raises:
        BadInput: It cannot be read, or takes too much.
    """
    found: dict[str, Any]
    (found,) = _elsewhere("describe", path, how)
    return found


def loaded(path: Path, **options: Any) -> Pool:
    """`load_pool` of a file, elsewhere: the pool as a session that is opened again has it.

    Raises:
        BadInput: It cannot be read, or takes too much.
    """
    from askwise.core import Event
    from askwise.state import pool_from_log

    opened, *items = _elsewhere("load", path, options)
    pool = pool_from_log(opened, [Event("items", data) for data in items])
    if pool is None:
        raise BadInput(f"{path.name!r} holds no items to label.")
    pool.sets = opened["sets"]
    pool.notes = [Sentence(note) for note in opened["notes"]]
    return pool


def given(path: Path, **options: Any) -> Given:
    """`checking.given.given` of a file, elsewhere.

    Raises:
        BadInput: It cannot be read, takes too much, or the columns do not fit.
    """
    from askwise.checking.given import Given

    (found,) = _elsewhere("given", path, options)
    return Given(**found)


def _elsewhere(verb: str, path: Path, options: dict[str, Any]) -> list[Any]:
    """What the process says, one JSON value after the other; nothing of it is ever unpickled."""
    allowed = Allowed(path)
    request = {
        "verb": verb, "path": str(path), "options": options, "memory": allowed.memory, "seconds": allowed.seconds,
        "reply": allowed.reply,
    }  # fmt: skip
    with _turn:
        reader = _take()
        code, said = reader.ask(request, STARTING + allowed.seconds)
        get_ready()
    if code == FAILED:
        failed = json.loads(said[0])
        kind = getattr(core, failed["error"])
        raise kind(failed["says"])
    if code != 0:
        raise allowed.exceeded(path.name)
    return [json.loads(line) for line in said]


class _Reader:
    """A process that reads one file; it loads what it needs, then waits for a while to be told which."""

    def __init__(self) -> None:
        few = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
        self._reply = tempfile.TemporaryFile(prefix="askwise-")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN],
            stdin=subprocess.PIPE,
            stdout=self._reply,
            stderr=subprocess.DEVNULL,  # a library's last words, where it is out of memory
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            env=os.environ | few | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
        stdin = cast("IO[bytes]", self._process.stdin)
        stdin.write(json.dumps(sys.path).encode() + b"\n")  # before what lies on that path
        stdin.flush()

    def waits(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[int, list[bytes]]:
        """(how it ended, the lines that it said)."""
        try:
            self._process.communicate(json.dumps(request).encode() + b"\n", timeout=seconds)
            self._reply.seek(0)
            return self._process.returncode, self._reply.readlines()
        except (subprocess.TimeoutExpired, BrokenPipeError):
            return -1, []
        finally:
            self.close()

    def close(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()
        self._process.communicate()
        self._reply.close()


_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from askwise.app import reading; reading.wait_for_a_file()"
)
_spare: list[_Reader] = []
_lock = threading.Lock()


def get_ready() -> None:
    """Let a process load what it will need: whoever looks at the page will soon send a file, or choose columns."""
    with _lock:
        _spare[:] = [reader for reader in _spare if reader.waits() or reader.close()]  # type: ignore[func-returns-value]
        if not _spare:
            _spare.append(_Reader())


def _take() -> _Reader:
    with _lock:
        while _spare:
            reader = _spare.pop()
            if reader.waits():
                return reader
            reader.close()
    return _Reader()


@atexit.register
def stop() -> None:
    """End the process that waits."""
    with _lock:
        while _spare:
            _spare.pop().close()


# ── where the file is read ──────────────────────────────────────────────────────────────────

FAILED = 3
"""How the process ends that says why the file cannot be used."""


def wait_for_a_file() -> None:
    """Load what readers need, wait for a request on standard input, answer it on standard output, then end."""
    from askwise import pool, state  # noqa: F401
    from askwise.app import uploads  # noqa: F401

    for library in LIBRARIES:
        with contextlib.suppress(ImportError):  # its reader says that it is missing
            importlib.import_module(library)
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process whatever it is at
        signal.setitimer(signal.ITIMER_REAL, WAITING)
    line = sys.stdin.buffer.readline()
    os._exit(_answer(json.loads(line)) if line else 0)  # at once: taking large things down takes time


def _answer(request: dict[str, Any]) -> int:
    """Answer a request; how the process is to end."""
    verbs: dict[str, Callable[..., Iterator[Any]]] = {"describe": _describe, "load": _load, "given": _given}
    out = sys.stdout.buffer
    if request["path"].lower().endswith(".spacy") or request["options"].get("format") == "spacy":
        with contextlib.suppress(ImportError):  # as `LIBRARIES`, but too large to be loaded for every file
            importlib.import_module("spacy.tokens")
    if request["verb"] == "given":
        importlib.import_module("askwise.checking.given")
    try:
        _limit(request["memory"], request["seconds"], request["reply"])
        for value in verbs[request["verb"]](Path(request["path"]), **request["options"]):
            out.write(json.dumps(value, default=str).encode() + b"\n")
        out.flush()
    except core.AskwiseError as error:
        kind = type(error).__name__ if hasattr(core, type(error).__name__) else "BadInput"
        out.seek(0)
        out.truncate()
        out.write(json.dumps({"error": kind, "says": error.marked}).encode())
        out.flush()
        return FAILED
    except (MemoryError, RecursionError, OSError):
        return 1
    return 0


def _limit(memory: int, seconds: float, reply: int) -> None:
    """From now on: so much more memory, so many seconds, so much to say, and no other process."""
    if sys.platform == "win32":
        threading.Timer(seconds, os._exit, (1,)).start()
        return
    import resource

    signal.setitimer(signal.ITIMER_REAL, seconds)
    _lower(resource.RLIMIT_CPU, int(seconds) + 1)
    _lower(resource.RLIMIT_FSIZE, reply)
    _lower(resource.RLIMIT_CORE, 0)
    statm = Path("/proc/self/statm")
    if statm.exists():  # elsewhere a process cannot tell, or hold itself to it
        _lower(resource.RLIMIT_AS, int(statm.read_text().split()[0]) * resource.getpagesize() + memory)
    os.nice(5)


def _lower(what: int, most: int) -> None:
    import resource

    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


LONGEST_NAME = 500
"""Characters of a column's name: more would be refused when it is chosen."""


def _describe(path: Path, **how: Any) -> Iterator[Any]:
    from askwise.app import uploads

    uploads.check_upload(path)
    found = uploads.describe(path, **how)
    name = max((column["name"] for column in found["columns"]), key=len, default="")
    if len(name) > LONGEST_NAME:
        raise BadInput(
            f"{path.name!r} has a column whose name is {len(name):,} characters long ({name[:40]!r} …); "
            f"{LONGEST_NAME} are the most. Is its first line a header?"
        )
    yield found


def _load(path: Path, **options: Any) -> Iterator[Any]:
    """A pool as the beginning of a session's log has it."""
    from askwise.pool import load_pool
    from askwise.state import pool_events

    pool = load_pool(path, **options)
    yield {
        "kind": pool.kind, "n": len(pool), "pool": pool.address, "given": pool.given, "sets": pool.sets,
        "notes": [marked(note) for note in pool.notes],
        "problems": [[p.row, p.line, p.what] for p in pool.problems], "fingerprint": pool.fingerprint,
    }  # fmt: skip
    for event in pool_events(pool):
        yield event.data


def _given(path: Path, **options: Any) -> Iterator[Any]:
    """Rows with labels as a check begins with them."""
    from dataclasses import asdict

    from askwise.checking.given import given

    yield asdict(given(path, **options))
