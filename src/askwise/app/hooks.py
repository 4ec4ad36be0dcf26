"""Webhooks: signed calls to addresses of the owner's when something happens, tried again until they arrive."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2 as httpx
import sqlalchemy as sa

from askwise.app import schema
from askwise.app.auth import only_public
from askwise.app.schema import writing
from askwise.core import AskwiseError, BadInput

if TYPE_CHECKING:
    from askwise.app.project import Project

PAUSES = (10, 40, 160, 640, 2_560, 10_240, 40_960)
"""Seconds before each further try: about 15 hours in all."""
KEPT = 30 * 86_400.0
"""Seconds for which a delivery can be looked up."""
DEADLINE = 15.0
"""Seconds for one call in all: to connect, to send, and until the reply's head is there, however it drips."""
CLAIM = 60.0
"""Seconds for which a call that one process makes is left alone by the others; more than the deadline."""
AT_ONCE = 16
"""Webhooks that are called at a time; none waits for another."""
IN_A_ROW = 10  # calls of one webhook, one after the other, before the queue is looked at again
MOST = 50
"""Webhooks of a team."""
log = logging.getLogger("askwise.app")


def signature(secret: str, body: bytes, at: int) -> str:
    """The header `Askwise-Signature`: `t=` Unix seconds, `v1=` HMAC-SHA256 of "t.body" as 64 hex digits."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def addresses_of(host: str, port: int) -> list[str]:
    """The IP addresses that a name stands for; [] if none."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


class Webhooks:
    """What is to be called, what happened, and what is still on its way.

    Args:
        engine: The team's database.
        private: Call addresses of this machine and its network too. Who may set a webhook could then reach what only
            this machine can.
        resolve: (host, port) → IP addresses.
        transport: Of the HTTP client; for tests.
        clock: Unix seconds.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        private: bool = False,
        resolve: Callable[[str, int], list[str]] = addresses_of,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.private = private
        self.clock = clock
        self._resolve = resolve
        self._transport = transport
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._busy: set[int] = set()  # webhooks that are being called
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    # ── what is called ──────────────────────────────────────────────────────────────────────

    def add(self, url: str, events: Sequence[str], step: int) -> dict[str, Any]:
        """Add an address; its record with the signing secret, which is never shown again.

        Raises:
            BadInput: The address cannot be called, or there are too many.
        """
        self._target(url)
        secret, now = "whsec_" + secrets.token_urlsafe(32), self.clock()
        kept = sorted(set(events))
        with writing(self.engine) as db:
            if db.execute(sa.select(sa.func.count()).select_from(schema.webhooks)).scalar_one() >= MOST:
                raise BadInput(f"There are {MOST} webhooks already. Delete one first.")
            values = {"url": url, "events": json.dumps(kept), "step": step, "secret": secret, "created": now}
            made = db.execute(schema.webhooks.insert().values(**values))
            number = int(made.inserted_primary_key[0])  # type: ignore[index]
        return {"number": number, "url": url, "events": kept, "step": step, "created": now, "secret": secret}

    def all(self) -> list[dict[str, Any]]:
        """Every webhook, without its secret."""
        w = schema.webhooks
        with self.engine.begin() as db:
            found = db.execute(sa.select(w.c.number, w.c.url, w.c.events, w.c.step, w.c.created).order_by(w.c.number))
            return [dict(one._mapping) | {"events": json.loads(one.events)} for one in found]

    def remove(self, number: int) -> bool:
        """Delete a webhook with its deliveries; False if there is none such."""
        with writing(self.engine) as db:
            return db.execute(schema.webhooks.delete().where(schema.webhooks.c.number == number)).rowcount == 1

    def deliveries(self, number: int) -> list[dict[str, Any]]:
        """The last hundred deliveries of a webhook, newest first."""
        d = schema.deliveries
        columns = [c for c in d.c if c.name not in ("body", "webhook")]
        with self.engine.begin() as db:
            found = db.execute(sa.select(*columns).where(d.c.webhook == number).order_by(d.c.number.desc()).limit(100))
            return [dict(one._mapping) for one in found]

    # ── what happened ───────────────────────────────────────────────────────────────────────

    def happened(self, event: str, project: str, data: Mapping[str, Any], *, only: int | None = None) -> int:
        """Queue the calls of an event; returns how many.

        Args:
            event: Its name.
            project: Where.
            data: What a receiver is told.
            only: Call this webhook, whatever events it wants.
        """
        now = self.clock()
        body = json.dumps(
            {"id": uuid.uuid4().hex, "event": event, "project": project, "at": now, "data": dict(data)},
            ensure_ascii=False,
        )
        wanting = [
            w["number"] for w in self.all() if (w["number"] == only if only is not None else event in w["events"])
        ]
        with writing(self.engine) as db:
            db.execute(schema.deliveries.delete().where(schema.deliveries.c.created < now - KEPT))
            for number in wanting:
                db.execute(
                    schema.deliveries.insert().values(
                        webhook=number,
                        project=project,
                        event=event,
                        body=body,
                        created=now,
                        due=now,
                        status="waiting",
                        tries=0,
                        trouble="",
                    )
                )
        return len(wanting)

    def look(self, name: str, project: Project) -> None:
        """See what has changed in a project since the last look, of whatever process, and queue the calls."""
        session = project.session
        counts, verdict = session.counts(), session.verdict()
        labeled = counts["labeled"]
        told = {"labeled": labeled, "items": counts["items"], "open": counts["open"]}
        if self._moved(name, "ready", str(verdict.ready)) == "False":
            self.happened("project.ready", name, told | {"reason": verdict.reason})
        if self._moved(name, "finished", str(counts["open"] == 0)) == "False":
            self.happened("project.finished", name, told)
        given = session.certificates()
        for standing, event in (("", "certificate.issued"), ("void", "certificate.void")):
            numbers = {c.attempt: c for c in given if bool(c.void) == bool(standing)}
            before = self._moved(name, event, json.dumps(sorted(numbers)))
            for number in set(numbers) - set(json.loads(before)) if before is not None else ():
                c = numbers[number]
                what = {"attempt": number, "sentence": c.sentence, "void": c.void, "items": c.certified}
                if event == "certificate.void" or number > self._highest(name):
                    self.happened(event, name, told | what)
        self._moved(name, "highest", str(max([c.attempt for c in given], default=0)))
        for hook in self.all():
            if "labels.step" in hook["events"]:
                steps = labeled // hook["step"]
                before = self._moved(name, f"labels/{hook['number']}", str(steps))
                if before is not None and int(before) < steps:
                    self.happened("labels.step", name, told | {"step": steps * hook["step"]}, only=hook["number"])

    def _highest(self, project: str) -> int:
        """The newest certificate that any look has seen: one that only stands again was not issued anew."""
        s = schema.seen
        with self.engine.begin() as db:
            query = sa.select(s.c.value).where(s.c.project == project, s.c.what == "highest")
            return int(db.execute(query).scalar() or 0)

    def _moved(self, project: str, what: str, value: str) -> str | None:
        """What was noted before, where this call is the one that changed it; None where nothing was to change."""
        s = schema.seen
        at = sa.and_(s.c.project == project, s.c.what == what)
        with self.engine.begin() as db:
            old = db.execute(sa.select(s.c.value).where(at)).scalar()
        if old == value:
            return None
        with writing(self.engine) as db:
            if old is None:  # the first look is what later ones are compared with
                if not db.execute(sa.select(s.c.value).where(at)).scalar():
                    db.execute(s.insert().values(project=project, what=what, value=value))
                return None
            changed = db.execute(s.update().where(at, s.c.value == old).values(value=value)).rowcount
        return str(old) if changed == 1 else None

    # ── what is on its way ──────────────────────────────────────────────────────────────────

    def send_due(self, *, wait: bool = True) -> int:
        """Make the calls that are due, each address on its own; returns how many were begun.

        Args:
            wait: Return when all are made; else at once, and an address that is still being called is left out.
        """
        with self._lock:
            room = AT_ONCE - len(self._busy)
            due = [hook for hook in self._due() if hook not in self._busy][:room]
            self._busy.update(due)
        tried: list[int] = []
        threads = [threading.Thread(target=self._drain, args=(hook, tried), daemon=True) for hook in due]
        for thread in threads:
            thread.start()
        for thread in threads if wait else ():
            thread.join()
        return sum(tried)

    def _due(self) -> list[int]:
        """Webhooks that have something to be told."""
        d = schema.deliveries
        with self.engine.begin() as db:
            found = db.execute(
                sa.select(d.c.webhook)
                .where(d.c.status == "waiting", d.c.due <= self.clock())
                .group_by(d.c.webhook)
                .order_by(sa.func.min(d.c.due))
            )
            return [int(number) for (number,) in found]

    def _drain(self, hook: int, tried: list[int]) -> None:
        """Make the calls of one webhook that are due, one after the other."""
        d, w = schema.deliveries, schema.webhooks
        try:
            with self.engine.begin() as db:
                due = db.execute(
                    sa.select(d, w.c.url, w.c.secret)
                    .join(w, w.c.number == d.c.webhook)
                    .where(d.c.webhook == hook, d.c.status == "waiting", d.c.due <= self.clock())
                    .order_by(d.c.due, d.c.number)
                    .limit(IN_A_ROW)
                ).all()
            for one in due:
                if self._stopped.is_set():
                    break
                tried.append(self._deliver(one))
        except (sa.exc.SQLAlchemyError, AskwiseError) as error:  # the database is away: the queue waits in it
            log.warning("Webhooks wait: %s", error)
        finally:
            with self._lock:
                self._busy.discard(hook)

    def _deliver(self, one: Any) -> bool:
        """Make one call, unless another process makes it."""
        d = schema.deliveries
        unchanged = (
            d.c.number == one.number,
            d.c.status == "waiting",
            d.c.tries == one.tries,
            d.c.due == one.due,
        )
        with writing(self.engine) as db:  # of several processes one makes the call
            if db.execute(d.update().where(*unchanged).values(due=self.clock() + CLAIM)).rowcount != 1:
                return False
        code, trouble = self._call(one.url, one.secret, one.event, one.number, one.body.encode())
        if code is None and self._stopped.is_set():
            return True  # broken off here, not by the receiver: it is tried again when the claim is over
        tries = one.tries + 1
        status, due_next = "waiting", self.clock()
        if code is not None and 200 <= code < 300:
            status, trouble = "delivered", ""
        elif tries > len(PAUSES):
            status = "failed"
        else:
            due_next += PAUSES[tries - 1]
        values = {"status": status, "tries": tries, "code": code, "trouble": trouble, "due": due_next}
        with writing(self.engine) as db:
            db.execute(d.update().where(d.c.number == one.number).values(**values))
        return True

    def _call(self, url: str, secret: str, event: str, number: int, body: bytes) -> tuple[int | None, str]:
        try:
            target, host = self._target(url)
        except BadInput as error:
            return None, str(error)
        headers = {
            "Host": urlsplit(url).netloc,
            "Content-Type": "application/json",
            "User-Agent": "askwise",
            "Askwise-Event": event,
            "Askwise-Delivery": str(number),
            "Askwise-Signature": signature(secret, body, int(self.clock())),
        }
        try:
            return asyncio.run(self._within_deadline(self._post(target, host, headers, body)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, f"{type(error).__name__}: {error}"[:300]

    async def _post(self, target: str, host: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        # No proxy of the surroundings, no redirects: what was checked is what is called.
        settings: dict[str, Any] = {"follow_redirects": False, "trust_env": False, "timeout": DEADLINE}
        if self._transport is not None:
            settings["transport"] = self._transport
        elif target.startswith("https:"):
            settings["verify"] = self._trusted()
        async with httpx.AsyncClient(**settings) as client:
            # The address that was checked is called, whatever the name stands for by now; the certificate is still
            # that of the name. The reply's text is not read.
            sent = client.stream("POST", target, content=body, headers=headers, extensions={"sni_hostname": host})
            async with sent as reply:
                return reply.status_code, f"The server answered {reply.status_code}."

    async def _within_deadline(self, call: Coroutine[Any, Any, tuple[int, str]]) -> tuple[int | None, str]:
        """The call's outcome; it is broken off at the deadline, whatever drips in, and when the server stops."""
        task, end = asyncio.ensure_future(call), time.monotonic() + DEADLINE
        while not task.done() and not self._stopped.is_set() and time.monotonic() < end:
            await asyncio.wait({task}, timeout=min(0.2, DEADLINE))
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        return None, f"The receiver took longer than {DEADLINE:g} seconds."

    def _trusted(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:  # reading the certificates takes a moment
                self._tls = httpx.create_ssl_context(trust_env=False)
            return self._tls

    def _target(self, url: str) -> tuple[str, str]:
        """Where to call: (the URL with an IP address in place of the name, the name).

        Raises:
            BadInput: Not an address that may be called.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
            host = (parts.hostname or "").encode("idna").decode()
        except (ValueError, KeyError):  # a broken port or name, another scheme
            host, port = "", 0
        if not host or not url.isascii() or parts.username or parts.password or any(c <= " " for c in url):
            raise BadInput(
                f"The address {url[:200]!r} cannot be called. Give https://host/path in ASCII, no user name."
            )
        found = self._resolve(host, port)
        if not found:
            raise BadInput(f"The name {host!r} stands for no address.")
        if not self.private and not only_public(found):
            raise BadInput(
                f"{host!r} lies on this machine or in its network, which webhooks do not call. The one who starts the "
                "server may allow it with --allow-private-webhooks."
            )
        ip = f"[{found[0]}]" if ":" in found[0] else found[0]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return f"{parts.scheme}://{ip}:{port}{path}", host

    # ── in the background ───────────────────────────────────────────────────────────────────

    def start(self, projects: Mapping[str, Project], every: float = 2.0) -> None:
        """Look and send in the background, until `stop`."""
        self._stopped.clear()

        def look() -> None:
            for name, project in list(projects.items()):
                self.look(name, project)

        def send() -> None:
            self.send_due(wait=False)

        for name, work in (("look", look), ("send", send)):
            thread = threading.Thread(target=self._again, args=(work, every), name=f"webhooks-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _again(self, work: Callable[[], object], every: float) -> None:
        said = ""
        while not self._stopped.wait(every):
            try:
                work()
            except (sa.exc.SQLAlchemyError, AskwiseError) as error:  # the database is away: the queue waits in it
                if str(error) != said:  # once, not every two seconds
                    log.warning("Webhooks wait: %s", error)
                    said = str(error)
            else:
                said = ""

    def stop(self) -> None:
        """End the work in the background; calls under way are broken off, and made again after a restart."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(15)
        self._threads.clear()
        end = time.monotonic() + 3
        while self._busy and time.monotonic() < end:
            time.sleep(0.02)
