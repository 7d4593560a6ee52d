"""Keeps other web pages out of the stage, and the page free of anything that is not its own.

Decides which requests are ours: a Host that names this machine (against DNS rebinding), for
requests that change something an Origin equal to it and a JSON body (against cross-site requests).
The port of the Host may differ from ours: people forward ports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

HOST_NAMES = ("127.0.0.1", "localhost")
MAX_BODY_BYTES = 8192
SAFE_METHODS = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refuse(status: int, code: str) -> web.Response:
    """An error whose words the page has."""
    return web.json_response({"code": code}, status=status, headers=HEADERS)


def _is_our_host(host: str | None) -> bool:
    name, colon, port = (host or "").partition(":")
    return name in HOST_NAMES and (not colon or (port.isascii() and port.isdigit()))


def _is_same_origin(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    ours = f"http://{request.headers.get('Host')}"
    return origin in (None, ours) and site in ("same-origin", "none")


def why_not(request: web.Request) -> tuple[int, str] | None:
    """Status and code of the refusal, or None when the request is ours."""
    if not _is_our_host(request.headers.get("Host")):
        return 421, "FOREIGN_HOST"
    if request.method in SAFE_METHODS:
        is_api = request.path.startswith("/api/")
        return None if not is_api or _is_same_origin(request) else (403, "FOREIGN_ORIGIN")
    if not _is_same_origin(request):
        return 403, "FOREIGN_ORIGIN"
    return None if request.content_type == "application/json" else (415, "BAD_REQUEST")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what is not ours; gives every answer our headers."""
    refusal = why_not(request)
    if refusal is not None:
        return refuse(*refusal)
    try:
        response = await handler(request)
    except web.HTTPException as error:
        return refuse(error.status, "NOT_FOUND" if error.status == 404 else "BAD_REQUEST")
    if not response.prepared:
        response.headers.update(HEADERS)
    return response
