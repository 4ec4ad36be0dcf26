"""Notices to the person at the terminal, on standard error so that piped output stays clean."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


def say(message: str) -> None:
    """Print one line."""
    from rich.console import Console

    Console(stderr=True).print(f"askwise: {message}", highlight=False, markup=False, soft_wrap=True)


@contextlib.contextmanager
def progress(title: str, total: int, *, file_size: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; gives the function that advances it.

    Args:
        title: What goes on.
        total: Steps, or bytes where `file_size`; 0 = not known.
        file_size: Show sizes instead of counts.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    amount = DownloadColumn() if file_size else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total or None)
        yield lambda steps: bar.advance(task, steps)
