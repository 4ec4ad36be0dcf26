"""A background thread that refreshes while people go on answering."""

from __future__ import annotations

import threading
from collections.abc import Callable

PAUSE = 5.0
"""Seconds after which the worker looks by itself, for answers that came in through another process."""


class Worker:
    """Calls `refresh` whenever it is nudged, until stopped.

    Args:
        refresh: Does the work; returns whether there was any.
        news: Whether there is work to do.
    """

    def __init__(self, refresh: Callable[[], bool], news: Callable[[], bool]) -> None:
        self._refresh = refresh
        self._news = news
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False
        self.error: Exception | None = None
        """What stopped it, to be shown; `stop` raises it."""

    def start(self) -> None:
        """Start; a second call does nothing."""
        with self._wake:
            if self._thread is None:
                self._ending = False
                self._thread = threading.Thread(target=self._run, name="askwise-refresh", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop, after a refresh that is under way; raises what had stopped it before, if something did."""
        with self._wake:
            thread, self._thread = self._thread, None
            self._ending = True
            self._wake.notify_all()
        if thread is not None:
            thread.join()
        error, self.error = self.error, None
        if error is not None:
            raise error

    def nudge(self) -> None:
        """There may be news."""
        with self._wake:
            self._wake.notify_all()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._ending:
                if not self._refresh():
                    with self._wake:
                        if not self._ending and not self._news():
                            self._wake.wait(PAUSE)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to: shown by the app, raised by stop()
            self.error = error
