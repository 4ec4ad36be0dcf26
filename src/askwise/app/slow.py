"""Connections that dawdle or are too many: each step of a request has a time limit, and newcomers find room."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEAD = 15.0
"""Seconds within which the head of a request is whole, counted from the connection or from its first byte."""
BODY = 30.0
"""Seconds that a body may take …"""
RATE = 4_000
"""… and one more for each so many bytes of it that have come."""
REPLY = 60.0
"""Seconds for which a reader may leave a reply standing: about 50 kB must be taken off in that time."""
IDLE = 5
"""Seconds for which a connection without a request is kept."""
TICK = 1.0
"""Seconds between two looks at a connection."""
LINGER = 2.0
"""Seconds for which somebody who was answered before the request was whole may go on sending, and then read."""
SPARE = 64
"""Files that the rest of the process may open beside connections: sessions, models, exports; a quarter where the limit
is low."""
COUNTING = 30.0
"""Seconds for which open files are counted with every newcomer, after they had become many."""
REST = 1.0
"""Seconds without a newcomer, when no file can be opened and no connection is idle; as asyncio has it."""
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NOISE = ("Invalid HTTP request received.", "Unsupported upgrade request.", "No supported WebSocket library")
log = logging.getLogger("askwise.app")


class Lingering:
    """A transport whose `close` lets the other side read what it was told.

    A socket that is closed while bytes wait in it unread resets its connection, and the reset overtakes the reply: who
    sent too much would see a dead line instead of the sentence that says so. So no more is written, what still comes
    is thrown away for `LINGER` seconds, and then the line is cut.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool]) -> None:
        self._transport, self._unread = transport, unread
        self.lingers = False

    def close(self) -> None:
        """End the connection, at once where the whole request was read."""
        if self.is_closing():
            return
        if not self._unread():
            self._transport.close()
            return
        self.lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def is_closing(self) -> bool:
        """Whether nothing more is to be written."""
        return self.lingers or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Patient(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to half-sent requests, bodies that drip, and replies nobody reads.

    uvicorn's own limits do not begin before a request's head is whole.
    """

    waiting: dict[Patient, None] = {}  # noqa: RUF012 - of all listeners of the process: they share its files
    """Connections that no request is being answered on, those that have waited longest first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count."""
        self._line = Lingering(transport, lambda: self.conn.their_state in (h11.ERROR, h11.SEND_BODY))
        super().connection_made(self._line)  # type: ignore[arg-type]
        self._since = time.monotonic()  # of the step that it is in
        self._step = "head"
        self._got = 0
        self.waiting[self] = None
        self._timer = self.loop.call_later(TICK, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End of counting."""
        self._timer.cancel()
        self.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes in."""
        if self._line.lingers:
            return
        if self._step == "idle":
            self._begin("head")
        self._got += len(data)
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """A reply is out: the next request may come."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._follow()

    def _follow(self) -> None:
        step = self._now_in()
        if step != self._step and not (step == "idle" and self._step == "head"):
            self._begin(step)

    def _begin(self, step: str) -> None:
        self._step, self._since, self._got = step, time.monotonic(), 0
        if step in ("head", "idle"):
            self.waiting[self] = None
        else:
            self.waiting.pop(self, None)

    def _now_in(self) -> str:
        """`idle` while no head is whole, `body` while one is coming in, `reply` while it is answered."""
        if self.cycle is None or self.cycle.response_complete:
            return "idle"
        return "body" if self.conn.their_state is h11.SEND_BODY else "reply"

    def _look(self) -> None:
        """See, once in a while, whether the step takes too long."""
        if self.transport.is_closing():
            return
        self._follow()
        now = time.monotonic()
        stands = self._step == "reply" and not self.flow.write_paused
        if stands or (self._step == "body" and self.flow.read_paused):  # it is ours to do something
            self._since = now
        allowed = {"head": HEAD, "idle": HEAD, "body": BODY + self._got / RATE, "reply": REPLY}[self._step]
        if now - self._since > allowed:
            self.transport.abort()
            return
        self._timer = self.loop.call_later(TICK, self._look)

    @classmethod
    def make_room(cls) -> bool:
        """End the connection that has waited longest without a request; False where there is none."""
        if not cls.waiting:
            return False
        oldest = next(iter(cls.waiting))
        del cls.waiting[oldest]
        oldest.transport.abort()
        return True


class Door(socket.socket):
    """A listening socket that leaves the process some files to open, and rests when there are none left.

    A process that may open 256 files would else answer 256 idle connections and then fail at everything: the files of
    a session, the pipes to the process that trains, and `accept` itself, which asyncio repeats and logs without end.
    """

    make_room: Callable[[], bool] = staticmethod(Patient.make_room)
    _rests = _tight = 0.0
    _once = False

    def accept(self) -> tuple[socket.socket, Any]:
        """As a socket does; BlockingIOError where nobody is to be let in at this moment."""
        if self._once or time.monotonic() < self._rests:
            self._once = False
            raise BlockingIOError
        try:
            taken, address = super().accept()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            if not self.make_room():
                self._rests = time.monotonic() + REST / 2
                raise  # asyncio comes again after a second
            raise BlockingIOError from None  # the room is there when the loop has gone round
        if self._many(taken.fileno()):
            self._once = True  # what is ended here is closed when the loop has gone round, not before
            if not self.make_room():
                taken.close()
                raise BlockingIOError
        return taken, address

    def _many(self, newest: int) -> bool:
        """Whether so many files are open in the whole process that the rest of it needs what is left."""
        limit, now = most_open() - spare(), time.monotonic()
        # The number of a new file is the lowest that is free, so a high one says that all below are taken. Once
        # some were ended, low ones are free again and say nothing: for a while they are counted.
        if newest >= limit:
            self._tight = now + COUNTING
        if now >= self._tight:
            return False
        try:
            return sum(1 for _ in Path("/dev/fd").iterdir()) > limit
        except OSError:  # no such list here, or no file left to read it with
            return True


def most_open() -> int:
    """Files that this process may have open."""
    try:
        import resource
    except ImportError:  # Windows, where sockets are no files and are not counted so
        return 1 << 30
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def spare() -> int:
    """Files that connections leave to the rest of the process."""
    return min(SPARE, most_open() // 4)


class Quiet:
    """Says each trouble of the network once a minute: strangers decide how often it happens.

    Used as a filter of uvicorn's log and as the loop's handler of errors.
    """

    def __init__(self, every: float = 60.0) -> None:
        self.every = every
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is to be written."""
        text = record.getMessage()
        noise = next((one for one in _NOISE if text.startswith(one)), None)
        return noise is None or self._due(noise)

    def handle(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Of the loop's errors, those of `accept` are said in one line."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _FULL:
            if self._due("accept"):
                log.warning("No more connections can be taken: %s. Raise `ulimit -n`, or find who opens them.", error)
            return
        loop.default_exception_handler(dict(context))

    def _due(self, what: str) -> bool:
        now = time.monotonic()
        if now < self._said.get(what, -self.every) + self.every:
            return False
        self._said[what] = now
        return True
