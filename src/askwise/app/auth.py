"""The door of a team's server: who comes in, how often, with how much, from which page."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import anyio.to_thread
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from askwise.app import faults
from askwise.app.guard import HOSTS, bearer, close, cookies, hostname, port_of, refuse
from askwise.app.roles import ANYONE, NEEDS
from askwise.core import AskwiseError, BadInput

if TYPE_CHECKING:
    from askwise.app.accounts import Accounts
    from askwise.app.roles import Who

MOST_BODY = 1_000_000
"""Bytes of a request; an upload has a limit of its own in `BODIES`."""
BODIES = {"/api/v1/new/file": 500 << 20, "/api/v1/items/add": 500 << 20}
"""End of a path → bytes that a request to it may have, where that is more."""
OPEN = frozenset(path for method, path in (key.split(" ", 1) for key, least in NEEDS.items() if least is ANYONE))
"""Addresses that need no account."""
_TRANSLATED = ip_network("64:ff9b::/96")  # carries an IPv4 address to or from a translator


class Limits:
    """How often; counted in this process, forgotten when it ends. Addresses are counted as `counted_as` says.

    Nobody uses up what is somebody else's: a try counts for its name only where the pair of name and address still had
    one, so it takes many addresses to keep somebody out; who logs in rightly, or comes with a link that works, uses up
    nothing of their address.

    Args:
        person: Requests a minute of one account.
        stranger: Requests a minute of one address without an account.
        logins: Tries in 15 minutes with one name from one address; five times as many with one name from anywhere,
            and as many that failed from one address with any name.
    """

    def __init__(self, *, person: int = 1200, stranger: int = 120, logins: int = 10) -> None:
        self._counted = MovingWindowRateLimiter(MemoryStorage())
        self.person = RateLimitItemPerMinute(person)
        self.stranger = RateLimitItemPerMinute(stranger)
        self.pair = RateLimitItemPerMinute(logins, 15)
        self.many = RateLimitItemPerMinute(5 * logins, 15)

    def by_person(self, account: int) -> bool:
        """Count a request of an account; False when it is one too many."""
        return self._counted.hit(self.person, "person", str(account))

    def by_stranger(self, address: str) -> bool:
        """Count a request without an account."""
        return self._counted.hit(self.stranger, "stranger", counted_as(address))

    def login(self, name: str, address: str) -> bool:
        """Count a try to log in; what one of the counts refuses, the following ones do not count."""
        where = counted_as(address)
        return (
            self._counted.hit(self.pair, "login", name, where)
            and self._counted.test(self.many, "failed", where)
            and self._counted.hit(self.many, "login-name", name)
        )

    def failed(self, address: str) -> bool:
        """Count a wrong password, or a link that does not work; False when it is one too many."""
        return self._counted.hit(self.many, "failed", counted_as(address))

    def password(self, account: int) -> bool:
        """Count a try to change one's password."""
        return self._counted.hit(self.pair, "password", str(account))


def counted_as(address: str) -> str:
    """What an address counts as: IPv4 as itself, however it is wrapped; of IPv6 the network /64 that a host is in.

    Who has one IPv6 address has as a rule all 2**64 of its network.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _TRANSLATED:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        return str(inner or ip_network((ip, 64), strict=False))
    return str(ip)


class TeamGuard:
    """ASGI middleware: only with an account, only from our own page or with a token, not too often, not too much.

    - `Host` must be the public name or the loopback, which stops DNS rebinding.
    - A login is an HttpOnly, SameSite=Lax cookie; a program sends a token as `Authorization: Bearer …` instead.
    - A request that changes something needs our own `Origin`, unless it carries a token, which no foreign page knows.
    - Who it is lies in `request.state.who`; what they may do is in roles.py.

    Args:
        app: The app behind the door.
        accounts: The people.
        limits: How often.
        public_url: Where people reach the server, such as `https://label.example.org`; None = on the loopback.
    """

    def __init__(self, app: ASGIApp, accounts: Accounts, limits: Limits, public_url: str | None) -> None:
        self.app = app
        self.accounts = accounts
        self.limits = limits
        self.origin = origin_of(public_url)
        self.secure = self.origin.startswith("https:")
        self.hosts = HOSTS | {urlsplit(self.origin).hostname} if self.origin else HOSTS
        self.public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # a websocket: there is none here

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                close(headers)
                if self.secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        try:
            answer = await self._stop(scope)
        except AskwiseError as error:  # the database of the accounts is away
            answer = faults.reply(error)
        if answer is not None:
            await answer(scope, receive, send_guarded)
            return
        most = next((n for end, n in BODIES.items() if scope["path"].endswith(end)), MOST_BODY)
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            await refuse(_too_much(most), 413)(scope, receive, send_guarded)
            return
        got = 0

        async def receive_some() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise HTTPException(413, _too_much(most))
            return message

        await self.app(scope, receive_some, send_guarded)

    async def _stop(self, scope: Scope) -> Response | None:
        """The answer to a request that goes no further, or None."""
        headers, path = Headers(scope=scope), str(scope["path"])
        host = headers.get("host", "")
        scope.setdefault("state", {}).update(who=None, logins=[], address=(scope.get("client") or ("",))[0])
        if hostname(host) not in self.hosts:
            return refuse("This server does not go by that name. Its owner sets it with --public-url.", 403)
        if path.startswith("/static/"):
            return None
        token = bearer(headers)
        if scope["method"] not in {"GET", "HEAD", "OPTIONS"} and not token and not self._ours(headers, host):
            return refuse("Only the page itself may change something; a program sends a token.", 403)
        # Other programs on this host, or pages below this one, may have set cookies of the same name.
        logins = [] if token else cookies(headers, cookie_name(self.public_url, host))
        who: Who | None = None
        for secret in [token] if token else logins:
            find = self.accounts.by_token if token else self.accounts.by_login
            who = who or await anyio.to_thread.run_sync(find, secret)
        allowed = self.limits.by_person(who.account) if who else self.limits.by_stranger(scope["state"]["address"])
        if not allowed:
            return JSONResponse({"error": "Too many requests. Wait a minute."}, 429, {"Retry-After": "60"})
        scope["state"].update(who=who, logins=logins)
        if who is not None or (path in OPEN and not token):
            return None
        if path.startswith("/api/") or "/api/" in path or scope["method"] != "GET":
            return refuse("Log in first, or send a token that is valid: Authorization: Bearer ….", 401)
        return RedirectResponse(f"/login?next={quote(path)}", 303)

    def _ours(self, headers: Headers, host: str) -> bool:
        origin = headers.get("origin", "")
        return origin == self.origin != "" or (hostname(host) in HOSTS and origin == f"http://{host}")


def _too_much(most: int) -> str:
    return f"This is more than a request may hold ({most:,} bytes)."


def origin_of(public_url: str | None) -> str:
    """`https://label.example.org/` → `https://label.example.org`; None → "".

    Raises:
        BadInput: It is no address of a server.
    """
    if public_url is None:
        return ""
    parts = _split(public_url)
    if parts is None:
        raise BadInput(
            f"The public address {public_url!r} cannot be used. Give scheme and host, such as "
            "https://label.example.org, without a path."
        )
    return parts


def _split(public_url: str) -> str | None:
    try:
        parts = urlsplit(public_url)
        port = parts.port
    except ValueError:
        return None
    fine = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    if not fine or parts.path not in ("", "/") or parts.query or parts.fragment:
        return None
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def cookie_name(public_url: str | None, host: str) -> str:
    """The login's cookie; with TLS the browser itself sees to it that no other host can set it.

    Without, its name tells the port, as cookies do not know ports: other servers on the machine have others.
    """
    return "__Host-askwise" if origin_of(public_url).startswith("https:") else f"askwise_team{port_of(host)}"


def set_login(reply: Response, secret: str, public_url: str | None, host: str, seconds: int) -> None:
    """Give a browser that came to this host its login."""
    secure = origin_of(public_url).startswith("https:")
    name = cookie_name(public_url, host)
    reply.set_cookie(name, secret, max_age=seconds, httponly=True, samesite="lax", secure=secure, path="/")


def only_public(addresses: Iterable[str]) -> bool:
    """Whether every IP address may be reached from outside: none of this machine, this network or a reserved one."""

    def public(text: str) -> bool:
        ip = ip_address(text)
        if isinstance(ip, IPv6Address):
            inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
            if inner is not None or ip in _TRANSLATED:
                return False
        return ip.is_global and not ip.is_multicast

    found = list(addresses)
    return bool(found) and all(public(one) for one in found)
