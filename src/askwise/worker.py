"""A background thread that refreshes while people go on answering."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from askwise.core import Unreachable

PAUSE = 5.0
"""Seconds after which the worker looks by itself, for answers that came in through another process."""
REST, MOST_REST = 3.0, 0.5
"""After a refresh it rests so many times as long as that took, and so many seconds at most: people answer meanwhile."""


class Worker:
    """Calls `refresh` whenever it is nudged, until stopped.

    While the store does not answer, it tries again every `PAUSE` seconds; any other error ends it.

    Args:
        refresh: Does the work; returns whether there was any.
        news: Whether there is work to do.
        lead: Looks for what other processes did; whether the work is for this one of them.
        step_down: Called at the end, so that another process may lead.
        least_rest: Seconds to rest at least after a refresh, whatever it took.
    """

    def __init__(
        self,
        refresh: Callable[[], bool],
        news: Callable[[], bool],
        lead: Callable[[], bool] = lambda: True,
        step_down: Callable[[], None] = lambda: None,
        *,
        least_rest: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._refresh = refresh
        self._news = news
        self._lead = lead
        self._step_down = step_down
        self._least_rest = least_rest
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False
        self.error: Exception | None = None
        """What stopped it or keeps it waiting, to be shown; `stop` raises it."""

    def start(self) -> None:
        """Start; a second call does nothing."""
        with self._wake:
            if self._thread is None:
                self._ending = False
                self._thread = threading.Thread(target=self._run, name="askwise-refresh", daemon=True)
                self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._thread is not None

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
                mine = worked = False
                started = time.monotonic()
                try:
                    mine = self._lead()
                    worked = mine and self._refresh()
                    self.error = None
                except Unreachable as error:
                    self.error, mine = error, False
                with self._wake:
                    if worked:
                        rest = max(min(REST * (time.monotonic() - started), MOST_REST), self._least_rest())
                        self._wake.wait_for(lambda: self._ending, rest)
                    elif not self._ending and not (mine and self._news()):
                        self._wake.wait(PAUSE)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to: shown by the app, raised by stop()
            self.error = error
        finally:
            self._step_down()
