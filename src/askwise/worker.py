"""A background thread that refreshes while people go on answering."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from askwise.core import Unreachable

PAUSE = 5.0
"""Seconds after which the worker looks by itself, for answers that came in through another process."""
LONGEST_PAUSE = 300.0
"""After an error it rests `PAUSE` seconds, after the next twice as long, and so on up to this."""
REST, MOST_REST = 3.0, 0.5
"""After a refresh it rests so many times as long as that took, and so many seconds at most: people answer meanwhile."""


class Worker:
    """Calls `refresh` whenever it is nudged, until stopped.

    While the store does not answer, it tries again every `PAUSE` seconds. After any other error it tries again, too, at
    growing distance: a learner may fail on these labels and not on the next, a machine may be out of memory or files.

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
        """What keeps it from its work, to be shown; None again when it has worked. `stop` raises it."""
        self._failed = 0  # times in a row

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
        """Stop, after a refresh that is under way; raises what kept it from its work at the end, if something did."""
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
                    self.error, self._failed = None, 0
                except Unreachable as error:
                    self.error, mine = error, False
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a thread has nobody to raise to: it is shown by the app
                    self._fail(error)
                    continue
                with self._wake:
                    if worked:
                        rest = max(min(REST * (time.monotonic() - started), MOST_REST), self._least_rest())
                        self._wake.wait_for(lambda: self._ending, rest)
                    elif not self._ending and not (mine and self._news()):
                        self._wake.wait(PAUSE)
        finally:
            self._step_down()

    def _fail(self, error: Exception | SystemExit) -> None:
        """Keep the error to be shown, and rest, whatever comes in meanwhile."""
        self.error = error if isinstance(error, Exception) else RuntimeError(f"The learner ended with {error!r}.")
        self._failed += 1
        with self._wake:
            self._wake.wait_for(lambda: self._ending, min(PAUSE * 2 ** min(self._failed - 1, 20), LONGEST_PAUSE))
