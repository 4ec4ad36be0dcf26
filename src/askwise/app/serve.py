"""Runs the labeling page on this machine."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from askwise.app.server import create_app
from askwise.core import BadInput

if TYPE_CHECKING:
    from askwise.session import Session

PORT = 8321
"""Tried first, so that the browser finds its settings again; any free port will do."""


class _Server(uvicorn.Server):
    """Calls back once when it answers."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # A browser may take seconds to come up; the server does not wait for it.
            threading.Thread(target=self.ready, daemon=True).start()


def serve(
    session: Session,
    *,
    guidelines: str = "",
    port: int | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None],
    token: str | None = None,
) -> None:
    """Serve the labeling page until Ctrl+C or SIGTERM; the session's worker runs meanwhile.

    Args:
        session: An open session; it is left open.
        guidelines: See `create_app`.
        port: A port of the loopback; None takes 8321, or any free one.
        open_browser: Open the page in the person's browser.
        announce: Called once with the address, token included, when the page can be opened.
        token: The page's secret; None makes one.

    Raises:
        BadInput: If the given port is taken or not allowed.
    """
    token = token or secrets.token_urlsafe(24)
    listener = _listen(port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}"
    config = uvicorn.Config(
        create_app(session, token=token, guidelines=guidelines),
        access_log=False,  # it would write the token
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)

    def ready() -> None:
        announce(url)
        if open_browser:
            webbrowser.open(url)

    server.ready = ready
    # uvicorn finishes open requests on SIGTERM, then raises the signal again: it must end as Ctrl+C does, so that the
    # caller can close its files.
    before = signal.signal(signal.SIGTERM, _interrupt) if _in_main_thread() else None
    session.release()  # what an earlier server had dealt is in nobody's hands
    session.start()
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # the way out of this program
    finally:
        session.stop()
        listener.close()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _listen(port: int | None) -> socket.socket:
    """A listening place on the loopback."""
    for candidate in (PORT, 0) if port is None else (port,):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except (OSError, OverflowError) as error:
            listener.close()
            if port is not None:
                message = f"Port {port} cannot be used: {error}. Give another port, or none to take any free one."
                raise BadInput(message) from error
        else:
            return listener
    raise BadInput("No port of 127.0.0.1 is free. Close a program that listens, then try again.")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
