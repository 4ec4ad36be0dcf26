"""What is said while long work runs: lines, and how far it is; to the terminal, to a page, or to another process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

QUIET = 2.0
"""Seconds of work of which nothing is said."""
LINE_EVERY = 15.0
"""Seconds between two lines where there is no terminal to draw a bar on."""
TELL_EVERY = 0.2
"""Seconds between two notes on one piece of work."""


@dataclass(frozen=True)
class Work:
    """How far a piece of work is."""

    title: str
    done: int
    total: int
    """0 = not known."""
    seconds: float
    """Since it began."""
    ended: bool = False
    bytes: bool = False
    """Whether `done` and `total` are bytes."""

    @property
    def rate(self) -> float | None:
        """Steps a second; None where it cannot be told."""
        return self.done / self.seconds if self.done and self.seconds > 1e-6 else None

    @property
    def left(self) -> float | None:
        """Seconds still to go at this rate; None where it cannot be told."""
        if not self.total or self.rate is None or (self.seconds < QUIET / 2 and not self.ended):
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    @property
    def sentence(self) -> str:
        """`encoding: 12,000 of 30,000, 410 a second, about 44 s left`."""
        if not self.total:
            return f"{self.title}: {_duration(self.seconds)} so far"
        size, total = (_size(self.done), _size(self.total)) if self.bytes else (f"{self.done:,}", f"{self.total:,}")
        said = f"{self.title}: {size} of {total}"
        if self.rate is not None:
            each = _size(self.rate) if self.bytes else f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.1f}"
            said += f", {each} a second"
        if self.left is not None and self.done < self.total:
            said += f", about {_duration(self.left)} left"
        return said


Follower = Callable[[Work], None]
_followers: list[Follower] = []
_running: list[dict[str, Any]] = []
"""Pieces of work under way in this process, innermost last."""
_lock = threading.Lock()
_quiet = False
_lines = False


def say(message: str) -> None:
    """Print one line."""
    from rich.console import Console

    Console(stderr=True).print(f"askwise: {message}", highlight=False, markup=False, soft_wrap=True)


def quiet(wanted: bool = True) -> None:
    """Whether the terminal hears nothing of work: where a page shows it, and in the process that learns."""
    global _quiet
    _quiet = wanted


def lines(wanted: bool = True) -> None:
    """Whether lines are written where no terminal is: the command line does, a program that uses us does not ask."""
    global _lines
    _lines = wanted


@contextlib.contextmanager
def following(follower: Follower) -> Iterator[None]:
    """Call a function with each note on work in this process, in the thread that works."""
    _followers.append(follower)
    try:
        yield
    finally:
        _followers.remove(follower)


def now() -> Work | None:
    """The innermost piece of work under way; None where there is none."""
    with _lock:
        return None if not _running else _work(_foremost())


def tell(work: Work) -> None:
    """Pass on a note on work that another process does for this one."""
    with _lock:
        entry = next((one for one in _running if one.get("there") == work.title), None)
        if entry is None and not work.ended:
            began = {"there": work.title, "began": time.monotonic() - work.seconds}
            entry = _entry(work.title, work.total, work.bytes) | began
            _running.append(entry)
        if entry is not None:
            entry["done"] = work.done
            if work.ended:
                _running.remove(entry)
    _pass_on(work)


@contextlib.contextmanager
def progress(
    title: str, total: int = 0, *, file_size: bool = False, whole: bool = False
) -> Iterator[Callable[[int], None]]:
    """A piece of work that may take long; gives the function that advances it.

    On a terminal it is a bar with rate and time left, elsewhere a line now and then; nothing in the first seconds.

    Args:
        title: What goes on.
        total: Steps, or bytes where `file_size`; 0 = not known.
        file_size: Show sizes instead of counts.
        whole: What goes on inside are small pieces of it, of which nothing is said.
    """
    entry = _entry(title, total, file_size) | {"whole": whole}
    with _lock:
        _running.append(entry)
    told = 0.0

    def advance(steps: int) -> None:
        nonlocal told
        entry["done"] += steps
        at = time.monotonic()
        if at - told >= TELL_EVERY:
            told = at
            _pass_on(_work(entry))

    with contextlib.ExitStack() as after:
        shown = after.enter_context(_Shown(entry))
        del shown
        try:
            _pass_on(_work(entry))
            yield advance
        finally:
            with _lock:
                _running.remove(entry)
            _pass_on(_work(entry, ended=True))


def each(title: str, items: Sequence[T]) -> Iterator[T]:
    """The items one by one, as work that advances with each."""
    with progress(title, len(items)) as advance:
        for item in items:
            yield item
            advance(1)


def _entry(title: str, total: int, file_size: bool) -> dict[str, Any]:
    return {"title": title, "total": total, "bytes": file_size, "done": 0, "began": time.monotonic()}


def _foremost() -> dict[str, Any]:
    """The piece that is shown, of those that run."""
    return next((one for one in _running if one.get("whole")), _running[-1])


def _work(entry: dict[str, Any], *, ended: bool = False) -> Work:
    spent = time.monotonic() - entry["began"]
    return Work(entry["title"], entry["done"], entry["total"], spent, ended, entry["bytes"])


def _pass_on(work: Work) -> None:
    for follower in _followers:
        follower(work)


class _Shown:
    """Shows a piece of work on the terminal from its third second on, until it ends."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry = entry
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> _Shown:
        if not _quiet:
            self._thread = threading.Thread(target=self._show, name="askwise-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self) -> None:
        if self._over.wait(QUIET) or not self._mine():
            return
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_terminal:
            self._bar(console)
            return
        while _lines:
            if self._mine():
                say(_work(self.entry).sentence)
            if self._over.wait(LINE_EVERY):
                return

    def _mine(self) -> bool:
        """Whether this is what is shown: of work within work the innermost, unless what is around it is whole."""
        with _lock:
            return bool(_running) and _foremost() is self.entry and not _quiet

    def _bar(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as bar:
            task = bar.add_task(_work(self.entry).sentence, total=self.entry["total"] or None)
            while not self._over.wait(0.2):
                said = _work(self.entry).sentence
                bar.update(task, completed=self.entry["done"], description=said, visible=self._mine())


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def _size(number: float) -> str:
    return f"{number / 1e6:,.1f} MB" if number < 1e9 else f"{number / 1e9:,.2f} GB"
