"""A small queue of its own for password hashes, which are slow and large on purpose."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")

WAITING = 64
"""Hashes that wait for their turn; with more a request is refused at once, to be sent again."""
FROM_ONE = WAITING // 2
"""Of these from one address: one stranger does not fill the queue."""
LATER = {"Retry-After": "3"}
BACK = 10
"""`nice` of the threads that hash: requests that wait for nothing but a moment of the processor come first."""


class PasswordQueue:
    """Runs what hashes a password, few at a time, outside the threads that answer all other requests.

    Args:
        threads: So many at a time; each takes 64 MiB.
        waiting: So many more may wait.
        from_one: Of all these from one address.
    """

    def __init__(self, threads: int | None = None, waiting: int = WAITING, from_one: int = FROM_ONE) -> None:
        self.most = (threads or max(1, min(2, (os.cpu_count() or 1) // 2))) + waiting
        self.from_one = from_one
        self._pool = ThreadPoolExecutor(self.most - waiting, "askwise-password", _stand_back)
        self._inside: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def run(self, address: str, work: Callable[..., T], *args: Any, **more: Any) -> T:
        """What `work` gives, once it is its turn.

        Args:
            address: Where the request comes from.
            work: Called in a thread of the queue.
            args: Its arguments.
            more: Those with names.

        Raises:
            HTTPException: 503, too many wait already.
        """
        with self._lock:
            if self._inside.total() >= self.most or self._inside[address] >= self.from_one:
                raise HTTPException(
                    503,
                    "Very many people are coming in at this moment. Try again in a few seconds.",
                    {"Retry-After": "3"},
                )
            self._inside[address] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **more))
        finally:
            with self._lock:
                self._inside[address] -= 1
                self._inside += Counter()  # forgets the addresses that nobody waits from

    def close(self) -> None:
        """Let what runs end, and drop what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _stand_back() -> None:
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACK)
