"""Keeps the labeling page to the person who started it."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
HEADER = "x-askwise-token"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
CODE_SECONDS = 300.0
"""A code that nobody used by then works no more."""
MOST_COOKIES = 20
"""Cookies of our name that are looked at; a browser sends several where other programs have set them for paths."""
LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Askwise</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/static/any/lib/app.css"><main class="locked"><h1>This page needs its key</h1>
<p>Open the whole link that <code>askwise label</code> or <code>askwise check</code> printed in the terminal, with the
part after <code>?token=</code>. A link from an earlier start no longer works, and the one that opened this window by
itself works once.</p></main></html>"""
LET_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Askwise</title>
<meta http-equiv="refresh" content="0;url=/"><p><a href="/">Askwise</a></p></html>"""


class Codes:
    """Codes that let a browser in once each, so that none of the page's own keys stands in a command line.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._until: dict[str, float] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def make(self) -> str:
        """A new code."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._until[code] = self._clock() + CODE_SECONDS
        return code

    def use(self, code: str) -> bool:
        """Whether the code lets in; from now on it does not."""
        with self._lock:
            return self._until.pop(code, float("-inf")) >= self._clock()


class Guard:
    """ASGI middleware: only this machine's browser, only with the token, only from our own page.

    - `Host` must name the loopback, which stops DNS rebinding.
    - `/?token=…` sets an HttpOnly, SameSite=Strict cookie and redirects to the clean address; `/?code=…` does so
      once.
    - Everything but the static files needs that cookie, or the token in the header `x-askwise-token`, or
      as `Authorization: Bearer …`.
    - A request that changes something needs our own `Origin` as well, unless it carries the header, which no
      foreign page can set.
    """

    def __init__(self, app: ASGIApp, token: str, codes: Codes | None = None) -> None:
        self.app = app
        self.token = token
        self.codes = codes or Codes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                close(MutableHeaders(scope=message))
            await send(message)

        answer = self._stop(scope)
        await (answer or self.app)(scope, receive, send_guarded)

    def _stop(self, scope: Scope) -> Response | None:
        """The answer to a request that goes no further, or None."""
        headers = Headers(scope=scope)
        path = str(scope["path"])
        if hostname(headers.get("host", "")) not in HOSTS:
            return refuse("This server answers to 127.0.0.1 and localhost only.", 403)
        if path.startswith("/static/"):
            return None
        host = headers.get("host", "")
        if path == "/":
            query = parse_qs(scope["query_string"].decode("latin-1"))
            if query.get("token"):
                return self._let_in(self._matches(query["token"][0]), host, RedirectResponse("/", status_code=303))
            if query.get("code"):
                # Not a redirect: what follows one counts as coming from the file that held the code, another site.
                return self._let_in(self.codes.use(query["code"][0]), host, HTMLResponse(LET_IN))
        by_header = self._matches(headers.get(HEADER, "")) or self._matches(bearer(headers))
        if not by_header and not any(map(self._matches, cookies(headers, self.cookie(host)))):
            if path == "/" or "text/html" in headers.get("accept", ""):
                return HTMLResponse(LOCKED, status_code=401)
            return refuse("The key of this page is missing or old. Open the link that askwise printed last.", 401)
        if scope["method"] not in {"GET", "HEAD"} and not by_header:
            origin = headers.get("origin", "")
            if urlsplit(origin).netloc != headers.get("host") or urlsplit(origin).scheme != "http":
                return refuse("Only the labeling page itself may change something.", 403)
        return None

    def cookie(self, host: str) -> str:
        """The name of the cookie. Cookies know no ports: the name keeps two servers on one machine apart."""
        return f"askwise_key{port_of(host)}"

    def _let_in(self, right: bool, host: str, reply: Response) -> Response:
        if not right:
            return HTMLResponse(LOCKED, status_code=401)
        reply.set_cookie(self.cookie(host), self.token, httponly=True, samesite="strict", path="/")
        return reply

    def _matches(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def close(headers: MutableHeaders) -> None:
    """Close a reply to frames, foreign code and caches, unless it has a policy of its own."""
    headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"


def hostname(host: str) -> str:
    """The name in a Host header, without the port; "" if it is none."""
    try:
        return urlsplit("//" + host).hostname or ""
    except ValueError:  # an unclosed [, not a host at all
        return ""


def bearer(headers: Headers) -> str:
    """The token of an `Authorization: Bearer …` header; "" without one."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def port_of(host: str) -> str:
    """`_8321` for a Host header with that port; "" without one."""
    try:
        port = urlsplit("//" + host).port
    except ValueError:
        port = None
    return "" if port is None else f"_{port}"


def cookies(headers: Headers, name: str) -> list[str]:
    """The values of every cookie of this name; what other programs have set, however odd, is passed over."""
    pairs = (part.partition("=") for line in headers.getlist("cookie") for part in line.split(";"))
    found = [value.strip().strip('"') for key, _, value in pairs if key.strip() == name]
    return list(dict.fromkeys(filter(None, found)))[:MOST_COOKIES]


def refuse(sentence: str, status: int) -> Response:
    """A reply that says why a request goes no further."""
    return JSONResponse({"error": sentence}, status_code=status)
