"""The labeling page's server: the routes of a project, the page and its files, the API's document."""

from __future__ import annotations

import hashlib
import html
import logging
import mimetypes
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response

from askwise.app import faults, growth, insight, kinds, labeling, models, monitoring, relabel, withdrawals
from askwise.app.guard import Codes, Guard, close
from askwise.app.project import Project
from askwise.app.roles import OWNER, Here, Routes, Who
from askwise.core import AskwiseError, BadInput

if TYPE_CHECKING:
    from askwise.session import Session

STATIC = Path(__file__).parent / "static"
PAGES = {"/": "label/index.html"} | {
    f"/{name}": "pages/pages.html" for name in ("dashboard", "review", "data", "models", "finish")
}
"""The pages of a project: address → file below `static/`."""
PROJECT_ROUTES = [
    labeling.routes, insight.routes, kinds.routes, models.routes, monitoring.routes, growth.routes, relabel.routes,
    withdrawals.routes,
]  # fmt: skip
"""What a project can do; see roles.py for how to add to it."""
log = logging.getLogger("askwise.app")


def create_app(session: Session, *, token: str, guidelines: str = "", codes: Codes | None = None) -> FastAPI:
    """The web app of one session and one person.

    Args:
        session: An open session; its worker is started and stopped by the caller.
        token: The secret a browser must show, in the address once; a program sends it in the header
            `x-askwise-token`, or as `Authorization: Bearer …`.
        guidelines: Text of the guidelines panel (headings, lists, **bold**, `code`); empty hides the panel.
        codes: Let a browser in once each, in the place of the token.

    Raises:
        BadInput: If the token is too short to be a secret.
    """
    if len(token) < 16:
        raise BadInput(f"The token has {len(token)} characters; give 16 or more, as secrets.token_urlsafe(24) makes.")
    me = Who("me", OWNER)
    app = build({"": Project(session, guidelines=guidelines)}, lambda _: me)
    app.add_middleware(Guard, token=token, codes=codes)
    return app


def build(
    projects: Mapping[str, Project],
    whose: Callable[[Request], Who | None],
    *,
    prefix: str = "",
    more: tuple[Routes, ...] = (),
    pages: Mapping[str, str] | None = None,
    of_project: bool = True,
) -> FastAPI:
    """The app without its door, which the caller adds as middleware.

    Args:
        projects: Name in the address → project.
        whose: The person behind a request, as the door has found; None = nobody.
        prefix: Where a project lives: "" or "/p/{project}".
        more: Routes that belong to no project.
        pages: Pages that belong to no project: address → file.
        of_project: Whether there are the pages and routes of a project.
    """
    app = FastAPI(
        title="Askwise",
        version="1",
        description='Ask, answer, look, finish: everything the page does. Errors are `{"error": sentence}`.',
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=_operation,
    )
    app.state.projects, app.state.whose = projects, whose
    _errors(app)
    shown = _files(app)
    for address, name in (pages or {}).items():
        app.include_router(_page(address, shown[name]))
    for address, name in (PAGES if of_project else {}).items():
        app.include_router(_page(address, shown[name], of_project=True), prefix=prefix)
    for routes in PROJECT_ROUTES if of_project else ():
        app.include_router(routes, prefix=prefix)
    for routes in more:
        app.include_router(routes)
    _document(app)
    return app


def _operation(route: APIRoute) -> str:
    """The stable name of an operation: `POST /p/{project}/api/v1/autolabel/undo` → `post_autolabel_undo`."""
    place = route.path_format.rpartition("/api/v1/")[2]
    return "_".join([*sorted(route.methods or ()), *re.findall(r"\w+", place)]).lower()


def _page(address: str, text: str, *, of_project: bool = False) -> Routes:
    routes = Routes(include_in_schema=False)

    def page() -> Response:
        return HTMLResponse(text)

    def page_of_project(_: Here) -> Response:
        return HTMLResponse(text)

    routes.add_api_route(address, page_of_project if of_project else page, methods=["GET"])
    return routes


def _files(app: FastAPI) -> dict[str, str]:
    """Serves the files of the pages, whose address holds a hash of them, so a browser may keep them for good.

    Returns:
        Place below `static/` → text of each page.
    """
    places = (path for path in sorted(STATIC.rglob("*")) if path.is_file())
    files = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in places}
    version = hashlib.sha256(b"".join(name.encode() + data for name, data in files.items())).hexdigest()[:12]
    pages = {
        name: files.pop(name).decode().replace("{{version}}", version) for name in list(files) if name.endswith(".html")
    }
    routes = Routes(include_in_schema=False)

    @routes.get("/static/{at}/{name:path}")
    def static(at: str, name: str) -> Response:
        if name not in files:
            raise HTTPException(404, f"No file {name[:100]!r} here.")
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        keep = "public, max-age=31536000, immutable" if at == version else "no-cache"
        return Response(files[name], media_type=kind, headers={"Cache-Control": keep})

    app.include_router(routes)
    return pages


# ── the API's document ──────────────────────────────────────────────────────────────────────


def _document(app: FastAPI) -> None:
    """The OpenAPI document, and a page to read that loads nothing."""
    routes = Routes(include_in_schema=False)

    @routes.get("/api/v1/openapi.json")
    def openapi() -> Response:
        return JSONResponse(app.openapi())

    @routes.get("/api/v1/docs")
    def docs() -> Response:
        return HTMLResponse(listing(app.openapi()))

    app.include_router(routes)


def listing(document: Mapping[str, Any]) -> str:
    """An OpenAPI document as one HTML page without scripts: each operation with what it takes and gives."""
    models = document.get("components", {}).get("schemas", {})
    out = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Askwise API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/static/any/lib/app.css">'
        '<link rel="stylesheet" href="/static/any/team/team.css"><link rel="icon" href="/static/any/lib/icon.svg">'
        f'<main class="listing"><h1>Askwise API</h1><p>{html.escape(document["info"]["description"])}</p>'
        '<p><a href="openapi.json">openapi.json</a></p>'
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            out.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            out.append(f"<p>{html.escape(operation.get('description', ''))}</p>")
            given = [
                (p["name"], p["schema"], p.get("required"), p.get("description", ""))
                for p in operation.get("parameters", [])
            ]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            model = models.get(_named(body), {})
            given += [
                (name, field, name in model.get("required", []), field.get("description", ""))
                for name, field in model.get("properties", {}).items()
            ]
            if given:
                out.append("<dl>")
                for name, schema, needed, says in given:
                    kind = html.escape(_kind(schema))
                    out.append(
                        f"<dt><code>{html.escape(name)}</code> {kind}{'' if needed else ', optional'}</dt>"
                        f"<dd>{html.escape(says)}</dd>"
                    )
                out.append("</dl>")
            reply = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
            if reply:
                out.append(f"<p>Gives {html.escape(_kind(reply.get('schema', {})))}.</p>")
    out.append("<h1>What comes back</h1>")
    for name, model in models.items():
        if "properties" in model:
            out.append(f"<h2>{html.escape(name)}</h2><p>{html.escape(model.get('description', ''))}</p><dl>")
            for field, schema in model["properties"].items():
                out.append(
                    f"<dt><code>{html.escape(field)}</code> {html.escape(_kind(schema))}</dt>"
                    f"<dd>{html.escape(schema.get('description', ''))}</dd>"
                )
            out.append("</dl>")
    return "\n".join([*out, "</main></html>"])


def _named(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _kind(schema: Mapping[str, Any]) -> str:
    """The type of a value in a few words."""
    if "$ref" in schema:
        return _named(schema)
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("const", schema.get("type", "anything")))


# ── errors ──────────────────────────────────────────────────────────────────────────────────


def _errors(app: FastAPI) -> None:
    """Every error leaves as `{"error": sentence}`; the traceback stays in the terminal."""

    @app.exception_handler(AskwiseError)
    def ours(_: Request, error: AskwiseError) -> Response:
        return faults.reply(error)

    @app.exception_handler(ClientDisconnect)
    def gone(_: Request, _error: ClientDisconnect) -> Response:
        return faults.answer("The request ended before it was whole.", 400)  # read by nobody; not worth a traceback

    @app.exception_handler(OSError)
    def of_system(_: Request, error: OSError) -> Response:
        found = faults.of_system(error)
        if found is None:
            raise error
        log.error("%s: %s", type(error).__name__, error)
        return found

    @app.exception_handler(RequestValidationError)
    def unreadable(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "body"
        return faults.answer(f"The request is not usable: {where}: {first['msg'].removeprefix('Value error, ')}.", 400)

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:
        sentence = "There is nothing at this address." if error.detail == "Not Found" else str(error.detail)
        found = faults.answer(sentence, error.status_code)
        found.headers.update(error.headers or {})
        return found

    @app.exception_handler(Exception)
    def broken(_: Request, error: Exception) -> Response:
        log.error("%s", type(error).__name__, exc_info=error)
        sentence = "Something broke inside askwise; the terminal shows what. Answers saved so far are safe."
        reply = JSONResponse({"error": sentence}, 500)
        close(reply.headers)  # the door, which does it else, lies inside what catches this
        return reply
