"""Keeps the labeling page to the person who started it."""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
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
LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Askwise</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/static/any/app.css"><main class="locked"><h1>This page needs its key</h1>
<p>Open the whole link that <code>askwise label</code> printed in the terminal, with the part after
<code>?token=</code>. A link from an earlier start no longer works.</p></main></html>"""


class Guard:
    """ASGI middleware: only this machine's browser, only with the token, only from our own page.

    - `Host` must name the loopback, which stops DNS rebinding.
    - `/?token=…` sets an HttpOnly, SameSite=Strict cookie and redirects to the clean address.
    - Everything but the static files needs that cookie, or the token in the header `x-askwise-token`, or
      as `Authorization: Bearer …`.
    - A request that changes something needs our own `Origin` as well, unless it carries the header, which no
      foreign page can set.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token
        # Cookies know no ports: the name keeps two servers on one machine apart. It tells nothing about the token.
        self.cookie = "askwise_" + hashlib.sha256(b"cookie name:" + token.encode()).hexdigest()[:10]

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
        if path == "/":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            if given:
                return self._let_in(given[0])
        by_header = self._matches(headers.get(HEADER, "")) or self._matches(bearer(headers))
        if not by_header and not self._matches(cookie(headers.get("cookie", ""), self.cookie)):
            if path == "/" or "text/html" in headers.get("accept", ""):
                return HTMLResponse(LOCKED, status_code=401)
            return refuse("The key of this page is missing or old. Open the link that askwise printed last.", 401)
        if scope["method"] not in {"GET", "HEAD"} and not by_header:
            origin = headers.get("origin", "")
            if urlsplit(origin).netloc != headers.get("host") or urlsplit(origin).scheme != "http":
                return refuse("Only the labeling page itself may change something.", 403)
        return None

    def _let_in(self, given: str) -> Response:
        if not self._matches(given):
            return HTMLResponse(LOCKED, status_code=401)
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return response

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


def cookie(header: str, name: str) -> str:
    """One cookie of a Cookie header; "" without it."""
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:  # some other site's broken cookie on this host: as good as none
        return ""
    return morsel.value if morsel else ""


def refuse(sentence: str, status: int) -> Response:
    """A reply that says why a request goes no further."""
    return JSONResponse({"error": sentence}, status_code=status)
