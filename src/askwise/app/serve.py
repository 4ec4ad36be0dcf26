"""Runs the labeling page: for one person on this machine, or for a team."""

from __future__ import annotations

import asyncio
import html
import logging
import secrets
import signal
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from askwise.app import headers, slow
from askwise.app.guard import Codes
from askwise.app.names import project_names
from askwise.app.server import create_app
from askwise.core import BadInput, MissingExtra
from askwise.notices import say

if TYPE_CHECKING:
    from fastapi import FastAPI

    from askwise.app.shelf import Shelf
    from askwise.checking import LabelCheck
    from askwise.plugins import Offered
    from askwise.session import Session

PORT = 8321
"""Tried first, so that the browser finds its settings again; any free port will do."""


BACKLOG = 2048
"""Connections that wait to be taken, as uvicorn has it."""
ACCOUNTS = "askwise-team.sqlite"
"""The file of a team's accounts, beside its sessions."""


DOORSTEP = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Askwise</title>
<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url={at}">
<p>This page leads to <a href="{at}">Askwise</a>, once.</p></html>
"""


class _Server(uvicorn.Server):
    """Calls back once when it answers."""

    ready: Callable[[], None] | None = None
    quiet: slow.Quiet

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self.quiet.handle)
        await super().startup(sockets)
        if self.started and self.ready is not None:
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
    codes: Codes | None = None,
) -> None:
    """Serve the labeling page until Ctrl+C or SIGTERM; the session's worker runs meanwhile.

    Args:
        session: An open session; it is left open.
        guidelines: See `create_app`.
        port: A port of the loopback; None takes 8321, or any free one.
        open_browser: Open the page in the person's browser.
        announce: Called once with the address, token included, when the page can be opened.
        token: The page's secret; None makes one.
        codes: What an earlier page at this port has given out.

    Raises:
        BadInput: If the given port is taken or not allowed.
    """
    token, codes = token or secrets.token_urlsafe(24), codes or Codes()
    listener = _listen("127.0.0.1", port)
    with ExitStack() as after:
        after.callback(listener.close)
        ready = partial(show, listener, token, codes, announce, after if open_browser else None)
        session.release()  # what an earlier server had dealt is in nobody's hands
        session.start(apart=True)
        after.callback(_stop, session)
        _run(create_app(session, token=token, guidelines=guidelines, codes=codes), listener, ready)


def serve_new(
    folder: Path,
    *,
    port: int | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None],
    token: str | None = None,
) -> tuple[Session | LabelCheck, Path] | None:
    """Serve the page that makes a project out of a file, then its labeling page, until Ctrl+C or SIGTERM.

    Args:
        folder: Where the project is put, in a folder of its own.
        port: See `serve`.
        open_browser: See `serve`.
        announce: See `serve`.
        token: See `serve`.

    Returns:
        The session that was made, or the check of labels that exist already, left open, and its file; None where none
        was made.
    """
    from askwise.app.projects import Intake, create_new
    from askwise.checking import LabelCheck

    token = token or secrets.token_urlsafe(24)
    listener = _listen("127.0.0.1", port)
    made: list[tuple[Session | LabelCheck, Path]] = []
    with ExitStack() as after:
        after.callback(listener.close)
        codes = Codes()
        ready = partial(show, listener, token, codes, announce, after if open_browser else None)
        intake = Intake(folder)
        after.callback(intake.forget_all)

        def started(one: Session | LabelCheck, path: Path) -> None:
            made.append((one, path))
            if not isinstance(one, LabelCheck):
                one.start(apart=True)
                after.callback(_stop, one)

        _run(create_new(intake, token=token, started=started, codes=codes), listener, ready)
    return made[0] if made else None


def show(
    listener: socket.socket, token: str, codes: Codes, announce: Callable[[str], None], until: ExitStack | None
) -> None:
    """Say where the page is; open it too, if a file may lie there `until` the end.

    Everybody on the machine may read the command line of a browser, so it is given a file that only its owner may
    read, which leads on with a code that works once.
    """
    at = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    announce(f"{at}?token={token}")
    if until is None:
        return
    folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="askwise-", ignore_cleanup_errors=True)))
    file = folder / "open.html"
    file.touch(mode=0o600)
    file.write_text(DOORSTEP.format(at=html.escape(f"{at}?code={codes.make()}")), encoding="utf-8")
    webbrowser.open(file.as_uri())


def serve_team(
    sessions: Mapping[str, Session],
    *,
    accounts: Path | str,
    folder: Path | None = None,
    shelf: Shelf | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    public_url: str | None = None,
    private_webhooks: bool = False,
    guidelines: str = "",
    announce: Callable[[str, str | None], None],
) -> None:
    """Serve several sessions to people with accounts until Ctrl+C or SIGTERM; workers and webhooks run meanwhile.

    Args:
        sessions: Name in the address → open session; they are left open.
        accounts: Database of the accounts: a SQLite file, or `postgresql://…`.
        folder: Where owners may put new projects; None = they cannot, unless there is a shelf.
        shelf: The database where they may; what other processes begin there is served, too.
        host: Address to listen at.
        port: None takes 8321, or any free one.
        public_url: Where people reach it, such as `https://label.example.org`; needed off the loopback.
        private_webhooks: Let webhooks call this machine and its network.
        guidelines: See `create_app`.
        announce: Called once, when the pages can be opened, with the address and, where the team has no owner yet,
            with the link that makes one.

    Raises:
        BadInput: The place to listen at cannot be used, or the public address is missing or none.
        BadStore: The accounts cannot be opened.
        MissingExtra: What a team needs is not installed.
    """
    try:
        from askwise.app.accounts import Accounts
        from askwise.app.auth import origin_of
        from askwise.app.hooks import Webhooks
        from askwise.app.project import Project
        from askwise.app.projects import Intake
        from askwise.app.team import Team, create_team_app
    except ModuleNotFoundError as error:
        raise MissingExtra(f"A team's server needs {error.name}. Install: pip install 'askwise[team]'") from error
    if host not in ("127.0.0.1", "localhost", "::1") and public_url is None:
        raise BadInput(
            f"To be reached at {host}, the server must know its name: give --public-url, such as "
            "https://label.example.org; see docs/team.md."
        )
    origin = origin_of(public_url)
    with ExitStack() as after:
        listener = _listen(host, port)
        after.callback(listener.close)
        people = Accounts(accounts)
        after.callback(people.close)
        hooks = Webhooks(people.engine, private=private_webhooks)
        projects = {name: Project(session, guidelines=guidelines, team=True) for name, session in sessions.items()}
        if shelf is not None:  # uploads lie here until they are in the database
            folder = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="askwise-uploads-")))
        intake = None if folder is None else Intake(folder, shelf=shelf)
        if intake:
            after.callback(intake.forget_all)
        team = Team(people, hooks, projects, public_url=public_url, intake=intake)
        after.callback(team.close)
        app = create_team_app(team)

        def close_new() -> None:
            for name in projects.keys() - sessions.keys():
                projects[name].session.close()

        after.callback(close_new)
        first = people.first_owner()
        shown = f"[{host}]" if ":" in host else host
        url = origin or f"http://{shown}:{listener.getsockname()[1]}"
        for session in sessions.values():
            session.start(apart=True)
            after.callback(_stop, session)
        hooks.start(projects)
        after.callback(hooks.stop)
        if shelf is not None:
            shelf.start(lambda name, session: team.begin(session, Path(name), guidelines))
            after.callback(shelf.stop)
        _run(app, listener, lambda: announce(f"{url}/", f"{url}/join#{first}" if first else None))


def open_team(
    sources: Sequence[str], store: str | None, parts: Mapping[str, Offered] = MappingProxyType({})
) -> tuple[dict[str, Session], Path | str, Path | None, Shelf | None]:
    """Open the sessions of a team.

    Args:
        sources: Session files and folders of them; with a store the names of its sessions, none = all.
        store: `postgresql://USER@HOST/DATABASE`, or None.
        parts: "learner", "encoder", "strategy" → those by `module:object` that a session may be opened with.

    Returns:
        The open sessions by their name in the address; the database of the accounts, which lies beside them; the
        folder for new projects, or the shelf, where they are in a database.

    Raises:
        BadInput: There is no session, or two would have the same name.
        BadStore: One cannot be opened.
    """
    from askwise.app import shelf as shelves
    from askwise.session import Session
    from askwise.store.postgres import Address, PostgresStore

    places: list[Path | Address]
    accounts: Path | str
    folder: Path | None
    shelf: Shelf | None = None
    if store is not None:
        if "#" in store:
            raise BadInput("--store names a database, without #; sessions are named before it: serve NAME --store URL.")
        with closing(PostgresStore(f"{store}#accounts")) as database:
            places = [Address.of(f"{store}#{name}") for name in sources or database.sessions()]
        stored = [p.session for p in places if isinstance(p, Address)]
        names = project_names(stored)
        folder, accounts = None, store
        shelf = shelves.Shelf(store, lambda name: project_names([name])[0], stored, whole=not sources, parts=parts)
    else:
        files = [file for source in sources for file in _sessions_in(Path(source))]
        folder = next((path if path.is_dir() else path.absolute().parent for path in map(Path, sources)), Path())
        places, names = list(files), project_names([p.stem for p in files])
        accounts = folder / ACCOUNTS
    if not places and store is None and not any(Path(source).is_dir() for source in sources):
        raise BadInput("There is no session here to serve. Start one first: askwise label FILE --labels a,b")
    opened: dict[str, Session] = {}
    try:
        for name, place in zip(names, places, strict=True):
            opened[name] = Session.open(place, **parts)
    except BaseException:
        for session in opened.values():
            session.close()
        raise
    return opened, accounts, folder, shelf


def _sessions_in(source: Path) -> list[Path]:
    """A session file itself; those of a folder, also in the folders that the browser made for new projects."""
    from askwise.store import is_session_file

    if not source.is_dir():
        return [source]
    return sorted(path for path in (*source.iterdir(), *source.glob("*/*.askwise")) if is_session_file(path))


def _stop(session: Session) -> None:
    """End the learning; what kept it from its work stood on the page, and is no reason to end with a traceback."""
    try:
        session.stop()
    except Exception as error:  # noqa: BLE001 - whatever a learner raised
        say(f"the model has not learned from the last answers, which are saved: {type(error).__name__}: {error}")


def _run(app: FastAPI, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests until Ctrl+C or SIGTERM."""
    server = quiet_server(app)
    server.ready = ready
    lines = logging.getLogger("uvicorn.error")
    lines.addFilter(server.quiet)
    # uvicorn finishes open requests on SIGTERM, then raises the signal again: it must end as Ctrl+C does, so that the
    # caller can close its files.
    before = signal.signal(signal.SIGTERM, _interrupt) if _in_main_thread() else None
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # the way out of this program
    finally:
        lines.removeFilter(server.quiet)
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def quiet_server(app: FastAPI) -> _Server:
    """A server that writes no log of requests."""
    config = uvicorn.Config(
        app,
        access_log=False,  # it would write the token
        log_level="warning",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=3,
        http=headers.Roomy,
        h11_max_incomplete_event_size=headers.MOST_HEADERS,
        ws="none",
        loop="asyncio",  # another one would accept connections past the door
        timeout_keep_alive=slow.IDLE,
    )
    server = _Server(config)
    server.quiet = slow.Quiet()
    return server


def _listen(host: str, port: int | None) -> socket.socket:
    """A place to listen at."""
    for candidate in (PORT, 0) if port is None else (port,):
        listener = slow.Door(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(BACKLOG)  # now: two servers may bind the same port as long as neither listens
        except (OSError, OverflowError) as error:
            listener.close()
            if port is not None:
                message = f"Port {port} cannot be used: {error}. Give another port, or none to take any free one."
                raise BadInput(message) from error
        else:
            return listener
    raise BadInput(f"No port of {host} is free, or it is no address of this machine. Give another --host or --port.")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
